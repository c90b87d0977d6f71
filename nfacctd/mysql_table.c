/*
 * mysql_table.c - see mysql_table.h.  INFORMATION_SCHEMA says what is there;
 * each complaint carries the statement that cures it.
 */
#include "nfacctd/mysql_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/mysql_text.h"

/* A column as INFORMATION_SCHEMA describes it. */
struct found {
	char name[SQL_TABLE_NAME_MAX + 1];
	char type[32];		/* "char", "int", "datetime" */
	char full[64];		/* "int(10) unsigned" */
	uint64_t chars;		/* longest text or binary, 0 for others */
	bool nullable, has_default, generated, null_default;
	bool used;		/* one of ours */
};

enum { FOUND_MAX = 512, IPV6_CHARS = 39, MAC_CHARS = 17 };

struct view {
	struct found col[FOUND_MAX];
	size_t ncols;
	struct sql_index index[SQL_INDEXES_MAX];
	size_t nindexes;
	const char *table;
	const struct mysql_report *rep;
};

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static struct found *find(struct view *v, const char *name)
{
	for (size_t i = 0; i < v->ncols; i++)
		if (strcasecmp(v->col[i].name, name) == 0)
			return &v->col[i];
	return NULL;
}

static bool is_text(const struct found *f)
{
	return strstr(f->type, "char") || strstr(f->type, "text");
}

static bool is_binary(const struct found *f)
{
	return strstr(f->type, "binary") || strstr(f->type, "blob") ||
		strcmp(f->type, "inet6") == 0;
}

static bool is_integer(const struct found *f)
{
	return strstr(f->type, "int") != NULL;
}

static bool is_float(const struct found *f)
{
	return strcmp(f->type, "float") == 0 || strcmp(f->type, "double") == 0;
}

static void problem(struct mysql_report *rep, const struct strbuf *b)
{
	if (!rep->mute)
		log_error("%s: %s", rep->who, b->s);
	rep->problems++;
}

static void caution(const struct mysql_report *rep, const struct strbuf *b)
{
	if (!rep->quiet)
		log_warn("%s: %s", rep->who, b->s);
}

static unsigned read_columns(struct mysql_link *k, struct view *v)
{
	MYSQL_RES *res = link_select(k,
		"SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(CHARACTER_MAXIMUM_LENGTH,0),"
		" IS_NULLABLE, COLUMN_DEFAULT, EXTRA FROM INFORMATION_SCHEMA.COLUMNS"
		" WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME='%s' ORDER BY ORDINAL_POSITION",
		v->table);
	MYSQL_ROW row;

	if (!res)
		return k->err;
	while ((row = mysql_fetch_row(res)) && v->ncols < FOUND_MAX) {
		struct found *f = &v->col[v->ncols++];
		const char *standard = row[5];	/* MariaDB writes NULL as text */

		copy(f->name, sizeof(f->name), row[0]);
		copy(f->type, sizeof(f->type), row[1]);
		copy(f->full, sizeof(f->full), row[2]);
		f->chars = row[3] ? strtoull(row[3], NULL, 10) : 0;
		f->nullable = row[4] && strcasecmp(row[4], "YES") == 0;
		f->generated = row[6] && (strcasestr(row[6], "auto_increment") ||
					  strcasestr(row[6], "generated"));
		f->null_default = !standard || strcasecmp(standard, "NULL") == 0;
		f->has_default = (standard && !f->null_default) || f->nullable || f->generated;
	}
	mysql_free_result(res);
	return 0;
}

static unsigned read_indexes(struct mysql_link *k, struct view *v)
{
	MYSQL_RES *res = link_select(k,
		"SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM INFORMATION_SCHEMA.STATISTICS"
		" WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME='%s' AND NON_UNIQUE=0"
		" ORDER BY INDEX_NAME, SEQ_IN_INDEX", v->table);
	MYSQL_ROW row;
	struct sql_index *x = NULL;

	if (!res)
		return k->err;
	while ((row = mysql_fetch_row(res))) {
		const struct found *f = row[1] ? find(v, row[1]) : NULL;

		if (!x || strcmp(x->name, row[0]) != 0) {
			if (v->nindexes == SQL_INDEXES_MAX)
				break;
			x = &v->index[v->nindexes++];
			copy(x->name, sizeof(x->name), row[0]);
		}
		if (x->n == SQL_INDEX_COLUMNS)
			continue;
		copy(x->column[x->n].name, sizeof(x->column[x->n].name), row[1]);
		x->column[x->n].partial = row[2] || !f;	/* no name: an expression */
		x->column[x->n].generated = f && f->generated;
		x->column[x->n].null_default = f && f->nullable && f->null_default;
		x->column[x->n].constant_default = f && f->has_default && !strchr(f->full, '(');
		x->n++;
	}
	mysql_free_result(res);
	return 0;
}

/* The primary key with the missing columns in front of stamp_inserted. */
static void add_new_key(struct strbuf *b, const char *lead, const struct view *v,
			const struct sql_column *const *missing, size_t n)
{
	const struct sql_index *pk = NULL;

	for (size_t i = 0; i < v->nindexes; i++)
		if (strcmp(v->index[i].name, "PRIMARY") == 0)
			pk = &v->index[i];
	if (!pk)
		return;
	strbuf_addf(b, "%sDROP PRIMARY KEY, ADD PRIMARY KEY ", lead);
	sql_key_with(b, pk, missing, n, "`");
}

static void check_missing(struct view *v, const struct sql_columns *want, struct mysql_report *rep)
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
	strbuf_addf(&b, "; run: ALTER TABLE `%s`", v->table);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s ADD COLUMN `%s` %s", i ? "," : "", missing[i]->name,
			missing[i]->type);
	if (keys)
		add_new_key(&b, ", ", v, missing, n);
	strbuf_add(&b, ";");
	problem(rep, &b);
	strbuf_clear(&b);
}

/* Columns that are not ours and that the server cannot fill by itself. */
static void check_extra(struct view *v, struct mysql_report *rep)
{
	for (size_t i = 0; i < v->ncols; i++) {
		const struct found *f = &v->col[i];
		struct strbuf b = { NULL, 0, 0 };

		if (f->used || f->has_default)
			continue;
		if (strcasecmp(f->name, "stamp_inserted") == 0)
			strbuf_addf(&b,
				"table %s needs stamp_inserted, which is written with sql_history "
				"only;"
				" set sql_history (10m, for example)",
				v->table);
		else
			strbuf_addf(&b,
				"column %s of table %s has no default and nothing here writes it; "
				"run: "
				"ALTER TABLE `%s` MODIFY `%s` %s NULL DEFAULT NULL; (or take it "
				"out of the"
				" table, or set sql_table_version to the table's)",
				f->name, v->table, v->table, f->name, f->full);
		problem(rep, &b);
		strbuf_clear(&b);
	}
}

static void add_modify(struct strbuf *b, const struct view *v, const struct sql_column *c,
		       const char *type)
{
	strbuf_addf(b, "; run: ALTER TABLE `%s` MODIFY `%s` %s;", v->table, c->name, type);
}

/* The largest number of an integer column, in bits. */
static unsigned integer_bits(const struct found *f)
{
	static const struct { const char *type; unsigned bits; } sizes[] = {
		{ "tinyint", 8 }, { "smallint", 16 }, { "mediumint", 24 }, { "int", 32 } };
	unsigned bits = 64;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcmp(f->type, sizes[i].type) == 0)
			bits = sizes[i].bits;
	return bits - !strstr(f->full, "unsigned");
}

/* Columns whose values are text or sums, of a type that takes them otherwise. */
static bool other_type(struct strbuf *b, const struct view *v, const struct sql_column *c,
		       const struct found *f)
{
	bool address = c->primitive && primitive_is_address(c->primitive);
	bool sum = c->role == SQL_PACKETS || c->role == SQL_BYTES || c->role == SQL_FLOWS;

	if (address && c->kind == SQL_TEXT &&
		(is_integer(f) || is_float(f) || strstr(f->type, "date"))) {
		strbuf_add(b, ", but addresses are written as text");
		add_modify(b, v, c, c->type);
		return true;
	}
	if (sum && (is_float(f) || is_text(f))) {
		strbuf_add(b, ", which rounds sums");
		add_modify(b, v, c, "BIGINT UNSIGNED NOT NULL");
		return true;
	}
	return false;
}

/* Ports, interfaces, AS numbers: what the exporter's field may hold.  A VLAN has 12 bits. */
static bool small_integer(struct strbuf *b, const struct view *v, const struct sql_column *c,
			  const struct found *f)
{
	unsigned bits;

	if (!c->primitive || c->primitive->member < 0 || c->kind != SQL_NUMBER || !is_integer(f))
		return false;
	bits = c->primitive->member == FLOW_vlan || c->primitive->member == FLOW_out_vlan
		? 12 : flow_fields[c->primitive->member].width * 8u;
	/* The reference's own scripts have INT for numbers of 32 bits and more. */
	if (integer_bits(f) >= bits || (integer_bits(f) >= 31 && bits >= 32))
		return false;
	strbuf_add(b, ": rows with larger numbers will be refused");
	add_modify(b, v, c, c->type);
	return true;
}

/* A column that exists but takes less than what may come.  True: no row would get in. */
static bool narrow(struct strbuf *b, const struct view *v, const struct sql_column *c,
		   const struct found *f)
{
	bool address = c->primitive && primitive_is_address(c->primitive);

	strbuf_addf(b, "%s of table %s is %s", c->name, v->table, f->full);
	if (other_type(b, v, c, f))
		return true;
	if (small_integer(b, v, c, f))
		return false;
	if (c->kind == SQL_BINARY && !is_binary(f)) {
		strbuf_add(b, ": sql_num_hosts writes addresses as bytes");
		add_modify(b, v, c, c->type);
		return true;
	}
	if (c->kind == SQL_TIME && is_integer(f)) {
		strbuf_add(
			b, ", but times are written as DATETIME; set timestamps_since_epoch: true");
		add_modify(b, v, c, c->type);
		return true;
	}
	if ((c->role == SQL_INSERTED || c->role == SQL_UPDATED) && c->kind == SQL_NUMBER &&
		!is_integer(f)) {
		strbuf_add(b, ", but timestamps_since_epoch writes seconds");
		add_modify(b, v, c, c->type);
		return true;
	}
	if (address && c->kind == SQL_TEXT && is_text(f) && f->chars < IPV6_CHARS) {
		strbuf_add(b, ": rows with IPv6 addresses will be refused");
		add_modify(b, v, c, c->type);
		return false;
	}
	if ((c->role == SQL_PACKETS || c->role == SQL_BYTES ||
		    (c->role == SQL_FLOWS && !c->constant)) &&
		is_integer(f) && (strcmp(f->type, "bigint") != 0 || !strstr(f->full, "unsigned"))) {
		strbuf_add(b, ": sums that do not fit it will be refused");
		add_modify(b, v, c, "BIGINT UNSIGNED NOT NULL");
		return false;
	}
	if (c->primitive && !c->constant &&
		(c->primitive->format == PRIM_MAC || c->primitive->format == PRIM_INSIDE_MAC ||
			c->primitive->format == PRIM_CUSTOM_MAC) &&
		f->chars < MAC_CHARS) {
		strbuf_add(b, ": a MAC address has 17 characters");
		add_modify(b, v, c, c->type);
		return true;
	}
	strbuf_reset(b);
	return false;
}

static void check_widths(struct view *v, const struct sql_columns *want, struct mysql_report *rep)
{
	for (size_t i = 0; i < want->n; i++) {
		struct strbuf b = { NULL, 0, 0 };
		const struct found *f = find(v, want->c[i].name);

		if (f && !(want->c[i].constant && want->c[i].kind != SQL_BINARY)) {
			if (narrow(&b, v, &want->c[i], f))
				problem(rep, &b);
			else if (b.n)
				caution(rep, &b);
		}
		strbuf_clear(&b);
	}
}

/* Names of protocols that do not fit ip_proto go as numbers: the row matters more than its
 * spelling. */
static void fit_proto(struct view *v, struct sql_columns *columns, const struct mysql_report *rep)
{
	const struct found *f = find(v, "ip_proto");
	bool varies = false;

	for (size_t i = 0; i < columns->n; i++)
		varies |= strcmp(columns->c[i].name, "ip_proto") == 0 && !columns->c[i].constant;
	if (!f || !varies || columns->style.num_protos)
		return;
	if (is_integer(f)) {
		columns->style.num_protos = true;
	} else if (is_text(f) && f->chars < 20) {
		columns->style.proto_width = (unsigned)f->chars;
		if (!rep->quiet)
			log_info("%s: ip_proto of table %s is %s: protocols with longer names are "
				 "written as "
				 "numbers; run: ALTER TABLE `%s` MODIFY `ip_proto` CHAR(20) NOT "
				 "NULL;",
				rep->who, v->table, f->full, v->table);
	}
}

static enum mysql_way choose_way(struct view *v, const struct sql_columns *columns,
				 const struct mysql_report *rep)
{
	bool covered = false, collides = false;

	for (size_t i = 0; i < v->nindexes; i++) {
		const struct sql_column *missing;
		struct strbuf b = { NULL, 0, 0 };

		switch (sql_unique_judge(columns, &v->index[i], &missing)) {
		case SQL_UNIQUE_COVERS: covered = true; break;
		case SQL_UNIQUE_HARMLESS: break;
		case SQL_UNIQUE_COLLIDES:
			collides = true;
			if (!missing)
				break;
			strbuf_addf(&b,
				"unique key %s of table %s has no %s: rows that differ only there "
				"will be refused",
				v->index[i].name, v->table, missing->name);
			if (strcmp(v->index[i].name, "PRIMARY") == 0) {
				strbuf_addf(&b, "; run: ALTER TABLE `%s` ", v->table);
				add_new_key(&b, "", v, &missing, 1);
				strbuf_add(&b, ";");
			}
			caution(rep, &b);
			strbuf_clear(&b);
			break;
		}
	}
	if (covered && !collides)
		return MYSQL_UPSERT;
	if (!rep->quiet)
		log_info("%s: table %s has no unique key over exactly the written key columns: "
			 "rows go in through a temporary table, which is slower",
			rep->who, v->table);
	return MYSQL_SET;
}

/*
 * The primary key alone tells rows apart: then READ COMMITTED locks rows only.  In
 * a unique key beside it InnoDB locks gaps whatever the isolation is.
 */
static bool is_divisible(const struct mysql_table *t, const struct view *v)
{
	return t->way == MYSQL_UPSERT && v->nindexes == 1 &&
	       strcmp(v->index[0].name, "PRIMARY") == 0;
}

/* "pm@127.0.0.1" as the GRANT's 'pm'@'127.0.0.1'. */
static void add_grant(struct strbuf *b, struct mysql_link *k, const char *table)
{
	MYSQL_RES *res = link_select(k,
		"SELECT DATABASE(), CONCAT(\"'\", REPLACE(CURRENT_USER(), '@', \"'@'\"), \"'\")");
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;

	if (row && row[0] && row[1])
		strbuf_addf(b, "; run: GRANT SELECT, INSERT, UPDATE ON `%s`.`%s` TO %s;", row[0],
			table, row[1]);
	if (res)
		mysql_free_result(res);
}

/* The statement we will use, prepared, so that missing rights show now. */
static void check_rights(
	struct mysql_link *k, const struct mysql_table *t, struct mysql_report *rep)
{
	struct strbuf b = { NULL, 0, 0 };
	MYSQL_STMT *stmt;

	text_insert(&b, &t->columns, t->table.name);
	text_parameters(&b, &t->columns);
	if (t->way == MYSQL_UPSERT)
		text_on_duplicate(&b, &t->columns);
	stmt = link_prepare(k, b.s, b.n);
	if (stmt && t->way != MYSQL_UPSERT) {
		mysql_stmt_close(stmt);
		strbuf_reset(&b);
		strbuf_addf(&b, "UPDATE `%s` SET packets=packets+0 WHERE bytes<0", t->table.name);
		stmt = link_prepare(k, b.s, b.n);
	}
	strbuf_reset(&b);
	if (stmt) {
		mysql_stmt_close(stmt);
	} else {
		strbuf_addf(&b, "table %s: %s (%u)", t->table.name, k->why, k->err);
		if (k->err == 1142 || k->err == 1143)
			add_grant(&b, k, t->table.name);
		problem(rep, &b);
	}
	strbuf_clear(&b);
}

static unsigned check_engine(struct mysql_link *k, struct view *v, const struct sql_columns *want,
			     const struct plugin_settings *p, struct mysql_report *rep)
{
	MYSQL_RES *res = link_select(k,
		"SELECT ENGINE, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES"
		" WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME='%s'",
		v->table);
	char script[SQL_SCRIPT_MAX];
	struct strbuf b = { NULL, 0, 0 };
	MYSQL_ROW row;

	if (!res)
		return k->err;
	row = mysql_fetch_row(res);
	if (!row) {
		strbuf_addf(&b,
			"table %s does not exist in database \"%s\", or user \"%s\" has no right "
			"to see it",
			v->table, p->sql_db ? p->sql_db : "pmacct",
			p->sql_user ? p->sql_user : "pmacct");
		sql_table_script(script, sizeof(script), p, "mysql");
		if (!p->sql_table)
			strbuf_addf(&b, "; %s makes it, or", script);
		if (!p->sql_table_schema) {
			strbuf_add(&b, p->sql_table ? "; run: " : " run: ");
			text_create_table(&b, want, v->table);
			strbuf_add(&b, ";");
		}
		problem(rep, &b);
	} else if (row[0] && strcasecmp(row[0], "InnoDB") != 0) {
		strbuf_addf(&b,
			"table %s has engine %s: a purge that breaks off half-way cannot be taken "
			"back; run: ALTER TABLE `%s` ENGINE=InnoDB;",
			v->table, row[0], v->table);
		caution(rep, &b);
	}
	mysql_free_result(res);
	strbuf_clear(&b);
	return 0;
}

/* Names come from the configuration: as a string literal. */
static bool safe_name(const char *name)
{
	return !strpbrk(name, "'\\");
}

static unsigned look(struct mysql_table *t, struct mysql_link *k, struct view *v,
		     const struct sql_columns *want, const struct plugin_settings *p,
		     struct mysql_report *rep)
{
	unsigned before = rep->problems;

	if (check_engine(k, v, want, p, rep) != 0)
		return k->err;
	if (rep->problems > before)
		return 0;
	if (read_columns(k, v) != 0 || read_indexes(k, v) != 0)
		return k->err;
	t->columns = *want;
	check_missing(v, want, rep);
	check_extra(v, rep);
	check_widths(v, want, rep);
	fit_proto(v, &t->columns, rep);
	if (rep->problems > before)
		return 0;
	t->way = choose_way(v, &t->columns, rep);
	t->divisible = is_divisible(t, v);
	check_rights(k, t, rep);
	return link_meaning(k->err) == LINK_LOST ? k->err : 0;
}

unsigned mysql_table_look(struct mysql_table *t, struct mysql_link *k,
	const struct sql_columns *want, const char *name, const struct plugin_settings *p,
	struct mysql_report *rep)
{
	struct view *v = xcalloc(1, sizeof(*v));
	unsigned err = 0;

	memset(t, 0, sizeof(*t));
	copy(t->table.name, sizeof(t->table.name), name);
	v->table = t->table.name;
	v->rep = rep;
	if (safe_name(name)) {
		err = look(t, k, v, want, p, rep);
	} else {
		struct strbuf b = { NULL, 0, 0 };

		strbuf_addf(
			&b, "sql_table: \"%s\": a table name has no quotes or backslashes", name);
		problem(rep, &b);
		strbuf_clear(&b);
	}
	free(v);
	return err;
}
