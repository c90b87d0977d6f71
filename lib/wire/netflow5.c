/*
 * netflow5.c - v1, v5 and v7.
 *
 * All three agree on octets 0 to 35 of a record and on protocol and tos; what
 * differs is a row of `layouts`.  The loop over records is written out and not
 * driven by a table of fields: it is the hottest one of the collector.
 */
#include "netflow5.h"
#include "uptime.h"

enum { V1_RECORD_LONG = 52, AS_TRANS = 23456 };

#define COMMON (FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop) | FLOW_BIT(in_if) | \
	FLOW_BIT(out_if) | FLOW_BIT(packets) | FLOW_BIT(octets) | FLOW_BIT(first_us) | \
	FLOW_BIT(last_us) | FLOW_BIT(src_port) | FLOW_BIT(dst_port) | FLOW_BIT(proto) | \
	FLOW_BIT(tos) | FLOW_BIT(tcp_flags))
#define SCALING (FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den))
/* Members that are set together, or not at all where none of them is asked for. */
#define SUMS (FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(packets) | FLOW_BIT(octets) | FLOW_BIT(tcp_flags) | SCALING)
#define TIMES (FLOW_BIT(first_us) | FLOW_BIT(last_us))
#define ENDS (FLOW_BIT(in_if) | FLOW_BIT(out_if) | FLOW_BIT(src_port) | FLOW_BIT(dst_port) | \
	FLOW_BIT(proto) | FLOW_BIT(tos))
#define ROUTING (FLOW_BIT(src_as) | FLOW_BIT(dst_as) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask))

struct layout {
	uint16_t version;
	uint8_t header, record;
	uint8_t tcp_flags;	/* v1 has them behind tos, v5 and v7 before the protocol */
	bool routing;		/* AS numbers at 40 and 42, masks at 44 and 45 */
	uint64_t present;
};

static const struct layout layouts[] = {
	{ 1, 16, 48, 40, false, COMMON },
	{ 5, NETFLOW5_HEADER, NETFLOW5_RECORD, 37, true, COMMON | ROUTING },
	{ 7, NETFLOW5_HEADER, 52, 37, true, COMMON | ROUTING },
};

static const struct layout *find_layout(uint16_t version)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].version == version)
			return &layouts[i];
	return NULL;
}

size_t netflow5_header_size(uint16_t version)
{
	const struct layout *l = find_layout(version);

	return l ? l->header : 0;
}

size_t netflow5_record_size(uint16_t version)
{
	const struct layout *l = find_layout(version);

	return l ? l->record : 0;
}

static void parse_header(struct netflow5_msg *m, const uint8_t *p)
{
	*m = (struct netflow5_msg){
		.version = be16(p),
		.count = be16(p + 2),
		.uptime_ms = be32(p + 4),
		.export_s = be32(p + 8),
		.export_ns = be32(p + 12),
	};
	if (m->version == 1)
		return;
	m->sequence = be32(p + 16);
	if (m->version != 5)
		return;		/* v7 has four reserved octets here */
	m->engine_type = p[20];
	m->engine_id = p[21];
	m->sampling = be16(p + 22);
}

enum wire_err netflow5_parse(struct netflow5_msg *m, struct bytes dgram)
{
	const struct layout *l;
	size_t left, record, need;

	if (dgram.n < 2)
		return WIRE_SHORT;
	l = find_layout(be16(dgram.p));
	if (!l)
		return WIRE_VERSION;
	if (dgram.n < l->header)
		return WIRE_SHORT;
	parse_header(m, dgram.p);
	left = dgram.n - l->header;
	record = l->record;
	if (l->version == 1 && left == (size_t)m->count * V1_RECORD_LONG)
		record = V1_RECORD_LONG;
	need = m->count * record;
	if (left < need)
		return WIRE_COUNT;
	m->records = (struct bytes){ dgram.p + l->header, need };
	m->trailing = left - need;
	return WIRE_OK;
}

static uint64_t export_us(const struct netflow5_msg *m)
{
	return (uint64_t)m->export_s * 1000000 + m->export_ns / 1000;
}

uint64_t netflow5_members(const struct netflow5_msg *m, uint64_t wanted)
{
	static const uint64_t groups[] = { TIMES, ENDS, ROUTING, FLOW_BIT(next_hop) };
	const struct layout *l = find_layout(m->version);
	uint64_t members = SUMS;

	if (!l)
		return 0;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i] & wanted)
			members |= groups[i];
	return members & (l->present | SCALING);
}

size_t netflow5_records(const struct netflow5_msg *m, size_t from, struct flow_record *out,
	size_t cap)
{
	for (size_t i = 0; i < cap && from + i < m->count; i++)
		out[i] = flow_record_empty;
	return netflow5_fill(m, from, out, cap, UINT64_MAX);
}

size_t netflow5_fill(const struct netflow5_msg *m, size_t from, struct flow_record *out,
	size_t cap, uint64_t wanted)
{
	const struct layout *l = find_layout(m->version);
	const bool times = wanted & TIMES, ends = wanted & ENDS, hop = wanted & FLOW_BIT(next_hop),
		   routing = l && l->routing && wanted & ROUTING;
	const uint64_t at_us = export_us(m);
	const int64_t tick_us = m->uptime_is_seconds ? 1000000 : 1000;
	const uint32_t interval = netflow5_interval(m);
	uint64_t present;
	size_t n, stride;
	const uint8_t *p;

	if (!l || from >= m->count)
		return 0;
	n = m->count - from < cap ? m->count - from : cap;
	stride = m->records.n / m->count;
	present = l->present;
	if (interval)
		present |= SCALING;
	p = m->records.p + from * stride;
	for (size_t i = 0; i < n; i++, p += stride) {
		struct flow_record *r = &out[i];

		r->present = present;
		r->sampling_num = interval;
		r->sampling_den = interval != 0;
		r->src = addr_from4(p);
		r->dst = addr_from4(p + 4);
		r->packets = be32(p + 16);
		r->octets = be32(p + 20);
		r->tcp_flags = p[l->tcp_flags];
		if (hop)
			r->next_hop = addr_from4(p + 8);
		if (times) {
			r->first_us = uptime_to_us(be32(p + 24), m->uptime_ms, at_us, tick_us);
			r->last_us = uptime_to_us(be32(p + 28), m->uptime_ms, at_us, tick_us);
		}
		if (ends) {
			r->in_if = be16(p + 12);
			r->out_if = be16(p + 14);
			r->src_port = be16(p + 32);
			r->dst_port = be16(p + 34);
			r->proto = p[38];
			r->tos = p[39];
		}
		if (!routing)
			continue;
		r->src_as = be16(p + 40);
		r->dst_as = be16(p + 42);
		r->src_mask = p[44];
		r->dst_mask = p[45];
	}
	return n;
}

/* Elements that mean the same, in their order; 210 is padding. */
bool netflow5_plan(struct plan *p, uint16_t version)
{
	static const struct {
		uint8_t id, len;
	} common[] = { { 8, 4 }, { 12, 4 }, { 15, 4 }, { 10, 2 }, { 14, 2 }, { 2, 4 }, { 1, 4 },
		{ 22, 4 }, { 21, 4 }, { 7, 2 }, { 11, 2 } },
	  v1[] = { { 210, 2 }, { 4, 1 }, { 5, 1 }, { 6, 1 }, { 210, 7 } },
	  v5[] = { { 210, 1 }, { 6, 1 }, { 4, 1 }, { 5, 1 }, { 16, 2 }, { 17, 2 }, { 9, 1 },
		{ 13, 1 }, { 210, 2 } };
	struct template_def def = { .version = 9, .id = version };
	const struct layout *l = find_layout(version);
	size_t len = 0;

	if (!l)
		return false;
#define ADD(list) \
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) { \
		def.fields[def.nfields++] = (struct field_spec){ 0, list[i].id, list[i].len }; \
		len += list[i].len; \
	}
	ADD(common)
	if (l->routing)
		ADD(v5)
	else
		ADD(v1)
#undef ADD
	/* v7 has a router's address behind it all. */
	def.fields[def.nfields++] = (struct field_spec){ 0, 210, (uint16_t)(l->record - len) };
	return plan_compile(p, &def, NULL) == WIRE_OK;
}

struct plan_time netflow5_time(const struct netflow5_msg *m)
{
	return (struct plan_time){ .at_us = export_us(m),
		.uptime = m->uptime_ms,
		.tick_us = m->uptime_is_seconds ? 1000000 : 1000,
		.has_uptime = true };
}

/* ---- writing -------------------------------------------------------------- */

static uint32_t put_as(uint32_t as)
{
	return as > UINT16_MAX ? AS_TRANS : as;
}

static void put_header(struct cursor *c, const struct netflow5_msg *m, size_t n)
{
	put16(c, m->version);
	put16(c, (uint16_t)n);
	put32(c, m->uptime_ms);
	put32(c, m->export_s);
	put32(c, m->export_ns);
	if (m->version == 1)
		return;
	put32(c, m->sequence);
	if (m->version == 5) {
		put8(c, m->engine_type);
		put8(c, m->engine_id);
		put16(c, m->sampling);
	} else {
		put32(c, 0);
	}
}

/* A record that says no time says the header's, which moves it into no other bin. */
static inline uint32_t uptime_of(const struct flow_record *r, enum flow_field f, uint64_t when_us,
				 uint32_t uptime_ms, uint64_t at_us)
{
	return flow_has(r, f) ? uptime_from_us(when_us, uptime_ms, at_us) : uptime_ms;
}

static void put_record(uint8_t *p, const struct layout *l, const struct flow_record *r,
		       uint32_t uptime_ms, uint64_t at_us)
{
	memset(p + 36, 0, l->record - 36u);
	memcpy(p, r->src.b + 12, 4);
	memcpy(p + 4, r->dst.b + 12, 4);
	memcpy(p + 8, r->next_hop.b + 12, 4);
	patch16(p + 12, r->in_if);
	patch16(p + 14, r->out_if);
	patch32(p + 16, r->packets);
	patch32(p + 20, r->octets);
	patch32(p + 24, uptime_of(r, FLOW_first_us, r->first_us, uptime_ms, at_us));
	patch32(p + 28, uptime_of(r, FLOW_last_us, r->last_us, uptime_ms, at_us));
	patch16(p + 32, r->src_port);
	patch16(p + 34, r->dst_port);
	p[38] = r->proto;
	p[39] = r->tos;
	p[l->tcp_flags] = r->tcp_flags;
	if (!l->routing)
		return;
	patch16(p + 40, put_as(r->src_as));
	patch16(p + 42, put_as(r->dst_as));
	p[44] = r->src_mask;
	p[45] = r->dst_mask;
}

void netflow5_put(struct cursor *c, const struct netflow5_msg *m, const struct flow_record *rec,
	size_t n)
{
	const struct layout *l = find_layout(m->version);
	const uint64_t at_us = export_us(m);

	if (!l || n > UINT16_MAX) {
		c->full = true;		/* nothing that this format could hold */
		return;
	}
	put_header(c, m, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = cursor_take(c, l->record);

		if (!p)
			return;
		put_record(p, l, &rec[i], m->uptime_ms, at_us);
	}
}

bool netflow5_fits(uint16_t version, const struct flow_record *r)
{
	return find_layout(version) && addr_is4(&r->src) && addr_is4(&r->dst) &&
		addr_is4(&r->next_hop) && r->octets <= UINT32_MAX && r->packets <= UINT32_MAX &&
		r->in_if <= UINT16_MAX && r->out_if <= UINT16_MAX &&
		(!flow_has(r, FLOW_flows) || r->flows == 1);
}
