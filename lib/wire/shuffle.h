/*
 * shuffle.h - columns that lie side by side, filled together.
 *
 * A column at a time (plan_fill) costs six instructions a record and member, and a loop each.
 * Where the rows of columns are known to have places that are theirs alone (struct flow_area),
 * sixteen octets of a row are one window: octets of the record in another order, zeros, and
 * what is always the same.  A template is compiled into these once more, when its first record
 * comes; numbers of any length, addresses and MACs fit, times do not and stay with plan_fill().
 *
 * It takes SSSE3, which Intel's processors have since 2006 and AMD's since 2011; without it
 * plan_fill() does everything.
 */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "flow.h"

enum { SHUFFLE_OCTETS = 16, SHUFFLE_WINDOWS = 8, SHUFFLE_STEPS = 12, SHUFFLE_COLUMNS = 64 };

struct shuffle_window {
	uint16_t at;		/* in the area */
	uint8_t area, octets;	/* octets: 16 or 8 */
	uint8_t first, nsteps;	/* sixteen octets of a record each */
};

struct shuffle {
	uint64_t done;		/* of the first SHUFFLE_COLUMNS columns, those that it fills */
	uint16_t nwindows, nsteps;
	struct shuffle_window window[SHUFFLE_WINDOWS];
	uint16_t src[SHUFFLE_STEPS];	/* in the record */
	uint8_t always[SHUFFLE_WINDOWS][SHUFFLE_OCTETS];
	uint8_t order[SHUFFLE_STEPS][SHUFFLE_OCTETS];	/* from there; above 127: none */
};

struct plan;

/* Whether this processor can. */
bool shuffle_possible(void);
/* What does not fit into it is not done. */
void shuffle_compile(struct shuffle *s, const struct plan *p, const struct flow_column *column,
		     size_t ncolumns, const struct flow_area *area, size_t nareas);
/* `n` records `step` octets apart; only where it is possible. */
void shuffle_fill(const struct shuffle *s, const struct flow_area *area, const uint8_t *data,
		  size_t step, size_t n);

#endif /* SHUFFLE_H */
