/*
 * check_protonames.c - the list as pmacct 1.7.7 writes it (reference: its
 * output into ip_proto, protocol by protocol).
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "base/protonames.h"

Suite *suite_protonames(void);

static const char list[] = "1 icmp, 2 igmp, 3 ggp, 4 ipencap, 6 tcp, 8 egp, 9 igp, 17 udp, 18 mux, "
			   "41 ipv6, 43 ipv6-route, "
			   "44 ipv6-frag, 46 rsvp, 47 gre, 50 esp, 51 ah, 55 mobile, 56 tlsp, 58 "
			   "ipv6-icmp, 59 ipv6-nonxt, "
			   "60 ipv6-opts, 80 iso-ip, 83 vines, 88 eigrp, 89 ospf, 91 larp, 93 "
			   "ax.25, 94 ipip, 98 encap, "
			   "102 pnni, 103 pim, 108 IPcomp, 111 ipx-in-ip, 112 vrrp, 115 l2tp, 124 "
			   "isis, 132 sctp, 133 fc";

START_TEST(knows_the_list)
{
	char text[600] = "";
	size_t n = 0;

	for (int i = 0; i < 256; i++) {
		const char *name = proto_name((uint8_t)i);

		if (!name)
			continue;
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "%s%d %s", n ? ", " : "", i, name);
		ck_assert_int_eq(proto_number(name), i);
	}
	ck_assert_str_eq(text, list);
}
END_TEST

START_TEST(reads_numbers)
{
	static const struct {
		const char *text;
		int number;
	} rows[] = {
		{ "tcp", 6 },
		{ "TCP", 6 },
		{ "ipcomp", 108 },
		{ "0", 0 },
		{ "6", 6 },
		{ "255", 255 },
		{ "006", 6 },
		{ "256", -1 },
		{ "99999999999999999999", -1 },
		{ "", -1 },
		{ "-1", -1 },
		{ "6x", -1 },
		{ " 6", -1 },
		{ "tcpx", -1 },
		{ "tc", -1 },
		{ "ip", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(proto_number(rows[i].text) == rows[i].number, "\"%s\": %d",
			rows[i].text, proto_number(rows[i].text));
}
END_TEST

Suite *suite_protonames(void)
{
	Suite *s = suite_create("protonames");
	TCase *t = tcase_create("names");

	tcase_add_test(t, knows_the_list);
	tcase_add_test(t, reads_numbers);
	suite_add_tcase(s, t);
	return s;
}
