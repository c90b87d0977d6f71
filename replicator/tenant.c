/*
 * tenant.c - see tenant.h.
 */
#include "tenant.h"

#include <stdlib.h>

bool tenant_key(struct tenant *t, const char *key, const char *value, const char **why)
{
	static char reason[256];	/* libpcap's words, for the message that follows at once */

	*why = NULL;
	if (strcmp(key, "networks") == 0) {
		*why = rule_prefixes_read(&t->networks, value);
	} else if (strcmp(key, "interfaces") == 0) {
		*why = rule_ranges_read(&t->interfaces, value, UINT32_MAX,
					"expected interface indexes, N or A-B, at most 64");
	} else if (strcmp(key, "filter") == 0) {
		filter_free(t->expression);
		t->expression = filter_new(value, reason);
		*why = t->expression ? NULL : reason;
	} else {
		return false;
	}
	return true;
}

void tenant_free(struct tenant *t)
{
	if (!t)
		return;
	filter_free(t->expression);
	free(t);
}

bool tenant_wants(const struct tenant *t, const struct flow_record *r)
{
	if (t->networks.n && !(flow_has(r, FLOW_src) && rule_in_prefixes(&t->networks, &r->src)) &&
	    !(flow_has(r, FLOW_dst) && rule_in_prefixes(&t->networks, &r->dst)))
		return false;
	if (t->interfaces.n &&
		!(flow_has(r, FLOW_in_if) && rule_in_ranges(&t->interfaces, r->in_if)) &&
		!(flow_has(r, FLOW_out_if) && rule_in_ranges(&t->interfaces, r->out_if)))
		return false;
	return !t->expression || filter_match(t->expression, r, false);
}

bool tenant_wants_counters(const struct tenant *t, uint32_t if_index)
{
	return t->interfaces.n && rule_in_ranges(&t->interfaces, if_index);
}
