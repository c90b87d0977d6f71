/*
 * summary.h - how far it is, on a terminal; what came of it, for people as a
 * table and for programs as "name<TAB>value" lines.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "net/batch.h"

/* What was handed over, of one exporter or of all. */
struct tally {
	uint64_t datagrams, records;
	uint64_t octets;	/* of the flows, as exported */
	uint64_t wire_octets;	/* UDP payload */
	uint64_t send_errors;	/* datagrams that were not taken; in none of the above */
};

void tally_add(struct tally *sum, const struct tally *t);

struct progress {
	const char *what;
	bool shown;		/* stderr is a terminal */
	uint64_t next_ns;
};

void progress_init(struct progress *p, const char *what);
/* One line, rewritten at most twice a second; percent < 0: unknown. */
void progress_show(struct progress *p, uint64_t now_ns, const struct tally *t, int percent);
void progress_end(struct progress *p);

/* Rows of the summary; on a terminal a table, else TSV. */
struct summary {
	FILE *to;
	bool terminal;
};

/* On stdout, or on stderr when stdout carries the truth. */
void summary_init(struct summary *r, bool stdout_taken);
void summary_text(const struct summary *r, const char *name, const char *value);
void summary_number(const struct summary *r, const char *name, uint64_t value);
/* `milli` thousandths: "12.345". */
void summary_milli(const struct summary *r, const char *name, uint64_t milli);
void summary_tally(const struct summary *r, const struct tally *t);
/* One exporter's line. */
void summary_exporter(const struct summary *r, const char *name, const struct tally *t);
/* What the kernel refused, by cause; nothing when there was nothing. */
void summary_errors(const struct summary *r, const struct sender_counts *c);

/* SIGINT and SIGTERM ask for an orderly end; true once one came. */
void stop_on_signals(void);
bool stop_asked(void);

#endif /* SUMMARY_H */
