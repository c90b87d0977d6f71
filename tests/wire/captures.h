/*
 * captures.h - for tests: the captures of the corpus, which is outside the project.
 * FLOWLEDGER_CORPUS names its folder, else ../shared/corpus is tried.
 */
#ifndef CAPTURES_H
#define CAPTURES_H

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include "net/capture.h"

/* How many there are; 0 after saying that `test` goes without.  globfree() is the caller's. */
static inline size_t captures_find(glob_t *g, const char *test)
{
	const char *named = getenv("FLOWLEDGER_CORPUS");
	char pattern[2048];

	snprintf(pattern, sizeof(pattern), "%s/*.pcap", named ? named : "../shared/corpus");
	if (glob(pattern, 0, NULL, g) != 0) {
		printf("%s: skipped, neither FLOWLEDGER_CORPUS nor ../shared/corpus is there\n",
		       test);
		return 0;
	}
	return g->gl_pathc;
}

static inline void capture_each(
	const char *path, void (*take)(void *ctx, const struct datagram *d), void *ctx)
{
	char why[256] = "";
	struct capture *c = capture_open(path, why);
	struct datagram d;
	int more;

	ck_assert_msg(c != NULL, "%s: %s", path, why);
	while ((more = capture_next(c, &d, NULL, why)) == 1)
		take(ctx, &d);
	ck_assert_msg(more == 0, "%s: %s", path, why);
	capture_close(c);
}

#endif /* CAPTURES_H */
