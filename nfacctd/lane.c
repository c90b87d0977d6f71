/*
 * lane.c - a plugin in one worker: a chunk's records through the compiled operations into its
 * table.
 */
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "nfacctd/pipeline_private.h"

enum { SPREAD_MAX = 1024, BIN_CACHE = 64 };

/* The keys at work, in one form. */
struct sheet {
	uint8_t *keys[SIDES];	/* DECODER_CHUNK of them */
	size_t stride;
	size_t stamped;		/* so many keys, where the decoder fills them, are of bin `stamp` */
	int64_t stamp;
};

struct lane {
	const struct pipeline *p;
	const struct plugin_maps *maps;
	struct aggregate *table;
	struct lane_counts counts;
	struct bin_span last, cache[BIN_CACHE];
	/* The chunk at work; of the chunk's own arrays, unless a filter has thinned them out. */
	size_t n;
	const struct flow_record *const *rec;
	const struct sums *sums;
	const struct agg_total *total;
	const uint64_t *time_us;
	const bool *by_flow;
	const uint32_t *rate;			/* of sampling_map, or NULL */
	struct tag_view view;
	struct tags tags[DECODER_CHUNK];	/* by pre_tag_map */
	int64_t bin[DECODER_CHUNK];
	const struct network *hit[SIDES][DECODER_CHUNK];
	struct chunk kept;			/* what the filter lets through */
	struct sums shares[DECODER_CHUNK];	/* a side's sums, where they are changed */
	uint8_t of[DECODER_CHUNK];		/* by entry of a side: its record */
	struct sheet sheet[KEY_FORMS];
};

struct lane *lane_new(const struct pipeline *p, const struct plugin_maps *maps)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->p = p;
	l->maps = maps;
	l->last = (struct bin_span){ 1, 0 };
	l->sheet[KEY_WIDE].stride = p->shape.key_size;
	l->sheet[KEY_NARROW].stride = agg_narrow_size(&p->shape);
	for (size_t side = 0; side < p->sides; side++)
		for (size_t form = 0; form < KEY_FORMS; form++)
			l->sheet[form].keys[side] = xcalloc(DECODER_CHUNK, l->sheet[form].stride);
	return l;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	aggregate_free(l->table);
	tag_view_clear(&l->view);
	for (size_t side = 0; side < SIDES; side++)
		for (size_t form = 0; form < KEY_FORMS; form++)
			free(l->sheet[form].keys[side]);
	free(l);
}

const struct lane_counts *lane_counts(const struct lane *l)
{
	return &l->counts;
}

/* Where the decoder fills keys. */
static enum key_form form_of(const struct lane *l, bool v4)
{
	return v4 && l->p->shape.naddrs ? KEY_NARROW : KEY_WIDE;
}

size_t lane_columns(const struct lane *l, struct flow_column *to, bool v4)
{
	const enum key_form form = form_of(l, v4);
	const struct sheet *s = &l->sheet[form];
	size_t n = 0;

	for (size_t side = 0; side < l->p->sides; side++) {
		for (size_t i = 0; i < l->p->nops; i++) {
			const struct op *op = &l->p->op[side][i];

			if (op->column)
				to[n++] = (struct flow_column){
					.at = s->keys[side] + op->at[form],
					.step = (uint16_t)s->stride,
					.field = op->field,
					.v4 = form == KEY_NARROW && op->at[form] >= l->p->shape.addrs_at,
				};
		}
	}
	return n;
}

/* All but the bin's start, which stays from chunk to chunk. */
size_t lane_areas(const struct lane *l, struct flow_area *to, bool v4)
{
	const struct sheet *s = &l->sheet[form_of(l, v4)];
	const size_t bin = l->p->bin_bytes, size = s->stride;
	size_t n = 0;

	for (size_t side = 0; side < l->p->sides && bin < size; side++)
		to[n++] = (struct flow_area){ s->keys[side] + bin, (uint16_t)size,
			(uint16_t)(size - bin) };
	return n;
}

struct aggregate *lane_swap(struct lane *l, struct aggregate *table)
{
	struct aggregate *before = l->table;

	if (before) {
		l->counts.taken_octets += aggregate_counts(before)->octets;
		l->counts.taken_packets += aggregate_counts(before)->packets;
	}
	l->table = table;
	return before;
}

struct aggregate *lane_table(const struct lane *l)
{
	return l->table;
}

void lane_set_maps(struct lane *l, const struct plugin_maps *maps)
{
	l->maps = maps;
}

/* Calendars are slow and flows of a minute lie in two or three bins. */
static struct bin_span bin_of(struct lane *l, int64_t t)
{
	struct bin_span *b;

	if (t >= l->last.start && t < l->last.end)
		return l->last;
	b = &l->cache[(uint64_t)(t / l->p->bin_cache_step) % BIN_CACHE];
	if (t < b->start || t >= b->end)
		*b = timebin_find(&l->p->bins, t);
	return l->last = *b;
}

/* What pre_tag_map says; post_tag goes before it, though filters see the map's. */
static void take_tags(struct lane *l, const struct chunk *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (l->maps->tags)
			tagmap_find(l->maps->tags, &l->view, c->origin, c->rec[i], &l->tags[i]);
		else
			memset(&l->tags[i], 0, sizeof(l->tags[i]));
	}
}

static void post_tag(struct lane *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->p->post_tag)
			l->tags[i].tag = l->p->post_tag;
		if (l->p->post_tag2)
			l->tags[i].tag2 = l->p->post_tag2;
	}
}

static bool passes(const struct lane *l, const struct chunk *c, const struct flow_record *r,
		   const struct tags *t)
{
	const struct pipeline *p = l->p;

	return (!p->tag_filter || tag_filter_passes(p->tag_filter, p->tagged ? t->tag : 0)) &&
		(!p->tag2_filter || tag_filter_passes(p->tag2_filter, p->tagged ? t->tag2 : 0)) &&
		(!p->label_filter ||
			label_filter_passes(p->label_filter, p->tagged ? t->label : 0)) &&
		(!p->filter || filter_match(p->filter, r, c->origin->protocol == PROTO_SFLOW));
}

static unsigned bits_set(uint64_t v)
{
	return (unsigned)__builtin_popcountll(v);
}

/* `left_out`: bit i: record i is none of this lane's. */
static void thin_out(struct lane *l, const struct chunk *c, uint64_t left_out)
{
	struct chunk *k = &l->kept;

	k->n = 0;
	k->total = (struct agg_total){ 0, 0 };
	for (size_t i = 0; i < c->n; i++) {
		if ((left_out >> i & 1) || !passes(l, c, c->rec[i], &l->tags[i]))
			continue;
		l->tags[k->n] = l->tags[i];
		k->rate[k->n] = c->rate[i];
		k->rec[k->n] = c->rec[i];
		k->time_us[k->n] = c->time_us[i];
		k->by_flow[k->n] = c->by_flow[i];
		k->total.octets += c->sums[i].octets;
		k->total.packets += c->sums[i].packets;
		k->sums[k->n++] = c->sums[i];
	}
	l->counts.filtered += c->n - k->n - bits_set(left_out);
}

static void take_chunk(struct lane *l, const struct chunk *c)
{
	const uint64_t left_out = l->p->events ? 0 : c->events;

	l->counts.records += c->n - bits_set(left_out);
	l->counts.events += bits_set(c->events & ~left_out);
	if (l->p->tagged)
		take_tags(l, c);
	l->rate = c->mapped ? c->rate : NULL;
	if (l->p->thins || left_out) {
		thin_out(l, c, left_out);
		l->rate = c->mapped ? l->kept.rate : NULL;
		c = &l->kept;
	}
	l->n = c->n;
	l->rec = c->rec;
	l->sums = c->sums;
	l->total = &c->total;
	l->time_us = c->time_us;
	l->by_flow = c->by_flow;
	if (l->p->post_tag || l->p->post_tag2)
		post_tag(l);
}

static void look_up(struct lane *l)
{
	for (unsigned side = 0; side < SIDES; side++)
		for (size_t i = 0; l->p->lookup[side] && i < l->n; i++)
			l->hit[side][i] = networks_find(l->maps->networks, end_of(l->rec[i], side));
}

/* Of keys number `from` on.  An empty key's eight bytes were zero from the start and stay so. */
static void fill_bins(const struct lane *l, const struct sheet *s, size_t side, size_t from)
{
	for (size_t i = from; i < l->n; i++)
		memcpy(s->keys[side] + i * s->stride, &l->bin[i], sizeof(l->bin[i]));
}

static void fill_keys(struct lane *l, const struct chunk *c, size_t side, enum key_form form)
{
	const struct sheet *s = &l->sheet[form];
	const struct pass pass = {
		.p = l->p,
		.maps = l->maps,
		.origin = c->origin,
		.rec = l->rec,
		.first = c->first,
		.tags = l->p->tagged ? l->tags : NULL,
		.rate = l->rate,
		.n = l->n,
		.stride = s->stride,
		.keys = s->keys[side],
		.form = form,
		.hit = (const struct network *const(*)[DECODER_CHUNK])l->hit,
	};

	for (size_t k = 0; k < l->p->nops; k++) {
		const struct op *op = &l->p->op[side][k];
		fill_fn *const fill = c->direct ? op->mend : op->fill;

		if (fill)
			fill(op, &pass);
	}
}

/* True when a host or net of record i that the key of this side holds lies inside networks_file. */
static bool is_ours(const struct lane *l, size_t side, size_t i)
{
	for (size_t k = 0; k < l->p->nops; k++) {
		const struct op *op = &l->p->op[side][k];

		if (op->ours && l->hit[op->side][i])
			return true;
	}
	return false;
}

/* networks_drop_others: take out the entries of which no end is ours; how many are left. */
static size_t drop_others(struct lane *l, size_t side)
{
	const struct sheet *s = &l->sheet[KEY_WIDE];
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (is_ours(l, side, i)) {
			memmove(s->keys[side] + kept * s->stride, s->keys[side] + i * s->stride,
				s->stride);
			l->of[kept] = (uint8_t)i;
			l->shares[kept++] = l->sums[i];
			continue;
		}
		l->counts.others++;
		l->counts.others_octets += l->sums[i].octets;
		l->counts.others_packets += l->sums[i].packets;
	}
	return kept;
}

/* ---- pro-rating ---- */

struct fraction {
	uint64_t rest;
	size_t part;
};

static int larger_rest(const void *x, const void *y)
{
	const struct fraction *a = x, *b = y;

	if (a->rest != b->rest)
		return a->rest < b->rest ? 1 : -1;
	return a->part > b->part ? 1 : -1;
}

void share_out(uint64_t total, const uint64_t *weight, uint64_t all, uint64_t *share, size_t n)
{
	struct fraction rest[SPREAD_MAX];
	uint64_t left = total;

	for (size_t i = 0; i < n; i++) {
		unsigned __int128 product = (unsigned __int128)total * weight[i];

		share[i] = (uint64_t)(product / all);
		rest[i] = (struct fraction){ (uint64_t)(product % all), i };
		left -= share[i];
	}
	if (left)
		qsort(rest, n, sizeof(rest[0]), larger_rest);
	for (size_t i = 0; i < left; i++)
		share[rest[i].part]++;
}

/* Microseconds of [first, last) in each bin it touches; 0 when there are more than fit. */
static size_t overlaps(struct lane *l, uint64_t first, uint64_t last, int64_t *bin,
		       uint64_t *weight)
{
	size_t n = 0;

	for (uint64_t at = first; at < last; n++) {
		struct bin_span b = bin_of(l, (int64_t)(at / 1000000));
		uint64_t end = (uint64_t)b.end * 1000000;

		if (n == SPREAD_MAX)
			return 0;
		bin[n] = b.start;
		weight[n] = (end < last ? end : last) - at;
		at += weight[n];
	}
	return n;
}

/* Entry e covers several bins: leave it the first share, book the others at once. */
static void spread(struct lane *l, size_t side, const struct flow_record *r, size_t e)
{
	const struct sheet *s = &l->sheet[KEY_WIDE];
	int64_t bin[SPREAD_MAX];
	uint64_t weight[SPREAD_MAX], octets[SPREAD_MAX], packets[SPREAD_MAX];
	uint8_t key[KEY_BYTES_MAX + 8];
	struct sums part = l->shares[e];
	size_t n = overlaps(l, r->first_us, r->last_us, bin, weight);

	if (n == 0)
		l->counts.not_spread++;
	if (n < 2)
		return;
	l->counts.spread++;
	share_out(part.octets, weight, r->last_us - r->first_us, octets, n);
	share_out(part.packets, weight, r->last_us - r->first_us, packets, n);
	memcpy(key, s->keys[side] + e * s->stride, s->stride);
	l->shares[e].octets = octets[0];
	l->shares[e].packets = packets[0];
	part.flows = 0;		/* one flow, counted where it began */
	for (size_t i = 1; i < n; i++) {
		memcpy(key, &bin[i], sizeof(bin[i]));
		part.octets = octets[i];
		part.packets = packets[i];
		if (part.octets || part.packets)
			aggregate_add(l->table, key, &part, 1);
	}
}

static void spread_all(struct lane *l, size_t side, size_t entries)
{
	for (size_t e = 0; e < entries; e++) {
		const size_t i = l->of[e];
		const struct flow_record *r = l->rec[i];

		if (l->by_flow[i] && flow_has(r, FLOW_first_us) && flow_has(r, FLOW_last_us) &&
		    r->last_us > r->first_us)
			spread(l, side, r, e);
	}
}

/* One side's entries into the table. */
static void book(struct lane *l, const struct chunk *c, size_t side)
{
	struct sheet *s = &l->sheet[KEY_WIDE];
	size_t entries = l->n;

	s->stamped = 0;
	if (l->p->bins.kind != BIN_NONE)
		fill_bins(l, s, side, 0);
	fill_keys(l, c, side, KEY_WIDE);
	if (!l->p->drop_others && !l->p->pro_rating) {
		aggregate_add_total(l->table, s->keys[side], l->sums, entries, l->total);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		l->of[i] = (uint8_t)i;
		l->shares[i] = l->sums[i];
	}
	if (l->p->drop_others)
		entries = drop_others(l, side);
	if (l->p->pro_rating)
		spread_all(l, side, entries);
	aggregate_add(l->table, s->keys[side], l->shares, entries);
}

bool lane_events(const struct lane *l)
{
	return l->p->events;
}

bool lane_timed(const struct lane *l)
{
	return l->p->bins.kind != BIN_NONE;
}

/* True when all of the chunk are in one bin, the earliest's. */
static bool one_bin(struct lane *l, const struct chunk *c, int64_t *start)
{
	const struct bin_span first = bin_of(l, (int64_t)(c->earliest_us / 1000000));

	*start = first.start;
	return (int64_t)(c->latest_us / 1000000) < first.end;
}

/* `c`: the whole chunk, of which a filter may have left less. */
static void find_bins(struct lane *l, const struct chunk *c)
{
	int64_t start;
	const bool one = one_bin(l, c, &start);

	for (size_t i = 0; i < l->n; i++)
		l->bin[i] = one ? start : bin_of(l, (int64_t)(l->time_us[i] / 1000000)).start;
}

/* The keys of most datagrams are of the bin that those of the one before were of. */
static void stamp_keys(struct lane *l, struct sheet *s, const struct chunk *c)
{
	size_t from = 0;
	int64_t start;
	const bool one = one_bin(l, c, &start);

	if (one && start == s->stamp) {
		if (s->stamped >= l->n)
			return;
		from = s->stamped;
	}
	l->time_us = c->time_us;
	find_bins(l, c);
	for (size_t side = 0; side < l->p->sides; side++)
		fill_bins(l, s, side, from);
	s->stamped = one ? l->n : 0;
	s->stamp = start;
}

static void count_entries(struct lane *l)
{
	const uint64_t sides = l->p->sides;

	l->counts.octets += l->total->octets * sides;
	l->counts.packets += l->total->packets * sides;
	l->counts.entries += l->n * sides;
}

/* An exporter that has an address of IPv6 itself tells of IPv4. */
static enum key_form widen_keys(struct lane *l)
{
	const struct sheet *from = &l->sheet[KEY_NARROW];
	struct sheet *to = &l->sheet[KEY_WIDE];

	for (size_t side = 0; side < l->p->sides; side++)
		for (size_t i = 0; i < l->n; i++)
			agg_widen(&l->p->shape, to->keys[side] + i * to->stride,
				  from->keys[side] + i * from->stride);
	to->stamped = 0;
	return KEY_WIDE;
}

/* The keys are there, but for what the decoder does not know. */
static void run_direct(struct lane *l, const struct chunk *c)
{
	enum key_form form = form_of(l, c->v4);

	l->counts.records += c->n;
	l->n = c->n;
	l->total = &c->total;
	if (l->p->bins.kind != BIN_NONE)
		stamp_keys(l, &l->sheet[form], c);
	count_entries(l);
	if (l->p->tagged) {
		take_tags(l, c);
		post_tag(l);
	}
	if (form == KEY_NARROW && l->p->exporter_stands && !addr_is4(&c->origin->exporter))
		form = widen_keys(l);
	for (size_t side = 0; side < l->p->sides; side++) {
		const uint8_t *keys = l->sheet[form].keys[side];

		if (l->p->mends)
			fill_keys(l, c, side, form);
		if (form == KEY_NARROW)
			aggregate_add_narrow(l->table, keys, c->sums, c->n, &c->total);
		else
			aggregate_add_total(l->table, keys, c->sums, c->n, &c->total);
	}
}

void lane_run(struct lane *l, const struct chunk *c)
{
	if (c->direct) {
		run_direct(l, c);
		return;
	}
	take_chunk(l, c);
	if (!l->n)
		return;
	look_up(l);
	if (l->p->bins.kind != BIN_NONE)
		find_bins(l, c);
	count_entries(l);
	for (size_t side = 0; side < l->p->sides; side++)
		book(l, c, side);
}
