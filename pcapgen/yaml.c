/*
 * yaml.c - the strict reader.  Everything that is not asked for is an error:
 * a scenario with a misspelt key would make another truth than its author
 * believes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/conf.h"
#include "base/strbuf.h"
#include "pcapgen/yaml.h"

enum { KEYS_MAX = 64, SHOWN_MAX = 40 };

int yaml_fail(struct yaml_reader *r, const yaml_node_t *at, const char *fmt, ...)
{
	va_list ap;
	int n = at ? snprintf(r->why, r->why_size, "%s:%zu:%zu: ", r->name, at->start_mark.line + 1,
			      at->start_mark.column + 1) :
		snprintf(r->why, r->why_size, "%s: ", r->name);

	if (n < 0 || (size_t)n >= r->why_size)
		return -1;
	va_start(ap, fmt);
	vsnprintf(r->why + n, r->why_size - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

static const char *kind_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SCALAR_NODE:
		return "a value";
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_NO_NODE:
		break;
	}
	return "nothing";
}

const char *yaml_text(struct yaml_reader *r, const yaml_node_t *node, const char *expected)
{
	if (node->type != YAML_SCALAR_NODE) {
		yaml_fail(r, node, "%s stands where %s is expected", kind_of(node), expected);
		return NULL;
	}
	if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length) {
		yaml_fail(r, node, "a NUL character in %s", expected);
		return NULL;
	}
	return (const char *)node->data.scalar.value;
}

/* Counts a node against the bounds; an alias comes by as often as it is used. */
static int visit(struct yaml_reader *r, const yaml_node_t *node)
{
	if (++r->nodes > r->nodes_max)
		return yaml_fail(r, node, "more than %zu keys and values", r->nodes_max);
	return 0;
}

static const struct yaml_key *find_key(struct yaml_reader *r, const yaml_node_t *node,
	const char *what, const struct yaml_key *keys)
{
	const char *names[KEYS_MAX], *near, *name = yaml_text(r, node, "a key");
	size_t n = 0;

	if (!name)
		return NULL;
	for (; keys[n].name; n++) {
		if (!strcmp(keys[n].name, name))
			return &keys[n];
		names[n] = keys[n].name;
	}
	near = conf_nearest(name, names, n);
	yaml_fail(r, node, "unknown key \"%.*s\" in %s%s%s%s", SHOWN_MAX, name, what,
		near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

int yaml_read_mapping(struct yaml_reader *r, const yaml_node_t *node, const char *what,
		      const struct yaml_key *keys, void *object)
{
	bool seen[KEYS_MAX] = { false };

	if (node->type != YAML_MAPPING_NODE)
		return yaml_fail(r, node, "%s stands where %s is expected: \"key: value\" lines",
			kind_of(node), what);
	if (++r->depth > r->depth_max)
		return yaml_fail(r, node, "nested deeper than %u", r->depth_max);
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
		p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
		const yaml_node_t *value = yaml_document_get_node(&r->document, p->value);
		const struct yaml_key *k = find_key(r, key, what, keys);

		if (!k || visit(r, key) || visit(r, value))
			return -1;
		if (seen[k - keys])
			return yaml_fail(r, key, "key \"%s\" stands twice in %s", k->name, what);
		seen[k - keys] = true;
		if (k->read(r, value, k, (char *)object + k->offset))
			return -1;
	}
	for (size_t i = 0; keys[i].name; i++)
		if (keys[i].required && !seen[i])
			return yaml_fail(r, node, "%s has no \"%s\"", what, keys[i].name);
	r->depth--;
	return 0;
}

int yaml_read(struct yaml_reader *r, const void *text, size_t n, const char *what,
	const struct yaml_key *keys, void *object)
{
	yaml_parser_t parser;
	yaml_document_t second;
	const yaml_node_t *root;
	int err = -1;

	r->nodes = r->depth = 0;
	if (!yaml_parser_initialize(&parser))
		return yaml_fail(r, NULL, "out of memory");
	yaml_parser_set_input_string(&parser, text, n);
	if (!yaml_parser_load(&parser, &r->document)) {
		snprintf(r->why, r->why_size, "%s:%zu:%zu: not YAML: %s%s%s", r->name,
			parser.problem_mark.line + 1, parser.problem_mark.column + 1,
			parser.problem ? parser.problem : "?", parser.context ? " " : "",
			parser.context ? parser.context : "");
		goto delete_parser;
	}
	root = yaml_document_get_root_node(&r->document);
	if (!root) {
		yaml_fail(r, NULL, "the file is empty");
		goto delete_document;
	}
	if (yaml_read_mapping(r, root, what, keys, object))
		goto delete_document;
	/* A second document would be ignored in silence; an error in it is one, too. */
	if (!yaml_parser_load(&parser, &second)) {
		snprintf(r->why, r->why_size, "%s:%zu:%zu: not YAML: %s", r->name,
			parser.problem_mark.line + 1, parser.problem_mark.column + 1,
			parser.problem ? parser.problem : "?");
		goto delete_document;
	}
	root = yaml_document_get_root_node(&second);
	err = root ? yaml_fail(r, root, "a second document: one is expected") : 0;
	yaml_document_delete(&second);
delete_document:
	yaml_document_delete(&r->document);
delete_parser:
	yaml_parser_delete(&parser);
	return err;
}

/* ---- values ---------------------------------------------------------------- */

bool number_parse(const char *text, uint64_t *v)
{
	static const char units[] = "kMGT";
	uint64_t n = 0, scale = 1;
	unsigned decimals = 0, digit;
	bool digits = false, point = false;

	for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		digit = (unsigned)(*text - '0');
		if (n > (UINT64_MAX - digit) / 10 || decimals == 12)
			return false;
		n = n * 10 + digit;
		decimals += point;
		digits = true;
	}
	if (!digits || (point && !decimals))
		return false;
	if (*text) {
		const char *unit = strchr(units, *text++);

		if (!unit || *text)
			return false;
		for (const char *u = units; u <= unit; u++)
			scale *= 1000;
	}
	for (; decimals; decimals--) {
		if (scale % 10 == 0)
			scale /= 10;
		else if (n % 10 == 0)
			n /= 10;
		else
			return false;	/* not a whole number */
	}
	if (n > UINT64_MAX / scale)
		return false;
	*v = n * scale;
	return true;
}

static int read_number(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, uint64_t *v)
{
	const char *text = yaml_text(r, node, "a number");

	if (!text)
		return -1;
	if (!number_parse(text, v) || *v < key->min || *v > key->max)
		return yaml_fail(r, node, "%s: \"%.*s\" is not a whole number from %llu to %llu",
			key->name, SHOWN_MAX, text, (unsigned long long)key->min,
			(unsigned long long)key->max);
	return 0;
}

/* One reader a width: the caller's table is checked by whoever writes the row. */
#define NUMBER_READER(name, type)                                                                        \
	int name(struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field) \
	{                                                                                                \
		uint64_t v;                                                                              \
                                                                                                         \
		if (read_number(r, node, key, &v))                                                       \
			return -1;                                                                       \
		*(type *)field = (type)v;                                                                \
		return 0;                                                                                \
	}
NUMBER_READER(yaml_u8, uint8_t)
NUMBER_READER(yaml_u16, uint16_t)
NUMBER_READER(yaml_u32, uint32_t)
NUMBER_READER(yaml_u64, uint64_t)

int yaml_string(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a text");
	char **s = field;
	size_t n;

	if (!text)
		return -1;
	n = strlen(text);
	if (n < key->min || n > key->max)
		return yaml_fail(r, node, "%s: a text of %llu to %llu octets is expected",
			key->name, (unsigned long long)key->min, (unsigned long long)key->max);
	/* It goes into reports and labels. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == '"')
			return yaml_fail(r, node,
				"%s: control characters and quotes are not allowed", key->name);
	free(*s);
	*s = xstrdup(text);
	return 0;
}

int yaml_choice(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const struct yaml_name *names = key->more;
	const char *text = yaml_text(r, node, "a word");
	char known[256] = "";

	if (!text)
		return -1;
	for (; names->name; names++) {
		size_t n = strlen(known);

		if (!strcmp(text, names->name)) {
			*(uint8_t *)field = names->value;
			return 0;
		}
		snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", names->name);
	}
	return yaml_fail(
		r, node, "%s: \"%.*s\" is not one of %s", key->name, SHOWN_MAX, text, known);
}

int yaml_list(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const struct yaml_list *list = key->more;
	const yaml_node_item_t *item;
	size_t n, *count = (size_t *)((char *)field + list->count_offset);
	char *rows;

	if (node->type != YAML_SEQUENCE_NODE)
		return yaml_fail(r, node,
			"%s: %s stands where a list is expected: \"- key: value\" lines", key->name,
			kind_of(node));
	n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (n < key->min || n > key->max)
		return yaml_fail(r, node, "%s: %zu entries where %llu to %llu are expected",
			key->name, n, (unsigned long long)key->min, (unsigned long long)key->max);
	if (++r->depth > r->depth_max)
		return yaml_fail(r, node, "nested deeper than %u", r->depth_max);
	rows = xcalloc(n ? n : 1, list->row_size);
	*(void **)field = rows;
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *value = yaml_document_get_node(&r->document, *item);
		char *row = rows + *count * list->row_size;

		if (visit(r, value))
			return -1;
		memcpy(row, list->defaults, list->row_size);
		if (list->mark_offset) {
			unsigned mark[2] = { (unsigned)value->start_mark.line + 1,
				(unsigned)value->start_mark.column + 1 };

			memcpy(row + list->mark_offset, mark, sizeof(mark));
		}
		++*count; /* before the row is read: what it allocated is freed with the others */
		if (yaml_read_mapping(r, value, list->what, list->keys, row))
			return -1;
	}
	r->depth--;
	return 0;
}
