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
 * Addresses stand at the end of a key, and most keys have none but IPv4's.  Those are kept
 * in a table of their own, each address in four octets: of a key of two hosts a third is left, and
 * of the work to hash, compare and copy it.  A key with any other address is in the second
 * table, which is made for the first of them.  Which one is said by nothing but the key's
 * octets, so that whatever way it comes a key has one row.
 *
 * The memory of all tables together is bounded by a budget.  When it is spent,
 * known keys go on and records with new ones are shed: counted here, with all
 * they carried.
 */
#ifndef AGGREGATE_H
#define AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "nfacctd/agg_memory.h"
#include "nfacctd/sink.h"

/*
 * What a row holds.  `key_size` is a multiple of 8; what is in a key is the caller's, but for
 * `naddrs` addresses (struct addr) from `addrs_at` on, behind which there are only zeros.
 *
 * The narrow form of a key whose addresses are all of IPv4 has the same octets up to there, then
 * four of each address, then zeros up to a multiple of 8.
 */
struct agg_shape {
	uint16_t key_size;
	bool flows, tcp_flags;
	uint8_t naddrs;
	uint16_t addrs_at;
};
enum { AGG_WIDE = 16, AGG_NARROW = 4 };	/* octets of an address */

/* Of a key; `key_size` where it has no addresses. */
size_t agg_narrow_size(const struct agg_shape *s);
/* A key from its narrow form. */
void agg_widen(const struct agg_shape *s, uint8_t *to, const uint8_t *key);

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
/* The same with keys in their narrow form, agg_narrow_size() octets each. */
void aggregate_add_narrow(struct aggregate *a, const uint8_t *keys, const struct sums *items,
	size_t n, const struct agg_total *total);
size_t aggregate_rows(const struct aggregate *a);
/* Row i; *key lives as long as the table.  True when that is the narrow form; of keys without
 * addresses there is no such thing. */
bool aggregate_row(const struct aggregate *a, size_t i, struct sums *sums, const uint8_t **key);
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
