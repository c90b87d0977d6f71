/*
 * sqlite3_salvage.c - a purge that the file does not take, as SQL: one
 * transaction with the ledger's line first, so that a second replay does nothing.
 */
#include "nfacctd/sqlite3_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/log.h"
#include "nfacctd/salvage.h"

static void literal(struct strbuf *b, const struct sink_sqlite *s, const struct sql_column *c,
		    const struct purge *p, const struct sum_row *r)
{
	struct sql_cell cell;
	char text[32];
	char *quoted;

	sql_cell_make(&cell, &s->columns, c, p, r);
	if (c->kind == SQL_NUMBER) {
		strbuf_addf(b, "%" PRIu64, cell.number);
	} else if (c->kind == SQL_BINARY) {
		strbuf_add(b, "x'");
		for (size_t i = 0; i < cell.len; i++)
			strbuf_addf(b, "%02x", (unsigned char)cell.text[i]);
		strbuf_add(b, "'");
	} else {
		sqlite_time_text(text, sizeof(text), s, cell.number);
		quoted = sqlite3_mprintf("%Q", c->kind == SQL_TIME ? text : cell.text);
		strbuf_add(b, quoted ? quoted : "NULL");
		sqlite3_free(quoted);
	}
}

/* UPDATE, and an INSERT that acts when it found nothing. */
static void salvage_row(struct strbuf *b, const struct sink_sqlite *s, const struct purge *p,
			const char *table, const struct sum_row *r)
{
	const char *gap = " SET ";

	strbuf_add(b, "UPDATE ");
	sqlite_quote_name(b, table);
	for (size_t i = 0; i < s->columns.n; i++) {
		const struct sql_column *c = &s->columns.c[i];

		if (!sqlite_is_updated(c))
			continue;
		strbuf_addf(b, "%s%s=", gap, c->name);
		if (sqlite_is_counter(c))
			strbuf_addf(b, "%s%s", c->name, c->role == SQL_TCP_FLAGS ? "|" : "+");
		literal(b, s, c, p, r);
		gap = ",";
	}
	gap = " WHERE rowid=(SELECT rowid FROM ";
	strbuf_add(b, gap);
	sqlite_quote_name(b, table);
	gap = " WHERE ";
	for (size_t i = 0; i < s->columns.n; i++) {
		if (!sql_is_key(&s->columns.c[i]))
			continue;
		strbuf_addf(b, "%s%s=", gap, s->columns.c[i].name);
		literal(b, s, &s->columns.c[i], p, r);
		gap = " AND ";
	}
	strbuf_add(b, " LIMIT 1);\nINSERT INTO ");
	sqlite_quote_name(b, table);
	strbuf_add(b, " (");
	sqlite_list(b, &s->columns, NULL, ",", "");
	strbuf_add(b, ") SELECT ");
	for (size_t i = 0; i < s->columns.n; i++) {
		strbuf_add(b, i ? "," : "");
		literal(b, s, &s->columns.c[i], p, r);
	}
	strbuf_add(b, " WHERE changes()=0;\n");
}

/* As sql/flow_ledger.sqlite3: a file that is replayed twice would be billed twice. */
static const char make_ledger[] =
	"CREATE TABLE IF NOT EXISTS flow_ledger (run_id INTEGER NOT NULL,plugin TEXT NOT "
	"NULL,purge_id INTEGER NOT NULL,"
	"worker INTEGER NOT NULL,batch INTEGER NOT NULL,purge_rows INTEGER NOT NULL DEFAULT 0,"
	"purge_packets INTEGER NOT NULL DEFAULT 0,purge_octets INTEGER NOT NULL DEFAULT 0,stamp "
	"DATETIME,"
	"PRIMARY KEY (run_id,plugin,purge_id,worker));\n";

static int salvage_rows(FILE *f, struct sink_sqlite *s, const struct name_groups *g,
			const struct purge *p)
{
	const struct sums all = sql_purge_sums(p);
	char now[32];

	sqlite_time_text(now, sizeof(now), s, (uint64_t)p->now);
	strbuf_reset(&s->text);
	strbuf_addf(&s->text,
		"-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64 ", %zu rows; replay "
		"with: sqlite3 -bail %s < this file; a second time it does nothing\n%sBEGIN "
		"IMMEDIATE;\n",
		p->id, s->p->name, s->book.run_id, p->nrows, s->path, s->ledger ? "" : make_ledger);
	strbuf_addf(&s->text,
		"INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		"purge_packets,purge_octets,stamp) VALUES "
		"(%" PRId64 ",'%s',%" PRIu64 ",0,0,%zu,%" PRIu64 ",%" PRIu64 ",'%s');\n",
		(int64_t)s->book.run_id, s->p->name, p->id, p->nrows, all.packets, all.octets, now);
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < g->group[i].n; j++) {
			salvage_row(&s->text, s, p, g->group[i].name, g->group[i].rows[j]);
			if (fwrite(s->text.s, 1, s->text.n, f) != s->text.n)
				return -1;
			strbuf_reset(&s->text);
		}
	strbuf_add(&s->text, "COMMIT;\n");
	return fwrite(s->text.s, 1, s->text.n, f) == s->text.n ? 0 : -1;
}

int sqlite_salvage(void *sink, const struct purge *p)
{
	struct sink_sqlite *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return -1;
	err = salvage_open(&file, s->p, s->book.run_id, p->id, "sql");
	if (err == 0) {
		err = salvage_rows(file.f, s, &g, p);
		err = salvage_close(&file, err);
	}
	if (err == 0)
		log_warn("%s: purge %" PRIu64
			 " (%zu rows) is saved in %s; replay it with: sqlite3 -bail %s < %s",
			s->book.who, p->id, p->nrows, file.path, s->path, file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s",
			s->book.who, p->id, p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}
