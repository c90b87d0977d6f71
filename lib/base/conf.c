/*
 * conf.c - see conf.h.
 *
 * The whole file is read before a line is looked at, and every grammar error in
 * it is reported, not only the first: who repairs a configuration wants the
 * list.  Files and keys are few, so look-ups are linear scans.
 */
#include "conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "strbuf.h"

static const char command_line[] = "command line";

/* ---- messages ---- */

/* A password's key, also a mistyped one: its value does not belong into a log. */
static bool is_secret(const char *text, size_t n)
{
	return memmem(text, n, "pas", 3) != NULL;
}

static void complain(void (*to)(const char *, ...), const struct conf_line *l, const char *fmt,
		     va_list ap)
{
	struct strbuf b = { 0 };
	char text[2048];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (!l) {
		to("%s", text);
		return;
	}
	strbuf_add(&b, l->file);
	if (l->line)
		strbuf_addf(&b, ":%u", l->line);
	strbuf_addf(&b, ": %s", l->key);
	if (l->name)
		strbuf_addf(&b, "[%s]", l->name);
	to("%s \"%.1000s\": %s", b.s, is_secret(l->key, strlen(l->key)) ? "(not shown)" : l->value,
		text);
	strbuf_clear(&b);
}

void conf_error(struct conf *c, const struct conf_line *l, const char *fmt, ...)
{
	va_list ap;

	c->errors++;
	va_start(ap, fmt);
	complain(log_error, l, fmt, ap);
	va_end(ap);
}

void conf_warn(struct conf *c, const struct conf_line *l, const char *fmt, ...)
{
	va_list ap;

	c->warnings++;
	va_start(ap, fmt);
	complain(log_warn, l, fmt, ap);
	va_end(ap);
}

/* ---- grammar ---- */

void conf_init(struct conf *c)
{
	*c = (struct conf){ 0 };
}

void conf_clear(struct conf *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->lines[i].key);
		free(c->lines[i].name);
		free(c->lines[i].value);
	}
	for (size_t i = 0; i < c->nfiles; i++)
		free(c->files[i]);
	free(c->lines);
	free(c->files);
	conf_init(c);
}

/* A copy of a file's name that lives as long as `c`. */
static const char *keep_file(struct conf *c, const char *file)
{
	c->files = xrealloc(c->files, (c->nfiles + 1) * sizeof(*c->files));
	return c->files[c->nfiles++] = xstrdup(file);
}

static void append(struct conf *c, struct conf_line l)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->lines = xrealloc(c->lines, c->cap * sizeof(*c->lines));
	}
	c->lines[c->n++] = l;
}

static char *copy_span(const char *s, size_t n)
{
	char *copy = xmalloc(n + 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

static bool is_blank(char ch)
{
	return isspace((unsigned char)ch);
}

/* Without white space anywhere; malloced. */
static char *squeeze(const char *s, size_t n)
{
	char *copy = xmalloc(n + 1), *to = copy;

	for (size_t i = 0; i < n; i++)
		if (!is_blank(s[i]))
			*to++ = s[i];
	*to = '\0';
	return copy;
}

/*
 * "key" or "key[name]", squeezed, into l->key and l->name.  NULL, or what is
 * wrong with it.
 */
static const char *split_key(struct conf_line *l, const char *text)
{
	const char *open = strchr(text, '['), *close = strchr(text, ']');

	if (!*text || open == text)
		return "no key before the colon";
	if (!open != !close || (open && close < open))
		return "unbalanced brackets in the key; expected key[name]: value";
	if (open && (strchr(open + 1, '[') || strchr(close + 1, ']')))
		return "more than one pair of brackets in the key; expected key[name]: value";
	if (close && close[1])
		return "text behind the bracket; expected key[name]: value";
	if (open && close == open + 1)
		return "no name between the brackets; expected key[name]: value";
	l->key = copy_span(text, open ? (size_t)(open - text) : strlen(text));
	if (open)
		l->name = copy_span(open + 1, (size_t)(close - open - 1));
	for (char *p = l->key; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return NULL;
}

/* One line without its newline; NULL, or what is wrong with it. */
static const char *read_line(struct conf *c, struct conf_line l, const char *s, size_t n)
{
	const char *colon, *wrong;
	char *key;

	while (n && is_blank(s[0]))
		s++, n--;
	while (n && is_blank(s[n - 1]))
		n--;
	if (!n || s[0] == '!' || s[0] == '#')
		return NULL;
	if (memchr(s, '\0', n))
		return "a zero byte; expected text";
	colon = memchr(s, ':', n);
	if (!colon)
		return "no colon; expected key: value";
	key = squeeze(s, (size_t)(colon - s));
	wrong = split_key(&l, key);
	free(key);
	if (wrong)
		return wrong;
	n -= (size_t)(colon + 1 - s);
	s = colon + 1;
	while (n && is_blank(s[0]))
		s++, n--;
	l.value = copy_span(s, n);
	append(c, l);
	return NULL;
}

static void refuse_line(struct conf *c, const struct conf_line *l, const char *text, size_t n,
			const char *wrong)
{
	enum { SHOWN = 200 };

	while (n && is_blank(text[n - 1]))
		n--;
	if (is_secret(text, n))
		conf_error(c, NULL, "%s:%u: (line not shown): %s", l->file, l->line, wrong);
	else
		conf_error(c, NULL, "%s:%u: \"%.*s\": %s", l->file, l->line,
			   (int)(n > SHOWN ? SHOWN : n), text, wrong);
}

int conf_read_text(struct conf *c, const char *origin, const char *text, size_t n)
{
	struct conf_line l = { .file = keep_file(c, origin) };
	const unsigned before = c->errors;

	/* What Windows editors put in front of UTF-8. */
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3, n -= 3;
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		const char *wrong;

		l.line++;
		wrong = read_line(c, l, text, len);
		if (wrong)
			refuse_line(c, &l, text, len, wrong);
		len += end != NULL;
		text += len;
		n -= len;
	}
	return c->errors == before ? 0 : -1;
}

/* The bytes of a regular file; -1 with errno. */
static int slurp(const char *path, struct strbuf *b)
{
	/* Non-blocking: opening a FIFO must not hang. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = 0;
	char block[65536];
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		err = errno;
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? EISDIR : ENOTSUP;
	while (!err && (n = read(fd, block, sizeof(block))) != 0) {
		if (n > 0)
			strbuf_addn(b, block, (size_t)n);
		else if (errno != EINTR)
			err = errno;
	}
	close(fd);
	errno = err;
	return err ? -1 : 0;
}

int conf_read(struct conf *c, const char *path)
{
	struct strbuf b = { 0 };
	int ret = -1;

	if (slurp(path, &b) == 0)
		ret = conf_read_text(c, path, b.s ? b.s : "", b.n);
	else if (errno == EISDIR || errno == ENOTSUP)
		conf_error(c, NULL, "%s: not a regular file; expected a configuration file", path);
	else
		conf_error(c, NULL, "%s: cannot be read: %s", path, strerror(errno));
	strbuf_clear(&b);
	return ret;
}

int conf_add(struct conf *c, const char *key, const char *name, const char *value)
{
	struct conf_line l = { .file = command_line };

	l.key = xstrdup(key);
	l.name = name ? xstrdup(name) : NULL;
	l.value = xstrdup(value);
	append(c, l);
	return 0;
}

const struct conf_line *conf_last(const struct conf *c, const char *key, const char *name)
{
	for (size_t i = c->n; i-- > 0;) {
		const struct conf_line *l = &c->lines[i];

		if (strcmp(l->key, key) != 0)
			continue;
		if (name ? l->name && strcmp(l->name, name) == 0 : !l->name)
			return l;
	}
	return NULL;
}

/* ---- did you mean ---- */

enum { NEAR_MAX = 64 };		/* longer words are not compared */

/*
 * Edits (insert, delete, replace, swap of neighbours) between two words of at
 * most NEAR_MAX bytes.
 */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][NEAR_MAX + 1];
	unsigned *old = rows[0], *prev = rows[1], *row = rows[2], *free_row;
	const size_t na = strlen(a), nb = strlen(b);

	for (unsigned j = 0; j <= nb; j++)
		prev[j] = j;
	for (size_t i = 1; i <= na; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = prev[j - 1] + (a[i - 1] != b[j - 1]);

			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    old[j - 2] + 1 < best)
				best = old[j - 2] + 1;
			row[j] = best;
		}
		free_row = old;
		old = prev;
		prev = row;
		row = free_row;
	}
	return prev[nb];
}

const char *conf_nearest(const char *word, const char *const *names, size_t n)
{
	const size_t len = strlen(word);
	/* A third of the word may be wrong, three letters at most. */
	unsigned best = len < 3 ? 1 : len / 3 < 3 ? (unsigned)len / 3 : 3;
	const char *found = NULL;

	if (!len || len > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned d;

		if (strlen(names[i]) > NEAR_MAX)
			continue;
		d = distance(word, names[i]);
		if (d < best || (d == best && !found)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

/* ---- values ---- */

static bool parse_number(uint64_t *out, const char *s)
{
	uint64_t n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		const unsigned digit = (unsigned char)*s - (unsigned)'0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

bool conf_span_parse(void *field, const char *value, const char **expected)
{
	static const struct {
		char unit;
		uint32_t seconds;	/* 0: months */
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
		{ 'M', 0 } };
	struct conf_span *span = field;
	const size_t digits = strspn(value, "0123456789");
	uint32_t factor = 1;
	bool months = false;
	uint64_t n;
	char number[11];

	*expected = "a number and one of s m h d w M, as 10m; seconds below 60 or whole minutes";
	if (digits == 0 || digits >= sizeof(number) || (value[digits] && value[digits + 1]))
		return false;
	memcpy(number, value, digits);
	number[digits] = '\0';
	if (!parse_number(&n, number) || n == 0)
		return false;
	if (value[digits]) {
		size_t i = 0;

		while (i < sizeof(units) / sizeof(units[0]) && units[i].unit != value[digits])
			i++;
		if (i == sizeof(units) / sizeof(units[0]))
			return false;
		factor = units[i].seconds;
		months = factor == 0;
	}
	if (months) {
		if (n > 1200) {
			*expected = "at most 1200 months";
			return false;
		}
		*span = (struct conf_span){ .months = (uint32_t)n };
		return true;
	}
	n *= factor;		/* below 2^34 * 2^20 */
	if (n > INT32_MAX) {
		*expected = "at most 68 years";
		return false;
	}
	if (n >= 60 && n % 60 != 0)
		return false;
	*span = (struct conf_span){ .seconds = (uint32_t)n };
	return true;
}

static bool parse_bool(bool *field, const char *value, const char **expected)
{
	*expected = "true or false";
	if (strcasecmp(value, "true") == 0)
		*field = true;
	else if (strcasecmp(value, "false") == 0)
		*field = false;
	else
		return false;
	return true;
}

static bool parse_uint(const struct conf_key *k, void *field, const char *value,
		       const char **expected)
{
	static _Thread_local char text[80];
	const uint64_t top = k->type == CONF_U32 ? UINT32_MAX : UINT64_MAX;
	const uint64_t max = k->max && k->max < top ? k->max : top;
	uint64_t n;

	if (!parse_number(&n, value) || n < k->min || n > max) {
		snprintf(text, sizeof(text), "a whole number from %" PRIu64 " to %" PRIu64, k->min,
			max);
		*expected = text;
		return false;
	}
	if (k->type == CONF_U32)
		*(uint32_t *)field = (uint32_t)n;
	else
		*(uint64_t *)field = n;
	return true;
}

/* Set the member of `base` that `k` names; false with what was expected. */
static bool set_value(
	const struct conf_key *k, void *base, const char *value, const char **expected)
{
	void *field = (char *)base + k->offset;

	switch ((enum conf_type)k->type) {
	case CONF_BOOL:
		return parse_bool(field, value, expected);
	case CONF_U32:
	case CONF_U64:
		return parse_uint(k, field, value, expected);
	case CONF_STRING:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		return true;
	case CONF_CUSTOM:
		*expected = "another value";
		return k->parse(field, value, expected);
	case CONF_ACCEPTED:
		break;
	}
	return true;
}

/* ---- binding ---- */

struct binding {
	struct conf *c;
	const struct conf_key *keys;
	size_t nkeys;
	void *global;
	const struct conf_plugin *plugins;
	size_t nplugins;
	size_t *row_of;		/* by line: its row in `keys`; nkeys: none, or ignored */
};

/* Is `word` one of the blank-separated words of `list`? */
static bool in_list(const char *list, const char *word)
{
	const size_t n = strlen(word);

	while (list && *list) {
		const size_t len = strcspn(list, " ");

		if (len == n && memcmp(list, word, n) == 0)
			return true;
		list += len;
		list += strspn(list, " ");
	}
	return false;
}

static bool key_matches(const struct conf_key *k, const char *word)
{
	const size_t n = strlen(k->name);

	if (n && k->name[n - 1] == '*')
		return strncmp(k->name, word, n - 1) == 0;
	return strcmp(k->name, word) == 0 || in_list(k->aliases, word);
}

static size_t find_key(const struct binding *b, const char *word)
{
	size_t i = 0;

	while (i < b->nkeys && !key_matches(&b->keys[i], word))
		i++;
	return i;
}

static void warn_unknown_key(const struct binding *b, const struct conf_line *l)
{
	const char **names = NULL;
	char **owned = NULL;
	const char *near;
	size_t n = 0, nowned = 0;

	for (size_t i = 0; i < b->nkeys; i++) {
		const char *a = b->keys[i].aliases;

		names = xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = b->keys[i].name;
		for (size_t len; a && *a; a += len, a += strspn(a, " ")) {
			len = strcspn(a, " ");
			names = xrealloc(names, (n + 1) * sizeof(*names));
			owned = xrealloc(owned, (nowned + 1) * sizeof(*owned));
			names[n++] = owned[nowned++] = copy_span(a, len);
		}
	}
	near = conf_nearest(l->key, names, n);
	if (near)
		conf_warn(b->c, l, "unknown key, line ignored; did you mean \"%s\"?", near);
	else
		conf_warn(b->c, l, "unknown key, line ignored");
	for (size_t i = 0; i < nowned; i++)
		free(owned[i]);
	free(owned);
	free(names);
}

static bool names_plugin(const struct conf_line *l, const struct conf_plugin *p)
{
	return !l->name || strcmp(l->name, p->name) == 0 ||
		(p->alias && strcmp(l->name, p->alias) == 0);
}

static void warn_unknown_name(const struct binding *b, const struct conf_line *l)
{
	const char **names = xcalloc(b->nplugins, sizeof(*names));
	struct strbuf known = { 0 };
	const char *near;

	for (size_t i = 0; i < b->nplugins; i++) {
		names[i] = b->plugins[i].name;
		strbuf_addf(&known, "%s%s", i ? ", " : "", names[i]);
	}
	near = conf_nearest(l->name, names, b->nplugins);
	conf_warn(b->c, l, "no plugin is called \"%s\", line ignored; known: %s%s%s%s", l->name,
		  known.n ? known.s : "none", near ? "; did you mean \"" : "", near ? near : "",
		  near ? "\"?" : "");
	strbuf_clear(&known);
	free(names);
}

static void notice_accepted(const struct binding *b, size_t line)
{
	const struct conf_line *l = &b->c->lines[line];
	const struct conf_key *k = &b->keys[b->row_of[line]];

	for (size_t i = 0; i < line; i++)
		if (b->row_of[i] == b->row_of[line])
			return;
	if (l->line)
		log_info("%s:%u: %s: accepted without effect: %s", l->file, l->line, l->key,
			 k->help ? k->help : "not needed here");
	else
		log_info("%s: %s: accepted without effect: %s", l->file, l->key,
			 k->help ? k->help : "not needed here");
}

static void bad_value(const struct binding *b, size_t line, const char *expected)
{
	conf_warn(b->c, &b->c->lines[line], "invalid value, line ignored; expected %s", expected);
	b->row_of[line] = b->nkeys;	/* nothing that a later line could override */
}

/* Lines above that this one makes void; where that is a surprise, say so. */
static void beat_earlier(const struct binding *b, size_t line)
{
	const struct conf_line *l = &b->c->lines[line];
	const struct conf_key *k = &b->keys[b->row_of[line]];

	for (size_t i = 0; i < line; i++) {
		struct conf_line *e = &b->c->lines[i];

		if (b->row_of[i] != b->row_of[line] || e->beaten_by)
			continue;
		if (k->scope == CONF_PLUGIN && l->name &&
			(!e->name || strcmp(e->name, l->name) != 0))
			continue;
		e->beaten_by = l;
		if (k->scope != CONF_PLUGIN || !e->name || l->name)
			continue;
		if (e->line)
			conf_warn(b->c, l, "overrides line %u of %s, %s[%s], as a later line does; "
				  "put it above that line to keep both", e->line, e->file, e->key,
				  e->name);
		else
			conf_warn(b->c, l, "overrides the switch for [%s]", e->name);
	}
}

static void apply_global(const struct binding *b, size_t line)
{
	const struct conf_line *l = &b->c->lines[line];
	const char *expected;

	if (l->name)
		conf_warn(b->c, l, "this key is global: [%s] is ignored, the value is for all",
			l->name);
	if (set_value(&b->keys[b->row_of[line]], b->global, l->value, &expected))
		beat_earlier(b, line);
	else
		bad_value(b, line, expected);
}

static void apply_plugin(const struct binding *b, size_t line)
{
	const struct conf_line *l = &b->c->lines[line];
	const struct conf_key *k = &b->keys[b->row_of[line]];
	const char *expected;
	bool any = false;

	for (size_t i = 0; i < b->nplugins; i++) {
		if (!names_plugin(l, &b->plugins[i]))
			continue;
		any = true;
		if (!set_value(k, b->plugins[i].settings, l->value, &expected)) {
			bad_value(b, line, expected);
			return;
		}
	}
	if (any) {
		beat_earlier(b, line);
	} else if (l->name) {
		warn_unknown_name(b, l);
		b->row_of[line] = b->nkeys;
	}
}

static void apply_line(const struct binding *b, size_t line)
{
	const struct conf_line *l = &b->c->lines[line];

	if (b->row_of[line] == b->nkeys)
		warn_unknown_key(b, l);
	else if (b->keys[b->row_of[line]].type == CONF_ACCEPTED)
		notice_accepted(b, line);
	else if (b->keys[b->row_of[line]].scope == CONF_GLOBAL)
		apply_global(b, line);
	else
		apply_plugin(b, line);
}

static void apply_fallback(const struct binding *b, const struct conf_key *k)
{
	const char *expected;
	bool ok = true;

	if (!k->fallback || k->type == CONF_ACCEPTED)
		return;
	if (k->scope == CONF_GLOBAL) {
		if (b->global)
			ok = set_value(k, b->global, k->fallback, &expected);
	} else {
		for (size_t i = 0; i < b->nplugins; i++)
			ok = set_value(k, b->plugins[i].settings, k->fallback, &expected) && ok;
	}
	assert(ok && "a default in the table of keys is not a value of its key");
	(void)ok;
}

unsigned conf_apply(struct conf *c, const struct conf_key *keys, size_t nkeys, void *global,
		    const struct conf_plugin *plugins, size_t nplugins)
{
	struct binding b = { c, keys, nkeys, global, plugins, nplugins, NULL };
	const unsigned before = c->errors + c->warnings;

	b.row_of = xcalloc(c->n, sizeof(*b.row_of));
	for (size_t i = 0; i < nkeys; i++)
		apply_fallback(&b, &keys[i]);
	for (size_t i = 0; i < c->n; i++) {
		b.row_of[i] = find_key(&b, c->lines[i].key);
		c->lines[i].beaten_by = NULL;
	}
	for (size_t i = 0; i < c->n; i++)
		apply_line(&b, i);
	free(b.row_of);
	return c->errors + c->warnings - before;
}
