#include "nfacctd/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfacctd/worker.h"

enum {
	DATAGRAM_MOST = 65536,
	CACHE_LINE = 64,
	STEPS = 16	/* of the owner, before it looks at signals: some 0.5 ms */
};

struct feed_thread {
	struct feed *feed;
	size_t worker;
	pthread_t id;
};

/* ---- blocks; with the lock held, but for current() and add() ---- */

/* The block of the one who reads. */
static struct feed_block *current(const struct feed *f)
{
	return &f->block[f->put % FEED_BLOCKS];
}

static uint64_t slowest(const struct feed *f)
{
	uint64_t least = f->put;

	for (size_t w = 0; w < f->nworkers; w++)
		if (f->taken[w] < least)
			least = f->taken[w];
	return least;
}

static bool has_room(const struct feed *f)
{
	return f->put - slowest(f) < FEED_BLOCKS;
}

/* The next datagram may not find a place in it. */
static bool is_full(const struct feed_block *b)
{
	return b->n == FEED_DATAGRAMS || FEED_COPIES - b->used < DATAGRAM_MOST;
}

static void add(struct feed_block *b, const struct datagram *d, int to)
{
	const uintptr_t at = (uintptr_t)d->data.p, from = (uintptr_t)b->read;

	b->to[b->n] = (uint8_t)to;
	b->d[b->n] = *d;
	if (at - from >= sizeof(b->read)) {
		b->d[b->n].data.p = b->copies + b->used;
		if (d->data.n)
			memcpy(b->copies + b->used, d->data.p, d->data.n);
		b->used += d->data.n;
	}
	b->n++;
}

static void begin(struct feed *f, size_t worker)
{
	f->reading = true;
	f->mine = worker == 0;
	current(f)->n = current(f)->used = 0;
}

static void publish(struct feed *f)
{
	if (current(f)->n)
		f->put++;
	f->reading = f->mine = false;
	pthread_cond_broadcast(&f->changed);
}

/* It was read by another core, as likely as not; while the one before is worked off it comes. */
static void fetch(const struct datagram *d)
{
	for (size_t at = 0; at < d->data.n; at += CACHE_LINE)
		__builtin_prefetch(d->data.p + at);
}

/* A worker's share of its next block. */
static void take(struct feed *f, size_t worker)
{
	const struct feed_block *b = &f->block[f->taken[worker] % FEED_BLOCKS];
	const struct datagram *last = NULL;

	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < b->n; i++) {
		if (b->to[i] != worker)
			continue;
		fetch(&b->d[i]);
		if (last)
			worker_take(&f->worker[worker], last);
		last = &b->d[i];
	}
	if (last)
		worker_take(&f->worker[worker], last);
	pthread_mutex_lock(&f->lock);
	f->taken[worker]++;
	pthread_cond_broadcast(&f->changed);
}

/* The owner has nothing else to do. */
static void take_or_wait(struct feed *f)
{
	if (f->taken[0] < f->put)
		take(f, 0);
	else
		pthread_cond_wait(&f->changed, &f->lock);
}

/* ---- reading ---- */

/* The block that the owner fills, a new one when what was due has settled the last. */
static struct feed_block *my_block(struct feed *f)
{
	if (f->mine)
		return current(f);
	pthread_mutex_lock(&f->lock);
	while (!has_room(f))
		take_or_wait(f);
	begin(f, 0);
	pthread_mutex_unlock(&f->lock);
	if (f->capture)
		capture_lend(f->capture, current(f)->read);
	return current(f);
}

static void place_mine(struct feed *f, const struct datagram *d)
{
	const int to = f->place(f->ctx, d, true);

	add(my_block(f), d, to);
}

/* What a thread has read, and only the owner can place: the thread's block is the owner's. */
static void place_pending(struct feed *f)
{
	f->held = false;
	pthread_mutex_unlock(&f->lock);
	place_mine(f, &f->pending);
	pthread_mutex_lock(&f->lock);
}

static bool may_read(const struct feed *f, size_t worker)
{
	return f->open && f->status > 0 && !f->held &&
	       (!f->reading || (worker == 0 && f->mine)) &&
	       f->put - f->taken[worker] < FEED_AHEAD && has_room(f);
}

/* A block of the capture, as far as a thread can place its datagrams.  With the lock held. */
static void read_block(struct feed *f, size_t worker)
{
	const bool more = f->reading;	/* mine, with a datagram or two in it */
	int got = CAPTURE_MORE, to = 0;
	struct feed_block *b;

	if (!more)
		begin(f, worker);
	b = current(f);
	pthread_mutex_unlock(&f->lock);
	if (!more)
		capture_lend(f->capture, b->read);
	while (!is_full(b)) {
		struct datagram d;

		got = capture_next(f->capture, &d, NULL, f->why);
		if (got != 1)
			break;
		if (worker == 0) {
			place_mine(f, &d);
			b = my_block(f);
			continue;
		}
		to = f->place(f->ctx, &d, false);
		if (to < 0) {
			f->pending = d;
			break;
		}
		add(b, &d, to);
	}
	pthread_mutex_lock(&f->lock);
	if (got <= 0)
		f->status = got;
	if (to < 0) {
		f->held = f->mine = true;
		pthread_cond_broadcast(&f->changed);
	} else {
		publish(f);
	}
}

/* Reads ahead, so that others have something to do, or does its part; false: waits for others. */
static bool step(struct feed *f, size_t worker)
{
	if (may_read(f, worker))
		read_block(f, worker);
	else if (f->taken[worker] < f->put)
		take(f, worker);
	else
		return false;
	return true;
}

static void *feed_main(void *arg)
{
	const struct feed_thread *t = arg;
	struct feed *f = t->feed;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		if (step(f, t->worker))
			continue;
		if (f->stop)
			break;
		pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- for the owner ---- */

static void end_threads(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < f->nthreads; i++)
		pthread_join(f->thread[i].id, NULL);
	for (size_t i = 0; i < f->nworkers; i++)
		f->worker[i].feed = NULL;
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f->thread);
	free(f->block);
	free(f->taken);
}

int feed_start(struct feed *f, feed_place_fn *place, void *ctx, struct worker *w, size_t nworkers)
{
	int err;

	memset(f, 0, sizeof(*f));
	f->place = place;
	f->ctx = ctx;
	f->worker = w;
	f->nworkers = nworkers;
	f->status = 1;
	f->block = calloc(FEED_BLOCKS, sizeof(*f->block));
	f->taken = calloc(nworkers, sizeof(*f->taken));
	f->thread = calloc(nworkers, sizeof(*f->thread));
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	err = f->block && f->taken && f->thread ? 0 : ENOMEM;
	for (size_t i = 1; i < nworkers && !err; i++) {
		struct feed_thread *t = &f->thread[i - 1];

		*t = (struct feed_thread){ .feed = f, .worker = i };
		err = pthread_create(&t->id, NULL, feed_main, t);
		f->nthreads += !err;
	}
	if (err) {
		end_threads(f);
		errno = err;
		return -1;
	}
	for (size_t i = 0; i < nworkers; i++)
		w[i].feed = f;
	return 0;
}

void feed_put(struct feed *f, const struct datagram *d)
{
	place_mine(f, d);
	if (!is_full(current(f)))
		return;
	pthread_mutex_lock(&f->lock);
	publish(f);
	while (f->taken[0] < f->put)
		take(f, 0);
	pthread_mutex_unlock(&f->lock);
}

int feed_read(struct feed *f, struct capture *c, char *why)
{
	int status = 1;

	pthread_mutex_lock(&f->lock);
	if (!f->capture) {
		if (f->mine)	/* what was put; nothing can be read to where it lies */
			publish(f);
		f->capture = c;
	}
	for (int i = 0; i < STEPS; i++) {
		f->open = true;	/* settling shuts it */
		if (f->held) {
			place_pending(f);
		} else if (!step(f, 0)) {
			if (f->status <= 0)
				break;
			pthread_cond_wait(&f->changed, &f->lock);
		}
	}
	if (f->status <= 0 && !f->held) {
		status = f->status;
		memcpy(why, f->why, sizeof(f->why));
		f->open = false;
		f->capture = NULL;
		f->status = 1;
	}
	pthread_mutex_unlock(&f->lock);
	return status;
}

void feed_settle(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->open = false;
	while (f->reading && !f->mine)
		pthread_cond_wait(&f->changed, &f->lock);
	if (f->held)
		place_pending(f);
	/* An empty one stays: what is to be placed, and made us settle, lies in it. */
	if (f->mine && current(f)->n)
		publish(f);
	while (slowest(f) < f->put)
		take_or_wait(f);
	pthread_mutex_unlock(&f->lock);
}

void feed_stop(struct feed *f)
{
	feed_settle(f);
	end_threads(f);
}
