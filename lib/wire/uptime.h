/*
 * uptime.h - router uptime to absolute time and back, for every format that
 * dates flows by it (v1, v5, v7, v8, v9, IE 21/22).
 *
 * Uptime is 32 bits of milliseconds and wraps every 49.7 days.  Only its
 * distance from the header's uptime means anything, and that distance is
 * signed: a First above the header's uptime began before the wrap, a Last
 * slightly above it is an exporter whose clock runs ahead of its header.
 */
#ifndef UPTIME_H
#define UPTIME_H

#include <stdint.h>

/*
 * `at_us` is the header's absolute time, `uptime` its uptime, `tick_us` the
 * unit of both uptimes in microseconds.  Never before 1970.
 */
static inline uint64_t uptime_to_us(uint32_t field, uint32_t uptime, uint64_t at_us,
	int64_t tick_us)
{
	int64_t t = (int64_t)at_us + (int64_t)(int32_t)(field - uptime) * tick_us;

	return t < 0 ? 0 : (uint64_t)t;
}

/* The way back, in milliseconds; what is no whole millisecond rounds down. */
static inline uint32_t uptime_from_us(uint64_t when_us, uint32_t uptime, uint64_t at_us)
{
	int64_t us = (int64_t)(when_us - at_us);
	int64_t ms = us / 1000 - (us % 1000 < 0);

	return uptime + (uint32_t)ms;
}

#endif /* UPTIME_H */
