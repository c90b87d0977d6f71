/*
 * check_worker.c - workers at work while the main thread looks at them and
 * gives them other receivers: nothing is lost, every exporter keeps its order,
 * every sum adds up.  Under SAN=thread this is the test for races.
 */
#include <check.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "replicator/reload.h"
#include "replicator/report.h"
#include "tests/base/said.h"

Suite *suite_worker(void);

enum { WORKERS = 3, EXPORTERS = 24, EACH = 400, SINKS = 2 };

static struct worker w[WORKERS];
static struct settings settings;
static int sink[SINKS];
static struct endpoint sink_at[SINKS], listen_at;
static struct batch *in;
static uint32_t expected[SINKS][EXPORTERS];
static size_t got[SINKS];
static char path[64];

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static int bound(struct endpoint *at, bool share)
{
	const struct listen_options o = {
		.recv_buffer = 200000, .no_timestamp = true, .reuse_port = share
	};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	const int fd = socket_listen(at, &o);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	endpoint_from_sockaddr(at, &ss);
	return fd;
}

static void write_receivers(const char *more)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "0.0.0.0: 127.0.0.1/%u 127.0.0.1/%u %s\n", sink_at[0].port, sink_at[1].port,
		more);
	fclose(f);
}

static void start(uint64_t gather_ns)
{
	char *argv[] = { "replicator", "-p", "9", "-c", path, NULL };
	struct receivers sets[WORKERS];
	unsigned errors;
	int fd;

	log_capture(no_log, NULL);
	strcpy(path, "/tmp/check-worker-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	for (int i = 0; i < SINKS; i++) {
		sink_at[i] = (struct endpoint){ .addr = addr_make4(0x7f000001) };
		sink[i] = bound(&sink_at[i], false);
	}
	in = batch_new(256, 2048);
	write_receivers("");
	optind = 0;
	ck_assert_int_eq(settings_parse(&settings, 5, argv), SETTINGS_GO);
	ck_assert_int_eq(reload_read(&settings, sets, WORKERS, RELOAD_ALL, &errors), 0);
	reload_settle(&settings, true);
	const struct worker_limits limits = { 65536, 2, { 0, 0, 1024 } };

	listen_at = (struct endpoint){ .addr = addr_make4(0x7f000001) };
	for (int i = 0; i < WORKERS; i++) {
		worker_blank(&w[i]);
		w[i].receivers = sets[i];
		w[i].outlet.sockets_max = 16;
		w[i].in.fd = bound(&listen_at, true);
		ck_assert_int_eq(worker_init(&w[i], &limits), 0);
		receivers_open(&w[i].receivers, &w[i].outlet);
	}
	ck_assert_int_eq(socket_steer_by_flow(w[0].in.fd, WORKERS), 0);
	for (int i = 0; i < WORKERS; i++) {
		w[i].in.batch->gather_ns = gather_ns;
		ck_assert_int_eq(worker_start(&w[i]), 0);
	}
}

static void setup(void)
{
	start(0);
}

enum { APART_NS = 20000000 };

static void setup_apart(void)
{
	start(APART_NS);
}

static void teardown(void)
{
	for (int i = 0; i < WORKERS; i++)
		worker_clear(&w[i]);
	for (int i = 0; i < SINKS; i++)
		close(sink[i]);
	batch_free(in);
	settings_clear(&settings);
	unlink(path);
	log_capture(NULL, NULL);
}

/* What is there: exporter and number in each datagram; numbers of an exporter follow each other. */
static void drain(void)
{
	for (int k = 0; k < SINKS; k++) {
		while (batch_recv(in, sink[k]) > 0) {
			for (size_t i = 0; i < in->n; i++) {
				uint32_t what[2];

				ck_assert_uint_eq(in->d[i].data.n, sizeof(what));
				memcpy(what, in->d[i].data.p, sizeof(what));
				ck_assert_uint_lt(what[0], EXPORTERS);
				ck_assert_uint_eq(what[1], expected[k][what[0]]);
				expected[k][what[0]]++;
				got[k]++;
			}
		}
	}
}

static bool wait_until(size_t n)
{
	const uint64_t end = clock_mono_ns() + UINT64_C(10000000000);

	while (got[0] < n || got[1] < n) {
		drain();
		if (clock_mono_ns() > end)
			return false;
	}
	return true;
}

static void expect_sums(size_t sent, uint64_t *seen)
{
	struct report r;

	report_collect(&r, w, WORKERS);
	*seen = r.recv.datagrams;
	ck_assert_uint_le(r.recv.datagrams, sent);
	ck_assert_uint_eq(r.fanout.datagrams, r.recv.datagrams);
	for (size_t i = 0; i < r.n; i++) {
		const struct receiver *q = &r.rows[i].sum;

		ck_assert_uint_eq(q->received,
			q->filtered + q->balanced + q->sampled + q->out.counts.sent +
				receiver_losses(q));
	}
	report_clear(&r);
}

static void swap_receivers(size_t round)
{
	struct reload r;

	ck_assert_int_eq(reload_init(&r, &settings, WORKERS), 0);
	write_receivers(round % 2 ? "127.0.0.1/1/50" : "");
	ck_assert_int_eq(reload_begin(&r, RELOAD_ALL), 0);
	ck_assert_int_eq(reload_begin(&r, RELOAD_ALL), 0);
	ck_assert(r.again);
	while (r.busy && !reload_finish(&r))
		;
	ck_assert(r.ok);
	for (int i = 0; i < WORKERS; i++) {
		worker_enter(&w[i]);
		receivers_adopt(&w[i].receivers, &r.fresh[i], &w[i].outlet);
		worker_leave(&w[i]);
	}
	reload_clear(&r);
}

START_TEST(nothing_is_lost_while_looked_at)
{
	int out[EXPORTERS], used = 0;
	size_t sent = 0;
	uint64_t seen;

	memset(expected, 0, sizeof(expected));
	memset(got, 0, sizeof(got));
	for (int e = 0; e < EXPORTERS; e++)
		out[e] = socket_connect(&listen_at, NULL, 0);
	for (uint32_t n = 0; n < EACH; n++) {
		for (uint32_t e = 0; e < EXPORTERS; e++) {
			const uint32_t what[2] = { e, n };

			ck_assert_int_eq(send(out[e], what, sizeof(what), 0), sizeof(what));
			sent++;
		}
		if (n % 4 == 0)
			ck_assert_msg(wait_until(sent - EXPORTERS), "have %zu %zu of %zu", got[0],
				got[1], sent);
		if (n % 16 == 0)
			expect_sums(sent, &seen);
		if (n % 50 == 0)
			swap_receivers(n / 50);
	}
	ck_assert_msg(wait_until(sent), "have %zu %zu of %zu", got[0], got[1], sent);
	expect_sums(sent, &seen);
	ck_assert_uint_eq(seen, sent);
	for (int i = 0; i < WORKERS; i++) {
		used += w[i].in.batch->counts.datagrams > 0;
		worker_stop(&w[i], WORKER_DRAIN);
		worker_join(&w[i]);
	}
	ck_assert_int_ge(used, 2);
	for (int e = 0; e < EXPORTERS; e++)
		close(out[e]);
}
END_TEST

/* LEAVE: what is in the socket is for somebody else. */
START_TEST(leaves_and_drains)
{
	const int out = socket_connect(&listen_at, NULL, 0);
	const uint32_t what[2] = { 0, 0 };
	size_t left = 0;

	memset(expected, 0, sizeof(expected));
	memset(got, 0, sizeof(got));
	for (int i = 0; i < WORKERS; i++)
		worker_enter(&w[i]);		/* nobody reads now */
	for (int i = 0; i < WORKERS; i++)
		worker_stop(&w[i], _i ? WORKER_DRAIN : WORKER_LEAVE);
	ck_assert_int_eq(send(out, what, sizeof(what), 0), sizeof(what));
	for (int i = 0; i < WORKERS; i++)
		worker_leave(&w[i]);
	for (int i = 0; i < WORKERS; i++)
		worker_join(&w[i]);
	drain();
	for (int i = 0; i < WORKERS; i++)
		left += (size_t)batch_recv(in, w[i].in.fd);
	if (_i)
		ck_assert_uint_eq(got[0], 1);
	/* Either somebody was in the middle of his poll() and took it, or it is still there. */
	ck_assert_uint_eq(got[0] + left, 1);
	close(out);
}
END_TEST

/* With no time to send in, a drain is one batch; what waits behind it is counted and told. */
START_TEST(abandons_what_time_is_too_short_for)
{
	enum { MANY = 400, AT_MOST = 2 * 128 };	/* two batches of worker.c */
	const int out = socket_connect(&listen_at, NULL, 0);
	uint64_t sent = 0, abandoned = 0;
	struct said said;
	char told[80];

	memset(expected, 0, sizeof(expected));
	memset(got, 0, sizeof(got));
	for (int i = 0; i < WORKERS; i++) {
		worker_enter(&w[i]);
		w[i].drain_ns = 0;
		worker_stop(&w[i], WORKER_DRAIN);
	}
	for (uint32_t n = 0; n < MANY; n++) {
		const uint32_t what[2] = { 0, n };

		ck_assert_int_eq(send(out, what, sizeof(what), 0), sizeof(what));
	}
	said_start(&said);
	for (int i = 0; i < WORKERS; i++)
		worker_leave(&w[i]);
	for (int i = 0; i < WORKERS; i++) {
		worker_join(&w[i]);
		sent += w[i].fanout->counts.datagrams;
		abandoned += w[i].gate->counts.abandoned;
	}
	drain();
	ck_assert_uint_eq(sent + abandoned, MANY);
	ck_assert_uint_ge(abandoned, MANY - AT_MOST);
	ck_assert_uint_eq(got[0], sent);
	snprintf(told, sizeof(told), "W %llu datagrams waited when time was up, and were not sent\n",
		(unsigned long long)abandoned);
	ck_assert_str_eq(said.text.s, told);
	said_end(&said);
	close(out);
}
END_TEST

/* Receives of worker i so far, and the datagrams in them. */
static struct batch_counts counts_of(int i)
{
	struct batch_counts c;

	worker_enter(&w[i]);
	c = w[i].in.batch->counts;
	worker_leave(&w[i]);
	return c;
}

/* Reads of a stream are 20 ms apart here, but for the one of poll's time-out each 100 ms. */
START_TEST(reads_in_portions)
{
	enum { STREAM = 640 };
	const int out = socket_connect(&listen_at, NULL, 0);
	struct batch_counts before[WORKERS];
	uint64_t start_ns, ns, read = 0;

	memset(expected, 0, sizeof(expected));
	memset(got, 0, sizeof(got));
	start_ns = clock_mono_ns();
	for (int i = 0; i < WORKERS; i++)
		before[i] = counts_of(i);
	for (uint32_t n = 0; n < STREAM; n++) {
		const uint32_t what[2] = { 0, n };

		ck_assert_int_eq(send(out, what, sizeof(what), 0), sizeof(what));
		if (n % 64 == 0)
			ck_assert(wait_until(n));
		drain();
	}
	ck_assert(wait_until(STREAM));
	for (int i = 0; i < WORKERS; i++) {
		const struct batch_counts now = counts_of(i);

		ns = clock_mono_ns() - start_ns;
		ck_assert_uint_le(now.calls - before[i].calls, ns / APART_NS + ns / 100000000 + 2);
		read += now.datagrams - before[i].datagrams;
	}
	ck_assert_uint_eq(read, STREAM);
	for (int i = 0; i < WORKERS; i++) {
		worker_stop(&w[i], WORKER_DRAIN);
		worker_join(&w[i]);
	}
	close(out);
}
END_TEST

Suite *suite_worker(void)
{
	Suite *s = suite_create("worker");
	TCase *t = tcase_create("worker");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, nothing_is_lost_while_looked_at);
	tcase_add_loop_test(t, leaves_and_drains, 0, 2);
	tcase_add_test(t, abandons_what_time_is_too_short_for);
	suite_add_tcase(s, t);
	t = tcase_create("apart");
	tcase_add_checked_fixture(t, setup_apart, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, reads_in_portions);
	suite_add_tcase(s, t);
	return s;
}
