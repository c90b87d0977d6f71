/*
 * flowset.h - walk and write a NetFlow v9 (RFC 3954) or IPFIX (RFC 7011)
 * message.
 *
 * One codec serves both; where they differ, flowset.c has a row a dialect.
 * Nothing here keeps state from one message to the next: templates live in a
 * store (templates.h).  Each struct is the caller's; each span points into the
 * caller's datagram and dies with it.
 *
 *	for (set_first(&it, &msg); set_next(&it, &set); )
 *		...
 *	if (it.err != WIRE_OK)
 *		count(it.err);
 */
#ifndef FLOWSET_H
#define FLOWSET_H

#include "cursor.h"
#include "flow.h"
#include "wire.h"

/* Message header (RFC 3954 5.1, RFC 7011 3.1). */
struct flow_msg {
	uint16_t version;	/* 9 or 10 */
	uint16_t count;		/* v9: records of every kind, by the exporter's account; IPFIX: 0 */
	uint32_t uptime_ms;	/* since the exporter booted; 0 in IPFIX */
	uint32_t export_s;	/* seconds since 1970 UTC */
	uint32_t sequence;	/* v9: messages; IPFIX: data records; mod 2^32 */
	uint32_t domain;	/* v9 Source ID, IPFIX Observation Domain ID */
	struct bytes sets;	/* what follows the header, up to the end of the datagram */
	size_t trailing; /* octets of it after an IPFIX message's own end: tolerated, counted */
};

enum set_kind { SET_TEMPLATE, SET_OPTIONS, SET_DATA, SET_RESERVED };

struct flow_set {
	enum set_kind kind;
	uint16_t id;		/* for SET_DATA the template ID, 256..65535 */
	struct bytes body;	/* after the 4-byte Set header */
};

struct set_iter {
	struct bytes rest;
	size_t own;		/* octets of `rest` that the message claims */
	uint16_t version;
	enum wire_err err;	/* why set_next() stopped; WIRE_OK at the end */
};

/*
 * WIRE_OK, WIRE_VERSION, WIRE_SHORT.  An IPFIX length beyond what arrived is
 * not refused: Sets that arrived whole are read, the cut one is counted.  Nor is
 * one that ends inside a Set that did arrive whole: that Set is read (pmacct and
 * nfdump bill it), and what begins behind the message's end is `trailing`.  The
 * v9 record count is never trusted (exporters disagree on what it counts).
 */
enum wire_err flow_msg_parse(struct flow_msg *msg, struct bytes dgram);
void set_first(struct set_iter *it, const struct flow_msg *msg);
bool set_next(struct set_iter *it, struct flow_set *set);

/* ---- writing ------------------------------------------------------------ */

/* One field of a template to write; pen 0 is IANA, len IE_VARLEN is variable. */
struct field_spec {
	uint32_t pen;
	uint16_t id, len;
};

struct template_spec {
	uint16_t id;			/* 256.. */
	uint16_t nfields,
		nscope; /* nscope > 0: options template, its first nscope fields are scopes */
	const struct field_spec *fields;
};

/* Octets of one data record of a fixed-length template; 0 if it has a variable field. */
size_t template_record_size(const struct template_spec *t);

/* Header with count/length still open; close with flow_msg_end(). */
void flow_msg_begin(struct cursor *c, const struct flow_msg *m);
/* `records`: all records of the message, for the v9 count; patches the IPFIX length. */
void flow_msg_end(struct cursor *c, const struct flow_msg *m, unsigned records);
/* A template Set (or options template Set) of one template. */
void flow_msg_put_template(struct cursor *c, uint16_t version, const struct template_spec *t);
/*
 * Open a data Set, put records, close (pads to 4 octets).  The returned mark goes
 * to flow_set_end().  Padding of records that can be shorter than four octets
 * would be read as records (RFC 7011 3.3.1): do not put such.
 */
uint8_t *flow_set_begin(struct cursor *c, uint16_t id);
void flow_set_end(struct cursor *c, uint8_t *mark);
/*
 * One data record: each field of `t` from the member of `r` where its Element
 * lands (ie.def), big-endian, cut to the field's length; Elements that land
 * nowhere are zeros.  Times become what the Element wants (uptime ms, seconds,
 * ms, NTP); `m` gives uptime and export time.
 */
void flow_msg_put_record(struct cursor *c, const struct flow_msg *m, const struct template_spec *t,
			 const struct flow_record *r);
/*
 * The same at speed: what the fields of a template want is found out once.
 * False when there are more than FLOW_PUT_MAX of them.
 */
struct ie;
struct flow_put_op {
	const struct ie *ie;
	uint16_t offset, len;
	uint8_t kind;
	bool prefix;		/* a variable field: its length goes before it */
};
enum { FLOW_PUT_MAX = 128 };
struct flow_put {
	size_t record_len;	/* 0: a field is variable */
	size_t nops;
	struct flow_put_op ops[FLOW_PUT_MAX];
};
bool flow_put_init(struct flow_put *p, const struct template_spec *t);
void flow_put_records(struct cursor *c, const struct flow_msg *m, const struct flow_put *p,
		      const struct flow_record *r, size_t n);
/* An options data record of plain numbers, `values[i]` for field i. */
void flow_msg_put_values(struct cursor *c, const struct template_spec *t, const uint64_t *values);

#endif /* FLOWSET_H */
