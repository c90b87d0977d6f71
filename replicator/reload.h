/*
 * reload.h - read the receivers again, in a thread of its own.
 *
 * Looking up a name may take as long as a resolver likes; while it does,
 * nothing else waits: workers receive, signals act, metrics are told.  What
 * was read is a set for each worker, all alike, or nothing.
 */
#ifndef REPLICATOR_RELOAD_H
#define REPLICATOR_RELOAD_H

#include <pthread.h>

#include "replicator/settings.h"

enum reload_what { RELOAD_ALL, RELOAD_NAMES };

struct reload {
	const struct settings *settings;
	struct receivers *fresh;	/* one a worker; the caller adopts or clears them */
	size_t n;
	int done_fd;			/* eventfd: reload_finish() has something to say */
	bool busy;			/* the thread runs */
	bool again; /* asked for while it ran: the files may have changed since */
	enum reload_what what;
	/* The thread's own until it is joined. */
	pthread_t thread;
	bool ok;
	unsigned errors;
};

/* 0, or -1 with errno. */
int reload_init(struct reload *r, const struct settings *s, size_t workers);
void reload_clear(struct reload *r);
/*
 * Read `n` sets, all alike; 0, or -1 after saying why: they are then empty.
 * RELOAD_NAMES: of files as they were read last; only names are looked up anew.
 */
int reload_read(const struct settings *s, struct receivers *sets, size_t n, enum reload_what what,
		unsigned *errors);
/* The sets were taken or not: so are the texts of the files that they were read from. */
void reload_settle(const struct settings *s, bool taken);
/*
 * Begin; 0, or -1 with errno.  While one is at work this only remembers that another is to
 * follow, unless it is for names, which will be due again.
 */
int reload_begin(struct reload *r, enum reload_what what);
/* When done_fd is readable: true with r->fresh filled; false after an error, which is logged. */
bool reload_finish(struct reload *r);

#endif /* REPLICATOR_RELOAD_H */
