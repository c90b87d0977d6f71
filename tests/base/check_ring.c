/*
 * check_ring.c - order, bounds, and two threads (run with SAN=thread).
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include "base/ring.h"

Suite *suite_ring(void);

static const struct {
	size_t asked, given;
} sizes[] = { { 0, 1 }, { 1, 1 }, { 2, 2 }, { 3, 4 }, { 4, 4 }, { 5, 8 }, { 1000, 1024 } };

START_TEST(is_bounded)
{
	int items[1025];
	struct ring *r = ring_new(sizes[_i].asked);

	ck_assert_ptr_nonnull(r);
	/* Start anywhere: the second round wraps. */
	for (int round = 0; round < 3; round++) {
		ck_assert_ptr_null(ring_get(r));
		for (size_t i = 0; i < sizes[_i].given; i++)
			ck_assert(ring_put(r, &items[i]));
		ck_assert(!ring_put(r, &items[1024]));
		ck_assert(!ring_put(r, &items[1024]));
		for (size_t i = 0; i < sizes[_i].given; i++)
			ck_assert_ptr_eq(ring_get(r), &items[i]);
		ck_assert_ptr_null(ring_get(r));
		ck_assert(ring_put(r, &items[0]));
		ck_assert_ptr_eq(ring_get(r), &items[0]);
	}
	ring_free(r);
}
END_TEST

START_TEST(refuses_a_giant)
{
	ck_assert_ptr_null(ring_new(SIZE_MAX / 2));
	ck_assert_int_eq(errno, ENOMEM);
	ring_free(NULL);
}
END_TEST

enum { ITEMS = 200000, FEW = 10000 };
static uint64_t numbers[ITEMS], given;

static void *produce(void *ring)
{
	for (uint64_t i = 0; i < given; i++) {
		numbers[i] = i * 3 + 1;	/* must be seen by who gets the pointer */
		while (!ring_put(ring, &numbers[i]))
			sched_yield();
	}
	return NULL;
}

START_TEST(carries_between_threads)
{
	static const size_t caps[] = { 1, 2, 64, 4096 };
	struct ring *r = ring_new(caps[_i]);
	pthread_t producer;

	/* In a ring of one or two each item may be a change of threads. */
	given = caps[_i] < 64 ? FEW : ITEMS;
	ck_assert_int_eq(pthread_create(&producer, NULL, produce, r), 0);
	for (uint64_t i = 0; i < given; i++) {
		const uint64_t *p;

		while (!(p = ring_get(r)))
			sched_yield();
		if (p != &numbers[i] || *p != i * 3 + 1)
			ck_abort_msg("item %lu out of order", (unsigned long)i);
	}
	ck_assert_ptr_null(ring_get(r));
	pthread_join(producer, NULL);
	ring_free(r);
}
END_TEST

Suite *suite_ring(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("queue");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, is_bounded, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(t, refuses_a_giant);
	tcase_add_loop_test(t, carries_between_threads, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
