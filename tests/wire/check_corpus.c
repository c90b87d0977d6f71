/*
 * check_corpus.c - every capture of the corpus, record by record against the
 * truth that other people's decoders (tshark in most cases) gave for it.
 *
 * The corpus is not part of the project: FLOWLEDGER_CORPUS names it, else
 * ../shared/corpus is tried, else the suite says that it was skipped.
 * Differences that are right are in exceptions[], with the reason.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/capture.h"
#include "wire/decoder.h"
#include "wire/sflow.h"

Suite *suite_corpus(void);

enum { CAPTURES_MAX = 512, COLUMNS_MAX = 64, LINE = 8192 };

/* Where we and the truth differ, and why the truth is not followed. */
static const struct {
	const char *file;
	const char *column;
	unsigned cells;		/* that differ, and no more */
	const char *why;
} exceptions[] = {
	{ "IPFIX-akvorado-physif.tsv", "in_if", 8,
		"IE 252 stands in for 10, as in pmacct; the truth has 10 only" },
	{ "IPFIX-akvorado-physif.tsv", "out_if", 8,
		"IE 253 stands in for 14, as in pmacct; the truth has 14 only" },
	{ "IPFIX-ipfixcol-04-odid256-512.tsv", "first", 22,
		"IE 152 counts where 22 stands beside it and nothing tells the boot (IE 160)" },
	{ "IPFIX-ipfixcol-04-odid256-512.tsv", "last", 22,
		"IE 153 counts where 21 stands beside it and nothing tells the boot (IE 160)" },
	{ "IPFIX-scapy.tsv", "first", 1,
		"IE 152 counts where 22 stands beside it and nothing tells the boot (IE 160)" },
	{ "IPFIX-scapy.tsv", "last", 1,
		"IE 153 counts where 21 stands beside it and nothing tells the boot (IE 160)" },
	{ "IPFIX-netflowparser-b.tsv", "sampling", 1,
		"tshark reads a v9 options template in Set 1, an ID that IPFIX does not have" },
	/* Some templates have an inner and an outer header in Elements of the same number. */
	{ "IPFIX-swisscom-scenario5.tsv", "src", 56,
		"the last of equal Elements counts, as in pmacct" },
	{ "IPFIX-swisscom-scenario5.tsv", "dst", 56,
		"the last of equal Elements counts, as in pmacct" },
	{ "IPFIX-swisscom-scenario5.tsv", "sport", 49,
		"the last of equal Elements counts, as in pmacct" },
	{ "IPFIX-swisscom-scenario5.tsv", "dport", 49,
		"the last of equal Elements counts, as in pmacct" },
	{ "IPFIX-swisscom-scenario5.tsv", "proto", 49,
		"the last of equal Elements counts, as in pmacct" },
	{ "NFv8-gen-flowtools-agg09.tsv", "in_if", 100,
		"flow-tools wrote it: in, out, tos; tshark reads tos, in, out" },
	{ "NFv8-gen-flowtools-agg09.tsv", "out_if", 100,
		"flow-tools wrote it: in, out, tos; tshark reads tos, in, out" },
	{ "NFv8-gen-flowtools-agg09.tsv", "tos", 100,
		"flow-tools wrote it: in, out, tos; tshark reads tos, in, out" },
	{ "sFlowv5-akvorado-1140.tsv", "nexthop", 1,
		"the truth has the gateway record's, 0.0.0.0; the router record says which" },
	{ "sFlowv5-akvorado-ipv4-data.tsv", "tcpflags", 1,
		"a sampled-IPv4 record has the word; the truth skips it for UDP" },
	{ "sFlowv5-nxthdr.tsv", "proto", 1,
		"the truth does not have this word of sampled-IPv4 records" },
	{ "sFlowv5-nxthdr.tsv", "tos", 1,
		"the truth does not have this word of sampled-IPv4 records" },
	{ "sFlowv5-nxthdr.tsv", "tcpflags", 1,
		"the truth does not have this word of sampled-IPv4 records" },
	{ "sFlowv5-pktvisor-keyed.tsv", "proto", 2,
		"the truth does not have this word of sampled-IPv4/6 records" },
	{ "sFlowv5-pktvisor-keyed.tsv", "tos", 2,
		"the truth does not have this word of sampled-IPv4/6 records" },
	{ "sFlowv5-pktvisor-keyed.tsv", "tcpflags", 2,
		"the truth does not have this word of sampled-IPv4/6 records" },
};

/*
 * In IPFIX an uptime counts from systemInitTimeMilliseconds (IE 160), which is no column of the
 * truth: what tshark reads in which frame, good from there on.
 */
static const struct {
	const char *file;
	unsigned dg;
	uint64_t ms;
} boots[] = {
	{ "IPFIX-bitkeks-a.tsv", 1, 1585735165729 }, { "IPFIX-bitkeks-a.tsv", 3, 759538800000 },
	{ "IPFIX-gen-softflowd.tsv", 1, 1795418425316 },
	{ "IPFIX-swisscom-bgp.tsv", 9, 1683625268233 },
	{ "IPFIX-swisscom-bgp.tsv", 28, 1683625268232 },
	{ "IPFIX-swisscom-bmp.tsv", 11, 1683625268233 },
	{ "IPFIX-swisscom-bmp.tsv", 29, 1683625268232 },
	{ "IPFIX-swisscom-scenario5.tsv", 2, 1721268901733 },
	{ "IPFIX-swisscom-scenario5.tsv", 20, 1721268901734 },
	{ "IPFIX-swisscom-scenario5.tsv", 41, 1721268901733 },
	{ "IPFIX-swisscom-scenario5.tsv", 179, 1721268901734 },
	{ "IPFIX-swisscom-scenario5.tsv", 220, 1721268901733 },
	{ "IPFIX-swisscom-scenario5.tsv", 244, 1721268901734 },
	{ "IPFIX-swisscom-scenario5.tsv", 261, 1721268901733 },
	{ "IPFIX-swisscom-scenario5.tsv", 282, 1721268901734 },
};

static char corpus[1024];
static char *captures[CAPTURES_MAX];
static int ncaptures;

/* ---- TSV ------------------------------------------------------------------------ */

struct table {
	FILE *f;
	char head[LINE], line[LINE];
	char *names[COLUMNS_MAX], *cells[COLUMNS_MAX];
	int columns;
};

static int split(char *line, char **cells)
{
	int n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *s = line; s && n < COLUMNS_MAX; )
		cells[n++] = strsep(&s, "\t");
	return n;
}

static bool table_open(struct table *t, const char *path)
{
	char command[2200];

	snprintf(command, sizeof(command), "gzip -dcf '%s' 2>/dev/null", path);
	t->f = popen(command, "r");
	if (!t->f || !fgets(t->head, sizeof(t->head), t->f))
		return false;
	t->columns = split(t->head, t->names);
	return true;
}

static bool table_next(struct table *t)
{
	if (!fgets(t->line, sizeof(t->line), t->f))
		return false;
	for (int n = split(t->line, t->cells); n < t->columns; n++)
		t->cells[n] = (char *)(uintptr_t)"";
	return true;
}

/* "" where the cell is empty or there is no such column. */
static const char *cell(const struct table *t, const char *name)
{
	for (int i = 0; i < t->columns; i++)
		if (strcmp(t->names[i], name) == 0)
			return t->cells[i];
	return "";
}

/* ---- decoding a capture ----------------------------------------------------------- */

struct got {
	unsigned dg;
	struct flow_origin origin;
	uint32_t uptime;	/* of a NetFlow header */
	struct flow_record rec;
	struct sflow_sample sample;	/* sFlow: what of its sample is no member of a record */
};

struct run {
	struct got *got;
	size_t n, cap;
	unsigned dg;
	uint32_t uptime;
	struct sflow_iter samples;	/* of this datagram, those behind the records so far */
};

static void keep_sample(struct run *r, struct got *g)
{
	struct flow_record again;

	do
		ck_assert(sflow_next(&r->samples, &g->sample, &again));
	while (g->sample.counters);
}

static void keep(void *ctx, const struct flow_origin *origin, struct flow_record *rec, size_t n)
{
	struct run *r = ctx;

	ck_assert_uint_le(n, DECODER_CHUNK);
	for (size_t i = 0; i < n; i++) {
		if (r->n == r->cap) {
			r->cap = r->cap ? 2 * r->cap : 1024;
			r->got = realloc(r->got, r->cap * sizeof(*r->got));
			ck_assert_ptr_nonnull(r->got);
		}
		r->got[r->n] = (struct got){ r->dg, *origin, r->uptime, rec[i], { 0 } };
		if (origin->protocol == PROTO_SFLOW)
			keep_sample(r, &r->got[r->n]);
		r->n++;
	}
}

static void decode_capture(struct run *r, const char *name)
{
	char path[2048], why[256] = "";
	struct decoder_limits limits = decoder_limits_default;
	struct capture *c;
	struct decoder *d;
	struct datagram dgram;
	struct sflow_msg m;
	struct endpoint to;
	int more;

	limits.templates = 1024;
	limits.streams = 256;
	limits.samplers = 256;
	snprintf(path, sizeof(path), "%s/%s", corpus, name);
	c = capture_open(path, why);
	ck_assert_msg(c != NULL, "%s: %s", name, why);
	d = decoder_init(aligned_alloc(64, (decoder_size(&limits) + 63) & ~(size_t)63), &limits, 1);
	while ((more = capture_next(c, &dgram, &to, why)) == 1) {
		struct decoder_input in = { dgram.data, dgram.from.addr, dgram.from.port,
			dgram.recv_us };

		r->dg++;
		r->uptime = dgram.data.n >= 8 ? be32(dgram.data.p + 4) : 0;
		if (sflow_parse(&m, dgram.data) == WIRE_OK)
			sflow_first(&r->samples, &m);
		decode(d, &in, keep, r);
	}
	ck_assert_msg(more == 0, "%s: %s", name, why);
	capture_close(c);
	free(d);
}

/* ---- comparing ---------------------------------------------------------------------- */

static bool excepted(const char *file, const char *column)
{
	static unsigned used[sizeof(exceptions) / sizeof(exceptions[0])];

	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (strcmp(file, exceptions[i].file) == 0 &&
			strcmp(exceptions[i].column, column) == 0)
			return ++used[i] <= exceptions[i].cells;
	return false;
}

static int shown;

static unsigned differ(
	const char *file, int line, const char *column, const char *want, const char *have)
{
	if (excepted(file, column))
		return 0;
	if (shown++ < 12) {
		printf("%s:%d: %s is \"%s\", truth \"%s\"\n", file, line, column, have, want);
		fflush(stdout);	/* the test runs in a child that ends without */
	}
	return 1;
}

static const struct {
	const char *column;
	enum flow_field field;
} numbers[] = {
	{ "sport", FLOW_src_port }, { "dport", FLOW_dst_port }, { "proto", FLOW_proto },
	{ "tos", FLOW_tos }, { "tcpflags", FLOW_tcp_flags }, { "in_if", FLOW_in_if },
	{ "out_if", FLOW_out_if }, { "src_as", FLOW_src_as }, { "dst_as", FLOW_dst_as },
	{ "packets", FLOW_packets }, { "octets", FLOW_octets },
};

static unsigned check_address(const char *file, int line, const char *column, const char *want,
			      const struct flow_record *r, enum flow_field f)
{
	const struct addr *a = f == FLOW_src ? &r->src : &r->dst;
	char text[ADDR_TEXT] = "";

	if (flow_has(r, f))
		addr_print(a, text);
	return strcmp(text, want) == 0 ? 0 : differ(file, line, column, want, text);
}

static unsigned check_number(const char *file, int line, const char *column, const char *want,
			     const struct flow_record *r, enum flow_field f)
{
	char text[32] = "";

	if (flow_has(r, f))
		snprintf(text, sizeof(text), "%" PRIu64, flow_get(r, f));
	return strcmp(text, want) == 0 ? 0 : differ(file, line, column, want, text);
}

/* IPFIX: 32 bits of milliseconds since the boot, the wrap of them that is nearest to the export. */
static bool since_boot(const char *file, const struct got *g, uint32_t ms, uint64_t *us)
{
	const int64_t export_ms = (int64_t)(g->origin.export_us / 1000);
	int64_t t = -1;

	for (size_t i = 0; i < sizeof(boots) / sizeof(boots[0]); i++)
		if (strcmp(boots[i].file, file) == 0 && boots[i].dg <= g->dg)
			t = (int64_t)boots[i].ms + ms;
	if (t < 0)
		return false;
	while (llabs(t - export_ms) > llabs(t + (INT64_C(1) << 32) - export_ms))
		t += INT64_C(1) << 32;
	while (llabs(t - export_ms) > llabs(t - (INT64_C(1) << 32) - export_ms))
		t -= INT64_C(1) << 32;
	*us = (uint64_t)t * 1000;
	return true;
}

/*
 * The truth's raw time in microseconds since 1970; false when there is none, or nobody has told
 * when the exporter was booted.
 */
static bool truth_time(const char *file, const struct got *g, const char *unit, const char *raw,
	uint64_t *us)
{
	uint64_t v = strtoull(raw, NULL, 10);

	if (!raw[0] || !unit[0])
		return false;
	if (strcmp(unit, "switched") == 0 && g->origin.protocol == PROTO_IPFIX)
		return since_boot(file, g, (uint32_t)v, us);
	if (strcmp(unit, "switched") == 0) {
		int64_t t = (int64_t)g->origin.export_us +
			(int64_t)(int32_t)((uint32_t)v - g->uptime) * 1000;

		/* flow-gen's patterns reach back before 1970. */
		*us = t < 0 ? 0 : (uint64_t)t;
	}
	else if (strcmp(unit, "milliseconds") == 0)
		*us = v * 1000;
	else if (strcmp(unit, "seconds") == 0)
		*us = v * 1000000;
	else if (strcmp(unit, "delta microseconds") == 0)
		*us = g->origin.export_us - v;
	else if (strcmp(unit, "microseconds") == 0 || strcmp(unit, "nanoseconds") == 0)
		*us = (uint64_t)(((unsigned __int128)v * 1000000 >> 32) -
			(unsigned __int128)2208988800u * 1000000);
	else
		ck_abort_msg("%s: a time in %s", file, unit);
	return true;
}

static unsigned check_time(const char *file, int line, const struct table *t, const char *column,
			   const struct got *g, enum flow_field f)
{
	char want[32] = "", have[32] = "";
	uint64_t us;

	if (truth_time(file, g, cell(t, "time_unit"), cell(t, column), &us))
		snprintf(want, sizeof(want), "%" PRIu64, us);
	if (flow_has(&g->rec, f))
		snprintf(have, sizeof(have), "%" PRIu64, flow_get(&g->rec, f));
	return strcmp(have, want) == 0 ? 0 : differ(file, line, column, want, have);
}

static unsigned check_sampling(
	const char *file, int line, const char *want, const struct flow_record *r)
{
	char text[32] = "";

	if (flow_has(r, FLOW_sampling_num) && r->sampling_den == 1)
		snprintf(text, sizeof(text), "%u", r->sampling_num);
	else if (flow_has(r, FLOW_sampling_num))
		snprintf(text, sizeof(text), "%u/%u", r->sampling_num, r->sampling_den);
	return strcmp(text, want) == 0 ? 0 : differ(file, line, "sampling", want, text);
}

/* The second half of a biflow: the ends traded, the counters of the rev_ columns. */
static unsigned check_reverse(
	const char *file, int line, const struct table *t, const struct flow_record *r)
{
	unsigned bad = 0;

	bad += check_address(file, line, "rev src", cell(t, "dst"), r, FLOW_src);
	bad += check_address(file, line, "rev dst", cell(t, "src"), r, FLOW_dst);
	bad += check_number(file, line, "rev sport", cell(t, "dport"), r, FLOW_src_port);
	bad += check_number(file, line, "rev dport", cell(t, "sport"), r, FLOW_dst_port);
	bad += check_number(file, line, "rev in_if", cell(t, "out_if"), r, FLOW_in_if);
	bad += check_number(file, line, "rev proto", cell(t, "proto"), r, FLOW_proto);
	bad += check_number(file, line, "rev_octets", cell(t, "rev_octets"), r, FLOW_octets);
	bad += check_number(file, line, "rev_packets", cell(t, "rev_packets"), r, FLOW_packets);
	return bad;
}

static unsigned check_text(const char *file, int line, const struct table *t, const char *column,
	const char *have)
{
	const char *want = cell(t, column);

	return strcmp(have, want) ? differ(file, line, column, want, have) : 0;
}

/* Who said it and in what, which the origin of a record tells. */
static unsigned check_origin(const char *file, int line, const struct table *t, const struct got *g)
{
	const bool engine = g->origin.version == 5 || g->origin.version == 8;
	char text[ADDR_TEXT];
	unsigned bad = 0;

	snprintf(text, sizeof(text), "%u", g->dg);
	bad += check_text(file, line, t, "dg", text);
	bad += check_text(file, line, t, "exporter", addr_print(&g->origin.sender, text));
	snprintf(text, sizeof(text), "%u", g->origin.version);
	bad += check_text(file, line, t, "ver", text);
	if (g->origin.protocol == PROTO_SFLOW)
		return bad;
	if (engine)
		snprintf(text, sizeof(text), "%u.%u", g->origin.domain >> 8, g->origin.domain & 255);
	else if (g->origin.version >= 9)
		snprintf(text, sizeof(text), "%u", g->origin.domain);
	else
		text[0] = '\0';
	return bad + check_text(file, line, t, "odid", text);
}

/*
 * All columns but: set, sampling_src, octets_field, packets_field, extra - which template and
 * which Elements said it, of which a record keeps no trace.
 */
static unsigned check_row(const char *file, int line, const struct table *t, const struct got *g)
{
	unsigned bad = check_origin(file, line, t, g);

	bad += check_address(file, line, "src", cell(t, "src"), &g->rec, FLOW_src);
	bad += check_address(file, line, "dst", cell(t, "dst"), &g->rec, FLOW_dst);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		bad += check_number(file, line, numbers[i].column, cell(t, numbers[i].column),
			&g->rec, numbers[i].field);
	bad += check_sampling(file, line, cell(t, "sampling"), &g->rec);
	bad += check_time(file, line, t, "first", g, FLOW_first_us);
	bad += check_time(file, line, t, "last", g, FLOW_last_us);
	return bad;
}

static unsigned compare_flows(const char *file, struct table *t, const struct run *r)
{
	unsigned bad = 0;
	size_t at = 0;
	int line = 1;

	while (table_next(t)) {
		bool reverse = strtoull(cell(t, "rev_octets"), NULL, 10) ||
			strtoull(cell(t, "rev_packets"), NULL, 10);

		line++;
		/* Events without an octet counter are not in the truth. */
		while (at < r->n &&
			(!flow_has(&r->got[at].rec, FLOW_octets) ||
				r->got[at].origin.protocol == PROTO_SFLOW))
			at++;
		if (at == r->n)
			return bad + differ(file, line, "records", "one more", "the end");
		bad += check_row(file, line, t, &r->got[at++]);
		if (reverse && at < r->n)
			bad += check_reverse(file, line, t, &r->got[at++].rec);
	}
	while (at < r->n &&
		(!flow_has(&r->got[at].rec, FLOW_octets) ||
			r->got[at].origin.protocol == PROTO_SFLOW))
		at++;
	return at == r->n ? bad : bad + differ(file, line, "records", "the end", "more");
}

/* ---- sFlow ----------------------------------------------------------------------------- */

/* Compact interface words have two format bits; only ifIndexes are kept. */
static unsigned check_if(const char *file, int line, const struct table *t, const char *column,
	const char *want, const struct flow_record *r, enum flow_field f)
{
	uint64_t v = strtoull(want, NULL, 10);

	if (v >= UINT64_C(0x3fffffff) && strcmp(cell(t, "kind"), "exp") != 0)
		return flow_has(r, f) ? differ(file, line, column, "", "present") : 0;
	return check_number(file, line, column, want, r, f);
}

static unsigned check_mac(const char *file, int line, const struct table *t, const char *column,
	const struct flow_record *r, enum flow_field f)
{
	const uint8_t *m = f == FLOW_src_mac ? r->src_mac : r->dst_mac;
	char text[32] = "";

	if (flow_has(r, f))
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			m[4], m[5]);
	return check_text(file, line, t, column, text);
}

/* The words before a sample's records. */
static unsigned check_head(const char *file, int line, const struct table *t, const struct got *g)
{
	const struct sflow_sample *s = &g->sample;
	const struct { const char *column; uint32_t value; } words[] = {
		{ "dg_seq", g->origin.sequence }, { "sample_seq", s->sequence },
		{ "sampling_rate", s->rate }, { "pool", s->pool }, { "drops", s->drops },
	};
	char text[ADDR_TEXT];
	unsigned bad = check_origin(file, line, t, g);

	addr_print(&g->origin.exporter, text);
	bad += check_text(file, line, t, "agent", text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(text, sizeof(text), "%u", words[i].value);
		bad += check_text(file, line, t, words[i].column, text);
	}
	if (g->origin.version == 5)
		snprintf(text, sizeof(text), "%u", g->origin.domain);
	else
		text[0] = '\0';
	bad += check_text(file, line, t, "sub_agent", text);
	snprintf(text, sizeof(text), "%u:%u", s->source_type, s->source_index);
	return bad + check_text(file, line, t, "source_id", text);
}

/* A switch that does not know says 4294967295.  Its VLAN where it knows one, else the outermost tag of the header. */
static unsigned check_vlan(const char *file, int line, const struct table *t, const struct got *g)
{
	const char *in = cell(t, "sw_in_vlan"), *out = cell(t, "sw_out_vlan"), *tag = cell(t, "vlan");
	char want[16];

	snprintf(want, sizeof(want), "%.*s", (int)strcspn(tag, ","), tag);
	if (in[0] && strtoul(in, NULL, 10) <= 4095 && (strcmp(in, "0") != 0 || !tag[0]))
		snprintf(want, sizeof(want), "%s", in);
	return check_number(file, line, "vlan", want, &g->rec, FLOW_vlan) +
		check_number(file, line, "sw_out_vlan", strtoul(out, NULL, 10) <= 4095 ? out : "",
			&g->rec, FLOW_out_vlan);
}

/*
 * All columns but: kind (the word formats of in_if, out_if), hdr_proto, stripped, hdr_len, ttl -
 * of which a record keeps no trace.
 */
static unsigned check_sample(const char *file, int line, const struct table *t, const struct got *g)
{
	const char *frame = cell(t, "frame_length"), *records = cell(t, "records"), *as;
	bool by_ip = !frame[0] || strstr(records, ",3") || strstr(records, ",4");
	char text[ADDR_TEXT] = "";
	unsigned bad = check_head(file, line, t, g);

	bad += check_address(file, line, "src", cell(t, "src"), &g->rec, FLOW_src);
	bad += check_address(file, line, "dst", cell(t, "dst"), &g->rec, FLOW_dst);
	for (size_t i = 0; i < 5; i++)
		bad += check_number(file, line, numbers[i].column, cell(t, numbers[i].column),
			&g->rec, numbers[i].field);
	bad += check_if(file, line, t, "in_if", cell(t, "in_if"), &g->rec, FLOW_in_if);
	bad += check_if(file, line, t, "out_if", cell(t, "out_if"), &g->rec, FLOW_out_if);
	bad += check_number(
		file, line, "octets", by_ip ? cell(t, "ip_len") : frame, &g->rec, FLOW_octets);
	bad += check_sampling(file, line, cell(t, "sampling_rate"), &g->rec);
	bad += check_mac(file, line, t, "eth_src", &g->rec, FLOW_src_mac);
	bad += check_mac(file, line, t, "eth_dst", &g->rec, FLOW_dst_mac);
	/* The truth has the outermost type, a record what the tags are before. */
	if (flow_has(&g->rec, FLOW_ethertype))
		snprintf(text, sizeof(text), "0x%04x", g->rec.ethertype);
	bad += cell(t, "vlan")[0] && g->rec.ethertype == (addr_is4(&g->rec.src) ? 0x0800 : 0x86dd)
		? 0 : check_text(file, line, t, "ethertype", text);
	bad += check_vlan(file, line, t, g);
	text[0] = '\0';
	if (flow_has(&g->rec, FLOW_next_hop))
		addr_print(&g->rec.next_hop, text);
	bad += check_text(file, line, t, "nexthop", text);
	/* The truth has the whole AS path; the destination is its end. */
	as = strrchr(cell(t, "dst_as"), ',');
	bad += check_number(
		file, line, "dst_as", as ? as + 1 : cell(t, "dst_as"), &g->rec, FLOW_dst_as);
	bad += check_number(file, line, "src_as", cell(t, "src_as"), &g->rec, FLOW_src_as);
	return bad;
}

static unsigned compare_samples(const char *file, struct table *t, const struct run *r)
{
	unsigned bad = 0;
	size_t at = 0;
	int line = 1;

	while (table_next(t)) {
		line++;
		while (at < r->n && r->got[at].origin.protocol != PROTO_SFLOW)
			at++;
		if (at == r->n)
			return bad + differ(file, line, "records", "one more", "the end");
		bad += check_sample(file, line, t, &r->got[at++]);
	}
	while (at < r->n && r->got[at].origin.protocol != PROTO_SFLOW)
		at++;
	return at == r->n ? bad : bad + differ(file, line, "records", "the end", "more");
}

/* ---- the suite --------------------------------------------------------------------------- */

static unsigned compare(const char *name, const char *suffix, const struct run *r)
{
	char path[2048], file[256];
	struct table t;
	unsigned bad;

	snprintf(file, sizeof(file), "%.*s%s", (int)strlen(name) - 5, name, suffix);
	snprintf(path, sizeof(path), "%s/truth/%s", corpus, file);
	if (access(path, R_OK) != 0)
		return 0;
	ck_assert_msg(table_open(&t, path), "%s", path);
	bad = t.names[2][0] == 'a' ? compare_samples(file, &t, r) : compare_flows(file, &t, r);
	pclose(t.f);
	return bad;
}

START_TEST(equals_truth)
{
	struct run r = { .n = 0 };
	unsigned bad = 0;

	decode_capture(&r, captures[_i]);
	bad += compare(captures[_i], ".tsv", &r);
	bad += compare(captures[_i], ".tsv.gz", &r);
	bad += compare(captures[_i], ".sflow.tsv", &r);
	free(r.got);
	ck_assert_msg(bad == 0, "%s: %u cells differ", captures[_i], bad);
}
END_TEST

START_TEST(skipped)
{
	printf("corpus: skipped, neither FLOWLEDGER_CORPUS nor ../shared/corpus is there\n");
}
END_TEST

static void find_corpus(void)
{
	const char *named = getenv("FLOWLEDGER_CORPUS");
	static struct table t;
	char path[2048];

	snprintf(corpus, sizeof(corpus), "%s", named ? named : "../shared/corpus");
	snprintf(path, sizeof(path), "%s/MANIFEST.tsv", corpus);
	if (access(path, R_OK) != 0 || !table_open(&t, path))
		return;
	while (table_next(&t) && ncaptures < CAPTURES_MAX)
		captures[ncaptures++] = strdup(cell(&t, "file"));
	pclose(t.f);
}

Suite *suite_corpus(void)
{
	Suite *s = suite_create("corpus");
	TCase *t = tcase_create("corpus");

	find_corpus();
	tcase_set_timeout(t, 300);
	if (ncaptures)
		tcase_add_loop_test(t, equals_truth, 0, ncaptures);
	else
		tcase_add_test(t, skipped);
	suite_add_tcase(s, t);
	return s;
}
