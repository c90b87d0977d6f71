#include "nfacctd/map_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/log.h"
#include "base/strbuf.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

void map_lines_init(struct map_lines *l, const char *origin, const char *text, size_t n)
{
	l->origin = origin;
	l->at = text;
	l->end = text + n;
	l->number = 0;
	l->bad = NULL;
	l->skipped = 0;
}

bool map_lines_next(struct map_lines *l)
{
	while (l->at < l->end) {
		const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));
		const char *from = l->at, *to = nl ? nl : l->end;
		size_t n;

		l->at = nl ? nl + 1 : l->end;
		l->number++;
		while (from < to && blank(*from))
			from++;
		while (to > from && blank(to[-1]))
			to--;
		if (from == to || *from == '!' || *from == '#')
			continue;
		n = (size_t)(to - from);
		l->bad = memchr(from, '\0', n) ? "a line without NUL octets" :
			 n >= sizeof(l->text)	? "a line of at most 2047 characters" : NULL;
		if (l->bad)
			n = n < 64 ? n : 64;
		for (size_t i = 0; i < n; i++)
			l->text[i] = from[i] ? from[i] : '?';
		l->text[n] = '\0';
		return true;
	}
	return false;
}

void map_lines_skip(struct map_lines *l, const char *expected)
{
	log_warn("%s:%u: \"%s\": line skipped, expected %s", l->origin, l->number, l->text,
		 expected);
	l->skipped++;
}

char *map_file_text(const char *key, const char *path, size_t *size)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text = NULL;
	size_t n = 0, got;

	if (!f) {
		log_error_errno("%s: \"%s\": cannot be read", key, path);
		return NULL;
	}
	if (fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode)) {
		log_error("%s: \"%s\": cannot be read: not a regular file", key, path);
		fclose(f);
		return NULL;
	}
	do {
		text = xrealloc(text, n + 65536);
		got = fread(text + n, 1, 65536, f);
		n += got;
	} while (got);
	if (ferror(f)) {
		log_error("%s: \"%s\": cannot be read: %s", key, path, strerror(EIO));
		free(text);
		text = NULL;
	}
	fclose(f);
	*size = n;
	return text;
}
