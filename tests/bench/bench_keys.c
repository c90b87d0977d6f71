/*
 * bench_keys.c - what a record costs by how many distinct keys there are: NetFlow v5 datagrams in
 * memory, through the decoder, into the sums of sum_host with history (two keys a record, drawn
 * evenly: no key comes more often than another, which is the worst case for caches).
 *
 * What is measured is CPU of the thread that takes them.  The longest pause is that of one
 * datagram of 30 records while the table grows; where it is long because somebody else had the
 * processor, a second table shows it, so the shorter one of two counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "nfacctd/engine.h"
#include "nfacctd/sink.h"

enum { RECORDS = 30, DATAGRAMS = 30000, OCTETS = 24 + RECORDS * 48, ROUNDS = 5, NOW = 1715754000 };

static const uint32_t sizes[] = { 10000, 100000, 1000000, 10000000 };

/* ---- a sink that takes nothing ---- */

static void *no_open(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	static int handle;

	(void)p;
	(void)l;
	(void)run_id;
	return &handle;
}

static enum sink_result no_write(void *sink, const struct purge *p)
{
	(void)sink;
	(void)p;
	return SINK_OK;
}

static const struct sink_counts *no_counts(void *sink)
{
	static struct sink_counts counts;

	(void)sink;
	return &counts;
}

static void no_close(void *sink)
{
	(void)sink;
}

static const struct sink nowhere = { .type = "print", .open = no_open, .write = no_write,
	.counts = no_counts, .close = no_close };

static const struct sink *find(const char *type)
{
	(void)type;
	return &nowhere;
}

/* ---- datagrams ---- */

static uint64_t state = 1;

static uint32_t draw(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((state >> 32) * n >> 32);
}

static void put(uint8_t *p, uint32_t v, int n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* Hosts `from` on, both ends of each record; `from` UINT32_MAX: any of `n`. */
static void fill(uint8_t *p, uint32_t from, uint32_t n)
{
	memset(p, 0, OCTETS);
	put(p, 5, 2);
	put(p + 2, RECORDS, 2);
	put(p + 4, 5000000, 4);
	put(p + 8, NOW, 4);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint8_t *r = p + 24 + 48 * i;

		for (uint32_t end = 0; end < 2; end++)
			put(r + 4 * end, 0x0a000000 + (from == UINT32_MAX ? draw(n)
				: (from + 2 * i + end) % n), 4);
		put(r + 16, 1 + draw(9), 4);
		put(r + 20, 40 + draw(1400), 4);
		put(r + 24, 5000000, 4);
		put(r + 28, 5000000, 4);
		r[38] = 6;
	}
}

static void take(struct engine *e, const uint8_t *p)
{
	const struct datagram d = { { p, OCTETS }, { addr_make4(0xc0000201), 2055, false },
		UINT64_C(1000000) * NOW };

	engine_feed(e, &d);
}

/* ---- measuring ---- */

struct result {
	double ns, bytes;
	uint64_t pause_ns;
};

/* A counter of the one plugin. */
static uint64_t stat_of(struct engine *e, const char *name)
{
	struct stats s;
	uint64_t v = 0;

	stats_init(&s);
	engine_stats(e, &s);
	for (size_t i = 0; i < s.n; i++)
		if (strncmp(s.rows[i].name, name, strlen(name)) == 0)
			v = s.rows[i].value;
	stats_clear(&s);
	return v;
}

static struct result measure(const struct settings *s, uint8_t *data, uint32_t n)
{
	struct engine *e = engine_new(s, find, NOW, 42);
	struct result r = { .ns = 1e9 };
	uint8_t one[OCTETS];

	if (!e || engine_open(e) < 0)
		exit(1);
	for (uint32_t at = 0; at < n; at += 2 * RECORDS) {
		uint64_t from;

		fill(one, at, n);
		from = clock_thread_ns();
		take(e, one);
		from = clock_thread_ns() - from;
		if (at && from > r.pause_ns)	/* the first one starts the clock */
			r.pause_ns = from;
	}
	for (size_t i = 0; i < DATAGRAMS; i++)
		fill(data + i * OCTETS, UINT32_MAX, n);
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t from = clock_thread_ns();
		double ns;

		for (size_t i = 0; i < DATAGRAMS; i++)
			take(e, data + i * OCTETS);
		ns = (double)(clock_thread_ns() - from) / (DATAGRAMS * RECORDS);
		if (ns < r.ns)
			r.ns = ns;
	}
	r.bytes = (double)stat_of(e, "plugin_table_bytes{") /
		(double)stat_of(e, "plugin_table_rows{");
	engine_free(e);
	return r;
}

int main(void)
{
	static const char text[] = "plugins: print\naggregate: sum_host\nprint_history: 1h\n"
		"print_history_roundoff: h\nprint_refresh_time: 86400\npcap_savefile: none\n"
		"nfacctd_memory_budget: 8589934592\n";
	uint8_t *data = malloc((size_t)DATAGRAMS * OCTETS);
	struct settings settings;
	struct conf c;
	double first = 0;

	log_level(LOG_LEVEL_WARN);
	conf_init(&c);
	if (!data || conf_read_text(&c, "bench", text, strlen(text)) < 0 ||
	    settings_load(&settings, NULL, &c, NULL) < 0)
		return 1;
	conf_clear(&c);
	puts("nfacctd: NetFlow v5 in memory to sum_host with history, two keys a record, evenly");
	printf("%12s %12s %12s %14s %10s\n", "keys", "ns/record", "bytes/key", "longest pause",
	       "over 10 k");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct result a = measure(&settings, data, sizes[i]);
		struct result b = measure(&settings, data, sizes[i]);

		a.ns = b.ns < a.ns ? b.ns : a.ns;
		a.pause_ns = b.pause_ns < a.pause_ns ? b.pause_ns : a.pause_ns;
		if (i == 0)
			first = a.ns;
		printf("%12" PRIu32 " %12.1f %12.1f %11.0f us %9.1fx\n", sizes[i], a.ns, a.bytes,
		       (double)a.pause_ns / 1000, a.ns / first);
	}
	settings_clear(&settings);
	free(data);
	return 0;
}
