/*
 * stats.h - named counters that people, scripts and tests read: one row is a
 * name and a value, the name carries its labels.
 *
 *	stats_add(&s, 17, "receiver_sent{receiver=\"%s\"}", name);
 *	stats_write(&s, "/run/replicator/stats.tsv");
 */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct stats_row {
	char *name;
	uint64_t value;
};

struct stats {
	struct stats_row *rows;
	size_t n, cap;
};

void stats_init(struct stats *s);
void stats_clear(struct stats *s);
void stats_add(struct stats *s, uint64_t value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "name<TAB>value" lines. */
void stats_print(const struct stats *s, FILE *to);
/* The same to a file that is replaced in one step; 0, or -1 with errno. */
int stats_write(const struct stats *s, const char *path);

#endif /* STATS_H */
