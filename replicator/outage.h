/*
 * outage.h - receivers that have a spool: their datagrams go there while they
 * are down, and from there to them when they are back.
 */
#ifndef REPLICATOR_OUTAGE_H
#define REPLICATOR_OUTAGE_H

#include "replicator/fanout.h"

/* Take what a receiver that is down would lose; false: it is to be sent. */
bool outage_takes(struct receiver *r, const struct share *s);
/* Each HEALTH_PROBE_MS: open what is not open.  True when something waits that can be sent. */
bool outage_look(struct fanout *f, uint64_t now_ns);
/* Send what is due. */
void outage_replay(struct fanout *f, uint64_t now_ns);
/* Spools that are due to be forced to the disk, at most `max`, see spool_sync(). */
size_t outage_sync(const struct receivers *rs, uint64_t now_ns, int *fds, size_t max);
/* Close a receiver's spool; what waits stays in the file. */
void outage_close(struct receiver *r);

#endif /* REPLICATOR_OUTAGE_H */
