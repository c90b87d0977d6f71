/*
 * settings_lines.c - which line a value comes from: for messages and for --dump-config.
 */
#include "nfacctd/settings_private.h"

#include <string.h>
#include "base/log.h"

bool settings_plugin_is_default(const struct plugin_settings *p)
{
	return strncmp(p->name, "default_", 8) == 0 && strcmp(p->name + 8, p->type) == 0;
}

const struct conf_line *settings_line(
	const struct settings *s, const char *key, const char *plugin)
{
	const struct conf_line *last = conf_last(&s->conf, key, plugin);
	const char *word = "";
	char name[64];
	size_t n;

	for (size_t i = 0; i < settings_nkeys; i++)
		if (strcmp(settings_keys[i].name, key) == 0 && settings_keys[i].aliases)
			word = settings_keys[i].aliases;
	for (; (n = strcspn(word, " ")); word += n + strspn(word + n, " ")) {
		const struct conf_line *l;

		snprintf(name, sizeof(name), "%.*s", (int)n, word);
		l = conf_last(&s->conf, name, plugin);
		if (l && (!last || l > last))
			last = l;
	}
	return last;
}

/* The line a plugin's value came from, or a made-up one that names the plugin. */
static const struct conf_line *origin(
	const struct settings *s, const char *key, const struct plugin_settings *p)
{
	const struct conf_line *l = settings_line(s, key, p->name);

	if (!l && settings_plugin_is_default(p))
		l = settings_line(s, key, "default");
	return l ? l : settings_line(s, key, NULL);
}

void settings_complain(
	struct settings *s, const char *key, const struct plugin_settings *p, const char *text)
{
	const struct conf_line *l = origin(s, key, p);

	if (l) {
		conf_error(&s->conf, l, "plugin %s: %s", p->name, text);
		return;
	}
	log_error("plugin %s: %s: %s", p->name, key, text);
	s->conf.errors++;
}

const struct conf_line *settings_global_line(const struct settings *s, const char *key)
{
	const struct conf_line *l = conf_last(&s->conf, key, NULL);
	char other[64];

	if (l || strncmp(key, "nfacctd_", 8) != 0)
		return l;
	snprintf(other, sizeof(other), "s%s", key + 1);
	return conf_last(&s->conf, other, NULL);
}

const char *settings_where(const struct settings *s, const char *key, const char *plugin,
	char buf[static SETTINGS_WHERE])
{
	const struct conf_line *named = plugin ? settings_line(s, key, plugin) : NULL;
	const struct conf_line *l = settings_line(s, key, NULL);

	for (size_t i = 0; plugin && !named && i < s->nplugins; i++)
		if (settings_plugin_is_default(&s->plugin[i]) && strcmp(s->plugin[i].name, plugin) == 0)
			named = settings_line(s, key, "default");

	/* Of both the later line counts. */
	if (named && (!l || named > l))
		l = named;
	if (!l)
		snprintf(buf, SETTINGS_WHERE, "%s", key);
	else if (l->line)
		snprintf(buf, SETTINGS_WHERE, "%.200s:%u: %s%s%.60s%s", l->file, l->line, l->key,
			l->name ? "[" : "", l->name ? l->name : "", l->name ? "]" : "");
	else
		snprintf(buf, SETTINGS_WHERE, "%.200s: %s", l->file, l->key);
	return buf;
}

static bool is_key(const struct conf_key *k, const char *name)
{
	const size_t n = strlen(name);

	if (strcmp(k->name, name) == 0)
		return true;
	for (const char *a = k->aliases; a && (a = strstr(a, name)); a += n)
		if ((a == k->aliases || a[-1] == ' ') && (a[n] == ' ' || a[n] == '\0'))
			return true;
	return false;
}

/* What no line says. */
static void print_defaults(const struct settings *s, FILE *to)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		const struct conf_key *k = &settings_keys[i];
		bool said = k->type == CONF_ACCEPTED || !k->fallback || !*k->fallback;

		for (size_t l = 0; l < s->conf.n && !said; l++)
			said = !s->conf.lines[l].name && is_key(k, s->conf.lines[l].key);
		if (!said)
			fprintf(to, "%s: %s\t! default\n", k->name,
				strcmp(k->name, "sql_passwd") == 0 ? "(not shown)" : k->fallback);
	}
}

void settings_print_lines(const struct settings *s, FILE *to)
{
	for (size_t i = 0; i < s->conf.n; i++) {
		const struct conf_line *l = &s->conf.lines[i];
		bool secret = strcmp(l->key, "sql_passwd") == 0;

		fprintf(to, "%s%s%s%s: %s\t! %s", l->key, l->name ? "[" : "",
			l->name ? l->name : "", l->name ? "]" : "",
			secret ? "(not shown)" : l->value, l->file);
		if (l->line)
			fprintf(to, ":%u", l->line);
		if (l->beaten_by)
			fprintf(to, ", overridden by %s:%u", l->beaten_by->file,
				l->beaten_by->line);
		fputc('\n', to);
	}
	print_defaults(s, to);
}
