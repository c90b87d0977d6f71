/*
 * check_filter.c - libpcap expressions on flow records.
 */
#include <check.h>
#include "net/filter.h"

Suite *suite_filter(void);

/* A TCP flow to port 443, of one family, tagged or not. */
static const struct {
	const char *expression;
	bool v6;
	int vlan;	/* -1: the record has none */
	bool match;
} matches[] = {
	{ "ip", false, -1, true },
	{ "ip6", false, -1, false },
	{ "ip6", true, -1, true },
	{ "tcp dst port 443", false, -1, true },
	{ "tcp dst port 443", true, -1, true },
	{ "udp", false, -1, false },
	{ "src net 10.0.0.0/8", false, -1, true },
	{ "dst net 10.0.0.0/8", false, -1, false },
	{ "src net 2001:db8::/32", true, -1, true },
	/* Behind a tag "ip" is another offset; VLAN 0 is no tag. */
	{ "ip", false, 5, false },
	{ "vlan 5 and ip", false, 5, true },
	{ "vlan 6 and ip", false, 5, false },
	{ "ip", false, 0, true },
	{ "ip6", true, 0, true },
	{ "vlan", true, 0, false },
};

START_TEST(matches_records)
{
	struct flow_record r = flow_record_empty;
	char why[256];
	struct filter *f = filter_new(matches[_i].expression, why);

	ck_assert_msg(f != NULL, "%s", why);
	r.src = addr_make4(0x0a000001);
	r.dst = addr_make4(0xc0000201);
	if (matches[_i].v6) {
		r.src = (struct addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
		r.dst = (struct addr){ .b = { 0x20, 1, 0xd, 0xb9, [15] = 1 } };
	}
	r.present |= FLOW_BIT(src) | FLOW_BIT(dst);
	flow_set(&r, FLOW_proto, 6);
	flow_set(&r, FLOW_dst_port, 443);
	flow_set(&r, FLOW_octets, 1000);
	if (matches[_i].vlan >= 0)
		flow_set(&r, FLOW_vlan, (uint64_t)matches[_i].vlan);
	ck_assert_msg(filter_match(f, &r) == matches[_i].match, "\"%s\", vlan %d",
		matches[_i].expression, matches[_i].vlan);
	filter_free(f);
}
END_TEST

START_TEST(says_what_is_wrong)
{
	char why[256] = "";

	ck_assert_ptr_null(filter_new("port telephone", why));
	ck_assert_str_ne(why, "");
	filter_free(NULL);
}
END_TEST

Suite *suite_filter(void)
{
	Suite *s = suite_create("filter");
	TCase *t = tcase_create("filter");

	tcase_add_loop_test(t, matches_records, 0, (int)(sizeof(matches) / sizeof(matches[0])));
	tcase_add_test(t, says_what_is_wrong);
	suite_add_tcase(s, t);
	return s;
}
