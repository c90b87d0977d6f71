/*
 * control.h - commands to a replicator that runs: a UNIX datagram socket, one
 * line of text each way, and open files with the answer where that is needed.
 *
 *	tell RECEIVER	templates to this receiver again, before its next datagrams
 *	tell all
 *	stats		a file with all counters, for --top
 *	handover ADDR	the listening sockets and a file of templates, counters and numbers (memory.h), for
 *			--take-over; the answerer then ends
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "replicator/worker.h"

enum { CONTROL_TEXT = 256, CONTROL_FDS = WORKERS_MAX + 1 };

/* Files that are sent are closed here afterwards, but those of `keep`. */
struct control_answer {
	char text[CONTROL_TEXT];
	int fds[CONTROL_FDS];
	size_t nfds;
	bool keep;
	void (*after)(void *ctx, bool sent);	/* NULL, or what follows */
};

struct control_command {
	const char *name;
	/* False when it is refused; the answer says why. */
	bool (*run)(void *ctx, const char *argument, struct control_answer *a);
};

/* A socket at `path`, which is replaced when nobody listens there; -1 with errno (EADDRINUSE:
 * somebody does). */
int control_open(const char *path);
void control_close(int fd, const char *path);
/* Answer everything that is there. */
void control_serve(int fd, const struct control_command *commands, size_t n, void *ctx);
/* The command "tell" for one worker. */
bool control_tell(struct fanout *f, const char *who, struct control_answer *a);

/* The other side: 0 with the answer, or -1 after saying why not. */
int control_request(const char *path, const char *command, struct control_answer *a);
/* The same, with the answer printed; an exit status. */
int control_ask(const char *path, const char *command);

#endif /* CONTROL_H */
