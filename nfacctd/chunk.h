/*
 * chunk.h - what is the same for all plugins of a chunk of records, worked out once: which of
 * them count, the times that pick their bins, and their sums after the correction for sampling.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include "nfacctd/aggregate.h"
#include "nfacctd/direction.h"
#include "nfacctd/settings.h"
#include "nfacctd/tagmap.h"
#include "wire/decoder.h"

/* Carried remainders of octets * num / den, by denominator, so that totals stay exact. */
enum { CARRIES = 64 };

struct scale_carry {
	uint32_t den;
	uint32_t octets, packets;
};

struct chunk_counts {
	uint64_t records;
	uint64_t events; /* neither octets nor packets: not summed but by lanes that account them */
	uint64_t options;	/* nfacctd_account_options */
	uint64_t other_way, other_way_octets,
		other_way_packets; /* nfacctd_direction leaves them out */
	uint64_t no_octets;	/* packets, but no octets */
	uint64_t clamped;	/* flow time too far off: booked at arrival */
	uint64_t rescaled;	/* multiplied by a sampling interval */
	uint64_t unscaled;	/* renormalize is on, and no interval was known */
	uint64_t overflowed;	/* products that stay at 2^64 - 1 */
	uint64_t octets, packets;	/* as exported, of records that are no events */
	uint64_t scaled_octets, scaled_packets;
};

/* One a worker. */
struct chunk_state {
	struct chunk_counts counts;
	bool timed;			/* some plugin has bins: flow times are looked at */
	bool flows, flags;		/* some plugin counts flows, sums up TCP flags */
	bool events;			/* some plugin accounts events */
	const struct directions *directions;	/* nfacctd_direction_map, or NULL */
	uint64_t told_us;			/* when an exporter was last told of */
	struct scale_carry carry[CARRIES + 1];	/* by denominator, and a spare one */
	const struct tagmap *sampling;	/* sampling_map, or NULL */
	struct tag_view view;		/* of it */
};

struct chunk {
	const struct flow_origin *origin;
	bool direct;			/* keys are filled in already; there are no records */
	bool v4;			/* in the columns of IPv4; when `direct` */
	const struct flow_record *first; /* of all: what is beside them goes by their number */
	size_t n;			/* records that count; events, when a plugin wants them */
	const struct flow_record *rec[DECODER_CHUNK];
	uint64_t events;		/* bit i: rec[i] is an event */
	uint64_t time_us[DECODER_CHUNK]; /* that picks the bin; when `timed` */
	uint64_t earliest_us, latest_us;
	bool by_flow[DECODER_CHUNK]; /* the flow's own times count: it may be spread; when `timed`
				      */
	struct sums sums[DECODER_CHUNK];	/* after sampling correction */
	uint32_t rate[DECODER_CHUNK]; /* by sampling_map, 0: its rules say nothing; when `mapped` */
	bool mapped;
	struct agg_total total;		/* of them */
	/* Columns of the decoder, as are time_us, and `octets` and `packets` of sums. */
	uint8_t tcp_flags[DECODER_CHUNK], direction[DECODER_CHUNK];
};

/* What prepared chunks leave behind. */
void chunk_state_clear(struct chunk_state *state);
void chunk_prepare(struct chunk *c, struct chunk_state *state, const struct settings *s,
		   const struct flow_origin *origin, const struct flow_record *rec, size_t n);

/* Members whose records go the long way, and those that they must have for the short one. */
#define DIRECT_WITH FLOW_BIT(octets)
uint64_t direct_without(const struct settings *s);
enum { CHUNK_COLUMNS = 5 };
/* Where the decoder is to put what is the same for all plugins; how many columns. */
size_t chunk_columns(struct chunk *c, const struct chunk_state *state, struct flow_column *to);
/* The part of them that has a place to itself. */
struct flow_area chunk_area(struct chunk *c);
/* `n` rows of the columns are filled; `all`: see emit_columns_fn. */
void chunk_prepare_direct(struct chunk *c, struct chunk_state *state, const struct settings *s,
			  const struct flow_origin *origin, const struct flow_record *all,
			  size_t n);

#endif /* CHUNK_H */
