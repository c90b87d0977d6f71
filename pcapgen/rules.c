/*
 * rules.c - see rules.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/rules.h"
#include "pcapgen/rules_bins.h"
#include "pcapgen/rules_filter.h"
#include "pcapgen/rules_maps.h"
#include "pcapgen/rules_own.h"
#include "pcapgen/rules_select.h"
#include "pcapgen/rules_sql.h"
#include "pcapgen/rules_tags.h"

/* ---- the truth ------------------------------------------------------------------ */

/* Addresses are 16 bytes; numbers that the exporter did not say are NULL. */
static const char schema[] = "CREATE TABLE flow(id INTEGER PRIMARY KEY, exporter BLOB, protocol "
			     "INTEGER, version INTEGER, domain INTEGER,"
			     " sequence INTEGER, src BLOB, dst BLOB, sport INTEGER, dport INTEGER, "
			     "proto INTEGER, tos INTEGER, flags INTEGER,"
			     " in_if INTEGER, out_if INTEGER, src_as INTEGER, dst_as INTEGER, "
			     "src_mask INTEGER, dst_mask INTEGER,"
			     " packets INTEGER, octets INTEGER, num INTEGER, first_ms INTEGER, "
			     "last_ms INTEGER, sent_ms INTEGER, next_hop BLOB, export_ms INTEGER,"
			     " src_mac BLOB, dst_mac BLOB, post_src BLOB, post_dst BLOB, vlan INTEGER,"
			     " out_vlan INTEGER, direction INTEGER, post_sport INTEGER,"
			     " post_dport INTEGER, flows INTEGER, bgp_next_hop BLOB, said INTEGER, elements TEXT)";

enum column {
	COL_EXPORTER = 2,
	COL_PROTOCOL,
	COL_VERSION,
	COL_DOMAIN,
	COL_SEQUENCE,
	COL_SRC,
	COL_DST,
	COL_NUMBERS
};

static const uint8_t numbers[] = { FLOW_src_port, FLOW_dst_port, FLOW_proto, FLOW_tos,
	FLOW_tcp_flags, FLOW_in_if, FLOW_out_if, FLOW_src_as, FLOW_dst_as, FLOW_src_mask,
	FLOW_dst_mask, FLOW_packets, FLOW_octets };

/* Of a wide truth: what is bytes, then what is numbers. */
static const uint8_t wide_bytes[] = { FLOW_src_mac, FLOW_dst_mac, FLOW_post_src, FLOW_post_dst };
static const uint8_t wide_numbers[] = { FLOW_vlan, FLOW_out_vlan, FLOW_direction,
	FLOW_post_src_port, FLOW_post_dst_port, FLOW_flows };

struct rules *rules_open(void)
{
	struct rules *r = xcalloc(1, sizeof(*r));

	if (sqlite3_open(":memory:", &r->db) != SQLITE_OK || rules_sql_register(r) ||
		rules_own_register(r) ||
		rules_filter_register(r)) {
		log_error("SQLite in memory: %s", r->db ? sqlite3_errmsg(r->db) : "out of memory");
		rules_close(r);
		return NULL;
	}
	if (rules_exec(r,
		    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = "
		    "MEMORY") ||
		rules_exec(r, schema)) {
		rules_close(r);
		return NULL;
	}
	r->insert = rules_prepare(r,
		"INSERT INTO flow VALUES (NULL,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
		"?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,"
		"?38,?39,?40)");
	if (!r->insert) {
		rules_close(r);
		return NULL;
	}
	return r;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->insert);
	sqlite3_close(r->db);
	free(r->sql);
	free(r);
}

int rules_exec(struct rules *r, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(r->db, sql, NULL, NULL, &why) == SQLITE_OK)
		return 0;
	log_error("SQLite: %s: %s", why ? why : sqlite3_errmsg(r->db), sql);
	sqlite3_free(why);
	return -1;
}

sqlite3_stmt *rules_prepare(struct rules *r, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(r->db, sql, -1, &st, NULL) == SQLITE_OK)
		return st;
	log_error("SQLite: %s: %s", sqlite3_errmsg(r->db), sql);
	return NULL;
}

static void bind_ms(sqlite3_stmt *st, int column, bool has, uint64_t us)
{
	if (has)
		sqlite3_bind_int64(st, column, (int64_t)(us / 1000));
	else
		sqlite3_bind_null(st, column);
}

/* The interval as a whole number; one that is none is counted and refused where it would be used.
 */
static int64_t interval(struct rules *r, const struct flow_record *f)
{
	uint32_t den = flow_has(f, FLOW_sampling_den) && f->sampling_den ? f->sampling_den : 1;

	if (!flow_has(f, FLOW_sampling_num) || !f->sampling_num)
		return 1;
	if (f->sampling_num % den)
		r->bad_sampling++;
	return f->sampling_num / den;
}

static void bind_numbers(
	sqlite3_stmt *st, int at, const struct flow_record *f, const uint8_t *fields, size_t n)
{
	for (size_t i = 0; i < n; i++, at++)
		if (flow_has(f, fields[i]))
			sqlite3_bind_int64(st, at, (int64_t)flow_get(f, fields[i]));
		else
			sqlite3_bind_null(st, at);
}

int rules_load_row(struct rules *r, const struct truth_row *row)
{
	const struct flow_record *f = &row->flow;
	sqlite3_stmt *st = r->insert;
	int at = COL_NUMBERS, err;

	sqlite3_bind_blob(st, COL_EXPORTER, row->exporter.b, 16, SQLITE_STATIC);
	sqlite3_bind_int(st, COL_PROTOCOL, row->protocol);
	sqlite3_bind_int(st, COL_VERSION, row->version);
	sqlite3_bind_int64(st, COL_DOMAIN, row->domain);
	sqlite3_bind_int64(st, COL_SEQUENCE, row->sequence);
	sqlite3_bind_blob(st, COL_SRC, f->src.b, 16, SQLITE_STATIC);
	sqlite3_bind_blob(st, COL_DST, f->dst.b, 16, SQLITE_STATIC);
	bind_numbers(st, at, f, numbers, sizeof(numbers));
	at += (int)sizeof(numbers);
	sqlite3_bind_int64(st, at++, interval(r, f));
	/* sFlow says no times of a packet: whatever the truth knows, a collector can only book its
	 * arrival. */
	bind_ms(st, at++, flow_has(f, FLOW_first_us) && row->protocol != PROTO_SFLOW, f->first_us);
	bind_ms(st, at++, flow_has(f, FLOW_last_us) && row->protocol != PROTO_SFLOW, f->last_us);
	bind_ms(st, at++, true, row->sent_us);
	sqlite3_bind_blob(st, at++, f->next_hop.b, 16, SQLITE_STATIC);
	bind_ms(st, at++, row->export_us != 0, row->export_us);
	/* Unlike numbers, addresses that nobody said are those of an empty record: zeros. */
	for (size_t i = 0; i < sizeof(wide_bytes); i++)
		sqlite3_bind_blob(st, at++, (const uint8_t *)f + flow_fields[wide_bytes[i]].offset,
			flow_fields[wide_bytes[i]].width, SQLITE_STATIC);
	bind_numbers(st, at, f, wide_numbers, sizeof(wide_numbers));
	at += (int)sizeof(wide_numbers);
	sqlite3_bind_blob(st, at++, f->bgp_next_hop.b, 16, SQLITE_STATIC);
	/* An interval of 1 that is announced is one, and goes before a default. */
	sqlite3_bind_int(st, at++, flow_has(f, FLOW_sampling_num) && f->sampling_num);
	sqlite3_bind_text(st, at, row->elements, -1, SQLITE_STATIC);
	err = sqlite3_step(st) == SQLITE_DONE ? 0 : -1;
	sqlite3_reset(st);
	if (err)
		log_error("SQLite: %s", sqlite3_errmsg(r->db));
	r->flows++;
	r->sflow += row->protocol == PROTO_SFLOW;
	r->no_flow_count += row->protocol == PROTO_NETFLOW8;
	return err;
}

int rules_load(struct rules *r, const char *path)
{
	char why[256];
	struct truth_reader *t = truth_open(path, why);
	struct truth_row row;
	int got;

	if (!t) {
		log_error("%s", why);
		return -1;
	}
	r->width = truth_width(t);
	if (rules_exec(r, "BEGIN")) {
		truth_close(t);
		return -1;
	}
	while ((got = truth_next(t, &row, why)) > 0)
		if (rules_load_row(r, &row)) {
			truth_close(t);
			return -1;
		}
	truth_close(t);
	if (got < 0)
		log_error("%s", why);
	return rules_exec(r, "COMMIT") || got < 0 ? -1 : 0;
}

/* ---- when and how much ------------------------------------------------------------- */

#define START "coalesce(first_ms, export_ms)"

/* Microseconds never matter here: bins start on whole seconds. */
static void moment_sql(struct strbuf *b, const struct rules_conf *c)
{
	if (c->time_new) {
		strbuf_add(b, "sent_ms");
		return;
	}
	/*
	 * A record that says no start began when its message was written.  What is too far from
	 * the arrival is a clock that is wrong: the arrival counts.
	 */
	strbuf_add(b, "CASE WHEN " START " IS NOT NULL");
	if (c->time_limit)
		strbuf_addf(b, " AND abs(" START " - sent_ms) <= %llu",
			    (unsigned long long)c->time_limit * 1000);
	if (c->time_ahead)
		strbuf_addf(b, " AND " START " <= sent_ms + %llu",
			    (unsigned long long)c->time_ahead * 1000);
	strbuf_add(b, " THEN " START " ELSE sent_ms END");
}

static void factor_sql(struct strbuf *b, const struct rules_conf *c)
{
	if (!c->renormalize) {
		strbuf_add(b, "1");
		return;
	}
	if (c->ext_sampling_rate && c->ext_mode == EXT_OVERRIDE) {
		strbuf_addf(b, "%u", c->ext_sampling_rate);
		return;
	}
	/* What sampling_map says goes before what the exporter says. */
	if (c->sampling_map)
		strbuf_add(b, "CASE WHEN rate THEN rate ELSE ");
	if (c->ext_sampling_rate)
		strbuf_addf(b, "CASE WHEN said OR protocol = 6 THEN num ELSE %u END",
			c->ext_sampling_rate);
	else
		strbuf_add(b, "num");
	if (c->sampling_map)
		strbuf_add(b, " END");
}

/* The flows that reach the plugin. */
static const char *flows_sql(const struct rules_conf *c, const struct rules_plugin *p)
{
	return rules_marks(c, p) ? " FROM flow JOIN mark USING (id)" : " FROM flow";
}

/* placed(id, bin, packets, octets, flows, factor): each record whole in the bin of its moment. */
static void place_whole(
	struct strbuf *b, const struct rules_conf *c, const struct rules_plugin *p)
{
	strbuf_add(b, "CREATE TEMP TABLE placed AS SELECT id, bin_start((");
	moment_sql(b, c);
	strbuf_add(b,
		") / 1000) AS bin, coalesce(packets, 0) AS packets, coalesce(octets, 0) AS octets, "
		"coalesce(nullif(flows, 0), 1) AS flows, ");
	factor_sql(b, c);
	strbuf_addf(b, " AS factor%s", flows_sql(c, p));
}

/*
 * Pro-rating: a record is cut where bins end, and each piece gets its share by
 * time; what integer division leaves over goes, one by one, to the pieces with
 * the largest remainders, the earlier first.  Nothing is lost or made.  The
 * flow counts in its first bin; a later piece of nothing is none.
 */
static void place_pieces(
	struct strbuf *b, const struct rules_conf *c, const struct rules_plugin *p)
{
	strbuf_add(b, "CREATE TEMP TABLE placed AS WITH RECURSIVE timed AS (SELECT id, ");
	moment_sql(b, c);
	strbuf_add(b, " AS start, last_ms, muldiv(coalesce(packets, 0), ");
	factor_sql(b, c);
	strbuf_add(b, ", 1) AS packets, muldiv(coalesce(octets, 0), ");
	factor_sql(b, c);
	strbuf_addf(b, ", 1) AS octets, coalesce(nullif(flows, 0), 1) AS flows, first_ms%s),\n",
		flows_sql(c, p));
	strbuf_add(b,
		" whole AS (SELECT id, start, CASE WHEN start = first_ms AND last_ms > start THEN "
		"last_ms ELSE start + 1 END"
		" AS stop, packets, octets, flows FROM timed),\n"
		" cut AS (SELECT * FROM whole WHERE stop > bin_end(start / 1000) * 1000),\n"
		" piece(id, lo, hi) AS (SELECT id, start, bin_end(start / 1000) * 1000 FROM cut"
		" UNION ALL SELECT piece.id, hi, min(stop, bin_end(hi / 1000) * 1000) FROM piece "
		"JOIN cut USING (id)"
		" WHERE hi < stop),\n"
		" share AS (SELECT id, lo, stop - start AS span, hi - lo AS part, packets, octets, flows,"
		" muldiv(packets, hi - lo, stop - start) AS p, mulmod(packets, hi - lo, stop - "
		"start) AS pr,"
		" muldiv(octets, hi - lo, stop - start) AS o, mulmod(octets, hi - lo, stop - "
		"start) AS r"
		" FROM piece JOIN cut USING (id)),\n"
		" ranked AS (SELECT *, row_number() OVER (PARTITION BY id ORDER BY pr DESC, lo) AS "
		"pn,"
		" packets - sum(p) OVER (PARTITION BY id) AS pleft,"
		" row_number() OVER (PARTITION BY id ORDER BY r DESC, lo) AS n,"
		" octets - sum(o) OVER (PARTITION BY id) AS left,"
		" row_number() OVER (PARTITION BY id ORDER BY lo) AS first FROM share)\n"
		"SELECT id, bin_start(lo / 1000) AS bin, p + (pn <= pleft) AS packets, o + (n <= "
		"left) AS octets,"
		" (first = 1) * flows AS flows, 1 AS factor FROM ranked"
		" WHERE first = 1 OR p + (pn <= pleft) > 0 OR o + (n <= left) > 0\n"
		"UNION ALL SELECT id, bin_start(start / 1000), packets, octets, flows, 1 FROM whole"
		" WHERE stop <= bin_end(start / 1000) * 1000");
}

/* ---- the rows ------------------------------------------------------------------------ */

/* SELECT of the raw values, in one of the two turns of a sum. */
static void leg_sql(
	struct strbuf *b, const struct select_plan *s, const struct rules_shape *shape, bool dst)
{
	strbuf_add(b, "SELECT ");
	for (size_t i = 0; i < shape->n; i++)
		if (!shape->column[i].filler)
			strbuf_addf(b, "%s AS k%zu, ",
				dst && s->column[i].raw_dst[0] ? s->column[i].raw_dst
							       : s->column[i].raw,
				i);
	strbuf_add(b,
		"p.bin AS bin, p.packets AS packets, p.octets AS octets, p.flows AS flows, "
		"p.factor AS factor,"
		" coalesce(f.flags, 0) AS flags FROM placed AS p JOIN flow AS f ON f.id = p.id");
	if (s->marks)
		strbuf_add(b, " JOIN mark AS m ON m.id = p.id");
	if (s->hosts)
		strbuf_add(b,
			" LEFT JOIN host AS s ON s.addr = f.src LEFT JOIN host AS d ON d.addr = "
			"f.dst");
}

/* `text` is ours, with one %s for the name of the value. */
static void text_sql(struct strbuf *b, const struct select_column *c, size_t i, bool constant)
{
	const char *at = strstr(c->text, "%s");

	if (constant) {
		strbuf_add(b, c->raw);
		return;
	}
	if (!at) {
		strbuf_addf(b, "k%zu", i);
		return;
	}
	strbuf_addn(b, c->text, (size_t)(at - c->text));
	strbuf_addf(b, "k%zu", i);
	strbuf_add(b, at + 2);
}

/* A row that no address of ours has a part in: every host of its key was put to zero. */
static void drop_others(
	struct strbuf *b, const struct rules_shape *shape, const struct rules_plugin *p)
{
	struct strbuf key = { 0 };

	if (!p->networks_drop_others)
		return;
	for (size_t i = 0; i < shape->n; i++)
		if (!shape->column[i].filler && (!strcmp(shape->column[i].name, "ip_src") ||
						 !strcmp(shape->column[i].name, "ip_dst")))
			strbuf_addf(&key,
				"%sk%zu IN (x'00000000000000000000ffff00000000', zeroblob(16))",
				key.n ? " AND " : "", i);
	if (key.n)
		strbuf_addf(b, " WHERE NOT (%s)", key.s);
	strbuf_clear(&key);
}

/* "k3, k7, ": the columns that are no fillers. */
static void key_names(struct strbuf *b, const struct rules_shape *shape)
{
	for (size_t i = 0; i < shape->n; i++)
		if (!shape->column[i].filler)
			strbuf_addf(b, "k%zu, ", i);
}

/* Once by raw values, then by text: two hours of one name (the end of summer time) are one row. */
static void rows_sql(struct strbuf *b, const struct select_plan *s, const struct rules_shape *shape,
		     const struct rules_plugin *p)
{
	strbuf_add(b, "INSERT INTO expected SELECT ");
	for (size_t i = 0; i < shape->n; i++) {
		strbuf_add(b, i ? " || char(9) || " : "");
		text_sql(b, &s->column[i], i, shape->column[i].filler);
	}
	/* stamp(bin, text) is empty unless a database said how it shows its bins. */
	strbuf_addf(b,
		"%s AS key, %s AS stamp, min(bin), total(packets, 1), total(flows, 1), "
		"total(octets, 1), bits(flags)"
		"\n FROM (SELECT ",
		shape->n ? "" : "''",
		shape->history ? "coalesce((SELECT text FROM stamp WHERE stamp.bin = sums.bin), "
				 "bin_text(bin))"
			       : "''");
	key_names(b, shape);
	strbuf_add(b,
		"bin, total(packets, factor) AS packets, total(octets, factor) AS octets, "
		"sum(flows) AS flows,"
		" bits(flags) AS flags\n  FROM (");
	leg_sql(b, s, shape, false);
	if (s->sum) {
		strbuf_add(b, "\n   UNION ALL ");
		leg_sql(b, s, shape, true);
	}
	strbuf_add(b, ")");
	drop_others(b, shape, p);
	strbuf_add(b, "\n  GROUP BY ");
	key_names(b, shape);
	strbuf_add(b, "bin) AS sums\n GROUP BY 1, 2");
}

static int load_maps(struct rules *r, const struct rules_plugin *p)
{
	if (rules_networks(r, p->networks_file))
		return -1;
	if (p->ports_file && rules_numbers(r, "ports", p->ports_file, false))
		return -1;
	if (p->protos_file && rules_numbers(r, "protos", p->protos_file, true))
		return -1;
	return p->tos_file ? rules_numbers(r, "toses", p->tos_file, false) : 0;
}

/* What the truth cannot answer for this configuration. */
static int answerable(const struct rules *r, const struct rules_conf *c,
	const struct rules_plugin *p, const struct rules_shape *shape)
{
	const char *why;

	if (!bins_known(p, &why)) {
		log_error("plugin %s: sql_history_roundoff: \"%s\": %s", p->name,
			p->roundoff ? p->roundoff : "", why);
		return -1;
	}
	if (c->renormalize && r->bad_sampling &&
		!(c->ext_sampling_rate && c->ext_mode == EXT_OVERRIDE)) {
		log_error("plugin %s: expect does not model nfacctd_renormalize with intervals "
			  "that are no whole numbers"
			  " (%llu flows have one)",
			p->name, (unsigned long long)r->bad_sampling);
		return -1;
	}
	if (shape->flows && r->no_flow_count && r->width == TRUTH_NARROW) {
		log_error("plugin %s: expect does not model \"flows\" of NetFlow v8: the truth has "
			  "no column for them",
			p->name);
		return -1;
	}
	return 0;
}

static int place(struct rules *r, const struct rules_conf *c, const struct rules_plugin *p,
	const struct rules_shape *shape, struct strbuf *b)
{
	if (c->pro_rating && shape->history)
		place_pieces(b, c, p);
	else
		place_whole(b, c, p);
	return rules_exec(r, b->s);
}

int rules_expect(struct rules *r, const struct rules_conf *c, const struct rules_plugin *p,
		 struct rules_shape *shape, rules_stamps_fn *stamps, void *ctx)
{
	struct select_plan *s = xcalloc(1, sizeof(*s));
	struct strbuf b = { 0 };
	size_t placed;
	int err;

	r->plugin = p;
	r->bin_start = r->bin_end = 0;
	err = select_plan(s, shape, c, p, r) || answerable(r, c, p, shape) || load_maps(r, p) ||
			(s->marks && rules_mark(r, c, p))
		? -1
		: 0;
	if (!err)
		err = rules_exec(r,
			"DROP TABLE IF EXISTS placed; DROP TABLE IF EXISTS expected; DROP TABLE IF "
			"EXISTS stamp;"
			"CREATE TABLE stamp(bin INTEGER PRIMARY KEY, text TEXT);"
			"CREATE TABLE expected(key TEXT, stamp TEXT, bin INTEGER, packets TEXT, "
			"flows TEXT,"
			" octets TEXT, flags INTEGER, PRIMARY KEY(key, stamp)) WITHOUT ROWID");
	if (!err)
		err = place(r, c, p, shape, &b);
	if (!err && stamps && shape->history)
		err = stamps(r, p, ctx);
	if (!err) {
		strbuf_add(&b, ";\n");
		placed = b.n;
		rows_sql(&b, s, shape, p);
		free(r->sql);
		r->sql = xstrdup(b.s);
		err = rules_exec(r, r->sql + placed);
	}
	strbuf_clear(&b);
	free(s);
	return err;
}
