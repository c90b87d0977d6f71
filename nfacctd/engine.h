/*
 * engine.h - the whole of nfacctd behind its switches: workers, plugins, sinks.
 *
 *	e = engine_new(&settings, sink_find, now, seed);
 *	engine_open(e)			connect the sinks
 *	engine_listen(e), engine_start(e)	live
 *	engine_read(e, capture, why) ...	or: a capture, by its own clock
 *	engine_stop(e)			everything goes out
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "base/stats.h"
#include "net/batch.h"
#include "net/capture.h"
#include "nfacctd/settings.h"
#include "nfacctd/sink.h"

struct engine;

/* Compile, load files; NULL after logging why.  `now` in seconds since 1970. */
struct engine *engine_new(const struct settings *s, const struct sink *(*find)(const char *type),
	int64_t now, uint64_t seed);
void engine_free(struct engine *e);

/* Compare what would be written with what is there; number of problems, each logged. */
unsigned engine_check(struct engine *e);
/* Open every sink; -1 after logging. */
int engine_open(struct engine *e);
/* Bind the sockets; -1 after logging. */
int engine_listen(struct engine *e);
/*
 * Threads.  `purged`, when not NULL, is called from a flush thread after each
 * purge.  -1 after logging.
 */
int engine_start(struct engine *e, void (*purged)(void *ctx), void *ctx);
/* Without threads: one datagram, after the purges that were due before it. */
void engine_feed(struct engine *e, const struct datagram *d);
/*
 * The same for some hundred datagrams of a capture, which all workers read in turns: as
 * capture_next().  In between they may read on: settle before you ask the capture for anything,
 * or close it before its end.
 */
int engine_read(struct engine *e, struct capture *c, char *why);
/* All that was read of it is in the sums; nobody reads until engine_read() is called again. */
void engine_settle(struct engine *e);
/*
 * The last datagram was fed: write everything, and leave the sinks open for those who ask.
 * -1 as engine_stop().
 */
int engine_fed(struct engine *e);
/*
 * End reception, write everything, close the sinks.  Fed engines stop at the
 * time of their last datagram.  -1 when rows are not where they belong: saved
 * beside the sink, or lost.
 */
int engine_stop(struct engine *e);

/* nfacctd_templates_file, if anything was told since it was written.  -1 after logging. */
int engine_save_templates(struct engine *e);

/* Load all maps anew; all of them take effect, or, after an error, none. */
int engine_reload(struct engine *e);

/* The ledger.  `unexplained` rows are 0, always. */
void engine_stats(struct engine *e, struct stats *out);
/* Rows an exporter, see exporters.h. */
void engine_exporter_stats(struct engine *e, struct stats *out);
/*
 * Every second or so: lines about who is silent (nfacctd_silence; fed engines do it by
 * themselves), what gave way in the tables of exporters, and what the memory budget sheds.
 */
void engine_watch(struct engine *e, uint64_t now_us);
/* The same for people, a line an exporter in the reference's words, to the log. */
void engine_report(struct engine *e);

#endif /* ENGINE_H */
