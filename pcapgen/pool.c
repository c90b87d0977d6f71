/*
 * pool.c - threads that wait for a step, and a counter that they draw its tasks from.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include "base/strbuf.h"
#include "pcapgen/pool.h"

struct helper {
	struct pool *pool;
	pthread_t thread;
	unsigned number;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t begun, done;
	unsigned long step;		/* counts up; a helper has done the last one it saw */
	unsigned helpers, busy;		/* busy: helpers that have not ended this step */
	bool closing;
	void (*task)(void *context, size_t number, unsigned worker);
	void *context;
	size_t ntasks;
	atomic_size_t next;
	struct helper helper[POOL_MAX - 1];
};

static void draw_tasks(struct pool *p, unsigned worker)
{
	size_t i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->ntasks)
		p->task(p->context, i, worker);
}

static void *help(void *argument)
{
	struct helper *h = argument;
	struct pool *p = h->pool;
	unsigned long seen = 0;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->step == seen && !p->closing)
			pthread_cond_wait(&p->begun, &p->lock);
		if (p->closing)
			break;
		seen = p->step;
		pthread_mutex_unlock(&p->lock);
		draw_tasks(p, h->number);
		pthread_mutex_lock(&p->lock);
		if (!--p->busy)
			pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct pool *pool_new(unsigned workers)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->begun, NULL);
	pthread_cond_init(&p->done, NULL);
	while (p->helpers + 1 < workers && p->helpers + 1 < POOL_MAX) {
		struct helper *h = &p->helper[p->helpers];

		*h = (struct helper){ .pool = p, .number = p->helpers + 1 };
		if (pthread_create(&h->thread, NULL, help, h))
			break;
		p->helpers++;
	}
	return p;
}

void pool_run(struct pool *p, void (*task)(void *context, size_t number, unsigned worker),
	void *context, size_t n)
{
	pthread_mutex_lock(&p->lock);
	p->task = task;
	p->context = context;
	p->ntasks = n;
	atomic_store(&p->next, 0);
	p->busy = p->helpers;
	p->step++;
	pthread_cond_broadcast(&p->begun);
	pthread_mutex_unlock(&p->lock);
	draw_tasks(p, 0);
	pthread_mutex_lock(&p->lock);
	while (p->busy)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->begun);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->helpers; i++)
		pthread_join(p->helper[i].thread, NULL);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->begun);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
