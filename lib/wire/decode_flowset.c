/*
 * decode_flowset.c - v9 and IPFIX messages into flow records: templates are
 * learnt, options data teach samplers and clocks, data Sets run their plan.
 */
#include "decode.h"

/* State of one message. */
struct message {
	struct job *j;
	struct flow_msg msg;
	struct plan_time time;
	uint32_t records;	/* data records of every kind, for IPFIX's sequence */
	bool uncertain;		/* some could not be counted */
	bool again; /* it has waited: for its template, or (`late`) for an interval, in vain */
	bool late;
};

static struct template_key key_of(const struct message *m, uint16_t id)
{
	return (struct template_key){ .exporter = m->j->row->key.exporter, .domain = m->msg.domain,
		.id = id, .protocol = m->j->row->key.protocol };
}

/* The clock of uptimes: v9 has it in its header, IPFIX in options data (IE 160). */
static void set_clock(struct message *m)
{
	const struct stream_row *row = m->j->row;

	m->time.at_us = (uint64_t)m->msg.export_s * 1000000;
	m->time.tick_us = m->j->d->limits.uptime_is_seconds ? 1000000 : 1000;
	m->time.has_uptime = true;
	if (m->msg.version == 9) {
		m->time.uptime = m->msg.uptime_ms;
		return;
	}
	m->time.has_uptime = row->has_init;
	/* Signed: an exporter counts in milliseconds and is dated in seconds, so it may boot after
	 * it exports. */
	m->time.uptime =
		(uint32_t)((int64_t)(m->time.at_us - row->init_ms * 1000) / m->time.tick_us);
}

/* Data and options templates share the IDs; each kind has its own epoch. */
static struct plan *find_plan(struct message *m, uint16_t id)
{
	struct template_key key = key_of(m, id);
	struct template *t = templates_find(&m->j->d->templates, &key);

	if (!t || t->epoch != m->j->row->epoch[(t->plan.flags & PLAN_OPTIONS) != 0])
		return NULL;
	return &t->plan;
}

static void withdraw(struct message *m, uint16_t id, bool options)
{
	struct template_key key = key_of(m, id);

	if (id < TEMPLATE_ID_MIN)
		m->j->row->epoch[options]++;
	else
		templates_forget(&m->j->d->templates, &key);
}

/* ---- what waits ------------------------------------------------------------------- */

static bool hold(struct message *m, const struct flow_set *set, uint16_t id)
{
	struct decoder *d = m->j->d;
	const struct decoder_input *in = m->j->in;
	struct held h = { .key = key_of(m, id),
		.sender = in->sender,
		.sender_port = in->sender_port,
		.recv_us = in->recv_us,
		.message = { in->data.p, (size_t)(m->msg.sets.p - in->data.p) } };

	if (!d->limits.holdback_octets ||
	    !holdback_put(&d->holdback, &h, (struct bytes){ set->body.p - 4, set->body.n + 4 }))
		return false;
	d->counts.held++;
	m->uncertain = true;
	return true;
}

/* Decode what waits for `id`, each Set with the clock and the origin it came with. */
static void release(struct message *m, uint16_t id)
{
	struct job *j = m->j;
	const struct template_key key = key_of(m, id);
	struct held h;

	if (!j->d->limits.holdback_octets)
		return;
	while (holdback_take(&j->d->holdback, &key, &h)) {
		j->d->counts.held_decoded++;
		job_flush(j);
		job_take_held(j, &h, false);
	}
}

/* Whether the interval of these records is announced and still to come. */
static bool awaits_interval(
	const struct message *m, const struct plan *p, const struct sampling *fallback)
{
	return m->j->d->limits.hold_unscaled && !m->late && !fallback->num &&
		m->j->row->announces_interval && !m->j->row->has_interval &&
		!(p->flags & (PLAN_OPTIONS | PLAN_INTERVAL | PLAN_RATIO));
}

/* ---- templates ------------------------------------------------------------------- */

static void learnt(struct message *m, uint16_t id)
{
	const struct plan *p = find_plan(m, id);

	if (p && p->flags & PLAN_OPTIONS && p->flags & (PLAN_INTERVAL | PLAN_RATIO))
		m->j->row->announces_interval = true;
	if (p && p->flags & PLAN_TOTALS && !(p->flags & PLAN_OPTIONS))
		m->j->row->pub.totals = true;
	release(m, id);
}

static void template_set(struct message *m, const struct flow_set *set)
{
	bool options = set->kind == SET_OPTIONS, changed;
	struct decoder *d = m->j->d;
	struct bytes rest = set->body;

	while (!template_padding(rest)) {
		enum wire_err err = template_read(&d->def, &rest, m->msg.version, options);
		struct template_key key = key_of(m, d->def.id);

		if (err == WIRE_OK)
			err = templates_learn(&d->templates, &key, m->j->row->epoch[options],
				&d->def, m->j->in->recv_us, &changed);
		if (err == WIRE_OK) {
			d->counts.templates++;
			m->j->row->pub.templates++;
			d->counts.template_changes += changed;
			learnt(m, d->def.id);
			continue;
		}
		/*
		 * What is refused makes the old definition wrong too; only a cut
		 * one says nothing about it.
		 */
		if (err == WIRE_WITHDRAWAL)
			withdraw(m, d->def.id, options);
		else if (err != WIRE_TEMPLATE_CUT && d->def.id >= TEMPLATE_ID_MIN)
			templates_forget(&d->templates, &key);
		job_damage(m->j, err, d->def.id, 1);
	}
}

/* ---- records ------------------------------------------------------------------------ */

/* Both halves of a biflow have the record's extras. */
static void put_record(struct message *m, const struct plan *p, const struct flow_record *r)
{
	const struct plan_work *w = &m->j->d->work;
	struct bytes *elements;

	*job_next(m->j) = *r;
	elements = job_elements(m->j, m->j->fill - 1);
	for (size_t i = 0; elements && i < p->nextras; i++)
		elements[p->extras[i].element] = w->extras[p->extras[i].element];
}

/* ---- options data ------------------------------------------------------------------- */

static void learn_exporter(struct job *j, const struct plan *p, const struct plan_work *w)
{
	const struct addr *a = NULL;

	if (p->alt & 1u << ALT_exporter4 && !addr_is_zero(&w->alt[ALT_exporter4]))
		a = &w->alt[ALT_exporter4];
	else if (p->alt & 1u << ALT_exporter6 && !addr_is_zero(&w->alt[ALT_exporter6]))
		a = &w->alt[ALT_exporter6];
	if (!a || j->d->limits.trust_sender)
		return;
	/* Records before this one in the same datagram go out under the name they had. */
	job_flush(j);
	j->row->pub.exporter = j->origin.exporter = *a;
}

/* Alone in its chunk, for what it says of an interval is no interval of its own. */
static void emit_option(struct message *m, const struct plan *p, const struct plan_work *w)
{
	job_flush(m->j);
	m->j->origin.options = true;
	put_record(m, p, &w->rec);
	job_flush(m->j);
	m->j->origin.options = false;
}

static void learn_option(struct message *m, const struct plan *p, const struct plan_work *w)
{
	struct job *j = m->j;
	struct sampler_news news = { .now_us = j->in->recv_us, .system = p->flags & PLAN_SYSTEM,
		.part = p->flags & PLAN_PART,
		.has_id = p->present & FLOW_BIT(sampler), .id = w->rec.sampler,
		.has_template = p->aux & 1u << AUX_template, .template_id = w->aux[AUX_template] };

	j->d->counts.option_records++;
	if (j->d->limits.account_options)
		emit_option(m, p, w);
	if (p->aux & 1u << AUX_init_ms && m->msg.version == 10) {
		j->row->init_ms = w->aux[AUX_init_ms];
		j->row->has_init = true;
		set_clock(m);
	}
	learn_exporter(j, p, w);
	if (!(p->flags & PLAN_INTERVAL &&
		    ratio_reduce(w->rec.sampling_num, 1, &news.num, &news.den)) &&
		!plan_ratio(p, w, &news.num, &news.den))
		return;
	samplers_learn(&j->d->samplers, &j->row->key, &news);
	j->row->release = !j->row->has_interval;
	j->row->has_interval = true;
}

/* ---- sampling ----------------------------------------------------------------------- */

/* What a Set's records share, and the last sampler that one of them named. */
struct scaling {
	struct sampling fallback, named;
	uint64_t id;
	bool has_named;
};

static void apply(struct flow_record *r, uint32_t num, uint32_t den)
{
	r->sampling_num = num;
	r->sampling_den = den;
	r->present |= FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den);
}

static void scale_record(
	struct message *m, struct scaling *s, const struct plan *p, struct flow_record *r)
{
	const struct sampling *from = &s->fallback;

	if (flow_has(r, FLOW_sampling_num))
		return;
	if (p->flags & PLAN_INTERVAL && r->sampling_num) {
		apply(r, r->sampling_num, 1);
		return;
	}
	if (p->present & FLOW_BIT(sampler)) {
		if (!s->has_named || s->id != r->sampler) {
			s->named = samplers_by_id(&m->j->d->samplers, &m->j->row->key, r->sampler);
			s->id = r->sampler;
			s->has_named = true;
		}
		from = &s->named;
	}
	m->j->d->counts.ambiguous += from->several;
	if (from->num)
		apply(r, from->num, from->den);
	else
		m->j->d->counts.unscaled += from->source == SAMPLING_UNKNOWN_SAMPLER;
}

/* ---- data ------------------------------------------------------------------------------ */

/* Each record may say how it was sampled. */
static bool samples_by_record(const struct plan *p)
{
	return p->flags & PLAN_INTERVAL || p->present & FLOW_BIT(sampler);
}

/* Fixed length, nothing to decide: whole columns at a time.  Returns what is left. */
static struct bytes run_columns(
	struct message *m, const struct plan *p, struct bytes body, struct scaling *s)
{
	struct decoder *d = m->j->d;
	struct flow_record start = flow_record_empty, *chunk = d->chunk;
	const uint64_t scaling = FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den);
	bool by_record = samples_by_record(p);
	size_t left = body.n / p->min_len;

	start.present = p->present;
	if (!m->time.has_uptime)
		start.present &= ~p->uptimes;
	if (!by_record && s->fallback.num)
		apply(&start, s->fallback.num, s->fallback.den);
	job_flush(m->j);
	while (left > 0) {
		size_t n = left < DECODER_CHUNK ? left : DECODER_CHUNK;

		/* The bottom label is looked for from zero on. */
		if (p->present & FLOW_BIT(mpls_bottom))
			d->clean = 0;
		job_prepare(m->j, (p->present & d->wanted) | scaling, n);
		for (size_t i = 0; i < n; i++) {
			chunk[i].present = start.present;
			chunk[i].sampling_num = start.sampling_num;
			chunk[i].sampling_den = start.sampling_den;
		}
		plan_columns(p, chunk, body.p, n, &m->time, d->wanted);
		for (size_t i = 0; d->elements && i < n; i++)
			job_elements(m->j, i);
		if (d->elements)
			plan_extras(p, d->elements, d->extras->n, body.p, n);
		for (size_t i = 0; by_record && i < n; i++)
			scale_record(m, s, p, &chunk[i]);
		m->j->fill = n;
		job_flush(m->j);
		m->records += (uint32_t)n;
		body.p += n * p->min_len;
		body.n -= n * p->min_len;
		left -= n;
	}
	return body;
}

/*
 * How all `n` records at `data`, a chunk at most, were sampled; false when they do not say the
 * same.
 */
static bool same_sampling(struct message *m, const struct plan *p, const uint8_t *data, size_t n,
			  struct scaling *s, struct sampling *same)
{
	uint64_t sampler[DECODER_CHUNK], differ = 0;
	uint32_t interval[DECODER_CHUNK];
	const struct flow_column column[] = {
		{ (uint8_t *)sampler, sizeof(sampler[0]), FLOW_sampler, false, false },
		{ (uint8_t *)interval, sizeof(interval[0]), FLOW_sampling_num, false, false },
	};
	struct decode_counts *const counts = &m->j->d->counts;
	const uint64_t unscaled = counts->unscaled, ambiguous = counts->ambiguous;
	struct flow_record r = { .present = p->present };

	plan_fill(p, column, 2, 0, data, p->min_len, n, &m->time);
	for (size_t i = 1; i < n; i++)
		differ |= (sampler[i] ^ sampler[0]) | (interval[i] ^ interval[0]);
	if (differ)
		return false;
	r.sampler = sampler[0];
	r.sampling_num = interval[0];
	scale_record(m, s, p, &r);
	counts->unscaled += (counts->unscaled - unscaled) * (n - 1);
	counts->ambiguous += (counts->ambiguous - ambiguous) * (n - 1);
	*same = (struct sampling){ 0, 0, SAMPLING_NONE, false };
	if (flow_has(&r, FLOW_sampling_num))
		*same = (struct sampling){ r.sampling_num, r.sampling_den, SAMPLING_RECORD, false };
	return true;
}

/* Straight into the caller's columns, as far as that goes.  Returns what is left. */
static struct bytes run_direct(
	struct message *m, struct plan *p, struct bytes body, struct scaling *s)
{
	const bool by_record = samples_by_record(p);
	struct sampling how = s->fallback;

	while (body.n >= p->min_len) {
		const size_t left = body.n / p->min_len;
		const size_t n = by_record && left > DECODER_CHUNK ? DECODER_CHUNK : left;
		const size_t used = n * p->min_len;

		if (by_record && !same_sampling(m, p, body.p, n, s, &how)) {
			run_columns(m, p, (struct bytes){ body.p, used }, s);
		} else {
			job_columns(m->j, p, body.p, p->min_len, n, &m->time, how.num, how.den);
			m->records += (uint32_t)n;
		}
		body.p += used;
		body.n -= used;
	}
	return body;
}

static void emit_record(struct message *m, const struct plan *p, struct scaling *s)
{
	struct plan_work *w = &m->j->d->work;
	struct flow_record other;
	uint32_t num, den;

	if (p->flags & PLAN_RATIO && !(p->flags & PLAN_INTERVAL && w->rec.sampling_num) &&
	    plan_ratio(p, w, &num, &den))
		apply(&w->rec, num, den);
	if (p->flags & PLAN_SECTION) {
		m->j->d->counts.sections++;
		if (m->j->d->limits.packet_sections)
			plan_section(p, w);
	}
	scale_record(m, s, p, &w->rec);
	put_record(m, p, &w->rec);
	if (!(p->flags & PLAN_BIFLOW) || !plan_reverse(p, w, &other))
		return;
	put_record(m, p, &other);
	m->j->d->counts.reversed++;
}

/* Record by record.  Returns what is left. */
static struct bytes run_records(
	struct message *m, const struct plan *p, struct bytes body, struct scaling *s)
{
	struct plan_work *w = &m->j->d->work;

	while (body.n >= p->min_len) {
		size_t used = plan_record(p, w, body.p, body.n, &m->time);

		if (used == 0)
			break;
		m->records++;
		body.p += used;
		body.n -= used;
		if (p->flags & PLAN_OPTIONS)
			learn_option(m, p, w);
		else
			emit_record(m, p, s);
	}
	return body;
}

/* A Set whose template is not known: it waits, if it may, and has not waited. */
static void lose(struct message *m, const struct flow_set *set)
{
	const struct template_key key = key_of(m, set->id);

	m->uncertain = true;
	if (!m->again && hold(m, set, set->id))
		return;
	job_damage(m->j, WIRE_NO_TEMPLATE, set->id, 1);
	job_lose_set(m->j->d, &key, set->body.n + 4, m->j->in->recv_us);
}

/* What a record leaves of a Set, as its template reads it, is padding: zeros (RFC 7011 3.3.1). */
static bool padding_is_zero(struct message *m, const struct plan *p, struct bytes body)
{
	size_t used = 0;

	if (!(p->flags & PLAN_VARLEN))
		used = body.n / p->min_len * p->min_len;
	else
		for (size_t n; body.n - used >= p->min_len; used += n)
			if (!(n = plan_record(p, &m->j->d->work, body.p + used, body.n - used,
				      &m->time)))
				break;
	return bytes_all_zero((struct bytes){ body.p + used, body.n - used });
}

/* The records of one Set share an origin. */
static void begin_set(struct job *j, uint16_t id)
{
	if (j->origin.set_id == id)
		return;
	job_flush(j);
	j->origin.set_id = id;
}

static void data_set(struct message *m, const struct flow_set *set)
{
	struct plan *p = find_plan(m, set->id);
	uint32_t before = m->records;
	struct scaling s = { .has_named = false };
	struct bytes rest;

	if (!p) {
		lose(m, set);
		return;
	}
	s.fallback = samplers_default(&m->j->d->samplers, &m->j->row->key, set->id);
	if (awaits_interval(m, p, &s.fallback) && hold(m, set, HELD_SAMPLING))
		return;
	if (m->j->d->limits.strict_padding && !padding_is_zero(m, p, set->body)) {
		job_damage(m->j, WIRE_PADDING, set->id, 1);
		m->uncertain = true;
		return;
	}
	begin_set(m->j, set->id);
	if (p->flags & PLAN_CAREFUL)
		rest = run_records(m, p, set->body, &s);
	else if (job_direct(m->j, p))
		rest = run_direct(m, p, set->body, &s);
	else
		rest = run_columns(m, p, set->body, &s);
	if (s.fallback.several && !samples_by_record(p) && !(p->flags & PLAN_CAREFUL))
		m->j->d->counts.ambiguous += m->records - before;
	/* Padding: up to three octets of anything behind records, or zeros. */
	if (bytes_all_zero(rest) || (rest.n < 4 && m->records > before))
		return;
	job_damage(m->j, WIRE_RECORD_CUT, set->id, 1);
	m->uncertain = true;
}

/* ---- the message ------------------------------------------------------------------------- */

static void take_set(struct message *m, const struct flow_set *set)
{
	switch (set->kind) {
	case SET_TEMPLATE:
	case SET_OPTIONS:
		template_set(m, set);
		break;
	case SET_DATA:
		data_set(m, set);
		break;
	case SET_RESERVED:
		job_damage(m->j, WIRE_SET_RESERVED, set->id, 1);
		break;
	}
}

static void set_origin(struct message *m)
{
	m->j->origin.sequence = m->msg.sequence;
	m->j->origin.export_us = (uint64_t)m->msg.export_s * 1000000;
	set_clock(m);
}

void job_take_held(struct job *j, const struct held *h, bool late)
{
	const struct decoder_input in = { h->message, h->sender, h->sender_port, h->recv_us };
	struct job then = { .d = j->d,
		.in = &in,
		.emit = j->emit,
		.ctx = j->ctx,
		.origin = { .sender = h->sender,
			.sender_port = h->sender_port,
			.recv_us = h->recv_us,
			.protocol = h->key.protocol } };
	struct message m = { .j = &then, .again = true, .late = late };
	struct set_iter it;
	struct flow_set set;

	if (flow_msg_parse(&m.msg, h->message) != WIRE_OK)
		return;		/* it was parsed when it came */
	then.origin.version = m.msg.version;
	job_find_stream(&then, &h->key.exporter, h->key.domain);
	set_origin(&m);
	for (set_first(&it, &m.msg); set_next(&it, &set); )
		take_set(&m, &set);
	job_flush(&then);
}

enum wire_err decode_flowset(struct job *j)
{
	struct message m = { .j = j };
	struct set_iter it;
	struct flow_set set;
	enum wire_err err = flow_msg_parse(&m.msg, j->in->data);

	if (err != WIRE_OK)
		return err;
	job_stream(j, NULL, m.msg.domain);
	set_origin(&m);
	for (set_first(&it, &m.msg); set_next(&it, &set); ) {
		take_set(&m, &set);
		if (j->row->release) {
			j->row->release = false;
			release(&m, HELD_SAMPLING);
		}
	}
	if (it.err != WIRE_OK) {
		job_damage(j, it.err, 0, 1);
		m.uncertain = true;
	}
	job_damage(j, WIRE_TRAILING, 0, m.msg.trailing > 0);
	sequence_step(&j->row->sequence, &j->row->pub.sequence,
		&(struct sequence_step) { .number = m.msg.sequence,
			.units = m.msg.version == 9 ? 1 : m.records,
			.unit = m.msg.version == 9 ? 1 : 30,
			.uncertain = m.msg.version == 10 && m.uncertain,
			.has_uptime = m.msg.version == 9,
			.uptime_ms = m.msg.uptime_ms });
	return WIRE_OK;
}
