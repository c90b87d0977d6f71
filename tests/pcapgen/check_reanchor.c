/*
 * check_reanchor.c - times inside captured datagrams move, and nothing else
 * does; any bytes are safe.
 *
 * The datagrams are written out by hand from RFC 3954 and RFC 7011.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "pcapgen/reanchor.h"
#include "wire/wire.h"

Suite *suite_reanchor(void);

#define S(v) (uint8_t)((v) >> 24), (uint8_t)((v) >> 16), (uint8_t)((v) >> 8), (uint8_t)(v)
#define H(v) (uint8_t)((v) >> 8), (uint8_t)(v)
#define T0 1000000000u	/* seconds */
#define MS(s) S((uint64_t)(s) * 1000 >> 32), S((uint64_t)(s) * 1000 & 0xffffffff)

/* `moves`: offset of a 32-bit number of seconds (width 4), or a 64-bit one of milliseconds (width
 * 8). */
struct move {
	uint16_t at;
	uint8_t width;
};

static const uint8_t v5[] = { H(5), H(1), S(1000), S(T0), S(0), S(7), 0, 0, H(0),
	[24] = 10, 0, 0, 1, [48] = 0, 0, 3, 1, [71] = 0 };

static const uint8_t v9[] = {
	H(9),
	H(4),
	S(1000),
	S(T0),
	S(1),
	S(77),
	/* template 256: 8, 22, 150, 153 */
	H(0),
	H(24),
	H(256),
	H(4),
	H(8),
	H(4),
	H(22),
	H(4),
	H(150),
	H(4),
	H(153),
	H(8),
	/* options template 257: scope System, 160 */
	H(1),
	H(20),
	H(257),
	H(4),
	H(4),
	H(1),
	H(4),
	H(160),
	H(8),
	H(0),
	/* data: two records of 20 octets at 68 */
	H(256),
	H(44),
	10,
	0,
	0,
	1,
	S(500),
	S(T0 - 5),
	MS(T0 - 4),
	10,
	0,
	0,
	2,
	S(600),
	S(T0 - 3),
	MS(T0 - 2),
	/* options data at 112 */
	H(257),
	H(16),
	S(0),
	MS(T0 - 1000),
};

static const uint8_t ipfix[] = {
	H(10),
	H(102),
	S(T0),
	S(1),
	S(77),
	/* template 300: 82 variable, 152, enterprise element 152, 154 (NTP), 156 reduced to 4: not
	   a time that we know */
	H(2),
	H(32),
	H(300),
	H(5),
	H(82),
	H(65535),
	H(152),
	H(8),
	H(0x8000 | 152),
	H(8),
	S(9),
	H(154),
	H(8),
	H(156),
	H(4),
	/* data at 48 */
	H(300),
	H(38),
	2,
	'e',
	'0',
	MS(T0 - 7),
	MS(T0),
	S(T0 - 6),
	S(0x80000000u),
	S(T0),
	/* padding, */ 0,
	0,
	0,
	/* a Set of an unknown template at 86 */
	H(301),
	H(16),
	MS(T0),
	S(T0),
};

static const uint8_t sflow[] = { S(5), S(1), 192, 0, 2, 1, S(0), S(1), S(T0), S(0) };

static const struct {
	const char *name;
	const uint8_t *data;
	size_t n;
	struct move moves[8];
} vectors[] = {
	{ "v5", v5, sizeof(v5), { { 8, 4 } } },
	{ "v9", v9, sizeof(v9),
		{ { 8, 4 }, { 76, 4 }, { 80, 8 }, { 96, 4 }, { 100, 8 }, { 116, 8 } } },
	{ "ipfix", ipfix, sizeof(ipfix), { { 4, 4 }, { 55, 8 }, { 71, 4 } } },
	{ "sflow has none", sflow, sizeof(sflow), { { 0, 0 } } },
};

static const struct endpoint from = { .port = 2055 };

static uint64_t load(const uint8_t *p, const struct move *m)
{
	return m->width == 4 ? be32(p) : be64(p);
}

START_TEST(moves)
{
	const int64_t shifts[] = { 0, 1, -1, 500000000, -900000000 };
	size_t n = vectors[_i].n;

	for (size_t k = 0; k < sizeof(shifts) / sizeof(shifts[0]); k++) {
		struct reanchor *r = reanchor_new();
		uint8_t got[256];
		const struct move *m = vectors[_i].moves;

		memcpy(got, vectors[_i].data, n);
		reanchor_move(r, &from, got, n, shifts[k]);
		for (; m->width; m++) {
			uint64_t want = load(vectors[_i].data + m->at, m) +
				(uint64_t)(shifts[k] * (m->width == 8 ? 1000 : 1));

			if (m->width == 4)
				want = (uint32_t)want;
			ck_assert_msg(load(got + m->at, m) == want, "%s: octet %u: %llu",
				vectors[_i].name, m->at, (unsigned long long)load(got + m->at, m));
			memcpy(got + m->at, vectors[_i].data + m->at, m->width);
		}
		ck_assert_msg(!memcmp(got, vectors[_i].data, n), "%s: something else moved",
			vectors[_i].name);
		reanchor_free(r);
	}
}
END_TEST

/* Cut anywhere: the sanitizer watches the end, and what was cut off is not missed. */
START_TEST(cut_anywhere)
{
	struct reanchor *r = reanchor_new();

	for (size_t n = 0; n < vectors[_i].n; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, vectors[_i].data, n);
		reanchor_move(r, &from, copy, n, 77);
		for (const struct move *m = vectors[_i].moves + 1; m->width && m->at + m->width > n;
			m++)
			if (m->at < n)
				ck_assert(
					!memcmp(copy + m->at, vectors[_i].data + m->at, n - m->at));
		free(copy);
	}
	reanchor_free(r);
}
END_TEST

START_TEST(flip_every_bit)
{
	struct reanchor *r = reanchor_new();
	size_t n = vectors[_i].n;

	for (size_t bit = 0; bit < n * 8; bit++) {
		uint8_t *copy = malloc(n);

		memcpy(copy, vectors[_i].data, n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		reanchor_move(r, &from, copy, n, -5);
		free(copy);
	}
	reanchor_free(r);
}
END_TEST

/* A template belongs to its exporter's address and domain. */
START_TEST(templates_are_apart)
{
	static const struct endpoint other = { .addr = { { 1 } } };
	struct reanchor *r = reanchor_new();
	uint8_t got[sizeof(v9)];
	uint8_t data_only[20 + 44];

	memcpy(got, v9, sizeof(v9));
	reanchor_move(r, &from, got, sizeof(got), 1);
	memcpy(data_only, v9, 20);
	memcpy(data_only + 20, v9 + 64, 44);
	reanchor_move(r, &other, data_only, sizeof(data_only), 10);
	ck_assert_uint_eq(be32(data_only + 32), T0 - 5);
	data_only[19] = 78;	/* another domain */
	reanchor_move(r, &from, data_only, sizeof(data_only), 10);
	ck_assert_uint_eq(be32(data_only + 32), T0 - 5);
	data_only[19] = 77;
	reanchor_move(r, &from, data_only, sizeof(data_only), 10);
	ck_assert_uint_eq(be32(data_only + 32), T0 + 5);
	reanchor_free(r);
}
END_TEST

START_TEST(header_times)
{
	uint32_t s = 0;

	ck_assert(reanchor_header_time(v5, sizeof(v5), &s));
	ck_assert_uint_eq(s, T0);
	s = 0;
	ck_assert(reanchor_header_time(ipfix, sizeof(ipfix), &s));
	ck_assert_uint_eq(s, T0);
	ck_assert(!reanchor_header_time(sflow, sizeof(sflow), &s));
	ck_assert(!reanchor_header_time(v5, 11, &s));
	ck_assert(!reanchor_header_time(v5, 0, &s));
}
END_TEST

Suite *suite_reanchor(void)
{
	Suite *s = suite_create("reanchor");
	TCase *t = tcase_create("reanchor");
	const int n = sizeof(vectors) / sizeof(vectors[0]);

	tcase_add_loop_test(t, moves, 0, n);
	tcase_add_loop_test(t, cut_anywhere, 0, n);
	tcase_add_loop_test(t, flip_every_bit, 0, n);
	tcase_add_test(t, templates_are_apart);
	tcase_add_test(t, header_times);
	suite_add_tcase(s, t);
	return s;
}
