#include "nfacctd/networks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/protonames.h"
#include "base/strbuf.h"
#include "nfacctd/map_lines.h"

/* ---- networks ---- */

/* A decimal number up to 2^32 - 1 that fills the text. */
static bool parse_u32(uint32_t *out, const char *text)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*out = (uint32_t)v;
	return true;
}

/* "[peerAS_]originAS" */
static bool parse_as(struct network *w, char *text)
{
	char *under = strchr(text, '_');

	if (under) {
		*under = '\0';
		if (!parse_u32(&w->peer_as, text))
			return false;
		text = under + 1;
	}
	return parse_u32(&w->as, text);
}

/* NULL, or what was expected. */
static const char *parse_network(struct network *w, char *text, bool *host_bits)
{
	char *field[3], *save = text;
	int n = 0;

	memset(w, 0, sizeof(*w));
	w->next_hop = addr_zero4;
	for (;;) {
		char *comma = strchr(save, ',');

		if (n == 3)
			return "at most next-hop,AS,prefix/len";
		field[n++] = save;
		if (!comma)
			break;
		*comma = '\0';
		save = comma + 1;
	}
	if (!strchr(field[n - 1], '/'))
		return "prefix/len";
	if (!prefix_parse(&w->prefix, field[n - 1], host_bits))
		return "prefix/len with an IPv4 or IPv6 address and a length that fits it";
	if (n == 3 && !addr_parse(&w->next_hop, field[0]))
		return "an address in front of the AS number";
	if (n > 1 && !parse_as(w, field[n - 2]))
		return "an AS number, or peer AS and AS with _ between them, in front of the "
		       "prefix";
	return NULL;
}

static const char *parse_sender(struct network *w, char *text, bool *host_bits)
{
	memset(w, 0, sizeof(*w));
	w->next_hop = addr_zero4;
	return prefix_parse(&w->prefix, text, host_bits) ? NULL : "an address or prefix/len";
}

static struct networks *parse(const char *origin, const char *text, size_t n, const char *what,
			      const char *(*parse_line)(struct network *, char *, bool *))
{
	struct map_lines l;
	struct networks *w = xcalloc(1, sizeof(*w));
	struct lpm_entry *entry = NULL;
	size_t cap = 0;

	map_lines_init(&l, origin, text, n);
	while (map_lines_next(&l)) {
		char copy[MAP_LINE_MAX], masked[PREFIX_TEXT];
		const char *expected = l.bad;
		bool host_bits = false;

		if (w->n == cap) {
			cap = cap ? cap * 2 : 64;
			w->net = xrealloc(w->net, cap * sizeof(*w->net));
		}
		memcpy(copy, l.text, sizeof(copy));
		if (!expected)
			expected = parse_line(&w->net[w->n], copy, &host_bits);
		if (expected) {
			map_lines_skip(&l, expected);
			continue;
		}
		if (host_bits)
			log_info("%s:%u: \"%s\": host bits are cleared: %s", origin, l.number,
				 l.text, prefix_print(&w->net[w->n].prefix, masked));
		w->n++;
	}
	w->skipped = l.skipped;
	entry = xcalloc(w->n + 1, sizeof(*entry));
	for (size_t i = 0; i < w->n; i++)
		entry[i] = (struct lpm_entry){ w->net[i].prefix, (uint32_t)i };
	w->lpm = lpm_new(entry, w->n);
	free(entry);
	if (!w->lpm) {
		log_error_errno("%s", origin);
		networks_free(w);
		return NULL;
	}
	log_info("%s: %zu %s, %zu skipped", origin, w->n, what, w->skipped);
	return w;
}

struct networks *networks_parse(const char *origin, const char *text, size_t n)
{
	return parse(origin, text, n, "networks", parse_network);
}

struct networks *senders_parse(const char *origin, const char *text, size_t n)
{
	return parse(origin, text, n, "senders allowed", parse_sender);
}

struct networks *networks_load(const char *key, const char *path)
{
	size_t n;
	char *text = map_file_text(key, path, &n);
	struct networks *w = text ? networks_parse(path, text, n) : NULL;

	free(text);
	return w;
}

struct networks *senders_load(const char *key, const char *path)
{
	size_t n;
	char *text = map_file_text(key, path, &n);
	struct networks *w = text ? senders_parse(path, text, n) : NULL;

	free(text);
	return w;
}

void networks_free(struct networks *w)
{
	if (!w)
		return;
	lpm_free(w->lpm);
	free(w->net);
	free(w);
}

/* ---- numbers ---- */

static const struct {
	uint32_t max;
	const char *expected, *what;
} number_kinds[] = {
	[NUMBERS_PORTS] = { 65535, "a port, 0 to 65535", "ports" },
	[NUMBERS_PROTOS] = { 255, "an IP protocol's name or number", "protocols" },
	[NUMBERS_TOS] = { 255, "a ToS value, 0 to 255", "ToS values" },
};

struct number_set *numbers_parse(const char *origin, const char *text, size_t n,
				 enum number_kind kind)
{
	struct map_lines l;
	struct number_set *s = xcalloc(1, sizeof(*s));

	map_lines_init(&l, origin, text, n);
	while (map_lines_next(&l)) {
		uint32_t v = UINT32_MAX;
		int proto = kind == NUMBERS_PROTOS ? proto_number(l.text) : -1;

		if (proto >= 0)
			v = (uint32_t)proto;
		else if (!parse_u32(&v, l.text))
			v = UINT32_MAX;
		if (l.bad || v > number_kinds[kind].max) {
			map_lines_skip(&l, l.bad ? l.bad : number_kinds[kind].expected);
			continue;
		}
		s->n += !numbers_has(s, v);
		s->bits[v / 64] |= UINT64_C(1) << (v % 64);
	}
	s->skipped = l.skipped;
	log_info("%s: %zu %s, %zu skipped", origin, s->n, number_kinds[kind].what, s->skipped);
	return s;
}

struct number_set *numbers_load(const char *key, const char *path, enum number_kind kind)
{
	size_t n;
	char *text = map_file_text(key, path, &n);
	struct number_set *s = text ? numbers_parse(path, text, n, kind) : NULL;

	free(text);
	return s;
}
