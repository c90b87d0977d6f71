/*
 * tell.h - receivers are told the templates that they lack, see recall.h.
 */
#ifndef TELL_H
#define TELL_H

#include "replicator/fanout.h"

/*
 * Before the share `s` goes to `r`: everything about each stream in it of which
 * the receiver lacks something.  Counted in r->told and r->untold alone.
 */
void tell_before(struct fanout *f, struct receiver *r, const struct share *s,
	const struct recall_mark *marks, uint64_t now_ns);

/*
 * The same for datagrams from the receiver's spool.  False: they have to wait,
 * so many templates were told already.  A stream that was defined anew during
 * the outage is not told: what is in the spool from before is to be read by
 * the old definition, and the new one is in the spool.
 */
bool tell_spooled(struct fanout *f, struct receiver *r, const struct share *s, uint64_t now_ns);

#endif /* TELL_H */
