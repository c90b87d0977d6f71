/*
 * flows.h - from a seed, the same flow records every time.
 *
 * A population is what all exporters of a scenario share: customers, remotes
 * and applications with their weights summed up for a binary search.  A flow
 * stream is one exporter's endless row of flows from it.  What it yields is
 * the network's view (IP octets, 64-bit counters, 32-bit AS numbers); what an
 * export format can say of that is export.h's business.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include "pcapgen/random.h"
#include "pcapgen/scenario.h"
#include "wire/flow.h"

struct population;

struct population *population_new(const struct scenario *sc);
void population_free(struct population *p);

struct flow_stream {
	const struct population *population;
	struct rng rng;
	uint8_t families;
};

/* Stream `number` of the scenario's seed. */
void flow_stream_init(struct flow_stream *s, const struct population *p, uint64_t seed,
	uint64_t number, uint8_t families);
/*
 * The next flow; its last packet lies delay_ms (drawn) before `now_ms`, never
 * behind it, at whole milliseconds.
 */
void flow_stream_next(struct flow_stream *s, uint64_t now_ms, struct flow_record *r);
/* The next sampled packet: packets 1, octets a frame of 64 to 1518 with its FCS, no times. */
void flow_stream_packet(struct flow_stream *s, struct flow_record *r);

/* One value, d->min to d->max. */
uint64_t distribution_draw(const struct distribution *d, struct rng *rng);

#endif /* FLOWS_H */
