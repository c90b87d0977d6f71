/*
 * random.c - generator and the two fixed-point functions that the heavy-tailed
 * distributions need.
 */
#include <stddef.h>
#include "pcapgen/random.h"

typedef unsigned __int128 u128;

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed;
	uint64_t mixed = splitmix(&x) ^ stream * UINT64_C(0xd1342543de82ef95);

	for (size_t i = 0; i < 4; i++)
		r->s[i] = splitmix(&mixed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* Lemire, "Fast random integer generation in an interval": the rejected part is 2^64 mod n. */
uint64_t rng_below(struct rng *r, uint64_t n)
{
	u128 m = (u128)rng_next(r) * n;

	if ((uint64_t)m < n) {
		uint64_t reject = -n % n;

		while ((uint64_t)m < reject)
			m = (u128)rng_next(r) * n;
	}
	return (uint64_t)(m >> 64);
}

uint64_t rng_between(struct rng *r, uint64_t lo, uint64_t hi)
{
	return hi - lo == UINT64_MAX ? rng_next(r) : lo + rng_below(r, hi - lo + 1);
}

uint64_t fixed_neg_log2(uint64_t u)
{
	int zeros = __builtin_clzll(u);
	uint64_t m = u << zeros, fraction = 0;	/* m / 2^63 is in [1, 2) */

	/* Squaring doubles the logarithm; its whole bit comes out.  No branch: the bits are random.
	 */
	for (int i = 0; i < 32; i++) {
		u128 square = (u128)m * m;	/* in units of 2^-126: [1, 4) */
		unsigned bit = (unsigned)(square >> 127);

		fraction = fraction << 1 | bit;
		m = (uint64_t)(square >> 63 >> bit);
	}
	/* u = 2^(63 - zeros) * m', so -log2(u / 2^64) = zeros + 1 - log2(m'). */
	return ((uint64_t)(zeros + 1) << 32) - fraction;
}

/*
 * 2^(v / 16^(d+1)) in units of 2^-63, rounded down, for the eight hexadecimal
 * digits v of a fraction: eight multiplications make its power.
 */
static const uint64_t exp2_digit[8][16] = {
#include "pcapgen/exp2_digits.def"
};

uint64_t fixed_scale_exp2(uint64_t base, int64_t e, uint64_t max)
{
	int64_t whole = e >> 32;
	uint32_t fraction = (uint32_t)e;
	uint64_t m = UINT64_C(1) << 63;
	u128 v;

	for (unsigned i = 0; i < 8; i++)
		m = (uint64_t)((u128)m * exp2_digit[i][fraction >> (28 - 4 * i) & 15] >> 63);
	if (base == 0 || whole < -63)
		return 1;
	if (whole >= 63)
		return max;
	v = (u128)base * m;	/* in units of 2^-63 */
	if (whole >= 0) {
		if (v >> (127 - whole))
			return max;
		v = v << whole >> 63;
	} else {
		v = v >> -whole >> 63;
	}
	return v > max ? max : v < 1 ? 1 : (uint64_t)v;
}
