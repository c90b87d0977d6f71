/*
 * check_spool.c - a ring in a file: order, bounds, what another process finds,
 * and files that are none.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "replicator/spool.h"

Suite *suite_spool(void);

enum { MB = 1 << 20 };

static char path[64];
static struct spool s;
static uint32_t next_in, next_out;

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/check-spool-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(path);
	ck_assert_int_eq(spool_open(&s, path, &(struct spool_limits){ 2 * MB, 1000, 0 }), 0);
	next_in = next_out = 0;
}

static void teardown(void)
{
	spool_close(&s);
	unlink(path);
}

/* A datagram of `n` octets says its number, in the front and in the source. */
static void put(size_t n)
{
	static uint8_t octets[65536];
	const struct bytes d = { octets, n };
	const struct endpoint from = { addr_make4(0x0a000000 + next_in), (uint16_t)next_in, false };
	const struct endpoint *who = &from;

	memset(octets, (int)(next_in & 255), n);
	memcpy(octets, &next_in, n < 4 ? n : 4);
	ck_assert_uint_eq(spool_put(&s, &d, &who, 1), 1);
	next_in++;
}

/* The oldest `n`, each the number that is expected. */
static void take(size_t n)
{
	while (n) {
		struct bytes d[16];
		struct endpoint from[16];
		const size_t got = spool_peek(&s, d, from, n < 16 ? n : 16);

		ck_assert_uint_gt(got, 0);
		for (size_t i = 0; i < got; i++, next_out++) {
			const struct addr a = addr_make4(0x0a000000 + next_out);

			ck_assert_int_eq(memcmp(d[i].p, &next_out, d[i].n < 4 ? d[i].n : 4), 0);
			ck_assert(d[i].n < 5 || d[i].p[d[i].n - 1] == (next_out & 255));
			ck_assert(addr_equal(&from[i].addr, &a));
			ck_assert_uint_eq(from[i].port, (uint16_t)next_out);
		}
		spool_taken(&s, got);
		n -= got;
	}
}

static void expect_sum(void)
{
	ck_assert_uint_eq(s.counts.written + s.counts.taken_over,
		s.counts.read + s.counts.overwritten + s.waiting);
}

START_TEST(in_order)
{
	static const size_t sizes[] = { 1, 0, 7, 8, 9, 1464, 65507 };

	for (size_t i = 0; i < 7; i++)
		put(sizes[i]);
	ck_assert_uint_eq(s.waiting, 7);
	take(3);
	put(100);
	take(5);
	ck_assert_uint_eq(s.waiting, 0);
	ck_assert_uint_eq(spool_peek(&s, &(struct bytes){ 0 }, &(struct endpoint){ 0 }, 1), 0);
	expect_sum();
}
END_TEST

/* Many times round the file, which never grows beyond its bound. */
START_TEST(round_and_round)
{
	for (int i = 0; i < 20000; i++) {
		put((size_t)(i * 37 % 3000));
		if (i % 3)
			take(1);
		if (i % 100 == 99)
			take(s.waiting);
	}
	expect_sum();
	ck_assert_uint_eq(s.counts.overwritten, 0);
	ck_assert_int_le(lseek(s.fd, 0, SEEK_END), 2 * MB);
}
END_TEST

START_TEST(oldest_gives_way)
{
	for (int i = 0; i < 3000; i++)
		put(1400);
	expect_sum();
	/* 1432 octets each in 2 MB less a page: 1461 fit. */
	ck_assert_uint_eq(s.waiting, (2 * MB - 4096) / 1432);
	next_out = 3000 - (uint32_t)s.waiting;
	take(s.waiting);
	expect_sum();
}
END_TEST

START_TEST(outlives_the_process)
{
	for (int i = 0; i < 100; i++)
		put(500);
	take(40);
	/* Nobody else while we have it. */
	struct spool other;

	ck_assert_int_eq(spool_open(&other, path, &s.limits), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	spool_close(&s);
	ck_assert_int_eq(spool_open(&s, path, &(struct spool_limits){ 8 * MB, 1000, 0 }), 0);
	ck_assert_uint_eq(s.waiting, 60);
	ck_assert_uint_eq(s.counts.taken_over, 60);
	take(60);
	expect_sum();
	/* Empty: the new size holds from the next opening on. */
	spool_close(&s);
	ck_assert_int_eq(spool_open(&s, path, &(struct spool_limits){ 8 * MB, 1000, 0 }), 0);
	ck_assert_uint_eq(s.head.octets, 8 * MB - 4096);
}
END_TEST

/* Octets of the file that are not what was written: refused, or what waited is counted as lost. */
START_TEST(damaged)
{
	static const uint8_t noise[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const off_t at[] = { 0, 8, 16, 24, 32, 4096, 4096 + 4 };
	int result;

	for (int i = 0; i < 10; i++)
		put(200);
	ck_assert_int_eq(pwrite(s.fd, noise, 8, at[_i]), 8);
	spool_close(&s);
	result = spool_open(&s, path, &(struct spool_limits){ 2 * MB, 1000, 0 });
	if (result < 0) {
		ck_assert_int_eq(errno, EINVAL);
		return;
	}
	while (s.waiting) {
		struct bytes d[4];
		struct endpoint from[4];
		const size_t n = spool_peek(&s, d, from, 4);

		spool_taken(&s, n);
	}
	expect_sum();
}
END_TEST

/* What a loss of power leaves: the head of a later moment than a page of records. */
START_TEST(page_of_an_earlier_round)
{
	static uint8_t page[4096];
	uint32_t lost;

	/* Once round with records of one size, so that later ones lie exactly over them. */
	const size_t size = 256 - 32, each = (2 * MB - 4096) / 256;

	for (size_t i = 0; i < each; i++)
		put(size);
	take(each);
	ck_assert_int_eq(pread(s.fd, page, sizeof(page), 4096 + 4096), sizeof(page));
	for (size_t i = 0; i < 64; i++)
		put(size);
	ck_assert_int_eq(pwrite(s.fd, page, sizeof(page), 4096 + 4096), sizeof(page));
	spool_close(&s);
	ck_assert_int_eq(spool_open(&s, path, &(struct spool_limits){ 2 * MB, 1000, 0 }), 0);
	ck_assert_uint_eq(s.counts.taken_over, 64);
	take(16);	/* the page before it */
	lost = (uint32_t)s.waiting;
	ck_assert_uint_eq(spool_peek(&s, &(struct bytes){ 0 }, &(struct endpoint){ 0 }, 1), 0);
	ck_assert_uint_eq(s.counts.overwritten, lost);
	ck_assert_uint_eq(s.counts.errors, 1);
	ck_assert_int_eq(s.err, EBADMSG);
	expect_sum();
	/* It goes on. */
	next_out = next_in;
	put(10);
	take(1);
	expect_sum();
}
END_TEST

/* The header of a record is there, a page of its payload is not. */
START_TEST(torn_payload)
{
	static const uint8_t zero[4096];

	put(8);		/* octets of the next one are not 0 */
	put(9000);
	put(100);
	ck_assert_int_eq(pwrite(s.fd, zero, sizeof(zero), 4096 + 4096), sizeof(zero));
	take(1);
	ck_assert_uint_eq(spool_peek(&s, &(struct bytes){ 0 }, &(struct endpoint){ 0 }, 1), 0);
	ck_assert_uint_eq(s.counts.overwritten, 2);
	ck_assert_uint_eq(s.waiting, 0);
}
END_TEST

/* Emptied and opened again: what was sent is not found a second time under a head of before. */
START_TEST(offsets_only_grow)
{
	uint64_t last;

	for (int i = 0; i < 10; i++)
		put(100);
	take(10);
	last = s.head.last;
	spool_close(&s);
	ck_assert_int_eq(spool_open(&s, path, &(struct spool_limits){ 2 * MB, 1000, 0 }), 0);
	ck_assert_uint_eq(s.head.last, last);
	ck_assert_uint_eq(s.head.first, last);
}
END_TEST

START_TEST(to_the_disk)
{
	const uint64_t second = 1000000000;
	int fd;

	s.limits.sync_ns = 5 * second;
	fd = spool_sync(&s, 5 * second);	/* the head of a new file */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fdatasync(fd), 0);
	close(fd);
	ck_assert_int_eq(spool_sync(&s, 50 * second), -1);	/* nothing new in it */
	put(10);
	ck_assert_int_eq(spool_sync(&s, 10 * second - 1), -1);
	take(1);
	fd = spool_sync(&s, 10 * second);
	ck_assert_int_ge(fd, 0);
	close(fd);
	s.limits.sync_ns = 0;
	put(10);
	ck_assert_int_eq(spool_sync(&s, 100 * second), -1);
}
END_TEST

START_TEST(pace)
{
	const uint64_t second = 1000000000;
	size_t sent = 0;

	for (int i = 0; i < 3000; i++)
		put(10);
	/* 1000 a second, asked for each five milliseconds. */
	for (uint64_t t = second; t <= 2 * second; t += second / 200) {
		const size_t due = spool_due(&s, t);

		ck_assert_uint_le(due, 100);
		take(due);
		sent += due;
	}
	ck_assert_uint_ge(sent, 990);
	ck_assert_uint_le(sent, 1000);
	/* After a pause at most a tenth of a second's worth at once. */
	ck_assert_uint_eq(spool_due(&s, 60 * second), 100);
}
END_TEST

Suite *suite_spool(void)
{
	Suite *suite = suite_create("spool");
	TCase *t = tcase_create("spool");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, in_order);
	tcase_add_test(t, round_and_round);
	tcase_add_test(t, oldest_gives_way);
	tcase_add_test(t, outlives_the_process);
	tcase_add_loop_test(t, damaged, 0, 7);
	tcase_add_test(t, page_of_an_earlier_round);
	tcase_add_test(t, torn_payload);
	tcase_add_test(t, offsets_only_grow);
	tcase_add_test(t, to_the_disk);
	tcase_add_test(t, pace);
	suite_add_tcase(suite, t);
	return suite;
}
