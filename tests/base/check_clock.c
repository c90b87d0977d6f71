/*
 * check_clock.c - units and order.  Nothing here waits: deadlines lie in the past.
 */
#include <check.h>
#include <time.h>
#include "base/clock.h"

Suite *suite_clock(void);

START_TEST(has_the_units_it_says)
{
	const time_t before = time(NULL);
	const uint64_t us = clock_wall_us();
	const time_t after = time(NULL);
	struct timespec t;

	/* time() may read a coarser clock that is a tick behind. */
	ck_assert_uint_ge(us / 1000000 + 1, (uint64_t)before);
	ck_assert_uint_le(us / 1000000, (uint64_t)after + 1);
	clock_gettime(CLOCK_MONOTONIC, &t);
	ck_assert_uint_le(clock_mono_ns() / 1000000000 - (uint64_t)t.tv_sec, 60);
}
END_TEST

START_TEST(never_goes_back)
{
	uint64_t mono = clock_mono_ns(), cpu = clock_thread_ns();

	for (int i = 0; i < 1000; i++) {
		const uint64_t m = clock_mono_ns(), c = clock_thread_ns();

		ck_assert_uint_ge(m, mono);
		ck_assert_uint_ge(c, cpu);
		mono = m;
		cpu = c;
	}
	ck_assert_uint_gt(cpu, 0);
}
END_TEST

START_TEST(tells_how_late_it_is)
{
	const uint64_t now = clock_mono_ns();

	ck_assert_uint_ge(clock_sleep_until(now - 5000000), 5000000);
	ck_assert_uint_ge(clock_mono_ns(), now);
	clock_sleep_until(now + 1000);
	ck_assert_uint_ge(clock_mono_ns(), now + 1000);
}
END_TEST

Suite *suite_clock(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("time");

	tcase_add_test(t, has_the_units_it_says);
	tcase_add_test(t, never_goes_back);
	tcase_add_test(t, tells_how_late_it_is);
	suite_add_tcase(s, t);
	return s;
}
