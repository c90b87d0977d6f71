/*
 * inherit.h - listening sockets that somebody else opened.
 *
 * From the service manager (socket activation, or its store of descriptors
 * across a restart), or from the replicator that runs now and is to be
 * replaced: whatever waits in the sockets is received by us, so that an upgrade
 * loses nothing.
 */
#ifndef REPLICATOR_INHERIT_H
#define REPLICATOR_INHERIT_H

#include "replicator/settings.h"

/* Sockets in `fds`, at most `max`; 0 when there are none, -1 after saying what is wrong. */
int inherit_from_manager(int *fds, size_t max);
/*
 * From the process behind s->control, which then ends; -1 after saying why not.
 * *memory: a file for memory_read(), or -1.
 */
int inherit_from_process(const struct settings *s, int *fds, size_t max, int *memory);
/* Give copies to the service manager, for our successor; nothing when there is none. */
void inherit_store(const int *fds, size_t n);
enum { INHERIT_NAME = 200 };	/* octets; of more addresses than fit the first are compared */
/* What two processes compare to know that they mean the same socket. */
void inherit_name(const struct settings *s, char *buf, size_t n);

#endif /* REPLICATOR_INHERIT_H */
