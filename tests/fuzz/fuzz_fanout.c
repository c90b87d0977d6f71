/*
 * fuzz_fanout.c - datagrams of strangers through everything that the replicator
 * does to them: rules, template memory, records for tenants, new sequence
 * numbers, balance.
 *
 * Input: datagrams, each behind three octets - its length, and of the third
 * bits 0-1 the exporter, bit 2 the end of a batch, bit 3 "everybody was away",
 * bit 4 "the first of the balanced is down".
 *
 * What is sent is read octet by octet; after each batch every receiver has
 * every datagram under one name, what a tenant gets can be read, and what was
 * written into datagrams is as it was.
 */
#include <stdlib.h>

#include "base/log.h"
#include "replicator/fanout.h"
#include "wire/flowset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Of replay.c: a run here makes and ends what a program has, which costs milliseconds. */
extern unsigned fuzz_cuts;
unsigned fuzz_cuts = 150;

enum { MOST = 64 };

static const char map[] =
	"id=1 ip=127.0.0.1:1,127.0.0.1:2,127.0.0.1:3 balance-alg=rendezvous-domain weights=1,2,3\n"
	"id=2 ip=127.0.0.1:4 protocol=netflow5,netflow9 sample=2 renumber=true\n"
	"id=3 ip=127.0.0.1:5 networks=10.0.0.0/8,2001:db8::/32\n"
	"id=4 ip=127.0.0.1:6,127.0.0.1:7 interfaces=0-10 balance-alg=rr\n"
	"id=5 ip=127.0.0.1:8 networks=0.0.0.0/1 filter=tcp_or_udp\n"
	"id=6 ip=127.0.0.1:9 domain=0-9 size=20-500 agent=0.0.0.0/0\n"
	"id=7 ip=127.0.0.1:10 from=192.0.2.0/31 port=2055\n"
	"id=8 ip=127.0.0.1:11 else=true renumber=true\n";

static unsigned octet_sum;

static void fake_open(struct receiver *r, struct outlet *o)
{
	(void)o;
	r->out.fd = -1;
}

/* Every third share of a receiver does not fit its socket. */
static void fake_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	(void)o;
	(void)now_ns;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->data[i].n; k++)
			octet_sum += s->data[i].p[k];
		if (s->data[i].n > UINT16_MAX || !s->from[i])
			abort();
	}
	if (++r->log_us % 3 == 0) {
		r->out.counts.eagain += s->n;
		return;
	}
	r->out.counts.sent += s->n;
}

static const struct sender_kind fake = { "fake", NULL, fake_open, fake_send, fake_open };

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void check_sums(const struct receivers *rs, uint64_t total)
{
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const struct receiver *r = rs->pools[i].receivers[k];

			if (r->received != total || r->records_kept > r->records ||
				r->filtered + r->balanced + r->sampled + r->merged +
						r->out.counts.sent + receiver_losses(r) !=
					total)
				abort();
		}
	}
}

static void batch_through(struct fanout *f, const struct datagram *d, size_t n, uint64_t *total)
{
	unsigned before = 0, after = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < d[i].data.n; k++)
			before = before * 31 + d[i].data.p[k];
	*total += n;
	fanout_batch(f, &(struct batch) { .d = (struct datagram *)(uintptr_t)d, .n = n },
		*total * 1000000);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < d[i].data.n; k++)
			after = after * 31 + d[i].data.p[k];
	if (before != after)
		abort();
	check_sums(f->receivers, *total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct receiver_defaults plain = { .no_lookup = true };
	static const struct recall_limits limits = { .streams = 4, .items = 16, .octets = 8192 };
	struct outlet o = { 0 };
	struct receivers rs;
	struct fanout *f;
	struct datagram d[MOST];
	uint64_t total = 0;
	size_t held = 0;
	uint8_t *copy = malloc(n ? n : 1);	/* numbers are written into it */

	memcpy(copy, data, n);
	log_capture(no_log, NULL);
	receivers_init(&rs);
	if (receivers_read_text(&rs, "f", map, sizeof(map) - 1, &plain, true) < 0)
		abort();
	for (size_t i = 0; i < rs.npools; i++)
		for (size_t k = 0; k < rs.pools[i].n; k++)
			rs.pools[i].receivers[k]->kind = &fake;
	f = fanout_new(&rs, &o, 65536);
	f->recall = recall_new(&limits, 1);
	f->port = 2055;
	for (size_t at = 0; at + 3 <= n; ) {
		const unsigned flags = copy[at + 2];
		size_t len = be16(copy + at);

		at += 3;
		len = len < n - at ? len : n - at;
		d[held++] = (struct datagram){ .data = { copy + at, len },
			.from = { addr_make4(0xc0000200 + (flags & 3)), 5000, false } };
		at += len;
		for (size_t k = 0; flags & 8 && k < rs.pools[2].n; k++)
			recall_forget(&rs.pools[2].receivers[k]->known, f->recall);
		rs.pools[0].receivers[0]->health.down = flags & 16;
		if (held == MOST || flags & 4) {
			batch_through(f, d, held, &total);
			held = 0;
		}
	}
	batch_through(f, d, held, &total);
	recall_free(f->recall);
	fanout_free(f);
	receivers_clear(&rs, &o);
	free(copy);
	return 0;
}
