/*
 * mysql_write.c - rows into one table, in the way that its keys ask for.
 *
 * Before each batch stands a SAVEPOINT: what the server refuses for its values
 * is halved until the rows that are to blame stand alone.
 *
 * What was tried for rows that are there already (stock v9 table, 100 k rows,
 * MariaDB 10.11; the server's CPU, us a row): an array with ON DUPLICATE KEY UPDATE
 * 16 to 18, whether of 500, 4096 or 16000 rows, REPEATABLE READ or READ COMMITTED,
 * times as FROM_UNIXTIME(?) or as numbers, in the order of our keys or of their
 * texts; in no order 20 to 23.  Through a temporary table and INSERT .. SELECT 19
 * (Aria) or 21 (InnoDB), by UPDATE .. JOIN 24 or 28, by an array of UPDATEs 57.
 * A connection in the table's character set (latin1) 16 to 18, one connection as
 * two.  perf: a third is the INSERT that fails, a third finding the row again, a
 * sixth the update, an eighth parameters and columns; no statement spares the
 * second search.  What an operator can change stands in sql/README: the adaptive
 * hash index 15 -> 12.5, a primary key that begins with what differs 15 -> 11.5.
 * tests/bench/bench_rows.c is the bare loop, and no faster.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/mysql_text.h"

static const char scratch[] = "flowledger_scratch";

/* A row as parameters: numbers, and texts with their lengths before them. */
void mysql_lay_out_rows(struct sink_mysql *s)
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
		at += q->text ? sql_text_most(c) : sizeof(uint64_t);
		s->nparams++;
	}
	s->row_size = at;
}

static void fill_row(const struct mysql_writer *w, const struct sql_columns *columns, char *to,
		     const struct purge *p, const struct sum_row *r)
{
	const struct link_param *q = w->s->params;
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

/* Rows of `row` bytes that a statement of so many may have, at most. */
static size_t rows_within(uint64_t bytes, size_t row, size_t most)
{
	uint64_t n = bytes / row;

	return n < 1 ? 1 : n > most ? most : (size_t)n;
}

/* A row's parameters in a packet, by their largest size. */
static size_t packed_row(const struct mysql_writer *w)
{
	return w->s->row_size + 16 * (w->s->nparams + 1);
}

/* A statement is half a packet at most, or sql_multi_values. */
static uint64_t most_bytes(const struct mysql_writer *w)
{
	uint64_t most = w->link.packet / 2, wish = w->s->p->sql_multi_values;

	return wish && wish < most ? wish : most;
}

/* w->text: an INSERT with the parameters of n rows. */
static void write_insert(struct mysql_writer *w, const struct mysql_table *t, const char *into,
			 size_t n)
{
	strbuf_reset(&w->text);
	text_insert(&w->text, &t->columns, into);
	for (size_t i = 0; i < n; i++) {
		strbuf_add(&w->text, i ? "," : "");
		text_parameters(&w->text, &t->columns);
	}
	if (t->way == MYSQL_UPSERT)
		text_on_duplicate(&w->text, &t->columns);
}

static void fill_rows(struct mysql_writer *w, const struct mysql_table *t, const struct purge *p,
		      const struct sum_row *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fill_row(w, &t->columns, w->rows + i * w->s->row_size, p, rows[i]);
}

static unsigned insert_arrays(struct mysql_writer *w, struct mysql_table *t,
			      const struct purge *p, const struct sum_row *const *rows, size_t n,
			      uint64_t *affected)
{
	size_t most = rows_within(w->link.packet / 2, packed_row(w), MYSQL_BATCH_ROWS);

	for (size_t done = 0; done < n;) {
		size_t now = n - done < most ? n - done : most;
		uint64_t more = 0;

		fill_rows(w, t, p, rows + done, now);
		w->tally.counts.statements++;
		if (link_execute_rows(&w->link, t->stmt, w->s->params, w->s->nparams, w->rows,
			    w->s->row_size, now, &more) != 0)
			return w->link.err;
		*affected += more;
		done += now;
	}
	return 0;
}

static unsigned insert_text(struct mysql_writer *w, struct mysql_table *t, const char *into,
			    const struct purge *p, const struct sum_row *const *rows, size_t n,
			    uint64_t *affected)
{
	uint64_t most = most_bytes(w);
	size_t i = 0;

	while (i < n) {
		uint64_t more = 0;

		strbuf_reset(&w->text);
		text_insert(&w->text, &t->columns, into);
		for (size_t first = i; i < n && (i == first || w->text.n < most); i++) {
			if (i > first)
				strbuf_add(&w->text, ",");
			text_row(&w->text, &t->columns, p, rows[i]);
		}
		if (t->way == MYSQL_UPSERT)
			text_on_duplicate(&w->text, &t->columns);
		w->tally.counts.statements++;
		if (link_run(&w->link, w->text.s, w->text.n, &more) != 0)
			return w->link.err;
		*affected += more;
	}
	return 0;
}

/* Rows of the statement that is prepared where the server takes no arrays. */
static size_t block_rows(const struct mysql_writer *w, const struct mysql_table *t)
{
	struct strbuf one = { NULL, 0, 0 };
	size_t row = packed_row(w);

	text_parameters(&one, &t->columns);
	row = one.n > row ? one.n : row;
	strbuf_clear(&one);
	return rows_within(most_bytes(w), row, MYSQL_BLOCK_ROWS);
}

/*
 * The server parses a statement of many rows once, and is then given values only;
 * the rest goes as text.
 */
static unsigned insert_blocks(struct mysql_writer *w, struct mysql_table *t, const char *into,
			      const struct purge *p, const struct sum_row *const *rows, size_t n,
			      uint64_t *affected)
{
	size_t block = block_rows(w, t), done = 0;

	for (; n - done >= block; done += block) {
		uint64_t more = 0;

		fill_rows(w, t, p, rows + done, block);
		w->tally.counts.statements++;
		if (link_execute(&w->link, t->stmt, &more) != 0)
			return w->link.err;
		*affected += more;
	}
	return insert_text(w, t, into, p, rows + done, n - done, affected);
}

/* t->stmt, or NULL when the server has no room for it. */
static MYSQL_STMT *prepare_insert(struct mysql_writer *w, struct mysql_table *t, const char *into,
				  size_t nrows)
{
	write_insert(w, t, into, nrows);
	t->stmt = link_prepare(&w->link, w->text.s, w->text.n);
	if (t->stmt && !w->link.bulk &&
	    link_bind_rows(&w->link, t->stmt, w->s->params, w->s->nparams, w->rows, w->s->row_size,
			   nrows) != 0) {
		mysql_stmt_close(t->stmt);
		t->stmt = NULL;
	}
	return t->stmt;
}

static unsigned insert_rows(struct mysql_writer *w, struct mysql_table *t, const char *into,
			    const struct purge *p, const struct sum_row *const *rows, size_t n,
			    uint64_t *affected)
{
	size_t block = w->link.bulk ? 1 : block_rows(w, t);

	if (!w->link.bulk && (block < MYSQL_BLOCK_LEAST || n < block))
		return insert_text(w, t, into, p, rows, n, affected);
	if (!t->stmt && !prepare_insert(w, t, into, block))
		return link_meaning(w->link.err) == LINK_LOST ? w->link.err :
			insert_text(w, t, into, p, rows, n, affected);
	if (w->link.bulk)
		return insert_arrays(w, t, p, rows, n, affected);
	return insert_blocks(w, t, into, p, rows, n, affected);
}

static unsigned write_upsert(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			     const struct sum_row *const *rows, size_t n)
{
	uint64_t affected = 0, updated;

	if (insert_rows(w, t, t->table.name, p, rows, n, &affected) != 0)
		return w->link.err;
	updated = affected > n ? affected - n : 0;	/* 1 for a new row, 2 for a changed one */
	if (updated > n)
		updated = n;
	w->tally.counts.updated += updated;
	w->tally.counts.inserted += n - updated;
	return 0;
}

static unsigned write_each(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t affected;

		strbuf_reset(&w->text);
		text_update_row(&w->text, &t->columns, t->table.name, p, rows[i]);
		w->tally.counts.statements++;
		if (link_run(&w->link, w->text.s, w->text.n, NULL) != 0)
			return w->link.err;
		if (link_matched(&w->link) > 0) {
			w->tally.counts.updated++;
			continue;
		}
		strbuf_reset(&w->text);
		text_insert(&w->text, &t->columns, t->table.name);
		text_row(&w->text, &t->columns, p, rows[i]);
		w->tally.counts.statements++;
		if (link_run(&w->link, w->text.s, w->text.n, &affected) != 0)
			return w->link.err;
		w->tally.counts.inserted++;
	}
	return 0;
}

/* No right to a temporary table; MySQL's GTIDs, or its sql_require_primary_key, forbid this one. */
static bool scratch_forbidden(unsigned err)
{
	static const unsigned codes[] = { 1044, 1142, 1227, 1786, 1787, 3750 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == err)
			return true;
	return false;
}

static unsigned make_scratch(struct mysql_writer *w, struct mysql_table *t)
{
	unsigned err;

	if (t->stmt)
		mysql_stmt_close(t->stmt);
	t->stmt = NULL;
	if (link_runf(&w->link, "DROP TEMPORARY TABLE IF EXISTS `%s`", scratch) != 0)
		return w->link.err;
	strbuf_reset(&w->text);
	text_create_scratch(&w->text, &t->columns, t->table.name, scratch);
	err = link_run(&w->link, w->text.s, w->text.n, NULL);
	if (scratch_forbidden(err)) {
		log_info("%s: no temporary table can be made (%s): rows of table %s go in one by "
			 "one; run: GRANT CREATE TEMPORARY TABLES ON that database, or give the "
			 "table a unique key over the written key columns;",
			w->s->book.who, w->link.why, t->table.name);
		t->way = MYSQL_EACH;
		err = 0;
	}
	return err;
}

static unsigned run_text(struct mysql_writer *w, uint64_t *affected)
{
	w->tally.counts.statements++;
	return link_run(&w->link, w->text.s, w->text.n, affected);
}

static unsigned count_groups(struct mysql_writer *w, struct mysql_table *t, uint64_t *n)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	strbuf_reset(&w->text);
	text_count_groups(&w->text, &t->columns, scratch);
	res = link_select(&w->link, "%s", w->text.s);
	if (!res)
		return w->link.err;
	row = mysql_fetch_row(res);
	*n = row && row[0] ? strtoull(row[0], NULL, 10) : 0;
	mysql_free_result(res);
	return 0;
}

/*
 * All rows at once.  When the table holds the same key twice, UPDATE .. JOIN
 * would add to both: then each row goes alone, to the first that is found.
 */
static unsigned write_set(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			  const struct sum_row *const *rows, size_t n)
{
	uint64_t affected = 0, groups = 0, matched, inserted = 0;

	if (link_runf(&w->link, "DELETE FROM `%s`", scratch) != 0 ||
		insert_rows(w, t, scratch, p, rows, n, &affected) != 0 ||
		count_groups(w, t, &groups) != 0)
		return w->link.err;
	strbuf_reset(&w->text);
	text_update_join(&w->text, &t->columns, t->table.name, scratch);
	if (run_text(w, NULL) != 0)
		return w->link.err;
	matched = link_matched(&w->link);
	strbuf_reset(&w->text);
	text_insert_rest(&w->text, &t->columns, t->table.name, scratch);
	if (run_text(w, &inserted) != 0)
		return w->link.err;
	if (matched + inserted != groups) {
		if (link_runf(&w->link, "ROLLBACK TO SAVEPOINT batch") != 0)
			return w->link.err;
		return write_each(w, t, p, rows, n);
	}
	w->tally.counts.updated += matched;
	w->tally.counts.inserted += inserted;
	return 0;
}

static unsigned (*const ways[])(struct mysql_writer *, struct mysql_table *, const struct purge *,
				const struct sum_row *const *, size_t) = {
	[MYSQL_UPSERT] = write_upsert, [MYSQL_SET] = write_set, [MYSQL_EACH] = write_each,
};

/* Write rows[0..n); what the server refuses is halved until it stands alone. */
static unsigned write_range(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			    const struct sum_row *const *rows, size_t n)
{
	struct sink_counts before = w->tally.counts;
	char words[LINK_WORDS];
	unsigned err;

	if (link_runf(&w->link, "SAVEPOINT batch") != 0)
		return w->link.err;
	err = ways[t->way](w, t, p, rows, n);
	if (link_meaning(err) != LINK_REFUSED)
		return err;
	link_words(&w->link, words);
	w->tally.counts = before;
	if (link_runf(&w->link, "ROLLBACK TO SAVEPOINT batch") != 0)
		return w->link.err;
	if (n == 1) {
		sql_book_refuse(&w->s->book, &w->tally, &t->columns, t->table.name, p, rows[0],
				words);
		return 0;
	}
	err = write_range(w, t, p, rows, n / 2);
	return err ? err : write_range(w, t, p, rows + n / 2, n - n / 2);
}

unsigned mysql_write_table(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n)
{
	/* One pass over a table without an index costs the same for few rows and for many. */
	size_t most = t->way == MYSQL_SET ? (size_t)MYSQL_BATCH_ROWS * 8 : MYSQL_BATCH_ROWS;

	if (t->way == MYSQL_SET && make_scratch(w, t) != 0)
		return w->link.err;
	for (size_t done = 0; done < n; done += most) {
		unsigned err = write_range(w, t, p, rows + done, n - done < most ? n - done : most);

		if (err)
			return err;
	}
	return 0;
}
