/*
 * bench_keys.c - what a record costs by how many distinct keys there are: NetFlow v5 datagrams in
 * memory, through the decoder, into the sums of sum_host with history (two keys a record, drawn
 * evenly: no key comes more often than another, which is the worst case for caches).
 *
 * What is measured is CPU of the thread that takes them.  The longest pause is that of one
 * datagram of 30 records while the table grows; where it is long because somebody else had the
 * processor, a second table shows it, so the shorter one of two counts.
 *
 * Then what a key takes, and the longest pause, at a million keys of several
 * widths; those with IPv6 come as IPFIX.
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

/* IPFIX: template 256 of what WIDTH6 octets hold, RECORDS records of IPv6 hosts `from` on. */
static const uint16_t elements[][2] = { { 27, 16 }, { 28, 16 }, { 7, 2 }, { 11, 2 }, { 4, 1 },
	{ 1, 4 }, { 2, 4 } };
enum { NELEMENTS = sizeof(elements) / sizeof(elements[0]), WIDTH6 = 45,
	DATA6 = 16 + 8 + 4 * NELEMENTS, OCTETS6 = DATA6 + 4 + RECORDS * WIDTH6 };

static void fill6(uint8_t *p, uint32_t from)
{
	memset(p, 0, OCTETS6);
	put(p, 10, 2);
	put(p + 2, OCTETS6, 2);
	put(p + 4, NOW, 4);
	put(p + 8, from, 4);
	put(p + 16, 2, 2);
	put(p + 18, 8 + 4 * NELEMENTS, 2);
	put(p + 20, 256, 2);
	put(p + 22, NELEMENTS, 2);
	for (uint32_t i = 0; i < 2 * NELEMENTS; i++)
		put(p + 24 + 2 * i, elements[i / 2][i % 2], 2);
	put(p + DATA6, 256, 2);
	put(p + DATA6 + 2, 4 + RECORDS * WIDTH6, 2);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint8_t *r = p + DATA6 + 4 + WIDTH6 * i;

		put(r, 0x20010db8, 4);
		put(r + 12, from + i, 4);
		put(r + 16, 0x20010db8, 4);
		put(r + 28, ~(from + i), 4);
		put(r + 32, from + i, 2);
		put(r + 36, 6, 1);
		put(r + 37, 40 + draw(1400), 4);
		put(r + 41, 1 + draw(9), 4);
	}
}

static void take(struct engine *e, const uint8_t *p, size_t octets)
{
	const struct datagram d = { { p, octets }, { addr_make4(0xc0000201), 2055, false },
		UINT64_C(1000000) * NOW };

	engine_feed(e, &d);
}

/* ---- measuring ---- */

struct result {
	double ns, bytes, keys;
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
		take(e, one, OCTETS);
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
			take(e, data + i * OCTETS, OCTETS);
		ns = (double)(clock_thread_ns() - from) / (DATAGRAMS * RECORDS);
		if (ns < r.ns)
			r.ns = ns;
	}
	r.bytes = (double)stat_of(e, "plugin_table_bytes{") /
		(double)stat_of(e, "plugin_table_rows{");
	engine_free(e);
	return r;
}

/* ---- widths ---- */

enum { WIDTH_KEYS = 1000000 };

static const struct {
	const char *name, *aggregate;
	bool v6;
} widths[] = {
	{ "host", "src_host", false },
	{ "two hosts, ports, protocol", "src_host,dst_host,src_port,dst_port,proto", false },
	{ "12 primitives", "peer_src_ip,in_iface,out_iface,src_host,dst_host,src_port,dst_port,proto,"
		"tos,src_as,dst_as,src_mask", false },
	{ "IPv6 host", "src_host", true },
	{ "two IPv6 hosts, ports, protocol", "src_host,dst_host,src_port,dst_port,proto", true },
	{ "12 primitives, IPv6", "peer_src_ip,in_iface,out_iface,src_host,dst_host,src_port,dst_port,"
		"proto,tos,src_as,dst_as,src_mask", true },
};

static void load(struct settings *s, const char *aggregate)
{
	struct conf c;
	char text[512];

	snprintf(text, sizeof(text), "plugins: print\naggregate: %s\nprint_history: 1h\n"
		 "print_history_roundoff: h\nprint_refresh_time: 86400\npcap_savefile: none\n"
		 "nfacctd_memory_budget: 8589934592\n", aggregate);
	conf_init(&c);
	if (conf_read_text(&c, "bench", text, strlen(text)) < 0 ||
	    settings_load(s, NULL, &c, NULL) < 0)
		exit(1);
	conf_clear(&c);
}

static struct result measure_width(const struct settings *s, bool v6)
{
	struct engine *e = engine_new(s, find, NOW, 42);
	struct result r = { 0 };
	uint8_t one[2048];
	_Static_assert((int)OCTETS <= 2048 && (int)OCTETS6 <= 2048, "one datagram");

	if (!e || engine_open(e) < 0)
		exit(1);
	/* Of the two hosts of a v5 record the even ones are sources. */
	for (uint32_t at = 0; at < WIDTH_KEYS; at += RECORDS) {
		uint64_t from;

		if (v6)
			fill6(one, at);
		else
			fill(one, 2 * at, 2 * WIDTH_KEYS);
		from = clock_thread_ns();
		take(e, one, v6 ? OCTETS6 : OCTETS);
		from = clock_thread_ns() - from;
		if (at && from > r.pause_ns)
			r.pause_ns = from;
	}
	r.bytes = (double)stat_of(e, "plugin_table_bytes{") /
		(double)stat_of(e, "plugin_table_rows{");
	r.keys = (double)stat_of(e, "plugin_table_rows{");
	engine_free(e);
	return r;
}

static void print_widths(void)
{
	puts("\nnfacctd: a million keys of several widths, with history");
	printf("%-32s %12s %12s %14s\n", "key", "keys", "bytes/key", "longest pause");
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct settings settings;
		struct result a, b;

		load(&settings, widths[i].aggregate);
		a = measure_width(&settings, widths[i].v6);
		b = measure_width(&settings, widths[i].v6);
		a.pause_ns = b.pause_ns < a.pause_ns ? b.pause_ns : a.pause_ns;
		printf("%-32s %12.0f %12.1f %11.0f us\n", widths[i].name, a.keys, a.bytes,
			(double)a.pause_ns / 1000);
		settings_clear(&settings);
	}
}

int main(void)
{
	uint8_t *data = malloc((size_t)DATAGRAMS * OCTETS);
	struct settings settings;
	double first = 0;

	log_level(LOG_LEVEL_WARN);
	if (!data)
		return 1;
	load(&settings, "sum_host");
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
	print_widths();
	return 0;
}
