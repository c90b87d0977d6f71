/*
 * check_ie.c - the table of Information Elements against facts of the IANA
 * registry and RFC 3954, and its own order.
 */
#include <check.h>
#include <string.h>
#include "wire/ie.h"

Suite *suite_ie(void);

static const struct {
	uint16_t id;
	const char *name;
	int type, len, field;
} facts[] = {
	{ 1, "octetDeltaCount", IE_UINT, 8, FLOW_octets },
	{ 4, "protocolIdentifier", IE_UINT, 1, FLOW_proto },
	{ 6, "tcpControlBits", IE_UINT, 2, FLOW_tcp_flags },
	{ 8, "sourceIPv4Address", IE_ADDR4, 4, FLOW_src },
	{ 12, "destinationIPv4Address", IE_ADDR4, 4, FLOW_dst },
	{ 21, "flowEndSysUpTime", IE_UINT, 4, FLOW_last_us },
	{ 22, "flowStartSysUpTime", IE_UINT, 4, FLOW_first_us },
	{ 27, "sourceIPv6Address", IE_ADDR6, 16, FLOW_src },
	{ 32, "icmpTypeCodeIPv4", IE_UINT, 2, -1 },
	{ 56, "sourceMacAddress", IE_MAC, 6, FLOW_src_mac },
	{ 70, "mplsTopLabelStackSection", IE_OCTETS, 3, FLOW_mpls_top },
	{ 82, "interfaceName", IE_STRING, 0, -1 },
	{ 85, "octetTotalCount", IE_UINT, 8, FLOW_octets },
	{ 150, "flowStartSeconds", IE_SECONDS, 4, FLOW_first_us },
	{ 153, "flowEndMilliseconds", IE_MILLIS, 8, FLOW_last_us },
	{ 154, "flowStartMicroseconds", IE_MICROS, 8, FLOW_first_us },
	{ 157, "flowEndNanoseconds", IE_NANOS, 8, FLOW_last_us },
	{ 160, "systemInitTimeMilliseconds", IE_MILLIS, 8, -1 },
	{ 210, "paddingOctets", IE_OCTETS, 0, -1 },
	{ 231, "initiatorOctets", IE_UINT, 8, FLOW_octets },
	{ 276, "dataRecordsReliability", IE_BOOL, 1, -1 },
	{ 291, "basicList", IE_LIST, 0, -1 },
	{ 302, "selectorId", IE_UINT, 8, FLOW_sampler },
	{ 311, "samplingProbability", IE_FLOAT, 8, -1 },
	{ 352, "layer2OctetDeltaCount", IE_UINT, 8, FLOW_octets },
	{ 491, "bgpDestinationLargeCommunityList", IE_LIST, 0, -1 },
};

START_TEST(knows_facts)
{
	const struct ie *e = ie_find(PEN_IANA, facts[_i].id);

	ck_assert_ptr_nonnull(e);
	ck_assert_str_eq(e->name, facts[_i].name);
	ck_assert_uint_eq(e->pen, 0);
	ck_assert_int_eq(e->type, facts[_i].type);
	ck_assert_int_eq(e->len, facts[_i].len);
	ck_assert_int_eq(e->field, facts[_i].field);
	ck_assert_ptr_eq(ie_by_name(facts[_i].name), e);
	/* RFC 5103 6.1: the reverse Element is the same Element. */
	ck_assert_ptr_eq(ie_find(PEN_REVERSE, facts[_i].id), e);
	ck_assert_ptr_null(ie_find(9, facts[_i].id));
}
END_TEST

START_TEST(every_number_is_found_once)
{
	unsigned known = 0;

	for (unsigned id = 0; id <= UINT16_MAX; id++) {
		const struct ie *e = ie_find(PEN_IANA, (uint16_t)id);

		if (!e)
			continue;
		known++;
		ck_assert_uint_eq(e->id, id);
		ck_assert_msg(ie_by_name(e->name) == e, "%s stands twice", e->name);
		ck_assert_int_ge(e->field, -1);
		ck_assert_int_lt(e->field, FLOW_FIELDS);
	}
	/* 460 that IANA has assigned, 9 of Cisco's v9. */
	ck_assert_uint_eq(known, 460 + 9);
	/* Never assigned, or reserved (RFC 7012). */
	ck_assert_ptr_null(ie_find(PEN_IANA, 0));
	ck_assert_ptr_null(ie_find(PEN_IANA, 492));
	ck_assert_ptr_null(ie_find(PEN_IANA, 65535));
	ck_assert_ptr_null(ie_by_name("noSuchElement"));
	ck_assert_ptr_null(ie_by_name(""));
}
END_TEST

/* Types and members that cannot go together would be decoded wrongly. */
START_TEST(lands_where_it_fits)
{
	for (unsigned id = 0; id <= UINT16_MAX; id++) {
		const struct ie *e = ie_find(PEN_IANA, (uint16_t)id);
		bool addr = e && (e->type == IE_ADDR4 || e->type == IE_ADDR6);

		if (!e || e->field < 0)
			continue;
		ck_assert_msg(
			(flow_fields[e->field].kind == FLOW_KIND_ADDR) == addr, "%s", e->name);
		ck_assert_msg((flow_fields[e->field].kind == FLOW_KIND_MAC) == (e->type == IE_MAC),
			"%s", e->name);
		ck_assert_msg((e->field == FLOW_first_us || e->field == FLOW_last_us) ==
				((e->type >= IE_SECONDS && e->type <= IE_NANOS) || id == 21 ||
					id == 22 || id == 158 || id == 159),
			"%s", e->name);
	}
}
END_TEST

START_TEST(knows_vendors)
{
	const struct ie *e = ie_find(PEN_IANA, 40001);

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(e->field, FLOW_post_src);
	ck_assert_ptr_null(ie_find(PEN_IANA, 40006));
	ck_assert_ptr_null(ie_find(4294967295u, 1));
}
END_TEST

Suite *suite_ie(void)
{
	Suite *s = suite_create("ie");
	TCase *t = tcase_create("ie");

	tcase_add_loop_test(t, knows_facts, 0, sizeof(facts) / sizeof(facts[0]));
	tcase_add_test(t, every_number_is_found_once);
	tcase_add_test(t, lands_where_it_fits);
	tcase_add_test(t, knows_vendors);
	suite_add_tcase(s, t);
	return s;
}
