/*
 * sqlite3_table.c - tables of the file: made by sql_table_schema, and looked at
 * before the first row.
 */
#include "nfacctd/sqlite3_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/log.h"

bool sqlite_table_exists(struct sink_sqlite *s, const char *name)
{
	return sqlite3_table_column_metadata(s->db, NULL, name, NULL, NULL, NULL, NULL, NULL,
					     NULL) == SQLITE_OK;
}

int sqlite_create_table(struct sink_sqlite *s, int64_t when, const uint8_t *key)
{
	char made[SQL_SCHEMA_BYTES];

	if (!sql_schema_text(made, s->p, s->l, when, key, s->why))
		return -1;
	if (sqlite_run(s, made) != 0 && !strstr(sqlite3_errmsg(s->db), "already exists")) {
		snprintf(s->why, sizeof(s->why), "sql_table_schema: \"%s\": %s",
			s->p->sql_table_schema, sqlite3_errmsg(s->db));
		return -1;
	}
	return 0;
}

int sqlite_check_schema(struct sink_sqlite *s)
{
	char made[SQL_SCHEMA_BYTES];
	sqlite3_stmt *stmt = NULL;
	int err = 0;

	if (!sql_schema_text(made, s->p, s->l, (int64_t)time(NULL), NULL, s->why))
		return -1;
	if (sqlite3_prepare_v2(s->db, made, -1, &stmt, NULL) != SQLITE_OK &&
	    !strstr(sqlite3_errmsg(s->db), "already exists")) {
		snprintf(s->why, sizeof(s->why), "sql_table_schema: \"%s\": %s",
			 s->p->sql_table_schema, sqlite3_errmsg(s->db));
		err = -1;
	}
	sqlite3_finalize(stmt);
	return err;
}

int sqlite_make_table(struct sink_sqlite *s, const struct purge *p, struct name_group *g)
{
	const struct sum_row *first = g->rows[0];
	bool of_rows = strchr(s->table, '$') != NULL;
	bool exists = sqlite_table_exists(s, g->name);

	g->refused = of_rows && !exists && s->tables_made >= s->p->sql_tables_max;
	if (g->refused || exists)
		return 0;
	if (sqlite_create_table(s, sql_moment(p, first), first->key) != 0)
		return -1;
	s->tables_made += of_rows;
	return 0;
}

unsigned sqlite_check_columns(struct sink_sqlite *s, const char *table)
{
	struct strbuf missing = { NULL, 0, 0 };
	bool found[SQL_COLUMNS_MAX] = { false };
	unsigned problems = 0, n = 0;
	char script[SQL_SCRIPT_MAX];
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(s->db,
		    "SELECT name,\"notnull\",dflt_value IS NULL,pk FROM pragma_table_info(?)", -1,
		    &stmt, NULL) != SQLITE_OK)
		return sqlite_failed(s, "table_info"), log_error("%s: %s", s->book.who, s->why), 1;
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
				s->book.who, table);
		else
			log_error("%s: column %s of table %s has no default and nothing here "
				  "writes it",
				s->book.who, name, table);
	}
	sqlite3_finalize(stmt);
	if (n == 0) {
		sql_table_script(script, sizeof(script), s->p, "sqlite3");
		log_error("%s: no table %s in \"%s\"; %s makes it", s->book.who, table, s->path,
			script);
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
			s->book.who, table, missing.s);
		problems++;
	}
	strbuf_clear(&missing);
	return problems;
}

void sqlite_check_indexes(struct sink_sqlite *s, const char *table)
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
					s->book.who, x.name, table, missing->name);
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
			s->book.who, table);
}
