/*
 * resample.c - see resample.h.
 */
#include "resample.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/cursor.h"
#include "wire/store.h"

enum { FLOW = 1, FLOW_EXPANDED = 3, ANEW = 1000 /* back by more: the agent began anew */ };

struct source_key {
	struct addr exporter, agent;
	uint32_t sub_agent, class, index;
	uint16_t port, zero;
};

struct source {
	struct store_link link;
	struct source_key key;
	uint32_t last;		/* the agent's number of the latest sample */
	uint32_t skipped;	/* samples left out so far */
	uint32_t pool;		/* of a tenant's latest sample */
	bool known, has_pool;
};

struct resample {
	struct store store;
	void *memory;
};

struct resample *resample_new(uint64_t seed)
{
	struct resample *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->memory = aligned_alloc(64, store_size(RESAMPLE_SOURCES, sizeof(struct source)));
	if (!r->memory) {
		free(r);
		errno = ENOMEM;
		return NULL;
	}
	store_init(&r->store, r->memory, RESAMPLE_SOURCES, sizeof(struct source),
		sizeof(struct source_key), seed);
	return r;
}

void resample_free(struct resample *r)
{
	if (!r)
		return;
	free(r->memory);
	free(r);
}

/* Where sampling_rate stands; sample_pool is behind it.  Type, length, number, source. */
static size_t rate_at(struct bytes sample)
{
	return be32(sample.p) == FLOW_EXPANDED ? 20 : 16;
}

bool resample_is_flow(struct bytes sample)
{
	if (sample.n < 8)
		return false;
	return (be32(sample.p) == FLOW && sample.n >= 28) ||
		(be32(sample.p) == FLOW_EXPANDED && sample.n >= 32);
}

static struct source *look(struct resample *r, const struct endpoint *from,
			   const struct peek *peek, struct bytes sample)
{
	const bool expanded = be32(sample.p) == FLOW_EXPANDED;
	const uint32_t number = be32(sample.p + 8), word = be32(sample.p + 12);
	struct source_key key = { .exporter = from->addr,
		.agent = peek->agent,
		.sub_agent = peek->domain,
		.class = expanded ? word : word >> 24,
		.index = expanded ? be32(sample.p + 16) : word & 0xffffff,
		.port = from->port };
	bool fresh;
	struct source *s = store_put(&r->store, &key, &fresh);

	if (s->known && number - s->last >= UINT32_C(1) << 31 && s->last - number > ANEW)
		s->known = false;
	if (!s->known) {
		s->skipped = 0;
		s->has_pool = false;
	}
	if (!s->known || number - s->last < UINT32_C(1) << 31)
		s->last = number;
	s->known = true;
	return s;
}

void resample_skip(struct resample *r, const struct endpoint *from, const struct peek *peek,
		   struct bytes sample)
{
	look(r, from, peek, sample)->skipped++;
}

void resample_keep(struct resample *r, const struct endpoint *from, const struct peek *peek,
		   struct bytes sample, uint32_t n)
{
	struct source *s = look(r, from, peek, sample);
	uint8_t *p = (uint8_t *)(uintptr_t)sample.p, *rate = p + rate_at(sample);
	const uint64_t product = (uint64_t)be32(rate) * n;

	patch32(p + 8, be32(p + 8) - s->skipped);
	if (n) {
		patch32(rate, product > UINT32_MAX ? UINT32_MAX : (uint32_t)product);
		return;
	}
	s->pool = s->has_pool ? s->pool + be32(rate) : be32(rate + 4);
	s->has_pool = true;
	patch32(rate + 4, s->pool);
}

const void *resample_row(
	const struct resample *r, const void *prev, uint64_t row[static RESAMPLE_ROW])
{
	const struct source *s = store_next(&r->store, prev);

	if (!s)
		return NULL;
	memcpy(row, &s->key.exporter, 16);
	memcpy(row + 2, &s->key.agent, 16);
	row[4] = s->key.sub_agent;
	row[5] = s->key.class;
	row[6] = s->key.index;
	row[7] = s->key.port;
	row[8] = s->last;
	row[9] = s->skipped;
	row[10] = s->pool;
	row[11] = s->has_pool;
	return s;
}

void resample_restore(struct resample *r, const uint64_t row[static RESAMPLE_ROW])
{
	struct source_key key = { .sub_agent = (uint32_t)row[4],
		.class = (uint32_t)row[5],
		.index = (uint32_t)row[6],
		.port = (uint16_t)row[7] };
	struct source *s;
	bool fresh;

	memcpy(&key.exporter, row, 16);
	memcpy(&key.agent, row + 2, 16);
	s = store_put(&r->store, &key, &fresh);
	s->last = (uint32_t)row[8];
	s->skipped = (uint32_t)row[9];
	s->pool = (uint32_t)row[10];
	s->has_pool = row[11] != 0;
	s->known = true;
}
