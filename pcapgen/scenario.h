/*
 * scenario.h - what `pcapgen craft` is asked to make: a YAML file, checked to
 * the last key (pcapgen-scenario(5)).
 *
 * The loader is strict: an unknown or doubled key, a value of the wrong kind
 * or out of its bounds, an exporter that two others could be taken for - each
 * is one line "file:line:column: key "x": ..." and nothing is guessed.  A
 * file cannot make it large or slow: SCENARIO_* are its bounds, aliases count
 * each time they are used.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wire/addr.h"
#include "wire/decoder.h"

enum {
	SCENARIO_FILE_MAX = 1 << 20,	/* octets */
	SCENARIO_DEPTH_MAX = 8,		/* of mappings and lists */
	SCENARIO_NODES_MAX = 100000,	/* keys and values, an alias counting what it stands for */
	SCENARIO_EXPORTERS_MAX = 20000,
	SCENARIO_NETWORKS_MAX = 20000,
};

enum distribution_kind { DIST_CONSTANT, DIST_UNIFORM, DIST_PARETO, DIST_LOGNORMAL };

/* A distribution of whole numbers; flows.h draws from it. */
struct distribution {
	uint8_t kind;
	uint64_t min, max;	/* every value drawn lies in them */
	uint64_t median;	/* lognormal */
	uint64_t shape_milli;	/* pareto: alpha * 1000; lognormal: sigma * 1000 */
};

/* What an exporter can speak. */
enum craft_kind { CRAFT_NETFLOW1, CRAFT_NETFLOW5, CRAFT_NETFLOW7, CRAFT_NETFLOW8, CRAFT_NETFLOW9,
	CRAFT_IPFIX, CRAFT_SFLOW2, CRAFT_SFLOW4, CRAFT_SFLOW5, CRAFT_KINDS };

/* And what it has room for: 0 is none. */
struct craft_limits {
	const char *name;		/* "netflow5", as in a scenario */
	uint8_t protocol;		/* enum flow_protocol */
	uint16_t version;		/* on the wire */
	bool v4_only, sequence;
	uint32_t domain, sampling, interface;	/* the largest */
};
extern const struct craft_limits craft_limits[CRAFT_KINDS];

enum v8_dialect { V8_FLOW_TOOLS, V8_TSHARK };
enum sampling_says { SAMPLING_SAYS_OPTIONS, SAMPLING_SAYS_RECORD };
enum families { FAMILIES_4 = 1, FAMILIES_6 = 2, FAMILIES_BOTH = 3 };

struct exporter_spec {
	char *name;
	struct addr address;		/* UDP source */
	uint16_t port;			/* UDP source; 0: the kernel picks one */
	uint8_t kind;			/* enum craft_kind; the next two follow from it */
	uint8_t protocol;		/* enum flow_protocol */
	uint16_t version;
	uint8_t aggregation;		/* netflow8: its method, 1 to 14 */
	uint8_t v8_dialect;		/* enum v8_dialect */
	uint8_t families;
	/* v9 source ID, IPFIX domain, sFlow v5 sub-agent, v5 and v8 engine type << 8 | id */
	uint32_t domain;
	struct addr agent;		/* sFlow: in the datagram; else as address */
	uint32_t sampling;		/* 1 in N; 1: nothing is announced (sFlow announces 1) */
	uint8_t sampling_says;
	uint32_t refresh_s,
		refresh_datagrams; /* templates and options again; 0: never for this reason */
	uint32_t uptime_s;		/* at the start */
	uint32_t sequence;		/* of the first datagram */
	uint32_t weight;		/* share of the rate */
	uint32_t records;		/* a datagram, at most; 0: what fits */
	uint32_t counter_octets;	/* v9, IPFIX: 4 or 8 */
	uint32_t counters_every; /* sFlow: a counter sample every so many datagrams; 0: none */
	uint32_t datagram_octets;	/* UDP payload, at most */
	uint32_t count;			/* this many of them: address, port kept, +1 each */
	unsigned line, column;
};

/* A side of a flow. */
struct network {
	struct prefix prefix;
	uint64_t hosts;		/* the first so many of the prefix */
	uint32_t as, interface, weight;
	struct addr next_hop;	/* zero of the family: none */
	unsigned line, column;
};

struct application {
	uint8_t proto, tos;
	uint16_t port;		/* ICMP: type * 256 + code */
	uint32_t weight;
};

enum rate_unit { RATE_RECORDS, RATE_DATAGRAMS };

struct scenario {
	uint64_t seed;
	uint64_t start_ms;	/* since 1970 UTC; 0: when it is run */
	uint64_t duration_ms;
	uint64_t rate;		/* a second; 0: as fast as it goes */
	uint8_t rate_unit;
	uint32_t cycle;		/* datagrams after which an exporter's flows repeat; 0: never */
	struct exporter_spec *exporters;
	struct network *customers, *remotes;
	struct application *applications;
	size_t nexporters, ncustomers, nremotes, napplications;
	struct distribution octets, packet_octets, lasting_ms, delay_ms;
	uint32_t upload_percent;
};

enum { SCENARIO_WHY = 512 };

/* NULL with one line in `why`.  "-" is stdin. */
struct scenario *scenario_load(const char *path, char why[static SCENARIO_WHY]);
/* The same from memory; `name` stands in messages. */
struct scenario *scenario_parse(
	const char *name, const void *text, size_t n, char why[static SCENARIO_WHY]);
void scenario_free(struct scenario *sc);

/* "500", "20k", "1.5M", each with " records/s" or " datagrams/s" or bare (then `unit` stays), or
 * "max". */
bool rate_parse(const char *text, uint64_t *rate, uint8_t *unit);

#endif /* SCENARIO_H */
