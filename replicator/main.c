/*
 * main.c - replicator: every datagram that arrives goes to every receiver
 * whose rule wants it.
 *
 * One thread: poll, receive a batch, fan it out, and again.  Nothing in the
 * loop waits but poll().  A signal is one more descriptor of that poll.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "replicator/control.h"
#include "replicator/report.h"
#include "replicator/rights.h"
#include "replicator/settings.h"

enum {
	BATCH_MESSAGES = 128,	/* each up to 64 KiB: 8.5 MB, of which plain datagrams touch little */
	BATCH_BYTES = 65536,
	TURNS = 16,		/* batches between two looks at the signals ... */
	TURNS_MS = 50,		/* ... unless they took so long */
	TICK_MS = 1000,
	RECEIVE_BUFFER = 8 << 20,	/* when the settings say nothing: as much of it as the kernel gives */
	SMALL_BUFFER = 1 << 20,		/* less than this is worth a warning, though nobody asked for more */
	SEND_BUFFER = 4 << 20,
	DRAIN_MS = 200,		/* at the end: what the kernel holds already */
	EXIT_IDLE = 5,		/* samplicator's status for -t */
	SPARE_FILES = 64,
	SPOOF_MAX = 16384,
};

struct replicator {
	struct settings settings;
	struct receivers receivers;
	struct outlet outlet;
	struct batch *batch;
	struct fanout *fanout;
	struct recall *recall;
	int listen_fd, signal_fd, pid_fd, control_fd;
	bool stop;
	uint64_t reloads;
	uint64_t last_ns;	/* when something came */
	uint64_t stats_log_us, recv_log_us;
	uint64_t logged_drops;
};

/* ---- what happens once ----------------------------------------------------- */

/* A socket for every receiver and, with the source kept, for every exporter of each. */
static void raise_files(struct outlet *o)
{
	struct rlimit limit = { 1024, 1024 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	o->sockets_max = limit.rlim_cur > SPOOF_MAX ? SPOOF_MAX : (size_t)limit.rlim_cur;
}

/* What is left of the descriptors when receivers have theirs is for the sources. */
static void share_files(struct replicator *p)
{
	const size_t taken = receivers_count(&p->receivers) + SPARE_FILES;

	p->outlet.sockets_max = p->outlet.sockets_max > taken + 16 ? p->outlet.sockets_max - taken : 16;
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
static void share_port(const struct replicator *p)
{
	if (receivers_spoof(&p->receivers))
		setsockopt(p->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
}

static int open_listen(struct replicator *p)
{
	const struct settings *s = &p->settings;
	/* No notes with each datagram: nobody needs its time, and tick() asks for drops. */
	const struct listen_options o = {
		.recv_buffer = s->receive_buffer ? (int)s->receive_buffer : RECEIVE_BUFFER,
		.gro = true, .no_timestamp = true, .v6_only = s->family == 6 };
	char text[ENDPOINT_TEXT];
	int have;

	endpoint_print(&s->listen, text);
	p->listen_fd = socket_listen(&s->listen, &o);
	if (p->listen_fd < 0) {
		log_error_errno("listen on %s", text);
		return -1;
	}
	share_port(p);
	have = socket_recv_buffer(p->listen_fd);
	if (have < o.recv_buffer && (s->receive_buffer || have < SMALL_BUFFER))
		log_warn("receive buffer: the kernel gave %d of %d bytes; `sysctl -w net.core.rmem_max=%d` "
			 "allows more", have, o.recv_buffer, o.recv_buffer);
	log_info("listening on %s, receive buffer %d bytes, %zu receivers in %zu pools", text, have,
		 receivers_count(&p->receivers), p->receivers.npools);
	return 0;
}

/* What outlives the batches: templates, and the socket for commands. */
static int open_memory(struct replicator *p)
{
	const struct settings *s = &p->settings;
	const struct recall_limits limits = recall_limits_of(s->template_memory);
	uint64_t seed;

	if (s->template_memory) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
			seed = clock_mono_ns();
		p->recall = p->fanout->recall = recall_new(&limits, seed);
		if (!p->recall) {
			log_error_errno("template_memory");
			return -1;
		}
	}
	if (s->control) {
		p->control_fd = control_open(s->control);
		if (p->control_fd < 0) {
			log_error_errno("control: \"%s\"", s->control);
			return -1;
		}
	}
	return 0;
}

static int open_all(struct replicator *p)
{
	struct settings *s = &p->settings;

	if (check_sender(&p->receivers) < 0)
		return -1;
	if (s->pid_file) {
		p->pid_fd = pidfile_open(s->pid_file);
		if (p->pid_fd < 0) {
			if (errno == EWOULDBLOCK)
				log_error("%s: another process holds it", s->pid_file);
			else
				log_error_errno("%s", s->pid_file);
			return -1;
		}
	}
	if (open_listen(p) < 0)
		return -1;
	p->signal_fd = daemon_signals();
	p->batch = batch_new(BATCH_MESSAGES, BATCH_BYTES);
	p->fanout = fanout_new(&p->receivers, &p->outlet, s->datagram_max);
	if (p->signal_fd < 0 || !p->batch || !p->fanout) {
		log_error_errno("start");
		return -1;
	}
	if (open_memory(p) < 0)
		return -1;
	share_files(p);
	receivers_open(&p->receivers, &p->outlet);
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
	if (s->syslog && log_to_syslog(s->syslog, "replicator") < 0) {
		log_error("syslog: \"%s\": expected a facility as daemon or local0", s->syslog);
		return -1;
	}
	return 0;
}

static void close_all(struct replicator *p)
{
	receivers_clear(&p->receivers, &p->outlet);
	spoof_cache_free(p->outlet.spoof);
	sender_raw_free(&p->outlet);
	fanout_free(p->fanout);
	recall_free(p->recall);
	control_close(p->control_fd, p->settings.control);
	batch_free(p->batch);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	if (p->pid_fd >= 0)
		pidfile_close(p->pid_fd, p->settings.pid_file);
	settings_clear(&p->settings);
}

/* ---- what happens now and then --------------------------------------------- */

static void write_stats(struct replicator *p)
{
	struct stats s;

	if (!p->settings.stats_file)
		return;
	batch_drops(p->batch, p->listen_fd);
	stats_init(&s);
	report_stats(&s, &p->batch->counts, p->fanout, p->reloads);
	if (stats_write(&s, p->settings.stats_file) < 0 &&
	    log_allow(&p->stats_log_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn_errno("%s", p->settings.stats_file);
	stats_clear(&s);
}

static void tick(struct replicator *p)
{
	const uint64_t now_us = clock_wall_us();
	const struct batch_counts *c = &p->batch->counts;

	batch_drops(p->batch, p->listen_fd);
	write_stats(p);
	report_losses(&p->receivers, now_us);
	if (c->kernel_drops + c->truncated + c->beyond + p->fanout->counts.cut != p->logged_drops &&
	    log_allow(&p->recv_log_us, now_us, UINT64_C(60000000))) {
		log_warn("receiving: dropped by the kernel %" PRIu64 ", cut %" PRIu64 " of %" PRIu64 " datagrams",
			 c->kernel_drops, c->truncated + c->beyond + p->fanout->counts.cut, c->datagrams);
		p->logged_drops = c->kernel_drops + c->truncated + c->beyond + p->fanout->counts.cut;
	}
}

/* Parse and check beside the set in force; only a set without an error takes its place. */
static void reload(struct replicator *p)
{
	struct receivers fresh;

	receivers_init(&fresh);
	if (settings_receivers(&p->settings, &fresh) < 0 || check_sender(&fresh) < 0) {
		log_error("reload: %u errors, the receivers stay as they were", fresh.errors);
		receivers_clear(&fresh, &p->outlet);
		return;
	}
	receivers_adopt(&p->receivers, &fresh, &p->outlet);
	share_port(p);
	p->reloads++;
	log_info("reload: %zu receivers in %zu pools", receivers_count(&p->receivers), p->receivers.npools);
}

static void handle_signals(struct replicator *p)
{
	int signal;

	while ((signal = daemon_signal_read(p->signal_fd)) > 0) {
		switch (signal) {
		case SIGHUP:
			log_reopen();
			reload(p);
			break;
		case SIGUSR1:
			batch_drops(p->batch, p->listen_fd);
			report_log(&p->batch->counts, p->fanout);
			break;
		case SIGUSR2:
			reload(p);
			break;
		default:
			p->stop = true;
		}
	}
}

/* ---- what happens all the time ---------------------------------------------- */

static void log_datagrams(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		char from[ENDPOINT_TEXT];

		log_debug("%zu octets from %s", b->d[i].data.n, endpoint_print(&b->d[i].from, from));
	}
}

/* Receive and fan out until nothing is there, at most `turns` batches; false when nothing was. */
static bool pump(struct replicator *p, int turns)
{
	const uint64_t now_ns = clock_mono_ns();
	bool any = false;

	for (int i = 0; i < turns; i++) {
		int n = batch_recv(p->batch, p->listen_fd);

		if (n < 0 && log_allow(&p->recv_log_us, clock_wall_us(), UINT64_C(60000000)))
			log_warn_errno("receiving");
		if (n <= 0)
			break;
		any = true;
		if (p->settings.debug)
			log_datagrams(p->batch);
		fanout_batch(p->fanout, p->batch, now_ns);
		if (clock_mono_ns() - now_ns > TURNS_MS * UINT64_C(1000000))
			break;
	}
	if (any)
		p->last_ns = now_ns;
	return any;
}

/* Milliseconds from now until `at`, rounded up. */
static int until(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns + 999999) / 1000000);
}

/* 0, or EXIT_IDLE. */
static int run(struct replicator *p)
{
	struct pollfd fds[3] = { { .fd = p->listen_fd, .events = POLLIN },
		{ .fd = p->signal_fd, .events = POLLIN }, { .fd = p->control_fd, .events = POLLIN } };
	const uint64_t idle_ns = p->settings.idle_ms * UINT64_C(1000000);
	uint64_t now_ns = clock_mono_ns(), tick_ns = now_ns, probe_ns = now_ns;

	p->last_ns = now_ns;
	while (!p->stop) {
		uint64_t wake_ns;

		if (now_ns >= tick_ns) {
			tick(p);
			tick_ns = now_ns + TICK_MS * UINT64_C(1000000);
		}
		if (now_ns >= probe_ns) {
			fanout_probe(p->fanout, now_ns);
			probe_ns = now_ns + HEALTH_PROBE_MS * UINT64_C(1000000);
		}
		wake_ns = idle_ns && p->last_ns + idle_ns < tick_ns ? p->last_ns + idle_ns : tick_ns;
		wake_ns = probe_ns < wake_ns ? probe_ns : wake_ns;
		if (poll(fds, 3, until(wake_ns, now_ns)) < 0 && errno != EINTR) {
			log_error_errno("poll");
			return EXIT_RUNTIME;
		}
		if (fds[1].revents)
			handle_signals(p);
		if (fds[2].revents)
			control_serve(p->control_fd, p->fanout);
		if (fds[0].revents)
			pump(p, TURNS);
		now_ns = clock_mono_ns();
		if (idle_ns && now_ns - p->last_ns >= idle_ns) {
			log_error("nothing came in %u ms", p->settings.idle_ms);
			return EXIT_IDLE;
		}
	}
	/* What reached the socket before the signal is not lost without a word. */
	for (tick_ns = clock_mono_ns() + DRAIN_MS * UINT64_C(1000000); pump(p, 1) && clock_mono_ns() < tick_ns; )
		;
	return 0;
}

static int check_only(struct replicator *p)
{
	const unsigned warnings = p->receivers.warnings;

	if (check_sender(&p->receivers) < 0)
		return EXIT_RUNTIME;
	printf("%zu receivers in %zu pools, %u warnings\n", receivers_count(&p->receivers), p->receivers.npools,
	       warnings);
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
	if (rights_drop() < 0)
		log_warn_errno("capabilities that are not needed any more stay");
	if (background)
		daemon_detach_done(0);
	log_echo(false);
	daemon_notify("READY=1");
	status = run(p);
	daemon_notify("STOPPING=1");
	tick(p);
	return status;
}

int main(int argc, char **argv)
{
	static struct replicator p;
	int status;

	p.listen_fd = p.signal_fd = p.pid_fd = p.control_fd = -1;
	log_open("replicator");
	raise_files(&p.outlet);
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
	if (!p.settings.send_buffer)
		p.settings.send_buffer = SEND_BUFFER;
	receivers_init(&p.receivers);
	if (settings_receivers(&p.settings, &p.receivers) < 0)
		status = EXIT_USAGE;
	else
		status = p.settings.check ? check_only(&p) : start(&p);
	close_all(&p);
	return status;
}
