/*
 * rules_select.h - `aggregate` as SQL: which columns a plugin's table has and
 * the expression for each over the tables flow (f), placed (p), mark (m) and host
 * (s for the source, d for the destination).
 */
#ifndef RULES_SELECT_H
#define RULES_SELECT_H

#include "pcapgen/rules.h"

enum { SELECT_RAW = 1200 };

struct select_column {
	char raw[SELECT_RAW];	/* value over f, p, s, d; of a sum_ plugin: of the source's turn */
	char raw_dst[SELECT_RAW];	/* and of the destination's turn; empty: the same */
	char text[64];	/* text of it, %s stands for its name; empty: as it is */
};

struct select_plan {
	struct select_column column[RULES_COLUMNS];
	bool sum;		/* each record under its source and under its destination */
	bool filter;		/* addresses outside networks_file become zero */
	bool host_stands[2];	/* the host of that end is a column */
	bool hosts;		/* networks_file says something */
	bool wide;		/* the truth has MAC addresses, VLANs, directions and what NAT made */
	bool elements;		/* and the Elements of its records */
	bool sflow;		/* some of it is sFlow's */
	bool marks;		/* maps or filters have a say: table mark (m) */
	bool ports, protos, tos;	/* ports_file, protos_file, tos_file restrict them */
};

/* Parse `aggregate` into columns; -1 after logging what is unknown or not in the truth. */
int select_plan(struct select_plan *s, struct rules_shape *shape, const struct rules_conf *c,
		const struct rules_plugin *p, const struct rules *truth);

#endif /* RULES_SELECT_H */
