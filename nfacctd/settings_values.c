/*
 * settings_values.c - values with a grammar of their own: words, octal numbers, users, networks.
 */
#include "nfacctd/settings_private.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/owner.h"

bool value_aggregate(void *field, const char *value, const char **expected)
{
	char why[160];

	/* settings_check() tells what is wrong: it is fatal, not a default that stays. */
	(void)expected;
	aggregate_parse(field, value, why, sizeof(why));
	return true;
}

struct word {
	const char *text;
	int value;
};

static bool parse_word(int *out, const char *value, const struct word *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(value, words[i].text) == 0) {
			*out = words[i].value;
			return true;
		}
	}
	return false;
}

/* An enum parser from its words; the enums here are ints (C11 6.7.2.2 and every Linux ABI). */
#define WORDS(parser, type, text, ...) \
	bool parser(void *field, const char *value, const char **expected) \
	{ \
		static const struct word words[] = { __VA_ARGS__ }; \
		int v; \
		*expected = text; \
		if (!parse_word(&v, value, words, sizeof(words) / sizeof(words[0]))) \
			return false; \
		*(type *)field = (type)v; \
		return true; \
	}

WORDS(value_print_output, enum print_format, "formatted, csv, json, event_formatted or event_csv",
      { "formatted", PRINT_FORMATTED }, { "csv", PRINT_CSV }, { "json", PRINT_JSON },
      { "event_formatted", PRINT_EVENT_FORMATTED }, { "event_csv", PRINT_EVENT_CSV })
WORDS(value_net_source, enum net_source, "netflow, file, longest or mask",
      { "netflow", NET_NETFLOW }, { "sflow", NET_NETFLOW }, { "file", NET_FILE },
      { "longest", NET_LONGEST }, { "mask", NET_MASK })
WORDS(value_as_source, enum net_source, "netflow, file or longest",
      { "netflow", NET_NETFLOW }, { "sflow", NET_NETFLOW }, { "false", NET_NETFLOW },
      { "file", NET_FILE }, { "true", NET_FILE }, { "longest", NET_LONGEST })
WORDS(value_filter, enum filter_mode, "true, false or auto",
      { "true", FILTER_TRUE }, { "false", FILTER_FALSE }, { "auto", FILTER_AUTO })
WORDS(value_v8_dialect, enum v8_dialect, "flow-tools or tshark",
      { "flow-tools", V8_FLOW_TOOLS }, { "tshark", V8_TSHARK })
WORDS(value_sql_data, enum sql_data, "typed or unified", { "typed", SQL_DATA_TYPED },
	{ "unified", SQL_DATA_UNIFIED })
WORDS(value_table_type, enum sql_table_type, "original or bgp",
      { "original", SQL_TABLE_ORIGINAL }, { "bgp", SQL_TABLE_BGP })
WORDS(value_events, enum account_events, "auto, true or false", { "auto", EVENTS_AUTO },
	{ "true", EVENTS_TRUE }, { "false", EVENTS_FALSE })
WORDS(value_any_all, bool, "any or all", { "any", false }, { "all", true })
WORDS(value_ext_mode, enum ext_rate_mode, "override or default",
      { "override", EXT_RATE_OVERRIDE }, { "default", EXT_RATE_DEFAULT })

WORDS(value_direction, enum direction_policy, "both, ingress or egress",
      { "both", DIRECTION_BOTH }, { "ingress", DIRECTION_INGRESS }, { "egress", DIRECTION_EGRESS })

WORDS(value_sflow_octets, enum sflow_octets, "frame or ip", { "frame", SFLOW_FRAME },
	{ "ip", SFLOW_IP })

bool value_preprocess(void *field, const char *value, const char **expected)
{
	/* settings_check() tells what is wrong: a bill without the checks is another one. */
	preprocess_parse(field, value, expected);
	return true;
}

bool value_priority(void *field, const char *value, const char **expected)
{
	char *end;
	long v = strtol(value, &end, 10);

	*expected = "a number from -20 to 19";
	if (end == value || *end || v < -20 || v > 19)
		return false;
	*(int32_t *)field = (int32_t)v;
	return true;
}

bool value_octal(void *field, const char *value, const char **expected)
{
	char *end;
	unsigned long v = strtoul(value, &end, 8);

	*expected = "an octal number up to 777";
	if (*value < '0' || *value > '7' || *end || v > 0777)
		return false;
	*(uint32_t *)field = (uint32_t)v;
	return true;
}

/* Digits are an ID; UINT32_MAX is what chown() takes for "leave it", so it is none. */
static bool parse_id(uint32_t *out, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || v >= OWNER_SAME)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool value_user(void *field, const char *value, const char **expected)
{
	const struct passwd *p;

	*expected = "a user of this machine, or a number";
	*(uint32_t *)field = OWNER_SAME;
	if (!*value || parse_id(field, value))
		return true;
	p = getpwnam(value);
	if (p)
		*(uint32_t *)field = p->pw_uid;
	return p != NULL;
}

bool value_group(void *field, const char *value, const char **expected)
{
	const struct group *g;

	*expected = "a group of this machine, or a number";
	*(uint32_t *)field = OWNER_SAME;
	if (!*value || parse_id(field, value))
		return true;
	g = getgrnam(value);
	if (g)
		*(uint32_t *)field = g->gr_gid;
	return g != NULL;
}

/* Addresses and networks with commas between. */
bool value_proxies(void *field, const char *value, const char **expected)
{
	struct proxy_senders *p = field;
	char one[PREFIX_TEXT];
	bool host_bits;

	*expected = "up to 32 addresses or networks without host bits, with commas between";
	p->n = 0;
	while (*value) {
		const size_t n = strcspn(value, ",");
		const size_t blanks = strspn(value, " ");

		if (p->n == 32 || blanks > n || n - blanks >= sizeof(one))
			return false;
		memcpy(one, value + blanks, n - blanks);
		one[n - blanks] = '\0';
		if (!prefix_parse(&p->at[p->n], one, &host_bits) || host_bits)
			return false;
		p->n++;
		value += n + (value[n] == ',');
	}
	return p->n > 0;
}
