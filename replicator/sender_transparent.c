/*
 * sender_transparent.c - the exporter's own address and port as source.
 *
 * A socket with IP(V6)_TRANSPARENT may be bound to an address that is not
 * ours.  One is needed for every (exporter address, port, receiver); they live
 * in a cache with a bound, and the one unused for longest gives way.  Beside a
 * raw socket this has the kernel fragment, sum and cut runs, works for IPv6,
 * and needs CAP_NET_RAW and no uid 0.
 *
 * When the cache is full, an exporter that was not seen for longer than the
 * cache holds is sent raw: opening and closing a socket for one datagram costs
 * ten times as much, and would close one that is needed.
 *
 * It cannot work when the exporter is a live socket of this very host, which
 * holds the address already: those datagrams go out raw (sender_raw.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "replicator/receivers.h"

enum { NONE = -1, BUCKETS = 4096, DOOR = 32768 };

/* One socket; in one hash chain and in the list of all, latest use first. */
struct spoofed {
	const struct receiver *receiver;	/* NULL: the place is free */
	struct endpoint from;
	struct sender out;			/* fd -1: could not be opened */
	int err;
	uint64_t retry_ns;
	int chain, newer, older;
};

struct spoof_cache {
	struct spoofed *at;
	size_t n, max;
	int newest, oldest;
	uint64_t seed;		/* strangers choose what is hashed */
	struct spoof_counts counts;
	int bucket[BUCKETS];
	uint32_t door[DOOR];	/* who was turned away lately: by hash, the rest of the hash */
};

static struct spoof_cache *cache_new(size_t max)
{
	struct spoof_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->max = max;
	c->at = calloc(max, sizeof(*c->at));
	if (!c->at) {
		free(c);
		return NULL;
	}
	c->newest = c->oldest = NONE;
	for (size_t i = 0; i < BUCKETS; i++)
		c->bucket[i] = NONE;
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) != (ssize_t)sizeof(c->seed))
		c->seed = (uint64_t)(uintptr_t)c;
	return c;
}

void spoof_cache_free(struct spoof_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (c->at[i].receiver && c->at[i].out.fd >= 0)
			close(c->at[i].out.fd);
	free(c->at);
	free(c);
}

struct spoof_counts spoof_cache_counts(const struct spoof_cache *c)
{
	return c ? c->counts : (struct spoof_counts){ 0 };
}

static uint64_t hash_of(
	const struct spoof_cache *c, const struct receiver *r, const struct endpoint *from)
{
	uint64_t word[2], h = c->seed;

	memcpy(word, from->addr.b, sizeof(word));
	h = (h ^ word[0]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ word[1]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ from->port ^ (uintptr_t)r) * UINT64_C(0x9e3779b97f4a7c15);
	return h;
}

static size_t bucket_of(
	const struct spoof_cache *c, const struct receiver *r, const struct endpoint *from)
{
	return hash_of(c, r, from) >> 52;	/* BUCKETS is 2^12 */
}

/* Whether one that is not in a full cache comes in: the second time that it knocks. */
static bool is_let_in(
	struct spoof_cache *c, const struct receiver *r, const struct endpoint *from)
{
	const uint64_t h = hash_of(c, r, from);
	uint32_t *place = &c->door[(h >> 37) % DOOR];
	const bool known = *place == (uint32_t)h;

	*place = known ? 0 : (uint32_t)h;
	return known;
}

static void list_remove(struct spoof_cache *c, int i)
{
	struct spoofed *s = &c->at[i];

	*(s->newer == NONE ? &c->newest : &c->at[s->newer].older) = s->older;
	*(s->older == NONE ? &c->oldest : &c->at[s->older].newer) = s->newer;
}

static void list_front(struct spoof_cache *c, int i)
{
	c->at[i].newer = NONE;
	c->at[i].older = c->newest;
	*(c->newest == NONE ? &c->oldest : &c->at[c->newest].newer) = i;
	c->newest = i;
}

static void list_back(struct spoof_cache *c, int i)
{
	c->at[i].older = NONE;
	c->at[i].newer = c->oldest;
	*(c->oldest == NONE ? &c->newest : &c->at[c->oldest].older) = i;
	c->oldest = i;
}

/* Close what is there and take it out of its chain; it stays in the list. */
static void vacate(struct spoof_cache *c, int i)
{
	struct spoofed *s = &c->at[i];
	int *link;

	if (!s->receiver)
		return;
	if (s->out.fd >= 0) {
		close(s->out.fd);
		c->counts.sockets--;
	}
	for (link = &c->bucket[bucket_of(c, s->receiver, &s->from)]; *link != i;
		link = &c->at[*link].chain)
		;
	*link = s->chain;
	s->receiver = NULL;
}

static void spoofed_open(struct spoof_cache *c, struct spoofed *s, const struct receiver *r)
{
	const struct sender_options *o = &r->options;
	const bool v4 = addr_is4(&r->to.addr);
	const int one = 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage from, to;
	socklen_t from_n = endpoint_to_sockaddr(&s->from, &from),
		  to_n = endpoint_to_sockaddr(&r->to, &to);

	s->out.fd = -1;
	if (fd < 0)
		goto failed;
	/* Several receivers: several sockets with the same local address. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (v4 ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one))
		: setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one))) < 0)
		goto failed;
	if (o->send_buffer > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &o->send_buffer, sizeof(o->send_buffer));
	sender_set_ip(fd, v4, r->ttl, o->tos);
	if (o->no_checksum && v4)
		setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one));
	sender_hear(fd, v4);	/* of the link's queue: what comes back goes to the exporter */
	if (bind(fd, (struct sockaddr *)&from, from_n) < 0 ||
		connect(fd, (struct sockaddr *)&to, to_n) < 0)
		goto failed;
	sender_init(&s->out, fd);
	if (o->no_checksum && v4)
		s->out.gso = false;	/* segmentation without a checksum is refused */
	c->counts.opened++;
	c->counts.sockets++;
	return;
failed:
	s->err = errno;
	c->counts.failed++;
	if (fd >= 0)
		close(fd);
}

/* NULL: not worth a socket. */
static struct spoofed *spoofed_find(struct spoof_cache *c, const struct receiver *r,
				    const struct endpoint *from)
{
	const size_t b = bucket_of(c, r, from);
	int i;

	for (i = c->bucket[b]; i != NONE; i = c->at[i].chain) {
		const struct spoofed *s = &c->at[i];

		if (s->receiver == r && s->from.port == from->port &&
			addr_equal(&s->from.addr, &from->addr))
			break;
	}
	if (i != NONE) {
		if (c->newest != i) {
			list_remove(c, i);
			list_front(c, i);
		}
		return &c->at[i];
	}
	if (c->n < c->max && (c->oldest == NONE || c->at[c->oldest].receiver)) {
		i = (int)c->n++;
	} else {
		i = c->oldest;
		if (c->at[i].receiver && !is_let_in(c, r, from))
			return NULL;
		c->counts.evicted += c->at[i].receiver != NULL;
		vacate(c, i);
		list_remove(c, i);
	}
	c->at[i] = (struct spoofed) {
		.receiver = r, .from = *from, .out = { .fd = -1 }, .chain = c->bucket[b]
	};
	c->bucket[b] = i;
	list_front(c, i);
	return &c->at[i];
}

/* Datagrams of one exporter. */
static void send_as(struct receiver *r, struct outlet *o, const struct share *run, uint64_t now_ns)
{
	struct spoofed *s;

	if (addr_is4(&run->from[0]->addr) != addr_is4(&r->to.addr)) {
		r->family += run->n;
		return;
	}
	s = spoofed_find(o->spoof, r, run->from[0]);
	if (s && s->out.fd < 0 && now_ns >= s->retry_ns) {
		s->retry_ns = now_ns + SENDER_RETRY_MS * UINT64_C(1000000);
		spoofed_open(o->spoof, s, r);
	}
	if (!s || s->out.fd < 0) {
		sender_raw_send(r, o, run, now_ns);
		return;
	}
	/* The receiver's counters, not the socket's, are the ones that stay. */
	s->out.counts = r->out.counts;
	sender_send(&s->out, run->data, run->n, NULL);
	r->out.counts = s->out.counts;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return a == b || (a->port == b->port && addr_equal(&a->addr, &b->addr));
}

static void transparent_send(
	struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	size_t end;

	if (!o->spoof) {
		sender_charge(&r->out, ENOMEM, s->n);
		return;
	}
	for (size_t i = 0; i < s->n; i = end) {
		struct share run = *s;

		for (end = i + 1; end < s->n && same(s->from[i], s->from[end]); end++)
			;
		run.data += i;
		run.from += i;
		run.at = s->at ? s->at + i : NULL;
		run.n = end - i;
		send_as(r, o, &run, now_ns);
	}
}

static int transparent_available(const char **why)
{
	const int one = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0
		? errno
		: 0;

	if (fd >= 0)
		close(fd);
	/* Without it everything goes out raw. */
	return err ? sender_raw.available(why) : 0;
}

static void transparent_open(struct receiver *r, struct outlet *o)
{
	r->out.fd = -1;
	if (!o->spoof)
		o->spoof = cache_new(o->sockets_max);
}

static void transparent_close(struct receiver *r, struct outlet *o)
{
	raw_close(&r->raw);
	for (size_t i = 0; o->spoof && i < o->spoof->n; i++) {
		if (o->spoof->at[i].receiver != r)
			continue;
		vacate(o->spoof, (int)i);
		list_remove(o->spoof, (int)i);
		list_back(o->spoof, (int)i);
	}
}

const struct sender_kind sender_transparent = { "transparent", transparent_available,
	transparent_open, transparent_send, transparent_close };
