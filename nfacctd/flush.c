#include "nfacctd/flush.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

enum { BACKOFF_MAX = 30, RETRY_PAUSE_MS = 100, TICK_US = 1000000 };

/* A purge with all that it borrows. */
struct waiting {
	struct purge purge;
	struct sum_row *rows;
	struct purge_mark *marks;
	uint8_t *keys;			/* of the rows */
	size_t keys_bytes;		/* of the budget, that they take */
	uint64_t octets, packets;
};

static void waiting_free(struct flush *f, struct waiting *w)
{
	if (!w)
		return;
	free(w->rows);
	free(w->marks);
	free(w->keys);
	atomic_fetch_sub(&f->budget->used, w->keys_bytes);
	free(w);
}

/* ---- taking tables ---- */

/* What the tables that are being filled could not take. */
struct tables_loss {
	unsigned lane;
	uint64_t records, octets;
};

struct take {
	unsigned lane;
	struct aggregate *table;	/* in: the empty one, out: the full one */
	uint64_t batch;
};

static void take_table(struct worker *w, void *arg)
{
	struct take *t = arg;

	t->table = lane_swap(w->lane[t->lane], t->table);
	t->batch = w->batches;
}

static struct aggregate *new_table(struct flush *f, struct agg_budget *budget)
{
	struct aggregate *a = aggregate_new(pipeline_shape(f->pipeline), budget, f->seed);

	if (!a)
		log_error_errno("plugin %s: no memory for a table; what there is stays",
				f->settings->name);
	return a;
}

/* By the flush thread and by whoever watches; once a minute. */
static void tell_shed(struct flush *f, uint64_t records, uint64_t octets)
{
	bool now;

	pthread_mutex_lock(&f->lock);
	now = log_allow(&f->shed_logged_us, clock_wall_us(), 60000000);
	pthread_mutex_unlock(&f->lock);
	if (now)
		log_error("plugin %s: memory budget is spent: %llu records with new keys, %llu "
			  "octets, shed so far (nfacctd_memory_budget)",
			f->settings->name, (unsigned long long)records, (unsigned long long)octets);
}

static void count_table(struct flush *f, const struct aggregate *a)
{
	const struct agg_counts *c = aggregate_counts(a);
	struct flush_counts *out = &f->counts;

	out->taken_octets += c->octets;
	out->taken_packets += c->packets;
	out->shed += c->shed;
	out->shed_octets += c->shed_octets;
	out->shed_packets += c->shed_packets;
	out->saturated += c->saturated;
	out->saturated_octets += c->saturated_octets;
	out->saturated_packets += c->saturated_packets;
	if (c->shed)
		tell_shed(f, out->shed, out->shed_octets);
}

/* What merging itself can add: sums that stay at their top. */
static void count_merge(struct flush *f, const struct aggregate *a, struct agg_counts before)
{
	const struct agg_counts *c = aggregate_counts(a);

	f->counts.saturated += c->saturated - before.saturated;
	f->counts.saturated_octets += c->saturated_octets - before.saturated_octets;
	f->counts.saturated_packets += c->saturated_packets - before.saturated_packets;
}

/* The rows of both in one of them; the other is freed.  `into` may be NULL. */
static struct aggregate *merge(struct flush *f, struct aggregate *into, struct aggregate *from)
{
	struct agg_counts before;

	if (!into)
		return from;
	if (aggregate_rows(into) < aggregate_rows(from)) {
		struct aggregate *larger = from;

		from = into;
		into = larger;
	}
	before = *aggregate_counts(into);
	aggregate_unbind(into);
	aggregate_merge(into, from);
	count_merge(f, into, before);
	aggregate_free(from);
	return into;
}

/* The sums of all workers, of the rows held back too; NULL when there is nothing. */
static struct aggregate *take_all(struct flush *f, struct purge_mark *marks)
{
	struct aggregate *all = f->held;

	f->held = NULL;
	f->counts.held_octets = f->counts.held_packets = 0;
	for (size_t i = 0; i < f->nworkers; i++) {
		struct take t = { f->plugin, new_table(f, f->budget), 0 };

		marks[i] = (struct purge_mark){ (uint32_t)i, 0 };
		if (!t.table)
			continue;
		worker_do(&f->worker[i], take_table, &t);
		marks[i].batch = t.batch;
		count_table(f, t.table);
		all = merge(f, all, t.table);
	}
	if (all && aggregate_rows(all) == 0) {
		aggregate_free(all);
		all = NULL;
	}
	return all;
}

/* ---- making a purge ---- */

/* 0 where keys have none. */
static int64_t bin_of_key(const uint8_t *key, size_t bin_bytes)
{
	int64_t bin = 0;

	memcpy(&bin, key, bin_bytes);
	return bin;
}

/* sql_preprocess: fewer rows, other sums. */
static void preprocess(struct flush *f, struct waiting *w)
{
	const struct plugin_settings *s = f->settings;

	if (!preprocess_any(&s->preprocess))
		return;
	w->purge.nrows = preprocess_rows(&s->preprocess, s->preprocess_all, w->rows,
					 w->purge.nrows, &f->counts.preprocess);
	w->octets = w->packets = 0;
	for (size_t i = 0; i < w->purge.nrows; i++) {
		w->octets += w->rows[i].sums.octets;
		w->packets += w->rows[i].sums.packets;
	}
}

static void hold(struct flush *f, const struct sum_row *row, const uint8_t *key, bool narrow)
{
	const struct agg_total total = { row->sums.octets, row->sums.packets };

	aggregate_unbind(f->held);
	if (narrow)
		aggregate_add_narrow(f->held, key, &row->sums, 1, &total);
	else
		aggregate_add_total(f->held, key, &row->sums, 1, &total);
	f->counts.held_octets += row->sums.octets;
	f->counts.held_packets += row->sums.packets;
	if (row->bin < f->held_first)
		f->held_first = row->bin;
}

/* Rows of bins before `limit` into w, the others back into f->held; of the table nothing is left. */
static void cut_at(struct flush *f, struct waiting *w, struct aggregate *table, int64_t limit)
{
	const size_t n = aggregate_rows(table), bin_bytes = pipeline_bin_bytes(f->pipeline);
	const size_t size = pipeline_layout(f->pipeline)->size;

	/* Half a gigabyte at ten million keys goes before the keys of the rows come. */
	aggregate_seal(table);
	w->rows = xcalloc(n + 1, sizeof(*w->rows));
	w->keys = xcalloc(n + 1, size);
	f->held_first = INT64_MAX;
	for (size_t i = 0; i < n; i++) {
		struct sum_row *row = &w->rows[w->purge.nrows];
		uint8_t *to = w->keys + w->purge.nrows * size;
		const uint8_t *key;
		const bool narrow = aggregate_row(table, i, &row->sums, &key);

		row->bin = bin_of_key(key, bin_bytes);
		row->key = to;
		if (row->bin >= limit && !f->held)
			f->held = new_table(f, f->budget);
		if (row->bin >= limit && f->held) {
			hold(f, row, key, narrow);
			continue;
		}
		/* Without memory to hold it, better too early than lost. */
		pipeline_unpack(f->pipeline, to, key, narrow);
		w->octets += row->sums.octets;
		w->packets += row->sums.packets;
		w->purge.nrows++;
	}
	aggregate_free(table);
	w->keys_bytes = w->purge.nrows * size;
	atomic_fetch_add(&f->budget->used, w->keys_bytes);
	w->purge.rows = w->rows;
}

/* The newest bin that a purge with this limit writes, for file names. */
static int64_t slot_of(const struct flush *f, int64_t limit)
{
	const struct timebin *b = pipeline_bins(f->pipeline);

	return b->kind == BIN_NONE ? 0 : timebin_find(b, limit - 1).start;
}

static struct waiting *purge_make(struct flush *f, int64_t now, int64_t deadline, bool last)
{
	struct waiting *w = xcalloc(1, sizeof(*w));
	struct aggregate *table;
	int64_t limit =
		purge_limit(pipeline_bins(f->pipeline), now, f->before, f->settings->startup_delay);

	w->marks = xcalloc(f->nworkers, sizeof(*w->marks));
	table = take_all(f, w->marks);
	w->purge.now = now;
	w->purge.deadline = deadline;
	w->purge.slot = slot_of(f, limit);
	w->purge.last = last;
	w->purge.marks = w->marks;
	w->purge.nmarks = f->nworkers;
	if (table)
		cut_at(f, w, table, last ? INT64_MAX : limit);
	preprocess(f, w);
	if (w->purge.nrows == 0 && !f->settings->print_write_empty_file) {
		waiting_free(f, w);
		return NULL;
	}
	w->purge.id = ++f->next_id;
	return w;
}

/* ---- handing it over ---- */

static void publish(struct flush *f)
{
	void (*purged)(void *ctx);

	pthread_mutex_lock(&f->lock);
	purged = f->purged;
	f->counts.waiting_octets = f->waiting ? f->waiting->octets : 0;
	f->counts.waiting_packets = f->waiting ? f->waiting->packets : 0;
	f->counts.waiting_rows = f->waiting ? f->waiting->purge.nrows : 0;
	if (f->handle)
		f->counts.sink = *f->sink->counts(f->handle);
	f->published = f->counts;
	pthread_mutex_unlock(&f->lock);
	if (purged)
		purged(f->ctx);
}

/*
 * What the sink took, less what it refused and what it put into files; from there
 * it is written by and by, also when it took nothing.  Modulo 2^64.
 */
static void book(struct flush *f, const struct sink_counts *before, uint64_t octets,
		 uint64_t packets)
{
	const struct sink_counts *c = f->sink->counts(f->handle);

	f->counts.written_octets += octets - (c->rejected_octets - before->rejected_octets) -
				    (c->spooled_octets - before->spooled_octets);
	f->counts.written_packets += packets - (c->rejected_packets - before->rejected_packets) -
				     (c->spooled_packets - before->spooled_packets);
}

/* The sink's own work, as long as there is no purge for it. */
static void tend(struct flush *f)
{
	struct sink_counts before;

	if (!f->handle || !f->sink->tend || f->waiting)
		return;
	before = *f->sink->counts(f->handle);
	f->sink->tend(f->handle);
	book(f, &before, 0, 0);
	if (f->sink->counts(f->handle)->spooled != before.spooled)
		publish(f);
}

/* Try the purge that waits; true when it is gone. */
static bool hand_over(struct flush *f)
{
	struct waiting *w = f->waiting;
	const struct sink_counts before = *f->sink->counts(f->handle), *c;

	if (f->sink->write(f->handle, &w->purge) != SINK_OK) {
		f->counts.retries++;
		book(f, &before, 0, 0);
		return false;
	}
	book(f, &before, w->octets, w->packets);
	c = f->sink->counts(f->handle);
	log_debug("plugin %s: purge %" PRIu64 ": %zu rows, %" PRIu64 " octets, %" PRIu64
		  " packets; %" PRIu64 " inserted, %" PRIu64 " updated, %" PRIu64 " refused, %" PRIu64
		  " in a file, in %" PRIu64 " ms", f->settings->name, w->purge.id, w->purge.nrows,
		  w->octets, w->packets, c->inserted - before.inserted, c->updated - before.updated,
		  c->rejected - before.rejected, c->spooled_rows - before.spooled_rows,
		  (c->write_ns - before.write_ns) / 1000000);
	f->counts.purges++;
	f->counts.rows += w->purge.nrows;
	trigger_purged(&f->trigger, &w->purge, &before, c);
	waiting_free(f, w);
	f->waiting = NULL;
	return true;
}

/* A sink recovers by the wall clock, also while a capture's clock runs. */
static int64_t wall_s(void)
{
	return (int64_t)(clock_wall_us() / 1000000);
}

static void put_off(struct flush *f)
{
	if (!f->backoff)
		log_warn("plugin %s: purge %llu of %zu rows waits: the sink does not take it now",
			 f->settings->name, (unsigned long long)f->waiting->purge.id,
			 f->waiting->purge.nrows);
	f->backoff = f->backoff ? f->backoff * 2 : 1;
	if (f->backoff > BACKOFF_MAX)
		f->backoff = BACKOFF_MAX;
	f->retry_at = wall_s() + f->backoff;
}

/* How complete the bill of the bin is, beside it. */
static void tell_exporters(struct flush *f, int64_t now)
{
	const struct timebin *b = pipeline_bins(f->pipeline);
	const uint32_t refresh = f->settings->refresh_time;
	const int64_t at = purge_latest(f->deadline, now - 1, refresh);

	if (f->exporters.p)
		exporter_book_write(&f->exporters, f->handle, f->worker, f->nworkers,
				    b->kind == BIN_NONE ? at : timebin_find(b, now - 1).start);
}

bool flush_step(struct flush *f, int64_t now)
{
	bool urgent, handed = false;

	if (f->waiting) {
		if (wall_s() < f->retry_at)
			return false;
		handed = true;
		if (!hand_over(f)) {
			put_off(f);
			/* Deadlines that pass meanwhile are one purge, later. */
			publish(f);
			return true;
		}
		if (f->backoff)
			log_info("plugin %s: the sink takes purges again", f->settings->name);
		f->backoff = 0;
	}
	pthread_mutex_lock(&f->lock);
	/* What is held back cannot be purged away: then not more than once a second. */
	urgent = f->urgent && (!f->futile || now > f->before);
	f->urgent = false;
	pthread_mutex_unlock(&f->lock);
	if (now >= f->deadline || urgent) {
		int64_t due = purge_latest(f->deadline, now, f->settings->refresh_time);

		f->waiting = purge_make(f, now, due, false);
		if (f->waiting)
			f->waiting->purge.early = now < f->deadline;
		f->before = now;
		f->deadline = due + f->settings->refresh_time;
		f->futile = f->held &&
			    aggregate_rows(f->held) > (f->waiting ? f->waiting->purge.nrows : 0);
		if (f->waiting) {
			handed = true;
			if (!hand_over(f))
				put_off(f);
		}
		if (!f->waiting)
			tell_exporters(f, now);
	}
	publish(f);
	return handed;
}

static void tables_empty(struct worker *w, void *arg)
{
	struct take *t = arg;

	t->batch = aggregate_rows(lane_table(w->lane[t->lane]));
}

bool flush_idle(const struct flush *f, int64_t deadline)
{
	if (f->waiting)
		return false;
	for (size_t i = 0; i < f->nworkers; i++) {
		struct take t = { f->plugin, NULL, 0 };

		worker_do(&f->worker[i], tables_empty, &t);
		if (t.batch)
			return false;
	}
	return !f->held || purge_limit(pipeline_bins(f->pipeline), deadline, f->before,
				       f->settings->startup_delay) <= f->held_first;
}

static void save_or_lose(struct flush *f, struct waiting *w)
{
	bool saved = f->sink->salvage && f->sink->salvage(f->handle, &w->purge) == 0;

	f->counts.unwritten++;
	if (saved) {
		f->counts.salvaged_octets += w->octets;
		f->counts.salvaged_packets += w->packets;
	} else {
		f->counts.lost_octets += w->octets;
		f->counts.lost_packets += w->packets;
		log_error("plugin %s: purge %llu is lost: %zu rows, %llu octets, %llu packets",
			  f->settings->name, (unsigned long long)w->purge.id, w->purge.nrows,
			  (unsigned long long)w->octets, (unsigned long long)w->packets);
	}
	waiting_free(f, w);
}

static bool persist(struct flush *f, unsigned attempts)
{
	const struct timespec pause = { 0, RETRY_PAUSE_MS * 1000000L };

	for (unsigned i = 0; f->waiting && i < attempts; i++) {
		if (i)
			nanosleep(&pause, NULL);
		hand_over(f);
	}
	return !f->waiting;
}

static void finish(struct flush *f, int64_t now, unsigned attempts)
{
	struct waiting *older = NULL;

	if (!f->handle)
		return;

	if (!persist(f, attempts)) {
		older = f->waiting;
		attempts = 1;
	}
	f->waiting = purge_make(f, now, f->deadline, true);
	if (older) {		/* in order: a newer one must not go before it */
		save_or_lose(f, older);
		if (f->waiting)
			save_or_lose(f, f->waiting);
		f->waiting = NULL;
	} else if (!persist(f, attempts)) {
		save_or_lose(f, f->waiting);
		f->waiting = NULL;
	} else {
		tell_exporters(f, now);
	}
	if (f->handle && f->sink->counts(f->handle)->spooled)
		f->counts.unwritten++;
	publish(f);
}

/* ---- life ---- */

void flush_restart(struct flush *f, int64_t now)
{
	f->before = now;
	f->deadline = purge_first(now, f->settings->history_roundoff, f->settings->refresh_time,
				  f->settings->startup_delay);
}

int flush_init(struct flush *f, int64_t now)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	f->held_first = INT64_MAX;
	if (f->settings->sql_exporters_table)
		f->exporters = (struct exporter_book) {
			.p = f->settings, .sink = f->sink, .run_id = f->seed
		};
	trigger_init(&f->trigger, f->settings, pipeline_layout(f->pipeline), now);
	flush_restart(f, now);
	for (size_t i = 0; i < f->nworkers; i++) {
		struct aggregate *a = new_table(f, f->budget);

		if (!a)
			return -1;
		aggregate_free(lane_swap(f->worker[i].lane[f->plugin], a));
	}
	return 0;
}

void flush_clear(struct flush *f)
{
	waiting_free(f, f->waiting);
	aggregate_free(f->held);
	exporter_book_clear(&f->exporters);
	f->waiting = NULL;
	f->held = NULL;
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->wake);
}

/*
 * Wait for at most a tick, or until woken; true when something is due.  Deadlines
 * are wall-clock times, the waiting is not: a clock that is set back must not
 * make a plugin sleep for as long.
 */
static bool wait_until_due(struct flush *f)
{
	uint64_t now = clock_wall_us(), due, wait_us = TICK_US, until;
	struct timespec ts;

	if (f->deadline >
	    (int64_t)(now / 1000000) + f->settings->refresh_time + f->settings->startup_delay)
		flush_restart(f, (int64_t)(now / 1000000));
	if (f->retry_at > (int64_t)(now / 1000000) + BACKOFF_MAX)
		f->retry_at = (int64_t)(now / 1000000);
	due = (uint64_t)(f->waiting ? f->retry_at : f->deadline) * 1000000;
	if (now >= due || (f->urgent && !f->waiting))
		return true;
	if (due - now < wait_us)
		wait_us = due - now;
	until = clock_mono_ns() + wait_us * 1000;
	ts = (struct timespec){ (time_t)(until / 1000000000), (long)(until % 1000000000) };
	pthread_cond_timedwait(&f->wake, &f->lock, &ts);
	return false;
}

static void *flush_main(void *arg)
{
	struct flush *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->attempts) {
		const bool due = wait_until_due(f);

		pthread_mutex_unlock(&f->lock);
		tend(f);
		if (due)
			flush_step(f, wall_s());
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	finish(f, f->finish_at, f->attempts);
	return NULL;
}

int flush_start(struct flush *f)
{
	int err;

	f->threaded = true;
	err = pthread_create(&f->thread, NULL, flush_main, f);
	if (err) {
		f->threaded = false;
		errno = err;
		return -1;
	}
	return 0;
}

void flush_urge(struct flush *f)
{
	pthread_mutex_lock(&f->lock);
	if (!f->urgent) {
		f->urgent = true;
		pthread_cond_signal(&f->wake);
	}
	pthread_mutex_unlock(&f->lock);
}

void flush_finish(struct flush *f, int64_t now, unsigned attempts)
{
	pthread_mutex_lock(&f->lock);
	f->purged = NULL;
	f->finish_at = now;
	f->attempts = attempts;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	if (!f->threaded)
		finish(f, now, attempts);
}

void flush_wait(struct flush *f)
{
	if (f->threaded)
		pthread_join(f->thread, NULL);
	f->threaded = false;
}

static void tables_shed(struct worker *w, void *arg)
{
	struct tables_loss *t = arg;
	const struct agg_counts *c = aggregate_counts(lane_table(w->lane[t->lane]));

	t->records += c->shed;
	t->octets += c->shed_octets;
}

void flush_watch(struct flush *f)
{
	struct tables_loss t = { f->plugin, 0, 0 };
	struct flush_counts before;

	for (size_t i = 0; i < f->nworkers; i++)
		worker_do(&f->worker[i], tables_shed, &t);
	if (!t.records)
		return;
	flush_read_counts(f, &before);
	tell_shed(f, before.shed + t.records, before.shed_octets + t.octets);
}

void flush_read_counts(struct flush *f, struct flush_counts *out)
{
	pthread_mutex_lock(&f->lock);
	*out = f->published;
	pthread_mutex_unlock(&f->lock);
}
