/*
 * raw.h - UDP datagrams with any source, written header by header through a
 * raw socket: the way out where a socket cannot have the exporter's address,
 * because it is a live socket of this very host.
 *
 * We fragment (RFC 791 3.2, RFC 8200 4.5) and sum up (RFC 768, RFC 8200 8.1)
 * ourselves.  Needs CAP_NET_RAW.
 */
#ifndef RAW_H
#define RAW_H

#include "net/batch.h"

enum {
	RAW_HEADERS = 48,	/* the most that stands before a payload: IPv6 and UDP */
	RAW_FRAGMENT_HEADERS = 56,
	RAW_MTU_MIN = 576,
};

/* What is said of a datagram beside its payload. */
struct raw_head {
	struct endpoint from, to;	/* of one family */
	uint8_t ttl, tos;
	uint32_t id;			/* of a datagram that may be cut: another for each */
	bool no_checksum;		/* IPv4 only */
};

/* One's complement sum of a payload, to be used for each receiver. */
uint16_t raw_sum(struct bytes payload);
/*
 * The headers that stand before the octets [at, at + n) of a UDP datagram (its
 * header of 8 octets included) of `total`, as one fragment or as the whole: `n`
 * is a multiple of 8 in all fragments but the last.  `sum` is that of the
 * payload.  Returns the length written to `out`: IP header, and the UDP header
 * when `at` is 0.
 */
size_t raw_headers(uint8_t out[static RAW_FRAGMENT_HEADERS], const struct raw_head *h, uint16_t sum,
	size_t at, size_t n, size_t total);

/* A way out to one receiver. */
struct raw {
	int fd;			/* -1: not open */
	size_t mtu;
	uint32_t sends;		/* since the MTU was asked for */
};

/* 0, or -1 with errno. */
int raw_open(struct raw *r, const struct endpoint *to, int send_buffer);
void raw_close(struct raw *r);
/* One datagram, in as many fragments as it takes; 0 or errno.  Never blocks. */
int raw_send(struct raw *r, const struct raw_head *h, struct bytes payload, uint16_t sum);

#endif /* RAW_H */
