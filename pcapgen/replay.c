/*
 * replay.c - capture -> batch -> output, and `pcapgen replay`.
 *
 * Streams: a capture may be larger than memory.  As in craft.c datagrams that
 * fall due within a window go out together, the last of them on time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/strbuf.h"
#include "pcapgen/reanchor.h"
#include "pcapgen/replay.h"
#include "pcapgen/witness.h"
#include "wire/decoder.h"

#define WINDOW_NS UINT64_C(500000)

enum { BATCH = 512, ARENA_BYTES = 4 << 20, DATAGRAM_MAX = 65536, LANES_MAX = 60000 };

/* A sender of the capture. */
struct lane {
	struct endpoint captured, actual;
	int source;
	size_t exporter; /* of the capture, counted from 1: senders with one address are one */
	bool anchored;		/* in this loop */
	int64_t shift_s;
};

struct item {
	uint32_t lane;
	uint64_t number, due_ns;
};

struct replayer {
	struct replay_job *job;
	struct lane *lanes;
	size_t nlanes, cap_lanes;
	uint32_t *slots;	/* hash of `captured` -> lane + 1, open addressing */
	size_t nslots;
	struct item items[BATCH];
	struct bytes data[BATCH];
	size_t n, used;
	uint8_t *arena;
	uint64_t t0_ns, base_ns, last_ns, number;
	struct reanchor *reanchor;
	struct witness *witness;
};

/* ---- senders --------------------------------------------------------------------- */

static size_t hash_endpoint(const struct endpoint *e)
{
	uint64_t h = e->port * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < 16; i++)
		h = (h ^ e->addr.b[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 29);
}

static uint32_t *find_slot(struct replayer *r, const struct endpoint *from)
{
	size_t i = hash_endpoint(from) & (r->nslots - 1);

	for (; r->slots[i]; i = (i + 1) & (r->nslots - 1)) {
		const struct endpoint *c = &r->lanes[r->slots[i] - 1].captured;

		if (c->port == from->port && addr_equal(&c->addr, &from->addr))
			break;
	}
	return &r->slots[i];
}

/* The n-th address of a prefix, counted from 1; false when it has no more. */
static bool nth_address(const struct prefix *p, uint64_t n, struct addr *a)
{
	*a = p->addr;
	for (int i = 15; i >= 0 && n; i--) {
		n += a->b[i];
		a->b[i] = (uint8_t)n;
		n >>= 8;
	}
	return prefix_contains(p, a);
}

static size_t exporter_number(const struct replayer *r, const struct addr *a)
{
	for (size_t i = 0; i < r->nlanes; i++)
		if (addr_equal(&r->lanes[i].captured.addr, a))
			return r->lanes[i].exporter;
	return r->job->exporters + 1;
}

static int choose_source(struct replayer *r, const struct endpoint *from, size_t exporter,
	struct endpoint *e, char *why)
{
	const struct replay_job *job = r->job;
	char text[PREFIX_TEXT];

	*e = (struct endpoint){ .any = job->source_kind == SOURCE_ANY, .addr = addr_zero4 };
	switch (job->source_kind) {
	case SOURCE_ANY:
		return 0;
	case SOURCE_KEPT:
		*e = *from;
		return 0;
	case SOURCE_ONE:
		e->addr = job->source;
		return 0;
	case SOURCE_MAPPED:
		if (nth_address(&job->sources, exporter, &e->addr))
			return 0;
	}
	snprintf(why, OUTPUT_WHY,
		"--sources %s has no address left for exporter %zu of the capture",
		prefix_print(&job->sources, text), exporter);
	return -1;
}

/* The lane of a sender, opened when it first comes by; -1 with `why`. */
static int64_t lane_of(struct replayer *r, const struct endpoint *from, char *why)
{
	uint32_t *slot = find_slot(r, from);
	struct lane *l;

	if (*slot)
		return *slot - 1;
	if (r->nlanes == LANES_MAX) {
		snprintf(why, OUTPUT_WHY, "%.200s: more than %d senders", r->job->path, LANES_MAX);
		return -1;
	}
	if (r->nlanes == r->cap_lanes) {
		r->cap_lanes = r->cap_lanes ? 2 * r->cap_lanes : 16;
		r->lanes = xrealloc(r->lanes, r->cap_lanes * sizeof(*r->lanes));
	}
	l = &r->lanes[r->nlanes];
	*l = (struct lane){ .captured = *from, .exporter = exporter_number(r, &from->addr) };
	if (choose_source(r, from, l->exporter, &l->actual, why))
		return -1;
	l->source = r->job->class->source(r->job->output, &l->actual, why);
	if (l->source < 0)
		return -1;
	if (l->exporter > r->job->exporters)
		r->job->exporters = l->exporter;
	*slot = (uint32_t)++r->nlanes;
	return *slot - 1;
}

/* ---- handing over ------------------------------------------------------------------ */

static void on_row(void *ctx, const struct truth_row *row)
{
	struct replay_job *job = ctx;

	truth_put(job->truth, row);
	job->total.records++;
	job->total.octets += row->flow.octets;
}

static void settle(struct replayer *r, size_t i, int outcome, uint64_t sent_us)
{
	struct replay_job *job = r->job;
	struct datagram d = {
		.data = r->data[i], .from = r->lanes[r->items[i].lane].actual, .recv_us = sent_us
	};

	if (outcome) {
		job->total.send_errors++;
		return;
	}
	job->total.datagrams++;
	job->total.wire_octets += d.data.n;
	if (r->witness)
		witness_read(r->witness, &d, r->items[i].number, on_row, job);
}

/* Slices, so that a signal ends a long gap of the capture. */
static void wait_until(uint64_t deadline_ns)
{
	const uint64_t slice_ns = 100000000;

	for (uint64_t now = clock_mono_ns(); now < deadline_ns && !stop_asked();
		now = clock_mono_ns())
		clock_sleep_until(deadline_ns - now > slice_ns ? now + slice_ns : deadline_ns);
}

static void flush(struct replayer *r)
{
	int outcome[BATCH];
	uint64_t when_ns[BATCH], sent_us;

	if (!r->n)
		return;
	if (r->job->speed_milli)
		wait_until(r->t0_ns + r->items[r->n - 1].due_ns);
	if (stop_asked()) {
		r->n = r->used = 0;
		return;
	}
	if (r->job->speed_milli)
		pace_sent(&r->job->pace, r->items[0].due_ns, clock_mono_ns() - r->t0_ns);
	sent_us = clock_wall_us();
	for (size_t i = 0; i < r->n; i++)
		when_ns[i] = sent_us * 1000;
	for (size_t i = 0, end; i < r->n; i = end) {
		for (end = i + 1; end < r->n && r->items[end].lane == r->items[i].lane; end++)
			;
		r->job->class->send(r->job->output, r->lanes[r->items[i].lane].source, r->data + i,
			when_ns + i, end - i, outcome + i);
	}
	for (size_t i = 0; i < r->n; i++)
		settle(r, i, outcome[i], sent_us);
	r->n = r->used = 0;
}

/* ---- reading ------------------------------------------------------------------------- */

static void anchor(struct replayer *r, struct lane *l, uint8_t *data, size_t n, uint64_t due_ns)
{
	uint32_t header_s;

	/* The first header of an exporter reads now, and what follows keeps its distance. */
	if (!l->anchored && reanchor_header_time(data, n, &header_s)) {
		uint64_t ahead_ns = r->t0_ns + due_ns - clock_mono_ns();
		int64_t ahead_us = r->job->speed_milli ? (int64_t)ahead_ns / 1000 : 0;

		l->shift_s = (int64_t)((clock_wall_us() + (uint64_t)ahead_us) / 1000000) -
			(int64_t)header_s;
		l->anchored = true;
	}
	if (l->anchored)
		reanchor_move(r->reanchor, &l->captured, data, n, l->shift_s);
}

static int take(struct replayer *r, const struct datagram *d, uint64_t due_ns, char *why)
{
	struct item *it;
	int64_t lane;

	if (r->n == BATCH || ARENA_BYTES - r->used < DATAGRAM_MAX ||
	    (r->n && due_ns > r->items[0].due_ns + WINDOW_NS))
		flush(r);
	lane = lane_of(r, &d->from, why);
	if (lane < 0)
		return -1;
	it = &r->items[r->n];
	*it = (struct item){ (uint32_t)lane, ++r->number, due_ns };
	memcpy(r->arena + r->used, d->data.p, d->data.n);
	r->data[r->n] = (struct bytes){ r->arena + r->used, d->data.n };
	if (r->reanchor)
		anchor(r, &r->lanes[lane], r->arena + r->used, d->data.n, due_ns);
	r->used += d->data.n;
	r->n++;
	return 0;
}

static bool is_wanted(struct replay_job *job, const struct datagram *d, const struct endpoint *to)
{
	struct peek p;

	if (job->port && to->port != job->port) {
		job->other_port++;
		return false;
	}
	wire_peek(&p, d->data);
	if (p.protocol == PROTO_UNKNOWN) {
		job->not_exports++;
		return false;
	}
	return true;
}

static void add_counts(struct capture_counts *sum, const struct capture_counts *c)
{
	sum->packets += c->packets;
	sum->datagrams += c->datagrams;
	sum->fragments += c->fragments;
	sum->other += c->other;
	sum->cut += c->cut;
	sum->reassembled += c->reassembled;
	sum->joined += c->joined;
}

/* Once through the file; 0, -1 with `why`. */
static int replay_once(struct replayer *r, char *why)
{
	struct replay_job *job = r->job;
	struct capture *c = capture_open(job->path, why);
	uint64_t first_us = 0, sent = 0, due_ns = r->base_ns;
	struct datagram d;
	struct endpoint to;
	int got;

	if (!c)
		return -1;
	while ((got = capture_next(c, &d, &to, why)) == 1 && !job->stopped) {
		if (!is_wanted(job, &d, &to))
			continue;
		if (!sent++)
			first_us = d.recv_us;
		/* A capture's clock can step back: never due before the last one. */
		if (job->speed_milli && d.recv_us > first_us) {
			uint64_t ns = (d.recv_us - first_us) * 1000 * 1000 / job->speed_milli;

			if (r->base_ns + ns > due_ns)
				due_ns = r->base_ns + ns;
		}
		if (take(r, &d, due_ns, why)) {
			got = -1;
			break;
		}
		progress_show(job->progress, clock_mono_ns(), &job->total, -1);
		job->stopped = stop_asked();
	}
	flush(r);
	/* The next loop begins one mean distance behind the end of this one. */
	r->base_ns = due_ns + (sent > 1 ? (due_ns - r->base_ns) / (sent - 1) : 0);
	add_counts(&job->capture, capture_counts(c));
	capture_close(c);
	if (got == 0 && !sent) {
		snprintf(why, OUTPUT_WHY, "%.200s: no flow exports in it", job->path);
		got = -1;
	}
	return got < 0 ? -1 : 0;
}

int replay_run(struct replay_job *job, char why[static OUTPUT_WHY])
{
	struct replayer *r = xcalloc(1, sizeof(*r));
	int err = 0;

	r->job = job;
	r->nslots = 1 << 17;	/* twice LANES_MAX: never full */
	r->slots = xcalloc(r->nslots, sizeof(*r->slots));
	r->arena = xmalloc(ARENA_BYTES);
	if (job->reanchor)
		r->reanchor = reanchor_new();
	if (job->truth)
		r->witness = witness_new();
	if (job->truth && job->elements)
		witness_keep_elements(r->witness);
	job->pace = (struct pace){ .rate = 0 };
	r->t0_ns = clock_mono_ns();
	for (uint64_t loop = 0; loop < job->loops && !err && !job->stopped; loop++) {
		for (size_t i = 0; i < r->nlanes; i++)
			r->lanes[i].anchored = false;
		err = replay_once(r, why);
	}
	job->elapsed_ns = clock_mono_ns() - r->t0_ns;
	witness_free(r->witness);
	reanchor_free(r->reanchor);
	free(r->arena);
	free(r->slots);
	free(r->lanes);
	free(r);
	return err;
}
