/*
 * sink_print.c - sums as text: CSV, JSON lines or columns, to stdout or files.
 *
 * A file appears whole or not at all: it is written beside its place and
 * renamed; when it is appended to, a failure cuts it back to where it ended.
 * What was not written stays with the caller.  Pipes and FIFOs cannot be cut
 * back: after a failure their reader gets the purge once more from its start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/owner.h"
#include "nfacctd/name_template.h"
#include "nfacctd/row_text.h"
#include "nfacctd/salvage.h"
#include "nfacctd/sink.h"

enum {
	CHUNK_BYTES = 1 << 16,
	NAMES_REMEMBERED = 1024,
	SAY_AGAIN_SECONDS = 60
};

struct sink_print {
	const struct plugin_settings *p;
	const struct key_layout *l;
	uint64_t run_id;
	char who[96];
	struct row_text text;
	struct strbuf buf;
	struct sink_counts counts;
	/* files that this run wrote already: a name of a bin that comes again is appended to */
	uint64_t names[NAMES_REMEMBERED];
	size_t nnames;
	uint64_t partial;	/* id of a purge of which `groups_done` files are written */
	size_t groups_done;
	bool unfinished;	/* the last purge was early, or one of a capture: its file goes on */
	char *latest;		/* the highest name so far */
	int trouble;		/* last errno that was told */
	uint64_t trouble_us;
};

/* A file that is being written, and how to take it back. */
struct out {
	int fd;
	const char *path;
	char partial[PATH_MAX];	/* its name until it is whole; "" when it is appended to */
	off_t start;		/* -1: cannot be cut back */
};

static uint64_t name_hash(const char *s)
{
	uint64_t h = 14695981039346656037u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 1099511628211u;
	return h;
}

static bool wrote_before(const struct sink_print *s, const char *name)
{
	uint64_t h = name_hash(name);

	for (size_t i = 0; i < s->nnames && i < NAMES_REMEMBERED; i++)
		if (s->names[i] == h)
			return true;
	return false;
}

static void remember(struct sink_print *s, const char *name)
{
	if (!wrote_before(s, name))
		s->names[s->nnames++ % NAMES_REMEMBERED] = name_hash(name);
}

static int make_directories(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0777) == 0)
			owner_give_path(copy);
		else if (errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return 0;
}

static int open_making(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0 && errno == ENOENT && make_directories(path) == 0)
		fd = open(path, flags | O_CLOEXEC, 0666);
	return fd;
}

/* "dir/name" -> "dir/.name.part": hidden from who collects by pattern. */
static int partial_name(char *to, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	int n = snprintf(to, size, "%.*s.%s.part", (int)(base - path), path, base);

	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int out_open(struct out *o, const struct sink_print *s, const char *path)
{
	struct stat st;
	bool exists = stat(path, &st) == 0, fifo = exists && S_ISFIFO(st.st_mode);

	o->path = path;
	o->partial[0] = '\0';
	o->start = -1;
	if (fifo) {	/* without a reader: ENXIO, not a wait */
		o->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (o->fd >= 0)
			fcntl(o->fd, F_SETFL, 0);
	} else if (s->p->print_append || s->unfinished ||
		(name_is_dynamic(s->p->print_output_file) && wrote_before(s, path)) ||
		(exists && !S_ISREG(st.st_mode))) {
		o->fd = open_making(path, O_WRONLY | O_CREAT | O_APPEND);
		if (o->fd >= 0 && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode))
			o->start = st.st_size;
	} else {
		if (partial_name(o->partial, sizeof(o->partial), path) != 0)
			return -1;
		o->start = 0;
		o->fd = open_making(o->partial, O_WRONLY | O_CREAT | O_TRUNC);
	}
	if (o->fd >= 0 && (!exists || o->partial[0]))
		owner_give(o->fd);
	return o->fd < 0 ? -1 : 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

/* The purge, or one file's share of it, as text. */
static int put_rows(struct sink_print *s, int fd, bool head, const struct purge *p,
		    const struct sum_row *const *rows, size_t n)
{
	const uint64_t start = clock_mono_ns();

	strbuf_reset(&s->buf);
	if (s->p->print_markers)
		row_text_start(&s->buf, &s->text, (long)getpid());
	if (head)
		row_text_head(&s->buf, &s->text);
	for (size_t i = 0; i < n; i++) {
		row_text_row(&s->buf, &s->text, p, rows[i]);
		if (s->buf.n < CHUNK_BYTES)
			continue;
		if (write_all(fd, s->buf.s, s->buf.n) != 0)
			return -1;
		strbuf_reset(&s->buf);
	}
	if (s->p->print_markers)
		row_text_end(&s->buf, &s->text, (long)getpid(), n,
			     (unsigned)((clock_mono_ns() - start) / 1000000000));
	return s->buf.n ? write_all(fd, s->buf.s, s->buf.n) : 0;
}

/* Make it last, or take it back; errno as it was when err is not 0. */
static int out_close(struct out *o, int err)
{
	int saved = errno;

	if (err == 0 && o->start >= 0 && fsync(o->fd) != 0) {
		err = -1;
		saved = errno;
	}
	if (err != 0 && o->start >= 0 && !o->partial[0] && ftruncate(o->fd, o->start) != 0)
		log_error_errno("%s: cannot be cut back to %jd bytes", o->path, (intmax_t)o->start);
	if (close(o->fd) != 0 && err == 0) {
		err = -1;
		saved = errno;
	}
	if (err == 0 && o->partial[0] && rename(o->partial, o->path) != 0) {
		err = -1;
		saved = errno;
	}
	if (err != 0 && o->partial[0])
		unlink(o->partial);
	errno = saved;
	return err;
}

static int put_file(struct sink_print *s, const char *path, const struct purge *p,
		    const struct sum_row *const *rows, size_t n)
{
	struct out o;
	int err;

	if (out_open(&o, s, path) != 0)
		return -1;
	err = put_rows(s, o.fd, o.start <= 0, p, rows, n);
	err = out_close(&o, err);
	if (err == 0)
		remember(s, path);
	return err;
}

static void say(struct sink_print *s, const char *path, const struct purge *p)
{
	int err = errno;

	if (err != s->trouble)
		s->trouble_us = 0;
	s->trouble = err;
	if (log_allow(&s->trouble_us, clock_mono_ns() / 1000,
		    SAY_AGAIN_SECONDS * UINT64_C(1000000))) {
		errno = err;
		log_warn_errno("%s: \"%s\" cannot be written; %zu rows are kept and tried again",
			s->who, path, p->nrows);
	}
}

/* print_latest_file points to the file with the highest name. */
static void move_latest(struct sink_print *s, const char *path, int64_t when, const uint8_t *key)
{
	char link[PATH_MAX], temporary[PATH_MAX];

	if (!s->p->print_latest_file || (s->latest && strcmp(path, s->latest) < 0))
		return;
	free(s->latest);
	s->latest = strdup(path);
	if (!name_expand(link, sizeof(link), s->p->print_latest_file, s->p, s->l, when, key) ||
	    partial_name(temporary, sizeof(temporary), link) != 0)
		return;
	unlink(temporary);
	if (symlink(path, temporary) != 0 || rename(temporary, link) != 0)
		log_warn_errno(
			"%s: print_latest_file: \"%s\" cannot point to %s", s->who, link, path);
}

static enum sink_result put_stdout(struct sink_print *s, const struct purge *p,
				   const struct name_groups *g)
{
	struct stat st;
	off_t start = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) ?
			      lseek(STDOUT_FILENO, 0, SEEK_CUR) : -1;

	if (fflush(stdout) == 0 && put_rows(s, STDOUT_FILENO, true, p, g->rows, p->nrows) == 0)
		return SINK_OK;
	say(s, "stdout", p);
	if (start >= 0 && (ftruncate(STDOUT_FILENO, start) != 0 ||
			   lseek(STDOUT_FILENO, start, SEEK_SET) < 0))
		log_error_errno("%s: stdout cannot be cut back", s->who);
	return SINK_RETRY;
}

static enum sink_result put_files(struct sink_print *s, const struct purge *p, int64_t when,
				  const struct name_groups *g)
{
	if (s->partial != p->id)
		s->groups_done = 0;
	s->partial = p->id;
	for (; s->groups_done < g->n; s->groups_done++) {
		const struct name_group *file = &g->group[s->groups_done];

		if (put_file(s, file->name, p, file->rows, file->n) != 0) {
			say(s, file->name, p);
			return SINK_RETRY;
		}
		move_latest(s, file->name, when, file->rows[0]->key);
	}
	return SINK_OK;
}

static enum sink_result put_empty(struct sink_print *s, const struct purge *p, int64_t when)
{
	char path[PATH_MAX];

	/* The end of a daemon leaves the file of before; that of a capture of nothing has none. */
	if (!s->p->print_write_empty_file || !s->p->print_output_file ||
	    (p->last && (!s->p->capture || s->counts.purges)) ||
	    !name_expand(path, sizeof(path), s->p->print_output_file, s->p, s->l, when, NULL))
		return SINK_OK;
	if (put_file(s, path, p, NULL, 0) == 0)
		return SINK_OK;
	say(s, path, p);
	return SINK_RETRY;
}

static void count_unnamed(struct sink_print *s, const struct purge *p, int64_t when)
{
	uint64_t before = s->counts.rejected;
	char path[PATH_MAX];

	for (size_t i = 0; i < p->nrows; i++) {
		const struct sum_row *r = &p->rows[i];

		if (name_expand(path, sizeof(path), s->p->print_output_file, s->p, s->l,
				r->bin ? r->bin : when, r->key))
			continue;
		s->counts.rejected++;
		s->counts.rejected_octets += r->sums.octets;
		s->counts.rejected_packets += r->sums.packets;
	}
	log_error("%s: print_output_file: \"%s\": the name of %" PRIu64
		  " rows is empty or above %d bytes; they are not written",
		s->who, s->p->print_output_file, s->counts.rejected - before, PATH_MAX - 1);
}

static enum sink_result print_write(void *sink, const struct purge *p)
{
	struct sink_print *s = sink;
	uint64_t start = clock_mono_ns();
	const char *file = s->p->print_output_file;
	int64_t when = p->slot ? p->slot : p->deadline;
	enum sink_result result;
	struct name_groups g;

	if (!name_groups_make(&g, file ? file : "-", PATH_MAX, true, s->p, s->l, when, p->rows,
			      p->nrows)) {
		log_warn("%s: no memory for a purge of %zu rows; they are kept", s->who, p->nrows);
		return SINK_RETRY;
	}
	if (p->nrows == 0)
		result = put_empty(s, p, when);
	else
		result = file ? put_files(s, p, when, &g) : put_stdout(s, p, &g);
	if (result == SINK_OK) {
		s->unfinished = p->early || s->p->capture;
		s->counts.purges++;
		s->counts.rows += p->nrows;
		s->counts.inserted += p->nrows - g.unnamed;
		if (g.unnamed)
			count_unnamed(s, p, when);
		if (s->trouble)
			log_info("%s: writing again", s->who);
		s->trouble = 0;
	} else {
		s->counts.retries++;
	}
	name_groups_clear(&g);
	s->counts.write_ns += clock_mono_ns() - start;
	return result;
}

static void print_close(void *sink)
{
	struct sink_print *s = sink;

	if (!s)
		return;
	strbuf_clear(&s->buf);
	free(s->latest);
	free(s);
}

static void *print_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct sink_print *s = xcalloc(1, sizeof(*s));

	s->p = p;
	s->l = l;
	s->run_id = run_id;
	snprintf(s->who, sizeof(s->who), "%s/print", p->name);
	row_text_init(&s->text, p, l);
	if (p->print_output_file && !*p->print_output_file) {
		log_error("%s: print_output_file: \"\": a path expected", s->who);
		print_close(s);
		return NULL;
	}
	if (p->print_output_file && !name_is_dynamic(p->print_output_file) && !p->print_append &&
		!p->capture)
		log_info("%s: print_output_file: \"%s\": each purge replaces this file; "
			 "print_output_file_append: true keeps all", s->who, p->print_output_file);
	return s;
}

/* The directory of a name without variables can be written into? */
static unsigned print_check(const struct plugin_settings *p, const struct key_layout *l)
{
	struct sink_print *s = print_open(p, l, 0);
	char dir[PATH_MAX];
	unsigned problems = 0;
	char *slash;

	if (!s)
		return 1;
	if (p->print_output_file && !name_is_dynamic(p->print_output_file)) {
		snprintf(dir, sizeof(dir), "%s", p->print_output_file);
		slash = strrchr(dir, '/');
		if (slash == dir)
			slash[1] = '\0';
		else if (slash)
			*slash = '\0';
		if (access(slash ? dir : ".", W_OK) != 0 && errno != ENOENT) {
			log_error_errno(
				"%s: print_output_file: \"%s\"", s->who, p->print_output_file);
			problems++;
		}
	}
	print_close(s);
	return problems;
}

static int print_salvage(void *sink, const struct purge *p)
{
	struct sink_print *s = sink;
	struct salvage_file file;
	struct name_groups g;
	int err;

	if (!name_groups_make(&g, "-", PATH_MAX, false, s->p, s->l, p->deadline, p->rows, p->nrows))
		return -1;
	err = salvage_open(
		&file, s->p, s->run_id, p->id, s->p->print_output == PRINT_JSON ? "json" : "txt");
	if (err == 0) {
		err = put_rows(s, fileno(file.f), true, p, g.rows, p->nrows);
		err = salvage_close(&file, err);
	}
	if (err == 0)
		log_warn("%s: purge %" PRIu64 " (%zu rows) is saved in %s", s->who, p->id, p->nrows,
			file.path);
	else
		log_error_errno("%s: purge %" PRIu64 " (%zu rows) cannot be saved in %s", s->who,
			p->id, p->nrows, file.path);
	name_groups_clear(&g);
	return err;
}

static const struct sink_counts *print_counts(void *sink)
{
	return &((struct sink_print *)sink)->counts;
}

const struct sink sink_print = {
	.type = "print",
	.open = print_open,
	.check = print_check,
	.write = print_write,
	.salvage = print_salvage,
	.counts = print_counts,
	.close = print_close,
};
