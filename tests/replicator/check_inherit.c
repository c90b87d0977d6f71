/*
 * check_inherit.c - sockets from a service manager as sd_listen_fds(3) has it,
 * and from another process over the socket for commands.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/control.h"
#include "replicator/inherit.h"

Suite *suite_inherit(void);

static char logged[1024];

static void take_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	snprintf(logged, sizeof(logged), "%s", text);
}

static void setup(void)
{
	logged[0] = '\0';
	log_capture(take_log, NULL);
}

static void teardown(void)
{
	log_capture(NULL, NULL);
}

/* LISTEN_FDS begin at descriptor 3. */
static void manager(int fd)
{
	char text[24];

	dup2(fd, 3);		/* no assertion behind it: libcheck would tell it there */
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
}

static const struct {
	int domain, type, expect;
} kinds[] = {
	{ AF_INET, SOCK_DGRAM, 1 }, { AF_INET6, SOCK_DGRAM, 1 }, { AF_INET, SOCK_STREAM, -1 },
};

/* 0 when all is as expected, else the line of what is not. */
static int as_child(int row)
{
	int fds[4], fd = socket(kinds[row].domain, kinds[row].type, 0);

	manager(fd);
	if (inherit_from_manager(fds, 4) != kinds[row].expect)
		return __LINE__ & 127;
	if (kinds[row].expect > 0 ? fds[0] != 3
				  : !strstr(logged, "descriptor 3, which is no UDP socket"))
		return __LINE__ & 127;
	/* Told once: the children of this process are not meant. */
	return getenv("LISTEN_FDS") || inherit_from_manager(fds, 4) != 0 ? __LINE__ & 127 : 0;
}

/* In a process of its own: descriptor 3 is libcheck's in this one. */
START_TEST(from_manager)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(as_child(_i));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(adopts_sockets)
{
	const struct listen_options o = {
		.recv_buffer = 100000, .gro = true, .no_timestamp = true
	};
	struct endpoint e = { .addr = addr_make4(0x7f000001) }, seen;
	int fd = socket_listen(&e, &(struct listen_options){ .recv_buffer = 20000 }), other[2];

	ck_assert_int_eq(socket_adopt(fd, &o), 0);
	ck_assert_int_eq(socket_recv_buffer(fd), 100000);
	ck_assert_int_eq(socket_local(fd, &seen), 0);
	ck_assert_uint_ne(seen.port, 0);
	ck_assert(addr_equal(&seen.addr, &e.addr));
	close(fd);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, other), 0);
	ck_assert_int_eq(socket_adopt(other[0], &o), -1);
	ck_assert_int_eq(errno, EINVAL);
	close(other[0]);
	close(other[1]);
}
END_TEST

/* ---- the other process, here a thread -------------------------------------------- */

static int given[3];
static bool sent_ok;

static void after(void *ctx, bool sent)
{
	(void)ctx;
	sent_ok = sent;
}

static bool give(void *ctx, const char *argument, struct control_answer *a)
{
	(void)ctx;
	if (strcmp(argument, "127.0.0.1:2055") != 0) {
		snprintf(a->text, sizeof(a->text), "error: not %.100s", argument);
		return false;
	}
	for (int i = 0; i < 3; i++)
		a->fds[a->nfds++] = given[i];
	a->keep = true;
	a->after = after;
	strcpy(a->text, "ok: 3 sockets");
	return true;
}

static void *serve(void *ctx)
{
	static const struct control_command commands[] = { { "handover", give } };
	const int fd = *(int *)ctx;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	if (select(fd + 1, &set, NULL, NULL, NULL) == 1)
		control_serve(fd, commands, 1, NULL);
	return NULL;
}

static const struct {
	uint16_t port;
	int expect;
	const char *log;
} requests[] = { { 2055, 3, "" }, { 2056, -1, "not 127.0.0.1:2056" } };

START_TEST(from_process)
{
	char path[] = "/tmp/check-inherit-XXXXXX";
	struct settings s = { .control = path,
		.listen = { addr_make4(0x7f000001), requests[_i].port, false } };
	int fds[WORKERS_MAX], n, fd, memory, temp = mkstemp(path);
	pthread_t thread;

	close(temp);
	unlink(path);
	fd = control_open(path);
	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 3; i++) {
		struct endpoint e = { .addr = addr_make4(0x7f000001) };

		given[i] = socket_listen(&e, &(struct listen_options){ 0 });
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, &fd), 0);
	n = inherit_from_process(&s, fds, WORKERS_MAX, &memory);
	ck_assert_int_eq(memory, -1);
	pthread_join(thread, NULL);
	ck_assert_int_eq(n, requests[_i].expect);
	ck_assert_ptr_nonnull(strstr(logged, requests[_i].log));
	for (int i = 0; i < 3; i++) {
		struct endpoint ours, theirs;

		if (n == 3) {
			ck_assert(sent_ok);
			ck_assert_int_eq(socket_local(fds[i], &ours), 0);
			ck_assert_int_eq(socket_local(given[i], &theirs), 0);
			ck_assert_uint_eq(ours.port, theirs.port);
			close(fds[i]);
		}
		close(given[i]);
	}
	control_close(fd, path);
}
END_TEST

Suite *suite_inherit(void)
{
	Suite *s = suite_create("inherit");
	TCase *t = tcase_create("inherit");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, from_manager, 0, 3);
	tcase_add_test(t, adopts_sockets);
	tcase_add_loop_test(t, from_process, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
