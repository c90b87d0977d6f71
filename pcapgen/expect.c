/*
 * expect.c - `pcapgen expect`: the rows that a truth and a configuration ask
 * for, without a database.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "base/daemon.h"
#include "base/log.h"
#include "pcapgen/commands.h"
#include "pcapgen/expect.h"

void expect_header(FILE *to, const struct rules_shape *shape)
{
	for (size_t i = 0; i < shape->n; i++)
		fprintf(to, "%s\t", shape->column[i].name);
	fprintf(to, "%s%spackets\t%sbytes\n", shape->history ? "stamp_inserted\t" : "",
		shape->flags ? "tcp_flags\t" : "", shape->flows ? "flows\t" : "");
}

long expect_rows(FILE *to, struct rules *r, const struct rules_shape *shape)
{
	sqlite3_stmt *st = rules_prepare(r,
		"SELECT key, stamp, flags, packets, flows, octets FROM expected"
		" ORDER BY key, stamp");
	long n = 0;
	int got = SQLITE_DONE;

	if (!st)
		return -1;
	while ((got = sqlite3_step(st)) == SQLITE_ROW) {
		if (shape->n)
			fprintf(to, "%s\t", (const char *)sqlite3_column_text(st, 0));
		if (shape->history)
			fprintf(to, "%s\t", (const char *)sqlite3_column_text(st, 1));
		if (shape->flags)
			fprintf(to, "%s\t", (const char *)sqlite3_column_text(st, 2));
		fprintf(to, "%s\t", (const char *)sqlite3_column_text(st, 3));
		if (shape->flows)
			fprintf(to, "%s\t", (const char *)sqlite3_column_text(st, 4));
		fprintf(to, "%s\n", (const char *)sqlite3_column_text(st, 5));
		n++;
	}
	sqlite3_finalize(st);
	if (got == SQLITE_DONE)
		return n;
	log_error("SQLite: %s", sqlite3_errmsg(r->db));
	return -1;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: pcapgen expect --truth FILE --conf nfacctd.conf [--plugin NAME] [--sql]\n\n"
		"Prints the rows that a collector with this configuration has to write, as "
		"tab-separated\n"
		"values, sorted. With several plugins a line \"# plugin NAME table TABLE\" stands "
		"before each.\n\n"
		"  --truth FILE    what was sent, from craft or replay; - is standard input\n"
		"  --conf FILE     the collector's own configuration\n"
		"  --plugin NAME   this plugin only\n"
		"  --sql           print the statement that makes the rows instead\n"
		"  --help          this text\n");
}

static int print_plugin(
	struct rules *r, const struct rules_conf *c, const struct rules_plugin *p, bool sql)
{
	struct rules_shape shape;

	if (rules_expect(r, c, p, &shape, NULL, NULL))
		return EXIT_USAGE;
	if (c->nplugins > 1)
		printf("%s plugin %s table %s\n", sql ? "--" : "#", p->name, p->table);
	if (sql) {
		printf("%s;\n", r->sql);
		return 0;
	}
	expect_header(stdout, &shape);
	return expect_rows(stdout, r, &shape) < 0 ? EXIT_ENVIRONMENT : 0;
}

static int run(const char *truth, const char *conf, const char *plugin, bool sql)
{
	struct rules_conf c;
	struct rules *r = NULL;
	int status = 0;

	if (confread(&c, conf, plugin)) {
		confread_clear(&c);
		return EXIT_USAGE;
	}
	r = rules_open();
	if (!r)
		status = EXIT_ENVIRONMENT;
	else if (rules_load(r, truth))
		status = EXIT_USAGE;
	for (size_t i = 0; i < c.nplugins && !status; i++)
		status = print_plugin(r, &c, &c.plugin[i], sql);
	if (!status && (fflush(stdout) || ferror(stdout))) {
		log_error_errno("standard output");
		status = EXIT_ENVIRONMENT;
	}
	rules_close(r);
	confread_clear(&c);
	return status;
}

int command_expect(int argc, char **argv)
{
	static const struct option options[] = {
		{ "truth", required_argument, NULL, 't' }, { "conf", required_argument, NULL, 'c' },
		{ "plugin", required_argument, NULL, 'p' }, { "sql", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	const char *truth = NULL, *conf = NULL, *plugin = NULL;
	bool sql = false;
	int o;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (o) {
		case 't': truth = optarg; break;
		case 'c': conf = optarg; break;
		case 'p': plugin = optarg; break;
		case 's': sql = true; break;
		case 'h': usage(stdout); return 0;
		default: return EXIT_USAGE;
		}
	if (!truth || !conf || optind < argc) {
		fprintf(stderr, "pcapgen expect: %s; see pcapgen expect --help\n",
			optind < argc ? "takes no arguments, only options"
				      : "needs --truth FILE and --conf FILE");
		return EXIT_USAGE;
	}
	return run(truth, conf, plugin, sql);
}
