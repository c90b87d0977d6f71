/*
 * fuzz_decoder.c - a sequence of datagrams through one decoder: each is its
 * length in two octets and its octets.  The length's top bit is another sender.
 *
 * The tables are tiny, so that evictions happen.  The books must balance, and
 * what is kept of all that was told must fit the limits: it is counted by what
 * a second decoder loads of what the first one saves.
 */
#include <stdlib.h>
#include "wire/decoder.h"
#include "wire/persist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#ifndef FUZZ_LIMITS
#define FUZZ_LIMITS .exporter_share = 2
#endif

static const struct decoder_limits limits = {
	.streams = 3, .templates = 4, .samplers = 5, FUZZ_LIMITS
};

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void count(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	uint64_t *records = ctx;

	must(n > 0 && n <= DECODER_CHUNK && origin->stream != NULL &&
		origin->protocol < PROTO_UNKNOWN);
	for (size_t i = 0; i < n; i++) {
		must(rec[i].present >> FLOW_FIELDS == 0);
		if (flow_has(&rec[i], FLOW_sampling_num))
			must(rec[i].sampling_num > 0 && rec[i].sampling_den > 0);
	}
	*records += n;
}

static void balance(struct decoder *d, uint64_t records)
{
	const struct decode_counts *c = decoder_counts(d);
	uint64_t refused = 0;
	unsigned streams = 0, losses = 0;
	uint64_t lost = 0;

	for (int i = 0; i < WIRE_ERRORS_MAX; i++)
		refused += c->refused[i];
	must(c->datagrams == c->accepted + refused);
	must(c->records == records && c->reversed <= records && c->unscaled <= records);
	must(c->damaged[WIRE_OK] == 0 && c->refused[WIRE_OK] == 0);
	for (struct stream *s = NULL; (s = decoder_stream_next(d, s)); streams++)
		must(s->datagrams > 0 || limits.holdback_octets);
	must(streams <= limits.streams);
	must(c->held == c->held_decoded + c->held_unscaled + c->held_lost &&
		decoder_waiting(d) == 0);
	for (struct decoder_loss *l = NULL; (l = decoder_loss_next(d, l)); losses++)
		lost += l->octets;
	must(losses <= 256 && lost <= c->no_template_octets && c->no_template_octets <= c->octets);
}

static struct decoder *fresh(struct decoder **d)
{
	if (!*d)
		*d = aligned_alloc(64, (decoder_size(&limits) + 63) & ~(size_t)63);
	must(*d != NULL);
	return decoder_init(*d, &limits, 42);
}

/* No sequence of datagrams leaves more behind than the limits allow. */
static void bounded(const struct decoder *d)
{
	static struct decoder *again;
	static uint8_t file[32768];
	struct decoder_loaded l = { 0 };
	struct bytes saved = { file, 0 };

	must(decoder_save_size(d) <= sizeof(file));
	saved.n = decoder_save(d, file, sizeof(file), 1);
	must(saved.n > 0 && saved.n <= decoder_save_size(d));
	must(!decoder_load(fresh(&again), &saved, UINT64_MAX, UINT64_MAX, &l) && saved.n == 0);
	must(l.streams <= limits.streams && l.templates <= limits.templates && l.refused == 0);
	must(l.samplers <= limits.samplers && l.old == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct decoder *d;
	uint64_t records = 0, now = UINT64_C(1700000000000000);
	struct peek peek;

	fresh(&d);
	while (n >= 2) {
		size_t len = be16(data) & 0x7fff;
		struct decoder_input in = { { data + 2, 0 },
			addr_make4(0x0a000001u + (data[0] >> 7)), 2055, now };

		data += 2;
		n -= 2;
		in.data.n = len < n ? len : n;
		wire_peek(&peek, in.data);
		decoder_expire(d, now, count, &records);
		must((decode(d, &in, count, &records) == WIRE_OK) <=
			(peek.protocol != PROTO_UNKNOWN));
		data += in.data.n;
		n -= in.data.n;
		now += 1000000;
	}
	decoder_expire(d, UINT64_MAX, count, &records);
	balance(d, records);
	bounded(d);
	return 0;
}
