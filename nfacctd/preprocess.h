/*
 * preprocess.h - sql_preprocess, print_preprocess: which rows of a purge are
 * written at all, and by how much their counters are changed (collector.md 3).
 *
 * A row passes when one of the checks fits it, or all of them with
 * sql_preprocess_type: all.  Then usrf multiplies its packets and bytes, then
 * adjb adds bytes for each packet.
 */
#ifndef PREPROCESS_H
#define PREPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum preprocess_measure {
	PREPROCESS_PACKETS,
	PREPROCESS_FLOWS,
	PREPROCESS_OCTETS,
	PREPROCESS_OCTETS_A_PACKET,
	PREPROCESS_PACKETS_A_FLOW,
	PREPROCESS_MEASURES
};

struct preprocess {
	uint64_t rows;		/* qnum: a smaller purge is written unchecked */
	uint64_t least[PREPROCESS_MEASURES], below[PREPROCESS_MEASURES]; /* 0: no such check */
	uint64_t factor;	/* usrf; 0: none */
	int64_t a_packet;	/* adjb: bytes for each packet */
};

/* What became of a purge's rows. */
struct preprocess_counts {
	uint64_t unfit, unfit_octets, unfit_packets;	/* not written */
	uint64_t raised_octets, raised_packets, lowered_octets;
};

/* "minp=10,minb=1000"; false with what was expected. */
bool preprocess_parse(struct preprocess *p, const char *value, const char **expected);
bool preprocess_any(const struct preprocess *p);

struct sum_row;
/* rows[0..n) to those that are written, in their order; how many. */
size_t preprocess_rows(const struct preprocess *p, bool all, struct sum_row *rows, size_t n,
		       struct preprocess_counts *c);

#endif /* PREPROCESS_H */
