/*
 * mysql_fixture.h - a database of our own on a real server, for the suites of the
 * mysql sink.  FLOWLEDGER_MYSQL is the server's sql_host ("unix:/tmp/x/s"), reached
 * as root without a password.
 */
#ifndef MYSQL_FIXTURE_H
#define MYSQL_FIXTURE_H

#include <mysql.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/nfacctd/relay.h"
#include "tests/nfacctd/sink_fixture.h"

#define DB "flowledger_check"

static MYSQL *admin;

static inline void run(const char *sql)
{
	ck_assert_msg(mysql_query(admin, sql) == 0, "%s: %s", sql, mysql_error(admin));
	do {
		mysql_free_result(mysql_store_result(admin));
	} while (mysql_next_result(admin) == 0);
}

/* All cells of a result, fields by blank, rows by bar. */
static inline const char *ask(const char *sql)
{
	static char text[65536];
	MYSQL_RES *res;
	MYSQL_ROW row;
	size_t n = 0;

	ck_assert_msg(mysql_query(admin, sql) == 0, "%s: %s", sql, mysql_error(admin));
	res = mysql_store_result(admin);
	ck_assert_ptr_nonnull(res);
	text[0] = '\0';
	while ((row = mysql_fetch_row(res))) {
		if (n)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "|");
		for (unsigned i = 0; i < mysql_num_fields(res); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
					      row[i] ? row[i] : "NULL");
	}
	mysql_free_result(res);
	return text;
}

static inline void expect(const char *sql, const char *want)
{
	const char *got = ask(sql);

	ck_assert_msg(strcmp(got, want) == 0, "%s\n got: %s\nwant: %s", sql, got, want);
}

static inline const char *host(void)
{
	return getenv("FLOWLEDGER_MYSQL");
}

static inline void set_up(void)
{
	const char *h = host();
	bool local = strncmp(h, "unix:", 5) == 0;

	admin = mysql_init(NULL);
	ck_assert_msg(mysql_real_connect(admin, local ? NULL : h, "root", "", NULL, 0,
			      local ? h + 5 : NULL, CLIENT_MULTI_STATEMENTS) != NULL,
		"%s", mysql_error(admin));
	run("DROP DATABASE IF EXISTS " DB "; CREATE DATABASE " DB "; USE " DB);
	run("SET time_zone='+00:00'");
}

static inline void tear_down(void)
{
	run("DROP DATABASE IF EXISTS " DB);
	mysql_close(admin);
}

/* Loop tests: 0 arrays, 1 blocks and text. */
static inline struct fixture *fixture(const char *list, uint32_t version, int way)
{
	struct fixture *f = fix_new(list, version);

	setenv("FLOWLEDGER_MYSQL_BULK", way ? "off" : "on", 1);
	f->p.type = (char *)"mysql";
	f->p.sql_host = (char *)host();
	f->p.sql_user = (char *)"root";
	f->p.sql_passwd = (char *)"";
	f->p.sql_db = (char *)DB;
	return f;
}

static inline void close_sink(void *s)
{
	sink_find("mysql")->close(s);
}

static inline const struct sink_counts *counts(void *s)
{
	return sink_find("mysql")->counts(s);
}

static inline void host_row(
	struct fixture *f, int64_t bin, const char *src, uint64_t packets, uint64_t octets)
{
	fix_addr(f, fix_row(f, bin, packets, octets), PRIM_ID_src_host, src);
}

static const char v1[] =
	"CREATE TABLE acct (mac_src CHAR(17) NOT NULL, mac_dst CHAR(17) NOT NULL, ip_src "
	"CHAR(15) NOT NULL, ip_dst CHAR(15) NOT NULL, src_port INT(2) UNSIGNED NOT NULL, dst_port "
	"INT(2) "
	"UNSIGNED NOT NULL, ip_proto CHAR(6) NOT NULL, packets INT UNSIGNED NOT NULL, bytes BIGINT "
	"UNSIGNED "
	"NOT NULL, stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, PRIMARY KEY (mac_src, "
	"mac_dst, "
	"ip_src, ip_dst, src_port, dst_port, ip_proto, stamp_inserted))";
static const char ledger[] =
	"CREATE TABLE flow_ledger (run_id BIGINT UNSIGNED NOT NULL, plugin VARCHAR(64) "
	"NOT NULL, purge_id BIGINT UNSIGNED NOT NULL, worker INT UNSIGNED NOT NULL, batch BIGINT "
	"UNSIGNED NOT "
	"NULL, purge_rows BIGINT UNSIGNED NOT NULL, purge_packets BIGINT UNSIGNED NOT NULL, "
	"purge_octets BIGINT "
	"UNSIGNED NOT NULL, stamp DATETIME, PRIMARY KEY (run_id, plugin, purge_id, worker))";

static inline MYSQL *connect_admin(void)
{
	MYSQL *m = mysql_init(NULL);
	const char *h = host();
	bool local = strncmp(h, "unix:", 5) == 0;

	ck_assert_msg(mysql_real_connect(m, local ? NULL : h, "root", "", DB, 0,
			      local ? h + 5 : NULL, 0) != NULL, "%s", mysql_error(m));
	return m;
}

/* Exit status of a child: 1 when a statement fails. */
static inline void run_or_exit(MYSQL *m, const char *sql)
{
	if (mysql_query(m, sql) != 0)
		_exit(1);
	mysql_free_result(mysql_store_result(m));
}

static inline bool somebody_waits(MYSQL *m)
{
	MYSQL_RES *res;
	bool waits;

	if (mysql_query(m, "SELECT 1 FROM INFORMATION_SCHEMA.INNODB_TRX"
			   " WHERE trx_state='LOCK WAIT'"))
		_exit(1);
	res = mysql_store_result(m);
	waits = mysql_num_rows(res) > 0;
	mysql_free_result(res);
	return waits;
}

/*
 * Until somebody waits for a lock.  InnoDB renews that list only after 100 ms in which
 * nobody looked: a look before shows the wait of the case before, which is over.
 */
static inline void await_lock_wait(MYSQL *m)
{
	do {
		usleep(120000);
	} while (!somebody_waits(m));
}

#define ROW "mac_src='0:0:0:0:0:0' AND mac_dst='0:0:0:0:0:0' AND ip_dst='0.0.0.0' AND src_port=0 " \
	"AND dst_port=0 AND ip_proto='0' AND stamp_inserted='2023-11-14 22:10:00' AND ip_src="

/* Cases that need a server; none without one. */
struct mysql_case {
	const char *name;
	const TTest *test;
	int ways;
};

static inline Suite *mysql_suite(const char *name, const struct mysql_case *cases, size_t n)
{
	Suite *s = suite_create(name);

	if (!host()) {
		fprintf(stderr, "%s: skipped, FLOWLEDGER_MYSQL names no server "
			"(tests/e2e/mysql_sink.sh does)\n", name);
		return s;
	}
	for (size_t i = 0; i < n; i++) {
		TCase *t = tcase_create(cases[i].name);

		tcase_set_timeout(t, 60);
		tcase_add_checked_fixture(t, set_up, tear_down);
		tcase_add_loop_test(t, cases[i].test, 0, cases[i].ways);
		suite_add_tcase(s, t);
	}
	return s;
}

#endif /* MYSQL_FIXTURE_H */
