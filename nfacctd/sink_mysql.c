/*
 * sink_mysql.c - sums into MySQL or MariaDB.
 *
 * A purge is one transaction: a line in flow_ledger that says which purge this
 * is and how far each worker's input is accounted, then all rows.  The ledger's
 * primary key makes a purge unrepeatable: when the answer to COMMIT is lost, the
 * same purge is simply played again, and a duplicate key on the ledger's line
 * says that it had arrived.  (While the server still works on the lost
 * transaction, that INSERT waits for its outcome, so there is no gap.)  Without
 * that table a row of the purge is asked (mysql_evidence.h); only when another
 * writer changed it meanwhile is the purge `ambiguous`, which is logged.
 *
 * Rows go in arrays where the server takes them, else as multi-row text
 * (mysql_write.c); those that it refuses for their values are logged and
 * counted, all others get in.  Every other error leaves the purge with the
 * caller, whole.
 */
#include <inttypes.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/name_template.h"

enum {
	WITNESSES = 16,		/* rows tried, should the first have been refused */
	REPLAYS = 5,		/* of a transaction that lost a deadlock, within one write */
	IDLE_SECONDS = 2	/* a session that was ended while idle says so at once */
};

static void forget_table(struct sql_table *table)
{
	struct mysql_table *t = (struct mysql_table *)table;

	if (t->stmt)
		mysql_stmt_close(t->stmt);
	free(t);
}

static void disconnect(struct sink_mysql *s)
{
	sql_tables_clear(&s->tables);
	link_close(&s->link);
}

/* One line for trouble that is new, or that lasts. */
static void say(struct sink_mysql *s, const struct purge *p, const char *doing)
{
	char words[LINK_WORDS];

	sql_book_trouble(&s->book, p, doing, link_words(&s->link, words), s->link.where);
}

/* The CREATE TABLE of sql_table_schema for one table name. */
static unsigned create_table(struct sink_mysql *s, const char *table, int64_t when,
			     const uint8_t *key)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES];

	if (!sql_schema_text(made, s->p, s->l, when, key, s->link.why))
		return s->link.err = LINK_OURS;
	if (link_run(&s->link, made, strlen(made), NULL) == 1050)	/* already there */
		s->link.err = 0;
	if (s->link.err) {
		snprintf(why, sizeof(why), "%s", s->link.why);
		snprintf(s->link.why, sizeof(s->link.why),
			 "sql_table_schema: \"%.100s\" for table %s: %.300s",
			 s->p->sql_table_schema, table, why);
	}
	return s->link.err;
}

struct mysql_table *mysql_table_known(struct sink_mysql *s, const char *name)
{
	return (struct mysql_table *)sql_tables_find(&s->tables, name);
}

/* A table as it is on the server; NULL with link.err when rows cannot get in. */
static struct mysql_table *table_get(
	struct sink_mysql *s, const char *name, struct mysql_report *rep)
{
	struct mysql_table *t = mysql_table_known(s, name);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	if (s->p->sql_check) {
		if (mysql_table_look(t, &s->link, &s->columns, name, s->p, rep) != 0 ||
			rep->problems) {
			if (!s->link.err) {
				s->link.err = LINK_OURS;
				snprintf(s->link.why, sizeof(s->link.why),
					"table %s cannot be written", name);
			}
			free(t);
			return NULL;
		}
	} else {	/* nobody looked: the way that is right for any keys */
		snprintf(t->table.name, sizeof(t->table.name), "%s", name);
		t->columns = s->columns;
		t->way = MYSQL_SET;
	}
	sql_tables_add(&s->tables, &t->table);
	return t;
}

static bool name_is_safe(const char *name)
{
	return !strpbrk(name, "'\\");
}

static unsigned table_exists(struct sink_mysql *s, const char *name, bool *exists)
{
	MYSQL_RES *res;

	*exists = false;
	if (!name_is_safe(name))	/* mysql_table_look() says so */
		return 0;
	res = link_select(&s->link,
		"SELECT 1 FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA=DATABASE()"
		" AND TABLE_NAME='%s'",
		name);
	if (!res)
		return s->link.err;
	*exists = mysql_num_rows(res) > 0;
	mysql_free_result(res);
	return 0;
}

/*
 * The table of a group, made when sql_table_schema says how.  Names that vary by
 * row are in strangers' hands, so not more than sql_tables_max of them are made.
 */
static unsigned make_table(struct sink_mysql *s, struct name_group *g, const struct purge *p)
{
	const struct sum_row *first = g->rows[0];
	bool of_rows = strchr(s->table, '$') != NULL, exists = false;

	if (of_rows && table_exists(s, g->name, &exists) != 0)
		return s->link.err;
	if (of_rows && !exists && s->tables_made >= s->p->sql_tables_max) {
		g->refused = true;
		return 0;
	}
	if (create_table(s, g->name, sql_moment(p, first), first->key) != 0)
		return s->link.err;
	s->tables_made += of_rows && !exists;
	return 0;
}

/*
 * Look at every table, and make it when sql_table_schema says how: before the
 * transaction, as a CREATE TABLE would end it.
 */
static unsigned ready_tables(struct sink_mysql *s, struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->book.who, 0, true, sql_book_told_lately(&s->book) };

	for (size_t i = 0; i < g->n; i++) {
		g->group[i].refused = false;
		if (mysql_table_known(s, g->group[i].name))
			continue;
		if (s->p->sql_table_schema && make_table(s, &g->group[i], p) != 0)
			return s->link.err;
		if (!g->group[i].refused && !table_get(s, g->group[i].name, &rep))
			return s->link.err;
	}
	return 0;
}

static unsigned connect_now(struct sink_mysql *s)
{
	MYSQL_RES *res;

	if (s->link.mysql)
		return 0;
	if (link_connect(&s->link, s->p) != 0)
		return s->link.err;
	if (s->was_connected) {
		s->book.counts.reconnects++;
		log_info("%s: connected again (%s)", s->book.who, s->link.where);
	}
	res = link_select(&s->link, "SELECT 1 FROM flow_ledger LIMIT 0");
	s->ledger = res != NULL;
	if (res)
		mysql_free_result(res);
	else if (link_meaning(s->link.err) == LINK_LOST)
		return s->link.err;
	if (!s->ledger && !s->was_connected)
		log_info("%s: no table flow_ledger here (%s): a purge whose COMMIT has no answer "
			 "is then looked "
			 "for by one of its rows; sql/flow_ledger.mysql makes the table",
			s->book.who, s->link.why);
	s->was_connected = true;
	s->link.err = 0;
	return 0;
}

/* The rows, inside the transaction that is open. */
static unsigned write_groups(
	struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->book.who, 0, true, sql_book_told_lately(&s->book) };

	for (size_t i = 0; i < g->n; i++) {
		struct mysql_table *t;
		unsigned err;

		if (g->group[i].refused) {
			sql_book_refuse_group(&s->book, &s->tally, &s->columns, &g->group[i], p);
			continue;
		}
		t = table_get(s, g->group[i].name, &rep);
		err = t ? mysql_write_table(s, t, p, g->group[i].rows, g->group[i].n) : s->link.err;

		if (err)
			return err;
	}
	return 0;
}

enum step { AT_START, AT_ROWS, AT_COMMIT, ALREADY_THERE };

/* The first row that can be a witness, looked at before COMMIT. */
static unsigned take_evidence(
	struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->book.who, 0, true, true };
	const struct name_group *group = g->group, *end = g->group + g->n;
	struct mysql_table *t;

	s->evidence.have = false;
	while (group < end && group->refused)
		group++;
	if (s->ledger || group == end)
		return 0;
	t = table_get(s, group->name, &rep);
	for (size_t i = 0; t && i < group->n && i < WITNESSES && !s->evidence.have; i++)
		if (evidence_take(&s->evidence, &s->link, t, p, group->rows[i]) != 0)
			return s->link.err;
	return 0;
}

/* A purge whose COMMIT had no answer, without a ledger: did it arrive? */
static unsigned settle_doubt(struct sink_mysql *s, const struct purge *p, enum step *step)
{
	struct mysql_report rep = { s->book.who, 0, true, true };
	enum evidence_verdict verdict = EVIDENCE_NONE;
	struct mysql_table *t;

	if (s->evidence.have) {
		t = table_get(s, s->evidence.table, &rep);
		if (!t || evidence_judge(&s->evidence, &s->link, t, p, &verdict) != 0)
			return s->link.err;
	}
	if (verdict == EVIDENCE_ARRIVED) {
		*step = ALREADY_THERE;
		return 0;
	}
	s->in_doubt = 0;
	if (verdict == EVIDENCE_NOT_ARRIVED)
		return 0;
	s->book.counts.ambiguous++;
	log_error("%s: the connection broke while purge %" PRIu64
		  " (%zu rows) was committed, and without a "
		  "table flow_ledger nobody can tell whether it arrived: it is written again and "
		  "may count "
		  "twice; its stamp_updated is %" PRId64,
		s->book.who, p->id, p->nrows, p->now);
	return 0;
}

/* One transaction.  *step says how far it came. */
static unsigned play(struct sink_mysql *s, struct name_groups *g, const struct purge *p,
		     enum step *step)
{
	*step = AT_START;
	memset(&s->tally, 0, sizeof(s->tally));
	if (connect_now(s) != 0 || ready_tables(s, g, p) != 0)
		return s->link.err;
	if (s->in_doubt == p->id && !s->ledger &&
	    (settle_doubt(s, p, step) != 0 || *step == ALREADY_THERE))
		return s->link.err;
	if (link_runf(&s->link, "START TRANSACTION") != 0)
		return s->link.err;
	*step = AT_ROWS;
	if (s->ledger) {
		strbuf_reset(&s->text);
		text_ledger(&s->text, p->run ? p->run : s->book.run_id, s->p->name, p);
		if (link_run(&s->link, s->text.s, s->text.n, NULL) == 1062) {
			*step = ALREADY_THERE;
			return link_runf(&s->link, "ROLLBACK");
		}
		if (s->link.err)
			return s->link.err;
	}
	if (g->unnamed)
		sql_book_refuse_unnamed(&s->book, &s->tally, &s->columns, s->table, s->p, s->l, p);
	if (write_groups(s, g, p) != 0 || take_evidence(s, g, p) != 0)
		return s->link.err;
	*step = AT_COMMIT;
	return link_runf(&s->link, "COMMIT");
}

/* After a failed attempt: true to try again at once. */
static bool try_again(struct sink_mysql *s, const struct purge *p, unsigned err, enum step step,
		      unsigned attempt, uint64_t seconds)
{
	enum link_meaning meaning = link_meaning(err);
	char why[sizeof(s->link.why)];
	bool idle = meaning == LINK_LOST && step == AT_START && s->link.mysql && attempt == 0 &&
		    seconds < IDLE_SECONDS;

	s->book.counts.retries++;
	s->last_trouble = (meaning == LINK_LOST && step == AT_COMMIT) || s->in_doubt == p->id
				  ? SINK_DOUBT
			  : meaning == LINK_REPLAY ? SINK_BUSY : SINK_DOWN;
	if (meaning == LINK_LOST) {
		if (step != AT_START && seconds >= s->link.answer_seconds)
			link_more_patience(&s->link);
		if (step == AT_COMMIT) {
			s->in_doubt = p->id;
			s->doubt_tally = s->tally;
		}
		if (!idle) /* else the server ended an idle session, which is nothing to tell */
			say(s, p,
				step == AT_COMMIT ? "connection lost at COMMIT" : "no connection");
		disconnect(s);
		return idle;
	}
	snprintf(why, sizeof(why), "%s", s->link.why);
	if (s->link.mysql && link_runf(&s->link, "ROLLBACK") != 0)
		disconnect(s);
	s->link.err = err;
	snprintf(s->link.why, sizeof(s->link.why), "%s", why);
	/* A lock that was waited for in vain is not free a moment later. */
	if (meaning == LINK_REPLAY && err != ER_LOCK_WAIT_TIMEOUT && attempt < REPLAYS)
		return true;
	say(s, p, "purge not written");
	sql_tables_clear(&s->tables);	/* somebody may alter them meanwhile */
	return false;
}

static enum sink_result mysql_write(void *sink, const struct purge *p)
{
	struct sink_mysql *s = sink;
	uint64_t start = clock_mono_ns();
	enum sink_result result = SINK_RETRY;
	struct name_groups g;
	enum step step;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return SINK_RETRY;
	for (unsigned attempt = 0;; attempt++) {
		uint64_t began = clock_mono_ns();
		unsigned err = play(s, &g, p, &step);
		uint64_t seconds = (clock_mono_ns() - began) / 1000000000;

		sql_book_end(&s->book, p, &s->tally);
		if (step == ALREADY_THERE && s->in_doubt == p->id) {
			log_info("%s: purge %" PRIu64 " had arrived before the connection broke",
				s->book.who, p->id);
			sql_book_written(&s->book, p, &s->doubt_tally);
			s->in_doubt = 0;
			result = SINK_OK;
			break;
		}
		if (step == ALREADY_THERE && p->replayed) {
			log_info("%s: purge %" PRIu64 " is in the database already", s->book.who, p->id);
			sql_book_written(&s->book, p, &s->tally);
			s->in_doubt = 0;
			result = SINK_OK;
			break;
		}
		if (step == ALREADY_THERE && attempt < REPLAYS) {
			sql_book_new_run(&s->book, p);
			continue;
		}
		if (err == 0 && step == AT_COMMIT) {
			sql_book_written(&s->book, p, &s->tally);
			s->in_doubt = 0;
			result = SINK_OK;
			break;
		}
		if (!try_again(s, p, err, step, attempt, seconds))
			break;
	}
	name_groups_clear(&g);
	s->book.counts.write_ns += clock_mono_ns() - start;
	return result;
}

static void mysql_close_sink(void *sink)
{
	struct sink_mysql *s = sink;

	if (!s)
		return;
	disconnect(s);
	strbuf_clear(&s->text);
	free(s->rows);
	free(s);
}

/* Settings to a sink that is not yet connected; NULL after saying why. */
static struct sink_mysql *prepare(const struct plugin_settings *p, const struct key_layout *l,
				  uint64_t run_id)
{
	struct sink_mysql *s = xcalloc(1, sizeof(*s));
	char why[256];

	s->p = p;
	s->l = l;
	s->book.run_id = run_id;
	snprintf(s->book.who, sizeof(s->book.who), "%s/mysql", p->name);
	link_init(&s->link);
	s->tables.forget = forget_table;
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
		mysql_lay_out_rows(s);
		s->rows = xcalloc(MYSQL_BATCH_ROWS, s->row_size ? s->row_size : 1);
		return s;
	}
	mysql_close_sink(s);
	return NULL;
}

/* A ledger that cannot be written would hold up every purge: said now, not then. */
static void check_ledger(struct sink_mysql *s, struct mysql_report *rep)
{
	static const char sql[] =
		"INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		"purge_packets,purge_octets,stamp) VALUES (?,?,?,?,?,?,?,?,?)";
	MYSQL_STMT *stmt = s->ledger ? link_prepare(&s->link, sql, sizeof(sql) - 1) : NULL;

	if (stmt) {
		mysql_stmt_close(stmt);
	} else if (s->ledger) {
		log_error("%s: flow_ledger: %s (%u); sql/flow_ledger.mysql makes it, and "
			  "sql/pmacct-grant-db.mysql grants what is needed",
			s->book.who, s->link.why, s->link.err);
		rep->problems++;
	}
}

/* --check writes nothing: a table that a schema would make is only named. */
static bool would_be_made(struct sink_mysql *s, const char *name)
{
	bool exists;

	if (!s->p->sql_table_schema || table_exists(s, name, &exists) != 0 || exists)
		return false;
	if (access(s->p->sql_table_schema, R_OK) != 0)
		return false;		/* create_table() would fail: let table_get() complain */
	log_info("%s: table %s does not exist; sql_table_schema: \"%s\" will make it", s->book.who, name,
		 s->p->sql_table_schema);
	return true;
}

/*
 * Connect and look; problems are logged and counted in rep.  Of a name with
 * variables --check looks at the table of this moment.
 */
static void inspect(struct sink_mysql *s, struct mysql_report *rep, bool check_only)
{
	char now[SQL_TABLE_NAME_MAX + 1];
	const char *name = s->table;

	if (connect_now(s) != 0) {
		log_error("%s: cannot connect as %s: %s (%u)", s->book.who, s->link.where, s->link.why,
			s->link.err);
		rep->problems++;
		return;
	}
	check_ledger(s, rep);
	if (!s->p->sql_check || (name_is_dynamic(name) && (!check_only || strchr(name, '$'))))
		return;
	if (name_is_dynamic(name)) {
		if (!name_expand(now, sizeof(now), name, s->p, s->l, (int64_t)time(NULL), NULL))
			return;
		name = now;
	}
	if (check_only && would_be_made(s, name))
		return;
	if (!check_only && s->p->sql_table_schema &&
		create_table(s, s->table, 0, NULL) != 0) {
		log_error("%s: %s", s->book.who, s->link.why);
		rep->problems++;
		return;
	}
	if (!table_get(s, name, rep) && !rep->problems) {
		log_error("%s: table %s: %s (%u)", s->book.who, name, s->link.why, s->link.err);
		rep->problems++;
	}
}

static void *mysql_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct sink_mysql *s = prepare(p, l, run_id);
	struct mysql_report rep = { s ? s->book.who : "", 0, false, false };

	if (!s)
		return NULL;
	inspect(s, &rep, false);
	if (rep.problems) {
		mysql_close_sink(s);
		return NULL;
	}
	return s;
}

static unsigned mysql_check(const struct plugin_settings *p, const struct key_layout *l)
{
	struct sink_mysql *s = prepare(p, l, 0);
	struct mysql_report rep = { s ? s->book.who : "", 0, false, false };

	if (!s)
		return 1;
	inspect(s, &rep, true);
	mysql_close_sink(s);
	return rep.problems;
}

static const struct sink_counts *mysql_counts(void *sink)
{
	return &((struct sink_mysql *)sink)->book.counts;
}

static enum sink_trouble mysql_trouble(void *sink)
{
	return ((struct sink_mysql *)sink)->last_trouble;
}

static bool mysql_remembers(void *sink)
{
	return ((struct sink_mysql *)sink)->ledger;
}

static int mysql_execute(void *sink, const char *sql, size_t n, char why[static 256])
{
	struct sink_mysql *s = sink;
	unsigned err = connect_now(s);

	if (!err)
		err = link_run(&s->link, sql, n, NULL);
	if (!err)
		return 0;
	snprintf(why, 256, "%.230s (%u)", s->link.why, s->link.err);
	if (link_meaning(err) == LINK_LOST)
		disconnect(s);
	return -1;
}

const struct sink sink_mysql = {
	.type = "mysql",
	.open = mysql_open,
	.check = mysql_check,
	.write = mysql_write,
	.salvage = mysql_salvage,
	.counts = mysql_counts,
	.trouble = mysql_trouble,
	.remembers = mysql_remembers,
	.execute = mysql_execute,
	.close = mysql_close_sink,
};
