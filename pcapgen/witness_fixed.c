/*
 * witness_fixed.c - NetFlow v1, v5, v7 (records of fixed layout) and v8 (one
 * layout an aggregation method), read byte by byte.
 */
#include "pcapgen/witness_parts.h"

/* Microseconds since 1970 of a header's seconds and residual nanoseconds, at 8 and 12 in all of
 * them. */
static uint64_t header_time(const uint8_t *p)
{
	return (uint64_t)be32(p + 8) * 1000000 + be32(p + 12) / 1000;
}

static void address(struct flow_record *f, enum flow_field field, const uint8_t *p)
{
	struct addr a = addr_from4(p);

	memcpy((uint8_t *)f + flow_fields[field].offset, &a, sizeof(a));
	f->present |= UINT64_C(1) << field;
}

/* v1 says protocol, tos, flags at 38, 39, 40; v5 and v7 say flags, protocol, tos at 37, 38, 39. */
static void fixed_record(struct witness_reading *r, const uint8_t *h, const uint8_t *p)
{
	struct flow_record f = flow_record_empty;
	bool v1 = r->row.version == 1;
	uint64_t now = r->row.export_us = header_time(h);
	uint32_t uptime = be32(h + 4);

	address(&f, FLOW_src, p);
	address(&f, FLOW_dst, p + 4);
	address(&f, FLOW_next_hop, p + 8);
	flow_set(&f, FLOW_in_if, be16(p + 12));
	flow_set(&f, FLOW_out_if, be16(p + 14));
	flow_set(&f, FLOW_packets, be32(p + 16));
	flow_set(&f, FLOW_octets, be32(p + 20));
	flow_set(&f, FLOW_first_us, witness_uptime(now, uptime, be32(p + 24)));
	flow_set(&f, FLOW_last_us, witness_uptime(now, uptime, be32(p + 28)));
	flow_set(&f, FLOW_src_port, be16(p + 32));
	flow_set(&f, FLOW_dst_port, be16(p + 34));
	flow_set(&f, FLOW_proto, p[38]);
	flow_set(&f, FLOW_tos, p[39]);
	flow_set(&f, FLOW_tcp_flags, v1 ? p[40] : p[37]);
	if (!v1) {
		flow_set(&f, FLOW_src_as, be16(p + 40));
		flow_set(&f, FLOW_dst_as, be16(p + 42));
		flow_set(&f, FLOW_src_mask, p[44]);
		flow_set(&f, FLOW_dst_mask, p[45]);
	}
	if (r->row.version == 5 && (be16(h + 22) & 0x3fff)) {
		flow_set(&f, FLOW_sampling_num, be16(h + 22) & 0x3fff);
		flow_set(&f, FLOW_sampling_den, 1);
	}
	witness_emit(r, &f);
}

/* One PDU at `p` of `n` octets; how many it takes, 0 when it is not whole. */
static size_t read_pdu(struct witness_reading *r, const uint8_t *p, size_t n)
{
	size_t header = r->row.version == 1 ? 16 : 24, size = r->row.version == 7 ? 52 : 48, count;

	if (n < header)
		return 0;
	count = be16(p + 2);
	if (r->row.version == 1 && count && n - header == count * 52)
		size = 52;
	if (n - header < count * size)
		return 0;
	if (r->row.version != 1)
		r->row.sequence = be32(p + 16);
	if (r->row.version == 5)
		r->row.domain = be16(p + 20);
	for (size_t i = 0; i < count; i++)
		fixed_record(r, p, p + header + i * size);
	return header + count * size;
}

/* v5 and v7: behind a PDU may be another that continues its numbers, from the same engine. */
static bool continues(const uint8_t *p, const uint8_t *q, size_t n)
{
	return n >= 24 && be16(q) == be16(p) && be16(q + 2) > 0 &&
		be32(q + 16) == be32(p + 16) + be16(p + 2) &&
		(be16(p) == 7 || be16(q + 20) == be16(p + 20));
}

void witness_read_fixed(struct witness_reading *r)
{
	const uint8_t *p = r->data.p, *end = p + r->data.n;
	size_t took = read_pdu(r, p, r->data.n);

	while (took && r->row.version != 1 && continues(p, p + took, (size_t)(end - p) - took)) {
		p += took;
		took = read_pdu(r, p, (size_t)(end - p));
	}
}

/*
 * Offsets of each member in a record, -1 where the method has none.  The world
 * does not agree on the order of masks in 5, 13 and 14, nor on where method 9
 * has its type of service: as flow-tools writes them, and as the collector
 * takes them by default, the destination's mask is first and the ToS is last.
 */
static const struct v8_method {
	uint8_t size;
	int8_t flows, packets, octets, first, last;
	int8_t src, dst, src_mask, dst_mask, src_as, dst_as, in_if, out_if, src_port, dst_port,
		proto, tos;
} methods[15] = {
	/*        size  fl pk  oc  fi  la  src dst sm  dm  sas das in  out sp  dp  pr  tos */
	[1]  = {  28,   0, 4,  8, 12, 16, -1, -1, -1, -1, 20, 22, 24, 26, -1, -1, -1, -1 },
	[2]  = {  28,   0, 4,  8, 12, 16, -1, -1, -1, -1, -1, -1, -1, -1, 24, 26, 20, -1 },
	[3]  = {  32,   0, 4,  8, 12, 16, 20, -1, 24, -1, 26, -1, 28, -1, -1, -1, -1, -1 },
	[4]  = {  32,   0, 4,  8, 12, 16, -1, 20, -1, 24, -1, 26, -1, 28, -1, -1, -1, -1 },
	[5]  = {  40,   0, 4,  8, 12, 16, 20, 24, 29, 28, 32, 34, 36, 38, -1, -1, -1, -1 },
	[6]  = {  32,  -1, 4,  8, 12, 16, -1,  0, -1, -1, -1, -1, -1, 20, -1, -1, -1, 22 },
	[7]  = {  40,  -1, 8, 12, 16, 20,  4,  0, -1, -1, -1, -1, 26, 24, -1, -1, -1, 28 },
	[8]  = {  44,  -1, 12, 16, 20, 24, 4,  0, -1, -1, -1, -1, 30, 28, 10,  8, 33, 32 },
	[9]  = {  32,   0, 4,  8, 12, 16, -1, -1, -1, -1, 20, 22, 24, 26, -1, -1, -1, 28 },
	[10] = {  32,   0, 4,  8, 12, 16, -1, -1, -1, -1, -1, -1, 28, 30, 24, 26, 20, 21 },
	[11] = {  32,   0, 4,  8, 12, 16, 20, -1, 24, -1, 26, -1, 28, -1, -1, -1, -1, 25 },
	[12] = {  32,   0, 4,  8, 12, 16, -1, 20, -1, 24, -1, 26, -1, 28, -1, -1, -1, 25 },
	[13] = {  40,   0, 4,  8, 12, 16, 20, 24, 29, 28, 32, 34, 36, 38, -1, -1, -1, 30 },
	[14] = {  40,   0, 4,  8, 12, 16, 20, 24, 29, 28, -1, -1, 36, 38, 32, 34, 31, 30 },
};

static void number(
	struct flow_record *f, enum flow_field field, const uint8_t *p, int offset, size_t n)
{
	if (offset >= 0)
		flow_set(f, field, be_any(p + offset, n));
}

static void v8_record(
	struct witness_reading *r, const struct v8_method *m, const uint8_t *h, const uint8_t *p)
{
	struct flow_record f = flow_record_empty;
	uint64_t now = r->row.export_us = header_time(h);
	uint32_t uptime = be32(h + 4);

	if (m->src >= 0)
		address(&f, FLOW_src, p + m->src);
	if (m->dst >= 0)
		address(&f, FLOW_dst, p + m->dst);
	flow_set(&f, FLOW_first_us, witness_uptime(now, uptime, be32(p + m->first)));
	flow_set(&f, FLOW_last_us, witness_uptime(now, uptime, be32(p + m->last)));
	number(&f, FLOW_flows, p, m->flows, 4);
	number(&f, FLOW_packets, p, m->packets, 4);
	number(&f, FLOW_octets, p, m->octets, 4);
	number(&f, FLOW_src_mask, p, m->src_mask, 1);
	number(&f, FLOW_dst_mask, p, m->dst_mask, 1);
	number(&f, FLOW_src_as, p, m->src_as, 2);
	number(&f, FLOW_dst_as, p, m->dst_as, 2);
	number(&f, FLOW_in_if, p, m->in_if, 2);
	number(&f, FLOW_out_if, p, m->out_if, 2);
	number(&f, FLOW_src_port, p, m->src_port, 2);
	number(&f, FLOW_dst_port, p, m->dst_port, 2);
	number(&f, FLOW_proto, p, m->proto, 1);
	number(&f, FLOW_tos, p, m->tos, 1);
	witness_emit(r, &f);
}

void witness_read_v8(struct witness_reading *r)
{
	const uint8_t *p = r->data.p;
	size_t count;

	if (r->data.n < 28 || p[22] < 1 || p[22] > 14)
		return;
	count = be16(p + 2);
	if (r->data.n - 28 < count * methods[p[22]].size)
		return;
	r->row.sequence = be32(p + 16);
	r->row.domain = be16(p + 20);
	for (size_t i = 0; i < count; i++)
		v8_record(r, &methods[p[22]], p, p + 28 + i * methods[p[22]].size);
}
