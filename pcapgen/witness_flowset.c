/*
 * witness_flowset.c - NetFlow v9 (RFC 3954) and IPFIX (RFC 7011), slowly: a
 * record is first taken apart into (element, bytes), then every member asks
 * for the elements that could tell it.
 */
#include <math.h>
#include <stdlib.h>
#include "pcapgen/witness_parts.h"
#include "wire/ie.h"

enum { V9 = 9, SCOPE_SYSTEM = 1 };

/* A v9 scope has numbers of its own; they get an enterprise nobody has. */
#define PEN_V9_SCOPE UINT32_MAX

struct value {
	uint32_t pen;
	uint16_t id;
	struct bytes at;
};

struct values {
	struct value *v;
	size_t n, nscope;
	uint16_t id;		/* of the template */
};

struct message {
	struct witness_reading *r;
	struct witness_stream *stream;
	uint64_t export_us;
	uint32_t uptime_ms;
	const uint8_t *end; /* of the message by its own length: no Set's header goes beyond it */
};

/* ---- templates ------------------------------------------------------------ */

static void forget(struct witness_stream *s, uint16_t id)
{
	for (struct witness_template **t = &s->templates; *t; t = &(*t)->next)
		if ((*t)->id == id) {
			struct witness_template *gone = *t;

			*t = gone->next;
			free(gone->field);
			free(gone);
			return;
		}
}

/* A withdrawal that names Set 2 or 3 itself means all templates of that kind (RFC 7011 8.1). */
static void forget_all(struct witness_stream *s, bool options)
{
	struct witness_template *t = s->templates, *next;

	for (; t; t = next) {
		next = t->next;
		if (t->options == options)
			forget(s, t->id);
	}
}

static struct witness_template *find_template(struct witness_stream *s, uint16_t id)
{
	struct witness_template *t = s->templates;

	while (t && t->id != id)
		t = t->next;
	return t;
}

/* The fewest octets that a record can have: a variable field takes one at least. */
static size_t least(const struct witness_template *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nfields; i++)
		n += t->field[i].len == IE_VARLEN ? 1 : t->field[i].len;
	return n;
}

/* The field specifiers from *pos on, which goes behind them; false when they are cut. */
static bool read_fields(
	struct witness_template *t, const uint8_t *p, size_t n, bool v9, size_t *pos)
{
	size_t at = *pos;

	for (size_t i = 0; i < t->nfields; i++, at += 4) {
		struct witness_field *f = &t->field[i];

		if (n - at < 4)
			return false;
		f->id = be16(p + at);
		f->len = be16(p + at + 2);
		if (v9 && i < t->nscope)
			f->pen = PEN_V9_SCOPE;
		if (v9 || !(f->id & 0x8000))
			continue;
		if (n - at < 8)
			return false;
		f->id &= 0x7fff;
		f->pen = be32(p + at + 4);
		at += 4;
	}
	*pos = at;
	return true;
}

/* One template from `p`, `n` octets; returns how many it took, 0 when it is cut. */
static size_t read_template(struct message *m, const uint8_t *p, size_t n, bool options)
{
	struct witness_stream *s = m->stream;
	bool v9 = m->r->row.version == V9;
	size_t count, nscope = 0, at = options ? 6 : 4;
	struct witness_template *t;
	uint16_t id;
	bool whole;

	if (n < 4)
		return 0;
	id = be16(p);
	if (be16(p + 2) == 0 && !(options && v9)) {
		/* RFC 7011 8.1: "all" is told in a Set of its own kind, and in IPFIX only. */
		if (id >= 256)
			forget(s, id);
		else if (!v9 && id == (options ? 3 : 2))
			forget_all(s, options);
		else
			return 0;
		return 4;
	}
	/* An ID below 256 is none (RFC 7011 3.4.1): we have lost our way, and what follows is no
	 * template. */
	if (n < at || id < 256)
		return 0;
	/* Half a specifier is none: such a template is not to be had, what stood under its ID is
	 * past. */
	if (options && v9 && (be16(p + 2) % 4 || be16(p + 4) % 4)) {
		forget(s, id);
		return 0;
	}
	count = be16(p + 2);
	if (options && v9) {
		/* Lengths in octets, of specifiers of four octets each (RFC 3954 6.1). */
		nscope = be16(p + 2) / 4;
		count = nscope + be16(p + 4) / 4;
	} else if (options) {
		nscope = be16(p + 4);
	}
	t = xcalloc(1, sizeof(*t));
	t->field = xcalloc(count + 1, sizeof(*t->field));
	t->id = id;
	t->options = options;
	t->nfields = count;
	t->nscope = nscope;
	whole = read_fields(t, p, n, v9, &at);
	if (whole)
		forget(s, id);
	if (whole && least(t) > 0 && nscope <= count && (v9 || !options || nscope > 0)) {
		t->next = s->templates;
		s->templates = t;
		return at;
	}
	free(t->field);
	free(t);
	return whole ? at : 0;
}

static void read_templates(struct message *m, struct bytes set, bool options)
{
	while (set.n >= 4) {
		size_t n;

		/* Padding: zeros are no template ID (RFC 7011 3.3.1). */
		if (be16(set.p) == 0)
			return;
		n = read_template(m, set.p, set.n, options);
		if (n == 0)
			return;
		set.p += n;
		set.n -= n;
	}
}

/* ---- values of a record ---------------------------------------------------- */

/* The bytes of an element, `octets` of them or it is none; of several the last. */
static struct bytes find_least(const struct values *v, uint32_t pen, uint16_t id, size_t octets)
{
	for (size_t i = v->n; i-- > 0;)
		if (v->v[i].pen == pen && v->v[i].id == id && v->v[i].at.n >= octets)
			return v->v[i].at;
	return (struct bytes){ NULL, 0 };
}

static struct bytes find(const struct values *v, uint32_t pen, uint16_t id)
{
	return find_least(v, pen, id, 1);
}

static bool number(const struct values *v, uint32_t pen, uint16_t id, uint64_t *to)
{
	struct bytes b = find(v, pen, id);

	if (b.n)
		*to = be_any(b.p, b.n);
	return b.n > 0;
}

/* The first of the elements in the list, ended by 0; returns its ID, 0 when the record has none. */
static uint16_t first_of(const struct values *v, uint32_t pen, const uint16_t *ids, uint64_t *to)
{
	for (; *ids; ids++)
		if (number(v, pen, *ids, to))
			return *ids;
	return 0;
}

static bool address4(const struct values *v, uint32_t pen, uint16_t id, struct addr *a)
{
	struct bytes b = find_least(v, pen, id, 4);

	if (b.n)
		*a = addr_from4(b.p);
	return b.n > 0;
}

static bool address6(const struct values *v, uint32_t pen, uint16_t id, struct addr *a)
{
	struct bytes b = find_least(v, pen, id, 16);

	if (b.n)
		*a = addr_from16(b.p);
	return b.n > 0;
}

/* Of an IPv4 and an IPv6 element for one member: IE 60 decides, else IPv6 when only it is set. */
static bool use_v6(const struct values *v)
{
	static const uint16_t v4[] = { 8, 12 }, v6[] = { 27, 28 };
	bool any4 = false, any6 = false;
	struct addr a;
	uint64_t version = 0;

	/* unsigned8, whatever length a template gives it */
	if (number(v, 0, 60, &version) && ((uint8_t)version == 4 || (uint8_t)version == 6))
		return (uint8_t)version == 6;
	for (int i = 0; i < 2; i++) {
		any4 = any4 || (address4(v, 0, v4[i], &a) && !addr_is_zero(&a));
		any6 = any6 || (address6(v, 0, v6[i], &a) && !addr_is_zero(&a));
	}
	return any6 && !any4;
}

static void set_address(struct flow_record *f, enum flow_field field, const struct values *v,
	uint16_t id4, uint16_t id6)
{
	struct addr a4, a6;
	bool has4 = address4(v, 0, id4, &a4), has6 = address6(v, 0, id6, &a6);

	if (!has4 && !has6)
		return;
	if (has4 && has6) {
		has6 = use_v6(v);
		/* A zero next hop is none: the other family's may be what the router used. */
		if ((field == FLOW_next_hop || field == FLOW_bgp_next_hop) &&
			addr_is_zero(has6 ? &a6 : &a4) && !addr_is_zero(has6 ? &a4 : &a6))
			has6 = !has6;
	}
	memcpy((uint8_t *)f + flow_fields[field].offset, has6 ? &a6 : &a4, sizeof(a4));
	f->present |= UINT64_C(1) << field;
}

/* ---- sampling -------------------------------------------------------------- */

struct ratio {
	uint32_t num, den;	/* num 0: nothing said */
};

static struct ratio ratio(uint64_t num, uint64_t den)
{
	uint64_t a = num, b = den;

	while (b) {
		uint64_t c = a % b;

		a = b;
		b = c;
	}
	if (!num || !den)
		return (struct ratio){ 0, 0 };
	num /= a;
	den /= a;
	if (num > UINT32_MAX || den > UINT32_MAX)
		return (struct ratio){ 0, 0 };
	return (struct ratio){ (uint32_t)num, (uint32_t)den };
}

/* IE 311: a probability as a float; one in 1/p, to nine digits. */
static struct ratio from_probability(struct bytes b)
{
	double p = 0;

	if (b.n == 8) {
		uint64_t u = be64(b.p);

		memcpy(&p, &u, sizeof(p));
	} else if (b.n == 4) {
		uint32_t u = be32(b.p);
		float f;

		memcpy(&f, &u, sizeof(f));
		p = (double)f;
	}
	if (!(p > 0 && p <= 1))
		return (struct ratio){ 0, 0 };
	if (fabs(1 / p - round(1 / p)) < 1e-6 * (1 / p))
		return ratio((uint64_t)round(1 / p), 1);
	return ratio(1000000000, (uint64_t)round(p * 1e9));
}

/* What a record, of data or options, says about the interval. */
static struct ratio said_ratio(const struct values *v)
{
	struct ratio probable;
	uint64_t a = 0, b = 0;

	/* unsigned32, whatever length a template gives them */
	if ((number(v, 0, 34, &a) && (uint32_t)a) || (number(v, 0, 50, &a) && (uint32_t)a))
		return ratio((uint32_t)a, 1);
	/* 305 packets are taken, then 306 are not (RFC 5477 8.2.2, 8.2.3). */
	if (number(v, 0, 305, &a) && a && number(v, 0, 306, &b))
		return ratio(a + b, a);
	if (number(v, 0, 309, &a) && a && number(v, 0, 310, &b))
		return ratio(b, a);
	probable = from_probability(find(v, 0, 311));
	if (probable.num)
		return probable;
	/* One is taken and nothing says that any is skipped; of several in a row the gap is
	 * missing. */
	if (number(v, 0, 305, &a) && a == 1 && !number(v, 0, 306, &b) && !number(v, 0, 309, &b) &&
		!number(v, 0, 310, &b))
		return ratio(1, 1);
	return probable;
}

static bool sampler_id(const struct values *v, uint64_t *id)
{
	return number(v, 0, 48, id) || number(v, 0, 302, id);
}

static void learn_sampler(struct message *m, const struct values *v)
{
	struct witness_sampler *s, **at;
	struct ratio said = said_ratio(v);
	uint64_t id = 0, template_id = 0;
	bool has_id = sampler_id(v, &id);
	/* Scope Template of v9 (5) or IE 145: good for the records of that template. */
	bool of_template =
		number(v, PEN_V9_SCOPE, 5, &template_id) || number(v, 0, 145, &template_id);

	if (!said.num)
		return;
	for (at = &m->r->w->samplers; *at; at = &(*at)->next)
		if ((*at)->domain == m->stream->domain &&
			addr_equal(&(*at)->sender, &m->stream->sender) && (*at)->has_id == has_id &&
			(*at)->id == id && (*at)->has_template == of_template &&
			(*at)->template_id == template_id)
			break;
	s = *at;
	if (s)
		*at = s->next;
	else
		s = xcalloc(1, sizeof(*s));
	s->sender = m->stream->sender;
	s->domain = m->stream->domain;
	s->has_id = has_id;
	s->id = id;
	s->has_template = of_template;
	s->template_id = template_id;
	s->num = said.num;
	s->den = said.den;
	/* The scope System of v9; in IPFIX the exporter itself or its process (130, 131, 144). */
	s->anywhere = false;
	for (size_t i = 0; i < v->nscope && i < v->n; i++)
		if ((v->v[i].pen == PEN_V9_SCOPE && v->v[i].id == SCOPE_SYSTEM) ||
			(v->v[i].pen == 0 &&
				(v->v[i].id == 130 || v->v[i].id == 131 || v->v[i].id == 144)))
			s->anywhere = true;
	s->next = m->r->w->samplers;
	m->r->w->samplers = s;
}

/*
 * By its id in the domain, then exporter-wide; without an id sampler 0 or the
 * last one of the domain, then the exporter's without id or of id 0, then that
 * of the template.
 */
static struct ratio known_ratio(const struct message *m, const struct values *v)
{
	const struct witness_sampler *zero = NULL, *last = NULL, *wide = NULL, *of_template = NULL;
	uint64_t id = 0;
	bool has_id = sampler_id(v, &id);

	for (const struct witness_sampler *s = m->r->w->samplers; s; s = s->next) {
		bool here = s->domain == m->stream->domain;

		if (!addr_equal(&s->sender, &m->stream->sender) || (!here && !s->anywhere))
			continue;
		if (has_id && s->id != id)
			continue;	/* an announcement without an ID is sampler 0's */
		if (s->has_template) {
			if (here && s->template_id == v->id && !has_id)
				of_template = of_template ? of_template : s;
		} else if (!here && (has_id || s->id == 0))
			wide = wide ? wide : s;
		else if (!here)
			continue;
		else if (s->id == 0)
			zero = zero ? zero : s;
		else
			last = last ? last : s;
	}
	zero = zero ? zero : last ? last : wide ? wide : of_template;
	return zero ? (struct ratio){ zero->num, zero->den } : (struct ratio){ 0, 0 };
}

static void set_sampling(const struct message *m, struct flow_record *f, const struct values *v)
{
	struct ratio said = said_ratio(v);
	uint64_t id;

	if (sampler_id(v, &id))
		flow_set(f, FLOW_sampler, id);
	if (!said.num)
		said = known_ratio(m, v);
	if (!said.num)
		return;
	flow_set(f, FLOW_sampling_num, said.num);
	flow_set(f, FLOW_sampling_den, said.den);
}

/* ---- times ----------------------------------------------------------------- */

/*
 * Micro- and nanoseconds are 64-bit NTP times, seconds since 1900 (from 2036 on
 * since then) and a binary fraction (RFC 7011 6.1.9); some exporters count
 * plainly since 1970.  Nearest to the export time is what was meant.
 */
static uint64_t from_fine(uint64_t v, uint64_t per_us, uint64_t export_us)
{
	const uint64_t fraction = (v & 0xffffffff) * 1000000 >> 32, ntp = 2208988800u;
	uint64_t said[3] = { v / per_us,
		((v >> 32) + (UINT64_C(1) << 32) - ntp) * 1000000 + fraction,
		v >> 32 >= ntp ? ((v >> 32) - ntp) * 1000000 + fraction : v / per_us };
	uint64_t best = said[0];

	for (int i = 1; i < 3; i++)
		if (llabs((long long)(said[i] - export_us)) < llabs((long long)(best - export_us)))
			best = said[i];
	return best;
}

/* Elements of one end of the flow, in the order in which they are believed: absolute ones first. */
struct time_ids {
	uint16_t ms, us, ns, seconds, delta, uptime;
};

/* In IPFIX an uptime counts from systemInitTimeMilliseconds, of this record or of options data. */
static bool from_uptime(const struct message *m, const struct values *v, uint64_t *x)
{
	uint64_t init = m->stream->init_us / 1000;
	uint32_t now = m->uptime_ms;

	if (m->r->row.version != V9) {
		if (!number(v, 0, 160, &init) && !m->stream->has_init)
			return false;
		now = (uint32_t)(m->export_us / 1000 - init);
	}
	*x = witness_uptime(m->export_us, now, (uint32_t)*x);
	return true;
}

static bool set_time(const struct message *m, struct flow_record *f, enum flow_field field,
		     const struct values *v, uint32_t pen, const struct time_ids *t)
{
	uint64_t x = 0;

	if (number(v, pen, t->ms, &x))
		x *= 1000;
	else if (number(v, pen, t->us, &x))
		x = from_fine(x, 1, m->export_us);
	else if (number(v, pen, t->ns, &x))
		x = from_fine(x, 1000, m->export_us);
	else if (number(v, pen, t->seconds, &x))
		x *= 1000000;
	else if (number(v, pen, t->delta, &x))
		x = x < m->export_us ? m->export_us - x : 0;
	else if (!number(v, pen, t->uptime, &x) || !from_uptime(m, v, &x))
		return false;
	flow_set(f, field, x);
	return true;
}

static const struct time_ids first_ids = { 152, 154, 156, 150, 158, 22 };
static const struct time_ids last_ids = { 153, 155, 157, 151, 159, 21 };

/* A record without times is dated by its message: that is where a collector books it. */
static void set_times(const struct message *m, struct flow_record *f, const struct values *v)
{
	uint64_t x;

	if (!set_time(m, f, FLOW_first_us, v, 0, &first_ids))
		flow_set(f, FLOW_first_us, number(v, 0, 323, &x) ? x * 1000 : m->export_us);
	set_time(m, f, FLOW_last_us, v, 0, &last_ids);
}

/* ---- flow records ---------------------------------------------------------- */

/* Where a plain number lands, and which elements can tell it, the first that is there. */
static const struct {
	uint8_t field;
	uint16_t ids[4];
	bool key;	/* of the flow (RFC 5103 5) */
} numbers[] = {
	{ FLOW_proto, { 4 }, true },
	{ FLOW_tos, { 5 }, false },
	{ FLOW_tcp_flags, { 6 }, false },
	{ FLOW_src_port, { 7, 180, 182 }, true },
	{ FLOW_dst_port, { 11, 181, 183 }, true },
	{ FLOW_in_if, { 10, 252 }, false },
	{ FLOW_out_if, { 14, 253 }, false },
	{ FLOW_src_as, { 16 }, false },
	{ FLOW_dst_as, { 17 }, false },
	{ FLOW_src_mask, { 9, 29 }, false },
	{ FLOW_dst_mask, { 13, 30 }, false },
	{ FLOW_direction, { 61 }, false },
	{ FLOW_flows, { 3 }, false },
	{ FLOW_vlan, { 58, 242, 243 }, false },
	{ FLOW_out_vlan, { 59, 254 }, false },
	{ FLOW_event, { 233, 230 }, false },
	{ FLOW_fwd_status, { 89 }, false },
	{ FLOW_post_src_port, { 227, 40003 }, false },
	{ FLOW_post_dst_port, { 228, 40004 }, false },
};

/* firewallEvent, as the RFC's number and as Cisco's of NetFlow v9. */
static const uint16_t firewall_ids[] = { 233, 40005, 0 };
static const uint16_t octet_ids[] = { 1, 85, 23, 352, 231, 0 };
static const uint16_t packet_ids[] = { 2, 86, 24, 298, 0 };
static const uint16_t reverse_octet_ids[] = { 1, 85, 23, 352, 0 };
static const uint16_t reverse_packet_ids[] = { 2, 86, 24, 0 };

static void set_mac(struct flow_record *f, enum flow_field field, struct bytes b)
{
	if (b.n < 6)
		return;
	memcpy((uint8_t *)f + flow_fields[field].offset, b.p, 6);
	f->present |= UINT64_C(1) << field;
}

static void exchange(struct flow_record *f, enum flow_field a, enum flow_field b)
{
	uint8_t *pa = (uint8_t *)f + flow_fields[a].offset,
		*pb = (uint8_t *)f + flow_fields[b].offset, t[16];
	uint64_t ba = f->present >> a & 1, bb = f->present >> b & 1;
	size_t n = flow_fields[a].width;

	memcpy(t, pa, n);
	memcpy(pa, pb, n);
	memcpy(pb, t, n);
	f->present &= ~(UINT64_C(1) << a | UINT64_C(1) << b);
	f->present |= bb << a | ba << b;
}

/*
 * The other direction of the same flow: RFC 5103's reverse elements, or what
 * the responder of an NSEL event sent.  Of zero octets and packets it is none.
 */
static void reverse_record(struct message *m, struct flow_record f, const struct values *v,
	bool nsel_octets, bool nsel_packets)
{
	uint64_t octets = 0, packets = 0, x;
	bool has_octets = first_of(v, PEN_REVERSE, reverse_octet_ids, &octets) ||
		(nsel_octets && number(v, 0, 232, &octets));
	bool has_packets = first_of(v, PEN_REVERSE, reverse_packet_ids, &packets) ||
		(nsel_packets && number(v, 0, 299, &packets));

	if (!octets && !packets)
		return;
	exchange(&f, FLOW_src, FLOW_dst);
	exchange(&f, FLOW_src_port, FLOW_dst_port);
	exchange(&f, FLOW_in_if, FLOW_out_if);
	exchange(&f, FLOW_src_as, FLOW_dst_as);
	exchange(&f, FLOW_src_mask, FLOW_dst_mask);
	exchange(&f, FLOW_src_mac, FLOW_dst_mac);
	exchange(&f, FLOW_vlan, FLOW_out_vlan);
	exchange(&f, FLOW_post_src, FLOW_post_dst);
	exchange(&f, FLOW_post_src_port, FLOW_post_dst_port);
	flow_set(&f, FLOW_octets, octets);
	flow_set(&f, FLOW_packets, packets);
	f.present &= ~(FLOW_BIT(octets) | FLOW_BIT(packets));
	f.present |= (has_octets ? FLOW_BIT(octets) : 0) | (has_packets ? FLOW_BIT(packets) : 0);
	/* What was said of the forward packets only. */
	f.tcp_flags = 0;
	f.next_hop = f.bgp_next_hop = addr_zero4;
	f.present &= ~(FLOW_BIT(tcp_flags) | FLOW_BIT(next_hop) | FLOW_BIT(bgp_next_hop));
	/* Keys are told once, for both halves; all else may have a value of its own. */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!numbers[i].key && first_of(v, PEN_REVERSE, numbers[i].ids, &x))
			flow_set(&f, numbers[i].field, x);
	set_time(m, &f, FLOW_first_us, v, PEN_REVERSE, &first_ids);
	set_time(m, &f, FLOW_last_us, v, PEN_REVERSE, &last_ids);
	witness_emit(m->r, &f);
}

/* All that the record says, as a truth file has it: both halves of a biflow have it. */
static void keep_elements(struct message *m, const struct values *v)
{
	static const char digits[] = "0123456789abcdef";
	struct strbuf *b = &m->r->w->elements;

	strbuf_reset(b);
	for (size_t i = 0; i < v->n; i++) {
		const struct value *x = &v->v[i];

		strbuf_add(b, i ? " " : "");
		if (x->pen)
			strbuf_addf(b, "%u:", x->pen);
		strbuf_addf(b, "%u=", x->id);
		for (size_t k = 0; k < x->at.n; k++) {
			const char pair[2] = { digits[x->at.p[k] >> 4], digits[x->at.p[k] & 15] };

			strbuf_addn(b, pair, 2);
		}
	}
	m->r->row.elements = b->s;
}

static void data_record(struct message *m, const struct values *v)
{
	struct flow_record f = flow_record_empty;
	uint64_t octets = 0, packets = 0, x = 0;
	uint16_t octets_id = first_of(v, 0, octet_ids, &octets),
		 packets_id = first_of(v, 0, packet_ids, &packets);

	set_address(&f, FLOW_src, v, 8, 27);
	set_address(&f, FLOW_dst, v, 12, 28);
	if (!flow_has(&f, FLOW_src))
		set_address(&f, FLOW_src, v, 44, 170);
	if (!flow_has(&f, FLOW_dst))
		set_address(&f, FLOW_dst, v, 45, 169);
	set_address(&f, FLOW_next_hop, v, 15, 62);
	set_address(&f, FLOW_bgp_next_hop, v, 18, 63);
	/* Where the top label leads to, of who does not say it otherwise. */
	if (!flow_has(&f, FLOW_bgp_next_hop))
		set_address(&f, FLOW_bgp_next_hop, v, 47, 140);
	set_address(&f, FLOW_post_src, v, 225, 281);
	set_address(&f, FLOW_post_dst, v, 226, 282);
	/* What Cisco's ASA of before those numbers says. */
	if (!flow_has(&f, FLOW_post_src))
		set_address(&f, FLOW_post_src, v, 40001, 0);
	if (!flow_has(&f, FLOW_post_dst))
		set_address(&f, FLOW_post_dst, v, 40002, 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (first_of(v, 0, numbers[i].ids, &x))
			flow_set(&f, numbers[i].field, x);
	/* An IPv6 flow may carry both kinds of mask; the IPv4 one is then zero. */
	if (!addr_is4(&f.src) && number(v, 0, 29, &x))
		flow_set(&f, FLOW_src_mask, x);
	if (!addr_is4(&f.dst) && number(v, 0, 30, &x))
		flow_set(&f, FLOW_dst_mask, x);
	/* As they came, or, where that is not told, as they left. */
	set_mac(&f, FLOW_src_mac, find(v, 0, find(v, 0, 56).n ? 56 : 81));
	set_mac(&f, FLOW_dst_mac, find(v, 0, find(v, 0, 80).n ? 80 : 57));
	set_times(m, &f, v);
	set_sampling(m, &f, v);
	if (octets_id)
		flow_set(&f, FLOW_octets, octets);
	if (packets_id)
		flow_set(&f, FLOW_packets, packets);
	/* A firewall's event other than an update or the end of a connection has no octets. */
	if ((first_of(v, 0, firewall_ids, &x) && (x == 1 || x == 3 || x == 4)) &&
		(octets_id == 231 || packets_id == 298 || (!octets_id && find(v, 0, 232).n)))
		return;
	/* Neither octets nor packets: an event, not traffic. */
	if (octets_id || packets)
		witness_emit(m->r, &f);
	reverse_record(m, f, v, !octets_id || octets_id == 231, !packets_id || packets_id == 298);
}

static void options_record(struct message *m, const struct values *v)
{
	struct addr a;
	uint64_t x;

	learn_sampler(m, v);
	if (number(v, 0, 160, &x)) {
		m->stream->has_init = true;
		m->stream->init_us = x * 1000;
	}
	if ((address4(v, 0, 130, &a) || address6(v, 0, 131, &a)) && !addr_is_zero(&a)) {
		m->stream->has_exporter = true;
		m->stream->exporter = a;
	}
}

/* Take one record apart; the octets it has, 0 when the Set ends inside it. */
static size_t take_apart(struct values *v, const struct witness_template *t, struct bytes set)
{
	size_t at = 0;

	v->n = t->nfields;
	v->nscope = t->nscope;
	v->id = t->id;
	for (size_t i = 0; i < t->nfields; i++) {
		size_t len = t->field[i].len;

		if (len == IE_VARLEN) {
			if (set.n - at < 1)
				return 0;
			len = set.p[at++];
			if (len == 255) {
				if (set.n - at < 2)
					return 0;
				len = be16(set.p + at);
				at += 2;
			}
		}
		if (set.n - at < len)
			return 0;
		v->v[i] = (struct value){ t->field[i].pen, t->field[i].id, { set.p + at, len } };
		at += len;
	}
	return at;
}

static void read_data(struct message *m, struct bytes set, uint16_t id)
{
	const struct witness_template *t = find_template(m->stream, id);
	struct values v;

	if (!t)
		return;
	v.v = xcalloc(t->nfields + 1, sizeof(*v.v));
	while (set.n >= least(t)) {
		size_t n = take_apart(&v, t, set);

		if (n == 0)
			break;
		if (!t->options && m->r->w->keep_elements)
			keep_elements(m, &v);
		if (t->options)
			options_record(m, &v);
		else
			data_record(m, &v);
		set.p += n;
		set.n -= n;
	}
	free(v.v);
}

static void read_sets(struct message *m, struct bytes rest)
{
	bool v9 = m->r->row.version == V9;

	while (rest.n >= 4 && m->end - rest.p >= 4) {
		uint16_t id = be16(rest.p), len = be16(rest.p + 2);
		struct bytes set;

		if (len < 4 || len > rest.n)
			return;
		set = (struct bytes){ rest.p + 4, (size_t)len - 4 };
		if (id == (v9 ? 0 : 2))
			read_templates(m, set, false);
		else if (id == (v9 ? 1 : 3))
			read_templates(m, set, true);
		else if (id >= 256)
			read_data(m, set, id);
		/* Options can name the exporter: from the next Set on it is called so. */
		if (m->stream->has_exporter)
			m->r->row.exporter = m->stream->exporter;
		rest.p += len;
		rest.n -= len;
	}
}

void witness_read_flowset(struct witness_reading *r)
{
	const uint8_t *p = r->data.p;
	bool v9 = r->row.version == V9;
	size_t header = v9 ? 20 : 16;
	struct message m = { .r = r };
	struct bytes rest;

	if (r->data.n < header)
		return;
	rest = (struct bytes){ p + header, r->data.n - header };
	if (v9) {
		m.uptime_ms = be32(p + 4);
		m.export_us = (uint64_t)be32(p + 8) * 1000000;
		r->row.sequence = be32(p + 12);
		r->row.domain = be32(p + 16);
	} else {
		m.export_us = (uint64_t)be32(p + 4) * 1000000;
		r->row.sequence = be32(p + 8);
		r->row.domain = be32(p + 12);
	}
	r->row.export_us = m.export_us;
	m.end = p + r->data.n;
	/* NSX counts its message short: a Set that begins inside it is whole in the datagram, and
	 * billed. */
	if (!v9 && be16(p + 2) >= header && be16(p + 2) < r->data.n)
		m.end = p + be16(p + 2);
	m.stream = witness_stream(r->w, &r->row.exporter, r->row.protocol, r->row.domain);
	if (m.stream->has_exporter)
		r->row.exporter = m.stream->exporter;
	read_sets(&m, rest);
}
