/*
 * samplers.c - see samplers.h.
 */
#include "samplers.h"

enum sampler_kind { BY_ID, LAST_OF_DOMAIN, OF_TEMPLATE, EXPORTER_BY_ID, DROPS };

struct sampler_key {
	struct addr exporter;
	uint64_t id;
	uint32_t domain;
	uint8_t protocol, kind, zero[2];
};

struct sampler {
	struct store_link link;
	struct sampler_key key;
	uint32_t num, den;	/* DROPS: the counter, and 1 */
	uint64_t told_us;
	uint32_t last;		/* LAST_OF_DOMAIN: its ID, as far as it goes */
	bool several;
};

size_t samplers_size(uint32_t cap)
{
	return store_size(cap, sizeof(struct sampler)) + store_share_size(cap);
}

void samplers_init(
	struct samplers *s, void *mem, uint32_t cap, uint32_t share, uint64_t seed, bool any_scope)
{
	store_init(&s->store, mem, cap, sizeof(struct sampler), sizeof(struct sampler_key), seed);
	store_share(&s->store, (uint8_t *)mem + store_size(cap, sizeof(struct sampler)), share);
	s->any_scope = any_scope;
}

static struct sampler_key key_of(const struct stream_key *who, enum sampler_kind kind, uint64_t id)
{
	bool domain = kind != EXPORTER_BY_ID;

	return (struct sampler_key) { .exporter = who->exporter,
		.id = id,
		.domain = domain ? who->domain : 0,
		.protocol = who->protocol,
		.kind = (uint8_t)kind };
}

static void put(struct samplers *s, const struct stream_key *who, enum sampler_kind kind,
	uint64_t id, const struct sampler_news *news)
{
	struct sampler_key key = key_of(who, kind, id);
	bool fresh;
	struct sampler *row = store_put(&s->store, &key, &fresh);

	if (!fresh && (row->num != news->num || row->den != news->den) &&
	    (news->part || (kind == LAST_OF_DOMAIN && row->last != (uint32_t)news->id)))
		row->several = true;
	row->num = news->num;
	row->den = news->den;
	row->told_us = news->now_us;
	row->last = (uint32_t)news->id;
}

void samplers_learn(
	struct samplers *s, const struct stream_key *who, const struct sampler_news *news)
{
	if (news->num == 0 || news->den == 0)
		return;
	if (news->has_template) {
		put(s, who, OF_TEMPLATE, news->template_id, news);
		return;
	}
	put(s, who, BY_ID, news->has_id ? news->id : 0, news);
	put(s, who, LAST_OF_DOMAIN, 0, news);
	/*
	 * Behind a tee several exporters have one address, and one of them may not sample: for
	 * the others' records that name no sampler, only an announcement without an ID counts.
	 */
	if (news->system || s->any_scope)
		put(s, who, EXPORTER_BY_ID, news->has_id ? news->id : 0, news);
}

static bool get(struct samplers *s, const struct stream_key *who, enum sampler_kind kind,
	uint64_t id, enum sampling_source source, struct sampling *out)
{
	struct sampler_key key = key_of(who, kind, id);
	const struct sampler *row = store_find(&s->store, &key);

	if (row)
		*out = (struct sampling){ row->num, row->den, source, row->several };
	return row != NULL;
}

struct sampling samplers_by_id(struct samplers *s, const struct stream_key *who, uint64_t id)
{
	struct sampling out = { 0, 0, SAMPLING_UNKNOWN_SAMPLER, false };

	if (!get(s, who, BY_ID, id, SAMPLING_SAMPLER, &out))
		get(s, who, EXPORTER_BY_ID, id, SAMPLING_SAMPLER, &out);
	return out;
}

struct sampling samplers_default(
	struct samplers *s, const struct stream_key *who, uint16_t template_id)
{
	struct sampling out = { 0, 0, SAMPLING_NONE, false };

	if (store_empty(&s->store))
		return out;
	if (get(s, who, BY_ID, 0, SAMPLING_DOMAIN, &out) ||
	    get(s, who, LAST_OF_DOMAIN, 0, SAMPLING_DOMAIN, &out) ||
	    get(s, who, EXPORTER_BY_ID, 0, SAMPLING_EXPORTER, &out))
		return out;
	get(s, who, OF_TEMPLATE, template_id, SAMPLING_DOMAIN, &out);
	return out;
}

const void *samplers_next(const struct samplers *s, const void *at, struct sampler_saved *out)
{
	const struct sampler *row = store_next(&s->store, at);

	if (!row)
		return NULL;
	*out = (struct sampler_saved) { .who = { .exporter = row->key.exporter,
						.domain = row->key.domain,
						.protocol = row->key.protocol },
		.id = row->key.id,
		.told_us = row->told_us,
		.num = row->key.kind == DROPS ? 0 : row->num,
		.den = row->den,
		.kind = row->key.kind };
	return row;
}

bool samplers_restore(struct samplers *s, const struct sampler_saved *in)
{
	struct sampler_key key;
	struct sampler *row;
	bool fresh;

	if (in->kind >= DROPS || in->num == 0 || in->den == 0)
		return false;
	key = key_of(&in->who, (enum sampler_kind)in->kind, in->id);
	row = store_put(&s->store, &key, &fresh);
	if (!fresh && row->told_us >= in->told_us)
		return true;
	row->num = in->num;
	row->den = in->den;
	row->told_us = in->told_us;
	return true;
}

uint32_t samplers_drops(
	struct samplers *s, const struct stream_key *who, uint64_t source, uint32_t drops)
{
	struct sampler_key key = key_of(who, DROPS, source);
	bool fresh;
	struct sampler *row = store_put(&s->store, &key, &fresh);
	uint32_t moved = drops - row->num;

	/* The first value is the base; a step back is a restart of the agent. */
	if (fresh || moved > INT32_MAX)
		moved = 0;
	row->num = drops;
	row->den = 1;
	return moved;
}
