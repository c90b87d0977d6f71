/*
 * check_fanout.c - batches through the fan-out to sockets on loopback: who got
 * what, in which order, and that every receiver's counters add up each time.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/fanout.h"
#include "wire/cursor.h"

enum { SINKS = 4, MOST = 5000 };

static const struct receiver_defaults plain = { .no_lookup = true };
static struct receivers rs;
static struct outlet outlet;
static struct fanout *f;
static int sink[SINKS];
static uint16_t port[SINKS];
static struct datagram datagrams[MOST];
static uint8_t octets[MOST][64];
static struct batch *in;

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void setup(void)
{
	log_capture(no_log, NULL);
	outlet = (struct outlet){ .sockets_max = 8 };
	receivers_init(&rs);
	for (int i = 0; i < SINKS; i++) {
		struct endpoint e = { .addr = addr_make4(0x7f000001) };
		struct listen_options o = {
			.recv_buffer = 200000
		}; /* what any user may have: some 400 small datagrams */
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);

		sink[i] = socket_listen(&e, &o);
		ck_assert_int_ge(sink[i], 0);
		ck_assert_int_eq(getsockname(sink[i], (struct sockaddr *)&ss, &len), 0);
		endpoint_from_sockaddr(&e, &ss);
		port[i] = e.port;
	}
	in = batch_new(128, 2048);
	f = fanout_new(&rs, &outlet, 65536);
	ck_assert_ptr_nonnull(f);
}

static void teardown(void)
{
	receivers_clear(&rs, &outlet);
	spoof_cache_free(outlet.spoof);
	sender_raw_free(&outlet);
	fanout_free(f);
	batch_free(in);
	for (int i = 0; i < SINKS; i++)
		close(sink[i]);
	log_capture(NULL, NULL);
}

/* Text with %1$u .. %4$u for the ports. */
static void use(const char *format, bool map)
{
	char text[512];

	snprintf(text, sizeof(text), format, port[0], port[1], port[2], port[3]);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, map), 0);
	receivers_open(&rs, &outlet);
}

/* `n` datagrams: exporter i % exporters, number i, size by size(i). */
static struct batch make(size_t n, uint32_t exporters, size_t (*size)(size_t))
{
	ck_assert_uint_le(n, MOST);
	for (size_t i = 0; i < n; i++) {
		struct datagram *d = &datagrams[i];

		memset(octets[i], 0, sizeof(octets[i]));
		octets[i][0] = (uint8_t)(i % exporters);
		memcpy(octets[i] + 4, &(uint32_t){ (uint32_t)i }, 4);
		d->data = (struct bytes){ octets[i], size(i) };
		d->from = (struct endpoint) { addr_make4(0x0a000001 + (uint32_t)(i % exporters)),
			2055, false };
	}
	return (struct batch){ .d = datagrams, .n = n };
}

static size_t equal(size_t i)
{
	(void)i;
	return 32;
}

static size_t mixed(size_t i)
{
	return 8 + i * 7 % 50;
}

static uint64_t accounted(const struct receiver *r)
{
	return r->filtered + r->balanced + r->sampled + r->merged + r->out.counts.sent +
		receiver_losses(r);
}

static void expect_double_entry(uint64_t total)
{
	ck_assert_uint_eq(f->counts.datagrams, total);
	for (size_t i = 0; i < rs.npools; i++) {
		for (size_t k = 0; k < rs.pools[i].n; k++) {
			const struct receiver *r = rs.pools[i].receivers[k];

			ck_assert_uint_eq(r->received, total);
			ck_assert_uint_eq(accounted(r), total);
		}
	}
}

/* Numbers that came to sink k, each exporter's in rising order. */
static size_t drain(int k, uint32_t *numbers, size_t max)
{
	uint32_t last[256];
	size_t n = 0;

	memset(last, 0, sizeof(last));
	while (batch_recv(in, sink[k]) > 0) {
		for (size_t i = 0; i < in->n; i++) {
			uint32_t number;

			ck_assert_uint_ge(in->d[i].data.n, 8);
			memcpy(&number, in->d[i].data.p + 4, 4);
			ck_assert_msg(last[in->d[i].data.p[0]] <= number, "order of exporter %u",
				in->d[i].data.p[0]);
			last[in->d[i].data.p[0]] = number + 1;
			if (n < max)
				numbers[n] = number;
			n++;
		}
	}
	return n;
}

START_TEST(everybody_gets_all)
{
	static const size_t counts[] = { 1, 2, 64, 129, 300 };
	static const uint32_t exporters[] = { 1, 2, 7, 200 };
	uint64_t total = 0;
	static uint32_t got[MOST];

	use("0.0.0.0: 127.0.0.1/%1$u 127.0.0.1/%2$u 127.0.0.1/%3$u 127.0.0.1/%4$u", false);
	for (size_t c = 0; c < 5; c++) {
		struct batch b = make(counts[c], exporters[_i % 4], _i < 4 ? equal : mixed);

		fanout_batch(f, &b, 1);
		total += counts[c];
		expect_double_entry(total);
		for (int k = 0; k < SINKS; k++)
			ck_assert_uint_eq(drain(k, got, MOST), counts[c]);
	}
}
END_TEST

/* More than the fan-out takes in one turn; one in twenty is sent. */
START_TEST(larger_than_a_turn)
{
	struct batch b = make(MOST, 7, mixed);
	uint32_t got[300];

	use("0.0.0.0: 127.0.0.1/%1$u/20 127.0.0.1/%2$u/20", false);
	fanout_batch(f, &b, 1);
	expect_double_entry(MOST);
	ck_assert_uint_eq(drain(0, got, 300), MOST / 20);
	ck_assert_uint_eq(drain(1, got, 300), MOST / 20);
}
END_TEST

START_TEST(entries_choose)
{
	struct batch b = make(200, 4, mixed);	/* 10.0.0.1 to 10.0.0.4 */
	uint32_t got[200];

	use("10.0.0.1: 127.0.0.1/%1$u\n10.0.0.2/31: 127.0.0.1/%2$u 127.0.0.1/%3$u\n0.0.0.0: "
	    "127.0.0.1/%3$u",
		false);
	fanout_batch(f, &b, 1);
	expect_double_entry(200);
	ck_assert_uint_eq(drain(0, got, 200), 50);
	ck_assert_uint_eq(got[1] % 4, 0);
	ck_assert_uint_eq(drain(1, got, 200), 100);
	ck_assert_uint_eq(rs.pools[1].receivers[0]->filtered, 100);
	/* Two entries match: two copies. */
	ck_assert_uint_eq(rs.pools[1].receivers[1]->out.counts.sent +
			rs.pools[2].receivers[0]->out.counts.sent,
		300);
}
END_TEST

/* samplicator: of ten with FREQ 3, numbers 1, 4, 7, 10 pass; the count goes on from batch to batch.
 */
START_TEST(frequency)
{
	uint32_t got[10];
	const uint32_t expect[] = { 0, 3, 6, 9 };

	use("0.0.0.0: 127.0.0.1/%1$u/3", false);
	for (size_t at = 0; at < 10; ) {
		struct batch b = make(10, 1, equal);
		size_t n = _i && at + (size_t)_i <= 10 ? (size_t)_i : 10 - at;

		b.d += at;
		b.n = n;
		fanout_batch(f, &b, 1);
		at += n;
		expect_double_entry(at);
	}
	ck_assert_uint_eq(drain(0, got, 10), 4);
	ck_assert_int_eq(memcmp(got, expect, sizeof(expect)), 0);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->sampled, 6);
}
END_TEST

START_TEST(balanced)
{
	static const char *const names[] = { "rr", "hash-agent", "hash-crc32" };
	struct batch b = make(600, 6, equal);
	char text[256];
	uint32_t got[600];
	size_t sum = 0;

	snprintf(text, sizeof(text),
		"id=1 ip=127.0.0.1:%%1$u,127.0.0.1:%%2$u,127.0.0.1:%%3$u balance-alg=%s",
		names[_i]);
	use(text, true);
	fanout_batch(f, &b, 1);
	expect_double_entry(600);
	for (int k = 0; k < 3; k++) {
		size_t n = drain(k, got, 600);

		sum += n;
		if (_i < 2)
			ck_assert_uint_eq(n, 200);
		ck_assert_uint_eq(rs.pools[0].receivers[k]->balanced, 600 - n);
	}
	ck_assert_uint_eq(sum, 600);
}
END_TEST

/* Nobody listens at one, one has no route, one wants what does not fit: the fourth has everything.
 */
START_TEST(others_lose_nothing)
{
	uint32_t got[1];
	uint64_t total = 0;

	close(sink[1]);
	use("0.0.0.0: 127.0.0.1/%2$u 255.255.255.255/9 127.0.0.1/%1$u", false);
	sink[1] = dup(STDIN_FILENO);
	for (int i = 0; i < 50; i++) {
		struct batch b = make(64, 3, mixed);

		fanout_batch(f, &b, 1);
		total += 64;
		expect_double_entry(total);
		ck_assert_uint_eq(drain(0, got, 1), 64);
	}
	ck_assert_uint_eq(receiver_losses(rs.pools[0].receivers[2]), 0);
	ck_assert_uint_eq(receiver_losses(rs.pools[0].receivers[1]),
		total); /* broadcast is not permitted: EACCES */
	ck_assert_uint_eq(rs.pools[0].receivers[1]->out.counts.unreachable, total);
}
END_TEST

START_TEST(too_long_is_cut)
{
	struct batch b = make(10, 1, mixed);	/* 8 15 22 29 36 43 50 57 14 21 */
	uint32_t got[10];
	struct fanout *g = fanout_new(&rs, &outlet, 22);

	use("0.0.0.0: 127.0.0.1/%1$u", false);
	fanout_batch(g, &b, 1);
	ck_assert_uint_eq(g->counts.cut, 5);
	ck_assert_uint_eq(
		rs.pools[0].receivers[0]->out.counts.sent_octets, 8 + 15 + 22 + 5 * 22 + 14 + 21);
	ck_assert_uint_eq(drain(0, got, 10), 10);
	fanout_free(g);
}
END_TEST

/* Double entry holds while receivers come and go. */
START_TEST(reload_in_between)
{
	struct receivers fresh;
	char text[256];
	uint32_t got[1];
	struct batch b = make(100, 5, mixed);
	const struct receiver *kept;
	uint64_t before;

	use("0.0.0.0: 127.0.0.1/%1$u 127.0.0.1/%2$u", false);
	fanout_batch(f, &b, 1);
	ck_assert_uint_eq(drain(0, got, 1), 100);
	receivers_init(&fresh);
	snprintf(text, sizeof(text), "0.0.0.0: 127.0.0.1/%u 127.0.0.1/%u", port[0], port[2]);
	ck_assert_int_eq(receivers_read_text(&fresh, "f", text, strlen(text), &plain, false), 0);
	receivers_adopt(&rs, &fresh, &outlet);
	fanout_batch(f, &b, 1);
	kept = rs.pools[0].receivers[0];
	before = rs.removed.received;
	ck_assert_uint_eq(kept->received, 200);
	ck_assert_uint_eq(accounted(kept), 200);
	ck_assert_uint_eq(rs.pools[0].receivers[1]->received, 100);
	ck_assert_uint_eq(before, 100);
	ck_assert_uint_eq(accounted(&rs.removed), 100);
	ck_assert_uint_eq(drain(0, got, 1), 100);
	ck_assert_uint_eq(drain(1, got, 1), 100);
	ck_assert_uint_eq(drain(2, got, 1), 100);
}
END_TEST

/* -x: every datagram all the same, also together with FREQ. */
START_TEST(with_a_delay)
{
	struct batch b = make(10, 1, equal);
	uint32_t got[10];

	use("0.0.0.0: 127.0.0.1/%1$u 127.0.0.1/%2$u/4", false);
	rs.pools[0].receivers[0]->delay_us = rs.pools[0].receivers[1]->delay_us = 1;
	fanout_batch(f, &b, 1);
	expect_double_entry(10);
	ck_assert_uint_eq(drain(0, got, 10), 10);
	ck_assert_uint_eq(drain(1, got, 10), 3);
}
END_TEST

/* TTL and hop limit as they arrive; samplicate sets them with -S only. */
START_TEST(time_to_live)
{
	struct endpoint at = { .addr = _i ? addr_zero6 : addr_make4(0x7f000001) }, bound;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char text[64], control[64], octet;
	struct iovec iov = { &octet, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct batch b = make(1, 1, equal);
	int fd, ttl = 0;

	if (_i)
		at.addr.b[15] = 1;
	fd = socket_listen(&at, &(struct listen_options){ .no_timestamp = true });
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, _i ? IPPROTO_IPV6 : IPPROTO_IP,
				 _i ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &(int) { 1 }, sizeof(int)),
		0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	endpoint_from_sockaddr(&bound, &ss);
	snprintf(text, sizeof(text), "0.0.0.0: %s/%u/1,7", _i ? "[::1]" : "127.0.0.1", bound.port);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, false), 0);
	receivers_open(&rs, &outlet);
	fanout_batch(f, &b, 1);
	ck_assert_int_ge(recvmsg(fd, &m, 0), 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == (_i ? IPV6_HOPLIMIT : IP_TTL))
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	ck_assert_int_eq(ttl, 7);
	close(fd);
}
END_TEST

/* ---- the exporters' own addresses --------------------------------------------- */

static const char *cannot_spoof;

/* What the first receiver got: each from its exporter's own address and port. */
static size_t read_sources(void)
{
	size_t n = 0;

	while (batch_recv(in, sink[0]) > 0) {
		for (size_t i = 0; i < in->n; i++, n++) {
			struct addr expect = addr_make4(0x0a000001 + in->d[i].data.p[0]);

			ck_assert(addr_equal(&in->d[i].from.addr, &expect));
			ck_assert_uint_eq(in->d[i].from.port, 2055);
		}
	}
	return n;
}

START_TEST(source_is_kept)
{
	static const struct receiver_defaults spoof = { .no_lookup = true, .transparent = true };
	const uint32_t exporters = _i ? 200 : 5;	/* 200 are more than the cache of 8 holds */
	const uint64_t total = _i ? 600 : 300;
	struct batch b = make(300, exporters, mixed);
	char text[128];
	size_t n = 0;

	if (sender_transparent.available(&cannot_spoof) < 0) {
		fprintf(stderr, "source_is_kept: skipped, it %s\n", cannot_spoof);
		return;
	}
	snprintf(text, sizeof(text), "0.0.0.0: 127.0.0.1/%u [::1]/%u", port[0], port[1]);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &spoof, false), 0);
	receivers_open(&rs, &outlet);
	/* A full cache: who is new to it goes raw, and has a socket the second time. */
	fanout_batch(f, &b, 1);
	ck_assert_uint_eq(spoof_cache_counts(outlet.spoof).evicted, 0);
	ck_assert_uint_eq(spoof_cache_counts(outlet.spoof).opened, _i ? 8 : 5);
	ck_assert_uint_eq(outlet.raw_sent, _i ? 300 - 16 : 0);
	n = read_sources();
	if (_i) {
		fanout_batch(f, &b, 1);
		n += read_sources();
	}
	expect_double_entry(total);
	ck_assert_uint_eq(n, total);
	/* An IPv4 source does not fit into an IPv6 packet. */
	ck_assert_uint_eq(rs.pools[0].receivers[1]->family, total);
	ck_assert_uint_le(spoof_cache_counts(outlet.spoof).sockets, 8);
	/* A few are forgotten in between: two at one place of the hash. */
	ck_assert_uint_le(spoof_cache_counts(outlet.spoof).evicted, _i ? 192 : 0);
	ck_assert_uint_ge(spoof_cache_counts(outlet.spoof).evicted, _i ? 180 : 0);
}
END_TEST

START_TEST(source_is_kept_v6)
{
	static const struct receiver_defaults spoof = { .no_lookup = true, .transparent = true,
		.options = { .no_checksum = true } };
	struct endpoint at = { .addr = addr_zero6 }, bound;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct batch b = make(100, 4, mixed);
	char text[128];
	size_t n = 0;
	int fd;

	if (sender_transparent.available(&cannot_spoof) < 0) {
		fprintf(stderr, "source_is_kept_v6: skipped, it %s\n", cannot_spoof);
		return;
	}
	at.addr.b[15] = 1;
	fd = socket_listen(&at, &(struct listen_options){ .recv_buffer = 1 << 20 });
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	endpoint_from_sockaddr(&bound, &ss);
	for (size_t i = 0; i < b.n; i++) {	/* 2001:db8::1 to ::4; every other one IPv4 */
		struct addr a = { { 0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(1 + octets[i][0]) } };

		if (i % 2)
			datagrams[i].from.addr = a;
	}
	snprintf(text, sizeof(text), "0.0.0.0: 127.0.0.1/%u [::1]/%u", port[0], bound.port);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &spoof, false), 0);
	receivers_open(&rs, &outlet);
	fanout_batch(f, &b, 1);
	expect_double_entry(100);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->out.counts.sent, 50);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->family, 50);
	ck_assert_uint_eq(rs.pools[0].receivers[1]->out.counts.sent, 50);
	ck_assert_uint_eq(rs.pools[0].receivers[1]->family, 50);
	while (batch_recv(in, fd) > 0) {
		for (size_t i = 0; i < in->n; i++, n++) {
			ck_assert_uint_eq(in->d[i].from.addr.b[0], 0x20);
			ck_assert_uint_eq(in->d[i].from.addr.b[15], 1 + in->d[i].data.p[0]);
			ck_assert_uint_eq(in->d[i].from.port, 2055);
		}
	}
	ck_assert_uint_eq(n, 50);
	close(fd);
}
END_TEST

/* ---- selection by what is in a datagram ------------------------------------------ */

/* Exporter i % 4; of four one each: v5 of engine 1/2, v9 of domain 5, sFlow of agent 192.0.2.9,
 * something else. */
static struct batch make_protocols(size_t n)
{
	struct batch b = make(n, 4, equal);

	for (size_t i = 0; i < n; i++) {
		uint8_t *d = octets[i];
		const uint32_t number = (uint32_t)(i / 4);

		memset(d, 0, 32);
		switch (i % 4) {
		case 0:		/* Cisco's white paper: records at 16, engine at 20 */
			d[1] = 5;
			patch32(d + 16, 30 * number);
			d[20] = 1;
			d[21] = 2;
			break;
		case 1:
			d[1] = 9;
			patch32(d + 12, number);
			d[19] = 5;
			break;
		case 2:
			d[3] = 5;
			d[7] = 1;
			memcpy(d + 8, (const uint8_t[]){ 192, 0, 2, 9 }, 4);
			patch32(d + 16, number);
			break;
		default:
			d[0] = 0xaa;
		}
	}
	return b;
}

static const struct {
	const char *rule;
	unsigned want;		/* bits: of which of the four kinds */
} rules[] = {
	{ "protocol=netflow5", 1 },
	{ "protocol=netflow9,sflow", 6 },
	{ "protocol=unknown", 8 },
	{ "domain=258", 1 },
	{ "domain=5-9", 2 },
	{ "agent=192.0.2.0/24", 4 },
	{ "agent=192.0.3.0/24", 0 },
	{ "from=10.0.0.2/32,10.0.0.4/32", 10 },
	{ "port=2055", 15 },
	{ "port=2056-2057", 0 },
	{ "size=0-31", 0 },
	{ "size=32", 15 },
	{ "size=33-65535", 0 },
	{ "protocol=netflow5 size=33", 0 },
};

START_TEST(rules_choose)
{
	char text[256];
	struct batch b = make_protocols(40);
	uint64_t sent = 0;

	snprintf(text, sizeof(text), "id=1 ip=127.0.0.1:%u %s\nid=2 ip=127.0.0.1:%u else=true\n"
		 "id=3 ip=127.0.0.1:%u else=true", port[0], rules[_i].rule, port[1], port[2]);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, true), 0);
	receivers_open(&rs, &outlet);
	f->port = 2055;
	fanout_batch(f, &b, 1);
	expect_double_entry(40);
	for (unsigned k = 0; k < 4; k++)
		sent += rules[_i].want >> k & 1 ? 10 : 0;
	ck_assert_uint_eq(rs.pools[0].receivers[0]->out.counts.sent, sent);
	/* The rest goes to whoever asks for it. */
	ck_assert_uint_eq(rs.pools[1].receivers[0]->out.counts.sent, 40 - sent);
	ck_assert_uint_eq(rs.pools[2].receivers[0]->out.counts.sent, 40 - sent);
}
END_TEST

/* 1 in 5, by batches: about a fifth arrives, numbered without a gap; the next receiver has all as
 * it was. */
START_TEST(samples_and_numbers)
{
	const size_t at[3] = { 16, 12, 16 };
	uint32_t next[3] = { 0 };
	bool known[3] = { false };
	size_t got = 0, all = 0;
	char text[256];

	snprintf(text, sizeof(text),
		"id=1 ip=127.0.0.1:%u sample=5 renumber=true\nid=2 ip=127.0.0.1:%u", port[0],
		port[1]);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, true), 0);
	receivers_open(&rs, &outlet);
	for (size_t turn = 0; turn < 10; turn++) {
		struct batch b = make_protocols(400);

		b.d += turn * 40;
		b.n = 40;
		fanout_batch(f, &b, 1);
		while (batch_recv(in, sink[0]) > 0) {
			for (size_t i = 0; i < in->n; i++, got++) {
				const unsigned kind = in->d[i].data.p[0] == 0xaa ? 3
					: in->d[i].data.p[1] == 5                ? 0
					: in->d[i].data.p[1] == 9                ? 1
										 : 2;
				uint32_t number;

				if (kind == 3)
					continue;
				number = be32(in->d[i].data.p + at[kind]);
				if (known[kind])
					ck_assert_uint_eq(number, next[kind]);
				known[kind] = true;
				next[kind] = number + (kind == 0 ? 30 : 1);
			}
		}
		while (batch_recv(in, sink[1]) > 0) {
			for (size_t i = 0; i < in->n; i++, all++)
				if (in->d[i].data.p[1] == 9)
					ck_assert_uint_lt(
						be32(in->d[i].data.p + 12) - (uint32_t)turn * 10,
						10);
		}
	}
	expect_double_entry(400);
	ck_assert_uint_eq(all, 400);
	/* 80 of 400, within four standard deviations. */
	ck_assert_msg(got > 48 && got < 112, "%zu", got);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->sampled, 400 - got);
}
END_TEST

Suite *suite_fanout(void);
Suite *suite_fanout(void)
{
	Suite *s = suite_create("fanout");
	TCase *t = tcase_create("fanout");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, everybody_gets_all, 0, 8);
	tcase_add_test(t, larger_than_a_turn);
	tcase_add_test(t, entries_choose);
	tcase_add_loop_test(t, frequency, 0, 5);
	tcase_add_loop_test(t, rules_choose, 0, sizeof(rules) / sizeof(rules[0]));
	tcase_add_test(t, samples_and_numbers);
	tcase_add_loop_test(t, balanced, 0, 3);
	tcase_add_test(t, others_lose_nothing);
	tcase_add_test(t, too_long_is_cut);
	tcase_add_test(t, reload_in_between);
	tcase_add_test(t, with_a_delay);
	tcase_add_loop_test(t, time_to_live, 0, 2);
	tcase_add_loop_test(t, source_is_kept, 0, 2);
	tcase_add_test(t, source_is_kept_v6);
	suite_add_tcase(s, t);
	return s;
}
