/*
 * lpm.h - longest prefix match over IPv4 and IPv6, built once, then read by any
 * number of threads.  A reload builds a new one and swaps the pointer.
 *
 * The families are apart: ::/0 means every IPv6 address and no IPv4 one.
 *
 * Shape: 16 bits by index, then stride-8 nodes with run-length compressed
 * leaves (see lpm.c); the test's oracle is a linear scan.
 */
#ifndef LPM_H
#define LPM_H

#include <stddef.h>
#include <stdint.h>
#include "wire/addr.h"

struct lpm;

struct lpm_entry {
	struct prefix prefix;
	uint32_t value;		/* the caller's index, up to LPM_VALUE_MAX */
};

#define LPM_NONE UINT32_MAX
#define LPM_VALUE_MAX (UINT32_C(0x7fffffff) - 1)

/* Of two entries with the same prefix the later wins.  NULL with errno; ERANGE: a value above the
 * maximum. */
struct lpm *lpm_new(const struct lpm_entry *entries, size_t n);
void lpm_free(struct lpm *t);
/* Value of the longest prefix that contains `a`, or LPM_NONE. */
uint32_t lpm_find(const struct lpm *t, const struct addr *a);

#endif /* LPM_H */
