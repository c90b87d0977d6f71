/*
 * check_print.c - the print sink: names, order and form as pmacct 1.7.7 printed
 * them (the literals are its output for the same flow), files that are whole or
 * not there, and what happens when they cannot be written.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <signal.h>
#include "tests/nfacctd/sink_fixture.h"

static char dir[64];

static void set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/flowledger-print-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *in_dir(const char *name)
{
	static char path[4][512];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(path[at], sizeof(path[at]), "%s/%s", dir, name);
	return path[at];
}

static const char *file_text(const char *name)
{
	static char text[65536];
	FILE *f = fopen(in_dir(name), "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	else
		strcpy(text, "(no file)");
	return text;
}

static const char flow[] =
	"src_host,dst_host,proto,src_port,dst_port,tcpflags,src_mac,vlan,etype,tos,in_iface,"
	"src_net,src_mask,peer_src_ip,tag,class,flows,sampling_rate,sampling_direction,timestamp_"
	"start,src_as,"
	"export_proto_seqno,peer_dst_ip";

/* The record of IPFIX-gen-softflowd.pcap whose line the reference printed. */
static void flow_row(struct fixture *f)
{
	uint8_t *key = fix_row(f, 1795418400, 12, 2324);

	fix_addr(f, key, PRIM_ID_src_host, "10.0.2.15");
	fix_addr(f, key, PRIM_ID_dst_host, "192.150.187.43");
	fix_addr(f, key, PRIM_ID_peer_src_ip, "192.0.2.201");
	fix_number(f, key, PRIM_ID_proto, 6);
	fix_number(f, key, PRIM_ID_src_port, 49282);
	fix_number(f, key, PRIM_ID_dst_port, 80);
	fix_number(f, key, PRIM_ID_etype, 0x800);
	fix_number(f, key, PRIM_ID_sampling_rate, 1);
	fix_number(f, key, PRIM_ID_timestamp_start, UINT64_C(1795418425000000));
	fix_number(f, key, PRIM_ID_export_proto_seqno, 12);
	f->rows[f->purge.nrows - 1].sums.tcp_flags = 27;
	f->purge.now = 1795424491;
}

static enum sink_result put(struct fixture *f, void *s)
{
	return sink_find("print")->write(s, &f->purge);
}

static const struct {
	enum print_format format;
	const char *separator;
	bool epoch, numeric;
	const char *want;
} forms[] = {
	{ PRINT_CSV, NULL, false, false,
		"TAG,CLASS,SRC_MAC,VLAN,ETYPE,SRC_AS,PEER_SRC_IP,PEER_DST_IP,IN_IFACE,SRC_IP,SRC_"
		"NET,DST_IP,"
		"SRC_MASK,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,TOS,SAMPLING_RATE,SAMPLING_"
		"DIRECTION,TIMESTAMP_START,"
		"EXPORT_PROTO_SEQNO,PACKETS,FLOWS,BYTES\n"
		"0,unknown,00:00:00:00:00:00,0,800,0,192.0.2.201,,0,10.0.2.15,0.0.0.0,192.150.187."
		"43,0,49282,80,27,tcp,0,1,i,"
		"2026-11-23 07:20:25.000000,12,12,1,2324\n" },
	{ PRINT_EVENT_CSV, "\\s", false, true,
		"TAG CLASS SRC_MAC VLAN ETYPE SRC_AS PEER_SRC_IP PEER_DST_IP IN_IFACE SRC_IP "
		"SRC_NET DST_IP SRC_MASK SRC_PORT DST_PORT TCP_FLAGS PROTOCOL TOS SAMPLING_RATE "
		"SAMPLING_DIRECTION TIMESTAMP_START EXPORT_PROTO_SEQNO\n"
		"0 unknown 00:00:00:00:00:00 0 800 0 192.0.2.201  0 10.0.2.15 0.0.0.0 "
		"192.150.187.43 0 49282 80 27 6 0 1 i "
		"\"2026-11-23 07:20:25.000000\" 12\n" },
	{ PRINT_JSON, NULL, false, false,
		"{\"event_type\": \"purge\", \"tag\": 0, \"class\": \"unknown\", \"mac_src\": "
		"\"00:00:00:00:00:00\", \"vlan\": 0, \"etype\": \"800\", \"as_src\": 0, "
		"\"peer_ip_src\": \"192.0.2.201\", \"peer_ip_dst\": \"\", "
		"\"iface_in\": 0, \"ip_src\": \"10.0.2.15\", \"net_src\": \"0.0.0.0\", \"ip_dst\": "
		"\"192.150.187.43\", "
		"\"mask_src\": 0, \"port_src\": 49282, \"port_dst\": 80, \"tcp_flags\": \"27\", "
		"\"ip_proto\": \"tcp\", \"tos\": "
		"0, \"sampling_rate\": 1, \"sampling_direction\": \"i\", \"timestamp_start\": "
		"\"2026-11-23 07:20:25.000000\", "
		"\"export_proto_seqno\": 12, \"stamp_inserted\": \"2026-11-23 07:20:00\", "
		"\"stamp_updated\": "
		"\"2026-11-23 09:01:31\", \"flows\": 1, \"packets\": 12, \"bytes\": 2324}\n" },
	{ PRINT_CSV, "\\t", true, true,
		"TAG\tCLASS\tSRC_MAC\tVLAN\tETYPE\tSRC_AS\tPEER_SRC_IP\tPEER_DST_IP\tIN_IFACE\tSRC_"
		"IP\tSRC_NET\t"
		"DST_IP\tSRC_MASK\tSRC_PORT\tDST_PORT\tTCP_FLAGS\tPROTOCOL\tTOS\tSAMPLING_"
		"RATE\tSAMPLING_DIRECTION\t"
		"TIMESTAMP_START\tEXPORT_PROTO_SEQNO\tPACKETS\tFLOWS\tBYTES\n"
		"0\tunknown\t00:00:00:00:00:00\t0\t800\t0\t192.0.2.201\t\t0\t10.0.2.15\t0.0.0."
		"0\t192.150.187.43\t0\t49282\t80\t27\t6"
		"\t0\t1\ti\t1795418425.000000\t12\t12\t1\t2324\n" },
};

START_TEST(as_the_reference)
{
	struct fixture *f = fix_new(flow, 1);
	void *s;

	f->p.print_output = forms[_i].format;
	f->p.print_separator = (char *)forms[_i].separator;
	f->p.timestamps_since_epoch = forms[_i].epoch;
	f->p.num_protos = forms[_i].numeric;
	f->p.print_output_file = (char *)in_dir("out");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	ck_assert_ptr_nonnull(s);
	flow_row(f);
	ck_assert_int_eq(put(f, s), SINK_OK);
	ck_assert_msg(strcmp(file_text("out"), forms[_i].want) == 0, "got %s\nwant %s",
		file_text("out"), forms[_i].want);
	ck_assert_uint_eq(sink_find("print")->counts(s)->rows, 1);
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

/* Columns: the reference's header positions and row, for primitives whose widths are fixed. */
START_TEST(formatted)
{
	struct fixture *f = fix_new("src_host, proto", 1);
	void *s;

	f->p.print_output_file = (char *)in_dir("out");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	fix_addr(f, fix_row(f, 0, 12, UINT64_MAX), PRIM_ID_src_host, "2001:db8::1");
	fix_number(f, f->keys[0], PRIM_ID_proto, 17);
	ck_assert_int_eq(put(f, s), SINK_OK);
	ck_assert_str_eq(file_text("out"),
		"SRC_IP                                         PROTOCOL    PACKETS               "
		"BYTES\n"
		"2001:db8::1                                    udp         12                    "
		"18446744073709551615\n");
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

START_TEST(appended_with_markers)
{
	struct fixture *f = fix_new("src_host", 1);
	char want[512];
	void *s;

	f->p.print_output = PRINT_CSV;
	f->p.print_append = f->p.print_markers = true;
	f->p.print_output_file = (char *)in_dir("a/b/out");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	for (int i = 0; i < 2; i++) {
		fix_next(f);
		fix_row(f, 0, 1, 10);
		ck_assert_int_eq(put(f, s), SINK_OK);
	}
	snprintf(want, sizeof(want),
		"--START (%d)--\nSRC_IP,PACKETS,BYTES\n0.0.0.0,1,10\n--END (%d)--\n"
		"--START (%d)--\n0.0.0.0,1,10\n--END (%d)--\n",
		getpid(), getpid(), getpid(), getpid());
	ck_assert_str_eq(file_text("a/b/out"), want);
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

/* A plain name holds the last purge; a name of a bin that comes again holds all of them. */
START_TEST(names)
{
	struct fixture *f = fix_new("peer_src_ip", 1);
	char target[512] = "";
	void *s;

	f->p.print_output = PRINT_CSV;
	f->p.print_output_file = (char *)in_dir("$peer_src_ip/%Y%m%d-%H%M.csv");
	f->p.print_latest_file = (char *)in_dir("latest");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	for (int i = 0; i < 2; i++) {
		fix_next(f);
		fix_addr(f, fix_row(f, 1699999800, 1, 10), PRIM_ID_peer_src_ip, "10.0.0.1");
		fix_addr(f, fix_row(f, 1699999800, 1, 20), PRIM_ID_peer_src_ip, "2001:db8::1");
		fix_addr(f, fix_row(f, 1700000400, 1, 30), PRIM_ID_peer_src_ip, "10.0.0.1");
		ck_assert_int_eq(put(f, s), SINK_OK);
	}
	ck_assert_str_eq(file_text("10_0_0_1/20231114-2210.csv"),
		"PEER_SRC_IP,PACKETS,BYTES\n10.0.0.1,1,10\n10.0.0.1,1,10\n");
	ck_assert_str_eq(file_text("2001_db8__1/20231114-2210.csv"),
			 "PEER_SRC_IP,PACKETS,BYTES\n2001:db8::1,1,20\n2001:db8::1,1,20\n");
	ck_assert_str_eq(file_text("10_0_0_1/20231114-2220.csv"),
		"PEER_SRC_IP,PACKETS,BYTES\n10.0.0.1,1,30\n10.0.0.1,1,30\n");
	ck_assert_int_gt(readlink(in_dir("latest"), target, sizeof(target) - 1), 0);
	ck_assert_str_eq(target, in_dir("2001_db8__1/20231114-2210.csv"));
	sink_find("print")->close(s);

	f->p.print_output_file = (char *)in_dir("plain");
	f->p.print_latest_file = NULL;
	fix_forget_log(f);
	s = sink_find("print")->open(&f->p, &f->l, 1);
	ck_assert(fix_logged(f, "each purge replaces this file"));
	for (int i = 0; i < 2; i++) {
		fix_next(f);
		fix_addr(f, fix_row(f, 0, 1, 10 + (uint64_t)i), PRIM_ID_peer_src_ip, "10.0.0.1");
		ck_assert_int_eq(put(f, s), SINK_OK);
	}
	ck_assert_str_eq(file_text("plain"), "PEER_SRC_IP,PACKETS,BYTES\n10.0.0.1,1,11\n");
	/* Two that came early, for memory, belong to the one at the deadline behind them. */
	for (int i = 0; i < 4; i++) {
		fix_next(f);
		f->purge.early = i < 2;
		fix_addr(f, fix_row(f, 0, 1, 20 + (uint64_t)i), PRIM_ID_peer_src_ip, "10.0.0.1");
		ck_assert_int_eq(put(f, s), SINK_OK);
		if (i == 2)
			ck_assert_str_eq(file_text("plain"), "PEER_SRC_IP,PACKETS,BYTES\n"
				"10.0.0.1,1,20\n10.0.0.1,1,21\n10.0.0.1,1,22\n");
	}
	ck_assert_str_eq(file_text("plain"), "PEER_SRC_IP,PACKETS,BYTES\n10.0.0.1,1,23\n");
	sink_find("print")->close(s);

	/* The purges of a capture are one output: by its clock there may be many of them. */
	f->p.capture = true;
	f->purge.early = false;
	s = sink_find("print")->open(&f->p, &f->l, 1);
	for (int i = 0; i < 2; i++) {
		fix_next(f);
		fix_addr(f, fix_row(f, 0, 1, 30 + (uint64_t)i), PRIM_ID_peer_src_ip, "10.0.0.1");
		ck_assert_int_eq(put(f, s), SINK_OK);
	}
	ck_assert_str_eq(file_text("plain"),
		"PEER_SRC_IP,PACKETS,BYTES\n10.0.0.1,1,30\n10.0.0.1,1,31\n");
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(in_dir(name), &st) == 0 ? st.st_size : -1;
}

/* The file may not grow: nothing of the purge is left in it, and later all of it is. */
START_TEST(disk_full)
{
	struct fixture *f = fix_new("src_host", 1);
	struct rlimit before, small = { 20000, RLIM_INFINITY };
	bool append = _i == 1;
	void *s;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	f->p.print_output = PRINT_CSV;
	f->p.print_append = append;
	f->p.print_output_file = (char *)in_dir("out");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	fix_row(f, 0, 1, 10);
	ck_assert_int_eq(put(f, s), SINK_OK);
	ck_assert_int_eq(size_of("out"), 34);
	fix_next(f);
	for (unsigned i = 0; i < 8000; i++)
		fix_row(f, 0, i, 1);
	small.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(put(f, s), SINK_RETRY);
	ck_assert_int_eq(put(f, s), SINK_RETRY);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(size_of("out"), 34);
	ck_assert_int_eq(size_of(".out.part"), -1);
	ck_assert_msg(
		fix_logged(f,
			"\" cannot be written; 8000 rows are kept and tried again: File too large"),
		"%s", f->log);
	ck_assert_int_eq(put(f, s), SINK_OK);
	/* "0.0.0.0," 8, digits of 0..7999, ",1\n" 3; the head is 21 */
	ck_assert_int_eq(
		size_of("out"), (append ? 34 : 21) + 8000 * 11 + 10 + 90 * 2 + 900 * 3 + 7000 * 4);
	ck_assert_uint_eq(sink_find("print")->counts(s)->rows, 8001);
	ck_assert_uint_eq(sink_find("print")->counts(s)->retries, 2);
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

START_TEST(empty_files)
{
	struct fixture *f = fix_new("src_host", 1);
	void *s;

	f->p.print_output = PRINT_CSV;
	f->p.print_output_file = (char *)in_dir("out");
	f->p.print_write_empty_file = _i == 1;
	s = sink_find("print")->open(&f->p, &f->l, 1);
	ck_assert_int_eq(put(f, s), SINK_OK);
	ck_assert_str_eq(file_text("out"), _i == 1 ? "SRC_IP,PACKETS,BYTES\n" : "(no file)");
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

/* Of a capture the end is the only purge: sfacctd 1.7.7 makes the file then, too. */
START_TEST(empty_file_of_a_capture)
{
	struct fixture *f = fix_new("src_host", 1);
	void *s;

	f->p.print_output = PRINT_CSV;
	f->p.print_output_file = (char *)in_dir("out");
	f->p.print_write_empty_file = true;
	f->p.capture = _i == 0;
	f->purge.last = true;
	s = sink_find("print")->open(&f->p, &f->l, 1);
	ck_assert_int_eq(put(f, s), SINK_OK);
	/* A daemon that stops leaves the file of the last purge alone. */
	ck_assert_str_eq(file_text("out"), _i == 0 ? "SRC_IP,PACKETS,BYTES\n" : "(no file)");
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

/* A FIFO that nobody reads: not now, and no hang. */
START_TEST(fifo_without_reader)
{
	struct fixture *f = fix_new("src_host", 1);
	char got[64] = "";
	int fd;
	void *s;

	ck_assert_int_eq(mkfifo(in_dir("pipe"), 0600), 0);
	f->p.print_output = PRINT_CSV;
	f->p.print_output_file = (char *)in_dir("pipe");
	s = sink_find("print")->open(&f->p, &f->l, 1);
	fix_row(f, 0, 1, 10);
	ck_assert_int_eq(put(f, s), SINK_RETRY);
	fd = open(in_dir("pipe"), O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(put(f, s), SINK_OK);
	ck_assert_int_eq(read(fd, got, sizeof(got) - 1), 34);
	ck_assert_str_eq(got, "SRC_IP,PACKETS,BYTES\n0.0.0.0,1,10\n");
	close(fd);
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

START_TEST(salvaged)
{
	struct fixture *f = fix_new("src_host", 1);
	void *s;

	f->p.print_output = PRINT_CSV;
	f->p.print_output_file = (char *)"/proc/nowhere/out";
	f->p.sql_recovery_logfile = (char *)in_dir("saved");
	s = sink_find("print")->open(&f->p, &f->l, 9);
	fix_row(f, 0, 1, 10);
	ck_assert_int_eq(put(f, s), SINK_RETRY);
	ck_assert_int_eq(sink_find("print")->salvage(s, &f->purge), 0);
	ck_assert_str_eq(file_text("saved.t.9.1.txt"), "SRC_IP,PACKETS,BYTES\n0.0.0.0,1,10\n");
	sink_find("print")->close(s);
	fix_free(f);
}
END_TEST

Suite *suite_print(void);
Suite *suite_print(void)
{
	Suite *s = suite_create("print");
	TCase *t = tcase_create("print");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, as_the_reference, 0, sizeof(forms) / sizeof(forms[0]));
	tcase_add_test(t, formatted);
	tcase_add_test(t, appended_with_markers);
	tcase_add_test(t, names);
	tcase_add_loop_test(t, disk_full, 0, 2);
	tcase_add_loop_test(t, empty_files, 0, 2);
	tcase_add_loop_test(t, empty_file_of_a_capture, 0, 2);
	tcase_add_test(t, fifo_without_reader);
	tcase_add_test(t, salvaged);
	suite_add_tcase(s, t);
	return s;
}
