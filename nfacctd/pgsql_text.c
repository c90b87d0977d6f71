/*
 * pgsql_text.c - see pgsql_text.h.
 */
#include "nfacctd/pgsql_text.h"

#include <inttypes.h>
#include <string.h>
#include "nfacctd/sql_book.h"

/* ---- arrays ---- */

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == ':' || c == '-';
}

static void add_element(struct strbuf *b, const struct sql_column *c, const struct sql_cell *cell)
{
	bool plain = cell->len > 0 && c->kind == SQL_TEXT;

	if (c->kind == SQL_NUMBER || c->kind == SQL_TIME) {
		char *to = strbuf_room(b, 24);

		strbuf_used(b, to + number_print(to, cell->number));
		return;
	}
	for (size_t i = 0; i < cell->len && plain; i++)
		plain = is_plain(cell->text[i]);
	/* The word NULL is no text. */
	if (plain && !(cell->len == 4 && strncmp(cell->text, "null", 4) == 0)) {
		strbuf_addn(b, cell->text, cell->len);
		return;
	}
	strbuf_add(b, "\"");
	for (size_t i = 0; i < cell->len; i++) {
		if (cell->text[i] == '"' || cell->text[i] == '\\')
			strbuf_add(b, "\\");
		strbuf_addn(b, &cell->text[i], 1);
	}
	strbuf_add(b, "\"");
}

size_t pg_arrays(struct strbuf *array, const struct sql_columns *s, const struct purge *p,
		 const struct sum_row *const *rows, size_t n)
{
	struct sql_cell cell;
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct strbuf *b = &array[at];

		if (s->c[i].constant)
			continue;
		strbuf_reset(b);
		for (size_t r = 0; r < n; r++) {
			strbuf_addn(b, r ? "," : "{", 1);
			sql_cell_make(&cell, s, &s->c[i], p, rows[r]);
			add_element(b, &s->c[i], &cell);
		}
		strbuf_add(b, "}");
		at++;
	}
	return at;
}

/* ---- pieces ---- */

static void add_names(struct strbuf *b, const struct sql_columns *s, bool keys_only,
		      const char *prefix)
{
	const char *gap = "";

	for (size_t i = 0; i < s->n; i++) {
		if (keys_only && !sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%s%s", gap, prefix);
		pg_quote_name(b, s->c[i].name);
		gap = ",";
	}
}

static void add_cast(struct strbuf *b, const struct pg_table *t, size_t column)
{
	if (t->type[column][0])
		strbuf_addf(b, "::%s", t->type[column]);
}

/* Digits need no quotes, and with them would be text. */
static void add_constant(struct strbuf *b, const struct sql_column *c)
{
	if (c->kind == SQL_NUMBER)
		strbuf_add(b, c->constant);
	else
		pg_quote(b, c->constant, strlen(c->constant));
}

/* "(SELECT a.c0 AS ip_src,to_timestamp(a.c1)::.. AS stamp_inserted FROM unnest(..) AS a(c0,c1))" */
static void add_source(struct strbuf *b, const struct pg_table *t)
{
	const struct sql_columns *s = &t->columns;
	size_t at = 0;

	strbuf_add(b, "(SELECT ");
	for (size_t i = 0; i < s->n; i++) {
		strbuf_add(b, i ? "," : "");
		if (s->c[i].constant)
			add_constant(b, &s->c[i]);
		else if (s->c[i].kind == SQL_TIME)
			strbuf_addf(b, "to_timestamp(a.c%zu)", at++);
		else
			strbuf_addf(b, "a.c%zu", at++);
		add_cast(b, t, i);
		strbuf_add(b, " AS ");
		pg_quote_name(b, s->c[i].name);
	}
	strbuf_add(b, " FROM unnest(");
	at = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->c[i].constant)
			continue;
		strbuf_addf(b, "%s$%zu::%s[]", at ? "," : "", at + 1,
			    s->c[i].kind == SQL_TIME ? "int8" : t->type[i]);
		at++;
	}
	strbuf_add(b, ") AS a(");
	for (size_t i = 0; i < at; i++)
		strbuf_addf(b, "%sc%zu", i ? "," : "", i);
	strbuf_add(b, "))");
}

/* " SET a=d.a+<other>.a,..": adds `other` to row d. */
static void add_additions(struct strbuf *b, const struct sql_columns *s, const char *other)
{
	const char *gap = "";

	for (size_t i = 0; i < s->n; i++) {
		const char *op = sql_addition(&s->c[i]), *name = s->c[i].name;

		if (!op)
			continue;
		if (*op)
			strbuf_addf(b, "%s\"%s\"=d.\"%s\"%s%s.\"%s\"", gap, name, name, op, other,
				    name);
		else
			strbuf_addf(b, "%s\"%s\"=%s.\"%s\"", gap, name, other, name);
		gap = ",";
	}
}

/* Equal keys made one: what differs in the key may be equal in the column's type. */
static void add_grouped(struct strbuf *b, const struct pg_table *t)
{
	const struct sql_columns *s = &t->columns;
	const char *gap = "";
	bool keys = false;

	strbuf_add(b, "(SELECT ");
	for (size_t i = 0; i < s->n; i++, gap = ",") {
		const struct sql_column *c = &s->c[i];
		const char *f = c->role == SQL_TCP_FLAGS ? "bit_or" :
				c->role == SQL_UPDATED || c->constant ? "max" : "sum";

		if (sql_is_key(c))
			strbuf_addf(b, "%s\"%s\"", gap, c->name);
		else
			strbuf_addf(b, "%s%s(\"%s\") AS \"%s\"", gap, f, c->name, c->name);
		keys |= sql_is_key(c);
	}
	strbuf_add(b, " FROM ");
	add_source(b, t);
	strbuf_add(b, " AS g");
	if (keys) {
		strbuf_add(b, " GROUP BY ");
		add_names(b, s, true, "");
	}
	strbuf_add(b, ")");
}

/* "d.k=s.k AND ..", or "TRUE" for the one grand total without history. */
static void add_match(struct strbuf *b, const struct sql_columns *s)
{
	const char *gap = "";

	for (size_t i = 0; i < s->n; i++) {
		if (!sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%sd.\"%s\"=s.\"%s\"", gap, s->c[i].name, s->c[i].name);
		gap = " AND ";
	}
	if (!*gap)
		strbuf_add(b, "TRUE");
}

static void add_insert(struct strbuf *b, const struct pg_table *t)
{
	strbuf_add(b, "INSERT INTO ");
	pg_quote_table(b, t->table.name);
	strbuf_add(b, " AS d (");
	add_names(b, &t->columns, false, "");
	strbuf_add(b, ") ");
}

/* ---- statements ---- */

static void add_on_conflict(struct strbuf *b, const struct pg_table *t)
{
	strbuf_add(b, " ON CONFLICT (");
	for (size_t i = 0; i < t->nconflict; i++) {
		strbuf_add(b, i ? "," : "");
		pg_quote_name(b, t->conflict[i]);
	}
	strbuf_add(b, ") DO UPDATE SET ");
	add_additions(b, &t->columns, "EXCLUDED");
}

void pg_text_upsert(struct strbuf *b, const struct pg_table *t)
{
	strbuf_add(b, "WITH w AS (");
	add_insert(b, t);
	strbuf_add(b, "SELECT * FROM ");
	add_source(b, t);
	strbuf_add(b, " AS s");
	add_on_conflict(b, t);
	/* xmax is the transaction that has locked the row that was there. */
	strbuf_add(b, " RETURNING d.xmax=0 AS fresh)"
		      " SELECT count(*) FILTER (WHERE fresh), count(*) FROM w");
}

void pg_text_update_from(struct strbuf *b, const struct pg_table *t)
{
	strbuf_add(b, "WITH s AS MATERIALIZED ");
	add_grouped(b, t);
	strbuf_add(b, ", u AS (UPDATE ");
	pg_quote_table(b, t->table.name);
	strbuf_add(b, " AS d SET ");
	add_additions(b, &t->columns, "s");
	strbuf_add(b, " FROM s WHERE ");
	add_match(b, &t->columns);
	strbuf_add(b, " RETURNING 1) SELECT (SELECT count(*) FROM u), (SELECT count(*) FROM s)");
}

void pg_text_insert_rest(struct strbuf *b, const struct pg_table *t)
{
	add_insert(b, t);
	strbuf_add(b, "SELECT * FROM ");
	add_grouped(b, t);
	strbuf_add(b, " AS s WHERE NOT EXISTS (SELECT 1 FROM ");
	pg_quote_table(b, t->table.name);
	strbuf_add(b, " AS d WHERE ");
	add_match(b, &t->columns);
	strbuf_add(b, ")");
}

static void add_literal(struct strbuf *b, const struct pg_table *t, size_t column,
			const struct purge *p, const struct sum_row *r)
{
	const struct sql_column *c = &t->columns.c[column];
	struct sql_cell cell;

	sql_cell_make(&cell, &t->columns, c, p, r);
	if (c->constant)
		add_constant(b, c);
	else if (c->kind == SQL_TIME)
		strbuf_addf(b, "to_timestamp(%" PRIu64 ")", cell.number);
	else if (c->kind == SQL_NUMBER)
		strbuf_addf(b, "%" PRIu64, cell.number);
	else
		pg_quote(b, cell.text, cell.len);
	add_cast(b, t, column);
}

/* The row that has the key of r, the first when there are several. */
static void add_where_row(struct strbuf *b, const struct pg_table *t, const struct purge *p,
			  const struct sum_row *r)
{
	const char *gap = " WHERE ";

	strbuf_add(b, " WHERE (d.tableoid,d.ctid)=(SELECT e.tableoid,e.ctid FROM ");
	pg_quote_table(b, t->table.name);
	strbuf_add(b, " AS e");
	for (size_t i = 0; i < t->columns.n; i++) {
		if (!sql_is_key(&t->columns.c[i]))
			continue;
		strbuf_addf(b, "%se.\"%s\"=", gap, t->columns.c[i].name);
		add_literal(b, t, i, p, r);
		gap = " AND ";
	}
	strbuf_add(b, " LIMIT 1)");
}

static void add_literals(struct strbuf *b, const struct pg_table *t, const struct purge *p,
			 const struct sum_row *r)
{
	for (size_t i = 0; i < t->columns.n; i++) {
		strbuf_add(b, i ? "," : "");
		add_literal(b, t, i, p, r);
	}
}

static void add_row_additions(struct strbuf *b, const struct pg_table *t, const struct purge *p,
			      const struct sum_row *r)
{
	const char *gap = "";

	for (size_t i = 0; i < t->columns.n; i++) {
		const char *op = sql_addition(&t->columns.c[i]), *name = t->columns.c[i].name;

		if (!op)
			continue;
		strbuf_addf(b, "%s\"%s\"=", gap, name);
		if (*op)
			strbuf_addf(b, "d.\"%s\"%s", name, op);
		add_literal(b, t, i, p, r);
		gap = ",";
	}
}

void pg_text_row(struct strbuf *b, const struct pg_table *t, const struct purge *p,
		 const struct sum_row *r)
{
	if (t->nconflict) {
		add_insert(b, t);
		strbuf_add(b, "VALUES (");
		add_literals(b, t, p, r);
		strbuf_add(b, ")");
		add_on_conflict(b, t);
		return;
	}
	strbuf_add(b, "WITH u AS (UPDATE ");
	pg_quote_table(b, t->table.name);
	strbuf_add(b, " AS d SET ");
	add_row_additions(b, t, p, r);
	add_where_row(b, t, p, r);
	strbuf_add(b, " RETURNING 1) ");
	add_insert(b, t);
	strbuf_add(b, "SELECT ");
	add_literals(b, t, p, r);
	strbuf_add(b, " WHERE NOT EXISTS (SELECT 1 FROM u)");
}

void pg_text_ledger(struct strbuf *b, uint64_t run_id, const char *plugin, const struct purge *p)
{
	const struct purge_mark none = { 0, 0 };
	const struct purge_mark *marks = p->nmarks ? p->marks : &none;
	const struct sums all = sql_purge_sums(p);

	strbuf_add(b, "INSERT INTO flow_ledger (run_id,plugin,purge_id,worker,batch,purge_rows,"
		      "purge_packets,purge_octets,stamp) VALUES ");
	for (size_t i = 0; i < (p->nmarks ? p->nmarks : 1); i++) {
		strbuf_addf(b, "%s(%" PRIu64 ",", i ? "," : "", run_id);
		pg_quote(b, plugin, strlen(plugin));
		/* The sums stand in the first line only, so that SUM() over the ledger is right. */
		strbuf_addf(b, ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%zu,%" PRIu64 ",%" PRIu64
			    ",to_timestamp(%" PRId64 "))", p->id, marks[i].worker, marks[i].batch,
			    i ? 0 : p->nrows, i ? 0 : all.packets, i ? 0 : all.octets, p->now);
	}
}

/* ---- declarations ---- */

static const char *const types[PRIM_FORMATS] = {
	[PRIM_TAG] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_MAC] = "MACADDR NOT NULL DEFAULT '0:0:0:0:0:0'",
	[PRIM_NUM] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_HEX] = "CHAR(6) NOT NULL DEFAULT ' '",
	[PRIM_PROTO] = "SMALLINT NOT NULL DEFAULT 0",
	[PRIM_HOST] = "INET NOT NULL DEFAULT '0.0.0.0'",
	[PRIM_NET] = "INET NOT NULL DEFAULT '0.0.0.0'",
	[PRIM_TEXT] = "VARCHAR(255) NOT NULL DEFAULT ' '",
	[PRIM_FLAGS] = "INTEGER NOT NULL DEFAULT 0",
	[PRIM_CLASS] = "CHAR(16) NOT NULL DEFAULT ' '",
	[PRIM_EXPORTER] = "INET NOT NULL DEFAULT '0.0.0.0'",
	[PRIM_RATE] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_DIR] = "CHAR(1) NOT NULL DEFAULT ' '",
	[PRIM_TIME] = "TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '0001-01-01 00:00:00'",
	[PRIM_ARRIVAL] = "TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '0001-01-01 00:00:00'",
	[PRIM_EXPORTED] = "TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '0001-01-01 00:00:00'",
	[PRIM_SEQNO] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_VERSION] = "SMALLINT NOT NULL DEFAULT 0",
	[PRIM_SYSID] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_ELEMENT] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_RD] = "VARCHAR(32) NOT NULL DEFAULT '0:0:0'",
	[PRIM_DEPTH] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_VNI] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_INSIDE_MAC] = "VARCHAR(17) NOT NULL DEFAULT ''",
	[PRIM_INSIDE_HOST] = "INET NOT NULL DEFAULT '0.0.0.0'",
	[PRIM_INSIDE_PROTO] = "SMALLINT NOT NULL DEFAULT 0",
	[PRIM_INSIDE_NUM] = "BIGINT NOT NULL DEFAULT 0",
	[PRIM_CUSTOM_UINT] = "NUMERIC(20) NOT NULL DEFAULT 0",
	[PRIM_CUSTOM_HEX] = "VARCHAR(16) NOT NULL DEFAULT '0'",
	[PRIM_CUSTOM_IP] = "INET NOT NULL DEFAULT '0.0.0.0'",
	[PRIM_CUSTOM_MAC] = "VARCHAR(17) NOT NULL DEFAULT ''",
	[PRIM_CUSTOM_STR] = "VARCHAR(255) NOT NULL DEFAULT ''",
	[PRIM_CUSTOM_RAW] = "VARCHAR(255) NOT NULL DEFAULT ''",
};

const char *pg_type_of(const struct sql_column *c)
{
	switch (c->role) {
	case SQL_KEY:
		if (c->residual)
			return "INTEGER NOT NULL DEFAULT 0";
		if (!c->primitive)	/* of sql_table_type: bgp */
			return c->kind == SQL_NUMBER ? types[PRIM_NUM] : "CHAR(24) NOT NULL DEFAULT ' '";
		if (c->kind == SQL_NUMBER && types[c->primitive->format][0] == 'T')
			return "BIGINT NOT NULL DEFAULT 0";	/* timestamps_since_epoch */
		return types[c->primitive->format];
	case SQL_INSERTED:
		return c->kind == SQL_NUMBER ? "BIGINT NOT NULL"
					     : "TIMESTAMP WITHOUT TIME ZONE NOT NULL";
	case SQL_UPDATED:
		return c->kind == SQL_NUMBER ? "BIGINT" : "TIMESTAMP WITHOUT TIME ZONE";
	case SQL_TCP_FLAGS:
		return types[PRIM_FLAGS];
	case SQL_FLOWS:
		return "BIGINT NOT NULL DEFAULT 0";
	default:
		return "BIGINT NOT NULL";
	}
}

void pg_text_create_table(struct strbuf *b, const struct sql_columns *s, const char *table)
{
	const char *gap = ", PRIMARY KEY (";

	strbuf_add(b, "CREATE TABLE ");
	pg_quote_table(b, table);
	strbuf_add(b, " (");
	for (size_t i = 0; i < s->n; i++)
		strbuf_addf(b, "%s%s %s", i ? ", " : "", s->c[i].name, pg_type_of(&s->c[i]));
	for (size_t i = 0; i < s->n; i++) {
		if (!sql_is_key(&s->c[i]))
			continue;
		strbuf_addf(b, "%s%s", gap, s->c[i].name);
		gap = ", ";
	}
	strbuf_add(b, gap[2] ? ")" : "))");
}
