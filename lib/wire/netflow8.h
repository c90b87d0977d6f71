/*
 * netflow8.h - NetFlow v8, router-side aggregation: fourteen methods, each a
 * row of fields in netflow8.c.
 *
 * A record stands for `flows` flows and has only the members of its method;
 * prefixes land in src/dst with their masks.  Two layouts are read in two ways
 * in the world and nothing in the datagram says which: NETFLOW8_* names the
 * choice, 0 is what flow-tools and pmacct up to 1.7.1 read, except for the
 * masks, where decoder_limits says so too.
 */
#ifndef NETFLOW8_H
#define NETFLOW8_H

#include <stdbool.h>
#include "cursor.h"
#include "flow.h"

enum {
	/*
	 * Methods 5, 13, 14: byte 28 is the destination mask (flow-tools, pmacct); else
	 * the source mask (tshark).
	 */
	NETFLOW8_DST_MASK_FIRST = 1,
	/*
	 * Method 9: tos at 24, ifIndexes at 28 (tshark); else ifIndexes at 24, tos at 28
	 * (flow-tools, pmacct).
	 */
	NETFLOW8_TOS_FIRST = 2
};

struct netflow8_msg {
	uint16_t count;
	uint32_t uptime_ms;
	uint32_t export_s, export_ns;
	uint32_t sequence;	/* of the first record */
	uint8_t engine_type, engine_id;
	uint8_t method;		/* 1 to 14 */
	uint8_t agg_version;	/* 2 for routers, 1 for Catalysts (methods 6-8); not judged */
	struct bytes records;	/* exactly count of them */
	size_t trailing;	/* bytes after the last record: tolerated, counted */
	unsigned dialect;	/* NETFLOW8_*; the caller's, netflow8_parse() leaves 0 */
	bool uptime_is_seconds;	/* the caller's, netflow8_parse() leaves false */
};

enum { NETFLOW8_HEADER = 28, NETFLOW8_METHODS = 14 };

/* Octets of a record of `method`; 0 when there is no such method. */
size_t netflow8_record_size(unsigned method);
/* What a record of it tells: FLOW_BIT(member). */
uint64_t netflow8_members(unsigned method);
/* Where First stands in a record, right before Last. */
size_t netflow8_first_at(unsigned method);
/* "source prefix and tos".  Never NULL. */
const char *netflow8_method_name(unsigned method);

/* As netflow5_parse(); an unknown method is WIRE_VERSION. */
enum wire_err netflow8_parse(struct netflow8_msg *m, struct bytes dgram);
/* Decode records `from` .. into `out`, at most `cap`; returns how many. */
size_t netflow8_records(const struct netflow8_msg *m, size_t from, struct flow_record *out,
	size_t cap);

/* Write a datagram of `n` records of m->method; members that the method lacks are left out. */
void netflow8_put(struct cursor *c, const struct netflow8_msg *m, const struct flow_record *rec,
	size_t n);
/*
 * Whether the members that `method` has can be said without losing a counter, an address
 * or an ifIndex.
 */
bool netflow8_fits(unsigned method, const struct flow_record *r);

#endif /* NETFLOW8_H */
