/*
 * recall.h - what exporters have told once: the templates, options templates
 * and option data records of every NetFlow v9 and IPFIX stream, as they stood
 * on the wire.
 *
 * A receiver that is new, was away, or is given another receiver's exporters
 * cannot read a record before the next refresh, which may be half an hour off.
 * It is told what a receiver that listened from the start would know: before
 * the first datagram of a stream that reaches it, in messages that are built
 * from that datagram's own header.
 *
 * A stream is (exporter address, port, protocol, observation domain).  Of
 * option data one record is kept for each scope (and sampler, selector or
 * interface that it tells about); the latest wins.  Nothing here can grow
 * beyond the limits: whatever was unused for longest gives way, and is counted.
 *
 * For every batch: recall_begin(); recall_look() at each datagram; give it to
 * the receivers, telling those that need it first; then recall_learn() from
 * each that carries something.  Learning comes last, because what is in a
 * batch before a new definition is to be read by the old one.
 */
#ifndef RECALL_H
#define RECALL_H

#include "net/batch.h"
#include "wire/decoder.h"
#include "wire/flowset.h"

struct recall;
struct recall_stream;

struct recall_limits {
	uint32_t streams;
	uint32_t items;		/* definitions and option records, over all streams */
	size_t octets;		/* of them, over all streams */
};

enum {
	RECALL_ITEM_MAX = 8192,		/* octets of one item: more is not kept */
	RECALL_STREAM_ITEMS = 4096,	/* of one stream */
	RECALL_STREAM_OCTETS = 1 << 20,
	RECALL_MESSAGE = 1400,		/* octets of a message, unless one item is larger */
};

/* What a memory of so many MB may hold. */
struct recall_limits recall_limits_of(size_t megabytes);

struct recall_counts {
	uint64_t learnt;		/* items that were new or said something else than before */
	uint64_t refreshed;		/* said again */
	uint64_t withdrawn;
	uint64_t refused;		/* damaged, or above a bound of its stream */
	uint64_t evicted_streams, evicted_items;
	uint64_t streams, items, octets;	/* now */
};

/* What a datagram is to the memory. */
struct recall_mark {
	struct recall_stream *stream;	/* NULL: nothing is known of it, and it tells nothing */
	uint32_t serial;		/* of the stream: its row may have a new tenant since */
	bool carries;			/* templates or option data are in it */
};

/* NULL with errno. */
struct recall *recall_new(const struct recall_limits *l, uint64_t seed);
void recall_free(struct recall *m);
void recall_begin(struct recall *m);
void recall_look(struct recall *m, const struct datagram *d, const struct peek *peek,
		 struct recall_mark *mark);
/* The same outside of batches: nothing is counted, and no stream is new. */
void recall_find(struct recall *m, const struct datagram *d, const struct peek *peek,
		 struct recall_mark *mark);
/* Records of a data Set of option data; 0: it is none, or of a template that is not known yet. */
uint32_t recall_option_records(const struct recall *m, const struct recall_mark *mark,
			       const struct flow_set *set, uint16_t version);
void recall_learn(struct recall *m, const struct datagram *d, const struct peek *peek);
const struct recall_counts *recall_counts(const struct recall *m);

/*
 * What a receiver knows, one for each receiver: for every stream, up to which
 * moment.  Eight octets a stream, touched only where there is traffic.
 */
struct recall_known {
	uint64_t *at;
	uint64_t since;			/* what it learnt before is forgotten */
};

/* 0, or -1 with errno. */
int recall_known_init(struct recall_known *k, const struct recall *m);
void recall_known_clear(struct recall_known *k);
/* Whether it lacks nothing of any stream; and for one that is known to: it need not be told. */
bool recall_knows_all(const struct recall *m, const struct recall_known *k);
void recall_know_all(struct recall_known *k, const struct recall *m);
/* It is to be told everything. */
void recall_forget(struct recall_known *k, const struct recall *m);
/* Whether it lacks something of the stream. */
bool recall_needs(
	const struct recall *m, const struct recall_known *k, const struct recall_mark *mark);
/*
 * The messages that tell everything about the stream, built for being sent
 * right before `next`, a datagram of it: its version, domain and times.  The
 * sequence numbers lead up to that of `next`: v9 counts messages, IPFIX option
 * data records (RFC 3954 5.1, RFC 7011 3.1), so that whoever hears these first
 * finds `next` in its place.  Valid until the next call; returns how many.
 */
size_t recall_messages(struct recall *m, const struct recall_mark *mark, struct bytes next,
		       const struct bytes **messages);
/*
 * All that is known, as messages with numbers and times of 0 from the streams'
 * exporters; the stream unused for longest first.
 */
typedef void recall_walker(void *ctx, const struct endpoint *from, struct bytes message);
void recall_walk(struct recall *m, recall_walker *walker, void *ctx);
/* Now, for recall_changed(); never 0. */
uint64_t recall_now(const struct recall *m);
/* Whether something was learnt of the stream since. */
bool recall_changed(const struct recall_mark *mark, uint64_t since);
/* The messages were sent. */
void recall_told(struct recall_known *k, const struct recall *m, const struct recall_mark *mark);
/*
 * The datagrams marks[at[0..n)] of this batch were sent to the receiver: of
 * streams whose every datagram that carries something is among them, it knows
 * what they say.
 */
void recall_heard(struct recall_known *k, const struct recall *m, const struct recall_mark *marks,
		  const uint32_t *at, size_t n);

#endif /* RECALL_H */
