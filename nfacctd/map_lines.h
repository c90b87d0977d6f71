/*
 * map_lines.h - the lines of a map: what stands in networks_file, pre_tag_map
 * and their like.  Blank lines and comments (! or # as first non-blank) are
 * passed over; a line that cannot be used is logged with its number and what was
 * expected, counted and skipped.
 */
#ifndef MAP_LINES_H
#define MAP_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { MAP_LINE_MAX = 2048 };

struct map_lines {
	const char *origin, *at, *end;
	unsigned number;
	char text[MAP_LINE_MAX];	/* trimmed */
	/* What was expected of a line that is none: `text` has its beginning, for the log. */
	const char *bad;
	size_t skipped;
};

/* `origin` names the text in log lines. */
void map_lines_init(struct map_lines *l, const char *origin, const char *text, size_t n);
/* The next line that is neither empty nor a comment. */
bool map_lines_next(struct map_lines *l);
void map_lines_skip(struct map_lines *l, const char *expected);

/*
 * The bytes of a regular file, to be freed; NULL after logging.  `key` is who
 * named the file: "nfacctd.conf:4: networks_file".
 */
char *map_file_text(const char *key, const char *path, size_t *size);

#endif /* MAP_LINES_H */
