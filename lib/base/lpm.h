/*
 * lpm.h - longest prefix match over IPv4 and IPv6, built once, then read by any
 * number of threads.  A reload builds a new one and swaps the pointer.
 *
 * Shape: a DIR-24-8-like table for IPv4 and a stride-8 trie for IPv6 (see
 * lpm.c); the test's oracle is a linear scan.
 */
#ifndef LPM_H
#define LPM_H

#include <stddef.h>
#include <stdint.h>
#include "wire/addr.h"

struct lpm;

struct lpm_entry {
	struct prefix prefix;
	uint32_t value;		/* the caller's index, below LPM_NONE */
};

#define LPM_NONE UINT32_MAX

/* Of two entries with the same prefix the later wins.  NULL with errno. */
struct lpm *lpm_new(const struct lpm_entry *entries, size_t n);
void lpm_free(struct lpm *t);
/* Value of the longest prefix that contains `a`, or LPM_NONE. */
uint32_t lpm_find(const struct lpm *t, const struct addr *a);

#endif /* LPM_H */
