/*
 * worker.h - a thread that receives and fans out.
 *
 * Each worker has a socket of the port's SO_REUSEPORT group, receivers,
 * sockets and counters of its own; the kernel steers by source address and
 * port, so that an exporter stays with one worker and keeps its order.
 *
 * The main thread looks at a worker, or changes it, between two of its
 * batches: worker_enter() waits for the end of the batch at hand, and the
 * worker for worker_leave().  So nothing inside is shared, and every sum
 * adds up at the moment it is looked at.
 */
#ifndef REPLICATOR_WORKER_H
#define REPLICATOR_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "replicator/fanout.h"
#include "replicator/gate.h"

/* A listening socket and what it receives. */
struct inlet {
	int fd;
	struct batch *batch;
};

struct worker {
	struct inlet in;
	struct receivers receivers;
	struct outlet outlet;
	struct gate *gate;
	struct fanout *fanout;
	bool replays;			/* a spool has something to send */
	bool debug;			/* log every datagram */
	uint64_t recv_log_us;
	uint64_t drain_ns; /* WORKER_DRAIN: how long it sends; what waits then is counted */
	/* What is below is for the two threads. */
	pthread_t thread;
	bool runs;
	int wake_fd;			/* eventfd: look at `stop` */
	pthread_mutex_t door, room;	/* see worker_enter() */
	_Atomic uint64_t last_ns;	/* monotonic: when something came */
	_Atomic uint64_t turns;		/* of the loop: it lives */
	_Atomic int stop;		/* enum worker_stop */
	uint64_t watched; /* the main thread's: `turns` when the service manager was told last */
};

/* DRAIN: what the socket holds already is sent first.  LEAVE: it is for who takes the socket over.
 */
enum worker_stop { WORKER_GO, WORKER_DRAIN, WORKER_LEAVE };

enum { WORKERS_MAX = 64 };

/* Nothing open, nothing in it. */
void worker_blank(struct worker *w);
struct worker_limits {
	size_t datagram_max;
	size_t template_memory;		/* MB */
	struct gate_limits gate;
};

/* Memory and descriptors; the inlet's socket is w->in.fd already.  0, or -1 with errno. */
int worker_init(struct worker *w, const struct worker_limits *l);
/* Closes all that it has; the thread must have ended. */
void worker_clear(struct worker *w);

/* 0, or -1 with errno. */
int worker_start(struct worker *w);
/* Tell it to end, and wait until it has. */
void worker_stop(struct worker *w, enum worker_stop how);
void worker_join(struct worker *w);

void worker_enter(struct worker *w);
void worker_leave(struct worker *w);

#endif /* REPLICATOR_WORKER_H */
