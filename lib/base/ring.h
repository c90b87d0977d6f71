/*
 * ring.h - a one-producer one-consumer queue of pointers between two threads
 * (C11 atomics; bounded, never blocks).
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* `cap` is rounded up to a power of two.  NULL with errno. */
struct ring *ring_new(size_t cap);
void ring_free(struct ring *r);
bool ring_put(struct ring *r, void *p);		/* false: full */
void *ring_get(struct ring *r);			/* NULL: empty */

#endif /* RING_H */
