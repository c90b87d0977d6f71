/*
 * pgsql_write.c - the connection, its tables, and rows into one of them as arrays
 * (pgsql_text.h); those that the server refuses for their values are halved until
 * they stand alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "nfacctd/pgsql_sink.h"

enum { BATCH_ROWS = 32768 };	/* a statement */

/* ---- connection and tables ---- */

void pgsql_forget_table(struct sql_table *t)
{
	free(t);
}

void pgsql_disconnect(struct sink_pgsql *s)
{
	sql_tables_clear(&s->tables);
	pg_close(&s->link);
}

int pgsql_stuck(struct sink_pgsql *s, const char *fmt, const char *a, const char *b)
{
	snprintf(s->link.state, sizeof(s->link.state), "F0000");
	snprintf(s->link.why, sizeof(s->link.why), fmt, a, b);
	return -1;
}

int pgsql_connect(struct sink_pgsql *s)
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
		pgsql_disconnect(s);
		return -1;
	}
	if (!s->ledger && !s->was_connected)
		log_info("%s: no table flow_ledger here (%s): a purge that was saved in a file is "
			 "then not known when it is written again; sql/flow_ledger.pgsql makes the "
			 "table", s->book.who, pg_words(&s->link, words, sizeof(words)));
	s->was_connected = true;
	return 0;
}

struct pg_table *pgsql_table_known(struct sink_pgsql *s, const char *name)
{
	return (struct pg_table *)sql_tables_find(&s->tables, name);
}

struct pg_table *pgsql_table_get(struct sink_pgsql *s, const char *name, struct pg_report *rep)
{
	struct pg_table *t = pgsql_table_known(s, name);
	unsigned before = rep->problems;
	int err;

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	err = pg_table_look(t, &s->link, &s->columns, name, s->p, rep);
	if (err == 0 && rep->problems > before)
		err = pgsql_stuck(s, "table %s cannot be written%s", name, "");
	if (err) {
		free(t);
		return NULL;
	}
	sql_tables_add(&s->tables, &t->table);
	return t;
}

int pgsql_create_table(struct sink_pgsql *s, const char *table, int64_t when, const uint8_t *key)
{
	char made[SQL_SCHEMA_BYTES], why[SQL_WHY_BYTES];

	if (!sql_schema_text(made, s->p, s->l, when, key, why))
		return pgsql_stuck(s, "%s%s", why, "");
	if (pg_run(&s->link, made) == 0 || strcmp(s->link.state, "42P07") == 0)	/* already there */
		return 0;
	if (pg_meaning(&s->link) == PG_LOST)
		return -1;
	snprintf(why, sizeof(why), "for table %s: %.300s", table, s->link.why);
	return pgsql_stuck(s, "sql_table_schema: \"%.100s\" %.390s", s->p->sql_table_schema, why);
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
	if (pgsql_create_table(s, g->name, sql_moment(p, g->rows[0]), g->rows[0]->key) != 0)
		return -1;
	s->tables_made += of_rows;
	return 0;
}

int pgsql_ready_tables(struct sink_pgsql *s, struct name_groups *g, const struct purge *p)
{
	struct pg_report rep = { s->book.who, 0, true, sql_book_told_lately(&s->book) };

	for (size_t i = 0; i < g->n; i++) {
		g->group[i].refused = false;
		if (pgsql_table_known(s, g->group[i].name))
			continue;
		if (s->p->sql_table_schema && make_table(s, &g->group[i], p) != 0)
			return -1;
		if (!g->group[i].refused && !pgsql_table_get(s, g->group[i].name, &rep))
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

int pgsql_write_group(struct sink_pgsql *s, const struct purge *p, const struct name_group *g)
{
	struct pg_report rep = { s->book.who, 0, true, true };
	struct pg_table *t;

	if (g->refused) {
		sql_book_refuse_group(&s->book, &s->tally, &s->columns, g, p);
		return 0;
	}
	t = pgsql_table_get(s, g->name, &rep);
	if (!t)
		return -1;
	for (size_t done = 0; done < g->n; done += BATCH_ROWS)
		if (write_range(s, t, p, g->rows + done,
				g->n - done < BATCH_ROWS ? g->n - done : BATCH_ROWS) != 0)
			return -1;
	return 0;
}
