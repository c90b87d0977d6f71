/*
 * pgsql_link.h - one connection to a PostgreSQL server: connecting, statements,
 * what an error means for a transaction.  The only file with libpq's functions
 * beside its results.
 *
 * Nothing waits longer than answer_seconds for a sign of life of the server.
 * What fails leaves its SQLSTATE and the server's words behind.
 */
#ifndef PGSQL_LINK_H
#define PGSQL_LINK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"
#include "nfacctd/settings.h"

enum pg_meaning {
	PG_DONE,
	PG_LOST,	/* the connection is gone, what it was doing has an unknown outcome */
	PG_REPLAY,	/* deadlock, serialization: roll back and play the transaction again */
	PG_REFUSED,	/* these values will never be taken; another row may be */
	PG_STUCK	/* all else: not now, an operator may have to act */
};

struct pg_link {
	PGconn *pg;		/* NULL: not connected */
	unsigned answer_seconds;	/* for the next statement */
	char state[6];		/* SQLSTATE, "00000" for none, "08006" for a lost connection */
	char why[512];
	char where[256]; /* "user ... at ..., database ...", for messages; never the password */
};

void pg_init(struct pg_link *k);
/* 0; -1 with state and why, as everywhere here.  UTC when timestamps_utc asks for it. */
int pg_connect(struct pg_link *k, const struct plugin_settings *p);
void pg_close(struct pg_link *k);
/* Something took longer than answer_seconds: from now on twice as long is waited, up to a limit. */
void pg_more_patience(struct pg_link *k);

enum pg_meaning pg_meaning(const struct pg_link *k);
/* "relation "acct" does not exist (42P01)": for messages; returns buf. */
const char *pg_words(const struct pg_link *k, char *buf, size_t size);

/* One statement with parameters as text; its result, to be cleared, or NULL. */
PGresult *pg_ask(struct pg_link *k, const char *sql, int n, const char *const *values);
/* Statements without parameters; 0 or -1. */
int pg_run(struct pg_link *k, const char *sql);
/* A cell as a number. */
uint64_t pg_number(const PGresult *res, int row, int column);

/* Text as a literal, an identifier in quotes ("schema"."table" of Schema.Table). */
void pg_quote(struct strbuf *b, const char *text, size_t n);
void pg_quote_name(struct strbuf *b, const char *name);
void pg_quote_table(struct strbuf *b, const char *name);

#endif /* PGSQL_LINK_H */
