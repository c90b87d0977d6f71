/*
 * sink_sqlite3.c - sums into an SQLite 3 file (sql_db), with the tables of the
 * mysql sink.  Creates no file and, without sql_table_schema, no table.
 *
 * A row is looked up by its key columns and then added to or inserted, which is
 * right whatever keys the table has; the sums are made here and not in SQL,
 * because SQLite turns an integer that overflows into a float without a word.
 * One transaction a purge, with its line in flow_ledger when that table exists.
 */
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/name_template.h"
#include "nfacctd/salvage.h"
#include "nfacctd/sql_columns.h"

enum {
	TABLES_MAX = 64,
	BUSY_MS = 10000,
	REFUSALS_LOGGED = 200,
	SAY_AGAIN_SECONDS = 60,
	WHY_BYTES = 512
};

struct table {
	char name[SQL_TABLE_NAME_MAX + 1];
	uint64_t used;
	sqlite3_stmt *find, *update, *insert;
};

struct sink_sqlite {
	const struct plugin_settings *p;
	const struct key_layout *l;
	uint64_t run_id;
	char who[96];
	const char *path;
	char table[SQL_TABLE_NAME_MAX + 1];
	struct sql_columns columns;
	sqlite3 *db;
	bool ledger;
	struct table *tables[TABLES_MAX];
	size_t ntables;
	uint64_t clock;
	struct strbuf text;
	struct sink_counts counts, tally;
	uint64_t in_doubt;	/* id of the purge whose COMMIT failed; 0: none */
	uint64_t told;		/* id of the purge whose refused rows were logged */
	unsigned told_now;
	char why[WHY_BYTES];
	char trouble[WHY_BYTES];	/* what was told last */
	uint32_t tables_made;	/* by sql_table_schema, for names with variables of rows */
	uint64_t trouble_us;
};

static bool is_key(const struct sql_column *c)
{
	return c->role == SQL_KEY || c->role == SQL_INSERTED;
}

static bool is_counter(const struct sql_column *c)
{
	return !c->constant &&
		(c->role == SQL_PACKETS || c->role == SQL_BYTES || c->role == SQL_FLOWS ||
			c->role == SQL_TCP_FLAGS);
}

static bool is_updated(const struct sql_column *c)
{
	return is_counter(c) || c->role == SQL_UPDATED;
}

static int failed(struct sink_sqlite *s, const char *doing)
{
	snprintf(s->why, sizeof(s->why), "%s: %s", doing, sqlite3_errmsg(s->db));
	return -1;
}

static int run(struct sink_sqlite *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(s, sql);
}

static void quote_name(struct strbuf *b, const char *name)
{
	strbuf_add(b, "\"");
	for (; *name; name++) {
		if (*name == '"')
			strbuf_add(b, "\"");
		strbuf_addn(b, name, 1);
	}
	strbuf_add(b, "\"");
}

static void list(struct strbuf *b, const struct sql_columns *s,
	bool (*which)(const struct sql_column *), const char *gap, const char *form)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		if (which && !which(&s->c[i]))
			continue;
		if (any)
			strbuf_add(b, gap);
		if (form[0] != '?')
			quote_name(b, s->c[i].name);
		strbuf_add(b, form);
		any = true;
	}
	if (!any)
		strbuf_add(b, "1");
}

static sqlite3_stmt *prepare_text(struct sink_sqlite *s)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v3(s->db, s->text.s, (int)s->text.n, SQLITE_PREPARE_PERSISTENT, &stmt,
			       NULL) != SQLITE_OK) {
		failed(s, "prepare");
		return NULL;
	}
	return stmt;
}

static void forget(struct table *t)
{
	sqlite3_finalize(t->find);
	sqlite3_finalize(t->update);
	sqlite3_finalize(t->insert);
	free(t);
}

static bool prepare_table(struct sink_sqlite *s, struct table *t)
{
	const struct sql_columns *c = &s->columns;

	strbuf_reset(&s->text);
	strbuf_add(&s->text, "SELECT rowid,");
	list(&s->text, c, is_counter, ",", "");
	strbuf_add(&s->text, " FROM ");
	quote_name(&s->text, t->name);
	strbuf_add(&s->text, " WHERE ");
	list(&s->text, c, is_key, " AND ", "=?");
	strbuf_add(&s->text, " LIMIT 1");
	t->find = prepare_text(s);
	strbuf_reset(&s->text);
	strbuf_add(&s->text, "UPDATE ");
	quote_name(&s->text, t->name);
	strbuf_add(&s->text, " SET ");
	list(&s->text, c, is_updated, ",", "=?");
	strbuf_add(&s->text, " WHERE rowid=?");
	t->update = t->find ? prepare_text(s) : NULL;
	strbuf_reset(&s->text);
	strbuf_add(&s->text, "INSERT INTO ");
	quote_name(&s->text, t->name);
	strbuf_add(&s->text, " (");
	list(&s->text, c, NULL, ",", "");
	strbuf_add(&s->text, ") VALUES (");
	list(&s->text, c, NULL, ",", "?");
	strbuf_add(&s->text, ")");
	t->insert = t->update ? prepare_text(s) : NULL;
	return t->insert != NULL;
}

static struct table *table_get(struct sink_sqlite *s, const char *name)
{
	size_t oldest = 0;
	struct table *t;

	for (size_t i = 0; i < s->ntables; i++) {
		if (strcmp(s->tables[i]->name, name) == 0) {
			s->tables[i]->used = ++s->clock;
			return s->tables[i];
		}
		if (s->tables[i]->used < s->tables[oldest]->used)
			oldest = i;
	}
	t = xcalloc(1, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->used = ++s->clock;
	if (!prepare_table(s, t)) {
		forget(t);
		return NULL;
	}
	if (s->ntables < TABLES_MAX) {
		s->tables[s->ntables++] = t;
	} else {
		forget(s->tables[oldest]);
		s->tables[oldest] = t;
	}
	return t;
}

static void time_text(char *buf, size_t size, const struct sink_sqlite *s, uint64_t seconds)
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
		time_text(text, sizeof(text), s, cell.number);
		sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
		break;
	}
}

enum row_result { ROW_DONE, ROW_REFUSED, ROW_FAILED };

static enum row_result step(struct sink_sqlite *s, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt), primary = rc & 0xff;

	s->tally.statements++;
	if (rc != SQLITE_DONE)
		failed(s, "write");
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
static enum row_result update_row(struct sink_sqlite *s, struct table *t, const struct purge *p,
				  const struct sum_row *r)
{
	int at = 1, from = 1;

	for (size_t i = 0; i < s->columns.n; i++) {
		const struct sql_column *c = &s->columns.c[i];
		uint64_t more, sum;

		if (!is_updated(c))
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

static enum row_result insert_row(struct sink_sqlite *s, struct table *t, const struct purge *p,
				  const struct sum_row *r)
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

static enum row_result write_row(struct sink_sqlite *s, struct table *t, const struct purge *p,
				 const struct sum_row *r)
{
	enum row_result result;
	int at = 1, rc;

	for (size_t i = 0; i < s->columns.n; i++)
		if (is_key(&s->columns.c[i]))
			bind(s, t->find, at++, &s->columns.c[i], p, r);
	rc = sqlite3_step(t->find);
	s->tally.statements++;
	if (rc == SQLITE_ROW) {
		result = update_row(s, t, p, r);
		s->tally.updated += result == ROW_DONE;
	} else if (rc == SQLITE_DONE) {
		result = insert_row(s, t, p, r);
		s->tally.inserted += result == ROW_DONE;
	} else {
		failed(s, "look up");
		result = ROW_FAILED;
	}
	sqlite3_reset(t->find);
	return result;
}

static void refuse(struct sink_sqlite *s, const char *table, const struct purge *p,
		   const struct sum_row *r)
{
	char row[1024];

	s->tally.rejected++;
	s->tally.rejected_octets += r->sums.octets;
	s->tally.rejected_packets += r->sums.packets;
	if (s->told == p->id || s->told_now++ >= REFUSALS_LOGGED)
		return;
	sql_row_describe(row, sizeof(row), &s->columns, p, r);
	log_error("%s: table %s refuses a row: %s: %s", s->who, table, s->why, row);
}

/* The CREATE TABLE of sql_table_schema, of which "already exists" is no error. */
static int create_table(struct sink_sqlite *s, int64_t when, const uint8_t *key)
{
	char text[65536], made[65536];
	FILE *f = fopen(s->p->sql_table_schema, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	if (n == 0 || !name_expand(made, sizeof(made), text, s->p, s->l, when, key)) {
		snprintf(s->why, sizeof(s->why),
			"sql_table_schema: \"%s\" cannot be read, is empty or above 64 kB",
			s->p->sql_table_schema);
		return -1;
	}
	if (run(s, made) != 0 && !strstr(sqlite3_errmsg(s->db), "already exists")) {
		snprintf(s->why, sizeof(s->why), "sql_table_schema: \"%s\": %s",
			s->p->sql_table_schema, sqlite3_errmsg(s->db));
		return -1;
	}
	return 0;
}

/*
 * The table of a group, made when sql_table_schema says how.  Names that vary by
 * row are in strangers' hands, so not more than sql_tables_max of them are made.
 */
static int make_table(struct sink_sqlite *s, const struct purge *p, struct name_group *g)
{
	const struct sum_row *first = g->rows[0];
	bool of_rows = strchr(s->table, '$') != NULL;
	bool exists = sqlite3_table_column_metadata(s->db, NULL, g->name, NULL, NULL, NULL, NULL,
						    NULL, NULL) == SQLITE_OK;

	g->refused = of_rows && !exists && s->tables_made >= s->p->sql_tables_max;
	if (g->refused || exists)
		return 0;
	if (create_table(s, first->bin ? first->bin : p->slot ? p->slot : p->deadline,
			 first->key) != 0)
		return -1;
	s->tables_made += of_rows;
	return 0;
}

static int write_group(struct sink_sqlite *s, const struct purge *p, const struct name_group *g)
{
	struct table *t = g->refused ? NULL : table_get(s, g->name);

	if (g->refused)
		snprintf(s->why, sizeof(s->why),
			"sql_tables_max is reached: no more tables are made in this run");
	for (size_t i = 0; g->refused && i < g->n; i++)
		refuse(s, g->name, p, g->rows[i]);
	if (g->refused)
		return 0;
	if (!t)
		return -1;
	for (size_t i = 0; i < g->n; i++) {
		enum row_result result = write_row(s, t, p, g->rows[i]);

		if (result == ROW_FAILED)
			return -1;
		if (result == ROW_REFUSED)
			refuse(s, g->name, p, g->rows[i]);
	}
	return 0;
}

/* The ledger's lines; 1 when this purge is there already. */
static int write_ledger(struct sink_sqlite *s, const struct purge *p)
{
	static const char sql[] =
		"INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		"purge_packets,purge_octets,stamp) VALUES (?,?,?,?,?,?,?,?,?)";
	const struct purge_mark none = { 0, 0 }, *marks = p->nmarks ? p->marks : &none;
	struct sums all = { 0, 0, 0, 0 };
	sqlite3_stmt *stmt;
	char now[32];
	int result = 0;

	for (size_t i = 0; i < p->nrows; i++) {
		all.packets += p->rows[i].sums.packets;
		all.octets += p->rows[i].sums.octets;
	}
	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return failed(s, "flow_ledger");
	time_text(now, sizeof(now), s, (uint64_t)p->now);
	for (size_t i = 0; i < (p->nmarks ? p->nmarks : 1) && result == 0; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)(p->run ? p->run : s->run_id));
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

/* One transaction: 0 done, 1 was done before, -1 with s->why. */
static int play(struct sink_sqlite *s, const struct purge *p, struct name_groups *g)
{
	int known;

	memset(&s->tally, 0, sizeof(s->tally));
	s->told_now = 0;
	for (size_t i = 0; s->p->sql_table_schema && i < g->n; i++)
		if (make_table(s, p, &g->group[i]) != 0)
			return -1;
	if (run(s, "BEGIN IMMEDIATE") != 0)
		return -1;
	known = s->ledger ? write_ledger(s, p) : 0;
	if (known != 0)
		return known;
	for (size_t i = 0; i < g->n; i++)
		if (write_group(s, p, &g->group[i]) != 0)
			return -1;
	for (size_t i = 0; g->unnamed && i < p->nrows; i++) {
		char name[SQL_TABLE_NAME_MAX + 1];

		if (!name_expand(name, sizeof(name), s->table, s->p, s->l,
			    p->rows[i].bin    ? p->rows[i].bin
				    : p->slot ? p->slot
					      : p->deadline,
			    p->rows[i].key)) {
			snprintf(s->why, sizeof(s->why),
				"the name of its table is empty or too long");
			refuse(s, s->table, p, &p->rows[i]);
		}
	}
	s->in_doubt = p->id;
	if (run(s, "COMMIT") != 0)
		return -1;
	s->in_doubt = 0;
	return 0;
}

/* Our line stands in the ledger although we never sent it: somebody else has this run's number. */
static void new_run_id(struct sink_sqlite *s, const struct purge *p)
{
	uint64_t old = s->run_id;

	if (getrandom(&s->run_id, sizeof(s->run_id), 0) != (ssize_t)sizeof(s->run_id))
		s->run_id = old + clock_mono_ns();
	log_warn("%s: flow_ledger has purge %" PRIu64 " of run %" PRIu64
		 " already; this run is %" PRIu64 " from now on",
		s->who, p->id, old, s->run_id);
}

static void say(struct sink_sqlite *s, const struct purge *p)
{
	if (strcmp(s->trouble, s->why) != 0)
		s->trouble_us = 0;
	memcpy(s->trouble, s->why, sizeof(s->trouble));
	if (log_allow(
		    &s->trouble_us, clock_mono_ns() / 1000, SAY_AGAIN_SECONDS * UINT64_C(1000000)))
		log_warn("%s: \"%s\": %s; %zu rows are kept and tried again", s->who, s->path,
			s->why, p->nrows);
}

static void count(struct sink_sqlite *s, const struct purge *p)
{
	struct sink_counts *c = &s->counts, *t = &s->tally;

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
	if (s->trouble[0])
		log_info("%s: writing again", s->who);
	s->trouble[0] = '\0';
}

static enum sink_result sqlite_write(void *sink, const struct purge *p)
{
	struct sink_sqlite *s = sink;
	uint64_t start = clock_mono_ns();
	struct name_groups g;
	int done;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      p->slot ? p->slot : p->deadline, p->rows, p->nrows)) {
		log_warn("%s: no memory for a purge of %zu rows; they are kept", s->who, p->nrows);
		return SINK_RETRY;
	}
	do {
		done = play(s, p, &g);
		if (s->tally.rejected)
			s->told = p->id;
		if (done != 0 && !sqlite3_get_autocommit(s->db))
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		if (done == 1 && (s->in_doubt == p->id || p->replayed))
			break;
		if (done == 1)
			new_run_id(s, p);
	} while (done == 1);
	if (done == 1 && p->replayed)
		log_info("%s: purge %" PRIu64 " is in the database already", s->who, p->id);
	if (done >= 0) {
		count(s, p);
	} else {
		s->counts.retries++;
		say(s, p);
	}
	name_groups_clear(&g);
	s->counts.write_ns += clock_mono_ns() - start;
	return done >= 0 ? SINK_OK : SINK_RETRY;
}

/* The ALTERs for what a table lacks; the number of problems. */
static unsigned check_columns(struct sink_sqlite *s, const char *table)
{
	struct strbuf missing = { NULL, 0, 0 };
	bool found[SQL_COLUMNS_MAX] = { false };
	unsigned problems = 0, n = 0;
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(s->db,
		    "SELECT name,\"notnull\",dflt_value IS NULL,pk FROM pragma_table_info(?)", -1,
		    &stmt, NULL) != SQLITE_OK)
		return failed(s, "table_info"), log_error("%s: %s", s->who, s->why), 1;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		bool ours = false;

		for (size_t i = 0; i < s->columns.n; i++)
			if (strcasecmp(name, s->columns.c[i].name) == 0)
				ours = found[i] = true;
		if (ours || !sqlite3_column_int(stmt, 1) || !sqlite3_column_int(stmt, 2))
			continue;
		problems++;
		if (strcasecmp(name, "stamp_inserted") == 0)
			log_error("%s: table %s needs stamp_inserted, which is written with "
				  "sql_history only; set sql_history (10m, for example)",
				s->who, table);
		else
			log_error("%s: column %s of table %s has no default and nothing here "
				  "writes it",
				s->who, name, table);
	}
	sqlite3_finalize(stmt);
	if (n == 0) {
		log_error("%s: no table %s in \"%s\"; sql/pmacct-create-table_v%" PRIu32
			  ".sqlite3 makes it",
			s->who, table, s->path, s->p->sql_table_version);
		return 1;
	}
	for (size_t i = 0; i < s->columns.n; i++)
		if (!found[i])
			strbuf_addf(&missing, " ALTER TABLE \"%s\" ADD COLUMN %s %s%s;", table,
				    s->columns.c[i].name, s->columns.c[i].type,
				    strstr(s->columns.c[i].type, "NOT NULL") &&
				    !strstr(s->columns.c[i].type, "DEFAULT") ? " DEFAULT ''" : "");
	if (missing.n) {
		log_error("%s: table %s lacks columns; run:%s (SQLite cannot add them to a primary "
			  "key: make the table anew when rows may differ only there)",
			s->who, table, missing.s);
		problems++;
	}
	strbuf_clear(&missing);
	return problems;
}

/* Say when a unique index would refuse rows that differ elsewhere. */
static void check_indexes(struct sink_sqlite *s, const char *table)
{
	struct sql_index x = { .n = 0 };
	const struct sql_column *missing = NULL;
	bool covered = false;
	sqlite3_stmt *stmt;
	int more;

	if (sqlite3_prepare_v2(s->db,
		    "SELECT l.name, i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i"
		    " WHERE l.\"unique\" ORDER BY l.seq, i.seqno",
		    -1, &stmt, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	do {
		const char *index, *column;

		more = sqlite3_step(stmt) == SQLITE_ROW;
		index = more ? (const char *)sqlite3_column_text(stmt, 0) : "";
		column = more ? (const char *)sqlite3_column_text(stmt, 1) : NULL;
		if (x.n && strcmp(index, x.name) != 0) {
			enum sql_unique kind = sql_unique_judge(&s->columns, &x, &missing);

			covered |= kind == SQL_UNIQUE_COVERS;
			if (kind == SQL_UNIQUE_COLLIDES && missing)
				log_warn("%s: unique key %s of table %s has no %s: rows that "
					 "differ only there will be refused",
					s->who, x.name, table, missing->name);
			x.n = 0;
		}
		snprintf(x.name, sizeof(x.name), "%s", index);
		if (more && x.n < SQL_INDEX_COLUMNS) {
			memset(&x.column[x.n], 0, sizeof(x.column[x.n]));
			x.column[x.n].constant_default = true;
			snprintf(x.column[x.n++].name, sizeof(x.column[0].name), "%s",
				column ? column : "");
		}
	} while (more);
	sqlite3_finalize(stmt);
	if (!covered)
		log_info("%s: table %s has no unique key over the written key columns: each row "
			 "costs a search through the whole table",
			s->who, table);
}

static void sqlite_close(void *sink)
{
	struct sink_sqlite *s = sink;

	if (!s)
		return;
	for (size_t i = 0; i < s->ntables; i++)
		forget(s->tables[i]);
	sqlite3_close(s->db);
	strbuf_clear(&s->text);
	free(s);
}

static bool open_file(struct sink_sqlite *s)
{
	sqlite3_stmt *stmt;

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK) {
		log_error("%s: sql_db: \"%s\": %s; sqlite3 %s < sql/pmacct-create-table_v%" PRIu32
			  ".sqlite3 makes it",
			s->who, s->path, s->db ? sqlite3_errmsg(s->db) : "out of memory", s->path,
			s->p->sql_table_version);
		return false;
	}
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (run(s, "PRAGMA synchronous=FULL") != 0 ||
		sqlite3_prepare_v2(s->db,
			"SELECT COUNT(*) FROM sqlite_master WHERE name='flow_ledger'", -1, &stmt,
			NULL) != SQLITE_OK) {
		log_error("%s: sql_db: \"%s\": %s", s->who, s->path, sqlite3_errmsg(s->db));
		return false;
	}
	s->ledger = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) > 0;
	sqlite3_finalize(stmt);
	return true;
}

static struct sink_sqlite *open_counting(const struct plugin_settings *p,
	const struct key_layout *l, uint64_t run_id, unsigned *problems)
{
	struct sink_sqlite *s = xcalloc(1, sizeof(*s));
	char why[256];

	s->p = p;
	s->l = l;
	s->run_id = run_id;
	s->path = p->sql_db && *p->sql_db ? p->sql_db : "/tmp/pmacct.db";
	snprintf(s->who, sizeof(s->who), "%s/sqlite3", p->name);
	if (p->sql_table && strlen(p->sql_table) > SQL_TABLE_NAME_MAX) {
		log_error("%s: sql_table: \"%s\": at most 64 characters expected", s->who,
			p->sql_table);
		++*problems;
	} else if (!sql_columns_make(&s->columns, p, l, why, sizeof(why))) {
		log_error("%s: %s", s->who, why);
		++*problems;
	} else if (!open_file(s)) {
		++*problems;
	}
	if (*problems)
		return s;
	if (p->sql_table)
		snprintf(s->table, sizeof(s->table), "%s", p->sql_table);
	else
		sql_default_table(s->table, sizeof(s->table), p);
	if (name_is_dynamic(s->table) || !p->sql_check)
		return s;
	if (p->sql_table_schema && create_table(s, 0, NULL) != 0) {
		log_error("%s: %s", s->who, s->why);
		++*problems;
		return s;
	}
	*problems += check_columns(s, s->table);
	if (*problems == 0)
		check_indexes(s, s->table);
	return s;
}

static void *sqlite_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	unsigned problems = 0;
	struct sink_sqlite *s = open_counting(p, l, run_id, &problems);

	if (problems == 0)
		return s;
	sqlite_close(s);
	return NULL;
}

static unsigned sqlite_check(const struct plugin_settings *p, const struct key_layout *l)
{
	unsigned problems = 0;

	sqlite_close(open_counting(p, l, 0, &problems));
	return problems;
}

static void literal(struct strbuf *b, const struct sink_sqlite *s, const struct sql_column *c,
		    const struct purge *p, const struct sum_row *r)
{
	struct sql_cell cell;
	char text[32];
	char *quoted;

	sql_cell_make(&cell, &s->columns, c, p, r);
	if (c->kind == SQL_NUMBER) {
		strbuf_addf(b, "%" PRIu64, cell.number);
	} else if (c->kind == SQL_BINARY) {
		strbuf_add(b, "x'");
		for (size_t i = 0; i < cell.len; i++)
			strbuf_addf(b, "%02x", (unsigned char)cell.text[i]);
		strbuf_add(b, "'");
	} else {
		time_text(text, sizeof(text), s, cell.number);
		quoted = sqlite3_mprintf("%Q", c->kind == SQL_TIME ? text : cell.text);
		strbuf_add(b, quoted ? quoted : "NULL");
		sqlite3_free(quoted);
	}
}

/* UPDATE, and an INSERT that acts when it found nothing. */
static void salvage_row(struct strbuf *b, const struct sink_sqlite *s, const struct purge *p,
			const char *table, const struct sum_row *r)
{
	const char *gap = " SET ";

	strbuf_add(b, "UPDATE ");
	quote_name(b, table);
	for (size_t i = 0; i < s->columns.n; i++) {
		const struct sql_column *c = &s->columns.c[i];

		if (!is_updated(c))
			continue;
		strbuf_addf(b, "%s%s=", gap, c->name);
		if (is_counter(c))
			strbuf_addf(b, "%s%s", c->name, c->role == SQL_TCP_FLAGS ? "|" : "+");
		literal(b, s, c, p, r);
		gap = ",";
	}
	gap = " WHERE rowid=(SELECT rowid FROM ";
	strbuf_add(b, gap);
	quote_name(b, table);
	gap = " WHERE ";
	for (size_t i = 0; i < s->columns.n; i++) {
		if (!is_key(&s->columns.c[i]))
			continue;
		strbuf_addf(b, "%s%s=", gap, s->columns.c[i].name);
		literal(b, s, &s->columns.c[i], p, r);
		gap = " AND ";
	}
	strbuf_add(b, " LIMIT 1);\nINSERT INTO ");
	quote_name(b, table);
	strbuf_add(b, " (");
	list(b, &s->columns, NULL, ",", "");
	strbuf_add(b, ") SELECT ");
	for (size_t i = 0; i < s->columns.n; i++) {
		strbuf_add(b, i ? "," : "");
		literal(b, s, &s->columns.c[i], p, r);
	}
	strbuf_add(b, " WHERE changes()=0;\n");
}

/* As sql/flow_ledger.sqlite3: a file that is replayed twice would be billed twice. */
static const char make_ledger[] =
	"CREATE TABLE IF NOT EXISTS flow_ledger (run_id INTEGER NOT NULL,plugin TEXT NOT "
	"NULL,purge_id INTEGER NOT NULL,"
	"worker INTEGER NOT NULL,batch INTEGER NOT NULL,purge_rows INTEGER NOT NULL DEFAULT 0,"
	"purge_packets INTEGER NOT NULL DEFAULT 0,purge_octets INTEGER NOT NULL DEFAULT 0,stamp "
	"DATETIME,"
	"PRIMARY KEY (run_id,plugin,purge_id,worker));\n";

static int salvage_rows(FILE *f, struct sink_sqlite *s, const struct name_groups *g,
			const struct purge *p)
{
	strbuf_reset(&s->text);
	strbuf_addf(&s->text,
		"-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64 ", %zu rows; replay "
		"with: sqlite3 -bail %s < this file; a second time it does nothing\n%sBEGIN "
		"IMMEDIATE;\n",
		p->id, s->p->name, s->run_id, p->nrows, s->path, s->ledger ? "" : make_ledger);
	strbuf_addf(&s->text,
		"INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows) VALUES "
		"(%" PRId64 ",'%s',%" PRIu64 ",0,0,%zu);\n",
		(int64_t)s->run_id, s->p->name, p->id, p->nrows);
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

static int sqlite_salvage(void *sink, const struct purge *p)
{
	struct sink_sqlite *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      p->slot ? p->slot : p->deadline, p->rows, p->nrows))
		return -1;
	err = salvage_open(&file, s->p, s->run_id, p->id, "sql");
	if (err == 0) {
		err = salvage_rows(file.f, s, &g, p);
		err = salvage_close(&file, err);
	}
	if (err == 0)
		log_warn("%s: purge %" PRIu64
			 " (%zu rows) is saved in %s; replay it with: sqlite3 -bail %s < %s",
			s->who, p->id, p->nrows, file.path, s->path, file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s", s->who,
			p->id, p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}

static const struct sink_counts *sqlite_counts(void *sink)
{
	return &((struct sink_sqlite *)sink)->counts;
}

/* The file tells at once whether a COMMIT is in it. */
static enum sink_trouble sqlite_trouble(void *sink)
{
	return ((struct sink_sqlite *)sink)->in_doubt ? SINK_DOUBT : SINK_DOWN;
}

static bool sqlite_remembers(void *sink)
{
	return ((struct sink_sqlite *)sink)->ledger;
}

static int sqlite_execute(void *sink, const char *sql, size_t n, char why[static 256])
{
	struct sink_sqlite *s = sink;

	(void)n;	/* it ends with a NUL */
	if (!s->db || sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(why, 256, "%.250s", s->db ? sqlite3_errmsg(s->db) : "not open");
		return -1;
	}
	return 0;
}

const struct sink sink_sqlite3 = {
	.type = "sqlite3",
	.open = sqlite_open,
	.check = sqlite_check,
	.write = sqlite_write,
	.salvage = sqlite_salvage,
	.counts = sqlite_counts,
	.trouble = sqlite_trouble,
	.remembers = sqlite_remembers,
	.execute = sqlite_execute,
	.close = sqlite_close,
};
