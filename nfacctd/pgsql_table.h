/*
 * pgsql_table.h - one table on a PostgreSQL server: is it there, has it what we
 * write, and which way rows get into it.
 */
#ifndef PGSQL_TABLE_H
#define PGSQL_TABLE_H

#include "nfacctd/pgsql_link.h"
#include "nfacctd/sql_book.h"

enum pg_way {
	PG_UPSERT,	/* a unique key covers exactly what tells rows apart */
	PG_SET,		/* it does not: UPDATE .. FROM, then INSERT of what is left */
};

enum { PG_TYPE_MAX = 64 };

struct pg_table {
	struct sql_table table;
	enum pg_way way;
	struct sql_columns columns;	/* fitted to this table's types */
	/* Of each column, without a length: "inet", "bpchar"; "" when the table was not there. */
	char type[SQL_COLUMNS_MAX][PG_TYPE_MAX];
	size_t nconflict;	/* columns of the unique key of PG_UPSERT */
	char conflict[SQL_INDEX_COLUMNS][SQL_TABLE_NAME_MAX + 1];
};

struct pg_report {
	const char *who;	/* "intl_in/pgsql" */
	unsigned problems;	/* errors: rows would not get in */
	bool quiet;		/* warnings were told before */
	bool mute;		/* errors too */
};

/*
 * Compare table `name` with `want`.  0 with *t filled in, rep->problems of them
 * told; or -1 when the server could not be asked.  Without sql_check only what
 * is needed to write is found out.
 */
int pg_table_look(struct pg_table *t, struct pg_link *k, const struct sql_columns *want,
		  const char *name, const struct plugin_settings *p, struct pg_report *rep);
/* Is there a table of this name?  -1 when the server could not be asked. */
int pg_table_exists(struct pg_link *k, const char *name, bool *exists);

#endif /* PGSQL_TABLE_H */
