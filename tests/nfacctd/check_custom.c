/*
 * check_custom.c - aggregate_primitives: the file, the values, and rows of
 * Elements that no member of a record holds.  Rows marked [O] are what Debian's
 * nfacctd 1.7.7 writes for the same datagrams; where it writes something else
 * (manual: PRIMITIVES OF YOUR OWN) the value is what the octets say.
 */
#include <unistd.h>
#include "base/strbuf.h"
#include "nfacctd/custom.h"
#include "nfacctd/engine.h"
#include "tests/base/said.h"
#include "tests/wire/writing.h"

Suite *suite_custom(void);

/* ---- the file ---- */

static const struct {
	const char *line, *said;	/* NULL: taken */
} lines[] = {
	{ "name=a field_type=9:1001 len=4 semantics=u_int", NULL },
	{ "semantics=str\tlen=vlen   field_type=96 name=App_Name", NULL },
	{ "name=a field_type=1 len=4 semantics=u_int\nname=A field_type=2 len=4 semantics=hex",
		"f:2: \"name=A field_type=2" },
	{ "name=src_host field_type=8 len=4 semantics=ip", "not the name of another primitive" },
	{ "name=x field_type=8 len=3 semantics=u_int", "len=1, 2, 4 or 8 with semantics=u_int" },
	{ "name=x field_type=8 len=vlen semantics=hex", "len=1, 2, 4 or 8 with semantics=hex" },
	{ "name=x field_type=8 len=5 semantics=ip", "len=4 or 16" },
	{ "name=x field_type=8 len=8 semantics=mac", "len=6" },
	{ "name=x field_type=8 len=128 semantics=str", "1 to 127" },
	{ "name=x field_type=8 len=86 semantics=raw", "1 to 85" },
	{ "name=x field_type=8 len=85 semantics=raw", NULL },
	{ "name=x field_type=65536 len=4 semantics=ip", "field_type=ID or PEN:ID" },
	{ "name=x field_type=4294967296:1 len=4 semantics=ip", "field_type=ID or PEN:ID" },
	{ "name=x field_type=9: len=4 semantics=ip", "field_type=ID or PEN:ID" },
	{ "name=x field_type=8 len=four semantics=ip", "len= octets, or vlen" },
	{ "name=x field_type=8 len=4 semantics=number", "semantics=u_int, hex, ip, mac, str or raw" },
	{ "name=x field_type=8 len=4", "all of them" },
	{ "name=x packet_ptr=l3:0x800+8 len=1 semantics=u_int", "packet_ptr=" },
	{ "name=sum`x field_type=8 len=4 semantics=ip", "letters, digits, - and _" },
	{ "name = x field_type=8 len=4 semantics=ip", "without blanks around =" },
	{ "what is this", "name=, field_type=, len= and semantics=" },
};

START_TEST(reads_lines)
{
	struct said said;
	size_t skipped;

	said_start(&said);
	skipped = customs_parse("f", lines[_i].line, strlen(lines[_i].line));
	ck_assert_msg(skipped == (lines[_i].said != NULL), "%s: %s", lines[_i].line, said.text.s);
	if (lines[_i].said)
		ck_assert_msg(strstr(said.text.s, lines[_i].said) != NULL, "%s: %s", lines[_i].line,
			said.text.s);
	else
		ck_assert_uint_eq(customs_loaded(), 1);
	said_end(&said);
	customs_clear();
}
END_TEST

/* ---- values ---- */

#define BYTES(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct {
	const char *line;
	struct bytes value;
	const char *want;
} values[] = {
	{ "len=4 semantics=u_int", BYTES("\xde\xad\xbe\xef"), "3735928559" },
	{ "len=4 semantics=u_int", BYTES("\1\2\3"), "66051" },
	{ "len=1 semantics=u_int", BYTES("\1\0"), "256" },
	{ "len=8 semantics=hex", BYTES("\x11\x22\x33\x44\x55\x66\x77\x88"), "1122334455667788" },
	{ "len=2 semantics=hex", BYTES("\0\x0a"), "a" },
	{ "len=4 semantics=ip", BYTES("\xc0\0\2\x09"), "192.0.2.9" },
	{ "len=4 semantics=ip", BYTES("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\5"), "2001:db8::5" },
	{ "len=4 semantics=ip", BYTES("\1\2"), "0.0.0.0" },
	{ "len=6 semantics=mac", BYTES("\xaa\xbb\xcc\0\1\2"), "aa:bb:cc:00:01:02" },
	{ "len=vlen semantics=str", BYTES("variable"), "variable" },
	{ "len=4 semantics=str", BYTES("variable"), "vari" },
	{ "len=9 semantics=str", BYTES("q\"u,o\0te"), "q\"u,o" },
	{ "len=9 semantics=str", BYTES("a\td\x7f\n"), "a?d??" },
	{ "len=9 semantics=str", BYTES("\xc3\xa9\xff\xc0\x80\xed\xa0\x80"), "\xc3\xa9??????" },
	{ "len=3 semantics=str", BYTES("ab\xc3\xa9"), "ab" },
	{ "len=9 semantics=str", BYTES("\xf0\x9f\x98\x80 \xf4\x90\x80\x80"), "\xf0\x9f\x98\x80 ????" },
	{ "len=vlen semantics=raw", BYTES("\1\2\xfe\xff"), "01-02-FE-FF" },
	{ "len=3 semantics=raw", BYTES("\0\0"), "00-00" },
	{ "len=2 semantics=raw", BYTES("abc"), "61-62" },
	{ "len=2 semantics=raw", BYTES(""), "" },
};

START_TEST(prints_values)
{
	static const struct print_style style = { .utc = true };
	char line[128], why[160], text[PRIM_TEXT_MAX + 1];
	uint8_t key[KEY_BYTES_MAX];
	struct aggregate_spec a;
	struct key_layout l;

	snprintf(line, sizeof(line), "name=own field_type=1 %s", values[_i].line);
	ck_assert_uint_eq(customs_parse("f", line, strlen(line)), 0);
	ck_assert(aggregate_parse(&a, "proto, OWN, own", why, sizeof(why)));
	key_layout_make(&l, &a);
	ck_assert_uint_eq(l.nfields, 2);
	ck_assert_uint_le(l.size, KEY_BYTES_MAX);
	memset(key, 0x55, sizeof(key));
	custom_fill(key + l.field[1].offset, l.field[1].width,
		primitives[l.field[1].primitive].format, &values[_i].value);
	key_print(text, &l.field[1], key, &style);
	ck_assert_msg(strcmp(text, values[_i].want) == 0, "%s: %s", values[_i].line, text);
	ck_assert_uint_eq(key[l.field[1].offset + l.field[1].width], 0x55);
	customs_clear();
}
END_TEST

START_TEST(bounds_a_key)
{
	char list[1024] = "", text[4096] = "", why[160];
	struct aggregate_spec a;

	for (int i = 0; i <= CUSTOM_IN_KEY; i++) {
		sprintf(text + strlen(text), "name=p%d field_type=%d len=1 semantics=u_int\n", i, i + 1);
		sprintf(list + strlen(list), "%sp%d", i ? "," : "", i);
	}
	ck_assert_uint_eq(customs_parse("f", text, strlen(text)), 0);
	ck_assert(!aggregate_parse(&a, list, why, sizeof(why)));
	*strrchr(list, ',') = '\0';
	ck_assert(aggregate_parse(&a, list, why, sizeof(why)));
	ck_assert_uint_eq(a.ncustom, CUSTOM_IN_KEY);
	customs_clear();
	ck_assert(!aggregate_parse(&a, "p0", why, sizeof(why)));
}
END_TEST

/* ---- through the whole engine ---- */

static const struct field_spec fields[] = { { 0, 8, 4 }, { 0, 1, 4 }, { 0, 2, 4 }, { 9, 1001, 4 },
	{ 9, 1010, 65535 }, { 0, 233, 1 }, { 0, 230, 1 }, { 0, 351, 8 }, { 0, 90, 8 }, { 0, 249, 4 },
	{ 0, 70, 3 }, { 0, 71, 3 } };
#define PLAIN { 0, 8, 4 }, { 0, 1, 4 }, { 0, 2, 4 }
static const struct field_spec plain[] = { PLAIN };

#define TEXTS "name=app field_type=9:1001 len=4 semantics=u_int\n" \
	"name=again field_type=9:1001 len=4 semantics=hex\n" \
	"name=user field_type=9:1010 len=vlen semantics=str\n"

static void feed_engine(struct engine *e, struct writer *m)
{
	struct datagram d = { { m->buf, 0 }, { addr_make4(0xc0000201), 2055, false }, RECV_US };

	flow_msg_end(&m->c, &m->m, 1);
	d.data.n = cursor_used(&m->c);
	engine_feed(e, &d);
}

static char *whole_file(const char *path)
{
	static char text[4096];
	FILE *f = fopen(path, "r");

	ck_assert_msg(f != NULL, "%s", path);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* An engine whose one plugin writes CSV into `out`, in a folder of its own. */
struct writing {
	char dir[32], own[64], out[64];
	struct settings s;
	struct engine *e;
	struct said said;
};

static void writing_start(struct writing *w, const char *aggregate)
{
	char conf[1024];
	struct conf c;
	FILE *f;

	said_start(&w->said);
	snprintf(w->dir, sizeof(w->dir), "/tmp/check-custom-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	snprintf(w->own, sizeof(w->own), "%s/own", w->dir);
	snprintf(w->out, sizeof(w->out), "%s/out", w->dir);
	f = fopen(w->own, "w");
	fputs(TEXTS, f);
	fclose(f);
	snprintf(conf, sizeof(conf),
		"plugins: print\naggregate_primitives: %s\nprint_output: csv\nprint_output_file: %s\n"
		"aggregate: %s\n", w->own, w->out, aggregate);
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_msg(settings_load(&w->s, NULL, &c, NULL) == 0, "%s", w->said.text.s);
	conf_clear(&c);
	w->e = engine_new(&w->s, sink_find, EXPORT_S, 1);
	ck_assert_msg(w->e && engine_open(w->e) == 0, "%s", w->said.text.s);
}

static void writing_end(struct writing *w, const char *rows)
{
	ck_assert_int_eq(engine_stop(w->e), 0);
	ck_assert_str_eq(whole_file(w->out), rows);
	engine_free(w->e);
	settings_clear(&w->s);
	said_end(&w->said);
	unlink(w->own);
	unlink(w->out);
	rmdir(w->dir);
}

START_TEST(writes_rows)
{
	struct writing w;
	struct writer m;

	writing_start(&w, "user,src_host,app,again,fw_event,nat_event,vxlan,mpls_vpn_rd,mpls_pw_id,"
			  "mpls_stack_depth,tunnel_src_host,tunnel_proto");
	begin(&m, 10);
	put_template(&m, 256, 0, fields, COUNT(fields));
	put_template(&m, 257, 0, plain, COUNT(plain));
	/* 100 octets; app 7, user "me"; fw 2, nat 4; VXLAN 0x1234; 0:65000:100; 77; labels 5, 6 */
	put_set(&m, 256, "0a000001 00000064 00000001 00000007 02 6d65 02 04 0100000000001234 "
			 "0000fde800000064 0000004d 000050 000061");
	/* the same but for the type of the segment, which is NVGRE's, and an empty stack */
	put_set(&m, 256, "0a000001 00000064 00000001 00000007 02 6d65 02 04 0200000000001234 "
			 "0000fde800000064 0000004d 000000 000000");
	put_set(&m, 257, "0a000002 00000032 00000001");
	feed_engine(w.e, &m);
	writing_end(&w,
		"MPLS_VPN_RD,MPLS_PW_ID,SRC_IP,NAT_EVENT,FW_EVENT,MPLS_STACK_DEPTH,TUNNEL_SRC_IP,"
		"TUNNEL_PROTOCOL,VXLAN,user,app,again,PACKETS,BYTES\n"
		"0:65000:100,77,10.0.0.1,4,2,2,,0,4660,me,7,7,1,100\n"
		"0:65000:100,77,10.0.0.1,4,2,0,,0,0,me,7,7,1,100\n"
		"0:0:0,0,10.0.0.2,0,0,0,,0,0,,0,0,1,50\n");
}
END_TEST

/*
 * Which of several Elements of a primitive counts; `hex` are the values behind octets and packets.
 * [O], but where the comment says so.
 */
static const struct field_spec ways_in[] = { PLAIN, { 0, 234, 4 } };
static const struct field_spec ways_out[] = { PLAIN, { 0, 235, 4 } };
static const struct field_spec ways[] = { PLAIN, { 0, 61, 1 }, { 0, 90, 8 }, { 0, 234, 4 }, { 0, 235, 4 } };
static const struct field_spec short_one[] = { PLAIN, { 0, 234, 2 } };
static const struct field_spec rd_alone[] = { PLAIN, { 0, 90, 8 } };
static const struct field_spec asa_old[] = { PLAIN, { 0, 40005, 1 } };
static const struct field_spec asa_both[] = { PLAIN, { 0, 40005, 1 }, { 0, 230, 1 } };
static const struct field_spec events[] = { PLAIN, { 0, 233, 1 }, { 0, 230, 1 }, { 0, 40005, 1 } };

#define FIELDS(f) f, COUNT(f)
static const struct {
	const struct field_spec *fields;
	size_t n;
	const char *hex, *want;		/* mpls_vpn_rd,nat_event,fw_event */
} choices[] = {
	{ FIELDS(ways_in), "0000000b", "vrfid:11,0,0" },
	{ FIELDS(ways_in), "ffffffff", "vrfid:4294967295,0,0" },
	{ FIELDS(ways_in), "00000000", "0:0:0,0,0" },
	{ FIELDS(ways_out), "0000000c", "vrfid:12,0,0" },
	/* the direction chooses, a VRF that is 0 is none, and a distinguisher comes after them */
	{ FIELDS(ways), "00 0001c00002010009 0000000b 0000000c", "vrfid:11,0,0" },
	{ FIELDS(ways), "01 0001c00002010009 0000000b 0000000c", "vrfid:12,0,0" },
	{ FIELDS(ways), "00 0001c00002010009 00000000 0000000c", "vrfid:12,0,0" },
	{ FIELDS(ways), "01 0001c00002010009 0000000b 00000000", "vrfid:11,0,0" },
	{ FIELDS(ways), "00 0001c00002010009 00000000 00000000", "1:192.0.2.1:9,0,0" },
	{ FIELDS(ways), "01 0000000000000000 00000000 00000000", "0:0:0,0,0" },
	{ FIELDS(rd_alone), "0000fde800000007", "0:65000:7,0,0" },
	{ FIELDS(rd_alone), "0002000111700005", "2:70000:5,0,0" },
	{ FIELDS(rd_alone), "0003000111700005", "unknown,0,0" },
	{ FIELDS(rd_alone), "ffff000000000007", "unknown,0,0" },
	/* 1.7.7: vrfid:720896 */
	{ FIELDS(short_one), "000b", "vrfid:11,0,0" },
	/* of fw_event 1.7.7 knows what nat_event is: 5, 2 and 2 */
	{ FIELDS(asa_old), "05", "0:0:0,5,5" },
	{ FIELDS(asa_both), "05 02", "0:0:0,2,5" },
	{ FIELDS(events), "03 02 05", "0:0:0,2,3" },
};

START_TEST(chooses_elements)
{
	struct writing w;
	struct writer m;
	char text[128];

	writing_start(&w, "mpls_vpn_rd,nat_event,fw_event");
	begin(&m, 9);
	put_template(&m, 256, 0, choices[_i].fields, choices[_i].n);
	snprintf(text, sizeof(text), "0a000001 00000064 00000001 %s", choices[_i].hex);
	put_set(&m, 256, text);
	feed_engine(w.e, &m);
	snprintf(text, sizeof(text), "MPLS_VPN_RD,NAT_EVENT,FW_EVENT,PACKETS,BYTES\n%s,1,100\n",
		choices[_i].want);
	writing_end(&w, text);
}
END_TEST

/* [O] of the first and the last; an exporter of the corpus says 0 in each record. */
START_TEST(counts_flows)
{
	static const struct field_spec with_flows[] = { PLAIN, { 0, 3, 4 } };
	struct writing w;
	struct writer m;

	writing_start(&w, "src_host,flows");
	begin(&m, 9);
	put_template(&m, 256, 0, with_flows, COUNT(with_flows));
	put_template(&m, 257, 0, plain, COUNT(plain));
	put_set(&m, 256, "0a000001 00000064 00000001 00000000"
			 "0a000002 00000064 00000001 00000005");
	put_set(&m, 257, "0a000003 00000064 00000001");
	feed_engine(w.e, &m);
	writing_end(&w, "SRC_IP,PACKETS,FLOWS,BYTES\n10.0.0.1,1,1,100\n10.0.0.2,1,5,100\n"
			"10.0.0.3,1,1,100\n");
}
END_TEST

Suite *suite_custom(void)
{
	Suite *s = suite_create("custom");
	TCase *t = tcase_create("custom");

	tcase_add_loop_test(t, reads_lines, 0, COUNT(lines));
	tcase_add_loop_test(t, prints_values, 0, COUNT(values));
	tcase_add_test(t, bounds_a_key);
	tcase_add_test(t, writes_rows);
	tcase_add_test(t, counts_flows);
	tcase_add_loop_test(t, chooses_elements, 0, COUNT(choices));
	suite_add_tcase(s, t);
	return s;
}
