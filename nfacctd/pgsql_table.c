/*
 * pgsql_table.c - see pgsql_table.h.  What is missing is told as the statement
 * that adds it.
 */
#include "nfacctd/pgsql_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "nfacctd/pgsql_text.h"

/* A column as pg_attribute describes it. */
struct found {
	char name[SQL_TABLE_NAME_MAX + 1];
	char base[PG_TYPE_MAX];		/* "bpchar", "integer" */
	char full[PG_TYPE_MAX];		/* "character(15)" */
	int chars;			/* longest text; 0: no limit or no text */
	bool required, has_default, generated;
	bool used;			/* one of ours */
};

enum { FOUND_MAX = 512, IPV6_CHARS = 39 };

struct view {
	struct found col[FOUND_MAX];
	size_t ncols;
	struct sql_index index[SQL_INDEXES_MAX];
	bool primary[SQL_INDEXES_MAX];
	size_t nindexes;
	const char *table;
	struct strbuf quoted;		/* the table's name in SQL */
};

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static struct found *find(struct view *v, const char *name)
{
	for (size_t i = 0; i < v->ncols; i++)
		if (strcasecmp(v->col[i].name, name) == 0)
			return &v->col[i];
	return NULL;
}

static bool is_one_of(const char *type, const char *const *list)
{
	while (*list)
		if (strcmp(type, *list++) == 0)
			return true;
	return false;
}

static bool is_small_integer(const struct found *f)
{
	return is_one_of(f->base, (const char *const[]){ "smallint", "integer", NULL });
}

static bool is_number(const struct found *f)
{
	return is_small_integer(f) ||
	       is_one_of(f->base, (const char *const[]){ "bigint", "numeric", NULL });
}

static bool is_text(const struct found *f)
{
	return is_one_of(f->base, (const char *const[]){ "bpchar", "character varying", "text",
							 NULL });
}

static bool truth(const PGresult *res, int row, int column)
{
	return *PQgetvalue(res, row, column) == 't';
}

static void problem(struct pg_report *rep, struct strbuf *b)
{
	if (!rep->mute)
		log_error("%s: %s", rep->who, b->s);
	rep->problems++;
	strbuf_clear(b);
}

static void caution(const struct pg_report *rep, struct strbuf *b)
{
	if (!rep->quiet)
		log_warn("%s: %s", rep->who, b->s);
	strbuf_clear(b);
}

/* ---- what is there ---- */

int pg_table_exists(struct pg_link *k, const char *name, bool *exists)
{
	struct strbuf quoted = { NULL, 0, 0 };
	PGresult *res;

	pg_quote_table(&quoted, name);
	res = pg_ask(k, "SELECT to_regclass($1) IS NOT NULL", 1, (const char *const[]){ quoted.s });
	strbuf_clear(&quoted);
	*exists = res && truth(res, 0, 0);
	PQclear(res);
	return res ? 0 : -1;
}

static int read_columns(struct pg_link *k, struct view *v)
{
	PGresult *res = pg_ask(k,
		"SELECT a.attname, format_type(a.atttypid,-1), format_type(a.atttypid,a.atttypmod),"
		" CASE WHEN t.typname IN ('bpchar','varchar') AND a.atttypmod > 4"
		" THEN a.atttypmod - 4 ELSE 0 END,"
		" a.attnotnull, a.atthasdef OR a.attidentity <> '',"
		" a.attgenerated <> '' OR a.attidentity <> '' OR"
		" COALESCE(pg_get_expr(d.adbin,d.adrelid) LIKE 'nextval(%', false)"
		" FROM pg_attribute a JOIN pg_type t ON t.oid=a.atttypid"
		" LEFT JOIN pg_attrdef d ON d.adrelid=a.attrelid AND d.adnum=a.attnum"
		" WHERE a.attrelid=to_regclass($1) AND a.attnum>0 AND NOT a.attisdropped"
		" ORDER BY a.attnum", 1, (const char *const[]){ v->quoted.s });

	for (int i = 0; res && i < PQntuples(res) && i < FOUND_MAX; i++) {
		struct found *f = &v->col[v->ncols++];

		copy(f->name, sizeof(f->name), PQgetvalue(res, i, 0));
		copy(f->base, sizeof(f->base), PQgetvalue(res, i, 1));
		copy(f->full, sizeof(f->full), PQgetvalue(res, i, 2));
		f->chars = (int)pg_number(res, i, 3);
		f->has_default = truth(res, i, 5);
		f->required = truth(res, i, 4) && !f->has_default;
		f->generated = truth(res, i, 6);
	}
	PQclear(res);
	return res ? 0 : -1;
}

static int read_indexes(struct pg_link *k, struct view *v)
{
	PGresult *res = pg_ask(k,
		"SELECT i.indexrelid::regclass::text, COALESCE(a.attname,''), i.indisprimary,"
		" i.indpred IS NOT NULL OR a.attname IS NULL"
		" FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS n(num,ord)"
		" LEFT JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=n.num AND n.num>0"
		" WHERE i.indrelid=to_regclass($1) AND i.indisunique AND i.indisvalid"
		" AND n.ord<=i.indnkeyatts ORDER BY 1, n.ord",
		1, (const char *const[]){ v->quoted.s });
	struct sql_index *x = NULL;

	for (int i = 0; res && i < PQntuples(res); i++) {
		const struct found *f = find(v, PQgetvalue(res, i, 1));

		if (!x || strcmp(x->name, PQgetvalue(res, i, 0)) != 0) {
			if (v->nindexes == SQL_INDEXES_MAX)
				break;
			v->primary[v->nindexes] = truth(res, i, 2);
			x = &v->index[v->nindexes++];
			copy(x->name, sizeof(x->name), PQgetvalue(res, i, 0));
		}
		if (x->n == SQL_INDEX_COLUMNS)
			continue;
		copy(x->column[x->n].name, sizeof(x->column[x->n].name), PQgetvalue(res, i, 1));
		x->column[x->n].partial = truth(res, i, 3);
		x->column[x->n].generated = f && f->generated;
		x->column[x->n].null_default = f && !f->required && !f->has_default;
		x->column[x->n].constant_default = f && f->has_default && !f->generated;
		x->n++;
	}
	PQclear(res);
	return res ? 0 : -1;
}

/* ---- compared ---- */

static const struct sql_index *primary_key(const struct view *v)
{
	for (size_t i = 0; i < v->nindexes; i++)
		if (v->primary[i])
			return &v->index[i];
	return NULL;
}

/* The primary key with the missing columns in front of stamp_inserted. */
static void add_new_key(struct strbuf *b, const char *lead, const struct view *v,
			const struct sql_column *const *missing, size_t n)
{
	const struct sql_index *pk = primary_key(v);

	if (!pk)
		return;
	strbuf_addf(b, "%sDROP CONSTRAINT %s, ADD PRIMARY KEY ", lead, pk->name);
	sql_key_with(b, pk, missing, n, "");
}

static void check_missing(struct view *v, const struct sql_columns *want, struct pg_report *rep)
{
	const struct sql_column *missing[SQL_COLUMNS_MAX];
	struct strbuf b = { NULL, 0, 0 };
	size_t n = 0, keys = 0;

	for (size_t i = 0; i < want->n; i++) {
		struct found *f = find(v, want->c[i].name);

		if (f) {
			f->used = true;
			continue;
		}
		missing[n++] = &want->c[i];
		keys += sql_is_key(&want->c[i]);
	}
	if (n == 0)
		return;
	strbuf_addf(&b, "table %s lacks", v->table);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s %s", i ? "," : "", missing[i]->name);
	strbuf_addf(&b, "; run: ALTER TABLE %s", v->quoted.s);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s ADD COLUMN %s %s", i ? "," : "", missing[i]->name,
			    pg_type_of(missing[i]));
	if (keys)
		add_new_key(&b, ", ", v, missing, n);
	strbuf_add(&b, ";");
	problem(rep, &b);
}

/* Columns that are not ours and that the server cannot fill by itself. */
static void check_extra(const struct view *v, struct pg_report *rep)
{
	for (size_t i = 0; i < v->ncols; i++) {
		const struct found *f = &v->col[i];
		struct strbuf b = { NULL, 0, 0 };

		if (f->used || !f->required)
			continue;
		if (strcmp(f->name, "stamp_inserted") == 0)
			strbuf_addf(&b, "table %s needs stamp_inserted, which is written with "
				    "sql_history only; set sql_history (10m, for example)",
				    v->table);
		else
			strbuf_addf(&b, "column %s of table %s has no default and nothing here "
				    "writes it; run: ALTER TABLE %s ALTER COLUMN \"%s\" DROP NOT "
				    "NULL; (or take it out of the table, or set sql_table_version "
				    "to the table's)",
				    f->name, v->table, v->quoted.s, f->name);
		problem(rep, &b);
	}
}

static bool is_counter(const struct sql_column *c)
{
	return c->role == SQL_PACKETS || c->role == SQL_BYTES || (c->role == SQL_FLOWS && !c->constant);
}

static bool is_address(const struct sql_column *c)
{
	return c->primitive && primitive_is_address(c->primitive);
}

/* Values of 32 bits and more in a column of 31. */
static bool is_wide(const struct sql_column *c)
{
	return c->kind == SQL_NUMBER && c->field && c->field->width >= 4 && !c->residual &&
	       c->role == SQL_KEY;
}

/* A column that takes less than what may come: the type it should have.  *fatal: no row gets in. */
static const char *narrow(struct strbuf *b, const struct sql_column *c, const struct found *f,
			  bool *fatal)
{
	bool stamp = c->role == SQL_INSERTED || c->role == SQL_UPDATED;

	*fatal = false;
	if (c->kind == SQL_TIME && is_number(f)) {
		strbuf_add(b, ", but times are written as timestamps; set "
			      "timestamps_since_epoch: true");
		*fatal = true;
		return "TIMESTAMP WITHOUT TIME ZONE USING to_timestamp(%s)";
	}
	if (stamp && c->kind == SQL_NUMBER && !is_number(f)) {
		strbuf_add(b, ", but timestamps_since_epoch writes seconds");
		*fatal = true;
		return "BIGINT USING extract(epoch FROM %s)";
	}
	if (is_counter(c) && is_small_integer(f)) {
		strbuf_add(b, ": sums above 2147483647 will be refused");
		return "BIGINT";
	}
	if (is_wide(c) && is_small_integer(f)) {
		strbuf_add(b, ": values above 2147483647 will be refused");
		return "BIGINT";
	}
	if (is_address(c) && is_text(f) && f->chars && f->chars < IPV6_CHARS && !c->constant) {
		strbuf_add(b, ": rows with IPv6 addresses will be refused");
		return "CHAR(45)";
	}
	return NULL;
}

/* Before version 6 AS numbers stand in the columns of hosts, which are no addresses then. */
static bool as_in_inet(const struct sql_column *c, const struct found *f)
{
	return is_address(c) && c->field && strcmp(f->base, "inet") == 0 &&
	       !primitive_is_address(&primitives[c->field->primitive]);
}

static void check_widths(struct view *v, const struct sql_columns *want, struct pg_report *rep)
{
	for (size_t i = 0; i < want->n; i++) {
		const struct sql_column *c = &want->c[i];
		const struct found *f = find(v, c->name);
		struct strbuf b = { NULL, 0, 0 };
		const char *type;
		bool fatal;

		if (!f)
			continue;
		if (as_in_inet(c, f)) {
			strbuf_addf(&b, "%s of table %s is inet, but before sql_table_version 6 "
				    "AS numbers are written there; take a table like acct_as of "
				    "sql/pmacct-create-table_v1.pgsql, or a later version",
				    c->name, v->table);
			problem(rep, &b);
			continue;
		}
		strbuf_addf(&b, "%s of table %s is %s", c->name, v->table, f->full);
		type = narrow(&b, c, f, &fatal);
		if (!type) {
			strbuf_clear(&b);
			continue;
		}
		strbuf_addf(&b, "; run: ALTER TABLE %s ALTER COLUMN %s TYPE %.*s%s%s;",
			    v->quoted.s, c->name, (int)strcspn(type, "%"), type,
			    strchr(type, '%') ? c->name : "", strchr(type, '%') ? ")" : "");
		if (fatal)
			problem(rep, &b);
		else
			caution(rep, &b);
	}
}

static void choose_way(struct pg_table *t, const struct view *v, const struct pg_report *rep)
{
	const struct sql_index *covers = NULL;
	bool collides = false;

	for (size_t i = 0; i < v->nindexes; i++) {
		const struct sql_column *missing;
		struct strbuf b = { NULL, 0, 0 };

		switch (sql_unique_judge(&t->columns, &v->index[i], &missing)) {
		case SQL_UNIQUE_COVERS:
			covers = &v->index[i];
			break;
		case SQL_UNIQUE_HARMLESS:
			break;
		case SQL_UNIQUE_COLLIDES:
			collides = true;
			if (!missing)
				break;
			strbuf_addf(&b, "unique key %s of table %s has no %s: rows that differ "
				    "only there will be refused", v->index[i].name, v->table,
				    missing->name);
			if (v->primary[i]) {
				strbuf_addf(&b, "; run: ALTER TABLE %s ", v->quoted.s);
				add_new_key(&b, "", v, &missing, 1);
				strbuf_add(&b, ";");
			}
			caution(rep, &b);
			break;
		}
	}
	t->way = covers && !collides ? PG_UPSERT : PG_SET;
	for (size_t i = 0; t->way == PG_UPSERT && i < covers->n; i++)
		copy(t->conflict[t->nconflict++], sizeof(t->conflict[0]), covers->column[i].name);
	if (t->way == PG_SET && !rep->quiet)
		log_info("%s: table %s has no unique key over exactly the written key columns: "
			 "each purge looks its rows up in it, which is slower", rep->who, v->table);
}

/* Of each of our columns; AS numbers in the columns of hosts have no address as filler. */
static void take_types(struct pg_table *t, struct view *v)
{
	for (size_t i = 0; i < t->columns.n; i++) {
		const struct found *f = find(v, t->columns.c[i].name);

		if (!f)
			continue;
		copy(t->type[i], sizeof(t->type[i]), f->base);
		if (t->columns.c[i].constant && is_address(&t->columns.c[i]) && is_number(f))
			t->columns.c[i].constant = "0";
	}
}

static int check_rights(struct pg_link *k, const struct view *v, struct pg_report *rep)
{
	static const char *const rights[] = { "SELECT", "INSERT", "UPDATE" };
	PGresult *res = pg_ask(k,
		"SELECT has_table_privilege(to_regclass($1),'SELECT'),"
		" has_table_privilege(to_regclass($1),'INSERT'),"
		" has_table_privilege(to_regclass($1),'UPDATE'), quote_ident(current_user)",
		1, (const char *const[]){ v->quoted.s });
	struct strbuf b = { NULL, 0, 0 };

	for (int i = 0; res && i < 3; i++)
		if (!truth(res, 0, i))
			strbuf_addf(&b, "%s%s", b.n ? ", " : "", rights[i]);
	if (b.n) {
		struct strbuf text = { NULL, 0, 0 };

		strbuf_addf(&text, "no right to %s table %s; run: GRANT %s ON %s TO %s;", b.s,
			    v->table, b.s, v->quoted.s, PQgetvalue(res, 0, 3));
		problem(rep, &text);
	}
	strbuf_clear(&b);
	PQclear(res);
	return res ? 0 : -1;
}

static void tell_absent(const struct view *v, const struct sql_columns *want,
			const struct plugin_settings *p, struct pg_report *rep)
{
	struct strbuf b = { NULL, 0, 0 };
	char script[SQL_SCRIPT_MAX];

	strbuf_addf(&b, "table %s does not exist in database \"%s\"", v->table, p->sql_db);
	sql_table_script(script, sizeof(script), p, "pgsql");
	if (!p->sql_table)
		strbuf_addf(&b, "; %s makes it, or", script);
	if (!p->sql_table_schema) {
		strbuf_add(&b, p->sql_table ? "; run: " : " run: ");
		pg_text_create_table(&b, want, v->table);
		strbuf_add(&b, ";");
	}
	problem(rep, &b);
}

static int look(struct pg_table *t, struct pg_link *k, struct view *v,
		const struct sql_columns *want, const struct plugin_settings *p,
		struct pg_report *rep)
{
	struct pg_report silent = { rep->who, 0, true, true };
	struct pg_report *to = p->sql_check ? rep : &silent;
	unsigned before = to->problems;

	if (read_columns(k, v) != 0 || read_indexes(k, v) != 0)
		return -1;
	if (v->ncols == 0) {	/* nothing can be written, checked or not */
		tell_absent(v, want, p, rep);
		return 0;
	}
	t->columns = *want;
	check_missing(v, want, to);
	check_extra(v, to);
	check_widths(v, want, to);
	take_types(t, v);
	if (to->problems == before)
		choose_way(t, v, to);
	else
		t->way = PG_SET;
	return p->sql_check && to->problems == before ? check_rights(k, v, to) : 0;
}

int pg_table_look(struct pg_table *t, struct pg_link *k, const struct sql_columns *want,
		  const char *name, const struct plugin_settings *p, struct pg_report *rep)
{
	struct view *v = xcalloc(1, sizeof(*v));
	int err;

	memset(t, 0, sizeof(*t));
	copy(t->table.name, sizeof(t->table.name), name);
	v->table = t->table.name;
	pg_quote_table(&v->quoted, name);
	err = look(t, k, v, want, p, rep);
	strbuf_clear(&v->quoted);
	free(v);
	return err;
}
