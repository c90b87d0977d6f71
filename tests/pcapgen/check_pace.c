/*
 * check_pace.c - the schedule: no drift, no early unit, the last second as
 * exact as the first.
 */
#include <check.h>
#include "pcapgen/pace.h"

#define S UINT64_C(1000000000)

Suite *suite_pace(void);

static const struct {
	const char *name;
	uint64_t rate, before, due_ns;
} rows[] = {
	{ "the first unit is due at once", 1000, 0, 0 },
	{ "one a second", 1, 7, 7 * S },
	{ "every millisecond", 1000, 1, 1000000 },
	{ "a third of a second is cut, ...", 3, 1, 333333333 },
	{ "... and what is cut does not add up", 3, 3, S },
	{ "a year at 3/s", 3, 3 * UINT64_C(31536000), 31536000 * S },
	{ "a year and one at 3/s", 3, 3 * UINT64_C(31536000) + 1, 31536000 * S + 333333333 },
	{ "beyond 64 bits of units * 10^9", 1000000000, UINT64_C(400) * 86400 * 1000000000,
		UINT64_C(400) * 86400 * S },
	{ "no rate: at once", 0, 12345, 0 },
};

START_TEST(due)
{
	struct pace p = { .rate = rows[_i].rate };

	ck_assert_msg(pace_due_ns(&p, rows[_i].before) == rows[_i].due_ns, "%s: %llu",
		rows[_i].name, (unsigned long long)pace_due_ns(&p, rows[_i].before));
}
END_TEST

/* Each second of the schedule begins with a unit that is due then, and holds `rate` of them. */
START_TEST(every_second_is_full)
{
	static const uint64_t rates[] = { 1, 3, 7, 999, 1000, 123457, 1999999 };
	struct pace p = { .rate = rates[_i] };

	for (uint64_t second = 0; second < 1000; second++) {
		ck_assert_uint_eq(pace_due_ns(&p, second * p.rate), second * S);
		ck_assert_uint_lt(pace_due_ns(&p, (second + 1) * p.rate - 1), (second + 1) * S);
	}
	/* No two units nearer to each other than the distance, cut to a nanosecond. */
	for (uint64_t k = 0; k < 3000; k++)
		ck_assert_uint_ge(pace_due_ns(&p, k + 1) - pace_due_ns(&p, k), S / p.rate);
}
END_TEST

START_TEST(lateness)
{
	struct pace p = { .rate = 10 };

	pace_sent(&p, 100, 90);		/* early is not late */
	pace_sent(&p, 200, 250);
	pace_sent(&p, 300, 310);
	ck_assert_uint_eq(p.late_max_ns, 50);
	ck_assert_uint_eq(p.late_sum_ns, 60);
	ck_assert_uint_eq(p.sends, 3);
}
END_TEST

START_TEST(reached)
{
	ck_assert_uint_eq(pace_reached_milli(2000, S), 2000000);
	ck_assert_uint_eq(pace_reached_milli(1, 3 * S), 333);
	ck_assert_uint_eq(pace_reached_milli(UINT64_C(1) << 50, S), (UINT64_C(1) << 50) * 1000);
	ck_assert_uint_eq(pace_reached_milli(5, 0), 0);
}
END_TEST

Suite *suite_pace(void)
{
	Suite *s = suite_create("pace");
	TCase *t = tcase_create("pace");

	tcase_add_loop_test(t, due, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(t, every_second_is_full, 0, 7);
	tcase_add_test(t, lateness);
	tcase_add_test(t, reached);
	suite_add_tcase(s, t);
	return s;
}
