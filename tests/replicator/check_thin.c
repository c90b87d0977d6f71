/*
 * check_thin.c - what is left of a datagram that is not chosen, octet by octet,
 * and the numbers inside sFlow samples: RFC 3954 5, RFC 7011 3, sFlow version 5
 * section 5, by hand.
 */
#include <check.h>
#include <string.h>

#include "replicator/resample.h"
#include "replicator/thin.h"
#include "wire/cursor.h"

Suite *suite_thin(void);

static struct thin *t;
static struct recall *m;
static const struct recall_limits limits = { .streams = 4, .items = 16, .octets = 8192 };
static const struct endpoint from = { { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 } }, 2055, false };

static void setup(void)
{
	t = thin_new(1);
	m = recall_new(&limits, 1);
	ck_assert_ptr_nonnull(t);
	ck_assert_ptr_nonnull(m);
}

static void teardown(void)
{
	thin_free(t);
	recall_free(m);
}

static struct bytes go(const uint8_t *p, size_t n, bool chosen, uint32_t *kept)
{
	const struct datagram d = { { p, n }, from, 0 };
	struct recall_mark mark;
	struct subject s;
	struct bytes out;

	classify_subject(&s, &d, 2055);
	recall_begin(m);
	recall_look(m, &d, &s.peek, &mark);
	ck_assert_int_eq(thin_begin(t, n), 0);
	out = thin(t, &(struct thin_look){ &s, m, &mark, 4, chosen }, d.data, kept);
	recall_learn(m, &d, &s.peek);
	return out;
}

static void expect(struct bytes got, const uint8_t *p, size_t n)
{
	ck_assert_uint_eq(got.n, n);
	ck_assert_int_eq(memcmp(got.p, p, n), 0);
}

/* ---- NetFlow v9 ---------------------------------------------------------------------- */

#define V9(count, sequence) 0, 9, 0, count, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, sequence, 0, 0, 0, 5
#define TEMPLATE 0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4
#define OPTIONS 0, 1, 0, 20, 1, 44, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 0, 0
#define OPTION_DATA 1, 44, 0, 12, 10, 0, 0, 1, 0, 0, 0, 100
#define DATA 1, 0, 0, 20, 10, 0, 0, 1, 0, 0, 0, 60, 10, 0, 0, 2, 0, 0, 0, 70

static const uint8_t v9[] = { V9(5, 7), TEMPLATE, OPTIONS, OPTION_DATA, DATA };
static const uint8_t v9_unknown[] = { V9(2, 7), TEMPLATE, OPTIONS };
static const uint8_t v9_known[] = { V9(3, 7), TEMPLATE, OPTIONS, OPTION_DATA };
static const uint8_t v9_data[] = { V9(2, 8), DATA };
static const uint8_t v9_cut[] = { V9(5, 9), TEMPLATE, 1, 0, 0, 99, 0 };

START_TEST(netflow9)
{
	uint32_t kept;

	/* Its options template is in the same datagram, and learnt behind it. */
	expect(go(v9, sizeof(v9), false, &kept), v9_unknown, sizeof(v9_unknown));
	ck_assert_uint_eq(kept, RENUMBER_ALL);
	expect(go(v9, sizeof(v9), false, &kept), v9_known, sizeof(v9_known));
	ck_assert_ptr_eq(go(v9, sizeof(v9), true, &kept).p, v9);
	ck_assert_ptr_null(go(v9_data, sizeof(v9_data), false, &kept).p);
	ck_assert_ptr_null(go(v9_cut, sizeof(v9_cut), false, &kept).p);
	ck_assert_ptr_eq(go(v9_cut, sizeof(v9_cut), true, &kept).p, v9_cut);
}
END_TEST

/* ---- IPFIX ------------------------------------------------------------------------------ */

#define IPFIX(length, sequence) 0, 10, 0, length, 0, 0, 0, 1, 0, 0, 0, sequence, 0, 0, 0, 5
#define TEMPLATE10 0, 2, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4
#define OPTIONS10 0, 3, 0, 18, 1, 44, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4
#define OPTION_DATA10 1, 44, 0, 20, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0, 2, 0, 0, 0, 200

static const uint8_t ipfix_options[] = { IPFIX(50, 1), TEMPLATE10, OPTIONS10 };
static const uint8_t ipfix[] = { IPFIX(56, 10), OPTION_DATA10, DATA };
static const uint8_t ipfix_left[] = { IPFIX(36, 10), OPTION_DATA10 };

START_TEST(of_ipfix_records_count)
{
	struct renumber *r = renumber_new(1);
	struct peek peek = { .protocol = PROTO_IPFIX, .sequence = 10 };
	uint32_t kept;

	expect(go(ipfix_options, sizeof(ipfix_options), false, &kept), ipfix_options,
		sizeof(ipfix_options));
	ck_assert_uint_eq(kept, 0);
	expect(go(ipfix, sizeof(ipfix), false, &kept), ipfix_left, sizeof(ipfix_left));
	ck_assert_uint_eq(kept, 2);
	/* Of its four records two went: the next begins two behind it. */
	ck_assert_uint_eq(renumber_next(r, &from, &peek, kept), 10);
	peek.sequence = 14;
	ck_assert_uint_eq(renumber_next(r, &from, &peek, RENUMBER_ALL), 12);
	peek.sequence = 20;
	ck_assert_uint_eq(renumber_next(r, &from, &peek, RENUMBER_ALL), 18);
	renumber_free(r);
}
END_TEST

/* ---- NetFlow v5 --------------------------------------------------------------------------- */

/* The last two octets of its header: two bits of mode, fourteen of interval; 1 in 4 is chosen. */
START_TEST(netflow5_tells)
{
	static const struct {
		uint16_t said, want;
		bool sent;
	} rows[] = {
		{ 0, 2 << 14 | 4, true },	/* none; random is how we choose */
		{ 1, 2 << 14 | 4, true },
		{ 1 << 14 | 100, 1 << 14 | 400, true },
		{ 2 << 14, 2 << 14 | 4, true },
		{ 3 << 14 | 4095, 3 << 14 | 16380, true },
		{ 4096, 0, false },
		{ 0xffff, 0, false },
	};
	uint8_t v5[24 + 48] = { 0, 5, 0, 1, [19] = 9, [24] = 10, [71] = 77 };
	uint32_t kept;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes out;

		patch16(v5 + 22, rows[i].said);
		ck_assert_ptr_null(go(v5, sizeof(v5), false, &kept).p);
		out = go(v5, sizeof(v5), true, &kept);
		ck_assert_msg(!out.p == !rows[i].sent, "row %zu", i);
		ck_assert_uint_eq(kept, RENUMBER_ALL);
		/* The exporter's own is for others as it was. */
		ck_assert_uint_eq(be16(v5 + 22), rows[i].said);
		if (!out.p)
			continue;
		ck_assert_msg(be16(out.p + 22) == rows[i].want, "row %zu: %#x", i,
			be16(out.p + 22));
		patch16(v5 + 22, rows[i].want);
		expect(out, v5, sizeof(v5));
	}
}
END_TEST

/* ---- sFlow 5 ------------------------------------------------------------------------------ */

#define SFLOW(samples) 0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, \
	0, 0, 0, samples
#define FLOW(number, rate, pool) 0, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0, number, 0, 0, 0, 3, 0, 0, 0, \
	rate, 0, 0, 0, pool, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0
#define COUNTERS 0, 0, 0, 2, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0

static const uint8_t flows[] = { SFLOW(3), FLOW(10, 50, 100), COUNTERS, FLOW(11, 50, 150) };
static const uint8_t counters[] = { SFLOW(1), COUNTERS };
static const uint8_t more[] = { SFLOW(2), FLOW(12, 50, 200), FLOW(13, 50, 250) };
static const uint8_t more_left[] = { SFLOW(2), FLOW(10, 200, 200), FLOW(11, 200, 250) };
static const uint8_t lost[] = { SFLOW(1), FLOW(20, 50, 240) };
static const uint8_t lost_left[] = { SFLOW(1), FLOW(18, 200, 240) };

START_TEST(sflow)
{
	uint32_t kept;

	expect(go(flows, sizeof(flows), false, &kept), counters, sizeof(counters));
	ck_assert_uint_eq(kept, RENUMBER_ALL);
	/* Of 1 in 4: two are left out, four times the rate, the pool is the agent's. */
	expect(go(more, sizeof(more), true, &kept), more_left, sizeof(more_left));
	/* Six were lost on the way to us: that stays. */
	expect(go(lost, sizeof(lost), true, &kept), lost_left, sizeof(lost_left));
	ck_assert_ptr_null(go(lost, sizeof(lost), false, &kept).p);
}
END_TEST

static const uint8_t expanded[] = { 0, 0, 0, 3, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3,
	0xc0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0 };

/* A tenant's: its pool grows by the rate with each sample that it gets. */
START_TEST(numbers_of_a_tenant)
{
	static const struct {
		uint32_t number, pool;
		bool kept;
		uint32_t want_number, want_pool;
	} rows[] = {
		{ 100, 5000, true, 100, 5000 },
		{ 101, 5060, false, 0, 0 },
		{ 102, 5090, true, 101, 5050 },
		{ 103, 5160, true, 102, 5100 },
		{ 105, 5260, true, 104, 5150 },	/* one was lost on the way */
		{ 104, 5210, false, 0, 0 },	/* late */
		{ 106, 5300, true, 104, 5200 },
		{ 2000000000, 9, true, 1999999998, 5250 },
		{ 7, 70, false, 0, 0 },		/* the agent began anew */
		{ 8, 120, true, 7, 120 },
		{ 9, 180, true, 8, 170 },
	};
	const struct peek peek = { .protocol = PROTO_SFLOW, .version = 5 };
	struct resample *r = resample_new(1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t sample[] = { FLOW(0, 50, 0) };
		const struct bytes b = { sample, sizeof(sample) };

		patch32(sample + 8, rows[i].number);
		patch32(sample + 20, rows[i].pool);
		ck_assert(resample_is_flow(b));
		if (!rows[i].kept) {
			resample_skip(r, &from, &peek, b);
			continue;
		}
		resample_keep(r, &from, &peek, b, 0);
		ck_assert_msg(be32(sample + 8) == rows[i].want_number, "%zu: number %u", i,
			be32(sample + 8));
		ck_assert_uint_eq(be32(sample + 16), 50);
		ck_assert_msg(be32(sample + 20) == rows[i].want_pool, "%zu: pool %u", i,
			be32(sample + 20));
	}
	resample_free(r);
}
END_TEST

START_TEST(expanded_samples)
{
	const struct peek peek = { .protocol = PROTO_SFLOW, .version = 5 };
	struct resample *r = resample_new(1);
	uint8_t sample[sizeof(expanded)];

	memcpy(sample, expanded, sizeof(sample));
	ck_assert(resample_is_flow((struct bytes){ sample, 32 }));
	ck_assert(!resample_is_flow((struct bytes){ sample, 31 }));
	ck_assert(!resample_is_flow((struct bytes){ sample, 7 }));
	resample_keep(r, &from, &peek, (struct bytes){ sample, 32 }, 3);
	/* 0xc0000000 times 3 is more than there is room for. */
	ck_assert_uint_eq(be32(sample + 20), UINT32_MAX);
	ck_assert_uint_eq(be32(sample + 24), 9);
	resample_free(r);
}
END_TEST

Suite *suite_thin(void)
{
	Suite *s = suite_create("thin");
	TCase *c = tcase_create("thin");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, netflow9);
	tcase_add_test(c, of_ipfix_records_count);
	tcase_add_test(c, netflow5_tells);
	tcase_add_test(c, sflow);
	tcase_add_test(c, numbers_of_a_tenant);
	tcase_add_test(c, expanded_samples);
	suite_add_tcase(s, c);
	return s;
}
