/*
 * check_verify.c - the whole command against an SQLite database in which each
 * kind of wrong row was made by hand: what it says, its exit status, its files.
 */
#include <check.h>
#include <fcntl.h>
#include <getopt.h>
#include <sqlite3.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/commands.h"
#include "tests/pcapgen/oracle.h"

Suite *suite_verify(void);

static char dir[] = "/tmp/check_verify.XXXXXX";

static const char *in_dir(char *to, const char *name)
{
	snprintf(to, 64, "%s/%s", dir, name);
	return to;
}

static const struct flow_literal flows[] = {
	{ "10.0.0.1", "10.0.0.2", 10, 1000, 1, 2, .first_ms = 1792040100000,
		.last_ms = 1792040100000, .sent_ms = 1792040100000 },
	{ "10.0.0.2", "10.0.0.1", 4, 400, 2, 1, .first_ms = 1792040100000, .last_ms = 1792040100000,
		.sent_ms = 1792040100000 },
	{ "10.0.0.1", "10.0.0.2", 5, 500, 1, 2, .first_ms = 1792040700000, .last_ms = 1792040700000,
		.sent_ms = 1792040700000 },
	{ "10.0.0.3", "10.0.0.4", 1, 6000000000, 1, 2, .first_ms = 1792040100000,
		.last_ms = 1792040100000, .sent_ms = 1792040100000 },
};

enum { FLOWS = sizeof(flows) / sizeof(flows[0]) };

static const char schema[] = "CREATE TABLE acct_v7 (agent_id INT, class_id TEXT, mac_src TEXT, "
			     "mac_dst TEXT, vlan INT, as_src INT, as_dst INT,"
			     " ip_src TEXT, ip_dst TEXT, src_port INT, dst_port INT, tcp_flags "
			     "INT, ip_proto TEXT, tos INT, packets INT,"
			     " bytes INT, flows INT, stamp_inserted TEXT, stamp_updated TEXT);"
			     "CREATE VIEW acct AS SELECT ip_src, ip_dst, stamp_inserted, packets, "
			     "bytes, flows FROM acct_v7;";

#define ROW(src, dst, stamp, packets, bytes) \
	"INSERT INTO acct_v7 VALUES (0,'unknown','0:0:0:0:0:0','0:0:0:0:0:0',0,0,0,'" src "','" dst "',0,0,0,'0',0," \
	packets "," bytes ",0,'2026-10-15 " stamp ":00',NULL);"

/* What a right collector writes, one row in two halves. */
#define RIGHT_1 ROW("10.0.0.1", "10.0.0.2", "04:50", "3", "900") ROW("10.0.0.1", "10.0.0.2", "04:50", "7", "100")
#define RIGHT_2 ROW("10.0.0.2", "10.0.0.1", "04:50", "4", "400")
#define RIGHT_3 ROW("10.0.0.1", "10.0.0.2", "05:00", "5", "500")
#define RIGHT_4 ROW("10.0.0.3", "10.0.0.4", "04:50", "1", "6000000000")

static const char conf_text[] =
	"plugins: sqlite3[p]\naggregate: src_host, dst_host\nsql_table_version: 7\n"
	"sql_history: 10m\nsql_history_roundoff: mh\nsql_db: ";

static void database(const char *sql)
{
	char path[64], *why = NULL;
	sqlite3 *db;

	unlink(in_dir(path, "db"));
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, schema, NULL, NULL, &why) == SQLITE_OK &&
		      sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why);
	sqlite3_close(db);
}

static void make_files(void)
{
	char path[64], db[64];
	struct truth_writer *w;
	struct truth_row row;
	struct strbuf conf = { 0 };

	use_zone("UTC");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	w = truth_create(in_dir(path, "truth"), TRUTH_NARROW);
	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < FLOWS; i++) {
		literal_row(&row, &flows[i]);
		truth_put(w, &row);
	}
	ck_assert_int_eq(truth_finish(w), 0);
	strbuf_addf(&conf, "%s%s\n", conf_text, in_dir(db, "db"));
	text_file(path, sizeof(path), dir, "conf", conf.s);
	strbuf_clear(&conf);
}

static void remove_files(void)
{
	static const char *const names[] = { "truth", "conf", "db", "out", "junit", "json",
		"stats" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(path, names[i]));
	rmdir(dir);
	strcpy(strrchr(dir, '.'), ".XXXXXX");
}

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static char *contents(const char *name)
{
	char path[64], *text = calloc(1, 1 << 20);
	FILE *f = fopen(in_dir(path, name), "re");

	if (f && text)
		text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	if (f)
		fclose(f);
	return text;
}

/* Run `pcapgen verify` with more arguments behind; what it prints is in file "out". */
static int verify(int argc, const char *const *more)
{
	char truth[64], conf[64], out[64],
		*argv[24] = { (char *)"verify", (char *)"--truth", truth, (char *)"--conf", conf };
	int n = 5, status, fd, saved, saved_err;

	in_dir(truth, "truth");
	in_dir(conf, "conf");
	for (int i = 0; i < argc; i++)
		argv[n++] = (char *)(uintptr_t)more[i];
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	saved_err = dup(STDERR_FILENO);
	fd = open(in_dir(out, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert(saved >= 0 && saved_err >= 0 && fd >= 0);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_capture(no_log, NULL);
	optind = 0;
	status = command_verify(n, argv);
	log_capture(NULL, NULL);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved);
	close(saved_err);
	return status;
}

static void says(const char *name, const char *want)
{
	char *got = contents("out");

	ck_assert_msg(strstr(got, want) != NULL, "%s: want %s in\n%s", name, want, got);
	free(got);
}

/* ---- rows -------------------------------------------------------------------------- */

static const struct {
	const char *name, *sql;
	int status;
	const char *says[4];
} cases[] = {
	{ "equal, a row in two halves", RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4, 0,
		{ "OK 4 flows, 4 rows, 0 wrong, 0 unexplained: verified\n" } },
	{ "a row of zeros is none",
		RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4 ROW("9.9.9.9", "9.9.9.9", "04:50", "0", "0"), 0,
		{ "OK 4 flows, 4 rows, 0 wrong" } },
	{ "missing", RIGHT_1 RIGHT_2 RIGHT_3, 1,
		{ "wrong: plugin p: ip_src=10.0.0.3 ip_dst=10.0.0.4 bin 2026-10-15 04:50:00: bytes "
		  "6000000000 expected, 0 found"
		  " (-6000000000), packets 1 expected, 0 found (-1): missing\n",
			"WRONG 4 flows, 4 rows, 1 wrong, 1 unexplained" } },
	{ "all missing", "", 1,
		{ "4 rows, 4 wrong", "bytes 6000001900 expected, 0 found (-6000001900)" } },
	{ "unexpected",
		RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4 ROW("9.9.9.9", "9.9.9.8", "04:50", "1", "1"), 1,
		{ "ip_src=9.9.9.9 ip_dst=9.9.9.8 bin 2026-10-15 04:50:00: bytes 0 expected, 1 "
		  "found (+1)",
			": unexpected\n" } },
	{ "doubled", RIGHT_1 RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4, 1,
		{ "bytes 1000 expected, 2000 found (+1000), packets 10 expected, 20 found (+10): "
		  "doubled\n" } },
	{ "a factor",
		RIGHT_1 RIGHT_2 RIGHT_4 ROW("10.0.0.1", "10.0.0.2", "05:00", "5000", "500000"), 1,
		{ "1000 times what was sent" } },
	{ "a part", RIGHT_2 RIGHT_3 RIGHT_4 ROW("10.0.0.1", "10.0.0.2", "04:50", "2", "200"), 1,
		{ "one in 5: sampling" } },
	{ "moved to the next bin",
		RIGHT_1 RIGHT_3 RIGHT_4 ROW("10.0.0.2", "10.0.0.1", "05:00", "4", "400"), 1,
		{ "ip_src=10.0.0.2 ip_dst=10.0.0.1 bin 2026-10-15 04:50:00",
			"moved to bin 2026-10-15 05:00:00\n",
			"moved from bin 2026-10-15 04:50:00\n", "2 wrong, 0 unexplained" } },
	{ "moved in part",
		ROW("10.0.0.1", "10.0.0.2", "04:50", "9", "910")
			RIGHT_2 ROW("10.0.0.1", "10.0.0.2", "05:00", "6", "590") RIGHT_4,
		1,
		{ "bytes 1000 expected, 910 found (-90), packets 10 expected, 9 found (-1): moved "
		  "to bin 2026-10-15 05:00:00",
			"2 wrong, 0 unexplained" } },
	{ "swapped",
		RIGHT_1 RIGHT_2 RIGHT_3 ROW("10.0.0.4", "10.0.0.3", "04:50", "1", "6000000000"), 1,
		{ "ip_src=10.0.0.3 ip_dst=10.0.0.4", "source and destination swapped\n",
			"2 wrong, 0 unexplained" } },
	{ "wrapped",
		RIGHT_1 RIGHT_2 RIGHT_3 ROW("10.0.0.3", "10.0.0.4", "04:50", "1", "1705032704"), 1,
		{ "(-4294967296)", "wrapped at 2^32\n" } },
	{ "frames for IP", RIGHT_1 RIGHT_3 RIGHT_4 ROW("10.0.0.2", "10.0.0.1", "04:50", "4", "472"),
		1, { "18 octets more for each packet" } },
	{ "less", RIGHT_2 RIGHT_3 RIGHT_4 ROW("10.0.0.1", "10.0.0.2", "04:50", "9", "931"), 1,
		{ "(-69)", "less, unexplained\n", "1 wrong, 1 unexplained: wrong\n" } },
	{ "a packet less",
		RIGHT_2 RIGHT_3 RIGHT_4 ROW("10.0.0.1", "10.0.0.2", "04:50", "9", "1000"), 1,
		{ "(-1)", "less, unexplained\n", "1 wrong, 1 unexplained" } },
	{ "more", RIGHT_2 RIGHT_3 RIGHT_4 ROW("10.0.0.1", "10.0.0.2", "04:50", "11", "1001"), 1,
		{ "(+1)", "more, unexplained\n", "1 wrong, 1 unexplained" } },
};

START_TEST(rows)
{
	database(cases[_i].sql);
	ck_assert_msg(verify(0, NULL) == cases[_i].status, "%s: wrong status", cases[_i].name);
	for (size_t i = 0; i < 4 && cases[_i].says[i]; i++)
		says(cases[_i].name, cases[_i].says[i]);
}
END_TEST

/* Fifty rows are told, the rest is counted. */
START_TEST(bounded_output)
{
	struct strbuf sql = { 0 };
	char *text;
	size_t lines = 0;

	strbuf_add(&sql, RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4);
	for (int i = 0; i < 200; i++)
		strbuf_addf(&sql, ROW("10.9.9.%d", "10.0.0.1", "04:50", "1", "1"), i);
	database(sql.s);
	strbuf_clear(&sql);
	ck_assert_int_eq(verify(0, NULL), 1);
	says("the rest", "wrong: ... and 150 more\n");
	text = contents("out");
	for (char *at = text; (at = strstr(at, "wrong: plugin")); at++)
		lines++;
	free(text);
	ck_assert_uint_eq(lines, 50);
}
END_TEST

/* ---- files and statuses ------------------------------------------------------------------ */

START_TEST(junit_and_json)
{
	char junit[64], json[64], *text;
	const char *const more[] = { "--junit", in_dir(junit, "junit"), "--json",
		in_dir(json, "json") };

	database(RIGHT_1 RIGHT_2 ROW("10.0.0.1", "10.0.0.2", "05:00", "10", "1000") RIGHT_4);
	ck_assert_int_eq(verify(4, more), 1);
	text = contents("junit");
	ck_assert_msg(
		strstr(text, "<testsuites name=\"pcapgen verify\" tests=\"2\" failures=\"1\">") &&
			strstr(text,
				"<testcase classname=\"p\" name=\"bin 2026-10-15 04:50:00\"/>") &&
			strstr(text,
				"<failure message=\"1 wrong rows\">ip_src=10.0.0.1 ip_dst=10.0.0.2 "
				"bin"),
		"%s", text);
	free(text);
	text = contents("json");
	ck_assert_msg(strstr(text, "\"verdict\": \"wrong\"") && strstr(text, "\"flows\": 4") &&
			strstr(text, "\"rows\": 4, \"wrong\": 1, \"unexplained\": 0") &&
			strstr(text,
				"\"expected\": {\"bytes\": 500, \"packets\": 5}, \"found\": "
				"{\"bytes\": 1000,"
				" \"packets\": 10}, \"explanation\": \"doubled\""),
		"%s", text);
	free(text);
	database(RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4);
	ck_assert_int_eq(verify(4, more), 0);
	text = contents("junit");
	ck_assert_msg(strstr(text, "failures=\"0\"") && !strstr(text, "<failure"), "%s", text);
	free(text);
	text = contents("json");
	ck_assert_msg(strstr(text, "\"verdict\": \"equal\"") && strstr(text, "\"wrong_rows\": []"),
		"%s", text);
	free(text);
}
END_TEST

static const struct {
	const char *name, *sql, *stats;
	int status;
	const char *says;
} accounts[] = {
	{ "all there, whatever was dropped", RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4, "kernel_drops\t3\n",
		0, "verified" },
	{ "less, and the kernel dropped", RIGHT_1 RIGHT_2 RIGHT_3,
		"datagrams_received\t9\nkernel_drops\t3\n", 5,
		"1 wrong, 0 unexplained: lost outside the collector" },
	{ "too much is no loss", RIGHT_1 RIGHT_1 RIGHT_2 RIGHT_3, "kernel_drops\t3\n", 1,
		"2 wrong" },
	{ "less, and some is pending", RIGHT_1 RIGHT_2 RIGHT_3,
		"plugin_octets_pending{plugin=\"p\"}\t7\n", 7, "not flushed" },
	{ "less, and it says why", RIGHT_1 RIGHT_2 RIGHT_3,
		"kernel_drops\t0\nplugin_octets_rejected{plugin=\"p\"}\t6\n", 1,
		"the collector's losses: plugin_octets_rejected{plugin=\"p\"}=6" },
	{ "less, and it says nothing", RIGHT_1 RIGHT_2 RIGHT_3, "kernel_drops\t0\n", 1,
		"the collector's losses: none" },
	{ "no file: it died", RIGHT_1 RIGHT_2 RIGHT_3, NULL, 7, "not flushed" },
};

START_TEST(ledger)
{
	char path[64];
	const char *const more[] = { "--collector-stats", in_dir(path, "stats") };

	if (accounts[_i].stats)
		text_file(path, sizeof(path), dir, "stats", accounts[_i].stats);
	database(accounts[_i].sql);
	ck_assert_msg(
		verify(2, more) == accounts[_i].status, "%s: wrong status", accounts[_i].name);
	says(accounts[_i].name, accounts[_i].says);
}
END_TEST

static const struct {
	const char *name;
	const char *more[4];
	int status;
} usages[] = {
	{ "no such plugin", { "--plugin", "q" }, 2 },
	{ "an argument", { "more" }, 2 },
	{ "an option that is none", { "--nonsense" }, 2 },
	{ "seconds that are none", { "--wait", "soon" }, 2 },
	{ "a truth that is none", { "--truth", "/dev/null" }, 2 },
	{ "a configuration that is none", { "--conf", "/nonexistent" }, 2 },
	{ "a file that cannot be", { "--junit", "/nonexistent/junit" }, 3 },
	{ "help", { "--help" }, 0 },
};

START_TEST(statuses)
{
	int n = 0;

	database(RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4);
	while (n < 4 && usages[_i].more[n])
		n++;
	ck_assert_msg(verify(n, usages[_i].more) == usages[_i].status, "%s: wrong status",
		usages[_i].name);
}
END_TEST

START_TEST(no_database)
{
	char path[64];

	unlink(in_dir(path, "db"));
	ck_assert_int_eq(verify(0, NULL), 3);
}
END_TEST

START_TEST(no_table)
{
	char path[64];
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(in_dir(path, "db"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE other(x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	ck_assert_int_eq(verify(0, NULL), 3);
}
END_TEST

/* Nothing to wait for: the answer comes at once. */
START_TEST(wait_ends_when_equal)
{
	const char *const more[] = { "--wait", "600" };

	database(RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4);
	ck_assert_int_eq(verify(2, more), 0);
}
END_TEST

/* sql_table with the time of the bin in its name. */
START_TEST(tables_by_time)
{
	static const char tables[] =
		"CREATE TABLE t_0450 AS SELECT * FROM acct_v7 WHERE stamp_inserted LIKE '%04:50%';"
		"CREATE TABLE t_0500 AS SELECT * FROM acct_v7 WHERE stamp_inserted LIKE '%05:00%';";
	char path[64], db[64];
	struct strbuf b = { 0 };

	strbuf_addf(&b, "%s%s\nsql_table: t_%%H%%M\n", conf_text, in_dir(db, "db"));
	text_file(path, sizeof(path), dir, "conf", b.s);
	strbuf_reset(&b);
	strbuf_addf(&b, "%s%s", RIGHT_1 RIGHT_2 RIGHT_3 RIGHT_4, tables);
	database(b.s);
	strbuf_clear(&b);
	ck_assert_int_eq(verify(0, NULL), 0);
	says("dynamic", "OK 4 flows, 4 rows, 0 wrong");
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

Suite *suite_verify(void)
{
	Suite *s = suite_create("verify");
	TCase *t = tcase_create("sqlite");

	tcase_add_checked_fixture(t, make_files, remove_files);
	tcase_add_loop_test(t, rows, 0, COUNT(cases));
	tcase_add_test(t, bounded_output);
	tcase_add_test(t, junit_and_json);
	tcase_add_loop_test(t, ledger, 0, COUNT(accounts));
	tcase_add_loop_test(t, statuses, 0, COUNT(usages));
	tcase_add_test(t, no_database);
	tcase_add_test(t, no_table);
	tcase_add_test(t, wait_ends_when_equal);
	tcase_add_test(t, tables_by_time);
	suite_add_tcase(s, t);
	return s;
}
