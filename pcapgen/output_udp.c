/*
 * output_udp.c - to a receiver, by a connected socket per exporter.
 *
 * An exporter's address that is ours (all of 127/8 is) binds without
 * privilege.  Any other needs a transparent socket (IP_TRANSPARENT), which the
 * kernel gives to CAP_NET_ADMIN or CAP_NET_RAW; a raw socket would cost us the
 * kernel's fragmentation, checksums and UDP_SEGMENT.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/strbuf.h"
#include "pcapgen/output.h"

struct output {
	struct endpoint to;
	int send_buffer;
	struct sender *senders;
	size_t n, cap;
};

/* An exporter is a descriptor: take what the hard limit gives. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static struct output *udp_open(const struct output_options *o, char *why)
{
	struct output *out = xcalloc(1, sizeof(*out));

	(void)why;
	raise_descriptors();
	out->to = o->to;
	out->send_buffer = o->send_buffer;
	return out;
}

/* As socket_connect(), from an address that is not ours; -1 with errno. */
static int connect_transparent(const struct output *out, const struct endpoint *from)
{
	struct sockaddr_storage local, remote;
	socklen_t nlocal = endpoint_to_sockaddr(from, &local),
		  nremote = endpoint_to_sockaddr(&out->to, &remote);
	bool v6 = local.ss_family == AF_INET6;
	int one = 1, err,
	    fd = socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (out->send_buffer > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out->send_buffer, sizeof(out->send_buffer));
	if ((v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one))
		: setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one))) ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		bind(fd, (struct sockaddr *)&local, nlocal) ||
		connect(fd, (struct sockaddr *)&remote, nremote)) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int explain(const struct output *out, const struct endpoint *from, int err, char *why)
{
	char f[ENDPOINT_TEXT], t[ENDPOINT_TEXT];

	endpoint_print(from, f);
	endpoint_print(&out->to, t);
	if (err == EPERM || err == EADDRNOTAVAIL)
		snprintf(why, OUTPUT_WHY,
			"source %s is no address of this machine: sending from it needs "
			"CAP_NET_ADMIN "
			"or CAP_NET_RAW; addresses of 127.0.0.0/8 need none, --source sends from "
			"one of ours",
			f);
	else if (err == EADDRINUSE)
		snprintf(why, OUTPUT_WHY, "source %s: another socket has this port", f);
	else if (err == EINVAL || err == ENETUNREACH || err == EHOSTUNREACH)
		snprintf(why, OUTPUT_WHY, "source %s cannot reach %s: %s", f, t, strerror(err));
	else
		snprintf(why, OUTPUT_WHY, "source %s to %s: %s", f, t, strerror(err));
	return -1;
}

static int udp_source(struct output *out, struct endpoint *from, char *why)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	if (!from->any && addr_is4(&from->addr) != addr_is4(&out->to.addr)) {
		char f[ENDPOINT_TEXT], t[ENDPOINT_TEXT];

		snprintf(why, OUTPUT_WHY,
			"source %s and receiver %s are of different address families",
			endpoint_print(from, f), endpoint_print(&out->to, t));
		return -1;
	}
	fd = socket_connect(&out->to, from, out->send_buffer);
	if (fd < 0 && errno == EADDRNOTAVAIL && !from->any)
		fd = connect_transparent(out, from);
	if (fd < 0)
		return explain(out, from, errno, why);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		endpoint_from_sockaddr(from, &ss);
	if (out->n == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 16;
		out->senders = xrealloc(out->senders, out->cap * sizeof(*out->senders));
	}
	sender_init(&out->senders[out->n], fd);
	return (int)out->n++;
}

static void udp_send(struct output *out, int source, const struct bytes *d, const uint64_t *when_ns,
	size_t n, int *outcome)
{
	(void)when_ns;
	sender_send_wait(&out->senders[source], d, n, outcome);
}

static struct sender_counts udp_counts(const struct output *out)
{
	struct sender_counts sum = { 0 };

	for (size_t i = 0; i < out->n; i++) {
		const struct sender_counts *c = &out->senders[i].counts;

		sum.sent += c->sent;
		sum.sent_octets += c->sent_octets;
		sum.eagain += c->eagain;
		sum.emsgsize += c->emsgsize;
		sum.refused += c->refused;
		sum.unreachable += c->unreachable;
		sum.other += c->other;
		sum.calls += c->calls;
	}
	return sum;
}

static int udp_close(struct output *out, char *why)
{
	(void)why;
	for (size_t i = 0; i < out->n; i++)
		close(out->senders[i].fd);
	free(out->senders);
	free(out);
	return 0;
}

const struct output_class output_udp = { .name = "udp",
	.open = udp_open,
	.source = udp_source,
	.send = udp_send,
	.counts = udp_counts,
	.close = udp_close };
