#include "nfacctd/exporters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

enum { WHY_BYTES = 256, ROWS_A_STATEMENT = 500 };

/* ---- taking ---- */

struct taking {
	struct exporters *x;
	uint32_t worker;
};

static void copy_streams(struct worker *w, void *arg)
{
	const struct taking *t = arg;
	struct exporters *x = t->x;
	const struct decode_counts *c = decoder_counts(w->decoder);

	x->discarded += w->denied;
	for (size_t i = 0; i < WIRE_ERRORS_MAX; i++)
		x->discarded += c->refused[i];
	for (struct stream *s = decoder_stream_next(w->decoder, NULL); s;
	     s = decoder_stream_next(w->decoder, s)) {
		if (x->n == x->cap) {
			x->cap = x->cap ? x->cap * 2 : 64;
			x->row = xrealloc(x->row, x->cap * sizeof(*x->row));
		}
		x->row[x->n++] = (struct exporter){ t->worker, *s };
	}
}

static int by_identity(const void *p, const void *q)
{
	const struct exporter *a = p, *b = q;
	int order = addr_compare(&a->s.exporter, &b->s.exporter);

	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	if (order)
		return order;
	if (a->s.protocol != b->s.protocol)
		return a->s.protocol < b->s.protocol ? -1 : 1;
	return a->s.domain < b->s.domain ? -1 : a->s.domain > b->s.domain;
}

void exporters_take(struct exporters *x, struct worker *worker, size_t nworkers)
{
	*x = (struct exporters){ 0 };
	for (size_t i = 0; i < nworkers; i++) {
		struct taking t = { x, (uint32_t)i };

		worker_do(&worker[i], copy_streams, &t);
	}
	if (x->n)
		qsort(x->row, x->n, sizeof(*x->row), by_identity);
}

void exporters_clear(struct exporters *x)
{
	free(x->row);
	*x = (struct exporters){ 0 };
}

/* ---- telling ---- */

/* The counters by name, for everybody who tells them. */
static const struct counter {
	const char *name;	/* as a column, and in exporter_NAME{...} */
	size_t offset;		/* in struct stream */
} counters[] = {
#define COUNTER(name, member) { name, offsetof(struct stream, member) }
	COUNTER("datagrams", datagrams),
	COUNTER("octets", octets),
	COUNTER("records", records),
	COUNTER("received", sequence.received),
	COUNTER("lost", sequence.lost),
	COUNTER("gaps", sequence.gaps),
	COUNTER("late", sequence.late),
	COUNTER("duplicates", sequence.duplicates),
	COUNTER("restarts", sequence.restarts),
	COUNTER("undecodable", damaged),
	COUNTER("unscaled", unscaled),
	COUNTER("clamped", clamped),
	COUNTER("templates", templates),
#undef COUNTER
};

enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

static uint64_t count_of(const struct stream *s, size_t counter)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)s + counters[counter].offset, sizeof(v));
	return v;
}

void exporters_log(const struct exporters *x, const char *at, uint64_t now_s)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct stream *s = &x->row[i].s;
		const struct sequence_counts *q = &s->sequence;
		const uint64_t odd = q->gaps + q->late + q->duplicates + q->restarts;
		char exporter[ADDR_TEXT];

		addr_print(&s->exporter, exporter);
		log_info("stats [%s] agent=%s:%u time=%" PRIu64 " packets=%" PRIu64
			 " bytes=%" PRIu64 " seq_good=%" PRIu64 " seq_jmp_fwd=%" PRIu64
			 " seq_jmp_bck=%" PRIu64,
			at, exporter, s->domain, now_s, s->datagrams, s->octets,
			s->datagrams > odd ? s->datagrams - odd : 0, q->gaps, q->late);
		log_info("exporter %s domain %u: %s: records=%" PRIu64 " received=%" PRIu64
			 " lost=%" PRIu64 " undecodable=%" PRIu64 " unscaled=%" PRIu64
			 " clamped=%" PRIu64 " templates=%" PRIu64 " last_seen=%" PRIu64,
			 exporter, s->domain, flow_protocol_name(s->protocol), s->records,
			 q->received, q->lost, s->damaged, s->unscaled, s->clamped, s->templates,
			 s->last_seen_us / 1000000);
	}
	log_info("stats [%s] time=%" PRIu64 " discarded_packets=%" PRIu64, at, now_s, x->discarded);
}

void exporters_stats(const struct exporters *x, struct stats *out)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct stream *s = &x->row[i].s;
		char exporter[ADDR_TEXT], who[ADDR_TEXT + 64];

		snprintf(who, sizeof(who), "{exporter=\"%s\",protocol=\"%s\",domain=\"%u\"}",
			 addr_print(&s->exporter, exporter), flow_protocol_name(s->protocol),
			 s->domain);
		for (size_t c = 0; c < COUNTERS; c++)
			stats_add(out, count_of(s, c), "exporter_%s%s", counters[c].name, who);
		stats_add(out, s->last_seen_us / 1000000, "exporter_last_seen_seconds%s", who);
		stats_add(out, s->silent, "exporter_silent%s", who);
	}
}

/* ---- silence ---- */

struct watch {
	uint64_t now_us, limit_us;
	size_t silent, lines, more;
};

static void watch_streams(struct worker *w, void *arg)
{
	struct watch *t = arg;

	for (struct stream *s = decoder_stream_next(w->decoder, NULL); s;
	     s = decoder_stream_next(w->decoder, s)) {
		const bool silent = t->now_us > s->last_seen_us &&
				    t->now_us - s->last_seen_us > t->limit_us;
		char exporter[ADDR_TEXT];

		t->silent += silent;
		if (silent == s->silent)
			continue;
		s->silent = silent;
		if (t->lines++ >= SILENT_LINES) {
			t->more++;
			continue;
		}
		addr_print(&s->exporter, exporter);
		if (silent)
			log_warn("exporter %s domain %u: %s: silent for %" PRIu64
				 " seconds (nfacctd_silence)",
				 exporter, s->domain, flow_protocol_name(s->protocol),
				 (t->now_us - s->last_seen_us) / 1000000);
		else
			log_info("exporter %s domain %u: %s: heard again", exporter, s->domain,
				 flow_protocol_name(s->protocol));
	}
}

size_t exporters_watch(struct worker *worker, size_t nworkers, uint64_t now_us, uint64_t limit_us)
{
	struct watch t = { now_us, limit_us, 0, 0, 0 };

	for (size_t i = 0; i < nworkers; i++)
		worker_do(&worker[i], watch_streams, &t);
	if (t.more)
		log_warn("and %zu more exporters fell silent or are heard again", t.more);
	return t.silent;
}

/* ---- too many ---- */

struct evictions {
	uint64_t streams, templates, samplers;
};

static void add_evictions(struct worker *w, void *arg)
{
	const struct decode_counts *c = decoder_counts(w->decoder);
	struct evictions *e = arg;

	e->streams += c->evicted_streams;
	e->templates += c->evicted_templates;
	e->samplers += c->evicted_samplers;
}

void exporters_tell_crowd(struct exporters_crowd *c, struct worker *worker, size_t nworkers,
	uint64_t now_us)
{
	struct evictions e = { 0 };
	uint64_t all;

	for (size_t i = 0; i < nworkers; i++)
		worker_do(&worker[i], add_evictions, &e);
	all = e.streams + e.templates + e.samplers;
	if (all == c->told || !log_allow(&c->logged_us, now_us, 60000000))
		return;
	c->told = all;
	log_warn("%" PRIu64 " exporters, %" PRIu64 " templates, %" PRIu64 " samplers gave way to "
		 "others so far: a worker knows %u exporters (nfacctd_exporters)",
		e.streams, e.templates, e.samplers, worker->settings->exporters);
}

/* ---- SQL ---- */

static const char key_columns[] = "stamp_inserted, exporter, protocol, domain, worker, run_id";

static bool is_mysql(const struct exporter_book *b)
{
	return strcmp(b->p->type, "mysql") == 0;
}

static bool is_pgsql(const struct exporter_book *b)
{
	return strcmp(b->p->type, "pgsql") == 0;
}

static void add_table(struct strbuf *sql, const struct exporter_book *b)
{
	const char quote = is_mysql(b) ? '`' : '"';

	/* settings_check.c has refused names with quotes. */
	strbuf_addf(sql, "%c%s%c", quote, b->p->sql_exporters_table, quote);
}

static void add_columns(struct strbuf *sql)
{
	strbuf_add(sql, key_columns);
	for (size_t c = 0; c < COUNTERS; c++)
		strbuf_addf(sql, ", %s", counters[c].name);
	strbuf_add(sql, ", last_seen");
}

static void add_time(struct strbuf *sql, const struct exporter_book *b, int64_t when)
{
	if (b->p->timestamps_since_epoch)
		strbuf_addf(sql, "%" PRId64, when);
	else if (is_mysql(b))
		strbuf_addf(sql, "FROM_UNIXTIME(%" PRId64 ")", when);
	else if (is_pgsql(b))
		strbuf_addf(sql, "to_timestamp(%" PRId64 ")", when);
	else
		strbuf_addf(sql, "datetime(%" PRId64 ", 'unixepoch'%s)", when,
			    b->p->timestamps_utc ? "" : ", 'localtime'");
}

int exporter_book_check(struct exporter_book *b, void *handle)
{
	struct strbuf sql = { 0 };
	char why[WHY_BYTES] = "";
	int err = -1;

	if (!b->sink->execute) {
		log_error("plugin %s: sql_exporters_table: \"%s\": a %s plugin has no tables",
			  b->p->name, b->p->sql_exporters_table, b->p->type);
		return -1;
	}
	strbuf_add(&sql, "INSERT INTO ");
	add_table(&sql, b);
	strbuf_add(&sql, " (");
	add_columns(&sql);
	strbuf_add(&sql, ") SELECT ");
	add_columns(&sql);
	strbuf_add(&sql, " FROM ");
	add_table(&sql, b);
	strbuf_add(&sql, " WHERE 1 = 0");
	err = b->sink->execute(handle, sql.s, sql.n, why);
	if (err)
		log_error("plugin %s: sql_exporters_table: \"%s\": %s; sql/flow_exporters.%s makes "
			  "it",
			b->p->name, b->p->sql_exporters_table, why, b->p->type);
	strbuf_clear(&sql);
	return err;
}

/* The same exporter, not one that was forgotten and came anew. */
static const struct stream *find_before(const struct exporters *x, const struct exporter *e)
{
	const struct exporter *found =
		x->n ? bsearch(e, x->row, x->n, sizeof(*x->row), by_identity) : NULL;

	return found && found->s.first_seen_us == e->s.first_seen_us ? &found->s : NULL;
}

static bool moved(const struct exporter *now, const struct stream *before)
{
	return !before || now->s.datagrams != before->datagrams;
}

static void add_row(struct strbuf *sql, const struct exporter_book *b, const struct exporter *e,
		    const struct stream *before, int64_t when)
{
	char exporter[ADDR_TEXT];

	strbuf_add(sql, "(");
	add_time(sql, b, when);
	strbuf_addf(sql, ", '%s', '%s', %u, %u, ", addr_print(&e->s.exporter, exporter),
		    flow_protocol_name(e->s.protocol), e->s.domain,
		    e->worker + b->turn * EXPORTER_TURN);
	/* As flow_ledger has it: SQLite's integers have a sign. */
	if (is_mysql(b) || is_pgsql(b))
		strbuf_addf(sql, "%" PRIu64, b->run_id);
	else
		strbuf_addf(sql, "%" PRId64, (int64_t)b->run_id);
	for (size_t c = 0; c < COUNTERS; c++) {
		uint64_t now = count_of(&e->s, c), base = before ? count_of(before, c) : 0;

		/* Loss is taken back when the late ones come: in this bin there may be less than
		 * none. */
		strbuf_addf(sql, ", %" PRId64, (int64_t)(now - base));
	}
	strbuf_add(sql, ", ");
	add_time(sql, b, (int64_t)(e->s.last_seen_us / 1000000));
	strbuf_add(sql, ")");
}

static void add_update(struct strbuf *sql, const struct exporter_book *b)
{
	const bool mysql = is_mysql(b);

	strbuf_addf(sql, mysql ? " ON DUPLICATE KEY UPDATE " : " ON CONFLICT (%s) DO UPDATE SET ",
		    key_columns);
	for (size_t c = 0; c <= COUNTERS; c++) {
		const char *name = c < COUNTERS ? counters[c].name : "last_seen";

		strbuf_addf(sql, mysql ? "%s%s = VALUES(%s)" : "%s%s = excluded.%s", c ? ", " : "",
			    name, name);
	}
}

/* Rows `from` on that have moved since `base`, at most a statement's worth; where to go on. */
static size_t add_rows(struct strbuf *sql, const struct exporter_book *b,
	const struct exporters *now, size_t from, int64_t when, size_t *added)
{
	*added = 0;
	for (; from < now->n && *added < ROWS_A_STATEMENT; from++) {
		const struct stream *before = find_before(&b->base, &now->row[from]);

		if (!moved(&now->row[from], before))
			continue;
		strbuf_add(sql, *added ? ", " : "");
		add_row(sql, b, &now->row[from], before, when);
		(*added)++;
	}
	return from;
}

static int write_rows(struct exporter_book *b, void *handle, const struct exporters *now,
		      int64_t when, char *why)
{
	struct strbuf sql = { 0 };
	int err = 0;

	for (size_t at = 0; at < now->n && !err;) {
		size_t added;

		strbuf_reset(&sql);
		strbuf_add(&sql, "INSERT INTO ");
		add_table(&sql, b);
		strbuf_add(&sql, " (");
		add_columns(&sql);
		strbuf_add(&sql, ") VALUES ");
		at = add_rows(&sql, b, now, at, when, &added);
		add_update(&sql, b);
		if (added)
			err = b->sink->execute(handle, sql.s, sql.n, why);
	}
	strbuf_clear(&sql);
	return err;
}

/* Is one of those that the bin's rows are about another one by now? */
static bool came_anew(const struct exporter_book *b, const struct exporters *now)
{
	for (size_t i = 0; i < now->n && b->written.n; i++) {
		const struct exporter *e = &now->row[i], *was =
			bsearch(e, b->written.row, b->written.n, sizeof(*e), by_identity);

		if (was && was->s.first_seen_us != e->s.first_seen_us)
			return true;
	}
	return false;
}

/* Rows count from what was told last: those of a new bin, or of another turn in this one. */
static void count_anew(struct exporter_book *b, unsigned turn)
{
	exporters_clear(&b->base);
	b->base = b->written;
	b->written = (struct exporters){ 0 };
	b->turn = turn;
}

void exporter_book_write(struct exporter_book *b, void *handle, struct worker *worker,
			 size_t nworkers, int64_t when)
{
	const bool at_second = b->sink->at_second && b->sink->at_second(handle);
	struct exporters now;
	char why[WHY_BYTES] = "";

	exporters_take(&now, worker, nworkers);
	if (b->written.row && b->when != when)
		count_anew(b, 0);
	else if (b->written.row && (at_second != b->at_second || came_anew(b, &now)))
		count_anew(b, b->turn + 1);
	if (write_rows(b, handle, &now, when, why) == 0) {
		exporters_clear(&b->written);
		b->written = now;
		b->when = when;
		b->at_second = at_second;
		return;
	}
	exporters_clear(&now);
	if (log_allow(&b->logged_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn("plugin %s: sql_exporters_table: \"%s\": %s; the next purge makes up for "
			 "it",
			b->p->name, b->p->sql_exporters_table, why);
}

void exporter_book_clear(struct exporter_book *b)
{
	exporters_clear(&b->base);
	exporters_clear(&b->written);
}
