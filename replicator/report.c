/*
 * report.c - see report.h.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/strbuf.h"

/* What is told of a receiver; the first block adds up to `received`. */
static const struct column {
	const char *name;
	size_t offset;
	bool loss;	/* somebody who wanted the datagram did not get it */
} columns[] = {
#define OWN(member, loss) { #member, offsetof(struct receiver, member), loss }
#define OUT(member, loss) { #member, offsetof(struct receiver, out.counts.member), loss }
	OWN(received, false), OWN(filtered, false), OWN(balanced, false), OWN(sampled, false),
	OWN(merged, false), OUT(sent, false), OWN(spooled, false), OWN(unscaled, true),
	OWN(family, true),
	OUT(eagain, true), OUT(emsgsize, true), OUT(refused, true), OUT(unreachable, true),
	OUT(other, true),
	OWN(stripped, false), OWN(told, false), OWN(untold, false),
	OWN(records, false), OWN(records_kept, false),
	OWN(replayed, false), OWN(replay_lost, false), OWN(spool_taken_over, false),
	OWN(spool_overwritten, false), OWN(spool_waiting, false), OWN(spool_errors, false),
	OWN(unread_octets, false), OUT(sent_octets, false), OUT(icmp_errors, false),
	OUT(calls, false), OUT(runs, false),
#undef OWN
#undef OUT
};
enum { NCOLUMNS = sizeof(columns) / sizeof(columns[0]) };

static uint64_t value(const struct receiver *r, const struct column *c)
{
	uint64_t v;

	memcpy(&v, (const char *)r + c->offset, sizeof(v));
	return v;
}

/* ---- over all workers ------------------------------------------------------- */

static void recv_add(struct batch_counts *sum, const struct batch_counts *c)
{
	sum->datagrams += c->datagrams;
	sum->octets += c->octets;
	sum->calls += c->calls;
	sum->truncated += c->truncated;
	sum->beyond += c->beyond;
	sum->kernel_drops += c->kernel_drops;
}

static void fanout_add(struct fanout_counts *sum, const struct fanout_counts *c)
{
	sum->datagrams += c->datagrams;
	sum->octets += c->octets;
	sum->cut += c->cut;
	for (int i = 0; i <= PROTO_UNKNOWN; i++)
		sum->protocols[i] += c->protocols[i];
}

/* Into the busiest so far; an exporter that several workers have is one. */
static void top_add(struct report *r, const struct exporter *e)
{
	const struct report_exporter one = { e->addr, e->datagrams, e->octets,
		e->limited + e->denied + e->looped + e->duplicates, e->lost };
	size_t i, least = 0;

	for (i = 0; i < r->ntop && !addr_equal(&r->top[i].addr, &one.addr); i++)
		if (r->top[i].datagrams < r->top[least].datagrams)
			least = i;
	if (i < r->ntop) {
		r->top[i].datagrams += one.datagrams;
		r->top[i].octets += one.octets;
		r->top[i].dropped += one.dropped;
		r->top[i].lost += one.lost;
	} else if (r->ntop < REPORT_EXPORTERS) {
		r->top[r->ntop++] = one;
	} else if (r->top[least].datagrams < one.datagrams) {
		r->top[least] = one;
	}
	r->least = UINT64_MAX;
	for (i = 0; i < r->ntop; i++)
		r->least = r->top[i].datagrams < r->least ? r->top[i].datagrams : r->least;
}

static void top_stats(struct stats *s, const struct report *r)
{
	for (size_t i = 0; i < r->ntop; i++) {
		char text[ADDR_TEXT];

		addr_print(&r->top[i].addr, text);
		stats_add(s, r->top[i].datagrams, "exporter_datagrams{exporter=\"%s\"}", text);
		stats_add(s, r->top[i].octets, "exporter_octets{exporter=\"%s\"}", text);
		stats_add(s, r->top[i].dropped, "exporter_dropped{exporter=\"%s\"}", text);
		stats_add(s, r->top[i].lost, "exporter_sequence_lost{exporter=\"%s\"}", text);
	}
}

static void gate_add(struct report *r, const struct gate *g)
{
	const struct sequence_counts *q = &g->exporters->total;

	r->gate.denied += g->counts.denied;
	r->gate.limited += g->counts.limited;
	r->gate.looped += g->counts.looped;
	r->gate.duplicates += g->counts.duplicates;
	r->gate.abandoned += g->counts.abandoned;
	r->sequence.received += q->received;
	r->sequence.lost += q->lost;
	r->sequence.gaps += q->gaps;
	r->sequence.late += q->late;
	r->sequence.duplicates += q->duplicates;
	r->sequence.restarts += q->restarts;
	for (const void *row = NULL; (row = store_next(&g->exporters->rows, row)); )
		if (r->ntop < REPORT_EXPORTERS ||
			((const struct exporter *)row)->datagrams > r->least)
			top_add(r, row);
	r->exporters += g->exporters->rows.used;
	r->exporters_evicted += g->exporters->rows.evicted;
	r->streams += g->exporters->streams.used;
	r->streams_evicted += g->exporters->streams.evicted;
}

static void gate_stats(struct stats *s, const struct report *r)
{
	stats_add(s, r->gate.denied, "denied_datagrams");
	stats_add(s, r->gate.limited, "limited_datagrams");
	stats_add(s, r->gate.looped, "looped_datagrams");
	stats_add(s, r->gate.duplicates, "duplicate_datagrams");
	stats_add(s, r->gate.abandoned, "abandoned_datagrams");
	stats_add(s, r->dedup_early, "dedup_early");
	stats_add(s, r->sequence.received, "sequence_received");
	stats_add(s, r->sequence.lost, "sequence_lost");
	stats_add(s, r->sequence.gaps, "sequence_gaps");
	stats_add(s, r->sequence.late, "sequence_late");
	stats_add(s, r->sequence.duplicates, "sequence_duplicates");
	stats_add(s, r->sequence.restarts, "sequence_restarts");
	stats_add(s, r->exporters, "exporters");
	stats_add(s, r->exporters_evicted, "exporters_evicted");
	stats_add(s, r->streams, "streams");
	stats_add(s, r->streams_evicted, "streams_evicted");
	top_stats(s, r);
}

static void spoof_add(struct spoof_counts *sum, struct spoof_counts c)
{
	sum->sockets += c.sockets;
	sum->opened += c.opened;
	sum->evicted += c.evicted;
	sum->failed += c.failed;
}

static void recall_add(struct recall_counts *sum, const struct recall_counts *c)
{
	sum->learnt += c->learnt;
	sum->refreshed += c->refreshed;
	sum->withdrawn += c->withdrawn;
	sum->refused += c->refused;
	sum->evicted_streams += c->evicted_streams;
	sum->evicted_items += c->evicted_items;
	sum->streams += c->streams;
	sum->items += c->items;
	sum->octets += c->octets;
}

/* Rows without counts: all workers have the same receivers in the same order. */
static void make_rows(struct report *r, const struct receivers *rs)
{
	r->rows = xcalloc(receivers_count(rs) + 1, sizeof(*r->rows));
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			r->rows[r->n++] = (struct report_row){ .self = rs->pools[i].receivers[k],
				.pool = rs->pools[i].label };
}

static void rows_add(struct report *r, const struct receivers *rs)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			struct receiver *sum = &r->rows[n++].sum;

			receiver_add_counts(sum, rs->pools[i].receivers[k]);
			sum->health.down |= rs->pools[i].receivers[k]->health.down;
		}
	}
	receiver_add_counts(&r->removed, &rs->removed);
}

void report_collect(struct report *r, struct worker *w, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->workers = n;
	make_rows(r, &w[0].receivers);
	for (size_t i = 0; i < n; i++) {
		worker_enter(&w[i]);
		batch_drops(w[i].in.batch, w[i].in.fd);
		recv_add(&r->recv, &w[i].in.batch->counts);
		gate_add(r, w[i].gate);
		fanout_add(&r->fanout, &w[i].fanout->counts);
		spoof_add(&r->spoof, spoof_cache_counts(w[i].outlet.spoof));
		r->raw_sent += w[i].outlet.raw_sent;
		if (w[i].fanout->recall)
			recall_add(&r->recall, recall_counts(w[i].fanout->recall));
		r->remembers |= w[i].fanout->recall != NULL;
		rows_add(r, &w[i].receivers);
		worker_leave(&w[i]);
	}
}

void report_clear(struct report *r)
{
	free(r->rows);
	memset(r, 0, sizeof(*r));
}

/* ---- for a successor -------------------------------------------------------------- */

/* Not kernel_drops, which the socket itself carries, nor what is a state and no counter. */
static const struct total {
	const char *name;
	size_t offset;
} totals[] = {
#define TOTAL(member) { #member, offsetof(struct report, member) }
	TOTAL(recv.datagrams), TOTAL(recv.octets), TOTAL(recv.calls), TOTAL(recv.truncated),
	TOTAL(recv.beyond), TOTAL(gate.denied), TOTAL(gate.limited), TOTAL(gate.looped),
	TOTAL(gate.duplicates), TOTAL(gate.abandoned), TOTAL(sequence.received),
	TOTAL(sequence.lost), TOTAL(sequence.gaps), TOTAL(sequence.late),
	TOTAL(sequence.duplicates), TOTAL(sequence.restarts), TOTAL(exporters_evicted),
	TOTAL(streams_evicted), TOTAL(dedup_early), TOTAL(fanout.datagrams),
	TOTAL(fanout.octets), TOTAL(fanout.cut), TOTAL(spoof.opened), TOTAL(spoof.evicted),
	TOTAL(spoof.failed), TOTAL(raw_sent), TOTAL(recall.learnt), TOTAL(recall.refreshed),
	TOTAL(recall.withdrawn), TOTAL(recall.refused), TOTAL(recall.evicted_streams),
	TOTAL(recall.evicted_items), TOTAL(reloads), TOTAL(reloads_failed), TOTAL(names_changed),
#undef TOTAL
};
enum { NTOTALS = sizeof(totals) / sizeof(totals[0]) };

uint64_t *report_total(struct report *r, size_t i, char name[static REPORT_NAME])
{
	if (i < NTOTALS) {
		snprintf(name, REPORT_NAME, "%s", totals[i].name);
		return (uint64_t *)(void *)((char *)r + totals[i].offset);
	}
	i -= NTOTALS;
	if (i > PROTO_UNKNOWN)
		return NULL;
	snprintf(name, REPORT_NAME, "fanout.protocols.%s",
		flow_protocol_name((enum flow_protocol)i));
	return &r->fanout.protocols[i];
}

void report_add(struct report *r, struct report *before)
{
	char name[REPORT_NAME];
	uint64_t *sum;

	for (size_t i = 0; (sum = report_total(r, i, name)); i++)
		*sum += *report_total(before, i, name);
}

uint64_t *report_counter(struct receiver *r, size_t i, const char **name)
{
	if (i >= NCOLUMNS)
		return NULL;
	*name = columns[i].name;
	return (uint64_t *)(void *)((char *)r + columns[i].offset);
}

/* ---- statistics --------------------------------------------------------------- */

static void receiver_stats(struct stats *s, const struct receiver *r, const char *label,
			   const char *pool)
{
	for (size_t i = 0; i < NCOLUMNS; i++)
		stats_add(s, value(r, &columns[i]), "receiver_%s{receiver=\"%s\",pool=\"%s\"}",
			columns[i].name, label, pool);
	stats_add(s, r->health.down, "receiver_down{receiver=\"%s\",pool=\"%s\"}", label, pool);
}

static void recall_stats(struct stats *s, const struct recall_counts *c)
{
	stats_add(s, c->streams, "template_streams");
	stats_add(s, c->items, "template_items");
	stats_add(s, c->octets, "template_octets");
	stats_add(s, c->learnt, "templates_learnt");
	stats_add(s, c->refreshed, "templates_refreshed");
	stats_add(s, c->withdrawn, "templates_withdrawn");
	stats_add(s, c->refused, "templates_refused");
	stats_add(s, c->evicted_streams, "template_streams_evicted");
	stats_add(s, c->evicted_items, "template_items_evicted");
}

void report_stats(struct stats *s, const struct report *r)
{
	stats_add(s, r->recv.datagrams, "received_datagrams");
	stats_add(s, r->recv.octets, "received_octets");
	stats_add(s, r->recv.truncated, "received_truncated");
	stats_add(s, r->recv.beyond, "received_beyond");
	stats_add(s, r->recv.kernel_drops, "kernel_drops");
	stats_add(s, r->recv.calls, "receive_calls");
	gate_stats(s, r);
	stats_add(s, r->fanout.datagrams, "replicated_datagrams");
	stats_add(s, r->fanout.cut, "cut_datagrams");
	for (int i = 0; i <= PROTO_UNKNOWN; i++)
		stats_add(s, r->fanout.protocols[i], "received_datagrams{protocol=\"%s\"}",
			  flow_protocol_name((enum flow_protocol)i));
	stats_add(s, r->spoof.sockets, "source_sockets");
	stats_add(s, r->spoof.opened, "source_sockets_opened");
	stats_add(s, r->spoof.evicted, "source_sockets_evicted");
	stats_add(s, r->spoof.failed, "source_sockets_failed");
	stats_add(s, r->raw_sent, "source_raw_datagrams");
	if (r->remembers)
		recall_stats(s, &r->recall);
	stats_add(s, r->reloads, "reloads");
	stats_add(s, r->reloads_failed, "reloads_failed");
	stats_add(s, r->names_changed, "names_changed");
	stats_add(s, r->names_stale, "names_stale");
	stats_add(s, r->workers, "workers");
	stats_add(s, r->n, "receivers");
	for (size_t i = 0; i < r->n; i++)
		receiver_stats(s, &r->rows[i].sum, r->rows[i].self->label, r->rows[i].pool);
	if (r->removed.received)
		receiver_stats(s, &r->removed, "(removed)", "(removed)");
}

const struct metric_name report_metrics[] = {
	{ "received_datagrams{protocol", "protocol_datagrams", METRIC_COUNTER,
		"Datagrams that arrived, by protocol." },
	{ "received_datagrams", "datagrams_received", METRIC_COUNTER, "Datagrams that arrived." },
	{ "received_octets", "received_bytes", METRIC_COUNTER,
		"Octets that arrived, without headers." },
	{ "kernel_drops", "socket_drops", METRIC_COUNTER,
		"Dropped because the receive buffer was full." },
	{ "replicated_datagrams", "datagrams_replicated", METRIC_COUNTER,
		"Datagrams given to the rules." },
	{ "receiver_received", "receiver_datagrams", METRIC_COUNTER,
		"Datagrams since the receiver exists." },
	{ "receiver_sent_octets", "sent_bytes", METRIC_COUNTER, "Octets handed to the kernel." },
	{ "receiver_sent", "datagrams_sent", METRIC_COUNTER, "Datagrams handed to the kernel." },
	{ "sequence_lost", "sequence_lost", METRIC_GAUGE,
		"Units missing in sequence numbers, less those that came late." },
	{ "exporters", "exporters", METRIC_GAUGE, "Exporters that are remembered." },
	{ "streams", "streams", METRIC_GAUGE, "Streams of them that are remembered." },
	{ "receiver_spool_waiting", "receiver_spool_waiting", METRIC_GAUGE,
		"Datagrams that wait in the spool." },
	{ "source_sockets", "source_sockets", METRIC_GAUGE,
		"Sockets open that keep an exporter's source." },
	{ "receiver_down", "receiver_down", METRIC_GAUGE,
		"1: the receiver does not seem to be there." },
	{ "template_streams", "template_streams", METRIC_GAUGE,
		"Streams whose templates are remembered." },
	{ "template_items", "template_items", METRIC_GAUGE,
		"Templates and option records that are remembered." },
	{ "template_octets", "template_memory_bytes", METRIC_GAUGE, "Octets of them." },
	{ "names_changed", "names_changed", METRIC_COUNTER,
		"Times that receivers moved because a name has another address." },
	{ "names_stale", "names_stale", METRIC_GAUGE,
		"Names whose last lookup failed; they keep the address that they had." },
	{ "workers", "workers", METRIC_GAUGE, "Threads that receive and send." },
	{ "receivers", "receivers", METRIC_GAUGE, "Receivers in force." },
	{ "receive_buffer", "receive_buffer_bytes", METRIC_GAUGE,
		"Receive buffer that the kernel gave." },
};
const size_t report_nmetrics = sizeof(report_metrics) / sizeof(report_metrics[0]);

/* ---- log ---------------------------------------------------------------------- */

/* "eagain 12, refused 3": the columns that hold a loss. */
static void losses_text(const struct receiver *r, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < NCOLUMNS && at < n; i++) {
		const uint64_t v = value(r, &columns[i]);

		if (columns[i].loss && v)
			at += (size_t)snprintf(buf + at, n - at, "%s%s %" PRIu64, at ? ", " : "",
					       columns[i].name, v);
	}
}

void report_losses(const struct report *r, uint64_t now_us)
{
	for (size_t i = 0; i < r->n; i++) {
		struct receiver *self = r->rows[i].self;
		const uint64_t losses = receiver_losses(&r->rows[i].sum);
		char text[256];

		if (losses == self->logged_losses ||
			!log_allow(&self->log_us, now_us, UINT64_C(60000000)))
			continue;
		losses_text(&r->rows[i].sum, text, sizeof(text));
		log_warn("receiver %s (%s): %" PRIu64
			 " datagrams more not sent; in all sent %" PRIu64 ", %s",
			self->label, r->rows[i].pool, losses - self->logged_losses,
			r->rows[i].sum.out.counts.sent, text);
		self->logged_losses = losses;
	}
}

void report_log(const struct report *r)
{
	log_info("received %" PRIu64 " datagrams, %" PRIu64 " octets; the kernel dropped %" PRIu64,
		 r->recv.datagrams, r->recv.octets, r->recv.kernel_drops);
	for (size_t i = 0; i < r->n; i++) {
		const struct receiver *sum = &r->rows[i].sum;
		char text[256];

		losses_text(sum, text, sizeof(text));
		log_info("receiver %s (%s): received %" PRIu64 ", sent %" PRIu64
			 ", filtered %" PRIu64 ", balanced %" PRIu64 ", sampled %" PRIu64
			 ", lost %" PRIu64 "%s%s",
			r->rows[i].self->label, r->rows[i].pool, sum->received,
			sum->out.counts.sent, sum->filtered, sum->balanced, sum->sampled,
			receiver_losses(sum), text[0] ? ": " : "", text);
	}
}
