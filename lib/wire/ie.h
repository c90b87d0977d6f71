/*
 * ie.h - Information Elements: what a number in a template means (IANA IPFIX
 * registry; NetFlow v9 field types are the same numbers below 128).
 *
 * The rows are in ie.def: decoder, encoder, log and manual read the same row.
 */
#ifndef IE_H
#define IE_H

#include "flow.h"

enum ie_type { IE_UINT, IE_INT, IE_FLOAT, IE_BOOL, IE_ADDR4, IE_ADDR6, IE_MAC, IE_OCTETS, IE_STRING,
	IE_SECONDS, IE_MILLIS, IE_MICROS, IE_NANOS, IE_LIST };

enum { PEN_IANA = 0, PEN_REVERSE = 29305, IE_VARLEN = 65535 };

struct ie {
	uint32_t pen;
	uint16_t id;
	const char *name;
	uint8_t type;		/* enum ie_type */
	uint8_t len;		/* default length in a template; 0: variable */
	int16_t field;		/* enum flow_field where it lands, or -1 */
};

/*
 * NULL when the element is not in the table; it is then skipped by its length.
 * An Element of PEN_REVERSE (RFC 5103) is the IANA row of the same number.
 */
const struct ie *ie_find(uint32_t pen, uint16_t id);
const struct ie *ie_by_name(const char *name);

#endif /* IE_H */
