/*
 * check_balance.c - who of a pool gets a datagram.  Expected values are
 * Python's: zlib.crc32(ipaddress.ip_address(a).packed) % n, int(address) % n.
 */
#include <check.h>

#include "replicator/classify.h"

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
		ck_assert_uint_eq(
			balance_hash_crc32.pick(&a, sizes[i], &turn), exporters[_i].crc[i]);
		ck_assert_uint_eq(
			balance_hash_agent.pick(&a, sizes[i], &turn), exporters[_i].agent[i]);
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
	uint64_t turn =
		UINT64_MAX - 2; /* also over the end of the counter nobody is outside the pool */

	for (int i = 0; i < 10; i++)
		ck_assert_uint_lt(balance_rr.pick(&a, 3, &turn), 3);
	turn = 0;
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(balance_rr.pick(&a, 3, &turn), i % 3);
}
END_TEST

enum { MANY = 20000, RECEIVERS = 4 };

static size_t winner(const struct pool *p, uint32_t exporter, uint32_t domain)
{
	const struct endpoint from = { addr_make4(0x0a000000 + exporter), 2055, false };
	const struct subject s = { .from = &from,
		.peek = { .protocol = PROTO_NETFLOW9, .domain = domain } };

	return p->balance->choose(p, &s);
}

/* Each receiver has its weight's share; when one goes only its exporters move, and they come back.
 */
START_TEST(rendezvous)
{
	static size_t before[MANY];
	static const uint32_t weights[RECEIVERS] = { 1, 1, 2, 4 };
	struct receiver r[RECEIVERS], *list[RECEIVERS];
	struct pool p = { .balance = _i ? &balance_rendezvous_domain : &balance_rendezvous,
		.receivers = list,
		.n = RECEIVERS };
	size_t count[RECEIVERS] = { 0 }, moved[RECEIVERS] = { 0 }, domains = 0;

	memset(r, 0, sizeof(r));
	for (uint32_t k = 0; k < RECEIVERS; k++) {
		list[k] = &r[k];
		r[k].weight = weights[k];
		r[k].to = (struct endpoint){ addr_make4(0xc0000201 + k), 2055, false };
	}
	for (uint32_t i = 0; i < MANY; i++)
		count[before[i] = winner(&p, i, 7)]++;
	for (size_t k = 0; k < RECEIVERS; k++) {
		const double want = MANY * weights[k] / 8.0;

		ck_assert_msg((double)count[k] > want * 0.94 && (double)count[k] < want * 1.06,
			      "receiver %zu: %zu of %.0f", k, count[k], want);
	}
	r[2].health.down = true;
	for (uint32_t i = 0; i < MANY; i++) {
		const size_t now = winner(&p, i, 7);

		ck_assert_uint_ne(now, 2);
		if (before[i] != 2)
			ck_assert_uint_eq(now, before[i]);
		else
			moved[now]++;
	}
	/* Those that moved: again by weight, 1 : 1 : 4. */
	ck_assert_msg(moved[3] > 3 * moved[0] && moved[3] > 3 * moved[1], "%zu %zu %zu", moved[0],
		moved[1], moved[3]);
	r[2].health.down = false;
	for (uint32_t i = 0; i < MANY; i++) {
		ck_assert_uint_eq(winner(&p, i, 7), before[i]);
		domains += winner(&p, i, 8) != before[i];
	}
	ck_assert(_i ? domains > MANY / 2 : domains == 0);
	/* Nobody is there: better sent than not. */
	for (size_t k = 0; k < RECEIVERS; k++)
		r[k].health.down = true;
	ck_assert_uint_eq(winner(&p, 5, 7), before[5]);
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
	tcase_add_loop_test(t, rendezvous, 0, 2);
	tcase_add_test(t, names);
	suite_add_tcase(s, t);
	return s;
}
