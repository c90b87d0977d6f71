/*
 * carry.h - what we counted, and what we left out of sequence numbers, for the
 * process that takes over: a graph goes on, and a collector behind renumbered
 * streams sees no restart.
 *
 * It stands behind the templates in the file that is handed over (memory.h):
 * "FLCARRY1", records, and a last one with their number and a sum over all.
 * Counters have names, and streams are rows of numbers whose count is checked,
 * so that two versions of the program take from each other what both know; a
 * process before this existed stops reading before it.
 *
 * Counters are each worker's.  Streams go to the worker of the same number when
 * there are as many workers, else to all of them, for the kernel steers anew;
 * then losses on the way to us are looked for from the next datagram on only.
 */
#ifndef CARRY_H
#define CARRY_H

#include "replicator/report.h"

/*
 * Streams that are written at most, of all kinds: 50 MB, while nobody receives.  Others
 * begin anew.  Exporters are no more than EXPORTERS_MAX.
 */
enum { CARRY_STREAMS = 1 << 18 };

struct carry_result {
	uint64_t counters, streams;	/* that were taken */
	uint64_t unknown;		/* records that say nothing to this version */
	uint64_t gone;			/* receivers and pools that there are none of any more */
};

/* Of workers that do not run; `sum` is what report_collect() says of them.  How many streams there
 * was no room for. */
uint64_t carry_write(FILE *f, struct worker *w, size_t n, const struct report *sum);
/*
 * Into workers that do not run yet, and the sums of all into `base`.  0; or -1 with errno, and
 * nothing is taken: ENODATA when there is nothing, EPROTO when it is of another version, EBADMSG
 * when it is not what was written.
 */
int carry_read(FILE *f, struct worker *w, size_t n, struct report *base, struct carry_result *got);

#endif /* CARRY_H */
