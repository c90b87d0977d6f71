/*
 * spool.h - a purge as a file: written under another name, fsync'ed, renamed,
 * with a checksum at its end, so that a file of the final name is whole.
 *
 * A heading of text says what it is, a line a thing, and ends with an empty
 * line; the rows follow as they lie in memory, in this machine's byte order.
 * Nothing in it is about a kind of database: what is replayed goes through the
 * plugin's sink like any purge, with the number of the run that made it.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <limits.h>
#include <stdio.h>
#include "nfacctd/sink.h"

struct spool_purge {
	struct purge purge;	/* .run is that of the one who wrote it, .replayed is set */
	uint64_t octets, packets;
	char plugin[128];
	char *key;		/* what the keys are made of: "src_host:16,proto:1 flows" */
	/* its own */
	struct sum_row *rows;
	struct purge_mark *marks;
	char *bytes;
	size_t size;
};

/* The name of a file: <base>.<plugin>.<run>.<purge>.spool; false when it is too long. */
bool spool_name(char path[static PATH_MAX], const char *base, const char *plugin, uint64_t run,
		uint64_t purge);
/* What the keys of a layout are made of; on the heap. */
char *spool_key(const struct key_layout *l);

/* 0, or -1 with errno; *bytes its size. */
int spool_save(const char *path, const char *plugin, const struct key_layout *l,
	       const struct purge *p, uint64_t *bytes);
/*
 * NULL, or why it cannot be used: words without the path.  With `heading_only`
 * no row is read and the checksum is not looked at.
 */
const char *spool_load(struct spool_purge *s, const char *path, bool heading_only);
void spool_clear(struct spool_purge *s);

struct settings;
/* nfacctd --spool: the files that wait for the plugins of a configuration; 0, or 1 when one of
 * them is damaged. */
int spool_list(const struct settings *s, FILE *to);
/* nfacctd --spool-dump FILE: its rows as CSV. */
int spool_dump(const struct settings *s, const char *path, FILE *to);

#endif /* SPOOL_H */
