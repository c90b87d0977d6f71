/*
 * check_lpm.c - longest prefix match against a linear scan over the same
 * entries, on random tables of several densities and on every boundary of
 * every prefix.
 */
#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include "base/lpm.h"

Suite *suite_lpm(void);

/* The oracle: of the prefixes that contain `a` the longest, of equal ones the later. */
static uint32_t scan(const struct lpm_entry *e, size_t n, const struct addr *a)
{
	uint32_t best = LPM_NONE;
	int len = -1;

	for (size_t i = 0; i < n; i++)
		if (e[i].prefix.len >= len && prefix_contains(&e[i].prefix, a)) {
			best = e[i].value;
			len = e[i].prefix.len;
		}
	return best;
}

static uint64_t next(uint64_t *seed)
{
	/* xorshift64* */
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

/* Random, but near other prefixes: only some bits of each byte vary. */
static struct addr random_addr(uint64_t *seed, bool v4, uint8_t density)
{
	struct addr a;

	if (v4)
		a = addr_make4((uint32_t)next(seed));
	else
		for (int i = 0; i < 16; i++)
			a.b[i] = (uint8_t)next(seed);
	for (int i = v4 ? 12 : 0; i < 16; i++)
		a.b[i] &= density;
	return a;
}

static const struct {
	const char *name;
	size_t entries;
	unsigned v4_percent, min4, min6;	/* shortest lengths drawn, of each family */
	uint8_t density;
} tables[] = {
	{ "nothing", 0, 50, 0, 0, 0xff },
	{ "one", 1, 100, 0, 0, 0xff },
	{ "one of IPv6", 1, 0, 0, 0, 0xff },
	{ "few, dense", 40, 50, 0, 0, 0x03 },
	{ "nested", 300, 60, 0, 0, 0x81 },
	{ "IPv4, all lengths", 500, 100, 0, 0, 0x0f },
	{ "IPv4, long", 500, 100, 15, 0, 0xff },
	{ "IPv6, all lengths", 500, 0, 0, 0, 0x11 },
	{ "IPv6, long", 300, 0, 0, 100, 0x05 },
	{ "both", 1000, 50, 8, 20, 0x13 },
};

static void probe(const struct lpm *t, const struct lpm_entry *e, size_t n, const struct addr *a,
		  const char *what)
{
	const uint32_t want = scan(e, n, a), got = lpm_find(t, a);
	char text[ADDR_TEXT];

	ck_assert_msg(
		want == got, "%s: %s: %u, should be %u", what, addr_print(a, text), got, want);
}

/* Add `step` (1 or -1) to the address as a number. */
static struct addr neighbour(struct addr a, int step)
{
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (uint8_t)(a.b[i] + step);
		if (a.b[i] != (step > 0 ? 0 : 0xff))
			break;
	}
	return a;
}

/* First and last address of a prefix, and those just outside. */
static void probe_edges(const struct lpm *t, const struct lpm_entry *e, size_t n, size_t i,
			const char *what)
{
	struct addr first = e[i].prefix.addr, last = first, beyond;

	for (unsigned bit = e[i].prefix.len; bit < 128; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	probe(t, e, n, &first, what);
	probe(t, e, n, &last, what);
	beyond = neighbour(first, -1);
	probe(t, e, n, &beyond, what);
	beyond = neighbour(last, 1);
	probe(t, e, n, &beyond, what);
}

START_TEST(finds_what_a_scan_finds)
{
	const size_t n = tables[_i].entries;
	struct lpm_entry *e = calloc(n + 1, sizeof(*e));
	uint64_t seed = 0x9e3779b97f4a7c15u + (uint64_t)_i;
	struct lpm *t;

	for (size_t i = 0; i < n; i++) {
		const bool v4 = next(&seed) % 100 < tables[_i].v4_percent;
		const unsigned min = v4 ? tables[_i].min4 : tables[_i].min6;
		const unsigned bits = min + (unsigned)(next(&seed) % ((v4 ? 33 : 129) - min));
		const struct addr a = random_addr(&seed, v4, tables[_i].density);

		e[i].prefix.len = (uint8_t)(v4 ? bits + 96 : bits);
		e[i].prefix.addr = addr_mask(&a, e[i].prefix.len);
		e[i].value = (uint32_t)i;
	}
	t = lpm_new(e, n);
	ck_assert_ptr_nonnull(t);
	for (size_t i = 0; i < n; i++)
		probe_edges(t, e, n, i, tables[_i].name);
	for (int i = 0; i < 5000; i++) {
		const bool v4 = next(&seed) & 1;
		const struct addr a = random_addr(&seed, v4, i & 1 ? 0xff : tables[_i].density);

		probe(t, e, n, &a, tables[_i].name);
	}
	lpm_free(t);
	free(e);
}
END_TEST

static const struct {
	const char *prefixes;	/* values are 0, 1, ... */
	const char *address;
	uint32_t want;
} cases[] = {
	{ "", "1.2.3.4", LPM_NONE },
	{ "0.0.0.0/0", "1.2.3.4", 0 },
	{ "0.0.0.0/0", "::1", LPM_NONE },
	{ "::/0", "::1", 0 },
	{ "::/0", "1.2.3.4", LPM_NONE },
	{ "::/0 0.0.0.0/0", "1.2.3.4", 1 },
	{ "10.0.0.0/8 10.0.0.0/8", "10.1.1.1", 1 },
	{ "10.0.0.0/24 10.0.0.0/8", "10.0.0.1", 0 },
	{ "10.0.0.0/8 10.0.0.0/24", "10.0.0.1", 1 },
	{ "111.222.1.0/24 111.222.2.0/24 111.222.3.0/24", "111.222.2.255", 1 },
	{ "111.222.1.0/24 111.222.2.0/24 111.222.3.0/24", "111.222.4.0", LPM_NONE },
	{ "255.255.255.255/32 255.0.0.0/8", "255.255.255.255", 0 },
	{ "0.0.0.0/32", "0.0.0.0", 0 },
	{ "0.0.0.0/32", "0.0.0.1", LPM_NONE },
	{ "10.0.0.0/16 10.0.0.0/17", "10.0.128.0", 0 },
	{ "10.0.0.0/16 10.0.0.0/17", "10.0.127.255", 1 },
	{ "2001:db8::/32 2001:db8:1::/48", "2001:db8:1::1", 1 },
	{ "2001:db8::1/128", "2001:db8::1", 0 },
	{ "2001:db8::1/128", "2001:db8::2", LPM_NONE },
};

START_TEST(finds_known_answers)
{
	struct lpm_entry e[4];
	struct lpm *t;
	struct addr a;
	char text[200], *word, *save = NULL;
	size_t n = 0;

	strcpy(text, cases[_i].prefixes);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		ck_assert(prefix_parse(&e[n].prefix, word, NULL));
		e[n].value = (uint32_t)n;
		n++;
	}
	ck_assert(addr_parse(&a, cases[_i].address));
	t = lpm_new(e, n);
	ck_assert_ptr_nonnull(t);
	ck_assert_msg(lpm_find(t, &a) == cases[_i].want, "%s in %s: %u", cases[_i].address,
		      cases[_i].prefixes, lpm_find(t, &a));
	lpm_free(t);
}
END_TEST

START_TEST(ignores_host_bits)
{
	const struct lpm_entry e = { { addr_make4(0xfffffffe), 96 + 8 }, 5 };
	const struct addr in = addr_make4(0xff000000), out = addr_make4(0xfe000000);
	struct lpm *t = lpm_new(&e, 1);

	ck_assert_uint_eq(lpm_find(t, &in), 5);
	ck_assert_uint_eq(lpm_find(t, &out), LPM_NONE);
	lpm_free(t);
}
END_TEST

START_TEST(bounds_its_values)
{
	struct lpm_entry e = { { addr_make4(0), 96 }, LPM_VALUE_MAX };
	const struct addr a = addr_make4(1);
	struct lpm *t = lpm_new(&e, 1);

	ck_assert_uint_eq(lpm_find(t, &a), LPM_VALUE_MAX);
	lpm_free(t);
	e.value++;
	ck_assert_ptr_null(lpm_new(&e, 1));
	ck_assert_int_eq(errno, ERANGE);
	e.value = 0;
	e.prefix.len = 129;
	ck_assert_ptr_null(lpm_new(&e, 1));
	ck_assert_int_eq(errno, ERANGE);
	lpm_free(NULL);
}
END_TEST

/* What malloc holds; a sanitizer's allocator says 0, and the test then proves nothing. */
static size_t heap(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Ten prefixes stay below 1 MB, 900 k random ones (as many as the Internet has) below 64 MB. */
START_TEST(is_modest)
{
	const size_t big = 900000;
	struct lpm_entry *e = calloc(big, sizeof(*e));
	uint64_t seed = 4711;
	size_t before;
	struct lpm *t;

	for (size_t i = 0; i < big; i++) {
		/* Half /24, as in the Internet, the rest shorter; no multicast. */
		const uint8_t len = (uint8_t)(96 + (next(&seed) & 1 ? 24 : 16 + next(&seed) % 8));
		struct addr a = addr_make4((uint32_t)(next(&seed) % 0xe0000000));

		e[i].prefix = (struct prefix){ addr_mask(&a, len), len };
		e[i].value = (uint32_t)i;
	}
	before = heap();
	t = lpm_new(e, 10);
	ck_assert_uint_lt(heap() - before, 1 << 20);
	lpm_free(t);
	before = heap();
	t = lpm_new(e, big);
	ck_assert_uint_lt(heap() - before, 64 << 20);
	lpm_free(t);
	free(e);
}
END_TEST

Suite *suite_lpm(void)
{
	Suite *s = suite_create("lpm");
	TCase *t = tcase_create("find");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, finds_what_a_scan_finds, 0, sizeof(tables) / sizeof(tables[0]));
	tcase_add_loop_test(t, finds_known_answers, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, ignores_host_bits);
	tcase_add_test(t, bounds_its_values);
	tcase_add_test(t, is_modest);
	suite_add_tcase(s, t);
	return s;
}
