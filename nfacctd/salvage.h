/*
 * salvage.h - the file that a purge is saved in when its database does not
 * answer at exit: written under another name, fsync'ed, then renamed, so that
 * a file with the final name is whole.
 */
#ifndef SALVAGE_H
#define SALVAGE_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include "nfacctd/settings.h"

struct salvage_file {
	FILE *f;
	char path[PATH_MAX], partial[PATH_MAX + 8];
};

/*
 * <base>.<plugin>.<run>.<purge>.<suffix> with base sql_recovery_logfile, else
 * /var/lib/nfacctd/unwritten, else ./unwritten: the first that can be written.
 * 0, or -1 with errno.
 */
int salvage_open(struct salvage_file *s, const struct plugin_settings *p, uint64_t run_id,
		 uint64_t purge, const char *suffix);
/* Flush and rename when `err` is 0, else remove; the outcome as 0 or -1 with errno. */
int salvage_close(struct salvage_file *s, int err);

#endif /* SALVAGE_H */
