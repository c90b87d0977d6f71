/*
 * check_insight.c - what the collector tells about exporters (log lines,
 * counters, silence, rows in SQL), and which of two records of one flow counts.
 * Datagrams are built octet by octet after Cisco's v5 and RFC 3954; the numbers
 * expected are worked out by hand.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "tests/nfacctd/feeding.h"
#include "nfacctd/engine_private.h"

Suite *suite_insight(void);

/* ---- an engine with a sink that keeps sums and statements ------------------------- */

static struct {
	uint64_t octets, packets;
	struct strbuf sql;	/* statements beside the purges */
	unsigned statements;
	bool refuse, at_second;
	struct sink_counts counts;
} probe;

static void *probe_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	(void)p;
	(void)l;
	(void)run_id;
	return &probe;
}

static enum sink_result probe_write(void *sink, const struct purge *p)
{
	(void)sink;
	for (size_t i = 0; i < p->nrows; i++) {
		probe.octets += p->rows[i].sums.octets;
		probe.packets += p->rows[i].sums.packets;
	}
	return SINK_OK;
}

static const struct sink_counts *probe_counts(void *sink)
{
	(void)sink;
	return &probe.counts;
}

static int probe_execute(void *sink, const char *sql, size_t n, char why[static 256])
{
	(void)sink;
	if (probe.refuse) {
		snprintf(why, 256, "no such table: t");
		return -1;
	}
	probe.statements++;
	strbuf_reset(&probe.sql);
	strbuf_addn(&probe.sql, sql, n);
	return 0;
}

static bool probe_at_second(void *sink)
{
	(void)sink;
	return probe.at_second;
}

static void probe_close(void *sink)
{
	(void)sink;
}

static const struct sink probe_mysql = {
	.type = "mysql", .open = probe_open, .write = probe_write, .counts = probe_counts,
	.execute = probe_execute, .at_second = probe_at_second, .close = probe_close,
};
static const struct sink probe_sqlite = {
	.type = "sqlite3", .open = probe_open, .write = probe_write, .counts = probe_counts,
	.execute = probe_execute, .close = probe_close,
};
static const struct sink probe_print = {
	.type = "print", .open = probe_open, .write = probe_write, .counts = probe_counts,
	.close = probe_close,
};

static const struct sink *find_probe(const char *type)
{
	static const struct sink *const all[] = { &probe_mysql, &probe_sqlite, &probe_print };

	for (size_t i = 0; i < 3; i++)
		if (strcmp(all[i]->type, type) == 0)
			return all[i];
	return NULL;
}

static void start(const char *conf)
{
	memset(&probe, 0, sizeof(probe));
	strbuf_add(&probe.sql, "");
	start_with(conf, find_probe);
}

static void let_go(void)
{
	free_all();
	strbuf_clear(&probe.sql);
}

/* ---- datagrams by hand ----------------------------------------------------------------- */

/* A v5 datagram of `n` records of 10 packets and 1000 octets each. */
static void feed_v5(uint32_t exporter, int64_t when, uint32_t sequence, unsigned n)
{
	feed_hosts(exporter, when, sequence, 0x0101, n, 10, 1000);
}

/* v9: template 256 (source, octets, packets, in, out, direction), and one record of each given. */
struct way {
	uint8_t direction;
	uint16_t in, out;
	uint32_t octets;
};

static void feed_ways(uint32_t exporter, const struct way *w, size_t n)
{
	static const uint16_t fields[][2] = { { 8, 4 }, { 1, 4 }, { 2, 4 }, { 10, 2 }, { 14, 2 },
		{ 61, 1 } };
	uint8_t buf[512], *p = buf;
	const size_t pad = (4 - n * 17 % 4) % 4;

	put(&p, 9, 2), put(&p, n + 1, 2), put(&p, 5000000, 4), put(&p, NOW, 4), put(&p, 0, 4),
		put(&p, 7, 4);
	put(&p, 0, 2), put(&p, 8 + 6 * 4, 2), put(&p, 256, 2), put(&p, 6, 2);
	for (size_t i = 0; i < 6; i++)
		put(&p, fields[i][0], 2), put(&p, fields[i][1], 2);
	put(&p, 256, 2), put(&p, 4 + n * 17 + pad, 2);
	for (size_t i = 0; i < n; i++) {
		put(&p, 0x0a010101, 4), put(&p, w[i].octets, 4), put(&p, 1, 4);
		put(&p, w[i].in, 2), put(&p, w[i].out, 2), put(&p, w[i].direction, 1);
	}
	put(&p, 0, (int)pad);
	feed(buf, (size_t)(p - buf), exporter, NOW);
}

/* ---- lines and counters ------------------------------------------------------------------ */

#define PRINT "plugins: print\naggregate: src_host\n"

START_TEST(reports_each_exporter)
{
	start(PRINT "nfacctd_ip: 127.0.0.1\nnfacctd_port: 2055\nnfacctd_renormalize: true\n");
	open_sinks();
	feed_v5(A, NOW, 0, 2);
	feed_v5(A, NOW, 5, 1);		/* 2, 3, 4 are missing */
	feed_v5(B, NOW, 100, 1);
	feed((const uint8_t *)"rubbish", 7, B, NOW);
	engine_report(engine);
	/* 24 + 2 * 48 and 24 + 48 octets; the gap is a jump forward. */
	has_said("stats [127.0.0.1:2055] agent=192.0.2.1:0 time=");
	has_said(" packets=2 bytes=192 seq_good=1 seq_jmp_fwd=1 seq_jmp_bck=0\n");
	has_said("exporter 192.0.2.1 domain 0: netflow5: records=3 received=3 lost=3 undecodable=0 "
		 "unscaled=3 "
		 "clamped=0 templates=0 last_seen=1715754450\n");
	has_said("stats [127.0.0.1:2055] agent=192.0.2.2:0 time=");
	has_said(" packets=1 bytes=72 seq_good=1 seq_jmp_fwd=0 seq_jmp_bck=0\n");
	has_said(" discarded_packets=1\n");
	ck_assert_uint_eq(
		stat_of("exporter_lost{exporter=\"192.0.2.1\",protocol=\"netflow5\",domain=\"0\"}"),
		3);
	ck_assert_uint_eq(stat_of("exporter_records{exporter=\"192.0.2.2\",protocol=\"netflow5\","
				  "domain=\"0\"}"),
		1);
	ck_assert_uint_eq(
		stat_of("exporter_last_seen_seconds{exporter=\"192.0.2.2\",protocol=\"netflow5\","
			"domain=\"0\"}"),
		NOW);
	ck_assert_int_eq(engine_stop(engine), 0);
	let_go();
}
END_TEST

START_TEST(counts_clamped_flows)
{
	/* Bins are asked for, and the header's clock is a day off. */
	start(PRINT "print_history: 1m\nnfacctd_time_limit: 3600\n");
	open_sinks();
	feed_v5(A, NOW, 0, 2);
	engine_stop(engine);
	ck_assert_uint_eq(stat_of("exporter_clamped{exporter=\"192.0.2.1\",protocol=\"netflow5\","
				  "domain=\"0\"}"),
		0);
	let_go();
	start(PRINT "print_history: 1m\nnfacctd_time_limit: 3600\n");
	open_sinks();
	{
		uint8_t buf[72] = { 0 }, *p = buf;

		put(&p, 5, 2), put(&p, 1, 2), put(&p, 5000000, 4), put(&p, NOW - 86400, 4);
		p = buf + 24 + 16;
		put(&p, 10, 4), put(&p, 1000, 4), put(&p, 5000000, 4), put(&p, 5000000, 4);
		feed(buf, sizeof(buf), A, NOW);
	}
	engine_stop(engine);
	ck_assert_uint_eq(stat_of("exporter_clamped{exporter=\"192.0.2.1\",protocol=\"netflow5\","
				  "domain=\"0\"}"),
		1);
	ck_assert_uint_eq(probe.octets, 1000);
	let_go();
}
END_TEST

START_TEST(tells_silence_once)
{
	start(PRINT "nfacctd_silence: 30\n");
	open_sinks();
	feed_v5(A, NOW, 0, 1);
	feed_v5(B, NOW, 0, 1);
	for (uint32_t i = 1; i <= 8; i++)
		feed_v5(A, NOW + i * 10, i, 1);
	/* At +40 s B is silent for more than 30. */
	ck_assert_uint_eq(
		times_said("W exporter 192.0.2.2 domain 0: netflow5: silent for 40 seconds"), 1);
	ck_assert_uint_eq(times_said("silent for"), 1);
	ck_assert_uint_eq(stat_of("exporter_silent{exporter=\"192.0.2.2\",protocol=\"netflow5\","
				  "domain=\"0\"}"),
		1);
	feed_v5(B, NOW + 90, 1, 1);
	feed_v5(A, NOW + 100, 9, 1);
	ck_assert_uint_eq(times_said("exporter 192.0.2.2 domain 0: netflow5: heard again"), 1);
	ck_assert_uint_eq(stat_of("exporter_silent{exporter=\"192.0.2.2\",protocol=\"netflow5\","
				  "domain=\"0\"}"),
		0);
	engine_stop(engine);
	let_go();
}
END_TEST

START_TEST(many_silent_ones_are_few_lines)
{
	start(PRINT "nfacctd_silence: 30\n");
	open_sinks();
	for (uint32_t i = 0; i < 100; i++)
		feed_v5(0x0a000000 + i, NOW, 0, 1);
	feed_v5(A, NOW + 60, 0, 1);
	ck_assert_uint_eq(times_said("silent for"), 20);
	has_said("and 80 more exporters");
	engine_stop(engine);
	let_go();
}
END_TEST

static uint64_t totals(void)
{
	return stat_of("sequence_received") + stat_of("sequence_lost");
}

/* Two have room; the third takes the place of the one that was silent longest. */
START_TEST(too_many_exporters_are_told)
{
	static const char line[] = "W %u exporters, 0 templates, 0 samplers gave way to others so "
				   "far: a worker knows 2 exporters (nfacctd_exporters)";
	struct exporters_crowd crowd = { 0, 0 };
	char want[256];

	start(PRINT "nfacctd_exporters: 2\n");
	open_sinks();
	feed_v5(A, NOW, 0, 1);
	feed_v5(B, NOW + 1, 0, 1);
	feed_v5(A, NOW + 2, 4, 1); /* three are lost */
	exporters_tell_crowd(&crowd, engine->worker, engine->nworkers, NOW * UINT64_C(1000000));
	ck_assert_uint_eq(times_said("gave way"), 0);
	feed_v5(B + 1, NOW + 3, 0, 1);
	ck_assert_uint_eq(stat_of("streams"), 2);
	ck_assert_uint_eq(stat_of("evicted_streams"), 1);
	feed_v5(B, NOW + 4, 100, 1); /* as new: nothing says that records are missing */
	ck_assert_uint_eq(totals(), 5 + 3);
	for (unsigned second = 0; second <= 60; second += 20)
		exporters_tell_crowd(&crowd, engine->worker, engine->nworkers,
			(NOW + second) * UINT64_C(1000000));
	snprintf(want, sizeof(want), line, 2);
	ck_assert_uint_eq(times_said(want), 1);
	ck_assert_uint_eq(times_said("gave way"), 1);
	feed_v5(B + 2, NOW + 65, 0, 1);
	exporters_tell_crowd(
		&crowd, engine->worker, engine->nworkers, (NOW + 70) * UINT64_C(1000000));
	snprintf(want, sizeof(want), line, 3);
	ck_assert_uint_eq(times_said(want), 1);
	engine_stop(engine);
	let_go();
}
END_TEST

/* ---- rows beside the bill ------------------------------------------------------------------ */

#define SQL(type) "plugins: " type "\naggregate: src_host\nsql_refresh_time: 60\nsql_history: 1m\n" \
	"sql_history_roundoff: m\nsql_exporters_table: t\nsql_check: false\n"
#define COLUMNS                                                                                    \
	"stamp_inserted, exporter, protocol, domain, worker, run_id, datagrams, octets, records, " \
	"received, "                                                                               \
	"lost, gaps, late, duplicates, restarts, undecodable, unscaled, clamped, templates, "      \
	"last_seen"

START_TEST(rows_of_exporters)
{
	start(SQL("mysql"));
	open_sinks();
	/* 06:27:30 on, 06:28:00 purge, 06:29:00 purge, end. */
	feed_v5(A, NOW, 0, 2);
	feed_v5(A, NOW + 5, 3, 1);
	feed_v5(A, NOW + 35, 4, 1);
	ck_assert_uint_eq(probe.octets, 3000);
	ck_assert_str_eq(probe.sql.s,
		"INSERT INTO `t` (" COLUMNS ") VALUES (FROM_UNIXTIME(1715754420), '192.0.2.1', "
		"'netflow5', 0, 0, 99, 2, 192, 3, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, "
		"FROM_UNIXTIME(1715754455)) "
		"ON DUPLICATE KEY UPDATE datagrams = VALUES(datagrams), octets = VALUES(octets), "
		"records = VALUES(records), received = VALUES(received), lost = VALUES(lost), gaps "
		"= VALUES(gaps), late = VALUES(late), duplicates = VALUES(duplicates), restarts = "
		"VALUES(restarts), "
		"undecodable = VALUES(undecodable), unscaled = VALUES(unscaled), clamped = "
		"VALUES(clamped), templates = VALUES(templates), last_seen = VALUES(last_seen)");
	engine_stop(engine);
	/* The next bin has what moved since; record 2 came after all? no: nothing is lost here. */
	ck_assert_msg(strstr(probe.sql.s,
			      "(FROM_UNIXTIME(1715754480), '192.0.2.1', 'netflow5', 0, 0, 99, 1, "
			      "72, 1, 1, 0, "
			      "0, 0, 0, 0, 0, 0, 0, 0, FROM_UNIXTIME(1715754485))") != NULL,
		"%s", probe.sql.s);
	let_go();
}
END_TEST

START_TEST(rows_of_exporters_in_sqlite)
{
	start(SQL("sqlite3") "timestamps_utc: true\n");
	open_sinks();
	feed_v5(A, NOW, 0, 2);
	engine_stop(engine);
	ck_assert_msg(strstr(probe.sql.s,
			      "INSERT INTO \"t\" (" COLUMNS
			      ") VALUES (datetime(1715754420, 'unixepoch'), "
			      "'192.0.2.1', 'netflow5', 0, 0, 99, 1, 120, 2, 2, 0, 0, 0, 0, 0, 0, "
			      "0, 0, 0, "
			      "datetime(1715754450, 'unixepoch')) ON CONFLICT (stamp_inserted, "
			      "exporter, protocol, domain, "
			      "worker, run_id) DO UPDATE SET datagrams = excluded.datagrams, ") ==
			probe.sql.s,
		"%s", probe.sql.s);
	let_go();
}
END_TEST

/* As SQL() with bins of an hour: several purges tell of one bin. */
#define LONG_BIN "plugins: mysql\naggregate: src_host\nsql_refresh_time: 60\nsql_history: 1h\n" \
	"sql_history_roundoff: h\nsql_exporters_table: t\nsql_check: false\n"

/* How many rows of the last statement have this in them. */
static unsigned rows_with(const char *part)
{
	unsigned n = 0;

	for (const char *at = probe.sql.s; (at = strstr(at, part)) != NULL; at++)
		n++;
	return n;
}

/* An exporter that gave way to others and is back: its row of this bin is not overwritten. */
START_TEST(exporter_comes_back)
{
	start(LONG_BIN);
	open_sinks();
	feed_v5(A, NOW, 0, 2);
	feed_v5(A, NOW + 5, 2, 1);
	feed_v5(A, NOW + 35, 3, 1);	/* after the purge of 06:28:00 */
	ck_assert_uint_eq(rows_with("'192.0.2.1', 'netflow5', 0, 0, 99, 2, 192, 3, 3, 0,"), 1);
	for (uint32_t i = 0; i < 4096; i++)
		feed_v5(0x0a000000 + i, NOW + 36, 0, 1);
	feed_v5(A, NOW + 40, 4, 1);
	feed_v5(A, NOW + 95, 5, 1);	/* after that of 06:29:00 */
	ck_assert_uint_eq(rows_with("'192.0.2.1'"), 1);
	ck_assert_msg(rows_with("'192.0.2.1', 'netflow5', 0, 1000, 99, 1, 72, 1, 1, 0,") == 1, "%s",
		      strstr(probe.sql.s, "192.0.2.1"));
	feed_v5(A, NOW + 155, 6, 1);	/* and on in that row */
	ck_assert_msg(rows_with("'192.0.2.1', 'netflow5', 0, 1000, 99, 2, 144, 2, 2, 0,") == 1, "%s",
		      strstr(probe.sql.s, "192.0.2.1"));
	feed_v5(A, NOW + 2100, 7, 1);	/* 07:02:30 and the next bin, without turns */
	feed_v5(A, NOW + 2160, 8, 1);
	ck_assert_uint_eq(rows_with("'192.0.2.1', 'netflow5', 0, 0, 99, "), 1);
	engine_stop(engine);
	let_go();
}
END_TEST

/* The purges go to the second server and come back: each octet is in one of the two. */
START_TEST(rows_follow_the_purges)
{
	start(LONG_BIN);
	open_sinks();
	feed_v5(A, NOW, 0, 1);
	feed_v5(A, NOW + 35, 1, 1);
	ck_assert_uint_eq(rows_with("0, 0, 99, 1, 72, 1,"), 1);
	probe.at_second = true;
	feed_v5(A, NOW + 95, 2, 1);
	ck_assert_msg(rows_with("0, 1000, 99, 1, 72, 1,") == 1, "%s", probe.sql.s);
	feed_v5(A, NOW + 155, 3, 1);
	ck_assert_msg(rows_with("0, 1000, 99, 2, 144, 2,") == 1, "%s", probe.sql.s);
	probe.at_second = false;
	feed_v5(A, NOW + 215, 4, 1);
	ck_assert_msg(rows_with("0, 2000, 99, 1, 72, 1,") == 1, "%s", probe.sql.s);
	engine_stop(engine);
	let_go();
}
END_TEST

START_TEST(what_could_not_be_written_is_made_up_for)
{
	start(SQL("mysql"));
	open_sinks();
	feed_v5(A, NOW, 0, 1);
	probe.refuse = true;
	feed_v5(A, NOW + 35, 1, 1);
	has_said("sql_exporters_table: \"t\": no such table: t; the next purge makes up for it");
	probe.refuse = false;
	feed_v5(A, NOW + 95, 2, 1);
	/* Both datagrams: the one of the bin that could not be told, too. */
	ck_assert_msg(strstr(probe.sql.s,
			      "(FROM_UNIXTIME(1715754480), '192.0.2.1', 'netflow5', 0, 0, 99, 2, "
			      "144, 2, 2,") != NULL,
		"%s", probe.sql.s);
	engine_stop(engine);
	let_go();
}
END_TEST

START_TEST(a_missing_table_is_told_at_start)
{
	start(SQL("mysql"));
	probe.refuse = true;
	ck_assert_int_eq(engine_open(engine), -1);
	has_said("E plugin default_mysql: sql_exporters_table: \"t\": no such table: t; "
		 "sql/flow_exporters.mysql makes it");
	let_go();
	start("plugins: print\nsql_exporters_table: t\n");
	ck_assert_int_eq(engine_open(engine), -1);
	has_said("a print plugin has no tables");
	let_go();
}
END_TEST

/* ---- one flow, two records ---------------------------------------------------------------------
 */

static char map_path[] = "/tmp/check-insight-XXXXXX";

static void write_map(const char *text)
{
	FILE *f = fopen(map_path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Ingress records of 1 octet on interface 5, egress ones of 100 on 7, one of 10000 into 9 on its
 * way out. */
/* The last one's direction is neither (IE 61 knows 0 and 1), so it counts whatever the policy. */
static const struct way ways[] = { { 0, 5, 7, 1 }, { 1, 5, 7, 100 }, { 1, 5, 9, 10000 },
	{ 2, 5, 7, 1000000 } };

static const struct {
	const char *conf, *map;
	uint64_t octets, left_out;
	bool told;
} policies[] = {
	{ "", "", 10101, 0, true },
	{ "nfacctd_direction: both\n", "", 10101, 0, true },
	{ "nfacctd_direction: ingress\n", "", 1, 10100, false },
	{ "nfacctd_direction: egress\n", "", 10100, 1, false },
	{ "", "192.0.2.1 * ingress\n", 1, 10100, false },
	{ "", "# a comment\n\n192.0.2.0/24 9 ingress\n192.0.2.0/24 * egress\n", 100, 10001, false },
	{ "nfacctd_direction: ingress\n", "198.51.100.0/24 * both\n192.0.2.1 7 egress\n", 101,
		10000, false },
	{ "nfacctd_direction: egress\n", "! all of them\n0.0.0.0/0, *, both\n", 10101, 0, true },
};

START_TEST(counts_one_way)
{
	char conf[256];

	write_map(policies[_i].map);
	snprintf(conf, sizeof(conf), PRINT "%snfacctd_direction_map: %s\n", policies[_i].conf,
		map_path);
	start(conf);
	open_sinks();
	feed_ways(A, ways, 4);
	ck_assert_uint_eq(times_said("192.0.2.1 domain 7: sends ingress and egress records"),
		policies[_i].told);
	feed_v5(B, NOW, 0, 1);		/* no direction: counts */
	ck_assert_int_eq(engine_stop(engine), 0);
	ck_assert_uint_eq(probe.octets, policies[_i].octets + 1000000 + 1000);
	ck_assert_uint_eq(stat_of("octets_other_direction"), policies[_i].left_out);
	let_go();
}
END_TEST

static const struct {
	const char *map, *said;
} bad_maps[] = {
	{ "192.0.2.1 7\n", ":1: \"192.0.2.1 7\": expected an exporter, an ifIndex or *, and a policy" },
	{ "\nhere 7 both\n", ":2: \"here 7 both\": expected an address or prefix first" },
	{ "192.0.2.1 -1 both\n", ": expected an ifIndex or * behind the exporter" },
	{ "192.0.2.1 4294967295 both\n", ": expected an ifIndex or * behind the exporter" },
	{ "192.0.2.1 7 neither\n", ":1: \"192.0.2.1 7 neither\": expected both, ingress or egress at the end" },
};

START_TEST(bad_maps_are_told)
{
	const int open_before = fcntl(STDIN_FILENO, F_GETFD);
	struct conf c;
	char conf[256];

	said_start(&said);
	write_map(bad_maps[_i].map);
	snprintf(conf, sizeof(conf), PRINT "nfacctd_direction_map: %s\n", map_path);
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_int_eq(settings_load(&settings, NULL, &c, NULL), 0);
	conf_clear(&c);
	ck_assert_ptr_null(engine_new(&settings, find_probe, NOW, 1));
	has_said(bad_maps[_i].said);
	/* What was not begun is not undone: descriptor 0 was closed here once. */
	ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), open_before);
	settings_clear(&settings);
	said_end(&said);
}
END_TEST

START_TEST(a_map_is_read_again)
{
	char conf[256];

	write_map("192.0.2.1 * ingress\n");
	snprintf(conf, sizeof(conf), PRINT "nfacctd_direction_map: %s\n", map_path);
	start(conf);
	open_sinks();
	write_map("192.0.2.1 * sideways\n");
	ck_assert_int_eq(engine_reload(engine), -1);
	feed_ways(A, ways, 3);
	write_map("192.0.2.1 * egress\n");
	ck_assert_int_eq(engine_reload(engine), 0);
	feed_ways(A, ways, 3);
	engine_stop(engine);
	ck_assert_uint_eq(probe.octets, 1 + 10100);
	let_go();
}
END_TEST

/* ---- fixtures
 * --------------------------------------------------------------------------------------- */

static void set_up(void)
{
	int fd;

	setenv("TZ", "UTC", 1);
	tzset();
	strcpy(map_path, "/tmp/check-insight-XXXXXX");
	fd = mkstemp(map_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void tear_down(void)
{
	unlink(map_path);
}

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_insight(void)
{
	Suite *s = suite_create("insight");
	TCase *t = tcase_create("insight");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, reports_each_exporter);
	tcase_add_test(t, counts_clamped_flows);
	tcase_add_test(t, tells_silence_once);
	tcase_add_test(t, many_silent_ones_are_few_lines);
	tcase_add_test(t, too_many_exporters_are_told);
	tcase_add_test(t, rows_of_exporters);
	tcase_add_test(t, rows_of_exporters_in_sqlite);
	tcase_add_test(t, exporter_comes_back);
	tcase_add_test(t, rows_follow_the_purges);
	tcase_add_test(t, what_could_not_be_written_is_made_up_for);
	tcase_add_test(t, a_missing_table_is_told_at_start);
	LOOP(t, counts_one_way, policies);
	LOOP(t, bad_maps_are_told, bad_maps);
	tcase_add_test(t, a_map_is_read_again);
	suite_add_tcase(s, t);
	return s;
}
