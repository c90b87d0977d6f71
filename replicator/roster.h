/*
 * roster.h - the receivers of a set by what all processes call them: the label of
 * the pool, a space, their own label.
 *
 * Two sets that are to be matched mostly have the same receivers in the same
 * order, so the one behind the last that was found is asked first.  Receivers
 * of one name are found in turn, each once.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include "replicator/receivers.h"

enum { ROSTER_NAME = 512 };

struct roster {
	struct roster_entry {
		struct pool *pool;
		struct receiver *receiver;
		bool taken;
	} *entries;
	size_t n, next;
};

void roster_init(struct roster *r, const struct receivers *rs);
void roster_clear(struct roster *r);
/* Into `text`, as snprintf counts: ROSTER_NAME and more is no name. */
int roster_name(char text[static ROSTER_NAME], const struct pool *p, const struct receiver *r);
/* The next one of this name, or NULL. */
struct roster_entry *roster_find(struct roster *r, const char *name, size_t n);

#endif /* ROSTER_H */
