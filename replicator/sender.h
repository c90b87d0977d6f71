/*
 * sender.h - a way out: how a receiver gets its datagrams.  A row of
 * senders.def each; what is sent and counted is the same for all.
 */
#ifndef REPLICATOR_SENDER_H
#define REPLICATOR_SENDER_H

#include "net/batch.h"

struct receiver;
struct spoof_cache;
struct sum_cache;

/* How a receiver's sockets are to be. */
struct sender_options {
	int send_buffer;		/* bytes; 0: the system's */
	bool no_checksum;		/* with the exporter's source: UDP checksum 0, IPv4 only */
	bool has_source;
	struct endpoint source;		/* local address of ordinary sockets */
	uint8_t tos;			/* 0: the system's */
};

/* What all receivers of the program share on their way out. */
struct outlet {
	unsigned worker;		/* number of the worker */
	size_t sockets_max;		/* bound of the spoof cache */
	struct spoof_cache *spoof;	/* made by the first transparent receiver */
	uint16_t port;			/* that the batch came to */
	uint8_t *copies;		/* of sender_proxy */
	uint64_t batch;			/* which one a share's `at` is about; counts from 1 */
	struct sum_cache *sums;		/* of its payloads, made by the first raw receiver */
	uint32_t raw_id;		/* identification of the last datagram that was sent raw */
	uint64_t raw_sent;		/* datagrams */
};

enum { SHARE_MAX = 4096 };	/* datagrams that fan out at a time: `at` is below it */

/* Datagrams for one receiver, in order, who sent each, and its place in the batch. */
struct share {
	const struct bytes *data;
	const struct endpoint *const *from;
	const uint32_t *at;
	size_t n;
};

struct sender_kind {
	const char *name;
	/* Whether this process may use it at all; 0, or -1 with *why set. */
	int (*available)(const char **why);
	/* Open what can be opened before the first datagram; failure is no end: send() tries again.
	 */
	void (*open)(struct receiver *r, struct outlet *o);
	/* Send, count every datagram in r->out.counts, never block. */
	void (*send)(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns);
	void (*close)(struct receiver *r, struct outlet *o);
};

#define SENDER(name) extern const struct sender_kind sender_##name;
#include "senders.def"
#undef SENDER

/* Sockets that cannot be opened are tried again after this. */
enum { SENDER_RETRY_MS = 1000 };

/* TTL and TOS of a socket; 0 leaves the system's. */
void sender_set_ip(int fd, bool v4, uint8_t ttl, uint8_t tos);

/* From here on a send of this socket is told of every error that came back. */
void sender_hear(int fd, bool v4);

/* Each datagram with its own source through the raw socket of `r`. */
void sender_raw_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns);
void sender_raw_free(struct outlet *o);

void spoof_cache_free(struct spoof_cache *c);
/* Counters of the cache, for the statistics. */
struct spoof_counts {
	uint64_t sockets;	/* open now */
	uint64_t opened, evicted, failed;
};
struct spoof_counts spoof_cache_counts(const struct spoof_cache *c);

#endif /* REPLICATOR_SENDER_H */
