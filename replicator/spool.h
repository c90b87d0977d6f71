/*
 * spool.h - a receiver's datagrams while it is away: a ring in a file.
 *
 * What a dead receiver would lose is written here, oldest first, with the
 * exporter's address; when it is back it is sent from here in that order, at
 * most `rate` a second, beside the live datagrams, which do not wait.  The file
 * outlives the process; what is in it is sent by the next one.  When it is full
 * the oldest gives way.
 *
 *	spooled + taken over = replayed + lost again + overwritten + waiting
 *
 * Reads and writes go through the page cache; spool_sync() is for forcing them to
 * the disk.  A machine that loses power loses what was spooled since, and sends
 * again what was sent since; what is damaged is found and counted.
 */
#ifndef REPLICATOR_SPOOL_H
#define REPLICATOR_SPOOL_H

#include "net/batch.h"

struct spool_limits {
	uint64_t octets;	/* of the file */
	uint64_t rate;		/* datagrams a second when it is sent */
	uint64_t sync_ns;	/* forced to the disk so often; 0: never */
};

struct spool_counts {
	uint64_t written, taken_over;	/* datagrams: by this process, found in the file */
	uint64_t read;
	uint64_t overwritten;		/* or damaged */
	uint64_t errors;		/* of the file: what it said is in `err` */
};

struct spool {
	int fd;
	int err;
	struct spool_limits limits;
	struct spool_counts counts;
	uint64_t waiting;		/* datagrams in the file */
	bool dirty;			/* changed since it was forced to the disk */
	uint64_t synced_ns;
	uint64_t filled_ns, tokens;	/* pace, in millionths of a datagram */
	struct spool_head {
		uint8_t magic[8];
		uint64_t octets;	/* room behind the head */
		uint64_t first, last;	/* offsets that only grow; modulo octets they are places */
		uint64_t waiting;
	} head;
	uint8_t *buffer;
	size_t buffer_n;
};

enum { SPOOL_MIN = 1 << 20 };

/* Open or make `path`; -1 with errno, EWOULDBLOCK: another process has it, EINVAL: it is no spool.
 */
int spool_open(struct spool *s, const char *path, const struct spool_limits *l);
void spool_close(struct spool *s);
/* Append `n` datagrams; how many went in, fewer when the file failed. */
size_t spool_put(
	struct spool *s, const struct bytes *d, const struct endpoint *const *from, size_t n);
/* How many may be sent now, by the pace. */
size_t spool_due(struct spool *s, uint64_t now_ns);
/*
 * The oldest up to `max`, into arrays of that length; they point into the spool
 * and are valid until the next call.  They are gone from the file after
 * spool_taken().
 */
size_t spool_peek(struct spool *s, struct bytes *d, struct endpoint *from, size_t max);
void spool_taken(struct spool *s, size_t n);

/*
 * When it is due to be forced to the disk: a descriptor for fdatasync() and
 * close(), which may take the disk's time and are for whoever has it; else -1.
 */
int spool_sync(struct spool *s, uint64_t now_ns);

#endif /* REPLICATOR_SPOOL_H */
