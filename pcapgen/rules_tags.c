/*
 * rules_tags.c - see rules_tags.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/protonames.h"
#include "base/strbuf.h"
#include "pcapgen/rules_filter.h"
#include "pcapgen/rules_maps.h"
#include "pcapgen/rules_tags.h"
#include "wire/addr.h"

enum { WORDS_MAX = 32 };

/* ---- conditions: key=value as SQL over the table flow ------------------------------- */

enum kind { NUMBER, PROTO, PREFIX };

static const struct condition {
	const char *key;
	enum kind kind;
	const char *sql;
} conditions[] = {
	{ "ip", PREFIX, "flow.exporter" },
	{ "in", NUMBER, "coalesce(flow.in_if, 0)" },
	{ "out", NUMBER, "coalesce(flow.out_if, 0)" },
	{ "engine_type", NUMBER, "(flow.domain >> 8 & 255)" },
	{ "engine_id", NUMBER, "(flow.domain & 255)" },
	{ "source_id", NUMBER, "flow.domain" },
	{ "agent_id", NUMBER, "flow.domain" },
	{ "sampling_rate", NUMBER,
	  "CASE WHEN flow.num > 1 OR flow.protocol = 6 THEN flow.num ELSE 0 END" },
	{ "nexthop", PREFIX, "flow.next_hop" },
	{ "src_net", PREFIX, "flow.src" },
	{ "dst_net", PREFIX, "flow.dst" },
	{ "src_as", NUMBER, "coalesce(flow.src_as, 0)" },
	{ "dst_as", NUMBER, "coalesce(flow.dst_as, 0)" },
	{ "ip_proto", PROTO, "coalesce(flow.proto, 0)" },
	{ "src_port", NUMBER, "coalesce(flow.sport, 0)" },
	{ "dst_port", NUMBER, "coalesce(flow.dport, 0)" },
	{ "tcp_flags", NUMBER, "coalesce(flow.flags, 0)" },
	{ "tos", NUMBER, "coalesce(flow.tos, 0)" },
};

/* Decimal, or hexadecimal behind 0x; up to what SQLite holds. */
static bool number(const char *text, int64_t *v)
{
	char *end;
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	errno = 0;
	*v = strtoll(text, &end, hex ? 16 : 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* A prefix, or an address alone. */
static void prefix_sql(struct strbuf *b, const char *column, const struct prefix *p)
{
	strbuf_addf(b, "addr_cut(%s, %u) = x'", column, p->len);
	for (size_t i = 0; i < sizeof(p->addr.b); i++)
		strbuf_addf(b, "%02x", p->addr.b[i]);
	strbuf_add(b, "'");
}

static bool condition_sql(struct strbuf *b, const struct condition *c, const char *value)
{
	const bool negated = *value == '-' && strcmp(c->key, "ip") != 0;
	struct prefix p;
	int64_t v;

	value += negated;
	strbuf_add(b, negated ? " AND NOT " : " AND ");
	if (c->kind == PREFIX) {
		if (!prefix_parse(&p, value, NULL))
			return false;
		prefix_sql(b, c->sql, &p);
		return true;
	}
	if (c->kind == PROTO && proto_number(value) >= 0)
		v = proto_number(value);
	else if (!number(value, &v))
		return false;
	strbuf_addf(b, "(%s) = %" PRId64, c->sql, v);
	return true;
}

/* ---- a rule --------------------------------------------------------------------------- */

struct rule {
	unsigned line;
	char name[64], jump[64];
	char stack;		/* '+', '|' or 0 */
	bool jumps;
	bool tags[2];		/* tag and tag2 are set, which a stack adds to */
	int64_t tag[2];
	struct strbuf set, where;
};

struct map {
	const char *path;
	bool sampling;
	struct rule *rule;
	size_t n;
};

/* Cut the next word off; a value may stand in quotes.  False: not key=value. */
static bool next_word(char **at, char **key, char **value)
{
	char *p = *at, *end;

	*key = p;
	p += strcspn(p, "= \t");
	if (*p != '=')
		return false;
	*p++ = '\0';
	*value = p;
	end = p + strcspn(p, " \t");
	if (*p == '\'' || *p == '"') {
		*value = p + 1;
		end = strchr(p + 1, *p);
		if (!end)
			return false;
	}
	*at = end + (*end != '\0');
	*end = '\0';
	*at += strspn(*at, " \t");
	return true;
}

static bool set_number(struct rule *r, const char *column, const char *value)
{
	int64_t v;

	if (!number(value, &v))
		return false;
	strbuf_addf(&r->set, ", %s = %" PRId64, column, v);
	return true;
}

static bool set_tag(struct rule *r, int which, const char *value)
{
	return r->tags[which] = number(value, &r->tag[which]);
}

static bool set_stack(struct rule *r, const char *value)
{
	r->stack = !strcmp(value, "sum") ? '+' : !strcmp(value, "or") ? '|' : 0;
	return r->stack != 0;
}

static bool set_label(struct rule *r, const char *value)
{
	char *text = sqlite3_mprintf("%Q", value);

	strbuf_addf(&r->set, ", label = CASE WHEN label = '' THEN %s ELSE label || ',' || %s END",
		text, text);
	sqlite3_free(text);
	return *value != '\0';
}

static bool take_filter(struct rule *r, const char *value)
{
	char why[256];

	if (rules_filter_wrong(value, why))
		return false;
	strbuf_add(&r->where, " AND ");
	rules_filter_sql(&r->where, value);
	return true;
}

static bool take_word(const struct map *m, struct rule *r, const char *key, const char *value)
{
	if (!strcmp(key, "set_tag") || !strcmp(key, "id"))
		return m->sampling ? set_number(r, "rate", value) : set_tag(r, 0, value);
	if (!strcmp(key, "set_tag2") || !strcmp(key, "id2"))
		return set_tag(r, 1, value);
	if (!strcmp(key, "set_label"))
		return set_label(r, value);
	if (!strcmp(key, "set_tos"))
		return set_number(r, "set_tos", value);
	if (!strcmp(key, "label"))
		return snprintf(r->name, sizeof(r->name), "%s", value) > 0;
	if (!strcmp(key, "jeq"))
		return r->jumps = snprintf(r->jump, sizeof(r->jump), "%s", value) > 0;
	if (!strcmp(key, "stack"))
		return set_stack(r, value);
	if (!strcmp(key, "filter"))
		return take_filter(r, value);
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (!strcmp(key, conditions[i].key))
			return condition_sql(&r->where, &conditions[i], value);
	return false;
}

/* A rule that is not understood may be one that the collector understands: no guess. */
static int add_rule(struct map *m, char *text, unsigned line)
{
	char *whole = xstrdup(text), *key, *value;
	struct rule *r;
	int err = 0;

	m->rule = xrealloc(m->rule, (m->n + 1) * sizeof(*m->rule));
	r = &m->rule[m->n++];
	memset(r, 0, sizeof(*r));
	r->line = line;
	while (*text && !err)
		if (!next_word(&text, &key, &value) || !take_word(m, r, key, value))
			err = -1;
	if (!r->set.n && !r->tags[0] && !r->tags[1] && !r->jumps)
		err = -1;
	if (err)
		log_error("%s:%u: \"%s\": expect does not model this rule", m->path, line, whole);
	free(whole);
	return err;
}

/* The rule after this one, or the next below with that label; behind the last: nowhere. */
static size_t target(const struct map *m, size_t i)
{
	size_t to = i + 1;

	if (strcmp(m->rule[i].jump, "next") != 0)
		while (to < m->n && strcmp(m->rule[to].name, m->rule[i].jump) != 0)
			to++;
	return to < m->n ? to : m->n;
}

/* ", tag = 5", or what is there and 5. */
static void tags_sql(struct strbuf *b, const struct rule *r)
{
	static const char *const columns[2] = { "tag", "tag2" };

	for (int i = 0; i < 2; i++) {
		if (!r->tags[i])
			continue;
		strbuf_addf(b, ", %s = ", columns[i]);
		if (r->stack)
			strbuf_addf(b, "%s %c ", columns[i], r->stack);
		strbuf_addf(b, "%" PRId64, r->tag[i]);
	}
}

static int run_map(struct rules *r, const struct map *m)
{
	int err = rules_exec(r, "UPDATE mark SET next = 0");

	for (size_t i = 0; i < m->n && !err; i++) {
		const struct rule *rule = &m->rule[i];
		struct strbuf b = { 0 };

		strbuf_addf(&b,
			"UPDATE mark SET next = %zu%s", rule->jumps ? target(m, i) : m->n,
			rule->set.n ? rule->set.s : "");
		tags_sql(&b, rule);
		strbuf_addf(&b, " FROM flow WHERE flow.id = mark.id AND next <= %zu%s", i,
			rule->where.n ? rule->where.s : "");
		err = rules_exec(r, b.s);
		strbuf_clear(&b);
	}
	return err;
}

static int use_map(struct rules *r, const char *path, bool sampling)
{
	struct map m = { .path = path, .sampling = sampling };
	char *line = NULL, *text;
	unsigned at = 0;
	size_t cap = 0;
	FILE *f;
	int err = 0;

	if (!path)
		return 0;
	f = rules_open_map(path);
	if (!f)
		return -1;
	while (!err && getline(&line, &cap, f) >= 0) {
		at++;
		text = rules_map_content(line);
		if (text)
			err = add_rule(&m, text, at);
	}
	free(line);
	fclose(f);
	if (!err)
		err = run_map(r, &m);
	for (size_t i = 0; i < m.n; i++) {
		strbuf_clear(&m.rule[i].set);
		strbuf_clear(&m.rule[i].where);
	}
	free(m.rule);
	return err;
}

/* ---- filters ------------------------------------------------------------------------------ */

/* The next word of a list with commas, blanks cut off, on the heap; NULL at the end. */
static char *list_word(const char **list)
{
	const char *from = *list + strspn(*list, " \t,"), *to = from + strcspn(from, ",");
	char *word;

	*list = to;
	if (from == to)
		return NULL;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	word = xmalloc((size_t)(to - from) + 1);
	memcpy(word, from, (size_t)(to - from));
	word[to - from] = '\0';
	return word;
}

/*
 * From the left: a value that an entry names decides, and so does one that a negated entry does
 * not name: it passes.  At the end nothing passes.
 */
static void entry_sql(struct strbuf *b, const char *holds, bool negated)
{
	strbuf_addf(b, " WHEN %s THEN %d", holds, !negated);
	if (negated)
		strbuf_add(b, " WHEN 1 THEN 1");
}

static bool tag_entry(struct strbuf *b, const char *column, char *word)
{
	const bool negated = *word == '-';
	char *low = word + negated, *dash = strchr(low, '-'), holds[128];
	int64_t from, to;

	if (dash)
		*dash++ = '\0';
	if (!number(low, &from) || !number(dash ? dash : low, &to))
		return false;
	snprintf(holds, sizeof(holds), "%s BETWEEN %" PRId64 " AND %" PRId64, column, from, to);
	entry_sql(b, holds, negated);
	return true;
}

static bool label_entry(struct strbuf *b, const char *column, char *word)
{
	const bool negated = *word == '-';
	const char *text = word + negated;
	char *holds = sqlite3_mprintf("%s = %Q", column, strcmp(text, "null") ? text : "");

	entry_sql(b, holds, negated);
	sqlite3_free(holds);
	return true;
}

static int use_filter(struct rules *r, const struct rules_plugin *p, const char *key,
	const char *column, const char *list)
{
	struct strbuf b = { 0 };
	const char *at = list;
	char *word;
	int err = 0;

	if (!list)
		return 0;
	strbuf_add(&b, "DELETE FROM mark WHERE NOT (CASE");
	while (!err && (word = list_word(&at))) {
		if (!(strcmp(column, "label") ? tag_entry : label_entry)(&b, column, word))
			err = -1;
		free(word);
	}
	strbuf_add(&b, " ELSE 0 END)");
	if (err)
		log_error("plugin %s: %s: \"%s\": not a list of tags", p->name, key, list);
	else
		err = rules_exec(r, b.s);
	strbuf_clear(&b);
	return err;
}

static int use_expression(struct rules *r, const struct rules_plugin *p)
{
	struct strbuf b = { 0 };
	char why[256];
	int err;

	if (!p->aggregate_filter)
		return 0;
	if (rules_filter_wrong(p->aggregate_filter, why)) {
		log_error("plugin %s: aggregate_filter: \"%s\": %s", p->name, p->aggregate_filter,
			why);
		return -1;
	}
	strbuf_add(&b, "DELETE FROM mark WHERE NOT (SELECT ");
	rules_filter_sql(&b, p->aggregate_filter);
	strbuf_add(&b, " FROM flow WHERE flow.id = mark.id)");
	err = rules_exec(r, b.s);
	strbuf_clear(&b);
	return err;
}

/* It takes the place of what the map said, which the filters have seen. */
static int use_post_tag(struct rules *r, const char *column, uint64_t tag)
{
	char sql[96];

	if (!tag)
		return 0;
	snprintf(sql, sizeof(sql), "UPDATE mark SET %s = %" PRIu64, column, tag);
	return rules_exec(r, sql);
}

/* ---- both ------------------------------------------------------------------------------------ */

bool rules_marks(const struct rules_conf *c, const struct rules_plugin *p)
{
	return c->sampling_map || p->pre_tag_map || p->aggregate_filter || p->pre_tag_filter ||
	       p->pre_tag2_filter || p->pre_tag_label_filter || p->post_tag || p->post_tag2;
}

int rules_mark(struct rules *r, const struct rules_conf *c, const struct rules_plugin *p)
{
	if (rules_exec(r,
		    "DROP TABLE IF EXISTS mark; CREATE TABLE mark(id INTEGER PRIMARY KEY, next "
		    "INTEGER, tag INTEGER, tag2 INTEGER, label TEXT, set_tos INTEGER, rate INTEGER);"
		    "INSERT INTO mark SELECT id, 0, 0, 0, '', NULL, 0 FROM flow"))
		return -1;
	if (use_map(r, c->sampling_map, true) || use_map(r, p->pre_tag_map, false) ||
	    use_expression(r, p) ||
	    use_filter(r, p, "pre_tag_filter", "tag", p->pre_tag_filter) ||
	    use_filter(r, p, "pre_tag2_filter", "tag2", p->pre_tag2_filter) ||
	    use_filter(r, p, "pre_tag_label_filter", "label", p->pre_tag_label_filter))
		return -1;
	return use_post_tag(r, "tag", p->post_tag) || use_post_tag(r, "tag2", p->post_tag2) ? -1 : 0;
}
