/*
 * check_witness.c - the second decoder against other people's: every capture of
 * the corpus record by record with its truth (tshark, nfdump), and literal
 * datagrams for what the corpus does not hold.
 *
 * The corpus is outside the project: FLOWLEDGER_CORPUS names its folder, else
 * ../shared/corpus is tried; without it these cases are skipped, saying so.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/strbuf.h"
#include "net/capture.h"
#include "wire/decoder.h"
#include "pcapgen/witness.h"

Suite *suite_witness(void);

/* ---- the corpus -------------------------------------------------------------- */

enum { FIELDS = 64, PATH = 1024 };

static char corpus[PATH];
static char (*captures)[2][256];	/* file, truth files */
static int ncaptures;

/*
 * Where the truth of the corpus is another opinion than ours: the columns that
 * are not compared, and why.
 */
static const struct {
	const char *file, *columns, *why;
} exceptions[] = {
	{ "NFv8-gen-flowtools-agg09.pcap", "in_if out_if tos",
		"method 9: tshark reads the type of service before the interfaces, flow-tools "
		"wrote it behind them" },
	{ "sFlowv5-akvorado-ipv4-data.pcap", "octets",
		"a raw header and an IPv4 record in one sample: the IP length counts (1344), the "
		"truth has the frame's" },
	{ "IPFIX-swisscom-scenario5.pcap", "src dst sport dport proto tos tcpflags",
		"elements twice in one template: the last counts, the truth has the first" },
};

static bool excepted(const char *file, const char *column)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
		const char *at = strcmp(exceptions[i].file, file)
			? NULL
			: strstr(exceptions[i].columns, column);

		if (at && (at[strlen(column)] == ' ' || !at[strlen(column)]))
			return true;
	}
	return false;
}

/* The fields of a line, cut at tabs. */
static size_t split(char *line, char **field)
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; at && n < FIELDS; n++) {
		field[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = '\0';
	}
	return n;
}

/* A TSV file with a header line, plain or gzipped. */
struct tsv {
	FILE *f;
	bool pipe;
	char *header, *line, *name[FIELDS], *value[FIELDS];
	size_t cap, header_cap, n;
};

static bool tsv_open(struct tsv *t, const char *path)
{
	size_t n = strlen(path);

	memset(t, 0, sizeof(*t));
	t->pipe = n > 3 && !strcmp(path + n - 3, ".gz");
	if (t->pipe) {
		char command[PATH + 16];

		snprintf(command, sizeof(command), "gzip -dc '%s'", path);
		t->f = popen(command, "re");
	} else {
		t->f = fopen(path, "re");
	}
	if (!t->f || getline(&t->header, &t->header_cap, t->f) < 0)
		return false;
	t->n = split(t->header, t->name);
	return true;
}

static bool tsv_next(struct tsv *t)
{
	if (getline(&t->line, &t->cap, t->f) < 0)
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		t->value[i] = NULL;
	split(t->line, t->value);
	return true;
}

static const char *tsv_get(const struct tsv *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->name[i], name))
			return t->value[i] ? t->value[i] : "";
	return "";
}

static void tsv_close(struct tsv *t)
{
	if (t->f && t->pipe)
		pclose(t->f);
	else if (t->f)
		fclose(t->f);
	free(t->header);
	free(t->line);
}

/* ---- one capture ---------------------------------------------------------------- */

struct heard {
	struct truth_row *row;
	size_t n, cap;
};

static void hear(void *ctx, const struct truth_row *row)
{
	struct heard *h = ctx;

	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 256;
		h->row = xrealloc(h->row, h->cap * sizeof(*h->row));
	}
	h->row[h->n++] = *row;
}

static void listen_to(struct heard *h, const char *path)
{
	char why[256];
	struct capture *c = capture_open(path, why);
	struct witness *w = witness_new();
	struct datagram d;
	struct endpoint to;
	uint64_t n = 0;

	ck_assert_msg(c != NULL, "%s", why);
	memset(h, 0, sizeof(*h));
	while (capture_next(c, &d, &to, why) > 0)
		witness_read(w, &d, ++n, hear, h);
	witness_free(w);
	capture_close(c);
}

static void number_text(char *to, size_t n, const struct flow_record *f, enum flow_field field)
{
	snprintf(to, n, "%llu", (unsigned long long)flow_get(f, field));
}

static void address_text(char *to, const struct addr *a)
{
	addr_print(a, to);
}

static void sampling_text(char *to, size_t n, const struct flow_record *f)
{
	if (!flow_has(f, FLOW_sampling_num))
		snprintf(to, n, "1");
	else if (f->sampling_num % f->sampling_den)
		snprintf(to, n, "%u/%u", f->sampling_num, f->sampling_den);
	else
		snprintf(to, n, "%u", f->sampling_num / f->sampling_den);
}

static const struct {
	const char *column;
	enum flow_field field;
} numbers[] = {
	{ "sport", FLOW_src_port },
	{ "dport", FLOW_dst_port },
	{ "proto", FLOW_proto },
	{ "tos", FLOW_tos },
	{ "tcpflags", FLOW_tcp_flags },
	{ "in_if", FLOW_in_if },
	{ "out_if", FLOW_out_if },
	{ "src_as", FLOW_src_as },
	{ "dst_as", FLOW_dst_as },
	{ "packets", FLOW_packets },
	{ "octets", FLOW_octets },
};

/* A column of the truth against ours; an empty one says nothing. */
static void same(const char *file, const struct truth_row *r, size_t line, const char *column,
	const char *want, const char *got)
{
	struct addr a;
	char text[ADDR_TEXT];

	if (!*want || excepted(file, column))
		return;
	if (addr_parse(&a, want))
		want = addr_print(&a, text);
	ck_assert_msg(!strcmp(want, got), "%s line %zu datagram %llu: %s: truth %s, witness %s",
		file, line, (unsigned long long)r->datagram, column, want, got);
}

static void same_flow(const char *file, const struct tsv *t, size_t line, const struct truth_row *r)
{
	const struct flow_record *f = &r->flow;
	char text[ADDR_TEXT];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)r->datagram);
	same(file, r, line, "dg", tsv_get(t, "dg"), text);
	address_text(text, &f->src);
	same(file, r, line, "src", tsv_get(t, "src"), text);
	address_text(text, &f->dst);
	same(file, r, line, "dst", tsv_get(t, "dst"), text);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		number_text(text, sizeof(text), f, numbers[i].field);
		same(file, r, line, numbers[i].column, tsv_get(t, numbers[i].column), text);
	}
	sampling_text(text, sizeof(text), f);
	same(file, r, line, "sampling", tsv_get(t, "sampling"), text);
}

static bool positive(const char *text)
{
	return strtoull(text, NULL, 10) > 0;
}

/* The reverse half: the same ends, the other way round. */
static void same_reverse(
	const char *file, const struct tsv *t, size_t line, const struct truth_row *r)
{
	char text[ADDR_TEXT];

	address_text(text, &r->flow.dst);
	same(file, r, line, "src", tsv_get(t, "src"), text);
	address_text(text, &r->flow.src);
	same(file, r, line, "dst", tsv_get(t, "dst"), text);
	number_text(text, sizeof(text), &r->flow, FLOW_dst_port);
	same(file, r, line, "sport", tsv_get(t, "sport"), text);
	number_text(text, sizeof(text), &r->flow, FLOW_in_if);
	same(file, r, line, "out_if", tsv_get(t, "out_if"), text);
	number_text(text, sizeof(text), &r->flow, FLOW_octets);
	same(file, r, line, "rev_octets", tsv_get(t, "rev_octets"), text);
	number_text(text, sizeof(text), &r->flow, FLOW_packets);
	same(file, r, line, "rev_packets", tsv_get(t, "rev_packets"), text);
}

/* An sFlow interface of a compact sample holds its format in the top bits: only ifIndex values are
 * kept. */
static void same_interface(const char *file, const struct tsv *t, size_t line,
	const struct truth_row *r, const char *column, uint32_t got)
{
	const char *text = tsv_get(t, column);
	uint64_t want = strtoull(text, NULL, 10);
	char a[24], b[24];

	if (!strcmp(tsv_get(t, "kind"), "flow") && (want >> 30 || want == 0x3fffffff))
		want = 0;
	snprintf(a, sizeof(a), "%llu", (unsigned long long)want);
	a[*text ? sizeof(a) - 1 : 0] = '\0';
	snprintf(b, sizeof(b), "%u", got);
	same(file, r, line, column, a, b);
}

static void same_sample(
	const char *file, const struct tsv *t, size_t line, const struct truth_row *r)
{
	const struct flow_record *f = &r->flow;
	const char *length = tsv_get(t, "frame_length"), *want;
	char text[ADDR_TEXT];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)r->datagram);
	same(file, r, line, "dg", tsv_get(t, "dg"), text);
	address_text(text, &r->exporter);
	same(file, r, line, "agent", tsv_get(t, "agent"), text);
	sampling_text(text, sizeof(text), f);
	same(file, r, line, "sampling_rate", tsv_get(t, "sampling_rate"), text);
	number_text(text, sizeof(text), f, FLOW_octets);
	same(file, r, line, "octets", *length ? length : tsv_get(t, "ip_len"), text);
	same_interface(file, t, line, r, "in_if", f->in_if);
	same_interface(file, t, line, r, "out_if", f->out_if);
	if (*tsv_get(t, "src")) {
		address_text(text, &f->src);
		same(file, r, line, "src", tsv_get(t, "src"), text);
		address_text(text, &f->dst);
		same(file, r, line, "dst", tsv_get(t, "dst"), text);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!strcmp(numbers[i].column, "in_if") || !strcmp(numbers[i].column, "out_if"))
			continue;
		number_text(text, sizeof(text), f, numbers[i].field);
		want = tsv_get(t, numbers[i].column);
		/* The truth has the whole path; its end is the destination's AS. */
		want = strrchr(want, ',') ? strrchr(want, ',') + 1 : want;
		same(file, r, line, numbers[i].column, want, text);
	}
}

static bool is_sflow(const struct truth_row *r)
{
	return r->protocol == PROTO_SFLOW;
}

/* Walk truth and witness side by side; returns with `*at` behind the last row used. */
static void walk(const char *file, const char *truth, const struct heard *h, bool sflow)
{
	char path[PATH + 300];
	struct tsv t;
	size_t at = 0, line = 1;

	snprintf(path, sizeof(path), "%s/truth/%s", corpus, truth);
	ck_assert_msg(tsv_open(&t, path), "%s: %s", path, strerror(errno));
	while (tsv_next(&t)) {
		line++;
		while (at < h->n && is_sflow(&h->row[at]) != sflow)
			at++;
		ck_assert_msg(
			at < h->n, "%s: the witness has fewer records than line %zu", file, line);
		if (sflow) {
			same_sample(file, &t, line, &h->row[at++]);
			continue;
		}
		same_flow(file, &t, line, &h->row[at++]);
		if (positive(tsv_get(&t, "rev_octets")) || positive(tsv_get(&t, "rev_packets"))) {
			ck_assert_msg(at < h->n, "%s line %zu: no reverse half", file, line);
			same_reverse(file, &t, line, &h->row[at++]);
		}
	}
	while (at < h->n && is_sflow(&h->row[at]) != sflow)
		at++;
	ck_assert_msg(at == h->n,
		"%s: the witness has %zu records more than the truth, the first in datagram %llu",
		file, h->n - at, (unsigned long long)h->row[at < h->n ? at : 0].datagram);
	tsv_close(&t);
}

START_TEST(corpus_capture)
{
	const char *file = captures[_i][0];
	char path[PATH + 300], *list, *save = NULL;
	struct heard h;

	snprintf(path, sizeof(path), "%s/%s", corpus, file);
	listen_to(&h, path);
	list = xstrdup(captures[_i][1]);
	/* The first file is the truth, a .sflow.tsv that of the other family; .tshark.tsv are other
	 * opinions. */
	for (char *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save))
		if (!strstr(one, ".tshark."))
			walk(file, one, &h, strstr(one, ".sflow.") || !strncmp(file, "sFlow", 5));
	free(list);
	free(h.row);
}
END_TEST

/* ---- the two decoders against each other ------------------------------------------- */

/* Members that a truth file holds; the sampling interval is compared as a ratio. */
#define TOLD (FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(octets) | FLOW_BIT(packets) | FLOW_BIT(in_if) | \
	FLOW_BIT(out_if) | FLOW_BIT(src_port) | FLOW_BIT(dst_port) | FLOW_BIT(proto) | FLOW_BIT(tos) | \
	FLOW_BIT(tcp_flags) | FLOW_BIT(src_mask) | FLOW_BIT(dst_mask) | FLOW_BIT(src_as) | FLOW_BIT(dst_as) | \
	FLOW_BIT(next_hop) | FLOW_BIT(first_us) | FLOW_BIT(last_us) | FLOW_BIT(src_mac) | FLOW_BIT(dst_mac) | \
	FLOW_BIT(vlan) | FLOW_BIT(out_vlan) | FLOW_BIT(direction) | FLOW_BIT(post_src) | FLOW_BIT(post_dst) | \
	FLOW_BIT(post_src_port) | FLOW_BIT(post_dst_port) | FLOW_BIT(bgp_next_hop) | FLOW_BIT(flows))

/* What lib/wire's decoder emits, as truth rows: with the collector's rules on what is traffic and
 * when it began. */
static void overhear(void *ctx, const struct flow_origin *o, struct flow_record *rec, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct truth_row row = { .exporter = o->exporter,
			.protocol = o->protocol,
			.version = o->version,
			.domain = o->domain,
			.sequence = o->sequence,
			.flow = rec[i] };

		if (!flow_has(&rec[i], FLOW_octets) && !rec[i].packets)
			continue;
		if (!flow_has(&rec[i], FLOW_first_us) && o->protocol != PROTO_SFLOW)
			flow_set(&row.flow, FLOW_first_us, o->export_us);
		hear(ctx, &row);
	}
}

#define TIMES (FLOW_BIT(first_us) | FLOW_BIT(last_us))

struct both {
	bool damaged;
	struct decoder *decoder;
	void *memory;
	struct witness *witness;
	struct heard a, b;
};

static void both_open(struct both *t)
{
	memset(t, 0, sizeof(*t));
	t->memory = aligned_alloc(64, (decoder_size(&decoder_limits_default) + 63) & ~(size_t)63);
	ck_assert_ptr_nonnull(t->memory);
	t->decoder = decoder_init(t->memory, &decoder_limits_default, 1);
	t->witness = witness_new();
}

static void both_close(struct both *t)
{
	witness_free(t->witness);
	free(t->memory);
	free(t->a.row);
	free(t->b.row);
}

static void described(char *buf, size_t n, const struct truth_row *row)
{
	struct flow_record f = row->flow;

	f.present &= TOLD | FLOW_BIT(sampling_num) | FLOW_BIT(sampling_den);
	flow_print(buf, n, &f);
}

/* One in one is what nobody said. */
static bool same_ratio(const struct flow_record *x, const struct flow_record *y)
{
	uint64_t xn = x->sampling_num ? x->sampling_num : 1,
		 xd = x->sampling_den ? x->sampling_den : 1;
	uint64_t yn = y->sampling_num ? y->sampling_num : 1,
		 yd = y->sampling_den ? y->sampling_den : 1;

	return xn * yd == yn * xd;
}

/* Equal values of what is told; an absent member is as good as its zero. */
static bool alike(const struct truth_row *x, const struct truth_row *y, uint64_t members)
{
	if (!same_ratio(&x->flow, &y->flow))
		return false;
	for (unsigned i = 0; i < FLOW_FIELDS; i++)
		if (members >> i & 1 &&
			memcmp((const uint8_t *)&x->flow + flow_fields[i].offset,
				(const uint8_t *)&y->flow + flow_fields[i].offset,
				flow_fields[i].width))
			return false;
	return addr_equal(&x->exporter, &y->exporter) && x->domain == y->domain &&
		x->version == y->version && x->sequence == y->sequence &&
		x->protocol == y->protocol;
}

/* One datagram through both. */
static void both_read(struct both *t, const char *file, const struct datagram *d, uint64_t number)
{
	struct decoder_input in = { d->data, d->from.addr, d->from.port, d->recv_us };
	char x[1024], y[1024];

	t->a.n = t->b.n = 0;
	witness_read(t->witness, d, number, hear, &t->a);
	decode(t->decoder, &in, overhear, &t->b);
	/* Of a sample with wrong lengths inside each saves what it can. */
	if (t->damaged && t->a.n && is_sflow(&t->a.row[0]))
		return;
	for (size_t i = 0; i < t->a.n && i < t->b.n; i++) {
		/* Damage may put a clock anywhere. */
		if (alike(&t->a.row[i], &t->b.row[i], t->damaged ? TOLD & ~TIMES : TOLD))
			continue;
		described(x, sizeof(x), &t->a.row[i]);
		described(y, sizeof(y), &t->b.row[i]);
		ck_abort_msg("%s datagram %llu record %zu:\nwitness %s\ndecoder %s", file,
			(unsigned long long)number, i, x, y);
	}
	ck_assert_msg(t->a.n == t->b.n, "%s datagram %llu: witness %zu records, decoder %zu", file,
		      (unsigned long long)number, t->a.n, t->b.n);
}

/* xorshift64*: the same bits are flipped in every run. */
static uint64_t scramble(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

/* Damage: a bit or an octet of each datagram is another one, or its tail is missing. */
static struct bytes damage(uint8_t *copy, struct bytes b, uint64_t *state)
{
	uint64_t r = scramble(state);
	size_t at = b.n ? (size_t)(r >> 8) % b.n : 0;

	memcpy(copy, b.p, b.n);
	if (b.n && (r & 3) == 0)
		copy[at] ^= (uint8_t)(1u << (r >> 5 & 7));
	else if (b.n && (r & 3) == 1)
		copy[at] = (uint8_t)(r >> 56);
	return (struct bytes){ copy, (r & 3) == 2 ? at : b.n };
}

static void agree(int capture, uint64_t seed)
{
	static uint8_t copy[65536];
	const char *file = captures[capture][0];
	char path[PATH + 300], why[256];
	struct capture *c;
	struct datagram d;
	struct endpoint to;
	struct both t;
	uint64_t n = 0, state = seed;

	snprintf(path, sizeof(path), "%s/%s", corpus, file);
	c = capture_open(path, why);
	ck_assert_msg(c != NULL, "%s", why);
	both_open(&t);
	t.damaged = seed != 0;
	while (capture_next(c, &d, &to, why) > 0) {
		if (seed)
			d.data = damage(copy, d.data, &state);
		both_read(&t, file, &d, ++n);
	}
	both_close(&t);
	capture_close(c);
}

/* A flow sample that has the sampled Ethernet record (format 2) and no header: its length counts. */
START_TEST(reads_sampled_ethernet)
{
	static const uint8_t sflow[] = { 0, 0, 0, 5, 0, 0, 0, 1, 10, 0, 0, 9, 0, 0, 0, 0,
		0, 0, 0, 1, 0, 0, 3, 232, 0, 0, 0, 1,
		0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
		0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1,
		0, 0, 0, 2, 0, 0, 0, 24, 0, 0, 3, 250, 2, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0,
		0, 0, 8, 0 };
	struct datagram d = { .data = { sflow, sizeof(sflow) },
		.from = { .addr = addr_make4(0x0a000009), .port = 6343 } };
	struct witness *w = witness_new();
	struct heard h = { 0 };
	char text[256];

	witness_read(w, &d, 1, hear, &h);
	ck_assert_uint_eq(h.n, 1);
	flow_print(text, sizeof(text), &h.row[0].flow);
	ck_assert_str_eq(text, "octets=1018 packets=1 in_if=1 out_if=2 sampling_num=1 "
		"sampling_den=1 ethertype=2048 src_mac=02:00:00:00:00:01 dst_mac=02:00:00:00:00:02");
	free(h.row);
	witness_free(w);
}
END_TEST

START_TEST(decoders_agree)
{
	agree(_i, 0);
}
END_TEST

START_TEST(decoders_agree_on_damage)
{
	const char *seed = getenv("WITNESS_SEED");

	for (uint64_t k = 1; k <= 5; k++)
		agree(_i, k + (seed ? strtoull(seed, NULL, 10) : 0));
}
END_TEST

static void find_corpus(void)
{
	const char *named = getenv("FLOWLEDGER_CORPUS");
	char path[PATH + 300];
	struct tsv t;

	snprintf(corpus, sizeof(corpus), "%s", named ? named : "../shared/corpus");
	snprintf(path, sizeof(path), "%s/MANIFEST.tsv", corpus);
	if (!tsv_open(&t, path)) {
		tsv_close(&t);
		fprintf(stderr, "check_witness: no corpus in %s: its captures are skipped\n",
			corpus);
		return;
	}
	while (tsv_next(&t)) {
		if (!*tsv_get(&t, "truth"))
			continue;
		captures = xrealloc(captures, (size_t)(ncaptures + 1) * sizeof(*captures));
		snprintf(captures[ncaptures][0], 256, "%.255s", tsv_get(&t, "file"));
		snprintf(captures[ncaptures++][1], 256, "%.255s", tsv_get(&t, "truth"));
	}
	tsv_close(&t);
}

Suite *suite_witness(void)
{
	Suite *s = suite_create("witness");
	TCase *t = tcase_create("corpus");

	find_corpus();
	tcase_set_timeout(t, 60);
	if (ncaptures)
		tcase_add_loop_test(t, corpus_capture, 0, ncaptures);
	if (ncaptures)
		tcase_add_test(t, reads_sampled_ethernet);
	tcase_add_loop_test(t, decoders_agree, 0, ncaptures);
	if (ncaptures)
		tcase_add_loop_test(t, decoders_agree_on_damage, 0, ncaptures);
	suite_add_tcase(s, t);
	return s;
}
