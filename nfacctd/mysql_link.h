/*
 * mysql_link.h - one connection to a MySQL or MariaDB server: connecting,
 * statements, arrays of rows, and what an error means for a transaction.  The
 * only file with names that only MariaDB's client library has.
 *
 * Every call returns the server's or client's error number, 0 for none, and
 * leaves its text in `why`.
 */
#ifndef MYSQL_LINK_H
#define MYSQL_LINK_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "nfacctd/settings.h"

enum link_meaning {
	LINK_OK,
	LINK_LOST, /* 2000-2999: the connection is gone, what it was doing has an unknown outcome */
	LINK_REPLAY, /* deadlock, lock timeout: roll back and play the whole transaction again */
	LINK_REFUSED, /* these values will never be taken; another row may be */
	LINK_STUCK /* all else: not now, an operator may have to act */
};
enum link_meaning link_meaning(unsigned err);

struct mysql_link {
	MYSQL *mysql;		/* NULL: not connected */
	bool bulk;		/* the server takes arrays of rows */
	bool statement_log;	/* its binary log has statements: no arrays, no READ COMMITTED */
	uint64_t packet;	/* max_allowed_packet, bytes */
	unsigned answer_seconds;	/* how long to wait for one; for the next connection */
	unsigned err;
	char why[512];
	char where[256]; /* "user@host:port, database db", for messages; never the password */
};

enum { LINK_OURS = 1, LINK_WORDS = 600 };	/* an error number for reasons of our own */
/* "Table 'a.b' doesn't exist (1146)": for messages; returns buf. */
const char *link_words(const struct mysql_link *k, char buf[static LINK_WORDS]);

void link_init(struct mysql_link *k);
/* Something took longer than answer_seconds: the next connection waits twice as long, up to a
 * limit. */
void link_more_patience(struct mysql_link *k);
/* With the strict sql_mode, and the time zone UTC when timestamps_utc asks for it. */
unsigned link_connect(struct mysql_link *k, const struct plugin_settings *p);
void link_close(struct mysql_link *k);

/* A statement without a result set; *affected may be NULL. */
unsigned link_run(struct mysql_link *k, const char *sql, size_t n, uint64_t *affected);
unsigned link_runf(struct mysql_link *k, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "Rows matched" of the UPDATE that ran last. */
uint64_t link_matched(struct mysql_link *k);
/* A statement with a result set that is small; NULL on an error. */
MYSQL_RES *link_select(struct mysql_link *k, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Rows as parameters: each is a member of a row struct. */
struct link_param {
	bool text;		/* else a uint64_t */
	bool binary;
	size_t offset;		/* of the value in the row */
	size_t length_offset;	/* text: of its unsigned long length */
};
MYSQL_STMT *link_prepare(struct mysql_link *k, const char *sql, size_t n);
unsigned link_execute_rows(struct mysql_link *k, MYSQL_STMT *stmt, const struct link_param *params,
	size_t nparams, void *rows, size_t row_size, size_t nrows, uint64_t *affected);
/* A statement with the parameters of nrows rows, for servers that take no arrays; the rows stay
 * where they are. */
unsigned link_bind_rows(struct mysql_link *k, MYSQL_STMT *stmt, const struct link_param *params,
	size_t nparams, void *rows, size_t row_size, size_t nrows);
unsigned link_execute(struct mysql_link *k, MYSQL_STMT *stmt, uint64_t *affected);

struct strbuf;
/* Text as a literal that no character set or sql_mode can change: 'abc', or _utf8mb4 x'..' when in
 * doubt. */
void link_quote(struct strbuf *b, const char *text, size_t n);
void link_quote_binary(struct strbuf *b, const char *bytes, size_t n);
/* An identifier in backquotes. */
void link_quote_name(struct strbuf *b, const char *name);

#endif /* MYSQL_LINK_H */
