/*
 * check_classify.c - which entries of a file want which exporter (samplicator's
 * rules, with what it does wrong put right), against a plain bit-by-bit match.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "replicator/classify.h"

static const struct receiver_defaults plain = { .no_lookup = true };

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static const struct {
	const char *source, *exporter;
	bool wants;
} matches[] = {
	{ "10.0.0.0/8", "10.255.0.1", true },
	{ "10.0.0.0/8", "11.0.0.1", false },
	{ "10.0.0.0/8", "9.255.255.255", false },
	{ "10.0.0.0/8", "2001:db8::1", false },
	{ "10.1.2.3/8", "10.9.9.9", true }, /* samplicate: never */
	{ "10.0.0.0/255.0.0.0", "10.255.0.1", true },
	{ "10.0.0.1", "10.0.0.1", true },
	{ "10.0.0.1", "10.0.0.2", false },
	{ "10.0.0.1/32", "10.0.0.0", false },
	{ "10.0.0.2/31", "10.0.0.3", true },
	{ "10.0.0.2/31", "10.0.0.4", false },
	{ "0.0.0.0", "10.0.0.1", true },
	{ "0.0.0.0/32", "2001:db8::1", true },
	{ "0.0.0.0/0", "1.2.3.4", true },
	{ "128.0.0.0/1", "128.0.0.0", true },
	{ "128.0.0.0/1", "127.255.255.255", false },
	{ "[2001:db8::]/32", "2001:db8:ffff::1", true },
	{ "[2001:db8::]/32", "2001:db9::1", false },
	{ "[2001:db8::]/33", "2001:db8:8000::1",
		false }, /* samplicate looks at the first octet only */
	{ "[2001:db8::1]", "2001:db8::1", true },
	{ "[2001:db8::1]", "2001:db8::2", false },
	{ "[2001:db8::1]/127", "2001:db8::", true },
	{ "[::]/0", "2001:db8::1", true },
	{ "[::]/0", "10.0.0.1", true },
	{ "[::ffff:10.0.0.0]/104", "10.1.1.1", true },
	{ "[::ffff:10.0.0.0]", "10.0.0.0", true },
};

START_TEST(sources)
{
	struct receivers rs;
	struct outlet o = { 0 };
	struct datagram d = { .data = { (const uint8_t *)"", 0 } };
	struct subject s;
	char line[128];
	uint32_t pool;

	log_capture(no_log, NULL);
	receivers_init(&rs);
	snprintf(line, sizeof(line), "%s: 127.0.0.1", matches[_i].source);
	ck_assert_int_eq(receivers_read_text(&rs, "f", line, strlen(line), &plain, false), 0);
	ck_assert(addr_parse(&d.from.addr, matches[_i].exporter));
	classify_subject(&s, &d, 2055);
	ck_assert_msg(classify(&rs, &s, &pool, 1) == matches[_i].wants, "%s %s", line,
		matches[_i].exporter);
	receivers_clear(&rs, &o);
	log_capture(NULL, NULL);
}
END_TEST

static bool same_bits(const struct addr *a, const struct addr *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if ((a->b[i / 8] ^ b->b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* Any prefix of any length against addresses that differ from it in one bit. */
START_TEST(every_length)
{
	struct pool p = { 0 };
	struct datagram d = { .data = { (const uint8_t *)"", 0 } };
	struct subject s;

	for (int i = 0; i < 16; i++)
		p.source.addr.b[i] = (uint8_t)(i * 37 + 5);
	p.source.len = (uint8_t)_i;
	classify_compile(&p);
	for (unsigned bit = 0; bit < 128; bit++) {
		d.from.addr = p.source.addr;
		d.from.addr.b[bit / 8] = (uint8_t)(d.from.addr.b[bit / 8] ^ 1u << (7 - bit % 8));
		classify_subject(&s, &d, 2055);
		ck_assert_int_eq(classify_wants(&p, &s),
			same_bits(&p.source.addr, &d.from.addr, (unsigned)_i));
	}
}
END_TEST

/* All that match fire, in the order of the file. */
START_TEST(all_matching_fire)
{
	static const char text[] = "10.0.0.0/8: 127.0.0.1\n11.0.0.0/8: 127.0.0.1\n0.0.0.0: "
				   "127.0.0.1\n10.0.0.1: 127.0.0.1\n";
	struct receivers rs;
	struct outlet o = { 0 };
	struct datagram d = { .data = { (const uint8_t *)"", 0 } };
	struct subject s;
	uint32_t pools[2];

	receivers_init(&rs);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, false), 0);
	d.from.addr = addr_make4(0x0a000001);
	classify_subject(&s, &d, 2055);
	ck_assert_uint_eq(classify(&rs, &s, pools, 2), 3);
	ck_assert_uint_eq(pools[0], 0);
	ck_assert_uint_eq(pools[1], 2);
	receivers_clear(&rs, &o);
}
END_TEST

START_TEST(never_is_never)
{
	static const char text[] = "id=1 ip=127.0.0.1:1 tag=9\n";
	struct receivers rs;
	struct outlet o = { 0 };
	struct datagram d = { .data = { (const uint8_t *)"", 0 } };
	struct subject s;

	log_capture(no_log, NULL);
	receivers_init(&rs);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, true), 0);
	classify_subject(&s, &d, 2055);
	ck_assert_uint_eq(classify(&rs, &s, NULL, 0), 0);
	receivers_clear(&rs, &o);
	log_capture(NULL, NULL);
}
END_TEST

Suite *suite_classify(void);
Suite *suite_classify(void)
{
	Suite *s = suite_create("classify");
	TCase *t = tcase_create("classify");

	tcase_add_loop_test(t, sources, 0, sizeof(matches) / sizeof(matches[0]));
	tcase_add_loop_test(t, every_length, 0, 129);
	tcase_add_test(t, all_matching_fire);
	tcase_add_test(t, never_is_never);
	suite_add_tcase(s, t);
	return s;
}
