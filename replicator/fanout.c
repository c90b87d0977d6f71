/*
 * fanout.c - see fanout.h.
 */
#include "fanout.h"
#include "replicator/rebuild.h"
#include "replicator/outage.h"
#include "replicator/tell.h"
#include "replicator/thin.h"
#include "wire/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum {
	ROOM = SHARE_MAX, /* datagrams at a time; a larger batch takes several turns */
	GROUPS = 256, /* exporters told apart in one batch; the rest shares a group, in order */
	GROUP_SLOTS = 1024,
	END = UINT32_MAX,
};

/* Datagrams of one exporter, linked in the order in which they came. */
struct group {
	const struct endpoint *from;
	uint32_t first, last;
};

struct selection {
	struct bytes *data;
	const struct endpoint **from;
	uint32_t *at;			/* place in the batch: of subject[] and mark[] */
};

struct fanout_private {
	struct subject *subject;
	struct recall_mark *mark;
	bool carries;			/* some of them do */
	size_t n;			/* datagrams in subject[], mark[] and all */
	uint32_t *number;		/* sequence numbers as the exporter wrote them */
	/* What `sample` of the pool at hand left of each, see thin(). */
	bool thins;
	uint32_t *kept;
	bool *stripped;
	struct selection all, wanted, thin, rebuilt, picked, sampled;
	uint32_t *next;			/* the group's following datagram */
	uint32_t *pick;			/* balance: which receiver */
	struct group group[GROUPS];
	size_t groups;
	uint16_t slot[GROUP_SLOTS];	/* group + 1; 0: free */
};

static bool selection_new(struct selection *s)
{
	s->data = calloc(ROOM, sizeof(*s->data));
	s->from = calloc(ROOM, sizeof(*s->from));
	s->at = calloc(ROOM, sizeof(*s->at));
	return s->data && s->from && s->at;
}

static bool private_new(struct fanout_private *p)
{
	p->subject = calloc(ROOM, sizeof(*p->subject));
	p->mark = calloc(ROOM, sizeof(*p->mark));
	p->next = calloc(ROOM, sizeof(*p->next));
	p->pick = calloc(ROOM, sizeof(*p->pick));
	p->number = calloc(ROOM, sizeof(*p->number));
	p->kept = calloc(ROOM, sizeof(*p->kept));
	p->stripped = calloc(ROOM, sizeof(*p->stripped));
	return p->kept && p->stripped && p->subject && p->mark && p->next && p->pick &&
		p->number && selection_new(&p->all) && selection_new(&p->wanted) && selection_new(&p->thin) &&
		selection_new(&p->rebuilt) && selection_new(&p->picked) &&
		selection_new(&p->sampled);
}

struct fanout *fanout_new(struct receivers *rs, struct outlet *o, size_t datagram_max)
{
	struct fanout *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->receivers = rs;
	f->outlet = o;
	f->datagram_max = datagram_max;
	f->path.fd = -1;
	f->priv = calloc(1, sizeof(*f->priv));
	if (!f->priv || !private_new(f->priv)) {
		fanout_free(f);
		errno = ENOMEM;
		return NULL;
	}
	return f;
}

static void selection_free(struct selection *s)
{
	free(s->data);
	free(s->from);
	free(s->at);
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	if (f->priv) {
		free(f->priv->subject);
		free(f->priv->mark);
		free(f->priv->next);
		free(f->priv->pick);
		free(f->priv->number);
		free(f->priv->kept);
		free(f->priv->stripped);
		selection_free(&f->priv->all);
		selection_free(&f->priv->wanted);
		selection_free(&f->priv->thin);
		selection_free(&f->priv->rebuilt);
		selection_free(&f->priv->picked);
		selection_free(&f->priv->sampled);
		free(f->priv);
	}
	path_close(&f->path);
	hosts_clear(&f->hosts);
	free(f);
}

/* ---- exporters together --------------------------------------------------- */

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

static size_t slot_of(const struct endpoint *e)
{
	uint64_t word[2];

	memcpy(word, e->addr.b, sizeof(word));
	return (size_t)(((word[0] ^ word[1] ^ e->port) * UINT64_C(0x9e3779b97f4a7c15)) >> 54) %
		GROUP_SLOTS;
}

static struct group *group_find(struct fanout_private *p, const struct endpoint *from)
{
	size_t slot = slot_of(from);

	for (; p->slot[slot]; slot = (slot + 1) % GROUP_SLOTS) {
		struct group *g = &p->group[p->slot[slot] - 1];

		if (same(g->from, from))
			return g;
	}
	if (p->groups == GROUPS)
		return &p->group[GROUPS - 1];
	p->slot[slot] = (uint16_t)(p->groups + 1);
	p->group[p->groups] = (struct group){ from, END, END };
	return &p->group[p->groups++];
}

static void take(struct fanout *f, const struct datagram *d, size_t at)
{
	struct fanout_private *p = f->priv;

	classify_subject(&p->subject[at], d, f->port);
	p->all.data[at] = d->data;
	p->all.from[at] = &d->from;
	p->all.at[at] = (uint32_t)at;
	if (f->recall) {
		recall_look(f->recall, d, &p->subject[at].peek, &p->mark[at]);
		p->carries |= p->mark[at].carries;
	}
	f->counts.datagrams++;
	f->counts.octets += d->data.n;
	f->counts.protocols[p->subject[at].peek.protocol]++;
	if (d->data.n > f->datagram_max) {
		p->all.data[at].n = f->datagram_max;
		f->counts.cut++;
	}
}

/* Fill `all`: one exporter after the other, each in its own order. */
static void arrange(struct fanout *f, const struct datagram *d, size_t n)
{
	struct fanout_private *p = f->priv;
	struct group *g = NULL;
	size_t at = 0;

	p->groups = 0;
	p->n = n;
	p->carries = false;
	if (f->recall)
		recall_begin(f->recall);
	memset(p->slot, 0, sizeof(p->slot));
	for (size_t i = 0; i < n; i++) {
		if (!g || !same(g->from, &d[i].from))
			g = group_find(p, &d[i].from);
		if (g->first == END)
			g->first = (uint32_t)i;
		else
			p->next[g->last] = (uint32_t)i;
		g->last = (uint32_t)i;
		p->next[i] = END;
	}
	for (size_t k = 0; k < p->groups; k++)
		for (uint32_t i = p->group[k].first; i != END; i = p->next[i])
			take(f, &d[i], at++);
}

/* ---- pools and receivers -------------------------------------------------- */

static struct share wanted_by(struct fanout_private *p, const struct pool *pool, size_t n)
{
	size_t k = 0;

	if (pool->everyone && !pool->never && !pool->picky)
		return (struct share){ p->all.data, p->all.from, p->all.at, n };
	for (size_t i = 0; i < n; i++) {
		if (!classify_wants(pool, &p->subject[i]))
			continue;
		p->wanted.data[k] = p->all.data[i];
		p->wanted.at[k] = (uint32_t)i;
		p->wanted.from[k++] = p->all.from[i];
	}
	return (struct share){ p->wanted.data, p->wanted.from, p->wanted.at, k };
}

/* Whether the choice that was made for `x` holds for `y`. */
static bool same_choice(const struct balance *b, const struct subject *x, const struct subject *y)
{
	return addr_equal(&x->from->addr, &y->from->addr) &&
		(!b->by_domain ||
			(x->peek.protocol == y->peek.protocol && x->peek.domain == y->peek.domain));
}

static void choose_receivers(
	struct fanout_private *p, const struct pool *pool, const struct share *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct subject *this = &p->subject[s->at[i]];

		if (i && same_choice(pool->balance, &p->subject[s->at[i - 1]], this))
			p->pick[i] = p->pick[i - 1];
		else
			p->pick[i] = (uint32_t)pool->balance->choose(pool, this);
	}
}

static void pick_receivers(struct fanout_private *p, struct pool *pool, const struct share *s)
{
	if (pool->balance->choose) {
		choose_receivers(p, pool, s);
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		p->pick[i] = (uint32_t)pool->balance->pick(&s->from[i]->addr, pool->n, &pool->turn);
}

/* The part of `s` that the balance gave to receiver `k`. */
static struct share picked_for(struct fanout_private *p, const struct share *s, size_t k)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (p->pick[i] != k)
			continue;
		p->picked.data[n] = s->data[i];
		p->picked.at[n] = s->at[i];
		p->picked.from[n++] = s->from[i];
	}
	return (struct share){ p->picked.data, p->picked.from, p->picked.at, n };
}

/* One in `frequency`: the first is sent, then frequency - 1 are left out. */
static struct share sampled_for(struct fanout_private *p, const struct share *s, struct receiver *r)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (r->countdown > 0) {
			r->countdown--;
			continue;
		}
		r->countdown = r->frequency - 1;
		p->sampled.data[n] = s->data[i];
		p->sampled.at[n] = s->at[i];
		p->sampled.from[n++] = s->from[i];
	}
	r->sampled += s->n - n;
	return (struct share){ p->sampled.data, p->sampled.from, p->sampled.at, n };
}

/*
 * Continuous sequence numbers for a receiver that does not get all: they are
 * written into the datagrams in their place, and back again behind the send.
 */
static void number_share(struct fanout *f, struct receiver *r, const struct share *s)
{
	struct fanout_private *p = f->priv;

	for (size_t i = 0, k = 0; i < p->n; i++) {
		const struct subject *subject = &p->subject[i];
		const bool sent = k < s->n && s->at[k] == i;
		const struct bytes d = sent ? s->data[k] : p->all.data[i];
		const size_t at = renumber_offset(&subject->peek, d);
		const uint32_t kept = sent ? (p->thins ? p->kept[i] : RENUMBER_ALL) : 0;

		if (at) {
			const uint32_t number =
				renumber_next(r->numbers, subject->from, &subject->peek, kept);

			p->number[i] = be32(d.p + at);
			if (sent)
				patch32((uint8_t *)(uintptr_t)d.p + at, number);
		}
		k += sent;
	}
	f->outlet->batch++;		/* sums over the payload are others now */
}

static void number_back(struct fanout *f, const struct share *s)
{
	const struct fanout_private *p = f->priv;

	for (size_t k = 0; k < s->n; k++) {
		const size_t at = renumber_offset(&p->subject[s->at[k]].peek, s->data[k]);

		if (at)
			patch32((uint8_t *)(uintptr_t)s->data[k].p + at, p->number[s->at[k]]);
	}
	f->outlet->batch++;
}

/* Send what is left of a share after all selection, templates first to whom they are new. */
static void send_share(struct fanout *f, struct receiver *r, const struct share *s, uint64_t now_ns)
{
	const uint64_t losses = receiver_losses(r);

	if (s->n == 0)
		return;
	if (r->spool && outage_takes(r, s)) {
		if (f->recall && !r->spool_since)
			r->spool_since = recall_now(f->recall);
		return;
	}
	if (f->recall)
		tell_before(f, r, s, f->priv->mark, now_ns);
	r->kind->send(r, f->outlet, s, now_ns);
	if (f->recall && f->priv->carries && receiver_losses(r) == losses)
		recall_heard(&r->known, f->recall, f->priv->mark, s->at, s->n);
	if (health_sent(&r->health, &r->out.counts, now_ns) && f->recall)
		recall_forget(&r->known, f->recall);
}

/* -x: sleep after each datagram, also after those that were sampled out. */
static void send_slowly(
	struct fanout *f, struct receiver *r, const struct share *s, uint64_t now_ns)
{
	const struct timespec pause = { r->delay_us / 1000000,
		(long)(r->delay_us % 1000000) * 1000 };

	for (size_t i = 0; i < s->n; i++) {
		struct share one = { s->data + i, s->from + i, s->at + i, 1 };

		one = sampled_for(f->priv, &one, r);
		send_share(f, r, &one, now_ns);
		nanosleep(&pause, NULL);
	}
}

static void give(struct fanout *f, struct receiver *r, struct share s, uint64_t now_ns)
{
	if (r->delay_us) {
		send_slowly(f, r, &s, now_ns);
		return;
	}
	if (r->frequency > 1)
		s = sampled_for(f->priv, &s, r);
	if (r->numbers)
		number_share(f, r, &s);
	send_share(f, r, &s, now_ns);
	if (r->numbers)
		number_back(f, &s);
}

/* 1 in N: by what is in it, so that another replicator leaves out the same. */
static bool sampled_in(const struct subject *s, uint32_t n)
{
	uint64_t h = (s->source[0] ^ s->source[1]) * UINT64_C(0x9e3779b97f4a7c15) + s->from->port;

	h = ((h ^ s->peek.domain) * UINT64_C(0xbf58476d1ce4e5b9)) ^ h >> 31;
	h = ((h ^ s->peek.sequence) * UINT64_C(0x94d049bb133111eb)) ^ h >> 29;
	return (h * UINT64_C(0x9e3779b97f4a7c15) >> 32) % n == 0;
}

/* Whether one of 1 in N is chosen. */
static bool is_chosen(struct pool *pool, const struct subject *s, struct bytes data)
{
	return renumber_offset(&s->peek, data) ? sampled_in(s, pool->sample)
					       : pool->thin_turn++ % pool->sample == 0;
}

/* sample=N: false when there is no memory for it.  *unscaled: chosen, and not to be sent. */
static bool thinned(struct fanout *f, struct pool *pool, const struct share *s,
		    struct share *chosen, size_t *unscaled, uint64_t now_ns)
{
	struct fanout_private *p = f->priv;
	size_t n = 0, octets = 0;

	for (size_t i = 0; i < s->n; i++)
		octets += s->data[i].n;
	if ((!pool->thin && !(pool->thin = thin_new(now_ns))) ||
		thin_begin(pool->thin, octets) < 0)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		const uint32_t at = s->at[i];
		const struct subject *subject = &p->subject[at];
		const struct thin_look look = { subject, f->recall, &p->mark[at], pool->sample,
			is_chosen(pool, subject, s->data[i]) };

		p->thin.data[n] = thin(pool->thin, &look, s->data[i], &p->kept[at]);
		if (!p->thin.data[n].p) {
			*unscaled += look.chosen;
			continue;
		}
		p->stripped[at] = !look.chosen;
		p->thin.at[n] = at;
		p->thin.from[n++] = s->from[i];
	}
	*chosen = (struct share){ p->thin.data, p->thin.from, p->thin.at, n };
	return true;
}

/* Datagrams to the receivers of a pool. */
static void deliver(
	struct fanout *f, struct pool *pool, const struct share *chosen, uint64_t now_ns)
{
	if (pool->balance)
		pick_receivers(f->priv, pool, chosen);
	for (size_t k = 0; k < pool->n; k++) {
		struct receiver *r = pool->receivers[k];
		struct share s = *chosen;

		if (pool->balance) {
			s = picked_for(f->priv, chosen, k);
			r->balanced += chosen->n - s.n;
		}
		for (size_t i = 0; f->priv->thins && i < s.n; i++)
			r->stripped += f->priv->stripped[s.at[i]];
		if (pool->renumber && !r->numbers)
			r->numbers = renumber_new(now_ns);
		if (!pool->renumber && r->numbers) {	/* a reload took it away */
			renumber_free(r->numbers);
			r->numbers = NULL;
		}
		give(f, r, s, now_ns);
	}
}

/* A tenant whose streams are new to it learns what templates there are. */
static void teach(struct fanout *f, struct rebuild *r, const struct share *s)
{
	const struct recall_stream *last = NULL;

	for (size_t i = 0; f->recall && i < s->n; i++) {
		const struct recall_mark *mark = &f->priv->mark[s->at[i]];
		const struct subject *subject = &f->priv->subject[s->at[i]];
		const struct bytes *messages;
		size_t n;

		if (!mark->stream || mark->stream == last || !rebuild_is_new(r, subject))
			continue;
		last = mark->stream;
		n = recall_messages(f->recall, mark, s->data[i], &messages);
		for (size_t k = 0; k < n; k++)
			rebuild_teach(r, subject, messages[k]);
	}
}

/* The records that the pool's tenant wants, in datagrams of their own. */
static void deliver_records(
	struct fanout *f, struct pool *pool, const struct share *chosen, uint64_t now_ns)
{
	struct selection *to = &f->priv->rebuilt;
	struct rebuild_out out = { to->data, to->from, to->at, 0 };
	struct rebuild_counts before;

	if (!pool->rebuild && !(pool->rebuild = rebuild_new(pool->tenant, now_ns))) {
		for (size_t k = 0; k < pool->n; k++)
			sender_charge(&pool->receivers[k]->out, ENOMEM, chosen->n);
		return;
	}
	teach(f, pool->rebuild, chosen);
	for (size_t i = 0, next; i < chosen->n; i = next) {
		before = *rebuild_counts(pool->rebuild);
		next = rebuild(pool->rebuild, chosen, f->priv->subject, i, &out);
		for (size_t k = 0; k < pool->n; k++) {
			const struct rebuild_counts *now = rebuild_counts(pool->rebuild);
			struct receiver *r = pool->receivers[k];

			r->merged += next - i - out.n;
			r->records += now->records - before.records;
			r->records_kept += now->kept - before.kept;
			r->unread_octets += now->unread_octets - before.unread_octets;
		}
		f->outlet->batch++;	/* sums are of other payloads */
		deliver(f, pool, &(struct share){ out.data, out.from, out.at, out.n }, now_ns);
		f->outlet->batch++;
	}
}

static void fanout_pool(struct fanout *f, struct pool *pool, size_t n, uint64_t now_ns)
{
	const struct share wanted = wanted_by(f->priv, pool, n);
	struct share chosen = wanted;
	size_t lost = 0, unscaled = 0;

	if (f->receivers->has_else && !pool->otherwise)
		for (size_t i = 0; i < wanted.n; i++)
			f->priv->subject[wanted.at[i]].taken |= UINT64_C(1) << (pool->file % 64);
	f->priv->thins = pool->sample > 1;
	if (f->priv->thins && !thinned(f, pool, &wanted, &chosen, &unscaled, now_ns)) {
		for (size_t k = 0; k < pool->n; k++)
			sender_charge(&pool->receivers[k]->out, ENOMEM, wanted.n);
		chosen.n = 0;
		lost = wanted.n;
	}
	for (size_t k = 0; k < pool->n; k++) {
		pool->receivers[k]->received += n;
		pool->receivers[k]->filtered += n - wanted.n;
		pool->receivers[k]->sampled += wanted.n - chosen.n - lost - unscaled;
		pool->receivers[k]->unscaled += unscaled;
	}
	f->outlet->batch += f->priv->thins;	/* sums are of other payloads */
	if (pool->tenant)
		deliver_records(f, pool, &chosen, now_ns);
	else
		deliver(f, pool, &chosen, now_ns);
	f->outlet->batch += f->priv->thins;
}

/* What the batch teaches, once it is sent; `d` in the order in which it came. */
static void learn(struct fanout *f, const struct datagram *d, size_t n)
{
	struct peek peek;

	if (!f->recall || !f->priv->carries)
		return;
	for (size_t i = 0; i < n; i++) {
		wire_peek(&peek, d[i].data);
		recall_learn(f->recall, &d[i], &peek);
	}
}

void fanout_batch(struct fanout *f, const struct batch *b, uint64_t now_ns)
{
	for (size_t at = 0, n; at < b->n; at += n) {
		n = b->n - at < ROOM ? b->n - at : ROOM;
		f->outlet->batch++;
		arrange(f, b->d + at, n);
		/* Who takes the rest is asked last. */
		for (int otherwise = 0; otherwise <= f->receivers->has_else; otherwise++)
			for (size_t i = 0; i < f->receivers->npools; i++)
				if (f->receivers->pools[i].otherwise == otherwise)
					fanout_pool(f, &f->receivers->pools[i], n, now_ns);
		learn(f, b->d + at, n);
	}
}
