/*
 * flush.h - a plugin's way from its tables to its sink.
 *
 * At a deadline the tables of all workers are taken (a pointer swap between two
 * batches), merged, cut at the bin that has just begun, and handed to the sink
 * as one purge.  What the sink cannot take now is kept as it is and tried again
 * before anything newer; meanwhile nothing is taken from the workers, whose
 * tables add up what comes, so an outage costs memory by the number of keys and
 * not by its length, and loses nothing.
 *
 * Live, each plugin has a thread for this and a slow sink never stops
 * reception.  For a capture the same steps run in between datagrams, by the
 * capture's clock.
 */
#ifndef FLUSH_H
#define FLUSH_H

#include <pthread.h>
#include "nfacctd/exporters.h"
#include "nfacctd/sink.h"
#include "nfacctd/trigger.h"
#include "nfacctd/worker.h"

/* In arithmetic modulo 2^64: taken + raised = written + rejected + salvaged + lost + waiting +
 * held + spooled (in sink) + shed + saturated + unfit + lowered. */
struct flush_counts {
	uint64_t purges, rows, retries;
	uint64_t unwritten;	/* purges that were saved or lost at exit */
	uint64_t taken_octets, taken_packets;	/* given to the tables that were taken */
	uint64_t written_octets, written_packets;
	uint64_t salvaged_octets, salvaged_packets;
	uint64_t lost_octets, lost_packets;	/* neither written nor saved at exit */
	uint64_t waiting_octets, waiting_packets, waiting_rows;	/* refused by the sink for now */
	uint64_t held_octets, held_packets;	/* of bins to come */
	uint64_t shed, shed_octets, shed_packets;	/* beyond the memory budget */
	uint64_t saturated, saturated_octets, saturated_packets;
	struct preprocess_counts preprocess;
	struct sink_counts sink;
};

struct flush {
	/* Set by whoever owns it. */
	unsigned plugin;		/* its number: its lane in every worker */
	const struct plugin_settings *settings;
	const struct pipeline *pipeline;
	const struct sink *sink;
	void *handle;
	struct worker *worker;
	size_t nworkers;
	struct agg_budget *budget;
	uint64_t seed;
	void (*purged)(void *ctx);	/* told after each purge, or NULL */
	void *ctx;
	/* Its own. */
	int64_t deadline;		/* next purge, seconds since 1970 */
	int64_t before;			/* when the last one was */
	struct aggregate *held;		/* rows of bins to come */
	int64_t held_first;		/* the earliest of them */
	struct waiting *waiting;	/* a purge that the sink refused, or NULL */
	int64_t retry_at;
	uint32_t backoff;
	uint64_t next_id, shed_logged_us;
	struct exporter_book exporters;	/* sql_exporters_table */
	struct trigger trigger;
	struct flush_counts counts, published;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool threaded, urgent, futile;
	unsigned attempts;		/* of the last purge; 0 before flush_finish() */
	int64_t finish_at;
};

/* First deadline and first table of each worker. -1 with errno. */
int flush_init(struct flush *f, int64_t now);
/* Clock steps: with a new start, before any record. */
void flush_restart(struct flush *f, int64_t now);
/* What is due at `now`: a purge, or the one that waits.  True when something was handed to the
 * sink. */
bool flush_step(struct flush *f, int64_t now);
/* True when a purge at `deadline` could write nothing, as long as no record comes. */
bool flush_idle(const struct flush *f, int64_t deadline);
/*
 * Everything that is left, open and coming bins too; tries `attempts` times,
 * then salvages.  The workers have stopped.  A flush that has a thread does it
 * there, all plugins at a time: a server that hangs is waited for only once,
 * and whoever stops us may not wait for long.  flush_wait() waits for its end.
 */
void flush_finish(struct flush *f, int64_t now, unsigned attempts);
void flush_wait(struct flush *f);
void flush_clear(struct flush *f);

int flush_start(struct flush *f);
/* A purge before its time: memory runs out. */
void flush_urge(struct flush *f);
/*
 * One line a minute when records are shed: the tables tell of it when they are
 * taken, which a sink in trouble puts off.  From any thread but a worker's.
 */
void flush_watch(struct flush *f);
/* Counters of one moment. */
void flush_read_counts(struct flush *f, struct flush_counts *out);

#endif /* FLUSH_H */
