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
 * PATH_DEAD: datagrams to `to` are lost for sure: no route, a link without
 * carrier, or a neighbour that was asked and did not answer.  PATH_ASKS: the
 * neighbour is being asked; one that is there answers in milliseconds, so that
 * who is still asked at the next look is not.  (Under traffic the kernel begins
 * to ask again as soon as it has given up: who waits for that moment alone sees
 * it by luck.)  PATH_FINE also when the kernel does not say.
 */
enum path_state { PATH_FINE, PATH_ASKS, PATH_DEAD };
enum path_state path_look(struct path *p, const struct addr *to);

#endif /* PATH_H */
