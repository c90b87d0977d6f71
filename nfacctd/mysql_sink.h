/*
 * mysql_sink.h - the mysql sink's inside, shared by its three files: sink_mysql.c
 * (purges as transactions), mysql_write.c (rows into one table), mysql_salvage.c
 * (a purge into a file).  Nobody else includes it.
 */
#ifndef MYSQL_SINK_H
#define MYSQL_SINK_H

#include <limits.h>
#include "base/strbuf.h"
#include "nfacctd/mysql_evidence.h"
#include "nfacctd/mysql_link.h"
#include "nfacctd/mysql_table.h"
#include "nfacctd/sink.h"

enum { MYSQL_BATCH_ROWS = 4096 };

struct sink_mysql {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct sql_book book;
	char table[SQL_TABLE_NAME_MAX + 1];	/* template or name */
	struct sql_columns columns;
	struct mysql_link link;
	bool ledger, was_connected;
	struct sql_tables tables;	/* struct mysql_table */
	/* one row of an array as the server's library wants it */
	struct link_param params[SQL_COLUMNS_MAX];
	size_t nparams, row_size;
	char *rows;
	struct strbuf text;
	struct sql_tally tally;		/* of the attempt that runs */
	uint64_t in_doubt;		/* id of the purge whose COMMIT had no answer; 0: none */
	struct sql_tally doubt_tally;
	struct mysql_evidence evidence;	/* for that, where there is no ledger */
	enum sink_trouble last_trouble;
	uint32_t tables_made;		/* by sql_table_schema, for names with variables of rows */
};

/* The layout of a row in an array; once, after the columns are known. */
void mysql_lay_out_rows(struct sink_mysql *s);
/* Rows into one table, inside the open transaction; refused ones are counted in s->tally. */
unsigned mysql_write_table(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n);

/* A table that was looked at, or NULL. */
struct mysql_table *mysql_table_known(struct sink_mysql *s, const char *name);
int mysql_salvage(void *sink, const struct purge *p);

#endif /* MYSQL_SINK_H */
