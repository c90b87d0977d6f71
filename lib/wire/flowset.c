/*
 * flowset.c - v9 and IPFIX messages, both ways; a dialect is a row.
 */
#include "flowset.h"
#include "ie.h"
#include "uptime.h"

enum { SET_HEADER = 4 };

/* Where the two header layouts have what. */
struct dialect {
	uint16_t version;
	uint8_t header;		/* octets */
	uint8_t export_s, sequence, domain;	/* offsets */
	uint16_t template_set, options_set;
	bool has_length; /* total length at offset 2; else a record count there and uptime behind it
			  */
};

static const struct dialect dialects[] = {
	{ .version = 9, .header = 20, .export_s = 8, .sequence = 12, .domain = 16,
	  .template_set = 0, .options_set = 1, .has_length = false },
	{ .version = 10, .header = 16, .export_s = 4, .sequence = 8, .domain = 12,
	  .template_set = 2, .options_set = 3, .has_length = true },
};

static const struct dialect *dialect_of(uint16_t version)
{
	return version == 9 ? &dialects[0] : version == 10 ? &dialects[1] : NULL;
}

/* ---- reading -------------------------------------------------------------------- */

enum wire_err flow_msg_parse(struct flow_msg *msg, struct bytes dgram)
{
	const struct dialect *d;
	size_t end = dgram.n;

	if (dgram.n < 2)
		return WIRE_SHORT;
	d = dialect_of(be16(dgram.p));
	if (!d)
		return WIRE_VERSION;
	if (dgram.n < d->header)
		return WIRE_SHORT;
	*msg = (struct flow_msg){ .version = d->version, .export_s = be32(dgram.p + d->export_s),
		.sequence = be32(dgram.p + d->sequence), .domain = be32(dgram.p + d->domain) };
	if (d->has_length) {
		size_t claimed = be16(dgram.p + 2);

		/* A length below the header's own says nothing: what arrived is read. */
		if (claimed >= d->header && claimed < end)
			end = claimed;
		msg->trailing = dgram.n - end;
	} else {
		msg->count = be16(dgram.p + 2);
		msg->uptime_ms = be32(dgram.p + 4);
	}
	msg->sets = (struct bytes){ dgram.p + d->header, dgram.n - d->header };
	return WIRE_OK;
}

void set_first(struct set_iter *it, const struct flow_msg *msg)
{
	*it = (struct set_iter){ .rest = msg->sets, .own = msg->sets.n - msg->trailing,
		.version = msg->version, .err = WIRE_OK };
}

/* No Set begins here: the end, v9's zero fill (Palo Alto), or something wrong. */
static bool set_stop(struct set_iter *it, enum wire_err err)
{
	if (it->own > 0 && !(it->version == 9 && bytes_all_zero(it->rest)))
		it->err = err;
	it->rest.p += it->rest.n;
	it->rest.n = it->own = 0;
	return false;
}

bool set_next(struct set_iter *it, struct flow_set *set)
{
	const struct dialect *d = dialect_of(it->version);
	size_t len;
	uint16_t id;

	if (it->own < SET_HEADER)
		return set_stop(it, WIRE_TRAILING);
	id = be16(it->rest.p);
	len = be16(it->rest.p + 2);
	if (len < SET_HEADER || len > it->rest.n)
		return set_stop(it, WIRE_LENGTH);
	set->id = id;
	set->kind = id >= 256 ? SET_DATA : id == d->template_set ? SET_TEMPLATE :
		id == d->options_set ? SET_OPTIONS : SET_RESERVED;
	set->body = (struct bytes){ it->rest.p + SET_HEADER, len - SET_HEADER };
	it->rest.p += len;
	it->rest.n -= len;
	it->own -= len < it->own ? len : it->own;
	return true;
}

/* ---- writing -------------------------------------------------------------------- */

size_t template_record_size(const struct template_spec *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nfields; i++) {
		if (t->fields[i].len == IE_VARLEN)
			return 0;
		n += t->fields[i].len;
	}
	return n;
}

void flow_msg_begin(struct cursor *c, const struct flow_msg *m)
{
	put16(c, m->version);
	put16(c, 0);
	if (m->version == 9)
		put32(c, m->uptime_ms);
	put32(c, m->export_s);
	put32(c, m->sequence);
	put32(c, m->domain);
}

void flow_msg_end(struct cursor *c, const struct flow_msg *m, unsigned records)
{
	if (cursor_used(c) >= 4)
		patch16(c->start + 2, m->version == 9 ? records : cursor_used(c));
}

uint8_t *flow_set_begin(struct cursor *c, uint16_t id)
{
	uint8_t *mark = c->at;

	put16(c, id);
	put16(c, 0);
	return mark;
}

void flow_set_end(struct cursor *c, uint8_t *mark)
{
	size_t len = (size_t)(c->at - mark);

	put_zeros(c, (4 - len % 4) % 4);
	if (c->at - mark >= SET_HEADER)
		patch16(mark + 2, (size_t)(c->at - mark));
}

void flow_msg_put_template(struct cursor *c, uint16_t version, const struct template_spec *t)
{
	const struct dialect *d = dialect_of(version);
	uint8_t *mark = flow_set_begin(c, t->nscope ? d->options_set : d->template_set);

	put16(c, t->id);
	if (!t->nscope) {
		put16(c, t->nfields);
	} else if (version == 9) {
		put16(c, (uint16_t)(4 * t->nscope));
		put16(c, (uint16_t)(4 * (t->nfields - t->nscope)));
	} else {
		put16(c, t->nfields);
		put16(c, t->nscope);
	}
	for (size_t i = 0; i < t->nfields; i++) {
		const struct field_spec *f = &t->fields[i];

		put16(c, version == 10 && f->pen ? f->id | 0x8000 : f->id);
		put16(c, f->len);
		if (version == 10 && f->pen)
			put32(c, f->pen);
	}
	flow_set_end(c, mark);
}

/* The length of a variable field, in the short form while it fits (RFC 7011 7). */
static void put_length(struct cursor *c, size_t n)
{
	if (n < 255) {
		put8(c, (uint8_t)n);
	} else {
		put8(c, 255);
		put16(c, (uint16_t)n);
	}
}

/*
 * RFC 7011 6.1.9: NTP format.  Rounded up, so that a reader that rounds down
 * gets the microsecond back; dateTimeMicroseconds leaves the low 11 bits zero.
 */
static uint64_t ntp_from_us(uint64_t us, bool micros)
{
	uint64_t fraction = ((us % 1000000 << 32) + 999999) / 1000000;

	if (micros)
		fraction = (fraction + 0x7ff) & ~UINT64_C(0x7ff);
	return ((us / 1000000 + UINT64_C(2208988800)) << 32) + fraction;
}

static uint64_t time_as(const struct flow_msg *m, const struct ie *e, uint64_t us)
{
	uint64_t export_us = (uint64_t)m->export_s * 1000000;

	switch (e->type) {
	case IE_SECONDS:
		return us / 1000000;
	case IE_MILLIS:
		return us / 1000;
	case IE_MICROS:
		return ntp_from_us(us, true);
	case IE_NANOS:
		return ntp_from_us(us, false);
	default:
		if (e->id == 158 || e->id == 159)
			return us < export_us ? export_us - us : 0;
		return uptime_from_us(us, m->uptime_ms, export_us);
	}
}

/* RFC 3032 2.1: label, three bits of no interest, the S bit on the last of the stack. */
static uint32_t label_as(const struct flow_record *r, const struct ie *e)
{
	bool one = !flow_has(r, FLOW_mpls_bottom) || r->mpls_top == r->mpls_bottom;

	if (e->field == FLOW_mpls_top)
		return r->mpls_top << 4 | one;
	return one ? 0 : r->mpls_bottom << 4 | 1;
}

/* ---- data records: a field becomes an operation, once a template ------------- */

enum put_kind { PUT_ZEROS, PUT_8_1, PUT_16_2, PUT_32_4, PUT_64_4, PUT_64_8, PUT_NUMBER, PUT_TIME,
	PUT_LABEL, PUT_ADDR4, PUT_ADDR6, PUT_MAC };

static uint8_t number_put(unsigned width, size_t len)
{
	static const uint8_t same[9] = {
		[1] = PUT_8_1, [2] = PUT_16_2, [4] = PUT_32_4, [8] = PUT_64_8
	};

	if (len == width)
		return same[width];
	return width == 8 && len == 4 ? PUT_64_4 : PUT_NUMBER;
}

static inline struct flow_put_op compile_field(const struct field_spec *f)
{
	const struct ie *e = f->pen == PEN_REVERSE ? NULL : ie_find(f->pen, f->id);
	struct flow_put_op op = { .ie = e, .len = f->len, .kind = PUT_ZEROS };
	const struct flow_field_info *info;

	/* 232 and 299 land in the other half of an event. */
	if (e && (e->field < 0 || e->id == 232 || e->id == 299))
		e = NULL;
	if (f->len == IE_VARLEN) {
		op.prefix = true;
		op.len = e ? e->len : 0;
	}
	if (!e)
		return op;
	info = &flow_fields[e->field];
	op.offset = info->offset;
	if (info->kind == FLOW_KIND_MAC)
		op.kind = PUT_MAC;
	else if (info->kind == FLOW_KIND_ADDR)
		op.kind = e->type == IE_ADDR4 ? PUT_ADDR4 : PUT_ADDR6;
	else if (e->field == FLOW_first_us || e->field == FLOW_last_us)
		op.kind = PUT_TIME;
	else if (e->field == FLOW_mpls_top || e->field == FLOW_mpls_bottom)
		op.kind = PUT_LABEL;
	else
		op.kind = number_put(info->width, op.len);
	return op;
}

/* `v` in `len` octets: leading zeros when that is more than eight. */
static void store_number(uint8_t *to, uint64_t v, size_t len)
{
	for (size_t i = len; i-- > 0; v >>= 8)
		to[i] = (uint8_t)v;
}

static void store32(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 24);
	to[1] = (uint8_t)(v >> 16);
	to[2] = (uint8_t)(v >> 8);
	to[3] = (uint8_t)v;
}

/* The first octets of an address or MAC, and zeros in what is left of the field. */
static void store_padded(uint8_t *to, const uint8_t *p, size_t n, size_t len)
{
	memcpy(to, p, n < len ? n : len);
	if (len > n)
		memset(to + n, 0, len - n);
}

/* An address of the other family is left to its own Element. */
static void store_address(uint8_t *to, const struct flow_put_op *op, const uint8_t *at)
{
	struct addr a;

	memcpy(&a, at, sizeof(a));
	if (addr_is4(&a) != (op->kind == PUT_ADDR4))
		memset(to, 0, op->len);
	else if (op->kind == PUT_ADDR4)
		store_padded(to, a.b + 12, 4, op->len);
	else
		store_padded(to, a.b, 16, op->len);
}

/* The numbers that need more than their octets turned. */
static uint64_t slow_number(
	const struct flow_put_op *op, const struct flow_msg *m, const struct flow_record *r)
{
	enum flow_field f = (enum flow_field)op->ie->field;

	if (op->kind == PUT_TIME)
		return flow_has(r, f) ? time_as(m, op->ie, flow_get(r, f)) : 0;
	if (op->kind == PUT_LABEL)
		return flow_has(r, f) ? label_as(r, op->ie) : 0;
	return flow_get(r, f);
}

/* Writes op->len octets. */
static void run_op(uint8_t *to, const struct flow_put_op *op, const struct flow_msg *m,
		   const struct flow_record *r)
{
	const uint8_t *at = (const uint8_t *)r + op->offset;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (op->kind) {
	case PUT_ZEROS:
		memset(to, 0, op->len);
		break;
	case PUT_8_1:
		*to = *at;
		break;
	case PUT_16_2:
		memcpy(&v16, at, sizeof(v16));
		patch16(to, v16);
		break;
	case PUT_32_4:
		memcpy(&v32, at, sizeof(v32));
		store32(to, v32);
		break;
	case PUT_64_4:
	case PUT_64_8:
		memcpy(&v64, at, sizeof(v64));
		if (op->kind == PUT_64_8) {
			store32(to, (uint32_t)(v64 >> 32));
			to += 4;
		}
		store32(to, (uint32_t)v64);
		break;
	case PUT_ADDR4:
	case PUT_ADDR6:
		store_address(to, op, at);
		break;
	case PUT_MAC:
		store_padded(to, at, 6, op->len);
		break;
	default:
		store_number(to, slow_number(op, m, r), op->len);
	}
}

static void put_op(struct cursor *c, const struct flow_put_op *op, const struct flow_msg *m,
		   const struct flow_record *r)
{
	uint8_t *to;

	if (op->prefix)
		put_length(c, op->len);
	to = cursor_take(c, op->len);
	if (to)
		run_op(to, op, m, r);
}

void flow_msg_put_record(struct cursor *c, const struct flow_msg *m, const struct template_spec *t,
			 const struct flow_record *r)
{
	for (size_t i = 0; i < t->nfields; i++) {
		struct flow_put_op op = compile_field(&t->fields[i]);

		put_op(c, &op, m, r);
	}
}

bool flow_put_init(struct flow_put *p, const struct template_spec *t)
{
	if (t->nfields > FLOW_PUT_MAX)
		return false;
	p->nops = t->nfields;
	p->record_len = template_record_size(t);
	for (size_t i = 0; i < t->nfields; i++)
		p->ops[i] = compile_field(&t->fields[i]);
	return true;
}

void flow_put_records(struct cursor *c, const struct flow_msg *m, const struct flow_put *p,
		      const struct flow_record *r, size_t n)
{
	for (; n > 0; n--, r++) {
		uint8_t *to = p->record_len ? cursor_take(c, p->record_len) : NULL;

		for (const struct flow_put_op *op = p->ops; op < p->ops + p->nops; op++) {
			if (!p->record_len) {
				put_op(c, op, m, r);
			} else if (to) {
				run_op(to, op, m, r);
				to += op->len;
			}
		}
	}
}

void flow_msg_put_values(struct cursor *c, const struct template_spec *t, const uint64_t *values)
{
	for (size_t i = 0; i < t->nfields; i++) {
		size_t len = t->fields[i].len;
		uint8_t *to;

		if (len == IE_VARLEN) {
			len = 8;
			put_length(c, len);
		}
		to = cursor_take(c, len);
		if (to)
			store_number(to, values[i], len);
	}
}
