/*
 * sqlite3_rows.c - rows into one table of the file.  The sums are made here and
 * not in SQL, because SQLite turns an integer that overflows into a float without
 * a word.
 */
#include "nfacctd/sqlite3_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/log.h"

bool sqlite_is_counter(const struct sql_column *c)
{
	return !c->constant &&
		(c->role == SQL_PACKETS || c->role == SQL_BYTES || c->role == SQL_FLOWS ||
			c->role == SQL_TCP_FLAGS);
}

bool sqlite_is_updated(const struct sql_column *c)
{
	return sqlite_is_counter(c) || c->role == SQL_UPDATED;
}

void sqlite_quote_name(struct strbuf *b, const char *name)
{
	strbuf_add(b, "\"");
	for (; *name; name++) {
		if (*name == '"')
			strbuf_add(b, "\"");
		strbuf_addn(b, name, 1);
	}
	strbuf_add(b, "\"");
}

void sqlite_list(struct strbuf *b, const struct sql_columns *s,
	bool (*which)(const struct sql_column *), const char *gap, const char *form)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		if (which && !which(&s->c[i]))
			continue;
		if (any)
			strbuf_add(b, gap);
		if (form[0] != '?')
			sqlite_quote_name(b, s->c[i].name);
		strbuf_add(b, form);
		any = true;
	}
	if (!any)
		strbuf_add(b, "1");
}

static sqlite3_stmt *prepare_text(struct sink_sqlite *s)
{
	sqlite3_stmt *stmt = NULL;

	log_debug("%s: %.400s", s->book.who, s->text.s);
	if (sqlite3_prepare_v3(s->db, s->text.s, (int)s->text.n, SQLITE_PREPARE_PERSISTENT, &stmt,
			       NULL) != SQLITE_OK) {
		sqlite_failed(s, "prepare");
		return NULL;
	}
	return stmt;
}

void sqlite_forget_table(struct sql_table *table)
{
	struct sqlite_table *t = (struct sqlite_table *)table;

	sqlite3_finalize(t->find);
	sqlite3_finalize(t->update);
	sqlite3_finalize(t->insert);
	free(t);
}

static bool prepare_table(struct sink_sqlite *s, struct sqlite_table *t)
{
	const struct sql_columns *c = &s->columns;

	strbuf_reset(&s->text);
	strbuf_add(&s->text, "SELECT rowid,");
	sqlite_list(&s->text, c, sqlite_is_counter, ",", "");
	strbuf_add(&s->text, " FROM ");
	sqlite_quote_name(&s->text, t->table.name);
	strbuf_add(&s->text, " WHERE ");
	sqlite_list(&s->text, c, sql_is_key, " AND ", "=?");
	strbuf_add(&s->text, " LIMIT 1");
	t->find = prepare_text(s);
	strbuf_reset(&s->text);
	strbuf_add(&s->text, "UPDATE ");
	sqlite_quote_name(&s->text, t->table.name);
	strbuf_add(&s->text, " SET ");
	sqlite_list(&s->text, c, sqlite_is_updated, ",", "=?");
	strbuf_add(&s->text, " WHERE rowid=?");
	t->update = t->find ? prepare_text(s) : NULL;
	strbuf_reset(&s->text);
	strbuf_add(&s->text, "INSERT INTO ");
	sqlite_quote_name(&s->text, t->table.name);
	strbuf_add(&s->text, " (");
	sqlite_list(&s->text, c, NULL, ",", "");
	strbuf_add(&s->text, ") VALUES (");
	sqlite_list(&s->text, c, NULL, ",", "?");
	strbuf_add(&s->text, ")");
	t->insert = t->update ? prepare_text(s) : NULL;
	return t->insert != NULL;
}

static struct sqlite_table *table_get(struct sink_sqlite *s, const char *name)
{
	struct sqlite_table *t = (struct sqlite_table *)sql_tables_find(&s->tables, name);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	snprintf(t->table.name, sizeof(t->table.name), "%s", name);
	if (!prepare_table(s, t)) {
		sqlite_forget_table(&t->table);
		return NULL;
	}
	sql_tables_add(&s->tables, &t->table);
	return t;
}

void sqlite_time_text(char *buf, size_t size, const struct sink_sqlite *s, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	buf[0] = '\0';
	if (s->p->timestamps_utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm))
		strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static void bind(const struct sink_sqlite *s, sqlite3_stmt *stmt, int at,
	const struct sql_column *c, const struct purge *p, const struct sum_row *r)
{
	struct sql_cell cell;
	char text[32];

	sql_cell_make(&cell, &s->columns, c, p, r);
	switch (c->kind) {
	case SQL_NUMBER:
		sqlite3_bind_int64(stmt, at, (int64_t)cell.number);
		break;
	case SQL_TEXT:
		sqlite3_bind_text(stmt, at, cell.text, (int)cell.len, SQLITE_TRANSIENT);
		break;
	case SQL_BINARY:
		sqlite3_bind_blob(stmt, at, cell.text, (int)cell.len, SQLITE_TRANSIENT);
		break;
	case SQL_TIME:
		sqlite_time_text(text, sizeof(text), s, cell.number);
		sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
		break;
	}
}

enum row_result { ROW_DONE, ROW_REFUSED, ROW_FAILED };

static enum row_result step(struct sink_sqlite *s, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt), primary = rc & 0xff;

	s->tally.counts.statements++;
	if (rc != SQLITE_DONE)
		sqlite_failed(s, "write");
	sqlite3_reset(stmt);
	if (rc == SQLITE_DONE)
		return ROW_DONE;
	return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG ||
			primary == SQLITE_MISMATCH
		? ROW_REFUSED
		: ROW_FAILED;
}

static uint64_t counter_of(const struct sql_column *c, const struct sum_row *r)
{
	switch (c->role) {
	case SQL_PACKETS: return r->sums.packets;
	case SQL_BYTES: return r->sums.octets;
	case SQL_FLOWS: return r->sums.flows;
	default: return r->sums.tcp_flags;
	}
}

/* Add to the row that `find` stands on; 63 bits is what SQLite holds. */
static enum row_result update_row(struct sink_sqlite *s, struct sqlite_table *t,
				  const struct purge *p, const struct sum_row *r)
{
	int at = 1, from = 1;

	for (size_t i = 0; i < s->columns.n; i++) {
		const struct sql_column *c = &s->columns.c[i];
		uint64_t more, sum;

		if (!sqlite_is_updated(c))
			continue;
		if (c->role == SQL_UPDATED) {
			bind(s, t->update, at++, c, p, r);
			continue;
		}
		more = counter_of(c, r);
		sum = (uint64_t)sqlite3_column_int64(t->find, from++);
		if (c->role == SQL_TCP_FLAGS) {
			sum |= more;
		} else if (sum > INT64_MAX || more > INT64_MAX - sum) {
			snprintf(s->why, sizeof(s->why), "%s would pass 2^63", c->name);
			return ROW_REFUSED;
		} else {
			sum += more;
		}
		sqlite3_bind_int64(t->update, at++, (int64_t)sum);
	}
	sqlite3_bind_int64(t->update, at, sqlite3_column_int64(t->find, 0));
	return step(s, t->update);
}

static enum row_result insert_row(struct sink_sqlite *s, struct sqlite_table *t,
				  const struct purge *p, const struct sum_row *r)
{
	if (r->sums.packets > INT64_MAX || r->sums.octets > INT64_MAX ||
		r->sums.flows > INT64_MAX) {
		snprintf(s->why, sizeof(s->why), "a counter passes 2^63");
		return ROW_REFUSED;
	}
	for (size_t i = 0; i < s->columns.n; i++)
		bind(s, t->insert, (int)i + 1, &s->columns.c[i], p, r);
	return step(s, t->insert);
}

static enum row_result write_row(struct sink_sqlite *s, struct sqlite_table *t,
				  const struct purge *p, const struct sum_row *r)
{
	enum row_result result;
	int at = 1, rc;

	for (size_t i = 0; i < s->columns.n; i++)
		if (sql_is_key(&s->columns.c[i]))
			bind(s, t->find, at++, &s->columns.c[i], p, r);
	rc = sqlite3_step(t->find);
	s->tally.counts.statements++;
	if (rc == SQLITE_ROW) {
		result = update_row(s, t, p, r);
		s->tally.counts.updated += result == ROW_DONE;
	} else if (rc == SQLITE_DONE) {
		result = insert_row(s, t, p, r);
		s->tally.counts.inserted += result == ROW_DONE;
	} else {
		sqlite_failed(s, "look up");
		result = ROW_FAILED;
	}
	sqlite3_reset(t->find);
	return result;
}

int sqlite_write_group(struct sink_sqlite *s, const struct purge *p, const struct name_group *g)
{
	struct sqlite_table *t = g->refused ? NULL : table_get(s, g->name);

	if (g->refused) {
		sql_book_refuse_group(&s->book, &s->tally, &s->columns, g, p);
		return 0;
	}
	if (!t)
		return -1;
	for (size_t i = 0; i < g->n; i++) {
		enum row_result result = write_row(s, t, p, g->rows[i]);

		if (result == ROW_FAILED)
			return -1;
		if (result == ROW_REFUSED)
			sql_book_refuse(&s->book, &s->tally, &s->columns, g->name, p, g->rows[i],
					s->why);
	}
	return 0;
}

int sqlite_write_ledger(struct sink_sqlite *s, const struct purge *p)
{
	static const char sql[] =
		"INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		"purge_packets,purge_octets,stamp) VALUES (?,?,?,?,?,?,?,?,?)";
	const struct purge_mark none = { 0, 0 }, *marks = p->nmarks ? p->marks : &none;
	const struct sums all = sql_purge_sums(p);
	sqlite3_stmt *stmt;
	char now[32];
	int result = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sqlite_failed(s, "flow_ledger");
	sqlite_time_text(now, sizeof(now), s, (uint64_t)p->now);
	for (size_t i = 0; i < (p->nmarks ? p->nmarks : 1) && result == 0; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)(p->run ? p->run : s->book.run_id));
		sqlite3_bind_text(stmt, 2, s->p->name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 3, (int64_t)p->id);
		sqlite3_bind_int64(stmt, 4, marks[i].worker);
		sqlite3_bind_int64(stmt, 5, (int64_t)marks[i].batch);
		sqlite3_bind_int64(stmt, 6, i ? 0 : (int64_t)p->nrows);
		sqlite3_bind_int64(stmt, 7, i ? 0 : (int64_t)all.packets);
		sqlite3_bind_int64(stmt, 8, i ? 0 : (int64_t)all.octets);
		sqlite3_bind_text(stmt, 9, now, -1, SQLITE_STATIC);
		switch (step(s, stmt)) {
		case ROW_DONE: break;
		case ROW_REFUSED: result = 1; break;
		case ROW_FAILED: result = -1; break;
		}
	}
	sqlite3_finalize(stmt);
	return result;
}
