/*
 * fuzz_thin.c - sample=N, the honest way: datagrams of strangers of which one in
 * so many is sent whole, of the others what must not be missed (thin.h, resample.h).
 *
 * Input: pieces (piece.h); of the flags bits 0-1 the exporter, bit 2 "chosen",
 * bits 3-7 N.  What is sent is no longer than what came and can be read; a
 * counter sample is never missing; a rate grows by N, and by nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "piece.h"
#include "replicator/resample.h"
#include "replicator/thin.h"
#include "wire/flowset.h"
#include "wire/sflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool truth)
{
	if (!truth)
		abort();
}

struct tally {
	uint64_t rates;
	uint32_t flows, others;
};

/* Samples that are whole; what follows one that is cut is nobody's. */
static struct tally tally(struct bytes data, uint32_t times)
{
	struct tally t = { 0 };
	struct sflow_msg m;
	struct bytes rest;

	if (sflow_parse(&m, data) != WIRE_OK)
		return t;
	rest = m.samples;
	for (uint32_t i = 0; i < m.nsamples && rest.n >= 8; i++) {
		const struct bytes sample = rest;
		const uint64_t len = (uint64_t)be32(rest.p + 4) + 8;
		uint64_t rate;

		if (len > rest.n)
			break;
		rest.p += len;
		rest.n -= (size_t)len;
		if (!resample_is_flow((struct bytes){ sample.p, (size_t)len })) {
			t.others++;
			continue;
		}
		rate = (uint64_t)times * be32(sample.p + (be32(sample.p) == 3 ? 20 : 16));
		t.rates += rate < UINT32_MAX ? rate : UINT32_MAX;
		t.flows++;
	}
	return t;
}

static void check_sflow(struct bytes in, struct bytes out, uint32_t n, bool chosen)
{
	const struct tally before = tally(in, n), after = tally(out, 1);

	must(out.p || before.others == 0);
	must(before.others == after.others);
	must(after.flows == (chosen ? before.flows : 0));
	must(after.rates == (chosen ? before.rates : 0));
}

static void check_flowset(struct bytes out, uint32_t kept)
{
	struct set_iter it;
	struct flow_msg m;
	struct flow_set set;
	uint32_t sets = 0;

	must(flow_msg_parse(&m, out) == WIRE_OK);
	for (set_first(&it, &m); set_next(&it, &set); )
		sets++;
	must(it.err == WIRE_OK && sets > 0);
	must(m.version == 9 ? kept == RENUMBER_ALL : kept <= out.n);
}

/* v5 that is chosen: all but the two octets of the interval, unless there is no room for it. */
static void check_netflow5(struct bytes in, struct bytes out, uint32_t n)
{
	const uint32_t before = be16(in.p + 22) & 0x3fff;
	const uint64_t times = (uint64_t)(before ? before : 1) * n;

	must(!out.p == (times > 0x3fff));
	if (!out.p)
		return;
	must(out.n == in.n && memcmp(in.p, out.p, 22) == 0 &&
		memcmp(in.p + 24, out.p + 24, in.n - 24) == 0);
	must((be16(out.p + 22) & 0x3fff) == times && be16(out.p + 22) >> 14);
}

static void one(struct thin *t, struct recall *recall, struct bytes data, unsigned flags)
{
	const struct datagram d = { data, { addr_make4(0xc0000200 + (flags & 3)), 5000, false },
		0 };
	const bool chosen = flags & 4;
	struct thin_look look = { .recall = recall, .n = flags >> 3 ? flags >> 3 : 1u << 31,
		.chosen = chosen };
	struct recall_mark mark;
	struct subject s;
	struct bytes out;
	uint32_t kept;

	classify_subject(&s, &d, 2055);
	recall_begin(recall);
	recall_look(recall, &d, &s.peek, &mark);
	look.subject = &s;
	look.mark = &mark;
	must(thin_begin(t, data.n) == 0);
	out = thin(t, &look, data, &kept);
	must(out.n <= data.n);
	if (s.peek.protocol == PROTO_SFLOW && s.peek.version == 5)
		check_sflow(data, out, look.n, chosen);
	else if (chosen && s.peek.protocol == PROTO_NETFLOW5 && data.n >= 24)
		check_netflow5(data, out, look.n);
	else if (chosen)
		must(out.p == data.p && out.n == data.n && kept == RENUMBER_ALL);
	else if (out.p)
		check_flowset(out, kept);
	if (mark.carries)
		recall_learn(recall, &d, &s.peek);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct recall_limits limits = { .streams = 4, .items = 16, .octets = 8192 };
	struct recall *recall = recall_new(&limits, 1);
	struct thin *t = thin_new(1);
	struct bytes rest = { data, n }, piece;
	unsigned flags;

	must(t && recall);
	while (piece_next(&rest, &piece, &flags))
		one(t, recall, piece, flags);
	thin_free(t);
	recall_free(recall);
	return 0;
}
