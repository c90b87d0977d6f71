/*
 * check_capture.c - capture files made here, octet by octet, and what must
 * come out of them; what the writer makes is read by libpcap and summed here.
 */
#include <check.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/capture.h"
#include "wire/cursor.h"

static char path[64], why[256];
static FILE *file;

/* ---- files ------------------------------------------------------------------ */

static void le32(uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		fputc((int)(v & 255), file);
}

/* A classic pcap header (libpcap's pcap-savefile(5)), microseconds or nanoseconds. */
static void begin(uint32_t magic, uint32_t dlt)
{
	int fd;

	strcpy(path, "/tmp/check-capture-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	file = fdopen(fd, "wb");
	le32(magic);
	le32(2 | 4 << 16);
	le32(0);
	le32(0);
	le32(262144);
	le32(dlt);
}

static void packet_cut(uint32_t s, uint32_t fraction, const uint8_t *p, size_t n, size_t wire)
{
	le32(s);
	le32(fraction);
	le32((uint32_t)n);
	le32((uint32_t)wire);
	ck_assert_uint_eq(fwrite(p, 1, n, file), n);
}

static void packet(const uint8_t *p, size_t n)
{
	packet_cut(1700000000, 5, p, n, n);
}

static struct capture *reopen(void)
{
	struct capture *c;

	fclose(file);
	c = capture_open(path, why);
	unlink(path);
	ck_assert_msg(c != NULL, "%s", why);
	return c;
}

static void expect_sum(const struct capture *c)
{
	const struct capture_counts *n = capture_counts(c);

	ck_assert_uint_eq(n->packets, n->datagrams + n->joined + n->fragments + n->other + n->cut);
}

/* ---- packets ---------------------------------------------------------------- */

enum { V4_HEAD = 20, V6_HEAD = 40 };

/* An IPv4 header, 198.51.100.7 -> 203.0.113.9; flags and offset as they stand in the packet. */
static size_t put_ip4(uint8_t *p, size_t payload, uint16_t id, uint16_t fragment, uint8_t proto)
{
	struct cursor c = cursor(p, V4_HEAD);

	put16(&c, 0x4500);
	put16(&c, (uint16_t)(V4_HEAD + payload));
	put16(&c, id);
	put16(&c, fragment);
	put8(&c, 64);
	put8(&c, proto);
	put16(&c, 0);
	put32(&c, 0xc6336407);
	put32(&c, 0xcb007109);
	return V4_HEAD;
}

/* An IPv6 header, 2001:db8::7 -> 2001:db8::9. */
static size_t put_ip6(uint8_t *p, size_t payload, uint8_t next)
{
	struct cursor c = cursor(p, V6_HEAD);

	put32(&c, 0x60000000);
	put16(&c, (uint16_t)payload);
	put8(&c, next);
	put8(&c, 64);
	put32(&c, 0x20010db8);
	put64(&c, 0);
	put32(&c, 7);
	put32(&c, 0x20010db8);
	put64(&c, 0);
	put32(&c, 9);
	return V6_HEAD;
}

/* UDP 4739 -> 2055 around `n` octets that count up. */
static size_t put_udp(uint8_t *p, size_t n)
{
	patch16(p, 4739);
	patch16(p + 2, 2055);
	patch16(p + 4, 8 + n);
	patch16(p + 6, 0);
	for (size_t i = 0; i < n; i++)
		p[8 + i] = (uint8_t)(i * 7);
	return 8 + n;
}

static void expect_payload(const struct datagram *d, size_t n)
{
	ck_assert_uint_eq(d->data.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(d->data.p[i], (uint8_t)(i * 7));
	ck_assert_uint_eq(d->from.port, 4739);
}

/* ---- link layers -------------------------------------------------------------- */

#define LINK(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
#define MACS 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1

static const struct {
	const char *name;
	uint32_t dlt;		/* the number in the file: LINKTYPE_* of tcpdump.org */
	uint8_t head[32];
	size_t n;
	bool v6;
} layers[] = {
	{ "Ethernet", 1, LINK(MACS, 8, 0), false },
	{ "Ethernet, IPv6", 1, LINK(MACS, 0x86, 0xdd), true },
	{ "802.1Q", 1, LINK(MACS, 0x81, 0, 0, 7, 8, 0), false },
	{ "802.1ad", 1, LINK(MACS, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 0x86, 0xdd), true },
	{ "raw IP", 101, { 0 }, 0, false },
	{ "raw IP, IPv6", 101, { 0 }, 0, true },
	{ "IPv4", 228, { 0 }, 0, false },
	{ "IPv6", 229, { 0 }, 0, true },
	{ "cooked", 113, LINK(0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0), false },
	{ "cooked, IPv6", 113, LINK(0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd), true },
	{ "cooked v2", 276, LINK(8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0),
		false },
	{ "BSD loopback", 0, LINK(2, 0, 0, 0), false },
	{ "BSD loopback, big endian, IPv6", 0, LINK(0, 0, 0, 30), true },
	{ "OpenBSD loopback", 108, LINK(0, 0, 0, 2), false },
};
enum { NLAYERS = sizeof(layers) / sizeof(layers[0]) };

static size_t put_whole(uint8_t *p, bool v6, size_t payload)
{
	size_t n = v6 ? put_ip6(p, 8 + payload, 17) : put_ip4(p, 8 + payload, 1, 0, 17);

	return n + put_udp(p + n, payload);
}

START_TEST(link_layers)
{
	uint8_t p[300];
	struct datagram d;
	struct endpoint to;
	struct capture *c;
	char text[ENDPOINT_TEXT];
	size_t n;

	memcpy(p, layers[_i].head, layers[_i].n);
	n = layers[_i].n + put_whole(p + layers[_i].n, layers[_i].v6, 100);
	begin(0xa1b2c3d4, layers[_i].dlt);
	packet(p, n);
	memset(p + n, 0xee, 18);	/* Ethernet's padding is no payload */
	packet(p, n + 18);
	c = reopen();
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(capture_next(c, &d, &to, why) == 1, "%s", layers[_i].name);
		expect_payload(&d, 100);
		ck_assert_uint_eq(d.recv_us, UINT64_C(1700000000000005));
		ck_assert_str_eq(endpoint_print(&d.from, text),
				 layers[_i].v6 ? "[2001:db8::7]:4739" : "198.51.100.7:4739");
		ck_assert_str_eq(endpoint_print(&to, text),
				 layers[_i].v6 ? "[2001:db8::9]:2055" : "203.0.113.9:2055");
	}
	ck_assert_int_eq(capture_next(c, &d, &to, why), 0);
	expect_sum(c);
	capture_close(c);
}
END_TEST

/* Every shorter frame: whole in the file, or cut by the snap length; never a datagram, never a
 * crash. */
START_TEST(truncated_frames)
{
	uint8_t p[300];
	struct datagram d;
	struct capture *c;
	size_t n;

	memcpy(p, layers[_i].head, layers[_i].n);
	n = layers[_i].n + put_whole(p + layers[_i].n, layers[_i].v6, 20);
	begin(0xa1b2c3d4, layers[_i].dlt);
	for (size_t cut = 0; cut < n; cut++) {
		packet_cut(1, 1, p, cut, n);
		packet_cut(1, 1, p, cut, cut);
	}
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 0);
	ck_assert_uint_eq(capture_counts(c)->packets, 2 * n);
	ck_assert_uint_gt(capture_counts(c)->cut, 0);
	expect_sum(c);
	capture_close(c);
}
END_TEST

static const struct {
	uint32_t magic, fraction;
	uint64_t us;
} stamps[] = {
	{ 0xa1b2c3d4, 999999, UINT64_C(1700000000999999) },
	{ 0xa1b23c4d, 999999999, UINT64_C(1700000000999999) },
	{ 0xa1b23c4d, 1000, UINT64_C(1700000000000001) },
};

START_TEST(time_stamps)
{
	uint8_t p[200];
	struct datagram d;
	struct capture *c;
	size_t n = put_whole(p, false, 10);

	begin(stamps[_i].magic, 101);
	packet_cut(1700000000, stamps[_i].fraction, p, n, n);
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 1);
	ck_assert_uint_eq(d.recv_us, stamps[_i].us);
	capture_close(c);
}
END_TEST

/* ---- fragments ---------------------------------------------------------------- */

enum { WHOLE = 8 + 4000, STEP = 1480 };

/* Fragment number k of the datagram `id`. */
static void fragment4(const uint8_t *udp, uint16_t id, int k)
{
	uint8_t p[V4_HEAD + STEP];
	size_t at = (size_t)k * STEP, n = WHOLE - at < STEP ? WHOLE - at : STEP;

	put_ip4(p, n, id, (uint16_t)(at / 8 | (at + n < WHOLE ? 0x2000 : 0)), 17);
	memcpy(p + V4_HEAD, udp + at, n);
	packet(p, V4_HEAD + n);
}

static void fragment6(const uint8_t *udp, uint32_t id, int k)
{
	uint8_t p[V6_HEAD + 8 + STEP];
	size_t at = (size_t)k * STEP, n = WHOLE - at < STEP ? WHOLE - at : STEP;
	struct cursor c = cursor(p + V6_HEAD, 8);

	put_ip6(p, 8 + n, 44);
	put8(&c, 17);
	put8(&c, 0);
	put16(&c, (uint16_t)(at | (at + n < WHOLE)));
	put32(&c, id);
	memcpy(p + V6_HEAD + 8, udp + at, n);
	packet(p, V6_HEAD + 8 + n);
}

static const struct {
	const char *name;
	int order[6];		/* -1 ends */
	int datagrams, joined, fragments;
} orders[] = {
	{ "in order", { 0, 1, 2, -1 }, 1, 2, 0 },
	{ "backwards", { 2, 1, 0, -1 }, 1, 2, 0 },
	{ "last in the middle", { 0, 2, 1, -1 }, 1, 2, 0 },
	{ "one twice", { 0, 0, 1, 2, -1 }, 1, 3, 0 },
	{ "last twice", { 2, 0, 2, 1, -1 }, 1, 3, 0 },
	{ "first missing", { 1, 2, -1 }, 0, 0, 2 },
	{ "middle missing", { 0, 2, -1 }, 0, 0, 2 },
	{ "last missing", { 0, 1, -1 }, 0, 0, 2 },
	{ "again behind the end", { 0, 1, 2, 1, -1 }, 1, 2, 1 },
};

START_TEST(fragments_join)
{
	uint8_t udp[WHOLE];
	struct datagram d;
	struct capture *c;
	const struct capture_counts *n;

	for (int v6 = 0; v6 < 2; v6++) {
		int got = 0;

		put_udp(udp, WHOLE - 8);
		begin(0xa1b2c3d4, 101);
		for (const int *k = orders[_i].order; *k >= 0; k++) {
			if (v6)
				fragment6(udp, 0x12345678, *k);
			else
				fragment4(udp, 77, *k);
		}
		c = reopen();
		while (capture_next(c, &d, NULL, why) == 1) {
			expect_payload(&d, WHOLE - 8);
			got++;
		}
		n = capture_counts(c);
		ck_assert_msg(
			got == orders[_i].datagrams, "%s: %d datagrams", orders[_i].name, got);
		ck_assert_uint_eq(n->reassembled, (uint64_t)got);
		ck_assert_uint_eq(n->joined, (uint64_t)orders[_i].joined);
		ck_assert_uint_eq(n->fragments, (uint64_t)orders[_i].fragments);
		expect_sum(c);
		capture_close(c);
	}
}
END_TEST

/* Two datagrams at once, told apart by their identification. */
START_TEST(fragments_interleave)
{
	uint8_t udp[WHOLE];
	struct datagram d;
	struct capture *c;

	put_udp(udp, WHOLE - 8);
	begin(0xa1b2c3d4, 101);
	for (int k = 0; k < 3; k++)
		for (uint16_t id = 1; id <= 20; id++)
			fragment4(udp, id, k);
	c = reopen();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(capture_next(c, &d, NULL, why), 1);
		expect_payload(&d, WHOLE - 8);
	}
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 0);
	expect_sum(c);
	capture_close(c);
}
END_TEST

/* A stranger opens a thousand datagrams and ends none: the whole one behind them still comes out.
 */
START_TEST(fragments_are_bounded)
{
	uint8_t udp[WHOLE];
	struct datagram d;
	struct capture *c;

	put_udp(udp, WHOLE - 8);
	begin(0xa1b2c3d4, 101);
	for (uint16_t id = 1; id <= 1000; id++)
		fragment4(udp, id, 0);
	for (int k = 0; k < 3; k++)
		fragment4(udp, 5000, k);
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 1);
	expect_payload(&d, WHOLE - 8);
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 0);
	ck_assert_uint_eq(capture_counts(c)->fragments, 1000);
	expect_sum(c);
	capture_close(c);
}
END_TEST

/* Pieces that contradict each other give nothing (RFC 5722). */
static const struct {
	const char *name;
	struct { uint16_t at, n; bool more; } piece[4];
} liars[] = {
	{ "overlap with other octets", { { 0, 16, true }, { 8, 16, true }, { 24, 8, false } } },
	{ "ends before what came",
		{ { 0, 16, true }, { 32, 16, true }, { 16, 8, false }, { 16, 16, true } } },
	{ "goes on behind the end", { { 0, 16, true }, { 16, 8, false }, { 24, 8, true } } },
	{ "two ends", { { 0, 16, true }, { 24, 8, false }, { 16, 8, false }, { 16, 8, true } } },
	{ "a length that is no multiple of 8", { { 0, 15, true }, { 8, 8, false } } },
	{ "empty pieces", { { 0, 0, true }, { 8, 0, true }, { 0, 0, true } } },
	{ "behind 65535", { { 0, 16, true }, { 65528, 16, false } } },
};

START_TEST(fragments_that_lie)
{
	struct datagram d;
	struct capture *c;
	uint8_t p[V4_HEAD + 16];

	begin(0xa1b2c3d4, 101);
	for (int k = 0; k < 4; k++) {
		size_t n = liars[_i].piece[k].n;

		if (n == 0 && !liars[_i].piece[k].more)
			continue;
		put_ip4(p, n, 9,
			(uint16_t)(liars[_i].piece[k].at / 8 |
				(liars[_i].piece[k].more ? 0x2000 : 0)),
			17);
		memset(p + V4_HEAD, 'a' + k, n);
		packet(p, V4_HEAD + n);
	}
	c = reopen();
	ck_assert_msg(capture_next(c, &d, NULL, why) == 0, "%s", liars[_i].name);
	ck_assert_uint_eq(capture_counts(c)->datagrams, 0);
	expect_sum(c);
	capture_close(c);
}
END_TEST

START_TEST(not_udp)
{
	uint8_t p[200] = { 0 };
	struct datagram d;
	struct capture *c;

	begin(0xa1b2c3d4, 101);
	packet(p, put_ip4(p, 40, 1, 0, 6) + 40);
	packet(p, put_ip4(p, 40, 1, 0x2000, 6) + 40);	/* a fragment of TCP */
	packet(p, put_ip6(p, 40, 58) + 40);
	p[0] = 0x50;
	packet(p, 100);
	packet(p, 0);
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 0);
	ck_assert_uint_eq(capture_counts(c)->other, 5);
	expect_sum(c);
	capture_close(c);
}
END_TEST

/* An IPv6 packet may carry v4-mapped addresses and long headers: the head that is kept has 40
 * octets. */
START_TEST(mapped_addresses_in_ipv6)
{
	uint8_t p[V6_HEAD + 256 + 16] = { 0 }, mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10 };
	struct datagram d;
	struct capture *c;

	put_ip6(p, 256 + 16, 0);
	memcpy(p + 8, mapped, 16);
	memcpy(p + 24, mapped, 16);
	p[V6_HEAD] = 44;		/* hop-by-hop of 248 octets, then a fragment header */
	p[V6_HEAD + 1] = 30;
	p[V6_HEAD + 248] = 17;
	p[V6_HEAD + 251] = 1;
	begin(0xa1b2c3d4, 101);
	packet(p, sizeof(p));
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 0);
	ck_assert_uint_eq(capture_counts(c)->fragments, 1);
	capture_close(c);
}
END_TEST

/* ---- files that cannot be read ------------------------------------------------- */

START_TEST(unreadable)
{
	struct capture *c = capture_open("/nonexistent/x.pcap", why);

	ck_assert_ptr_null(c);
	ck_assert_str_eq(why, "/nonexistent/x.pcap: No such file or directory");
	c = capture_open("/dev/null", why);
	ck_assert_ptr_null(c);
	ck_assert_ptr_nonnull(strstr(why, "/dev/null: "));
	begin(0xa1b2c3d4, 105);
	fclose(file);
	c = capture_open(path, why);
	ck_assert_ptr_null(c);
	ck_assert_msg(
		strstr(why, "link type 105 (IEEE802_11) is not supported") != NULL, "%s", why);
	ck_assert_int_eq(strncmp(why, path, strlen(path)), 0);
	unlink(path);
	capture_close(NULL);
}
END_TEST

START_TEST(file_ends_in_a_packet)
{
	uint8_t p[200];
	struct datagram d;
	struct capture *c;
	size_t n = put_whole(p, false, 10);

	begin(0xa1b2c3d4, 101);
	packet(p, n);
	le32(1700000000);
	le32(0);
	le32(100);
	le32(100);
	fputc(0x45, file);
	c = reopen();
	ck_assert_int_eq(capture_next(c, &d, NULL, why), 1);
	ck_assert_int_eq(capture_next(c, &d, NULL, why), -1);
	ck_assert_msg(strstr(why, "packet 2: truncated dump file") != NULL, "%s", why);
	capture_close(c);
}
END_TEST

/* ---- writing -------------------------------------------------------------------- */

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return n % 2 ? sum + (uint32_t)(p[n - 1] << 8) : sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static const struct {
	const char *from, *to;
	size_t n;
} written[] = {
	{ "192.0.2.1", "198.51.100.2", 0 }, { "192.0.2.1", "198.51.100.2", 1 },
	{ "192.0.2.1", "198.51.100.2", 1464 }, { "192.0.2.1", "198.51.100.2", 65507 },
	{ "2001:db8::1", "2001:db8::2", 0 }, { "2001:db8::1", "2001:db8::2", 1465 },
	{ "2001:db8::1", "2001:db8::2", 65527 },
};

/* The sum over pseudo header, header and payload is all ones (RFC 1071). */
static void expect_checksums(const uint8_t *f)
{
	const uint8_t *ip = f + 14;
	const bool v4 = ip[0] >> 4 == 4;
	const uint8_t *udp = ip + (v4 ? 20 : 40);
	const size_t n = (size_t)(udp[4] << 8 | udp[5]);

	if (v4)
		ck_assert_uint_eq(fold(sum_of(ip, 20)), 0xffff);
	ck_assert_uint_ne(udp[6] << 8 | udp[7], 0);
	ck_assert_uint_eq(fold(sum_of(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32) + 17 + (uint32_t)n +
				  fold(sum_of(udp, n))),
		0xffff);
}

START_TEST(writes_what_libpcap_reads)
{
	static uint8_t payload[65536], record[65536 + CAPTURE_HEAD];
	size_t n;
	struct endpoint from = { .port = 2055 }, to = { .port = 9995 }, seen;
	struct capture_writer *w;
	struct capture *c;
	struct datagram d;
	struct pcap_pkthdr *h;
	const uint8_t *frame;
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p;

	ck_assert(addr_parse(&from.addr, written[_i].from) && addr_parse(&to.addr, written[_i].to));
	for (size_t i = 0; i < written[_i].n; i++)
		payload[i] = (uint8_t)(i * 11 + 3);
	begin(0, 0);
	fclose(file);
	w = capture_create(path);
	ck_assert_ptr_nonnull(w);
	n = capture_record(record, UINT64_C(1700000000123456789), &from, &to,
		(struct bytes){ payload, written[_i].n });
	ck_assert_uint_gt(n, written[_i].n);
	ck_assert_uint_le(n, written[_i].n + CAPTURE_HEAD);
	ck_assert_uint_eq(capture_append(w, record, n), n);
	ck_assert_int_eq(capture_finish(w), 0);

	p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	ck_assert_msg(p != NULL, "%s", err);
	ck_assert_int_eq(pcap_next_ex(p, &h, &frame), 1);
	ck_assert_int_eq(h->ts.tv_sec, 1700000000);
	ck_assert_int_eq(h->ts.tv_usec, 123456789);
	ck_assert_uint_eq(h->caplen, h->len);
	expect_checksums(frame);
	pcap_close(p);

	c = capture_open(path, why);
	ck_assert_int_eq(capture_next(c, &d, &seen, why), 1);
	ck_assert_uint_eq(d.data.n, written[_i].n);
	ck_assert_int_eq(memcmp(d.data.p, payload, d.data.n), 0);
	ck_assert(addr_equal(&d.from.addr, &from.addr) && addr_equal(&seen.addr, &to.addr));
	ck_assert_uint_eq(seen.port, 9995);
	capture_close(c);
	unlink(path);
}
END_TEST

START_TEST(writer_refuses)
{
	static uint8_t payload[65528], record[65528 + CAPTURE_HEAD];
	struct endpoint v4 = { .addr = addr_zero4 }, v6 = { .addr = addr_zero6 };

	ck_assert_ptr_null(capture_create("/nonexistent/x.pcap"));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_uint_eq(capture_record(record, 0, &v4, &v6, (struct bytes){ payload, 1 }), 0);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	ck_assert_uint_eq(capture_record(record, 0, &v4, &v4, (struct bytes){ payload, 65508 }), 0);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_uint_eq(capture_record(record, 0, &v6, &v6, (struct bytes){ payload, 65528 }), 0);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(capture_finish(NULL), 0);
}
END_TEST

/*
 * A limit of the process is a full disk: what is there is told, what is there by half goes back.
 * While it holds nothing is asserted: without a fork libcheck's own file would meet it.
 */
START_TEST(disk_full)
{
	static uint8_t payload[1000], record[1000 + CAPTURE_HEAD];
	struct endpoint v4 = { .addr = addr_zero4 };
	struct rlimit before, limit;
	struct stat st;
	struct capture_writer *w;
	size_t n = capture_record(record, 0, &v4, &v4, (struct bytes){ payload, sizeof(payload) });
	size_t taken[4];
	int err, finished, finish_err;

	ck_assert_uint_eq(n, 16 + 14 + 20 + 8 + sizeof(payload));
	begin(0, 0);
	fclose(file);
	w = capture_create(path);
	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 2500;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		ck_abort_msg("no limit");
	taken[0] = capture_append(w, record, n);
	taken[1] = capture_append(w, record, n);
	taken[2] = capture_append(w, record, n);
	err = errno;
	taken[3] = capture_append(w, record, 1);
	capture_take_back(w, 2500 - 24 - 2 * n);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	ck_assert_int_eq(stat(path, &st), 0);
	finished = capture_finish(w);
	finish_err = errno;
	ck_assert_uint_eq(taken[0], n);
	ck_assert_uint_eq(taken[1], n);
	ck_assert_uint_eq(taken[2], 2500 - 24 - 2 * n);
	ck_assert_int_eq(err, EFBIG);
	ck_assert_uint_eq(taken[3], 0);
	ck_assert_int_eq(st.st_size, (off_t)(24 + 2 * n));
	ck_assert_int_eq(finished, -1);
	ck_assert_int_eq(finish_err, EFBIG);
	unlink(path);
}
END_TEST

Suite *suite_capture(void);
Suite *suite_capture(void)
{
	Suite *s = suite_create("capture");
	TCase *t = tcase_create("read"), *w = tcase_create("write");

	tcase_add_loop_test(t, link_layers, 0, NLAYERS);
	tcase_add_loop_test(t, truncated_frames, 0, NLAYERS);
	tcase_add_loop_test(t, time_stamps, 0, sizeof(stamps) / sizeof(stamps[0]));
	tcase_add_loop_test(t, fragments_join, 0, sizeof(orders) / sizeof(orders[0]));
	tcase_add_test(t, fragments_interleave);
	tcase_add_test(t, fragments_are_bounded);
	tcase_add_loop_test(t, fragments_that_lie, 0, sizeof(liars) / sizeof(liars[0]));
	tcase_add_test(t, not_udp);
	tcase_add_test(t, mapped_addresses_in_ipv6);
	tcase_add_test(t, unreadable);
	tcase_add_test(t, file_ends_in_a_packet);
	suite_add_tcase(s, t);
	tcase_add_loop_test(w, writes_what_libpcap_reads, 0, sizeof(written) / sizeof(written[0]));
	tcase_add_test(w, writer_refuses);
	tcase_add_test(w, disk_full);
	suite_add_tcase(s, w);
	return s;
}
