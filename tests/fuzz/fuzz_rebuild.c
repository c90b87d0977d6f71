/*
 * fuzz_rebuild.c - records for tenants out of datagrams of strangers (rebuild.h).
 *
 * Input: pieces (piece.h); of the flags bits 0-1 the exporter, bit 2 the end of
 * a batch, bits 3-4 whose records they are.
 *
 * Whoever decodes what a tenant gets finds as many records as the tenant was
 * counted, and nothing damaged.
 */
#include <stdlib.h>

#include "base/log.h"
#include "piece.h"
#include "replicator/rebuild.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern unsigned fuzz_cuts;
unsigned fuzz_cuts = 300;

enum { MOST = 32, TENANTS = 4 };

static const struct { const char *key, *value; } words[TENANTS] = {
	{ "networks", "10.0.0.0/8,2001:db8::/32" },
	{ "interfaces", "0-10" },
	{ "filter", "tcp or udp" },
	{ "networks", "0.0.0.0/0,::/0" },
};

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void no_record(void *ctx, const struct flow_origin *origin, struct flow_record *r, size_t n)
{
	(void)ctx;
	(void)origin;
	(void)r;
	(void)n;
}

static struct bytes out_data[SHARE_MAX];
static const struct endpoint *out_from[SHARE_MAX];
static uint32_t out_at[SHARE_MAX];
static struct decoder *decoder;

/* No less than a tenant has, so that nothing gives way there that does not give way here. */
static const struct decoder_limits limits = { .streams = 64, .templates = REBUILD_TEMPLATES,
	.samplers = 64, .exporter_share = 4 };

static void decode_one(struct bytes data, const struct endpoint *from)
{
	const struct decoder_input in = { data, from->addr, from->port, 1 };

	must(decode(decoder, &in, no_record, NULL) == WIRE_OK);
}

static void batch_through(struct rebuild *r, const struct datagram *d, size_t n)
{
	static struct subject subjects[MOST];
	struct rebuild_out out = { out_data, out_from, out_at, 0 };
	struct bytes data[MOST];
	const struct endpoint *from[MOST];
	uint32_t at[MOST];

	for (size_t i = 0; i < n; i++) {
		classify_subject(&subjects[i], &d[i], 2055);
		data[i] = d[i].data;
		from[i] = &d[i].from;
		at[i] = (uint32_t)i;
	}
	for (size_t i = 0, next; i < n; i = next) {
		next = rebuild(r, &(struct share){ data, from, at, n }, subjects, i, &out);
		must(next > i);
		for (size_t k = 0; k < out.n; k++) {
			must(out.at[k] < n && out.data[k].n <= UINT16_MAX);
			decode_one(out.data[k], out.from[k]);
		}
	}
}

static void check(const struct rebuild *r)
{
	const struct rebuild_counts *seen = rebuild_counts(r);
	const struct decode_counts *c = decoder_counts(decoder);

	must(seen->kept <= seen->records && seen->counters_kept <= seen->counters);
	must(c->records - c->reversed == seen->kept && c->counter_samples == seen->counters_kept);
	must(c->no_template_octets == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tenant tenants[TENANTS];
	static bool ready;
	struct bytes rest = { data, n };
	struct datagram d[MOST];
	struct rebuild *r;
	size_t held = 0;
	unsigned flags;
	const char *why;

	for (size_t i = 0; !ready && i < TENANTS; i++)
		must(tenant_key(&tenants[i], words[i].key, words[i].value, &why) && !why);
	ready = true;
	if (!decoder)
		decoder = aligned_alloc(64, (decoder_size(&limits) + 63) & ~(size_t)63);
	decoder = decoder_init(decoder, &limits, 42);
	r = rebuild_new(&tenants[n > 2 ? data[2] >> 3 & 3 : 0], 1);
	must(r != NULL);
	while (piece_next(&rest, &d[held].data, &flags)) {
		d[held++].from =
			(struct endpoint){ addr_make4(0xc0000200 + (flags & 3)), 5000, false };
		if (held < MOST && !(flags & 4))
			continue;
		batch_through(r, d, held);
		held = 0;
	}
	batch_through(r, d, held);
	check(r);
	rebuild_free(r);
	return 0;
}
