/*
 * trigger.h - the program of sql_trigger_exec, run after a purge that was
 * written, with what it needs to know in its environment.
 *
 * It runs beside the daemon: a purge never waits for it.  While it still runs it
 * is not started again; that is counted and said.  The password is not in its
 * environment.
 */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <sys/types.h>
#include "nfacctd/sink.h"
#include "nfacctd/timebin.h"

struct trigger {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct timebin every;	/* sql_trigger_time */
	int64_t last;		/* start of the span that it ran for */
	pid_t child;		/* 0: none */
	uint64_t runs, skipped, failed;
	uint64_t told_us;
};

void trigger_init(struct trigger *t, const struct plugin_settings *p, const struct key_layout *l,
		  int64_t now);
/* `before` and `after` are the sink's counts around the purge. */
void trigger_purged(struct trigger *t, const struct purge *p, const struct sink_counts *before,
		    const struct sink_counts *after);

#endif /* TRIGGER_H */
