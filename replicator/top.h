/*
 * top.h - --top: receivers and exporters of a replicator that runs, in a
 * terminal, once a second; to a pipe or a file, once.
 */
#ifndef REPLICATOR_TOP_H
#define REPLICATOR_TOP_H

/* Ask at the socket `control` until INT or TERM; an exit status. */
int top_run(const char *control);

#endif /* REPLICATOR_TOP_H */
