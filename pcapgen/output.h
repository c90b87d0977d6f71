/*
 * output.h - where datagrams go: to a socket per exporter, or into a capture
 * file.  A row of outputs.def each.
 *
 * A source is an exporter's address and port.  Datagrams of one source keep
 * their order.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "net/batch.h"
#include "net/capture.h"

enum { OUTPUT_WHY = 320, OUTPUT_RECORD_HEAD = CAPTURE_HEAD };

struct output_options {
	struct endpoint
		to; /* capture: the destination in the frames; `any`: one fit for the source */
	const char *path;	/* capture */
	int send_buffer;	/* UDP, octets; 0: leave */
};

struct output;

struct output_class {
	const char *name;
	/* NULL with a line in `why`. */
	struct output *(*open)(const struct output_options *o, char *why);
	/*
	 * A source; its number, or -1 with a line in `why`.  *from becomes what
	 * it really is: the kernel picks a port for port 0, an address for `any`.
	 */
	int (*source)(struct output *out, struct endpoint *from, char *why);
	/*
	 * Hand over `n` datagrams of one source; outcome[i] is 0 or the errno of
	 * datagram i, when_ns[i] the time since 1970 that a capture shows.
	 */
	void (*send)(struct output *out, int source, const struct bytes *d, const uint64_t *when_ns,
		size_t n, int *outcome);
	/*
	 * A file has these two instead of send.  A datagram as the file will hold it, into `to`,
	 * which has room for OUTPUT_RECORD_HEAD + d.n: its octets.  Any thread may.
	 */
	size_t (*record)(const struct output *out, int source, struct bytes d, uint64_t when_ns,
		uint8_t *to);
	/*
	 * Append `n` of them, which lie one behind the other, of octets[i] each.  How many are in
	 * the file, whole: less than `n` when it takes no more, and then it never does again.
	 */
	size_t (*append)(struct output *out, const uint8_t *records, const uint32_t *octets, size_t n);
	/* What the kernel said, over all sources. */
	struct sender_counts (*counts)(const struct output *out);
	/* -1 with a line in `why` when something did not get to where it should. */
	int (*close)(struct output *out, char *why);
};

#define OUTPUT(name) extern const struct output_class output_##name;
#include "pcapgen/outputs.def"
#undef OUTPUT

/* NULL when there is none of this name. */
const struct output_class *output_find(const char *name);

#endif /* OUTPUT_H */
