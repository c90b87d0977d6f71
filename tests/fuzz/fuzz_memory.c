/*
 * fuzz_memory.c - the file that one process leaves to the next (memory.h), as
 * somebody may have changed it.
 *
 * Whatever is in it, what was learnt from it keeps its bounds, and is written
 * as a file that is read to the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern unsigned fuzz_cuts;
unsigned fuzz_cuts = 100;

enum { WORKERS = 2 };

static const char map[] =
	"id=1 ip=127.0.0.1:1,127.0.0.1:2 balance-alg=rendezvous-domain\n"
	"id=2 ip=127.0.0.1:3 sample=2\n"
	"id=3 ip=127.0.0.1:4 networks=10.0.0.0/8\n";

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void start(struct worker *w)
{
	static const struct recall_limits limits = { .streams = 8, .items = 32, .octets = 1 << 16 };
	static const struct receiver_defaults plain = { .no_lookup = true };

	worker_blank(w);
	receivers_init(&w->receivers);
	must(receivers_read_text(&w->receivers, "f", map, sizeof(map) - 1, &plain, true) == 0);
	w->fanout = fanout_new(&w->receivers, &w->outlet, 65536);
	must(w->fanout && (w->fanout->recall = recall_new(&limits, 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct worker w[WORKERS];
	FILE *f;

	log_capture(no_log, NULL);
	for (size_t i = 0; i < WORKERS; i++)
		start(&w[i]);
	f = fmemopen((void *)(uintptr_t)data, n ? n : 1, "r");
	must(f != NULL);
	errno = 0;
	if (memory_read(f, w, n % 2 ? 1 : WORKERS) < 0)
		must(errno == EBADMSG);
	fclose(f);
	for (size_t i = 0; i < WORKERS; i++)
		must(recall_counts(w[i].fanout->recall)->items <= 32);
	f = fdopen(memory_hand(w, WORKERS, NULL), "r");
	must(f && memory_read(f, w, WORKERS) >= 0);
	fclose(f);
	for (size_t i = 0; i < WORKERS; i++)
		worker_clear(&w[i]);
	return 0;
}
