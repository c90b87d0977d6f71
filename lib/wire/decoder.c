/*
 * decoder.c - the front door: detection, streams, counters; and the protocols
 * that need no more than a loop.  v9 and IPFIX are in decode_flowset.c.
 */
#include "decode.h"
#include "netflow8.h"
#include "sflow.h"

const struct decoder_limits decoder_limits_default = {
	.streams = 4096, .templates = 16384, .samplers = 16384, .exporter_share = 8,
	.v8_dst_mask_first = true,
};

static const struct protocol {
	uint8_t protocol, octets;
	uint16_t version;
	decode_fn *decode;
} protocols[] = {
#define PROTOCOL(id, octets, version, decode) { id, octets, version, decode },
#include "protocols.def"
#undef PROTOCOL
};

const char *flow_protocol_name(enum flow_protocol p)
{
	static const char *const names[] = {
		[PROTO_NETFLOW1] = "netflow1",
		[PROTO_NETFLOW5] = "netflow5",
		[PROTO_NETFLOW7] = "netflow7",
		[PROTO_NETFLOW8] = "netflow8",
		[PROTO_NETFLOW9] = "netflow9",
		[PROTO_IPFIX] = "ipfix",
		[PROTO_SFLOW] = "sflow",
		[PROTO_UNKNOWN] = "unknown",
	};

	return (unsigned)p <= PROTO_UNKNOWN ? names[p] : "unknown";
}

/* WIRE_SHORT: too short to be anything. */
static enum wire_err detect(const struct protocol **found, struct bytes b)
{
	if (b.n < 4)
		return WIRE_SHORT;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		const struct protocol *p = &protocols[i];

		if ((p->octets == 2 ? be16(b.p) : be32(b.p)) == p->version) {
			*found = p;
			return WIRE_OK;
		}
	}
	return WIRE_VERSION;
}

/* ---- memory ------------------------------------------------------------------ */

static struct decoder_limits at_least_one(const struct decoder_limits *l)
{
	struct decoder_limits out = *l;

	out.streams += out.streams == 0;
	out.templates += out.templates == 0;
	out.samplers += out.samplers == 0;
	return out;
}

static size_t decoder_head(void)
{
	return (sizeof(struct decoder) + 63) & ~(size_t)63;
}

static size_t streams_size(uint32_t cap)
{
	return store_size(cap, sizeof(struct stream_row)) + store_share_size(cap);
}

/* What an exporter keeps of a full table. */
static uint32_t share_of(const struct decoder_limits *l, uint32_t cap)
{
	uint32_t n = l->exporter_share ? cap / l->exporter_share : cap;

	return n ? n : 1;
}

static size_t losses_size(void)
{
	return store_size(LOSSES, sizeof(struct loss_row)) + store_share_size(LOSSES);
}

size_t decoder_size(const struct decoder_limits *l)
{
	struct decoder_limits n = at_least_one(l);

	return decoder_head() + streams_size(n.streams) +
		templates_size(n.templates) + samplers_size(n.samplers) + losses_size() +
		(n.holdback_octets ? holdback_size(n.holdback_octets) : 0);
}

/* What an exporter's numbers said stays in the totals when the exporter does not. */
static void keep_sequence(void *ctx, const void *row)
{
	struct sequence_counts *to = ctx;
	const struct sequence_counts *from = &((const struct stream_row *)row)->pub.sequence;

	to->received += from->received;
	to->lost += from->lost;
	to->gaps += from->gaps;
	to->late += from->late;
	to->duplicates += from->duplicates;
	to->restarts += from->restarts;
}

static const uint16_t fixed_versions[FIXED_FORMATS] = { 1, 5, 7 };

struct decoder *decoder_init(void *mem, const struct decoder_limits *l, uint64_t seed)
{
	struct decoder *d = mem;
	uint8_t *at = (uint8_t *)mem + decoder_head();

	memset(d, 0, sizeof(*d));
	d->limits = at_least_one(l);
	d->wanted = UINT64_MAX;
	d->all = flow_record_empty;
	for (size_t i = 0; i < FIXED_FORMATS; i++)
		netflow5_plan(&d->fixed[i], fixed_versions[i]);
	store_init(&d->streams, at, d->limits.streams, sizeof(struct stream_row),
		   sizeof(struct stream_key), seed);
	store_share(&d->streams, at + store_size(d->limits.streams, sizeof(struct stream_row)),
		    share_of(l, d->limits.streams));
	d->streams.evicting = keep_sequence;
	d->streams.ctx = &d->counts.evicted_sequence;
	at += streams_size(d->limits.streams);
	templates_init(
		&d->templates, at, d->limits.templates, share_of(l, d->limits.templates), seed + 1);
	at += templates_size(d->limits.templates);
	samplers_init(&d->samplers, at, d->limits.samplers, share_of(l, d->limits.samplers),
		seed + 2, d->limits.options_any_scope);
	at += samplers_size(d->limits.samplers);
	store_init(&d->losses, at, LOSSES, sizeof(struct loss_row), sizeof(struct template_key),
		seed + 3);
	store_share(
		&d->losses, at + store_size(LOSSES, sizeof(struct loss_row)), share_of(l, LOSSES));
	at += losses_size();
	if (d->limits.holdback_octets)
		holdback_init(&d->holdback, at, d->limits.holdback_octets, seed + 4);
	return d;
}

void decoder_want(struct decoder *d, uint64_t members)
{
	d->wanted = members | FLOW_BIT(octets) | FLOW_BIT(packets) | FLOW_BIT(flows) |
		FLOW_BIT(tcp_flags) | FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den) |
		FLOW_BIT(sampler);
}

/* ---- columns ---- */

void decoder_want_columns(struct decoder *d, const struct columns_want *want)
{
	d->columns = want;
	d->columns_number++;
	d->shuffles = want && want->nareas && shuffle_possible();
}

bool job_direct(const struct job *j, const struct plan *p)
{
	const struct columns_want *c = j->d->columns;

	return c && !j->d->extras && !(p->flags & PLAN_CAREFUL) &&
		(p->present & c->with) == c->with && !(p->present & c->without);
}

/* The template in the words of shuffle.h, which it is put into when it is needed first. */
static const struct shuffle *shuffle_of(const struct decoder *d, struct plan *p)
{
	const struct columns_want *c = d->columns;

	if (p->shuffled != d->columns_number) {
		p->shuffled = d->columns_number;
		p->v4 = c->v4 && plan_is4(p, c->v4->column, c->v4->n);
		if (p->v4)
			c = c->v4;
		shuffle_compile(&p->shuffle, p, c->column, c->n, c->area, c->nareas);
	}
	return &p->shuffle;
}

void job_columns(struct job *j, struct plan *p, const uint8_t *data, size_t step, size_t n,
		 const struct plan_time *t, uint32_t num, uint32_t den)
{
	const uint64_t scaling = num ? FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den) : 0;
	struct decoder *d = j->d;
	const struct shuffle *s = shuffle_of(d, p);
	const struct columns_want *c = p->v4 ? d->columns->v4 : d->columns;
	const uint64_t done = d->shuffles ? s->done : 0;

	job_flush(j);
	d->all.present = (t->has_uptime ? p->present : p->present & ~p->uptimes) | scaling;
	d->all.sampling_num = num;
	d->all.sampling_den = den;
	d->counts.records += n;
	d->counts.columns += n;
	d->counts.no_octets += p->present & FLOW_BIT(octets) ? 0 : n;
	j->row->pub.records += n;
	while (n > 0) {
		const size_t rows = n < DECODER_CHUNK ? n : DECODER_CHUNK;

		if (d->shuffles)
			shuffle_fill(s, c->area, data, step, rows);
		plan_fill(p, c->column, c->n, done, data, step, rows, t);
		c->emit(j->ctx, &j->origin, &d->all, rows);
		data += rows * step;
		n -= rows;
	}
}

/* ---- extras ------------------------------------------------------------------- */

static size_t inside_size(const struct extras_want *want)
{
	return want->inside ? DECODER_CHUNK * sizeof(struct frame_inside) : 0;
}

size_t decoder_extras_size(const struct extras_want *want)
{
	return inside_size(want) + DECODER_CHUNK * want->n * sizeof(struct bytes);
}

void decoder_want_extras(struct decoder *d, const struct extras_want *want, void *mem)
{
	d->extras = d->templates.extras = want;
	d->inside = want->inside ? mem : NULL;
	d->elements = want->n ? (void *)((uint8_t *)mem + inside_size(want)) : NULL;
}

struct bytes *job_elements(struct job *j, size_t i)
{
	struct bytes *row;

	if (!j->d->elements)
		return NULL;
	row = j->d->elements + i * j->d->extras->n;
	memset(row, 0, j->d->extras->n * sizeof(*row));
	j->origin.extras = (struct extras){ .n = j->d->extras->n, .elements = j->d->elements };
	return row;
}

/* ---- one datagram --------------------------------------------------------------- */

void job_damage(struct job *j, enum wire_err err, uint32_t id, uint64_t n)
{
	if (n == 0)
		return;
	j->d->counts.damaged[err] += n;
	j->d->counts.damages += n;
	j->row->pub.damaged += n;
	j->d->last_err = err;
	j->d->last_id = id;
}

void job_find_stream(struct job *j, const struct addr *exporter, uint32_t domain)
{
	struct stream_key key = { .exporter = exporter ? *exporter : j->in->sender,
		.domain = domain,
		.protocol = j->origin.protocol };
	struct stream *s;
	bool fresh;

	j->row = store_put(&j->d->streams, &key, &fresh);
	s = &j->row->pub;
	if (fresh) {
		s->exporter = key.exporter;
		s->protocol = key.protocol;
		s->domain = domain;
		s->first_seen_us = j->in->recv_us;
	}
	j->origin.exporter = s->exporter;
	j->origin.domain = domain;
	j->origin.stream = s;
}

void job_stream(struct job *j, const struct addr *exporter, uint32_t domain)
{
	struct stream *s;

	job_find_stream(j, exporter, domain);
	s = &j->row->pub;
	s->last_seen_us = j->in->recv_us;
	s->datagrams++;
	s->octets += j->in->data.n;
}

struct decoder_loss *job_lose_set(
	struct decoder *d, const struct template_key *key, uint64_t octets, uint64_t recv_us)
{
	bool fresh;
	struct loss_row *row = store_put(&d->losses, key, &fresh);

	if (fresh)
		row->pub = (struct decoder_loss) { .exporter = key->exporter,
			.domain = key->domain,
			.id = key->id,
			.protocol = key->protocol };
	row->pub.sets++;
	row->pub.octets += octets;
	row->pub.last_us = recv_us;
	d->counts.no_template_octets += octets;
	d->counts.evicted_losses = d->losses.evicted;
	return &row->pub;
}

void job_flush(struct job *j)
{
	struct decode_counts *c = &j->d->counts;
	const struct flow_record *const end = j->d->chunk + j->fill;
	size_t no_octets = 0;

	if (j->fill == 0)
		return;
	for (const struct flow_record *r = j->d->chunk; r < end; r++)
		no_octets += !flow_has(r, FLOW_octets);
	c->no_octets += no_octets;
	c->records += j->fill;
	j->row->pub.records += j->fill;
	j->emit(j->ctx, &j->origin, j->d->chunk, j->fill);
	j->fill = 0;
}

void job_prepare(struct job *j, uint64_t writes, size_t n)
{
	struct decoder *d = j->d;

	if (d->dirty & ~writes)
		d->clean = 0;
	d->dirty = writes;
	for (; d->clean < n; d->clean++)
		d->chunk[d->clean] = flow_record_empty;
}

struct flow_record *job_next(struct job *j)
{
	j->d->clean = 0;
	if (j->fill == DECODER_CHUNK)
		job_flush(j);
	return &j->d->chunk[j->fill++];
}

enum wire_err decode(struct decoder *d, const struct decoder_input *in, emit_fn *emit, void *ctx)
{
	struct job j = { .d = d,
		.in = in,
		.emit = emit,
		.ctx = ctx,
		.origin = { .sender = in->sender,
			.sender_port = in->sender_port,
			.recv_us = in->recv_us } };
	struct decode_counts *c = &d->counts;
	const struct protocol *p = NULL;
	enum wire_err err;

	c->datagrams++;
	c->octets += in->data.n;
	err = detect(&p, in->data);
	if (err == WIRE_OK) {
		j.origin.protocol = p->protocol;
		j.origin.version = p->version;
		err = p->decode(&j);
	}
	if (err == WIRE_OK) {
		c->accepted++;
		job_flush(&j);
	} else {
		c->refused[err]++;
		d->last_err = err;
		d->last_id = 0;
	}
	c->evicted_streams = d->streams.evicted;
	c->evicted_templates = d->templates.store.evicted;
	c->evicted_samplers = d->samplers.store.evicted;
	c->evicted_own = d->streams.evicted_own + d->templates.store.evicted_own +
		d->samplers.store.evicted_own;
	return err;
}

/* ---- what waits ------------------------------------------------------------------- */

struct decoder_loss *decoder_expire(struct decoder *d, uint64_t now_us, emit_fn *emit, void *ctx)
{
	struct job j = { .d = d, .emit = emit, .ctx = ctx };
	struct decoder_loss *last = NULL;
	uint64_t before = now_us;
	struct held h;

	if (!d->limits.holdback_octets)
		return NULL;
	if (now_us != UINT64_MAX)
		before = now_us > d->limits.hold_us ? now_us - d->limits.hold_us : 0;
	while (holdback_take_old(&d->holdback, before, &h)) {
		size_t header = h.key.protocol == PROTO_NETFLOW9 ? 20 : 16;

		if (h.key.id == HELD_SAMPLING) {
			d->counts.held_unscaled++;
			job_take_held(&j, &h, true);
			continue;
		}
		d->counts.held_lost++;
		d->counts.damaged[WIRE_NO_TEMPLATE]++;
		d->counts.damages++;
		last = job_lose_set(d, &h.key, h.message.n - header, h.recv_us);
	}
	return last;
}

uint64_t decoder_waiting(const struct decoder *d)
{
	return d->limits.holdback_octets ? d->holdback.sets : 0;
}

struct decoder_loss *decoder_loss_next(struct decoder *d, struct decoder_loss *prev)
{
	struct loss_row *row = NULL;

	if (prev)
		row = (struct loss_row *)(void *)((uint8_t *)prev - offsetof(struct loss_row, pub));
	row = store_next(&d->losses, row);
	return row ? &row->pub : NULL;
}

/* ---- v1, v5, v7 ------------------------------------------------------------------ */

static void count_records(struct job *j, uint32_t number, uint32_t records, uint32_t uptime_ms)
{
	sequence_step(&j->row->sequence, &j->row->pub.sequence, &(struct sequence_step){
		.number = number, .units = records, .unit = NETFLOW5_MAX, .has_uptime = true,
		.uptime_ms = uptime_ms });
}

static struct plan *plan_of(struct decoder *d, uint16_t version)
{
	size_t i = 0;

	while (fixed_versions[i] != version)
		i++;
	return &d->fixed[i];
}

static void take_fixed(struct job *j, struct netflow5_msg *m)
{
	struct plan *p = plan_of(j->d, m->version);
	const uint32_t interval = netflow5_interval(m);

	m->uptime_is_seconds = j->d->limits.uptime_is_seconds;
	j->origin.sequence = m->sequence;
	j->origin.export_us = (uint64_t)m->export_s * 1000000 + m->export_ns / 1000;
	if (m->version != 1)
		count_records(j, m->sequence, m->count, m->uptime_ms);
	if (m->count && job_direct(j, p)) {
		const struct plan_time t = netflow5_time(m);

		job_columns(j, p, m->records.p, m->records.n / m->count, m->count, &t, interval,
			    interval != 0);
		return;
	}
	for (size_t from = 0; from < m->count; ) {
		job_prepare(j, netflow5_members(m, j->d->wanted),
			    m->count - from < DECODER_CHUNK ? m->count - from : DECODER_CHUNK);
		j->fill = netflow5_fill(m, from, j->d->chunk, DECODER_CHUNK, j->d->wanted);
		if (j->fill == 0)
			break;
		from += j->fill;
		job_flush(j);
	}
}

/*
 * Some exporters put several PDUs into one datagram (nfcapd reads them, too).  What
 * goes on with the same engine and the next sequence number is one; anything else, an old
 * PDU left in a buffer for instance, is trailing octets and no traffic.
 */
static bool next_pdu(struct netflow5_msg *next, const struct netflow5_msg *m)
{
	const struct bytes rest = { m->records.p + m->records.n, m->trailing };

	return m->version != 1 && netflow5_parse(next, rest) == WIRE_OK &&
		next->version == m->version && next->count > 0 &&
		next->sequence == m->sequence + m->count && next->engine_type == m->engine_type &&
		next->engine_id == m->engine_id;
}

enum wire_err decode_netflow5(struct job *j)
{
	struct netflow5_msg m, next;
	enum wire_err err = netflow5_parse(&m, j->in->data);

	if (err != WIRE_OK)
		return err;
	job_stream(j, NULL, (uint32_t)m.engine_type << 8 | m.engine_id);
	take_fixed(j, &m);
	while (m.trailing && next_pdu(&next, &m)) {
		m = next;
		take_fixed(j, &m);
	}
	job_damage(j, WIRE_TRAILING, 0, m.trailing > 0);
	return WIRE_OK;
}

/* ---- v8 --------------------------------------------------------------------------- */

enum wire_err decode_netflow8(struct job *j)
{
	struct netflow8_msg m;
	enum wire_err err = netflow8_parse(&m, j->in->data);

	if (err != WIRE_OK)
		return err;
	m.dialect = (j->d->limits.v8_dst_mask_first ? NETFLOW8_DST_MASK_FIRST : 0) |
		(j->d->limits.v8_tos_first ? NETFLOW8_TOS_FIRST : 0);
	m.uptime_is_seconds = j->d->limits.uptime_is_seconds;
	job_stream(j, NULL, (uint32_t)m.engine_type << 8 | m.engine_id);
	j->origin.sequence = m.sequence;
	j->origin.export_us = (uint64_t)m.export_s * 1000000 + m.export_ns / 1000;
	count_records(j, m.sequence, m.count, m.uptime_ms);
	for (size_t from = 0; from < m.count; ) {
		j->d->clean = 0;
		j->fill = netflow8_records(&m, from, j->d->chunk, DECODER_CHUNK);
		if (j->fill == 0)
			break;
		from += j->fill;
		job_flush(j);
	}
	job_damage(j, WIRE_TRAILING, 0, m.trailing > 0);
	return WIRE_OK;
}

/* ---- sFlow ------------------------------------------------------------------------- */

/* Samples of one format share an origin; the last record is the first of another one. */
static void begin_format(struct job *j, uint16_t format)
{
	const size_t last = j->fill - 1;

	if (last) {
		const struct flow_record rec = j->d->chunk[last];

		j->fill = last;
		job_flush(j);
		j->d->chunk[0] = rec;
		if (j->d->inside)
			j->d->inside[0] = j->d->inside[last];
		j->fill = 1;
	}
	j->origin.set_id = format;
}

static void take_samples(struct job *j, const struct sflow_msg *m, struct sflow_iter *it)
{
	struct decode_counts *c = &j->d->counts;
	struct sflow_sample s;

	sflow_first(it, m);
	it->tunnels = j->d->limits.tunnels;
	it->ip_octets = j->d->limits.sflow_ip_octets;
	for (;;) {
		struct flow_record *rec = job_next(j);

		if (j->d->inside) {
			it->inside = &j->d->inside[j->fill - 1];
			it->inside->found = it->inside->has_vni = false;
			j->origin.extras.inside = j->d->inside;
		}
		if (!sflow_next(it, &s, rec)) {
			j->fill--;
			return;
		}
		if (s.counters) {
			c->counter_samples++;
			j->fill--;
			continue;
		}
		c->agent_drops += samplers_drops(&j->d->samplers, &j->row->key,
			(uint64_t)s.source_type << 32 | s.source_index, s.drops);
		if (s.format != j->origin.set_id)
			begin_format(j, s.format);
	}
}

enum wire_err decode_sflow(struct job *j)
{
	struct sflow_msg m;
	struct sflow_iter it;
	enum wire_err err = sflow_parse(&m, j->in->data);

	if (err != WIRE_OK)
		return err;
	job_stream(j, j->d->limits.trust_sender || addr_is_zero(&m.agent) ? NULL : &m.agent,
		m.sub_agent);
	j->origin.sequence = m.sequence;
	j->origin.export_us = j->in->recv_us;
	sequence_step(&j->row->sequence, &j->row->pub.sequence,
		&(struct sequence_step) { .number = m.sequence,
			.units = 1,
			.unit = 1,
			.has_uptime = true,
			.uptime_ms = m.uptime_ms });
	take_samples(j, &m, &it);
	job_damage(j, WIRE_SAMPLE_UNKNOWN, 0, it.skipped);
	job_damage(j, WIRE_SAMPLE_CUT, 0, it.cut);
	job_damage(j, it.err, 0, it.err != WIRE_OK);
	return WIRE_OK;
}

/* ---- questions ----------------------------------------------------------------------- */

const struct decode_counts *decoder_counts(const struct decoder *d)
{
	return &d->counts;
}

enum wire_err decoder_last(const struct decoder *d, uint32_t *id)
{
	*id = d->last_id;
	return d->last_err;
}

struct stream *decoder_stream_next(struct decoder *d, struct stream *prev)
{
	struct stream_row *row = NULL;

	if (prev)
		row = (struct stream_row *)(void *)((uint8_t *)prev -
			offsetof(struct stream_row, pub));
	row = store_next(&d->streams, row);
	return row ? &row->pub : NULL;
}

/* Header offsets of domain and sequence; v9 and IPFIX have a domain word, the older ones an engine.
 */
void wire_peek(struct peek *p, struct bytes b)
{
	static const struct {
		uint16_t version;
		uint8_t header, sequence, domain;
	} headers[] = { { 5, 24, 16, 20 }, { 7, 24, 16, 0 }, { 8, 28, 16, 20 }, { 9, 20, 12, 16 },
		{ 10, 16, 8, 12 }, { 1, 16, 0, 0 } };
	const struct protocol *found;
	struct sflow_msg m;

	*p = (struct peek){ .protocol = PROTO_UNKNOWN, .agent = addr_zero4 };
	if (detect(&found, b) != WIRE_OK)
		return;
	if (found->protocol == PROTO_SFLOW) {
		if (sflow_parse(&m, b) != WIRE_OK)
			return;
		p->domain = m.sub_agent;
		p->sequence = m.sequence;
		p->agent = m.agent;
	}
	for (size_t i = 0; found->octets == 2 && i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i].version != found->version)
			continue;
		if (b.n < headers[i].header)
			return;
		if (headers[i].sequence)
			p->sequence = be32(b.p + headers[i].sequence);
		if (headers[i].domain)
			p->domain = found->version > 8 ? be32(b.p + headers[i].domain) :
				be16(b.p + headers[i].domain);
	}
	p->protocol = found->protocol;
	p->version = found->version;
}
