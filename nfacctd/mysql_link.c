/*
 * mysql_link.c - see mysql_link.h.  Arrays go row-wise (STMT_ATTR_ROW_SIZE):
 * one struct a row, filled once, no arrays of pointers.
 */
#include "nfacctd/mysql_link.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/sql_secret.h"

enum {
	CONNECT_SECONDS = 5,
	LOCK_SECONDS = 20,
	ANSWER_SECONDS = 30,	/* above LOCK_SECONDS, so that the server speaks first */
	ANSWER_SECONDS_MAX = 960,
	UNIX_PREFIX = 5,	/* "unix:" */
	DEFAULT_PACKET = 1 << 20
};

/* Errors that a row's values cause; of anything else the row may be innocent. */
static const unsigned refusals[] = {
	1048,	/* column cannot be null */
	1062,	/* duplicate entry */
	1063, 1099,
	1153,	/* packet too large */
	1216, 1452,	/* foreign key */
	1264,	/* out of range */
	1265,	/* data truncated */
	1292,	/* incorrect datetime or number */
	1300,	/* invalid character string */
	1366,	/* incorrect value */
	1406,	/* data too long */
	1411,	/* incorrect value for a function */
	1441,	/* datetime overflow */
	1526, 1748,	/* no partition for the value */
	1644,	/* SIGNAL in a trigger */
	1690,	/* out of range in an expression: the sum no longer fits */
	3819, 4025,	/* CHECK constraint */
};

/* 1205 lock wait, 1213 deadlock, 1020 changed since last read, 1180 Galera at COMMIT. */
static const unsigned replays[] = { 1205, 1213, 1020, 1180 };

static bool among(const unsigned *list, size_t n, unsigned err)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == err)
			return true;
	return false;
}

enum link_meaning link_meaning(unsigned err)
{
	if (err == 0)
		return LINK_OK;
	/* Time-outs under TLS read 2026; a server that shuts down or kills us says 1053, 1927. */
	if ((err >= 2000 && err <= 2999) || err == 1053 || err == 1927 ||
		(err >= 1158 && err <= 1161))
		return LINK_LOST;
	if (among(replays, sizeof(replays) / sizeof(replays[0]), err))
		return LINK_REPLAY;
	if (among(refusals, sizeof(refusals) / sizeof(refusals[0]), err))
		return LINK_REFUSED;
	return LINK_STUCK;
}

const char *link_words(const struct mysql_link *k, char buf[static LINK_WORDS])
{
	snprintf(buf, LINK_WORDS, "%s (%u)", k->why, k->err);
	return buf;
}

void link_init(struct mysql_link *k)
{
	memset(k, 0, sizeof(*k));
	k->answer_seconds = ANSWER_SECONDS;
}

void link_more_patience(struct mysql_link *k)
{
	if (k->answer_seconds < ANSWER_SECONDS_MAX)
		k->answer_seconds *= 2;
}

static unsigned note(struct mysql_link *k, unsigned err, const char *why)
{
	k->err = err;
	snprintf(k->why, sizeof(k->why), "%s", why);
	return err;
}

static unsigned note_mysql(struct mysql_link *k)
{
	unsigned err = mysql_errno(k->mysql);

	return note(k, err ? err : 2000, mysql_error(k->mysql));
}

static const char *or_else(const char *s, const char *fallback)
{
	return s && *s ? s : fallback;
}

static bool wants_tls(const struct plugin_settings *p)
{
	return p->sql_ca_file || p->sql_cert_file;
}

static void set_tls(struct mysql_link *k, const struct plugin_settings *p)
{
	/* libmariadb checks against a CA that it has, whatever it was told about checking. */
	const char *ca = p->sql_verify ? p->sql_ca_file : NULL;

	if (!wants_tls(p))
		return;
	mysql_ssl_set(k->mysql, p->sql_key_file, p->sql_cert_file, ca, NULL, NULL);
#ifdef MARIADB_BASE_VERSION
	{
		my_bool on = 1, verify = p->sql_verify;

		mysql_options(k->mysql, MYSQL_OPT_SSL_ENFORCE, &on);
		mysql_options(k->mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
#else
	{
		unsigned mode = p->sql_verify ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_REQUIRED;

		mysql_options(k->mysql, MYSQL_OPT_SSL_MODE, &mode);
	}
#endif
}

static void set_options(struct mysql_link *k, const struct plugin_settings *p)
{
	unsigned connect = CONNECT_SECONDS, answer = k->answer_seconds, off = 0;

	mysql_options(k->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(k->mysql, MYSQL_OPT_READ_TIMEOUT, &answer);
	mysql_options(k->mysql, MYSQL_OPT_WRITE_TIMEOUT, &answer);
	/* A server may not ask this client for its files. */
	mysql_options(k->mysql, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(k->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	set_tls(k, p);
}

/* FLOWLEDGER_MYSQL_BULK=off takes the path of servers that have no arrays, for tests. */
static bool takes_arrays(MYSQL *mysql)
{
	const char *wish = getenv("FLOWLEDGER_MYSQL_BULK");

	if (wish && strcmp(wish, "off") == 0)
		return false;
#if defined(MARIADB_BASE_VERSION) && defined(MARIADB_CLIENT_STMT_BULK_OPERATIONS)
	unsigned long more = 0;

	return mariadb_get_infov(mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &more) ==
		0 &&
		(more & (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32));
#else
	(void)mysql;
	return false;
#endif
}

static unsigned session(struct mysql_link *k, const struct plugin_settings *p)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	/* Without a check of its certificate libmariadb goes on in clear text with a server that
	 * has no TLS, enforced or not. */
	if (wants_tls(p) && !mysql_get_ssl_cipher(k->mysql))
		return note(k, 2026, "the server has no TLS, and sql_conn_* asks for it");
	/* Without a strict mode the server clips values, and says nothing to us. */
	if (link_runf(k, "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
		      " autocommit=1") != 0)
		return k->err;
	/* Row and table locks; by default a table lock is waited for a day. A server without InnoDB
	 * has no first. */
	link_runf(k, "SET SESSION innodb_lock_wait_timeout=LEAST(@@innodb_lock_wait_timeout, %d)",
		LOCK_SECONDS);
	link_runf(k, "SET SESSION lock_wait_timeout=LEAST(@@lock_wait_timeout, %d)", LOCK_SECONDS);
	if (p->timestamps_utc && link_runf(k, "SET SESSION time_zone='+00:00'") != 0)
		return k->err;
	res = link_select(k, "SELECT @@max_allowed_packet");
	if (!res)
		return k->err;
	row = mysql_fetch_row(res);
	k->packet = row && row[0] ? strtoull(row[0], NULL, 10) : DEFAULT_PACKET;
	mysql_free_result(res);
	/* A server that does not know the format any more logs rows. */
	res = link_select(k, "SELECT 1 FROM DUAL WHERE @@log_bin AND @@binlog_format='STATEMENT'");
	k->statement_log = res && mysql_num_rows(res) > 0;
	mysql_free_result(res);
	k->bulk = takes_arrays(k->mysql) && !k->statement_log;	/* else error 4033 */
	return 0;
}

unsigned link_connect(struct mysql_link *k, const struct plugin_settings *p)
{
	const char *host = or_else(p->sql_host, "localhost"), *sock = NULL;
	const char *user = or_else(p->sql_user, "pmacct"), *db = or_else(p->sql_db, "pmacct");
	char password[SQL_PASSWORD_MAX];

	link_close(k);
	snprintf(k->where, sizeof(k->where), "user \"%s\" at \"%s\", database \"%s\"", user, host,
		db);
	if (!sql_password(p, password, k->why, sizeof(k->why)))
		return k->err = LINK_OURS;
	if (strncmp(host, "unix:", UNIX_PREFIX) == 0) {
		sock = host + UNIX_PREFIX;
		host = NULL;
	}
	k->mysql = mysql_init(NULL);
	if (!k->mysql)
		return note(k, 2008, "out of memory");
	set_options(k, p);
	if (!mysql_real_connect(k->mysql, host, user, password, db, p->sql_port, sock, 0) ||
	    session(k, p) != 0) {
		if (!k->err || mysql_errno(k->mysql))
			note_mysql(k);
		mysql_close(k->mysql);
		k->mysql = NULL;
	} else {
		k->err = 0;
	}
	explicit_bzero(password, sizeof(password));
	return k->err;
}

void link_close(struct mysql_link *k)
{
	if (k->mysql)
		mysql_close(k->mysql);
	k->mysql = NULL;
	k->err = 0;
}

/* The beginning tells what it is; rows of a million octets do not. */
static void tell(const struct mysql_link *k, const char *sql, size_t n)
{
	log_debug("%s: %.*s", k->where, (int)(n < 400 ? n : 400), sql);
}

unsigned link_run(struct mysql_link *k, const char *sql, size_t n, uint64_t *affected)
{
	MYSQL_RES *res;

	if (!k->mysql)
		return note(k, 2006, "not connected");
	tell(k, sql, n);
	if (mysql_real_query(k->mysql, sql, n) != 0)
		return note_mysql(k);
	res = mysql_store_result(k->mysql);
	if (res)
		mysql_free_result(res);
	if (affected)
		*affected = mysql_affected_rows(k->mysql);
	return k->err = 0;
}

static void format(struct strbuf *b, const char *fmt, va_list ap)
{
	char small[2048], *big;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		strbuf_addn(b, small, (size_t)n);
	} else if (n >= 0) {
		big = xmalloc((size_t)n + 1);
		vsnprintf(big, (size_t)n + 1, fmt, again);
		strbuf_addn(b, big, (size_t)n);
		free(big);
	}
	va_end(again);
}

unsigned link_runf(struct mysql_link *k, const char *fmt, ...)
{
	struct strbuf b = { NULL, 0, 0 };
	va_list ap;
	unsigned err;

	va_start(ap, fmt);
	format(&b, fmt, ap);
	va_end(ap);
	err = link_run(k, b.s, b.n, NULL);
	strbuf_clear(&b);
	return err;
}

MYSQL_RES *link_select(struct mysql_link *k, const char *fmt, ...)
{
	struct strbuf b = { NULL, 0, 0 };
	MYSQL_RES *res = NULL;
	va_list ap;

	va_start(ap, fmt);
	format(&b, fmt, ap);
	va_end(ap);
	if (!k->mysql) {
		note(k, 2006, "not connected");
	} else if (mysql_real_query(k->mysql, b.s, b.n) != 0 ||
		!(res = mysql_store_result(k->mysql))) {
		note_mysql(k);
	} else {
		k->err = 0;
	}
	strbuf_clear(&b);
	return res;
}

uint64_t link_matched(struct mysql_link *k)
{
	const char *info = k->mysql ? mysql_info(k->mysql) : NULL, *at;

	at = info ? strchr(info, ':') : NULL;	/* "Rows matched: 3  Changed: 3  Warnings: 0" */
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

MYSQL_STMT *link_prepare(struct mysql_link *k, const char *sql, size_t n)
{
	MYSQL_STMT *stmt;

	if (!k->mysql) {
		note(k, 2006, "not connected");
		return NULL;
	}
	stmt = mysql_stmt_init(k->mysql);
	if (!stmt) {
		note(k, 2008, "out of memory");
		return NULL;
	}
	tell(k, sql, n);
	if (mysql_stmt_prepare(stmt, sql, n) != 0) {
		note(k, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
		mysql_stmt_close(stmt);
		return NULL;
	}
	k->err = 0;
	return stmt;
}

static unsigned note_stmt(struct mysql_link *k, MYSQL_STMT *stmt)
{
	unsigned err = mysql_stmt_errno(stmt);

	return note(k, err ? err : 2000, mysql_stmt_error(stmt));
}

/* The parameters of one row. */
static void bind_row(MYSQL_BIND *bind, const struct link_param *params, size_t nparams, char *row)
{
	for (size_t i = 0; i < nparams; i++) {
		bind[i].buffer = row + params[i].offset;
		bind[i].buffer_type = !params[i].text ? MYSQL_TYPE_LONGLONG :
				      params[i].binary ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING;
		bind[i].is_unsigned = 1;
		if (params[i].text)
			bind[i].length = (unsigned long *)(void *)(row + params[i].length_offset);
	}
}

unsigned link_execute(struct mysql_link *k, MYSQL_STMT *stmt, uint64_t *affected)
{
	if (mysql_stmt_execute(stmt))
		return note_stmt(k, stmt);
	*affected = mysql_stmt_affected_rows(stmt);
	return k->err = 0;
}

unsigned link_bind_rows(struct mysql_link *k, MYSQL_STMT *stmt, const struct link_param *params,
			size_t nparams, void *rows, size_t row_size, size_t nrows)
{
	MYSQL_BIND *bind = xcalloc(nparams * nrows, sizeof(*bind));

	for (size_t i = 0; i < nrows; i++)
		bind_row(bind + i * nparams, params, nparams, (char *)rows + i * row_size);
	k->err = 0;
	if (mysql_stmt_bind_param(stmt, bind))	/* which copies it */
		note_stmt(k, stmt);
	free(bind);
	return k->err;
}

#if defined(MARIADB_BASE_VERSION) && defined(MARIADB_CLIENT_STMT_BULK_OPERATIONS)
enum { PARAMS_MAX = 128 };

unsigned link_execute_rows(struct mysql_link *k, MYSQL_STMT *stmt, const struct link_param *params,
			   size_t nparams, void *rows, size_t row_size, size_t nrows,
			   uint64_t *affected)
{
	MYSQL_BIND bind[PARAMS_MAX];
	unsigned count = (unsigned)nrows;

	if (nparams > PARAMS_MAX)
		return note(k, 1, "too many columns");
	memset(bind, 0, sizeof(bind));
	bind_row(bind, params, nparams, rows);
	mysql_stmt_attr_set(stmt, STMT_ATTR_ROW_SIZE, &row_size);
	mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &count);
	if (mysql_stmt_bind_param(stmt, bind))
		return note_stmt(k, stmt);
	return link_execute(k, stmt, affected);
}
#else
unsigned link_execute_rows(struct mysql_link *k, MYSQL_STMT *stmt, const struct link_param *params,
			   size_t nparams, void *rows, size_t row_size, size_t nrows,
			   uint64_t *affected)
{
	(void)stmt, (void)params, (void)nparams, (void)rows, (void)row_size, (void)nrows,
		(void)affected;
	return note(k, 5003, "the client library has no arrays of rows");
}
#endif

static void add_hex(struct strbuf *b, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addf(b, "%02x", (unsigned char)bytes[i]);
}

void link_quote(struct strbuf *b, const char *text, size_t n)
{
	bool plain = true;

	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '\'' || text[i] == '\\')
			plain = false;
	if (plain) {
		strbuf_add(b, "'");
		strbuf_addn(b, text, n);
		strbuf_add(b, "'");
		return;
	}
	strbuf_add(b, "_utf8mb4 x'");
	add_hex(b, text, n);
	strbuf_add(b, "'");
}

void link_quote_binary(struct strbuf *b, const char *bytes, size_t n)
{
	strbuf_add(b, "x'");
	add_hex(b, bytes, n);
	strbuf_add(b, "'");
}

void link_quote_name(struct strbuf *b, const char *name)
{
	strbuf_add(b, "`");
	for (; *name; name++) {
		if (*name == '`')
			strbuf_add(b, "`");
		strbuf_addn(b, name, 1);
	}
	strbuf_add(b, "`");
}
