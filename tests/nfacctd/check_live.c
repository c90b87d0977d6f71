/*
 * check_live.c - what only reception from a socket can show: what the kernel
 * dropped, threads that meet, clocks that run.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/nfacctd/feeding.h"
#include "nfacctd/engine_private.h"
#include "nfacctd/worker.h"
#include "net/socket.h"

Suite *suite_live(void);

/* ---- one worker, a socket on loopback ------------------------------------------- */

static struct worker worker;
static int sender;

static void listen_with(int recv_buffer)
{
	const struct endpoint at = { addr_make4(INADDR_LOOPBACK), 0, false };
	const struct listen_options o = { .recv_buffer = recv_buffer };
	struct endpoint bound;
	int fd = socket_listen(&at, &o);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(socket_local(fd, &bound), 0);
	sender = socket_connect(&bound, NULL, 0);
	ck_assert_int_ge(sender, 0);
	ck_assert_int_eq(worker_init(&worker, 0, &settings, 0, 1), 0);
	ck_assert_int_eq(worker_start(&worker, fd), 0);
}

static void let_go(void)
{
	worker_stop(&worker);
	worker_clear(&worker);
	close(sender);
}

/* While the worker stands still, so that the socket overflows and nothing comes behind. */
static void flood(struct worker *w, void *arg)
{
	const unsigned *n = arg;
	const uint8_t datagram[1000] = { 0, 5 };

	(void)w;
	for (unsigned i = 0; i < *n; i++)
		ck_assert_int_eq(
			send(sender, datagram, sizeof(datagram), 0), sizeof(datagram));
}

static void look(struct worker *w, void *arg)
{
	worker_count_drops(w);
	*(struct batch_counts *)arg = w->received;
}

enum { FLOOD = 1000 };

/* After a burst what was dropped is known at once, not with the next datagram; and at the end. */
START_TEST(drops_are_told_without_another_datagram)
{
	struct batch_counts c = { 0 };
	unsigned n = FLOOD;

	listen_with(20000);
	worker_do(&worker, flood, &n);
	if (_i == 0)
		for (int i = 0; i < 1000 && c.datagrams + c.kernel_drops < FLOOD; i++) {
			nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
			worker_do(&worker, look, &c);
		}
	worker_stop(&worker);
	c = _i ? worker.received : c;
	ck_assert_uint_gt(c.kernel_drops, 0);
	ck_assert_uint_eq(c.datagrams + c.kernel_drops, FLOOD);
	let_go();
}
END_TEST

/* ---- sinks that wait for each other ---------------------------------------------- */

enum { MEETING = 3, MEETING_SECONDS = 20 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned there;
	struct sink_counts counts;
} meeting = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, { 0 } };

static void *meet_open(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	(void)p;
	(void)l;
	(void)run_id;
	return &meeting;
}

/* The last purge is not taken before all plugins are at theirs. */
static enum sink_result meet_write(void *sink, const struct purge *p)
{
	struct timespec until;

	(void)sink;
	if (!p->last)
		return SINK_OK;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += MEETING_SECONDS;
	pthread_mutex_lock(&meeting.lock);
	meeting.there++;
	pthread_cond_broadcast(&meeting.changed);
	while (meeting.there < MEETING)
		if (pthread_cond_timedwait(&meeting.changed, &meeting.lock, &until))
			break;
	pthread_mutex_unlock(&meeting.lock);
	return meeting.there < MEETING ? SINK_RETRY : SINK_OK;
}

static const struct sink_counts *meet_counts(void *sink)
{
	(void)sink;
	return &meeting.counts;
}

static void meet_close(void *sink)
{
	(void)sink;
}

static const struct sink sink_meet = { .type = "meet", .open = meet_open, .write = meet_write,
	.counts = meet_counts, .close = meet_close };

static const struct sink *find_meet(const char *type)
{
	(void)type;
	return &sink_meet;
}

/* A server that hangs must not be waited for once a plugin when the daemon is told to stop. */
START_TEST(plugins_end_at_a_time)
{
	meeting.there = 0;
	start_with("plugins: print[a], print[b], print[c]\naggregate: src_host\n"
		   "print_write_empty_file: true\n", find_meet);
	open_sinks();
	ck_assert_uint_eq(engine->nplugins, MEETING);
	for (size_t i = 0; i < MEETING; i++)
		ck_assert_int_eq(flush_start(&engine->plugin[i].flush), 0);
	ck_assert_int_eq(engine_stop(engine), 0);
	ck_assert_uint_eq(meeting.there, MEETING);
	free_all();
}
END_TEST

Suite *suite_live(void)
{
	Suite *s = suite_create("live");
	TCase *t = tcase_create("live");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, drops_are_told_without_another_datagram, 0, 2);
	tcase_add_test(t, plugins_end_at_a_time);
	suite_add_tcase(s, t);
	return s;
}
