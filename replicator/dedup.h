/*
 * dedup.h - the second copy of a datagram, within a window of time.
 *
 * Two replicators in parallel, or a router that exports twice: the copies have
 * the same octets whatever way they came, and other datagrams have not, for
 * numbers and times stand in every header.  What is compared is a 128-bit hash
 * with a secret seed.  Only datagrams of flow protocols that have a sequence
 * number are looked at: lines of text may repeat.
 *
 * One table for all workers, as the copies may come to different ones; each may
 * ask at any time.
 *
 * The table is bounded.  An entry that gives way inside the window is counted
 * as `early`: its copy would pass.
 */
#ifndef REPLICATOR_DEDUP_H
#define REPLICATOR_DEDUP_H

#include <pthread.h>
#include <stdbool.h>
#include "wire/store.h"
#include "wire/wire.h"

struct dedup {
	struct store seen;
	void *memory;
	uint64_t window_ns, seed;
	pthread_mutex_t lock;	/* of what is above and below */
	uint64_t early;
};

enum { DEDUP_ENTRIES = 1 << 18 };	/* 64 octets each: 20 MB when all are used */

/* NULL with errno. */
struct dedup *dedup_new(uint64_t window_ns, uint32_t entries, uint64_t seed);
void dedup_free(struct dedup *d);
/* True when the same octets were seen less than the window ago; remembers them otherwise. */
bool dedup_seen(struct dedup *d, struct bytes data, uint64_t now_ns);
uint64_t dedup_early(struct dedup *d);

#endif /* REPLICATOR_DEDUP_H */
