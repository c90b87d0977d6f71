/*
 * rebuild.c - see rebuild.h.
 */
#include "rebuild.h"

#include <errno.h>
#include <stdlib.h>

#include "replicator/resample.h"
#include "wire/netflow5.h"
#include "wire/sflow.h"
#include "wire/store.h"
#include "wire/templates.h"

enum {
	ARENA = 8 << 20,
	HEADER_MAX = 40,	/* sFlow 5 with an IPv6 agent */
	SLACK = 64,		/* padding that a v9 exporter left out, in a datagram of its own */
	MOST = UINT16_MAX,	/* octets of a datagram */
	PAYLOAD = MOST - 28,	/* of UDP over IPv4 */
	CHUNK = 32,		/* records decoded at a time */
	SFLOW_FLOW = 1, SFLOW_COUNTERS = 2, SFLOW_FLOW_EXPANDED = 3, SFLOW_COUNTERS_EXPANDED = 4,
};

struct out_key {
	struct addr exporter, agent;
	uint32_t domain;
	uint16_t port;
	uint8_t protocol, zero;
};

struct out_stream {
	struct store_link link;
	struct out_key key;
	uint32_t next;		/* sequence number */
	uint32_t largest;	/* datagram that the exporter sent */
	bool known;
	bool restored;		/* of the process before, and no template of it is known */
};

/* The datagram that is being written. */
struct draft {
	bool open;
	struct cursor c;
	uint8_t same[HEADER_MAX]; /* the header without count and number: whoever has it may join */
	uint8_t header[HEADER_MAX];
	size_t header_len, count_at, number_at;
	struct out_stream *stream;
	const struct peek *peek;
	const struct endpoint *from;
	uint32_t at;
	bool joined;			/* of more than one of the exporter's */
	uint8_t *set;			/* the open Set, or NULL */
	uint16_t set_id;
	uint32_t records, units;
};

struct rebuild {
	const struct tenant *tenant;
	struct store streams;
	struct templates templates;
	void *streams_mem, *templates_mem;
	uint8_t *arena;
	size_t used;
	struct draft draft;
	struct rebuild_out *out;
	struct rebuild_counts counts;
	struct resample *samples;	/* made with the first sFlow sample */
	uint64_t seed;
	struct plan_work work;
	struct template_def def;
	struct flow_record chunk[CHUNK];
};

struct rebuild *rebuild_new(const struct tenant *t, uint64_t seed)
{
	struct rebuild *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->tenant = t;
	r->seed = seed + 2;
	r->streams_mem = aligned_alloc(64, store_size(REBUILD_STREAMS, sizeof(struct out_stream)));
	r->templates_mem =
		aligned_alloc(64, (templates_size(REBUILD_TEMPLATES) + 63) & ~(size_t)63);
	r->arena = malloc(ARENA);
	if (!r->streams_mem || !r->templates_mem || !r->arena) {
		rebuild_free(r);
		errno = ENOMEM;
		return NULL;
	}
	store_init(&r->streams, r->streams_mem, REBUILD_STREAMS, sizeof(struct out_stream),
		   sizeof(struct out_key), seed);
	templates_init(&r->templates, r->templates_mem, REBUILD_TEMPLATES, REBUILD_TEMPLATES / 4,
		seed + 1);
	return r;
}

void rebuild_free(struct rebuild *r)
{
	if (!r)
		return;
	free(r->streams_mem);
	free(r->templates_mem);
	free(r->arena);
	resample_free(r->samples);
	free(r);
}

void rebuild_retarget(struct rebuild *r, const struct tenant *t)
{
	r->tenant = t;
}

const struct rebuild_counts *rebuild_counts(const struct rebuild *r)
{
	return &r->counts;
}

/* ---- the datagram that is being written ---------------------------------------- */

/* v9 Sets end on four octets (RFC 3954 5.3), in IPFIX that is left to us. */
static void set_close(struct draft *d)
{
	if (!d->set)
		return;
	if (d->peek->protocol == PROTO_NETFLOW9)
		flow_set_end(&d->c, d->set);
	else
		patch16(d->set + 2, (size_t)(d->c.at - d->set));
	d->set = NULL;
}

static size_t set_padding(const struct draft *d, size_t len)
{
	return d->peek->protocol == PROTO_NETFLOW9 ? (4 - len % 4) % 4 : 0;
}

static void draft_start(struct rebuild *r)
{
	struct draft *d = &r->draft;

	/* Room for any: a larger datagram of the exporter's may yet join. */
	d->c = cursor(r->arena + r->used, MOST);
	put_bytes(&d->c, d->header, d->header_len);
	d->set = NULL;
	d->records = d->units = 0;
	d->open = true;
}

static void draft_close(struct rebuild *r)
{
	struct draft *d = &r->draft;
	const enum flow_protocol protocol = d->open ? d->peek->protocol : PROTO_UNKNOWN;
	uint8_t *start = d->c.start;

	if (!d->open)
		return;
	d->open = false;
	set_close(d);
	if (d->records == 0)
		return;
	if (protocol == PROTO_SFLOW)
		patch32(start + d->count_at, d->records);
	else
		patch16(start + d->count_at,
			protocol == PROTO_IPFIX ? cursor_used(&d->c) : d->records);
	if (d->number_at) {
		patch32(start + d->number_at, d->stream->next);
		d->stream->next +=
			protocol == PROTO_NETFLOW9 || protocol == PROTO_SFLOW ? 1 : d->units;
	}
	r->out->data[r->out->n] = (struct bytes){ start, cursor_used(&d->c) };
	r->out->from[r->out->n] = d->from;
	r->out->at[r->out->n++] = d->at;
	r->used += cursor_used(&d->c);
}

/* How long the datagram is once `n` octets more are in it, in Set `id` unless that is 0, and
 * closed. */
static size_t draft_length(const struct draft *d, uint16_t id, size_t n)
{
	const size_t used = cursor_used(&d->c), set = d->set ? (size_t)(d->c.at - d->set) : 0;

	if (id && d->set && d->set_id == id)
		return used + n + set_padding(d, set + n);
	return used + (d->set ? set_padding(d, set) : 0) + (id ? 4 + n + set_padding(d, 4 + n) : n);
}

/* Room for `n` octets in this datagram or the next. */
static void draft_room(struct rebuild *r, uint16_t id, size_t n)
{
	struct draft *d = &r->draft;
	const size_t limit = d->stream->largest + (d->joined ? 0 : SLACK);

	if (d->open && draft_length(d, id, n) > (limit < PAYLOAD ? limit : PAYLOAD)) {
		draft_close(r);
		d->joined = false;
	}
	if (!d->open)
		draft_start(r);
}

static void draft_put(struct rebuild *r, struct bytes b, uint32_t records, uint32_t units)
{
	struct draft *d = &r->draft;

	draft_room(r, 0, b.n);
	set_close(d);
	put_bytes(&d->c, b.p, b.n);
	d->records += records;
	d->units += units;
}

/* A record of a data Set. */
static void draft_put_record(struct rebuild *r, uint16_t set_id, struct bytes b)
{
	struct draft *d = &r->draft;

	draft_room(r, set_id, b.n);
	if (d->set_id != set_id)
		set_close(d);
	if (!d->set) {
		d->set = flow_set_begin(&d->c, set_id);
		d->set_id = set_id;
	}
	put_bytes(&d->c, b.p, b.n);
	d->records++;
	d->units++;
}

/* A whole Set, header and padding included. */
static void draft_put_set(
	struct rebuild *r, const struct flow_set *set, uint32_t records, uint32_t units)
{
	draft_put(r, (struct bytes){ set->body.p - 4, set->body.n + 4 }, records, units);
}

static struct out_key stream_of(const struct subject *s)
{
	return (struct out_key) { .exporter = s->from->addr,
		.agent = s->peek.agent,
		.domain = s->peek.domain,
		.port = s->from->port,
		.protocol = (uint8_t)s->peek.protocol };
}

/* Take the header of the next datagram: what is open goes on when that says the same. */
static void draft_take(struct rebuild *r, struct bytes data, size_t header_len, size_t count_at,
		       const struct subject *s, uint32_t at, bool alone)
{
	struct draft *d = &r->draft;
	const struct out_key key = stream_of(s);
	const size_t number_at = renumber_offset(&s->peek, data);
	uint8_t same[HEADER_MAX] = { 0 };
	struct out_stream *stream;
	bool fresh;

	memcpy(same, data.p, header_len);
	memset(same + count_at, 0, s->peek.protocol == PROTO_SFLOW ? 4 : 2);
	if (number_at)
		memset(same + number_at, 0, 4);
	stream = store_put(&r->streams, &key, &fresh);
	if (alone || stream != d->stream || header_len != d->header_len ||
		memcmp(same, d->same, sizeof(same)) != 0)
		draft_close(r);
	if (!stream->known) {
		stream->known = true;
		stream->next = s->peek.sequence;
	}
	stream->restored = false;
	if (data.n > stream->largest)
		stream->largest = (uint32_t)data.n;
	memcpy(d->same, same, sizeof(same));
	memcpy(d->header, data.p, header_len);
	d->joined = d->open;
	if (!d->open) {
		d->from = s->from;
		d->at = at;
		d->peek = &s->peek;
	}
	d->header_len = header_len;
	d->count_at = count_at;
	d->number_at = number_at;
	d->stream = stream;
}

/* ---- v1, v5, v7 --------------------------------------------------------------------- */

static bool rebuild_netflow5(
	struct rebuild *r, struct bytes data, const struct subject *s, uint32_t at)
{
	struct netflow5_msg m = { 0 };
	size_t len;

	if (netflow5_parse(&m, data) != WIRE_OK || m.count == 0)
		return false;
	len = m.records.n / m.count;
	draft_take(r, data, (size_t)(m.records.p - data.p), 2, s, at, false);
	for (size_t i = 0, n; i < m.count; i += n) {
		n = netflow5_records(&m, i, r->chunk, CHUNK);
		for (size_t k = 0; k < n; k++) {
			r->counts.records++;
			if (!tenant_wants(r->tenant, &r->chunk[k]))
				continue;
			r->counts.kept++;
			draft_put(r, (struct bytes){ m.records.p + (i + k) * len, len }, 1, 1);
		}
		if (n == 0)
			break;
	}
	return true;
}

/* ---- v9 and IPFIX ---------------------------------------------------------------------- */

static struct template_key template_of(const struct subject *s, uint16_t id)
{
	return (struct template_key){ .exporter = s->from->addr, .domain = s->peek.domain, .id = id,
		.protocol = (uint8_t)s->peek.protocol };
}

static void forget(struct rebuild *r, const struct subject *s, uint16_t id)
{
	const struct template_key key = template_of(s, id);
	struct template *t, *next;

	if (id >= TEMPLATE_ID_MIN) {
		templates_forget(&r->templates, &key);
		return;
	}
	/* All of a kind: rare enough for a walk. */
	for (t = store_next(&r->templates.store, NULL); t; t = next) {
		next = store_next(&r->templates.store, t);
		if (addr_equal(&t->key.exporter, &key.exporter) && t->key.domain == key.domain &&
		    t->key.protocol == key.protocol &&
		    !!(t->plan.flags & PLAN_OPTIONS) == (id == WITHDRAW_ALL_OPTIONS))
			store_remove(&r->templates.store, t);
	}
}

/* Learn the templates of a Set; how many records it has. */
static uint32_t learn(struct rebuild *r, const struct flow_set *set, const struct subject *s)
{
	struct bytes rest = set->body;
	uint32_t n = 0;

	for (; rest.n && !template_padding(rest); n++) {
		const enum wire_err err =
			template_read(&r->def, &rest, s->peek.version, set->kind == SET_OPTIONS);
		const struct template_key key = template_of(s, r->def.id);
		bool changed;

		if (err == WIRE_WITHDRAWAL)
			forget(r, s, r->def.id);
		else if (err == WIRE_OK)
			templates_learn(&r->templates, &key, 0, &r->def, 0, &changed);
		else if (r->def.id >= TEMPLATE_ID_MIN)
			templates_forget(&r->templates, &key);
	}
	return n;
}

/* Whether either half of the record at hand is wanted. */
static bool wanted(struct rebuild *r, const struct plan *p)
{
	struct flow_record reverse;

	return tenant_wants(r->tenant, &r->work.rec) ||
		(p->flags & PLAN_BIFLOW && plan_reverse(p, &r->work, &reverse) &&
			tenant_wants(r->tenant, &reverse));
}

static void rebuild_data(struct rebuild *r, const struct flow_set *set, const struct subject *s)
{
	static const struct plan_time no_time = { .tick_us = 1000 };
	const struct template_key key = template_of(s, set->id);
	const struct template *t = templates_find(&r->templates, &key);
	struct bytes rest = set->body;
	uint32_t options = 0;
	size_t len;

	if (!t) {
		r->counts.unread_octets += set->body.n + 4;
		return;
	}
	/* Less than the shortest record is padding. */
	for (; rest.n && rest.n >= t->plan.min_len; rest.p += len, rest.n -= len) {
		len = plan_record(&t->plan, &r->work, rest.p, rest.n, &no_time);
		if (len == 0) {
			r->counts.unread_octets += rest.n;
			break;
		}
		if (t->plan.flags & PLAN_OPTIONS) {
			options++;
			continue;
		}
		r->counts.records++;
		if (!wanted(r, &t->plan))
			continue;
		r->counts.kept++;
		draft_put_record(r, set->id, (struct bytes){ rest.p, len });
	}
	if (options)
		draft_put_set(r, set, options, options);
}

/* Templates or option data are in it, as far as templates are known. */
static bool defines(struct rebuild *r, const struct flow_msg *m, const struct subject *s)
{
	struct set_iter it;
	struct flow_set set;

	for (set_first(&it, m); set_next(&it, &set); ) {
		const struct template_key key = template_of(s, set.id);
		const struct template *t =
			set.kind == SET_DATA ? templates_find(&r->templates, &key) : NULL;

		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS ||
			(t && t->plan.flags & PLAN_OPTIONS))
			return true;
	}
	return false;
}

static bool rebuild_flowset(
	struct rebuild *r, struct bytes data, const struct subject *s, uint32_t at)
{
	struct flow_msg m;
	struct set_iter it;
	struct flow_set set;
	bool alone;

	if (flow_msg_parse(&m, data) != WIRE_OK)
		return false;
	alone = defines(r, &m, s);
	draft_take(r, data, (size_t)(m.sets.p - data.p), 2, s, at, alone);
	for (set_first(&it, &m); set_next(&it, &set); ) {
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS)
			draft_put_set(r, &set, learn(r, &set, s), 0);
		else if (set.kind == SET_DATA)
			rebuild_data(r, &set, s);
	}
	if (alone)
		draft_close(r);
	return true;
}

/* ---- sFlow 5 -------------------------------------------------------------------------------- */

/* One sample, its type and length included. */
static void rebuild_sample(struct rebuild *r, const struct sflow_msg *m, const struct subject *s,
			   struct bytes sample)
{
	const uint32_t type = be32(sample.p);
	struct sflow_msg one = *m;
	struct sflow_iter it;
	struct sflow_sample info;
	struct flow_record rec;
	bool keep = false;

	one.nsamples = 1;
	one.samples = sample;
	sflow_first(&it, &one);
	if (!sflow_next(&it, &info, &rec)) {
		r->counts.unread_octets += sample.n;
		return;
	}
	if (type == SFLOW_COUNTERS || type == SFLOW_COUNTERS_EXPANDED) {
		keep = info.source_type == 0 && tenant_wants_counters(r->tenant, info.source_index);
		r->counts.counters++;
		r->counts.counters_kept += keep;
	} else {
		keep = tenant_wants(r->tenant, &rec);
		r->counts.records++;
		r->counts.kept += keep;
	}
	rebuild_numbers(r, true);
	if (!keep) {
		if (r->samples && resample_is_flow(sample))
			resample_skip(r->samples, s->from, &s->peek, sample);
		return;
	}
	draft_put(r, sample, 1, 1);
	/* The copy: numbers are the tenant's own. */
	if (r->samples && !r->draft.c.full && resample_is_flow(sample))
		resample_keep(r->samples, s->from, &s->peek,
			(struct bytes){ r->draft.c.at - sample.n, sample.n }, 0);
}

static bool rebuild_sflow(
	struct rebuild *r, struct bytes data, const struct subject *s, uint32_t at)
{
	struct sflow_msg m;
	struct bytes rest;
	size_t header;

	if (sflow_parse(&m, data) != WIRE_OK || m.version != 5)
		return false;
	header = (size_t)(m.samples.p - data.p);
	draft_take(r, data, header, header - 4, s, at, false);
	rest = m.samples;
	for (uint32_t i = 0; i < m.nsamples && rest.n >= 8; i++) {
		const uint64_t len = (uint64_t)be32(rest.p + 4) + 8;

		if (len > rest.n)
			break;
		rebuild_sample(r, &m, s, (struct bytes){ rest.p, (size_t)len });
		rest.p += len;
		rest.n -= (size_t)len;
	}
	r->counts.unread_octets += rest.n;
	return true;
}

/* ---- all of them ------------------------------------------------------------------------------
 */

static bool rebuild_one(struct rebuild *r, struct bytes data, const struct subject *s, uint32_t at)
{
	static bool (*const kinds[PROTO_UNKNOWN + 1])(
		struct rebuild * r, struct bytes data, const struct subject *s, uint32_t at) = {
		[PROTO_NETFLOW1] = rebuild_netflow5,
		[PROTO_NETFLOW5] = rebuild_netflow5,
		[PROTO_NETFLOW7] = rebuild_netflow5,
		[PROTO_NETFLOW9] = rebuild_flowset,
		[PROTO_IPFIX] = rebuild_flowset,
		[PROTO_SFLOW] = rebuild_sflow,
	};

	return kinds[s->peek.protocol] && kinds[s->peek.protocol](r, data, s, at);
}

size_t rebuild(struct rebuild *r, const struct share *s, const struct subject *subjects,
	size_t first, struct rebuild_out *out)
{
	size_t i;

	r->out = out;
	out->n = r->used = 0;
	/* One that is open and one more fit for sure. */
	for (i = first; i < s->n && r->used + 4 * (size_t)MOST < ARENA && out->n + 8 < SHARE_MAX;
		i++)
		if (!rebuild_one(r, s->data[i], &subjects[s->at[i]], s->at[i]))
			r->counts.unread_octets += s->data[i].n;
	draft_close(r);
	return i;
}

bool rebuild_is_new(struct rebuild *r, const struct subject *s)
{
	const struct out_key key = stream_of(s);

	const struct out_stream *stream = store_find(&r->streams, &key);

	return !stream || stream->restored;
}

void rebuild_teach(struct rebuild *r, const struct subject *s, struct bytes message)
{
	struct flow_msg m;
	struct set_iter it;
	struct flow_set set;

	if (flow_msg_parse(&m, message) != WIRE_OK)
		return;
	for (set_first(&it, &m); set_next(&it, &set); )
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS)
			learn(r, &set, s);
}

/* ---- for a successor ------------------------------------------------------------------ */

const void *rebuild_row(const struct rebuild *r, const void *prev, uint64_t row[static REBUILD_ROW])
{
	const struct out_stream *s = store_next(&r->streams, prev);

	if (!s)
		return NULL;
	memcpy(row, &s->key.exporter, 16);
	memcpy(row + 2, &s->key.agent, 16);
	row[4] = s->key.domain;
	row[5] = s->key.port;
	row[6] = s->key.protocol;
	row[7] = s->next;
	row[8] = s->largest;
	return s;
}

void rebuild_restore(struct rebuild *r, const uint64_t row[static REBUILD_ROW])
{
	struct out_key key = { .domain = (uint32_t)row[4],
		.port = (uint16_t)row[5],
		.protocol = (uint8_t)row[6] };
	struct out_stream *s;
	bool fresh;

	memcpy(&key.exporter, row, 16);
	memcpy(&key.agent, row + 2, 16);
	s = store_put(&r->streams, &key, &fresh);
	s->next = (uint32_t)row[7];
	/* No datagram is larger, and none is of no use. */
	s->largest = row[8] < MOST ? (uint32_t)row[8] : MOST;
	s->known = s->restored = true;
}

struct resample *rebuild_numbers(struct rebuild *r, bool make)
{
	if (!r->samples && make)
		r->samples = resample_new(r->seed);
	return r->samples;
}
