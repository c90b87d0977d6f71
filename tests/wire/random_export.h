/*
 * random_export.h - for tests: datagrams as a few exporters might send them, v1 to IPFIX, with
 * templates of any make, options that announce samplers, records of any octets; now and then cut,
 * padded, or with a template that nobody knows.
 */
#ifndef RANDOM_EXPORT_H
#define RANDOM_EXPORT_H

#include <string.h>
#include "exact.h"
#include "wire/cursor.h"
#include "wire/flowset.h"
#include "wire/netflow5.h"

enum { RANDOM_EXPORTERS = 10, RANDOM_TEMPLATES = 4, RANDOM_FIELDS = 24, RANDOM_MAX = 2048,
	RANDOM_EXPORT_S = 1715754000 };

struct random_export {
	uint64_t state;
	struct {
		size_t len;		/* of a record; 0: not told yet */
	} templates[RANDOM_EXPORTERS][RANDOM_TEMPLATES];
	uint32_t sequence[RANDOM_EXPORTERS];
	unsigned exporter;		/* of the last datagram */
	size_t records;			/* so many were put, counted roughly */
	uint8_t buf[RANDOM_MAX];
};

static const uint16_t random_versions[RANDOM_EXPORTERS] = { 5, 9, 10, 5, 9, 10, 1, 7, 9, 10 };

static inline unsigned random_below(struct random_export *r, unsigned n)
{
	return (unsigned)(rnd(&r->state) >> 33) % n;
}

static inline void random_bytes(struct random_export *r, struct cursor *c, size_t n)
{
	while (n-- > 0)
		put_any(c, random_below(r, 4) ? random_below(r, 256) : 0, 1);
}

/* Elements, in the lengths that exporters give them; a length of 0: any of 1 to 8. */
static const struct field_spec random_pool[] = {
	{ 0, 8, 4 }, { 0, 12, 4 }, { 0, 27, 16 }, { 0, 28, 16 }, { 0, 1, 4 }, { 0, 1, 8 },
	{ 0, 2, 4 }, { 0, 2, 8 }, { 0, 1, 0 }, { 0, 2, 0 }, { 0, 21, 4 }, { 0, 22, 4 },
	{ 0, 152, 8 }, { 0, 153, 8 }, { 0, 150, 4 }, { 0, 10, 2 }, { 0, 10, 4 }, { 0, 14, 4 },
	{ 0, 7, 2 }, { 0, 11, 2 }, { 0, 4, 1 }, { 0, 5, 1 }, { 0, 6, 1 }, { 0, 6, 2 },
	{ 0, 16, 2 }, { 0, 16, 4 }, { 0, 17, 4 }, { 0, 9, 1 }, { 0, 13, 1 }, { 0, 15, 4 },
	{ 0, 18, 4 }, { 0, 62, 16 }, { 0, 56, 6 }, { 0, 80, 6 }, { 0, 58, 2 }, { 0, 59, 2 },
	{ 0, 243, 2 }, { 0, 70, 3 }, { 0, 71, 3 }, { 0, 72, 3 }, { 0, 85, 8 }, { 0, 23, 4 },
	{ 0, 225, 4 }, { 0, 226, 4 }, { 0, 227, 2 }, { 0, 228, 2 }, { 0, 128, 4 }, { 0, 129, 4 },
	{ 0, 31, 4 }, { 0, 234, 4 }, { 0, 60, 1 }, { 0, 999, 5 }, { 0, 210, 3 }, { 0, 89, 1 },
	{ 0, 61, 1 }, { 0, 48, 1 },
};

/* Those that make a template go another way. */
static const struct field_spec random_rare[] = {
	{ 0, 3, 4 }, { 0, 50, 1 }, { 0, 34, 4 }, { 0, 160, 8 }, { 0, 231, 8 }, { 0, 34, 1 },
	{ 29305, 1, 8 }, { 0, 82, IE_VARLEN }, { 0, 305, 4 }, { 0, 233, 1 },
};

static inline void random_template(struct random_export *r, struct cursor *c, uint16_t version)
{
	const unsigned at = random_below(r, RANDOM_TEMPLATES);
	struct field_spec f[RANDOM_FIELDS];
	struct template_spec t = { (uint16_t)(256 + at), 0, 0, f };

	t.nfields = (uint16_t)(1 + random_below(r, RANDOM_FIELDS));
	r->templates[r->exporter][at].len = 0;
	for (size_t i = 0; i < t.nfields; i++) {
		f[i] = random_below(r, 40)
			? random_pool[random_below(r, sizeof(random_pool) / sizeof(f[0]))]
			: random_rare[random_below(r, sizeof(random_rare) / sizeof(f[0]))];
		if (f[i].len == 0)
			f[i].len = (uint16_t)(1 + random_below(r, 8));
		if (version == 9 && (f[i].pen || f[i].len == IE_VARLEN))
			f[i] = random_pool[0];
		r->templates[r->exporter][at].len += f[i].len == IE_VARLEN ? 8 : f[i].len;
	}
	flow_msg_put_template(c, version, &t);
}

/* One sampler of the whole exporter (IE 34), or with a number (IE 48). */
static inline void random_options(struct random_export *r, struct cursor *c, uint16_t version)
{
	const bool named = random_below(r, 2);
	const struct field_spec f[] = { { 0, version == 9 ? 1 : 144, 4 },
		{ 0, named ? 48 : 999, 4 }, { 0, 34, 4 } };
	const struct template_spec t = { 300, 3, 1, f };
	uint8_t *mark;

	flow_msg_put_template(c, version, &t);
	mark = flow_set_begin(c, 300);
	put32(c, 1);
	put32(c, random_below(r, 4));
	put32(c, 1 + random_below(r, 5));
	flow_set_end(c, mark);
}

/* Records that differ in a few octets only: of one sampler, mostly, and of few hosts. */
static inline void random_alike(struct random_export *r, struct cursor *c, size_t len, size_t n)
{
	const uint8_t *first = c->at;

	random_bytes(r, c, len);
	for (size_t i = 1; i < n; i++) {
		uint8_t *next = cursor_take(c, len);

		if (!next)
			return;
		memcpy(next, first, len);
		if (random_below(r, 3) == 0)
			next[random_below(r, (unsigned)len)] ^= 1;
	}
}

static inline void random_data(struct random_export *r, struct cursor *c)
{
	const unsigned at = random_below(r, RANDOM_TEMPLATES);
	const size_t len = r->templates[r->exporter][at].len;
	size_t n = 1 + random_below(r, random_below(r, 8) ? 30 : 200);
	uint8_t *mark;

	if (!len && random_below(r, 50))
		return;		/* not told yet; sometimes it is sent all the same */
	if (len && n * len + 8 > cursor_left(c))
		n = (cursor_left(c) > 8 ? cursor_left(c) - 8 : 0) / len;
	if (cursor_left(c) < 64)
		return;
	mark = flow_set_begin(c, (uint16_t)(256 + at));
	if (len && random_below(r, 2)) {
		random_alike(r, c, len, n);
	} else {
		random_bytes(r, c, len ? n * len : 16);
	}
	if (!random_below(r, 20))
		random_bytes(r, c, random_below(r, 12));
	flow_set_end(c, mark);
	r->records += n;
}

static inline void random_flowset(struct random_export *r, struct cursor *c, uint16_t version)
{
	struct flow_msg m = { .version = version, .uptime_ms = 2000000 + random_below(r, 5000000),
		.export_s = RANDOM_EXPORT_S + random_below(r, 900),
		.sequence = r->sequence[r->exporter]++, .domain = random_below(r, 16) == 0 };

	flow_msg_begin(c, &m);
	if (!random_below(r, 8) || !r->templates[r->exporter][0].len)
		random_template(r, c, version);
	if (!random_below(r, 40))
		random_options(r, c, version);
	for (unsigned i = random_below(r, 3) + 1; i > 0; i--)
		random_data(r, c);
	flow_msg_end(c, &m, 1);
}

static inline void random_fixed(struct random_export *r, struct cursor *c, uint16_t version)
{
	const size_t n = random_below(r, 31), long_v1 = version == 1 && random_below(r, 2) ? 4 : 0;

	put16(c, version);
	put16(c, (uint16_t)n);
	put32(c, 2000000 + random_below(r, 5000000));
	put32(c, RANDOM_EXPORT_S + random_below(r, 900));
	put32(c, random_below(r, 1000000000));
	if (version != 1) {
		put32(c, r->sequence[r->exporter]);
		put16(c, 0);
		put_any(c, random_below(r, 3) ? 0 : random_below(r, 5), 2);
	}
	r->sequence[r->exporter] += (uint32_t)n;
	random_bytes(r, c, n * (netflow5_record_size(version) + long_v1));
	r->records += n;
}

/* The next datagram, and who sent it. */
static inline struct bytes random_export(struct random_export *r)
{
	struct cursor c = cursor(r->buf, sizeof(r->buf));
	uint16_t version;
	size_t n;

	r->exporter = random_below(r, RANDOM_EXPORTERS);
	version = random_versions[r->exporter];
	if (version < 9)
		random_fixed(r, &c, version);
	else
		random_flowset(r, &c, version);
	n = cursor_used(&c);
	if (!random_below(r, 50))
		n = random_below(r, (unsigned)n + 1);
	return (struct bytes){ r->buf, n };
}

#endif /* RANDOM_EXPORT_H */
