/*
 * check_addr.c - text, order, masks and prefixes of addresses.  The oracle for
 * text is the C library's inet_pton() and inet_ntop().
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include "wire/addr.h"

Suite *suite_addr(void);

static const char *const texts[] = {
	"0.0.0.0",
	"1.2.3.4",
	"255.255.255.255",
	"192.0.2.1",
	"10.0.0.09",
	"01.2.3.4",
	"256.1.1.1",
	"1.2.3",
	"1.2.3.4.5",
	"1.2.3.",
	".1.2.3.4",
	"1..2.3",
	"1.2.3.4 ",
	" 1.2.3.4",
	"",
	"a",
	"::",
	"::1",
	"1::",
	"2001:db8::1",
	"2001:DB8::A",
	"1:2:3:4:5:6:7:8",
	"1:2:3:4:5:6:7::",
	"::2:3:4:5:6:7:8",
	"1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:8:9",
	"1:2:3:4:5:6:7:8::",
	":::",
	"1:::2",
	"1::2::3",
	":1:2",
	"1:",
	"1:2:3:4:5:6:7:",
	"12345::",
	"g::",
	"::1.2.3.4",
	"64:ff9b::1.2.3.4",
	"1:2:3:4:5:6:1.2.3.4",
	"1:2:3:4:5:6:7:1.2.3.4",
	"::1.2.3.256",
	"::1.2.3",
	"1.2.3.4::",
	"0:0:0:0:0:0:0:0",
	"0:1:0:1:0:1:0:1",
	"1:0:0:2:0:0:0:3",
	"1:0:0:2:3:0:0:4",
	"fe80::1%eth0",
	"::ffff:1.2.3.4",
	"::fffe:1.2.3.4",
	"::1:0",
	"::1:0:0",
	"0:0:0:0:0:1:0:0",
	"1:0:2:3:4:5:6:7",
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"::0:0:0:0:0:0:0",
	"0::0",
	"::1.2.3.4:5",
	"1::1.2.3.4",
	"::00001",
	"::0001",
};

/* As the C library says it: true with 16 bytes in `b`. */
static bool oracle_parse(uint8_t b[16], const char *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, text, b) == 1)
		return true;
	memcpy(b, mapped, 12);
	return inet_pton(AF_INET, text, b + 12) == 1;
}

START_TEST(parses_like_libc)
{
	const char *text = texts[_i];
	struct addr a, before;
	uint8_t b[16];
	bool lawful = oracle_parse(b, text);

	memset(&a, 0x5a, sizeof(a));
	before = a;
	ck_assert_msg(addr_parse(&a, text) == lawful, "%s: libc says %d", text, lawful);
	if (lawful)
		ck_assert_msg(memcmp(a.b, b, 16) == 0, "%s: other bytes than libc", text);
	else
		ck_assert_msg(addr_equal(&a, &before), "%s: written in spite of the refusal", text);
}
END_TEST

static void check_print(const struct addr *a)
{
	char ours[ADDR_TEXT], theirs[INET6_ADDRSTRLEN];
	struct addr back;

	if (addr_is4(a))
		inet_ntop(AF_INET, a->b + 12, theirs, sizeof(theirs));
	else
		inet_ntop(AF_INET6, a->b, theirs, sizeof(theirs));
	ck_assert_ptr_eq(addr_print(a, ours), ours);
	ck_assert_str_eq(ours, theirs);
	ck_assert(addr_parse(&back, ours));
	ck_assert_msg(addr_equal(a, &back), "%s does not read back", ours);
}

START_TEST(prints_like_libc)
{
	struct addr a;

	/* Every pattern of zero and non-zero groups, every width of a group. */
	for (unsigned zeros = 0; zeros < 256; zeros++) {
		for (unsigned v = 1; v <= 0xffff; v *= 16) {
			for (int g = 0; g < 8; g++) {
				unsigned x = zeros >> g & 1 ? 0 : v;

				a.b[2 * g] = (uint8_t)(x >> 8);
				a.b[2 * g + 1] = (uint8_t)x;
			}
			check_print(&a);
		}
	}
	for (uint32_t host = 0, i = 0; i < 1000; i++, host = host * 1664525u + 1013904223u) {
		a = addr_make4(host);
		ck_assert_uint_eq(addr_host4(&a), host);
		check_print(&a);
	}
}
END_TEST

START_TEST(knows_zero_and_family)
{
	struct addr four = addr_make4(0xc0000201), six;

	ck_assert(addr_parse(&six, "2001:db8::1"));
	ck_assert(addr_is4(&four) && !addr_is4(&six) && addr_is4(&addr_zero4) &&
		!addr_is4(&addr_zero6));
	ck_assert(addr_is_zero(&addr_zero4) && addr_is_zero(&addr_zero6));
	ck_assert(!addr_is_zero(&four) && !addr_is_zero(&six));
	ck_assert_ptr_eq(addr_zero_like(&four), &addr_zero4);
	ck_assert_ptr_eq(addr_zero_like(&six), &addr_zero6);
	ck_assert_int_lt(addr_compare(&four, &six), 0);
	ck_assert_int_lt(addr_compare(&addr_zero6, &addr_zero4), 0);
	ck_assert_int_eq(addr_compare(&six, &six), 0);
}
END_TEST

static const struct {
	const char *text;
	const char *print;	/* NULL: refused */
	unsigned len, bits;
	bool host_bits;
} prefixes[] = {
	{ "192.0.2.0/24",    "192.0.2.0/24",   120, 24, false },
	{ "192.0.2.1/24",    "192.0.2.0/24",   120, 24, true },
	{ "192.0.2.1",       "192.0.2.1/32",   128, 32, false },
	{ "0.0.0.0/0",       "0.0.0.0/0",      96,  0,  false },
	{ "255.255.255.255/1", "128.0.0.0/1",  97,  1,  true },
	{ "10.0.0.0/32",     "10.0.0.0/32",    128, 32, false },
	{ "10.0.0.0/33",     NULL, 0, 0, false },
	{ "10.0.0.0/",       NULL, 0, 0, false },
	{ "10.0.0.0/8x",     NULL, 0, 0, false },
	{ "10.0.0.0/0008",   NULL, 0, 0, false },
	{ "10.0.0.0/-1",     NULL, 0, 0, false },
	{ "10.0.0/8",        NULL, 0, 0, false },
	{ "::/0",            "::/0",           0,   0,  false },
	{ "2001:db8::/32",   "2001:db8::/32",  32,  32, false },
	{ "2001:db8::1/127", "2001:db8::/127", 127, 127, true },
	{ "2001:db8::1/128", "2001:db8::1/128", 128, 128, false },
	{ "2001:db8::1/129", NULL, 0, 0, false },
	{ "2001:db8::1",     "2001:db8::1/128", 128, 128, false },
	{ "/8",              NULL, 0, 0, false },
	{ "",                NULL, 0, 0, false },
};

START_TEST(reads_prefixes)
{
	char buf[PREFIX_TEXT];
	struct prefix p;
	bool host_bits = !prefixes[_i].host_bits;
	bool lawful = prefixes[_i].print != NULL;

	ck_assert_msg(
		prefix_parse(&p, prefixes[_i].text, &host_bits) == lawful, "%s", prefixes[_i].text);
	ck_assert(prefix_parse(&p, prefixes[_i].text, NULL) == lawful);
	if (!lawful)
		return;
	ck_assert_str_eq(prefix_print(&p, buf), prefixes[_i].print);
	ck_assert_uint_eq(p.len, prefixes[_i].len);
	ck_assert_uint_eq(prefix_bits(&p), prefixes[_i].bits);
	ck_assert_int_eq(host_bits, prefixes[_i].host_bits);
}
END_TEST

static const struct {
	const char *prefix, *addr;
	bool inside;
} inside[] = {
	{ "192.0.2.0/24", "192.0.2.0", true },	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },	{ "192.0.2.0/24", "192.0.1.255", false },
	{ "192.0.2.0/25", "192.0.2.128", false }, { "0.0.0.0/0", "255.1.2.3", true },
	{ "0.0.0.0/0", "2001:db8::1", false },	{ "::/0", "2001:db8::1", true },
	{ "::/0", "10.0.0.1", false },		{ "2001:db8::/33", "2001:db8:8000::", false },
	{ "2001:db8::1/128", "2001:db8::1", true }, { "2001:db8::1/128", "2001:db8::2", false },
};

START_TEST(knows_what_is_inside)
{
	struct prefix p;
	struct addr a;

	ck_assert(prefix_parse(&p, inside[_i].prefix, NULL) && addr_parse(&a, inside[_i].addr));
	ck_assert_msg(prefix_contains(&p, &a) == inside[_i].inside, "%s in %s", inside[_i].addr,
		      inside[_i].prefix);
}
END_TEST

START_TEST(masks_every_length)
{
	struct addr ones, a, four = addr_make4(0xffffffff);

	memset(&ones, 0xff, sizeof(ones));
	for (unsigned len = 0; len <= 130; len++) {
		a = addr_mask(&ones, len);
		for (unsigned bit = 0; bit < 128; bit++)
			ck_assert_int_eq(a.b[bit / 8] >> (7 - bit % 8) & 1, bit < len);
	}
	for (unsigned bits = 0; bits <= 34; bits++) {
		uint32_t want = bits == 0 ? 0 : bits > 32 ? UINT32_MAX : UINT32_MAX << (32 - bits);

		a = addr_mask_family(&four, bits);
		ck_assert(addr_is4(&a));
		ck_assert_uint_eq(addr_host4(&a), want);
	}
	a = addr_mask_family(&ones, 64);
	ck_assert_int_eq(a.b[7], 0xff);
	ck_assert_int_eq(a.b[8], 0);
}
END_TEST

Suite *suite_addr(void)
{
	Suite *s = suite_create("addr");
	TCase *t = tcase_create("addr");

	tcase_add_loop_test(t, parses_like_libc, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(t, prints_like_libc);
	tcase_add_test(t, knows_zero_and_family);
	tcase_add_loop_test(t, reads_prefixes, 0, sizeof(prefixes) / sizeof(prefixes[0]));
	tcase_add_loop_test(t, knows_what_is_inside, 0, sizeof(inside) / sizeof(inside[0]));
	tcase_add_test(t, masks_every_length);
	suite_add_tcase(s, t);
	return s;
}
