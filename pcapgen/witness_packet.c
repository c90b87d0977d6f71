/*
 * witness_packet.c - what the headers of a sampled packet say: Ethernet, VLAN
 * tags, MPLS, PPPoE, IPv4, IPv6 and its extension headers, TCP, UDP, ICMP.  A
 * header that the sampler cut tells what it still has.
 */
#include "pcapgen/witness_parts.h"

/* Drop `n` octets; false when there are not as many. */
static bool skip(struct bytes *b, size_t n)
{
	if (b->n < n)
		return false;
	b->p += n;
	b->n -= n;
	return true;
}

static void transport(struct flow_record *f, struct bytes b)
{
	switch (f->proto) {
	case 6:
		if (b.n >= 14)
			flow_set(f, FLOW_tcp_flags, b.p[13]);
		/* fall through */
	case 17:
	case 132:
		if (b.n >= 4) {
			flow_set(f, FLOW_src_port, be16(b.p));
			flow_set(f, FLOW_dst_port, be16(b.p + 2));
		}
		break;
	}
}

static void ipv4(struct flow_record *f, struct bytes b)
{
	size_t header = (size_t)(b.p[0] & 15) * 4;
	bool later = (be16(b.p + 6) & 0x1fff) != 0; /* a fragment behind the first has no ports */

	flow_set(f, FLOW_tos, b.p[1]);
	flow_set(f, FLOW_proto, b.p[9]);
	f->src = addr_from4(b.p + 12);
	f->dst = addr_from4(b.p + 16);
	f->present |= FLOW_BIT(src) | FLOW_BIT(dst);
	if (!later && skip(&b, header))
		transport(f, b);
}

/* Hop-by-hop, routing, destination options, fragment, authentication (RFC 8200 4). */
static void ipv6(struct flow_record *f, struct bytes b)
{
	uint8_t next = b.p[6];
	bool later = false;

	flow_set(f, FLOW_tos, be16(b.p) >> 4 & 0xff);
	flow_set(f, FLOW_flow_label, be32(b.p) & 0xfffff);
	f->src = addr_from16(b.p + 8);
	f->dst = addr_from16(b.p + 24);
	f->present |= FLOW_BIT(src) | FLOW_BIT(dst);
	skip(&b, 40);
	while ((next == 0 || next == 43 || next == 44 || next == 51 || next == 60) && b.n >= 8) {
		size_t len = next == 44 ? 8
			: next == 51    ? ((size_t)b.p[1] + 2) * 4
					: ((size_t)b.p[1] + 1) * 8;

		if (next == 44 && (be16(b.p + 2) & 0xfff8))
			later = true;
		next = b.p[0];
		if (!skip(&b, len))
			b.n = 0;
	}
	flow_set(f, FLOW_proto, next);
	if (!later)
		transport(f, b);
}

void witness_packet_ip(struct flow_record *f, struct bytes b)
{
	if (b.n >= 20 && b.p[0] >> 4 == 4 && (b.p[0] & 15) >= 5)
		ipv4(f, b);
	else if (b.n >= 40 && b.p[0] >> 4 == 6)
		ipv6(f, b);
}

/* Behind the bottom of the label stack the first nibble tells IP; anything else is not looked into.
 */
static void mpls(struct flow_record *f, struct bytes b)
{
	bool top = true;

	while (b.n >= 4) {
		uint32_t entry = be32(b.p);

		if (top)
			flow_set(f, FLOW_mpls_top, entry >> 12);
		top = false;
		skip(&b, 4);
		if (entry & 0x100) {
			flow_set(f, FLOW_mpls_bottom, entry >> 12);
			break;
		}
	}
	witness_packet_ip(f, b);
}

void witness_packet_ethernet(struct flow_record *f, struct bytes b)
{
	uint16_t type;

	if (b.n < 14)
		return;
	memcpy(f->dst_mac, b.p, 6);
	memcpy(f->src_mac, b.p + 6, 6);
	f->present |= FLOW_BIT(dst_mac) | FLOW_BIT(src_mac);
	type = be16(b.p + 12);
	skip(&b, 14);
	while ((type == 0x8100 || type == 0x88a8 || type == 0x9100) && b.n >= 4) {
		if (!flow_has(f, FLOW_vlan)) {
			flow_set(f, FLOW_vlan, be16(b.p) & 0xfff);
			flow_set(f, FLOW_cos, be16(b.p) >> 13);
		}
		type = be16(b.p + 2);
		skip(&b, 4);
	}
	/* 802.3 with LLC/SNAP: aa aa 03, three octets of organisation, then the type. */
	if (type <= 1500 && b.n >= 8 && b.p[0] == 0xaa && b.p[1] == 0xaa) {
		type = be16(b.p + 6);
		skip(&b, 8);
	}
	flow_set(f, FLOW_ethertype, type);
	if (type == 0x8864 && b.n >= 8 && (be16(b.p + 6) == 0x21 || be16(b.p + 6) == 0x57)) {
		skip(&b, 8);
		witness_packet_ip(f, b);
	} else if (type == 0x8847 || type == 0x8848) {
		mpls(f, b);
	} else if (type == 0x0800 || type == 0x86dd) {
		witness_packet_ip(f, b);
	}
}
