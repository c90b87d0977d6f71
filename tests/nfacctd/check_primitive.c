/*
 * check_primitive.c - aggregate lists, key layouts, and the text of keys.  The
 * words are the reference's (its -a list and collector.md 5.3), protocol names
 * those of collector.md 9.7.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "nfacctd/primitive.h"

Suite *suite_primitive(void);

#define BIT(name) (UINT64_C(1) << PRIM_ID_##name)

static const struct {
	const char *list;
	bool ok;
	uint64_t set;
	enum sum_kind sum;
	bool flows, tcpflags, none;
	const char *why;	/* part of what is said; "" nothing */
} lists[] = {
	{ "src_host", true, BIT(src_host), SUM_NONE, false, false, false, "" },
	{ " src_host , dst_host ", true, BIT(src_host) | BIT(dst_host), SUM_NONE, false, false,
		false, "" },
	{ "dst_host, in_iface, out_iface", true, BIT(dst_host) | BIT(in_iface) | BIT(out_iface),
		SUM_NONE, false, false, false, "" },
	{ "src_host,src_host,", true, BIT(src_host), SUM_NONE, false, false, false, "" },
	{ "proto,tcpflags,flows", true, BIT(proto), SUM_NONE, true, true, false, "" },
	{ "none", true, 0, SUM_NONE, false, false, true, "" },
	{ "", true, BIT(src_host), SUM_NONE, false, false, false, "src_host is taken" },
	{ " , ", true, BIT(src_host), SUM_NONE, false, false, false, "src_host is taken" },
	{ "sum_host", true, BIT(src_host), SUM_HOST, false, false, false, "" },
	{ "sum", true, BIT(src_host), SUM_HOST, false, false, false, "" },
	{ "sum_net", true, BIT(src_net), SUM_NET, false, false, false, "" },
	{ "sum_as", true, BIT(src_as), SUM_AS, false, false, false, "" },
	{ "sum_port", true, BIT(src_port), SUM_PORT, false, false, false, "" },
	{ "sum_mac", true, BIT(src_mac), SUM_MAC, false, false, false, "" },
	{ "sum_host,flows,tag,tag2,class", true, BIT(src_host) | BIT(tag) | BIT(tag2) | BIT(class),
		SUM_HOST, true, false, false, "" },
	{ "sum_host,dst_port,tcpflags", true, BIT(src_host), SUM_HOST, false, false, false,
		"sum_host stands alone" },
	{ "SRC_Host,NONE,Flows", true, BIT(src_host), SUM_NONE, true, false, true, "" },
	{ "src_hots", false, 0, SUM_NONE, false, false, false,
		"\"src_hots\", did you mean \"src_host\"" },
	{ "src_host!x", false, 0, SUM_NONE, false, false, false, "\"src_host!x\"" },
	{ "src_host dst_host", false, 0, SUM_NONE, false, false, false, "\"src_hostdst_host\"" },
	{ "xyzzy", false, 0, SUM_NONE, false, false, false, "unknown primitive \"xyzzy\"" },
};

START_TEST(reads_lists)
{
	struct aggregate_spec a = { .set = 99 };
	char why[160] = "?";

	ck_assert_msg(aggregate_parse(&a, lists[_i].list, why, sizeof(why)) == lists[_i].ok,
		"%s: %s", lists[_i].list, why);
	ck_assert_msg(strstr(why, lists[_i].why) && !lists[_i].why[0] == !why[0], "%s: says \"%s\"",
		lists[_i].list, why);
	if (!lists[_i].ok) {
		ck_assert_uint_eq(a.set, 99);
		return;
	}
	ck_assert_uint_eq(a.set, lists[_i].set);
	ck_assert_int_eq(a.sum, lists[_i].sum);
	ck_assert(a.flows == lists[_i].flows && a.tcpflags == lists[_i].tcpflags &&
		a.none == lists[_i].none);
}
END_TEST

static struct key_layout layout_of(const char *list)
{
	struct aggregate_spec a;
	struct key_layout l;
	char why[160];

	ck_assert(aggregate_parse(&a, list, why, sizeof(why)));
	key_layout_make(&l, &a);
	return l;
}

static const struct {
	const char *list;
	size_t fields, size;
} layouts[] = {
	{ "none", 0, 0 },
	{ "proto", 1, 8 },
	{ "src_host", 1, 16 },
	{ "sum_host", 1, 16 },
	{ "dst_host,in_iface,out_iface", 3, 24 },
	{ "src_host,dst_host,src_port,dst_port,proto,tos", 6, 40 },
	{ "src_mac,dst_mac,vlan,etype", 4, 16 },
	{ "timestamp_start,timestamp_arrival", 2, 16 },
};

START_TEST(lays_out_keys)
{
	struct key_layout l = layout_of(layouts[_i].list);
	size_t at = 0;

	ck_assert_uint_eq(l.nfields, layouts[_i].fields);
	ck_assert_uint_eq(l.size, layouts[_i].size);
	for (size_t i = 0; i < l.nfields; i++) {
		ck_assert_uint_eq(l.field[i].offset, at);
		at += l.field[i].width;
		ck_assert(i == 0 || l.field[i].primitive > l.field[i - 1].primitive);
		ck_assert_ptr_eq(key_layout_find(&l, l.field[i].primitive), &l.field[i]);
	}
	ck_assert(l.size - at < 8);
	ck_assert_ptr_null(key_layout_find(&l, PRIM_ID_label));
}
END_TEST

/* A key of one primitive and how it reads. */
static const struct {
	const char *primitive;
	uint8_t bytes[16];
	uint64_t number;	/* 0: `bytes` */
	struct print_style style;
	const char *text;
} texts[] = {
	{ "proto", { 0 }, 6, { 0 }, "tcp" },
	{ "proto", { 0 }, 6, { .num_protos = true }, "6" },
	{ "proto", { 0 }, 58, { 0 }, "ipv6-icmp" },
	{ "proto", { 0 }, 58, { .proto_width = 6 }, "58" },
	{ "proto", { 0 }, 58, { .proto_width = 9 }, "ipv6-icmp" },
	{ "proto", { 0 }, 61, { 0 }, "61" },
	{ "proto", { 0 }, 0, { 0 }, "0" },
	{ "src_port", { 0 }, 65535, { 0 }, "65535" },
	{ "in_iface", { 0 }, 4294967295, { 0 }, "4294967295" },
	{ "etype", { 0 }, 0x86dd, { 0 }, "86dd" },
	{ "etype", { 0 }, 0x800, { 0 }, "800" },
	{ "src_mac", { 0, 1, 2, 0xab, 0xcd, 0xef }, 0, { 0 }, "00:01:02:ab:cd:ef" },
	{ "src_host", { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 111, 222, 1, 2 }, 0, { 0 },
		"111.222.1.2" },
	{ "src_host", { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0 }, 0, { 0 },
		"0.0.0.0" },
	{ "src_host", { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 0, { 0 },
		"2001:db8::1" },
	{ "src_host", { 0 }, 0, { 0 }, "::" },
	{ "sampling_direction", { 0 }, 0, { 0 }, "i" },
	{ "sampling_direction", { 0 }, 1, { 0 }, "e" },
	{ "sampling_direction", { 0 }, 255, { 0 }, "u" },
	{ "tag", { 0 }, UINT64_MAX, { 0 }, "18446744073709551615" },
	{ "class", { 0 }, 0, { 0 }, "unknown" },
	{ "label", { 0 }, 0, { 0 }, "" },
	{ "timestamp_start", { 0 }, 1700000000123456, { 0 }, "2023-11-14 22:13:20.123456" },
	{ "timestamp_start", { 0 }, 1700000000123456, { .utc = true },
		"2023-11-14 22:13:20.123456" },
	{ "timestamp_start", { 0 }, 1700000000123456, { .utc = true, .rfc3339 = true },
		"2023-11-14T22:13:20.123456Z" },
	{ "timestamp_start", { 0 }, 1700000000000001, { .epoch = true }, "1700000000.000001" },
	{ "timestamp_start", { 0 }, 1700000000000001, { .epoch = true, .rfc3339 = true },
		"1700000000.000001" },
	/* As print of sfacctd 1.7.7 says it, and its client. */
	{ "timestamp_end", { 0 }, 0, { .utc = true }, "0000-00-00 00:00:00.000000" },
	{ "timestamp_end", { 0 }, 0, { .utc = true, .rfc3339 = true },
		"0000-00-00T00:00:00.000000Z" },
	{ "timestamp_end", { 0 }, 0, { .utc = true, .rfc3339 = true, .zero_is_1970 = true },
		"1970-01-01T00:00:00.000000Z" },
};

START_TEST(prints_keys)
{
	struct key_layout l = layout_of(texts[_i].primitive);
	uint8_t key[KEY_BYTES_MAX] = { 0 };
	char buf[PRIM_TEXT_MAX];
	uint64_t v = texts[_i].number;

	memcpy(key, v ? (const void *)&v : texts[_i].bytes, l.field[0].width);
	ck_assert_uint_eq(
		key_print(buf, &l.field[0], key, &texts[_i].style), strlen(texts[_i].text));
	ck_assert_str_eq(buf, texts[_i].text);
	if (v)
		ck_assert_uint_eq(key_number(&l.field[0], key), v);
}
END_TEST

static void utc(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
}

Suite *suite_primitive(void)
{
	Suite *s = suite_create("primitive");
	TCase *t = tcase_create("primitive");

	tcase_add_unchecked_fixture(t, utc, NULL);
	tcase_add_loop_test(t, reads_lists, 0, sizeof(lists) / sizeof(lists[0]));
	tcase_add_loop_test(t, lays_out_keys, 0, sizeof(layouts) / sizeof(layouts[0]));
	tcase_add_loop_test(t, prints_keys, 0, sizeof(texts) / sizeof(texts[0]));
	suite_add_tcase(s, t);
	return s;
}
