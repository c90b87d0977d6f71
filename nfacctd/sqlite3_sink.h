/*
 * sqlite3_sink.h - the sqlite3 sink's inside, shared by its four files:
 * sink_sqlite3.c (purges as transactions), sqlite3_rows.c (rows into one table),
 * sqlite3_table.c (tables made and looked at), sqlite3_salvage.c (a purge into a
 * file).  Nobody else includes it.
 */
#ifndef SQLITE3_SINK_H
#define SQLITE3_SINK_H

#include <sqlite3.h>
#include "base/strbuf.h"
#include "nfacctd/sql_book.h"

struct sqlite_table {
	struct sql_table table;
	sqlite3_stmt *find, *update, *insert;
};

struct sink_sqlite {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct sql_book book;
	const char *path;
	char table[SQL_TABLE_NAME_MAX + 1];
	struct sql_columns columns;
	sqlite3 *db;
	bool ledger;
	struct sql_tables tables;	/* struct sqlite_table */
	struct strbuf text;
	struct sql_tally tally;		/* of the attempt that runs */
	uint64_t in_doubt;	/* id of the purge whose COMMIT failed; 0: none */
	char why[SQL_WHY_BYTES];
	uint32_t tables_made;	/* by sql_table_schema, for names with variables of rows */
};

/* -1 with s->why: what was done, and SQLite's words. */
int sqlite_failed(struct sink_sqlite *s, const char *doing);
int sqlite_run(struct sink_sqlite *s, const char *sql);

/* Added up or OR-ed; those, and the stamp that is written anew. */
bool sqlite_is_counter(const struct sql_column *c);
bool sqlite_is_updated(const struct sql_column *c);
/* An identifier in quotes; those of the columns for which `which` holds, each with `form`. */
void sqlite_quote_name(struct strbuf *b, const char *name);
void sqlite_list(struct strbuf *b, const struct sql_columns *s,
		 bool (*which)(const struct sql_column *), const char *gap, const char *form);
/* "2026-01-31 23:59:59", local or UTC as timestamps_utc says. */
void sqlite_time_text(char *buf, size_t size, const struct sink_sqlite *s, uint64_t seconds);

/* Rows into one table, inside the open transaction; refused ones are counted in s->tally. */
int sqlite_write_group(struct sink_sqlite *s, const struct purge *p, const struct name_group *g);
/* The ledger's lines; 1 when this purge is there already. */
int sqlite_write_ledger(struct sink_sqlite *s, const struct purge *p);
void sqlite_forget_table(struct sql_table *t);

bool sqlite_table_exists(struct sink_sqlite *s, const char *name);
/* The CREATE TABLE of sql_table_schema, of which "already exists" is no error. */
int sqlite_create_table(struct sink_sqlite *s, int64_t when, const uint8_t *key);
/*
 * The table of a group, made when sql_table_schema says how.  Names that vary by
 * row are in strangers' hands, so not more than sql_tables_max of them are made.
 */
int sqlite_make_table(struct sink_sqlite *s, const struct purge *p, struct name_group *g);
/* A schema for names that come with rows: is it SQL, and readable?  -1 with s->why. */
int sqlite_check_schema(struct sink_sqlite *s);
/* What a table lacks, logged with the ALTERs; the number of problems. */
unsigned sqlite_check_columns(struct sink_sqlite *s, const char *table);
/* Say when a unique index would refuse rows that differ elsewhere. */
void sqlite_check_indexes(struct sink_sqlite *s, const char *table);

int sqlite_salvage(void *sink, const struct purge *p);

#endif /* SQLITE3_SINK_H */
