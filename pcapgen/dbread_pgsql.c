/*
 * dbread_pgsql.c - see dbread_pgsql.h.
 */
#include "pcapgen/dbread_pgsql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"

/* The first line of what the server or libpq says. */
static void complain(const struct rules_plugin *p, const char *thing, const char *name,
		     const char *why)
{
	log_error("plugin %s: %s \"%s\": %.*s", p->name, thing, name, (int)strcspn(why, "\n"), why);
}

void *dbread_pgsql_open(const struct rules_plugin *p, const char *password)
{
	const bool tls = p->ca_file || p->cert_file;
	const char *host = strncmp(p->host, "unix:", 5) ? p->host : p->host + 5;
	char port[16];
	const char *keys[] = { "host", "port", "user", "password", "dbname", "connect_timeout",
			       "client_encoding", "sslmode", "sslrootcert", "sslcert", "sslkey",
			       NULL };
	/* libpq takes an empty value for none. */
	const char *values[] = { host, p->port ? port : "", p->user, password, p->db, "10", "UTF8",
				 !tls ? "" : p->verify_cert ? "verify-full" : "require",
				 tls && p->verify_cert && p->ca_file ? p->ca_file : "",
				 p->cert_file ? p->cert_file : "", p->key_file ? p->key_file : "",
				 NULL };
	PGconn *pg;

	if (tls && *host == '/') {
		complain(p, "sql_host:", p->host, "sql_conn_* asks for TLS, which PostgreSQL does "
			 "not speak over a UNIX socket");
		return NULL;
	}
	snprintf(port, sizeof(port), "%u", p->port);
	pg = PQconnectdbParams(keys, values, 0);
	if (!pg || PQstatus(pg) != CONNECTION_OK)
		complain(p, "sql_host:", p->host, pg ? PQerrorMessage(pg) : "no memory");
	else if (dbread_pgsql_ask(pg, p, p->utc ? "SET TIME ZONE 'UTC'" : "SELECT 1", NULL,
				  NULL) == 0)
		return pg;
	PQfinish(pg);
	return NULL;
}

void dbread_pgsql_close(void *pg)
{
	PQfinish(pg);
}

int dbread_pgsql_ask(void *pg, const struct rules_plugin *p, const char *sql, dbread_pgsql_row *row,
		     void *ctx)
{
	const char *cell[RULES_COLUMNS + 8];
	PGresult *res = PQexec(pg, sql);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	int err = 0;

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
		err = state && !strcmp(state, "42P01") ? 1 : -1;
		if (err < 0)
			complain(p, "table", p->table, PQerrorMessage(pg));
	}
	for (int i = 0; !err && row && i < PQntuples(res); i++) {
		for (int k = 0; k < PQnfields(res) && k < RULES_COLUMNS + 8; k++)
			cell[k] = PQgetisnull(res, i, k) ? NULL : PQgetvalue(res, i, k);
		err = row(ctx, cell);
	}
	PQclear(res);
	return err;
}

void dbread_pgsql_table(struct strbuf *b, const char *name)
{
	strbuf_add(b, "\"");
	for (; *name; name++)
		if (*name == '.')
			strbuf_add(b, "\".\"");
		else if (*name != '"')
			strbuf_addn(b, name, 1);
	strbuf_add(b, "\"");
}
