/*
 * sink_mysql.c - sums into MySQL or MariaDB.
 *
 * A purge is one transaction, or a few that have a part of its rows each and are
 * written side by side (mysql_parts.c): a line in flow_ledger that says which
 * purge this is and how far each worker's input is accounted, then the rows.  The
 * ledger's primary key makes it unrepeatable: when the answer to COMMIT is lost,
 * the same is simply played again, and a duplicate key on the ledger's line
 * says that it had arrived.  (While the server still works on the lost
 * transaction, that INSERT waits for its outcome, so there is no gap.)  Without
 * that table a row of the purge is asked (mysql_evidence.h); only when another
 * writer changed it meanwhile is the purge `ambiguous`, which is logged.
 *
 * Rows go in arrays where the server takes them, else in statements of many rows
 * (mysql_write.c); those that it refuses for their values are logged and
 * counted, all others get in.  Every other error leaves the purge with the
 * caller, or those of its parts that are not in.
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
#include "nfacctd/name_template.h"

enum {
	REPLAYS = 5,		/* of a transaction that lost a deadlock, within one write */
	IDLE_SECONDS = 2	/* a session that was ended while idle says so at once */
};

/* The first connection, and whether there is a ledger. */
static unsigned connect_now(struct sink_mysql *s)
{
	struct mysql_link *k = &s->writer->link;
	MYSQL_RES *res;

	if (k->mysql)
		return 0;
	if (mysql_writer_connect(s->writer) != 0)
		return k->err;
	res = link_select(k, "SELECT 1 FROM flow_ledger LIMIT 0");
	s->ledger = res != NULL;
	mysql_free_result(res);
	if (!res && link_meaning(k->err) == LINK_LOST)
		return k->err;
	if (!s->ledger && !s->looked_for_ledger)
		log_info("%s: no table flow_ledger here (%s): a purge whose COMMIT has no answer "
			 "is then looked for by one of its rows, and goes over one connection; "
			 "sql/flow_ledger.mysql makes the table",
			 s->book.who, k->why);
	s->looked_for_ledger = true;
	return k->err = 0;
}

/* ---- a purge ---- */

/* What became of a purge in earlier attempts is kept until another one comes. */
static void take_up(struct sink_mysql *s, const struct purge *p)
{
	if (s->id == p->id && s->run == p->run)
		return;
	s->id = p->id;
	s->run = p->run;
	s->nparts = 0;
	memset(s->part, 0, sizeof(s->part));
}

/* The first part that is not in bears the error of what comes before the rows. */
static void not_begun(struct sink_mysql *s, unsigned err)
{
	bool first = true;

	for (unsigned i = 0; i < (s->nparts ? s->nparts : 1); i++) {
		struct mysql_part *part = &s->part[i];

		if (part->done)
			continue;
		part->step = MYSQL_AT_START;
		part->err = first ? err : 0;
		part->writer = s->writer;
		memset(&part->tally, 0, sizeof(part->tally));
		first = false;
	}
}


static void attempt_it(struct sink_mysql *s, struct name_groups *g, const struct purge *p)
{
	unsigned err = connect_now(s);

	if (!err)
		err = mysql_ready_tables(s->writer, g, p);
	if (!err)
		err = mysql_divide(s, g, p);
	if (!err)
		mysql_play(s, g, p);
	else
		not_begun(s, err);
}

/* "purge 7", "part 2 of 2 of purge 7" */
static const char *name_of(const struct mysql_part *part, const struct purge *p, char buf[64])
{
	if (part->of > 1)
		snprintf(buf, 64, "part %u of %u of purge %" PRIu64, part->number + 1, part->of,
			 p->id);
	else
		snprintf(buf, 64, "purge %" PRIu64, p->id);
	return buf;
}

/* Is this part in, by this attempt or by an earlier one? */
static bool arrived(const struct sink_mysql *s, struct mysql_part *part, const struct purge *p)
{
	char name[64];

	if (part->done || part->err != 0)
		return part->done;
	if (part->step == MYSQL_AT_COMMIT) {
		part->done = true;
	} else if (part->step == MYSQL_ALREADY_THERE && part->in_doubt) {
		log_info("%s: %s had arrived before the connection broke", s->book.who,
			 name_of(part, p, name));
		part->tally = part->doubt_tally;
		part->done = true;
	} else if (part->step == MYSQL_ALREADY_THERE && p->replayed) {
		log_info("%s: %s is in the database already", s->book.who, name_of(part, p, name));
		part->done = true;
	}
	part->in_doubt &= !part->done;
	return part->done;
}

/* One line for trouble that is new, or that lasts. */
static void say(struct sink_mysql *s, const struct mysql_link *k, const struct purge *p,
		const char *doing)
{
	char words[LINK_WORDS];

	sql_book_trouble(&s->book, p, doing, link_words(k, words), k->where);
}

static bool lost(struct sink_mysql *s, struct mysql_part *part, const struct purge *p,
		 unsigned attempt, uint64_t seconds)
{
	struct mysql_link *k = &part->writer->link;
	bool idle = part->step == MYSQL_AT_START && k->mysql && attempt == 0 &&
		    seconds < IDLE_SECONDS;

	if (part->step == MYSQL_AT_COMMIT) {
		part->in_doubt = true;
		part->doubt_tally = part->tally;
	}
	if (!idle)	/* else the server ended an idle session, which is nothing to tell */
		say(s, k, p, part->step == MYSQL_AT_COMMIT ? "connection lost at COMMIT"
							   : "no connection");
	mysql_writer_disconnect(part->writer);
	return idle;
}

/* After a failed attempt at a part: true to try again at once. */
static bool try_again(struct sink_mysql *s, struct mysql_part *part, const struct purge *p,
		      unsigned attempt, uint64_t seconds)
{
	struct mysql_link *k = &part->writer->link;
	enum link_meaning meaning = link_meaning(part->err);
	char why[sizeof(k->why)];

	s->book.counts.retries++;
	if (meaning == LINK_LOST)
		return lost(s, part, p, attempt, seconds);
	snprintf(why, sizeof(why), "%s", k->why);
	if (k->mysql && link_runf(k, "ROLLBACK") != 0)
		mysql_writer_disconnect(part->writer);
	k->err = part->err;
	snprintf(k->why, sizeof(k->why), "%s", why);
	/* A lock that was waited for in vain is not free a moment later. */
	if (meaning == LINK_REPLAY && part->err != ER_LOCK_WAIT_TIMEOUT && attempt < REPLAYS)
		return true;
	say(s, k, p, "purge not written");
	return false;
}

enum verdict { WRITTEN, AT_ONCE, LATER };

/* The parts after an attempt; *tally: of all that are in. */
static enum verdict judge(struct sink_mysql *s, const struct purge *p, unsigned attempt,
			  uint64_t seconds, struct sql_tally *tally)
{
	bool all = true, again = true, taken = false, doubt = false, busy = false;
	unsigned n = s->nparts ? s->nparts : 1;

	memset(tally, 0, sizeof(*tally));
	for (unsigned i = 0; i < n; i++) {
		struct mysql_part *part = &s->part[i];

		if (arrived(s, part, p)) {
			sql_tally_add(tally, &part->tally);
			doubt = true;	/* for the others: some of it is in */
			continue;
		}
		all = false;
		sql_book_end(&s->book, p, &part->tally);
		if (part->err) {
			again &= try_again(s, part, p, attempt, seconds);
			busy |= link_meaning(part->err) == LINK_REPLAY;
		} else if (part->step == MYSQL_ALREADY_THERE) {
			taken = true;
			again &= attempt < REPLAYS;
		}
		doubt |= part->in_doubt;
	}
	if (all)
		return WRITTEN;
	if (taken)
		sql_book_new_run(&s->book, p);
	s->last_trouble = doubt ? SINK_DOUBT : busy ? SINK_BUSY : SINK_DOWN;
	if (again)
		return AT_ONCE;
	/* Somebody may alter them meanwhile. */
	for (unsigned i = 0; i < MYSQL_CONNECTIONS_MAX; i++)
		sql_tables_clear(&s->writer[i].tables);
	return LATER;
}

static enum sink_result mysql_write(void *sink, const struct purge *p)
{
	struct sink_mysql *s = sink;
	uint64_t start = clock_mono_ns();
	enum verdict verdict = AT_ONCE;
	struct sql_tally tally;
	struct name_groups g;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return SINK_RETRY;
	take_up(s, p);
	for (unsigned attempt = 0; verdict == AT_ONCE; attempt++) {
		uint64_t began = clock_mono_ns();

		attempt_it(s, &g, p);
		verdict = judge(s, p, attempt, (clock_mono_ns() - began) / 1000000000, &tally);
	}
	if (verdict == WRITTEN) {
		sql_book_end(&s->book, p, &tally);
		sql_book_written(&s->book, p, &tally);
		s->id = 0;
	}
	name_groups_clear(&g);
	s->book.counts.write_ns += clock_mono_ns() - start;
	return verdict == WRITTEN ? SINK_OK : SINK_RETRY;
}

/* ---- life ---- */

static void mysql_close_sink(void *sink)
{
	struct sink_mysql *s = sink;

	if (!s)
		return;
	for (unsigned i = 0; i < MYSQL_CONNECTIONS_MAX; i++)
		mysql_writer_clear(&s->writer[i]);
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
	for (unsigned i = 0; i < MYSQL_CONNECTIONS_MAX; i++)
		mysql_writer_init(&s->writer[i], s);
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
	MYSQL_STMT *stmt = s->ledger ? link_prepare(&s->writer->link, sql, sizeof(sql) - 1) : NULL;

	if (stmt) {
		mysql_stmt_close(stmt);
	} else if (s->ledger) {
		log_error("%s: flow_ledger: %s (%u); sql/flow_ledger.mysql makes it, and "
			  "sql/pmacct-grant-db.mysql grants what is needed",
			s->book.who, s->writer->link.why, s->writer->link.err);
		rep->problems++;
	}
}

/* --check writes nothing: a table that a schema would make is only named. */
static bool would_be_made(struct sink_mysql *s, const char *name)
{
	bool exists;

	if (!s->p->sql_table_schema || mysql_table_exists(s->writer, name, &exists) != 0 || exists)
		return false;
	if (access(s->p->sql_table_schema, R_OK) != 0)
		return false;		/* making it would fail: let the look at it complain */
	log_info("%s: table %s does not exist; sql_table_schema: \"%s\" will make it",
		s->book.who, name,
		 s->p->sql_table_schema);
	return true;
}

/* A schema for names that come with rows: said now if the server does not take it. */
static void check_schema(struct sink_mysql *s, struct mysql_report *rep)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES], words[LINK_WORDS];
	struct mysql_link *k = &s->writer->link;
	MYSQL_STMT *stmt;

	if (!sql_schema_text(made, s->p, s->l, (int64_t)time(NULL), NULL, why)) {
		log_error("%s: %s", s->book.who, why);
		rep->problems++;
		return;
	}
	stmt = link_prepare(k, made, strlen(made));	/* parsed, and rights looked at; no more */
	if (!stmt && k->err != ER_TABLE_EXISTS_ERROR) {
		log_error("%s: sql_table_schema: \"%s\": %s", s->book.who,
			  s->p->sql_table_schema, link_words(k, words));
		rep->problems++;
	}
	if (stmt)
		mysql_stmt_close(stmt);
	k->err = 0;
}

/*
 * Connect and look; problems are logged and counted in rep.  Of a name with
 * variables --check looks at the table of this moment.
 */
static void inspect(struct sink_mysql *s, struct mysql_report *rep, bool check_only)
{
	char now[SQL_TABLE_NAME_MAX + 1], words[LINK_WORDS];
	const char *name = s->table;

	if (connect_now(s) != 0) {
		log_error("%s: cannot connect as %s: %s", s->book.who, s->writer->link.where,
			  link_words(&s->writer->link, words));
		rep->problems++;
		return;
	}
	check_ledger(s, rep);
	if (s->p->sql_table_schema && name_is_dynamic(name))
		check_schema(s, rep);
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
		mysql_create_table(s->writer, s->table, 0, NULL) != 0) {
		log_error("%s: %s", s->book.who, s->writer->link.why);
		rep->problems++;
		return;
	}
	if (!mysql_table_get(s->writer, name, rep) && !rep->problems) {
		log_error("%s: table %s: %s", s->book.who, name,
			  link_words(&s->writer->link, words));
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
		err = link_run(&s->writer->link, sql, n, NULL);
	if (!err)
		return 0;
	snprintf(why, 256, "%.230s (%u)", s->writer->link.why, s->writer->link.err);
	if (link_meaning(err) == LINK_LOST)
		mysql_writer_disconnect(s->writer);
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
