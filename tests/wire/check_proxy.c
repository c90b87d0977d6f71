/*
 * check_proxy.c - PROXY protocol version 2 headers, octet by octet from the
 * specification's section 2.2, and what is not one.
 */
#include <check.h>
#include <stdlib.h>

#include "wire/proxy.h"

#define SIGNATURE 0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a

static const uint8_t v4[] = { SIGNATURE, 0x21, 0x12, 0, 12, 192, 0, 2, 1, 0, 0, 0, 0, 0xc3, 0x50,
	0x08, 0x07 };
static const uint8_t v6[] = { SIGNATURE, 0x21, 0x22, 0, 36, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x50, 0x08, 0x07 };

static const struct {
	const char *name, *from;
	struct bytes header;
} rows[] = {
	{ "IPv4", "192.0.2.1", { v4, sizeof(v4) } },
	{ "IPv6", "2001:db8::1", { v6, sizeof(v6) } },
};

START_TEST(both_ways)
{
	struct proxy p = { .from_port = 50000, .to_port = 2055 }, got;
	uint8_t out[PROXY_MAX], *copy;

	ck_assert(addr_parse(&p.from, rows[_i].from));
	p.to = *addr_zero_like(&p.from);
	ck_assert_uint_eq(proxy_put(out, &p), rows[_i].header.n);
	ck_assert_mem_eq(out, rows[_i].header.p, rows[_i].header.n);
	ck_assert_uint_eq(proxy_read(&got, rows[_i].header), rows[_i].header.n);
	ck_assert(!got.local && addr_equal(&got.from, &p.from) && addr_equal(&got.to, &p.to));
	ck_assert_uint_eq(got.from_port, 50000);
	ck_assert_uint_eq(got.to_port, 2055);
	for (size_t n = 0; n < rows[_i].header.n; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, rows[_i].header.p, n);
		ck_assert_uint_eq(proxy_read(&got, (struct bytes){ copy, n }), 0);
		free(copy);
	}
}
END_TEST

START_TEST(odd_ones)
{
	/* With a TLV behind the addresses; LOCAL; LOCAL with octets to pass over; without
	 * addresses; version 1's. */
	static const uint8_t tlv[] = { SIGNATURE, 0x21, 0x12, 0, 16, 192, 0, 2, 1, 0, 0, 0, 0, 0xc3,
		0x50, 0x08, 0x07, 4, 0, 1, 9, 0xff };
	static const uint8_t local[] = { SIGNATURE, 0x20, 0, 0, 0 };
	static const uint8_t filled[] = { SIGNATURE, 0x20, 0x12, 0, 2, 1, 2 };
	static const uint8_t none[] = { SIGNATURE, 0x21, 0, 0, 0 };
	static const uint8_t short4[] = { SIGNATURE, 0x21, 0x12, 0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9,
		10, 11 };
	static const uint8_t version1[] = { SIGNATURE, 0x11, 0x12, 0, 0 };
	static const uint8_t other[] = { SIGNATURE, 0x22, 0x12, 0, 0 };
	struct proxy p;

	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ tlv, sizeof(tlv) }), 32);
	ck_assert_uint_eq(p.from_port, 50000);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ local, sizeof(local) }), 16);
	ck_assert(p.local);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ filled, sizeof(filled) }), 18);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ none, sizeof(none) }), 0);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ short4, sizeof(short4) }), 0);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ version1, sizeof(version1) }), 0);
	ck_assert_uint_eq(proxy_read(&p, (struct bytes){ other, sizeof(other) }), 0);
	ck_assert_uint_eq(
		proxy_put((uint8_t[PROXY_MAX]) { 0 }, &(struct proxy) { .local = true }), 16);
}
END_TEST

Suite *suite_proxy(void);
Suite *suite_proxy(void)
{
	Suite *s = suite_create("proxy");
	TCase *t = tcase_create("proxy");

	tcase_add_loop_test(t, both_ways, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, odd_ones);
	suite_add_tcase(s, t);
	return s;
}
