/*
 * extras.h - what an aggregation asks for beside the members of struct
 * flow_record: Elements that users name themselves (a vendor's, a rare one), and
 * the packet inside a tunnel.
 *
 * The decoder does not interpret an Element: it says where its octets stand in
 * the datagram.  Nothing is copied, and what nobody asks for costs nothing.
 */
#ifndef EXTRAS_H
#define EXTRAS_H

#include "frame.h"

enum { EXTRAS_MAX = 32 };

struct extras_want {
	size_t n;
	struct {
		uint32_t pen;
		uint16_t id;
	} element[EXTRAS_MAX];
	bool inside;		/* sFlow: packets inside tunnels */
};

/*
 * Beside the records of one emit: record i has `elements[i * n]` and the n - 1
 * behind it, in the order they were asked for; p is NULL where its template
 * does not have one.
 */
struct extras {
	size_t n;
	const struct bytes *elements;		/* NULL: none of them */
	const struct frame_inside *inside;	/* NULL: no tunnels in this protocol, or not asked for */
};

#endif /* EXTRAS_H */
