/*
 * check_memory.c - what exporters have told goes from one process to the next;
 * a file that is cut or changed teaches what is sound in it and nothing else.
 */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "replicator/memory.h"

Suite *suite_memory(void);

static struct worker before, after[2];

/* A v9 template of two fields; an IPFIX options template with a record (RFC 3954, 7011). */
static const uint8_t v9[] = { 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0,
	16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4 };
static const uint8_t ipfix[] = { 0, 10, 0, 46, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 3, 0, 18, 1,
	1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4, 1, 1, 0, 12, 0, 0, 0, 3, 0, 0, 0, 100 };

static void start(struct worker *w)
{
	const struct worker_limits limits = { 65536, 1, { 0, 0, 64 } };

	worker_blank(w);
	ck_assert_int_eq(worker_init(w, &limits), 0);
}

static void setup(void)
{
	start(&before);
	start(&after[0]);
	start(&after[1]);
}

static void teardown(void)
{
	worker_clear(&before);
	worker_clear(&after[0]);
	worker_clear(&after[1]);
}

static void hear(struct worker *w, struct bytes data, uint32_t from)
{
	struct datagram d = { data, { addr_make4(from), 2055, false }, 0 };

	fanout_batch(w->fanout, &(struct batch){ .d = &d, .n = 1 }, 1);
}

static FILE *handed(void)
{
	const int fd = memory_hand(&before, 1, NULL);

	ck_assert_int_ge(fd, 0);
	return fdopen(fd, "r");
}

static void fill(void)
{
	hear(&before, (struct bytes){ v9, sizeof(v9) }, 0x0a000001);
	hear(&before, (struct bytes){ v9, sizeof(v9) }, 0x0a000002);
	hear(&before, (struct bytes){ ipfix, sizeof(ipfix) }, 0x0a000003);
	/* The record came before its template was known: again. */
	hear(&before, (struct bytes){ ipfix, sizeof(ipfix) }, 0x0a000003);
	ck_assert_uint_eq(recall_counts(before.fanout->recall)->streams, 3);
	ck_assert_uint_ge(recall_counts(before.fanout->recall)->items, 4);
}

START_TEST(all_of_it)
{
	const struct recall_counts *was = recall_counts(before.fanout->recall), *is;
	FILE *f;

	fill();
	f = handed();
	ck_assert_int_ge(memory_read(f, after, 1), 3);
	fclose(f);
	is = recall_counts(after[0].fanout->recall);
	ck_assert_uint_eq(is->streams, was->streams);
	ck_assert_uint_eq(is->items, was->items);
	ck_assert_uint_eq(is->octets, was->octets);
	ck_assert_uint_eq(is->refused, 0);
	/* More workers: any of them may get an exporter. */
	f = handed();
	ck_assert_int_ge(memory_read(f, after, 2), 3);
	fclose(f);
	ck_assert_uint_eq(recall_counts(after[1].fanout->recall)->items, was->items);
}
END_TEST

START_TEST(cut)
{
	static uint8_t octets[4096];
	size_t n;
	FILE *f;

	fill();
	f = handed();
	n = fread(octets, 1, sizeof(octets), f);
	fclose(f);
	ck_assert_uint_gt(n, 100);
	for (size_t k = 1; k < n; k++) {
		f = fmemopen(octets, k, "r");
		ck_assert_int_eq(memory_read(f, after, 1), -1);
		fclose(f);
	}
	/* Each octet another: nothing that breaks, and no more than was there. */
	for (size_t k = 0; k < n; k++) {
		octets[k] ^= 0xff;
		f = fmemopen(octets, n, "r");
		memory_read(f, after, 1);
		fclose(f);
		octets[k] ^= 0xff;
	}
	f = fmemopen(octets, n, "r");
	ck_assert_int_ge(memory_read(f, after, 1), 3);
	fclose(f);
}
END_TEST

START_TEST(a_file)
{
	char path[] = "/tmp/check-memory-XXXXXX";
	const int fd = mkstemp(path);
	FILE *f;

	ck_assert_int_ge(fd, 0);
	close(fd);
	fill();
	ck_assert_int_eq(memory_save(path, &before, 1), 0);
	f = fopen(path, "r");
	ck_assert_int_ge(memory_read(f, after, 1), 3);
	fclose(f);
	unlink(path);
	ck_assert_int_eq(memory_save("/nowhere/templates", &before, 1), -1);
}
END_TEST

Suite *suite_memory(void)
{
	Suite *s = suite_create("memory");
	TCase *t = tcase_create("memory");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, all_of_it);
	tcase_add_test(t, cut);
	tcase_add_test(t, a_file);
	suite_add_tcase(s, t);
	return s;
}
