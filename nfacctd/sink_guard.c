/*
 * sink_guard.c - what stands between a plugin and its database when the
 * configuration names a spool (sql_recovery_logfile) or a second server
 * (sql_recovery_backup_host).
 *
 * With a spool a purge is a file before the database is given it, and until it is
 * in: who kills us in mid-write, or between the commits of two parts, loses nothing
 * that was purged.  A purge that the database does not take goes to the second
 * server, when it is certainly not in the first; else its file stays, and from then
 * on every purge is one, in order, until the files are written: an outage costs disk
 * and not memory.  A file is only written where a table flow_ledger makes a second
 * write of it count once: we may die between COMMIT and the removal of the file.
 *
 * A purge never changes sides: what may be in one database, or stands in a file
 * for it, is not given to the other.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/spool.h"

enum {
	BACKOFF_MAX = 60,	/* seconds between attempts at the oldest file */
	DRAIN_SECONDS = 5,	/* of writing files, then the plugin is looked after again */
	SAY_AGAIN_SECONDS = 60
};

static const uint64_t second_ns = 1000000000;

/* A file that waits. */
struct kept {
	char *path;
	int64_t now;		/* when its purge was made */
	uint64_t run, id, rows, octets, packets, bytes;
	bool left;		/* damaged, or not of our making: not touched again */
};

struct guard {
	const struct plugin_settings *p;
	const struct key_layout *l;
	const struct sink *sink;
	uint64_t run_id;
	void *first, *second;	/* NULL: not open */
	struct plugin_settings twin;	/* of the second server */
	char twin_name[128];
	uint64_t bound;		/* id of the purge that may be in the second one; 0: none */
	bool at_second;		/* the purge that was written last is in the second one */
	bool remembers;		/* as the first one said last */
	struct kept *file;	/* the oldest first */
	size_t nfiles;
	uint64_t bytes;
	uint32_t backoff;
	uint64_t retry_ns, opened_ns, full_us, no_file_us;
	struct sink_counts foreign;	/* of other runs' purges: not in this run's books */
	struct sink_counts counts;
};

/* ---- counts ---- */

static void add(struct sink_counts *to, const struct sink_counts *from, uint64_t sign)
{
	to->purges += sign * from->purges;
	to->rows += sign * from->rows;
	to->inserted += sign * from->inserted;
	to->updated += sign * from->updated;
	to->rejected += sign * from->rejected;
	to->rejected_octets += sign * from->rejected_octets;
	to->rejected_packets += sign * from->rejected_packets;
	to->statements += sign * from->statements;
	to->retries += sign * from->retries;
	to->reconnects += sign * from->reconnects;
	to->ambiguous += sign * from->ambiguous;
	to->write_ns += sign * from->write_ns;
}

static const struct sink_counts *guard_counts(void *handle)
{
	static const uint64_t minus = UINT64_MAX;	/* modulo 2^64 */
	struct guard *g = handle;
	struct sink_counts *c = &g->counts;
	const struct sink_counts keep = *c;

	memset(c, 0, sizeof(*c));
	c->elsewhere = keep.elsewhere;
	c->elsewhere_octets = keep.elsewhere_octets;
	if (g->first)
		add(c, g->sink->counts(g->first), 1);
	if (g->second)
		add(c, g->sink->counts(g->second), 1);
	add(c, &g->foreign, minus);
	for (size_t i = 0; i < g->nfiles; i++) {
		if (g->file[i].run != g->run_id)
			continue;
		c->spooled++;
		c->spooled_rows += g->file[i].rows;
		c->spooled_octets += g->file[i].octets;
		c->spooled_packets += g->file[i].packets;
	}
	return c;
}

/* ---- files ---- */

static void forget_file(struct guard *g, size_t i)
{
	g->bytes -= g->file[i].bytes;
	free(g->file[i].path);
	memmove(&g->file[i], &g->file[i + 1], (g->nfiles - i - 1) * sizeof(*g->file));
	g->nfiles--;
}

static struct kept *add_file(struct guard *g)
{
	g->file = xrealloc(g->file, (g->nfiles + 1) * sizeof(*g->file));
	memset(&g->file[g->nfiles], 0, sizeof(*g->file));
	return &g->file[g->nfiles++];
}

/* A file that cannot be written as it is: told once, and no obstacle to the others. */
static void leave(struct guard *g, struct kept *k, const char *why)
{
	(void)g;
	log_error("%s: %s; it is left as it is", k->path, why);
	k->left = true;
}

static int by_age(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->now != y->now)
		return x->now < y->now ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* A run that was killed while it made a file; the purge is lost with it, and said to be. */
static void remove_beginnings(const struct guard *g)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s.%s.[0-9]*.[0-9]*.spool.part",
		 g->p->sql_recovery_logfile, g->p->name);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (unlink(found.gl_pathv[i]) == 0)
			log_warn("%s: an earlier run ended while it made this file of a purge, "
				 "which is not in the database; it is removed",
				 found.gl_pathv[i]);
	globfree(&found);
}

/* What earlier runs left. */
static void find_files(struct guard *g)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s.%s.[0-9]*.[0-9]*.spool", g->p->sql_recovery_logfile,
		 g->p->name);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct kept *k = add_file(g);
		struct spool_purge s;
		const char *why = spool_load(&s, found.gl_pathv[i], true);

		*k = (struct kept){ xstrdup(found.gl_pathv[i]), s.purge.now, s.purge.run,
				    s.purge.id, s.purge.nrows, s.octets, s.packets, s.size, false };
		g->bytes += k->bytes;
		if (why)
			leave(g, k, why);
		spool_clear(&s);
	}
	globfree(&found);
	if (g->nfiles)
		qsort(g->file, g->nfiles, sizeof(*g->file), by_age);
}

static struct kept *oldest(const struct guard *g)
{
	for (size_t i = 0; i < g->nfiles; i++)
		if (!g->file[i].left)
			return &g->file[i];
	return NULL;
}

/* The first server, opened now when it was not there at the start. */
static bool have_first(struct guard *g)
{
	uint64_t now = clock_mono_ns();

	if (!g->first && now - g->opened_ns >= BACKOFF_MAX * second_ns) {
		g->opened_ns = now;
		g->first = g->sink->open(g->p, g->l, g->run_id);
	}
	if (g->first)
		g->remembers = g->sink->remembers(g->first);
	return g->first != NULL;
}

/* The ledger knows it: a file that stays is no more than untidy. */
static void remove_file(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		log_warn_errno("%s: is written and cannot be removed", path);
}

/* One file into the first server; false when it has to wait. */
static bool write_file(struct guard *g, struct kept *k)
{
	char *key = spool_key(g->l);
	const struct sink_counts before = *g->sink->counts(g->first), *after;
	struct spool_purge s;
	const char *why = spool_load(&s, k->path, false);
	bool done = false;

	if (!why && strcmp(key, s.key) != 0)
		why = "its rows are made of other primitives than aggregate is now";
	free(key);
	if (why) {
		leave(g, k, why);
		spool_clear(&s);
		return true;
	}
	done = g->sink->write(g->first, &s.purge) == SINK_OK;
	after = g->sink->counts(g->first);
	if (k->run != g->run_id) {
		add(&g->foreign, after, 1);
		add(&g->foreign, &before, UINT64_MAX);
	}
	if (done) {
		g->at_second = false;
		log_info("%s: %zu rows of %s written, %" PRIu64 " refused", k->path, s.purge.nrows,
			 k->run == g->run_id ? "this run" : "an earlier run",
			 after->rejected - before.rejected);
		remove_file(k->path);
		forget_file(g, (size_t)(k - g->file));
	}
	spool_clear(&s);
	return done;
}

/* Files that wait, in their order.  True when none is left to be written. */
static bool drain(struct guard *g, bool now)
{
	const uint64_t start = clock_mono_ns();
	struct kept *k = oldest(g);

	if (!k)
		return true;
	if (!now && start < g->retry_ns)
		return false;
	while (k && have_first(g) && g->remembers && write_file(g, k)) {
		k = oldest(g);
		g->backoff = 0;
		if (k && clock_mono_ns() - start > DRAIN_SECONDS * second_ns)
			return false;	/* and on at the next turn */
	}
	if (!k)
		return true;
	g->backoff = g->backoff ? g->backoff * 2 : 1;
	if (g->backoff > BACKOFF_MAX)
		g->backoff = BACKOFF_MAX;
	g->retry_ns = clock_mono_ns() + g->backoff * second_ns;
	return false;
}

/* Is there no room for so many bytes?  Told now and then, where it matters. */
static bool is_full(struct guard *g, const struct purge *p, uint64_t bytes, bool tell)
{
	if (g->bytes + bytes <= g->p->sql_recovery_size)
		return false;
	if (tell && log_allow(&g->full_us, clock_mono_ns() / 1000, SAY_AGAIN_SECONDS * 1000000))
		log_error("plugin %s: sql_recovery_size: %" PRIu64 " bytes wait in files; purge %"
			  PRIu64 " waits in memory", g->p->name, g->bytes, p->id);
	return true;
}

/* The file of a purge, not yet among those that wait; false when there is none. */
static bool make_file(struct guard *g, const struct purge *p, struct kept *k, bool tell)
{
	struct purge own = *p;
	char path[PATH_MAX];

	*k = (struct kept){ .now = p->now, .id = p->id, .rows = p->nrows, .run = g->run_id };
	if (!g->p->sql_recovery_logfile || !g->remembers ||
	    is_full(g, p, 1024 + p->nrows * (g->l->size + 40), tell))
		return false;
	own.run = g->run_id;
	if (!spool_name(path, g->p->sql_recovery_logfile, g->p->name, g->run_id, p->id) ||
	    spool_save(path, g->p->name, g->l, &own, &k->bytes) != 0) {
		if (log_allow(&g->no_file_us, clock_mono_ns() / 1000,
			      SAY_AGAIN_SECONDS * 1000000))
			log_warn_errno("plugin %s: sql_recovery_logfile: purge %" PRIu64
				       " is in memory only: \"%s\"", g->p->name, p->id, path);
		return false;
	}
	for (size_t i = 0; i < p->nrows; i++) {
		k->octets += p->rows[i].sums.octets;
		k->packets += p->rows[i].sums.packets;
	}
	k->path = xstrdup(path);
	return true;
}

static void drop_file(struct kept *k)
{
	if (k->path)
		remove_file(k->path);
	free(k->path);
	k->path = NULL;
}

/* The purge waits in its file, which is made now unless it is there; false: in memory. */
static bool keep(struct guard *g, const struct purge *p, struct kept *k)
{
	if (!k->path && !make_file(g, p, k, true))
		return false;
	g->bytes += k->bytes;
	*add_file(g) = *k;
	log_info("plugin %s: purge %" PRIu64 " (%zu rows) waits in %s", g->p->name, p->id, p->nrows,
		 k->path);
	return true;
}

/* ---- the second server ---- */

static bool have_second(struct guard *g)
{
	if (!g->p->sql_backup_host)
		return false;
	if (!g->second)
		g->second = g->sink->open(&g->twin, g->l, g->run_id);
	return g->second != NULL;
}

/* True when it is in; else g->bound says whether it may be. */
static bool write_second(struct guard *g, const struct purge *p)
{
	uint64_t octets = 0;

	if (!have_second(g))
		return false;
	if (g->sink->write(g->second, p) != SINK_OK) {
		g->bound = g->sink->trouble(g->second) == SINK_DOUBT ? p->id : 0;
		return false;
	}
	for (size_t i = 0; i < p->nrows; i++)
		octets += p->rows[i].sums.octets;
	g->bound = 0;
	g->at_second = true;
	g->counts.elsewhere++;
	g->counts.elsewhere_octets += octets;
	log_warn("plugin %s: purge %" PRIu64 " (%zu rows) is written to sql_recovery_backup_host "
		 "\"%s\"", g->p->name, p->id, p->nrows, g->p->sql_backup_host);
	return true;
}

/* ---- a purge ---- */

/*
 * Into the first server, with a file as long as it is not in.  False when it may go to
 * another place; then nothing of it is in the first, and *k is its file, if it has one.
 */
static bool write_first(struct guard *g, const struct purge *p, struct kept *k,
			enum sink_result *result)
{
	enum sink_trouble trouble;

	make_file(g, p, k, false);
	*result = g->sink->write(g->first, p);
	if (*result == SINK_OK) {
		drop_file(k);
		g->at_second = false;
		g->remembers = g->sink->remembers(g->first);
		return true;
	}
	trouble = g->sink->trouble(g->first);
	if (trouble != SINK_DOUBT && trouble != SINK_BUSY)
		return false;
	if (keep(g, p, k))
		*result = SINK_OK;
	return true;
}

static enum sink_result guard_write(void *handle, const struct purge *p)
{
	enum sink_result result;
	struct guard *g = handle;
	struct kept k = { .path = NULL };

	/* What may be in the second server stays with it, whatever became of the first. */
	if (g->bound == p->id) {
		if (write_second(g, p))
			return SINK_OK;
		if (g->bound)
			return SINK_RETRY;
	} else if (drain(g, p->last) && have_first(g)) {
		if (write_first(g, p, &k, &result))
			return result;
	} else if (oldest(g) && !g->backoff && keep(g, p, &k)) {
		return SINK_OK;		/* files are being written, one after the other */
	}
	if (have_second(g)) {
		drop_file(&k);		/* else the first would be given it again */
		if (write_second(g, p))
			return SINK_OK;
	}
	return !g->bound && keep(g, p, &k) ? SINK_OK : SINK_RETRY;
}

static void guard_tend(void *handle)
{
	drain(handle, false);
}

static int guard_salvage(void *handle, const struct purge *p)
{
	struct guard *g = handle;
	void *to = g->bound == p->id || !g->first ? g->second : g->first;

	return to ? g->sink->salvage(to, p) : -1;
}

static int guard_execute(void *handle, const char *sql, size_t n, char why[static 256])
{
	struct guard *g = handle;

	if (g->at_second && have_second(g))
		return g->sink->execute(g->second, sql, n, why);
	if (have_first(g))
		return g->sink->execute(g->first, sql, n, why);
	snprintf(why, 256, "no connection");
	return -1;
}

static bool guard_at_second(void *handle)
{
	return ((struct guard *)handle)->at_second;
}

/* ---- life ---- */

static void guard_close(void *handle)
{
	struct guard *g = handle;

	if (!g)
		return;
	if (g->nfiles)
		log_warn("plugin %s: %zu purges wait in files %s.%s.*.spool; the next start writes "
			 "them", g->p->name, g->nfiles, g->p->sql_recovery_logfile, g->p->name);
	while (g->nfiles)
		forget_file(g, g->nfiles - 1);
	if (g->first)
		g->sink->close(g->first);
	if (g->second)
		g->sink->close(g->second);
	free(g->file);
	free(g);
}

/* The plugin as the second server sees it: another host, or another file. */
static struct plugin_settings twin_of(const struct plugin_settings *p, char *name, size_t size)
{
	struct plugin_settings twin = *p;

	snprintf(name, size, "%.100s@backup", p->name);
	twin.name = name;
	if (strcmp(p->type, "sqlite3") == 0)
		twin.sql_db = p->sql_backup_host;
	else
		twin.sql_host = p->sql_backup_host;
	return twin;
}

static void *guard_open(const struct plugin_settings *p, const struct key_layout *l,
			uint64_t run_id)
{
	struct guard *g = xcalloc(1, sizeof(*g));

	g->p = p;
	g->l = l;
	g->sink = sink_find(p->type);
	g->run_id = run_id;
	g->twin = twin_of(p, g->twin_name, sizeof(g->twin_name));
	g->opened_ns = clock_mono_ns();
	g->first = g->sink->open(p, l, run_id);
	if (p->sql_backup_host && !have_second(g))
		log_warn("plugin %s: sql_recovery_backup_host: \"%s\" cannot be used now", p->name,
			 p->sql_backup_host);
	if (!g->first && !g->second) {
		guard_close(g);
		return NULL;
	}
	g->at_second = !g->first;
	if (!p->sql_recovery_logfile)
		return g;
	remove_beginnings(g);
	find_files(g);
	if (g->first && !g->sink->remembers(g->first))
		log_warn("plugin %s: sql_recovery_logfile needs a table flow_ledger "
			 "(sql/flow_ledger.%s): without it a purge waits in memory and %zu files of "
			 "earlier runs stay", p->name, p->type, g->nfiles);
	drain(g, true);
	return g;
}

static unsigned guard_check(const struct plugin_settings *p, const struct key_layout *l)
{
	const struct sink *sink = sink_find(p->type);
	struct plugin_settings twin;
	char name[128];
	unsigned problems = sink->check(p, l);

	if (!p->sql_backup_host)
		return problems;
	twin = twin_of(p, name, sizeof(name));
	return problems + sink->check(&twin, l);
}

static const struct sink guard = {
	.type = "guard",
	.open = guard_open,
	.check = guard_check,
	.write = guard_write,
	.salvage = guard_salvage,
	.counts = guard_counts,
	.tend = guard_tend,
	.execute = guard_execute,
	.at_second = guard_at_second,
	.close = guard_close,
};

const struct sink *sink_guarded(const struct sink *sink, const struct plugin_settings *p)
{
	return sink && sink->remembers && (p->sql_recovery_logfile || p->sql_backup_host) ? &guard
											  : sink;
}
