/*
 * settings_private.h - how settings are made, between the files that make them:
 *
 *	settings.c	lines and plugins, each value to its place
 *	settings_keys.c	the table of keys, by which that is done
 *	settings_values.c	values with a grammar of their own
 *	settings_check.c	what has to be true of values together
 *	settings_lines.c	which line a value comes from
 *	settings_roff.c	what the manual pages say about keys
 */
#ifndef SETTINGS_PRIVATE_H
#define SETTINGS_PRIVATE_H

#include "nfacctd/settings.h"

/* conf_parse_fn of the table: false, and *expected is what should have stood there. */
bool value_aggregate(void *field, const char *value, const char **expected);
bool value_print_output(void *field, const char *value, const char **expected);
bool value_net_source(void *field, const char *value, const char **expected);
bool value_as_source(void *field, const char *value, const char **expected);
bool value_filter(void *field, const char *value, const char **expected);
bool value_v8_dialect(void *field, const char *value, const char **expected);
bool value_sql_data(void *field, const char *value, const char **expected);
bool value_table_type(void *field, const char *value, const char **expected);
bool value_events(void *field, const char *value, const char **expected);
bool value_any_all(void *field, const char *value, const char **expected);
bool value_ext_mode(void *field, const char *value, const char **expected);
bool value_direction(void *field, const char *value, const char **expected);
bool value_sflow_octets(void *field, const char *value, const char **expected);
bool value_preprocess(void *field, const char *value, const char **expected);
bool value_priority(void *field, const char *value, const char **expected);
bool value_octal(void *field, const char *value, const char **expected);
bool value_user(void *field, const char *value, const char **expected);
bool value_group(void *field, const char *value, const char **expected);
bool value_proxies(void *field, const char *value, const char **expected);

/* What must be true together, and what one value implies for another; -1 after saying why not. */
int settings_check(struct settings *s);

/* It has no name of its own: "print" alone is default_print, and [default] means it. */
bool settings_plugin_is_default(const struct plugin_settings *p);
/* The last line with this key, by any of its names; of a plugin, or (NULL) of all. */
const struct conf_line *settings_line(
	const struct settings *s, const char *key, const char *plugin);
/* The line of a global key, by its name or that with sfacctd_ in front. */
const struct conf_line *settings_global_line(const struct settings *s, const char *key);
/* One line about the value of a plugin, with where it comes from. */
void settings_complain(
	struct settings *s, const char *key, const struct plugin_settings *p, const char *text);

#endif /* SETTINGS_PRIVATE_H */
