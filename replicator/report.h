/*
 * report.h - the counters of the program as statistics, and the receivers'
 * losses as log lines.
 */
#ifndef REPORT_H
#define REPORT_H

#include "base/stats.h"
#include "replicator/fanout.h"

/*
 * What everything is called, see replicator(8) STATISTICS.  `lost` is what
 * recv counted for datagrams that never came out of a batch.
 */
void report_stats(struct stats *s, const struct batch_counts *recv, const struct fanout *f, uint64_t reloads);
/* One line for each receiver that lost something, at most once a minute each. */
void report_losses(struct receivers *rs, uint64_t now_us);
/* Every receiver's counters as log lines (SIGUSR1). */
void report_log(const struct batch_counts *recv, const struct fanout *f);

#endif /* REPORT_H */
