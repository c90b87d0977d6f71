/*
 * salvage.h - the file that a purge is saved in when its database does not
 * answer: written under another name, fsync'ed, then renamed, so that a file
 * with the final name is whole; a checksum in it says so for good.
 */
#ifndef SALVAGE_H
#define SALVAGE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "nfacctd/settings.h"

struct salvage_file {
	FILE *f;
	uint64_t sum;		/* of what salvage_put() wrote */
	char path[PATH_MAX], partial[PATH_MAX + 8];
};

/*
 * <base>.<plugin>.<run>.<purge>.<suffix> with base sql_recovery_logfile, else
 * /var/lib/nfacctd/unwritten, else ./unwritten: the first that can be written.
 * 0, or -1 with errno.
 */
int salvage_open(struct salvage_file *s, const struct plugin_settings *p, uint64_t run_id,
		 uint64_t purge, const char *suffix);
/* A file of this name. */
int salvage_open_path(struct salvage_file *s, const char *path);
/* Bytes that the checksum covers; 0, or -1 with errno. */
int salvage_put(struct salvage_file *s, const char *bytes, size_t n);
/* FNV-1a of 64 bits, going on from `sum`. */
enum { SALVAGE_SUM_DIGITS = 16 };
uint64_t salvage_sum(uint64_t sum, const char *bytes, size_t n);
uint64_t salvage_sum_start(void);

/* Flush and rename when `err` is 0, else remove; the outcome as 0 or -1 with errno. */
int salvage_close(struct salvage_file *s, int err);

#endif /* SALVAGE_H */
