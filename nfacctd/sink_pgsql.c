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
#include "nfacctd/name_template.h"
#include "nfacctd/pgsql_text.h"
#include "nfacctd/salvage.h"
#include "nfacctd/sql_book.h"

enum {
	BATCH_ROWS = 32768,	/* a statement */
	REPLAYS = 5,	/* of a transaction that lost a deadlock, within one write */
	XID_DIGITS = 24
};

struct sink_pgsql {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct sql_book book;
	char table[SQL_TABLE_NAME_MAX + 1];	/* template or name */
	struct sql_columns columns;
	struct pg_link link;
	bool ledger, was_connected;
	struct sql_tables tables;	/* struct pg_table */
	struct sql_tally tally;
	uint32_t tables_made;		/* by sql_table_schema, for names with variables of rows */
	struct strbuf text, array[SQL_COLUMNS_MAX];
	uint64_t in_doubt;		/* id of the purge whose COMMIT had no answer; 0: none */
	struct sql_tally doubt_tally;
	char xid[XID_DIGITS];		/* its transaction, where there is no ledger */
	enum sink_trouble last_trouble;
};

/* ---- connection and tables ---- */

static void forget_table(struct sql_table *t)
{
	free(t);
}

static void disconnect(struct sink_pgsql *s)
{
	sql_tables_clear(&s->tables);
	pg_close(&s->link);
}

/* A reason of our own, for which somebody has to act. */
static int stuck(struct sink_pgsql *s, const char *fmt, const char *a, const char *b)
{
	snprintf(s->link.state, sizeof(s->link.state), "F0000");
	snprintf(s->link.why, sizeof(s->link.why), fmt, a, b);
	return -1;
}

static int connect_now(struct sink_pgsql *s)
{
	char words[600];

	if (s->link.pg)
		return 0;
	if (pg_connect(&s->link, s->p) != 0)
		return -1;
	if (s->was_connected) {
		s->book.counts.reconnects++;
		log_info("%s: connected again (%s)", s->book.who, s->link.where);
	}
	s->ledger = pg_run(&s->link, "SELECT 1 FROM flow_ledger LIMIT 0") == 0;
	if (!s->ledger && pg_meaning(&s->link) == PG_LOST) {
		disconnect(s);
		return -1;
	}
	if (!s->ledger && !s->was_connected)
		log_info("%s: no table flow_ledger here (%s): a purge that was saved in a file is "
			 "then not known when it is written again; sql/flow_ledger.pgsql makes the "
			 "table", s->book.who, pg_words(&s->link, words, sizeof(words)));
	s->was_connected = true;
	return 0;
}

static struct pg_table *table_known(struct sink_pgsql *s, const char *name)
{
	return (struct pg_table *)sql_tables_find(&s->tables, name);
}

/* A table as it is on the server; NULL when rows cannot get in. */
static struct pg_table *table_get(struct sink_pgsql *s, const char *name, struct pg_report *rep)
{
	struct pg_table *t = table_known(s, name);
	unsigned before = rep->problems;
	int err;

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	err = pg_table_look(t, &s->link, &s->columns, name, s->p, rep);
	if (err == 0 && rep->problems > before)
		err = stuck(s, "table %s cannot be written%s", name, "");
	if (err) {
		free(t);
		return NULL;
	}
	sql_tables_add(&s->tables, &t->table);
	return t;
}

/* The CREATE TABLE of sql_table_schema for one table name. */
static int create_table(struct sink_pgsql *s, const char *table, int64_t when, const uint8_t *key)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES];

	if (!sql_schema_text(made, s->p, s->l, when, key, why))
		return stuck(s, "%s%s", why, "");
	if (pg_run(&s->link, made) == 0 || strcmp(s->link.state, "42P07") == 0)	/* already there */
		return 0;
	if (pg_meaning(&s->link) == PG_LOST)
		return -1;
	snprintf(why, sizeof(why), "for table %s: %.300s", table, s->link.why);
	return stuck(s, "sql_table_schema: \"%.100s\" %.390s", s->p->sql_table_schema, why);
}

/*
 * The table of a group, made when sql_table_schema says how.  Names that vary by
 * row are in strangers' hands, so not more than sql_tables_max of them are made.
 */
static int make_table(struct sink_pgsql *s, struct name_group *g, const struct purge *p)
{
	bool of_rows = strchr(s->table, '$') != NULL, exists = false;

	if (pg_table_exists(&s->link, g->name, &exists) != 0)
		return -1;
	if (exists)
		return 0;
	if (of_rows && s->tables_made >= s->p->sql_tables_max) {
		g->refused = true;
		return 0;
	}
	if (create_table(s, g->name, sql_moment(p, g->rows[0]), g->rows[0]->key) != 0)
		return -1;
	s->tables_made += of_rows;
	return 0;
}

/* Look at every table, and make it when sql_table_schema says how, before the transaction. */
static int ready_tables(struct sink_pgsql *s, struct name_groups *g, const struct purge *p)
{
	struct pg_report rep = { s->book.who, 0, true, sql_book_told_lately(&s->book) };

	for (size_t i = 0; i < g->n; i++) {
		g->group[i].refused = false;
		if (table_known(s, g->group[i].name))
			continue;
		if (s->p->sql_table_schema && make_table(s, &g->group[i], p) != 0)
			return -1;
		if (!g->group[i].refused && !table_get(s, g->group[i].name, &rep))
			return -1;
	}
	return 0;
}

/* ---- rows ---- */

/* A statement over the arrays; its two numbers. */
static int run_arrays(struct sink_pgsql *s, size_t narrays, uint64_t *first, uint64_t *second)
{
	const char *values[SQL_COLUMNS_MAX];
	PGresult *res;

	for (size_t i = 0; i < narrays; i++)
		values[i] = s->array[i].s;
	s->tally.counts.statements++;
	res = pg_ask(&s->link, s->text.s, (int)narrays, values);
	if (!res)
		return -1;
	if (second) {
		*first = pg_number(res, 0, 0);
		*second = pg_number(res, 0, 1);
	} else {
		*first = strtoull(PQcmdTuples(res), NULL, 10);
	}
	PQclear(res);
	return 0;
}

static int write_upsert(struct sink_pgsql *s, struct pg_table *t, size_t narrays)
{
	uint64_t fresh, all;

	strbuf_reset(&s->text);
	pg_text_upsert(&s->text, t);
	if (run_arrays(s, narrays, &fresh, &all) != 0)
		return -1;
	s->tally.counts.inserted += fresh;
	s->tally.counts.updated += all - fresh;
	return 0;
}

static int write_each(struct sink_pgsql *s, struct pg_table *t, const struct purge *p,
		      const struct sum_row *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t fresh;

		strbuf_reset(&s->text);
		pg_text_row(&s->text, t, p, rows[i]);
		if (run_arrays(s, 0, &fresh, NULL) != 0)
			return -1;
		s->tally.counts.inserted += fresh;
		s->tally.counts.updated += 1 - fresh;
	}
	return 0;
}

/*
 * All rows at once.  When the table holds the same key twice, UPDATE .. FROM
 * would add to both: then each row goes alone, to the first that is found.
 */
static int write_set(struct sink_pgsql *s, struct pg_table *t, const struct purge *p,
		     const struct sum_row *const *rows, size_t n, size_t narrays)
{
	uint64_t updated, groups, inserted;

	strbuf_reset(&s->text);
	pg_text_update_from(&s->text, t);
	if (run_arrays(s, narrays, &updated, &groups) != 0)
		return -1;
	strbuf_reset(&s->text);
	pg_text_insert_rest(&s->text, t);
	if (run_arrays(s, narrays, &inserted, NULL) != 0)
		return -1;
	if (updated + inserted != groups) {
		if (pg_run(&s->link, "ROLLBACK TO SAVEPOINT batch") != 0)
			return -1;
		return write_each(s, t, p, rows, n);
	}
	s->tally.counts.updated += updated;
	s->tally.counts.inserted += inserted;
	return 0;
}

/* Write rows[0..n); what the server refuses is halved until it stands alone. */
static int write_range(struct sink_pgsql *s, struct pg_table *t, const struct purge *p,
		       const struct sum_row *const *rows, size_t n)
{
	struct sql_tally before = s->tally;
	char words[600];
	size_t narrays;
	int err;

	if (pg_run(&s->link, "SAVEPOINT batch") != 0)
		return -1;
	narrays = pg_arrays(s->array, &t->columns, p, rows, n);
	if (narrays == 0)
		err = write_each(s, t, p, rows, n);
	else
		err = t->way == PG_UPSERT ? write_upsert(s, t, narrays)
					  : write_set(s, t, p, rows, n, narrays);
	if (err == 0)
		return pg_run(&s->link, "RELEASE SAVEPOINT batch");
	if (pg_meaning(&s->link) != PG_REFUSED)
		return -1;
	pg_words(&s->link, words, sizeof(words));
	s->tally.counts = before.counts;
	if (pg_run(&s->link, "ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch") != 0)
		return -1;
	if (n == 1) {
		sql_book_refuse(&s->book, &s->tally, &t->columns, t->table.name, p, rows[0], words);
		return 0;
	}
	return write_range(s, t, p, rows, n / 2) ||
	       write_range(s, t, p, rows + n / 2, n - n / 2) ? -1 : 0;
}

static int write_group(struct sink_pgsql *s, const struct purge *p, const struct name_group *g)
{
	struct pg_report rep = { s->book.who, 0, true, true };
	struct pg_table *t;

	if (g->refused) {
		sql_book_refuse_group(&s->book, &s->tally, &s->columns, g, p);
		return 0;
	}
	t = table_get(s, g->name, &rep);
	if (!t)
		return -1;
	for (size_t done = 0; done < g->n; done += BATCH_ROWS)
		if (write_range(s, t, p, g->rows + done,
				g->n - done < BATCH_ROWS ? g->n - done : BATCH_ROWS) != 0)
			return -1;
	return 0;
}

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
		return stuck(s, "the server still works on transaction %s%s, whose COMMIT had no "
			     "answer", s->xid, "");
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
		return stuck(s, "COMMIT was answered with ROLLBACK%s%s", "", "");
	return done ? 0 : -1;
}

/* One transaction.  *step says how far it came. */
static int play(struct sink_pgsql *s, struct name_groups *g, const struct purge *p,
		enum step *step)
{
	*step = AT_START;
	memset(&s->tally, 0, sizeof(s->tally));
	if (connect_now(s) != 0 || ready_tables(s, g, p) != 0)
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
		if (write_group(s, p, &g->group[i]) != 0)
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
		disconnect(s);
		return idle;
	}
	if (s->link.pg && step != AT_START && pg_run(&s->link, "ROLLBACK") != 0)
		disconnect(s);
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

/* ---- salvage ---- */

/* As sql/flow_ledger.pgsql: a file that is replayed twice would be billed twice. */
static const char make_ledger[] =
	"-- no table flow_ledger was there; it makes a second replay do nothing\n"
	"CREATE TABLE IF NOT EXISTS flow_ledger (run_id NUMERIC(20) NOT NULL,plugin VARCHAR(64) "
	"NOT NULL,purge_id BIGINT NOT NULL,worker BIGINT NOT NULL,batch BIGINT NOT NULL,purge_rows "
	"BIGINT NOT NULL DEFAULT 0,purge_packets NUMERIC(20) NOT NULL DEFAULT 0,purge_octets "
	"NUMERIC(20) NOT NULL DEFAULT 0,stamp TIMESTAMP WITHOUT TIME ZONE,PRIMARY KEY "
	"(run_id,plugin,purge_id,worker));\n";

static void salvage_head(struct sink_pgsql *s, const struct purge *p)
{
	strbuf_addf(&s->text, "-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64
		    ", %zu rows; not yet written\n-- replay: psql -d %s -f this file; stops "
		    "without effect when the purge is there already\n\\set ON_ERROR_STOP on\n"
		    "SET standard_conforming_strings=on;\n%s%sBEGIN;\n",
		    p->id, s->p->name, s->book.run_id, p->nrows, s->p->sql_db,
		    s->p->timestamps_utc ? "SET TIME ZONE 'UTC';\n" : "",
		    s->ledger ? "" : make_ledger);
	if (s->in_doubt == p->id && !s->ledger)
		strbuf_addf(&s->text, "-- ITS COMMIT HAD NO ANSWER: look first whether these rows "
			    "are in: SELECT txid_status(%s)\n", s->xid);
	pg_text_ledger(&s->text, s->book.run_id, s->p->name, p);
	strbuf_add(&s->text, ";\n");
}

static int salvage_rows(struct salvage_file *f, struct sink_pgsql *s, const struct name_groups *g,
			const struct purge *p)
{
	struct pg_table unseen = { .way = PG_SET, .columns = s->columns };

	strbuf_reset(&s->text);
	salvage_head(s, p);
	for (size_t i = 0; i < g->n; i++) {
		const struct pg_table *t = table_known(s, g->group[i].name);

		snprintf(unseen.table.name, sizeof(unseen.table.name), "%s", g->group[i].name);
		for (size_t j = 0; j < g->group[i].n; j++) {
			pg_text_row(&s->text, t ? t : &unseen, p, g->group[i].rows[j]);
			strbuf_add(&s->text, ";\n");
			if (salvage_put(f, s->text.s, s->text.n) != 0)
				return -1;
			strbuf_reset(&s->text);
		}
	}
	strbuf_add(&s->text, "COMMIT;\n");
	if (salvage_put(f, s->text.s, s->text.n) != 0)
		return -1;
	return fprintf(f->f, "-- sum %016" PRIx64 "\n", f->sum) > 0 ? 0 : -1;
}

static int pgsql_salvage(void *sink, const struct purge *p)
{
	struct sink_pgsql *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      sql_moment(p, NULL), p->rows, p->nrows))
		return -1;
	err = salvage_open(&file, s->p, s->book.run_id, p->id, "sql");
	if (err == 0) {
		err = salvage_rows(&file, s, &g, p);
		err = salvage_close(&file, err);
	}
	if (s->in_doubt == p->id && !s->ledger)
		s->book.counts.ambiguous++;
	if (err == 0)
		log_warn("%s: purge %" PRIu64 " (%zu rows) is saved in %s; replay it with: psql "
			 "-d %s -f %s", s->book.who, p->id, p->nrows, file.path, s->p->sql_db,
			 file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s",
				s->book.who, p->id, p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}

/* ---- life ---- */

static void pgsql_close(void *sink)
{
	struct sink_pgsql *s = sink;

	if (!s)
		return;
	disconnect(s);
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
	s->tables.forget = forget_table;
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

	if (connect_now(s) != 0) {
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
	     (!exists && create_table(s, name, 0, NULL) != 0))) {
		complain(s, rep, "not ready");
		return;
	}
	if (!table_get(s, name, rep) && !rep->problems)
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
	if (connect_now(s) == 0 && pg_run(&s->link, sql) == 0)
		return 0;
	snprintf(why, 256, "%.230s (%s)", s->link.why, s->link.state);
	if (pg_meaning(&s->link) == PG_LOST)
		disconnect(s);
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
