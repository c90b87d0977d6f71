/*
 * pipeline.c - the configuration of a plugin, compiled; see pipeline.h.
 */
#include "nfacctd/pipeline_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"

/* ---- files ---- */

int plugin_maps_load(struct plugin_maps *m, const struct settings *s,
		     const struct plugin_settings *p)
{
	char where[SETTINGS_WHERE];
	bool bad = false;

	memset(m, 0, sizeof(*m));
	/* Each of them, whatever is wrong with the one before: who mends files wants to know all. */
#define LOAD(to, key, load, ...)                                                               \
	if (p->key)                                                                            \
		bad |= !(m->to = load(settings_where(s, #key, p->name, where), p->key, ##__VA_ARGS__))
	LOAD(networks, networks_file, networks_load);
	LOAD(ports, ports_file, numbers_load, NUMBERS_PORTS);
	LOAD(protos, protos_file, numbers_load, NUMBERS_PROTOS);
	LOAD(tos, tos_file, numbers_load, NUMBERS_TOS);
	LOAD(tags, pre_tag_map, tagmap_load, TAGMAP_PRE_TAG);
#undef LOAD
	if (bad)
		plugin_maps_clear(m);
	return bad ? -1 : 0;
}

void plugin_maps_clear(struct plugin_maps *m)
{
	networks_free(m->networks);
	free(m->ports);
	free(m->protos);
	free(m->tos);
	tagmap_free(m->tags);
	memset(m, 0, sizeof(*m));
}

/* ---- column operations ---- */

#define OP(name) static void name(const struct op *op, const struct pass *pass)
#define EACH(i, key) \
	uint8_t *key = pass->keys + op->at[pass->form]; \
	for (size_t i = 0; i < pass->n; i++, key += pass->stride)
#define COPY(name, width) \
	OP(name) \
	{ \
		EACH(i, key) \
			memcpy(key, (const uint8_t *)pass->rec[i] + op->from, width); \
	}

COPY(op_copy1, 1)
COPY(op_copy2, 2)
COPY(op_copy4, 4)
COPY(op_copy6, 6)
COPY(op_copy8, 8)
COPY(op_copy16, 16)

/* A host outside the networks file is nobody: the zero of its family. */
OP(op_host_filtered)
{
	EACH(i, key) {
		const struct addr *a = end_of(pass->rec[i], op->side);

		memcpy(key, pass->hit[op->side][i] ? a : addr_zero_like(a), sizeof(*a));
	}
}

/* A host that became nobody has no net, wherever that would come from. */
static bool host_is_filtered(const struct pass *pass, size_t i, unsigned side)
{
	return pass->p->filter_hosts && pass->p->host_stands[side] && !pass->hit[side][i];
}

/* Where the file is asked for prefixes, an end outside it is nobody's. */
static bool is_filtered(const struct pass *pass, size_t i, unsigned side)
{
	const struct pipeline *p = pass->p;

	return p->filter_hosts && (p->net_source == NET_FILE || p->net_source == NET_LONGEST) &&
	       !pass->hit[side][i];
}

/* The mask that counts, as people say it (24, 64). */
static unsigned mask_of(const struct pass *pass, size_t i, unsigned side)
{
	const struct pipeline *p = pass->p;
	const struct network *hit = p->lookup[side] ? pass->hit[side][i] : NULL;
	const unsigned exported = side ? pass->rec[i]->dst_mask : pass->rec[i]->src_mask;
	const unsigned file = hit ? prefix_bits(&hit->prefix) : 0;

	switch (p->net_source) {
	case NET_FILE:
		return file;
	case NET_MASK:
		return p->networks_mask;
	case NET_LONGEST:
		if (is_filtered(pass, i, side))
			return 0;
		return hit && (p->no_lpm || file > exported) ? file : exported;
	case NET_NETFLOW:
		break;
	}
	return exported;
}

static unsigned mask_within(const struct addr *a, unsigned bits)
{
	unsigned most = addr_is4(a) ? 32 : 128;

	return bits < most ? bits : most;
}

OP(op_net)
{
	const struct pipeline *p = pass->p;

	EACH(i, key) {
		const struct addr *a = end_of(pass->rec[i], op->side);
		unsigned bits = mask_within(a, mask_of(pass, i, op->side));
		struct addr net = addr_mask_family(a, bits);

		if (!bits && p->no_mask_if_zero)
			net = *a;
		if (is_filtered(pass, i, op->side) || host_is_filtered(pass, i, op->side))
			net = *addr_zero_like(a);
		memcpy(key, &net, sizeof(net));
	}
}

OP(op_mask)
{
	EACH(i, key)
	*key = (uint8_t)mask_within(end_of(pass->rec[i], op->side), mask_of(pass, i, op->side));
}

/* The file's AS counts when its prefix is at least as long as the exporter's mask. */
OP(op_as)
{
	const struct pipeline *p = pass->p;
	const bool peer =
		op->primitive == PRIM_ID_peer_src_as || op->primitive == PRIM_ID_peer_dst_as;

	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		const struct network *hit = pass->hit[op->side][i];
		const unsigned exported = op->side ? r->dst_mask : r->src_mask;
		uint32_t as = 0;

		if (hit && (p->as_source == NET_FILE || p->no_lpm ||
			    prefix_bits(&hit->prefix) >= exported))
			as = peer ? hit->peer_as : hit->as;
		else if (p->as_source == NET_LONGEST)
			memcpy(&as, (const uint8_t *)r + op->from, sizeof(as));
		memcpy(key, &as, sizeof(as));
	}
}

/* The BGP next hop; use_ip_next_hop: the IP one where there is none. */
static const struct addr *exported_hop(const struct pipeline *p, const struct flow_record *r)
{
	return p->ip_next_hop && addr_is_zero(&r->bgp_next_hop) ? &r->next_hop : &r->bgp_next_hop;
}

OP(op_next_hop)
{
	EACH(i, key)
		memcpy(key, exported_hop(pass->p, pass->rec[i]), 16);
}

/*
 * Who says prefixes says next hops, or that there is none.  With nfacctd_net: longest the networks
 * file does where its prefix is not shorter than the exporter's mask, where a primitive tells that
 * mask (else the reference does not look at it).
 */
OP(op_peer_dst)
{
	const struct pipeline *p = pass->p;
	const bool always = p->net_source == NET_FILE || p->no_lpm || !p->dst_mask_stands;

	EACH(i, key) {
		const struct network *hit = pass->hit[1][i];

		if (hit && (always || prefix_bits(&hit->prefix) >= pass->rec[i]->dst_mask))
			memcpy(key, &hit->next_hop, 16);
		else if (p->net_source == NET_FILE)
			memcpy(key, &addr_zero4, 16);
		else
			memcpy(key, exported_hop(p, pass->rec[i]), 16);
	}
}

/* networks_mask knows none. */
OP(op_no_hop)
{
	EACH(i, key)
		memcpy(key, &addr_zero4, 16);
}

/* The old formats put anything into the ports of protocols that have none. */
static bool ports_are_kept(const struct flow_origin *o)
{
	return o->protocol != PROTO_NETFLOW1 && o->protocol != PROTO_NETFLOW5 &&
	       o->protocol != PROTO_NETFLOW7;
}

/* ICMP's type and code are in the destination port. */
static bool has_port(const struct op *op, uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132 ||
	       ((proto == 1 || proto == 58) && op->field == FLOW_dst_port);
}

OP(op_port)
{
	const bool kept = ports_are_kept(pass->origin);

	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		uint16_t port;

		memcpy(&port, (const uint8_t *)r + op->from, sizeof(port));
		if (!(kept || has_port(op, r->proto)) ||
		    (pass->maps->ports && !numbers_has(pass->maps->ports, port)))
			port = 0;
		memcpy(key, &port, sizeof(port));
	}
}

/* The same, of a key that the decoder filled; the protocol stands in it, too. */
OP(op_port_in_key)
{
	if (ports_are_kept(pass->origin))
		return;
	EACH(i, key)
		if (!has_port(op, pass->keys[i * pass->stride + pass->p->proto_at]))
			memset(key, 0, 2);
}

/* What the frame said, else what the addresses say. */
OP(op_etype)
{
	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		uint16_t etype = r->ethertype;

		if (!etype && (flow_has(r, FLOW_src) || flow_has(r, FLOW_dst)))
			etype = addr_is4(flow_has(r, FLOW_src) ? &r->src : &r->dst) ? 0x0800
										    : 0x86dd;
		memcpy(key, &etype, sizeof(etype));
	}
}

OP(op_proto)
{
	EACH(i, key) {
		const uint8_t proto = pass->rec[i]->proto;

		*key = pass->maps->protos && !numbers_has(pass->maps->protos, proto) ? 255 : proto;
	}
}

OP(op_tos)
{
	EACH(i, key) {
		uint8_t tos = pass->rec[i]->tos;

		if (pass->tags && pass->tags[i].has_tos)
			tos = pass->tags[i].tos;
		if (pass->p->dscp)
			tos >>= 2;
		*key = pass->maps->tos && !numbers_has(pass->maps->tos, tos) ? 255 : tos;
	}
}

OP(op_direction)
{
	EACH(i, key)
		*key = flow_has(pass->rec[i], FLOW_direction) ? pass->rec[i]->direction : 255;
}

/* The interval in force, 0 when none is known; 1 once it has been multiplied in. */
OP(op_rate)
{
	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		uint32_t rate = r->sampling_num / (r->sampling_den ? r->sampling_den : 1);

		if (pass->rate && pass->rate[i])
			rate = pass->rate[i];
		/* 1 once it is multiplied in; 0 stays: unknown, so not multiplied. */
		if (pass->p->renormalize)
			rate = rate || r->sampling_num || pass->p->ext_rate;
		memcpy(key, &rate, sizeof(rate));
	}
}

/* sFlow says no time of its own. */
static uint64_t message_time(const struct flow_origin *o)
{
	return o->protocol == PROTO_SFLOW ? 0 : o->export_us;
}

/* A flow whose start is not told began when its message was written, as far as anybody knows. */
static uint64_t start_time(const struct pass *pass, size_t i)
{
	const struct flow_record *r = pass->rec[i];

	return flow_has(r, FLOW_first_us) ? r->first_us : message_time(pass->origin);
}

OP(op_start)
{
	EACH(i, key) {
		const uint64_t us = start_time(pass, i);

		memcpy(key, &us, sizeof(us));
	}
}

/* timestamps_secs: rows are told apart by whole seconds. */
OP(op_seconds)
{
	EACH(i, key) {
		const uint64_t us = op->primitive == PRIM_ID_timestamp_start ? start_time(pass, i) :
			op->primitive == PRIM_ID_timestamp_end		     ? pass->rec[i]->last_us :
			op->primitive == PRIM_ID_timestamp_arrival	     ? pass->origin->recv_us :
								message_time(pass->origin);
		const uint64_t whole = us / 1000000 * 1000000;

		memcpy(key, &whole, sizeof(whole));
	}
}

/* What pre_tag_map gave, or post_tag. */
OP(op_tag)
{
	const bool second = op->primitive == PRIM_ID_tag2;

	EACH(i, key) {
		uint64_t tag = 0;

		if (pass->tags)
			tag = second ? pass->tags[i].tag2 : pass->tags[i].tag;
		memcpy(key, &tag, sizeof(tag));
	}
}

OP(op_label)
{
	EACH(i, key) {
		const uint32_t label = pass->tags ? pass->tags[i].label : 0;

		memcpy(key, &label, sizeof(label));
	}
}

/* There are no classes. */
OP(op_class)
{
	EACH(i, key)
		memset(key, 0, 4);
}

/* What all records of a datagram share. */
OP(op_origin)
{
	const struct flow_origin *o = pass->origin;
	const bool engine = o->protocol == PROTO_NETFLOW5 || o->protocol == PROTO_NETFLOW8;
	/* Of engine type and engine id the id is the system, as pmacct has it. */
	const uint32_t system = engine ? o->domain & 255 : o->domain;
	const uint64_t exported = message_time(o);
	const uint8_t *exporter =
		o->exporter.b + (pass->form == KEY_NARROW ? AGG_WIDE - AGG_NARROW : 0);
	const struct {
		const void *value;
		size_t width;
	} from[] = {
		[PRIM_EXPORTER] = { exporter, pass->form == KEY_NARROW ? AGG_NARROW : AGG_WIDE },
		[PRIM_ARRIVAL] = { &o->recv_us, 8 },
		[PRIM_EXPORTED] = { &exported, 8 }, [PRIM_SEQNO] = { &o->sequence, 4 },
		[PRIM_VERSION] = { &o->version, 2 }, [PRIM_SYSID] = { &system, 4 },
	}, *f = &from[primitives[op->primitive].format];

	EACH(i, key)
		memcpy(key, f->value, f->width);
}

/* ---- extras: what stands beside the records ---- */

/* The octets of an operation's k-th Element; NULL: the record has none. */
static const struct bytes *element_of(
	const struct op *op, const struct pass *pass, size_t i, size_t k)
{
	const struct extras *x = &pass->origin->extras;
	const struct bytes *b;

	if (!x->elements)
		return NULL;
	b = &x->elements[(size_t)(pass->rec[i] - pass->first) * x->n + op->element[k]];
	return b->p ? b : NULL;
}

OP(op_element)
{
	const struct primitive *p = &primitives[op->primitive];

	EACH(i, key) {
		const struct bytes *value = element_of(op, pass, i, 0);

		for (size_t k = 1; !value && k < op->nelements; k++)
			value = element_of(op, pass, i, k);
		if (value)
			custom_fill(key, op->width, p->format, value);
		else if (op->primitive >= PRIMITIVES)
			custom_absent(key, p, op->width);
		else
			memset(key, 0, op->width);
	}
}

/* The VRF of the side that the direction says, ingress when it says none; else the other's. */
OP(op_rd)
{
	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		const size_t side = flow_has(r, FLOW_direction) && r->direction != 0;
		uint64_t vrf = 0;

		for (size_t k = 0; k < SIDES && !vrf; k++) {
			const struct bytes *id = element_of(op, pass, i, side ^ k);

			vrf = id ? be_any(id->p, id->n) : 0;
		}
		custom_fill_rd(key, vrf, element_of(op, pass, i, SIDES));
	}
}

/* How many MPLS labels there are: up to the one with the S bit (RFC 3032 2.1); without it 0. */
OP(op_depth)
{
	EACH(i, key) {
		*key = 0;
		for (uint8_t k = 0; k < op->nelements && !*key; k++) {
			const struct bytes *label = element_of(op, pass, i, k);

			if (label && label->n >= 3 && label->p[2] & 1)
				*key = (uint8_t)(k + 1);
		}
	}
}

static const struct frame_inside *inside_of(const struct pass *pass, size_t i)
{
	const struct frame_inside *in = pass->origin->extras.inside;

	return in ? &in[pass->rec[i] - pass->first] : NULL;
}

/*
 * VXLAN's network: of a sampled frame, or of layer2SegmentId, whose first octet of eight says what
 * it is (IANA: 1 is VXLAN) and whose last three are it.
 */
OP(op_vni)
{
	EACH(i, key) {
		const struct frame_inside *in = inside_of(pass, i);
		const struct bytes *value = element_of(op, pass, i, 0);
		uint32_t vni = 0;

		if (in && in->has_vni)
			vni = in->vni;
		else if (value && (value->n < 8 || value->p[value->n - 8] == 1))
			vni = (uint32_t)(be_any(value->p, value->n) & 0xffffff);
		memcpy(key, &vni, sizeof(vni));
	}
}

/* A member of the packet inside a tunnel; without one zero, of IPv4. */
OP(op_inside)
{
	EACH(i, key) {
		const struct frame_inside *in = inside_of(pass, i);
		const struct flow_record *r = in && in->found ? &in->r : &flow_record_empty;

		memcpy(key, (const uint8_t *)r + op->from, op->width);
	}
}

/* ---- compiling ---- */

/* The member on the other end, for the second side of a sum. */
static int other_end(int member)
{
	static const int pair[][2] = {
		{ FLOW_src, FLOW_dst },
		{ FLOW_src_as, FLOW_dst_as },
		{ FLOW_src_port, FLOW_dst_port },
		{ FLOW_src_mac, FLOW_dst_mac },
	};

	for (size_t i = 0; i < sizeof(pair) / sizeof(pair[0]); i++)
		if (member == pair[i][0])
			return pair[i][1];
	return member;
}

static bool of_destination(int member)
{
	return member == FLOW_dst || member == FLOW_dst_as || member == FLOW_dst_mask ||
	       member == FLOW_peer_dst_as || member == FLOW_bgp_next_hop;
}

/* By the width of a field: a plain copy from the record. */
static fill_fn *const copy_ops[] = {
	[1] = op_copy1, [2] = op_copy2, [4] = op_copy4,
	[6] = op_copy6, [8] = op_copy8, [16] = op_copy16,
};

/* By format: what no copy can fill. */
static fill_fn *const format_ops[PRIM_FORMATS] = {
	[PRIM_NET] = op_net,
	[PRIM_PROTO] = op_proto,
	[PRIM_DIR] = op_direction,
	[PRIM_RATE] = op_rate,
	[PRIM_TAG] = op_tag,
	[PRIM_TEXT] = op_label,
	[PRIM_CLASS] = op_class,
	[PRIM_EXPORTER] = op_origin,
	[PRIM_ARRIVAL] = op_origin,
	[PRIM_EXPORTED] = op_origin,
	[PRIM_SEQNO] = op_origin,
	[PRIM_VERSION] = op_origin,
	[PRIM_SYSID] = op_origin,
	[PRIM_ELEMENT] = op_element,
	[PRIM_RD] = op_rd,
	[PRIM_CUSTOM_UINT] = op_element,
	[PRIM_CUSTOM_HEX] = op_element,
	[PRIM_CUSTOM_IP] = op_element,
	[PRIM_CUSTOM_MAC] = op_element,
	[PRIM_CUSTOM_STR] = op_element,
	[PRIM_CUSTOM_RAW] = op_element,
	[PRIM_DEPTH] = op_depth,
	[PRIM_VNI] = op_vni,
	[PRIM_INSIDE_MAC] = op_inside,
	[PRIM_INSIDE_HOST] = op_inside,
	[PRIM_INSIDE_PROTO] = op_inside,
	[PRIM_INSIDE_NUM] = op_inside,
};

/*
 * By name: primitives that files or keys change.  A condition that does not hold leaves the copy.
 */
enum op_when {
	ALWAYS, HOSTS_FILTERED, AS_FROM_FILE, HOP_OF_IP, HOP_FROM_FILE, HOP_OF_NOBODY, SECONDS
};

static const struct special_op {
	uint8_t primitive, when;
	fill_fn *fill;
} special_ops[] = {
	{ PRIM_ID_src_host, HOSTS_FILTERED, op_host_filtered },
	{ PRIM_ID_dst_host, HOSTS_FILTERED, op_host_filtered },
	{ PRIM_ID_peer_dst_ip, HOP_OF_IP, op_next_hop },
	{ PRIM_ID_peer_dst_ip, HOP_FROM_FILE, op_peer_dst },
	{ PRIM_ID_peer_dst_ip, HOP_OF_NOBODY, op_no_hop },
	{ PRIM_ID_src_port, ALWAYS, op_port },
	{ PRIM_ID_dst_port, ALWAYS, op_port },
	{ PRIM_ID_tos, ALWAYS, op_tos },
	{ PRIM_ID_etype, ALWAYS, op_etype },
	{ PRIM_ID_timestamp_start, ALWAYS, op_start },
	{ PRIM_ID_timestamp_start, SECONDS, op_seconds },
	{ PRIM_ID_timestamp_end, SECONDS, op_seconds },
	{ PRIM_ID_timestamp_arrival, SECONDS, op_seconds },
	{ PRIM_ID_timestamp_export, SECONDS, op_seconds },
	{ PRIM_ID_src_mask, ALWAYS, op_mask },
	{ PRIM_ID_dst_mask, ALWAYS, op_mask },
	{ PRIM_ID_src_as, AS_FROM_FILE, op_as },
	{ PRIM_ID_dst_as, AS_FROM_FILE, op_as },
	{ PRIM_ID_peer_src_as, AS_FROM_FILE, op_as },
	{ PRIM_ID_peer_dst_as, AS_FROM_FILE, op_as },
};

static void choose_op(struct pipeline *p, struct op *op, const struct plugin_settings *s,
		      size_t width)
{
	const bool as_file = s->networks_file && p->as_source != NET_NETFLOW;
	const bool net_file =
		s->networks_file && (p->net_source == NET_FILE || p->net_source == NET_LONGEST);
	const bool holds[] = { [ALWAYS] = true,
			       [HOSTS_FILTERED] = p->filter_hosts,
			       [AS_FROM_FILE] = as_file,
			       [HOP_OF_IP] = p->ip_next_hop,
			       [HOP_FROM_FILE] = net_file,
			       [HOP_OF_NOBODY] = p->net_source == NET_MASK,
			       [SECONDS] = s->timestamps_secs };

	op->fill = format_ops[primitives[op->primitive].format];
	if (!op->fill)
		op->fill = copy_ops[width];
	for (size_t i = 0; i < sizeof(special_ops) / sizeof(special_ops[0]); i++)
		if (special_ops[i].primitive == op->primitive && holds[special_ops[i].when])
			op->fill = special_ops[i].fill;
	op->ours = op->fill == op_host_filtered || op->fill == op_net;
	if (op->fill == op_host_filtered || op->fill == op_as || op->fill == op_peer_dst ||
	    ((op->fill == op_net || op->fill == op_mask) && (net_file || p->filter_hosts)))
		p->lookup[op->side] = true;
}

static bool is_addr(const struct key_field *f)
{
	return f->width == AGG_WIDE && primitive_is_address(&primitives[f->primitive]);
}

/*
 * A table's key: the bin, what is no address, the addresses.  Where each field of the layout
 * stands in it goes to `at`.
 */
static void place_fields(struct pipeline *p, uint16_t (*at)[KEY_FORMS])
{
	struct agg_shape *const s = &p->shape;
	size_t end = p->bin_bytes;

	for (size_t i = 0; i < p->layout.nfields; i++) {
		const struct key_field *f = &p->layout.field[i];

		s->naddrs = (uint8_t)(s->naddrs + is_addr(f));
		at[i][KEY_WIDE] = at[i][KEY_NARROW] = (uint16_t)end;
		end += is_addr(f) ? 0 : f->width;
	}
	s->addrs_at = (uint16_t)end;
	for (size_t i = 0, n = 0; i < p->layout.nfields; i++) {
		if (!is_addr(&p->layout.field[i]))
			continue;
		at[i][KEY_WIDE] = (uint16_t)(end + n * AGG_WIDE);
		at[i][KEY_NARROW] = (uint16_t)(end + n * AGG_NARROW);
		n++;
	}
}

/* Neighbours that are neighbours there, too, go together. */
static void compile_moves(struct pipeline *p, uint16_t (*at)[KEY_FORMS])
{
	struct key_move *m = NULL;

	for (size_t i = 0; i < p->layout.nfields; i++) {
		const struct key_field *f = &p->layout.field[i];

		if (m && !m->addr && !is_addr(f) && m->from[KEY_WIDE] + m->n == at[i][KEY_WIDE]) {
			m->n = (uint16_t)(m->n + f->width);
			continue;
		}
		m = &p->move[p->nmoves++];
		*m = (struct key_move){ { at[i][KEY_WIDE], at[i][KEY_NARROW] }, f->offset, f->width,
			is_addr(f) };
	}
}

void pipeline_unpack(const struct pipeline *p, uint8_t *to, const uint8_t *key, bool narrow)
{
	const enum key_form form = narrow ? KEY_NARROW : KEY_WIDE;
	size_t end = 0;

	for (const struct key_move *m = p->move; m < p->move + p->nmoves; m++) {
		const uint8_t *from = key + m->from[form];

		if (m->addr && narrow) {
			const struct addr a = addr_from4(from);

			memcpy(to + m->to, &a, sizeof(a));
		} else {
			memcpy(to + m->to, from, m->n);
		}
		end = (size_t)m->to + m->n;
	}
	memset(to + end, 0, p->layout.size - end);
}

static void compile_ops(
	struct pipeline *p, const struct plugin_settings *s, const struct extras_want *extras)
{
	uint16_t at[KEY_FIELDS_MAX][KEY_FORMS];

	place_fields(p, at);
	compile_moves(p, at);
	p->sides = p->layout.spec.sum == SUM_NONE ? 1 : 2;
	p->nops = p->layout.nfields;
	for (unsigned side = 0; side < p->sides; side++) {
		for (size_t i = 0; i < p->nops; i++) {
			const struct key_field *f = &p->layout.field[i];
			struct op *op = &p->op[side][i];
			int member = primitives[f->primitive].member;

			if (side)
				member = other_end(member);
			op->primitive = f->primitive;
			op->width = f->width;
			op->nelements = (uint8_t)extras_of(extras, f->primitive, op->element);
			memcpy(op->at, at[i], sizeof(at[i]));
			op->side = p->sides == 2 ? (uint8_t)side : of_destination(member);
			op->from = member >= 0 ? flow_fields[member].offset : 0;
			op->field = (uint8_t)(member >= 0 ? member : 0);
			choose_op(p, op, s, f->width);
		}
	}
}

/* ---- without records ---- */

/* What fills a key without a look at a record: it is done as ever. */
static bool is_of_origin(fill_fn *fill)
{
	return fill == op_origin || fill == op_class || fill == op_tag || fill == op_label;
}

/* Whether the decoder can fill this field, and what is left to do then. */
static bool op_direct(struct pipeline *p, struct op *op, const struct plugin_settings *s)
{
	const struct key_field *proto = key_layout_find(&p->layout, PRIM_ID_proto);

	op->column = true;
	for (size_t i = 0; i < sizeof(copy_ops) / sizeof(copy_ops[0]); i++)
		if (copy_ops[i] && op->fill == copy_ops[i])
			return true;
	if (op->fill == op_proto)
		return !s->protos_file;
	if (op->fill == op_tos)
		return !s->tos_file && !p->dscp;
	if (op->fill == op_port && proto && !s->ports_file && !s->protos_file) {
		p->proto_at = p->op[0][proto - p->layout.field].at[KEY_WIDE];
		op->mend = op_port_in_key;
		return true;
	}
	op->column = false;
	op->mend = op->fill;
	return is_of_origin(op->fill);
}

/* Maps, filters and spreading need records. */
static void decide_direct(struct pipeline *p, const struct plugin_settings *s)
{
	p->direct = !p->thins && !s->pre_tag_map && !s->networks_file && !p->pro_rating;
	for (size_t side = 0; side < p->sides; side++) {
		for (size_t i = 0; i < p->nops; i++) {
			struct op *op = &p->op[side][i];

			p->direct = op_direct(p, op, s) && p->direct;
			p->mends = p->mends || op->mend;
		}
	}
}

bool pipeline_direct(const struct pipeline *p)
{
	return p->direct;
}

/*
 * A file that would have no effect can only be meant as a filter; where nfacctd_net or nfacctd_as
 * ask for a file it is the source of prefixes, be it for another plugin.
 */
static void decide_filter(struct pipeline *p, const struct plugin_settings *s)
{
	static const char hosts[] = "src_host dst_host";
	const uint64_t set = s->aggregate.set;
	bool host = false;
	bool resolver = p->net_source == NET_FILE || p->net_source == NET_LONGEST ||
			p->as_source == NET_FILE || p->as_source == NET_LONGEST;

	for (size_t i = 0; i < PRIMITIVES; i++) {
		const struct primitive *prim = &primitives[i];

		if (!(set >> i & 1))
			continue;
		host = host || strstr(hosts, prim->name);
		resolver = resolver || prim->format == PRIM_NET || strstr(prim->name, "_mask") ||
			   strstr(prim->name, "_as") || strncmp(prim->name, "peer_", 5) == 0;
	}
	p->filter_hosts =
		s->networks_file && (s->networks_file_filter == FILTER_TRUE ||
				     (s->networks_file_filter == FILTER_AUTO && host && !resolver));
	if (s->networks_file && s->networks_file_filter == FILTER_AUTO)
		snprintf(p->notice, sizeof(p->notice),
			 "networks_file %s; networks_file_filter: %s overrides this",
			 p->filter_hosts ? "is a filter: addresses outside become 0.0.0.0"
					 : "resolves prefixes or AS numbers and is no filter",
			 p->filter_hosts ? "false" : "true");
	else if (s->networks_file_filter == FILTER_TRUE && !s->networks_file)
		snprintf(p->notice, sizeof(p->notice),
			 "networks_file_filter has no effect without a networks_file");
}

/* Who asks for what only events have asks for them; a bill has no use for rows of zeros. */
static bool accounts_events(const struct plugin_settings *s)
{
	static const uint64_t primitives_of_events =
		UINT64_C(1) << PRIM_ID_nat_event | UINT64_C(1) << PRIM_ID_fw_event;

	if (s->account_events != EVENTS_AUTO)
		return s->account_events == EVENTS_TRUE;
	return s->aggregate.set & primitives_of_events ||
	       (strcmp(s->type, "print") == 0 && (s->print_output == PRINT_EVENT_FORMATTED ||
							 s->print_output == PRINT_EVENT_CSV));
}

static int refused(const struct settings *s, const struct plugin_settings *ps, const char *key,
	const char *value, const char *expected)
{
	char where[SETTINGS_WHERE];

	log_error("%s: \"%s\": expected %s", settings_where(s, key, ps->name, where), value,
		expected);
	return -1;
}

static int make_tag_filters(
	struct pipeline *p, const struct settings *s, const struct plugin_settings *ps)
{
	const char *expected;

	p->post_tag = ps->post_tag;
	p->post_tag2 = ps->post_tag2;
	p->tagged = ps->pre_tag_map || p->post_tag || p->post_tag2;
	if (ps->pre_tag_filter && !(p->tag_filter = tag_filter_new(ps->pre_tag_filter, &expected)))
		return refused(s, ps, "pre_tag_filter", ps->pre_tag_filter, expected);
	if (ps->pre_tag2_filter &&
		!(p->tag2_filter = tag_filter_new(ps->pre_tag2_filter, &expected)))
		return refused(s, ps, "pre_tag2_filter", ps->pre_tag2_filter, expected);
	if (ps->pre_tag_label_filter &&
		!(p->label_filter = label_filter_new(ps->pre_tag_label_filter, &expected)))
		return refused(s, ps, "pre_tag_label_filter", ps->pre_tag_label_filter, expected);
	p->thins = p->filter || p->tag_filter || p->tag2_filter || p->label_filter;
	return 0;
}

struct pipeline *pipeline_new(const struct settings *s, const struct plugin_settings *ps,
			      int64_t now)
{
	struct pipeline *p = xcalloc(1, sizeof(*p));
	char why[256], where[SETTINGS_WHERE];

	key_layout_make(&p->layout, &ps->aggregate);
	if (p->layout.size > KEY_BYTES_MAX) {
		log_error("plugin %s: aggregate: the key takes %zu bytes; expected at most %d",
			  ps->name, p->layout.size, KEY_BYTES_MAX);
		free(p);
		return NULL;
	}
	if (ps->aggregate_filter && !(p->filter = filter_new(ps->aggregate_filter, why))) {
		log_error("%s: \"%s\": %s", settings_where(s, "aggregate_filter", ps->name, where),
			  ps->aggregate_filter, why);
		free(p);
		return NULL;
	}
	if (make_tag_filters(p, s, ps) < 0) {
		pipeline_free(p);
		return NULL;
	}
	timebin_init(&p->bins, &ps->history, ps->history_roundoff, ps->history_offset, now);
	/* An empty key ("none") keeps it, as something to hash. */
	p->bin_bytes = p->bins.kind == BIN_NONE && p->layout.size ? 0 : sizeof(int64_t);
	p->shape = (struct agg_shape){ .key_size = (uint16_t)(p->layout.size + p->bin_bytes),
				       .flows = ps->aggregate.flows,
				       .tcp_flags = ps->aggregate.tcpflags };
	p->exporter_stands = key_layout_find(&p->layout, PRIM_ID_peer_src_ip) != NULL;
	p->bin_cache_step =
		p->bins.kind == BIN_STEPS || p->bins.kind == BIN_DAY_PARTS ? p->bins.step : 86400;
	p->net_source = s->net_source;
	p->as_source = s->as_source;
	p->no_lpm = ps->networks_file_no_lpm;
	p->no_mask_if_zero = ps->networks_no_mask_if_zero;
	p->networks_mask = ps->networks_mask;
	p->dscp = ps->tos_encode_as_dscp;
	p->renormalize = s->renormalize;
	p->ext_rate = s->ext_sampling_rate != 0;
	p->ip_next_hop = s->use_ip_next_hop;
	p->pro_rating = s->pro_rating && !s->time_new && p->bins.kind != BIN_NONE;
	p->events = accounts_events(ps);
	decide_filter(p, ps);
	p->dst_mask_stands = key_layout_find(&p->layout, PRIM_ID_dst_mask) ||
			     key_layout_find(&p->layout, PRIM_ID_dst_net) ||
			     key_layout_find(&p->layout, PRIM_ID_dst_as);
	p->host_stands[0] = key_layout_find(&p->layout, PRIM_ID_src_host) != NULL;
	p->host_stands[1] = key_layout_find(&p->layout, PRIM_ID_dst_host) != NULL;
	p->drop_others = p->filter_hosts && ps->networks_drop_others;
	compile_ops(p, ps, &s->extras);
	decide_direct(p, ps);
	return p;
}

void pipeline_restart(struct pipeline *p, const struct plugin_settings *s, int64_t now)
{
	timebin_init(&p->bins, &s->history, s->history_roundoff, s->history_offset, now);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	filter_free(p->filter);
	tag_filter_free(p->tag_filter);
	tag_filter_free(p->tag2_filter);
	label_filter_free(p->label_filter);
	free(p);
}

const struct key_layout *pipeline_layout(const struct pipeline *p)
{
	return &p->layout;
}

const struct agg_shape *pipeline_shape(const struct pipeline *p)
{
	return &p->shape;
}

const struct timebin *pipeline_bins(const struct pipeline *p)
{
	return &p->bins;
}

size_t pipeline_bin_bytes(const struct pipeline *p)
{
	return p->bin_bytes;
}

const char *pipeline_notice(const struct pipeline *p)
{
	return p->notice[0] ? p->notice : NULL;
}

/* ---- what of a record is needed ---- */

#define TIMES (FLOW_BIT(first_us) | FLOW_BIT(last_us))

/*
 * What each operation reads beside op->from.  One that is not here reads anything: who adds
 * an operation, a map or a filter gets whole records until it is listed.
 */
static const struct {
	fill_fn *fill;
	uint64_t members;
} op_reads[] = {
	{ op_copy1, 0 }, { op_copy2, 0 }, { op_copy4, 0 }, { op_copy6, 0 }, { op_copy8, 0 },
	{ op_copy16, 0 }, { op_tos, 0 }, { op_proto, 0 }, { op_direction, 0 }, { op_rate, 0 },
	{ op_tag, 0 }, { op_label, 0 }, { op_class, 0 }, { op_origin, 0 }, { op_start, 0 }, { op_seconds, 0 },
	{ op_element, 0 }, { op_depth, 0 }, { op_vni, 0 }, { op_inside, 0 }, { op_no_hop, 0 },
	{ op_rd, FLOW_BIT(direction) }, { op_next_hop, FLOW_BIT(next_hop) },
	{ op_peer_dst, FLOW_BIT(next_hop) | FLOW_BIT(dst_mask) },
	{ op_port, FLOW_BIT(proto) },
	{ op_host_filtered, FLOW_BIT(src) | FLOW_BIT(dst) },
	{ op_net, FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask) },
	{ op_mask, FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask) },
	{ op_as, FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask) },
};

static uint64_t op_members(const struct op *op)
{
	uint64_t members = 0;

	for (size_t f = 0; f < FLOW_FIELDS; f++)
		if (flow_fields[f].offset == op->from)
			members = UINT64_C(1) << f;
	for (size_t i = 0; i < sizeof(op_reads) / sizeof(op_reads[0]); i++)
		if (op_reads[i].fill == op->fill)
			return members | op_reads[i].members;
	return UINT64_MAX;
}

uint64_t pipeline_members(const struct pipeline *p)
{
	uint64_t members = p->bins.kind == BIN_NONE ? 0 : TIMES;

	if (p->filter || p->tagged)
		return UINT64_MAX;
	for (size_t side = 0; side < p->sides; side++) {
		if (p->lookup[side])
			members |= FLOW_BIT(src) | FLOW_BIT(dst);
		for (size_t i = 0; i < p->nops; i++)
			members |= op_members(&p->op[side][i]);
	}
	return members;
}
