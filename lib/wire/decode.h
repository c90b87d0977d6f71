/*
 * decode.h - what decoder.c and decode_flowset.c share; nobody else includes it.
 */
#ifndef DECODE_H
#define DECODE_H

#include "decoder.h"
#include "holdback.h"
#include "netflow5.h"
#include "samplers.h"
#include "sequence.h"
#include "templates.h"

/* A stream and what it has announced about itself. */
struct stream_row {
	struct store_link link;
	struct stream_key key;
	struct stream pub;
	struct sequence sequence;
	uint64_t init_ms;		/* IE 160 */
	uint32_t epoch[2];		/* of data and options templates, see templates.h */
	bool has_init;
	/* Options that tell an interval: their template has come, a record of theirs has come. */
	bool announces_interval, has_interval;
	bool release;			/* just now: what waits for the interval can be decoded */
};

/* Templates that are missed, the first LOSSES of them by name. */
struct loss_row {
	struct store_link link;
	struct template_key key;
	struct decoder_loss pub;
};

enum { LOSSES = 256, FIXED_FORMATS = 3 };

struct decoder {
	struct decoder_limits limits;
	struct decode_counts counts;
	struct store streams;
	struct templates templates;
	struct samplers samplers;
	struct store losses;
	struct holdback holdback;	/* without limits.holdback_octets never touched */
	enum wire_err last_err;
	uint32_t last_id;
	struct plan_work work;
	struct template_def def;
	uint64_t wanted;		/* members that somebody reads */
	const struct extras_want *extras;	/* NULL: none */
	struct bytes *elements;		/* of the chunk's records, extras->n each */
	struct frame_inside *inside;	/* one a record, or NULL */
	const struct columns_want *columns;	/* NULL: flow records only */
	uint32_t columns_number;	/* of those that were ever wanted; see struct plan */
	bool shuffles;			/* their areas are filled by shuffle.h */
	struct flow_record all;		/* what the records of a column share; else empty */
	struct plan fixed[FIXED_FORMATS];	/* v1, v5, v7 */
	/* The first `clean` records of the chunk are empty but for the members in `dirty`. */
	size_t clean;
	uint64_t dirty;
	struct flow_record chunk[DECODER_CHUNK];
};

/* One datagram on its way through. */
struct job {
	struct decoder *d;
	const struct decoder_input *in;
	emit_fn *emit;
	void *ctx;
	struct flow_origin origin;
	struct stream_row *row;
	size_t fill;		/* records in d->chunk */
};

typedef enum wire_err decode_fn(struct job *j);
decode_fn decode_netflow5, decode_netflow8, decode_flowset, decode_sflow;

/* Count damage to a Set, template or sample with number `id`, `n` times. */
void job_damage(struct job *j, enum wire_err err, uint32_t id, uint64_t n);
/* Find or make the stream and fill in the origin; `exporter` NULL: the sender. */
void job_stream(struct job *j, const struct addr *exporter, uint32_t domain);
/* The same without counting a datagram. */
void job_find_stream(struct job *j, const struct addr *exporter, uint32_t domain);
/* A data Set of `octets` whose template nobody has told; returns its row. */
struct decoder_loss *job_lose_set(
	struct decoder *d, const struct template_key *key, uint64_t octets, uint64_t recv_us);
/* What has waited: a message of one Set.  `late`: in vain. */
void job_take_held(struct job *j, const struct held *h, bool late);
/* Hand over what is in the chunk. */
void job_flush(struct job *j);
/* Whether records of `p` may go into columns, those of one sampler. */
bool job_direct(const struct job *j, const struct plan *p);
/*
 * `n` records at `data`, `step` octets apart, into columns; `num` and `den` is their interval, 0:
 * none is known.
 */
void job_columns(struct job *j, struct plan *p, const uint8_t *data, size_t step, size_t n,
		 const struct plan_time *t, uint32_t num, uint32_t den);
/*
 * `n` records of an empty chunk of which the members in `writes` will all be set: emptying
 * them costs as much as decoding, and is spared where the records before were of this kind.
 */
void job_prepare(struct job *j, uint64_t writes, size_t n);
/* A place for the next record; makes room when the chunk is full. */
struct flow_record *job_next(struct job *j);

/* The elements of record `i` of the chunk, emptied; NULL where none are asked for. */
struct bytes *job_elements(struct job *j, size_t i);

#endif /* DECODE_H */
