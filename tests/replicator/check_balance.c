/*
 * check_balance.c - who of a pool gets a datagram.  Expected values are
 * Python's: zlib.crc32(ipaddress.ip_address(a).packed) % n, int(address) % n.
 */
#include <check.h>

#include "replicator/balance.h"

static const size_t sizes[4] = { 1, 2, 3, 7 };
static const struct {
	const char *addr;
	size_t crc[4], agent[4];
} exporters[] = {
	{ "10.0.0.1", { 0, 0, 0, 2 }, { 0, 1, 2, 4 } },
	{ "10.0.0.2", { 0, 0, 0, 1 }, { 0, 0, 0, 5 } },
	{ "192.168.1.1", { 0, 1, 1, 2 }, { 0, 1, 2, 1 } },
	{ "255.255.255.255", { 0, 1, 0, 3 }, { 0, 1, 0, 3 } },
	{ "2001:db8::1", { 0, 0, 0, 0 }, { 0, 1, 0, 5 } },
	{ "2001:db8::2", { 0, 0, 2, 0 }, { 0, 0, 1, 6 } },
};

START_TEST(hashes)
{
	struct addr a;
	uint64_t turn = 0;

	ck_assert(addr_parse(&a, exporters[_i].addr));
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(balance_hash_crc32.pick(&a, sizes[i], &turn), exporters[_i].crc[i]);
		ck_assert_uint_eq(balance_hash_agent.pick(&a, sizes[i], &turn), exporters[_i].agent[i]);
	}
	ck_assert_uint_eq(turn, 0);
}
END_TEST

/* 256 neighbours over n receivers: modulo leaves nobody out and nobody with more than one extra. */
START_TEST(agents_spread)
{
	for (size_t n = 1; n <= 8; n++) {
		size_t count[8] = { 0 };
		uint64_t turn = 0;

		for (uint32_t i = 0; i < 256; i++) {
			struct addr a = addr_make4(0x0a000000 + i);

			count[balance_hash_agent.pick(&a, n, &turn)]++;
		}
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_le(count[k] - 256 / n, 1);
	}
}
END_TEST

START_TEST(turns)
{
	struct addr a = addr_zero4;
	uint64_t turn = UINT64_MAX - 2;	/* also over the end of the counter nobody is outside the pool */

	for (int i = 0; i < 10; i++)
		ck_assert_uint_lt(balance_rr.pick(&a, 3, &turn), 3);
	turn = 0;
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(balance_rr.pick(&a, 3, &turn), i % 3);
}
END_TEST

START_TEST(names)
{
	ck_assert_ptr_eq(balance_find("rr"), &balance_rr);
	ck_assert_ptr_eq(balance_find("hash-agent"), &balance_hash_agent);
	ck_assert_ptr_eq(balance_find("hash-crc32"), &balance_hash_crc32);
	ck_assert_ptr_null(balance_find("hash"));
	ck_assert_ptr_null(balance_find(""));
}
END_TEST

Suite *suite_balance(void);
Suite *suite_balance(void)
{
	Suite *s = suite_create("balance");
	TCase *t = tcase_create("balance");

	tcase_add_loop_test(t, hashes, 0, sizeof(exporters) / sizeof(exporters[0]));
	tcase_add_test(t, agents_spread);
	tcase_add_test(t, turns);
	tcase_add_test(t, names);
	suite_add_tcase(s, t);
	return s;
}
