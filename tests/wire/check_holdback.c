/*
 * check_holdback.c - the ring alone, against a plain model; and the decoder
 * with it: data before templates, data before intervals, what is given up.
 * Numbers in brackets are cases of the reference "collector", section 15.
 */
#include "exact.h"
#include "message.h"
#include "wire/holdback.h"

Suite *suite_holdback(void);

/* ---- the ring ------------------------------------------------------------------------- */

enum { RING = 64 * 1024, WAITING_MAX = 200, KEYS = 5, OWNERS = 9, LONGEST = 3000 };

struct model {
	struct template_key key;
	uint64_t recv_us;
	uint8_t first;		/* octet of the message, which are all the same */
	size_t n;
};

static struct template_key a_key(unsigned owner, unsigned id)
{
	return (struct template_key) {
		.exporter = addr_make4(owner), .id = (uint16_t)id, .protocol = PROTO_IPFIX
	};
}

static void is_oldest(
	const struct held *h, struct model *m, size_t *n, const struct template_key *key)
{
	size_t at = 0, wrong = 0;

	while (at < *n && key && memcmp(&m[at].key, key, sizeof(*key)) != 0)
		at++;
	ck_assert_uint_lt(at, *n);
	ck_assert_mem_eq(&h->key, &m[at].key, sizeof(h->key));
	ck_assert_uint_eq(h->recv_us, m[at].recv_us);
	ck_assert_uint_eq(h->message.n, m[at].n);
	for (size_t i = 0; i < h->message.n; i++)
		wrong += h->message.p[i] != m[at].first;
	ck_assert_uint_eq(wrong, 0);
	memmove(m + at, m + at + 1, (--*n - at) * sizeof(*m));
}

/* Every Set comes out once, whole, in order; what is refused is refused for its size. */
START_TEST(ring_equals_model)
{
	static uint8_t data[LONGEST];
	struct model m[WAITING_MAX];
	struct holdback h;
	void *mem = aligned_alloc(64, (holdback_size(RING) + 63) & ~(size_t)63);
	uint64_t seed = (uint64_t)_i + 1, refused = 0;
	size_t n = 0;

	holdback_init(&h, mem, RING, 1);
	for (uint64_t step = 1; step < 20000; step++) {
		unsigned what = rnd(&seed) % 8;
		struct template_key key =
			a_key((unsigned)(rnd(&seed) % OWNERS), 256 + (unsigned)(rnd(&seed) % KEYS));
		struct held out;

		if (what < 4 && n < WAITING_MAX) {
			size_t head = rnd(&seed) % 20, set = rnd(&seed) % (LONGEST - 20);
			struct held in = { .key = key, .recv_us = step, .message = { data, head } };

			memset(data, (int)step, sizeof(data));
			if (holdback_put(&h, &in, (struct bytes){ data, set }))
				m[n++] = (struct model){ key, step, (uint8_t)step, head + set };
			else
				refused++;
		} else if (what < 6) {
			bool any = false;

			for (size_t i = 0; i < n; i++)
				any = any || memcmp(&m[i].key, &key, sizeof(key)) == 0;
			ck_assert_int_eq(holdback_take(&h, &key, &out), any);
			if (any)
				is_oldest(&out, m, &n, &key);
		} else if (what < 7) {
			uint64_t before = step - rnd(&seed) % 40;

			while (holdback_take_old(&h, before, &out))
				is_oldest(&out, m, &n, NULL);
			ck_assert(n == 0 || m[0].recv_us >= before);
		}
		ck_assert_uint_eq(h.sets, n);
		ck_assert_uint_le(h.head - h.tail, h.size);
		if (n == 0)
			ck_assert_uint_eq(h.head, h.tail);
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_eq(h.waits.evicted + h.owners.evicted, 0);
	free(mem);
}
END_TEST

START_TEST(an_exporter_has_its_share)
{
	static uint8_t data[1400];
	void *mem = aligned_alloc(64, (holdback_size(RING) + 63) & ~(size_t)63);
	struct held in = { .key = a_key(1, 256), .recv_us = 1 };
	struct bytes set = { data, sizeof(data) };
	struct holdback h;
	unsigned n = 0;

	holdback_init(&h, mem, RING, 1);
	while (holdback_put(&h, &in, set))
		n++;
	/* Three units a Set; an eighth of the ring is sixteen. */
	ck_assert_uint_eq(n, 5);
	for (unsigned owner = 2; owner < 60; owner++) {
		in.key = a_key(owner, 256);
		n += holdback_put(&h, &in, set);
	}
	ck_assert_uint_le(n * 1536, RING);
	ck_assert_uint_ge((n + 2) * 1536, RING);
	free(mem);
}
END_TEST

/* What the header says. */
START_TEST(memory_is_what_the_header_says)
{
	const size_t ring = 16 << 20;

	ck_assert_uint_le(holdback_size(ring), ring + ring / 512 * 192 + HELD_MAX + 64);
}
END_TEST

/* ---- the decoder ------------------------------------------------------------------------ */

static const struct decoder_limits holding = { .streams = 8, .templates = 16, .samplers = 32,
	.holdback_octets = 1 << 20, .hold_us = 30000000, .hold_unscaled = true };

static const struct field_spec counted[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 1, 4 }, { 0, 2, 4 } };

#define RECORD "c0000201 c6336402 000003e8 0000000a"
#define AS_RECORD "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10"

static void send_at(struct world *w, struct writer *m, uint64_t recv_us)
{
	struct decoder_input in;

	flow_msg_end(&m->c, &m->m, 1);
	ck_assert(!m->c.full);
	in = (struct decoder_input) { { m->buf, cursor_used(&m->c) }, addr_make4(0xc0000201u), 2055,
		recv_us };
	w->n = 0;
	ck_assert_int_eq(decode(w->d, &in, world_keep, w), WIRE_OK);
	ck_assert_uint_eq(decoder_counts(w->d)->held, decoder_counts(w->d)->held_decoded +
			  decoder_counts(w->d)->held_unscaled + decoder_counts(w->d)->held_lost +
			  decoder_waiting(w->d));
}

static const uint16_t versions[] = { 9, 10 };

START_TEST(data_waits_for_its_template)	/* [9] */
{
	struct world *w = world_new(&holding);
	const struct decode_counts *c = decoder_counts(w->d);
	struct writer m;

	begin(&m, versions[_i]);
	put_set(&m, 256, RECORD RECORD);
	put_set(&m, 257, RECORD);
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(w->n, 0);
	ck_assert_uint_eq(decoder_waiting(w->d), 2);
	ck_assert_uint_eq(c->damaged[WIRE_NO_TEMPLATE], 0);
	/* Ten seconds later, with another clock: its own counts. */
	begin(&m, versions[_i]);
	patch32(m.buf + (versions[_i] == 9 ? 8 : 4), EXPORT_S + 10);
	put_set(&m, 256, RECORD);
	put_template(&m, 256, 0, counted, COUNT(counted));
	put_set(&m, 256, RECORD);
	send_at(w, &m, RECV_US + 10000000);
	ck_assert_uint_eq(w->n, 4);
	for (size_t i = 0; i < w->n; i++)
		ck_record(&w->rec[i], AS_RECORD);
	ck_assert_uint_eq(w->origin.export_us, UINT64_C(1000000) * (EXPORT_S + 10));
	ck_assert_uint_eq(c->held, 3);
	ck_assert_uint_eq(c->held_decoded, 2);
	ck_assert_uint_eq(c->records, 4);
	ck_assert_uint_eq(c->datagrams, 2);
	ck_assert_uint_eq(decoder_stream_next(w->d, NULL)->records, 4);
	ck_assert_uint_eq(decoder_stream_next(w->d, NULL)->datagrams, 2);
	world_free(w);
}
END_TEST

struct seen {
	struct flow_origin origin[8];
	size_t n[8], chunks;
};

static void see(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct seen *s = ctx;

	(void)rec;
	s->origin[s->chunks] = *origin;
	s->n[s->chunks++] = n;
}

/* What waited says when and from which port it came, and counts uptimes from its own header. */
START_TEST(a_set_keeps_its_origin)
{
	static const struct field_spec dated[] = { { 0, 22, 4 }, { 0, 1, 4 } };
	struct world *w = world_new(&holding);
	struct seen s = { .chunks = 0 };
	struct decoder_input in;
	struct writer m;

	begin(&m, 9);
	m.m.sequence = 5;
	patch32(m.buf + 12, 5);
	put_set(&m, 256, "000f4240 000003e8");
	flow_msg_end(&m.c, &m.m, 1);
	in = (struct decoder_input) { { m.buf, cursor_used(&m.c) }, addr_make4(0xc0000201u), 1111,
		RECV_US };
	decode(w->d, &in, see, &s);
	begin(&m, 9);
	patch32(m.buf + 12, 6);
	patch32(m.buf + 4, UPTIME_MS + 20000);
	patch32(m.buf + 8, EXPORT_S + 20);
	put_template(&m, 256, 0, dated, COUNT(dated));
	put_set(&m, 256, "000f4240 000003e8 000f4240 000003e8");
	flow_msg_end(&m.c, &m.m, 1);
	in = (struct decoder_input) { { m.buf, cursor_used(&m.c) }, addr_make4(0xc0000201u), 2222,
		RECV_US + 20000000 };
	decode(w->d, &in, see, &s);
	ck_assert_uint_eq(s.chunks, 2);
	ck_assert_uint_eq(s.n[0], 1);
	ck_assert_uint_eq(s.origin[0].sequence, 5);
	ck_assert_uint_eq(s.origin[0].sender_port, 1111);
	ck_assert_uint_eq(s.origin[0].recv_us, RECV_US);
	ck_assert_uint_eq(s.origin[0].export_us, UINT64_C(1000000) * EXPORT_S);
	ck_assert_uint_eq(s.origin[0].version, 9);
	ck_assert_uint_eq(s.n[1], 2);
	ck_assert_uint_eq(s.origin[1].sequence, 6);
	ck_assert_uint_eq(s.origin[1].sender_port, 2222);
	world_free(w);
}
END_TEST

START_TEST(gives_up_by_age)
{
	struct world *w = world_new(&holding);
	const struct decode_counts *c = decoder_counts(w->d);
	struct decoder_loss *l;
	struct writer m;

	for (unsigned i = 0; i < 3; i++) {
		begin(&m, 10);
		put_set(&m, (uint16_t)(256 + i % 2), RECORD);
		send_at(w, &m, RECV_US + i * 1000000);
	}
	ck_assert_ptr_null(decoder_expire(w->d, RECV_US + 30000000, world_keep, w));
	l = decoder_expire(w->d, RECV_US + 31000001, world_keep, w);
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(l->id, 257);
	ck_assert_uint_eq(l->domain, 7);
	ck_assert_uint_eq(l->sets, 1);
	ck_assert_uint_eq(l->octets, 20);
	ck_assert_uint_eq(c->held_lost, 2);
	ck_assert_uint_eq(c->damaged[WIRE_NO_TEMPLATE], 2);
	ck_assert_uint_eq(c->no_template_octets, 40);
	ck_assert_uint_eq(decoder_waiting(w->d), 1);
	decoder_expire(w->d, UINT64_MAX, world_keep, w);
	ck_assert_uint_eq(decoder_waiting(w->d), 0);
	ck_assert_uint_eq(c->held_lost, 3);
	/* By name: 257 was lost first and is the oldest. */
	l = decoder_loss_next(w->d, NULL);
	ck_assert_uint_eq(l->id, 257);
	l = decoder_loss_next(w->d, l);
	ck_assert_uint_eq(l->id, 256);
	ck_assert_uint_eq(l->sets, 2);
	ck_assert_ptr_null(decoder_loss_next(w->d, l));
	/* A template that comes too late finds nothing. */
	begin(&m, 10);
	put_template(&m, 256, 0, counted, COUNT(counted));
	send_at(w, &m, RECV_US + 40000000);
	ck_assert_uint_eq(w->n, 0);
	world_free(w);
}
END_TEST

#define SAMPLED_OPTIONS "012c 0004 0008 0001 0004 0030 0001 0032 0002"

/* An interval is announced, data comes, then the interval. */
START_TEST(data_waits_for_its_interval)	/* [17] */
{
	for (int in_one = 0; in_one <= 1; in_one++) {
		struct world *w = world_new(&holding);
		const struct decode_counts *c = decoder_counts(w->d);
		struct writer m;

		begin(&m, 9);
		put_template(&m, 256, 0, counted, COUNT(counted));
		put_set(&m, 256, RECORD);
		put_set(&m, 1, SAMPLED_OPTIONS);
		put_set(&m, 256, RECORD RECORD);
		if (!in_one) {
			send_at(w, &m, RECV_US);
			/* The first one came before anything was announced. */
			ck_assert_uint_eq(w->n, 1);
			ck_assert(!flow_has(&w->rec[0], FLOW_sampling_num));
			ck_assert_uint_eq(decoder_waiting(w->d), 1);
			begin(&m, 9);
		}
		put_set(&m, 300, "00000000 03 0200");
		put_set(&m, 256, RECORD);
		send_at(w, &m, RECV_US + 1);
		ck_assert_uint_eq(w->n, in_one ? 4 : 3);
		for (size_t i = in_one ? 1 : 0; i < w->n; i++)
			ck_assert_uint_eq(w->rec[i].sampling_num, 512);
		ck_assert_uint_eq(c->held_decoded, 1);
		ck_assert_uint_eq(decoder_waiting(w->d), 0);
		world_free(w);
	}
}
END_TEST

/* Options data before its template, and data that it scales: both wait, for one after the other. */
START_TEST(one_waits_for_the_other)
{
	struct world *w = world_new(&holding);
	struct writer m;

	begin(&m, 9);
	put_set(&m, 256, RECORD);
	put_set(&m, 300, "00000000 03 0200");
	put_set(&m, 256, RECORD);
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(decoder_waiting(w->d), 3);
	begin(&m, 9);
	put_set(&m, 1, SAMPLED_OPTIONS);
	put_template(&m, 256, 0, counted, COUNT(counted));
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(w->n, 2);
	ck_assert_uint_eq(w->rec[0].sampling_num, 512);
	ck_assert_uint_eq(w->rec[1].sampling_num, 512);
	world_free(w);
	/* The other way round: the data's template comes first. */
	w = world_new(&holding);
	begin(&m, 9);
	put_set(&m, 256, RECORD);
	put_set(&m, 1, SAMPLED_OPTIONS);
	put_template(&m, 256, 0, counted, COUNT(counted));
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(w->n, 0);
	begin(&m, 9);
	put_set(&m, 300, "00000000 03 0200");
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(w->n, 1);
	ck_assert_uint_eq(w->rec[0].sampling_num, 512);
	ck_assert_uint_eq(decoder_counts(w->d)->held, 2);
	world_free(w);
}
END_TEST

/* An interval that never comes: the data counts, unscaled, when its time is over. */
START_TEST(data_is_not_lost_for_want_of_an_interval)
{
	struct world *w = world_new(&holding);
	struct writer m;

	begin(&m, 9);
	put_template(&m, 256, 0, counted, COUNT(counted));
	put_set(&m, 1, SAMPLED_OPTIONS);
	put_set(&m, 256, RECORD);
	send_at(w, &m, RECV_US);
	ck_assert_uint_eq(w->n, 0);
	ck_assert_ptr_null(decoder_expire(w->d, RECV_US + 30000001, world_keep, w));
	ck_assert_uint_eq(w->n, 1);
	ck_record(&w->rec[0], AS_RECORD);
	ck_assert_uint_eq(decoder_counts(w->d)->held_unscaled, 1);
	world_free(w);
}
END_TEST

/* Without renormalize nobody asks for intervals; without octets nothing waits. */
START_TEST(waits_only_when_asked_to)
{
	for (int octets = 0; octets <= 1; octets++) {
		struct decoder_limits l = holding;
		struct world *w;
		struct writer m;

		l.hold_unscaled = false;
		l.holdback_octets = octets ? 1 << 20 : 0;
		w = world_new(&l);
		begin(&m, 9);
		put_template(&m, 256, 0, counted, COUNT(counted));
		put_set(&m, 1, SAMPLED_OPTIONS);
		put_set(&m, 256, RECORD);
		put_set(&m, 257, RECORD);
		send_at(w, &m, RECV_US);
		ck_assert_uint_eq(w->n, 1);
		ck_assert_uint_eq(decoder_waiting(w->d), (unsigned)octets);
		ck_assert_uint_eq(decoder_counts(w->d)->damaged[WIRE_NO_TEMPLATE], !octets);
		decoder_expire(w->d, UINT64_MAX, world_keep, w);
		ck_assert_uint_eq(decoder_counts(w->d)->damaged[WIRE_NO_TEMPLATE], 1);
		ck_assert_uint_eq(decoder_loss_next(w->d, NULL)->id, 257);
		world_free(w);
	}
}
END_TEST

Suite *suite_holdback(void)
{
	Suite *s = suite_create("holdback");
	TCase *t = tcase_create("holdback");

	tcase_add_loop_test(t, ring_equals_model, 0, 4);
	tcase_add_test(t, an_exporter_has_its_share);
	tcase_add_test(t, memory_is_what_the_header_says);
	tcase_add_loop_test(t, data_waits_for_its_template, 0, 2);
	tcase_add_test(t, a_set_keeps_its_origin);
	tcase_add_test(t, gives_up_by_age);
	tcase_add_test(t, data_waits_for_its_interval);
	tcase_add_test(t, one_waits_for_the_other);
	tcase_add_test(t, data_is_not_lost_for_want_of_an_interval);
	tcase_add_test(t, waits_only_when_asked_to);
	suite_add_tcase(s, t);
	return s;
}
