/*
 * check_memory.c - questions of pmacct(1): the request's two halves, answers from
 * rows, the memory sink behind its socket.  What is printed is what pmacct 1.7.7
 * printed for the same three flows (observed; the order of rows is the table's).
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/imt.h"
#include "nfacctd/imt_query.h"
#include "tests/nfacctd/sink_fixture.h"

#define FIVE "src_host,dst_host,src_port,dst_port,proto"
#define HEAD5 "SRC_IP                                         DST_IP                                         " \
	"SRC_PORT  DST_PORT  PROTOCOL    PACKETS               BYTES\n"
#define ROW1 "10.0.0.1                                       192.0.2.9                                      " \
	"0         0         udp         10                    1000\n"
#define ROW2 "10.0.0.2                                       192.0.2.9                                      " \
	"0         0         udp         5                     5000\n"
#define ROW3 "10.0.0.1                                       198.51.100.77                                  " \
	"0         0         udp         1                     40\n"

static void three_rows(struct fixture *f)
{
	static const struct { const char *src, *dst; uint64_t packets, octets, in; } rows[] = {
		{ "10.0.0.1", "192.0.2.9", 10, 1000, 1 }, { "10.0.0.2", "192.0.2.9", 5, 5000, 1 },
		{ "10.0.0.1", "198.51.100.77", 1, 40, 3 },
	};

	for (size_t i = 0; i < 3; i++) {
		uint8_t *key = fix_row(f, 0, rows[i].packets, rows[i].octets);

		fix_addr(f, key, PRIM_ID_src_host, rows[i].src);
		if (key_layout_find(&f->l, PRIM_ID_dst_host))
			fix_addr(f, key, PRIM_ID_dst_host, rows[i].dst);
		if (key_layout_find(&f->l, PRIM_ID_proto))
			fix_number(f, key, PRIM_ID_proto, 17);
		if (key_layout_find(&f->l, PRIM_ID_in_iface))
			fix_number(f, key, PRIM_ID_in_iface, rows[i].in);
		if (key_layout_find(&f->l, PRIM_ID_timestamp_export))
			fix_number(f, key, PRIM_ID_timestamp_export, 1767614405000000);
	}
}

/* A question as a client would put it, over the wire format. */
static struct imt_request question(const char *text)
{
	struct imt_request q;
	const char *why;

	ck_assert_msg(imt_request_read(&q, text, strlen(text), &why), "%s: %s", text, why);
	return q;
}

static const struct {
	const char *aggregate, *question, *want, *why;
} answers[] = {
	{ FIVE, "ask stats\n\n", HEAD5 ROW1 ROW2 ROW3 "\nFor a total of: 3 entries\n", NULL },
	{ FIVE, "ask stats\noutput csv\n\n",
		"SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,PACKETS,BYTES\n"
		"10.0.0.1,192.0.2.9,0,0,udp,10,1000\n10.0.0.2,192.0.2.9,0,0,udp,5,5000\n"
		"10.0.0.1,198.51.100.77,0,0,udp,1,40\n",
		NULL },
	{ FIVE, "ask stats\noutput json\n\n",
		"{\"ip_src\": \"10.0.0.1\", \"ip_dst\": \"192.0.2.9\", \"port_src\": 0, "
		"\"port_dst\": 0, \"ip_proto\": \"udp\", \"packets\": 10, \"bytes\": 1000}\n"
		"{\"ip_src\": \"10.0.0.2\", \"ip_dst\": \"192.0.2.9\", \"port_src\": 0, "
		"\"port_dst\": 0, \"ip_proto\": \"udp\", \"packets\": 5, \"bytes\": 5000}\n"
		"{\"ip_src\": \"10.0.0.1\", \"ip_dst\": \"198.51.100.77\", \"port_src\": 0, "
		"\"port_dst\": 0, \"ip_proto\": \"udp\", \"packets\": 1, \"bytes\": 40}\n",
		NULL },
	{ FIVE, "ask stats\ntop bytes\nrows 0\n\n",
		HEAD5 ROW2 ROW1 ROW3 "\nFor a total of: 3 entries\n", NULL },
	{ FIVE, "ask stats\ntop packets\nrows 1\n\n", HEAD5 ROW1 "\nFor a total of: 1 entries\n",
		NULL },
	{ FIVE, "ask match\ncolumns src_host\ntuple 10.0.0.1\n\n",
		HEAD5 ROW1 ROW3 "\nFor a total of: 2 entries\n", NULL },
	{ FIVE, "ask match\ncolumns src_host\ntuple 10.9.9.9\n\n",
		HEAD5 "\nFor a total of: 0 entries\n", NULL },
	{ FIVE, "ask count\ncolumns src_host\ntuple 10.0.0.1\ntuple 10.0.0.2\n\n", "1040\n5000\n",
		NULL },
	{ FIVE, "ask count\nflag sum\ncolumns src_host\ntuple 10.0.0.1\ntuple 10.0.0.2\n\n",
		"6040\n", NULL },
	{ FIVE, "ask count\ncounter all\ncolumns src_host\ntuple 10.0.0.1\n\n", "11 1040 0 2\n",
		NULL },
	{ FIVE, "ask count\ncounter packets\ncolumns src_host\ntuple ::ffff:10.0.0.1\n\n", "11\n",
		NULL },
	{ FIVE, "ask count\ncolumns " FIVE "\ntuple 10.0.0.1,192.0.2.9,0,0,tcp\n\n", "0\n", NULL },
	{ FIVE, "ask count\ncolumns dst_host,proto\ntuple 192.0.2.9,17\n\n", "6000\n", NULL },
	{ FIVE, "ask stats\noutput csv\nflag num_protos\nseparator ;\ntop packets\nrows 1\n\n",
		"SRC_IP;DST_IP;SRC_PORT;DST_PORT;PROTOCOL;PACKETS;BYTES\n10.0.0.1;192.0.2.9;0;0;17;"
		"10;1000\n",
		NULL },
	{ "src_host,flows,tcpflags,tos,in_iface", "ask stats\n\n",
		"IN_IFACE    SRC_IP                                         TCP_FLAGS  TOS    "
		"PACKETS               FLOWS"
		"                 BYTES\n"
		"1           10.0.0.1                                       0          0      10   "
		"                 1                     1000\n"
		"1           10.0.0.2                                       0          0      5    "
		"                 1                     5000\n"
		"3           10.0.0.1                                       0          0      1    "
		"                 1                     40\n\nFor a total of: 3 entries\n",
		NULL },
	{ "src_host,flows,in_iface", "ask match\noutput json\ncolumns in_iface\ntuple 3\n\n",
		"{\"iface_in\": 3, \"ip_src\": \"10.0.0.1\", \"packets\": 1, \"flows\": 1, "
		"\"bytes\": 40}\n",
		NULL },
	{ "src_host,flows", "ask count\ncounter all\ncolumns src_host\ntuple 10.0.0.1\n\n",
		"11 1040 2 2\n", NULL },
	{ "sum_host", "ask count\ncolumns sum_host\ntuple 10.0.0.2\n\n", "5000\n", NULL },
	{ "src_host,timestamp_export", "ask match\noutput csv\nflag utc\ncolumns src_host\ntuple 10.0.0.2\n\n",
		"SRC_IP,TIMESTAMP_EXPORT,PACKETS,BYTES\n10.0.0.2,2026-01-05T12:00:05.000000Z,5,5000\n", NULL },
	{ "src_host,timestamp_export",
		"ask match\noutput csv\nflag epoch\ncolumns src_host\ntuple 10.0.0.2\n\n",
		"SRC_IP,TIMESTAMP_EXPORT,PACKETS,BYTES\n10.0.0.2,1767614405.000000,5,5000\n", NULL },
	/* a column that the table does not have holds 0 in every row */
	{ FIVE, "ask count\ncolumns src_host,tos\ntuple 10.0.0.1,0\n\n", "1040\n", NULL },
	{ FIVE, "ask count\ncolumns src_net\ntuple 0.0.0.0\n\n", "6040\n", NULL },
	{ FIVE, "ask count\ncolumns nonsense\ntuple 1\n\n", NULL, "unknown primitive 'nonsense'" },
	{ "src_host", "ask stats\noutput csv\nflag all\ntop bytes\nrows 1\n\n",
		"TAG,TAG2,LABEL,CLASS,IN_IFACE,OUT_IFACE,SRC_MAC,DST_MAC,VLAN,IN_VLAN,OUT_VLAN,COS,ETYPE,"
		"SRC_AS,DST_AS,PEER_SRC_AS,PEER_DST_AS,PEER_SRC_IP,PEER_DST_IP,MPLS_VPN_RD,MPLS_PW_ID,"
		"SRC_IP,SRC_NET,DST_IP,DST_NET,SRC_MASK,DST_MASK,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,TOS,"
		"SAMPLING_RATE,SAMPLING_DIRECTION,POST_NAT_SRC_IP,POST_NAT_DST_IP,POST_NAT_SRC_PORT,"
		"POST_NAT_DST_PORT,NAT_EVENT,FW_EVENT,FWD_STATUS,MPLS_LABEL_TOP,MPLS_LABEL_BOTTOM,"
		"MPLS_STACK_DEPTH,TUNNEL_SRC_MAC,TUNNEL_DST_MAC,TUNNEL_SRC_IP,TUNNEL_DST_IP,"
		"TUNNEL_PROTOCOL,TUNNEL_TOS,TUNNEL_SRC_PORT,TUNNEL_DST_PORT,VXLAN,FLOW_LABEL,"
		"TIMESTAMP_START,TIMESTAMP_END,TIMESTAMP_ARRIVAL,TIMESTAMP_EXPORT,EXPORT_PROTO_SEQNO,"
		"EXPORT_PROTO_VERSION,EXPORT_PROTO_SYSID,PACKETS,FLOWS,BYTES\n"
		"0,0,,unknown,0,0,00:00:00:00:00:00,00:00:00:00:00:00,0,0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,"
		"0:0:0,0,10.0.0.2,0.0.0.0,0.0.0.0,0.0.0.0,0,0,0,0,0,0,0,0,u,0.0.0.0,0.0.0.0,0,0,0,0,0,0,"
		"0,0,00:00:00:00:00:00,00:00:00:00:00:00,0.0.0.0,0.0.0.0,0,0,0,0,0,0,"
		"1970-01-01T00:00:00.000000Z,1970-01-01T00:00:00.000000Z,1970-01-01T00:00:00.000000Z,"
		"1970-01-01T00:00:00.000000Z,0,0,0,5,1,5000\n",
		NULL },
	{ FIVE, "ask count\ncolumns dst_mac\ntuple 1\n\n", NULL,
		"primitive \"dst_mac\" is not in the aggregate of this table" },
	{ FIVE, "ask count\ncolumns src_host\ntuple x\n\n", NULL,
		"src_host: invalid value: \"x\"" },
	{ FIVE, "ask count\ncolumns src_host,proto\ntuple 10.0.0.1\n\n", NULL,
		"\"10.0.0.1\": no value for proto" },
	{ FIVE, "ask count\ncolumns src_port\ntuple 65536\n\n", NULL,
		"src_port: invalid value: \"65536\"" },
	{ FIVE, "ask count\ncolumns src_port\n\n", NULL, "nothing to match" },
};

START_TEST(answer)
{
	struct imt_request r = question(answers[_i].question);
	struct fixture *f = fix_new(answers[_i].aggregate, 1);
	struct strbuf out = { NULL, 0, 0 };
	char why[256] = "";
	bool chosen[3] = { false }, good;

	memset(&f->p.history, 0, sizeof(f->p.history));
	three_rows(f);
	good = imt_query_answer(&(struct imt_query) { &r, &f->p, &f->l, f->rows, 3, chosen }, &out,
		why, sizeof(why));
	if (answers[_i].want)
		ck_assert_msg(good && strcmp(out.s, answers[_i].want) == 0,
			"%s: %s\ngot:\n%s\nwant:\n%s", answers[_i].question, why,
			out.s ? out.s : "", answers[_i].want);
	else
		ck_assert_msg(!good && strcmp(why, answers[_i].why) == 0, "%s: %s",
			answers[_i].question, why);
	strbuf_clear(&out);
	imt_request_clear(&r);
	fix_free(f);
}
END_TEST

START_TEST(request_both_ways)
{
	struct imt_request q, back;
	struct strbuf b = { NULL, 0, 0 };
	const char *why;

	imt_request_init(&q);
	q.ask = IMT_COUNT;
	q.counter = IMT_ALL;
	q.output = IMT_EVENT_CSV;
	q.separator = ' ';
	q.sorted = q.sum = q.reset = q.epoch = true;
	q.top = IMT_FLOWS;
	q.top_rows = 7;
	q.columns = xstrdup("src_host,label");
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(imt_request_add(&q, "10.0.0.1,a b", 12), 0);
	imt_request_write(&b, &q);
	ck_assert_msg(imt_request_read(&back, b.s, b.n, &why), "%s", why);
	ck_assert(back.ask == IMT_COUNT && back.counter == IMT_ALL && back.output == IMT_EVENT_CSV);
	ck_assert(back.separator == ' ' && back.sorted && back.sum && back.reset && back.epoch &&
		!back.utc);
	ck_assert(back.top == IMT_FLOWS && back.top_rows == 7 && back.ntuples == 5);
	ck_assert_str_eq(back.columns, "src_host,label");
	ck_assert_str_eq(back.tuple[4], "10.0.0.1,a b");
	imt_request_clear(&back);
	for (size_t n = 0; n < b.n; n++) {	/* cut anywhere: refused, nothing leaks */
		ck_assert(!imt_request_read(&back, b.s, n, &why));
		imt_request_clear(&back);
	}
	imt_request_clear(&q);
	strbuf_clear(&b);
}
END_TEST

/* What a client gets, head and all. */
static void ask(const char *path, const char *text, char *got, size_t size)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t more;

	strcpy(at.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	shutdown(fd, SHUT_WR);
	while (n < size - 1 && (more = read(fd, got + n, size - 1 - n)) > 0)
		n += (size_t)more;
	got[n] = '\0';
	close(fd);
}

static struct fixture *memory_fixture(char *path)
{
	struct fixture *f = fix_new("src_host,dst_host", 1);

	sprintf(path, "/tmp/flowledger-imt-%ld", (long)getpid());
	unlink(path);
	f->p.imt_path = path;
	f->p.imt_memory_budget = 16 << 20;
	memset(&f->p.history, 0, sizeof(f->p.history));
	return f;
}

START_TEST(behind_its_socket)
{
	const struct sink *m = sink_find("memory");
	char path[64], got[4096];
	struct fixture *f = memory_fixture(path);
	void *s = m->open(&f->p, &f->l, 1);

	ck_assert_msg(s != NULL, "%s", f->log);
	three_rows(f);
	ck_assert_int_eq(m->write(s, &f->purge), SINK_OK);
	ck_assert_int_eq(m->write(s, &f->purge), SINK_OK);	/* sums add up */
	ask(path, "ask count\ncounter all\ncolumns src_host\ntuple 10.0.0.1\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "OK 12\n22 2080 0 2\n");
	ask(path, "ask match\noutput csv\nflag reset\ncolumns dst_host\ntuple 192.0.2.9\n\n", got,
		sizeof(got));
	ck_assert_str_eq(got,
		"OK "
		"83\nSRC_IP,DST_IP,PACKETS,BYTES\n10.0.0.1,192.0.2.9,20,2000\n10.0.0.2,192.0.2.9,"
		"10,10000\n");
	ask(path, "ask stats\noutput csv\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "OK 56\nSRC_IP,DST_IP,PACKETS,BYTES\n10.0.0.1,198.51.100.77,2,80\n");
	ask(path, "ask age\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "OK 6\nnever\n");
	ask(path, "ask erase\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "OK 20\nOK: Clearing stats.\n");
	ask(path, "ask stats\noutput event_csv\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "OK 14\nSRC_IP,DST_IP\n");
	ask(path, "ask nothing\n\n", got, sizeof(got));
	ck_assert_str_eq(got, "ERROR request has a line that is not understood\n");
	ask(path, "ask stats\n", got, sizeof(got));
	ck_assert_str_eq(got, "ERROR request is not whole or too long\n");
	ck_assert_ptr_null(m->open(&f->p, &f->l, 2));	/* the path is taken */
	ck_assert(fix_logged(f, "each memory plugin needs its own imt_path"));
	ask(path, "ask status\n\n", got, sizeof(got));	/* and still answers */
	ck_assert_msg(strstr(got, "entries 0\n") != NULL, "%s", got);
	m->close(s);
	ck_assert_int_ne(access(path, F_OK), 0);
	fix_free(f);
}
END_TEST

/* A socket that a killed process left is taken over; a file is not touched. */
START_TEST(what_is_at_the_path)
{
	const struct sink *m = sink_find("memory");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[64];
	struct fixture *f = memory_fixture(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;
	FILE *file;
	void *s;

	strcpy(at.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	s = m->open(&f->p, &f->l, 1);
	ck_assert_msg(s != NULL, "%s", f->log);
	m->close(s);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("mine", file);
	fclose(file);
	ck_assert_ptr_null(m->open(&f->p, &f->l, 1));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	unlink(path);
	fix_free(f);
}
END_TEST

/* Beyond its bound the table refuses new rows, adds to known ones, and counts. */
START_TEST(bounded)
{
	const struct sink *m = sink_find("memory");
	char path[64], got[4096];
	struct fixture *f = memory_fixture(path);
	uint64_t packets = 0;
	void *s;

	f->p.imt_memory_budget = 1 << 20;
	s = m->open(&f->p, &f->l, 1);
	ck_assert_ptr_nonnull(s);
	for (unsigned round = 0; round < 4; round++) {
		fix_next(f);
		for (unsigned i = 0; i < 10000; i++) {
			char ip[32];

			snprintf(ip, sizeof(ip), "10.%u.%u.%u", round, i >> 8, i & 255);
			fix_addr(f, fix_row(f, 0, 1, 100), PRIM_ID_src_host, ip);
			packets++;
		}
		ck_assert_int_eq(m->write(s, &f->purge), SINK_OK);
	}
	ck_assert_uint_gt(m->counts(s)->rejected, 0);
	ck_assert_uint_eq(m->counts(s)->rejected, m->counts(s)->rejected_packets);
	ck_assert_uint_eq(m->counts(s)->rejected_octets, 100 * m->counts(s)->rejected);
	ck_assert(fix_logged(f, "imt_memory_budget of 1048576 bytes is spent"));
	ask(path, "ask status\n\n", got, sizeof(got));
	ck_assert_uint_eq(
		strtoull(strstr(got, "entries ") + 8, NULL, 10) + m->counts(s)->rejected, packets);
	m->close(s);
	fix_free(f);
}
END_TEST

Suite *suite_memory(void);
Suite *suite_memory(void)
{
	Suite *s = suite_create("memory");
	TCase *t = tcase_create("memory");

	tcase_add_loop_test(t, answer, 0, sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(t, request_both_ways);
	tcase_add_test(t, behind_its_socket);
	tcase_add_test(t, what_is_at_the_path);
	tcase_add_test(t, bounded);
	suite_add_tcase(s, t);
	return s;
}
