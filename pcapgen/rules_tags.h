/*
 * rules_tags.h - what maps and filters say about each flow of the truth:
 * pre_tag_map, post_tag, sampling_map, aggregate_filter and the pre_tag filters.
 *
 * The answer is the table mark(id, next, tag, tag2, label, set_tos, rate): the
 * flows that reach the plugin, with what was set for them.  A map's rule is one
 * UPDATE; `next` is the rule that a flow's search goes on at, so that jumps go
 * forward and a search that has ended stays so.
 */
#ifndef RULES_TAGS_H
#define RULES_TAGS_H

#include "pcapgen/rules.h"

/* True when the plugin or the core has any of these. */
bool rules_marks(const struct rules_conf *c, const struct rules_plugin *p);
/* Make the table; -1 after logging what is wrong or not modelled. */
int rules_mark(struct rules *r, const struct rules_conf *c, const struct rules_plugin *p);

#endif /* RULES_TAGS_H */
