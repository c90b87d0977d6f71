/*
 * files.c - see files.h.
 */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

struct text {
	char *s;		/* NULL: not read; never empty, for fmemopen() */
	size_t n;
};

struct file {
	char *path;
	struct text kept, fresh;
};

struct files {
	struct file *at;
	size_t n;
	bool anew;
};

struct files *files_new(void)
{
	return xcalloc(1, sizeof(struct files));
}

void files_free(struct files *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->at[i].path);
		free(f->at[i].kept.s);
		free(f->at[i].fresh.s);
	}
	free(f->at);
	free(f);
}

void files_anew(struct files *f)
{
	files_settle(f, false);
	f->anew = true;
}

void files_settle(struct files *f, bool taken)
{
	for (size_t i = 0; f->anew && i < f->n; i++) {
		struct file *e = &f->at[i];

		free(taken ? e->kept.s : e->fresh.s);
		if (taken)
			e->kept = e->fresh;
		e->fresh = (struct text){ NULL, 0 };
	}
	f->anew = false;
}

static struct file *find(struct files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->at[i].path, path) == 0)
			return &f->at[i];
	f->at = xrealloc(f->at, (f->n + 1) * sizeof(*f->at));
	f->at[f->n] = (struct file){ .path = xstrdup(path) };
	return &f->at[f->n++];
}

static int slurp(const char *path, struct text *t)
{
	FILE *f = fopen(path, "re");
	size_t room = 4096, n;
	int err;

	if (!f)
		return -1;
	*t = (struct text){ xmalloc(room), 0 };
	while ((n = fread(t->s + t->n, 1, room - t->n, f)) > 0) {
		t->n += n;
		if (t->n == room)
			t->s = xrealloc(t->s, room *= 2);
	}
	err = ferror(f) ? errno : 0;
	fclose(f);
	if (err) {
		free(t->s);
		*t = (struct text){ NULL, 0 };
		errno = err;
		return -1;
	}
	if (t->n == 0)
		t->s[t->n++] = '\n';
	return 0;
}

FILE *files_open(struct files *f, const char *path)
{
	struct file *e;
	struct text *t;

	if (!f)
		return fopen(path, "re");
	e = find(f, path);
	t = f->anew ? &e->fresh : &e->kept;
	if (!t->s && slurp(path, t) < 0)
		return NULL;
	return fmemopen(t->s, t->n, "r");
}
