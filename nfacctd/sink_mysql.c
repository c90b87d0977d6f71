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
 * Rows go in arrays where the server takes them, else as multi-row text.  Before
 * each batch stands a SAVEPOINT: what the server refuses for its values is
 * halved until the rows that are to blame stand alone; these are logged and
 * counted, all others get in.  Every other error leaves the purge with the
 * caller, whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/mysql_evidence.h"
#include "nfacctd/mysql_link.h"
#include "nfacctd/salvage.h"
#include "nfacctd/mysql_table.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/name_template.h"
#include "nfacctd/sql_columns.h"

enum {
	BATCH_ROWS = 4096,
	TABLES_MAX = 256,	/* looked at and remembered; the least used one goes */
	WITNESSES = 16,	/* rows tried, should the first have been refused */
	REPLAYS = 5,		/* of a transaction that lost a deadlock, within one write */
	REFUSALS_LOGGED = 200,	/* a purge, in full; more are counted in one line */
	SAY_AGAIN_SECONDS = 60	/* the same trouble */
};

static const char scratch[] = "flowledger_scratch";

struct sink_mysql {
	const struct plugin_settings *p;
	const struct key_layout *l;
	uint64_t run_id;
	char who[96];
	char table[SQL_TABLE_NAME_MAX + 1];	/* template or name */
	struct sql_columns columns;
	struct mysql_link link;
	bool ledger, was_connected;
	struct mysql_table **tables;
	size_t ntables;
	uint64_t clock;			/* of table use */
	/* one row of an array as the server's library wants it */
	struct link_param params[SQL_COLUMNS_MAX];
	size_t nparams, row_size;
	char *rows;
	struct strbuf text;
	struct sink_counts counts, tally;	/* tally: of the attempt that runs, added at COMMIT */
	uint64_t in_doubt;		/* id of the purge whose COMMIT had no answer; 0: none */
	struct sink_counts doubt_tally;
	struct mysql_evidence evidence;	/* for that, where there is no ledger */
	uint64_t told;			/* id of the purge whose refused rows were logged */
	unsigned told_now;
	unsigned trouble;		/* last error that was logged */
	uint64_t trouble_us;
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

/* Row struct of the array path: numbers, and texts with their lengths before them. */
static void lay_out_rows(struct sink_mysql *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->columns.n; i++) {
		const struct sql_column *c = &s->columns.c[i];
		struct link_param *q = &s->params[s->nparams];

		if (c->constant)
			continue;
		q->text = c->kind == SQL_TEXT || c->kind == SQL_BINARY;
		q->binary = c->kind == SQL_BINARY;
		q->length_offset = at;
		at += q->text ? sizeof(unsigned long) : 0;
		q->offset = at;
		at += q->text ? (size_t)PRIM_TEXT_MAX : sizeof(uint64_t);
		s->nparams++;
	}
	s->row_size = at;
}

static void fill_row(const struct sink_mysql *s, const struct sql_columns *columns, char *to,
		     const struct purge *p, const struct sum_row *r)
{
	const struct link_param *q = s->params;
	struct sql_cell cell;

	for (size_t i = 0; i < columns->n; i++) {
		unsigned long len;

		if (columns->c[i].constant)
			continue;
		sql_cell_make(&cell, columns, &columns->c[i], p, r);
		if (q->text) {
			len = cell.len;
			memcpy(to + q->length_offset, &len, sizeof(len));
			memcpy(to + q->offset, cell.text, cell.len);
		} else {
			memcpy(to + q->offset, &cell.number, sizeof(cell.number));
		}
		q++;
	}
}

/* Rows per array: half of what one packet may be, by their largest size. */
static size_t array_rows(const struct sink_mysql *s)
{
	uint64_t n = s->link.packet / 2 / (s->row_size + 16 * (s->nparams + 1));

	return n < 1 ? 1 : n > BATCH_ROWS ? BATCH_ROWS : (size_t)n;
}

static unsigned insert_arrays(struct sink_mysql *s, struct mysql_table *t, const char *into,
			      const struct purge *p, const struct sum_row *const *rows, size_t n,
			      uint64_t *affected)
{
	size_t most = array_rows(s);

	if (!t->stmt) {
		strbuf_reset(&s->text);
		text_insert(&s->text, &t->columns, into);
		text_parameters(&s->text, &t->columns);
		if (t->way == MYSQL_UPSERT)
			text_on_duplicate(&s->text, &t->columns);
		t->stmt = link_prepare(&s->link, s->text.s, s->text.n);
		if (!t->stmt)
			return s->link.err;
	}
	for (size_t done = 0; done < n;) {
		size_t now = n - done < most ? n - done : most;
		uint64_t more = 0;

		for (size_t i = 0; i < now; i++)
			fill_row(s, &t->columns, s->rows + i * s->row_size, p, rows[done + i]);
		s->tally.statements++;
		if (link_execute_rows(&s->link, t->stmt, s->params, s->nparams, s->rows, s->row_size, now,
				      &more) != 0)
			return s->link.err;
		*affected += more;
		done += now;
	}
	return 0;
}

/* As much as half a packet, or sql_multi_values, a statement. */
static unsigned insert_text(struct sink_mysql *s, struct mysql_table *t, const char *into,
			    const struct purge *p, const struct sum_row *const *rows, size_t n,
			    uint64_t *affected)
{
	uint64_t most = s->link.packet / 2, wish = s->p->sql_multi_values;
	size_t i = 0;

	if (wish && wish < most)
		most = wish;
	while (i < n) {
		uint64_t more = 0;

		strbuf_reset(&s->text);
		text_insert(&s->text, &t->columns, into);
		for (size_t first = i; i < n && (i == first || s->text.n < most); i++) {
			if (i > first)
				strbuf_add(&s->text, ",");
			text_row(&s->text, &t->columns, p, rows[i]);
		}
		if (t->way == MYSQL_UPSERT)
			text_on_duplicate(&s->text, &t->columns);
		s->tally.statements++;
		if (link_run(&s->link, s->text.s, s->text.n, &more) != 0)
			return s->link.err;
		*affected += more;
	}
	return 0;
}

static unsigned insert_rows(struct sink_mysql *s, struct mysql_table *t, const char *into,
			    const struct purge *p, const struct sum_row *const *rows, size_t n,
			    uint64_t *affected)
{
	return (s->link.bulk ? insert_arrays : insert_text)(s, t, into, p, rows, n, affected);
}

static unsigned write_upsert(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			     const struct sum_row *const *rows, size_t n)
{
	uint64_t affected = 0, updated;

	if (insert_rows(s, t, t->name, p, rows, n, &affected) != 0)
		return s->link.err;
	updated = affected > n ? affected - n : 0;	/* 1 for a new row, 2 for a changed one */
	if (updated > n)
		updated = n;
	s->tally.updated += updated;
	s->tally.inserted += n - updated;
	return 0;
}

static unsigned write_each(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t affected;

		strbuf_reset(&s->text);
		text_update_row(&s->text, &t->columns, t->name, p, rows[i]);
		s->tally.statements++;
		if (link_run(&s->link, s->text.s, s->text.n, NULL) != 0)
			return s->link.err;
		if (link_matched(&s->link) > 0) {
			s->tally.updated++;
			continue;
		}
		strbuf_reset(&s->text);
		text_insert(&s->text, &t->columns, t->name);
		text_row(&s->text, &t->columns, p, rows[i]);
		s->tally.statements++;
		if (link_run(&s->link, s->text.s, s->text.n, &affected) != 0)
			return s->link.err;
		s->tally.inserted++;
	}
	return 0;
}

static unsigned make_scratch(struct sink_mysql *s, struct mysql_table *t)
{
	unsigned err;

	if (t->stmt)
		mysql_stmt_close(t->stmt);
	t->stmt = NULL;
	if (link_runf(&s->link, "DROP TEMPORARY TABLE IF EXISTS `%s`", scratch) != 0)
		return s->link.err;
	strbuf_reset(&s->text);
	text_create_scratch(&s->text, &t->columns, t->name, scratch);
	err = link_run(&s->link, s->text.s, s->text.n, NULL);
	if (err == 1044 || err == 1142 || err == 1227) {
		log_info("%s: no right to make a temporary table (%s): rows of table %s go in one by one; run: "
			 "GRANT CREATE TEMPORARY TABLES ON that database;", s->who, s->link.why, t->name);
		t->way = MYSQL_EACH;
		err = 0;
	}
	return err;
}

static unsigned run_text(struct sink_mysql *s, uint64_t *affected)
{
	s->tally.statements++;
	return link_run(&s->link, s->text.s, s->text.n, affected);
}

static unsigned count_groups(struct sink_mysql *s, struct mysql_table *t, uint64_t *n)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	strbuf_reset(&s->text);
	text_count_groups(&s->text, &t->columns, scratch);
	res = link_select(&s->link, "%s", s->text.s);
	if (!res)
		return s->link.err;
	row = mysql_fetch_row(res);
	*n = row && row[0] ? strtoull(row[0], NULL, 10) : 0;
	mysql_free_result(res);
	return 0;
}

/*
 * All rows at once.  When the table holds the same key twice, UPDATE .. JOIN
 * would add to both: then each row goes alone, to the first that is found.
 */
static unsigned write_set(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			  const struct sum_row *const *rows, size_t n)
{
	uint64_t affected = 0, groups = 0, matched, inserted = 0;

	if (link_runf(&s->link, "DELETE FROM `%s`", scratch) != 0 ||
	    insert_rows(s, t, scratch, p, rows, n, &affected) != 0 || count_groups(s, t, &groups) != 0)
		return s->link.err;
	strbuf_reset(&s->text);
	text_update_join(&s->text, &t->columns, t->name, scratch);
	if (run_text(s, NULL) != 0)
		return s->link.err;
	matched = link_matched(&s->link);
	strbuf_reset(&s->text);
	text_insert_rest(&s->text, &t->columns, t->name, scratch);
	if (run_text(s, &inserted) != 0)
		return s->link.err;
	if (matched + inserted != groups) {
		if (link_runf(&s->link, "ROLLBACK TO SAVEPOINT batch") != 0)
			return s->link.err;
		return write_each(s, t, p, rows, n);
	}
	s->tally.updated += matched;
	s->tally.inserted += inserted;
	return 0;
}

static unsigned (*const ways[])(struct sink_mysql *, struct mysql_table *, const struct purge *,
				const struct sum_row *const *, size_t) = {
	[MYSQL_UPSERT] = write_upsert, [MYSQL_SET] = write_set, [MYSQL_EACH] = write_each,
};

static void refuse(struct sink_mysql *s, const struct sql_columns *columns, const char *table,
		   const struct purge *p, const struct sum_row *r, unsigned err, const char *why)
{
	char row[1024];

	s->tally.rejected++;
	s->tally.rejected_octets += r->sums.octets;
	s->tally.rejected_packets += r->sums.packets;
	if (s->told == p->id || s->told_now++ >= REFUSALS_LOGGED)
		return;
	sql_row_describe(row, sizeof(row), columns, p, r);
	log_error("%s: table %s refuses a row: %s (%u): %s", s->who, table, why, err, row);
}

/* Write rows[0..n); what the server refuses is halved until it stands alone. */
static unsigned write_range(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			    const struct sum_row *const *rows, size_t n)
{
	struct sink_counts before = s->tally;
	char why[sizeof(s->link.why)];
	unsigned err;

	if (link_runf(&s->link, "SAVEPOINT batch") != 0)
		return s->link.err;
	err = ways[t->way](s, t, p, rows, n);
	if (link_meaning(err) != LINK_REFUSED)
		return err;
	snprintf(why, sizeof(why), "%s", s->link.why);
	s->tally = before;
	if (link_runf(&s->link, "ROLLBACK TO SAVEPOINT batch") != 0)
		return s->link.err;
	if (n == 1) {
		refuse(s, &t->columns, t->name, p, rows[0], err, why);
		return 0;
	}
	err = write_range(s, t, p, rows, n / 2);
	return err ? err : write_range(s, t, p, rows + n / 2, n - n / 2);
}

static unsigned write_table(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			    const struct sum_row *const *rows, size_t n)
{
	/* One pass over a table without an index costs the same for few rows and for many. */
	size_t most = t->way == MYSQL_SET ? (size_t)BATCH_ROWS * 8 : BATCH_ROWS;

	if (t->way == MYSQL_SET && make_scratch(s, t) != 0)
		return s->link.err;
	for (size_t done = 0; done < n; done += most) {
		unsigned err = write_range(s, t, p, rows + done, n - done < most ? n - done : most);

		if (err)
			return err;
	}
	return 0;
}

/* The CREATE TABLE of sql_table_schema for one table name. */
static unsigned create_table(struct sink_mysql *s, const char *path, const char *table, int64_t when,
			     const uint8_t *key)
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
		snprintf(s->link.why, sizeof(s->link.why), "sql_table_schema: \"%.100s\" for table %s: %.300s",
			 path, table, why);
	}
	return s->link.err;
}

static struct mysql_table *table_known(struct sink_mysql *s, const char *name)
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
static struct mysql_table *table_get(struct sink_mysql *s, const char *name, struct mysql_report *rep)
{
	struct mysql_table *t = table_known(s, name);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	if (s->p->sql_check) {
		if (mysql_table_look(t, &s->link, &s->columns, name, s->p, rep) != 0 || rep->problems) {
			if (!s->link.err) {
				s->link.err = 1;
				snprintf(s->link.why, sizeof(s->link.why), "table %s cannot be written", name);
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

/*
 * Look at every table, and make it when sql_table_schema says how: before the
 * transaction, as a CREATE TABLE would end it.
 */
static unsigned ready_tables(struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->who, 0, true, told_lately(s) };

	for (size_t i = 0; i < g->n; i++) {
		const struct sum_row *first = g->group[i].rows[0];

		if (table_known(s, g->group[i].name))
			continue;
		if (s->p->sql_table_schema &&
		    create_table(s, s->p->sql_table_schema, g->group[i].name,
				 first->bin ? first->bin : p->slot ? p->slot : p->deadline, first->key) != 0)
			return s->link.err;
		if (!table_get(s, g->group[i].name, &rep))
			return s->link.err;
	}
	return 0;
}

/* `key` is the line's place in the ledger: a purge that is there already gives 1062. */
static void ledger_text(struct strbuf *b, const struct sink_mysql *s, const struct purge *p)
{
	struct sums all = { 0, 0, 0, 0 };
	const struct purge_mark none = { 0, 0 };
	const struct purge_mark *marks = p->nmarks ? p->marks : &none;

	for (size_t i = 0; i < p->nrows; i++) {
		all.packets += p->rows[i].sums.packets;
		all.octets += p->rows[i].sums.octets;
	}
	strbuf_add(b, "INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,purge_packets,"
		   "purge_octets,stamp) VALUES ");
	for (size_t i = 0; i < (p->nmarks ? p->nmarks : 1); i++) {
		strbuf_addf(b, "%s(%" PRIu64 ",", i ? "," : "", s->run_id);
		link_quote(b, s->p->name, strlen(s->p->name));
		/* The sums stand in the first line only, so that SUM() over the ledger is right. */
		strbuf_addf(b, ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%zu,%" PRIu64 ",%" PRIu64
			    ",FROM_UNIXTIME(%" PRId64 "))", p->id, marks[i].worker, marks[i].batch,
			    i ? 0 : p->nrows, i ? 0 : all.packets, i ? 0 : all.octets, p->now);
	}
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
		log_info("%s: no table flow_ledger here (%s): a purge whose COMMIT has no answer is then looked "
			 "for by one of its rows; sql/flow_ledger.mysql makes the table", s->who, s->link.why);
	s->was_connected = true;
	s->link.err = 0;
	return 0;
}

/* The rows, inside the transaction that is open. */
static unsigned write_groups(struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->who, 0, true, told_lately(s) };

	for (size_t i = 0; i < g->n; i++) {
		struct mysql_table *t = table_get(s, g->group[i].name, &rep);
		unsigned err = t ? write_table(s, t, p, g->group[i].rows, g->group[i].n) : s->link.err;

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
			refuse(s, &s->columns, s->table, p, &p->rows[i], 0,
			       "the name of its table is empty or above 64 characters");
}

enum step { AT_START, AT_ROWS, AT_COMMIT, ALREADY_THERE };

/* The first row that can be a witness, looked at before COMMIT. */
static unsigned take_evidence(struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	struct mysql_report rep = { s->who, 0, true, true };
	struct mysql_table *t;

	s->evidence.have = false;
	if (s->ledger || g->n == 0)
		return 0;
	t = table_get(s, g->group[0].name, &rep);
	for (size_t i = 0; t && i < g->group[0].n && i < WITNESSES && !s->evidence.have; i++)
		if (evidence_take(&s->evidence, &s->link, t, p, g->group[0].rows[i]) != 0)
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
	log_error("%s: the connection broke while purge %" PRIu64 " (%zu rows) was committed, and without a "
		  "table flow_ledger nobody can tell whether it arrived: it is written again and may count "
		  "twice; its stamp_updated is %" PRId64, s->who, p->id, p->nrows, p->now);
	return 0;
}

/* One transaction.  *step says how far it came. */
static unsigned play(struct sink_mysql *s, const struct name_groups *g, const struct purge *p,
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
		ledger_text(&s->text, s, p);
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
		log_error("%s: purge %" PRIu64 ": %" PRIu64 " of %zu rows refused: %" PRIu64 " octets, %" PRIu64
			  " packets are not in the database", s->who, p->id, t->rejected, p->nrows,
			  t->rejected_octets, t->rejected_packets);
	if (s->trouble)
		log_info("%s: writing again", s->who);
	s->trouble = 0;
	s->trouble_us = 0;
	s->in_doubt = 0;
}

/* After a failed attempt: true to try again at once. */
static bool try_again(struct sink_mysql *s, const struct purge *p, unsigned err, enum step step,
		      unsigned attempt)
{
	enum link_meaning meaning = link_meaning(err);
	char why[sizeof(s->link.why)];
	bool idle = meaning == LINK_LOST && step == AT_START && s->link.mysql && attempt == 0;

	s->counts.retries++;
	if (meaning == LINK_LOST) {
		if (step == AT_COMMIT) {
			s->in_doubt = p->id;
			s->doubt_tally = s->tally;
		}
		if (!idle)	/* else the server ended an idle session, which is nothing to tell */
			say(s, p, step == AT_COMMIT ? "connection lost at COMMIT" : "no connection");
		disconnect(s);
		return idle;
	}
	snprintf(why, sizeof(why), "%s", s->link.why);
	if (s->link.mysql && link_runf(&s->link, "ROLLBACK") != 0)
		disconnect(s);
	s->link.err = err;
	snprintf(s->link.why, sizeof(s->link.why), "%s", why);
	if (meaning == LINK_REPLAY && attempt < REPLAYS)
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
	log_warn("%s: flow_ledger has purge %" PRIu64 " of run %" PRIu64 " already; this run is %" PRIu64
		 " from now on", s->who, p->id, old, s->run_id);
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
	for (unsigned attempt = 0;; attempt++) {
		unsigned err = play(s, &g, p, &step);

		if (s->tally.rejected)
			s->told = p->id;
		if (step == ALREADY_THERE && s->in_doubt == p->id) {
			log_info("%s: purge %" PRIu64 " had arrived before the connection broke", s->who, p->id);
			add_counts(s, p, &s->doubt_tally);
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
		if (!try_again(s, p, err, step, attempt))
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
		log_error("%s: sql_table: \"%s\": at most 64 characters expected", s->who, p->sql_table);
	} else if (!sql_columns_make(&s->columns, p, l, why, sizeof(why))) {
		log_error("%s: %s", s->who, why);
	} else {
		if (p->sql_table)
			snprintf(s->table, sizeof(s->table), "%s", p->sql_table);
		else
			sql_default_table(s->table, sizeof(s->table), p->sql_table_version);
		lay_out_rows(s);
		s->rows = xcalloc(BATCH_ROWS, s->row_size ? s->row_size : 1);
		return s;
	}
	mysql_close_sink(s);
	return NULL;
}

/* Connect and look; problems are logged and counted in rep. */
static void inspect(struct sink_mysql *s, struct mysql_report *rep)
{
	if (connect_now(s) != 0) {
		log_error("%s: cannot connect as %s: %s (%u)", s->who, s->link.where, s->link.why, s->link.err);
		rep->problems++;
		return;
	}
	if (name_is_dynamic(s->table) || !s->p->sql_check)
		return;
	if (s->p->sql_table_schema && create_table(s, s->p->sql_table_schema, s->table, 0, NULL) != 0) {
		log_error("%s: %s", s->who, s->link.why);
		rep->problems++;
		return;
	}
	if (!table_get(s, s->table, rep) && !rep->problems) {
		log_error("%s: table %s: %s (%u)", s->who, s->table, s->link.why, s->link.err);
		rep->problems++;
	}
}

static void *mysql_open(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct sink_mysql *s = prepare(p, l, run_id);
	struct mysql_report rep = { s ? s->who : "", 0, false, false };

	if (!s)
		return NULL;
	inspect(s, &rep);
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
	inspect(s, &rep);
	mysql_close_sink(s);
	return rep.problems;
}

static const struct sink_counts *mysql_counts(void *sink)
{
	return &((struct sink_mysql *)sink)->counts;
}

/* One row as statements that are right whatever keys its table has. */
static void salvage_row(struct strbuf *b, struct sink_mysql *s, const struct purge *p,
			const char *name, const struct sum_row *r)
{
	const struct mysql_table *t = table_known(s, name);
	const struct sql_columns *c = t ? &t->columns : &s->columns;

	if (t && t->way == MYSQL_UPSERT) {
		text_insert(b, c, name);
		text_row(b, c, p, r);
		text_on_duplicate(b, c);
	} else {
		text_update_row(b, c, name, p, r);
		strbuf_add(b, ";\n");
		text_insert_unfound(b, c, name, p, r);
	}
	strbuf_add(b, ";\n");
}

static void salvage_head(struct strbuf *b, struct sink_mysql *s, const struct purge *p)
{
	strbuf_addf(b, "-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64 ", %zu rows; not written "
		    "when nfacctd ended\n-- replay: mariadb -u %s -p %s < this file; stops without effect when "
		    "the purge is there already\n", p->id, s->p->name, s->run_id, p->nrows,
		    s->p->sql_user ? s->p->sql_user : "pmacct", s->p->sql_db ? s->p->sql_db : "pmacct");
	strbuf_add(b, "SET NAMES utf8mb4;\nSET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';\n");
	if (s->p->timestamps_utc)
		strbuf_add(b, "SET SESSION time_zone='+00:00';\n");
	strbuf_add(b, "START TRANSACTION;\n");
	if (s->in_doubt == p->id && !s->ledger)
		strbuf_add(b, "-- ITS COMMIT HAD NO ANSWER: look first whether these rows are in\n");
	if (!s->ledger)
		strbuf_add(b, "-- no table flow_ledger was there: replay this file once only\n-- ");
	ledger_text(b, s, p);
	strbuf_add(b, ";\n");
}

static int salvage_rows(FILE *f, struct sink_mysql *s, const struct name_groups *g, const struct purge *p)
{
	strbuf_reset(&s->text);
	salvage_head(&s->text, s, p);
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < g->group[i].n; j++) {
			salvage_row(&s->text, s, p, g->group[i].name, g->group[i].rows[j]);
			if (fwrite(s->text.s, 1, s->text.n, f) != s->text.n)
				return -1;
			strbuf_reset(&s->text);
		}
	strbuf_add(&s->text, "COMMIT;\n");
	return fwrite(s->text.s, 1, s->text.n, f) == s->text.n ? 0 : -1;
}

static int mysql_salvage(void *sink, const struct purge *p)
{
	struct sink_mysql *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      p->slot ? p->slot : p->deadline, p->rows, p->nrows))
		return -1;
	if (s->in_doubt == p->id && !s->ledger) {
		s->counts.ambiguous++;
		log_error("%s: the connection broke while purge %" PRIu64 " was committed: look whether it is in "
			  "before it is replayed", s->who, p->id);
	}
	err = salvage_open(&file, s->p, s->run_id, p->id, "sql");
	if (err == 0) {
		err = salvage_rows(file.f, s, &g, p);
		err = salvage_close(&file, err);
	}
	if (err == 0)
		log_warn("%s: purge %" PRIu64 " (%zu rows) is saved in %s; replay it with: mariadb -u %s -p %s < %s",
			 s->who, p->id, p->nrows, file.path, s->p->sql_user ? s->p->sql_user : "pmacct",
			 s->p->sql_db ? s->p->sql_db : "pmacct", file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s", s->who, p->id,
				p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}

const struct sink sink_mysql = {
	.type = "mysql",
	.open = mysql_open,
	.check = mysql_check,
	.write = mysql_write,
	.salvage = mysql_salvage,
	.counts = mysql_counts,
	.close = mysql_close_sink,
};
