/*
 * lpm.c - see lpm.h.
 *
 * The first 16 bits index a table; below it are nodes of eight bits each.  A
 * node stands for 256 slots, but keeps one leaf for a run of equal slots: a bit
 * a slot says "here a run begins", and the number of bits set up to a slot is
 * the leaf's place (the idea of Asai & Ohara's poptrie, SIGCOMM 2015, with
 * controlled prefix expansion below it).  Ten prefixes cost 256 kB, a million
 * random /16 to /24 9 MB, a million scattered host routes 61 MB (measured); a
 * plain 256-slot node would cost 1 kB each.  An IPv4 look-up is at most three
 * steps; most end after one or two.
 */
#include "lpm.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ROOT_BITS = 16,
	STRIDE = 8,
	SLOTS = 1 << STRIDE,
	WORDS = SLOTS / 32,
	FAMILIES = 2		/* 0: IPv6, 1: IPv4 */
};

/* A slot or leaf: a value, NOTHING, or with this bit the place of a node in the pool. */
#define IS_NODE UINT32_C(0x80000000)
/* "Nothing" among slots must not look like a node. */
#define NOTHING UINT32_C(0x7fffffff)

/* Its leaves follow it, so that a small node and the leaf sought share a cache line. */
struct node {
	uint32_t begins[WORDS];	/* bit of each slot at which a run begins; slot 0 always */
	uint8_t before[WORDS];	/* runs that begin in earlier words */
	uint32_t leaves[];
};

#define NODE_WORDS (sizeof(struct node) / sizeof(uint32_t))

struct lpm {
	uint32_t *root[FAMILIES];	/* 2^16 slots; NULL: the family has no prefix */
	uint32_t *pool;			/* the nodes, one behind the other; a place counts words */
	size_t used, cap;
};

static unsigned popcount(uint32_t x)
{
	/* Arithmetic, as the builtin is a call to a table look-up without -mpopcnt. */
	x -= x >> 1 & UINT32_C(0x55555555);
	x = (x & UINT32_C(0x33333333)) + (x >> 2 & UINT32_C(0x33333333));
	x = (x + (x >> 4)) & UINT32_C(0x0f0f0f0f);
	return x * UINT32_C(0x01010101) >> 24;
}

static uint32_t slot_of(const struct node *n, unsigned slot)
{
	const unsigned word = slot / 32;
	const uint32_t upto = n->begins[word] & (UINT32_MAX >> (31 - slot % 32));

	return n->leaves[n->before[word] + popcount(upto) - 1];
}

uint32_t lpm_find(const struct lpm *t, const struct addr *a)
{
	const bool v4 = addr_is4(a);
	const uint8_t *p = v4 ? a->b + 12 : a->b;
	uint32_t at;

	if (!t->root[v4])
		return LPM_NONE;
	at = t->root[v4][be16(p)];
	for (p += ROOT_BITS / 8; at & IS_NODE; p++)
		at = slot_of((const void *)(t->pool + (at & ~IS_NODE)), *p);
	return at == NOTHING ? LPM_NONE : at;
}

/* ---- building ---- */

/* An entry with its address at the left and its length counted from there. */
struct item {
	uint8_t b[16];
	uint8_t len;
	uint32_t value;
	size_t order;		/* in the caller's array */
};

static int compare_items(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int d = memcmp(a->b, b->b, sizeof(a->b));

	if (d)
		return d;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* Room for the largest node; false with errno. */
static bool room(struct lpm *t)
{
	const size_t need = t->used + NODE_WORDS + SLOTS;
	size_t cap = t->cap ? t->cap : 4096;
	uint32_t *pool;

	if (need <= t->cap)
		return true;
	while (cap < need)
		cap += cap / 2;
	/* A place must not reach the mark of a node. */
	if (need > NOTHING) {
		errno = ENOMEM;
		return false;
	}
	pool = realloc(t->pool, cap * sizeof(*pool));
	if (!pool)
		return false;
	t->pool = pool;
	t->cap = cap;
	return true;
}

/* The node of these slots, as a marked place; NOTHING with errno when memory is gone. */
static uint32_t pack_node(struct lpm *t, const uint32_t slots[static SLOTS])
{
	const size_t place = t->used;
	struct node *n;
	unsigned runs = 0;

	if (!room(t))
		return NOTHING;
	n = (void *)(t->pool + place);
	memset(n, 0, sizeof(*n));
	for (unsigned i = 0; i < SLOTS; i++) {
		if (i % 32 == 0)
			n->before[i / 32] = (uint8_t)runs;
		if (i && slots[i] == slots[i - 1])
			continue;
		n->begins[i / 32] |= UINT32_C(1) << i % 32;
		n->leaves[runs++] = slots[i];
	}
	t->used += NODE_WORDS + runs;
	return (uint32_t)place | IS_NODE;
}

/* `width` bits of the address from bit `at` on; both are multiples of 8. */
static unsigned bits_at(const struct item *e, unsigned at, unsigned width)
{
	return width == 16 ? be16(e->b + at / 8) : e->b[at / 8];
}

static int fill(struct lpm *t, uint32_t *slots, unsigned at, unsigned width,
		const struct item *items, size_t n);

/* The subtree for items that all share their first `at` bits; below `inherited`. */
static uint32_t build_node(struct lpm *t, unsigned at, uint32_t inherited, const struct item *items,
			   size_t n)
{
	uint32_t slots[SLOTS];

	for (unsigned i = 0; i < SLOTS; i++)
		slots[i] = inherited;
	return fill(t, slots, at, STRIDE, items, n) < 0 ? NOTHING : pack_node(t, slots);
}

/*
 * Lay the items into slots: those that end within this stride as runs, the
 * longer ones as subtrees.  Sorted by address and length, a prefix stands
 * before every one that it contains, so the later may simply overwrite.
 */
static int fill(struct lpm *t, uint32_t *slots, unsigned at, unsigned width,
		const struct item *items, size_t n)
{
	for (size_t i = 0; i < n;) {
		const unsigned first = bits_at(&items[i], at, width);
		size_t end = i + 1;

		if (items[i].len <= at + width) {
			const unsigned span = 1u << (at + width - items[i].len);

			for (unsigned k = 0; k < span; k++)
				slots[first + k] = items[i].value;
			i++;
			continue;
		}
		while (end < n && bits_at(&items[end], at, width) == first)
			end++;
		slots[first] = build_node(t, at + width, slots[first], items + i, end - i);
		if (!(slots[first] & IS_NODE))
			return -1;
		i = end;
	}
	return 0;
}

static int build_family(struct lpm *t, int v4, const struct item *items, size_t n)
{
	const size_t slots = (size_t)1 << ROOT_BITS;

	if (n == 0)
		return 0;
	t->root[v4] = malloc(slots * sizeof(*t->root[v4]));
	if (!t->root[v4])
		return -1;
	for (size_t i = 0; i < slots; i++)
		t->root[v4][i] = NOTHING;
	return fill(t, t->root[v4], 0, ROOT_BITS, items, n);
}

/* The entries of one family, sorted. */
static size_t take_family(struct item *items, bool v4, const struct lpm_entry *entries, size_t n)
{
	size_t taken = 0;

	for (size_t i = 0; i < n; i++) {
		const struct prefix *p = &entries[i].prefix;
		const bool is4 = p->len >= 96 && addr_is4(&p->addr);
		struct item *e = &items[taken];
		struct addr masked;

		if (is4 != v4)
			continue;
		*e = (struct item){ .len = (uint8_t)(v4 ? p->len - 96 : p->len),
				    .value = entries[i].value, .order = i };
		/* A host bit left standing would lay a run beyond its node. */
		masked = addr_mask(&p->addr, p->len);
		memcpy(e->b, masked.b + (v4 ? 12 : 0), v4 ? 4 : 16);
		taken++;
	}
	if (taken)
		qsort(items, taken, sizeof(*items), compare_items);
	return taken;
}

/* The pool grows by halves: return what was not used. */
static void give_back(struct lpm *t)
{
	uint32_t *pool = t->used ? realloc(t->pool, t->used * sizeof(*pool)) : NULL;

	if (pool) {
		t->pool = pool;
		t->cap = t->used;
	}
}

struct lpm *lpm_new(const struct lpm_entry *entries, size_t n)
{
	struct lpm *t;
	struct item *items;
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		if (entries[i].value > LPM_VALUE_MAX || entries[i].prefix.len > 128) {
			errno = ERANGE;
			return NULL;
		}
	t = calloc(1, sizeof(*t));
	items = calloc(n ? n : 1, sizeof(*items));
	if (!t || !items)
		ret = -1;
	for (int v4 = 0; v4 < FAMILIES && ret == 0; v4++)
		ret = build_family(t, v4, items, take_family(items, v4, entries, n));
	free(items);
	if (ret < 0) {
		lpm_free(t);
		return NULL;
	}
	give_back(t);
	return t;
}

void lpm_free(struct lpm *t)
{
	if (!t)
		return;
	for (int i = 0; i < FAMILIES; i++)
		free(t->root[i]);
	free(t->pool);
	free(t);
}
