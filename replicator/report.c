/*
 * report.c - see report.h.
 */
#include "report.h"

#include <inttypes.h>

#include "base/log.h"

/* What is told of a receiver; the first block adds up to `received`. */
static const struct column {
	const char *name;
	size_t offset;
	bool loss;	/* somebody who wanted the datagram did not get it */
} columns[] = {
#define OWN(member, loss) { #member, offsetof(struct receiver, member), loss }
#define OUT(member, loss) { #member, offsetof(struct receiver, out.counts.member), loss }
	OWN(received, false), OWN(filtered, false), OWN(balanced, false), OWN(sampled, false),
	OUT(sent, false), OWN(family, true), OUT(eagain, true), OUT(emsgsize, true), OUT(refused, true),
	OUT(unreachable, true), OUT(other, true),
	OWN(told, false), OWN(untold, false), OUT(sent_octets, false), OUT(icmp_errors, false), OUT(calls, false), OUT(runs, false),
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

static void receiver_stats(struct stats *s, const struct receiver *r, const char *label, const char *pool)
{
	for (size_t i = 0; i < NCOLUMNS; i++)
		stats_add(s, value(r, &columns[i]), "receiver_%s{receiver=\"%s\",pool=\"%s\"}", columns[i].name,
			  label, pool);
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

void report_stats(struct stats *s, const struct batch_counts *recv, const struct fanout *f, uint64_t reloads)
{
	const struct receivers *rs = f->receivers;
	const struct spoof_counts spoof = spoof_cache_counts(f->outlet->spoof);

	stats_add(s, recv->datagrams, "received_datagrams");
	stats_add(s, recv->octets, "received_octets");
	stats_add(s, recv->truncated, "received_truncated");
	stats_add(s, recv->beyond, "received_beyond");
	stats_add(s, recv->kernel_drops, "kernel_drops");
	stats_add(s, recv->calls, "receive_calls");
	stats_add(s, f->counts.datagrams, "replicated_datagrams");
	stats_add(s, f->counts.cut, "cut_datagrams");
	for (int i = 0; i <= PROTO_UNKNOWN; i++)
		stats_add(s, f->counts.protocols[i], "received_datagrams{protocol=\"%s\"}",
			  flow_protocol_name((enum flow_protocol)i));
	stats_add(s, spoof.sockets, "source_sockets");
	stats_add(s, spoof.opened, "source_sockets_opened");
	stats_add(s, spoof.evicted, "source_sockets_evicted");
	stats_add(s, spoof.failed, "source_sockets_failed");
	stats_add(s, f->outlet->raw_sent, "source_raw_datagrams");
	if (f->recall)
		recall_stats(s, recall_counts(f->recall));
	stats_add(s, reloads, "reloads");
	stats_add(s, receivers_count(rs), "receivers");
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			receiver_stats(s, rs->pools[i].receivers[k], rs->pools[i].receivers[k]->label,
				       rs->pools[i].label);
	if (rs->removed.received)
		receiver_stats(s, &rs->removed, "(removed)", "(removed)");
}

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

void report_losses(struct receivers *rs, uint64_t now_us)
{
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			struct receiver *r = rs->pools[i].receivers[k];
			const uint64_t losses = receiver_losses(r);
			char text[256];

			if (losses == r->logged_losses || !log_allow(&r->log_us, now_us, UINT64_C(60000000)))
				continue;
			losses_text(r, text, sizeof(text));
			log_warn("receiver %s (%s): %" PRIu64 " datagrams more not sent; in all sent %" PRIu64
				 ", %s", r->label, rs->pools[i].label, losses - r->logged_losses,
				 r->out.counts.sent, text);
			r->logged_losses = losses;
		}
	}
}

void report_log(const struct batch_counts *recv, const struct fanout *f)
{
	const struct receivers *rs = f->receivers;

	log_info("received %" PRIu64 " datagrams, %" PRIu64 " octets; the kernel dropped %" PRIu64,
		 recv->datagrams, recv->octets, recv->kernel_drops);
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const struct receiver *r = rs->pools[i].receivers[k];
			char text[256];

			losses_text(r, text, sizeof(text));
			log_info("receiver %s (%s): received %" PRIu64 ", sent %" PRIu64 ", filtered %" PRIu64
				 ", balanced %" PRIu64 ", sampled %" PRIu64 ", lost %" PRIu64 "%s%s", r->label,
				 rs->pools[i].label, r->received, r->out.counts.sent, r->filtered, r->balanced,
				 r->sampled, receiver_losses(r), text[0] ? ": " : "", text);
		}
	}
}
