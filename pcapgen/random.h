/*
 * random.h - numbers that are the same from the same seed, on every machine.
 *
 * xoshiro256** (Blackman, Vigna), seeded through splitmix64 from a seed and a
 * stream number, so that every exporter draws from a stream of its own and one
 * more exporter does not change what the others send.  Everything is integer
 * arithmetic: a truth that a libm's last bit could move would be none.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);
/* 0 .. n-1, without bias; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* lo .. hi, both included. */
uint64_t rng_between(struct rng *r, uint64_t lo, uint64_t hi);

/* -log2(u / 2^64) in units of 2^-32, u > 0; rounded towards zero. */
uint64_t fixed_neg_log2(uint64_t u);
/* base * 2^(e / 2^32), e signed; saturates at `max`, is never below 1. */
uint64_t fixed_scale_exp2(uint64_t base, int64_t e, uint64_t max);

#endif /* RANDOM_H */
