/*
 * cursor.h - a bounded writer with a sticky error, for the encoders.
 *
 * Write without looking, ask once: when the buffer is full the cursor stops
 * writing and `full` stays set, and what was written before is untouched.
 *
 *	struct cursor c = cursor(buf, sizeof(buf));
 *	put16(&c, 5);
 *	put32(&c, uptime_ms);
 *	if (c.full) ...
 */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <string.h>
#include "wire.h"

struct cursor {
	uint8_t *start, *at, *end;
	bool full;
};

static inline struct cursor cursor(void *buf, size_t n)
{
	return (struct cursor){ buf, buf, (uint8_t *)buf + n, false };
}

static inline size_t cursor_used(const struct cursor *c)
{
	return (size_t)(c->at - c->start);
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* Room for `n` bytes, or NULL with `full` set. */
static inline uint8_t *cursor_take(struct cursor *c, size_t n)
{
	uint8_t *p = c->at;

	if (c->full || n > cursor_left(c)) {
		c->full = true;
		return NULL;
	}
	c->at += n;
	return p;
}

/* The low `n` bytes of `v`, big-endian, 1 to 8. */
static inline void put_any(struct cursor *c, uint64_t v, size_t n)
{
	uint8_t *p = cursor_take(c, n);

	if (p)
		for (size_t i = n; i-- > 0; v >>= 8)
			p[i] = (uint8_t)v;
}

static inline void put8(struct cursor *c, uint8_t v)
{
	put_any(c, v, 1);
}

static inline void put16(struct cursor *c, uint16_t v)
{
	put_any(c, v, 2);
}

static inline void put32(struct cursor *c, uint32_t v)
{
	put_any(c, v, 4);
}

static inline void put64(struct cursor *c, uint64_t v)
{
	put_any(c, v, 8);
}

static inline void put_bytes(struct cursor *c, const void *src, size_t n)
{
	uint8_t *p = cursor_take(c, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void put_zeros(struct cursor *c, size_t n)
{
	uint8_t *p = cursor_take(c, n);

	if (p && n)
		memset(p, 0, n);
}

/* Write a length or count again once it is known. */
static inline void patch16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void patch32(uint8_t *p, size_t v)
{
	patch16(p, v >> 16);
	patch16(p + 2, v);
}

#endif /* CURSOR_H */
