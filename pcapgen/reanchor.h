/*
 * reanchor.h - move the times inside a captured datagram, so that an old
 * capture makes flows of today.
 *
 * Header times of NetFlow v1-v9 and IPFIX move by whole seconds; uptimes and
 * what is relative to them stay.  Elements with an absolute time (150-157,
 * 160, 258, 322-325) move too: their places are learned from the templates
 * that come by, per (sender, domain), options templates included.  sFlow
 * carries no absolute time.
 */
#ifndef REANCHOR_H
#define REANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/socket.h"

struct reanchor;

struct reanchor *reanchor_new(void);
void reanchor_free(struct reanchor *r);
/* The time in the header, seconds since 1970; false when the format has none. */
bool reanchor_header_time(const uint8_t *data, size_t n, uint32_t *seconds);
/* Add `shift_s` to every absolute time in the datagram. */
void reanchor_move(
	struct reanchor *r, const struct endpoint *from, uint8_t *data, size_t n, int64_t shift_s);

#endif /* REANCHOR_H */
