/*
 * witness_parts.h - what the files of the witness share: witness.c keeps what
 * exporters have told, witness_fixed.c reads NetFlow v1, v5, v7 and v8,
 * witness_flowset.c v9 and IPFIX, witness_sflow.c sFlow v2, v4 and v5,
 * witness_packet.c the packet headers that sFlow samples.
 *
 * Written from the RFCs and the sFlow specification for reading, not for speed:
 * every value is looked up by its number when it is wanted.
 */
#ifndef WITNESS_PARTS_H
#define WITNESS_PARTS_H

#include "base/strbuf.h"
#include "pcapgen/witness.h"

struct witness_field {
	uint32_t pen;
	uint16_t id, len;
};

struct witness_template {
	struct witness_template *next;
	struct witness_field *field;
	size_t nfields, nscope;
	uint16_t id;
	bool options;
};

struct witness_sampler {
	struct witness_sampler *next;	/* the one defined last stands first */
	struct addr sender;
	uint32_t domain;
	bool anywhere;			/* scope System: any domain of the exporter */
	bool has_id, has_template;
	uint64_t id, template_id;
	uint32_t num, den;
};

/* What one (exporter, protocol, domain) has told. */
struct witness_stream {
	struct witness_stream *next;
	struct addr sender;
	uint8_t protocol;
	uint32_t domain;
	struct witness_template *templates;
	bool has_init, has_exporter;
	uint64_t init_us;		/* IE 160, systemInitTimeMilliseconds, in microseconds */
	struct addr exporter;		/* IE 130/131 */
};

struct witness {
	struct witness_stream *streams;
	struct witness_sampler *samplers;
	bool keep_elements;
	struct strbuf elements;		/* of the record at hand */
};

/* One datagram being read. */
struct witness_reading {
	struct witness *w;
	struct bytes data;
	struct truth_row row;	/* what all records of the datagram share */
	void (*emit)(void *ctx, const struct truth_row *row);
	void *ctx;
};

void witness_emit(struct witness_reading *r, const struct flow_record *f);
struct witness_stream *witness_stream(
	struct witness *w, const struct addr *sender, uint8_t protocol, uint32_t domain);

/* Each returns without having read anything when the datagram is not what it says. */
void witness_read_fixed(struct witness_reading *r);
void witness_read_v8(struct witness_reading *r);
void witness_read_flowset(struct witness_reading *r);
void witness_read_sflow(struct witness_reading *r);

/* Members that a packet's headers tell; `header` may end anywhere. */
void witness_packet_ethernet(struct flow_record *f, struct bytes header);
void witness_packet_ip(struct flow_record *f, struct bytes header);

/*
 * A 32-bit uptime in ms against the header's, which was read at `export_us`:
 * the difference is signed.  Nothing was before 1970.
 */
static inline uint64_t witness_uptime(uint64_t export_us, uint32_t header_ms, uint32_t ms)
{
	int64_t us = (int64_t)export_us - (int64_t)(int32_t)(header_ms - ms) * 1000;

	return us < 0 ? 0 : (uint64_t)us;
}

#endif /* WITNESS_PARTS_H */
