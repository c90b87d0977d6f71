/*
 * sink_pgsql.c - sums into PostgreSQL.
 *
 * A purge is one transaction: a line in flow_ledger that says which purge this
 * is, then all rows, as arrays (pgsql_text.h); those that the server refuses for
 * their values are halved until they stand alone, logged and counted, all others
 * get in.  Every other error leaves the purge with the caller, whole.
 *
 * When COMMIT had no answer, the ledger's primary key tells whether it arrived;
 * without that table the server is asked by the transaction's number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/pgsql_sink.h"

enum { REPLAYS = 5 };	/* of a transaction that lost a deadlock, within one write */

/* ---- purges ---- */

enum step { AT_START, AT_ROWS, AT_COMMIT, ALREADY_THERE };

/* Without a ledger: the number of the transaction, to ask for its fate. */
static int note_transaction(struct sink_pgsql *s)
{
	PGresult *res = pg_ask(&s->link, "SELECT txid_current()", 0, NULL);

	if (!res)
		return -1;
	snprintf(s->xid, sizeof(s->xid), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	return 0;
}

/* Did the purge in doubt arrive?  The server forgets old transactions, and then says nothing. */
static int settle_doubt(struct sink_pgsql *s, const struct purge *p, enum step *step)
{
	PGresult *res = pg_ask(&s->link, "SELECT txid_status($1::bigint)", 1,
			       (const char *const[]){ s->xid });
	char fate[16];

	if (!res)
		return -1;
	snprintf(fate, sizeof(fate), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	if (strcmp(fate, "in progress") == 0)
		return pgsql_stuck(s, "the server still works on transaction %s%s, whose COMMIT "
				   "had no answer", s->xid, "");
	if (strcmp(fate, "committed") == 0) {
		*step = ALREADY_THERE;
		return 0;
	}
	s->in_doubt = 0;
	if (strcmp(fate, "aborted") == 0)
		return 0;
	s->book.counts.ambiguous++;
	log_error("%s: the connection broke while purge %" PRIu64 " (%zu rows) was committed, "
		  "and the server does not know transaction %s any more: it is written again and "
		  "may count twice; its stamp_updated is %" PRId64,
		  s->book.who, p->id, p->nrows, s->xid, p->now);
	return 0;
}

static int commit(struct sink_pgsql *s)
{
	PGresult *res = pg_ask(&s->link, "COMMIT", 0, NULL);
	bool done = res && strcmp(PQcmdStatus(res), "COMMIT") == 0;

	PQclear(res);
	if (res && !done)	/* a transaction that has failed is "committed" by ROLLBACK */
		return pgsql_stuck(s, "COMMIT was answered with ROLLBACK%s%s", "", "");
	return done ? 0 : -1;
}

/* One transaction.  *step says how far it came. */
static int play(struct sink_pgsql *s, struct name_groups *g, const struct purge *p,
		enum step *step)
{
	*step = AT_START;
	memset(&s->tally, 0, sizeof(s->tally));
	if (pgsql_connect(s) != 0 || pgsql_ready_tables(s, g, p) != 0)
		return -1;
	if (s->in_doubt == p->id && !s->ledger &&
	    (settle_doubt(s, p, step) != 0 || *step == ALREADY_THERE))
		return *step == ALREADY_THERE ? 0 : -1;
	if (pg_run(&s->link, "BEGIN") != 0)
		return -1;
	*step = AT_ROWS;
	if (s->ledger) {
		strbuf_reset(&s->text);
		pg_text_ledger(&s->text, p->run ? p->run : s->book.run_id, s->p->name, p);
		if (pg_run(&s->link, s->text.s) != 0) {
			if (strcmp(s->link.state, "23505") != 0)
				return -1;
			*step = ALREADY_THERE;
			return pg_run(&s->link, "ROLLBACK");
		}
	}
	if (g->unnamed)
		sql_book_refuse_unnamed(&s->book, &s->tally, &s->columns, s->table, s->p, s->l, p);
	for (size_t i = 0; i < g->n; i++)
		if (pgsql_write_group(s, p, &g->group[i]) != 0)
			return -1;
	if (!s->ledger && note_transaction(s) != 0)
		return -1;
	*step = AT_COMMIT;
	return commit(s);
}

/* After a failed attempt: true to try again at once. */
static bool try_again(struct sink_pgsql *s, const struct purge *p, enum step step,
		      unsigned attempt, bool had_connection)
{
	enum pg_meaning meaning = pg_meaning(&s->link);
	bool timed_out = strcmp(s->link.state, "55P03") == 0;
	char words[600];

	pg_words(&s->link, words, sizeof(words));
	s->book.counts.retries++;
	s->last_trouble = (meaning == PG_LOST && step == AT_COMMIT) || s->in_doubt == p->id
				  ? SINK_DOUBT
			  : meaning == PG_REPLAY ? SINK_BUSY : SINK_DOWN;
	if (meaning == PG_LOST) {
		/* A session that the server ended while idle says so at once. */
		bool idle = step == AT_START && had_connection && attempt == 0;

		if (step == AT_COMMIT) {
			s->in_doubt = p->id;
			s->doubt_tally = s->tally;
		}
		if (!idle)
			sql_book_trouble(&s->book, p, step == AT_COMMIT ?
					 "connection lost at COMMIT" : "no connection", words,
					 s->link.where);
		pgsql_disconnect(s);
		return idle;
	}
	if (s->link.pg && step != AT_START && pg_run(&s->link, "ROLLBACK") != 0)
		pgsql_disconnect(s);
	/* A lock that was waited for in vain is not free a moment later. */
	if (meaning == PG_REPLAY && !timed_out && attempt < REPLAYS)
		return true;
	sql_book_trouble(&s->book, p, "purge not written", words, s->link.where);
	sql_tables_clear(&s->tables);	/* somebody may alter them meanwhile */
	return false;
}

/* True when the purge is in. */
static bool deliver(struct sink_pgsql *s, struct name_groups *g, const struct purge *p)
{
	for (unsigned attempt = 0;; attempt++) {
		bool had_connection = s->link.pg != NULL;
		enum step step;
		int err = play(s, g, p, &step);

		sql_book_end(&s->book, p, &s->tally);
		if (err == 0 && step == ALREADY_THERE && s->in_doubt == p->id) {
			log_info("%s: purge %" PRIu64 " had arrived before the connection broke",
				 s->book.who, p->id);
			sql_book_written(&s->book, p, &s->doubt_tally);
			s->in_doubt = 0;
			return true;
		}
		if (err == 0 && step == ALREADY_THERE && p->replayed) {
			log_info("%s: purge %" PRIu64 " is in the database already", s->book.who,
				 p->id);
			sql_book_written(&s->book, p, &s->tally);
			return true;
		}
		if (err == 0 && step == ALREADY_THERE && attempt < REPLAYS) {
			sql_book_new_run(&s->book, p);
			continue;
		}
		if (err == 0 && step == AT_COMMIT) {
			sql_book_written(&s->book, p, &s->tally);
			s->in_doubt = 0;
			return true;
		}
		if (!try_again(s, p, step, attempt, had_connection))
			return false;
	}
}

static enum sink_result pgsql_write(void *sink, const struct purge *p)
{
	struct sink_pgsql *s = sink;
	uint64_t start = clock_mono_ns();
	struct name_groups g;
	bool done;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return SINK_RETRY;
	done = deliver(s, &g, p);
	name_groups_clear(&g);
	s->book.counts.write_ns += clock_mono_ns() - start;
	return done ? SINK_OK : SINK_RETRY;
}

/* ---- life ---- */

static void pgsql_close(void *sink)
{
	struct sink_pgsql *s = sink;

	if (!s)
		return;
	pgsql_disconnect(s);
	strbuf_clear(&s->text);
	for (size_t i = 0; i < SQL_COLUMNS_MAX; i++)
		strbuf_clear(&s->array[i]);
	free(s);
}

/* Settings to a sink that is not yet connected; NULL after saying why. */
static struct sink_pgsql *prepare(const struct plugin_settings *p, const struct key_layout *l,
				  uint64_t run_id)
{
	struct sink_pgsql *s = xcalloc(1, sizeof(*s));
	char why[256];

	s->p = p;
	s->l = l;
	s->book.run_id = run_id;
	snprintf(s->book.who, sizeof(s->book.who), "%s/pgsql", p->name);
	s->tables.forget = pgsql_forget_table;
	pg_init(&s->link);
	if (p->sql_table && strlen(p->sql_table) > SQL_TABLE_NAME_MAX) {
		log_error("%s: sql_table: \"%s\": at most 64 characters expected", s->book.who,
			  p->sql_table);
	} else if (!sql_columns_make(&s->columns, p, l, why, sizeof(why))) {
		log_error("%s: %s", s->book.who, why);
	} else {
		if (p->sql_table)
			snprintf(s->table, sizeof(s->table), "%s", p->sql_table);
		else
			sql_default_table(s->table, sizeof(s->table), p);
		return s;
	}
	pgsql_close(s);
	return NULL;
}

static void complain(const struct sink_pgsql *s, struct pg_report *rep, const char *doing)
{
	char words[600];

	log_error("%s: %s: %s", s->book.who, doing, pg_words(&s->link, words, sizeof(words)));
	rep->problems++;
}

/* A ledger that cannot be written would hold up every purge: said now, not then. */
static void check_ledger(struct sink_pgsql *s, struct pg_report *rep)
{
	PGresult *res;

	if (!s->ledger)
		return;
	res = pg_ask(&s->link, "SELECT has_table_privilege('flow_ledger','INSERT'), "
		     "quote_ident(current_user) FROM (SELECT run_id,plugin,purge_id,worker,batch,"
		     "purge_rows,purge_packets,purge_octets,stamp FROM flow_ledger LIMIT 0) l "
		     "RIGHT JOIN (SELECT 1) one ON true", 0, NULL);
	if (!res) {
		complain(s, rep, "flow_ledger");
	} else if (*PQgetvalue(res, 0, 0) != 't') {
		log_error("%s: no right to INSERT into flow_ledger; run: GRANT INSERT ON "
			  "flow_ledger TO %s;", s->book.who, PQgetvalue(res, 0, 1));
		rep->problems++;
	}
	PQclear(res);
}

/* --check writes nothing: a table that a schema would make is only named. */
static bool would_be_made(struct sink_pgsql *s, const char *name)
{
	bool exists;

	if (!s->p->sql_table_schema || pg_table_exists(&s->link, name, &exists) != 0 || exists ||
	    access(s->p->sql_table_schema, R_OK) != 0)
		return false;
	log_info("%s: table %s does not exist; sql_table_schema: \"%s\" will make it",
		 s->book.who, name, s->p->sql_table_schema);
	return true;
}

/* A schema for names that come with rows: said now if the server does not take it. */
static void check_schema(struct sink_pgsql *s, struct pg_report *rep)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES], doing[300];

	if (!sql_schema_text(made, s->p, s->l, (int64_t)time(NULL), NULL, why)) {
		log_error("%s: %s", s->book.who, why);
		rep->problems++;
		return;
	}
	if (pg_run(&s->link, "BEGIN") == 0 && pg_run(&s->link, made) != 0 &&
	    strcmp(s->link.state, "42P07") != 0) {	/* already there */
		snprintf(doing, sizeof(doing), "sql_table_schema: \"%.250s\"",
			 s->p->sql_table_schema);
		complain(s, rep, doing);
	}
	pg_run(&s->link, "ROLLBACK");
}

/*
 * Connect and look; problems are logged and counted in rep.  Of a name with
 * variables --check looks at the table of this moment.
 */
static void inspect(struct sink_pgsql *s, struct pg_report *rep, bool check_only)
{
	char now[SQL_TABLE_NAME_MAX + 1], doing[320];
	const char *name = s->table;
	bool exists = false;

	if (pgsql_connect(s) != 0) {
		snprintf(doing, sizeof(doing), "cannot connect as %s", s->link.where);
		complain(s, rep, doing);
		return;
	}
	check_ledger(s, rep);
	if (s->p->sql_table_schema && name_is_dynamic(name))
		check_schema(s, rep);
	if (name_is_dynamic(name) && (!check_only || strchr(name, '$')))
		return;
	if (name_is_dynamic(name)) {
		if (!name_expand(now, sizeof(now), name, s->p, s->l, (int64_t)time(NULL), NULL))
			return;
		name = now;
	}
	if (check_only && would_be_made(s, name))
		return;
	if (!check_only && s->p->sql_table_schema &&
	    (pg_table_exists(&s->link, name, &exists) != 0 ||
	     (!exists && pgsql_create_table(s, name, 0, NULL) != 0))) {
		complain(s, rep, "not ready");
		return;
	}
	if (!pgsql_table_get(s, name, rep) && !rep->problems)
		complain(s, rep, name);
}

static void *pgsql_open(const struct plugin_settings *p, const struct key_layout *l,
			uint64_t run_id)
{
	struct sink_pgsql *s = prepare(p, l, run_id);
	struct pg_report rep = { s ? s->book.who : "", 0, false, false };

	if (!s)
		return NULL;
	inspect(s, &rep, false);
	if (rep.problems) {
		pgsql_close(s);
		return NULL;
	}
	return s;
}

static unsigned pgsql_check(const struct plugin_settings *p, const struct key_layout *l)
{
	struct sink_pgsql *s = prepare(p, l, 0);
	struct pg_report rep = { s ? s->book.who : "", 0, false, false };

	if (!s)
		return 1;
	inspect(s, &rep, true);
	pgsql_close(s);
	return rep.problems;
}

static const struct sink_counts *pgsql_counts(void *sink)
{
	return &((struct sink_pgsql *)sink)->book.counts;
}

static enum sink_trouble pgsql_trouble(void *sink)
{
	return ((struct sink_pgsql *)sink)->last_trouble;
}

static bool pgsql_remembers(void *sink)
{
	return ((struct sink_pgsql *)sink)->ledger;
}

static int pgsql_execute(void *sink, const char *sql, size_t n, char why[static 256])
{
	struct sink_pgsql *s = sink;

	(void)n;	/* it ends with a NUL */
	if (pgsql_connect(s) == 0 && pg_run(&s->link, sql) == 0)
		return 0;
	snprintf(why, 256, "%.230s (%s)", s->link.why, s->link.state);
	if (pg_meaning(&s->link) == PG_LOST)
		pgsql_disconnect(s);
	return -1;
}

const struct sink sink_pgsql = {
	.type = "pgsql",
	.open = pgsql_open,
	.check = pgsql_check,
	.write = pgsql_write,
	.salvage = pgsql_salvage,
	.counts = pgsql_counts,
	.trouble = pgsql_trouble,
	.remembers = pgsql_remembers,
	.execute = pgsql_execute,
	.close = pgsql_close,
};
