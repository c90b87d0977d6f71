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

enum { OUTPUT_WHY = 320 };

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
