/*
 * check_carry.c - what one process hands to the next, beside one that goes on:
 * the same datagrams behind it leave both as the same octets, and both have
 * counted the same.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "replicator/carry.h"
#include "replicator/memory.h"
#include "wire/cursor.h"

Suite *suite_carry(void);

enum { ALL = 400, HALF = 200, OCTETS = 256, SENT_MAX = 1 << 20, MOST = 3 };

static const char map[] =
	"id=1 ip=127.0.0.1:1 sample=2\n"
	"id=2 ip=127.0.0.1:2 networks=10.0.0.0/9\n"
	"id=3 ip=127.0.0.1:3,127.0.0.1:4 balance-alg=rendezvous-domain renumber=true\n"
	"id=4 ip=127.0.0.1:5,127.0.0.1:5\n"
	"id=5 ip=127.0.0.1:6 size=0-100 renumber=true\n";

/* ---- workers whose receivers write down what they get --------------------------- */

struct sent {
	uint8_t octets[SENT_MAX];
	size_t n;
};

/* The one that goes on, and those that follow it. */
static struct worker here, next[MOST];
static struct report before;
static struct sent kept, *writing;
static struct sent by_here, by_next;

static void fake_open(struct receiver *r, struct outlet *o)
{
	(void)o;
	r->out.fd = -1;
}

static void fake_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	(void)o;
	(void)now_ns;
	/* Templates told beside have no place: who lacks one of any stream hears all anew. */
	for (size_t i = 0; s->at && i < s->n; i++) {
		const uint16_t head[] = { r->to.port, (uint16_t)s->data[i].n, s->from[i]->port };

		ck_assert_uint_lt(writing->n + sizeof(head) + s->data[i].n, SENT_MAX);
		memcpy(writing->octets + writing->n, head, sizeof(head));
		memcpy(writing->octets + writing->n + sizeof(head), s->data[i].p, s->data[i].n);
		writing->n += sizeof(head) + s->data[i].n;
	}
	for (size_t i = 0; i < s->n; i++)
		r->out.counts.sent_octets += s->data[i].n;
	r->out.counts.sent += s->n;
}

static const struct sender_kind fake = { "fake", NULL, fake_open, fake_send, fake_open };

static void start(struct worker *w, const char *text)
{
	static const struct receiver_defaults plain = { .no_lookup = true };
	const struct worker_limits limits = { 65536, 1, { 0, NULL, 64 } };

	worker_blank(w);
	receivers_init(&w->receivers);
	ck_assert_int_eq(
		receivers_read_text(&w->receivers, "m", text, strlen(text), &plain, true), 0);
	for (size_t i = 0; i < w->receivers.npools; i++)
		for (size_t k = 0; k < w->receivers.pools[i].n; k++)
			w->receivers.pools[i].receivers[k]->kind = &fake;
	ck_assert_int_eq(worker_init(w, &limits), 0);
}

/* ---- what comes in: four exporters, each with records of two customers ------------ */

static struct bytes make_v5(uint8_t *p, uint32_t i)
{
	struct cursor c = cursor(p, OCTETS);

	put16(&c, 5);
	put16(&c, 2);
	put32(&c, 1000 + i);
	put32(&c, 1700000000);
	put32(&c, 0);
	put32(&c, 2 * i);
	put32(&c, 0);
	for (uint32_t k = 0; k < 2; k++) {
		put32(&c, 0x0a000001u + (k << 23) + i);
		memset(c.at, 0, 44);
		c.at += 44;
	}
	return (struct bytes){ p, cursor_used(&c) };
}

/* A template with the first, then data of two records: source address, octets. */
static struct bytes make_flowset(uint8_t *p, uint32_t i, bool v9)
{
	struct cursor c = cursor(p, OCTETS);

	put16(&c, v9 ? 9 : 10);
	put16(&c, v9 ? (i ? 2 : 3) : (i ? 36 : 52));
	if (v9)
		put32(&c, 1000 + i);
	put32(&c, 1700000000);
	put32(&c, v9 ? i : 2 * i);
	put32(&c, 7);
	if (i == 0) {
		static const uint16_t words[] = { 16, 256, 2, 8, 4, 1, 4 };

		put16(&c, v9 ? 0 : 2);
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			put16(&c, words[k]);
	}
	put16(&c, 256);
	put16(&c, 20);
	for (uint32_t k = 0; k < 2; k++) {
		put32(&c, 0x0a000001u + (k << 23) + i);
		put32(&c, 100 + i);
	}
	return (struct bytes){ p, cursor_used(&c) };
}

/* Two flow samples, of which the receivers get some; each an IPv4 packet of a customer. */
static struct bytes make_sflow(uint8_t *p, uint32_t i)
{
	struct cursor c = cursor(p, OCTETS);

	put32(&c, 5);
	put32(&c, 1);
	put32(&c, 0xc0000209);
	put32(&c, 3);
	put32(&c, i);
	put32(&c, 1000 + i);
	put32(&c, 2);
	for (uint32_t k = 0; k < 2; k++) {
		static const uint32_t head[] = { 0, 3, 4, 1, 32, 60, 6 };

		put32(&c, 1);
		put32(&c, 72);
		put32(&c, 2 * i + k);
		put32(&c, 3);
		put32(&c, 50);
		put32(&c, 50 * (2 * i + k));
		for (size_t j = 0; j < 4; j++)
			put32(&c, (const uint32_t[]){ 0, 3, 4, 1 }[j]);
		/* Sampled IPv4: format, length, octets, protocol, addresses, ports, flags, tos. */
		put32(&c, 3);
		put32(&c, 32);
		put32(&c, 60);
		put32(&c, head[6]);
		put32(&c, 0x0a000001u + (k << 23) + i);
		put32(&c, 0xc6120001);
		for (size_t j = 0; j < 4; j++)
			put32(&c, 0);
	}
	return (struct bytes){ p, cursor_used(&c) };
}

static void feed(struct worker *w, uint32_t first, uint32_t last, struct sent *to)
{
	static uint8_t octets[OCTETS];

	writing = to;
	for (uint32_t i = first; i < last; i++) {
		const uint32_t turn = i / 4;
		struct datagram d = { .from = { addr_make4(0xc0000201 + i % 4),
			(uint16_t)(5000 + i % 4), false } };
		struct batch b = { .d = &d, .n = 1 };

		d.data = i % 4 == 0 ? make_v5(octets, turn) :
			i % 4 < 3 ? make_flowset(octets, turn, i % 4 == 1) :
			make_sflow(octets, turn);
		gate_batch(w->gate, &w->receivers, &b, (i + 1) * UINT64_C(1000000));
		fanout_batch(w->fanout, &b, (i + 1) * UINT64_C(1000000));
	}
}

static FILE *hand(struct worker *w, size_t n)
{
	struct report sum;
	int fd;

	report_collect(&sum, w, n);
	fd = memory_hand(w, n, &sum);
	report_clear(&sum);
	ck_assert_int_ge(fd, 0);
	return fdopen(fd, "r");
}

static void take(FILE *f, size_t n, struct carry_result *got)
{
	ck_assert_int_gt(memory_read(f, next, n), 0);
	ck_assert_msg(carry_read(f, next, n, &before, got) == 0, "errno %d", errno);
	fclose(f);
}

static void setup(void)
{
	memset(&before, 0, sizeof(before));
	kept.n = by_here.n = by_next.n = 0;
	start(&here, map);
	for (size_t i = 0; i < MOST; i++)
		start(&next[i], map);
}

static void teardown(void)
{
	worker_clear(&here);
	for (size_t i = 0; i < MOST; i++)
		worker_clear(&next[i]);
}

/* All statistics as text, but for templates that were told beside. */
static char *told(struct worker *w, size_t n, struct report *base)
{
	struct report r;
	struct stats s;
	char *text = NULL;
	size_t octets;
	FILE *f = open_memstream(&text, &octets);

	for (size_t i = 0; i < w->receivers.npools; i++)
		for (size_t k = 0; k < w->receivers.pools[i].n; k++)
			w->receivers.pools[i].receivers[k]->told = 0;

	report_collect(&r, w, n);
	report_add(&r, base);
	stats_init(&s);
	report_stats(&s, &r);
	stats_print(&s, f);
	fclose(f);
	stats_clear(&s);
	report_clear(&r);
	return text;
}

/* Line by line, from the first that begins with `from`. */
static void expect_same(const char *a, const char *b, const char *from)
{
	for (a = strstr(a, from), b = strstr(b, from); a && b && *a; ) {
		const size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

		ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%.*s; here %.*s", (int)m, b,
			(int)n, a);
		a += n + (a[n] != 0);
		b += m + (b[m] != 0);
	}
	ck_assert(a && b && !*b);
}

/* ---- the tests ---------------------------------------------------------------------- */

START_TEST(goes_on)
{
	struct report nothing = { 0 };
	struct carry_result got;
	char *one, *two;

	feed(&here, 0, HALF, &kept);
	take(hand(&here, 1), 1, &got);
	ck_assert_uint_eq(got.unknown, 0);
	ck_assert_uint_eq(got.gone, 0);
	ck_assert_uint_gt(got.streams, 10);
	feed(&here, HALF, ALL, &by_here);
	feed(&next[0], HALF, ALL, &by_next);
	ck_assert_uint_gt(by_here.n, 10000);
	ck_assert_uint_eq(by_here.n, by_next.n);
	ck_assert_mem_eq(by_here.octets, by_next.octets, by_here.n);
	one = told(&here, 1, &nothing);
	two = told(&next[0], 1, &before);
	expect_same(one, two, "received_datagrams");
	free(one);
	free(two);
}
END_TEST

/* It is not for nothing: without it numbers begin anew. */
START_TEST(without_it)
{
	FILE *f;

	feed(&here, 0, HALF, &kept);
	f = hand(&here, 1);
	ck_assert_int_gt(memory_read(f, next, 1), 0);
	fclose(f);
	feed(&here, HALF, ALL, &by_here);
	feed(&next[0], HALF, ALL, &by_next);
	ck_assert(by_here.n != by_next.n || memcmp(by_here.octets, by_next.octets, by_here.n) != 0);
}
END_TEST

/* Of more workers any may get an exporter; counters are not multiplied. */
START_TEST(more_workers)
{
	struct report nothing = { 0 };
	struct carry_result got;
	char *one, *two;

	feed(&here, 0, HALF, &kept);
	one = told(&here, 1, &nothing);
	take(hand(&here, 1), MOST, &got);
	ck_assert_uint_eq(got.unknown, 0);
	two = told(next, MOST, &before);
	expect_same(one, two, "receiver_received{");
	free(one);
	free(two);
	feed(&here, HALF, ALL, &by_here);
	feed(&next[MOST - 1], HALF, ALL, &by_next);
	ck_assert_uint_eq(by_here.n, by_next.n);
	ck_assert_mem_eq(by_here.octets, by_next.octets, by_here.n);
}
END_TEST

/* A receiver that the successor does not have was removed, as by a reload. */
START_TEST(fewer_receivers)
{
	struct carry_result got;
	uint64_t sent = 0;

	feed(&here, 0, HALF, &kept);
	for (size_t i = 0; i < here.receivers.npools; i++)
		for (size_t k = 0; k < here.receivers.pools[i].n; k++)
			sent += here.receivers.pools[i].receivers[k]->out.counts.sent;
	worker_clear(&next[0]);
	start(&next[0], "id=4 ip=127.0.0.1:5,127.0.0.1:7\nid=2 ip=127.0.0.1:2\n");
	take(hand(&here, 1), 1, &got);
	/* Two pools without a name here, and the pool of the rendezvous; six receivers. */
	ck_assert_uint_eq(got.gone, 3 + 5);
	ck_assert_uint_eq(next[0].receivers.pools[0].receivers[0]->out.counts.sent, HALF);
	ck_assert_uint_eq(next[0].receivers.pools[0].receivers[1]->out.counts.sent, 0);
	ck_assert_uint_eq(next[0].receivers.removed.out.counts.sent, sent - HALF -
		next[0].receivers.pools[1].receivers[0]->out.counts.sent);
	feed(&next[0], HALF, ALL, &by_next);
}
END_TEST

/* Damage anywhere: nothing of it is taken. */
START_TEST(damaged)
{
	static uint8_t octets[1 << 16];
	struct carry_result got;
	size_t n, start_at;
	FILE *f;
	char *one, *two;

	feed(&here, 0, HALF, &kept);
	f = hand(&here, 1);
	ck_assert_int_gt(memory_read(f, next, 1), 0);
	start_at = (size_t)ftell(f);
	n = fread(octets, 1, sizeof(octets), f);
	fclose(f);
	ck_assert_uint_gt(start_at, 100);
	ck_assert(n > 1000 && n < sizeof(octets));
	one = told(next, 1, &before);
	for (size_t k = 0; k < n; k++) {
		f = fmemopen(octets, k ? k : 1, "r");
		if (k == 0)
			fgetc(f);
		ck_assert_int_eq(carry_read(f, next, 1, &before, &got), -1);
		ck_assert_int_eq(errno, k ? EBADMSG : ENODATA);
		fclose(f);
	}
	for (size_t k = 0; k < n; k++) {
		octets[k] ^= 0x10;
		f = fmemopen(octets, n, "r");
		ck_assert_int_eq(carry_read(f, next, 1, &before, &got), -1);
		ck_assert_int_eq(errno, k == 7 ? EPROTO : EBADMSG);
		fclose(f);
		octets[k] ^= 0x10;
	}
	two = told(next, 1, &before);
	expect_same(one, two, "received_datagrams");
	free(one);
	free(two);
}
END_TEST

/* A process of before these were handed over, and one behind it that does not know them. */
START_TEST(older)
{
	struct carry_result got;
	FILE *f;

	feed(&here, 0, HALF, &kept);
	f = fdopen(memory_hand(&here, 1, NULL), "r");
	ck_assert_int_gt(memory_read(f, next, 1), 0);
	ck_assert_int_eq(carry_read(f, next, 1, &before, &got), -1);
	ck_assert_int_eq(errno, ENODATA);
	fclose(f);
	f = hand(&here, 1);
	ck_assert_int_gt(memory_read(f, next, 1), 0);
	fclose(f);
}
END_TEST

Suite *suite_carry(void)
{
	Suite *s = suite_create("carry");
	TCase *t = tcase_create("carry");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, goes_on);
	tcase_add_test(t, without_it);
	tcase_add_test(t, more_workers);
	tcase_add_test(t, fewer_receivers);
	tcase_add_test(t, damaged);
	tcase_add_test(t, older);
	suite_add_tcase(s, t);
	return s;
}
