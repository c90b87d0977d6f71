/*
 * sflow.h - sFlow v5 (sflow.org "sFlow Version 5"), v4 and v2 (RFC 3176):
 * flow samples become flow records, counter samples are counted and skipped.
 *
 * One sample describes one packet, however many records tell about it; octets
 * are the frame length of the raw header record, or the IP length when a
 * sampled IPv4/IPv6 record is present (as the reference counts).  Layer-3
 * members come from the sampled header (frame.h).
 */
#ifndef SFLOW_H
#define SFLOW_H

#include "cursor.h"
#include "frame.h"

struct sflow_msg {
	uint32_t version;	/* 2, 4, 5 */
	struct addr agent;	/* who accounts; 0.0.0.0 when its type is "unknown" */
	uint32_t sub_agent;	/* v5; else 0 */
	uint32_t sequence;	/* datagrams */
	uint32_t uptime_ms;
	uint32_t nsamples;
	struct bytes samples;
};

struct sflow_sample {
	bool counters;		/* a counter sample: nothing below but sequence and source */
	uint16_t format;	/* v5: of a flow sample, 1 or 3 (expanded); else 0 */
	uint32_t sequence, source_type, source_index;
	uint32_t rate, pool, drops;
};

struct sflow_iter {
	struct bytes rest;
	uint32_t version, left;
	unsigned tunnels;	/* to look into: the caller's, sflow_first() leaves 0 */
	struct frame_inside *inside;	/* of the next sample's frame: the caller's; NULL: not asked for */
	/*
	 * Why sflow_next() stopped; WIRE_OK at the end.  WIRE_SAMPLE_CUT: the datagram
	 * ends inside a sample, or (v2, v4, where nothing has a length)
	 * WIRE_SAMPLE_UNKNOWN: nothing behind this place can be read.  WIRE_TRAILING:
	 * octets after the last sample.
	 */
	enum wire_err err;
	uint32_t skipped;	/* v5 samples of unknown type, stepped over */
	uint32_t cut;		/* v5 samples too short for their header or for a record in them */
	/* Set after sflow_first(): octets of a sampled frame are its IP length, where the header
	 * tells one. */
	bool ip_octets;
};

enum wire_err sflow_parse(struct sflow_msg *m, struct bytes dgram);
void sflow_first(struct sflow_iter *it, const struct sflow_msg *m);
/*
 * Step to the next flow or counter sample.  For a flow sample `rec` is filled:
 * packets 1, octets, addresses, interfaces, sampling_num/den = the announced
 * rate when it is not 0.
 *
 * in_if/out_if hold ifIndexes and nothing else: "discarded, reason n", "n
 * output interfaces" and (v5) the device itself (0x3fffffff) leave them absent,
 * so they are booked as interface 0 and not, as the reference does, as interface
 * 2147483651.
 *
 * A sample that is damaged inside is delivered when its own header is whole:
 * the packet was sampled and the rate applies to it.  FLOW_octets is absent
 * when no record in it told a length.
 */
bool sflow_next(struct sflow_iter *it, struct sflow_sample *s, struct flow_record *rec);

/* ---- writing -------------------------------------------------------------- */
/* m->version is 5, 4 or 2; m->samples is not looked at. */
void sflow_put_header(struct cursor *c, const struct sflow_msg *m);
/*
 * A flow sample whose raw packet header is built from `r` (Ethernet, IPv4 or
 * IPv6, TCP/UDP/ICMP); the frame is r->octets long, the header at most 128
 * octets of it; next hop and masks go to an extended-router record, AS numbers
 * to an extended-gateway one when present (a next hop that is absent in such a
 * record is written as 0.0.0.0, since sfacctd drops a sample whose address type
 * is "unknown"), `out_vlan` to an extended-switch one.  The frame length counts
 * the FCS.
 *
 * v5 uses the expanded form when an index needs more than 24 bits.  v2 and v4
 * have 31 bits for an ifIndex and 24 for the source's, no BGP next hop, and
 * nothing that says how long a sample is; what does not fit must not be passed,
 * nor to v5 the ifIndex 0x3fffffff.
 */
void sflow_put_sample(struct cursor *c, uint32_t version, const struct sflow_sample *s,
	const struct flow_record *r);
void sflow_put_counters(struct cursor *c, uint32_t version, const struct sflow_sample *s,
	uint32_t if_index);

#endif /* SFLOW_H */
