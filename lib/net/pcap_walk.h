/*
 * pcap_walk.h - the packets of a classic capture file, where they were read to.
 *
 * libpcap reads a packet by two calls of fread() and copies it once more; with two
 * hundred nanoseconds a datagram that is a tenth of what a collector needs for all
 * the rest.  This takes over behind libpcap, which has judged the file's header:
 * files of version 2.4 that can be rewound, which is every capture but pcapng,
 * pipes and museum pieces.  Packets, their limits and the words for what is wrong
 * are libpcap's.
 */
#ifndef PCAP_WALK_H
#define PCAP_WALK_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pcap_walk {
	int fd;
	bool swapped, nano, ended;
	bool lent;		/* the buffer is not ours */
	uint32_t snaplen;	/* packets are cut to it; 0: are not */
	uint8_t *buf;		/* NULL: not walking */
	size_t at, have;	/* octets of it: next packet, all that were read */
};

/* What a file's first 24 octets say. */
enum { PCAP_FILE_HEADER = 24 };
bool pcap_walk_can(struct pcap_walk *w, const uint8_t header[static PCAP_FILE_HEADER]);
/* From behind the header of `fd`, which stays the caller's.  False when there is no memory. */
bool pcap_walk_start(struct pcap_walk *w, int fd);
/*
 * As pcap_next_ex() with nanosecond precision: 1 with *h and *data, which live until the
 * next call, PCAP_ERROR_BREAK at the end, PCAP_ERROR with `why`.  From a lent buffer also
 * PCAP_WALK_MORE: what comes next has no place in it, lend another one.
 */
enum { PCAP_WALK_MORE = 2 };
int pcap_walk_next(struct pcap_walk *w, struct pcap_pkthdr *h, const uint8_t **data,
		   char why[static PCAP_ERRBUF_SIZE]);
/*
 * From here on packets lie in `buf`, PCAP_WALK_BUFFER octets of the caller's, and live until it is
 * lent again: it is read into before its first packet only.
 */
enum {
	PCAP_PACKET_HEADER = 16,
	PCAP_PACKET_MOST = 262144,	/* libpcap's MAXIMUM_SNAPLEN */
	PCAP_READ = 128 << 10, /* octets a read; above 256 kB the cache suffers */
	PCAP_WALK_BUFFER = PCAP_PACKET_HEADER + PCAP_PACKET_MOST + PCAP_READ
};
void pcap_walk_lend(struct pcap_walk *w, uint8_t *buf);
void pcap_walk_clear(struct pcap_walk *w);

#endif /* PCAP_WALK_H */
