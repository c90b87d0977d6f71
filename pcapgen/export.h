/*
 * export.h - flows into datagrams, the way an exporter does it: templates and
 * options first and again, sequence numbers by the format's law, clocks that
 * agree, counters that fit.
 *
 * What exporter_craft() hands out as records is what it encoded: cut to what
 * the format can say (AS_TRANS, split counters) before it was encoded, so that
 * the truth is metered and not wished.
 *
 * Time: every header and flow time is an exact millisecond of the instant
 * `at_ms` that the caller names.  NetFlow v9 and IPFIX headers have whole
 * seconds: their uptime is that of the whole second, so that
 * export_s * 1000 - uptime is the boot time in every datagram and no flow is
 * dated by the fraction.
 *
 * Cycle: with `cycle` datagrams kept, an exporter that has made so many sends
 * them again and again with sequence numbers and all times moved on - correct
 * exports at many times the rate of making new flows, for load tests.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "pcapgen/flows.h"
#include "wire/wire.h"

enum { EXPORT_OCTETS_MAX = 65507 };

/* A place in a datagram that moves with its times; what stands there is export.c's business. */
struct patch {
	uint16_t at;
	uint8_t kind;
};

struct crafted {
	struct bytes data;		/* in the caller's buffer, or in the exporter's cycle */
	uint16_t version;
	uint32_t sequence;		/* of the header */
	const struct flow_record *records;	/* until the next call */
	size_t nrecords;
	uint64_t later_us; /* to be added to the times of `records`: a cycle does not touch them */
	uint64_t octets;		/* of all records */
	const struct patch *patches; /* of data, as long as `records` live; see exporter_movable() */
	size_t npatches;
	bool announces;			/* has templates */
	bool from_cycle; /* data changes when this exporter has sent its cycle once more */
};

struct exporter;

/* `number` picks its stream of the seed; `cycle` as in the scenario. */
struct exporter *exporter_new(const struct exporter_spec *spec, const struct population *p,
	uint64_t seed, uint64_t number, uint64_t start_ms, uint32_t cycle);
void exporter_free(struct exporter *e);
/*
 * The next datagram, exported at `at_ms` since 1970, never before the last
 * one.  `buf` has room for spec->datagram_octets.
 */
void exporter_craft(struct exporter *e, uint64_t at_ms, uint8_t *buf, struct crafted *out);

/*
 * Crafted before its time is known for sure: who asks for movable datagrams gets their patches,
 * crafts with a guess of at_ms and moves what turns out to be due at another time.  That is the
 * same to the octet as crafting in time, as long as the time alone does not decide what is in a
 * datagram: exporter_may_announce() tells.
 */
void exporter_movable(struct exporter *e);
/* Whether templates could fall due by the clock, and not by count, from one time to another. */
bool exporter_may_announce(const struct exporter *e, uint64_t from_ms, uint64_t to_ms);
/* The templates of the last guess went out at `at_ms` in truth. */
void exporter_announced_at(struct exporter *e, uint64_t at_ms);
/* What its records' times are to be moved by, modulo 2^64.  Any thread may; `data` has been copied. */
uint64_t exporter_move(const struct exporter *e, uint64_t guess_ms, uint64_t at_ms, uint8_t *data,
	const struct patch *patches, size_t npatches);
/* No datagram of it has more. */
size_t exporter_most_records(const struct exporter *e);

#endif /* EXPORT_H */
