/*
 * bench_mysql.c - rows per second of the mysql sink into a real server.
 *
 *	bench-mysql [HOST [ROWS]]	HOST as sql_host; a database is made and dropped
 *	bench-mysql --feed TYPE HOST DB PURGES ROWS
 *		write that many purges into DB.acct, patiently, and print what must
 *		stand there: the end-to-end tests kill the server meanwhile
 *	bench-mysql --rate TYPE HOST DB ROWS
 *		rows per second into DB.acct: new keys, then the same again
 *	BENCH_CONNECTIONS=N	sql_connections, else 2
 *
 * There is a flow_ledger, so that a purge goes in parts where its table allows it.
 * The user is root without a password.  Peers in the same run: the same rows as
 * single-row INSERTs in one transaction, and as UPDATE-then-INSERT row by row,
 * which is what pmacct sends.
 */
#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/sink.h"
#include "wire/addr.h"

#define DB "flowledger_bench"

struct load {
	struct plugin_settings p;
	struct key_layout l;
	struct purge purge;
	struct sum_row *rows;
	uint8_t *keys;
};

/* Rows come out of a hash table: in no order. */
static void shuffle(struct sum_row *rows, size_t n)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = n; i > 1; i--) {
		struct sum_row r = rows[i - 1];
		size_t j;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = x % i;
		rows[i - 1] = rows[j];
		rows[j] = r;
	}
}

/* Distinct keys, numbered from `first`: addresses, ports, protocol as far as the layout has them.
 */
static void fill(struct load *o, size_t n, uint32_t first)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *key = o->keys + i * o->l.size;
		uint32_t number = first + (uint32_t)i;

		for (size_t k = 0; k < o->l.nfields; k++) {
			const struct key_field *f = &o->l.field[k];
			struct addr a = addr_make4(0x0a000000u + number);
			uint64_t v = f->primitive == PRIM_ID_proto ? (number & 1 ? 6 : 17)
								   : number & 0xffff;

			memcpy(key + f->offset, f->width == 16 ? (const void *)&a : &v, f->width);
		}
		o->rows[i] = (struct sum_row) { 1699999800,
			{ i % 1000 + 1, (i % 1000 + 1) * 64, 1, 0 }, key };
	}
	shuffle(o->rows, n);
	o->purge.rows = o->rows;
	o->purge.nrows = n;
	o->purge.id++;
	o->purge.now = 1700000000 + (int64_t)o->purge.id;
}

static void load_init(struct load *o, const char *type, const char *list, const char *host,
		      const char *db, size_t n)
{
	const char *wish = getenv("BENCH_CONNECTIONS");
	char why[256];

	memset(o, 0, sizeof(*o));
	if (!aggregate_parse(&o->p.aggregate, list, why, sizeof(why))) {
		fprintf(stderr, "%s\n", why);
		exit(2);
	}
	key_layout_make(&o->l, &o->p.aggregate);
	o->p.type = (char *)type;
	o->p.name = (char *)"bench";
	o->p.sql_host = (char *)host;
	o->p.sql_user = (char *)(strcmp(type, "pgsql") == 0 ? "postgres" : "root");
	o->p.sql_passwd = (char *)"";
	o->p.sql_db = (char *)db;
	o->p.sql_table_version = 1;
	o->p.history.seconds = 600;
	o->p.timestamps_utc = true;
	o->p.sql_check = true;
	o->p.sql_tables_max = 1024;
	o->p.sql_connections = wish ? (uint32_t)strtoul(wish, NULL, 10) : 2;
	o->rows = xcalloc(n, sizeof(*o->rows));
	o->keys = xcalloc(n, o->l.size + 8);
}

static void load_clear(struct load *o)
{
	free(o->rows);
	free(o->keys);
}

static MYSQL *admin(const char *host)
{
	bool local = strncmp(host, "unix:", 5) == 0;
	MYSQL *m = mysql_init(NULL);

	if (!mysql_real_connect(m, local ? NULL : host, "root", "", NULL, 0,
		    local ? host + 5 : NULL, CLIENT_MULTI_STATEMENTS)) {
		printf("mysql sink: not measured, no server at \"%s\": %s\n", host, mysql_error(m));
		exit(0);
	}
	return m;
}

static void run(MYSQL *m, const char *sql)
{
	if (mysql_query(m, sql) != 0) {
		fprintf(stderr, "%.200s: %s\n", sql, mysql_error(m));
		exit(1);
	}
	do {
		mysql_free_result(mysql_store_result(m));
	} while (mysql_next_result(m) == 0);
}

static const char tables[] = "DROP DATABASE IF EXISTS " DB "; CREATE DATABASE " DB "; USE " DB "; "
			    "CREATE TABLE acct (mac_src CHAR(17) NOT NULL, mac_dst CHAR(17) NOT "
			    "NULL, ip_src CHAR(45) NOT NULL, ip_dst "
			    "CHAR(45) NOT NULL, src_port INT UNSIGNED NOT NULL, dst_port INT "
			    "UNSIGNED NOT NULL, ip_proto CHAR(20) NOT "
			    "NULL, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT "
			    "NULL, stamp_inserted DATETIME NOT NULL, "
			    "stamp_updated DATETIME, PRIMARY KEY (mac_src, mac_dst, ip_src, "
			    "ip_dst, src_port, dst_port, ip_proto, stamp_inserted)) ENGINE=InnoDB; "
			    "CREATE TABLE flow_ledger (run_id BIGINT UNSIGNED NOT NULL, plugin "
			    "VARCHAR(64) NOT NULL, purge_id BIGINT UNSIGNED NOT NULL, worker INT "
			    "UNSIGNED NOT NULL, batch BIGINT UNSIGNED NOT NULL, purge_rows BIGINT "
			    "UNSIGNED NOT NULL, purge_packets BIGINT UNSIGNED NOT NULL, "
			    "purge_octets BIGINT UNSIGNED NOT NULL, stamp DATETIME, PRIMARY KEY "
			    "(run_id, plugin, purge_id, worker)) ENGINE=InnoDB";

static double rate(size_t n, uint64_t start_ns)
{
	return (double)n * 1e9 / (double)(clock_mono_ns() - start_ns);
}

/* One way in, new keys, then the same keys again. */
static void measure(MYSQL *m, const char *label, const char *list, const char *host, size_t n,
		    const char *bulk, bool no_key)
{
	struct load o;
	void *s;

	run(m, tables);
	if (no_key)
		run(m, "ALTER TABLE acct DROP PRIMARY KEY, ADD KEY (ip_src)");
	setenv("FLOWLEDGER_MYSQL_BULK", bulk, 1);
	load_init(&o, "mysql", list, host, DB, n);
	s = sink_find("mysql")->open(&o.p, &o.l, 1);
	if (!s)
		exit(1);
	for (int again = 0; again < 2; again++) {
		uint64_t start;

		fill(&o, n, 0);
		start = clock_mono_ns();
		if (sink_find("mysql")->write(s, &o.purge) != SINK_OK)
			exit(1);
		printf("  %-44s %-9s %9.0f rows/s\n", label, again ? "existing" : "new",
			rate(n, start));
	}
	sink_find("mysql")->close(s);
	load_clear(&o);
}

/* What the reference sends: UPDATE, and an INSERT where it found nothing, each committed alone. */
static void measure_single(MYSQL *m, const char *list, const char *host, size_t n, bool autocommit)
{
	struct strbuf b = { NULL, 0, 0 };
	struct sql_columns c;
	struct load o;
	uint64_t start;
	char why[256];

	run(m, tables);
	run(m, "SET time_zone='+00:00'");
	load_init(&o, "mysql", list, host, DB, n);
	fill(&o, n, 0);
	if (!sql_columns_make(&c, &o.p, &o.l, why, sizeof(why)))
		exit(1);
	for (int again = 0; again < 2; again++) {
		start = clock_mono_ns();
		run(m, autocommit ? "SET autocommit=1" : "START TRANSACTION");
		for (size_t i = 0; i < n; i++) {
			strbuf_reset(&b);
			text_update_row(&b, &c, "acct", &o.purge, &o.rows[i]);
			run(m, b.s);
			if (again)
				continue;
			strbuf_reset(&b);
			text_insert(&b, &c, "acct");
			text_row(&b, &c, &o.purge, &o.rows[i]);
			run(m, b.s);
		}
		run(m, "COMMIT");
		printf("  %-44s %-9s %9.0f rows/s\n",
			autocommit ? "UPDATE, INSERT, each committed (as pmacct does)"
				   : "UPDATE, INSERT, one transaction",
			again ? "existing" : "new", rate(n, start));
	}
	strbuf_clear(&b);
	load_clear(&o);
}

static const char pairs[] = "src_host,dst_host,src_port,proto";

static void *open_sink(struct load *o)
{
	void *s = sink_find(o->p.type)->open(
		&o->p, &o->l, (uint64_t)time(NULL) << 20 | (uint64_t)getpid());

	if (!s)
		exit(1);
	return s;
}

static int feed(const char *type, const char *host, const char *db, unsigned purges, size_t n)
{
	uint64_t packets = 0, octets = 0, deadline = clock_mono_ns() + UINT64_C(120000000000);
	const struct sink *sink = sink_find(type);
	const struct sink_counts *c;
	struct load o;
	void *s;

	load_init(&o, type, pairs, host, db, n);
	s = open_sink(&o);
	c = sink->counts(s);
	for (unsigned i = 0; i < purges; i++) {
		fill(&o, n, i * (uint32_t)(n / 2));	/* half of the keys are known */
		for (size_t r = 0; r < n; r++) {
			packets += o.rows[r].sums.packets;
			octets += o.rows[r].sums.octets;
		}
		while (sink->write(s, &o.purge) != SINK_OK) {
			if (clock_mono_ns() > deadline) {
				fprintf(stderr, "no server for two minutes\n");
				return 1;
			}
			usleep(20000);
		}
	}
	printf("rows=%" PRIu64 " packets=%" PRIu64 " octets=%" PRIu64 " rejected=%" PRIu64
	       " retries=%" PRIu64 " reconnects=%" PRIu64 " ambiguous=%" PRIu64 "\n",
		c->rows, packets, octets, c->rejected, c->retries, c->reconnects, c->ambiguous);
	sink->close(s);
	load_clear(&o);
	return 0;
}

static int measure_rate(const char *type, const char *host, const char *db, size_t n)
{
	struct load o;
	void *s;

	load_init(&o, type, pairs, host, db, n);
	s = open_sink(&o);
	for (int again = 0; again < 2; again++) {
		uint64_t start;

		fill(&o, n, 0);
		start = clock_mono_ns();
		if (sink_find(type)->write(s, &o.purge) != SINK_OK)
			return 1;
		printf("  %-44s %-9s %9.0f rows/s\n", type, again ? "existing" : "new",
		       rate(n, start));
	}
	sink_find(type)->close(s);
	load_clear(&o);
	return 0;
}

int main(int argc, char **argv)
{
	const char *host = argc > 1 ? argv[1] : getenv("FLOWLEDGER_MYSQL");
	size_t n = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 100000;
	static const char six[] = "src_host,dst_host,src_port,dst_port,proto";
	MYSQL *m;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_open("bench-mysql");
	if (argc == 7 && strcmp(argv[1], "--feed") == 0)
		return feed(argv[2], argv[3], argv[4], (unsigned)strtoul(argv[5], NULL, 10),
			    (size_t)strtoul(argv[6], NULL, 10));
	if (argc == 6 && strcmp(argv[1], "--rate") == 0)
		return measure_rate(argv[2], argv[3], argv[4], (size_t)strtoul(argv[5], NULL, 10));
	if (!host) {
		printf("mysql sink: not measured, FLOWLEDGER_MYSQL names no server\n");
		return 0;
	}
	log_level(LOG_LEVEL_ERROR);
	m = admin(host);
	printf("mysql sink, %zu rows a purge, primary key of 8 columns, server %s\n", n,
		mysql_get_server_info(m));
	measure(m, "src_host, arrays of rows", "src_host", host, n, "on", false);
	measure(m, "hosts, ports, proto, arrays of rows", six, host, n, "on", false);
	measure(m, "hosts, ports, proto, no arrays (MySQL 8)", six, host, n, "off", false);
	measure(m, "hosts, ports, proto, no unique key (set-based)", six, host, n, "on", true);
	measure_single(m, six, host, n / 20, false);
	measure_single(m, six, host, n / 50, true);
	run(m, "DROP DATABASE " DB);
	mysql_close(m);
	return 0;
}
