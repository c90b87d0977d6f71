/*
 * templates_file.h - nfacctd_templates_file: what exporters have told, over a
 * restart.  A section a worker (wire/persist.h), each read by every worker: who
 * had an exporter before need not have it again.
 */
#ifndef TEMPLATES_FILE_H
#define TEMPLATES_FILE_H

#include "nfacctd/worker.h"

struct templates_file {
	const char *path;	/* NULL: there is none, and nothing below happens */
	uint64_t told;		/* when last written: templates and options told by then */
	uint64_t logged_us;
	bool foreign;		/* it holds something else: left alone */
};

/*
 * Before the workers start.  A file that is missing, damaged or not ours is no
 * reason not to start: one line says so.  now_us 0: nothing in it is too old.
 */
void templates_file_read(struct templates_file *f, struct worker *w, size_t n, uint64_t now_us);
/* If anything was told since: a new file takes the place of the old one.  -1 after logging. */
int templates_file_write(struct templates_file *f, struct worker *w, size_t n, uint64_t now_us);

#endif /* TEMPLATES_FILE_H */
