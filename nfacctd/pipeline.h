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

#include "nfacctd/chunk.h"
#include "nfacctd/networks.h"
#include "nfacctd/timebin.h"

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
/* A key of the layout from a table's: aggregate_row() says whether that is the narrow form. */
void pipeline_unpack(const struct pipeline *p, uint8_t *to, const uint8_t *key, bool narrow);
/* Bytes of the bin's start in front of a table's key; mostly 0 without history. */
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
/* `v4`: those for records without an address but of IPv4; the same where there is no address in
 * the key. */
size_t lane_columns(const struct lane *l, struct flow_column *to, bool v4);
/* The places of these columns: at most LANE_AREAS, none where a key has no column. */
enum { LANE_AREAS = 2 };
size_t lane_areas(const struct lane *l, struct flow_area *to, bool v4);
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
