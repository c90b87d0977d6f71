/*
 * check_columns.c - two decoders get the same datagrams, and one of them may write columns: what
 * it says of each record, in the same order, must be what the other one's flow records say, every
 * member of them, and both must have counted the same.
 */
#include "captures.h"
#include "random_export.h"
#include "wire/decoder.h"
#include "writing.h"

Suite *suite_columns(void);

/* Records of one datagram: of a message of 65507 octets with records of one octet. */
enum { RECORDS_MAX = 65536, COLUMNS = FLOW_FIELDS - 2,
	ROW_OCTETS = (sizeof(struct flow_record) - sizeof(uint64_t)) / 8 * 8 };

struct side {
	struct decoder *d;
	struct flow_record *rec;
	size_t n;
	struct flow_origin origin;
};

/* What the decoder writes to: a row has a place for every member. */
static struct flow_record rows[DECODER_CHUNK];
static struct flow_column column[COLUMNS];
static struct flow_area area;
static struct columns_want want = { .column = column };
/* The same members in the same places, but of addresses the last four octets. */
static struct flow_column column_v4[COLUMNS];
static struct columns_want want_v4 = { .column = column_v4 };
static uint64_t records_v4;
static struct side plain, direct;

static void keep(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct side *s = ctx;

	ck_assert_uint_le(s->n + n, RECORDS_MAX);
	memcpy(s->rec + s->n, rec, n * sizeof(*rec));
	s->n += n;
	s->origin = *origin;
}

static void keep_columns(
	void *ctx, const struct flow_origin *origin, const struct flow_record *all, size_t n)
{
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, DECODER_CHUNK);
	ck_assert_uint_eq(all->present & want.with, want.with);
	ck_assert_uint_eq(all->present & want.without, 0);
	for (size_t i = 0; i < n; i++) {
		rows[i].present = all->present;
		rows[i].sampling_num = all->sampling_num;
		rows[i].sampling_den = all->sampling_den;
	}
	keep(ctx, origin, rows, n);
}

/* The first octets are those of any IPv4 address. */
static void keep_columns_v4(void *ctx, const struct flow_origin *origin,
			    const struct flow_record *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < FLOW_FIELDS; f++)
			if (flow_fields[f].kind == FLOW_KIND_ADDR)
				memcpy((uint8_t *)&rows[i] + flow_fields[f].offset, &addr_zero4, 12);
	records_v4 += n;
	keep_columns(ctx, origin, all, n);
}

/* Dirty rows: what a column does not set is seen. */
static void side_init(struct side *s, const struct columns_want *columns)
{
	struct decoder_limits l = { .streams = 64, .templates = 64, .samplers = 64 };
	size_t n = 0;

	s->d = decoder_init(aligned_alloc(64, (decoder_size(&l) + 63) & ~(size_t)63), &l, 7);
	s->rec = malloc(RECORDS_MAX * sizeof(*s->rec));
	ck_assert_ptr_nonnull(s->rec);
	if (!columns)
		return;
	for (uint8_t f = 0; f < FLOW_FIELDS; f++) {
		const bool addr = flow_fields[f].kind == FLOW_KIND_ADDR;

		if (f == FLOW_sampling_num || f == FLOW_sampling_den)
			continue;
		column[n] = column_v4[n] = (struct flow_column){
			.at = (uint8_t *)rows + flow_fields[f].offset, .step = sizeof(rows[0]), .field = f };
		column_v4[n].at += addr ? 12 : 0;
		column_v4[n++].v4 = addr;
	}
	ck_assert_uint_eq(n, COLUMNS);
	memset(rows, 0xa5, sizeof(rows));
	want.n = want_v4.n = n;
	want_v4.emit = keep_columns_v4;
	want.emit = keep_columns;
	decoder_want_columns(s->d, columns);
}

static void side_clear(struct side *s)
{
	free(s->d);
	free(s->rec);
}

/* Present or not: an absent member is what flow_record_empty has. */
static void compare_records(const struct flow_record *a, const struct flow_record *b)
{
	char one[2048], other[2048];

	for (size_t f = 0; f < FLOW_FIELDS; f++) {
		const size_t at = flow_fields[f].offset, n = flow_fields[f].width;

		if (a->present == b->present &&
			memcmp((const uint8_t *)a + at, (const uint8_t *)b + at, n) == 0)
			continue;
		flow_print(one, sizeof(one), a);
		flow_print(other, sizeof(other), b);
		ck_abort_msg("%s: %s\nbut in columns: %s", flow_fields[f].name, one, other);
	}
}

static void compare_counts(void)
{
	struct decode_counts a = *decoder_counts(plain.d), b = *decoder_counts(direct.d);

	ck_assert_uint_eq(a.columns, 0);
	ck_assert_uint_le(b.columns, b.records);
	b.columns = 0;
	ck_assert_mem_eq(&a, &b, sizeof(a));
}

static void compare(struct bytes data, const struct addr *from, uint64_t recv_us)
{
	uint8_t *copy = malloc(data.n ? data.n : 1);
	const struct decoder_input in = { { copy, data.n }, *from, 2055, recv_us };
	enum wire_err err;

	if (data.n)
		memcpy(copy, data.p, data.n);
	plain.n = direct.n = 0;
	err = decode(plain.d, &in, keep, &plain);
	ck_assert_int_eq(decode(direct.d, &in, keep, &direct), err);
	free(copy);
	ck_assert_uint_eq(plain.n, direct.n);
	for (size_t i = 0; i < plain.n; i++)
		compare_records(&plain.rec[i], &direct.rec[i]);
	if (plain.n) {
		ck_assert_mem_eq(
			&plain.origin.exporter, &direct.origin.exporter, sizeof(struct addr));
		ck_assert_uint_eq(plain.origin.sequence, direct.origin.sequence);
		ck_assert_uint_eq(plain.origin.export_us, direct.origin.export_us);
		ck_assert_mem_eq(&plain.origin.stream->sequence, &direct.origin.stream->sequence,
			sizeof(struct sequence_counts));
		ck_assert_uint_eq(plain.origin.stream->records, direct.origin.stream->records);
	}
	compare_counts();
}

/*
 * Of what templates there may be, none excluded, and as the collector excludes; and the octets of
 * a row that are filled by windows (shuffle.h): the members' (behind `present`), as many as go.
 */
static const struct rule {
	uint64_t with, without;
	uint16_t from, size;
	bool v4;
} rules[] = {
	{ 0, 0, 0, 0, false },
	{ FLOW_BIT(octets), FLOW_BIT(direction) | FLOW_BIT(flows), 0, 120, true },
	{ 0, 0, 0, 120, false },
	{ 0, 0, 120, ROW_OCTETS - 120, true },
	{ 0, 0, 16, 40, true },
	{ 0, 0, 0, 0, true },
};

static void begin_sides(const struct rule *r)
{
	want.with = r->with;
	want.without = r->without;
	area = (struct flow_area){ (uint8_t *)rows + sizeof(uint64_t) + r->from, sizeof(rows[0]),
		r->size };
	want.area = want_v4.area = &area;
	want.nareas = want_v4.nareas = r->size > 0;
	want.v4 = r->v4 ? &want_v4 : NULL;
	records_v4 = 0;
	side_init(&plain, NULL);
	side_init(&direct, &want);
}

static void end_sides(void)
{
	side_clear(&plain);
	side_clear(&direct);
}

START_TEST(random_datagrams_are_the_same)
{
	struct random_export r = { .state = rnd_seed("columns") };
	uint64_t columns;

	begin_sides(&rules[_i]);
	while (r.records < PROPERTY_RECORDS / COUNT(rules)) {
		struct bytes data = random_export(&r);
		struct addr from = addr_make4(0xc0000200u + r.exporter);

		compare(data, &from, UINT64_C(1000000) * RANDOM_EXPORT_S);
	}
	columns = decoder_counts(direct.d)->columns;
	/* Both ways are gone by a good part of the records. */
	ck_assert_uint_gt(columns, decoder_counts(direct.d)->records / 20);
	ck_assert_uint_lt(columns, decoder_counts(direct.d)->records / 20 * 19);
	if (rules[_i].v4) {
		ck_assert_uint_gt(records_v4, columns / 20);
		ck_assert_uint_lt(records_v4, columns);
	} else {
		ck_assert_uint_eq(records_v4, 0);
	}
	end_sides();
}
END_TEST

static void take(void *ctx, const struct datagram *d)
{
	(void)ctx;
	compare(d->data, &d->from.addr, d->recv_us);
}

START_TEST(captures_are_the_same)
{
	uint64_t columns = 0, records = 0;
	glob_t g = { 0 };

	for (size_t i = 0, n = captures_find(&g, "columns"); i < n; i++) {
		begin_sides(&rules[_i]);
		capture_each(g.gl_pathv[i], take, NULL);
		columns += decoder_counts(direct.d)->columns;
		records += decoder_counts(direct.d)->records;
		end_sides();
	}
	ck_assert(columns > 0 || records == 0);
	globfree(&g);
}
END_TEST

/* What a test of equality would not see: the values themselves, in places of their own. */
START_TEST(writes_where_it_is_told)
{
	static const struct field_spec f[] = { { 0, 8, 4 }, { 0, 7, 2 }, { 0, 1, 3 }, { 0, 4, 1 } };
	const struct {
		uint8_t field, width;
		const char *want;
		bool if_present;
	} cells[] = {
		{ FLOW_src, 16, "00000000000000000000ffff0a000001", false },
		{ FLOW_octets, 8, "0201000000000000", false },
		{ FLOW_dst, 16, "00000000000000000000ffff00000000", false },
		{ FLOW_src_port, 2, "bb01", false },
		{ FLOW_src_mac, 6, "000000000000", false },
		{ FLOW_proto, 1, "11", true },
		{ FLOW_vlan, 2, "a5a5", true },
	};
	uint8_t row[64 * DECODER_CHUNK];
	struct flow_column c[COUNT(cells)];
	const struct columns_want some = { .column = c, .n = COUNT(cells), .emit = keep_columns };
	struct decoder_input in = { { NULL, 0 }, addr_make4(1), 1, RECV_US };
	struct writer m;
	size_t at = 1;

	side_init(&direct, NULL);
	decoder_want_columns(direct.d, &some);
	memset(row, 0xa5, sizeof(row));
	want.with = want.without = 0;
	for (size_t i = 0; i < COUNT(cells); at += cells[i++].width)
		c[i] = (struct flow_column){ row + at, 64, cells[i].field, cells[i].if_present, false };
	begin(&m, 9);
	put_template(&m, 256, 0, f, COUNT(f));
	put_set(&m, 256, "0a000002 0050 000009 06  0a000001 01bb 000102 11");
	flow_msg_end(&m.c, &m.m, 2);
	direct.n = 0;
	in.data = (struct bytes){ m.buf, cursor_used(&m.c) };
	decode(direct.d, &in, keep, &direct);
	ck_assert_uint_eq(direct.n, 2);
	at = 64 + 1;
	ck_assert_uint_eq(row[64], 0xa5);
	for (size_t i = 0; i < COUNT(cells); i++) {
		for (size_t k = 0; k < cells[i].width; k++) {
			char hex[3];

			snprintf(hex, sizeof(hex), "%02x", row[at++]);
			ck_assert_msg(strncmp(hex, cells[i].want + 2 * k, 2) == 0,
				"%s octet %zu: %s", flow_fields[cells[i].field].name, k, hex);
		}
	}
	ck_assert_uint_eq(row[at], 0xa5);
	ck_assert_uint_eq(decoder_counts(direct.d)->columns, 2);
	side_clear(&direct);
}
END_TEST

/* Three records of sampler 1, which has told its interval; two of one sampler each. */
START_TEST(records_of_one_sampler_go_together)
{
	static const struct field_spec data[] = { { 0, 8, 4 }, { 0, 1, 2 }, { 0, 48, 1 } },
		options[] = { { 0, 1, 4 }, { 0, 48, 1 }, { 0, 34, 4 } };
	struct decoder_input in = { { NULL, 0 }, addr_make4(1), 1, RECV_US };
	struct writer m;

	want.with = want.without = 0;
	side_init(&direct, &want);
	direct.n = 0;
	begin(&m, 9);
	put_template(&m, 300, 1, options, COUNT(options));
	put_set(&m, 300, "00000001 01 0000000a");
	put_template(&m, 256, 0, data, COUNT(data));
	put_set(&m, 256, "0a000001 0001 01  0a000002 0002 01  0a000003 0003 01");
	put_set(&m, 256, "0a000001 0001 01  0a000002 0002 02");
	flow_msg_end(&m.c, &m.m, 6);
	in.data = (struct bytes){ m.buf, cursor_used(&m.c) };
	ck_assert_int_eq(decode(direct.d, &in, keep, &direct), WIRE_OK);
	ck_assert_uint_eq(direct.n, 5);
	ck_assert_uint_eq(decoder_counts(direct.d)->columns, 3);
	ck_assert_uint_eq(decoder_counts(direct.d)->unscaled, 1);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(direct.rec[i].sampling_num, 10);
		ck_assert_uint_eq(direct.rec[i].sampling_den, 1);
		ck_assert_uint_eq(direct.rec[i].octets, i % 3 + 1);
	}
	ck_assert(!flow_has(&direct.rec[4], FLOW_sampling_num));
	side_clear(&direct);
}
END_TEST

Suite *suite_columns(void)
{
	Suite *s = suite_create("columns");
	TCase *t = tcase_create("columns");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, writes_where_it_is_told);
	tcase_add_test(t, records_of_one_sampler_go_together);
	tcase_add_loop_test(t, random_datagrams_are_the_same, 0, (int)COUNT(rules));
	tcase_add_loop_test(t, captures_are_the_same, 0, (int)COUNT(rules));
	suite_add_tcase(s, t);
	return s;
}
