/*
 * outage.c - see outage.h.
 */
#include "outage.h"

#include "replicator/tell.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

enum { AT_ONCE = 64, RETRY_MS = 1000, LOG_US = 60000000 };

/* ---- the file ------------------------------------------------------------------ */

/* DIR/POOL_RECEIVER_WORKER.spool, with nothing in it that a path could be made of. */
static void file_name(struct strbuf *b, const struct receiver *r, const char *pool, unsigned worker)
{
	size_t from;

	strbuf_addf(b, "%s/", r->spool_dir);
	from = b->n;
	/* By its name, so that what waits goes where the name moves. */
	strbuf_addf(b, "%s_%s_%u.spool", pool, r->name ? r->name : r->label, worker);
	for (size_t i = from; i < b->n; i++)
		if (!isalnum((unsigned char)b->s[i]) && !strchr(".:_-", b->s[i]))
			b->s[i] = '-';
}

static void open_file(struct receiver *r, const char *pool, unsigned worker, uint64_t now_ns)
{
	struct strbuf path = { 0 };
	struct spool *s;

	if (now_ns < r->spool_retry_ns)
		return;
	r->spool_retry_ns = now_ns + RETRY_MS * UINT64_C(1000000);
	file_name(&path, r, pool, worker);
	s = xcalloc(1, sizeof(*s));
	if (spool_open(s, path.s, &r->spool_limits) == 0) {
		r->spool = s;
		/* Whoever was away when the process before ended may still be: ask first. */
		if (s->waiting)
			health_dead(&r->health, now_ns);
		if (s->waiting)
			log_info("receiver %s: %zu datagrams wait in %s", r->label,
				(size_t)s->waiting, path.s);
	} else {
		if (log_allow(&r->spool_log_us, clock_wall_us(), LOG_US))
			log_warn("receiver %s: spool %s: %s", r->label, path.s,
				errno == EWOULDBLOCK      ? "another process has it"
					: errno == EINVAL ? "is no spool"
							  : strerror(errno));
		free(s);
	}
	strbuf_clear(&path);
}

void outage_close(struct receiver *r)
{
	if (!r->spool)
		return;
	spool_close(r->spool);
	free(r->spool);
	r->spool = NULL;
}

/* The counters of the spool are the receiver's, which outlive it. */
static void account(struct receiver *r, const struct spool_counts *before)
{
	const struct spool_counts *c = &r->spool->counts;

	r->spool_overwritten += c->overwritten - before->overwritten;
	r->spool_errors += c->errors - before->errors;
	if (c->errors != before->errors && log_allow(&r->spool_log_us, clock_wall_us(), LOG_US))
		log_warn("receiver %s: spool: %s", r->label,
			r->spool->err == EBADMSG ? "what waited is damaged, and lost"
						 : strerror(r->spool->err));
	r->spool_waiting = r->spool->waiting;
}

/* ---- in, out --------------------------------------------------------------------- */

bool outage_takes(struct receiver *r, const struct share *s)
{
	struct spool_counts before;
	size_t n;

	if (!r->spool || !r->health.down)
		return false;
	before = r->spool->counts;
	n = spool_put(r->spool, s->data, s->from, s->n);
	account(r, &before);
	r->spooled += n;
	/* What the file did not take is lost, as without it; the rest of the share is there
	 * already. */
	if (n < s->n)
		sender_charge(&r->out, ENOSPC, s->n - n);
	return true;
}

/* Send `n` datagrams of the spool; how many are gone from it, fewer when the socket is full. */
static size_t send_spooled(struct fanout *f, struct receiver *r, const struct bytes *d,
			   const struct endpoint *from,
			   size_t n, uint64_t now_ns)
{
	const struct sender_counts before = r->out.counts;
	const uint64_t family = r->family;
	const struct endpoint *senders[AT_ONCE];
	uint32_t at[AT_ONCE];
	struct sender_counts *c = &r->out.counts;
	uint64_t sent, full;

	for (size_t i = 0; i < n; i++) {
		senders[i] = &from[i];
		at[i] = (uint32_t)i;
	}
	f->outlet->batch++;
	if (!tell_spooled(f, r, &(struct share){ d, senders, at, n }, now_ns))
		return 0;
	r->kind->send(r, f->outlet, &(struct share){ d, senders, at, n }, now_ns);
	health_sent(&r->health, c, now_ns);
	sent = c->sent - before.sent;
	full = c->eagain - before.eagain;
	r->replayed += sent;
	r->replay_lost += n - sent - full;
	/* They were counted when they came: the sum of the live ones is not to move. */
	*c = (struct sender_counts) { .sent = before.sent,
		.sent_octets = before.sent_octets,
		.eagain = before.eagain,
		.emsgsize = before.emsgsize,
		.refused = before.refused,
		.unreachable = before.unreachable,
		.other = before.other,
		.calls = c->calls,
		.icmp_errors = c->icmp_errors,
		.runs = c->runs };
	r->family = family;
	health_rebase(&r->health, c);
	return n - full;
}

static void replay(struct fanout *f, struct receiver *r, uint64_t now_ns)
{
	struct bytes d[AT_ONCE];
	struct endpoint from[AT_ONCE];
	size_t due = spool_due(r->spool, now_ns), n, gone;

	while (due > 0 && !r->health.down) {
		const struct spool_counts before = r->spool->counts;

		n = spool_peek(r->spool, d, from, due < AT_ONCE ? due : AT_ONCE);
		gone = n ? send_spooled(f, r, d, from, n, now_ns) : 0;
		spool_taken(r->spool, gone);
		account(r, &before);
		if (gone < n || n == 0)
			break;
		due -= n;
	}
	if (r->spool->waiting == 0)
		r->spool_since = 0;
}

static bool can_replay(const struct receiver *r)
{
	return r->spool && r->spool->waiting && !r->health.down;
}

/* What is in the file is new to us, but for what the process before handed over as waiting. */
static void take_over(struct receiver *r)
{
	const uint64_t found = r->spool->counts.taken_over;

	if (found >= r->spool_waiting)
		r->spool_taken_over += found - r->spool_waiting;
	else
		r->spool_overwritten += r->spool_waiting - found;
	r->spool_waiting = r->spool->waiting;
}

bool outage_look(struct fanout *f, uint64_t now_ns)
{
	bool waits = false;

	for (size_t i = 0; i < f->receivers->npools; i++) {
		for (size_t k = 0; k < f->receivers->pools[i].n; k++) {
			struct receiver *r = f->receivers->pools[i].receivers[k];

			if (r->spool_dir && !r->spool) {
				open_file(
					r, f->receivers->pools[i].label, f->outlet->worker, now_ns);
				if (r->spool)
					take_over(r);
			}
			waits |= can_replay(r);
		}
	}
	return waits;
}

void outage_replay(struct fanout *f, uint64_t now_ns)
{
	for (size_t i = 0; i < f->receivers->npools; i++)
		for (size_t k = 0; k < f->receivers->pools[i].n; k++)
			if (can_replay(f->receivers->pools[i].receivers[k]))
				replay(f, f->receivers->pools[i].receivers[k], now_ns);
}

size_t outage_sync(const struct receivers *rs, uint64_t now_ns, int *fds, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n && n < max; k++) {
			struct spool *s = rs->pools[i].receivers[k]->spool;

			fds[n] = s ? spool_sync(s, now_ns) : -1;
			n += fds[n] >= 0;
		}
	}
	return n;
}
