/*
 * gate.h - what is looked at before any receiver is: may this datagram come in?
 *
 *	received = replicated + denied + limited + looped + duplicates + abandoned
 *
 * A worker has a gate; the allow list is part of what a reload brings.
 */
#ifndef REPLICATOR_GATE_H
#define REPLICATOR_GATE_H

#include "base/lpm.h"
#include "replicator/dedup.h"
#include "replicator/exporters.h"
#include "replicator/receivers.h"

struct gate_limits {
	uint64_t rate;		/* datagrams a second of one exporter; 0: any */
	struct dedup *dedup;	/* of all workers, the caller's; NULL: copies pass */
	uint32_t exporters;	/* rows */
};

struct gate_counts {
	uint64_t denied;	/* not in the allow list */
	uint64_t limited;	/* above the exporter's rate */
	uint64_t looped;	/* sent by one of our own sockets */
	uint64_t duplicates;	/* the second copy */
	uint64_t abandoned;	/* waited in the socket when the program had to end */
};

struct gate {
	struct gate_limits limits;
	struct exporters *exporters;
	struct gate_counts counts;
	uint64_t log_us;
	/*
	 * Ports of our own sockets, and the sockets: what comes from there came in a circle.  But
	 * what waited when such a socket was opened may be of who had its port before: the list is
	 * in force when everything that waited then was received.
	 */
	uint8_t own_ports[65536 / 8];
	struct endpoint *own;
	size_t nown;
	bool own_in_force;
	uint64_t own_ns;		/* in force from then on in any case; 0: not asked yet */
	uint32_t generation;		/* of the allow list */
};

/* NULL with errno. */
struct gate *gate_new(const struct gate_limits *l, uint64_t seed);
void gate_free(struct gate *g);
/* Another allow list may be in force; `own` are the sockets of all workers, n 0: some of them are
 * about to be closed. */
void gate_refresh(struct gate *g, const struct endpoint *own, size_t n);
/* The listening socket was found empty: nothing in it is older than our own sockets. */
static inline void gate_drained(struct gate *g)
{
	g->own_in_force = true;
}
/* Local addresses of the sockets of receivers into `own`, which has room for all; how many. */
size_t gate_own(const struct receivers *rs, struct endpoint *own);
/* Take out of the batch what may not come in; the order of the rest stays. */
void gate_batch(struct gate *g, const struct receivers *rs, struct batch *b, uint64_t now_ns);

/* Read an allow list: an address or a prefix a line; NULL after saying what is wrong. */
struct lpm *gate_read_allow(struct files *files, const char *path, unsigned *errors);

#endif /* REPLICATOR_GATE_H */
