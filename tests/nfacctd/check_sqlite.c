/*
 * check_sqlite.c - the sqlite3 sink: the same rows as mysql, whatever keys the
 * table has, exact up to 2^63 - 1, once per purge.
 */
#include <sqlite3.h>
#include <unistd.h>
#include "tests/nfacctd/sink_fixture.h"

static char path[64];
static sqlite3 *db;

static void run(const char *sql)
{
	char *why = NULL;

	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s: %s", sql, why);
}

static int collect(void *text, int n, char **cells, char **names)
{
	char *out = text;

	(void)names;
	if (*out)
		strcat(out, "|");
	for (int i = 0; i < n; i++)
		sprintf(out + strlen(out), "%s%s", i ? " " : "", cells[i] ? cells[i] : "NULL");
	return 0;
}

static void expect(const char *sql, const char *want)
{
	char got[8192] = "", *why = NULL;

	ck_assert_msg(sqlite3_exec(db, sql, collect, got, &why) == SQLITE_OK, "%s: %s", sql, why);
	ck_assert_msg(strcmp(got, want) == 0, "%s\n got: %s\nwant: %s", sql, got, want);
}

static void set_up(void)
{
	int fd;

	strcpy(path, "/tmp/flowledger-sqlite-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
}

static void tear_down(void)
{
	sqlite3_close(db);
	unlink(path);
}

static struct fixture *fixture(const char *list, uint32_t version)
{
	struct fixture *f = fix_new(list, version);

	f->p.type = (char *)"sqlite3";
	f->p.sql_db = path;
	return f;
}

static void host_row(struct fixture *f, const char *src, uint64_t packets, uint64_t octets)
{
	fix_addr(f, fix_row(f, 1699999800, packets, octets), PRIM_ID_src_host, src);
}

static const char narrow[] =
	"CREATE TABLE acct (ip_src CHAR(45) NOT NULL, packets INTEGER NOT NULL, bytes INTEGER "
	"NOT NULL, stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, PRIMARY KEY (ip_src, "
	"stamp_inserted))";

static void read_script(char *text, size_t size, const char *table)
{
	const char *root = getenv("FLOWLEDGER_SQL");
	char file[256];
	size_t n;
	FILE *in;

	snprintf(file, sizeof(file), "%s/pmacct-create-table_%s.sqlite3", root ? root : "sql",
		 table);
	in = fopen(file, "r");
	ck_assert_msg(in != NULL, "%s", file);
	n = fread(text, 1, size - 1, in);
	text[n] = '\0';
	fclose(in);
}

/* With the shipped table; then with no key at all: the same sums. */
START_TEST(adds_up)
{
	struct fixture *f = fixture("src_host", 1);
	char text[8192];
	void *s;

	read_script(text, sizeof(text), "v1");
	if (_i == 1)
		strcpy(strstr(text, ",\n  PRIMARY"), ");");
	run(text);
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	host_row(f, "2001:db8::1", 2, UINT64_C(4611686018427387904));
	fix_put(f, s);
	fix_next(f);
	host_row(f, "10.0.0.1", 5, 50);
	host_row(f, "2001:db8::1", 2, UINT64_C(4611686018427387903));
	host_row(f, "10.0.0.3", 3, 30);
	fix_put(f, s);
	expect("SELECT "
	       "mac_src,ip_src,ip_dst,src_port,ip_proto,packets,bytes,stamp_inserted,stamp_updated "
	       "FROM acct "
	       "ORDER BY ip_src",
		"0:0:0:0:0:0 10.0.0.1 0.0.0.0 0 0 6 60 2023-11-14 22:10:00 2023-11-14 22:15:20|"
		"0:0:0:0:0:0 10.0.0.3 0.0.0.0 0 0 3 30 2023-11-14 22:10:00 2023-11-14 22:15:20|"
		"0:0:0:0:0:0 2001:db8::1 0.0.0.0 0 0 4 9223372036854775807 2023-11-14 22:10:00 "
		"2023-11-14 22:15:20");
	ck_assert_uint_eq(sink_find("sqlite3")->counts(s)->inserted, 3);
	ck_assert_uint_eq(sink_find("sqlite3")->counts(s)->updated, 2);
	sink_find("sqlite3")->close(s);
	fix_free(f);
}
END_TEST

/* sql_table_type: bgp: what a session would tell is what 1.7.7 without one writes. */
START_TEST(bgp_table)
{
	struct fixture *f = fixture("tag, src_as, peer_src_ip", 1);
	char text[8192];
	void *s;

	f->p.sql_table_type = SQL_TABLE_BGP;
	ck_assert_ptr_null(sink_find("sqlite3")->open(&f->p, &f->l, 77));
	ck_assert_msg(fix_logged(f, "no table acct_bgp in"), "%s", f->log);
	ck_assert_msg(fix_logged(f, "sql/pmacct-create-table_bgp_v1.sqlite3 makes it"), "%s", f->log);
	read_script(text, sizeof(text), "bgp_v1");
	run(text);
	s = fix_open(f);
	fix_put_peers(f, s);
	expect("SELECT * FROM acct_bgp",
		"0 4200000000 0 0 0 127.0.0.1 0.0.0.0   0 0 2 200 2023-11-14 22:10:00 "
		"2023-11-14 22:15:20");
	sink_find("sqlite3")->close(s);
	fix_free(f);
}
END_TEST

/* Names that rows choose are bounded; rows for more tables are refused, the others go on. */
START_TEST(bounded_tables)
{
	struct fixture *f = fixture("src_host, tag", 9);
	char schema[] = "/tmp/flowledger-schema-XXXXXX";
	int fd = mkstemp(schema);
	void *s;

	ck_assert_int_ge(fd, 0);
	dprintf(fd, "CREATE TABLE acct_$tag (tag INTEGER, ip_src TEXT, packets INTEGER, bytes "
		    "INTEGER, stamp_inserted DATETIME, stamp_updated DATETIME);\n");
	close(fd);
	f->p.sql_table = (char *)"acct_$tag";
	f->p.sql_table_schema = schema;
	f->p.sql_optimize_clauses = true;
	f->p.sql_tables_max = 2;
	s = fix_open(f);
	for (int again = 0; again < 2; again++) {
		for (uint64_t tag = 1; tag <= 3; tag++) {
			host_row(f, "10.0.0.1", 1, tag * 10);
			fix_number(f, f->keys[tag - 1], PRIM_ID_tag, tag);
		}
		fix_put(f, s);
		fix_next(f);
	}
	expect("SELECT bytes FROM acct_1 UNION ALL SELECT bytes FROM acct_2", "20|40");
	expect("SELECT count(*) FROM sqlite_master WHERE name LIKE 'acct%'", "2");
	ck_assert_uint_eq(sink_find("sqlite3")->counts(s)->rejected_octets, 60);
	ck_assert(fix_logged(f, "sql_tables_max is reached"));
	sink_find("sqlite3")->close(s);
	unlink(schema);
	fix_free(f);
}
END_TEST

/* --check names the table that a schema will make, and does not make it. */
START_TEST(check_writes_nothing)
{
	struct fixture *f = fixture("src_host", 1);
	char schema[] = "/tmp/flowledger-schema-XXXXXX";
	int fd = mkstemp(schema);

	ck_assert_int_ge(fd, 0);
	dprintf(fd, "%s;\n", narrow);
	close(fd);
	f->p.sql_optimize_clauses = true;
	f->p.sql_table_schema = schema;
	ck_assert_uint_eq(sink_find("sqlite3")->check(&f->p, &f->l), 0);
	ck_assert_msg(fix_logged(f, "table acct does not exist; sql_table_schema: "), "%s", f->log);
	expect("SELECT count(*) FROM sqlite_master", "0");
	sink_find("sqlite3")->close(fix_open(f));
	expect("SELECT count(*) FROM sqlite_master WHERE type='table'", "1");
	unlink(schema);
	fix_free(f);
}
END_TEST

START_TEST(bad_schema)
{
	fix_bad_schema(fixture("src_host", 1), "syntax error");
}
END_TEST

START_TEST(refused_rows)
{
	struct fixture *f = fixture("src_host", 1);
	const struct sink_counts *c;
	void *s;

	f->p.sql_optimize_clauses = true;
	run(narrow);
	run("CREATE TRIGGER no7 BEFORE INSERT ON acct WHEN NEW.ip_src='10.0.0.7' BEGIN SELECT "
	    "RAISE(ABORT,'not seven'); END");
	s = fix_open(f);
	c = sink_find("sqlite3")->counts(s);
	host_row(f, "10.0.0.1", 1, INT64_MAX);
	fix_put(f, s);
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 1);
	host_row(f, "10.0.0.2", 2, UINT64_C(9223372036854775808));
	host_row(f, "10.0.0.7", 3, 70);
	host_row(f, "10.0.0.4", 4, 40);
	fix_put(f, s);
	expect("SELECT ip_src,bytes,typeof(bytes) FROM acct ORDER BY ip_src",
	       "10.0.0.1 9223372036854775807 integer|10.0.0.4 40 integer");
	ck_assert_uint_eq(c->rejected, 3);
	ck_assert_uint_eq(c->rejected_packets, 6);
	ck_assert_uint_eq(c->rejected_octets, UINT64_C(9223372036854775808) + 71);
	ck_assert_msg(fix_logged(f, "not seven: ip_src=10.0.0.7"), "%s", f->log);
	sink_find("sqlite3")->close(s);
	fix_free(f);
}
END_TEST

START_TEST(locked_and_ledger)
{
	struct fixture *f = fixture("src_host", 1);
	void *s;

	f->p.sql_optimize_clauses = true;
	run(narrow);
	run("CREATE TABLE flow_ledger (run_id INTEGER, plugin TEXT, purge_id INTEGER, worker "
	    "INTEGER, batch INTEGER, purge_rows"
	    " INTEGER, purge_packets INTEGER, purge_octets INTEGER, stamp DATETIME, PRIMARY KEY "
	    "(run_id, plugin, purge_id, worker))");
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	run("INSERT INTO flow_ledger VALUES (77,'t',2,0,0,0,0,0,NULL)");
	fix_put(f, s);
	expect("SELECT ip_src,bytes FROM acct", "10.0.0.1 10");
	expect("SELECT run_id,plugin,purge_id,worker,batch,purge_rows,purge_octets FROM "
	       "flow_ledger WHERE purge_id=1",
		"77 t 1 0 0 1 10");
	fix_next(f);	/* its line is somebody else's */
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	expect("SELECT ip_src,bytes FROM acct", "10.0.0.1 20");
	expect("SELECT COUNT(*) FROM flow_ledger", "3");
	ck_assert(fix_logged(f, "flow_ledger has purge 2 of run 77 already"));
	sink_find("sqlite3")->close(s);
	fix_free(f);
}
END_TEST

START_TEST(refuses_to_start)
{
	static const struct {
		const char *table, *say;
		bool no_file, no_history;
	} cases[] = {
		{ NULL,
			"unable to open database file; sqlite3 /nowhere/db < "
			"sql/pmacct-create-table_v1.sqlite3",
			true, false },
		{ NULL, "no table acct in", false, false },
		{ narrow, "set sql_history", false, true },
		{ "CREATE TABLE acct (packets INTEGER)",
			"ALTER TABLE \"acct\" ADD COLUMN ip_src CHAR(45)", false, false },
	};
	struct fixture *f = fixture("src_host", 1);

	f->p.sql_optimize_clauses = true;
	if (cases[_i].table)
		run(cases[_i].table);
	if (cases[_i].no_file)
		f->p.sql_db = (char *)"/nowhere/db";
	if (cases[_i].no_history)
		f->p.history.seconds = 0;
	ck_assert_ptr_null(sink_find("sqlite3")->open(&f->p, &f->l, 1));
	ck_assert_msg(fix_logged(f, cases[_i].say), "%s", f->log);
	ck_assert_uint_eq(sink_find("sqlite3")->check(&f->p, &f->l), 1);
	fix_free(f);
}
END_TEST

/* The saved file, replayed, gives what the write would have given; twice it stops. */
START_TEST(salvaged)
{
	struct fixture *f = fixture("src_host", 1);
	char base[96], text[8192];
	size_t n;
	FILE *in;
	void *s;

	snprintf(base, sizeof(base), "%s-saved", path);
	f->p.sql_recovery_logfile = base;
	f->p.sql_optimize_clauses = true;
	run(narrow);
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 5);
	host_row(f, "10.0.0.2", 1, 7);
	ck_assert_int_eq(sink_find("sqlite3")->salvage(s, &f->purge), 0);
	strcat(base, ".t.77.2.sql");
	in = fopen(base, "r");
	ck_assert_msg(in != NULL, "%s", base);
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	unlink(base);
	run(text);
	expect("SELECT ip_src,packets,bytes,stamp_updated FROM acct ORDER BY ip_src",
	       "10.0.0.1 2 15 2023-11-14 22:15:20|10.0.0.2 1 7 2023-11-14 22:15:20");
	expect("SELECT purge_id,purge_rows,purge_packets,purge_octets,stamp FROM flow_ledger",
	       "2 2 2 12 2023-11-14 22:15:20");
	/* As sqlite3 -bail: the file's own ledger stops it. */
	ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_CONSTRAINT);
	run("ROLLBACK");
	expect("SELECT SUM(bytes) FROM acct", "22");
	sink_find("sqlite3")->close(s);
	fix_free(f);
}
END_TEST

/* A report that reads for hours in a file of the shipped script: neither waits for the other. */
START_TEST(long_reader)
{
	struct fixture *f = fixture("src_host", 1);
	char text[8192];
	void *s;

	read_script(text, sizeof(text), "v1");
	run(text);
	s = fix_open(f);
	host_row(f, "10.0.0.1", 1, 10);
	fix_put(f, s);
	run("BEGIN");
	expect("SELECT SUM(bytes) FROM acct", "10");
	fix_next(f);
	host_row(f, "10.0.0.1", 1, 5);
	fix_put(f, s);
	ck_assert_uint_eq(sink_find("sqlite3")->counts(s)->retries, 0);
	expect("SELECT SUM(bytes) FROM acct", "10");
	run("COMMIT");
	expect("SELECT SUM(bytes) FROM acct", "15");
	ck_assert(!fix_logged(f, "journal_mode"));
	sink_find("sqlite3")->close(s);
	/* A file of another mode is used as it is, and that is said. */
	run("PRAGMA journal_mode=DELETE");
	s = fix_open(f);
	ck_assert_msg(fix_logged(f, "'PRAGMA journal_mode=WAL'"), "%s", f->log);
	sink_find("sqlite3")->close(s);
	expect("PRAGMA journal_mode", "delete");
	fix_free(f);
}
END_TEST

Suite *suite_sqlite(void);
Suite *suite_sqlite(void)
{
	Suite *s = suite_create("sqlite");
	TCase *t = tcase_create("sqlite");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, adds_up, 0, 2);
	tcase_add_test(t, bgp_table);
	tcase_add_test(t, long_reader);
	tcase_add_test(t, bad_schema);
	tcase_add_test(t, check_writes_nothing);
	tcase_add_test(t, bounded_tables);
	tcase_add_test(t, refused_rows);
	tcase_add_test(t, locked_and_ledger);
	tcase_add_loop_test(t, refuses_to_start, 0, 4);
	tcase_add_test(t, salvaged);
	suite_add_tcase(s, t);
	return s;
}
