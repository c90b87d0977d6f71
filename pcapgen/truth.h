/*
 * truth.h - the truth file: one line per flow record that was handed to the
 * kernel or written to a capture, TSV with a header line.
 *
 *	datagram exporter port version domain sequence src dst sport dport proto tos tcpflags
 *	in_if out_if src_as dst_as src_mask dst_mask next_hop packets octets sampling first_ms
 *last_ms
 *
 * Addresses as text, times in milliseconds since 1970 UTC, `sampling` the
 * interval announced for this record (1: none), counters as they stand on the
 * wire.  sFlow: one line a flow sample, packets 1, octets the frame length.
 * Behind them three columns of ours: `protocol` (netflow5, netflow9, ipfix,
 * sflow5, ...: `version` alone cannot tell NetFlow v5 from sFlow v5),
 * `sent_ms`, when the datagram was handed over (a collector that books by
 * arrival needs it), and `export_ms`, the time in its header (the time of a
 * record that says none).  A wide truth, which replay writes, has twelve more:
 * src_mac dst_mac vlan out_vlan direction post_src post_dst post_sport post_dport
 * bgp_next_hop flows, and `announced`, 1 where the exporter announced an interval at all, be it 1
 * (craft's would be empty, or not tell what its sampled frames hold).  On request it has
 * `elements`: all Information Elements of the record, in its order, as [PEN:]ID=OCTETS in
 * hexadecimal digits with blanks between.  More may follow: readers go by name; a reader that
 * finds no `protocol` takes it from `version`, and no `sent_ms` takes last_ms.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdio.h>
#include "wire/decoder.h"

struct truth_row {
	uint64_t datagram;	/* 1, 2, ... in the order sent */
	struct addr exporter;
	uint16_t port;
	uint8_t protocol;	/* enum flow_protocol */
	uint16_t version;	/* on the wire: 1, 5, 7, 8, 9, 10; sFlow 2, 4, 5 */
	uint32_t domain, sequence;
	uint64_t sent_us;
	uint64_t export_us;	/* the header's time; 0: it has none (sFlow), or nobody wrote it down */
	struct flow_record flow;	/* sampling_num/den: the interval; absent: 1 */
	const char *elements;	/* text as in the file, the reader's until its next line; NULL: none */
};

enum truth_width { TRUTH_NARROW, TRUTH_WIDE, TRUTH_ELEMENTS };

struct truth_writer;

/* "-" is stdout.  NULL with errno. */
struct truth_writer *truth_create(const char *path, enum truth_width width);
void truth_put(struct truth_writer *w, const struct truth_row *row);
/* The same in two steps, the first of which any thread may do: a line, without its elements ... */
enum { TRUTH_LINE_MAX = 2048 };
size_t truth_line(
	char out[static TRUTH_LINE_MAX], const struct truth_row *row, enum truth_width width);
/* ... and many of them, in the file's order. */
void truth_append(struct truth_writer *w, const char *lines, size_t n, uint64_t rows);
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
/* All the columns of a wide truth are there, or only those of a narrow one. */
enum truth_width truth_width(const struct truth_reader *r);
void truth_close(struct truth_reader *r);

#endif /* TRUTH_H */
