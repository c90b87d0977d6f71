/*
 * name_template.h - names of tables and files that depend on time and on the
 * row: `acct_%Y%m%d`, `/spool/$peer_src_ip/%H%M.csv` (collector.md 8.4).
 *
 *	%d %H %m %M ...	strftime of a moment, in local time or UTC
 *	$ref $hst	seconds of refresh and of the bin
 *	$peer_src_ip	the exporter, with _ for . and :
 *	$tag $tag2 $post_tag $post_tag2
 *	$tzone		"+0100"
 */
#ifndef NAME_TEMPLATE_H
#define NAME_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include "nfacctd/sink.h"

bool name_is_dynamic(const char *name);
/* The first conversion in it that strftime does not have ("%Q", "%" at the end); NULL: none. */
const char *name_bad_conversion(const char *name);
/* The first $word in it that is no variable, and stays as it is; NULL: none. */
const char *name_unknown_variable(const char *name);

/* The name for one row; false when it does not fit or is empty.  `key` may be NULL: variables of a
 * row read 0. */
bool name_expand(char *out, size_t size, const char *name, const struct plugin_settings *p,
		 const struct key_layout *l, int64_t when, const uint8_t *key);

/* The rows of a purge by the name each belongs to; rows keep their order within a name. */
struct name_group {
	char *name;
	const struct sum_row **rows;
	size_t n;
	bool refused;		/* for the caller: this name must not be made */
};
struct name_groups {
	struct name_group *group;
	size_t n, unnamed;		/* unnamed: rows whose name does not fit; in no group */
	const struct sum_row **rows;	/* all of them, group by group */
};

/*
 * `size` is the limit of a name with its final NUL.  A row's moment is its bin
 * when it has one and `by_bin`, else `when`.  False when memory is gone.
 */
bool name_groups_make(struct name_groups *g, const char *name, size_t size, bool by_bin,
		      const struct plugin_settings *p, const struct key_layout *l, int64_t when,
		      const struct sum_row *rows, size_t nrows);
void name_groups_clear(struct name_groups *g);

#endif /* NAME_TEMPLATE_H */
