/*
 * worker.h - a thread that receives: socket -> batch -> decoder -> chunk ->
 * lanes, one a plugin.  It owns all of that; who wants something of it (a table
 * at a purge, counters, new maps) hands in a function that the worker runs
 * between two batches.  One mechanism, no locks in the hot path, and everything
 * it hands out is of one moment.
 *
 * Each batch has a number; a purge says up to which batch of which worker its
 * rows account.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include "net/batch.h"
#include "nfacctd/pipeline.h"

enum { LOG_SLOTS = 256 };

struct worker_call;
struct feed;

struct worker {
	unsigned id;
	const struct settings *settings;
	int fd, wake;			/* socket; eventfd */
	struct batch *batch;		/* NULL when datagrams are fed */
	void *memory;			/* the decoder's */
	void *extras;			/* of the decoder */
	struct decoder *decoder;
	const struct networks *allow;	/* senders listened to; NULL: all */
	struct lane **lane;
	size_t nlanes;
	uint64_t batches;		/* number of the last batch that is in the sums */
	uint64_t datagrams, denied, damaged;
	uint64_t proxied; /* of the datagrams: with a PROXY header that was believed */
	struct batch_counts received;
	struct chunk chunk;
	struct chunk_state state;
	struct flow_column *column;	/* what the decoder fills by itself; NULL: nothing */
	struct flow_area *area;		/* of them */
	struct columns_want columns, columns_v4;
	uint64_t logged_us[LOG_SLOTS];	/* by a hash of the sender: its last complaint */
	uint64_t gave_up_us[LOG_SLOTS];	/* the same, of data that waited for a template */
	struct {
		const struct stream *stream;
		uint64_t gaps, lost;	/* when last looked at */
	} sequence[LOG_SLOTS];		/* for the log only: the stream has the counters */
	struct feed *feed;		/* a capture's datagrams come through it, or NULL */
	void (*after_batch)(void *ctx);	/* NULL, or told after each batch */
	void *ctx;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct worker_call *calls;
	bool threaded;			/* calls wait for the thread */
	_Atomic bool called, stop;
};

/* Lanes are the caller's to fill in, one for each of `nlanes`.  -1 with errno. */
int worker_init(
	struct worker *w, unsigned id, const struct settings *s, size_t nlanes, uint64_t seed);
void worker_clear(struct worker *w);

/* Have the decoder fill the keys of all lanes: every pipeline is direct.  -1 with errno. */
int worker_go_direct(struct worker *w);

/* Decode one datagram into the lanes. */
void worker_datagram(struct worker *w, const struct datagram *d);
/* The same for one of a capture: a batch of its own, received here. */
void worker_take(struct worker *w, const struct datagram *d);

/* No more datagrams come: what waits for a template is lost, and counted. */
void worker_give_up(struct worker *w);

/* Receive from `fd` in a thread of its own. -1 with errno. */
int worker_start(struct worker *w, int fd);
/* Take what the socket still holds, then end the thread. */
void worker_stop(struct worker *w);

/*
 * Bring received.kernel_drops up to date, from inside of worker_do(): the kernel tells of what it
 * dropped with the next datagram that it takes, which after a burst may be long in coming.
 */
void worker_count_drops(struct worker *w);

/*
 * Run fn(w, arg) between two batches, and wait for it. From any other thread; of a worker that is
 * fed, from the one that feeds: all that it has put is taken first.
 */
void worker_do(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);

#endif /* WORKER_H */
