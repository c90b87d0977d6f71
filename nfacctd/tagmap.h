/*
 * tagmap.h - pre_tag_map and sampling_map: rules that give records a tag, a
 * second tag, a label, a ToS value, or a sampling interval.
 *
 * A line is key=value words: conditions that all must hold, what is set, and
 * where to go on.  The first rule that holds ends the search, unless it jumps
 * (jeq); jumps go forward only, so every search ends.
 *
 * A map is never changed once it is loaded; a reload loads anew.  What a lane
 * remembers between records (the rules that the last exporter can match) is in
 * struct tag_view.
 */
#ifndef TAGMAP_H
#define TAGMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wire/decoder.h"

struct tags {
	uint64_t tag, tag2;	/* 0: none; sampling_map: tag is the interval */
	uint32_t label;		/* 0: none; see label_text() */
	bool has_tos;
	uint8_t tos;
};

struct tagmap;
enum tagmap_kind { TAGMAP_PRE_TAG, TAGMAP_SAMPLING };

/* Not NULL.  Lines that cannot be used are logged and skipped. */
struct tagmap *tagmap_parse(const char *origin, const char *text, size_t n, enum tagmap_kind kind);
struct tagmap *tagmap_load(const char *key, const char *path, enum tagmap_kind kind);
void tagmap_free(struct tagmap *m);
size_t tagmap_rules(const struct tagmap *m);
size_t tagmap_skipped(const struct tagmap *m);

/* Zero it before its first use; a new map is noticed. */
struct tag_view {
	const struct tagmap *map;
	uint64_t serial;		/* of that map: its memory may be another one's by now */
	struct addr exporter;
	uint32_t *rule;			/* that its `ip` conditions let through */
	size_t n;
};

void tag_view_clear(struct tag_view *v);

/* What the map says about a record of this origin; all zero when no rule holds. */
void tagmap_find(const struct tagmap *m, struct tag_view *v, const struct flow_origin *o,
		 const struct flow_record *r, struct tags *out);

/* ---- pre_tag_filter, pre_tag2_filter: "10,20-30,-6,0" ---- */

struct tag_filter;
/* NULL with what was expected. */
struct tag_filter *tag_filter_new(const char *list, const char **expected);
void tag_filter_free(struct tag_filter *f);
bool tag_filter_passes(const struct tag_filter *f, uint64_t tag);

/* pre_tag_label_filter: "a,-b,null" */
struct label_filter;
struct label_filter *label_filter_new(const char *list, const char **expected);
void label_filter_free(struct label_filter *f);
bool label_filter_passes(const struct label_filter *f, uint32_t label);

#endif /* TAGMAP_H */
