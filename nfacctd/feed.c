#include "nfacctd/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfacctd/worker.h"

static void *feed_main(void *arg)
{
	struct feed *f = arg;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		const struct feed_buffer *b = &f->buffer[f->taken % FEED_BUFFERS];

		if (f->taken == f->put) {
			if (f->stop)
				break;
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		pthread_mutex_unlock(&f->lock);
		for (size_t i = 0; i < b->n; i++)
			worker_take(f->worker, &b->d[i]);
		pthread_mutex_lock(&f->lock);
		f->taken++;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void free_buffers(struct feed *f)
{
	for (size_t i = 0; f->buffer && i < FEED_BUFFERS; i++)
		free(f->buffer[i].bytes);
	free(f->buffer);
	f->buffer = NULL;
}

int feed_start(struct feed *f, struct worker *w)
{
	int err = 0;

	memset(f, 0, sizeof(*f));
	f->worker = w;
	f->buffer = calloc(FEED_BUFFERS, sizeof(*f->buffer));
	for (size_t i = 0; f->buffer && i < FEED_BUFFERS; i++)
		if (!(f->buffer[i].bytes = malloc(FEED_BYTES)))
			err = ENOMEM;
	if (!f->buffer || err) {
		free_buffers(f);
		errno = ENOMEM;
		return -1;
	}
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	err = pthread_create(&f->thread, NULL, feed_main, f);
	if (err) {
		free_buffers(f);
		errno = err;
		return -1;
	}
	w->feed = f;
	return 0;
}

/* The buffer that is being filled is the worker's; wait until there is another one. */
static void hand_over(struct feed *f)
{
	struct feed_buffer *next;

	pthread_mutex_lock(&f->lock);
	f->put++;
	pthread_cond_broadcast(&f->changed);
	while (f->put - f->taken == FEED_BUFFERS)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
	next = &f->buffer[f->put % FEED_BUFFERS];
	next->n = next->used = 0;
}

void feed_put(struct feed *f, const struct datagram *d)
{
	struct feed_buffer *b = &f->buffer[f->put % FEED_BUFFERS];

	if (b->n == FEED_DATAGRAMS || FEED_BYTES - b->used < d->data.n) {
		hand_over(f);
		b = &f->buffer[f->put % FEED_BUFFERS];
	}
	b->d[b->n] = *d;
	b->d[b->n].data.p = b->bytes + b->used;
	if (d->data.n)
		memcpy(b->bytes + b->used, d->data.p, d->data.n);
	b->used += d->data.n;
	b->n++;
}

void feed_settle(struct feed *f)
{
	if (f->buffer[f->put % FEED_BUFFERS].n)
		hand_over(f);
	pthread_mutex_lock(&f->lock);
	while (f->taken != f->put)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void feed_stop(struct feed *f)
{
	if (!f->buffer)
		return;
	feed_settle(f);
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	f->worker->feed = NULL;
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free_buffers(f);
}
