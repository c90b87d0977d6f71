/*
 * check_flow.c - the normal form: members, presence, equality, text.
 */
#include <check.h>
#include <stdio.h>
#include "wire/flow.h"

Suite *suite_flow(void);

START_TEST(sets_and_gets_each_member)
{
	enum flow_field f = (enum flow_field)_i;
	const struct flow_field_info *info = &flow_fields[f];
	struct flow_record r = flow_record_empty, other = flow_record_empty;
	bool number = info->kind != FLOW_KIND_ADDR && info->kind != FLOW_KIND_MAC;
	uint64_t max = info->width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * info->width % 64)) - 1;

	flow_set(&r, f, UINT64_MAX);
	if (!number) {
		ck_assert_msg(flow_equal(&r, &other), "%s changed by a number", info->name);
		return;
	}
	ck_assert_msg(flow_get(&r, f) == max, "%s", info->name);
	ck_assert(flow_has(&r, f));
	ck_assert(r.present == UINT64_C(1) << f);
	/* Nothing else was touched. */
	ck_assert(!flow_equal(&r, &other));
	flow_set(&r, f, 0);
	r.present = 0;
	ck_assert_int_eq(memcmp(&r, &other, sizeof(r)), 0);
}
END_TEST

START_TEST(empty_holds_zero_of_ipv4)
{
	for (int f = 0; f < FLOW_FIELDS; f++) {
		const uint8_t *at = (const uint8_t *)&flow_record_empty + flow_fields[f].offset;
		struct addr a;

		ck_assert(!flow_has(&flow_record_empty, (enum flow_field)f));
		if (flow_fields[f].kind == FLOW_KIND_ADDR) {
			memcpy(&a, at, sizeof(a));
			ck_assert(addr_equal(&a, &addr_zero4));
		} else {
			ck_assert_uint_eq(flow_get(&flow_record_empty, (enum flow_field)f), 0);
		}
	}
}
END_TEST

START_TEST(equality_sees_values_and_presence)
{
	struct flow_record a = flow_record_empty, b = flow_record_empty;

	ck_assert(flow_equal(&a, &b));
	flow_set(&a, FLOW_octets, 0);
	ck_assert(!flow_equal(&a, &b));		/* present zero is not absent */
	flow_set(&b, FLOW_octets, 0);
	ck_assert(flow_equal(&a, &b));
	flow_set(&b, FLOW_octets, 1);
	ck_assert(!flow_equal(&a, &b));
	flow_set(&b, FLOW_octets, 0);
	b.tos = 9;				/* not present: does not count */
	ck_assert(flow_equal(&a, &b));
	a.src = b.src = addr_make4(1);
	a.present |= FLOW_BIT(src);
	b.present |= FLOW_BIT(src);
	ck_assert(flow_equal(&a, &b));
	b.src = addr_make4(2);
	ck_assert(!flow_equal(&a, &b));
}
END_TEST

START_TEST(prints_what_is_present)
{
	static const char want[] = "src=192.0.2.1 octets=18446744073709551615 src_port=53 "
		"src_mac=00:0a:0b:0c:0d:ff";
	struct flow_record r = flow_record_empty;
	char buf[256], small[16];

	ck_assert_uint_eq(flow_print(buf, sizeof(buf), &r), 0);
	ck_assert_str_eq(buf, "");
	r.src = addr_make4(0xc0000201);
	memcpy(r.src_mac, "\x00\x0a\x0b\x0c\x0d\xff", 6);
	r.present |= FLOW_BIT(src) | FLOW_BIT(src_mac);
	flow_set(&r, FLOW_octets, UINT64_MAX);
	flow_set(&r, FLOW_src_port, 53);
	ck_assert_uint_eq(flow_print(buf, sizeof(buf), &r), sizeof(want) - 1);
	ck_assert_str_eq(buf, want);
	/* As snprintf: the whole length is told, what fits is written and terminated. */
	for (size_t n = 0; n <= sizeof(small); n++) {
		memset(small, 'x', sizeof(small));
		ck_assert_uint_eq(flow_print(small, n, &r), sizeof(want) - 1);
		if (n)
			ck_assert_msg(strlen(small) == n - 1 && memcmp(small, want, n - 1) == 0,
				      "cut to %zu", n);
	}
}
END_TEST

Suite *suite_flow(void)
{
	Suite *s = suite_create("flow");
	TCase *t = tcase_create("flow");

	tcase_add_loop_test(t, sets_and_gets_each_member, 0, FLOW_FIELDS);
	tcase_add_test(t, empty_holds_zero_of_ipv4);
	tcase_add_test(t, equality_sees_values_and_presence);
	tcase_add_test(t, prints_what_is_present);
	suite_add_tcase(s, t);
	return s;
}
