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
 * next call, PCAP_ERROR_BREAK at the end, PCAP_ERROR with `why`.
 */
int pcap_walk_next(struct pcap_walk *w, struct pcap_pkthdr *h, const uint8_t **data,
		   char why[static PCAP_ERRBUF_SIZE]);
void pcap_walk_clear(struct pcap_walk *w);

#endif /* PCAP_WALK_H */
