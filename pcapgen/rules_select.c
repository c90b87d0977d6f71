/*
 * rules_select.c - see rules_select.h.  The names, columns and fillers are the
 * rows of lib/base/primitives.def; what each one says about a flow is here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/rules_own.h"
#include "pcapgen/rules_select.h"
#include "pcapgen/rules_tags.h"

static const struct primitive {
	const char *name, *format, *sql7, *sql8;
	unsigned since;
	const char *filler;
} primitives[] = {
#define PRIM(name, member, format, sql7, sql8, csv, since, filler) { #name, #format, sql7, sql8, since, filler },
#include "base/primitives.def"
#undef PRIM
};

enum { PRIMITIVES = sizeof(primitives) / sizeof(primitives[0]) };

/* Columns of the two ends of a flow, by primitive. */
static const struct {
	const char *a, *b;
} mirrors[] = {
	{ "src_mac", "dst_mac" }, { "in_vlan", "out_vlan" }, { "src_as", "dst_as" },
	{ "in_iface", "out_iface" }, { "src_host", "dst_host" }, { "src_net", "dst_net" },
	{ "src_mask", "dst_mask" }, { "src_port", "dst_port" },
};

/* What the plain ones say.  Absent numbers of the truth are 0, as the collector books them. */
static const struct {
	const char *name, *raw, *text;
} plain[] = {
	{ "tag", "0", "" },
	{ "tag2", "0", "" },
	{ "label", "''", "" },
	{ "class", "'unknown'", "" },
	{ "peer_src_ip", "f.exporter", "addr_text(%s)" },
	{ "in_iface", "coalesce(f.in_if, 0)", "" },
	{ "out_iface", "coalesce(f.out_if, 0)", "" },
	{ "export_proto_seqno", "f.sequence", "" },
	{ "export_proto_version", "f.version", "" },
	{ "timestamp_start", "coalesce(f.first_ms, f.export_ms, 0)", "bin_text(%s / 1000)" },
	{ "timestamp_end", "coalesce(f.last_ms, 0)", "bin_text(%s / 1000)" },
	{ "timestamp_export", "coalesce(f.export_ms, 0)", "bin_text(%s / 1000)" },
};

/* What a wide truth says beside; of the ends' MAC addresses see end_sql(). */
static const struct {
	const char *name, *raw, *text;
} wide[] = {
	{ "vlan", "coalesce(f.vlan, 0)", "" },
	{ "in_vlan", "coalesce(f.vlan, 0)", "" },
	{ "out_vlan", "coalesce(f.out_vlan, 0)", "" },
	{ "sampling_direction", "CASE f.direction WHEN 0 THEN 'i' WHEN 1 THEN 'e' ELSE 'u' END", "" },
	{ "post_nat_src_host", "f.post_src", "addr_text(%s)" },
	{ "post_nat_dst_host", "f.post_dst", "addr_text(%s)" },
	{ "post_nat_src_port", "coalesce(f.post_sport, 0)", "" },
	{ "post_nat_dst_port", "coalesce(f.post_dport, 0)", "" },
	{ "peer_dst_ip", "f.bgp_next_hop", "addr_text(%s)" },
};

static const char *plain_raw(const char *name)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(name, plain[i].name))
			return plain[i].raw;
	return "0";
}

enum { OWN_MAX = 16 };

struct wanted {
	bool has[PRIMITIVES];
	const struct own_primitive *own[OWN_MAX];	/* of aggregate_primitives, as they were asked for */
	size_t nown;
	bool flows, flags, none;
	const char *sum;	/* "host", "net", "as", "port", "mac", NULL */
};

static int find_primitive(const char *name, size_t n)
{
	for (size_t i = 0; i < PRIMITIVES; i++)
		if (strlen(primitives[i].name) == n && !strncmp(primitives[i].name, name, n))
			return (int)i;
	return -1;
}

static bool wants(const struct wanted *w, const char *name)
{
	return w->has[find_primitive(name, strlen(name))];
}

/* ---- aggregate ------------------------------------------------------------------ */

static bool sum_word(struct wanted *w, const char *word)
{
	static const char *const sums[][2] = { { "sum_host", "host" }, { "sum", "host" },
		{ "sum_net", "net" }, { "sum_as", "as" }, { "sum_port", "port" },
		{ "sum_mac", "mac" } };

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		if (!strcmp(word, sums[i][0])) {
			w->sum = sums[i][1];
			return true;
		}
	return false;
}

static int add_own(struct wanted *w, const struct rules_plugin *p, const struct own_primitive *own)
{
	for (size_t i = 0; i < w->nown; i++)
		if (w->own[i] == own)
			return 0;
	if (w->nown == OWN_MAX) {
		log_error("plugin %s: aggregate: more than %d primitives of aggregate_primitives",
			p->name, OWN_MAX);
		return -1;
	}
	w->own[w->nown++] = own;
	return 0;
}

static int add_word(struct wanted *w, const struct own_primitives *owns,
	const struct rules_plugin *p, const char *word)
{
	int id = find_primitive(word, strlen(word));
	const struct own_primitive *own = own_find(owns, word);

	if (!*word || sum_word(w, word))
		return 0;
	if (!strcmp(word, "none")) {
		w->none = true;
	} else if (!strcmp(word, "flows")) {
		w->flows = true;
	} else if (!strcmp(word, "tcpflags")) {
		w->flags = true;
	} else if (own) {
		return add_own(w, p, own);
	} else if (id < 0) {
		log_error("plugin %s: aggregate: unknown primitive \"%s\"", p->name, word);
		return -1;
	} else {
		w->has[id] = true;
	}
	return 0;
}

/* "SUM aggregation is to be used alone": the others are dropped, but for tags, class and flows. */
static void sum_alone(struct wanted *w)
{
	static const char *const beside[] = { "tag", "tag2", "class" };
	bool kept[PRIMITIVES] = { false };

	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		int id = find_primitive(beside[i], strlen(beside[i]));

		kept[id] = w->has[id];
	}
	memcpy(w->has, kept, sizeof(kept));
	w->nown = 0;
	w->flags = false;
}

static int read_aggregate(struct wanted *w, const struct own_primitives *owns, const struct rules_plugin *p)
{
	char *list = xstrdup(p->aggregate), *to = list, *save = NULL;
	int err = 0;

	memset(w, 0, sizeof(*w));
	for (const char *from = list; *from; from++)
		if (*from != ' ' && *from != '\t')
			*to++ = *from;
	*to = '\0';
	for (char *word = strtok_r(list, ",", &save); word && !err;
		word = strtok_r(NULL, ",", &save))
		err = add_word(w, owns, p, word);
	free(list);
	if (w->sum)
		sum_alone(w);
	return err;
}

/* ---- what each column says --------------------------------------------------------- */

/* One end of a flow: how its columns are called in SQL. */
struct end {
	const char *host, *addr, *mask, *as, *port, *mac;
};

static const struct end ends[2] = {
	{ "s", "f.src", "coalesce(f.src_mask, 0)", "coalesce(f.src_as, 0)",
		"coalesce(f.sport, 0)", "f.src_mac" },
	{ "d", "f.dst", "coalesce(f.dst_mask, 0)", "coalesce(f.dst_as, 0)",
		"coalesce(f.dport, 0)", "f.dst_mac" },
};

static void host_sql(char *to, const struct select_plan *s, const struct end *e)
{
	if (s->filter)
		snprintf(to, SELECT_RAW, "CASE WHEN %s.len IS NULL THEN addr_zero(%s) ELSE %s END",
			e->host, e->addr, e->addr);
	else
		snprintf(to, SELECT_RAW, "%s", e->addr);
}

/* Bits of the file's entry as people count them: 24 of an IPv4 prefix. */
static void file_bits(char *to, size_t n, const struct end *e)
{
	snprintf(to, n,
		"(%s.len - CASE WHEN addr_zero(%s) = x'00000000000000000000ffff00000000' THEN 96 "
		"ELSE 0 END)",
		e->host, e->addr);
}

/* `longest`: the file's entry counts when it is longer than the exporter's mask; for AS numbers
 * also when equal. */
static void file_wins(
	char *to, size_t n, const struct rules_plugin *p, const struct end *e, const char *than)
{
	char bits[160];

	file_bits(bits, sizeof(bits), e);
	if (p->networks_file_no_lpm)
		snprintf(to, n, "%s.len IS NOT NULL", e->host);
	else
		snprintf(to, n, "%s.len IS NOT NULL AND %s %s %s", e->host, bits, than, e->mask);
}

static void mask_sql(char *to, const struct select_plan *s, const struct rules_conf *c,
		     const struct rules_plugin *p, const struct end *e)
{
	char bits[160], wins[256];

	file_bits(bits, sizeof(bits), e);
	file_wins(wins, sizeof(wins), p, e, ">");
	switch (c->net_source) {
	case SOURCE_NETFLOW:
		snprintf(to, SELECT_RAW, "%s", e->mask);
		break;
	case SOURCE_FILE:
		snprintf(to, SELECT_RAW, "coalesce(%s, 0)", bits);
		break;
	case SOURCE_LONGEST:
		/* A filter leaves no mask to an end outside the file. */
		snprintf(to, SELECT_RAW,
			"CASE WHEN %s THEN %s WHEN %d AND %s.len IS NULL THEN 0 ELSE %s END", wins,
			bits, s->filter, e->host, e->mask);
		break;
	case SOURCE_MASK:
		snprintf(to, SELECT_RAW, "%u", p->networks_mask);
		break;
	}
}

/* No more bits than the address has, whatever the exporter says. */
static void limited_mask_sql(char *to, const struct select_plan *s, const struct rules_conf *c,
	const struct rules_plugin *p, const struct end *e)
{
	char mask[SELECT_RAW - 120];

	mask_sql(to, s, c, p, e);
	snprintf(mask, sizeof(mask), "%s", to);
	snprintf(to, SELECT_RAW,
		"min(%s, CASE WHEN addr_zero(%s) = x'00000000000000000000ffff00000000' THEN 32 ELSE "
		"128 END)",
		mask, e->addr);
}

static void net_sql(char *to, const struct select_plan *s, const struct rules_conf *c,
	const struct rules_plugin *p, const struct end *e)
{
	char mask[SELECT_RAW];
	struct strbuf b = { 0 };
	/* Prefixes are filtered by who is asked for them; a host that is filtered has none. */
	bool filtered = s->filter && (c->net_source == SOURCE_FILE ||
				      c->net_source == SOURCE_LONGEST || s->host_stands[e - ends]);

	mask_sql(mask, s, c, p, e);
	if (filtered)
		strbuf_addf(
			&b, "CASE WHEN %s.len IS NULL THEN addr_zero(%s) ELSE ", e->host, e->addr);
	if (p->networks_no_mask_if_zero)
		strbuf_addf(&b, "CASE WHEN (%s) = 0 THEN %s ELSE addr_bits(%s, %s) END", mask,
			e->addr, e->addr, mask);
	else
		strbuf_addf(&b, "addr_bits(%s, %s)", e->addr, mask);
	strbuf_add(&b, filtered ? " END" : "");
	snprintf(to, SELECT_RAW, "%s", b.s);
	strbuf_clear(&b);
}

static void as_sql(
	char *to, const struct rules_conf *c, const struct rules_plugin *p, const struct end *e)
{
	char wins[256];

	file_wins(wins, sizeof(wins), p, e, ">=");
	if (c->as_source == SOURCE_FILE)
		snprintf(to, SELECT_RAW, "coalesce(%s.asn, 0)", e->host);
	else if (c->as_source == SOURCE_LONGEST)
		snprintf(to, SELECT_RAW, "CASE WHEN %s THEN %s.asn ELSE %s END", wins, e->host,
			e->as);
	else
		snprintf(to, SELECT_RAW, "%s", e->as);
}

/*
 * NetFlow v1, v5 and v7 put anything into the ports of protocols that have none: only TCP's, UDP's
 * and SCTP's are two, and what ICMP has of them, type and code, is in the destination's.
 */
static void port_sql(char *to, const struct select_plan *s, const struct end *e)
{
	char fixed[48];

	snprintf(fixed, sizeof(fixed), "(%d, %d, %d)", PROTO_NETFLOW1, PROTO_NETFLOW5, PROTO_NETFLOW7);
	snprintf(to, SELECT_RAW,
		"CASE WHEN f.protocol IN %s AND coalesce(f.proto, 0) NOT IN (6, 17, 132%s) THEN 0%s%s%s "
		"ELSE %s END",
		fixed, e == &ends[1] ? ", 1, 58" : "", s->ports ? " WHEN " : "", s->ports ? e->port : "",
		s->ports ? " NOT IN (SELECT n FROM ports) THEN 0" : "", e->port);
}

static void proto_sql(char *to, const struct select_plan *s)
{
	snprintf(to, SELECT_RAW,
		s->protos ? "CASE WHEN coalesce(f.proto, 0) IN (SELECT n FROM protos) THEN f.proto "
			    "ELSE 255 END"
			  : "coalesce(f.proto, 0)");
}

static void tos_sql(char *to, const struct select_plan *s, const struct rules_plugin *p)
{
	/* set_tos of a map goes before the flow's. */
	const char *tos = s->marks ? "coalesce(m.set_tos, f.tos, 0)" : "coalesce(f.tos, 0)";

	if (s->tos)
		snprintf(to, SELECT_RAW,
			"CASE WHEN %s IN (SELECT n FROM toses) THEN %s ELSE 255 END", tos, tos);
	else
		snprintf(to, SELECT_RAW, p->tos_encode_as_dscp ? "%s >> 2" : "%s", tos);
}

/*
 * 1 once it is multiplied in; else what the map or the exporter said, 0 when neither did.
 * sFlow always says it.
 */
static void rate_sql(char *to, const struct rules_conf *c)
{
	static const char said[] = "CASE WHEN f.said OR f.protocol = 6 THEN f.num ELSE 0 END";
	const char *map = c->sampling_map ? "m.rate" : "0";

	if (!c->renormalize)
		snprintf(to, SELECT_RAW, "CASE WHEN %s THEN %s ELSE %s END", map, map, said);
	else if (c->ext_sampling_rate)
		strcpy(to, "1");
	else
		snprintf(to, SELECT_RAW, "CASE WHEN %s OR %s THEN 1 ELSE 0 END", map, said);
}

/* `kind` of an end: "host", "net", "mask", "as", "port", "mac". */
static void end_sql(char *to, const char *kind, const struct select_plan *s,
	const struct rules_conf *c, const struct rules_plugin *p, const struct end *e)
{
	if (!strcmp(kind, "host"))
		host_sql(to, s, e);
	else if (!strcmp(kind, "net"))
		net_sql(to, s, c, p, e);
	else if (!strcmp(kind, "mask"))
		limited_mask_sql(to, s, c, p, e);
	else if (!strcmp(kind, "as"))
		as_sql(to, c, p, e);
	else if (!strcmp(kind, "mac"))
		snprintf(to, SELECT_RAW, "%s", e->mac);
	else
		port_sql(to, s, e);
}

/* "src_host" is the "host" of end 0. */
static const char *end_kind(const char *name, const struct end **e)
{
	static const char *const kinds[] = { "host", "net", "mask", "as", "port", "mac" };

	if (strncmp(name, "src_", 4) && strncmp(name, "dst_", 4))
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(name + 4, kinds[i])) {
			*e = &ends[name[0] == 'd'];
			return kinds[i];
		}
	return NULL;
}

/* False: the truth does not tell. */
static bool value_sql(struct select_column *to, const char *name, const struct select_plan *s,
		      const struct rules_conf *c, const struct rules_plugin *p)
{
	const struct end *e;
	const char *kind = end_kind(name, &e);

	if (kind) {
		if (!strcmp(kind, "mac")) {
			strcpy(to->text, "mac_text(%s)");
			if (!s->wide)
				return false;
		}
		end_sql(to->raw, kind, s, c, p, e);
		if (!strcmp(kind, "host") || !strcmp(kind, "net"))
			strcpy(to->text, "addr_text(%s)");
		return true;
	}
	if (!strcmp(name, "proto")) {
		proto_sql(to->raw, s);
		strcpy(to->text, "proto_text(%s)");
		return true;
	}
	if (!strcmp(name, "tos")) {
		tos_sql(to->raw, s, p);
		return true;
	}
	if (!strcmp(name, "sampling_rate")) {
		rate_sql(to->raw, c);
		return true;
	}
	if (s->marks && (!strcmp(name, "tag") || !strcmp(name, "tag2") || !strcmp(name, "label"))) {
		snprintf(to->raw, SELECT_RAW, "m.%s", name);
		return true;
	}
	/* Of peers the truth knows nothing: only the file can. */
	if (s->hosts && c->as_source == SOURCE_FILE && !strncmp(name, "peer_", 5) && !strcmp(name + 8, "_as")) {
		snprintf(to->raw, SELECT_RAW, "coalesce(%s.peer, 0)", ends[name[5] == 'd'].host);
		return true;
	}
	if (!strcmp(name, "export_proto_sysid")) {
		/* v5's domain is engine type * 256 + engine id: the id alone is its system. */
		strcpy(to->raw,
			"CASE WHEN f.version IN (5, 8) AND f.protocol <> 6 THEN f.domain & 255 "
			"ELSE f.domain END");
		return true;
	}
	for (size_t i = 0; s->wide && i < sizeof(wide) / sizeof(wide[0]); i++)
		if (!strcmp(name, wide[i].name)) {
			strcpy(to->raw, wide[i].raw);
			strcpy(to->text, wide[i].text);
			return true;
		}
	/* A sampled frame has some of them, too, and the truth of sFlow does not tell. */
	if (s->elements && !s->sflow && own_rare_sql(to->raw, SELECT_RAW, name))
		return true;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(name, plain[i].name)) {
			strcpy(to->raw, plain[i].raw);
			strcpy(to->text, plain[i].text);
			return true;
		}
	return false;
}

/* ---- columns ------------------------------------------------------------------------ */

/*
 * The ports' names changed in version 8, in PostgreSQL they always had the new ones; the tag's
 * changed in 9; the class kept its own.
 */
static const char *column_name(const struct primitive *prim, const struct rules_plugin *p)
{
	if (!strcmp(prim->format, "CLASS"))
		return rules_plugin_is_sql(p) ? prim->sql7 : prim->sql8;
	if (!strcmp(prim->format, "TAG"))
		return p->table_version >= 9 ? prim->sql8 : prim->sql7;
	return p->table_version >= 8 || rules_plugin_is_pgsql(p) ? prim->sql8 : prim->sql7;
}

static struct select_column *add_column(
	struct select_plan *s, struct rules_shape *shape, const char *name)
{
	struct rules_column *c = &shape->column[shape->n];
	struct select_column *to = &s->column[shape->n++];

	memset(c, 0, sizeof(*c));
	memset(to, 0, sizeof(*to));
	snprintf(c->name, sizeof(c->name), "%.39s", name);
	c->mirror = -1;
	return to;
}

/* A constant, quoted. */
static void filler(struct select_column *to, const char *text)
{
	snprintf(to->raw, sizeof(to->raw), "'%s'", text);
}

static bool is_format(const struct primitive *prim, const char *format)
{
	return !strcmp(prim->format, format);
}

static void no_column(const struct select_plan *s, const struct rules_plugin *p, const char *name)
{
	char sql[SELECT_RAW];

	log_error("plugin %s: aggregate: the truth has no column for %s%s", p->name, name,
		!own_rare_sql(sql, sizeof(sql), name) ? ""
		: s->sflow ? " in records of sFlow"
			   : " (pcapgen replay --elements writes one)");
}

static int add_primitive(struct select_plan *s, struct rules_shape *shape,
	const struct rules_conf *c, const struct rules_plugin *p, const struct primitive *prim,
	bool wanted)
{
	struct select_column *to = add_column(s, shape, column_name(prim, p));
	struct rules_column *col = &shape->column[shape->n - 1];
	struct select_column *residue;
	char residual[40];

	col->address =
		is_format(prim, "HOST") || is_format(prim, "NET") || is_format(prim, "EXPORTER");
	col->proto = is_format(prim, "PROTO");
	col->time = is_format(prim, "TIME") || is_format(prim, "EXPORTED");
	if (!wanted) {
		col->filler = true;
		filler(to, prim->filler);
		return 0;
	}
	if (!value_sql(to, prim->name, s, c, p)) {
		no_column(s, p, prim->name);
		return -1;
	}
	if (!col->time)
		return 0;
	if (p->secs) {
		snprintf(to->raw, SELECT_RAW, "%s / 1000 * 1000", plain_raw(prim->name));
		return 0;
	}
	/* The rest of the second, in microseconds, has a column of its own. */
	snprintf(residual, sizeof(residual), "%.20s_residual", col->name);
	residue = add_column(s, shape, residual);
	snprintf(residue->raw, SELECT_RAW, "(%s) %% 1000 * 1000", plain_raw(prim->name));
	return 0;
}

/* Before version 6 no table has AS columns: the number goes where the host's address would stand.
 */
static bool as_for_host(
	const struct rules_plugin *p, const struct wanted *w, const char *host, const char *as)
{
	return !p->optimize_clauses && p->table_version < 6 && wants(w, as) && !wants(w, host);
}

static bool is_as(const char *name)
{
	return !strcmp(name, "src_as") || !strcmp(name, "dst_as");
}

static int add_keys(struct select_plan *s, struct rules_shape *shape, const struct rules_conf *c,
		    const struct rules_plugin *p, const struct wanted *w)
{
	for (size_t i = 0; i < PRIMITIVES; i++) {
		const struct primitive *prim = &primitives[i];
		bool in_table =
			!p->optimize_clauses && prim->since && prim->since <= p->table_version;
		bool dst = !strncmp(prim->name, "dst_", 4);

		if (is_format(prim, "FLAGS") || (!w->has[i] && !in_table))
			continue;
		if (is_as(prim->name) && !p->optimize_clauses && p->table_version < 6)
			continue;
		if (!p->optimize_clauses && prim->since > p->table_version && w->has[i]) {
			log_error("plugin %s: aggregate: %s needs sql_table_version %u or higher",
				p->name, prim->name, prim->since);
			return -1;
		}
		if (add_primitive(s, shape, c, p, prim, w->has[i]))
			return -1;
		if ((!strcmp(prim->name, "src_host") || !strcmp(prim->name, "dst_host")) &&
		    as_for_host(p, w, prim->name, dst ? "dst_as" : "src_as")) {
			as_sql(s->column[shape->n - 1].raw, c, p, &ends[dst]);
			shape->column[shape->n - 1].address = false;
			shape->column[shape->n - 1].filler = false;
			s->column[shape->n - 1].text[0] = '\0';
		}
	}
	return 0;
}

/* Behind all others, in the order of `aggregate`. */
static int add_own_keys(struct select_plan *s, struct rules_shape *shape,
	const struct rules_plugin *p, const struct wanted *w)
{
	if (w->nown && !s->elements) {
		log_error("plugin %s: aggregate: the truth has no column for %s (pcapgen replay "
			  "--elements writes one)",
			p->name, w->own[0]->name);
		return -1;
	}
	for (size_t i = 0; i < w->nown; i++) {
		struct select_column *to = add_column(s, shape, w->own[i]->name);

		own_sql(to->raw, SELECT_RAW, w->own[i]);
	}
	return 0;
}

/* The column a sum_ is booked in: that of the source. */
static int add_sum(struct select_plan *s, struct rules_shape *shape, const struct rules_conf *c,
		   const struct rules_plugin *p, struct wanted *w)
{
	char name[16];
	int id;
	struct select_column *to = NULL;
	bool as_text;

	snprintf(name, sizeof(name), "src_%s", w->sum);
	id = find_primitive(name, strlen(name));
	w->has[id] = true;
	as_text = as_for_host(p, w, "src_host", "src_as");
	if (add_keys(s, shape, c, p, w))
		return -1;
	for (size_t i = 0; i < shape->n; i++)
		if (!strcmp(shape->column[i].name,
			    as_text ? "ip_src" : column_name(&primitives[id], p)))
			to = &s->column[i];
	s->sum = true;
	end_sql(to->raw_dst, w->sum, s, c, p, &ends[1]);
	return 0;
}

static void set_mirrors(struct rules_shape *shape, const struct rules_plugin *p)
{
	for (size_t m = 0; m < sizeof(mirrors) / sizeof(mirrors[0]); m++) {
		const char *a = column_name(
			&primitives[find_primitive(mirrors[m].a, strlen(mirrors[m].a))], p);
		const char *b = column_name(
			&primitives[find_primitive(mirrors[m].b, strlen(mirrors[m].b))], p);
		int at = -1, bt = -1;

		for (size_t i = 0; i < shape->n; i++) {
			if (!strcmp(shape->column[i].name, a))
				at = (int)i;
			if (!strcmp(shape->column[i].name, b))
				bt = (int)i;
		}
		if (at >= 0 && bt >= 0) {
			shape->column[at].mirror = (int16_t)bt;
			shape->column[bt].mirror = (int16_t)at;
		}
	}
}

/*
 * An absent networks_file_filter means true where the file would otherwise do
 * nothing: hosts are aggregated, nothing that the file resolves, and nobody asks
 * for it as the source of prefixes or AS numbers.
 */
static bool filters(const struct rules_conf *c, const struct rules_plugin *p, const struct wanted *w)
{
	static const char *const resolved[] = { "src_net", "dst_net", "src_mask", "dst_mask",
		"src_as", "dst_as", "peer_src_as", "peer_dst_as", "peer_src_ip", "peer_dst_ip" };
	bool hosts =
		wants(w, "src_host") || wants(w, "dst_host") || (w->sum && !strcmp(w->sum, "host"));

	if (!p->networks_file || p->networks_file_filter != FILTER_ABSENT)
		return p->networks_file && p->networks_file_filter == FILTER_ON;
	if (c->net_source == SOURCE_FILE || c->net_source == SOURCE_LONGEST ||
	    c->as_source == SOURCE_FILE || c->as_source == SOURCE_LONGEST)
		return false;
	for (size_t i = 0; i < sizeof(resolved) / sizeof(resolved[0]); i++)
		if (wants(w, resolved[i]))
			return false;
	return hosts && !(w->sum && strcmp(w->sum, "host"));
}

static bool is_primitive(const char *name)
{
	struct wanted w = { .flows = false };

	return find_primitive(name, strlen(name)) >= 0 || sum_word(&w, name) || !strcmp(name, "none") ||
		!strcmp(name, "flows");
}

static int plan_columns(struct select_plan *s, struct rules_shape *shape, const struct rules_conf *c,
	const struct rules_plugin *p, struct wanted *w)
{
	s->filter = filters(c, p, w);
	s->host_stands[0] = wants(w, "src_host");
	s->host_stands[1] = wants(w, "dst_host");
	s->hosts = p->networks_file != NULL;
	s->marks = rules_marks(c, p);
	s->ports = p->ports_file != NULL;
	s->protos = p->protos_file != NULL;
	s->tos = p->tos_file != NULL;
	if (s->tos && p->tos_encode_as_dscp) {
		log_error("plugin %s: expect does not model tos_file together with "
			  "tos_encode_as_dscp",
			p->name);
		return -1;
	}
	shape->history = p->history.seconds || p->history.months;
	shape->epoch = p->since_epoch;
	shape->utc = p->utc;
	shape->flows = w->flows;
	shape->flags = w->flags;
	if ((w->sum ? add_sum(s, shape, c, p, w) : add_keys(s, shape, c, p, w)) ||
		add_own_keys(s, shape, p, w))
		return -1;
	set_mirrors(shape, p);
	return 0;
}

int select_plan(struct select_plan *s, struct rules_shape *shape, const struct rules_conf *c,
		const struct rules_plugin *p, const struct rules *truth)
{
	struct own_primitives owns = { 0 };
	struct wanted w;
	int err;

	memset(s, 0, sizeof(*s));
	s->wide = truth->width != TRUTH_NARROW;
	s->elements = truth->width == TRUTH_ELEMENTS;
	s->sflow = truth->sflow > 0;
	memset(shape, 0, sizeof(*shape));
	if (c->primitives && own_read(&owns, c->primitives, is_primitive))
		return -1;
	err = read_aggregate(&w, &owns, p) || plan_columns(s, shape, c, p, &w) ? -1 : 0;
	own_clear(&owns);
	return err;
}
