/*
 * trigger.c - see trigger.h.
 */
#include "nfacctd/trigger.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/name_template.h"
#include "nfacctd/sql_columns.h"

enum { VARIABLES_MAX = 24, SAY_AGAIN_SECONDS = 60, WRITERS = 1 };

void trigger_init(struct trigger *t, const struct plugin_settings *p, const struct key_layout *l,
		  int64_t now)
{
	memset(t, 0, sizeof(*t));
	t->p = p;
	t->l = l;
	t->last = INT64_MIN;
	timebin_init(&t->every, &p->trigger_time, p->history_roundoff, 0, now);
}

/* The variables of one run; their texts are on the heap. */
struct variables {
	char *text[VARIABLES_MAX];
	size_t n;
};

static void set(struct variables *v, const char *name, const char *value)
{
	struct strbuf b = { NULL, 0, 0 };

	if (!value || v->n == VARIABLES_MAX)
		return;
	strbuf_addf(&b, "%s=", name);
	strbuf_add(&b, value);
	v->text[v->n++] = b.s;
}

static void set_number(struct variables *v, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	set(v, name, text);
}

/* The table of the purge's first row: with $ variables there may be more. */
static void set_tables(struct variables *v, const struct trigger *t, const struct purge *p)
{
	char name[SQL_TABLE_NAME_MAX + 1], made[SQL_TABLE_NAME_MAX + 1];
	int64_t when = p->nrows && p->rows[0].bin ? p->rows[0].bin
		: p->slot                         ? p->slot
						  : p->deadline;

	if (t->p->sql_table)
		snprintf(name, sizeof(name), "%s", t->p->sql_table);
	else
		sql_default_table(name, sizeof(name), t->p);
	set(v, "SQL_TABLE", name);
	if (name_expand(made, sizeof(made), name, t->p, t->l, when,
			p->nrows ? p->rows[0].key : NULL))
		set(v, "EFFECTIVE_SQL_TABLE", made);
}

static void fill(struct variables *v, const struct trigger *t, const struct purge *p,
		 const struct sink_counts *before, const struct sink_counts *after)
{
	uint64_t rows = after->rows - before->rows;

	set(v, "SQL_DB", t->p->sql_db);
	set(v, "SQL_HOST", t->p->sql_host);
	set(v, "SQL_USER", t->p->sql_user);
	set_number(v, "SQL_REFRESH_TIME", t->p->refresh_time);
	set_number(v, "SQL_MAX_WRITERS", WRITERS);
	set_number(v, "SQL_ACTIVE_WRITERS", WRITERS);
	set_tables(v, t, p);
	set_number(v, "TOTAL_ELEM_NUMBER", rows);
	set_number(v, "EFFECTIVE_ELEM_NUMBER", rows - (after->rejected - before->rejected));
	set_number(v, "INSERT_QUERIES_NUMBER", after->inserted - before->inserted);
	set_number(v, "UPDATE_QUERIES_NUMBER", after->updated - before->updated);
	set_number(v, "ELAPSED_TIME", (after->write_ns - before->write_ns) / 1000000000);
	if (t->p->history.seconds || t->p->history.months) {
		set_number(v, "SQL_HISTORY_BASETIME", (uint64_t)p->slot);
		set_number(v, "SQL_HISTORY_TIMESLOT", t->p->history.seconds);
	}
}

static bool shadowed(const struct variables *v, const char *entry)
{
	size_t n = strcspn(entry, "=") + 1;

	for (size_t i = 0; i < v->n; i++)
		if (strncmp(v->text[i], entry, n) == 0)
			return true;
	return false;
}

/* The daemon's environment with ours in front. */
static char **environment(const struct variables *v)
{
	size_t n = 0, inherited = 0;
	char **e;

	while (environ[inherited])
		inherited++;
	e = xcalloc(v->n + inherited + 1, sizeof(*e));
	for (size_t i = 0; i < v->n; i++)
		e[n++] = v->text[i];
	for (size_t i = 0; i < inherited; i++)
		if (!shadowed(v, environ[i]))
			e[n++] = environ[i];
	return e;
}

/* Signals as a program expects them, not as this thread has them blocked. */
static int run(struct trigger *t, char **env)
{
	char *argv[] = { t->p->trigger_exec, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawn(&t->child, argv[0], NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	if (err)
		t->child = 0;
	return err;
}

/* The run before: over, and how; false while it lasts. */
static bool is_over(struct trigger *t)
{
	int status;

	if (!t->child)
		return true;
	if (waitpid(t->child, &status, WNOHANG) == 0)
		return false;
	t->child = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		t->failed++;
		if (log_allow(&t->told_us, clock_mono_ns() / 1000,
			    SAY_AGAIN_SECONDS * UINT64_C(1000000)))
			log_warn("plugin %s: sql_trigger_exec: \"%s\" ended with %s %d", t->p->name,
				 t->p->trigger_exec, WIFEXITED(status) ? "status" : "signal",
				 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	}
	return true;
}

void trigger_purged(struct trigger *t, const struct purge *p, const struct sink_counts *before,
		    const struct sink_counts *after)
{
	struct variables v = { { NULL }, 0 };
	char **env;
	int err;

	if (!t->p->trigger_exec || !*t->p->trigger_exec)
		return;
	if (t->every.kind != BIN_NONE) {
		int64_t span = timebin_find(&t->every, p->deadline).start;

		if (span == t->last)
			return;
		t->last = span;
	}
	if (!is_over(t)) {
		t->skipped++;
		if (log_allow(&t->told_us, clock_mono_ns() / 1000,
			    SAY_AGAIN_SECONDS * UINT64_C(1000000)))
			log_warn("plugin %s: sql_trigger_exec: \"%s\" still runs since the purge "
				 "before; it is not started again",
				t->p->name, t->p->trigger_exec);
		return;
	}
	fill(&v, t, p, before, after);
	env = environment(&v);
	err = run(t, env);
	t->runs += !err;
	t->failed += err != 0;
	if (err &&
		log_allow(
			&t->told_us, clock_mono_ns() / 1000, SAY_AGAIN_SECONDS * UINT64_C(1000000)))
		log_warn("plugin %s: sql_trigger_exec: \"%s\": %s", t->p->name, t->p->trigger_exec,
			strerror(err));
	for (size_t i = 0; i < v.n; i++)
		free(v.text[i]);
	free(env);
}
