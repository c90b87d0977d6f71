/*
 * strbuf.c - see strbuf.h.  Running out of memory ends the program with one
 * line: who builds strings on a path that must survive that does not use this.
 */
#include "strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "log.h"

static _Noreturn void out_of_memory(size_t n)
{
	log_error("out of memory: %zu bytes asked for", n);
	exit(EXIT_RUNTIME);
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory(n > SIZE_MAX / (size ? size : 1) ? SIZE_MAX : n * size);
	return p;
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		out_of_memory(n);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

/* Room for `n` more bytes and the final NUL. */
static void reserve(struct strbuf *b, size_t n)
{
	size_t need = b->n + n + 1;
	size_t cap = b->cap ? b->cap : 64;

	if (need < n)
		out_of_memory(n);
	if (need <= b->cap)
		return;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	b->s = xrealloc(b->s, cap);
	b->cap = cap;
}

char *strbuf_room(struct strbuf *b, size_t n)
{
	reserve(b, n);
	return b->s + b->n;
}

void strbuf_used(struct strbuf *b, const char *end)
{
	b->n = (size_t)(end - b->s);
	b->s[b->n] = '\0';
}

void strbuf_addn(struct strbuf *b, const char *text, size_t n)
{
	reserve(b, n);
	if (n)
		memcpy(b->s + b->n, text, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void strbuf_add(struct strbuf *b, const char *text)
{
	strbuf_addn(b, text, strlen(text));
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	reserve(b, 0);
	va_start(ap, fmt);
	n = vsnprintf(b->s + b->n, b->cap - b->n, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->s[b->n] = '\0';
		return;
	}
	if ((size_t)n >= b->cap - b->n) {
		reserve(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->s + b->n, b->cap - b->n, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

void strbuf_reset(struct strbuf *b)
{
	b->n = 0;
	if (b->s)
		b->s[0] = '\0';
}

void strbuf_clear(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){ 0 };
}
