/*
 * fanout.h - a batch times the pools: every receiver gets its share.
 *
 * Inside a batch the datagrams of one exporter are brought together, so that
 * runs of equal size get longer; the order of one exporter's datagrams is
 * never changed.  Nothing is copied but pointers.
 */
#ifndef FANOUT_H
#define FANOUT_H

#include "replicator/classify.h"
#include "replicator/hosts.h"
#include "replicator/path.h"

struct fanout_counts {
	uint64_t datagrams, octets;
	uint64_t cut;		/* longer than datagram_max: sent cut */
	uint64_t protocols[PROTO_UNKNOWN + 1];	/* sums up to datagrams */
};

struct fanout {
	struct receivers *receivers;
	struct outlet *outlet;
	struct recall *recall;	/* NULL: templates are not remembered; the caller's */
	struct path path;	/* what the kernel knows of the ways to balanced receivers */
	struct hosts hosts;	/* of watch() */
	uint16_t port;		/* that the batch came to; the caller's */
	size_t datagram_max;
	struct fanout_counts counts;
	struct fanout_private *priv;
};

/* NULL with errno. */
struct fanout *fanout_new(struct receivers *rs, struct outlet *o, size_t datagram_max);
void fanout_free(struct fanout *f);
/* Give the datagrams of `b` to the receivers that want them; now_ns: monotonic. */
void fanout_batch(struct fanout *f, const struct batch *b, uint64_t now_ns);

#endif /* FANOUT_H */
