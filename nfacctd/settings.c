/*
 * settings.c - a configuration into settings: its lines, the plugins they name, and each value to
 * its place.
 */
#include "nfacctd/settings_private.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/custom.h"
#include "nfacctd/sink.h"

static bool type_known(const char *type)
{
	return sink_find(type) != NULL;
}

static const char *skip_blank(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* The text from p to end without blanks, on the heap. */
static char *squeeze(const char *p, const char *end)
{
	char *out = xmalloc((size_t)(end - p) + 1);
	size_t n = 0;

	for (; p < end; p++)
		if (*p != ' ' && *p != '\t')
			out[n++] = *p;
	out[n] = '\0';
	return out;
}

static struct plugin_settings *plugin_find(struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (strcmp(s->plugin[i].name, name) == 0)
			return &s->plugin[i];
	return NULL;
}

enum { PLUGINS_MAX = 32 };

/* Takes over `type` and `name`. */
static void plugin_add(struct settings *s, const struct conf_line *l, char *type, char *name)
{
	struct plugin_settings *p;

	if (!type_known(type)) {
		conf_error(&s->conf, l,
			"plugin type \"%s\" is not known and left out; expected one of %s%s", type,
			sink_types(), strcmp(type, "tee") == 0
				? " (tees: replicator --config takes this file)" : "");
	} else if (plugin_find(s, name)) {
		conf_warn(&s->conf, l, "a second plugin \"%s\" is left out", name);
	} else if (s->nplugins == PLUGINS_MAX) {
		conf_error(
			&s->conf, l, "plugin \"%s\" is left out: more than %d", name, PLUGINS_MAX);
	} else {
		s->plugin = xrealloc(s->plugin, (s->nplugins + 1) * sizeof(*s->plugin));
		p = &s->plugin[s->nplugins++];
		memset(p, 0, sizeof(*p));
		p->type = type;
		p->name = name;
		return;
	}
	free(type);
	free(name);
}

static int plugins_parse(struct settings *s)
{
	const struct conf_line *l = conf_last(&s->conf, "plugins", NULL);
	const char *p;

	if (!l) {
		log_warn("no plugins: line, so a plugin memory[default_memory] keeps the sums for "
			 "pmacct(1); others are %s",
			sink_types());
		s->conf.warnings++;
		plugin_add(s, NULL, xstrdup("memory"), xstrdup("default_memory"));
		return 0;
	}
	for (p = skip_blank(l->value); *p; p = skip_blank(p)) {
		const char *end = p + strcspn(p, ",[");
		char *type = squeeze(p, end), *name = NULL;

		if (*end == '[') {
			const char *close = strchr(end, ']');

			if (!close) {
				conf_error(&s->conf, l, "a [ without its ]");
				free(type);
				return -1;
			}
			name = squeeze(end + 1, close);
			end = close + 1 + strcspn(close + 1, ",");
		}
		if (!name || !*name) {
			free(name);
			name = xmalloc(strlen(type) + sizeof("default_"));
			memcpy(name, "default_", sizeof("default_"));
			strcat(name, type);
		}
		if (*type) {
			plugin_add(s, l, type, name);
		} else {
			free(type);
			free(name);
		}
		p = *end == ',' ? end + 1 : end;
	}
	if (s->nplugins == 0) {
		conf_error(&s->conf, l, "no plugin is left; expected one of %s", sink_types());
		return -1;
	}
	return 0;
}

/* Lines of one settings run, with the switches behind them. */
static int read_lines(struct settings *s, const char *path, const struct conf *switches)
{
	conf_init(&s->conf);
	if (path && conf_read(&s->conf, path) < 0)
		return -1;
	for (size_t i = 0; switches && i < switches->n; i++)
		if (conf_add(&s->conf, switches->lines[i].key, switches->lines[i].name,
			    switches->lines[i].value) < 0)
			return -1;
	return 0;
}

/* Before `aggregate` is read, which may name what is in the file. */
static int load_customs(struct settings *s)
{
	const struct conf_line *l = settings_line(s, "aggregate_primitives", NULL);
	char where[SETTINGS_WHERE];
	size_t skipped = 0;

	customs_clear();
	if (!l)
		return 0;
	if (customs_load(settings_where(s, "aggregate_primitives", NULL, where), l->value,
			 &skipped) < 0) {
		s->conf.errors++;
		return -1;
	}
	s->conf.warnings += (unsigned)skipped;
	return 0;
}

static int collect_extras(struct settings *s)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (!extras_collect(&s->extras, &s->plugin[i].aggregate)) {
			settings_complain(s, "aggregate", &s->plugin[i],
				"the primitives of all plugins need more than 32 Elements beside the usual "
				"ones");
			return -1;
		}
	return 0;
}

static int apply(struct settings *s)
{
	struct conf_plugin *plugins = xcalloc(s->nplugins, sizeof(*plugins));
	int bad;

	for (size_t i = 0; i < s->nplugins; i++) {
		plugins[i].name = s->plugin[i].name;
		plugins[i].settings = &s->plugin[i];
		plugins[i].alias = settings_plugin_is_default(&s->plugin[i]) ? "default" : NULL;
	}
	conf_apply(&s->conf, settings_keys, settings_nkeys, s, plugins, s->nplugins);
	for (size_t i = 0; i < s->nplugins; i++)
		s->plugin[i].capture = s->pcap_savefile != NULL;
	bad = settings_check(s);
	if (!bad)
		bad = collect_extras(s);
	free(plugins);
	return bad;
}

void settings_default_port(struct settings *s, uint32_t port)
{
	if (!settings_global_line(s, "nfacctd_port"))
		s->port = port;
}

int settings_load(
	struct settings *s, const char *path, const struct conf *switches, unsigned *problems)
{
	int err;

	memset(s, 0, sizeof(*s));
	err = read_lines(s, path, switches);
	if (err == 0)
		err = plugins_parse(s);
	if (err == 0) {
		/* A file that is missing ends the start, though not before all is said. */
		err = load_customs(s);
		err = apply(s) < 0 ? -1 : err;
	}
	if (problems)
		*problems = s->conf.errors + s->conf.warnings;
	return err;
}

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		const struct conf_key *k = &settings_keys[i];

		if (k->type != CONF_STRING)
			continue;
		if (k->scope == CONF_GLOBAL)
			free(*(char **)(void *)((char *)s + k->offset));
		for (size_t p = 0; k->scope == CONF_PLUGIN && p < s->nplugins; p++)
			free(*(char **)(void *)((char *)&s->plugin[p] + k->offset));
	}
	for (size_t p = 0; p < s->nplugins; p++) {
		free(s->plugin[p].type);
		free(s->plugin[p].name);
	}
	free(s->plugin);
	conf_clear(&s->conf);
	memset(s, 0, sizeof(*s));
}
