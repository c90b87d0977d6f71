/*
 * check_decoder.c - datagrams through the front door: what is kept from one to
 * the next (templates, samplers, clocks), for whom, and how everything is
 * counted.  Numbers in brackets are the conformance cases of the reference
 * "collector", section 15.
 */
#include "message.h"

Suite *suite_decoder(void);

static const struct field_spec counted[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 1, 4 }, { 0, 2, 4 } };
static const struct field_spec swapped[] = { { 0, 12, 4 }, { 0, 8, 4 }, { 0, 1, 4 }, { 0, 2, 4 } };

#define RECORD "c0000201 c6336402 000003e8 0000000a"
#define AS_RECORD "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10"

static const struct decode_counts *counts(const struct world *w)
{
	return decoder_counts(w->d);
}

static uint64_t damage(const struct world *w)
{
	uint64_t n = 0;

	for (int i = 0; i < WIRE_ERRORS_MAX; i++)
		n += counts(w)->damaged[i];
	return n;
}

/* A message of `version` with just a data Set. */
static void data_message(struct writer *m, uint16_t version, uint16_t id, const char *hex)
{
	begin(m, version);
	put_set(m, id, hex);
	flow_msg_end(&m->c, &m->m, 1);
}

static void learn(struct world *w, uint16_t version, unsigned host, uint32_t domain)
{
	struct writer m;

	begin(&m, version);
	put32(&(struct cursor) { m.buf, m.buf + (version == 9 ? 16 : 12), m.buf + 64, false },
		domain);
	put_template(&m, 256, 0, counted, COUNT(counted));
	flow_msg_end(&m.c, &m.m, 1);
	ck_assert_int_eq(feed_from(w, host, m.buf, cursor_used(&m.c)), WIRE_OK);
}

/* ---- who knows which template ------------------------------------------------------- */

static const uint16_t versions[] = { 9, 10 };

START_TEST(needs_a_template)	/* [9] */
{
	struct world *w = world_new(NULL);
	struct writer m;
	uint32_t id;

	data_message(&m, versions[_i], 256, RECORD);
	ck_assert_int_eq(feed(w, &m.c), WIRE_OK);
	ck_assert_uint_eq(w->n, 0);
	ck_assert_uint_eq(counts(w)->damaged[WIRE_NO_TEMPLATE], 1);
	ck_assert_uint_eq(counts(w)->no_template_octets, 20);
	ck_assert_int_eq(decoder_last(w->d, &id), WIRE_NO_TEMPLATE);
	ck_assert_uint_eq(id, 256);
	learn(w, versions[_i], 1, 7);
	ck_assert_int_eq(feed(w, &m.c), WIRE_OK);
	ck_assert_uint_eq(w->n, 1);
	ck_record(&w->rec[0], AS_RECORD);
	world_free(w);
}
END_TEST

START_TEST(templates_belong_to_a_domain)	/* [10], [11] */
{
	struct world *w = world_new(NULL);
	struct decoder_input in;
	struct writer m;

	learn(w, versions[_i], 1, 7);
	data_message(&m, versions[_i], 256, RECORD);
	/* Another port of the same exporter. */
	in = (struct decoder_input) { { m.buf, cursor_used(&m.c) }, addr_make4(0xc0000201), 9999,
		RECV_US };
	w->n = 0;
	ck_assert_int_eq(decode(w->d, &in, world_keep, w), WIRE_OK);
	ck_assert_uint_eq(w->n, 1);
	ck_assert_uint_eq(w->origin.sender_port, 9999);
	/* Another exporter, another domain, another protocol. */
	feed_from(w, 2, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 0);
	m.buf[versions[_i] == 9 ? 19 : 15] = 8;
	feed_from(w, 1, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 0);
	data_message(&m, (uint16_t)(19 - versions[_i]), 256, RECORD);
	feed(w, &m.c);
	ck_assert_uint_eq(w->n, 0);
	ck_assert_uint_eq(counts(w)->damaged[WIRE_NO_TEMPLATE], 3);
	world_free(w);
}
END_TEST

START_TEST(redefinition_counts_at_once)	/* [12] */
{
	struct world *w = world_new(NULL);
	struct writer m;

	learn(w, versions[_i], 1, 7);
	learn(w, versions[_i], 1, 7);
	ck_assert_uint_eq(counts(w)->templates, 2);
	ck_assert_uint_eq(counts(w)->template_changes, 0);
	begin(&m, versions[_i]);
	put_set(&m, 256, RECORD);
	put_template(&m, 256, 0, swapped, COUNT(swapped));
	put_set(&m, 256, RECORD);
	send(w, &m);
	ck_assert_uint_eq(w->n, 2);
	ck_record(&w->rec[0], AS_RECORD);
	ck_record(&w->rec[1], "src=198.51.100.2 dst=192.0.2.1 octets=1000 packets=10");
	ck_assert_uint_eq(counts(w)->template_changes, 1);
	world_free(w);
}
END_TEST

static const struct {
	const char *name;
	uint16_t version, set;
	const char *hex;	/* body of a template Set that concerns template 256 */
	enum wire_err err;
	bool gone;
} refusals[] = {
	{ "withdrawal", 10, 2, "0100 0000", WIRE_WITHDRAWAL, true }, /* [13] */
	{ "withdrawal of all", 10, 2, "0002 0000", WIRE_WITHDRAWAL, true },
	{ "withdrawal of all options", 10, 3, "0003 0000", WIRE_WITHDRAWAL, false },
	{ "withdrawal of another", 10, 2, "0101 0000", WIRE_WITHDRAWAL, false },
	{ "no fields in v9", 9, 0, "0100 0000", WIRE_WITHDRAWAL, true },
	{ "zero length", 9, 0, "0100 0002 0001 0000 0002 0000", WIRE_TEMPLATE_EMPTY, true },
	{ "zero length, IPFIX", 10, 2, "0100 0001 0001 0000", WIRE_TEMPLATE_EMPTY, true },
	{ "cut in its fields", 9, 0, "0100 0003 0001 0004 0002 0004", WIRE_TEMPLATE_CUT, false },
	{ "cut before its PEN", 10, 2, "0100 0002 0001 0004 8001 0004", WIRE_TEMPLATE_CUT, false },
	{ "ID 255", 9, 0, "00ff 0001 0001 0004", WIRE_TEMPLATE_ID, false },
	{ "ID 2 with fields", 10, 2, "0002 0001 0001 0004", WIRE_TEMPLATE_ID, false },
	{ "scope of 3 octets", 9, 1, "0100 0003 0004 0001 0004 0022 0004", WIRE_TEMPLATE_SCOPE,
		true },
	{ "no scope in IPFIX", 10, 3, "0100 0001 0000 0022 0004", WIRE_TEMPLATE_SCOPE, true },
	{ "more scopes than fields", 10, 3, "0100 0001 0002 0022 0004", WIRE_TEMPLATE_SCOPE, true },
	{ "empty options template", 9, 1, "0100 0000 0000", WIRE_TEMPLATE_EMPTY, true },
};

START_TEST(refuses_templates)
{
	struct world *w = world_new(NULL);
	uint16_t version = refusals[_i].version;
	struct writer m;

	learn(w, version, 1, 7);
	begin(&m, version);
	put_set(&m, refusals[_i].set, refusals[_i].hex);
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_msg(counts(w)->damaged[refusals[_i].err] == 1 && damage(w) == 1, "%s",
		refusals[_i].name);
	ck_assert_uint_eq(counts(w)->templates, 1);
	data_message(&m, version, 256, RECORD);
	feed(w, &m.c);
	ck_assert_msg(w->n == !refusals[_i].gone, "%s: %zu records", refusals[_i].name, w->n);
	ck_assert_uint_eq(counts(w)->damaged[WIRE_NO_TEMPLATE], refusals[_i].gone);
	world_free(w);
}
END_TEST

START_TEST(refuses_too_many_fields)
{
	static struct field_spec f[513];
	static uint8_t big[8192];
	struct world *w = world_new(NULL);
	struct flow_msg msg = { .version = 10, .export_s = EXPORT_S };

	for (size_t i = 0; i < COUNT(f); i++)
		f[i] = (struct field_spec){ 0, 1, 1 };
	for (unsigned n = 511; n <= 513; n++) {
		struct template_spec t = { (uint16_t)n, (uint16_t)n, 0, f };
		struct cursor c = cursor(big, sizeof(big));

		flow_msg_begin(&c, &msg);
		flow_msg_put_template(&c, 10, &t);
		flow_msg_end(&c, &msg, 1);
		ck_assert_int_eq(feed(w, &c), WIRE_OK);
		ck_assert_uint_eq(counts(w)->templates, n <= 512 ? n - 510 : 2);
		ck_assert_uint_eq(counts(w)->damaged[WIRE_TEMPLATE_FIELDS], n > 512);
	}
	world_free(w);
}
END_TEST

/* ---- Sets ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t version;
	const char *tail;	/* behind a template Set and a Set with one record */
	size_t records;
	int err;		/* damage counted once, or -1 */
} tails[] = {
	{ "nothing", 9, "", 1, -1 },
	{ "another Set", 9, "0100 0014" RECORD, 2, -1 }, /* [27]: the count says 1 */
	{ "zeros behind v9 (Palo Alto)", 9, "0000 0000 0000 0000", 1, -1 },
	{ "one zero behind v9", 9, "00", 1, -1 },
	{ "zeros in IPFIX's own length", 10, "0000 0000 0000", 1, WIRE_LENGTH },
	{ "one octet in IPFIX's own length", 10, "00", 1, WIRE_TRAILING },
	{ "three octets of something", 9, "010203", 1, WIRE_TRAILING },
	{ "Set length 0", 9, "0100 0000 ff", 1, WIRE_LENGTH },
	{ "Set length 3", 10, "0100 0003", 1, WIRE_LENGTH },
	{ "empty Set", 9, "0100 0004", 1, -1 },
	{ "a Set past the end", 9, "0100 0015" RECORD, 1, WIRE_LENGTH },
	{ "a Set past the end of IPFIX", 10, "0100 0015" RECORD, 1, WIRE_LENGTH },
	{ "padding 0", 9, "0100 0017" RECORD "000000", 2, -1 },
	{ "padding of three of anything", 9, "0100 0017" RECORD "010203", 2, -1 },
	{ "padding of 11 zeros", 10, "0100 001f" RECORD "0000000000000000000000", 2, -1 },
	{ "a second record cut", 10, "0100 001f" RECORD "0102030405060708090a0b", 2,
		WIRE_RECORD_CUT },
	{ "the only record cut", 9, "0100 0013 c0000201 c6336402 000003e8 000000", 1,
		WIRE_RECORD_CUT },
	{ "two octets of a record", 9, "0100 0006 c000", 1, WIRE_RECORD_CUT },
	{ "reserved Set of v9", 9, "0002 0008 00000000", 1, WIRE_SET_RESERVED },
	{ "reserved Set 255", 10, "00ff 0008 00000000", 1, WIRE_SET_RESERVED },
	{ "v9's template Set in IPFIX", 10, "0000 0008 00000000", 1, WIRE_SET_RESERVED },
	{ "unknown template, then a known one", 9, "0111 0008 00000000 0100 0014" RECORD, 2,
		WIRE_NO_TEMPLATE },
};

START_TEST(walks_sets)
{
	struct world *w = world_new(NULL);
	uint8_t tail[128];
	struct writer m;

	begin(&m, tails[_i].version);
	put_template(&m, 256, 0, counted, COUNT(counted));
	put_set(&m, 256, RECORD);
	put_bytes(&m.c, tail, unhex(tail, tails[_i].tail));
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_msg(w->n == tails[_i].records, "%s: %zu records", tails[_i].name, w->n);
	for (size_t i = 0; i < w->n; i++)
		ck_record(&w->rec[i], AS_RECORD);
	ck_assert_msg(damage(w) == (tails[_i].err >= 0), "%s", tails[_i].name);
	if (tails[_i].err >= 0)
		ck_assert_msg(counts(w)->damaged[tails[_i].err] == 1, "%s", tails[_i].name);
	world_free(w);
}
END_TEST

/* IPFIX: its own length against what arrived. */
static const struct {
	const char *name;
	int claim;		/* octets more than there are */
	const char *behind;	/* the message, not part of its length */
	size_t records;
	int err;
} lengths[] = {
	{ "right", 0, "", 1, -1 },
	{ "six zeros behind the message", 0, "000000000000", 1, WIRE_TRAILING },	/* [28] */
	{ "a Set behind the message is not of it", 0, "0100 0014" RECORD, 1, WIRE_TRAILING },
	{ "claims more than arrived", 100, "", 1, -1 },
	{ "ends inside a whole Set", -3, "", 1, WIRE_TRAILING },
	{ "claims less than a header", -1000, "", 1, -1 },
};

START_TEST(judges_ipfix_length)
{
	struct world *w = world_new(NULL);
	uint8_t behind[64];
	struct writer m;
	int length;

	begin(&m, 10);
	put_template(&m, 256, 0, counted, COUNT(counted));
	put_set(&m, 256, RECORD);
	length = (int)cursor_used(&m.c) + lengths[_i].claim;
	flow_msg_end(&m.c, &m.m, 1);
	patch16(m.buf + 2, length < 0 ? 0 : (size_t)length);
	put_bytes(&m.c, behind, unhex(behind, lengths[_i].behind));
	ck_assert_int_eq(feed(w, &m.c), WIRE_OK);
	ck_assert_msg(w->n == lengths[_i].records, "%s", lengths[_i].name);
	ck_assert_msg(damage(w) == (lengths[_i].err >= 0), "%s", lengths[_i].name);
	if (lengths[_i].err >= 0)
		ck_assert_msg(counts(w)->damaged[lengths[_i].err] == 1, "%s", lengths[_i].name);
	world_free(w);
}
END_TEST

START_TEST(reads_several_templates_a_set)
{
	struct world *w = world_new(NULL);
	struct writer m;

	begin(&m, versions[_i]);
	put_set(&m, versions[_i] == 9 ? 0 : 2,
		"0100 0001 0001 0004  0101 0002 0002 0004 0001 0001  0102 0001 0002 0002 000000");
	put_set(&m, 257, "00000009 05");
	put_set(&m, 256, "00000006");
	put_set(&m, 258, "0007");
	send(w, &m);
	ck_assert_uint_eq(w->n, 3);
	ck_record(&w->rec[0], "octets=5 packets=9");
	ck_record(&w->rec[1], "octets=6");
	ck_record(&w->rec[2], "packets=7");
	ck_assert_uint_eq(damage(w), 0);
	ck_assert_uint_eq(counts(w)->no_octets, 1);
	world_free(w);
}
END_TEST

/* ---- sampling --------------------------------------------------------------------------- */

/* Options Sets as they stand on the wire, then a record of two templates: without and with a
 * sampler. */
static const struct {
	const char *name;
	uint16_t version;
	const char *options,
		*values; /* body of the options template Set (ID 300), records of Set 300 */
	const char *plain; /* the sampling of a record that names no sampler; "" none */
	uint32_t id;			/* sampler that the other record names */
	const char *named;
	unsigned unscaled;
} samplers[] = {
	{ "none announced", 9, NULL, NULL, "", 3, "", 1 },
	{ "34, scope system [16]", 9, "012c 0004 0008 0001 0004 0022 0004 0023 0001",
		"00000000 00000064 02", "100/1", 3, "", 1 },
	{ "sampler 3, one octet of ID [18]", 9, "012c 0004 0008 0001 0004 0030 0001 0032 0002",
		"00000000 03 0200", "512/1", 3, "512/1", 0 },
	{ "record names another [18]", 9, "012c 0004 0008 0001 0004 0030 0001 0032 0002",
		"00000000 03 0200", "512/1", 9, "", 1 },
	{ "two: the last one without ID [19]", 9, "012c 0004 0008 0001 0004 0030 0001 0022 0004",
		"00000000 03 00000200 00000000 04 00000040", "64/1", 3, "512/1", 0 },
	{ "sampler 0 before the last", 9, "012c 0004 0008 0001 0004 0030 0001 0022 0004",
		"00000000 00 00000200 00000000 04 00000040", "512/1", 4, "64/1", 0 },
	{ "an announcement without ID is sampler 0's", 9, "012c 0004 0004 0002 0004 0022 0004",
		"00000000 00000064", "100/1", 0, "100/1", 0 },
	{ "34 is 0, 50 is not", 9, "012c 0004 000c 0002 0004 0022 0004 0030 0001 0032 0002",
		"00000000 00000000 03 0200", "512/1", 3, "512/1", 0 },
	{ "34 and 50", 9, "012c 0004 000c 0002 0004 0032 0002 0030 0001 0022 0004",
		"00000000 0200 03 00000064", "100/1", 3, "100/1", 0 },
	{ "interface scope, interval 0", 9, "012c 0004 0004 0002 0004 0022 0004",
		"00000000 00000000", "", 3, "", 1 },
	{ "a good one stays when 0 follows", 9, "012c 0004 0004 0002 0004 0022 0004",
		"00000000 0000000a 00000000 00000000", "10/1", 3, "", 1 },
	{ "302 and 305/306 [20]", 10, "012c 0004 0001 012e 0004 0130 0002 0131 0004 0132 0004",
		"00000003 0001 00000001 000003e7", "1000/1", 3, "1000/1", 0 },
	{ "302 and 309/310 [21]", 10, "012c 0004 0001 012e 0004 0130 0002 0135 0004 0136 0004",
		"00000003 0003 00000001 00000800", "2048/1", 3, "2048/1", 0 },
	{ "302 and 309/310 with 305 = 1 (ASR 9000)", 10,
		"012c 0004 0001 012e 0004 0131 0004 0135 0004 0136 0004",
		"00000003 00000001 00000001 00000100", "256/1", 3, "256/1", 0 },
	{ "302 and 311 [21]", 10, "012c 0002 0001 012e 0004 0137 0008", "00000003 3f847ae147ae147b",
		"100/1", 3, "100/1", 0 },
	{ "a fraction, reduced", 10, "012c 0003 0001 012e 0004 0131 0004 0132 0004",
		"00000003 00000004 00000006", "5/2", 3, "5/2", 0 },
	{ "scope of a template", 10, "012c 0002 0001 0091 0002 0022 0004", "0100 0000000a", "10/1",
		3, "", 1 },
	{ "scope of another template", 10, "012c 0002 0001 0091 0002 0022 0004", "0102 0000000a",
		"", 3, "", 1 },
	{ "305 alone", 10, "012c 0002 0001 012e 0004 0131 0004", "00000003 00000001", "1/1", 3,
		"1/1", 0 },
	{ "305 alone, several in a row", 10, "012c 0002 0001 012e 0004 0131 0004",
		"00000003 00000002", "", 3, "", 1 },
	/* A flipped bit in one announcement is good until the next one comes. */
	{ "305 alone takes the place of 309/310", 10, "012c 0002 0001 012e 0004 0131 0004",
		"00000003 00020001 00000003 00000001", "1/1", 3, "1/1", 0 },
};

static void check_sampling(const char *name, const struct flow_record *r, const char *want)
{
	char text[40] = "";

	if (flow_has(r, FLOW_sampling_num))
		snprintf(text, sizeof(text), "%u/%u", r->sampling_num, r->sampling_den);
	ck_assert_int_eq(flow_has(r, FLOW_sampling_num), flow_has(r, FLOW_sampling_den));
	ck_assert_msg(strcmp(text, want) == 0, "%s: \"%s\", not \"%s\"", name, text, want);
}

static void put_sampled(struct writer *m, uint32_t id)
{
	static const struct field_spec plain[] = { { 0, 1, 4 } },
				       named[] = { { 0, 48, 4 }, { 0, 1, 4 } },
				       selected[] = { { 0, 302, 4 }, { 0, 1, 4 } };
	char hex[40];

	put_template(m, 256, 0, plain, COUNT(plain));
	put_template(m, 257, 0, m->m.version == 9 ? named : selected, 2);
	put_set(m, 256, "000003e8");
	snprintf(hex, sizeof(hex), "%08x 000003e8", id);
	put_set(m, 257, hex);
}

START_TEST(finds_samplers)
{
	struct world *w = world_new(NULL);
	struct writer m;

	begin(&m, samplers[_i].version);
	if (samplers[_i].options) {
		put_set(&m, samplers[_i].version == 9 ? 1 : 3, samplers[_i].options);
		put_set(&m, 300, samplers[_i].values);
	}
	put_sampled(&m, samplers[_i].id);
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_msg(damage(w) == 0, "%s", samplers[_i].name);
	ck_assert_uint_eq(w->n, 2);
	check_sampling(samplers[_i].name, &w->rec[0], samplers[_i].plain);
	check_sampling(samplers[_i].name, &w->rec[1], samplers[_i].named);
	ck_assert_uint_eq(counts(w)->unscaled, samplers[_i].unscaled);
	ck_assert_uint_eq(w->rec[1].sampler, samplers[_i].id);
	world_free(w);
}
END_TEST

START_TEST(data_before_options_is_not_scaled)	/* [17]: no hold-back */
{
	struct world *w = world_new(NULL);
	struct writer m;

	begin(&m, 9);
	put_sampled(&m, 3);
	put_set(&m, 1, "012c 0004 0008 0001 0004 0030 0001 0032 0002");
	put_set(&m, 300, "00000000 03 0200");
	put_set(&m, 257, "00000003 000003e8");
	send(w, &m);
	ck_assert_uint_eq(w->n, 3);
	check_sampling("before", &w->rec[1], "");
	check_sampling("after", &w->rec[2], "512/1");
	ck_assert_uint_eq(counts(w)->unscaled, 1);
	ck_assert_uint_eq(counts(w)->option_records, 1);
	world_free(w);
}
END_TEST

/*
 * Scope System is for all domains of the exporter, and no other exporter; a domain's own
 * goes first.  A sampler with an ID is for records that name it: behind a tee another
 * domain is another router, perhaps one that does not sample (Debian's nfacctd 1.7.7
 * gives these factors).
 */
START_TEST(scopes_reach_domains)
{
	for (int any = 0; any <= 1; any++) {
		struct decoder_limits l = {
			.streams = 8, .templates = 16, .samplers = 32, .options_any_scope = any
		};
		struct world *w = world_new(&l);
		struct writer m;

		begin(&m, 9);
		put_set(&m, 1,
			"012c 0004 0008 0001 0004 0030 0001 0022 0004 012d 0004 0004 0002 0004 "
			"0022 0004");
		put_set(&m, 300, "00000000 03 00000064");
		send(w, &m);
		m.buf[19] = 8;		/* domain 8: interface scope */
		begin(&m, 9);
		m.buf[19] = 8;
		put_sampled(&m, 3);
		send(w, &m);
		check_sampling("another domain", &w->rec[0], "");
		check_sampling("another domain, named", &w->rec[1], "100/1");
		feed_from(w, 2, m.buf, cursor_used(&m.c));
		check_sampling("another exporter", &w->rec[0], "");

		begin(&m, 9);
		m.buf[19] = 9;
		put_set(&m, 1, "012d 0004 0004 0002 0004 0022 0004");
		put_set(&m, 301, "00000000 00000007");
		put_sampled(&m, 3);
		send(w, &m);
		check_sampling("its own", &w->rec[0], "7/1");
		begin(&m, 9);
		m.buf[19] = 10;
		put_sampled(&m, 3);
		send(w, &m);
		check_sampling("interface scope reaches others only when asked to", &w->rec[0],
			any ? "7/1" : "");

		begin(&m, 9);
		m.buf[19] = 11;
		put_set(&m, 1, "012e 0004 0004 0001 0004 0022 0004");
		put_set(&m, 302, "00000000 00000032");
		send(w, &m);
		begin(&m, 9);
		m.buf[19] = 10;
		put_sampled(&m, 9);
		send(w, &m);
		check_sampling("scope System without an ID", &w->rec[0], "50/1");
		check_sampling("an unknown sampler", &w->rec[1], "");
		world_free(w);
	}
}
END_TEST

/* ---- what options say about the exporter ---------------------------------------------------- */

START_TEST(options_date_uptimes)
{
	static const struct field_spec uptimes[] = { { 0, 22, 4 }, { 0, 21, 4 } };
	struct world *w = world_new(NULL);
	struct writer m;

	begin(&m, 10);
	put_template(&m, 256, 0, uptimes, COUNT(uptimes));
	put_set(&m, 256, "00000064 000000c8");
	put_set(&m, 3, "012c 0002 0001 0090 0004 00a0 0008");
	put_set(&m, 300, "00000001 0000018bcfe56800");	/* booted at 1700000000000 ms */
	put_set(&m, 256, "00000064 000000c8");
	send(w, &m);
	ck_assert_uint_eq(w->n, 2);
	ck_record(&w->rec[0], "");
	ck_record(&w->rec[1], "first_us=1700000000100000 last_us=1700000000200000");
	/* Kept for the next message; an uptime that wrapped since the boot. */
	begin(&m, 10);
	put_set(&m, 300, "00000001 0000018acfe56800");	/* 2^32 ms earlier */
	put_set(&m, 256, "ffffff9c 000000c8");
	send(w, &m);
	ck_record(&w->rec[0], "first_us=1699999999900000 last_us=1700000000200000");
	/*
	 * Exporters count boots in milliseconds and exports in seconds: this one booted 316 ms
	 * after the second in which it exports, and what it saw began 50 ms later.
	 */
	begin(&m, 10);
	put_set(&m, 300, "00000001 0000018bcfe5693c");	/* 1700000000316 */
	put_set(&m, 256, "00000032 ffffffce");
	send(w, &m);
	ck_record(&w->rec[0], "first_us=1700000000366000 last_us=1700000000266000");
	world_free(w);
}
END_TEST

START_TEST(options_name_the_exporter)
{
	for (int trust = 0; trust <= 1; trust++) {
		struct decoder_limits l = {
			.streams = 8, .templates = 16, .samplers = 32, .trust_sender = trust
		};
		struct world *w = world_new(&l);
		struct writer m;
		char text[ADDR_TEXT];

		learn(w, 10, 1, 7);
		begin(&m, 10);
		put_set(&m, 3, "012c 0002 0001 0090 0004 0082 0004");
		put_set(&m, 300, "00000001 0a000009");
		put_set(&m, 256, RECORD);
		send(w, &m);
		ck_assert_str_eq(
			addr_print(&w->origin.exporter, text), trust ? "192.0.2.1" : "10.0.0.9");
		ck_assert_str_eq(addr_print(&w->origin.sender, text), "192.0.2.1");
		data_message(&m, 10, 256, RECORD);
		feed(w, &m.c);
		ck_assert_str_eq(
			addr_print(&w->origin.exporter, text), trust ? "192.0.2.1" : "10.0.0.9");
		world_free(w);
	}
}
END_TEST

/* ---- the fixed formats, sFlow, and nonsense ----------------------------------------------------
 */

#define V5(count) "0005 " count " 000f4240 6553f100 00000000 00000009 0102 "
#define V5_RECORD "c0000201 c6336402 00000000 0001 0002 0000000a 000003e8 000f3e58 000f4240 04d2 0050" \
	"00 1b 06 00 fde8 fde9 18 10 0000"
#define V5_TEXT "src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 first_us=1699999999000000 " \
	"last_us=1700000000000000 in_if=1 out_if=2 src_port=1234 dst_port=80 proto=6 tos=0 tcp_flags=27 " \
	"src_mask=24 dst_mask=16 src_as=65000 dst_as=65001%s next_hop=0.0.0.0"

static const struct {
	const char *name, *hex;
	enum wire_err err;
	size_t records;
	const char *sampling;
	unsigned trailing;
} fixed[] = {
	{ "no sampling", V5("0001") "0000" V5_RECORD, WIRE_OK, 1, "", 0 },
	{ "interval 64 [23]", V5("0001") "0040" V5_RECORD, WIRE_OK, 1,
		" sampling_num=64 sampling_den=1", 0 },
	{ "interval 64, mode 1 [23]", V5("0001") "4040" V5_RECORD, WIRE_OK, 1,
		" sampling_num=64 sampling_den=1", 0 },
	{ "mode without interval", V5("0001") "4000" V5_RECORD, WIRE_OK, 1, "", 0 },
	{ "four octets behind [25]", V5("0001") "0000" V5_RECORD "01020304", WIRE_OK, 1, "", 1 },
	{ "two records, one arrived [26]", V5("0002") "0000" V5_RECORD, WIRE_COUNT, 0, "", 0 },
	{ "no records", V5("0000") "0000", WIRE_OK, 0, "", 0 },
	{ "cut header", "0005 0001 000f4240 6553f100", WIRE_SHORT, 0, "", 0 },
	{ "version 6", "0006 0001 000f4240 6553f100", WIRE_VERSION, 0, "", 0 },
	{ "version 0, not sFlow", "0000 0001 000f4240 6553f100", WIRE_VERSION, 0, "", 0 },
	{ "sFlow 3", "00000003 00000001 0a000001", WIRE_VERSION, 0, "", 0 },
	{ "three octets", "000500", WIRE_SHORT, 0, "", 0 },
	{ "nothing", "", WIRE_SHORT, 0, "", 0 },
	{ "v9 header cut", "0009 0001 000f4240 6553f100 00000001 000000", WIRE_SHORT, 0, "", 0 },
	{ "IPFIX header cut", "000a 0010 6553f100 00000001 000000", WIRE_SHORT, 0, "", 0 },
};

START_TEST(detects)
{
	struct world *w = world_new(NULL);
	uint8_t data[512];
	char want[512];
	size_t n = unhex(data, fixed[_i].hex);
	enum wire_err err = feed_from(w, 1, data, n);

	ck_assert_msg(err == fixed[_i].err, "%s: %s", fixed[_i].name, wire_err_text(err));
	ck_assert_msg(w->n == fixed[_i].records, "%s: %zu records", fixed[_i].name, w->n);
	ck_assert_uint_eq(counts(w)->damaged[WIRE_TRAILING], fixed[_i].trailing);
	ck_assert_uint_eq(counts(w)->datagrams, 1);
	ck_assert_uint_eq(counts(w)->octets, n);
	ck_assert_uint_eq(counts(w)->accepted, err == WIRE_OK);
	ck_assert_uint_eq(counts(w)->refused[err], err != WIRE_OK);
	if (w->n) {
		snprintf(want, sizeof(want), V5_TEXT, fixed[_i].sampling);
		ck_record(&w->rec[0], want);
		ck_assert_uint_eq(w->origin.domain, 0x0102);
		ck_assert_uint_eq(w->origin.sequence, 9);
		ck_assert_uint_eq(w->origin.version, 5);
		ck_assert_uint_eq(w->origin.export_us, UINT64_C(1700000000000000));
	}
	world_free(w);
}
END_TEST

START_TEST(takes_31_records)	/* [25] */
{
	struct world *w = world_new(NULL);
	uint8_t data[24 + 31 * 48];

	unhex(data, V5("001f") "0000");
	for (size_t i = 0; i < 31; i++)
		unhex(data + 24 + 48 * i, V5_RECORD);
	ck_assert_int_eq(feed_from(w, 1, data, sizeof(data)), WIRE_OK);
	ck_assert_uint_eq(w->n, 31);
	world_free(w);
}
END_TEST

#define V5_AT(sequence, engine) "0005 0001 000f4240 6553f100 00000000 " sequence engine "0000"

/* Behind a PDU of one record, number 9, engine 1/2. */
static const struct {
	const char *name, *behind;
	size_t records;
	unsigned trailing;
} pdus[] = {
	{ "the next number", V5_AT("0000000a", "0102") V5_RECORD, 2, 0 },
	{ "two more", V5_AT("0000000a", "0102") V5_RECORD V5_AT("0000000b", "0102") V5_RECORD, 3,
		0 },
	{ "the next, and something", V5_AT("0000000a", "0102") V5_RECORD "0005", 2, 1 },
	{ "the same again, an old buffer", V5_AT("00000009", "0102") V5_RECORD, 1, 1 },
	{ "another engine", V5_AT("0000000a", "0103") V5_RECORD, 1, 1 },
	{ "cut", V5_AT("0000000a", "0102") "c0000201", 1, 1 },
	{ "no records", "0005 0000 000f4240 6553f100 00000000 0000000a 0102 0000", 1, 1 },
	{ "v7", "0007 0001 000f4240 6553f100 00000000 0000000a 01020000", 1, 1 },
};

START_TEST(reads_several_pdus)
{
	struct world *w = world_new(NULL);
	uint8_t data[512];
	size_t n = unhex(data, V5("0001") "0000" V5_RECORD);

	n += unhex(data + n, pdus[_i].behind);
	ck_assert_int_eq(feed_from(w, 1, data, n), WIRE_OK);
	ck_assert_msg(w->n == pdus[_i].records, "%s: %zu records", pdus[_i].name, w->n);
	ck_assert_msg(counts(w)->damaged[WIRE_TRAILING] == pdus[_i].trailing, "%s", pdus[_i].name);
	ck_assert_uint_eq(w->origin.sequence, 8 + pdus[_i].records);
	ck_assert_uint_eq(decoder_stream_next(w->d, NULL)->sequence.received, pdus[_i].records);
	ck_assert_uint_eq(decoder_stream_next(w->d, NULL)->sequence.gaps, 0);
	ck_assert_uint_eq(decoder_stream_next(w->d, NULL)->datagrams, 1);
	world_free(w);
}
END_TEST

START_TEST(counts_uptime_in_seconds)
{
	struct decoder_limits l = {
		.streams = 8, .templates = 8, .samplers = 8, .uptime_is_seconds = true
	};
	static const struct field_spec first[] = { { 0, 22, 4 } };
	struct world *w = world_new(&l);
	uint8_t data[128];
	struct writer m;

	feed_from(w, 1, data, unhex(data, V5("0001") "0000" V5_RECORD));
	/* 0x000f3e58 is 1000 before 0x000f4240. */
	ck_assert_uint_eq(w->rec[0].first_us, (UINT64_C(1700000000) - 1000) * 1000000);
	begin(&m, 9);
	put_template(&m, 256, 0, first, 1);
	put_set(&m, 256, "000f3e58");
	send(w, &m);
	ck_assert_uint_eq(w->rec[0].first_us, (UINT64_C(1700000000) - 1000) * 1000000);
	world_free(w);
}
END_TEST

/* Method 9 in both readings: octets 24 to 31 are 0001 0002 0003 0000. */
START_TEST(reads_v8_dialects)
{
	static const char hex[] =
		"0008 0001 000f4240 6553f100 00000000 00000009 0102 09 02 00000000"
		"00000001 0000000a 000003e8 000f3e58 000f4240 fde8 fde9 0001 0002 0300 0000";

	for (int tos_first = 0; tos_first <= 1; tos_first++) {
		struct decoder_limits l = {
			.streams = 8, .templates = 8, .samplers = 8, .v8_tos_first = tos_first
		};
		struct world *w = world_new(&l);
		uint8_t data[128];

		feed_from(w, 1, data, unhex(data, hex));
		ck_assert_uint_eq(w->n, 1);
		ck_assert_uint_eq(w->rec[0].in_if, tos_first ? 0x300 : 1);
		ck_assert_uint_eq(w->rec[0].out_if, tos_first ? 0 : 2);
		ck_assert_uint_eq(w->rec[0].tos, tos_first ? 0 : 3);
		world_free(w);
	}
}
END_TEST

static const struct {
	const char *name, *hex;
	enum flow_protocol protocol;
	unsigned version, domain, sequence;
	const char *agent;
} peeks[] = {
	{ "v1", "0001 0001 000f4240 6553f100 00000000", PROTO_NETFLOW1, 1, 0, 0, "0.0.0.0" },
	{ "v5", V5("0001") "0000", PROTO_NETFLOW5, 5, 0x102, 9, "0.0.0.0" },
	{ "v7", "0007 0001 000f4240 6553f100 00000000 00000009 01020000", PROTO_NETFLOW7, 7, 0, 9,
		"0.0.0.0" },
	{ "v8", "0008 0001 000f4240 6553f100 00000000 00000009 0102 01 02 00000000", PROTO_NETFLOW8,
		8, 0x102, 9, "0.0.0.0" },
	{ "v9", "0009 0001 000f4240 6553f100 00000009 01020304", PROTO_NETFLOW9, 9, 0x1020304, 9,
		"0.0.0.0" },
	{ "IPFIX", "000a 0010 6553f100 00000009 01020304", PROTO_IPFIX, 10, 0x1020304, 9,
		"0.0.0.0" },
	{ "sFlow 5", "00000005 00000001 0a000001 00000003 00000009 00000001 00000000", PROTO_SFLOW,
		5, 3, 9, "10.0.0.1" },
	{ "sFlow 4", "00000004 00000001 0a000001 00000009 00000001 00000000", PROTO_SFLOW, 4, 0, 9,
		"10.0.0.1" },
};

START_TEST(peeks_at_headers)
{
	uint8_t data[64];
	size_t n = unhex(data, peeks[_i].hex);
	char text[ADDR_TEXT];
	struct peek p;

	wire_peek(&p, (struct bytes){ data, n });
	ck_assert_msg(p.protocol == peeks[_i].protocol, "%s: %s", peeks[_i].name,
		flow_protocol_name(p.protocol));
	ck_assert_uint_eq(p.version, peeks[_i].version);
	ck_assert_uint_eq(p.domain, peeks[_i].domain);
	ck_assert_uint_eq(p.sequence, peeks[_i].sequence);
	ck_assert_str_eq(addr_print(&p.agent, text), peeks[_i].agent);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, data, cut);
		wire_peek(&p, (struct bytes){ copy, cut });
		free(copy);
		ck_assert_msg(p.protocol == PROTO_UNKNOWN, "%s cut to %zu", peeks[_i].name, cut);
	}
}
END_TEST

/* ---- bounds
 * ----------------------------------------------------------------------------------------- */

START_TEST(tables_are_bounded)
{
	struct decoder_limits l = { .streams = 3, .templates = 4, .samplers = 2 };
	struct world *w = world_new(&l);
	struct stream *s = NULL;
	unsigned streams = 0;
	struct writer m;

	/* Exporters 1 to 4, one template each: stream 1 is the oldest and goes. */
	for (unsigned host = 1; host <= 4; host++)
		learn(w, 9, host, 7);
	ck_assert_uint_eq(counts(w)->evicted_streams, 1);
	ck_assert_uint_eq(counts(w)->evicted_templates, 0);
	while ((s = decoder_stream_next(w->d, s))) {
		ck_assert_uint_eq(addr_host4(&s->exporter), 0xc0000202u + streams);
		streams++;
	}
	ck_assert_uint_eq(streams, 3);
	/* Use the template of 1; then a fifth evicts that of 2. */
	data_message(&m, 9, 256, RECORD);
	feed_from(w, 1, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 1);
	learn(w, 9, 5, 7);
	ck_assert_uint_eq(counts(w)->evicted_templates, 1);
	feed_from(w, 1, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 1);
	feed_from(w, 2, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 0);
	begin(&m, 9);
	put_set(&m, 1, "012c 0004 0004 0002 0004 0022 0004");
	put_set(&m, 300, "00000000 0000000a");
	send(w, &m);
	ck_assert_uint_eq(counts(w)->evicted_samplers, 0);
	m.buf[19] = 9;
	feed(w, &m.c);
	ck_assert_uint_eq(counts(w)->evicted_samplers, 2);
	world_free(w);
}
END_TEST

/* v5 by literal octets: ten exporters, three places, and 5 records missing from each. */
START_TEST(totals_outlive_streams)
{
	struct decoder_limits l = { .streams = 3, .templates = 1, .samplers = 1 };
	struct world *w = world_new(&l);
	struct sequence_counts all = { 0 };

	for (unsigned host = 1; host <= 10; host++) {
		uint8_t dgram[24 + 2 * 48] = { 0, 5, 0, 2 };

		feed_from(w, host, dgram, sizeof(dgram));
		dgram[19] = 2 + 5;	/* the next would have been number 2 */
		feed_from(w, host, dgram, sizeof(dgram));
	}
	ck_assert_uint_eq(counts(w)->evicted_streams, 7);
	all = counts(w)->evicted_sequence;
	ck_assert_uint_eq(all.lost, 7 * 5);
	for (struct stream *s = decoder_stream_next(w->d, NULL); s;
	     s = decoder_stream_next(w->d, s)) {
		all.received += s->sequence.received;
		all.lost += s->sequence.lost;
		all.gaps += s->sequence.gaps;
	}
	ck_assert_uint_eq(all.received, 10 * 4);
	ck_assert_uint_eq(all.lost, 10 * 5);
	ck_assert_uint_eq(all.gaps, 10);
	world_free(w);
}
END_TEST

/* One exporter announces without end: the others keep what they told. */
START_TEST(an_exporter_has_its_share)
{
	struct decoder_limits l = {
		.streams = 64, .templates = 8, .samplers = 8, .exporter_share = 2
	};
	struct world *w = world_new(&l);
	struct writer m;

	learn(w, 9, 1, 7);
	learn(w, 9, 2, 7);
	for (uint32_t domain = 0; domain < 100; domain++)
		learn(w, 9, 66, domain);
	/* Eight rows: six were free, the other 94 are its own. */
	ck_assert_uint_eq(counts(w)->evicted_templates, 94);
	/* And of its streams, 62 were free. */
	ck_assert_uint_eq(counts(w)->evicted_streams, 38);
	ck_assert_uint_eq(counts(w)->evicted_own, 94 + 38);
	data_message(&m, 9, 256, RECORD);
	for (unsigned host = 1; host <= 2; host++) {
		feed_from(w, host, m.buf, cursor_used(&m.c));
		ck_assert_uint_eq(w->n, 1);
	}
	/* A newcomer takes the oldest of all, which is one of the 66's. */
	learn(w, 9, 3, 7);
	ck_assert_uint_eq(counts(w)->evicted_own, 94 + 38);
	feed_from(w, 1, m.buf, cursor_used(&m.c));
	ck_assert_uint_eq(w->n, 1);
	world_free(w);
}
END_TEST

START_TEST(streams_keep_books)
{
	struct world *w = world_new(NULL);
	struct stream *s;
	struct writer m;

	learn(w, 10, 1, 7);
	data_message(&m, 10, 256, RECORD RECORD);
	for (unsigned i = 0; i < 3; i++) {
		patch32(m.buf + 8, 1 + 2 * i);
		feed(w, &m.c);
	}
	s = decoder_stream_next(w->d, NULL);
	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_null(decoder_stream_next(w->d, s));
	ck_assert_uint_eq(s->datagrams, 4);
	ck_assert_uint_eq(s->records, 6);
	ck_assert_uint_eq(s->sequence.received, 6);
	ck_assert_uint_eq(s->sequence.lost, 0);
	/* Data records are what IPFIX counts: 100 - 7 are missing. */
	patch32(m.buf + 8, 100);
	feed(w, &m.c);
	ck_assert_uint_eq(s->sequence.lost, 93);
	ck_assert_uint_eq(s->sequence.gaps, 1);
	/* Of an unknown template nobody knows how many there were: no false alarm after it. */
	data_message(&m, 10, 999, RECORD);
	patch32(m.buf + 8, 102);
	feed(w, &m.c);
	data_message(&m, 10, 256, RECORD);
	patch32(m.buf + 8, 103);
	feed(w, &m.c);
	ck_assert_uint_eq(s->sequence.lost, 93);
	ck_assert_uint_eq(s->sequence.gaps, 1);
	ck_assert_uint_eq(s->damaged, 1);
	world_free(w);
}
END_TEST

Suite *suite_decoder(void)
{
	Suite *s = suite_create("decoder");
	TCase *t = tcase_create("decoder");

	tcase_add_loop_test(t, needs_a_template, 0, 2);
	tcase_add_loop_test(t, templates_belong_to_a_domain, 0, 2);
	tcase_add_loop_test(t, redefinition_counts_at_once, 0, 2);
	tcase_add_loop_test(t, refuses_templates, 0, COUNT(refusals));
	tcase_add_test(t, refuses_too_many_fields);
	tcase_add_loop_test(t, walks_sets, 0, COUNT(tails));
	tcase_add_loop_test(t, judges_ipfix_length, 0, COUNT(lengths));
	tcase_add_loop_test(t, reads_several_templates_a_set, 0, 2);
	tcase_add_loop_test(t, finds_samplers, 0, COUNT(samplers));
	tcase_add_test(t, data_before_options_is_not_scaled);
	tcase_add_test(t, scopes_reach_domains);
	tcase_add_test(t, options_date_uptimes);
	tcase_add_test(t, options_name_the_exporter);
	tcase_add_loop_test(t, detects, 0, COUNT(fixed));
	tcase_add_test(t, takes_31_records);
	tcase_add_loop_test(t, reads_several_pdus, 0, COUNT(pdus));
	tcase_add_test(t, reads_v8_dialects);
	tcase_add_test(t, counts_uptime_in_seconds);
	tcase_add_loop_test(t, peeks_at_headers, 0, COUNT(peeks));
	tcase_add_test(t, tables_are_bounded);
	tcase_add_test(t, an_exporter_has_its_share);
	tcase_add_test(t, totals_outlive_streams);
	tcase_add_test(t, streams_keep_books);
	suite_add_tcase(s, t);
	return s;
}
