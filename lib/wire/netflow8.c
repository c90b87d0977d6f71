/*
 * netflow8.c - fourteen record layouts as rows of (member, offset, width).
 *
 * v8 carries sums that a router has made already: few records, no hot loop, so
 * a record is a walk over its rows in both directions and no offset stands in
 * code.  Where the world disagrees about an order, `orders` says which rows
 * trade places.
 */
#include "netflow8.h"
#include "uptime.h"

enum { FIELDS_MAX = 16, AS_TRANS = 23456 };

struct field {
	uint8_t member;		/* enum flow_field */
	uint8_t at, width;	/* width 0 ends the row */
};

struct method {
	const char *name;
	uint8_t size;		/* octets of a record */
	uint8_t swap;		/* the dialect that changes this layout, NETFLOW8_*; 0: none does */
	struct field fields[FIELDS_MAX];
};

#define F(member, at, width) { FLOW_##member, at, width }
/* How methods 1-5 and 9-14 begin. */
#define COMMON F(flows, 0, 4), F(packets, 4, 4), F(octets, 8, 4), F(first_us, 12, 4), \
	F(last_us, 16, 4)

static const struct method methods[NETFLOW8_METHODS + 1] = {
	[1] = { "AS", 28, 0, { COMMON,
		F(src_as, 20, 2), F(dst_as, 22, 2), F(in_if, 24, 2), F(out_if, 26, 2) } },
	[2] = { "protocol and port", 28, 0, { COMMON,
		F(proto, 20, 1), F(src_port, 24, 2), F(dst_port, 26, 2) } },
	[3] = { "source prefix", 32, 0, { COMMON,
		F(src, 20, 4), F(src_mask, 24, 1), F(src_as, 26, 2), F(in_if, 28, 2) } },
	[4] = { "destination prefix", 32, 0, { COMMON,
		F(dst, 20, 4), F(dst_mask, 24, 1), F(dst_as, 26, 2), F(out_if, 28, 2) } },
	[5] = { "prefix matrix", 40, NETFLOW8_DST_MASK_FIRST, { COMMON,
		F(src, 20, 4), F(dst, 24, 4), F(src_mask, 28, 1), F(dst_mask, 29, 1),
		F(src_as, 32, 2), F(dst_as, 34, 2), F(in_if, 36, 2), F(out_if, 38, 2) } },
	/* The Catalyst schemes: no flow count, destination before source; "extra packets",
	 * marked tos and the bypassed router are nobody's members. */
	[6] = { "Catalyst destination", 32, 0, {
		F(dst, 0, 4), F(packets, 4, 4), F(octets, 8, 4), F(first_us, 12, 4),
			F(last_us, 16, 4),
		F(out_if, 20, 2), F(tos, 22, 1) } },
	[7] = { "Catalyst source and destination", 40, 0, {
		F(dst, 0, 4), F(src, 4, 4), F(packets, 8, 4), F(octets, 12, 4), F(first_us, 16, 4),
		F(last_us, 20, 4), F(out_if, 24, 2), F(in_if, 26, 2), F(tos, 28, 1) } },
	[8] = { "Catalyst full flow", 44, 0, {
		F(dst, 0, 4), F(src, 4, 4), F(dst_port, 8, 2), F(src_port, 10, 2),
			F(packets, 12, 4),
		F(octets, 16, 4), F(first_us, 20, 4), F(last_us, 24, 4), F(out_if, 28, 2),
			F(in_if, 30, 2),
		F(tos, 32, 1), F(proto, 33, 1) } },
	[9] = { "AS and tos", 32, NETFLOW8_TOS_FIRST, { COMMON,
		F(src_as, 20, 2), F(dst_as, 22, 2), F(in_if, 24, 2), F(out_if, 26, 2),
			F(tos, 28, 1) } },
	[10] = { "protocol, port and tos", 32, 0, { COMMON,
		F(proto, 20, 1), F(tos, 21, 1), F(src_port, 24, 2), F(dst_port, 26, 2),
			F(in_if, 28, 2),
		F(out_if, 30, 2) } },
	[11] = { "source prefix and tos", 32, 0, { COMMON,
		F(src, 20, 4), F(src_mask, 24, 1), F(tos, 25, 1), F(src_as, 26, 2),
			F(in_if, 28, 2) } },
	[12] = { "destination prefix and tos", 32, 0, { COMMON,
		F(dst, 20, 4), F(dst_mask, 24, 1), F(tos, 25, 1), F(dst_as, 26, 2),
			F(out_if, 28, 2) } },
	[13] = { "prefix matrix and tos", 40, NETFLOW8_DST_MASK_FIRST, { COMMON,
		F(src, 20, 4), F(dst, 24, 4), F(src_mask, 28, 1), F(dst_mask, 29, 1), F(tos, 30, 1),
		F(src_as, 32, 2), F(dst_as, 34, 2), F(in_if, 36, 2), F(out_if, 38, 2) } },
	[14] = { "prefix, port and tos", 40, NETFLOW8_DST_MASK_FIRST, { COMMON,
		F(src, 20, 4), F(dst, 24, 4), F(src_mask, 28, 1), F(dst_mask, 29, 1), F(tos, 30, 1),
		F(proto, 31, 1), F(src_port, 32, 2), F(dst_port, 34, 2), F(in_if, 36, 2),
			F(out_if, 38, 2) } },
};

/* Where a member stands in the other dialect. */
static const struct {
	uint8_t dialect;
	struct field field;
} orders[] = {
	{ NETFLOW8_DST_MASK_FIRST, F(dst_mask, 28, 1) },
	{ NETFLOW8_DST_MASK_FIRST, F(src_mask, 29, 1) },
	{ NETFLOW8_TOS_FIRST, F(tos, 24, 1) },
	{ NETFLOW8_TOS_FIRST, F(in_if, 28, 2) },
	{ NETFLOW8_TOS_FIRST, F(out_if, 30, 2) },
};

static const struct method *find_method(unsigned method)
{
	return method && method <= NETFLOW8_METHODS ? &methods[method] : NULL;
}

size_t netflow8_record_size(unsigned method)
{
	const struct method *t = find_method(method);

	return t ? t->size : 0;
}

uint64_t netflow8_members(unsigned method)
{
	const struct method *t = find_method(method);
	uint64_t members = 0;

	for (size_t i = 0; t && i < FIELDS_MAX && t->fields[i].width; i++)
		members |= UINT64_C(1) << t->fields[i].member;
	return members;
}

size_t netflow8_first_at(unsigned method)
{
	const struct method *t = find_method(method);

	for (size_t i = 0; t && i < FIELDS_MAX && t->fields[i].width; i++)
		if (t->fields[i].member == FLOW_first_us)
			return t->fields[i].at;
	return 0;
}

const char *netflow8_method_name(unsigned method)
{
	const struct method *t = find_method(method);

	return t ? t->name : "unknown";
}

/* The rows of m->method in m->dialect. */
static size_t layout(const struct netflow8_msg *m, struct field out[static FIELDS_MAX])
{
	const struct method *t = &methods[m->method];
	size_t n = 0;

	for (; n < FIELDS_MAX && t->fields[n].width; n++) {
		out[n] = t->fields[n];
		for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
			if (orders[i].dialect & t->swap & m->dialect &&
				orders[i].field.member == out[n].member)
				out[n] = orders[i].field;
	}
	return n;
}

enum wire_err netflow8_parse(struct netflow8_msg *m, struct bytes dgram)
{
	const uint8_t *p = dgram.p;
	size_t need;

	if (dgram.n < 2)
		return WIRE_SHORT;
	if (be16(p) != 8)
		return WIRE_VERSION;
	if (dgram.n < NETFLOW8_HEADER)
		return WIRE_SHORT;
	*m = (struct netflow8_msg){
		.count = be16(p + 2),
		.uptime_ms = be32(p + 4),
		.export_s = be32(p + 8),
		.export_ns = be32(p + 12),
		.sequence = be32(p + 16),
		.engine_type = p[20],
		.engine_id = p[21],
		.method = p[22],
		.agg_version = p[23],
	};
	if (!find_method(m->method))
		return WIRE_VERSION;
	need = m->count * netflow8_record_size(m->method);
	if (dgram.n - NETFLOW8_HEADER < need)
		return WIRE_COUNT;
	m->records = (struct bytes){ p + NETFLOW8_HEADER, need };
	m->trailing = dgram.n - NETFLOW8_HEADER - need;
	return WIRE_OK;
}

static uint64_t export_us(const struct netflow8_msg *m)
{
	return (uint64_t)m->export_s * 1000000 + m->export_ns / 1000;
}

static struct addr *address_member(struct flow_record *r, uint8_t member)
{
	return member == FLOW_src ? &r->src : member == FLOW_dst ? &r->dst : NULL;
}

static void read_field(const struct netflow8_msg *m, const uint8_t *p, struct field f,
	struct flow_record *r)
{
	struct addr *a = address_member(r, f.member);
	uint64_t v = be_any(p + f.at, f.width);

	if (a) {
		*a = addr_from4(p + f.at);
		r->present |= UINT64_C(1) << f.member;
		return;
	}
	if (f.member == FLOW_first_us || f.member == FLOW_last_us)
		v = uptime_to_us((uint32_t)v, m->uptime_ms, export_us(m),
				 m->uptime_is_seconds ? 1000000 : 1000);
	flow_set(r, (enum flow_field)f.member, v);
}

size_t netflow8_records(const struct netflow8_msg *m, size_t from, struct flow_record *out,
	size_t cap)
{
	const size_t size = netflow8_record_size(m->method);
	struct field fields[FIELDS_MAX];
	size_t n, nfields;

	if (!size || from >= m->count)
		return 0;
	n = m->count - from < cap ? m->count - from : cap;
	nfields = layout(m, fields);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = m->records.p + (from + i) * size;

		out[i] = flow_record_empty;
		for (size_t f = 0; f < nfields; f++)
			read_field(m, p, fields[f], &out[i]);
	}
	return n;
}

/* ---- writing -------------------------------------------------------------- */

/*
 * What goes into the record; a record without a time says the header's, without `flows`
 * stands for one.
 */
static uint64_t wire_value(const struct netflow8_msg *m, const struct flow_record *r,
	uint8_t member)
{
	uint64_t v = flow_get(r, (enum flow_field)member);
	bool has = flow_has(r, (enum flow_field)member);

	switch (member) {
	case FLOW_src:
		return addr_host4(&r->src);
	case FLOW_dst:
		return addr_host4(&r->dst);
	case FLOW_first_us:
	case FLOW_last_us:
		return has ? uptime_from_us(v, m->uptime_ms, export_us(m)) : m->uptime_ms;
	case FLOW_src_as:
	case FLOW_dst_as:
		return v > UINT16_MAX ? AS_TRANS : v;
	case FLOW_flows:
		return has ? v : 1;
	}
	return v;
}

static void put_header(struct cursor *c, const struct netflow8_msg *m, size_t n)
{
	put16(c, 8);
	put16(c, (uint16_t)n);
	put32(c, m->uptime_ms);
	put32(c, m->export_s);
	put32(c, m->export_ns);
	put32(c, m->sequence);
	put8(c, m->engine_type);
	put8(c, m->engine_id);
	put8(c, m->method);
	put8(c, m->agg_version);
	put32(c, 0);
}

void netflow8_put(struct cursor *c, const struct netflow8_msg *m, const struct flow_record *rec,
	size_t n)
{
	const size_t size = netflow8_record_size(m->method);
	struct field fields[FIELDS_MAX];
	size_t nfields;

	if (!size || n > UINT16_MAX) {
		c->full = true;		/* nothing that this format could hold */
		return;
	}
	nfields = layout(m, fields);
	put_header(c, m, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = cursor_take(c, size);

		if (!p)
			return;
		memset(p, 0, size);
		for (size_t f = 0; f < nfields; f++) {
			struct cursor at = cursor(p + fields[f].at, fields[f].width);

			put_any(&at, wire_value(m, &rec[i], fields[f].member), fields[f].width);
		}
	}
}

bool netflow8_fits(unsigned method, const struct flow_record *r)
{
	const struct method *t = find_method(method);

	if (!t || !addr_is4(&r->src) || !addr_is4(&r->dst))
		return false;
	for (const struct field *f = t->fields; f < t->fields + FIELDS_MAX && f->width; f++) {
		enum flow_field m = (enum flow_field)f->member;

		if (m == FLOW_first_us || m == FLOW_last_us || m == FLOW_src_as || m == FLOW_dst_as)
			continue;	/* times wrap, AS numbers have AS_TRANS */
		if (flow_get(r, m) >> 8 * f->width)
			return false;
	}
	return true;
}
