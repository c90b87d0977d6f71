/*
 * witness_sflow.c - sFlow v5 (sflow.org, "sFlow Version 5") and v2, v4 (RFC
 * 3176): flow samples, read word by word.
 *
 * A sample is one packet, however many records tell about it.  Its octets are
 * the frame length of the raw header record, or the IP length where a sampled
 * IPv4 or IPv6 record is present.
 */
#include "pcapgen/witness_parts.h"

/* A reader of XDR words: past the end it gives zeros and remembers. */
struct xdr {
	const uint8_t *p;
	size_t n;
	bool cut;
};

static uint32_t word(struct xdr *x)
{
	uint32_t v;

	if (x->n < 4) {
		x->cut = true;
		x->n = 0;
		return 0;
	}
	v = be32(x->p);
	x->p += 4;
	x->n -= 4;
	return v;
}

/* `n` octets, padded to whole words. */
static struct bytes opaque(struct xdr *x, size_t n)
{
	struct bytes b = { x->p, n };
	size_t whole = (n + 3) & ~(size_t)3;

	if (n > x->n) {
		x->cut = true;
		b.n = x->n;
		whole = x->n;
	}
	if (whole > x->n)
		whole = x->n;
	x->p += whole;
	x->n -= whole;
	return b;
}

static struct addr address(struct xdr *x)
{
	uint32_t type = word(x);
	struct bytes b = opaque(x, type == 1 ? 4 : type == 2 ? 16 : 0);

	if (type == 1 && b.n == 4)
		return addr_from4(b.p);
	if (type == 2 && b.n == 16)
		return addr_from16(b.p);
	return addr_zero4;
}

/*
 * v5: bits 31-30 of the compact form tell the format, and only format 0 is an
 * ifIndex.  RFC 3176: bit 31 says "several", all others are an ifIndex.
 */
static uint32_t compact_if(uint32_t v, uint32_t version)
{
	if (version == 5)
		return v >> 30 || v == 0x3fffffff ? 0 : v;
	return v >> 31 ? 0 : v;
}

/* What the records of one sample have told so far. */
struct sample {
	struct flow_record f;
	uint64_t frame_length, ip_length, ethernet_length;
	bool raw, ip, ethernet;
};

static void raw_header(struct sample *s, uint32_t protocol, uint32_t length, struct bytes header)
{
	struct flow_record packet = flow_record_empty;

	s->raw = true;
	s->frame_length = length;
	if (protocol == 1)
		witness_packet_ethernet(&packet, header);
	else if (protocol == 11 || protocol == 12)
		witness_packet_ip(&packet, header);
	for (unsigned i = 0; i < FLOW_FIELDS; i++)
		if (flow_has(&packet, i) && !(s->ip && flow_has(&s->f, i))) {
			memcpy((uint8_t *)&s->f + flow_fields[i].offset,
			       (uint8_t *)&packet + flow_fields[i].offset, flow_fields[i].width);
			s->f.present |= UINT64_C(1) << i;
		}
}

/* Format 2: the agent read the Ethernet header itself; the header, where it is there, wins. */
static void sampled_ethernet(struct sample *s, struct xdr *x)
{
	uint64_t length = word(x);
	struct bytes src = opaque(x, 8), dst = opaque(x, 8);	/* six octets of each */
	uint32_t type = word(x);

	if (x->cut)
		return;
	s->ethernet = true;
	s->ethernet_length = length;
	if (s->raw)
		return;
	flow_set(&s->f, FLOW_ethertype, type & 0xffff);
	memcpy(s->f.src_mac, src.p, 6);
	memcpy(s->f.dst_mac, dst.p, 6);
	s->f.present |= FLOW_BIT(src_mac) | FLOW_BIT(dst_mac);
}

/* Formats 3 and 4: what the agent read itself; it wins over the raw header. */
static void sampled_ip(struct sample *s, struct xdr *x, bool v6)
{
	uint32_t length = word(x), proto = word(x);
	struct bytes src = opaque(x, v6 ? 16 : 4), dst = opaque(x, v6 ? 16 : 4);
	uint32_t sport = word(x), dport = word(x), flags = word(x), tos = word(x);

	if (x->cut)
		return;
	s->ip = true;
	s->ip_length = length;
	s->f.src = v6 ? addr_from16(src.p) : addr_from4(src.p);
	s->f.dst = v6 ? addr_from16(dst.p) : addr_from4(dst.p);
	s->f.present |= FLOW_BIT(src) | FLOW_BIT(dst);
	flow_set(&s->f, FLOW_proto, proto);
	flow_set(&s->f, FLOW_src_port, sport);
	flow_set(&s->f, FLOW_dst_port, dport);
	flow_set(&s->f, FLOW_tcp_flags, flags);
	flow_set(&s->f, FLOW_tos, tos);
}

static void extended_switch(struct sample *s, struct xdr *x)
{
	uint32_t in = word(x), cos = word(x), out = word(x);

	if (x->cut)
		return;
	/* 2^32 - 1 is "unknown"; a switch that says 0 knows less than the packet's own tag. */
	if (in <= 4095 && (in || !flow_has(&s->f, FLOW_vlan)))
		flow_set(&s->f, FLOW_vlan, in);
	flow_set(&s->f, FLOW_cos, cos);
	if (out <= 4095)
		flow_set(&s->f, FLOW_out_vlan, out);
}

static void extended_router(struct sample *s, struct xdr *x)
{
	struct addr hop = address(x);
	uint32_t src = word(x), dst = word(x);

	if (x->cut)
		return;
	s->f.next_hop = hop;
	s->f.present |= FLOW_BIT(next_hop);
	flow_set(&s->f, FLOW_src_mask, src);
	flow_set(&s->f, FLOW_dst_mask, dst);
}

/* The destination's AS is the last of the path; v5 has the next hop in front, v2 a flat list
 * behind. */
static void extended_gateway(struct sample *s, struct xdr *x, uint32_t version)
{
	struct addr hop = version == 5 ? address(x) : addr_zero4;
	uint32_t src_as, peer_as, segments, dst_as = 0, first = 0;
	bool any = false;

	word(x);	/* the router's own AS */
	src_as = word(x);
	peer_as = word(x);
	segments = word(x);
	for (uint32_t i = 0; i < segments && !x->cut; i++) {
		uint32_t n = 1;

		if (version != 2) {
			word(x);	/* set or sequence */
			n = word(x);
		}
		for (uint32_t k = 0; k < n && !x->cut; k++) {
			uint32_t as = word(x);

			if (x->cut)
				break;
			dst_as = as;
			if (!any)
				first = as;
			any = true;
		}
	}
	if (version != 2) {
		for (uint32_t n = word(x); n > 0 && !x->cut; n--)
			word(x);	/* communities */
		word(x);		/* local preference */
	}
	if (x->cut)
		return;
	if (version == 5) {
		s->f.bgp_next_hop = hop;
		s->f.present |= FLOW_BIT(bgp_next_hop);
	}
	flow_set(&s->f, FLOW_src_as, src_as);
	flow_set(&s->f, FLOW_peer_src_as, peer_as);
	if (any) {
		flow_set(&s->f, FLOW_dst_as, dst_as);
		flow_set(&s->f, FLOW_peer_dst_as, first);
	}
}

static void finish(struct witness_reading *r, struct sample *s, uint32_t rate)
{
	flow_set(&s->f, FLOW_packets, 1);
	if (s->ip || s->raw || s->ethernet)
		flow_set(&s->f, FLOW_octets, s->ip ? s->ip_length
			: s->raw ? s->frame_length : s->ethernet_length);
	if (rate) {
		flow_set(&s->f, FLOW_sampling_num, rate);
		flow_set(&s->f, FLOW_sampling_den, 1);
	}
	witness_emit(r, &s->f);
}

/* Octets of the kinds whose size is fixed: a record that claims less than its kind has lies about
 * its length. */
static size_t least(uint32_t format)
{
	static const struct {
		uint32_t format;
		uint8_t octets;
	} fixed[] = { { 1, 16 }, { 2, 20 }, { 3, 32 }, { 4, 56 }, { 1001, 16 }, { 1002, 16 } };

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].format == format)
			return fixed[i].octets;
	return 0;
}

/* A record of a v5 flow sample: enterprise 0 and the formats that an account needs. */
static void flow_record5(struct sample *s, uint32_t format, struct xdr body)
{
	uint32_t protocol, length, header;

	switch (format) {
	case 1:
		protocol = word(&body);
		length = word(&body);
		word(&body);	/* stripped: part of the frame, and of its length */
		if (body.cut)
			break;
		header = word(&body);
		raw_header(s, protocol, length, opaque(&body, header));
		break;
	case 2:
		sampled_ethernet(s, &body);
		break;
	case 3:
		sampled_ip(s, &body, false);
		break;
	case 4:
		sampled_ip(s, &body, true);
		break;
	case 1001:
		extended_switch(s, &body);
		break;
	case 1002:
		extended_router(s, &body);
		break;
	case 1003:
		extended_gateway(s, &body, 5);
		break;
	}
}

static void flow_sample5(struct witness_reading *r, struct xdr x, bool expanded)
{
	struct sample s = { .f = flow_record_empty };
	uint32_t rate, in, out, records;

	word(&x);		/* sequence */
	word(&x);		/* source */
	if (expanded)
		word(&x);
	rate = word(&x);
	word(&x);		/* pool */
	word(&x);		/* drops */
	if (expanded) {
		uint32_t in_format = word(&x), out_format;

		in = word(&x);
		out_format = word(&x);
		out = word(&x);
		in = in_format ? 0 : in;
		out = out_format ? 0 : out;
	} else {
		in = compact_if(word(&x), 5);
		out = compact_if(word(&x), 5);
	}
	records = word(&x);
	if (x.cut)
		return;
	flow_set(&s.f, FLOW_in_if, in);
	flow_set(&s.f, FLOW_out_if, out);
	for (uint32_t i = 0; i < records && x.n >= 8; i++) {
		uint32_t format = word(&x), length = word(&x);
		bool lie = length < least(format);
		struct bytes body = opaque(&x, lie ? least(format) : length);

		if (lie && x.cut)
			break;
		flow_record5(&s, format, (struct xdr){ body.p, body.n, false });
	}
	finish(r, &s, rate);
}

static void samples5(struct witness_reading *r, struct xdr *x, uint32_t samples)
{
	for (uint32_t i = 0; i < samples && x->n >= 8; i++) {
		uint32_t format = word(x), length = word(x);
		struct bytes body = opaque(x, length);

		if (format == 1 || format == 3)
			flow_sample5(r, (struct xdr){ body.p, body.n, false }, format == 3);
	}
}

/* v2 and v4: no lengths, so that what is not understood ends the datagram. */
static bool extension(struct sample *s, struct xdr *x, uint32_t version)
{
	switch (word(x)) {
	case 1:
		extended_switch(s, x);
		word(x);	/* priority, outgoing */
		return true;
	case 2:
		extended_router(s, x);
		return true;
	case 3:
		extended_gateway(s, x, version);
		return true;
	case 4:
		opaque(x, word(x));	/* user names; v4 and v2 alike */
		opaque(x, word(x));
		return true;
	case 5:
		word(x);		/* direction, URL */
		opaque(x, word(x));
		return true;
	}
	return false;
}

static bool packet_data(struct sample *s, struct xdr *x, uint32_t tag)
{
	uint32_t protocol, length;

	switch (tag) {
	case 1:
		protocol = word(x);
		length = word(x);
		if (!x->cut)
			raw_header(s, protocol, length, opaque(x, word(x)));
		return true;
	case 2:
		sampled_ip(s, x, false);
		return true;
	case 3:
		sampled_ip(s, x, true);
		return true;
	}
	return false;
}

/* One sample; it counts as soon as its fixed part is whole.  False: nothing behind it can be found.
 */
static bool flow_sample_old(struct witness_reading *r, struct xdr *x, uint32_t version)
{
	struct sample s = { .f = flow_record_empty };
	uint32_t rate, tag, extensions;
	bool known;

	word(x);		/* sequence */
	word(x);		/* source */
	rate = word(x);
	word(x);		/* pool */
	word(x);		/* drops */
	flow_set(&s.f, FLOW_in_if, compact_if(word(x), version));
	flow_set(&s.f, FLOW_out_if, compact_if(word(x), version));
	tag = word(x);
	if (x->cut)
		return false;
	known = packet_data(&s, x, tag);
	extensions = known ? word(x) : 0;
	for (uint32_t i = 0; i < extensions && known && !x->cut; i++)
		known = extension(&s, x, version);
	finish(r, &s, rate);
	return known && !x->cut;
}

/* Words of the counters by their tag: generic, Ethernet, token ring, FDDI, 100BaseVG, WAN, VLAN
 * (RFC 3176). */
static bool skip_counters(struct xdr *x)
{
	static const uint8_t words[] = { 0, 22, 22 + 13, 22 + 18, 22, 22 + 20, 22, 7 };
	uint32_t tag;

	word(x);		/* sequence */
	word(x);		/* source */
	word(x);		/* interval */
	tag = word(x);
	if (tag == 0 || tag >= sizeof(words))
		return false;
	opaque(x, (size_t)words[tag] * 4);
	return true;
}

static void samples_old(
	struct witness_reading *r, struct xdr *x, uint32_t version, uint32_t samples)
{
	for (uint32_t i = 0; i < samples && !x->cut; i++) {
		uint32_t type = word(x);

		if (type == 1               ? !flow_sample_old(r, x, version)
				: type == 2 ? !skip_counters(x)
					    : true)
			return;
	}
}

void witness_read_sflow(struct witness_reading *r)
{
	struct xdr x = { r->data.p, r->data.n, false };
	uint32_t version = word(&x), samples;
	struct addr agent = address(&x);

	if (version != 2 && version != 4 && version != 5)
		return;
	if (version == 5)
		r->row.domain = word(&x);
	r->row.sequence = word(&x);
	word(&x);		/* uptime: samples have no times of their own */
	samples = word(&x);
	if (x.cut)
		return;
	r->row.version = (uint16_t)version;
	r->row.exporter = agent;
	if (version == 5)
		samples5(r, &x, samples);
	else
		samples_old(r, &x, version, samples);
}
