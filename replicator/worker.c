/*
 * worker.c - see worker.h.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "replicator/outage.h"
#include "replicator/watch.h"

enum {
	BATCH_MESSAGES = 128, /* each up to 64 KiB: 8.5 MB, of which plain datagrams touch little */
	BATCH_BYTES = 65536,
	TURNS = 16, /* batches between two looks at the clock */
	WAKE_MS = 100, /* at the latest */
	REPLAY_MS = 5, /* while a spool is sent: its pace is kept this finely */
	DRAIN_MS = 200, /* at the end: what the kernel holds already */
};

void worker_blank(struct worker *w)
{
	*w = (struct worker){ .in = { .fd = -1 }, .wake_fd = -1, .door = PTHREAD_MUTEX_INITIALIZER,
		.room = PTHREAD_MUTEX_INITIALIZER, .drain_ns = DRAIN_MS * UINT64_C(1000000) };
}

int worker_init(struct worker *w, const struct worker_limits *l)
{
	const struct recall_limits limits = recall_limits_of(l->template_memory);
	uint64_t seed;

	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->in.batch = batch_new(BATCH_MESSAGES, BATCH_BYTES);
	w->fanout = fanout_new(&w->receivers, &w->outlet, l->datagram_max);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = clock_mono_ns();
	w->gate = gate_new(&l->gate, seed);
	if (w->wake_fd < 0 || !w->in.batch || !w->fanout || !w->gate)
		return -1;
	if (l->template_memory == 0)
		return 0;
	w->fanout->recall = recall_new(&limits, seed);
	return w->fanout->recall ? 0 : -1;
}

void worker_clear(struct worker *w)
{
	receivers_clear(&w->receivers, &w->outlet);
	spoof_cache_free(w->outlet.spoof);
	sender_raw_free(&w->outlet);
	free(w->outlet.copies);
	if (w->fanout)
		recall_free(w->fanout->recall);
	fanout_free(w->fanout);
	gate_free(w->gate);
	batch_free(w->in.batch);
	if (w->in.fd >= 0)
		close(w->in.fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
}

/* ---- between batches ------------------------------------------------------- */

/*
 * Mutexes are not fair: a worker under load would take its own again before
 * anybody wakes up.  Who wants in therefore holds the door, which the worker
 * has to pass on its way back.
 */
void worker_enter(struct worker *w)
{
	pthread_mutex_lock(&w->door);
	pthread_mutex_lock(&w->room);
	pthread_mutex_unlock(&w->door);
}

void worker_leave(struct worker *w)
{
	pthread_mutex_unlock(&w->room);
}

/* ---- the loop --------------------------------------------------------------- */

static void log_datagrams(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		char from[ENDPOINT_TEXT];

		log_debug(
			"%zu octets from %s", b->d[i].data.n, endpoint_print(&b->d[i].from, from));
	}
}

/* Receive and fan out what is there, one batch; false when nothing more waits. */
static bool turn(struct worker *w, uint64_t now_ns, bool *any)
{
	bool more;
	int n;

	worker_enter(w);
	n = batch_recv(w->in.batch, w->in.fd);
	if (n > 0) {
		if (w->debug)
			log_datagrams(w->in.batch);
		gate_batch(w->gate, &w->receivers, w->in.batch, now_ns);
		fanout_batch(w->fanout, w->in.batch, now_ns);
	}
	more = w->in.batch->full;
	if (n >= 0 && !more)
		gate_drained(w->gate);
	worker_leave(w);
	if (n < 0 && log_allow(&w->recv_log_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn_errno("receiving");
	*any |= n > 0;
	return more;
}

/* Until nothing is there, at most TURNS batches; an end is not kept waiting. */
static bool pump(struct worker *w)
{
	const uint64_t now_ns = clock_mono_ns();
	bool any = false;

	for (int i = 0; i < TURNS && turn(w, now_ns, &any) && atomic_load(&w->stop) == WORKER_GO;
	     i++)
		;
	if (any)
		atomic_store_explicit(&w->last_ns, now_ns, memory_order_relaxed);
	return any;
}

/* What is due now and then beside datagrams. */
static void probe(struct worker *w, uint64_t *due_ns)
{
	const uint64_t now_ns = clock_mono_ns();

	if (now_ns < *due_ns)
		return;
	*due_ns = now_ns + HEALTH_PROBE_MS * UINT64_C(1000000);
	worker_enter(w);
	watch(w->fanout, now_ns);
	w->replays = outage_look(w->fanout, now_ns);
	worker_leave(w);
}

/* From the spools, beside what is live. */
static void replay(struct worker *w)
{
	if (!w->replays)
		return;
	worker_enter(w);
	outage_replay(w->fanout, clock_mono_ns());
	worker_leave(w);
}

/* What the time was too short for is counted: reading takes a tenth of the time of sending. */
static void abandon(struct worker *w)
{
	const uint64_t end_ns = clock_mono_ns() + DRAIN_MS * UINT64_C(1000000);
	int n;

	worker_enter(w);
	for (n = 1; n > 0 && clock_mono_ns() < end_ns; w->gate->counts.abandoned += (unsigned)n) {
		n = batch_recv(w->in.batch, w->in.fd);
		n = n > 0 ? n : 0;
	}
	worker_leave(w);
	if (w->gate->counts.abandoned)
		log_warn("%llu datagrams waited when time was up, and were not sent",
			(unsigned long long)w->gate->counts.abandoned);
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct pollfd fds[2] = { { .fd = w->in.fd, .events = POLLIN }, { .fd = w->wake_fd,
		.events = POLLIN } };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint own;
	uint64_t end_ns, probe_ns = 0;
	bool any = false;

	if (getsockname(w->in.fd, (struct sockaddr *)&ss, &len) == 0) {
		endpoint_from_sockaddr(&own, &ss);
		w->fanout->port = w->outlet.port = own.port;
	}
	while (atomic_load(&w->stop) == WORKER_GO) {
		if (poll(fds, 2, w->replays ? REPLAY_MS : WAKE_MS) < 0 && errno != EINTR) {
			log_error_errno("poll");
			break;
		}
		if (fds[0].revents)
			batch_gather(w->in.batch, w->in.fd);
		pump(w);	/* whatever poll said: the gate waits for an empty socket */
		probe(w, &probe_ns);
		replay(w);
		atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
	}
	/* What reached the socket before the signal is not lost without a word. */
	for (end_ns = clock_mono_ns() + w->drain_ns;
	     atomic_load(&w->stop) == WORKER_DRAIN && turn(w, clock_mono_ns(), &any) &&
		clock_mono_ns() < end_ns; )
		;
	if (atomic_load(&w->stop) == WORKER_DRAIN)
		abandon(w);
	return NULL;
}

int worker_start(struct worker *w)
{
	int err;

	atomic_store(&w->last_ns, clock_mono_ns());
	atomic_store(&w->stop, WORKER_GO);
	err = pthread_create(&w->thread, NULL, work, w);
	if (err) {
		errno = err;
		return -1;
	}
	w->runs = true;
	return 0;
}

void worker_stop(struct worker *w, enum worker_stop how)
{
	const uint64_t one = 1;

	atomic_store(&w->stop, how);
	(void)!write(w->wake_fd, &one, sizeof(one));
}

void worker_join(struct worker *w)
{
	if (w->runs)
		pthread_join(w->thread, NULL);
	w->runs = false;
}
