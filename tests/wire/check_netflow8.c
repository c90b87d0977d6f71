/*
 * check_netflow8.c - v8, fourteen methods.
 *
 * Octet i of the record holds i + 1, so that a wrong offset shows in the
 * value.  Members are checked against the layouts of flow-tools' ftlib, which
 * tshark 4.0.17 confirmed on the captures of the corpus.
 */
#include <check.h>
#include "exact.h"
#include "wire/netflow8.h"

Suite *suite_netflow8(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { FIELDS_MAX = 16, EXPORT_S = 1700000000, UPTIME = 0x0d0e0f10 };

struct value {
	enum flow_field field;
	uint64_t value;
};

/* Addresses as host-order numbers; times as the number of the uptime field. */
#define ROUTER { FLOW_flows, 0x01020304 }, { FLOW_packets, 0x05060708 }, \
	{ FLOW_octets, 0x090a0b0c }, \
	{ FLOW_first_us, 0x0d0e0f10 }, { FLOW_last_us, 0x11121314 }
#define SRC_MASK { FLOW_src_mask, 29 }, { FLOW_dst_mask, 30 }
#define DST_MASK { FLOW_src_mask, 30 }, { FLOW_dst_mask, 29 }
#define MATRIX { FLOW_src, 0x15161718 }, { FLOW_dst, 0x191a1b1c }, { FLOW_in_if, 0x2526 }, \
	{ FLOW_out_if, 0x2728 }
#define AS_MATRIX { FLOW_src_as, 0x2122 }, { FLOW_dst_as, 0x2324 }

static const struct {
	unsigned method, dialect;
	size_t size;
	struct value values[FIELDS_MAX];
} layouts[] = {
	{ 1, 0, 28, { ROUTER, { FLOW_src_as, 0x1516 }, { FLOW_dst_as, 0x1718 },
		{ FLOW_in_if, 0x191a },
		{ FLOW_out_if, 0x1b1c } } },
	{ 2, 0, 28, { ROUTER, { FLOW_proto, 0x15 }, { FLOW_src_port, 0x191a },
		{ FLOW_dst_port, 0x1b1c } } },
	{ 3, 0, 32, { ROUTER, { FLOW_src, 0x15161718 }, { FLOW_src_mask, 0x19 },
		{ FLOW_src_as, 0x1b1c },
		{ FLOW_in_if, 0x1d1e } } },
	{ 4, 0, 32, { ROUTER, { FLOW_dst, 0x15161718 }, { FLOW_dst_mask, 0x19 },
		{ FLOW_dst_as, 0x1b1c },
		{ FLOW_out_if, 0x1d1e } } },
	{ 5, 0, 40, { ROUTER, MATRIX, SRC_MASK, AS_MATRIX } },
	{ 5, NETFLOW8_DST_MASK_FIRST, 40, { ROUTER, MATRIX, DST_MASK, AS_MATRIX } },
	{ 5, NETFLOW8_TOS_FIRST, 40, { ROUTER, MATRIX, SRC_MASK, AS_MATRIX } },
	{ 6, 0, 32, { { FLOW_dst, 0x01020304 }, { FLOW_packets, 0x05060708 },
		{ FLOW_octets, 0x090a0b0c },
		{ FLOW_first_us, 0x0d0e0f10 }, { FLOW_last_us, 0x11121314 },
			{ FLOW_out_if, 0x1516 },
		{ FLOW_tos, 0x17 } } },
	{ 7, 0, 40, { { FLOW_dst, 0x01020304 }, { FLOW_src, 0x05060708 },
		{ FLOW_packets, 0x090a0b0c },
		{ FLOW_octets, 0x0d0e0f10 }, { FLOW_first_us, 0x11121314 },
			{ FLOW_last_us, 0x15161718 },
		{ FLOW_out_if, 0x191a }, { FLOW_in_if, 0x1b1c }, { FLOW_tos, 0x1d } } },
	{ 8, 0, 44, { { FLOW_dst, 0x01020304 }, { FLOW_src, 0x05060708 }, { FLOW_dst_port, 0x090a },
		{ FLOW_src_port, 0x0b0c }, { FLOW_packets, 0x0d0e0f10 },
			{ FLOW_octets, 0x11121314 },
		{ FLOW_first_us, 0x15161718 }, { FLOW_last_us, 0x191a1b1c },
			{ FLOW_out_if, 0x1d1e },
		{ FLOW_in_if, 0x1f20 }, { FLOW_tos, 0x21 }, { FLOW_proto, 0x22 } } },
	{ 9, 0, 32, { ROUTER, { FLOW_src_as, 0x1516 }, { FLOW_dst_as, 0x1718 },
		{ FLOW_in_if, 0x191a },
		{ FLOW_out_if, 0x1b1c }, { FLOW_tos, 0x1d } } },
	{ 9, NETFLOW8_TOS_FIRST | NETFLOW8_DST_MASK_FIRST, 32, { ROUTER, { FLOW_src_as, 0x1516 },
		{ FLOW_dst_as, 0x1718 }, { FLOW_tos, 0x19 }, { FLOW_in_if, 0x1d1e },
			{ FLOW_out_if, 0x1f20 } } },
	{ 10, NETFLOW8_TOS_FIRST, 32, { ROUTER, { FLOW_proto, 0x15 }, { FLOW_tos, 0x16 },
		{ FLOW_src_port, 0x191a }, { FLOW_dst_port, 0x1b1c }, { FLOW_in_if, 0x1d1e },
		{ FLOW_out_if, 0x1f20 } } },
	{ 11, 0, 32, { ROUTER, { FLOW_src, 0x15161718 }, { FLOW_src_mask, 0x19 },
		{ FLOW_tos, 0x1a },
		{ FLOW_src_as, 0x1b1c }, { FLOW_in_if, 0x1d1e } } },
	{ 12, 0, 32, { ROUTER, { FLOW_dst, 0x15161718 }, { FLOW_dst_mask, 0x19 },
		{ FLOW_tos, 0x1a },
		{ FLOW_dst_as, 0x1b1c }, { FLOW_out_if, 0x1d1e } } },
	{ 13, 0, 40, { ROUTER, MATRIX, SRC_MASK, AS_MATRIX, { FLOW_tos, 0x1f } } },
	{ 13, NETFLOW8_DST_MASK_FIRST, 40, { ROUTER, MATRIX, DST_MASK, AS_MATRIX,
		{ FLOW_tos, 0x1f } } },
	{ 14, 0, 40, { ROUTER, MATRIX, SRC_MASK, { FLOW_tos, 0x1f }, { FLOW_proto, 0x20 },
		{ FLOW_src_port, 0x2122 }, { FLOW_dst_port, 0x2324 } } },
	{ 14, NETFLOW8_DST_MASK_FIRST, 40, { ROUTER, MATRIX, DST_MASK, { FLOW_tos, 0x1f },
		{ FLOW_proto, 0x20 }, { FLOW_src_port, 0x2122 }, { FLOW_dst_port, 0x2324 } } },
};

static size_t build(uint8_t *p, unsigned method, size_t size, unsigned count)
{
	static const uint8_t header[28] = { 0, 8, 0, 0, 0x0d,0x0e,0x0f,0x10, 0x65,0x53,0xf1,0x00,
		0x00,0x00,0x03,0xe8, 0x0a,0x0b,0x0c,0x0d, 5, 6, 0, 2 };

	memcpy(p, header, sizeof(header));
	p[3] = (uint8_t)count;
	p[22] = (uint8_t)method;
	for (unsigned r = 0; r < count; r++)
		for (size_t i = 0; i < size; i++)
			p[28 + r * size + i] = (uint8_t)(i + 1 + r);
	return 28 + count * size;
}

static struct flow_record expected(const struct value *values)
{
	struct flow_record r = flow_record_empty;

	for (const struct value *v = values; v->value; v++) {
		if (v->field == FLOW_src)
			r.src = addr_make4((uint32_t)v->value);
		else if (v->field == FLOW_dst)
			r.dst = addr_make4((uint32_t)v->value);
		else if (v->field == FLOW_first_us || v->field == FLOW_last_us)
			flow_set(&r, v->field,
				UINT64_C(1700000000000001) + (v->value - UPTIME) * 1000);
		else
			flow_set(&r, v->field, v->value);
		r.present |= UINT64_C(1) << v->field;
	}
	return r;
}

START_TEST(decodes_every_field)
{
	struct flow_record want = expected(layouts[_i].values), got[3];
	struct netflow8_msg m;
	uint8_t dgram[28 + 44];
	char text[2][1024];
	size_t n = build(dgram, layouts[_i].method, layouts[_i].size, 1);

	ck_assert_uint_eq(netflow8_record_size(layouts[_i].method), layouts[_i].size);
	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_OK);
	ck_assert(m.count == 1 && m.uptime_ms == UPTIME && m.export_s == EXPORT_S &&
		m.export_ns == 1000 &&
		  m.sequence == 0x0a0b0c0d && m.engine_type == 5 && m.engine_id == 6 &&
		  m.method == layouts[_i].method && m.agg_version == 2 && !m.trailing &&
		  	!m.dialect);
	m.dialect = layouts[_i].dialect;
	ck_assert_uint_eq(netflow8_records(&m, 0, got, 3), 1);
	flow_print(text[0], sizeof(text[0]), &want);
	flow_print(text[1], sizeof(text[1]), &got[0]);
	ck_assert_msg(flow_equal(&want, &got[0]), "method %u: want %s\n got %s",
		layouts[_i].method, text[0],
		      text[1]);
}
END_TEST

START_TEST(writes_what_it_read)
{
	struct netflow8_msg m;
	struct flow_record r;
	uint8_t dgram[28 + 44], out[28 + 44];
	size_t n = build(dgram, layouts[_i].method, layouts[_i].size, 1);
	struct cursor c = cursor(out, sizeof(out));
	bool member[44] = { false };

	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_OK);
	m.dialect = layouts[_i].dialect;
	ck_assert_uint_eq(netflow8_records(&m, 0, &r, 1), 1);
	ck_assert(netflow8_fits(m.method, &r));
	netflow8_put(&c, &m, &r, 1);
	ck_assert(!c.full && cursor_used(&c) == n);
	ck_assert_int_eq(memcmp(dgram, out, 28), 0);
	/*
	 * Each octet of the record is either as it was or, being no member's, 0; all
	 * members' came back.
	 */
	for (size_t i = 0; i < layouts[_i].size; i++) {
		ck_assert_msg(out[28 + i] == dgram[28 + i] || !out[28 + i], "octet %zu", i);
		member[i] = out[28 + i];
	}
	for (const struct value *v = layouts[_i].values; v->value; v++) {
		const uint64_t low = v->value & 0xff;

		ck_assert_msg(member[low - 1], "method %u, octet %u", m.method, (unsigned)low - 1);
	}
}
END_TEST

static void read_all(struct bytes b)
{
	struct netflow8_msg m;
	struct flow_record out[3];
	size_t total = 0, n;

	if (netflow8_parse(&m, b) != WIRE_OK)
		return;
	m.dialect = NETFLOW8_DST_MASK_FIRST | NETFLOW8_TOS_FIRST;
	while ((n = netflow8_records(&m, total, out, COUNT(out))))
		total += n;
	ck_assert_uint_eq(total, m.count);
	ck_assert_uint_eq(NETFLOW8_HEADER + m.records.n + m.trailing, b.n);
}

START_TEST(survives_cuts_and_flips)
{
	uint8_t dgram[28 + 4 * 44];
	struct netflow8_msg m;
	size_t size = layouts[_i].size, n = build(dgram, layouts[_i].method, size, 4);

	touch_all((struct bytes){ dgram, n }, read_all);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, cut }),
			cut < 28 ? WIRE_SHORT : WIRE_COUNT);
	dgram[3] = 3;
	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_OK);
	ck_assert_uint_eq(m.trailing, size);
	dgram[3] = 0;
	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, 28 }), WIRE_OK);
	ck_assert_uint_eq(netflow8_records(&m, 0, NULL, 0), 0);
}
END_TEST

START_TEST(refuses_other_methods_and_versions)
{
	static const uint8_t methods[] = { 0, 15, 255 };
	uint8_t dgram[28 + 44];
	struct netflow8_msg m;
	size_t n = build(dgram, methods[_i], 28, 1);

	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_VERSION);
	ck_assert_uint_eq(netflow8_record_size(methods[_i]), 0);
	ck_assert_str_eq(netflow8_method_name(methods[_i]), "unknown");
	dgram[1] = 5;
	dgram[22] = 1;
	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_VERSION);
}
END_TEST

/* A million records over all methods, in datagrams of 1 to 20. */
START_TEST(gives_back_what_was_put)
{
	uint64_t s = rnd_seed("netflow8");
	uint8_t buf[28 + 20 * 44];

	for (size_t done = 0; done < PROPERTY_RECORDS;) {
		const size_t row = rnd(&s) % COUNT(layouts), n = 1 + rnd(&s) % 20;
		struct netflow8_msg m = { .uptime_ms = (uint32_t)rnd(&s),
			.export_s = 100000000 + (uint32_t)(rnd(&s) >> 33),
			.export_ns = (uint32_t)(rnd(&s) % 1000000) * 1000,
				.sequence = (uint32_t)rnd(&s),
			.method = (uint8_t)layouts[row].method, .agg_version = 2,
				.dialect = layouts[row].dialect }, back;
		const uint64_t at_us = (uint64_t)m.export_s * 1000000 + m.export_ns / 1000;
		struct cursor c = cursor(buf, sizeof(buf));
		struct flow_record in[20], out[20];

		for (size_t i = 0; i < n; i++) {
			in[i] = flow_record_empty;
			for (const struct value *v = layouts[row].values; v->value; v++) {
				/* As wide as the vector's value shows the field to be. */
				uint64_t mask = v->value > 0xffff ? UINT32_MAX :
					v->value > 0xff ? 0xffff : 0xff;

				if (v->field == FLOW_src || v->field == FLOW_dst) {
					*(v->field == FLOW_src ? &in[i].src :
						&in[i].dst) = addr_make4((uint32_t)rnd(&s));
					in[i].present |= UINT64_C(1) << v->field;
				} else if (v->field == FLOW_first_us || v->field == FLOW_last_us) {
					flow_set(&in[i], v->field,
						at_us - (rnd(&s) & 0x7fffffff) * 1000);
				} else {
					flow_set(&in[i], v->field, rnd(&s) & mask);
				}
			}
			if (!netflow8_fits(m.method, &in[i]))
				ck_abort_msg("method %u does not fit", m.method);
		}
		netflow8_put(&c, &m, in, n);
		ck_assert(!c.full);
		ck_assert_int_eq(netflow8_parse(&back, (struct bytes){ buf, cursor_used(&c) }),
			WIRE_OK);
		back.dialect = m.dialect;
		ck_assert_uint_eq(netflow8_records(&back, 0, out, 20), n);
		for (size_t i = 0; i < n; i++)
			if (!flow_equal(&in[i], &out[i]))
				ck_abort_msg("method %u", m.method);
		done += n;
	}
}
END_TEST

START_TEST(knows_what_fits)
{
	struct flow_record r = flow_record_empty;

	ck_assert(netflow8_fits(1, &r) && !netflow8_fits(0, &r) && !netflow8_fits(15, &r));
	flow_set(&r, FLOW_octets, UINT32_MAX);
	ck_assert(netflow8_fits(8, &r));
	flow_set(&r, FLOW_octets, UINT64_C(1) << 32);
	ck_assert(!netflow8_fits(8, &r));
	flow_set(&r, FLOW_octets, 1);
	flow_set(&r, FLOW_in_if, 65536);
	ck_assert(!netflow8_fits(1, &r));
	ck_assert(netflow8_fits(4, &r));	/* has no in_if */
	flow_set(&r, FLOW_in_if, 1);
	flow_set(&r, FLOW_src_as, 4200000000);
	ck_assert(netflow8_fits(1, &r));	/* AS_TRANS */
	r.src = addr_zero6;
	ck_assert(!netflow8_fits(3, &r));
}
END_TEST

START_TEST(stays_inside_its_buffer)
{
	const struct flow_record recs[2] = { flow_record_empty, flow_record_empty };
	const struct netflow8_msg m = { .method = 8 };

	for (size_t n = 0; n <= 28 + 2 * 44; n++) {
		uint8_t *buf = malloc(n ? n : 1);
		struct cursor c = cursor(buf, n);

		netflow8_put(&c, &m, recs, 2);
		ck_assert(c.full == (n < 28 + 2 * 44));
		free(buf);
	}
}
END_TEST

START_TEST(dates_by_seconds_when_told)
{
	struct netflow8_msg m;
	struct flow_record r;
	uint8_t dgram[28 + 28];
	size_t n = build(dgram, 1, 28, 1);

	dgram[28 + 15] = 0x0f;		/* First is one tick before the header's uptime */
	ck_assert_int_eq(netflow8_parse(&m, (struct bytes){ dgram, n }), WIRE_OK);
	netflow8_records(&m, 0, &r, 1);
	ck_assert_uint_eq(r.first_us, UINT64_C(1699999999999001));
	m.uptime_is_seconds = true;
	netflow8_records(&m, 0, &r, 1);
	ck_assert_uint_eq(r.first_us, UINT64_C(1699999999000001));
}
END_TEST

Suite *suite_netflow8(void)
{
	Suite *s = suite_create("netflow8");
	TCase *t = tcase_create("netflow8");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, decodes_every_field, 0, COUNT(layouts));
	tcase_add_loop_test(t, writes_what_it_read, 0, COUNT(layouts));
	tcase_add_loop_test(t, survives_cuts_and_flips, 0, COUNT(layouts));
	tcase_add_loop_test(t, refuses_other_methods_and_versions, 0, 3);
	tcase_add_test(t, gives_back_what_was_put);
	tcase_add_test(t, knows_what_fits);
	tcase_add_test(t, stays_inside_its_buffer);
	tcase_add_test(t, dates_by_seconds_when_told);
	suite_add_tcase(s, t);
	return s;
}
