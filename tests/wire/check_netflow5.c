/*
 * check_netflow5.c - v1, v5, v7.
 *
 * The datagrams have a different value in every field; what they mean was read
 * off Cisco's layout and confirmed with tshark 4.0.17.
 */
#include <check.h>
#include "exact.h"
#include "wire/netflow5.h"

Suite *suite_netflow5(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }
enum { FIELDS_MAX = 20 };

/*
 * uptime 1 000 000 ms, 1 700 000 000 s + 250 000 000 ns, then v5: sequence, engine 3/4,
 * mode 1 interval 100.
 */
#define UPTIME 0x00,0x0f,0x42,0x40
#define CLOCK 0x65,0x53,0xf1,0x00, 0x0e,0xe6,0xb2,0x80
#define V1(n) 0,1, 0,n, UPTIME, CLOCK
#define V5(n) 0,5, 0,n, UPTIME, CLOCK, 0x01,0x02,0x03,0x04, 3, 4, 0x40,0x64
#define V7(n) 0,7, 0,n, UPTIME, CLOCK, 0x01,0x02,0x03,0x04, 0,0,0,0
/* First 12 345 ms and last 1 ms before the header. */
#define START 192,0,2,1, 198,51,100,2, 203,0,113,3, 0x01,0x02, 0x03,0x04, 0x05,0x06,0x07,0x08, \
	0x09,0x0a,0x0b,0x0c, 0x00,0x0f,0x12,0x07, 0x00,0x0f,0x42,0x3f, 0x0d,0x0e, 0x0f,0x10
#define TAIL1 0xa1,0xa2, 6, 0x20, 0x1b, 0xa3,0xa4,0xa5,0xa6,0xa7,0xa8,0xa9
#define TAIL5 0xa1, 0x1b, 6, 0x20, 0xfd,0xe8, 0xfd,0xe9, 24, 20, 0xa2,0xa3
#define TAIL7 TAIL5, 10,11,12,13

struct value {
	enum flow_field field;
	uint64_t value;
};

static const struct {
	const char *name;
	struct bytes dgram;
	uint32_t sequence;
	uint8_t engine_type, engine_id;
	size_t record;
	/* and the three addresses; a value for each present member */
	struct value numbers[FIELDS_MAX];
} vectors[] = {
#define NUMBERS { FLOW_in_if, 0x0102 }, { FLOW_out_if, 0x0304 }, { FLOW_packets, 0x05060708 }, \
	{ FLOW_octets, 0x090a0b0c }, { FLOW_first_us, UINT64_C(1700000000250000) - 12345000 }, \
	{ FLOW_last_us, UINT64_C(1700000000249000) }, { FLOW_src_port, 0x0d0e }, \
		{ FLOW_dst_port, 0x0f10 }, \
	{ FLOW_tcp_flags, 0x1b }, { FLOW_proto, 6 }, { FLOW_tos, 0x20 }
#define ROUTING { FLOW_src_as, 65000 }, { FLOW_dst_as, 65001 }, { FLOW_src_mask, 24 }, \
	{ FLOW_dst_mask, 20 }
	{ "v1", BYTES(V1(1), START, TAIL1), 0, 0, 0, 48, { NUMBERS } },
	{ "v1 of 52 octets a record", BYTES(V1(1), START, TAIL1, 1, 2, 3, 4), 0, 0, 0, 52,
		{ NUMBERS } },
	{ "v5", BYTES(V5(1), START, TAIL5), 0x01020304, 3, 4, 48,
		{ NUMBERS, ROUTING, { FLOW_sampling_num, 100 }, { FLOW_sampling_den, 1 } } },
	{ "v7", BYTES(V7(1), START, TAIL7), 0x01020304, 0, 0, 52, { NUMBERS, ROUTING } },
};

START_TEST(decodes_every_field)
{
	const uint8_t addrs[3][4] = { { 192, 0, 2, 1 }, { 198, 51, 100, 2 }, { 203, 0, 113, 3 } };
	struct flow_record want = flow_record_empty, got[2];
	struct netflow5_msg m;
	char text[2][1024];

	ck_assert_int_eq(netflow5_parse(&m, vectors[_i].dgram), WIRE_OK);
	ck_assert_msg(m.version == vectors[_i].dgram.p[1] && m.count == 1 &&
		m.uptime_ms == 1000000 &&
		      m.export_s == 1700000000 && m.export_ns == 250000000 &&
		      m.sequence == vectors[_i].sequence &&
		      	m.engine_type == vectors[_i].engine_type &&
		      m.engine_id == vectors[_i].engine_id && m.trailing == 0 &&
		      m.records.n == vectors[_i].record, "%s: header", vectors[_i].name);
	want.present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop);
	want.src = addr_from4(addrs[0]);
	want.dst = addr_from4(addrs[1]);
	want.next_hop = addr_from4(addrs[2]);
	for (const struct value *v = vectors[_i].numbers; v->field || v->value; v++)
		flow_set(&want, v->field, v->value);
	ck_assert_uint_eq(netflow5_records(&m, 0, got, 2), 1);
	flow_print(text[0], sizeof(text[0]), &want);
	flow_print(text[1], sizeof(text[1]), &got[0]);
	ck_assert_msg(flow_equal(&want, &got[0]), "%s: want %s\n got %s", vectors[_i].name,
		text[0], text[1]);
}
END_TEST

static void read_all(struct bytes b)
{
	struct netflow5_msg m;
	struct flow_record out[3];
	size_t total = 0, n;

	if (netflow5_parse(&m, b) != WIRE_OK)
		return;
	while ((n = netflow5_records(&m, total, out, COUNT(out))))
		total += n;
	ck_assert_uint_eq(total, m.count);
	ck_assert_uint_eq(m.records.n + m.trailing + (m.version == 1 ? 16u : 24u), b.n);
}

START_TEST(survives_cuts_and_flips)
{
	touch_all(vectors[_i].dgram, read_all);
}
END_TEST

START_TEST(refuses_what_is_cut)
{
	const struct bytes b = vectors[_i].dgram;
	const size_t header = vectors[_i].dgram.p[1] == 1 ? 16 : 24;
	struct netflow5_msg m;

	for (size_t n = 0; n < b.n; n++) {
		enum wire_err want = n < header ? WIRE_SHORT : WIRE_COUNT;

		/*
		 * A v1 of 52 octets without its last four is a lawful one of 48, and so
		 * is what is between.
		 */
		if (n >= 16 + 48 && b.p[1] == 1)
			want = WIRE_OK;
		ck_assert_msg(netflow5_parse(&m, (struct bytes){ b.p, n }) == want, "%s cut at %zu",
			      vectors[_i].name, n);
	}
}
END_TEST

static const struct {
	const char *name;
	uint16_t version, count;
	size_t len;		/* of the datagram */
	enum wire_err err;
	size_t trailing;
} sizes[] = {
	{ "nothing", 5, 0, 0, WIRE_SHORT, 0 },
	{ "half a version", 5, 0, 1, WIRE_SHORT, 0 },
	{ "a version", 5, 0, 2, WIRE_SHORT, 0 },
	{ "v5 header less one", 5, 0, 23, WIRE_SHORT, 0 },
	{ "v5 header, no records", 5, 0, 24, WIRE_OK, 0 },
	{ "v5 no records, one octet", 5, 0, 25, WIRE_OK, 1 },
	{ "v5 one record less one octet", 5, 1, 71, WIRE_COUNT, 0 },
	{ "v5 one record", 5, 1, 72, WIRE_OK, 0 },
	{ "v5 one record and 4 octets", 5, 1, 76, WIRE_OK, 4 },
	{ "v5 one record announced, two there", 5, 1, 120, WIRE_OK, 48 },
	{ "v5 two records announced, one there", 5, 2, 72, WIRE_COUNT, 0 },
	{ "v5 29", 5, 29, 24 + 29 * 48, WIRE_OK, 0 },
	{ "v5 30", 5, 30, 24 + 30 * 48, WIRE_OK, 0 },
	{ "v5 31", 5, 31, 24 + 31 * 48, WIRE_OK, 0 },
	{ "v5 as many as UDP holds", 5, 1364, 24 + 1364 * 48, WIRE_OK, 0 },
	{ "v5 65535", 5, 65535, 24 + 1364 * 48, WIRE_COUNT, 0 },
	{ "v1 header less one", 1, 0, 15, WIRE_SHORT, 0 },
	{ "v1 header", 1, 0, 16, WIRE_OK, 0 },
	{ "v1 two of 48", 1, 2, 16 + 96, WIRE_OK, 0 },
	{ "v1 two of 52", 1, 2, 16 + 104, WIRE_OK, 0 },
	{ "v1 two of 48 and 7 octets", 1, 2, 16 + 103, WIRE_OK, 7 },
	{ "v1 two of 48 less one", 1, 2, 16 + 95, WIRE_COUNT, 0 },
	{ "v7 one of 52", 7, 1, 24 + 52, WIRE_OK, 0 },
	{ "v7 one of 52 less one", 7, 1, 24 + 51, WIRE_COUNT, 0 },
	{ "version 0", 0, 0, 100, WIRE_VERSION, 0 },
	{ "version 2", 2, 0, 100, WIRE_VERSION, 0 },
	{ "version 6", 6, 0, 100, WIRE_VERSION, 0 },
	{ "version 8", 8, 0, 100, WIRE_VERSION, 0 },
	{ "version 9", 9, 0, 100, WIRE_VERSION, 0 },
	{ "version 0x0500", 0x0500, 0, 100, WIRE_VERSION, 0 },
};

START_TEST(judges_the_length)
{
	static uint8_t dgram[65536];
	struct netflow5_msg m = { .trailing = 0 };

	memset(dgram, 0, sizeof(dgram));
	dgram[0] = (uint8_t)(sizes[_i].version >> 8);
	dgram[1] = (uint8_t)sizes[_i].version;
	dgram[2] = (uint8_t)(sizes[_i].count >> 8);
	dgram[3] = (uint8_t)sizes[_i].count;
	ck_assert_msg(netflow5_parse(&m, (struct bytes){ dgram, sizes[_i].len }) == sizes[_i].err &&
		      m.trailing == sizes[_i].trailing, "%s", sizes[_i].name);
	touch_exact(dgram, sizes[_i].len, read_all);
}
END_TEST

static const struct { uint16_t word; uint32_t interval; } samplings[] = {
	{ 0x0000, 0 }, { 0x4000, 0 }, { 0x8000, 0 }, { 0x0001, 1 }, { 0x0064, 100 },
		{ 0x4064, 100 },
	{ 0x8064, 100 }, { 0xc064, 100 }, { 0x3fff, 16383 }, { 0xffff, 16383 },
};

START_TEST(takes_fourteen_bits_of_sampling)
{
	const uint8_t dgram[24 + 48] = { 0, 5, 0, 1, [22] = (uint8_t)(samplings[_i].word >> 8),
		(uint8_t)samplings[_i].word };
	struct netflow5_msg m;
	struct flow_record r;

	ck_assert_int_eq(netflow5_parse(&m, (struct bytes){ dgram, sizeof(dgram) }), WIRE_OK);
	ck_assert_uint_eq(netflow5_records(&m, 0, &r, 1), 1);
	ck_assert_uint_eq(r.sampling_num, samplings[_i].interval);
	ck_assert_uint_eq(r.sampling_den, samplings[_i].interval ? 1 : 0);
	ck_assert(flow_has(&r, FLOW_sampling_num) == (samplings[_i].interval != 0));
	ck_assert(flow_has(&r, FLOW_sampling_den) == (samplings[_i].interval != 0));
}
END_TEST

static const struct {
	const char *name;
	uint32_t uptime, secs, nsecs, field;
	bool seconds;
	uint64_t us;
} times[] = {
	{ "now", 5000, 1700000000, 0, 5000, false, UINT64_C(1700000000000000) },
	{ "a millisecond ago", 5000, 1700000000, 0, 4999, false, UINT64_C(1699999999999000) },
	{ "nanoseconds of the header", 5000, 1700000000, 999999999, 5000, false,
		UINT64_C(1700000000999999) },
	{ "before the wrap", 1000, 1700000000, 0, 0xffffff00, false, UINT64_C(1699999998744000) },
	{ "after the wrap, same datagram", 1000, 1700000000, 0, 500, false,
		UINT64_C(1699999999500000) },
	{ "ahead of the header", 5000, 1700000000, 0, 5001, false, UINT64_C(1700000000001000) },
	{ "24.8 days ago", 0, 1700000000, 0, 0x80000000, false,
		UINT64_C(1700000000000000) - UINT64_C(2147483648000) },
	{ "clock never set", 5000, 0, 0, 4000, false, 0 },
	{ "clock at the end of time", 0, 0xffffffff, 0, 0x7fffffff, false,
		UINT64_C(4294967295000000) + UINT64_C(2147483647000) },
	{ "seconds", 5000, 1700000000, 0, 4990, true, UINT64_C(1699999990000000) },
};

START_TEST(dates_by_signed_distance)
{
	uint8_t dgram[24 + 48] = { 0, 5, 0, 1 };
	const uint32_t words[3] = { times[_i].uptime, times[_i].secs, times[_i].nsecs };
	struct netflow5_msg m;
	struct flow_record r;

	for (int i = 0; i < 4; i++) {
		for (int w = 0; w < 3; w++)
			dgram[4 + 4 * w + i] = (uint8_t)(words[w] >> (24 - 8 * i));
		dgram[24 + 24 + i] = dgram[24 + 28 + i] =
			(uint8_t)(times[_i].field >> (24 - 8 * i));
	}
	ck_assert_int_eq(netflow5_parse(&m, (struct bytes){ dgram, sizeof(dgram) }), WIRE_OK);
	m.uptime_is_seconds = times[_i].seconds;
	ck_assert_uint_eq(netflow5_records(&m, 0, &r, 1), 1);
	ck_assert_msg(r.first_us == times[_i].us && r.last_us == times[_i].us, "%s: %llu",
		times[_i].name,
		      (unsigned long long)r.first_us);
}
END_TEST

/* ---- writing -------------------------------------------------------------- */

static struct flow_record random_record(uint64_t *s, const struct netflow5_msg *m)
{
	struct flow_record r = flow_record_empty;
	const uint64_t at_us = (uint64_t)m->export_s * 1000000 + m->export_ns / 1000;

	r.src = addr_make4((uint32_t)rnd(s));
	r.dst = addr_make4((uint32_t)rnd(s));
	r.next_hop = addr_make4((uint32_t)rnd(s));
	r.present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop);
	flow_set(&r, FLOW_in_if, rnd(s) & 0xffff);
	flow_set(&r, FLOW_out_if, rnd(s) & 0xffff);
	flow_set(&r, FLOW_packets, rnd(s) & 0xffffffff);
	flow_set(&r, FLOW_octets, rnd(s) & 0xffffffff);
	flow_set(&r, FLOW_first_us, at_us - (rnd(s) & 0x7fffffff) * 1000);
	flow_set(&r, FLOW_last_us, at_us + (rnd(s) & 0x7fffffff) * 1000);
	flow_set(&r, FLOW_src_port, rnd(s));
	flow_set(&r, FLOW_dst_port, rnd(s));
	flow_set(&r, FLOW_proto, rnd(s));
	flow_set(&r, FLOW_tos, rnd(s));
	flow_set(&r, FLOW_tcp_flags, rnd(s));
	if (m->version == 1)
		return r;
	flow_set(&r, FLOW_src_as, rnd(s) & 0xffff);
	flow_set(&r, FLOW_dst_as, rnd(s) & 0xffff);
	flow_set(&r, FLOW_src_mask, rnd(s));
	flow_set(&r, FLOW_dst_mask, rnd(s));
	if (m->sampling & 0x3fff) {
		flow_set(&r, FLOW_sampling_num, m->sampling & 0x3fff);
		flow_set(&r, FLOW_sampling_den, 1);
	}
	return r;
}

/* A third of the million each, in datagrams of 1 to 30. */
START_TEST(gives_back_what_was_put)
{
	const uint16_t version = (uint16_t[]){ 1, 5, 7 }[_i];
	uint64_t s = rnd_seed("netflow5");
	uint8_t buf[24 + NETFLOW5_MAX * 52];

	for (size_t done = 0; done < PROPERTY_RECORDS / 3;) {
		struct netflow5_msg m = { .version = version, .uptime_ms = (uint32_t)rnd(&s),
			.export_s = 100000000 + (uint32_t)(rnd(&s) >> 33),
			.export_ns = (uint32_t)(rnd(&s) % 1000000) * 1000 }, back;
		struct flow_record in[NETFLOW5_MAX], out[NETFLOW5_MAX];
		size_t n = 1 + rnd(&s) % NETFLOW5_MAX;
		struct cursor c = cursor(buf, sizeof(buf));

		if (version != 1)
			m.sequence = (uint32_t)rnd(&s);
		if (version == 5) {
			m.engine_type = (uint8_t)rnd(&s);
			m.engine_id = (uint8_t)rnd(&s);
			m.sampling = (uint16_t)rnd(&s);
		}
		for (size_t i = 0; i < n; i++)
			in[i] = random_record(&s, &m);
		netflow5_put(&c, &m, in, n);
		ck_assert(!c.full);
		ck_assert_int_eq(netflow5_parse(&back, (struct bytes){ buf, cursor_used(&c) }),
			WIRE_OK);
		ck_assert(back.version == version && back.count == n &&
			back.uptime_ms == m.uptime_ms &&
			  back.export_s == m.export_s && back.export_ns == m.export_ns &&
			  back.sequence == m.sequence && back.engine_type == m.engine_type &&
			  back.engine_id == m.engine_id && back.sampling == m.sampling &&
			  	!back.trailing);
		ck_assert_uint_eq(netflow5_records(&back, 0, out, NETFLOW5_MAX), n);
		for (size_t i = 0; i < n; i++)
			if (!netflow5_fits(version, &in[i]) || !flow_equal(&in[i], &out[i]))
				ck_abort_msg("v%d record %zu", version, done + i);
		done += n;
	}
}
END_TEST

START_TEST(writes_the_vector)
{
	const struct bytes want = vectors[_i].dgram;
	struct netflow5_msg m;
	struct flow_record r;
	uint8_t buf[128];
	struct cursor c = cursor(buf, sizeof(buf));
	static const uint8_t skip[][4] = {	/* padding and what we do not know, in the record */
		[1] = { 36, 37, 0, 0 }, [5] = { 36, 46, 47, 0 }, [7] = { 36, 46, 47, 0 } };

	ck_assert_int_eq(netflow5_parse(&m, want), WIRE_OK);
	netflow5_records(&m, 0, &r, 1);
	netflow5_put(&c, &m, &r, 1);
	for (size_t i = 0; i < cursor_used(&c); i++) {
		const size_t header = m.version == 1 ? 16 : 24, at = i - header;

		if (i > header && memchr(skip[m.version], (int)at, 4))
			continue;
		if (i > header && ((m.version == 1 && at > 40) || at >= 48))
			continue;
		ck_assert_msg(buf[i] == want.p[i], "%s: octet %zu is %02x", vectors[_i].name, i,
			buf[i]);
	}
}
END_TEST

START_TEST(stays_inside_its_buffer)
{
	static const struct netflow5_msg m = { .version = 5 };
	const struct flow_record recs[2] = { flow_record_empty, flow_record_empty };

	for (size_t n = 0; n <= 24 + 2 * 48; n++) {
		uint8_t *buf = malloc(n ? n : 1);
		struct cursor c = cursor(buf, n);

		netflow5_put(&c, &m, recs, 2);
		ck_assert(c.full == (n < 24 + 2 * 48));
		free(buf);
	}
}
END_TEST

START_TEST(refuses_to_write_what_is_no_version)
{
	uint8_t buf[64];
	struct cursor c = cursor(buf, sizeof(buf));
	const struct netflow5_msg m = { .version = 8 };

	netflow5_put(&c, &m, NULL, 0);
	ck_assert(c.full && cursor_used(&c) == 0);
}
END_TEST

static const struct {
	const char *name;
	uint16_t version;
	enum flow_field field;
	uint64_t value;
	bool fits;
} limits[] = {
	{ "octets 2^32 - 1", 5, FLOW_octets, UINT32_MAX, true },
	{ "octets 2^32", 5, FLOW_octets, UINT64_C(1) << 32, false },
	{ "packets 2^32 - 1", 1, FLOW_packets, UINT32_MAX, true },
	{ "packets 2^32", 1, FLOW_packets, UINT64_C(1) << 32, false },
	{ "ifIndex 65535", 7, FLOW_in_if, 65535, true },
	{ "ifIndex 65536", 7, FLOW_in_if, 65536, false },
	{ "ifIndex 65536 out", 5, FLOW_out_if, 65536, false },
	{ "AS of four octets", 5, FLOW_src_as, 4200000000, true },
	{ "one flow", 5, FLOW_flows, 1, true },
	{ "two flows", 5, FLOW_flows, 2, false },
	{ "no such version", 8, FLOW_octets, 1, false },
};

START_TEST(knows_what_fits)
{
	struct flow_record r = flow_record_empty;

	flow_set(&r, limits[_i].field, limits[_i].value);
	ck_assert_msg(netflow5_fits(limits[_i].version, &r) == limits[_i].fits, "%s",
		limits[_i].name);
}
END_TEST

START_TEST(holds_no_ipv6)
{
	struct flow_record r = flow_record_empty;
	struct addr *const members[] = { &r.src, &r.dst, &r.next_hop };

	ck_assert(netflow5_fits(5, &r));
	*members[_i] = addr_zero6;
	ck_assert(!netflow5_fits(5, &r));
}
END_TEST

START_TEST(says_as_trans)
{
	static const struct { uint32_t as, want; } as[] = { { 65535, 65535 }, { 65536, 23456 },
		{ UINT32_MAX, 23456 } };
	const struct netflow5_msg m = { .version = 5 };
	struct netflow5_msg back;
	struct flow_record r = flow_record_empty, got;
	uint8_t buf[72];
	struct cursor c = cursor(buf, sizeof(buf));

	flow_set(&r, FLOW_src_as, as[_i].as);
	flow_set(&r, FLOW_dst_as, as[_i].as);
	netflow5_put(&c, &m, &r, 1);
	ck_assert_int_eq(netflow5_parse(&back, (struct bytes){ buf, sizeof(buf) }), WIRE_OK);
	netflow5_records(&back, 0, &got, 1);
	ck_assert_uint_eq(got.src_as, as[_i].want);
	ck_assert_uint_eq(got.dst_as, as[_i].want);
}
END_TEST

Suite *suite_netflow5(void)
{
	Suite *s = suite_create("netflow5");
	TCase *t = tcase_create("netflow5");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, decodes_every_field, 0, COUNT(vectors));
	tcase_add_loop_test(t, survives_cuts_and_flips, 0, COUNT(vectors));
	tcase_add_loop_test(t, refuses_what_is_cut, 0, COUNT(vectors));
	tcase_add_loop_test(t, judges_the_length, 0, COUNT(sizes));
	tcase_add_loop_test(t, takes_fourteen_bits_of_sampling, 0, COUNT(samplings));
	tcase_add_loop_test(t, dates_by_signed_distance, 0, COUNT(times));
	tcase_add_loop_test(t, gives_back_what_was_put, 0, 3);
	tcase_add_loop_test(t, writes_the_vector, 0, COUNT(vectors));
	tcase_add_test(t, stays_inside_its_buffer);
	tcase_add_test(t, refuses_to_write_what_is_no_version);
	tcase_add_loop_test(t, knows_what_fits, 0, COUNT(limits));
	tcase_add_loop_test(t, holds_no_ipv6, 0, 3);
	tcase_add_loop_test(t, says_as_trans, 0, 3);
	suite_add_tcase(s, t);
	return s;
}
