/*
 * health.c - see health.h.
 */
#include "health.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replicator/sender.h"

/* Looks, a quarter of a second apart; an answer takes milliseconds. */
enum { ASKED_MOST = 2 };

static uint64_t ms(uint64_t n)
{
	return n * UINT64_C(1000000);
}

/*
 * Routers and hosts say one thing a second to each who sends, and several
 * receivers that are away share it.  So the longest silence that was none tells
 * how long one has to be to be believed.
 */
static void is_down(struct health *h, uint64_t now_ns)
{
	const uint64_t gap = now_ns - h->sign_ns;
	uint64_t quiet;

	if (!h->sign_ns || gap > ms(HEALTH_FORGET_MS))
		h->gap_ns = 0;
	else if (gap > h->gap_ns)
		h->gap_ns = gap;
	h->sign_ns = now_ns;
	quiet = h->gap_ns + h->gap_ns / 2 + ms(1000);
	if (quiet < ms(HEALTH_QUIET_MS))
		quiet = ms(HEALTH_QUIET_MS);
	h->quiet_ns = now_ns + (quiet < ms(HEALTH_QUIET_MAX_MS) ? quiet : ms(HEALTH_QUIET_MAX_MS));
	if (!h->down) {
		h->down = true;
		h->downs++;
		h->told_ns = now_ns;
	}
}

/* Time goes by: back up, or due for another telling while it is down. */
static bool look(struct health *h, uint64_t now_ns)
{
	if (!h->down)
		return false;
	if (now_ns >= h->quiet_ns) {
		h->down = false;
		return true;
	}
	if (now_ns - h->told_ns < ms(HEALTH_PROBE_MS))
		return false;
	h->told_ns = now_ns;
	return true;
}

void health_rebase(struct health *h, const struct sender_counts *c)
{
	h->seen = c->icmp_errors + c->refused + c->unreachable;
}

bool health_sent(struct health *h, const struct sender_counts *c, uint64_t now_ns)
{
	if (c->icmp_errors + c->refused + c->unreachable != h->seen)
		is_down(h, now_ns);
	health_rebase(h, c);
	return look(h, now_ns);
}

bool health_probe(struct health *h, const struct endpoint *to, uint64_t now_ns)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (h->probe_fd < 0)
		h->probe_fd = socket_connect(to, NULL, 0);
	if (h->probe_fd >= 0 && !h->hears) {
		sender_hear(h->probe_fd, addr_is4(&to->addr));
		h->hears = true;
	}
	if (h->probe_fd < 0) {
		is_down(h, now_ns);
		return look(h, now_ns);
	}
	/* What the last one met; then the next one. */
	getsockopt(h->probe_fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (send(h->probe_fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && err == 0 &&
		errno != EAGAIN)
		err = errno;
	if (err)
		is_down(h, now_ns);
	if (err == EHOSTUNREACH || err == ENETUNREACH)
		h->host_ns = now_ns;
	return look(h, now_ns);
}

bool health_host(struct health *h, uint64_t host_ns, uint64_t now_ns)
{
	if (h->down && host_ns > h->sign_ns)
		is_down(h, host_ns);
	return look(h, now_ns);
}

static int tcp_begin(const struct endpoint *to, uint16_t port)
{
	struct endpoint e = *to;
	struct sockaddr_storage ss;
	socklen_t n;
	int fd;

	e.port = port;
	n = endpoint_to_sockaddr(&e, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool health_probe_tcp(struct health *h, const struct endpoint *to, uint16_t port, uint64_t now_ns)
{
	struct pollfd p = { .fd = h->tcp_fd, .events = POLLOUT };
	int err = 0;
	socklen_t len = sizeof(err);
	bool settled = true;

	if (h->tcp_fd >= 0) {
		if (poll(&p, 1, 0) == 1)
			getsockopt(h->tcp_fd, SOL_SOCKET, SO_ERROR, &err, &len);
		else if (now_ns - h->tcp_ns < ms(1000))
			settled = false;
		else
			err = ETIMEDOUT;
		if (err)
			is_down(h, now_ns);
	}
	if (settled && h->tcp_fd >= 0) {
		close(h->tcp_fd);
		h->tcp_fd = -1;
	}
	if (h->tcp_fd < 0 && (h->tcp_ns == 0 || now_ns - h->tcp_ns >= ms(1000))) {
		h->tcp_ns = now_ns;
		h->tcp_fd = tcp_begin(to, port);
		if (h->tcp_fd < 0)
			is_down(h, now_ns);
	}
	return look(h, now_ns);
}

bool health_dead(struct health *h, uint64_t now_ns)
{
	is_down(h, now_ns);
	return look(h, now_ns);
}

bool health_path(struct health *h, enum path_state path, uint64_t now_ns)
{
	h->asked = path == PATH_ASKS ? h->asked + 1 : 0;
	if (path == PATH_DEAD || h->asked >= ASKED_MOST)
		is_down(h, now_ns);
	return look(h, now_ns);
}

void health_close(struct health *h)
{
	if (h->tcp_fd >= 0)
		close(h->tcp_fd);
	h->tcp_fd = -1;
	if (h->probe_fd >= 0)
		close(h->probe_fd);
	h->probe_fd = -1;
}
