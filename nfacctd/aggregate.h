/*
 * aggregate.h - the sums of one plugin in one thread: rows of exact size, found
 * by key.
 *
 * Rows stand one behind the other in the order of their first record, so a
 * purge is a straight walk.  They are found through segments of 4096 slots, a
 * 32-bit hash tag and a row number each, eight to a cache line; a full segment
 * splits in two (extendible hashing), which moves 3072 slots and no row: growth
 * never pauses for longer than that, and a key costs its row and 11 to 22 bytes.
 * Against a table that holds rows itself this halves the memory; a look-up
 * misses the cache twice in either.  Large pages spare two thirds of the time at
 * ten million keys, but getting one has been seen to take 6 ms: a thread of its
 * own gets them ahead of need (struct agg_supply), and who comes too early takes
 * small ones.
 *
 * Keys come by the chunk: all tags, then all slots, then all rows are fetched
 * ahead of their use.  The hash is one multiplication of halves for each word, masked
 * by a secret that strangers do not know, two of them at a time (NH): of 48 octets it
 * takes half of what a full multiplication for two words took, and a quarter of XXH3.
 *
 * The memory of all tables together is bounded by a budget.  When it is spent,
 * known keys go on and records with new ones are shed: counted here, with all
 * they carried.
 */
#ifndef AGGREGATE_H
#define AGGREGATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "nfacctd/sink.h"

/* What a row holds. `key_size` is a multiple of 8; what is in a key is the caller's. */
struct agg_shape {
	uint16_t key_size;
	bool flows, tcp_flags;
};

/* Memory in large pages, fetched by a thread; at most AGG_READY pieces of 4 MB wait beside the
 * budget. */
struct agg_supply;
enum { AGG_READY = 4 };
/* NULL with errno. */
struct agg_supply *agg_supply_new(void);
/* After all tables. */
void agg_supply_free(struct agg_supply *s);

struct agg_budget {
	_Atomic uint64_t used;
	uint64_t limit;
	struct agg_supply *supply;	/* NULL: small pages */
};

/*
 * What was given = what the rows hold + what was shed + what sums that stay at
 * 2^64 - 1 did not take; in arithmetic modulo 2^64, so it holds for any input.
 */
struct agg_counts {
	uint64_t octets, packets;		/* given */
	uint64_t shed, shed_octets, shed_packets;	/* records without room */
	uint64_t saturated, saturated_octets, saturated_packets;
};

struct agg_total {
	uint64_t octets, packets;
};

struct aggregate;

/* NULL with ENOMEM.  The budget may be crossed by the first few kilobytes of a table. */
struct aggregate *aggregate_new(
	const struct agg_shape *shape, struct agg_budget *budget, uint64_t seed);
void aggregate_free(struct aggregate *a);
/* Add item i, key at keys + i * key_size, for i below n. */
void aggregate_add(struct aggregate *a, const uint8_t *keys, const struct sums *items, size_t n);
/* The same for who knows already what the items add up to, modulo 2^64. */
void aggregate_add_total(struct aggregate *a, const uint8_t *keys, const struct sums *items,
	size_t n, const struct agg_total *total);
size_t aggregate_rows(const struct aggregate *a);
/* Row i; *key lives as long as the table. */
void aggregate_row(const struct aggregate *a, size_t i, struct sums *sums, const uint8_t **key);
/* Add every row of `from`. */
void aggregate_merge(struct aggregate *a, const struct aggregate *from);
/* From here on grow beyond the budget rather than shed: what is merged was paid for once. */
void aggregate_unbind(struct aggregate *a);
/* Nothing will be added any more: free what only look-ups need. */
void aggregate_seal(struct aggregate *a);
const struct agg_counts *aggregate_counts(const struct aggregate *a);
/* Bytes that the table takes now. */
size_t aggregate_bytes(const struct aggregate *a);

#endif /* AGGREGATE_H */
