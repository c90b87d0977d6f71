/*
 * flow.h - struct flow_record, the one normal form.
 *
 * Every decoder ends here and every encoder starts here; nothing above
 * lib/wire knows which protocol a record came in.  Numbers are in host order,
 * times are absolute, addresses are struct addr, counters are as exported (not
 * multiplied by the sampling interval).  Members are the rows of flow.def; a
 * member whose bit in `present` is clear was not exported and holds zero
 * (addresses: 0.0.0.0).
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include "addr.h"

#define FLOW_ADDR(name) struct addr name;
#define FLOW_U8(name) uint8_t name;
#define FLOW_U16(name) uint16_t name;
#define FLOW_U32(name) uint32_t name;
#define FLOW_U64(name) uint64_t name;
#define FLOW_MAC(name) uint8_t name[6];

struct flow_record {
	uint64_t present;	/* FLOW_BIT(member) of each member that was exported */
#define FLOW(kind, name, text) FLOW_##kind(name)
#include "flow.def"
#undef FLOW
};

/* FLOW_src, FLOW_dst, ...: the number of a member, and of its bit. */
enum flow_field {
#define FLOW(kind, name, text) FLOW_##name,
#include "flow.def"
#undef FLOW
	FLOW_FIELDS
};

#define FLOW_BIT(name) (UINT64_C(1) << FLOW_##name)

enum flow_kind { FLOW_KIND_U8, FLOW_KIND_U16, FLOW_KIND_U32, FLOW_KIND_U64, FLOW_KIND_ADDR,
	FLOW_KIND_MAC };

struct flow_field_info {
	const char *name, *text;
	uint16_t offset;	/* in struct flow_record */
	uint8_t width;		/* bytes there */
	uint8_t kind;		/* enum flow_kind */
};

/* Indexed by enum flow_field. */
extern const struct flow_field_info flow_fields[FLOW_FIELDS];

/* A member of many records: record i's is at at + i * step, flow_column_width() octets. */
struct flow_column {
	uint8_t *at;
	uint16_t step;
	uint8_t field;		/* enum flow_field */
	bool if_present;	/* where nobody exports the member the column is left alone */
	bool v4;		/* an address: the last four octets of it, for it is of IPv4 */
};

/*
 * Octets of each row that columns lie in, whole, and nobody else's: what no column fills there
 * may be set to zero.  `size` is a multiple of 8; no column in it is `if_present`.
 */
struct flow_area {
	uint8_t *at;
	uint16_t step, size;
};

static inline size_t flow_column_width(const struct flow_column *c)
{
	return c->v4 ? 4 : flow_fields[c->field].width;
}

/* Nothing exported, every address 0.0.0.0.  Copy it to start a record. */
extern const struct flow_record flow_record_empty;

static inline bool flow_has(const struct flow_record *r, enum flow_field f)
{
	return r->present >> f & 1;
}

/* Set a numeric member and its bit; wider values are cut to the member. */
void flow_set(struct flow_record *r, enum flow_field f, uint64_t value);
/* A numeric member; 0 for addresses. */
uint64_t flow_get(const struct flow_record *r, enum flow_field f);

/* Same members present with the same values. */
bool flow_equal(const struct flow_record *a, const struct flow_record *b);
/* "src=192.0.2.1 dst=... octets=40": the members present, for logs and tests. */
size_t flow_print(char *buf, size_t n, const struct flow_record *r);	/* as snprintf counts */

#endif /* FLOW_H */
