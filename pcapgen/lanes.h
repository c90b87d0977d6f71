/*
 * lanes.h - a scenario's exporters in turn, by their weights.
 *
 * Which one is next is stride scheduling: each has a pass that grows by
 * 1/weight a datagram, the smallest pass goes first.
 */
#ifndef LANES_H
#define LANES_H

#include "pcapgen/craft.h"
#include "pcapgen/export.h"

struct lane {
	struct exporter *exporter;
	struct endpoint from;
	int source;
	uint64_t pass, stride;
	/* Of a batch, its caller's: the exporter's items in it. */
	uint32_t head, tail, in_batch;
	size_t guess;	/* records that its next datagram will have: as many as the last one */
};

struct lanes {
	const struct craft_job *job;
	struct population *population;
	struct lane *lane;
	uint32_t *heap;			/* of lanes, by pass, then number */
	size_t n;
	uint64_t start_ms;
};

/* Sources are opened, -1 with a line in `why`; lanes_close() in any case. */
int lanes_open(struct lanes *l, const struct craft_job *job, char *why);
/* The exporters begin, now or when the scenario says. */
void lanes_start(struct lanes *l);
void lanes_close(struct lanes *l);

/* Who is next; it stays so until lanes_turn(). */
static inline uint32_t lanes_next(const struct lanes *l)
{
	return l->heap[0];
}

/* It has made one more datagram. */
static inline void lanes_count(struct lanes *l)
{
	struct lane *lane = &l->lane[l->heap[0]];

	lane->pass += lane->stride;
}

void lanes_turn(struct lanes *l);

/* What the truth says of a datagram of exporter `index`, due `due_ns` after the start ... */
struct truth_row lanes_truth(const struct lanes *l, uint32_t index, uint64_t number,
	uint64_t due_ns, const struct crafted *crafted);
/* ... and of one of its records. */
void lanes_truth_flow(struct truth_row *row, const struct flow_record *r);

#endif /* LANES_H */
