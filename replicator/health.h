/*
 * health.h - whether a receiver is there.
 *
 * UDP has no connections: a receiver is down when ICMP (or the kernel, for a
 * neighbour that does not answer) says so, and up again when nothing was said
 * for a while although something was sent.  Hosts send such errors about once a
 * second, the kernel says that a neighbour is silent after three, so up takes
 * longer than that to be believed; meanwhile templates are
 * told anew four times a second, and a receiver that is back has them within
 * that quarter.
 *
 * Where the exporter's address is kept the errors go to the exporter, and where
 * nothing is sent none come: there a socket of our own asks, with an empty
 * datagram.  pmacct, nfdump and our nfacctd pass over it.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include "net/batch.h"
#include "replicator/path.h"

enum {
	HEALTH_PROBE_MS = 250, /* between two empty datagrams, and between two looks */
	HEALTH_QUIET_MS = 4000, /* without an error: up; that an address is nobody's is said each
				   three seconds */
	HEALTH_QUIET_MAX_MS = 30000, /* where errors come more seldom: several that are away share
					what a router or host says in a second */
	HEALTH_FORGET_MS = 60000, /* up for so long: how seldom they came is forgotten */
};

struct health {
	bool down;
	uint64_t seen;		/* errors in the sender's counters */
	uint64_t sign_ns;	/* when it last seemed to be away */
	uint64_t gap_ns;	/* the longest between two such signs */
	uint64_t host_ns;	/* when it was last told that its host, not its port, is away */
	uint64_t quiet_ns;	/* without an error until then: up */
	uint64_t told_ns;	/* when templates were last forgotten while it is down */
	uint64_t downs;		/* times it went down */
	unsigned asked;		/* looks in a row that found its neighbour being asked */
	int probe_fd;		/* -1: none */
	bool hears;		/* it does, see sender_hear() */
	int tcp_fd;		/* a connection that is being tried; -1: none */
	uint64_t tcp_ns;	/* when the last one was begun */
};

/*
 * Look at the counters after a send.  True when the receiver may have been away
 * since it was last asked: what it knows is to be forgotten.
 */
bool health_sent(struct health *h, const struct sender_counts *c, uint64_t now_ns);
/* The counters were set back: what they tell from now on is new. */
void health_rebase(struct health *h, const struct sender_counts *c);
/* Ask, each HEALTH_PROBE_MS; as health_sent(). */
bool health_probe(struct health *h, const struct endpoint *to, uint64_t now_ns);
/*
 * The same by TCP: down when a connection to that port is not accepted within
 * a second.
 */
bool health_probe_tcp(struct health *h, const struct endpoint *to, uint16_t port, uint64_t now_ns);
/* What the kernel knows of the way to it, each HEALTH_PROBE_MS. */
bool health_path(struct health *h, enum path_state path, uint64_t now_ns);
/* Another receiver of the same host was told at `host_ns` that the host is away: no news of one
 * that is up, but one that is down is down still.  Routers tell it once a second in all. */
bool health_host(struct health *h, uint64_t host_ns, uint64_t now_ns);
/* It cannot be reached. */
bool health_dead(struct health *h, uint64_t now_ns);
void health_close(struct health *h);

#endif /* HEALTH_H */
