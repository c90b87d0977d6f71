/*
 * decoder.h - the front door of lib/wire: a datagram of any protocol in, flow
 * records out.
 *
 * One struct decoder holds what exporters have told us so far: templates,
 * samplers, sequence numbers.  All of it is keyed by (exporter address,
 * protocol, observation domain) - the UDP source port is not part of the
 * identity - and lives in memory that the caller hands in once.  Nothing a
 * stranger sends can make it larger: each table has a bound, evicts the entry
 * that was unused for longest, and counts that.
 *
 * The worst case is what decoder_size() asks for, and nothing beside it: with the
 * default limits 77.6 MB - 72.9 for 16384 templates, 2.6 for 16384 samplers, 1.9 for 4096
 * streams - most of which stays untouched until it is used.
 *
 * A decoder belongs to one thread.  Time is an argument.
 *
 *	mem = aligned_alloc(64, decoder_size(&limits));
 *	d = decoder_init(mem, &limits, seed);
 *	err = decode(d, &in, emit, worker);
 */
#ifndef DECODER_H
#define DECODER_H

#include <stdbool.h>
#include "extras.h"
#include "flow.h"
#include "wire.h"

/* Bounds; decoder_limits_default is the tenth of a large carrier's core. */
struct decoder_limits {
	uint32_t streams;	/* (exporter, protocol, domain) */
	uint32_t templates;	/* over all streams */
	uint32_t samplers;	/* over all streams */
	/*
	 * When one of these tables is full, an exporter that has 1/exporter_share of it or more
	 * makes place by its own oldest entry, not by another exporter's.  0: the oldest entry
	 * goes, whoever's it is.
	 */
	uint32_t exporter_share;
	/*
	 * Data Sets that come before their template are kept for hold_us, in so many octets
	 * (holdback.h); 0: they are lost at once.
	 */
	uint64_t holdback_octets, hold_us;
	bool hold_unscaled; /* also data of a domain that has announced a sampling interval, but not
			       told it */
	unsigned tunnels;	/* sFlow: so many tunnels are looked into for addresses and ports */
	bool v8_dst_mask_first; /* methods 5, 13, 14: the order of the two masks (flow-tools:
				   destination first) */
	bool v8_tos_first; /* method 9: tos before the ifIndexes (tshark; flow-tools and pmacct:
			      behind them) */
	bool uptime_is_seconds; /* nfacctd_time_secs: First/Last/SysUptime of v5 and IE 21/22 in
				   seconds */
	bool options_any_scope; /* nfacctd_disable_opt_scope_check: every sampler is exporter-wide
				 */
	bool sflow_ip_octets; /* nfacctd_sflow_octets: ip: sampled frames count as long as their IP
				 packet */
	bool packet_sections; /* nfacctd_packet_sections: v9 and IPFIX records that hold a piece of
				 a sampled packet (IE 313, 315) are that packet */
	bool account_options; /* nfacctd_account_options: options data records are handed over,
				 too */
	bool strict_padding; /* nfacctd_pre_processing_checks: a data Set whose padding is not
				zero is lost as a whole */
	bool trust_sender; /* nfacctd_ignore_exporter_address: the socket's address, whatever IE
			      130/131 or sFlow say */
};

extern const struct decoder_limits decoder_limits_default;

/* One datagram as it came. */
struct decoder_input {
	struct bytes data;
	struct addr sender;	/* UDP source */
	uint16_t sender_port;
	uint64_t recv_us;	/* when it arrived, microseconds since 1970 UTC */
};

enum flow_protocol { PROTO_NETFLOW1, PROTO_NETFLOW5, PROTO_NETFLOW7, PROTO_NETFLOW8, PROTO_NETFLOW9,
	PROTO_IPFIX, PROTO_SFLOW, PROTO_UNKNOWN };

/* "netflow5", "ipfix", ... */
const char *flow_protocol_name(enum flow_protocol p);

/* What all records of one datagram share. */
struct flow_origin {
	struct addr
		exporter; /* who accounts: IE 130/131, the sFlow agent address, else the sender */
	struct addr sender;
	uint16_t sender_port;
	uint8_t protocol;	/* enum flow_protocol */
	uint16_t version;	/* 1, 5, 7, 8, 9, 10; sFlow 2, 4, 5 */
	uint32_t domain; /* v9 Source ID, IPFIX domain, sFlow sub-agent, v5 engine type << 8 |
			    engine id */
	uint32_t sequence;	/* of the header */
	uint64_t export_us;	/* the header's time; sFlow has none: recv_us */
	uint64_t recv_us;
	uint16_t set_id; /* of these records: v9, IPFIX: their Set's; sFlow v5: the sample's format;
			    else 0 */
	bool options;	/* options data, with limits.account_options */
	struct stream *stream;	/* counters of this (exporter, protocol, domain) */
	struct extras extras;	/* beside the records of this call */
};

/* Why a record's sampling_num/sampling_den say what they say. */
enum sampling_source { SAMPLING_NONE, SAMPLING_HEADER, SAMPLING_RECORD, SAMPLING_SAMPLER,
	SAMPLING_DOMAIN, SAMPLING_EXPORTER, SAMPLING_UNKNOWN_SAMPLER };

/*
 * Some records of one datagram, at most DECODER_CHUNK, valid during the call.
 * sampling_num/sampling_den of each is resolved (header, record, options) and
 * absent where the exporter told nothing.  A record without any octet counter
 * has FLOW_octets absent: an event, not traffic.
 *
 * A biflow (RFC 5103) and an NSEL event with responder counters are two
 * records: the second, right behind the first, has its ends traded and the
 * reverse counters.  It is left out when these are all zero: exporters write
 * zeros for every one-way connection, and no packet is no flow.
 */
enum { DECODER_CHUNK = 64 };
typedef void emit_fn(
	void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n);

/* Sequence numbers by the four laws (v5: records, v9: datagrams, IPFIX: data records, sFlow:
 * datagrams). */
struct sequence_counts {
	uint64_t received;	/* units that arrived */
	uint64_t lost;		/* units missing in forward gaps, less those that came late */
	uint64_t gaps;		/* forward jumps */
	uint64_t late;		/* datagrams from the past */
	uint64_t duplicates;	/* the same number again */
	uint64_t restarts;	/* jumps too large to be loss */
};

/*
 * Double entry.  datagrams = accepted + the sum of refused[].  What was cut or
 * skipped inside an accepted datagram is in damaged[], once a Set, template or
 * sample.
 */
struct decode_counts {
	uint64_t datagrams, octets;
	uint64_t accepted, refused[WIRE_ERRORS_MAX];
	uint64_t damaged[WIRE_ERRORS_MAX], damages;	/* damages: the sum of them */
	uint64_t records;		/* emitted, options data too when it is asked for */
	uint64_t columns;		/* of them: as columns, see decoder_want_columns() */
	uint64_t reversed;		/* of them: second halves of biflows and NSEL events */
	uint64_t no_octets;		/* of them: without an octet counter */
	uint64_t sections;		/* of them: with a piece of the packet, read or not */
	uint64_t unscaled;		/* of them: named a sampler that nobody has announced */
	uint64_t ambiguous; /* of them: named none, or not enough, where several were announced:
			       the last one counts */
	uint64_t option_records, counter_samples;
	uint64_t templates;		/* accepted definitions, refreshes included */
	uint64_t template_changes;	/* of them: another layout under a known ID */
	uint64_t evicted_streams, evicted_templates, evicted_samplers;
	uint64_t evicted_losses;
	uint64_t evicted_own; /* of all three: from exporters that had more than their share */
	uint64_t no_template_octets; /* with their headers, of the Sets counted in
					damaged[WIRE_NO_TEMPLATE] */
	/*
	 * Sets that were kept = those that were decoded, in time or (without their sampling
	 * interval) not, + those lost, which are in damaged[WIRE_NO_TEMPLATE], + decoder_waiting().
	 */
	uint64_t held, held_decoded, held_unscaled, held_lost;
	uint64_t agent_drops;		/* samples that sFlow agents say they lost */
	struct sequence_counts evicted_sequence;	/* of streams that gave way */
};

struct stream {
	struct addr exporter;
	uint8_t protocol;
	uint32_t domain;
	struct sequence_counts sequence;
	uint64_t datagrams, octets, records, damaged, first_seen_us, last_seen_us;
	uint64_t templates;		/* accepted definitions, refreshes included */
	bool totals;			/* one of them counts by IE 85, all of a flow so far */
	/* For whoever accounts and reports; the decoder leaves them alone. */
	uint64_t unscaled, clamped;	/* records */
	uint64_t log_us;		/* when something about it was logged */
	uint8_t ways;			/* 1: ingress records came, 2: egress ones */
	bool silent, both_ways, told_totals;	/* was told so */
};

/* Data Sets that were lost because nobody has told their template. */
struct decoder_loss {
	struct addr exporter;
	uint32_t domain;
	uint16_t id;
	uint8_t protocol;
	uint64_t sets, octets, last_us;	/* when the last of them came */
};

struct decoder;

/* Bytes that decoder_init needs, for these limits: the worst case, all of it. */
size_t decoder_size(const struct decoder_limits *l);
/* `mem` is 64-byte aligned and stays the caller's.  `seed` keys the hash: strangers choose what is
 * hashed. */
struct decoder *decoder_init(void *mem, const struct decoder_limits *l, uint64_t seed);

/*
 * Of what a template has, set only these members (FLOW_BIT) and what counts and samples;
 * others may be zero though they are present.  Without this: all of them.
 */
void decoder_want(struct decoder *d, uint64_t members);

/*
 * Hand over extras, too.  Right after decoder_init(), for templates are compiled for
 * them; `mem` (decoder_extras_size() octets, aligned as malloc does) and `want` stay the caller's.
 */
size_t decoder_extras_size(const struct extras_want *want);
void decoder_want_extras(struct decoder *d, const struct extras_want *want, void *mem);

/*
 * The short way: what records say goes straight into the caller's columns, and emit_columns() is
 * called where emit() would have been, with how many rows of them are filled.  It is taken by the
 * records of v1, v5, v7 and of fixed-length templates that are dealt with alike: no biflow, no
 * choice between address families, all (of a chunk) of one sampler, no extras; that have all
 * members of `with`, and none of `without`.  `all` has in `present` and in its sampling interval
 * what they share, and no other member.
 *
 * Columns have DECODER_CHUNK rows; with what they point to they stay the caller's, until other
 * ones, or NULL, are given.
 */
typedef void emit_columns_fn(
	void *ctx, const struct flow_origin *origin, const struct flow_record *all, size_t n);
struct columns_want {
	/*
	 * Other columns for those records of which each member that has a `v4` one among these is an
	 * address of IPv4, as their template says, or absent; `with`, `without` and its `v4` are not
	 * looked at.  Or NULL.
	 */
	const struct columns_want *v4;
	const struct flow_column *column;
	size_t n;
	const struct flow_area *area;	/* places that columns have to themselves, which is faster */
	size_t nareas;			/* may be 0 */
	uint64_t with, without;		/* FLOW_BIT */
	emit_columns_fn *emit;
};
void decoder_want_columns(struct decoder *d, const struct columns_want *want);

/*
 * Decode one datagram; every flow record goes to emit().  WIRE_OK when the
 * datagram was accepted - it may still have been damaged inside, which the
 * counters tell - else why it was refused.
 */
enum wire_err decode(struct decoder *d, const struct decoder_input *in, emit_fn *emit, void *ctx);

const struct decode_counts *decoder_counts(const struct decoder *d);
/* The last damage or refusal, for one log line: what, and for which template or Set. */
enum wire_err decoder_last(const struct decoder *d, uint32_t *id);
/* Streams, one by one: start with NULL, ends with NULL. */
struct stream *decoder_stream_next(struct decoder *d, struct stream *prev);

/*
 * Of the Sets that are kept, those that came hold_us before now_us, or earlier, are given up
 * (UINT64_MAX: all of them): the ones that miss an interval are decoded without it, the ones that
 * miss a template are lost.  Returns the last loss, or NULL.
 */
struct decoder_loss *decoder_expire(struct decoder *d, uint64_t now_us, emit_fn *emit, void *ctx);
/* Sets that are kept. */
uint64_t decoder_waiting(const struct decoder *d);
/* Losses by template, one by one: start with NULL, ends with NULL. */
struct decoder_loss *decoder_loss_next(struct decoder *d, struct decoder_loss *prev);

/*
 * What a datagram is, from its first bytes, without state: for a program that
 * forwards and does not decode.
 */
struct peek {
	enum flow_protocol protocol;	/* PROTO_UNKNOWN: nothing below is valid */
	uint16_t version;
	uint32_t domain;	/* as in struct flow_origin */
	uint32_t sequence;
	struct addr agent;	/* sFlow; else 0.0.0.0 */
};

void wire_peek(struct peek *p, struct bytes dgram);

#endif /* DECODER_H */
