/*
 * message.h - for tests of the decoder: one decoder and what it gave.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "wire/decoder.h"
#include "wire/ie.h"
#include "writing.h"

struct world {
	struct decoder *d;
	struct flow_record rec[GOT_MAX];
	struct flow_origin origin;	/* of the last chunk */
	size_t n;			/* records since world_clear() */
	unsigned chunks;
};

static inline void world_keep(
	void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct world *w = ctx;

	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, DECODER_CHUNK);
	ck_assert_uint_le(w->n + n, GOT_MAX);
	memcpy(w->rec + w->n, rec, n * sizeof(*rec));
	w->n += n;
	w->origin = *origin;
	w->chunks++;
}

static inline struct world *world_new(const struct decoder_limits *l)
{
	static const struct decoder_limits small = {
		.streams = 8, .templates = 16, .samplers = 32
	};
	struct world *w = calloc(1, sizeof(*w));

	ck_assert_ptr_nonnull(w);
	l = l ? l : &small;
	w->d = decoder_init(aligned_alloc(64, (decoder_size(l) + 63) & ~(size_t)63), l, 7);
	return w;
}

static inline void world_free(struct world *w)
{
	free(w->d);
	free(w);
}

/* Decode bytes from 192.0.2.`host`; a copy of exact size, so that a sanitizer sees one too far. */
static inline enum wire_err feed_from(struct world *w, unsigned host, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct decoder_input in = { { copy, n }, addr_make4(0xc0000200u + host), 2055, RECV_US };
	enum wire_err err;

	memcpy(copy, p, n);
	w->n = 0;
	err = decode(w->d, &in, world_keep, w);
	free(copy);
	return err;
}

static inline enum wire_err feed(struct world *w, struct cursor *c)
{
	ck_assert(!c->full);
	return feed_from(w, 1, c->start, cursor_used(c));
}

static inline enum wire_err send(struct world *w, struct writer *m)
{
	flow_msg_end(&m->c, &m->m, 1);
	return feed(w, &m->c);
}

#define ck_record(rec, want)                                                       \
	do {                                                                       \
		char text_[1024];                                                  \
		flow_print(text_, sizeof(text_), (rec));                           \
		ck_assert_str_eq(text_, (want));                                   \
	} while (0)

#endif /* MESSAGE_H */
