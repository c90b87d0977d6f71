/*
 * bench_aggregate.c - the sums' table: ns an entry by number of distinct keys,
 * bytes a key, and the longest pause while it grows.
 *
 * Keys are those of sum_host with history in their narrow form (16 octets), drawn
 * evenly: the worst case for caches, as no key comes more often than another.  The peer is a
 * table as it is found in books: open addressing over whole rows at half load.
 *
 * The modules are included: a bench links the libraries only.
 */
#include <stdio.h>
#include "base/clock.h"
#include "nfacctd/agg_memory.c"
#include "nfacctd/aggregate.c"

enum { KEY = 16, CHUNK = 64, ADDS = 4000000, RUNS = 3 };

static const uint32_t sizes[] = { 10000, 100000, 1000000, 10000000 };

static uint64_t state = 1;

static uint32_t draw(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((state >> 32) * n >> 32);
}

static void key_of(uint8_t *key, uint32_t n)
{
	const uint64_t bin = 1715754000;

	memset(key, 0, KEY);
	memcpy(key, &bin, 8);
	memcpy(key + 8, &n, 4);
}

static void chunk_of(uint8_t *keys, uint32_t n)
{
	for (size_t i = 0; i < CHUNK; i++)
		key_of(keys + i * KEY, draw(n));
}

struct result {
	double ns, bytes;
	uint64_t pause_ns;
};

static struct result run(uint32_t n)
{
	static const struct agg_shape shape = { .key_size = 24, .naddrs = 1, .addrs_at = 8 };
	static const struct agg_total total = { 1000 * CHUNK, CHUNK };
	static uint8_t keys[CHUNK * KEY];
	static struct sums items[CHUNK];
	struct agg_budget budget = { .limit = UINT64_MAX, .supply = agg_supply_new() };
	struct aggregate *a = aggregate_new(&shape, &budget, 42);
	struct result r = { 0 };
	uint64_t from, spent = 0, drawing;

	for (size_t i = 0; i < CHUNK; i++)
		items[i] = (struct sums){ .packets = 1, .octets = 1000 };
	/* Every key once; each chunk timed, for the pause. */
	for (uint32_t at = 0; at < n; at += CHUNK) {
		for (uint32_t i = 0; i < CHUNK; i++)
			key_of(keys + i * KEY, at + i < n ? at + i : 0);
		from = clock_thread_ns();
		aggregate_add_narrow(a, keys, items, CHUNK, &total);
		from = clock_thread_ns() - from;
		if (from > r.pause_ns)
			r.pause_ns = from;
	}
	r.bytes = (double)aggregate_bytes(a) / n;
	from = clock_thread_ns();
	for (size_t i = 0; i < ADDS / CHUNK; i++)
		chunk_of(keys, n);
	drawing = clock_thread_ns() - from;
	from = clock_thread_ns();
	for (size_t i = 0; i < ADDS / CHUNK; i++) {
		chunk_of(keys, n);
		aggregate_add_narrow(a, keys, items, CHUNK, &total);
	}
	spent = clock_thread_ns() - from;
	r.ns = (double)(spent > drawing ? spent - drawing : 0) / ADDS;
	aggregate_free(a);
	agg_supply_free(budget.supply);
	return r;
}

/* Rows in the table itself, at most half full, one look-up after the other. */
static double run_plain(uint32_t n)
{
	struct row {
		uint8_t key[KEY];
		uint64_t octets, packets;
	} *table;
	static const uint64_t secret[] = { 0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
					   0xe7037ed1a0b428db, 0x1d8e4e27c47d124f };
	size_t cap = 1;
	uint8_t keys[CHUNK * KEY];
	uint64_t from, drawing, spent;

	while (cap < 2 * (size_t)n)
		cap *= 2;
	table = calloc(cap, sizeof(*table));
	if (!table)
		return 0;
	from = clock_thread_ns();
	for (size_t i = 0; i < ADDS / CHUNK; i++)
		chunk_of(keys, n);
	drawing = clock_thread_ns() - from;
	for (int warm = 1; warm >= 0; warm--) {
		from = clock_thread_ns();
		for (size_t i = 0; i < (warm ? (size_t)n * 3 : ADDS) / CHUNK; i++) {
			chunk_of(keys, n);
			for (size_t k = 0; k < CHUNK; k++) {
				size_t at =
					hash(secret, keys + k * KEY, KEY) >> 32 & (cap - 1);

				while (table[at].packets &&
					memcmp(table[at].key, keys + k * KEY, KEY) != 0)
					at = (at + 1) & (cap - 1);
				memcpy(table[at].key, keys + k * KEY, KEY);
				table[at].octets += 1000;
				table[at].packets++;
			}
		}
		spent = clock_thread_ns() - from;
	}
	free(table);
	return (double)(spent > drawing ? spent - drawing : 0) / ADDS;
}

int main(void)
{
	double first = 0;

	puts("nfacctd: sums of sum_host with history, keys drawn evenly");
	printf("%12s %10s %12s %12s %14s %10s\n", "keys", "ns/entry", "plain table", "bytes/key",
		"longest pause", "over 10 k");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct result best = { .ns = 1e9 };
		double plain = run_plain(sizes[i]);

		for (int k = 0; k < (sizes[i] > 1000000 ? 1 : RUNS); k++) {
			struct result r = run(sizes[i]);
			uint64_t pause =
				k && best.pause_ns < r.pause_ns ? best.pause_ns : r.pause_ns;

			if (r.ns < best.ns)
				best = r;
			best.pause_ns = pause;
		}
		if (first <= 0)
			first = best.ns;
		printf("%12u %10.1f %12.1f %12.1f %11.0f us %9.1fx\n", sizes[i], best.ns, plain,
			best.bytes, (double)best.pause_ns / 1000, best.ns / first);
	}
	return 0;
}
