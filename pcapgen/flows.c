/*
 * flows.c - draws flows.
 */
#include <stdlib.h>
#include "base/strbuf.h"
#include "pcapgen/flows.h"

/* Rows with weights: row i is drawn with (upto[i] - upto[i-1]) / total. */
struct weighted {
	const void **rows;
	uint64_t *upto;
	size_t n;
};

enum { V4, V6 };

struct population {
	const struct scenario *sc;
	struct weighted customers[2], remotes[2];	/* V4, V6 */
	struct weighted applications;
};

static void weighted_add(struct weighted *w, const void *row, uint64_t weight)
{
	w->upto[w->n] = weight + (w->n ? w->upto[w->n - 1] : 0);
	w->rows[w->n++] = row;
}

static void weighted_new(struct weighted *w, size_t cap)
{
	w->rows = xcalloc(cap ? cap : 1, sizeof(*w->rows));
	w->upto = xcalloc(cap ? cap : 1, sizeof(*w->upto));
}

static uint64_t weighted_total(const struct weighted *w)
{
	return w->n ? w->upto[w->n - 1] : 0;
}

static const void *weighted_draw(const struct weighted *w, struct rng *rng)
{
	uint64_t x;
	size_t lo = 0, hi = w->n - 1;

	if (w->n == 1)
		return w->rows[0];
	x = rng_below(rng, weighted_total(w));
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (x < w->upto[mid])
			hi = mid;
		else
			lo = mid + 1;
	}
	return w->rows[lo];
}

static void split_families(struct weighted out[2], const struct network *nets, size_t n)
{
	weighted_new(&out[V4], n);
	weighted_new(&out[V6], n);
	for (size_t i = 0; i < n; i++)
		weighted_add(
			&out[addr_is4(&nets[i].prefix.addr) ? V4 : V6], &nets[i], nets[i].weight);
}

struct population *population_new(const struct scenario *sc)
{
	struct population *p = xcalloc(1, sizeof(*p));

	p->sc = sc;
	split_families(p->customers, sc->customers, sc->ncustomers);
	split_families(p->remotes, sc->remotes, sc->nremotes);
	weighted_new(&p->applications, sc->napplications);
	for (size_t i = 0; i < sc->napplications; i++)
		weighted_add(&p->applications, &sc->applications[i], sc->applications[i].weight);
	return p;
}

static void weighted_clear(struct weighted *w)
{
	free(w->rows);
	free(w->upto);
}

void population_free(struct population *p)
{
	if (!p)
		return;
	for (int f = V4; f <= V6; f++) {
		weighted_clear(&p->customers[f]);
		weighted_clear(&p->remotes[f]);
	}
	weighted_clear(&p->applications);
	free(p);
}

/* ---- distributions ----------------------------------------------------------- */

/* Sum of twelve uniforms less six, in units of 2^-16: mean 0, deviation 1, within +-6. */
static int64_t draw_normal_q16(struct rng *rng)
{
	int64_t sum = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t x = rng_next(rng);

		for (int k = 0; k < 4; k++, x >>= 16)
			sum += (int64_t)(x & 0xffff);
	}
	return sum - 6 * 65536 + 6;	/* the mean of 0..65535 is half a unit below 32768 */
}

uint64_t distribution_draw(const struct distribution *d, struct rng *rng)
{
	/* 1 / ln 2 in units of 2^-16: sigma is of the natural logarithm. */
	const int64_t log2_e_q16 = 94548;
	uint64_t v = d->min, x;

	switch ((enum distribution_kind)d->kind) {
	case DIST_CONSTANT:
		return d->min;
	case DIST_UNIFORM:
		return rng_between(rng, d->min, d->max);
	case DIST_PARETO:	/* min * u^(-1/alpha) */
		x = fixed_neg_log2(rng_next(rng) | 1);
		v = fixed_scale_exp2(d->min, (int64_t)(x * 1000 / d->shape_milli), d->max);
		break;
	case DIST_LOGNORMAL:	/* median * e^(sigma * z) */
		v = fixed_scale_exp2(d->median,
			draw_normal_q16(rng) * (int64_t)d->shape_milli * log2_e_q16 / 1000, d->max);
		break;
	}
	return v < d->min ? d->min : v > d->max ? d->max : v;
}

/* ---- flows --------------------------------------------------------------------- */

void flow_stream_init(struct flow_stream *s, const struct population *p, uint64_t seed,
	uint64_t number, uint8_t families)
{
	s->population = p;
	s->families = families;
	rng_seed(&s->rng, seed, number);
}

/* A host: the n-th behind the network address; a host prefix is its own. */
static struct addr draw_host(const struct network *w, struct rng *rng)
{
	struct addr a = w->prefix.addr;
	uint64_t n = rng_below(rng, w->hosts) + (w->prefix.len < 128), carry = n;

	for (int i = 15; i >= 0 && carry; i--) {
		carry += a.b[i];
		a.b[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return a;
}

static int draw_family(struct flow_stream *s)
{
	const struct weighted *c = s->population->customers;
	uint64_t v4;

	if (s->families != FAMILIES_BOTH)
		return s->families == FAMILIES_4 ? V4 : V6;
	v4 = weighted_total(&c[V4]);
	return rng_below(&s->rng, v4 + weighted_total(&c[V6])) < v4 ? V4 : V6;
}

/* Ports as the two ends say them: the server's is the application's. */
static void draw_transport(struct flow_stream *s, struct flow_record *r, int family, bool upload)
{
	/* SYN; SYN ACK; whole connections that ended, or go on, or broke. */
	static const uint8_t flags[] = { 0x02, 0x12, 0x1b, 0x1b, 0x1b, 0x1a, 0x18, 0x10, 0x16,
		0x14 };
	const struct application *app = weighted_draw(&s->population->applications, &s->rng);
	uint16_t client;

	r->proto = app->proto;
	r->tos = app->tos;
	switch (app->proto) {
	case 6:
		r->tcp_flags = flags[rng_below(&s->rng, sizeof(flags))];
		break;
	case 17:
	case 132:
		break;
	case 1:
	case 58: /* each family has its own; an echo request when the scenario says no type */
		r->proto = family == V4 ? 1 : 58;
		r->dst_port = app->port && app->proto == r->proto ? app->port
			: family == V4                            ? 8 << 8
								  : 128 << 8;
		return;
	default:
		return;
	}
	client = (uint16_t)rng_between(&s->rng, 1024, 65535);
	r->src_port = upload ? client : app->port;
	r->dst_port = upload ? app->port : client;
}

static void draw_ends(struct flow_stream *s, struct flow_record *r)
{
	const struct population *p = s->population;
	int family = draw_family(s);
	bool upload = rng_below(&s->rng, 100) < p->sc->upload_percent;
	const struct network *inside = weighted_draw(&p->customers[family], &s->rng);
	const struct network *outside = weighted_draw(&p->remotes[family], &s->rng);
	const struct network *from = upload ? inside : outside, *to = upload ? outside : inside;

	*r = flow_record_empty;
	r->src = draw_host(from, &s->rng);
	r->dst = draw_host(to, &s->rng);
	r->in_if = from->interface;
	r->out_if = to->interface;
	r->src_as = from->as;
	r->dst_as = to->as;
	r->src_mask = (uint8_t)prefix_bits(&from->prefix);
	r->dst_mask = (uint8_t)prefix_bits(&to->prefix);
	r->next_hop = to->next_hop;
	draw_transport(s, r, family, upload);
	r->present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(in_if) | FLOW_BIT(out_if) |
		FLOW_BIT(src_as) | FLOW_BIT(dst_as) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask) |
		FLOW_BIT(next_hop) | FLOW_BIT(proto) | FLOW_BIT(tos) | FLOW_BIT(tcp_flags) |
		FLOW_BIT(src_port) | FLOW_BIT(dst_port) | FLOW_BIT(packets) | FLOW_BIT(octets);
}

void flow_stream_next(struct flow_stream *s, uint64_t now_ms, struct flow_record *r)
{
	const struct scenario *sc = s->population->sc;
	uint64_t size, last_ms, lasting_ms;

	draw_ends(s, r);
	r->octets = distribution_draw(&sc->octets, &s->rng);
	size = distribution_draw(&sc->packet_octets, &s->rng);
	r->packets = r->octets / size + (r->octets % size != 0);
	last_ms = now_ms - distribution_draw(&sc->delay_ms, &s->rng);
	lasting_ms = distribution_draw(&sc->lasting_ms, &s->rng);
	if (r->packets == 1)
		lasting_ms = 0;
	r->last_us = last_ms * 1000;
	r->first_us = (last_ms - lasting_ms) * 1000;
	r->present |= FLOW_BIT(first_us) | FLOW_BIT(last_us);
}

void flow_stream_packet(struct flow_stream *s, struct flow_record *r)
{
	enum { LINK_AND_FCS = 18, FRAME_MIN = 64, FRAME_MIN_V6 = 82 };
	uint64_t least;

	draw_ends(s, r);
	least = addr_is4(&r->src) ? FRAME_MIN : FRAME_MIN_V6;
	r->octets = distribution_draw(&s->population->sc->packet_octets, &s->rng) + LINK_AND_FCS;
	if (r->octets < least)
		r->octets = least;
	r->packets = 1;
}
