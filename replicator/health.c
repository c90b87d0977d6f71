/*
 * health.c - see health.h.
 */
#include "health.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t ms(uint64_t n)
{
	return n * UINT64_C(1000000);
}

static void is_down(struct health *h, uint64_t now_ns)
{
	h->quiet_ns = now_ns + ms(HEALTH_QUIET_MS);
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
	if (h->probe_fd < 0) {
		is_down(h, now_ns);
		return look(h, now_ns);
	}
	/* What the last one met; then the next one. */
	getsockopt(h->probe_fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (send(h->probe_fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && err == 0 && errno != EAGAIN)
		err = errno;
	if (err)
		is_down(h, now_ns);
	return look(h, now_ns);
}

void health_close(struct health *h)
{
	if (h->probe_fd >= 0)
		close(h->probe_fd);
	h->probe_fd = -1;
}
