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

/* ---- text and files -------------------------------------------------------- */

union fd_control {
	struct cmsghdr head;
	char room[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

static bool send_answer(int fd, const struct sockaddr_un *to, socklen_t len,
			const struct control_answer *a)
{
	struct iovec iov = { (void *)(uintptr_t)a->text, strlen(a->text) };
	struct msghdr m = { .msg_name = (void *)(uintptr_t)to, .msg_namelen = len, .msg_iov = &iov,
		.msg_iovlen = 1 };
	union fd_control control = { .room = { 0 } };

	if (len <= sizeof(sa_family_t))
		return false;	/* nobody to answer */
	if (a->nfds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(a->nfds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(a->nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), a->fds, a->nfds * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool receive_answer(int fd, struct control_answer *a)
{
	struct iovec iov = { a->text, sizeof(a->text) - 1 };
	union fd_control control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	memset(a->fds, 0, sizeof(a->fds));
	a->nfds = 0;
	if (n < 0)
		return false;
	a->text[n] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		a->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(a->fds, CMSG_DATA(c), a->nfds * sizeof(int));
	}
	return true;
}

/* ---- commands ------------------------------------------------------------- */

bool control_tell(struct fanout *f, const char *who, struct control_answer *a)
{
	const bool all = strcmp(who, "all") == 0;
	unsigned n = 0;

	if (!f->recall) {
		snprintf(a->text, CONTROL_TEXT,
			"error: there is no template memory (template_memory: 0)");
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
		snprintf(a->text, CONTROL_TEXT, "ok: %u receivers", n);
	else
		snprintf(a->text, CONTROL_TEXT,
			"error: tell: \"%.80s\": expected a receiver as the statistics "
			"name it, or all",
			who);
	return n > 0;
}

static bool run_command(const struct control_command *commands, size_t ncommands, void *ctx,
			const char *text,
			struct control_answer *a)
{
	const size_t n = strcspn(text, " ");

	for (size_t i = 0; i < ncommands; i++)
		if (strlen(commands[i].name) == n && memcmp(commands[i].name, text, n) == 0)
			return commands[i].run(ctx, text + n + (text[n] == ' '), a);
	snprintf(a->text, CONTROL_TEXT, "error: \"%.80s\": expected a command as tell RECEIVER",
		text);
	return false;
}

void control_serve(int fd, const struct control_command *commands, size_t n, void *ctx)
{
	for (int i = 0; i < AT_ONCE; i++) {
		struct control_answer a = { .text = "" };
		char text[CONTROL_TEXT];
		struct sockaddr_un from;
		socklen_t len = sizeof(from);
		ssize_t got =
			recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &len);
		bool sent, done;

		if (got < 0)
			return;
		text[got] = '\0';
		text[strcspn(text, "\n")] = '\0';
		done = run_command(commands, n, ctx, text, &a);
		log_debug("control: \"%.100s\": %s", text, done ? "done" : "refused");
		sent = send_answer(fd, &from, len, &a);
		for (size_t k = 0; k < a.nfds && !a.keep; k++)
			close(a.fds[k]);
		if (a.after) {
			a.after(ctx, sent);
			return;
		}
	}
}

/* ---- the other side ---------------------------------------------------------- */

int control_request(const char *path, const char *command, struct control_answer *a)
{
	struct sockaddr_un to, own = { .sun_family = AF_UNIX };
	struct pollfd p = { .fd = -1, .events = POLLIN };
	bool answered = false;

	if (address(&to, path) == 0)
		p.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* An address of its own, in the abstract space, for the answer. */
	if (p.fd < 0 || bind(p.fd, (struct sockaddr *)&own, sizeof(sa_family_t)) < 0 ||
	    connect(p.fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    send(p.fd, command, strlen(command), 0) < 0)
		log_error_errno("%s", path);
	else if (poll(&p, 1, ANSWER_MS) == 1)
		answered = receive_answer(p.fd, a);
	else
		log_error("%s: no answer in %d s", path, ANSWER_MS / 1000);
	if (p.fd >= 0)
		close(p.fd);
	if (!answered)
		return -1;
	if (strncmp(a->text, "ok", 2) == 0)
		return 0;
	log_error("%s", a->text + (strncmp(a->text, "error: ", 7) == 0 ? 7 : 0));
	return -1;
}

int control_ask(const char *path, const char *command)
{
	struct control_answer a;

	if (control_request(path, command, &a) < 0)
		return EXIT_RUNTIME;
	for (size_t i = 0; i < a.nfds; i++)
		close(a.fds[i]);
	puts(a.text);
	return 0;
}
