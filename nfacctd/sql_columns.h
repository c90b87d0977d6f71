/*
 * sql_columns.h - what one plugin writes into an SQL table: the columns for its
 * aggregation key and table version, and the cells of a row.  Shared by the
 * sinks that speak SQL; knows no database library.
 *
 * Two shapes of row (collector.md 9.1-9.4).  Without sql_optimize_clauses a row
 * has every column of the default table of sql_table_version, those not
 * aggregated with a constant filler, and behind them the columns of primitives
 * that no default table has.  With it a row has the aggregated columns only.
 */
#ifndef SQL_COLUMNS_H
#define SQL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include "nfacctd/sink.h"

enum sql_role {
	SQL_KEY,	/* identifies the row, also with a constant in it */
	SQL_INSERTED,	/* stamp_inserted: start of the bin, part of the key */
	SQL_UPDATED,	/* stamp_updated: time of the purge */
	SQL_PACKETS, SQL_BYTES, SQL_FLOWS,	/* added up */
	SQL_TCP_FLAGS	/* OR-ed */
};

enum sql_kind {
	SQL_NUMBER,	/* cell.number */
	SQL_TEXT,	/* cell.text, cell.len */
	SQL_BINARY,	/* the same, an address of 4 or 16 bytes */
	SQL_TIME	/* cell.number, seconds since 1970 UTC */
};

struct sql_column {
	char name[40];
	enum sql_role role;
	enum sql_kind kind;
	const struct primitive *primitive;	/* NULL for counters and stamps */
	const struct key_field *field;		/* NULL: not from the key */
	const char *constant;			/* the same text in every row; NULL: varies */
	bool residual;				/* microseconds of the time before it */
	const char *type;			/* what to declare it as */
};

enum { SQL_COLUMNS_MAX = 112, SQL_TABLE_NAME_MAX = 64 };

struct sql_columns {
	struct sql_column c[SQL_COLUMNS_MAX];
	size_t n;
	struct print_style style;
	bool binary_hosts;
};

/*
 * False with the reason in `why` when a primitive has no place in a table of
 * this version.  `l` must outlive the result.
 */
bool sql_columns_make(struct sql_columns *s, const struct plugin_settings *p,
		      const struct key_layout *l, char *why, size_t why_size);

struct sql_cell {
	uint64_t number;
	size_t len;
	char text[PRIM_TEXT_MAX + 1];
};

/* Whether the default table of these settings has a column of its own for a primitive, and `flows`. */
bool sql_table_has(const struct plugin_settings *p, size_t primitive_id);
bool sql_table_has_flows(const struct plugin_settings *p);

/* Part of what tells rows apart. */
bool sql_is_key(const struct sql_column *c);
/* How a column takes a new value: "+", "|", "" to replace it; NULL: an update leaves it. */
const char *sql_addition(const struct sql_column *c);

/* The value of a column that varies (or a constant one, as text). */
void sql_cell_make(struct sql_cell *cell, const struct sql_columns *s, const struct sql_column *c,
		   const struct purge *p, const struct sum_row *r);
/* How long the text of a column can be, at most; a multiple of 8. */
size_t sql_text_most(const struct sql_column *c);
/* "ip_src=10.0.0.1 ... packets=1 bytes=40": a row for people. */
void sql_row_describe(char *buf, size_t size, const struct sql_columns *s, const struct purge *p,
		      const struct sum_row *r);
/* The default table of a version: "acct", "acct_v2" .., "acct_uni_v2", "acct_bgp" */
void sql_default_table(char *buf, size_t size, const struct plugin_settings *p);
/* Which file of sql/ makes it; `ending` is "mysql", "pgsql" or "sqlite3". */
enum { SQL_SCRIPT_MAX = 64 };
void sql_table_script(char *buf, size_t size, const struct plugin_settings *p, const char *ending);

/* One unique index of a table that exists, for sql_unique_judge. */
enum { SQL_INDEX_COLUMNS = 64, SQL_INDEXES_MAX = 64 };
struct sql_index {
	char name[SQL_TABLE_NAME_MAX + 1];
	size_t n;
	struct {
		char name[SQL_TABLE_NAME_MAX + 1];
		bool partial;		/* indexed by a prefix of the text only */
		bool generated;		/* AUTO_INCREMENT: never the same twice */
		bool null_default;	/* NULL unless somebody writes it: never equal */
		bool constant_default;	/* one and the same value unless somebody writes it */
	} column[SQL_INDEX_COLUMNS];
};

enum sql_unique {
	SQL_UNIQUE_COVERS, /* equal rows meet on this index, and no others: upsert is right */
	SQL_UNIQUE_HARMLESS, /* no two of our rows meet on it */
	SQL_UNIQUE_COLLIDES /* rows with different keys meet on it; *missing names a column it lacks
			     */
};
enum sql_unique sql_unique_judge(const struct sql_columns *s, const struct sql_index *index,
				 const struct sql_column **missing);

struct strbuf;
/* "(a, b, missing, stamp_inserted)": the columns of a key, the missing ones in their place. */
void sql_key_with(struct strbuf *b, const struct sql_index *key,
		  const struct sql_column *const *missing, size_t n, const char *quote);

#endif /* SQL_COLUMNS_H */
