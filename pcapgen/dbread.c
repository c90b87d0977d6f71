/*
 * dbread.c - see dbread.h.
 */
#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "base/protonames.h"
#include "base/strbuf.h"
#include "pcapgen/dbread.h"
#include "pcapgen/dbread_pgsql.h"

enum { NO_SUCH_TABLE = 1146, STAMPS_AT_ONCE = 200 };

struct dbread {
	MYSQL *mysql;
	sqlite3 *sqlite;
	void *pgsql;
};

/* ---- connecting ---------------------------------------------------------------- */

/* The first line of sql_passwd_file, or sql_passwd. */
static char *password(const struct rules_plugin *p)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *f;

	if (!p->passwd_file)
		return xstrdup(p->passwd);
	f = fopen(p->passwd_file, "re");
	if (!f || getline(&line, &cap, f) < 0) {
		log_error_errno("sql_passwd_file: \"%s\"", p->passwd_file);
		free(line);
		line = NULL;
	} else {
		line[strcspn(line, "\r\n")] = '\0';
	}
	if (f)
		fclose(f);
	return line;
}

/* As the collector: whoever asks for TLS gets it, or no connection. */
static void set_tls(MYSQL *m, const struct rules_plugin *p)
{
	if (!p->ca_file && !p->cert_file)
		return;
	mysql_ssl_set(m, p->key_file, p->cert_file, p->verify_cert ? p->ca_file : NULL, NULL, NULL);
#ifdef MARIADB_BASE_VERSION
	{
		my_bool on = 1, verify = p->verify_cert;

		mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &on);
		mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
#else
	{
		unsigned mode = p->verify_cert ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_REQUIRED;

		mysql_options(m, MYSQL_OPT_SSL_MODE, &mode);
	}
#endif
}

static int connect_mysql(struct dbread *d, const struct rules_plugin *p)
{
	const char *path = !strncmp(p->host, "unix:", 5) ? p->host + 5 : NULL;
	char *pass = password(p);
	unsigned seconds = 10;
	int err = 0;

	if (!pass)
		return -1;
	d->mysql = mysql_init(NULL);
	if (!d->mysql) {
		log_error("plugin %s: no memory for a MySQL connection", p->name);
		free(pass);
		return -1;
	}
	mysql_options(d->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	set_tls(d->mysql, p);
	if (!mysql_real_connect(
		    d->mysql, path ? NULL : p->host, p->user, pass, p->db, p->port, path, 0)) {
		log_error("plugin %s: sql_host: \"%s\", sql_db: \"%s\": %s", p->name, p->host,
			p->db, mysql_error(d->mysql));
		err = -1;
	} else if ((p->ca_file || p->cert_file) && !mysql_get_ssl_cipher(d->mysql)) {
		log_error("plugin %s: sql_host: \"%s\": the server has no TLS, and sql_conn_* asks "
			  "for it", p->name, p->host);
		err = -1;
	} else if (p->utc && mysql_query(d->mysql, "SET SESSION time_zone='+00:00'")) {
		log_error("plugin %s: %s", p->name, mysql_error(d->mysql));
		err = -1;
	}
	free(pass);
	return err;
}

static int connect_sqlite(struct dbread *d, const struct rules_plugin *p)
{
	if (sqlite3_open_v2(p->db, &d->sqlite, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		log_error(
			"plugin %s: sql_db: \"%s\": %s", p->name, p->db, sqlite3_errmsg(d->sqlite));
		return -1;
	}
	sqlite3_busy_timeout(d->sqlite, 10000);
	return 0;
}

static int connect_pgsql(struct dbread *d, const struct rules_plugin *p)
{
	char *pass = password(p);

	if (pass)
		d->pgsql = dbread_pgsql_open(p, pass);
	free(pass);
	return d->pgsql ? 0 : -1;
}

struct dbread *dbread_open(const struct rules_plugin *p)
{
	struct dbread *d = xcalloc(1, sizeof(*d));
	int err = !strcmp(p->type, "sqlite3") ? connect_sqlite(d, p)
		  : rules_plugin_is_pgsql(p)  ? connect_pgsql(d, p)
					      : connect_mysql(d, p);

	if (!err)
		return d;
	dbread_close(d);
	return NULL;
}

void dbread_close(struct dbread *d)
{
	if (!d)
		return;
	if (d->mysql)
		mysql_close(d->mysql);
	if (d->pgsql)
		dbread_pgsql_close(d->pgsql);
	sqlite3_close(d->sqlite);
	free(d);
}

/* ---- bins as this session shows them ------------------------------------------------ */

struct stamps {
	struct rules *r;
	const int64_t *bins;
	unsigned n;
};

static int store_stamps(void *ctx, const char *const *row)
{
	const struct stamps *s = ctx;
	sqlite3_stmt *st = rules_prepare(s->r, "INSERT INTO stamp VALUES (?, ?)");
	int err = st ? 0 : -1;

	for (unsigned i = 0; st && i < s->n; i++) {
		sqlite3_bind_int64(st, 1, s->bins[i]);
		sqlite3_bind_text(st, 2, row[i] ? row[i] : "NULL", -1, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			err = -1;
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return err;
}

static int ask_stamps(struct dbread *d, struct rules *r, const struct rules_plugin *p,
	struct strbuf *ask, const int64_t *bins, unsigned n)
{
	struct stamps s = { r, bins, n };
	MYSQL_RES *res;
	MYSQL_ROW row;
	int err;

	if (d->pgsql)
		return dbread_pgsql_ask(d->pgsql, p, ask->s, store_stamps, &s);
	if (mysql_query(d->mysql, ask->s) || !(res = mysql_store_result(d->mysql))) {
		log_error("plugin %s: %s", p->name, mysql_error(d->mysql));
		return -1;
	}
	row = mysql_fetch_row(res);
	err = row ? store_stamps(&s, (const char *const *)row) : -1;
	mysql_free_result(res);
	return err;
}

int dbread_stamps(struct rules *r, const struct rules_plugin *p, void *ctx)
{
	struct dbread *d = ctx;
	int64_t bins[STAMPS_AT_ONCE];
	struct strbuf ask = { 0 };
	sqlite3_stmt *st;
	unsigned n = 0;
	int err = 0, got;

	/* SQLite has no zone of its own: the collector's local time is ours. */
	if (d->sqlite || p->since_epoch)
		return 0;
	if (rules_exec(r, "CREATE TEMP TABLE IF NOT EXISTS bins(bin INTEGER); DELETE FROM bins;"
		       "INSERT INTO bins SELECT DISTINCT bin FROM placed"))
		return -1;
	st = rules_prepare(r, "SELECT bin FROM bins");
	if (!st)
		return -1;
	do {
		got = sqlite3_step(st);
		if (got == SQLITE_ROW) {
			bins[n] = sqlite3_column_int64(st, 0);
			strbuf_addf(&ask, d->pgsql ? "%sto_timestamp(%lld)::timestamp"
						   : "%sFROM_UNIXTIME(%lld)",
				    n ? ", " : "SELECT ", (long long)bins[n]);
			n++;
		}
		if (n == STAMPS_AT_ONCE || (got != SQLITE_ROW && n)) {
			err = ask_stamps(d, r, p, &ask, bins, n);
			strbuf_reset(&ask);
			n = 0;
		}
	} while (got == SQLITE_ROW && !err);
	sqlite3_finalize(st);
	strbuf_clear(&ask);
	return err;
}

/* ---- the rows ------------------------------------------------------------------------- */

static void quoted(struct strbuf *b, const char *name)
{
	strbuf_add(b, "`");
	for (; *name; name++)
		if (*name != '`')
			strbuf_addn(b, name, 1);
	strbuf_add(b, "`");
}

/* A column of PostgreSQL's as the text that the others have: types have other fillers. */
static void typed(struct strbuf *b, const struct rules_column *c)
{
	if (!c->filler)
		strbuf_addf(b, c->address ? "split_part(\"%s\"::text, '/', 1)" : "\"%s\"::text",
			    c->name);
	else if (c->address)
		strbuf_addf(b, "CASE \"%s\"::text WHEN '0' THEN '0.0.0.0' "
			    "ELSE split_part(\"%s\"::text, '/', 1) END", c->name, c->name);
	else
		strbuf_addf(b, "replace(\"%s\"::text, '00:00:00:00:00:00', '0:0:0:0:0:0')",
			    c->name);
}

/* The same sums from PostgreSQL, by the columns' numbers. */
static void select_pgsql(struct strbuf *b, const struct rules_shape *shape, const char *table)
{
	size_t n = shape->n + shape->history;

	strbuf_add(b, "SELECT ");
	for (size_t i = 0; i < shape->n; i++) {
		typed(b, &shape->column[i]);
		strbuf_add(b, ", ");
	}
	strbuf_addf(b, "%s, SUM(packets), %s, SUM(bytes), %s FROM ",
		    shape->history ? "stamp_inserted" : "''", shape->flows ? "SUM(flows)" : "0",
		    shape->flags ? "BIT_OR(tcp_flags)" : "0");
	dbread_pgsql_table(b, table);
	for (size_t i = 1; i <= n; i++)
		strbuf_addf(b, "%s%zu", i > 1 ? ", " : " GROUP BY ", i);
}

/* SELECT key columns, stamp, sums FROM table GROUP BY key columns, stamp. */
static void select_sql(struct strbuf *b, bool mysql, const struct rules_plugin *p,
	const struct rules_shape *shape, const char *table)
{
	struct strbuf by = { 0 };

	strbuf_add(b, "SELECT ");
	for (size_t i = 0; i < shape->n; i++) {
		const struct rules_column *c = &shape->column[i];
		bool binary = c->address && p->num_hosts && mysql;

		strbuf_add(b, binary ? "INET6_NTOA(" : "");
		quoted(b, c->name);
		strbuf_add(b, binary ? "), " : ", ");
		strbuf_add(&by, by.n ? ", " : " GROUP BY ");
		quoted(&by, c->name);
	}
	if (shape->history)
		strbuf_addf(&by, "%sstamp_inserted", by.n ? ", " : " GROUP BY ");
	strbuf_addf(b, "%s, SUM(packets), %s, SUM(bytes), %s FROM ",
		shape->history ? "stamp_inserted" : "''", shape->flows ? "SUM(flows)" : "0",
		!shape->flags   ? "0"
			: mysql ? "BIT_OR(tcp_flags)"
				: "bits(tcp_flags)");
	quoted(b, table);
	if (by.n)
		strbuf_add(b, by.s);
	strbuf_clear(&by);
}

/* One cell of the key: digits of a protocol that has a name stand for the name (a column too short
 * for it). */
static void add_cell(struct strbuf *key, const struct rules_plugin *p, const struct rules_column *c,
	const char *text)
{
	const char *name = NULL;

	if (c->proto && !p->num_protos && text && *text >= '0' && *text <= '9' &&
		proto_number(text) > 0)
		name = proto_name((uint8_t)proto_number(text));
	strbuf_add(key, name ? name : text ? text : "NULL");
}

/* Cells in the order of select_sql. */
static int store(sqlite3_stmt *st, struct strbuf *key, const struct rules_plugin *p,
	const struct rules_shape *shape, const char *const *cell)
{
	size_t n = shape->n;
	int err;

	strbuf_reset(key);
	strbuf_add(key, "");
	for (size_t i = 0; i < n; i++) {
		strbuf_add(key, i ? "\t" : "");
		add_cell(key, p, &shape->column[i], cell[i]);
	}
	sqlite3_bind_text(st, 1, key->s, -1, SQLITE_STATIC);
	for (int i = 0; i < 5; i++)
		sqlite3_bind_text(st, 2 + i, cell[n + (size_t)i] ? cell[n + (size_t)i] : "0", -1,
			SQLITE_STATIC);
	err = sqlite3_step(st) == SQLITE_DONE ? 0 : -1;
	sqlite3_reset(st);
	return err;
}

/* 0, -1 after logging, 1: there is no such table. */
static int mysql_rows(struct dbread *d, sqlite3_stmt *st, const struct rules_plugin *p,
		      const struct rules_shape *shape, const char *sql)
{
	struct strbuf key = { 0 };
	MYSQL_RES *res;
	MYSQL_ROW row;
	int err = 0;

	if (mysql_query(d->mysql, sql) || !(res = mysql_use_result(d->mysql))) {
		if (mysql_errno(d->mysql) == NO_SUCH_TABLE)
			return 1;
		log_error("plugin %s: table \"%s\": %s", p->name, p->table, mysql_error(d->mysql));
		return -1;
	}
	while (!err && (row = mysql_fetch_row(res)))
		/* Without GROUP BY columns an empty table gives one row of NULLs. */
		if (row[shape->n + 1] || shape->n || shape->history)
			err = store(st, &key, p, shape, (const char *const *)row);
	if (!err && mysql_errno(d->mysql)) {
		log_error("plugin %s: table \"%s\": %s", p->name, p->table, mysql_error(d->mysql));
		err = -1;
	}
	mysql_free_result(res);
	strbuf_clear(&key);
	return err;
}

static void step_or(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	int64_t *bits = sqlite3_aggregate_context(ctx, sizeof(*bits));

	(void)n;
	if (bits)
		*bits |= sqlite3_value_int64(v[0]);
}

static void final_or(sqlite3_context *ctx)
{
	int64_t *bits = sqlite3_aggregate_context(ctx, 0);

	sqlite3_result_int64(ctx, bits ? *bits : 0);
}

static int sqlite_rows(struct dbread *d, sqlite3_stmt *st, const struct rules_plugin *p,
		       const struct rules_shape *shape, const char *sql)
{
	const char *cell[RULES_COLUMNS + 5];
	struct strbuf key = { 0 };
	sqlite3_stmt *from = NULL;
	int err = 0, got;

	sqlite3_create_function(d->sqlite, "bits", 1, SQLITE_UTF8, NULL, NULL, step_or, final_or);
	if (sqlite3_prepare_v2(d->sqlite, sql, -1, &from, NULL) != SQLITE_OK) {
		if (strstr(sqlite3_errmsg(d->sqlite), "no such table"))
			return 1;
		log_error("plugin %s: table \"%s\": %s", p->name, p->table,
			sqlite3_errmsg(d->sqlite));
		return -1;
	}
	while ((got = sqlite3_step(from)) == SQLITE_ROW && !err) {
		for (int i = 0; i < (int)shape->n + 5; i++)
			cell[i] = (const char *)sqlite3_column_text(from, i);
		if (cell[shape->n + 1] || shape->n || shape->history)
			err = store(st, &key, p, shape, cell);
	}
	if (!err && got != SQLITE_DONE) {
		log_error("plugin %s: table \"%s\": %s", p->name, p->table,
			sqlite3_errmsg(d->sqlite));
		err = -1;
	}
	sqlite3_finalize(from);
	strbuf_clear(&key);
	return err;
}

struct pgsql_store {
	sqlite3_stmt *st;
	struct strbuf key;
	const struct rules_plugin *p;
	const struct rules_shape *shape;
};

static int store_pgsql(void *ctx, const char *const *cell)
{
	struct pgsql_store *s = ctx;

	if (!cell[s->shape->n + 1] && !s->shape->n && !s->shape->history)
		return 0;
	return store(s->st, &s->key, s->p, s->shape, cell);
}

static int pgsql_rows(struct dbread *d, sqlite3_stmt *st, const struct rules_plugin *p,
		      const struct rules_shape *shape, const char *table)
{
	struct pgsql_store s = { .st = st, .p = p, .shape = shape };
	struct strbuf sql = { 0 };
	int err;

	select_pgsql(&sql, shape, table);
	err = dbread_pgsql_ask(d->pgsql, p, sql.s, store_pgsql, &s);
	strbuf_clear(&sql);
	strbuf_clear(&s.key);
	return err;
}

static int one_table(struct dbread *d, sqlite3_stmt *st, const struct rules_plugin *p,
		     const struct rules_shape *shape, const char *table)
{
	struct strbuf sql = { 0 };
	int err;

	if (d->pgsql)
		return pgsql_rows(d, st, p, shape, table);
	select_sql(&sql, d->mysql != NULL, p, shape, table);
	err = d->mysql ? mysql_rows(d, st, p, shape, sql.s) : sqlite_rows(d, st, p, shape, sql.s);
	strbuf_clear(&sql);
	return err;
}

/* ---- tables whose names hold the time of the bin ------------------------------------------ */

/* %Y%m%d of the bin's start, $ref and $hst; -1 after logging a variable that is not modelled. */
static int table_name(char *to, size_t n, const struct rules_plugin *p, int64_t bin)
{
	char plain[256];
	time_t at = (time_t)bin;
	struct tm tm;
	size_t used = 0;

	for (const char *c = p->table; *c && used + 24 < sizeof(plain);) {
		if (!strncmp(c, "$ref", 4)) {
			used += (size_t)snprintf(plain + used, 24, "%u", p->refresh_time);
			c += 4;
		} else if (!strncmp(c, "$hst", 4)) {
			used += (size_t)snprintf(plain + used, 24, "%u", p->history.seconds);
			c += 4;
		} else if (*c == '$') {
			log_error("plugin %s: sql_table: \"%s\": verify does not model %s", p->name,
				p->table, c);
			return -1;
		} else {
			plain[used++] = *c++;
		}
	}
	plain[used] = '\0';
	if (p->utc)
		gmtime_r(&at, &tm);
	else
		localtime_r(&at, &tm);
	return strftime(to, n, plain, &tm) ? 0 : -1;
}

static int dynamic_tables(struct dbread *d, struct rules *r, sqlite3_stmt *st,
	const struct rules_plugin *p, const struct rules_shape *shape)
{
	sqlite3_stmt *bins = rules_prepare(r, "SELECT DISTINCT bin FROM expected ORDER BY bin");
	char table[256], last[256] = "";
	int err = bins ? 0 : -1;

	while (!err && sqlite3_step(bins) == SQLITE_ROW) {
		err = table_name(table, sizeof(table), p, sqlite3_column_int64(bins, 0));
		/* Bins come in order, so equal names do, too. */
		if (err || !strcmp(table, last))
			continue;
		strcpy(last, table);
		err = one_table(d, st, p, shape, table);
		if (err == 1) {
			log_warn("plugin %s: there is no table %s", p->name, table);
			err = 0;
		}
	}
	sqlite3_finalize(bins);
	return err;
}

int dbread_rows(struct dbread *d, struct rules *r, const struct rules_plugin *p,
	const struct rules_shape *shape)
{
	sqlite3_stmt *st;
	int err;

	if (rules_exec(r,
		    "DROP TABLE IF EXISTS actual; CREATE TABLE actual(key TEXT, stamp TEXT, "
		    "packets TEXT, flows TEXT,"
		    " octets TEXT, flags INTEGER, PRIMARY KEY(key, stamp)) WITHOUT ROWID"))
		return -1;
	/* Two spellings of a protocol can make one key of two rows. */
	st = rules_prepare(r,
		"INSERT INTO actual VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
		" packets = added(packets, excluded.packets), flows = added(flows, excluded.flows),"
		" octets = added(octets, excluded.octets), flags = flags | excluded.flags");
	if (!st)
		return -1;
	if (strpbrk(p->table, "%$"))
		err = dynamic_tables(d, r, st, p, shape);
	else
		err = one_table(d, st, p, shape, p->table);
	sqlite3_finalize(st);
	if (err == 1)
		log_error(
			"plugin %s: sql_table: \"%s\": there is no such table", p->name, p->table);
	return err ? -1 : 0;
}
