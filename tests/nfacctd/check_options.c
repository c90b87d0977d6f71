/*
 * check_options.c - records that are no traffic: options data and events, as rows, as conditions
 * of maps, and counted.  Rows as pmacct 1.7.7 writes them, but for an address that nobody told,
 * which is 0.0.0.0 here and nothing there.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "tests/nfacctd/feeding.h"

Suite *suite_options(void);

/* IPFIX Sets. */
#define FLOWS "00020024 0100 0007 0008 0004 000c 0004 0001 0008 0002 0008 0004 0001 0007 0002 000b 0002"
#define NATS "00020018 0104 0004 0008 0004 000c 0004 00e6 0001 0004 0001"
/* interface; exportedMessageTotalCount, exportedFlowRecordTotalCount: octets, packets */
#define TOTALS "00030016 0101 0003 0001 000a 0004 0029 0008 002a 0008"
#define COUNTING "00030016 0102 0003 0001 000a 0004 0001 0008 0002 0008"
#define FLOW "01000021 0a010001 0a020002 00000000000003e8 000000000000000a 06 04d2 0050"
#define FLOW_PADDED(x) \
	"01000024 0a010001 0a020002 00000000000003e8 000000000000000a 06 04d2 0050 " x
#define NAT "0104000e 0a010009 0a020009 04 06"
#define TOTAL "01010018 00000005 000000000000006f 00000000000000de"
#define COUNTED "01020018 00000005 0000000000000309 0000000000000007"
/* a template with a text of any length: source, text, octets; "abc" and padding */
#define TEXTS "00020014 0105 0003 0008 0004 0052 ffff 0001 0004"
#define TEXT_PADDED(x) "01050012 0a010007 03 616263 00000064 " x

/* A sampler, 3, of interface 11: one in 100; and a flow that it sampled. */
#define SAMPLER "00030016 0103 0003 0001 000a 0004 0030 0001 0022 0004 0103000d 0000000b 03 00000064"
#define SAMPLED "00020018 0106 0004 0008 0004 0001 0008 0002 0008 0030 0001 " \
	"01060019 0a010001 00000000000003e8 000000000000000a 03"
#define SCALED "aggregate: src_host\nnfacctd_renormalize: true\n"

#define EVENTS "aggregate: src_host,in_iface,nat_event,tag\n"
#define MAP "set_tag=1 sample_type=flow\nset_tag=2 sample_type=option\nset_tag=3 sample_type=event\n"

static const struct {
	const char *what, *conf, *map, *sets, *rows;
	uint64_t events, options, padding;
} cases[] = {
	{ "options data is for us only", "aggregate: in_iface,msgs,recs\n", "", TOTALS TOTAL,
		"", 0, 0, 0 },
	{ "asked for, it makes rows", "aggregate: in_iface,msgs,recs\nnfacctd_account_options: true\n",
		"", TOTALS TOTAL FLOWS FLOW,
		"IN_IFACE,msgs,recs,PACKETS,BYTES\n0,0,0,10,1000\n5,111,222,0,0\n", 0, 1, 0 },
	{ "maps tell the three apart", EVENTS "nfacctd_account_options: true\n", MAP,
		FLOWS NATS COUNTING FLOW NAT COUNTED,
		"TAG,IN_IFACE,SRC_IP,NAT_EVENT,PACKETS,BYTES\n1,0,10.1.0.1,0,10,1000\n"
		"2,5,0.0.0.0,0,7,777\n3,0,10.1.0.9,4,0,0\n", 1, 1, 0 },
	{ "what is multiplied, is", "aggregate: src_host\nnfacctd_account_options: true\n"
		"nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 10\n", "",
		FLOWS COUNTING FLOW COUNTED,
		"SRC_IP,PACKETS,BYTES\n0.0.0.0,70,7770\n10.1.0.1,100,10000\n", 0, 1, 0 },
	{ "events where they are asked for", EVENTS, MAP, FLOWS NATS COUNTING FLOW NAT COUNTED,
		"TAG,IN_IFACE,SRC_IP,NAT_EVENT,PACKETS,BYTES\n1,0,10.1.0.1,0,10,1000\n"
		"3,0,10.1.0.9,4,0,0\n", 1, 0, 0 },
	{ "events with other primitives are counted", "aggregate: src_host\n", "", FLOWS NATS FLOW NAT,
		"SRC_IP,PACKETS,BYTES\n10.1.0.1,10,1000\n", 1, 0, 0 },
	{ "unless a key says so", "aggregate: src_host\naccount_events: true\n", "",
		FLOWS NATS FLOW NAT, "SRC_IP,PACKETS,BYTES\n10.1.0.1,10,1000\n10.1.0.9,0,0\n", 1, 0, 0 },
	{ "or says no", "aggregate: src_host,nat_event\naccount_events: false\n", "",
		FLOWS NATS FLOW NAT, "SRC_IP,NAT_EVENT,PACKETS,BYTES\n10.1.0.1,0,10,1000\n", 1, 0, 0 },
	{ "a filter sees events", "plugins: print[x]\naggregate: src_host,nat_event\n"
		"aggregate_filter[x]: host 10.1.0.1\n", "", FLOWS NATS FLOW NAT,
		"SRC_IP,NAT_EVENT,PACKETS,BYTES\n10.1.0.1,0,10,1000\n", 1, 0, 0 },
	{ "an output of events has them", "aggregate: src_host\nprint_output: event_csv\n", "",
		FLOWS NATS FLOW NAT, "SRC_IP\n10.1.0.1\n10.1.0.9\n", 1, 0, 0 },
	{ "by the Set's ID", "aggregate: src_host,nat_event,tag\n",
		"set_tag=8 flowset_id=-256\nset_tag=9 flowset_id=256\n", FLOWS NATS FLOW NAT,
		"TAG,SRC_IP,NAT_EVENT,PACKETS,BYTES\n8,10.1.0.9,4,0,0\n9,10.1.0.1,0,10,1000\n", 1, 0, 0 },
	{ "padding of anything", "aggregate: src_host\n", "", FLOWS FLOW_PADDED("010203"),
		"SRC_IP,PACKETS,BYTES\n10.1.0.1,10,1000\n", 0, 0, 0 },
	{ "padding is zeros, when that is checked",
		"aggregate: src_host\nnfacctd_pre_processing_checks: true\n", "",
		FLOWS FLOW_PADDED("000001") FLOW FLOW_PADDED("000000"),
		"SRC_IP,PACKETS,BYTES\n10.1.0.1,20,2000\n", 0, 0, 1 },
	{ "behind records of any length too",
		"aggregate: src_host\nnfacctd_pre_processing_checks: true\n", "",
		TEXTS TEXT_PADDED("0000") TEXT_PADDED("0001"),
		"SRC_IP,PACKETS,BYTES\n10.1.0.7,0,100\n", 0, 0, 1 },
	{ "a sampler is its domain's", SCALED, "", SAMPLER SAMPLED,
		"SRC_IP,PACKETS,BYTES\n10.1.0.1,1000,100000\n", 0, 0, 0 },
	{ "not another's", SCALED, "", SAMPLER "|" SAMPLED,
		"SRC_IP,PACKETS,BYTES\n10.1.0.1,10,1000\n", 0, 0, 0 },
	{ "unless scopes are not checked", SCALED "nfacctd_disable_opt_scope_check: true\n", "",
		SAMPLER "|" SAMPLED, "SRC_IP,PACKETS,BYTES\n10.1.0.1,1000,100000\n", 0, 0, 0 },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static char dir[64], out[96];

static void write_file(const char *name, const char *text)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* A message of each part between bars, each of a domain of its own. */
static void feed_sets(const char *hex, unsigned domain)
{
	uint8_t buf[512], *p = buf + 16, *head = buf;
	const char *end = hex + strcspn(hex, "|");

	for (unsigned v; hex < end; hex += *hex == ' ' ? 1 : 2)
		if (*hex != ' ') {
			ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
			*p++ = (uint8_t)v;
		}
	put(&head, 10, 2), put(&head, (uint64_t)(p - buf), 2), put(&head, NOW, 4);
	put(&head, 0, 4), put(&head, domain, 4);
	feed(buf, (size_t)(p - buf), A, NOW);
	if (*end)
		feed_sets(end + 1, domain + 1);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The head, then the rows in the order of their text. */
static const char *sorted_rows(void)
{
	static char text[2048], sorted[2048];
	char *row[16] = { NULL }, *save;
	size_t n = 0;
	FILE *f = fopen(out, "r");

	sorted[0] = '\0';
	if (!f)
		return sorted;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (char *l = strtok_r(text, "\n", &save); l && n < 16; l = strtok_r(NULL, "\n", &save))
		row[n++] = l;
	if (n)
		qsort(row + 1, n - 1, sizeof(row[0]), by_text);
	for (size_t i = 0; i < n; i++)
		strcat(strcat(sorted, row[i]), "\n");
	return sorted;
}

static void make_files(const char *map)
{
	strcpy(dir, "/tmp/check-options-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(out, sizeof(out), "%s/out", dir);
	write_file("own", "name=msgs field_type=41 len=8 semantics=u_int\n"
			  "name=recs field_type=42 len=8 semantics=u_int\n");
	write_file("map", map);
}

static void remove_files(void)
{
	static const char *const names[] = { "own", "map", "out" };
	char path[96];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

START_TEST(makes_rows)
{
	char conf[1024];

	make_files(cases[_i].map);
	snprintf(conf, sizeof(conf),
		"%s%s%saggregate_primitives: %s/own\nprint_output_file: %s\nprint_write_empty_file: "
		"true\n%s%s%s\n",
		strstr(cases[_i].conf, "plugins:") ? "" : "plugins: print\n",
		strstr(cases[_i].conf, "print_output:") ? "" : "print_output: csv\n", cases[_i].conf,
		dir, out, *cases[_i].map ? "pre_tag_map: " : "", *cases[_i].map ? dir : "",
		*cases[_i].map ? "/map" : "");
	start_with(conf, sink_find);
	open_sinks();
	feed_sets(cases[_i].sets, 7);
	ck_assert_int_eq(engine_stop(engine), 0);
	ck_assert_msg(strcmp(sorted_rows(), cases[_i].rows) == 0, "%s:\n%s", cases[_i].what,
		sorted_rows());
	ck_assert_uint_eq(stat_of("records_events"), cases[_i].events);
	ck_assert_uint_eq(stat_of("records_options"), cases[_i].options);
	ck_assert_uint_eq(stat_of("damaged{cause=\"padding\"}"), cases[_i].padding);
	free_all();
	remove_files();
}
END_TEST

Suite *suite_options(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("options");

	tcase_add_loop_test(t, makes_rows, 0, CASES);
	suite_add_tcase(s, t);
	return s;
}
