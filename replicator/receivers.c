/*
 * receivers.c - the set of pools in force: put together, opened, replaced.
 * What files and words say is read in receivers_read.c.
 */
#include "receivers.h"
#include "replicator/rebuild.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "replicator/outage.h"
#include "replicator/thin.h"

void receivers_init(struct receivers *rs)
{
	memset(rs, 0, sizeof(*rs));
}

static void receiver_free(struct receiver *r)
{
	outage_close(r);
	free(r->spool_dir);
	health_close(&r->health);
	renumber_free(r->numbers);
	recall_known_clear(&r->known);
	free(r->label);
	free(r->name);
	free(r);
}

static void pools_free(struct receivers *rs)
{
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++)
			receiver_free(rs->pools[i].receivers[k]);
		free(rs->pools[i].receivers);
		free(rs->pools[i].rule);
		rebuild_free(rs->pools[i].rebuild);
		tenant_free(rs->pools[i].tenant);
		thin_free(rs->pools[i].thin);
		free(rs->pools[i].label);
		free(rs->pools[i].tag_filter);
	}
	free(rs->pools);
	rs->pools = NULL;
	rs->npools = 0;
}

static void tags_free_all(struct receivers *rs)
{
	for (size_t i = 0; i < rs->ntags; i++)
		tags_free(rs->tags[i]);
	free(rs->tags);
}

void receivers_clear(struct receivers *rs, struct outlet *o)
{
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			rs->pools[i].receivers[k]->kind->close(rs->pools[i].receivers[k], o);
	pools_free(rs);
	lpm_free(rs->allow);
	tags_free_all(rs);
	receivers_init(rs);
}

struct pool *receivers_add_pool(struct receivers *rs, const char *label)
{
	struct pool *p;
	unsigned twins = 1;

	for (size_t i = 0; i < rs->npools; i++) {
		size_t n = strlen(label);

		if (strncmp(rs->pools[i].label, label, n) == 0 &&
		    (rs->pools[i].label[n] == '\0' || rs->pools[i].label[n] == '#'))
			twins++;
	}
	rs->pools = xrealloc(rs->pools, (rs->npools + 1) * sizeof(*rs->pools));
	p = &rs->pools[rs->npools++];
	memset(p, 0, sizeof(*p));
	p->everyone = true;
	p->sample = 1;
	p->file = rs->files;
	p->label = xmalloc(strlen(label) + 16);
	/* Statistics need a name that only one pool has. */
	if (twins > 1)
		sprintf(p->label, "%s#%u", label, twins);
	else
		strcpy(p->label, label);
	return p;
}

bool receivers_spoof(const struct receivers *rs)
{
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			if (rs->pools[i].receivers[k]->transparent)
				return true;
	return false;
}

/* Both may be of a name that is looked up. */
static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

bool receivers_alike(const struct receivers *a, const struct receivers *b)
{
	if (a->npools != b->npools)
		return false;
	for (size_t i = 0; i < a->npools; i++) {
		if (a->pools[i].n != b->pools[i].n ||
			!same_prefix(&a->pools[i].source, &b->pools[i].source) ||
			strcmp(a->pools[i].label, b->pools[i].label) != 0)
			return false;
		for (size_t k = 0; k < a->pools[i].n; k++)
			if (strcmp(a->pools[i].receivers[k]->label,
				    b->pools[i].receivers[k]->label) != 0)
				return false;
	}
	return true;
}

size_t receivers_count(const struct receivers *rs)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->npools; i++)
		n += rs->pools[i].n;
	return n;
}

/* Whether an address is one of this host's. */
static bool is_local(const struct addr *a)
{
	struct ifaddrs *list, *i;
	bool found = addr_is_zero(a) || (addr_is4(a) && a->b[12] == 127);

	if (found || getifaddrs(&list) < 0)
		return found;
	for (i = list; i && !found; i = i->ifa_next) {
		struct sockaddr_storage ss;
		struct endpoint e;

		if (!i->ifa_addr ||
			(i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memset(&ss, 0, sizeof(ss));
		memcpy(&ss, i->ifa_addr,
			i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							  : sizeof(struct sockaddr_in6));
		endpoint_from_sockaddr(&e, &ss);
		found = addr_equal(&e.addr, a);
	}
	freeifaddrs(list);
	return found;
}

const struct receiver *receivers_find_loop(
	const struct receivers *rs, const struct endpoint *listen)
{
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const struct endpoint *to = &rs->pools[i].receivers[k]->to;

			if (to->port != listen->port)
				continue;
			if (listen->any || addr_is_zero(&listen->addr)
					? is_local(&to->addr)
					: addr_equal(&to->addr, &listen->addr))
				return rs->pools[i].receivers[k];
		}
	}
	return NULL;
}

void receivers_open(struct receivers *rs, struct outlet *o)
{
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			struct receiver *r = rs->pools[i].receivers[k];

			if (!r->keep)
				r->kind->open(r, o);
			r->keep = false;
		}
	}
}

static bool is_twin(const struct receiver *a, const struct receiver *b)
{
	return strcmp(a->label, b->label) == 0 && a->ttl == b->ttl &&
		a->source_port == b->source_port && a->transparent == b->transparent &&
		a->kind == b->kind &&
		strcmp(a->spool_dir ? a->spool_dir : "", b->spool_dir ? b->spool_dir : "") == 0;
}

/* The place in `rs` of the receiver that `r` of the pool `label` is, or NULL. */
static struct receiver **twin_find(
	struct receivers *rs, const char *label, const struct receiver *r)
{
	for (size_t i = 0; i < rs->npools; i++) {
		if (strcmp(rs->pools[i].label, label) != 0)
			continue;
		for (size_t k = 0; k < rs->pools[i].n; k++)
			if (!rs->pools[i].receivers[k]->keep &&
				is_twin(rs->pools[i].receivers[k], r))
				return &rs->pools[i].receivers[k];
	}
	return NULL;
}

void receiver_add_counts(struct receiver *sum, const struct receiver *r)
{
	sum->received += r->received;
	sum->filtered += r->filtered;
	sum->balanced += r->balanced;
	sum->sampled += r->sampled;
	sum->merged += r->merged;
	sum->records += r->records;
	sum->records_kept += r->records_kept;
	sum->unread_octets += r->unread_octets;
	sum->unscaled += r->unscaled;
	sum->family += r->family;
	sum->spooled += r->spooled;
	sum->replayed += r->replayed;
	sum->replay_lost += r->replay_lost;
	sum->spool_taken_over += r->spool_taken_over;
	sum->spool_overwritten += r->spool_overwritten;
	sum->spool_waiting += r->spool_waiting;
	sum->spool_errors += r->spool_errors;
	sum->stripped += r->stripped;
	sum->told += r->told;
	sum->untold += r->untold;
	sum->out.counts.sent += r->out.counts.sent;
	sum->out.counts.sent_octets += r->out.counts.sent_octets;
	sum->out.counts.eagain += r->out.counts.eagain;
	sum->out.counts.emsgsize += r->out.counts.emsgsize;
	sum->out.counts.refused += r->out.counts.refused;
	sum->out.counts.unreachable += r->out.counts.unreachable;
	sum->out.counts.other += r->out.counts.other;
	sum->out.counts.calls += r->out.counts.calls;
	sum->out.counts.icmp_errors += r->out.counts.icmp_errors;
	sum->out.counts.runs += r->out.counts.runs;
}

/* Tenants go on with the templates and numbers of their streams, as what `sample` leaves does. */
static void rebuilds_move(struct receivers *now, struct receivers *fresh)
{
	for (size_t i = 0; i < fresh->npools; i++) {
		struct pool *p = &fresh->pools[i];

		for (size_t k = 0; k < now->npools; k++) {
			struct pool *old = &now->pools[k];

			if (strcmp(old->label, p->label) != 0)
				continue;
			if (p->sample > 1 && !p->thin) {
				p->thin = old->thin;
				old->thin = NULL;
			}
			if (!p->tenant || !old->rebuild)
				continue;
			p->rebuild = old->rebuild;
			old->rebuild = NULL;
			rebuild_retarget(p->rebuild, p->tenant);
		}
	}
}

void receivers_adopt(struct receivers *now, struct receivers *fresh, struct outlet *o)
{
	struct receiver removed = now->removed;

	for (size_t i = 0; i < fresh->npools; i++) {
		for (size_t k = 0; k < fresh->pools[i].n; k++) {
			struct receiver *r = fresh->pools[i].receivers[k];
			struct receiver **old = twin_find(now, fresh->pools[i].label, r), *kept;

			if (!old)
				continue;
			/* The old one goes on under what the new one says; the new one is closed in
			 * its place. */
			kept = *old;
			*old = r;
			r->keep = true;		/* nothing to count, nothing to close */
			kept->keep = true;
			kept->delay_us = r->delay_us;
			kept->weight = r->weight;
			kept->probe_port = r->probe_port;
			kept->spool_limits = r->spool_limits;
			kept->watched = r->watched;
			if (kept->spool)
				kept->spool->limits = r->spool_limits;
			if (kept->frequency != r->frequency)
				kept->countdown = 0;
			kept->frequency = r->frequency;
			fresh->pools[i].receivers[k] = kept;
		}
	}
	for (size_t i = 0; i < now->npools; i++) {
		for (size_t k = 0; k < now->pools[i].n; k++) {
			struct receiver *r = now->pools[i].receivers[k];

			if (r->keep)
				continue;
			receiver_add_counts(&removed, r);
			r->kind->close(r, o);
		}
	}
	rebuilds_move(now, fresh);
	pools_free(now);
	lpm_free(now->allow);
	tags_free_all(now);
	*now = *fresh;
	now->removed = removed;
	receivers_init(fresh);
	receivers_open(now, o);
}

uint64_t receiver_losses(const struct receiver *r)
{
	const struct sender_counts *c = &r->out.counts;

	return r->unscaled + r->family + c->eagain + c->emsgsize + c->refused + c->unreachable +
		c->other;
}
