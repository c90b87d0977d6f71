/*
 * check_recall.c - what the template memory keeps, tells, forgets and numbers.
 * Messages are written out octet by octet; what is told is expected octet by
 * octet too (RFC 3954 5, RFC 7011 3).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "replicator/recall.h"
#include "wire/cursor.h"

static struct recall *m;
static struct recall_known k;

static const struct recall_limits limits = { .streams = 4, .items = 8, .octets = 4096 };

static void setup(void)
{
	m = recall_new(&limits, 1);
	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(recall_known_init(&k, m), 0);
}

static void teardown(void)
{
	recall_known_clear(&k);
	recall_free(m);
}

static struct datagram datagram(const uint8_t *p, size_t n, uint16_t port)
{
	return (struct datagram) { .data = { p, n },
		.from = { addr_make4(0x0a000001), port, false } };
}
#define D(bytes, port) datagram(bytes, sizeof(bytes), port)

/* One datagram is a batch; `sent`: the receiver got it.  Returns its mark. */
static struct recall_mark batch(struct datagram d, bool sent)
{
	struct recall_mark mark;
	struct peek peek;

	wire_peek(&peek, d.data);
	recall_begin(m);
	recall_look(m, &d, &peek, &mark);
	if (sent)
		recall_heard(&k, m, &mark, &(uint32_t){ 0 }, 1);
	recall_learn(m, &d, &peek);
	return mark;
}

/* What the receiver is told before `d`; joined. */
static size_t told(struct datagram d, uint8_t *out, size_t *messages)
{
	const struct bytes *list;
	struct recall_mark mark;
	struct peek peek;
	size_t n = 0;

	*messages = 0;
	wire_peek(&peek, d.data);
	recall_begin(m);
	recall_look(m, &d, &peek, &mark);
	if (!recall_needs(m, &k, &mark))
		return 0;
	*messages = recall_messages(m, &mark, d.data, &list);
	for (size_t i = 0; i < *messages; i++) {
		memcpy(out + n, list[i].p, list[i].n);
		n += list[i].n;
	}
	recall_told(&k, m, &mark);
	return n;
}

#define V9(count, sequence) 0, 9, 0, count, 0, 0, 0, 7, 0x66, 0, 0, 0, 0, 0, 0, sequence, 0, 0, 0, 5
#define IPFIX(length, sequence) 0, 10, 0, length, 0x66, 0, 0, 0, 0, 0, 0, sequence, 0, 0, 0, 5
/* Template 256 of octets (1, 4) and packets (2, 4); 257 of octets alone. */
#define T256 1, 0, 0, 2, 0, 1, 0, 4, 0, 2, 0, 4
#define T257 1, 1, 0, 1, 0, 1, 0, 4

static const uint8_t v9_templates[] = { V9(2, 40), 0, 0, 0, 24, T256, T257 };
static const uint8_t v9_data[] = { V9(1, 42), 1, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1 };

START_TEST(tells_v9_templates)
{
	static const uint8_t want[] = { V9(2, 41), 0, 0, 0, 24, T256, T257 };
	uint8_t got[4096];
	size_t n;

	batch(D(v9_templates, 2055), false);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), sizeof(want));
	ck_assert_uint_eq(n, 1);
	ck_assert_mem_eq(got, want, sizeof(want));
	/* Once. */
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 0);
	/* Nothing is known of another port, or of v5. */
	ck_assert_uint_eq(told(D(v9_data, 2056), got, &n), 0);
	recall_forget(&k, m);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), sizeof(want));
}
END_TEST

START_TEST(who_heard_is_not_told)
{
	static const uint8_t again[] = { V9(1, 43), 0, 0, 0, 12, T257 };
	static const uint8_t other[] = { V9(1, 44), 0, 0, 0, 12, 1, 1, 0, 1, 0, 2, 0, 4 };
	uint8_t got[4096];
	size_t n;

	batch(D(v9_templates, 2055), true);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 0);
	/* A refresh that it missed says nothing new; another definition does. */
	batch(D(again, 2055), false);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 0);
	batch(D(other, 2055), false);
	ck_assert_uint_gt(told(D(v9_data, 2055), got, &n), 0);
	ck_assert_uint_eq(recall_counts(m)->refreshed, 1);
	ck_assert_uint_eq(recall_counts(m)->learnt, 3);
}
END_TEST

/* Options template 300: scope 1 (system, 4), sampler ID (48, 1), interval (50, 4); records of 9
 * octets. */
static const uint8_t v9_options[] = { V9(3, 1), 0, 1, 0, 24, 1, 44, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48,
	0, 1, 0, 50, 0, 4, 0, 0 };
static const uint8_t v9_samplers[] = { V9(2, 2), 1, 44, 0, 24, 0, 0, 0, 0, 1, 0, 0, 0, 100,
	0, 0, 0, 0, 2, 0, 0, 0, 200, 0, 0 };
static const uint8_t v9_sampler1[] = { V9(1, 3), 1, 44, 0, 16, 0, 0, 0, 0, 1, 0, 0, 0, 50, 0, 0,
	0 };

START_TEST(keeps_one_record_for_each_sampler)
{
	static const uint8_t want[] = { V9(3, 41), 0, 1, 0, 24, 1, 44, 0, 4, 0, 8, 0, 1, 0, 4, 0,
		48, 0, 1, 0, 50, 0, 4, 0, 0, 1, 44, 0, 24, 0, 0, 0, 0, 2, 0, 0, 0, 200, 0, 0, 0, 0,
		1, 0, 0, 0, 50, 0, 0 };
	uint8_t got[4096];
	size_t n;

	batch(D(v9_options, 2055), false);
	batch(D(v9_samplers, 2055), false);
	batch(D(v9_sampler1, 2055), false);
	ck_assert_uint_eq(recall_counts(m)->items, 3);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), sizeof(want));
	ck_assert_mem_eq(got, want, sizeof(want));
	/* The ID becomes a template: the records are gone. */
	static const uint8_t redefined[] = { V9(1, 4), 0, 0, 0, 12, 1, 44, 0, 1, 0, 1, 0, 4 };

	batch(D(redefined, 2055), true);
	ck_assert_uint_eq(recall_counts(m)->items, 1);
}
END_TEST

/* IPFIX: templates do not count, option records do; the next datagram is number 42. */
START_TEST(numbers_ipfix_by_records)
{
	static const uint8_t templates[] = { IPFIX(32, 0), 0, 2, 0, 16, T256 };
	static const uint8_t options[] = { IPFIX(56, 0), 0, 3, 0, 18, 1, 44, 0, 2, 0, 1, 0, 144, 0,
		4, 0, 34, 0, 4, 1, 44, 0, 20, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 20 };
	static const uint8_t data[] = { IPFIX(28, 42), 1, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1 };
	static const uint8_t want[] = { IPFIX(72, 40), 0, 2, 0, 16, T256,
		0, 3, 0, 20, 1, 44, 0, 2, 0, 1, 0, 144, 0, 4, 0, 34, 0, 4, 0, 0,
		1, 44, 0, 20, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 20 };
	static const uint8_t withdrawal[] = { IPFIX(24, 0), 0, 2, 0, 8, 1, 0, 0, 0 };
	uint8_t got[4096];
	size_t n;

	batch(D(templates, 2055), false);
	batch(D(options, 2055), false);
	batch(D(options, 2055), false);
	ck_assert_uint_eq(told(D(data, 2055), got, &n), sizeof(want));
	ck_assert_mem_eq(got, want, sizeof(want));
	batch(D(withdrawal, 2055), true);
	ck_assert_uint_eq(recall_counts(m)->withdrawn, 1);
	ck_assert_uint_eq(recall_counts(m)->items, 3);
}
END_TEST

/* Three octets of padding would be a record: a scope of an octet, and an empty text (RFC 7011
 * 7). */
START_TEST(pads_no_records)
{
	static const uint8_t options[] = { IPFIX(34, 0), 0, 3, 0, 18, 1, 44, 0, 2, 0, 1, 0, 144, 0,
		1, 0, 82, 0xff, 0xff };
	static const uint8_t record[] = { IPFIX(25, 0), 1, 44, 0, 9, 7, 3, 'l', 'o', '0' };
	static const uint8_t data[] = { IPFIX(28, 42), 1, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1 };
	static const uint8_t want[] = { IPFIX(45, 41), 0, 3, 0, 20, 1, 44, 0, 2, 0, 1, 0, 144, 0,
		1, 0, 82, 0xff, 0xff, 0, 0, 1, 44, 0, 9, 7, 3, 'l', 'o', '0' };
	uint8_t got[4096];
	size_t n;

	batch(D(options, 2055), false);
	batch(D(record, 2055), false);
	ck_assert_uint_eq(told(D(data, 2055), got, &n), sizeof(want));
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

/* More than fits one message: each within its bound, numbered up to the next datagram. */
START_TEST(cuts_into_messages)
{
	static uint8_t big[4][20 + 4 + 4 + 4 * 100];
	uint8_t got[4096];
	size_t n;

	for (unsigned i = 0; i < 4; i++) {
		struct cursor c = cursor(big[i], sizeof(big[i]));

		put_bytes(&c, (const uint8_t[]){ V9(1, 1) }, 20);
		put16(&c, 0);
		put16(&c, sizeof(big[i]) - 20);
		put16(&c, (uint16_t)(256 + i));
		put16(&c, 100);
		for (unsigned f = 0; f < 100; f++)
			put32(&c, (f + 1) << 16 | 4);
		ck_assert(!c.full);
		batch(D(big[i], 2055), false);
	}
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 4 * 404 + 2 * 24);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(got[15], 40);
	ck_assert_uint_eq(got[20 + 4 + 3 * 404 + 15], 41);
}
END_TEST

START_TEST(is_bounded)
{
	uint8_t one[sizeof(v9_templates)], got[4096];
	size_t n;

	/* Four streams are kept, and eight items. */
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(one, v9_templates, sizeof(one));
		one[16] = (uint8_t)(i >> 8);
		one[17] = (uint8_t)i;
		batch(D(one, 2055), i % 2);
		ck_assert_uint_le(recall_counts(m)->streams, 4);
		ck_assert_uint_le(recall_counts(m)->items, 8);
	}
	ck_assert_uint_eq(recall_counts(m)->evicted_streams, 996);
	ck_assert_uint_eq(recall_counts(m)->learnt, 2000);
	ck_assert_uint_eq(told(D(one, 2055), got, &n), 0);
	/*
	 * 16 definitions into a fifth stream, which takes the place of one and its
	 * two items: behind the two that are free, each makes another give way.
	 */
	for (unsigned i = 0; i < 16; i++) {
		uint8_t t[] = { V9(1, 1), 0, 0, 0, 12, 2, (uint8_t)i, 0, 1, 0, 1, 0, 4 };

		batch(D(t, 2055), false);
	}
	ck_assert_uint_eq(recall_counts(m)->items, 8);
	ck_assert_uint_eq(recall_counts(m)->evicted_items, 14);
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 20 + 4 + 8 * 8);
}
END_TEST

/* More records than there is room for: the last seven stay, behind what they are read with. */
START_TEST(records_give_way_before_their_template)
{
	uint8_t many[20 + 4 + 12 * 9] = { V9(12, 2), 1, 44, 0, 4 + 12 * 9 }, got[4096];
	const uint8_t template[] = { 0, 1, 0, 24, 1, 44, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 1, 0,
		50, 0, 4, 0, 0 };
	size_t n;

	for (size_t i = 0; i < 12; i++)
		many[24 + 9 * i + 4] = (uint8_t)i;
	batch(D(v9_options, 2055), false);
	batch(D(many, 2055), false);
	ck_assert_uint_eq(recall_counts(m)->items, 8);
	ck_assert_uint_eq(recall_counts(m)->evicted_items, 5);
	/* 7 records of 9 octets are padded to 64. */
	ck_assert_uint_eq(told(D(v9_data, 2055), got, &n), 20 + sizeof(template) + 4 + 64);
	ck_assert_mem_eq(got + 20, template, sizeof(template));
	ck_assert_mem_eq(got + 20 + sizeof(template) + 4, many + 24 + 5 * 9, 7 * 9);
}
END_TEST

/* Cut anywhere: nothing is read beyond the end, and what is kept stays whole. */
START_TEST(takes_any_cut)
{
	const uint8_t *all[] = { v9_templates, v9_options, v9_samplers };
	const size_t lengths[] = { sizeof(v9_templates), sizeof(v9_options), sizeof(v9_samplers) };
	uint8_t got[4096];
	size_t n;

	for (size_t i = 0; i < 3; i++) {
		for (size_t cut = 0; cut <= lengths[i]; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);

			memcpy(copy, all[i], cut);
			batch(datagram(copy, cut, 2055), false);
			free(copy);
		}
	}
	ck_assert_uint_gt(told(D(v9_data, 2055), got, &n), 0);
}
END_TEST

Suite *suite_recall(void);
Suite *suite_recall(void)
{
	Suite *s = suite_create("recall");
	TCase *t = tcase_create("recall");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, tells_v9_templates);
	tcase_add_test(t, who_heard_is_not_told);
	tcase_add_test(t, keeps_one_record_for_each_sampler);
	tcase_add_test(t, numbers_ipfix_by_records);
	tcase_add_test(t, pads_no_records);
	tcase_add_test(t, cuts_into_messages);
	tcase_add_test(t, is_bounded);
	tcase_add_test(t, records_give_way_before_their_template);
	tcase_add_test(t, takes_any_cut);
	suite_add_tcase(s, t);
	return s;
}
