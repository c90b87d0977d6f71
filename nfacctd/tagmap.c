#include "nfacctd/tagmap.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/conf.h"
#include "base/log.h"
#include "base/protonames.h"
#include "base/strbuf.h"
#include "net/filter.h"
#include "nfacctd/labels.h"
#include "nfacctd/map_lines.h"

/* ---- conditions: what can stand in front of = ------------------------------------ */

enum value_kind { VALUE_NUMBER, VALUE_STATUS, VALUE_PROTO, VALUE_PREFIX, VALUE_MAC, VALUE_FILTER, VALUE_SAMPLE,
	VALUE_TRUTH };

/* Numbers that no member of a record holds. */
enum special { FROM_MEMBER, FROM_EXPORTER, FROM_ENGINE_TYPE, FROM_ENGINE_ID, FROM_DOMAIN, FROM_RATE,
	FROM_DIRECTION, FROM_SET };

/* sample_type: what a record is, and of which family. */
enum { SAMPLE_FLOW = 1, SAMPLE_EVENT = 2, SAMPLE_OPTION = 4, SAMPLE_4 = 8, SAMPLE_6 = 16,
	SAMPLE_MPLS = 32, SAMPLE_PLAIN = 64 };

static const struct {
	const char *word;
	unsigned needs;
} sample_words[] = {
	{ "flow", SAMPLE_FLOW },
	{ "flow-ipv4", SAMPLE_FLOW | SAMPLE_4 | SAMPLE_PLAIN },
	{ "flow-ipv6", SAMPLE_FLOW | SAMPLE_6 | SAMPLE_PLAIN },
	{ "flow-mpls-ipv4", SAMPLE_FLOW | SAMPLE_MPLS | SAMPLE_4 },
	{ "flow-mpls-ipv6", SAMPLE_FLOW | SAMPLE_MPLS | SAMPLE_6 },
	{ "event", SAMPLE_EVENT },
	{ "option", SAMPLE_OPTION },
};

static const struct condition_row {
	const char *key;
	enum value_kind kind;
	enum special from;
	int member;		/* enum flow_field */
	uint64_t max;
	const char *expected;
} condition_rows[] = {
#define NUMBER(key, member, max) { key, VALUE_NUMBER, FROM_MEMBER, FLOW_##member, max, NULL }
#define DOMAIN(key, from, max) { key, VALUE_NUMBER, from, 0, max, NULL }
#define PREFIX(key, member)                                                                        \
	{                                                                                          \
		key, VALUE_PREFIX, FROM_MEMBER, FLOW_##member, 0, "an address or prefix"           \
	}
	{ "ip", VALUE_PREFIX, FROM_EXPORTER, 0, 0, "an address or prefix" },
	NUMBER("in", in_if, UINT32_MAX),
	NUMBER("out", out_if, UINT32_MAX),
	DOMAIN("engine_type", FROM_ENGINE_TYPE, 255),
	DOMAIN("engine_id", FROM_ENGINE_ID, 255),
	DOMAIN("source_id", FROM_DOMAIN, UINT32_MAX),
	DOMAIN("agent_id", FROM_DOMAIN, UINT32_MAX),
	DOMAIN("sampling_rate", FROM_RATE, UINT32_MAX),
	{ "direction", VALUE_NUMBER, FROM_DIRECTION, 0, 1, "0 (ingress) or 1 (egress)" },
	PREFIX("nexthop", next_hop),
	PREFIX("bgp_nexthop", bgp_next_hop),
	PREFIX("src_net", src),
	PREFIX("dst_net", dst),
	NUMBER("src_as", src_as, UINT32_MAX),
	NUMBER("dst_as", dst_as, UINT32_MAX),
	NUMBER("peer_src_as", peer_src_as, UINT32_MAX),
	NUMBER("peer_dst_as", peer_dst_as, UINT32_MAX),
	{ "ip_proto", VALUE_PROTO, FROM_MEMBER, FLOW_proto, 255,
	  "an IP protocol's name or number" },
	NUMBER("src_port", src_port, 65535),
	NUMBER("dst_port", dst_port, 65535),
	NUMBER("tcp_flags", tcp_flags, 255),
	NUMBER("tos", tos, 255),
	NUMBER("vlan", vlan, 4095),
	NUMBER("mpls_label_bottom", mpls_bottom, 0xfffff),
	{ "fwdstatus", VALUE_STATUS, FROM_MEMBER, FLOW_fwd_status, 255, "a number up to 255" },
	{ "fwd_status", VALUE_STATUS, FROM_MEMBER, FLOW_fwd_status, 255, "a number up to 255" },
	NUMBER("nat_event", event, 255),
	DOMAIN("flowset_id", FROM_SET, 65535),
	{ "sample_type", VALUE_SAMPLE, FROM_MEMBER, 0, 0,
	  "flow, flow-ipv4, flow-ipv6, flow-mpls-ipv4, flow-mpls-ipv6, event or option; sFlow: "
	  "0:1 or 0:3" },
	{ "is_multicast", VALUE_TRUTH, FROM_MEMBER, FLOW_dst_mac, 0, "true or false" },
	{ "src_mac", VALUE_MAC, FROM_MEMBER, FLOW_src_mac, 0, "a MAC address" },
	{ "dst_mac", VALUE_MAC, FROM_MEMBER, FLOW_dst_mac, 0, "a MAC address" },
	{ "filter", VALUE_FILTER, FROM_MEMBER, 0, 0, "a libpcap expression in single quotes" },
#undef NUMBER
#undef DOMAIN
#undef PREFIX
};

/* Words of the reference that no rule here can ask for, and why. */
static const struct {
	const char *key, *why;
} later_keys[] = {
	{ "is_bi_flow", "another key: a record of both directions is two flows here, each of one direction" },
	{ "cvlan", "another key: the customer's VLAN (IE 245) can be told apart by aggregate_primitives only" },
	{ "mpls_pw_id", "another key: pseudowires can be told apart by aggregate: mpls_pw_id only" },
	{ "mpls_vpn_rd", "another key: VPNs can be told apart by aggregate: mpls_vpn_rd only" },
	{ "mpls_vpn_id", "another key: VPNs can be told apart by aggregate: mpls_vpn_rd only" },
	{ "v8agg", "another key: NetFlow v8's aggregation is not told apart" },
	{ "return", "another key: return=true would count a record twice" },
	{ "comms", "another key: there is no BGP thread" },
	{ "src_comms", "another key: there is no BGP thread" },
	{ "local_pref", "another key: there is no BGP thread" },
	{ "src_local_pref", "another key: there is no BGP thread" },
	{ "src_roa", "another key: there is no RPKI" },
	{ "dst_roa", "another key: there is no RPKI" },
	{ "ifindex", "another key: that is for bgp_peer_src_as_map" },
};

struct condition {
	const struct condition_row *row;
	bool negated;
	union {
		uint64_t number;
		struct prefix prefix;
		uint8_t mac[6];
		struct filter *filter;
		struct {
			unsigned needs;
			uint16_t format;
		} sample;
		bool truth;
	} v;
};

enum { CONDITIONS_MAX = 16, NAME_MAX_BYTES = 64 };
enum stack { STACK_NONE, STACK_SUM, STACK_OR };

/* A tag to be set; "5++" counts up with each record. */
struct set_tag {
	bool set, counts_up;
	uint64_t value;
	_Atomic uint64_t next;
};

struct rule {
	struct condition *condition;
	size_t nconditions;
	struct set_tag tag, tag2;
	uint32_t label;
	bool sets_tos, jumps;
	uint8_t tos;
	enum stack stack;
	uint32_t target;	/* of a jump: a later rule's number; the number of rules: none */
	unsigned line;
	char name[NAME_MAX_BYTES], jump[NAME_MAX_BYTES];
};

struct tagmap {
	enum tagmap_kind kind;
	uint64_t serial;
	struct rule *rule;
	size_t n, skipped;
};

/* ---- values ------------------------------------------------------------------------- */

/* Decimal, or hexadecimal behind 0x. */
static bool parse_u64(uint64_t *out, const char *text, size_t n, uint64_t max)
{
	const bool hex = n > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const unsigned base = hex ? 16 : 10;
	uint64_t v = 0;

	if (hex)
		text += 2, n -= 2;
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char c = text[i];
		unsigned digit = 16;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (unsigned)(c - 'A') + 10;
		if (digit >= base || v > (UINT64_MAX - digit) / base)
			return false;
		v = v * base + digit;
	}
	*out = v;
	return v <= max;
}

static bool parse_mac(uint8_t mac[static 6], const char *text)
{
	unsigned b[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != 6 ||
	    text[end])
		return false;
	for (size_t i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

/* A word, or "enterprise:format" of an sFlow sample, which needs nothing but that. */
static const char *parse_sample(struct condition *c, const char *value)
{
	uint64_t format;

	for (size_t i = 0; i < sizeof(sample_words) / sizeof(sample_words[0]); i++)
		if (strcmp(value, sample_words[i].word) == 0) {
			c->v.sample.needs = sample_words[i].needs;
			return NULL;
		}
	if (strncmp(value, "0:", 2) != 0 ||
	    !parse_u64(&format, value + 2, strlen(value + 2), UINT16_MAX))
		return c->row->expected;
	c->v.sample.format = (uint16_t)format;
	return NULL;
}

static const char *parse_truth(struct condition *c, const char *value)
{
	c->v.truth = strcmp(value, "true") == 0;
	return c->v.truth || strcmp(value, "false") == 0 ? NULL : c->row->expected;
}

/* NULL, or what was expected. */
static const char *parse_condition(struct condition *c, const struct condition_row *row,
				   const char *value)
{
	static _Thread_local char why[256], expected[sizeof(why) + 32];

	memset(c, 0, sizeof(*c));
	c->row = row;
	if (*value == '-' && row->kind < VALUE_FILTER && row->from != FROM_EXPORTER) {
		c->negated = true;
		value++;
	}
	switch (row->kind) {
	case VALUE_NUMBER:
	case VALUE_STATUS:
		if (!row->expected)
			snprintf(expected, sizeof(expected), "a number up to %" PRIu64, row->max);
		return parse_u64(&c->v.number, value, strlen(value), row->max) ? NULL
			: row->expected ? row->expected : expected;
	case VALUE_PROTO:
		c->v.number = (uint64_t)proto_number(value);
		return proto_number(value) >= 0 ? NULL : row->expected;
	case VALUE_PREFIX:
		return prefix_parse(&c->v.prefix, value, NULL) ? NULL : row->expected;
	case VALUE_MAC:
		return parse_mac(c->v.mac, value) ? NULL : row->expected;
	case VALUE_FILTER:
		c->v.filter = filter_new(value, why);
		snprintf(expected, sizeof(expected), "a libpcap expression: %s", why);
		return c->v.filter ? NULL : expected;
	case VALUE_SAMPLE:
		return parse_sample(c, value);
	case VALUE_TRUTH:
		return parse_truth(c, value);
	}
	return row->expected;
}

static const char *parse_tag(struct set_tag *t, const char *value, uint64_t max)
{
	size_t n = strlen(value);

	t->counts_up = n > 2 && strcmp(value + n - 2, "++") == 0;
	t->set = true;
	if (!parse_u64(&t->value, value, n - (t->counts_up ? 2 : 0), max))
		return max == UINT64_MAX ? "a number, or a number and ++"
					 : "a sampling interval, 1 to 4294967295";
	atomic_init(&t->next, t->value);
	return NULL;
}

/* ---- lines -------------------------------------------------------------------------- */

static const char *parse_stack(struct rule *r, const char *value)
{
	if (strcmp(value, "sum") == 0)
		r->stack = STACK_SUM;
	else if (strcmp(value, "or") == 0)
		r->stack = STACK_OR;
	else
		return "stack=sum or stack=or";
	return NULL;
}

static const char *parse_name(char name[static NAME_MAX_BYTES], const char *value)
{
	if (!*value || strlen(value) >= NAME_MAX_BYTES)
		return "a name of 1 to 63 characters";
	strcpy(name, value);
	return NULL;
}

static const char *parse_label(struct rule *r, const char *value)
{
	r->label = label_of(value, strlen(value));
	return r->label ? NULL : "a label of 1 to 63 characters";
}

static const char *parse_tos(struct rule *r, const char *value)
{
	uint64_t v;

	if (!parse_u64(&v, value, strlen(value), 255))
		return "set_tos=0 to 255";
	r->sets_tos = true;
	r->tos = (uint8_t)v;
	return NULL;
}

static const char *add_condition(struct rule *r, const struct condition_row *row, const char *value)
{
	const char *expected;

	if (r->nconditions == CONDITIONS_MAX)
		return "at most 16 conditions";
	r->condition = xrealloc(r->condition, (r->nconditions + 1) * sizeof(*r->condition));
	expected = parse_condition(&r->condition[r->nconditions], row, value);
	r->nconditions += !expected;
	return expected;
}

/* What to say of a word that no rule has. */
static const char *unknown_key(const char *key)
{
	static const char *const set[] = { "set_tag", "set_tag2", "set_label", "set_tos", "id", "id2",
		"jeq", "label", "stack" };
	const char *names[sizeof(condition_rows) / sizeof(condition_rows[0]) +
			  sizeof(set) / sizeof(set[0])], *near;
	static _Thread_local char why[160];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(later_keys) / sizeof(later_keys[0]); i++)
		if (strcmp(key, later_keys[i].key) == 0)
			return later_keys[i].why;
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		names[n++] = set[i];
	for (size_t i = 0; i < sizeof(condition_rows) / sizeof(condition_rows[0]); i++)
		names[n++] = condition_rows[i].key;
	near = conf_nearest(key, names, n);
	snprintf(why, sizeof(why), near ? "a key that this map has, for \"%.40s\" perhaps \"%s\"" :
		 "a key that this map has (nfacctd.conf(5), MAPS), not \"%.40s\"", key, near);
	return why;
}

/* One word of a line; NULL, or what was expected. */
static const char *parse_word(struct rule *r, enum tagmap_kind kind, const char *key,
			      const char *value)
{
	const bool sampling = kind == TAGMAP_SAMPLING;

	if (strcmp(key, "set_tag") == 0 || strcmp(key, "id") == 0)
		return parse_tag(&r->tag, value, sampling ? UINT32_MAX : UINT64_MAX);
	if (strcmp(key, "jeq") == 0) {
		r->jumps = true;
		return parse_name(r->jump, value);
	}
	if (strcmp(key, "label") == 0)
		return parse_name(r->name, value);
	if (!sampling && (strcmp(key, "set_tag2") == 0 || strcmp(key, "id2") == 0))
		return parse_tag(&r->tag2, value, UINT64_MAX);
	if (!sampling && strcmp(key, "set_label") == 0)
		return parse_label(r, value);
	if (!sampling && strcmp(key, "set_tos") == 0)
		return parse_tos(r, value);
	if (!sampling && strcmp(key, "stack") == 0)
		return parse_stack(r, value);
	for (size_t i = 0; i < sizeof(condition_rows) / sizeof(condition_rows[0]); i++)
		if (strcmp(key, condition_rows[i].key) == 0)
			return add_condition(r, &condition_rows[i], value);
	return unknown_key(key);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut the next key=value off; a value may stand in single quotes. NULL, or what was expected. */
static const char *next_word(char **at, char **key, char **value)
{
	char *p = *at, *end;

	*key = p;
	while (*p && *p != '=' && !blank(*p))
		p++;
	if (*p != '=')
		return "key=value words without blanks around =";
	*p++ = '\0';
	*value = p;
	if (*p == '\'' || *p == '"') {
		*value = p + 1;
		end = strchr(p + 1, *p);
		if (!end)
			return "a closing quote";
	} else {
		end = p + strcspn(p, " \t");
	}
	*at = end + (*end != '\0');
	*end = '\0';
	while (blank(**at))
		(*at)++;
	return NULL;
}

static void rule_clear(struct rule *r)
{
	for (size_t i = 0; i < r->nconditions; i++)
		if (r->condition[i].row->kind == VALUE_FILTER)
			filter_free(r->condition[i].v.filter);
	free(r->condition);
	r->condition = NULL;
	r->nconditions = 0;
}

/* NULL, or what was expected. */
static const char *parse_rule(struct rule *r, enum tagmap_kind kind, char *text)
{
	const char *expected = NULL;
	char *key, *value;

	memset(r, 0, sizeof(*r));
	while (*text && !expected) {
		expected = next_word(&text, &key, &value);
		if (!expected)
			expected = parse_word(r, kind, key, value);
	}
	if (!expected && kind == TAGMAP_SAMPLING && (!r->tag.set || !r->tag.value))
		expected = "id= with the sampling interval";
	if (!expected && kind == TAGMAP_PRE_TAG && !r->tag.set && !r->tag2.set && !r->label &&
	    !r->sets_tos && !r->jumps)
		expected = "something to set: set_tag, set_tag2, set_label, set_tos";
	return expected;
}

/* Where each jump goes: the next rule of that name further down. */
static void resolve_jumps(struct tagmap *m, struct map_lines *l)
{
	for (size_t i = 0; i < m->n; i++) {
		struct rule *r = &m->rule[i];
		size_t to = i + 1;

		if (!r->jumps)
			continue;
		if (strcmp(r->jump, "next") != 0)
			while (to < m->n && strcmp(m->rule[to].name, r->jump) != 0)
				to++;
		r->target = (uint32_t)to;
		if (to < m->n || strcmp(r->jump, "next") == 0)
			continue;
		log_warn("%s:%u: jeq=%s: no rule below has label=%s: the search ends there",
			 l->origin, r->line, r->jump, r->jump);
		m->skipped++;
	}
}

struct tagmap *tagmap_parse(const char *origin, const char *text, size_t n, enum tagmap_kind kind)
{
	static _Atomic uint64_t serial;
	struct tagmap *m = xcalloc(1, sizeof(*m));
	struct map_lines l;
	size_t cap = 0;

	m->kind = kind;
	m->serial = atomic_fetch_add(&serial, 1) + 1;
	map_lines_init(&l, origin, text, n);
	while (map_lines_next(&l)) {
		const char *expected = l.bad;
		char copy[MAP_LINE_MAX];

		if (m->n == cap) {
			cap = cap ? cap * 2 : 64;
			m->rule = xrealloc(m->rule, cap * sizeof(*m->rule));
		}
		memcpy(copy, l.text, sizeof(copy));
		memset(&m->rule[m->n], 0, sizeof(m->rule[0]));
		if (!expected)
			expected = parse_rule(&m->rule[m->n], kind, copy);
		if (expected) {
			map_lines_skip(&l, expected);
			rule_clear(&m->rule[m->n]);
			continue;
		}
		m->rule[m->n++].line = l.number;
	}
	m->skipped = l.skipped;
	resolve_jumps(m, &l);
	log_info("%s: %zu rules, %zu skipped", origin, m->n, l.skipped);
	return m;
}

struct tagmap *tagmap_load(const char *key, const char *path, enum tagmap_kind kind)
{
	size_t n;
	char *text = map_file_text(key, path, &n);
	struct tagmap *m = text ? tagmap_parse(path, text, n, kind) : NULL;

	free(text);
	return m;
}

void tagmap_free(struct tagmap *m)
{
	for (size_t i = 0; m && i < m->n; i++)
		rule_clear(&m->rule[i]);
	if (m)
		free(m->rule);
	free(m);
}

size_t tagmap_rules(const struct tagmap *m)
{
	return m->n;
}

size_t tagmap_skipped(const struct tagmap *m)
{
	return m->skipped;
}

/* ---- searching ------------------------------------------------------------------------- */

static uint64_t number_of(const struct condition_row *row, const struct flow_origin *o,
			  const struct flow_record *r)
{
	switch (row->from) {
	case FROM_ENGINE_TYPE:
		return o->domain >> 8 & 255;
	case FROM_ENGINE_ID:
		return o->domain & 255;
	case FROM_DOMAIN:
		return o->domain;
	case FROM_RATE:
		return r->sampling_num / (r->sampling_den ? r->sampling_den : 1);
	case FROM_DIRECTION:
		return flow_has(r, FLOW_direction) ? r->direction : UINT64_MAX;
	case FROM_SET:
		return o->set_id;
	case FROM_MEMBER:
	case FROM_EXPORTER:
		break;
	}
	return flow_get(r, (enum flow_field)row->member);
}

/* A status without a reason stands for its whole class (RFC 7270 4.12); no status is none. */
static bool is_status(const struct condition *c, const struct flow_record *r)
{
	const unsigned wanted = (unsigned)c->v.number, class = wanted & 0x3f ? 0xff : 0xc0;

	return flow_has(r, FLOW_fwd_status) && ((r->fwd_status & class) == wanted) != c->negated;
}

/* A group's MAC address, but not everybody's. */
static bool is_multicast(const uint8_t mac[static 6])
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return (mac[0] & 1) && memcmp(mac, everybody, sizeof(everybody)) != 0;
}

static bool is_sample(const struct condition *c, const struct flow_origin *o,
		      const struct flow_record *r)
{
	const unsigned needs = c->v.sample.needs;
	unsigned is = SAMPLE_FLOW;

	if (!needs)
		return o->protocol == PROTO_SFLOW && o->set_id == c->v.sample.format;
	if (o->protocol == PROTO_SFLOW)
		return false;
	if (o->options)
		is = SAMPLE_OPTION;
	else if (!flow_has(r, FLOW_octets))
		is = SAMPLE_EVENT;
	is |= addr_is4(&r->src) ? SAMPLE_4 : SAMPLE_6;
	is |= flow_has(r, FLOW_mpls_top) ? SAMPLE_MPLS : SAMPLE_PLAIN;
	return (is & needs) == needs;
}

static bool holds(const struct condition *c, const struct flow_origin *o,
		  const struct flow_record *r)
{
	const struct condition_row *row = c->row;
	const uint8_t *member = (const uint8_t *)r + flow_fields[row->member].offset;
	struct addr a;

	switch (row->kind) {
	case VALUE_NUMBER:
	case VALUE_PROTO:
		/* Others than v9 and IPFIX have no Set, so none that is another one. */
		if (row->from == FROM_SET && o->protocol != PROTO_NETFLOW9 &&
		    o->protocol != PROTO_IPFIX)
			return false;
		return (number_of(row, o, r) == c->v.number) != c->negated;
	case VALUE_PREFIX:
		if (row->from == FROM_EXPORTER)
			return true;	/* the view has looked at it */
		memcpy(&a, member, sizeof(a));
		return prefix_contains(&c->v.prefix, &a) != c->negated;
	case VALUE_MAC:
		return (memcmp(member, c->v.mac, sizeof(c->v.mac)) == 0) != c->negated;
	case VALUE_FILTER:
		return filter_match(c->v.filter, r, o->protocol == PROTO_SFLOW);
	case VALUE_SAMPLE:
		return is_sample(c, o, r);
	case VALUE_TRUTH:
		return is_multicast(member) == c->v.truth;
	case VALUE_STATUS:
		return is_status(c, r);
	}
	return false;
}

static bool rule_holds(const struct rule *rule, const struct flow_origin *o,
		       const struct flow_record *r)
{
	for (size_t i = 0; i < rule->nconditions; i++)
		if (!holds(&rule->condition[i], o, r))
			return false;
	return true;
}

static bool exporter_passes(const struct rule *rule, const struct addr *exporter)
{
	for (size_t i = 0; i < rule->nconditions; i++)
		if (rule->condition[i].row->from == FROM_EXPORTER &&
		    !prefix_contains(&rule->condition[i].v.prefix, exporter))
			return false;
	return true;
}

/* The rules for one exporter: a datagram's records need not look at all the others'. */
static void view_make(struct tag_view *v, const struct tagmap *m, const struct addr *exporter)
{
	if (v->map != m || v->serial != m->serial) {
		v->rule = xrealloc(v->rule, (m->n + 1) * sizeof(*v->rule));
		v->map = m;
		v->serial = m->serial;
	} else if (addr_equal(&v->exporter, exporter)) {
		return;
	}
	v->exporter = *exporter;
	v->n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (exporter_passes(&m->rule[i], exporter))
			v->rule[v->n++] = (uint32_t)i;
}

void tag_view_clear(struct tag_view *v)
{
	free(v->rule);
	memset(v, 0, sizeof(*v));
}

/* Reading a map does not change it, but for the counters of "5++". */
static uint64_t tag_value(const struct set_tag *t)
{
	if (!t->counts_up)
		return t->value;
	return atomic_fetch_add_explicit((_Atomic uint64_t *)&t->next, 1, memory_order_relaxed);
}

static void set_tag(uint64_t *tag, const struct set_tag *t, enum stack stack)
{
	uint64_t v;

	if (!t->set)
		return;
	v = tag_value(t);
	*tag = stack == STACK_SUM ? *tag + v : stack == STACK_OR ? *tag | v : v;
}

static void apply(const struct rule *rule, struct tags *out)
{
	set_tag(&out->tag, &rule->tag, rule->stack);
	set_tag(&out->tag2, &rule->tag2, rule->stack);
	out->label = label_join(out->label, rule->label);
	if (rule->sets_tos) {
		out->has_tos = true;
		out->tos = rule->tos;
	}
}

void tagmap_find(const struct tagmap *m, struct tag_view *v, const struct flow_origin *o,
		 const struct flow_record *r, struct tags *out)
{
	uint32_t from = 0;

	memset(out, 0, sizeof(*out));
	view_make(v, m, &o->exporter);
	for (size_t i = 0; i < v->n; i++) {
		const struct rule *rule = &m->rule[v->rule[i]];

		if (v->rule[i] < from || !rule_holds(rule, o, r))
			continue;
		apply(rule, out);
		if (!rule->jumps)
			return;
		from = rule->target;
	}
}

/* ---- filters ------------------------------------------------------------------------------ */

struct tag_range {
	uint64_t low, high;
	bool negated;
};

struct tag_filter {
	size_t n;
	struct tag_range range[];
};

static size_t words_of(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* The next comma-separated word, trimmed, into `word`; false at the end. */
static bool list_next(const char **list, char *word, size_t size)
{
	const char *end;
	size_t n;

	while (blank(**list) || **list == ',')
		(*list)++;
	if (!**list)
		return false;
	end = *list + strcspn(*list, ",");
	for (n = (size_t)(end - *list); n && blank((*list)[n - 1]);)
		n--;
	snprintf(word, size, "%.*s", (int)(n < size ? n : size - 1), *list);
	*list = end;
	return true;
}

struct tag_filter *tag_filter_new(const char *list, const char **expected)
{
	struct tag_filter *f = xcalloc(1, sizeof(*f) + words_of(list) * sizeof(f->range[0]));
	char word[64];

	*expected = "tags, ranges as 10-20 and negations as -6, with commas";
	while (list_next(&list, word, sizeof(word))) {
		struct tag_range *r = &f->range[f->n++];
		char *low = word, *dash;

		r->negated = *low == '-';
		low += r->negated;
		dash = strchr(low, '-');
		if (!parse_u64(&r->low, low, dash ? (size_t)(dash - low) : strlen(low),
			       UINT64_MAX) ||
		    !parse_u64(&r->high, dash ? dash + 1 : low, strlen(dash ? dash + 1 : low),
			       UINT64_MAX) ||
		    r->high < r->low) {
			free(f);
			return NULL;
		}
	}
	if (f->n == 0) {
		free(f);
		return NULL;
	}
	return f;
}

void tag_filter_free(struct tag_filter *f)
{
	free(f);
}

/* As pmacct goes through its list: the first entry that has an opinion decides. */
bool tag_filter_passes(const struct tag_filter *f, uint64_t tag)
{
	for (size_t i = 0; i < f->n; i++) {
		if (tag >= f->range[i].low && tag <= f->range[i].high)
			return !f->range[i].negated;
		if (f->range[i].negated)
			return true;
	}
	return false;
}

struct label_filter {
	size_t n;
	struct {
		uint32_t label;		/* 0: null, records without one */
		bool negated;
	} entry[];
};

struct label_filter *label_filter_new(const char *list, const char **expected)
{
	struct label_filter *f = xcalloc(1, sizeof(*f) + words_of(list) * sizeof(f->entry[0]));
	char word[LABEL_TEXT_MAX + 3];

	*expected = "labels of at most 63 characters, null, and negations as -name, with commas";
	while (list_next(&list, word, sizeof(word))) {
		const bool negated = *word == '-';
		const char *text = word + negated;
		const uint32_t label = strcmp(text, "null") == 0 ? 0 : label_of(text, strlen(text));

		if (!label && strcmp(text, "null") != 0) {
			free(f);
			return NULL;
		}
		f->entry[f->n].label = label;
		f->entry[f->n++].negated = negated;
	}
	if (f->n == 0) {
		free(f);
		return NULL;
	}
	return f;
}

void label_filter_free(struct label_filter *f)
{
	free(f);
}

bool label_filter_passes(const struct label_filter *f, uint32_t label)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->entry[i].label == label)
			return !f->entry[i].negated;
		if (f->entry[i].negated)
			return true;
	}
	return false;
}
