/*
 * check_tagmap.c - pre_tag_map, sampling_map and the pre_tag filters: collector.md
 * 5.4, the examples of pmacct's pretag.map, and rows observed with pmacct 1.7.7.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "nfacctd/labels.h"
#include "nfacctd/tagmap.h"
#include "tests/base/said.h"

Suite *suite_tagmap(void);

/* From 127.0.0.5, domain 258 (engine type 1, id 2): in 5, out 7, tcp 10.0.0.1:1024 -> 8.8.8.8:443,
 * AS 64501. */
static void make_record(struct flow_origin *o, struct flow_record *r)
{
	memset(o, 0, sizeof(*o));
	*r = flow_record_empty;
	o->exporter = addr_make4(0x7f000005);
	o->domain = 258;
	flow_set(r, FLOW_in_if, 5);
	flow_set(r, FLOW_out_if, 7);
	flow_set(r, FLOW_src_as, 64501);
	flow_set(r, FLOW_proto, 6);
	flow_set(r, FLOW_src_port, 1024);
	flow_set(r, FLOW_dst_port, 443);
	flow_set(r, FLOW_tcp_flags, 0x12);
	flow_set(r, FLOW_octets, 1000);
	flow_set(r, FLOW_packets, 10);
	r->src = addr_make4(0x0a000001);
	r->dst = addr_make4(0x08080808);
	r->next_hop = addr_make4(0xc0000201);
	r->src_mac[5] = 1;
	r->present |= FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop) | FLOW_BIT(src_mac);
}

/* What a record of some kind matches, as pmacct 1.7.7 does where nothing else is said. */
static const struct {
	const char *condition;
	uint8_t protocol;
	uint16_t set_id;
	int status;		/* -1: none */
	uint8_t mac;		/* first octet of the destination's, the others 1, or 255: all */
	bool v6, mpls, event, options, holds;
} kinds[] = {
	{ "sample_type=flow", PROTO_NETFLOW5, 0, -1, 0, false, false, false, false, true },
	{ "sample_type=flow", PROTO_IPFIX, 0, -1, 0, true, true, false, false, true },
	{ "sample_type=flow", PROTO_IPFIX, 0, -1, 0, false, false, true, false, false },
	{ "sample_type=flow", PROTO_IPFIX, 0, -1, 0, false, false, true, true, false },
	{ "sample_type=flow-ipv4", PROTO_IPFIX, 0, -1, 0, false, false, false, false, true },
	{ "sample_type=flow-ipv4", PROTO_IPFIX, 0, -1, 0, false, true, false, false, false },
	{ "sample_type=flow-ipv4", PROTO_IPFIX, 0, -1, 0, true, false, false, false, false },
	{ "sample_type=flow-ipv6", PROTO_IPFIX, 0, -1, 0, true, false, false, false, true },
	{ "sample_type=flow-mpls-ipv4", PROTO_IPFIX, 0, -1, 0, false, true, false, false, true },
	/* 1.7.7: any record of IPv6 */
	{ "sample_type=flow-mpls-ipv4", PROTO_IPFIX, 0, -1, 0, true, false, false, false, false },
	{ "sample_type=flow-mpls-ipv6", PROTO_IPFIX, 0, -1, 0, true, true, false, false, true },
	{ "sample_type=event", PROTO_IPFIX, 0, -1, 0, false, false, true, false, true },
	{ "sample_type=event", PROTO_IPFIX, 0, -1, 0, false, false, false, false, false },
	{ "sample_type=event", PROTO_IPFIX, 0, -1, 0, false, false, true, true, false },
	{ "sample_type=option", PROTO_IPFIX, 0, -1, 0, false, false, true, true, true },
	{ "sample_type=option", PROTO_IPFIX, 0, -1, 0, false, false, true, false, false },
	{ "sample_type=0:1", PROTO_SFLOW, 1, -1, 0, false, false, false, false, true },
	{ "sample_type=0:1", PROTO_SFLOW, 3, -1, 0, false, false, false, false, false },
	{ "sample_type=0:3", PROTO_SFLOW, 3, -1, 0, false, false, false, false, true },
	{ "sample_type=0:3", PROTO_IPFIX, 3, -1, 0, false, false, false, false, false },
	{ "sample_type=flow", PROTO_SFLOW, 1, -1, 0, false, false, false, false, false },
	{ "flowset_id=256", PROTO_IPFIX, 256, -1, 0, false, false, false, false, true },
	{ "flowset_id=-256", PROTO_IPFIX, 256, -1, 0, false, false, false, false, false },
	{ "flowset_id=-256", PROTO_IPFIX, 257, -1, 0, false, false, false, false, true },
	{ "flowset_id=-256", PROTO_NETFLOW5, 0, -1, 0, false, false, false, false, false },
	{ "flowset_id=3", PROTO_SFLOW, 3, -1, 0, false, false, false, false, false },
	{ "fwdstatus=64", PROTO_IPFIX, 0, 64, 0, false, false, false, false, true },
	{ "fwdstatus=64", PROTO_IPFIX, 0, 65, 0, false, false, false, false, true },
	{ "fwdstatus=64", PROTO_IPFIX, 0, 128, 0, false, false, false, false, false },
	{ "fwdstatus=65", PROTO_IPFIX, 0, 64, 0, false, false, false, false, false },
	{ "fwdstatus=130", PROTO_IPFIX, 0, 130, 0, false, false, false, false, true },
	{ "fwdstatus=0", PROTO_IPFIX, 0, -1, 0, false, false, false, false, false },
	{ "fwdstatus=-64", PROTO_IPFIX, 0, -1, 0, false, false, false, false, false },
	{ "fwdstatus=-64", PROTO_IPFIX, 0, 65, 0, false, false, false, false, false },
	{ "fwdstatus=-64", PROTO_IPFIX, 0, 130, 0, false, false, false, false, true },
	{ "is_multicast=true", PROTO_IPFIX, 0, -1, 1, false, false, false, false, true },
	{ "is_multicast=true", PROTO_IPFIX, 0, -1, 2, false, false, false, false, false },
	{ "is_multicast=true", PROTO_IPFIX, 0, -1, 255, false, false, false, false, false },
	{ "is_multicast=false", PROTO_IPFIX, 0, -1, 255, false, false, false, false, true },
	{ "nat_event=0", PROTO_IPFIX, 0, -1, 0, false, false, false, false, true },
	{ "nat_event=4", PROTO_IPFIX, 0, -1, 0, false, false, false, false, false },
};

START_TEST(tells_kinds)
{
	struct tag_view view = { 0 };
	struct flow_origin o;
	struct flow_record r;
	char line[96];
	struct said said;
	struct tagmap *m;
	struct tags t;

	said_start(&said);
	snprintf(line, sizeof(line), "set_tag=1 %s", kinds[_i].condition);
	m = tagmap_parse("m", line, strlen(line), TAGMAP_PRE_TAG);
	ck_assert_uint_eq(tagmap_rules(m), 1);
	make_record(&o, &r);
	o.protocol = kinds[_i].protocol;
	o.set_id = kinds[_i].set_id;
	o.options = kinds[_i].options;
	if (kinds[_i].v6)
		ck_assert(addr_parse(&r.src, "2001:db8::1"));
	if (kinds[_i].mpls)
		flow_set(&r, FLOW_mpls_top, 20);
	if (kinds[_i].status >= 0)
		flow_set(&r, FLOW_fwd_status, (uint64_t)kinds[_i].status);
	if (kinds[_i].event) {
		r.octets = r.packets = 0;
		r.present &= ~(FLOW_BIT(octets) | FLOW_BIT(packets));
	}
	memset(r.dst_mac, kinds[_i].mac == 255 ? 255 : 1, sizeof(r.dst_mac));
	r.dst_mac[0] = kinds[_i].mac;
	r.present |= FLOW_BIT(dst_mac);
	tagmap_find(m, &view, &o, &r, &t);
	ck_assert_msg(t.tag == kinds[_i].holds, "%s [%d]", kinds[_i].condition, _i);
	said_end(&said);
	tag_view_clear(&view);
	tagmap_free(m);
}
END_TEST

#define ANY "ip=0.0.0.0/0 "

static const struct {
	const char *map;
	uint64_t tag, tag2;
	const char *label;
	int tos;	/* -1: not set */
} finds[] = {
	{ "", 0, 0, "", -1 },
	{ "set_tag=10 ip=127.0.0.5 in=5\n", 10, 0, "", -1 },
	{ "id=10 ip=127.0.0.5\n", 10, 0, "", -1 },
	{ "! comment\n# too\n\n set_tag=10\tip=127.0.0.0/24 \r\n", 10, 0, "", -1 },
	{ "set_tag=10 ip=127.0.0.6\nset_tag=11\n", 11, 0, "", -1 },
	{ "set_tag=10 in=6\nset_tag=11 in=5 out=8\nset_tag=12 in=5 out=7\n", 12, 0, "", -1 },
	{ "set_tag=1 in=5\nset_tag=2 out=7\n", 1, 0, "", -1 },
	{ "set_tag=1 in=-5\nset_tag=2 in=-6\n", 2, 0, "", -1 },
	{ "set_tag=18446744073709551615\n", UINT64_MAX, 0, "", -1 },
	/* observed: tag 10, tag2 20 */
	{ "set_tag=10 ip=127.0.0.5 in=5 jeq=x\nset_tag=99\nset_tag2=20 out=7 label=x\n", 10, 20, "",
		-1 },
	/* example 2 of pretag.map */
	{ "set_tag=11000 in=5 jeq=eval_out\nset_tag=100 out=6 label=eval_out "
	  "stack=sum\nset_tag=101 out=7 stack=sum\n",
		11101, 0, "", -1 },
	{ "set_tag=6 jeq=next\nset_tag=9 stack=or\n", 15, 0, "", -1 },
	{ "set_tag=6 jeq=next\nset_tag=9\n", 9, 0, "", -1 },
	{ "set_label=blabla " ANY "jeq=blabla2\nset_label=blabla2 " ANY "label=blabla2\n", 0, 0,
		"blabla,blabla2", -1 },
	{ "set_label=hello filter='src net 10.0.0.0/8'\n", 0, 0, "hello", -1 },
	{ "set_label=hello filter='udp or src net 11.0.0.0/8'\nset_tag=3 filter=\"tcp port 443\"\n",
		3, 0, "", -1 },
	{ "set_tos=184 in=5 jeq=next\nset_tag=1\n", 1, 0, "", 184 },
	{ "set_tag=1 engine_type=1 engine_id=2 source_id=258\n", 1, 0, "", -1 },
	{ "set_tag=1 nexthop=192.0.2.1 src_net=10.0.0.0/8 dst_net=8.8.8.8\n", 1, 0, "", -1 },
	{ "set_tag=1 src_as=-64501\nset_tag=2 src_as=64501 ip_proto=tcp src_port=1024 "
	  "dst_port=443\n",
		2, 0, "", -1 },
	{ "set_tag=1 tcp_flags=0x12 src_mac=00:00:00:00:00:01\n", 1, 0, "", -1 },
	{ "set_tag=1 direction=0\nset_tag=2 direction=1\nset_tag=3 direction=-1\n", 3, 0, "", -1 },
	/* A jump goes forward only. */
	{ "set_tag=1 label=up\nset_tag=2\n", 1, 0, "", -1 },
	{ "set_tag=1 label=up jeq=next\nset_tag=2 jeq=up\n", 2, 0, "", -1 },
};

START_TEST(finds_rules)
{
	struct tag_view view = { 0 };
	struct flow_record r;
	struct flow_origin o;
	struct said said;
	struct tagmap *m;
	struct tags t;

	said_start(&said);
	m = tagmap_parse("m", finds[_i].map, strlen(finds[_i].map), TAGMAP_PRE_TAG);
	make_record(&o, &r);
	tagmap_find(m, &view, &o, &r, &t);
	ck_assert_msg(t.tag == finds[_i].tag && t.tag2 == finds[_i].tag2,
		"%s: tag %llu, tag2 %llu; %s", finds[_i].map, (unsigned long long)t.tag,
		(unsigned long long)t.tag2, said.text.s);
	ck_assert_str_eq(label_text(t.label), finds[_i].label);
	ck_assert_int_eq(t.has_tos ? t.tos : -1, finds[_i].tos);
	said_end(&said);
	tag_view_clear(&view);
	tagmap_free(m);
}
END_TEST

static const struct {
	const char *line, *said;
	enum tagmap_kind kind;
} wrong[] = {
	{ "set_tag=x", "m:1: \"set_tag=x\": line skipped, expected a number, or a number and ++",
		TAGMAP_PRE_TAG },
	{ "set_tag=1 in=", "expected a number", TAGMAP_PRE_TAG },
	{ "set_tag=1 in=4294967296", "expected a number up to 4294967295", TAGMAP_PRE_TAG },
	{ "set_tag = 1", "without blanks around =", TAGMAP_PRE_TAG },
	{ "set_tag=1 ip=nowhere", "an address or prefix", TAGMAP_PRE_TAG },
	{ "set_tag=1 ip=-10.0.0.1", "an address or prefix", TAGMAP_PRE_TAG },
	{ "set_tag=1 direction=2", "0 (ingress) or 1 (egress)", TAGMAP_PRE_TAG },
	{ "set_tag=1 filter='tcp", "a closing quote", TAGMAP_PRE_TAG },
	{ "set_tag=1 filter='tpc'", "m:1: \"set_tag=1 filter='tpc'\": line skipped",
		TAGMAP_PRE_TAG },
	{ "set_tag=1 sample_type=flows", "expected flow, flow-ipv4", TAGMAP_PRE_TAG },
	{ "set_tag=1 sample_type=1:1", "sFlow: 0:1 or 0:3", TAGMAP_PRE_TAG },
	{ "set_tag=1 sample_type=-flow", "expected flow, flow-ipv4", TAGMAP_PRE_TAG },
	{ "set_tag=1 is_multicast=yes", "expected true or false", TAGMAP_PRE_TAG },
	{ "set_tag=1 fwdstatus=256", "expected a number up to 255", TAGMAP_PRE_TAG },
	{ "set_tag=1 flowset_id=65536", "expected a number up to 65535", TAGMAP_PRE_TAG },
	{ "set_tag=1 colour=red", "a key that this map has", TAGMAP_PRE_TAG },
	{ "set_tag=1 return=true jeq=next", "count a record twice", TAGMAP_PRE_TAG },
	{ "set_tag=1 is_bi_flow=true", "is two flows here", TAGMAP_PRE_TAG },
	{ "set_tag=1 comms=65000:1", "there is no BGP thread", TAGMAP_PRE_TAG },
	{ "set_tga=1 in=3", "for \"set_tga\" perhaps \"set_tag\"", TAGMAP_PRE_TAG },
	{ "set_tag=1 stack=and", "stack=sum or stack=or", TAGMAP_PRE_TAG },
	{ "set_tos=256", "set_tos=0 to 255", TAGMAP_PRE_TAG },
	{ "ip=10.0.0.1", "something to set", TAGMAP_PRE_TAG },
	{ "set_label=0123456789012345678901234567890123456789012345678901234567890123",
		"1 to 63 characters", TAGMAP_PRE_TAG },
	{ "ip=10.0.0.1", "id= with the sampling interval", TAGMAP_SAMPLING },
	{ "id=0 ip=10.0.0.1", "id= with the sampling interval", TAGMAP_SAMPLING },
	{ "id=4294967296", "a sampling interval", TAGMAP_SAMPLING },
};

START_TEST(skips_lines)
{
	struct said said;
	struct tagmap *m;

	said_start(&said);
	m = tagmap_parse("m", wrong[_i].line, strlen(wrong[_i].line), wrong[_i].kind);
	ck_assert_msg(strstr(said.text.s, wrong[_i].said) != NULL, "%s: says %s", wrong[_i].line,
		said.text.s);
	ck_assert_uint_eq(tagmap_rules(m), 0);
	ck_assert_uint_eq(tagmap_skipped(m), 1);
	said_end(&said);
	tagmap_free(m);
}
END_TEST

/* What is no line of text: said by what is wrong with it, and with its beginning. */
START_TEST(skips_what_is_no_line)
{
	char line[2100] = "\0set_tag=1 in=3";
	struct said said;
	struct tagmap *m;

	said_start(&said);
	tagmap_free(tagmap_parse("m", line, 15, TAGMAP_PRE_TAG));
	ck_assert_msg(strstr(said.text.s, "m:1: \"?set_tag=1 in=3\": line skipped, expected a line "
					  "without NUL octets") != NULL, "%s", said.text.s);
	memset(line, 'a', sizeof(line));
	m = tagmap_parse("n", line, 2048, TAGMAP_PRE_TAG);
	ck_assert_msg(strstr(said.text.s, "expected a line of at most 2047 characters") != NULL, "%s",
		said.text.s);
	ck_assert_uint_eq(tagmap_skipped(m), 1);
	said_end(&said);
	tagmap_free(m);
}
END_TEST

START_TEST(jump_into_nothing)
{
	static const char text[] = "set_tag=1 label=a\nset_tag=2 jeq=a\n";
	struct said said;
	struct tagmap *m;

	said_start(&said);
	m = tagmap_parse("m", text, strlen(text), TAGMAP_PRE_TAG);
	ck_assert_msg(strstr(said.text.s, "m:2: jeq=a: no rule below has label=a") != NULL, "%s",
		said.text.s);
	ck_assert_uint_eq(tagmap_skipped(m), 1);
	said_end(&said);
	tagmap_free(m);
}
END_TEST

/* A view made for one map and exporter serves neither another exporter nor a new map. */
START_TEST(views_follow)
{
	static const char text[] = "set_tag=1++ ip=127.0.0.5\nset_tag=50 ip=127.0.0.6\n";
	struct tagmap *m = tagmap_parse("m", text, strlen(text), TAGMAP_PRE_TAG), *other;
	struct tag_view view = { 0 };
	struct flow_record r;
	struct flow_origin o;
	struct tags t;

	make_record(&o, &r);
	for (uint64_t i = 1; i <= 3; i++) {
		tagmap_find(m, &view, &o, &r, &t);
		ck_assert_uint_eq(t.tag, i);
	}
	o.exporter = addr_make4(0x7f000006);
	tagmap_find(m, &view, &o, &r, &t);
	ck_assert_uint_eq(t.tag, 50);
	other = tagmap_parse("m", "set_tag=7", 9, TAGMAP_PRE_TAG);
	tagmap_find(other, &view, &o, &r, &t);
	ck_assert_uint_eq(t.tag, 7);
	tag_view_clear(&view);
	tagmap_free(m);
	tagmap_free(other);
}
END_TEST

static const struct {
	const char *list;
	uint64_t tag;
	bool passes;
} tag_lists[] = {
	{ "10", 10, true },
	{ "10", 11, false },
	{ "10,20-30", 25, true },
	{ "10, 20-30", 31, false },
	{ "20-30", 20, true },
	{ "20-30", 30, true },
	{ "0", 0, true },
	{ "0", 5, false },
	{ "-6", 6, false },
	{ "-6", 7, true },
	{ "-6", 0, true },
	{ "10,-6", 10, true },
	{ "10,-6", 6, false },
	{ "10,-6", 7, true },
	{ "-10-20", 15, false },
	{ "-10-20", 21, true },
};

START_TEST(filters_tags)
{
	const char *expected;
	struct tag_filter *f = tag_filter_new(tag_lists[_i].list, &expected);

	ck_assert_ptr_nonnull(f);
	ck_assert_msg(tag_filter_passes(f, tag_lists[_i].tag) == tag_lists[_i].passes, "%s: %llu",
		tag_lists[_i].list, (unsigned long long)tag_lists[_i].tag);
	tag_filter_free(f);
}
END_TEST

static const char *const bad_lists[] = { "", ",", "x", "10-", "-", "20-10", "1 2",
	"18446744073709551616" };

START_TEST(refuses_lists)
{
	const char *expected = NULL;

	ck_assert_ptr_null(tag_filter_new(bad_lists[_i], &expected));
	ck_assert_ptr_nonnull(expected);
}
END_TEST

static const struct {
	const char *list, *label;
	bool passes;
} label_lists[] = {
	{ "a", "a", true },
	{ "a", "ab", false },
	{ "ab", "a", false },
	{ "a,b", "b", true },
	{ "null", "", true },
	{ "null", "a", false },
	{ "-null", "", false },
	{ "-null", "a", true },
	{ "-a", "a", false },
	{ "-a", "", true },
	{ "a", "", false },
	{ "a, b", "b", true },
};

START_TEST(filters_labels)
{
	const char *expected;
	struct label_filter *f = label_filter_new(label_lists[_i].list, &expected);
	const uint32_t label = label_of(label_lists[_i].label, strlen(label_lists[_i].label));

	ck_assert_ptr_nonnull(f);
	ck_assert_msg(label_filter_passes(f, label) == label_lists[_i].passes, "%s: %s",
		label_lists[_i].list, label_lists[_i].label);
	label_filter_free(f);
}
END_TEST

START_TEST(keeps_labels)
{
	char text[LABEL_TEXT_MAX + 2];
	uint32_t first = label_of("first", 5), long_one;

	ck_assert_str_eq(label_text(first), "first");
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(text, sizeof(text), "label-%d", i);
		uint32_t l = label_of(text, (size_t)n);

		ck_assert_uint_ne(l, 0);
		ck_assert_str_eq(label_text(l), text);
		ck_assert_uint_eq(label_of(text, (size_t)n), l);
	}
	ck_assert_uint_eq(label_of("first", 5), first);
	memset(text, 'x', sizeof(text));
	ck_assert_uint_eq(label_of(text, LABEL_TEXT_MAX + 1), 0);
	long_one = label_of(text, LABEL_TEXT_MAX);
	ck_assert_uint_ne(long_one, 0);
	/* What would be too long is not cut. */
	ck_assert_uint_eq(label_join(long_one, first), long_one);
	ck_assert_str_eq(label_text(label_join(first, first)), "first,first");
	ck_assert_uint_eq(label_join(0, first), first);
}
END_TEST

Suite *suite_tagmap(void)
{
	Suite *s = suite_create("tagmap");
	TCase *t = tcase_create("tagmap");

#define ROWS(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))
	tcase_add_loop_test(t, tells_kinds, 0, sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_loop_test(t, finds_rules, 0, ROWS(finds));
	tcase_add_loop_test(t, skips_lines, 0, ROWS(wrong));
	tcase_add_test(t, skips_what_is_no_line);
	tcase_add_test(t, jump_into_nothing);
	tcase_add_test(t, views_follow);
	tcase_add_loop_test(t, filters_tags, 0, ROWS(tag_lists));
	tcase_add_loop_test(t, refuses_lists, 0, ROWS(bad_lists));
	tcase_add_loop_test(t, filters_labels, 0, ROWS(label_lists));
	tcase_add_test(t, keeps_labels);
	suite_add_tcase(s, t);
	return s;
}
