/*
 * check_health.c - when a receiver is taken to be away, and when to be back,
 * with the time as an argument.
 */
#include <check.h>

#include "replicator/health.h"

Suite *suite_health(void);

enum { MS = 1000000 };

static struct health h;
static uint64_t now_ns;

static void setup(void)
{
	h = (struct health){ .probe_fd = -1, .tcp_fd = -1 };
	now_ns = UINT64_C(1000) * 1000 * MS;
}

/* Looks at a way that is fine, until the receiver is up; how many milliseconds that took. */
static uint64_t until_up(void)
{
	const uint64_t start_ns = now_ns;

	while (h.down && now_ns - start_ns < UINT64_C(120000) * MS) {
		now_ns += 250 * MS;
		health_path(&h, PATH_FINE, now_ns);
	}
	return (now_ns - start_ns) / MS;
}

static const struct {
	const char *name;
	enum path_state looks[8];
	bool down;
} ways[] = {
	{ "fine", { 0 }, false },
	{ "a neighbour that answers at once", { PATH_ASKS, PATH_FINE, PATH_ASKS, PATH_FINE },
		false },
	{ "a neighbour that does not answer", { PATH_FINE, PATH_ASKS, PATH_ASKS }, true },
	{ "no way", { PATH_FINE, PATH_DEAD }, true },
};

START_TEST(the_way)
{
	for (int i = 0; i < 8; i++, now_ns += 250 * MS)
		health_path(&h, ways[_i].looks[i], now_ns);
	ck_assert_msg(h.down == ways[_i].down, "%s", ways[_i].name);
}
END_TEST

START_TEST(back_after_four_seconds)
{
	health_path(&h, PATH_DEAD, now_ns);
	ck_assert(h.down);
	ck_assert_uint_eq(until_up(), HEALTH_QUIET_MS);
	ck_assert_uint_eq(h.downs, 1);
}
END_TEST

/* Five receivers share one error a second: each hears of it each five seconds. */
START_TEST(errors_that_come_seldom)
{
	struct sender_counts c = { 0 };
	uint64_t ups = 0;

	for (int i = 0; i < 20; i++) {
		c.refused++;
		health_sent(&h, &c, now_ns);
		ck_assert(h.down);
		for (int k = 0; k < 20; k++, now_ns += 250 * MS)
			health_path(&h, PATH_FINE, now_ns);
		ups += !h.down;
	}
	ck_assert_uint_eq(ups, 1);	/* once: then it is known that five seconds tell nothing */
	ck_assert_uint_ge(until_up(), 3000);
	/* A minute without: all that is forgotten. */
	now_ns += UINT64_C(61000) * MS;
	c.refused++;
	health_sent(&h, &c, now_ns);
	ck_assert_uint_eq(until_up(), HEALTH_QUIET_MS);
}
END_TEST

/* A router's one error a second went to another receiver of the host. */
START_TEST(the_host_of_another)
{
	health_host(&h, now_ns, now_ns);
	ck_assert(!h.down);
	health_dead(&h, now_ns);
	for (int i = 0; i < 40; i++, now_ns += 250 * MS)
		health_host(&h, now_ns - now_ns % ((uint64_t)MS * 1000), now_ns);
	ck_assert(h.down);
	/* Nothing new of the host: back. */
	ck_assert_uint_ge(until_up(), HEALTH_QUIET_MS - 2000);
	ck_assert_uint_le(until_up(), HEALTH_QUIET_MS);
	ck_assert_uint_eq(h.downs, 1);
}
END_TEST

START_TEST(never_for_ever)
{
	for (int i = 0; i < 3; i++, now_ns += UINT64_C(50000) * MS)
		health_dead(&h, now_ns);
	now_ns -= UINT64_C(50000) * MS;
	ck_assert_uint_eq(until_up(), HEALTH_QUIET_MAX_MS);
}
END_TEST

Suite *suite_health(void)
{
	Suite *s = suite_create("health");
	TCase *t = tcase_create("health");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, the_way, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(t, back_after_four_seconds);
	tcase_add_test(t, errors_that_come_seldom);
	tcase_add_test(t, the_host_of_another);
	tcase_add_test(t, never_for_ever);
	suite_add_tcase(s, t);
	return s;
}
