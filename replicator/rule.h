/*
 * rule.h - which datagrams a pool wants, beside its source prefix: what a line
 * of the receivers map says with from=, port=, protocol=, domain=, agent= and
 * size=.  Each of them is a list, one element of which has to match; all that
 * are given have to.
 */
#ifndef RULE_H
#define RULE_H

#include "wire/decoder.h"

enum { RULE_LIST = 64 };	/* elements of a list */

struct rule_range {
	uint32_t low, high;
};

struct rule_ranges {
	size_t n;		/* 0: everything */
	struct rule_range at[RULE_LIST];
};

struct rule_prefixes {
	size_t n;
	struct prefix at[RULE_LIST];
};

struct rule {
	struct rule_prefixes from, agent;
	struct rule_ranges port, domain, size;
	uint32_t protocols;	/* bits of enum flow_protocol; 0: all */
};

/* A datagram as rules see it. */
struct rule_subject {
	const struct addr *from;
	uint16_t port;		/* that it came to */
	size_t size;
	const struct peek *peek;
};

/* Whether `key` is one of a rule's; then *why is NULL, or what was expected instead of `value`. */
bool rule_key(struct rule *r, const char *key, const char *value, const char **why);
/* A list with commas; NULL, or what was expected. */
const char *rule_ranges_read(
	struct rule_ranges *r, const char *list, uint32_t max, const char *expected);
const char *rule_prefixes_read(struct rule_prefixes *p, const char *list);
/* True for an empty list. */
bool rule_in_ranges(const struct rule_ranges *r, uint32_t v);
bool rule_in_prefixes(const struct rule_prefixes *p, const struct addr *a);
bool rule_wants(const struct rule *r, const struct rule_subject *s);

#endif /* RULE_H */
