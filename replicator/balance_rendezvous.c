/*
 * balance_rendezvous.c - highest random weight (Thaler, Ravishankar 1998).
 *
 * Every (exporter, receiver) has a score; the best receiver that is there gets
 * the exporter.  When one goes, only its exporters move, to wherever each has
 * its second best, and when it is back they move back.  The score is a fixed
 * function of addresses and port: two replicators agree, and so does this one
 * after a restart.  Weight w: the least -ln(u) / w wins, which gives each
 * receiver a share in proportion to its weight.
 */
#include <math.h>

#include "replicator/classify.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	/* splitmix64's finaliser. */
	h = (h ^ v) + UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

static uint64_t mix_addr(uint64_t h, const struct addr *a)
{
	return mix(mix(h, be64(a->b)), be64(a->b + 8));
}

/* The least wins. */
static double score(uint64_t h, const struct receiver *r)
{
	h = mix(mix_addr(h, &r->to.addr), r->to.port);
	return -log(((double)(h >> 11) + 0.5) * 0x1p-53) / r->weight;
}

/* The best of all receivers, or of those that are there; p->n when none is. */
static size_t best(const struct pool *p, uint64_t h, bool all)
{
	size_t winner = p->n;
	double least = 0;

	for (size_t i = 0; i < p->n; i++) {
		double s;

		if (!all && p->receivers[i]->health.down)
			continue;
		s = score(h, p->receivers[i]);
		if (winner == p->n || s < least) {
			winner = i;
			least = s;
		}
	}
	return winner;
}

static size_t choose(const struct pool *p, uint64_t h)
{
	const size_t i = best(p, h, false);

	return i < p->n ? i : best(p, h, true);
}

static size_t choose_exporter(const struct pool *p, const struct subject *s)
{
	return choose(p, mix_addr(0, &s->from->addr));
}

static size_t choose_domain(const struct pool *p, const struct subject *s)
{
	return choose(p, mix(mix_addr(0, &s->from->addr),
			     s->peek.protocol == PROTO_UNKNOWN ? 0 : s->peek.domain));
}

const struct balance balance_rendezvous = { "rendezvous", NULL, false, choose_exporter, false };
const struct balance balance_rendezvous_domain = { "rendezvous-domain", NULL, false, choose_domain,
	true };
