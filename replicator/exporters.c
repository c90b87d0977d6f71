/*
 * exporters.c - see exporters.h.
 */
#include "exporters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/flowset.h"
#include "wire/netflow5.h"
#include "wire/templates.h"

enum { UNIT = 1000000 };	/* tokens of a datagram */

struct exporters *exporters_new(uint32_t max, uint64_t seed)
{
	struct exporters *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->row_memory = aligned_alloc(64, store_size(max, sizeof(struct exporter)));
	x->stream_memory = aligned_alloc(64, store_size(max, sizeof(struct exporter_stream)));
	if (!x->row_memory || !x->stream_memory) {
		exporters_free(x);
		errno = ENOMEM;
		return NULL;
	}
	store_init(
		&x->rows, x->row_memory, max, sizeof(struct exporter), sizeof(struct addr), seed);
	store_init(&x->streams, x->stream_memory, max, sizeof(struct exporter_stream),
		   sizeof(struct stream_key),
		   seed + 1);
	return x;
}

void exporters_free(struct exporters *x)
{
	if (!x)
		return;
	free(x->row_memory);
	free(x->stream_memory);
	free(x);
}

struct exporter *exporters_count(struct exporters *x, const struct datagram *d, uint64_t now_ns)
{
	bool fresh;

	if (!x->last || !addr_equal(&x->last->addr, &d->from.addr))
		x->last = store_put(&x->rows, &d->from.addr, &fresh);
	x->last->datagrams++;
	x->last->octets += d->data.n;
	x->last->last_ns = now_ns;
	return x->last;
}

bool exporter_within(struct exporter *e, uint64_t per_s, uint64_t now_ns)
{
	const uint64_t full = per_s * UNIT, passed_us = (now_ns - e->filled_ns) / 1000;

	/* New, or away for a second and more: full.  The clock of a batch stands still within it.
	 */
	if (!e->filled_ns || passed_us >= UINT64_C(1000000))
		e->tokens = full;
	else
		e->tokens =
			e->tokens + passed_us * per_s < full ? e->tokens + passed_us * per_s : full;
	e->filled_ns = now_ns;
	if (e->tokens < UNIT)
		return false;
	e->tokens -= UNIT;
	return true;
}

bool exporter_circles(struct exporter *e, uint32_t before, uint64_t now_ns)
{
	if (now_ns - e->again_ns < UINT64_C(1000000000))
		return before < EXPORTERS_AGAIN && e->again >= EXPORTERS_AGAIN;
	e->again_ns = now_ns;
	e->again = 0;
	return false;
}

/* ---- sequence numbers ---------------------------------------------------------- */

static struct exporter_stream *stream_of(struct exporters *x, const struct datagram *d,
					 const struct peek *peek)
{
	struct stream_key key;
	bool fresh;

	memset(&key, 0, sizeof(key));
	/* An sFlow agent's number is its own, through whichever socket it comes. */
	key.addr = peek->protocol == PROTO_SFLOW ? peek->agent : d->from.addr;
	key.port = peek->protocol == PROTO_SFLOW ? 0 : d->from.port;
	key.protocol = (uint8_t)peek->protocol;
	key.domain = peek->domain;
	if (!x->last_stream || memcmp(&x->last_stream->key, &key, sizeof(key)) != 0)
		x->last_stream = store_put(&x->streams, &key, &fresh);
	return x->last_stream;
}

static void learn_shape(struct exporter_stream *s, const struct template_def *def)
{
	uint32_t octets = 0;
	size_t at;

	for (unsigned i = 0; i < def->nfields; i++) {
		if (def->fields[i].len == IE_VARLEN)
			octets = UINT16_MAX + 1u;
		octets += octets <= UINT16_MAX ? def->fields[i].len : 0;
	}
	for (at = 0; at < EXPORTERS_SHAPES && s->shape[at].id != def->id; at++)
		;
	if (at == EXPORTERS_SHAPES) {
		at = s->next_shape;
		s->next_shape = (uint8_t)((at + 1) % EXPORTERS_SHAPES);
	}
	s->shape[at].id = def->id;
	s->shape[at].octets = octets <= UINT16_MAX ? (uint16_t)octets : 0;
}

/* Records of a data Set; false when its template is not known or has no fixed size. */
static bool count_set(const struct exporter_stream *s, const struct flow_set *set,
		      uint32_t *records)
{
	for (size_t i = 0; i < EXPORTERS_SHAPES; i++) {
		if (s->shape[i].id != set->id || s->shape[i].octets == 0)
			continue;
		*records += (uint32_t)(set->body.n / s->shape[i].octets);
		return true;
	}
	return false;
}

/* RFC 7011 3.1: the number of an IPFIX message counts data records. */
static void ipfix_step(struct exporter_stream *s, struct bytes data, struct sequence_step *step)
{
	static _Thread_local struct template_def def;
	struct flow_msg m;
	struct set_iter it;
	struct flow_set set;

	step->unit = NETFLOW5_MAX;
	step->units = 0;
	if (flow_msg_parse(&m, data) != WIRE_OK) {
		step->uncertain = true;
		return;
	}
	for (set_first(&it, &m); set_next(&it, &set); ) {
		struct bytes rest = set.body;

		if (set.kind == SET_DATA && !count_set(s, &set, &step->units))
			step->uncertain = true;
		if (set.kind != SET_TEMPLATE && set.kind != SET_OPTIONS)
			continue;
		while (rest.n && !template_padding(rest))
			if (template_read(&def, &rest, m.version, set.kind == SET_OPTIONS) ==
				WIRE_OK)
				learn_shape(s, &def);
	}
	if (it.err != WIRE_OK)
		step->uncertain = true;
}

/* Sequence number and what it counts; false: the protocol has none that is known here. */
static bool step_of(struct exporter_stream *s, struct bytes data, const struct peek *peek,
		    struct sequence_step *step)
{
	*step = (struct sequence_step){ .number = peek->sequence, .units = 1, .unit = 1 };
	switch (peek->protocol) {
	case PROTO_NETFLOW9:
	case PROTO_SFLOW:
		return true;
	case PROTO_IPFIX:
		ipfix_step(s, data, step);
		return true;
	case PROTO_NETFLOW5:
	case PROTO_NETFLOW7:
	case PROTO_NETFLOW8:
		if (data.n < NETFLOW5_HEADER)
			return false;
		step->units = be16(data.p + 2);
		step->unit = NETFLOW5_MAX;
		step->has_uptime = true;
		step->uptime_ms = be32(data.p + 4);
		return true;
	default:
		return false;
	}
}

void exporters_sequence(struct exporters *x, struct exporter *e, const struct datagram *d,
			const struct peek *peek)
{
	struct exporter_stream *s;
	struct sequence_counts before;
	struct sequence_step step;

	if (peek->protocol == PROTO_UNKNOWN || peek->protocol == PROTO_NETFLOW1)
		return;
	s = stream_of(x, d, peek);
	before = s->counts;
	if (!step_of(s, d->data, peek, &step))
		return;
	sequence_step(&s->sequence, &s->counts, &step);
	/* `lost` goes back when what was missed comes late: differences, not sums. */
	x->total.received += s->counts.received - before.received;
	x->total.lost += s->counts.lost - before.lost;
	x->total.gaps += s->counts.gaps - before.gaps;
	x->total.late += s->counts.late - before.late;
	x->total.duplicates += s->counts.duplicates - before.duplicates;
	x->total.restarts += s->counts.restarts - before.restarts;
	e->again += (uint32_t)(s->counts.late - before.late + s->counts.duplicates -
		before.duplicates);
	e->received += s->counts.received - before.received;
	e->lost += s->counts.lost - before.lost;
}

/* ---- for a successor ------------------------------------------------------------ */

/* Of a row behind the address. */
static const size_t counters[EXPORTERS_ROW - 2] = {
	offsetof(struct exporter, datagrams), offsetof(struct exporter, octets),
	offsetof(struct exporter, limited), offsetof(struct exporter, denied),
	offsetof(struct exporter, looped), offsetof(struct exporter, duplicates),
	offsetof(struct exporter, received), offsetof(struct exporter, lost),
};

const void *exporters_row(
	const struct exporters *x, const void *prev, uint64_t row[static EXPORTERS_ROW])
{
	const struct exporter *e = store_next(&x->rows, prev);

	if (!e)
		return NULL;
	memcpy(row, &e->addr, 16);
	for (size_t i = 0; i < EXPORTERS_ROW - 2; i++)
		memcpy(&row[2 + i], (const char *)e + counters[i], sizeof(row[0]));
	return e;
}

void exporters_restore(struct exporters *x, const uint64_t row[static EXPORTERS_ROW])
{
	struct exporter *e;
	struct addr addr;
	bool fresh;

	memcpy(&addr, row, 16);
	x->last = NULL;
	e = store_put(&x->rows, &addr, &fresh);
	for (size_t i = 0; i < EXPORTERS_ROW - 2; i++)
		*(uint64_t *)(void *)((char *)e + counters[i]) += row[2 + i];
}

/* Two numbers in one. */
static uint64_t pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static const size_t stream_counters[] = {
	offsetof(struct sequence_counts, received), offsetof(struct sequence_counts, lost),
	offsetof(struct sequence_counts, gaps), offsetof(struct sequence_counts, late),
	offsetof(struct sequence_counts, duplicates), offsetof(struct sequence_counts, restarts),
};
enum { NSTREAM = sizeof(stream_counters) / sizeof(stream_counters[0]) };

/* Of the numbers that tell duplicates, so many go to the next process: rows stay as they were. */
enum { CARRIED_RECENT = 8 };

/* The number before `back` others. */
static uint32_t newest(const struct sequence *q, unsigned back)
{
	return q->recent[(q->at + SEQUENCE_RECENT - 1u - back) % SEQUENCE_RECENT];
}

const void *exporters_stream_row(
	const struct exporters *x, const void *prev, uint64_t row[static EXPORTERS_STREAM_ROW])
{
	const struct exporter_stream *s = store_next(&x->streams, prev);
	const struct sequence *q;
	uint32_t recent;
	size_t n = 2;

	if (!s)
		return NULL;
	q = &s->sequence;
	memcpy(row, &s->key.addr, 16);
	row[n++] = (uint64_t)s->key.port << 48 | (uint64_t)s->key.protocol << 32 | s->key.domain;
	row[n++] = pair(q->next, q->behind_next);
	for (unsigned i = 0; i < CARRIED_RECENT; i += 2)
		row[n++] = pair(newest(q, i), newest(q, i + 1));
	recent = q->nrecent < CARRIED_RECENT ? q->nrecent : CARRIED_RECENT;
	row[n++] = pair(q->uptime_ms, recent << 16 | (uint32_t)(q->run << 8 | q->known));
	for (size_t i = 0; i < NSTREAM; i++)
		memcpy(&row[n++], (const char *)&s->counts + stream_counters[i], sizeof(row[0]));
	for (size_t i = 0; i < EXPORTERS_SHAPES; i += 2)
		row[n++] = pair((uint32_t)s->shape[i].id << 16 | s->shape[i].octets,
			(uint32_t)s->shape[i + 1].id << 16 | s->shape[i + 1].octets);
	row[n] = s->next_shape;
	return s;
}

void exporters_stream_restore(
	struct exporters *x, const uint64_t row[static EXPORTERS_STREAM_ROW])
{
	struct stream_key key = { .port = (uint16_t)(row[2] >> 48),
		.protocol = (uint8_t)(row[2] >> 32), .domain = (uint32_t)row[2] };
	struct exporter_stream *s;
	struct sequence *q;
	size_t n = 3;
	bool fresh;

	memcpy(&key.addr, row, 16);
	x->last_stream = NULL;
	s = store_put(&x->streams, &key, &fresh);
	q = &s->sequence;
	q->next = (uint32_t)(row[n] >> 32);
	q->behind_next = (uint32_t)row[n++];
	for (size_t i = 0; i < CARRIED_RECENT; i++, n += i % 2 == 0)
		q->recent[i] = (uint16_t)(row[n] >> (i % 2 ? 0 : 32));
	q->uptime_ms = (uint32_t)(row[n] >> 32);
	q->nrecent = (uint8_t)(row[n] >> 16);
	q->nrecent = q->nrecent < CARRIED_RECENT ? q->nrecent : CARRIED_RECENT;
	q->at = q->nrecent;
	q->run = (uint8_t)(row[n] >> 8);
	q->known = row[n++] & 1;
	for (size_t i = 0; i < NSTREAM; i++)
		memcpy((char *)&s->counts + stream_counters[i], &row[n++], sizeof(row[0]));
	for (size_t i = 0; i < EXPORTERS_SHAPES; i++, n += i % 2 == 0) {
		s->shape[i].id = (uint16_t)(row[n] >> (i % 2 ? 16 : 48));
		s->shape[i].octets = (uint16_t)(row[n] >> (i % 2 ? 0 : 32));
	}
	s->next_shape = (uint8_t)(row[n] % EXPORTERS_SHAPES);
}
