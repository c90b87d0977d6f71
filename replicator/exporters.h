/*
 * exporters.h - who sends to us: counters of each exporter, and what the
 * sequence numbers of its streams say about loss on the way here.
 *
 * An exporter is an address; a stream is (address, port, protocol, observation
 * domain).  Both tables are bounded; the row unused for longest gives way, and
 * that is counted.  Memory is touched as rows are used: 100,000 exporters with
 * a stream each take 46 MB.
 */
#ifndef REPLICATOR_EXPORTERS_H
#define REPLICATOR_EXPORTERS_H

#include "net/batch.h"
#include "wire/decoder.h"
#include "wire/sequence.h"
#include "wire/store.h"

enum { EXPORTERS_MAX = 131072, EXPORTERS_SHAPES = 12, EXPORTERS_AGAIN = 1000 };

struct exporter {
	struct store_link link;
	struct addr addr;		/* the key */
	uint64_t datagrams, octets;	/* that arrived */
	uint64_t limited, denied, looped, duplicates;
	uint64_t received, lost;	/* units of its streams' sequence numbers, see decoder.h */
	uint64_t last_ns;
	uint64_t filled_ns, tokens;	/* rate limit: token bucket, in millionths of a datagram */
	uint64_t again_ns;		/* when the second began that `again` is about */
	uint32_t again;			/* datagrams with numbers that were there before */
	uint32_t generation;		/* of the allow list that `allowed` is about */
	bool allowed, known;
};

/* A NetFlow or sFlow stream. */
struct exporter_stream {
	struct store_link link;
	struct stream_key {
		struct addr addr;
		uint16_t port;
		uint8_t protocol, zero;
		uint32_t domain;
	} key;
	struct sequence sequence;
	struct sequence_counts counts;
	/* IPFIX counts records: octets of each template's; 0: not a fixed number. */
	struct { uint16_t id, octets; } shape[EXPORTERS_SHAPES];
	uint8_t next_shape;
};

struct exporters {
	struct store rows, streams;
	void *row_memory, *stream_memory;
	/* The last ones looked at: datagrams of an exporter come in runs. */
	struct exporter *last;
	struct exporter_stream *last_stream;
	struct sequence_counts total;	/* over all streams, also those that gave way */
};

/* `max` rows of each table; NULL with errno. */
struct exporters *exporters_new(uint32_t max, uint64_t seed);
void exporters_free(struct exporters *x);
/* The row of a datagram's sender, counted; valid until the next call. */
struct exporter *exporters_count(struct exporters *x, const struct datagram *d, uint64_t now_ns);
/* Look at the datagram's sequence number; `peek` is what wire_peek() said of it. */
void exporters_sequence(struct exporters *x, struct exporter *e, const struct datagram *d,
			const struct peek *peek);

/* Whether an exporter has just reached EXPORTERS_AGAIN numbers that were there before in a second:
 * its datagrams may run in a circle. */
bool exporter_circles(struct exporter *e, uint32_t before, uint64_t now_ns);

/* One second's worth of a bucket of `per_s`; false: the datagram is above the limit. */
bool exporter_within(struct exporter *e, uint64_t per_s, uint64_t now_ns);

/* Counters of exporters as rows of numbers, see renumber_row(). */
enum { EXPORTERS_ROW = 10 };
const void *exporters_row(
	const struct exporters *x, const void *prev, uint64_t row[static EXPORTERS_ROW]);
void exporters_restore(struct exporters *x, const uint64_t row[static EXPORTERS_ROW]);

/* Streams in the same way: where their numbers are, and what data records are long. */
enum { EXPORTERS_STREAM_ROW = 22 };
const void *exporters_stream_row(
	const struct exporters *x, const void *prev, uint64_t row[static EXPORTERS_STREAM_ROW]);
void exporters_stream_restore(
	struct exporters *x, const uint64_t row[static EXPORTERS_STREAM_ROW]);

#endif /* REPLICATOR_EXPORTERS_H */
