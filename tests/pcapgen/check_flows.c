/*
 * check_flows.c - random numbers and what is drawn from them.
 *
 * Expected numbers of the generator are those of the reference code
 * (prng.di.unimi.it: xoshiro256**, splitmix64), of the logarithm those of
 * exact arithmetic.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "pcapgen/flows.h"

Suite *suite_flows(void);

/* xoshiro256** from the state 1, 2, 3, 4: the published first outputs. */
START_TEST(xoshiro)
{
	static const uint64_t want[] = { 11520, 0, 1509978240, UINT64_C(1215971899390074240) };
	struct rng r = { { 1, 2, 3, 4 } };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_uint_eq(rng_next(&r), want[i]);
}
END_TEST

START_TEST(streams_differ)
{
	struct rng a, b, c, d;

	rng_seed(&a, 1, 0);
	rng_seed(&b, 1, 0);
	rng_seed(&c, 1, 1);
	rng_seed(&d, 2, 0);
	for (int i = 0; i < 100; i++) {
		uint64_t x = rng_next(&a);

		ck_assert(x == rng_next(&b));
		ck_assert(x != rng_next(&c));
		ck_assert(x != rng_next(&d));
	}
}
END_TEST

/* Every value comes, none beyond, and evenly: chi-square of 16 classes below 45 (p = 7e-5). */
START_TEST(draws_below)
{
	static const uint64_t n[] = { 1, 2, 3, 16, 1000, UINT64_C(1) << 63,
		UINT64_C(0xffffffffffffffff) };
	uint64_t classes[16] = { 0 };
	struct rng r;
	double chi = 0;

	rng_seed(&r, 99, (uint64_t)_i);
	for (int i = 0; i < 16000; i++) {
		uint64_t x = rng_below(&r, n[_i]);

		ck_assert(x < n[_i]);
		if (n[_i] >= 16)
			classes[(unsigned __int128)x * 16 / n[_i]]++;
	}
	for (int i = 0; i < 16 && n[_i] >= 16; i++)
		chi += ((double)classes[i] - 1000) * ((double)classes[i] - 1000) / 1000;
	ck_assert_msg(chi < 45, "chi-square %f", chi);
}
END_TEST

START_TEST(between)
{
	struct rng r;
	bool low = false, high = false;

	rng_seed(&r, 5, 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = rng_between(&r, 7, 9);

		ck_assert(x >= 7 && x <= 9);
		low |= x == 7;
		high |= x == 9;
	}
	ck_assert(low && high);
	ck_assert_uint_eq(rng_between(&r, 4, 4), 4);
	rng_between(&r, 0, UINT64_MAX);
}
END_TEST

#define ONE (UINT64_C(1) << 32)

static const struct {
	uint64_t u, want;	/* -log2(u / 2^64) * 2^32, cut */
} logs[] = {
	{ UINT64_C(1) << 63, ONE }, { 1, 64 * ONE }, { 2, 63 * ONE },
	{ UINT64_C(1) << 40, 24 * ONE },
	{ UINT64_C(3) << 62, 1782572486 }, /* 2 - log2 3 = 0.4150374992788438 */
	{ 10, UINT64_C(260610334416) }, /* 64 - log2 10 = 60.678071905112638 */
};

START_TEST(logarithm)
{
	uint64_t got = fixed_neg_log2(logs[_i].u), want = logs[_i].want;

	ck_assert_msg(got + 2 >= want && got <= want + 2, "%llu: %llu, not %llu",
		(unsigned long long)logs[_i].u, (unsigned long long)got, (unsigned long long)want);
}
END_TEST

static const struct {
	uint64_t base;
	int64_t e;
	uint64_t max, want;
} powers[] = {
	{ 100, 0, 1000, 100 },
	{ 100, (int64_t)ONE, 1000, 200 },
	{ 100, 4 * (int64_t)ONE, 1000, 1000 },
	{ 100, -(int64_t)ONE, 1000, 50 },
	{ 100, -9 * (int64_t)ONE, 1000, 1 },
	{ 1000000, (int64_t)ONE / 2, UINT64_MAX, 1414213 },
	{ 1, 39 * (int64_t)ONE, UINT64_MAX, UINT64_C(1) << 39 },
	{ 1, 62 * (int64_t)ONE, UINT64_MAX, UINT64_C(1) << 62 },
	{ 2, 63 * (int64_t)ONE, UINT64_MAX, UINT64_MAX },
	{ 5, 90 * (int64_t)ONE, 77, 77 },
	{ 5, -90 * (int64_t)ONE, 77, 1 },
	{ 0, 0, 7, 1 },
};

START_TEST(power)
{
	uint64_t got = fixed_scale_exp2(powers[_i].base, powers[_i].e, powers[_i].max);

	ck_assert_msg(got == powers[_i].want, "%llu * 2^%lld: %llu",
		(unsigned long long)powers[_i].base, (long long)powers[_i].e,
		(unsigned long long)got);
}
END_TEST

/* Bounds hold, and the quantiles are those of the distribution (5 % of 20000 draws). */
static const struct {
	const char *name;
	struct distribution d;
	uint64_t at, below;	/* how many of 20000 lie below `at` */
} shapes[] = {
	{ "constant", { DIST_CONSTANT, 42, 42, 0, 0 }, 43, 20000 },
	{ "uniform", { DIST_UNIFORM, 0, 99, 0, 0 }, 25, 5000 },
	/* 1 - (100/x)^1.2 = 0.5 at x = 178.2 */
	{ "pareto median", { DIST_PARETO, 100, 1000000000, 0, 1200 }, 178, 10000 },
	/* 0.9 at 100 * 10^(1/1.2) = 681 */
	{ "pareto, ninth tenth", { DIST_PARETO, 100, 1000000000, 0, 1200 }, 681, 18000 },
	{ "pareto, cut above", { DIST_PARETO, 100, 200, 0, 1000 }, 200, 10000 },
	{ "lognormal median", { DIST_LOGNORMAL, 1, 1000000000, 5000, 1000 }, 5000, 10000 },
	/* one sigma: 5000 * e = 13591, 0.8413 below */
	{ "lognormal, one sigma", { DIST_LOGNORMAL, 1, 1000000000, 5000, 1000 }, 13591, 16826 },
	{ "lognormal, minus one sigma", { DIST_LOGNORMAL, 1, 1000000000, 5000, 1000 }, 1839, 3173 },
};

START_TEST(distributions)
{
	struct rng r;
	uint64_t below = 0;

	rng_seed(&r, 31, (uint64_t)_i);
	for (int i = 0; i < 20000; i++) {
		uint64_t v = distribution_draw(&shapes[_i].d, &r);

		ck_assert(v >= shapes[_i].d.min && v <= shapes[_i].d.max);
		below += v < shapes[_i].at;
	}
	ck_assert_msg(below + 1000 >= shapes[_i].below && below <= shapes[_i].below + 1000,
		"%s: %llu below", shapes[_i].name, (unsigned long long)below);
}
END_TEST

/* ---- flows -------------------------------------------------------------------- */

static const char scenario_text[] =
	"duration: 1s\nrate: 1 records/s\n"
	"exporters:\n  - { address: 127.0.0.1, protocol: ipfix }\n"
	"customers:\n"
	"  - { prefix: 10.0.0.0/30, as: 1, interface: 11, next_hop: 10.9.9.9, weight: 3 }\n"
	"  - { prefix: 10.0.1.7/32, as: 2, interface: 12 }\n"
	"  - { prefix: '2001:db8::/64', hosts: 3, as: 3, interface: 13, weight: 4 }\n"
	"remotes:\n"
	"  - { prefix: 198.51.100.0/24, as: 9, interface: 21 }\n"
	"  - { prefix: '2001:db8:9::/127', as: 9, interface: 22 }\n"
	"applications:\n  - { proto: tcp, port: 443 }\n  - { proto: icmp, port: 769 }\n  - { "
	"proto: gre }\n"
	"flows:\n  octets: { kind: uniform, min: 1, max: 5000 }\n  packet_octets: 1000\n"
	"  delay_ms: { kind: uniform, min: 5, max: 6 }\n  upload_percent: 40\n";

static struct scenario *load(void)
{
	char why[SCENARIO_WHY];
	struct scenario *sc = scenario_parse("test", scenario_text, sizeof(scenario_text) - 1, why);

	ck_assert_msg(sc != NULL, "%s", why);
	return sc;
}

/* The prefix an address is in, of the scenario's lists. */
static const struct network *home(const struct scenario *sc, const struct addr *a, bool *inside)
{
	for (size_t i = 0; i < sc->ncustomers + sc->nremotes; i++) {
		*inside = i < sc->ncustomers;
		const struct network *w =
			*inside ? &sc->customers[i] : &sc->remotes[i - sc->ncustomers];

		if (prefix_contains(&w->prefix, a))
			return w;
	}
	ck_abort_msg("an address of no network");
	return NULL;
}

static void check_flow(const struct scenario *sc, const struct flow_record *r)
{
	bool from_inside, to_inside;
	const struct network *from = home(sc, &r->src, &from_inside),
			     *to = home(sc, &r->dst, &to_inside);

	ck_assert(from_inside != to_inside);
	ck_assert(addr_is4(&r->src) == addr_is4(&r->dst));
	ck_assert_uint_eq(r->in_if, from->interface);
	ck_assert_uint_eq(r->out_if, to->interface);
	ck_assert_uint_eq(r->src_as, from->as);
	ck_assert_uint_eq(r->dst_as, to->as);
	ck_assert_uint_eq(r->src_mask, prefix_bits(&from->prefix));
	ck_assert_uint_eq(r->dst_mask, prefix_bits(&to->prefix));
	ck_assert(addr_equal(&r->next_hop, &to->next_hop));
	if (r->proto == 6)
		ck_assert_uint_eq(from_inside ? r->dst_port : r->src_port, 443);
	else if (r->proto == 1)
		ck_assert_uint_eq(r->dst_port, 769);
	else if (r->proto == 58)
		ck_assert_uint_eq(r->dst_port, 128 << 8);
	else
		ck_assert_uint_eq(r->proto, 47);
	if (r->proto != 6)
		ck_assert_uint_eq(r->tcp_flags, 0);
}

START_TEST(draws_flows)
{
	struct scenario *sc = load();
	struct population *p = population_new(sc);
	struct flow_stream a, b;
	unsigned v4 = 0, up = 0;

	flow_stream_init(&a, p, 3, 0, FAMILIES_BOTH);
	flow_stream_init(&b, p, 3, 0, FAMILIES_BOTH);
	for (unsigned i = 0; i < 8000; i++) {
		struct flow_record r, again;
		bool inside;

		flow_stream_next(&a, 1000000 + i, &r);
		flow_stream_next(&b, 1000000 + i, &again);
		ck_assert(flow_equal(&r, &again));
		check_flow(sc, &r);
		ck_assert_uint_eq(r.packets, (r.octets + 999) / 1000);
		ck_assert(
			r.last_us / 1000 <= 1000000 + i - 5 && r.last_us / 1000 >= 1000000 + i - 6);
		ck_assert(
			r.first_us <= r.last_us && r.first_us % 1000 == 0 && r.last_us % 1000 == 0);
		if (r.packets == 1)
			ck_assert(r.first_us == r.last_us);
		v4 += addr_is4(&r.src);
		home(sc, &r.src, &inside);
		up += inside;
	}
	/* Weights: 4 of 8 are IPv4; 40 percent go up. */
	ck_assert_msg(v4 > 3800 && v4 < 4200, "%u IPv4", v4);
	ck_assert_msg(up > 3000 && up < 3400, "%u up", up);
	population_free(p);
	scenario_free(sc);
}
END_TEST

START_TEST(one_family_only)
{
	struct scenario *sc = load();
	struct population *p = population_new(sc);
	struct flow_stream s;

	flow_stream_init(&s, p, 3, 0, (uint8_t)_i);
	for (int i = 0; i < 500; i++) {
		struct flow_record r;

		flow_stream_next(&s, 1000000, &r);
		ck_assert(addr_is4(&r.src) == (_i == FAMILIES_4));
	}
	population_free(p);
	scenario_free(sc);
}
END_TEST

/* Every host of a prefix comes, and neither its network nor its broadcast address. */
START_TEST(hosts_of_a_prefix)
{
	struct scenario *sc = load();
	struct population *p = population_new(sc);
	struct flow_stream s;
	unsigned seen = 0;

	flow_stream_init(&s, p, 4, 0, FAMILIES_4);
	for (int i = 0; i < 2000; i++) {
		struct flow_record r;
		bool inside;
		const struct addr *a;

		flow_stream_next(&s, 1000000, &r);
		home(sc, &r.src, &inside);
		a = inside ? &r.src : &r.dst;
		if (a->b[14] == 0) {
			ck_assert(a->b[15] >= 1 && a->b[15] <= 2);
			seen |= 1u << a->b[15];
		} else {
			ck_assert_uint_eq(a->b[15], 7);
			seen |= 1;
		}
	}
	ck_assert_uint_eq(seen, 7);
	population_free(p);
	scenario_free(sc);
}
END_TEST

START_TEST(sampled_packets)
{
	struct scenario *sc = load();
	struct population *p = population_new(sc);
	struct flow_stream s;

	flow_stream_init(&s, p, 4, 0, FAMILIES_BOTH);
	for (int i = 0; i < 1000; i++) {
		struct flow_record r;

		flow_stream_packet(&s, &r);
		check_flow(sc, &r);
		ck_assert_uint_eq(r.packets, 1);
		ck_assert_uint_eq(r.octets, 1018);	/* 1000 of IP, 14 of Ethernet, 4 of FCS */
		ck_assert(!flow_has(&r, FLOW_first_us));
	}
	population_free(p);
	scenario_free(sc);
}
END_TEST

Suite *suite_flows(void)
{
	Suite *s = suite_create("flows");
	TCase *t = tcase_create("random");

	tcase_add_test(t, xoshiro);
	tcase_add_test(t, streams_differ);
	tcase_add_loop_test(t, draws_below, 0, 7);
	tcase_add_test(t, between);
	tcase_add_loop_test(t, logarithm, 0, sizeof(logs) / sizeof(logs[0]));
	tcase_add_loop_test(t, power, 0, sizeof(powers) / sizeof(powers[0]));
	tcase_add_loop_test(t, distributions, 0, sizeof(shapes) / sizeof(shapes[0]));
	suite_add_tcase(s, t);
	t = tcase_create("flows");
	tcase_add_test(t, draws_flows);
	tcase_add_loop_test(t, one_family_only, FAMILIES_4, FAMILIES_6 + 1);
	tcase_add_test(t, hosts_of_a_prefix);
	tcase_add_test(t, sampled_packets);
	suite_add_tcase(s, t);
	return s;
}
