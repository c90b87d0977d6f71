/*
 * feed.h - a capture's datagrams to several workers, who take turns at reading it.
 *
 * Reading is a third of all the work, so a reader with a thread of its own would be
 * what two workers wait for, and its thread a third one on two cores.  Instead, the worker
 * that runs out of work reads a block of the capture, notes whose each datagram
 * is, and publishes it; every worker goes through all blocks, in order, and takes
 * its own datagrams from where they were read to.  So each exporter's stay in
 * order, nothing is copied, and no core idles as long as there is something to read.
 * Blocks are few: who is ahead of the slowest by all of them waits, and nothing is dropped.
 *
 * Worker 0 has no thread: its work is done by the one who owns the feed, in every call.
 * That one alone does what stops all of them: what is due before a datagram.
 *
 *	feed_start(&feed, place, ctx, workers, n)
 *	feed_put(&feed, &datagram)	one that is at hand
 *	feed_read(&feed, capture, why)	some of a capture
 *	feed_settle(&feed)	all that was read is in the sums; the workers stand still
 *	feed_stop(&feed)
 */
#ifndef FEED_H
#define FEED_H

#include <pthread.h>
#include "net/batch.h"
#include "net/capture.h"

struct worker;

enum {
	FEED_BLOCKS = 6,
	FEED_AHEAD = 2,		/* blocks that a worker has before it when it reads one more */
	FEED_DATAGRAMS = 2048,	/* of a block */
	FEED_COPIES = 4 << 16	/* octets: four of the largest datagrams */
};

/* 0.8 MB, of which a capture that can be walked touches the quarter. */
struct feed_block {
	size_t n, used;		/* datagrams; octets of copies */
	struct datagram d[FEED_DATAGRAMS];
	uint8_t to[FEED_DATAGRAMS];	/* the worker of each */
	uint8_t read[CAPTURE_BUFFER];
	uint8_t copies[FEED_COPIES];	/* of datagrams that were not read to `read` */
};

/*
 * Whose it is; -1 when only the owner can say, who alone calls with `owner`, and then may
 * call feed_settle().  Never by two threads at once.
 */
typedef int feed_place_fn(void *ctx, const struct datagram *d, bool owner);

struct feed {
	feed_place_fn *place;
	void *ctx;
	struct worker *worker;
	size_t nworkers, nthreads;
	struct feed_thread *thread;	/* of worker 1 and those behind it */
	struct feed_block *block;	/* FEED_BLOCKS of them */
	uint64_t put, *taken;	/* blocks that were published; that each worker is done with */
	struct capture *capture;
	int status;		/* of the capture: 1, 0 at its end, -1 with `why` */
	char why[256];
	struct datagram pending;	/* read, but to be placed by the owner, when `held` */
	/* A worker reads; it is the owner; others may read, too; time to end. */
	bool reading, mine, open, held, stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* -1 with errno. */
int feed_start(
	struct feed *f, feed_place_fn *place, void *ctx, struct worker *w, size_t nworkers);
void feed_put(struct feed *f, const struct datagram *d);
/* As capture_next(), for some hundred datagrams: 1, 0 at the end, -1 with `why` set. */
int feed_read(struct feed *f, struct capture *c, char *why);
void feed_settle(struct feed *f);
/* Settles, and ends the threads. */
void feed_stop(struct feed *f);

#endif /* FEED_H */
