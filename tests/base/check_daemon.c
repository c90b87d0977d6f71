/*
 * check_daemon.c - signals through a descriptor, the pid file's lock, and the
 * exit status that a detaching program gives its caller.  Children are told
 * what to do by pipes, so nothing waits for a time.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/daemon.h"

Suite *suite_daemon(void);

static char dir[64], path[100];

static void make_dir(void)
{
	strcpy(dir, "/tmp/check_daemon.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pid", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

static long pid_in_file(void)
{
	FILE *f = fopen(path, "r");
	long pid = -1;

	if (f) {
		if (fscanf(f, "%ld", &pid) != 1 || fgetc(f) != '\n' || fgetc(f) != EOF)
			pid = -2;
		fclose(f);
	}
	return pid;
}

static int status_of(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(reads_signals)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	const int fd = daemon_signals();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int pipe_fds[2];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(daemon_signal_read(fd), 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		kill(getpid(), signals[i]);
		ck_assert_int_eq(poll(&p, 1, 1000), 1);
		ck_assert_int_eq(daemon_signal_read(fd), signals[i]);
		ck_assert_int_eq(daemon_signal_read(fd), 0);
	}
	/* A reader that went away is an error code, no end of the program. */
	ck_assert_int_eq(pipe(pipe_fds), 0);
	close(pipe_fds[0]);
	ck_assert_int_eq((int)write(pipe_fds[1], "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(pipe_fds[1]);
	close(fd);
}
END_TEST

START_TEST(locks_its_pid_file)
{
	struct stat st;
	int fd;

	make_dir();
	fd = pidfile_open(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pid_in_file(), getpid());
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	/* flock() belongs to the open file: a second open is refused in this process too. */
	ck_assert_int_eq(pidfile_open(path), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	ck_assert_int_eq(pid_in_file(), getpid());
	pidfile_close(fd, path);
	ck_assert_int_eq(access(path, F_OK), -1);
	remove_dir();
}
END_TEST

START_TEST(overwrites_a_stale_pid_file)
{
	FILE *f;
	int fd;

	make_dir();
	f = fopen(path, "w");
	fputs("99999999 and much more text\n", f);
	fclose(f);
	fd = pidfile_open(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pid_in_file(), getpid());
	/* Replaced by somebody: not ours to remove. */
	unlink(path);
	f = fopen(path, "w");
	fputs("1\n", f);
	fclose(f);
	pidfile_close(fd, path);
	ck_assert_int_eq(pid_in_file(), 1);
	pidfile_close(-1, path);
	remove_dir();
}
END_TEST

START_TEST(refuses_what_is_no_file)
{
	make_dir();
	ck_assert_int_eq(pidfile_open("/dev/zero"), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(access("/dev/zero", F_OK), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(pidfile_open(path), -1);
	ck_assert_int_eq(errno, EINVAL);
	unlink(path);
	strcat(path, "/no");
	ck_assert_int_eq(pidfile_open(path), -1);
	ck_assert_int_eq(errno, ENOENT);
	remove_dir();
}
END_TEST

/* In a child of the test: detach, and let `go` decide what the daemon does. */
static pid_t start(void (*go)(int out), int out)
{
	const pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (daemon_detach_begin() < 0)
			_exit(99);
		go(out);
		_exit(0);
	}
	return child;
}

static void run_well(int out)
{
	const int lock = pidfile_open(path);
	char report[100];
	int n;

	daemon_detach_done(0);
	n = snprintf(report, sizeof(report), "%ld %d %d %d", (long)getpid(), lock >= 0,
		     getsid(0) != getpid(), isatty(0));
	if (write(out, report, (size_t)n) != n)
		_exit(98);
	close(out);
	pause();
}

static void fail_to_start(int out)
{
	(void)out;
	daemon_detach_done(EXIT_USAGE);
	_exit(EXIT_USAGE);
}

static void die_at_once(int out)
{
	(void)out;
	raise(SIGKILL);
}

START_TEST(detaches)
{
	char report[100] = "";
	long pid = 0;
	int fds[2], locked, no_leader, tty, other;
	pid_t child;

	make_dir();
	ck_assert_int_eq(pipe(fds), 0);
	child = start(run_well, fds[1]);
	close(fds[1]);
	/* The caller returns only when the daemon is up: its pid file stands. */
	ck_assert_int_eq(status_of(child), 0);
	ck_assert_int_gt(pid_in_file(), 0);
	for (size_t n = 0; n < sizeof(report) - 1;) {
		const ssize_t got = read(fds[0], report + n, sizeof(report) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fds[0]);
	ck_assert_int_eq(sscanf(report, "%ld %d %d %d", &pid, &locked, &no_leader, &tty), 4);
	ck_assert_int_eq(pid_in_file(), pid);
	ck_assert_int_ne(pid, child);
	ck_assert(locked && no_leader && !tty);
	other = pidfile_open(path);
	ck_assert_int_eq(other, -1);
	kill((pid_t)pid, SIGKILL);
	remove_dir();
}
END_TEST

START_TEST(keeps_the_lock_through_a_fork)
{
	int fd, held, fds[2], tell[2], byte = 0;
	pid_t child;

	make_dir();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pipe(tell), 0);
	fd = pidfile_open(path);
	child = fork();
	if (child == 0) {
		char c = 'u';

		close(fds[1]);
		pidfile_update(fd);
		if (write(tell[1], &c, 1) != 1 || read(fds[0], &c, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(fds[0]);
	ck_assert_int_eq((int)read(tell[0], &byte, 1), 1);
	close(fd);	/* the parent's copy: the child holds the lock */
	held = pidfile_open(path);
	ck_assert_int_eq(held, -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	ck_assert_int_eq(pid_in_file(), child);
	close(fds[1]);
	ck_assert_int_eq(status_of(child), 0);
	fd = pidfile_open(path);
	ck_assert_int_ge(fd, 0);
	pidfile_close(fd, path);
	close(tell[0]);
	close(tell[1]);
	remove_dir();
}
END_TEST

START_TEST(tells_its_caller_of_a_failure)
{
	ck_assert_int_eq(status_of(start(fail_to_start, -1)), EXIT_USAGE);
	ck_assert_int_eq(status_of(start(die_at_once, -1)), EXIT_RUNTIME);
	daemon_detach_done(0);	/* not detached: nothing happens, stdio stays */
	ck_assert_int_ge(fcntl(STDOUT_FILENO, F_GETFD), 0);
}
END_TEST

START_TEST(notifies_the_service_manager)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char got[100];
	ssize_t n;
	int fd;

	make_dir();
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	unsetenv("NOTIFY_SOCKET");
	daemon_notify("READY=1");
	ck_assert_int_eq((int)recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	setenv("NOTIFY_SOCKET", path, 1);
	daemon_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	ck_assert_int_eq((int)n, 7);
	ck_assert(memcmp(got, "READY=1", 7) == 0);
	close(fd);
	remove_dir();
}
END_TEST

/* sd_notify(3): what a reload and a state look like, and how often a watchdog wants to hear. */
START_TEST(notifies_states)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char got[600], pid[24];
	ssize_t n;
	int fd;

	make_dir();
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	daemon_notify_status("%d datagrams", 17);
	daemon_notify_reloading(1234567);
	unsetenv("NOTIFY_SOCKET");
	n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	ck_assert_int_gt((int)n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, "STATUS=17 datagrams");
	n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	ck_assert_int_gt((int)n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, "RELOADING=1\nMONOTONIC_USEC=1234567");
	close(fd);
	remove_dir();
	ck_assert_uint_eq(daemon_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	ck_assert_uint_eq(daemon_watchdog_us(), 3000000);
	/* Meant for another process. */
	snprintf(pid, sizeof(pid), "%d", (int)getppid());
	setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(daemon_watchdog_us(), 0);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}
END_TEST

Suite *suite_daemon(void)
{
	Suite *s = suite_create("daemon");
	TCase *t = tcase_create("process");

	tcase_add_test(t, locks_its_pid_file);
	tcase_add_test(t, overwrites_a_stale_pid_file);
	tcase_add_test(t, refuses_what_is_no_file);
	tcase_add_test(t, detaches);
	tcase_add_test(t, keeps_the_lock_through_a_fork);
	tcase_add_test(t, tells_its_caller_of_a_failure);
	tcase_add_test(t, notifies_the_service_manager);
	tcase_add_test(t, notifies_states);
	tcase_add_test(t, reads_signals);
	suite_add_tcase(s, t);
	return s;
}
