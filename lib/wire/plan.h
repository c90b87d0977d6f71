/*
 * plan.h - a template turned into work: which bytes of a record go where.
 *
 * A template is compiled once, when it arrives.  What several Elements could
 * say is decided then (octets: IE 1, else 85, else 23, else 352, else 231), so
 * that a record is a straight run of loads and stores.  A plan has two ways to
 * run:
 *
 * - by columns, for templates of fixed length without surprises: one
 *   operation over all records of a Set, then the next, without a branch a
 *   record (plan_columns; plan_fill for who wants the columns elsewhere);
 * - by record, for everything else (PLAN_CAREFUL): variable length, biflows,
 *   both address families in one template, options data (plan_record).
 *
 * Numbers may have any length: 1 to 8 octets are read whole (RFC 7011 6.2), of
 * a longer one the last eight, and what the member cannot hold is cut from the
 * left.  Of a longer address the first octets count; a shorter one is absent.
 */
#ifndef PLAN_H
#define PLAN_H

#include "extras.h"
#include "flow.h"
#include "flowset.h"
#include "ie.h"
#include "shuffle.h"

enum { TEMPLATE_FIELDS_MAX = 512 };

/* A template as it was read, before it means anything. */
struct template_def {
	uint16_t version;	/* 9 or 10 */
	uint16_t id, nfields, nscope;
	bool options;
	struct field_spec fields[TEMPLATE_FIELDS_MAX];
};

/* Numbers that have no member in the record but decide about it. */
enum plan_aux { AUX_packet_interval, AUX_packet_space, AUX_size, AUX_population, AUX_probability,
	AUX_init_ms, AUX_template, AUX_first_uptime, AUX_last_uptime, AUX_src_mask4, AUX_dst_mask4,
	AUX_random_interval, AUX_frame_octets, AUX_NUMBERS };

/* The IPv4 twin of a member that has an IPv6 Element in the same template; exporter addresses. */
enum plan_alt { ALT_src, ALT_dst, ALT_next_hop, ALT_bgp_next_hop, ALT_post_src, ALT_post_dst,
	ALT_exporter4, ALT_exporter6, ALT_ADDRS };

/* Pieces of packets, the IP header last: the frame wins. */
enum plan_section { SECTION_frame, SECTION_ip, PLAN_SECTIONS };

enum plan_flags {
	PLAN_OPTIONS = 1,
	PLAN_VARLEN = 2,
	PLAN_BIFLOW = 4, /* RFC 5103 or NSEL: a record may become two */
	PLAN_FAMILIES = 8, /* IPv4 and IPv6 Elements for one address or mask */
	PLAN_INIT = 16, /* IE 160 in the record dates its IE 21/22 */
	PLAN_INTERVAL = 32, /* IE 34 or 50 in the record */
	PLAN_RATIO = 64, /* IE 305/306, 309/310 or 311 in the record */
	PLAN_SYSTEM = 128, /* options of the whole exporter */
	PLAN_BESIDE = 256, /* an operation writes beside the record: into struct plan_work only */
	PLAN_NSEL = 512, /* counters of a firewall's event, which not every event has */
	PLAN_SECTION = 1024, /* a piece of the packet itself (IE 313, 315) */
	PLAN_TOTALS = 2048, /* octets are those of all the flow so far (IE 85) */
	PLAN_PART = 4096, /* options of an interface, a line card or a cache alone */
	PLAN_CAREFUL = PLAN_OPTIONS | PLAN_VARLEN | PLAN_BIFLOW | PLAN_FAMILIES | PLAN_INIT |
		PLAN_RATIO | PLAN_BESIDE | PLAN_NSEL | PLAN_SECTION
};

struct plan_op {
	uint16_t src;		/* offset in the record; PLAN_VARLEN: number of the field */
	uint16_t dst;		/* offset in struct plan_work */
	uint16_t len;
	uint8_t kind;
	uint8_t field;		/* enum flow_field that it sets in the record, else FLOW_FIELDS */
};

/* Where an Element of struct extras_want stands. */
struct plan_extra {
	uint16_t src, len;	/* as in struct plan_op */
	uint16_t element;
};

/* At most one operation a member and direction, a twin, a number, a section, and ten labels. */
enum { PLAN_OPS = 2 * FLOW_FIELDS + AUX_NUMBERS + ALT_ADDRS + PLAN_SECTIONS + 10 };

struct plan {
	uint64_t present;	/* members of every record */
	uint64_t reverse;	/* members that the reverse half has of its own */
	uint64_t uptimes;	/* members dated by uptime: absent where that is not known */
	uint32_t aux, alt;	/* bits of the enums above */
	uint32_t min_len;	/* octets of a record; PLAN_VARLEN: at least */
	uint16_t flags, nops, nfields, id, nextras;
	uint8_t op_of[FLOW_FIELDS];	/* the first that sets the member in the record, from 1 */
	bool v4;		/* the columns of IPv4 of them are meant by `shuffle` */
	uint32_t shuffled;	/* for whose columns `shuffle` was compiled; 0: nobody's yet */
	struct plan_extra extras[EXTRAS_MAX];
	struct plan_op ops[PLAN_OPS];
	uint16_t lens[TEMPLATE_FIELDS_MAX];	/* of every field, for the careful walk */
	struct shuffle shuffle;
};

/* What a message's clock says. */
struct plan_time {
	uint64_t at_us;		/* export time */
	uint32_t uptime;	/* at that time */
	int64_t tick_us; /* unit of uptimes: 1000, or 1000000 where exporters count seconds */
	bool has_uptime;	/* false: IPFIX without systemInitTimeMilliseconds */
};

struct plan_work {
	struct flow_record rec;	/* first: offsets are those of a bare record */
	struct flow_record rev;
	uint64_t aux[AUX_NUMBERS];
	struct addr alt[ALT_ADDRS];
	struct bytes section[PLAN_SECTIONS];	/* in the datagram */
	struct bytes extras[EXTRAS_MAX];	/* those that the plan has */
};

/*
 * WIRE_OK or WIRE_TEMPLATE_EMPTY.  The fields of `def` were checked by
 * template_read().  `want` may be NULL.
 */
enum wire_err plan_compile(
	struct plan *p, const struct template_def *def, const struct extras_want *want);

/*
 * `n` records that lie one behind the other, into `out`, whose members are preset: those of
 * `members` (FLOW_BIT) that the template has.
 */
void plan_columns(const struct plan *p, struct flow_record *out, const uint8_t *data, size_t n,
		  const struct plan_time *t, uint64_t members);

/*
 * The same records, but each member to where its column says, and absent ones (see if_present) as
 * they are in flow_record_empty.  Records are `step` octets apart.  `done`: bit i: column i is
 * filled already.
 */
void plan_fill(const struct plan *p, const struct flow_column *column, size_t ncolumns,
	       uint64_t done, const uint8_t *data, size_t step, size_t n,
	       const struct plan_time *t);

/* Whether what the `v4` ones of these columns hold is an address of IPv4 in every record, or absent. */
bool plan_is4(const struct plan *p, const struct flow_column *column, size_t ncolumns);

/* Where an octet of a member comes from: an octet of the record, or what it always is. */
struct plan_octet {
	bool from_record;
	uint8_t always;
	uint16_t src;
};

/* Octet `k` of member `f`, as it stands in memory here; false: it is worked out (times, labels). */
bool plan_octet(const struct plan *p, size_t f, size_t k, struct plan_octet *out);

/* The same records' extras, those the template has, into rows of `step`. */
void plan_extras(
	const struct plan *p, struct bytes *out, size_t step, const uint8_t *data, size_t n);

/*
 * One record at `data`, of which `n` octets are left: its length, or 0 when it
 * runs past the end.  w->rec is complete but for sampling.
 */
size_t plan_record(const struct plan *p, struct plan_work *w, const uint8_t *data, size_t n,
		   const struct plan_time *t);

/*
 * PLAN_SECTION: what the piece of the packet in the datagram says goes where w->rec says nothing.
 * It is one packet, of the octets that its IP header states, as NetFlow counts, or of its frame
 * (IE 312) where that is not IP.
 */
void plan_section(const struct plan *p, struct plan_work *w);

/*
 * PLAN_BIFLOW: the other half of w->rec into `out`, with everything that has a
 * direction swapped; false when it counted nothing.  Octets and packets of zero
 * are no flow: exporters write them for every one-way connection.
 */
bool plan_reverse(const struct plan *p, const struct plan_work *w, struct flow_record *out);

/*
 * The sampling interval that the record itself tells by IE 305/306, 309/310 or
 * 311, reduced; false when there is none, or one that says nothing (a zero).
 */
bool plan_ratio(const struct plan *p, const struct plan_work *w, uint32_t *num, uint32_t *den);

/* num/den reduced; false when either is 0 or does not fit 32 bits. */
bool ratio_reduce(uint64_t num, uint64_t den, uint32_t *rnum, uint32_t *rden);

#endif /* PLAN_H */
