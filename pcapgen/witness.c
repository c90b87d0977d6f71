/*
 * witness.c - the second decoder's memory and its front door (see witness.h).
 */
#include <stdlib.h>
#include "pcapgen/witness_parts.h"

struct witness *witness_new(void)
{
	return xcalloc(1, sizeof(struct witness));
}

static void free_stream(struct witness_stream *s)
{
	while (s->templates) {
		struct witness_template *t = s->templates;

		s->templates = t->next;
		free(t->field);
		free(t);
	}
	free(s);
}

void witness_free(struct witness *w)
{
	if (!w)
		return;
	while (w->streams) {
		struct witness_stream *s = w->streams;

		w->streams = s->next;
		free_stream(s);
	}
	while (w->samplers) {
		struct witness_sampler *s = w->samplers;

		w->samplers = s->next;
		free(s);
	}
	strbuf_clear(&w->elements);
	free(w);
}

void witness_keep_elements(struct witness *w)
{
	w->keep_elements = true;
}

struct witness_stream *witness_stream(
	struct witness *w, const struct addr *sender, uint8_t protocol, uint32_t domain)
{
	struct witness_stream *s;

	for (s = w->streams; s; s = s->next)
		if (s->protocol == protocol && s->domain == domain &&
			addr_equal(&s->sender, sender))
			return s;
	s = xcalloc(1, sizeof(*s));
	s->sender = *sender;
	s->protocol = protocol;
	s->domain = domain;
	s->next = w->streams;
	w->streams = s;
	return s;
}

void witness_emit(struct witness_reading *r, const struct flow_record *f)
{
	r->row.flow = *f;
	r->emit(r->ctx, &r->row);
}

/* The first four bytes tell them apart: sFlow's version is a 32-bit number, NetFlow's a 16-bit one.
 */
static const struct {
	uint16_t version;
	uint8_t protocol;
	void (*read)(struct witness_reading *r);
} kinds[] = {
	{ 1, PROTO_NETFLOW1, witness_read_fixed },
	{ 5, PROTO_NETFLOW5, witness_read_fixed },
	{ 7, PROTO_NETFLOW7, witness_read_fixed },
	{ 8, PROTO_NETFLOW8, witness_read_v8 },
	{ 9, PROTO_NETFLOW9, witness_read_flowset },
	{ 10, PROTO_IPFIX, witness_read_flowset },
};

void witness_read(struct witness *w, const struct datagram *d, uint64_t number,
		  void (*row)(void *ctx, const struct truth_row *row), void *ctx)
{
	struct witness_reading r = {
		.w = w, .data = d->data, .emit = row, .ctx = ctx,
		.row = { .datagram = number, .exporter = d->from.addr, .port = d->from.port,
			 .sent_us = d->recv_us },
	};
	uint16_t version;

	if (d->data.n < 4)
		return;
	version = be16(d->data.p);
	if (version == 0) {
		r.row.protocol = PROTO_SFLOW;
		witness_read_sflow(&r);
		return;
	}
	r.row.version = version;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].version == version) {
			r.row.protocol = kinds[i].protocol;
			kinds[i].read(&r);
		}
}
