/*
 * check_renumber.c - numbers of a stream of which some datagrams are left out:
 * what arrives has no gap but the losses that the exporter's own numbers show.
 */
#include <check.h>

#include "replicator/renumber.h"

enum { MOST = 12 };

/* Numbers as they come, whether each is sent, and the number that a sent one gets. */
static const struct {
	const char *name;
	size_t n;
	uint32_t in[MOST];
	const char *sent;	/* '1', '0' */
	uint32_t out[MOST];	/* of those sent */
} rows[] = {
	{ "all", 3, { 5, 6, 7 }, "111", { 5, 6, 7 } },
	{ "every second", 6, { 5, 6, 7, 8, 9, 10 }, "101010", { 5, 6, 7 } },
	{ "records, 30 each", 5, { 100, 130, 160, 190, 220 }, "10011", { 100, 130, 160 } },
	{ "begins left out", 4, { 100, 130, 160, 190 }, "0011", { 100, 130 } },
	{ "a loss stays", 4, { 1, 2, 9, 10 }, "1111", { 1, 2, 9, 10 } },
	{ "a loss before what is left out", 5, { 1, 2, 9, 10, 11 }, "11011", { 1, 2, 9, 10 } },
	{ "late", 5, { 10, 12, 11, 13, 14 }, "11111", { 10, 12, 11, 13, 14 } },
	{ "over the end", 4, { UINT32_MAX - 1, UINT32_MAX, 0, 1 }, "1001",
		{ UINT32_MAX - 1, UINT32_MAX } },
	{ "begins anew", 5, { 1000, 1001, 3, 4, 5 }, "11111", { 1000, 1001, 3, 4, 5 } },
};

START_TEST(numbers)
{
	struct renumber *r = renumber_new(1);
	const struct endpoint from = { addr_make4(1), 2055, false };
	size_t k = 0;

	for (size_t i = 0; i < rows[_i].n; i++) {
		struct peek p = {
			.protocol = PROTO_NETFLOW9, .domain = 1, .sequence = rows[_i].in[i]
		};
		struct peek other = { .protocol = PROTO_NETFLOW9, .domain = 2, .sequence = 77 };
		const bool sent = rows[_i].sent[i] == '1';
		const uint32_t number = renumber_next(r, &from, &p, sent ? RENUMBER_ALL : 0);

		/* Another domain between them does not matter. */
		ck_assert_uint_eq(renumber_next(r, &from, &other, RENUMBER_ALL), 77);
		if (sent)
			ck_assert_msg(number == rows[_i].out[k],
				"%s: datagram %zu: %u, expected %u", rows[_i].name, i, number,
				rows[_i].out[k]);
		k += sent;
	}
	renumber_free(r);
}
END_TEST

/* Where the number stands (Cisco's white paper, RFC 3954 5.1, RFC 7011 3.1, sFlow 5 and RFC 3176).
 */
START_TEST(offsets)
{
	uint8_t d[40] = { 0 };
	const struct bytes all = { d, sizeof(d) };

	ck_assert_uint_eq(renumber_offset(&(struct peek){ .protocol = PROTO_NETFLOW5 }, all), 16);
	ck_assert_uint_eq(renumber_offset(&(struct peek){ .protocol = PROTO_NETFLOW9 }, all), 12);
	ck_assert_uint_eq(renumber_offset(&(struct peek){ .protocol = PROTO_IPFIX }, all), 8);
	ck_assert_uint_eq(renumber_offset(&(struct peek){ .protocol = PROTO_NETFLOW1 }, all), 0);
	d[7] = 1;
	ck_assert_uint_eq(
		renumber_offset(&(struct peek) { .protocol = PROTO_SFLOW, .version = 5 }, all), 16);
	ck_assert_uint_eq(
		renumber_offset(&(struct peek) { .protocol = PROTO_SFLOW, .version = 4 }, all), 12);
	d[7] = 2;
	ck_assert_uint_eq(
		renumber_offset(&(struct peek) { .protocol = PROTO_SFLOW, .version = 5 }, all), 28);
	/* Not in a datagram that is too short for it. */
	ck_assert_uint_eq(renumber_offset(&(struct peek){ .protocol = PROTO_SFLOW, .version = 5 },
					  (struct bytes){ d, 31 }), 0);
}
END_TEST

START_TEST(is_bounded)
{
	struct renumber *r = renumber_new(1);
	const struct endpoint from = { addr_make4(1), 2055, false };

	for (uint32_t i = 0; i < RENUMBER_STREAMS + 10; i++)
		renumber_next(
			r, &from, &(struct peek) { .protocol = PROTO_IPFIX, .domain = i }, true);
	ck_assert_uint_eq(renumber_evicted(r), 10);
	renumber_free(r);
}
END_TEST

Suite *suite_renumber(void);
Suite *suite_renumber(void)
{
	Suite *s = suite_create("renumber");
	TCase *t = tcase_create("renumber");

	tcase_add_loop_test(t, numbers, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, offsets);
	tcase_add_test(t, is_bounded);
	suite_add_tcase(s, t);
	return s;
}
