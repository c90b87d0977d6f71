/*
 * netflow5.h - the fixed-record NetFlow family: v1, v5, v7 (Cisco's white
 * paper "NetFlow Export Datagram Format").  One codec; a version is a row of
 * field offsets in netflow5.c.
 *
 * Times are milliseconds of router uptime, 32 bits, wrapping every 49.7 days;
 * decoding makes them absolute with signed arithmetic relative to the header's
 * uptime, so a flow that began before the wrap is dated right.
 */
#ifndef NETFLOW5_H
#define NETFLOW5_H

#include "cursor.h"
#include "plan.h"

struct netflow5_msg {
	uint16_t version;	/* 1, 5, 7 */
	uint16_t count;
	uint32_t uptime_ms;
	uint32_t export_s, export_ns;
	uint32_t sequence;	/* of the first record; v1: 0 */
	uint8_t engine_type, engine_id;
	uint16_t sampling;	/* two mode bits, fourteen of interval */
	struct bytes records;	/* exactly count of them */
	size_t trailing;	/* bytes after the last record: tolerated, counted */
	/* First, Last, uptime; the caller's, netflow5_parse() leaves false */
	bool uptime_is_seconds;
};

enum { NETFLOW5_HEADER = 24, NETFLOW5_RECORD = 48, NETFLOW5_MAX = 30 };

/*
 * WIRE_OK, WIRE_SHORT, WIRE_VERSION, or WIRE_COUNT when fewer records arrived
 * than the header says: then none is believed.  Any count that fits is taken,
 * above NETFLOW5_MAX too.  A v1 record is 48 octets, or 52 when the length of
 * the datagram is exactly that many times 52.
 */
enum wire_err netflow5_parse(struct netflow5_msg *m, struct bytes dgram);
/* One in how many packets was taken; 0: the exporter does not say. */
static inline uint32_t netflow5_interval(const struct netflow5_msg *m)
{
	return m->sampling & 0x3fff;
}

/* Decode records `from` .. into `out`, at most `cap`; returns how many. */
size_t netflow5_records(const struct netflow5_msg *m, size_t from, struct flow_record *out,
	size_t cap);
/*
 * The same of `wanted` members (FLOW_BIT), into records that are empty but, perhaps, for
 * those that it sets, which netflow5_members() names: more than are wanted.
 */
size_t netflow5_fill(const struct netflow5_msg *m, size_t from, struct flow_record *out,
	size_t cap, uint64_t wanted);
uint64_t netflow5_members(const struct netflow5_msg *m, uint64_t wanted);
/*
 * The same format as a template would tell it, for plan_fill(): false of another version.  `m`
 * dates such records, as far as a plan needs to know.
 */
bool netflow5_plan(struct plan *p, uint16_t version);
struct plan_time netflow5_time(const struct netflow5_msg *m);

/*
 * Write a datagram of `n` records.  count and records of `m` are taken from
 * `n`; first_us/last_us become uptime relative to the header.  A record that
 * does not fit the format (IPv6, a counter or an AS above its width is cut to
 * AS_TRANS 23456) - see netflow5_fits() - must not be passed.
 */
void netflow5_put(struct cursor *c, const struct netflow5_msg *m, const struct flow_record *rec,
	size_t n);
/* Octets of the header, of a record as it is written; 0 of another version. */
size_t netflow5_header_size(uint16_t version);
size_t netflow5_record_size(uint16_t version);
/* Whether `r` can be said in this version without losing a counter, an address or an ifIndex. */
bool netflow5_fits(uint16_t version, const struct flow_record *r);

#endif /* NETFLOW5_H */
