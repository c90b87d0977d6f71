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
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/name_template.h"

enum {
	TABLES_MAX = 256,	/* looked at and remembered; the least used one goes */
	WITNESSES = 16,		/* rows tried, should the first have been refused */
	REPLAYS = 5,		/* of a transaction that lost a deadlock, within one write */
	IDLE_SECONDS = 2,	/* a session that was ended while idle says so at once */
	SAY_AGAIN_SECONDS = 60	/* the same trouble */
};

static void forget_table(struct mysql_table *t)
{
	if (t->stmt)
		mysql_stmt_close(t->stmt);
	free(t);
}

static void forget_tables(struct sink_mysql *s)
{
	for (size_t i = 0; i < s->ntables; i++)
		forget_table(s->tables[i]);
	s->ntables = 0;
}

static void disconnect(struct sink_mysql *s)
{
	forget_tables(s);
	link_close(&s->link);
}

/* One line for trouble that is new, or that lasts. */
static void say(struct sink_mysql *s, const struct purge *p, const char *doing)
{
	uint64_t now = clock_mono_ns() / 1000;

	if (s->trouble != s->link.err)
		s->trouble_us = 0;
	s->trouble = s->link.err;
	if (log_allow(&s->trouble_us, now, SAY_AGAIN_SECONDS * UINT64_C(1000000)))
		log_warn("%s: %s: %s (%u); %zu rows are kept and tried again (%s)", s->who, doing,
			 s->link.why, s->link.err, p->nrows, s->link.where);
}

/* The CREATE TABLE of sql_table_schema for one table name. */
static unsigned create_table(
	struct sink_mysql *s, const char *path, const char *table, int64_t when, const uint8_t *key)
{
	char text[65536], made[65536];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	while (n && strchr("; \t\r\n", text[n - 1]))
		n--;
	text[n] = '\0';
	if (n == 0 || !name_expand(made, sizeof(made), text, s->p, s->l, when, key)) {
		snprintf(s->link.why, sizeof(s->link.why),
			 "sql_table_schema: \"%s\" cannot be read, is empty or above 64 kB", path);
		return s->link.err = 1;
	}
	if (link_run(&s->link, made, strlen(made), NULL) == 1050)	/* already there */
		s->link.err = 0;
	if (s->link.err) {
		char why[sizeof(s->link.why)];

		snprintf(why, sizeof(why), "%s", s->link.why);
		snprintf(s->link.why, sizeof(s->link.why),
			"sql_table_schema: \"%.100s\" for table %s: %.300s", path, table, why);
	}
	return s->link.err;
}

struct mysql_table *mysql_table_known(struct sink_mysql *s, const char *name)
{
	for (size_t i = 0; i < s->ntables; i++)
		if (strcmp(s->tables[i]->name, name) == 0) {
			s->tables[i]->used = ++s->clock;
			return s->tables[i];
		}
	return NULL;
}

static struct mysql_table **room_for_table(struct sink_mysql *s)
{
	size_t oldest = 0;

	if (s->ntables < TABLES_MAX)
		return &s->tables[s->ntables++];
	for (size_t i = 1; i < s->ntables; i++)
		if (s->tables[i]->used < s->tables[oldest]->used)
			oldest = i;
	forget_table(s->tables[oldest]);
	return &s->tables[oldest];
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
				s->link.err = 1;
				snprintf(s->link.why, sizeof(s->link.why),
					"table %s cannot be written", name);
			}
			free(t);
			return NULL;
		}
	} else {	/* nobody looked: the way that is right for any keys */
		snprintf(t->name, sizeof(t->name), "%s", name);
		t->columns = s->columns;
		t->way = MYSQL_SET;
	}
	t->used = ++s->clock;
	return *room_for_table(s) = t;
}

/* Trouble with a table is told in full once in a while, not at each attempt. */
static bool told_lately(const struct sink_mysql *s)
{
	uint64_t last = s->trouble_us;

	return s->trouble == 1 && last &&
	       !log_allow(&last, clock_mono_ns() / 1000, SAY_AGAIN_SECONDS * UINT64_C(1000000));
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
	if (create_table(s, s->p->sql_table_schema, g->name,
		    first->bin        ? first->bin
			    : p->slot ? p->slot
				      : p->deadline,
		    first->key) != 0)
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
	struct mysql_report rep = { s->who, 0, true, told_lately(s) };

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
		s->counts.reconnects++;
		log_info("%s: connected again (%s)", s->who, s->link.where);
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
			s->who, s->link.why);
	s->was_connected = true;
	s->link.err = 0;
	return 0;
}

static int by_key(const void *a, const void *b, void *layout)
{
	const struct sum_row *x = *(const struct sum_row *const *)a,
			     *y = *(const struct sum_row *const *)b;
	int order = memcmp(x->key, y->key, ((const struct key_layout *)layout)->size);

	return order ? order : (x->bin > y->bin) - (x->bin < y->bin);
}

/*
 * Rows leave a hash table in no order.  In that of their keys, which is nearly
 * that of the default tables' primary keys, they go from page to page of the
 * table, and two writers of the same rows do not lock them crosswise.
 */
static void sort_rows(const struct sink_mysql *s, struct name_groups *g)
{
	struct key_layout l = *s->l;

	for (size_t i = 0; i < g->n; i++)
		qsort_r(g->group[i].rows, g->group[i].n, sizeof(g->group[i].rows[0]), by_key, &l);
}

/* The rows, inside the transaction that is open. */
static unsigned write_groups(
	struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->who, 0, true, told_lately(s) };

	for (size_t i = 0; i < g->n; i++) {
		struct mysql_table *t;
		unsigned err;

		if (g->group[i].refused) {
			for (size_t k = 0; k < g->group[i].n; k++)
				mysql_refuse(s, &s->columns, g->group[i].name, p,
					g->group[i].rows[k], 0,
					"sql_tables_max is reached: no more tables are made in "
					"this run");
			continue;
		}
		t = table_get(s, g->group[i].name, &rep);
		err = t ? mysql_write_table(s, t, p, g->group[i].rows, g->group[i].n) : s->link.err;

		if (err)
			return err;
	}
	return 0;
}

static void refuse_unnamed(struct sink_mysql *s, const struct purge *p)
{
	char name[SQL_TABLE_NAME_MAX + 1];

	for (size_t i = 0; i < p->nrows; i++)
		if (!name_expand(name, sizeof(name), s->table, s->p, s->l, p->rows[i].bin ?
				 p->rows[i].bin : p->slot ? p->slot : p->deadline, p->rows[i].key))
			mysql_refuse(s, &s->columns, s->table, p, &p->rows[i], 0,
			       "the name of its table is empty or above 64 characters");
}

enum step { AT_START, AT_ROWS, AT_COMMIT, ALREADY_THERE };

/* The first row that can be a witness, looked at before COMMIT. */
static unsigned take_evidence(
	struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->who, 0, true, true };
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
	struct mysql_report rep = { s->who, 0, true, true };
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
	s->counts.ambiguous++;
	log_error("%s: the connection broke while purge %" PRIu64
		  " (%zu rows) was committed, and without a "
		  "table flow_ledger nobody can tell whether it arrived: it is written again and "
		  "may count "
		  "twice; its stamp_updated is %" PRId64,
		s->who, p->id, p->nrows, p->now);
	return 0;
}

/* One transaction.  *step says how far it came. */
static unsigned play(struct sink_mysql *s, struct name_groups *g, const struct purge *p,
		     enum step *step)
{
	*step = AT_START;
	memset(&s->tally, 0, sizeof(s->tally));
	s->told_now = 0;
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
		text_ledger(&s->text, p->run ? p->run : s->run_id, s->p->name, p);
		if (link_run(&s->link, s->text.s, s->text.n, NULL) == 1062) {
			*step = ALREADY_THERE;
			return link_runf(&s->link, "ROLLBACK");
		}
		if (s->link.err)
			return s->link.err;
	}
	if (g->unnamed)
		refuse_unnamed(s, p);
	if (write_groups(s, g, p) != 0 || take_evidence(s, g, p) != 0)
		return s->link.err;
	*step = AT_COMMIT;
	return link_runf(&s->link, "COMMIT");
}

static void add_counts(struct sink_mysql *s, const struct purge *p, const struct sink_counts *t)
{
	struct sink_counts *c = &s->counts;

	c->purges++;
	c->rows += p->nrows;
	c->inserted += t->inserted;
	c->updated += t->updated;
	c->rejected += t->rejected;
	c->rejected_octets += t->rejected_octets;
	c->rejected_packets += t->rejected_packets;
	c->statements += t->statements;
	if (t->rejected)
		log_error("%s: purge %" PRIu64 ": %" PRIu64 " of %zu rows refused: %" PRIu64
			  " octets, %" PRIu64 " packets are not in the database",
			s->who, p->id, t->rejected, p->nrows, t->rejected_octets,
			t->rejected_packets);
	if (s->trouble)
		log_info("%s: writing again", s->who);
	s->trouble = 0;
	s->trouble_us = 0;
	s->in_doubt = 0;
}

/* After a failed attempt: true to try again at once. */
static bool try_again(struct sink_mysql *s, const struct purge *p, unsigned err, enum step step,
		      unsigned attempt, uint64_t seconds)
{
	enum link_meaning meaning = link_meaning(err);
	char why[sizeof(s->link.why)];
	bool idle = meaning == LINK_LOST && step == AT_START && s->link.mysql && attempt == 0 &&
		    seconds < IDLE_SECONDS;

	s->counts.retries++;
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
	forget_tables(s);	/* somebody may alter them meanwhile */
	return false;
}

/* Our line stands in the ledger although we never sent it: somebody else has this run's number. */
static void new_run_id(struct sink_mysql *s, const struct purge *p)
{
	uint64_t old = s->run_id;

	if (getrandom(&s->run_id, sizeof(s->run_id), 0) != (ssize_t)sizeof(s->run_id))
		s->run_id = old + clock_mono_ns();
	log_warn("%s: flow_ledger has purge %" PRIu64 " of run %" PRIu64
		 " already; this run is %" PRIu64 " from now on",
		s->who, p->id, old, s->run_id);
}

static enum sink_result mysql_write(void *sink, const struct purge *p)
{
	struct sink_mysql *s = sink;
	uint64_t start = clock_mono_ns();
	enum sink_result result = SINK_RETRY;
	struct name_groups g;
	enum step step;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      p->slot ? p->slot : p->deadline, p->rows, p->nrows)) {
		log_warn("%s: no memory for a purge of %zu rows; they are kept", s->who, p->nrows);
		return SINK_RETRY;
	}
	sort_rows(s, &g);
	for (unsigned attempt = 0;; attempt++) {
		uint64_t began = clock_mono_ns();
		unsigned err = play(s, &g, p, &step);
		uint64_t seconds = (clock_mono_ns() - began) / 1000000000;

		if (s->tally.rejected)
			s->told = p->id;
		if (step == ALREADY_THERE && s->in_doubt == p->id) {
			log_info("%s: purge %" PRIu64 " had arrived before the connection broke",
				s->who, p->id);
			add_counts(s, p, &s->doubt_tally);
			result = SINK_OK;
			break;
		}
		if (step == ALREADY_THERE && p->replayed) {
			log_info("%s: purge %" PRIu64 " is in the database already", s->who, p->id);
			add_counts(s, p, &s->tally);
			result = SINK_OK;
			break;
		}
		if (step == ALREADY_THERE && attempt < REPLAYS) {
			new_run_id(s, p);
			continue;
		}
		if (err == 0 && step == AT_COMMIT) {
			add_counts(s, p, &s->tally);
			result = SINK_OK;
			break;
		}
		if (!try_again(s, p, err, step, attempt, seconds))
			break;
	}
	name_groups_clear(&g);
	s->counts.write_ns += clock_mono_ns() - start;
	return result;
}

static void mysql_close_sink(void *sink)
{
	struct sink_mysql *s = sink;

	if (!s)
		return;
	disconnect(s);
	strbuf_clear(&s->text);
	free(s->tables);
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
	s->run_id = run_id;
	snprintf(s->who, sizeof(s->who), "%s/mysql", p->name);
	link_init(&s->link);
	s->tables = xcalloc(TABLES_MAX, sizeof(*s->tables));
	if (p->sql_table && strlen(p->sql_table) > SQL_TABLE_NAME_MAX) {
		log_error("%s: sql_table: \"%s\": at most 64 characters expected", s->who,
			p->sql_table);
	} else if (!sql_columns_make(&s->columns, p, l, why, sizeof(why))) {
		log_error("%s: %s", s->who, why);
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
			s->who, s->link.why, s->link.err);
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
	log_info("%s: table %s does not exist; sql_table_schema: \"%s\" will make it", s->who, name,
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
		log_error("%s: cannot connect as %s: %s (%u)", s->who, s->link.where, s->link.why,
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
		create_table(s, s->p->sql_table_schema, s->table, 0, NULL) != 0) {
		log_error("%s: %s", s->who, s->link.why);
		rep->problems++;
		return;
	}
	if (!table_get(s, name, rep) && !rep->problems) {
		log_error("%s: table %s: %s (%u)", s->who, name, s->link.why, s->link.err);
		rep->problems++;
	}
}

static void *mysql_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct sink_mysql *s = prepare(p, l, run_id);
	struct mysql_report rep = { s ? s->who : "", 0, false, false };

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
	struct mysql_report rep = { s ? s->who : "", 0, false, false };

	if (!s)
		return 1;
	inspect(s, &rep, true);
	mysql_close_sink(s);
	return rep.problems;
}

static const struct sink_counts *mysql_counts(void *sink)
{
	return &((struct sink_mysql *)sink)->counts;
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
