/*
 * rule.c - see rule.h.
 */
#include "rule.h"

#include <stdlib.h>

/* ---- reading ---------------------------------------------------------------- */

/* The next element of a list with commas, cut out into `one`; false at the end or when it is too
 * long. */
static bool element(const char **list, char one[static 64], const char **why)
{
	const size_t n = strcspn(*list, ",");

	if (**list == '\0')
		return false;
	if (n == 0 || n >= 64) {
		*why = "expected elements with commas between";
		return false;
	}
	memcpy(one, *list, n);
	one[n] = '\0';
	*list += n + ((*list)[n] == ',');
	return true;
}

static bool digits(const char *text, uint32_t max, uint32_t *v)
{
	const size_t n = strlen(text);
	unsigned long long x;

	if (n == 0 || n > 10 || strspn(text, "0123456789") != n)
		return false;
	x = strtoull(text, NULL, 10);
	*v = (uint32_t)x;
	return x <= max;
}

const char *rule_ranges_read(
	struct rule_ranges *r, const char *list, uint32_t max, const char *expected)
{
	const char *why = NULL;
	char one[64], *dash;

	while (element(&list, one, &why)) {
		struct rule_range v;

		dash = strchr(one, '-');
		if (dash)
			*dash = '\0';
		if (r->n == RULE_LIST || !digits(one, max, &v.low) ||
			!digits(dash ? dash + 1 : one, max, &v.high) || v.high < v.low)
			return expected;
		r->at[r->n++] = v;
	}
	return why ? why : r->n ? NULL : expected;
}

const char *rule_prefixes_read(struct rule_prefixes *p, const char *list)
{
	const char *why = NULL;
	char one[64];
	bool host_bits;

	while (element(&list, one, &why)) {
		if (p->n == RULE_LIST || !prefix_parse(&p->at[p->n], one, &host_bits) || host_bits)
			return "expected networks without host bits, as 10.0.0.0/8,2001:db8::/32, "
			       "at most 64";
		p->n++;
	}
	return why ? why : p->n ? NULL : "expected a network";
}

static const char *read_protocols(uint32_t *bits, const char *list)
{
	const char *why = NULL;
	char one[64];

	while (element(&list, one, &why)) {
		int i = 0;

		while (i <= PROTO_UNKNOWN &&
			strcmp(flow_protocol_name((enum flow_protocol)i), one) != 0)
			i++;
		if (i > PROTO_UNKNOWN)
			return "expected some of netflow1 netflow5 netflow7 netflow8 netflow9 "
			       "ipfix sflow unknown";
		*bits |= UINT32_C(1) << i;
	}
	return why ? why : *bits ? NULL : "expected a protocol";
}

bool rule_key(struct rule *r, const char *key, const char *value, const char **why)
{
	if (strcmp(key, "from") == 0)
		*why = rule_prefixes_read(&r->from, value);
	else if (strcmp(key, "agent") == 0)
		*why = rule_prefixes_read(&r->agent, value);
	else if (strcmp(key, "protocol") == 0)
		*why = read_protocols(&r->protocols, value);
	else if (strcmp(key, "port") == 0)
		*why = rule_ranges_read(
			&r->port, value, UINT16_MAX, "expected ports, N or A-B, at most 64");
	else if (strcmp(key, "domain") == 0)
		*why = rule_ranges_read(
			&r->domain, value, UINT32_MAX, "expected numbers, N or A-B, at most 64");
	else if (strcmp(key, "size") == 0)
		*why = rule_ranges_read(&r->size, value, UINT16_MAX,
			"expected numbers of octets, N or A-B, at most 64");
	else
		return false;
	return true;
}

/* ---- matching ----------------------------------------------------------------- */

bool rule_in_ranges(const struct rule_ranges *r, uint32_t v)
{
	for (size_t i = 0; i < r->n; i++)
		if (v >= r->at[i].low && v <= r->at[i].high)
			return true;
	return r->n == 0;
}

bool rule_in_prefixes(const struct rule_prefixes *p, const struct addr *a)
{
	for (size_t i = 0; i < p->n; i++)
		if (prefix_contains(&p->at[i], a))
			return true;
	return p->n == 0;
}

bool rule_wants(const struct rule *r, const struct rule_subject *s)
{
	const enum flow_protocol protocol = s->peek->protocol;

	if (r->protocols && !(r->protocols >> protocol & 1))
		return false;
	/* Who has no domain or agent is in none. */
	if (r->domain.n && (protocol == PROTO_UNKNOWN || protocol == PROTO_NETFLOW1 ||
			    !rule_in_ranges(&r->domain, s->peek->domain)))
		return false;
	if (r->agent.n &&
		(protocol != PROTO_SFLOW || !rule_in_prefixes(&r->agent, &s->peek->agent)))
		return false;
	return rule_in_prefixes(&r->from, s->from) && rule_in_ranges(&r->port, s->port) &&
	       rule_in_ranges(&r->size, (uint32_t)s->size);
}
