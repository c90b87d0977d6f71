/*
 * check_mysql_parts.c - large purges, which the mysql sink writes over two
 * connections, each its part: every row once whatever breaks between the two
 * commits.  Needs a real server.
 */
#include "tests/nfacctd/mysql_fixture.h"

enum { ROWS = 9000, HALF = ROWS / 2 };

static struct fixture *parts_fixture(int way)
{
	struct fixture *f = fixture("src_host", 1, way);

	f->p.sql_connections = 2;
	run(v1);
	run(ledger);
	run("SET GLOBAL innodb_lock_wait_timeout=1");
	return f;
}

/* Hosts 10.net.0.0 and up, each 1 packet and its number in octets. */
static void many_hosts(struct fixture *f, unsigned net)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char ip[16];

		snprintf(ip, sizeof(ip), "10.%u.%u.%u", net, i >> 8, i & 255);
		host_row(f, 1699999800, ip, 1, i);
	}
}

static const char totals[] = "SELECT COUNT(*),SUM(packets),SUM(bytes) FROM acct";
static const char lines[] = "SELECT purge_id,worker,batch,purge_rows,purge_packets,purge_octets "
			    "FROM flow_ledger WHERE plugin='t' ORDER BY purge_id,worker";

/* 0 + 1 + .. + 8999 = 40495500; of the first half 10122750, of the second 30372750. */
#define LINE_0(id) id " 0 0 0 0 0|" id " 2147483648 2 4500 4500 10122750"
#define LINE_1(id) id " 2147483649 2 4500 4500 30372750"

static const struct sink *sink(void)
{
	return sink_find("mysql");
}

/* Two parts, a line each; then the same keys again; and few rows go as one. */
START_TEST(two_parts)
{
	struct fixture *f = parts_fixture(_i);
	void *s = fix_open(f);

	many_hosts(f, 1);
	fix_put(f, s);
	expect(totals, "9000 9000 40495500");
	expect(lines, LINE_0("1") "|" LINE_1("1"));
	fix_next(f);
	many_hosts(f, 1);
	fix_put(f, s);
	expect(totals, "9000 18000 80991000");
	fix_next(f);
	host_row(f, 1699999800, "10.1.0.0", 1, 10);
	fix_put(f, s);
	expect("SELECT worker,batch,purge_rows,purge_octets FROM flow_ledger WHERE purge_id=3",
	       "0 0 1 10");
	expect("SELECT SUM(purge_rows),SUM(purge_packets),SUM(purge_octets) FROM flow_ledger",
	       "18001 18001 80991010");
	ck_assert_uint_eq(counts(s)->purges, 3);
	ck_assert_uint_eq(counts(s)->rows, 18001);
	ck_assert_uint_eq(counts(s)->inserted, 9000);
	ck_assert_uint_eq(counts(s)->updated, 9001);
	ck_assert_uint_eq(counts(s)->retries, 0);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Where rows of two parts could meet, or nothing tells whether a part is in: one part. */
START_TEST(undivided)
{
	static const char *const why[] = { "DROP TABLE flow_ledger",
					   "ALTER TABLE acct DROP PRIMARY KEY",
		"ALTER TABLE acct DROP PRIMARY KEY, ADD id BIGINT AUTO_INCREMENT PRIMARY KEY, ADD "
		"UNIQUE KEY (mac_src, mac_dst, ip_src, ip_dst, src_port, dst_port, ip_proto, "
		"stamp_inserted)" };
	struct fixture *f = parts_fixture(0);
	void *s;

	run(why[_i]);
	s = fix_open(f);
	many_hosts(f, 1);
	fix_put(f, s);
	expect(totals, "9000 9000 40495500");
	if (_i > 0)
		expect(lines, "1 0 0 9000 9000 40495500");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A user who may have one connection: the parts go over it, one by one. */
START_TEST(one_connection)
{
	struct fixture *f = parts_fixture(_i);
	void *s;

	run("CREATE OR REPLACE USER flowledger_one WITH MAX_USER_CONNECTIONS 1");
	run("GRANT ALL ON " DB ".* TO flowledger_one");
	f->p.sql_user = (char *)"flowledger_one";
	s = fix_open(f);
	many_hosts(f, 1);
	fix_put(f, s);
	expect(totals, "9000 9000 40495500");
	expect(lines, LINE_0("1") "|" LINE_1("1"));
	ck_assert_msg(fix_logged(f, "one connection only"), "%s", f->log);
	close_sink(s);
	run("DROP USER flowledger_one");
	fix_free(f);
}
END_TEST

static void hold(MYSQL *m, const char *ip)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT 1 FROM acct WHERE ip_src='%s' FOR UPDATE", ip);
	ck_assert_msg(mysql_query(m, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED") == 0 &&
		      mysql_query(m, "START TRANSACTION") == 0 && mysql_query(m, sql) == 0,
		      "%s", mysql_error(m));
	mysql_free_result(mysql_store_result(m));
}

/* The lock is gone when this returns; after mysql_close() alone, a moment later. */
static void let_go(MYSQL *m)
{
	ck_assert_int_eq(mysql_query(m, "ROLLBACK"), 0);
	mysql_close(m);
}

/*
 * As parts_fixture(), and whoever finds a row locked is told at once: no test waits a second for
 * that, and two parts that met in a row or a gap would show.
 */
static struct fixture *impatient_fixture(int way)
{
	struct fixture *f = parts_fixture(way);

	run("SET GLOBAL innodb_lock_wait_timeout=0");
	return f;
}

/* A purge of which one part is in, because somebody holds a row of the other. */
static void half_a_purge(struct fixture *f, void *s, MYSQL *other, const char *held)
{
	many_hosts(f, 1);
	fix_put(f, s);
	hold(other, held);
	fix_next(f);
	many_hosts(f, 1);
	ck_assert_int_eq(sink()->write(s, &f->purge), SINK_RETRY);
	ck_assert_int_eq(sink()->trouble(s), SINK_DOUBT);	/* nobody else may write it */
	ck_assert_uint_eq(counts(s)->purges, 1);
}

/* The part that is not in is written by the next attempt, the other is not written again. */
START_TEST(half_then_rest)
{
	bool first = _i;
	struct fixture *f = impatient_fixture(_i);
	MYSQL *other = connect_admin();
	void *s = fix_open(f);

	half_a_purge(f, s, other, first ? "10.1.0.7" : "10.1.35.7");
	expect(totals, first ? "9000 13500 70868250" : "9000 13500 50618250");
	expect("SELECT GROUP_CONCAT(worker) FROM flow_ledger WHERE purge_id=2 AND purge_rows",
	       first ? "2147483649" : "2147483648");
	ck_assert_int_eq(sink()->write(s, &f->purge), SINK_RETRY);
	let_go(other);
	fix_put(f, s);
	expect(totals, "9000 18000 80991000");
	expect(lines, LINE_0("1") "|" LINE_1("1") "|" LINE_0("2") "|" LINE_1("2"));
	ck_assert_uint_eq(counts(s)->purges, 2);
	ck_assert_uint_eq(counts(s)->rows, 18000);
	ck_assert_uint_eq(counts(s)->updated, 9000);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* The process dies between the two commits; the next run has the purge from a file. */
START_TEST(half_then_next_run)
{
	bool first = _i & 1;
	struct fixture *f = impatient_fixture(_i >> 1);
	MYSQL *other = connect_admin();
	void *s = fix_open(f);

	half_a_purge(f, s, other, first ? "10.1.0.7" : "10.1.35.7");
	close_sink(s);
	/* It stays in the parts that it was begun in. */
	f->p.sql_connections = _i == 0 || _i == 3 ? 1 : 5;
	s = sink()->open(&f->p, &f->l, 78);
	ck_assert_ptr_nonnull(s);
	f->purge.run = 77;
	f->purge.replayed = true;
	let_go(other);
	fix_put(f, s);
	expect(totals, "9000 18000 80991000");
	expect(lines, LINE_0("1") "|" LINE_1("1") "|" LINE_0("2") "|" LINE_1("2"));
	ck_assert_msg(fix_logged(f, first ? "part 2 of 2 of purge 2 is in the database already"
					  : "part 1 of 2 of purge 2 is in the database already"),
		      "%s", f->log);
	fix_put(f, s);		/* the file was not removed in time: nothing happens */
	expect(totals, "9000 18000 80991000");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A file whose purge is in as a whole is not written again in parts. */
START_TEST(whole_then_next_run)
{
	struct fixture *f = parts_fixture(_i);
	void *s;

	f->p.sql_connections = 1;
	s = fix_open(f);
	many_hosts(f, 1);
	fix_put(f, s);
	close_sink(s);
	f->p.sql_connections = 2;
	s = sink()->open(&f->p, &f->l, 78);
	f->purge.run = 77;
	f->purge.replayed = true;
	fix_put(f, s);
	expect(totals, "9000 9000 40495500");
	expect(lines, "1 0 0 9000 9000 40495500");
	ck_assert(fix_logged(f, "purge 1 is in the database already"));
	close_sink(s);
	fix_free(f);
}
END_TEST

/* At the end of the process the part that is not in has a file, and only that. */
START_TEST(half_then_salvage)
{
	struct fixture *f = impatient_fixture(_i);
	MYSQL *other = connect_admin();
	char base[] = "/tmp/flowledger-parts-XXXXXX", path[256], *text = calloc(1, 4 << 20);
	void *s;
	FILE *in;

	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/log", base);
	f->p.sql_recovery_logfile = path;
	s = fix_open(f);
	half_a_purge(f, s, other, "10.1.35.7");
	ck_assert_int_eq(sink()->salvage(s, &f->purge), 0);
	close_sink(s);
	let_go(other);
	strcat(path, ".t.77.2.1of2.sql");
	ck_assert_int_ne(access(path, F_OK), 0);
	memcpy(strstr(path, "1of2"), "2", 1);
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	ck_assert_uint_gt(fread(text, 1, (4 << 20) - 1, in), 0);
	fclose(in);
	run(text);
	expect(totals, "9000 18000 80991000");
	expect(lines, LINE_0("1") "|" LINE_1("1") "|" LINE_0("2") "|" LINE_1("2"));
	unlink(path);
	rmdir(base);
	free(text);
	fix_free(f);
}
END_TEST

/* The answer to the COMMIT of one part is lost, the server having heard it or not. */
START_TEST(commit_without_answer)
{
	struct fixture *f = parts_fixture(_i & 1);
	char dir[] = "/tmp/flowledger-parts-XXXXXX", path[64], by_relay[80];
	bool deliver = _i & 2;
	pid_t pid;
	void *s;

	if (strncmp(host(), "unix:", 5) != 0) {
		fix_free(f);
		return;		/* the relay speaks to UNIX sockets */
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(by_relay, sizeof(by_relay), "unix:%s", path);
	pid = relay_start(path, host() + 5, &(struct relay_way){ .cut = true, .deliver = deliver });
	f->p.sql_host = by_relay;
	s = fix_open(f);
	many_hosts(f, 1);
	ck_assert_int_eq(sink()->write(s, &f->purge), SINK_RETRY);
	ck_assert_int_eq(sink()->trouble(s), SINK_DOUBT);
	fix_put(f, s);
	expect(totals, "9000 9000 40495500");
	expect(lines, LINE_0("1") "|" LINE_1("1"));
	ck_assert_uint_eq(counts(s)->inserted, 9000);
	ck_assert_uint_eq(counts(s)->ambiguous, 0);
	ck_assert_msg(fix_logged(f, "of purge 1 had arrived before the connection broke") ==
		      deliver, "%s", f->log);
	close_sink(s);
	relay_stop(pid);
	unlink(path);
	rmdir(dir);
	fix_free(f);
}
END_TEST

/*
 * A part loses a deadlock, because the other has done more: that part is played
 * again, once.  The other has the last row of the second part, and wants one that
 * the part has had before it comes to that.
 */
START_TEST(deadlock)
{
	struct fixture *f = parts_fixture(_i);
	unsigned tries = 0;
	char want[64];
	void *s = fix_open(f);
	pid_t pid;
	int status;

	run("SET GLOBAL innodb_lock_wait_timeout=50");
	run("CREATE TABLE work (n INT PRIMARY KEY) ENGINE=InnoDB");
	many_hosts(f, 1);
	fix_put(f, s);
	do {	/* InnoDB's list may show a wait that is over: then the two did not cross */
		run("DELETE FROM flow_ledger WHERE plugin='ready'");
		tries++;
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			MYSQL *other = connect_admin(), *watch = connect_admin();

			run_or_exit(other, "START TRANSACTION");
			run_or_exit(other, "REPLACE INTO work SELECT seq FROM seq_1_to_30000");
			run_or_exit(other, "UPDATE acct SET bytes=bytes+1 WHERE " ROW
					   "'10.1.35.39'");
			run_or_exit(watch, "INSERT INTO flow_ledger VALUES "
					   "(1,'ready',1,0,0,0,0,0,NULL)");
			await_lock_wait(watch);
			run_or_exit(other, "UPDATE acct SET bytes=bytes+1 WHERE " ROW "'10.1.20.7'");
			run_or_exit(other, "COMMIT");
			_exit(0);
		}
		while (*ask("SELECT COUNT(*) FROM flow_ledger WHERE plugin='ready'") != '1')
			usleep(1000);
		fix_next(f);
		many_hosts(f, 1);
		fix_put(f, s);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	} while (counts(s)->retries == 0 && tries < 10);
	ck_assert_uint_ge(counts(s)->retries, 1);
	snprintf(want, sizeof(want), "9000 %u %u", 9000 * (1 + tries),
		 40495500 * (1 + tries) + 2 * tries);
	expect(totals, want);
	snprintf(want, sizeof(want), "%u", 2 * (1 + tries));
	expect("SELECT COUNT(*) FROM flow_ledger WHERE plugin='t' AND worker>=2147483648", want);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* One bad row in each part: they are refused and counted, all others are in. */
START_TEST(refused_in_parts)
{
	struct fixture *f = parts_fixture(_i);
	void *s = fix_open(f);

	many_hosts(f, 1);
	f->rows[10].sums.packets = UINT64_C(4294967296);	/* INT UNSIGNED + 1 */
	f->rows[8000].sums.packets = UINT64_C(4294967297);
	fix_put(f, s);
	expect(totals, "8998 8998 40487490");
	ck_assert_uint_eq(counts(s)->rejected, 2);
	ck_assert_uint_eq(counts(s)->rejected_octets, 8010);
	ck_assert_uint_eq(counts(s)->rejected_packets, UINT64_C(8589934593));
	ck_assert_uint_eq(counts(s)->inserted, 8998);
	ck_assert(fix_logged(f, "packets=4294967296") && fix_logged(f, "packets=4294967297"));
	ck_assert(fix_logged(f, "purge 1: 2 of 9000 rows refused: 8010 octets"));
	close_sink(s);
	fix_free(f);
}
END_TEST

/*
 * Rows whose order in the table is not that of their keys here, half of them there
 * already: the parts' rows stand between each other and neither waits for the other.
 */
START_TEST(interleaved)
{
	struct fixture *f = impatient_fixture(_i);
	void *s = fix_open(f);

	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < ROWS; i++) {
			char ip[16];

			snprintf(ip, sizeof(ip), "%u.%u.%u.1", 1 + i % 199, i / 199,
				 round + i % 2);
			host_row(f, 1699999800, ip, 1, 1);
		}
		fix_put(f, s);
		fix_next(f);
	}
	expect("SELECT SUM(packets),SUM(bytes) FROM acct", "36000 36000");
	ck_assert_uint_eq(counts(s)->retries, 0);
	ck_assert_uint_eq(counts(s)->inserted + counts(s)->updated, 36000);
	close_sink(s);
	fix_free(f);
}
END_TEST

Suite *suite_mysql_parts(void);
Suite *suite_mysql_parts(void)
{
	const struct mysql_case cases[] = {
		{ "two parts", two_parts, 2 },
		{ "undivided", undivided, 3 },
		{ "one connection", one_connection, 1 },
		{ "half, then the rest", half_then_rest, 2 },
		{ "half, then the next run", half_then_next_run, 4 },
		{ "whole, then the next run", whole_then_next_run, 1 },
		{ "half, then salvage", half_then_salvage, 1 },
		{ "COMMIT without answer", commit_without_answer, 4 },
		{ "deadlock", deadlock, 1 },
		{ "refused in parts", refused_in_parts, 1 },
		{ "interleaved", interleaved, 1 },
	};

	return mysql_suite("mysql_parts", cases, sizeof(cases) / sizeof(cases[0]));
}
