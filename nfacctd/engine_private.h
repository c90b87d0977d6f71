/*
 * engine_private.h - what engine.c runs and ledger.c counts.
 */
#ifndef ENGINE_PRIVATE_H
#define ENGINE_PRIVATE_H

#include "nfacctd/engine.h"
#include "nfacctd/exporters.h"
#include "nfacctd/feed.h"
#include "nfacctd/flush.h"
#include "nfacctd/templates_file.h"
#include "nfacctd/worker.h"

enum {
	WORKERS_MAX = 64,
	STEER_BITS = 12,
	STEER_SLOTS = 1 << STEER_BITS,
	GROWTH = 16	/* octets of rows that an octet of a datagram may become, in each plugin */
};

struct plugin {
	const struct plugin_settings *settings;
	struct pipeline *pipeline;
	struct plugin_maps *maps;
	struct flush flush;
	bool flushing;		/* flush_init was reached */
};

/* Files that are not a plugin's. */
struct core_maps {
	struct networks *allow;		/* NULL: all senders */
	struct tagmap *sampling;	/* sampling_map, or NULL */
	struct directions *directions;	/* nfacctd_direction_map, or NULL */
};

struct engine {
	const struct settings *settings;
	uint64_t seed;
	struct plugin *plugin;
	size_t nplugins;
	struct worker *worker;
	size_t nworkers, started;
	struct core_maps maps;
	struct templates_file templates;
	struct agg_budget budget;
	int fd[WORKERS_MAX];	/* bound, not yet a worker's */
	bool fed;		/* by engine_feed, which sets the clock */
	struct feed *feed;	/* of a capture with several workers; else NULL */
	/* By a hash of the sender: its worker, from 1; in turns, as they come. */
	uint8_t steer[STEER_SLOTS];
	unsigned steered;
	uint64_t unsettled;	/* octets put into the feeds, at most so many not yet in the sums */
	bool written;	/* of a capture: all of it, see engine_fed() */
	bool stopped;
	int64_t last_s;		/* of the capture */
	int64_t quiet_s;	/* until then nothing is due */
	uint64_t watched_us;	/* when silent exporters were looked for */
	uint64_t crowd_us;	/* when those that gave way were */
	struct exporters_crowd crowd;
};

#endif /* ENGINE_PRIVATE_H */
