/*
 * direction.h - which of two records of one flow counts.
 *
 * A router that meters a flow where it comes in and where it goes out exports
 * it twice, told apart by flowDirection (IE 61) alone; added up it is billed
 * twice.  nfacctd_direction says which records count: both (as pmacct does),
 * ingress or egress; a map may say it for an exporter or one of its interfaces.
 * A record without a direction, or with one that is neither (IE 61 above 1),
 * always counts.
 *
 *	# exporter[/length]	ifIndex or *	policy
 *	192.0.2.1		7		egress
 *	192.0.2.0/24		*		ingress
 *
 * The first line that fits counts.  The interface is the one that metered: in
 * for ingress records, out for egress ones.
 */
#ifndef DIRECTION_H
#define DIRECTION_H

#include "wire/flow.h"

enum direction_policy { DIRECTION_BOTH, DIRECTION_INGRESS, DIRECTION_EGRESS };

enum { DIRECTION_LINES = 4096 };

struct directions;

/* NULL after logging which line is wrong. */
struct directions *directions_load(const char *key, const char *path);
void directions_free(struct directions *m);
/* What holds for a record of `exporter` with a direction; `otherwise` where no line fits. */
enum direction_policy directions_find(const struct directions *m, const struct addr *exporter,
				      const struct flow_record *r, enum direction_policy otherwise);
/* "both", "ingress", "egress"; false for anything else. */
bool direction_parse(enum direction_policy *p, const char *text);

#endif /* DIRECTION_H */
