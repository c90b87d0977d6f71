/*
 * ie.c - look-up of Information Elements by number (a table of indexes) and by
 * name (a walk: for configurations, not for packets).
 */
#include <string.h>
#include "ie.h"

#define FLOW_none (-1)

/* IE_ROW_octetDeltaCount: the row's place in elements[]. */
enum {
#define IE(pen, id, name, type, len, lands) IE_ROW_##name,
#define IE_VENDOR IE
#include "ie.def"
#undef IE
#undef IE_VENDOR
	IE_ROWS
};

static const struct ie elements[IE_ROWS] = {
#define IE(pen, id, name, type, len, lands) { pen, id, #name, IE_##type, len, FLOW_##lands },
#define IE_VENDOR IE
#include "ie.def"
#undef IE
#undef IE_VENDOR
};

/* Row + 1 of each IANA number; 0: not assigned. */
static const uint16_t by_number[] = {
#define IE(pen, id, name, type, len, lands) [id] = IE_ROW_##name + 1,
#define IE_VENDOR(pen, id, name, type, len, lands)
#include "ie.def"
#undef IE
#undef IE_VENDOR
};

enum { NUMBERS = sizeof(by_number) / sizeof(by_number[0]) };

/* The few rows outside, by bisection: they stand in order of PEN and number. */
static const struct ie *find_vendor(uint32_t pen, uint16_t id)
{
	size_t lo = 0, hi = IE_ROWS;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct ie *e = &elements[mid];

		if (e->pen == pen && e->id == id)
			return e;
		if (e->pen < pen || (e->pen == pen && e->id < id))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct ie *ie_find(uint32_t pen, uint16_t id)
{
	if (pen == PEN_REVERSE)
		pen = PEN_IANA;
	if (pen == PEN_IANA && id < NUMBERS)
		return by_number[id] ? &elements[by_number[id] - 1] : NULL;
	return find_vendor(pen, id);
}

const struct ie *ie_by_name(const char *name)
{
	for (size_t i = 0; i < IE_ROWS; i++)
		if (strcmp(elements[i].name, name) == 0)
			return &elements[i];
	return NULL;
}
