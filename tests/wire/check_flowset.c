/*
 * check_flowset.c - messages written: against octets put together by hand from
 * RFC 3954 and RFC 7011 (and read by tshark 4.0), and back through the decoder
 * for random records of random templates.
 */
#include <inttypes.h>
#include "exact.h"
#include "message.h"

Suite *suite_flowset(void);

/* ---- by hand ------------------------------------------------------------------------- */

static void check_bytes(const struct cursor *c, const char *hex)
{
	uint8_t want[512];
	size_t n = unhex(want, hex);

	ck_assert(!c->full);
	ck_assert_uint_eq(cursor_used(c), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(c->start[i] == want[i], "octet %zu is %02x, not %02x", i, c->start[i],
			want[i]);
}

static const struct field_spec flow[] = { { 0, 8, 4 }, { 0, 27, 16 }, { 0, 1, 3 }, { 0, 4, 1 },
	{ 0, 22, 4 }, { 0, 210, 3 } };
static const struct field_spec sampler[] = { { 0, 1, 4 }, { 0, 48, 1 }, { 0, 50, 2 } };

static void write_message(struct writer *m, uint16_t version)
{
	static const uint64_t values[] = { 7, 3, 512 };
	struct template_spec t = { 256, COUNT(flow), 0, flow },
			     o = { 300, COUNT(sampler), 1, sampler };
	struct flow_record r = flow_record_empty;
	uint8_t *mark;

	r.src = addr_make4(0xc0000201);
	flow_set(&r, FLOW_octets, 1000);
	flow_set(&r, FLOW_proto, 6);
	flow_set(&r, FLOW_first_us, UINT64_C(1700000000000000) - 1000000);
	begin(m, version);
	flow_msg_put_template(&m->c, version, &t);
	flow_msg_put_template(&m->c, version, &o);
	mark = flow_set_begin(&m->c, 300);
	flow_msg_put_values(&m->c, &o, values);
	flow_set_end(&m->c, mark);
	mark = flow_set_begin(&m->c, 256);
	flow_msg_put_record(&m->c, &m->m, &t, &r);
	flow_set_end(&m->c, mark);
	flow_msg_end(&m->c, &m->m, 4);
}

START_TEST(writes_v9)
{
	struct writer m;

	write_message(&m, 9);
	/* Uptime 1000000 less a second: 999000 = 0xf3e58. */
	check_bytes(&m.c, "0009 0004 000f4240 6553f100 00000001 00000007"
		"0000 0020 0100 0006 0008 0004 001b 0010 0001 0003 0004 0001 0016 0004 00d2 0003"
		"0001 0018 012c 0004 0008 0001 0004 0030 0001 0032 0002 0000"
		"012c 000c 00000007 03 0200 00"
		"0100 0024 c0000201 00000000000000000000000000000000 0003e8 06 000f3e58 000000 00");
}
END_TEST

START_TEST(writes_ipfix)
{
	struct writer m;

	write_message(&m, 10);
	check_bytes(&m.c, "000a 0078 6553f100 00000001 00000007"
		"0002 0020 0100 0006 0008 0004 001b 0010 0001 0003 0004 0001 0016 0004 00d2 0003"
		"0003 0018 012c 0003 0001 0001 0004 0030 0001 0032 0002 0000"
		"012c 000c 00000007 03 0200 00"
		"0100 0024 c0000201 00000000000000000000000000000000 0003e8 06 000f3e58 000000 00");
}
END_TEST

START_TEST(writes_enterprise_and_variable)	/* RFC 7011 3.2, 7 */
{
	static const struct field_spec f[] = { { 29305, 1, 8 }, { 0, 82, 65535 }, { 0, 1, 65535 },
		{ 9, 5, 2 } };
	struct template_spec t = { 400, COUNT(f), 0, f };
	struct flow_record r = flow_record_empty;
	struct flow_msg m = { .version = 10 };
	uint8_t buf[256];
	struct cursor c = cursor(buf, sizeof(buf));
	uint8_t *mark;

	flow_set(&r, FLOW_octets, 5);
	flow_msg_put_template(&c, 10, &t);
	mark = flow_set_begin(&c, 400);
	flow_msg_put_record(&c, &m, &t, &r);
	flow_set_end(&c, mark);
	ck_assert_uint_eq(template_record_size(&t), 0);
	check_bytes(&c,
		"0002 0020 0190 0004 8001 0008 00007279 0052 ffff 0001 ffff 8005 0002 00000009"
		"0190 0018 0000000000000000 00 08 0000000000000005 0000");
}
END_TEST

/* Full buffers: never a byte past the end, `full` set, and what is complete stays. */
START_TEST(stops_at_the_end)
{
	struct template_spec t = { 256, COUNT(flow), 0, flow };
	struct flow_record r = flow_record_empty;
	struct flow_msg m = { .version = 9 };
	struct writer whole;

	write_message(&whole, 9);
	for (size_t n = 0; n < cursor_used(&whole.c); n++) {
		uint8_t *buf = malloc(n ? n : 1);
		struct cursor c = cursor(buf, n);
		uint8_t *mark;

		flow_msg_begin(&c, &m);
		flow_msg_put_template(&c, 9, &t);
		for (int i = 0; i < 4; i++) {
			mark = flow_set_begin(&c, 256);
			flow_msg_put_record(&c, &m, &t, &r);
			flow_set_end(&c, mark);
		}
		flow_msg_end(&c, &m, 2);
		ck_assert(c.full);
		ck_assert_uint_le(cursor_used(&c), n);
		free(buf);
	}
}
END_TEST

START_TEST(knows_record_sizes)
{
	struct template_spec t = { 256, COUNT(flow), 0, flow };

	ck_assert_uint_eq(template_record_size(&t), 31);
	t.nfields = 0;
	ck_assert_uint_eq(template_record_size(&t), 0);
}
END_TEST

/* ---- there and back ----------------------------------------------------------------------- */

/* Elements that say all of their member, with the unit of times. */
static const struct {
	uint16_t id;
	uint8_t only;		/* 9, 10, or 0: both */
	uint32_t unit_us;	/* times */
} elements[] = {
	{ 1, 0, 0 },
	{ 2, 0, 0 },
	{ 3, 0, 0 },
	{ 4, 0, 0 },
	{ 5, 0, 0 },
	{ 6, 0, 0 },
	{ 7, 0, 0 },
	{ 8, 0, 0 },
	{ 9, 0, 0 },
	{ 10, 0, 0 },
	{ 11, 0, 0 },
	{ 12, 0, 0 },
	{ 13, 0, 0 },
	{ 14, 0, 0 },
	{ 15, 0, 0 },
	{ 16, 0, 0 },
	{ 17, 0, 0 },
	{ 18, 0, 0 },
	{ 21, 9, 1000 },
	{ 22, 9, 1000 },
	{ 23, 0, 0 },
	{ 24, 0, 0 },
	{ 27, 0, 0 },
	{ 28, 0, 0 },
	{ 29, 0, 0 },
	{ 30, 0, 0 },
	{ 31, 0, 0 },
	{ 34, 0, 0 },
	{ 48, 0, 0 },
	{ 56, 0, 0 },
	{ 58, 0, 0 },
	{ 59, 0, 0 },
	{ 61, 0, 0 },
	{ 62, 0, 0 },
	{ 63, 0, 0 },
	{ 80, 0, 0 },
	{ 85, 0, 0 },
	{ 86, 0, 0 },
	{ 89, 0, 0 },
	{ 128, 0, 0 },
	{ 129, 0, 0 },
	{ 150, 0, 1000000 },
	{ 151, 0, 1000000 },
	{ 152, 0, 1000 },
	{ 153, 0, 1000 },
	{ 154, 0, 1 },
	{ 155, 0, 1 },
	{ 156, 0, 1 },
	{ 157, 0, 1 },
	{ 158, 0, 1 },
	{ 159, 0, 1 },
	{ 225, 0, 0 },
	{ 226, 0, 0 },
	{ 227, 0, 0 },
	{ 228, 0, 0 },
	{ 231, 0, 0 },
	{ 233, 0, 0 },
	{ 234, 0, 0 },
	{ 235, 0, 0 },
	{ 243, 0, 0 },
	{ 244, 0, 0 },
	{ 256, 0, 0 },
	{ 281, 0, 0 },
	{ 282, 0, 0 },
	{ 302, 0, 0 },
	{ 323, 0, 1000 },
	{ 352, 0, 0 },
};

struct random {
	uint64_t s;
};

static uint64_t next(struct random *r)		/* splitmix64 */
{
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A template of distinct members; unknown Elements and, in IPFIX, variable ones between them. */
struct shape {
	struct field_spec f[64];
	struct template_spec t;
	uint32_t unit_us[FLOW_FIELDS];
	uint8_t len[FLOW_FIELDS], id34;
	uint64_t members, four;
};

static void shape_add(
	struct shape *s, struct random *r, const struct ie *e, uint16_t version, uint32_t unit_us)
{
	const struct flow_field_info *info = &flow_fields[e->field];
	bool number = info->kind <= FLOW_KIND_U64;
	struct field_spec *f = &s->f[s->t.nfields];
	uint64_t bit = UINT64_C(1) << e->field;

	if (s->members & bit)
		return;
	s->members |= bit;
	if (e->type == IE_ADDR4)
		s->four |= bit;
	s->unit_us[e->field] = unit_us;
	f->id = e->id;
	f->len = e->len;
	if (number && !unit_us)
		f->len = (uint16_t)(1 + next(r) % 9);
	s->len[e->field] = (uint8_t)(f->len > info->width ? info->width : f->len);
	if (!unit_us && number && version == 10 && next(r) % 8 == 0) {
		f->len = IE_VARLEN;
		s->len[e->field] = e->len > info->width ? info->width : e->len;
	}
	s->t.nfields++;
}

static void shape_make(struct shape *s, struct random *r, uint16_t version)
{
	size_t want = 1 + next(r) % 40;

	memset(s, 0, sizeof(*s));
	s->t = (struct template_spec){ .id = (uint16_t)(256 + next(r) % 16), .fields = s->f };
	while (s->t.nfields < want) {
		size_t i = next(r) % COUNT(elements);
		const struct ie *e = ie_find(0, elements[i].id);

		ck_assert_ptr_nonnull(e);
		if (next(r) % 16 == 0) {
			bool pen = version == 10 && next(r) % 2;

			s->f[s->t.nfields++] = (struct field_spec) { pen ? 9u : 0u, 20000,
				(uint16_t)(next(r) % 9) };
		} else if (!elements[i].only || elements[i].only == version) {
			shape_add(s, r, e, version, elements[i].unit_us);
		}
		want--;
		if (s->t.nfields == 60)
			break;
	}
	if (s->members == 0)
		shape_add(s, r, ie_find(0, 1), version, 0);
}

static void random_member(
	const struct shape *s, struct random *r, struct flow_record *rec, enum flow_field f)
{
	uint8_t *at = (uint8_t *)rec + flow_fields[f].offset;
	uint64_t v = next(r), w = next(r);
	struct addr a;

	switch (flow_fields[f].kind) {
	case FLOW_KIND_ADDR:
		memcpy(a.b, &v, 8);
		memcpy(a.b + 8, &w, 8);
		a.b[0] |= 0x20;
		if (s->four >> f & 1)
			a = addr_make4((uint32_t)v);
		memcpy(at, &a, sizeof(a));
		rec->present |= UINT64_C(1) << f;
		break;
	case FLOW_KIND_MAC:
		memcpy(at, &v, 6);
		rec->present |= UINT64_C(1) << f;
		break;
	default:
		if (s->unit_us[f])	/* up to 20 minutes before the export */
			v = UINT64_C(1000000) * EXPORT_S -
				v % UINT64_C(1200000000) / s->unit_us[f] * s->unit_us[f];
		else if (s->len[f] < 8)
			v &= (UINT64_C(1) << 8 * s->len[f]) - 1;
		if (f == FLOW_sampling_num && v == 0)
			v = 1;
		if (f == FLOW_event)	/* others have no octets: check_plan */
			v = 2;
		flow_set(rec, f, v);
	}
}

static struct flow_record random_record(const struct shape *s, struct random *r)
{
	struct flow_record rec = flow_record_empty;

	for (int f = 0; f < FLOW_FIELDS; f++)
		if (s->members >> f & 1)
			random_member(s, r, &rec, (enum flow_field)f);
	if (flow_has(&rec, FLOW_sampling_num))
		flow_set(&rec, FLOW_sampling_den, 1);
	return rec;
}

enum { RECORDS_A_MESSAGE = 8 };

/* The compiled way of writing gives the same octets. */
static void check_put_records(const struct shape *s, const struct flow_msg *m,
	const struct flow_record *r, const uint8_t *want, size_t n)
{
	static struct flow_put p;
	static uint8_t buf[4096];
	struct cursor c = cursor(buf, n);

	ck_assert(flow_put_init(&p, &s->t));
	flow_put_records(&c, m, &p, r, RECORDS_A_MESSAGE);
	ck_assert(!c.full);
	ck_assert_uint_eq(cursor_used(&c), n);
	ck_assert_int_eq(memcmp(buf, want, n), 0);
	c = cursor(buf, n - 1);
	flow_put_records(&c, m, &p, r, RECORDS_A_MESSAGE);
	ck_assert(c.full);
}

static void one_message(struct world *w, struct random *r, uint16_t version, uint64_t seed)
{
	struct flow_record want[RECORDS_A_MESSAGE];
	static struct shape s;
	static struct writer m;
	char a[1024], b[1024];
	uint8_t *mark;

	shape_make(&s, r, version);
	begin(&m, version);
	flow_msg_put_template(&m.c, version, &s.t);
	mark = flow_set_begin(&m.c, s.t.id);
	for (size_t i = 0; i < RECORDS_A_MESSAGE; i++) {
		want[i] = random_record(&s, r);
		flow_msg_put_record(&m.c, &m.m, &s.t, &want[i]);
	}
	check_put_records(&s, &m.m, want, mark + 4, (size_t)(m.c.at - mark - 4));
	/* Padding would be a record where one takes less than four octets. */
	if (template_record_size(&s.t) >= 4)
		flow_set_end(&m.c, mark);
	else
		patch16(mark + 2, (size_t)(m.c.at - mark));
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_msg(w->n == RECORDS_A_MESSAGE, "seed %" PRIu64 ": %zu records", seed, w->n);
	for (size_t i = 0; i < w->n; i++) {
		if (flow_equal(&want[i], &w->rec[i]))
			continue;
		flow_print(a, sizeof(a), &want[i]);
		flow_print(b, sizeof(b), &w->rec[i]);
		ck_abort_msg("seed %" PRIu64 ", v%u:\nput %s\ngot %s", seed, version, a, b);
	}
}

START_TEST(comes_back)
{
	const uint64_t seed = rnd_seed(_i ? "ipfix" : "netflow9");
	struct random r = { seed };
	struct world *w = world_new(NULL);

	for (size_t n = 0; n < PROPERTY_RECORDS / 2; n += RECORDS_A_MESSAGE)
		one_message(w, &r, _i ? 10 : 9, seed);
	world_free(w);
}
END_TEST

Suite *suite_flowset(void)
{
	Suite *s = suite_create("flowset");
	TCase *t = tcase_create("flowset");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, writes_v9);
	tcase_add_test(t, writes_ipfix);
	tcase_add_test(t, writes_enterprise_and_variable);
	tcase_add_test(t, stops_at_the_end);
	tcase_add_test(t, knows_record_sizes);
	tcase_add_loop_test(t, comes_back, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
