/*
 * classify.h - which pools want a datagram.
 *
 * Now by the source address; what else a rule may look at (protocol, version,
 * observation domain) is in the subject already.
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "replicator/receivers.h"
#include "wire/decoder.h"

/* A datagram as rules see it. */
struct subject {
	const struct endpoint *from;
	uint64_t source[2];	/* from->addr, ready to compare */
	struct peek peek;
};

void classify_subject(struct subject *s, const struct datagram *d);

static inline bool classify_wants(const struct pool *p, const struct subject *s)
{
	return !p->never && (p->everyone || ((s->source[0] & p->mask[0]) == p->value[0] &&
					     (s->source[1] & p->mask[1]) == p->value[1]));
}

/* Indexes of the pools that want `s`, at most `max`; returns how many want it. */
size_t classify(const struct receivers *rs, const struct subject *s, uint32_t *pools, size_t max);
/* Prepare `source` of a pool for comparing. */
void classify_compile(struct pool *p);

#endif /* CLASSIFY_H */
