/*
 * relay.h - a process between a sink and its database that breaks a connection at
 * its COMMIT, or changes what is said, for the tests of the sinks.
 */
#ifndef RELAY_H
#define RELAY_H

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int unix_socket(const char *path, bool server)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), on;

	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
	on = server ? bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? listen(fd, 4) : -1 :
		      connect(fd, (struct sockaddr *)&a, sizeof(a));
	return on == 0 ? fd : -1;
}

/* What the relay does to what goes through it. */
struct relay_way {
	bool cut;		/* the first connection that says COMMIT */
	bool deliver;		/* and the server hears it */
	bool as_mysql8;		/* MariaDB's greeting becomes one of MySQL 8.0.36 */
	const char *refuse;	/* MySQL: a statement with this text is answered with an error */
	unsigned code;		/* of this number */
};

/*
 * MySQL's greeting (protocol 10): version, thread, scramble, capabilities low,
 * character set, status, capabilities high, length, 6 reserved bytes, 4 of
 * MariaDB's own capabilities.  MariaDB clears the lowest capability bit to say
 * that it has more.
 */
static inline ssize_t greet_as_mysql8(uint8_t *buf, ssize_t n)
{
	static const char version[] = "8.0.36";
	const size_t old = strlen((char *)buf + 5) + 1;
	uint8_t *rest = buf + 5 + old, *to = buf + 5 + sizeof(version);
	const size_t left = (size_t)n - 5 - old;
	size_t body;

	memmove(to, rest, left);
	memcpy(buf + 5, version, sizeof(version));
	to[13] |= 1;			/* behind thread (4), scramble (8), filler (1) */
	memset(to + 27, 0, 4);
	body = 1 + sizeof(version) + left;
	buf[0] = (uint8_t)body;
	buf[1] = (uint8_t)(body >> 8);
	return (ssize_t)body + 4;
}

static inline bool answer_refused(int client, unsigned code)
{
	static const char why[] = "#HY000refused by the relay";
	uint8_t out[64] = { sizeof(why) - 1 + 3, 0, 0, 1, 0xff, (uint8_t)code, (uint8_t)(code >> 8) };

	memcpy(out + 7, why, sizeof(why) - 1);
	return write(client, out, 7 + sizeof(why) - 1) == 7 + sizeof(why) - 1;
}

/* COMMIT, and not READ COMMITTED. */
static inline bool says_commit(const uint8_t *buf, size_t n)
{
	const uint8_t *at = memmem(buf, n, "COMMIT", 6);

	return at && (at + 6 == buf + n || at[6] != 'T');
}

/* One connection through the relay; true when it was cut at COMMIT. */
static inline bool relay_one(int client, int server, atomic_bool *cut, const struct relay_way *way)
{
	struct pollfd p[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
	static uint8_t buf[1 << 16];
	bool greeting = way->as_mysql8;

	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!p[i].revents)
				continue;
			n = read(p[i].fd, buf, sizeof(buf) - 64);
			if (n <= 0)
				return false;
			if (i == 1 && greeting)
				n = greet_as_mysql8(buf, n);
			greeting = greeting && i == 0;
			if (i == 0 && says_commit(buf, (size_t)n) && atomic_exchange(cut, false)) {
				if (way->deliver && write(server, buf, (size_t)n) == n)
					n = read(server, buf,
						sizeof(buf)); /* its answer, which nobody gets */
				return true;
			}
			if (i == 0 && way->refuse &&
			    memmem(buf, (size_t)n, way->refuse, strlen(way->refuse))) {
				if (!answer_refused(client, way->code))
					return false;
			} else if (write(p[!i].fd, buf, (size_t)n) != n) {
				return false;
			}
		}
	}
	return false;
}

/* At `path`, to the UNIX socket `to`, each connection in a process of its own. */
static inline pid_t relay_start(const char *path, const char *to, const struct relay_way *way)
{
	int listener = unix_socket(path, true);
	atomic_bool *cut = mmap(NULL, sizeof(*cut), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ck_assert(cut != MAP_FAILED);
	atomic_init(cut, way->cut);
	ck_assert_int_ge(listener, 0);
	pid = fork();
	if (pid != 0) {
		setpgid(pid, pid);
		close(listener);
		return pid;
	}
	setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(listener, NULL, NULL), server = unix_socket(to, false);

		if (client < 0 || server < 0)
			_exit(1);
		if (fork() == 0) {
			close(listener);
			relay_one(client, server, cut, way);
			_exit(0);
		}
		close(client);
		close(server);
	}
}

static inline void relay_stop(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif /* RELAY_H */
