/*
 * frame.c - a walk down the headers of one frame, and the way back up.
 *
 * Reading: each step takes its header off the front of `rest` and says what is
 * behind it.  A sampler cuts anywhere, so a step sets what it can see and the
 * walk ends where the bytes do.  Every step takes at least one octet, and no
 * step goes back, so that any frame is read in one pass.
 */
#include "frame.h"

enum {
	TYPE_IPV4 = 0x0800, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd, TYPE_MPLS = 0x8847,
	TYPE_MPLS_MCAST = 0x8848, TYPE_PPPOE = 0x8864, TYPE_QINQ = 0x88a8, TYPE_QINQ_OLD = 0x9100,
	TYPE_QINQ_OLD2 = 0x9200
};
enum { PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057, PPP_MPLS = 0x0281, PPP_MPLS_MCAST = 0x0283 };
enum {
	IP_HOPOPTS = 0,
	IP_ICMP = 1,
	IP_IPIP = 4,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_DCCP = 33,
	IP_IPV6 = 41,
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_GRE = 47,
	IP_AH = 51,
	IP_ICMPV6 = 58,
	IP_DSTOPTS = 60,
	IP_SCTP = 132,
	IP_MOBILITY = 135,
	IP_UDPLITE = 136,
	IP_HIP = 139,
	IP_SHIM6 = 140
};

enum { PORT_VXLAN = 4789 };

struct walk {
	struct flow_record *r;
	struct bytes rest;
	uint32_t ip_len;	/* as the IP header states it */
	bool fragment;		/* one of several of a datagram */
	bool headless;		/* not the first of them: no transport header */
};

#define SET(r, member, value) ((r)->present |= FLOW_BIT(member), (r)->member = (value))

static bool drop(struct bytes *b, size_t n)
{
	if (b->n < n)
		return false;
	b->p += n;
	b->n -= n;
	return true;
}

/* ---- transport ------------------------------------------------------------ */

static void walk_transport(struct walk *w, uint8_t proto)
{
	const uint8_t *p = w->rest.p;
	const size_t n = w->rest.n;

	SET(w->r, proto, proto);
	if (w->headless)
		return;
	switch (proto) {
	case IP_TCP:
		if (n >= 14)
			SET(w->r, tcp_flags, p[13]);
		/* fall through */
	case IP_UDP:
	case IP_UDPLITE:
	case IP_DCCP:
	case IP_SCTP:
		if (n >= 2)
			SET(w->r, src_port, be16(p));
		if (n >= 4)
			SET(w->r, dst_port, be16(p + 2));
		break;
	}
}

/* ---- network -------------------------------------------------------------- */

/* Ethernet pads short packets: what is behind the IP length is no packet. */
static void trim(struct walk *w)
{
	if (w->ip_len && w->rest.n > w->ip_len)
		w->rest.n = w->ip_len;
}

static bool walk_ipv4(struct walk *w)
{
	const uint8_t *p = w->rest.p;
	const size_t n = w->rest.n;
	size_t header;

	if (n < 1 || p[0] >> 4 != 4 || (p[0] & 15) < 5)
		return false;
	header = (p[0] & 15u) * 4;
	if (n >= 2)
		SET(w->r, tos, p[1]);
	if (n >= 4)
		w->ip_len = be16(p + 2);
	if (n >= 8) {
		w->fragment = be16(p + 6) & 0x3fff;	/* more fragments, or an offset */
		w->headless = be16(p + 6) & 0x1fff;
	}
	if (n >= 16)
		SET(w->r, src, addr_from4(p + 12));
	if (n >= 20)
		SET(w->r, dst, addr_from4(p + 16));
	if (n < 10)
		return true;
	trim(w);
	if (!drop(&w->rest, header))
		w->rest.n = 0;
	walk_transport(w, p[9]);
	return true;
}

/* Octets of an extension header (RFC 8200 4) whose length field is `len`; 0: `proto` is none. */
static size_t extension_size(uint8_t proto, uint8_t len)
{
	switch (proto) {
	case IP_HOPOPTS:
	case IP_ROUTING:
	case IP_DSTOPTS:
	case IP_MOBILITY:
	case IP_HIP:
	case IP_SHIM6:
		return (len + 1u) * 8;
	case IP_AH:
		return (len + 2u) * 4;
	case IP_FRAGMENT:
		return 8;
	}
	return 0;
}

/*
 * Take extension headers off the front; returns the protocol behind them.  Of
 * one that is cut, or in a later fragment, nothing behind it can be seen.
 */
static uint8_t walk_extensions(struct walk *w, uint8_t next)
{
	while (extension_size(next, 0) && !w->headless) {
		const uint8_t *p = w->rest.p;
		const uint8_t kind = next;

		if (w->rest.n < 8) {
			w->rest.n = 0;
			break;
		}
		next = p[0];
		if (kind == IP_FRAGMENT) {
			/* Offset and "more"; an atomic fragment (RFC 6946) has neither. */
			w->fragment = w->fragment || be16(p + 2) & 0xfff9;
			w->headless = be16(p + 2) & 0xfff8;
		}
		if (!drop(&w->rest, extension_size(kind, p[1]))) {
			w->rest.n = 0;
			break;
		}
	}
	return next;
}

static bool walk_ipv6(struct walk *w)
{
	const uint8_t *p = w->rest.p;
	const size_t n = w->rest.n;
	uint8_t next;

	if (n < 1 || p[0] >> 4 != 6)
		return false;
	if (n >= 4) {
		SET(w->r, tos, (uint8_t)(be16(p) >> 4));
		SET(w->r, flow_label, be32(p) & 0xfffff);
	}
	if (n >= 6)
		w->ip_len = be16(p + 4) + 40u;
	if (n >= 24)
		SET(w->r, src, addr_from16(p + 8));
	if (n >= 40)
		SET(w->r, dst, addr_from16(p + 24));
	if (n < 7)
		return true;
	if (w->ip_len > 40)	/* 0 is a jumbogram: it ends where the frame does */
		trim(w);
	next = p[6];
	if (!drop(&w->rest, 40))
		w->rest.n = 0;
	walk_transport(w, walk_extensions(w, next));
	return true;
}

static bool walk_ip(struct walk *w)
{
	return w->rest.n && (w->rest.p[0] >> 4 == 6 ? walk_ipv6(w) : walk_ipv4(w));
}

/* ---- below IP ------------------------------------------------------------- */

/*
 * The label stack (RFC 3032); nothing in it says what it carries.  The first
 * nibble behind it is 4 or 6 of IP, and 0 of a pseudowire's control word (RFC
 * 4385), whose inside is another's network.
 */
static bool walk_mpls(struct walk *w)
{
	for (bool top = true, bottom = false; !bottom; top = false) {
		uint32_t entry;

		if (w->rest.n < 4)
			return false;
		entry = be32(w->rest.p);
		bottom = entry >> 8 & 1;
		if (top)
			SET(w->r, mpls_top, entry >> 12);
		if (bottom)
			SET(w->r, mpls_bottom, entry >> 12);
		drop(&w->rest, 4);
	}
	return walk_ip(w);
}

/* RFC 1661, with or without HDLC framing (RFC 1662) and protocol field compression. */
static bool walk_ppp(struct walk *w)
{
	uint16_t proto;

	if (w->rest.n >= 2 && be16(w->rest.p) == 0xff03)
		drop(&w->rest, 2);
	if (w->rest.n >= 1 && w->rest.p[0] & 1) {
		proto = w->rest.p[0];
		drop(&w->rest, 1);
	} else if (w->rest.n >= 2) {
		proto = be16(w->rest.p);
		drop(&w->rest, 2);
	} else {
		return false;
	}
	switch (proto) {
	case PPP_IPV4:
		return walk_ipv4(w);
	case PPP_IPV6:
		return walk_ipv6(w);
	case PPP_MPLS:
	case PPP_MPLS_MCAST:
		return walk_mpls(w);
	}
	return false;
}

static bool is_vlan(uint16_t type)
{
	return type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD ||
		type == TYPE_QINQ_OLD2;
}

/* `rest` begins behind the type field that said `type`. */
static bool walk_type(struct walk *w, uint16_t type)
{
	for (bool outer = true; is_vlan(type); outer = false) {
		if (w->rest.n < 4)
			return false;
		if (outer) {
			SET(w->r, vlan, be16(w->rest.p) & 0xfff);
			SET(w->r, cos, w->rest.p[0] >> 5);
		}
		type = be16(w->rest.p + 2);
		drop(&w->rest, 4);
	}
	if (type <= 1500) {	/* a length: LLC, of which only SNAP has a type (RFC 1042) */
		static const uint8_t snap[6] = { 0xaa, 0xaa, 3, 0, 0, 0 };

		if (w->rest.n < 8 || memcmp(w->rest.p, snap, sizeof(snap)) != 0)
			return false;
		type = be16(w->rest.p + 6);
		drop(&w->rest, 8);
	}
	SET(w->r, ethertype, type);
	switch (type) {
	case TYPE_IPV4:
		return walk_ipv4(w);
	case TYPE_IPV6:
		return walk_ipv6(w);
	case TYPE_MPLS:
	case TYPE_MPLS_MCAST:
		return walk_mpls(w);
	case TYPE_PPPOE:	/* RFC 2516 4: version, code, session, length */
		return drop(&w->rest, 6) && walk_ppp(w);
	}
	return false;
}

static bool walk_ethernet(struct walk *w)
{
	const uint8_t *p = w->rest.p;

	if (w->rest.n >= 6) {
		memcpy(w->r->dst_mac, p, 6);
		w->r->present |= FLOW_BIT(dst_mac);
	}
	if (w->rest.n >= 12) {
		memcpy(w->r->src_mac, p + 6, 6);
		w->r->present |= FLOW_BIT(src_mac);
	}
	return drop(&w->rest, 14) && walk_type(w, be16(p + 12));
}

/* Linux "cooked" captures: where the type is, and where the payload. */
static bool walk_cooked(struct walk *w, size_t type_at, size_t header)
{
	const uint8_t *p = w->rest.p;

	return drop(&w->rest, header) && walk_type(w, be16(p + type_at));
}

/* BSD loopback: four octets of address family in the capturing host's order. */
static bool walk_null(struct walk *w)
{
	return drop(&w->rest, 4) && walk_ip(w);
}

static bool walk(struct walk *w, enum frame_start start)
{
	switch (start) {
	case FRAME_ETHERNET:
		return walk_ethernet(w);
	case FRAME_IPV4:
		return walk_ipv4(w);
	case FRAME_IPV6:
		return walk_ipv6(w);
	case FRAME_IP:
		return walk_ip(w);
	case FRAME_PPP:
		return walk_ppp(w);
	case FRAME_MPLS:
		return walk_mpls(w);
	case FRAME_LINUX_SLL:
		return walk_cooked(w, 14, 16);
	case FRAME_LINUX_SLL2:
		return walk_cooked(w, 0, 20);
	case FRAME_NULL:
		return walk_null(w);
	}
	return false;
}

bool frame_parse(struct flow_record *r, struct bytes frame, enum frame_start start,
	uint32_t *ip_len)
{
	struct walk w = { .r = r, .rest = frame };
	bool found = walk(&w, start);

	if (ip_len)
		*ip_len = w.ip_len;
	return found;
}

/* ---- tunnels -------------------------------------------------------------- */

/* RFC 2784, 2890: flags, type, then what the flags announce.  Version 1 is PPTP's. */
static bool enter_gre(struct walk *w, enum frame_start *start)
{
	static const struct { uint16_t type; uint8_t start; } inside[] = {
		{ TYPE_IPV4, FRAME_IPV4 }, { TYPE_IPV6, FRAME_IPV6 }, { TYPE_MPLS, FRAME_MPLS },
		{ 0x6558 /* transparent Ethernet bridging */, FRAME_ETHERNET },
	};
	const uint8_t *p = w->rest.p;
	size_t size = 4;

	if (w->rest.n < 4 || p[1] & 7)
		return false;
	for (unsigned flag = 0x80; flag >= 0x10; flag >>= 1)	/* checksum, -, key, sequence */
		size += p[0] & flag & 0xb0 ? 4 : 0;
	if (!drop(&w->rest, size))
		return false;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if (inside[i].type == be16(p + 2)) {
			*start = (enum frame_start)inside[i].start;
			return true;
		}
	return false;
}

/* 3GPP TS 29.281: version 1, a G-PDU; with any of E, S, PN four octets more and extensions. */
static bool enter_gtp(struct walk *w)
{
	const uint8_t *p = w->rest.p;
	uint8_t next;

	if (w->rest.n < 8 || (p[0] & 0xf0) != 0x30 || p[1] != 255)
		return false;
	drop(&w->rest, 8);
	if (!(p[0] & 7))
		return true;
	if (w->rest.n < 4)
		return false;
	next = p[0] & 4 ? w->rest.p[3] : 0;
	drop(&w->rest, 4);
	while (next) {
		size_t size = w->rest.n ? w->rest.p[0] * 4u : 0;

		if (size == 0 || w->rest.n < size)
			return false;
		next = w->rest.p[size - 1];
		drop(&w->rest, size);
	}
	return true;
}

/* What a UDP port announces: VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U. */
static bool enter_udp(struct walk *w, uint16_t port, enum frame_start *start)
{
	const uint8_t *p;

	if (!drop(&w->rest, 8))
		return false;
	p = w->rest.p;
	*start = FRAME_ETHERNET;
	switch (port) {
	case PORT_VXLAN:
		return w->rest.n >= 8 && p[0] & 8 && drop(&w->rest, 8);
	case 6081:
		return w->rest.n >= 8 && p[0] >> 6 == 0 && be16(p + 2) == 0x6558 &&
			drop(&w->rest, 8 + (p[0] & 63) * 4u);
	case 2152:
		*start = FRAME_IP;
		return enter_gtp(w);
	}
	return false;
}

/* From the transport header of the packet that `w` has walked to what begins inside it. */
static bool enter(struct walk *w, enum frame_start *start)
{
	if (w->headless || !flow_has(w->r, FLOW_proto))
		return false;
	switch (w->r->proto) {
	case IP_IPIP:
		*start = FRAME_IPV4;
		return true;
	case IP_IPV6:
		*start = FRAME_IPV6;
		return true;
	case IP_GRE:
		return enter_gre(w, start);
	case IP_UDP:
		return flow_has(w->r, FLOW_dst_port) && enter_udp(w, w->r->dst_port, start);
	}
	return false;
}

/* The members that an IP packet tells of itself. */
#define INSIDE(X) X(src) X(dst) X(src_port) X(dst_port) X(proto) X(tos) X(tcp_flags) X(flow_label)

static void put_inside(struct flow_record *r, const struct flow_record *in)
{
#define X(member) \
	r->member = in->member; \
	r->present = (r->present & ~FLOW_BIT(member)) | (in->present & FLOW_BIT(member));
	INSIDE(X)
#undef X
}

bool frame_tunnel(struct flow_record *r, struct bytes frame, enum frame_start start, unsigned depth)
{
	struct flow_record in = flow_record_empty, inmost = flow_record_empty;
	struct walk w = { .r = &in, .rest = frame };
	bool found = false;

	for (bool ok = walk(&w, start); ok && depth && enter(&w, &start); depth--) {
		in = flow_record_empty;
		w = (struct walk){ .r = &in, .rest = w.rest };
		ok = walk(&w, start) && flow_has(&in, FLOW_src) && flow_has(&in, FLOW_dst);
		if (ok)
			inmost = in;
		found = found || ok;
	}
	if (found)
		put_inside(r, &inmost);
	return found;
}

void frame_inside(struct frame_inside *in, struct bytes frame, enum frame_start start)
{
	struct flow_record out = flow_record_empty;
	struct walk w = { .r = &out, .rest = frame };

	*in = (struct frame_inside){ .r = flow_record_empty };
	if (!walk(&w, start) || !enter(&w, &start))
		return;
	/* The VNI stands in the eight octets that enter_udp() has stepped over. */
	if (out.proto == IP_UDP && out.dst_port == PORT_VXLAN) {
		in->vni = be32(w.rest.p - 4) >> 8;
		in->has_vni = true;
	}
	w = (struct walk){ .r = &in->r, .rest = w.rest };
	in->found = walk(&w, start) && flow_has(&in->r, FLOW_src) && flow_has(&in->r, FLOW_dst);
}

bool frame_udp(struct flow_record *r, struct bytes frame, enum frame_start start,
	struct bytes *payload)
{
	struct walk w = { .r = r, .rest = frame };
	size_t len;

	*r = flow_record_empty;
	if (!walk(&w, start) || r->proto != IP_UDP || w.fragment || w.rest.n < 8)
		return false;
	len = be16(w.rest.p + 4);
	if (len < 8 || len > w.rest.n)
		return false;
	*payload = (struct bytes){ w.rest.p + 8, len - 8 };
	return true;
}

/* ---- writing -------------------------------------------------------------- */

uint64_t checksum_add(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += be16(p);
	return n ? sum + (unsigned)p[0] * 256 : sum;
}

uint16_t checksum_end(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t transport_size(uint8_t proto)
{
	switch (proto) {
	case IP_TCP:
		return 20;
	case IP_SCTP:
		return 12;
	case IP_UDP:
	case IP_UDPLITE:
	case IP_ICMP:
	case IP_ICMPV6:
		return 8;
	}
	return 0;
}

/*
 * `pseudo` is the sum of the pseudo-header; `len` octets go over the wire, zeros behind
 * the header.
 */
static void put_transport(uint8_t *p, const struct flow_record *r, uint32_t len, uint64_t pseudo)
{
	size_t size = transport_size(r->proto), at = 0;

	memset(p, 0, size);
	switch (r->proto) {
	case IP_TCP:
		p[12] = 5 << 4;
		p[13] = r->tcp_flags;
		at = 16;
		break;
	case IP_UDP:
		patch16(p + 4, len);
		at = 6;
		break;
	case IP_UDPLITE:
		patch16(p + 4, 8);	/* RFC 3828: the checksum covers the header */
		at = 6;
		break;
	case IP_ICMP:
	case IP_ICMPV6:
		patch16(p, r->dst_port);
		at = 2;
		break;
	}
	if (r->proto != IP_ICMP && r->proto != IP_ICMPV6 && size) {
		patch16(p, r->src_port);
		patch16(p + 2, r->dst_port);
	}
	if (at) {
		const uint64_t start = r->proto == IP_ICMP ? 0 : pseudo;
		const uint16_t sum = checksum_end(checksum_add(start, p, size));

		patch16(p + at, sum ? sum : 0xffff);	/* in UDP 0 means "none" */
	}
}

static void put_ipv4(uint8_t *p, const struct flow_record *r, uint32_t len)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = r->tos;
	patch16(p + 2, len);
	p[6] = 0x40;	/* do not fragment */
	p[8] = 64;
	p[9] = r->proto;
	memcpy(p + 12, r->src.b + 12, 4);
	memcpy(p + 16, r->dst.b + 12, 4);
	patch16(p + 10, checksum_end(checksum_add(0, p, 20)));
}

static void put_ipv6(uint8_t *p, const struct flow_record *r, uint32_t len)
{
	patch32(p, UINT32_C(6) << 28 | (uint32_t)r->tos << 20 | (r->flow_label & 0xfffff));
	patch16(p + 4, len - 40);
	p[6] = r->proto;
	p[7] = 64;
	memcpy(p + 8, r->src.b, 16);
	memcpy(p + 24, r->dst.b, 16);
}

static uint8_t *put_ethernet(uint8_t *p, const struct flow_record *r, uint16_t type)
{
	static const uint8_t from[6] = { 2, 0, 0, 0, 0, 1 }, to[6] = { 2, 0, 0, 0, 0, 2 };

	memcpy(p, flow_has(r, FLOW_dst_mac) ? r->dst_mac : to, 6);
	memcpy(p + 6, flow_has(r, FLOW_src_mac) ? r->src_mac : from, 6);
	p += 12;
	if (flow_has(r, FLOW_vlan)) {
		patch16(p, TYPE_VLAN);
		patch16(p + 2, (r->cos & 7u) << 13 | (r->vlan & 0xfffu));
		p += 4;
	}
	patch16(p, type);
	return p + 2;
}

void frame_put(struct cursor *c, const struct flow_record *r, uint32_t frame_len)
{
	const bool v4 = addr_is4(&r->src) && addr_is4(&r->dst);
	const uint32_t link = flow_has(r, FLOW_vlan) ? 18 : 14;
	const uint32_t network = v4 ? 20 : 40;
	const uint32_t transport = (uint32_t)transport_size(r->proto);
	const uint32_t most = v4 ? 65535 : 65535 + 40;
	uint32_t len = frame_len > link ? frame_len - link : 0;
	uint8_t *p = cursor_take(c, link + network + transport);
	uint64_t pseudo;

	if (!p)
		return;
	if (len < network + transport)
		len = network + transport;
	if (len > most)
		len = most;
	p = put_ethernet(p, r, v4 ? TYPE_IPV4 : TYPE_IPV6);
	if (v4)
		put_ipv4(p, r, len);
	else
		put_ipv6(p, r, len);
	/* RFC 9293 3.1, RFC 8200 8.1: addresses, length, protocol; in any order, being a sum. */
	pseudo = checksum_add((uint64_t)r->proto + (len - network), p + (v4 ? 12 : 8), v4 ? 8 : 32);
	put_transport(p + network, r, len - network, pseudo);
}
