/*
 * piece.h - how fuzz inputs hold several datagrams: each behind three octets,
 * its length and one of flags.
 */
#ifndef PIECE_H
#define PIECE_H

#include <stdbool.h>

#include "wire/wire.h"

/* The next one; false at the end. */
static inline bool piece_next(struct bytes *rest, struct bytes *data, unsigned *flags)
{
	if (rest->n < 3)
		return false;
	*flags = rest->p[2];
	*data = (struct bytes){ rest->p + 3, be16(rest->p) };
	if (data->n > rest->n - 3)
		data->n = rest->n - 3;
	rest->p += 3 + data->n;
	rest->n -= 3 + data->n;
	return true;
}

#endif /* PIECE_H */
