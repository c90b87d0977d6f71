/*
 * check_truth.c - the truth file: the blueprint's columns in their order,
 * what the reader refuses and how it says so, write -> read = same row.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pcapgen/truth.h"

Suite *suite_truth(void);

#define HEADER                                                                                    \
	"datagram\texporter\tport\tversion\tdomain\tsequence\tsrc\tdst\tsport\tdport\tproto\ttos" \
	"\ttcpflags\t"                                                                            \
	"in_if\tout_if\tsrc_as\tdst_as\tsrc_mask\tdst_mask\tnext_"                                \
	"hop\tpackets\toctets\tsampling\tfirst_ms\tlast_ms"
#define OURS "\tprotocol\tsent_ms\texport_ms"
#define WIDE "\tsrc_mac\tdst_mac\tvlan\tout_vlan\tdirection\tpost_src\tpost_dst\tpost_sport\tpost_dport\tbgp_next_hop\tflows\tannounced"
#define ROW "3\t192.0.2.1\t2055\t9\t7\t41\t10.0.0.1\t2001:db8::1\t1024\t443\t6\t8\t27\t1\t2\t64500\t4200000000\t24\t48\t" \
	"192.0.2.9\t18446744073709551615\t1500\t100\t1767614400123\t1767614400456"

static char path[64];

static void setup(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/check-truth-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

static void put_file(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static size_t get_file(char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n = fread(text, 1, cap - 1, f);

	text[n] = '\0';
	fclose(f);
	return n;
}

static struct addr address(const char *text)
{
	struct addr a;

	ck_assert(addr_parse(&a, text));
	return a;
}

static struct truth_row full_row(void)
{
	struct truth_row row = { .datagram = 3,
		.exporter = address("192.0.2.1"),
		.port = 2055,
		.protocol = PROTO_NETFLOW9,
		.version = 9,
		.domain = 7,
		.sequence = 41,
		.sent_us = 1767614401000999,
		.export_us = 1767614400999999 };
	static const struct {
		enum flow_field f;
		uint64_t v;
	} numbers[] = { { FLOW_src_port, 1024 }, { FLOW_dst_port, 443 }, { FLOW_proto, 6 },
		{ FLOW_tos, 8 }, { FLOW_tcp_flags, 27 }, { FLOW_in_if, 1 }, { FLOW_out_if, 2 },
		{ FLOW_src_as, 64500 }, { FLOW_dst_as, 4200000000 }, { FLOW_src_mask, 24 },
		{ FLOW_dst_mask, 48 }, { FLOW_packets, UINT64_MAX }, { FLOW_octets, 1500 },
		{ FLOW_sampling_num, 100 }, { FLOW_sampling_den, 1 },
		{ FLOW_first_us, 1767614400123000 }, { FLOW_last_us, 1767614400456999 } };

	row.flow = flow_record_empty;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		flow_set(&row.flow, numbers[i].f, numbers[i].v);
	row.flow.src = address("10.0.0.1");
	row.flow.dst = address("2001:db8::1");
	row.flow.next_hop = address("192.0.2.9");
	row.flow.present |= FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop);
	return row;
}

static void write_as(const struct truth_row *rows, size_t n, enum truth_width width)
{
	struct truth_writer *w = truth_create(path, width);

	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < n; i++)
		truth_put(w, &rows[i]);
	ck_assert_uint_eq(truth_count(w), n);
	ck_assert_int_eq(truth_finish(w), 0);
}

static void write_rows(const struct truth_row *rows, size_t n)
{
	write_as(rows, n, TRUTH_NARROW);
}

START_TEST(writes_the_blueprints_line)
{
	struct truth_row row = full_row();
	char got[2048];

	write_rows(&row, 1);
	get_file(got, sizeof(got));
	ck_assert_str_eq(got, HEADER OURS "\n" ROW "\tnetflow9\t1767614401000\t1767614400999\n");
}
END_TEST

/* What was not exported is empty, but for the sampling interval, whose absence is 1. */
START_TEST(writes_absence)
{
	struct truth_row row = { .datagram = 1,
		.exporter = address("::1"),
		.protocol = PROTO_SFLOW,
		.version = 5,
		.flow = flow_record_empty };
	char got[2048];

	write_rows(&row, 1);
	get_file(got, sizeof(got));
	ck_assert_str_eq(got,
		HEADER OURS "\n1\t::1\t0\t5\t0\t0"
			    "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t1\t\t\tsflow5\t0\t\n");
}
END_TEST

START_TEST(writes_ratios)
{
	static const struct {
		uint32_t num, den;
		const char *text;
	} ratios[] = { { 100, 1, "100" }, { 1, 1, "1" }, { 200, 2, "100" }, { 3, 2, "3/2" },
		{ 0, 1, "1" }, { 7, 0, "7" } };
	struct truth_row row = full_row();
	char got[2048], want[64];

	row.flow.sampling_num = ratios[_i].num;
	row.flow.sampling_den = ratios[_i].den;
	write_rows(&row, 1);
	get_file(got, sizeof(got));
	snprintf(want, sizeof(want), "\t1500\t%s\t1767614400123", ratios[_i].text);
	ck_assert_msg(strstr(got, want) != NULL, "%s", got);
}
END_TEST

START_TEST(reads_back)
{
	struct truth_row rows[3] = { full_row(), full_row(), full_row() }, got;
	char why[256];
	struct truth_reader *r;

	rows[1].protocol = PROTO_SFLOW;
	rows[1].version = 5;
	rows[1].flow = flow_record_empty;
	rows[2].protocol = PROTO_IPFIX;
	rows[2].flow.sampling_num = 3;
	rows[2].flow.sampling_den = 2;
	write_rows(rows, 3);
	r = truth_open(path, why);
	ck_assert_msg(r != NULL, "%s", why);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(truth_next(r, &got, why), 1);
		/* The file has milliseconds. */
		rows[i].flow.last_us -= rows[i].flow.last_us % 1000;
		rows[i].sent_us -= rows[i].sent_us % 1000;
		ck_assert(flow_equal(&got.flow, &rows[i].flow));
		ck_assert(addr_equal(&got.exporter, &rows[i].exporter));
		ck_assert_uint_eq(got.datagram, rows[i].datagram);
		ck_assert_uint_eq(got.port, rows[i].port);
		ck_assert_uint_eq(got.protocol, rows[i].protocol);
		ck_assert_uint_eq(got.version, rows[i].version);
		ck_assert_uint_eq(got.domain, rows[i].domain);
		ck_assert_uint_eq(got.sequence, rows[i].sequence);
		ck_assert_uint_eq(got.sent_us, rows[i].sent_us);
	}
	ck_assert_int_eq(truth_next(r, &got, why), 0);
	truth_close(r);
}
END_TEST

/* What only a wide truth has, there and back; a narrow one has no place for it. */
START_TEST(wide_columns)
{
	static const uint8_t macs[2][6] = { { 2, 0, 0, 0, 0, 10 }, { 0xff, 0xee, 0xd, 0, 1, 0x9a } };
	struct truth_row row = full_row(), got;
	struct truth_reader *r;
	char text[2048], why[256];

	memcpy(row.flow.src_mac, macs[0], 6);
	memcpy(row.flow.dst_mac, macs[1], 6);
	row.flow.present |= FLOW_BIT(src_mac) | FLOW_BIT(dst_mac) | FLOW_BIT(post_src);
	row.flow.post_src = address("203.0.113.7");
	flow_set(&row.flow, FLOW_vlan, 4095);
	flow_set(&row.flow, FLOW_direction, 1);
	flow_set(&row.flow, FLOW_post_dst_port, 65535);
	write_as(&row, 1, TRUTH_WIDE);
	get_file(text, sizeof(text));
	ck_assert_str_eq(text, HEADER OURS WIDE "\n" ROW "\tnetflow9\t1767614401000\t1767614400999"
		"\t02:00:00:00:00:0a\tff:ee:0d:00:01:9a\t4095\t\t1\t203.0.113.7\t\t\t65535\t\t\t1\n");
	r = truth_open(path, why);
	ck_assert_msg(r != NULL, "%s", why);
	ck_assert_int_eq(truth_width(r), TRUTH_WIDE);
	ck_assert_int_eq(truth_next(r, &got, why), 1);
	row.flow.last_us -= row.flow.last_us % 1000;
	ck_assert(flow_equal(&got.flow, &row.flow));
	truth_close(r);

	write_rows(&row, 1);
	r = truth_open(path, why);
	ck_assert_int_eq(truth_width(r), TRUTH_NARROW);
	ck_assert_int_eq(truth_next(r, &got, why), 1);
	ck_assert(!flow_has(&got.flow, FLOW_vlan));
	truth_close(r);
}
END_TEST

/* Elements of any length, also longer than the writer's buffer. */
START_TEST(elements_column)
{
	enum { DIGITS = 3 << 20 };
	struct truth_row row = full_row(), got;
	char *text = malloc(DIGITS + 64), why[256];
	struct truth_reader *r;
	int at = sprintf(text, "8=0a000001 25461:56701= 9:1=");

	memset(text + at, 'f', DIGITS);
	text[at + DIGITS] = '\0';
	row.elements = text;
	write_as(&row, 1, TRUTH_ELEMENTS);
	r = truth_open(path, why);
	ck_assert_msg(r != NULL, "%s", why);
	ck_assert_int_eq(truth_width(r), TRUTH_ELEMENTS);
	ck_assert_int_eq(truth_next(r, &got, why), 1);
	ck_assert(got.elements && !strcmp(got.elements, text));
	ck_assert_int_eq(truth_next(r, &got, why), 0);
	truth_close(r);
	row.elements = NULL;
	write_as(&row, 1, TRUTH_ELEMENTS);
	r = truth_open(path, why);
	ck_assert_int_eq(truth_next(r, &got, why), 1);
	ck_assert_ptr_null(got.elements);
	truth_close(r);
	free(text);
}
END_TEST

static const char *const no_elements[] = { "8", "8=0", "8=0A", "=00", "8:=00", ":8=00", "8=00 ", " 8=00",
	"8=00  9=00", "8=zz", "x=00" };

START_TEST(elements_refused)
{
	struct truth_row row = full_row(), got;
	char why[256];
	struct truth_reader *r;

	row.elements = no_elements[_i];
	write_as(&row, 1, TRUTH_ELEMENTS);
	r = truth_open(path, why);
	ck_assert_int_eq(truth_next(r, &got, why), -1);
	ck_assert_msg(strstr(why, ":2: column \"elements\": ") != NULL, "%s", why);
	truth_close(r);
}
END_TEST

/* Other tools' truths: columns in any order, more of them, none of ours. */
START_TEST(reads_by_name)
{
	static const char file[] = "comment\toctets\t" HEADER "\n" "hello\t\t" ROW "\n";
	char text[2048], *second = NULL, why[256];
	struct truth_reader *r;
	struct truth_row row;

	snprintf(text, sizeof(text), "%s", file);
	second = strstr(text,
		"octets\t"); /* a second column of that name is an error; make it a stranger */
	memcpy(second, "OCTETS", 6);
	put_file(text, strlen(text));
	r = truth_open(path, why);
	ck_assert_msg(r != NULL, "%s", why);
	ck_assert_int_eq(truth_next(r, &row, why), 1);
	ck_assert_uint_eq(row.flow.octets, 1500);
	ck_assert_uint_eq(row.protocol, PROTO_NETFLOW9);	/* from the version */
	ck_assert_uint_eq(row.sent_us, row.flow.last_us);
	truth_close(r);
}
END_TEST

static const struct {
	const char *name, *file, *why;
} bad[] = {
	{ "empty", "", ":1: the file is empty" },
	{ "not a truth", "a\tb\n", ":1: column \"datagram\" is missing" },
	{ "a column less", HEADER "\n1\t2\n", ":2: column \"exporter\": \"2\" is not an address" },
	{ "short row", HEADER "\n3\t192.0.2.1\t2055\n", ":2: 3 columns where the header has 25" },
	{ "long row", HEADER "\n" ROW "\t5\n", ":2: 26 columns where the header has 25" },
	{ "doubled column", HEADER "\tsrc\n", ":1: column \"src\" stands there twice" },
	{ "no end", HEADER "\n" ROW, ":2: the last line has no end" },
	{ "letters", HEADER "\nx" ROW "\n", ":2: column \"datagram\": \"x3\" is not a number" },
	{ "no datagram", HEADER "\n\t192.0.2.1\t1\n",
		":2: column \"datagram\": \"\" is not a number" },
};

START_TEST(refuses)
{
	char why[256] = "";
	struct truth_row row;
	struct truth_reader *r;
	int got = -1;

	put_file(bad[_i].file, strlen(bad[_i].file));
	r = truth_open(path, why);
	if (r)
		got = truth_next(r, &row, why);
	ck_assert_int_eq(got, -1);
	ck_assert_msg(strncmp(why, path, strlen(path)) == 0 && strstr(why, bad[_i].why) != NULL,
		"%s: %s", bad[_i].name, why);
	truth_close(r);
}
END_TEST

/* One column of ROW replaced: bounds n-1, n, n+1. */
static const struct {
	size_t column;
	const char *text;
	bool good;
} cells[] = {
	{ 2, "65535", true },
	{ 2, "65536", false },
	{ 4, "4294967295", true },
	{ 4, "4294967296", false },
	{ 8, "65535", true },
	{ 8, "65536", false },
	{ 10, "255", true },
	{ 10, "256", false },
	{ 10, "-1", false },
	{ 20, "18446744073709551615", true },
	{ 20, "18446744073709551616", false },
	{ 20, "", true },
	{ 20, "1.5", false },
	{ 20, " 1", false },
	{ 22, "1", true },
	{ 22, "0", false },
	{ 22, "3/2", true },
	{ 22, "3/0", false },
	{ 22, "/2", false },
	{ 22, "4294967296", false },
	{ 23, "18446744073709551", true },
	{ 23, "18446744073709552", false },
	{ 6, "10.0.0.256", false },
	{ 6, "", true },
	{ 1, "", false },
};

START_TEST(bounds)
{
	char text[2048], row[1024], why[256];
	const char *at = ROW, *end;
	struct truth_reader *r;
	struct truth_row got;

	for (size_t i = 0; i < cells[_i].column; i++)
		at = strchr(at, '\t') + 1;
	end = at + strcspn(at, "\t");
	snprintf(row, sizeof(row), "%.*s%s%s", (int)(at - ROW), ROW, cells[_i].text, end);
	snprintf(text, sizeof(text), "%s\n%s\n", HEADER, row);
	put_file(text, strlen(text));
	r = truth_open(path, why);
	ck_assert_ptr_nonnull(r);
	ck_assert_msg(truth_next(r, &got, why) == (cells[_i].good ? 1 : -1),
		"column %zu \"%s\": %s", cells[_i].column, cells[_i].text, why);
	truth_close(r);
}
END_TEST

/* A file cut anywhere is an error or a shorter truth of whole lines, never half a row. */
START_TEST(cut_anywhere)
{
	static const char file[] = HEADER "\n" ROW "\n" ROW "\n";

	for (size_t n = 0; n < sizeof(file); n++) {
		char why[256];
		struct truth_reader *r;
		struct truth_row row;
		int got;

		put_file(file, n);
		r = truth_open(path, why);
		if (!r)
			continue;
		while ((got = truth_next(r, &row, why)) == 1)
			ck_assert_uint_eq(row.flow.octets, 1500);
		ck_assert_int_eq(got,
			n && file[n - 1] == '\n'        ? 0
				: n + 1 == sizeof(file) ? 0
							: -1);
		truth_close(r);
	}
}
END_TEST

START_TEST(full_disk_is_told)
{
	struct truth_row row = full_row();
	struct truth_writer *w;

	if (access("/dev/full", W_OK))
		return;
	w = truth_create("/dev/full", TRUTH_NARROW);
	ck_assert_ptr_nonnull(w);
	for (int i = 0; i < 20000; i++)
		truth_put(w, &row);
	ck_assert_int_eq(truth_finish(w), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_ptr_null(truth_create("/nonexistent/truth.tsv", TRUTH_NARROW));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

Suite *suite_truth(void)
{
	Suite *s = suite_create("truth");
	TCase *t = tcase_create("truth");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, writes_the_blueprints_line);
	tcase_add_test(t, writes_absence);
	tcase_add_loop_test(t, writes_ratios, 0, 6);
	tcase_add_test(t, reads_back);
	tcase_add_test(t, wide_columns);
	tcase_add_test(t, elements_column);
	tcase_add_loop_test(t, elements_refused, 0, sizeof(no_elements) / sizeof(no_elements[0]));
	tcase_add_test(t, reads_by_name);
	tcase_add_loop_test(t, refuses, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(t, bounds, 0, sizeof(cells) / sizeof(cells[0]));
	tcase_add_test(t, cut_anywhere);
	tcase_add_test(t, full_disk_is_told);
	suite_add_tcase(s, t);
	return s;
}
