/*
 * thin.c - see thin.h.
 */
#include "thin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replicator/resample.h"
#include "wire/cursor.h"
#include "wire/flowset.h"
#include "wire/sflow.h"
#include "wire/templates.h"

struct thin {
	uint8_t *arena;
	size_t room, used;
	struct resample *numbers;	/* made with the first sFlow */
	uint64_t seed;
	struct template_def def;
};

struct thin *thin_new(uint64_t seed)
{
	struct thin *t = calloc(1, sizeof(*t));

	if (t)
		t->seed = seed;
	return t;
}

void thin_free(struct thin *t)
{
	if (!t)
		return;
	resample_free(t->numbers);
	free(t->arena);
	free(t);
}

int thin_begin(struct thin *t, size_t octets)
{
	t->used = 0;
	if (octets <= t->room)
		return 0;
	free(t->arena);
	t->room = 0;
	t->arena = malloc(octets);
	if (!t->arena) {
		errno = ENOMEM;
		return -1;
	}
	t->room = octets;
	return 0;
}

struct resample *thin_numbers(struct thin *t, bool make)
{
	if (!t->numbers && make)
		t->numbers = resample_new(t->seed);
	return t->numbers;
}

static const struct bytes nothing = { NULL, 0 };

/* The copy is as long as the cursor came. */
static struct bytes finish(struct thin *t, const struct cursor *c)
{
	t->used += cursor_used(c);
	return (struct bytes){ c->start, cursor_used(c) };
}

/* ---- v9, IPFIX ------------------------------------------------------------------ */

static uint32_t count_templates(struct thin *t, const struct flow_set *set, uint16_t version)
{
	struct bytes rest = set->body;
	uint32_t n = 0;

	for (; rest.n && !template_padding(rest); n++)
		template_read(&t->def, &rest, version, set->kind == SET_OPTIONS);
	return n;
}

static struct bytes thin_flowset(struct thin *t, const struct thin_look *l, struct bytes data,
				 uint32_t *kept)
{
	struct cursor c = cursor(t->arena + t->used, data.n);
	uint32_t records = 0, data_records = 0, n;
	struct flow_msg m;
	struct set_iter it;
	struct flow_set set;

	if (flow_msg_parse(&m, data) != WIRE_OK)
		return nothing;
	put_bytes(&c, data.p, (size_t)(m.sets.p - data.p));
	for (set_first(&it, &m); set_next(&it, &set); ) {
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS) {
			records += count_templates(t, &set, m.version);
		} else if (set.kind == SET_DATA && l->recall &&
			(n = recall_option_records(l->recall, l->mark, &set, m.version)) > 0) {
			records += n;
			data_records += n;
		} else {
			continue;
		}
		put_bytes(&c, set.body.p - 4, set.body.n + 4);
	}
	/* Cut Sets are nobody's: neither its exporter's counts nor ours would be true. */
	if (it.err != WIRE_OK || records == 0 || c.full)
		return nothing;
	patch16(c.start + 2, m.version == 10 ? cursor_used(&c) : records);
	/* v9 counts the datagram, which is sent; IPFIX its data records (RFC 7011 3.1). */
	*kept = m.version == 10 ? data_records : RENUMBER_ALL;
	return finish(t, &c);
}

/* ---- sFlow 5 ---------------------------------------------------------------------- */

static struct bytes thin_sflow(struct thin *t, const struct thin_look *l, struct bytes data)
{
	struct cursor c = cursor(t->arena + t->used, data.n);
	uint32_t samples = 0;
	struct bytes rest;
	struct sflow_msg m;
	size_t header;

	if (!thin_numbers(t, true) || sflow_parse(&m, data) != WIRE_OK || m.version != 5)
		return l->chosen ? data : nothing;
	header = (size_t)(m.samples.p - data.p);
	put_bytes(&c, data.p, header);
	rest = m.samples;
	for (uint32_t i = 0; i < m.nsamples && rest.n >= 8; i++) {
		const uint64_t len = (uint64_t)be32(rest.p + 4) + 8;
		struct bytes sample = { rest.p, (size_t)len };

		if (len > rest.n)
			break;
		rest.p += len;
		rest.n -= (size_t)len;
		if (!l->chosen && resample_is_flow(sample)) {
			resample_skip(t->numbers, l->subject->from, &l->subject->peek, sample);
			continue;
		}
		sample.p = c.at;
		put_bytes(&c, rest.p - len, (size_t)len);
		samples++;
		if (resample_is_flow(sample))
			resample_keep(t->numbers, l->subject->from, &l->subject->peek, sample,
				l->n);
	}
	/* What cannot be told apart goes with a datagram that is chosen. */
	if (l->chosen)
		put_bytes(&c, rest.p, rest.n);
	else if (samples == 0)
		return nothing;
	else
		patch32(c.start + header - 4, samples);
	return finish(t, &c);
}

/* ---- NetFlow v5 -------------------------------------------------------------------- */

/* sampling_interval of the header: two bits of mode, fourteen of interval. */
enum { V5_HEADER = 24, V5_SAMPLING = 22, V5_INTERVAL = 0x3fff, V5_RANDOM = 0x8000 };

/* The interval grows by N; an exporter that tells none does not sample. */
static struct bytes thin_netflow5(struct thin *t, const struct thin_look *l, struct bytes data)
{
	struct cursor c = cursor(t->arena + t->used, data.n);
	const unsigned before = be16(data.p + V5_SAMPLING), interval = before & V5_INTERVAL;
	const unsigned mode = before & ~(unsigned)V5_INTERVAL;
	const uint64_t product = (uint64_t)(interval ? interval : 1) * l->n;

	if (product > V5_INTERVAL)
		return nothing;
	put_bytes(&c, data.p, data.n);
	patch16(c.start + V5_SAMPLING, (mode ? mode : V5_RANDOM) | (unsigned)product);
	return finish(t, &c);
}

struct bytes thin(struct thin *t, const struct thin_look *l, struct bytes data, uint32_t *kept)
{
	const enum flow_protocol protocol = l->subject->peek.protocol;

	*kept = RENUMBER_ALL;
	if (protocol == PROTO_SFLOW && l->subject->peek.version == 5)
		return thin_sflow(t, l, data);
	if (l->chosen && protocol == PROTO_NETFLOW5 && data.n >= V5_HEADER)
		return thin_netflow5(t, l, data);
	if (l->chosen)
		return data;
	if (protocol == PROTO_NETFLOW9 || protocol == PROTO_IPFIX)
		return thin_flowset(t, l, data, kept);
	return nothing;
}
