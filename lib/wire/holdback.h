/*
 * holdback.h - data Sets that came too early: before their template, or before
 * the sampling interval that their exporter has promised to tell.
 *
 * A Set is kept as a message of its own - a copy of its header and the one Set -
 * with where it came from, in a ring of the size that was handed in.  Two small
 * tables find the first one that waits for a template and how much an exporter
 * has in the ring: an eighth of it at most.  What does not fit is not taken, so
 * nothing is ever pushed out: a Set leaves by being taken up again or by its
 * age, and who asked for that decides what becomes of it.  All work is O(1) a
 * Set.
 *
 * Worst case: the ring, plus 192 octets for every 512 of it.
 */
#ifndef HOLDBACK_H
#define HOLDBACK_H

#include "store.h"
#include "templates.h"

struct held {
	struct template_key key;	/* what it waits for; id HELD_SAMPLING: an interval */
	struct addr sender;
	uint16_t sender_port;
	uint64_t recv_us;
	struct bytes message;		/* a message's header, and what came with it */
};

enum { HELD_SAMPLING = 0, HELD_MAX = 65535 + 64 };

struct holdback {
	uint8_t *ring, *scratch;
	uint64_t size, head,
		tail; /* octets ever taken and ever freed; their place is modulo size */
	uint64_t share;
	uint64_t sets;			/* that wait */
	struct store waits, owners;
};

/* Bytes that holdback_init() needs; `bytes` is that of the ring, 64-byte aligned. */
size_t holdback_size(size_t bytes);
void holdback_init(struct holdback *h, void *mem, size_t bytes, uint64_t seed);
/* `set` behind in->message.  False when there is no room, or its exporter has its share already. */
bool holdback_put(struct holdback *h, const struct held *in, struct bytes set);
/* The Set that waits for `key` the longest; out->message is good until the next call.  False: none.
 */
bool holdback_take(struct holdback *h, const struct template_key *key, struct held *out);
/* Of those that came before `before_us` the one that waits the longest. */
bool holdback_take_old(struct holdback *h, uint64_t before_us, struct held *out);

#endif /* HOLDBACK_H */
