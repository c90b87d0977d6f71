/*
 * lpm.c - see lpm.h.
 *
 * The first 16 bits index a table; below it are nodes of eight bits each.  A
 * node stands for 256 slots, but keeps one leaf for a run of equal slots: a bit
 * a slot says "here a run begins", and the number of bits set up to a slot is
 * the leaf's place (the idea of Asai & Ohara's poptrie, SIGCOMM 2015, with
 * controlled prefix expansion below it).  Ten prefixes cost 256 kB, a full
 * Internet table about 15 MB, a million scattered host routes about 60 MB; a
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
	WORDS = SLOTS / 64,
	FAMILIES = 2		/* 0: IPv6, 1: IPv4 */
};

/* A slot or leaf: a value, LPM_NONE, or with this bit the index of a node. */
#define IS_NODE UINT32_C(0x80000000)
/* In the leaves "nothing" must not look like a node. */
#define NOTHING UINT32_C(0x7fffffff)

struct node {
	uint64_t begins[WORDS];	/* bit of each slot at which a run begins; slot 0 always */
	uint32_t base;		/* its first leaf */
	uint8_t before[WORDS];	/* runs that begin in earlier words */
};

struct lpm {
	uint32_t *root[FAMILIES];	/* 2^16 slots; NULL: the family has no prefix */
	struct node *nodes;
	uint32_t *leaves;
	size_t nnodes, cap_nodes, nleaves, cap_leaves;
};

static unsigned popcount(uint64_t x)
{
	/* Arithmetic, as the builtin is a call to a table look-up without -mpopcnt. */
	x -= x >> 1 & UINT64_C(0x5555555555555555);
	x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
	x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

static uint32_t slot_of(const struct lpm *t, const struct node *n, unsigned slot)
{
	const unsigned word = slot / 64, bit = slot % 64;
	const uint64_t upto = n->begins[word] & (UINT64_MAX >> (63 - bit));

	return t->leaves[n->base + n->before[word] + popcount(upto) - 1];
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
		at = slot_of(t, &t->nodes[at & ~IS_NODE], *p);
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

static bool room(void **p, size_t *cap, size_t need, size_t size)
{
	size_t grown = *cap ? *cap : 256;
	void *q;

	if (need <= *cap)
		return true;
	while (grown < need)
		grown *= 2;
	/* An index must not reach the mark of a node. */
	if (grown > NOTHING) {
		errno = ENOMEM;
		return false;
	}
	q = realloc(*p, grown * size);
	if (!q)
		return false;
	*p = q;
	*cap = grown;
	return true;
}

/* The node of these slots, as a marked index; NOTHING with errno when memory is gone. */
static uint32_t pack_node(struct lpm *t, const uint32_t slots[static SLOTS])
{
	struct node n = { .base = (uint32_t)t->nleaves };
	unsigned runs = 0;

	if (!room((void **)&t->nodes, &t->cap_nodes, t->nnodes + 1, sizeof(*t->nodes)) ||
	    !room((void **)&t->leaves, &t->cap_leaves, t->nleaves + SLOTS, sizeof(*t->leaves)))
		return NOTHING;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (i % 64 == 0)
			n.before[i / 64] = (uint8_t)runs;
		if (i && slots[i] == slots[i - 1])
			continue;
		n.begins[i / 64] |= UINT64_C(1) << i % 64;
		t->leaves[t->nleaves++] = slots[i];
		runs++;
	}
	t->nodes[t->nnodes] = n;
	return (uint32_t)t->nnodes++ | IS_NODE;
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
	return t;
}

void lpm_free(struct lpm *t)
{
	if (!t)
		return;
	for (int i = 0; i < FAMILIES; i++)
		free(t->root[i]);
	free(t->nodes);
	free(t->leaves);
	free(t);
}
