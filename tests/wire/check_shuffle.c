/*
 * check_shuffle.c - rows that are filled sixteen octets at a time: what stands where, by literal
 * octets, and what is left alone.  That any template fills them as it does the members of records
 * is in check_columns.c and fuzz_columns.c.
 */
#include <stdlib.h>
#include "wire/plan.h"
#include "wire/shuffle.h"
#include "writing.h"

Suite *suite_shuffle(void);

enum { STEP = 64, ROWS = 3 };

static uint8_t row[STEP * ROWS];
static struct plan plan;
static struct shuffle shuffle;

/* A template of fields {element, length}, ends with 0. */
static void compile(const struct field_spec *f, const struct flow_column *c, size_t n,
		    const struct flow_area *a, size_t nareas)
{
	struct template_def def = { .version = 9, .id = 256 };

	for (; f->id; f++)
		def.fields[def.nfields++] = *f;
	ck_assert_int_eq(plan_compile(&plan, &def, NULL), WIRE_OK);
	shuffle_compile(&shuffle, &plan, c, n, a, nareas);
}

/* Exactly so many octets: a sanitizer sees who reads behind them. */
static void run(const struct flow_area *a, const char *hex, size_t n)
{
	uint8_t text[256], *data = malloc(n * plan.min_len);

	ck_assert_uint_eq(unhex(text, hex), n * plan.min_len);
	memcpy(data, text, n * plan.min_len);
	shuffle_fill(&shuffle, a, data, plan.min_len, n);
	free(data);
}

static void compare(const uint8_t *at, const char *hex, const char *what)
{
	uint8_t want[STEP];
	const size_t n = unhex(want, hex);

	for (size_t i = 0; i < n; i++)
		ck_assert_msg(at[i] == want[i], "%s: octet %zu is %02x, expected %02x", what, i,
			      at[i], want[i]);
}

/* A key as the collector's: a bin's start, that is nobody's here, and 40 octets with gaps. */
static const struct flow_column key[] = {
	{ row + 8, STEP, FLOW_src, false, false },		/* 16 */
	{ row + 24, STEP, FLOW_src_as, false, false },		/* 4 */
	{ row + 28, STEP, FLOW_in_if, false, false },		/* 4 */
	{ row + 32, STEP, FLOW_src_port, false, false },	/* 2 */
	{ row + 34, STEP, FLOW_proto, false, false },		/* 1 */
	{ row + 36, STEP, FLOW_src_mac, false, false },	/* 6, of which 4 in the next window */
	{ row + 42, STEP, FLOW_tos, false, false },		/* 1 */
};
static const struct flow_area area[] = { { row + 8, STEP, 40 } };

START_TEST(fills_rows)
{
	static const struct field_spec f[] = { { 0, 4, 1 }, { 0, 16, 2 }, { 0, 10, 3 }, { 0, 7, 2 },
		{ 0, 56, 6 }, { 0, 8, 4 }, { 0, 5, 2 }, { 0, 0, 0 } };

	compile(f, key, 7, area, 1);
	ck_assert_uint_eq(shuffle.nwindows, 3);
	ck_assert_uint_eq(shuffle.done, 0x7f);
	if (!shuffle_possible())
		return;
	memset(row, 0xa5, sizeof(row));
	run(area, "06 fde8 010203 01bb a1a2a3a4a5a6 c0000201 ff1c"
		  "11 0001 000005 0035 b1b2b3b4b5b6 0a000002 0004", 2);
	compare(row, "a5a5a5a5a5a5a5a5 00000000000000000000ffffc0000201 e8fd0000 03020100"
		     "bb01 06 00 a1a2a3a4 a5a6 1c 0000000000 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5", "row 0");
	compare(row + STEP, "a5a5a5a5a5a5a5a5 00000000000000000000ffff0a000002 01000000 05000000"
		     "3500 11 00 b1b2b3b4 b5b6 04 0000000000 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5", "row 1");
	for (size_t i = 0; i < STEP; i++)
		ck_assert_uint_eq(row[2 * STEP + i], 0xa5);
}
END_TEST

/* No field of it in the template: addresses are 0.0.0.0, an IPv6 one stands as it came. */
START_TEST(fills_what_is_absent)
{
	static const struct field_spec f[] = { { 0, 27, 16 }, { 0, 0, 0 } };
	static const struct flow_column c[] = { { row, STEP, FLOW_dst, false, false },
		{ row + 16, STEP, FLOW_src, false, false }, { row + 32, STEP, FLOW_octets, false, false } };
	static const struct flow_area a[] = { { row, STEP, 40 } };

	compile(f, c, 3, a, 1);
	ck_assert_uint_eq(shuffle.done, 7);
	if (!shuffle_possible())
		return;
	memset(row, 0xa5, sizeof(row));
	run(a, "20010db8000000000000000000000001", 1);
	compare(row, "00000000000000000000ffff00000000 20010db8000000000000000000000001"
		     "0000000000000000 a5a5a5a5a5a5a5a5", "row");
}
END_TEST

/* Octets from many places of a long record: more steps than are written out. */
START_TEST(fills_from_afar)
{
	static const struct field_spec f[] = { { 0, 4, 1 }, { 0, 210, 20 }, { 0, 5, 1 },
		{ 0, 210, 20 }, { 0, 9, 1 }, { 0, 210, 20 }, { 0, 13, 1 }, { 0, 210, 20 },
		{ 0, 6, 1 }, { 0, 0, 0 } };
	static const struct flow_column c[] = { { row, STEP, FLOW_tcp_flags, false, false },
		{ row + 1, STEP, FLOW_dst_mask, false, false }, { row + 2, STEP, FLOW_src_mask, false, false },
		{ row + 3, STEP, FLOW_tos, false, false }, { row + 4, STEP, FLOW_proto, false, false } };
	const struct flow_area a[] = { { row, STEP, _i ? 16 : 8 } };
	char hex[256] = "", *to = hex;

	for (int i = 1; i <= 5; i++)
		to += sprintf(to, "0%d%s", i, i < 5 ? "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee" : "");
	compile(f, c, 5, a, 1);
	ck_assert_uint_eq(shuffle.done, 0x1f);
	ck_assert_uint_eq(shuffle.nsteps, 5);
	if (!shuffle_possible())
		return;
	memset(row, 0xa5, sizeof(row));
	run(a, hex, 1);
	compare(row, _i ? "0504030201 0000000000000000000000 a5a5" : "0504030201 000000 a5a5a5a5", "row");
}
END_TEST

/* Times are worked out; a record of fifteen octets cannot be read by sixteen. */
START_TEST(leaves_the_rest)
{
	static const struct field_spec times[] = { { 0, 22, 4 }, { 0, 8, 4 }, { 0, 12, 4 },
		{ 0, 1, 4 }, { 0, 0, 0 } };
	static const struct field_spec few[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 1, 7 }, { 0, 0, 0 } };
	static const struct flow_column c[] = { { row, STEP, FLOW_first_us, false, false },
		{ row + 8, STEP, FLOW_octets, false, false }, { row + 32, STEP, FLOW_src, false, false } };
	static const struct flow_area a[] = { { row, STEP, 16 } };

	compile(times, c, 3, a, 1);
	ck_assert_uint_eq(shuffle.done, 2);	/* src lies in no area */
	compile(few, c, 3, a, 1);
	ck_assert_uint_eq(shuffle.done, 0);
	ck_assert_uint_eq(shuffle.nwindows, 0);
}
END_TEST

/* Nine windows where eight fit: an address over the eighth and ninth is not done. */
START_TEST(leaves_what_does_not_fit)
{
	static const struct field_spec f[] = { { 0, 8, 4 }, { 0, 12, 12 }, { 0, 0, 0 } };
	static uint8_t wide[160];
	struct flow_column c[SHUFFLE_COLUMNS + 1];
	const struct flow_area a[] = { { wide, sizeof(wide), 144 } };
	size_t n = 0;

	for (; n < 7; n++)
		c[n] = (struct flow_column){ wide + 16 * n, sizeof(wide), FLOW_src, false, false };
	c[n++] = (struct flow_column){ wide + 120, sizeof(wide), FLOW_dst, false, false };
	compile(f, c, n, a, 1);
	ck_assert_uint_eq(shuffle.nwindows, 8);
	ck_assert_uint_eq(shuffle.done, 0x7f);
	/* Of more columns than there are bits the first ones. */
	for (n = 0; n < SHUFFLE_COLUMNS + 1; n++)
		c[n] = (struct flow_column){ wide + n, sizeof(wide), FLOW_proto, false, false };
	compile(f, c, n, a, 1);
	ck_assert_uint_eq(shuffle.done, UINT64_MAX);
}
END_TEST

Suite *suite_shuffle(void)
{
	Suite *s = suite_create("shuffle");
	TCase *t = tcase_create("shuffle");

	tcase_add_test(t, fills_rows);
	tcase_add_test(t, fills_what_is_absent);
	tcase_add_loop_test(t, fills_from_afar, 0, 2);
	tcase_add_test(t, leaves_the_rest);
	tcase_add_test(t, leaves_what_does_not_fit);
	suite_add_tcase(s, t);
	return s;
}
