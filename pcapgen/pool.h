/*
 * pool.h - a few threads that do a step's tasks together.
 */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>

enum { POOL_MAX = 16 };

struct pool;

/* `workers` of them, 1 to POOL_MAX, the caller among them; fewer when the machine gives no more. */
struct pool *pool_new(unsigned workers);
/*
 * Do tasks 0 to n - 1, begun in this order, each by one worker (0: the caller); returns when all
 * are done.  What a task wrote is then seen by all.
 */
void pool_run(struct pool *p, void (*task)(void *context, size_t number, unsigned worker),
	void *context, size_t n);
void pool_free(struct pool *p);

#endif /* POOL_H */
