/*
 * sink_sqlite3.c - sums into an SQLite 3 file (sql_db), with the tables of the
 * mysql sink.  Creates no file and, without sql_table_schema, no table.
 *
 * A row is looked up by its key columns and then added to or inserted, which is
 * right whatever keys the table has; the sums are made here and not in SQL,
 * because SQLite turns an integer that overflows into a float without a word.
 * One transaction a purge, with its line in flow_ledger when that table exists.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/sqlite3_sink.h"

enum {
	BUSY_MS = 10000
};

int sqlite_failed(struct sink_sqlite *s, const char *doing)
{
	snprintf(s->why, sizeof(s->why), "%s: %s", doing, sqlite3_errmsg(s->db));
	return -1;
}

int sqlite_run(struct sink_sqlite *s, const char *sql)
{
	log_debug("%s: %.400s", s->book.who, sql);
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_failed(s, sql);
}

/* One transaction: 0 done, 1 was done before, -1 with s->why. */
static int play(struct sink_sqlite *s, const struct purge *p, struct name_groups *g)
{
	int known;

	memset(&s->tally, 0, sizeof(s->tally));
	for (size_t i = 0; s->p->sql_table_schema && i < g->n; i++)
		if (sqlite_make_table(s, p, &g->group[i]) != 0)
			return -1;
	if (sqlite_run(s, "BEGIN IMMEDIATE") != 0)
		return -1;
	known = s->ledger ? sqlite_write_ledger(s, p) : 0;
	if (known != 0)
		return known;
	for (size_t i = 0; i < g->n; i++)
		if (sqlite_write_group(s, p, &g->group[i]) != 0)
			return -1;
	if (g->unnamed)
		sql_book_refuse_unnamed(&s->book, &s->tally, &s->columns, s->table, s->p, s->l, p);
	s->in_doubt = p->id;
	if (sqlite_run(s, "COMMIT") != 0)
		return -1;
	s->in_doubt = 0;
	return 0;
}

static enum sink_result sqlite_write(void *sink, const struct purge *p)
{
	struct sink_sqlite *s = sink;
	uint64_t start = clock_mono_ns();
	struct name_groups g;
	int done;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return SINK_RETRY;
	do {
		done = play(s, p, &g);
		sql_book_end(&s->book, p, &s->tally);
		if (done != 0 && !sqlite3_get_autocommit(s->db))
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		if (done == 1 && (s->in_doubt == p->id || p->replayed))
			break;
		if (done == 1)
			sql_book_new_run(&s->book, p);
	} while (done == 1);
	if (done == 1 && p->replayed)
		log_info("%s: purge %" PRIu64 " is in the database already", s->book.who, p->id);
	if (done >= 0) {
		sql_book_written(&s->book, p, &s->tally);
	} else {
		s->book.counts.retries++;
		sql_book_trouble(&s->book, p, "purge not written", s->why, s->path);
	}
	name_groups_clear(&g);
	s->book.counts.write_ns += clock_mono_ns() - start;
	return done >= 0 ? SINK_OK : SINK_RETRY;
}

static void sqlite_close(void *sink)
{
	struct sink_sqlite *s = sink;

	if (!s)
		return;
	sql_tables_clear(&s->tables);
	sqlite3_close(s->db);
	strbuf_clear(&s->text);
	free(s);
}

static bool open_file(struct sink_sqlite *s)
{
	char script[SQL_SCRIPT_MAX];
	sqlite3_stmt *stmt;

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK) {
		sql_table_script(script, sizeof(script), s->p, "sqlite3");
		log_error("%s: sql_db: \"%s\": %s; sqlite3 %s < %s makes it", s->book.who, s->path,
			s->db ? sqlite3_errmsg(s->db) : "out of memory", s->path, script);
		return false;
	}
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (sqlite_run(s, "PRAGMA synchronous=FULL") != 0 ||
		sqlite3_prepare_v2(s->db,
			"SELECT COUNT(*) FROM sqlite_master WHERE name='flow_ledger'", -1, &stmt,
			NULL) != SQLITE_OK) {
		log_error("%s: sql_db: \"%s\": %s", s->book.who, s->path, sqlite3_errmsg(s->db));
		return false;
	}
	s->ledger = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) > 0;
	sqlite3_finalize(stmt);
	return true;
}

/* A file may be others', too: its mode is told, not changed. */
static void tell_mode(struct sink_sqlite *s)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(s->db, "PRAGMA journal_mode", -1, &stmt, NULL) != SQLITE_OK)
		return;
	if (sqlite3_step(stmt) == SQLITE_ROW &&
	    strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0)
		log_info("%s: \"%s\": a purge waits for whoever reads, and he for it; run: sqlite3 "
			 "%s 'PRAGMA journal_mode=WAL'", s->book.who, s->path, s->path);
	sqlite3_finalize(stmt);
}

/* The table, made when sql_table_schema says how; --check writes nothing. */
static unsigned inspect(struct sink_sqlite *s, bool check_only)
{
	const bool dynamic = name_is_dynamic(s->table), schema = s->p->sql_table_schema != NULL;
	const bool dry = dynamic || (check_only && !sqlite_table_exists(s, s->table));
	unsigned problems;

	if (schema && (dry ? sqlite_check_schema(s) : sqlite_create_table(s, 0, NULL)) != 0) {
		log_error("%s: %s", s->book.who, s->why);
		return 1;
	}
	if (schema && dry && !dynamic)
		log_info("%s: table %s does not exist; sql_table_schema: \"%s\" will make it",
			 s->book.who, s->table, s->p->sql_table_schema);
	if (dynamic || (schema && dry) || !s->p->sql_check)
		return 0;
	problems = sqlite_check_columns(s, s->table);
	if (problems == 0)
		sqlite_check_indexes(s, s->table);
	return problems;
}

static struct sink_sqlite *open_counting(const struct plugin_settings *p,
	const struct key_layout *l, uint64_t run_id, bool check_only, unsigned *problems)
{
	struct sink_sqlite *s = xcalloc(1, sizeof(*s));
	char why[256];

	s->p = p;
	s->l = l;
	s->tables.forget = sqlite_forget_table;
	s->book.run_id = run_id;
	s->path = p->sql_db && *p->sql_db ? p->sql_db : "/tmp/pmacct.db";
	snprintf(s->book.who, sizeof(s->book.who), "%s/sqlite3", p->name);
	if (p->sql_table && strlen(p->sql_table) > SQL_TABLE_NAME_MAX) {
		log_error("%s: sql_table: \"%s\": at most 64 characters expected", s->book.who,
			p->sql_table);
		++*problems;
	} else if (!sql_columns_make(&s->columns, p, l, why, sizeof(why))) {
		log_error("%s: %s", s->book.who, why);
		++*problems;
	} else if (!open_file(s)) {
		++*problems;
	}
	if (*problems)
		return s;
	tell_mode(s);
	if (p->sql_table)
		snprintf(s->table, sizeof(s->table), "%s", p->sql_table);
	else
		sql_default_table(s->table, sizeof(s->table), p);
	*problems += inspect(s, check_only);
	return s;
}

static void *sqlite_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	unsigned problems = 0;
	struct sink_sqlite *s = open_counting(p, l, run_id, false, &problems);

	if (problems == 0)
		return s;
	sqlite_close(s);
	return NULL;
}

static unsigned sqlite_check(const struct plugin_settings *p, const struct key_layout *l)
{
	unsigned problems = 0;

	sqlite_close(open_counting(p, l, 0, true, &problems));
	return problems;
}

static const struct sink_counts *sqlite_counts(void *sink)
{
	return &((struct sink_sqlite *)sink)->book.counts;
}

/* The file tells at once whether a COMMIT is in it. */
static enum sink_trouble sqlite_trouble(void *sink)
{
	return ((struct sink_sqlite *)sink)->in_doubt ? SINK_DOUBT : SINK_DOWN;
}

static bool sqlite_remembers(void *sink)
{
	return ((struct sink_sqlite *)sink)->ledger;
}

static int sqlite_execute(void *sink, const char *sql, size_t n, char why[static 256])
{
	struct sink_sqlite *s = sink;

	(void)n;	/* it ends with a NUL */
	if (!s->db || sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(why, 256, "%.250s", s->db ? sqlite3_errmsg(s->db) : "not open");
		return -1;
	}
	return 0;
}

const struct sink sink_sqlite3 = {
	.type = "sqlite3",
	.open = sqlite_open,
	.check = sqlite_check,
	.write = sqlite_write,
	.salvage = sqlite_salvage,
	.counts = sqlite_counts,
	.trouble = sqlite_trouble,
	.remembers = sqlite_remembers,
	.execute = sqlite_execute,
	.close = sqlite_close,
};
