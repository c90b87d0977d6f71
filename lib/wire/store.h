/*
 * store.h - a bounded table of fixed-size rows in memory that is handed to it:
 * what strangers can grow is one of these.
 *
 * Hash with chains; the hash is keyed, because strangers choose the keys.  When
 * it is full the row that was unused for longest makes place, and that is
 * counted.  All work is O(1), so that no packet can make it walk.
 *
 * A row is a struct that begins with struct store_link, followed at once by
 * the key, `key_size` bytes without padding that matters.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_link {
	uint32_t chain;			/* the next row of the same bucket */
	uint32_t newer, older;		/* by last use */
	uint32_t hash;
};

struct store {
	uint8_t *rows;
	uint32_t *buckets;
	size_t row_size, key_size;
	size_t clear_size;	/* of a new row this much is zeroed: all, unless lowered after store_init() */
	uint32_t cap, used, mask;
	uint32_t newest, oldest, free;
	uint64_t seed[2];
	uint64_t evicted;
};

/* Bytes for `cap` rows, 64-byte aligned. */
size_t store_size(uint32_t cap, size_t row_size);
/* Rows are not touched before they are used: memory that is not needed stays unmapped. */
void store_init(struct store *s, void *mem, uint32_t cap, size_t row_size, size_t key_size, uint64_t seed);
/* The row, which is now the newest; NULL when there is none. */
void *store_find(struct store *s, const void *key);
/* The row, or a new one: its key set, the rest zero (clear_size), *fresh true. */
void *store_put(struct store *s, const void *key, bool *fresh);
void store_remove(struct store *s, void *row);
/* All rows, the one unused for longest first; NULL starts and ends. */
void *store_next(const struct store *s, const void *row);

#endif /* STORE_H */
