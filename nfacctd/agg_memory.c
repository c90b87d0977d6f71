#include "nfacctd/agg_memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
	REGION_MIN = 256 << 10,
	REGION_MAX = 4 << 20,
	LARGE_PAGE = 2 << 20,
	PAGE = 4096
};

struct agg_region {
	struct agg_region *next;
	size_t size, used;
	bool large;	/* of the supply */
};

static struct agg_region *region_map(size_t size, size_t align)
{
	uint8_t *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p % align;
	if (before)
		munmap(p, before);
	munmap(p + before + size, align - before);
	return (struct agg_region *)(void *)(p + before);
}

static void region_unmap(struct agg_region *r, size_t size)
{
	if (r)
		munmap(r, size);
}

/* ---- memory ahead of need ---- */

struct agg_supply {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct agg_region *ready[AGG_READY];
	size_t nready;
	bool asked, stop;	/* asked: somebody needs such pieces at all */
};

/* A piece whose pages are all there; the kernel gives large ones where it can. */
static struct agg_region *region_fetch(void)
{
	struct agg_region *r = region_map(REGION_MAX, LARGE_PAGE);

	if (!r)
		return NULL;
	madvise(r, REGION_MAX, MADV_HUGEPAGE);
	for (size_t at = 0; at < REGION_MAX; at += PAGE)
		((volatile uint8_t *)r)[at] = 0;
	return r;
}

static void *supply_main(void *arg)
{
	struct agg_supply *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct agg_region *r;

		if (!s->asked || s->nready == AGG_READY) {
			pthread_cond_wait(&s->wanted, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		r = region_fetch();
		pthread_mutex_lock(&s->lock);
		if (!r)
			s->asked = false;	/* until it is asked again */
		else if (s->nready < AGG_READY)
			s->ready[s->nready++] = r;
		else
			region_unmap(r, REGION_MAX);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct agg_supply *agg_supply_new(void)
{
	struct agg_supply *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wanted, NULL);
	err = pthread_create(&s->thread, NULL, supply_main, s);
	if (err) {
		free(s);
		errno = err;
		return NULL;
	}
	return s;
}

void agg_supply_free(struct agg_supply *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	while (s->nready)
		region_unmap(s->ready[--s->nready], REGION_MAX);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wanted);
	free(s);
}

/* A piece of REGION_MAX that is ready, or NULL: then the caller makes one of small pages. */
static struct agg_region *supply_take(struct agg_supply *s)
{
	struct agg_region *r = NULL;

	pthread_mutex_lock(&s->lock);
	s->asked = true;
	if (s->nready)
		r = s->ready[--s->nready];
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Pages that are there already spare the next table the wait for them. */
static void supply_give(struct agg_supply *s, struct agg_region *r)
{
	pthread_mutex_lock(&s->lock);
	if (s->nready < AGG_READY) {
		s->ready[s->nready++] = r;
		r = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	region_unmap(r, REGION_MAX);
}

/* ---- pieces ---- */

static struct agg_region *region_new(struct agg_budget *budget, size_t size, bool force)
{
	struct agg_region *r;
	bool large;

	if (atomic_fetch_add(&budget->used, size) + size > budget->limit && !force) {
		atomic_fetch_sub(&budget->used, size);
		return NULL;
	}
	r = budget->supply && size == REGION_MAX ? supply_take(budget->supply) : NULL;
	large = r != NULL;
	if (!r)
		r = region_map(size, PAGE);
	if (!r) {
		atomic_fetch_sub(&budget->used, size);
		return NULL;
	}
	r->large = large;
	r->size = size;
	r->used = 64;
	return r;
}

void *agg_arena_take(struct agg_arena *m, struct agg_budget *budget, size_t n, bool force)
{
	struct agg_region *r = m->head;
	const size_t least = (n + 64 + PAGE - 1) / PAGE * PAGE;
	size_t at;

	if (!m->next_size)
		m->next_size = REGION_MIN;
	n = (n + 63) / 64 * 64;
	if (!r || r->size - r->used < n) {
		/*
		 * Twice the last one; near the end of the budget what is left of it, in small
		 * pieces.
		 */
		r = region_new(budget, m->next_size > least ? m->next_size : least, false);
		if (!r)
			r = region_new(budget, least > REGION_MIN ? least : REGION_MIN, force);
		if (!r)
			return NULL;
		r->next = m->head;
		m->head = r;
		m->bytes += r->size;
		if (m->next_size < REGION_MAX)
			m->next_size *= 2;
	}
	at = r->used;
	r->used += n;
	return (uint8_t *)r + at;
}

void agg_arena_free(struct agg_arena *m, struct agg_budget *budget)
{
	while (m->head) {
		struct agg_region *next = m->head->next;

		if (m->head->large)
			supply_give(budget->supply, m->head);
		else
			region_unmap(m->head, m->head->size);
		m->head = next;
	}
	atomic_fetch_sub(&budget->used, m->bytes);
	m->bytes = 0;
}
