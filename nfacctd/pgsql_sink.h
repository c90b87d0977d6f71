/*
 * pgsql_sink.h - the pgsql sink's inside, shared by its files: sink_pgsql.c
 * (purges), pgsql_write.c (the connection, its tables, rows into them),
 * pgsql_salvage.c (a purge into a file).  Nobody else includes it.
 *
 * Calls return 0, or -1 with the reason in s->link.
 */
#ifndef PGSQL_SINK_H
#define PGSQL_SINK_H

#include "nfacctd/name_template.h"
#include "nfacctd/pgsql_text.h"
#include "nfacctd/sql_book.h"

enum { PGSQL_XID_DIGITS = 24 };

struct sink_pgsql {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct sql_book book;
	char table[SQL_TABLE_NAME_MAX + 1];	/* template or name */
	struct sql_columns columns;
	struct pg_link link;
	bool ledger, was_connected;
	struct sql_tables tables;	/* struct pg_table */
	struct sql_tally tally;
	uint32_t tables_made;		/* by sql_table_schema, for names with variables of rows */
	struct strbuf text, array[SQL_COLUMNS_MAX];
	uint64_t in_doubt;		/* id of the purge whose COMMIT had no answer; 0: none */
	struct sql_tally doubt_tally;
	char xid[PGSQL_XID_DIGITS];		/* its transaction, where there is no ledger */
	enum sink_trouble last_trouble;
};

/* ---- pgsql_write.c ---- */

void pgsql_forget_table(struct sql_table *t);	/* for s->tables */
int pgsql_connect(struct sink_pgsql *s);
void pgsql_disconnect(struct sink_pgsql *s);
/* A reason of our own, for which somebody has to act: fmt with two texts.  Returns -1. */
int pgsql_stuck(struct sink_pgsql *s, const char *fmt, const char *a, const char *b);

/* A table that was looked at, or NULL. */
struct pg_table *pgsql_table_known(struct sink_pgsql *s, const char *name);
/* A table as it is on the server; NULL when rows cannot get in. */
struct pg_table *pgsql_table_get(struct sink_pgsql *s, const char *name, struct pg_report *rep);
/* The CREATE TABLE of sql_table_schema for one table name. */
int pgsql_create_table(struct sink_pgsql *s, const char *table, int64_t when, const uint8_t *key);
/* Look at every table, and make it when sql_table_schema says how, before the transaction. */
int pgsql_ready_tables(struct sink_pgsql *s, struct name_groups *g, const struct purge *p);
/* Rows into one table, inside the open transaction; refused ones are counted in the tally. */
int pgsql_write_group(struct sink_pgsql *s, const struct purge *p, const struct name_group *g);

/* ---- pgsql_salvage.c ---- */

int pgsql_salvage(void *sink, const struct purge *p);

#endif /* PGSQL_SINK_H */
