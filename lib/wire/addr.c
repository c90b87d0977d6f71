/*
 * addr.c - addresses and prefixes: text both ways, masks.
 *
 * The text is what inet_ntop() gives, RFC 5952 with the one habit that the
 * addresses of ::/96 end in dotted form: it goes into SQL keys, and rows must
 * be the same as those of collectors that print with inet_ntop().
 */
#include "addr.h"

const struct addr addr_zero4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0 } };
const struct addr addr_zero6;

bool addr_is_zero(const struct addr *a)
{
	return addr_equal(a, &addr_zero4) || addr_equal(a, &addr_zero6);
}

const struct addr *addr_zero_like(const struct addr *a)
{
	return addr_is4(a) ? &addr_zero4 : &addr_zero6;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* ---- text ------------------------------------------------------------------ */

/* Dotted quad at `s`, four numbers without leading zeros; the end, or NULL. */
static const char *parse4(uint8_t out[4], const char *s)
{
	for (int i = 0; i < 4; i++) {
		unsigned v = 0;
		int digits = 0;

		if (i > 0 && *s++ != '.')
			return NULL;
		for (; *s >= '0' && *s <= '9'; s++) {
			if (digits++ && v == 0)
				return NULL;
			v = v * 10 + (unsigned)(*s - '0');
			if (v > 255)
				return NULL;
		}
		if (digits == 0)
			return NULL;
		out[i] = (uint8_t)v;
	}
	return s;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* RFC 4291 2.2 at `s`: groups, at most one "::", dotted end; the end, or NULL. */
static const char *parse6(uint8_t out[16], const char *s)
{
	int n = 0, gap = -1;

	memset(out, 0, 16);
	if (s[0] == ':') {
		if (s[1] != ':')
			return NULL;
		s++;
	}
	while (n < 16) {
		const char *group = s;
		unsigned v = 0;

		if (*s == ':') {		/* the second colon of "::" */
			if (gap >= 0)
				return NULL;
			gap = n;
			s++;
			if (hex_digit(*s) < 0)
				break;
			continue;
		}
		for (; hex_digit(*s) >= 0 && s - group < 4; s++)
			v = v << 4 | (unsigned)hex_digit(*s);
		if (s == group)
			return NULL;
		if (*s == '.') {
			if (n > 12 || !(s = parse4(out + n, group)))
				return NULL;
			n += 4;
			break;
		}
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		if (*s != ':' || n == 16)
			break;
		s++;
		if (*s != ':' && hex_digit(*s) < 0)
			return NULL;
	}
	if (gap < 0)
		return n == 16 ? s : NULL;
	if (n > 14)
		return NULL;
	memmove(out + 16 - (n - gap), out + gap, (size_t)(n - gap));
	memset(out + gap, 0, (size_t)(16 - n));
	return s;
}

/* As addr_parse, up to the end that is returned; *colon: written as IPv6. */
static const char *parse(struct addr *a, const char *text, bool *colon)
{
	const char *end;
	uint8_t b[16];

	*colon = memchr(text, ':', strlen(text)) != NULL;
	end = *colon ? parse6(b, text) : parse4(b, text);
	if (end)
		*a = *colon ? addr_from16(b) : addr_from4(b);
	return end;
}

bool addr_parse(struct addr *a, const char *text)
{
	struct addr out;
	const char *end;
	bool colon;

	end = parse(&out, text, &colon);
	if (!end || *end)
		return false;
	*a = out;
	return true;
}

static char *print_decimal(char *to, unsigned v)
{
	if (v >= 100)
		*to++ = (char)('0' + v / 100);
	if (v >= 10)
		*to++ = (char)('0' + v / 10 % 10);
	*to++ = (char)('0' + v % 10);
	return to;
}

static char *print4(char *to, const uint8_t b[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		to = print_decimal(to, b[i]);
	}
	return to;
}

static char *print_group(char *to, unsigned v)
{
	static const char digits[] = "0123456789abcdef";

	for (int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0; shift >= 0; shift -= 4)
		*to++ = digits[v >> shift & 15];
	return to;
}

/* RFC 5952 4.2: the longest run of at least two zero groups, the first of equals. */
static int longest_zeros(const uint16_t g[8], int *len)
{
	int best = -1;

	*len = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && g[i + n] == 0)
			n++;
		if (n > *len) {
			*len = n;
			best = i;
		}
		i += n;
	}
	return best;
}

char *addr_print(const struct addr *a, char buf[static ADDR_TEXT])
{
	uint16_t g[8];
	int gap, len;
	char *to = buf;

	if (addr_is4(a)) {
		*print4(buf, a->b + 12) = '\0';
		return buf;
	}
	for (int i = 0; i < 8; i++)
		g[i] = be16(a->b + 2 * i);
	gap = longest_zeros(g, &len);
	for (int i = 0; i < 8; ) {
		if (i == gap) {
			*to++ = ':';
			*to++ = ':';
			i += len;
			if (gap == 0 && len == 6) {
				to = print4(to, a->b + 12);
				break;
			}
			continue;
		}
		if (i && i != gap + len)
			*to++ = ':';
		to = print_group(to, g[i++]);
	}
	*to = '\0';
	return buf;
}

/* ---- prefixes -------------------------------------------------------------- */

struct addr addr_mask(const struct addr *a, unsigned len)
{
	struct addr m = { { 0 } };

	if (len >= 128)
		return *a;
	memcpy(m.b, a->b, len / 8);
	m.b[len / 8] = (uint8_t)(a->b[len / 8] & 0xff00u >> len % 8);
	return m;
}

struct addr addr_mask_family(const struct addr *a, unsigned bits)
{
	if (addr_is4(a))
		bits = bits > 32 ? 128 : 96 + bits;
	return addr_mask(a, bits);
}

bool prefix_parse(struct prefix *p, const char *text, bool *host_bits)
{
	struct addr a, masked;
	unsigned bits = 0, max;
	const char *s;
	bool colon;

	s = parse(&a, text, &colon);
	if (!s)
		return false;
	max = colon ? 128 : 32;
	if (*s == '/') {
		const char *digits = ++s;

		for (; *s >= '0' && *s <= '9' && s - digits < 3; s++)
			bits = bits * 10 + (unsigned)(*s - '0');
		if (s == digits || bits > max)
			return false;
	} else {
		bits = max;
	}
	if (*s)
		return false;
	p->len = (uint8_t)(colon ? bits : 96 + bits);
	masked = addr_mask(&a, p->len);
	if (host_bits)
		*host_bits = !addr_equal(&masked, &a);
	p->addr = masked;
	return true;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct addr m = addr_mask(a, p->len);

	return addr_equal(&m, &p->addr) && (p->len >= 96 || !addr_is4(a));
}

unsigned prefix_bits(const struct prefix *p)
{
	return p->len >= 96 && addr_is4(&p->addr) ? p->len - 96u : p->len;
}

char *prefix_print(const struct prefix *p, char buf[static PREFIX_TEXT])
{
	char *to;

	addr_print(&p->addr, buf);
	to = buf + strlen(buf);
	*to++ = '/';
	*print_decimal(to, prefix_bits(p)) = '\0';
	return buf;
}
