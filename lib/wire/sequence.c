/*
 * sequence.c - see sequence.h.
 */
#include "sequence.h"

/* An exporter's uptime may step back a little between two engines of one box. */
#define UPTIME_SLACK_MS 10000

static bool seen(const struct sequence *s, uint32_t number)
{
	for (unsigned i = 0; i < s->nrecent; i++)
		if (s->recent[i] == (uint16_t)number)
			return true;
	return false;
}

static void remember(struct sequence *s, uint32_t number)
{
	s->recent[s->at] = (uint16_t)number;
	s->at = (uint8_t)((s->at + 1) % SEQUENCE_RECENT);
	if (s->nrecent < SEQUENCE_RECENT)
		s->nrecent++;
}

static void restart(struct sequence *s, struct sequence_counts *c)
{
	c->restarts++;
	s->nrecent = s->at = 0;
}

static void take_back(struct sequence_counts *c, uint64_t units)
{
	c->lost -= units < c->lost ? units : c->lost;
}

/* A number from behind: true when it is late or a duplicate, false when it is a restart. */
static bool behind(struct sequence *s, struct sequence_counts *c, const struct sequence_step *in,
		   uint32_t distance)
{
	if (in->units > 0 && seen(s, in->number)) {
		c->duplicates++;
		return true;
	}
	if (distance > SEQUENCE_LATE_MAX * in->unit)
		return false;
	s->run = s->run && in->number == s->behind_next ? (uint8_t)(s->run + 1) : 1;
	s->behind_next = in->number + in->units;
	if (s->run >= (c->lost ? SEQUENCE_RUN_LOSS : SEQUENCE_RUN))
		return false;
	c->late++;
	take_back(c, in->units);
	remember(s, in->number);
	return true;
}

void sequence_step(struct sequence *s, struct sequence_counts *c, const struct sequence_step *in)
{
	uint32_t ahead = in->number - s->next;
	bool rebooted = in->has_uptime && s->known &&
		(int32_t)(in->uptime_ms - s->uptime_ms) < -UPTIME_SLACK_MS;

	c->received += in->units;
	if (s->known && rebooted) {
		restart(s, c);
	} else if (s->known && ahead > INT32_MAX) {
		if (behind(s, c, in, 0u - ahead))
			return;
		restart(s, c);
	} else if (s->known && ahead > SEQUENCE_GAP_MAX * in->unit) {
		restart(s, c);
	} else if (s->known && ahead > 0) {
		c->gaps++;
		c->lost += ahead;
	}
	s->run = 0;
	if (in->units > 0)
		remember(s, in->number);
	s->next = in->number + in->units;
	s->known = !in->uncertain;
	s->uptime_ms = in->uptime_ms;
}
