/*
 * pipeline.h - from decoded records to the sums of each plugin.
 *
 * What the configuration says is compiled once, at start, into a list of column
 * operations: each fills one field of the keys of a whole chunk of records, so
 * nothing is decided a record.  What does not differ between plugins (time,
 * sampling correction) is worked out once a chunk, before the plugins, and
 * therefore is the same for all of them.
 *
 *	chunk_prepare(&chunk, &common, &state, origin, rec, n);
 *	for each plugin
 *		lane_run(&lane[i], &chunk);
 *
 * Where all plugins take nothing but members as they are, and what all records of a datagram
 * share, there is no need of records: the decoder then writes keys, counters and times itself
 * (decoder_want_columns), chunk_prepare_direct() takes the place of chunk_prepare(), and the rest
 * is the same.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "nfacctd/aggregate.h"
#include "net/filter.h"
#include "nfacctd/direction.h"
#include "nfacctd/networks.h"
#include "nfacctd/settings.h"
#include "nfacctd/tagmap.h"
#include "nfacctd/timebin.h"
#include "wire/decoder.h"

/* ---- what is the same for all plugins ------------------------------------------ */

/* Carried remainders of octets * num / den, by denominator, so that totals stay exact. */
enum { CARRIES = 16 };

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
	bool flags;			/* some plugin sums up TCP flags */
	bool events;			/* some plugin accounts events */
	const struct directions *directions;	/* nfacctd_direction_map, or NULL */
	uint64_t told_us;			/* when an exporter was last told of */
	struct scale_carry carry[CARRIES];
	const struct tagmap *sampling;	/* sampling_map, or NULL */
	struct tag_view view;		/* of it */
};

struct chunk {
	const struct flow_origin *origin;
	bool direct;			/* keys are filled in already; there are no records */
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
/* `n` rows of the columns are filled; `all`: see emit_columns_fn. */
void chunk_prepare_direct(struct chunk *c, struct chunk_state *state, const struct settings *s,
			  const struct flow_origin *origin, const struct flow_record *all,
			  size_t n);

/* ---- a plugin's plan -------------------------------------------------------------- */

/* Files of a plugin; replaced as a whole at a reload. */
struct plugin_maps {
	struct networks *networks;
	struct number_set *ports, *protos, *tos;
	struct tagmap *tags;
};

/* -1 after logging; what could be loaded is freed again. */
int plugin_maps_load(
	struct plugin_maps *m, const struct settings *s, const struct plugin_settings *p);
void plugin_maps_clear(struct plugin_maps *m);

struct pipeline;
/* NULL after logging.  `now`: start of the daemon, which bins without round-off count from. */
struct pipeline *pipeline_new(
	const struct settings *s, const struct plugin_settings *p, int64_t now);
/* Bins count from `now`: for a capture, whose clock is known with its first datagram only. */
void pipeline_restart(struct pipeline *p, const struct plugin_settings *s, int64_t now);
void pipeline_free(struct pipeline *p);
const struct key_layout *pipeline_layout(const struct pipeline *p);
const struct agg_shape *pipeline_shape(const struct pipeline *p);
const struct timebin *pipeline_bins(const struct pipeline *p);
/* Bytes of the bin's start in front of a key; mostly 0 without history. */
size_t pipeline_bin_bytes(const struct pipeline *p);
/* Members of a record (FLOW_BIT) that are looked at; all of them, when that is not certain. */
uint64_t pipeline_members(const struct pipeline *p);
/* "networks_file ... is used as a filter": what was decided and why; NULL when there was nothing to
 * decide. */
const char *pipeline_notice(const struct pipeline *p);

/* ---- a plugin in one worker ---------------------------------------------------------- */

/*
 * Entries are records, twice for sum_*.  records = filtered + booked;
 * entries' octets = given to the table + dropped others.
 */
struct lane_counts {
	uint64_t records, filtered;	/* by aggregate_filter and the pre_tag filters */
	uint64_t events;		/* of the records */
	uint64_t entries, octets, packets;	/* everything that must come out again */
	uint64_t taken_octets, taken_packets;	/* given to tables that were swapped out */
	uint64_t others, others_octets, others_packets;	/* networks_drop_others */
	uint64_t spread;	/* flows spread over several bins */
	uint64_t not_spread;	/* that would have taken more than 1024 bins: in their first one */
};

struct lane;
struct lane *lane_new(const struct pipeline *p, const struct plugin_maps *maps);
void lane_free(struct lane *l);
void lane_run(struct lane *l, const struct chunk *c);
/* True when bins are made: the time of a flow matters. */
bool lane_timed(const struct lane *l);
/* True when events are accounted, too. */
bool lane_events(const struct lane *l);
const struct lane_counts *lane_counts(const struct lane *l);
/* Whether its keys can be filled by the decoder, which then needs at most LANE_COLUMNS columns. */
bool pipeline_direct(const struct pipeline *p);
enum { LANE_COLUMNS = 2 * KEY_FIELDS_MAX };
size_t lane_columns(const struct lane *l, struct flow_column *to);
/* The table that lane_run() fills; returns the one before. */
struct aggregate *lane_swap(struct lane *l, struct aggregate *table);
struct aggregate *lane_table(const struct lane *l);
void lane_set_maps(struct lane *l, const struct plugin_maps *maps);

/*
 * Share `total` among n parts by `weight` (sum `all`, not 0): largest remainder,
 * ties to the earlier part, so the shares add up to `total`.
 */
void share_out(uint64_t total, const uint64_t *weight, uint64_t all, uint64_t *share, size_t n);

#endif /* PIPELINE_H */
