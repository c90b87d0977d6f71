/*
 * capture.h - UDP datagrams out of and into capture files (libpcap).
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "net/batch.h"

struct capture;

/* Counts add up, at every moment: packets = datagrams + joined + fragments + other + cut. */
struct capture_counts {
	uint64_t packets, datagrams;
	uint64_t fragments;	/* of datagrams that are not, or could not be, put together */
	uint64_t other;		/* not UDP over IP */
	uint64_t cut;		/* snap length shorter than the datagram */
	uint64_t reassembled; /* datagrams put together from fragments (in datagrams; their other
				 fragments count in joined) */
	uint64_t joined;	/* fragments that went into them */
};

/* "-" is stdin.  NULL with a message in `why` (at least 256 bytes). */
struct capture *capture_open(const char *path, char *why);
/* The next UDP datagram; d->data lives until the next call.  1, 0 at the end, -1 with `why` set. */
int capture_next(struct capture *c, struct datagram *d, struct endpoint *to, char *why);
/*
 * For who needs datagrams for longer: from here on the file is read into `buf`, CAPTURE_BUFFER
 * octets, and datagrams live until it is lent again; capture_next() says CAPTURE_MORE when it
 * wants another one.  Those that lie outside of it (fragments put together, files that libpcap
 * reads) live as ever.
 */
enum { CAPTURE_MORE = 2, CAPTURE_BUFFER = 400 << 10 };
void capture_lend(struct capture *c, uint8_t *buf);
const struct capture_counts *capture_counts(const struct capture *c);
void capture_close(struct capture *c);

struct capture_writer;
/* A record of such a file is this much longer than its datagram, at most (IPv6). */
enum { CAPTURE_HEAD = 16 + 14 + 40 + 8 };
/* A classic nanosecond pcap of Ethernet frames; "-" is stdout.  NULL with errno. */
struct capture_writer *capture_create(const char *path);
/*
 * A record of the file into `out`, which has room for CAPTURE_HEAD + data.n: Ethernet + IP + UDP
 * around `data`, checksums right.  Its octets, or 0 with errno.  Any thread may.
 */
size_t capture_record(uint8_t *out, uint64_t when_ns, const struct endpoint *from,
	const struct endpoint *to, struct bytes data);
/*
 * Append `n` octets of records; how many the file took.  Less than `n` with errno, and from then
 * on nothing is taken any more.
 */
size_t capture_append(struct capture_writer *w, const uint8_t *p, size_t n);
/* Take the last `n` octets back: a record that is there by half.  Where the file cannot, it stays. */
void capture_take_back(struct capture_writer *w, size_t n);
/* Sync and close; -1 with errno when anything did not reach the file. */
int capture_finish(struct capture_writer *w);

#endif /* CAPTURE_H */
