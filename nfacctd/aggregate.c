#include "nfacctd/aggregate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
	BUCKET_SLOTS = 8, /* a cache line of tags and row numbers */
	BUCKETS = 512, /* of a segment */
	SLOTS_MAX_USED = BUCKETS * BUCKET_SLOTS / 4 * 3,
	DEPTH_MAX = 20, /* 2^20 segments; tag bits: 20 for the directory, 9 for the bucket,
			   the last is always set */
	CHUNK_ROWS = 4096,
	AHEAD = 32, /* keys in flight */
	KEY_WORDS = (KEY_BYTES_MAX + 8) / 8,
	SUMS_BYTES = 16 /* octets and packets, in front of a row */
};

/*
 * Eight slots that are compared at once, without a branch a slot; filled from
 * the first on, and over into the next bucket when full.  Row 0 is no row: they
 * count from 1.  Tags are odd, so none is 0.
 */
struct bucket {
	uint32_t tag[BUCKET_SLOTS], row[BUCKET_SLOTS];
};

struct segment {
	struct bucket bucket[BUCKETS];
	uint32_t used, depth;
};

struct table;
typedef void add_fn(struct table *t, const uint8_t *keys, const struct sums *items, size_t n);

/* The rows of one form of key. */
struct table {
	struct aggregate *a;
	size_t key_size, row_size, key_at, flows_at, flags_at;
	unsigned depth;			/* of the directory, from 1 on */
	struct segment **dir;		/* NULL: there is no such key yet */
	uint8_t **chunk;
	size_t nrows, nchunks, chunks_cap;
	struct agg_arena rows, index;
	add_fn *add;
};

/* Keys of which all addresses are of IPv4 (all keys, where keys have none), and the others. */
enum { FORM_NARROW, FORM_WIDE, FORMS };

struct aggregate {
	struct agg_shape shape;
	uint64_t secret[KEY_WORDS + 1];
	struct agg_budget *budget;
	struct agg_counts counts;
	bool unbound;
	struct table table[FORMS];
};

static struct segment *segment_new(struct table *t, uint32_t depth, bool force)
{
	struct segment *s = agg_arena_take(&t->index, t->a->budget, sizeof(*s), force || t->a->unbound);

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->depth = depth;
	return s;
}

static bool chunk_new(struct table *t, bool force)
{
	if (t->nchunks == t->chunks_cap) {
		size_t cap = t->chunks_cap ? t->chunks_cap * 2 : 64;
		uint8_t **chunk = realloc(t->chunk, cap * sizeof(*chunk));

		if (!chunk)
			return false;
		t->chunk = chunk;
		t->chunks_cap = cap;
	}
	t->chunk[t->nchunks] = agg_arena_take(&t->rows, t->a->budget, CHUNK_ROWS * t->row_size,
					 force || t->a->unbound);
	if (!t->chunk[t->nchunks])
		return false;
	t->nchunks++;
	return true;
}

/* splitmix64 (Steele, Lea, Flood 2014): words that say nothing of each other. */
static void make_secret(struct aggregate *a, uint64_t seed)
{
	for (size_t i = 0; i < KEY_WORDS + 1; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		a->secret[i] = z ^ z >> 31;
	}
}

static add_fn *adder_for(const struct agg_shape *s, size_t key_size);

/* Its first segment and rows; false: there is no room for them. */
static bool table_open(struct table *t, bool force)
{
	/* Two ways to the one segment: a shift by all 32 bits of a tag would be none. */
	t->depth = 1;
	t->dir = malloc(2 * sizeof(*t->dir));
	if (t->dir && (t->dir[0] = t->dir[1] = segment_new(t, 0, force)) && chunk_new(t, force))
		return true;
	agg_arena_free(&t->index, t->a->budget);
	free(t->dir);
	t->dir = NULL;
	return false;
}

size_t agg_narrow_size(const struct agg_shape *s)
{
	const size_t used = s->addrs_at + (size_t)s->naddrs * AGG_NARROW;

	return s->naddrs ? (used + 7) / 8 * 8 : s->key_size;
}

static void table_init(struct table *t, struct aggregate *a, size_t key_size)
{
	const struct agg_shape *s = &a->shape;

	t->a = a;
	t->key_size = key_size;
	t->row_size = SUMS_BYTES;
	if (s->flows) {
		t->flows_at = t->row_size;
		t->row_size += 8;
	}
	if (s->tcp_flags) {
		t->flags_at = t->row_size;
		t->row_size += 8;
	}
	t->key_at = t->row_size;
	t->row_size += key_size;
	t->add = adder_for(s, key_size);
}

struct aggregate *aggregate_new(const struct agg_shape *shape, struct agg_budget *budget,
				uint64_t seed)
{
	struct aggregate *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->shape = *shape;
	a->budget = budget;
	make_secret(a, seed);
	table_init(&a->table[FORM_NARROW], a, agg_narrow_size(shape));
	table_init(&a->table[FORM_WIDE], a, shape->key_size);
	if (!table_open(&a->table[FORM_NARROW], true)) {
		aggregate_free(a);
		errno = ENOMEM;
		return NULL;
	}
	return a;
}

void aggregate_unbind(struct aggregate *a)
{
	a->unbound = true;
}

void aggregate_seal(struct aggregate *a)
{
	for (struct table *t = a->table; t < a->table + FORMS; t++) {
		agg_arena_free(&t->index, a->budget);
		free(t->dir);
		t->dir = NULL;
	}
}

void aggregate_free(struct aggregate *a)
{
	if (!a)
		return;
	aggregate_seal(a);
	for (struct table *t = a->table; t < a->table + FORMS; t++) {
		agg_arena_free(&t->rows, a->budget);
		free(t->chunk);
	}
	free(a);
}

/* ---- finding ---- */

static inline uint8_t *row_of(uint8_t *const *chunk, uint32_t row, size_t row_size)
{
	return chunk[row / CHUNK_ROWS] + row % CHUNK_ROWS * row_size;
}

static inline uint8_t *row_at(const struct table *t, uint32_t row)
{
	return row_of(t->chunk, row, t->row_size);
}

static inline uint64_t word_at(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* A loop over a constant number of words at most: all of it in a row, which gcc -O2 does not do. */
#define UNROLL _Pragma("GCC unroll 8")

/* For what a tag is made of its upper half, which all of the sum moves. */
static inline uint64_t mixed(uint64_t h)
{
	return (h ^ h >> 32) * UINT64_C(0x165667919e3779f9);
}

/*
 * NH (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999): the halves of each word, masked by a
 * secret of its place, times each other, and the sum of all.  Of two keys that differ one in 2^32
 * secrets makes the same of both, whoever chose the keys.
 */
#ifdef __SSE2__
static inline __m128i products(const uint64_t *secret, __m128i key)
{
	const __m128i w = _mm_add_epi32(key, _mm_loadu_si128((const __m128i *)secret));

	return _mm_mul_epu32(w, _mm_shuffle_epi32(w, 0xf5));
}

static inline __attribute__((always_inline)) uint64_t hash(const uint64_t *secret,
							   const uint8_t *key, size_t key_size)
{
	__m128i sum = _mm_setzero_si128();
	size_t at = 0;

	UNROLL
	for (; at + 16 <= key_size; at += 16)
		sum = _mm_add_epi64(sum, products(secret + at / 8,
						  _mm_loadu_si128((const __m128i *)(key + at))));
	if (at < key_size)
		sum = _mm_add_epi64(sum, products(secret + at / 8,
						  _mm_loadl_epi64((const __m128i *)(key + at))));
	sum = _mm_add_epi64(sum, _mm_unpackhi_epi64(sum, sum));
	return mixed((uint64_t)_mm_cvtsi128_si64(sum));
}
#else
static inline __attribute__((always_inline)) uint64_t hash(const uint64_t *secret,
							   const uint8_t *key, size_t key_size)
{
	uint64_t sum = 0;

	UNROLL
	for (size_t at = 0; at < key_size; at += 8) {
		const uint64_t w = word_at(key + at), s = secret[at / 8];

		sum += (uint64_t)((uint32_t)w + (uint32_t)s) *
		       ((uint32_t)(w >> 32) + (uint32_t)(s >> 32));
	}
	return mixed(sum);
}
#endif

/* At the top of a tag: what the directory goes by; from its second bit on: the bucket. */
static inline uint32_t tag_of(uint64_t h)
{
	return (uint32_t)(h >> 32) | 1;
}

static inline size_t bucket_number(uint32_t tag)
{
	return tag / 2 % BUCKETS;
}

/* Bit i: tag i of the bucket is `tag`. */
#ifdef __SSE2__
static inline unsigned match(const struct bucket *b, uint32_t tag)
{
	const __m128i t = _mm_set1_epi32((int)tag);
	__m128i low = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)b->tag), t);
	__m128i high = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(b->tag + 4)), t);

	return (unsigned)_mm_movemask_epi8(
		_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
}
#else
static inline unsigned match(const struct bucket *b, uint32_t tag)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < BUCKET_SLOTS; i++)
		bits |= (unsigned)(b->tag[i] == tag) << i;
	return bits;
}
#endif

static inline bool is_full(const struct bucket *b)
{
	return b->row[BUCKET_SLOTS - 1] != 0;
}

static inline struct segment **segment_of(const struct table *t, uint32_t tag)
{
	return &t->dir[tag >> (32 - t->depth)];
}

/* With a constant `n` no call is left of it, nor a loop. */
#ifdef __SSE2__
static inline __attribute__((always_inline)) bool key_equal(const uint8_t *x, const uint8_t *y,
							    size_t n)
{
	__m128i same = _mm_set1_epi8(-1);
	uint64_t differ = 0;
	size_t at = 0;

	UNROLL
	for (; at + 16 <= n; at += 16)
		same = _mm_and_si128(same, _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(x + at)),
							   _mm_loadu_si128((const __m128i *)(y + at))));
	if (at < n)
		differ = word_at(x + at) ^ word_at(y + at);
	return (_mm_movemask_epi8(same) == 0xffff) & (differ == 0);
}
#else
static inline __attribute__((always_inline)) bool key_equal(const uint8_t *x, const uint8_t *y,
							    size_t n)
{
	uint64_t differ = 0;

	UNROLL
	for (size_t at = 0; at < n; at += 8)
		differ |= word_at(x + at) ^ word_at(y + at);
	return differ == 0;
}
#endif

/* sum + v, at most 2^64 - 1; *lost grows by what did not fit. */
static inline uint64_t add_capped(uint64_t sum, uint64_t v, uint64_t *saturated, uint64_t *lost)
{
	uint64_t out;

	if (__builtin_expect(!__builtin_add_overflow(sum, v, &out), 1))
		return out;
	(*saturated)++;
	*lost += out + 1;
	return UINT64_MAX;
}

/* `plain`: neither flows nor flags. */
static inline __attribute__((always_inline)) void row_add(struct table *t, uint8_t *row,
							  const struct sums *s, bool plain)
{
	struct agg_counts *c = &t->a->counts;
	uint64_t v[2], flows_lost = 0;

	memcpy(v, row, sizeof(v));
	v[0] = add_capped(v[0], s->octets, &c->saturated, &c->saturated_octets);
	v[1] = add_capped(v[1], s->packets, &c->saturated, &c->saturated_packets);
	memcpy(row, v, sizeof(v));
	if (plain)
		return;
	if (t->a->shape.flows) {
		memcpy(v, row + t->flows_at, 8);
		v[0] = add_capped(v[0], s->flows, &c->saturated, &flows_lost);
		memcpy(row + t->flows_at, v, 8);
	}
	if (t->a->shape.tcp_flags) {
		memcpy(v, row + t->flags_at, 8);
		v[0] |= s->tcp_flags;
		memcpy(row + t->flags_at, v, 8);
	}
}

/* ---- growing ---- */

static void slot_put(struct segment *s, uint32_t tag, uint32_t row)
{
	size_t i = bucket_number(tag);
	unsigned slot = 0;

	while (is_full(&s->bucket[i]))
		i = (i + 1) % BUCKETS;
	while (s->bucket[i].row[slot])
		slot++;
	s->bucket[i].tag[slot] = tag;
	s->bucket[i].row[slot] = row;
	s->used++;
}

static bool dir_double(struct table *t)
{
	size_t n = (size_t)1 << t->depth;
	struct segment **dir;

	if (t->depth == DEPTH_MAX)
		return false;
	dir = malloc(2 * n * sizeof(*dir));
	if (!dir)
		return false;
	for (size_t i = 0; i < n; i++)
		dir[2 * i] = dir[2 * i + 1] = t->dir[i];
	free(t->dir);
	t->dir = dir;
	t->depth++;
	return true;
}

/* Split the segment of `tag` by the next bit of its tags. */
static bool segment_split(struct table *t, uint32_t tag)
{
	struct segment *low = *segment_of(t, tag), *high;
	struct bucket old[BUCKETS];
	size_t span, at;

	if (low->depth == t->depth && !dir_double(t))
		return false;
	high = segment_new(t, low->depth + 1, false);
	if (!high)
		return false;
	low->depth++;
	span = (size_t)1 << (t->depth - low->depth);
	at = (tag >> (32 - t->depth)) & ~(2 * span - 1);
	for (size_t i = 0; i < span; i++)
		t->dir[at + span + i] = high;
	memcpy(old, low->bucket, sizeof(old));
	memset(low->bucket, 0, sizeof(low->bucket));
	low->used = 0;
	for (size_t i = 0; i < BUCKETS; i++)
		for (size_t k = 0; k < BUCKET_SLOTS && old[i].row[k]; k++)
			slot_put(old[i].tag[k] >> (32 - low->depth) & 1 ? high : low, old[i].tag[k],
				 old[i].row[k]);
	return true;
}

/* A new row for `key`, zero sums; NULL when there is no room. */
static uint8_t *row_new(struct table *t, const uint8_t *key, uint32_t tag)
{
	struct segment *s;
	uint8_t *row;

	if (t->nrows == t->nchunks * CHUNK_ROWS &&
	    (t->nrows >= UINT32_MAX - CHUNK_ROWS || !chunk_new(t, false)))
		return NULL;
	while ((s = *segment_of(t, tag))->used == SLOTS_MAX_USED)
		if (!segment_split(t, tag))
			return NULL;
	row = row_at(t, (uint32_t)t->nrows);
	memset(row, 0, t->key_at);
	memcpy(row + t->key_at, key, t->key_size);
	t->nrows++;
	slot_put(s, tag, (uint32_t)t->nrows);
	return row;
}

/* The careful way: every slot of that tag. */
static uint8_t *row_find(const struct table *t, const uint8_t *key, uint32_t tag)
{
	const struct segment *s = *segment_of(t, tag);

	for (size_t i = bucket_number(tag);; i = (i + 1) % BUCKETS) {
		const struct bucket *b = &s->bucket[i];

		for (unsigned bits = match(b, tag); bits; bits &= bits - 1) {
			uint8_t *row = row_at(t, b->row[__builtin_ctz(bits)] - 1);

			if (key_equal(row + t->key_at, key, t->key_size))
				return row;
		}
		if (!is_full(b))
			return NULL;
	}
}

static void shed(struct agg_counts *c, const struct sums *s)
{
	c->shed++;
	c->shed_octets += s->octets;
	c->shed_packets += s->packets;
}

static __attribute__((noinline)) void add_one(struct table *t, const uint8_t *key, uint32_t tag,
					      const struct sums *sums)
{
	uint8_t *row = row_find(t, key, tag);

	if (!row)
		row = row_new(t, key, tag);
	if (row) {
		row_add(t, row, sums, false);
		return;
	}
	shed(&t->a->counts, sums);
}

static inline const struct bucket *bucket_of(const struct table *t, uint32_t tag)
{
	return &(*segment_of(t, tag))->bucket[bucket_number(tag)];
}

/*
 * The hot path, for one shape: tags and buckets, then rows, then sums, each fetched
 * ahead of its use.  The row is the first one of that tag in its own bucket, nearly
 * always the right one.  Inlined with constants this loses its loops over the key and
 * its multiplications by the size of a row; what does not change is held in locals,
 * because any store into a row might change it, as far as the compiler knows.
 */
static inline __attribute__((always_inline)) void add_ahead(struct table *t,
							    const uint8_t *keys,
							    const struct sums *items, size_t n,
							    size_t key_size, bool plain)
{
	const size_t row_size = plain ? SUMS_BYTES + key_size : t->row_size;
	const size_t key_at = plain ? SUMS_BYTES : t->key_at;
	uint8_t *const *const chunk = t->chunk;
	struct {
		const struct bucket *bucket;
		uint8_t *row;
		uint32_t tag;
	} at[AHEAD];

	for (size_t i = 0; i < n; i++) {
		at[i].tag = tag_of(hash(t->a->secret, keys + i * key_size, key_size));
		at[i].bucket = bucket_of(t, at[i].tag);
		__builtin_prefetch(at[i].bucket);
	}
	for (size_t i = 0; i < n; i++) {
		const struct bucket *const b = at[i].bucket;
		const unsigned bits = match(b, at[i].tag);
		uint8_t *row = NULL;

		if (__builtin_expect(bits != 0, 1)) {
			row = row_of(chunk, b->row[(unsigned)__builtin_ctz(bits)] - 1, row_size);
			__builtin_prefetch(row, 1);
			if (64 % row_size)	/* else no row lies in two lines */
				__builtin_prefetch(row + row_size - 1);
		}
		at[i].row = row;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *key = keys + i * key_size;
		uint8_t *row = at[i].row;

		if (__builtin_expect(row && key_equal(row + key_at, key, key_size), 1))
			row_add(t, row, &items[i], plain);
		else
			add_one(t, key, at[i].tag, &items[i]);
	}
}

#define ADD(name, size, plain) \
	static void name(struct table *t, const uint8_t *keys, const struct sums *items, size_t n) \
	{ \
		add_ahead(t, keys, items, n, size, plain); \
	}
#define ADD_BOTH(size) ADD(add_plain_##size, size, true) ADD(add_##size, size, false)

ADD_BOTH(8)
ADD_BOTH(16)
ADD_BOTH(24)
ADD_BOTH(32)
ADD_BOTH(40)
ADD_BOTH(48)
ADD_BOTH(56)
ADD_BOTH(64)
ADD(add_any, t->key_size, false)

/* By whether it is plain, and by key size in words. */
static add_fn *const adders[2][9] = {
	{ add_any, add_8, add_16, add_24, add_32, add_40, add_48, add_56, add_64 },
	{ add_any, add_plain_8, add_plain_16, add_plain_24, add_plain_32, add_plain_40,
	  add_plain_48, add_plain_56, add_plain_64 },
};

static add_fn *adder_for(const struct agg_shape *s, size_t key_size)
{
	const size_t words = key_size / 8;
	const bool plain = !s->flows && !s->tcp_flags;

	return adders[plain][words < sizeof(adders[0]) / sizeof(adders[0][0]) ? words : 0];
}

/* Keys of this table's form. */
static void table_add(struct table *t, const uint8_t *keys, const struct sums *items, size_t n)
{
	if (__builtin_expect(!t->dir, 0) && !table_open(t, t->a->unbound)) {
		for (size_t i = 0; i < n; i++)
			shed(&t->a->counts, &items[i]);
		return;
	}
	for (size_t i = 0; i < n; i += AHEAD)
		t->add(t, keys + i * t->key_size, items + i, n - i < AHEAD ? n - i : AHEAD);
}

/* ---- two forms ---- */

/* The 16-octet form of an IPv4 address begins so (addr.h). */
static const uint8_t mapped[AGG_WIDE - AGG_NARROW] = { [10] = 0xff, [11] = 0xff };

/* False when there is another address among them. */
static inline bool narrow(const struct agg_shape *s, uint8_t *to, size_t size, const uint8_t *key)
{
	const uint8_t *from = key + s->addrs_at;
	uint8_t *at = to + s->addrs_at;

	for (size_t i = 0; i < s->naddrs; i++, from += AGG_WIDE, at += AGG_NARROW) {
		if (memcmp(from, mapped, sizeof(mapped)) != 0)
			return false;
		memcpy(at, from + sizeof(mapped), AGG_NARROW);
	}
	memcpy(to, key, s->addrs_at);
	memset(at, 0, (size_t)(to + size - at));
	return true;
}

void agg_widen(const struct agg_shape *s, uint8_t *to, const uint8_t *key)
{
	const uint8_t *from = key + s->addrs_at;
	uint8_t *at = to + s->addrs_at;

	memcpy(to, key, s->addrs_at);
	for (size_t i = 0; i < s->naddrs; i++, from += AGG_NARROW, at += AGG_WIDE) {
		memcpy(at, mapped, sizeof(mapped));
		memcpy(at + sizeof(mapped), from, AGG_NARROW);
	}
	memset(at, 0, (size_t)(to + s->key_size - at));
}

/* Runs of keys of one form stay together. */
static void add_by_form(struct aggregate *a, const uint8_t *keys, const struct sums *items, size_t n)
{
	struct table *const narrows = &a->table[FORM_NARROW], *const wides = &a->table[FORM_WIDE];
	const size_t size = a->shape.key_size;
	uint8_t run[AHEAD * (KEY_BYTES_MAX + 8)];
	size_t i = 0;

	while (i < n) {
		const size_t first = i;

		while (i < n && i - first < AHEAD &&
		       narrow(&a->shape, run + (i - first) * narrows->key_size, narrows->key_size,
			      keys + i * size))
			i++;
		if (i > first) {
			table_add(narrows, run, items + first, i - first);
			continue;
		}
		while (i < n && !narrow(&a->shape, run, narrows->key_size, keys + i * size))
			i++;
		table_add(wides, keys + first * size, items + first, i - first);
	}
}

void aggregate_add_total(struct aggregate *a, const uint8_t *keys, const struct sums *items,
			 size_t n, const struct agg_total *total)
{
	a->counts.octets += total->octets;
	a->counts.packets += total->packets;
	if (a->shape.naddrs)
		add_by_form(a, keys, items, n);
	else
		table_add(&a->table[FORM_NARROW], keys, items, n);
}

void aggregate_add_narrow(struct aggregate *a, const uint8_t *keys, const struct sums *items,
			  size_t n, const struct agg_total *total)
{
	a->counts.octets += total->octets;
	a->counts.packets += total->packets;
	table_add(&a->table[FORM_NARROW], keys, items, n);
}

static struct agg_total total_of(const struct sums *items, size_t n)
{
	struct agg_total total = { 0, 0 };

	for (size_t i = 0; i < n; i++) {
		total.octets += items[i].octets;
		total.packets += items[i].packets;
	}
	return total;
}

void aggregate_add(struct aggregate *a, const uint8_t *keys, const struct sums *items, size_t n)
{
	const struct agg_total total = total_of(items, n);

	aggregate_add_total(a, keys, items, n, &total);
}

/* ---- reading ---- */

size_t aggregate_rows(const struct aggregate *a)
{
	return a->table[FORM_NARROW].nrows + a->table[FORM_WIDE].nrows;
}

static void read_row(const struct table *t, size_t i, struct sums *sums, const uint8_t **key)
{
	const uint8_t *row = row_at(t, (uint32_t)i);
	uint64_t v;

	memset(sums, 0, sizeof(*sums));
	memcpy(&sums->octets, row, 8);
	memcpy(&sums->packets, row + 8, 8);
	if (t->a->shape.flows)
		memcpy(&sums->flows, row + t->flows_at, 8);
	if (t->a->shape.tcp_flags) {
		memcpy(&v, row + t->flags_at, 8);
		sums->tcp_flags = (uint32_t)v;
	}
	*key = row + t->key_at;
}

bool aggregate_row(const struct aggregate *a, size_t i, struct sums *sums, const uint8_t **key)
{
	const size_t narrows = a->table[FORM_NARROW].nrows;

	if (i < narrows) {
		read_row(&a->table[FORM_NARROW], i, sums, key);
		return a->shape.naddrs != 0;
	}
	read_row(&a->table[FORM_WIDE], i - narrows, sums, key);
	return false;
}

static void merge_table(struct table *t, const struct table *from)
{
	uint8_t keys[AHEAD * (KEY_BYTES_MAX + 8)];
	struct sums sums[AHEAD];
	size_t n = 0;

	for (size_t i = 0; i < from->nrows; i++) {
		const uint8_t *key;

		read_row(from, i, &sums[n], &key);
		memcpy(keys + n * t->key_size, key, t->key_size);
		if (++n == AHEAD || i + 1 == from->nrows) {
			const struct agg_total total = total_of(sums, n);

			t->a->counts.octets += total.octets;
			t->a->counts.packets += total.packets;
			table_add(t, keys, sums, n);
			n = 0;
		}
	}
}

void aggregate_merge(struct aggregate *a, const struct aggregate *from)
{
	for (size_t form = 0; form < FORMS; form++)
		merge_table(&a->table[form], &from->table[form]);
}

const struct agg_counts *aggregate_counts(const struct aggregate *a)
{
	return &a->counts;
}

size_t aggregate_bytes(const struct aggregate *a)
{
	size_t bytes = sizeof(*a);

	for (const struct table *t = a->table; t < a->table + FORMS; t++)
		bytes += t->rows.bytes + t->index.bytes + t->chunks_cap * sizeof(*t->chunk) +
			 (t->dir ? ((size_t)1 << t->depth) * sizeof(*t->dir) : 0);
	return bytes;
}
