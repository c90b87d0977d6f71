/*
 * ring.c - see ring.h.  Head and tail count up for ever and are masked on use,
 * so that full and empty differ without a spare slot.  Each side keeps a copy
 * of the other's counter and reads the shared one only when the copy says full
 * or empty: the cache line then moves once a burst, not once a pointer.
 */
#include "ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define CACHE_LINE 64

struct ring {
	alignas(CACHE_LINE) atomic_size_t tail;	/* written by the producer */
	size_t head_seen;			/* the producer's copy of head */
	alignas(CACHE_LINE) atomic_size_t head;	/* written by the consumer */
	size_t tail_seen;			/* the consumer's copy of tail */
	alignas(CACHE_LINE) size_t mask;
	void *slots[];
};

struct ring *ring_new(size_t cap)
{
	size_t slots = 1, bytes;
	struct ring *r;

	if (cap > SIZE_MAX / 4 / sizeof(void *)) {
		errno = ENOMEM;
		return NULL;
	}
	while (slots < cap)
		slots *= 2;
	bytes = sizeof(*r) + slots * sizeof(r->slots[0]);
	bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	r = aligned_alloc(CACHE_LINE, bytes);
	if (!r)
		return NULL;
	atomic_init(&r->tail, 0);
	atomic_init(&r->head, 0);
	r->head_seen = r->tail_seen = 0;
	r->mask = slots - 1;
	return r;
}

void ring_free(struct ring *r)
{
	free(r);
}

bool ring_put(struct ring *r, void *p)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - r->head_seen > r->mask) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail - r->head_seen > r->mask)
			return false;
	}
	r->slots[tail & r->mask] = p;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

void *ring_get(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	void *p;

	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return NULL;
	}
	p = r->slots[head & r->mask];
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return p;
}
