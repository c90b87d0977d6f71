/*
 * resample.h - the numbers inside sFlow 5 flow samples, for receivers that get
 * fewer of them (sFlow version 5, section 5: flow_sample).
 *
 * A sample tells its own number, one in how many packets was taken
 * (sampling_rate), and how many could have been (sample_pool).  A collector that
 * counts by rates, and one that divides the pool by the samples that it got,
 * are both to come to the truth:
 *
 *	1 in N of the samples		rate times N, the pool as it is
 *	the samples of a tenant		the rate as it is, the pool grows by it with each
 *
 * Numbers are continuous for each source; what was lost on the way to us stays
 * a gap.  `drops` is what the agent lost, and stays.
 */
#ifndef REPLICATOR_RESAMPLE_H
#define REPLICATOR_RESAMPLE_H

#include "net/batch.h"
#include "wire/decoder.h"

enum { RESAMPLE_SOURCES = 8192 };	/* the one unused for longest begins anew */

struct resample;

/* NULL with errno. */
struct resample *resample_new(uint64_t seed);
void resample_free(struct resample *r);
/* Whether `sample`, its type and length in front, is a flow sample that has these numbers. */
bool resample_is_flow(struct bytes sample);
/* Such a sample that the receivers do not get. */
void resample_skip(struct resample *r, const struct endpoint *from, const struct peek *peek,
		   struct bytes sample);
/* One that they get: its numbers are written anew.  `n`: of 1 in N; 0: of a tenant. */
void resample_keep(struct resample *r, const struct endpoint *from, const struct peek *peek,
		   struct bytes sample, uint32_t n);

/* Sources as rows of numbers, see renumber_row(). */
enum { RESAMPLE_ROW = 12 };
const void *resample_row(
	const struct resample *r, const void *prev, uint64_t row[static RESAMPLE_ROW]);
void resample_restore(struct resample *r, const uint64_t row[static RESAMPLE_ROW]);

#endif /* REPLICATOR_RESAMPLE_H */
