/*
 * craft.c - the scenario's main loop, in real time; craft_file.c has that into a file.
 *
 * Datagrams are made ahead of time, as many as fall due within WINDOW_NS, put
 * together by exporter - a run of one exporter's is one system call - and
 * handed over when the last of them is due.  None goes out early, none more
 * than the window late by design; what the machine adds is measured.  The
 * headers carry the scheduled time, not the time of the hand-over: the bytes
 * depend on the scenario alone.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/strbuf.h"
#include "pcapgen/lanes.h"

#define WINDOW_NS UINT64_C(500000)

enum { BATCH = 1024, MAX_RUN = 64, ARENA_BYTES = 4 << 20, SEND_BUFFER = 4 << 20 };

struct item {
	uint32_t exporter, next; /* next: item of the same exporter in this batch; 0: none, they
				    count from 1 */
	uint64_t number, due_ns;
	struct crafted crafted;
	size_t first_record;		/* in batch.records; only with a truth */
	int outcome;
};

struct crafter {
	struct craft_job *job;
	const struct scenario *sc;
	struct lanes lanes;
	uint64_t units, number, t0_ns;
	struct item items[BATCH + 1];	/* [0] unused */
	size_t n;
	uint32_t touched[BATCH];
	size_t ntouched;
	uint8_t *arena;
	size_t used, cap;
	struct flow_record *records;	/* copies for the truth, until the outcome is known */
	size_t nrecords, cap_records;
	uint64_t sent_us;		/* wall clock of this batch */
};

/* ---- making -------------------------------------------------------------------- */

static void keep_records(struct crafter *c, struct item *it)
{
	size_t n = it->crafted.nrecords;

	if (c->nrecords + n > c->cap_records) {
		c->cap_records = (c->nrecords + n) * 2;
		c->records = xrealloc(c->records, c->cap_records * sizeof(*c->records));
	}
	it->first_record = c->nrecords;
	if (n)
		memcpy(c->records + c->nrecords, it->crafted.records, n * sizeof(*c->records));
	for (size_t i = 0; i < n; i++, c->nrecords++)
		if (flow_has(&c->records[c->nrecords], FLOW_last_us)) {
			c->records[c->nrecords].first_us += it->crafted.later_us;
			c->records[c->nrecords].last_us += it->crafted.later_us;
		}
}

/* One more datagram of the exporter that is next, due at `due_ns`. */
static void make(struct crafter *c, uint32_t index, uint64_t due_ns)
{
	struct lane *lane = &c->lanes.lane[index];
	uint32_t number = (uint32_t)++c->n;
	struct item *it = &c->items[number];

	*it = (struct item){ .exporter = index, .number = ++c->number, .due_ns = due_ns };
	exporter_craft(
		lane->exporter, c->lanes.start_ms + due_ns / 1000000, c->arena + c->used, &it->crafted);
	if (!it->crafted.from_cycle)
		c->used += it->crafted.data.n;
	if (c->job->truth)
		keep_records(c, it);
	c->units += c->sc->rate_unit == RATE_RECORDS ? it->crafted.nrecords : 1;
	if (lane->head)
		c->items[lane->tail].next = number;
	else
		c->touched[c->ntouched++] = lane->head = number;
	lane->tail = number;
	lane->in_batch++;
	lanes_count(&c->lanes);
}

/* Whether the batch can take one more of this exporter. */
static bool has_room(const struct crafter *c, uint32_t index)
{
	const struct lane *lane = &c->lanes.lane[index];

	return c->n < BATCH && c->cap - c->used >= c->sc->exporters[index].datagram_octets &&
		(!c->sc->cycle || lane->in_batch < c->sc->cycle);
}

/* Fill the batch with what is due within the window.  False when the scenario has ended. */
static bool fill(struct crafter *c, uint64_t now_ns)
{
	bool timed = c->sc->rate != 0;
	uint64_t end_ns = c->sc->duration_ms * 1000000;
	uint64_t due_ns = timed ? pace_due_ns(&c->job->pace, c->units) : now_ns - c->t0_ns;
	uint64_t window_ns = due_ns + WINDOW_NS;
	unsigned run = 0;

	if (due_ns >= end_ns)
		return false;
	while (due_ns < end_ns && due_ns <= window_ns && has_room(c, lanes_next(&c->lanes))) {
		make(c, lanes_next(&c->lanes), due_ns);
		/* Without a schedule the order is ours: runs of one exporter are cheaper. */
		if (timed || ++run == MAX_RUN) {
			lanes_turn(&c->lanes);
			run = 0;
		}
		if (timed)
			due_ns = pace_due_ns(&c->job->pace, c->units);
	}
	lanes_turn(&c->lanes);
	return true;
}

/* ---- handing over ---------------------------------------------------------------- */

static void send_lane(struct crafter *c, struct lane *lane)
{
	struct bytes d[BATCH];
	uint64_t when_ns[BATCH];
	int outcome[BATCH];
	size_t n = 0;

	for (uint32_t i = lane->head; i; i = c->items[i].next) {
		d[n] = c->items[i].crafted.data;
		when_ns[n++] = c->lanes.start_ms * 1000000 + c->items[i].due_ns;
	}
	c->job->class->send(c->job->output, lane->source, d, when_ns, n, outcome);
	n = 0;
	for (uint32_t i = lane->head; i; i = c->items[i].next)
		c->items[i].outcome = outcome[n++];
	lane->head = lane->tail = lane->in_batch = 0;
}

static void put_truth(struct crafter *c, const struct item *it)
{
	struct truth_row row =
		lanes_truth(&c->lanes, it->exporter, it->number, it->due_ns, &it->crafted);

	row.sent_us = c->sent_us;
	for (size_t i = 0; i < it->crafted.nrecords; i++) {
		lanes_truth_flow(&row, &c->records[it->first_record + i]);
		truth_put(c->job->truth, &row);
	}
}

static void settle(struct crafter *c)
{
	for (size_t i = 1; i <= c->n; i++) {
		const struct item *it = &c->items[i];
		struct tally t = { .send_errors = 1 };

		if (!it->outcome) {
			t = (struct tally) { 1, it->crafted.nrecords, it->crafted.octets,
				it->crafted.data.n, 0 };
			if (c->job->truth)
				put_truth(c, it);
		}
		tally_add(&c->job->each[it->exporter], &t);
		tally_add(&c->job->total, &t);
	}
	c->n = c->ntouched = c->used = c->nrecords = 0;
}

/* In slices: a signal must not wait for the next datagram of a slow scenario. */
static void wait_until(uint64_t deadline_ns)
{
	const uint64_t slice_ns = 100000000;

	for (uint64_t now = clock_mono_ns(); now < deadline_ns && !stop_asked();
		now = clock_mono_ns())
		clock_sleep_until(deadline_ns - now > slice_ns ? now + slice_ns : deadline_ns);
}

static void flush(struct crafter *c)
{
	uint64_t now_ns;

	if (!c->n)
		return;
	if (c->sc->rate)
		wait_until(c->t0_ns + c->items[c->n].due_ns);
	if (stop_asked()) {	/* made and not due yet: it never was sent */
		c->n = 0;
		return;
	}
	now_ns = clock_mono_ns() - c->t0_ns;
	c->sent_us = clock_wall_us();
	for (size_t i = 0; i < c->ntouched; i++)
		send_lane(c, &c->lanes.lane[c->items[c->touched[i]].exporter]);
	if (c->sc->rate)
		pace_sent(&c->job->pace, c->items[1].due_ns, now_ns);
	settle(c);
}

/* ---- beginning and end -------------------------------------------------------------- */

static void start_clock(struct crafter *c)
{
	lanes_start(&c->lanes);
	c->t0_ns = clock_mono_ns();
	/* Making the exporters took a while: headers and clock start together. */
	if (!c->sc->start_ms)
		c->t0_ns -= (clock_wall_us() - c->lanes.start_ms * 1000) * 1000;
}

static void run(struct crafter *c)
{
	struct craft_job *job = c->job;

	while (!job->stopped && fill(c, clock_mono_ns())) {
		uint64_t due_ns = c->items[c->n].due_ns;

		flush(c);
		progress_show(job->progress, clock_mono_ns(), &job->total,
			(int)(due_ns / 10000 / (c->sc->duration_ms ? c->sc->duration_ms : 1)));
		job->stopped = stop_asked();
	}
	/* The last unit has its share of time, too: without it the rate would read too high. */
	if (c->sc->rate && !job->stopped)
		wait_until(c->t0_ns + pace_due_ns(&job->pace, c->units));
	job->elapsed_ns = clock_mono_ns() - c->t0_ns;
}

int craft_run(struct craft_job *job, char why[static OUTPUT_WHY])
{
	struct crafter *c = xcalloc(1, sizeof(*c));
	int err;

	c->job = job;
	c->sc = job->scenario;
	c->cap = ARENA_BYTES;
	c->arena = xmalloc(c->cap);
	job->pace = (struct pace){ .rate = c->sc->rate };
	err = lanes_open(&c->lanes, job, why);
	if (!err) {
		start_clock(c);
		run(c);
	}
	lanes_close(&c->lanes);
	free(c->records);
	free(c->arena);
	free(c);
	return err;
}
