/*
 * mysql_parts.c - a part of a purge as a transaction.
 *
 * A large purge is written over several connections at once, because one of the
 * server's threads takes one core.  What must be so all or nothing is then a part:
 * each commits its rows with a line of its own in flow_ledger, and what is not
 * yet in is found by the lines that are missing.  Without a ledger, or where the
 * rows of two parts could meet in a table (no unique key over them, or one beside
 * the primary key), a purge has one part.
 *
 * Two parts never touch one row.  Their gaps between rows do meet, as the server
 * orders text otherwise than we order keys, so they run as READ COMMITTED, which
 * locks rows only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/mysql_text.h"

enum {
	WITNESSES = 16,		/* rows tried, should the first have been refused */
	PART_ROWS = MYSQL_BATCH_ROWS,	/* fewer are not worth a transaction */
	SAY_AGAIN_SECONDS = 3600
};

size_t mysql_part_rows(const struct mysql_part *part, const struct name_group *g,
		       const struct sum_row *const **first)
{
	size_t from = (size_t)((uint64_t)g->n * part->number / part->of),
	       to = (size_t)((uint64_t)g->n * (part->number + 1) / part->of);

	*first = g->rows + from;
	return to - from;
}

static struct sums part_sums(const struct mysql_part *part, const struct name_groups *g,
			     const struct purge *p, size_t *n)
{
	struct sums all = { 0, 0, 0, 0 };
	const struct sum_row *const *rows;

	if (part->of == 1) {
		*n = p->nrows;
		return sql_purge_sums(p);
	}
	*n = 0;
	for (size_t i = 0; i < g->n; i++) {
		size_t k = mysql_part_rows(part, &g->group[i], &rows);

		*n += k;
		for (size_t j = 0; j < k; j++) {
			all.packets += rows[j]->sums.packets;
			all.octets += rows[j]->sums.octets;
		}
	}
	return all;
}

void mysql_part_ledger(struct strbuf *b, const struct sink_mysql *s, const struct mysql_part *part,
		       const struct name_groups *g, const struct purge *p)
{
	struct ledger_part lines = { part->number, part->of, 0, { 0, 0, 0, 0 } };

	lines.sums = part_sums(part, g, p, &lines.rows);
	text_ledger(b, p->run ? p->run : s->book.run_id, s->p->name, p, &lines);
}

/* ---- division ---- */

/* Can the parts be written side by side, and is each accounted alone? */
static bool divisible(struct sink_mysql *s, const struct name_groups *g)
{
	if (!s->ledger || s->writer->link.statement_log || g->n > SQL_TABLES_MAX || g->unnamed)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		const struct mysql_table *t = mysql_table_known(s->writer, g->group[i].name);

		if (!t || !t->divisible)
			return false;
	}
	return true;
}

/*
 * The parts of a purge that an earlier run began, 1 when it is not known.  The
 * server may still be at the end of a transaction of that run: a locking read
 * waits for it.
 */
static unsigned ask_ledger(struct sink_mysql *s, const struct purge *p)
{
	struct mysql_link *k = &s->writer->link;
	MYSQL_RES *res;
	MYSQL_ROW row;

	strbuf_reset(&s->writer->text);
	text_ledger_parts(&s->writer->text, p->run ? p->run : s->book.run_id, s->p->name, p);
	res = link_select(k, "%s", s->writer->text.s);
	if (!res)
		return k->err;
	row = mysql_fetch_row(res);
	s->nparts = row && row[0] ? (unsigned)strtoul(row[0], NULL, 10) : 1;
	mysql_free_result(res);
	if (s->nparts >= 1 && s->nparts <= MYSQL_CONNECTIONS_MAX)
		return 0;
	snprintf(k->why, sizeof(k->why), "flow_ledger has purge %" PRIu64 " of run %" PRIu64
		 " in %u parts, at most %d expected", p->id, p->run, s->nparts,
		 MYSQL_CONNECTIONS_MAX);
	s->nparts = 0;
	return k->err = LINK_OURS;
}

unsigned mysql_divide(struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	unsigned n = 1;

	if (s->nparts)
		return 0;
	if (p->replayed && s->ledger) {
		if (ask_ledger(s, p) != 0)
			return s->writer->link.err;
		n = s->nparts;
	} else if (s->p->sql_connections > 1 && divisible(s, g)) {
		n = p->nrows / PART_ROWS < s->p->sql_connections ? (unsigned)(p->nrows / PART_ROWS)
								  : s->p->sql_connections;
		n = n ? n : 1;
	}
	s->nparts = n;
	for (unsigned i = 0; i < n; i++)
		s->part[i] = (struct mysql_part){ .number = i, .of = n };
	return 0;
}

/* ---- a purge in doubt, without a ledger ---- */

/* The first row that can be a witness, looked at before COMMIT. */
static unsigned take_evidence(struct mysql_writer *w, const struct name_groups *g,
			      const struct purge *p)
{
	struct mysql_report rep = { w->s->book.who, 0, true, true };
	const struct name_group *group = g->group, *end = g->group + g->n;
	struct mysql_evidence *e = &w->s->evidence;
	struct mysql_table *t;

	if (w->s->ledger)
		return 0;
	e->have = false;
	while (group < end && group->refused)
		group++;
	if (group == end)
		return 0;
	t = mysql_table_get(w, group->name, &rep);
	for (size_t i = 0; t && i < group->n && i < WITNESSES && !e->have; i++)
		if (evidence_take(e, &w->link, t, p, group->rows[i]) != 0)
			return w->link.err;
	return 0;
}

/* Did it arrive? */
static unsigned settle_doubt(struct mysql_writer *w, struct mysql_part *part,
			     const struct purge *p)
{
	struct mysql_report rep = { w->s->book.who, 0, true, true };
	enum evidence_verdict verdict = EVIDENCE_NONE;
	struct mysql_evidence *e = &w->s->evidence;
	struct mysql_table *t;

	if (e->have) {
		t = mysql_table_get(w, e->table, &rep);
		if (!t || evidence_judge(e, &w->link, t, p, &verdict) != 0)
			return w->link.err;
	}
	if (verdict == EVIDENCE_ARRIVED) {
		part->step = MYSQL_ALREADY_THERE;
		return 0;
	}
	part->in_doubt = false;
	if (verdict == EVIDENCE_NOT_ARRIVED)
		return 0;
	w->s->book.counts.ambiguous++;
	log_error("%s: the connection broke while purge %" PRIu64 " (%zu rows) was committed, and "
		  "without a table flow_ledger nobody can tell whether it arrived: it is written "
		  "again and may count twice; its stamp_updated is %" PRId64,
		  w->s->book.who, p->id, p->nrows, p->now);
	return 0;
}

/* ---- a transaction ---- */

/* The rows, inside the transaction that is open. */
static unsigned write_groups(struct mysql_writer *w, const struct mysql_part *part,
			     const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { w->s->book.who, 0, true, true };

	for (size_t i = 0; i < g->n; i++) {
		const struct sum_row *const *rows;
		size_t n = mysql_part_rows(part, &g->group[i], &rows);
		struct mysql_table *t;

		if (g->group[i].refused) {	/* such a purge has one part */
			sql_book_refuse_group(&w->s->book, &w->tally, &w->s->columns, &g->group[i],
					      p);
			continue;
		}
		t = n ? mysql_table_get(w, g->group[i].name, &rep) : NULL;
		if (n && (!t || mysql_write_table(w, t, p, rows, n) != 0))
			return w->link.err;
	}
	return 0;
}

static unsigned write_ledger(struct mysql_writer *w, struct mysql_part *part,
			     const struct name_groups *g, const struct purge *p)
{
	strbuf_reset(&w->text);
	mysql_part_ledger(&w->text, w->s, part, g, p);
	if (link_run(&w->link, w->text.s, w->text.n, NULL) != 1062)
		return w->link.err;
	part->step = MYSQL_ALREADY_THERE;
	return link_runf(&w->link, "ROLLBACK");
}

static unsigned transact(struct mysql_writer *w, struct mysql_part *part,
			 const struct name_groups *g, const struct purge *p)
{
	struct sink_mysql *s = w->s;

	if (part->in_doubt && !s->ledger &&
	    (settle_doubt(w, part, p) != 0 || part->step == MYSQL_ALREADY_THERE))
		return w->link.err;
	if (s->beside &&
	    link_runf(&w->link, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED") != 0)
		return w->link.err;
	if (link_runf(&w->link, "START TRANSACTION") != 0)
		return w->link.err;
	part->step = MYSQL_AT_ROWS;
	if (s->ledger &&
	    (write_ledger(w, part, g, p) != 0 || part->step == MYSQL_ALREADY_THERE))
		return w->link.err;
	if (g->unnamed && part->number == 0)
		sql_book_refuse_unnamed(&s->book, &w->tally, &s->columns, s->table, s->p, s->l, p);
	if (write_groups(w, part, g, p) != 0 || take_evidence(w, g, p) != 0)
		return w->link.err;
	part->step = MYSQL_AT_COMMIT;
	return link_runf(&w->link, "COMMIT");
}

static void *play(void *arg)
{
	struct mysql_writer *w = arg;
	struct mysql_part *part = w->part;
	uint64_t began = clock_mono_ns();

	memset(&w->tally, 0, sizeof(w->tally));
	part->step = MYSQL_AT_START;
	part->err = transact(w, part, w->groups, w->purge);
	part->tally = w->tally;
	if (link_meaning(part->err) == LINK_LOST && part->step != MYSQL_AT_START &&
	    clock_mono_ns() - began >= w->link.answer_seconds * UINT64_C(1000000000))
		link_more_patience(&w->link);
	return NULL;
}

static void *play_in_thread(void *arg)
{
	mysql_thread_init();
	play(arg);
	mysql_thread_end();
	return NULL;
}

static void hand_over(struct mysql_writer *w, struct mysql_part *part, const struct name_groups *g,
		      const struct purge *p)
{
	part->writer = w;
	w->part = part;
	w->groups = g;
	w->purge = p;
}

/* Another connection for a part; its failure only means that the parts go one by one. */
static bool start(struct mysql_writer *w, struct mysql_part *part, const struct name_groups *g,
		  const struct purge *p)
{
	struct sink_mysql *s = w->s;

	if (mysql_writer_connect(w) != 0) {
		if (log_allow(&s->alone_us, clock_mono_ns() / 1000,
			      SAY_AGAIN_SECONDS * UINT64_C(1000000)))
			log_info("%s: one connection only, the parts of a purge go one by one: "
				 "%s (%u)", s->book.who, w->link.why, w->link.err);
		return false;
	}
	if (!mysql_share_tables(w, s->writer, g))
		return false;
	hand_over(w, part, g, p);
	return pthread_create(&w->thread, NULL, play_in_thread, w) == 0;
}

void mysql_play(struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	bool started[MYSQL_CONNECTIONS_MAX] = { false };
	unsigned first = 0, w = 1;

	while (s->part[first].done)
		first++;
	s->beside = s->nparts > 1 && divisible(s, g);
	for (unsigned i = first + 1; s->beside && i < s->nparts; i++)
		if (!s->part[i].done && start(&s->writer[w], &s->part[i], g, p)) {
			started[i] = true;
			w++;
		}
	for (unsigned i = first; i < s->nparts; i++)
		if (!s->part[i].done && !started[i]) {
			hand_over(s->writer, &s->part[i], g, p);
			play(s->writer);
		}
	for (unsigned i = first; i < s->nparts; i++)
		if (started[i])
			pthread_join(s->part[i].writer->thread, NULL);
}
