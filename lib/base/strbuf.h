/*
 * strbuf.h - a growing string for cold paths: SQL text, reports, messages.
 */
#ifndef STRBUF_H
#define STRBUF_H

#include <stddef.h>

struct strbuf {
	char *s;	/* always NUL-terminated once something was added; NULL before */
	size_t n, cap;
};

void strbuf_add(struct strbuf *b, const char *text);
void strbuf_addn(struct strbuf *b, const char *text, size_t n);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Where `n` bytes and a NUL may be written by hand; strbuf_used() then says how many were. */
char *strbuf_room(struct strbuf *b, size_t n);
void strbuf_used(struct strbuf *b, const char *end);
void strbuf_reset(struct strbuf *b);	/* keeps the memory */
void strbuf_clear(struct strbuf *b);	/* frees it */

/* malloc/calloc/strdup that end the program with one line when memory is gone: start-up only. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);

#endif /* STRBUF_H */
