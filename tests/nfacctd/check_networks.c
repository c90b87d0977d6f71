/*
 * check_networks.c - networks_file, ports_file and so on: collector.md 5.1.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "nfacctd/networks.h"
#include "tests/base/said.h"

Suite *suite_networks(void);

static const struct {
	const char *line, *prefix;	/* NULL: skipped */
	uint32_t as, peer_as;
	const char *hop, *said;
} lines[] = {
	{ "111.222.1.0/24", "111.222.1.0/24", 0, 0, "0.0.0.0", NULL },
	{ " 111.222.1.0/24\t", "111.222.1.0/24", 0, 0, "0.0.0.0", NULL },
	{ "65500,192.168.1.0/24", "192.168.1.0/24", 65500, 0, "0.0.0.0", NULL },
	{ "64512_65500,192.168.1.0/24", "192.168.1.0/24", 65500, 64512, "0.0.0.0", NULL },
	{ "10.0.0.1,65500,192.168.1.0/24", "192.168.1.0/24", 65500, 0, "10.0.0.1", NULL },
	{ "10.0.0.1,64512_65500,192.168.1.0/24", "192.168.1.0/24", 65500, 64512, "10.0.0.1", NULL },
	{ "4294967295,10.0.0.0/8", "10.0.0.0/8", 4294967295, 0, "0.0.0.0", NULL },
	{ "2001:db8::/32", "2001:db8::/32", 0, 0, "0.0.0.0", NULL },
	{ "0.0.0.0/0", "0.0.0.0/0", 0, 0, "0.0.0.0", NULL },
	{ "::/0", "::/0", 0, 0, "0.0.0.0", NULL },
	{ "111.222.1.9/24", "111.222.1.0/24", 0, 0, "0.0.0.0",
		"host bits are cleared: 111.222.1.0/24" },
	{ "111.222.1.0/33", NULL, 0, 0, NULL, "length that fits" },
	{ "2001:db8::/129", NULL, 0, 0, NULL, "length that fits" },
	{ "111.222.1.0", NULL, 0, 0, NULL,
		"f:1: \"111.222.1.0\": line skipped, expected prefix/len" },
	{ "111.222.1.0/", NULL, 0, 0, NULL, "skipped" },
	{ "111.222.1.0/24x", NULL, 0, 0, NULL, "skipped" },
	{ "foo/8", NULL, 0, 0, NULL, "skipped" },
	{ "4294967296,10.0.0.0/8", NULL, 0, 0, NULL, "AS number" },
	{ "-1,10.0.0.0/8", NULL, 0, 0, NULL, "AS number" },
	{ "_5,10.0.0.0/8", NULL, 0, 0, NULL, "AS number" },
	{ ",10.0.0.0/8", NULL, 0, 0, NULL, "AS number" },
	{ "foo,5,10.0.0.0/8", NULL, 0, 0, NULL, "an address in front" },
	{ "1,2,3,10.0.0.0/8", NULL, 0, 0, NULL, "at most" },
};

START_TEST(reads_lines)
{
	struct said said;
	struct networks *w;
	char text[ADDR_TEXT], prefix[PREFIX_TEXT];

	said_start(&said);
	w = networks_parse("f", lines[_i].line, strlen(lines[_i].line));
	ck_assert_ptr_nonnull(w);
	if (lines[_i].said)
		ck_assert_msg(strstr(said.text.s, lines[_i].said) != NULL, "%s: says %s",
			lines[_i].line, said.text.s);
	else
		ck_assert_str_eq(said.text.s, "I f: 1 networks, 0 skipped\n");
	ck_assert_uint_eq(w->n, lines[_i].prefix != NULL);
	ck_assert_uint_eq(w->skipped, lines[_i].prefix == NULL);
	if (lines[_i].prefix) {
		ck_assert_str_eq(prefix_print(&w->net[0].prefix, prefix), lines[_i].prefix);
		ck_assert_uint_eq(w->net[0].as, lines[_i].as);
		ck_assert_uint_eq(w->net[0].peer_as, lines[_i].peer_as);
		ck_assert_str_eq(addr_print(&w->net[0].next_hop, text), lines[_i].hop);
	}
	networks_free(w);
	said_end(&said);
}
END_TEST

static const char file[] =
	"! ours\r\n# "
	"too\n\n65001,10.0.0.0/8\r\n65002,10.1.0.0/16\nbad\n65003,2001:db8::/32\n65004,10.1.0.0/16";

static const struct {
	const char *addr;
	uint32_t as;	/* 0: no match */
} finds[] = {
	{ "10.0.0.1", 65001 },
	{ "10.255.255.255", 65001 },
	{ "11.0.0.0", 0 },
	{ "9.255.255.255", 0 },
	{ "10.1.2.3", 65004 }, /* longest; of two equal ones the later */
	{ "2001:db8::1", 65003 },
	{ "2001:db9::1", 0 },
	{ "::", 0 },
	{ "0.0.0.0", 0 },
};

START_TEST(finds_the_longest)
{
	struct said said;
	struct networks *w;
	const struct network *hit;
	struct addr a;

	said_start(&said);
	w = networks_parse("f", file, sizeof(file) - 1);
	ck_assert(strstr(said.text.s, "W f:6: \"bad\": line skipped") &&
		strstr(said.text.s, "4 networks, 1 skipped"));
	ck_assert(addr_parse(&a, finds[_i].addr));
	hit = networks_find(w, &a);
	ck_assert_msg((hit ? hit->as : 0) == finds[_i].as, "%s", finds[_i].addr);
	networks_free(w);
	said_end(&said);
}
END_TEST

START_TEST(survives_any_cut)
{
	struct said said;

	said_start(&said);
	for (size_t n = 0; n < sizeof(file); n++) {
		struct networks *w = networks_parse("f", file, n);

		ck_assert_ptr_nonnull(w);
		ck_assert_uint_le(w->n, 4);
		networks_free(w);
	}
	said_end(&said);
}
END_TEST

START_TEST(long_lines_are_skipped)
{
	char text[2048];
	struct said said;
	struct networks *w;

	said_start(&said);
	memset(text, '1', sizeof(text));
	w = networks_parse("f", text, sizeof(text));
	ck_assert_uint_eq(w->skipped, 1);
	ck_assert(strstr(said.text.s, "at most 2047") != NULL);
	networks_free(w);
	said_end(&said);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
	struct said said;

	said_start(&said);
	ck_assert_ptr_null(networks_load("n.conf:4: networks_file", "/nonexistent/networks"));
	ck_assert_str_eq(said.text.s,
		"E n.conf:4: networks_file: \"/nonexistent/networks\": cannot be read: No such "
		"file or directory\n");
	ck_assert_ptr_null(numbers_load("ports_file", "/dev", NUMBERS_PORTS));
	ck_assert(strstr(said.text.s,
			  "E ports_file: \"/dev\": cannot be read: not a regular file") != NULL);
	said_end(&said);
}
END_TEST

static const struct {
	enum number_kind kind;
	const char *text;
	size_t n, skipped;
	unsigned has, has_not;
} numbers[] = {
	{ NUMBERS_PORTS, "0\n80\n443\n80\n65535\n65536\nhttp\n-1\n", 4, 3, 65535, 81 },
	{ NUMBERS_PROTOS, "tcp\n17\nUDP\nesp\n256\nfoo\n! icmp\n", 3, 2, 50, 1 },
	{ NUMBERS_TOS, "0\n184\n255\n256\n", 3, 1, 184, 183 },
	{ NUMBERS_PORTS, "", 0, 0, 99999, 0 },
};

START_TEST(reads_numbers)
{
	struct said said;
	struct number_set *s;

	said_start(&said);
	s = numbers_parse("f", numbers[_i].text, strlen(numbers[_i].text), numbers[_i].kind);
	ck_assert_uint_eq(s->n, numbers[_i].n);
	ck_assert_uint_eq(s->skipped, numbers[_i].skipped);
	ck_assert(numbers[_i].has > 65535 || numbers_has(s, numbers[_i].has));
	ck_assert(!numbers_has(s, numbers[_i].has_not));
	free(s);
	said_end(&said);
}
END_TEST

START_TEST(reads_senders)
{
	const char text[] = "10.0.0.1\n192.0.2.0/24\nrouter\n";
	struct said said;
	struct networks *w;
	struct addr in, out;

	said_start(&said);
	w = senders_parse("allow", text, sizeof(text) - 1);
	ck_assert(addr_parse(&in, "10.0.0.1") && addr_parse(&out, "10.0.0.2"));
	ck_assert(networks_find(w, &in) && !networks_find(w, &out));
	ck_assert(strstr(said.text.s,
			  "allow:3: \"router\": line skipped, expected an address or prefix/len") !=
		NULL);
	networks_free(w);
	w = senders_parse("allow", "", 0);	/* an empty file refuses all */
	ck_assert(!networks_find(w, &in));
	networks_free(w);
	said_end(&said);
}
END_TEST

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_networks(void)
{
	Suite *s = suite_create("networks");
	TCase *t = tcase_create("networks");

	LOOP(t, reads_lines, lines);
	LOOP(t, finds_the_longest, finds);
	tcase_add_test(t, survives_any_cut);
	tcase_add_test(t, long_lines_are_skipped);
	tcase_add_test(t, a_missing_file_is_an_error);
	LOOP(t, reads_numbers, numbers);
	tcase_add_test(t, reads_senders);
	suite_add_tcase(s, t);
	return s;
}
