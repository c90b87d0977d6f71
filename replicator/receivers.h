/*
 * receivers.h - who gets what: pools of receivers, read from samplicator's
 * words and files and from pmacct's tee_receivers map.
 *
 * All pools that want a datagram get it, in the order of the files; a pool
 * without a balance gives it to each of its receivers.  A set of pools is
 * built whole, checked, and then takes the place of the one before
 * (receivers_adopt): receivers that stay keep their socket, their counters and
 * their sampling countdown.
 *
 * Double entry, for every receiver at every moment:
 *	received = filtered + balanced + sampled + merged + unscaled + family + sent
 *	           + spooled + eagain + emsgsize + refused + unreachable + other
 */
#ifndef RECEIVERS_H
#define RECEIVERS_H

#include "base/lpm.h"
#include "net/batch.h"
#include "replicator/balance.h"
#include "replicator/files.h"
#include "replicator/health.h"
#include "replicator/raw.h"
#include "replicator/recall.h"
#include "replicator/renumber.h"
#include "replicator/rule.h"
#include "replicator/names.h"
#include "replicator/tags.h"
#include "replicator/sender.h"
#include "replicator/spool.h"

/* Where something was written, for messages; line 0: the command line. */
struct place {
	const char *file;
	unsigned line;
};

struct rebuild;
struct tenant;

struct receiver {
	char *label;		/* "192.0.2.9:2055": what logs and statistics call it */
	char *name;		/* "collector:2055", when it was written so; NULL: as label */
	struct endpoint to;
	uint32_t frequency;	/* 1 in N datagrams, 1: all */
	uint32_t countdown;	/* 0: the next one is sent */
	uint8_t ttl;		/* 0: the system's */
	uint16_t source_port;	/* local port, 0: any; not with `transparent` */
	uint32_t weight;	/* share of a rendezvous pool, 1 and up */
	uint16_t probe_port;	/* TCP port that says whether it is there; 0: none */
	bool transparent;	/* keep the exporter's address and port */
	bool watched;		/* something depends on its health: a balance, a spool */
	uint32_t delay_us;	/* sleep after each datagram */
	struct sender_options options;
	const struct sender_kind *kind;
	struct sender out;	/* fd -1: not open; its counts are this receiver's in any case */
	struct raw raw;		/* for sources that a socket cannot have */
	uint64_t raw_retry_ns;
	int open_errno;		/* why it is not open */
	uint64_t retry_ns;	/* when to try again to open it */
	/* Beside out.counts: */
	uint64_t received;	/* datagrams that reached the program since this receiver exists */
	uint64_t filtered;	/* not wanted by its pool */
	uint64_t balanced;	/* wanted, and given to another receiver of the pool */
	uint64_t sampled;	/* left out by frequency */
	uint64_t merged;	/* no record of them was wanted, or they became one with others */
	uint64_t unscaled; /* v5 whose interval times `sample` its header has no room for */
	uint64_t family; /* source kept: an IPv4 source cannot be in an IPv6 packet, nor the reverse
			  */
	uint64_t log_us, logged_losses;
	struct health health;
	struct renumber *numbers;	/* NULL: numbers stay as they are */
	/* Templates that it is told beside its datagrams, see recall.h; not part of the sum above.
	 */
	struct recall_known known;
	/* What its pool's tenant saw: records, those wanted, octets that could not be read. */
	uint64_t records, records_kept, unread_octets;
	uint64_t stripped;	/* sent without their data, of those that `sample` did not choose */
	uint64_t told;		/* messages that were sent */
	uint64_t untold;	/* that could not be sent */
	uint64_t tell_ns;	/* not before */
	uint64_t spool_since;	/* recall_now() when the spool began to fill; 0: it is empty */
	uint32_t tell_budget;	/* messages left until the next tell_refill_ns */
	uint64_t tell_refill_ns;
	char *spool_dir;	/* where its spool is; NULL: it has none */
	struct spool_limits spool_limits;
	struct spool *spool;	/* NULL: not open */
	uint64_t spool_retry_ns, spool_log_us;
	uint64_t spooled;	/* written to the spool instead of being sent */
	/* Of the spool: spooled + taken_over = replayed + replay_lost + overwritten + waiting. */
	uint64_t replayed, replay_lost, spool_taken_over, spool_overwritten, spool_waiting,
		spool_errors;
	bool keep;		/* receivers_adopt */
};

struct pool {
	char *label;		/* "10.0.0.0/8", "*", "pool 12" */
	struct prefix source;
	bool everyone;		/* any source */
	bool never;		/* its tag filter refuses untagged datagrams, and nothing tags */
	struct tags *tags;	/* who tags, one of the set's; NULL: every datagram has tag 0 */
	char *tag_filter;	/* tags that it takes; NULL: all */
	uint64_t mask[2], value[2];	/* the prefix, ready to compare */
	bool picky;		/* has a rule or is `else` */
	struct rule *rule;	/* NULL: none */
	bool otherwise;		/* gets what no other pool of its file wants */
	unsigned file;		/* number of it */
	uint32_t sample;	/* 1 in N by content, but for templates and options; 1: all */
	uint64_t thin_turn;	/* of `sample`, for what has no sequence number */
	struct thin *thin;	/* of `sample`, made with the first datagram */
	struct tenant *tenant;	/* NULL: whole datagrams */
	struct rebuild *rebuild;	/* the tenant's, made with the first datagram */
	bool renumber;		/* its receivers see continuous sequence numbers */
	const struct balance *balance;	/* NULL: every receiver */
	uint64_t turn;
	struct receiver **receivers;
	size_t n;
};

struct receivers {
	struct pool *pools;
	size_t npools;
	/* What receivers_free'd ones had counted, so that nothing vanishes from the sums. */
	struct receiver removed;
	unsigned errors, warnings;	/* logged while reading */
	struct lpm *allow;	/* exporters that may come in; NULL: all */
	bool quiet;		/* warnings are not logged: another worker's set had them already */
	unsigned files;			/* read so far */
	struct tags **tags;	/* one for each file of receivers that has a pre_tag_map */
	size_t ntags;
	bool has_else;
	struct tags *file_tags;	/* of the file being read */
	size_t file_pools; /* where the pools of the file being read begin: ids are unique in it */
};

/* What holds for every receiver that is read. */
struct receiver_defaults {
	int family;		/* 0, 4, 6: of every name that is resolved */
	bool no_lookup;		/* numbers only: for tests that must not ask a resolver */
	const char *tag_map;	/* pre_tag_map of the file's pools; NULL: none */
	struct names *names;	/* who looks up and remembers; NULL: the resolver each time */
	struct files *files;	/* the texts of files; NULL: the files themselves */
	bool transparent;
	uint32_t delay_us;
	struct sender_options options;
};

enum {
	RECEIVER_PORT = 2000,	/* samplicator's default */
	RECEIVERS_MAX = 8192,	/* of a set; each is a socket */
};

void receivers_init(struct receivers *rs);
void receivers_clear(struct receivers *rs, struct outlet *o);

/* An empty pool at the end, for receivers_add_word; label is copied. */
struct pool *receivers_add_pool(struct receivers *rs, const char *label);
/*
 * Append what a samplicator word says, HOST[/PORT[/FREQ[,TTL]]], PORT a number,
 * a service, A-B or A+N.  0, or -1 after logging and counting the error.
 */
int receivers_add_word(struct receivers *rs, struct pool *pool, const char *word,
		       const struct receiver_defaults *d, struct place at);
/* samplicator's file: `SRC[/MASK]: RECEIVER ...`. */
int receivers_read(struct receivers *rs, const char *path, const struct receiver_defaults *d);
/* pmacct's tee_receivers map: `id=1 ip=192.0.2.1:2055,... balance-alg=rr`. */
int receivers_read_map(struct receivers *rs, const char *path, const struct receiver_defaults *d);
/* Both from memory, for tests and fuzzing. */
int receivers_read_text(struct receivers *rs, const char *origin, const char *text, size_t n,
			const struct receiver_defaults *d, bool map);

/* The sources whose tag filter accepts `tag`, by pmacct's rules (util.c): left to right. */
bool tag_filter_accepts(const char *list, uint64_t tag, bool *lawful);

/* Whether any receiver keeps the exporter's source. */
bool receivers_spoof(const struct receivers *rs);
/* A receiver that is the socket `listen` itself, or NULL: datagrams would run in a circle. */
const struct receiver *receivers_find_loop(
	const struct receivers *rs, const struct endpoint *listen);
size_t receivers_count(const struct receivers *rs);
/* Whether both have the same pools with the same receivers in the same order. */
bool receivers_alike(const struct receivers *a, const struct receivers *b);

/* Open what is new.  */
void receivers_open(struct receivers *rs, struct outlet *o);
/*
 * Make `fresh` the set in force: receivers of `now` that are in it too move
 * over; what is left of `now` is closed, and `fresh` is empty afterwards.
 */
void receivers_adopt(struct receivers *now, struct receivers *fresh, struct outlet *o);

/* Add what `r` counted to `sum`. */
void receiver_add_counts(struct receiver *sum, const struct receiver *r);
/* Sum of everything not sent, named or not. */
uint64_t receiver_losses(const struct receiver *r);

#endif /* RECEIVERS_H */
