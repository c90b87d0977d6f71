/*
 * rules_bins.c - see rules_bins.h.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "pcapgen/rules_bins.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY };

static bool letter(const struct rules_plugin *p, int c)
{
	return p->roundoff && strchr(p->roundoff, c);
}

/* Midnight: hours are rounded away by h and by everything above it. */
static bool from_midnight(const struct rules_plugin *p)
{
	return letter(p, 'h') || letter(p, 'd') || letter(p, 'w') || letter(p, 'M');
}

bool bins_known(const struct rules_plugin *p, const char **why)
{
	uint32_t s = p->history.seconds, m = p->history.months;
	bool month_start = letter(p, 'd') || letter(p, 'M');

	*why = "bins of this length and round-off start when the collector is started";
	if (m == 1)
		return month_start;
	if (m)
		return letter(p, 'M') && 12 % m == 0;
	if (!s)
		return true;
	if (s == WEEK)
		return letter(p, 'w') && !month_start;
	if (s % DAY == 0)
		return s == DAY && from_midnight(p);
	if (from_midnight(p))
		return DAY % s == 0;
	if (letter(p, 'm'))
		return HOUR % s == 0;
	return MINUTE % s == 0;
}

static struct tm local(int64_t t)
{
	time_t at = (time_t)t;
	struct tm tm;

	localtime_r(&at, &tm);
	return tm;
}

/* The calendar's start of the day, week or month(s) that `tm` lies in; `steps` of them later. */
static int64_t calendar(const struct rules_plugin *p, struct tm tm, int steps)
{
	int months = (int)p->history.months;

	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	tm.tm_isdst = -1;
	if (months) {
		tm.tm_mday = 1;
		tm.tm_mon = tm.tm_mon - tm.tm_mon % months + steps * months;
	} else if (p->history.seconds == WEEK) {
		tm.tm_mday += steps * 7 - (tm.tm_wday + 6) % 7;	/* Monday */
	} else {
		tm.tm_mday += steps;
	}
	return (int64_t)mktime(&tm);
}

/* Where the bins that hold `t` are counted from: all of them then have the same length. */
static int64_t origin(const struct rules_plugin *p, int64_t t)
{
	struct tm tm = local(t);

	if (from_midnight(p))
		return calendar(&(struct rules_plugin){ .history = { DAY, 0 } }, tm, 0);
	return t - tm.tm_sec - (letter(p, 'm') ? tm.tm_min * MINUTE : 0);
}

static bool by_calendar(const struct rules_plugin *p)
{
	return p->history.months || p->history.seconds % DAY == 0;
}

int64_t bins_start(const struct rules_plugin *p, int64_t t)
{
	int64_t s = p->history.seconds, from;

	if (!s && !p->history.months)
		return 0;
	t -= p->history_offset;
	if (by_calendar(p))
		return calendar(p, local(t), 0) + p->history_offset;
	from = origin(p, t);
	return from + (t - from) / s * s + p->history_offset;
}

int64_t bins_end(const struct rules_plugin *p, int64_t t)
{
	int64_t start = bins_start(p, t), next_day;

	if (!p->history.seconds && !p->history.months)
		return INT64_MAX;
	if (by_calendar(p))
		return calendar(p, local(t - p->history_offset), 1) + p->history_offset;
	start += p->history.seconds;
	if (!from_midnight(p))
		return start;
	/* The last bin of the day that summer time ends or begins may be cut. */
	next_day = calendar(&(struct rules_plugin) { .history = { DAY, 0 } },
			   local(t - p->history_offset), 1) +
		p->history_offset;
	return start < next_day ? start : next_day;
}

void bins_text(const struct rules_plugin *p, int64_t bin, char *buf, size_t n)
{
	time_t at = (time_t)bin;
	struct tm tm;

	if (p->since_epoch) {
		snprintf(buf, n, "%lld", (long long)bin);
		return;
	}
	if (p->utc)
		gmtime_r(&at, &tm);
	else
		localtime_r(&at, &tm);
	strftime(buf, n, "%Y-%m-%d %H:%M:%S", &tm);
}
