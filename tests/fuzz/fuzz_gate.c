/*
 * fuzz_gate.c - what stands before the rules: a pre_tag_map as a user writes it
 * (first octet 0), or datagrams that strangers send (else).
 *
 * Datagrams: two octets of length, one of source, the payload, and again.
 * Whatever comes: what passed and what was dropped add up, and no table grows
 * beyond its bound.
 */
#include <stdlib.h>

#include "base/log.h"
#include "replicator/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST = 64, ROWS = 16 };

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	if (strlen(text) > 8192)
		abort();
}

static void fuzz_tags(const uint8_t *data, size_t n)
{
	const struct peek peek = { .protocol = PROTO_NETFLOW5, .domain = 0x0203 };
	const struct addr from = addr_make4(0x0a000001);
	unsigned errors = 0;
	struct tags *t = tags_read_text("f", (const char *)data, n, &errors);

	if (!t != (errors > 0))
		abort();
	if (t && tags_find(t, &from, &peek) != tags_find(t, &from, &peek))
		abort();
	tags_free(t);
}

static void fuzz_datagrams(const uint8_t *data, size_t n)
{
	struct dedup *window = dedup_new(1000, DEDUP_ENTRIES, 2);
	const struct gate_limits limits = { 3, window, ROWS };
	const struct endpoint own = { addr_make4(0x0a000007), 7, false };
	struct gate *g = gate_new(&limits, 1);
	struct receivers none = { 0 };
	struct datagram d[MOST];
	struct batch b = { .d = d };
	uint64_t total = 0, passed = 0;

	if (!g)
		return;
	gate_refresh(g, &own, 1);
	gate_drained(g);
	for (uint64_t now_ns = 1; n >= 3; now_ns += 300) {
		for (b.n = 0; n >= 3 && b.n < MOST; b.n++) {
			size_t octets = (size_t)data[0] << 8 | data[1];

			octets = octets < n - 3 ? octets : n - 3;
			d[b.n] = (struct datagram) { { data + 3, octets },
				{ addr_make4(0x0a000000u + data[2]), data[2], false }, 0 };
			data += 3 + octets;
			n -= 3 + octets;
		}
		total += b.n;
		gate_batch(g, &none, &b, now_ns);
		passed += b.n;
	}
	if (total !=
		passed + g->counts.denied + g->counts.limited + g->counts.looped +
			g->counts.duplicates)
		abort();
	if (g->exporters->rows.used > ROWS || g->exporters->streams.used > ROWS)
		abort();
	gate_free(g);
	dedup_free(window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	log_capture(no_log, NULL);
	if (n && *data == 0)
		fuzz_tags(data + 1, n - 1);
	else if (n)
		fuzz_datagrams(data + 1, n - 1);
	return 0;
}
