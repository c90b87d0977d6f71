/*
 * check_gate.c - what comes in and what does not, with the time as an argument;
 * sequence numbers by the laws of RFC 3954, RFC 7011 and Cisco's v5.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/gate.h"
#include "wire/cursor.h"

Suite *suite_gate(void);

enum { SECOND = 1000000000, MOST = 64 };

static char logged[2048];
static struct receivers rs;
static struct gate *g;
static struct datagram in[MOST];
static uint8_t octets[MOST][128];
static struct batch b;
static uint64_t received;
static struct dedup *window;

static void take_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	snprintf(logged + strlen(logged), sizeof(logged) - strlen(logged), "%s\n", text);
}

static void setup(void)
{
	logged[0] = '\0';
	log_capture(take_log, NULL);
	receivers_init(&rs);
	b = (struct batch){ .d = in };
	received = 0;
}

static void teardown(void)
{
	struct outlet none = { 0 };

	gate_free(g);
	g = NULL;
	dedup_free(window);
	window = NULL;
	receivers_clear(&rs, &none);
	log_capture(NULL, NULL);
}

static void use(uint64_t rate, uint64_t dedup_ns)
{
	window = dedup_ns ? dedup_new(dedup_ns, DEDUP_ENTRIES, 9) : NULL;
	g = gate_new(&(struct gate_limits){ rate, window, 64 }, 7);
	ck_assert_ptr_nonnull(g);
	gate_refresh(g, NULL, 0);
}

/* A datagram from `from` (an IPv4 address as number) into the batch. */
static struct cursor next(uint32_t from)
{
	ck_assert_uint_lt(b.n, MOST);
	in[b.n].from = (struct endpoint){ addr_make4(from), 2055, false };
	memset(octets[b.n], 0, sizeof(octets[b.n]));
	return cursor(octets[b.n], sizeof(octets[b.n]));
}

static void done(struct cursor *c)
{
	in[b.n].data = (struct bytes){ octets[b.n], cursor_used(c) };
	b.n++;
	received++;
}

static void v5(uint32_t from, uint32_t sequence, uint16_t records)
{
	struct cursor c = next(from);

	put16(&c, 5);
	put16(&c, records);
	put32(&c, 1000 + sequence);	/* uptime */
	put32(&c, 1700000000);
	put32(&c, 0);
	put32(&c, sequence);
	put32(&c, 0);
	done(&c);
}

static size_t go(uint64_t now_ns)
{
	const size_t n = (gate_batch(g, &rs, &b, now_ns), b.n);

	b.n = 0;
	return n;
}

/* ---- who may ---------------------------------------------------------------------- */

static void write_allow(const char *text, char path[static 32])
{
	int fd;

	strcpy(path, "/tmp/check-gate-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(allow_list)
{
	unsigned errors = 0;
	char path[32];

	write_allow("! routers\n10.0.0.1\n 10.1.0.0/16 \r\n# and\n2001:db8::/32\n", path);
	rs.allow = gate_read_allow(NULL, path, &errors);
	unlink(path);
	ck_assert_uint_eq(errors, 0);
	use(0, 0);
	v5(0x0a000001, 0, 1);
	v5(0x0a000002, 0, 1);
	v5(0x0a01ffff, 0, 1);
	v5(0x0a020000, 0, 1);
	v5(0x0a000001, 1, 1);
	ck_assert_uint_eq(go(SECOND), 3);
	ck_assert_uint_eq(g->counts.denied, 2);
	ck_assert(in[1].from.addr.b[13] == 1);	/* the rest moved up, in order */
	/* Another list: who was looked at before is looked at again. */
	lpm_free(rs.allow);
	rs.allow = NULL;
	gate_refresh(g, NULL, 0);
	v5(0x0a000002, 1, 1);
	ck_assert_uint_eq(go(SECOND), 1);
}
END_TEST

static const struct {
	const char *text, *log;
} bad_lists[] = {
	{ "10.0.0.0/33\n", ":1: allow: \"10.0.0.0/33\": expected an address or a prefix" },
	{ "10.0.0.1\nrouter\n", ":2: allow: \"router\": expected" },
	{ "10.0.0.1 10.0.0.2\n", ":1: allow: \"10.0.0.1 10.0.0.2\": expected" },
};

START_TEST(allow_list_is_wrong)
{
	unsigned errors = 0;
	char path[32];

	write_allow(bad_lists[_i].text, path);
	ck_assert_ptr_null(gate_read_allow(NULL, path, &errors));
	unlink(path);
	ck_assert_uint_eq(errors, 1);
	ck_assert_msg(strstr(logged, bad_lists[_i].log) != NULL, "%s", logged);
}
END_TEST

/* ---- how much ------------------------------------------------------------------------ */

START_TEST(rate_limit)
{
	use(10, 0);
	for (uint32_t i = 0; i < 15; i++)
		v5(0x0a000001, i, 1);
	v5(0x0a000002, 0, 1);	/* another exporter has a bucket of its own */
	ck_assert_uint_eq(go(5 * UINT64_C(1000000000)), 11);
	ck_assert_uint_eq(g->counts.limited, 5);
	/* A tenth of a second: one more. */
	for (uint32_t i = 15; i < 18; i++)
		v5(0x0a000001, i, 1);
	ck_assert_uint_eq(go(UINT64_C(5100000000)), 1);
	/* And after a long while no more than a second's worth. */
	for (uint32_t i = 18; i < 38; i++)
		v5(0x0a000001, i, 1);
	ck_assert_uint_eq(go(UINT64_C(900000000000)), 10);
	ck_assert_uint_eq(g->counts.limited, 5 + 2 + 10);
	ck_assert_ptr_nonnull(strstr(logged, "exporter 10.0.0.1:2055: sends more than"));
}
END_TEST

START_TEST(own_sockets)
{
	const struct endpoint own = { addr_make4(0x0a000001), 2055, false };

	use(0, 0);
	gate_refresh(g, &own, 1);
	gate_drained(g);
	v5(0x0a000001, 0, 1);
	v5(0x0a000002, 0, 1);
	ck_assert_uint_eq(go(SECOND), 1);
	ck_assert_uint_eq(g->counts.looped, 1);
	/* The same list again changes nothing. */
	gate_refresh(g, &own, 1);
	v5(0x0a000001, 1, 1);
	ck_assert_uint_eq(go(SECOND), 0);
	ck_assert_uint_eq(g->counts.looped, 2);
}
END_TEST

/* What waited when the socket was opened may be of who had the port before. */
START_TEST(own_sockets_that_are_new)
{
	const struct endpoint own = { addr_make4(0x0a000001), 2055, false };

	use(0, 0);
	gate_refresh(g, &own, 1);
	v5(0x0a000001, 0, 1);
	ck_assert_uint_eq(go(SECOND), 1);
	v5(0x0a000001, 1, 1);
	ck_assert_uint_eq(go(2 * (uint64_t)SECOND - 1), 1);
	/* Never empty: after a second all the same. */
	v5(0x0a000001, 2, 1);
	ck_assert_uint_eq(go(2 * (uint64_t)SECOND), 0);
	ck_assert_uint_eq(g->counts.looped, 1);
	/* About to be closed: the next who gets the port is none of ours. */
	gate_refresh(g, NULL, 0);
	gate_drained(g);
	v5(0x0a000001, 3, 1);
	ck_assert_uint_eq(go(3 * (uint64_t)SECOND), 1);
	ck_assert_uint_eq(g->counts.looped, 1);
}
END_TEST

/* 1000 numbers within a second that were there before are said once. */
START_TEST(circle)
{
	use(0, 0);
	for (uint32_t i = 0; i < 2200; i++) {
		v5(0x0a000001, 30, 30);
		go(SECOND);
		ck_assert_msg(!!strstr(logged, "circle") == (i >= 1000), "%u: %s", i, logged);
	}
	ck_assert_ptr_eq(strstr(strstr(logged, "circle") + 1, "circle"), NULL);
	/* The same over a long time is a generator that repeats itself. */
	gate_free(g);
	logged[0] = '\0';
	use(0, 0);
	for (uint32_t i = 0; i < 3000; i++) {
		v5(0x0a000001, 30, 30);
		go((1 + i / 900) * (uint64_t)SECOND);
	}
	ck_assert_str_eq(logged, "");
}
END_TEST

/* ---- second copies ---------------------------------------------------------------------- */

START_TEST(duplicates)
{
	use(0, SECOND);
	v5(0x0a000001, 0, 1);
	v5(0x0a000002, 0, 1);	/* the same octets by another way */
	v5(0x0a000001, 1, 1);
	ck_assert_uint_eq(go(SECOND), 2);
	v5(0x0a000002, 1, 1);
	ck_assert_uint_eq(go(SECOND + SECOND / 2), 0);
	ck_assert_uint_eq(g->counts.duplicates, 2);
	/* A window later it is another datagram. */
	v5(0x0a000002, 1, 1);
	ck_assert_uint_eq(go(3 * UINT64_C(1000000000)), 1);
	ck_assert_uint_eq(dedup_early(window), 0);
	/* What is no flow protocol may repeat. */
	for (int i = 0; i < 2; i++) {
		struct cursor c = next(0x0a000001);

		put_bytes(&c, (const uint8_t *)"<13>the same line", 17);
		done(&c);
	}
	ck_assert_uint_eq(go(4 * UINT64_C(1000000000)), 2);
}
END_TEST

/* A table of 16 within the window: the ninth-but-last copy passes, and that is told. */
START_TEST(duplicates_bounded)
{
	struct dedup *d = dedup_new(SECOND, 16, 3);
	uint32_t n;

	for (n = 0; n < 17; n++)
		ck_assert(!dedup_seen(d, (struct bytes){ (const uint8_t *)&n, 4 }, 1000));
	ck_assert_uint_eq(d->early, 1);
	n = 16;
	ck_assert(dedup_seen(d, (struct bytes){ (const uint8_t *)&n, 4 }, 1001));
	n = 0;
	ck_assert(!dedup_seen(d, (struct bytes){ (const uint8_t *)&n, 4 }, 1001));
	/* Behind the window there is nothing to be early for. */
	n = 99;
	ck_assert(!dedup_seen(
		d, (struct bytes) { (const uint8_t *)&n, 4 }, 3 * UINT64_C(1000000000)));
	ck_assert_uint_eq(d->early, 2);
	dedup_free(d);
}
END_TEST

/* ---- sequence numbers ---------------------------------------------------------------------- */

START_TEST(sequence_v5)
{
	use(0, 0);
	v5(0x0a000001, 100, 30);
	v5(0x0a000001, 130, 30);
	v5(0x0a000001, 220, 10);	/* 60 records are missing: two datagrams */
	v5(0x0a000002, 7, 1);
	ck_assert_uint_eq(go(SECOND), 4);
	ck_assert_uint_eq(g->exporters->total.lost, 60);
	ck_assert_uint_eq(g->exporters->total.gaps, 1);
	ck_assert_uint_eq(g->exporters->total.received, 71);
	v5(0x0a000001, 160, 30);	/* one of them comes late */
	go(SECOND);
	ck_assert_uint_eq(g->exporters->total.lost, 30);
	ck_assert_uint_eq(g->exporters->total.late, 1);
}
END_TEST

/* An IPFIX message: a template 256 of `size` octets (0: of variable length), or `records` of it. */
static void ipfix(uint32_t sequence, bool template, unsigned size, unsigned records)
{
	struct cursor c = next(0x0a000001);
	const size_t body = template ? 4 + 4 + 4 : 4 + size * records;

	put16(&c, 10);
	put16(&c, (uint16_t)(16 + body));
	put32(&c, 1700000000);
	put32(&c, sequence);
	put32(&c, 1);
	put16(&c, template ? 2 : 256);
	put16(&c, (uint16_t)body);
	if (template) {
		put16(&c, 256);
		put16(&c, 1);
		put16(&c, 210);		/* paddingOctets: of any length */
		put16(&c, size ? (uint16_t)size : 65535);
	} else {
		for (unsigned i = 0; i < size * records; i++)
			put8(&c, 0);
	}
	done(&c);
}

/* RFC 7011 3.1: data records count, templates do not. */
START_TEST(sequence_ipfix)
{
	use(0, 0);
	ipfix(50, true, 8, 0);
	ipfix(50, false, 8, 3);
	ipfix(53, false, 8, 5);
	ipfix(58, true, 8, 0);
	ipfix(60, false, 8, 1);		/* two records are missing */
	ck_assert_uint_eq(go(SECOND), 5);
	ck_assert_uint_eq(g->exporters->total.lost, 2);
	ck_assert_uint_eq(g->exporters->total.received, 9);
	/* Of variable length: how many came is not known, and no loss is claimed. */
	ipfix(61, true, 0, 0);
	ipfix(61, false, 8, 1);
	ipfix(70, false, 8, 1);
	go(SECOND);
	ck_assert_uint_eq(g->exporters->total.lost, 2);
}
END_TEST

/* A stranger with many addresses: the table stays as large as it is. */
START_TEST(many_exporters)
{
	use(0, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		v5(0x0a000000 + i, 0, 1);
		ck_assert_uint_eq(go(SECOND), 1);
	}
	ck_assert_uint_eq(g->exporters->rows.used, 64);
	ck_assert_uint_eq(g->exporters->rows.evicted, 1000 - 64);
	ck_assert_uint_eq(g->exporters->streams.used, 64);
	ck_assert_uint_eq(received, 1000);
}
END_TEST

Suite *suite_gate(void)
{
	Suite *s = suite_create("gate");
	TCase *t = tcase_create("gate");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, allow_list);
	tcase_add_loop_test(t, allow_list_is_wrong, 0, sizeof(bad_lists) / sizeof(bad_lists[0]));
	tcase_add_test(t, rate_limit);
	tcase_add_test(t, own_sockets);
	tcase_add_test(t, own_sockets_that_are_new);
	tcase_add_test(t, circle);
	tcase_add_test(t, duplicates);
	tcase_add_test(t, duplicates_bounded);
	tcase_add_test(t, sequence_v5);
	tcase_add_test(t, sequence_ipfix);
	tcase_add_test(t, many_exporters);
	suite_add_tcase(s, t);
	return s;
}
