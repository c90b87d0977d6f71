/*
 * exact.h - what the codec tests do to every vector: give it in a heap copy of
 * its exact size, so that AddressSanitizer sees one octet too far; cut it at
 * every length; flip every bit.  And a generator for the property tests.
 */
#ifndef EXACT_H
#define EXACT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "wire/wire.h"

typedef void touch_fn(struct bytes b);

static inline void touch_exact(const uint8_t *p, size_t n, touch_fn *touch)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	touch((struct bytes){ copy, n });
	free(copy);
}

static inline void touch_all(struct bytes b, touch_fn *touch)
{
	uint8_t *flipped = malloc(b.n ? b.n : 1);

	for (size_t n = 0; n <= b.n; n++)
		touch_exact(b.p, n, touch);
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		memcpy(flipped, b.p, b.n);
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		touch_exact(flipped, b.n, touch);
	}
	free(flipped);
}

/* splitmix64: every seed is as good as any other. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A new seed each run, printed; SEED=n in the environment repeats one. */
static inline uint64_t rnd_seed(const char *test)
{
	const char *again = getenv("SEED");
	uint64_t seed = again ? strtoull(again, NULL, 0) : (uint64_t)time(NULL);

	printf("%s: SEED=%llu\n", test, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/*
 * Records that a property test puts and gets back, in all of a codec's versions together; the
 * sanitizers take ten times as long for each.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PROPERTY_RECORDS = 100000 };
#else
enum { PROPERTY_RECORDS = 1000000 };
#endif

#endif /* EXACT_H */
