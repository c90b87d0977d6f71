/*
 * feed.h - from one reader of a capture to the thread of one worker: datagrams are
 * copied into one of a few buffers, which changes hands when it is full.  The
 * worker takes them in the order they were put; the reader waits when the worker
 * is behind by all buffers, so nothing is dropped.
 *
 *	feed_start(&feed, &worker)
 *	feed_put(&feed, &datagram) ...
 *	feed_settle(&feed)	all that was put is in the sums; the worker stands still
 *	feed_stop(&feed)
 */
#ifndef FEED_H
#define FEED_H

#include <pthread.h>
#include "net/batch.h"

struct worker;

enum {
	FEED_BUFFERS = 4,
	FEED_BYTES = 256 << 10,	/* of a buffer: 0.2 ms of work, so a change of hands is nothing */
	FEED_DATAGRAMS = 512
};

struct feed_buffer {
	size_t n, used;
	struct datagram d[FEED_DATAGRAMS];
	uint8_t *bytes;
};

struct feed {
	struct worker *worker;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct feed_buffer *buffer;	/* FEED_BUFFERS of them */
	uint64_t put, taken;		/* buffers that changed hands, there and back */
	bool stop;
};

/* Zeros are a feed that was not started.  -1 with errno. */
int feed_start(struct feed *f, struct worker *w);
void feed_put(struct feed *f, const struct datagram *d);
void feed_settle(struct feed *f);
/* Settles, and ends the thread. */
void feed_stop(struct feed *f);

#endif /* FEED_H */
