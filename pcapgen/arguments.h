/*
 * arguments.h - what the subcommands' options have in common.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "net/socket.h"

/* "pcapgen craft: <text>" on stderr; returns EXIT_USAGE. */
int usage_error(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "host:port", "[v6]:port"; EXIT_USAGE after a line about `option`, else 0. */
int read_endpoint(const char *command, const char *option, const char *text, struct endpoint *e);
/* A bare address for `e`, port 0. */
int read_source(const char *command, const char *text, struct endpoint *e);
int read_number(const char *command, const char *option, const char *text, uint64_t min,
	uint64_t max, uint64_t *v);

#endif /* ARGUMENTS_H */
