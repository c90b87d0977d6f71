/*
 * files.h - the files that receivers are read from, as they were when they were
 * read last.
 *
 * A reload reads each file once, whoever asks how often: all workers get the
 * same text, and a pipe can be read at all.  Looking names up again reads
 * nothing: what somebody is writing just now is not picked up before a reload.
 * Used by one thread at a time: the one that reads receivers.
 */
#ifndef REPLICATOR_FILES_H
#define REPLICATOR_FILES_H

#include <stdbool.h>
#include <stdio.h>

struct files;

struct files *files_new(void);
void files_free(struct files *f);
/* From here on every file is read anew, once, until files_settle(). */
void files_anew(struct files *f);
/* What was read anew takes the place of what was before, or is forgotten. */
void files_settle(struct files *f, bool taken);
/* To be closed with fclose(); NULL with errno.  `f` NULL: the file itself. */
FILE *files_open(struct files *f, const char *path);

#endif /* REPLICATOR_FILES_H */
