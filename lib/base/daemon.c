/*
 * daemon.c - see daemon.h.
 *
 * The pid file is locked with flock(): its lock belongs to the open file and
 * goes through fork(), where a fcntl() lock would stay with the parent that
 * exits.  Detaching forks twice, so that the daemon is no session leader and
 * can get no terminal; the working directory stays, as relative paths in a
 * configuration must mean the same after it.
 */
#include "owner.h"
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int status_pipe = -1;	/* in a detached child: where the parent waits */

int daemon_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int daemon_signal_read(int fd)
{
	struct signalfd_siginfo info;
	ssize_t n;

	do
		n = read(fd, &info, sizeof(info));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

/* True when `fd` is still what stands under `path`. */
static bool same_file(int fd, const char *path)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && stat(path, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static int write_pid(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0)
		return -1;
	return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -1;
}

static int close_with(int fd, int err)
{
	close(fd);
	errno = err;
	return -1;
}

int pidfile_open(const char *path)
{
	for (;;) {
		/* Non-blocking: a FIFO under this name must not hang the start. */
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
		struct stat st;

		if (fd < 0)
			return -1;
		if (fstat(fd, &st) < 0)
			return close_with(fd, errno);
		if (!S_ISREG(st.st_mode))
			return close_with(fd, EINVAL);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return close_with(fd, errno);
		/* A holder that was just leaving may have removed it before we had the lock. */
		if (!same_file(fd, path)) {
			close(fd);
			continue;
		}
		owner_give(fd);
		if (write_pid(fd) < 0)
			return close_with(fd, errno ? errno : EIO);
		return fd;
	}
}

void pidfile_close(int fd, const char *path)
{
	if (fd < 0)
		return;
	if (same_file(fd, path))
		unlink(path);
	close(fd);
}

void pidfile_update(int fd)
{
	if (fd >= 0)
		(void)write_pid(fd);
}

/* The parent: exit as the daemon says, or as a failure when it died without a word. */
static _Noreturn void await_child(int fd, pid_t child)
{
	unsigned char status = EXIT_RUNTIME;
	ssize_t n;

	waitpid(child, NULL, 0);	/* the one between, which exits at once */
	do
		n = read(fd, &status, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? status : EXIT_RUNTIME);
}

int daemon_detach_begin(void)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	fflush(NULL);
	child = fork();
	if (child < 0) {
		int err = errno;

		close(fds[0]);
		return close_with(fds[1], err);
	}
	if (child > 0) {
		close(fds[1]);
		await_child(fds[0], child);
	}
	close(fds[0]);
	if (setsid() < 0)
		_exit(EXIT_RUNTIME);
	child = fork();
	if (child < 0)
		_exit(EXIT_RUNTIME);
	if (child > 0)
		_exit(EXIT_SUCCESS);
	status_pipe = fds[1];
	return 0;
}

void daemon_detach_done(int status)
{
	unsigned char byte = (unsigned char)status;

	if (status_pipe < 0)
		return;
	if (status == 0) {
		int null = open("/dev/null", O_RDWR);

		fflush(NULL);
		for (int fd = 0; fd <= 2 && null >= 0; fd++)
			dup2(null, fd);
		if (null > 2)
			close(null);
	}
	while (write(status_pipe, &byte, 1) < 0 && errno == EINTR)
		;
	close(status_pipe);
	status_pipe = -1;
}

void daemon_notify(const char *state)
{
	sd_notify(0, state);
}

void daemon_notify_status(const char *fmt, ...)
{
	char text[512] = "STATUS=";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 7, sizeof(text) - 7, fmt, ap);
	va_end(ap);
	sd_notify(0, text);
}

void daemon_notify_reloading(uint64_t mono_us)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, mono_us);
}

uint64_t daemon_watchdog_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}
