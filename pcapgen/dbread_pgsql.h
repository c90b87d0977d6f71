/*
 * dbread_pgsql.h - PostgreSQL's part of dbread.c; without libpq the same calls,
 * which say that (dbread_pgsql_none.c).
 */
#ifndef DBREAD_PGSQL_H
#define DBREAD_PGSQL_H

#include "base/strbuf.h"
#include "pcapgen/rules.h"

/* A connection, of libpq's own type; NULL after logging why not. */
void *dbread_pgsql_open(const struct rules_plugin *p, const char *password);
void dbread_pgsql_close(void *pg);
/*
 * Run a statement and hand over each row's cells, NULL ones as NULL.  0; -1 after
 * logging; 1: there is no such table; what row() returned when it was not 0.
 */
typedef int dbread_pgsql_row(void *ctx, const char *const *cell);
int dbread_pgsql_ask(void *pg, const struct rules_plugin *p, const char *sql, dbread_pgsql_row *row,
		     void *ctx);
/* "schema"."table" of schema.table */
void dbread_pgsql_table(struct strbuf *b, const char *name);

#endif /* DBREAD_PGSQL_H */
