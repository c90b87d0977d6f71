/*
 * check_metrics.c - the text as Prometheus' format page has it, and the HTTP
 * around it over real sockets.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/metrics.h"

Suite *suite_metrics(void);

static const struct metric_name names[] = {
	{ "received{protocol", "protocol_datagrams", METRIC_COUNTER, "By protocol." },
	{ "received", "datagrams_received", METRIC_COUNTER, "Datagrams that came." },
	{ "receivers", "receivers", METRIC_GAUGE, "Receivers in force." },
};
enum { NNAMES = sizeof(names) / sizeof(names[0]) };

static struct stats s;
static struct strbuf text;

static void setup(void)
{
	stats_init(&s);
}

static void teardown(void)
{
	stats_clear(&s);
	strbuf_clear(&text);
}

/* Behind the block of build_info. */
static const char *blocks(void)
{
	const char *p;

	metrics_text(&text, &s, "p", names, NNAMES);
	ck_assert(strncmp(text.s, "# HELP p_build_info ", 20) == 0);
	p = strstr(text.s, "p_build_info{version=\"");
	ck_assert_ptr_nonnull(p);
	return strchr(p, '\n') + 1;
}

/* Rows of one metric stand together, whatever their order was. */
START_TEST(gathers_rows)
{
	stats_add(&s, 3, "received");
	stats_add(&s, 1, "received{protocol=\"ipfix\"}");
	stats_add(&s, 7, "sent{receiver=\"a\",pool=\"*\"}");
	stats_add(&s, 2, "received{protocol=\"sflow\"}");
	stats_add(&s, UINT64_MAX, "sent{receiver=\"b\",pool=\"*\"}");
	stats_add(&s, 4, "receivers");
	ck_assert_str_eq(blocks(),
		"# HELP p_datagrams_received_total Datagrams that came.\n"
		"# TYPE p_datagrams_received_total counter\n"
		"p_datagrams_received_total 3\n"
		"# HELP p_protocol_datagrams_total By protocol.\n"
		"# TYPE p_protocol_datagrams_total counter\n"
		"p_protocol_datagrams_total{protocol=\"ipfix\"} 1\n"
		"p_protocol_datagrams_total{protocol=\"sflow\"} 2\n"
		"# HELP p_sent_total Counted since the start.\n"
		"# TYPE p_sent_total counter\n"
		"p_sent_total{receiver=\"a\",pool=\"*\"} 7\n"
		"p_sent_total{receiver=\"b\",pool=\"*\"} 18446744073709551615\n"
		"# HELP p_receivers Receivers in force.\n"
		"# TYPE p_receivers gauge\n"
		"p_receivers 4\n");
}
END_TEST

/* What a user wrote in a label; the format wants \" and \\ and UTF-8. */
static const struct {
	const char *row, *line;
} labels[] = {
	{ "n{a=\"x\"y\"}", "p_n_total{a=\"x\\\"y\"} 1\n" },
	{ "n{a=\"x\",b=\"y\"}", "p_n_total{a=\"x\",b=\"y\"} 1\n" },
	{ "n{a=\"x\\n\"}", "p_n_total{a=\"x\\\\n\"} 1\n" },
	{ "n{a=\"\"}", "p_n_total{a=\"\"} 1\n" },
	{ "n{a=\"\xc3\xa4\xff\xc3\"}", "p_n_total{a=\"\xc3\xa4??\"} 1\n" },
	{ "n{a=\"x\",\"}", "p_n_total{a=\"x\\\",\"} 1\n" },
	{ "odd-name", "p_odd_name_total 1\n" },
	{ "n_total", "p_n_total 1\n" },
};

START_TEST(escapes)
{
	const char *last;

	stats_add(&s, 1, "%s", labels[_i].row);
	last = strstr(blocks(), "counter\n");
	ck_assert_ptr_nonnull(last);
	ck_assert_str_eq(last + 8, labels[_i].line);
}
END_TEST

/* ---- HTTP ------------------------------------------------------------------- */

static void ask(uint16_t port, const char *request, char *answer, size_t n)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t have = 0;
	ssize_t got;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while (have < n - 1 && (got = read(fd, answer + have, n - 1 - have)) > 0)
		have += (size_t)got;
	answer[have] = '\0';
	close(fd);
}

static const struct {
	const char *request, *status, *body;
} requests[] = {
	{ "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ",
		"\np_sent_total 12\n" },
	{ "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ",
		"version=0.0.4" },
	{ "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 ",
		"metrics are at /metrics\n" },
	{ "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 405 ", "GET or HEAD\n" },
	{ "nonsense\r\n\r\n", "", "" }, /* whatever it says, the connection ends */
};

START_TEST(answers)
{
	const char *why = NULL;
	struct metrics *m = metrics_start(
		&(struct metrics_options) { "127.0.0.1:0", "p", names, NNAMES }, &why);
	char answer[8192];

	ck_assert_msg(m != NULL, "%s", why);
	stats_add(&s, 12, "sent");
	metrics_publish(m, &s);
	ask(metrics_port(m), requests[_i].request, answer, sizeof(answer));
	ck_assert_msg(strncmp(answer, requests[_i].status, strlen(requests[_i].status)) == 0, "%s",
		answer);
	ck_assert_msg(strstr(answer, requests[_i].body) != NULL, "%s", answer);
	ck_assert(_i != 1 || !strstr(answer, "p_sent_total"));
	metrics_stop(m);
}
END_TEST

/* The last one published is the one that is told. */
START_TEST(publishes_again)
{
	const char *why;
	struct metrics *m =
		metrics_start(&(struct metrics_options) { "127.0.0.1:0", "p", NULL, 0 }, &why);
	char answer[8192];

	for (uint64_t i = 1; i <= 3; i++) {
		char line[32];

		stats_clear(&s);
		stats_add(&s, i, "n");
		metrics_publish(m, &s);
		ask(metrics_port(m), requests[0].request, answer, sizeof(answer));
		snprintf(line, sizeof(line), "\np_n_total %u\n", (unsigned)i);
		ck_assert_ptr_nonnull(strstr(answer, line));
	}
	metrics_stop(m);
	metrics_stop(NULL);
	metrics_publish(NULL, &s);
}
END_TEST

enum { ROWS = 12000, WIDTH = 150 }; /* 2 MB: more than sockets hold at first */

static void publish_many(struct metrics *m, uint64_t value)
{
	stats_clear(&s);
	for (int i = 0; i < ROWS; i++)
		stats_add(&s, value, "many{row=\"%0*d\"}", WIDTH, i);
	metrics_publish(m, &s);
}

/* Who reads slowly gets to its end what was told when it asked. */
START_TEST(a_slow_reader_gets_one_page)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	const char *why;
	struct metrics *m =
		metrics_start(&(struct metrics_options) { "127.0.0.1:0", "p", NULL, 0 }, &why);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(metrics_port(m)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), rows = 0;
	FILE *from = fdopen(fd, "r");
	char line[512], end[16] = "", byte;

	publish_many(m, 1);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_PEEK), 1);
	publish_many(m, 22);
	while (fgets(line, sizeof(line), from))
		if (sscanf(line, "p_many_total{row=\"%*[0-9]\"} %15s", end) == 1) {
			ck_assert_str_eq(end, "1");
			rows++;
		}
	ck_assert_int_eq(rows, ROWS);
	fclose(from);
	metrics_stop(m);
}
END_TEST

static const struct {
	const char *address, *why;
} refused[] = {
	{ "127.0.0.1:99999", "expected a port" },
	{ "127.0.0.1:", "expected a port" },
	{ "::1:9100", "expected ADDRESS:PORT" },
	{ "192.0.2.1:0", "Cannot assign requested address" },
	{ "300.1.1.1.invalid:80", "" },
};

START_TEST(refuses)
{
	const char *why = NULL;
	struct metrics *m = metrics_start(
		&(struct metrics_options) { refused[_i].address, "p", NULL, 0 }, &why);

	ck_assert_ptr_null(m);
	ck_assert_msg(strstr(why, refused[_i].why) != NULL, "%s: %s", refused[_i].address, why);
}
END_TEST

Suite *suite_metrics(void)
{
	Suite *suite = suite_create("metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, gathers_rows);
	tcase_add_loop_test(t, escapes, 0, sizeof(labels) / sizeof(labels[0]));
	tcase_add_loop_test(t, answers, 0, sizeof(requests) / sizeof(requests[0]));
	tcase_set_timeout(t, 60);
	tcase_add_test(t, publishes_again);
	tcase_add_test(t, a_slow_reader_gets_one_page);
	tcase_add_loop_test(t, refuses, 0, sizeof(refused) / sizeof(refused[0]));
	suite_add_tcase(suite, t);
	return suite;
}
