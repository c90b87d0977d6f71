/*
 * settings.c - see settings.h.  Both forms are tables: options[] of the
 * command line, settings_keys[] of the file; --help is printed from them.
 */
#include "settings.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "replicator/gate.h"
#include "replicator/worker.h"

enum { NAMES_S = 300 };

/* ---- the configuration file ----------------------------------------------- */

#define GLOBAL(name, aliases, type, T, member, min, max, help)                                 \
	{                                                                                      \
		name, aliases, type, CONF_GLOBAL, CONF_FIELD(struct settings, member, T), min, \
			max, NULL, help, NULL                                                  \
	}
#define TEE(name, aliases, type, T, member, min, max, help)                                    \
	{                                                                                      \
		name, aliases, type, CONF_PLUGIN, CONF_FIELD(struct tee, member, T), min, max, \
			NULL, help, NULL                                                       \
	}
#define ACCEPTED(name, help) { name, NULL, CONF_ACCEPTED, CONF_GLOBAL, 0, 0, 0, NULL, help, NULL }

const struct conf_key settings_keys[] = {
	GLOBAL("listen_ip", "nfacctd_ip sfacctd_ip", CONF_STRING, char *, listen_ip, 0, 0,
		"address to listen on; all addresses when it is left out"),
	GLOBAL("listen_port", "nfacctd_port sfacctd_port", CONF_U32, uint32_t, listen_port, 1,
		65535, "UDP port to listen on; 2000, or 2100 in a file with `plugins`"),
	GLOBAL("listen_also", NULL, CONF_STRING, char *, listen_also, 0, 0,
		"more addresses to listen on, ADDRESS:PORT with commas between, at most 15"),
	GLOBAL("receive_buffer", "nfacctd_pipe_size sfacctd_pipe_size", CONF_U64, uint64_t,
		receive_buffer, 1, INT_MAX / 2, "receive buffer of the socket, bytes"),
	GLOBAL("send_buffer", NULL, CONF_U64, uint64_t, send_buffer, 1, INT_MAX / 2,
		"send buffer of each receiver's socket, bytes"),
	GLOBAL("receivers", NULL, CONF_STRING, char *, receivers, 0, 0,
		"file of receivers in samplicator's format"),
	GLOBAL("transparent", NULL, CONF_BOOL, bool, transparent, 0, 0,
		"keep the exporters' addresses and ports, for the receivers of `receivers`"),
	GLOBAL("plugins", NULL, CONF_STRING, char *, plugins, 0, 0,
		"pmacct's list; every entry must be a tee"),
	TEE("tee_receivers", NULL, CONF_STRING, char *, receivers, 0, 0,
		"file of receivers in pmacct's format"),
	TEE("pre_tag_map", NULL, CONF_STRING, char *, tag_map, 0, 0,
		"file that tags datagrams, which the receivers' `tag` and hash-tag then look at"),
	TEE("tee_transparent", NULL, CONF_BOOL, bool, transparent, 0, 0,
		"keep the exporters' addresses and ports"),
	TEE("tee_source_ip", NULL, CONF_STRING, char *, source_ip, 0, 0,
		"local address to send from, when the exporters' are not kept"),
	TEE("tee_pipe_size", NULL, CONF_U64, uint64_t, send_buffer, 1, INT_MAX / 2,
		"send buffer of each receiver's socket, bytes"),
	TEE("tee_ipprec", NULL, CONF_U32, uint32_t, precedence, 0, 7,
		"IP precedence of what is sent"),
	GLOBAL("template_memory", NULL, CONF_U32, uint32_t, template_memory, 0, 4096,
		"MB for the templates that are told to receivers that missed them; 64; 0: none"),
	GLOBAL("template_file", NULL, CONF_STRING, char *, template_file, 0, 0,
		"file in which templates outlive the process, written each minute and at the end"),
	GLOBAL("control", NULL, CONF_STRING, char *, control, 0, 0,
		"socket for commands, see --tell"),
	GLOBAL("stats_file", NULL, CONF_STRING, char *, stats_file, 0, 0,
		"all counters as TSV, written anew each second and at the end"),
	GLOBAL("allow_file", "nfacctd_allow_file sfacctd_allow_file", CONF_STRING, char *, allow, 0,
		0, "file of the exporters that may send; the datagrams of others are dropped"),
	GLOBAL("exporter_rate_limit", NULL, CONF_U64, uint64_t, rate_limit, 1, 1000000000,
		"datagrams a second that one exporter may send; more are dropped"),
	GLOBAL("dedup_window", NULL, CONF_U32, uint32_t, dedup_ms, 1, 60000,
		"milliseconds in which a second copy of a datagram is dropped"),
	GLOBAL("names_refresh", NULL, CONF_U32, uint32_t, names_s, 0, 86400,
		"seconds after which receivers' names are looked up again; 300; 0: on reload only"),
	GLOBAL("metrics", NULL, CONF_STRING, char *, metrics, 0, 0,
		"ADDRESS:PORT where Prometheus finds the counters over HTTP"),
	GLOBAL("workers", NULL, CONF_U32, uint32_t, workers, 1, WORKERS_MAX,
		"threads that receive and send; an exporter stays with one"),
	GLOBAL("pidfile", NULL, CONF_STRING, char *, pid_file, 0, 0,
		"where to write the process number"),
	GLOBAL("logfile", NULL, CONF_STRING, char *, log_file, 0, 0, "log there and not to stderr"),
	GLOBAL("syslog", NULL, CONF_STRING, char *, syslog, 0, 0, "log to this syslog facility"),
	GLOBAL("daemonize", NULL, CONF_BOOL, bool, background, 0, 0, "go to the background"),
	GLOBAL("debug", NULL, CONF_BOOL, bool, debug, 0, 0, "log every datagram"),
	ACCEPTED("tee_max_receivers", "there is no such limit here"),
	ACCEPTED("tee_max_receiver_pools", "there is no such limit here"),
	ACCEPTED("plugin_pipe_size", "there is no queue between core and plugin here"),
	ACCEPTED("plugin_buffer_size", "a datagram is sent at once, none waits for others"),
	ACCEPTED("maps_refresh", "SIGHUP reads the receivers anew"),
	ACCEPTED("maps_index", "what a map gave is remembered for each exporter"),
	ACCEPTED("maps_entries", "there is no such limit here"),
	ACCEPTED("maps_row_len", "there is no such limit here"),
	ACCEPTED("tee_dissect_send_full_pkt", "datagrams are not taken apart"),
	ACCEPTED("nfacctd_time_new", "datagrams are not booked here"),
	ACCEPTED("nfacctd_renormalize", "datagrams are not booked here"),
	ACCEPTED("sfacctd_renormalize", "datagrams are not booked here"),
	ACCEPTED("nfacctd_ext_sampling_rate", "datagrams are not booked here"),
	ACCEPTED("sfacctd_ext_sampling_rate", "datagrams are not booked here"),
	ACCEPTED("nfacctd_templates_file", "template_file keeps templates"),
	ACCEPTED("nfacctd_disable_opt_scope_check", "option data passes as it is"),
	ACCEPTED("propagate_signals", "there is one process"),
	ACCEPTED("files_umask", "the umask of the process holds"),
	ACCEPTED("nfacctd_disable_checks", "datagrams of every protocol are passed on"),
	ACCEPTED("sfacctd_disable_checks", "datagrams of every protocol are passed on"),
	ACCEPTED("core_proc_name", "there is one process"),
};
const size_t settings_nkeys = sizeof(settings_keys) / sizeof(settings_keys[0]);

static bool word_in(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (const char *p = list; p && (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static bool key_known(const char *key)
{
	for (size_t i = 0; i < settings_nkeys; i++)
		if (strcmp(settings_keys[i].name, key) == 0 ||
			word_in(settings_keys[i].aliases, key))
			return true;
	return false;
}

static struct tee *add_tee(struct settings *s, const char *name, size_t n)
{
	struct tee *t;

	s->tees = xrealloc(s->tees, (s->ntees + 1) * sizeof(*s->tees));
	t = &s->tees[s->ntees++];
	memset(t, 0, sizeof(*t));
	t->name = xmalloc(n + 1);
	memcpy(t->name, name, n);
	t->name[n] = '\0';
	return t;
}

/* "tee[a], tee[b]" into s->tees. */
static int read_plugins(struct settings *s, const struct conf_line *l)
{
	const char *p = l->value;

	while (*p) {
		size_t n = strcspn(p, ","), blanks;
		const char *end = p + n, *open;

		blanks = strspn(p, " \t");
		p += blanks < n ? blanks : n;
		while (end > p && isspace((unsigned char)end[-1]))
			end--;
		if (end > p) {
			open = memchr(p, '[', (size_t)(end - p));
			if ((size_t)((open ? open : end) - p) != 3 || memcmp(p, "tee", 3) != 0 ||
			    (open && end[-1] != ']')) {
				conf_error(&s->conf, l,
					"expected tee or tee[NAME], with commas between; a tee "
					"stands alone");
				return -1;
			}
			if (open)
				add_tee(s, open + 1, (size_t)(end - 1 - (open + 1)));
			else
				add_tee(s, "default", 7);
		}
		p = end + strcspn(end, ",");
		p += *p == ',';
	}
	return 0;
}

static void add_file(
	struct settings *s, const char *path, bool map, const struct receiver_defaults *d)
{
	s->files = xrealloc(s->files, (s->nfiles + 1) * sizeof(*s->files));
	s->files[s->nfiles++] = (struct source_file){ path, map, *d };
}

static int add_tee_file(struct settings *s, const struct tee *t)
{
	struct receiver_defaults d = { .transparent = t->transparent, .tag_map = t->tag_map };
	const char *why;

	if (!t->receivers) {
		log_error("plugin tee[%s]: tee_receivers: expected the file of its receivers",
			t->name);
		return -1;
	}
	d.options.send_buffer = (int)t->send_buffer;
	d.options.tos = (uint8_t)(t->precedence << 5);
	d.options.has_source = t->source_ip && !t->transparent;
	if (d.options.has_source &&
		(endpoint_resolve(&d.options.source, t->source_ip, NULL, 0, &why) < 0 ||
			d.options.source.any)) {
		log_error("plugin tee[%s]: tee_source_ip: \"%s\": expected an address of this host",
			t->name, t->source_ip);
		return -1;
	}
	add_file(s, t->receivers, true, &d);
	return 0;
}

static int read_config(struct settings *s, const char *path)
{
	const struct conf_line *plugins;
	struct conf_plugin *names;
	unsigned problems, unknown = 0;

	if (conf_read(&s->conf, path) < 0)
		return -1;
	plugins = conf_last(&s->conf, "plugins", NULL);
	if (plugins && read_plugins(s, plugins) < 0)
		return -1;
	if (s->ntees == 0)
		add_tee(s, "default", 7);
	names = xcalloc(s->ntees, sizeof(*names));
	for (size_t i = 0; i < s->ntees; i++)
		names[i] = (struct conf_plugin){ s->tees[i].name, NULL, &s->tees[i] };
	problems = conf_apply(&s->conf, settings_keys, settings_nkeys, s, names, s->ntees);
	free(names);
	if (s->syslog && !log_has_facility(s->syslog)) {
		conf_error(&s->conf, conf_last(&s->conf, "syslog", NULL),
			"expected a facility as daemon or local0");
		problems++;
	}
	for (size_t i = 0; i < s->conf.n; i++)
		unknown += !key_known(s->conf.lines[i].key);
	if (!s->listen_port && !s->listen_service)
		s->listen_port = plugins ? 2100 : RECEIVER_PORT;
	/*
	 * An unknown key may be pmacct's; a value that is not understood is not to be guessed.
	 * The files that are named are read before this ends it, so that all is told at once.
	 */
	if (problems > unknown || (s->check && problems))
		s->problems = problems;
	for (size_t i = 0; i < s->ntees; i++)
		if ((plugins || s->tees[i].receivers) && add_tee_file(s, &s->tees[i]) < 0)
			return -1;
	return 0;
}

/* ---- the command line ----------------------------------------------------- */

enum {
	OPT_CONFIG = 256,
	OPT_CHECK,
	OPT_STATS,
	OPT_VERSION,
	OPT_CONTROL,
	OPT_TELL,
	OPT_METRICS,
	OPT_WORKERS,
	OPT_TAKE_OVER,
	OPT_ALLOW,
	OPT_RATE,
	OPT_DEDUP,
	OPT_NAMES,
	OPT_TOP
};

static const struct option_row {
	struct option option;
	const char *argument, *help;
} options[] = {
	{ { "listen-port", required_argument, NULL, 'p' }, "PORT",
		"listen on this UDP port or service (2000)" },
	{ { "listen-ip", required_argument, NULL, 's' }, "ADDR",
		"listen on this address only (all of them)" },
	{ { "ipv4", no_argument, NULL, '4' }, NULL, "IPv4 only" },
	{ { "ipv6", no_argument, NULL, '6' }, NULL, "IPv6 only" },
	{ { "receivers", required_argument, NULL, 'c' }, "FILE",
		"receivers by source, samplicator's format; repeatable" },
	{ { "buffer", required_argument, NULL, 'b' }, "BYTES", "socket buffers, in and out" },
	{ { "max-size", required_argument, NULL, 'u' }, "BYTES", "cut longer datagrams (65536)" },
	{ { "keep-source", no_argument, NULL, 'S' }, NULL,
		"send from the exporter's own address and port" },
	{ { "no-checksum", no_argument, NULL, 'n' }, NULL, "with -S over IPv4: no UDP checksum" },
	{ { "delay", required_argument, NULL, 'x' }, "US",
		"sleep after each datagram to a receiver of the command line" },
	{ { "timeout", required_argument, NULL, 't' }, "MS",
		"end with status 5 when nothing came for so long" },
	{ { "debug", required_argument, NULL, 'd' }, "LEVEL", "not 0: a line for every datagram" },
	{ { "fork", no_argument, NULL, 'f' }, NULL, "go to the background" },
	{ { "pid-file", required_argument, NULL, 'm' }, "FILE", "write the process number there" },
	{ { "config", required_argument, NULL, OPT_CONFIG }, "FILE",
		"read `key: value` settings, see replicator(8)" },
	{ { "check", no_argument, NULL, OPT_CHECK }, NULL,
		"read and resolve everything, say what is wrong, end" },
	{ { "stats", required_argument, NULL, OPT_STATS }, "FILE",
		"all counters as TSV, each second and at the end" },
	{ { "control", required_argument, NULL, OPT_CONTROL }, "FILE",
		"socket for commands to this process" },
	{ { "tell", required_argument, NULL, OPT_TELL }, "WHO",
		"with --control: templates to receiver WHO, or all" },
	{ { "take-over", no_argument, NULL, OPT_TAKE_OVER }, NULL,
		"with --control: replace the process that runs, losing nothing" },
	{ { "top", no_argument, NULL, OPT_TOP }, NULL,
		"with --control: what the process that runs does, live" },
	{ { "allow", required_argument, NULL, OPT_ALLOW }, "FILE",
		"take datagrams of these exporters only" },
	{ { "rate-limit", required_argument, NULL, OPT_RATE }, "N",
		"datagrams a second of one exporter; more are dropped" },
	{ { "dedup", required_argument, NULL, OPT_DEDUP }, "MS",
		"drop second copies within so many milliseconds" },
	{ { "names-refresh", required_argument, NULL, OPT_NAMES }, "S",
		"look receivers' names up again each S seconds (300)" },
	{ { "metrics", required_argument, NULL, OPT_METRICS }, "ADDR:PORT",
		"the counters over HTTP, for Prometheus" },
	{ { "workers", required_argument, NULL, OPT_WORKERS }, "N",
		"threads that receive and send (1)" },
	{ { "help", no_argument, NULL, 'h' }, NULL, "this text" },
	{ { "version", no_argument, NULL, OPT_VERSION }, NULL, "the version" },
};
enum { NOPTIONS = sizeof(options) / sizeof(options[0]) };

static void print_help(void)
{
	puts("usage: replicator [OPTION]... HOST[/PORT[/FREQ[,TTL]]]...\n"
	     "       replicator --config FILE [--check]\n"
	     "Sends each UDP datagram that arrives to every receiver whose rule wants it.\n");
	for (size_t i = 0; i < NOPTIONS; i++) {
		const struct option *o = &options[i].option;
		char left[40];

		snprintf(left, sizeof(left), "%s%c%s --%s%s%s", o->val < 256 ? "-" : " ",
			o->val < 256 ? o->val : ' ', o->val < 256 ? "," : " ", o->name,
			options[i].argument ? " " : "",
			options[i].argument ? options[i].argument : "");
		printf("  %-28s %s\n", left, options[i].help);
	}
	puts("\nPORT is a number, a service, A-B or A+N (N ports from A); 2000 when left out.\n"
	     "FREQ sends one datagram in FREQ.  [2001:db8::1]/2055 is IPv6.");
}

static int usage(const char *option, const char *value, const char *expected)
{
	log_error("%s: \"%s\": expected %s; see replicator --help", option, value, expected);
	return EXIT_USAGE;
}

/* A number of the command line. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	*v = strtoull(text, &end, 10);
	return *end == '\0' && *v >= min && *v <= max;
}

static const char *option_name(int letter, char buf[static 24])
{
	for (size_t i = 0; i < NOPTIONS; i++) {
		if (options[i].option.val != letter)
			continue;
		if (letter < 256)
			snprintf(buf, 24, "-%c", letter);
		else
			snprintf(buf, 24, "--%s", options[i].option.name);
	}
	return buf;
}

static void set_string(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value);
}

/* Options with a number: which member, and what is lawful. */
static const struct {
	int letter;
	uint64_t min, max;
	const char *expected;
} numbers[] = {
	{ 'b', 1, INT_MAX / 2, "a number of bytes, 1 to 1073741823" },
	{ 'u', 1, 65536, "a number of bytes, 1 to 65536" },
	{ 'x', 0, 3600000000u, "a number of microseconds" },
	{ 't', 0, INT_MAX, "a number of milliseconds" },
	{ 'd', 0, UINT32_MAX, "a number" },
	{ OPT_RATE, 1, 1000000000, "a number of datagrams a second" },
	{ OPT_DEDUP, 1, 60000, "a number of milliseconds, 1 to 60000" },
	{ OPT_NAMES, 0, 86400, "a number of seconds, 0 to 86400" },
	{ OPT_WORKERS, 1, WORKERS_MAX, "a number of threads, 1 to 64" },
};

static int set_number(struct settings *s, int letter, const char *value)
{
	char name[24];
	size_t i = 0;
	uint64_t v;

	while (numbers[i].letter != letter)
		i++;
	if (!parse_number(value, numbers[i].min, numbers[i].max, &v))
		return usage(option_name(letter, name), value, numbers[i].expected);
	switch (letter) {
	case 'b':
		s->receive_buffer = s->send_buffer = v;
		break;
	case 'u':
		s->datagram_max = (uint32_t)v;
		break;
	case 'x':
		s->delay_us = (uint32_t)v;
		break;
	case 't':
		s->idle_ms = (uint32_t)v;
		break;
	case OPT_RATE:
		s->rate_limit = v;
		break;
	case OPT_DEDUP:
		s->dedup_ms = (uint32_t)v;
		break;
	case OPT_NAMES:
		s->names_s = (uint32_t)v;
		break;
	case OPT_WORKERS:
		s->workers = (uint32_t)v;
		break;
	default:
		s->debug = v != 0;
	}
	return SETTINGS_GO;
}

static int set_port(struct settings *s, const char *value)
{
	uint64_t v;

	set_string(&s->listen_service, "");
	if (parse_number(value, 1, 65535, &v)) {
		s->listen_port = (uint32_t)v;
		return SETTINGS_GO;
	}
	if (*value == '\0' || isdigit((unsigned char)*value))
		return usage("-p", value, "a port, 1 to 65535, or the name of a UDP service");
	set_string(&s->listen_service, value);
	return SETTINGS_GO;
}

static int set_option(struct settings *s, int letter, const char *value, const char **config)
{
	static const struct receiver_defaults plain;

	switch (letter) {
	case 'p':
		return set_port(s, value);
	case 's':
		set_string(&s->listen_ip, value);
		break;
	case '4':
	case '6':
		s->family = letter - '0';
		break;
	case 'c':
		add_file(s, value, false, &plain);
		break;
	case 'S':
		s->transparent = true;
		break;
	case 'n':
		s->no_checksum = true;
		break;
	case 'f':
		s->background = true;
		break;
	case 'm':
		set_string(&s->pid_file, value);
		break;
	case OPT_STATS:
		set_string(&s->stats_file, value);
		break;
	case OPT_CONTROL:
		set_string(&s->control, value);
		break;
	case OPT_TELL:
		s->tell = value;
		break;
	case OPT_TAKE_OVER:
		s->take_over = true;
		break;
	case OPT_TOP:
		s->top = true;
		break;
	case OPT_ALLOW:
		set_string(&s->allow, value);
		break;
	case OPT_METRICS:
		set_string(&s->metrics, value);
		break;
	case OPT_CONFIG:
		*config = value;
		break;
	case OPT_CHECK:
		s->check = true;
		break;
	default:
		return set_number(s, letter, value);
	}
	return SETTINGS_GO;
}

/* In samplicator -S, -n, -4 and -6 hold for the -c files behind them only; here for all. */
static void warn_order(int letter, bool file_before)
{
	if (file_before && strchr("Sn46", letter))
		log_warn("-%c behind -c: holds for the receivers of that file too (samplicate "
			 "would not apply it)",
			letter);
}

static int read_options(struct settings *s, int argc, char **argv, const char **config)
{
	struct option longs[NOPTIONS + 1] = { { 0 } };
	char letters[2 * NOPTIONS + 2] = ":";
	size_t n = 1;
	int letter, status;

	for (size_t i = 0; i < NOPTIONS; i++) {
		longs[i] = options[i].option;
		if (options[i].option.val >= 256)
			continue;
		letters[n++] = (char)options[i].option.val;
		if (options[i].option.has_arg)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (letter == 'h') {
			print_help();
			return EXIT_SUCCESS;
		}
		if (letter == OPT_VERSION) {
			puts("replicator " VERSION);
			return EXIT_SUCCESS;
		}
		if (letter == '?' || letter == ':') {
			log_error("%s: %s; see replicator --help", argv[optind - 1],
				  letter == ':' ? "expected an argument" : "unknown option");
			return EXIT_USAGE;
		}
		if (letter < 256)
			warn_order(letter, s->nfiles > 0);
		status = set_option(s, letter, optarg, config);
		if (status != SETTINGS_GO)
			return status;
	}
	s->words = argv + optind;
	s->nwords = (size_t)(argc - optind);
	return SETTINGS_GO;
}

/* Defaults of files and words, now that the order of options no longer matters. */
static void settle_defaults(struct settings *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		struct receiver_defaults *d = &s->files[i].defaults;

		d->family = s->family;
		d->names = s->names;
		d->files = s->texts;
		if (!s->files[i].map)
			d->transparent = s->transparent;
		d->options.no_checksum = s->no_checksum;
		if (!d->options.send_buffer)
			d->options.send_buffer = (int)s->send_buffer;
	}
}

static int resolve_listen(struct settings *s)
{
	char port[16];
	const char *service = s->listen_service && *s->listen_service ? s->listen_service : port,
		   *why;

	snprintf(port, sizeof(port), "%u", s->listen_port ? s->listen_port : RECEIVER_PORT);
	if (endpoint_resolve(&s->listen, s->listen_ip, service, s->family, &why) == 0)
		return SETTINGS_GO;
	log_error("listen on \"%s\" port \"%s\": %s", s->listen_ip ? s->listen_ip : "*", service,
		why);
	return EXIT_USAGE;
}

/* "192.0.2.1:9995,[2001:db8::1]:9995,*:6343" */
static int resolve_also(struct settings *s)
{
	char *list = s->listen_also ? xstrdup(s->listen_also) : NULL, *save, *one;
	int status = SETTINGS_GO;

	for (one = list ? strtok_r(list, ", \t", &save) : NULL; one;
		one = strtok_r(NULL, ", \t", &save)) {
		char *colon = strrchr(one, ':');
		const char *why = "expected up to 15 of ADDRESS:PORT, [IPV6]:PORT or *:PORT";
		uint64_t port;

		if (colon)
			*colon = '\0';
		if (!colon || s->nalso == LISTEN_MAX - 1 ||
			!parse_number(colon + 1, 1, 65535, &port) ||
			endpoint_resolve(&s->also[s->nalso], strcmp(one, "*") == 0 ? NULL : one,
				colon + 1, s->family, &why) < 0) {
			log_error("listen_also: \"%s\": %s", s->listen_also, why);
			status = EXIT_USAGE;
			break;
		}
		s->nalso++;
	}
	free(list);
	if (status == SETTINGS_GO && s->workers * (1 + s->nalso) > WORKERS_MAX) {
		log_error("listen_also: \"%s\": expected at most %d workers in all", s->listen_also,
			WORKERS_MAX);
		return EXIT_USAGE;
	}
	return status;
}

/* What is wrong in the files that are named, too; then the end. */
static int tell_problems(const struct settings *s, const char *config)
{
	struct outlet o = { 0 };
	struct receivers rs;

	receivers_init(&rs);
	settings_receivers(s, &rs);
	receivers_clear(&rs, &o);
	log_error("%s: %u problems, see above", config, s->problems);
	return EXIT_USAGE;
}

int settings_parse(struct settings *s, int argc, char **argv)
{
	const char *config = NULL;
	int status;

	memset(s, 0, sizeof(*s));
	conf_init(&s->conf);
	s->names = names_new();
	s->texts = files_new();
	s->names_s = NAMES_S;
	s->workers = 1;
	s->datagram_max = 65536;
	s->template_memory = 64;
	status = read_options(s, argc, argv, &config);
	if (status != SETTINGS_GO)
		return status;
	if (config && read_config(s, config) < 0)
		return EXIT_USAGE;
	if ((s->tell || s->top) && s->control)
		return SETTINGS_GO;
	if (s->top) {
		log_error("--top: expected --control FILE, the socket of the process to look at");
		return EXIT_USAGE;
	}
	if (s->tell)
		return usage(
			"--tell", s->tell, "--control FILE, the socket of the process to tell");
	if (s->take_over && !s->control) {
		log_error("--take-over: expected --control FILE, the socket of the process to "
			  "replace");
		return EXIT_USAGE;
	}
	if (s->receivers)
		add_file(s, s->receivers, false, &(struct receiver_defaults){ 0 });
	if (s->nfiles == 0 && s->nwords == 0) {
		log_error("no receivers: expected HOST[/PORT[/FREQ[,TTL]]]..., -c FILE or --config "
			  "FILE; "
			  "see replicator --help");
		return EXIT_USAGE;
	}
	settle_defaults(s);
	status = resolve_listen(s);
	if (status == SETTINGS_GO)
		status = resolve_also(s);
	return s->problems ? tell_problems(s, config) : status;
}

void settings_clear(struct settings *s)
{
	char *strings[] = { s->listen_ip, s->listen_also, s->listen_service, s->pid_file,
		s->stats_file, s->log_file, s->syslog, s->plugins, s->receivers, s->control,
		s->metrics, s->allow, s->template_file };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	for (size_t i = 0; i < s->ntees; i++) {
		free(s->tees[i].name);
		free(s->tees[i].receivers);
		free(s->tees[i].tag_map);
		free(s->tees[i].source_ip);
	}
	free(s->tees);
	free(s->files);
	names_free(s->names);
	files_free(s->texts);
	conf_clear(&s->conf);
	memset(s, 0, sizeof(*s));
}

int settings_receivers(const struct settings *s, struct receivers *rs)
{
	const struct receiver_defaults d = { .family = s->family, .transparent = s->transparent,
		.names = s->names, .delay_us = s->delay_us,
		.options = { .send_buffer = (int)s->send_buffer, .no_checksum = s->no_checksum } };
	const struct place at = { "command line", 0 };
	const struct receiver *loop;
	size_t last;

	for (size_t i = 0; i < s->nfiles; i++) {
		if (s->files[i].map)
			receivers_read_map(rs, s->files[i].path, &s->files[i].defaults);
		else
			receivers_read(rs, s->files[i].path, &s->files[i].defaults);
	}
	/* The words are a last entry that everybody matches. */
	if (s->nwords) {
		receivers_add_pool(rs, "*");
		last = rs->npools - 1;
		for (size_t i = 0; i < s->nwords; i++)
			receivers_add_word(rs, &rs->pools[last], s->words[i], &d, at);
	}
	if (s->allow)
		rs->allow = gate_read_allow(s->texts, s->allow, &rs->errors);
	if (rs->errors)
		return -1;
	if (receivers_count(rs) == 0) {
		log_error("no receivers: the files name none");
		return -1;
	}
	loop = receivers_find_loop(rs, &s->listen);
	for (size_t i = 0; i < s->nalso && !loop; i++)
		loop = receivers_find_loop(rs, &s->also[i]);
	if (loop) {
		log_error(
			"receiver %s is this program's own socket: datagrams would run in a circle",
			loop->label);
		return -1;
	}
	return 0;
}
