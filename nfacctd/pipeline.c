#include "nfacctd/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/custom.h"

enum { SPREAD_MAX = 1024, BIN_CACHE = 64, SIDES = 2 };

typedef unsigned __int128 u128;

/* ---- a chunk, for all plugins ---- */

/* v * num / den with the remainder carried; 2^64 - 1 at most. */
static uint64_t scale(uint64_t v, uint32_t num, uint32_t den, uint32_t *carry, uint64_t *overflowed)
{
	u128 product = (u128)v * num;

	if (den != 1) {
		product += *carry;
		*carry = (uint32_t)(product % den);
		product /= den;
	}
	if (product > UINT64_MAX) {
		(*overflowed)++;
		return UINT64_MAX;
	}
	return (uint64_t)product;
}

/*
 * The interval in force; false when none is known, and a rate of 0 is none.  `mapped` is that
 * of sampling_map, 0 for none: it goes before what the exporter says.
 */
static bool interval_of(const struct settings *s, const struct flow_record *r, uint32_t mapped,
			uint32_t *num, uint32_t *den)
{
	const bool told = mapped || (flow_has(r, FLOW_sampling_num) && r->sampling_num);

	*num = mapped ? mapped : r->sampling_num;
	*den = !mapped && flow_has(r, FLOW_sampling_den) && r->sampling_den ? r->sampling_den : 1;
	if (s->ext_sampling_rate && (s->ext_sampling_rate_mode == EXT_RATE_OVERRIDE || !told)) {
		*num = s->ext_sampling_rate;
		*den = 1;
		return true;
	}
	return told;
}

static void renormalize(struct chunk_state *state, const struct settings *s, bool options,
			const struct flow_record *r, uint32_t mapped, struct sums *sums)
{
	struct scale_carry *c;
	uint32_t num, den;

	if (!interval_of(s, r, mapped, &num, &den)) {
		state->counts.unscaled += !options;
		return;
	}
	if (num == den)
		return;
	c = &state->carry[den % CARRIES];
	if (c->den != den)
		*c = (struct scale_carry){ .den = den };
	sums->octets = scale(sums->octets, num, den, &c->octets, &state->counts.overflowed);
	sums->packets = scale(sums->packets, num, den, &c->packets, &state->counts.overflowed);
	state->counts.rescaled++;
}

/* Whether a flow can have begun then, as far as the settings say. */
static bool is_possible(const struct settings *s, const struct flow_origin *o, uint64_t t)
{
	const uint64_t limit = (uint64_t)s->time_limit * 1000000;
	const uint64_t ahead = (uint64_t)s->time_ahead * 1000000;
	uint64_t off = t > o->recv_us ? t - o->recv_us : o->recv_us - t;

	return (!limit || off <= limit) && (!ahead || t <= o->recv_us || off <= ahead);
}

/* An exporter that meters flows twice is told of once: what of it counts is a decision. */
static void notice_way(struct chunk_state *state, const struct flow_origin *o, uint8_t direction)
{
	struct stream *s = o->stream;
	char exporter[ADDR_TEXT];

	s->ways = (uint8_t)(s->ways | 1u << (direction & 1));
	if (s->ways != 3 || s->both_ways || !log_allow(&state->told_us, o->recv_us, 1000000))
		return;
	s->both_ways = true;
	log_warn("exporter %s domain %u: sends ingress and egress records: flows that are metered "
		 "twice count twice (nfacctd_direction)",
		 addr_print(&o->exporter, exporter), o->domain);
}

/* A record with a direction: does it count? */
static bool right_way(struct chunk_state *state, const struct settings *s,
		      const struct flow_origin *o, const struct flow_record *r)
{
	enum direction_policy p = s->direction;

	if (state->directions)
		p = directions_find(state->directions, &o->exporter, r, p);
	if (p == DIRECTION_BOTH) {
		notice_way(state, o, r->direction);
		return true;
	}
	if ((p == DIRECTION_EGRESS) == (r->direction != 0))
		return true;
	state->counts.other_way++;
	state->counts.other_way_octets += r->octets;
	state->counts.other_way_packets += r->packets;
	return false;
}

/*
 * Events, which count neither octets nor packets, are for plugins that account them; records of
 * the other direction are for none.
 */
static bool is_taken(struct chunk_state *state, const struct settings *s,
		     const struct flow_origin *o, const struct flow_record *r, bool *event)
{
	if (o->options) {
		state->counts.options++;
		return true;
	}
	if (!flow_has(r, FLOW_octets)) {
		if (!r->packets) {
			state->counts.events++;
			*event = true;
			return state->events;
		}
		state->counts.no_octets++;
	}
	return !flow_has(r, FLOW_direction) || right_way(state, s, o, r);
}

/* The records that count, and what they count, as exported. */
static void take_traffic(struct chunk *c, struct chunk_state *state, const struct settings *s,
			 const struct flow_record *rec, size_t n)
{
	/* All but every record has an octet counter and neither of the others. */
	static const uint64_t looked_at =
		FLOW_BIT(octets) | FLOW_BIT(direction) | FLOW_BIT(flows);
	struct agg_total total = { 0, 0 };
	size_t kept = 0;

	c->events = 0;
	for (const struct flow_record *r = rec; r < rec + n; r++) {
		const bool usual = (r->present & looked_at) == FLOW_BIT(octets) && !c->origin->options;
		struct sums *to = &c->sums[kept];
		bool event = false;

		if (!usual && !is_taken(state, s, c->origin, r, &event))
			continue;
		c->events |= (uint64_t)event << kept;
		to->packets = r->packets;
		to->octets = r->octets;
		to->flows = usual || !flow_has(r, FLOW_flows) ? 1 : r->flows;
		to->tcp_flags = r->tcp_flags;
		total.octets += r->octets;
		total.packets += r->packets;
		c->rec[kept++] = r;
	}
	c->n = kept;
	c->total = total;
}

static void bound_times(struct chunk *c)
{
	uint64_t earliest = UINT64_MAX, latest = 0;

	for (size_t i = 0; i < c->n; i++) {
		const uint64_t t = c->time_us[i];

		earliest = t < earliest ? t : earliest;
		latest = t > latest ? t : latest;
	}
	c->earliest_us = earliest;
	c->latest_us = latest;
}

/*
 * What picks the bin.  time_us is when each flow began, or its message was written; its arrival
 * takes the place of what cannot be true, or, when asked for, of all.
 */
static void take_times(struct chunk *c, struct chunk_counts *counts, const struct settings *s)
{
	const uint64_t arrival = c->origin->recv_us;

	bound_times(c);
	/* What lies between two times that can be true can be true. */
	if (!s->time_new && is_possible(s, c->origin, c->earliest_us) &&
	    is_possible(s, c->origin, c->latest_us)) {
		memset(c->by_flow, true, sizeof(c->by_flow));
		return;
	}
	for (size_t i = 0; i < c->n; i++) {
		c->by_flow[i] = !s->time_new && is_possible(s, c->origin, c->time_us[i]);
		if (!c->by_flow[i])
			c->time_us[i] = arrival;
		counts->clamped += !s->time_new && !c->by_flow[i];
	}
	bound_times(c);
}

static void take_starts(struct chunk *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->time_us[i] = flow_has(c->rec[i], FLOW_first_us) ? c->rec[i]->first_us
								   : c->origin->export_us;
}

static void take_rates(struct chunk *c, struct chunk_state *state)
{
	struct tags tags;

	c->mapped = state->sampling != NULL;
	for (size_t i = 0; c->mapped && i < c->n; i++) {
		tagmap_find(state->sampling, &state->view, c->origin, c->rec[i], &tags);
		c->rate[i] = (uint32_t)tags.tag;
	}
}

void chunk_state_clear(struct chunk_state *state)
{
	tag_view_clear(&state->view);
}

/* Sums, starts and rates are there; `all`: what says the intervals, NULL: each record. */
static void correct(struct chunk *c, struct chunk_state *state, const struct settings *s,
		    const struct flow_record *all)
{
	struct chunk_counts *counts = &state->counts;
	const uint64_t unscaled = counts->unscaled, clamped = counts->clamped;

	counts->octets += c->total.octets;
	counts->packets += c->total.packets;
	if (state->timed)
		take_times(c, counts, s);
	if (s->renormalize) {
		c->total = (struct agg_total){ 0, 0 };
		for (size_t i = 0; i < c->n; i++) {
			renormalize(state, s, c->origin->options, all ? all : c->rec[i],
				c->mapped ? c->rate[i] : 0, &c->sums[i]);
			c->total.octets += c->sums[i].octets;
			c->total.packets += c->sums[i].packets;
		}
	}
	counts->scaled_octets += c->total.octets;
	counts->scaled_packets += c->total.packets;
	c->origin->stream->unscaled += counts->unscaled - unscaled;
	c->origin->stream->clamped += counts->clamped - clamped;
}

void chunk_prepare(struct chunk *c, struct chunk_state *state, const struct settings *s,
		   const struct flow_origin *origin, const struct flow_record *rec, size_t n)
{
	c->direct = false;
	c->origin = origin;
	c->first = rec;
	state->counts.records += n;
	take_traffic(c, state, s, rec, n);
	if (state->timed)
		take_starts(c);
	take_rates(c, state);
	correct(c, state, s, NULL);
}

/* What is left out by its direction is looked at record by record. */
uint64_t direct_without(const struct settings *s)
{
	const bool all_ways = s->direction == DIRECTION_BOTH && !s->direction_map;

	return FLOW_BIT(flows) | (all_ways ? 0 : FLOW_BIT(direction));
}

size_t chunk_columns(struct chunk *c, const struct chunk_state *state, struct flow_column *to)
{
	const struct flow_column columns[CHUNK_COLUMNS] = {
		{ (uint8_t *)&c->sums[0].octets, sizeof(c->sums[0]), FLOW_octets, false },
		{ (uint8_t *)&c->sums[0].packets, sizeof(c->sums[0]), FLOW_packets, false },
		{ (uint8_t *)c->time_us, sizeof(c->time_us[0]), FLOW_first_us, true },
		{ c->tcp_flags, sizeof(c->tcp_flags[0]), FLOW_tcp_flags, false },
		{ c->direction, sizeof(c->direction[0]), FLOW_direction, true },
	};
	const bool wanted[CHUNK_COLUMNS] = { true, true, state->timed, state->flags, true };
	size_t n = 0;

	for (size_t i = 0; i < CHUNK_COLUMNS; i++)
		if (wanted[i])
			to[n++] = columns[i];
	return n;
}

void chunk_prepare_direct(struct chunk *c, struct chunk_state *state, const struct settings *s,
			  const struct flow_origin *origin, const struct flow_record *all, size_t n)
{
	struct agg_total total = { 0, 0 };

	c->direct = true;
	c->events = 0;
	c->origin = origin;
	c->mapped = false;
	c->n = n;
	state->counts.records += n;
	for (size_t i = 0; i < n; i++) {
		total.octets += c->sums[i].octets;
		total.packets += c->sums[i].packets;
		c->sums[i].flows = 1;
	}
	for (size_t i = 0; state->flags && i < n; i++)
		c->sums[i].tcp_flags = c->tcp_flags[i];
	for (size_t i = 0; state->timed && !flow_has(all, FLOW_first_us) && i < n; i++)
		c->time_us[i] = origin->export_us;
	for (size_t i = 0; flow_has(all, FLOW_direction) && i < n; i++)
		notice_way(state, origin, c->direction[i]);
	c->total = total;
	correct(c, state, s, all);
}

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

/* What the operations of one pass over a chunk see. */
struct pass {
	const struct pipeline *p;
	const struct plugin_maps *maps;
	const struct flow_origin *origin;
	const struct flow_record *const *rec, *first;
	const struct tags *tags;
	const uint32_t *rate;		/* of sampling_map, 0: the record's; NULL: no map */
	/* By side: the entry of the address, or NULL. */
	const struct network *const (*hit)[DECODER_CHUNK];
	size_t n, stride;
	uint8_t *keys;
};

struct op;
typedef void fill_fn(const struct op *op, const struct pass *pass);

struct op {
	fill_fn *fill;
	/*
	 * Where the decoder fills keys: `column` says that it fills this field; `mend` is what is
	 * to be done after it, or instead, and looks at no record.
	 */
	fill_fn *mend;
	bool column;
	uint16_t from;		/* in the record */
	uint8_t field;		/* enum flow_field that stands there; when `column` */
	uint16_t at;		/* in the key, counting the bin */
	uint8_t side;		/* 0 source, 1 destination: whose address, mask, AS */
	uint8_t primitive;
	uint8_t width;		/* of the field */
	uint8_t nelements;	/* of extras, and their numbers */
	uint16_t element[ELEMENTS_MAX];
};

struct pipeline {
	struct key_layout layout;
	struct agg_shape shape;
	struct timebin bins;
	size_t bin_bytes;		/* of a key, in front */
	int64_t bin_cache_step;
	struct op op[SIDES][KEY_FIELDS_MAX];
	size_t nops, sides;
	bool lookup[SIDES];		/* the networks file is asked about that end */
	bool filter_hosts, drop_others, pro_rating;
	bool host_stands[SIDES];	/* the host of that end is in the key */
	bool dst_mask_stands;		/* a primitive that tells the destination's mask is */
	enum net_source net_source, as_source;
	bool no_lpm, no_mask_if_zero, dscp, renormalize, ext_rate, ip_next_hop;
	unsigned networks_mask;
	struct filter *filter;
	struct tag_filter *tag_filter, *tag2_filter;
	struct label_filter *label_filter;
	uint64_t post_tag, post_tag2;
	bool tagged, thins;		/* there is a pre_tag_map or post_tag; there is a filter */
	bool direct;			/* see pipeline_direct() */
	bool mends;			/* some operation has a mend */
	size_t proto_at;		/* in a key, counting the bin; when ports are mended */
	bool events;			/* accounted, too */
	char notice[160];
};

#define OP(name) static void name(const struct op *op, const struct pass *pass)
#define EACH(i, key) \
	uint8_t *key = pass->keys + op->at; \
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

static inline const struct addr *end_of(const struct flow_record *r, unsigned side)
{
	return side ? &r->dst : &r->src;
}

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
 * The next hop that the networks file gives for the destination, else the exporter's.  With
 * nfacctd_net: longest the file's prefix must not be shorter than the exporter's mask, where a
 * primitive tells that mask (else the reference does not look at it).
 */
OP(op_peer_dst)
{
	const struct pipeline *p = pass->p;
	const bool always = p->net_source == NET_FILE || p->no_lpm || !p->dst_mask_stands;

	EACH(i, key) {
		const struct network *hit = pass->hit[1][i];
		const bool files = hit && !addr_is_zero(&hit->next_hop) &&
			(always || prefix_bits(&hit->prefix) >= pass->rec[i]->dst_mask);

		memcpy(key, files ? &hit->next_hop : exported_hop(p, pass->rec[i]), 16);
	}
}

/* The old formats put anything into the ports of protocols that have none. */
static bool has_ports(const struct flow_origin *o, uint8_t proto)
{
	if (o->protocol != PROTO_NETFLOW1 && o->protocol != PROTO_NETFLOW5 &&
	    o->protocol != PROTO_NETFLOW7)
		return true;
	return proto == 6 || proto == 17 || proto == 1 || proto == 58 || proto == 132;
}

OP(op_port)
{
	EACH(i, key) {
		const struct flow_record *r = pass->rec[i];
		uint16_t port;

		memcpy(&port, (const uint8_t *)r + op->from, sizeof(port));
		if (!has_ports(pass->origin, r->proto) ||
		    (pass->maps->ports && !numbers_has(pass->maps->ports, port)))
			port = 0;
		memcpy(key, &port, sizeof(port));
	}
}

/* The same, of a key that the decoder filled; the protocol stands in it, too. */
OP(op_port_in_key)
{
	if (has_ports(pass->origin, 0))
		return;
	EACH(i, key)
		if (!has_ports(pass->origin, pass->keys[i * pass->stride + pass->p->proto_at]))
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
	const struct {
		const void *value;
		size_t width;
	} from[] = {
		[PRIM_EXPORTER] = { &o->exporter, 16 }, [PRIM_ARRIVAL] = { &o->recv_us, 8 },
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

		if (value)
			custom_fill(key, op->width, p->format, value);
		else if (op->primitive >= PRIMITIVES)
			custom_absent(key, p, op->width);
		else
			memset(key, 0, op->width);
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
	[PRIM_RD] = op_element,
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
enum op_when { ALWAYS, HOSTS_FILTERED, AS_FROM_FILE, HOP_OF_IP, HOP_FROM_FILE, SECONDS };

static const struct special_op {
	uint8_t primitive, when;
	fill_fn *fill;
} special_ops[] = {
	{ PRIM_ID_src_host, HOSTS_FILTERED, op_host_filtered },
	{ PRIM_ID_dst_host, HOSTS_FILTERED, op_host_filtered },
	{ PRIM_ID_peer_dst_ip, HOP_OF_IP, op_next_hop },
	{ PRIM_ID_peer_dst_ip, HOP_FROM_FILE, op_peer_dst },
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
			       [SECONDS] = s->timestamps_secs };

	op->fill = format_ops[primitives[op->primitive].format];
	if (!op->fill)
		op->fill = copy_ops[width];
	for (size_t i = 0; i < sizeof(special_ops) / sizeof(special_ops[0]); i++)
		if (special_ops[i].primitive == op->primitive && holds[special_ops[i].when])
			op->fill = special_ops[i].fill;
	if (op->fill == op_host_filtered || op->fill == op_as || op->fill == op_peer_dst ||
	    ((op->fill == op_net || op->fill == op_mask) && (net_file || p->filter_hosts)))
		p->lookup[op->side] = true;
}

static void compile_ops(
	struct pipeline *p, const struct plugin_settings *s, const struct extras_want *extras)
{
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
			op->at = (uint16_t)(f->offset + p->bin_bytes);
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
		p->proto_at = proto->offset + p->bin_bytes;
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

/* collector.md 5.2: a file that would have no effect can only be meant as a filter. */
static void decide_filter(struct pipeline *p, const struct plugin_settings *s)
{
	static const char hosts[] = "src_host dst_host";
	const uint64_t set = s->aggregate.set;
	bool host = false, resolver = false;

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
	p->shape = (struct agg_shape){ (uint16_t)(p->layout.size + p->bin_bytes),
				       ps->aggregate.flows, ps->aggregate.tcpflags };
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
	{ op_element, 0 }, { op_depth, 0 }, { op_vni, 0 }, { op_inside, 0 },
	{ op_next_hop, FLOW_BIT(next_hop) }, { op_peer_dst, FLOW_BIT(next_hop) | FLOW_BIT(dst_mask) },
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

/* ---- a lane ---- */

struct lane {
	const struct pipeline *p;
	const struct plugin_maps *maps;
	struct aggregate *table;
	struct lane_counts counts;
	struct bin_span last, cache[BIN_CACHE];
	/* The chunk at work; of the chunk's own arrays, unless a filter has thinned them out. */
	size_t n;
	const struct flow_record *const *rec;
	const struct sums *sums;
	const struct agg_total *total;
	const uint64_t *time_us;
	const bool *by_flow;
	const uint32_t *rate;			/* of sampling_map, or NULL */
	struct tag_view view;
	struct tags tags[DECODER_CHUNK];	/* by pre_tag_map */
	int64_t bin[DECODER_CHUNK];
	size_t stamped;		/* so many keys, where the decoder fills them, are of bin[0] */
	const struct network *hit[SIDES][DECODER_CHUNK];
	struct chunk kept;			/* what the filter lets through */
	struct sums shares[DECODER_CHUNK];	/* a side's sums, where they are changed */
	uint8_t of[DECODER_CHUNK];		/* by entry of a side: its record */
	uint8_t *keys[SIDES];			/* DECODER_CHUNK of them */
};

struct lane *lane_new(const struct pipeline *p, const struct plugin_maps *maps)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->p = p;
	l->maps = maps;
	l->last = (struct bin_span){ 1, 0 };
	for (size_t side = 0; side < p->sides; side++)
		l->keys[side] = xcalloc(DECODER_CHUNK, p->shape.key_size);
	return l;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	aggregate_free(l->table);
	tag_view_clear(&l->view);
	for (size_t side = 0; side < SIDES; side++)
		free(l->keys[side]);
	free(l);
}

const struct lane_counts *lane_counts(const struct lane *l)
{
	return &l->counts;
}

size_t lane_columns(const struct lane *l, struct flow_column *to)
{
	size_t n = 0;

	for (size_t side = 0; side < l->p->sides; side++) {
		for (size_t i = 0; i < l->p->nops; i++) {
			const struct op *op = &l->p->op[side][i];

			if (op->column)
				to[n++] = (struct flow_column){ l->keys[side] + op->at,
					l->p->shape.key_size, op->field, false };
		}
	}
	return n;
}

struct aggregate *lane_swap(struct lane *l, struct aggregate *table)
{
	struct aggregate *before = l->table;

	if (before) {
		l->counts.taken_octets += aggregate_counts(before)->octets;
		l->counts.taken_packets += aggregate_counts(before)->packets;
	}
	l->table = table;
	return before;
}

struct aggregate *lane_table(const struct lane *l)
{
	return l->table;
}

void lane_set_maps(struct lane *l, const struct plugin_maps *maps)
{
	l->maps = maps;
}

/* Calendars are slow and flows of a minute lie in two or three bins. */
static struct bin_span bin_of(struct lane *l, int64_t t)
{
	struct bin_span *b;

	if (t >= l->last.start && t < l->last.end)
		return l->last;
	b = &l->cache[(uint64_t)(t / l->p->bin_cache_step) % BIN_CACHE];
	if (t < b->start || t >= b->end)
		*b = timebin_find(&l->p->bins, t);
	return l->last = *b;
}

/* What pre_tag_map says; post_tag goes before it, though filters see the map's. */
static void take_tags(struct lane *l, const struct chunk *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (l->maps->tags)
			tagmap_find(l->maps->tags, &l->view, c->origin, c->rec[i], &l->tags[i]);
		else
			memset(&l->tags[i], 0, sizeof(l->tags[i]));
	}
}

static void post_tag(struct lane *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->p->post_tag)
			l->tags[i].tag = l->p->post_tag;
		if (l->p->post_tag2)
			l->tags[i].tag2 = l->p->post_tag2;
	}
}

static bool passes(const struct lane *l, const struct flow_record *r, const struct tags *t)
{
	const struct pipeline *p = l->p;

	return (!p->tag_filter || tag_filter_passes(p->tag_filter, p->tagged ? t->tag : 0)) &&
		(!p->tag2_filter || tag_filter_passes(p->tag2_filter, p->tagged ? t->tag2 : 0)) &&
		(!p->label_filter ||
			label_filter_passes(p->label_filter, p->tagged ? t->label : 0)) &&
		(!p->filter || filter_match(p->filter, r));
}

static unsigned bits_set(uint64_t v)
{
	return (unsigned)__builtin_popcountll(v);
}

/* `left_out`: bit i: record i is none of this lane's. */
static void thin_out(struct lane *l, const struct chunk *c, uint64_t left_out)
{
	struct chunk *k = &l->kept;

	k->n = 0;
	k->total = (struct agg_total){ 0, 0 };
	for (size_t i = 0; i < c->n; i++) {
		if ((left_out >> i & 1) || !passes(l, c->rec[i], &l->tags[i]))
			continue;
		l->tags[k->n] = l->tags[i];
		k->rate[k->n] = c->rate[i];
		k->rec[k->n] = c->rec[i];
		k->time_us[k->n] = c->time_us[i];
		k->by_flow[k->n] = c->by_flow[i];
		k->total.octets += c->sums[i].octets;
		k->total.packets += c->sums[i].packets;
		k->sums[k->n++] = c->sums[i];
	}
	l->counts.filtered += c->n - k->n - bits_set(left_out);
}

static void take_chunk(struct lane *l, const struct chunk *c)
{
	const uint64_t left_out = l->p->events ? 0 : c->events;

	l->counts.records += c->n - bits_set(left_out);
	l->counts.events += bits_set(c->events & ~left_out);
	if (l->p->tagged)
		take_tags(l, c);
	l->rate = c->mapped ? c->rate : NULL;
	if (l->p->thins || left_out) {
		thin_out(l, c, left_out);
		l->rate = c->mapped ? l->kept.rate : NULL;
		c = &l->kept;
	}
	l->n = c->n;
	l->rec = c->rec;
	l->sums = c->sums;
	l->total = &c->total;
	l->time_us = c->time_us;
	l->by_flow = c->by_flow;
	if (l->p->post_tag || l->p->post_tag2)
		post_tag(l);
}

static void look_up(struct lane *l)
{
	for (unsigned side = 0; side < SIDES; side++)
		for (size_t i = 0; l->p->lookup[side] && i < l->n; i++)
			l->hit[side][i] = networks_find(l->maps->networks, end_of(l->rec[i], side));
}

/* Of keys number `from` on.  An empty key's eight bytes were zero from the start and stay so. */
static void fill_bins(struct lane *l, size_t side, size_t from)
{
	const size_t stride = l->p->shape.key_size;

	for (size_t i = from; i < l->n; i++)
		memcpy(l->keys[side] + i * stride, &l->bin[i], sizeof(l->bin[i]));
}

static void fill_keys(struct lane *l, const struct chunk *c, size_t side)
{
	const size_t stride = l->p->shape.key_size;
	const struct pass pass = {
		.p = l->p,
		.maps = l->maps,
		.origin = c->origin,
		.rec = l->rec,
		.first = c->first,
		.tags = l->p->tagged ? l->tags : NULL,
		.rate = l->rate,
		.n = l->n,
		.stride = stride,
		.keys = l->keys[side],
		.hit = (const struct network *const(*)[DECODER_CHUNK])l->hit,
	};

	for (size_t k = 0; k < l->p->nops; k++) {
		const struct op *op = &l->p->op[side][k];
		fill_fn *const fill = c->direct ? op->mend : op->fill;

		if (fill)
			fill(op, &pass);
	}
}

/* True when a host or net of record i that the key of this side holds lies inside networks_file. */
static bool is_ours(const struct lane *l, size_t side, size_t i)
{
	for (size_t k = 0; k < l->p->nops; k++) {
		const struct op *op = &l->p->op[side][k];

		if ((op->fill == op_host_filtered || op->fill == op_net) && l->hit[op->side][i])
			return true;
	}
	return false;
}

/* networks_drop_others: take out the entries of which no end is ours; how many are left. */
static size_t drop_others(struct lane *l, size_t side)
{
	const size_t stride = l->p->shape.key_size;
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (is_ours(l, side, i)) {
			memmove(l->keys[side] + kept * stride, l->keys[side] + i * stride, stride);
			l->of[kept] = (uint8_t)i;
			l->shares[kept++] = l->sums[i];
			continue;
		}
		l->counts.others++;
		l->counts.others_octets += l->sums[i].octets;
		l->counts.others_packets += l->sums[i].packets;
	}
	return kept;
}

/* ---- pro-rating ---- */

struct fraction {
	uint64_t rest;
	size_t part;
};

static int larger_rest(const void *x, const void *y)
{
	const struct fraction *a = x, *b = y;

	if (a->rest != b->rest)
		return a->rest < b->rest ? 1 : -1;
	return a->part > b->part ? 1 : -1;
}

void share_out(uint64_t total, const uint64_t *weight, uint64_t all, uint64_t *share, size_t n)
{
	struct fraction rest[SPREAD_MAX];
	uint64_t left = total;

	for (size_t i = 0; i < n; i++) {
		u128 product = (u128)total * weight[i];

		share[i] = (uint64_t)(product / all);
		rest[i] = (struct fraction){ (uint64_t)(product % all), i };
		left -= share[i];
	}
	if (left)
		qsort(rest, n, sizeof(rest[0]), larger_rest);
	for (size_t i = 0; i < left; i++)
		share[rest[i].part]++;
}

/* Microseconds of [first, last) in each bin it touches; 0 when there are more than fit. */
static size_t overlaps(struct lane *l, uint64_t first, uint64_t last, int64_t *bin,
		       uint64_t *weight)
{
	size_t n = 0;

	for (uint64_t at = first; at < last; n++) {
		struct bin_span b = bin_of(l, (int64_t)(at / 1000000));
		uint64_t end = (uint64_t)b.end * 1000000;

		if (n == SPREAD_MAX)
			return 0;
		bin[n] = b.start;
		weight[n] = (end < last ? end : last) - at;
		at += weight[n];
	}
	return n;
}

/* Entry e covers several bins: leave it the first share, book the others at once. */
static void spread(struct lane *l, size_t side, const struct flow_record *r, size_t e)
{
	const size_t stride = l->p->shape.key_size;
	int64_t bin[SPREAD_MAX];
	uint64_t weight[SPREAD_MAX], octets[SPREAD_MAX], packets[SPREAD_MAX];
	uint8_t key[KEY_BYTES_MAX + 8];
	struct sums part = l->shares[e];
	size_t n = overlaps(l, r->first_us, r->last_us, bin, weight);

	if (n == 0)
		l->counts.not_spread++;
	if (n < 2)
		return;
	l->counts.spread++;
	share_out(part.octets, weight, r->last_us - r->first_us, octets, n);
	share_out(part.packets, weight, r->last_us - r->first_us, packets, n);
	memcpy(key, l->keys[side] + e * stride, stride);
	l->shares[e].octets = octets[0];
	l->shares[e].packets = packets[0];
	part.flows = 0;		/* one flow, counted where it began */
	for (size_t i = 1; i < n; i++) {
		memcpy(key, &bin[i], sizeof(bin[i]));
		part.octets = octets[i];
		part.packets = packets[i];
		if (part.octets || part.packets)
			aggregate_add(l->table, key, &part, 1);
	}
}

static void spread_all(struct lane *l, size_t side, size_t entries)
{
	for (size_t e = 0; e < entries; e++) {
		const size_t i = l->of[e];
		const struct flow_record *r = l->rec[i];

		if (l->by_flow[i] && flow_has(r, FLOW_first_us) && flow_has(r, FLOW_last_us) &&
		    r->last_us > r->first_us)
			spread(l, side, r, e);
	}
}

/* One side's entries into the table. */
static void book(struct lane *l, const struct chunk *c, size_t side)
{
	size_t entries = l->n;

	if (l->p->bins.kind != BIN_NONE)
		fill_bins(l, side, 0);
	fill_keys(l, c, side);
	if (!l->p->drop_others && !l->p->pro_rating) {
		aggregate_add_total(l->table, l->keys[side], l->sums, entries, l->total);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		l->of[i] = (uint8_t)i;
		l->shares[i] = l->sums[i];
	}
	if (l->p->drop_others)
		entries = drop_others(l, side);
	if (l->p->pro_rating)
		spread_all(l, side, entries);
	aggregate_add(l->table, l->keys[side], l->shares, entries);
}

bool lane_events(const struct lane *l)
{
	return l->p->events;
}

bool lane_timed(const struct lane *l)
{
	return l->p->bins.kind != BIN_NONE;
}

/* True when all of the chunk are in one bin, the earliest's. */
static bool one_bin(struct lane *l, const struct chunk *c, int64_t *start)
{
	const struct bin_span first = bin_of(l, (int64_t)(c->earliest_us / 1000000));

	*start = first.start;
	return (int64_t)(c->latest_us / 1000000) < first.end;
}

/* `c`: the whole chunk, of which a filter may have left less. */
static void find_bins(struct lane *l, const struct chunk *c)
{
	int64_t start;
	const bool one = one_bin(l, c, &start);

	l->stamped = 0;
	for (size_t i = 0; i < l->n; i++)
		l->bin[i] = one ? start : bin_of(l, (int64_t)(l->time_us[i] / 1000000)).start;
}

/* The keys of most datagrams are of the bin that those of the one before were of. */
static void stamp_keys(struct lane *l, const struct chunk *c)
{
	const size_t stamped = l->stamped;
	const int64_t last = l->bin[0];
	size_t from = 0;
	int64_t start;

	if (stamped && one_bin(l, c, &start) && start == last) {
		if (stamped >= l->n)
			return;
		from = stamped;
	}
	l->time_us = c->time_us;
	find_bins(l, c);
	for (size_t side = 0; side < l->p->sides; side++)
		fill_bins(l, side, from);
	if (one_bin(l, c, &start))
		l->stamped = l->n;
}

static void count_entries(struct lane *l)
{
	const uint64_t sides = l->p->sides;

	l->counts.octets += l->total->octets * sides;
	l->counts.packets += l->total->packets * sides;
	l->counts.entries += l->n * sides;
}

/* The keys are there, but for what the decoder does not know. */
static void run_direct(struct lane *l, const struct chunk *c)
{
	l->counts.records += c->n;
	l->n = c->n;
	l->total = &c->total;
	if (l->p->bins.kind != BIN_NONE)
		stamp_keys(l, c);
	count_entries(l);
	if (l->p->tagged) {
		take_tags(l, c);
		post_tag(l);
	}
	for (size_t side = 0; side < l->p->sides; side++) {
		if (l->p->mends)
			fill_keys(l, c, side);
		aggregate_add_total(l->table, l->keys[side], c->sums, c->n, &c->total);
	}
}

void lane_run(struct lane *l, const struct chunk *c)
{
	if (c->direct) {
		run_direct(l, c);
		return;
	}
	take_chunk(l, c);
	if (!l->n)
		return;
	look_up(l);
	if (l->p->bins.kind != BIN_NONE)
		find_bins(l, c);
	count_entries(l);
	for (size_t side = 0; side < l->p->sides; side++)
		book(l, c, side);
}
