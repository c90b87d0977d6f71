/*
 * clock.h - wall and monotonic time in one unit each, and waiting for a
 * deadline.  Everything that depends on time takes it as an argument; only
 * main loops call these.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Microseconds since 1970 UTC. */
uint64_t clock_wall_us(void);
/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_mono_ns(void);
/* CPU nanoseconds this thread used. */
uint64_t clock_thread_ns(void);
/* Sleep until CLOCK_MONOTONIC reads `deadline_ns`; returns the lateness in ns. */
uint64_t clock_sleep_until(uint64_t deadline_ns);

#endif /* CLOCK_H */
