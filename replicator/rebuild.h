/*
 * rebuild.h - datagrams with the records that a tenant wants, and no others.
 *
 * Records are copied as they stood on the wire and put into new datagrams of
 * the same stream, with counts, lengths, padding and sequence numbers of their
 * own (v5: records, v9 and sFlow: datagrams, IPFIX: data records).  Records of
 * several datagrams share one while their headers say the same time, so that no
 * record is dated otherwise than its exporter did; what carries templates or
 * options stands alone.  No datagram is larger than the exporter's largest.
 *
 * Templates and options pass.  What cannot be read - data whose template is not
 * known, NetFlow v8, sFlow before version 5, other protocols - is not for a
 * tenant, and counted.
 */
#ifndef REBUILD_H
#define REBUILD_H

#include "replicator/classify.h"
#include "replicator/tenant.h"

enum { REBUILD_STREAMS = 4096, REBUILD_TEMPLATES = 4096 }; /* those unused for longest give way */

struct rebuild_counts {
	uint64_t records, kept;		/* seen; of them wanted */
	uint64_t unread_octets;		/* of Sets and datagrams that could not be read */
	uint64_t counters, counters_kept;	/* sFlow counter samples */
};

struct rebuild;
struct resample;

/* NULL with errno.  The tenant stays the caller's. */
struct rebuild *rebuild_new(const struct tenant *t, uint64_t seed);
/* A reload: the same streams, perhaps other records. */
void rebuild_retarget(struct rebuild *r, const struct tenant *t);
void rebuild_free(struct rebuild *r);
const struct rebuild_counts *rebuild_counts(const struct rebuild *r);

/* Where rebuilt datagrams are put: SHARE_MAX rows. */
struct rebuild_out {
	struct bytes *data;
	const struct endpoint **from;
	uint32_t *at;
	size_t n;
};

/*
 * Rebuild datagrams of `s` from number `first` on; subjects[s->at[i]] is about
 * number i.  Returns the first one that did not fit any more: what is in `out`
 * is valid until the next call.
 */
size_t rebuild(struct rebuild *r, const struct share *s, const struct subject *subjects,
	size_t first, struct rebuild_out *out);

/*
 * A stream that it has not seen: rebuild_teach() reads the templates of a
 * message of it that came before, see recall_messages().
 */
bool rebuild_is_new(struct rebuild *r, const struct subject *s);
void rebuild_teach(struct rebuild *r, const struct subject *s, struct bytes message);

/*
 * Streams as rows of numbers, see renumber_row(): one that is restored goes on with its
 * numbers, and is new as far as templates are concerned.  And those of sFlow's sources; NULL
 * when there are none or, with `make`, no memory.
 */
enum { REBUILD_ROW = 9 };
const void *rebuild_row(
	const struct rebuild *r, const void *prev, uint64_t row[static REBUILD_ROW]);
void rebuild_restore(struct rebuild *r, const uint64_t row[static REBUILD_ROW]);
struct resample *rebuild_numbers(struct rebuild *r, bool make);

#endif /* REBUILD_H */
