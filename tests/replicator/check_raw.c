/*
 * check_raw.c - headers that we write ourselves: sums against RFC 1071's own
 * example and a plain sum over what a receiver checks, fragments put together
 * again as RFC 791 3.2 and RFC 8200 4.5 say.
 */
#include <check.h>
#include <stdlib.h>

#include "replicator/raw.h"
#include "wire/cursor.h"

START_TEST(sums_as_rfc1071)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	static const uint8_t odd[] = { 0x12, 0x34, 0x56 };

	ck_assert_uint_eq(raw_sum((struct bytes){ example, 8 }), 0xddf2);
	ck_assert_uint_eq(raw_sum((struct bytes){ odd, 3 }), 0x1234 + 0x5600);
	ck_assert_uint_eq(raw_sum((struct bytes){ odd, 0 }), 0);
}
END_TEST

static const struct {
	const char *from, *to;
	size_t payload, mtu;
	uint8_t ttl, tos;
	bool no_checksum;
} rows[] = {
	{ "192.0.2.1", "198.51.100.7", 0, 1500, 0, 0, false },
	{ "192.0.2.1", "198.51.100.7", 1, 1500, 7, 0xe0, false },
	{ "192.0.2.1", "198.51.100.7", 1472, 1500, 0, 0, false },
	{ "192.0.2.1", "198.51.100.7", 1473, 1500, 0, 0, false },
	{ "192.0.2.1", "198.51.100.7", 8000, 1280, 0, 0, false },
	{ "192.0.2.1", "198.51.100.7", 65507, 1500, 0, 0, false },
	{ "192.0.2.1", "198.51.100.7", 3001, 576, 0, 0, true },
	{ "2001:db8::1", "2001:db8:ffff::2", 0, 1280, 0, 0, false },
	{ "2001:db8::1", "2001:db8:ffff::2", 1452, 1500, 9, 0x20, false },
	{ "2001:db8::1", "2001:db8:ffff::2", 1453, 1500, 0, 0, false },
	{ "2001:db8::1", "2001:db8:ffff::2", 65507, 1280, 0, 0, false },
};

static uint8_t payload[65507], got[70000];

/* Any sum over the octets, two by two, as a receiver makes it. */
static uint32_t plain_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* One packet into got[]: where its octets belong, and whether more follow. */
static bool take(const uint8_t *p, size_t headers, const uint8_t *data, size_t n, size_t *at,
	bool v4, uint8_t ttl)
{
	bool more;

	if (v4) {
		ck_assert_uint_eq(p[0], 0x45);
		ck_assert_uint_eq(p[8], ttl ? ttl : 64);
		ck_assert_uint_eq(p[9], 17);
		*at = (be16(p + 6) & 0x1fff) * 8u;
		more = be16(p + 6) & 0x2000;
		ck_assert_uint_eq(be16(p + 2), headers + n);
		p += 20;
		headers -= 20;
	} else {
		ck_assert_uint_eq(p[0] >> 4, 6);
		ck_assert_uint_eq(p[7], ttl ? ttl : 64);
		ck_assert_uint_eq(be16(p + 4), headers - 40 + n);
		*at = 0;
		more = false;
		if (p[6] == 44) {
			*at = be16(p + 42) & 0xfff8u;
			more = be16(p + 42) & 1;
			ck_assert_uint_eq(p[40], 17);
			p += 8;
			headers -= 8;
		} else {
			ck_assert_uint_eq(p[6], 17);
		}
		p += 40;
		headers -= 40;
	}
	memcpy(got + *at, p, headers);
	memcpy(got + *at + headers, data, n);
	return more;
}

START_TEST(fragments_fit_together)
{
	struct raw_head h = { .ttl = rows[_i].ttl,
		.tos = rows[_i].tos,
		.id = 77,
		.no_checksum = rows[_i].no_checksum };
	const size_t total = rows[_i].payload + 8;
	size_t header, room, expected = 0, at, n;
	uint32_t sum;
	bool v4, more = true;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 >> 3);
	ck_assert(addr_parse(&h.from.addr, rows[_i].from) && addr_parse(&h.to.addr, rows[_i].to));
	h.from.port = 50000;
	h.to.port = 2055;
	v4 = addr_is4(&h.to.addr);
	header = v4 ? 20 : 40;
	room = header + total <= rows[_i].mtu ? total
					      : (rows[_i].mtu - header - (v4 ? 0 : 8)) / 8 * 8;
	for (size_t part = 0; part < total; part += room) {
		uint8_t out[RAW_FRAGMENT_HEADERS];
		size_t headers, data, skip = part ? part - 8 : 0;

		ck_assert(more);
		n = total - part < room ? total - part : room;
		data = part ? n : n - 8;
		headers = raw_headers(out, &h,
			raw_sum((struct bytes) { payload, rows[_i].payload }), part, n, total);
		ck_assert_uint_le(headers + data, rows[_i].mtu);
		more = take(out, headers, payload + skip, data, &at, v4, rows[_i].ttl);
		ck_assert_uint_eq(at, expected);
		expected += n;
	}
	ck_assert(!more);
	ck_assert_uint_eq(expected, total);
	ck_assert_uint_eq(be16(got), 50000);
	ck_assert_uint_eq(be16(got + 2), 2055);
	ck_assert_uint_eq(be16(got + 4), total);
	ck_assert_mem_eq(got + 8, payload, rows[_i].payload);
	if (rows[_i].no_checksum) {
		ck_assert_uint_eq(be16(got + 6), 0);
		return;
	}
	sum = plain_sum(h.from.addr.b + (v4 ? 12 : 0), v4 ? 4 : 16, 17 + (uint32_t)total);
	sum = plain_sum(h.to.addr.b + (v4 ? 12 : 0), v4 ? 4 : 16, sum);
	ck_assert_uint_eq(plain_sum(got, total, sum), 0xffff);
}
END_TEST

Suite *suite_raw(void);
Suite *suite_raw(void)
{
	Suite *s = suite_create("raw");
	TCase *t = tcase_create("raw");

	tcase_add_test(t, sums_as_rfc1071);
	tcase_add_loop_test(t, fragments_fit_together, 0, sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, t);
	return s;
}
