/*
 * path.h - what the kernel knows about the way to a receiver: whether its
 * route has a link, and whether the neighbour on it answers.
 *
 * A datagram to a host whose cable was pulled is "sent" for half a minute
 * without an error; the routing and neighbour tables know better.
 */
#ifndef PATH_H
#define PATH_H

#include <stdbool.h>
#include "wire/addr.h"

struct path {
	int fd;			/* netlink; -1: none */
	uint32_t number;	/* of the last question */
};

/* 0, or -1 with errno. */
int path_open(struct path *p);
void path_close(struct path *p);
/*
 * Whether datagrams to `to` are lost for sure: no route, a link without
 * carrier, or a neighbour that was asked and did not answer.  False when the
 * kernel does not say.
 */
bool path_is_dead(struct path *p, const struct addr *to);

#endif /* PATH_H */
