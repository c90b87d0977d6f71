/*
 * check_conformance.c - the cases of the reference "collector", section 15, that
 * decoding decides, by their numbers: the input that each was run with against
 * nfacctd 1.7.7, and what we must give.  24, 29, 31 to 37, 39, 40, 42 and 43
 * are about what nfacctd does with records: tests/nfacctd.
 */
#include "message.h"
#include "wire/persist.h"

Suite *suite_conformance(void);

enum { RAW = 0, V9 = 9, IPFIX = 10 };

/* One Set of a message, or (RAW) a datagram as it stands. */
struct piece {
	uint16_t set;
	const char *hex;
};

struct step {
	struct piece p[6];
	unsigned port, domain;	/* 0: 2055, 7 */
	bool restart;		/* before it: save, forget, load */
};

struct row {
	int number;
	const char *name;
	int version;
	bool hold;
	struct step steps[4];
	const char *want;	/* every record, " | " between them */
	int damage;		/* enum wire_err counted once, or -1 */
	unsigned unscaled;
	unsigned ambiguous;	/* records that may be of several samplers */
};

#define T9 0	/* template Sets */
#define O9 1
#define T10 2
#define O10 3
#define ENDS "0100 0004 0008 0004 000c 0004 0001 0004 0002 0004"
#define SWAPPED "0100 0004 000c 0004 0008 0004 0001 0004 0002 0004"
#define RECORD "c0000201 c6336402 000003e8 0000000a"
#define AS_RECORD "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10"
#define COUNTERS "0100 0002 0001 0004 0002 0004"
#define COUNTED "000003e8 0000000a"
#define AS_COUNTED "octets=1000 packets=10"
#define BY(n) " sampling_num=" #n " sampling_den=1"
/* Template 257 names its sampler by IE 48; options of sampler and random interval. */
#define NAMED "0101 0003 0030 0001 0001 0004 0002 0004"
#define SAMPLERS "012c 0004 0008 0001 0004 0030 0001 0032 0002"
/* IPFIX selectors: template 257 names one by IE 302. */
#define SELECTED "0101 0003 012e 0004 0001 0004 0002 0004"

#define V5(count, sampling) "0005 " count " 000f4240 6553f100 00000000 00000009 0102 " sampling
#define V5_RECORD "c0000201 c6336402 00000000 0001 0002 0000000a 000003e8 000f3e58 000f4240 04d2 0050" \
	"00 1b 06 00 fde8 fde9 18 10 0000"
#define V5_TEXT(sampling) "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 first_us=1699999999000000 " \
	"last_us=1700000000000000 in_if=1 out_if=2 src_port=1234 dst_port=80 proto=6 tos=0 tcp_flags=27 " \
	"src_mask=24 dst_mask=16 src_as=65000 dst_as=65001" sampling " next_hop=0.0.0.0"

static const struct row rows[] = {
	{ 1, "4 octets", V9, 0, { { .p = { { T9, COUNTERS }, { 256, COUNTED } } } }, AS_COUNTED, -1,
		0, 0 },
	{ 2, "3 and 2 octets", V9, 0,
		{ { .p = { { T9, "0100 0002 0001 0003 0002 0002" }, { 256, "0003e8 000a" } } } },
		AS_COUNTED, -1, 0, 0 },
	{ 3, "85/86 alone", IPFIX, 0,
		{ { .p = { { T10, "0100 0002 0055 0004 0056 0004" }, { 256, COUNTED } } } },
		AS_COUNTED, -1, 0, 0 },
	{ 4, "1 and 85", IPFIX, 0,
		{ { .p = { { T10, "0100 0003 0001 0004 0055 0004 0002 0004" },
			    { 256, "000003e8 000007d0 0000000a" } } } },
		AS_COUNTED, -1, 0, 0 },
	{ 5, "1/2 and 23/24, direction 1", IPFIX, 0,
		{ { .p = { { T10, "0100 0005 0001 0004 0002 0004 0017 0004 0018 0004 003d 0001" },
			    { 256, "000003e8 0000000a 000008ae 00000016 01" } } } },
		AS_COUNTED " direction=1", -1, 0, 0 },
	{ 6, "23/24 alone", IPFIX, 0,
		{ { .p = { { T10, "0100 0002 0017 0004 0018 0004" },
			    { 256, "000008ae 00000016" } } } },
		"octets=2222 packets=22", -1, 0, 0 },
	{ 7, "RFC 5103", IPFIX, 0,
		{ { .p = { { T10,
				   "0100 0006 0008 0004 000c 0004 0001 0004 0002 0004"
				   "8001 0004 00007279 8002 0004 00007279" },
			    { 256, RECORD "00001388 00000032" } } } },
		AS_RECORD " | src=198.51.100.2 dst=192.0.2.1 octets=5000 packets=50", -1, 0, 0 },
	{ 8, "231/232 and 298/299", V9, 0,
		{ { .p = { { T9,
				   "0100 0006 0008 0004 000c 0004 00e7 0004 00e8 0004 012a 0004 "
				   "012b 0004" },
			    { 256, "c0000201 c6336402 000003e8 00001388 0000000a 00000032" } } } },
		AS_RECORD " | src=198.51.100.2 dst=192.0.2.1 octets=5000 packets=50", -1, 0, 0 },
	{ 9, "data, template, data: counted", V9, 0,
		{ { .p = { { 256, RECORD } } }, { .p = { { T9, ENDS }, { 256, RECORD } } } },
		AS_RECORD, WIRE_NO_TEMPLATE, 0, 0 },
	{ 9, "data, template, data: held back", IPFIX, 1,
		{ { .p = { { 256, RECORD } } }, { .p = { { T10, ENDS }, { 256, RECORD } } } },
		AS_RECORD " | " AS_RECORD, -1, 0, 0 },
	{ 10, "data from another port", V9, 0,
		{ { .p = { { T9, ENDS } } }, { .p = { { 256, RECORD } }, .port = 9999 } },
		AS_RECORD, -1, 0, 0 },
	{ 11, "data of another source ID", V9, 0,
		{ { .p = { { T9, ENDS } } }, { .p = { { 256, RECORD } }, .domain = 8 } }, "",
		WIRE_NO_TEMPLATE, 0, 0 },
	{ 12, "redefined", V9, 0,
		{ { .p = { { T9, ENDS } } }, { .p = { { T9, SWAPPED } } },
			{ .p = { { 256, RECORD } } } },
		"src=198.51.100.2 dst=192.0.2.1 octets=1000 packets=10", -1, 0, 0 },
	{ 13, "withdrawn: the data is dropped", IPFIX, 0,
		{ { .p = { { T10, ENDS } } }, { .p = { { T10, "0100 0000" } } },
			{ .p = { { 256, RECORD } } } },
		"", WIRE_NO_TEMPLATE, 0, 0 },
	/* 200 octets of a number: its last are its value. */
	{ 14, "IE 4 of 200 octets", V9, 0,
		{ { .p = { { T9, "0100 0002 0004 0008 0001 0004" },
			    { 256, "0000000000000006 000003e8" } } } },
		"octets=1000 proto=6", -1, 0, 0 },
	{ 15, "variable fields around the counters", IPFIX, 0,
		{ { .p = { { T10, "0100 0004 0052 ffff 0001 0004 0002 0004 0053 ffff" },
			    { 256, "03616263" COUNTED "ff00027879" } } } },
		AS_COUNTED, -1, 0, 0 },
	{ 16, "34, scope System", V9, 0,
		{ { .p = { { O9, "012c 0004 0004 0001 0004 0022 0004" },
			    { 300, "00000000 00000064" }, { T9, COUNTERS }, { 256, COUNTED } } } },
		AS_COUNTED BY(100), -1, 0, 0 },
	{ 17, "data, options, data: counted", V9, 0,
		{ { .p = { { T9, COUNTERS }, { O9, SAMPLERS }, { 256, COUNTED } } },
			{ .p = { { 300, "00000000 03 0064" }, { 256, COUNTED } } } },
		AS_COUNTED " | " AS_COUNTED BY(100), -1, 0, 0 },
	{ 17, "data, options, data: held back", V9, 1,
		{ { .p = { { T9, COUNTERS }, { O9, SAMPLERS }, { 256, COUNTED } } },
			{ .p = { { 300, "00000000 03 0064" }, { 256, COUNTED } } } },
		AS_COUNTED BY(100) " | " AS_COUNTED BY(100), -1, 0, 0 },
	{ 18, "sampler 3; a record of 3, one of 9", V9, 0,
		{ { .p = { { O9, SAMPLERS }, { 300, "00000000 03 0200" }, { T9, NAMED },
			    { 257, "03" COUNTED "09" COUNTED } } } },
		AS_COUNTED " sampling_num=512 sampling_den=1 sampler=3 | " AS_COUNTED " sampler=9",
		-1, 1, 0 },
	{ 19, "samplers 3 and 4, a record without ID", V9, 0,
		{ { .p = { { O9, SAMPLERS }, { 300, "00000000 03 0200 00000000 04 0040" },
			    { T9, COUNTERS }, { 256, COUNTED COUNTED } } } },
		AS_COUNTED BY(64) " | " AS_COUNTED BY(64), -1, 0, 2 },
	{ 19, "sampler 3 twice, of one interval, is one", V9, 0,
		{ { .p = { { O9, SAMPLERS }, { 300, "00000000 03 0040 00000000 03 0200" },
			    { T9, COUNTERS }, { 256, COUNTED } } } },
		AS_COUNTED BY(512), -1, 0, 0 },
	{ 19, "an interval of each interface", V9, 0,
		{ { .p = { { O9, "012c 0004 0004 0002 0004 0022 0004" },
			    { 300, "00000007 00000032 00000008 00000014" },
			    { T9, COUNTERS }, { 256, COUNTED } } } },
		AS_COUNTED BY(20), -1, 0, 1 },
	{ 20, "302, 305/306 = 1/999", IPFIX, 0,
		{ { .p = { { O10, "012c 0003 0001 012e 0004 0131 0004 0132 0004" },
			    { 300, "00000003 00000001 000003e7" }, { T10, SELECTED },
			    { 257, "00000003" COUNTED } } } },
		AS_COUNTED BY(1000) " sampler=3", -1, 0, 0 },
	{ 21, "302, 309/310 = 1/2048", IPFIX, 0,
		{ { .p = { { O10, "012c 0003 0001 012e 0004 0135 0004 0136 0004" },
			    { 300, "00000003 00000001 00000800" }, { T10, SELECTED },
			    { 257, "00000003" COUNTED } } } },
		AS_COUNTED BY(2048) " sampler=3", -1, 0, 0 },
	{ 21, "302, 311 = 0.01", IPFIX, 0,
		{ { .p = { { O10, "012c 0002 0001 012e 0004 0137 0008" },
			    { 300, "00000003 3f847ae147ae147b" }, { T10, SELECTED },
			    { 257, "00000003" COUNTED } } } },
		AS_COUNTED BY(100) " sampler=3", -1, 0, 0 },
	{ 22, "34 = 100 in the record", V9, 0,
		{ { .p = { { T9, "0100 0003 0022 0004 0001 0004 0002 0004" },
			    { 256, "00000064" COUNTED } } } },
		AS_COUNTED BY(100), -1, 0, 0 },
	{ 22, "34 = 0", V9, 0,
		{ { .p = { { T9, "0100 0003 0022 0004 0001 0004 0002 0004" },
			    { 256, "00000000" COUNTED } } } },
		AS_COUNTED, -1, 0, 0 },
	{ 22, "34 = 100 in one octet", V9, 0,
		{ { .p = { { T9, "0100 0003 0022 0001 0001 0004 0002 0004" },
			    { 256, "64" COUNTED } } } },
		AS_COUNTED BY(100), -1, 0, 0 },
	{ 23, "v5 64, mode 0", RAW, 0, { { .p = { { 0, V5("0001", "0040") V5_RECORD } } } },
		V5_TEXT(BY(64)), -1, 0, 0 },
	{ 23, "v5 64, mode 1", RAW, 0, { { .p = { { 0, V5("0001", "4040") V5_RECORD } } } },
		V5_TEXT(BY(64)), -1, 0, 0 },
	{ 25, "v5 with 4 octets behind", RAW, 0,
		{ { .p = { { 0, V5("0001", "0000") V5_RECORD "01020304" } } } }, V5_TEXT(""),
		WIRE_TRAILING, 0, 0 },
	{ 26, "v5 count above what arrived", RAW, 0,
		{ { .p = { { 0, V5("0002", "0000") V5_RECORD } } } }, "", -1, 0, 0 },
	{ 27, "v9 count 1, two Sets", V9, 0, { { .p = { { T9, ENDS }, { 256, RECORD } } } },
		AS_RECORD, -1, 0, 0 },
	{ 28, "six zeros behind an IPFIX message", RAW, 0,
		{ { .p = { { 0,
			    "000a 0030 6553f100 00000000 00000007 0002 0010 0100 0002 0001 0004"
			    "0002 0004 0100 0010" COUNTED "00000000 000000000000" } } } },
		AS_COUNTED, WIRE_TRAILING, 0, 0 },
	/* Uptime 1000 at 1700000000 s; First 0xffffff00 is 1256 ms before, Last 500 is 500 ms
	   before. */
	{ 30, "v5 First above SysUptime", RAW, 0,
		{ { .p = { { 0,
			    "0005 0001 000003e8 6553f100 00000000 00000009 0000 0000"
			    "c0000201 c6336402 00000000 0001 0002 0000000a 000003e8 ffffff00 "
			    "000001f4 04d2 0050 00 1b 06 00 0000 0000 00 00 0000" } } } },
		"src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 first_us=1699999998744000 "
		"last_us=1699999999500000 "
		"in_if=1 out_if=2 src_port=1234 dst_port=80 proto=6 tos=0 tcp_flags=27 src_mask=0 "
		"dst_mask=0 src_as=0 dst_as=0 next_hop=0.0.0.0",
		-1, 0, 0 },
	/* One sample: a raw header of a 1018-octet frame, and sampled IPv4 of 1000. */
	{ 38, "sFlow: raw and sampled_ipv4 of one packet", RAW, 0,
		{ { .p = { { 0,
			    "00000005 00000001 0a000001 00000000 00000001 000003e8 00000001"
			    "00000001 0000008c 00000001 00000003 00000200 00000200 00000000 "
			    "00000005 00000007 00000002"
			    "00000001 0000003c 00000001 000003fa 00000004 0000002a"
			    "000000000002 000000000001 0800 4500 03e8 0000 0000 40 11 0000 "
			    "c0000201 c6336402 04d2 0050 0000 0000 0000"
			    "00000003 00000020 000003e8 00000011 c0000201 c6336402 000004d2 "
			    "00000050 00000000 00000000" } } } },
		"octets=1000 packets=1", -1, 0, 0 },
	{ 41, "a restart between options and data", V9, 0,
		{ { .p = { { T9, COUNTERS }, { O9, SAMPLERS }, { 300, "00000000 03 0064" } } },
			{ .p = { { 256, COUNTED } }, .restart = true } },
		AS_COUNTED BY(100), -1, 0, 0 },
};

/* ---- running ------------------------------------------------------------------------------ */

struct heard {
	char text[16384];
	size_t used, records;
};

static void hear(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct heard *h = ctx;

	(void)origin;
	for (size_t i = 0; i < n; i++) {
		if (h->records++)
			h->used += (size_t)snprintf(
				h->text + h->used, sizeof(h->text) - h->used, " | ");
		h->used += flow_print(h->text + h->used, sizeof(h->text) - h->used, &rec[i]);
		ck_assert_uint_lt(h->used, sizeof(h->text));
	}
}

static const struct decoder_limits small = { .streams = 8, .templates = 16, .samplers = 32 };
static const struct decoder_limits holding = { .streams = 8, .templates = 16, .samplers = 32,
	.holdback_octets = 1 << 20, .hold_us = 60000000, .hold_unscaled = true };

static struct decoder *open_decoder(const struct decoder_limits *l)
{
	return decoder_init(aligned_alloc(64, (decoder_size(l) + 63) & ~(size_t)63), l, 1);
}

static struct decoder *restarted(struct decoder *d, const struct decoder_limits *l)
{
	struct decoder *again = open_decoder(l);
	size_t room = decoder_save_size(d);
	uint8_t *file = malloc(room);
	struct bytes rest = { file, decoder_save(d, file, room, RECV_US) };
	struct decoder_loaded n = { 0 };

	ck_assert_ptr_null(decoder_load(again, &rest, RECV_US, UINT64_MAX, &n));
	free(file);
	free(d);
	return again;
}

static void run_step(
	struct decoder *d, const struct row *row, const struct step *s, struct heard *h)
{
	struct writer m = { .c = { 0 } };
	struct decoder_input in = { { m.buf, 0 }, addr_make4(0xc0000201u),
		(uint16_t)(s->port ? s->port : 2055), RECV_US };

	if (row->version == RAW) {
		in.data.n = unhex(m.buf, s->p[0].hex);
	} else {
		begin(&m, (uint16_t)row->version);
		patch32(m.buf + (row->version == V9 ? 16 : 12), s->domain ? s->domain : 7);
		for (const struct piece *p = s->p; p->hex; p++)
			put_set(&m, p->set, p->hex);
		flow_msg_end(&m.c, &m.m, 1);
		in.data.n = cursor_used(&m.c);
	}
	decode(d, &in, hear, h);
}

static uint64_t damage(const struct decoder *d, int but)
{
	uint64_t n = 0;

	for (int i = 0; i < WIRE_ERRORS_MAX; i++)
		n += i != but && i != WIRE_WITHDRAWAL ? decoder_counts(d)->damaged[i] : 0;
	return n;
}

START_TEST(gives_ours)
{
	const struct row *row = &rows[_i];
	const struct decoder_limits *l = row->hold ? &holding : &small;
	struct decoder *d = open_decoder(l);
	struct heard h = { .used = 0 };

	for (const struct step *s = row->steps; s < row->steps + 4 && s->p[0].hex; s++) {
		if (s->restart)
			d = restarted(d, l);
		run_step(d, row, s, &h);
	}
	if (row->number == 38)
		ck_assert_msg(h.records == 1 && strstr(h.text, row->want), "38: %s", h.text);
	else
		ck_assert_msg(strcmp(h.text, row->want) == 0, "%d %s:\n%s\nwanted\n%s", row->number,
			row->name, h.text, row->want);
	ck_assert_msg(row->damage < 0 || decoder_counts(d)->damaged[row->damage] == 1, "%d %s",
		row->number, row->name);
	ck_assert_msg(damage(d, row->damage) == 0, "%d %s: damage", row->number, row->name);
	ck_assert_msg(
		decoder_counts(d)->unscaled == row->unscaled, "%d %s", row->number, row->name);
	ck_assert_msg(decoder_counts(d)->ambiguous == row->ambiguous, "%d %s: %llu ambiguous",
		row->number, row->name, (unsigned long long)decoder_counts(d)->ambiguous);
	ck_assert_uint_eq(decoder_counts(d)->refused[WIRE_COUNT], row->number == 26);
	free(d);
}
END_TEST

/* 14 as it was run: a field of 200 octets.  25: a count above 30. */
START_TEST(takes_long_fields_and_31_records)
{
	struct decoder *d = open_decoder(&small);
	struct heard h = { .used = 0 };
	struct decoder_input in = { { NULL, 0 }, addr_make4(0xc0000201u), 2055, RECV_US };
	static uint8_t v5[24 + 31 * 48];
	char hex[512] = "";
	struct writer m;

	begin(&m, 9);
	put_set(&m, T9, "0100 0002 0004 00c8 0001 0004");
	for (int i = 0; i < 199; i++)
		strcat(hex, "00");
	strcat(hex, "06 000003e8");
	put_set(&m, 256, hex);
	flow_msg_end(&m.c, &m.m, 1);
	in.data = (struct bytes){ m.buf, cursor_used(&m.c) };
	decode(d, &in, hear, &h);
	ck_assert_str_eq(h.text, "octets=1000 proto=6");
	unhex(v5, V5("001f", "0000"));
	for (size_t i = 0; i < 31; i++)
		unhex(v5 + 24 + 48 * i, V5_RECORD);
	in.data = (struct bytes){ v5, sizeof(v5) };
	ck_assert_int_eq(decode(d, &in, hear, &(struct heard){ .used = 0 }), WIRE_OK);
	ck_assert_uint_eq(decoder_counts(d)->records, 32);
	free(d);
}
END_TEST

Suite *suite_conformance(void)
{
	Suite *s = suite_create("conformance");
	TCase *t = tcase_create("conformance");

	tcase_add_loop_test(t, gives_ours, 0, COUNT(rows));
	tcase_add_test(t, takes_long_fields_and_31_records);
	suite_add_tcase(s, t);
	return s;
}
