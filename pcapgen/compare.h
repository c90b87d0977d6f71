/*
 * compare.h - the rows expected against the rows found: which are wrong, by how
 * much, and why where that is evident.
 *
 * Sums are compared, never counts of rows; a row whose sums are all zero is the
 * same as no row.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "pcapgen/rules.h"

typedef unsigned __int128 counter;

struct sums3 {
	counter packets, flows, octets;
	uint32_t flags;
};

/* What a wrong row looks like, the first that fits. */
enum verdict {
	VERDICT_SWAPPED, /* stands there with source and destination exchanged */
	VERDICT_MOVED, /* all of it, or all that lacks, stands in another bin */
	VERDICT_DOUBLED, /* exactly twice */
	VERDICT_FACTOR, /* exactly N times */
	VERDICT_DIVIDED, /* exactly the Nth part: sampling was not multiplied in */
	VERDICT_WRAPPED, /* lacks a multiple of 2^32: a 32-bit counter */
	VERDICT_FRAMES, /* octets differ by the same whole number of octets a packet: frames, not IP
			 */
	VERDICT_FLOWS, /* octets and packets are right, flows or flags are not */
	VERDICT_UNEXPLAINED, /* from here on that it is wrong is all that is known */
	VERDICT_MISSING = VERDICT_UNEXPLAINED,
	VERDICT_UNEXPECTED,
	VERDICT_LESS,
	VERDICT_MORE,
};

struct wrong_row {
	char *key, *stamp;
	bool expected, found;	/* on which side it stands */
	struct sums3 want, got;
	enum verdict verdict;
	char why[96];		/* the verdict in words: "3 times what was sent" */
};

struct comparison {
	uint64_t rows;			/* expected */
	uint64_t wrong, unexplained;
	bool lossy;			/* every wrong row has less than it should */
	struct sums3 want, got;		/* of all rows; flags unused */
	struct wrong_row *row; /* the wrong ones, sorted by key and bin; at most COMPARE_KEPT */
	size_t n;
};

enum { COMPARE_KEPT = 10000 };

/* Compare tables expected and actual; 0, or -1 after logging. */
int compare(struct comparison *c, struct rules *r, const struct rules_shape *shape);
void compare_clear(struct comparison *c);

/* "ip_src=10.0.0.1 iface_in=7": the columns that are aggregated. */
struct strbuf;
void compare_key_text(struct strbuf *to, const struct rules_shape *shape, const char *key);
/* Decimal text; `buf` holds at least 44 bytes. */
char *counter_text(char *buf, counter n);
/* +12 or -12. */
char *delta_text(char *buf, counter want, counter got);

#endif /* COMPARE_H */
