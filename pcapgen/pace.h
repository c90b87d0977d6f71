/*
 * pace.h - when the n-th unit (record or datagram) is due.
 *
 * Every deadline is computed from the start and the count, never from the
 * last one, in integers: what one deadline is rounded by does not add up, so a
 * schedule of any length ends when it should.
 */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

struct pace {
	uint64_t rate;		/* units a second; 0: at once */
	uint64_t late_max_ns, late_sum_ns, sends;
};

/* Nanoseconds after the start at which a unit is due that has `before` units in front of it. */
uint64_t pace_due_ns(const struct pace *p, uint64_t before);
/* Something due at `due_ns` went out at `sent_ns` (both after the start). */
void pace_sent(struct pace *p, uint64_t due_ns, uint64_t sent_ns);
/* Units a second, in thousandths, of `units` in `ns`. */
uint64_t pace_reached_milli(uint64_t units, uint64_t ns);

#endif /* PACE_H */
