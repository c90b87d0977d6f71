#include "nfacctd/engine_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

enum { FINAL_ATTEMPTS = 3, WATCH_US = 5000000, READ_AT_ONCE = 1024 };

/* ---- files that are not a plugin's ---- */

static void core_maps_clear(struct core_maps *m)
{
	networks_free(m->allow);
	tagmap_free(m->sampling);
	directions_free(m->directions);
	memset(m, 0, sizeof(*m));
}

/* -1 after logging; what could be loaded is freed again. */
static int core_maps_load(struct core_maps *m, const struct settings *s)
{
	char where[SETTINGS_WHERE];

	bool bad = false;

	memset(m, 0, sizeof(*m));
#define WHERE(key) settings_where(s, key, NULL, where)
	if (s->allow_file)
		bad |= !(m->allow = senders_load(WHERE("nfacctd_allow_file"), s->allow_file));
	if (s->sampling_map)
		bad |= !(m->sampling = tagmap_load(
				 WHERE("sampling_map"), s->sampling_map, TAGMAP_SAMPLING));
	if (s->direction_map)
		bad |= !(m->directions = directions_load(
				 WHERE("nfacctd_direction_map"), s->direction_map));
#undef WHERE
	if (bad)
		core_maps_clear(m);
	return bad ? -1 : 0;
}

/* ---- set-up ---- */

static int plugin_init(struct engine *e, size_t i, const struct sink *(*find)(const char *),
		       int64_t now)
{
	struct plugin *p = &e->plugin[i];
	const char *notice;
	bool bad;

	p->settings = &e->settings->plugin[i];
	p->maps = xcalloc(1, sizeof(*p->maps));
	bad = plugin_maps_load(p->maps, e->settings, p->settings) < 0;
	p->pipeline = pipeline_new(e->settings, p->settings, now);
	if (!p->pipeline || bad)
		return -1;
	notice = pipeline_notice(p->pipeline);
	if (notice)
		log_info("plugin %s: %s", p->settings->name, notice);
	for (size_t w = 0; w < e->nworkers; w++) {
		struct worker *to = &e->worker[w];

		to->lane[i] = lane_new(p->pipeline, p->maps);
		to->state.timed = to->state.timed || lane_timed(to->lane[i]);
		to->state.flows = to->state.flows || pipeline_shape(p->pipeline)->flows;
		to->state.flags = to->state.flags || pipeline_shape(p->pipeline)->tcp_flags;
		to->state.events = to->state.events || lane_events(to->lane[i]);
	}
	p->flush = (struct flush){ .plugin = (unsigned)i,
				   .settings = p->settings,
				   .pipeline = p->pipeline,
				   .sink = sink_guarded(find(p->settings->type), p->settings),
				   .worker = e->worker,
				   .nworkers = e->nworkers,
				   .budget = &e->budget,
				   .seed = e->seed };
	p->flushing = true;
	return flush_init(&p->flush, now);
}

/* Where the local zone folds an hour, two hours of a bill get one name. */
static void warn_of_dst(const struct settings *s, int64_t now)
{
	for (size_t i = 0; i < s->nplugins; i++) {
		const struct plugin_settings *p = &s->plugin[i];

		if ((p->history.seconds || p->history.months) && !p->timestamps_utc &&
		    !p->timestamps_since_epoch && zone_has_dst(now)) {
			log_warn("the time zone has summer time: one hour a year is written twice "
				 "under one name; "
				 "run with TZ=UTC or set timestamps_utc: true");
			return;
		}
	}
}

/* Tables that are empty take a part of it; purges for want of memory must not begin with them. */
static int check_budget(const struct engine *e)
{
	const uint64_t used = atomic_load(&e->budget.used);
	char where[SETTINGS_WHERE];

	if (used / 2 * 3 <= e->budget.limit)
		return 0;
	log_error("%s: \"%" PRIu64 "\": the empty tables of %zu workers and %zu plugins take "
		  "%" PRIu64 " bytes; expected at least %" PRIu64,
		  settings_where(e->settings, "nfacctd_memory_budget", NULL, where),
		  e->budget.limit, e->nworkers, e->nplugins, used, used / 2 * 3);
	return -1;
}

/* Members that nobody looks at need not be decoded. */
static void want_members(struct engine *e)
{
	uint64_t members = FLOW_BIT(direction);

	if (e->settings->direction_map)
		members |= FLOW_BIT(in_if) | FLOW_BIT(out_if);
	for (size_t i = 0; i < e->nplugins; i++)
		members |= e->maps.sampling ? UINT64_MAX : pipeline_members(e->plugin[i].pipeline);
	for (size_t i = 0; i < e->nworkers; i++)
		decoder_want(e->worker[i].decoder, members);
}

/* Whether nobody needs records: see pipeline.h. */
static bool is_direct(const struct engine *e)
{
	bool direct = !e->maps.sampling;

	for (size_t i = 0; i < e->nplugins; i++)
		direct = direct && pipeline_direct(e->plugin[i].pipeline);
	return direct;
}

struct engine *engine_new(const struct settings *s, const struct sink *(*find)(const char *),
			  int64_t now, uint64_t seed)
{
	struct engine *e = xcalloc(1, sizeof(*e));
	const size_t nworkers = s->workers;
	bool bad;

	e->settings = s;
	e->seed = seed;
	e->budget.limit = s->memory_budget;
	e->budget.supply =
		agg_supply_new(); /* without it: slower where there are millions of sums */
	e->nplugins = s->nplugins;
	e->plugin = xcalloc(s->nplugins, sizeof(*e->plugin));
	e->worker = xcalloc(nworkers, sizeof(*e->worker));
	for (size_t i = 0; i < sizeof(e->fd) / sizeof(e->fd[0]); i++)
		e->fd[i] = -1;
	warn_of_dst(s, now);
	bad = core_maps_load(&e->maps, s) < 0;
	for (size_t i = 0; i < nworkers; i++) {
		if (worker_init(&e->worker[i], (unsigned)i, s, s->nplugins, seed + i) < 0) {
			log_error_errno("worker %zu", i);
			goto fail;
		}
		e->nworkers = i + 1;
		e->worker[i].allow = e->maps.allow;
		e->worker[i].state.sampling = e->maps.sampling;
		e->worker[i].state.directions = e->maps.directions;
	}
	for (size_t i = 0; i < e->nplugins; i++)
		bad |= plugin_init(e, i, find, now) < 0;
	if (bad)
		goto fail;
	if (check_budget(e) < 0)
		goto fail;
	want_members(e);
	if (is_direct(e))
		for (size_t i = 0; i < e->nworkers; i++)
			if (worker_go_direct(&e->worker[i]) < 0)
				goto fail;
	return e;
fail:
	engine_free(e);
	return NULL;
}

static void stop_feed(struct engine *e)
{
	if (!e->feed)
		return;
	feed_stop(e->feed);
	free(e->feed);
	e->feed = NULL;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	stop_feed(e);
	for (size_t i = 0; i < e->nworkers; i++)
		worker_clear(&e->worker[i]);
	for (size_t i = 0; i < e->nplugins; i++) {
		struct plugin *p = &e->plugin[i];

		if (p->flush.handle)
			p->flush.sink->close(p->flush.handle);
		if (p->flushing)
			flush_clear(&p->flush);
		pipeline_free(p->pipeline);
		if (p->maps)
			plugin_maps_clear(p->maps);
		free(p->maps);
	}
	for (size_t i = 0; i < sizeof(e->fd) / sizeof(e->fd[0]); i++)
		if (e->fd[i] >= 0)
			close(e->fd[i]);
	agg_supply_free(e->budget.supply);
	core_maps_clear(&e->maps);
	free(e->plugin);
	free(e->worker);
	free(e);
}

/* Lines that could not be used. */
static size_t maps_skipped(const struct plugin_maps *m)
{
	return (m->networks ? m->networks->skipped : 0) + (m->ports ? m->ports->skipped : 0) +
	       (m->protos ? m->protos->skipped : 0) + (m->tos ? m->tos->skipped : 0) +
	       (m->tags ? tagmap_skipped(m->tags) : 0);
}

static size_t core_maps_skipped(const struct core_maps *m)
{
	return (m->allow ? m->allow->skipped : 0) + (m->sampling ? tagmap_skipped(m->sampling) : 0);
}

unsigned engine_check(struct engine *e)
{
	unsigned problems = 0;

	for (size_t i = 0; i < e->nplugins; i++) {
		struct plugin *p = &e->plugin[i];

		problems += (unsigned)maps_skipped(p->maps);
		problems += p->flush.sink->check(p->settings, pipeline_layout(p->pipeline));
	}
	return problems + (unsigned)core_maps_skipped(&e->maps);
}

int engine_open(struct engine *e)
{
	const struct settings *s = e->settings;

	for (size_t i = 0; i < e->nplugins; i++) {
		struct flush *f = &e->plugin[i].flush;

		f->handle = f->sink->open(f->settings, pipeline_layout(f->pipeline), e->seed);
		if (!f->handle) {
			log_error("plugin %s: not started", f->settings->name);
			return -1;
		}
		if (f->exporters.p && exporter_book_check(&f->exporters, f->handle) < 0)
			return -1;
	}
	e->templates.path = s->templates_file;
	/* A capture has a clock of its own. */
	templates_file_read(&e->templates, e->worker, e->nworkers,
			    s->pcap_savefile ? 0 : clock_wall_us());
	return 0;
}

/* ---- listening ---- */

static int join_groups(const struct settings *s, int fd)
{
	char *list = xstrdup(s->mcast_groups), *save = NULL;
	int err = 0;

	for (char *g = strtok_r(list, ", \t", &save); g && !err;
	     g = strtok_r(NULL, ", \t", &save)) {
		struct addr a;

		/* settings_check.c has looked at them. */
		if (!addr_parse(&a, g) || socket_join(fd, &a) < 0) {
			log_error_errno("nfacctd_mcast_groups: \"%s\"", g);
			err = -1;
		}
	}
	free(list);
	return err;
}

static int listen_one(const struct settings *s, const struct endpoint *at, bool reuse_port)
{
	const struct listen_options o = {
		.recv_buffer = s->pipe_size > INT32_MAX ? INT32_MAX : (int)s->pipe_size,
		.reuse_port = reuse_port,
		.reuse_addr = false,
		.gro = true,
		.v6_only = s->ipv6_only,
		.interface = s->interface,
	};
	char text[ENDPOINT_TEXT];
	int fd = socket_listen(at, &o);

	if (fd < 0)
		log_error_errno("cannot listen on %s (nfacctd_ip, nfacctd_port)",
				endpoint_print(at, text));
	return fd;
}

int engine_listen(struct engine *e)
{
	const struct settings *s = e->settings;
	struct endpoint at = { .port = (uint16_t)s->port, .any = !s->ip };
	const bool shared = e->nworkers > 1 || s->share_port;
	char text[ENDPOINT_TEXT];
	int got;

	if (s->ip)
		addr_parse(&at.addr, s->ip);	/* settings_load has checked it */
	/* With several sockets of ours on one port another daemon's would slip in: look first. */
	if (shared && !s->share_port) {
		int probe = listen_one(s, &at, false);

		if (probe < 0)
			return -1;
		close(probe);
	}
	for (size_t i = 0; i < e->nworkers; i++) {
		e->fd[i] = listen_one(s, &at, shared);
		if (e->fd[i] < 0 || (s->mcast_groups && join_groups(s, e->fd[i]) < 0))
			return -1;
	}
	if (e->nworkers > 1 && socket_steer_by_source(e->fd[0], (unsigned)e->nworkers) < 0) {
		log_error_errno("cannot steer exporters to %zu workers", e->nworkers);
		return -1;
	}
	got = socket_recv_buffer(e->fd[0]);
	log_info("listening on %s, receive buffer %d bytes", endpoint_print(&at, text), got);
	if (s->pipe_size && (uint64_t)got < s->pipe_size)
		log_warn("nfacctd_pipe_size: the kernel gives %d bytes of %" PRIu64
			 "; `sysctl -w net.core.rmem_max=%" PRIu64 "` allows more",
			 got, s->pipe_size, s->pipe_size);
	return 0;
}

/* ---- running ---- */

static bool is_scarce(const struct agg_budget *b)
{
	return atomic_load_explicit(&b->used, memory_order_relaxed) > b->limit / 4 * 3;
}

/* A worker, after each batch: purge early rather than run out of memory. */
static void watch_memory(void *ctx)
{
	struct engine *e = ctx;

	if (!is_scarce(&e->budget))
		return;
	for (size_t i = 0; i < e->nplugins; i++)
		flush_urge(&e->plugin[i].flush);
}

int engine_start(struct engine *e, void (*purged)(void *ctx), void *ctx)
{
	/* Workers first: from then on a flush reaches them by worker_do() only. */
	for (size_t i = 0; i < e->nworkers; i++) {
		struct worker *w = &e->worker[i];
		int fd = e->fd[i];

		w->after_batch = watch_memory;
		w->ctx = e;
		e->fd[i] = -1;
		if (worker_start(w, fd) < 0) {
			log_error_errno("worker %zu: no thread", i);
			return -1;
		}
		e->started++;
	}
	for (size_t i = 0; i < e->nplugins; i++) {
		struct flush *f = &e->plugin[i].flush;

		f->purged = purged;
		f->ctx = ctx;
		if (flush_start(f) < 0) {
			log_error_errno("plugin %s: no thread", f->settings->name);
			return -1;
		}
	}
	return 0;
}

void engine_watch(struct engine *e, uint64_t now_us)
{
	const uint64_t limit_us = (uint64_t)e->settings->silence * 1000000;

	if (limit_us && now_us >= e->watched_us + (limit_us < WATCH_US ? limit_us : WATCH_US)) {
		e->watched_us = now_us;
		exporters_watch(e->worker, e->nworkers, now_us, limit_us);
	}
	if (!e->started)
		return;
	if (now_us >= e->crowd_us + WATCH_US) {
		e->crowd_us = now_us;
		exporters_tell_crowd(&e->crowd, e->worker, e->nworkers, now_us);
	}
	if (!is_scarce(&e->budget))
		return;
	for (size_t i = 0; i < e->nplugins; i++)
		flush_watch(&e->plugin[i].flush);
}

/* Every purge that live reception would have made until `now`. */
static void purge_until(struct flush *f, int64_t now)
{
	while (f->deadline <= now) {
		if (f->waiting) {
			flush_step(f, f->deadline);
			if (f->waiting)		/* later: the tables add up what comes */
				return;
			continue;
		}
		if (flush_idle(f, f->deadline)) {
			int64_t skip =
				f->held ? f->deadline
					: purge_latest(f->deadline, now, f->settings->refresh_time);

			f->before = skip;
			f->deadline = skip + f->settings->refresh_time;
			continue;
		}
		flush_step(f, f->deadline);
	}
}

/* A sender's datagrams stay in order: they go to one worker, each new sender's to the next. */
static size_t steer(struct engine *e, const struct addr *from)
{
	uint64_t w[2];
	uint8_t *slot;

	memcpy(w, from->b, sizeof(w));
	/* An address' last octet is the highest here: only the highest bits of the product tell. */
	w[0] = (w[0] ^ w[1] ^ e->seed) * UINT64_C(0x9e3779b97f4a7c15);
	slot = &e->steer[w[0] >> (64 - STEER_BITS)];
	if (!*slot)
		*slot = (uint8_t)(e->steered++ % e->nworkers + 1);
	return *slot - 1u;
}

/* What was read and may not be in the sums yet finds room there, whatever it holds. */
static bool is_within(const struct engine *e)
{
	const uint64_t used = atomic_load_explicit(&e->budget.used, memory_order_relaxed);

	return used + e->unsettled * GROWTH * e->nplugins <= e->budget.limit;
}

/*
 * A capture can wait, so no row of it need be shed: who reads stays so close to the
 * workers that what they have not yet summed up fits into the budget.
 */
static void stay_within(struct engine *e)
{
	if (is_within(e))
		return;
	feed_settle(e->feed);
	e->unsettled = 0;
}

/* What is due before a datagram of second `now`. */
static void purge_before(struct engine *e, struct plugin *p, int64_t now)
{
	purge_until(&p->flush, now);
	if (is_scarce(&e->budget)) {
		flush_urge(&p->flush);
		flush_step(&p->flush, now);
	}
}

/* The earliest second in which there is something to do before a datagram of it. */
static void look_ahead(struct engine *e)
{
	const uint64_t limit_us = (uint64_t)e->settings->silence * 1000000;

	e->quiet_s = INT64_MAX;
	if (limit_us)
		e->quiet_s = (int64_t)((e->watched_us + (limit_us < WATCH_US ? limit_us : WATCH_US)) /
				       1000000);
	for (size_t i = 0; i < e->nplugins; i++)
		if (e->plugin[i].flush.deadline < e->quiet_s)
			e->quiet_s = e->plugin[i].flush.deadline;
}

/* What is due before this datagram. */
static void make_ready(struct engine *e, const struct datagram *d)
{
	int64_t now = (int64_t)(d->recv_us / 1000000);

	if (e->feed)
		stay_within(e);
	for (size_t i = 0; i < e->nplugins; i++) {
		struct plugin *p = &e->plugin[i];

		if (!e->fed) {
			pipeline_restart(p->pipeline, p->settings, now);
			flush_restart(&p->flush, now);
		}
		purge_before(e, p, now);
	}
	if (e->fed && now > e->last_s)
		engine_watch(e, d->recv_us);
	look_ahead(e);
}

static bool is_due(const struct engine *e, const struct datagram *d)
{
	return (int64_t)(d->recv_us / 1000000) >= e->quiet_s || is_scarce(&e->budget) ||
	       (e->feed && !is_within(e));
}

static void see_time(struct engine *e, const struct datagram *d)
{
	const int64_t now = (int64_t)(d->recv_us / 1000000);

	if (!e->fed || now > e->last_s)
		e->last_s = now;
}

/* See feed_place_fn. */
static int place(void *ctx, const struct datagram *d, bool owner)
{
	struct engine *e = ctx;

	if (is_due(e, d)) {
		if (!owner)
			return -1;
		make_ready(e, d);
	}
	see_time(e, d);
	e->unsettled += d->data.n;
	return (int)steer(e, &d->from.addr);
}

/* Threads for the workers of a capture; without them the first one does the work of all. */
static void start_feed(struct engine *e)
{
	if (e->nworkers < 2)
		return;
	e->feed = xcalloc(1, sizeof(*e->feed));
	if (feed_start(e->feed, place, e, e->worker, e->nworkers) < 0) {
		log_warn_errno("nfacctd_workers: no thread: one does the work of all");
		free(e->feed);
		e->feed = NULL;
	}
}

void engine_feed(struct engine *e, const struct datagram *d)
{
	if (e->feed) {
		feed_put(e->feed, d);
		return;
	}
	if (is_due(e, d))
		make_ready(e, d);
	see_time(e, d);
	if (!e->fed)
		start_feed(e);
	e->fed = true;
	if (e->feed)
		feed_put(e->feed, d);
	else
		worker_take(&e->worker[0], d);
}

int engine_read(struct engine *e, struct capture *c, char *why)
{
	struct datagram d;
	int got = 1;

	if (e->feed)
		return feed_read(e->feed, c, why);
	/* The first one of several workers starts them. */
	for (unsigned n = 0; n < READ_AT_ONCE && !e->feed; n++) {
		if ((got = capture_next(c, &d, NULL, why)) <= 0)
			break;
		engine_feed(e, &d);
	}
	return got;
}

void engine_settle(struct engine *e)
{
	if (e->feed)
		feed_settle(e->feed);
}

int engine_save_templates(struct engine *e)
{
	return templates_file_write(&e->templates, e->worker, e->nworkers, clock_wall_us());
}

/* The workers stand still for good. */
static int write_all(struct engine *e)
{
	int64_t now = e->fed ? e->last_s : (int64_t)(clock_wall_us() / 1000000);
	int err = 0;

	e->written = true;
	for (size_t i = 0; i < e->nworkers; i++)
		worker_give_up(&e->worker[i]);
	for (size_t i = 0; i < e->nplugins; i++)
		flush_finish(&e->plugin[i].flush, now, FINAL_ATTEMPTS);
	for (size_t i = 0; i < e->nplugins; i++) {
		flush_wait(&e->plugin[i].flush);
		if (e->plugin[i].flush.counts.unwritten)
			err = -1;
	}
	if (engine_save_templates(e) < 0)
		err = -1;
	return err;
}

int engine_fed(struct engine *e)
{
	stop_feed(e);
	return e->written ? 0 : write_all(e);
}

int engine_stop(struct engine *e)
{
	if (e->stopped)
		return 0;
	e->stopped = true;
	stop_feed(e);
	for (size_t i = 0; i < e->started; i++)
		worker_stop(&e->worker[i]);
	return e->written ? 0 : write_all(e);
}

/* ---- reload ---- */

struct new_maps {
	struct engine *e;
	struct plugin_maps **maps;
	struct core_maps core;
};

static void install_maps(struct worker *w, void *arg)
{
	const struct new_maps *n = arg;

	for (size_t i = 0; i < w->nlanes; i++)
		lane_set_maps(w->lane[i], n->maps[i]);
	w->allow = n->core.allow;
	w->state.sampling = n->core.sampling;
	w->state.directions = n->core.directions;
}

int engine_reload(struct engine *e)
{
	struct new_maps n = { e, xcalloc(e->nplugins, sizeof(*n.maps)), { 0 } };
	int err = 0;

	/* A line that is skipped at start is a warning; a slip in the editor must not move a bill.
	 */
	if (core_maps_load(&n.core, e->settings) < 0 || core_maps_skipped(&n.core))
		err = -1;
	for (size_t i = 0; i < e->nplugins; i++) {
		n.maps[i] = xcalloc(1, sizeof(**n.maps));
		if (plugin_maps_load(n.maps[i], e->settings, e->plugin[i].settings) < 0 ||
		    maps_skipped(n.maps[i]))
			err = -1;
	}
	for (size_t i = 0; i < e->nworkers && !err; i++)
		worker_do(&e->worker[i], install_maps, &n);
	for (size_t i = 0; i < e->nplugins; i++) {
		struct plugin_maps *unused = err ? n.maps[i] : e->plugin[i].maps;

		if (!err)
			e->plugin[i].maps = n.maps[i];
		plugin_maps_clear(unused);
		free(unused);
	}
	core_maps_clear(err ? &n.core : &e->maps);
	if (!err)
		e->maps = n.core;
	free(n.maps);
	if (err)
		log_error("reload: nothing is changed, the files of before stay in force");
	else
		log_info("reload: all files are in force");
	return err;
}
