/*
 * output_pcap.c - into a capture file, at the times of the scenario.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "net/capture.h"
#include "pcapgen/output.h"

struct output {
	struct endpoint to;
	char *path;
	struct capture_writer *writer;
	struct endpoint *sources;
	size_t n, cap;
	struct sender_counts counts;
};

static struct output *pcap_open_file(const struct output_options *o, char *why)
{
	struct output *out = xcalloc(1, sizeof(*out));

	out->to = o->to;
	out->writer = capture_create(o->path);
	if (!out->writer) {
		snprintf(why, OUTPUT_WHY, "%.200s: %s", o->path, strerror(errno));
		free(out);
		return NULL;
	}
	out->path = xstrdup(o->path);
	return out;
}

static int pcap_source(struct output *out, struct endpoint *from, char *why)
{
	if (from->any || (!out->to.any && addr_is4(&from->addr) != addr_is4(&out->to.addr))) {
		char f[ENDPOINT_TEXT];

		snprintf(why, OUTPUT_WHY,
			"source %s and the destination in the capture are of different address "
			"families",
			endpoint_print(from, f));
		return -1;
	}
	if (out->n == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 16;
		out->sources = xrealloc(out->sources, out->cap * sizeof(*out->sources));
	}
	if (!from->port)	/* no kernel to pick one: the ephemeral range in turn */
		from->port = (uint16_t)(49152 + out->n % 16384);
	out->sources[out->n] = *from;
	return (int)out->n++;
}

static size_t pcap_record(
	const struct output *out, int source, struct bytes d, uint64_t when_ns, uint8_t *to)
{
	const struct endpoint *from = &out->sources[source];
	struct endpoint dest = out->to;

	if (dest.any) {	/* documentation addresses (RFC 5737, RFC 3849) */
		static const uint8_t doc6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

		dest.any = false;
		dest.addr = addr_is4(&from->addr) ? addr_make4(0xc0000201) : addr_from16(doc6);
	}
	return capture_record(to, when_ns, from, &dest, d);
}

static size_t pcap_append(
	struct output *out, const uint8_t *records, const uint32_t *octets, size_t n)
{
	size_t all = 0, taken, i;

	for (i = 0; i < n; i++)
		all += octets[i];
	taken = capture_append(out->writer, records, all);
	for (i = 0; i < n && taken >= octets[i]; i++)
		taken -= octets[i];
	capture_take_back(out->writer, taken);
	out->counts.sent += i;
	return i;
}

static struct sender_counts pcap_counts(const struct output *out)
{
	return out->counts;
}

/*
 * How much of it is there.  What the file did not take is not in the truth either; but a disk may
 * also find out behind our back that it has no room for what it took.
 */
static void tell_rest(const struct output *out, int error, char *why)
{
	const unsigned long long all = out->counts.sent;
	unsigned long long there = 0;
	char unread[256];
	/* "-" would be what we are given, not what we gave. */
	struct capture *c = strcmp(out->path, "-") ? capture_open(out->path, unread) : NULL;
	struct datagram d;
	struct endpoint to;

	while (c && capture_next(c, &d, &to, unread) > 0)
		there++;
	if (c && there < all)
		snprintf(why, OUTPUT_WHY,
			"%.120s: %.60s: the file has the first %llu of %llu datagrams; the "
			"truth, if it could be written, has all", out->path, strerror(error), there, all);
	else
		snprintf(why, OUTPUT_WHY, "%.120s: %.60s: it has the first %llu datagrams, and so "
			"has the truth", out->path, strerror(error), all);
	if (c)
		capture_close(c);
}

static int pcap_close_file(struct output *out, char *why)
{
	int err = capture_finish(out->writer);

	if (err)
		tell_rest(out, errno, why);
	free(out->sources);
	free(out->path);
	free(out);
	return err;
}

const struct output_class output_pcap = { .name = "pcap",
	.open = pcap_open_file,
	.source = pcap_source,
	.record = pcap_record,
	.append = pcap_append,
	.counts = pcap_counts,
	.close = pcap_close_file };
