/*
 * fuzz_conf.c - any bytes as a configuration file: read, bound to a table with
 * every type, and what the reader promises: lines in order, keys and names
 * without white space, a problem counted for each that was logged.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/conf.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct core {
	bool yes;
	uint32_t number;
	uint64_t large;
	char *text;
};

struct plugin {
	char *text;
	uint32_t number;
	struct conf_span span;
};

static const struct conf_key keys[] = {
	{ "yes", "daemonize debug", CONF_BOOL, CONF_GLOBAL, CONF_FIELD(struct core, yes, bool), 0,
		0, "true", "", NULL },
	{ "port", "nfacctd_port", CONF_U32, CONF_GLOBAL, CONF_FIELD(struct core, number, uint32_t),
		1, 65535, "2100", "", NULL },
	{ "large", NULL, CONF_U64, CONF_GLOBAL, CONF_FIELD(struct core, large, uint64_t), 0, 0,
		NULL, "", NULL },
	{ "ip", "nfacctd_ip", CONF_STRING, CONF_GLOBAL, CONF_FIELD(struct core, text, char *), 0, 0,
		NULL, "", NULL },
	{ "table", "sql_table", CONF_STRING, CONF_PLUGIN, CONF_FIELD(struct plugin, text, char *),
		0, 0, "acct", "", NULL },
	{ "refresh", "sql_refresh_time", CONF_U32, CONF_PLUGIN,
		CONF_FIELD(struct plugin, number, uint32_t), 1, 0, "60", "", NULL },
	{ "history", "sql_history", CONF_CUSTOM, CONF_PLUGIN,
		CONF_FIELD(struct plugin, span, struct conf_span), 0, 0, NULL, "",
		conf_span_parse },
	{ "maps_*", NULL, CONF_ACCEPTED, CONF_GLOBAL, 0, 0, 0, NULL, "", NULL },
};

static unsigned problems;

static void listen_to(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	problems += level <= LOG_LEVEL_WARN;
	/* A message is one line. */
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			abort();
}

static void check_lines(const struct conf *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct conf_line *l = &c->lines[i];

		if (i && l->line <= l[-1].line)
			abort();
		if (!l->key[0] || (l->name && !l->name[0]))
			abort();
		for (const char *p = l->key; *p; p++)
			if (isspace((unsigned char)*p) ||
				(unsigned char)*p != tolower((unsigned char)*p))
				abort();
		if (l->value[0] && isspace((unsigned char)l->value[0]))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct core core = { 0 };
	struct plugin a = { 0 }, b = { 0 };
	const struct conf_plugin plugins[] = { { "a", NULL, &a },
		{ "default_mysql", "default", &b } };
	struct conf c;
	int ret;

	problems = 0;
	log_capture(listen_to, NULL);
	conf_init(&c);
	ret = conf_read_text(&c, "fuzz.conf", (const char *)data, n);
	if ((ret < 0) != (c.errors > 0) || problems != c.errors)
		abort();
	check_lines(&c);
	conf_apply(&c, keys, sizeof(keys) / sizeof(keys[0]), &core, plugins, 2);
	if (problems != c.errors + c.warnings || !a.text || !b.text)
		abort();
	if (core.number < 1 || core.number > 65535 || a.number < 1 || a.span.seconds > INT32_MAX)
		abort();
	conf_clear(&c);
	free(core.text);
	free(a.text);
	free(b.text);
	log_capture(NULL, NULL);
	return 0;
}
