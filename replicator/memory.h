/*
 * memory.h - what exporters have told, for who comes after us: the process that
 * takes our sockets over, or the next one that starts.
 *
 * Without it a successor would wait for every exporter's next refresh, and
 * until then tell nothing to a receiver that is late, and read nothing for a
 * tenant.  It is written as the messages that a new receiver would be told, so
 * that whoever reads it learns as from the wire, whatever its own tables are.
 */
#ifndef REPLICATOR_MEMORY_H
#define REPLICATOR_MEMORY_H

#include "replicator/report.h"

/*
 * In a file that only exists in memory, for a successor that takes over: with
 * the receivers that lack nothing, which are not to be told it all again, and
 * with counters and numbers (carry.h), of workers that do not run; `sum` is what
 * report_collect() says of them.  A descriptor, or -1 with errno.
 */
int memory_hand(struct worker *w, size_t n, const struct report *sum);
/*
 * Into workers that do not run yet: those of `f` to the worker of the same
 * number when there are as many, else to all.  How many messages; -1 with errno
 * EBADMSG at the first octet that is not what was written, what is before it stays.
 */
long memory_read(FILE *f, struct worker *w, size_t n);

/* As a file that is there whole or not at all: 0, or -1 with errno. */
int memory_save(const char *path, struct worker *w, size_t n);

#endif /* REPLICATOR_MEMORY_H */
