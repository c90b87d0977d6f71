/*
 * bench_decode.c - what a flow record costs from datagram to struct
 * flow_record, all of decode(): detection, stream, sequence, records, emit.
 *
 * The datagrams are made here, full, of records that all differ, from as many
 * exporters as there are datagrams modulo EXPORTERS.  Time is CPU time of this
 * thread; a figure is the median of five runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "wire/decoder.h"
#include "wire/flowset.h"
#include "wire/frame.h"
#include "wire/netflow5.h"
#include "wire/sflow.h"

enum { DATAGRAMS = 512, EXPORTERS = 16, PAYLOAD = 1464, RUNS = 5, RUN_MS = 200, TEMPLATE = 300 };
enum { UPTIME_MS = 3600000, EXPORT_S = 1700000000 };

struct workload {
	uint8_t data[DATAGRAMS][PAYLOAD];
	size_t len[DATAGRAMS];
	size_t records;		/* of all datagrams together */
	struct addr exporter[DATAGRAMS];
};

static struct workload load;
static uint64_t seed = 1, sum_octets, sum_records;

static uint64_t rnd(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 24;
}

static struct flow_record random_record(void)
{
	struct flow_record r = flow_record_empty;

	r.src = addr_make4((uint32_t)rnd());
	r.dst = addr_make4((uint32_t)rnd());
	r.next_hop = addr_make4((uint32_t)rnd());
	r.present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(next_hop);
	flow_set(&r, FLOW_octets, 64 + rnd() % 100000);
	flow_set(&r, FLOW_packets, 1 + rnd() % 100);
	flow_set(&r, FLOW_first_us, UINT64_C(1699999900000000) + rnd() % 90000000);
	flow_set(&r, FLOW_last_us, UINT64_C(1699999990000000) + rnd() % 9000000);
	flow_set(&r, FLOW_in_if, rnd() % 1000);
	flow_set(&r, FLOW_out_if, rnd() % 1000);
	flow_set(&r, FLOW_src_port, rnd());
	flow_set(&r, FLOW_dst_port, rnd());
	flow_set(&r, FLOW_proto, rnd() & 1 ? 6 : 17);
	flow_set(&r, FLOW_tos, rnd());
	flow_set(&r, FLOW_tcp_flags, rnd());
	flow_set(&r, FLOW_src_mask, 24);
	flow_set(&r, FLOW_dst_mask, 20);
	flow_set(&r, FLOW_src_as, rnd() % 65000);
	flow_set(&r, FLOW_dst_as, rnd() % 65000);
	return r;
}

/* ---- datagrams ------------------------------------------------------------ */

static size_t make_netflow5(struct cursor *c, uint32_t sequence)
{
	const struct netflow5_msg m = { .version = 5, .uptime_ms = UPTIME_MS, .export_s = EXPORT_S,
		.sequence = sequence * NETFLOW5_MAX };
	struct flow_record rec[NETFLOW5_MAX];

	for (size_t i = 0; i < NETFLOW5_MAX; i++)
		rec[i] = random_record();
	netflow5_put(c, &m, rec, NETFLOW5_MAX);
	return NETFLOW5_MAX;
}

/*
 * Nineteen fields, as a router's default template has them; v9 with uptimes, IPFIX with
 * milliseconds.
 */
static size_t make_flowset(struct cursor *c, uint16_t version, uint32_t sequence)
{
	static const struct field_spec v9[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 15, 4 },
		{ 0, 10, 4 }, { 0, 14, 4 },
		{ 0, 2, 4 }, { 0, 1, 8 }, { 0, 22, 4 }, { 0, 21, 4 }, { 0, 7, 2 }, { 0, 11, 2 },
			{ 0, 6, 1 },
		{ 0, 4, 1 }, { 0, 5, 1 }, { 0, 16, 4 }, { 0, 17, 4 }, { 0, 9, 1 }, { 0, 13, 1 },
			{ 0, 61, 1 } };
	static const struct field_spec ipfix[] = { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 15, 4 },
		{ 0, 10, 4 }, { 0, 14, 4 },
		{ 0, 2, 8 }, { 0, 1, 8 }, { 0, 152, 8 }, { 0, 153, 8 }, { 0, 7, 2 },
			{ 0, 11, 2 }, { 0, 6, 1 },
		{ 0, 4, 1 }, { 0, 5, 1 }, { 0, 16, 4 }, { 0, 17, 4 }, { 0, 9, 1 }, { 0, 13, 1 },
			{ 0, 61, 1 } };
	const struct template_spec t = { .id = TEMPLATE, .nfields = 19,
		.fields = version == 9 ? v9 : ipfix };
	struct flow_msg m = { .version = version, .uptime_ms = UPTIME_MS, .export_s = EXPORT_S };
	const size_t size = template_record_size(&t);
	unsigned n = 0;
	uint8_t *set;

	/* A template now and then, as exporters do; both laws of sequence numbers. */
	const bool template = sequence % 64 == 0;

	m.sequence = version == 9 ? sequence : 0;
	flow_msg_begin(c, &m);
	if (template)
		flow_msg_put_template(c, version, &t);
	set = flow_set_begin(c, TEMPLATE);
	while (cursor_left(c) >= size + 4) {
		struct flow_record r = random_record();

		flow_msg_put_record(c, &m, &t, &r);
		n++;
	}
	flow_set_end(c, set);
	flow_msg_end(c, &m, n + template);
	return n;
}

static size_t make_netflow9(struct cursor *c, uint32_t sequence)
{
	return make_flowset(c, 9, sequence);
}

static size_t make_ipfix(struct cursor *c, uint32_t sequence)
{
	return make_flowset(c, 10, sequence);
}

/* Samples of so many ports in turns. */
static size_t make_samples(struct cursor *c, uint32_t sequence, uint32_t ports)
{
	struct sflow_msg m = { .version = 5,
		.agent = addr_make4(UINT32_C(0xc0000200) + sequence % EXPORTERS),
		.sequence = sequence, .uptime_ms = UPTIME_MS, .nsamples = 6 };

	sflow_put_header(c, &m);
	for (uint32_t i = 0; i < m.nsamples; i++) {
		const struct sflow_sample s = { .sequence = sequence * 6 + i, .source_index = 3 + i % ports,
			.rate = 512,
			.pool = (sequence * 6 + i) * 512 };
		struct flow_record r = random_record();

		flow_set(&r, FLOW_octets, 64 + rnd() % 1455);
		r.present &= ~(FLOW_BIT(src_as) | FLOW_BIT(dst_as));
		sflow_put_sample(c, 5, &s, &r);
	}
	return m.nsamples;
}

static size_t make_sflow(struct cursor *c, uint32_t sequence)
{
	return make_samples(c, sequence, 1);
}

static size_t make_sflow_ports(struct cursor *c, uint32_t sequence)
{
	return make_samples(c, sequence, 3);
}

typedef size_t make_fn(struct cursor *c, uint32_t sequence);

static void make(make_fn *fn)
{
	load.records = 0;
	for (uint32_t i = 0; i < DATAGRAMS; i++) {
		struct cursor c = cursor(load.data[i], PAYLOAD);

		load.records += fn(&c, i / EXPORTERS);
		if (c.full) {
			fprintf(stderr, "bench-decode: a datagram does not hold its records\n");
			exit(1);
		}
		load.len[i] = cursor_used(&c);
		load.exporter[i] = addr_make4(UINT32_C(0xc0000200) + i % EXPORTERS);
	}
}

/* ---- measuring ------------------------------------------------------------ */

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void emit(void *ctx, const struct flow_origin *o, struct flow_record *rec, size_t n)
{
	(void)ctx, (void)o;
	for (size_t i = 0; i < n; i++)
		sum_octets += rec[i].octets;
	sum_records += n;
}

static void pass_decode(struct decoder *d)
{
	for (size_t i = 0; i < DATAGRAMS; i++) {
		const struct decoder_input in = { .data = { load.data[i], load.len[i] },
			.sender = load.exporter[i],
			.recv_us = UINT64_C(1700000000000000) };

		if (decode(d, &in, emit, NULL) != WIRE_OK)
			exit(1);
	}
}

/* The codec alone, without detection and state. */
static void pass_netflow5(struct decoder *d)
{
	static struct flow_record rec[DECODER_CHUNK];
	struct netflow5_msg m;

	(void)d;
	for (size_t i = 0; i < DATAGRAMS; i++)
		if (netflow5_parse(&m, (struct bytes){ load.data[i], load.len[i] }) == WIRE_OK)
			emit(NULL, NULL, rec, netflow5_records(&m, 0, rec, DECODER_CHUNK));
}

static void pass_sflow(struct decoder *d)
{
	static struct flow_record rec;
	struct sflow_sample s;
	struct sflow_iter it;
	struct sflow_msg m;

	(void)d;
	for (size_t i = 0; i < DATAGRAMS; i++)
		if (sflow_parse(&m, (struct bytes){ load.data[i], load.len[i] }) == WIRE_OK)
			for (sflow_first(&it, &m); sflow_next(&it, &s, &rec); )
				emit(NULL, NULL, &rec, 1);
}

typedef void pass_fn(struct decoder *d);

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds a record: the median of RUNS. */
static double measure(pass_fn *pass, struct decoder *d)
{
	double ns[RUNS];

	pass(d);	/* templates, caches */
	for (int run = 0; run < RUNS; run++) {
		const double start = cpu_ns();
		uint64_t before = sum_records;
		double now;

		do {
			pass(d);
			now = cpu_ns();
		} while (now - start < RUN_MS * 1e6);
		ns[run] = (now - start) / (double)(sum_records - before);
	}
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	return ns[RUNS / 2];
}

static const struct {
	const char *name;
	make_fn *make;
	pass_fn *pass;
} rows[] = {
	{ "NetFlow v5, codec alone", make_netflow5, pass_netflow5 },
	{ "NetFlow v5", make_netflow5, pass_decode },
	{ "NetFlow v9, 19 fields", make_netflow9, pass_decode },
	{ "IPFIX, 19 fields", make_ipfix, pass_decode },
	{ "sFlow v5, codec alone", make_sflow, pass_sflow },
	{ "sFlow v5, raw headers", make_sflow, pass_decode },
	{ "sFlow v5, three ports in turns", make_sflow_ports, pass_decode },
};

int main(void)
{
	const struct decoder_limits limits = decoder_limits_default;
	const size_t size = (decoder_size(&limits) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, size);

	if (!mem) {
		perror("bench-decode");
		return 1;
	}
	printf("decode: CPU per record, median of %d runs, %d exporters\n", RUNS, EXPORTERS);
	printf("%-31s %10s %10s %14s %12s\n", "", "records", "ns/record", "M records/s",
		"octets/dgram");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct decoder *d = decoder_init(mem, &limits, 1);
		const uint64_t before = sum_records;
		double ns;

		make(rows[i].make);
		rows[i].pass(d);
		if (sum_records - before != load.records) {
			fprintf(stderr, "bench-decode: %s: %zu records put, %llu decoded\n",
				rows[i].name, load.records,
				(unsigned long long)(sum_records - before));
			return 1;
		}
		ns = measure(rows[i].pass, d);
		printf("%-31s %10zu %10.1f %14.1f %12zu\n", rows[i].name,
			load.records / DATAGRAMS, ns, 1e3 / ns,
		       load.len[1]);
	}
	free(mem);
	return sum_octets == 0;
}
