/*
 * pgsql_link.c - see pgsql_link.h.  Statements go through libpq's asynchronous
 * calls: its plain ones wait for a server that is stopped until the end of time,
 * and the flush thread with them.
 */
#include "nfacctd/pgsql_link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "nfacctd/sql_secret.h"

enum {
	CONNECT_SECONDS = 5,
	LOCK_SECONDS = 20,
	ANSWER_SECONDS = 30,	/* above LOCK_SECONDS, so that the server speaks first */
	ANSWER_SECONDS_MAX = 960,
	OPTIONS_MAX = 16
};

/* A class of SQLSTATEs, or one: what it means.  The longest that fits counts, so it comes first. */
static const struct {
	const char *state;
	enum pg_meaning meaning;
} meanings[] = {
	{ "00", PG_DONE },
	{ "40001", PG_REPLAY },	/* serialization failure */
	{ "40P01", PG_REPLAY },	/* deadlock */
	{ "55P03", PG_REPLAY },	/* lock not available: lock_timeout */
	{ "08", PG_LOST },
	{ "57P01", PG_LOST },	/* shutdown by an operator */
	{ "57P02", PG_LOST },	/* another backend crashed */
	{ "57P03", PG_LOST },	/* starting or ending */
	{ "57P05", PG_LOST },	/* idle session ended */
	{ "25P03", PG_LOST },	/* idle transaction ended */
	{ "21000", PG_REFUSED },	/* two rows of one statement are one row of the table */
	{ "22", PG_REFUSED },	/* data: out of range, too long, wrong syntax */
	{ "23", PG_REFUSED },	/* constraints */
	{ "44000", PG_REFUSED },	/* a view's check option */
	{ "54000", PG_REFUSED },	/* a row too large for its index */
	{ "P0001", PG_REFUSED },	/* RAISE in a trigger */
};

enum pg_meaning pg_meaning(const struct pg_link *k)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strncmp(k->state, meanings[i].state, strlen(meanings[i].state)) == 0)
			return meanings[i].meaning;
	return PG_STUCK;
}

const char *pg_words(const struct pg_link *k, char *buf, size_t size)
{
	snprintf(buf, size, "%.480s (%s)", k->why, k->state);
	return buf;
}

void pg_init(struct pg_link *k)
{
	memset(k, 0, sizeof(*k));
	k->answer_seconds = ANSWER_SECONDS;
}

void pg_more_patience(struct pg_link *k)
{
	if (k->answer_seconds < ANSWER_SECONDS_MAX)
		k->answer_seconds *= 2;
}

/* The first line of a message, without its "ERROR:  ". */
static int note(struct pg_link *k, const char *state, const char *why)
{
	const char *text = strncmp(why, "ERROR:  ", 8) == 0 ? why + 8 :
			   strncmp(why, "FATAL:  ", 8) == 0 ? why + 8 : why;

	snprintf(k->state, sizeof(k->state), "%s", state);
	snprintf(k->why, sizeof(k->why), "%.*s", (int)strcspn(text, "\n"), text);
	return -1;
}

static int note_lost(struct pg_link *k)
{
	return note(k, "08006", k->pg ? PQerrorMessage(k->pg) : "not connected");
}

/* ---- connecting ---- */

/* Keyword and value lists as PQconnectdbParams() wants them. */
struct options {
	const char *key[OPTIONS_MAX + 1], *value[OPTIONS_MAX + 1];
	size_t n;
};

static void set(struct options *o, const char *key, const char *value)
{
	if (!value || !*value || o->n == OPTIONS_MAX)
		return;
	o->key[o->n] = key;
	o->value[o->n++] = value;
}

static void set_tls(struct options *o, const struct plugin_settings *p)
{
	if (!p->sql_ca_file && !p->sql_cert_file)
		return;
	/* Never less than what was asked for: libpq's default would go on in clear text. */
	set(o, "sslmode", p->sql_verify ? "verify-full" : "require");
	if (p->sql_verify)
		set(o, "sslrootcert", p->sql_ca_file);
	set(o, "sslcert", p->sql_cert_file);
	set(o, "sslkey", p->sql_key_file);
}

static int session(struct pg_link *k, const struct plugin_settings *p)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SET standard_conforming_strings=on; SET client_min_messages=warning;"
		 " SET default_transaction_isolation='read committed'; SET synchronous_commit=on;"
		 " SET lock_timeout='%ds'%s", LOCK_SECONDS,
		 p->timestamps_utc ? "; SET TIME ZONE 'UTC'" : "");
	return pg_run(k, sql);
}

static void swallow_notice(void *arg, const char *text)
{
	(void)arg, (void)text;	/* libpq would print it on stderr */
}

int pg_connect(struct pg_link *k, const struct plugin_settings *p)
{
	const char *host = p->sql_host && *p->sql_host ? p->sql_host : "localhost";
	char password[SQL_PASSWORD_MAX], port[16], seconds[16];
	struct options o = { .n = 0 };

	pg_close(k);
	if (strncmp(host, "unix:", 5) == 0)
		host += 5;
	snprintf(k->where, sizeof(k->where), "user \"%s\" at \"%s\", database \"%s\"",
		 p->sql_user, host, p->sql_db);
	if (!sql_password(p, password, k->why, sizeof(k->why))) {
		snprintf(k->state, sizeof(k->state), "28000");
		return -1;
	}
	if (*host == '/' && (p->sql_ca_file || p->sql_cert_file))
		return note(k, "08001", "sql_conn_ca_file asks for TLS, which PostgreSQL does not "
			    "speak over a UNIX socket; give sql_host a name or an address");
	snprintf(port, sizeof(port), "%" PRIu32, p->sql_port);
	snprintf(seconds, sizeof(seconds), "%d", CONNECT_SECONDS);
	set(&o, "host", host);
	set(&o, "port", p->sql_port ? port : NULL);
	set(&o, "user", p->sql_user);
	set(&o, "password", password);
	set(&o, "dbname", p->sql_db);
	set(&o, "connect_timeout", seconds);
	set(&o, "application_name", "nfacctd");
	set(&o, "client_encoding", "UTF8");
	set_tls(&o, p);
	k->pg = PQconnectdbParams(o.key, o.value, 0);
	explicit_bzero(password, sizeof(password));
	if (!k->pg || PQstatus(k->pg) != CONNECTION_OK) {
		note(k, "08001", k->pg ? PQerrorMessage(k->pg) : "out of memory");
	} else {
		PQsetNoticeProcessor(k->pg, swallow_notice, NULL);
		if (PQsetnonblocking(k->pg, 1) == 0 && session(k, p) == 0)
			return 0;
	}
	PQfinish(k->pg);
	k->pg = NULL;
	return -1;
}

void pg_close(struct pg_link *k)
{
	PQfinish(k->pg);
	k->pg = NULL;
}

/* ---- statements ---- */

/* Until something may be read, or written when `out`; false after answer_seconds of silence. */
static bool wait_socket(const struct pg_link *k, bool out)
{
	struct pollfd fd = { .fd = PQsocket(k->pg), .events = POLLIN };
	int n;

	if (out)
		fd.events |= POLLOUT;
	do
		n = poll(&fd, 1, (int)k->answer_seconds * 1000);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static int too_slow(struct pg_link *k)
{
	char text[96];

	snprintf(text, sizeof(text), "no answer from the server for %u seconds", k->answer_seconds);
	note(k, "08006", text);
	pg_more_patience(k);
	return -1;
}

/* What was sent, out; and a whole answer in. */
static int pump(struct pg_link *k)
{
	for (;;) {
		int left = PQflush(k->pg);

		if (left < 0)
			return note_lost(k);
		if (left == 0 && !PQisBusy(k->pg))
			return 0;
		if (!wait_socket(k, left > 0))
			return too_slow(k);
		if (!PQconsumeInput(k->pg))
			return note_lost(k);
	}
}

static void note_result(struct pg_link *k, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	/* An error of the library itself has no state: the connection. */
	note(k, state ? state : "08006", text ? text : PQresultErrorMessage(res));
}

/* The last result of what was sent, NULL when one of them is an error. */
static PGresult *collect(struct pg_link *k)
{
	PGresult *last = NULL, *res;
	bool failed = false;

	for (;;) {
		if (pump(k) != 0) {
			PQclear(last);
			return NULL;
		}
		res = PQgetResult(k->pg);
		if (!res)
			break;
		PQclear(last);
		last = res;
		switch (PQresultStatus(res)) {
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK:
		case PGRES_EMPTY_QUERY:
			break;
		default:
			if (!failed)	/* the first says why */
				note_result(k, res);
			failed = true;
		}
	}
	if (!failed && !last)
		note_lost(k);
	if (failed || !last) {
		PQclear(last);
		return NULL;
	}
	snprintf(k->state, sizeof(k->state), "00000");
	return last;
}

PGresult *pg_ask(struct pg_link *k, const char *sql, int n, const char *const *values)
{
	log_debug("%s: %.400s", k->where, sql);
	if (!k->pg || !PQsendQueryParams(k->pg, sql, n, NULL, values, NULL, NULL, 0)) {
		note_lost(k);
		return NULL;
	}
	return collect(k);
}

int pg_run(struct pg_link *k, const char *sql)
{
	PGresult *res;

	log_debug("%s: %.400s", k->where, sql);
	if (!k->pg || !PQsendQuery(k->pg, sql))
		return note_lost(k);
	res = collect(k);
	PQclear(res);
	return res ? 0 : -1;
}

uint64_t pg_number(const PGresult *res, int row, int column)
{
	return strtoull(PQgetvalue(res, row, column), NULL, 10);
}

/* ---- text ---- */

static void doubled(struct strbuf *b, char quote, const char *text, size_t n)
{
	strbuf_addn(b, &quote, 1);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == quote)
			strbuf_addn(b, &quote, 1);
		strbuf_addn(b, &text[i], 1);
	}
	strbuf_addn(b, &quote, 1);
}

void pg_quote(struct strbuf *b, const char *text, size_t n)
{
	doubled(b, '\'', text, n);	/* standard_conforming_strings is on */
}

void pg_quote_name(struct strbuf *b, const char *name)
{
	doubled(b, '"', name, strlen(name));
}

/* In lower case, as the server reads names without quotes: so pmacct writes them. */
void pg_quote_table(struct strbuf *b, const char *name)
{
	char lower[256];
	size_t n = 0;

	for (; name[n] && n < sizeof(lower) - 1; n++)
		lower[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] + 32) : name[n];
	lower[n] = '\0';
	name = lower;
	if (strchr(name, '.')) {
		doubled(b, '"', name, strcspn(name, "."));
		strbuf_add(b, ".");
		name = strchr(name, '.') + 1;
	}
	pg_quote_name(b, name);
}
