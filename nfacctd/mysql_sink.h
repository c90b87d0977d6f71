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
#include "nfacctd/sql_columns.h"

enum { MYSQL_BATCH_ROWS = 4096 };

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
	struct sink_counts counts, tally; /* tally: of the attempt that runs, added at COMMIT */
	uint64_t in_doubt;		/* id of the purge whose COMMIT had no answer; 0: none */
	struct sink_counts doubt_tally;
	struct mysql_evidence evidence;	/* for that, where there is no ledger */
	enum sink_trouble last_trouble;
	uint32_t tables_made;		/* by sql_table_schema, for names with variables of rows */
	uint64_t told;			/* id of the purge whose refused rows were logged */
	unsigned told_now;
	unsigned trouble;		/* last error that was logged */
	uint64_t trouble_us;
};

/* The layout of a row in an array; once, after the columns are known. */
void mysql_lay_out_rows(struct sink_mysql *s);
/* Rows into one table, inside the open transaction; refused ones are counted in s->tally. */
unsigned mysql_write_table(struct sink_mysql *s, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n);
/* Count a row that does not get in, and log it with its values. */
void mysql_refuse(struct sink_mysql *s, const struct sql_columns *columns, const char *table,
		  const struct purge *p, const struct sum_row *r, unsigned err, const char *why);

/* A table that was looked at, or NULL. */
struct mysql_table *mysql_table_known(struct sink_mysql *s, const char *name);
int mysql_salvage(void *sink, const struct purge *p);

#endif /* MYSQL_SINK_H */
