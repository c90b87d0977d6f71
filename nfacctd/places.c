/*
 * places.c - see places.h.
 */
#include "nfacctd/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/log.h"

static unsigned complain(
	const struct settings *s, const char *key, const char *plugin, const char *path)
{
	char where[SETTINGS_WHERE];

	log_error_errno("%s: \"%s\"", settings_where(s, key, plugin, where), path);
	return 1;
}

/* Whether a file `path` could be; with `deep` the directories that it stands in are made, too. */
static bool has_place(const char *path, bool deep)
{
	char *up = strdup(path), *slash;
	struct stat st;
	bool found = false;

	if (!up)
		return false;
	while (!found && (slash = strrchr(up, '/')) && slash != up) {
		*slash = '\0';
		found = stat(up, &st) == 0;
		if (!found && !(deep && errno == ENOENT))
			break;
	}
	if (found && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	/* In the directory of now, or in /: those are there.  Rights are not asked for. */
	found = !slash || slash == up || (found ? S_ISDIR(st.st_mode) : errno == EACCES);
	if (found && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		found = false;
	}
	free(up);
	return found;
}

static bool can_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return S_ISREG(st.st_mode) && st.st_mode & 0111;
}

unsigned places_check(const struct settings *s)
{
	const struct {
		const char *key, *path;
		bool deep;
	} files[] = {
		{ "pidfile", s->pidfile, false },
		{ "logfile", s->logfile, true },
		{ "nfacctd_stats_file", s->stats_file, false },
		{ "nfacctd_templates_file", s->templates_file, false },
	};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path && !has_place(files[i].path, files[i].deep))
			n += complain(s, files[i].key, NULL, files[i].path);
	for (size_t i = 0; i < s->nplugins; i++) {
		const struct plugin_settings *p = &s->plugin[i];

		if (strcmp(p->type, "memory") == 0 && p->imt_path && !has_place(p->imt_path, false))
			n += complain(s, "imt_path", p->name, p->imt_path);
		if (p->trigger_exec && !can_run(p->trigger_exec))
			n += complain(s, "sql_trigger_exec", p->name, p->trigger_exec);
	}
	return n;
}
