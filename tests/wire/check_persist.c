/*
 * check_persist.c - a decoder that restarts: what was told is known again, and
 * nothing that a file can hold does harm.  Numbers in brackets are cases of the
 * reference "collector", section 15.
 */
#include "message.h"
#include "wire/persist.h"

Suite *suite_persist(void);

static const struct field_spec plain[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 1, 4 }, { 0, 2, 4 } };
static const struct field_spec odd[] = { { 0, 82, 65535 }, { 9, 1, 4 }, { 29305, 1, 4 },
	{ 0, 1, 3 }, { 0, 22, 4 } };

#define RECORD "c0000201 c6336402 000003e8 0000000a"
#define ODD "03616263 ffffffff 00000005 0003e8 00000064"
#define MAX_AGE (UINT64_C(86400) * 1000000)

struct saved {
	uint8_t *p;
	size_t n;
};

static struct saved save(const struct world *w)
{
	struct saved s = { malloc(decoder_save_size(w->d)), 0 };

	s.n = decoder_save(w->d, s.p, decoder_save_size(w->d), RECV_US);
	ck_assert_uint_gt(s.n, 0);
	ck_assert_uint_eq(decoder_save(w->d, s.p, s.n - 1, RECV_US), 0);
	ck_assert_uint_eq(decoder_save(w->d, s.p, s.n, RECV_US), s.n);
	return s;
}

static const char *load(
	struct world *w, const uint8_t *p, size_t n, uint64_t now_us, struct decoder_loaded *l)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct bytes rest = { copy, n };
	const char *err;

	memcpy(copy, p, n);
	*l = (struct decoder_loaded){ 0 };
	err = decoder_load(w->d, &rest, now_us, MAX_AGE, l);
	ck_assert(err || rest.n == 0);
	ck_assert_uint_eq(l->refused, 0);
	free(copy);
	return err;
}

/* Tell everything there is to tell. */
static void tell(struct world *w)
{
	struct writer m;

	begin(&m, 10);
	put_template(&m, 256, 0, plain, COUNT(plain));
	put_template(&m, 257, 0, odd, COUNT(odd));
	put_set(&m, 3,
		"012c 0003 0001 0090 0004 00a0 0008 0082 0004  012d 0004 0001 012e 0004 0130 0002 "
		"0131 0004 0132 0004");
	put_set(&m, 300, "00000001 0000018bcfe56800 0a000009");
	put_set(&m, 301, "00000003 0001 00000001 00000063");
	send(w, &m);
	ck_assert_uint_eq(decoder_counts(w->d)->option_records, 2);
}

static void data(struct world *w)
{
	struct writer m;

	begin(&m, 10);
	put_set(&m, 256, RECORD);
	put_set(&m, 257, ODD);
	put_set(&m, 301, "00000003 0001 00000001 00000063");
	send(w, &m);
}

START_TEST(knows_again)	/* [41] */
{
	struct world *w = world_new(NULL), *again = world_new(NULL);
	struct decoder_loaded l;
	struct saved s;
	char want[3][512], text[ADDR_TEXT];

	tell(w);
	data(w);
	ck_assert_uint_eq(w->n, 3);
	for (size_t i = 0; i < 3; i++)
		flow_print(want[i], sizeof(want[i]), &w->rec[i]);
	ck_assert_str_eq(want[0],
		"src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 sampling_num=100 "
		"sampling_den=1");
	ck_assert_str_eq(
		want[1], "octets=1000 first_us=1700000000100000 sampling_num=100 sampling_den=1");
	s = save(w);
	ck_assert_ptr_null(load(again, s.p, s.n, RECV_US, &l));
	ck_assert_uint_eq(l.templates, 4);
	ck_assert_uint_eq(l.streams, 1);
	ck_assert_uint_ge(l.samplers, 2);
	data(again);
	ck_assert_uint_eq(again->n, 3);
	for (size_t i = 0; i < 3; i++)
		ck_record(&again->rec[i], want[i]);
	ck_assert_str_eq(addr_print(&again->origin.exporter, text), "10.0.0.9");
	ck_assert_uint_eq(decoder_counts(again->d)->damaged[WIRE_NO_TEMPLATE], 0);
	/* What is written again is the same, but for when. */
	free(s.p);
	world_free(w);
	world_free(again);
}
END_TEST

START_TEST(reads_its_own_writing)
{
	struct world *w = world_new(NULL), *again = world_new(NULL);
	struct decoder_loaded l;
	struct saved a, b;

	tell(w);
	a = save(w);
	ck_assert_ptr_null(load(again, a.p, a.n, RECV_US, &l));
	b = save(again);
	ck_assert_uint_eq(a.n, b.n);
	ck_assert_mem_eq(a.p, b.p, a.n);
	free(a.p);
	free(b.p);
	world_free(w);
	world_free(again);
}
END_TEST

/* Of two tellings the later counts, in whatever order they are read. */
START_TEST(the_later_telling_counts)
{
	static const struct field_spec swapped[] = { { 0, 12, 4 }, { 0, 8, 4 }, { 0, 1, 4 },
		{ 0, 2, 4 } };

	for (int order = 0; order <= 1; order++) {
		struct world *old = world_new(NULL), *w = world_new(NULL), *again = world_new(NULL);
		struct saved a, b;
		struct decoder_loaded l;
		struct writer m;

		begin(&m, 10);
		put_template(&m, 256, 0, swapped, COUNT(swapped));
		send(old, &m);
		a = save(old);
		begin(&m, 10);
		put_template(&m, 256, 0, plain, COUNT(plain));
		flow_msg_end(&m.c, &m.m, 1);
		decode(w->d,
			&(struct decoder_input) { { m.buf, cursor_used(&m.c) },
				addr_make4(0xc0000201u), 2055, RECV_US + 1 },
			world_keep, w);
		b = save(w);
		load(again, order ? a.p : b.p, order ? a.n : b.n, RECV_US, &l);
		load(again, order ? b.p : a.p, order ? b.n : a.n, RECV_US, &l);
		ck_assert_uint_eq(l.templates, (unsigned)order);
		begin(&m, 10);
		put_set(&m, 256, RECORD);
		send(again, &m);
		ck_record(&again->rec[0], "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10");
		free(a.p);
		free(b.p);
		world_free(old);
		world_free(w);
		world_free(again);
	}
}
END_TEST

START_TEST(leaves_old_things_out)
{
	struct world *w = world_new(NULL), *again = world_new(NULL);
	struct decoder_loaded l;
	struct writer m;
	struct saved s;

	tell(w);
	s = save(w);
	ck_assert_ptr_null(load(again, s.p, s.n, RECV_US + MAX_AGE, &l));
	ck_assert_uint_eq(l.old, 0);
	ck_assert_ptr_null(load(again, s.p, s.n, RECV_US + MAX_AGE + 1, &l));
	ck_assert_uint_gt(l.old, 4);
	ck_assert_uint_eq(l.templates + l.streams + l.samplers, 0);
	free(s.p);
	/* Withdrawn with all of its kind: not written. */
	begin(&m, 10);
	put_set(&m, 2, "0002 0000");
	send(w, &m);
	s = save(w);
	world_free(again);
	again = world_new(NULL);
	load(again, s.p, s.n, RECV_US, &l);
	ck_assert_uint_eq(l.templates, 2);
	data(again);
	ck_assert_uint_eq(again->n, 0);
	free(s.p);
	world_free(w);
	world_free(again);
}
END_TEST

/* More enterprises than are remembered: used, not written. */
START_TEST(many_enterprises)
{
	struct field_spec f[20];

	for (unsigned n = 15; n <= 18; n++) {
		struct world *w = world_new(NULL), *again = world_new(NULL);
		struct decoder_loaded l;
		struct writer m;
		struct saved s;

		for (unsigned i = 0; i < n; i++)
			f[i] = (struct field_spec){ i ? 1000 + i : 0, 1, 1 };
		begin(&m, 10);
		put_template(&m, 256, 0, f, n);
		send(w, &m);
		s = save(w);
		ck_assert_ptr_null(load(again, s.p, s.n, RECV_US, &l));
		ck_assert_uint_eq(l.templates, n <= 16);
		free(s.p);
		world_free(w);
		world_free(again);
	}
}
END_TEST

/* Cut anywhere, any bit another: refused whole, and nothing is known. */
START_TEST(damage_is_refused)
{
	struct world *w = world_new(NULL), *again = world_new(NULL);
	struct decoder_loaded l;
	struct saved s;

	tell(w);
	s = save(w);
	for (size_t n = 0; n < s.n; n++)
		ck_assert_ptr_nonnull(load(again, s.p, n, RECV_US, &l));
	for (size_t bit = 0; bit < 8 * s.n; bit++) {
		s.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_ptr_nonnull(load(again, s.p, s.n, RECV_US, &l));
		s.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	data(again);
	ck_assert_uint_eq(again->n, 0);
	ck_assert_ptr_null(load(again, s.p, s.n, RECV_US, &l));
	free(s.p);
	world_free(w);
	world_free(again);
}
END_TEST

/* Version 1 as it is on disk: a file of today must be readable tomorrow.  The CRC by crc32(1). */
START_TEST(version_1_stays_readable)
{
	static const char hex[] = "464c5754 0001 0000 00060a24181e4000 0000004f"
		"02 0034  00000000000000000000ffffc0000201 00000007 04 00060a24181e4000"
		"0100 00 0000 0002  00000000 0001 0004  00000000 0002 0004  c39b6f82";
	struct world *w = world_new(NULL);
	uint8_t file[256];
	struct decoder_loaded l;
	struct writer m;
	size_t n = unhex(file, hex);
	const char *err = load(w, file, n, RECV_US, &l);

	ck_assert_msg(err == NULL, "%s", err);
	ck_assert_uint_eq(l.templates, 1);
	begin(&m, 9);
	put_set(&m, 256, "000003e8 0000000a");
	send(w, &m);
	ck_record(&w->rec[0], "octets=1000 packets=10");
	world_free(w);
}
END_TEST

Suite *suite_persist(void)
{
	Suite *s = suite_create("persist");
	TCase *t = tcase_create("persist");

	tcase_add_test(t, knows_again);
	tcase_add_test(t, reads_its_own_writing);
	tcase_add_test(t, the_later_telling_counts);
	tcase_add_test(t, leaves_old_things_out);
	tcase_add_test(t, many_enterprises);
	tcase_add_test(t, damage_is_refused);
	tcase_add_test(t, version_1_stays_readable);
	suite_add_tcase(s, t);
	return s;
}
