/*
 * check_engine.c - datagrams in, rows out: the whole engine with a sink that
 * keeps what it gets.  The expected rows are collector.md 13 (observed with
 * pmacct 1.7.7) and the OURS column of its section 15, by number.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "nfacctd/engine_private.h"
#include "nfacctd/pipeline.h"
#include "tests/base/said.h"
#include "wire/sflow.h"

Suite *suite_engine(void);

/* 2024-05-15 06:27:30 UTC, and what is in one v5 datagram of that second. */
enum { NOW = 1715754450, BIN = 1715754000 /* 06:20:00 */, MINUTE = 60 };

/* ---- a sink that keeps rows as text ---------------------------------------------------------- */

struct probe {
	char name[32];
	struct key_layout layout;
	struct sink_counts counts;
	struct strbuf rows;	/* "bin key.. packets octets\n", a line a row, as they came */
	unsigned purges, salvaged, refuse;	/* refuse: so many writes */
	int64_t now[64], deadline[64];
	uint64_t octets, packets, nrows;
	bool last;
};

static struct probe probes[4];
static size_t nprobes;
static unsigned refuse_writes;

static void *probe_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct probe *o = &probes[nprobes++];

	(void)run_id;
	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", p->name);
	o->layout = *l;
	o->refuse = refuse_writes;
	strbuf_add(&o->rows, "");
	return o;
}

static unsigned probe_check(const struct plugin_settings *p, const struct key_layout *l)
{
	(void)p;
	(void)l;
	return 0;
}

static enum sink_result probe_write(void *sink, const struct purge *p)
{
	static const struct print_style style = { .utc = true };
	struct probe *o = sink;

	if (o->refuse) {
		o->refuse--;
		return SINK_RETRY;
	}
	ck_assert_uint_lt(o->purges, 64);
	ck_assert_uint_eq(p->id, o->purges + 1);
	o->now[o->purges] = p->now;
	o->deadline[o->purges] = p->deadline;
	o->purges++;
	o->last = p->last;
	o->nrows += p->nrows;
	for (size_t i = 0; i < p->nrows; i++) {
		const struct sum_row *r = &p->rows[i];
		char text[PRIM_TEXT_MAX];

		o->octets += r->sums.octets;
		o->packets += r->sums.packets;
		if (p->nrows > 100)
			continue;
		strbuf_addf(&o->rows, "%+ld", r->bin ? (long)(r->bin - BIN) / MINUTE : 0L);
		for (size_t f = 0; f < o->layout.nfields; f++) {
			key_print(text, &o->layout.field[f], r->key, &style);
			strbuf_addf(&o->rows, " %s", text);
		}
		strbuf_addf(&o->rows, " %llu %llu", (unsigned long long)r->sums.packets,
			(unsigned long long)r->sums.octets);
		if (o->layout.spec.flows)
			strbuf_addf(&o->rows, " f%llu", (unsigned long long)r->sums.flows);
		if (o->layout.spec.tcpflags)
			strbuf_addf(&o->rows, " t%x", r->sums.tcp_flags);
		strbuf_add(&o->rows, "\n");
	}
	return SINK_OK;
}

static int probe_salvage(void *sink, const struct purge *p)
{
	struct probe *o = sink;

	(void)p;
	o->salvaged++;
	return 0;
}

static const struct sink_counts *probe_counts(void *sink)
{
	return &((struct probe *)sink)->counts;
}

static void probe_close(void *sink)
{
	(void)sink;
}

static const struct sink probe_sink = {
	.type = "print", .open = probe_open, .check = probe_check, .write = probe_write,
	.salvage = probe_salvage, .counts = probe_counts, .close = probe_close,
};

static const struct sink *find_probe(const char *type)
{
	(void)type;
	return &probe_sink;
}

/* ---- an engine from a text ---------------------------------------------------------------------
 */

static struct settings settings;
static struct engine *engine;
static char networks_path[] = "/tmp/check-engine-XXXXXX";

static void start(const char *conf)
{
	struct conf c;

	nprobes = 0;
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_int_eq(settings_load(&settings, NULL, &c, NULL), 0);
	conf_clear(&c);
	engine = engine_new(&settings, find_probe, NOW, 1);
	ck_assert_ptr_nonnull(engine);
	ck_assert_int_eq(engine_open(engine), 0);
}

static uint64_t stat_of(const char *name)
{
	struct stats s;
	uint64_t v = 0;
	bool found = false;

	stats_init(&s);
	engine_stats(engine, &s);
	for (size_t i = 0; i < s.n; i++) {
		if (strcmp(s.rows[i].name, name) == 0) {
			v = s.rows[i].value;
			found = true;
		}
	}
	stats_clear(&s);
	ck_assert_msg(found, "no counter %s", name);
	return v;
}

static void nothing_unexplained(void)
{
	struct stats s;

	stats_init(&s);
	engine_stats(engine, &s);
	for (size_t i = 0; i < s.n; i++)
		ck_assert_msg(!strstr(s.rows[i].name, "unexplained") || s.rows[i].value == 0,
			"%s is %llu", s.rows[i].name, (unsigned long long)s.rows[i].value);
	stats_clear(&s);
}

/* Stop, and look at the books: they balance in every test. */
static void stop(void)
{
	nothing_unexplained();
	ck_assert_int_eq(engine_stop(engine), 0);
	nothing_unexplained();
}

static void let_go(void)
{
	engine_free(engine);
	settings_clear(&settings);
	for (size_t i = 0; i < nprobes; i++)
		strbuf_clear(&probes[i].rows);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in order, so that rows compare as sets. */
static char *sorted(const char *text)
{
	char *copy = strdup(text), *line[200], *save = NULL, *out = malloc(strlen(text) + 1);
	size_t n = 0;

	out[0] = '\0';
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		line[n++] = l;
	qsort(line, n, sizeof(line[0]), by_text);
	for (size_t i = 0; i < n; i++)
		strcat(strcat(out, line[i]), "\n");
	free(copy);
	return out;
}

static void rows_are(size_t probe, const char *want)
{
	char *w = sorted(want), *got = sorted(probes[probe].rows.s);

	ck_assert_str_eq(got, w);
	free(w);
	free(got);
}

/* ---- NetFlow v5 by hand (Cisco's layout)
 * --------------------------------------------------------- */

struct v5 {
	const char *src, *dst;
	uint16_t in, out;
	uint32_t packets, octets;
	int first_s, last_s;		/* seconds after the header's time; 0: at it */
	uint8_t proto, tos, flags, src_mask, dst_mask;
	uint16_t sport, dport;
	uint32_t hop;
};

static void put(uint8_t **p, uint64_t v, int n)
{
	while (n--)
		*(*p)++ = (uint8_t)(v >> 8 * n);
}

static size_t v5_write(uint8_t *buf, uint32_t now, uint32_t uptime_ms, uint16_t sampling,
	const struct v5 *r, size_t n)
{
	static uint32_t sequence;
	uint8_t *p = buf;

	put(&p, 5, 2), put(&p, n, 2), put(&p, uptime_ms, 4), put(&p, now, 4), put(&p, 0, 4);
	put(&p, sequence, 4), put(&p, 0x0107, 2), put(&p, sampling, 2);	/* engine type 1, ID 7 */
	sequence += (uint32_t)n;
	for (size_t i = 0; i < n; i++, r++) {
		struct in_addr src, dst;

		ck_assert(inet_pton(AF_INET, r->src, &src) == 1 &&
			inet_pton(AF_INET, r->dst, &dst) == 1);
		put(&p, ntohl(src.s_addr), 4), put(&p, ntohl(dst.s_addr), 4), put(&p, r->hop, 4);
		put(&p, r->in, 2), put(&p, r->out, 2), put(&p, r->packets, 4),
			put(&p, r->octets, 4);
		put(&p, uptime_ms + (uint32_t)(r->first_s * 1000), 4);
		put(&p, uptime_ms + (uint32_t)(r->last_s * 1000), 4);
		put(&p, r->sport, 2), put(&p, r->dport, 2), put(&p, 0, 1), put(&p, r->flags, 1),
			put(&p, r->proto, 1);
		put(&p, r->tos, 1), put(&p, 0, 4), put(&p, r->src_mask, 1), put(&p, r->dst_mask, 1),
			put(&p, 0, 2);
	}
	return (size_t)(p - buf);
}

static struct datagram datagram(const uint8_t *p, size_t n, int64_t when)
{
	struct datagram d = { { p, n }, { addr_make4(0xc0000201), 2055, false },
		(uint64_t)when * 1000000 };

	return d;
}

static void feed_at(int64_t when, uint16_t sampling, const struct v5 *r, size_t n)
{
	uint8_t buf[65536];
	struct datagram d =
		datagram(buf, v5_write(buf, (uint32_t)when, 5000000, sampling, r, n), when);

	engine_feed(engine, &d);
}

#define FEED(when, sampling, ...) do { \
		const struct v5 feed_[] = { __VA_ARGS__ }; \
		feed_at(when, sampling, feed_, sizeof(feed_) / sizeof(feed_[0])); \
	} while (0)

/* Section 13's datagram. */
static const struct v5 section_13[] = {
	{ .src = "111.222.1.2",
		.dst = "8.8.8.8",
		.in = 5,
		.out = 7,
		.packets = 10,
		.octets = 1000 },
	{ .src = "8.8.8.8",
		.dst = "111.222.1.2",
		.in = 7,
		.out = 5,
		.packets = 50,
		.octets = 5000 },
	{ .src = "111.222.1.2",
		.dst = "111.222.2.3",
		.in = 5,
		.out = 5,
		.packets = 1,
		.octets = 100 },
	{ .src = "10.0.0.1", .dst = "10.0.0.2", .in = 1, .out = 2, .packets = 1, .octets = 7 },
	{ .src = "111.222.3.9",
		.dst = "111.222.3.9",
		.in = 5,
		.out = 5,
		.packets = 1,
		.octets = 11 },
};

#define CONFIG_1 "plugins: print\naggregate: sum_host\nprint_refresh_time: 120\nprint_history: 10m\n" \
	"print_history_roundoff: mh\n"
#define EVERY_HOST "+0 111.222.1.2 61 6100\n+0 111.222.2.3 1 100\n+0 111.222.3.9 2 22\n+0 8.8.8.8 60 6000\n" \
	"+0 10.0.0.1 1 7\n+0 10.0.0.2 1 7\n"
#define OUR_HOSTS "+0 111.222.1.2 61 6100\n+0 111.222.2.3 1 100\n+0 111.222.3.9 2 22\n"

/* The line that names the networks file goes where %s stands. */
static const struct {
	const char *what, *conf, *rows, *said;
	bool networks;
} tutorial_1[] = {
	{ "no networks_file", CONFIG_1 "%s", EVERY_HOST, NULL, false },
	{ "networks_file alone", CONFIG_1 "%s", OUR_HOSTS "+0 0.0.0.0 62 6014\n",
		"networks_file is a filter", true },
	{ "filter true", CONFIG_1 "%snetworks_file_filter: true\n",
		OUR_HOSTS "+0 0.0.0.0 62 6014\n", NULL, true },
	{ "filter false", CONFIG_1 "%snetworks_file_filter: false\n", EVERY_HOST, NULL, true },
	{ "asked for as a source of AS numbers", CONFIG_1 "%snfacctd_as: file\n", EVERY_HOST,
		NULL, true },
	{ "asked for as a source of prefixes", CONFIG_1 "%snfacctd_net: longest\n", EVERY_HOST,
		NULL, true },
	{ "no others", CONFIG_1 "%snetworks_drop_others: true\n", OUR_HOSTS,
		"networks_file is a filter", true },
};

START_TEST(section_13_config_1)
{
	char conf[1024], line[256] = "";
	struct said said;

	if (tutorial_1[_i].networks)
		snprintf(line, sizeof(line), "networks_file: %s\n", networks_path);
	snprintf(conf, sizeof(conf), tutorial_1[_i].conf, line);
	said_start(&said);
	start(conf);
	ck_assert_msg(!tutorial_1[_i].said == !strstr(said.text.s, "is a filter"), "%s: %s",
		tutorial_1[_i].what, said.text.s);
	feed_at(NOW, 0, section_13, 5);
	stop();
	rows_are(0, tutorial_1[_i].rows);
	/* The table is twice the traffic; without the others row it and what was dropped are. */
	ck_assert_uint_eq(probes[0].octets +
			stat_of("plugin_octets_others_dropped{plugin=\"default_print\"}"),
		2 * 6118);
	let_go();
	said_end(&said);
}
END_TEST

static const uint16_t header_rates[] = { 0, 64, 0x4040 };

START_TEST(section_13_config_2)
{
	char conf[1024];

	snprintf(conf, sizeof(conf),
		"plugins: print[intl_in],print[intl_out]\n"
		"aggregate[intl_in]: dst_host, in_iface, out_iface\naggregate[intl_out]: src_host, "
		"in_iface, out_iface\n"
		"print_refresh_time: 300\nprint_history: 5m\nprint_history_roundoff: "
		"mh\nplugin_pipe_size:102400000\n"
		"plugin_buffer_size:1024000\nsql_cache_entries:1048579\nnetworks_file[intl_in]:%s\n"
		"networks_file[intl_out]:%s\nnetworks_file_filter: true\nnfacctd_time_new:true\n"
		"nfacctd_disable_checks:true\nnfacctd_ext_sampling_rate:1000\nnfacctd_renormalize:"
		"true\n",
		networks_path, networks_path);
	start(conf);
	feed_at(NOW, header_rates[_i], section_13, 4);
	stop();
	/* 06:27:30 by arrival: the bin of 06:25, five minutes behind BIN. */
	rows_are(0, "+5 7 5 111.222.1.2 50000 5000000\n+5 5 5 111.222.2.3 1000 100000\n"
		 "+5 5 7 0.0.0.0 10000 1000000\n+5 1 2 0.0.0.0 1000 7000\n");
	rows_are(1, "+5 5 7 111.222.1.2 10000 1000000\n+5 5 5 111.222.1.2 1000 100000\n"
		 "+5 7 5 0.0.0.0 50000 5000000\n+5 1 2 0.0.0.0 1000 7000\n");
	let_go();
}
END_TEST

/* ---- one datagram, one configuration
 * ------------------------------------------------------------------ */

#define HISTORY "print_history: 10m\nprint_history_roundoff: mh\nprint_refresh_time: 86400\n"
#define ONE .src = "10.1.1.1", .dst = "10.2.2.2", .packets = 10, .octets = 1000

static const struct {
	const char *what, *conf;
	uint16_t sampling;
	struct v5 flow[3];
	const char *rows;
} cases[] = {
	{ "23: header sampling 64", "nfacctd_renormalize: true\n", 64, { { ONE } },
		"+0 10.1.1.1 640 64000\n" },
	{ "23: header sampling 64, mode 1", "nfacctd_renormalize: true\n", 0x4040, { { ONE } },
		"+0 10.1.1.1 640 64000\n" },
	{ "22: a rate of 0 never multiplies", "nfacctd_renormalize: true\n", 0x4000, { { ONE } },
		"+0 10.1.1.1 10 1000\n" },
	{ "header sampling, not asked for", "", 64, { { ONE } }, "+0 10.1.1.1 10 1000\n" },
	{ "24: ext goes before the header",
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 1000\n", 64, { { ONE } },
		"+0 10.1.1.1 10000 1000000\n" },
	{ "ext without renormalize", "nfacctd_ext_sampling_rate: 1000\n", 64, { { ONE } },
		"+0 10.1.1.1 10 1000\n" },
	{ "ext as default, header says 64",
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: "
		"1000\nnfacctd_ext_sampling_rate_mode: default\n",
		64, { { ONE } }, "+0 10.1.1.1 640 64000\n" },
	{ "ext as default, header says nothing",
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: "
		"1000\nnfacctd_ext_sampling_rate_mode: default\n",
		0, { { ONE } }, "+0 10.1.1.1 10000 1000000\n" },
	{ "flows are not multiplied", "nfacctd_renormalize: true\naggregate: src_host,flows\n", 64,
		{ { ONE }, { ONE } }, "+0 10.1.1.1 1280 128000 f2\n" },
	{ "sampling_rate as announced", "aggregate: sampling_rate\n", 64, { { ONE } },
		"+0 64 10 1000\n" },
	{ "sampling_rate once multiplied", "nfacctd_renormalize: true\naggregate: sampling_rate\n",
		64, { { ONE } }, "+0 1 640 64000\n" },
	{ "the ethertype that the addresses say", "aggregate: etype\n", 0, { { ONE } },
		"+0 800 10 1000\n" },
	{ "the engine ID is the system", "aggregate: export_proto_sysid\n", 0, { { ONE } },
		"+0 7 10 1000\n" },
	{ "sampling_rate unknown, not multiplied",
		"nfacctd_renormalize: true\naggregate: sampling_rate\n", 0, { { ONE } },
		"+0 0 10 1000\n" },
	{ "sampling_rate from outside",
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 3\naggregate: "
		"sampling_rate\n",
		0, { { ONE } }, "+0 1 30 3000\n" },
	{ "29: starts on the edge of a past bin", HISTORY, 0,
		{ { ONE, .first_s = -450, .last_s = -440 } }, "+0 10.1.1.1 10 1000\n" },
	{ "29: and of the one before", HISTORY, 0, { { ONE, .first_s = -1050, .last_s = -1040 } },
		"-10 10.1.1.1 10 1000\n" },
	{ "29: a second later", HISTORY, 0, { { ONE, .first_s = -449, .last_s = -440 } },
		"+0 10.1.1.1 10 1000\n" },
	{ "29: a second earlier", HISTORY, 0, { { ONE, .first_s = -451, .last_s = -440 } },
		"-10 10.1.1.1 10 1000\n" },
	{ "time_new: whatever the flow says", HISTORY "nfacctd_time_new: true\n", 0,
		{ { ONE, .first_s = -1050 } }, "+0 10.1.1.1 10 1000\n" },
	{ "31: pro-rated over two bins, 1 to 2", HISTORY "nfacctd_pro_rating: true\n", 0,
		{ { ONE, .first_s = -650, .last_s = -50 } },
		"-10 10.1.1.1 3 333\n+0 10.1.1.1 7 667\n" },
	{ "pro-rated: one flow", HISTORY "nfacctd_pro_rating: true\naggregate: src_host,flows\n", 0,
		{ { ONE, .first_s = -650, .last_s = -50 } },
		"-10 10.1.1.1 3 333 f1\n+0 10.1.1.1 7 667 f0\n" },
	{ "pro-rated within one bin", HISTORY "nfacctd_pro_rating: true\n", 0,
		{ { ONE, .first_s = -400, .last_s = -50 } }, "+0 10.1.1.1 10 1000\n" },
	{ "pro-rated both ends", HISTORY "nfacctd_pro_rating: true\naggregate: sum_host\n", 0,
		{ { ONE, .first_s = -650, .last_s = -50 } },
		"-10 10.1.1.1 3 333\n+0 10.1.1.1 7 667\n-10 10.2.2.2 3 333\n+0 10.2.2.2 7 667\n" },
	{ "42: sum_net, each prefix once an end", "aggregate: sum_net\n", 0,
		{ { ONE, .src_mask = 24, .dst_mask = 16 } },
		"+0 10.1.1.0 10 1000\n+0 10.2.0.0 10 1000\n" },
	{ "sum_host of a host with itself", "aggregate: sum_host\n", 0,
		{ { .src = "10.1.1.1", .dst = "10.1.1.1", .packets = 1, .octets = 11 } },
		"+0 10.1.1.1 2 22\n" },
	{ "peer_dst_ip: the IP next hop where there is no BGP one",
		"aggregate: peer_dst_ip\nuse_ip_next_hop: true\n", 0,
		{ { ONE, .hop = 0xc0000201 } }, "+0 192.0.2.1 10 1000\n" },
	{ "sum_port", "aggregate: sum_port\n", 0,
		{ { ONE, .proto = 6, .sport = 1024, .dport = 80 } },
		"+0 1024 10 1000\n+0 80 10 1000\n" },
	{ "net with mask 0", "aggregate: src_net,dst_net\n", 0, { { ONE, .dst_mask = 8 } },
		"+0 0.0.0.0 10.0.0.0 10 1000\n" },
	{ "net with mask 0 kept", "aggregate: src_net\nnetworks_no_mask_if_zero: true\n", 0,
		{ { ONE } }, "+0 10.1.1.1 10 1000\n" },
	{ "net by networks_mask", "aggregate: src_net\nnfacctd_net: mask\nnetworks_mask: 16\n", 0,
		{ { ONE, .src_mask = 24 } }, "+0 10.1.0.0 10 1000\n" },
	{ "none", "aggregate: none\n", 0, { { ONE }, { ONE } }, "+0 20 2000\n" },
	{ "flags are OR-ed and no key", "aggregate: src_host,tcpflags\n", 0,
		{ { ONE, .proto = 6, .flags = 2 }, { ONE, .proto = 6, .flags = 0x11 } },
		"+0 10.1.1.1 20 2000 t13\n" },
	{ "ports of a protocol without", "aggregate: src_port,dst_port,proto\n", 0,
		{ { ONE, .proto = 47, .sport = 7, .dport = 8 } }, "+0 0 0 gre 10 1000\n" },
	{ "ICMP type in the port", "aggregate: dst_port,proto\n", 0,
		{ { ONE, .proto = 1, .dport = 771 } }, "+0 771 icmp 10 1000\n" },
	{ "ICMP has no source port", "aggregate: src_port,dst_port,proto\n", 0,
		{ { ONE, .proto = 1, .sport = 9, .dport = 771 },
			{ ONE, .proto = 58, .sport = 9, .dport = 128 } },
		"+0 0 128 ipv6-icmp 10 1000\n+0 0 771 icmp 10 1000\n" },
	{ "nor one in a sum", "aggregate: sum_port\n", 0,
		{ { ONE, .proto = 1, .sport = 9, .dport = 771 } },
		"+0 0 10 1000\n+0 771 10 1000\n" },
	{ "DSCP", "aggregate: tos\ntos_encode_as_dscp: true\n", 0, { { ONE, .tos = 184 } },
		"+0 46 10 1000\n" },
	{ "exporter, version, domain", "aggregate: peer_src_ip,export_proto_version\n", 0,
		{ { ONE } }, "+0 192.0.2.1 5 10 1000\n" },
	{ "a filter", "plugins: print[x]\naggregate_filter[x]: src host 10.1.1.1 and dst port 80\n",
		0,
		{ { ONE, .proto = 6, .dport = 80 }, { ONE, .proto = 6, .dport = 81 },
			{ .src = "10.1.1.9",
				.dst = "10.2.2.2",
				.packets = 1,
				.octets = 1,
				.proto = 6,
				.dport = 80 } },
		"+0 10.1.1.1 10 1000\n" },
	{ "40: a huge plugin_buffer_size delays nothing",
		"plugin_buffer_size: 1024000\nplugin_pipe_size: 102400000\n", 0, { { ONE } },
		"+0 10.1.1.1 10 1000\n" },
	{ "far off clock: booked at arrival", HISTORY "nfacctd_time_limit: 3600\n", 0,
		{ { ONE, .first_s = -3601 } }, "+0 10.1.1.1 10 1000\n" },
	{ "ahead by a second more than allowed", HISTORY "nfacctd_time_ahead: 3600\n", 0,
		{ { ONE, .first_s = 3601 } }, "+0 10.1.1.1 10 1000\n" },
	{ "ahead by as much", HISTORY "nfacctd_time_ahead: 3600\n", 0,
		{ { ONE, .first_s = 3600 } }, "+60 10.1.1.1 10 1000\n" },
	{ "behind by more: another key", HISTORY "nfacctd_time_ahead: 3600\n", 0,
		{ { ONE, .first_s = -4800 } }, "-80 10.1.1.1 10 1000\n" },
	{ "ahead by two days, without a word", HISTORY, 0, { { ONE, .first_s = 86400 * 2 } },
		"+2880 10.1.1.1 10 1000\n" },
	{ "not so far off", HISTORY "nfacctd_time_limit: 3600\n", 0, { { ONE, .first_s = -3600 } },
		"-60 10.1.1.1 10 1000\n" },
};

START_TEST(gives_the_rows)
{
	char conf[1024];
	size_t n = 0;

	snprintf(conf, sizeof(conf), "%s%s%s",
		strstr(cases[_i].conf, "plugins:") ? "" : "plugins: print\n",
		strstr(cases[_i].conf, "aggregate:") ? "" : "aggregate: src_host\n",
		cases[_i].conf);
	while (n < 3 && cases[_i].flow[n].src)
		n++;
	start(conf);
	feed_at(NOW, cases[_i].sampling, cases[_i].flow, n);
	stop();
	rows_are(0, cases[_i].rows);
	let_go();
}
END_TEST

/* Case 30: a flow that began before the router's uptime wrapped. */
START_TEST(wrapped_uptime_is_the_right_bin)
{
	const struct v5 r = { ONE, .first_s = -60, .last_s = -50 };
	uint8_t buf[256];
	struct datagram d = datagram(buf, v5_write(buf, NOW, 30000, 0, &r, 1), NOW);

	start("plugins: print\n" HISTORY);
	engine_feed(engine, &d);
	stop();
	rows_are(0, "+0 10.1.1.1 10 1000\n");
	ck_assert_uint_eq(stat_of("records_clamped"), 0);
	let_go();
}
END_TEST

/* Case 37: one sampling correction for all plugins. */
START_TEST(two_plugins_agree_on_sflow)
{
	start("plugins: print[a],print[b]\naggregate: src_host\nnfacctd_renormalize: true\n");
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t buf[1024];
		struct cursor c = cursor(buf, sizeof(buf));
		struct sflow_msg m = {
			.version = 5, .agent = addr_make4(0xc0000202), .sequence = i, .nsamples = 1
		};
		struct sflow_sample s = { .sequence = i, .rate = 512, .pool = 700 * (i + 1) };
		struct flow_record r = flow_record_empty;
		struct datagram d;

		ck_assert(addr_parse(&r.src, "10.1.1.1") && addr_parse(&r.dst, "10.2.2.2"));
		r.present |= FLOW_BIT(src) | FLOW_BIT(dst);
		flow_set(&r, FLOW_octets, 1000);
		flow_set(&r, FLOW_packets, 1);
		flow_set(&r, FLOW_proto, 17);
		sflow_put_header(&c, &m);
		sflow_put_sample(&c, 5, &s, &r);
		ck_assert(!c.full);
		d = datagram(buf, cursor_used(&c), NOW);
		engine_feed(engine, &d);
	}
	stop();
	rows_are(0, "+0 10.1.1.1 1536 1536000\n");
	rows_are(1, "+0 10.1.1.1 1536 1536000\n");
	let_go();
}
END_TEST

/* Case 43: any number of rows, whatever the cache was said to hold. */
START_TEST(a_thousand_hosts_with_seven_entries)
{
	start("plugins: print\naggregate: src_host\nsql_cache_entries: 7\n");
	for (int i = 0; i < 1000; i++) {
		char src[16];

		snprintf(src, sizeof(src), "10.0.%d.%d", i / 250, i % 250);
		FEED(NOW, 0, { .src = src, .dst = "10.9.9.9", .packets = 1, .octets = 100 });
	}
	stop();
	ck_assert_uint_eq(probes[0].nrows, 1000);
	ck_assert_uint_eq(probes[0].octets, 100000);
	let_go();
}
END_TEST

/* ---- networks that resolve
 * -------------------------------------------------------------------------- */

static const struct {
	const char *what, *conf, *rows;
} resolved[] = {
	{ "netflow is the default: the file has no influence",
		"aggregate: src_net,src_as,src_mask\n", "+0 0 111.222.1.0 25 10 1000\n" },
	{ "file", "aggregate: src_net,src_as,src_mask\nnfacctd_net: file\nnfacctd_as: file\n",
		"+0 65001 111.222.1.0 24 10 1000\n" },
	{ "file: an address outside",
		"aggregate: dst_net,dst_as,dst_mask\nnfacctd_net: file\nnfacctd_as: file\n",
		"+0 0 0.0.0.0 0 10 1000\n" },
	{ "longest: the exporter's is",
		"aggregate: src_net,src_mask,src_as\nnfacctd_net: longest\nnfacctd_as: longest\n",
		"+0 0 111.222.1.0 25 10 1000\n" },
	{ "longest without lpm: the file's wins",
		"aggregate: src_net,src_mask,src_as\nnfacctd_net: longest\nnfacctd_as: "
		"longest\nnetworks_file_no_lpm: true\n",
		"+0 65001 111.222.1.0 24 10 1000\n" },
	{ "a resolver is no filter", "aggregate: src_net,dst_host\n",
		"+0 111.222.1.0 8.8.8.8 10 1000\n" },
	{ "but may be one", "aggregate: src_net,dst_host\nnetworks_file_filter: true\n",
		"+0 111.222.1.0 0.0.0.0 10 1000\n" },
	{ "a host that it takes away has no net, the exporter's mask or not",
		"aggregate: dst_host,dst_net,dst_mask\nnetworks_file_filter: true\n",
		"+0 0.0.0.0 0.0.0.0 8 10 1000\n" },
	{ "a net without its host stays",
		"aggregate: src_host,dst_net\nnetworks_file_filter: true\n",
		"+0 111.222.1.2 8.0.0.0 10 1000\n" },
};

START_TEST(resolves_networks)
{
	char conf[1024];

	snprintf(conf, sizeof(conf), "plugins: print\nnetworks_file: %s\n%s", networks_path,
		resolved[_i].conf);
	start(conf);
	FEED(NOW, 0,
		{ .src = "111.222.1.2",
			.dst = "8.8.8.8",
			.packets = 10,
			.octets = 1000,
			.src_mask = 25,
			.dst_mask = 8 });
	stop();
	rows_are(0, resolved[_i].rows);
	let_go();
}
END_TEST

/* Debian's 1.7.7 makes one row of these, and two without the key [O]. */
START_TEST(seconds_make_one_row)
{
	start("plugins: print\naggregate: timestamp_start,timestamp_end\ntimestamps_secs: true\n");
	for (unsigned ms = 100; ms <= 900; ms += 800) {
		const struct v5 r = { .src = "10.0.0.1", .dst = "10.0.0.2", .packets = 1, .octets = ms };
		uint8_t buf[72];
		size_t n = v5_write(buf, NOW, 5000000 - ms, 0, &r, 1);

		/* First and Last were written at the uptime: move them `ms` behind it. */
		for (size_t at = 24 + 24; at < 24 + 32; at += 4) {
			uint8_t *p = buf + at;

			put(&p, 5000000, 4);
		}
		engine_feed(engine, &(struct datagram){ { buf, n },
			{ addr_make4(0xc0000201), 2055, false }, (uint64_t)NOW * 1000000 });
	}
	stop();
	rows_are(0, "+0 2024-05-15 06:27:30.000000 2024-05-15 06:27:30.000000 2 1000\n");
	let_go();
}
END_TEST

START_TEST(missing_files_are_fatal)
{
	struct said said;
	struct conf c;
	const char *conf = "plugins: print[a], print[b]\nnetworks_file[a]: /nonexistent/n\n"
			   "ports_file[a]: /nonexistent/p\npre_tag_map[b]: /nonexistent/t\n"
			   "sampling_map: /nonexistent/s\naggregate_filter[b]: tpc\n";
	/* All that is wrong is told at once. */
	static const char *const told[] = {
		"networks_file: \"/nonexistent/n\": cannot be read: No such file",
		"ports_file: \"/nonexistent/p\"", "pre_tag_map: \"/nonexistent/t\"",
		"sampling_map: \"/nonexistent/s\"", "aggregate_filter: \"tpc\""
	};

	said_start(&said);
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_int_eq(settings_load(&settings, NULL, &c, NULL), 0);
	conf_clear(&c);
	ck_assert_ptr_null(engine_new(&settings, find_probe, NOW, 1));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		ck_assert_msg(strstr(said.text.s, told[i]) != NULL, "%s", said.text.s);
	settings_clear(&settings);
	said_end(&said);
}
END_TEST

static void write_networks(const char *text)
{
	FILE *f = fopen(networks_path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static const char our_networks[] = "65001,111.222.1.0/24\n111.222.2.0/24\n111.222.3.0/24\n";

/*
 * The file's next hop, for a destination whose mask is 8 and a record whose next hop is 192.0.2.1.
 * Every row is [O], of the same record in NetFlow v9 with a primitive of the destination's address
 * beside (1.7.7 shows none in v5, and asks the file only then).
 */
static const struct {
	const char *what, *networks, *conf, *rows;
} hops[] = {
	{ "nfacctd_as is not about it", "192.0.2.7,65002,8.8.0.0/16\n", "nfacctd_as: file\n",
		"+0 0.0.0.0 10 1000\n" },
	{ "nfacctd_net is", "192.0.2.7,65002,8.0.0.0/7\n", "nfacctd_net: file\n",
		"+0 192.0.2.7 10 1000\n" },
	{ "one without a next hop says that there is none", "65002,8.0.0.0/7\n",
		"nfacctd_net: file\nuse_ip_next_hop: true\naggregate: peer_dst_ip,dst_mask\n",
		"+0 0.0.0.0 7 10 1000\n" },
	{ "and a file without the prefix, too", "192.0.2.7,65002,12.0.0.0/7\n",
		"nfacctd_net: file\nuse_ip_next_hop: true\naggregate: peer_dst_ip,dst_mask\n",
		"+0 0.0.0.0 0 10 1000\n" },
	{ "longest: none for the longer one", "65002,8.8.0.0/16\n",
		"nfacctd_net: longest\nuse_ip_next_hop: true\naggregate: peer_dst_ip,dst_mask\n",
		"+0 0.0.0.0 16 10 1000\n" },
	{ "longest: the exporter's for the shorter one", "65002,8.0.0.0/7\n",
		"nfacctd_net: longest\nuse_ip_next_hop: true\naggregate: peer_dst_ip,dst_mask\n",
		"+0 192.0.2.1 8 10 1000\n" },
	{ "a mask knows none", "192.0.2.7,65002,8.0.0.0/7\n",
		"nfacctd_net: mask\nnetworks_mask: 8\nuse_ip_next_hop: true\n"
		"aggregate: peer_dst_ip,dst_mask\n",
		"+0 0.0.0.0 8 10 1000\n" },
	{ "longest, and no primitive tells the mask", "192.0.2.7,65002,8.0.0.0/7\n",
		"nfacctd_net: longest\n", "+0 192.0.2.7 10 1000\n" },
	{ "longest: the exporter's", "192.0.2.7,65002,8.0.0.0/7\n",
		"nfacctd_net: longest\naggregate: peer_dst_ip,dst_mask\n", "+0 0.0.0.0 8 10 1000\n" },
	{ "longest: neither is", "192.0.2.7,65002,8.0.0.0/8\n",
		"nfacctd_net: longest\naggregate: peer_dst_ip,dst_mask\n", "+0 192.0.2.7 8 10 1000\n" },
	{ "longest without lpm", "192.0.2.7,65002,8.0.0.0/7\n",
		"nfacctd_net: longest\nnetworks_file_no_lpm: true\n"
		"aggregate: peer_dst_ip,dst_mask\n", "+0 192.0.2.7 7 10 1000\n" },
};

START_TEST(takes_next_hops)
{
	char conf[1024];

	write_networks(hops[_i].networks);
	snprintf(conf, sizeof(conf), "plugins: print\naggregate: peer_dst_ip\nnetworks_file: %s\n"
		 "networks_file_filter: false\n%s", networks_path, hops[_i].conf);
	start(conf);
	FEED(NOW, 0, { .src = "111.222.1.2", .dst = "8.8.8.8", .packets = 10, .octets = 1000,
		.dst_mask = 8, .hop = 0xc0000201 });
	stop();
	rows_are(0, hops[_i].rows);
	let_go();
}
END_TEST

/* From in 5, 7 and 1; the header says 1 in 64. */
static const struct {
	const char *what, *key, *map, *conf, *rows;
} mapped[] = {
	{ "tags", "pre_tag_map", "set_tag=7 in=5\nset_tag=9 in=7\n", "aggregate: tag\n",
		"+0 0 1 7\n+0 7 10 1000\n+0 9 50 5000\n" },
	{ "a filter", "pre_tag_map", "set_tag=7 in=5\nset_tag=9 in=7\n",
		"aggregate: none\npre_tag_filter[p]: 7,0\n", "+0 11 1007\n" },
	{ "the second tag", "pre_tag_map", "set_tag2=7 in=5\n",
		"aggregate: in_iface,tag2\npre_tag2_filter[p]: -0\n", "+0 7 5 10 1000\n" },
	{ "labels", "pre_tag_map", "set_label=gold in=-1\n",
		"aggregate: label\npre_tag_label_filter[p]: gold\n", "+0 gold 60 6000\n" },
	{ "post_tag, behind the filter", "pre_tag_map", "set_tag=7 in=5\nset_tag=9 in=7\n",
		"aggregate: tag\npre_tag_filter[p]: 9\npost_tag: 77\n", "+0 77 50 5000\n" },
	{ "set_tos", "pre_tag_map", "set_tos=184 in=5\n", "aggregate: tos\n",
		"+0 0 51 5007\n+0 184 10 1000\n" },
	{ "24: the map goes before the header", "sampling_map", "id=77 in=5\n",
		"aggregate: in_iface\nnfacctd_renormalize: true\n",
		"+0 1 64 448\n+0 5 770 77000\n+0 7 3200 320000\n" },
	{ "24: and ext before the map", "sampling_map", "id=77 in=5\n",
		"aggregate: in_iface\nnfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 1000\n",
		"+0 1 1000 7000\n+0 5 10000 1000000\n+0 7 50000 5000000\n" },
	{ "sampling_rate shows the map's", "sampling_map", "id=77 in=5\n",
		"aggregate: sampling_rate\n", "+0 64 51 5007\n+0 77 10 1000\n" },
};

START_TEST(maps_tag_and_scale)
{
	char conf[1024];

	write_networks(mapped[_i].map);
	snprintf(conf, sizeof(conf), "plugins: print[p]\n%s: %s\n%s", mapped[_i].key, networks_path,
		mapped[_i].conf);
	start(conf);
	FEED(NOW, 64,
		{ .src = "10.1.1.1", .dst = "8.8.8.8", .in = 5, .packets = 10, .octets = 1000 },
		{ .src = "10.1.1.1", .dst = "8.8.8.8", .in = 7, .packets = 50, .octets = 5000 },
		{ .src = "10.1.1.1", .dst = "8.8.8.8", .in = 1, .packets = 1, .octets = 7 });
	stop();
	rows_are(0, mapped[_i].rows);
	let_go();
}
END_TEST

/* SIGUSR2: all or nothing, and what is in the tables stays. */
START_TEST(reloads)
{
	char conf[512];
	struct said said;

	said_start(&said);
	snprintf(conf, sizeof(conf), "plugins: print\naggregate: src_host\nnetworks_file: %s\n",
		networks_path);
	start(conf);
	FEED(NOW, 0, { .src = "111.222.1.2", .dst = "8.8.8.8", .packets = 1, .octets = 1 });
	write_networks("8.8.8.0/24\n");
	ck_assert_int_eq(engine_reload(engine), 0);
	FEED(NOW, 0, { .src = "111.222.1.2", .dst = "8.8.8.8", .packets = 1, .octets = 10 });
	/* A line that cannot be used, and a file that is gone. */
	write_networks("8.8.8.0/24\n111.222.1.0\n");
	ck_assert_int_eq(engine_reload(engine), -1);
	ck_assert_int_eq(unlink(networks_path), 0);
	ck_assert_int_eq(engine_reload(engine), -1);
	ck_assert(strstr(said.text.s, "nothing is changed") != NULL);
	FEED(NOW, 0, { .src = "8.8.8.8", .dst = "111.222.1.2", .packets = 1, .octets = 100 });
	stop();
	rows_are(0, "+0 111.222.1.2 1 1\n+0 0.0.0.0 1 10\n+0 8.8.8.8 1 100\n");
	let_go();
	said_end(&said);
	write_networks(our_networks);
}
END_TEST

START_TEST(only_allowed_senders)
{
	char conf[512];

	write_networks("192.0.2.0/25\n");
	snprintf(conf, sizeof(conf), "plugins: print\nnfacctd_allow_file: %s\n", networks_path);
	start(conf);
	FEED(NOW, 0, { ONE });
	write_networks("");
	ck_assert_int_eq(engine_reload(engine), 0);
	FEED(NOW, 0, { ONE });
	stop();
	rows_are(0, "+0 10.1.1.1 10 1000\n");
	ck_assert_uint_eq(stat_of("datagrams_denied"), 1);
	let_go();
	write_networks(our_networks);
}
END_TEST

/* ---- purges by the capture's clock
 * -------------------------------------------------------------------- */

/* refresh == history and time_new: each row once, a purge each five minutes. */
START_TEST(each_bin_once)
{
	start("plugins: print\naggregate: src_host\nprint_history: 5m\nprint_refresh_time: 300\n"
	      "print_history_roundoff: mh\nnfacctd_time_new: true\n");
	for (int t = 0; t < 1200; t += 30)
		FEED(NOW + t, 0, { ONE });
	stop();
	/* From 06:27:30 on: five in the first bin, ten in the next three, five in the last. */
	rows_are(0,
		"+5 10.1.1.1 50 5000\n+10 10.1.1.1 100 10000\n+15 10.1.1.1 100 10000\n+20 10.1.1.1 "
		"100 10000\n"
		"+25 10.1.1.1 50 5000\n");
	ck_assert_uint_eq(probes[0].purges, 5);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(probes[0].deadline[i], BIN + 10 * MINUTE + (int)i * 300);
		ck_assert_int_eq(probes[0].now[i], probes[0].deadline[i]);
	}
	ck_assert(probes[0].last);
	let_go();
}
END_TEST

/* Tutorial: 120 s and 10 m.  A bin is written in parts that add up; late flows come with the next
 * purge. */
START_TEST(open_bins_go_out_in_parts)
{
	start("plugins: print\naggregate: src_host\nprint_history: 10m\nprint_refresh_time: 120\n"
	      "print_history_roundoff: mh\n");
	FEED(NOW, 0, { ONE });				/* 06:27:30 */
	FEED(NOW + 60, 0, { ONE });			/* 06:28:30: the purge of 06:28 was due */
	FEED(NOW + 160, 0, { ONE });			/* 06:30:10, begins a bin */
	FEED(NOW + 170, 0, { ONE, .first_s = -30 });	/* 06:29:50, late */
	FEED(NOW + 300, 0, { ONE });			/* 06:32:30 */
	stop();
	ck_assert_str_eq(probes[0].rows.s,
		"+0 10.1.1.1 10 1000\n"
		"+0 10.1.1.1 10 1000\n"
		"+10 10.1.1.1 10 1000\n"
		"+0 10.1.1.1 10 1000\n"
		"+10 10.1.1.1 10 1000\n");
	ck_assert_uint_eq(probes[0].purges, 4);
	let_go();
}
END_TEST

/* A flow of a bin to come waits for it; at the end everything goes. */
START_TEST(future_bins_wait)
{
	start("plugins: print\naggregate: src_host\nprint_history: 10m\nprint_refresh_time: 60\n"
	      "print_history_roundoff: mh\n");
	FEED(NOW, 0, { ONE, .first_s = 1800 }, { ONE });	/* 06:57:30, 06:27:30 */
	FEED(NOW + 600, 0, { ONE });				/* 06:37:30 */
	ck_assert_str_eq(probes[0].rows.s, "+0 10.1.1.1 10 1000\n");
	FEED(NOW + 1900, 0, { ONE });				/* 06:59:10 */
	ck_assert_msg(
		strstr(probes[0].rows.s, "+30 10.1.1.1 10 1000\n") != NULL, "%s", probes[0].rows.s);
	FEED(NOW + 1900, 0, { ONE, .first_s = 86400 });
	stop();
	ck_assert_uint_eq(probes[0].octets, 5000);
	let_go();
}
END_TEST

/* Two days of silence are no two days of purges, and nothing is late. */
START_TEST(long_silence)
{
	start("plugins: print\naggregate: src_host\nprint_history: 1h\nprint_refresh_time: "
	      "1\nprint_history_roundoff: h\n");
	FEED(NOW, 0, { ONE });
	FEED(NOW + 2 * 86400, 0, { ONE });
	ck_assert_uint_eq(probes[0].purges, 1);
	ck_assert_int_eq(probes[0].now[0], NOW + 1);
	stop();
	ck_assert_uint_eq(probes[0].octets, 2000);
	let_go();
}
END_TEST

/* A capture with a time that jumps back is read through. */
START_TEST(time_goes_back)
{
	start("plugins: print\naggregate: src_host\nprint_history: 10m\nprint_refresh_time: "
	      "60\nprint_history_roundoff: mh\n");
	FEED(NOW, 0, { ONE });
	FEED(NOW - 86400, 0, { ONE });
	FEED(NOW + 60, 0, { ONE });
	stop();
	ck_assert_uint_eq(probes[0].octets, 3000);
	let_go();
}
END_TEST

/* Case 35's engine half: the sink refuses for a while; nothing is lost, nothing twice, order kept.
 */
START_TEST(waits_for_the_sink)
{
	struct said said;

	said_start(&said);
	said.debug = true;
	refuse_writes = 2;
	start("plugins: print\naggregate: src_host\nprint_history: 10m\nprint_refresh_time: "
	      "60\nprint_history_roundoff: mh\n");
	refuse_writes = 0;
	for (int i = 0; i < 8; i++) {
		FEED(NOW + i * 60, 0, { ONE });
		nothing_unexplained();
	}
	stop();
	ck_assert_uint_eq(probes[0].octets, 8000);
	ck_assert_uint_eq(probes[0].salvaged, 0);
	ck_assert_uint_eq(stat_of("plugin_octets_written{plugin=\"default_print\"}"), 8000);
	/* With debug: true each purge has a line. */
	ck_assert_ptr_nonnull(strstr(said.text.s, "D plugin default_print: purge 1: 1 rows, "));
	let_go();
	said_end(&said);
}
END_TEST

START_TEST(saves_what_the_sink_never_takes)
{
	struct said said;

	said_start(&said);
	refuse_writes = 1000000;
	start("plugins: print\naggregate: src_host\nprint_history: 10m\nprint_refresh_time: "
	      "60\nprint_history_roundoff: mh\n");
	refuse_writes = 0;
	FEED(NOW, 0, { ONE });
	FEED(NOW + 60, 0, { ONE });
	ck_assert_int_eq(engine_stop(engine), -1); /* not where they belong: the status says so */
	nothing_unexplained();
	ck_assert_uint_eq(probes[0].salvaged, 2);
	ck_assert_uint_eq(stat_of("plugin_octets_salvaged{plugin=\"default_print\"}"), 2000);
	ck_assert_uint_eq(stat_of("plugin_octets_lost{plugin=\"default_print\"}"), 0);
	let_go();
	said_end(&said);
}
END_TEST

/* The rows that pmacct 1.7.7 writes from the same four flows; qnum as it documents it. */
#define ROW_1 "+0 10.0.0.1 10 1000 f1\n"
#define ROW_2 "+0 10.0.0.2 50 5000 f1\n"
#define ROW_3 "+0 10.0.0.3 1 100 f1\n"
#define ROW_4 "+0 10.0.0.4 5 7500 f1\n"
static const struct {
	const char *value, *type, *rows;
} preprocessed[] = {
	{ "usrf=10,minp=50", "any", "+0 10.0.0.2 500 50000 f1\n" },
	{ "usrf=10,adjb=18,minb=5000", "any", "+0 10.0.0.2 500 59000 f1\n+0 10.0.0.4 50 75900 f1\n" },
	{ "minp=10,minb=7000", "any", ROW_1 ROW_2 ROW_4 },
	{ "minp=10,minb=7000", "all", "" },
	{ "minp=10, maxp=50", "all", ROW_1 },
	{ "minbpp=101", "any", ROW_4 },
	{ "maxbpp=100", "any", "" },
	{ "minppf=5", "any", ROW_1 ROW_2 ROW_4 },
	{ "maxppf=10", "any", ROW_3 ROW_4 },
	{ "minf=2", "any", "" },
	{ "maxf=2", "all", ROW_1 ROW_2 ROW_3 ROW_4 },
	{ "qnum=5,minp=10", "any", ROW_1 ROW_2 ROW_3 ROW_4 },
	{ "qnum=4,minp=10", "any", ROW_1 ROW_2 },
	{ "minp=70000", "any", "" },
	{ "minp=1000000,maxb=10000000000", "any", ROW_1 ROW_2 ROW_3 ROW_4 },
	{ "minp=10,usrf=2", "any", "+0 10.0.0.1 20 2000 f1\n+0 10.0.0.2 100 10000 f1\n" },
	{ "usrf=2", "any", "+0 10.0.0.1 20 2000 f1\n+0 10.0.0.2 100 10000 f1\n+0 10.0.0.3 2 200 f1\n"
			   "+0 10.0.0.4 10 15000 f1\n" },
	{ "adjb=-18", "any", "+0 10.0.0.1 10 820 f1\n+0 10.0.0.2 50 4100 f1\n+0 10.0.0.3 1 82 f1\n"
			     "+0 10.0.0.4 5 7410 f1\n" },
	{ "adjb=18", "any", "+0 10.0.0.1 10 1180 f1\n+0 10.0.0.2 50 5900 f1\n+0 10.0.0.3 1 118 f1\n"
			    "+0 10.0.0.4 5 7590 f1\n" },
};

START_TEST(preprocesses)
{
	char conf[256];

	snprintf(conf, sizeof(conf), "plugins: print\naggregate: src_host, flows\n"
		 "print_preprocess: %s\nsql_preprocess_type: %s\n",
		 preprocessed[_i].value, preprocessed[_i].type);
	start(conf);
	FEED(NOW, 0, { .src = "10.0.0.1", .dst = "8.8.8.8", .packets = 10, .octets = 1000 },
	     { .src = "10.0.0.2", .dst = "8.8.8.8", .packets = 50, .octets = 5000 },
	     { .src = "10.0.0.3", .dst = "8.8.8.8", .packets = 1, .octets = 100 },
	     { .src = "10.0.0.4", .dst = "8.8.8.8", .packets = 5, .octets = 7500 });
	stop();		/* and nothing is unexplained */
	rows_are(0, preprocessed[_i].rows);
	ck_assert_uint_eq(stat_of("plugin_octets_written{plugin=\"default_print\"}"),
			  13600 + stat_of("plugin_octets_raised{plugin=\"default_print\"}") -
			  stat_of("plugin_octets_lowered{plugin=\"default_print\"}") -
			  stat_of("plugin_octets_unfit{plugin=\"default_print\"}"));
	let_go();
}
END_TEST

/* A list that cannot be read ends the start: without its checks the bill is another one. */
START_TEST(preprocess_is_read)
{
	static const char *const bad[] = { "", "minp", "minp=", "minp=0", "minp=-1", "minp=1x",
		"fss=100", "recover=1", "minp=1,,minb=2", "minp=1 minb=2", "adjb=0",
		"minp=18446744073709551616", "adjb=99999999999", "qnum=x" };
	struct preprocess p;
	const char *expected;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!preprocess_parse(&p, bad[i], &expected), "\"%s\"", bad[i]);
	ck_assert(preprocess_parse(&p, " qnum=1 , minp=2,adjb=-3,", &expected));
	ck_assert_uint_eq(p.rows, 1);
	ck_assert_uint_eq(p.least[PREPROCESS_PACKETS], 2);
	ck_assert_int_eq(p.a_packet, -3);
}
END_TEST

/* Sums over 64 bits stay at their top, and the books still balance. */
START_TEST(overflow_is_accounted)
{
	start("plugins: print\naggregate: src_host\nnfacctd_renormalize: "
	      "true\nnfacctd_ext_sampling_rate: 4294967295\n");
	for (int i = 0; i < 3; i++)
		FEED(NOW, 0,
			{ .src = "10.1.1.1",
				.dst = "10.2.2.2",
				.packets = 1,
				.octets = UINT32_MAX });
	stop();
	rows_are(0, "+0 10.1.1.1 12884901885 18446744073709551615\n");
	ck_assert_uint_ne(stat_of("plugin_octets_saturated{plugin=\"default_print\"}"), 0);
	let_go();
}
END_TEST

/* Bytes that are no export: counted by cause, and the books balance. */
START_TEST(rubbish_is_counted)
{
	struct said said;
	uint8_t buf[2048];
	const struct v5 flows[] = { { ONE }, { ONE }, { ONE } };
	size_t n = v5_write(buf, NOW, 5000000, 0, flows, 3);

	said_start(&said);
	start("plugins: print\naggregate: src_host\n");
	for (size_t cut = 0; cut <= n; cut++) {
		struct datagram d = datagram(buf, cut, NOW);

		engine_feed(engine, &d);
	}
	stop();
	rows_are(0, "+0 10.1.1.1 30 3000\n");
	ck_assert_uint_eq(stat_of("datagrams_received"), n + 1);
	ck_assert_uint_eq(stat_of("datagrams_accepted"), 1);
	/* At most one complaint a minute of one exporter. */
	ck_assert_uint_eq(said.lines, 1);
	let_go();
	said_end(&said);
}
END_TEST

/* ---- addresses of both families ---- */

/* v9: template `id` of these two elements and octets, and one record with 1 packet. */
static void feed_ends(const struct addr *exporter, uint16_t id, const uint16_t (*f)[2],
		      const char *src, const char *dst, uint32_t octets)
{
	const char *const text[] = { src, dst };
	uint8_t buf[256], *p = buf;

	put(&p, 9, 2), put(&p, 2, 2), put(&p, 5000000, 4), put(&p, NOW, 4), put(&p, 0, 8);
	put(&p, 0, 2), put(&p, 24, 2), put(&p, id, 2), put(&p, 4, 2);
	for (size_t i = 0; i < 2; i++)
		put(&p, f[i][0], 2), put(&p, f[i][1], 2);
	put(&p, 1, 2), put(&p, 4, 2), put(&p, 2, 2), put(&p, 4, 2);
	put(&p, id, 2), put(&p, 4u + f[0][1] + f[1][1] + 8, 2);
	for (size_t i = 0; i < 2; i++) {
		struct addr a;

		ck_assert(addr_parse(&a, text[i]));
		memcpy(p, a.b + 16 - f[i][1], f[i][1]);
		p += f[i][1];
	}
	put(&p, octets, 4), put(&p, 1, 4);
	engine_feed(engine, &(struct datagram){ { buf, (size_t)(p - buf) },
		{ *exporter, 2055, false }, UINT64_C(1000000) * NOW });
}

/* By what the plugin beside it needs: keys that the decoder writes, keys from records. */
static const char *const ways[] = { "aggregate[b]: proto\n",
	"aggregate[b]: proto\naggregate_filter[b]: udp\n" };

/* The same address is the same row, in however many octets it came and whatever stands beside it. */
START_TEST(an_address_has_one_row)
{
	static const uint16_t four[][2] = { { 8, 4 }, { 12, 4 } },
		sixteen[][2] = { { 27, 16 }, { 28, 16 } }, mixed[][2] = { { 8, 4 }, { 28, 16 } }, none[][2] = { { 27, 16 }, { 210, 4 } },
		four_none[][2] = { { 8, 4 }, { 210, 4 } };
	const struct addr v4 = addr_make4(0xc0000201);
	struct addr v6;
	char conf[400];

	ck_assert(addr_parse(&v6, "2001:db8::ff"));
	snprintf(conf, sizeof(conf), "plugins: print[a], print[b]\n"
		 "aggregate[a]: peer_src_ip, src_host, dst_host, in_iface\n%s" HISTORY, ways[_i]);
	start(conf);
	for (int again = 0; again < 3; again++) {
		feed_ends(&v4, 256, four, "10.0.0.1", "10.0.0.2", 1);
		feed_ends(&v4, 257, sixteen, "::ffff:10.0.0.1", "::ffff:10.0.0.2", 10);
		feed_ends(&v4, 258, mixed, "10.0.0.1", "::ffff:10.0.0.2", 100);
		feed_ends(&v4, 258, mixed, "10.0.0.1", "2001:db8::2", 1000);
		feed_ends(&v4, 257, sixteen, "2001:db8::1", "::ffff:10.0.0.2", 1000);
		feed_ends(&v4, 257, sixteen, "::10.0.0.1", "::", 1000);
		feed_ends(&v4, 259, none, "::ffff:10.0.0.1", "1.2.3.4", 1);
		feed_ends(&v4, 260, four_none, "10.0.0.1", "1.2.3.4", 10);
		feed_ends(&v6, 256, four, "10.0.0.1", "10.0.0.2", 1);
		feed_ends(&v6, 257, sixteen, "::ffff:10.0.0.1", "::ffff:10.0.0.2", 10);
	}
	stop();
	rows_are(0, "+0 192.0.2.1 0 10.0.0.1 10.0.0.2 9 333\n"
		    "+0 192.0.2.1 0 10.0.0.1 2001:db8::2 3 3000\n"
		    "+0 192.0.2.1 0 2001:db8::1 10.0.0.2 3 3000\n"
		    "+0 192.0.2.1 0 ::10.0.0.1 :: 3 3000\n"
		    "+0 192.0.2.1 0 10.0.0.1 0.0.0.0 6 33\n"
		    "+0 2001:db8::ff 0 10.0.0.1 10.0.0.2 6 33\n");
	ck_assert_uint_eq(stat_of("records_direct") > 0, _i == 0);
	let_go();
}
END_TEST

static void feed_hosts(unsigned from, unsigned n, int first_s)
{
	for (unsigned i = from; i < from + n; i++) {
		char src[16];

		snprintf(src, sizeof(src), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		FEED(NOW, 0,
			{ .src = src,
				.dst = "10.9.9.9",
				.packets = 1,
				.octets = 100,
				.first_s = first_s });
	}
}

/* Short of memory: purge before the time, lose nothing. */
START_TEST(purges_early_when_memory_runs_out)
{
	start("plugins: print\naggregate: src_host\nnfacctd_memory_budget: 4194304\n" HISTORY);
	feed_hosts(0, 200000, 0);
	stop();
	ck_assert_uint_gt(probes[0].purges, 1);
	ck_assert_uint_eq(probes[0].octets, 200000 * 100);
	ck_assert_uint_eq(stat_of("plugin_entries_shed{plugin=\"default_print\"}"), 0);
	let_go();
}
END_TEST

/* While a purge waits no table is taken; what they shed meanwhile is told all the same. */
START_TEST(what_is_shed_in_an_outage_is_told)
{
	static const char line[] = "E plugin default_print: memory budget is spent";
	struct said said;
	char total[64];

	said_start(&said);
	refuse_writes = 1000000;
	start("plugins: print\naggregate: src_host\nnfacctd_memory_budget: 4194304\n"
	      "print_history: 10m\nprint_refresh_time: 60\n");
	refuse_writes = 0;
	FEED(NOW, 0, { ONE });
	FEED(NOW + 60, 0, { ONE });
	flush_watch(&engine->plugin[0].flush);
	ck_assert(!strstr(said.text.s, line));
	feed_hosts(60, 200000, 0);
	ck_assert(!strstr(said.text.s, line));
	flush_watch(&engine->plugin[0].flush);
	flush_watch(&engine->plugin[0].flush);
	snprintf(total, sizeof(total), ": %llu records with new keys, %llu octets, shed so far",
		(unsigned long long)stat_of("plugin_entries_shed{plugin=\"default_print\"}"),
		(unsigned long long)stat_of("plugin_entries_shed{plugin=\"default_print\"}") * 100);
	ck_assert_msg(strstr(said.text.s, total) != NULL, "%s", said.text.s);
	ck_assert_ptr_null(strstr(strstr(said.text.s, line) + 1, line));
	engine_stop(engine);
	let_go();
	said_end(&said);
}
END_TEST

/* Bins to come cannot be purged away: beyond the budget new keys are shed, by number, and known
 * ones go on. */
START_TEST(a_stranger_cannot_fill_the_memory)
{
	struct said said;
	uint64_t shed;

	said_start(&said);
	start("plugins: print\naggregate: src_host\nnfacctd_memory_budget: 4194304\n" HISTORY);
	feed_hosts(0, 200000, 7200);
	ck_assert_uint_le(stat_of("memory_used_bytes"), 3 * 4194304);
	FEED(NOW, 0, { ONE });
	stop();
	shed = stat_of("plugin_octets_shed{plugin=\"default_print\"}");
	ck_assert_uint_gt(shed, 0);
	ck_assert_uint_eq(probes[0].octets + shed, 200000 * 100 + 1000);
	ck_assert(strstr(said.text.s, "E plugin default_print: memory budget is spent") != NULL);
	let_go();
	said_end(&said);
}
END_TEST

/* nfacctd_disable_checks: false tells what the sequence numbers say. */
START_TEST(gaps_are_told_when_asked)
{
	struct said said;
	uint8_t buf[512];
	const struct v5 r = { ONE };

	said_start(&said);
	start("plugins: print\nnfacctd_disable_checks: false\n");
	for (uint32_t i = 0; i < 3; i++) {
		struct datagram d = datagram(buf, v5_write(buf, NOW, 5000000, 0, &r, 1), NOW);
		uint8_t *sequence = buf + 16;

		put(&sequence, i < 2 ? 100 + i : 112, 4);
		engine_feed(engine, &d);
	}
	stop();
	ck_assert_str_eq(said.text.s,
		"W exporter 192.0.2.1 domain 263: netflow5: 10 records missing in 1 gaps\n");
	ck_assert_uint_eq(stat_of("sequence_lost"), 10);
	let_go();
	said_end(&said);
}
END_TEST

/* ---- largest remainder
 * --------------------------------------------------------------------------------- */

START_TEST(shares_conserve)
{
	static const struct {
		uint64_t total, weight[4], share[4];
	} rows[] = {
		{ 1000, { 200, 400 }, { 333, 667 } },
		{ 10, { 200, 400 }, { 3, 7 } },
		{ 1, { 1, 1, 1, 1 }, { 1, 0, 0, 0 } },
		{ 3, { 1, 1, 1, 1 }, { 1, 1, 1, 0 } },
		{ 0, { 5, 5 }, { 0, 0 } },
		{ UINT64_MAX, { 1, 1, 0, 2 },
			{ UINT64_C(0x4000000000000000), UINT64_C(0x4000000000000000), 0,
				UINT64_C(0x7fffffffffffffff) } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t share[4], all = 0, sum = 0;

		for (size_t k = 0; k < 4; k++)
			all += rows[i].weight[k];
		share_out(rows[i].total, rows[i].weight, all, share, 4);
		for (size_t k = 0; k < 4; k++)
			sum += share[k];
		ck_assert_uint_eq(sum, rows[i].total);
		ck_assert_mem_eq(share, rows[i].share, sizeof(share));
	}
}
END_TEST

/* ---- live: threads, a socket, and everybody asking at once
 * ------------------------------------------------- */

/* ---- data before its template [9] -------------------------------------------------------------
 */

static void feed_hex(int64_t when, const char *hex)
{
	uint8_t buf[256];
	struct datagram d;
	size_t n = 0;
	unsigned v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
		buf[n++] = (uint8_t)v;
		hex++;
	}
	d = datagram(buf, n, when);
	engine_feed(engine, &d);
}

/* IPFIX of domain 7, exported at NOW. */
#define IPFIX_HEADER(length) "000a " length " 664455d2 00000000 00000007 "
#define DATA_256 IPFIX_HEADER("0020") "0100 0010 c0000201 000003e8 0000000a"
#define TEMPLATE_256 IPFIX_HEADER("0024") "0002 0014 0100 0003 0008 0004 0001 0004 0002 0004"

static const struct {
	const char *conf;
	int after;	/* seconds between data and its template */
	const char *rows;
	unsigned held, lost;
} waits[] = {
	{ "", 1, "+0 192.0.2.1 10 1000\n", 0, 1 },
	{ "nfacctd_holdback: 60\n", 1, "+0 192.0.2.1 20 2000\n", 1, 0 },
	{ "nfacctd_holdback: 60\n", 61, "+0 192.0.2.1 10 1000\n", 1, 1 },
};

START_TEST(holds_back)
{
	char conf[512];

	snprintf(conf, sizeof(conf),
		"plugins: print\naggregate: src_host\nprint_refresh_time: 600\n"
		"print_history: 10m\nprint_history_roundoff: mh\n%s",
		waits[_i].conf);
	start(conf);
	feed_hex(NOW, DATA_256);
	ck_assert_uint_eq(stat_of("held_waiting"), waits[_i].held);
	feed_hex(NOW + waits[_i].after, TEMPLATE_256);
	feed_hex(NOW + waits[_i].after, DATA_256);
	stop();
	rows_are(0, waits[_i].rows);
	ck_assert_uint_eq(stat_of("held_sets"), waits[_i].held);
	ck_assert_uint_eq(stat_of("damaged{cause=\"no_template\"}"), waits[_i].lost);
	if (waits[_i].lost)
		ck_assert_uint_eq(stat_of("no_template_octets{exporter=\"192.0.2.1\",protocol="
					  "\"ipfix\",domain=\"7\","
					  "template=\"256\"}"),
			16);
	let_go();
}
END_TEST

/* Nobody tells the template: it is lost when we stop, and says so. */
START_TEST(gives_up_at_the_end)
{
	start("plugins: print\naggregate: src_host\nnfacctd_holdback: 60\n");
	feed_hex(NOW, DATA_256);
	stop();
	ck_assert_uint_eq(stat_of("held_lost"), 1);
	ck_assert_uint_eq(stat_of("held_waiting"), 0);
	ck_assert_uint_eq(stat_of("damaged{cause=\"no_template\"}"), 1);
	let_go();
}
END_TEST

/* Data of many templates that nobody tells are one line of the log. */
START_TEST(gives_up_with_one_line)
{
	char hex[256];
	struct said said;

	start("plugins: print\naggregate: src_host\nnfacctd_holdback: 1\n");
	said_start(&said);
	for (int id = 256; id < 306; id++) {
		snprintf(hex, sizeof(hex), IPFIX_HEADER("0020") "%04x 0010 c0000201 000003e8 0000000a",
			 id);
		feed_hex(NOW + id - 256, hex);
	}
	ck_assert_uint_eq(stat_of("held_lost"), 48);
	ck_assert_ptr_nonnull(strstr(said.text.s, "template 256 has not come within 1 s"));
	ck_assert_uint_eq(said.lines, 1);
	said_end(&said);
	stop();
	let_go();
}
END_TEST

/* [3]: IE 85 and 86 count as they are, and that is said, once. */
START_TEST(totals_are_told)
{
	struct said said;

	start("plugins: print\naggregate: src_host\nprint_refresh_time: 600\n"
	      "print_history: 10m\nprint_history_roundoff: mh\n");
	said_start(&said);
	feed_hex(NOW, IPFIX_HEADER("0024") "0002 0014 0100 0003 0008 0004 0055 0004 0056 0004");
	feed_hex(NOW, DATA_256);
	feed_hex(NOW + 5, DATA_256);
	ck_assert_ptr_nonnull(strstr(said.text.s, "exporter 192.0.2.1 domain 7: sends total counters"));
	ck_assert_uint_eq(said.lines, 1);
	said_end(&said);
	stop();
	rows_are(0, "+0 192.0.2.1 20 2000\n");
	let_go();
}
END_TEST

/*
 * Two samplers whose denominators share a place of a table of 16 or 64, 3 and 67, record by
 * record in turns: 67 records of 1 packet by 10/3 are 223 1/3, 67 by 200/67 are 200.
 */
#define RATIO(template, selector, size, population) \
	IPFIX_HEADER("0036") "0003 0016 " template " 0003 0001 012e 0004 0135 0004 0136 0004 " \
	template " 0010 " selector size population
START_TEST(fractions_of_two_samplers_are_kept)
{
	start("plugins: print\naggregate: src_host\nprint_refresh_time: 600\n"
	      "print_history: 10m\nprint_history_roundoff: mh\nnfacctd_renormalize: true\n");
	feed_hex(NOW, RATIO("012c", "00000003", "00000003", "0000000a"));
	feed_hex(NOW, RATIO("012c", "00000043", "00000043", "000000c8"));
	feed_hex(NOW, IPFIX_HEADER("0028") "0002 0018 0100 0004 0008 0004 012e 0004 0001 0004 0002 0004");
	for (int i = 0; i < 67; i++)
		feed_hex(NOW, IPFIX_HEADER("0034") "0100 0024 c0000201 00000003 00000003 00000001"
			 "c0000202 00000043 00000043 00000001");
	stop();
	rows_are(0, "+0 192.0.2.1 223 670\n+0 192.0.2.2 200 13400\n");
	let_go();
}
END_TEST

/* v8, method 9, exported at NOW: AS 65000 to 65001; octets 24 to 31 are 0001 0002 0300 0000. */
START_TEST(v8_in_two_dialects)
{
	static const char *const rows[] = { "+0 1 2 3 10 1000\n", "+0 768 0 0 10 1000\n" };
	char conf[256];

	snprintf(conf, sizeof(conf),
		"plugins: print\naggregate: in_iface, out_iface, tos\nprint_refresh_time: 600\n"
		"print_history: 10m\nprint_history_roundoff: mh\nnfacctd_v8_dialect: %s\n",
		_i ? "tshark" : "flow-tools");
	start(conf);
	feed_hex(NOW, "0008 0001 000f4240 664455d2 00000000 00000009 0102 09 02 00000000"
		 "00000001 0000000a 000003e8 000f3e58 000f4240 fde8 fde9 0001 0002 0300 0000");
	stop();
	rows_are(0, rows[_i]);
	let_go();
}
END_TEST

/* ---- templates over a restart [41] ------------------------------------------------------------
 */

/* Options of sampler 3, one in 100: IE 302, 305 and 306. */
#define SAMPLER_3 IPFIX_HEADER("0036") "0003 0016 012c 0003 0001 012e 0004 0131 0004 0132 0004" \
	"012c 0010 00000003 00000001 00000063"

/* By the clock of what is fed, as for a capture: else it would be told two years ago. */
static void start_kept(const char *path)
{
	char conf[512];

	snprintf(conf, sizeof(conf),
		"plugins: print\naggregate: src_host\nprint_refresh_time: 600\n"
		"print_history: 10m\nprint_history_roundoff: mh\nnfacctd_renormalize: true\n"
		"pcap_savefile: fed.pcap\nnfacctd_templates_file: %s\n",
		path);
	start(conf);
}

START_TEST(templates_survive)
{
	write_networks("");	/* a file that is there and empty is none yet */
	start_kept(networks_path);
	feed_hex(NOW, TEMPLATE_256);
	feed_hex(NOW, SAMPLER_3);
	feed_hex(NOW, DATA_256);
	stop();
	rows_are(0, "+0 192.0.2.1 1000 100000\n");
	let_go();
	start_kept(networks_path);
	feed_hex(NOW + 60, DATA_256);
	stop();
	rows_are(0, "+0 192.0.2.1 1000 100000\n");
	ck_assert_uint_eq(stat_of("damaged{cause=\"no_template\"}"), 0);
	ck_assert_uint_eq(stat_of("templates"), 0);
	let_go();
}
END_TEST

static size_t size_of(const char *path)
{
	FILE *f = fopen(path, "rb");
	long n;

	ck_assert_ptr_nonnull(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	fclose(f);
	return (size_t)n;
}

START_TEST(a_damaged_file_is_told)
{
	struct said said;
	FILE *f;
	size_t n;

	write_networks("");
	start_kept(networks_path);
	feed_hex(NOW, TEMPLATE_256);
	stop();
	let_go();
	n = size_of(networks_path);
	ck_assert_uint_gt(n, 80);
	f = fopen(networks_path, "r+b");
	fseek(f, 40, SEEK_SET);
	fputc(99, f);
	fclose(f);
	said_start(&said);
	start_kept(networks_path);
	ck_assert_ptr_nonnull(strstr(said.text.s,
		"damaged, its checksum does not fit; what it held will be learnt anew"));
	ck_assert_uint_eq(said.lines, 1);
	said_end(&said);
	feed_hex(NOW, DATA_256);
	feed_hex(NOW, TEMPLATE_256);
	stop();
	let_go();
	ck_assert_uint_eq(size_of(networks_path), n);
	/* Somebody else's file is left alone. */
	write_networks("{ \"version\": 9 }\n");
	said_start(&said);
	start_kept(networks_path);
	ck_assert_ptr_nonnull(strstr(said.text.s, "no file of templates; it is left alone"));
	said_end(&said);
	feed_hex(NOW, TEMPLATE_256);
	stop();
	let_go();
	ck_assert_uint_eq(size_of(networks_path), strlen("{ \"version\": 9 }\n"));
}
END_TEST

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void send_flows(uint16_t port, unsigned datagrams)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t buf[2048];

	for (unsigned i = 0; i < datagrams; i++) {
		char src[16];
		struct v5 r[] = { { ONE },
			{ .src = src, .dst = "10.2.2.2", .packets = 1, .octets = 1 } };
		size_t n;

		snprintf(src, sizeof(src), "10.3.%u.%u", i / 200 % 200, i % 200);
		n = v5_write(buf, (uint32_t)time(NULL), 5000000, 0, r, 2);
		ck_assert_int_eq(
			sendto(fd, buf, n, 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)n);
		/* The socket buffer bounds what may be on its way. */
		while (i % 200 == 199 && stat_of("datagrams_received") + 100 < i)
			sched_yield();
	}
	close(fd);
}

static _Atomic bool asking;

static void *ask(void *arg)
{
	(void)arg;
	while (atomic_load(&asking)) {
		stat_of("datagrams_received");
		engine_reload(engine);
	}
	return NULL;
}

static const unsigned worker_counts[] = { 1, 2 };

START_TEST(live_loses_nothing)
{
	char conf[512];
	uint16_t port = free_port();
	pthread_t asker;
	struct said said;
	uint64_t drops;

	said_start(&said);
	snprintf(conf, sizeof(conf),
		"plugins: print[a],print[b]\naggregate[a]: src_host\naggregate[b]: sum_host\n"
		"print_refresh_time: 1\nnfacctd_ip: 127.0.0.1\nnfacctd_port: %u\nnfacctd_workers: "
		"%u\nnetworks_file[a]: %s\n"
		"networks_file_filter[a]: false\nprint_history: 10m\nprint_history_roundoff: mh\n",
		port, worker_counts[_i], networks_path);
	start(conf);
	ck_assert_msg(engine_listen(engine) == 0, "%s", said.text.s);
	ck_assert_int_eq(engine_start(engine, NULL, NULL), 0);
	atomic_store(&asking, true);
	pthread_create(&asker, NULL, ask, NULL);
	send_flows(port, 4000);
	atomic_store(&asking, false);
	pthread_join(asker, NULL);
	ck_assert_int_eq(engine_stop(engine), 0);
	nothing_unexplained();
	drops = stat_of("kernel_drops");
	ck_assert_uint_eq(stat_of("datagrams_received") + drops, 4000);
	ck_assert_uint_eq(probes[0].octets, (4000 - drops) * 1001);
	ck_assert_uint_eq(probes[1].octets, (4000 - drops) * 2002);
	let_go();
	said_end(&said);
}
END_TEST

START_TEST(a_port_in_use_is_told)
{
	char conf[128], want[128];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct said said;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	said_start(&said);
	snprintf(conf, sizeof(conf), "plugins: print\nnfacctd_ip: 127.0.0.1\nnfacctd_port: %u\n",
		ntohs(a.sin_port));
	start(conf);
	ck_assert_int_eq(engine_listen(engine), -1);
	snprintf(want, sizeof(want),
		"E cannot listen on 127.0.0.1:%u (nfacctd_ip, nfacctd_port): Address already in "
		"use",
		ntohs(a.sin_port));
	ck_assert_msg(strstr(said.text.s, want) != NULL, "%s", said.text.s);
	let_go();
	said_end(&said);
	close(fd);
}
END_TEST

/* ---- fixtures
 * --------------------------------------------------------------------------------------------------
 */

static void set_up(void)
{
	int fd;

	setenv("TZ", "UTC", 1);
	tzset();
	strcpy(networks_path, "/tmp/check-engine-XXXXXX");
	fd = mkstemp(networks_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	write_networks(our_networks);
	log_level(LOG_LEVEL_WARN);
}

static void tear_down(void)
{
	unlink(networks_path);
	log_level(LOG_LEVEL_INFO);
}

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_engine(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("engine");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	LOOP(t, section_13_config_1, tutorial_1);
	LOOP(t, section_13_config_2, header_rates);
	LOOP(t, gives_the_rows, cases);
	tcase_add_test(t, wrapped_uptime_is_the_right_bin);
	tcase_add_test(t, two_plugins_agree_on_sflow);
	tcase_add_test(t, a_thousand_hosts_with_seven_entries);
	LOOP(t, resolves_networks, resolved);
	LOOP(t, takes_next_hops, hops);
	tcase_add_test(t, seconds_make_one_row);
	tcase_add_test(t, missing_files_are_fatal);
	tcase_add_loop_test(t, maps_tag_and_scale, 0, sizeof(mapped) / sizeof(mapped[0]));
	tcase_add_test(t, reloads);
	tcase_add_test(t, only_allowed_senders);
	tcase_add_test(t, each_bin_once);
	tcase_add_test(t, open_bins_go_out_in_parts);
	tcase_add_test(t, future_bins_wait);
	tcase_add_test(t, long_silence);
	tcase_add_test(t, time_goes_back);
	tcase_add_test(t, waits_for_the_sink);
	tcase_add_test(t, saves_what_the_sink_never_takes);
	LOOP(t, preprocesses, preprocessed);
	tcase_add_test(t, preprocess_is_read);
	tcase_add_test(t, overflow_is_accounted);
	tcase_add_test(t, rubbish_is_counted);
	LOOP(t, an_address_has_one_row, ways);
	tcase_add_test(t, purges_early_when_memory_runs_out);
	tcase_add_test(t, what_is_shed_in_an_outage_is_told);
	tcase_add_test(t, a_stranger_cannot_fill_the_memory);
	tcase_add_loop_test(t, holds_back, 0, sizeof(waits) / sizeof(waits[0]));
	tcase_add_test(t, gives_up_at_the_end);
	tcase_add_test(t, gives_up_with_one_line);
	tcase_add_test(t, totals_are_told);
	tcase_add_test(t, fractions_of_two_samplers_are_kept);
	tcase_add_loop_test(t, v8_in_two_dialects, 0, 2);
	tcase_add_test(t, templates_survive);
	tcase_add_test(t, a_damaged_file_is_told);
	tcase_add_test(t, gaps_are_told_when_asked);
	tcase_add_test(t, shares_conserve);
	LOOP(t, live_loses_nothing, worker_counts);
	tcase_add_test(t, a_port_in_use_is_told);
	suite_add_tcase(s, t);
	return s;
}
