/*
 * dedup.c - see dedup.h.
 */
#include "dedup.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct entry {
	struct store_link link;
	XXH128_hash_t hash;	/* the key */
	uint64_t at_ns;		/* when it was first seen */
};

struct dedup *dedup_new(uint64_t window_ns, uint32_t entries, uint64_t seed)
{
	struct dedup *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->memory = aligned_alloc(64, store_size(entries, sizeof(struct entry)));
	if (!d->memory) {
		free(d);
		errno = ENOMEM;
		return NULL;
	}
	store_init(&d->seen, d->memory, entries, sizeof(struct entry), sizeof(XXH128_hash_t), seed);
	d->window_ns = window_ns;
	pthread_mutex_init(&d->lock, NULL);
	d->seed = seed;
	return d;
}

void dedup_free(struct dedup *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d->memory);
	free(d);
}

/* Under the lock.  Another worker's clock may have been read later: the past is not far away. */
static bool seen(struct dedup *d, const XXH128_hash_t *hash, uint64_t now_ns)
{
	const struct entry *oldest = store_next(&d->seen, NULL);
	const bool full = d->seen.used == d->seen.cap;
	/* Asked before store_put() gives the row to somebody else. */
	const bool early = full && oldest && now_ns < oldest->at_ns + d->window_ns;
	bool fresh;
	struct entry *e = store_put(&d->seen, hash, &fresh);

	if (!fresh && now_ns < e->at_ns + d->window_ns)
		return true;
	d->early += fresh && early;
	e->at_ns = now_ns;
	return false;
}

bool dedup_seen(struct dedup *d, struct bytes data, uint64_t now_ns)
{
	const XXH128_hash_t hash = XXH3_128bits_withSeed(data.p, data.n, d->seed);
	bool is;

	pthread_mutex_lock(&d->lock);
	is = seen(d, &hash, now_ns);
	pthread_mutex_unlock(&d->lock);
	return is;
}

uint64_t dedup_early(struct dedup *d)
{
	uint64_t early;

	pthread_mutex_lock(&d->lock);
	early = d->early;
	pthread_mutex_unlock(&d->lock);
	return early;
}
