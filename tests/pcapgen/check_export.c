/*
 * check_export.c - exporters by the book: sequence laws, templates first and
 * again, counts, sizes, clocks.
 *
 * Headers are read at the offsets of the documents (Cisco's v5 paper, RFC 3954
 * 5.1, RFC 7011 3.1, sFlow 5); records by the witness, which shares no decoder
 * with the encoders' library.  tests/e2e/tshark_truth.sh asks tshark.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pcapgen/export.h"
#include "pcapgen/witness.h"

Suite *suite_export(void);

#define START_MS UINT64_C(1767614400000)

static struct scenario *sc;
static struct population *population;
static struct exporter *exporter;
static uint8_t buf[EXPORT_OCTETS_MAX];
static struct crafted made;

/* `keys` of the one exporter, further lines of the scenario. */
static void open_exporter(const char *keys, const char *more)
{
	char text[2048], why[SCENARIO_WHY];
	int n = snprintf(text, sizeof(text),
		"duration: 1h\nrate: 10 records/s\n"
		"exporters:\n  - { address: 192.0.2.9, port: 2055, %s }\n"
		"customers:\n  - { prefix: 10.0.0.0/24, as: 70000, interface: 11, next_hop: "
		"10.0.0.254 }\n"
		"  - { prefix: '2001:db8::/64', hosts: 3, as: 3, interface: 13 }\n"
		"remotes:\n  - { prefix: 198.51.100.0/24, as: 9, interface: 21 }\n"
		"  - { prefix: '2001:db8:9::/48', as: 4200000000, interface: 22 }\n"
		"applications:\n  - { proto: tcp, port: 443 }\n  - { proto: udp, port: 53, tos: 4 "
		"}\n%s",
		keys, more);

	sc = scenario_parse("test", text, (size_t)n, why);
	ck_assert_msg(sc != NULL, "%s", why);
	population = population_new(sc);
	exporter = exporter_new(&sc->exporters[0], population, 5, 0, START_MS, sc->cycle);
}

static void close_exporter(void)
{
	exporter_free(exporter);
	population_free(population);
	scenario_free(sc);
	exporter = NULL;
	population = NULL;
	sc = NULL;
}

static const uint8_t *craft(uint64_t at_ms)
{
	exporter_craft(exporter, at_ms, buf, &made);
	return made.data.p;
}

/* ---- what the witness sees ------------------------------------------------------- */

struct seen {
	size_t n;
	struct truth_row rows[512];
};

static void on_row(void *ctx, const struct truth_row *row)
{
	struct seen *s = ctx;

	ck_assert_uint_lt(s->n, 512);
	s->rows[s->n++] = *row;
}

/* The members that every record of ours has. */
static void check_record(const struct flow_record *got, const struct flow_record *want,
	uint64_t later_us, bool times)
{
	static const enum flow_field fields[] = { FLOW_octets, FLOW_packets, FLOW_in_if,
		FLOW_out_if, FLOW_src_port, FLOW_dst_port, FLOW_proto, FLOW_tos, FLOW_tcp_flags,
		FLOW_src_mask, FLOW_dst_mask, FLOW_src_as, FLOW_dst_as };

	ck_assert(addr_equal(&got->src, &want->src));
	ck_assert(addr_equal(&got->dst, &want->dst));
	ck_assert(addr_equal(&got->next_hop, &want->next_hop));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_msg(flow_get(got, fields[i]) == flow_get(want, fields[i]),
			"%s: %llu, not %llu", flow_fields[fields[i]].name,
			(unsigned long long)flow_get(got, fields[i]),
			(unsigned long long)flow_get(want, fields[i]));
	if (times) {
		ck_assert_uint_eq(got->first_us, want->first_us + later_us);
		ck_assert_uint_eq(got->last_us, want->last_us + later_us);
	}
}

static const struct {
	const char *name, *keys;
	uint32_t sampling;
	bool times;
} exporters[] = {
	{ "v5", "protocol: netflow5, domain: 258", 1, true },
	{ "v5 sampled", "protocol: netflow5, sampling: 100", 100, true },
	{ "v1", "protocol: netflow1", 1, true },
	{ "v7", "protocol: netflow7, sequence: 4294967290", 1, true },
	{ "v8 about to wrap", "protocol: netflow8, aggregation: 8, uptime: 4294960s", 1, true },
	{ "v8, method 1", "protocol: netflow8, aggregation: 1, domain: 513", 1, true },
	{ "v8, method 2", "protocol: netflow8, aggregation: 2, domain: 513", 1, true },
	{ "v8, method 3", "protocol: netflow8, aggregation: 3, domain: 513", 1, true },
	{ "v8, method 4", "protocol: netflow8, aggregation: 4, domain: 513", 1, true },
	{ "v8, method 5", "protocol: netflow8, aggregation: 5, domain: 513", 1, true },
	{ "v8, method 6", "protocol: netflow8, aggregation: 6, domain: 513", 1, true },
	{ "v8, method 7", "protocol: netflow8, aggregation: 7, domain: 513", 1, true },
	{ "v8, method 8", "protocol: netflow8, aggregation: 8, domain: 513", 1, true },
	{ "v8, method 9", "protocol: netflow8, aggregation: 9, domain: 513", 1, true },
	{ "v8, method 10", "protocol: netflow8, aggregation: 10, domain: 513", 1, true },
	{ "v8, method 11", "protocol: netflow8, aggregation: 11, domain: 513", 1, true },
	{ "v8, method 12", "protocol: netflow8, aggregation: 12, domain: 513", 1, true },
	{ "v8, method 13", "protocol: netflow8, aggregation: 13, domain: 513", 1, true },
	{ "v8, method 14", "protocol: netflow8, aggregation: 14, domain: 513", 1, true },
	{ "v9", "protocol: netflow9, domain: 7", 1, true },
	{ "v9 options", "protocol: netflow9, sampling: 1000, refresh_datagrams: 4", 1000, true },
	{ "v9 record", "protocol: netflow9, sampling: 30, sampling_says: record", 30, true },
	{ "v9 short counters, about to wrap",
		"protocol: netflow9, counter_octets: 4, uptime: 4294960s", 1, true },
	{ "v5 about to wrap", "protocol: netflow5, uptime: 4294960s", 1, true },
	{ "ipfix", "protocol: ipfix, domain: 4294967295, refresh: 1s", 1, true },
	{ "ipfix options", "protocol: ipfix, sampling: 17", 17, true },
	{ "ipfix small", "protocol: ipfix, datagram_octets: 512, counter_octets: 4", 1, true },
	{ "sflow", "protocol: sflow5, domain: 3, sampling: 512", 512, false },
	{ "sflow 2", "protocol: sflow2, sampling: 100", 100, false },
	{ "sflow 2, IPv6 agent", "protocol: sflow2, agent: '2001:db8::77', counters_every: 3", 1,
		false },
	{ "sflow 4", "protocol: sflow4, sampling: 100, counters_every: 2", 100, false },
	{ "sflow agent", "protocol: sflow5, agent: '2001:db8::77', counters_every: 2", 1, false },
};

enum { EXPORTERS = sizeof(exporters) / sizeof(exporters[0]) };

static void witness_agrees(int i, const char *more)
{
	struct witness *w = witness_new();
	static struct seen seen;

	open_exporter(exporters[i].keys, more);
	for (uint64_t k = 0; k < 40; k++) {
		struct datagram d = { .from = { .addr = sc->exporters[0].address, .port = 2055 } };

		craft(START_MS + k * 337);
		ck_assert_uint_le(made.data.n, sc->exporters[0].datagram_octets);
		d.data = made.data;
		d.recv_us = (START_MS + k * 337) * 1000;
		seen.n = 0;
		witness_read(w, &d, k + 1, on_row, &seen);
		ck_assert_msg(seen.n == made.nrecords && seen.n > 0,
			"%s, datagram %llu: %zu records, not %zu", exporters[i].name,
			(unsigned long long)k, seen.n, made.nrecords);
		for (size_t r = 0; r < seen.n; r++) {
			uint32_t sampling = flow_has(&seen.rows[r].flow, FLOW_sampling_num) ?
				seen.rows[r].flow.sampling_num / seen.rows[r].flow.sampling_den : 1;

			check_record(&seen.rows[r].flow, &made.records[r], made.later_us,
				exporters[i].times);
			ck_assert_uint_eq(sampling, exporters[i].sampling);
			ck_assert_uint_eq(seen.rows[r].sequence, made.sequence);
			ck_assert_uint_eq(seen.rows[r].domain, sc->exporters[0].domain);
			ck_assert_uint_eq(seen.rows[r].version, made.version);
		}
	}
	close_exporter();
	witness_free(w);
}

START_TEST(witness_sees_the_truth)
{
	witness_agrees(_i,
		"flows:\n  octets: { kind: pareto, min: 40, max: 100G, alpha: 0.5 }\n  lasting_ms: "
		"70000\n");
}
END_TEST

START_TEST(cycle_keeps_the_truth)
{
	witness_agrees(_i, "cycle: 3\n");
}
END_TEST

/* ---- the laws of wire-formats: what one header says, and what the next must say ------- */

START_TEST(netflow5_counts_records)
{
	uint32_t sequence = UINT32_MAX - 40;

	open_exporter(
		"protocol: netflow5, domain: 772, sampling: 64, sequence: 4294967255, records: 7",
		"");
	for (uint64_t k = 0; k < 20; k++) {
		uint64_t at = START_MS + k * 1001;
		const uint8_t *p = craft(at);

		ck_assert_uint_eq(be16(p), 5);
		ck_assert_uint_eq(be16(p + 2), 7);
		ck_assert_uint_eq(made.data.n, 24 + 7 * 48);
		ck_assert_uint_eq(be32(p + 4), 864000000 + k * 1001);
		ck_assert_uint_eq(be32(p + 8), at / 1000);
		ck_assert_uint_eq(be32(p + 12), at % 1000 * 1000000);
		ck_assert_uint_eq(be32(p + 16), sequence);
		ck_assert_uint_eq(p[20], 3);
		ck_assert_uint_eq(p[21], 4);
		ck_assert_uint_eq(be16(p + 22) & 0x3fff, 64);
		sequence += 7;
	}
	close_exporter();
}
END_TEST

/* What the documents allow, and what an MTU of 1500 has room for (wire-formats: v7 27, v8 32 to 51). */
static const struct {
	const char *keys;
	uint16_t version, count;
	size_t octets;
} fullest[] = {
	{ "protocol: netflow1", 1, 24, 16 + 24 * 48 },
	{ "protocol: netflow5", 5, 30, 1464 },
	{ "protocol: netflow7", 7, 27, 24 + 27 * 52 },
	{ "protocol: netflow7, datagram_octets: 9000", 7, 28, 24 + 28 * 52 },
	{ "protocol: netflow8, aggregation: 1", 8, 51, 28 + 51 * 28 },
	{ "protocol: netflow8, aggregation: 3", 8, 44, 28 + 44 * 32 },
	{ "protocol: netflow8, aggregation: 14", 8, 35, 28 + 35 * 40 },
	{ "protocol: netflow8, aggregation: 8", 8, 32, 28 + 32 * 44 },
};

START_TEST(fills_the_datagram)
{
	const uint8_t *p;

	open_exporter(fullest[_i].keys, "");
	p = craft(START_MS);
	ck_assert_uint_eq(be16(p), fullest[_i].version);
	ck_assert_uint_eq(be16(p + 2), fullest[_i].count);
	ck_assert_uint_eq(made.data.n, fullest[_i].octets);
	close_exporter();
}
END_TEST

/* A prefix has no host bits, an AS number sixteen bits, and what a method lacks is not told. */
START_TEST(netflow8_says_what_its_method_has)
{
	open_exporter("protocol: netflow8, aggregation: 3", "");
	craft(START_MS);
	for (size_t i = 0; i < made.nrecords; i++) {
		const struct flow_record *r = &made.records[i];

		ck_assert(r->src_mask == 24 && (addr_host4(&r->src) & 0xff) == 0);
		ck_assert(r->src_as == 9 || r->src_as == 23456);
		ck_assert(addr_is_zero(&r->dst) && !r->dst_as && !r->dst_port && !r->proto &&
			!r->out_if && r->in_if && r->octets);
	}
	close_exporter();
}
END_TEST

START_TEST(netflow5_fills_thirty)
{
	open_exporter("protocol: netflow5", "");
	ck_assert_uint_eq(be16(craft(START_MS) + 2), 30);
	ck_assert_uint_eq(made.data.n, 1464);
	ck_assert_uint_eq(
		made.records[0].src_as == 9 ? made.records[0].dst_as : made.records[0].src_as,
		23456);
	close_exporter();
}
END_TEST

/* A flow above 32 bits is several records that sum up to it, and none of them is cut. */
START_TEST(large_flows_are_split)
{
	static const char *const kinds[] = { "protocol: netflow5, records: 5",
		"protocol: netflow9, counter_octets: 4, records: 5, families: 4" };
	uint64_t octets = 0, packets = 0;

	open_exporter(kinds[_i],
		"flows:\n  octets: 12884901885\n  packet_octets: 1000\n"); /* 3 * (2^32 - 1) */
	craft(START_MS);
	ck_assert_uint_eq(made.nrecords, 5);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(made.records[i].octets, UINT32_MAX);
		ck_assert(addr_equal(&made.records[i].src, &made.records[0].src));
		octets += made.records[i].octets;
		packets += made.records[i].packets;
	}
	ck_assert_uint_eq(octets, UINT64_C(12884901885));
	ck_assert_uint_eq(packets, 12884902);
	close_exporter();
}
END_TEST

/* Sets of a v9 or IPFIX message: how many of each kind, in which order. */
struct sets {
	unsigned templates, options, data, options_data, records;
	bool data_before_template;
};

static struct sets walk(const uint8_t *p, size_t n, bool v9)
{
	struct sets s = { 0 };
	size_t at = v9 ? 20 : 16;

	while (at + 4 <= n) {
		uint16_t id = be16(p + at), len = be16(p + at + 2);

		ck_assert(len >= 4 && len % 4 == 0 && at + len <= n);
		if (id == (v9 ? 0 : 2)) {
			s.templates++;
		} else if (id == (v9 ? 1 : 3)) {
			s.options++;
		} else {
			ck_assert_uint_ge(id, 256);
			if (id == 258)
				s.options_data++;
			else
				s.data++;
		}
		at += len;
	}
	ck_assert_uint_eq(at, n);
	return s;
}

START_TEST(netflow9_counts_datagrams)
{
	open_exporter("protocol: netflow9, domain: 77, sequence: 4294967295, sampling: 10, "
		      "refresh: 0s, refresh_datagrams: 5",
		"");
	for (uint64_t k = 0; k < 20; k++) {
		uint64_t at = START_MS + k * 999;
		const uint8_t *p = craft(at);
		struct sets s = walk(p, made.data.n, true);
		bool announces = k % 5 == 0;

		ck_assert_uint_eq(be16(p), 9);
		ck_assert_uint_eq(be32(p + 12), (uint32_t)(k - 1));
		ck_assert_uint_eq(be32(p + 16), 77);
		ck_assert_uint_eq(be32(p + 8), at / 1000);
		/* uptime is that of the whole second: the boot time is the same in every header */
		ck_assert_uint_eq(be32(p + 8) * UINT64_C(1000) - be32(p + 4), START_MS - 864000000);
		ck_assert_uint_eq(s.templates, announces ? 2 : 0);
		ck_assert_uint_eq(s.options, announces);
		ck_assert_uint_eq(s.options_data, announces);
		ck_assert_uint_ge(s.data, 1);
		/* RFC 3954 5.1: all records of the datagram */
		ck_assert_uint_eq(be16(p + 2), made.nrecords + (announces ? 4 : 0));
		if (announces)
			ck_assert_uint_eq(be16(p + 20), 0);	/* templates come first */
	}
	close_exporter();
}
END_TEST

START_TEST(ipfix_counts_data_records)
{
	uint32_t sequence = UINT32_MAX - 5;

	open_exporter("protocol: ipfix, domain: 77, sequence: 4294967290, sampling: 10, refresh: "
		      "2s, refresh_datagrams: 0",
		"");
	for (uint64_t k = 0; k < 20; k++) {
		uint64_t at = START_MS + k * 500;
		const uint8_t *p = craft(at);
		struct sets s = walk(p, made.data.n, false);
		bool announces = k % 4 == 0;	/* every 2 s */

		ck_assert_uint_eq(be16(p), 10);
		ck_assert_uint_eq(be16(p + 2), made.data.n);
		ck_assert_uint_eq(be32(p + 4), at / 1000);
		ck_assert_uint_eq(be32(p + 8), sequence);
		ck_assert_uint_eq(s.templates, announces ? 2 : 0);
		ck_assert_uint_eq(s.options_data, announces);
		/* options data records count, templates do not */
		sequence += (uint32_t)made.nrecords + s.options_data;
	}
	close_exporter();
}
END_TEST

START_TEST(sflow_counts_datagrams_and_samples)
{
	uint32_t samples = 0;

	open_exporter("protocol: sflow5, domain: 9, sampling: 300, records: 3, families: 4", "");
	for (uint64_t k = 0; k < 10; k++) {
		const uint8_t *p = craft(START_MS + k * 10), *sample;

		ck_assert_uint_eq(be32(p), 5);
		ck_assert_uint_eq(be32(p + 4), 1);
		ck_assert_uint_eq(be32(p + 12), 9);
		ck_assert_uint_eq(be32(p + 16), k);
		ck_assert_uint_eq(be32(p + 20), 864000000 + k * 10);
		ck_assert_uint_eq(be32(p + 24), 3);
		sample = p + 28;
		for (int i = 0; i < 3; i++) {
			samples++;
			ck_assert_uint_eq(be32(sample), 1);
			ck_assert_uint_eq(be32(sample + 8), samples);
			ck_assert_uint_eq(be32(sample + 16), 300);
			ck_assert_uint_eq(
				be32(sample + 20), samples * 300); /* the pool: rate a sample */
			sample += 8 + be32(sample + 4);
		}
		ck_assert_ptr_eq(sample, p + made.data.n);
	}
	close_exporter();
}
END_TEST

/* In a cycle the numbers go on, and flows end before their export. */
START_TEST(cycle_goes_on)
{
	uint64_t octets[4];
	uint32_t sequence = 0;

	open_exporter("protocol: netflow5, records: 2", "cycle: 4\nflows:\n  delay_ms: 100\n");
	for (uint64_t k = 0; k < 40; k++) {
		const uint8_t *p = craft(START_MS + k * 333);

		ck_assert_uint_eq(be32(p + 16), sequence);
		sequence += 2;
		ck_assert(made.from_cycle == (k >= 4));
		if (k < 4)
			octets[k] = made.records[0].octets;
		ck_assert_uint_eq(made.records[0].octets, octets[k % 4]);
		ck_assert_uint_eq(
			made.records[1].last_us + made.later_us, (START_MS + k * 333 - 100) * 1000);
		/* last switched: the header's uptime less the delay */
		ck_assert_uint_eq(be32(p + 24 + 48 + 28), be32(p + 4) - 100);
	}
	close_exporter();
}
END_TEST

/* One exporter more does not change what the others send. */
START_TEST(streams_are_apart)
{
	static uint8_t first[1500];
	struct exporter *other;
	size_t n;

	open_exporter("protocol: ipfix", "");
	craft(START_MS);
	n = made.data.n;
	memcpy(first, made.data.p, n);
	other = exporter_new(&sc->exporters[0], population, 5, 1, START_MS, 0);
	exporter_craft(other, START_MS, buf, &made);
	ck_assert(made.data.n != n || memcmp(made.data.p, first, n));
	exporter_free(other);
	other = exporter_new(&sc->exporters[0], population, 5, 0, START_MS, 0);
	exporter_craft(other, START_MS, buf, &made);
	ck_assert(made.data.n == n && !memcmp(made.data.p, first, n));
	exporter_free(other);
	close_exporter();
}
END_TEST

/* Crafted by a guess, early and late, and moved: the octets and times of crafting in time. */
START_TEST(moved_is_in_time)
{
	const bool cycle = _i % 2;
	static uint8_t ahead[EXPORT_OCTETS_MAX];
	struct exporter *guesser;
	struct crafted guessed;

	open_exporter(exporters[_i / 2].keys, cycle ? "cycle: 3\n" : "");
	guesser = exporter_new(&sc->exporters[0], population, 5, 0, START_MS, sc->cycle);
	exporter_movable(guesser);
	for (uint64_t i = 0; i < 12; i++) {
		const uint64_t at = START_MS + 10000 + i * 1777;
		uint64_t guess = at + i % 3 * 900 - 900, later_us;

		/* Where the clock decides on templates nobody may guess. */
		if (exporter_may_announce(guesser, at - 900, at + 900))
			guess = at;

		craft(at);
		exporter_craft(guesser, guess, ahead, &guessed);
		if (guessed.from_cycle)
			memcpy(ahead, guessed.data.p, guessed.data.n);
		later_us = exporter_move(
			guesser, guess, at, ahead, guessed.patches, guessed.npatches);
		if (guessed.announces)
			exporter_announced_at(guesser, at);
		ck_assert(guessed.announces == made.announces);
		ck_assert_uint_eq(guessed.data.n, made.data.n);
		ck_assert_msg(!memcmp(ahead, made.data.p, made.data.n), "datagram %d of %s", (int)i,
			exporters[_i / 2].keys);
		ck_assert_uint_eq(guessed.nrecords, made.nrecords);
		for (size_t k = 0; k < made.nrecords; k++)
			if (flow_has(&made.records[k], FLOW_last_us))
				ck_assert_uint_eq(guessed.records[k].last_us + guessed.later_us +
					later_us, made.records[k].last_us + made.later_us);
		ck_assert_uint_le(made.nrecords, exporter_most_records(exporter));
	}
	exporter_free(guesser);
	close_exporter();
}
END_TEST

Suite *suite_export(void)
{
	Suite *s = suite_create("export");
	TCase *t = tcase_create("export");

	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, witness_sees_the_truth, 0, EXPORTERS);
	tcase_add_loop_test(t, cycle_keeps_the_truth, 0, EXPORTERS);
	tcase_add_loop_test(t, moved_is_in_time, 0, 2 * EXPORTERS);
	tcase_add_test(t, netflow5_counts_records);
	tcase_add_test(t, netflow5_fills_thirty);
	tcase_add_loop_test(t, fills_the_datagram, 0, sizeof(fullest) / sizeof(fullest[0]));
	tcase_add_test(t, netflow8_says_what_its_method_has);
	tcase_add_loop_test(t, large_flows_are_split, 0, 2);
	tcase_add_test(t, netflow9_counts_datagrams);
	tcase_add_test(t, ipfix_counts_data_records);
	tcase_add_test(t, sflow_counts_datagrams_and_samples);
	tcase_add_test(t, cycle_goes_on);
	tcase_add_test(t, streams_are_apart);
	suite_add_tcase(s, t);
	return s;
}
