/*
 * pgsql_salvage.c - a purge that no server took, as a file of statements for psql.
 */
#include <inttypes.h>
#include <stdio.h>
#include "base/log.h"
#include "nfacctd/pgsql_sink.h"
#include "nfacctd/salvage.h"

/* As sql/flow_ledger.pgsql: a file that is replayed twice would be billed twice. */
static const char make_ledger[] =
	"-- no table flow_ledger was there; it makes a second replay do nothing\n"
	"CREATE TABLE IF NOT EXISTS flow_ledger (run_id NUMERIC(20) NOT NULL,plugin VARCHAR(64) "
	"NOT NULL,purge_id BIGINT NOT NULL,worker BIGINT NOT NULL,batch BIGINT NOT NULL,purge_rows "
	"BIGINT NOT NULL DEFAULT 0,purge_packets NUMERIC(20) NOT NULL DEFAULT 0,purge_octets "
	"NUMERIC(20) NOT NULL DEFAULT 0,stamp TIMESTAMP WITHOUT TIME ZONE,PRIMARY KEY "
	"(run_id,plugin,purge_id,worker));\n";

static void salvage_head(struct sink_pgsql *s, const struct purge *p)
{
	strbuf_addf(&s->text, "-- flowledger: purge %" PRIu64 " of plugin %s, run %" PRIu64
		    ", %zu rows; not yet written\n-- replay: psql -d %s -f this file; stops "
		    "without effect when the purge is there already\n\\set ON_ERROR_STOP on\n"
		    "SET standard_conforming_strings=on;\n%s%sBEGIN;\n",
		    p->id, s->p->name, s->book.run_id, p->nrows, s->p->sql_db,
		    s->p->timestamps_utc ? "SET TIME ZONE 'UTC';\n" : "",
		    s->ledger ? "" : make_ledger);
	if (s->in_doubt == p->id && !s->ledger)
		strbuf_addf(&s->text, "-- ITS COMMIT HAD NO ANSWER: look first whether these rows "
			    "are in: SELECT txid_status(%s)\n", s->xid);
	pg_text_ledger(&s->text, s->book.run_id, s->p->name, p);
	strbuf_add(&s->text, ";\n");
}

static int salvage_rows(struct salvage_file *f, struct sink_pgsql *s, const struct name_groups *g,
			const struct purge *p)
{
	struct pg_table unseen = { .way = PG_SET, .columns = s->columns };

	strbuf_reset(&s->text);
	salvage_head(s, p);
	for (size_t i = 0; i < g->n; i++) {
		const struct pg_table *t = pgsql_table_known(s, g->group[i].name);

		snprintf(unseen.table.name, sizeof(unseen.table.name), "%s", g->group[i].name);
		for (size_t j = 0; j < g->group[i].n; j++) {
			pg_text_row(&s->text, t ? t : &unseen, p, g->group[i].rows[j]);
			strbuf_add(&s->text, ";\n");
			if (salvage_put(f, s->text.s, s->text.n) != 0)
				return -1;
			strbuf_reset(&s->text);
		}
	}
	strbuf_add(&s->text, "COMMIT;\n");
	if (salvage_put(f, s->text.s, s->text.n) != 0)
		return -1;
	return fprintf(f->f, "-- sum %016" PRIx64 "\n", f->sum) > 0 ? 0 : -1;
}

int pgsql_salvage(void *sink, const struct purge *p)
{
	struct sink_pgsql *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!name_groups_make(&g, s->table, SQL_TABLE_NAME_MAX + 1, true, s->p, s->l,
			      sql_moment(p, NULL), p->rows, p->nrows))
		return -1;
	err = salvage_open(&file, s->p, s->book.run_id, p->id, "sql");
	if (err == 0) {
		err = salvage_rows(&file, s, &g, p);
		err = salvage_close(&file, err);
	}
	if (s->in_doubt == p->id && !s->ledger)
		s->book.counts.ambiguous++;
	if (err == 0)
		log_warn("%s: purge %" PRIu64 " (%zu rows) is saved in %s; replay it with: psql "
			 "-d %s -f %s", s->book.who, p->id, p->nrows, file.path, s->p->sql_db,
			 file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s",
				s->book.who, p->id, p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}
