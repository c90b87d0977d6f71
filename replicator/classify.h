/*
 * classify.h - which pools want a datagram: by source address, which is
 * compared in two words, and by what else the rule of a pool looks at (rule.h).
 * A pool with `else` gets what no other pool of its file wants: it has to be
 * asked behind those.
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "replicator/receivers.h"
#include "wire/decoder.h"

/* A datagram as rules see it. */
struct subject {
	const struct endpoint *from;
	uint64_t source[2];	/* from->addr, ready to compare */
	size_t size;
	uint16_t port;		/* that it came to */
	struct peek peek;
	uint64_t taken;		/* bit file % 64: a pool of that file wants it */
};

void classify_subject(struct subject *s, const struct datagram *d, uint16_t port);
/* What a pool's rule and `else` say, when it has any. */
bool classify_rule(const struct pool *p, const struct subject *s);

static inline bool classify_wants(const struct pool *p, const struct subject *s)
{
	return !p->never && (p->everyone || ((s->source[0] & p->mask[0]) == p->value[0] &&
					     (s->source[1] & p->mask[1]) == p->value[1])) &&
	       (!p->picky || classify_rule(p, s));
}

/* Indexes of the pools that want `s`, at most `max`; returns how many want it. */
size_t classify(const struct receivers *rs, const struct subject *s, uint32_t *pools, size_t max);
/* Prepare `source` of a pool for comparing. */
void classify_compile(struct pool *p);

#endif /* CLASSIFY_H */
