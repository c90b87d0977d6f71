/*
 * pace.c - the schedule.
 */
#include "pcapgen/pace.h"

#define NS_PER_S UINT64_C(1000000000)

typedef unsigned __int128 u128;

uint64_t pace_due_ns(const struct pace *p, uint64_t before)
{
	return p->rate ? (uint64_t)((u128)before * NS_PER_S / p->rate) : 0;
}

void pace_sent(struct pace *p, uint64_t due_ns, uint64_t sent_ns)
{
	uint64_t late = sent_ns > due_ns ? sent_ns - due_ns : 0;

	if (late > p->late_max_ns)
		p->late_max_ns = late;
	p->late_sum_ns += late;
	p->sends++;
}

uint64_t pace_reached_milli(uint64_t units, uint64_t ns)
{
	return ns ? (uint64_t)((u128)units * NS_PER_S * 1000 / ns) : 0;
}
