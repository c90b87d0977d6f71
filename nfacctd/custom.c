#include "nfacctd/custom.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/map_lines.h"
#include "wire/ie.h"
#include "wire/wire.h"

enum { NAME_MAX_LEN = 31 };

/* Where the Elements of a user's own primitives are; their names are in primitives[].name. */
static struct {
	size_t n;
	struct custom {
		char name[NAME_MAX_LEN + 1];
		uint32_t pen;
		uint16_t id;
		uint16_t len;		/* as the file says; 0: vlen */
	} at[CUSTOM_MAX];
} customs;

/* ---- the file ---- */

static const struct semantics {
	const char *word;
	enum prim_format format;
	uint16_t lens[4];	/* that may be said; none: 1 to `most` and vlen */
	uint8_t width, most;
	const char *expected;	/* of len */
} semantics[] = {
	{ "u_int", PRIM_CUSTOM_UINT, { 1, 2, 4, 8 }, 8, 0, "len=1, 2, 4 or 8 with semantics=u_int" },
	{ "hex", PRIM_CUSTOM_HEX, { 1, 2, 4, 8 }, 8, 0, "len=1, 2, 4 or 8 with semantics=hex" },
	{ "ip", PRIM_CUSTOM_IP, { 4, 16 }, 16, 0, "len=4 or 16 with semantics=ip" },
	{ "mac", PRIM_CUSTOM_MAC, { 6 }, 6, 0, "len=6 with semantics=mac" },
	{ "str", PRIM_CUSTOM_STR, { 0 }, 0, CUSTOM_TEXT_MAX,
		"len=vlen or 1 to 127 with semantics=str" },
	{ "raw", PRIM_CUSTOM_RAW, { 0 }, 0, CUSTOM_RAW_MAX,
		"len=vlen or 1 to 85 with semantics=raw" },
};

enum { SEMANTICS = sizeof(semantics) / sizeof(semantics[0]) };

/* One line as it is being read. */
struct entry {
	struct custom c;
	const struct semantics *semantics;
	bool has_type, has_len;
};

static bool parse_number(const char *text, const char *end, uint64_t max, uint64_t *out)
{
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	*out = strtoull(text, &stop, 10);
	return stop == end && *out <= max;
}

/* name=: letters of a column's name, since it becomes one. */
static const char *take_name(struct entry *e, const char *value)
{
	static const char expected[] = "name= of up to 31 letters, digits, - and _, not the name "
				       "of another primitive";
	struct aggregate_spec a;
	char why[256];
	size_t n = strlen(value);

	if (n == 0 || n > NAME_MAX_LEN)
		return expected;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)value[i]) && value[i] != '_' && value[i] != '-')
			return expected;
		e->c.name[i] = (char)tolower((unsigned char)value[i]);
	}
	return aggregate_parse(&a, e->c.name, why, sizeof(why)) ? expected : NULL;
}

/* field_type=[PEN:]ID; ID alone is IANA's, or NetFlow v9's. */
static const char *take_type(struct entry *e, const char *value)
{
	const char *colon = strchr(value, ':'), *id = colon ? colon + 1 : value;
	uint64_t pen = 0, number;

	if ((colon && !parse_number(value, colon, UINT32_MAX, &pen)) ||
	    !parse_number(id, id + strlen(id), UINT16_MAX, &number) || number == 0)
		return "field_type=ID or PEN:ID, the number of an Information Element";
	e->c.pen = (uint32_t)pen;
	e->c.id = (uint16_t)number;
	e->has_type = true;
	return NULL;
}

static const char *take_len(struct entry *e, const char *value)
{
	uint64_t len = 0;

	if (strcmp(value, "vlen") != 0 &&
	    (!parse_number(value, value + strlen(value), 255, &len) || len == 0))
		return "len= octets, or vlen";
	e->c.len = (uint16_t)len;
	e->has_len = true;
	return NULL;
}

static const char *take_semantics(struct entry *e, const char *value)
{
	for (size_t i = 0; i < SEMANTICS; i++)
		if (strcmp(value, semantics[i].word) == 0) {
			e->semantics = &semantics[i];
			return NULL;
		}
	return "semantics=u_int, hex, ip, mac, str or raw";
}

static const char *take_pointer(struct entry *e, const char *value)
{
	(void)e;
	(void)value;
	return "field_type= (octets of sampled packets, packet_ptr=, are not in this version)";
}

static const struct {
	const char *key;
	const char *(*take)(struct entry *e, const char *value);
} words[] = {
	{ "name", take_name },		 { "field_type", take_type },
	{ "len", take_len },		 { "semantics", take_semantics },
	{ "packet_ptr", take_pointer },
};

static const char *take_word(struct entry *e, const char *word)
{
	const char *value = strchr(word, '=');

	if (value)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strlen(words[i].key) == (size_t)(value - word) &&
			    strncmp(word, words[i].key, (size_t)(value - word)) == 0)
				return words[i].take(e, value + 1);
	return "name=, field_type=, len= and semantics=, without blanks around =";
}

static bool len_is_right(const struct entry *e)
{
	if (e->semantics->most)
		return e->c.len <= e->semantics->most;
	for (size_t i = 0; i < 4; i++)
		if (e->c.len && e->semantics->lens[i] == e->c.len)
			return true;
	return false;
}

/* Why the line is of no use, or NULL. */
static const char *read_entry(struct entry *e, const char *line)
{
	char copy[MAP_LINE_MAX], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		const char *expected = take_word(e, word);

		if (expected)
			return expected;
	}
	if (!e->c.name[0] || !e->has_type || !e->has_len || !e->semantics)
		return "name=, field_type=, len= and semantics=, all of them";
	if (!len_is_right(e))
		return e->semantics->expected;
	return customs.n == CUSTOM_MAX ? "at most 128 primitives" : NULL;
}

/* How wide the formatted output has them, as the reference does. */
static uint8_t digits_of(const struct entry *e)
{
	static const uint8_t number[] = { [1] = 3, [2] = 5, [4] = 10, [8] = 20 };

	switch (e->semantics->format) {
	case PRIM_CUSTOM_UINT:
	case PRIM_CUSTOM_HEX:
		return number[e->c.len];
	case PRIM_CUSTOM_IP:
		return e->c.len == 4 ? 15 : 45;
	case PRIM_CUSTOM_MAC:
		return 17;
	case PRIM_CUSTOM_RAW:
		return (uint8_t)(e->c.len * 3);
	default:
		return (uint8_t)e->c.len;
	}
}

static void add(const struct entry *e)
{
	struct custom *c = &customs.at[customs.n];
	const struct semantics *s = e->semantics;
	const size_t octets = e->c.len ? e->c.len : s->most;

	*c = e->c;
	primitives[PRIMITIVES + customs.n] = (struct primitive){
		.name = c->name, .member = -1, .format = s->format,
		.sql7 = c->name, .sql8 = c->name, .csv = c->name,
		/* Of raw octets the first says how many there are. */
		.width = (uint8_t)(s->width ? s->width : octets + (s->format == PRIM_CUSTOM_RAW)),
		.digits = digits_of(e),
	};
	customs.n++;
}

void customs_clear(void)
{
	customs.n = 0;
}

unsigned custom_length(int primitive)
{
	return customs.at[primitive - PRIMITIVES].len;
}

size_t customs_loaded(void)
{
	return customs.n;
}

size_t customs_parse(const char *origin, const char *text, size_t n)
{
	struct map_lines l;

	customs_clear();
	map_lines_init(&l, origin, text, n);
	while (map_lines_next(&l)) {
		struct entry e = { .has_type = false };
		const char *expected = l.bad ? l.bad : read_entry(&e, l.text);

		if (expected)
			map_lines_skip(&l, expected);
		else
			add(&e);
	}
	log_info("%s: %zu primitives, %zu skipped", origin, customs.n, l.skipped);
	return l.skipped;
}

int customs_load(const char *key, const char *path, size_t *skipped)
{
	size_t n;
	char *text = map_file_text(key, path, &n);

	if (!text)
		return -1;
	*skipped = customs_parse(path, text, n);
	free(text);
	return 0;
}

int custom_find(const char *name)
{
	for (size_t i = 0; i < customs.n; i++)
		if (strcasecmp(customs.at[i].name, name) == 0)
			return (int)(PRIMITIVES + i);
	return -1;
}

/* ---- what a key needs ---- */

/*
 * Primitives of ours that are Elements without a member in the record; of several the first that
 * a record has.  40005 is what Cisco's ASA called its events before there were 230 and 233.
 */
static const struct {
	uint8_t primitive;
	uint16_t id;
} elements[] = {
	{ PRIM_ID_nat_event, 230 },    { PRIM_ID_nat_event, 40005 }, { PRIM_ID_fw_event, 233 },
	{ PRIM_ID_fw_event, 40005 },   { PRIM_ID_mpls_vpn_rd, 234 }, { PRIM_ID_mpls_vpn_rd, 235 },
	{ PRIM_ID_mpls_vpn_rd, 90 },   { PRIM_ID_vxlan, 351 },	     { PRIM_ID_mpls_pw_id, 249 },
};

enum { IE_LABEL_TOP = 70, LABELS = 10 };

static size_t need(struct extras_want *want, uint32_t pen, uint16_t id)
{
	for (size_t i = 0; i < want->n && i < EXTRAS_MAX; i++)
		if (want->element[i].pen == pen && want->element[i].id == id)
			return i;
	if (want->n < EXTRAS_MAX) {
		want->element[want->n].pen = pen;
		want->element[want->n].id = id;
	}
	return want->n++;
}

/* The Elements of a primitive, added to `want` where they are missing. */
static size_t need_all(struct extras_want *want, int primitive, uint16_t *element)
{
	size_t n = 0;

	if (primitive >= PRIMITIVES) {
		const struct custom *c = &customs.at[primitive - PRIMITIVES];

		element[n++] = (uint16_t)need(want, c->pen, c->id);
	}
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (elements[i].primitive == primitive)
			element[n++] = (uint16_t)need(want, PEN_IANA, elements[i].id);
	for (uint16_t i = 0; primitive == PRIM_ID_mpls_stack_depth && i < LABELS; i++)
		element[n++] = (uint16_t)need(want, PEN_IANA, (uint16_t)(IE_LABEL_TOP + i));
	return n;
}

size_t extras_of(const struct extras_want *want, int primitive, uint16_t element[static ELEMENTS_MAX])
{
	struct extras_want copy = *want;

	return need_all(&copy, primitive, element);
}

static bool is_inside(enum prim_format f)
{
	return f == PRIM_INSIDE_MAC || f == PRIM_INSIDE_HOST || f == PRIM_INSIDE_PROTO ||
	       f == PRIM_INSIDE_NUM || f == PRIM_VNI;
}

bool extras_collect(struct extras_want *want, const struct aggregate_spec *a)
{
	uint16_t element[ELEMENTS_MAX];

	for (int i = 0; i < PRIMITIVES; i++) {
		if (!(a->set >> i & 1))
			continue;
		need_all(want, i, element);
		want->inside = want->inside || is_inside(primitives[i].format);
	}
	for (size_t i = 0; i < a->ncustom; i++)
		need_all(want, a->custom[i], element);
	return want->n <= EXTRAS_MAX;
}

/* ---- values ---- */

/* Octets of the UTF-8 character at p (RFC 3629 4); 0: there is none. */
static size_t character(const uint8_t *p, size_t n)
{
	const size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
			    p[0] < 0xf5 ? 4 : 0;

	if (size == 0 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, what lies beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return size;
}

/*
 * Text up to its first zero.  An exporter's text goes into files and databases that refuse a whole
 * row for a wrong octet: what is no character, or steers a terminal, becomes a question mark.
 */
static void fill_text(uint8_t *key, size_t width, const struct bytes *value)
{
	size_t to = 0;

	memset(key, 0, width);
	for (size_t at = 0; at < value->n && value->p[at]; ) {
		const uint8_t *p = value->p + at;
		const size_t size = character(p, value->n - at);
		const bool plain = size > 1 || (size == 1 && *p >= ' ' && *p != 0x7f);

		if (to + (size ? size : 1) > width)
			return;
		memcpy(key + to, plain ? p : (const uint8_t *)"?", plain ? size : 1);
		to += plain ? size : 1;
		at += size ? size : 1;
	}
}

static void fill_raw(uint8_t *key, size_t width, const struct bytes *value)
{
	const size_t n = value->n < width - 1 ? value->n : width - 1;

	memset(key, 0, width);
	key[0] = (uint8_t)n;
	memcpy(key + 1, value->p, n);
}

/* A type that RFC 4364 gives to nobody marks the ID of a VRF, in the six octets behind it. */
enum { RD_OF_VRF = 0xffff };

void custom_fill_rd(uint8_t key[static 8], uint64_t vrf, const struct bytes *rd)
{
	memset(key, 0, 8);
	if (vrf) {
		memset(key, 0xff, 2);
		for (size_t i = 2; i < 8; i++)
			key[i] = (uint8_t)(vrf >> (56 - 8 * i));
	} else if (rd && rd->n >= 8) {
		memcpy(key, rd->p, 8);
		/* An exporter that says it, too, means another one. */
		if (be16(key) == RD_OF_VRF)
			key[1] = 0;
	}
}

/* RFC 4364 4.2: a type, who administers, what they assigned; another type is not readable. */
size_t custom_print_rd(char *buf, const uint8_t key[static 8])
{
	char admin[ADDR_TEXT];
	struct addr a;

	switch (be16(key)) {
	case 0:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "0:%u:%u", be16(key + 2), be32(key + 4));
	case 1:
		a = addr_from4(key + 2);
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "1:%s:%u", addr_print(&a, admin),
					be16(key + 6));
	case 2:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "2:%u:%u", be32(key + 2), be16(key + 6));
	case RD_OF_VRF:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "vrfid:%" PRIu64, be_any(key + 2, 6));
	default:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "unknown");
	}
}

void custom_fill(uint8_t *key, size_t width, enum prim_format format, const struct bytes *value)
{
	struct addr a;
	uint64_t v;

	switch (format) {
	case PRIM_CUSTOM_STR:
		fill_text(key, width, value);
		break;
	case PRIM_CUSTOM_RAW:
		fill_raw(key, width, value);
		break;
	case PRIM_CUSTOM_IP:
		a = value->n >= 16 ? addr_from16(value->p) :
		    value->n >= 4  ? addr_from4(value->p) : addr_zero4;
		memcpy(key, &a, sizeof(a));
		break;
	case PRIM_CUSTOM_MAC:
		memset(key, 0, width);
		if (value->n >= width)
			memcpy(key, value->p, width);
		break;
	default:
		v = be_any(value->p, value->n);
		memcpy(key, &v, sizeof(v));
	}
}

void custom_absent(uint8_t *key, const struct primitive *p, size_t width)
{
	const struct custom *c = &customs.at[p - primitives - PRIMITIVES];

	memset(key, 0, width);
	if (p->format == PRIM_CUSTOM_IP && c->len == 4)
		memcpy(key, &addr_zero4, sizeof(addr_zero4));
}
