/*
 * primitive.h - from `aggregate: src_host, in_iface` to the layout of a packed
 * aggregation key, and from a packed key back to text.
 *
 * The rows are lib/base/primitives.def.  A key is the concatenation of its
 * primitives' values in row order, in host order, without padding; two flows
 * belong to one sum when their keys are the same bytes.
 */
#ifndef PRIMITIVE_H
#define PRIMITIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wire/decoder.h"
#include "wire/flow.h"

enum prim_format {
	PRIM_TAG,
	PRIM_MAC,
	PRIM_NUM,
	PRIM_HEX,
	PRIM_PROTO,
	PRIM_HOST,
	PRIM_NET,
	PRIM_TEXT,
	PRIM_FLAGS,
	PRIM_CLASS,
	PRIM_EXPORTER,
	PRIM_RATE,
	PRIM_DIR,
	PRIM_TIME,
	PRIM_ARRIVAL,
	PRIM_EXPORTED,
	PRIM_SEQNO,
	PRIM_VERSION,
	PRIM_SYSID,
	PRIM_ELEMENT,
	PRIM_RD,
	PRIM_DEPTH,
	PRIM_VNI,
	PRIM_INSIDE_MAC,
	PRIM_INSIDE_HOST,
	PRIM_INSIDE_PROTO,
	PRIM_INSIDE_NUM,
	/* of aggregate_primitives */
	PRIM_CUSTOM_UINT,
	PRIM_CUSTOM_HEX,
	PRIM_CUSTOM_IP,
	PRIM_CUSTOM_MAC,
	PRIM_CUSTOM_STR,
	PRIM_CUSTOM_RAW,
	PRIM_FORMATS
};

struct primitive {
	const char *name;	/* as in `aggregate` */
	int member;		/* enum flow_field, or -1 */
	enum prim_format format;
	const char *sql7, *sql8, *csv;
	int since;		/* default table version that first has the column; 0: none */
	const char *filler;
	uint8_t width;		/* bytes in a key, where neither the member nor the format says */
	uint8_t digits;		/* of the formatted output; 0: as the format has it */
};

enum primitive_id {
#define PRIM(name, member, format, sql7, sql8, csv, since, filler) PRIM_ID_##name,
#include "base/primitives.def"
#undef PRIM
	PRIMITIVES
};

/*
 * Behind the rows of primitives.def those of the last aggregate_primitives file: a user's own,
 * by number from PRIMITIVES on (custom.h).  They are made at start, before any thread.
 */
enum { CUSTOM_MAX = 128, PRIMITIVES_MAX = PRIMITIVES + CUSTOM_MAX };
extern struct primitive primitives[PRIMITIVES_MAX];

/* `aggregate` as parsed. */
enum { CUSTOM_IN_KEY = 16 };
enum sum_kind { SUM_NONE, SUM_HOST, SUM_NET, SUM_AS, SUM_PORT, SUM_MAC };
struct aggregate_spec {
	uint64_t set;		/* bit per enum primitive_id that is in the key */
	uint8_t custom[CUSTOM_IN_KEY];	/* numbers of a user's own primitives, as they were named */
	uint8_t ncustom;
	bool flows, tcpflags, none;
	enum sum_kind sum;	/* a record is counted under its source and under its destination */
};

/* Words of the reference that are not in this version, and what they would need. */
struct later_word {
	const char *word, *need;
};
extern const struct later_word later_words[];
extern const size_t nlater_words;

/* Parse a comma list; false with *expected naming the bad word (and its neighbour, "did you mean").
 */
bool aggregate_parse(struct aggregate_spec *a, const char *list, char *why, size_t why_size);

/* One primitive of a key. */
struct key_field {
	uint8_t primitive;	/* enum primitive_id, or a user's own */
	uint8_t width;		/* bytes in the key */
	uint16_t offset;	/* in the key */
};

enum { KEY_BYTES_MAX = 512, KEY_FIELDS_MAX = PRIMITIVES + CUSTOM_IN_KEY };
/* The longest text is a string of an exporter's: as long as a VARCHAR(255) holds in any charset. */
enum { PRIM_TEXT_MAX = 256 };

struct key_layout {
	struct key_field field[KEY_FIELDS_MAX];
	size_t nfields, size;	/* bytes of a packed key, a multiple of 8 */
	uint8_t index[PRIMITIVES]; /* by primitive: its field's number from 1; 0: not in the key */
	struct aggregate_spec spec;
};

void key_layout_make(struct key_layout *l, const struct aggregate_spec *a);
/* The field of a primitive, or NULL. */
const struct key_field *key_layout_find(const struct key_layout *l, enum primitive_id id);

/* True when its column holds addresses as text. */
bool primitive_is_address(const struct primitive *p);

/* Value of a numeric field of a packed key. */
uint64_t key_number(const struct key_field *f, const uint8_t *key);
struct print_style {
	bool num_protos;	/* ip_proto as digits */
	bool epoch;		/* times as integers */
	bool utc;
	bool rfc3339;		/* times as 2026-01-05T13:00:00.000000+01:00 */
	bool zero_is_1970;	/* no time is the first second of 1970, not 0000-00-00 */
	unsigned proto_width;	/* names longer than this as digits; 0: no limit */
};
/* Text of one field, at most PRIM_TEXT_MAX; returns its length. */
size_t key_print(
	char *buf, const struct key_field *f, const uint8_t *key, const struct print_style *style);

/* "2026-01-05 12:00:00" into at least 32 bytes, by the style; returns its length. */
size_t stamp_print(char *buf, int64_t when, const struct print_style *style);
/* What stands behind a time and its fraction: "", or with rfc3339 "Z" or "+01:00". */
size_t zone_print(char *buf, int64_t when, const struct print_style *style);

/* Decimal digits and a NUL; returns how many digits. */
size_t number_print(char *buf, uint64_t v);

#endif /* PRIMITIVE_H */
