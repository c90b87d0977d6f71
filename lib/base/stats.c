/*
 * stats.c - see stats.h.
 */
#include "owner.h"
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "strbuf.h"

void stats_init(struct stats *s)
{
	*s = (struct stats){ 0 };
}

void stats_clear(struct stats *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->rows[i].name);
	free(s->rows);
	stats_init(s);
}

void stats_add(struct stats *s, uint64_t value, const char *fmt, ...)
{
	va_list ap;
	char *name;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&name, fmt, ap);
	va_end(ap);
	if (n < 0)
		name = xstrdup("?");
	/* A label can hold what a user wrote: it must not make a column or a row. */
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->rows = xrealloc(s->rows, s->cap * sizeof(*s->rows));
	}
	s->rows[s->n++] = (struct stats_row){ name, value };
}

void stats_print(const struct stats *s, FILE *to)
{
	for (size_t i = 0; i < s->n; i++)
		fprintf(to, "%s\t%" PRIu64 "\n", s->rows[i].name, s->rows[i].value);
}

/* Close and give away the finished file; -1 with errno when a byte is missing. */
static int finish(FILE *f, const struct stats *s, const char *from, const char *to)
{
	int failed;

	stats_print(s, f);
	failed = fflush(f) != 0 || ferror(f);
	if (fchmod(fileno(f), 0644) < 0)
		failed = 1;
	owner_give(fileno(f));
	if (fclose(f) != 0)
		failed = 1;
	return failed ? -1 : rename(from, to);
}

/* To what is no file: a FIFO that somebody reads, /dev/stdout, /dev/null. */
static int write_through(const struct stats *s, const char *path)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *f;
	int failed;

	if (fd < 0)
		return -1;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return -1;
	}
	stats_print(s, f);
	failed = fflush(f) != 0 || ferror(f);
	return fclose(f) != 0 || failed ? -1 : 0;
}

int stats_write(const struct stats *s, const char *path)
{
	struct strbuf temp = { 0 };
	FILE *f = NULL;
	struct stat st;
	int fd, saved, ret = -1;

	/* rename() would put a file in the place of a device. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return write_through(s, path);

	/* Beside its target, as rename() does not cross file systems. */
	strbuf_addf(&temp, "%s.XXXXXX", path);
	fd = mkostemp(temp.s, O_CLOEXEC);
	if (fd < 0)
		goto free_name;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		goto remove_file;
	}
	ret = finish(f, s, temp.s, path);
remove_file:
	if (ret < 0) {
		saved = errno;
		unlink(temp.s);
		errno = saved;
	}
free_name:
	saved = errno;
	strbuf_clear(&temp);
	errno = saved;
	return ret;
}
