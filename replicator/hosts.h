/*
 * hosts.h - what receivers of one host know of it together, while all of them
 * are looked at: each host once, however many receivers it has.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include "replicator/path.h"

struct host {
	struct addr addr;
	uint64_t pass;		/* of another one: the row is free */
	uint64_t away_ns;	/* when one of its receivers was last told that the host is away */
	bool complains;		/* one of them is down: of its errors others may miss theirs */
	bool asked;		/* `path` is known */
	enum path_state path;
};

/* Half of it is free; memory is kept from one pass to the next. */
struct hosts {
	struct host *rows;
	size_t cap;		/* a power of two; 0: none yet */
	uint64_t pass;
};

/* A pass begins, over at most n receivers; nothing is known. */
void hosts_begin(struct hosts *h, size_t n);
void hosts_clear(struct hosts *h);
/* The host's row; valid until the next pass. */
struct host *hosts_find(struct hosts *h, const struct addr *addr);

#endif /* HOSTS_H */
