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

struct crafted {
	struct bytes data;		/* in the caller's buffer, or in the exporter's cycle */
	uint16_t version;
	uint32_t sequence;		/* of the header */
	const struct flow_record *records;	/* until the next call */
	size_t nrecords;
	uint64_t later_us; /* to be added to the times of `records`: a cycle does not touch them */
	uint64_t octets;		/* of all records */
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

#endif /* EXPORT_H */
