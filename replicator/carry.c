/*
 * carry.c - see carry.h.
 */
#include "carry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "replicator/rebuild.h"
#include "replicator/resample.h"
#include "replicator/roster.h"
#include "replicator/thin.h"

/* What a record is about; another meaning is another number. */
enum kind {
	TOTAL = 1,		/* name, 1 number */
	WORKER,			/* what follows is its; no number */
	COLUMN,			/* name: of the next of a receiver's counters */
	RECEIVER,		/* name, a number a column; the receiver that follows are about */
	REMOVED,		/* the same of those that a reload removed, no name */
	NUMBERS,		/* a stream of the receiver: RENUMBER_ROW */
	POOL,			/* name; what follows is its */
	SAMPLE,			/* an sFlow source of `sample`: RESAMPLE_ROW */
	TENANT,			/* a stream of its tenant: REBUILD_ROW */
	TENANT_SAMPLE,		/* an sFlow source of its tenant: RESAMPLE_ROW */
	EXPORTER,		/* EXPORTERS_ROW */
	STREAM,			/* of an exporter: EXPORTERS_STREAM_ROW */
	END,			/* 2 numbers: records before it, their sum */
	KINDS
};

/* Then the name, padded to 8 octets, and the numbers. */
struct record {
	uint16_t kind, name;	/* octets of the name */
	uint32_t n;
};

enum { COLUMNS_MAX = 64, NUMBERS_MAX = 64, NAME_MAX_OCTETS = 65535, WORD = 8,
	FILE_MAX = 256 << 20 };

static const char magic[WORD] = "FLCARRY1";
enum { MAGIC_NAME = 7 };	/* octets of it before the version */

/* Over words, for damage; nobody but us has the file. */
static uint64_t sum_up(uint64_t sum, const uint8_t *p, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, p + i * WORD, WORD);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

static size_t padded(size_t n)
{
	return (n + WORD - 1) / WORD * WORD;
}

/* ---- out ------------------------------------------------------------------------ */

struct writer {
	FILE *f;
	uint64_t records, sum, streams, left_out;
};

static void put(struct writer *w, enum kind kind, const char *name, const uint64_t *v, size_t n)
{
	const size_t len = name ? strlen(name) : 0;
	const struct record r = { (uint16_t)kind, (uint16_t)len, (uint32_t)n };
	uint8_t text[ROSTER_NAME + WORD] = { 0 };

	/* A name that long is nobody's. */
	if (len >= ROSTER_NAME)
		return;
	if (len)
		memcpy(text, name, len);
	fwrite(&r, sizeof(r), 1, w->f);
	fwrite(text, 1, padded(len), w->f);
	if (n)
		fwrite(v, WORD, n, w->f);
	w->sum = sum_up(w->sum, (const uint8_t *)&r, 1);
	w->sum = sum_up(w->sum, text, padded(len) / WORD);
	w->sum = sum_up(w->sum, (const uint8_t *)v, n);
	w->records++;
}

static void put_row(struct writer *w, enum kind kind, const uint64_t *row, size_t n)
{
	if (w->streams < CARRY_STREAMS) {
		put(w, kind, NULL, row, n);
		w->streams++;
	} else {
		w->left_out++;
	}
}

/* A receiver's counters, in the order of the columns. */
static size_t counters_of(const struct receiver *r, uint64_t v[static COLUMNS_MAX])
{
	struct receiver copy = *r;
	const uint64_t *value;
	const char *name;
	size_t n = 0;

	for (; n < COLUMNS_MAX && (value = report_counter(&copy, n, &name)); n++)
		v[n] = *value;
	return n;
}

static void put_receiver(struct writer *w, const struct pool *p, const struct receiver *r)
{
	uint64_t v[COLUMNS_MAX], row[RENUMBER_ROW];
	char name[ROSTER_NAME];

	if (roster_name(name, p, r) >= ROSTER_NAME)
		return;
	put(w, RECEIVER, name, v, counters_of(r, v));
	for (const void *s = NULL; r->numbers && (s = renumber_row(r->numbers, s, row)); )
		put_row(w, NUMBERS, row, RENUMBER_ROW);
}

static void put_sources(struct writer *w, enum kind kind, const struct resample *r)
{
	uint64_t row[RESAMPLE_ROW];

	for (const void *s = NULL; r && (s = resample_row(r, s, row)); )
		put_row(w, kind, row, RESAMPLE_ROW);
}

static void put_pool(struct writer *w, const struct pool *p)
{
	uint64_t row[REBUILD_ROW];

	put(w, POOL, p->label, NULL, 0);
	if (p->thin)
		put_sources(w, SAMPLE, thin_numbers(p->thin, false));
	for (const void *s = NULL; p->rebuild && (s = rebuild_row(p->rebuild, s, row)); )
		put_row(w, TENANT, row, REBUILD_ROW);
	if (p->rebuild)
		put_sources(w, TENANT_SAMPLE, rebuild_numbers(p->rebuild, false));
}

static void put_worker(struct writer *w, const struct worker *from)
{
	const struct receivers *rs = &from->receivers;
	const struct exporters *x = from->gate ? from->gate->exporters : NULL;
	uint64_t v[COLUMNS_MAX], row[EXPORTERS_STREAM_ROW];

	put(w, WORKER, NULL, NULL, 0);
	for (size_t i = 0; i < rs->npools; i++) {
		put_pool(w, &rs->pools[i]);
		for (size_t k = 0; k < rs->pools[i].n; k++)
			put_receiver(w, &rs->pools[i], rs->pools[i].receivers[k]);
	}
	put(w, REMOVED, NULL, v, counters_of(&rs->removed, v));
	for (const void *e = NULL; x && (e = exporters_row(x, e, row)); )
		put(w, EXPORTER, NULL, row, EXPORTERS_ROW);
	for (const void *s = NULL; x && (s = exporters_stream_row(x, s, row)); )
		put_row(w, STREAM, row, EXPORTERS_STREAM_ROW);
}

uint64_t carry_write(FILE *f, struct worker *workers, size_t n, const struct report *sum)
{
	struct report *totals = xmalloc(sizeof(*totals));
	struct writer w = { .f = f };
	struct receiver any = { 0 };
	char name[REPORT_NAME];
	uint64_t last[2];
	const uint64_t *value;
	const char *column;

	*totals = *sum;
	fwrite(magic, sizeof(magic), 1, f);
	for (size_t i = 0; (value = report_total(totals, i, name)); i++)
		put(&w, TOTAL, name, value, 1);
	for (size_t i = 0; i < COLUMNS_MAX && report_counter(&any, i, &column); i++)
		put(&w, COLUMN, column, NULL, 0);
	for (size_t i = 0; i < n; i++)
		put_worker(&w, &workers[i]);
	last[0] = w.records;
	last[1] = w.sum;
	put(&w, END, NULL, last, 2);
	free(totals);
	return w.left_out;
}

/* ---- in ------------------------------------------------------------------------- */

struct reader {
	struct worker *workers;
	size_t n;		/* of ours */
	size_t theirs, at;	/* workers of the file; the one that is read, 1 the first */
	struct report *base;
	struct carry_result *got;
	/* Our columns by theirs; -1: one that we do not know. */
	int column[COLUMNS_MAX];
	size_t columns;
	struct roster *names;	/* a worker each */
	/* Of each of our workers: what the record at hand is about, or NULL. */
	struct roster_entry **receiver;
	struct pool **pool;
};

/* A record in the file. */
struct view {
	enum kind kind;
	const char *name;
	size_t name_n;
	const uint8_t *numbers;
	size_t n;
};

static uint64_t number_at(const struct view *v, size_t i)
{
	uint64_t number;

	memcpy(&number, v->numbers + i * WORD, WORD);
	return number;
}

/* The record at `*at`, which is left behind; false when it is cut. */
static bool view_next(struct view *v, const uint8_t *data, size_t n, size_t *at)
{
	struct record r;
	size_t octets;

	if (n - *at < sizeof(r))
		return false;
	memcpy(&r, data + *at, sizeof(r));
	octets = padded(r.name) + (size_t)r.n * WORD;
	if (octets > n - *at - sizeof(r))
		return false;
	*v = (struct view){ (enum kind)r.kind, (const char *)data + *at + sizeof(r), r.name,
		data + *at + sizeof(r) + padded(r.name), r.n };
	*at += sizeof(r) + octets;
	return true;
}

static bool is_named(const struct view *v, const char *name)
{
	return strlen(name) == v->name_n && memcmp(name, v->name, v->name_n) == 0;
}

static bool read_total(struct reader *r, const struct view *v)
{
	char name[REPORT_NAME];
	uint64_t *sum;

	for (size_t i = 0; v->n == 1 && (sum = report_total(r->base, i, name)); i++) {
		if (!is_named(v, name))
			continue;
		*sum += number_at(v, 0);
		r->got->counters++;
		return true;
	}
	return false;
}

static bool read_column(struct reader *r, const struct view *v)
{
	struct receiver any = { 0 };
	const char *name;

	if (r->columns == COLUMNS_MAX)
		return false;
	r->column[r->columns] = -1;
	for (int i = 0; report_counter(&any, (size_t)i, &name); i++)
		if (is_named(v, name))
			r->column[r->columns] = i;
	return r->column[r->columns++] >= 0;
}

static bool read_worker(struct reader *r, const struct view *v)
{
	(void)v;
	r->at++;
	/* Counters of one that we have no counterpart of would be nobody's. */
	if (r->at > r->n)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		roster_clear(&r->names[i]);
		roster_init(&r->names[i], &r->workers[i].receivers);
		r->receiver[i] = NULL;
		r->pool[i] = NULL;
	}
	return true;
}

static void add_counters(struct reader *r, struct receiver *to, const struct view *v)
{
	const char *name;

	for (size_t i = 0; i < v->n && i < r->columns; i++)
		if (r->column[i] >= 0)
			*report_counter(to, (size_t)r->column[i], &name) += number_at(v, i);
	health_rebase(&to->health, &to->out.counts);
	r->got->counters += v->n;
}

/* The worker that has the counters of the one that is read. */
static struct worker *counting(struct reader *r)
{
	return r->at >= 1 && r->at <= r->n ? &r->workers[r->at - 1] : NULL;
}

/* One that there is no more is one that was removed. */
static bool read_receiver(struct reader *r, const struct view *v)
{
	struct worker *w = counting(r);

	if (!w)
		return false;
	for (size_t i = 0; i < r->n; i++)
		r->receiver[i] = roster_find(&r->names[i], v->name, v->name_n);
	if (!r->receiver[r->at - 1])
		r->got->gone++;
	add_counters(r, r->receiver[r->at - 1] ? r->receiver[r->at - 1]->receiver
					       : &w->receivers.removed, v);
	return true;
}

static bool read_removed(struct reader *r, const struct view *v)
{
	struct worker *w = counting(r);

	if (w)
		add_counters(r, &w->receivers.removed, v);
	return w != NULL;
}

/* Pools of one name are found in turn. */
static struct pool *pool_find(struct receivers *rs, const struct pool *last, const struct view *v)
{
	const size_t from = last ? (size_t)(last - rs->pools) + 1 : 0;

	for (size_t i = 0; i < rs->npools; i++) {
		struct pool *p = &rs->pools[(from + i) % rs->npools];

		if (is_named(v, p->label))
			return p;
	}
	return NULL;
}

static bool read_pool(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < r->n; i++)
		r->pool[i] = pool_find(&r->workers[i].receivers, r->pool[i], v);
	r->got->gone += counting(r) && !r->pool[r->at - 1];
	return counting(r) != NULL;
}

/* Whether our worker `i` is to have the streams of the one that is read. */
static bool has_streams(const struct reader *r, size_t i)
{
	return r->theirs != r->n || i + 1 == r->at;
}

static bool read_numbers(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < r->n; i++) {
		struct roster_entry *e = r->receiver[i];
		uint64_t row[RENUMBER_ROW];

		if (!e || !e->pool->renumber || !has_streams(r, i))
			continue;
		if (!e->receiver->numbers)
			e->receiver->numbers = renumber_new((uintptr_t)e);
		if (!e->receiver->numbers)
			continue;
		memcpy(row, v->numbers, sizeof(row));
		renumber_restore(e->receiver->numbers, row);
		r->got->streams++;
	}
	return true;
}

static void restore_source(struct reader *r, struct resample *to, const struct view *v)
{
	uint64_t row[RESAMPLE_ROW];

	if (!to)
		return;
	memcpy(row, v->numbers, sizeof(row));
	resample_restore(to, row);
	r->got->streams++;
}

static bool read_sample(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < r->n; i++) {
		struct pool *p = r->pool[i];

		if (!p || p->sample < 2 || !has_streams(r, i))
			continue;
		if (!p->thin)
			p->thin = thin_new((uintptr_t)p);
		if (p->thin)
			restore_source(r, thin_numbers(p->thin, true), v);
	}
	return true;
}

/* A pool's tenant, when it has one. */
static struct rebuild *tenant_of(const struct reader *r, size_t i)
{
	struct pool *p = r->pool[i];

	if (!p || !p->tenant || !has_streams(r, i))
		return NULL;
	if (!p->rebuild)
		p->rebuild = rebuild_new(p->tenant, (uintptr_t)p);
	return p->rebuild;
}

static bool read_tenant(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < r->n; i++) {
		struct rebuild *to = tenant_of(r, i);
		uint64_t row[REBUILD_ROW];

		if (!to)
			continue;
		memcpy(row, v->numbers, sizeof(row));
		rebuild_restore(to, row);
		r->got->streams++;
	}
	return true;
}

static bool read_tenant_sample(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < r->n; i++) {
		struct rebuild *to = tenant_of(r, i);

		if (to)
			restore_source(r, rebuild_numbers(to, true), v);
	}
	return true;
}

static bool read_exporter(struct reader *r, const struct view *v)
{
	const struct worker *w = counting(r);
	uint64_t row[EXPORTERS_ROW];

	if (!w || !w->gate)
		return false;
	memcpy(row, v->numbers, sizeof(row));
	exporters_restore(w->gate->exporters, row);
	return true;
}

/* In a worker that may not be the stream's any more it would take what it missed for lost. */
static bool read_stream(struct reader *r, const struct view *v)
{
	const struct worker *w = counting(r);
	uint64_t row[EXPORTERS_STREAM_ROW];

	if (!w || !w->gate)
		return false;
	if (r->theirs != r->n)
		return true;
	memcpy(row, v->numbers, sizeof(row));
	exporters_stream_restore(w->gate->exporters, row);
	r->got->streams++;
	return true;
}

/* False: it says nothing to us. */
static const struct {
	bool (*read)(struct reader *r, const struct view *v);
	size_t n;		/* numbers it must have; 0: any */
} kinds[KINDS] = {
	[TOTAL] = { read_total, 1 },
	[WORKER] = { read_worker, 0 },
	[COLUMN] = { read_column, 0 },
	[RECEIVER] = { read_receiver, 0 },
	[REMOVED] = { read_removed, 0 },
	[NUMBERS] = { read_numbers, RENUMBER_ROW },
	[POOL] = { read_pool, 0 },
	[SAMPLE] = { read_sample, RESAMPLE_ROW },
	[TENANT] = { read_tenant, REBUILD_ROW },
	[TENANT_SAMPLE] = { read_tenant_sample, RESAMPLE_ROW },
	[EXPORTER] = { read_exporter, EXPORTERS_ROW },
	[STREAM] = { read_stream, EXPORTERS_STREAM_ROW },
};

/* Whether all of it is what was written; how many workers it is of. */
static bool is_whole(const uint8_t *data, size_t n, size_t *workers)
{
	uint64_t records = 0, sum = 0;
	struct view v;

	*workers = 0;
	for (size_t at = 0, start = 0; view_next(&v, data, n, &at); start = at, records++) {
		if (v.kind == END)
			return v.n == 2 && at == n && number_at(&v, 0) == records &&
				number_at(&v, 1) == sum;
		*workers += v.kind == WORKER;
		sum = sum_up(sum, data + start, (at - start) / WORD);
	}
	return false;
}

/* What was learnt from the file of templates was learnt there already. */
static void learnt_there(struct reader *r)
{
	struct recall_counts *base = &r->base->recall;

	for (size_t i = 0; i < r->n; i++) {
		const struct fanout *f = r->workers[i].fanout;
		const struct recall_counts *c = f && f->recall ? recall_counts(f->recall) : NULL;

		if (!c)
			continue;
		base->learnt -= c->learnt;
		base->refreshed -= c->refreshed;
		base->withdrawn -= c->withdrawn;
		base->refused -= c->refused;
		base->evicted_streams -= c->evicted_streams;
		base->evicted_items -= c->evicted_items;
	}
}

/* What was counted as lost there was told there. */
static void losses_told(struct worker *w, size_t n)
{
	const struct receivers *first = &w[0].receivers;

	for (size_t i = 0; i < first->npools; i++)
		for (size_t k = 0; k < first->pools[i].n; k++)
			for (size_t j = 0; j < n; j++)
				first->pools[i].receivers[k]->logged_losses +=
					receiver_losses(w[j].receivers.pools[i].receivers[k]);
}

static void take_all(struct reader *r, const uint8_t *data, size_t n)
{
	struct view v;

	r->names = xcalloc(r->n, sizeof(*r->names));
	r->receiver = xcalloc(r->n, sizeof(struct roster_entry *));
	r->pool = xcalloc(r->n, sizeof(struct pool *));
	for (size_t at = 0; view_next(&v, data, n, &at) && v.kind != END; ) {
		const bool known = v.kind < KINDS && kinds[v.kind].read &&
			(kinds[v.kind].n == 0 || kinds[v.kind].n == v.n);

		r->got->unknown += !known || !kinds[v.kind].read(r, &v);
	}
	learnt_there(r);
	losses_told(r->workers, r->n);
	for (size_t i = 0; i < r->n; i++)
		roster_clear(&r->names[i]);
	free(r->names);
	free((void *)r->receiver);
	free((void *)r->pool);
}

/* What is left of the file, at most FILE_MAX octets. */
static uint8_t *read_rest(FILE *f, size_t *n)
{
	size_t room = 1 << 16;
	uint8_t *data = xmalloc(room);

	for (*n = 0; ; room *= 2, data = xrealloc(data, room)) {
		*n += fread(data + *n, 1, room - *n, f);
		if (*n < room || room >= FILE_MAX)
			return data;
	}
}

int carry_read(FILE *f, struct worker *w, size_t n, struct report *base, struct carry_result *got)
{
	struct reader r = { .workers = w, .n = n, .base = base, .got = got };
	size_t octets;
	uint8_t *data = read_rest(f, &octets);
	int err = 0;

	*got = (struct carry_result){ 0 };
	if (octets == 0)
		err = ENODATA;
	else if (octets < sizeof(magic) || memcmp(data, magic, MAGIC_NAME) != 0)
		err = EBADMSG;
	else if (data[MAGIC_NAME] != (uint8_t)magic[MAGIC_NAME])
		err = EPROTO;
	else if (!is_whole(data + sizeof(magic), octets - sizeof(magic), &r.theirs))
		err = EBADMSG;
	else
		take_all(&r, data + sizeof(magic), octets - sizeof(magic));
	free(data);
	errno = err;
	return err ? -1 : 0;
}
