/*
 * thin.h - one datagram in N, the honest way: what a receiver needs to read the
 * others is never left out.
 *
 * Of a NetFlow v9 or IPFIX datagram that is not chosen its templates, options
 * templates and option data are sent, of an sFlow 5 one everything but flow
 * samples; the rest of it is not.
 *
 * What is sent tells of the sampling where it tells it itself: NetFlow v5 in its
 * header, sFlow 5 in its flow samples, see resample.h.
 */
#ifndef REPLICATOR_THIN_H
#define REPLICATOR_THIN_H

#include "replicator/classify.h"
#include "replicator/recall.h"
#include "replicator/renumber.h"

struct resample;
struct thin;

/* NULL with errno. */
struct thin *thin_new(uint64_t seed);
void thin_free(struct thin *t);
/* Before the datagrams of a batch, which have so many octets in all; -1 with errno. */
int thin_begin(struct thin *t, size_t octets);

/* What is known about a datagram. */
struct thin_look {
	const struct subject *subject;
	const struct recall *recall;		/* NULL: none */
	const struct recall_mark *mark;
	uint32_t n;				/* 1 in N */
	bool chosen;
};

/*
 * What of `data` is sent: itself, a copy that is valid until thin_begin(), or
 * nothing (p NULL): of one that was not chosen, or of v5 whose interval would not
 * fit its 14 bits, for nobody is to multiply by another.  *kept for renumber_next().
 */
struct bytes thin(struct thin *t, const struct thin_look *look, struct bytes data, uint32_t *kept);

/* The numbers of its sFlow sources, for a successor; NULL when there are none or, with `make`, no
 * memory. */
struct resample *thin_numbers(struct thin *t, bool make);

#endif /* REPLICATOR_THIN_H */
