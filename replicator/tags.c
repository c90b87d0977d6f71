/*
 * tags.c - see tags.h.  Lines are tried in their order; what came out is kept
 * for each (exporter, agent, domain, protocol), so that a long map costs its
 * length once and not for every datagram.
 */
#include "tags.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"

enum { LABEL = 32, KEPT = 4096, JUMP_NONE = UINT32_MAX };

/* What a line may ask for beside the address. */
enum { BY_ENGINE_TYPE, BY_ENGINE_ID, BY_SOURCE_ID, BY_AGENT_ID, BY };

struct tag_line {
	uint64_t tag;
	struct prefix ip;
	struct { uint32_t value; bool asked, inverse; } by[BY];
	char label[LABEL], jump_label[LABEL];
	uint32_t jump;		/* line to go on with, JUMP_NONE: the tag is found */
	unsigned number;	/* in the file */
	enum { STACK_NONE, STACK_SUM, STACK_OR } stack;	/* with the tag of the lines before */
	bool has_ip, not_ip, has_tag, sets_other;
};

struct kept {
	struct addr from, agent;
	uint32_t domain;
	uint8_t protocol;
	bool used;
	uint64_t tag;
};

struct tags {
	struct tag_line *lines;
	size_t n;
	struct kept kept[KEPT];
};

/* ---- reading ------------------------------------------------------------------- */

struct reader {
	struct tags *t;
	const char *origin;
	unsigned line, errors;
};

static void complain(struct reader *r, unsigned line, const char *key, const char *value,
		     const char *expected)
{
	log_error("%s:%u: %s: \"%.100s\": %s", r->origin, line, key, value, expected);
	r->errors++;
}

static bool number(const char *text, uint64_t max, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*text) || strlen(text) > 20)
		return false;
	*v = strtoull(text, &end, 10);
	return *end == '\0' && *v <= max;
}

static const char *set_tag(struct tag_line *l, const char *value)
{
	l->has_tag = true;
	return number(value, UINT32_MAX, &l->tag) ? NULL : "expected a number, 0 to 4294967295";
}

static const char *set_ip(struct tag_line *l, const char *value)
{
	l->not_ip = *value == '-';
	l->has_ip = true;
	return prefix_parse(&l->ip, value + l->not_ip, NULL) ? NULL
							     : "expected an address or a prefix";
}

static const char *set_label(struct tag_line *l, const char *value)
{
	if (strlen(value) >= LABEL || *value == '\0')
		return "expected a label of 1 to 31 characters";
	strcpy(l->label, value);
	return NULL;
}

static const char *set_jump(struct tag_line *l, const char *value)
{
	if (strlen(value) >= LABEL || *value == '\0')
		return "expected a label of 1 to 31 characters";
	strcpy(l->jump_label, value);
	return NULL;
}

static const char *set_stack(struct tag_line *l, const char *value)
{
	l->stack = strcmp(value, "sum") == 0 ? STACK_SUM
		: strcmp(value, "or") == 0   ? STACK_OR
					     : STACK_NONE;
	return l->stack == STACK_NONE ? "expected sum or or" : NULL;
}

static const char *set_by(struct tag_line *l, size_t what, const char *value)
{
	uint64_t v;

	l->by[what].asked = true;
	l->by[what].inverse = *value == '-';
	if (!number(value + l->by[what].inverse, UINT32_MAX, &v))
		return "expected a number, 0 to 4294967295, or with - in front of it any other";
	l->by[what].value = (uint32_t)v;
	return NULL;
}

static const char *set_engine_type(struct tag_line *l, const char *v) {
	return set_by(l, BY_ENGINE_TYPE, v);
}
static const char *set_engine_id(struct tag_line *l, const char *v) {
	return set_by(l, BY_ENGINE_ID, v);
}
static const char *set_source_id(struct tag_line *l, const char *v) {
	return set_by(l, BY_SOURCE_ID, v);
}
static const char *set_agent_id(struct tag_line *l, const char *v) {
	return set_by(l, BY_AGENT_ID, v);
}

static const struct {
	const char *name;
	const char *(*set)(struct tag_line *l, const char *value);
} keys[] = {
	{ "set_tag", set_tag },
	{ "id", set_tag },
	{ "ip", set_ip },
	{ "engine_type", set_engine_type },
	{ "engine_id", set_engine_id },
	{ "source_id", set_source_id },
	{ "agent_id", set_agent_id },
	{ "label", set_label },
	{ "jeq", set_jump },
	{ "stack", set_stack },
};

/* What pmacct sets beside the tag; no receiver asks for it. */
static const char *const beside[] = { "set_tag2", "id2", "set_label", "set_tos" };

static void read_word(struct reader *r, struct tag_line *l, char *word)
{
	char *equals = strchr(word, '=');
	const char *why = "datagrams are tagged whole here; expected set_tag, ip, engine_type, "
			  "engine_id, source_id, agent_id, label, jeq or stack";

	if (!equals) {
		complain(r, r->line, "pre_tag_map", word, "expected key=value");
		return;
	}
	*equals = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, word) == 0)
			why = keys[i].set(l, equals + 1);
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		if (strcmp(beside[i], word) != 0)
			continue;
		log_info("%s:%u: %s: \"%.100s\": accepted without effect: receivers look at "
			 "set_tag only",
			r->origin, r->line, word, equals + 1);
		l->sets_other = true;
		return;
	}
	if (why)
		complain(r, r->line, word, equals + 1, why);
}

static void read_line(struct reader *r, char *text)
{
	struct tag_line l = { .number = r->line, .jump = JUMP_NONE };
	char *word, *save;

	text += strspn(text, " \t");
	if (*text == '!' || *text == '#' || text[strspn(text, " \t\r\n\v\f")] == '\0')
		return;
	for (word = strtok_r(text, " \t\r\n\v\f", &save); word; word = strtok_r(NULL, " \t\r\n\v\f",
										&save))
		read_word(r, &l, word);
	if (!l.has_tag && !l.sets_other && !*l.jump_label)
		complain(r, r->line, "set_tag", "", "is missing; expected set_tag=NUMBER");
	if ((r->t->n & (r->t->n - 1)) == 0)
		r->t->lines =
			xrealloc(r->t->lines, (r->t->n ? 2 * r->t->n : 1) * sizeof(*r->t->lines));
	r->t->lines[r->t->n++] = l;
}

/*
 * jeq goes forward only, as in pmacct: so that no map runs in a circle.  "next"
 * is the next line, unless a line below has that label.
 */
static void find_labels(struct reader *r)
{
	for (size_t i = 0; i < r->t->n; i++) {
		struct tag_line *l = &r->t->lines[i];

		for (size_t k = i + 1; *l->jump_label && k < r->t->n && l->jump == JUMP_NONE; k++)
			if (strcmp(r->t->lines[k].label, l->jump_label) == 0)
				l->jump = (uint32_t)k;
		if (l->jump == JUMP_NONE && strcmp(l->jump_label, "next") == 0)
			l->jump = (uint32_t)i + 1;
		if (*l->jump_label && l->jump == JUMP_NONE)
			complain(r, l->number, "jeq", l->jump_label,
				"expected the label of a line below");
	}
}

static struct tags *read_stream(const char *origin, FILE *f, unsigned *errors)
{
	struct reader r = { xcalloc(1, sizeof(struct tags)), origin, 0, 0 };
	char *text = NULL;
	size_t room = 0;

	while (getline(&text, &room, f) >= 0) {
		r.line++;
		read_line(&r, text);
	}
	free(text);
	find_labels(&r);
	*errors += r.errors;
	if (r.errors == 0)
		return r.t;
	tags_free(r.t);
	return NULL;
}

struct tags *tags_read(struct files *files, const char *path, unsigned *errors)
{
	FILE *f = files_open(files, path);
	struct tags *t;

	if (!f) {
		log_error_errno("pre_tag_map: \"%s\"", path);
		(*errors)++;
		return NULL;
	}
	t = read_stream(path, f, errors);
	fclose(f);
	return t;
}

struct tags *tags_read_text(const char *origin, const char *text, size_t n, unsigned *errors)
{
	FILE *f = n ? fmemopen((void *)(uintptr_t)text, n, "r") : NULL;
	struct tags *t;

	if (!f)
		return xcalloc(1, sizeof(*t));
	t = read_stream(origin, f, errors);
	fclose(f);
	return t;
}

void tags_free(struct tags *t)
{
	if (!t)
		return;
	free(t->lines);
	free(t);
}

/* ---- finding -------------------------------------------------------------------- */

/* What a datagram has of engine type, engine id, source id, agent id; false: it has none. */
static bool has(const struct peek *peek, size_t what, uint32_t *value)
{
	const bool engines = peek->protocol == PROTO_NETFLOW5 || peek->protocol == PROTO_NETFLOW7 ||
			     peek->protocol == PROTO_NETFLOW8;
	const bool domains = peek->protocol == PROTO_NETFLOW9 || peek->protocol == PROTO_IPFIX;

	*value = engines && what == BY_ENGINE_TYPE ? peek->domain >> 8
		: engines                          ? peek->domain & 255
						   : peek->domain;
	if (what == BY_ENGINE_TYPE)
		return engines;
	/* pmacct has one key for both: the engine of v5, the Source ID of v9. */
	if (what == BY_ENGINE_ID || what == BY_SOURCE_ID)
		return engines || domains;
	return peek->protocol == PROTO_SFLOW;
}

static bool fits(const struct tag_line *l, const struct addr *who, const struct peek *peek)
{
	uint32_t value;

	if (l->has_ip && prefix_contains(&l->ip, who) == l->not_ip)
		return false;
	for (size_t i = 0; i < BY; i++)
		if (l->by[i].asked &&
			(!has(peek, i, &value) || (value == l->by[i].value) == l->by[i].inverse))
			return false;
	return true;
}

static uint64_t walk(const struct tags *t, const struct addr *who, const struct peek *peek)
{
	uint64_t tag = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct tag_line *l = &t->lines[i];

		if (!fits(l, who, peek))
			continue;
		if (l->has_tag)
			tag = l->stack == STACK_SUM ? tag + l->tag
				: l->stack == STACK_OR ? tag | l->tag
						       : l->tag;
		if (l->jump == JUMP_NONE)
			break;
		i = l->jump - 1;
	}
	return tag;
}

static size_t slot_of(const struct addr *from, const struct peek *peek)
{
	uint64_t word[2], agent[2];

	memcpy(word, from->b, sizeof(word));
	memcpy(agent, peek->agent.b, sizeof(agent));
	return (size_t)(((word[0] ^ agent[0]) * 31 + (word[1] ^ agent[1]) +
				peek->domain * UINT64_C(977) + (uint64_t)peek->protocol) *
			UINT64_C(0x9e3779b97f4a7c15) >>
		52);
}

uint64_t tags_find(struct tags *t, const struct addr *from, const struct peek *peek)
{
	struct kept *k = &t->kept[slot_of(from, peek) % KEPT];

	if (k->used && k->domain == peek->domain && k->protocol == peek->protocol &&
	    addr_equal(&k->from, from) &&
	    addr_equal(&k->agent, &peek->agent))
		return k->tag;
	/* `ip` is the agent of sFlow, as in sfacctd, else who sent it. */
	*k = (struct kept){ *from, peek->agent, peek->domain, (uint8_t)peek->protocol, true, 0 };
	k->tag = walk(t, peek->protocol == PROTO_SFLOW ? &peek->agent : from, peek);
	return k->tag;
}
