/*
 * mysql_text.c - see mysql_text.h.
 */
#include "nfacctd/mysql_text.h"

#include <inttypes.h>
#include <string.h>
#include "nfacctd/mysql_link.h"

static void add_value(struct strbuf *b, const struct sql_column *c, const struct sql_cell *cell)
{
	switch (c->kind) {
	case SQL_NUMBER: strbuf_addf(b, "%" PRIu64, cell->number); break;
	case SQL_TEXT: link_quote(b, cell->text, cell->len); break;
	case SQL_BINARY: link_quote_binary(b, cell->text, cell->len); break;
	case SQL_TIME: strbuf_addf(b, "FROM_UNIXTIME(%" PRIu64 ")", cell->number); break;
	}
}

static void add_names(
	struct strbuf *b, const struct sql_columns *s, bool keys_only, const char *prefix)
{
	const char *gap = "";

	for (size_t i = 0; i < s->n; i++) {
		if (keys_only && !sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%s%s", gap, prefix);
		link_quote_name(b, s->c[i].name);
		gap = ",";
	}
}

void text_insert(struct strbuf *b, const struct sql_columns *s, const char *table)
{
	strbuf_add(b, "INSERT INTO ");
	link_quote_name(b, table);
	strbuf_add(b, " (");
	add_names(b, s, false, "");
	strbuf_add(b, ") VALUES ");
}

void text_parameters(struct strbuf *b, const struct sql_columns *s)
{
	struct sql_cell cell;

	for (size_t i = 0; i < s->n; i++) {
		strbuf_add(b, i ? "," : "(");
		if (s->c[i].constant) {
			sql_cell_make(&cell, s, &s->c[i], NULL, NULL);
			add_value(b, &s->c[i], &cell);
		} else {
			strbuf_add(b, s->c[i].kind == SQL_TIME ? "FROM_UNIXTIME(?)" : "?");
		}
	}
	strbuf_add(b, ")");
}

static void add_values(struct strbuf *b, const struct sql_columns *s, const struct purge *p,
		       const struct sum_row *r)
{
	struct sql_cell cell;

	for (size_t i = 0; i < s->n; i++) {
		if (i)
			strbuf_add(b, ",");
		sql_cell_make(&cell, s, &s->c[i], p, r);
		add_value(b, &s->c[i], &cell);
	}
}

void text_row(struct strbuf *b, const struct sql_columns *s, const struct purge *p,
	      const struct sum_row *r)
{
	strbuf_add(b, "(");
	add_values(b, s, p, r);
	strbuf_add(b, ")");
}

void text_on_duplicate(struct strbuf *b, const struct sql_columns *s)
{
	const char *gap = " ON DUPLICATE KEY UPDATE ";

	for (size_t i = 0; i < s->n; i++) {
		const char *op = sql_addition(&s->c[i]);

		if (!op)
			continue;
		/* VALUES(): MariaDB 10.11 does not know MySQL 8's row alias. */
		if (*op)
			strbuf_addf(b, "%s`%s`=`%s`%sVALUES(`%s`)", gap, s->c[i].name, s->c[i].name,
				op, s->c[i].name);
		else
			strbuf_addf(b, "%s`%s`=VALUES(`%s`)", gap, s->c[i].name, s->c[i].name);
		gap = ",";
	}
}

static void add_where(struct strbuf *b, const struct sql_columns *s, const struct purge *p,
		      const struct sum_row *r)
{
	struct sql_cell cell;
	const char *gap = " WHERE ";

	for (size_t i = 0; i < s->n; i++) {
		if (!sql_is_key(&s->c[i]))
			continue;
		sql_cell_make(&cell, s, &s->c[i], p, r);
		strbuf_addf(b, "%s`%s`=", gap, s->c[i].name);
		add_value(b, &s->c[i], &cell);
		gap = " AND ";
	}
}

void text_select_row(struct strbuf *b, const struct sql_columns *s, const char *table,
		     const struct purge *p, const struct sum_row *r)
{
	strbuf_add(b, "SELECT packets, bytes FROM ");
	link_quote_name(b, table);
	add_where(b, s, p, r);
	strbuf_add(b, " LIMIT 2 FOR UPDATE");
}

void text_update_row(struct strbuf *b, const struct sql_columns *s, const char *table,
		     const struct purge *p, const struct sum_row *r)
{
	struct sql_cell cell;
	const char *gap = " SET ";

	strbuf_add(b, "UPDATE ");
	link_quote_name(b, table);
	for (size_t i = 0; i < s->n; i++) {
		const char *op = sql_addition(&s->c[i]);

		if (!op)
			continue;
		sql_cell_make(&cell, s, &s->c[i], p, r);
		if (*op)
			strbuf_addf(b, "%s`%s`=`%s`%s", gap, s->c[i].name, s->c[i].name, op);
		else
			strbuf_addf(b, "%s`%s`=", gap, s->c[i].name);
		add_value(b, &s->c[i], &cell);
		gap = ",";
	}
	add_where(b, s, p, r);
	/* A table without a unique key may hold a row twice: add to one of them. */
	strbuf_add(b, " LIMIT 1");
}

void text_insert_unfound(struct strbuf *b, const struct sql_columns *s, const char *table,
			 const struct purge *p, const struct sum_row *r)
{
	strbuf_add(b, "INSERT INTO ");
	link_quote_name(b, table);
	strbuf_add(b, " (");
	add_names(b, s, false, "");
	strbuf_add(b, ") SELECT ");
	add_values(b, s, p, r);
	strbuf_add(b, " FROM DUAL WHERE ROW_COUNT()=0");
}

void text_create_scratch(struct strbuf *b, const struct sql_columns *s, const char *table,
			 const char *scratch)
{
	strbuf_add(b, "CREATE TEMPORARY TABLE ");
	link_quote_name(b, scratch);
	strbuf_add(b, " ENGINE=InnoDB AS SELECT ");
	add_names(b, s, false, "");
	strbuf_add(b, " FROM ");
	link_quote_name(b, table);
	strbuf_add(b, " LIMIT 0");
}

/* The scratch rows with equal keys made one: SELECT k, SUM(..) .. GROUP BY k. */
static void add_grouped(struct strbuf *b, const struct sql_columns *s, const char *scratch)
{
	size_t keys = 0;

	strbuf_add(b, "(SELECT ");
	for (size_t i = 0; i < s->n; i++) {
		const struct sql_column *c = &s->c[i];
		const char *f = c->role == SQL_TCP_FLAGS ? "BIT_OR" :
				c->role == SQL_UPDATED || c->constant ? "MAX" : "SUM";

		strbuf_add(b, i ? "," : "");
		if (sql_is_key(c))
			strbuf_addf(b, "`%s`", c->name);
		else
			strbuf_addf(b, "%s(`%s`) AS `%s`", f, c->name, c->name);
		keys += sql_is_key(c);
	}
	strbuf_add(b, " FROM ");
	link_quote_name(b, scratch);
	if (keys) {
		strbuf_add(b, " GROUP BY ");
		add_names(b, s, true, "");
	}
	strbuf_add(b, ") AS s");
}

/* "d.`k`=s.`k` AND ...", or "TRUE" for the one grand total without history. */
static void add_match(struct strbuf *b, const struct sql_columns *s)
{
	const char *gap = "";

	for (size_t i = 0; i < s->n; i++) {
		if (!sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%sd.`%s`=s.`%s`", gap, s->c[i].name, s->c[i].name);
		gap = " AND ";
	}
	if (!*gap)
		strbuf_add(b, "TRUE");
}

void text_update_join(struct strbuf *b, const struct sql_columns *s, const char *table,
		      const char *scratch)
{
	const char *gap = " SET ";

	strbuf_add(b, "UPDATE ");
	link_quote_name(b, table);
	strbuf_add(b, " AS d JOIN ");
	add_grouped(b, s, scratch);
	strbuf_add(b, " ON ");
	add_match(b, s);
	for (size_t i = 0; i < s->n; i++) {
		const char *op = sql_addition(&s->c[i]), *name = s->c[i].name;

		if (!op)
			continue;
		if (*op)
			strbuf_addf(b, "%sd.`%s`=d.`%s`%ss.`%s`", gap, name, name, op, name);
		else
			strbuf_addf(b, "%sd.`%s`=s.`%s`", gap, name, name);
		gap = ",";
	}
}

void text_insert_rest(struct strbuf *b, const struct sql_columns *s, const char *table,
		      const char *scratch)
{
	strbuf_add(b, "INSERT INTO ");
	link_quote_name(b, table);
	strbuf_add(b, " (");
	add_names(b, s, false, "");
	strbuf_add(b, ") SELECT ");
	add_names(b, s, false, "s.");
	strbuf_add(b, " FROM ");
	add_grouped(b, s, scratch);
	strbuf_add(b, " WHERE NOT EXISTS (SELECT 1 FROM ");
	link_quote_name(b, table);
	strbuf_add(b, " AS d WHERE ");
	add_match(b, s);
	strbuf_add(b, ")");
}

void text_count_groups(struct strbuf *b, const struct sql_columns *s, const char *scratch)
{
	strbuf_add(b, "SELECT COUNT(*) FROM ");
	add_grouped(b, s, scratch);
}

void text_create_table(struct strbuf *b, const struct sql_columns *s, const char *table)
{
	const char *gap = ", PRIMARY KEY (";

	strbuf_add(b, "CREATE TABLE ");
	link_quote_name(b, table);
	strbuf_add(b, " (");
	for (size_t i = 0; i < s->n; i++)
		strbuf_addf(b, "%s%s %s", i ? ", " : "", s->c[i].name, s->c[i].type);
	for (size_t i = 0; i < s->n; i++) {
		if (!sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%s%s", gap, s->c[i].name);
		gap = ", ";
	}
	strbuf_add(b, gap[2] ? ")" : "))");
	strbuf_add(b, " ENGINE=InnoDB");
}

static const uint32_t part_worker = UINT32_C(1) << 31;

static void add_ledger_line(struct strbuf *b, uint64_t run_id, const char *plugin,
			    const struct purge *p, const struct purge_mark *mark,
			    const struct ledger_part *sums)
{
	strbuf_addf(b, "(%" PRIu64 ",", run_id);
	link_quote(b, plugin, strlen(plugin));
	strbuf_addf(b, ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%zu,%" PRIu64 ",%" PRIu64
		    ",FROM_UNIXTIME(%" PRId64 "))", p->id, mark->worker, mark->batch,
		    sums ? sums->rows : 0, sums ? sums->sums.packets : 0,
		    sums ? sums->sums.octets : 0, p->now);
}

void text_ledger(struct strbuf *b, uint64_t run_id, const char *plugin, const struct purge *p,
		 const struct ledger_part *part)
{
	const struct purge_mark none = { 0, 0 };
	const struct purge_mark *marks = p->nmarks ? p->marks : &none;
	size_t n = part->number ? 0 : p->nmarks ? p->nmarks : 1;

	strbuf_add(b, "INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		      "purge_packets,purge_octets,stamp) VALUES ");
	/* The sums stand in one line only, so that SUM() over the ledger is right. */
	for (size_t i = 0; i < n; i++) {
		strbuf_add(b, i ? "," : "");
		add_ledger_line(b, run_id, plugin, p, &marks[i],
				i || part->of > 1 ? NULL : part);
	}
	if (part->of > 1) {
		const struct purge_mark mark = { part_worker + part->number, part->of };

		strbuf_add(b, n ? "," : "");
		add_ledger_line(b, run_id, plugin, p, &mark, part);
	}
}

void text_ledger_parts(struct strbuf *b, uint64_t run_id, const char *plugin,
		       const struct purge *p)
{
	strbuf_addf(b, "SELECT batch FROM flow_ledger WHERE run_id=%" PRIu64 " AND plugin=", run_id);
	link_quote(b, plugin, strlen(plugin));
	strbuf_addf(b, " AND purge_id=%" PRIu64 " AND worker>=%" PRIu32
		    " LIMIT 1 LOCK IN SHARE MODE", p->id, part_worker);
}
