/*
 * store.h - a bounded table of fixed-size rows in memory that is handed to it:
 * what strangers can grow is one of these.
 *
 * Hash with chains; the hash is keyed, because strangers choose the keys.  When
 * it is full the row that was unused for longest makes place, and that is
 * counted.  With store_share() an owner - who the key begins with - that has
 * more than its share makes place by its own oldest row, so that one stranger
 * does not push out what everybody else has told.  All work is O(1), so that no
 * packet can make it walk.
 *
 * A row is a struct that begins with struct store_link, followed at once by
 * the key, `key_size` bytes without padding that matters.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By last use; rows are named by their index. */
struct store_age {
	uint32_t newer, older;
};

struct store_ends {
	uint32_t newest, oldest;
};

enum { STORE_ALL, STORE_OWN, STORE_LISTS };

struct store_link {
	uint32_t chain;			/* the next row of the same bucket */
	uint32_t hash;
	struct store_age age[STORE_LISTS];	/* among all rows, among its owner's */
	uint32_t owner, zero;		/* row of store.owners */
};

enum { STORE_FRONT = 1024 };		/* places that are looked at before a key is hashed well */
enum { STORE_MISSES = 64, STORE_MISS_KEY = 40 };	/* keys, not longer, that were not there */
enum { STORE_OWNER = 16 };		/* octets that a key begins with and that name its owner */

struct store {
	uint8_t *rows;
	uint32_t *buckets;
	size_t row_size, key_size;
	size_t clear_size; /* of a new row this much is zeroed: all, unless lowered after
			      store_init() */
	uint32_t cap, used, mask, free;
	struct store_ends ends;
	uint64_t seed[2];
	uint64_t evicted, evicted_own;	/* evicted_own: of them, by their own owner's excess */
	void (*evicting)(void *ctx, const void *row);	/* told before it is forgotten; NULL: not */
	void *ctx;
	struct store *owners;	/* NULL: no shares */
	uint32_t share;		/* rows an owner keeps when the table is full */
	uint32_t front[STORE_FRONT];	/* by a cheap hash: the last row found there, from 1 */
	uint64_t added;			/* rows, ever */
	struct {
		uint64_t added;	/* the key was not there then, nor is it before the next */
		uint8_t key[STORE_MISS_KEY];
	} miss[STORE_MISSES];		/* by the same hash */
};

/* Bytes for `cap` rows, 64-byte aligned. */
size_t store_size(uint32_t cap, size_t row_size);
/* Rows are not touched before they are used: memory that is not needed stays unmapped. */
void store_init(
	struct store *s, void *mem, uint32_t cap, size_t row_size, size_t key_size, uint64_t seed);
/* Bytes of store_share() for a store of `cap` rows, 64-byte aligned. */
size_t store_share_size(uint32_t cap);
/* Before the first row.  From now on keys begin with STORE_OWNER octets of their owner. */
void store_share(struct store *s, void *mem, uint32_t share);
static inline bool store_empty(const struct store *s)
{
	return s->ends.newest == UINT32_MAX;
}
/* The row, which is now the newest; NULL when there is none. */
void *store_find(struct store *s, const void *key);
/* The same without using it: the order of use stays. */
const void *store_look(const struct store *s, const void *key);
/* The row, or a new one: its key set, the rest zero (clear_size), *fresh true. */
void *store_put(struct store *s, const void *key, bool *fresh);
void store_remove(struct store *s, void *row);
/* All rows, the one unused for longest first; NULL starts and ends. */
void *store_next(const struct store *s, const void *row);

#endif /* STORE_H */
