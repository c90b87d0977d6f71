/*
 * mysql_salvage.c - a purge that no server takes, as a file of SQL: one
 * transaction with the ledger's line first, so that replaying it twice stops.
 * Of a purge in parts each that is not in has a file.
 */
#include <inttypes.h>
#include <stdio.h>
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/name_template.h"
#include "nfacctd/salvage.h"

/* One row as statements that are right whatever keys its table has. */
static void salvage_row(struct strbuf *b, struct sink_mysql *s, const struct purge *p,
			const char *name, const struct sum_row *r)
{
	const struct mysql_table *t = mysql_table_known(s->writer, name);
	const struct sql_columns *c = t ? &t->columns : &s->columns;

	if (t && t->way == MYSQL_UPSERT) {
		text_insert(b, c, name);
		text_row(b, c, p, r);
		text_on_duplicate(b, c);
	} else {
		text_update_row(b, c, name, p, r);
		strbuf_add(b, ";\n");
		text_insert_unfound(b, c, name, p, r);
	}
	strbuf_add(b, ";\n");
}

/* As sql/flow_ledger.mysql: a file that is replayed twice would be billed twice. */
static const char make_ledger[] = "-- no table flow_ledger was there; it makes a second replay do "
				  "nothing, and needs the right to CREATE\n"
				  "CREATE TABLE IF NOT EXISTS flow_ledger (run_id BIGINT UNSIGNED "
				  "NOT NULL,plugin VARCHAR(64) NOT NULL,"
				  "purge_id BIGINT UNSIGNED NOT NULL,worker INT UNSIGNED NOT "
				  "NULL,batch BIGINT UNSIGNED NOT NULL,"
				  "purge_rows BIGINT UNSIGNED NOT NULL DEFAULT 0,purge_packets "
				  "BIGINT UNSIGNED NOT NULL DEFAULT 0,"
				  "purge_octets BIGINT UNSIGNED NOT NULL DEFAULT 0,stamp DATETIME,"
				  "PRIMARY KEY (run_id,plugin,purge_id,worker)) ENGINE=InnoDB;\n";

/* Who may replay: without a ledger it takes more rights than ours. */
static const char *replays_as(const struct sink_mysql *s)
{
	if (!s->ledger)
		return "root";
	return s->p->sql_user ? s->p->sql_user : "pmacct";
}

static void salvage_head(struct strbuf *b, struct sink_mysql *s, const struct mysql_part *part,
			 const struct name_groups *g, const struct purge *p)
{
	strbuf_addf(b,
		"-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64 ", %zu rows, part %u "
		"of %u; not yet written\n-- replay: mariadb -u %s -p %s < this file; stops without "
		"effect when it is there already\n",
		p->id, s->p->name, s->book.run_id, p->nrows, part->number + 1, part->of,
		replays_as(s), s->p->sql_db ? s->p->sql_db : "pmacct");
	strbuf_add(b,
		"SET NAMES utf8mb4;\nSET SESSION "
		"sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';\n");
	if (s->p->timestamps_utc)
		strbuf_add(b, "SET SESSION time_zone='+00:00';\n");
	if (!s->ledger)
		strbuf_add(b, make_ledger);
	strbuf_add(b, "START TRANSACTION;\n");
	if (part->in_doubt && !s->ledger)
		strbuf_add(
			b, "-- ITS COMMIT HAD NO ANSWER: look first whether these rows are in\n");
	mysql_part_ledger(b, s, part, g, p);
	strbuf_add(b, ";\n");
}

static int salvage_rows(struct salvage_file *f, struct sink_mysql *s, const struct mysql_part *part,
			const struct name_groups *g, const struct purge *p)
{
	struct strbuf *b = &s->writer->text;

	strbuf_reset(b);
	salvage_head(b, s, part, g, p);
	for (size_t i = 0; i < g->n; i++) {
		const struct sum_row *const *rows;
		size_t n = mysql_part_rows(part, &g->group[i], &rows);

		for (size_t j = 0; j < n; j++) {
			salvage_row(b, s, p, g->group[i].name, rows[j]);
			if (salvage_put(f, b->s, b->n) != 0)
				return -1;
			strbuf_reset(b);
		}
	}
	strbuf_add(b, "COMMIT;\n");
	if (salvage_put(f, b->s, b->n) != 0)
		return -1;
	return fprintf(f->f, "-- sum %016" PRIx64 "\n", f->sum) > 0 ? 0 : -1;
}

/* The file of a part, as salvage_open() names it; 0, or -1 with errno. */
static int save(struct sink_mysql *s, const struct mysql_part *part, const struct name_groups *g,
		const struct purge *p)
{
	struct salvage_file file;
	char suffix[32] = "sql";
	int err;

	if (part->of > 1)
		snprintf(suffix, sizeof(suffix), "%uof%u.sql", part->number + 1, part->of);
	err = salvage_open(&file, s->p, s->book.run_id, p->id, suffix);
	if (err == 0) {
		err = salvage_rows(&file, s, part, g, p);
		err = salvage_close(&file, err);
	}
	if (err == 0)
		log_warn("%s: purge %" PRIu64
			 " (%zu rows) is saved in %s; replay it with: mariadb -u %s -p %s < %s",
			s->book.who, p->id, p->nrows, file.path, replays_as(s),
			s->p->sql_db ? s->p->sql_db : "pmacct", file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s",
			s->book.who, p->id, p->nrows, file.path);
	return err;
}

int mysql_salvage(void *sink, const struct purge *p)
{
	static const struct mysql_part all = { .of = 1 };
	struct sink_mysql *s = sink;
	bool begun = s->id == p->id && s->run == p->run && s->nparts;
	const struct mysql_part *part = begun ? s->part : &all;
	unsigned n = begun ? s->nparts : 1;
	struct name_groups g;
	int err = 0;

	if (!sql_book_sort(&s->book, &g, s->table, s->p, s->l, p))
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (part[i].done)
			continue;
		if (part[i].in_doubt && !s->ledger) {
			s->book.counts.ambiguous++;
			log_error("%s: the connection broke while purge %" PRIu64
				  " was committed: look whether it is in before it is replayed",
				s->book.who, p->id);
		}
		err |= save(s, &part[i], &g, p);
	}
	name_groups_clear(&g);
	return err;
}
