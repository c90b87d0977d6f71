/*
 * names.h - host names that the receivers' files use, and the address that
 * each had last.
 *
 * A reload begins a generation: each name is looked up once in it, whoever
 * asks how often, so that all workers get the same address.  A name that
 * cannot be looked up keeps the address that it had.  Used by one thread at a
 * time: the one that reads the files.
 */
#ifndef REPLICATOR_NAMES_H
#define REPLICATOR_NAMES_H

#include "net/socket.h"

struct names;

struct names *names_new(void);
void names_free(struct names *n);
/* From here on every name is looked up anew.  `routine`: nobody asked, and what was said before is
 * not said again. */
void names_refresh(struct names *n, bool routine);
/*
 * As endpoint_resolve(), which does the work; *kept is set when it is to be
 * said that the lookup failed and e->addr is the address that the name had
 * before.  Of a name with several addresses the one that it had stays, as long
 * as it is among them: servers tell them in turns.
 */
int names_resolve(struct names *n, struct endpoint *e, const char *host, const char *port,
		  int family,
		  const char **why, bool *kept);
/* Whether there are names at all: nothing to look up again otherwise. */
size_t names_count(const struct names *n);
/* Of them, those whose last lookup failed. */
size_t names_stale(const struct names *n);

#endif /* REPLICATOR_NAMES_H */
