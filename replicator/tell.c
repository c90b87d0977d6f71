/*
 * tell.c - see tell.h.
 *
 * A receiver that comes back may lack the templates of thousands of exporters.
 * They are told as their datagrams come, and no more than TELL_BURST messages
 * in TELL_PERIOD_NS (fewer while it is down: most of them go nowhere), so that
 * its receive buffer is not filled by templates; what is above that waits for
 * the exporter's next datagram.
 */
#include "tell.h"

enum {
	TELL_BURST = 256,
	TELL_BURST_DOWN = 32,
	TELL_PERIOD_NS = 20000000,
	TELL_RETRY_NS = 100000000
};

static bool may_tell(struct receiver *r, uint64_t now_ns)
{
	if (now_ns >= r->tell_refill_ns) {
		r->tell_refill_ns = now_ns + TELL_PERIOD_NS;
		r->tell_budget = r->health.down ? TELL_BURST_DOWN : TELL_BURST;
	}
	return r->tell_budget > 0 && now_ns >= r->tell_ns;
}

/* Everything about the stream of datagram `i` of the share. */
static void tell_stream(struct fanout *f, struct receiver *r, const struct share *s, size_t i,
			const struct recall_mark *mark, uint64_t now_ns)
{
	enum { AT_ONCE = 64 };
	const struct endpoint *from[AT_ONCE];
	const struct sender_counts counts = r->out.counts;
	const uint64_t family = r->family;
	const struct bytes *messages;
	const size_t n = recall_messages(f->recall, mark, s->data[i], &messages);
	uint64_t sent;

	for (size_t k = 0; k < AT_ONCE; k++)
		from[k] = s->from[i];
	for (size_t k = 0; k < n; k += AT_ONCE) {
		const struct share part = { messages + k, from, NULL,
			n - k < AT_ONCE ? n - k : AT_ONCE };

		r->kind->send(r, f->outlet, &part, now_ns);
	}
	sent = r->out.counts.sent - counts.sent;
	r->told += sent;
	r->untold += n - sent;
	r->tell_budget -= n < r->tell_budget ? (uint32_t)n : r->tell_budget;
	/* A full socket is tried again soon; one that refuses is told again when it is back. */
	if (r->out.counts.eagain != counts.eagain)
		r->tell_ns = now_ns + TELL_RETRY_NS;
	else
		recall_told(&r->known, f->recall, mark);
	if (health_sent(&r->health, &r->out.counts, now_ns))
		recall_forget(&r->known, f->recall);
	/* The receiver's own counters are about datagrams that arrived. */
	r->out.counts = counts;
	r->family = family;
	health_rebase(&r->health, &r->out.counts);
}

void tell_before(struct fanout *f, struct receiver *r, const struct share *s,
	const struct recall_mark *marks, uint64_t now_ns)
{
	const struct recall_stream *last = NULL;

	if (!r->known.at && recall_known_init(&r->known, f->recall) < 0)
		return;
	for (size_t i = 0; i < s->n; i++) {
		const struct recall_mark *mark = &marks[s->at[i]];

		if (mark->stream == last || !mark->stream)
			continue;
		last = mark->stream;
		if (recall_needs(f->recall, &r->known, mark) && may_tell(r, now_ns))
			tell_stream(f, r, s, i, mark, now_ns);
	}
}

bool tell_spooled(struct fanout *f, struct receiver *r, const struct share *s, uint64_t now_ns)
{
	if (!f->recall || !r->spool_since ||
		(!r->known.at && recall_known_init(&r->known, f->recall) < 0))
		return true;
	for (size_t i = 0; i < s->n; i++) {
		const struct datagram d = { .data = s->data[i], .from = *s->from[i] };
		struct recall_mark mark;
		struct peek peek;

		wire_peek(&peek, d.data);
		recall_find(f->recall, &d, &peek, &mark);
		if (!recall_needs(f->recall, &r->known, &mark) ||
			recall_changed(&mark, r->spool_since))
			continue;
		if (!may_tell(r, now_ns))
			return false;
		tell_stream(f, r, s, i, &mark, now_ns);
	}
	return true;
}
