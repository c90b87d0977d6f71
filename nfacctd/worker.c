#include "nfacctd/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/feed.h"
#include "wire/proxy.h"

enum {
	PER_EXPORTER = 4,	/* templates, samplers; as in decoder_limits_default */
	BATCH_MESSAGES = 64, MESSAGE_BYTES = 65536,
	DRAIN_BATCHES = 4096,	/* at stop: a flood does not keep it alive */
	DROPS_EVERY = 4096,	/* batches */
};

#define COMPLAINT_INTERVAL_US UINT64_C(60000000)

struct worker_call {
	void (*fn)(struct worker *w, void *arg);
	void *arg;
	bool finished;
	struct worker_call *next;
};

int worker_init(struct worker *w, unsigned id, const struct settings *s, size_t nlanes,
		uint64_t seed)
{
	struct decoder_limits limits = decoder_limits_default;
	size_t size;

	memset(w, 0, sizeof(*w));
	w->id = id;
	w->settings = s;
	w->fd = w->wake = -1;
	limits.streams = s->exporters;
	limits.templates = limits.samplers = s->exporters * PER_EXPORTER;
	limits.uptime_is_seconds = s->time_secs;
	limits.options_any_scope = s->disable_opt_scope_check;
	limits.account_options = s->account_options;
	limits.strict_padding = s->strict_padding;
	limits.trust_sender = s->ignore_exporter_address;
	limits.v8_dst_mask_first = s->v8_dialect == V8_FLOW_TOOLS;
	limits.v8_tos_first = s->v8_dialect == V8_TSHARK;
	limits.tunnels = s->tunnels;
	limits.packet_sections = s->packet_sections;
	limits.sflow_ip_octets = s->sflow_octets == SFLOW_IP;
	limits.holdback_octets = s->holdback ? s->holdback_size : 0;
	limits.hold_us = s->holdback * UINT64_C(1000000);
	limits.hold_unscaled = s->renormalize;
	size = (decoder_size(&limits) + 63) / 64 * 64;
	w->memory = aligned_alloc(64, size);
	w->extras = calloc(1, decoder_extras_size(&s->extras) + 1);
	w->lane = calloc(nlanes ? nlanes : 1, sizeof(*w->lane));
	w->nlanes = nlanes;
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	if (!w->memory || !w->extras || !w->lane || w->wake < 0) {
		worker_clear(w);
		return -1;
	}
	w->decoder = decoder_init(w->memory, &limits, seed);
	if (s->extras.n || s->extras.inside)
		decoder_want_extras(w->decoder, &s->extras, w->extras);
	return 0;
}

void worker_clear(struct worker *w)
{
	for (size_t i = 0; w->lane && i < w->nlanes; i++)
		lane_free(w->lane[i]);
	chunk_state_clear(&w->state);
	free(w->lane);
	free(w->column);
	free(w->area);
	free(w->memory);
	free(w->extras);
	batch_free(w->batch);
	if (w->wake >= 0)
		close(w->wake);
	if (w->fd >= 0)
		close(w->fd);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->done);
	memset(w, 0, sizeof(*w));
	w->fd = w->wake = -1;
}

/* ---- datagrams ---- */

/*
 * nfacctd_disable_checks: false: one line a stream and minute about what its numbers say is
 * missing.
 */
static void watch_sequence(struct worker *w, const struct flow_origin *o)
{
	const size_t slot = (uintptr_t)o->stream / sizeof(*o->stream) % LOG_SLOTS;
	const struct sequence_counts *q = &o->stream->sequence;
	char exporter[ADDR_TEXT];

	if (w->sequence[slot].stream != o->stream) {
		w->sequence[slot].stream = o->stream;
		w->sequence[slot].gaps = w->sequence[slot].lost = 0;
	}
	if (q->gaps == w->sequence[slot].gaps ||
	    !log_allow(&o->stream->log_us, o->recv_us, COMPLAINT_INTERVAL_US))
		return;
	log_warn("exporter %s domain %u: %s: %llu %s missing in %llu gaps",
		 addr_print(&o->exporter, exporter), o->domain, flow_protocol_name(o->protocol),
		 (unsigned long long)(q->lost - w->sequence[slot].lost),
		 o->protocol == PROTO_NETFLOW9 || o->protocol == PROTO_SFLOW ? "datagrams"
									     : "records",
		 (unsigned long long)(q->gaps - w->sequence[slot].gaps));
	w->sequence[slot].gaps = q->gaps;
	w->sequence[slot].lost = q->lost;
}

static void on_records(void *ctx, const struct flow_origin *origin, struct flow_record *rec,
		       size_t n)
{
	struct worker *w = ctx;

	if (!w->settings->disable_checks)
		watch_sequence(w, origin);
	chunk_prepare(&w->chunk, &w->state, w->settings, origin, rec, n);
	if (w->chunk.n)
		for (size_t i = 0; i < w->nlanes; i++)
			lane_run(w->lane[i], &w->chunk);
}

static void take_columns(struct worker *w, const struct flow_origin *origin,
			 const struct flow_record *all, size_t n, bool v4)
{
	if (!w->settings->disable_checks)
		watch_sequence(w, origin);
	chunk_prepare_direct(&w->chunk, &w->state, w->settings, origin, all, n);
	w->chunk.v4 = v4;
	for (size_t i = 0; i < w->nlanes; i++)
		lane_run(w->lane[i], &w->chunk);
}

static void on_columns(void *ctx, const struct flow_origin *origin, const struct flow_record *all,
		       size_t n)
{
	take_columns(ctx, origin, all, n, false);
}

static void on_columns_v4(void *ctx, const struct flow_origin *origin,
			  const struct flow_record *all, size_t n)
{
	take_columns(ctx, origin, all, n, true);
}

/* Into `column` and `area`. */
static struct columns_want columns_of(struct worker *w, struct flow_column *column,
				      struct flow_area *area, bool v4)
{
	struct columns_want c = { .column = column,
		.area = area,
		.with = DIRECT_WITH,
		.without = direct_without(w->settings),
		.emit = v4 ? on_columns_v4 : on_columns };

	area[c.nareas++] = chunk_area(&w->chunk);
	c.n += chunk_columns(&w->chunk, &w->state, column);
	for (size_t i = 0; i < w->nlanes; i++) {
		c.n += lane_columns(w->lane[i], column + c.n, v4);
		c.nareas += lane_areas(w->lane[i], area + c.nareas, v4);
	}
	return c;
}

int worker_go_direct(struct worker *w)
{
	const size_t columns = CHUNK_COLUMNS + w->nlanes * LANE_COLUMNS;
	const size_t areas = 1 + w->nlanes * LANE_AREAS;

	w->column = calloc(2 * columns, sizeof(*w->column));
	w->area = calloc(2 * areas, sizeof(*w->area));
	if (!w->column || !w->area)
		return -1;
	w->columns = columns_of(w, w->column, w->area, false);
	w->columns_v4 = columns_of(w, w->column + columns, w->area + areas, true);
	w->columns.v4 = &w->columns_v4;
	decoder_want_columns(w->decoder, &w->columns);
	return 0;
}

/* Where `table` of LOG_SLOTS has when a line about `addr` was logged last. */
static uint64_t *said_of(uint64_t *table, const struct addr *addr)
{
	uint32_t slot = 0;

	for (size_t i = 0; i < sizeof(addr->b); i++)
		slot = slot * 31 + addr->b[i];
	return &table[slot % LOG_SLOTS];
}

/* One line a sender and minute; the counters have the rest. */
static void complain(struct worker *w, const struct datagram *d, enum wire_err err, bool refused)
{
	uint32_t id = 0;
	enum wire_err last = decoder_last(w->decoder, &id);
	char from[ENDPOINT_TEXT];

	if (err == WIRE_OK)
		err = last;
	if (err == WIRE_OK || (err == WIRE_VERSION && w->settings->disable_checks))
		return;
	/* A replicator asks with these whether anybody listens; they are counted all the same. */
	if (d->data.n == 0)
		return;
	if (!log_allow(said_of(w->logged_us, &d->from.addr), d->recv_us, COMPLAINT_INTERVAL_US))
		return;
	endpoint_print(&d->from, from);
	if (refused)
		log_warn("exporter %s: datagram of %zu octets refused: %s", from, d->data.n,
			 wire_err_text(err));
	else if (id)
		log_info("exporter %s: id %u: %s", from, id, wire_err_text(err));
	else
		log_info("exporter %s: %s", from, wire_err_text(err));
}

/* What has waited for its template since before nfacctd_holdback, or `now_us` UINT64_MAX, does not
 * any more. */
static void give_up(struct worker *w, uint64_t now_us)
{
	struct decoder_loss *l = decoder_expire(w->decoder, now_us, on_records, w);
	char exporter[ADDR_TEXT];

	w->damaged = decoder_counts(w->decoder)->damages;
	/* One line an exporter and minute: a stranger may leave data of any number of templates. */
	if (l && log_allow(said_of(w->gave_up_us, &l->exporter), l->last_us, COMPLAINT_INTERVAL_US))
		log_info("exporter %s domain %u: %s: template %u has not come within %u s: %llu "
			 "data Sets lost",
			addr_print(&l->exporter, exporter), l->domain,
			flow_protocol_name(l->protocol), l->id, w->settings->holdback,
			(unsigned long long)l->sets);
}

void worker_give_up(struct worker *w)
{
	if (decoder_waiting(w->decoder))
		give_up(w, UINT64_MAX);
}

/*
 * A sender that may speak for others does: the datagram without the header, as
 * its exporter sent it.
 */
static const struct datagram *unwrap(
	struct worker *w, const struct datagram *d, struct datagram *inner)
{
	const struct proxy_senders *from = &w->settings->proxy_from;
	struct proxy p;
	size_t len;

	for (size_t i = 0; i < from->n; i++) {
		if (!prefix_contains(&from->at[i], &d->from.addr))
			continue;
		len = proxy_read(&p, d->data);
		if (len == 0)
			return d;
		*inner = *d;
		inner->data.p += len;
		inner->data.n -= len;
		if (!p.local) {
			inner->from.addr = p.from;
			inner->from.port = p.from_port;
		}
		w->proxied++;
		return inner;
	}
	return d;
}

void worker_datagram(struct worker *w, const struct datagram *datagram)
{
	struct datagram inner;
	const struct datagram *d =
		w->settings->proxy_from.n ? unwrap(w, datagram, &inner) : datagram;
	struct decoder_input in = { d->data, d->from.addr, d->from.port, d->recv_us };
	enum wire_err err;
	uint64_t damaged;

	w->datagrams++;
	if (w->allow && !networks_find(w->allow, &d->from.addr)) {
		w->denied++;
		return;
	}
	if (__builtin_expect(decoder_waiting(w->decoder) > 0, 0))
		give_up(w, d->recv_us);
	err = decode(w->decoder, &in, on_records, w);
	damaged = decoder_counts(w->decoder)->damages;
	if (__builtin_expect(err != WIRE_OK || damaged != w->damaged, 0))
		complain(w, d, err, err != WIRE_OK);
	w->damaged = damaged;
}

void worker_take(struct worker *w, const struct datagram *d)
{
	w->batches++;
	w->received.datagrams++;
	w->received.octets += d->data.n;
	worker_datagram(w, d);
}

/* ---- the thread ---- */

/* With the lock held. */
static void run_calls(struct worker *w)
{
	struct worker_call *c;

	atomic_store(&w->called, false);
	while ((c = w->calls)) {
		w->calls = c->next;
		c->fn(w, c->arg);
		c->finished = true;
	}
	pthread_cond_broadcast(&w->done);
}

void worker_do(struct worker *w, void (*fn)(struct worker *, void *), void *arg)
{
	struct worker_call c = { fn, arg, false, NULL }, **last;
	uint64_t one = 1;

	if (w->feed)
		feed_settle(w->feed);
	pthread_mutex_lock(&w->lock);
	if (!w->threaded) {
		fn(w, arg);
		pthread_mutex_unlock(&w->lock);
		return;
	}
	for (last = &w->calls; *last; last = &(*last)->next)
		;
	*last = &c;
	atomic_store(&w->called, true);
	/* A full eventfd counter wakes the thread as well. */
	(void)!write(w->wake, &one, sizeof(one));
	while (!c.finished)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static void calls_now(struct worker *w)
{
	uint64_t woken;

	pthread_mutex_lock(&w->lock);
	/* Under the lock, as the write: a wake-up that is left over would make poll() spin. */
	(void)!read(w->wake, &woken, sizeof(woken));
	run_calls(w);
	pthread_mutex_unlock(&w->lock);
}

/* Number of datagrams; 0 when the socket is empty. */
static size_t one_batch(struct worker *w)
{
	int n = batch_recv(w->batch, w->fd);

	if (n < 0) {
		if (errno != EINTR && errno != ECONNREFUSED)
			log_warn_errno("receive");
		return 0;
	}
	for (size_t i = 0; i < (size_t)n; i++)
		worker_datagram(w, &w->batch->d[i]);
	w->received = w->batch->counts;
	if (n > 0) {
		if (++w->batches % DROPS_EVERY == 0)
			worker_count_drops(w);
		if (w->after_batch)
			w->after_batch(w->ctx);
	}
	return (size_t)n;
}

void worker_count_drops(struct worker *w)
{
	if (!w->batch)
		return;
	batch_drops(w->batch, w->fd);
	w->received = w->batch->counts;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pollfd p[] = { { w->fd, POLLIN, 0 }, { w->wake, POLLIN, 0 } };

	while (!atomic_load(&w->stop)) {
		one_batch(w);
		if (atomic_load(&w->called)) {
			calls_now(w);
		} else if (!w->batch->full) {
			p[0].revents = 0;
			if (poll(p, 2, -1) < 0 && errno != EINTR)
				log_warn_errno("poll");
			if (p[0].revents)
				batch_gather(w->batch, w->fd);
		}
	}
	for (int i = 0; i < DRAIN_BATCHES && one_batch(w); i++)
		;
	worker_count_drops(w);
	pthread_mutex_lock(&w->lock);
	w->threaded = false;
	run_calls(w);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int worker_start(struct worker *w, int fd)
{
	int err;

	w->fd = fd;
	w->batch = batch_new(BATCH_MESSAGES, MESSAGE_BYTES);
	if (!w->batch)
		return -1;
	pthread_mutex_lock(&w->lock);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	w->threaded = !err;
	pthread_mutex_unlock(&w->lock);
	errno = err;
	return err ? -1 : 0;
}

void worker_stop(struct worker *w)
{
	uint64_t one = 1;

	if (!w->batch)
		return;
	atomic_store(&w->stop, true);
	(void)!write(w->wake, &one, sizeof(one));
	pthread_join(w->thread, NULL);
	batch_free(w->batch);
	w->batch = NULL;
}
