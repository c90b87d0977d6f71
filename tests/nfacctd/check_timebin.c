/*
 * check_timebin.c - bins and purge deadlines.  Rows are taken from collector.md
 * 7.2 and 15 (cases 29, 30) and from date(1) for calendar and summer time:
 * CET changes on 2024-03-31 and 2024-10-27 at 01:00 UTC.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "nfacctd/timebin.h"

Suite *suite_timebin(void);

#define CET "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEPAL "NPT-5:45"

static void zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* "2024-03-31 01:00:00" UTC to seconds. */
static int64_t at(const char *text)
{
	struct tm tm = { 0 };

	ck_assert_int_eq(sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
				 &tm.tm_hour, &tm.tm_min, &tm.tm_sec),
		6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

static const struct {
	const char *zone, *letters, *when, *rounded;	/* times in UTC */
} roundings[] = {
	{ "UTC", NULL, "2024-05-15 06:27:31", "2024-05-15 06:27:00" },
	{ "UTC", "", "2024-05-15 06:27:31", "2024-05-15 06:27:00" },
	{ "UTC", "m", "2024-05-15 06:27:31", "2024-05-15 06:00:00" },
	{ "UTC", "h", "2024-05-15 06:27:31", "2024-05-15 00:00:00" },
	{ "UTC", "mh", "2024-05-15 06:27:31", "2024-05-15 00:00:00" },
	{ "UTC", "d", "2024-05-15 06:27:31", "2024-05-01 00:00:00" },
	{ "UTC", "w", "2024-05-15 06:27:31", "2024-05-13 00:00:00" },
	{ "UTC", "w", "2024-05-13 00:00:00", "2024-05-13 00:00:00" },
	{ "UTC", "w", "2024-05-12 23:59:59", "2024-05-06 00:00:00" },
	{ "UTC", "M", "2024-05-15 06:27:31", "2024-01-01 00:00:00" },
	{ CET, "mh", "2024-05-15 06:27:31", "2024-05-14 22:00:00" },
	{ CET, "mh", "2024-01-15 23:30:00", "2024-01-15 23:00:00" },
	{ NEPAL, "m", "2024-05-15 06:27:31", "2024-05-15 06:15:00" },
};

START_TEST(rounds)
{
	zone(roundings[_i].zone);
	ck_assert_int_eq(timebin_round(at(roundings[_i].when), roundings[_i].letters),
		at(roundings[_i].rounded));
}
END_TEST

static const struct {
	const char *what, *zone;
	struct conf_span span;
	const char *letters;
	uint32_t offset;
	const char *start, *when, *from, *to;
} bins[] = {
	{ "tutorial: ten minutes", "UTC", { 600, 0 }, "mh", 0, "2024-05-15 06:27:31",
		"2024-05-15 06:27:31", "2024-05-15 06:20:00", "2024-05-15 06:30:00" },
	{ "case 29: on the edge", "UTC", { 600, 0 }, "mh", 0, "2024-05-15 06:27:31",
		"2024-05-15 06:20:00", "2024-05-15 06:20:00", "2024-05-15 06:30:00" },
	{ "case 29: on an older edge", "UTC", { 600, 0 }, "mh", 0, "2024-05-15 06:27:31",
		"2024-05-15 06:10:00", "2024-05-15 06:10:00", "2024-05-15 06:20:00" },
	{ "a second before", "UTC", { 600, 0 }, "mh", 0, "2024-05-15 06:27:31",
		"2024-05-15 06:19:59", "2024-05-15 06:10:00", "2024-05-15 06:20:00" },
	{ "before the daemon's day", "UTC", { 600, 0 }, "mh", 0, "2024-05-15 06:27:31",
		"2024-05-13 23:59:59", "2024-05-13 23:50:00", "2024-05-14 00:00:00" },
	{ "before 1970", "UTC", { 600, 0 }, "m", 0, "2024-05-15 06:27:31", "1969-12-31 23:59:59",
		"1969-12-31 23:50:00", "1970-01-01 00:00:00" },
	{ "no letters: from the daemon's minute", "UTC", { 600, 0 }, NULL, 0, "2024-05-15 06:27:31",
		"2024-05-15 06:40:00", "2024-05-15 06:37:00", "2024-05-15 06:47:00" },
	{ "offset of five minutes", "UTC", { 600, 0 }, "mh", 300, "2024-05-15 06:27:31",
		"2024-05-15 06:47:00", "2024-05-15 06:45:00", "2024-05-15 06:55:00" },
	{ "offset, below the first", "UTC", { 600, 0 }, "mh", 300, "2024-05-15 06:27:31",
		"2024-05-15 00:04:59", "2024-05-14 23:55:00", "2024-05-15 00:05:00" },
	{ "a day", "UTC", { 86400, 0 }, "h", 0, "2024-05-15 06:27:31", "2024-05-14 23:59:59",
		"2024-05-14 00:00:00", "2024-05-15 00:00:00" },
	{ "a week from Monday", "UTC", { 604800, 0 }, "w", 0, "2024-05-15 06:27:31",
		"2024-05-19 23:59:59", "2024-05-13 00:00:00", "2024-05-20 00:00:00" },
	{ "a month, leap February", "UTC", { 0, 1 }, "d", 0, "2024-05-15 06:27:31",
		"2024-02-29 12:00:00", "2024-02-01 00:00:00", "2024-03-01 00:00:00" },
	{ "a quarter", "UTC", { 0, 3 }, "M", 0, "2024-05-15 06:27:31", "2023-12-31 23:59:59",
		"2023-10-01 00:00:00", "2024-01-01 00:00:00" },
	{ "hours that do not divide a day", "UTC", { 5 * 3600, 0 }, "h", 0, "2024-05-15 06:27:31",
		"2024-05-15 22:00:00", "2024-05-15 20:00:00", "2024-05-16 01:00:00" },
	{ "local midnight", CET, { 86400, 0 }, "h", 0, "2024-05-15 06:27:31", "2024-05-15 21:59:59",
		"2024-05-14 22:00:00", "2024-05-15 22:00:00" },
	{ "the day of 23 hours", CET, { 86400, 0 }, "h", 0, "2024-05-15 06:27:31",
		"2024-03-31 12:00:00", "2024-03-30 23:00:00", "2024-03-31 22:00:00" },
	{ "the day of 25 hours", CET, { 86400, 0 }, "h", 0, "2024-05-15 06:27:31",
		"2024-10-27 22:59:59", "2024-10-26 22:00:00", "2024-10-27 23:00:00" },
	{ "a month through the change", CET, { 0, 1 }, "d", 0, "2024-05-15 06:27:31",
		"2024-03-31 21:59:59", "2024-02-29 23:00:00", "2024-03-31 22:00:00" },
	{ "an hour in the fold, first", CET, { 3600, 0 }, "h", 0, "2024-10-27 12:00:00",
		"2024-10-27 00:30:00", "2024-10-27 00:00:00", "2024-10-27 01:00:00" },
	{ "an hour in the fold, second", CET, { 3600, 0 }, "h", 0, "2024-10-27 12:00:00",
		"2024-10-27 01:30:00", "2024-10-27 01:00:00", "2024-10-27 02:00:00" },
	{ "six hours after the change", CET, { 21600, 0 }, "h", 0, "2024-03-30 12:00:00",
		"2024-04-01 05:00:00", "2024-04-01 04:00:00", "2024-04-01 10:00:00" },
};

START_TEST(finds_bins)
{
	struct timebin b;
	struct bin_span s;
	int64_t from = at(bins[_i].from), to = at(bins[_i].to);

	zone(bins[_i].zone);
	timebin_init(&b, &bins[_i].span, bins[_i].letters, bins[_i].offset, at(bins[_i].start));
	s = timebin_find(&b, at(bins[_i].when));
	ck_assert_msg(s.start == from && s.end == to, "%s: %+ld %+ld", bins[_i].what,
		(long)(s.start - from), (long)(s.end - to));
	/* Half-open: its edges, one inside, one outside. */
	ck_assert_int_eq(timebin_find(&b, from).start, from);
	ck_assert_int_eq(timebin_find(&b, to - 1).start, from);
	ck_assert_int_eq(timebin_find(&b, from - 1).end, from);
	ck_assert_int_eq(timebin_find(&b, to).start, to);
}
END_TEST

START_TEST(without_history_is_one_bin)
{
	const struct conf_span none = { 0, 0 };
	struct timebin b;

	timebin_init(&b, &none, "mh", 0, 1700000000);
	ck_assert_int_eq(timebin_find(&b, 1700000000).start, 0);
	ck_assert_int_eq(purge_limit(&b, 1700000000, INT64_MIN, 0), INT64_MAX);
}
END_TEST

/* Restarts do not move bins that are aligned. */
START_TEST(a_restart_keeps_bins)
{
	const struct conf_span ten = { 600, 0 };
	struct timebin a, b;

	zone("UTC");
	timebin_init(&a, &ten, "mh", 0, at("2024-05-15 06:27:31"));
	timebin_init(&b, &ten, "mh", 0, at("2024-05-16 17:03:59"));
	for (int64_t t = at("2024-05-15 00:00:00"); t < at("2024-05-17 00:00:00"); t += 137)
		ck_assert_int_eq(timebin_find(&a, t).start, timebin_find(&b, t).start);
}
END_TEST

static const struct {
	const char *now, *letters;
	uint32_t refresh, delay;
	const char *first;
} deadlines[] = {
	{ "2024-05-15 06:27:31", "mh", 120, 0, "2024-05-15 06:28:00" },
	{ "2024-05-15 06:28:00", "mh", 120, 0, "2024-05-15 06:30:00" },
	{ "2024-05-15 06:27:59", "mh", 120, 0, "2024-05-15 06:28:00" },
	{ "2024-05-15 06:27:31", "mh", 300, 0, "2024-05-15 06:30:00" },
	{ "2024-05-15 06:27:31", "mh", 300, 60, "2024-05-15 06:31:00" },
	{ "2024-05-15 06:27:31", NULL, 60, 0, "2024-05-15 06:28:00" },
	{ "2024-05-15 06:27:31", "m", 7, 0, "2024-05-15 06:27:32" },
};

START_TEST(lays_out_deadlines)
{
	zone("UTC");
	ck_assert_int_eq(purge_first(at(deadlines[_i].now), deadlines[_i].letters,
				 deadlines[_i].refresh, deadlines[_i].delay),
		at(deadlines[_i].first));
}
END_TEST

START_TEST(skips_missed_deadlines)
{
	ck_assert_int_eq(purge_latest(1000, 1000, 60), 1000);
	ck_assert_int_eq(purge_latest(1000, 1059, 60), 1000);
	ck_assert_int_eq(purge_latest(1000, 1060, 60), 1060);
	ck_assert_int_eq(purge_latest(1000, 999, 60), 940);
	ck_assert_int_eq(purge_latest(1000, 1000000, 60), 1000000 - (1000000 - 1000) % 60);
}
END_TEST

/* What goes out: collector.md 7.3. */
static const struct {
	const char *what, *now, *before;
	uint32_t delay;
	const char *limit;
} limits[] = {
	{ "open bin, not the first purge in it", "2024-05-15 06:24:00", "2024-05-15 06:22:00", 0,
		"2024-05-15 06:30:00" },
	{ "it has rolled: what has just begun stays", "2024-05-15 06:20:00", "2024-05-15 06:18:00",
		0, "2024-05-15 06:20:00" },
	{ "rolled in between", "2024-05-15 06:21:00", "2024-05-15 06:19:00", 0,
		"2024-05-15 06:20:00" },
	{ "held back by one bin", "2024-05-15 06:24:00", "2024-05-15 06:22:00", 600,
		"2024-05-15 06:20:00" },
	{ "a delay that is no whole bin holds nothing", "2024-05-15 06:24:00",
		"2024-05-15 06:22:00", 60, "2024-05-15 06:30:00" },
};

START_TEST(cuts_at_the_open_bin)
{
	const struct conf_span ten = { 600, 0 };
	struct timebin b;

	zone("UTC");
	timebin_init(&b, &ten, "mh", 0, at("2024-05-15 00:00:00"));
	ck_assert_msg(purge_limit(&b, at(limits[_i].now), at(limits[_i].before),
			      limits[_i].delay) == at(limits[_i].limit),
		"%s", limits[_i].what);
}
END_TEST

START_TEST(sees_summer_time)
{
	zone(CET);
	ck_assert(zone_has_dst(at("2024-05-15 06:24:00")));
	zone("UTC");
	ck_assert(!zone_has_dst(at("2024-05-15 06:24:00")));
	zone(NEPAL);
	ck_assert(!zone_has_dst(at("2024-05-15 06:24:00")));
}
END_TEST

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_timebin(void)
{
	Suite *s = suite_create("timebin");
	TCase *t = tcase_create("timebin");

	LOOP(t, rounds, roundings);
	LOOP(t, finds_bins, bins);
	tcase_add_test(t, without_history_is_one_bin);
	tcase_add_test(t, a_restart_keeps_bins);
	LOOP(t, lays_out_deadlines, deadlines);
	tcase_add_test(t, skips_missed_deadlines);
	LOOP(t, cuts_at_the_open_bin, limits);
	tcase_add_test(t, sees_summer_time);
	suite_add_tcase(s, t);
	return s;
}
