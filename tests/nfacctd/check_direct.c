/*
 * check_direct.c - the short way from a datagram into the keys and the long one, by flow records,
 * give the same rows in the same order, and count the same.
 *
 * The long way is made to be taken by a second plugin with a filter, for which records are needed:
 * there is no switch.
 */
#include "base/strbuf.h"
#include "feeding.h"
#include "tests/wire/captures.h"
#include "tests/wire/random_export.h"

Suite *suite_direct(void);

/* ---- a sink that keeps rows as they are ---- */

struct book {
	char name[8];
	struct key_layout layout;
	struct strbuf rows;
	size_t nrows;
	struct sink_counts counts;
};

static struct book books[3];
static size_t nbooks;

static void *book_open(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct book *b = &books[nbooks++];

	(void)run_id;
	memset(b, 0, sizeof(*b));
	snprintf(b->name, sizeof(b->name), "%s", p->name);
	b->layout = *l;
	strbuf_add(&b->rows, "");
	return b;
}

static unsigned book_check(const struct plugin_settings *p, const struct key_layout *l)
{
	(void)p;
	(void)l;
	return 0;
}

static enum sink_result book_write(void *sink, const struct purge *p)
{
	static const struct print_style style = { .utc = true };
	struct book *b = sink;

	for (size_t i = 0; i < p->nrows; i++) {
		const struct sum_row *r = &p->rows[i];

		strbuf_addf(&b->rows, "%lld at %lld", (long long)r->bin, (long long)p->now);
		for (size_t f = 0; f < b->layout.nfields; f++) {
			char text[PRIM_TEXT_MAX];

			key_print(text, &b->layout.field[f], r->key, &style);
			strbuf_addf(&b->rows, " %s", text);
		}
		strbuf_addf(&b->rows, ": %llu %llu %llu %x\n", (unsigned long long)r->sums.packets,
			    (unsigned long long)r->sums.octets, (unsigned long long)r->sums.flows,
			    r->sums.tcp_flags);
	}
	b->nrows += p->nrows;
	b->counts.rows += p->nrows;
	return SINK_OK;
}

static const struct sink_counts *book_counts(void *sink)
{
	return &((struct book *)sink)->counts;
}

static void book_close(void *sink)
{
	(void)sink;
}

static const struct sink book_sink = { .type = "print", .open = book_open, .check = book_check,
	.write = book_write, .counts = book_counts, .close = book_close };

static const struct sink *find(const char *type)
{
	(void)type;
	return &book_sink;
}

/* ---- one configuration, both ways ---- */

/* Of plugin a, of all plugins. */
static const struct {
	const char *plugin, *common;
} cases[] = {
	{ "aggregate[a]: sum_host", "" },
	{ "aggregate[a]: none", "" },
	{ "aggregate[a]: src_host, dst_host, proto, tos, src_as, in_iface, out_iface", "" },
	{ "aggregate[a]: src_host, dst_host, src_port, dst_port, proto, flows, tcpflags", "" },
	{ "aggregate[a]: dst_port, proto, tcpflags\nprint_history[a]: 5m\n"
	  "print_history_roundoff[a]: m", "" },
	{ "aggregate[a]: sum_host, flows\nprint_history[a]: 1m", "nfacctd_time_new: true" },
	{ "aggregate[a]: sum_as\nprint_history[a]: 1h\nprint_history_roundoff[a]: h",
	  "nfacctd_renormalize: true" },
	{ "aggregate[a]: src_host, peer_src_ip, export_proto_sysid, export_proto_version",
	  "nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 7" },
	{ "aggregate[a]: src_host, tag, tag2\npost_tag[a]: 7\npost_tag2[a]: 8", "" },
	{ "aggregate[a]: sum_mac, class", "" },
	{ "aggregate[a]: src_mac, dst_mac, vlan, out_vlan, cos, mpls_label_top, mpls_label_bottom",
	  "" },
	{ "aggregate[a]: post_nat_src_host, post_nat_dst_host, post_nat_src_port, "
	  "post_nat_dst_port", "" },
	{ "aggregate[a]: src_host, timestamp_end, timestamp_export, flow_label, fwd_status", "" },
	{ "aggregate[a]: src_as, dst_as, peer_src_as, peer_dst_as, peer_dst_ip",
	  "nfacctd_time_secs: true" },
	{ "aggregate[a]: sum_host", "nfacctd_direction: ingress" },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void begin_way(size_t i, bool direct)
{
	struct strbuf conf = { 0 };

	strbuf_addf(&conf, "plugins: print[a], print[b]%s\n%s\n%s\naggregate[b]: dst_host\n",
		    direct ? "" : ", print[c]", cases[i].plugin, cases[i].common);
	strbuf_add(&conf, "print_refresh_time: 60\npcap_savefile: x.pcap\n");
	if (!direct)
		strbuf_add(&conf, "aggregate[c]: proto\naggregate_filter[c]: udp\n");
	nbooks = 0;
	start_with(conf.s, find);
	strbuf_clear(&conf);
	open_sinks();
}

/* What came of it; the caller's. */
struct outcome {
	struct strbuf rows[2];
	struct strbuf counters;
	uint64_t records, direct;
};

/* The counters that both ways share: not of plugin c, nor of what memory is in use. */
static void note_counters(struct outcome *o)
{
	struct stats s;

	stats_init(&s);
	engine_stats(engine, &s);
	engine_exporter_stats(engine, &s);
	for (size_t i = 0; i < s.n; i++)
		if (!strstr(s.rows[i].name, "\"c\"") && !strstr(s.rows[i].name, "_direct") &&
			!strstr(s.rows[i].name, "memory_") && !strstr(s.rows[i].name, "_ms"))
			strbuf_addf(&o->counters, "%s %llu\n", s.rows[i].name,
				    (unsigned long long)s.rows[i].value);
	stats_clear(&s);
	strbuf_addf(&o->counters, "both ways %u\n", times_said("sends ingress and egress"));
}

static void end_way(struct outcome *o)
{
	ck_assert_int_eq(engine_stop(engine), 0);
	note_counters(o);
	o->records = stat_of("records_decoded");
	o->direct = stat_of("records_direct");
	for (size_t i = 0; i < 2; i++)
		o->rows[i] = books[i].rows;
	for (size_t i = 2; i < nbooks; i++)
		strbuf_clear(&books[i].rows);
	free_all();
}

/* The first line that differs. */
static void same_text(const char *what, const char *direct, const char *records)
{
	size_t at = 0;

	while (direct[at] && direct[at] == records[at])
		at++;
	if (direct[at] == records[at])
		return;
	while (at > 0 && direct[at - 1] != '\n')
		at--;
	ck_abort_msg("%s: the short way gives\n%.*sthe long one\n%.*s", what,
		     (int)strcspn(direct + at, "\n") + 1, direct + at,
		     (int)strcspn(records + at, "\n") + 1, records + at);
}

static void compare(struct outcome *a, struct outcome *b)
{
	same_text("plugin a", a->rows[0].s, b->rows[0].s);
	same_text("plugin b", a->rows[1].s, b->rows[1].s);
	same_text("counters", a->counters.s, b->counters.s);
	ck_assert_uint_eq(b->direct, 0);
	for (size_t i = 0; i < 2; i++) {
		strbuf_clear(&a->rows[i]);
		strbuf_clear(&b->rows[i]);
	}
	strbuf_clear(&a->counters);
	strbuf_clear(&b->counters);
}

START_TEST(random_datagrams_give_the_same_rows)
{
	const uint64_t seed = rnd_seed("direct");
	struct outcome o[2] = { 0 };

	for (int way = 0; way < 2; way++) {
		struct random_export r = { .state = seed };
		unsigned n = 0;

		begin_way((size_t)_i, way == 0);
		while (r.records < PROPERTY_RECORDS / CASES) {
			struct bytes b = random_export(&r);

			feed(b.p, b.n, A + r.exporter, RANDOM_EXPORT_S + n++ / 100);
		}
		end_way(&o[way]);
	}
	ck_assert_uint_gt(o[0].direct, o[0].records / 20);
	compare(&o[0], &o[1]);
}
END_TEST

static void take(void *ctx, const struct datagram *d)
{
	(void)ctx;
	engine_feed(engine, d);
}

START_TEST(captures_give_the_same_rows)
{
	struct outcome o[2] = { 0 };
	glob_t g = { 0 };

	if (captures_find(&g, "direct") == 0)
		return;
	for (int way = 0; way < 2; way++) {
		begin_way((size_t)_i, way == 0);
		for (size_t i = 0; i < g.gl_pathc; i++)
			capture_each(g.gl_pathv[i], take, NULL);
		end_way(&o[way]);
	}
	ck_assert_uint_gt(o[0].direct, 0);
	compare(&o[0], &o[1]);
	globfree(&g);
}
END_TEST

/* What needs records keeps all plugins on the long way. */
static const char *const long_ones[] = {
	"aggregate[a]: src_net", "aggregate[a]: src_mask", "aggregate[a]: etype",
	"aggregate[a]: timestamp_start", "aggregate[a]: src_port", "aggregate[a]: sampling_rate",
	"aggregate[a]: src_host\naggregate_filter[a]: udp",
	"aggregate[a]: tos\ntos_encode_as_dscp: true",
	"aggregate[a]: src_host\nprint_history[a]: 1m\nnfacctd_pro_rating: true",
	"aggregate[a]: src_host\npre_tag_filter[a]: 0",
};

START_TEST(who_needs_records_gets_them)
{
	struct random_export r = { .state = 1 };
	char conf[512];

	snprintf(conf, sizeof(conf), "plugins: print[a], print[b]\naggregate[b]: sum_host\n"
		 "pcap_savefile: x.pcap\n%s\n", long_ones[_i]);
	nbooks = 0;
	start_with(conf, find);
	open_sinks();
	for (unsigned i = 0; i < 200; i++) {
		struct bytes b = random_export(&r);

		feed(b.p, b.n, A + r.exporter, RANDOM_EXPORT_S);
	}
	ck_assert_uint_gt(stat_of("records_decoded"), 100);
	ck_assert_uint_eq(stat_of("records_direct"), 0);
	ck_assert_int_eq(engine_stop(engine), 0);
	for (size_t i = 0; i < nbooks; i++)
		strbuf_clear(&books[i].rows);
	free_all();
}
END_TEST

static void set_up(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	log_level(LOG_LEVEL_WARN);
}

static void tear_down(void)
{
	log_level(LOG_LEVEL_INFO);
}

Suite *suite_direct(void)
{
	Suite *s = suite_create("direct");
	TCase *t = tcase_create("direct");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, random_datagrams_give_the_same_rows, 0, CASES);
	tcase_add_loop_test(t, captures_give_the_same_rows, 0, CASES);
	tcase_add_loop_test(t, who_needs_records_gets_them, 0,
			    sizeof(long_ones) / sizeof(long_ones[0]));
	suite_add_tcase(s, t);
	return s;
}
