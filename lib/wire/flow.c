/*
 * flow.c - what every row of flow.def gets: its place, equality, print.
 */
#include <stdio.h>
#include "flow.h"

#define KIND_ADDR FLOW_KIND_ADDR
#define KIND_MAC FLOW_KIND_MAC
#define KIND_U8 FLOW_KIND_U8
#define KIND_U16 FLOW_KIND_U16
#define KIND_U32 FLOW_KIND_U32
#define KIND_U64 FLOW_KIND_U64

_Static_assert(FLOW_FIELDS <= 64, "a presence bit a member");

const struct flow_field_info flow_fields[FLOW_FIELDS] = {
#define FLOW(kind, name, text) [FLOW_##name] = { #name, text, offsetof(struct flow_record, name), \
		sizeof(((struct flow_record *)0)->name), KIND_##kind },
#include "flow.def"
#undef FLOW
};

#define EMPTY_ADDR(name) .name = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0 } },
#define EMPTY_U8(name)
#define EMPTY_U16(name)
#define EMPTY_U32(name)
#define EMPTY_U64(name)
#define EMPTY_MAC(name)

const struct flow_record flow_record_empty = {
#define FLOW(kind, name, text) EMPTY_##kind(name)
#include "flow.def"
#undef FLOW
	.present = 0
};

void flow_set(struct flow_record *r, enum flow_field f, uint64_t value)
{
	const struct flow_field_info *i = &flow_fields[f];
	uint8_t *at = (uint8_t *)r + i->offset;
	const uint8_t v8 = (uint8_t)value;
	const uint16_t v16 = (uint16_t)value;
	const uint32_t v32 = (uint32_t)value;

	switch (i->kind) {
	case FLOW_KIND_U8:
		memcpy(at, &v8, sizeof(v8));
		break;
	case FLOW_KIND_U16:
		memcpy(at, &v16, sizeof(v16));
		break;
	case FLOW_KIND_U32:
		memcpy(at, &v32, sizeof(v32));
		break;
	case FLOW_KIND_U64:
		memcpy(at, &value, sizeof(value));
		break;
	default:
		return;
	}
	r->present |= UINT64_C(1) << f;
}

uint64_t flow_get(const struct flow_record *r, enum flow_field f)
{
	const struct flow_field_info *i = &flow_fields[f];
	const uint8_t *at = (const uint8_t *)r + i->offset;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (i->kind) {
	case FLOW_KIND_U8:
		return *at;
	case FLOW_KIND_U16:
		memcpy(&v16, at, sizeof(v16));
		return v16;
	case FLOW_KIND_U32:
		memcpy(&v32, at, sizeof(v32));
		return v32;
	case FLOW_KIND_U64:
		memcpy(&v64, at, sizeof(v64));
		return v64;
	default:
		return 0;
	}
}

bool flow_equal(const struct flow_record *a, const struct flow_record *b)
{
	if (a->present != b->present)
		return false;
	for (int f = 0; f < FLOW_FIELDS; f++) {
		const struct flow_field_info *i = &flow_fields[f];

		if (flow_has(a, (enum flow_field)f) &&
			memcmp((const uint8_t *)a + i->offset, (const uint8_t *)b + i->offset,
				i->width) != 0)
			return false;
	}
	return true;
}

/* ---- print ------------------------------------------------------------------ */

/* The part of `buf` behind `used`, for snprintf, which counts on past the end. */
#define REST(buf, n, used) (used) < (n) ? (buf) + (used) : NULL, (used) < (n) ? (n) - (used) : 0

static size_t print_member(char *buf, size_t n, const struct flow_record *r, enum flow_field f)
{
	const struct flow_field_info *i = &flow_fields[f];
	const uint8_t *at = (const uint8_t *)r + i->offset;
	char text[ADDR_TEXT];
	struct addr a;
	int len;

	if (i->kind == FLOW_KIND_ADDR) {
		memcpy(&a, at, sizeof(a));
		len = snprintf(buf, n, "%s=%s", i->name, addr_print(&a, text));
	} else if (i->kind == FLOW_KIND_MAC) {
		len = snprintf(buf, n, "%s=%02x:%02x:%02x:%02x:%02x:%02x", i->name, at[0], at[1],
			       at[2], at[3], at[4], at[5]);
	} else {
		len = snprintf(buf, n, "%s=%llu", i->name, (unsigned long long)flow_get(r, f));
	}
	return (size_t)len;
}

size_t flow_print(char *buf, size_t n, const struct flow_record *r)
{
	size_t used = 0;

	if (n)
		buf[0] = '\0';
	for (int f = 0; f < FLOW_FIELDS; f++) {
		if (!flow_has(r, (enum flow_field)f))
			continue;
		if (used)
			used += (size_t)snprintf(REST(buf, n, used), " ");
		used += print_member(REST(buf, n, used), r, (enum flow_field)f);
	}
	return used;
}
