/*
 * sequence.h - what the sequence numbers of a stream tell about loss.
 *
 * A header's number is the total before this datagram: of records in v5, v7,
 * v8 and IPFIX (options data records count, templates do not), of datagrams in
 * v9 and sFlow; modulo 2^32.  The first one seen is the base.  A late datagram
 * takes its units back from what was counted as lost; one of the last 64 that comes
 * again is a duplicate and must not, or loss would hide behind it.
 *
 * What looks like neither loss nor reordering is a restart: a jump of more
 * than SEQUENCE_GAP_MAX datagrams' worth, a number far behind, an uptime that
 * went back, or SEQUENCE_RUN datagrams in a row that follow each other behind
 * the expected number (SEQUENCE_RUN_LOSS, while there is a loss that they may
 * be filling).
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <stdbool.h>
#include "decoder.h"

enum { SEQUENCE_RECENT = 64, SEQUENCE_RUN = 3, SEQUENCE_RUN_LOSS = 16, SEQUENCE_LATE_MAX = 64,
	SEQUENCE_GAP_MAX = 20000 };

struct sequence {
	uint32_t next;			/* expected */
	uint32_t behind_next;		/* what would follow the last datagram from behind */
	/* A ring of their low halves: two of one window differ in them, but for one in a thousand. */
	uint16_t recent[SEQUENCE_RECENT];
	uint32_t uptime_ms;
	uint8_t nrecent, at, run;	/* at: where the next number goes */
	bool known;
};

struct sequence_step {
	uint32_t number;	/* of the header */
	uint32_t units;		/* that this datagram adds: records, or 1 */
	uint32_t unit; /* units in a usual datagram: 30 where records are counted, else 1 */
	bool uncertain;		/* units is a lower bound: the next number is a new base */
	bool has_uptime;
	uint32_t uptime_ms;
};

void sequence_step(struct sequence *s, struct sequence_counts *c, const struct sequence_step *in);

#endif /* SEQUENCE_H */
