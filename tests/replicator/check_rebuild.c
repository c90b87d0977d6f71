/*
 * check_rebuild.c - datagrams with a tenant's records only, octet by octet:
 * counts, lengths, padding, sequence numbers, and what joins what.
 */
#include <check.h>
#include <stdlib.h>

#include "replicator/rebuild.h"
#include "wire/cursor.h"

enum { MOST = 16 };

static struct tenant tenant;
static struct rebuild *r;
static struct subject subjects[MOST];
static struct endpoint from;
static struct bytes in_data[MOST], out_data[SHARE_MAX];
static const struct endpoint *in_from[MOST], *out_from[SHARE_MAX];
static uint32_t in_at[MOST], out_at[SHARE_MAX];
static struct rebuild_out out = { out_data, out_from, out_at, 0 };

static void setup(void)
{
	const char *why;

	memset(&tenant, 0, sizeof(tenant));
	ck_assert(tenant_key(&tenant, "networks", "10.1.0.0/16", &why) && !why);
	r = rebuild_new(&tenant, 1);
	ck_assert_ptr_nonnull(r);
	from = (struct endpoint){ addr_make4(0xc0000201), 5000, false };
}

static void teardown(void)
{
	rebuild_free(r);
}

static void run(const struct bytes *d, size_t n)
{
	struct datagram one = { .from = from };

	for (size_t i = 0; i < n; i++) {
		one.data = in_data[i] = d[i];
		in_from[i] = &from;
		in_at[i] = (uint32_t)i;
		classify_subject(&subjects[i], &one, 2055);
		subjects[i].from = &from;
	}
	ck_assert_uint_eq(
		rebuild(r, &(struct share) { in_data, in_from, in_at, n }, subjects, 0, &out), n);
}

#define B(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

static void expect(size_t i, struct bytes want)
{
	ck_assert_uint_lt(i, out.n);
	ck_assert_uint_eq(out.data[i].n, want.n);
	ck_assert_mem_eq(out.data[i].p, want.p, want.n);
}

#define V9(count, second, sequence) 0, 9, 0, count, 0, 0, 0, 7, 0x66, 0, 0, second, 0, 0, 0, sequence, 0, 0, 0, 5
/* 256: source (8, 4), octets (1, 2): records of 6 octets; 257: destination (12, 4), octets (1, 4).
 */
#define T256 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 2
#define T257 1, 1, 0, 2, 0, 12, 0, 4, 0, 1, 0, 4
#define OURS(k, v) 10, 1, 0, k, 0, v
#define THEIRS(k, v) 10, 2, 0, k, 0, v

START_TEST(v9)
{
	const struct bytes in[] = {
		B(V9(2, 0, 40), 0, 0, 0, 28, T256, T257),
		B(V9(5, 0, 41), 1, 0, 0, 24, OURS(1, 1), THEIRS(2, 2), OURS(3, 3), 0, 0, 1, 1, 0,
			20, 10, 2, 0, 9, 0, 0, 0, 9, 10, 1, 0, 9, 0, 0, 0, 8),
		B(V9(2, 0, 42), 1, 0, 0, 16, OURS(4, 4), THEIRS(5, 5)), /* the same second: joins */
		B(V9(1, 1, 43), 1, 0, 0, 12, THEIRS(6, 6), 0, 0), /* nothing left of it */
		B(V9(1, 1, 44), 1, 0, 0, 12, OURS(7, 7), 0, 0),
		B(V9(1, 1, 45), 1, 2, 0, 8, 1, 2, 3, 4), /* no template */
	};
	const struct bytes joined = B(V9(4, 0, 41), 1, 0, 0, 16, OURS(1, 1), OURS(3, 3), 1, 1, 0,
		12, 10, 1, 0, 9, 0, 0, 0, 8, 1, 0, 0, 12, OURS(4, 4), 0, 0);
	const struct bytes last = B(V9(1, 1, 42), 1, 0, 0, 12, OURS(7, 7), 0, 0);

	run(in, 6);
	ck_assert_uint_eq(out.n, 3);
	expect(0, in[0]);
	expect(1, joined);
	expect(2, last);
	ck_assert_uint_eq(out.at[0], 0);
	ck_assert_uint_eq(out.at[1], 1);
	ck_assert_uint_eq(rebuild_counts(r)->records, 9);
	ck_assert_uint_eq(rebuild_counts(r)->kept, 5);
	ck_assert_uint_eq(rebuild_counts(r)->unread_octets, 8);
	/* The next batch goes on with the next number. */
	run(in + 4, 1);
	ck_assert_uint_eq(out.data[0].p[15], 43);
}
END_TEST

#define IPFIX(length, sequence) 0, 10, 0, length, 0x66, 0, 0, 0, 0, 0, 0, sequence, 0, 0, 0, 5

START_TEST(ipfix)
{
	/* Options template 300: scope exporting process (144, 4), sampling interval (34, 4). */
	const struct bytes in[] = {
		B(IPFIX(36, 9), 0, 2, 0, 20, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 2, 0, 0, 0, 0),
		B(IPFIX(46, 9), 0, 3, 0, 18, 1, 44, 0, 2, 0, 1, 0, 144, 0, 4, 0, 34, 0, 4,
		  1, 44, 0, 12, 0, 0, 0, 1, 0, 0, 0, 10),
		B(IPFIX(32, 10), 1, 0, 0, 16, OURS(1, 1), THEIRS(2, 2)),
		B(IPFIX(32, 12), 1, 0, 0, 16, THEIRS(3, 3), OURS(4, 4)),
	};
	const struct bytes joined = B(IPFIX(32, 10), 1, 0, 0, 16, OURS(1, 1), OURS(4, 4));

	run(in, 4);
	ck_assert_uint_eq(out.n, 3);
	expect(0, in[0]);
	expect(1, in[1]);
	expect(2, joined);
	run(in + 2, 1);
	/* One option record and two data records after 9. */
	ck_assert_uint_eq(out.data[0].p[11], 12);
}
END_TEST

/* Records of 48 octets; of each only the source is set. */
static struct bytes v5(uint8_t *buf, const uint8_t *second, size_t n, uint8_t sequence)
{
	memset(buf, 0, 24 + 48 * n);
	buf[1] = 5;
	buf[3] = (uint8_t)n;
	buf[19] = sequence;
	for (size_t i = 0; i < n; i++) {
		buf[24 + 48 * i] = 10;
		buf[24 + 48 * i + 1] = second[i];
		buf[24 + 48 * i + 3] = (uint8_t)i;
	}
	return (struct bytes){ buf, 24 + 48 * n };
}

START_TEST(netflow5)
{
	static uint8_t a[24 + 48 * 3], b[24 + 48 * 3], want[24 + 48 * 3];
	const struct bytes in[] = { v5(a, (const uint8_t[]) { 1, 2, 1 }, 3, 7),
		v5(b, (const uint8_t[]) { 2, 2, 1 }, 3, 10) };

	v5(want, (const uint8_t[]){ 1, 1, 1 }, 3, 7);
	want[24 + 48 + 3] = want[24 + 96 + 3] = 2;
	run(in, 2);
	ck_assert_uint_eq(out.n, 1);
	expect(0, (struct bytes){ want, sizeof(want) });
	/* No larger than the exporter's: the fourth begins another. */
	run((const struct bytes[]){ in[0], in[0] }, 2);
	ck_assert_uint_eq(out.n, 2);
	ck_assert_uint_eq(out.data[0].p[19], 10);
	ck_assert_uint_eq(out.data[1].p[19], 13);
	ck_assert_uint_eq(out.data[1].p[3], 1);
}
END_TEST

/* The exporter's first datagram is a small one, and a large one joins it. */
START_TEST(grows)
{
	static uint8_t a[24 + 48], b[24 + 48 * 30];
	uint8_t all[30];
	const struct bytes in[] = { v5(a, (const uint8_t[]) { 1 }, 1, 7),
		v5(b, memset(all, 1, sizeof(all)), 30, 8) };

	run(in, 2);
	ck_assert_uint_eq(out.n, 2);
	ck_assert_uint_eq(out.data[0].n, 24 + 48 * 30);
	ck_assert_uint_eq(out.data[0].p[3], 30);
	ck_assert_uint_eq(out.data[1].n, 24 + 48);
	ck_assert_uint_eq(out.data[1].p[3], 1);
	/* The last record stands in the second, behind all others. */
	ck_assert_uint_eq(out.data[0].p[24 + 48 * 29 + 3], 28);
	ck_assert_uint_eq(out.data[1].p[24 + 3], 29);
}
END_TEST

/* What cannot be read is not for a tenant. */
START_TEST(unreadable)
{
	const struct bytes in[] = { B(0xaa, 0xbb), B(0, 8, 0, 0), B(0, 9, 0, 1),
		B(0, 5, 0, 9, 1, 2, 3), { (const uint8_t *)"", 0 } };

	run(in, 5);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(rebuild_counts(r)->unread_octets, 2 + 4 + 4 + 7);
}
END_TEST

/* From an sFlow 5 datagram: header, two counter samples (interfaces 3 and 4), nothing else. */
START_TEST(counters_by_interface)
{
	static const uint8_t interface3[] = { 0, 0, 0, 2, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0,
		0, 0 };
	static const uint8_t interface4[] = { 0, 0, 0, 2, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0,
		0, 0 };
	static const uint8_t head[] = { 0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 9, 0, 0, 0,
		6, 0, 0, 0, 7, 0, 0, 0, 2 };
	uint8_t d[sizeof(head) + 40], want[sizeof(head) + 20];
	const char *why;

	memcpy(d, head, sizeof(head));
	memcpy(d + sizeof(head), interface3, 20);
	memcpy(d + sizeof(head) + 20, interface4, 20);
	memcpy(want, head, sizeof(head));
	want[sizeof(head) - 1] = 1;
	memcpy(want + sizeof(head), interface4, 20);
	run(&(struct bytes){ d, sizeof(d) }, 1);
	ck_assert_uint_eq(out.n, 0);
	ck_assert(tenant_key(&tenant, "interfaces", "4-5", &why) && !why);
	run(&(struct bytes){ d, sizeof(d) }, 1);
	ck_assert_uint_eq(out.n, 1);
	expect(0, (struct bytes){ want, sizeof(want) });
	ck_assert_uint_eq(rebuild_counts(r)->counters, 4);
	ck_assert_uint_eq(rebuild_counts(r)->counters_kept, 1);
}
END_TEST

Suite *suite_rebuild(void);
Suite *suite_rebuild(void)
{
	Suite *s = suite_create("rebuild");
	TCase *t = tcase_create("rebuild");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, v9);
	tcase_add_test(t, ipfix);
	tcase_add_test(t, netflow5);
	tcase_add_test(t, grows);
	tcase_add_test(t, unreadable);
	tcase_add_test(t, counters_by_interface);
	suite_add_tcase(s, t);
	return s;
}
