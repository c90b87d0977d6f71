/*
 * sql_columns.c - see sql_columns.h.  The names and versions are rows of
 * primitives.def; here are the rules that connect them.
 */
#include "nfacctd/sql_columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/strbuf.h"
#include "wire/addr.h"

/* How a format stands in SQL, and what to declare it as. */
static const struct {
	enum sql_kind kind;
	const char *type;
} forms[PRIM_FORMATS] = {
	[PRIM_TAG] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_MAC] = { SQL_TEXT, "CHAR(17) NOT NULL" },
	[PRIM_NUM] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_HEX] = { SQL_TEXT, "CHAR(6) NOT NULL DEFAULT ''" },
	[PRIM_PROTO] = { SQL_TEXT, "CHAR(20) NOT NULL" },
	[PRIM_HOST] = { SQL_TEXT, "CHAR(45) NOT NULL DEFAULT '0.0.0.0'" },
	[PRIM_NET] = { SQL_TEXT, "CHAR(45) NOT NULL DEFAULT '0.0.0.0'" },
	[PRIM_TEXT] = { SQL_TEXT, "VARCHAR(255) NOT NULL DEFAULT ''" },
	[PRIM_FLAGS] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_CLASS] = { SQL_TEXT, "CHAR(16) NOT NULL" },
	[PRIM_EXPORTER] = { SQL_TEXT, "CHAR(45) NOT NULL DEFAULT '0.0.0.0'" },
	[PRIM_RATE] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_DIR] = { SQL_TEXT, "CHAR(1) NOT NULL DEFAULT 'u'" },
	[PRIM_TIME] = { SQL_TIME, "DATETIME NOT NULL DEFAULT '1970-01-01 00:00:00'" },
	[PRIM_ARRIVAL] = { SQL_TIME, "DATETIME NOT NULL DEFAULT '1970-01-01 00:00:00'" },
	[PRIM_EXPORTED] = { SQL_TIME, "DATETIME NOT NULL DEFAULT '1970-01-01 00:00:00'" },
	[PRIM_SEQNO] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_VERSION] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_SYSID] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_ELEMENT] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_RD] = { SQL_TEXT, "CHAR(32) NOT NULL DEFAULT '0:0:0'" },
	[PRIM_DEPTH] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_VNI] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_INSIDE_MAC] = { SQL_TEXT, "CHAR(17) NOT NULL DEFAULT ''" },
	[PRIM_INSIDE_HOST] = { SQL_TEXT, "CHAR(45) NOT NULL DEFAULT '0.0.0.0'" },
	[PRIM_INSIDE_PROTO] = { SQL_TEXT, "CHAR(20) NOT NULL DEFAULT '0'" },
	[PRIM_INSIDE_NUM] = { SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_CUSTOM_UINT] = { SQL_NUMBER, "BIGINT UNSIGNED NOT NULL DEFAULT 0" },
	[PRIM_CUSTOM_HEX] = { SQL_TEXT, "CHAR(16) NOT NULL DEFAULT '0'" },
	[PRIM_CUSTOM_IP] = { SQL_TEXT, "CHAR(45) NOT NULL DEFAULT '0.0.0.0'" },
	[PRIM_CUSTOM_MAC] = { SQL_TEXT, "CHAR(17) NOT NULL DEFAULT ''" },
	[PRIM_CUSTOM_STR] = { SQL_TEXT, "VARCHAR(255) NOT NULL DEFAULT ''" },
	[PRIM_CUSTOM_RAW] = { SQL_TEXT, "VARCHAR(255) NOT NULL DEFAULT ''" },
};

size_t sql_text_most(const struct sql_column *c)
{
	switch (c->primitive ? c->primitive->format : PRIM_TEXT) {
	case PRIM_MAC:
	case PRIM_INSIDE_MAC:
		return 24;
	case PRIM_HOST:
	case PRIM_NET:
	case PRIM_EXPORTER:
	case PRIM_INSIDE_HOST:
		return 48;
	case PRIM_PROTO:
	case PRIM_INSIDE_PROTO:
	case PRIM_HEX:
		return 32;
	default:
		return PRIM_TEXT_MAX;
	}
}

/* What a table of sql_table_type: bgp can hold without a BGP session. */
static const uint64_t in_bgp_table =
	UINT64_C(1) << PRIM_ID_tag | UINT64_C(1) << PRIM_ID_src_as | UINT64_C(1) << PRIM_ID_dst_as |
	UINT64_C(1) << PRIM_ID_peer_src_as | UINT64_C(1) << PRIM_ID_peer_dst_as |
	UINT64_C(1) << PRIM_ID_peer_src_ip | UINT64_C(1) << PRIM_ID_peer_dst_ip;

bool sql_table_has(const struct plugin_settings *p, size_t primitive_id)
{
	const int since = primitives[primitive_id].since;

	if (p->sql_table_type == SQL_TABLE_BGP)
		return in_bgp_table >> primitive_id & 1;
	return since > 0 && (uint32_t)since <= p->sql_table_version;
}

bool sql_table_has_flows(const struct plugin_settings *p)
{
	return p->sql_table_type != SQL_TABLE_BGP && p->sql_table_version >= 4;
}

static struct sql_column *add(struct sql_columns *s, const char *name, enum sql_role role,
			      enum sql_kind kind, const char *type)
{
	struct sql_column *c = &s->c[s->n++];

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->role = role;
	c->kind = kind;
	c->type = type;
	return c;
}

static bool is_pgsql(const struct plugin_settings *p)
{
	return strcmp(p->type, "pgsql") == 0;
}

/*
 * agent_id became tag in version 9; the ports changed their names in version 8, and in
 * PostgreSQL they always had the new ones.
 */
static const char *column_name(const struct primitive *p, const struct plugin_settings *set)
{
	const uint32_t version = set->sql_table_version;

	if (p->format == PRIM_TAG)
		return version >= 9 ? p->sql8 : p->sql7;
	return version >= 8 || is_pgsql(set) ? p->sql8 : p->sql7;
}

static void add_primitive(struct sql_columns *s, const struct primitive *p,
			  const struct key_field *f, const struct plugin_settings *set)
{
	struct sql_column *c = add(s, column_name(p, set), SQL_KEY,
				   forms[p->format].kind, forms[p->format].type);

	c->primitive = p;
	c->field = f;
	if (!f)
		c->constant = p->filler ? p->filler : primitive_is_address(p) ? "0.0.0.0" : "0";
	if (primitive_is_address(p) && p->format != PRIM_CUSTOM_IP && set->sql_num_hosts &&
	    !is_pgsql(set)) {
		c->kind = SQL_BINARY;
		c->type = "VARBINARY(16) NOT NULL";
	}
	if (c->kind == SQL_TIME && set->timestamps_since_epoch) {
		c->kind = SQL_NUMBER;
		c->type = "INT UNSIGNED NOT NULL DEFAULT 0";
	}
	if (forms[p->format].kind == SQL_TIME && !set->timestamps_secs) {
		char name[sizeof(c->name)];

		snprintf(name, sizeof(name), "%.20s_residual", c->name);
		c = add(s, name, SQL_KEY, SQL_NUMBER, "INT UNSIGNED NOT NULL DEFAULT 0");
		c->primitive = p;
		c->field = f;
		c->residual = true;
	}
}

/* Before version 6 the tables have no AS columns: the number goes into the host's
 * (collector.md 9.3). */
static bool as_in_host_column(const struct plugin_settings *p, int id)
{
	return !p->sql_optimize_clauses && p->sql_table_type != SQL_TABLE_BGP &&
	       p->sql_table_version < 6 && (id == PRIM_ID_src_as || id == PRIM_ID_dst_as);
}

static bool version_allows(const struct plugin_settings *p, const struct key_layout *l, int id,
			   char *why, size_t size)
{
	const struct primitive *prim = &primitives[id];

	if (p->sql_optimize_clauses || prim->since == 0 || sql_table_has(p, (size_t)id))
		return true;
	if (p->sql_table_type == SQL_TABLE_BGP) {
		snprintf(why, size, "aggregate: \"%s\" has no column with sql_table_type: bgp; set "
			 "sql_optimize_clauses: true and have a column %s in your table",
			 prim->name, column_name(prim, p));
		return false;
	}
	if (as_in_host_column(p, id) &&
	    !key_layout_find(l, id == PRIM_ID_src_as ? PRIM_ID_src_host : PRIM_ID_dst_host))
		return true;
	snprintf(why, size, "aggregate: \"%s\" needs sql_table_version %d or higher (it is %" PRIu32
		 "), or sql_optimize_clauses: true and a column %s in your table",
		 prim->name, prim->since, p->sql_table_version, column_name(prim, p));
	return false;
}

static const struct key_field *as_for_host(const struct plugin_settings *p,
					   const struct key_layout *l, int id)
{
	int as = id == PRIM_ID_src_host ? PRIM_ID_src_as :
		 id == PRIM_ID_dst_host ? PRIM_ID_dst_as : -1;

	return as >= 0 && as_in_host_column(p, as) ?
		       key_layout_find(l, (enum primitive_id)as) : NULL;
}

static bool add_keys(struct sql_columns *s, const struct plugin_settings *p,
		     const struct key_layout *l, char *why, size_t size)
{
	for (int id = 0; id < PRIMITIVES; id++) {
		const struct primitive *prim = &primitives[id];
		const struct key_field *f = key_layout_find(l, (enum primitive_id)id);
		const struct key_field *as = as_for_host(p, l, id);
		bool in_table = !p->sql_optimize_clauses && sql_table_has(p, (size_t)id);

		if (prim->format == PRIM_FLAGS || (!f && !in_table))
			continue;
		if (!version_allows(p, l, id, why, size))
			return false;
		if (as_in_host_column(p, id))
			continue;
		add_primitive(s, prim, f ? f : as, p);
		if (as && !f)		/* the digits of an AS number in a text column */
			s->c[s->n - 1].kind = SQL_TEXT;
	}
	for (size_t i = l->nfields - l->spec.ncustom; i < l->nfields; i++)
		add_primitive(s, &primitives[l->field[i].primitive], &l->field[i], p);
	return true;
}

/* What a BGP session would tell: as the reference without one writes it. */
static void add_bgp(struct sql_columns *s)
{
	static const char text[] = "CHAR(24) NOT NULL", number[] = "INT UNSIGNED NOT NULL";

	add(s, "comms", SQL_KEY, SQL_TEXT, text)->constant = "";
	add(s, "as_path", SQL_KEY, SQL_TEXT, text)->constant = "";
	add(s, "local_pref", SQL_KEY, SQL_NUMBER, number)->constant = "0";
	add(s, "med", SQL_KEY, SQL_NUMBER, number)->constant = "0";
}

bool sql_columns_make(struct sql_columns *s, const struct plugin_settings *p,
		      const struct key_layout *l, char *why, size_t why_size)
{
	bool all = !p->sql_optimize_clauses;
	bool history = p->history.seconds || p->history.months;
	enum sql_kind time = p->timestamps_since_epoch ? SQL_NUMBER : SQL_TIME;
	const char *stamp =
		p->timestamps_since_epoch ? "INT UNSIGNED NOT NULL" : "DATETIME NOT NULL";

	memset(s, 0, sizeof(*s));
	s->style = (struct print_style){ .num_protos = p->num_protos || is_pgsql(p),
		.epoch = p->timestamps_since_epoch, .utc = p->timestamps_utc };
	s->binary_hosts = p->sql_num_hosts && !is_pgsql(p);
	if (!add_keys(s, p, l, why, why_size))
		return false;
	if (l->spec.tcpflags && !version_allows(p, l, PRIM_ID_tcpflags, why, why_size))
		return false;
	if (l->spec.flows && all && !sql_table_has_flows(p)) {
		snprintf(why, why_size,
			"aggregate: \"flows\" needs sql_table_version 4 or higher (it is %" PRIu32
			") of type original, or sql_optimize_clauses: true and a column flows in your table",
			p->sql_table_version);
		return false;
	}
	if (all && p->sql_table_type == SQL_TABLE_BGP)
		add_bgp(s);
	if (history) {
		add(s, "stamp_inserted", SQL_INSERTED, time, stamp);
		add(s, "stamp_updated", SQL_UPDATED, time,
		    p->timestamps_since_epoch ? "INT UNSIGNED" : "DATETIME");
	}
	if (l->spec.tcpflags || (all && sql_table_has(p, PRIM_ID_tcpflags)))
		add(s, "tcp_flags", SQL_TCP_FLAGS, SQL_NUMBER, forms[PRIM_FLAGS].type)->constant =
			l->spec.tcpflags ? NULL : "0";
	add(s, "packets", SQL_PACKETS, SQL_NUMBER, "BIGINT UNSIGNED NOT NULL");
	add(s, "bytes", SQL_BYTES, SQL_NUMBER, "BIGINT UNSIGNED NOT NULL");
	if (l->spec.flows || (all && sql_table_has_flows(p)))
		add(s, "flows", SQL_FLOWS, SQL_NUMBER, "BIGINT UNSIGNED NOT NULL DEFAULT 0")
			->constant = l->spec.flows ? NULL : "0";
	return true;
}

bool sql_is_key(const struct sql_column *c)
{
	return c->role == SQL_KEY || c->role == SQL_INSERTED;
}

const char *sql_addition(const struct sql_column *c)
{
	if (c->constant)
		return NULL;
	switch (c->role) {
	case SQL_PACKETS:
	case SQL_BYTES:
	case SQL_FLOWS:
		return "+";
	case SQL_TCP_FLAGS:
		return "|";
	case SQL_UPDATED:
		return "";
	default:
		return NULL;
	}
}

static void cell_text(struct sql_cell *cell, const char *text)
{
	cell->len = strnlen(text, PRIM_TEXT_MAX);
	memcpy(cell->text, text, cell->len);
	cell->text[cell->len] = '\0';
}

static void cell_address(struct sql_cell *cell, const struct addr *a)
{
	cell->len = addr_is4(a) ? 4 : 16;
	memcpy(cell->text, a->b + 16 - cell->len, cell->len);
}

/* From the key; times are microseconds there, columns have seconds and a rest. */
static void cell_key(struct sql_cell *cell, const struct sql_columns *s, const struct sql_column *c,
		     const struct sum_row *r)
{
	struct addr a;
	uint64_t us;

	switch (c->kind) {
	case SQL_BINARY:
		memcpy(a.b, r->key + c->field->offset, sizeof(a.b));
		cell_address(cell, &a);
		break;
	case SQL_TEXT:
		cell->len = key_print(cell->text, c->field, r->key, &s->style);
		cell->text[cell->len] = '\0';
		break;
	case SQL_NUMBER:
	case SQL_TIME:
		cell->number = key_number(c->field, r->key);
		if (forms[c->primitive->format].kind != SQL_TIME)
			break;
		us = cell->number;
		cell->number = c->residual ? us % 1000000 : us / 1000000;
		break;
	}
}

static void cell_constant(struct sql_cell *cell, const struct sql_column *c)
{
	struct addr a;

	if (c->kind == SQL_BINARY && addr_parse(&a, c->constant)) {
		cell_address(cell, &a);
		return;
	}
	cell_text(cell, c->constant);
	cell->number = 0;
	for (const char *d = c->constant; *d >= '0' && *d <= '9'; d++)
		cell->number = cell->number * 10 + (uint64_t)(*d - '0');
}

void sql_cell_make(struct sql_cell *cell, const struct sql_columns *s, const struct sql_column *c,
		   const struct purge *p, const struct sum_row *r)
{
	if (c->constant) {
		cell_constant(cell, c);
		return;
	}
	switch (c->role) {
	case SQL_KEY: cell_key(cell, s, c, r); break;
	case SQL_INSERTED: cell->number = (uint64_t)r->bin; break;
	case SQL_UPDATED: cell->number = (uint64_t)p->now; break;
	case SQL_PACKETS: cell->number = r->sums.packets; break;
	case SQL_BYTES: cell->number = r->sums.octets; break;
	case SQL_FLOWS: cell->number = r->sums.flows; break;
	case SQL_TCP_FLAGS: cell->number = r->sums.tcp_flags; break;
	}
}

void sql_row_describe(char *buf, size_t size, const struct sql_columns *s, const struct purge *p,
		      const struct sum_row *r)
{
	struct sql_cell cell;
	char address[ADDR_TEXT];
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->n && n < size; i++) {
		const struct sql_column *c = &s->c[i];
		const char *gap = n ? " " : "";
		struct addr a;

		if (c->constant || c->role == SQL_UPDATED)
			continue;
		sql_cell_make(&cell, s, c, p, r);
		if (c->kind == SQL_BINARY) {
			a = cell.len == 4 ? addr_from4((const uint8_t *)cell.text) :
					    addr_from16((const uint8_t *)cell.text);
			n += (size_t)snprintf(buf + n, size - n, "%s%s=%s", gap, c->name,
					      addr_print(&a, address));
		} else if (c->kind == SQL_TEXT) {
			n += (size_t)snprintf(
				buf + n, size - n, "%s%s=%s", gap, c->name, cell.text);
		} else {
			n += (size_t)snprintf(buf + n, size - n, "%s%s=%" PRIu64, gap, c->name,
					      cell.number);
		}
	}
}

/* PostgreSQL's tables up to version 5: AS numbers have one of their own, and plain text, too. */
static const char *family(const struct plugin_settings *p)
{
	const uint64_t as = UINT64_C(1) << PRIM_ID_src_as | UINT64_C(1) << PRIM_ID_dst_as;

	if (p->sql_table_type == SQL_TABLE_BGP)
		return "acct_bgp";
	if (!is_pgsql(p) || p->sql_table_version > 5)
		return "acct";
	if (p->sql_data == SQL_DATA_UNIFIED)
		return "acct_uni";
	return p->aggregate.set & as && !p->sql_optimize_clauses ? "acct_as" : "acct";
}

void sql_default_table(char *buf, size_t size, const struct plugin_settings *p)
{
	/* 1.7.7 has one layout of that type; a version names only its column of the tag. */
	if (p->sql_table_version <= 1 || p->sql_table_type == SQL_TABLE_BGP)
		snprintf(buf, size, "%s", family(p));
	else
		snprintf(buf, size, "%s_v%" PRIu32, family(p), p->sql_table_version);
}

void sql_table_script(char *buf, size_t size, const struct plugin_settings *p, const char *ending)
{
	if (p->sql_table_type == SQL_TABLE_BGP)
		snprintf(buf, size, "sql/pmacct-create-table_bgp_v1.%s", ending);
	else
		snprintf(buf, size, "sql/pmacct-create-table_v%" PRIu32 ".%s", p->sql_table_version,
			 ending);
}

static const struct sql_column *column_named(const struct sql_columns *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcasecmp(s->c[i].name, name) == 0)
			return &s->c[i];
	return NULL;
}

/*
 * Every row that we write is told apart by its varying key columns and its
 * bin.  An index that has all of them, and beside them only what is the same in
 * all our rows, meets exactly when two rows are the same sum.
 */
enum sql_unique sql_unique_judge(const struct sql_columns *s, const struct sql_index *index,
				 const struct sql_column **missing)
{
	bool has[SQL_COLUMNS_MAX] = { false }, odd = false;

	*missing = NULL;
	for (size_t i = 0; i < index->n; i++) {
		const struct sql_column *c = column_named(s, index->column[i].name);

		if (!c && (index->column[i].generated || index->column[i].null_default))
			return SQL_UNIQUE_HARMLESS;
		if (c)
			has[c - s->c] = true;
		if (index->column[i].partial || (!c && !index->column[i].constant_default) ||
		    (c && !c->constant && c->role != SQL_KEY && c->role != SQL_INSERTED))
			odd = true;
	}
	for (size_t i = 0; i < s->n; i++)
		if ((s->c[i].role == SQL_KEY || s->c[i].role == SQL_INSERTED) &&
			!s->c[i].constant && !has[i]) {
			*missing = &s->c[i];
			return SQL_UNIQUE_COLLIDES;
		}
	return odd ? SQL_UNIQUE_COLLIDES : SQL_UNIQUE_COVERS;
}

void sql_key_with(struct strbuf *b, const struct sql_index *key,
		  const struct sql_column *const *missing, size_t n, const char *quote)
{
	const char *gap = "(";
	bool placed = false;

	for (size_t i = 0; i <= key->n; i++) {
		bool here = i == key->n || strcasecmp(key->column[i].name, "stamp_inserted") == 0;

		for (size_t m = 0; here && !placed && m < n; m++) {
			if (!sql_is_key(missing[m]))
				continue;
			strbuf_addf(b, "%s%s%s%s", gap, quote, missing[m]->name, quote);
			gap = ", ";
		}
		placed |= here;
		if (i < key->n) {
			strbuf_addf(b, "%s%s%s%s", gap, quote, key->column[i].name, quote);
			gap = ", ";
		}
	}
	strbuf_add(b, ")");
}
