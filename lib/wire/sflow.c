/*
 * sflow.c - XDR on UDP: everything is four-octet words, and in v5 everything
 * variable says its length first.
 *
 * Reading goes through struct xdr, a reader with a sticky error like the
 * cursor of the encoders: words after the end are 0 and `cut` stays set, so a
 * record is read in a straight line and judged once.  In v5 each sample and
 * each record is a reader of its own, bounded by its length, and the outer one
 * steps by that length whatever was understood of the inside.  v2 and v4 have
 * no lengths: one reader goes through all, and the first thing that is not
 * understood ends the datagram.
 */
#include "frame.h"
#include "sflow.h"

enum { ADDR_UNKNOWN, ADDR_IPV4, ADDR_IPV6 };
enum { SAMPLE_FLOW = 1, SAMPLE_COUNTERS, SAMPLE_FLOW_EXPANDED, SAMPLE_COUNTERS_EXPANDED };
enum { IF_INDEX };	/* the one interface format that names an interface */
enum { IF_INTERNAL = 0x3fffffff, OLD_INDEX_MAX = 0x7fffffff, COUNTERS_GENERIC = 88 };
enum { HEADER_MAX = 128, FCS = 4 };
enum { COUNTERS_EVERY_S = 20 };	/* v2, v4: the interval that a counter sample tells */
enum { COMPACT_MAX = 0xffffff };	/* sFlow v5: indexes from 2^24 on want the expanded form */

struct xdr {
	struct bytes rest;
	bool cut;
};

/*
 * What the records of one flow sample tell.  They come in any order and
 * several of them describe the same packet, so they are gathered here and
 * applied in one order: sampled Ethernet, raw header, sampled IP, routing.
 * Of two records of a kind the first stands: one packet has one header.
 */
struct gathered {
	struct flow_record *r;
	unsigned tunnels;
	struct frame_inside *inside;
	struct bytes header;
	uint32_t protocol, frame_len;	/* of the raw header record */
	const uint8_t *mac, *ip;	/* sampled Ethernet (24 octets), sampled IP (32 or 56) */
	uint8_t ip_version;		/* of the latter */
	bool has_header, ip_octets;
	uint32_t in_vlan, in_priority, out_vlan;
};

enum { VLAN_UNKNOWN = UINT32_MAX };

#define SET(r, member, value) ((r)->present |= FLOW_BIT(member), (r)->member = (value))

/* ---- reading -------------------------------------------------------------- */

static inline const uint8_t *take(struct xdr *x, size_t n)
{
	const uint8_t *p = x->rest.p;

	if (n > x->rest.n) {
		x->rest.n = 0;
		x->cut = true;
		return NULL;
	}
	x->rest.p += n;
	x->rest.n -= n;
	return p;
}

static inline uint32_t word(struct xdr *x)
{
	const uint8_t *p = take(x, 4);

	return p ? be32(p) : 0;
}

/* What is there of `n` octets; the reader is cut when that is less. */
static struct bytes part(struct xdr *x, size_t n)
{
	struct bytes b = { x->rest.p, n < x->rest.n ? n : x->rest.n };

	take(x, n);
	return b;
}

static const uint8_t *words(struct xdr *x, uint32_t n)
{
	return take(x, n > x->rest.n / 4 ? x->rest.n + 1 : (size_t)n * 4);
}

/* opaque<> and string<>: padded to four octets; some agents leave out the padding at the end. */
static struct bytes opaque(struct xdr *x)
{
	uint32_t n = word(x);
	struct bytes b = part(x, n);
	size_t pad = -n & 3;

	take(x, pad < x->rest.n ? pad : x->rest.n);
	return b;
}

/* False when it holds no address, because it is of type unknown or cut. */
static bool address(struct xdr *x, struct addr *a)
{
	const uint8_t *p;

	*a = addr_zero4;
	switch (word(x)) {
	case ADDR_IPV4:
		p = take(x, 4);
		if (p)
			*a = addr_from4(p);
		return p;
	case ADDR_IPV6:
		p = take(x, 16);
		if (p)
			*a = addr_from16(p);
		return p;
	case ADDR_UNKNOWN:
		return false;
	}
	x->cut = true;		/* of unknown size: nothing behind it can be found */
	x->rest.n = 0;
	return false;
}

enum wire_err sflow_parse(struct sflow_msg *m, struct bytes dgram)
{
	struct xdr x = { dgram, false };

	*m = (struct sflow_msg){ .version = word(&x) };
	if (x.cut)
		return WIRE_SHORT;
	if (m->version != 2 && m->version != 4 && m->version != 5)
		return WIRE_VERSION;
	if (x.rest.n >= 4 && be32(x.rest.p) > ADDR_IPV6)
		return WIRE_VERSION;	/* an agent of no family: this is no sFlow */
	address(&x, &m->agent);
	if (m->version == 5)
		m->sub_agent = word(&x);
	m->sequence = word(&x);
	m->uptime_ms = word(&x);
	m->nsamples = word(&x);
	m->samples = x.rest;
	return x.cut ? WIRE_SHORT : WIRE_OK;
}

void sflow_first(struct sflow_iter *it, const struct sflow_msg *m)
{
	*it = (struct sflow_iter){ .rest = m->samples, .version = m->version, .left = m->nsamples };
}

/* ---- flow records --------------------------------------------------------- */

typedef void record_fn(struct gathered *g, struct xdr *x, uint32_t version);

static void read_header(struct gathered *g, struct xdr *x, uint32_t version)
{
	uint32_t protocol = word(x), frame_len = word(x);
	struct bytes header;

	if (version == 5)
		word(x);	/* octets stripped from the end; frame_len has them */
	if (x->cut)
		return;
	header = opaque(x);
	if (g->has_header)
		return;
	g->has_header = true;
	g->protocol = protocol;
	g->frame_len = frame_len;
	g->header = header;
}

static void read_mac(struct gathered *g, struct xdr *x, uint32_t version)
{
	const uint8_t *p = take(x, 24);

	(void)version;
	if (!g->mac)
		g->mac = p;
}

static void read_ip(struct gathered *g, struct xdr *x, size_t size, uint8_t ip_version)
{
	const uint8_t *p = take(x, size);

	if (g->ip)
		return;
	g->ip = p;
	g->ip_version = ip_version;
}

static void read_ipv4(struct gathered *g, struct xdr *x, uint32_t version)
{
	(void)version;
	read_ip(g, x, 32, 4);
}

static void read_ipv6(struct gathered *g, struct xdr *x, uint32_t version)
{
	(void)version;
	read_ip(g, x, 56, 6);
}

static void read_switch(struct gathered *g, struct xdr *x, uint32_t version)
{
	const uint8_t *p = take(x, 16);

	(void)version;
	if (!p)
		return;
	g->in_vlan = be32(p);
	g->in_priority = be32(p + 4);
	g->out_vlan = be32(p + 8);
}

static void read_router(struct gathered *g, struct xdr *x, uint32_t version)
{
	struct addr hop;
	bool known = address(x, &hop);
	const uint8_t *p = take(x, 8);

	(void)version;
	if (known)
		SET(g->r, next_hop, hop);
	if (!p)
		return;
	SET(g->r, src_mask, p[3]);
	SET(g->r, dst_mask, p[7]);
}

struct path {
	bool any;
	uint32_t first, last;
};

/* The AS numbers of one path segment. */
static void read_segment(struct xdr *x, struct path *path)
{
	uint32_t n = word(x);
	const uint8_t *p = words(x, n);

	if (!p || !n)
		return;
	if (!path->any)
		path->first = be32(p);
	path->last = be32(p + (size_t)(n - 1) * 4);
	path->any = true;
}

/* v2 has a flat list of AS numbers, v4 segments of them, v5 a next hop too. */
static void read_gateway(struct gathered *g, struct xdr *x, uint32_t version)
{
	struct addr hop;
	bool known = version == 5 && address(x, &hop);
	const uint8_t *p = take(x, 12);		/* the router's own AS, the source's, its peer's */
	struct path path = { .any = false };

	if (known)
		SET(g->r, bgp_next_hop, hop);
	if (p) {
		SET(g->r, src_as, be32(p + 4));
		SET(g->r, peer_src_as, be32(p + 8));
	}
	if (version == 2) {
		read_segment(x, &path);
	} else {
		for (uint32_t n = word(x); n && !x->cut; n--) {
			word(x);		/* set or sequence */
			read_segment(x, &path);
		}
		words(x, word(x));		/* communities */
		word(x);			/* local preference */
	}
	if (path.any) {
		SET(g->r, peer_dst_as, path.first);
		SET(g->r, dst_as, path.last);
	}
}

static void read_user(struct gathered *g, struct xdr *x, uint32_t version)
{
	(void)g, (void)version;
	opaque(x);
	opaque(x);
}

static void read_url(struct gathered *g, struct xdr *x, uint32_t version)
{
	(void)g, (void)version;
	word(x);
	opaque(x);
}

static const struct record_row {
	uint32_t tag;
	record_fn *read;
	uint8_t least;	/* octets that the smallest record of the kind takes (v5) */
} v5_records[] = {	/* enterprise 0; all others have a length to step over */
	{ 1, read_header, 16 }, { 2, read_mac, 24 }, { 3, read_ipv4, 32 }, { 4, read_ipv6, 56 },
	{ 1001, read_switch, 16 }, { 1002, read_router, 12 }, { 1003, read_gateway, 28 },
}, packet_data[] = {	/* v2, v4 */
	{ 1, read_header, 0 }, { 2, read_ipv4, 0 }, { 3, read_ipv6, 0 },
}, extensions[] = {	/* v2, v4 */
	{ 1, read_switch, 0 }, { 2, read_router, 0 }, { 3, read_gateway, 0 }, { 4, read_user, 0 },
	{ 5, read_url, 0 },
};

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))

static const struct record_row *find_record(const struct record_row *rows, size_t n, uint32_t tag)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].tag == tag)
			return &rows[i];
	return NULL;
}

/* ---- what was gathered becomes a record ----------------------------------- */

/* header_protocol; of what is not here no IP header would be found. */
static bool header_start(uint32_t protocol, enum frame_start *start)
{
	static const struct { uint8_t protocol, start; } rows[] = {
		{ 1, FRAME_ETHERNET }, { 7, FRAME_PPP }, { 11, FRAME_IPV4 }, { 12, FRAME_IPV6 },
		{ 13, FRAME_MPLS }, { 14, FRAME_PPP /* POS, RFC 2615 */ },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		if (rows[i].protocol == protocol) {
			*start = (enum frame_start)rows[i].start;
			return true;
		}
	return false;
}

static void apply_mac(struct flow_record *r, const uint8_t *p)
{
	SET(r, octets, be32(p));
	memcpy(r->src_mac, p + 4, 6);	/* six octets in eight */
	memcpy(r->dst_mac, p + 12, 6);
	r->present |= FLOW_BIT(src_mac) | FLOW_BIT(dst_mac);
	SET(r, ethertype, be16(p + 22));
}

static void apply_ip(struct flow_record *r, const uint8_t *p, uint8_t ip_version)
{
	const size_t size = ip_version == 4 ? 4 : 16;

	SET(r, octets, be32(p));
	SET(r, proto, p[7]);
	SET(r, src, ip_version == 4 ? addr_from4(p + 8) : addr_from16(p + 8));
	SET(r, dst, ip_version == 4 ? addr_from4(p + 12) : addr_from16(p + 24));
	p += 8 + 2 * size;
	SET(r, src_port, be16(p + 2));
	SET(r, dst_port, be16(p + 6));
	SET(r, tcp_flags, p[11]);
	SET(r, tos, p[15]);
}

/*
 * The switch knows the VLAN of an untagged port, the header that of a trunk.
 * 0 is "untagged" and all ones "unknown": neither takes a tag's place.
 */
static void apply_switch(struct flow_record *r, const struct gathered *g)
{
	const bool tagged = flow_has(r, FLOW_vlan);

	if (g->in_vlan <= 4095 && (g->in_vlan || !tagged)) {
		SET(r, vlan, (uint16_t)g->in_vlan);
		if (g->in_priority <= 7)
			SET(r, cos, (uint8_t)g->in_priority);
	}
	if (g->out_vlan <= 4095)
		SET(r, out_vlan, (uint16_t)g->out_vlan);
}

static void apply(const struct gathered *g)
{
	struct flow_record *r = g->r;
	enum frame_start start;
	uint32_t ip_len = 0;

	if (g->mac)
		apply_mac(r, g->mac);
	if (g->has_header) {
		SET(r, octets, g->frame_len);
		/* An IP length of 0 is that of a frame the host's card will cut: none. */
		if (header_start(g->protocol, &start) &&
			frame_parse(r, g->header, start, &ip_len) && g->ip_octets && ip_len)
			r->octets = ip_len;
	}
	if (g->ip)
		apply_ip(r, g->ip, g->ip_version);
	if (g->inside && g->has_header && header_start(g->protocol, &start))
		frame_inside(g->inside, g->header, start);
	if (g->tunnels && g->has_header && header_start(g->protocol, &start))
		frame_tunnel(r, g->header, start, g->tunnels);
	apply_switch(r, g);
}

/* ---- samples -------------------------------------------------------------- */

/*
 * v5 has two words, or two bits of one; RFC 3176 (v2, v4) has the top bit for "sent to
 * several", and no number of its own for the device itself.  False: no ifIndex.
 */
static bool read_interface(struct xdr *x, uint32_t *index, uint32_t version, bool expanded)
{
	uint32_t v = word(x), format;

	if (version != 5) {
		*index = v & OLD_INDEX_MAX;
		return v == *index;
	}
	format = expanded ? v : v >> 30;
	*index = expanded ? word(x) : v & 0x3fffffff;
	return format == IF_INDEX && *index != IF_INTERNAL;
}

/*
 * The words that all flow samples begin with; `r` is then ready for what the
 * records tell.  Returns the word behind them: v5 the number of records, v2
 * and v4 the tag of the packet data.
 */
static uint32_t read_flow(struct xdr *x, struct sflow_sample *s, struct flow_record *r,
	uint32_t version, bool expanded)
{
	uint32_t index;

	s->rate = word(x);
	s->pool = word(x);
	s->drops = word(x);
	*r = flow_record_empty;
	SET(r, packets, 1);
	if (read_interface(x, &index, version, expanded))
		SET(r, in_if, index);
	if (read_interface(x, &index, version, expanded))
		SET(r, out_if, index);
	if (s->rate) {
		SET(r, sampling_num, s->rate);
		SET(r, sampling_den, 1);
	}
	return word(x);
}

static void read_source(struct xdr *x, struct sflow_sample *s, bool expanded)
{
	uint32_t v;

	s->sequence = word(x);
	v = word(x);
	s->source_type = expanded ? v : v >> 24;
	s->source_index = expanded ? word(x) : v & 0xffffff;
}

static struct gathered gather(const struct sflow_iter *it, struct flow_record *r)
{
	return (struct gathered){ .r = r, .tunnels = it->tunnels, .inside = it->inside,
		.ip_octets = it->ip_octets,
		.in_vlan = VLAN_UNKNOWN, .in_priority = VLAN_UNKNOWN,
		.out_vlan = VLAN_UNKNOWN };
}

/*
 * The `n` records of a v5 flow sample; false when one of them was cut, or has
 * a length that cannot hold it.  Such a length is the lie, and not the record:
 * to step by it would read the next tag out of the middle of this one.
 */
static bool read_records(
	const struct sflow_iter *it, struct xdr *x, uint32_t n, struct flow_record *r)
{
	struct gathered g = gather(it, r);
	bool whole = true;

	for (; n && !x->cut; n--) {
		uint32_t tag = word(x), len = word(x);
		const struct record_row *row = find_record(v5_records, ROWS(v5_records), tag);
		bool lie = row && len < row->least;
		struct xdr body = { part(x, lie ? row->least : len), false };

		if (row && !(lie && x->cut))
			row->read(&g, &body, 5);
		whole = whole && !lie && !body.cut;
	}
	apply(&g);
	return whole && !x->cut;
}

/* One that was cut before it said how many octets there were is lost, not a packet of none. */
static bool is_deliverable(
	const struct sflow_sample *s, const struct flow_record *r, bool whole)
{
	return s->counters || whole || flow_has(r, FLOW_octets);
}

/* A sample of v5.  False when there is none to deliver: it->err or a counter says why. */
static bool next_v5(struct sflow_iter *it, struct sflow_sample *s, struct flow_record *r)
{
	struct xdr x = { it->rest, false }, body;
	uint32_t type = word(&x), len = word(&x), nrecords = 0;
	bool expanded, header, whole = true;

	body = (struct xdr){ part(&x, len), false };
	it->rest = x.rest;
	if (x.cut)
		it->err = WIRE_SAMPLE_CUT;	/* the datagram ends in this one: the last */
	if (type < SAMPLE_FLOW || type > SAMPLE_COUNTERS_EXPANDED) {
		it->skipped += !x.cut;
		return false;
	}
	expanded = type == SAMPLE_FLOW_EXPANDED || type == SAMPLE_COUNTERS_EXPANDED;
	*s = (struct sflow_sample){
		.counters = type == SAMPLE_COUNTERS || type == SAMPLE_COUNTERS_EXPANDED };
	s->format = s->counters ? 0 : (uint16_t)type;
	read_source(&body, s, expanded);
	if (!s->counters)
		nrecords = read_flow(&body, s, r, 5, expanded);
	header = !body.cut;
	if (header && !s->counters)
		whole = read_records(it, &body, nrecords, r);
	if (!x.cut)
		it->cut += !header || !whole;
	return header && is_deliverable(s, r, whole);
}

/*
 * What a v2 or v4 counter sample carries behind its header, by its counters
 * tag (RFC 3176 5): generic, Ethernet, token ring, FDDI, 100VG, WAN, VLAN.
 */
static bool skip_counters(struct xdr *x)
{
	static const uint8_t size[] = { 0, COUNTERS_GENERIC, COUNTERS_GENERIC + 52,
		COUNTERS_GENERIC + 72, COUNTERS_GENERIC, COUNTERS_GENERIC + 80,
		COUNTERS_GENERIC, 28 };
	uint32_t tag;

	word(x);	/* counter sampling interval */
	tag = word(x);
	if (!tag || tag >= sizeof(size))
		return false;
	take(x, size[tag]);
	return true;
}

/* Packet data and extensions; false when one is unknown, so that nothing behind it can be found. */
static bool read_old_records(
	const struct sflow_iter *it, struct xdr *x, uint32_t tag, struct flow_record *r)
{
	const uint32_t version = it->version;
	struct gathered g = gather(it, r);
	const struct record_row *row = find_record(packet_data, ROWS(packet_data), tag);

	if (row) {
		row->read(&g, x, version);
		for (uint32_t n = word(x); row && n && !x->cut; n--) {
			row = find_record(extensions, ROWS(extensions), word(x));
			if (row)
				row->read(&g, x, version);
		}
	}
	apply(&g);
	return row;
}

/* A sample of v2 or v4.  False when there is none to deliver; it->err says why. */
static bool next_old(struct sflow_iter *it, struct sflow_sample *s, struct flow_record *r)
{
	struct xdr x = { it->rest, false };
	uint32_t type = word(&x), tag = 0;
	bool header = false, known = type == SAMPLE_FLOW || type == SAMPLE_COUNTERS;

	if (known) {
		*s = (struct sflow_sample){ .counters = type == SAMPLE_COUNTERS };
		read_source(&x, s, false);
		if (!s->counters)
			tag = read_flow(&x, s, r, it->version, false);
		header = !x.cut;
		if (header)
			known = s->counters ? skip_counters(&x) :
				read_old_records(it, &x, tag, r);
	}
	it->rest = x.rest;
	if (x.cut)
		it->err = WIRE_SAMPLE_CUT;
	else if (!known)
		it->err = WIRE_SAMPLE_UNKNOWN;
	return header && is_deliverable(s, r, !x.cut);
}

bool sflow_next(struct sflow_iter *it, struct sflow_sample *s, struct flow_record *rec)
{
	while (it->left && it->err == WIRE_OK) {
		it->left--;
		if (it->version == 5 ? next_v5(it, s, rec) : next_old(it, s, rec))
			return true;
	}
	if (it->err == WIRE_OK && it->rest.n)
		it->err = WIRE_TRAILING;
	return false;
}

/* ---- writing -------------------------------------------------------------- */

static void put_words(struct cursor *c, const uint32_t *word, size_t n)
{
	uint8_t *p = cursor_take(c, n * 4);

	for (size_t i = 0; p && i < n; i++)
		patch32(p + 4 * i, word[i]);
}

#define PUT(c, ...) put_words(c, (const uint32_t[]){ __VA_ARGS__ }, \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void put_address(struct cursor *c, const struct addr *a)
{
	const bool v4 = addr_is4(a);

	put32(c, v4 ? ADDR_IPV4 : ADDR_IPV6);
	put_bytes(c, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
}

/* Tag and a length to be known later; close with end(). */
static uint8_t *begin(struct cursor *c, uint32_t tag)
{
	uint8_t *p = c->at;

	PUT(c, tag, 0);
	return p;
}

static void end(struct cursor *c, uint8_t *p)
{
	if (!c->full)
		patch32(p + 4, (size_t)(c->at - p) - 8);
}

void sflow_put_header(struct cursor *c, const struct sflow_msg *m)
{
	put32(c, m->version);
	put_address(c, &m->agent);
	if (m->version == 5)
		put32(c, m->sub_agent);
	PUT(c, m->sequence, m->uptime_ms, m->nsamples);
}

/*
 * The agent samples up to 128 octets of the frame, headers and then zeros, and
 * counts the FCS that it stripped.  Headers are whole in any case, so that a
 * record of fewer octets than they take keeps its addresses.
 */
static void put_header(struct cursor *c, uint32_t version, const struct flow_record *r)
{
	uint32_t octets = r->octets < UINT32_MAX ? (uint32_t)r->octets : UINT32_MAX;
	uint32_t frame = octets > FCS ? octets - FCS : 0;
	size_t most = frame < HEADER_MAX ? frame : HEADER_MAX, n;
	uint8_t *data;

	PUT(c, 1 /* Ethernet */, octets);
	if (version == 5)
		put32(c, FCS);
	put32(c, 0);	/* length of what follows, soon to be known */
	data = c->at;
	frame_put(c, r, frame);
	n = (size_t)(c->at - data);
	if (n < most) {
		put_zeros(c, most - n);
		n = most;
	}
	put_zeros(c, -n & 3);
	if (!c->full)
		patch32(data - 4, n);
}

static void put_switch(struct cursor *c, uint32_t version, const struct flow_record *r)
{
	(void)version;
	PUT(c, flow_has(r, FLOW_vlan) ? r->vlan : VLAN_UNKNOWN,
	    flow_has(r, FLOW_cos) ? r->cos : VLAN_UNKNOWN, r->out_vlan, 0);
}

static void put_router(struct cursor *c, uint32_t version, const struct flow_record *r)
{
	(void)version;
	/* 0.0.0.0 when there is none: sfacctd drops samples whose address is of type unknown. */
	put_address(c, &r->next_hop);
	PUT(c, r->src_mask, r->dst_mask);
}

/* The router's own AS is no member of a flow, nor are communities and local preference. */
static void put_gateway(struct cursor *c, uint32_t version, const struct flow_record *r)
{
	const bool peer = flow_has(r, FLOW_peer_dst_as);
	const bool dst = flow_has(r, FLOW_dst_as) && !(peer && r->peer_dst_as == r->dst_as);
	const uint32_t path = (uint32_t)peer + dst;

	if (version == 5)
		put_address(c, &r->bgp_next_hop);
	PUT(c, 0, r->src_as, r->peer_src_as);
	if (version != 2)
		put32(c, path > 0);	/* segments of the path; v2 has a bare list */
	if (version != 2 && path)
		put32(c, 2 /* sequence */);
	if (version == 2 || path)
		put32(c, path);
	if (peer)
		put32(c, r->peer_dst_as);
	if (dst)
		put32(c, r->dst_as);
	if (version != 2)
		PUT(c, 0, 0);
}

#define ROUTER (FLOW_BIT(next_hop) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask))
#define PATH (FLOW_BIT(src_as) | FLOW_BIT(dst_as) | FLOW_BIT(peer_src_as) | \
	FLOW_BIT(peer_dst_as))

/* What is put behind the raw header, and of which members; the BGP next hop is v5's alone. */
static const struct put_row {
	uint16_t tag, old_tag;
	void (*put)(struct cursor *c, uint32_t version, const struct flow_record *r);
	uint64_t any, any_old;	/* members of which one is enough */
} put_rows[] = {
	{ 1001, 1, put_switch, FLOW_BIT(out_vlan), FLOW_BIT(out_vlan) },
	{ 1002, 2, put_router, ROUTER, ROUTER },
	{ 1003, 3, put_gateway, PATH | FLOW_BIT(bgp_next_hop), PATH },
};

static uint32_t count_rows(uint32_t version, const struct flow_record *r)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ROWS(put_rows); i++)
		n += (r->present & (version == 5 ? put_rows[i].any : put_rows[i].any_old)) != 0;
	return n;
}

static uint32_t compact_source(const struct sflow_sample *s)
{
	return s->source_type << 24 | (s->source_index & COMPACT_MAX);
}

/* v2 and v4: no lengths, the packet's header first and what extends it behind. */
static void put_old_sample(struct cursor *c, uint32_t version, const struct sflow_sample *s,
	const struct flow_record *r)
{
	PUT(c, SAMPLE_FLOW, s->sequence, compact_source(s), s->rate, s->pool, s->drops,
	    r->in_if & OLD_INDEX_MAX, r->out_if & OLD_INDEX_MAX, 1 /* a header */);
	put_header(c, version, r);
	put32(c, count_rows(version, r));
	for (size_t i = 0; i < ROWS(put_rows); i++)
		if (r->present & put_rows[i].any_old) {
			put32(c, put_rows[i].old_tag);
			put_rows[i].put(c, version, r);
		}
}

static void put_v5_sample(struct cursor *c, const struct sflow_sample *s,
	const struct flow_record *r)
{
	const bool expanded = s->source_index > COMPACT_MAX || r->in_if > COMPACT_MAX ||
		r->out_if > COMPACT_MAX;
	const uint32_t records = 1 + count_rows(5, r);
	uint8_t *sample = begin(c, expanded ? SAMPLE_FLOW_EXPANDED : SAMPLE_FLOW), *record;

	if (expanded)
		PUT(c, s->sequence, s->source_type, s->source_index, s->rate, s->pool, s->drops,
		    IF_INDEX, r->in_if, IF_INDEX, r->out_if, records);
	else
		PUT(c, s->sequence, compact_source(s), s->rate, s->pool, s->drops, r->in_if,
		    r->out_if, records);
	record = begin(c, 1);
	put_header(c, 5, r);
	end(c, record);
	for (size_t i = 0; i < ROWS(put_rows); i++)
		if (r->present & put_rows[i].any) {
			record = begin(c, put_rows[i].tag);
			put_rows[i].put(c, 5, r);
			end(c, record);
		}
	end(c, sample);
}

void sflow_put_sample(struct cursor *c, uint32_t version, const struct sflow_sample *s,
	const struct flow_record *r)
{
	if (version == 5)
		put_v5_sample(c, s, r);
	else
		put_old_sample(c, version, s, r);
}

/* Generic interface counters, but for their index and type zeros. */
static void put_generic(struct cursor *c, uint32_t if_index)
{
	PUT(c, if_index, 6 /* ifType: ethernetCsmacd */);
	put_zeros(c, COUNTERS_GENERIC - 8);
}

void sflow_put_counters(struct cursor *c, uint32_t version, const struct sflow_sample *s,
	uint32_t if_index)
{
	const bool expanded = s->source_index > COMPACT_MAX;
	uint8_t *sample, *record;

	if (version != 5) {
		PUT(c, SAMPLE_COUNTERS, s->sequence, compact_source(s), COUNTERS_EVERY_S,
		    1 /* generic */);
		put_generic(c, if_index);
		return;
	}
	sample = begin(c, expanded ? SAMPLE_COUNTERS_EXPANDED : SAMPLE_COUNTERS);
	if (expanded)
		PUT(c, s->sequence, s->source_type, s->source_index, 1);
	else
		PUT(c, s->sequence, compact_source(s), 1);
	record = begin(c, 1);
	put_generic(c, if_index);
	end(c, record);
	end(c, sample);
}
