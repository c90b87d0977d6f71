/*
 * rules_own.c - see rules_own.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/rules_maps.h"
#include "pcapgen/rules_own.h"

/* Octets of what has no length of its own. */
enum { TEXT_OCTETS = 127, RAW_OCTETS = 85, OCTETS_MAX = 65535 };

/* ---- the file -------------------------------------------------------------------- */

/* Lengths that a kind may have: a list of them, or up to `most` and vlen. */
static const struct {
	const char *word;
	uint8_t lens[4], most;
} kinds[] = {
	{ "u_int", { 1, 2, 4, 8 }, 0 }, { "hex", { 1, 2, 4, 8 }, 0 }, { "ip", { 4, 16 }, 0 },
	{ "mac", { 6 }, 0 }, { "str", { 0 }, TEXT_OCTETS }, { "raw", { 0 }, RAW_OCTETS },
};

static bool right_length(const struct own_primitive *p)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(p->semantics, kinds[i].word))
			continue;
		return kinds[i].most ? p->len <= kinds[i].most
				     : p->len && memchr(kinds[i].lens, (int)p->len, 4) != NULL;
	}
	return false;
}

static bool whole_number(const char *text, uint32_t max, uint32_t *to)
{
	uint64_t n = 0;

	if (!*text || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		n = n * 10 + (unsigned)(*text - '0');
	}
	*to = (uint32_t)n;
	return n <= max;
}

/* [PEN:]ID */
static bool take_type(struct own_primitive *p, char *value)
{
	char *id = strchr(value, ':');
	uint32_t n = 0;

	if (id) {
		*id++ = '\0';
		if (!whole_number(value, UINT32_MAX, &p->pen))
			return false;
	}
	if (!whole_number(id ? id : value, UINT16_MAX, &n))
		return false;
	p->id = (uint16_t)n;
	return n > 0;
}

static bool take_name(struct own_primitive *p, const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n && n <= OWN_NAME; i++) {
		if (!isalnum((unsigned char)value[i]) && value[i] != '_' && value[i] != '-')
			return false;
		p->name[i] = (char)tolower((unsigned char)value[i]);
	}
	return n > 0 && n <= OWN_NAME;
}

static bool take_word(struct own_primitive *p, char *word, bool *has_len)
{
	char *value = strchr(word, '=');
	uint32_t n = 0;

	if (!value)
		return false;
	*value++ = '\0';
	if (!strcmp(word, "name"))
		return take_name(p, value);
	if (!strcmp(word, "field_type"))
		return take_type(p, value);
	if (!strcmp(word, "semantics"))
		return snprintf(p->semantics, sizeof(p->semantics), "%s", value) <
			(int)sizeof(p->semantics);
	if (strcmp(word, "len"))
		return false;
	*has_len = true;
	if (strcmp(value, "vlen") && (!whole_number(value, 255, &n) || !n))
		return false;
	p->len = (uint16_t)n;
	return true;
}

static bool read_line(struct own_primitive *p, char *line)
{
	char *save = NULL;
	bool has_len = false;

	memset(p, 0, sizeof(*p));
	for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save))
		if (!take_word(p, word, &has_len))
			return false;
	return *p->name && p->id && has_len && right_length(p);
}

int own_read(struct own_primitives *o, const char *path, bool (*taken)(const char *name))
{
	FILE *f = rules_open_map(path);
	struct own_primitive p;
	unsigned number = 0;
	char *line = NULL, *text;
	size_t cap = 0;

	memset(o, 0, sizeof(*o));
	if (!f)
		return -1;
	while (getline(&line, &cap, f) >= 0) {
		number++;
		text = rules_map_content(line);
		if (!text)
			continue;
		if (!read_line(&p, text) || taken(p.name) || own_find(o, p.name)) {
			log_warn("%s:%u: not a primitive, passed over as the collector does", path,
				number);
			continue;
		}
		o->at = xrealloc(o->at, (o->n + 1) * sizeof(*o->at));
		o->at[o->n++] = p;
	}
	free(line);
	fclose(f);
	return 0;
}

void own_clear(struct own_primitives *o)
{
	free(o->at);
	memset(o, 0, sizeof(*o));
}

const struct own_primitive *own_find(const struct own_primitives *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcasecmp(o->at[i].name, name))
			return &o->at[i];
	return NULL;
}

/* ---- what is asked of the Elements ------------------------------------------------- */

void own_sql(char *to, size_t n, const struct own_primitive *p)
{
	snprintf(to, n, "own_text(element(f.elements, %u, %u), '%s', %u)", p->pen, p->id,
		p->semantics, p->len);
}

bool own_rare_sql(char *to, size_t n, const char *name)
{
	static const struct {
		const char *name, *sql;
	} rare[] = {
#define ELEMENT(id, how) "own_text(element(f.elements, 0, " #id "), '" how "', 0)"
		{ "nat_event", ELEMENT(230, "u_int") },
		{ "fw_event", ELEMENT(233, "u_int") },
		{ "mpls_pw_id", ELEMENT(249, "u_int") },
		{ "fwd_status", ELEMENT(89, "octet") },
		{ "cos", ELEMENT(244, "octet") },
		{ "etype", ELEMENT(256, "hex") },
		{ "flow_label", ELEMENT(31, "u_int") },
		{ "peer_src_as", ELEMENT(129, "u_int") },
		{ "peer_dst_as", ELEMENT(128, "u_int") },
		{ "vxlan", ELEMENT(351, "vni") },
		{ "mpls_label_top", "label(f.elements, 'top')" },
		{ "mpls_label_bottom", "label(f.elements, 'bottom')" },
		{ "mpls_stack_depth", "label(f.elements, 'depth')" },
#undef ELEMENT
	};

	for (size_t i = 0; i < sizeof(rare) / sizeof(rare[0]); i++)
		if (!strcmp(name, rare[i].name)) {
			snprintf(to, n, "%s", rare[i].sql);
			return true;
		}
	return false;
}

/* ---- Elements in their text --------------------------------------------------------- */

/* The last one of that number, as with all Elements that stand twice; its digits, NULL for none. */
static const char *find_element(const char *text, uint32_t pen, uint32_t id, size_t *digits)
{
	const char *found = NULL;

	while (text && *text) {
		char *end;
		unsigned long a = strtoul(text, &end, 10), b = a;

		if (*end == ':')
			b = strtoul(end + 1, &end, 10);
		else
			a = 0;
		if (a == pen && b == id) {
			found = end + 1;
			*digits = strcspn(found, " ");
		}
		text = strchr(end, ' ');
		text += text != NULL;
	}
	return found;
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t octets_of(uint8_t *to, const char *digits, size_t n)
{
	for (size_t i = 0; i < n / 2; i++)
		to[i] = (uint8_t)(digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]));
	return n / 2;
}

static void fn_element(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	size_t digits = 0;
	const char *at = find_element((const char *)sqlite3_value_text(v[0]),
		(uint32_t)sqlite3_value_int64(v[1]), (uint32_t)sqlite3_value_int64(v[2]), &digits);
	uint8_t *octets;

	(void)n;
	if (!at || digits > 2 * OCTETS_MAX)
		return;
	octets = xmalloc(digits / 2 + 1);
	sqlite3_result_blob(ctx, octets, (int)octets_of(octets, at, digits), free);
}

/*
 * MPLS labels are Elements 70 (top) to 79, three octets each: 20 bits of label, 3 of class, and
 * the S bit on the last one (RFC 3032 2.1).  Without it there is no bottom, and no depth.
 */
static void fn_label(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	const char *text = (const char *)sqlite3_value_text(v[0]);
	const char *what = (const char *)sqlite3_value_text(v[1]);
	unsigned label = 0, depth;

	(void)n;
	for (depth = 1; depth <= 10; depth++) {
		size_t digits = 0;
		const char *at = find_element(text, 0, 69 + depth, &digits);
		uint8_t p[3];

		if (!at || digits < 6) {
			if (*what == 't')
				break;
			continue;
		}
		octets_of(p, at, 6);
		label = (unsigned)p[0] << 12 | (unsigned)p[1] << 4 | p[2] >> 4;
		if (*what == 't' || p[2] & 1)
			break;
		label = 0;
	}
	if (depth > 10)
		depth = label = 0;
	sqlite3_result_int(ctx, (int)(*what == 'd' ? depth : label));
}

/* ---- octets as text ------------------------------------------------------------------ */

/* How many octets a well-formed UTF-8 character has here (RFC 3629 4); 0: it is none. */
static size_t utf8(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t lead, mask;
		uint32_t least;
	} forms[] = { { 0, 0x80, 0 }, { 0xc0, 0xe0, 0x80 }, { 0xe0, 0xf0, 0x800 },
		{ 0xf0, 0xf8, 0x10000 } };

	for (size_t k = 0; k < 4; k++) {
		uint32_t c = p[0] & (uint8_t)~forms[k].mask;

		if ((p[0] & forms[k].mask) != forms[k].lead)
			continue;
		for (size_t i = 1; i <= k; i++) {
			if (i >= n || (p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		return c < forms[k].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : k + 1;
	}
	return 0;
}

static void add_text(struct strbuf *b, const uint8_t *p, size_t n, size_t room)
{
	for (size_t i = 0; i < n && p[i];) {
		size_t k = utf8(p + i, n - i);
		bool plain = k > 1 || (k == 1 && p[i] >= ' ' && p[i] != 0x7f);

		if (b->n + (k ? k : 1) > room)
			return;
		if (plain)
			strbuf_addn(b, (const char *)p + i, k);
		else
			strbuf_add(b, "?");
		i += k ? k : 1;
	}
}

/* Numbers are whole, however long the Element is; of more than 8 octets the last. */
static uint64_t number(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void add_address(struct strbuf *b, const uint8_t *p, size_t n, size_t len)
{
	char text[ADDR_TEXT];
	struct addr a = addr_zero4;

	if (n >= 16)
		a = addr_from16(p);
	else if (n >= 4)
		a = addr_from4(p);
	else if (!n && len == 16)
		memset(&a, 0, sizeof(a));
	strbuf_add(b, addr_print(&a, text));
}

/* layer2SegmentId: of eight octets the first says what it is, 1 is VXLAN. */
static void add_vni(struct strbuf *b, const uint8_t *p, size_t n)
{
	bool vxlan = n < 8 || p[n - 8] == 1;

	strbuf_addf(b, "%u", vxlan ? (unsigned)(number(p, n) & 0xffffff) : 0);
}

static void fn_own_text(sqlite3_context *ctx, int nargs, sqlite3_value **v)
{
	const uint8_t *p = sqlite3_value_blob(v[0]);
	size_t n = p ? (size_t)sqlite3_value_bytes(v[0]) : 0;
	const char *how = (const char *)sqlite3_value_text(v[1]);
	size_t len = (size_t)sqlite3_value_int(v[2]);
	struct strbuf b = { 0 };

	(void)nargs;
	strbuf_add(&b, "");
	if (!strcmp(how, "u_int"))
		strbuf_addf(&b, "%llu", (unsigned long long)number(p, n));
	else if (!strcmp(how, "octet"))
		strbuf_addf(&b, "%u", (unsigned)(number(p, n) & 0xff));
	else if (!strcmp(how, "hex"))
		strbuf_addf(&b, "%llx", (unsigned long long)number(p, n));
	else if (!strcmp(how, "vni"))
		add_vni(&b, p, n);
	else if (!strcmp(how, "ip"))
		add_address(&b, p, n, len);
	else if (!strcmp(how, "str"))
		add_text(&b, p, n, len ? len : TEXT_OCTETS);
	else if (!strcmp(how, "mac"))
		for (size_t i = 0; i < 6; i++)
			strbuf_addf(&b, "%s%02x", i ? ":" : "", n >= 6 ? p[i] : 0);
	else
		for (size_t i = 0; i < n && i < (len ? len : RAW_OCTETS); i++)
			strbuf_addf(&b, "%s%02X", i ? "-" : "", p[i]);
	sqlite3_result_text(ctx, b.s, (int)b.n, SQLITE_TRANSIENT);
	strbuf_clear(&b);
}

int rules_own_register(struct rules *r)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	return sqlite3_create_function(r->db, "element", 3, flags, r, fn_element, NULL, NULL) ||
		sqlite3_create_function(r->db, "own_text", 3, flags, r, fn_own_text, NULL, NULL) ||
		sqlite3_create_function(r->db, "label", 2, flags, r, fn_label, NULL, NULL) ? -1 : 0;
}
