/*
 * check_pgsql.c - the pgsql sink against a real server.  FLOWLEDGER_PGSQL is its
 * sql_host, the folder of its socket, reached as postgres without a password; a
 * schema of our own is made and dropped.  Without it the suite says so and does
 * nothing.
 */
#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include "tests/nfacctd/relay.h"
#include "tests/nfacctd/sink_fixture.h"

static PGconn *admin;

static const char *host(void)
{
	return getenv("FLOWLEDGER_PGSQL");
}

static PGconn *connect_admin(void)
{
	const char *keys[] = { "host", "user", "dbname", NULL },
		   *values[] = { host(), "postgres", "flowledger_check", NULL };
	PGconn *c = PQconnectdbParams(keys, values, 0);

	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	return c;
}

static void run_on(PGconn *c, const char *sql)
{
	PGresult *res = PQexec(c, sql);

	ck_assert_msg(PQresultStatus(res) == PGRES_COMMAND_OK ||
		      PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
	PQclear(res);
}

static void run(const char *sql)
{
	run_on(admin, sql);
}

/* All cells of a result, fields by blank, rows by bar. */
static void expect(const char *sql, const char *want)
{
	PGresult *res = PQexec(admin, sql);
	char got[8192] = "";
	size_t n = 0;

	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(admin));
	for (int i = 0; i < PQntuples(res); i++)
		for (int j = 0; j < PQnfields(res); j++)
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s",
					      j ? " " : i ? "|" : "",
					      PQgetisnull(res, i, j) ? "NULL" :
					      PQgetvalue(res, i, j));
	PQclear(res);
	ck_assert_msg(strcmp(got, want) == 0, "%s\n got: %s\nwant: %s", sql, got, want);
}

static void set_up(void)
{
	const char *keys[] = { "host", "user", "dbname", NULL },
		   *values[] = { host(), "postgres", "postgres", NULL };
	PGconn *c = PQconnectdbParams(keys, values, 0);

	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	run_on(c, "SET client_min_messages=error");
	run_on(c, "DROP DATABASE IF EXISTS flowledger_check WITH (FORCE)");
	run_on(c, "CREATE DATABASE flowledger_check");
	PQfinish(c);
	admin = connect_admin();
	run("SET TIME ZONE 'UTC'");
}

static void tear_down(void)
{
	PQfinish(admin);
}

static struct fixture *fixture(const char *list, uint32_t version)
{
	struct fixture *f = fix_new(list, version);

	f->p.type = (char *)"pgsql";
	f->p.sql_host = (char *)host();
	f->p.sql_port = 5432;
	f->p.sql_user = (char *)"postgres";
	f->p.sql_passwd = (char *)"";
	f->p.sql_db = (char *)"flowledger_check";
	return f;
}

static void close_sink(void *s)
{
	sink_find("pgsql")->close(s);
}

static const struct sink_counts *counts(void *s)
{
	return sink_find("pgsql")->counts(s);
}

static void host_row(struct fixture *f, const char *src, uint64_t packets, uint64_t octets)
{
	fix_addr(f, fix_row(f, 1699999800, packets, octets), PRIM_ID_src_host, src);
}

static void load(const char *name)
{
	const char *root = getenv("FLOWLEDGER_SQL");
	static char text[16384];
	char path[256], *at;
	size_t n;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s.pgsql", root ? root : "sql", name);
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	while ((at = strstr(text, "GRANT ")))	/* the user of the scripts is not here */
		memcpy(at, "--    ", 6);
	run(text);
}

/* Small tables as users have them: the reference's types. */
static const char narrow[] =
	"CREATE TABLE acct (mac_src macaddr NOT NULL DEFAULT '0:0:0:0:0:0', mac_dst macaddr NOT "
	"NULL DEFAULT '0:0:0:0:0:0', ip_src inet NOT NULL DEFAULT '0.0.0.0', ip_dst inet NOT NULL "
	"DEFAULT '0.0.0.0', port_src INT NOT NULL DEFAULT 0, port_dst INT NOT NULL DEFAULT 0, "
	"ip_proto SMALLINT NOT NULL DEFAULT 0, packets INT NOT NULL, bytes BIGINT NOT NULL, "
	"stamp_inserted timestamp without time zone NOT NULL DEFAULT CURRENT_TIMESTAMP(0), "
	"stamp_updated timestamp without time zone, CONSTRAINT acct_pk PRIMARY KEY (mac_src, "
	"mac_dst, ip_src, ip_dst, port_src, port_dst, ip_proto, stamp_inserted))";

/* Every version's own columns and fillers, as pmacct 1.7.7 fills them, and rows that come again. */
START_TEST(versions)
{
	static const char *const rows[] = {
		"%s %s 10.0.0.1 0.0.0.0 0 0 0 3 30",
		"0 %s %s 0 10.0.0.1 0.0.0.0 0 0 0 3 30",
		"0 %s %s 0 10.0.0.1 0.0.0.0 0 0 0 0 3 30",
		"0 %s %s 0 10.0.0.1 0.0.0.0 0 0 0 0 3 30 0",
		"0 unknown          %s %s 0 10.0.0.1 0.0.0.0 0 0 0 0 3 30 0",
		"0 unknown          %s %s 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 3 30 0",
		"0 unknown          %s %s 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 3 30 0",
		"0 unknown          %s %s 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 3 30 0",
		"0 unknown          %s %s 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 3 30 0",
	};
	struct fixture *f = fixture("src_host", (uint32_t)_i + 1);
	const char *mac = "00:00:00:00:00:00";
	char name[64], sql[128], want[512];
	size_t n;
	void *s;

	snprintf(name, sizeof(name), "pmacct-create-table_v%d", _i + 1);
	load(name);
	load("flow_ledger");
	s = fix_open(f);
	ck_assert_msg(f->log[0] == '\0', "%s", f->log);
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	fix_next(f);
	host_row(f, "10.0.0.1", 2, 20);
	fix_put(f, s);
	snprintf(sql, sizeof(sql), _i ? "SELECT * FROM acct_v%d" : "SELECT * FROM acct", _i + 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = (size_t)snprintf(want, sizeof(want), rows[_i], mac, mac);
#pragma GCC diagnostic pop
	snprintf(want + n, sizeof(want) - n, " 2023-11-14 22:10:00 2023-11-14 22:15:20");
	expect(sql, want);
	expect("SELECT run_id,plugin,purge_id,worker,batch,purge_rows,purge_packets,purge_octets,"
	       "stamp FROM flow_ledger ORDER BY purge_id",
	       "77 t 1 0 0 1 1 10 2023-11-14 22:14:20|77 t 2 0 0 1 2 20 2023-11-14 22:15:20");
	ck_assert_uint_eq(counts(s)->inserted, 1);
	ck_assert_uint_eq(counts(s)->updated, 1);
	ck_assert_uint_eq(counts(s)->purges, 2);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Tables of the first versions: text, and AS numbers where addresses stand. */
START_TEST(first_versions)
{
	struct fixture *f = fixture("src_host", 3);
	void *s;

	load("pmacct-create-table_v3");
	f->p.sql_data = SQL_DATA_UNIFIED;
	s = fix_open(f);
	host_row(f, "2001:db8::1", 1, 10);
	fix_put(f, s);
	expect("SELECT btrim(ip_src),btrim(ip_dst),btrim(mac_src),bytes FROM acct_uni_v3",
	       "2001:db8::1 0.0.0.0 0:0:0:0:0:0 10");
	close_sink(s);
	fix_free(f);
	f = fixture("src_as, dst_as", 3);
	s = fix_open(f);
	fix_number(f, fix_row(f, 1699999800, 1, 10), PRIM_ID_src_as, 4200000000);
	fix_put(f, s);
	fix_put(f, (fix_next(f), fix_number(f, fix_row(f, 1699999800, 1, 5), PRIM_ID_src_as,
					4200000000), s));
	expect("SELECT ip_src,ip_dst,packets,bytes FROM acct_as_v3", "4200000000 0 2 15");
	close_sink(s);
	f->p.sql_table = (char *)"acct_v3";	/* of addresses */
	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 77));
	ck_assert_msg(fix_logged(f, "ip_src of table acct_v3 is inet, but before sql_table_version "
				    "6 AS numbers are written there"), "%s", f->log);
	fix_free(f);
}
END_TEST

/* More rows than one statement, half of them known; with a key, and without any. */
START_TEST(many_rows)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	run(narrow);
	if (_i)
		run("ALTER TABLE acct DROP CONSTRAINT acct_pk; CREATE INDEX ON acct (ip_src)");
	s = fix_open(f);
	for (int round = 0; round < 2; round++) {
		fix_next(f);
		for (unsigned i = 0; i < 9000; i++) {
			char ip[16];

			snprintf(ip, sizeof(ip), "10.%d.%u.%u", round, i >> 8 & 255, i & 255);
			host_row(f, ip, i, i * 100);
			snprintf(ip, sizeof(ip), "10.2.%u.%u", i >> 8 & 255, i & 255);
			host_row(f, ip, 1, 1);
		}
		fix_put(f, s);
	}
	/* sum 0..8999 = 40495500, for two networks; the third has 9000 rows of 1, twice */
	expect("SELECT count(*),sum(packets),sum(bytes) FROM acct", "27000 81009000 8099118000");
	expect("SELECT count(*),min(bytes),max(bytes) FROM acct WHERE ip_src << '10.2.0.0/16'",
	       "9000 2 2");
	ck_assert_uint_eq(counts(s)->inserted, 27000);
	ck_assert_uint_eq(counts(s)->updated, 9000);
	ck_assert_uint_le(counts(s)->statements, 8);
	close_sink(s);
	fix_free(f);
}
END_TEST

START_TEST(bad_schema)
{
	fix_bad_schema(fixture("src_host", 1), "syntax error at or near");
}
END_TEST

/* What does not fit is named and counted, everything else gets in. */
START_TEST(refused_rows)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	run(narrow);
	if (_i)
		run("ALTER TABLE acct DROP CONSTRAINT acct_pk");
	s = fix_open(f);
	ck_assert_msg(fix_logged(f, "packets of table acct is integer: sums above 2147483647 will "
				    "be refused; run: ALTER TABLE \"acct\" ALTER COLUMN packets "
				    "TYPE BIGINT;"), "%s", f->log);
	for (unsigned i = 0; i < 50; i++) {
		char ip[16];

		snprintf(ip, sizeof(ip), "10.0.0.%u", i);
		host_row(f, ip, 1, 10);
	}
	host_row(f, "10.1.0.1", UINT64_C(2147483648), 7);
	host_row(f, "10.1.0.2", 3, UINT64_C(9223372036854775808));
	host_row(f, "10.1.0.3", UINT64_C(2147483647), 1);
	fix_put(f, s);
	expect("SELECT count(*),sum(packets),sum(bytes) FROM acct", "51 2147483697 501");
	ck_assert_uint_eq(counts(s)->rejected, 2);
	ck_assert_uint_eq(counts(s)->rejected_packets, UINT64_C(2147483651));
	ck_assert_uint_eq(counts(s)->rejected_octets, UINT64_C(9223372036854775815));
	ck_assert_uint_eq(counts(s)->inserted, 51);
	ck_assert(fix_logged(f, "refuses a row: integer out of range (22003): ip_src=10.1.0.1") ||
		  fix_logged(f, "is out of range for type integer (22003): ip_src=10.1.0.1"));
	ck_assert(fix_logged(f, "2 of 53 rows refused"));
	fix_next(f);		/* a sum that no longer fits */
	host_row(f, "10.1.0.3", 1, 1);
	host_row(f, "10.0.0.1", 1, 1);
	fix_put(f, s);
	expect("SELECT packets,bytes FROM acct WHERE ip_src IN ('10.1.0.3','10.0.0.1') ORDER BY "
	       "ip_src", "2 11|2147483647 1");
	ck_assert_uint_eq(counts(s)->rejected, 3);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A row that stands twice in the table is added to once. */
START_TEST(row_there_twice)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	run(narrow);
	run("ALTER TABLE acct DROP CONSTRAINT acct_pk");
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	run("INSERT INTO acct SELECT * FROM acct");
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 5);
	host_row(f, "10.0.0.2", 1, 7);
	fix_put(f, s);
	expect("SELECT ip_src,sum(bytes),count(*) FROM acct GROUP BY 1 ORDER BY 1",
	       "10.0.0.1 25 2|10.0.0.2 7 1");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* The ALTER that is told makes the table fit. */
START_TEST(missing_columns)
{
	struct fixture *f = fixture("src_host, in_iface, timestamp_start, label, tcpflags, flows",
				    1);
	char alter[2048], *at, *end;
	void *s;

	f->p.sql_optimize_clauses = true;
	run(narrow);
	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 77));
	at = strstr(f->log, "ALTER TABLE");
	ck_assert_msg(at && strstr(f->log, "lacks label, iface_in"), "%s", f->log);
	end = strchr(at, ';');
	snprintf(alter, sizeof(alter), "%.*s", (int)(end - at), at);
	run(alter);
	fix_forget_log(f);
	s = fix_open(f);
	ck_assert_msg(!fix_logged(f, "no unique key"), "%s", f->log);
	host_row(f, "10.0.0.1", 1, 10);
	fix_number(f, f->keys[0], PRIM_ID_in_iface, 4294967295);
	fix_number(f, f->keys[0], PRIM_ID_timestamp_start, UINT64_C(1700000000123456));
	fix_put(f, s);
	expect("SELECT ip_src,iface_in,timestamp_start,timestamp_start_residual,label,flows,bytes "
	       "FROM acct", "10.0.0.1 4294967295 2023-11-14 22:13:20 123456  1 10");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* The CREATE that is told makes a table that works. */
START_TEST(told_create_works)
{
	struct fixture *f = fixture("src_host, dst_net, proto, src_mac, peer_src_ip, tos", 9);
	char create[4096], *at, *end;
	void *s;

	f->p.sql_table = (char *)"Public.Mine";
	f->p.sql_optimize_clauses = true;
	f->p.timestamps_since_epoch = true;
	ck_assert_uint_eq(sink_find("pgsql")->check(&f->p, &f->l), 1);
	at = strstr(f->log, "CREATE TABLE");
	ck_assert_msg(at != NULL, "%s", f->log);
	end = strchr(at, ';');
	snprintf(create, sizeof(create), "%.*s", (int)(end - at), at);
	run(create);
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	fix_number(f, f->keys[0], PRIM_ID_proto, 58);
	fix_put(f, s);
	expect("SELECT ip_src,net_dst,ip_proto,mac_src,peer_ip_src,bytes,stamp_inserted,"
	       "stamp_updated FROM mine",
	       "10.0.0.1 0.0.0.0 58 00:00:00:00:00:00 0.0.0.0 10 1699999800 1700000060");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* sql_table_type: bgp: what a session would tell is what 1.7.7 without one writes. */
START_TEST(bgp_table)
{
	struct fixture *f = fixture("src_as, peer_src_ip", 1);
	char *cure;
	void *s;

	f->p.sql_table_type = SQL_TABLE_BGP;
	ck_assert_uint_eq(sink_find("pgsql")->check(&f->p, &f->l), 1);
	ck_assert_msg(fix_logged(f, "sql/pmacct-create-table_bgp_v1.pgsql makes it"), "%s", f->log);
	cure = strstr(f->log, "CREATE TABLE");
	ck_assert_msg(cure != NULL, "%s", f->log);
	*strchr(cure, ';') = '\0';
	run(cure);
	s = fix_open(f);
	fix_put_peers(f, s);
	expect("SELECT agent_id,as_src,as_dst,peer_as_src,peer_as_dst,peer_ip_src,peer_ip_dst,"
	       "'<'||comms||as_path||'>',local_pref,med,packets,bytes FROM acct_bgp",
		"0 4200000000 0 0 0 127.0.0.1 0.0.0.0 <> 0 0 2 200");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A table made as told takes a row of every primitive, all of them 0. */
START_TEST(every_primitive)
{
	char list[2048] = "", create[16384], *at;
	struct fixture *f;
	size_t n = 0;
	void *s;

	for (int id = 0; id < PRIMITIVES; id++)
		if (primitives[id].format < PRIM_CUSTOM_UINT)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? "," : "",
					      primitives[id].name);
	f = fixture(list, 9);
	ck_assert_uint_eq(sink_find("pgsql")->check(&f->p, &f->l), 1);
	at = strstr(f->log, "CREATE TABLE");
	ck_assert_msg(at != NULL, "%s", f->log);
	snprintf(create, sizeof(create), "%.*s", (int)(strchr(at, ';') - at), at);
	ck_assert_ptr_null(strstr(create, "(null)"));
	at = strstr(create, ", PRIMARY KEY");	/* PostgreSQL's keys have 32 columns at most */
	ck_assert_ptr_nonnull(at);
	strcpy(at, ")");
	run(create);
	s = fix_open(f);
	fix_row(f, 1699999800, 1, 10);
	fix_put(f, s);
	expect("SELECT packets,bytes FROM acct_v9", "1 10");
	ck_assert_uint_eq(counts(s)->rejected, 0);
	close_sink(s);
	fix_free(f);
}
END_TEST

START_TEST(missing_rights)
{
	struct fixture *f = fixture("src_host", 1);

	run(narrow);
	run("DO $$ BEGIN CREATE USER flow_check; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
	run("GRANT SELECT ON acct TO flow_check");
	f->p.sql_user = (char *)"flow_check";
	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 77));
	ck_assert_msg(fix_logged(f, "run: GRANT INSERT, UPDATE ON \"acct\" TO flow_check;"), "%s",
		      f->log);
	run("GRANT INSERT, UPDATE ON acct TO flow_check");
	load("flow_ledger");
	run("GRANT SELECT ON flow_ledger TO flow_check");
	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 77));
	ck_assert_msg(fix_logged(f, "run: GRANT INSERT ON flow_ledger TO flow_check;"), "%s",
		      f->log);
	run("GRANT INSERT ON flow_ledger TO flow_check");
	close_sink(fix_open(f));
	fix_free(f);
}
END_TEST

START_TEST(refuses_to_start)
{
	static const struct {
		const char *sql, *said;
	} cases[] = {
		{ "SELECT 1", "table acct does not exist in database \"flowledger_check\"; "
			      "sql/pmacct-create-table_v1.pgsql makes it, or run: CREATE TABLE" },
		{ "ALTER TABLE acct ALTER stamp_inserted DROP DEFAULT, ALTER stamp_inserted TYPE "
		  "BIGINT USING 0",
		  "stamp_inserted of table acct is bigint, but times are written as timestamps; "
		  "set timestamps_since_epoch: true; run: ALTER TABLE \"acct\" ALTER COLUMN "
		  "stamp_inserted TYPE TIMESTAMP WITHOUT TIME ZONE USING "
		  "to_timestamp(stamp_inserted);" },
		{ "ALTER TABLE acct ADD customer INT NOT NULL",
		  "column customer of table acct has no default and nothing here writes it; run: "
		  "ALTER TABLE \"acct\" ALTER COLUMN \"customer\" DROP NOT NULL;" },
		{ "SELECT 1", "cannot connect as user \"nobody_here\"" },
		{ "SELECT 1", "PostgreSQL does not speak over a UNIX socket" },
	};
	struct fixture *f = fixture("src_host", 1);

	if (_i)
		run(narrow);
	run(cases[_i].sql);
	if (_i == 3)
		f->p.sql_user = (char *)"nobody_here";
	if (_i == 4)
		f->p.sql_ca_file = (char *)"/etc/ssl/ca.pem";
	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 77));
	ck_assert_msg(fix_logged(f, cases[_i].said), "%s", f->log);
	fix_free(f);
}
END_TEST

/* A table an hour, made by sql_table_schema; names that rows choose are bounded. */
START_TEST(dynamic_tables)
{
	struct fixture *f = fixture("src_host, tag", 9);
	char path[] = "/tmp/flowledger-schema-XXXXXX";
	int fd = mkstemp(path);
	void *s;

	ck_assert_int_ge(fd, 0);
	dprintf(fd, "CREATE TABLE acct_$tag_%%H (tag bigint, ip_src inet, packets bigint, bytes "
		    "bigint, stamp_inserted timestamp, stamp_updated timestamp, PRIMARY KEY (tag, "
		    "ip_src, stamp_inserted));\n");
	close(fd);
	f->p.sql_table = (char *)"acct_$tag_%H";
	f->p.sql_table_schema = path;
	f->p.sql_optimize_clauses = true;
	f->p.sql_tables_max = 2;
	s = fix_open(f);
	for (uint64_t tag = 1; tag <= 3; tag++) {
		host_row(f, "10.0.0.1", 1, tag * 10);
		fix_number(f, f->keys[tag - 1], PRIM_ID_tag, tag);
	}
	fix_put(f, s);
	fix_put(f, (fix_next(f), host_row(f, "10.0.0.1", 1, 5),
		fix_number(f, f->keys[0], PRIM_ID_tag, 2), s));
	expect("SELECT bytes FROM acct_1_22 UNION ALL SELECT bytes FROM acct_2_22", "10|25");
	ck_assert_uint_eq(counts(s)->rejected_octets, 30);
	ck_assert(fix_logged(f, "sql_tables_max is reached"));
	close_sink(s);
	unlink(path);
	fix_free(f);
}
END_TEST

/* The server ends the session while it is idle: the next purge connects again. */
START_TEST(idle_connection)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	run(narrow);
	s = fix_open(f);
	run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid<>pg_backend_pid() "
	    "AND application_name='nfacctd'");
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "10");
	ck_assert_uint_eq(counts(s)->reconnects, 1);
	ck_assert_msg(!fix_logged(f, "kept and tried again"), "%s", f->log);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A deadlock with another writer: the purge is played again, whole, and once. */
START_TEST(deadlock)
{
	struct fixture *f = fixture("src_host", 1);
	PGconn *other = connect_admin();
	pid_t pid;
	void *s;
	int status;

	run(narrow);
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	host_row(f, "10.0.0.2", 1, 10);
	fix_put(f, s);
	run_on(other, "SET deadlock_timeout='60s'; BEGIN; UPDATE acct SET bytes=bytes+1000 WHERE "
		      "ip_src='10.0.0.2'");
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {	/* the purge takes .1, then waits for .2; then the other wants .1 */
		PGconn *third = connect_admin();
		PGresult *res;
		int waiting = 0;

		while (!waiting) {
			res = PQexec(third, "SELECT count(*) FROM pg_stat_activity WHERE "
					    "application_name='nfacctd' AND wait_event_type='Lock'");
			waiting = atoi(PQgetvalue(res, 0, 0));
			PQclear(res);
		}
		res = PQexec(other, "UPDATE acct SET bytes=bytes+1000 WHERE ip_src='10.0.0.1'");
		_exit(PQresultStatus(res) != PGRES_COMMAND_OK ||
		      PQresultStatus(PQexec(other, "COMMIT")) != PGRES_COMMAND_OK);
	}
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 5);
	host_row(f, "10.0.0.2", 1, 7);
	fix_put(f, s);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	expect("SELECT ip_src,bytes FROM acct ORDER BY ip_src", "10.0.0.1 1015|10.0.0.2 1017");
	ck_assert_uint_ge(counts(s)->retries, 1);
	close_sink(s);
	PQfinish(other);
	fix_free(f);
}
END_TEST

/* Another run with our number: its ledger lines do not swallow our purge. */
START_TEST(run_id_taken)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	run(narrow);
	load("flow_ledger");
	run("INSERT INTO flow_ledger VALUES (77,'t',1,0,0,0,0,0,NULL)");
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "10");
	ck_assert(fix_logged(f, "flow_ledger has purge 1 of run 77 already"));
	close_sink(s);
	fix_free(f);
}
END_TEST

/*
 * The answer to COMMIT is lost; the server had committed (deliver) or not.  The
 * purge counts once in both cases, with a ledger or without.
 */
START_TEST(commit_without_answer)
{
	bool deliver = _i & 1, with_ledger = _i & 2;
	struct fixture *f = fixture("src_host", 1);
	char dir[] = "/tmp/flowledger-relay-XXXXXX", path[64], to[100];
	pid_t pid;
	void *s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", dir);
	snprintf(to, sizeof(to), "%s/.s.PGSQL.5432", host());
	run(narrow);
	if (with_ledger)
		load("flow_ledger");
	pid = relay_start(path, to, &(struct relay_way){ .cut = true, .deliver = deliver });
	f->p.sql_host = dir;
	s = fix_open(f);
	host_row(f, "10.0.0.2", UINT64_C(4294967296), 20);	/* refused */
	host_row(f, "10.0.0.1", 1, 10);
	ck_assert_int_eq(sink_find("pgsql")->write(s, &f->purge), SINK_RETRY);
	ck_assert_uint_eq(counts(s)->rows, 0);
	fix_put(f, s);
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 100);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "110");
	ck_assert_uint_eq(counts(s)->ambiguous, 0);
	ck_assert_uint_eq(counts(s)->rows, 3);
	ck_assert_uint_eq(counts(s)->rejected, 1);
	ck_assert_uint_eq(counts(s)->inserted + counts(s)->updated, 2);
	ck_assert_msg(fix_logged(f, "had arrived before the connection broke") == deliver, "%s",
		      f->log);
	close_sink(s);
	relay_stop(pid);
	unlink(path);
	rmdir(dir);
	fix_free(f);
}
END_TEST

Suite *suite_pgsql(void);
Suite *suite_pgsql(void)
{
	const struct {
		const char *name;
		const TTest *test;
		int ways;
	} cases[] = {
		{ "versions", versions, 9 },
		{ "first versions", first_versions, 1 },
		{ "many rows", many_rows, 2 },
		{ "refused rows", refused_rows, 2 },
		{ "row there twice", row_there_twice, 1 },
		{ "missing columns", missing_columns, 1 },
		{ "told CREATE works", told_create_works, 1 },
		{ "every primitive", every_primitive, 1 },
		{ "sql_table_type: bgp", bgp_table, 1 },
		{ "missing rights", missing_rights, 1 },
		{ "refuses to start", refuses_to_start, 5 },
		{ "dynamic tables", dynamic_tables, 1 },
		{ "bad schema", bad_schema, 1 },
		{ "idle connection", idle_connection, 1 },
		{ "deadlock", deadlock, 1 },
		{ "run id taken", run_id_taken, 1 },
		{ "COMMIT without answer", commit_without_answer, 4 },
	};
	Suite *s = suite_create("pgsql");

	if (!host()) {
		fprintf(stderr, "pgsql: skipped, FLOWLEDGER_PGSQL names no server "
				"(tests/e2e/pgsql_sink.sh does)\n");
		return s;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TCase *t = tcase_create(cases[i].name);

		tcase_set_timeout(t, 60);
		tcase_add_checked_fixture(t, set_up, tear_down);
		tcase_add_loop_test(t, cases[i].test, 0, cases[i].ways);
		suite_add_tcase(s, t);
	}
	return s;
}
