/*
 * fuzz_recall.c - what exporters tell, remembered and told again (recall.h).
 *
 * Input: pieces (piece.h); of the flags bits 0-1 the exporter, bit 2 "tell
 * somebody who knows nothing", bit 3 "he hears this one himself".
 *
 * No bound is passed whatever comes.  What is told is what was learnt: a second
 * memory, larger than the first, that hears the messages and nothing else has
 * as many items of as many octets, and tells the same.
 */
#include <stdlib.h>
#include <string.h>

#include "piece.h"
#include "replicator/recall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { TOLD_MAX = 1 << 16 };

static const struct recall_limits small = { .streams = 3, .items = 12, .octets = 2048 };
static const struct recall_limits large = { .streams = 8, .items = 64, .octets = 1 << 16 };

static void must(bool truth)
{
	if (!truth)
		abort();
}

struct listener {
	struct recall *m;	/* NULL: only what was told is noted */
	uint8_t told[TOLD_MAX];
	size_t n;
};

static void hear(struct recall *m, const struct datagram *d)
{
	struct recall_mark mark;
	struct peek peek;

	wire_peek(&peek, d->data);
	recall_begin(m);
	recall_look(m, d, &peek, &mark);
	if (mark.carries)
		recall_learn(m, d, &peek);
}

static void overhear(void *ctx, const struct endpoint *from, struct bytes message)
{
	const struct datagram d = { message, *from, 0 };
	struct listener *l = ctx;

	must(l->n + message.n <= TOLD_MAX);
	memcpy(l->told + l->n, message.p, message.n);
	l->n += message.n;
	if (l->m)
		hear(l->m, &d);
}

static void check_bounds(const struct recall *m)
{
	const struct recall_counts *c = recall_counts(m);

	must(c->streams <= small.streams && c->items <= small.items && c->octets <= small.octets);
}

static void check_told(struct recall *m)
{
	static struct listener first, second;

	first = (struct listener){ .m = recall_new(&large, 2) };
	second = (struct listener){ .m = NULL };
	must(first.m != NULL);
	recall_walk(m, overhear, &first);
	must(recall_counts(first.m)->items == recall_counts(m)->items);
	must(recall_counts(first.m)->octets == recall_counts(m)->octets);
	must(recall_counts(first.m)->refused == 0);
	recall_walk(first.m, overhear, &second);
	must(first.n == second.n && memcmp(first.told, second.told, first.n) == 0);
	recall_free(first.m);
}

static void one(struct recall *m, struct recall_known *known, struct bytes data, unsigned flags)
{
	const struct datagram d = { data, { addr_make4(0xc0000200 + (flags & 3)), 5000, false },
		0 };
	const struct bytes *messages;
	const uint32_t at = 0;
	struct recall_mark mark;
	struct peek peek;
	unsigned sum = 0;
	size_t n;

	wire_peek(&peek, data);
	recall_begin(m);
	recall_look(m, &d, &peek, &mark);
	if (flags & 4 && recall_needs(m, known, &mark)) {
		n = recall_messages(m, &mark, data, &messages);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < messages[i].n; k++)
				sum += messages[i].p[k];
		recall_told(known, m, &mark);
		must(!recall_needs(m, known, &mark) && sum > 0);
	}
	if (flags & 8)
		recall_heard(known, m, &mark, &at, 1);
	if (mark.carries)
		recall_learn(m, &d, &peek);
	check_bounds(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct recall *m = recall_new(&small, 1);
	struct bytes rest = { data, n }, piece;
	struct recall_known known;
	unsigned flags;

	must(m && recall_known_init(&known, m) == 0);
	while (piece_next(&rest, &piece, &flags))
		one(m, &known, piece, flags);
	check_told(m);
	recall_known_clear(&known);
	recall_free(m);
	return 0;
}
