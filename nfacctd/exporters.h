/*
 * exporters.h - what is known about each exporter: how much came, how much its
 * own sequence numbers say is missing, what could not be read, scaled or dated,
 * and when it was heard last.  An invoice is as complete as its exporters were.
 *
 * The counters are the decoder's, a struct stream an (exporter, protocol,
 * domain); here they are copied, worker by worker between two batches, and told
 * four ways: log lines in pmacct's words, rows of struct stats (the statistics
 * file, Prometheus), one line when an exporter falls silent, and rows in SQL
 * beside the bill.
 *
 * Bounds: a worker knows nfacctd_exporters of them, 4096; the one that was
 * unheard for longest gives way, counted as evicted_streams.
 */
#ifndef EXPORTERS_H
#define EXPORTERS_H

#include "base/stats.h"
#include "nfacctd/sink.h"
#include "nfacctd/worker.h"

struct exporter {
	uint32_t worker;
	struct stream s;
};

struct exporters {
	struct exporter *row;		/* in order: worker, exporter, protocol, domain */
	size_t n, cap;
	uint64_t discarded; /* datagrams that no exporter could be found for, or that were denied */
};

/* All of them, of one moment a worker; exporters_clear() when done. */
void exporters_take(struct exporters *x, struct worker *worker, size_t nworkers);
void exporters_clear(struct exporters *x);

/* Two lines each: pmacct's, and what it does not tell. `at` is "address:port" of our socket. */
void exporters_log(const struct exporters *x, const char *at, uint64_t now_s);
/* exporter_*{exporter="192.0.2.1",protocol="netflow5",domain="0"} */
void exporters_stats(const struct exporters *x, struct stats *out);

/*
 * One line for each exporter that was not heard of for `limit_us`, and one when
 * it is back; of many at once the first SILENT_LINES.  Returns how many are
 * silent now.
 */
enum { SILENT_LINES = 20 };
size_t exporters_watch(struct worker *worker, size_t nworkers, uint64_t now_us, uint64_t limit_us);

/*
 * One line a minute when exporters, or their templates and samplers, gave way to
 * others: what was lost on their way is then not known, and their data are not
 * understood before templates come again.
 */
struct exporters_crowd {
	uint64_t told, logged_us;
};
void exporters_tell_crowd(struct exporters_crowd *c, struct worker *worker, size_t nworkers,
	uint64_t now_us);

/* ---- rows in SQL ---------------------------------------------------------------- */

/*
 * A row is what one exporter's counters moved by in one time bin (without
 * history: one refresh interval), in this run.  It is written with its absolute
 * value under a key that holds the run: writing it again changes nothing, and
 * what could not be written is in the next one.
 *
 * Counting begins anew within a bin, with rows of their own, when an exporter had
 * to give way and is back, whose row would be overwritten, and when purges go to
 * the second server or back.  `worker` is then that of the thread and 1000 for
 * each such turn.
 */
enum { EXPORTER_TURN = 1000 };

struct exporter_book {
	const struct plugin_settings *p;
	const struct sink *sink;
	uint64_t run_id;
	struct exporters base;		/* where the bin's rows count from */
	struct exporters written;	/* what the last successful write told */
	int64_t when;			/* the bin of `written` */
	unsigned turn;			/* of this bin */
	bool at_second;			/* `written` is in the second server */
	uint64_t logged_us;
};

/* Whether the table is there, with its columns; -1 after logging what to run. */
int exporter_book_check(struct exporter_book *b, void *handle);
/* Write what is new; a failure is logged once a minute and made up for at the next write. */
void exporter_book_write(struct exporter_book *b, void *handle, struct worker *worker,
			 size_t nworkers, int64_t when);
void exporter_book_clear(struct exporter_book *b);

#endif /* EXPORTERS_H */
