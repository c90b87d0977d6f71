/*
 * bench_rows.c - what a MariaDB server takes when somebody does nothing but write.
 *
 *	bench-rows HOST DB TABLE [CONNECTIONS]	HOST as sql_host; root without a password
 *
 * The rows that TABLE holds are kept in memory, in the order of its primary key,
 * and written into it emptied, then once more ("existing"): each connection a
 * range of them as one transaction, in arrays of INSERT .. ON DUPLICATE KEY UPDATE.
 * This shares no code with the mysql sink, which has to sort, convert, divide and
 * keep its ledger besides.  A column with one value in all rows stands in the
 * statement.  Prints rows a second: new, existing.
 */
#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

enum { COLUMNS = 64, BATCH = 4096, TEXT = 64, CONNECTIONS = 8, STATEMENT = 16384 };

struct cell {
	unsigned long len;
	union {
		char text[TEXT];
		uint64_t number;
	} v;
};

static struct {
	const char *host, *db, *table;
	unsigned ncolumns, nbound;
	size_t n;
	struct cell *cells;	/* nbound a row */
	bool number[COLUMNS];
	char statement[STATEMENT];
} all;

struct share {
	pthread_t thread;
	MYSQL *m;
	MYSQL_STMT *stmt;
	size_t from, to;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-rows: %s: %s\n", what, why);
	exit(1);
}

static MYSQL *connect_now(void)
{
	bool local = strncmp(all.host, "unix:", 5) == 0;
	MYSQL *m = mysql_init(NULL);

	if (!mysql_real_connect(m, local ? NULL : all.host, "root", "", all.db, 0,
				local ? all.host + 5 : NULL, 0))
		fail(all.host, mysql_error(m));
	return m;
}

static void run(MYSQL *m, const char *sql)
{
	if (mysql_query(m, sql) != 0)
		fail(sql, mysql_error(m));
}

static void add(const char *text)
{
	if (strlen(all.statement) + strlen(text) >= sizeof(all.statement))
		fail(all.table, "too many columns");
	strcat(all.statement, text);
}

static bool same_in_all(MYSQL_RES *res, unsigned column, MYSQL_ROW first)
{
	MYSQL_ROW row;

	mysql_data_seek(res, 0);
	while ((row = mysql_fetch_row(res)))
		if (!row[column] || strcmp(row[column], first[column]) != 0)
			return false;
	return true;
}

/* Sums are always parameters: packets, bytes, flows. */
static bool is_sum(const char *name)
{
	return strcmp(name, "packets") == 0 || strcmp(name, "bytes") == 0 ||
	       strcmp(name, "flows") == 0;
}

static void keep(MYSQL_RES *res, const unsigned *bound)
{
	struct cell *c;
	MYSQL_ROW row;

	all.cells = c = calloc(all.n * all.nbound, sizeof(*c));
	if (!c)
		fail(all.table, "out of memory");
	mysql_data_seek(res, 0);
	while ((row = mysql_fetch_row(res)))
		for (unsigned i = 0; i < all.nbound; i++, c++) {
			const char *text = row[bound[i]] ? row[bound[i]] : "";

			c->len = strlen(text) < TEXT ? strlen(text) : TEXT;
			if (all.number[i])
				c->v.number = strtoull(text, NULL, 10);
			else
				memcpy(c->v.text, text, c->len);
		}
}

static void read_table(MYSQL *m)
{
	unsigned bound[COLUMNS];
	char sql[256], part[256];
	MYSQL_FIELD *f;
	MYSQL_RES *res;
	MYSQL_ROW first;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s FORCE INDEX (PRIMARY)", all.table);
	run(m, sql);
	res = mysql_store_result(m);
	first = res ? mysql_fetch_row(res) : NULL;
	if (!first || mysql_num_fields(res) > COLUMNS)
		fail(all.table, "no rows, or too many columns");
	all.n = mysql_num_rows(res);
	all.ncolumns = mysql_num_fields(res);
	f = mysql_fetch_fields(res);
	snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES (", all.table);
	add(sql);
	for (unsigned i = 0; i < all.ncolumns; i++) {
		mysql_data_seek(res, 0);
		first = mysql_fetch_row(res);
		if (first[i] && !is_sum(f[i].name) && same_in_all(res, i, first)) {
			snprintf(part, sizeof(part), "%s'%.200s'", i ? "," : "", first[i]);
		} else {
			snprintf(part, sizeof(part), "%s?", i ? "," : "");
			all.number[all.nbound] = IS_NUM(f[i].type);
			bound[all.nbound++] = i;
		}
		add(part);
	}
	add(") ON DUPLICATE KEY UPDATE packets=packets+VALUES(packets),bytes=bytes+VALUES(bytes),"
	    "stamp_updated=VALUES(stamp_updated)");
	keep(res, bound);
	mysql_free_result(res);
}

static void *write_share(void *arg)
{
	size_t size = all.nbound * sizeof(struct cell);
	struct share *s = arg;
	MYSQL_BIND bind[COLUMNS];

	mysql_thread_init();
	run(s->m, "START TRANSACTION");
	for (size_t at = s->from; at < s->to; at += BATCH) {
		unsigned now = (unsigned)(s->to - at < BATCH ? s->to - at : BATCH);
		struct cell *c = all.cells + at * all.nbound;

		memset(bind, 0, sizeof(bind));
		for (unsigned i = 0; i < all.nbound; i++) {
			bind[i].buffer_type = all.number[i] ? MYSQL_TYPE_LONGLONG
							    : MYSQL_TYPE_STRING;
			bind[i].is_unsigned = 1;
			bind[i].buffer = c[i].v.text;
			bind[i].length = &c[i].len;
		}
		mysql_stmt_attr_set(s->stmt, STMT_ATTR_ROW_SIZE, &size);
		mysql_stmt_attr_set(s->stmt, STMT_ATTR_ARRAY_SIZE, &now);
		if (mysql_stmt_bind_param(s->stmt, bind) || mysql_stmt_execute(s->stmt))
			fail(all.table, mysql_stmt_error(s->stmt));
	}
	run(s->m, "COMMIT");
	mysql_thread_end();
	return NULL;
}

static double rows_a_second(struct share *s, unsigned n)
{
	uint64_t start = clock_mono_ns();

	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&s[i].thread, NULL, write_share, &s[i]) != 0)
			fail("a thread", "cannot be made");
	for (unsigned i = 0; i < n; i++)
		pthread_join(s[i].thread, NULL);
	return (double)all.n * 1e9 / (double)(clock_mono_ns() - start);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 2;
	struct share share[CONNECTIONS];
	char sql[256];
	double fresh;

	if (argc < 4 || n < 1 || n > CONNECTIONS) {
		fprintf(stderr, "usage: bench-rows HOST DB TABLE [CONNECTIONS]\n");
		return 2;
	}
	all.host = argv[1];
	all.db = argv[2];
	all.table = argv[3];
	for (unsigned i = 0; i < n; i++) {
		share[i].m = connect_now();
		if (i == 0)
			read_table(share[0].m);
		share[i].from = all.n * i / n;
		share[i].to = all.n * (i + 1) / n;
		run(share[i].m, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
		share[i].stmt = mysql_stmt_init(share[i].m);
		if (mysql_stmt_prepare(share[i].stmt, all.statement, strlen(all.statement)))
			fail(all.statement, mysql_stmt_error(share[i].stmt));
	}
	snprintf(sql, sizeof(sql), "TRUNCATE %s", all.table);
	run(share[0].m, sql);
	fresh = rows_a_second(share, n);
	printf("%.0f %.0f\n", fresh, rows_a_second(share, n));
	for (unsigned i = 0; i < n; i++) {
		mysql_stmt_close(share[i].stmt);
		mysql_close(share[i].m);
	}
	free(all.cells);
	return 0;
}
