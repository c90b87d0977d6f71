/*
 * rules_bins.h - time bins as the configuration lays them out, from the rules
 * in the manual: half-open, aligned by the round-off letters in the process's
 * zone.
 */
#ifndef RULES_BINS_H
#define RULES_BINS_H

#include "pcapgen/confread.h"

/*
 * Whether the bins of this plugin depend on the truth alone.  False with a
 * reason when they also depend on the moment the collector was started, as
 * `7m` with `mh` does: then nobody can tell what to expect.
 */
bool bins_known(const struct rules_plugin *p, const char **why);
/* Start of the bin that holds second `t`, seconds since 1970; 0 without history. */
int64_t bins_start(const struct rules_plugin *p, int64_t t);
/* Start of the next one. */
int64_t bins_end(const struct rules_plugin *p, int64_t t);
/* stamp_inserted of a bin as text in the local zone (or UTC, or digits). */
void bins_text(const struct rules_plugin *p, int64_t bin, char *buf, size_t n);

#endif /* RULES_BINS_H */
