/*
 * classify.c - see classify.h.
 */
#include "classify.h"

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));	/* any byte order: both sides of the comparison have it */
	return v;
}

void classify_subject(struct subject *s, const struct datagram *d, uint16_t port)
{
	s->from = &d->from;
	s->size = d->data.n;
	s->port = port;
	s->taken = 0;
	s->source[0] = load64(d->from.addr.b);
	s->source[1] = load64(d->from.addr.b + 8);
	wire_peek(&s->peek, d->data);
}

bool classify_rule(const struct pool *p, const struct subject *s)
{
	const struct rule_subject subject = { &s->from->addr, s->port, s->size, &s->peek };

	if (p->otherwise && s->taken >> (p->file % 64) & 1)
		return false;
	if (p->tag_filter) {
		bool lawful;

		if (!tag_filter_accepts(
			    p->tag_filter, tags_find(p->tags, &s->from->addr, &s->peek), &lawful))
			return false;
	}
	return !p->rule || rule_wants(p->rule, &subject);
}

void classify_compile(struct pool *p)
{
	struct addr ones, mask, value = addr_mask(&p->source.addr, p->source.len);

	memset(&ones, 0xff, sizeof(ones));
	mask = addr_mask(&ones, p->source.len);
	for (int i = 0; i < 2; i++) {
		p->mask[i] = load64(mask.b + 8 * i);
		p->value[i] = load64(value.b + 8 * i);
	}
}

size_t classify(const struct receivers *rs, const struct subject *s, uint32_t *pools, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->npools; i++) {
		if (!classify_wants(&rs->pools[i], s))
			continue;
		if (n < max)
			pools[n] = (uint32_t)i;
		n++;
	}
	return n;
}
