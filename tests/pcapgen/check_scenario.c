/*
 * check_scenario.c - scenarios: what is read, and the one line for everything
 * that is not.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pcapgen/scenario.h"
#include "pcapgen/yaml.h"

Suite *suite_scenario(void);

#define TOP "duration: 10s\nrate: 100 records/s\n"
#define EXPORTERS "exporters:\n  - { address: 127.0.0.1, protocol: ipfix }\n"
#define CUSTOMERS "customers:\n  - { prefix: 10.0.0.0/24 }\n"
#define REMOTES "remotes:\n  - { prefix: 192.0.2.0/24 }\n"
#define REST CUSTOMERS REMOTES
#define MINIMAL TOP EXPORTERS REST

static struct scenario *parse(const char *text, char why[static SCENARIO_WHY])
{
	return scenario_parse("s.yaml", text, strlen(text), why);
}

START_TEST(minimal)
{
	char why[SCENARIO_WHY];
	struct scenario *sc = parse(MINIMAL, why);

	ck_assert_msg(sc != NULL, "%s", why);
	ck_assert_uint_eq(sc->duration_ms, 10000);
	ck_assert_uint_eq(sc->rate, 100);
	ck_assert_uint_eq(sc->rate_unit, RATE_RECORDS);
	ck_assert_uint_eq(sc->start_ms, 0);
	ck_assert_uint_eq(sc->nexporters, 1);
	ck_assert_uint_eq(sc->exporters[0].families, FAMILIES_4);
	ck_assert_uint_eq(sc->exporters[0].datagram_octets, 1472);
	ck_assert_uint_eq(sc->exporters[0].sampling, 1);
	ck_assert_str_eq(sc->exporters[0].name, "exporter-1");
	ck_assert_uint_eq(sc->customers[0].hosts, 254);
	ck_assert_uint_eq(sc->napplications, 1);
	ck_assert_uint_eq(sc->applications[0].port, 443);
	scenario_free(sc);
}
END_TEST

START_TEST(everything)
{
	static const char text[] =
		"seed: 18446744073709551615\nstart: 2026-03-01T00:00:01Z\nduration: 90m\n"
		"rate: 1.5k datagrams/s\ncycle: 64\n"
		"exporters:\n"
		"  - { name: a, address: 127.0.0.1, port: 9, protocol: netflow5, domain: 258, "
		"sampling: 16383, count: 2 }\n"
		"  - { name: s, address: '2001:db8::1', protocol: sflow5, agent: 192.0.2.1, "
		"sampling: 512, weight: 7,\n"
		"      counters_every: 3, uptime: 2d, sequence: 4294967295, records: 4, families: "
		"6 }\n"
		"  - { address: 127.0.0.9, protocol: netflow9, sampling_says: record, refresh: "
		"30s, refresh_datagrams: 0,\n"
		"      counter_octets: 4, datagram_octets: 512 }\n"
		"customers:\n  - { prefix: 10.0.0.0/30, hosts: 2, as: 4294967295, interface: "
		"65535, next_hop: 10.0.0.1, weight: 2 }\n"
		"  - { prefix: '2001:db8:1::/48', interface: 70000 }\n"
		"remotes:\n  - prefix: 192.0.2.1/32\n  - prefix: '2001:db8:2::/128'\n"
		"applications:\n  - { proto: sctp, port: 3868, tos: 255, weight: 100000 }\n"
		"  - { proto: 253 }\n  - { proto: IPv6-ICMP }\n"
		"flows:\n  octets: { kind: lognormal, min: 40, max: 1T, median: 5k, sigma: 1.25 }\n"
		"  packet_octets: { kind: constant, value: 1500 }\n  lasting_ms: 0\n"
		"  delay_ms: { kind: uniform, min: 0, max: 5000 }\n  upload_percent: 100\n";
	char why[SCENARIO_WHY];
	struct scenario *sc = parse(text, why);
	const struct exporter_spec *e;

	ck_assert_msg(sc != NULL, "%s", why);
	ck_assert_uint_eq(sc->seed, UINT64_MAX);
	ck_assert_uint_eq(
		sc->start_ms, UINT64_C(1772323201000)); /* date -u -d 2026-03-01T00:00:01Z +%s */
	ck_assert_uint_eq(sc->duration_ms, 5400000);
	ck_assert_uint_eq(sc->rate, 1500);
	ck_assert_uint_eq(sc->rate_unit, RATE_DATAGRAMS);
	ck_assert_uint_eq(sc->cycle, 64);
	ck_assert_uint_eq(sc->nexporters, 4);
	e = sc->exporters;
	ck_assert_uint_eq(sc->applications[0].proto, 132);
	ck_assert_uint_eq(sc->applications[1].proto, 253);
	ck_assert_uint_eq(sc->applications[2].proto, 58);
	ck_assert_str_eq(e[0].name, "a");
	ck_assert_str_eq(e[1].name, "a-1");
	ck_assert_uint_eq(e[1].address.b[15], 2);
	ck_assert_uint_eq(e[1].port, 9);
	ck_assert_uint_eq(e[2].datagram_octets, 1400);
	ck_assert_uint_eq(e[2].agent.b[12], 192);
	ck_assert_uint_eq(e[2].families, FAMILIES_6);
	ck_assert_uint_eq(e[2].uptime_s, 172800);
	ck_assert_uint_eq(e[3].sampling_says, SAMPLING_SAYS_RECORD);
	ck_assert_uint_eq(e[3].families, FAMILIES_BOTH);
	ck_assert_uint_eq(e[3].refresh_datagrams, 0);
	ck_assert_str_eq(e[3].name, "exporter-4");
	ck_assert_uint_eq(sc->customers[1].hosts, 65536);
	ck_assert_uint_eq(sc->remotes[0].hosts, 1);
	ck_assert_uint_eq(sc->octets.shape_milli, 1250);
	ck_assert_uint_eq(sc->octets.max, UINT64_C(1000000000000));
	ck_assert_uint_eq(sc->packet_octets.min, 1500);
	ck_assert_uint_eq(sc->lasting_ms.max, 0);
	scenario_free(sc);
}
END_TEST

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "s.yaml: the file is empty" },
	{ "# nothing\n", "s.yaml: the file is empty" },
	{ "hello", "s.yaml:1:1: a value stands where the scenario is expected" },
	{ "- 1\n", "s.yaml:1:1: a list stands where" },
	{ "a: [", "s.yaml:2:1: not YAML: " },
	{ "a: \"x", "s.yaml:1:6: not YAML: " },
	{ "a: \xff\n", "not YAML" },
	{ TOP "ratee: 5\n" EXPORTERS REST,
		"s.yaml:3:1: unknown key \"ratee\" in the scenario; did you mean \"rate\"?" },
	{ "rate: 5\r\r\r  x\n" EXPORTERS REST, "5??x\"" },
	{ TOP "xyzzy: 5\n" EXPORTERS REST, "s.yaml:3:1: unknown key \"xyzzy\" in the scenario" },
	{ TOP "rate: 7 records/s\n" EXPORTERS REST, "s.yaml:3:1: key \"rate\" stands twice" },
	{ "duration: 1s\n" EXPORTERS REST, "s.yaml:1:1: the scenario has no \"rate\"" },
	{ TOP REST, "the scenario has no \"exporters\"" },
	{ TOP "exporters: []\n" REST, "s.yaml:3:12: exporters: 0 entries where 1 to 20000" },
	{ TOP "exporters: 5\n" REST,
		"s.yaml:3:12: exporters: a value stands where a list is expected" },
	{ TOP "exporters:\n  - x\n" REST,
		"s.yaml:4:5: a value stands where an exporter is expected" },
	{ TOP "exporters:\n  - { protocol: ipfix }\n" REST,
		"s.yaml:4:5: an exporter has no \"address\"" },
	{ TOP EXPORTERS REST "applications:\n  - { proto: 256, port: 1 }\n",
		"proto: \"256\" is no IP protocol, by name or 0 to 255" },
	{ TOP EXPORTERS REST "applications:\n  - { proto: tcpp, port: 1 }\n",
		"proto: \"tcpp\" is no IP protocol" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow6 }\n" REST,
		"s.yaml:4:37: protocol: \"netflow6\" is not one of netflow1, netflow5, netflow7, "
		"netflow8, netflow9, ipfix, sflow2, sflow4, sflow5" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow7, domain: 1 }\n" REST,
		"s.yaml:4:5: domain 1: netflow7 has none" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: sflow4, domain: 1 }\n" REST,
		"s.yaml:4:5: domain 1: sflow4 has none" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow1, sampling: 2 }\n" REST,
		"s.yaml:4:5: sampling 2: netflow1 cannot announce it" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow1, sequence: 2 }\n" REST,
		"s.yaml:4:5: sequence 2: netflow1 has no sequence numbers" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow8 }\n" REST,
		"s.yaml:4:5: netflow8 needs its aggregation, 1 (AS) to 14" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow8, aggregation: 15 }\n" REST,
		"s.yaml:4:60: aggregation: \"15\" is not a whole number from 1 to 14" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, aggregation: 1 }\n" REST,
		"s.yaml:4:5: aggregation and v8_dialect go with protocol netflow8" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow8, families: both, "
	      "aggregation: 1 }\n" REST, "s.yaml:4:5: netflow8 carries IPv4 only" },
	{ TOP "exporters:\n  - { address: 127.0.0.256, protocol: ipfix }\n" REST,
		"address: \"127.0.0.256\" is not an IPv4" },
	{ TOP "exporters:\n  - { address: [1], protocol: ipfix }\n" REST,
		"a list stands where an address is expected" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, port: 65536 }\n" REST,
		"port: \"65536\" is not a whole number from 0 to 65535" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, port: -1 }\n" REST,
		"port: \"-1\" is not" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, port: 1.5 }\n" REST,
		"port: \"1.5\" is not" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, sampling: 0 }\n" REST,
		"sampling: \"0\" is not" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow5, sampling: 16384 }\n" REST,
		"s.yaml:4:5: sampling 16384: a netflow5 header has room for 16383" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow5, domain: 65536 }\n" REST,
		"domain 65536: a netflow5" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow5, families: both }\n" REST,
		"netflow5 carries IPv4 only" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, families: 6 }\n" REST,
		"no flow for this exporter" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, counter_octets: 5 }\n" REST,
		"counter_octets: 4 or 8" },
	{ TOP "exporters:\n  - { address: 255.255.255.255, protocol: ipfix, count: 2 }\n" REST,
		"addresses run out" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, name: 'a\"b' }\n" REST,
		"quotes are not allowed" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, count: 20000 }\n"
	      "  - { address: 10.0.0.1, protocol: ipfix }\n" REST,
		"20001 exporters with their counts; at most 20000" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, name: a, port: 1 }\n"
	      "  - { address: 127.0.0.1, protocol: ipfix, name: b, port: 2 }\n" REST,
		"s.yaml:5:5: exporters \"a\" and \"b\" have the same address, protocol and "
		"domain" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, name: a, port: 1 }\n"
	      "  - { address: 127.0.0.1, protocol: netflow9, name: b, port: 1 }\n" REST,
		"have the same address and port" },
	{ TOP EXPORTERS "customers:\n  - { prefix: 10.0.0.1/24 }\n" REMOTES,
		"prefix: \"10.0.0.1/24\" has bits set behind" },
	{ TOP EXPORTERS "customers:\n  - { prefix: 10.0.0.0/33 }\n" REMOTES,
		"is not a prefix like" },
	{ TOP EXPORTERS "customers:\n  - { prefix: 0.0.0.0/0 }\n" REMOTES,
		"customer: prefix /0 is no network" },
	{ TOP EXPORTERS "customers:\n  - { prefix: 10.0.0.0/30, hosts: 3 }\n" REMOTES,
		"customer: 3 hosts where the prefix has room for 2" },
	{ TOP EXPORTERS "customers:\n  - { prefix: 10.0.0.0/30, next_hop: '::1' }\n" REMOTES,
		"next_hop is of the other address family" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: netflow5 }\ncustomers:\n"
	      "  - { prefix: 10.0.0.0/24, interface: 65536 }\n" REMOTES,
		"s.yaml:6:5: interface 65536: netflow5 exporters have 16 bits" },
	{ TOP EXPORTERS CUSTOMERS "remotes:\n  - { prefix: '2001:db8::/32' }\n",
		"no flow for this exporter" },
	{ "duration: 10\nrate: 5\n" EXPORTERS REST
	  "applications:\n  - { proto: tcp, port: 443, tos: 256 }\n",
		"tos: \"256\" is not" },
	{ "duration: 0s\nrate: 5\n" EXPORTERS REST, "duration: \"0s\" is not a span" },
	{ "duration: 1y\nrate: 5\n" EXPORTERS REST, "duration: \"1y\" is not a span" },
	{ "duration: 1s\nrate: fast\n" EXPORTERS REST, "s.yaml:2:7: rate: \"fast\" is not" },
	{ "duration: 1s\nrate: 0 records/s\n" EXPORTERS REST, "rate: \"0 records/s\" is not" },
	{ "duration: 1s\nrate: 5 datagram/s\n" EXPORTERS REST, "is not \"N records/s\"" },
	{ "start: 2026-02-29T00:00:00Z\n" MINIMAL,
		"start: \"2026-02-29T00:00:00Z\" is not \"now\" or a UTC time" },
	{ "start: 2026-01-01T00:00:00+01:00\n" MINIMAL, "is not \"now\" or a UTC time" },
	{ "start: 2106-02-07T06:28:10Z\n" MINIMAL, "lies behind the year 2106" },
	{ MINIMAL "flows:\n  octets: { kind: pareto, min: 0, max: 5, alpha: 1 }\n",
		"octets: min 0, max 5: 1 <= min" },
	{ MINIMAL "flows:\n  octets: { kind: uniform, min: 6, max: 5 }\n", "octets: min 6, max 5" },
	{ MINIMAL "flows:\n  octets: { kind: uniform, min: 6 }\n",
		"octets: kind uniform takes exactly: min, max" },
	{ MINIMAL "flows:\n  octets: { kind: constant, value: 6, max: 7 }\n",
		"kind constant takes exactly: value" },
	{ MINIMAL "flows:\n  octets: { min: 6, max: 7 }\n", "octets has no \"kind\"" },
	{ MINIMAL "flows:\n  octets: { kind: normal }\n",
		"kind: \"normal\" is not one of constant, uniform, pareto, lognormal" },
	{ MINIMAL "flows:\n  octets: { kind: pareto, min: 1, max: 5, alpha: 1.2345 }\n",
		"alpha: \"1.2345\" is not a number" },
	{ MINIMAL "flows:\n  packet_octets: 1501\n",
		"packet_octets: \"1501\" is not a whole number from 46 to 1500" },
	{ MINIMAL "flows:\n  lasting_ms: { kind: uniform, min: 0, max: 1G }\n",
		"lasting_ms: min 0, max 1000000000: 0 <=" },
	{ TOP "exporters:\n  - { address: 127.0.0.1, protocol: ipfix, uptime: 60s }\n" REST
	      "flows: { lasting_ms: 59001, delay_ms: 0 }\n",
		"uptime 60 s: shorter than the longest flow" },
	{ MINIMAL "---\na: b\n", "a second document" },
	{ MINIMAL "flows: &a\n  octets: *a\n", "unknown key \"octets\" in octets" },
	{ MINIMAL "? [a]\n: b\n", "a list stands where a key is expected" },
};

START_TEST(refuses)
{
	char why[SCENARIO_WHY] = "";
	struct scenario *sc = parse(bad[_i].text, why);

	ck_assert_msg(sc == NULL, "accepted:\n%s", bad[_i].text);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "got \"%s\", not \"%s\"", why, bad[_i].why);
	ck_assert_msg(strchr(why, '\n') == NULL, "more than a line: %s", why);
}
END_TEST

/* A scenario cut anywhere is refused or whole, and never more than that. */
START_TEST(cut_anywhere)
{
	static const char text[] =
		MINIMAL "flows:\n  octets: { kind: pareto, min: 1, max: 5, alpha: 1.2 }\n";
	unsigned accepted = 0;

	for (size_t n = 0; n < sizeof(text); n++) {
		char why[SCENARIO_WHY], *copy = malloc(n ? n : 1);
		struct scenario *sc;

		memcpy(copy, text, n);
		sc = scenario_parse("s.yaml", copy, n, why);
		accepted += sc != NULL;
		ck_assert((sc != NULL) == (why[0] == '\0'));
		scenario_free(sc);
		free(copy);
	}
	ck_assert_uint_ge(accepted, 1);
}
END_TEST

/* Aliases count each time: ten of ten of ten ... stop at the bound. */
START_TEST(billion_laughs)
{
	char text[4096] = TOP REST "exporters:\n", why[SCENARIO_WHY];
	size_t n = strlen(text);

	n += (size_t)snprintf(
		text + n, sizeof(text) - n, "  - &e { address: 127.0.0.1, protocol: ipfix }\n");
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "  - *e\n");
	ck_assert_ptr_null(parse(text, why));
	ck_assert_msg(strstr(why, "have the same address") != NULL, "%s", why);
}
END_TEST

START_TEST(too_many_nodes)
{
	/* 20000 networks of 6 nodes each: more than SCENARIO_NODES_MAX. */
	const size_t each = 32, networks = 20000;
	char *text = malloc(each * networks + 1000), why[SCENARIO_WHY];
	size_t n = (size_t)sprintf(text, TOP EXPORTERS REMOTES "customers:\n");

	for (size_t i = 0; i < networks; i++)
		n += (size_t)sprintf(text + n, " - {prefix: 10.0.0.0/24, as: 1}\n");
	ck_assert_ptr_null(parse(text, why));
	ck_assert_msg(strstr(why, "more than 100000 keys and values") != NULL, "%s", why);
	free(text);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	uint64_t v;
} numbers[] = {
	{ "0", true, 0 },
	{ "18446744073709551615", true, UINT64_MAX },
	{ "18446744073709551616", false, 0 },
	{ "1k", true, 1000 },
	{ "1.5k", true, 1500 },
	{ "1.2345k", false, 0 },
	{ "1.0", true, 1 },
	{ "1.5", false, 0 },
	{ "2.50M", true, 2500000 },
	{ "1G", true, 1000000000 },
	{ "18446744073.709551615G", true, UINT64_MAX },
	{ "18446745T", false, 0 },
	{ "", false, 0 },
	{ ".", false, 0 },
	{ "1.", false, 0 },
	{ "1kk", false, 0 },
	{ "1.2.3", false, 0 },
	{ "-1", false, 0 },
	{ "+1", false, 0 },
	{ " 1", false, 0 },
	{ "1 ", false, 0 },
	{ "k", false, 0 },
	{ "0x10", false, 0 },
	{ "1.5T", true, UINT64_C(1500000000000) },
};

START_TEST(reads_numbers)
{
	uint64_t v = 0;

	ck_assert_msg(
		number_parse(numbers[_i].text, &v) == numbers[_i].good, "\"%s\"", numbers[_i].text);
	if (numbers[_i].good)
		ck_assert_uint_eq(v, numbers[_i].v);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	uint64_t rate;
	uint8_t unit;
} rates[] = {
	{ "max", true, 0, 9 },
	{ "1", true, 1, 9 },
	{ "1000000000", true, 1000000000, 9 },
	{ "1000000001", false, 0, 9 },
	{ "0", false, 0, 9 },
	{ "20k records/s", true, 20000, RATE_RECORDS },
	{ "20kdatagrams/s", true, 20000, RATE_DATAGRAMS },
	{ "records/s", false, 0, 9 },
	{ "", false, 0, 9 },
	{ "5 packets/s", false, 0, 9 },
	{ "111111111111111111111111111111111111 records/s", false, 0, 9 },
};

START_TEST(reads_rates)
{
	uint64_t rate = 0;
	uint8_t unit = 9;

	ck_assert_msg(rate_parse(rates[_i].text, &rate, &unit) == rates[_i].good, "\"%s\"",
		rates[_i].text);
	if (rates[_i].good) {
		ck_assert_uint_eq(rate, rates[_i].rate);
		ck_assert_uint_eq(unit, rates[_i].unit);
	}
}
END_TEST

START_TEST(files)
{
	char why[SCENARIO_WHY];

	ck_assert_ptr_null(scenario_load("/nonexistent/s.yaml", why));
	ck_assert_str_eq(why, "/nonexistent/s.yaml: No such file or directory");
	ck_assert_ptr_null(scenario_load("/", why));
	ck_assert_str_eq(why, "/: Is a directory");
	ck_assert_ptr_null(scenario_load("/dev/zero", why));
	ck_assert_str_eq(why, "/dev/zero: larger than 1048576 octets");
}
END_TEST

Suite *suite_scenario(void)
{
	Suite *s = suite_create("scenario");
	TCase *t = tcase_create("scenario");

	tcase_add_test(t, minimal);
	tcase_add_test(t, everything);
	tcase_add_loop_test(t, refuses, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(t, cut_anywhere);
	tcase_add_test(t, billion_laughs);
	tcase_add_test(t, too_many_nodes);
	tcase_add_loop_test(t, reads_numbers, 0, sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_loop_test(t, reads_rates, 0, sizeof(rates) / sizeof(rates[0]));
	tcase_add_test(t, files);
	suite_add_tcase(s, t);
	return s;
}
