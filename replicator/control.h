/*
 * control.h - commands to a replicator that runs: a UNIX datagram socket, one
 * line of text each way.
 *
 *	tell RECEIVER	templates to this receiver again, before its next datagrams
 *	tell all
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "replicator/worker.h"

enum { CONTROL_TEXT = 256 };

/* A socket at `path`, which is replaced when nobody listens there; -1 with errno (EADDRINUSE: somebody does). */
int control_open(const char *path);
void control_close(int fd, const char *path);
/* Answer everything that is there; a command is for all workers. */
void control_serve(int fd, struct worker *w, size_t n);
/* What a command does to one worker and what it answers: false when it was refused. */
bool control_command(struct fanout *f, const char *text, char answer[static CONTROL_TEXT]);
/* The other side: send `command` to `path` and print the answer; an exit status. */
int control_ask(const char *path, const char *command);

#endif /* CONTROL_H */
