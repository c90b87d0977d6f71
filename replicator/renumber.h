/*
 * renumber.h - continuous sequence numbers for a receiver that does not get
 * every datagram of a stream.
 *
 * The numbers count datagrams (v9, sFlow) or records (v5, v7, v8, IPFIX).  How
 * many records a datagram has is not looked up: what a left-out datagram would
 * have counted is the distance to the next one's number, whatever the protocol.
 * The receiver's numbers are the exporter's less the sum of these; a loss on
 * the way to us stays a gap, unless it lies right behind a datagram that was
 * left out.
 */
#ifndef RENUMBER_H
#define RENUMBER_H

#include "net/batch.h"
#include "wire/decoder.h"

enum { RENUMBER_STREAMS = 8192 };	/* the one unused for longest starts anew */
#define RENUMBER_ALL UINT32_MAX

struct renumber;

/* NULL with errno. */
struct renumber *renumber_new(uint64_t seed);
void renumber_free(struct renumber *r);
uint64_t renumber_evicted(const struct renumber *r);

/* Where the sequence number stands in a datagram; 0: nowhere. */
size_t renumber_offset(const struct peek *p, struct bytes data);
/*
 * The next datagram of a stream: for one that is sent the number to put into
 * it, for one that is left out the same, which is of no use.  To be called for
 * each datagram that has a number, in order.  `kept`: of what its numbers count
 * so much is sent: RENUMBER_ALL, 0, or what is left of it.
 */
uint32_t renumber_next(
	struct renumber *r, const struct endpoint *from, const struct peek *p, uint32_t kept);

/*
 * Streams as rows of numbers, for a successor: one by one, the one unused for longest
 * first; NULL starts and ends.
 */
enum { RENUMBER_ROW = 10 };
const void *renumber_row(
	const struct renumber *r, const void *prev, uint64_t row[static RENUMBER_ROW]);
void renumber_restore(struct renumber *r, const uint64_t row[static RENUMBER_ROW]);

#endif /* RENUMBER_H */
