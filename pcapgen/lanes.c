/*
 * lanes.c - a heap of exporters, and what the truth says of their datagrams.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/strbuf.h"
#include "pcapgen/lanes.h"

#define STRIDE (UINT64_C(1) << 32)

static bool before(const struct lanes *l, uint32_t a, uint32_t b)
{
	uint64_t pa = l->lane[a].pass, pb = l->lane[b].pass;

	return pa != pb ? pa < pb : a < b;
}

void lanes_turn(struct lanes *l)
{
	size_t i = 0;

	for (;;) {
		size_t least = i, left = 2 * i + 1;
		uint32_t swap;

		for (size_t k = left; k < left + 2 && k < l->n; k++)
			if (before(l, l->heap[k], l->heap[least]))
				least = k;
		if (least == i)
			return;
		swap = l->heap[i];
		l->heap[i] = l->heap[least];
		l->heap[least] = swap;
		i = least;
	}
}

int lanes_open(struct lanes *l, const struct craft_job *job, char *why)
{
	const struct scenario *sc = job->scenario;
	char reason[OUTPUT_WHY - 100];

	*l = (struct lanes){ .job = job, .n = sc->nexporters };
	l->lane = xcalloc(l->n, sizeof(*l->lane));
	l->heap = xcalloc(l->n, sizeof(*l->heap));
	l->population = population_new(sc);
	for (size_t i = 0; i < l->n; i++) {
		const struct exporter_spec *spec = &sc->exporters[i];
		struct lane *lane = &l->lane[i];

		lane->from = (struct endpoint) { .addr = job->has_source ? job->source.addr
									 : spec->address,
			.port = spec->port };
		lane->source = job->class->source(job->output, &lane->from, why);
		if (lane->source < 0) {
			snprintf(reason, sizeof(reason), "%s", why);
			snprintf(why, OUTPUT_WHY, "exporter \"%.60s\": %s", spec->name, reason);
			return -1;
		}
		lane->stride = STRIDE / spec->weight;
		l->heap[i] = (uint32_t)i;
	}
	return 0;
}

void lanes_start(struct lanes *l)
{
	const struct scenario *sc = l->job->scenario;

	l->start_ms = sc->start_ms ? sc->start_ms : clock_wall_us() / 1000;
	for (size_t i = 0; i < l->n; i++)
		l->lane[i].exporter = exporter_new(&sc->exporters[i], l->population, sc->seed, i,
			l->start_ms, sc->cycle);
}

void lanes_close(struct lanes *l)
{
	for (size_t i = 0; i < l->n; i++)
		exporter_free(l->lane[i].exporter);
	population_free(l->population);
	free(l->heap);
	free(l->lane);
}

/* ---- truth ------------------------------------------------------------------------ */

static bool is_icmp(uint8_t proto)
{
	return proto == 1 || proto == 58;
}

/* NetFlow v9 and IPFIX headers have whole seconds (RFC 3954 5.1, RFC 7011 3.1). */
static uint64_t header_us(const struct exporter_spec *spec, uint64_t at_ms)
{
	const bool whole = spec->protocol == PROTO_NETFLOW9 || spec->protocol == PROTO_IPFIX;

	return (whole ? at_ms / 1000 * 1000 : at_ms) * 1000;
}

struct truth_row lanes_truth(const struct lanes *l, uint32_t index, uint64_t number,
	uint64_t due_ns, const struct crafted *crafted)
{
	const struct exporter_spec *spec = &l->job->scenario->exporters[index];
	const struct lane *lane = &l->lane[index];
	struct truth_row row = { .datagram = number,
		.exporter = lane->from.addr,
		.port = lane->from.port,
		.protocol = spec->protocol,
		.version = crafted->version,
		.domain = spec->domain,
		.sequence = crafted->sequence,
		.sent_us = l->start_ms * 1000 + due_ns / 1000 };

	/* sFlow says who it is itself, but not when. */
	if (spec->protocol == PROTO_SFLOW)
		row.exporter = spec->agent;
	else
		row.export_us = header_us(spec, l->start_ms + due_ns / 1000000);
	return row;
}

void lanes_truth_flow(struct truth_row *row, const struct flow_record *r)
{
	row->flow = *r;
	if (!flow_has(&row->flow, FLOW_last_us)) {	/* a sampled packet: now */
		flow_set(&row->flow, FLOW_first_us, row->sent_us);
		flow_set(&row->flow, FLOW_last_us, row->sent_us);
	}
	/* Type and code are in the sampled header; who bills sFlow by port sees none. */
	if (row->protocol == PROTO_SFLOW && is_icmp(row->flow.proto))
		flow_set(&row->flow, FLOW_dst_port, 0);
}
