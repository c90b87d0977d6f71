/*
 * check_conformance.c - cases of the collector's conformance list by their
 * numbers, from datagrams to rows in a database (SQLite, with the tables of
 * sql/): what the reference loses or doubles there, we must not.
 *
 * Where each number is tested is in tests/conformance.tsv.
 */
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>
#include "tests/nfacctd/feeding.h"

Suite *suite_conformance(void);

static char db_path[] = "/tmp/check-conformance-XXXXXX";
static sqlite3 *db;

static void sql(const char *statement)
{
	char *why = NULL;

	ck_assert_msg(sqlite3_exec(db, statement, NULL, NULL, &why) == SQLITE_OK, "%s: %s",
		statement, why);
}

static void make_table(void)
{
	/* pmacct's version 1. */
	sql("CREATE TABLE acct (mac_src CHAR(17) NOT NULL, mac_dst CHAR(17) NOT NULL, ip_src "
	    "CHAR(45) NOT NULL, "
	    "ip_dst CHAR(45) NOT NULL, src_port INT NOT NULL, dst_port INT NOT NULL, ip_proto "
	    "CHAR(20) NOT NULL, "
	    "packets INT NOT NULL, bytes BIGINT NOT NULL, stamp_inserted DATETIME NOT NULL, "
	    "stamp_updated DATETIME, "
	    "PRIMARY KEY (mac_src, mac_dst, ip_src, ip_dst, src_port, dst_port, ip_proto, "
	    "stamp_inserted))");
}

/* "rows packets bytes" of the table. */
static void table_is(const char *want)
{
	sqlite3_stmt *s;

	ck_assert_int_eq(
		sqlite3_prepare_v2(db,
			"SELECT count(*) || ' ' || sum(packets) || ' ' || sum(bytes) FROM acct", -1,
			&s, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	ck_assert_msg(strcmp((const char *)sqlite3_column_text(s, 0), want) == 0, "%s, not %s; %s",
		      sqlite3_column_text(s, 0), want, said.text.s);
	sqlite3_finalize(s);
}

static void begin(const char *more)
{
	char conf[1024];

	snprintf(conf, sizeof(conf),
		"plugins: sqlite3\naggregate: src_host\nsql_db: %s\nsql_refresh_time: 60\n"
		"sql_history: 10m\nsql_history_roundoff: mh\n%s",
		db_path, more);
	start_with(conf, sink_find);
	open_sinks();
}

static void end(void)
{
	ck_assert_msg(engine_stop(engine) == 0, "%s", said.text.s);
	stat_of("datagrams_received");
}

static const struct {
	const char *what, *conf;
} insert_modes[] = {
	{ "32: two purges in one bin", "" },
	{ "33: the same, dont_try_update", "sql_dont_try_update: true\n" },
	{ "34: and multi_values", "sql_dont_try_update: true\nsql_multi_values: 1000000\n" },
};

/* 5 octets, a purge, 7 octets of the same host and bin: one row of 12. */
START_TEST(a_bin_in_two_purges)
{
	begin(insert_modes[_i].conf);
	feed_hosts(A, NOW, 0, 1, 1, 1, 5);
	feed_hosts(A, NOW + 61, 1, 1, 1, 1, 7);
	table_is("1 1 5");
	end();
	table_is("1 2 12");
	free_all();
}
END_TEST

/* 34: one host of three is there already; the other two get in all the same. */
START_TEST(a_batch_with_a_known_key)
{
	begin(insert_modes[2].conf);
	feed_hosts(A, NOW, 0, 1, 1, 1, 5);
	feed_hosts(A, NOW + 61, 1, 1, 3, 1, 7);
	end();
	table_is("3 4 26");
	free_all();
}
END_TEST

/* 35: the database is not there for one purge, and for eight. */
static const struct {
	unsigned purges;
	const char *rows;
} outages[] = { { 1, "2 2 200" }, { 8, "9 9 900" } };

START_TEST(an_outage_loses_nothing)
{
	uint32_t sequence = 0;

	begin("");
	sql("ALTER TABLE acct RENAME TO away");
	for (unsigned i = 0; i <= outages[_i].purges; i++, sequence++)
		feed_hosts(A, NOW + 61 * i, sequence, 1 + i, 1, 1, 100);
	ck_assert_uint_ge(times_said("waits: the sink does not take it now"), 1);
	sql("ALTER TABLE away RENAME TO acct");
	end();
	table_is(outages[_i].rows);
	free_all();
}
END_TEST

/* ---- time zones ------------------------------------------------------------------------ */

static const struct {
	const char *zone, *conf;
	bool warned;
} zones[] = {
	{ "Europe/Berlin", "", true },
	{ "Europe/Berlin", "timestamps_utc: true\n", false },
	{ "Europe/Berlin", "timestamps_since_epoch: true\n", false },
	{ "UTC", "", false },
	{ "Asia/Tokyo", "", false },	/* no summer time since 1951 */
};

START_TEST(warns_of_summer_time)
{
	char conf[256];

	setenv("TZ", zones[_i].zone, 1);
	tzset();
	snprintf(conf, sizeof(conf), "plugins: print\naggregate: src_host\nprint_history: 1h\n%s",
		zones[_i].conf);
	start_with(conf, sink_find);
	ck_assert_uint_eq(
		times_said("W the time zone has summer time: one hour a year is written twice"),
		zones[_i].warned);
	free_all();
}
END_TEST

static void set_up(void)
{
	int fd;

	setenv("TZ", "UTC", 1);
	tzset();
	strcpy(db_path, "/tmp/check-conformance-XXXXXX");
	fd = mkstemp(db_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(sqlite3_open(db_path, &db), SQLITE_OK);
	make_table();
}

static void tear_down(void)
{
	sqlite3_close(db);
	unlink(db_path);
}

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_conformance(void)
{
	Suite *s = suite_create("conformance");
	TCase *t = tcase_create("conformance");

	tcase_add_checked_fixture(t, set_up, tear_down);
	LOOP(t, a_bin_in_two_purges, insert_modes);
	tcase_add_test(t, a_batch_with_a_known_key);
	LOOP(t, an_outage_loses_nothing, outages);
	LOOP(t, warns_of_summer_time, zones);
	suite_add_tcase(s, t);
	return s;
}
