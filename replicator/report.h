/*
 * report.h - the counters of all workers as statistics, and the receivers'
 * losses as log lines.
 */
#ifndef REPORT_H
#define REPORT_H

#include "base/stats.h"
#include "net/metrics.h"
#include "replicator/worker.h"

/* A receiver over all workers. */
struct report_row {
	struct receiver *self;	/* the first worker's: its label, and what was logged of it */
	const char *pool;
	struct receiver sum;	/* counters only */
};

/* An exporter over all workers. */
struct report_exporter {
	struct addr addr;
	uint64_t datagrams, octets, dropped, lost;
};

enum { REPORT_EXPORTERS = 100 };	/* the busiest: the others are in the sums only */

/* What all workers counted, each looked at between two of its batches. */
struct report {
	struct batch_counts recv;
	struct gate_counts gate;
	struct report_exporter top[REPORT_EXPORTERS];
	size_t ntop;
	uint64_t least;		/* datagrams below which nobody gets into a full top[] */
	struct sequence_counts sequence;
	uint64_t exporters, exporters_evicted, streams, streams_evicted, dedup_early;
	struct fanout_counts fanout;
	struct spoof_counts spoof;
	uint64_t raw_sent;
	struct recall_counts recall;
	bool remembers;		/* there is a memory for templates */
	struct report_row *rows;
	size_t n, workers;
	struct receiver removed;
	uint64_t reloads, reloads_failed, names_changed, names_stale;
};

/* Fill `r` from the workers; receivers must not be replaced before report_clear(). */
void report_collect(struct report *r, struct worker *w, size_t n);
void report_clear(struct report *r);

/*
 * The totals that go on when another process takes over, by number: NULL behind the last.
 * `name` is what two versions of the program call it.
 */
enum { REPORT_NAME = 64 };
uint64_t *report_total(struct report *r, size_t i, char name[static REPORT_NAME]);
/* Add the totals of `before`. */
void report_add(struct report *r, struct report *before);
/* A receiver's counters in the same way. */
uint64_t *report_counter(struct receiver *r, size_t i, const char **name);

/* What everything is called, see replicator(8) STATISTICS. */
void report_stats(struct stats *s, const struct report *r);
/* One line for each receiver that lost something, at most once a minute each. */
void report_losses(const struct report *r, uint64_t now_us);
/* Every receiver's counters as log lines (SIGUSR1). */
void report_log(const struct report *r);

/* The same names as Prometheus has them. */
extern const struct metric_name report_metrics[];
extern const size_t report_nmetrics;

#endif /* REPORT_H */
