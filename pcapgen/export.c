/*
 * export.c - one exporter of a scenario; a row of `formats` per protocol.
 */
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "pcapgen/export.h"
#include "wire/cursor.h"
#include "wire/flowset.h"
#include "wire/netflow5.h"
#include "wire/netflow8.h"
#include "wire/sflow.h"

enum {
	TEMPLATE_V4 = 256, TEMPLATE_V6, TEMPLATE_OPTIONS,
	FIELDS_MAX = 24,
	AS_TRANS = 23456,	/* RFC 6793: an AS number that two octets cannot say */
	SAMPLER_ID = 1,
	SFLOW_SOURCE = 1,	/* the one data source whose pool and sequence count on */
	RECORDS_MAX = EXPORT_OCTETS_MAX / 28,
	/* Records of a datagram that the documents allow; v8: as many as 1464 octets hold. */
	V1_MOST = 24, V7_MOST = 28, V8_OCTETS = 1464,
};

/*
 * What moves on in a kept datagram when it is sent again.  Times come in pairs, the first packet's
 * and behind it the last one's: every format of ours has them so.
 */
enum patch_kind { PATCH_UPTIME, PATCH_MILLIS, PATCH_SAMPLE };

struct kept {
	size_t at, n;		/* in cycle.octets */
	size_t record, nrecords;
	size_t patch, npatches;
	uint64_t header_ms;	/* of its last sending */
	uint64_t later_ms;	/* its records' times were this much earlier */
	uint64_t octets;	/* of its records */
};

/* Growing arrays; all of it is bounded by the number of datagrams kept. */
struct cycle {
	uint32_t wanted, made, next;
	struct kept *kept;
	uint8_t *octets;
	struct flow_record *records;
	struct patch *patches;
	size_t noctets, cap_octets, nrecords, cap_records, npatches, cap_patches;
};

struct exporter {
	const struct exporter_spec *spec;
	const struct format *format;
	uint64_t members;	/* that the format can say */
	struct flow_stream flows;
	uint64_t boot_ms;
	uint32_t sequence;
	uint32_t sample_sequence, pool, counter_sequence, until_counters;
	bool announced;		/* templates have been sent */
	uint64_t announced_ms;
	uint32_t since_announced;	/* datagrams */
	struct flow_record *records;	/* of this datagram */
	size_t nrecords, cap_records;
	struct flow_record held;	/* drawn, and had no room in the last datagram */
	bool holds;
	uint64_t held_ms;	/* of the header that its times were drawn for */
	uint64_t parts, part;	/* `held` is to go out in so many parts, this one next */
	bool movable;
	struct patch *patches;
	size_t npatches, cap_patches;
	struct template_spec v4, v6, options;
	struct field_spec v4_fields[FIELDS_MAX], v6_fields[FIELDS_MAX], options_fields[FIELDS_MAX];
	struct cycle cycle;
};

struct format {
	bool whole_seconds;	/* the header says seconds, no fraction */
	bool templates;
	void (*build)(struct exporter *e, uint64_t at_ms, uint64_t header_ms, struct cursor *c);
	void (*patch_times)(const struct exporter *e, uint64_t header_ms, uint8_t *p);
	/* Header of a kept datagram: its times and sequence number again. */
	void (*patch_header)(struct exporter *e, uint64_t header_ms, uint8_t *p);
};

/* ---- what both directions of time share ---------------------------------------- */

static uint32_t uptime(const struct exporter *e, uint64_t ms)
{
	return (uint32_t)(ms - e->boot_ms);	/* wraps after 49.7 days, as routers' does */
}

static void *grow(void *array, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return array;
	*cap = n + n / 2;
	return xrealloc(array, *cap * size);
}

static void add_patch(struct exporter *e, size_t at, enum patch_kind kind)
{
	if (!e->cycle.wanted && !e->movable)
		return;
	e->patches = grow(e->patches, &e->cap_patches, e->npatches + 1, sizeof(*e->patches));
	e->patches[e->npatches++] = (struct patch){ (uint16_t)at, (uint8_t)kind };
}

static struct flow_record *add_record(struct exporter *e, const struct flow_record *r)
{
	e->records = grow(e->records, &e->cap_records, e->nrecords + 1, sizeof(*e->records));
	e->records[e->nrecords] = *r;
	return &e->records[e->nrecords++];
}

/* ---- the next record, as the format can say it ----------------------------------- */

/* Part `part` of `parts` of a counter: they differ by one at most and sum up to it. */
static uint64_t share(uint64_t total, uint64_t parts, uint64_t part)
{
	return total / parts + (part < total % parts);
}

static void keep_members(struct flow_record *r, uint64_t members)
{
	const struct flow_record all = *r;

	*r = flow_record_empty;
	r->present = all.present & members;
	for (size_t f = 0; f < FLOW_FIELDS; f++)
		if (r->present >> f & 1)
			memcpy((uint8_t *)r + flow_fields[f].offset,
				(const uint8_t *)&all + flow_fields[f].offset,
				flow_fields[f].width);
}

/* NetFlow before v9 has AS numbers of 16 bits; v8's prefixes have no host bits. */
static void fit(const struct exporter *e, struct flow_record *r)
{
	const struct exporter_spec *s = e->spec;

	if (r->present & ~e->members)
		keep_members(r, e->members);
	if (s->version > 8 || s->protocol == PROTO_SFLOW)
		return;
	if (r->src_as > UINT16_MAX)
		r->src_as = AS_TRANS;
	if (r->dst_as > UINT16_MAX)
		r->dst_as = AS_TRANS;
	if (s->kind == CRAFT_NETFLOW8 && flow_has(r, FLOW_src_mask))
		r->src = addr_mask_family(&r->src, r->src_mask);
	if (s->kind == CRAFT_NETFLOW8 && flow_has(r, FLOW_dst_mask))
		r->dst = addr_mask_family(&r->dst, r->dst_mask);
}

static void draw(struct exporter *e, uint64_t header_ms)
{
	const struct exporter_spec *s = e->spec;
	struct flow_record *r = &e->held;
	uint64_t most = craft_limits[s->kind].v4_only || s->counter_octets == 4 ? UINT32_MAX :
		UINT64_MAX;
	uint64_t larger;

	if (s->protocol == PROTO_SFLOW)
		flow_stream_packet(&e->flows, r);
	else
		flow_stream_next(&e->flows, header_ms, r);
	fit(e, r);
	if (s->sampling > 1 || s->protocol == PROTO_SFLOW) {
		flow_set(r, FLOW_sampling_num, s->sampling);
		flow_set(r, FLOW_sampling_den, 1);
		flow_set(r, FLOW_sampler, SAMPLER_ID);
	}
	larger = r->octets > r->packets ? r->octets : r->packets;
	e->parts = larger / most + (larger % most != 0);
	e->part = 0;
	e->held_ms = header_ms;
	e->holds = true;
}

/* What waited for this datagram is as old in it as it was to be in the last one. */
static void keep_age(struct exporter *e, uint64_t header_ms)
{
	const uint64_t later_us = (header_ms - e->held_ms) * 1000;

	if (!e->holds || !flow_has(&e->held, FLOW_last_us))
		return;
	e->held.first_us += later_us;
	e->held.last_us += later_us;
	e->held_ms = header_ms;
}

/* The flow whose record comes next; its times lie before header_ms. */
static const struct flow_record *peek_record(struct exporter *e, uint64_t header_ms)
{
	if (!e->holds)
		draw(e, header_ms);
	return &e->held;
}

/* Take it, or the next part of it. */
static void take_record(struct exporter *e)
{
	struct flow_record *r = add_record(e, &e->held);

	if (e->parts > 1) {
		r->octets = share(r->octets, e->parts, e->part);
		r->packets = share(r->packets, e->parts, e->part);
	}
	if (++e->part == e->parts)
		e->holds = false;
}

static bool wants_more(const struct exporter *e)
{
	return e->nrecords < (e->spec->records ? e->spec->records : (size_t)RECORDS_MAX);
}

/* ---- NetFlow v1, v5, v7, v8 -------------------------------------------------------- */

/* Records of one size behind a header, at most `most`; `first_at`: where First stands in one. */
static void fill_fixed(struct exporter *e, uint64_t at_ms, size_t header, size_t record,
	size_t most, size_t first_at)
{
	size_t room = (e->spec->datagram_octets - header) / record;

	if (room > most)
		room = most;
	while (wants_more(e) && e->nrecords < room) {
		peek_record(e, at_ms);
		take_record(e);
		add_patch(e, header + (e->nrecords - 1) * record + first_at, PATCH_UPTIME);
	}
}

static void build_netflow5(struct exporter *e, uint64_t at_ms, uint64_t header_ms, struct cursor *c)
{
	const struct exporter_spec *s = e->spec;
	struct netflow5_msg m = { .version = s->version,
		.uptime_ms = uptime(e, at_ms),
		.export_s = (uint32_t)(at_ms / 1000),
		.export_ns = (uint32_t)(at_ms % 1000) * 1000000,
		.sequence = e->sequence,
		.engine_type = (uint8_t)(s->domain >> 8),
		.engine_id = (uint8_t)s->domain,
		/* Mode 1: one in every N packets, deterministic. */
		.sampling = (uint16_t)(s->sampling > 1 ? 1u << 14 | s->sampling : 0) };

	(void)header_ms;
	fill_fixed(e, at_ms, netflow5_header_size(s->version), netflow5_record_size(s->version),
		s->version == 1 ? V1_MOST : s->version == 5 ? NETFLOW5_MAX : V7_MOST, 24);
	netflow5_put(c, &m, e->records, e->nrecords);
	e->sequence += s->version != 1 ? (uint32_t)e->nrecords : 0;
}

/* Router schemes are of aggregation version 2, the Catalyst's of 1. */
static void build_netflow8(struct exporter *e, uint64_t at_ms, uint64_t header_ms, struct cursor *c)
{
	const struct exporter_spec *s = e->spec;
	const size_t size = netflow8_record_size(s->aggregation);
	struct netflow8_msg m = { .uptime_ms = uptime(e, at_ms),
		.export_s = (uint32_t)(at_ms / 1000),
		.export_ns = (uint32_t)(at_ms % 1000) * 1000000,
		.sequence = e->sequence,
		.engine_type = (uint8_t)(s->domain >> 8),
		.engine_id = (uint8_t)s->domain,
		.method = s->aggregation,
		.agg_version = s->aggregation >= 6 && s->aggregation <= 8 ? 1 : 2,
		.dialect = s->v8_dialect == V8_TSHARK ? NETFLOW8_TOS_FIRST
						      : NETFLOW8_DST_MASK_FIRST };

	(void)header_ms;
	fill_fixed(e, at_ms, NETFLOW8_HEADER, size, (V8_OCTETS - NETFLOW8_HEADER) / size,
		netflow8_first_at(s->aggregation));
	netflow8_put(c, &m, e->records, e->nrecords);
	e->sequence += (uint32_t)e->nrecords;
}

static void times_netflow5(const struct exporter *e, uint64_t at_ms, uint8_t *p)
{
	patch32(p + 4, uptime(e, at_ms));
	patch32(p + 8, at_ms / 1000);
	patch32(p + 12, at_ms % 1000 * 1000000);
}

static void patch_netflow5(struct exporter *e, uint64_t at_ms, uint8_t *p)
{
	times_netflow5(e, at_ms, p);
	if (e->spec->version == 1)
		return;
	patch32(p + 16, e->sequence);
	e->sequence += be16(p + 2);
}

/* ---- NetFlow v9, IPFIX --------------------------------------------------------------- */

/* What a template of ours says, in this order; 0 in a family's column: not in its template. */
enum length { LENGTH_COUNTER = 0xff };
static const struct field_row {
	uint16_t v9_v4, v9_v6, ipfix_v4, ipfix_v6;
	uint8_t len_v4, len_v6;
} field_rows[] = {
	{ 8, 27, 8, 27, 4, 16 }, /* source address */
	{ 12, 28, 12, 28, 4, 16 }, /* destination address */
	{ 15, 62, 15, 62, 4, 16 }, /* next hop */
	{ 10, 10, 10, 10, 4, 4 }, /* ingress interface */
	{ 14, 14, 14, 14, 4, 4 }, /* egress interface */
	{ 2, 2, 2, 2, LENGTH_COUNTER, LENGTH_COUNTER }, /* packets */
	{ 1, 1, 1, 1, LENGTH_COUNTER, LENGTH_COUNTER }, /* octets */
	{ 22, 22, 152, 152, 0, 0 }, /* first: uptime, or milliseconds since 1970 */
	{ 21, 21, 153, 153, 0, 0 }, /* last: right behind it, see enum patch_kind */
	{ 7, 7, 7, 7, 2, 2 }, /* source port */
	{ 11, 11, 11, 11, 2, 2 }, /* destination port */
	{ 6, 6, 6, 6, 1, 1 }, /* TCP flags; one octet: some collectors read no two */
	{ 4, 4, 4, 4, 1, 1 }, /* protocol */
	{ 5, 5, 5, 5, 1, 1 }, /* tos */
	{ 16, 16, 16, 16, 4, 4 }, /* source AS */
	{ 17, 17, 17, 17, 4, 4 }, /* destination AS */
	{ 9, 29, 9, 29, 1, 1 }, /* source prefix length */
	{ 13, 30, 13, 30, 1, 1 }, /* destination prefix length */
};

static void add_field(struct template_spec *t, struct field_spec *fields, uint16_t id, uint16_t len)
{
	fields[t->nfields++] = (struct field_spec){ 0, id, len };
	t->fields = fields;
}

static void make_template(
	struct exporter *e, struct template_spec *t, struct field_spec *fields, uint16_t id)
{
	const struct exporter_spec *s = e->spec;
	bool v9 = s->protocol == PROTO_NETFLOW9, v4 = id == TEMPLATE_V4;

	t->id = id;
	for (size_t i = 0; i < sizeof(field_rows) / sizeof(field_rows[0]); i++) {
		const struct field_row *f = &field_rows[i];
		uint16_t ie = v9 ? v4 ? f->v9_v4 : f->v9_v6 : v4 ? f->ipfix_v4 : f->ipfix_v6;
		uint16_t len = v4 ? f->len_v4 : f->len_v6;

		if (len == LENGTH_COUNTER)
			len = (uint16_t)s->counter_octets;
		else if (!len)
			len = v9 ? 4 : 8;	/* uptime; milliseconds */
		add_field(t, fields, ie, len);
	}
	if (s->sampling > 1 && s->sampling_says == SAMPLING_SAYS_RECORD)
		add_field(t, fields, 34, 4);		/* samplingInterval */
	else if (s->sampling > 1 && v9)
		add_field(t, fields, 48, 1);		/* samplerId */
	else if (s->sampling > 1)
		add_field(t, fields, 302, 8);		/* selectorId */
}

/* v9: scope System; 48 samplerId, 49 mode, 50 interval.  IPFIX: scope 302; 304 algorithm, 305, 306.
 */
static void make_options(struct exporter *e)
{
	struct template_spec *t = &e->options;
	struct field_spec *f = e->options_fields;

	if (e->spec->sampling <= 1 || e->spec->sampling_says != SAMPLING_SAYS_OPTIONS)
		return;
	t->id = TEMPLATE_OPTIONS;
	t->nscope = 1;
	if (e->spec->protocol == PROTO_NETFLOW9) {
		add_field(t, f, 1, 4);
		add_field(t, f, 48, 1);
		add_field(t, f, 49, 1);
		add_field(t, f, 50, 4);
	} else {
		add_field(t, f, 302, 8);
		add_field(t, f, 304, 2);
		add_field(t, f, 305, 4);
		add_field(t, f, 306, 4);
	}
}

static void make_templates(struct exporter *e)
{
	if (e->spec->families & FAMILIES_4)
		make_template(e, &e->v4, e->v4_fields, TEMPLATE_V4);
	if (e->spec->families & FAMILIES_6)
		make_template(e, &e->v6, e->v6_fields, TEMPLATE_V6);
	make_options(e);
}

/* Octets of a data Set of `n` records, padded to four; 0 of none. */
static size_t set_octets(const struct template_spec *t, size_t n)
{
	return n ? (4 + n * template_record_size(t) + 3) & ~(size_t)3 : 0;
}

/* Templates, options template and options data; returns how many records the v9 header counts for
 * them. */
static unsigned put_announcements(struct exporter *e, struct cursor *c, unsigned *options_data)
{
	const struct exporter_spec *s = e->spec;
	const struct template_spec *all[] = { &e->v4, &e->v6, &e->options };
	const uint64_t v9[] = { 0, SAMPLER_ID, 1, s->sampling }; /* mode 1: deterministic */
	const uint64_t ipfix[] = { SAMPLER_ID, 1, 1,
		s->sampling - 1 }; /* 1: systematic count-based */
	unsigned records = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->nfields) {
			flow_msg_put_template(c, e->spec->version, all[i]);
			records++;
		}
	if (e->options.nfields) {
		uint8_t *mark = flow_set_begin(c, TEMPLATE_OPTIONS);

		flow_msg_put_values(c, &e->options, s->protocol == PROTO_NETFLOW9 ? v9 : ipfix);
		flow_set_end(c, mark);
		*options_data = 1;
		records++;
	}
	return records;
}

/* Draws what fits into `room` octets: IPv4 records to the front, IPv6 ones behind; returns how many
 * are IPv4. */
static size_t fill(struct exporter *e, uint64_t header_ms, size_t room)
{
	size_t n[2] = { 0, 0 };

	while (wants_more(e)) {
		bool v4 = addr_is4(&peek_record(e, header_ms)->src);

		if (set_octets(&e->v4, n[0] + v4) + set_octets(&e->v6, n[1] + !v4) > room)
			break;
		take_record(e);
		if (v4 && n[1]) { /* keep the Sets together: an IPv4 record moves before the IPv6
				     ones */
			struct flow_record r = e->records[e->nrecords - 1];

			memmove(&e->records[n[0] + 1], &e->records[n[0]], n[1] * sizeof(r));
			e->records[n[0]] = r;
		}
		n[!v4]++;
	}
	return n[0];
}

static void put_data(struct exporter *e, struct cursor *c, const struct flow_msg *m,
		     const struct template_spec *t, const struct flow_record *r, size_t n)
{
	bool v9 = e->spec->protocol == PROTO_NETFLOW9;
	size_t first = 0, at = 0;
	uint8_t *mark;

	if (!n)
		return;
	for (size_t i = 0; i < t->nfields; at += t->fields[i++].len)
		if (t->fields[i].id == (v9 ? 22 : 152))
			first = at;
	mark = flow_set_begin(c, t->id);
	for (size_t i = 0; i < n; i++) {
		add_patch(e, cursor_used(c) + first, v9 ? PATCH_UPTIME : PATCH_MILLIS);
		flow_msg_put_record(c, m, t, &r[i]);
	}
	flow_set_end(c, mark);
}

static bool announcement_due(const struct exporter *e, uint64_t at_ms)
{
	const struct exporter_spec *s = e->spec;

	if (!e->format->templates)
		return false;
	return !e->announced ||
		(s->refresh_datagrams && e->since_announced >= s->refresh_datagrams) ||
		(s->refresh_s && at_ms - e->announced_ms >= s->refresh_s * UINT64_C(1000));
}

static void build_flowset(struct exporter *e, uint64_t at_ms, uint64_t header_ms, struct cursor *c)
{
	bool v9 = e->spec->protocol == PROTO_NETFLOW9;
	struct flow_msg m = { .version = e->spec->version,
		.uptime_ms = v9 ? uptime(e, header_ms) : 0,
		.export_s = (uint32_t)(header_ms / 1000),
		.sequence = e->sequence,
		.domain = e->spec->domain };
	unsigned announced = 0, options_data = 0;
	size_t n4;

	flow_msg_begin(c, &m);
	if (announcement_due(e, at_ms)) {
		announced = put_announcements(e, c, &options_data);
		e->announced = true;
		e->announced_ms = at_ms;
		e->since_announced = 0;
	}
	n4 = fill(e, header_ms, e->spec->datagram_octets - cursor_used(c));
	put_data(e, c, &m, &e->v4, e->records, n4);
	put_data(e, c, &m, &e->v6, e->records + n4, e->nrecords - n4);
	flow_msg_end(c, &m, announced + (unsigned)e->nrecords);
	e->since_announced++;
	e->sequence += v9 ? 1 : options_data + (uint32_t)e->nrecords;
}

static void times_netflow9(const struct exporter *e, uint64_t header_ms, uint8_t *p)
{
	patch32(p + 4, uptime(e, header_ms));
	patch32(p + 8, header_ms / 1000);
}

static void patch_netflow9(struct exporter *e, uint64_t header_ms, uint8_t *p)
{
	times_netflow9(e, header_ms, p);
	patch32(p + 12, e->sequence++);
	e->since_announced++;
}

static void times_ipfix(const struct exporter *e, uint64_t header_ms, uint8_t *p)
{
	(void)e;
	patch32(p + 4, header_ms / 1000);
}

/* Sequence: data records, of which the next row of `kept` knows the number. */
static void patch_ipfix(struct exporter *e, uint64_t header_ms, uint8_t *p)
{
	times_ipfix(e, header_ms, p);
	patch32(p + 8, e->sequence);
	e->sequence += (uint32_t)e->cycle.kept[e->cycle.next].nrecords;
	e->since_announced++;
}

/* ---- sFlow v2, v4, v5 ---------------------------------------------------------------- */

/* Where the sequence number of the header stands; the uptime is behind it. */
static size_t sflow_sequence_at(const struct exporter *e)
{
	return 8 + (addr_is4(&e->spec->agent) ? 4u : 16u) + (e->spec->version == 5 ? 4 : 0);
}

static bool put_counters(struct exporter *e, struct cursor *c)
{
	struct sflow_sample s = {
		.counters = true, .sequence = e->counter_sequence, .source_index = SFLOW_SOURCE
	};

	if (!e->spec->counters_every || e->until_counters)
		return false;
	sflow_put_counters(c, e->spec->version, &s, SFLOW_SOURCE);
	if (c->full)
		return false;
	e->counter_sequence++;
	e->until_counters = e->spec->counters_every;
	return true;
}

static void build_sflow(struct exporter *e, uint64_t at_ms, uint64_t header_ms, struct cursor *c)
{
	const struct exporter_spec *s = e->spec;
	struct sflow_msg m = { .version = s->version,
		.agent = s->agent,
		.sub_agent = s->domain,
		.sequence = e->sequence++,
		.uptime_ms = uptime(e, at_ms) };
	struct cursor header = *c;
	bool counters;

	(void)header_ms;
	sflow_put_header(c, &m);
	counters = put_counters(e, c);
	if (e->until_counters)
		e->until_counters--;
	while (wants_more(e)) {
		const struct flow_record *r = peek_record(e, at_ms);
		/* pool += rate: collectors that divide pool by sequence get the announced rate. */
		struct sflow_sample sample = { .sequence = e->sample_sequence,
			.source_index = SFLOW_SOURCE,
			.rate = s->sampling,
			.pool = e->pool + s->sampling };
		struct cursor before = *c;
		size_t at = cursor_used(c);

		sflow_put_sample(c, s->version, &sample, r);
		if (c->full) {
			*c = before;
			break;
		}
		add_patch(e, at, PATCH_SAMPLE);
		e->sample_sequence++;
		e->pool += s->sampling;
		take_record(e);
	}
	m.nsamples = (uint32_t)(e->nrecords + counters);
	sflow_put_header(&header, &m);
}

static void times_sflow(const struct exporter *e, uint64_t at_ms, uint8_t *p)
{
	patch32(p + sflow_sequence_at(e) + 4, uptime(e, at_ms));
}

static void patch_sflow(struct exporter *e, uint64_t at_ms, uint8_t *p)
{
	patch32(p + sflow_sequence_at(e), e->sequence++);
	times_sflow(e, at_ms, p);
	if (e->until_counters)
		e->until_counters--;
}

static const struct format formats[] = {
	[CRAFT_NETFLOW1] = { false, false, build_netflow5, times_netflow5,
		patch_netflow5 },
	[CRAFT_NETFLOW5] = { false, false, build_netflow5, times_netflow5,
		patch_netflow5 },
	[CRAFT_NETFLOW7] = { false, false, build_netflow5, times_netflow5,
		patch_netflow5 },
	[CRAFT_NETFLOW8] = { false, false, build_netflow8, times_netflow5,
		patch_netflow5 },
	[CRAFT_NETFLOW9] = { true, true, build_flowset, times_netflow9,
		patch_netflow9 },
	[CRAFT_IPFIX] = { true, true, build_flowset, times_ipfix,
		patch_ipfix },
	[CRAFT_SFLOW2] = { false, false, build_sflow, times_sflow,
		patch_sflow },
	[CRAFT_SFLOW4] = { false, false, build_sflow, times_sflow,
		patch_sflow },
	[CRAFT_SFLOW5] = { false, false, build_sflow, times_sflow,
		patch_sflow },
};

/* ---- the cycle ------------------------------------------------------------------------- */

/* Keep a copy of a datagram without templates. */
static void keep(
	struct exporter *e, const uint8_t *data, size_t n, uint64_t header_ms, uint64_t octets)
{
	struct cycle *cy = &e->cycle;
	struct kept *k = &cy->kept[cy->made++];

	*k = (struct kept) { cy->noctets, n, cy->nrecords, e->nrecords, cy->npatches, e->npatches,
		header_ms, 0, octets };
	cy->octets = grow(cy->octets, &cy->cap_octets, cy->noctets + n, 1);
	cy->records = grow(
		cy->records, &cy->cap_records, cy->nrecords + e->nrecords, sizeof(*cy->records));
	cy->patches = grow(
		cy->patches, &cy->cap_patches, cy->npatches + e->npatches, sizeof(*cy->patches));
	memcpy(cy->octets + cy->noctets, data, n);
	if (e->nrecords)
		memcpy(cy->records + cy->nrecords, e->records, e->nrecords * sizeof(*cy->records));
	if (e->npatches)
		memcpy(cy->patches + cy->npatches, e->patches, e->npatches * sizeof(*cy->patches));
	cy->noctets += n;
	cy->nrecords += e->nrecords;
	cy->npatches += e->npatches;
}

/* v5: type and length, sequence, source in one word or (type 3) in two, rate, pool; before: no
 * length. */
static void patch_sample(struct exporter *e, uint8_t *p)
{
	size_t sequence = e->spec->version == 5 ? 8 : 4, source = be32(p) == 3 ? 8 : 4;

	e->pool += e->spec->sampling;
	patch32(p + sequence, e->sample_sequence++);
	patch32(p + sequence + 4 + source + 4, e->pool);
}

static void later(uint8_t *p, uint64_t ms)
{
	ms += be64(p);
	patch32(p, ms >> 32);
	patch32(p + 4, ms);
}

static void move_times(uint8_t *p, const struct patch *patch, uint64_t later_ms)
{
	uint8_t *at = p + patch->at;

	if (patch->kind == PATCH_UPTIME) {
		patch32(at, be32(at) + (uint32_t)later_ms);
		patch32(at + 4, be32(at + 4) + (uint32_t)later_ms);
	} else if (patch->kind == PATCH_MILLIS) {
		later(at, later_ms);
		later(at + 8, later_ms);
	}
}

/* Send the next kept datagram again: all of its times `header_ms` less its last ones later. */
static void reuse(struct exporter *e, uint64_t header_ms, struct crafted *out)
{
	struct cycle *cy = &e->cycle;
	struct kept *k = &cy->kept[cy->next];
	uint8_t *p = cy->octets + k->at;
	const struct patch *patch = cy->patches + k->patch;
	const uint64_t later_ms = header_ms - k->header_ms;

	out->sequence = e->sequence;
	e->format->patch_header(e, header_ms, p);
	/* At full rate most come around within their millisecond; samples count all the same. */
	if (later_ms || (k->npatches && patch->kind == PATCH_SAMPLE))
		for (size_t i = 0; i < k->npatches; i++) {
			if (patch[i].kind == PATCH_SAMPLE)
				patch_sample(e, p + patch[i].at);
			else
				move_times(p, &patch[i], later_ms);
		}
	k->later_ms += later_ms;
	k->header_ms = header_ms;
	out->data = (struct bytes){ p, k->n };
	out->records = cy->records + k->record;
	out->nrecords = k->nrecords;
	out->later_us = k->later_ms * 1000;
	out->octets = k->octets;
	out->patches = patch;
	out->npatches = k->npatches;
	out->from_cycle = true;
	cy->next = (cy->next + 1) % cy->wanted;
}

/* ---- the whole --------------------------------------------------------------------------- */

struct exporter *exporter_new(const struct exporter_spec *spec, const struct population *p,
	uint64_t seed, uint64_t number, uint64_t start_ms, uint32_t cycle)
{
	struct exporter *e = xcalloc(1, sizeof(*e));

	e->spec = spec;
	e->format = &formats[spec->kind];
	e->members = spec->protocol == PROTO_NETFLOW8 ? netflow8_members(spec->aggregation) :
		spec->protocol == PROTO_NETFLOW1 ? netflow5_members(
			&(struct netflow5_msg){ .version = 1 }, UINT64_MAX) : UINT64_MAX;
	e->sequence = spec->sequence;
	e->sample_sequence = e->counter_sequence =
		1; /* collectors take a stored 0 for "none yet" */
	e->boot_ms = start_ms - spec->uptime_s * UINT64_C(1000);
	flow_stream_init(&e->flows, p, seed, number, spec->families);
	if (e->format->templates)
		make_templates(e);
	e->cycle.wanted = cycle;
	if (cycle)
		e->cycle.kept = xcalloc(cycle, sizeof(*e->cycle.kept));
	return e;
}

void exporter_free(struct exporter *e)
{
	if (!e)
		return;
	free(e->cycle.kept);
	free(e->cycle.octets);
	free(e->cycle.records);
	free(e->cycle.patches);
	free(e->records);
	free(e->patches);
	free(e);
}

/* What a kept datagram cannot say: templates, counters. */
static bool must_be_new(const struct exporter *e, uint64_t at_ms)
{
	return announcement_due(e, at_ms) ||
		(e->spec->protocol == PROTO_SFLOW && e->spec->counters_every && !e->until_counters);
}

static uint64_t header_time(const struct exporter *e, uint64_t at_ms)
{
	return e->format->whole_seconds ? at_ms - at_ms % 1000 : at_ms;
}

void exporter_craft(struct exporter *e, uint64_t at_ms, uint8_t *buf, struct crafted *out)
{
	uint64_t header_ms = header_time(e, at_ms);
	bool new = must_be_new(e, at_ms);
	struct cursor c = cursor(buf, e->spec->datagram_octets);

	*out = (struct crafted){ .version = e->spec->version, .sequence = e->sequence };
	if (e->cycle.wanted && e->cycle.made == e->cycle.wanted && !new) {
		reuse(e, header_ms, out);
		return;
	}
	e->nrecords = e->npatches = 0;
	keep_age(e, header_ms);
	e->format->build(e, at_ms, header_ms, &c);
	out->data = (struct bytes){ buf, cursor_used(&c) };
	out->records = e->records;
	out->nrecords = e->nrecords;
	out->patches = e->patches;
	out->npatches = e->npatches;
	out->announces = e->format->templates && e->since_announced == 1;
	for (size_t i = 0; i < e->nrecords; i++)
		out->octets += e->records[i].octets;
	if (e->cycle.wanted && !new && e->cycle.made < e->cycle.wanted)
		keep(e, buf, cursor_used(&c), header_ms, out->octets);
}

/* ---- crafted ahead of its time ----------------------------------------------------------- */

void exporter_movable(struct exporter *e)
{
	e->movable = true;
}

bool exporter_may_announce(const struct exporter *e, uint64_t from_ms, uint64_t to_ms)
{
	const uint64_t since_ms = e->announced ? e->announced_ms : from_ms;

	return e->format->templates && e->spec->refresh_s &&
		to_ms - since_ms >= e->spec->refresh_s * UINT64_C(1000);
}

void exporter_announced_at(struct exporter *e, uint64_t at_ms)
{
	e->announced_ms = at_ms;
}

uint64_t exporter_move(const struct exporter *e, uint64_t guess_ms, uint64_t at_ms, uint8_t *data,
	const struct patch *patches, size_t npatches)
{
	const uint64_t header_ms = header_time(e, at_ms);
	const uint64_t later_ms = header_ms - header_time(e, guess_ms);

	if (!later_ms)
		return 0;
	e->format->patch_times(e, header_ms, data);
	for (size_t i = 0; i < npatches; i++)
		move_times(data, &patches[i], later_ms);
	return later_ms * 1000;
}

size_t exporter_most_records(const struct exporter *e)
{
	const size_t least = 28;	/* octets; of all formats NetFlow v8's shortest record */

	return e->spec->records ? e->spec->records : e->spec->datagram_octets / least;
}
