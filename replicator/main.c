/*
 * main.c - replicator: every datagram that arrives goes to every receiver
 * whose rule wants it.
 *
 * Workers receive and send (worker.h); this thread starts them, waits for
 * signals, tells what they counted, and gives them new receivers.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "replicator/carry.h"
#include "replicator/control.h"
#include "replicator/inherit.h"
#include "replicator/memory.h"
#include "replicator/outage.h"
#include "replicator/reload.h"
#include "replicator/report.h"
#include "replicator/rights.h"
#include "replicator/top.h"

enum {
	TICK_MS = 1000,
	REFRESH_TICKS = 5,
	SAVE_TICKS = 60,
	RECEIVE_BUFFER =
		8 << 20, /* when the settings say nothing: as much of it as the kernel gives */
	SMALL_BUFFER =
		1 << 20, /* less than this is worth a warning, though nobody asked for more */
	SEND_BUFFER = 4 << 20,
	HANDOVER_MS = 5000,
	EXIT_IDLE = 5, /* samplicator's status for -t */
	SPARE_FILES = 64,
	SPOOF_MAX = 16384,
	SYNC_MAX = 64, /* spools of a worker that are forced to the disk at a time */
};

struct replicator {
	struct settings settings;
	struct worker *workers;
	size_t n;		/* of them */
	struct dedup *dedup;	/* NULL: copies pass */
	struct reload reload;
	struct metrics *metrics;
	int signal_fd, pid_fd, control_fd;
	int memory_fd;		/* of the process before; -1: none */
	size_t files;		/* descriptors that we may have */
	int receive_buffer;	/* bytes that each socket has */
	bool stop;
	uint64_t reloads, reloads_failed, ticks;
	uint64_t names_ns, names_changed, names_stale;
	uint64_t stats_log_us, recv_log_us, sync_log_us, memory_log_us;
	uint64_t saved_changes;	/* of the template memory when template_file was written */
	bool handed_over;
	struct report before;	/* totals of the processes that handed over to us */
	uint64_t logged_drops;
	uint64_t watchdog_ns, watched_ns;	/* 0: nobody watches */
};

/* ---- what happens once ----------------------------------------------------- */

/* A socket for every receiver and, with the source kept, for every exporter of each. */
static size_t raise_files(void)
{
	struct rlimit limit = { 1024, 1024 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur > SPOOF_MAX ? SPOOF_MAX : (size_t)limit.rlim_cur;
}

/* What is left of the descriptors when receivers have theirs is for the sources. */
static size_t share_files(const struct replicator *p)
{
	const size_t taken = p->n * receivers_count(&p->workers[0].receivers) + SPARE_FILES;

	return p->files > taken + 16 * p->n ? (p->files - taken) / p->n : 16;
}

static int check_sender(const struct receivers *rs)
{
	const char *why;

	if (!receivers_spoof(rs) || sender_transparent.available(&why) == 0)
		return 0;
	log_error("keeping the exporters' source address (-S, tee_transparent) %s", why);
	return -1;
}

/*
 * Exporters often send from the port that they send to, and a socket that
 * keeps their source then needs our port.  Said after bind(), so that a second
 * program on the port is an error all the same.
 */
static void share_port(const struct worker *w)
{
	if (receivers_spoof(&w->receivers))
		setsockopt(w->in.fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
}

/* Memory for `n` workers, and what each is to send to; -1 after saying what is wrong. */
static int set_workers(struct replicator *p, size_t n)
{
	struct receivers *sets = xcalloc(n, sizeof(*sets));
	struct outlet none = { 0 };
	unsigned errors;
	int status;

	if (p->n)
		log_warn(
			"workers: %zu, for so many sockets there are; %zu were asked for", n, p->n);
	for (size_t i = 0; i < p->n; i++)
		receivers_clear(&p->workers[i].receivers, &none);
	free(p->workers);
	status = reload_read(&p->settings, sets, n, RELOAD_ALL, &errors);
	reload_settle(&p->settings, status == 0);
	p->n = n;
	p->workers = xcalloc(n, sizeof(*p->workers));
	for (size_t i = 0; i < n; i++) {
		worker_blank(&p->workers[i]);
		p->workers[i].receivers = sets[i];
	}
	free(sets);
	return status;
}

/* Sockets of the service manager or of the process that runs; how many, or -1 after saying what is
 * wrong. */
static int inherit(struct replicator *p, const struct listen_options *o)
{
	int fds[WORKERS_MAX];
	const int n = p->settings.take_over ? inherit_from_process(
				&p->settings, fds, WORKERS_MAX, &p->memory_fd)
					    : inherit_from_manager(fds, WORKERS_MAX);

	if (n > 0 && (size_t)n > p->n && set_workers(p, (size_t)n) < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		p->workers[i].in.fd = fds[i];
		if (socket_adopt(fds[i], o) < 0) {
			log_error_errno("inherited socket %d", fds[i]);
			return -1;
		}
	}
	return n;
}

/*
 * Sockets of the workers that listen on one address, `have` of which are there
 * already.  The first is bound alone, so that a second program on the port is
 * an error; only then it lets the others share.
 */
static int listen_at(struct worker *w, size_t n, struct endpoint *at,
		     const struct listen_options *o, size_t have)
{
	if (have == 1 && n > 1 &&
	    (socket_local(w[0].in.fd, at) < 0 ||
	     setsockopt(w[0].in.fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)) < 0))
		return -1;
	for (size_t i = have; i < n; i++) {
		struct listen_options one = *o;

		one.reuse_port = i > 0;
		w[i].in.fd = socket_listen(at, &one);
		if (w[i].in.fd < 0)
			return -1;
		if (i == 0 && n > 1 &&
		    setsockopt(w[0].in.fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)) < 0)
			return -1;
	}
	return n > 1 && have < n ? socket_steer_by_flow(w[0].in.fd, (unsigned)n) : 0;
}

/* A worker, or as many as are asked for, for each address. */
static int listen_all(struct replicator *p, const struct listen_options *o, size_t have)
{
	struct settings *s = &p->settings;
	const size_t each = p->n / (1 + s->nalso);
	char text[ENDPOINT_TEXT];

	if (s->nalso && have && have != p->n) {
		log_error("%zu sockets were handed over; expected %zu, one for each address and "
			  "worker",
			have, p->n);
		return -1;
	}
	for (size_t i = 0; i <= s->nalso; i++) {
		struct endpoint *at = i ? &s->also[i - 1] : &s->listen;

		if (listen_at(&p->workers[i * each], each, at, o, s->nalso && have ? each : have) <
			0) {
			log_error_errno("listen on %s", endpoint_print(at, text));
			return -1;
		}
		if (i)
			log_info("listening on %s too", endpoint_print(at, text));
	}
	return 0;
}

/* Where the sockets of the service manager listen, whatever the keys say. */
static int look_at_inherited(struct replicator *p, size_t have)
{
	struct settings *s = &p->settings;
	const size_t each = p->n / (1 + s->nalso);
	struct endpoint at, before = { 0 };
	const struct receiver *loop;
	char text[ENDPOINT_TEXT];

	for (size_t i = 0; i < have; i++, before = at) {
		if (socket_local(p->workers[i].in.fd, &at) < 0)
			return -1;
		if (at.port == before.port && addr_equal(&at.addr, &before.addr))
			continue;
		loop = receivers_find_loop(&p->workers[0].receivers, &at);
		if (loop) {
			log_error("receiver %s is this program's own socket: datagrams would run "
				  "in a circle",
				loop->label);
			return -1;
		}
		if (i == 0)
			s->listen = at;
		else if (s->nalso && i >= each)
			s->also[i / each - 1] = at;
		else
			log_info("listening on %s too", endpoint_print(&at, text));
	}
	return 0;
}

static int open_listen(struct replicator *p)
{
	const struct settings *s = &p->settings;
	/* No notes with each datagram: nobody needs its time, and report_collect() asks for drops.
	 */
	const struct listen_options o = {
		.recv_buffer = s->receive_buffer ? (int)s->receive_buffer : RECEIVE_BUFFER,
		.gro = true, .no_timestamp = true, .v6_only = s->family == 6 };
	char text[ENDPOINT_TEXT];
	int have = inherit(p, &o), fds[WORKERS_MAX];

	if (have < 0 || look_at_inherited(p, (size_t)have) < 0)
		return -1;
	endpoint_print(&s->listen, text);
	if (listen_all(p, &o, (size_t)have) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		fds[i] = p->workers[i].in.fd;
	inherit_store(fds, p->n);
	p->receive_buffer = have = socket_recv_buffer(p->workers[0].in.fd);
	if (have < o.recv_buffer && (s->receive_buffer || have < SMALL_BUFFER))
		log_warn("receive buffer: the kernel gave %d of %d bytes; `sysctl -w "
			 "net.core.rmem_max=%d` allows more",
			have, o.recv_buffer, o.recv_buffer);
	log_info(
		"listening on %s, receive buffer %d bytes, %zu receivers in %zu pools, %zu workers",
		text, have, receivers_count(&p->workers[0].receivers),
		p->workers[0].receivers.npools, p->n);
	return 0;
}

/* Who hands over needs a moment to let go of pid file and control socket. */
static bool patience(const struct replicator *p, uint64_t *until_ns)
{
	const uint64_t now_ns = clock_mono_ns();

	if (!p->settings.take_over)
		return false;
	if (!*until_ns)
		*until_ns = now_ns + HANDOVER_MS * UINT64_C(1000000);
	if (now_ns >= *until_ns)
		return false;
	clock_sleep_until(now_ns + UINT64_C(5000000));
	return true;
}

static int open_pid_file(struct replicator *p)
{
	uint64_t until_ns = 0;

	if (!p->settings.pid_file)
		return 0;
	do
		p->pid_fd = pidfile_open(p->settings.pid_file);
	while (p->pid_fd < 0 && errno == EWOULDBLOCK && patience(p, &until_ns));
	if (p->pid_fd >= 0)
		return 0;
	if (errno == EWOULDBLOCK)
		log_error("%s: another process holds it", p->settings.pid_file);
	else
		log_error_errno("%s", p->settings.pid_file);
	return -1;
}

static int open_metrics(struct replicator *p)
{
	const char *why;

	if (!p->settings.metrics)
		return 0;
	p->metrics = metrics_start(&(struct metrics_options){ p->settings.metrics, "replicator",
		report_metrics,
				   report_nmetrics }, &why);
	if (p->metrics)
		return 0;
	log_error("metrics: \"%s\": %s", p->settings.metrics, why);
	return -1;
}

static int open_control(struct replicator *p)
{
	uint64_t until_ns = 0;

	if (!p->settings.control)
		return 0;
	do
		p->control_fd = control_open(p->settings.control);
	while (p->control_fd < 0 && errno == EADDRINUSE && patience(p, &until_ns));
	if (p->control_fd < 0)
		log_error_errno("control: \"%s\"", p->settings.control);
	return p->control_fd < 0 ? -1 : 0;
}

static void refresh_gate(struct worker *w, const struct endpoint *own, size_t n)
{
	worker_enter(w);
	gate_refresh(w->gate, own, n);
	worker_leave(w);
}

/* Every gate knows the sockets of every worker, and looks at the allow list anew. */
static void refresh_gates(struct replicator *p)
{
	const size_t each = receivers_count(&p->workers[0].receivers);
	struct endpoint *own = xcalloc(p->n * each + 1, sizeof(*own));
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		worker_enter(&p->workers[i]);
		n += gate_own(&p->workers[i].receivers, own + n);
		worker_leave(&p->workers[i]);
	}
	for (size_t i = 0; i < p->n; i++)
		refresh_gate(&p->workers[i], own, n);
	free(own);
}

/* Counters and numbers of the process that handed over, behind its templates. */
static void read_carry(struct replicator *p, FILE *f)
{
	static const char anew[] = "counters and numbers of renumbered streams begin anew";
	struct carry_result got;

	if (carry_read(f, p->workers, p->n, &p->before, &got) == 0) {
		log_info("of the process before: %" PRIu64 " counters, %" PRIu64 " streams",
			got.counters, got.streams);
		if (got.unknown)
			log_warn("of the process before: %" PRIu64
				 " records are of another version, and left out",
				got.unknown);
	} else if (errno == EBADMSG) {
		log_warn("of the process before: what it counted is damaged: %s", anew);
	} else {
		log_info("the process before is of %s version: %s",
			errno == EPROTO ? "another" : "an older", anew);
	}
}

/* What the one before knew: of the process that handed over, or of the file. */
static void read_memory(struct replicator *p)
{
	const char *path = p->settings.template_file;
	const bool handed = p->memory_fd >= 0;
	FILE *f = handed ? fdopen(p->memory_fd, "r") : path ? fopen(path, "re") : NULL;
	long n;

	if (!f && path && !handed && errno != ENOENT)
		log_warn_errno("template_file: \"%s\"", path);
	if (!f)
		return;
	p->memory_fd = -1;
	n = memory_read(f, p->workers, p->n);
	if (handed && n >= 0)
		read_carry(p, f);
	fclose(f);
	if (n < 0)
		log_warn("templates of the process before: expected a file that replicator wrote; "
			 "what is wrong in it is left out");
	else if (n)
		log_info("templates of the process before: %ld messages", n);
}

static void save_memory(struct replicator *p, const struct recall_counts *c)
{
	const uint64_t changes = c->learnt + c->withdrawn + c->evicted_items;

	if (!p->settings.template_file || changes == p->saved_changes)
		return;
	p->saved_changes = changes;
	if (memory_save(p->settings.template_file, p->workers, p->n) < 0 &&
		log_allow(&p->memory_log_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn_errno("template_file: \"%s\"", p->settings.template_file);
}

static int make_dedup(struct replicator *p)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = clock_mono_ns();
	p->dedup = dedup_new(p->settings.dedup_ms * UINT64_C(1000000), DEDUP_ENTRIES, seed);
	if (!p->dedup)
		log_error_errno("memory for dedup_window");
	return p->dedup ? 0 : -1;
}

static int start_workers(struct replicator *p)
{
	const struct settings *s = &p->settings;

	if (s->dedup_ms && make_dedup(p) < 0)
		return -1;
	/* Of the template memory at least 1 MB each, when there is one at all. */
	const struct worker_limits limits = {
		s->datagram_max, (s->template_memory + p->n - 1) / p->n,
		{ s->rate_limit, p->dedup, (uint32_t)(EXPORTERS_MAX / p->n) }
	};

	for (size_t i = 0; i < p->n; i++) {
		struct worker *w = &p->workers[i];

		if (worker_init(w, &limits) < 0) {
			log_error_errno("memory for a worker");
			return -1;
		}
		w->debug = p->settings.debug;
		w->outlet.sockets_max = share_files(p);
		w->outlet.worker = (unsigned)i;
		share_port(w);
		receivers_open(&w->receivers, &w->outlet);
	}
	read_memory(p);
	refresh_gates(p);
	/* Rights are a thread's own: they are dropped before there is another. */
	if (rights_drop() < 0)
		log_warn_errno("capabilities that are not needed any more stay");
	if (!p->settings.take_over && (open_control(p) < 0 || open_metrics(p) < 0))
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		if (worker_start(&p->workers[i]) < 0) {
			log_error_errno("start a thread");
			return -1;
		}
	}
	return 0;
}

static int open_all(struct replicator *p)
{
	if (check_sender(&p->workers[0].receivers) < 0 ||
	    (!p->settings.take_over && open_pid_file(p) < 0) || open_listen(p) < 0)
		return -1;
	p->signal_fd =
		daemon_signals(); /* before there are threads: they inherit what is blocked */
	if (p->signal_fd < 0 || reload_init(&p->reload, &p->settings, p->n) < 0) {
		log_error_errno("start");
		return -1;
	}
	if (start_workers(p) < 0)
		return -1;
	/* The one before has let go of these; the sockets come first, that nothing waits. */
	if (p->settings.take_over &&
		(open_pid_file(p) < 0 || open_control(p) < 0 || open_metrics(p) < 0))
		log_warn("taken over all the same");
	p->watchdog_ns = daemon_watchdog_us() * 1000;
	return 0;
}

static int open_log(const struct settings *s)
{
	if (s->debug)
		log_level(LOG_LEVEL_DEBUG);
	log_echo(true);
	if (s->log_file && log_to_file(s->log_file) < 0) {
		log_error_errno("%s", s->log_file);
		return -1;
	}
	if (s->syslog)
		log_to_syslog(s->syslog, "replicator");
	return 0;
}

static void close_all(struct replicator *p)
{
	for (size_t i = 0; i < p->n; i++) {
		worker_stop(&p->workers[i], WORKER_LEAVE);
		worker_join(&p->workers[i]);
	}
	for (size_t i = 0; i < p->n; i++)
		worker_clear(&p->workers[i]);
	free(p->workers);
	dedup_free(p->dedup);
	metrics_stop(p->metrics);
	control_close(p->control_fd, p->settings.control);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	if (p->pid_fd >= 0)
		pidfile_close(p->pid_fd, p->settings.pid_file);
	reload_clear(&p->reload);
	settings_clear(&p->settings);
}

/* ---- what happens now and then --------------------------------------------- */

static void make_stats(const struct replicator *p, const struct report *r, struct stats *s)
{
	stats_init(s);
	report_stats(s, r);
	stats_add(s, (uint64_t)(p->receive_buffer > 0 ? p->receive_buffer : 0), "receive_buffer");
}

static void tell_stats(struct replicator *p, const struct report *r)
{
	struct stats s;

	if (!p->settings.stats_file && !p->metrics)
		return;
	make_stats(p, r, &s);
	metrics_publish(p->metrics, &s);
	if (p->settings.stats_file && stats_write(&s, p->settings.stats_file) < 0 &&
	    log_allow(&p->stats_log_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn_errno("%s", p->settings.stats_file);
	stats_clear(&s);
}

static void warn_drops(struct replicator *p, const struct report *r, uint64_t now_us)
{
	const uint64_t cut = r->recv.truncated + r->recv.beyond + r->fanout.cut;

	if (r->recv.kernel_drops + cut == p->logged_drops ||
	    !log_allow(&p->recv_log_us, now_us, UINT64_C(60000000)))
		return;
	log_warn("receiving: dropped by the kernel %" PRIu64 ", cut %" PRIu64 " of %" PRIu64
		 " datagrams%s",
		r->recv.kernel_drops, cut, r->recv.datagrams,
		r->recv.kernel_drops ? "; a larger receive_buffer (-b) or more workers may help"
				     : "");
	p->logged_drops = r->recv.kernel_drops + cut;
}

static void collect(struct replicator *p, struct report *r)
{
	report_collect(r, p->workers, p->n);
	r->dedup_early = p->dedup ? dedup_early(p->dedup) : 0;
	r->reloads = p->reloads;
	r->reloads_failed = p->reloads_failed;
	r->names_changed = p->names_changed;
	r->names_stale = p->names_stale;
	report_add(r, &p->before);
}

/* The sockets that we took over have dropped what the process before has told of. */
static void drops_told(struct replicator *p)
{
	struct report r;

	collect(p, &r);
	p->logged_drops = r.recv.kernel_drops + r.recv.truncated + r.recv.beyond + r.fanout.cut;
	report_clear(&r);
}

/* Spools to the disk, outside of the workers, who would wait for it. */
static void sync_spools(struct replicator *p)
{
	int fds[SYNC_MAX];

	for (size_t i = 0; i < p->n; i++) {
		size_t n;

		worker_enter(&p->workers[i]);
		n = outage_sync(&p->workers[i].receivers, clock_mono_ns(), fds, SYNC_MAX);
		worker_leave(&p->workers[i]);
		while (n-- > 0) {
			if (fdatasync(fds[n]) < 0 &&
				log_allow(&p->sync_log_us, clock_wall_us(), UINT64_C(60000000)))
				log_warn_errno("a spool to the disk");
			close(fds[n]);
		}
	}
}

static void tick(struct replicator *p)
{
	const uint64_t now_us = clock_wall_us();
	struct report r;

	collect(p, &r);
	tell_stats(p, &r);
	report_losses(&r, now_us);
	warn_drops(p, &r, now_us);
	daemon_notify_status("%" PRIu64 " datagrams received, %" PRIu64
			     " dropped by the kernel, %zu receivers",
		r.recv.datagrams, r.recv.kernel_drops, r.n);
	if ((p->ticks % SAVE_TICKS == 0 || p->stop) && !p->handed_over)
		save_memory(p, &r.recall);
	report_clear(&r);
	sync_spools(p);
	/* Sockets that could not be opened at first may be by now. */
	if (++p->ticks % REFRESH_TICKS == 0)
		refresh_gates(p);
}

static void begin_reload(struct replicator *p)
{
	daemon_notify_reloading(clock_mono_ns() / 1000);
	if (reload_begin(&p->reload, RELOAD_ALL) < 0)
		log_error_errno("reload");
}

/* Names that receivers have may have other addresses by now. */
static void look_names_up(struct replicator *p, uint64_t now_ns)
{
	const uint64_t each_ns = p->settings.names_s * UINT64_C(1000000000);

	if (!each_ns || p->reload.busy)
		return;
	if (!p->names_ns)
		p->names_ns = now_ns;
	if (now_ns - p->names_ns < each_ns)
		return;
	p->names_ns = now_ns;
	if (names_count(p->settings.names) && reload_begin(&p->reload, RELOAD_NAMES) < 0)
		log_error_errno("look names up");
}

/* Only a set without an error takes the place of the one in force. */
static void finish_reload(struct replicator *p)
{
	struct receivers *fresh = p->reload.fresh;
	struct outlet none = { 0 };
	const bool names = p->reload.what == RELOAD_NAMES;
	const bool read = reload_finish(&p->reload);
	bool taken = read && check_sender(&fresh[0]) == 0;

	/* That names are what they were is no reload. */
	if (taken && names && receivers_alike(&fresh[0], &p->workers[0].receivers))
		taken = false;
	for (size_t i = 0; read && !taken && i < p->n; i++)
		receivers_clear(&fresh[i], &none);
	reload_settle(&p->settings, taken);
	for (size_t i = 0; taken && i < p->n; i++)
		refresh_gate(&p->workers[i], NULL, 0);
	for (size_t i = 0; taken && i < p->n; i++) {
		struct worker *w = &p->workers[i];

		worker_enter(w);
		receivers_adopt(&w->receivers, &fresh[i], &w->outlet);
		share_port(w);
		worker_leave(w);
	}
	if (taken)
		refresh_gates(p);
	p->names_changed += names && taken;
	p->names_stale = names_stale(p->settings.names);
	p->names_ns = clock_mono_ns();
	p->reloads += !names && taken;
	p->reloads_failed += !names && !taken;
	if (taken)
		log_info("%s: %zu receivers in %zu pools", names ? "names" : "reload",
			receivers_count(&p->workers[0].receivers), p->workers[0].receivers.npools);
	if (!names)
		daemon_notify("READY=1");
	if (p->reload.again)
		begin_reload(p);
}

static void handle_signals(struct replicator *p)
{
	struct report r;
	int signal;

	while ((signal = daemon_signal_read(p->signal_fd)) > 0) {
		switch (signal) {
		case SIGHUP:
			log_reopen();
			begin_reload(p);
			break;
		case SIGUSR1:
			collect(p, &r);
			report_log(&r);
			report_clear(&r);
			break;
		case SIGUSR2:
			begin_reload(p);
			break;
		default:
			p->stop = true;
		}
	}
}

/* ---- commands ---------------------------------------------------------------- */

static bool command_tell(void *ctx, const char *argument, struct control_answer *a)
{
	const struct replicator *p = ctx;
	bool done = true;

	for (size_t i = 0; i < p->n && done; i++) {
		worker_enter(&p->workers[i]);
		done = control_tell(p->workers[i].fanout, argument, a);
		worker_leave(&p->workers[i]);
	}
	return done;
}

/* All counters in a file of memory, for --top. */
static bool command_stats(void *ctx, const char *argument, struct control_answer *a)
{
	struct replicator *p = ctx;
	const int fd = memfd_create("stats", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");
	struct report r;
	struct stats s;

	(void)argument;
	if (!f) {
		snprintf(a->text, CONTROL_TEXT, "error: stats: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	collect(p, &r);
	make_stats(p, &r, &s);
	stats_print(&s, f);
	fclose(f);
	stats_clear(&s);
	report_clear(&r);
	a->fds[a->nfds++] = fd;
	strcpy(a->text, "ok");
	return true;
}

/* The successor has the sockets, and we end; or it has not, and we go on. */
static void handed_over(void *ctx, bool sent)
{
	struct replicator *p = ctx;

	if (p->memory_fd >= 0)
		close(p->memory_fd);
	p->memory_fd = -1;
	if (sent) {
		struct report r;

		p->handed_over = true;
		/* Where the successor goes on. */
		log_info("handed %zu sockets over", p->n);
		collect(p, &r);
		report_log(&r);
		report_clear(&r);
		p->stop = true;
		return;
	}
	log_warn_errno("the sockets could not be handed over, nothing changes");
	for (size_t i = 0; i < p->n; i++)
		if (worker_start(&p->workers[i]) < 0)
			log_error_errno("start a thread");
}

static bool command_handover(void *ctx, const char *argument, struct control_answer *a)
{
	struct replicator *p = ctx;
	char name[INHERIT_NAME];
	struct report sum;

	inherit_name(&p->settings, name, sizeof(name));
	if (strcmp(name, argument) != 0) {
		snprintf(a->text, CONTROL_TEXT,
			"error: the process that runs listens on %.70s, not on %.70s: "
			"nothing to take over",
			name, argument);
		return false;
	}
	for (size_t i = 0; i < p->n; i++)
		worker_stop(&p->workers[i], WORKER_LEAVE);
	for (size_t i = 0; i < p->n; i++) {
		worker_join(&p->workers[i]);
		a->fds[a->nfds++] = p->workers[i].in.fd;
	}
	collect(p, &sum);
	p->memory_fd = memory_hand(p->workers, p->n, &sum);
	report_clear(&sum);
	if (p->memory_fd >= 0)
		a->fds[a->nfds++] = p->memory_fd;
	a->keep = true;
	a->after = handed_over;
	snprintf(a->text, CONTROL_TEXT, "ok: %zu sockets", p->n);
	return true;
}

static const struct control_command commands[] = {
	{ "tell", command_tell },
	{ "stats", command_stats },
	{ "handover", command_handover },
};

/* ---- signs of life -------------------------------------------------------------- */

/* Tell the service manager that we live, when every worker went round since it was told last. */
static void feed_watchdog(struct replicator *p, uint64_t now_ns)
{
	if (!p->watchdog_ns || now_ns - p->watched_ns < p->watchdog_ns / 4)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (atomic_load(&p->workers[i].turns) == p->workers[i].watched)
			return;
	for (size_t i = 0; i < p->n; i++)
		p->workers[i].watched = atomic_load(&p->workers[i].turns);
	p->watched_ns = now_ns;
	daemon_notify("WATCHDOG=1");
}

/* ---- what happens all the time ---------------------------------------------- */

/* Milliseconds from now until `at`, rounded up. */
static int until(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns + 999999) / 1000000);
}

/* When something came, to any worker. */
static uint64_t last_ns(const struct replicator *p)
{
	uint64_t last = 0;

	for (size_t i = 0; i < p->n; i++)
		if (atomic_load(&p->workers[i].last_ns) > last)
			last = atomic_load(&p->workers[i].last_ns);
	return last;
}

/* The next thing that is due. */
static uint64_t wake_ns(const struct replicator *p, uint64_t tick_ns)
{
	const uint64_t idle_ns = p->settings.idle_ms * UINT64_C(1000000);
	uint64_t at = tick_ns;

	if (idle_ns && last_ns(p) + idle_ns < at)
		at = last_ns(p) + idle_ns;
	if (p->watchdog_ns && p->watched_ns + p->watchdog_ns / 4 < at)
		at = p->watched_ns + p->watchdog_ns / 4;
	return at;
}

/* 0, or EXIT_IDLE. */
static int run(struct replicator *p)
{
	struct pollfd fds[] = { { .fd = p->signal_fd, .events = POLLIN },
		{ .fd = p->reload.done_fd, .events = POLLIN },
		{ .fd = p->control_fd, .events = POLLIN } };
	const uint64_t idle_ns = p->settings.idle_ms * UINT64_C(1000000);
	uint64_t now_ns = clock_mono_ns(), tick_ns = now_ns;

	if (p->settings.take_over)
		drops_told(p);
	while (!p->stop) {
		if (now_ns >= tick_ns) {
			tick(p);
			tick_ns = now_ns + TICK_MS * UINT64_C(1000000);
		}
		if (poll(fds, 3, until(wake_ns(p, tick_ns), now_ns)) < 0 && errno != EINTR) {
			log_error_errno("poll");
			return EXIT_RUNTIME;
		}
		if (fds[0].revents)
			handle_signals(p);
		if (fds[1].revents)
			finish_reload(p);
		if (fds[2].revents)
			control_serve(
				p->control_fd, commands, sizeof(commands) / sizeof(commands[0]), p);
		now_ns = clock_mono_ns();
		feed_watchdog(p, now_ns);
		look_names_up(p, now_ns);
		if (idle_ns && now_ns >= last_ns(p) + idle_ns) {
			log_error("nothing came in %u ms", p->settings.idle_ms);
			return EXIT_IDLE;
		}
	}
	for (size_t i = 0; i < p->n; i++)
		worker_stop(&p->workers[i], WORKER_DRAIN);
	for (size_t i = 0; i < p->n; i++)
		worker_join(&p->workers[i]);
	return 0;
}

static int check_only(struct replicator *p)
{
	const struct receivers *rs = &p->workers[0].receivers;

	if (check_sender(rs) < 0)
		return EXIT_RUNTIME;
	printf("%zu receivers in %zu pools, %u warnings\n", receivers_count(rs), rs->npools,
		rs->warnings);
	return EXIT_SUCCESS;
}

static int start(struct replicator *p)
{
	const bool background = p->settings.background;
	int status;

	if (background && daemon_detach_begin() < 0) {
		log_error_errno("fork");
		return EXIT_RUNTIME;
	}
	if (open_log(&p->settings) < 0 || open_all(p) < 0) {
		if (background)
			daemon_detach_done(EXIT_RUNTIME);
		return EXIT_RUNTIME;
	}
	if (background)
		daemon_detach_done(0);
	log_echo(false);
	daemon_notify("READY=1");
	status = run(p);
	daemon_notify("STOPPING=1");
	tick(p);
	if (p->reload.busy) {
		/* A lookup is under way and uses the settings: nobody can call it back. */
		if (p->pid_fd >= 0)
			pidfile_close(p->pid_fd, p->settings.pid_file);
		_exit(status);
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct replicator p;
	int status;

	p.signal_fd = p.pid_fd = p.control_fd = p.memory_fd = -1;
	log_open("replicator");
	p.files = raise_files();
	status = settings_parse(&p.settings, argc, argv);
	if (status != SETTINGS_GO) {
		settings_clear(&p.settings);
		return status;
	}
	if (p.settings.tell) {
		char command[CONTROL_TEXT];

		snprintf(command, sizeof(command), "tell %s", p.settings.tell);
		status = control_ask(p.settings.control, command);
		settings_clear(&p.settings);
		return status;
	}
	if (p.settings.top) {
		status = top_run(p.settings.control);
		settings_clear(&p.settings);
		return status;
	}
	if (!p.settings.send_buffer)
		p.settings.send_buffer = SEND_BUFFER;
	if (set_workers(&p, p.settings.workers * (1 + p.settings.nalso)) < 0)
		status = EXIT_USAGE;
	else
		status = p.settings.check ? check_only(&p) : start(&p);
	close_all(&p);
	return status;
}
