/*
 * mysql_table.h - one table on the server: is it there, has it what we write,
 * and which way rows get into it.
 */
#ifndef MYSQL_TABLE_H
#define MYSQL_TABLE_H

#include "nfacctd/mysql_link.h"
#include "nfacctd/sql_book.h"

enum mysql_way {
	MYSQL_UPSERT,	/* a unique key covers exactly what tells rows apart */
	MYSQL_SET,	/* it does not: temporary table, UPDATE .. JOIN, INSERT .. SELECT */
	MYSQL_EACH	/* no right to make a temporary table: UPDATE, INSERT row by row */
};

struct mysql_table {
	struct sql_table table;
	enum mysql_way way;
	bool divisible;		/* two writers of different rows never wait for each other */
	struct sql_columns columns;	/* fitted to this table's ip_proto */
	MYSQL_STMT *stmt;	/* insert of an array or a block of rows; NULL: not yet prepared */
};

struct mysql_report {
	const char *who;	/* "mysql/intl_in" */
	unsigned problems;	/* errors: rows would not get in */
	bool quiet;		/* warnings were told before */
	bool mute;		/* errors too */
};

/*
 * Compare table `name` with `want`.  0 with *t filled in, rep->problems of them
 * told; or the error number when the server could not be asked.
 */
unsigned mysql_table_look(struct mysql_table *t, struct mysql_link *k,
	const struct sql_columns *want, const char *name, const struct plugin_settings *p,
	struct mysql_report *rep);

#endif /* MYSQL_TABLE_H */
