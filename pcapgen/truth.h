/*
 * truth.h - the truth file: one line per flow record that was handed to the
 * kernel or written to a capture, TSV with a header line.
 *
 *	datagram exporter port version domain sequence src dst sport dport proto tos tcpflags
 *	in_if out_if src_as dst_as src_mask dst_mask next_hop packets octets sampling first_ms last_ms
 *
 * Addresses as text, times in milliseconds since 1970 UTC, `sampling` the
 * interval announced for this record (1: none), counters as they stand on the
 * wire.  sFlow: one line a flow sample, packets 1, octets the frame length.
 * More columns may follow at the end: readers go by name.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdio.h>
#include "wire/flow.h"

struct truth_row {
	uint64_t datagram;	/* 1, 2, ... in the order sent */
	struct addr exporter;
	uint16_t port;
	uint16_t version;	/* 1, 5, 7, 8, 9, 10; sFlow: 105 (so that 5 stays NetFlow) */
	uint32_t domain, sequence;
	struct flow_record flow;	/* sampling_num/den: the interval; absent: 1 */
};

struct truth_writer;

/* "-" is stdout.  NULL with errno. */
struct truth_writer *truth_create(const char *path);
void truth_put(struct truth_writer *w, const struct truth_row *row);
uint64_t truth_count(const struct truth_writer *w);
/* Flush, fsync and close; -1 with errno when a line did not reach the file. */
int truth_finish(struct truth_writer *w);

/*
 * Read a truth file line by line; 1, 0 at the end, -1 after writing
 * "file:line: column "x": ..." to `why` (at least 256 bytes).
 */
struct truth_reader;
struct truth_reader *truth_open(const char *path, char *why);
int truth_next(struct truth_reader *r, struct truth_row *row, char *why);
void truth_close(struct truth_reader *r);

#endif /* TRUTH_H */
