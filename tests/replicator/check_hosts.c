/*
 * check_hosts.c - a row a host, as many hosts as there may be receivers, and
 * nothing of one pass in the next.
 */
#include <check.h>

#include "replicator/hosts.h"
#include "replicator/receivers.h"

Suite *suite_hosts(void);

START_TEST(a_row_each)
{
	struct hosts h = { 0 };

	for (unsigned pass = 1; pass <= 3; pass++) {
		hosts_begin(&h, RECEIVERS_MAX / pass);
		for (uint32_t i = 0; i < RECEIVERS_MAX / pass; i++) {
			const struct addr a = addr_make4(0x0a000000 + i);
			struct host *row = hosts_find(&h, &a);

			ck_assert(!row->away_ns && !row->complains && !row->asked);
			row->away_ns = i + 1;
			row->complains = row->asked = true;
		}
		for (uint32_t i = 0; i < RECEIVERS_MAX / pass; i++) {
			const struct addr a = addr_make4(0x0a000000 + i);

			ck_assert_uint_eq(hosts_find(&h, &a)->away_ns, i + 1);
		}
	}
	hosts_clear(&h);
	ck_assert_ptr_null(h.rows);
}
END_TEST

/* IPv4 inside IPv6 addresses that begin alike. */
START_TEST(families)
{
	const struct addr v4 = addr_make4(0x0a000001);
	struct addr v6 = v4;
	struct hosts h = { 0 };

	v6.b[0] = 0x20;
	hosts_begin(&h, 0);
	hosts_find(&h, &v4)->complains = true;
	ck_assert(!hosts_find(&h, &v6)->complains);
	ck_assert(hosts_find(&h, &v4)->complains);
	hosts_clear(&h);
}
END_TEST

Suite *suite_hosts(void)
{
	Suite *s = suite_create("hosts");
	TCase *t = tcase_create("hosts");

	tcase_add_test(t, a_row_each);
	tcase_add_test(t, families);
	suite_add_tcase(s, t);
	return s;
}
