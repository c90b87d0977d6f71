/*
 * timebin.h - which bin a second belongs to, and when purges are due.
 *
 * Bins are half-open, [start, end), and lie where the round-off letters say, in
 * the zone of the daemon.  Bins of whole days, weeks and months follow the
 * calendar, so they start at midnight on both sides of a change to summer time;
 * shorter bins that divide a day are laid out anew from each midnight, so a
 * restart never moves them; all others run in steps from the rounded start of
 * the daemon, as the reference's do.
 */
#ifndef TIMEBIN_H
#define TIMEBIN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/conf.h"

enum timebin_kind { BIN_NONE, BIN_STEPS, BIN_DAY_PARTS, BIN_DAYS, BIN_MONTHS };

struct timebin {
	enum timebin_kind kind;
	int64_t base;		/* start of some bin */
	int64_t step;		/* seconds; days, months where the kind says so */
	int64_t offset;		/* seconds that bins start behind the rounded time */
};

/* A bin, and the seconds it is good for. */
struct bin_span {
	int64_t start, end;
};

/* `t` rounded down by the letters of sql_history_roundoff (NULL: to the minute's start). */
int64_t timebin_round(int64_t t, const char *letters);
/* `now` is when the daemon started. A span of zero makes BIN_NONE: one bin, 0. */
void timebin_init(struct timebin *b, const struct conf_span *span, const char *letters,
	uint32_t offset, int64_t now);
/* The bin of second `t`; with BIN_NONE {0, INT64_MAX} from the first second on. */
struct bin_span timebin_find(const struct timebin *b, int64_t t);

/* The first purge after `now`: round(now) + k * refresh + delay. */
int64_t purge_first(int64_t now, const char *letters, uint32_t refresh, uint32_t delay);
/* The last deadline of that row that is not behind `now`, given one of them. */
int64_t purge_latest(int64_t deadline, int64_t now, uint32_t refresh);

/*
 * Bins before the returned second go out at a purge of second `now`, given that
 * the one before was at `before` (INT64_MIN: none): all closed ones and the
 * open one, but not one that has just begun (it would be written as a crumb).
 * `delay` of whole bins holds bins back by as much.
 */
int64_t purge_limit(const struct timebin *b, int64_t now, int64_t before, uint32_t delay);

/* True when the zone changes its offset within a year of `now`. */
bool zone_has_dst(int64_t now);

#endif /* TIMEBIN_H */
