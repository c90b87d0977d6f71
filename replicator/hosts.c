/*
 * hosts.c - see hosts.h.
 */
#include "hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

void hosts_begin(struct hosts *h, size_t n)
{
	size_t cap = 16;

	while (cap < 2 * n)
		cap *= 2;
	if (cap > h->cap) {
		free(h->rows);
		h->rows = xcalloc(cap, sizeof(*h->rows));
		h->cap = cap;
	}
	h->pass++;
}

void hosts_clear(struct hosts *h)
{
	free(h->rows);
	*h = (struct hosts){ 0 };
}

struct host *hosts_find(struct hosts *h, const struct addr *addr)
{
	uint64_t word[2];
	size_t at;

	memcpy(word, addr->b, sizeof(word));
	at = (size_t)(((word[0] ^ word[1]) * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
	for (at %= h->cap; h->rows[at].pass == h->pass; at = (at + 1) % h->cap)
		if (addr_equal(&h->rows[at].addr, addr))
			return &h->rows[at];
	h->rows[at] = (struct host){ .addr = *addr, .pass = h->pass };
	return &h->rows[at];
}
