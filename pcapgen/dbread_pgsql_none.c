/*
 * dbread_pgsql_none.c - in the place of dbread_pgsql.c where libpq was not there
 * at build time.
 */
#include "base/log.h"
#include "pcapgen/dbread_pgsql.h"

void *dbread_pgsql_open(const struct rules_plugin *p, const char *password)
{
	(void)password;
	log_error("plugin %s: built without PostgreSQL; install libpq-dev and build anew", p->name);
	return NULL;
}

void dbread_pgsql_close(void *pg)
{
	(void)pg;
}

int dbread_pgsql_ask(void *pg, const struct rules_plugin *p, const char *sql, dbread_pgsql_row *row,
		     void *ctx)
{
	(void)pg, (void)p, (void)sql, (void)row, (void)ctx;
	return -1;
}

void dbread_pgsql_table(struct strbuf *b, const char *name)
{
	strbuf_add(b, name);
}
