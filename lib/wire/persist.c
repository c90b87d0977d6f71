/*
 * persist.c - see persist.h.
 */
#include "cursor.h"
#include "decode.h"
#include "persist.h"

enum { FORMAT = 1, HEADER = 20, CRC = 4, ENTRY = 3 };
enum entry_kind { ENTRY_STREAM = 1, ENTRY_TEMPLATE, ENTRY_SAMPLER };
/* Bodies: who (16, 4, 1), told at (8), and the rest. */
enum { WHO = 21 + 8, STREAM_OCTETS = WHO + 16 + 8 + 1, TEMPLATE_OCTETS = WHO + 2 + 1 + 2 + 2,
	FIELD_OCTETS = 8, SAMPLER_OCTETS = WHO + 1 + 8 + 4 + 4 };
enum { STREAM_INIT = 1, STREAM_ANNOUNCES = 2, STREAM_INTERVAL = 4 };

static uint32_t crc32(struct bytes b)
{
	/* Of four bits at a time, polynomial 0xedb88320. */
	static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
		0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < b.n; i++) {
		crc ^= b.p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

/* ---- writing -------------------------------------------------------------------- */

size_t decoder_save_size(const struct decoder *d)
{
	size_t n = HEADER + CRC;

	n += d->streams.used * (size_t)(ENTRY + STREAM_OCTETS);
	n += d->samplers.store.used * (size_t)(ENTRY + SAMPLER_OCTETS);
	for (const struct template *t = NULL; (t = store_next(&d->templates.store, t)); )
		n += ENTRY + TEMPLATE_OCTETS + (size_t)FIELD_OCTETS * t->plan.nfields;
	return n;
}

static void put_who(struct cursor *c, enum entry_kind kind, size_t octets,
	const struct stream_key *who, uint64_t told_us)
{
	put8(c, (uint8_t)kind);
	put16(c, (uint16_t)octets);
	put_bytes(c, who->exporter.b, sizeof(who->exporter.b));
	put32(c, who->domain);
	put8(c, who->protocol);
	put64(c, told_us);
}

static void put_stream(struct cursor *c, const struct stream_row *s)
{
	/* Nothing but counters: it says nothing that a restart would miss. */
	if (!s->has_init && !s->announces_interval &&
		addr_equal(&s->pub.exporter, &s->key.exporter))
		return;
	put_who(c, ENTRY_STREAM, STREAM_OCTETS, &s->key, s->pub.last_seen_us);
	put_bytes(c, s->pub.exporter.b, sizeof(s->pub.exporter.b));
	put64(c, s->init_ms);
	put8(c,
		(uint8_t)((s->has_init ? STREAM_INIT : 0) |
			(s->announces_interval ? STREAM_ANNOUNCES : 0) |
			(s->has_interval ? STREAM_INTERVAL : 0)));
}

static void put_template(struct cursor *c, const struct template *t)
{
	const struct stream_key who = { .exporter = t->key.exporter, .domain = t->key.domain,
		.protocol = t->key.protocol };

	put_who(c, ENTRY_TEMPLATE, TEMPLATE_OCTETS + FIELD_OCTETS * (size_t)t->plan.nfields, &who,
		t->seen_us);
	put16(c, t->key.id);
	put8(c, (t->plan.flags & PLAN_OPTIONS) != 0);
	put16(c, t->nscope);
	put16(c, t->plan.nfields);
	for (size_t i = 0; i < t->plan.nfields; i++) {
		const struct field_spec f = template_field(t, i);

		put32(c, f.pen);
		put16(c, f.id);
		put16(c, f.len);
	}
}

static void put_sampler(struct cursor *c, const struct sampler_saved *s)
{
	put_who(c, ENTRY_SAMPLER, SAMPLER_OCTETS, &s->who, s->told_us);
	put8(c, s->kind);
	put64(c, s->id);
	put32(c, s->num);
	put32(c, s->den);
}

/* A template that was withdrawn with all of its domain is none. */
static bool in_force(const struct decoder *d, const struct template *t)
{
	const struct stream_key key = { .exporter = t->key.exporter, .domain = t->key.domain,
		.protocol = t->key.protocol };
	const struct stream_row *s = store_look(&d->streams, &key);

	return t->whole && (!s || t->epoch == s->epoch[(t->plan.flags & PLAN_OPTIONS) != 0]);
}

/* The one unused for longest first: read in this order, the tables know again what to evict. */
size_t decoder_save(const struct decoder *d, uint8_t *buf, size_t n, uint64_t now_us)
{
	struct cursor c = cursor(buf, n);
	struct sampler_saved sampler;

	put_bytes(&c, "FLWT", 4);
	put16(&c, FORMAT);
	put16(&c, 0);
	put64(&c, now_us);
	put32(&c, 0);
	for (const struct stream_row *s = NULL; (s = store_next(&d->streams, s)); )
		put_stream(&c, s);
	for (const struct template *t = NULL; (t = store_next(&d->templates.store, t)); )
		if (in_force(d, t))
			put_template(&c, t);
	for (const void *at = NULL; (at = samplers_next(&d->samplers, at, &sampler)); )
		if (sampler.num)
			put_sampler(&c, &sampler);
	if (c.full || cursor_left(&c) < CRC || cursor_used(&c) > UINT32_MAX - CRC)
		return 0;
	patch32(buf + HEADER - 4, cursor_used(&c) + CRC);
	put32(&c, crc32((struct bytes){ buf, cursor_used(&c) }));
	return cursor_used(&c);
}

/* ---- reading -------------------------------------------------------------------- */

struct reader {
	struct bytes rest;
	bool cut;
};

static uint64_t get(struct reader *r, size_t n)
{
	const uint8_t *p = r->rest.p;

	if (r->rest.n < n) {
		r->cut = true;
		r->rest.n = 0;
		return 0;
	}
	r->rest.p += n;
	r->rest.n -= n;
	return be_any(p, n);
}

static struct addr get_addr(struct reader *r)
{
	struct addr a = addr_zero4;

	for (size_t i = 0; i < sizeof(a.b); i++)
		a.b[i] = (uint8_t)get(r, 1);
	return a;
}

/* One section being read. */
struct loading {
	struct decoder *d;
	uint64_t oldest_us;
	struct decoder_loaded *n;
};

/* The members say a flow of v9 or IPFIX; only these have anything to save. */
static bool get_who(struct reader *r, struct stream_key *who, uint64_t *told_us)
{
	*who = (struct stream_key){ .exporter = get_addr(r) };
	who->domain = (uint32_t)get(r, 4);
	who->protocol = (uint8_t)get(r, 1);
	*told_us = get(r, 8);
	return !r->cut && (who->protocol == PROTO_NETFLOW9 || who->protocol == PROTO_IPFIX);
}

static bool load_stream(
	struct loading *l, struct reader *r, const struct stream_key *who, uint64_t told_us)
{
	struct addr exporter = get_addr(r);
	uint64_t init_ms = get(r, 8), flags = get(r, 1);
	struct stream_row *s;
	bool fresh;

	if (r->cut || r->rest.n || flags > (STREAM_INIT | STREAM_ANNOUNCES | STREAM_INTERVAL))
		return false;
	s = store_put(&l->d->streams, who, &fresh);
	if (!fresh && s->pub.last_seen_us >= told_us)
		return true;
	if (fresh)
		s->pub = (struct stream) {
			.protocol = who->protocol, .domain = who->domain, .first_seen_us = told_us
		};
	s->pub.exporter = l->d->limits.trust_sender ? who->exporter : exporter;
	s->pub.last_seen_us = told_us;
	s->has_init = flags & STREAM_INIT;
	s->init_ms = init_ms;
	s->announces_interval = flags & STREAM_ANNOUNCES;
	s->has_interval = flags & STREAM_INTERVAL;
	l->n->streams++;
	return true;
}

/* The fields of a template into d->def; false when nobody could have learnt it. */
static bool get_template(struct template_def *def, struct reader *r, uint8_t protocol)
{
	uint64_t nfields;

	def->version = protocol == PROTO_NETFLOW9 ? 9 : 10;
	def->id = (uint16_t)get(r, 2);
	def->options = get(r, 1) != 0;
	def->nscope = (uint16_t)get(r, 2);
	nfields = get(r, 2);
	if (r->cut || def->id < TEMPLATE_ID_MIN || nfields > TEMPLATE_FIELDS_MAX ||
		def->nscope > nfields || r->rest.n != nfields * FIELD_OCTETS)
		return false;
	def->nfields = (uint16_t)nfields;
	for (size_t i = 0; i < nfields; i++) {
		def->fields[i].pen = (uint32_t)get(r, 4);
		def->fields[i].id = (uint16_t)get(r, 2);
		def->fields[i].len = (uint16_t)get(r, 2);
	}
	return true;
}

static bool load_template(
	struct loading *l, struct reader *r, const struct stream_key *who, uint64_t told_us)
{
	struct decoder *d = l->d;
	struct template_key key = {
		.exporter = who->exporter, .domain = who->domain, .protocol = who->protocol
	};
	const struct stream_row *s = store_look(&d->streams, who);
	const struct template *had;
	bool changed;

	if (!get_template(&d->def, r, who->protocol))
		return false;
	key.id = d->def.id;
	had = store_look(&d->templates.store, &key);
	if (had && had->seen_us >= told_us)
		return true;
	if (templates_learn(&d->templates, &key, s ? s->epoch[d->def.options] : 0, &d->def, told_us,
		    &changed) != WIRE_OK)
		return false;
	l->n->templates++;
	return true;
}

static bool load_sampler(
	struct loading *l, struct reader *r, const struct stream_key *who, uint64_t told_us)
{
	struct sampler_saved s = { .who = *who, .told_us = told_us };
	bool ok;

	s.kind = (uint8_t)get(r, 1);
	s.id = get(r, 8);
	s.num = (uint32_t)get(r, 4);
	s.den = (uint32_t)get(r, 4);
	ok = !r->cut && !r->rest.n && samplers_restore(&l->d->samplers, &s);
	l->n->samplers += ok;
	return ok;
}

static void load_entry(struct loading *l, unsigned kind, struct bytes body)
{
	static bool (*const load[])(struct loading *, struct reader *, const struct stream_key *,
		uint64_t) = { [ENTRY_STREAM] = load_stream,
		[ENTRY_TEMPLATE] = load_template,
		[ENTRY_SAMPLER] = load_sampler };
	struct reader r = { body, false };
	struct stream_key who;
	uint64_t told_us;

	if (kind >= sizeof(load) / sizeof(load[0]) || !load[kind])
		return;
	if (!get_who(&r, &who, &told_us))
		l->n->refused++;
	else if (told_us < l->oldest_us)
		l->n->old++;
	else
		l->n->refused += !load[kind](l, &r, &who, told_us);
}

const char *decoder_load(struct decoder *d, struct bytes *rest, uint64_t now_us,
	uint64_t max_age_us, struct decoder_loaded *loaded)
{
	struct loading l = { d, now_us > max_age_us ? now_us - max_age_us : 0, loaded };
	struct reader r = { *rest, false };
	uint64_t octets;

	if (rest->n < HEADER + CRC || memcmp(rest->p, "FLWT", 4) != 0)
		return "no file of templates";
	if (be16(rest->p + 4) != FORMAT)
		return "of another version";
	octets = be32(rest->p + HEADER - 4);
	if (octets < HEADER + CRC || octets > rest->n)
		return "cut short";
	if (crc32((struct bytes){ rest->p, octets - CRC }) != be32(rest->p + octets - CRC))
		return "damaged, its checksum does not fit";
	r.rest.n = octets - CRC;
	get(&r, HEADER);
	while (r.rest.n) {
		unsigned kind = (unsigned)get(&r, 1);
		size_t n = get(&r, 2);

		if (r.cut || n > r.rest.n) {
			loaded->refused++;	/* with a checksum that fits: not ours */
			break;
		}
		load_entry(&l, kind, (struct bytes){ r.rest.p, n });
		r.rest.p += n;
		r.rest.n -= n;
	}
	rest->p += octets;
	rest->n -= octets;
	return NULL;
}
