/*
 * yaml.h - YAML mappings into structs, strictly, by a table of keys.
 *
 * On top of libyaml's document tree.  The first thing that is wrong ends it
 * with one line "file:line:column: ..." in `why`.  Depth, number of nodes and
 * size are bounded; an alias counts as often as it is used, so the "billion
 * laughs" stop at SCENARIO_NODES_MAX.
 */
#ifndef PCAPGEN_YAML_H
#define PCAPGEN_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

struct yaml_reader {
	yaml_document_t document;
	const char *name;	/* of the file */
	char *why;
	size_t why_size;
	size_t nodes, nodes_max;
	unsigned depth, depth_max;
};

struct yaml_key {
	const char *name;
	/* Reads the value into `field`; 0, or -1 after yaml_fail(). */
	int (*read)(struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key,
		void *field);
	size_t offset;		/* of `field` in the object */
	uint64_t min, max;	/* numbers; lists: how many */
	bool required;
	const void *more;	/* for read(): names of a choice, keys of a list's rows */
};

/* Writes the line, always returns -1. */
int yaml_fail(struct yaml_reader *r, const yaml_node_t *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Fill `object` from the mapping `node`; `what` is its name in messages.  Keys end with a NULL
 * name. */
int yaml_read_mapping(struct yaml_reader *r, const yaml_node_t *node, const char *what,
		      const struct yaml_key *keys, void *object);
/* The text of a scalar, NULL after yaml_fail(). */
const char *yaml_text(struct yaml_reader *r, const yaml_node_t *node, const char *expected);

/* Parse `text` and read its one document's root mapping. */
int yaml_read(struct yaml_reader *r, const void *text, size_t n, const char *what,
	const struct yaml_key *keys, void *object);

/* A list of mappings: `more` points to one of these. */
struct yaml_list {
	const char *what;		/* "exporter" */
	const struct yaml_key *keys;
	size_t row_size,
		count_offset; /* count_offset: from the field that holds the pointer, a size_t */
	const void *defaults;		/* one row */
	size_t mark_offset;		/* two unsigneds in the row: line, column; 0: none */
};

/* Ready-made readers. */
typedef int yaml_read_fn(
	struct yaml_reader *, const yaml_node_t *, const struct yaml_key *, void *);
yaml_read_fn yaml_u8, yaml_u16, yaml_u32, yaml_u64, yaml_string, yaml_choice, yaml_list;

/* `more` of yaml_choice, ends with a NULL name; the field is a uint8_t. */
struct yaml_name {
	const char *name;
	uint8_t value;
};

/* Digits, one decimal point, one of k M G T (powers of 1000); whole numbers only. */
bool number_parse(const char *text, uint64_t *v);

#endif /* PCAPGEN_YAML_H */
