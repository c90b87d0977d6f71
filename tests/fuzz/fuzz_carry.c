/*
 * fuzz_carry.c - counters and numbers of another process (carry.h), as one of
 * another version may write them.
 *
 * Input: records; the end with its sum is put behind them here.  The first octet
 * says how many workers there are.  What was taken can be handed on, and
 * is then known to the last record.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/carry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern unsigned fuzz_cuts;
unsigned fuzz_cuts = 60;

enum { WORKERS = 2, WORD = 8, END = 13, INPUT_MAX = 1 << 16 };

static const char map[] =
	"id=1 ip=127.0.0.1:1,127.0.0.1:2 balance-alg=rendezvous-domain renumber=true\n"
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
	static const struct receiver_defaults plain = { .no_lookup = true };
	const struct worker_limits limits = { 65536, 1, { 0, NULL, 64 } };

	worker_blank(w);
	receivers_init(&w->receivers);
	must(receivers_read_text(&w->receivers, "f", map, sizeof(map) - 1, &plain, true) == 0);
	must(worker_init(w, &limits) == 0);
}

/* Kind and octets of a name in 2 octets each, how many numbers in 4; then both. */
static size_t record_size(const uint8_t *p, size_t n)
{
	uint16_t name;
	uint32_t numbers;

	if (n < WORD)
		return 0;
	memcpy(&name, p + 2, 2);
	memcpy(&numbers, p + 4, 4);
	return WORD + (name + 7u) / WORD * WORD + (size_t)numbers * WORD;
}

/* The records that are whole, and an end. */
static size_t make(uint8_t *out, const uint8_t *data, size_t n)
{
	uint64_t sum = 0, last[3] = { END | UINT64_C(2) << 32, 0, 0 };
	size_t used = WORD, len;

	memcpy(out, "FLCARRY1", WORD);
	for (size_t at = 0; (len = record_size(data + at, n - at)) && len <= n - at; at += len) {
		if (data[at] == END && data[at + 1] == 0)
			break;
		memcpy(out + used, data + at, len);
		used += len;
		last[1]++;
	}
	for (size_t at = WORD; at < used; at += WORD) {
		uint64_t word;

		memcpy(&word, out + at, WORD);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	last[2] = sum;
	memcpy(out + used, last, sizeof(last));
	return used + sizeof(last);
}

static void hand_on(struct worker *w, size_t n, struct report *base)
{
	static struct report sum;
	struct carry_result got;
	FILE *f = tmpfile();

	must(f != NULL);
	report_collect(&sum, w, n);
	report_add(&sum, base);
	must(carry_write(f, w, n, &sum) == 0);
	report_clear(&sum);
	rewind(f);
	must(carry_read(f, w, n, base, &got) == 0 && got.unknown == 0 && got.gone == 0);
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t file[INPUT_MAX + 64];
	static struct report base;
	struct worker w[WORKERS];
	struct carry_result got;
	size_t workers;
	FILE *f;

	if (n == 0 || n > INPUT_MAX)
		return 0;
	log_capture(no_log, NULL);
	memset(&base, 0, sizeof(base));
	workers = 1 + data[0] % WORKERS;
	for (size_t i = 0; i < workers; i++)
		start(&w[i]);
	f = fmemopen(file, make(file, data + 1, n - 1), "r");
	must(f && carry_read(f, w, workers, &base, &got) == 0);
	fclose(f);
	hand_on(w, workers, &base);
	for (size_t i = 0; i < workers; i++)
		worker_clear(&w[i]);
	return 0;
}
