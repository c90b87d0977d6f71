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
	PRIM_SYSID
};

struct primitive {
	const char *name;	/* as in `aggregate` */
	int member;		/* enum flow_field, or -1 */
	enum prim_format format;
	const char *sql7, *sql8, *csv;
	int since;		/* default table version that first has the column; 0: none */
	const char *filler;
};

enum primitive_id {
#define PRIM(name, member, format, sql7, sql8, csv, since, filler) PRIM_ID_##name,
#include "base/primitives.def"
#undef PRIM
	PRIMITIVES
};

extern const struct primitive primitives[PRIMITIVES];

/* `aggregate` as parsed. */
enum sum_kind { SUM_NONE, SUM_HOST, SUM_NET, SUM_AS, SUM_PORT, SUM_MAC };
struct aggregate_spec {
	uint64_t set;		/* bit per enum primitive_id that is in the key */
	bool flows, tcpflags, none;
	enum sum_kind sum;	/* a record is counted under its source and under its destination */
};

/* Parse a comma list; false with *expected naming the bad word (and its neighbour, "did you mean").
 */
bool aggregate_parse(struct aggregate_spec *a, const char *list, char *why, size_t why_size);

/* One primitive of a key. */
struct key_field {
	uint8_t primitive;	/* enum primitive_id */
	uint8_t width;		/* bytes in the key */
	uint16_t offset;	/* in the key */
};

enum { KEY_BYTES_MAX = 256, PRIM_TEXT_MAX = 64 };

struct key_layout {
	struct key_field field[PRIMITIVES];
	size_t nfields, size;	/* bytes of a packed key, a multiple of 8 */
	uint8_t index[PRIMITIVES]; /* by primitive: its field's number from 1; 0: not in the key */
	struct aggregate_spec spec;
};

void key_layout_make(struct key_layout *l, const struct aggregate_spec *a);
/* The field of a primitive, or NULL. */
const struct key_field *key_layout_find(const struct key_layout *l, enum primitive_id id);

/* Value of a numeric field of a packed key. */
uint64_t key_number(const struct key_field *f, const uint8_t *key);
struct print_style {
	bool num_protos;	/* ip_proto as digits */
	bool epoch;		/* times as integers */
	bool utc;
	bool secs;		/* times without the microseconds */
	unsigned proto_width;	/* names longer than this as digits; 0: no limit */
};
/* Text of one field, at most PRIM_TEXT_MAX; returns its length. */
size_t key_print(
	char *buf, const struct key_field *f, const uint8_t *key, const struct print_style *style);

/* Decimal digits and a NUL; returns how many digits. */
size_t number_print(char *buf, uint64_t v);

#endif /* PRIMITIVE_H */
