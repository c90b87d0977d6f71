/*
 * scenario.c - the keys of a scenario and what must hold between them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/protonames.h"
#include "base/strbuf.h"
#include "pcapgen/scenario.h"
#include "pcapgen/yaml.h"

/* 2^40 octets a flow: splitting it for 32-bit counters stays below 300 records. */
#define OCTETS_MAX (UINT64_C(1) << 40)
#define TIME_MAX_MS UINT64_C(4294967295000)	/* what 32 bits of seconds can say: year 2106 */

enum { RATE_MAX = 1000000000, FLOW_MS_MAX = 24 * 3600 * 1000 };

/* ---- words ----------------------------------------------------------------- */

#define ANY UINT32_MAX

const struct craft_limits craft_limits[] = {
	[CRAFT_NETFLOW1] = { "netflow1", PROTO_NETFLOW1, 1, true, false, 0, 1, 0xffff },
	[CRAFT_NETFLOW5] = { "netflow5", PROTO_NETFLOW5, 5, true, true, 0xffff, 0x3fff, 0xffff },
	[CRAFT_NETFLOW7] = { "netflow7", PROTO_NETFLOW7, 7, true, true, 0, 1, 0xffff },
	[CRAFT_NETFLOW8] = { "netflow8", PROTO_NETFLOW8, 8, true, true, 0xffff, 1, 0xffff },
	[CRAFT_NETFLOW9] = { "netflow9", PROTO_NETFLOW9, 9, false, true, ANY, ANY, ANY },
	[CRAFT_IPFIX] = { "ipfix", PROTO_IPFIX, 10, false, true, ANY, ANY, ANY },
	[CRAFT_SFLOW2] = { "sflow2", PROTO_SFLOW, 2, false, true, 0, ANY, ANY },
	[CRAFT_SFLOW4] = { "sflow4", PROTO_SFLOW, 4, false, true, 0, ANY, ANY },
	[CRAFT_SFLOW5] = { "sflow5", PROTO_SFLOW, 5, false, true, ANY, ANY, ANY },
};

static const struct yaml_name protocols[] = { { "netflow1", CRAFT_NETFLOW1 },
	{ "netflow5", CRAFT_NETFLOW5 }, { "netflow7", CRAFT_NETFLOW7 },
	{ "netflow8", CRAFT_NETFLOW8 }, { "netflow9", CRAFT_NETFLOW9 }, { "ipfix", CRAFT_IPFIX },
	{ "sflow2", CRAFT_SFLOW2 }, { "sflow4", CRAFT_SFLOW4 }, { "sflow5", CRAFT_SFLOW5 },
	{ NULL, 0 } };
static const struct yaml_name v8_dialects[] = { { "flow-tools", V8_FLOW_TOOLS },
	{ "tshark", V8_TSHARK }, { NULL, 0 } };

bool rate_parse(const char *text, uint64_t *rate, uint8_t *unit)
{
	static const struct yaml_name units[] = { { " records/s", RATE_RECORDS },
		{ "records/s", RATE_RECORDS }, { " datagrams/s", RATE_DATAGRAMS },
		{ "datagrams/s", RATE_DATAGRAMS }, { NULL, 0 } };
	size_t n = strlen(text);
	char number[32];

	if (!strcmp(text, "max")) {
		*rate = 0;
		return true;
	}
	for (const struct yaml_name *u = units; u->name; u++) {
		size_t m = strlen(u->name);

		if (n > m && !strcmp(text + n - m, u->name)) {
			n -= m;
			*unit = u->value;
			break;
		}
	}
	if (n >= sizeof(number))
		return false;
	memcpy(number, text, n);
	number[n] = '\0';
	return number_parse(number, rate) && *rate >= 1 && *rate <= RATE_MAX;
}

/* ---- readers of our own ------------------------------------------------------ */

static int read_rate(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	struct scenario *sc = field;
	const char *text = yaml_text(r, node, "a rate");

	if (!text)
		return -1;
	if (!rate_parse(text, &sc->rate, &sc->rate_unit))
		return yaml_fail(r, node,
			"%s: \"%.40s\" is not \"N records/s\", \"N datagrams/s\" or \"max\"",
			key->name, text);
	return 0;
}

static int read_address(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "an address");

	if (!text)
		return -1;
	if (!addr_parse(field, text))
		return yaml_fail(
			r, node, "%s: \"%.50s\" is not an IPv4 or IPv6 address", key->name, text);
	return 0;
}

static int read_prefix(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a prefix");
	bool host_bits;

	if (!text)
		return -1;
	if (!prefix_parse(field, text, &host_bits))
		return yaml_fail(r, node,
			"%s: \"%.60s\" is not a prefix like 192.0.2.0/24 or 2001:db8::/32",
			key->name, text);
	if (host_bits)
		return yaml_fail(
			r, node, "%s: \"%.60s\" has bits set behind its length", key->name, text);
	return 0;
}

/* "500ms", "90s", "5m", "2h", bare seconds -> milliseconds. */
static bool span_parse(const char *text, uint64_t *ms)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 }, { "", 1000 } };
	size_t n = strspn(text, "0123456789");
	uint64_t v = 0;

	if (!n || n > 12)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text + n, units[i].suffix)) {
			*ms = v * units[i].ms;
			return true;
		}
	return false;
}

static int read_span_ms(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a span of time");

	if (!text)
		return -1;
	if (!span_parse(text, field) || *(uint64_t *)field < key->min ||
		*(uint64_t *)field > key->max)
		return yaml_fail(r, node,
			"%s: \"%.40s\" is not a span like 500ms, 90s, 5m, 2h from %llu ms to %llu "
			"ms",
			key->name, text, (unsigned long long)key->min,
			(unsigned long long)key->max);
	return 0;
}

static int read_span_s(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a span of time");
	uint64_t ms;

	if (!text)
		return -1;
	if (!span_parse(text, &ms) || ms % 1000 || ms / 1000 < key->min || ms / 1000 > key->max)
		return yaml_fail(r, node,
			"%s: \"%.40s\" is not a span in whole seconds from %llu s to %llu s",
			key->name, text, (unsigned long long)key->min,
			(unsigned long long)key->max);
	*(uint32_t *)field = (uint32_t)(ms / 1000);
	return 0;
}

/* Days since 1970 of a date of the Gregorian calendar (years count from March: Hinnant's way). */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y % 400;
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* "2026-01-05T12:00:00Z" and nothing else: a local time would be another capture elsewhere. */
static bool time_parse(const char *text, uint64_t *ms)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	unsigned n[6] = { 0 }, part = 0;

	if (strlen(text) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i]; i++) {
		if (shape[i] == 'd') {
			if (text[i] < '0' || text[i] > '9')
				return false;
			n[part] = n[part] * 10 + (unsigned)(text[i] - '0');
		} else if (text[i] != shape[i] && !(shape[i] == 'T' && text[i] == ' ')) {
			return false;
		} else {
			part++;
		}
	}
	if (n[0] < 1971 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > days_in(n[0], n[1]) ||
		n[3] > 23 || n[4] > 59 || n[5] > 59)
		return false;
	*ms = (days_of(n[0], n[1], n[2]) * 86400 + n[3] * 3600 + n[4] * 60 + n[5]) * 1000;
	return *ms <= TIME_MAX_MS;
}

static int read_start(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a time");

	if (!text)
		return -1;
	if (!strcmp(text, "now"))
		*(uint64_t *)field = 0;
	else if (!time_parse(text, field))
		return yaml_fail(r, node,
			"%s: \"%.40s\" is not \"now\" or a UTC time like 2026-01-05T12:00:00Z, "
			"1971 to 2106",
			key->name, text);
	return 0;
}

/* ---- distributions ----------------------------------------------------------- */

struct distribution_text {
	uint8_t kind;
	uint64_t min, max, value, median, shape_milli;
};

enum { UNSET = 0xff };

/* "1.25" in thousandths. */
static int read_milli(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a number");
	char scaled[40];

	if (!text)
		return -1;
	if (strlen(text) > 30 || snprintf(scaled, sizeof(scaled), "%sk", text) < 0 ||
		!number_parse(scaled, field) || *(uint64_t *)field < key->min ||
		*(uint64_t *)field > key->max)
		return yaml_fail(r, node,
			"%s: \"%.40s\" is not a number from %.3f to %.3f, three decimals",
			key->name, text, (double)key->min / 1000, (double)key->max / 1000);
	return 0;
}

static const struct yaml_name distribution_names[] = { { "constant", DIST_CONSTANT },
	{ "uniform", DIST_UNIFORM }, { "pareto", DIST_PARETO }, { "lognormal", DIST_LOGNORMAL },
	{ NULL, 0 } };

#define DIST_AT(m) offsetof(struct distribution_text, m)
static const struct yaml_key distribution_keys[] = {
	{ "kind", yaml_choice, DIST_AT(kind), 0, 0, true, distribution_names },
	{ "min", yaml_u64, DIST_AT(min), 0, OCTETS_MAX, false, NULL },
	{ "max", yaml_u64, DIST_AT(max), 0, OCTETS_MAX, false, NULL },
	{ "value", yaml_u64, DIST_AT(value), 0, OCTETS_MAX, false, NULL },
	{ "median", yaml_u64, DIST_AT(median), 1, OCTETS_MAX, false, NULL },
	{ "alpha", read_milli, DIST_AT(shape_milli), 100, 20000, false, NULL },
	{ "sigma", read_milli, DIST_AT(shape_milli), 10, 5000, false, NULL },
	{ NULL, NULL, 0, 0, 0, false, NULL }
};

/* A bare number is constant; else a mapping with the keys that its kind has, all of them and no
 * other. */
static int read_distribution(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	static const struct { bool value, bounds, median, shape; const char *needs; } wants[] = {
		[DIST_CONSTANT] = { true, false, false, false, "value" },
		[DIST_UNIFORM] = { false, true, false, false, "min, max" },
		[DIST_PARETO] = { false, true, false, true, "min, max, alpha" },
		[DIST_LOGNORMAL] = { false, true, true, true, "min, max, median, sigma" },
	};
	struct distribution *d = field;
	struct distribution_text t = { UNSET, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0 };

	if (node->type == YAML_SCALAR_NODE) {
		if (yaml_u64(r, node, key, &d->min))
			return -1;
		d->max = d->min;
		d->kind = DIST_CONSTANT;
		return 0;
	}
	if (yaml_read_mapping(r, node, key->name, distribution_keys, &t))
		return -1;
	if (wants[t.kind].value != (t.value != UINT64_MAX) ||
		wants[t.kind].bounds != (t.min != UINT64_MAX) ||
		wants[t.kind].bounds != (t.max != UINT64_MAX) ||
		wants[t.kind].median != (t.median != 0) ||
		wants[t.kind].shape != (t.shape_milli != 0))
		return yaml_fail(r, node, "%s: kind %s takes exactly: %s", key->name,
			distribution_names[t.kind].name, wants[t.kind].needs);
	if (t.kind == DIST_CONSTANT)
		t.min = t.max = t.value;
	if (t.min > t.max || t.min < key->min || t.max > key->max)
		return yaml_fail(r, node,
			"%s: min %llu, max %llu: %llu <= min <= max <= %llu is expected", key->name,
			(unsigned long long)t.min, (unsigned long long)t.max,
			(unsigned long long)key->min, (unsigned long long)key->max);
	if (t.kind == DIST_PARETO && t.min == 0)
		return yaml_fail(
			r, node, "%s: a pareto distribution starts at 1 or more", key->name);
	*d = (struct distribution){ t.kind, t.min, t.max, t.median, t.shape_milli };
	return 0;
}

/* ---- the tables -------------------------------------------------------------- */

static const struct yaml_name family_names[] = { { "4", FAMILIES_4 }, { "6", FAMILIES_6 },
	{ "both", FAMILIES_BOTH }, { NULL, 0 } };
static const struct yaml_name says_names[] = { { "options", SAMPLING_SAYS_OPTIONS },
	{ "record", SAMPLING_SAYS_RECORD }, { NULL, 0 } };
/* "icmp6" is a word of ours, the others have the names that rows have. */
static int read_protocol(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	const char *text = yaml_text(r, node, "a protocol");
	int number;

	if (!text)
		return -1;
	number = strcmp(text, "icmp6") == 0 ? 58 : proto_number(text);
	if (number < 0)
		return yaml_fail(r, node, "%s: \"%.40s\" is no IP protocol, by name or 0 to 255",
				 key->name, text);
	*(uint8_t *)field = (uint8_t)number;
	return 0;
}

#define END { NULL, NULL, 0, 0, 0, false, NULL }
#define EX(m) offsetof(struct exporter_spec, m)
static const struct yaml_key exporter_keys[] = {
	{ "name", yaml_string, EX(name), 1, 60, false, NULL },
	{ "address", read_address, EX(address), 0, 0, true, NULL },
	{ "port", yaml_u16, EX(port), 0, 65535, false, NULL },
	{ "protocol", yaml_choice, EX(kind), 0, 0, true, protocols },
	{ "aggregation", yaml_u8, EX(aggregation), 1, 14, false, NULL },
	{ "v8_dialect", yaml_choice, EX(v8_dialect), 0, 0, false, v8_dialects },
	{ "families", yaml_choice, EX(families), 0, 0, false, family_names },
	{ "domain", yaml_u32, EX(domain), 0, UINT32_MAX, false, NULL },
	{ "agent", read_address, EX(agent), 0, 0, false, NULL },
	{ "sampling", yaml_u32, EX(sampling), 1, 1000000, false, NULL },
	{ "sampling_says", yaml_choice, EX(sampling_says), 0, 0, false, says_names },
	{ "refresh", read_span_s, EX(refresh_s), 0, 86400, false, NULL },
	{ "refresh_datagrams", yaml_u32, EX(refresh_datagrams), 0, 1000000, false, NULL },
	{ "uptime", read_span_s, EX(uptime_s), 60, 4294967, false, NULL },
	{ "sequence", yaml_u32, EX(sequence), 0, UINT32_MAX, false, NULL },
	{ "weight", yaml_u32, EX(weight), 1, 100000, false, NULL },
	{ "records", yaml_u32, EX(records), 1, 200, false, NULL },
	{ "counter_octets", yaml_u32, EX(counter_octets), 4, 8, false, NULL },
	{ "counters_every", yaml_u32, EX(counters_every), 0, 1000000, false, NULL },
	{ "datagram_octets", yaml_u32, EX(datagram_octets), 512, 65507, false, NULL },
	{ "count", yaml_u32, EX(count), 1, SCENARIO_EXPORTERS_MAX, false, NULL },
	END
};
static const struct exporter_spec exporter_defaults = { .port = 0,
	.families = 0,
	.sampling = 1,
	.refresh_s = 60,
	.refresh_datagrams = 1000,
	.uptime_s = 864000,
	.weight = 1,
	.counter_octets = 8,
	.count = 1 };

#define NET(m) offsetof(struct network, m)
static const struct yaml_key network_keys[] = {
	{ "prefix", read_prefix, NET(prefix), 0, 0, true, NULL },
	{ "hosts", yaml_u64, NET(hosts), 1, UINT32_MAX, false, NULL },
	{ "as", yaml_u32, NET(as), 0, UINT32_MAX, false, NULL },
	{ "interface", yaml_u32, NET(interface), 0, 0x3ffffffe, false, NULL },
	{ "next_hop", read_address, NET(next_hop), 0, 0, false, NULL },
	{ "weight", yaml_u32, NET(weight), 1, 100000, false, NULL },
	END
};
static const struct network network_defaults = { .weight = 1 };

#define APP(m) offsetof(struct application, m)
static const struct yaml_key application_keys[] = {
	{ "proto", read_protocol, APP(proto), 0, 255, true, NULL },
	{ "port", yaml_u16, APP(port), 0, 65535, false, NULL },
	{ "tos", yaml_u8, APP(tos), 0, 255, false, NULL },
	{ "weight", yaml_u32, APP(weight), 1, 100000, false, NULL },
	END
};
static const struct application application_defaults = { .weight = 1 };

#define SC(m) offsetof(struct scenario, m)
static const struct yaml_key flow_keys[] = {
	{ "octets", read_distribution, SC(octets), 1, OCTETS_MAX, false, NULL },
	{ "packet_octets", read_distribution, SC(packet_octets), 46, 1500, false, NULL },
	{ "lasting_ms", read_distribution, SC(lasting_ms), 0, FLOW_MS_MAX, false, NULL },
	{ "delay_ms", read_distribution, SC(delay_ms), 0, FLOW_MS_MAX, false, NULL },
	{ "upload_percent", yaml_u32, SC(upload_percent), 0, 100, false, NULL },
	END
};

static int read_flows(
	struct yaml_reader *r, const yaml_node_t *node, const struct yaml_key *key, void *field)
{
	return yaml_read_mapping(r, node, key->name, flow_keys, field);
}

static const struct yaml_list exporter_list = { "an exporter", exporter_keys,
	sizeof(struct exporter_spec), SC(nexporters) - SC(exporters), &exporter_defaults,
	EX(line) };
static const struct yaml_list customer_list = { "a customer", network_keys, sizeof(struct network),
	SC(ncustomers) - SC(customers), &network_defaults, NET(line) };
static const struct yaml_list remote_list = { "a remote", network_keys, sizeof(struct network),
	SC(nremotes) - SC(remotes), &network_defaults, NET(line) };
static const struct yaml_list application_list = { "an application", application_keys,
	sizeof(struct application), SC(napplications) - SC(applications), &application_defaults,
	0 };

static const struct yaml_key scenario_keys[] = {
	{ "seed", yaml_u64, SC(seed), 0, UINT64_MAX, false, NULL },
	{ "start", read_start, SC(start_ms), 0, 0, false, NULL },
	{ "duration", read_span_ms, SC(duration_ms), 1, UINT64_C(400) * 86400000, true, NULL },
	{ "rate", read_rate, 0, 0, 0, true, NULL },
	{ "cycle", yaml_u32, SC(cycle), 0, 65536, false, NULL },
	{ "exporters", yaml_list, SC(exporters), 1, SCENARIO_EXPORTERS_MAX, true, &exporter_list },
	{ "customers", yaml_list, SC(customers), 1, SCENARIO_NETWORKS_MAX, true, &customer_list },
	{ "remotes", yaml_list, SC(remotes), 1, SCENARIO_NETWORKS_MAX, true, &remote_list },
	{ "applications", yaml_list, SC(applications), 1, 1000, false, &application_list },
	{ "flows", read_flows, 0, 0, 0, false, NULL },
	END
};

/* ---- what must hold between the keys ------------------------------------------- */

/* One line at a row's place; returns -1. */
static int refuse(struct yaml_reader *r, unsigned line, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int refuse(struct yaml_reader *r, unsigned line, unsigned column, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(r->why, r->why_size, "%s:%u:%u: %s", r->name, line, column, text);
	return -1;
}

static uint8_t family_of(const struct addr *a)
{
	return addr_is4(a) ? FAMILIES_4 : FAMILIES_6;
}

/* Hosts of a prefix: all but network and broadcast of IPv4, 65536 of a larger IPv6 prefix. */
static int finish_networks(struct yaml_reader *r, const char *what, struct network *nets, size_t n,
			   uint8_t *families)
{
	for (size_t i = 0; i < n; i++) {
		struct network *w = &nets[i];
		unsigned free_bits = 128 - w->prefix.len;
		bool v4 = addr_is4(&w->prefix.addr);
		/* The network address is never a host; a host prefix is its own. */
		uint64_t room = free_bits == 0 ? 1 : free_bits > 32 ? UINT64_C(1) << 32 :
			(UINT64_C(1) << free_bits) - (free_bits > 1 && v4 ? 2 : 1);

		if (v4 && prefix_bits(&w->prefix) == 0)
			return refuse(r, w->line, w->column, "%s: prefix /0 is no network of hosts",
				what);
		if (!w->hosts)
			w->hosts = room > 65536 ? 65536 : room;
		if (w->hosts > room)
			return refuse(r, w->line, w->column,
				"%s: %llu hosts where the prefix has room for %llu", what,
				(unsigned long long)w->hosts, (unsigned long long)room);
		if (addr_is_zero(&w->next_hop))
			w->next_hop = *addr_zero_like(&w->prefix.addr);
		else if (addr_is4(&w->next_hop) != v4)
			return refuse(r, w->line, w->column,
				"%s: next_hop is of the other address family", what);
		*families |= family_of(&w->prefix.addr);
	}
	return 0;
}

static bool interfaces_fit(const struct scenario *sc, uint32_t max, const struct network **bad)
{
	const struct {
		const struct network *w;
		size_t n;
	} sides[] = { { sc->customers, sc->ncustomers }, { sc->remotes, sc->nremotes } };

	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < sides[s].n; i++)
			if (sides[s].w[i].interface > max && addr_is4(&sides[s].w[i].prefix.addr)) {
				*bad = &sides[s].w[i];
				return false;
			}
	return true;
}

/* What the exporter is to say and its format has no room for. */
static int check_room(struct yaml_reader *r, const struct scenario *sc,
	const struct exporter_spec *e, const struct craft_limits *limits)
{
	const struct network *bad;

	if (e->domain > limits->domain && !limits->domain)
		return refuse(r, e->line, e->column, "domain %u: %s has none", e->domain,
			limits->name);
	if (e->domain > limits->domain)
		return refuse(r, e->line, e->column,
			"domain %u: a %s domain is engine type * 256 + engine id", e->domain,
			limits->name);
	if (e->sampling > limits->sampling && limits->sampling == 1)
		return refuse(r, e->line, e->column, "sampling %u: %s cannot announce it",
			e->sampling, limits->name);
	if (e->sampling > limits->sampling)
		return refuse(r, e->line, e->column, "sampling %u: a %s header has room for %u",
			e->sampling, limits->name, limits->sampling);
	if (e->sequence && !limits->sequence)
		return refuse(r, e->line, e->column, "sequence %u: %s has no sequence numbers",
			e->sequence, limits->name);
	if (!interfaces_fit(sc, limits->interface, &bad))
		return refuse(r, bad->line, bad->column,
			"interface %u: %s exporters have 16 bits for it (exporter at line %u)",
			bad->interface, limits->name, e->line);
	if (!e->aggregation && e->kind == CRAFT_NETFLOW8)
		return refuse(r, e->line, e->column,
			"netflow8 needs its aggregation, 1 (AS) to 14 (prefix, port and tos)");
	if ((e->aggregation || e->v8_dialect) && e->kind != CRAFT_NETFLOW8)
		return refuse(r, e->line, e->column,
			"aggregation and v8_dialect go with protocol netflow8");
	return 0;
}

static int finish_exporter(
	struct yaml_reader *r, struct scenario *sc, struct exporter_spec *e, uint8_t families)
{
	const struct craft_limits *limits = &craft_limits[e->kind];
	uint32_t room = addr_is4(&e->address) ? 1472 : 1452;	/* MTU 1500 */

	e->protocol = limits->protocol;
	e->version = limits->version;
	if (!e->families)
		e->families = limits->v4_only ? FAMILIES_4 : families;
	if (limits->v4_only && e->families != FAMILIES_4)
		return refuse(r, e->line, e->column, "%s carries IPv4 only: families must be 4",
			limits->name);
	if (!(e->families & families))
		return refuse(r, e->line, e->column,
			"no flow for this exporter: customers and remotes have no address family "
			"of it in common");
	e->families &= families;
	if (check_room(r, sc, e, limits))
		return -1;
	/* A router that was booted after its flows began would be believed by nobody. */
	if (e->uptime_s * UINT64_C(1000) < sc->lasting_ms.max + sc->delay_ms.max + 1000)
		return refuse(r, e->line, e->column,
			"uptime %u s: shorter than the longest flow and its delay", e->uptime_s);
	if (e->counter_octets != 4 && e->counter_octets != 8)
		return refuse(r, e->line, e->column, "counter_octets: 4 or 8 is expected");
	if (!e->datagram_octets)
		e->datagram_octets = e->protocol == PROTO_SFLOW && room > 1400 ? 1400 : room;
	if (addr_is_zero(&e->agent))
		e->agent = e->address;
	return 0;
}

/* a + k in its last 32 bits; false when they overflow. */
static bool addr_advance(struct addr *a, uint32_t k)
{
	uint32_t low = be32(a->b + 12);

	if (low > UINT32_MAX - k)
		return false;
	low += k;
	for (unsigned i = 0; i < 4; i++)
		a->b[12 + i] = (uint8_t)(low >> (24 - 8 * i));
	return true;
}

/* Exporters with `count` become that many. */
static int expand_exporters(struct yaml_reader *r, struct scenario *sc)
{
	struct exporter_spec *old = sc->exporters, *e;
	size_t nold = sc->nexporters, total = 0;
	int err = 0;

	for (size_t i = 0; i < nold; i++)
		total += old[i].count;
	if (total > SCENARIO_EXPORTERS_MAX)
		return yaml_fail(r, NULL, "%zu exporters with their counts; at most %d", total,
			SCENARIO_EXPORTERS_MAX);
	sc->exporters = xcalloc(total, sizeof(*e));
	sc->nexporters = 0;
	for (size_t i = 0; i < nold; i++) {
		const char *base = old[i].name ? old[i].name : "exporter";

		for (uint32_t k = 0; k < old[i].count && !err; k++) {
			char name[80];

			e = &sc->exporters[sc->nexporters++];
			*e = old[i];
			if (old[i].name && !k)
				snprintf(name, sizeof(name), "%s", base);
			else
				snprintf(name, sizeof(name), "%s-%zu", base,
					old[i].name ? k : sc->nexporters);
			e->name = xstrdup(name);
			if (!addr_advance(&e->address, k) || !addr_advance(&e->agent, k))
				err = refuse(r, e->line, e->column,
					"count: addresses run out of their last 32 bits");
		}
		free(old[i].name);
	}
	free(old);
	return err;
}

static int compare_identity(const void *a, const void *b)
{
	const struct exporter_spec *x = *(const struct exporter_spec *const *)a,
		*y = *(const struct exporter_spec *const *)b;
	const struct addr *ax = x->protocol == PROTO_SFLOW ? &x->agent : &x->address,
		*ay = y->protocol == PROTO_SFLOW ? &y->agent : &y->address;
	int c = addr_compare(ax, ay);

	if (c)
		return c;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return x->domain < y->domain ? -1 : x->domain > y->domain;
}

static int compare_socket(const void *a, const void *b)
{
	const struct exporter_spec *x = *(const struct exporter_spec *const *)a,
		*y = *(const struct exporter_spec *const *)b;
	int c = addr_compare(&x->address, &y->address);

	return c ? c : x->port - y->port;
}

/*
 * A collector knows an exporter by (address, protocol, domain), not by its
 * port: two with the same would mix templates and sequence numbers.
 */
static int check_identities(struct yaml_reader *r, const struct scenario *sc)
{
	const struct exporter_spec **by = xcalloc(sc->nexporters, sizeof(*by));
	int err = 0;

	for (size_t i = 0; i < sc->nexporters; i++)
		by[i] = &sc->exporters[i];
	qsort(by, sc->nexporters, sizeof(*by), compare_identity);
	for (size_t i = 1; i < sc->nexporters && !err; i++)
		if (!compare_identity(&by[i - 1], &by[i]))
			err = refuse(r, by[i]->line, by[i]->column,
				"exporters \"%s\" and \"%s\" have the same address, protocol and "
				"domain: a collector takes them for one",
				by[i - 1]->name, by[i]->name);
	qsort(by, sc->nexporters, sizeof(*by), compare_socket);
	for (size_t i = 1; i < sc->nexporters && !err; i++)
		if (by[i]->port && !compare_socket(&by[i - 1], &by[i]))
			err = refuse(r, by[i]->line, by[i]->column,
				"exporters \"%s\" and \"%s\" have the same address and port",
				by[i - 1]->name, by[i]->name);
	free(by);
	return err;
}

static int finish(struct yaml_reader *r, struct scenario *sc)
{
	static const struct application web = { 6, 0, 443, 1 };
	uint8_t customers = 0, remotes = 0;

	if (sc->start_ms + sc->duration_ms > TIME_MAX_MS)
		return yaml_fail(r, NULL,
			"start + duration lies behind the year 2106, where 32 bits of seconds end");
	if (finish_networks(r, "customer", sc->customers, sc->ncustomers, &customers) ||
	    finish_networks(r, "remote", sc->remotes, sc->nremotes, &remotes))
		return -1;
	for (size_t i = 0; i < sc->nexporters; i++)
		if (finish_exporter(r, sc, &sc->exporters[i], customers & remotes))
			return -1;
	if (!sc->napplications) {
		sc->applications = xcalloc(1, sizeof(web));
		sc->applications[0] = web;
		sc->napplications = 1;
	}
	return expand_exporters(r, sc) || check_identities(r, sc) ? -1 : 0;
}

/* A quoted value may hold line breaks, which YAML makes of three \r; a complaint is one line. */
static void one_line(char *why)
{
	for (; *why; why++)
		if ((unsigned char)*why < ' ' || *why == 0x7f)
			*why = '?';
}

struct scenario *scenario_parse(
	const char *name, const void *text, size_t n, char why[static SCENARIO_WHY])
{
	struct yaml_reader r = { .name = name, .why = why, .why_size = SCENARIO_WHY,
		.nodes_max = SCENARIO_NODES_MAX, .depth_max = SCENARIO_DEPTH_MAX };
	struct scenario *sc = xcalloc(1, sizeof(*sc));

	sc->seed = 1;
	sc->octets = (struct distribution){ DIST_PARETO, 100, 1000000000, 0, 1200 };
	sc->packet_octets = (struct distribution){ DIST_UNIFORM, 64, 1500, 0, 0 };
	sc->lasting_ms = (struct distribution){ DIST_UNIFORM, 0, 30000, 0, 0 };
	sc->delay_ms = (struct distribution){ DIST_UNIFORM, 0, 1000, 0, 0 };
	sc->upload_percent = 30;
	why[0] = '\0';
	if (yaml_read(&r, text, n, "the scenario", scenario_keys, sc) || finish(&r, sc)) {
		one_line(why);
		scenario_free(sc);
		return NULL;
	}
	return sc;
}

struct scenario *scenario_load(const char *path, char why[static SCENARIO_WHY])
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	struct scenario *sc = NULL;
	char *text;
	size_t n;

	if (!f) {
		snprintf(why, SCENARIO_WHY, "%s: %s", path, strerror(errno));
		return NULL;
	}
	text = xmalloc(SCENARIO_FILE_MAX + 1);
	n = fread(text, 1, SCENARIO_FILE_MAX + 1, f);
	if (ferror(f))
		snprintf(why, SCENARIO_WHY, "%s: %s", path, strerror(errno));
	else if (n > SCENARIO_FILE_MAX)
		snprintf(why, SCENARIO_WHY, "%s: larger than %d octets", path, SCENARIO_FILE_MAX);
	else
		sc = scenario_parse(path, text, n, why);
	free(text);
	if (f != stdin)
		fclose(f);
	return sc;
}

void scenario_free(struct scenario *sc)
{
	if (!sc)
		return;
	for (size_t i = 0; i < sc->nexporters; i++)
		free(sc->exporters[i].name);
	free(sc->exporters);
	free(sc->customers);
	free(sc->remotes);
	free(sc->applications);
	free(sc);
}
