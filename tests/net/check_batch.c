/*
 * check_batch.c - datagrams in and out: sizes, order, runs, and that every one
 * is counted once.
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/batch.h"

/* Payload of UDP in 65535 octets of datagram over IPv4, of payload over IPv6. */
enum { LARGEST = 65507, LARGEST6 = 65527, MANY = 1000 };

static int in_fd, out_fd;
static struct endpoint to;
static struct sender out;
static struct batch *in;
static uint8_t memory[MANY * 1500 + LARGEST];

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint e;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	endpoint_from_sockaddr(&e, &ss);
	return e.port;
}

static const char *host = "127.0.0.1";

static void open_pair(bool gro, int recv_buffer, size_t message_bytes)
{
	struct listen_options o = { .gro = gro, .recv_buffer = recv_buffer };

	memset(&to, 0, sizeof(to));
	ck_assert(addr_parse(&to.addr, host));
	in_fd = socket_listen(&to, &o);
	ck_assert_int_ge(in_fd, 0);
	to.port = port_of(in_fd);
	out_fd = socket_connect(&to, NULL, 4 << 20);
	ck_assert_int_ge(out_fd, 0);
	sender_init(&out, out_fd);
	in = batch_new(32, message_bytes);
	ck_assert_ptr_nonnull(in);
}

static void setup(void)
{
	open_pair(false, 200000, 65536);
}

static void setup_gro(void)
{
	open_pair(true, 200000, 65536);
}

static void setup6(void)
{
	host = "::1";
	open_pair(true, 200000, 65536);
}

static void teardown(void)
{
	host = "127.0.0.1";
	batch_free(in);
	close(in_fd);
	close(out_fd);
}

static uint64_t settled(const struct sender *s)
{
	const struct sender_counts *c = &s->counts;

	return c->sent + c->eagain + c->emsgsize + c->refused + c->unreachable + c->other;
}

/*
 * Nobody reads while these tests send: what is sent at once has to fit into the
 * receive buffer that any user may have, 208 KiB by default.
 */

/* `n` datagrams of the sizes that size(i) says, numbered in their first octets, one behind the
 * other. */
static void make(struct bytes *d, size_t n, size_t (*size)(size_t i))
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = size(i);

		for (size_t k = 0; k < len; k++)
			memory[at + k] = (uint8_t)(k < 4 ? i >> (8 * k) : i * 31 + k);
		d[i] = (struct bytes){ memory + at, len };
		at += len;
		ck_assert_uint_le(at, sizeof(memory));
	}
}

/* Everything that was sent arrives, in order, each octet of it. */
static void expect_all(const struct bytes *d, size_t n)
{
	size_t at = 0;

	while (at < n) {
		int got = batch_recv(in, in_fd);

		ck_assert_msg(got > 0, "nothing behind datagram %zu of %zu", at, n);
		for (size_t i = 0; i < in->n; i++, at++) {
			ck_assert_uint_lt(at, n);
			ck_assert_uint_eq(in->d[i].data.n, d[at].n);
			ck_assert_int_eq(memcmp(in->d[i].data.p, d[at].p, d[at].n), 0);
			ck_assert(addr_equal(&in->d[i].from.addr, &to.addr));
			ck_assert_uint_eq(in->d[i].from.port, port_of(out_fd));
			ck_assert_uint_gt(in->d[i].recv_us, UINT64_C(1600000000000000));
		}
	}
	ck_assert_int_eq(batch_recv(in, in_fd), 0);
	ck_assert_uint_eq(in->counts.datagrams, n);
	ck_assert_uint_eq(in->counts.truncated + in->counts.beyond, 0);
}

static size_t equal(size_t i)
{
	(void)i;
	return 1464;
}

static size_t falling(size_t i)
{
	return 1400 - i % 1000;
}

static size_t rising(size_t i)
{
	return 100 + i % 1000;
}

static size_t short_ends(size_t i)
{
	return i % 7 == 6 ? 200 : 700;
}

static size_t with_empty(size_t i)
{
	return i % 5 == 2 ? 0 : 64;
}

static size_t tiny(size_t i)
{
	return 4 + (i % 13 == 0);
}

static size_t random_size(size_t i)
{
	return 4 + (i * UINT64_C(2654435761) >> 7) % 1400;
}

static size_t (*const shapes[])(
	size_t) = { equal, falling, rising, short_ends, with_empty, tiny, random_size };
enum { NSHAPES = sizeof(shapes) / sizeof(shapes[0]) };

START_TEST(any_shape_arrives)
{
	static const size_t counts[] = { 1, 2, 3, 43, 44, 45, 63, 64, 65, 129 };
	static struct bytes d[MANY];
	static int outcome[MANY];
	uint64_t sent = 0;

	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		size_t n = counts[k];

		make(d, n, shapes[_i]);
		memset(outcome, 0xff, sizeof(outcome));
		ck_assert_uint_eq(sender_send(&out, d, n, outcome), n);
		sent += n;
		ck_assert_uint_eq(out.counts.sent, sent);
		ck_assert_uint_eq(settled(&out), sent);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(outcome[i], 0);
		in->counts.datagrams = 0;
		expect_all(d, n);
	}
}
END_TEST

START_TEST(equal_sizes_go_as_runs)
{
	static struct bytes d[88];

	make(d, 88, equal);
	ck_assert_uint_eq(sender_send(&out, d, 88, NULL), 88);
	/* 44 of 1464 octets are the most below 65507. */
	ck_assert_uint_eq(out.counts.runs, 2);
	ck_assert_uint_eq(out.counts.calls, 1);
	expect_all(d, 88);
}
END_TEST

START_TEST(sixty_four_is_the_longest_run)
{
	static struct bytes d[65];

	make(d, 65, tiny); /* 5, then 4s: 5 ends nothing, so the run begins at 0 and ends behind the
			      4 */
	for (size_t i = 0; i < 65; i++)
		d[i].n = 4;
	ck_assert_uint_eq(sender_send(&out, d, 65, NULL), 65);
	ck_assert_uint_eq(out.counts.runs, 1);
	ck_assert_uint_eq(out.counts.sent_octets, 65 * 4);
	expect_all(d, 65);
}
END_TEST

START_TEST(scattered_memory_is_one_run)
{
	static struct bytes d[44], apart[44];

	make(d, 44, equal);
	for (size_t i = 0; i < 44; i++)
		apart[i] = d[43 - i];
	ck_assert_uint_eq(sender_send(&out, apart, 44, NULL), 44);
	ck_assert_uint_eq(out.counts.runs, 1);
	expect_all(apart, 44);
}
END_TEST

START_TEST(largest_datagram)
{
	static uint8_t big[LARGEST6 + 1];
	const size_t most = addr_is4(&to.addr) ? LARGEST : LARGEST6;
	struct bytes d[3] = { { big, most }, { big, most + 1 }, { big, 10 } };
	int outcome[3];

	ck_assert_uint_eq(sender_send(&out, d, 3, outcome), 2);
	ck_assert_int_eq(outcome[0], 0);
	ck_assert_int_eq(outcome[1], EMSGSIZE);
	ck_assert_int_eq(outcome[2], 0);
	ck_assert_uint_eq(out.counts.emsgsize, 1);
	ck_assert_uint_eq(settled(&out), 3);
	ck_assert_int_eq(batch_recv(in, in_fd), 2);
	ck_assert_uint_eq(in->d[0].data.n, most);
	ck_assert_uint_eq(in->d[1].data.n, 10);
}
END_TEST

/* Larger than what goes in one run: plain sends do it. */
START_TEST(above_the_mtu_goes_plain)
{
	static struct bytes d[20];

	make(d, 20, equal);
	out.gso_max = 1463;
	ck_assert_uint_eq(sender_send(&out, d, 20, NULL), 20);
	ck_assert_uint_eq(out.counts.runs, 0);
	expect_all(d, 20);
	/* And after a while the path is asked again. */
	for (int i = 0; i < 100 && out.gso_max == 1463; i++) {
		ck_assert_uint_eq(sender_send(&out, d, 20, NULL), 20);
		while (batch_recv(in, in_fd) > 0)
			;
	}
	ck_assert_uint_gt(out.gso_max, 1463);
}
END_TEST

/* A run that the kernel refuses as a run (here: no checksum, EINVAL) goes out datagram by datagram.
 */
START_TEST(refused_run_goes_plain)
{
	static struct bytes d[100];
	int outcome[100];

	make(d, 100, short_ends);
	ck_assert_int_eq(setsockopt(out_fd, SOL_SOCKET, SO_NO_CHECK, &(int){ 1 }, sizeof(int)), 0);
	ck_assert_uint_eq(sender_send(&out, d, 100, outcome), 100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(outcome[i], 0);
	ck_assert_uint_eq(settled(&out), 100);
	ck_assert_uint_eq(out.counts.runs, 0);
	expect_all(d, 100);
	/* It was this send's error, not the kernel's last word. */
	ck_assert(out.gso);
	ck_assert_int_eq(setsockopt(out_fd, SOL_SOCKET, SO_NO_CHECK, &(int){ 0 }, sizeof(int)), 0);
	ck_assert_uint_eq(sender_send(&out, d, 100, NULL), 100);
	ck_assert_uint_gt(out.counts.runs, 0);
}
END_TEST

START_TEST(no_offload_at_all)
{
	static struct bytes d[100];

	out.gso = false;
	make(d, 100, equal);
	ck_assert_uint_eq(sender_send(&out, d, 100, NULL), 100);
	ck_assert_uint_eq(out.counts.runs, 0);
	expect_all(d, 100);
}
END_TEST

/* From here on the kernel knows no option of UDP, as one before 4.18. */
static bool become_old(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_setsockopt, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

/* 100 datagrams there and back without UDP_SEGMENT and UDP_GRO; 0 when all is well. */
static int old_kernel_main(void)
{
	static struct bytes d[100];

	if (!become_old())
		return 1;
	open_pair(true, 200000, 65536);
	if (out.gso)
		return 2;
	make(d, 100, equal);
	if (sender_send(&out, d, 100, NULL) != 100 || out.counts.runs)
		return 3;
	for (size_t at = 0; at < 100; at += in->n) {
		if (batch_recv(in, in_fd) <= 0)
			return 4;
		for (size_t i = 0; i < in->n; i++)
			if (in->d[i].data.n != d[at + i].n ||
				memcmp(in->d[i].data.p, d[at + i].p, d[at + i].n) != 0)
				return 5;
	}
	teardown();
	return 0;
}

START_TEST(kernel_without_offload)
{
	int status = 0;
	const pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(old_kernel_main());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* The receiver is gone: an ICMP error is told, and no datagram is charged for telling it. */
START_TEST(refused_costs_nothing)
{
	static struct bytes d[4];
	int outcome[4];

	make(d, 4, rising);
	close(in_fd);
	for (int i = 0; i < 50; i++)
		sender_send(&out, d, 4, outcome);
	ck_assert_uint_eq(settled(&out), 200);
	ck_assert_uint_gt(out.counts.icmp_errors, 0);
	/* On loopback the error of one datagram is back before the next: the second try goes out
	 * each time. */
	ck_assert_uint_eq(out.counts.refused, 0);
	ck_assert_uint_eq(out.counts.sent, 200);
	in_fd = socket_listen(&to, &(struct listen_options){ 0 });
	ck_assert_int_ge(in_fd, 0);
	ck_assert_uint_eq(sender_send(&out, d, 1, outcome), 1);
	ck_assert_int_eq(batch_recv(in, in_fd), 1);
}
END_TEST

/* Errno by errno, on a socket that cannot send: all is counted, at one place each. */
START_TEST(causes_are_kept_apart)
{
	struct sender s = { .fd = -1 };

	sender_charge(&s, EAGAIN, 1);
	sender_charge(&s, ENOBUFS, 2);
	sender_charge(&s, EMSGSIZE, 3);
	sender_charge(&s, ECONNREFUSED, 4);
	sender_charge(&s, EHOSTUNREACH, 5);
	sender_charge(&s, ENETUNREACH, 6);
	sender_charge(&s, EPERM, 7);
	sender_charge(&s, EBADF, 8);
	ck_assert_uint_eq(s.counts.eagain, 3);
	ck_assert_uint_eq(s.counts.emsgsize, 3);
	ck_assert_uint_eq(s.counts.refused, 4);
	ck_assert_uint_eq(s.counts.unreachable, 18);
	ck_assert_uint_eq(s.counts.other, 8);
	ck_assert_uint_eq(settled(&s), 36);
}
END_TEST

START_TEST(broken_socket_is_counted)
{
	static struct bytes d[10];
	int outcome[10];

	make(d, 10, equal);
	shutdown(out_fd, SHUT_WR);
	close(out_fd);
	out_fd = out.fd = dup(STDIN_FILENO);	/* no socket at all */
	ck_assert_uint_eq(sender_send(&out, d, 10, outcome), 0);
	ck_assert_uint_eq(settled(&out), 10);
	ck_assert_int_eq(outcome[9], ENOTSOCK);
}
END_TEST

/* ---- receiving --------------------------------------------------------------- */

START_TEST(cut_datagrams_are_counted)
{
	static struct bytes d[3];

	batch_free(in);
	in = batch_new(8, 100);
	make(d, 3, rising);	/* 100, 101, 102 */
	ck_assert_uint_eq(sender_send(&out, d, 3, NULL), 3);
	ck_assert_int_eq(batch_recv(in, in_fd), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(in->d[i].data.n, 100);
	ck_assert_uint_eq(in->counts.truncated, 2);
	ck_assert_uint_eq(in->counts.datagrams, 3);
}
END_TEST

/* GRO joins ten of 700; the buffer holds one and a half: the rest is counted, not forgotten. */
START_TEST(joined_beyond_the_buffer)
{
	static struct bytes d[6];
	uint64_t seen;

	batch_free(in);
	in = batch_new(8, 1000);
	make(d, 6, short_ends);
	for (size_t i = 0; i < 6; i++)
		d[i].n = 700;
	ck_assert_uint_eq(sender_send(&out, d, 6, NULL), 6);
	while (batch_recv(in, in_fd) > 0)
		;
	seen = in->counts.datagrams + in->counts.beyond;
	ck_assert_uint_eq(seen, 6);
	ck_assert_uint_eq(in->counts.truncated, in->counts.beyond ? 1 : 0);
}
END_TEST

/* What the kernel drops because nobody reads is known to the datagram. */
START_TEST(kernel_drops_add_up)
{
	static struct bytes d[MANY];
	uint64_t got = 0;

	teardown();
	open_pair(false, 20000, 65536);
	make(d, MANY, equal);
	out.gso = _i;
	ck_assert_uint_eq(sender_send(&out, d, MANY, NULL), MANY);
	while (batch_recv(in, in_fd) > 0)
		got += in->n;
	ck_assert_uint_lt(got, MANY);
	batch_drops(in, in_fd);
	ck_assert_uint_eq(in->counts.kernel_drops, MANY - got);
	/* Nothing is counted twice. */
	ck_assert_uint_eq(sender_send(&out, d, 1, NULL), 1);
	ck_assert_int_eq(batch_recv(in, in_fd), 1);
	batch_drops(in, in_fd);
	ck_assert_uint_eq(in->counts.kernel_drops, MANY - got);
}
END_TEST

START_TEST(nothing_there)
{
	ck_assert_int_eq(batch_recv(in, in_fd), 0);
	ck_assert_uint_eq(in->n, 0);
	ck_assert(!in->full);
	ck_assert_int_eq(batch_recv(in, -1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert(!in->full);
}
END_TEST

static bool stamps_each(void)
{
	int each = -1;
	socklen_t len = sizeof(each);

	ck_assert_int_eq(getsockopt(in_fd, SOL_SOCKET, SO_TIMESTAMPNS, &each, &len), 0);
	return each;
}

/*
 * Hundreds a millisecond share the stamp of the last one of a call, which lies between
 * sending and receiving; once they come further apart each has its own again.
 */
START_TEST(a_crowd_shares_a_stamp)
{
	static struct bytes d[20];
	uint64_t sent_us;

	make(d, 20, equal);
	out.gso = false;
	/* A busy machine may take some turns more. */
	for (int i = 0; i < 100000 && stamps_each(); i++) {
		ck_assert_uint_eq(sender_send(&out, d, 20, NULL), 20);
		ck_assert_int_eq(batch_recv(in, in_fd), 20);
	}
	ck_assert(!stamps_each());
	sent_us = clock_wall_us();
	ck_assert_uint_eq(sender_send(&out, d, 20, NULL), 20);
	ck_assert_int_eq(batch_recv(in, in_fd), 20);
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_ge(in->d[i].recv_us, sent_us);
		ck_assert_uint_le(in->d[i].recv_us, clock_wall_us());
	}
	ck_assert_uint_eq(in->d[0].recv_us, in->d[19].recv_us);
	clock_sleep_until(clock_mono_ns() + 2000000);
	ck_assert_uint_eq(sender_send(&out, d, 1, NULL), 1);
	ck_assert_int_eq(batch_recv(in, in_fd), 1);
	ck_assert(stamps_each());
	ck_assert_uint_eq(sender_send(&out, d, 1, NULL), 1);
	clock_sleep_until(clock_mono_ns() + 2000000);
	ck_assert_uint_eq(sender_send(&out, d, 1, NULL), 1);
	ck_assert_int_eq(batch_recv(in, in_fd), 2);
	ck_assert_uint_ge(in->d[1].recv_us, in->d[0].recv_us + 2000);
}
END_TEST

/* 200000 octets of buffer are a fifth of those that allow 0.2 ms. */
START_TEST(reads_are_apart)
{
	const uint64_t apart_ns = UINT64_C(200000) * 200000 / (1 << 20);
	uint64_t start_ns = clock_mono_ns();

	batch_gather(in, in_fd);
	ck_assert_uint_eq(in->gather_ns, apart_ns);
	for (int i = 0; i < 10; i++)
		batch_gather(in, in_fd);
	ck_assert_uint_ge(clock_mono_ns() - start_ns, 10 * apart_ns);
}
END_TEST

/* 32 messages fit: with 32 or more there may be more, below there was nothing left. */
START_TEST(full_means_more)
{
	static const size_t sent[] = { 31, 32, 33 };
	struct bytes d[33];

	make(d, 33, equal);
	out.gso = false;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		ck_assert_uint_eq(sender_send(&out, d, sent[i], NULL), sent[i]);
		ck_assert_int_eq(batch_recv(in, in_fd), sent[i] < 32 ? (int)sent[i] : 32);
		ck_assert_int_eq(in->full, sent[i] >= 32);
		ck_assert_int_eq(batch_recv(in, in_fd), sent[i] == 33);
		ck_assert(!in->full);
	}
}
END_TEST

/* A generator waits for room in a send buffer that is far too small, and loses nothing. */
START_TEST(waits_for_room)
{
	static struct bytes d[MANY];
	size_t sent;

	make(d, MANY, random_size);
	setsockopt(out_fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4608 }, sizeof(int));
	sent = sender_send_wait(&out, d, MANY, NULL);
	ck_assert_uint_eq(sent, MANY);
	ck_assert_uint_eq(out.counts.eagain, 0);
	ck_assert_uint_eq(settled(&out), MANY);
}
END_TEST

START_TEST(free_nothing)
{
	batch_free(NULL);
}
END_TEST

Suite *suite_batch(void);
Suite *suite_batch(void)
{
	Suite *s = suite_create("batch");
	TCase *plain = tcase_create("plain"), *gro = tcase_create("gro"), *v6 = tcase_create("v6");

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_add_checked_fixture(gro, setup_gro, teardown);
	tcase_add_checked_fixture(v6, setup6, teardown);
	tcase_add_loop_test(v6, any_shape_arrives, 0, NSHAPES);
	tcase_add_test(v6, equal_sizes_go_as_runs);
	tcase_add_test(v6, sixty_four_is_the_longest_run);
	tcase_add_test(v6, largest_datagram);
	tcase_add_test(v6, above_the_mtu_goes_plain);
	tcase_add_test(v6, refused_costs_nothing);
	tcase_add_loop_test(plain, any_shape_arrives, 0, NSHAPES);
	tcase_add_loop_test(gro, any_shape_arrives, 0, NSHAPES);
	tcase_add_test(plain, equal_sizes_go_as_runs);
	tcase_add_test(gro, equal_sizes_go_as_runs);
	tcase_add_test(plain, sixty_four_is_the_longest_run);
	tcase_add_test(plain, scattered_memory_is_one_run);
	tcase_add_test(plain, largest_datagram);
	tcase_add_test(plain, above_the_mtu_goes_plain);
	tcase_add_test(plain, refused_run_goes_plain);
	tcase_add_test(plain, no_offload_at_all);
	tcase_add_test(plain, kernel_without_offload);
	tcase_add_test(plain, refused_costs_nothing);
	tcase_add_test(plain, causes_are_kept_apart);
	tcase_add_test(plain, broken_socket_is_counted);
	tcase_add_test(plain, cut_datagrams_are_counted);
	tcase_add_test(gro, joined_beyond_the_buffer);
	tcase_add_loop_test(plain, kernel_drops_add_up, 0, 2);
	tcase_add_test(plain, nothing_there);
	tcase_add_test(plain, full_means_more);
	tcase_add_test(plain, a_crowd_shares_a_stamp);
	tcase_add_test(v6, a_crowd_shares_a_stamp);
	tcase_add_test(plain, reads_are_apart);
	tcase_add_test(plain, waits_for_room);
	tcase_add_test(plain, free_nothing);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, gro);
	suite_add_tcase(s, v6);
	return s;
}
