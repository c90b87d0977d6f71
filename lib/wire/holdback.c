/*
 * holdback.c - see holdback.h.
 *
 * Pieces of the ring are whole units long, so that there are never more of
 * them, nor more things waited for, nor exporters, than units: neither table
 * can evict.
 */
#include <assert.h>
#include "holdback.h"

enum { UNIT = 512, SHARES = 8 };

/* At the start of a piece of the ring, which the message follows. */
struct piece {
	struct template_key key;
	struct addr sender;
	uint64_t next;		/* of the same wait; NONE: the last */
	uint64_t recv_us;
	uint32_t octets;	/* all of the piece */
	uint32_t message;
	uint16_t port;
	bool waits;		/* false: taken, or the unused end of the ring */
};

struct wait {
	struct store_link link;
	struct template_key key;
	uint64_t first, last;	/* pieces, by their place in head's count */
};

struct owner {
	struct store_link link;
	struct addr exporter;
	uint64_t octets;
};

#define NONE UINT64_MAX

_Static_assert(sizeof(struct piece) <= UNIT, "a piece holds its head");

static size_t ring_size(size_t bytes)
{
	return bytes < 2 * UNIT ? 2 * UNIT : bytes / UNIT * UNIT;
}

static uint32_t rows_of(size_t bytes)
{
	size_t n = ring_size(bytes) / UNIT;

	return n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)n;
}

static size_t scratch_size(void)
{
	return (HELD_MAX + 63) & ~(size_t)63;
}

size_t holdback_size(size_t bytes)
{
	return ring_size(bytes) + scratch_size() + store_size(rows_of(bytes), sizeof(struct wait)) +
		store_size(rows_of(bytes), sizeof(struct owner));
}

void holdback_init(struct holdback *h, void *mem, size_t bytes, uint64_t seed)
{
	uint8_t *at = mem;

	memset(h, 0, sizeof(*h));
	h->size = ring_size(bytes);
	h->share = h->size / SHARES < UNIT ? UNIT : h->size / SHARES;
	h->ring = at;
	at += h->size;
	h->scratch = at;
	at += scratch_size();
	store_init(&h->waits, at, rows_of(bytes), sizeof(struct wait), sizeof(struct template_key),
		seed);
	at += store_size(rows_of(bytes), sizeof(struct wait));
	store_init(&h->owners, at, rows_of(bytes), sizeof(struct owner), sizeof(struct addr),
		seed + 1);
}

static struct piece *piece_at(const struct holdback *h, uint64_t place)
{
	return (struct piece *)(void *)(h->ring + place % h->size);
}

/* Room for `octets` in one piece: its place, or NONE.  What is left of the ring's end is skipped.
 */
static uint64_t make_room(struct holdback *h, uint64_t octets)
{
	uint64_t end = h->size - h->head % h->size, skip = end < octets ? end : 0, place;

	if (h->head + skip + octets - h->tail > h->size)
		return NONE;
	if (skip)
		*piece_at(h, h->head) = (struct piece){ .octets = (uint32_t)skip, .waits = false };
	place = h->head + skip;
	h->head = place + octets;
	return place;
}

bool holdback_put(struct holdback *h, const struct held *in, struct bytes set)
{
	const size_t n = in->message.n + set.n;
	uint64_t octets = (sizeof(struct piece) + n + UNIT - 1) / UNIT * UNIT, place;
	struct owner *owner = store_find(&h->owners, &in->key.exporter);
	struct wait *wait;
	struct piece *p;
	bool fresh;

	if (n > HELD_MAX || (owner ? owner->octets : 0) + octets > h->share)
		return false;
	place = make_room(h, octets);
	if (place == NONE)
		return false;
	p = piece_at(h, place);
	*p = (struct piece) { .key = in->key,
		.sender = in->sender,
		.port = in->sender_port,
		.next = NONE,
		.recv_us = in->recv_us,
		.octets = (uint32_t)octets,
		.message = (uint32_t)n,
		.waits = true };
	if (in->message.n)	/* memcpy() wants a pointer even for nothing */
		memcpy(p + 1, in->message.p, in->message.n);
	memcpy((uint8_t *)(p + 1) + in->message.n, set.p, set.n);
	owner = store_put(&h->owners, &in->key.exporter, &fresh);
	owner->octets += octets;
	wait = store_put(&h->waits, &in->key, &fresh);
	if (fresh)
		wait->first = place;
	else
		piece_at(h, wait->last)->next = place;
	wait->last = place;
	h->sets++;
	assert(h->waits.evicted == 0 && h->owners.evicted == 0);
	return true;
}

/* Free what is no longer waited for, from the oldest on. */
static void reclaim(struct holdback *h)
{
	while (h->tail < h->head && !piece_at(h, h->tail)->waits)
		h->tail += piece_at(h, h->tail)->octets;
}

bool holdback_take(struct holdback *h, const struct template_key *key, struct held *out)
{
	struct wait *wait = h->sets ? store_find(&h->waits, key) : NULL;
	struct owner *owner;
	struct piece *p;

	if (!wait)
		return false;
	p = piece_at(h, wait->first);
	*out = (struct held){ p->key, p->sender, p->port, p->recv_us, { h->scratch, p->message } };
	memcpy(h->scratch, p + 1, p->message);
	p->waits = false;
	if (p->next == NONE)
		store_remove(&h->waits, wait);
	else
		wait->first = p->next;
	owner = store_find(&h->owners, &out->key.exporter);
	owner->octets -= p->octets;
	if (owner->octets == 0)
		store_remove(&h->owners, owner);
	h->sets--;
	reclaim(h);
	return true;
}

bool holdback_take_old(struct holdback *h, uint64_t before_us, struct held *out)
{
	struct template_key key;

	/* A piece at the tail waits, or reclaim() had freed it; but the end of the ring may be
	 * skipped. */
	reclaim(h);
	if (h->tail == h->head || piece_at(h, h->tail)->recv_us >= before_us)
		return false;
	key = piece_at(h, h->tail)->key;
	return holdback_take(h, &key, out);
}
