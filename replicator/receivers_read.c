/*
 * receivers_read.c - samplicator's words and file, pmacct's tee_receivers map.
 *
 * Where these differ from the programs that they come from (receivers.conf(5)
 * has the list): a prefix with host bits is normalised, with a warning, instead
 * of never matching; IPv6 masks hold to the last bit; `[::1]:8000` names a
 * port; no line is too long and no entry has too many receivers; a comment may
 * touch the word before it; a duplicate id is an error.  Every error of a file
 * is told, not only the first.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "replicator/classify.h"
#include "replicator/tenant.h"

/* ---- messages ------------------------------------------------------------- */

static void say_where(char *buf, size_t n, struct place at)
{
	if (at.line)
		snprintf(buf, n, "%s:%u", at.file, at.line);
	else
		snprintf(buf, n, "%s", at.file);
}

/* "file:line: what: "value": expected ..." */
static int complain(struct receivers *rs, struct place at, const char *what, const char *value,
		    const char *expected)
{
	char where[512];

	say_where(where, sizeof(where), at);
	log_error("%s: %s: \"%.200s\": %s", where, what, value, expected);
	rs->errors++;
	return -1;
}

static void warn(struct receivers *rs, struct place at, const char *what, const char *value,
	const char *text)
{
	char where[512];

	rs->warnings++;
	if (rs->quiet)
		return;
	say_where(where, sizeof(where), at);
	log_warn("%s: %s: \"%.200s\": %s", where, what, value, text);
}

/* ---- numbers -------------------------------------------------------------- */

/* Decimal digits up to `end`, no sign, no blank; false when it is anything else or above max. */
static bool number(const char *p, const char *end, uint64_t max, uint64_t *v)
{
	*v = 0;
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9' || *v > (max - (uint64_t)(*p - '0')) / 10)
			return false;
		*v = *v * 10 + (uint64_t)(*p - '0');
	}
	return true;
}

static bool number_all(const char *text, uint64_t max, uint64_t *v)
{
	return number(text, text + strlen(text), max, v);
}

static int resolve(struct receivers *rs, struct endpoint *e, const char *host, const char *port,
		   const struct receiver_defaults *d, struct place at, const char **why)
{
	char bare[256], kept_text[ADDR_TEXT + 64];
	bool kept;
	struct addr a;
	uint64_t v;
	size_t n = strlen(host);

	/* As endpoint_resolve() takes it: an IPv6 address with or without its brackets. */
	if (n > 2 && n < sizeof(bare) && host[0] == '[' && host[n - 1] == ']') {
		memcpy(bare, host + 1, n - 2);
		bare[n - 2] = '\0';
		host = bare;
	}
	if (d->no_lookup &&
		(!addr_parse(&a, host) || (port && !number_all(port, UINT16_MAX, &v)))) {
		*why = "names are not looked up here";
		return -1;
	}
	if (!d->names)
		return endpoint_resolve(e, host, port, d->family, why);
	if (names_resolve(d->names, e, host, port, d->family, why, &kept) < 0)
		return -1;
	if (kept) {
		char text[ADDR_TEXT];

		snprintf(kept_text, sizeof(kept_text), "cannot be looked up now, stays %s",
			addr_print(&e->addr, text));
		warn(rs, at, "name", host, kept_text);
	}
	return 0;
}

/* ---- a receiver word ------------------------------------------------------ */

/* HOST[/PORT[/FREQ[,TTL]]], cut into its parts. */
struct word {
	char host[256];
	char port[64];		/* "" when there is none */
	uint32_t frequency;
	uint8_t ttl;		/* 0: none given */
};

#define WORD_EXPECTED "expected HOST[/PORT[/FREQ[,TTL]]]"

static bool copy_part(char *to, size_t n, const char *from, const char *end)
{
	if ((size_t)(end - from) >= n)
		return false;
	memcpy(to, from, (size_t)(end - from));
	to[end - from] = '\0';
	return true;
}

/* FREQ[,TTL]; NULL, or what was expected. */
static const char *cut_frequency(struct word *w, const char *p)
{
	const char *comma = strchr(p, ',');
	const char *end = comma ? comma : p + strlen(p);
	uint64_t v;

	if (end > p) {
		if (!number(p, end, UINT32_MAX, &v) || v == 0)
			return "expected FREQ to be 1 or more: one datagram in FREQ is sent";
		w->frequency = (uint32_t)v;
	} else if (!comma) {
		return "expected FREQ after the second slash";
	}
	if (comma) {
		if (!number_all(comma + 1, 255, &v) || v == 0)
			return "expected TTL to be 1 to 255";
		w->ttl = (uint8_t)v;
	}
	return NULL;
}

/* NULL, or what was expected. */
static const char *cut_word(struct word *w, const char *text)
{
	const char *p = text, *end, *slash;

	memset(w, 0, sizeof(*w));
	w->frequency = 1;
	if (*p == '[') {
		end = strchr(p, ']');
		if (!end)
			return "expected ] behind the IPv6 address";
		p++;
	} else {
		end = p + strcspn(p, "/");
		/* host:port, as everybody writes it; with two colons it is an IPv6 address. */
		if (memchr(p, ':', (size_t)(end - p)) == strrchr(p, ':') && strchr(p, ':') &&
			strchr(p, ':') < end)
			end = strchr(p, ':');
	}
	if (end == p || !copy_part(w->host, sizeof(w->host), p, end))
		return WORD_EXPECTED;
	p = end + (*end == ']');
	if (*p == '\0')
		return NULL;
	if (*p != '/' && *p != ':')
		return WORD_EXPECTED;
	p++;
	slash = p + strcspn(p, "/");
	if (!copy_part(w->port, sizeof(w->port), p, slash))
		return WORD_EXPECTED;
	if (*slash == '\0')
		return strchr(w->port, ',')
			? "expected a TTL behind the second slash: HOST/PORT/FREQ,TTL"
			: NULL;
	return cut_frequency(w, slash + 1);
}

/*
 * A port: number, service, A-B or A+N (N ports from A).  NULL with first and
 * count, or what was expected; service is set when it is to be looked up.
 */
static const char *port_range(const char *text, uint32_t *first, uint32_t *count, bool *service)
{
	const char *mark = text + strspn(text, "0123456789");
	uint64_t a, b;

	*service = false;
	*count = 1;
	*first = RECEIVER_PORT;
	if (*text == '\0')
		return NULL;
	if (mark == text) {
		*service = true;
		return NULL;
	}
	if (!number(text, mark, UINT16_MAX, &a) || a == 0)
		return "expected a port, 1 to 65535";
	*first = (uint32_t)a;
	if (*mark == '\0')
		return NULL;
	if ((*mark != '-' && *mark != '+') || !number_all(mark + 1, UINT16_MAX, &b))
		return "expected a port, A-B or A+N";
	if (*mark == '+' ? b == 0 || a + b - 1 > UINT16_MAX : b < a)
		return "expected a range of ports that is not empty and ends at 65535 or before";
	*count = (uint32_t)(*mark == '+' ? b : b - a + 1);
	return NULL;
}

static struct receiver *pool_add(struct pool *pool, const struct endpoint *to, const struct word *w,
				 const struct receiver_defaults *d)
{
	struct receiver *r = xcalloc(1, sizeof(*r));
	char text[ENDPOINT_TEXT];
	unsigned twins = 1;
	struct addr literal;

	endpoint_print(to, text);
	for (size_t i = 0; i < pool->n; i++) {
		const struct receiver *q = pool->receivers[i];

		twins += q->to.port == to->port && addr_equal(&q->to.addr, &to->addr);
	}
	r->label = xmalloc(sizeof(text) + 16);
	if (twins > 1)
		sprintf(r->label, "%s#%u", text, twins);
	else
		strcpy(r->label, text);
	if (!addr_parse(&literal, w->host)) {
		r->name = xmalloc(sizeof(w->host) + 32);
		sprintf(r->name, "%s:%u%s", w->host, to->port, r->label + strlen(text));
	}
	r->to = *to;
	r->frequency = w->frequency;
	r->ttl = w->ttl;
	r->transparent = d->transparent;
	r->delay_us = d->delay_us;
	r->options = d->options;
	r->kind = d->transparent ? &sender_transparent : &sender_udp;
	r->out.fd = -1;
	r->health.probe_fd = r->health.tcp_fd = -1;
	r->weight = 1;
	r->raw.fd = -1;
	/* In powers of two. */
	if ((pool->n & (pool->n - 1)) == 0)
		pool->receivers = xrealloc(pool->receivers,
					   (pool->n ? 2 * pool->n : 1) * sizeof(struct receiver *));
	pool->receivers[pool->n++] = r;
	return r;
}

int receivers_add_word(struct receivers *rs, struct pool *pool, const char *text,
		       const struct receiver_defaults *d, struct place at)
{
	struct word w;
	struct endpoint to;
	uint32_t first, count;
	bool service;
	const char *why = cut_word(&w, text);
	char port[16];

	if (!why)
		why = port_range(w.port, &first, &count, &service);
	if (why)
		return complain(rs, at, "receiver", text, why);
	snprintf(port, sizeof(port), "%u", first);
	if (resolve(rs, &to, w.host, service ? w.port : port, d, at, &why) < 0)
		return complain(rs, at, "receiver", text, why);
	if (to.any || addr_is_zero(&to.addr) || to.port == 0)
		return complain(
			rs, at, "receiver", text, "expected an address and a port to send to");
	_Static_assert(RECEIVERS_MAX == 8192, "the message below says so");
	if (receivers_count(rs) + count > RECEIVERS_MAX)
		return complain(
			rs, at, "receiver", text, "expected no more than 8192 receivers in all");
	for (uint32_t i = 0; i < count; i++) {
		struct endpoint one = to;

		one.port = (uint16_t)(to.port + i);
		pool_add(pool, &one, &w, d);
	}
	return 0;
}

/* ---- samplicator's file --------------------------------------------------- */

/* A dotted mask to its length; false when it has holes. */
static bool dotted_mask(const char *text, unsigned *bits)
{
	struct addr a;
	uint32_t m, inverse;

	if (!addr_parse(&a, text) || !addr_is4(&a))
		return false;
	m = addr_host4(&a);
	inverse = ~m;
	if (inverse & (inverse + 1))
		return false;
	for (*bits = 0; m; m <<= 1)
		(*bits)++;
	return true;
}

/* SRC[/MASK] of an entry into `pool`; 0, or -1 after complaining. */
static int entry_source(struct receivers *rs, struct pool *pool, const char *text,
			const struct receiver_defaults *d, struct place at)
{
	const char *slash = strchr(text, '/'), *end = slash ? slash : text + strlen(text), *why;
	char host[256];
	struct endpoint src;
	unsigned bits, width;
	uint64_t v;
	struct addr masked;

	if (!copy_part(host, sizeof(host), text, end) || host[0] == '\0' || strcmp(host, "*") == 0)
		return complain(
			rs, at, "source", text, "expected SRC[/MASK], an address or a name");
	if (resolve(rs, &src, host, NULL, d, at, &why) < 0)
		return complain(rs, at, "source", text, why);
	width = bits = addr_is4(&src.addr) ? 32 : 128;
	if (slash && width == 32 && text[0] == '[' && number_all(slash + 1, 128, &v) && v >= 96)
		bits = (unsigned)v - 96;	/* [::ffff:10.0.0.0]/104 is 10.0.0.0/8 */
	else if (slash && number_all(slash + 1, width, &v))
		bits = (unsigned)v;
	else if (slash && (width == 128 || !dotted_mask(slash + 1, &bits)))
		return complain(rs, at, "source", text,
			width == 128
				? "expected a prefix length, 0 to 128"
				: "expected a prefix length, 0 to 32, or a mask as 255.255.0.0");
	masked = addr_mask_family(&src.addr, bits);
	if (!addr_equal(&masked, &src.addr)) {
		char kept[ADDR_TEXT + 64];

		snprintf(kept, sizeof(kept), "has host bits, taken as %s/%u",
			addr_print(&masked, host), bits);
		warn(rs, at, "source", text, kept);
	}
	/* 0.0.0.0 means everybody, whatever its mask; so does a mask that asks for nothing. */
	pool->everyone = bits == 0 || addr_is_zero(&masked);
	pool->source = (struct prefix){ masked, (uint8_t)(bits + (width == 32 ? 96 : 0)) };
	classify_compile(pool);
	return 0;
}

/* The colon that ends SRC: behind the bracket of an IPv6 address. */
static char *entry_colon(char *line)
{
	char *p = line;

	if (*p == '[') {
		p = strchr(p, ']');
		if (!p)
			return NULL;
	}
	return strchr(p, ':');
}

static char *skip_blanks(char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

static void entry_line(
	struct receivers *rs, char *line, const struct receiver_defaults *d, struct place at)
{
	char *colon, *end, *word, *save;
	struct pool *pool;
	const unsigned errors = rs->errors;

	line[strcspn(line, "#")] = '\0';
	line = skip_blanks(line);
	for (end = line + strlen(line); end > line && isspace((unsigned char)end[-1]); )
		*--end = '\0';
	if (*line == '\0')
		return;
	colon = entry_colon(line);
	if (!colon) {
		complain(rs, at, "entry", line, "expected SRC[/MASK]: RECEIVER ...");
		return;
	}
	*colon = '\0';
	for (end = colon; end > line && isspace((unsigned char)end[-1]); )
		*--end = '\0';
	word = strtok_r(colon + 1, " \t\r\n\v\f", &save);
	pool = receivers_add_pool(rs, line);
	if (entry_source(rs, pool, line, d, at) < 0)
		return;
	if (!word)
		warn(rs, at, "entry", line, "has no receivers, ignored");
	for (; word; word = strtok_r(NULL, " \t\r\n\v\f", &save))
		receivers_add_word(rs, pool, word, d, at);
	if (pool->n == 0 && rs->errors == errors) {
		free(pool->label);
		rs->npools--;
	}
}

/* ---- pmacct's map --------------------------------------------------------- */

bool tag_filter_accepts(const char *list, uint64_t tag, bool *lawful)
{
	const char *p = list;
	bool accepted = false, decided = false;

	*lawful = true;
	for (unsigned n = 0; *p; n++) {
		const char *end = p + strcspn(p, ","), *from = p + (*p == '-'),
			   *dash = memchr(from, '-', (size_t)(end - from));
		uint64_t low, high;

		if (n == 96 || !number(from, dash ? dash : end, UINT64_MAX, &low) ||
		    (dash && !number(dash + 1, end, UINT64_MAX, &high))) {
			*lawful = false;
			return false;
		}
		high = dash ? high : low;
		/* A negative element decides at once, whether it holds the tag or not. */
		if (!decided && (*p == '-' || (tag >= low && tag <= high))) {
			accepted = *p == '-' ? tag < low || tag > high : true;
			decided = true;
		}
		p = *end ? end + 1 : end;
	}
	return accepted;
}

/* A line of the map while its keys are read. */
struct map_line {
	char *ip, *balance, *tag, *weights;
	struct rule *rule;
	struct tenant *tenant;
	bool otherwise, renumber, numbers_said;
	uint64_t sample;
	uint64_t probe;
	char *spool;				/* folder; NULL: none */
	uint64_t spool_size, spool_rate;	/* MB, datagrams a second */
	uint64_t spool_sync;			/* seconds */
	const struct sender_kind *kind;		/* NULL: as tee_transparent says */
	uint64_t id, source_port;
};

enum { SPOOL_MB = 100, SPOOL_RATE = 5000, SPOOL_SYNC_S = 5 };

/* source=: whose address datagrams are sent from. */
static const struct {
	const char *word;
	const struct sender_kind *kind;
} sources[] = { { "own", &sender_udp }, { "exporter", &sender_transparent }, { "raw", &sender_raw },
	    { "proxy", &sender_proxy } };
#define SOURCES "expected own, exporter, raw or proxy"

static const char *map_source(struct map_line *m, const char *value)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (strcmp(sources[i].word, value) != 0)
			continue;
		m->kind = sources[i].kind;
		return NULL;
	}
	return SOURCES;
}

static const char *map_spool(struct map_line *m, char *value)
{
	m->spool = value;
	return access(value, W_OK | X_OK) == 0 ? NULL : "expected a folder that we may write";
}

static const char *map_flag(bool *flag, const char *value)
{
	*flag = strcmp(value, "true") == 0;
	return *flag || strcmp(value, "false") == 0 ? NULL : "expected true or false";
}

static bool map_rule(struct map_line *m, const char *key, const char *value, const char **why)
{
	static const struct rule none;
	struct rule r = m->rule ? *m->rule : none;

	if (!rule_key(&r, key, value, why))
		return false;
	if (!m->rule)
		m->rule = xcalloc(1, sizeof(*m->rule));
	*m->rule = r;
	return true;
}

static bool map_tenant(struct map_line *m, const char *key, char *value, const char **why)
{
	struct tenant *t = m->tenant ? m->tenant : xcalloc(1, sizeof(*t));

	/* Blanks part the words of a line: an expression has underscores in their place. */
	if (strcmp(key, "filter") == 0)
		for (char *p = value; *p; p++)
			if (*p == '_')
				*p = ' ';
	if (tenant_key(t, key, value, why)) {
		m->tenant = t;
		return true;
	}
	if (!m->tenant)
		free(t);
	return false;
}

static const char *map_renumber(struct map_line *m, const char *value)
{
	m->numbers_said = true;
	return map_flag(&m->renumber, value);
}

/* Keys whose value is taken as it is, or is a number. */
static const struct {
	const char *key;
	size_t offset;
} map_words[] = {
	{ "ip", offsetof(struct map_line, ip) },
	{ "balance-alg", offsetof(struct map_line, balance) },
	{ "tag", offsetof(struct map_line, tag) },
	{ "weights", offsetof(struct map_line, weights) },
};
static const struct {
	const char *key;
	size_t offset;
	uint64_t min, max;
	const char *expected;
} map_numbers[] = {
	{ "id", offsetof(struct map_line, id), 1, UINT32_MAX,
		"expected a number, 1 to 4294967295" },
	{ "src_port", offsetof(struct map_line, source_port), 0, UINT16_MAX,
		"expected a port, 0 to 65535" },
	{ "probe", offsetof(struct map_line, probe), 1, UINT16_MAX,
		"expected a TCP port, 1 to 65535" },
	{ "sample", offsetof(struct map_line, sample), 1, UINT32_MAX,
		"expected N, 1 or more: one datagram in N is sent" },
	{ "spool_size", offsetof(struct map_line, spool_size), 1, 1000000,
		"expected a number of MB, 1 to 1000000" },
	{ "spool_rate", offsetof(struct map_line, spool_rate), 1, 10000000,
		"expected datagrams a second, 1 to 10000000" },
	{ "spool_sync", offsetof(struct map_line, spool_sync), 0, 3600,
		"expected seconds, 0 to 3600; 0: never" },
};

/* False: the key is no word and no number; else *why as of map_key(). */
static bool map_plain(struct map_line *m, const char *key, char *value, const char **why)
{
	char *const line = (char *)m;
	uint64_t v;

	*why = NULL;
	for (size_t i = 0; i < sizeof(map_words) / sizeof(map_words[0]); i++) {
		if (strcmp(map_words[i].key, key) != 0)
			continue;
		memcpy(line + map_words[i].offset, &value, sizeof(char *));
		return true;
	}
	for (size_t i = 0; i < sizeof(map_numbers) / sizeof(map_numbers[0]); i++) {
		if (strcmp(map_numbers[i].key, key) != 0)
			continue;
		if (number_all(value, map_numbers[i].max, &v) && v >= map_numbers[i].min)
			memcpy(line + map_numbers[i].offset, &v, sizeof(v));
		else
			*why = map_numbers[i].expected;
		return true;
	}
	return false;
}

/* NULL, or what was expected instead of `value`. */
static const char *map_key(struct map_line *m, const char *key, char *value)
{
	const char *why;

	if (map_plain(m, key, value, &why) || map_rule(m, key, value, &why) ||
		map_tenant(m, key, value, &why))
		return why;
	if (strcmp(key, "spool") == 0)
		return map_spool(m, value);
	if (strcmp(key, "source") == 0)
		return map_source(m, value);
	if (strcmp(key, "else") == 0)
		return map_flag(&m->otherwise, value);
	if (strcmp(key, "renumber") == 0)
		return map_renumber(m, value);
	if (strncmp(key, "kafka_", 6) == 0 || strncmp(key, "zmq_", 4) == 0)
		return "Kafka and ZeroMQ are not supported; expected ip=";
	return "unknown key; expected id, ip, tag, balance-alg, weights, probe, src_port, source, "
	       "from, port, protocol, domain, agent, size, else, sample, renumber, networks, "
	       "interfaces, filter, spool, spool_size, spool_rate or spool_sync";
}

static void map_receivers(struct receivers *rs, struct pool *pool, const struct map_line *m,
			  const struct receiver_defaults *d, struct place at)
{
	char *save, *one;

	for (one = strtok_r(m->ip, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		const char *behind = one[0] == '[' && strchr(one, ']') ? strchr(one, ']') : one;

		if (!strchr(behind, ':') || strchr(one, '/')) {
			complain(rs, at, "ip", one, "expected HOST:PORT or [ADDR]:PORT");
			continue;
		}
		receivers_add_word(rs, pool, one, d, at);
	}
	for (size_t i = 0; i < pool->n; i++) {
		struct receiver *r = pool->receivers[i];

		if (m->kind) {
			r->kind = m->kind;
			r->transparent = m->kind == &sender_transparent || m->kind == &sender_raw;
			r->options.has_source = r->options.has_source && !r->transparent;
		}
		if (m->spool)
			r->spool_dir = xstrdup(m->spool);
		r->spool_limits =
			(struct spool_limits) { (m->spool_size ? m->spool_size : SPOOL_MB) << 20,
				m->spool_rate ? m->spool_rate : SPOOL_RATE,
				m->spool_sync * UINT64_C(1000000000) };
		r->probe_port = (uint16_t)m->probe;
		r->source_port = r->transparent ? 0 : (uint16_t)m->source_port;
	}
}

static void map_balance(struct receivers *rs, struct pool *pool, const char *name, struct place at)
{
	pool->balance = balance_find(name);
	if (!pool->balance)
		complain(rs, at, "balance-alg", name, balance_names);
	else if (pool->balance->splits && pool->n > 1 && !pool->renumber && !pool->tenant)
		warn(rs, at, "balance-alg", name,
			"splits the datagrams of one exporter: each receiver sees gaps "
			"in the sequence numbers without renumber=true");
}

/* weights=2,1,...: one for each receiver. */
static void map_weights(struct receivers *rs, struct pool *pool, char *text, struct place at)
{
	char whole[64], *save, *one;
	size_t n = 0;
	uint64_t v;

	snprintf(whole, sizeof(whole), "%s", text);
	for (one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save), n++) {
		if (!number_all(one, 1000, &v) || v == 0) {
			complain(rs, at, "weights", one, "expected a number, 1 to 1000");
			return;
		}
		if (n < pool->n)
			pool->receivers[n]->weight = (uint32_t)v;
	}
	if (n != pool->n)
		complain(rs, at, "weights", whole, "expected one for each receiver");
	else if (!pool->balance || !pool->balance->choose)
		warn(rs, at, "weights", whole, "has no effect without balance-alg=rendezvous");
}

/* The words of a line; false after complaining. */
static bool map_read(struct receivers *rs, struct map_line *m, char *line, struct place at)
{
	const unsigned errors = rs->errors;
	char *save;

	for (char *word = strtok_r(line, " \t\r\n\v\f", &save); word;
		word = strtok_r(NULL, " \t\r\n\v\f", &save)) {
		char *equals = strchr(word, '=');
		const char *why;

		if (!equals) {
			complain(rs, at, "map", word, "expected key=value");
			continue;
		}
		*equals = '\0';
		why = map_key(m, word, equals + 1);
		if (why)
			complain(rs, at, word, equals + 1, why);
	}
	if (rs->errors == errors && (!m->id || !m->ip))
		complain(rs, at, "map", m->id ? "ip" : "id",
			"is missing; expected id=NUMBER ip=HOST:PORT[,...]");
	return rs->errors == errors;
}

static void map_tags(struct receivers *rs, struct pool *pool, const char *tag,
		     const struct receiver_defaults *d, struct place at)
{
	bool lawful = true;

	pool->tags = rs->file_tags;
	if (!tag)
		return;
	/* A map that could not be read has been complained about. */
	pool->never = !tag_filter_accepts(tag, 0, &lawful) && !d->tag_map;
	if (lawful && pool->tags) {
		pool->tag_filter = xstrdup(tag);
		pool->picky = true;
	}
	if (!lawful)
		complain(rs, at, "tag", tag,
			"expected N, -N, A-B, -A-B, with commas between, at most 96");
	else if (pool->never)
		warn(rs, at, "tag", tag,
			"without pre_tag_map every datagram has tag 0: this pool gets none");
}

/* What a pool wants; rule and tenant are its own from here on. */
static void map_selection(
	struct receivers *rs, struct pool *pool, const struct map_line *m, struct place at)
{
	pool->rule = m->rule;
	pool->tenant = m->tenant;
	pool->otherwise = m->otherwise;
	pool->picky = m->rule || m->otherwise;
	pool->sample = m->sample ? (uint32_t)m->sample : 1;
	/* Who samples and says no more wants numbers without gaps. */
	pool->renumber = (m->numbers_said ? m->renumber : m->sample > 1) && !m->tenant;
	if (m->renumber && m->tenant)
		warn(rs, at, "renumber", "true",
			"has no effect: datagrams of chosen records have numbers of their own");
	rs->has_else |= m->otherwise;
}

static void map_line(
	struct receivers *rs, char *line, const struct receiver_defaults *d, struct place at)
{
	struct map_line m = { .spool_sync = SPOOL_SYNC_S };
	struct pool *pool;
	char label[32];

	line = skip_blanks(line);
	if (*line == '\0' || *line == '!' || *line == '#')
		return;
	if (!map_read(rs, &m, line, at)) {
		free(m.rule);
		tenant_free(m.tenant);
		return;
	}
	snprintf(label, sizeof(label), "pool %llu", (unsigned long long)m.id);
	for (size_t i = rs->file_pools; i < rs->npools; i++)
		if (strcmp(rs->pools[i].label, label) == 0)
			complain(rs, at, "id", label + 5, "another pool has this id");
	pool = receivers_add_pool(rs, label);
	map_receivers(rs, pool, &m, d, at);
	map_selection(rs, pool, &m, at);
	if (m.balance)
		map_balance(rs, pool, m.balance, at);
	if (m.weights)
		map_weights(rs, pool, m.weights, at);
	for (size_t i = 0; i < pool->n; i++)
		pool->receivers[i]->watched =
			m.spool || (pool->balance && pool->balance->choose);
	map_tags(rs, pool, m.tag, d, at);
}

/* ---- files ---------------------------------------------------------------- */

static int read_lines(struct receivers *rs, const char *origin, FILE *f,
	const struct receiver_defaults *d, bool map)
{
	const unsigned errors = rs->errors;
	struct place at = { origin, 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	rs->file_pools = rs->npools;
	rs->file_tags = NULL;
	if (d->tag_map) {
		rs->tags = xrealloc(rs->tags, (rs->ntags + 1) * sizeof(struct tags *));
		rs->file_tags = rs->tags[rs->ntags++] = 
			tags_read(d->files, d->tag_map, &rs->errors);
	}
	rs->files++;
	while (errno = 0, (n = getline(&line, &room, f)) >= 0) {
		at.line++;
		if (strlen(line) != (size_t)n)
			complain(rs, at, "line", line, "holds a NUL byte");
		else if (map)
			map_line(rs, line, d, at);
		else
			entry_line(rs, line, d, at);
	}
	if (ferror(f)) {
		log_error_errno("%s", origin);
		rs->errors++;
	}
	free(line);
	return rs->errors == errors ? 0 : -1;
}

static int read_file(
	struct receivers *rs, const char *path, const struct receiver_defaults *d, bool map)
{
	FILE *f = files_open(d->files, path);
	int result;

	if (!f) {
		log_error_errno("%s", path);
		rs->errors++;
		return -1;
	}
	result = read_lines(rs, path, f, d, map);
	fclose(f);
	return result;
}

int receivers_read(struct receivers *rs, const char *path, const struct receiver_defaults *d)
{
	return read_file(rs, path, d, false);
}

int receivers_read_map(struct receivers *rs, const char *path, const struct receiver_defaults *d)
{
	return read_file(rs, path, d, true);
}

int receivers_read_text(struct receivers *rs, const char *origin, const char *text, size_t n,
			const struct receiver_defaults *d, bool map)
{
	FILE *f = n ? fmemopen((void *)(uintptr_t)text, n, "r") : NULL;
	int result;

	if (!f)
		return n ? -1 : 0;
	result = read_lines(rs, origin, f, d, map);
	fclose(f);
	return result;
}
