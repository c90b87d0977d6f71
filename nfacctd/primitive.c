/*
 * primitive.c - the rows of primitives.def as data, `aggregate` lists, key
 * layouts, and the text of a key's values.  How a record becomes a key is in
 * pipeline.c; both go by the same struct key_layout.
 */
#include "nfacctd/primitive.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/conf.h"
#include "base/protonames.h"
#include "nfacctd/custom.h"
#include "nfacctd/labels.h"

enum { FLOW_none = -1 };

struct primitive primitives[PRIMITIVES_MAX] = {
#define PRIM(name, member, format, sql7, sql8, csv, since, filler) \
	{ #name, FLOW_##member, PRIM_##format, sql7, sql8, csv, since, filler, 0, 0 },
#include "base/primitives.def"
#undef PRIM
};

/* Bytes in the key of what no record member gives; the others have their member's width. */
static const uint8_t format_width[PRIM_FORMATS] = {
	[PRIM_TAG] = 8,	    [PRIM_TEXT] = 4,	[PRIM_CLASS] = 4,    [PRIM_EXPORTER] = 16,
	[PRIM_RATE] = 4,    [PRIM_ARRIVAL] = 8, [PRIM_EXPORTED] = 8, [PRIM_SEQNO] = 4,
	[PRIM_VERSION] = 2, [PRIM_SYSID] = 4,	[PRIM_DIR] = 1,	     [PRIM_MAC] = 0,
	[PRIM_ELEMENT] = 8, [PRIM_RD] = 8,	[PRIM_DEPTH] = 1,    [PRIM_VNI] = 4,
};

/* Words of `aggregate` that are no single primitive. */
static const struct sum_word {
	const char *word;
	enum sum_kind sum;
	enum primitive_id column;	/* where both ends are booked */
} sum_words[] = {
	{ "sum_host", SUM_HOST, PRIM_ID_src_host },
	{ "sum", SUM_HOST, PRIM_ID_src_host },
	{ "sum_net", SUM_NET, PRIM_ID_src_net },
	{ "sum_as", SUM_AS, PRIM_ID_src_as },
	{ "sum_port", SUM_PORT, PRIM_ID_src_port },
	{ "sum_mac", SUM_MAC, PRIM_ID_src_mac },
};

enum { SUM_WORDS = sizeof(sum_words) / sizeof(sum_words[0]) };

#define BIT(id) (UINT64_C(1) << (id))
static const uint64_t beside_sums = BIT(PRIM_ID_tag) | BIT(PRIM_ID_tag2) | BIT(PRIM_ID_class);

const struct later_word later_words[] = {
	{ "as_path", "BGP" },		   { "std_comm", "BGP" },
	{ "ext_comm", "BGP" },		   { "lrg_comm", "BGP" },
	{ "local_pref", "BGP" },	   { "med", "BGP" },
	{ "src_as_path", "BGP" },	   { "src_std_comm", "BGP" },
	{ "src_ext_comm", "BGP" },	   { "src_lrg_comm", "BGP" },
	{ "src_local_pref", "BGP" },	   { "src_med", "BGP" },
	{ "src_roa", "RPKI" },		   { "dst_roa", "RPKI" },
	{ "src_host_country", "GeoIP" },   { "dst_host_country", "GeoIP" },
	{ "src_host_pocode", "GeoIP" },	   { "dst_host_pocode", "GeoIP" },
	{ "src_host_coords", "GeoIP" },	   { "dst_host_coords", "GeoIP" },
	{ "class_frame", "classifiers" },
};
const size_t nlater_words = sizeof(later_words) / sizeof(later_words[0]);

static const char *nearest_word(const char *word)
{
	const char *names[PRIMITIVES_MAX + SUM_WORDS + 2];
	size_t n = 0;

	for (size_t i = 0; i < PRIMITIVES + customs_loaded(); i++)
		names[n++] = primitives[i].name;
	for (size_t i = 0; i < SUM_WORDS; i++)
		names[n++] = sum_words[i].word;
	names[n++] = "flows";
	names[n++] = "none";
	return conf_nearest(word, names, n);
}

/* Why a word is of no use. */
static void explain_word(const char *word, char *why, size_t size)
{
	const char *near;

	for (size_t i = 0; i < nlater_words; i++) {
		if (strcmp(word, later_words[i].word) != 0)
			continue;
		snprintf(why, size, "primitive \"%s\" needs %s, which is not in this version", word,
			 later_words[i].need);
		return;
	}
	near = nearest_word(word);
	snprintf(why, size,
		 near ? "unknown primitive \"%s\", did you mean \"%s\"?" :
			"unknown primitive \"%s\"",
		 word, near);
}

/* As in the file that made it, or in other case; false when it is none, or one too many. */
static bool add_custom(struct aggregate_spec *a, const char *word)
{
	const int id = custom_find(word);

	if (id < 0)
		return false;
	for (size_t i = 0; i < a->ncustom; i++)
		if (a->custom[i] == id)
			return true;
	if (a->ncustom == CUSTOM_IN_KEY)
		return false;
	a->custom[a->ncustom++] = (uint8_t)id;
	return true;
}

/* One word into *a; false when nothing has that name. */
static bool add_word(struct aggregate_spec *a, const char *word)
{
	if (strcmp(word, "flows") == 0)
		return a->flows = true;
	if (strcmp(word, "none") == 0)
		return a->none = true;
	for (size_t i = 0; i < SUM_WORDS; i++) {
		if (strcmp(word, sum_words[i].word) != 0)
			continue;
		/* Of two sums the last one counts; its column alone may stand in the key. */
		a->sum = sum_words[i].sum;
		return true;
	}
	for (size_t i = 0; i < PRIMITIVES; i++) {
		if (strcmp(word, primitives[i].name) != 0)
			continue;
		if (primitives[i].format == PRIM_FLAGS)
			a->tcpflags = true;
		else
			a->set |= BIT(i);
		return true;
	}
	return add_custom(a, word);
}

/* A sum stands alone: drop the others, and say so in `why`. */
static void settle_sum(struct aggregate_spec *a, char *why, size_t why_size)
{
	const struct sum_word *w = sum_words;

	while (w->sum != a->sum)
		w++;
	if ((a->set & ~beside_sums) || a->ncustom || a->tcpflags || a->none)
		snprintf(why, why_size, "%s stands alone: the other primitives are dropped",
			 w->word);
	a->set = (a->set & beside_sums) | BIT(w->column);
	a->tcpflags = a->none = false;
	a->ncustom = 0;
}

bool aggregate_parse(struct aggregate_spec *a, const char *list, char *why, size_t why_size)
{
	struct aggregate_spec out = { 0 };
	bool any = false;

	if (why_size)
		why[0] = '\0';
	while (*list) {
		char word[64];
		size_t n = 0;

		for (; *list && *list != ','; list++)
			if (*list != ' ' && *list != '\t' && n < sizeof(word) - 1)
				word[n++] = (char)tolower((unsigned char)*list);
		word[n] = '\0';
		if (*list == ',')
			list++;
		if (n == 0)
			continue;
		if (!add_word(&out, word)) {
			explain_word(word, why, why_size);
			return false;
		}
		any = true;
	}
	if (!any) {
		snprintf(why, why_size, "no primitive: src_host is taken");
		out.set = BIT(PRIM_ID_src_host);
	}
	if (out.sum != SUM_NONE)
		settle_sum(&out, why, why_size);
	*a = out;
	return true;
}

static void lay_out(struct key_layout *l, size_t id)
{
	const struct primitive *p = &primitives[id];
	struct key_field *f = &l->field[l->nfields++];

	f->primitive = (uint8_t)id;
	f->width = p->width ? p->width : p->member >= 0 ? flow_fields[p->member].width :
							  format_width[p->format];
	f->offset = (uint16_t)l->size;
	l->size += f->width;
}

void key_layout_make(struct key_layout *l, const struct aggregate_spec *a)
{
	memset(l, 0, sizeof(*l));
	l->spec = *a;
	for (size_t i = 0; i < PRIMITIVES; i++) {
		if (!(a->set & BIT(i)))
			continue;
		lay_out(l, i);
		l->index[i] = (uint8_t)l->nfields;
	}
	for (size_t i = 0; i < a->ncustom; i++)
		lay_out(l, a->custom[i]);
	l->size = (l->size + 7) / 8 * 8;
}

const struct key_field *key_layout_find(const struct key_layout *l, enum primitive_id id)
{
	return l->index[id] ? &l->field[l->index[id] - 1] : NULL;
}

bool primitive_is_address(const struct primitive *p)
{
	return p->format == PRIM_HOST || p->format == PRIM_NET || p->format == PRIM_EXPORTER ||
	       p->format == PRIM_INSIDE_HOST || p->format == PRIM_CUSTOM_IP;
}

uint64_t key_number(const struct key_field *f, const uint8_t *key)
{
	const uint8_t *p = key + f->offset;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (f->width) {
	case 1:
		return *p;
	case 2:
		memcpy(&v16, p, sizeof(v16));
		return v16;
	case 4:
		memcpy(&v32, p, sizeof(v32));
		return v32;
	case 8:
		memcpy(&v64, p, sizeof(v64));
		return v64;
	default:
		return 0;
	}
}

/* Two digits a step, by hand: a purge prints millions of numbers. */
size_t number_print(char *buf, uint64_t v)
{
	static const char pairs[] = "0001020304050607080910111213141516171819"
				    "2021222324252627282930313233343536373839"
				    "4041424344454647484950515253545556575859"
				    "6061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	char digits[20];
	size_t at = sizeof(digits), n;

	for (; v >= 100; v /= 100)
		memcpy(digits + (at -= 2), pairs + v % 100 * 2, 2);
	if (v >= 10)
		memcpy(digits + (at -= 2), pairs + v * 2, 2);
	else
		digits[--at] = (char)('0' + v);
	n = sizeof(digits) - at;
	memcpy(buf, digits + at, n);
	buf[n] = '\0';
	return n;
}

static size_t print_text(char *buf, const char *text)
{
	size_t n = strlen(text);

	memcpy(buf, text, n + 1);
	return n;
}

size_t stamp_print(char *buf, int64_t when, const struct print_style *style)
{
	const time_t s = (time_t)when;
	struct tm tm = { 0 };

	if (style->epoch)
		return number_print(buf, (uint64_t)when);
	if (style->utc)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	return strftime(buf, 32, style->rfc3339 ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
}

size_t zone_print(char *buf, int64_t when, const struct print_style *style)
{
	const time_t s = (time_t)when;
	struct tm tm = { 0 };
	long minutes;

	*buf = '\0';
	if (!style->rfc3339 || style->epoch)
		return 0;
	if (!style->utc)
		localtime_r(&s, &tm);
	minutes = tm.tm_gmtoff / 60;
	if (!minutes)
		return print_text(buf, "Z");
	return (size_t)sprintf(buf, "%c%02d:%02d", minutes < 0 ? '-' : '+',
			       abs((int)minutes) / 60 % 100, abs((int)minutes) % 60);
}

static size_t print_time(char *buf, uint64_t us, const struct print_style *style)
{
	const int64_t when = (int64_t)(us / 1000000);
	size_t n;

	/* None is said as the reference says it. */
	if (us || style->epoch || style->zero_is_1970)
		n = stamp_print(buf, when, style);
	else
		n = print_text(buf, style->rfc3339 ? "0000-00-00T00:00:00" : "0000-00-00 00:00:00");
	n += (size_t)snprintf(buf + n, PRIM_TEXT_MAX - n, ".%06" PRIu64, us % 1000000);
	return n + zone_print(buf + n, when, style);
}

static size_t print_proto(char *buf, uint64_t proto, const struct print_style *style)
{
	const char *name = style->num_protos ? NULL : proto_name((uint8_t)proto);

	if (!name || (style->proto_width && strlen(name) > style->proto_width))
		return number_print(buf, proto);
	return print_text(buf, name);
}

/* Octets with dashes between; the first says how many. */
static size_t print_raw(char *buf, const uint8_t *p)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 1; i <= p[0]; i++) {
		if (n)
			buf[n++] = '-';
		buf[n++] = digits[p[i] >> 4];
		buf[n++] = digits[p[i] & 15];
	}
	buf[n] = '\0';
	return n;
}

/* A text ends at its first zero, or where its place ends. */
static size_t print_padded(char *buf, const uint8_t *p, size_t width)
{
	const size_t n = strnlen((const char *)p, width);

	memcpy(buf, p, n);
	buf[n] = '\0';
	return n;
}

size_t key_print(char *buf, const struct key_field *f, const uint8_t *key,
		 const struct print_style *style)
{
	const uint8_t *p = key + f->offset;
	struct addr a;

	switch (primitives[f->primitive].format) {
	case PRIM_MAC:
	case PRIM_INSIDE_MAC:
	case PRIM_CUSTOM_MAC:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", p[0],
					p[1], p[2], p[3], p[4], p[5]);
	case PRIM_HEX:
	case PRIM_CUSTOM_HEX:
		return (size_t)snprintf(buf, PRIM_TEXT_MAX, "%" PRIx64, key_number(f, key));
	case PRIM_PROTO:
	case PRIM_INSIDE_PROTO:
		return print_proto(buf, key_number(f, key), style);
	case PRIM_HOST:
	case PRIM_NET:
	case PRIM_EXPORTER:
	case PRIM_INSIDE_HOST:
	case PRIM_CUSTOM_IP:
		memcpy(a.b, p, sizeof(a.b));
		return strlen(addr_print(&a, buf));
	case PRIM_TEXT:
		return print_text(buf, label_text((uint32_t)key_number(f, key)));
	case PRIM_RD:
		return custom_print_rd(buf, p);
	case PRIM_CUSTOM_STR:
		return print_padded(buf, p, f->width);
	case PRIM_CUSTOM_RAW:
		return print_raw(buf, p);
	case PRIM_CLASS:
		return print_text(buf, "unknown");
	case PRIM_DIR:
		return print_text(buf, *p == 0 ? "i" : *p == 1 ? "e" : "u");
	case PRIM_TIME:
	case PRIM_ARRIVAL:
	case PRIM_EXPORTED:
		return print_time(buf, key_number(f, key), style);
	default:
		return number_print(buf, key_number(f, key));
	}
}
