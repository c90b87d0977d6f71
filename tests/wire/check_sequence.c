/*
 * check_sequence.c - the laws of sequence numbers: streams of headers and what
 * they tell.  Each row is a story of (number, units) pairs.
 */
#include "message.h"
#include "wire/sequence.h"

Suite *suite_sequence(void);

struct step {
	uint32_t number, units, uptime_s;
	bool uncertain;
};

static const struct {
	const char *name;
	uint32_t unit;		/* 1: datagrams; 30: records */
	struct step s[24];	/* ends with units 0 and number 0 */
	struct sequence_counts want;
} stories[] = {
	{ "datagrams in order", 1, { { 5, 1, 1, 0 }, { 6, 1, 2, 0 }, { 7, 1, 3, 0 } },
		{ .received = 3 } },
	{ "the first is the base", 1, { { 4000000000, 1, 1, 0 }, { 4000000001, 1, 2, 0 } },
		{ .received = 2 } },
	{ "wrap", 1, { { 4294967295, 1, 1, 0 }, { 0, 1, 2, 0 }, { 1, 1, 3, 0 } },
		{ .received = 3 } },
	{ "one missing", 1, { { 5, 1, 1, 0 }, { 7, 1, 2, 0 }, { 8, 1, 3, 0 } },
		{ .received = 3, .lost = 1, .gaps = 1 } },
	{ "missing over the wrap", 1, { { 4294967294, 1, 1, 0 }, { 1, 1, 2, 0 } },
		{ .received = 2, .lost = 2, .gaps = 1 } },
	{ "records", 30, { { 100, 30, 1, 0 }, { 130, 7, 2, 0 }, { 137, 1, 3, 0 } },
		{ .received = 38 } },
	{ "records missing", 30, { { 100, 30, 1, 0 }, { 160, 7, 2, 0 } },
		{ .received = 37, .lost = 30, .gaps = 1 } },
	{ "one late", 1, { { 5, 1, 1, 0 }, { 7, 1, 2, 0 }, { 6, 1, 1, 0 }, { 8, 1, 3, 0 } },
		{ .received = 4, .lost = 0, .gaps = 1, .late = 1 } },
	{ "late records", 30,
		{ { 0, 30, 1, 0 }, { 60, 30, 2, 0 }, { 30, 30, 1, 0 }, { 90, 5, 3, 0 } },
		{ .received = 95, .lost = 0, .gaps = 1, .late = 1 } },
	{ "three late in a row", 1,
		{ { 1, 1, 1, 0 }, { 5, 1, 2, 0 }, { 2, 1, 1, 0 }, { 3, 1, 1, 0 }, { 4, 1, 1, 0 },
			{ 6, 1, 3, 0 } },
		{ .received = 6, .lost = 0, .gaps = 1, .late = 3 } },
	{ "the same again", 1, { { 5, 1, 1, 0 }, { 5, 1, 1, 0 }, { 6, 1, 2, 0 } },
		{ .received = 3, .duplicates = 1 } },
	{ "records again", 30,
		{ { 30, 30, 1, 0 }, { 60, 30, 1, 0 }, { 30, 30, 1, 0 }, { 90, 30, 2, 0 } },
		{ .received = 120, .duplicates = 1 } },
	{ "a late one twice", 1,
		{ { 5, 1, 1, 0 }, { 7, 1, 2, 0 }, { 6, 1, 1, 0 }, { 6, 1, 1, 0 }, { 8, 1, 2, 0 } },
		{ .received = 5, .gaps = 1, .late = 1, .duplicates = 1 } },
	{ "restart from zero", 1, { { 100000, 1, 9, 0 }, { 0, 1, 9, 0 }, { 1, 1, 9, 0 } },
		{ .received = 3, .restarts = 1 } },
	{ "a jump that is no loss", 1, { { 5, 1, 1, 0 }, { 90000, 1, 2, 0 }, { 90001, 1, 3, 0 } },
		{ .received = 3, .restarts = 1 } },
	{ "the largest gap", 1, { { 0, 1, 1, 0 }, { 20001, 1, 2, 0 } },
		{ .received = 2, .lost = 20000, .gaps = 1 } },
	{ "one more", 1, { { 0, 1, 1, 0 }, { 20002, 1, 2, 0 } }, { .received = 2, .restarts = 1 } },
	{ "behind by 64", 1, { { 100, 1, 1, 0 }, { 37, 1, 1, 0 }, { 101, 1, 2, 0 } },
		{ .received = 3, .late = 1 } },
	{ "behind by 65", 1, { { 100, 1, 1, 0 }, { 36, 1, 1, 0 }, { 37, 1, 2, 0 } },
		{ .received = 3, .restarts = 1 } },
	{ "uptime went back", 1, { { 20, 1, 500, 0 }, { 0, 1, 3, 0 }, { 1, 1, 4, 0 } },
		{ .received = 3, .restarts = 1 } },
	{ "uptime wrapped", 1, { { 20, 1, 4294967, 0 }, { 21, 1, 1, 0 } }, { .received = 2 } },
	{ "a quiet restart shows after three", 1,
		{ { 40, 1, 1, 0 }, { 10, 1, 1, 0 }, { 11, 1, 1, 0 }, { 12, 1, 1, 0 },
			{ 13, 1, 1, 0 } },
		{ .received = 5, .late = 2, .restarts = 1 } },
	{ "unknown units give a new base", 30,
		{ { 100, 5, 1, 1 }, { 140, 5, 1, 0 }, { 145, 5, 1, 0 } }, { .received = 15 } },
	{ "templates only", 30,
		{ { 100, 5, 1, 0 }, { 105, 0, 1, 0 }, { 105, 0, 1, 0 }, { 105, 3, 1, 0 },
			{ 108, 1, 1, 0 } },
		{ .received = 9 } },
};

START_TEST(tells)
{
	struct sequence s = { .known = false };
	struct sequence_counts c = { .received = 0 };
	const struct sequence_counts *want = &stories[_i].want;

	for (const struct step *p = stories[_i].s; p->units || p->number; p++)
		sequence_step(&s, &c,
			&(struct sequence_step) { .number = p->number,
				.units = p->units,
				.unit = stories[_i].unit,
				.uncertain = p->uncertain,
				.has_uptime = true,
				.uptime_ms = p->uptime_s * 1000u });
	ck_assert_msg(c.received == want->received && c.lost == want->lost &&
			c.gaps == want->gaps && c.late == want->late &&
			c.duplicates == want->duplicates && c.restarts == want->restarts,
		"%s: received %lu lost %lu gaps %lu late %lu duplicates %lu restarts %lu",
		stories[_i].name, (unsigned long)c.received, (unsigned long)c.lost,
		(unsigned long)c.gaps, (unsigned long)c.late, (unsigned long)c.duplicates,
		(unsigned long)c.restarts);
}
END_TEST

/* Lost and shuffled by a known amount: what is missing at the end is what was dropped. */
START_TEST(sums_up_a_shuffled_stream)
{
	struct sequence s = { .known = false };
	struct sequence_counts c = { .received = 0 };
	uint32_t order[1000], lcg = 7, dropped = 0;

	for (uint32_t i = 0; i < 1000; i++)
		order[i] = i;
	for (uint32_t i = 1; i + 1 < 999; i += 2) {	/* neighbours trade places, the ends stay */
		lcg = lcg * 1664525u + 1013904223u;
		if (lcg >> 31) {
			uint32_t tmp = order[i];

			order[i] = order[i + 1];
			order[i + 1] = tmp;
		}
	}
	for (uint32_t i = 0; i < 1000; i++) {
		if (i % 50 == 25) {
			dropped++;
			continue;
		}
		sequence_step(&s, &c,
			&(struct sequence_step) {
				.number = order[i] * 10, .units = 10, .unit = 30 });
	}
	ck_assert_uint_eq(c.lost, dropped * 10);
	ck_assert_uint_eq(c.received, (1000 - dropped) * 10);
	ck_assert_uint_eq(c.restarts, 0);
	ck_assert_uint_eq(c.duplicates, 0);
}
END_TEST

/*
 * A path that loses one in twenty, and hands over one in ten again up to 40 places
 * later: nothing that comes again may hide a loss.  The numbers wrap on the way.
 */
static const struct {
	uint32_t units, unit;
} kinds[] = { { 1, 1 }, { 30, 30 }, { 400, 30 } };

START_TEST(duplicates_hide_no_loss)
{
	enum { SENT = 5000, LATER = 40 };
	const uint32_t units = kinds[_i].units;
	struct sequence s = { .known = false };
	struct sequence_counts c = { .received = 0 };
	uint32_t lcg = 11, lost = 0, again = 0, copies[SENT + LATER + 1] = { 0 };

	for (uint32_t i = 0; i < SENT; i++) {
		struct sequence_step in = { .units = units, .unit = kinds[_i].unit };

		in.number = (i - SENT / 2) * units;
		lcg = lcg * 1664525u + 1013904223u;
		if (i > 0 && i < SENT - 1 && lcg >> 16 < 65536 / 20) {
			lost++;
		} else {
			sequence_step(&s, &c, &in);
			if (lcg >> 16 > 65536 / 10 * 9) {
				const uint32_t at = i + 1 + lcg % LATER;

				again += copies[at] == 0;
				copies[at] = copies[at] ? copies[at] : i + 1;
			}
		}
		if (copies[i]) {
			in.number = (copies[i] - 1 - SENT / 2) * units;
			sequence_step(&s, &c, &in);
		}
	}
	for (uint32_t i = SENT; i < SENT + LATER + 1; i++)
		again -= copies[i] != 0;
	ck_assert_uint_gt(lost, 200);
	ck_assert_uint_gt(again, 200);
	ck_assert_uint_eq(c.lost, lost * units);
	ck_assert_uint_eq(c.duplicates, again);
	ck_assert_uint_eq(c.late, 0);
	ck_assert_uint_eq(c.restarts, 0);
	ck_assert_uint_eq(c.received, (SENT - lost + again) * (uint64_t)units);
}
END_TEST

Suite *suite_sequence(void)
{
	Suite *s = suite_create("sequence");
	TCase *t = tcase_create("sequence");

	tcase_add_loop_test(t, tells, 0, COUNT(stories));
	tcase_add_test(t, sums_up_a_shuffled_stream);
	tcase_add_loop_test(t, duplicates_hide_no_loss, 0, COUNT(kinds));
	suite_add_tcase(s, t);
	return s;
}
