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
	bool sampled;
} matches[] = {
	{ "ip", false, -1, true, false },
	{ "ip6", false, -1, false, false },
	{ "ip6", true, -1, true, false },
	{ "tcp dst port 443", false, -1, true, false },
	{ "tcp dst port 443", true, -1, true, false },
	{ "udp", false, -1, false, false },
	{ "src net 10.0.0.0/8", false, -1, true, false },
	{ "dst net 10.0.0.0/8", false, -1, false, false },
	{ "src net 2001:db8::/32", true, -1, true, false },
	/* Who does not ask for VLANs sees none (1.7.7: none below 256), but in sampled frames. */
	{ "ip", false, 5, true, false },
	{ "ip", false, 300, true, false },
	{ "ip", false, 5, false, true },
	{ "src net 10.0.0.0/8", false, 5, true, false },
	{ "src net 10.0.0.0/8 or (vlan and src net 10.0.0.0/8)", false, 5, true, false },
	/* Behind a tag "ip" is another offset; VLAN 0 is no tag. */
	{ "ip and not vlan", false, 5, false, false },
	{ "vlan 5 and ip", false, 5, true, true },
	{ "ip", false, 0, true, true },
	{ "vlan 5 and ip", false, 5, true, false },
	{ "vlan 6 and ip", false, 5, false, false },
	{ "ip", false, 0, true, false },
	{ "ip6", true, 0, true, false },
	{ "vlan", true, 0, false, false },
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
	ck_assert_msg(filter_match(f, &r, matches[_i].sampled) == matches[_i].match, "\"%s\", vlan %d",
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

/*
 * Labels: as Debian's nfacctd 1.7.7 puts them in front of IP, for an expression that asks for
 * them; one that does not sees the packet behind them.
 */
static const struct {
	const char *expression;
	uint32_t top, bottom;
	int vlan;
	bool match;
} labelled[] = {
	{ "mpls", 100, 0, -1, true },
	{ "mpls 100", 100, 0, -1, true },
	{ "mpls 101", 100, 0, -1, false },
	{ "mpls 100 and ip", 100, 100, -1, true },
	{ "mpls and tcp dst port 443", 100, 0, -1, true },
	{ "mpls and mpls", 100, 100, -1, false },
	{ "mpls 100 and mpls 200", 100, 200, -1, true },
	{ "mpls 100 and mpls 200 and src net 10.0.0.0/8", 100, 200, -1, true },
	{ "mpls 200", 100, 200, -1, false },
	{ "mpls 200", 0, 200, -1, true },
	{ "mpls", 0, 0, -1, false },
	{ "not mpls", 100, 0, -1, false },
	{ "vlan 5 and mpls 100 and ip", 100, 0, 5, true },
	{ "vlan 5 and mpls 100", 100, 0, 6, false },
	{ "ip or (mpls and ip)", 100, 200, -1, false },
	{ "ip or (mpls and mpls and ip)", 100, 200, -1, true },
	{ "ip or (mpls and ip)", 0, 0, -1, true },
	{ "ip", 100, 200, -1, true },
	{ "tcp dst port 443", 100, 0, -1, true },
};

START_TEST(sees_labels_when_asked)
{
	struct flow_record r = flow_record_empty;
	char why[256];
	struct filter *f = filter_new(labelled[_i].expression, why);

	ck_assert_msg(f != NULL, "%s", why);
	r.src = addr_make4(0x0a000001);
	r.dst = addr_make4(0xc0000201);
	r.present |= FLOW_BIT(src) | FLOW_BIT(dst);
	flow_set(&r, FLOW_proto, 6);
	flow_set(&r, FLOW_dst_port, 443);
	flow_set(&r, FLOW_octets, 1000);
	flow_set(&r, FLOW_mpls_top, labelled[_i].top);
	flow_set(&r, FLOW_mpls_bottom, labelled[_i].bottom);
	if (labelled[_i].vlan >= 0)
		flow_set(&r, FLOW_vlan, (uint64_t)labelled[_i].vlan);
	ck_assert_msg(filter_match(f, &r, false) == labelled[_i].match, "\"%s\", labels %u, %u, vlan %d",
		labelled[_i].expression, labelled[_i].top, labelled[_i].bottom, labelled[_i].vlan);
	filter_free(f);
}
END_TEST

Suite *suite_filter(void)
{
	Suite *s = suite_create("filter");
	TCase *t = tcase_create("filter");

	tcase_add_loop_test(t, matches_records, 0, (int)(sizeof(matches) / sizeof(matches[0])));
	tcase_add_loop_test(t, sees_labels_when_asked, 0, (int)(sizeof(labelled) / sizeof(labelled[0])));
	tcase_add_test(t, says_what_is_wrong);
	suite_add_tcase(s, t);
	return s;
}
