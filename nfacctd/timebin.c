#include "nfacctd/timebin.h"

#include <string.h>
#include <time.h>

static struct tm broken_down(int64_t t)
{
	time_t s = (time_t)t;
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	localtime_r(&s, &tm);
	return tm;
}

/* Local fields to seconds; the fold's first or second hour as the zone's rules choose. */
static int64_t seconds_of(struct tm tm)
{
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 of a local date. */
static int64_t day_number(const struct tm *tm)
{
	struct tm utc = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday };

	return floor_div((int64_t)timegm(&utc), 86400);
}

int64_t timebin_round(int64_t t, const char *letters)
{
	struct tm tm = broken_down(t);

	if (!letters || !*letters)
		return t - tm.tm_sec;
	/* Below an hour no calendar is needed, and the fold stays unambiguous. */
	if (strspn(letters, "m") == strlen(letters))
		return t - tm.tm_sec - tm.tm_min * 60;
	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	if (strchr(letters, 'w'))
		tm.tm_mday -=
			(tm.tm_wday + 6) % 7; /* Monday; pmacct only when it starts on no Sunday */
	if (strchr(letters, 'd') || strchr(letters, 'M'))
		tm.tm_mday = 1;
	if (strchr(letters, 'M'))
		tm.tm_mon = 0;
	return seconds_of(tm);
}

void timebin_init(struct timebin *b, const struct conf_span *span, const char *letters,
		  uint32_t offset, int64_t now)
{
	const bool midnight = letters && strpbrk(letters, "hdwM");

	memset(b, 0, sizeof(*b));
	b->base = timebin_round(now, letters) + offset;
	b->offset = offset;
	if (span->months) {
		b->kind = BIN_MONTHS;
		b->step = span->months;
	} else if (span->seconds == 0) {
		b->kind = BIN_NONE;
	} else if (span->seconds % 86400 == 0) {
		b->kind = BIN_DAYS;
		b->step = span->seconds / 86400;
	} else {
		b->kind = midnight && 86400 % span->seconds == 0 ? BIN_DAY_PARTS : BIN_STEPS;
		b->step = span->seconds;
	}
}

/* Start of calendar bin number k; bin 0 starts at the base. */
static int64_t calendar_start(const struct timebin *b, int64_t k)
{
	/* The offset is elapsed seconds behind the wall clock's start. */
	struct tm tm = broken_down(b->base - b->offset);

	if (b->kind == BIN_MONTHS)
		tm.tm_mon += (int)(k * b->step);
	else
		tm.tm_mday += (int)(k * b->step);
	return seconds_of(tm) + b->offset;
}

static struct bin_span calendar_find(const struct timebin *b, int64_t t)
{
	struct tm base = broken_down(b->base - b->offset), tm = broken_down(t - b->offset);
	int64_t k;
	struct bin_span s;

	if (b->kind == BIN_MONTHS)
		k = floor_div((tm.tm_year - base.tm_year) * 12 + tm.tm_mon - base.tm_mon, b->step);
	else
		k = floor_div(day_number(&tm) - day_number(&base), b->step);
	/* The estimate can be one off on the day of the boundary itself. */
	while ((s.start = calendar_start(b, k)) > t)
		k--;
	while ((s.end = calendar_start(b, k + 1)) <= t) {
		s.start = s.end;
		k++;
	}
	return s;
}

struct bin_span timebin_find(const struct timebin *b, int64_t t)
{
	struct timebin day = { BIN_DAYS, b->base, 1, b->offset };
	struct bin_span s = { 0, INT64_MAX };
	int64_t day_end = INT64_MAX, origin = b->base;

	switch (b->kind) {
	case BIN_NONE:
		return s;
	case BIN_DAYS:
	case BIN_MONTHS:
		return calendar_find(b, t);
	case BIN_DAY_PARTS:
		s = calendar_find(&day, t);
		origin = s.start;
		day_end = s.end;
		break;
	case BIN_STEPS:
		break;
	}
	s.start = origin + floor_div(t - origin, b->step) * b->step;
	s.end = s.start + b->step < day_end ? s.start + b->step : day_end;
	return s;
}

int64_t purge_first(int64_t now, const char *letters, uint32_t refresh, uint32_t delay)
{
	int64_t base = timebin_round(now, letters);

	return base + (floor_div(now - base, refresh) + 1) * refresh + delay;
}

int64_t purge_latest(int64_t deadline, int64_t now, uint32_t refresh)
{
	return deadline + floor_div(now - deadline, refresh) * refresh;
}

int64_t purge_limit(const struct timebin *b, int64_t now, int64_t before, uint32_t delay)
{
	struct bin_span open;

	if (b->kind == BIN_NONE)
		return INT64_MAX;
	if (delay && b->kind != BIN_MONTHS && b->kind != BIN_DAYS && delay % b->step == 0) {
		now -= delay;
		before -= before == INT64_MIN ? 0 : delay;
	}
	open = timebin_find(b, now);
	return before < open.start && before != INT64_MIN ? open.start : open.end;
}

bool zone_has_dst(int64_t now)
{
	for (int64_t t = now; t <= now + 366 * INT64_C(86400); t += 86400)
		if (broken_down(t).tm_gmtoff != broken_down(now).tm_gmtoff)
			return true;
	return false;
}
