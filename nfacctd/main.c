/*
 * main.c - nfacctd: read settings, start the engine, act on signals, stop.
 *
 * Everything that can fail at start is tried before the process detaches, so
 * its exit status tells the truth: 1 for what the machine lacks (port in use,
 * no database), 2 for what the user wrote.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/owner.h"
#include "net/capture.h"
#include "net/metrics.h"
#include "nfacctd/engine.h"
#include "nfacctd/places.h"
#include "nfacctd/sample.h"
#include "nfacctd/spool.h"

/* ---- the command line ---- */

/* A switch is a line of configuration behind the last one of the file. */
static const struct switch_row {
	char letter;
	const char *key, *value;	/* value NULL: it takes an argument */
	const char *help;
} switches[] = {
	{ 'L', "nfacctd_ip", NULL, "ADDRESS to listen on" },
	{ 'l', "nfacctd_port", NULL, "PORT to listen on" },
	{ 'c', "aggregate", NULL, "PRIMITIVES, comma-separated" },
	{ 'P', "plugins", NULL, "PLUGINS, comma-separated" },
	{ 'D', "daemonize", "true", "detach from the terminal" },
	{ 'd', "debug", "true", "log more" },
	{ 'S', "syslog", NULL, "FACILITY of syslog" },
	{ 'F', "pidfile", NULL, "FILE for the process number" },
	{ 'n', "networks_file", NULL, "FILE of our prefixes" },
	{ 't', "ports_file", NULL, "FILE of ports that are told apart" },
	{ 'R', "nfacctd_renormalize", "true", "multiply by the sampling interval" },
	{ 'r', "sql_refresh_time", NULL, "SECONDS between purges" },
	{ 'u', "sql_num_protos", "true", "protocols as numbers" },
	{ 'O', "print_output", NULL, "FORMAT of print: formatted, csv, json" },
	{ 'o', "print_output_file", NULL, "FILE that print writes" },
	{ 'A', "print_output_file_append", "true", "append to it" },
	{ 'E', "print_output_separator", NULL, "CHARACTER between CSV values" },
	{ 'M', "print_markers", "true", "lines around each purge" },
	{ 'I', "pcap_savefile", NULL, "CAPTURE to read instead of listening; - is standard input" },
	{ 'W', "pcap_savefile_wait", "true", "stay alive at its end" },
	{ 'Z', "pcap_savefile_delay", NULL, "SECONDS to wait before it" },
	{ 'Y', "pcap_savefile_replay", NULL, "TIMES to read it, 0 for ever" },
	{ 'p', "imt_path", NULL, "PATH of the socket of plugin memory" },
	{ 'b', "imt_buckets", NULL, NULL },
	{ 'm', "imt_mem_pools_number", NULL, NULL },
	{ 's', "imt_mem_pools_size", NULL, NULL },
};

enum { SWITCHES = sizeof(switches) / sizeof(switches[0]), LONG_CHECK = 256, LONG_DUMP, LONG_ROFF,
	LONG_COMPAT, LONG_SPOOL, LONG_SPOOL_DUMP };

enum mode { MODE_RUN, MODE_CHECK, MODE_SETUP, MODE_DUMP, MODE_SPOOL, MODE_SPOOL_DUMP };

struct command {
	const char *file;
	struct conf lines;
	enum mode mode;
	const char *spool_file;
};

static void usage(FILE *to)
{
	fputs("usage: nfacctd -f FILE [switches]\n"
	      "Flow accounting: NetFlow, IPFIX and sFlow into MySQL, PostgreSQL, SQLite and files.\n\n"
	      "  -f FILE   configuration; without it the switches are the whole of it\n", to);
	for (size_t i = 0; i < SWITCHES; i++)
		if (switches[i].help)
			fprintf(to, "  -%c %s\n", switches[i].letter, switches[i].help);
	fputs("  -a        list the primitives\n"
	      "  -T config the same as --check; -T setup also opens what the plugins need\n"
	      "  --check   parse all files, compare the tables' columns, say what is wrong, exit 2 "
	      "if anything is\n"
	      "  --dump-config  every line with where it came from\n"
	      "  --spool   list the files of sql_recovery_logfile that wait; --spool-dump FILE: "
	      "its rows as CSV\n"
	      "  -V, --version   -h, --help\n",
		to);
}

static void list_primitives(void)
{
	for (size_t i = 0; i < PRIMITIVES; i++)
		puts(primitives[i].name);
	puts("flows\nnone\nsum_host\nsum_net\nsum_as\nsum_port\nsum_mac");
}

/* -1: go on; else the exit status. */
static int dry_run(struct command *c, const char *what)
{
	if (strcmp(what, "config") == 0)
		c->mode = MODE_CHECK;
	else if (strcmp(what, "setup") == 0)
		c->mode = MODE_SETUP;
	else {
		fprintf(stderr, "nfacctd: -T: \"%s\": expected config or setup\n", what);
		return EXIT_USAGE;
	}
	return -1;
}

static int add_switch(struct command *c, int letter, const char *argument)
{
	for (size_t i = 0; i < SWITCHES; i++)
		if (switches[i].letter == letter)
			return conf_add(&c->lines, switches[i].key, NULL,
					switches[i].value ? switches[i].value : argument);
	return -1;
}

/* What only prints; -1: go on; else the exit status. */
static int take_question(int letter)
{
	switch (letter) {
	case LONG_ROFF: settings_print_roff(stdout); return 0;
	case LONG_COMPAT: settings_print_compat(stdout); return 0;
	case 'a': list_primitives(); return 0;
	case 'V': printf("nfacctd %s (flowledger); plugins: %s\n", VERSION, sink_types()); return 0;
	case 'h': usage(stdout); return 0;
	default: return -1;
	}
}

/* -1: go on; else the exit status. */
static int take_option(struct command *c, int letter)
{
	static const struct {
		int letter;
		enum mode mode;
	} modes[] = { { LONG_CHECK, MODE_CHECK }, { LONG_DUMP, MODE_DUMP }, { LONG_SPOOL, MODE_SPOOL },
		{ LONG_SPOOL_DUMP, MODE_SPOOL_DUMP } };
	int status = take_question(letter);

	if (status >= 0)
		return status;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i].letter == letter) {
			c->mode = modes[i].mode;
			c->spool_file = optarg;
			return -1;
		}
	if (letter == 'T')
		return dry_run(c, optarg);
	if (letter == 'f')
		c->file = optarg;
	else if (add_switch(c, letter, optarg) < 0) {
		fprintf(stderr, "try nfacctd --help\n");
		return EXIT_USAGE;
	}
	return -1;
}

/* -1: go on; else the exit status. */
static int command_parse(struct command *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "check", no_argument, NULL, LONG_CHECK },
		{ "dump-config", no_argument, NULL, LONG_DUMP },
		{ "spool", no_argument, NULL, LONG_SPOOL },
		{ "spool-dump", required_argument, NULL, LONG_SPOOL_DUMP },
		{ "keys-roff", no_argument, NULL, LONG_ROFF },
		{ "compat-roff", no_argument, NULL, LONG_COMPAT },
		{ NULL, 0, NULL, 0 },
	};
	char letters[2 * SWITCHES + 16] = "f:T:aVh", *at = letters + strlen(letters);
	int letter;

	for (size_t i = 0; i < SWITCHES; i++) {
		*at++ = switches[i].letter;
		if (!switches[i].value)
			*at++ = ':';
	}
	*at = '\0';
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const int status = take_option(c, letter);

		if (status >= 0)
			return status;
	}
	if (optind < argc) {
		fprintf(stderr, "nfacctd: \"%s\": expected switches only; try nfacctd --help\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (!c->file && c->lines.n == 0) {
		fprintf(stderr, "nfacctd: neither -f FILE nor a switch; try nfacctd --help\n");
		return EXIT_USAGE;
	}
	return -1;
}

/* ---- the daemon ---- */

enum { TICK_MS = 1000, PUBLISH_US = 5000000 };

struct daemon {
	const struct settings *settings;
	struct engine *engine;
	struct capture *capture;	/* NULL: live */
	struct capture_counts captured;	/* of readings that have ended */
	int signals, purged;		/* signalfd; eventfd that counts purges */
	int pidfile;
	struct metrics *metrics;	/* NULL: not asked for */
	uint64_t stats_logged_us, published_us;
	bool stop;
};

static void collect_stats(struct daemon *d, struct stats *s)
{
	const struct capture_counts *c = d->capture ? capture_counts(d->capture) : NULL;

	engine_settle(d->engine);
	if (c) {
		stats_add(s, d->captured.packets + c->packets, "capture_packets");
		stats_add(s, d->captured.datagrams + c->datagrams, "capture_datagrams");
		stats_add(s, d->captured.other + c->other, "capture_not_udp");
		stats_add(s, d->captured.fragments + c->fragments, "capture_fragments_lost");
		stats_add(s, d->captured.joined + c->joined, "capture_fragments_joined");
		stats_add(s, d->captured.cut + c->cut, "capture_cut");
	}
	engine_stats(d->engine, s);
}

/* What is no counter; all other rows are, under their own names. */
static const struct metric_name metric_names[] = {
	{ "streams", "streams", METRIC_GAUGE, "Exporters known now, an observation domain each" },
	{ "memory_used_bytes", "memory_used_bytes", METRIC_GAUGE, "Memory of all sums" },
	{ "memory_budget_bytes", "memory_budget_bytes", METRIC_GAUGE, "What they may take" },
	{ "plugin_table_rows", "plugin_table_rows", METRIC_GAUGE, "Sums in memory" },
	{ "plugin_table_bytes", "plugin_table_bytes", METRIC_GAUGE, "Memory of these sums" },
	{ "plugin_waiting_rows", "plugin_waiting_rows", METRIC_GAUGE,
		"Rows the sink did not take yet" },
	{ "plugin_octets_pending", "plugin_octets_pending", METRIC_GAUGE,
		"Octets not written yet" },
	{ "plugin_packets_pending", "plugin_packets_pending", METRIC_GAUGE,
		"Packets not written yet" },
	{ "exporter_last_seen_seconds", "exporter_last_seen_seconds", METRIC_GAUGE,
		"When it was heard of, seconds since 1970" },
	{ "exporter_silent", "exporter_silent", METRIC_GAUGE,
		"1: longer than nfacctd_silence ago" },
	/* Late records take losses back. */
	{ "exporter_lost", "exporter_lost", METRIC_GAUGE,
		"Records (netflow9, sflow: datagrams) missing by its sequence numbers" },
	{ "sequence_lost", "sequence_lost", METRIC_GAUGE, "The same of all exporters" },
};

/* For Prometheus, every PUBLISH_US. */
static void publish(struct daemon *d)
{
	const uint64_t now_us = clock_mono_ns() / 1000;
	struct stats s;

	if (!d->metrics || (d->published_us && now_us < d->published_us + PUBLISH_US))
		return;
	d->published_us = now_us;
	stats_init(&s);
	collect_stats(d, &s);
	engine_exporter_stats(d->engine, &s);
	metrics_publish(d->metrics, &s);
	stats_clear(&s);
}

static int write_stats(struct daemon *d)
{
	struct stats s;
	int err;

	if (!d->settings->stats_file)
		return 0;
	stats_init(&s);
	collect_stats(d, &s);
	err = stats_write(&s, d->settings->stats_file);
	if (err < 0 && log_allow(&d->stats_logged_us, clock_wall_us(), 60000000))
		log_error_errno("nfacctd_stats_file: \"%s\"", d->settings->stats_file);
	stats_clear(&s);
	return err;
}

static void on_purge(void *ctx)
{
	const struct daemon *d = ctx;
	uint64_t one = 1;

	(void)!write(d->purged, &one, sizeof(one));
}

static void on_signal(struct daemon *d, int sig)
{
	switch (sig) {
	case SIGINT:
	case SIGTERM:
		d->stop = true;
		break;
	case SIGHUP:
		if (log_reopen() < 0)
			log_error_errno("logfile");
		break;
	case SIGUSR1:
		engine_report(d->engine);
		write_stats(d);
		break;
	case SIGUSR2:
		engine_reload(d->engine);
		break;
	default:
		break;
	}
}

static void read_signals(struct daemon *d)
{
	for (int sig; (sig = daemon_signal_read(d->signals)) > 0; )
		on_signal(d, sig);
}

/* Until INT or TERM. */
static void wait_for_signals(struct daemon *d)
{
	struct pollfd p[] = { { d->signals, POLLIN, 0 }, { d->purged, POLLIN, 0 } };
	uint64_t n;

	publish(d);	/* who asks in the first second is told of all counters, too */
	while (!d->stop) {
		if (poll(p, 2, TICK_MS) < 0 && errno != EINTR)
			return;
		read_signals(d);
		publish(d);
		if (!d->capture)
			engine_watch(d->engine, clock_wall_us());
		if (read(d->purged, &n, sizeof(n)) == (ssize_t)sizeof(n)) {
			write_stats(d);
			engine_save_templates(d->engine);
		}
	}
}

/*
 * From here on a second INT or TERM ends the process by its default action, which a
 * shell's background job has not got: its shell ignores INT for it.
 */
static void let_signals_kill(void)
{
	sigset_t set;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void count_reading(struct daemon *d)
{
	const struct capture_counts *c = capture_counts(d->capture);

	d->captured.packets += c->packets;
	d->captured.datagrams += c->datagrams;
	d->captured.fragments += c->fragments;
	d->captured.other += c->other;
	d->captured.cut += c->cut;
	d->captured.joined += c->joined;
}

/* One reading of the capture; -1 after logging. */
static int read_capture(struct daemon *d)
{
	char why[256];
	int got = 0;

	while (!d->stop && (got = engine_read(d->engine, d->capture, why)) > 0) {
		read_signals(d);
		publish(d);
	}
	engine_settle(d->engine);
	if (got < 0)
		log_error("pcap_savefile: %s", why);
	return got < 0 ? -1 : 0;
}

static int run_capture(struct daemon *d)
{
	const struct settings *s = d->settings;
	const bool from_stdin = strcmp(s->pcap_savefile, "-") == 0;
	char why[256];
	int err = 0;

	if (s->pcap_delay)
		clock_sleep_until(clock_mono_ns() + s->pcap_delay * UINT64_C(1000000000));
	for (uint32_t i = 0; !d->stop && !err && (i < s->pcap_replays || s->pcap_replays == 0);
	     i++) {
		if (i) {
			if (from_stdin)
				break;
			count_reading(d);
			capture_close(d->capture);
			d->capture = capture_open(s->pcap_savefile, why);
			if (!d->capture) {
				log_error("pcap_savefile: %s", why);
				return -1;
			}
		}
		err = read_capture(d);
	}
	if (s->pcap_wait && !err) {
		err = engine_fed(d->engine);
		write_stats(d);
		log_info("%s: read to its end; waiting for a signal", s->pcap_savefile);
		wait_for_signals(d);
	}
	return err;
}

static int run_live(struct daemon *d)
{
	if (engine_start(d->engine, on_purge, d) < 0)
		return -1;
	wait_for_signals(d);
	return 0;
}

/* ---- INT and TERM while sinks are opened ---- */

/*
 * A sink may wait for a server that hangs.  Nothing was received yet, so there is nothing to
 * write: the process ends at once, and leaves no pid file.
 */
struct early {
	const struct daemon *daemon;
	sigset_t signals;
	pthread_t thread;
	bool watching;
	_Atomic bool over;
};

static void *early_main(void *arg)
{
	const struct early *e = arg;
	const struct daemon *d = e->daemon;
	siginfo_t info;

	do {
		if (sigwaitinfo(&e->signals, &info) < 0)
			continue;
		/* early_end()'s; libc hides that it was sent to a thread. */
		if (atomic_load(&e->over) && info.si_pid == getpid())
			return NULL;
		log_info("signal %d while sinks are opened: nothing was received", info.si_signo);
		daemon_notify("STOPPING=1");
		if (d->pidfile >= 0)
			pidfile_close(d->pidfile, d->settings->pidfile);
		_exit(EXIT_SUCCESS);
	} while (true);
}

/* They are blocked.  Without a thread they wait, as they would without this. */
static void early_start(struct early *e, const struct daemon *d)
{
	e->daemon = d;
	atomic_init(&e->over, false);
	sigemptyset(&e->signals);
	sigaddset(&e->signals, SIGINT);
	sigaddset(&e->signals, SIGTERM);
	e->watching = pthread_create(&e->thread, NULL, early_main, e) == 0;
}

/* From here on the signalfd has them. */
static void early_end(struct early *e)
{
	if (!e->watching)
		return;
	atomic_store(&e->over, true);
	pthread_kill(e->thread, SIGTERM);
	pthread_join(e->thread, NULL);
}

/* What must be there before the process may say that it runs. */
static int prepare(struct daemon *d)
{
	const struct settings *s = d->settings;
	const struct metrics_options metrics = {
		s->metrics, "nfacctd", metric_names, sizeof(metric_names) / sizeof(metric_names[0]),
	};
	const char *wrong = NULL;
	struct early early;
	uint64_t seed;
	char why[256];
	int err;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = clock_wall_us();
	d->engine = engine_new(s, sink_find, (int64_t)(clock_wall_us() / 1000000), seed);
	if (!d->engine)
		return EXIT_USAGE;
	d->purged = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->purged < 0) {
		log_error_errno("eventfd");
		return EXIT_RUNTIME;
	}
	if (s->pidfile) {
		d->pidfile = pidfile_open(s->pidfile);
		if (d->pidfile < 0) {
			if (errno == EWOULDBLOCK)
				log_error("pidfile: \"%s\": held by another process; is nfacctd "
					  "running?",
					s->pidfile);
			else
				log_error_errno("pidfile: \"%s\"", s->pidfile);
			return EXIT_RUNTIME;
		}
	}
	if (s->pcap_savefile) {
		d->capture = capture_open(s->pcap_savefile, why);
		if (!d->capture) {
			log_error("pcap_savefile: %s", why);
			return EXIT_RUNTIME;
		}
	} else if (engine_listen(d->engine) < 0) {
		return EXIT_RUNTIME;
	}
	if (s->metrics && !(d->metrics = metrics_start(&metrics, &wrong))) {
		log_error("nfacctd_metrics: \"%s\": %s", s->metrics, wrong);
		return EXIT_RUNTIME;
	}
	/* What cannot be written is told before the process detaches. */
	early_start(&early, d);
	err = engine_open(d->engine);
	early_end(&early);
	return err < 0 || write_stats(d) < 0 ? EXIT_RUNTIME : 0;
}

static void let_go(struct daemon *d)
{
	metrics_stop(d->metrics);
	engine_free(d->engine);
	if (d->capture)
		capture_close(d->capture);
	if (d->purged >= 0)
		close(d->purged);
	if (d->signals >= 0)
		close(d->signals);
	if (d->pidfile >= 0)
		pidfile_close(d->pidfile, d->settings->pidfile);
}

static int run(const struct settings *s)
{
	struct daemon d = { .settings = s, .signals = -1, .purged = -1, .pidfile = -1 };
	int status, err;

	if (s->daemonize && daemon_detach_begin() < 0) {
		log_error_errno("daemonize");
		return EXIT_RUNTIME;
	}
	d.signals = daemon_signals();
	if (d.signals < 0) {
		log_error_errno("signals");
		status = EXIT_RUNTIME;
	} else {
		status = prepare(&d);
	}
	if (s->daemonize)
		daemon_detach_done(status);
	if (status) {
		let_go(&d);
		return status;
	}
	log_echo(false);
	log_info("nfacctd %s started", VERSION);
	daemon_notify("READY=1");
	err = s->pcap_savefile ? run_capture(&d) : run_live(&d);
	daemon_notify("STOPPING=1");
	/* One that came while a capture's pipe was waited for is the first, not the second. */
	if (!d.stop)
		read_signals(&d);
	let_signals_kill();
	if (engine_stop(d.engine) < 0)
		err = -1;
	write_stats(&d);
	log_info("nfacctd stopped");
	let_go(&d);
	return err ? EXIT_RUNTIME : 0;
}

/* ---- before it ---- */

static int open_log(const struct settings *s)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/core", s->core_proc_name);
	log_name(name);
	log_level(s->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	log_stamp_stderr(s->log_stderr_tstamp);
	log_echo(true);
	if (s->logfile) {
		if (log_to_file(s->logfile) < 0) {
			log_error_errno("logfile: \"%s\"", s->logfile);
			return -1;
		}
	} else if (s->syslog) {
		log_to_syslog(s->syslog, s->syslog_ident);
	}
	return 0;
}

/* What the process is to be, and what is worth to be told of that. */
static void notices(const struct settings *s)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (s->daemonize && strcmp(s->plugin[i].type, "print") == 0 &&
		    !s->plugin[i].print_output_file)
			log_warn("plugin %s: print writes to standard output, which daemonize "
				 "closes",
				s->plugin[i].name);
	if (s->proc_priority && setpriority(PRIO_PROCESS, 0, s->proc_priority) < 0)
		log_warn_errno("proc_priority: \"%d\"", s->proc_priority);
	if (s->daemonize && !s->logfile && !s->syslog)
		log_warn("daemonize without logfile or syslog: the log ends here");
}

static void show_samples(const struct settings *s)
{
	for (size_t i = 0; i < s->nplugins; i++) {
		struct strbuf b = { 0 };

		sample_row(&b, &s->plugin[i], (int64_t)(clock_wall_us() / 1000000));
		log_info("plugin %s (%s): a row looks like %s", s->plugin[i].name,
			 s->plugin[i].type, b.s);
		strbuf_clear(&b);
	}
}

static int check(const struct settings *s, unsigned problems, bool open)
{
	struct engine *e = engine_new(s, sink_find, (int64_t)(clock_wall_us() / 1000000), 1);
	int status = EXIT_USAGE;

	problems += places_check(s);
	if (e) {
		problems += open ? engine_open(e) < 0 : engine_check(e);
		status = problems ? EXIT_USAGE : 0;
	}
	if (e)
		show_samples(s);
	engine_free(e);
	if (status)
		log_error("check: problems: %u errors, %u warnings", log_count(LOG_LEVEL_ERROR),
			  log_count(LOG_LEVEL_WARN));
	else if (log_count(LOG_LEVEL_WARN))
		log_info("check: no problems, %u warnings", log_count(LOG_LEVEL_WARN));
	else
		log_info("check: no problems");
	return status;
}

/* pmacct has a daemon of its own for sFlow, which listens at sFlow's port. */
static bool called_sfacctd(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcmp(slash ? slash + 1 : argv0, "sfacctd") == 0;
}

int main(int argc, char **argv)
{
	struct command c = { 0 };
	struct settings s;
	unsigned problems = 0;
	int status;

	log_open("nfacctd");
	conf_init(&c.lines);
	status = command_parse(&c, argc, argv);
	if (status >= 0) {
		conf_clear(&c.lines);
		return status;
	}
	status = EXIT_USAGE;
	if (settings_load(&s, c.file, &c.lines, &problems) == 0) {
		if (called_sfacctd(argv[0]))
			settings_default_port(&s, 6343);
		umask((mode_t)s.files_umask);
		owner_set(s.files_uid, s.files_gid);
		if (c.mode == MODE_DUMP) {
			settings_print_lines(&s, stdout);
			status = 0;
		} else if (c.mode == MODE_SPOOL) {
			status = spool_list(&s, stdout);
		} else if (c.mode == MODE_SPOOL_DUMP) {
			status = spool_dump(&s, c.spool_file, stdout);
		} else if (c.mode == MODE_RUN) {
			status = EXIT_RUNTIME;
			if (open_log(&s) == 0) {
				notices(&s);
				status = run(&s);
			}
		} else {
			status = check(&s, problems, c.mode == MODE_SETUP);
		}
	}
	settings_clear(&s);
	conf_clear(&c.lines);
	return status;
}
