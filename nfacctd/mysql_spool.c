/*
 * mysql_spool.c - a purge that waits for its database stands in a file as well,
 * so that the end of this process is not its end; and such files are replayed
 * when the next one starts.  The file is mysql_salvage.c's: a statement a line.
 *
 * Only with a table flow_ledger: the line that each file begins with makes it
 * count once, also when we die between COMMIT and the removal of the file.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "nfacctd/mysql_sink.h"
#include "nfacctd/salvage.h"

void mysql_spool(struct sink_mysql *s, const struct purge *p)
{
	if (!s->p->sql_recovery_logfile || !s->ledger || s->spooled == p->id)
		return;
	if (mysql_save(s, p, s->spool_path) != 0) {
		log_warn_errno("%s: sql_recovery_logfile: purge %" PRIu64
			       " is in memory only: \"%s\"",
			s->who, p->id, s->spool_path);
		return;
	}
	s->spooled = p->id;
	log_info("%s: purge %" PRIu64 " (%zu rows) waits, and stands in %s", s->who, p->id,
		p->nrows, s->spool_path);
}

void mysql_unspool(struct sink_mysql *s, const struct purge *p)
{
	if (s->spooled != p->id)
		return;
	/* The ledger knows it: a file that stays is no more than untidy. */
	if (unlink(s->spool_path) != 0 && errno != ENOENT)
		log_warn_errno(
			"%s: \"%s\" is written and cannot be removed", s->who, s->spool_path);
	s->spooled = 0;
}

static bool is_ledger_line(const char *line)
{
	return strncmp(line, "INSERT INTO flow_ledger ", 24) == 0 ||
		strncmp(line, "-- INSERT INTO flow_ledger ", 27) == 0;
}

/* Whole as it was written, with its line of the ledger; else *why. */
static bool is_whole(FILE *f, char **line, size_t *size, const char **why)
{
	uint64_t sum = salvage_sum_start();
	bool ledger = false, doubt = false;
	char last[sizeof("-- sum \n") + SALVAGE_SUM_DIGITS] = "", want[sizeof(last)];
	ssize_t n;

	while ((n = getline(line, size, f)) >= 0) {
		if (strncmp(*line, "-- sum ", 7) == 0) {
			snprintf(last, sizeof(last), "%s", *line);
			continue;
		}
		if (*last)	/* something behind the sum */
			break;
		sum = salvage_sum(sum, *line, (size_t)n);
		ledger |= is_ledger_line(*line);
		doubt |= strncmp(*line, "-- ITS COMMIT HAD NO ANSWER", 27) == 0;
	}
	snprintf(want, sizeof(want), "-- sum %016" PRIx64 "\n", sum);
	*why = ferror(f)                            ? "cannot be read"
		: n >= 0 || strcmp(last, want) != 0 ? "checksum is wrong or missing"
		: !ledger                           ? "has no line of flow_ledger"
		: doubt ? "its COMMIT had no answer and there was no flow_ledger: look first "
			  "whether it is in"
			: NULL;
	return *why == NULL;
}

struct replayed {
	uint64_t rows, refused;
	bool there;		/* the ledger had it */
};

/* The statements of a file; 0, or the error that ended it. */
static unsigned run_file(struct sink_mysql *s, FILE *f, char **line, size_t *size, const char *path,
			 struct replayed *r)
{
	ssize_t n;
	bool refused = false;	/* the UPDATE before */

	memset(r, 0, sizeof(*r));
	while ((n = getline(line, size, f)) >= 0) {
		const char *text = *line;
		bool ledger = is_ledger_line(text);
		unsigned err;

		if (ledger && *text == '-')
			text += 3;
		else if (*text == '-' ||
			strncmp(text, "CREATE TABLE ", 13) == 0) /* the ledger is here */
			continue;
		n -= text - *line;
		while (n && strchr(";\n", text[n - 1]))
			n--;
		err = link_run(&s->link, text, (size_t)n, NULL);
		if (ledger && err == 1062) {
			r->there = true;
			return 0;
		}
		if (link_meaning(err) == LINK_REFUSED && !ledger) {
			r->refused++;
			refused = strncmp(text, "UPDATE ", 7) == 0;
			log_error("%s: %s: a row is refused: %s (%u): %.*s", s->who, path,
				s->link.why, err, n < 900 ? (int)n : 900, text);
			continue;
		}
		if (err)
			return err;
		/* A row is an INSERT, or an UPDATE and an INSERT that does nothing where it found
		 * one. */
		r->rows += strncmp(text, "INSERT INTO ", 12) == 0 && !ledger && !refused;
		refused = false;
	}
	return 0;
}

/* True when the next file may be tried. */
static bool replay_file(struct sink_mysql *s, const char *path)
{
	char *line = NULL, why_text[sizeof(s->link.why)];
	const char *why = "cannot be opened";
	FILE *f = fopen(path, "re");
	size_t size = 0;
	struct replayed r;
	unsigned err = 0;

	if (!f || !is_whole(f, &line, &size, &why)) {
		log_error("%s: %s: %s; it is left as it is", s->who, path, why);
	} else {
		rewind(f);
		err = run_file(s, f, &line, &size, path, &r);
		if (err || r.there) {
			snprintf(why_text, sizeof(why_text), "%s", s->link.why);
			if (s->link.mysql)
				link_runf(&s->link, "ROLLBACK");
		}
		if (err)
			log_warn("%s: %s: not replayed: %s (%u); the next start tries again",
				s->who, path, why_text, err);
		else if (r.there)
			log_info("%s: %s: is in the database already", s->who, path);
		else
			log_info("%s: %s: %" PRIu64 " rows of an earlier run written, %" PRIu64
				 " refused",
				s->who, path, r.rows, r.refused);
		if (!err && unlink(path) != 0)
			log_warn_errno("%s: \"%s\" is written and cannot be removed", s->who, path);
	}
	free(line);
	if (f)
		fclose(f);
	return err == 0;
}

static int by_age(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	struct stat p, q;

	if (stat(x, &p) != 0 || stat(y, &q) != 0)
		return strcmp(x, y);
	if (p.st_mtim.tv_sec != q.st_mtim.tv_sec)
		return p.st_mtim.tv_sec < q.st_mtim.tv_sec ? -1 : 1;
	return (p.st_mtim.tv_nsec > q.st_mtim.tv_nsec) - (p.st_mtim.tv_nsec < q.st_mtim.tv_nsec);
}

void mysql_replay_saved(struct sink_mysql *s)
{
	char pattern[PATH_MAX];
	glob_t g;
	int n;

	if (!s->p->sql_recovery_logfile || !*s->p->sql_recovery_logfile)
		return;
	n = snprintf(pattern, sizeof(pattern), "%s.%s.[0-9]*.[0-9]*.sql",
		s->p->sql_recovery_logfile, s->p->name);
	if (n < 0 || (size_t)n >= sizeof(pattern) || glob(pattern, GLOB_NOSORT, NULL, &g) != 0)
		return;
	qsort(g.gl_pathv, g.gl_pathc, sizeof(g.gl_pathv[0]), by_age);
	if (!s->ledger)
		log_warn("%s: %zu purges of earlier runs wait in %s: they are replayed only with a "
			 "table flow_ledger (sql/flow_ledger.mysql)",
			s->who, g.gl_pathc, pattern);
	for (size_t i = 0; s->ledger && i < g.gl_pathc; i++)
		if (!replay_file(s, g.gl_pathv[i]))
			break;
	globfree(&g);
}
