/*
 * reanchor.c - patches in place; nothing changes its length.
 *
 * Reads captures, and those can hold anything: every step is bounded by what
 * is left of the datagram, and the templates kept by TEMPLATES_MAX.
 */
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "pcapgen/reanchor.h"
#include "wire/cursor.h"
#include "wire/decoder.h"
#include "wire/ie.h"

enum {
	TEMPLATES_MAX = 4096,
	FIELDS_MAX = 256,
	HEADER_V9 = 20,
	HEADER_IPFIX = 16,
	ENTERPRISE = 0x8000
};

struct field {
	uint16_t len;
	uint8_t unit;	/* enum unit */
};

enum unit { UNIT_NONE, UNIT_SECONDS, UNIT_MILLIS, UNIT_NTP };

struct layout {
	struct endpoint from;
	uint32_t domain;
	uint16_t version, id, nfields, min;	/* min: octets of the shortest record */
	struct field fields[FIELDS_MAX];
};

struct reanchor {
	struct layout **layouts;
	size_t n;
};

struct reanchor *reanchor_new(void)
{
	struct reanchor *r = xcalloc(1, sizeof(*r));

	r->layouts = xcalloc(TEMPLATES_MAX, sizeof(struct layout *));
	return r;
}

void reanchor_free(struct reanchor *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->layouts[i]);
	free(r->layouts);
	free(r);
}

/* Where an unsigned 32-bit time of the header stands; 0: this format has none. */
static size_t header_time_at(const uint8_t *data, size_t n)
{
	struct peek p;

	wire_peek(&p, (struct bytes){ data, n });
	switch (p.protocol) {
	case PROTO_NETFLOW1:
	case PROTO_NETFLOW5:
	case PROTO_NETFLOW7:
	case PROTO_NETFLOW8:
	case PROTO_NETFLOW9:
		return n >= 12 ? 8 : 0;
	case PROTO_IPFIX:
		return n >= 8 ? 4 : 0;
	case PROTO_SFLOW:
	case PROTO_UNKNOWN:
		break;
	}
	return 0;
}

bool reanchor_header_time(const uint8_t *data, size_t n, uint32_t *seconds)
{
	size_t at = header_time_at(data, n);

	if (at)
		*seconds = be32(data + at);
	return at != 0;
}

static enum unit unit_of(uint16_t id, uint16_t len)
{
	static const struct { uint16_t id; uint8_t len, unit;
	} rows[] = { { 150, 4, UNIT_SECONDS }, { 151, 4, UNIT_SECONDS }, { 152, 8, UNIT_MILLIS },
		{ 153, 8, UNIT_MILLIS }, { 154, 8, UNIT_NTP }, { 155, 8, UNIT_NTP },
		{ 156, 8, UNIT_NTP }, { 157, 8, UNIT_NTP }, { 160, 8, UNIT_MILLIS },
		{ 258, 8, UNIT_MILLIS }, { 322, 4, UNIT_SECONDS }, { 323, 8, UNIT_MILLIS },
		{ 324, 8, UNIT_NTP }, { 325, 8, UNIT_NTP } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].id == id && rows[i].len == len)
			return (enum unit)rows[i].unit;
	return UNIT_NONE;
}

static struct layout *find(const struct reanchor *r, const struct layout *key)
{
	for (size_t i = 0; i < r->n; i++) {
		struct layout *l = r->layouts[i];

		if (l->id == key->id && l->domain == key->domain && l->version == key->version &&
		    addr_equal(&l->from.addr, &key->from.addr))
			return l;
	}
	return NULL;
}

static void learn(struct reanchor *r, const struct layout *layout)
{
	struct layout *l = find(r, layout);

	if (!l) {
		if (r->n == TEMPLATES_MAX)	/* the oldest makes room */
			free(r->layouts[0]),
				memmove(r->layouts, r->layouts + 1, --r->n * sizeof(*r->layouts));
		l = r->layouts[r->n++] = xmalloc(sizeof(*l));
	}
	*l = *layout;
}

/* Templates of one Set; `options` says which header its records have. */
static void read_templates(
	struct reanchor *r, struct layout *l, const uint8_t *p, const uint8_t *end, bool options)
{
	while (end - p >= (options ? 6 : 4)) {
		size_t fields = be16(p + 2);

		l->id = be16(p);
		if (l->id < 256)
			return;
		if (options && l->version == 9)	/* octets of scopes and of options */
			fields = (be16(p + 2) + (size_t)be16(p + 4)) / 4;
		p += !fields && l->version == 10 ? 4 : options ? 6 : 4;
		l->nfields = l->min = 0;
		for (size_t i = 0; i < fields; i++) {
			uint16_t id, len;
			bool enterprise;

			if (end - p < 4)
				return;
			id = be16(p);
			len = be16(p + 2);
			enterprise = l->version == 10 && (id & ENTERPRISE);
			p += 4;
			if (enterprise && end - p < 4)
				return;
			p += enterprise ? 4 : 0;
			if (i >= FIELDS_MAX)
				return;
			l->fields[l->nfields].len = len;
			l->fields[l->nfields++].unit =
				(uint8_t)(enterprise ? UNIT_NONE : unit_of(id, len));
			l->min = (uint16_t)(l->min + (len == IE_VARLEN ? 1 : len));
		}
		if (l->nfields && l->min)
			learn(r, l);
	}
}

static void move_field(uint8_t *p, enum unit unit, int64_t shift_s)
{
	if (unit == UNIT_SECONDS || unit == UNIT_NTP) { /* NTP: seconds first, the fraction stays */
		patch32(p, be32(p) + (uint32_t)shift_s);
	} else if (unit == UNIT_MILLIS) {
		uint64_t ms = be64(p) + (uint64_t)(shift_s * 1000);

		patch32(p, ms >> 32);
		patch32(p + 4, ms);
	}
}

static void move_records(const struct layout *l, uint8_t *p, const uint8_t *end, int64_t shift_s)
{
	while (end - p >= l->min) {
		for (size_t i = 0; i < l->nfields; i++) {
			size_t len = l->fields[i].len;

			if (len == IE_VARLEN) {
				if (end - p < 1)
					return;
				len = *p++;
				if (len == 255) {
					if (end - p < 2)
						return;
					len = be16(p);
					p += 2;
				}
			}
			if ((size_t)(end - p) < len)
				return;
			move_field(p, (enum unit)l->fields[i].unit, shift_s);
			p += len;
		}
	}
}

static void move_sets(
	struct reanchor *r, struct layout *key, uint8_t *p, const uint8_t *end, int64_t shift_s)
{
	while (end - p >= 4) {
		uint16_t id = be16(p), len = be16(p + 2), base = key->version == 9 ? 0 : 2;
		const struct layout *l;

		if (len < 4 || len > end - p)
			return;
		if (id == base || id == base + 1) {
			read_templates(r, key, p + 4, p + len, id != base);
		} else if (id >= 256) {
			key->id = id;
			l = find(r, key);
			if (l)
				move_records(l, p + 4, p + len, shift_s);
		}
		p += len;
	}
}

void reanchor_move(
	struct reanchor *r, const struct endpoint *from, uint8_t *data, size_t n, int64_t shift_s)
{
	size_t at = header_time_at(data, n);
	struct layout key;

	if (!at)
		return;
	patch32(data + at, be32(data + at) + (uint32_t)shift_s);
	key.version = be16(data);
	key.from = *from;
	if (key.version == 9 && n >= HEADER_V9) {
		key.domain = be32(data + 16);
		move_sets(r, &key, data + HEADER_V9, data + n, shift_s);
	} else if (key.version == 10 && n >= HEADER_IPFIX) {
		key.domain = be32(data + 12);
		move_sets(r, &key, data + HEADER_IPFIX, data + n, shift_s);
	}
}
