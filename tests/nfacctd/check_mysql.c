/*
 * check_mysql.c - the mysql sink against a real server, when there is one.  Each
 * case runs twice: rows as arrays, rows as text.
 */
#include "tests/nfacctd/mysql_fixture.h"

/* The tutorial's table; values as collector.md 13 observed them with pmacct 1.7.7. */
START_TEST(tutorial_rows)
{
	struct fixture *f = fixture("sum_host", 1, _i);
	void *s;

	run(v1);
	run(ledger);
	s = fix_open(f);
	host_row(f, 1699999800, "111.222.1.2", 61, 6100);
	host_row(f, 1699999800, "0.0.0.0", 62, 6014);
	fix_put(f, s);
	expect("SELECT * FROM acct ORDER BY ip_src",
		"0:0:0:0:0:0 0:0:0:0:0:0 0.0.0.0 0.0.0.0 0 0 0 62 6014 2023-11-14 22:10:00 "
		"2023-11-14 22:14:20|"
		"0:0:0:0:0:0 0:0:0:0:0:0 111.222.1.2 0.0.0.0 0 0 0 61 6100 2023-11-14 22:10:00 "
		"2023-11-14 22:14:20");
	fix_next(f);
	host_row(f, 1699999800, "111.222.1.2", 1, 11);
	host_row(f, 1700000400, "111.222.1.2", 2, 22);
	fix_put(f, s);
	expect("SELECT ip_src,packets,bytes,stamp_inserted,stamp_updated FROM acct ORDER BY "
	       "ip_src,stamp_inserted",
		"0.0.0.0 62 6014 2023-11-14 22:10:00 2023-11-14 22:14:20|"
		"111.222.1.2 62 6111 2023-11-14 22:10:00 2023-11-14 22:15:20|"
		"111.222.1.2 2 22 2023-11-14 22:20:00 2023-11-14 22:15:20");
	ck_assert_uint_eq(counts(s)->rows, 4);
	ck_assert_uint_eq(counts(s)->inserted, 3);
	ck_assert_uint_eq(counts(s)->updated, 1);
	ck_assert_uint_eq(counts(s)->purges, 2);
	expect("SELECT run_id,plugin,purge_id,worker,batch,purge_rows,purge_packets,purge_octets "
	       "FROM flow_ledger",
		"77 t 1 0 0 2 123 12114|77 t 2 0 0 2 3 33");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* More rows than one array or one packet, half of them known. */
START_TEST(many_rows)
{
	struct fixture *f = fixture("src_host", 1, _i & 1);
	void *s;

	run(v1);
	if (_i >= 2)	/* packets of 16 kB */
		run("SET GLOBAL max_allowed_packet=16384");
	s = fix_open(f);
	run("SET GLOBAL max_allowed_packet=16777216");
	for (int round = 0; round < 2; round++) {
		fix_next(f);
		for (unsigned i = 0; i < 9000; i++) {
			char ip[16];

			snprintf(ip, sizeof(ip), "10.%d.%u.%u", round ? 1 : 0, i >> 8 & 255,
				i & 255);
			host_row(f, 1699999800, ip, i, i * 100);
			snprintf(ip, sizeof(ip), "10.2.%u.%u", i >> 8 & 255, i & 255);
			host_row(f, 1699999800, ip, 1, 1);
		}
		fix_put(f, s);
	}
	/* sum 0..8999 = 40495500, for two networks; the third has 9000 rows of 1, twice */
	expect("SELECT COUNT(*),SUM(packets),SUM(bytes) FROM acct", "27000 81009000 8099118000");
	expect("SELECT COUNT(*),MIN(bytes),MAX(bytes) FROM acct WHERE ip_src LIKE '10.2.%'",
		"9000 2 2");
	ck_assert_uint_eq(counts(s)->inserted, 27000);
	ck_assert_uint_eq(counts(s)->updated, 9000);
	/* 36000 rows: arrays of 4096, blocks of 512 and the rest; less in small packets */
	ck_assert_msg(counts(s)->statements <= (_i >= 2 ? 2000 : _i ? 90 : 20), "%llu statements",
		      (unsigned long long)counts(s)->statements);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Types that take a row otherwise than it is meant: without these, rows would vanish one by one. */
START_TEST(odd_types)
{
	static const struct {
		const char *columns;
		bool starts;
		const char *said;
	} rows[] = {
		{ "ip_src INT NOT NULL, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL",
			false, "ip_src of table odd is int(11), but addresses are written as text; "
			"run: ALTER TABLE `odd` MODIFY `ip_src` CHAR(45)" },
		{ "ip_src CHAR(45) NOT NULL, packets BIGINT UNSIGNED NOT NULL, bytes DOUBLE NOT NULL",
			false, "bytes of table odd is double, which rounds sums; run: ALTER TABLE "
			"`odd` MODIFY `bytes` BIGINT UNSIGNED NOT NULL;" },
		{ "ip_src CHAR(45) NOT NULL, packets CHAR(20) NOT NULL, bytes BIGINT UNSIGNED NOT NULL",
			false, "packets of table odd is char(20), which rounds sums" },
		{ "ip_src CHAR(45) NOT NULL, packets BIGINT UNSIGNED NOT NULL, "
			"bytes DECIMAL(30,0) NOT NULL", true, "odd" },
	};
	struct fixture *f = fixture("src_host", 1, 0);
	char sql[512];
	void *s;

	f->p.sql_table = (char *)"odd";
	f->p.sql_optimize_clauses = true;
	snprintf(sql, sizeof(sql), "CREATE TABLE odd (%s, stamp_inserted DATETIME NOT NULL, "
		"stamp_updated DATETIME, PRIMARY KEY (ip_src, stamp_inserted))", rows[_i].columns);
	run(sql);
	s = sink_find("mysql")->open(&f->p, &f->l, 77);
	ck_assert_int_eq(s != NULL, rows[_i].starts);
	ck_assert_msg(rows[_i].starts || fix_logged(f, rows[_i].said), "not said: %s", rows[_i].said);
	if (s)
		close_sink(s);
	fix_free(f);
}
END_TEST

START_TEST(bad_schema)
{
	fix_bad_schema(fixture("src_host", 1, 0), "You have an error in your SQL syntax");
}
END_TEST

/* What does not fit is named and counted, everything else gets in (collector.md 15, 36). */
START_TEST(refused_rows)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	run("INSERT INTO acct VALUES ('0:0:0:0:0:0','0:0:0:0:0:0','10.0.0.9','0.0.0.0',0,0,'0',1,"
	    "18446744073709551615,'2023-11-14 22:10:00',NULL)");
	s = fix_open(f);
	ck_assert(fix_logged(f,
		"ip_src of table acct is char(15): rows with IPv6 addresses will be refused; run: "
		"ALTER TABLE `acct` MODIFY `ip_src` CHAR(45)"));
	ck_assert(fix_logged(f, "packets of table acct is int"));
	for (unsigned i = 0; i < 1000; i++) {
		char ip[16];

		snprintf(ip, sizeof(ip), "10.0.%u.%u", 1 + (i >> 8), i & 255);
		host_row(f, 1699999800, ip, 1, 10);
	}
	fix_addr(f, f->keys[500], PRIM_ID_src_host, "2001:db8::15:1234");	/* 17 characters */
	f->rows[0].sums.packets = UINT64_C(4294967296); /* INT UNSIGNED + 1 */
	fix_addr(f, f->keys[999], PRIM_ID_src_host, "10.0.0.9"); /* sum above 2^64 - 1 */
	f->rows[1].sums.packets = UINT64_C(4294967295);
	fix_put(f, s);
	expect("SELECT COUNT(*),SUM(bytes),SUM(packets) FROM acct WHERE ip_src<>'10.0.0.9'",
	       "997 9970 4294968291");
	expect("SELECT bytes FROM acct WHERE ip_src='10.0.0.9'", "18446744073709551615");
	ck_assert_uint_eq(counts(s)->rejected, 3);
	ck_assert_uint_eq(counts(s)->rejected_octets, 30);
	ck_assert_uint_eq(counts(s)->rejected_packets, UINT64_C(4294967298));
	ck_assert_uint_eq(counts(s)->inserted + counts(s)->updated, 997);
	ck_assert_msg(
		fix_logged(f, "ip_src=2001:db8::15:1234") && fix_logged(f, "(1406)"), "%s", f->log);
	ck_assert_msg(fix_logged(f, "packets=4294967296") && fix_logged(f, "(1264)"), "%s", f->log);
	ck_assert_msg(
		fix_logged(f, "ip_src=10.0.0.9") && fix_logged(f, "30 octets, 4294967298 packets"),
		"%s", f->log);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* No unique key: rows still add up, and a key that stands twice is added to once. */
START_TEST(without_unique_key)
{
	struct fixture *f = fixture("src_host, flows, tcpflags", 7, _i);
	void *s;

	f->p.sql_optimize_clauses = true;
	run("CREATE TABLE acct_v7 (ip_src CHAR(45) NOT NULL, stamp_inserted DATETIME NOT NULL, "
	    "stamp_updated "
	    "DATETIME, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL, flows INT "
	    "UNSIGNED NOT "
	    "NULL, tcp_flags INT UNSIGNED NOT NULL, note INT DEFAULT 5)");
	s = fix_open(f);
	ck_assert(fix_logged(f, "has no unique key over exactly the written key columns"));
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	host_row(f, 1699999800, "10.0.0.2", 2, 20);
	f->rows[0].sums.tcp_flags = 2;
	fix_put(f, s);
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.1", 5, 50);
	host_row(f, 1699999800, "10.0.0.3", 3, 30);
	f->rows[0].sums.tcp_flags = 16;
	fix_put(f, s);
	expect("SELECT ip_src,packets,bytes,flows,tcp_flags,note FROM acct_v7 ORDER BY ip_src",
	       "10.0.0.1 6 60 2 18 5|10.0.0.2 2 20 1 0 5|10.0.0.3 3 30 1 0 5");
	ck_assert_uint_eq(counts(s)->inserted, 3);
	ck_assert_uint_eq(counts(s)->updated, 1);
	run("INSERT INTO acct_v7 SELECT * FROM acct_v7 WHERE ip_src='10.0.0.2'");
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.2", 1, 1);
	host_row(f, 1699999800, "10.0.0.3", 1, 1);
	host_row(f, 1699999800, "10.0.0.4", 1, 1);
	fix_put(f, s);
	expect("SELECT ip_src,SUM(bytes),COUNT(*) FROM acct_v7 GROUP BY ip_src ORDER BY ip_src",
	       "10.0.0.1 60 1|10.0.0.2 41 2|10.0.0.3 31 1|10.0.0.4 1 1");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* The same without the right to make a temporary table; and a refused row among them. */
START_TEST(row_by_row)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	f->p.sql_optimize_clauses = true;
	run("CREATE TABLE acct (ip_src CHAR(15) NOT NULL, stamp_inserted DATETIME NOT NULL, "
	    "stamp_updated DATETIME,"
	    " packets INT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED NOT NULL)");
	run("CREATE OR REPLACE USER flowledger_few@localhost IDENTIFIED BY 'few'");
	run("GRANT SELECT, INSERT, UPDATE ON " DB ".* TO flowledger_few@localhost");
	f->p.sql_user = (char *)"flowledger_few";
	f->p.sql_passwd = (char *)"few";
	s = fix_open(f);
	for (int round = 0; round < 2; round++) {
		fix_next(f);
		host_row(f, 1699999800, "10.0.0.1", 1, 10);
		host_row(f, 1699999800, "2001:db8::15:1234", 2, 20);
		host_row(f, 1699999800, "10.0.0.2", 3, 30);
		fix_put(f, s);
	}
	expect("SELECT ip_src,packets,bytes FROM acct ORDER BY ip_src",
		"10.0.0.1 2 20|10.0.0.2 6 60");
	ck_assert_uint_eq(counts(s)->rejected, 2);
	ck_assert_uint_eq(counts(s)->rejected_octets, 40);
	ck_assert(fix_logged(f, "GRANT CREATE TEMPORARY TABLES"));
	close_sink(s);
	run(ledger);
	run("REVOKE INSERT ON " DB ".* FROM flowledger_few@localhost");
	run("GRANT SELECT, INSERT, UPDATE ON " DB ".acct TO flowledger_few@localhost");
	ck_assert_ptr_null(sink_find("mysql")->open(&f->p, &f->l, 1));
	ck_assert_msg(fix_logged(f, "flow_ledger: INSERT command denied to user "
				    "'flowledger_few'@'localhost' for table"), "%s", f->log);
	run("GRANT INSERT ON " DB ".flow_ledger TO flowledger_few@localhost");
	close_sink(fix_open(f));
	run("DROP USER flowledger_few@localhost");
	fix_free(f);
}
END_TEST

/* A key that lacks a column: told with its cure, and after the cure all rows fit. */
START_TEST(key_too_short)
{
	struct fixture *f = fixture("src_host, in_iface", 1, _i);
	void *s;
	char *cure, *end;

	f->p.sql_optimize_clauses = true;
	run("CREATE TABLE acct (ip_src CHAR(45) NOT NULL, iface_in INT UNSIGNED NOT NULL, "
	    "stamp_inserted DATETIME "
	    "NOT NULL, stamp_updated DATETIME, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT "
	    "UNSIGNED NOT NULL, "
	    "PRIMARY KEY (ip_src, stamp_inserted))");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	host_row(f, 1699999800, "10.0.0.1", 2, 20);
	fix_number(f, f->keys[1], PRIM_ID_in_iface, 7);
	fix_put(f, s);
	expect("SELECT ip_src,iface_in,bytes FROM acct", "10.0.0.1 0 10");
	ck_assert_uint_eq(counts(s)->rejected, 1);
	close_sink(s);
	cure = strstr(f->log, "ALTER TABLE");
	ck_assert_msg(cure != NULL, "%s", f->log);
	end = strchr(cure, ';');
	*end = '\0';
	run(cure);
	fix_forget_log(f);
	s = fix_open(f);
	fix_put(f, s);
	expect("SELECT ip_src,iface_in,bytes FROM acct ORDER BY iface_in",
		"10.0.0.1 0 20|10.0.0.1 7 20");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Missing columns: no start, and the ALTER that is printed cures it. */
START_TEST(missing_columns)
{
	struct fixture *f = fixture(
		"dst_host, in_iface, out_iface, src_net, timestamp_start, label, flows", 5, _i);
	char *cure, *end;
	void *s;

	run("CREATE TABLE acct_v5 (agent_id INT UNSIGNED NOT NULL, class_id CHAR(16) NOT NULL, "
	    "mac_src CHAR(17) NOT "
	    "NULL, mac_dst CHAR(17) NOT NULL, vlan INT UNSIGNED NOT NULL, ip_src CHAR(45) NOT "
	    "NULL, ip_dst CHAR(45) "
	    "NOT NULL, src_port INT UNSIGNED NOT NULL, dst_port INT UNSIGNED NOT NULL, ip_proto "
	    "CHAR(20) NOT NULL, "
	    "tos INT UNSIGNED NOT NULL, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED "
	    "NOT NULL, flows "
	    "BIGINT UNSIGNED NOT NULL, stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, "
	    "PRIMARY KEY "
	    "(agent_id, class_id, mac_src, mac_dst, vlan, ip_src, ip_dst, src_port, dst_port, "
	    "ip_proto, tos, "
	    "stamp_inserted))");
	ck_assert_ptr_null(sink_find("mysql")->open(&f->p, &f->l, 1));
	ck_assert_msg(
		fix_logged(f,
			"table acct_v5 lacks label, iface_in, iface_out, net_src, timestamp_start, "
			"timestamp_start_residual; run: ALTER TABLE"),
		"%s", f->log);
	ck_assert_uint_eq(sink_find("mysql")->check(&f->p, &f->l), 1);
	cure = strstr(f->log, "ALTER TABLE");
	end = strchr(cure, ';');
	*end = '\0';
	run(cure);
	fix_forget_log(f);
	s = fix_open(f);
	ck_assert_msg(!fix_logged(f, "unique key"), "%s", f->log);
	fix_addr(f, fix_row(f, 1699999800, 1, 10), PRIM_ID_dst_host, "10.0.0.1");
	fix_number(f, f->keys[0], PRIM_ID_timestamp_start, UINT64_C(1699999801234567));
	fix_put(f, s);
	fix_next(f);
	fix_addr(f, fix_row(f, 1699999800, 1, 10), PRIM_ID_dst_host, "10.0.0.1");
	fix_put(f, s);
	expect("SELECT "
	       "ip_src,ip_dst,iface_in,net_src,timestamp_start,timestamp_start_residual,class_id,"
	       "flows,bytes "
	       "FROM acct_v5 ORDER BY timestamp_start",
		"0.0.0.0 10.0.0.1 0 0.0.0.0 1970-01-01 00:00:00 0 unknown 1 10|"
		"0.0.0.0 10.0.0.1 0 0.0.0.0 2023-11-14 22:10:01 234567 unknown 1 10");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* What cannot work does not start, with one line that says why. */
START_TEST(refuses_to_start)
{
	static const struct {
		const char *table, *say;
		const char *user, *password, *host, *list;	/* NULL: as it should be */
		bool no_history, hosts, epoch;
	} cases[] = {
		{ NULL, "table acct does not exist", NULL, NULL, NULL, NULL, false, false, false },
		{ v1, "set sql_history", NULL, NULL, NULL, NULL, true, false, false },
		{ v1, "Access denied for user 'nobody_here'", "nobody_here", "secret", NULL, NULL,
			false, false, false },
		{ v1, "/nowhere/s", NULL, NULL, "unix:/nowhere/s", NULL, false, false, false },
		{ v1,
			"sql_num_hosts writes addresses as bytes; run: ALTER TABLE `acct` MODIFY "
			"`ip_src` VARBINARY(16)",
			NULL, NULL, NULL, NULL, false, true, false },
		{ v1, "timestamps_since_epoch writes seconds", NULL, NULL, NULL, NULL, false, false,
			true },
		{ v1, "\"tos\" needs sql_table_version 3 or higher (it is 1)", NULL, NULL, NULL,
			"tos", false, false, false },
		{ v1, "\"vlan\" needs sql_table_version 2", NULL, NULL, NULL, "vlan", false, false,
			false },
		{ v1, "\"flows\" needs sql_table_version 4", NULL, NULL, NULL, "src_host,flows",
			false, false, false },
		{ v1, "\"tcpflags\" needs sql_table_version 7", NULL, NULL, NULL, "tcpflags", false,
			false, false },
		{ v1, "\"src_as\" needs sql_table_version 6", NULL, NULL, NULL, "src_as,src_host",
			false, false, false },
		{ "CREATE TABLE acct (x INT NOT NULL, ip_src CHAR(45) NOT NULL)",
			"column x of table acct has no default", NULL, NULL, NULL, NULL, false,
			false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture(cases[i].list ? cases[i].list : "src_host", 1, _i);

		run("DROP TABLE IF EXISTS acct");
		if (cases[i].table)
			run(cases[i].table);
		if (cases[i].user)
			f->p.sql_user = (char *)cases[i].user;
		if (cases[i].password)
			f->p.sql_passwd = (char *)cases[i].password;
		if (cases[i].host)
			f->p.sql_host = (char *)cases[i].host;
		if (cases[i].no_history)
			f->p.history.seconds = 0;
		f->p.sql_num_hosts = cases[i].hosts;
		f->p.timestamps_since_epoch = cases[i].epoch;
		ck_assert_msg(
			sink_find("mysql")->open(&f->p, &f->l, 1) == NULL, "%s", cases[i].say);
		ck_assert_msg(fix_logged(f, cases[i].say), "want %s\ngot %s", cases[i].say, f->log);
		ck_assert_msg(!fix_logged(f, "secret"), "%s", f->log);
		fix_forget_log(f);
		ck_assert_uint_ge(sink_find("mysql")->check(&f->p, &f->l), 1);
		fix_free(f);
	}
}
END_TEST

START_TEST(missing_rights)
{
	struct fixture *f = fixture("src_host", 1, _i);

	run(v1);
	run("CREATE OR REPLACE USER flowledger_few@localhost IDENTIFIED BY 'few'");
	run("GRANT SELECT, INSERT ON " DB ".* TO flowledger_few@localhost");
	f->p.sql_user = (char *)"flowledger_few";
	f->p.sql_passwd = (char *)"few";
	ck_assert_ptr_null(sink_find("mysql")->open(&f->p, &f->l, 1));
	ck_assert_msg(fix_logged(f,
			      "run: GRANT SELECT, INSERT, UPDATE ON `" DB
			      "`.`acct` TO 'flowledger_few'@'localhost';"),
		"%s", f->log);
	run("DROP USER flowledger_few@localhost");
	fix_free(f);
}
END_TEST

/* Names of more than six characters go as numbers into CHAR(6). */
START_TEST(narrow_proto)
{
	struct fixture *f = fixture("proto", 1, _i);
	void *s;

	run(v1);
	s = fix_open(f);
	ck_assert(fix_logged(f, "protocols with longer names are written as numbers"));
	fix_number(f, fix_row(f, 1699999800, 1, 10), PRIM_ID_proto, 6);
	fix_number(f, fix_row(f, 1699999800, 1, 20), PRIM_ID_proto, 58);
	fix_put(f, s);
	expect("SELECT ip_proto,bytes FROM acct ORDER BY bytes", "tcp 10|58 20");
	ck_assert_uint_eq(counts(s)->rejected, 0);
	close_sink(s);
	fix_free(f);
}
END_TEST

START_TEST(other_types)
{
	struct fixture *f = fixture("src_host, dst_host, timestamp_start", 1, _i);
	void *s;

	f->p.sql_num_hosts = f->p.timestamps_since_epoch = f->p.sql_optimize_clauses = true;
	run("CREATE TABLE acct (ip_src VARBINARY(16) NOT NULL, ip_dst VARBINARY(16) NOT NULL, "
	    "timestamp_start BIGINT "
	    "UNSIGNED NOT NULL, timestamp_start_residual INT UNSIGNED NOT NULL, stamp_inserted INT "
	    "UNSIGNED NOT NULL,"
	    " stamp_updated INT UNSIGNED, packets BIGINT UNSIGNED NOT NULL, bytes BIGINT UNSIGNED "
	    "NOT NULL, PRIMARY "
	    "KEY (ip_src, ip_dst, timestamp_start, timestamp_start_residual, stamp_inserted))");
	s = fix_open(f);
	host_row(f, 1699999800, "192.0.2.1", 1, UINT64_C(9223372036854775808));
	fix_addr(f, f->keys[0], PRIM_ID_dst_host, "2001:db8::1");
	fix_number(f, f->keys[0], PRIM_ID_timestamp_start, UINT64_C(4000000000000007));	/* 2096 */
	fix_put(f, s);
	expect("SELECT "
	       "HEX(ip_src),INET6_NTOA(ip_dst),timestamp_start,timestamp_start_residual,stamp_"
	       "inserted,"
	       "stamp_updated,bytes FROM acct",
		"C0000201 2001:db8::1 4000000000 7 1699999800 1700000060 9223372036854775808");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A stranger's exporter addresses make no more tables than allowed; their rows are refused and
 * counted. */
START_TEST(bounded_tables)
{
	struct fixture *f = fixture("src_host, peer_src_ip", 1, _i);
	char path[] = "/tmp/flowledger-schema-XXXXXX";
	FILE *out = fdopen(mkstemp(path), "w");
	void *s;

	fputs("CREATE TABLE IF NOT EXISTS acct_$peer_src_ip (ip_src CHAR(45) NOT NULL, peer_ip_src "
	      "CHAR(45) NOT NULL,"
	      " stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, packets BIGINT UNSIGNED "
	      "NOT NULL, bytes "
	      "BIGINT UNSIGNED NOT NULL, PRIMARY KEY (ip_src, peer_ip_src, stamp_inserted));\n",
		out);
	fclose(out);
	f->p.sql_table = (char *)"acct_$peer_src_ip";
	f->p.sql_table_schema = path;
	f->p.sql_tables_max = 2;
	f->p.sql_optimize_clauses = true;
	s = fix_open(f);
	for (int round = 0; round < 2; round++) {
		fix_next(f);
		for (unsigned i = 0; i < 5; i++) {
			char exporter[32];

			snprintf(exporter, sizeof(exporter), "192.0.2.%u", i);
			host_row(f, 1699999800, "10.0.0.1", 1, 10);
			fix_addr(f, f->keys[i], PRIM_ID_peer_src_ip, exporter);
		}
		fix_put(f, s);
	}
	expect("SHOW TABLES", "acct_192_0_2_0|acct_192_0_2_1");
	expect("SELECT SUM(bytes) FROM acct_192_0_2_1", "20");
	ck_assert_uint_eq(counts(s)->rejected, 6);
	ck_assert_uint_eq(counts(s)->rejected_octets, 60);
	ck_assert_uint_eq(counts(s)->inserted + counts(s)->updated, 4);
	ck_assert(fix_logged(f, "table acct_192_0_2_2 refuses a row: sql_tables_max is reached"));
	close_sink(s);
	unlink(path);
	fix_free(f);
}
END_TEST

/* --check names what is missing, with the statement that makes it, and makes nothing. */
START_TEST(check_writes_nothing)
{
	struct fixture *f = fixture("src_host", 1, _i);
	char path[] = "/tmp/flowledger-schema-XXXXXX";
	FILE *out = fdopen(mkstemp(path), "w");

	fputs("CREATE TABLE made (a INT);\n", out);
	fclose(out);
	f->p.sql_table = (char *)"acct_%Y%m%d";
	ck_assert_uint_eq(sink_find("mysql")->check(&f->p, &f->l), 1);
	ck_assert_msg(fix_logged(f, "run: CREATE TABLE `acct_2"), "%s", f->log);
	f->p.sql_table_schema = path;
	fix_forget_log(f);
	ck_assert_uint_eq(sink_find("mysql")->check(&f->p, &f->l), 0);
	ck_assert_msg(fix_logged(f, "\" will make it"), "%s", f->log);
	expect("SHOW TABLES", "");
	unlink(path);
	fix_free(f);
}
END_TEST

/* The CREATE TABLE that is told for a missing table makes one that nothing is wrong with. */
START_TEST(told_create_works)
{
	struct fixture *f = fixture("src_host, dst_host, in_iface, tcpflags, flows", 9, _i);
	char *cure, *end;

	ck_assert_uint_eq(sink_find("mysql")->check(&f->p, &f->l), 1);
	cure = strstr(f->log, "CREATE TABLE `acct_v9`");
	ck_assert_msg(cure != NULL, "%s", f->log);
	end = strchr(cure, ';');
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	run(cure);
	fix_forget_log(f);
	ck_assert_msg(sink_find("mysql")->check(&f->p, &f->l) == 0 && !fix_logged(f, "run:"), "%s",
		f->log);
	fix_free(f);
}
END_TEST

/* sql_table_type: bgp: what a session would tell is what 1.7.7 without one writes. */
START_TEST(bgp_table)
{
	struct fixture *f = fixture("src_as, peer_src_ip", 1, _i);
	char *cure;
	void *s;

	f->p.sql_table_type = SQL_TABLE_BGP;
	ck_assert_uint_eq(sink_find("mysql")->check(&f->p, &f->l), 1);
	cure = strstr(f->log, "CREATE TABLE `acct_bgp`");
	ck_assert_msg(cure != NULL, "%s", f->log);
	*strchr(cure, ';') = '\0';
	run(cure);
	s = fix_open(f);
	fix_put_peers(f, s);
	expect("SELECT agent_id,as_src,as_dst,peer_as_src,peer_as_dst,peer_ip_src,peer_ip_dst,"
	       "CONCAT('<',comms,as_path,'>'),local_pref,med,packets,bytes FROM acct_bgp",
		"0 4200000000 0 0 0 127.0.0.1 0.0.0.0 <> 0 0 2 200");
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Rows of one purge for several tables, made from the schema file. */
START_TEST(dynamic_tables)
{
	struct fixture *f = fixture("src_host, peer_src_ip", 1, _i);
	char path[] = "/tmp/flowledger-schema-XXXXXX";
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	void *s;

	fputs("CREATE TABLE acct_$peer_src_ip_%Y%m%d_%H%M (ip_src CHAR(45) NOT NULL, peer_ip_src "
	      "CHAR(45) NOT NULL,"
	      " stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, packets BIGINT UNSIGNED "
	      "NOT NULL, bytes "
	      "BIGINT UNSIGNED NOT NULL, PRIMARY KEY (ip_src, peer_ip_src, stamp_inserted));\n",
		out);
	fclose(out);
	f->p.sql_table = (char *)"acct_$peer_src_ip_%Y%m%d_%H%M";
	f->p.sql_table_schema = path;
	f->p.sql_optimize_clauses = true;
	s = fix_open(f);
	for (int round = 0; round < 2; round++) {
		fix_next(f);
		for (int i = 0; i < 4; i++) {
			host_row(f, i & 1 ? 1699999800 : 1700000400, "10.0.0.1", 1, 10);
			fix_addr(f, f->keys[i], PRIM_ID_peer_src_ip,
				i & 2 ? "127.0.0.1" : "2001:db8::1");
		}
		fix_put(f, s);
	}
	expect("SHOW TABLES", "acct_127_0_0_1_20231114_2210|acct_127_0_0_1_20231114_2220|"
	       "acct_2001_db8__1_20231114_2210|acct_2001_db8__1_20231114_2220");
	expect("SELECT peer_ip_src,bytes,stamp_inserted FROM acct_127_0_0_1_20231114_2220",
	       "127.0.0.1 20 2023-11-14 22:20:00");
	close_sink(s);
	unlink(path);
	fix_free(f);
}
END_TEST

/* A purge that waits while its table is away is written when it comes. */
START_TEST(table_goes_and_comes)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	s = fix_open(f);
	run("RENAME TABLE acct TO away");
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	ck_assert_int_eq(sink_find("mysql")->write(s, &f->purge), SINK_RETRY);
	ck_assert_int_eq(sink_find("mysql")->write(s, &f->purge), SINK_RETRY);
	run("RENAME TABLE away TO acct");
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "10");
	ck_assert_uint_eq(counts(s)->rows, 1);
	ck_assert_uint_eq(counts(s)->retries, 2);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A connection that the server ended while it was idle costs nothing. */
START_TEST(idle_connection)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	run(ledger);
	s = fix_open(f);
	run("BEGIN NOT ATOMIC FOR c IN (SELECT ID FROM INFORMATION_SCHEMA.PROCESSLIST WHERE DB='" DB
	    "' AND "
	    "ID<>CONNECTION_ID()) DO KILL c.ID; END FOR; END");
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "10");
	ck_assert_uint_eq(counts(s)->reconnects, 1);
	ck_assert_uint_eq(counts(s)->ambiguous, 0);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Somebody holds a row: the purge waits, and is written once when he lets go. */
START_TEST(locked_row)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	run("SET GLOBAL innodb_lock_wait_timeout=1");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	run("START TRANSACTION");
	run("UPDATE acct SET packets=packets");
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.2", 1, 7);
	host_row(f, 1699999800, "10.0.0.1", 1, 5);
	ck_assert_int_eq(sink_find("mysql")->write(s, &f->purge), SINK_RETRY);
	run("COMMIT");
	fix_put(f, s);
	run("SET GLOBAL innodb_lock_wait_timeout=50");
	expect("SELECT ip_src,bytes FROM acct ORDER BY ip_src", "10.0.0.1 15|10.0.0.2 7");
	ck_assert_uint_eq(counts(s)->rows, 3);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A deadlock that we lose, because the other has done more: the purge is played again, once. */
START_TEST(deadlock)
{
	struct fixture *f = fixture("src_host", 1, _i);
	unsigned tries = 0;
	char want[80];
	pid_t pid;
	void *s;
	int status;

	run(v1);
	run(ledger);
	run("CREATE TABLE work (n INT PRIMARY KEY) ENGINE=InnoDB");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	host_row(f, 1699999800, "10.0.0.2", 1, 10);
	fix_put(f, s);
again:	/* InnoDB's list may show a wait that is over: then the two did not cross */
	run("DELETE FROM flow_ledger WHERE plugin='ready'");
	tries++;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {	/* has .2; when the purge has .1 and waits for .2 it wants .1, too */
		MYSQL *other = connect_admin(), *watch = connect_admin();

		run_or_exit(other, "START TRANSACTION");
		run_or_exit(other, "REPLACE INTO work SELECT seq FROM seq_1_to_5000");
		run_or_exit(other, "UPDATE acct SET bytes=bytes+1000 WHERE " ROW "'10.0.0.2'");
		run_or_exit(watch, "INSERT INTO flow_ledger VALUES (1,'ready',1,0,0,0,0,0,NULL)");
		await_lock_wait(watch);
		run_or_exit(other, "UPDATE acct SET bytes=bytes+1000 WHERE " ROW "'10.0.0.1'");
		run_or_exit(other, "COMMIT");
		_exit(0);
	}
	while (strcmp(ask("SELECT COUNT(*) FROM flow_ledger WHERE plugin='ready'"), "1") != 0)
		usleep(1000);
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 5);
	host_row(f, 1699999800, "10.0.0.2", 1, 7);
	fix_put(f, s);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	snprintf(want, sizeof(want), "10.0.0.1 %u|10.0.0.2 %u", 10 + 1005 * tries, 10 + 1007 * tries);
	expect("SELECT ip_src,bytes FROM acct ORDER BY ip_src", want);
	snprintf(want, sizeof(want), "%u", 1 + tries);
	expect("SELECT COUNT(*) FROM flow_ledger WHERE plugin='t'", want);
	if (counts(s)->retries == 0 && tries < 10)
		goto again;
	ck_assert_uint_ge(counts(s)->retries, 1);
	ck_assert_msg(!fix_logged(f, "kept and tried again"), "%s", f->log);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* A report that reads for hours: it does not hold up a purge, and no purge changes what it reads. */
START_TEST(long_reader)
{
	struct fixture *f = fixture("src_host", 1, _i);
	MYSQL *reader = connect_admin(), *mine = admin;
	void *s;

	run(v1);
	run("SET GLOBAL innodb_lock_wait_timeout=1");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	admin = reader;
	run("START TRANSACTION WITH CONSISTENT SNAPSHOT");
	expect("SELECT SUM(bytes) FROM acct", "10");
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 5);
	host_row(f, 1699999800, "10.0.0.2", 1, 7);
	fix_put(f, s);
	ck_assert_uint_eq(counts(s)->retries, 0);
	expect("SELECT SUM(bytes) FROM acct", "10");
	run("COMMIT");
	expect("SELECT SUM(bytes) FROM acct", "22");
	admin = mine;
	run("SET GLOBAL innodb_lock_wait_timeout=50");
	mysql_close(reader);
	close_sink(s);
	fix_free(f);
}
END_TEST

/* Another run with our number: its ledger lines do not swallow our purge. */
START_TEST(run_id_taken)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	run(ledger);
	run("INSERT INTO flow_ledger VALUES (77,'t',1,0,0,0,0,0,NULL)");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", "10");
	expect("SELECT COUNT(*) FROM flow_ledger", "2");
	ck_assert(fix_logged(f, "flow_ledger has purge 1 of run 77 already"));
	close_sink(s);
	fix_free(f);
}
END_TEST

/* The saved file, replayed: the same rows as a write; a second time it stops at the ledger. */
START_TEST(salvaged)
{
	struct fixture *f = fixture("src_host", 1, _i & 3);
	char base[] = "/tmp/flowledger-salvage-XXXXXX", path[256], *text;
	FILE *in;
	size_t n;
	void *s;

	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/log", base);
	f->p.sql_recovery_logfile = path;
	run(v1);
	if (_i < 4)	/* else the file brings it */
		run(ledger);
	if (_i & 2)
		run("ALTER TABLE acct DROP PRIMARY KEY");
	s = fix_open(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 5);
	host_row(f, 1699999800, "10.0.0.2", 1, 7);
	ck_assert_int_eq(sink_find("mysql")->salvage(s, &f->purge), 0);
	ck_assert_msg(fix_logged(f, "mariadb -u root -p " DB " < "), "%s", f->log);
	strcat(path, ".t.77.2.sql");
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	text = calloc(1, 65536);
	n = fread(text, 1, 65535, in);
	fclose(in);
	ck_assert_uint_gt(n, 0);
	run(text);
	expect("SELECT ip_src,packets,bytes,stamp_inserted,stamp_updated FROM acct ORDER BY ip_src",
	       "10.0.0.1 2 15 2023-11-14 22:10:00 2023-11-14 22:15:20|"
	       "10.0.0.2 1 7 2023-11-14 22:10:00 2023-11-14 22:15:20");
	mysql_query(admin, text);
	do {
		mysql_free_result(mysql_store_result(admin));
	} while ((n = (size_t)mysql_next_result(admin)) == 0);
	ck_assert_uint_eq(mysql_errno(admin), 1062);
	run("ROLLBACK");
	expect("SELECT SUM(bytes) FROM acct", "22");
	free(text);
	unlink(path);
	rmdir(base);
	close_sink(s);
	fix_free(f);
}
END_TEST

/*
 * The answer to COMMIT is lost; the server had committed (deliver) or not.  The
 * purge counts once in both cases, with a ledger or without.  Without, and when
 * somebody else changed the witness meanwhile, it is written again, counted as
 * ambiguous, and a line in the log says so.
 */
START_TEST(commit_without_answer)
{
	bool deliver = _i & 1, with_ledger = _i & 2, disturbed = _i & 8,
	     unsure = disturbed && !with_ledger;
	struct fixture *f = fixture("src_host", 1, _i >> 2 & 1);
	char dir[] = "/tmp/flowledger-relay-XXXXXX", path[64], by_relay[80];
	pid_t pid;
	void *s;

	if (strncmp(host(), "unix:", 5) != 0) {
		fix_free(f);
		return;		/* the relay speaks to UNIX sockets */
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(by_relay, sizeof(by_relay), "unix:%s", path);
	run(v1);
	if (with_ledger)
		run(ledger);
	pid = relay_start(path, host() + 5, &(struct relay_way){ .cut = true, .deliver = deliver });
	f->p.sql_host = by_relay;
	s = fix_open(f);
	host_row(f, 1699999800, "2001:db8::15:1234", 2, 20);	/* refused: no witness */
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	ck_assert_int_eq(sink_find("mysql")->write(s, &f->purge), SINK_RETRY);
	if (disturbed)
		run("INSERT INTO acct VALUES "
		    "('0:0:0:0:0:0','0:0:0:0:0:0','10.0.0.1','0.0.0.0',0,0,'0',1,1000,"
		    "'2023-11-14 22:10:00',NULL) ON DUPLICATE KEY UPDATE bytes=bytes+1000");
	ck_assert_uint_eq(counts(s)->rows, 0);
	ck_assert_uint_eq(counts(s)->rejected, 0);
	fix_put(f, s);
	fix_next(f);
	host_row(f, 1699999800, "10.0.0.1", 1, 100);
	fix_put(f, s);
	expect("SELECT bytes FROM acct", disturbed ? deliver && unsure ? "1120" : "1110" : "110");
	ck_assert_uint_eq(counts(s)->ambiguous, unsure);
	ck_assert_uint_eq(counts(s)->rows, 3);
	ck_assert_uint_eq(counts(s)->rejected, 1);
	ck_assert_uint_eq(counts(s)->rejected_octets, 20);
	ck_assert_uint_eq(counts(s)->inserted + counts(s)->updated, 2);
	ck_assert_uint_eq(counts(s)->reconnects, 1);
	ck_assert_msg(
		fix_logged(f, "had arrived before the connection broke") == (deliver && !unsure),
		"%s", f->log);
	ck_assert_msg(fix_logged(f, "may count twice") == unsure, "%s", f->log);
	close_sink(s);
	relay_stop(pid);
	unlink(path);
	rmdir(dir);
	fix_free(f);
}
END_TEST

/* A server that has no room for a prepared statement (1461): text, until it has. */
START_TEST(statements_all_taken)
{
	struct fixture *f = fixture("src_host", 1, _i);
	void *s;

	run(v1);
	s = fix_open(f);
	run("SET GLOBAL max_prepared_stmt_count=0");
	for (int round = 0; round < 3; round++) {
		fix_next(f);
		for (unsigned i = 0; i < 1100; i++) {
			char ip[16];

			snprintf(ip, sizeof(ip), "10.0.%u.%u", i >> 8, i & 255);
			host_row(f, 1699999800, ip, 1, i);
		}
		if (round == 2)
			run("SET GLOBAL max_prepared_stmt_count=16382");
		fix_put(f, s);
	}
	/* sum 0..1099 = 604450 */
	expect("SELECT COUNT(*),SUM(packets),SUM(bytes) FROM acct", "1100 3300 1813350");
	ck_assert_uint_eq(counts(s)->inserted, 1100);
	ck_assert_uint_eq(counts(s)->updated, 2200);
	close_sink(s);
	fix_free(f);
}
END_TEST

/*
 * A server that says it is MySQL 8: rows go in blocks and as text, because it has no
 * arrays; with a key by upsert, without one through a temporary table, and row by row
 * where MySQL's settings forbid that (1787: GTIDs, 3750: sql_require_primary_key).
 */
START_TEST(as_mysql8)
{
	/* More rows than two blocks hold; one by one without a key each reads the whole table. */
	static const struct {
		bool key;
		unsigned rows, refused;
	} cases[] = { { true, 1300, 0 }, { false, 1300, 0 }, { false, 150, 1786 },
		{ false, 150, 1787 }, { false, 150, 3750 } };
	const unsigned rows = cases[_i].rows;
	struct fixture *f = fixture("src_host", 1, 0);
	char dir[] = "/tmp/flowledger-relay-XXXXXX", path[64], by_relay[80], before[64], want[64];
	const char *now;
	pid_t pid;
	void *s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(by_relay, sizeof(by_relay), "unix:%s", path);
	run(v1);
	run(ledger);
	if (!cases[_i].key)
		run("ALTER TABLE acct DROP PRIMARY KEY");
	pid = relay_start(path, host() + 5, &(struct relay_way){ .as_mysql8 = true,
		.refuse = cases[_i].refused ? "CREATE TEMPORARY TABLE" : NULL,
		.code = cases[_i].refused });
	f->p.sql_host = by_relay;
	s = fix_open(f);
	snprintf(before, sizeof(before), "%s", ask("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'"));
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 0; i < rows; i++) {
			char ip[24];

			snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250);
			host_row(f, 1699999800, ip, 1, 10);
		}
		host_row(f, 1699999800, "2001:db8::15:1234", 2, 20);	/* refused: CHAR(15) */
		fix_put(f, s);
		fix_next(f);
	}
	snprintf(want, sizeof(want), "%u %u %u", rows, 2 * rows, 20 * rows);
	expect("SELECT COUNT(*),SUM(packets),SUM(bytes) FROM acct", want);
	snprintf(want, sizeof(want), "2 %u", 2 * (rows + 1));
	expect("SELECT COUNT(*),SUM(purge_rows) FROM flow_ledger", want);
	now = ask("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'");
	ck_assert_msg((strcmp(before, now) != 0) == (cases[_i].refused == 0), "%s, %s", before, now);
	ck_assert_uint_eq(counts(s)->inserted, rows);
	ck_assert_uint_eq(counts(s)->updated, rows);
	ck_assert_uint_eq(counts(s)->rejected, 2);
	ck_assert_uint_eq(counts(s)->rejected_octets, 40);
	ck_assert_msg(fix_logged(f, "rows of table acct go in one by one") ==
		      (cases[_i].refused != 0), "%s", f->log);
	close_sink(s);
	relay_stop(pid);
	unlink(path);
	rmdir(dir);
	fix_free(f);
}
END_TEST

/* Every version's own columns and fillers (collector.md 9.1, 9.2). */
START_TEST(versions)
{
	static const char *const rows[] = {
		"0:0:0:0:0:0 0:0:0:0:0:0 10.0.0.1 0.0.0.0 0 0 0 1 10",
		"0 0:0:0:0:0:0 0:0:0:0:0:0 0 10.0.0.1 0.0.0.0 0 0 0 1 10",
		"0 0:0:0:0:0:0 0:0:0:0:0:0 0 10.0.0.1 0.0.0.0 0 0 0 0 1 10",
		"0 0:0:0:0:0:0 0:0:0:0:0:0 0 10.0.0.1 0.0.0.0 0 0 0 0 1 10 0",
		"0 unknown 0:0:0:0:0:0 0:0:0:0:0:0 0 10.0.0.1 0.0.0.0 0 0 0 0 1 10 0",
		"0 unknown 0:0:0:0:0:0 0:0:0:0:0:0 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 1 10 0",
		"0 unknown 0:0:0:0:0:0 0:0:0:0:0:0 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 1 10 0",
		"0 unknown 0:0:0:0:0:0 0:0:0:0:0:0 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 1 10 0",
		"0 unknown 0:0:0:0:0:0 0:0:0:0:0:0 0 0 0 10.0.0.1 0.0.0.0 0 0 0 0 0 1 10 0",
	};
	struct fixture *f = fixture("src_host", (uint32_t)_i / 2 + 1, _i & 1);
	char path[256], table[32], sql[512], want[512], text[8192];
	const char *root = getenv("FLOWLEDGER_SQL");
	size_t n;
	FILE *in;
	void *s;

	snprintf(path, sizeof(path), "%s/pmacct-create-table_v%d.mysql", root ? root : "sql",
		_i / 2 + 1);
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	run(text);
	s = fix_open(f);
	ck_assert_msg(
		!strstr(f->log, "\n1 ") && strncmp(f->log, "1 ", 2) != 0, "no warning: %s", f->log);
	host_row(f, 1699999800, "10.0.0.1", 1, 10);
	fix_put(f, s);
	snprintf(table, sizeof(table), _i / 2 ? "acct_v%d" : "acct", _i / 2 + 1);
	snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	snprintf(want, sizeof(want), "%s 2023-11-14 22:10:00 2023-11-14 22:14:20", rows[_i / 2]);
	expect(sql, want);
	close_sink(s);
	fix_free(f);
}
END_TEST

Suite *suite_mysql(void);
Suite *suite_mysql(void)
{
	const struct mysql_case cases[] = {
		{ "tutorial rows", tutorial_rows, 2 },
		{ "many rows", many_rows, 4 },
		{ "refused rows", refused_rows, 2 },
		{ "without unique key", without_unique_key, 2 },
		{ "row by row", row_by_row, 2 },
		{ "key too short", key_too_short, 2 },
		{ "missing columns", missing_columns, 2 },
		{ "refuses to start", refuses_to_start, 1 },
		{ "missing rights", missing_rights, 1 },
		{ "narrow ip_proto", narrow_proto, 2 },
		{ "odd types", odd_types, 4 },
		{ "other types", other_types, 2 },
		{ "dynamic tables", dynamic_tables, 2 },
		{ "bounded tables", bounded_tables, 2 },
		{ "bad schema", bad_schema, 1 },
		{ "check writes nothing", check_writes_nothing, 1 },
		{ "told CREATE works", told_create_works, 1 },
		{ "sql_table_type: bgp", bgp_table, 1 },
		{ "table goes", table_goes_and_comes, 2 },
		{ "idle connection", idle_connection, 2 },
		{ "locked row", locked_row, 2 },
		{ "deadlock", deadlock, 2 },
		{ "long reader", long_reader, 2 },
		{ "run id taken", run_id_taken, 2 },
		{ "salvage", salvaged, 8 },
		{ "COMMIT without answer", commit_without_answer, 16 },
		{ "statements all taken", statements_all_taken, 2 },
		{ "as MySQL 8", as_mysql8, 5 },
		{ "versions", versions, 18 },
	};

	return mysql_suite("mysql", cases, sizeof(cases) / sizeof(cases[0]));
}
