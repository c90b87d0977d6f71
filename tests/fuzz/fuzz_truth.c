/*
 * fuzz_truth.c - a truth file of any bytes: either refused with one line, or
 * loaded, and then the rows of a fixed configuration have the totals of what
 * was loaded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "pcapgen/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Of replay.c: a run here makes and ends what a program has, which costs milliseconds. */
extern unsigned fuzz_cuts;
unsigned fuzz_cuts = 150;

static int load(struct rules *r, const char *path)
{
	char why[256];
	struct truth_reader *t = truth_open(path, why);
	struct truth_row row;
	int got = -1;

	if (t)
		while ((got = truth_next(t, &row, why)) > 0)
			if (rules_load_row(r, &row))
				abort();
	truth_close(t);
	return got;
}

static void same(struct rules *r, const char *sql)
{
	sqlite3_stmt *st = rules_prepare(r, sql);

	if (!st || sqlite3_step(st) != SQLITE_ROW || !sqlite3_column_int(st, 0))
		abort();
	sqlite3_finalize(st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char type[] = "sqlite3", name[] = "p",
		    aggregate[] = "src_host, dst_net, proto, tcpflags, flows", letters[] = "mh";
	struct rules_plugin p = { .type = type,
		.name = name,
		.aggregate = aggregate,
		.history = { 600, 0 },
		.roundoff = letters,
		.table_version = 9,
		.optimize_clauses = true };
	struct rules_conf c = { .plugin = &p, .nplugins = 1, .time_limit = 86400 };
	struct rules_shape shape;
	struct rules *r = rules_open();
	int fd = memfd_create("truth", MFD_CLOEXEC);
	char path[40];

	if (!r || fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(r, path);
	close(fd);
	/* NetFlow v8 has flow counts that a truth does not hold: that is refused. */
	if (r->no_flow_count == 0) {
		if (rules_expect(r, &c, &p, &shape, NULL, NULL))
			abort();
		same(r,
			"SELECT (SELECT total(octets, 1) FROM expected) = (SELECT "
			"total(coalesce(octets, 0), 1) FROM flow)"
			" AND (SELECT total(packets, 1) FROM expected) = (SELECT "
			"total(coalesce(packets, 0), 1) FROM flow)"
			" AND (SELECT total(flows, 1) FROM expected) = (SELECT CAST(count(*) AS "
			"TEXT) FROM flow)");
	}
	rules_close(r);
	return 0;
}
