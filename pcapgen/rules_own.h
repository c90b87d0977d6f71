/*
 * rules_own.h - what is made of Information Elements that have no column of their
 * own in a truth: the primitives of aggregate_primitives, and the rare ones of
 * the collector's own.  They come from the column `elements`.
 */
#ifndef RULES_OWN_H
#define RULES_OWN_H

#include "pcapgen/rules.h"

enum { OWN_NAME = 31 };

/* A line of the file that aggregate_primitives names. */
struct own_primitive {
	char name[OWN_NAME + 1];	/* lower case, as its column */
	uint32_t pen;
	uint16_t id, len;		/* len 0: vlen */
	char semantics[8];
};

struct own_primitives {
	struct own_primitive *at;
	size_t n;
};

/* Lines that are no use are passed over with a warning, as the collector does; -1 after logging. */
int own_read(struct own_primitives *o, const char *path, bool (*taken)(const char *name));
void own_clear(struct own_primitives *o);
const struct own_primitive *own_find(const struct own_primitives *o, const char *name);
/* SQL that says its text for flow f. */
void own_sql(char *to, size_t n, const struct own_primitive *p);
/*
 * The same for a primitive of the collector's own that is made of Elements; false when it is none.
 * Of sFlow's records, where such are read from sampled frames, it knows nothing.
 */
bool own_rare_sql(char *to, size_t n, const char *name);

/*
 * Register:
 *	element(elements, pen, id)        its octets, NULL when the record has none
 *	own_text(octets, semantics, len)  as the collector writes a primitive of that kind
 *	label(elements, what)             MPLS: 'top', 'bottom', 'depth'
 * 0, or -1.
 */
int rules_own_register(struct rules *r);

#endif /* RULES_OWN_H */
