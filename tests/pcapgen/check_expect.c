/*
 * check_expect.c - literal flows and configurations against literal rows.
 *
 * The two configurations of the tutorial and their rows are those that Debian's
 * nfacctd 1.7.7 gave (reference, section 13); calendars are worked out by hand.
 */
#include <check.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/rules_bins.h"
#include "tests/pcapgen/oracle.h"

Suite *suite_expect(void);

static char dir[] = "/tmp/check_expect.XXXXXX";
static char networks[64];

static const char networks_text[] =
	"! ours\n111.222.1.0/24\n111.222.2.0/24\n# and\n\n  111.222.3.0/24  \r\n";

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	text_file(networks, sizeof(networks), dir, "networks", networks_text);
	use_zone("UTC");
}

static void remove_dir(void)
{
	static const char *const names[] = { "networks", "conf", "nets", "ports", "protos" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	strcpy(strrchr(dir, '.'), ".XXXXXX");
}

/* ---- running ------------------------------------------------------------------- */

static struct strbuf said;

static void hear(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	strbuf_addf(&said, "%s\n", text);
}

/*
 * The rows of `plugin` (NULL: the only one) as text without the header line, or
 * what was logged when they cannot be told; to be freed.  %N in the
 * configuration is the networks file, %D the folder.
 */
static char *rows_of(
	const struct flow_literal *flow, size_t nflows, const char *conf, const char *plugin)
{
	char path[128], *text = NULL;
	size_t size;
	struct strbuf b = { 0 };
	struct rules_conf c;
	struct rules_shape shape;
	struct truth_row row;
	struct rules *r = rules_open();
	FILE *out = open_memstream(&text, &size);

	for (; *conf; conf++) {
		if (!strncmp(conf, "%N", 2) || !strncmp(conf, "%D", 2)) {
			strbuf_add(&b, conf[1] == 'N' ? networks : dir);
			conf++;
		} else {
			strbuf_addn(&b, conf, 1);
		}
	}
	text_file(path, sizeof(path), dir, "conf", b.s);
	strbuf_clear(&b);
	strbuf_reset(&said);
	log_capture(hear, NULL);
	ck_assert(r && out);
	for (size_t i = 0; i < nflows; i++) {
		literal_row(&row, &flow[i]);
		if (row.elements)
			r->width = TRUTH_ELEMENTS;
		ck_assert_int_eq(rules_load_row(r, &row), 0);
	}
	if (confread(&c, path, plugin) || rules_expect(r, &c, &c.plugin[0], &shape, NULL, NULL))
		fputs(said.s ? said.s : "", out);
	else
		ck_assert_int_ge(expect_rows(out, r, &shape), 0);
	log_capture(NULL, NULL);
	fclose(out);
	confread_clear(&c);
	rules_close(r);
	strbuf_clear(&said);
	return text;
}

#define ROWS(flows, conf, plugin) rows_of(flows, sizeof(flows) / sizeof((flows)[0]), conf, plugin)

static void same_rows(const char *name, char *got, const char *want)
{
	ck_assert_msg(!strcmp(got, want), "%s:\nwant\n%sgot\n%s", name, want, got);
	free(got);
}

/* ---- the tutorial (section 13) ------------------------------------------------------ */

/* 2026-10-15 04:55:00 UTC; arrival 100 s later. */
#define WHEN .first_ms = 1792040100000, .last_ms = 1792040160000, .sent_ms = 1792040200000

static const struct flow_literal tutorial[] = {
	{ "111.222.1.2", "8.8.8.8", 10, 1000, 5, 7, WHEN },
	{ "8.8.8.8", "111.222.1.2", 50, 5000, 7, 5, WHEN },
	{ "111.222.1.2", "111.222.2.3", 1, 100, 5, 5, WHEN },
	{ "10.0.0.1", "10.0.0.2", 1, 7, 1, 2, WHEN },
	{ "111.222.3.9", "111.222.3.9", 1, 11, 5, 7, WHEN },
};

#define FIRST                                                                                 \
	"daemonize: true\nplugins: mysql\nsql_db: pmacct\nsql_user: root\nsql_passwd: "       \
	"x\naggregate: sum_host\n"                                                            \
	"nfacctd_port: 5678\nsql_refresh_time: 120\nsql_history: 10m\nsql_history_roundoff: " \
	"mh\nsql_table_version: 1\n"
#define SECOND "daemonize:false\nplugins: mysql[intl_in],mysql[intl_out]\nsql_passwd: {secret}\n" \
	"aggregate[intl_in]: dst_host, in_iface, out_iface\naggregate[intl_out]: src_host, in_iface, out_iface\n" \
	"sql_refresh_time: 300\nsql_history: 5m\nsql_history_roundoff: mh\nsql_table_version: 5\n" \
	"sql_table[intl_in]: mx80_INTL_in\nsql_table[intl_out]: mx80_INTL_out\nplugin_pipe_size:102400000\n" \
	"plugin_buffer_size:1024000\nsql_cache_entries:1048579\nnetworks_file[intl_in]:%N\nnetworks_file[intl_out]:%N\n" \
	"networks_file_filter: true\nnfacctd_time_new:true\nnfacctd_disable_checks:true\n" \
	"nfacctd_ext_sampling_rate:1000\nnfacctd_renormalize:true\ndebug:false\n"

/* A row of the first table, and one of the second ones. */
#define V1(host, packets, bytes) "0:0:0:0:0:0\t0:0:0:0:0:0\t" host "\t0.0.0.0\t0\t0\t0\t2026-10-15 04:50:00\t" \
	packets "\t" bytes "\n"
#define V5(in, out, src, dst, packets, bytes) "0\tunknown\t0:0:0:0:0:0\t0:0:0:0:0:0\t0\t" in "\t" out "\t" src "\t" \
	dst "\t0\t0\t0\t0\t2026-10-15 04:55:00\t" packets "\t" bytes "\n"

#define ALL_HOSTS V1("10.0.0.1", "1", "7") V1("10.0.0.2", "1", "7") V1("111.222.1.2", "61", "6100") \
	V1("111.222.2.3", "1", "100") V1("111.222.3.9", "2", "22") V1("8.8.8.8", "60", "6000")
#define OUR_HOSTS V1("0.0.0.0", "62", "6014") V1("111.222.1.2", "61", "6100") V1("111.222.2.3", "1", "100") \
	V1("111.222.3.9", "2", "22")

static const struct {
	const char *name, *conf, *plugin;
	size_t flows;
	const char *rows;
} tutorials[] = {
	{ "first configuration", FIRST, NULL, 5, ALL_HOSTS },
	{ "networks_file and no filter said: it is one", FIRST "networks_file: %N\n", NULL, 5,
		OUR_HOSTS },
	{ "filter said", FIRST "networks_file: %N\nnetworks_file_filter: true\n", NULL, 5,
		OUR_HOSTS },
	{ "filter denied", FIRST "networks_file: %N\nnetworks_file_filter: false\n", NULL, 5,
		ALL_HOSTS },
	{ "no filter said, AS numbers asked for", FIRST "networks_file: %N\nnfacctd_as: file\n", NULL,
		5, ALL_HOSTS },
	{ "others dropped", FIRST "networks_file: %N\nnetworks_drop_others: true\n", NULL, 5,
		V1("111.222.1.2", "61", "6100") V1("111.222.2.3", "1", "100")
			V1("111.222.3.9", "2", "22") },
	{ "second configuration, in", SECOND, "intl_in", 4,
		V5("1", "2", "0.0.0.0", "0.0.0.0", "1000", "7000") V5("5", "5", "0.0.0.0",
			"111.222.2.3", "1000", "100000") V5("5", "7", "0.0.0.0", "0.0.0.0", "10000",
			"1000000") V5("7", "5", "0.0.0.0", "111.222.1.2", "50000", "5000000") },
	{ "second configuration, out", SECOND, "intl_out", 4,
		V5("1", "2", "0.0.0.0", "0.0.0.0", "1000", "7000")
			V5("5", "5", "111.222.1.2", "0.0.0.0", "1000", "100000")
				V5("5", "7", "111.222.1.2", "0.0.0.0", "10000", "1000000")
					V5("7", "5", "0.0.0.0", "0.0.0.0", "50000", "5000000") },
};

START_TEST(tutorial_rows)
{
	same_rows(tutorials[_i].name,
		rows_of(tutorial, tutorials[_i].flows, tutorials[_i].conf, tutorials[_i].plugin),
		tutorials[_i].rows);
}
END_TEST

/* ---- sums, sampling, columns ---------------------------------------------------------- */

#define SMALL "plugins: sqlite3[p]\nsql_history: 1h\nsql_history_roundoff: h\nsql_optimize_clauses: true\n"
#define HOUR "2026-10-15 04:00:00\t"

static const struct flow_literal mixed[] = {
	{ "10.0.0.1", "10.0.1.1", 2, 200, 1, 2, 1000, 80, 6, 2, 24, 24, 65001, 65002, 100, WHEN },
	{ "10.0.1.1", "10.0.0.1", 1, 50, 2, 1, 80, 1000, 6, 16, 24, 24, 65002, 65001, 0, WHEN },
	{ "2001:db8::1", "2001:db8:1::1", 3, 300, 1, 2, 0, 32768, 58, 0, 64, 48, 65001, 4200000000,
		10, WHEN },
	{ "10.0.0.9", "10.0.0.9", 1, 7, 1, 1, 9, 9, 17, 0, 24, 32, 65001, 65001, 0, WHEN },
};

static const struct {
	const char *name, *conf, *rows;
} cases[] = {
	{ "none", SMALL "aggregate: none\n", HOUR "7\t557\n" },
	{ "sum_net: each prefix once for each end", SMALL "aggregate: sum_net\n",
		"10.0.0.0\t" HOUR "4\t257\n"
		"10.0.0.9\t" HOUR "1\t7\n"
		"10.0.1.0\t" HOUR "3\t250\n"
		"2001:db8:1::\t" HOUR "3\t300\n"
		"2001:db8::\t" HOUR "3\t300\n" },
	{ "sum_as", SMALL "aggregate: sum_as, flows\n",
		"4200000000\t" HOUR "3\t1\t300\n"
		"65001\t" HOUR "8\t5\t564\n"
		"65002\t" HOUR "3\t2\t250\n" },
	{ "sum_port", SMALL "aggregate: sum_port\nsql_table_version: 9\n",
		"0\t" HOUR "3\t300\n"
		"1000\t" HOUR "3\t250\n"
		"32768\t" HOUR "3\t300\n"
		"80\t" HOUR "3\t250\n"
		"9\t" HOUR "2\t14\n" },
	{ "sum_ alone: others are dropped, flows stay",
		SMALL "aggregate: sum_host, dst_port, tcpflags, flows\n"
		      "networks_file: %N\nnetworks_file_filter: true\n",
		"0.0.0.0\t" HOUR "8\t6\t514\n"
		"::\t" HOUR "6\t2\t600\n" },
	{ "TCP flags are OR-ed", SMALL "aggregate: proto, tcpflags\n",
		"ipv6-icmp\t" HOUR "0\t3\t300\n"
		"tcp\t" HOUR "18\t3\t250\n"
		"udp\t" HOUR "0\t1\t7\n" },
	{ "protocols as numbers", SMALL "aggregate: proto\nsql_num_protos: true\n",
		"17\t" HOUR "1\t7\n"
		"58\t" HOUR "3\t300\n"
		"6\t" HOUR "3\t250\n" },
	{ "renormalize by what was announced",
		SMALL "aggregate: proto, sampling_rate\nnfacctd_renormalize: true\n",
		"ipv6-icmp\t1\t" HOUR "30\t3000\n"
		"tcp\t0\t" HOUR "1\t50\n"
		"tcp\t1\t" HOUR "200\t20000\n"
		"udp\t0\t" HOUR "1\t7\n" },
	{ "sampling_rate without renormalize", SMALL "aggregate: sampling_rate\n",
		"0\t" HOUR "2\t57\n"
		"10\t" HOUR "3\t300\n"
		"100\t" HOUR "2\t200\n" },
	{ "an external rate overrides",
		SMALL "aggregate: none\nnfacctd_renormalize: true\n"
		      "nfacctd_ext_sampling_rate: 10\n",
		HOUR "70\t5570\n" },
	{ "or helps out",
		SMALL "aggregate: none\nnfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 2\n"
		      "nfacctd_ext_sampling_rate_mode: default\n",
		HOUR "234\t23114\n" },
	{ "a rate without renormalize changes nothing",
		SMALL "aggregate: none\nnfacctd_ext_sampling_rate: 10\n", HOUR "7\t557\n" },
	{ "prefixes and masks of the exporter", SMALL "aggregate: src_net, src_mask\n",
		"10.0.0.0\t24\t" HOUR "3\t207\n"
		"10.0.1.0\t24\t" HOUR "1\t50\n"
		"2001:db8::\t64\t" HOUR "3\t300\n" },
	{ "the key of one plugin, a default of all",
		"plugins: sqlite3[p], print[q]\naggregate[p]: none\naggregate: proto\n"
		"sql_history: 1h\nsql_history_roundoff: h\nsql_optimize_clauses: "
		"true\naggregate[p]: none\n",
		HOUR "7\t557\n" },
	{ "AS numbers of version 1 stand in the host's column",
		"plugins: sqlite3[p]\naggregate: src_as\nsql_history: 1h\n"
		"sql_history_roundoff: h\n",
		"0:0:0:0:0:0\t0:0:0:0:0:0\t65001\t0.0.0.0\t0\t0\t0\t" HOUR "6\t507\n"
		"0:0:0:0:0:0\t0:0:0:0:0:0\t65002\t0.0.0.0\t0\t0\t0\t" HOUR "1\t50\n" },
	{ "epoch", SMALL "aggregate: none\ntimestamps_since_epoch: true\n",
		"1792036800\t7\t557\n" },
	{ "times of flows, to the microsecond", SMALL "aggregate: timestamp_start\n",
		"2026-10-15 04:55:00\t0\t" HOUR "7\t557\n" },
	{ "exporter and protocol", SMALL "aggregate: peer_src_ip, export_proto_version\n",
		"192.0.2.1\t5\t" HOUR "7\t557\n" },
};

START_TEST(case_rows)
{
	same_rows(cases[_i].name, ROWS(mixed, cases[_i].conf, "p"), cases[_i].rows);
}
END_TEST

/* ---- files that the configuration names -------------------------------------------------- */

START_TEST(resolving_files)
{
	static const struct {
		const char *name, *conf, *rows;
	} files[] = {
		{ "AS numbers by file",
			SMALL
			"aggregate: src_as, dst_as\nnetworks_file: %D/nets\nnfacctd_as: file\n",
			"0\t64500\t" HOUR "3\t300\n"
			"100\t200\t" HOUR "2\t200\n"
			"100\t100\t" HOUR "1\t7\n"
			"200\t100\t" HOUR "1\t50\n" },
		{ "prefixes by file",
			SMALL
			"aggregate: dst_net, dst_mask\nnetworks_file: %D/nets\nnfacctd_net: file\n",
			"10.0.0.0\t23\t" HOUR "2\t57\n"
			"10.0.1.0\t25\t" HOUR "2\t200\n"
			"2001:db8:1::\t48\t" HOUR "3\t300\n" },
		{ "the longer of both",
			SMALL "aggregate: dst_net, dst_mask\nnetworks_file: %D/nets\nnfacctd_net: "
			      "longest\n",
			"10.0.0.0\t24\t" HOUR "1\t50\n"
			"10.0.0.9\t32\t" HOUR "1\t7\n"
			"10.0.1.0\t25\t" HOUR "2\t200\n"
			"2001:db8:1::\t48\t" HOUR "3\t300\n" },
		{ "ports", SMALL "aggregate: src_port, dst_port\nports_file: %D/ports\n",
			"0\t0\t" HOUR "4\t307\n"
			"0\t80\t" HOUR "2\t200\n"
			"80\t0\t" HOUR "1\t50\n" },
		{ "protocols", SMALL "aggregate: proto\nprotos_file: %D/protos\n",
			"255\t" HOUR "3\t300\n"
			"tcp\t" HOUR "3\t250\n"
			"udp\t" HOUR "1\t7\n" },
	};
	char path[128];

	text_file(path, sizeof(path), dir, "nets",
		"100,10.0.0.0/23\n64999_200,10.0.1.7/25\n192.0.2.1,64500,2001:db8:1::/48\n"
		"nonsense\n10.0.0.0/33\n");
	text_file(path, sizeof(path), dir, "ports", "80\n! 1000\n");
	text_file(path, sizeof(path), dir, "protos", "tcp\n17\n");
	/* The first one's rows sort as text: 100 100 before 100 200. */
	for (size_t i = 1; i < sizeof(files) / sizeof(files[0]); i++)
		same_rows(files[i].name, ROWS(mixed, files[i].conf, "p"), files[i].rows);
	same_rows(files[0].name, ROWS(mixed, files[0].conf, "p"),
		"0\t64500\t" HOUR "3\t300\n"
		"100\t100\t" HOUR "1\t7\n"
		"100\t200\t" HOUR "2\t200\n"
		"200\t100\t" HOUR "1\t50\n");
}
END_TEST

/* ---- Elements ------------------------------------------------------------------------------ */

#define V9 .protocol = PROTO_NETFLOW9, .first_ms = 1792040100000, .sent_ms = 1792040100000

/* Labels 20005, 524250 with the S bit; an application's number, and a vendor's text of "a\0b". */
static const struct flow_literal told[] = {
	{ "10.0.0.1", "10.0.0.2", 1, 10, V9, .sampling = 1,
		.elements = "70=04e250 71=7ffda1 95=0300000001bb 25461:56701=c3a90a7e0062 61=01" },
	{ "10.0.0.1", "10.0.0.2", 2, 20, V9, .flows = 5, .src_mask = 128,
		.dst_mask = 24, .elements = "61=00 61=0102 70=000010 230=04 351=0100000000beef07 15=c0000201 56=020000000001" },
	{ "10.0.0.1", "10.0.0.2", 4, 40, V9, .elements = "96= 9:70=ffffff" },
	{ "10.0.0.1", "10.0.0.2", 8, 80, .sport = 9, .dport = 7, .proto = 50, .protocol = PROTO_NETFLOW5,
		.first_ms = 1792040100000, .sent_ms = 1792040100000 },
};

static const struct {
	const char *name, *conf, *rows;
} elements[] = {
	/* 0x04e25 = 20005, 0x7ffda = 524250 */
	{ "labels", "aggregate: mpls_label_top, mpls_label_bottom, mpls_stack_depth\n",
		"0\t0\t0\t" HOUR "12\t120\n" "1\t0\t0\t" HOUR "2\t20\n" "20005\t524250\t2\t" HOUR "1\t10\n" },
	{ "numbers: of two the last, of any length", "aggregate: Dir, app\n",
		"0\t0\t" HOUR "12\t120\n" "1\t300000001bb\t" HOUR "1\t10\n" "258\t0\t" HOUR "2\t20\n" },
	{ "text to its first zero, what steers a terminal a question mark", "aggregate: user\n",
		"\t" HOUR "14\t140\n" "\xc3\xa9?~\t" HOUR "1\t10\n" },
	{ "text cut between characters", "aggregate: letter\n", "\t" HOUR "15\t150\n" },
	{ "octets", "aggregate: octets\n", "\t" HOUR "12\t120\n" "00-00\t" HOUR "2\t20\n"
		"04-E2\t" HOUR "1\t10\n" },
	{ "addresses", "aggregate: hop, hop6, mac\n",
		"0.0.0.0\t::\t00:00:00:00:00:00\t" HOUR "13\t130\n"
		"192.0.2.1\t::\t02:00:00:00:00:01\t" HOUR "2\t20\n" },
	/* 0xbeef07 */
	{ "events and networks", "aggregate: nat_event, vxlan\n",
		"0\t0\t" HOUR "13\t130\n" "4\t12513031\t" HOUR "2\t20\n" },
	{ "a primitive of our own beside a sum is left out", "aggregate: sum_host, dir\n",
		"10.0.0.1\t" HOUR "15\t150\n" "10.0.0.2\t" HOUR "15\t150\n" },
	{ "flows that the exporter counts", "aggregate: flows\n", HOUR "15\t8\t150\n" },
	{ "no more bits than the address has", "aggregate: src_mask, dst_mask\n",
		"0\t0\t" HOUR "13\t130\n" "32\t24\t" HOUR "2\t20\n" },
	{ "an announced 1 is no 0, and no default replaces it",
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 3\nnfacctd_ext_sampling_rate_mode: default\n"
		"aggregate: none\n", HOUR "43\t430\n" },
	{ "ports of a protocol that has none", "aggregate: src_port, dst_port, proto\n",
		"0\t0\t0\t" HOUR "7\t70\n" "0\t0\tesp\t" HOUR "8\t80\n" },
	{ "a name that is none", "aggregate: dirr\n", "unknown primitive \"dirr\"" },
};

START_TEST(element_rows)
{
	char path[128], conf[1024], *got;

	text_file(path, sizeof(path), dir, "own",
		"! of our own\nname=dir field_type=61 len=1 semantics=u_int\n"
		"name=APP field_type=95 len=4 semantics=hex\n"
		"name=user field_type=25461:56701 len=vlen semantics=str\n"
		"name=letter field_type=25461:56701 len=1 semantics=str\n"
		"name=octets field_type=70 len=2 semantics=raw\n"
		"name=hop field_type=15 len=4 semantics=ip\nname=hop6 field_type=62 len=16 semantics=ip\n"
		"name=mac field_type=56 len=6 semantics=mac\n"
		/* no use: another's name, a length, a name twice, a word */
		"name=src_host field_type=8 len=4 semantics=ip\nname=dirr field_type=61 len=3 semantics=u_int\n"
		"name=dir field_type=10 len=4 semantics=u_int\nname=dirr field_type=0 len=1 semantics=u_int\n");
	snprintf(conf, sizeof(conf), SMALL "aggregate_primitives: %%D/own\n%s", elements[_i].conf);
	got = ROWS(told, conf, "p");
	/* Errors are looked for, lines that are no use are warned of before. */
	if (strstr(elements[_i].rows, "unknown")) {
		ck_assert_msg(strstr(got, elements[_i].rows) != NULL, "%s", got);
		free(got);
		return;
	}
	same_rows(elements[_i].name, got, elements[_i].rows);
}
END_TEST

#define TAGS "pre_tag_map: %D/tags\n"

START_TEST(marking_files)
{
	static const struct {
		const char *name, *conf, *rows;
	} files[] = {
		/* in=1: 1, and 4 of the rule it jumps to; the other flow comes in at 2 */
		{ "tags", SMALL "aggregate: tag\n" TAGS, "5\t" HOUR "6\t507\n50\t" HOUR "1\t50\n" },
		{ "tags, filtered", SMALL "aggregate: tag\npre_tag_filter[p]: 6-50\n" TAGS,
			"50\t" HOUR "1\t50\n" },
		{ "tags, the others", SMALL "aggregate: tag\npre_tag_filter[p]: -50\n" TAGS,
			"5\t" HOUR "6\t507\n" },
		{ "a filter without its plugin's name is none",
			SMALL "aggregate: tag\npre_tag_filter: 6-50\n" TAGS,
			"5\t" HOUR "6\t507\n50\t" HOUR "1\t50\n" },
		{ "post_tag, after the filter",
			SMALL "aggregate: tag, tag2\npre_tag_filter[p]: 50\npost_tag: 3\n" TAGS,
			"3\t0\t" HOUR "1\t50\n" },
		{ "labels are joined", SMALL "aggregate: label\npre_tag_map: %D/labels\n",
			"a\t" HOUR "2\t200\na,b\t" HOUR "1\t7\nb\t" HOUR "4\t350\n" },
		{ "null is no label", SMALL "aggregate: label\npre_tag_label_filter[p]: null\n",
			"\t" HOUR "7\t557\n" },
		{ "set_tos", SMALL "aggregate: tos\npre_tag_map: %D/toses\ntos_encode_as_dscp: true\n",
			"0\t" HOUR "1\t50\n46\t" HOUR "6\t507\n" },
		{ "an expression", SMALL "aggregate: none\naggregate_filter[p]: tcp or host 10.0.0.9\n",
			HOUR "4\t257\n" },
		{ "of IPv6", SMALL "aggregate: none\naggregate_filter[p]: ip6 and dst net 2001:db8:1::/48\n",
			HOUR "3\t300\n" },
		{ "by ports and flags",
			SMALL "aggregate: none\naggregate_filter[p]: dst port 80 and tcp[tcpflags] == tcp-syn\n",
			HOUR "2\t200\n" },
		/* 7 * (200 + 300 + 7) and 3 * 50 */
		{ "a sampling map", SMALL "aggregate: none\nnfacctd_renormalize: true\nsampling_map: %D/rates\n",
			HOUR "45\t3699\n" },
		{ "it shows, when it does not multiply",
			SMALL "aggregate: sampling_rate\nsampling_map: %D/rates\n",
			"3\t" HOUR "1\t50\n7\t" HOUR "6\t507\n" },
		{ "a rule that is not modelled",
			SMALL "aggregate: tag\npre_tag_map: %D/counting\n",
			"/counting:2: \"set_tag=5++ in=1\": expect does not model this rule" },
		{ "nor one of what the truth lacks",
			SMALL "aggregate: tag\npre_tag_map: %D/vlans\n",
			"/vlans:1: \"set_tag=5 vlan=3\": expect does not model this rule" },
	};
	char path[128], *got;

	text_file(path, sizeof(path), dir, "tags",
		"! tags\nset_tag=1 in=1 jeq=x\nset_tag=50 ip=192.0.2.0/24\n"
		"set_tag=4 src_as=65001 label=x stack=sum\n");
	text_file(path, sizeof(path), dir, "labels",
		"set_label=a filter='src net 10.0.0.0/28' jeq=next\n"
		"set_label=b ip_proto=udp\nset_label=b src_port=-1000\n");
	text_file(path, sizeof(path), dir, "toses", "set_tos=184 in=0x1\n");
	text_file(path, sizeof(path), dir, "rates", "id=7 in=1\nid=3 src_as=65002\n");
	text_file(path, sizeof(path), dir, "counting", "set_tag=1 in=2\nset_tag=5++ in=1\n");
	text_file(path, sizeof(path), dir, "vlans", "set_tag=5 vlan=3\n");
	got = ROWS(mixed, files[_i].conf, "p");
	ck_assert_msg(strchr(files[_i].rows, '\t') ? !strcmp(got, files[_i].rows)
						   : strstr(got, files[_i].rows) != NULL,
		"%s: want\n%sgot\n%s", files[_i].name, files[_i].rows, got);
	free(got);
}
END_TEST
enum { MARKING = 15 };

/* ---- time ---------------------------------------------------------------------------------- */

#define TIMED "plugins: sqlite3[p]\nsql_optimize_clauses: true\naggregate: none\n"
#define AT(ms) { "10.0.0.1", "10.0.0.2", 1, 100, .first_ms = (ms), .last_ms = (ms), .sent_ms = (ms) }

/* 1792040400 is 2026-10-15 05:00:00 UTC. */
static const struct flow_literal edges[] = { AT(1792040399999), AT(1792040400000),
	AT(1792040400001), AT(1792040999999) };

/* Written at 04:59:59, sent two seconds later. */
static const struct flow_literal undated[] = {
	{ "10.0.0.1", "10.0.0.2", 1, 5, .sent_ms = 1792040401000, .export_ms = 1792040399000,
		.protocol = PROTO_IPFIX },
};

static const struct flow_literal long_flow[] = {
	{ "10.0.0.1", "10.0.0.2", 10, 1000, .first_ms = 1792040300000, .last_ms = 1792040600000,
		.sent_ms = 1792040600000 },
};

/*
 * 150 s over one-minute bins: 2000 + 60000 + 60000 + 28000 ms of it.  Octets:
 * 13333.373 400001.2 400001.2 186667.227, one left over, to the first; packets
 * 13.347 400.4 400.4 186.853, two left over, to the last and the second.
 */
static const struct flow_literal odd_flow[] = {
	{ "10.0.0.1", "10.0.0.2", 1001, 1000003, .first_ms = 1792040398000,
		.last_ms = 1792040548000, .sent_ms = 1792040548000 },
};

static const struct flow_literal late[] = {
	{ "10.0.0.1", "10.0.0.2", 1, 1, .first_ms = 1792040100000, .sent_ms = 1792044000000 },
	{ "10.0.0.1", "10.0.0.2", 1, 10, .first_ms = 1794637000000, .sent_ms = 1792044000000 },
	{ "10.0.0.1", "10.0.0.2", 1, 100, .first_ms = 0, .sent_ms = 1792044000000 },
	{ "10.0.0.1", "10.0.0.2", 1, 1000, .first_ms = 1792040100000, .sent_ms = 1792044000000,
		.protocol = PROTO_SFLOW },
};

static const struct {
	const char *name, *zone, *conf;
	const struct flow_literal *flow;
	size_t n;
	const char *rows;
} times[] = {
	{ "bins are half-open", "UTC", TIMED "sql_history: 10m\nsql_history_roundoff: mh\n", edges,
		4, "2026-10-15 04:50:00\t1\t100\n2026-10-15 05:00:00\t3\t300\n" },
	{ "an offset", "UTC",
		TIMED "sql_history: 10m\nsql_history_roundoff: mh\nsql_history_offset: 300\n",
		edges, 4, "2026-10-15 04:55:00\t3\t300\n2026-10-15 05:05:00\t1\t100\n" },
	{ "no history", "UTC", TIMED, edges, 4, "4\t400\n" },
	{ "a flow is booked whole where it starts", "UTC",
		TIMED "sql_history: 1m\nsql_history_roundoff: m\n", long_flow, 1,
		"2026-10-15 04:58:00\t10\t1000\n" },
	{ "pro-rating: 100 s and 200 s", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_pro_rating: true\n",
		long_flow, 1, "2026-10-15 04:00:00\t3\t333\n2026-10-15 05:00:00\t7\t667\n" },
	{ "pro-rating conserves", "UTC",
		TIMED "sql_history: 1m\nsql_history_roundoff: m\nnfacctd_pro_rating: true\n",
		odd_flow, 1,
		"2026-10-15 04:59:00\t13\t13334\n2026-10-15 05:00:00\t401\t400001\n"
		"2026-10-15 05:01:00\t400\t400001\n2026-10-15 05:02:00\t187\t186667\n" },
	{ "pro-rating without bins", "UTC", TIMED "nfacctd_pro_rating: true\n", odd_flow, 1,
		"1001\t1000003\n" },
	{ "arrival, with time_new", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_time_new: true\n", late, 4,
		"2026-10-15 06:00:00\t4\t1111\n" },
	{ "a clock 30 days off counts at arrival; so do flows without times, and sFlow", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\n", late, 4,
		"2026-10-15 04:00:00\t1\t1\n2026-10-15 06:00:00\t3\t1110\n" },
	{ "no limit", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_time_limit: 0\n", late, 4,
		"2026-10-15 04:00:00\t1\t1\n2026-10-15 06:00:00\t2\t1100\n2026-11-14 "
		"06:00:00\t1\t10\n" },
	{ "no limit but ahead", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_time_limit: 0\n"
		      "nfacctd_time_ahead: 86400\n", late, 4,
		"2026-10-15 04:00:00\t1\t1\n2026-10-15 06:00:00\t3\t1110\n" },
	{ "a tight one", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_time_limit: 60\n", late, 4,
		"2026-10-15 06:00:00\t4\t1111\n" },
	{ "a record without times is as old as its message", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\n", undated, 1,
		"2026-10-15 04:00:00\t1\t5\n" },
	{ "and shows its time", "UTC",
		"plugins: sqlite3[p]\nsql_optimize_clauses: true\naggregate: timestamp_start, "
		"timestamp_export\n", undated, 1,
		"2026-10-15 04:59:59\t0\t2026-10-15 04:59:59\t0\t1\t5\n" },
	{ "but not one that is too far off", "UTC",
		TIMED "sql_history: 1h\nsql_history_roundoff: h\nnfacctd_time_limit: 1\n", undated, 1,
		"2026-10-15 05:00:00\t1\t5\n" },
	{ "local time", "Asia/Kolkata", TIMED "sql_history: 1h\nsql_history_roundoff: h\n", edges,
		4, "2026-10-15 10:00:00\t4\t400\n" },
	{ "UTC on request", "Europe/Berlin",
		TIMED "sql_history: 10m\nsql_history_roundoff: mh\ntimestamps_utc: true\n", edges,
		4, "2026-10-15 04:50:00\t1\t100\n2026-10-15 05:00:00\t3\t300\n" },
};

START_TEST(time_rows)
{
	use_zone(times[_i].zone);
	same_rows(times[_i].name, rows_of(times[_i].flow, times[_i].n, times[_i].conf, "p"),
		times[_i].rows);
}
END_TEST

/*
 * Europe/Berlin left summer time on 2026-10-25 at 01:00 UTC: 02:00 to 03:00
 * local came twice, 1792886400 (00:00 UTC) and 1792890000 are its two starts.
 */
static const struct flow_literal autumn[] = { AT(1792886400000), AT(1792889999000),
	AT(1792890000000), AT(1792893600000) };
/* And entered it on 2026-03-29 at 01:00 UTC, 1774746000: after 01:59:59 came 03:00:00. */
static const struct flow_literal spring[] = { AT(1774742400000), AT(1774745999000),
	AT(1774746000000), AT(1774738800000) };

static const struct {
	const char *name, *history;
	const struct flow_literal *flow;
	const char *rows;
} zones[] = {
	{ "the hour that comes twice is one row", "sql_history: 1h\nsql_history_roundoff: h\n",
		autumn, "2026-10-25 02:00:00\t3\t300\n2026-10-25 03:00:00\t1\t100\n" },
	{ "the hour that does not come is none", "sql_history: 1h\nsql_history_roundoff: h\n",
		spring,
		"2026-03-29 00:00:00\t1\t100\n2026-03-29 01:00:00\t2\t200\n2026-03-29 "
		"03:00:00\t1\t100\n" },
	{ "a day of 25 hours", "sql_history: 1d\nsql_history_roundoff: mh\n", autumn,
		"2026-10-25 00:00:00\t4\t400\n" },
	{ "a day of 23 hours", "sql_history: 1d\nsql_history_roundoff: mh\n", spring,
		"2026-03-29 00:00:00\t4\t400\n" },
	{ "a week, from Monday", "sql_history: 1w\nsql_history_roundoff: w\n", autumn,
		"2026-10-19 00:00:00\t4\t400\n" },
	{ "a month", "sql_history: 1M\nsql_history_roundoff: mhdM\n", autumn,
		"2026-10-01 00:00:00\t4\t400\n" },
	{ "a quarter", "sql_history: 3M\nsql_history_roundoff: M\n", spring,
		"2026-01-01 00:00:00\t4\t400\n" },
};

START_TEST(zone_rows)
{
	struct strbuf conf = { 0 };

	use_zone("Europe/Berlin");
	strbuf_addf(&conf, TIMED "%s", zones[_i].history);
	same_rows(zones[_i].name, rows_of(zones[_i].flow, 4, conf.s, "p"), zones[_i].rows);
	strbuf_clear(&conf);
}
END_TEST

/* Every second of a day, both ends of its bin. */
START_TEST(bins_hold_their_seconds)
{
	static const struct rules_plugin plugins[] = {
		{ .history = { 600, 0 }, .roundoff = (char *)"mh" },
		{ .history = { 86400, 0 }, .roundoff = (char *)"h" },
		{ .history = { 0, 1 }, .roundoff = (char *)"d" },
		{ .history = { 30, 0 } },
		{ .history = { 3600, 0 }, .roundoff = (char *)"h", .history_offset = 120 },
	};

	use_zone("Europe/Berlin");
	for (int64_t t = 1792879200; t < 1792879200 + 90000; t += 97) {
		const struct rules_plugin *p = &plugins[_i];
		int64_t start = bins_start(p, t), end = bins_end(p, t);

		ck_assert_int_le(start, t);
		ck_assert_int_gt(end, t);
		ck_assert_int_eq(bins_start(p, start), start);
		ck_assert_int_eq(bins_start(p, end - 1), start);
		ck_assert_int_eq(bins_start(p, end), end);
	}
}
END_TEST

/* ---- large numbers -------------------------------------------------------------------------- */

START_TEST(sums_beyond_64_bits)
{
	static const struct flow_literal big[] = {
		{ "10.0.0.1", "10.0.0.2", UINT64_MAX, UINT64_MAX, .sampling = 1000, WHEN },
		{ "10.0.0.1", "10.0.0.2", 1, 9223372036854775808u, .sampling = 1, WHEN },
	};

	same_rows("unsigned", ROWS(big, SMALL "aggregate: none\n", "p"),
		  HOUR "18446744073709551616\t27670116110564327423\n");
	same_rows("times 1000",
		ROWS(big, SMALL "aggregate: none\nnfacctd_renormalize: true\n", "p"),
		HOUR "18446744073709551615001\t18455967445746406390808\n");
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct {
	const char *name, *conf, *want;
} refusals[] = {
	{ "a filter that is none", SMALL "aggregate_filter[p]: src nett 10.0.0.0/8\n",
		"aggregate_filter: \"src nett 10.0.0.0/8\"" },
	{ "a list that is none", SMALL "pre_tag_filter[p]: 1,x\n", "pre_tag_filter: \"1,x\"" },
	{ "a map that is not there", SMALL "pre_tag_map: /etc/tags-of-nobody\n",
		"/etc/tags-of-nobody: No such file" },
	{ "preprocessing", SMALL "sql_preprocess: minb=100\n",
		"expect does not model sql_preprocess" },
	{ "seconds", SMALL "nfacctd_time_secs: true\n", "expect does not model nfacctd_time_secs" },
	{ "an unknown primitive", SMALL "aggregate: src_hots\n", "unknown primitive \"src_hots\"" },
	{ "a column that the truth lacks", SMALL "aggregate: src_mac\n",
		"the truth has no column for src_mac" },
	{ "Elements that the truth lacks", SMALL "aggregate: mpls_label_top\n",
		"the truth has no column for mpls_label_top (pcapgen replay --elements writes one)" },
	{ "a primitive above the table's version",
		"plugins: mysql[p]\naggregate: tos\nsql_history: 1h\n"
		"sql_history_roundoff: h\n",
		"tos needs sql_table_version 3" },
	{ "bins that the start decides", TIMED "sql_history: 7m\nsql_history_roundoff: mh\n",
		"start when the collector is started" },
	{ "no round-off", TIMED "sql_history: 1h\n", "start when the collector is started" },
	{ "no plugins", "aggregate: none\n", "no plugins: line" },
	{ "another plugin", "plugins: mysql[q]\n", "no plugin is called \"p\"" },
	{ "a missing colon", SMALL "daemonize true\n", "daemonize true" },
	{ "a missing networks file", SMALL "aggregate: src_host\nnetworks_file: /nonexistent/n\n",
		"/nonexistent/n" },
};

START_TEST(refused)
{
	char *got = ROWS(mixed, refusals[_i].conf, "p");

	ck_assert_msg(strstr(got, refusals[_i].want) != NULL, "%s: want %s, got %s",
		refusals[_i].name, refusals[_i].want, got);
	free(got);
}
END_TEST

/* Keys that do not change rows, keys of another plugin and harmless values pass. */
START_TEST(passed_over)
{
	same_rows("ignored",
		ROWS(mixed,
			"plugins: sqlite3[p], mysql[q]\naggregate: none\nsql_history: 1h\n"
			"sql_history_roundoff: h\nsql_optimize_clauses: true\ndaemonize: "
			"true\nnonsense: x\n"
			"aggregate_filter[q]: tcp\nnfacctd_time_secs: false\nplugin_buffer_size: "
			"1024000\n",
			"p"),
		HOUR "7\t557\n");
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

Suite *suite_expect(void)
{
	Suite *s = suite_create("expect");
	TCase *t = tcase_create("rows");

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_loop_test(t, tutorial_rows, 0, COUNT(tutorials));
	tcase_add_loop_test(t, case_rows, 0, COUNT(cases));
	tcase_add_test(t, resolving_files);
	tcase_add_loop_test(t, element_rows, 0, COUNT(elements));
	tcase_add_loop_test(t, marking_files, 0, MARKING);
	tcase_add_loop_test(t, time_rows, 0, COUNT(times));
	tcase_add_loop_test(t, zone_rows, 0, COUNT(zones));
	tcase_add_loop_test(t, bins_hold_their_seconds, 0, 5);
	tcase_add_test(t, sums_beyond_64_bits);
	tcase_add_loop_test(t, refused, 0, COUNT(refusals));
	tcase_add_test(t, passed_over);
	suite_add_tcase(s, t);
	return s;
}
