/*
 * verify.c - `pcapgen verify`: the rows that a truth and a configuration ask
 * for against the rows in the database that the same configuration names.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/commands.h"
#include "pcapgen/dbread.h"
#include "pcapgen/report.h"

/* Statuses of the blueprint that only verify gives. */
enum { VERIFY_WRONG = 1, VERIFY_LOST_OUTSIDE = 5, VERIFY_NOT_FLUSHED = 7 };

enum { POLL_NS = 250000000 };

struct verify_options {
	const char *truth, *conf, *plugin, *junit, *json, *stats;
	unsigned wait_s;
};

/* ---- the collector's own account ------------------------------------------------- */

/* What nfacctd's stats file says, for the question where a shortfall was lost. */
struct ledger {
	bool asked, read;
	uint64_t outside;	/* datagrams dropped before they reached the collector */
	uint64_t pending;	/* octets accounted for but not yet in the database */
	struct strbuf losses;	/* "name=value" of every loss that the collector counted */
};

/* Counters that are a loss when they are not 0; `member` adds up those that decide the verdict. */
static const struct {
	const char *name;
	int32_t member;
} loss_names[] = {
	{ "kernel_drops", offsetof(struct ledger, outside) },
	{ "plugin_octets_pending", offsetof(struct ledger, pending) },
	{ "datagrams_truncated", -1 },
	{ "datagrams_denied", -1 },
	{ "datagrams_refused", -1 },
	{ "damaged", -1 },
	{ "no_template_octets", -1 },
	{ "plugin_octets_rejected", -1 },
	{ "plugin_octets_salvaged", -1 },
	{ "plugin_octets_lost", -1 },
	{ "plugin_octets_shed", -1 },
	{ "plugin_octets_saturated", -1 },
};

/* "name{labels}<TAB>value" */
static void ledger_line(struct ledger *l, const char *line)
{
	size_t name = strcspn(line, "{\t"), whole = strcspn(line, "\t");
	uint64_t value = line[whole] ? strtoull(line + whole + 1, NULL, 10) : 0;

	for (size_t i = 0; value && i < sizeof(loss_names) / sizeof(loss_names[0]); i++) {
		if (strlen(loss_names[i].name) != name || strncmp(line, loss_names[i].name, name))
			continue;
		strbuf_addf(&l->losses, "%s%.*s=%" PRIu64, l->losses.n ? ", " : "", (int)whole,
			line, value);
		if (loss_names[i].member >= 0)
			*(uint64_t *)(void *)((char *)l + loss_names[i].member) += value;
	}
}

static void read_ledger(struct ledger *l, const char *path)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *f;

	memset(l, 0, sizeof(*l));
	l->asked = path != NULL;
	f = path ? fopen(path, "re") : NULL;
	if (!f) {
		if (path)
			log_error_errno("--collector-stats \"%s\"", path);
		return;
	}
	l->read = true;
	while (getline(&line, &cap, f) >= 0)
		ledger_line(l, line);
	free(line);
	fclose(f);
}

/* ---- one plugin -------------------------------------------------------------------- */

static int look(struct dbread *d, struct rules *r, struct report_plugin *p)
{
	report_plugin_clear(p);
	if (dbread_rows(d, r, p->plugin, &p->shape) || compare(&p->result, r, &p->shape) ||
		report_bins(p, r))
		return EXIT_ENVIRONMENT;
	return 0;
}

/* Compare, and with --wait again and again until all is right or the time is over. */
static int verify_plugin(
	struct rules *r, const struct rules_conf *c, struct report_plugin *p, uint64_t deadline_ns)
{
	struct dbread *d = dbread_open(p->plugin);
	int status;

	if (!d)
		return EXIT_ENVIRONMENT;
	status = rules_expect(r, c, p->plugin, &p->shape, dbread_stamps, d) ? EXIT_USAGE : 0;
	if (!status)
		status = look(d, r, p);
	while (!status && p->result.wrong && clock_mono_ns() < deadline_ns) {
		clock_sleep_until(clock_mono_ns() + POLL_NS);
		status = look(d, r, p);
	}
	dbread_close(d);
	return status;
}

/* ---- the verdict ----------------------------------------------------------------------- */

static int verdict(
	const struct report_plugin *p, size_t n, const struct ledger *l, const char **word)
{
	bool wrong = false, lossy = true;

	for (size_t i = 0; i < n; i++) {
		wrong = wrong || p[i].result.wrong;
		lossy = lossy && (!p[i].result.wrong || p[i].result.lossy);
	}
	if (!wrong) {
		*word = "equal";
		return 0;
	}
	if (lossy && l->asked && (!l->read || l->pending)) {
		*word = "not flushed";
		return VERIFY_NOT_FLUSHED;
	}
	if (lossy && l->outside) {
		*word = "lost outside the collector";
		return VERIFY_LOST_OUTSIDE;
	}
	*word = "wrong";
	return VERIFY_WRONG;
}

static void summary(const struct report_plugin *p, size_t n, uint64_t flows, const struct ledger *l,
	int status, const char *word)
{
	uint64_t rows = 0, wrong = 0, unexplained = 0;
	char want[44], got[44], delta[48];

	for (size_t i = 0; i < n; i++) {
		const struct comparison *c = &p[i].result;

		rows += c->rows;
		wrong += c->wrong;
		unexplained += c->unexplained;
		if (c->wrong)
			printf("plugin %s table %s: %" PRIu64 " rows, %" PRIu64
			       " wrong; bytes %s expected, %s found (%s)\n",
				p[i].plugin->name, p[i].plugin->table, c->rows, c->wrong,
				counter_text(want, c->want.octets),
				counter_text(got, c->got.octets),
				delta_text(delta, c->want.octets, c->got.octets));
	}
	if (status && l->read)
		printf("the collector's losses: %s\n", l->losses.n ? l->losses.s : "none");
	/* What the kernel dropped explains what lacks: then it is the setting that is wrong, not
	 * the bill. */
	if (status == VERIFY_LOST_OUTSIDE || status == VERIFY_NOT_FLUSHED)
		unexplained = 0;
	printf("%s %" PRIu64 " flows, %" PRIu64 " rows, %" PRIu64 " wrong, %" PRIu64
	       " unexplained%s%s\n",
		status ? "WRONG" : "OK", flows, rows, wrong, unexplained,
		status ? ": " : ": verified", status ? word : "");
}

/* ---- files ----------------------------------------------------------------------------- */

static FILE *create(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		log_error_errno("%s", path);
	return f;
}

static int finish(FILE *f, const char *path)
{
	bool bad = ferror(f);

	if (!fclose(f) && !bad)
		return 0;
	log_error_errno("%s", path);
	return -1;
}

static int write_files(const struct verify_options *o, const struct report_plugin *p, size_t n,
	uint64_t flows, const char *word)
{
	FILE *f;

	if (o->junit) {
		f = create(o->junit);
		if (!f)
			return -1;
		report_junit(f, p, n);
		if (finish(f, o->junit))
			return -1;
	}
	if (o->json) {
		f = create(o->json);
		if (!f)
			return -1;
		report_json(f, p, n, flows, word);
		if (finish(f, o->json))
			return -1;
	}
	return 0;
}

/* ---- the command ------------------------------------------------------------------------- */

static int verify_all(const struct verify_options *o, const struct rules_conf *c, struct rules *r,
		      struct report_plugin *p, size_t n)
{
	uint64_t deadline = clock_mono_ns() + (uint64_t)o->wait_s * 1000000000;
	struct ledger l;
	const char *word;
	int status = 0;

	for (size_t i = 0; i < n && !status; i++)
		status = verify_plugin(r, c, &p[i], deadline);
	if (status)
		return status;
	read_ledger(&l, o->stats);
	status = verdict(p, n, &l, &word);
	report_text(stdout, p, n);
	summary(p, n, r->flows, &l, status, word);
	strbuf_clear(&l.losses);
	if (write_files(o, p, n, r->flows, word))
		return EXIT_ENVIRONMENT;
	if (fflush(stdout) || ferror(stdout)) {
		log_error_errno("standard output");
		return EXIT_ENVIRONMENT;
	}
	return status;
}

/* The plugins whose rows are in a database; 0 after logging that there is none. */
static size_t sql_plugins(
	const struct rules_conf *c, const struct verify_options *o, struct report_plugin *p)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nplugins; i++)
		if (rules_plugin_is_sql(&c->plugin[i]))
			p[n++].plugin = &c->plugin[i];
	if (!n)
		log_error("%s: %s%s has no rows in a database; expected a mysql, pgsql or "
			"sqlite3 plugin",
			o->conf, o->plugin ? "plugin " : "the configuration",
			o->plugin ? o->plugin : "");
	return n;
}

static int run(const struct verify_options *o)
{
	struct report_plugin *p = NULL;
	struct rules_conf c;
	struct rules *r = NULL;
	size_t n = 0;
	int status = EXIT_USAGE;

	if (!confread(&c, o->conf, o->plugin)) {
		p = xcalloc(c.nplugins + 1, sizeof(*p));
		n = sql_plugins(&c, o, p);
	}
	if (n) {
		r = rules_open();
		if (!r)
			status = EXIT_ENVIRONMENT;
		else if (!rules_load(r, o->truth))
			status = verify_all(o, &c, r, p, n);
	}
	for (size_t i = 0; i < n; i++)
		report_plugin_clear(&p[i]);
	free(p);
	rules_close(r);
	confread_clear(&c);
	return status;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: pcapgen verify --truth FILE --conf nfacctd.conf [OPTION]...\n\n"
		"Compares the rows that a collector with this configuration has to write with "
		"those in the\n"
		"database that it names: SUM of each counter by the key columns and the bin.\n\n"
		"  --truth FILE            what was sent, from craft or replay; - is standard "
		"input\n"
		"  --conf FILE             the collector's own configuration\n"
		"  --plugin NAME           this plugin only; otherwise all that write to MySQL or "
		"SQLite\n"
		"  --wait SECONDS          look again until all rows are right, at most this long\n"
		"  --collector-stats FILE  nfacctd_stats_file: tells loss before the collector "
		"from loss in it\n"
		"  --junit FILE            a JUnit report, a test case for each plugin and bin\n"
		"  --json FILE             all wrong rows and totals\n"
		"  --help                  this text\n\n"
		"Exit status: 0 equal, 1 rows wrong, 2 usage or configuration, 3 no database or "
		"file,\n"
		"5 loss proven outside the collector, 7 the collector died or did not flush.\n");
}

static bool parse_seconds(const char *text, unsigned *to)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*to = (unsigned)v;
	return *text >= '0' && *text <= '9' && !*end && v <= 86400;
}

int command_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{ "truth", required_argument, NULL, 't' },
		{ "conf", required_argument, NULL, 'c' },
		{ "plugin", required_argument, NULL, 'p' },
		{ "junit", required_argument, NULL, 'u' },
		{ "json", required_argument, NULL, 'j' },
		{ "wait", required_argument, NULL, 'w' },
		{ "collector-stats", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct verify_options o = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (opt) {
		case 't': o.truth = optarg; break;
		case 'c': o.conf = optarg; break;
		case 'p': o.plugin = optarg; break;
		case 'u': o.junit = optarg; break;
		case 'j': o.json = optarg; break;
		case 's': o.stats = optarg; break;
		case 'w':
			if (parse_seconds(optarg, &o.wait_s))
				break;
			fprintf(stderr,
				"pcapgen verify: --wait \"%s\": expected seconds, 0 to 86400\n",
				optarg);
			return EXIT_USAGE;
		case 'h': usage(stdout); return 0;
		default: return EXIT_USAGE;
		}
	if (!o.truth || !o.conf || optind < argc) {
		fprintf(stderr, "pcapgen verify: %s; see pcapgen verify --help\n",
			optind < argc ? "takes no arguments, only options"
				      : "needs --truth FILE and --conf FILE");
		return EXIT_USAGE;
	}
	return run(&o);
}
