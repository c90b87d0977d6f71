/*
 * control.c - see control.h.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"

enum { ANSWER_MS = 5000, AT_ONCE = 16 };

static int address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(a->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(a->sun_path, path);
	return 0;
}

/* A socket file that nobody listens on any more: left by a process that died. */
static bool is_dead(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
		errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return dead;
}

int control_open(const char *path)
{
	struct sockaddr_un a;
	int fd, err;

	if (address(&a, path) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 &&
	    (errno != EADDRINUSE || !is_dead(&a) || unlink(path) < 0 ||
	     bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0))
		goto close_socket;
	if (chmod(path, 0600) < 0)
		goto close_socket;
	return fd;
close_socket:
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

void control_close(int fd, const char *path)
{
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}

/* ---- commands ------------------------------------------------------------- */

static bool command_tell(struct fanout *f, const char *who, char answer[static CONTROL_TEXT])
{
	const bool all = strcmp(who, "all") == 0;
	unsigned n = 0;

	if (!f->recall) {
		snprintf(answer, CONTROL_TEXT, "error: there is no template memory (template_memory: 0)");
		return false;
	}
	for (size_t i = 0; i < f->receivers->npools; i++) {
		for (size_t k = 0; k < f->receivers->pools[i].n; k++) {
			struct receiver *r = f->receivers->pools[i].receivers[k];

			if (!all && strcmp(r->label, who) != 0)
				continue;
			recall_forget(&r->known, f->recall);
			n++;
		}
	}
	if (n)
		snprintf(answer, CONTROL_TEXT, "ok: %u receivers", n);
	else
		snprintf(answer, CONTROL_TEXT, "error: tell: \"%.80s\": expected a receiver as the statistics "
			 "name it, or all", who);
	return n > 0;
}

static const struct {
	const char *name;
	bool (*run)(struct fanout *f, const char *argument, char answer[static CONTROL_TEXT]);
} commands[] = {
	{ "tell", command_tell },
};

bool control_command(struct fanout *f, const char *text, char answer[static CONTROL_TEXT])
{
	const size_t n = strcspn(text, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].name) == n && memcmp(commands[i].name, text, n) == 0)
			return commands[i].run(f, text + n + (text[n] == ' '), answer);
	snprintf(answer, CONTROL_TEXT, "error: \"%.80s\": expected tell RECEIVER", text);
	return false;
}

static bool command_all(struct worker *w, size_t n, const char *text, char answer[static CONTROL_TEXT])
{
	bool done = true;

	for (size_t i = 0; i < n && done; i++) {
		worker_enter(&w[i]);
		done = control_command(w[i].fanout, text, answer);
		worker_leave(&w[i]);
	}
	return done;
}

void control_serve(int fd, struct worker *w, size_t n)
{
	char text[CONTROL_TEXT], answer[CONTROL_TEXT];

	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_un from;
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &len);

		if (got < 0)
			return;
		text[got] = '\0';
		text[strcspn(text, "\n")] = '\0';
		log_info("control: \"%.100s\": %s", text,
			 command_all(w, n, text, answer) ? "done" : "refused");
		if (len > sizeof(sa_family_t))
			sendto(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL,
			       (struct sockaddr *)&from, len);
	}
}

int control_ask(const char *path, const char *command)
{
	struct sockaddr_un a, own = { .sun_family = AF_UNIX };
	struct pollfd p = { .fd = -1, .events = POLLIN };
	char answer[CONTROL_TEXT];
	ssize_t n = -1;

	if (address(&a, path) == 0)
		p.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* An address of its own, in the abstract space, for the answer. */
	if (p.fd < 0 || bind(p.fd, (struct sockaddr *)&own, sizeof(sa_family_t)) < 0 ||
	    connect(p.fd, (struct sockaddr *)&a, sizeof(a)) < 0 || send(p.fd, command, strlen(command), 0) < 0)
		log_error_errno("%s", path);
	else if (poll(&p, 1, ANSWER_MS) == 1)
		n = recv(p.fd, answer, sizeof(answer) - 1, 0);
	else
		log_error("%s: no answer in %d s", path, ANSWER_MS / 1000);
	if (p.fd >= 0)
		close(p.fd);
	if (n < 0)
		return EXIT_RUNTIME;
	answer[n] = '\0';
	if (strncmp(answer, "ok", 2) != 0) {
		log_error("%s", answer + (strncmp(answer, "error: ", 7) == 0 ? 7 : 0));
		return EXIT_RUNTIME;
	}
	puts(answer);
	return 0;
}
