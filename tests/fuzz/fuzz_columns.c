/*
 * fuzz_columns.c - a sequence of datagrams, told as in fuzz_decoder.c, through two decoders of
 * which one may write columns: both say the same of each record, and count the same.
 */
#include <stdlib.h>
#include <string.h>
#include "wire/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct decoder_limits limits = { .streams = 3, .templates = 4, .samplers = 5,
	.exporter_share = 2, .holdback_octets = 8192, .hold_us = 3000000, .hold_unscaled = true };

/* Records of one octet in the longest datagram, and those that it sets free. */
enum { RECORDS_MAX = 1 << 17 };

struct side {
	struct decoder *d;
	struct flow_record *rec;
	size_t n;
};

static struct side plain, direct;
static struct flow_record rows[DECODER_CHUNK];
static struct flow_column column[FLOW_FIELDS];
static struct flow_area area;
static struct flow_column column_v4[FLOW_FIELDS];
static struct columns_want want_v4 = { .column = column_v4, .area = &area };
static struct columns_want want = { .v4 = &want_v4, .column = column, .area = &area };

/* Octets of a row, behind `present`, that are filled by windows, as many as go (shuffle.h). */
static const struct {
	uint16_t from, size;
} areas[] = { { 0, 0 }, { 0, 120 }, { 120, sizeof(rows[0]) - sizeof(uint64_t) - 120 }, { 16, 40 } };

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void keep(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct side *s = ctx;

	(void)origin;
	must(s->n + n <= RECORDS_MAX);
	memcpy(s->rec + s->n, rec, n * sizeof(*rec));
	s->n += n;
}

/* Outside of what the columns set the rows stay dirty. */
static void keep_columns(
	void *ctx, const struct flow_origin *origin, const struct flow_record *all, size_t n)
{
	must(n > 0 && n <= DECODER_CHUNK);
	for (size_t i = 0; i < n; i++) {
		rows[i].present = all->present;
		rows[i].sampling_num = all->sampling_num;
		rows[i].sampling_den = all->sampling_den;
	}
	keep(ctx, origin, rows, n);
}

/* Of addresses the last four octets: the others are those of any IPv4 address. */
static void keep_columns_v4(void *ctx, const struct flow_origin *origin,
			    const struct flow_record *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < FLOW_FIELDS; f++)
			if (flow_fields[f].kind == FLOW_KIND_ADDR)
				memcpy((uint8_t *)&rows[i] + flow_fields[f].offset, &addr_zero4, 12);
	keep_columns(ctx, origin, all, n);
}

static void side_begin(struct side *s)
{
	if (!s->d) {
		s->d = aligned_alloc(64, (decoder_size(&limits) + 63) & ~(size_t)63);
		s->rec = malloc(RECORDS_MAX * sizeof(*s->rec));
		must(s->d && s->rec);
	}
	decoder_init(s->d, &limits, 42);
	s->n = 0;
}

/* Each input one way, by its length. */
static void begin(size_t n)
{
	const size_t way = n % (sizeof(areas) / sizeof(areas[0]));

	side_begin(&plain);
	side_begin(&direct);
	want.n = 0;
	want.emit = keep_columns;
	want_v4.emit = keep_columns_v4;
	for (uint8_t f = 0; f < FLOW_FIELDS; f++) {
		const bool addr = flow_fields[f].kind == FLOW_KIND_ADDR;

		if (f == FLOW_sampling_num || f == FLOW_sampling_den)
			continue;
		column[want.n] = column_v4[want.n] = (struct flow_column){
			.at = (uint8_t *)rows + flow_fields[f].offset, .step = sizeof(rows[0]), .field = f };
		column_v4[want.n].at += addr ? 12 : 0;
		column_v4[want.n++].v4 = addr;
	}
	want_v4.n = want.n;
	area = (struct flow_area){ (uint8_t *)rows + sizeof(uint64_t) + areas[way].from,
		sizeof(rows[0]), areas[way].size };
	want.nareas = want_v4.nareas = areas[way].size > 0;
	memset(rows, 0xa5, sizeof(rows));
	decoder_want_columns(direct.d, &want);
}

/* Present or not: an absent member is what flow_record_empty has.  Padding is nobody's. */
static void compare(void)
{
	struct decode_counts a = *decoder_counts(plain.d), b = *decoder_counts(direct.d);

	must(plain.n == direct.n && a.columns == 0 && b.columns <= b.records);
	b.columns = 0;
	must(memcmp(&a, &b, sizeof(a)) == 0);
	for (size_t i = 0; i < plain.n; i++) {
		must(plain.rec[i].present == direct.rec[i].present);
		for (size_t f = 0; f < FLOW_FIELDS; f++)
			must(memcmp((uint8_t *)&plain.rec[i] + flow_fields[f].offset,
				     (uint8_t *)&direct.rec[i] + flow_fields[f].offset,
				     flow_fields[f].width) == 0);
	}
	plain.n = direct.n = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t now = UINT64_C(1700000000000000);

	begin(n);
	while (n >= 2) {
		const size_t len = be16(data) & 0x7fff;
		struct decoder_input in = { { data + 2, len < n - 2 ? len : n - 2 },
			addr_make4(0x0a000001u + (data[0] >> 7)), 2055, now };

		decoder_expire(plain.d, now, keep, &plain);
		decoder_expire(direct.d, now, keep, &direct);
		must(decode(plain.d, &in, keep, &plain) == decode(direct.d, &in, keep, &direct));
		compare();
		data += 2 + in.data.n;
		n -= 2 + in.data.n;
		now += 1000000;
	}
	decoder_expire(plain.d, UINT64_MAX, keep, &plain);
	decoder_expire(direct.d, UINT64_MAX, keep, &direct);
	compare();
	return 0;
}
