/*
 * relay.h - a process between a sink and its database that breaks a connection at
 * its COMMIT, for the tests of the sinks.
 */
#ifndef RELAY_H
#define RELAY_H

#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* One connection through the relay; true when it was cut at COMMIT. */
static inline bool relay_one(int client, int server, bool cut, bool deliver)
{
	struct pollfd p[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
	static char buf[1 << 16];

	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!p[i].revents)
				continue;
			n = read(p[i].fd, buf, sizeof(buf));
			if (n <= 0)
				return false;
			if (i == 0 && cut && memmem(buf, (size_t)n, "COMMIT", 6)) {
				if (deliver && write(server, buf, (size_t)n) == n)
					n = read(server, buf,
						sizeof(buf)); /* its answer, which nobody gets */
				return true;
			}
			if (write(p[!i].fd, buf, (size_t)n) != n)
				return false;
		}
	}
	return false;
}

/* At `path`, to the UNIX socket `to`; only the first connection is broken. */
static inline pid_t relay_start(const char *path, const char *to, bool deliver)
{
	int listener = unix_socket(path, true);
	bool cut = true;
	pid_t pid;

	ck_assert_int_ge(listener, 0);
	pid = fork();
	if (pid != 0) {
		close(listener);
		return pid;
	}
	for (;;) {
		int client = accept(listener, NULL, NULL), server = unix_socket(to, false);

		if (client < 0 || server < 0)
			_exit(1);
		if (relay_one(client, server, cut, deliver))
			cut = false;
		close(client);
		close(server);
	}
}

#endif /* RELAY_H */
