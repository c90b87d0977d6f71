/*
 * renumber.c - see renumber.h.
 */
#include "renumber.h"

#include <stdlib.h>

#include "wire/store.h"

struct number_key {
	struct addr exporter, agent;
	uint32_t domain;
	uint16_t port;
	uint8_t protocol, zero;
};

struct number {
	struct store_link link;
	struct number_key key;
	uint32_t last;		/* the exporter's number of the latest datagram */
	uint32_t skipped;	/* what was left out so far */
	uint32_t kept;		/* of the latest datagram */
	bool known;
};

struct renumber {
	struct store store;
	void *mem;
};

struct renumber *renumber_new(uint64_t seed)
{
	struct renumber *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->mem = aligned_alloc(64, store_size(RENUMBER_STREAMS, sizeof(struct number)));
	if (!r->mem) {
		free(r);
		return NULL;
	}
	store_init(&r->store, r->mem, RENUMBER_STREAMS, sizeof(struct number),
		sizeof(struct number_key), seed);
	return r;
}

void renumber_free(struct renumber *r)
{
	if (!r)
		return;
	free(r->mem);
	free(r);
}

uint64_t renumber_evicted(const struct renumber *r)
{
	return r->store.evicted;
}

size_t renumber_offset(const struct peek *p, struct bytes d)
{
	size_t at = 0;

	switch (p->protocol) {
	case PROTO_NETFLOW5:
	case PROTO_NETFLOW7:
	case PROTO_NETFLOW8:
		at = 16;
		break;
	case PROTO_NETFLOW9:
		at = 12;
		break;
	case PROTO_IPFIX:
		at = 8;
		break;
	case PROTO_SFLOW:
		/* Version, kind of address, address, in version 5 the sub-agent. */
		if (d.n >= 8 && (be32(d.p + 4) == 1 || be32(d.p + 4) == 2))
			at = 8u + (be32(d.p + 4) == 2 ? 16 : 4) + (p->version == 5 ? 4 : 0);
		break;
	default:
		break;
	}
	return at && at + 4 <= d.n ? at : 0;
}

uint32_t renumber_next(
	struct renumber *r, const struct endpoint *from, const struct peek *p, uint32_t kept)
{
	const struct number_key key = { .exporter = from->addr,
		.agent = p->agent,
		.domain = p->domain,
		.port = from->port,
		.protocol = (uint8_t)p->protocol };
	bool fresh;
	struct number *n = store_put(&r->store, &key, &fresh);
	const uint32_t step = p->sequence - n->last;

	/* From the past, or the exporter began anew: nothing was left out between the two. */
	if (n->known && n->kept < step && step < UINT32_C(1) << 31)
		n->skipped += step - n->kept;
	n->known = true;
	n->last = p->sequence;
	n->kept = kept;
	return p->sequence - n->skipped;
}

const void *renumber_row(
	const struct renumber *r, const void *prev, uint64_t row[static RENUMBER_ROW])
{
	const struct number *n = store_next(&r->store, prev);

	if (!n)
		return NULL;
	memcpy(row, &n->key.exporter, 16);
	memcpy(row + 2, &n->key.agent, 16);
	row[4] = n->key.domain;
	row[5] = n->key.port;
	row[6] = n->key.protocol;
	row[7] = n->last;
	row[8] = n->skipped;
	row[9] = n->kept;
	return n;
}

void renumber_restore(struct renumber *r, const uint64_t row[static RENUMBER_ROW])
{
	struct number_key key = { .domain = (uint32_t)row[4],
		.port = (uint16_t)row[5],
		.protocol = (uint8_t)row[6] };
	struct number *n;
	bool fresh;

	memcpy(&key.exporter, row, 16);
	memcpy(&key.agent, row + 2, 16);
	n = store_put(&r->store, &key, &fresh);
	n->last = (uint32_t)row[7];
	n->skipped = (uint32_t)row[8];
	n->kept = (uint32_t)row[9];
	n->known = true;
}
