/*
 * said.h - catches what is logged, for tests of messages.
 */
#ifndef SAID_H
#define SAID_H

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"

/* One line a message, each with its level in front: "W file:1: ..." */
struct said {
	struct strbuf text;
	unsigned lines;
	bool debug;	/* these, too */
};

static inline void said_line(void *ctx, enum log_level level, const char *text)
{
	struct said *s = ctx;

	if (level == LOG_LEVEL_DEBUG && !s->debug)
		return;
	strbuf_addf(&s->text, "%c %s\n", "EWID"[level], text);
	s->lines++;
}

static inline void said_start(struct said *s)
{
	*s = (struct said){ 0 };
	strbuf_add(&s->text, "");
	log_capture(said_line, s);
}

static inline void said_end(struct said *s)
{
	log_capture(NULL, NULL);
	strbuf_clear(&s->text);
}

#endif /* SAID_H */
