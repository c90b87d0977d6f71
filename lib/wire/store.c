/*
 * store.c - see store.h.  Rows are named by index, so that the memory may be
 * anywhere and a link takes four bytes.
 */
#include <string.h>
#include "store.h"

#define NONE UINT32_MAX

static size_t round_up(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static uint32_t buckets_for(uint32_t cap)
{
	uint32_t n = 8;

	while (n < cap && n < UINT32_C(1) << 31)
		n *= 2;
	return n;
}

size_t store_size(uint32_t cap, size_t row_size)
{
	return round_up(cap * row_size) + round_up(buckets_for(cap) * sizeof(uint32_t));
}

void store_init(
	struct store *s, void *mem, uint32_t cap, size_t row_size, size_t key_size, uint64_t seed)
{
	uint32_t n = buckets_for(cap);

	memset(s, 0, sizeof(*s));
	s->rows = mem;
	s->buckets = (uint32_t *)(void *)(s->rows + round_up(cap * row_size));
	s->row_size = s->clear_size = row_size;
	s->key_size = key_size;
	s->cap = cap;
	s->mask = n - 1;
	s->ends = (struct store_ends){ NONE, NONE };
	s->free = NONE;
	s->seed[0] = seed;
	s->seed[1] = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x632be59bd9b4e019);
	memset(s->buckets, 0xff, n * sizeof(uint32_t));
}

static struct store_link *row_at(const struct store *s, uint32_t i)
{
	return (struct store_link *)(void *)(s->rows + (size_t)i * s->row_size);
}

static uint32_t index_of(const struct store *s, const void *row)
{
	return (uint32_t)((size_t)((const uint8_t *)row - s->rows) / s->row_size);
}

static uint64_t rotate(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012), eight bytes a round. */
static uint32_t hash(const struct store *s, const uint8_t *key)
{
	uint64_t v[4] = { s->seed[0] ^ UINT64_C(0x736f6d6570736575),
		s->seed[1] ^ UINT64_C(0x646f72616e646f6d),
		s->seed[0] ^ UINT64_C(0x6c7967656e657261),
		s->seed[1] ^ UINT64_C(0x7465646279746573) };
	size_t left = s->key_size;
	uint64_t word = 0;

	for (; left >= 8; left -= 8, key += 8) {
		memcpy(&word, key, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, key, left);
	word |= (uint64_t)s->key_size << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(word ^ word >> 32);
}

/* ---- owners ---------------------------------------------------------------- */

struct owner {
	struct store_link link;
	uint8_t who[STORE_OWNER];
	struct store_ends ends;		/* its rows in the other store */
	uint32_t rows, zero;
};

size_t store_share_size(uint32_t cap)
{
	return round_up(sizeof(struct store)) + store_size(cap, sizeof(struct owner));
}

void store_share(struct store *s, void *mem, uint32_t share)
{
	s->owners = mem;
	s->share = share;
	/* Every owner has a row at least: there are never more of them than rows. */
	store_init(s->owners, (uint8_t *)mem + round_up(sizeof(struct store)), s->cap,
		sizeof(struct owner), STORE_OWNER, s->seed[1]);
}

static struct owner *owner_of(const struct store *s, const struct store_link *l)
{
	return (struct owner *)(void *)row_at(s->owners, l->owner);
}

/* ---- order of use ---------------------------------------------------------- */

static void unlink_age(struct store *s, struct store_ends *e, int list, const struct store_link *l)
{
	const struct store_age *a = &l->age[list];

	if (a->newer != NONE)
		row_at(s, a->newer)->age[list].older = a->older;
	else
		e->newest = a->older;
	if (a->older != NONE)
		row_at(s, a->older)->age[list].newer = a->newer;
	else
		e->oldest = a->newer;
}

static void link_newest(struct store *s, struct store_ends *e, int list, struct store_link *l)
{
	uint32_t i = index_of(s, l);

	l->age[list] = (struct store_age){ NONE, e->newest };
	if (e->newest != NONE)
		row_at(s, e->newest)->age[list].newer = i;
	else
		e->oldest = i;
	e->newest = i;
}

/* ---- rows -------------------------------------------------------------------- */

static void touch(struct store *s, struct store_link *l)
{
	uint32_t i = index_of(s, l);

	if (s->ends.newest == i)
		return;		/* and the newest of its owner, too */
	unlink_age(s, &s->ends, STORE_ALL, l);
	link_newest(s, &s->ends, STORE_ALL, l);
	if (s->owners && owner_of(s, l)->ends.newest != i) {
		unlink_age(s, &owner_of(s, l)->ends, STORE_OWN, l);
		link_newest(s, &owner_of(s, l)->ends, STORE_OWN, l);
	}
}

static struct store_link *look(const struct store *s, const void *key, uint32_t h)
{
	for (uint32_t i = s->buckets[h & s->mask]; i != NONE; i = row_at(s, i)->chain) {
		struct store_link *l = row_at(s, i);

		if (l->hash == h && memcmp(l + 1, key, s->key_size) == 0)
			return l;
	}
	return NULL;
}

static struct store_link *find(struct store *s, const void *key, uint32_t h)
{
	struct store_link *l = look(s, key, h);

	if (l)
		touch(s, l);
	return l;
}

const void *store_look(const struct store *s, const void *key)
{
	return look(s, key, hash(s, key));
}

/*
 * The same rows are asked for again and again.  This hash costs a fifth of the good one; who finds
 * keys that collide in it makes their look-ups as slow as they would be without.
 */
static uint32_t *front_of(struct store *s, const uint8_t *key)
{
	uint64_t h = s->seed[1], word;
	size_t left = s->key_size;

	for (; left >= 8; left -= 8, key += 8) {
		memcpy(&word, key, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, key, left);
	return &s->front[((h ^ word) * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (STORE_FRONT - 1)];
}

/* Who was asked for last. */
static struct store_link *find_newest(const struct store *s, const void *key)
{
	struct store_link *l = s->ends.newest == NONE ? NULL : row_at(s, s->ends.newest);

	return l && memcmp(l + 1, key, s->key_size) == 0 ? l : NULL;
}

static struct store_link *find_front(struct store *s, const void *key, const uint32_t *front)
{
	struct store_link *l = *front ? row_at(s, *front - 1) : NULL;

	if (!l || memcmp(l + 1, key, s->key_size) != 0)
		return NULL;
	touch(s, l);
	return l;
}

/* Who is asked for in vain is asked for again: most exporters, for instance, do not sample. */
void *store_find(struct store *s, const void *key)
{
	const bool short_key = s->key_size <= STORE_MISS_KEY;
	struct store_link *l;
	uint32_t *front;
	size_t place;

	if (store_empty(s))
		return NULL;
	l = find_newest(s, key);
	if (l)
		return l;
	front = front_of(s, key);
	l = find_front(s, key, front);
	if (l)
		return l;
	place = (size_t)(front - s->front) % STORE_MISSES;
	if (short_key && s->miss[place].added == s->added &&
	    memcmp(s->miss[place].key, key, s->key_size) == 0)
		return NULL;
	l = find(s, key, hash(s, key));
	if (l) {
		*front = index_of(s, l) + 1;
	} else if (short_key) {
		s->miss[place].added = s->added;
		memcpy(s->miss[place].key, key, s->key_size);
	}
	return l;
}

static void disown(struct store *s, struct store_link *l)
{
	struct owner *o = owner_of(s, l);

	unlink_age(s, &o->ends, STORE_OWN, l);
	if (--o->rows == 0)
		store_remove(s->owners, o);
}

static void own(struct store *s, struct store_link *l)
{
	bool fresh;
	struct owner *o = store_put(s->owners, l + 1, &fresh);

	if (fresh)
		o->ends = (struct store_ends){ NONE, NONE };
	o->rows++;
	l->owner = index_of(s->owners, o);
	link_newest(s, &o->ends, STORE_OWN, l);
}

static void detach(struct store *s, struct store_link *l)
{
	uint32_t i = index_of(s, l), *at = &s->buckets[l->hash & s->mask];
	uint32_t *front = front_of(s, (const uint8_t *)(l + 1));

	if (*front == i + 1)
		*front = 0;
	while (*at != i)
		at = &row_at(s, *at)->chain;
	*at = l->chain;
	unlink_age(s, &s->ends, STORE_ALL, l);
	if (s->owners)
		disown(s, l);
}

void store_remove(struct store *s, void *row)
{
	struct store_link *l = row;

	detach(s, l);
	l->chain = s->free;
	s->free = index_of(s, l);
}

/* The table is full: who makes place for `key`. */
static uint32_t evict(struct store *s, const void *key)
{
	const struct owner *o = s->owners ? store_find(s->owners, key) : NULL;
	bool excess = o && o->rows >= s->share;
	uint32_t i = excess ? o->ends.oldest : s->ends.oldest;

	if (s->evicting)
		s->evicting(s->ctx, row_at(s, i));
	detach(s, row_at(s, i));
	s->evicted++;
	s->evicted_own += excess;
	return i;
}

void *store_put(struct store *s, const void *key, bool *fresh)
{
	struct store_link *l = find_newest(s, key);
	uint32_t *front, h, i;

	*fresh = false;
	if (l)
		return l;
	front = front_of(s, key);
	l = find_front(s, key, front);
	if (l)
		return l;
	h = hash(s, key);
	l = find(s, key, h);
	if (l) {
		*front = index_of(s, l) + 1;
		return l;
	}
	*fresh = true;
	if (s->free != NONE) {
		i = s->free;
		s->free = row_at(s, i)->chain;
	} else if (s->used < s->cap) {
		i = s->used++;
	} else {
		i = evict(s, key);
	}
	l = row_at(s, i);
	memset(l, 0, s->clear_size);
	memcpy(l + 1, key, s->key_size);
	*front = i + 1;
	s->added++;
	l->hash = h;
	l->chain = s->buckets[h & s->mask];
	s->buckets[h & s->mask] = i;
	link_newest(s, &s->ends, STORE_ALL, l);
	if (s->owners)
		own(s, l);
	return l;
}

void *store_next(const struct store *s, const void *row)
{
	const struct store_link *l = row;
	uint32_t i = l ? l->age[STORE_ALL].newer : s->ends.oldest;

	return i == NONE ? NULL : row_at(s, i);
}
