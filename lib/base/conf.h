/*
 * conf.h - `key[name]: value` files, as pmacct's daemons read them.
 *
 * Two steps.  conf_read() knows the grammar only: comments (`!` or `#` as first
 * non-blank), the first colon, brackets, white space, CRLF; it gives lines with
 * their origin.  conf_apply() binds the lines, in order, to the members of the
 * program's settings structs through a table of keys, so that a later line
 * overrides an earlier one and every complaint has a file, a line, the key, the
 * value in quotes and what was expected.
 *
 * Grammar errors are fatal (missing colon, bad brackets, empty key), the rest
 * warns and goes on, as users' files rely on: unknown key (with a "did you
 * mean"), bad value (default stays), unknown [name].  With conf_strict every
 * warning counts, for --check.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_line {
	const char *file;	/* "command line" for switches */
	unsigned line;
	char *key;		/* lower case, no white space */
	char *name;		/* what stood in [..], or NULL */
	char *value;		/* trimmed; "" when nothing stood there */
	const struct conf_line
		*beaten_by; /* set by conf_apply: a later line that overrode this one */
};

struct conf {
	struct conf_line *lines;
	size_t n;
	unsigned errors, warnings;	/* logged so far */
	size_t cap;			/* the rest is conf.c's own */
	char **files;
	size_t nfiles;
};

void conf_init(struct conf *c);
void conf_clear(struct conf *c);
/* Append the lines of `path`; 0, or -1 after logging what is wrong. */
int conf_read(struct conf *c, const char *path);
/* The same from text in memory, for tests and fuzzing. */
int conf_read_text(struct conf *c, const char *origin, const char *text, size_t n);
/* Append one line as if it stood last in the file: a command line switch. */
int conf_add(struct conf *c, const char *key, const char *name, const char *value);
/*
 * The last line of a key, NULL if there is none: for keys needed before
 * conf_apply, as `plugins`.  Without a name only lines without [name] count.
 */
const struct conf_line *conf_last(const struct conf *c, const char *key, const char *name);

/*
 * Log `file:line: key "value": message` and count it; without a line only the
 * message.  The value of a key that holds a password is not shown.
 */
void conf_error(struct conf *c, const struct conf_line *l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conf_warn(struct conf *c, const struct conf_line *l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

enum conf_type {
	CONF_BOOL,	/* bool: true, false; any case */
	CONF_U32,	/* uint32_t: decimal, min..max */
	CONF_U64,	/* uint64_t: decimal, min..max */
	CONF_STRING,	/* char *: heap copy, owned by the settings struct */
	CONF_CUSTOM,	/* parse() says what */
	CONF_ACCEPTED	/* known, without effect here: one notice with help's text */
};
enum conf_scope {
	CONF_GLOBAL, /* offset into the global struct; a [name] warns and is ignored: it applies to
			all */
	CONF_PLUGIN /* offset into the struct of the plugin named, or of every plugin */
};

struct conf_key {
	const char *name; /* canonical; the manual's spelling; "kafka_*" is all that begin so */
	const char *aliases;		/* "a b c" or NULL */
	uint8_t type, scope;
	uint16_t offset;
	uint64_t min, max;		/* of CONF_U32, CONF_U64; max 0: what the type holds */
	const char *fallback; /* default, as text; applied first; NULL: the struct's zero */
	const char *help; /* one sentence for the manual; for CONF_ACCEPTED why it has no effect */
	/* CONF_CUSTOM: set *(field) from value; false with *expected set to "what was expected". */
	bool (*parse)(void *field, const char *value, const char **expected);
};

/* Offset of member f of struct S, checked to have type T. */
#define CONF_FIELD(S, f, T) \
	((uint16_t)(offsetof(S, f) + 0 * sizeof(char[_Generic(((S *)0)->f, T: 1)])))

/* Plugins that [name] can mean. */
struct conf_plugin {
	const char *name;
	const char *alias;	/* a second name that is accepted, or NULL */
	void *settings;
};

/*
 * Apply defaults, then every line in order.  Lines with a key that `keys` does
 * not have are warned about.  Returns the number of problems (0: clean); the
 * settings are usable in any case.  A global line that overrides an earlier
 * [name] line of the same key is applied (as the reference does) with a warning
 * that names both.
 */
unsigned conf_apply(struct conf *c, const struct conf_key *keys, size_t nkeys, void *global,
		    const struct conf_plugin *plugins, size_t nplugins);

/* "10m" "1h" "2w" "1M" "300": number + unit s m h d w M. months is set for M, else seconds. */
struct conf_span {
	uint32_t seconds, months;
};
bool conf_span_parse(void *field, const char *value, const char **expected);

/* Names closest to `word`, for "did you mean"; NULL when nothing is near. */
const char *conf_nearest(const char *word, const char *const *names, size_t n);

#endif /* CONF_H */
