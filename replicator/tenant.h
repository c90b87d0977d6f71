/*
 * tenant.h - which records a pool wants: networks, interfaces, an expression.
 * All that are given have to match.
 */
#ifndef TENANT_H
#define TENANT_H

#include "net/filter.h"
#include "replicator/rule.h"

struct tenant {
	struct rule_prefixes networks;	/* of the source or the destination */
	struct rule_ranges interfaces;	/* incoming or outgoing */
	struct filter *expression;	/* NULL: none */
};

/* Whether `key` is one of a tenant's; then *why is NULL, or what was expected instead of `value`.
 */
bool tenant_key(struct tenant *t, const char *key, const char *value, const char **why);
void tenant_free(struct tenant *t);
bool tenant_wants(const struct tenant *t, const struct flow_record *r);
/* Whether counters of this interface are for it: only one that names interfaces gets any. */
bool tenant_wants_counters(const struct tenant *t, uint32_t if_index);

#endif /* TENANT_H */
