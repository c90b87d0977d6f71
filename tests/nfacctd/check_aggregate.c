/*
 * check_aggregate.c - the sums' table against a naive map (a sorted array),
 * through growth, merging, the memory budget and the end of 64 bits.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "nfacctd/aggregate.h"

Suite *suite_aggregate(void);

enum { KEY = 24 };

static struct agg_budget budget(uint64_t limit)
{
	struct agg_budget b = { .limit = limit };

	return b;
}

/* A key of number n: the number, then bytes that follow from it. */
static void key_of(uint8_t *key, size_t size, uint64_t n)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t v = n * UINT64_C(0x9e3779b97f4a7c15) + i;

		if (i == 0)
			v = n;
		memcpy(key + i, &v, 8);
	}
}

static uint64_t number_of(const uint8_t *key)
{
	uint64_t n;

	memcpy(&n, key, 8);
	return n;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *state >> 33;
}

/* Key sizes, chunk sizes and numbers of distinct keys, with the splits of segments in between. */
static const struct {
	size_t key_size, chunk, distinct, records;
	bool flows, flags;
} shapes[] = {
	{ 8, 1, 1, 100, false, false },
	{ 8, 31, 10, 1000, true, false },
	{ 24, 32, 1000, 10000, false, true },
	{ 24, 33, 3071, 20000, true, true },
	{ 24, 64, 3072, 20000, true, true },
	{ 24, 64, 3073, 20000, true, true },
	{ 56, 128, 4097, 40000, false, false },
	{ 264, 128, 30000, 100000, true, true },
	{ 24, 128, 200000, 400000, true, true },
};

START_TEST(equals_a_naive_map)
{
	const size_t size = shapes[_i].key_size, chunk = shapes[_i].chunk;
	const struct agg_shape shape = { .key_size = (uint16_t)size, .flows = shapes[_i].flows, .tcp_flags = shapes[_i].flags };
	struct agg_budget b = budget(UINT64_MAX);
	struct aggregate *a = aggregate_new(&shape, &b, 42 + (uint64_t)_i);
	struct sums *want = calloc(shapes[_i].distinct, sizeof(*want)), got;
	uint8_t *keys = malloc(chunk * size);
	struct sums *items = calloc(chunk, sizeof(*items));
	uint64_t state = 7, distinct = 0;
	const uint8_t *key;

	for (size_t done = 0; done < shapes[_i].records; done += chunk) {
		for (size_t i = 0; i < chunk; i++) {
			/* Some keys come in runs: twice in one chunk before they are known. */
			uint64_t n = next_random(&state) % shapes[_i].distinct;

			if (i && next_random(&state) % 4 == 0)
				n = number_of(keys + (i - 1) * size);
			key_of(keys + i * size, size, n);
			items[i] = (struct sums) { next_random(&state), next_random(&state) << 20,
				1 + n % 3, (uint32_t)(1u << next_random(&state) % 8) };
			distinct += want[n].flows == 0;
			want[n].packets += items[i].packets;
			want[n].octets += items[i].octets;
			want[n].flows += items[i].flows;
			want[n].tcp_flags |= items[i].tcp_flags;
		}
		aggregate_add(a, keys, items, chunk);
	}
	ck_assert_uint_eq(aggregate_rows(a), distinct);
	aggregate_seal(a);
	for (size_t i = 0; i < aggregate_rows(a); i++) {
		uint64_t n;

		aggregate_row(a, i, &got, &key);
		n = number_of(key);
		ck_assert_uint_lt(n, shapes[_i].distinct);
		key_of(keys, size, n);
		ck_assert_mem_eq(key, keys, size);
		ck_assert_uint_eq(got.octets, want[n].octets);
		ck_assert_uint_eq(got.packets, want[n].packets);
		ck_assert_uint_eq(got.flows, shape.flows ? want[n].flows : 0);
		ck_assert_uint_eq(got.tcp_flags, shape.tcp_flags ? want[n].tcp_flags : 0);
		want[n].flows = 0;	/* no row twice */
	}
	aggregate_free(a);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
	free(items);
	free(keys);
	free(want);
}
END_TEST

static void add(struct aggregate *a, uint64_t n, uint64_t octets, uint64_t packets)
{
	uint8_t key[KEY];
	struct sums s = { packets, octets, 1, 0 };

	key_of(key, sizeof(key), n);
	aggregate_add(a, key, &s, 1);
}

START_TEST(merges)
{
	const struct agg_shape shape = { .key_size = KEY, .flows = true, .tcp_flags = true };
	struct agg_budget b = budget(UINT64_MAX);
	struct aggregate *x = aggregate_new(&shape, &b, 1), *y = aggregate_new(&shape, &b, 2);
	struct sums s;
	const uint8_t *key;

	for (uint64_t n = 0; n < 10000; n++)
		add(x, n, n, 1);
	for (uint64_t n = 5000; n < 20000; n++)
		add(y, n, 1000000, 2);
	aggregate_merge(x, y);
	ck_assert_uint_eq(aggregate_rows(x), 20000);
	for (size_t i = 0; i < 20000; i++) {
		uint64_t n, first, second;

		aggregate_row(x, i, &s, &key);
		n = number_of(key);
		first = n < 10000;
		second = n >= 5000;
		ck_assert_uint_eq(s.octets, first * n + second * 1000000);
		ck_assert_uint_eq(s.packets, first + second * 2);
		ck_assert_uint_eq(s.flows, first + second);
	}
	aggregate_free(x);
	aggregate_free(y);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
}
END_TEST

/* Beyond the budget: known keys go on, the rest is counted, nothing is lost in silence. */
START_TEST(sheds_and_counts)
{
	const struct agg_shape shape = { .key_size = KEY };
	struct agg_budget b = budget(4 << 20);
	struct aggregate *a = aggregate_new(&shape, &b, 3);
	const struct agg_counts *c = aggregate_counts(a);
	uint64_t octets = 0, packets = 0;
	size_t rows;
	struct sums s;
	const uint8_t *key;

	for (uint64_t n = 0; n < 1000000; n++)
		add(a, n, 10, 1);
	rows = aggregate_rows(a);
	ck_assert_uint_gt(rows, 10000);
	ck_assert_uint_eq(c->shed, 1000000 - rows);
	ck_assert_uint_le(atomic_load(&b.used), 4 << 20);
	add(a, 0, 5, 5);
	for (size_t i = 0; i < rows; i++) {
		aggregate_row(a, i, &s, &key);
		octets += s.octets;
		packets += s.packets;
	}
	ck_assert_uint_eq(octets + c->shed_octets, 10000005);
	ck_assert_uint_eq(packets + c->shed_packets, 1000005);
	ck_assert_uint_eq(c->octets, 10000005);
	aggregate_unbind(a);
	add(a, 2000000, 1, 1);
	ck_assert_uint_eq(aggregate_rows(a), rows + 1);
	aggregate_free(a);
}
END_TEST

/* n-1, n, n+1 of 64 bits. */
START_TEST(stays_at_the_top)
{
	const struct agg_shape shape = { .key_size = KEY };
	struct agg_budget b = budget(UINT64_MAX);
	struct aggregate *a = aggregate_new(&shape, &b, 3);
	const struct agg_counts *c = aggregate_counts(a);
	struct sums s;
	const uint8_t *key;

	add(a, 1, UINT64_MAX - 1, 1);
	add(a, 1, 1, 1);
	aggregate_row(a, 0, &s, &key);
	ck_assert_uint_eq(s.octets, UINT64_MAX);
	ck_assert_uint_eq(c->saturated, 0);
	add(a, 1, 1, 1);
	add(a, 1, 41, 1);
	aggregate_row(a, 0, &s, &key);
	ck_assert_uint_eq(s.octets, UINT64_MAX);
	ck_assert_uint_eq(s.packets, 4);
	ck_assert_uint_eq(c->saturated, 2);
	ck_assert_uint_eq(c->saturated_octets, 42);
	aggregate_free(a);
}
END_TEST

/* The promise of at most 100 bytes a key, for sum_host with history, at a million keys. */
START_TEST(takes_little_memory)
{
	const struct agg_shape shape = { .key_size = KEY };
	struct agg_budget b = budget(UINT64_MAX);
	struct aggregate *a = aggregate_new(&shape, &b, 3);

	for (uint64_t n = 0; n < 1000000; n++)
		add(a, n, 10, 1);
	ck_assert_uint_eq(aggregate_rows(a), 1000000);
	ck_assert_uint_lt(aggregate_bytes(a), 100 * 1000000);
	aggregate_free(a);
}
END_TEST

/* Two threads, one budget, one supply: a table after the other, each with every key it was given.
 */
static void *fill_tables(void *arg)
{
	const struct agg_shape shape = { .key_size = KEY };
	struct agg_budget *b = arg;

	for (unsigned round = 0; round < 3; round++) {
		struct aggregate *a = aggregate_new(&shape, b, round);
		uint64_t sum = 0;
		struct sums s;
		const uint8_t *key;

		for (uint64_t n = 0; n < 400000; n++)
			add(a, n, n, 1);
		for (size_t i = 0; i < aggregate_rows(a); i++) {
			aggregate_row(a, i, &s, &key);
			sum += s.octets == number_of(key);
		}
		ck_assert_uint_eq(sum, 400000);
		aggregate_free(a);
	}
	return NULL;
}

/*
 * Keys as networks have them: numbers in rows, steps of a prefix, one word that changes among
 * many.  A hash that lets them fall together splits segments for nothing: memory shows it.
 */
static const struct {
	const char *name;
	size_t size, at;	/* the four octets that change, in network order */
	uint32_t step;
} rows_of_keys[] = {
	{ "hosts one behind the other", 16, 12, 1 },
	{ "one host in each /24", 16, 12, 256 },
	{ "one host in each /16, over and over", 16, 12, 65537 },
	{ "upper half of an IPv6 address", 16, 0, 1 },
	{ "a bin, then hosts", 24, 20, 1 },
	{ "the first word of many", 72, 0, 1 },
	{ "the middle of many", 72, 36, 1 },
	{ "the last word of many", 72, 68, 1 },
	{ "eight octets", 8, 0, 1 },
	{ "eight octets, in the upper bits", 8, 4, 1 },
};

START_TEST(spreads_keys_in_rows)
{
	enum { KEYS = 200000, CHUNK = 64 };
	const size_t size = rows_of_keys[_i].size;
	const struct agg_shape shape = { .key_size = (uint16_t)size };
	static uint8_t keys[CHUNK * 72];
	static const struct sums one[CHUNK];

	/* Nobody chooses the seed: some of them, not one that happens to fit. */
	for (uint64_t seed = 1; seed < 4; seed++) {
		struct agg_budget b = budget(UINT64_MAX);
		struct aggregate *a = aggregate_new(&shape, &b, seed << 56 | seed);

		memset(keys, 0, sizeof(keys));
		for (uint32_t n = 0; n < KEYS; n += CHUNK) {
			for (uint32_t i = 0; i < CHUNK; i++) {
				uint32_t v = (n + i) * rows_of_keys[_i].step;
				const uint8_t net[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
							(uint8_t)(v >> 8), (uint8_t)v };

				memcpy(keys + i * size + rows_of_keys[_i].at, net, sizeof(net));
			}
			aggregate_add(a, keys, one, CHUNK);
		}
		ck_assert_uint_eq(aggregate_rows(a), KEYS);
		/* A row, 11 to 22 octets of slots, and regions of up to 4 MB begun. */
		ck_assert_msg(aggregate_bytes(a) < KEYS * (16 + size + 22) + (8 << 20),
			      "%s, seed %d: %zu octets a key", rows_of_keys[_i].name, (int)seed,
			      aggregate_bytes(a) / KEYS);
		aggregate_free(a);
	}
}
END_TEST

START_TEST(takes_memory_from_a_supply)
{
	struct agg_budget b = { .limit = UINT64_MAX, .supply = agg_supply_new() };
	pthread_t other;

	ck_assert_ptr_nonnull(b.supply);
	ck_assert_int_eq(pthread_create(&other, NULL, fill_tables, &b), 0);
	fill_tables(&b);
	pthread_join(other, NULL);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
	agg_supply_free(b.supply);
}
END_TEST

/*
 * TSan keeps four octets for each that was used once, and the kernel counts them as this
 * process's: what it shows then says nothing about the tables.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { RESIDENT_TELLS = 0 };
#else
enum { RESIDENT_TELLS = 1 };
#endif
#elif defined(__SANITIZE_THREAD__)
enum { RESIDENT_TELLS = 0 };
#else
enum { RESIDENT_TELLS = 1 };
#endif

/* Octets of this process that are in memory. */
static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, pages = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu %lu", &size, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct purge_of_two {
	struct agg_budget *budget;
	struct aggregate *table;
};

static void *fill_one(void *arg)
{
	enum { KEYS = 300000 };
	static const struct agg_shape shape = { .key_size = KEY };
	struct purge_of_two *p = arg;
	const struct sums s = { .octets = 1, .packets = 1, .flows = 1 };
	uint8_t key[KEY];

	p->table = aggregate_new(&shape, p->budget, 1);
	for (uint64_t i = 0; p->table && i < KEYS; i++) {
		key_of(key, KEY, i);
		aggregate_add(p->table, key, &s, 1);
	}
	return NULL;
}

/*
 * As the workers fill tables and a purge frees them, bin after bin: beside what the supply keeps
 * ready nothing stays.
 */
START_TEST(leaves_nothing_behind)
{
	struct agg_budget b = { .limit = UINT64_MAX, .supply = agg_supply_new() };
	const size_t most = resident() + AGG_READY * (4 << 20) + (8 << 20);

	ck_assert_ptr_nonnull(b.supply);
	for (unsigned bin = 0; bin < 6; bin++) {
		struct purge_of_two of[2] = { { &b, NULL }, { &b, NULL } };
		pthread_t worker[2];

		for (size_t i = 0; i < 2; i++)
			ck_assert_int_eq(pthread_create(&worker[i], NULL, fill_one, &of[i]), 0);
		for (size_t i = 0; i < 2; i++) {
			pthread_join(worker[i], NULL);
			ck_assert_ptr_nonnull(of[i].table);
			aggregate_free(of[i].table);
		}
		if (RESIDENT_TELLS)
			ck_assert_msg(resident() <= most, "bin %u: %zu of %zu octets", bin,
				      resident(), most);
	}
	agg_supply_free(b.supply);
}
END_TEST

/* ---- keys in two forms ---- */

/* Eleven octets of a number, then two addresses: of four keys one has none but IPv4's. */
enum { ADDRS_AT = 11, TWO_WIDE = 48, TWO_NARROW = 24 };
static const struct agg_shape two_addrs = { .key_size = TWO_WIDE, .naddrs = 2,
	.addrs_at = ADDRS_AT };

static bool is_narrow(uint64_t n)
{
	return n % 4 == 0;
}

static void two_key(uint8_t key[static TWO_WIDE], uint64_t n)
{
	const uint8_t last[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		(uint8_t)n };

	memset(key, 0, TWO_WIDE);
	memcpy(key, &n, sizeof(n));
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *a = key + ADDRS_AT + 16 * i;

		memcpy(a + 12, last, sizeof(last));
		if (n >> i & 1)
			a[0] = 0x20;	/* ::ffff:... of another length is no IPv4, either */
		a[10] = a[11] = n % 8 == 2 ? 0 : 0xff;
	}
}

static void two_key_narrow(uint8_t key[static TWO_NARROW], uint64_t n)
{
	uint8_t wide[TWO_WIDE];

	two_key(wide, n);
	memset(key, 0, TWO_NARROW);
	memcpy(key, wide, ADDRS_AT);
	memcpy(key + ADDRS_AT, wide + ADDRS_AT + 12, 4);
	memcpy(key + ADDRS_AT + 4, wide + ADDRS_AT + 28, 4);
}

/* `n` of the numbers below `distinct`, two octets and a packet each; narrow ones either way. */
static void add_two(struct aggregate *a, uint64_t *state, uint64_t distinct, unsigned *seen, size_t n)
{
	uint8_t keys[50 * TWO_WIDE], one[TWO_NARROW];
	struct sums items[50];
	const struct agg_total total = { 2, 1 };
	size_t k = 0;

	while (n-- > 0) {
		const uint64_t number = next_random(state) % distinct;

		seen[number]++;
		items[k] = (struct sums) { 1, 2, 1, 0 };
		if (is_narrow(number) && next_random(state) % 2) {
			two_key_narrow(one, number);
			aggregate_add_narrow(a, one, &items[k], 1, &total);
			continue;
		}
		two_key(keys + k * TWO_WIDE, number);
		if (++k == 50 || n == 0) {
			aggregate_add(a, keys, items, k);
			k = 0;
		}
	}
	aggregate_add(a, keys, items, k);
}

static void rows_are_those_of(const struct aggregate *a, const unsigned *seen, size_t distinct)
{
	uint8_t *found = calloc(distinct, 1);
	uint64_t octets = 0, want = 0;
	size_t rows = 0;

	for (size_t i = 0; i < aggregate_rows(a); i++) {
		uint8_t key[TWO_WIDE], wide[TWO_WIDE];
		const uint8_t *row;
		struct sums s;
		const bool narrow = aggregate_row(a, i, &s, &row);
		const uint64_t n = number_of(row);

		ck_assert_uint_lt(n, distinct);
		ck_assert_int_eq(narrow, is_narrow(n));
		if (narrow)
			agg_widen(&two_addrs, wide, row);
		two_key(key, n);
		ck_assert_mem_eq(narrow ? wide : row, key, TWO_WIDE);
		ck_assert_uint_eq(s.packets, seen[n]);
		ck_assert_uint_eq(s.octets, 2 * seen[n]);
		ck_assert_uint_eq(found[n]++, 0);
		octets += s.octets;
	}
	for (size_t n = 0; n < distinct; n++) {
		rows += seen[n] > 0;
		want += 2 * seen[n];
	}
	ck_assert_uint_eq(aggregate_rows(a), rows);
	ck_assert_uint_eq(octets, want);
	free(found);
}

enum { TWO_DISTINCT = 40000, TWO_RECORDS = 150000 };

/* Both forms grow, and two tables of both are one. */
START_TEST(a_key_has_one_row_in_either_form)
{
	struct agg_budget b = budget(UINT64_MAX);
	struct aggregate *x = aggregate_new(&two_addrs, &b, 1), *y = aggregate_new(&two_addrs, &b, 2);
	unsigned *seen = calloc(TWO_DISTINCT, sizeof(*seen)), *both = calloc(TWO_DISTINCT, sizeof(*both));
	uint64_t state = 5;

	ck_assert_uint_eq(agg_narrow_size(&two_addrs), TWO_NARROW);
	add_two(x, &state, TWO_DISTINCT, seen, TWO_RECORDS);
	rows_are_those_of(x, seen, TWO_DISTINCT);
	memcpy(both, seen, TWO_DISTINCT * sizeof(*both));
	memset(seen, 0, TWO_DISTINCT * sizeof(*seen));
	add_two(y, &state, TWO_DISTINCT / 2, seen, TWO_RECORDS);
	for (size_t n = 0; n < TWO_DISTINCT; n++)
		both[n] += seen[n];
	aggregate_merge(x, y);
	rows_are_those_of(y, seen, TWO_DISTINCT);
	aggregate_seal(x);
	rows_are_those_of(x, both, TWO_DISTINCT);
	ck_assert_uint_eq(aggregate_counts(x)->octets, 4 * TWO_RECORDS);
	aggregate_free(x);
	aggregate_free(y);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
	free(seen);
	free(both);
}
END_TEST

/* Into a table that has none of the other form yet, both ways. */
START_TEST(merges_forms_that_are_new)
{
	struct agg_budget b = budget(UINT64_MAX);

	for (unsigned way = 0; way < 2; way++) {
		struct aggregate *x = aggregate_new(&two_addrs, &b, 1), *y = aggregate_new(&two_addrs, &b, 2);
		uint8_t keys[2 * TWO_WIDE];
		const struct sums s = { 1, 2, 0, 0 };
		unsigned seen[8] = { [4] = 1, [7] = 1 };

		two_key(keys, 4);
		two_key(keys + TWO_WIDE, 7);
		aggregate_add(x, keys + way * TWO_WIDE, &s, 1);
		aggregate_add(y, keys + (1 - way) * TWO_WIDE, &s, 1);
		aggregate_merge(x, y);
		rows_are_those_of(x, seen, 8);
		aggregate_free(x);
		aggregate_free(y);
	}
	ck_assert_uint_eq(atomic_load(&b.used), 0);
}
END_TEST

/* Beyond the budget both forms shed, and say so together. */
START_TEST(both_forms_shed)
{
	struct agg_budget b = budget(3 << 20);
	struct aggregate *a = aggregate_new(&two_addrs, &b, 3);
	const struct agg_counts *c = aggregate_counts(a);
	uint64_t octets = 0, forms[2] = { 0, 0 };

	for (uint64_t n = 0; n < 200000; n++) {
		const struct sums s = { 1, 10, 0, 0 };
		uint8_t key[TWO_WIDE];

		two_key(key, n);
		aggregate_add(a, key, &s, 1);
	}
	ck_assert_uint_le(atomic_load(&b.used), 3 << 20);
	for (size_t i = 0; i < aggregate_rows(a); i++) {
		const uint8_t *key;
		struct sums s;

		forms[aggregate_row(a, i, &s, &key)]++;
		octets += s.octets;
	}
	ck_assert_uint_gt(forms[0], 1000);
	ck_assert_uint_gt(forms[1], 1000);
	ck_assert_uint_eq(c->octets, 2000000);
	ck_assert_uint_eq(octets + c->shed_octets, 2000000);
	ck_assert_uint_eq(aggregate_rows(a) + c->shed, 200000);
	aggregate_free(a);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
}
END_TEST

/* A budget that the first form has spent: the other one's records are counted. */
START_TEST(the_second_form_finds_no_room)
{
	struct agg_budget b = budget(1);
	struct aggregate *a = aggregate_new(&two_addrs, &b, 3);
	const struct sums s = { 3, 10, 0, 0 };
	uint8_t key[TWO_WIDE];

	two_key(key, 1);
	aggregate_add(a, key, &s, 1);
	ck_assert_uint_eq(aggregate_rows(a), 0);
	ck_assert_uint_eq(aggregate_counts(a)->shed, 1);
	ck_assert_uint_eq(aggregate_counts(a)->shed_octets, 10);
	ck_assert_uint_eq(aggregate_counts(a)->shed_packets, 3);
	aggregate_unbind(a);
	aggregate_add(a, key, &s, 1);
	ck_assert_uint_eq(aggregate_rows(a), 1);
	aggregate_free(a);
	ck_assert_uint_eq(atomic_load(&b.used), 0);
}
END_TEST

Suite *suite_aggregate(void)
{
	Suite *s = suite_create("aggregate");
	TCase *t = tcase_create("aggregate");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, equals_a_naive_map, 0, sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(t, merges);
	tcase_add_test(t, sheds_and_counts);
	tcase_add_test(t, stays_at_the_top);
	tcase_add_test(t, takes_little_memory);
	tcase_add_loop_test(t, spreads_keys_in_rows, 0,
			    sizeof(rows_of_keys) / sizeof(rows_of_keys[0]));
	tcase_add_test(t, takes_memory_from_a_supply);
	tcase_add_test(t, leaves_nothing_behind);
	tcase_add_test(t, a_key_has_one_row_in_either_form);
	tcase_add_test(t, merges_forms_that_are_new);
	tcase_add_test(t, both_forms_shed);
	tcase_add_test(t, the_second_form_finds_no_room);
	suite_add_tcase(s, t);
	return s;
}
