/*
 * craft_file.c - a scenario into a capture file, by several workers.
 *
 * Datagrams go by blocks through three stages, and a step of the pool has the tasks of all three,
 * of three blocks that follow one another: craft (a task an exporter, since each draws from a
 * stream of its own), frame (a task a chunk of datagrams: checksums, the truth's text), write
 * (one task, in order).  Between steps, alone: who is next in the block to come, and when what
 * has been crafted is due.
 *
 * That is the catch: with a rate in records, a datagram is due when as many records as came
 * before it are over, and those are being drawn at the same time.  So a worker crafts with a
 * guess - as many records as in that exporter's last datagram - and the times of what was guessed
 * wrong are moved before it is framed.  Where the clock could decide more than times (templates
 * fall due), the block is crafted in order by one.  The octets do not depend on any of this.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/strbuf.h"
#include "pcapgen/lanes.h"
#include "pcapgen/pool.h"

enum {
	BLOCK = 1024,		/* datagrams */
	ARENA_BYTES = 4 << 20,	/* of a block, but for one datagram that is longer */
	CHUNK = 64,
	CHUNKS = BLOCK / CHUNK,
	STAGES = 3,
	/* So much of the shortest time between two announcements is a block at most. */
	REFRESH_SHARE = 16,
};

struct item {
	uint32_t exporter, next;	/* next: item of the same exporter in this block; 0: none */
	uint32_t store;			/* of the worker that crafted it */
	uint64_t number, due_ns, guess_ns;
	struct crafted crafted;
	size_t slot;			/* in the arena */
	size_t first_record, first_patch;	/* in the store */
};

/* What must outlive the exporter's next datagram; one a worker, grown as needed. */
struct store {
	struct flow_record *records;
	struct patch *patches;
	size_t nrecords, cap_records, npatches, cap_patches;
};

/* Datagrams of a block as the files will have them. */
struct chunk {
	size_t first, n;		/* items */
	uint32_t octets[CHUNK];
	size_t text_to[CHUNK];		/* where the truth of each ends */
	uint8_t *frames;
	char *text;
	size_t cap_frames, cap_text;
};

struct block {
	struct item items[BLOCK + 1];	/* [0] unused */
	size_t n;
	uint32_t touched[BLOCK];	/* first item of each exporter in it */
	size_t ntouched;
	bool in_order;			/* crafted already, by one */
	uint8_t *arena;
	size_t cap_arena;
	struct store store[POOL_MAX];
	struct chunk chunks[CHUNKS];
	size_t nchunks;
};

struct filer {
	struct craft_job *job;
	const struct scenario *sc;
	struct lanes lanes;
	struct pool *pool;
	struct block block[STAGES];
	struct block *crafting, *framing, *writing;	/* NULL: none in this stage */
	size_t block_items;
	bool by_records, ended, failed;
	uint64_t units, number;		/* of all blocks that have been timed */
};

static void *grown(void *array, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return array;
	*cap = n + n / 2;
	return xrealloc(array, *cap * size);
}

/* ---- plan: who is in the block ---------------------------------------------------- */

static uint64_t at_ms(const struct filer *f, uint64_t due_ns)
{
	return f->lanes.start_ms + due_ns / 1000000;
}

/* Whether the clock could decide more than times, if every datagram had as many records as it can. */
static bool clock_decides(const struct filer *f, const struct block *b, uint64_t most)
{
	const uint64_t from_ms = at_ms(f, pace_due_ns(&f->job->pace, f->units)),
		       to_ms = at_ms(f, pace_due_ns(&f->job->pace, f->units + most)) + 1;

	for (size_t i = 0; f->by_records && i < b->ntouched; i++) {
		const struct lane *lane = &f->lanes.lane[b->items[b->touched[i]].exporter];

		if (exporter_may_announce(lane->exporter, from_ms, to_ms))
			return true;
	}
	return false;
}

static void plan(struct filer *f, struct block *b)
{
	uint64_t units = f->units, most = 0;
	size_t used = 0;

	b->n = b->ntouched = 0;
	while (b->n < f->block_items) {
		const uint32_t index = lanes_next(&f->lanes);
		const size_t octets = f->sc->exporters[index].datagram_octets;
		struct lane *lane = &f->lanes.lane[index];
		uint32_t number;

		if (b->n && used + octets > ARENA_BYTES)
			break;
		number = (uint32_t)++b->n;
		b->items[number] = (struct item){ .exporter = index,
			.slot = used,
			.guess_ns = pace_due_ns(&f->job->pace, units) };
		if (lane->head)
			b->items[lane->tail].next = number;
		else
			b->touched[b->ntouched++] = lane->head = number;
		lane->tail = number;
		used += octets;
		units += f->by_records ? lane->guess : 1;
		most += f->by_records ? exporter_most_records(lane->exporter) : 1;
		lanes_count(&f->lanes);
		lanes_turn(&f->lanes);
	}
	for (size_t i = 0; i < b->ntouched; i++)
		f->lanes.lane[b->items[b->touched[i]].exporter].head = 0;
	b->arena = grown(b->arena, &b->cap_arena, used, 1);
	for (size_t i = 0; i < POOL_MAX; i++)
		b->store[i].nrecords = b->store[i].npatches = 0;
	b->in_order = clock_decides(f, b, most);
}

/* ---- craft -------------------------------------------------------------------------- */

static void keep_records(struct store *s, struct item *it)
{
	const struct crafted *made = &it->crafted;

	s->records = grown(
		s->records, &s->cap_records, s->nrecords + made->nrecords, sizeof(*s->records));
	it->first_record = s->nrecords;
	if (made->nrecords)
		memcpy(s->records + s->nrecords, made->records,
			made->nrecords * sizeof(*s->records));
	s->nrecords += made->nrecords;
}

static void keep_patches(struct store *s, struct item *it)
{
	const struct crafted *made = &it->crafted;

	s->patches = grown(
		s->patches, &s->cap_patches, s->npatches + made->npatches, sizeof(*s->patches));
	it->first_patch = s->npatches;
	if (made->npatches)
		memcpy(s->patches + s->npatches, made->patches,
			made->npatches * sizeof(*s->patches));
	s->npatches += made->npatches;
}

static void craft(struct filer *f, struct block *b, struct item *it, unsigned worker)
{
	uint8_t *slot = b->arena + it->slot;
	struct crafted *made = &it->crafted;

	it->store = worker;
	exporter_craft(
		f->lanes.lane[it->exporter].exporter, at_ms(f, it->guess_ns), slot, made);
	if (made->from_cycle) {
		memcpy(slot, made->data.p, made->data.n);
		made->data.p = slot;
	}
	if (f->job->truth)
		keep_records(&b->store[worker], it);
	if (f->by_records)
		keep_patches(&b->store[worker], it);
}

static void craft_in_order(struct filer *f, struct block *b)
{
	uint64_t units = f->units;

	for (size_t i = 1; i <= b->n; i++) {
		b->items[i].guess_ns = pace_due_ns(&f->job->pace, units);
		craft(f, b, &b->items[i], 0);
		units += b->items[i].crafted.nrecords;
	}
}

/* ---- time: when each datagram is due, and which is the last ---------------------------- */

static void set_times(struct filer *f, struct block *b)
{
	const uint64_t end_ns = f->sc->duration_ms * 1000000;

	for (size_t i = 1; i <= b->n; i++) {
		struct item *it = &b->items[i];
		struct lane *lane = &f->lanes.lane[it->exporter];

		it->due_ns = pace_due_ns(&f->job->pace, f->units);
		if (it->due_ns >= end_ns) {
			b->n = i - 1;
			f->ended = true;
			break;
		}
		it->number = ++f->number;
		f->units += f->by_records ? it->crafted.nrecords : 1;
		if (it->crafted.announces)
			exporter_announced_at(lane->exporter, at_ms(f, it->due_ns));
		else
			lane->guess = it->crafted.nrecords;
	}
	b->nchunks = 0;
	for (size_t first = 1; first <= b->n; first += CHUNK) {
		struct chunk *k = &b->chunks[b->nchunks++];

		k->first = first;
		k->n = b->n - first + 1 < CHUNK ? b->n - first + 1 : CHUNK;
	}
}

/* ---- frame -------------------------------------------------------------------------- */

static size_t put_truth(const struct filer *f, const struct block *b, struct chunk *k, size_t at,
	const struct item *it, uint64_t later_us)
{
	struct truth_row row =
		lanes_truth(&f->lanes, it->exporter, it->number, it->due_ns, &it->crafted);
	const struct flow_record *records = b->store[it->store].records + it->first_record;

	k->text = grown(k->text, &k->cap_text, at + it->crafted.nrecords * TRUTH_LINE_MAX, 1);
	for (size_t i = 0; i < it->crafted.nrecords; i++) {
		struct flow_record r = records[i];

		if (flow_has(&r, FLOW_last_us)) {
			r.first_us += it->crafted.later_us + later_us;
			r.last_us += it->crafted.later_us + later_us;
		}
		lanes_truth_flow(&row, &r);
		at += truth_line(k->text + at, &row, TRUTH_NARROW);
	}
	return at;
}

static void frame(const struct filer *f, struct block *b, struct chunk *k)
{
	size_t used = 0, text = 0, room = 0;

	for (size_t i = 0; i < k->n; i++)
		room += OUTPUT_RECORD_HEAD + b->items[k->first + i].crafted.data.n;
	k->frames = grown(k->frames, &k->cap_frames, room, 1);
	for (size_t i = 0; i < k->n; i++) {
		struct item *it = &b->items[k->first + i];
		const struct lane *lane = &f->lanes.lane[it->exporter];
		uint64_t later_us = 0;

		if (f->by_records)
			later_us = exporter_move(lane->exporter, at_ms(f, it->guess_ns),
				at_ms(f, it->due_ns), b->arena + it->slot,
				b->store[it->store].patches + it->first_patch,
				it->crafted.npatches);
		k->octets[i] = (uint32_t)f->job->class->record(f->job->output, lane->source,
			it->crafted.data, f->lanes.start_ms * 1000000 + it->due_ns,
			k->frames + used);
		used += k->octets[i];
		if (f->job->truth)
			text = put_truth(f, b, k, text, it, later_us);
		k->text_to[i] = text;
	}
}

/* ---- write -------------------------------------------------------------------------- */

static void write_block(struct filer *f, const struct block *b)
{
	struct craft_job *job = f->job;

	for (size_t c = 0; c < b->nchunks && !f->failed; c++) {
		const struct chunk *k = &b->chunks[c];
		const size_t n = job->class->append(job->output, k->frames, k->octets, k->n);
		uint64_t records = 0;

		for (size_t i = 0; i < n; i++) {
			const struct item *it = &b->items[k->first + i];
			const struct tally t = { 1, it->crafted.nrecords, it->crafted.octets,
				it->crafted.data.n, 0 };

			tally_add(&job->each[it->exporter], &t);
			tally_add(&job->total, &t);
			records += it->crafted.nrecords;
		}
		if (job->truth && n)
			truth_append(job->truth, k->text, k->text_to[n - 1], records);
		f->failed = n < k->n;
	}
}

/* ---- the steps ------------------------------------------------------------------------ */

/* The long one first: tasks 0: write; then an exporter each; then a chunk each. */
static void do_task(void *context, size_t number, unsigned worker)
{
	struct filer *f = context;
	struct block *b = f->crafting;
	size_t lanes = b && !b->in_order ? b->ntouched : 0;

	if (number == 0) {
		if (f->writing)
			write_block(f, f->writing);
	} else if (number <= lanes) {
		for (uint32_t i = b->touched[number - 1]; i; i = b->items[i].next)
			craft(f, b, &b->items[i], worker);
	} else {
		frame(f, f->framing, &f->framing->chunks[number - 1 - lanes]);
	}
}

static void step(struct filer *f)
{
	struct block *b = f->crafting;
	size_t tasks = 1;

	if (b && b->in_order)
		craft_in_order(f, b);
	else if (b)
		tasks += b->ntouched;
	if (f->framing)
		tasks += f->framing->nchunks;
	pool_run(f->pool, do_task, f, tasks);
	if (b)
		set_times(f, b);
}

static int percent_done(const struct filer *f)
{
	const uint64_t due_ms = pace_due_ns(&f->job->pace, f->units) / 1000000;
	const uint64_t all_ms = f->sc->duration_ms ? f->sc->duration_ms : 1;

	return due_ms >= all_ms ? 100 : (int)(due_ms * 100 / all_ms);
}

static void run(struct filer *f)
{
	for (size_t turn = 0;; turn++) {
		f->writing = f->framing;
		f->framing = f->crafting;
		f->crafting = f->ended ? NULL : &f->block[turn % STAGES];
		if (!f->crafting && !f->framing && !f->writing)
			break;
		if (f->crafting)
			plan(f, f->crafting);
		step(f);
		progress_show(f->job->progress, clock_mono_ns(), &f->job->total, percent_done(f));
		f->job->stopped = stop_asked();
		if (f->failed || f->job->stopped)	/* what is not written never was */
			break;
	}
}

/* How many datagrams make a block: few enough that the clock decides only in a few of them. */
static size_t items_of_block(const struct filer *f)
{
	uint64_t refresh_s = 0, most = 1, n;

	for (size_t i = 0; i < f->lanes.n; i++) {
		const uint64_t r = f->sc->exporters[i].refresh_s,
			       m = exporter_most_records(f->lanes.lane[i].exporter);

		if (r && (!refresh_s || r < refresh_s))
			refresh_s = r;
		if (m > most)
			most = m;
	}
	if (!f->by_records || !refresh_s || f->sc->rate / (REFRESH_SHARE * most) >= BLOCK)
		return BLOCK;
	n = f->sc->rate * refresh_s / (REFRESH_SHARE * most);
	return n >= BLOCK ? BLOCK : n ? (size_t)n : 1;
}

static void filer_free(struct filer *f)
{
	for (size_t i = 0; i < STAGES; i++) {
		struct block *b = &f->block[i];

		for (size_t k = 0; k < POOL_MAX; k++) {
			free(b->store[k].records);
			free(b->store[k].patches);
		}
		for (size_t k = 0; k < CHUNKS; k++) {
			free(b->chunks[k].frames);
			free(b->chunks[k].text);
		}
		free(b->arena);
	}
	free(f);
}

int craft_file(struct craft_job *job, char why[static OUTPUT_WHY])
{
	struct filer *f = xcalloc(1, sizeof(*f));
	int err;

	f->job = job;
	f->sc = job->scenario;
	f->by_records = f->sc->rate_unit == RATE_RECORDS;
	job->pace = (struct pace){ .rate = f->sc->rate };
	err = lanes_open(&f->lanes, job, why);
	if (!err) {
		const uint64_t t0_ns = clock_mono_ns();

		lanes_start(&f->lanes);
		for (size_t i = 0; f->by_records && i < f->lanes.n; i++)
			exporter_movable(f->lanes.lane[i].exporter);
		f->block_items = items_of_block(f);
		f->pool = pool_new(job->workers);
		run(f);
		pool_free(f->pool);
		job->elapsed_ns = clock_mono_ns() - t0_ns;
	}
	lanes_close(&f->lanes);
	filer_free(f);
	return err;
}
