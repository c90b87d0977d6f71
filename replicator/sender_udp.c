/*
 * sender_udp.c - ordinary sockets: one a receiver, connected and non-blocking.
 *
 * A socket for all receivers would be stopped by any of them: what waits for a
 * neighbour that does not answer stays charged to the socket's send buffer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "replicator/receivers.h"

void sender_set_ip(int fd, bool v4, uint8_t ttl, uint8_t tos)
{
	int value = ttl;

	if (ttl)
		setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS,
			&value, sizeof(value));
	value = tos;
	if (tos)
		setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &value,
			   sizeof(value));
}

/*
 * A connected UDP socket is told of closed ports, and only when it asks for all
 * errors of hosts that a router does not find, and of what the queue of a link
 * dropped (ENOBUFS): without this such a datagram counts as sent.
 */
void sender_hear(int fd, bool v4)
{
	setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR,
		&(int){ 1 }, sizeof(int));
}

static int udp_available(const char **why)
{
	(void)why;
	return 0;
}

static void udp_open(struct receiver *r, struct outlet *o)
{
	const struct sender_counts counts = r->out.counts;
	struct endpoint from = { .any = true };
	int fd;

	(void)o;
	if (r->options.has_source)
		from = r->options.source;
	from.port = r->source_port;
	fd = socket_connect(&r->to, r->options.has_source || r->source_port ? &from : NULL,
			    r->options.send_buffer);
	if (fd < 0) {
		r->out.fd = -1;
		r->open_errno = errno;
		return;
	}
	sender_set_ip(fd, addr_is4(&r->to.addr), r->ttl, r->options.tos);
	sender_hear(fd, addr_is4(&r->to.addr));
	sender_init(&r->out, fd);
	r->out.counts = counts;
}

static void udp_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	if (r->out.fd < 0 && now_ns >= r->retry_ns) {
		r->retry_ns = now_ns + SENDER_RETRY_MS * UINT64_C(1000000);
		udp_open(r, o);
	}
	if (r->out.fd < 0)
		sender_charge(&r->out, r->open_errno, s->n);
	else
		sender_send(&r->out, s->data, s->n, NULL);
}

static void udp_close(struct receiver *r, struct outlet *o)
{
	(void)o;
	if (r->out.fd >= 0)
		close(r->out.fd);
	r->out.fd = -1;
}

const struct sender_kind sender_udp = { "udp", udp_available, udp_open, udp_send, udp_close };
