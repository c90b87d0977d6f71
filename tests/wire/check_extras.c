/*
 * check_extras.c - Elements that were asked for beside the members, and the
 * packet inside a tunnel of a sampled frame.
 */
#include "message.h"
#include "wire/frame.h"

Suite *suite_extras(void);

static const struct extras_want want = {
	.n = 3, .element = { { 9, 1001 }, { 0, 96 }, { 0, 4 } }
};

/* What the last chunk's records had, as text: "deadbeef|666f6f|-" a record. */
struct seen {
	char text[8][256];
	size_t n;
};

static void keep(void *ctx, const struct flow_origin *o, struct flow_record *rec, size_t n)
{
	struct seen *s = ctx;

	(void)rec;
	for (size_t i = 0; i < n; i++) {
		char *to = s->text[s->n++];

		ck_assert_uint_eq(o->extras.n, o->extras.elements ? want.n : 0);
		*to = '\0';
		for (size_t k = 0; k < o->extras.n; k++) {
			const struct bytes *b = &o->extras.elements[i * o->extras.n + k];

			to += sprintf(to, "%s%s", k ? "|" : "", b->p ? "" : "-");
			for (size_t at = 0; b->p && at < b->n; at++)
				to += sprintf(to, "%02x", b->p[at]);
		}
	}
}

static void run(struct seen *s, struct decoder *d, struct writer *m)
{
	struct decoder_input in;
	uint8_t *copy;

	flow_msg_end(&m->c, &m->m, 1);
	copy = malloc(cursor_used(&m->c));
	memcpy(copy, m->buf, cursor_used(&m->c));
	in = (struct decoder_input){ { copy, cursor_used(&m->c) }, addr_make4(0xc0000201), 2055,
		RECV_US };
	s->n = 0;
	ck_assert_int_eq(decode(d, &in, keep, s), WIRE_OK);
	free(copy);
}

static const struct field_spec fixed[] = { { 0, 8, 4 }, { 9, 1001, 4 }, { 0, 1, 4 }, { 0, 4, 1 } };
static const struct field_spec twice[] = { { 9, 1001, 2 }, { 0, 1, 4 }, { 9, 1001, 4 } };
static const struct field_spec varlen[] = { { 0, 8, 4 }, { 0, 96, 65535 }, { 0, 1, 4 },
	{ 9, 1001, 65535 } };
static const struct field_spec biflow[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 1, 4 }, { 29305, 1, 4 },
	{ 9, 1001, 1 } };
static const struct field_spec none[] = { { 0, 8, 4 }, { 0, 1, 4 } };

static const struct {
	const char *name;
	const struct field_spec *fields;
	size_t n;
	const char *hex, *want[3];
} sets[] = {
	{ "columns", fixed, COUNT(fixed), "0a000001 deadbeef 00000001 06 0a000002 00000007 00000001 11",
		{ "deadbeef|-|06", "00000007|-|11", NULL } },
	{ "the last of two", twice, COUNT(twice), "aaaa 00000001 bbbbbbbb",
		{ "bbbbbbbb|-|-", NULL } },
	{ "variable length", varlen, COUNT(varlen),
		"0a000001 03666f6f 00000001 00 0a000001 00 00000001 ff0002abcd",
		{ "|666f6f|-", "abcd||-", NULL } },
	{ "both halves of a biflow", biflow, COUNT(biflow),
		"0a000001 0a000002 00000001 00000002 77", { "77|-|-", "77|-|-", NULL } },
	{ "none in the template", none, COUNT(none), "0a000001 00000001", { "-|-|-", NULL } },
};

START_TEST(tells_where_elements_stand)
{
	struct world *w = world_new(NULL);
	void *mem = malloc(decoder_extras_size(&want));
	struct writer m;
	struct seen s;

	/* What another template left behind must not be taken for this one's. */
	memset(mem, 0x5a, decoder_extras_size(&want));
	decoder_want_extras(w->d, &want, mem);
	begin(&m, 10);
	put_template(&m, 256, 0, sets[_i].fields, sets[_i].n);
	put_set(&m, 256, sets[_i].hex);
	run(&s, w->d, &m);
	for (size_t i = 0; sets[_i].want[i]; i++)
		ck_assert_msg(i < s.n && strcmp(s.text[i], sets[_i].want[i]) == 0, "%s, record %zu: %s",
			sets[_i].name, i, s.text[i]);
	free(mem);
	world_free(w);
}
END_TEST

/* Templates of one decoder without extras, and options data, have none. */
START_TEST(costs_nothing_unasked)
{
	struct world *w = world_new(NULL);
	struct writer m;
	struct seen s;

	begin(&m, 10);
	put_template(&m, 256, 0, fixed, COUNT(fixed));
	put_set(&m, 256, sets[0].hex);
	run(&s, w->d, &m);
	ck_assert_uint_eq(s.n, 2);
	ck_assert_str_eq(s.text[0], "");
	world_free(w);
}
END_TEST

#define MACS 0,0x11,0x22,0x33,0x44,0x55, 0x66,0x77,0x88,0x99,0xaa,0xbb
#define OUT(proto) 0x45,0x28,0,100, 0,0,0,0, 64,proto,0,0, 192,0,2,1, 198,51,100,2
#define IN 0x45,0x10,0,28, 0,0,0,0, 64,17,0,0, 10,0,0,1, 10,0,0,2, 0,53,0x14,0xe9, 0,8,0,0
#define VXLAN(port) 0,0,port>>8,port&255, 0,58,0,0, 8,0,0,0, 0x12,0x34,0x56,0
#define INSIDE "src=10.0.0.1 dst=10.0.0.2 src_port=53 dst_port=5353 proto=17 tos=16"
#define BYTES(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

static const struct {
	const char *name;
	struct bytes frame;
	bool found, has_vni;
	uint32_t vni;
	const char *want;
} frames[] = {
	{ "IP in IP", BYTES(OUT(4), IN), true, false, 0, INSIDE },
	{ "VXLAN", BYTES(OUT(17), VXLAN(4789), MACS, 8, 0, IN), true, true, 0x123456,
		INSIDE " ethertype=2048 src_mac=66:77:88:99:aa:bb dst_mac=00:11:22:33:44:55" },
	{ "VXLAN of ARP", BYTES(OUT(17), VXLAN(4789), MACS, 8, 6, 0, 1), false, true, 0x123456,
		"ethertype=2054 src_mac=66:77:88:99:aa:bb dst_mac=00:11:22:33:44:55" },
	{ "the first of two", BYTES(OUT(4), OUT(4), IN), true, false, 0,
		"src=192.0.2.1 dst=198.51.100.2 proto=4 tos=40" },
	{ "no tunnel", BYTES(IN), false, false, 0, "" },
};

START_TEST(looks_inside)
{
	struct frame_inside in;
	char text[512];

	frame_inside(&in, frames[_i].frame, FRAME_IPV4);
	ck_assert_int_eq(in.found, frames[_i].found);
	ck_assert_int_eq(in.has_vni, frames[_i].has_vni);
	ck_assert_uint_eq(in.vni, frames[_i].vni);
	flow_print(text, sizeof(text), &in.r);
	ck_assert_msg(strcmp(text, frames[_i].want) == 0, "%s: %s", frames[_i].name, text);
	for (size_t n = 0; n < frames[_i].frame.n; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, frames[_i].frame.p, n);
		frame_inside(&in, (struct bytes){ cut, n }, FRAME_IPV4);
		free(cut);
	}
}
END_TEST

Suite *suite_extras(void)
{
	Suite *s = suite_create("extras");
	TCase *t = tcase_create("extras");

	tcase_add_loop_test(t, tells_where_elements_stand, 0, COUNT(sets));
	tcase_add_test(t, costs_nothing_unasked);
	tcase_add_loop_test(t, looks_inside, 0, COUNT(frames));
	suite_add_tcase(s, t);
	return s;
}
