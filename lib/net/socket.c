/*
 * socket.c - UDP sockets: text <-> address, bind, connect, sizes, steering.
 *
 * A listening socket without an address is one dual-stack IPv6 socket; IPv4
 * senders appear on it v4-mapped, which is the form that struct addr has
 * anyway.  Where the kernel has no IPv6 it is an IPv4 one.
 */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

char *endpoint_print(const struct endpoint *e, char buf[static ENDPOINT_TEXT])
{
	char text[ADDR_TEXT];

	if (e->any)
		snprintf(buf, ENDPOINT_TEXT, "*:%u", e->port);
	else if (addr_is4(&e->addr))
		snprintf(buf, ENDPOINT_TEXT, "%s:%u", addr_print(&e->addr, text), e->port);
	else
		snprintf(buf, ENDPOINT_TEXT, "[%s]:%u", addr_print(&e->addr, text), e->port);
	return buf;
}

void endpoint_from_sockaddr(struct endpoint *e, const struct sockaddr_storage *ss)
{
	memset(e, 0, sizeof(*e));
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		e->addr = addr_from4((const uint8_t *)&in->sin_addr);
		e->port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		e->addr = addr_from16(in6->sin6_addr.s6_addr);
		e->port = ntohs(in6->sin6_port);
	} else {
		e->addr = addr_zero4;
	}
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (!e->any && addr_is4(&e->addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, e->addr.b + 12, 4);
		in->sin_port = htons(e->port);
		return sizeof(*in);
	}

	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_family = AF_INET6;
	if (!e->any)
		memcpy(in6->sin6_addr.s6_addr, e->addr.b, 16);
	in6->sin6_port = htons(e->port);
	return sizeof(*in6);
}

static int endpoint_any(struct endpoint *e, int family)
{
	e->any = family == 0;
	e->addr = family == 4 ? addr_zero4 : addr_zero6;
	return 0;
}

/* The port by number or by service name. */
static bool port_resolve(uint16_t *port, const char *text, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE }, *ai;
	unsigned long v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && v <= UINT16_MAX; p++)
		v = v * 10 + (unsigned long)(*p - '0');
	if (p > text && *p == '\0' && v <= UINT16_MAX) {
		*port = (uint16_t)v;
		return true;
	}
	*why = "expected a port, 0 to 65535, or the name of a UDP service";
	if (p > text || *text == '\0' || getaddrinfo(NULL, text, &hints, &ai) != 0)
		return false;

	struct sockaddr_storage ss;

	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);

	struct endpoint e;

	endpoint_from_sockaddr(&e, &ss);
	*port = e.port;
	return true;
}

int endpoint_resolve(struct endpoint *e, const char *host, const char *port, int family,
		     const char **why)
{
	/* No AI_ADDRCONFIG: a host whose only IPv4 address is 127.0.0.1 has IPv4. */
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC };
	struct addrinfo *ai;
	char bare[256];
	size_t n;
	int err;

	memset(e, 0, sizeof(*e));
	if (port && !port_resolve(&e->port, port, why))
		return -1;
	if (!host || host[0] == '\0' || strcmp(host, "*") == 0)
		return endpoint_any(e, family);
	n = strlen(host);
	if (host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n >= sizeof(bare)) {
		*why = "host name is too long";
		return -1;
	}
	memcpy(bare, host, n);
	bare[n] = '\0';
	if (strchr(bare, '%')) {
		*why = "an address with a %zone is not supported";
		return -1;
	}
	if (addr_parse(&e->addr, bare)) {
		if (family && (family == 4) != addr_is4(&e->addr)) {
			*why = family == 4 ? "expected an IPv4 address"
					   : "expected an IPv6 address";
			return -1;
		}
		return 0;
	}
	err = getaddrinfo(bare, NULL, &hints, &ai);
	if (err != 0) {
		*why = gai_strerror(err);
		return -1;
	}

	struct sockaddr_storage ss;
	uint16_t keep = e->port;

	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	endpoint_from_sockaddr(e, &ss);
	e->port = keep;
	return 0;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Close without losing the errno of what failed. */
static int close_failed(int fd)
{
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

/* What makes things better; a kernel without it still receives. */
static void listen_improve(int fd, const struct listen_options *o)
{
	if (!o->no_timestamp)
		set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (o->recv_buffer > 0 && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, o->recv_buffer) < 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, o->recv_buffer);
	if (o->gro)
		set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
}

static int listen_set(int fd, const struct endpoint *e, int family, const struct listen_options *o)
{
	if (family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6_only) < 0)
		return -1;
	if (o->reuse_addr && set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -1;
	if (o->reuse_port && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -1;
	if (o->interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->interface,
				       (socklen_t)strlen(o->interface) + 1) < 0)
		return -1;
	listen_improve(fd, o);
	(void)e;
	return 0;
}

static int listen_family(const struct endpoint *e, int family, const struct listen_options *o)
{
	struct endpoint at = *e;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (family == AF_INET && at.any) {
		at.any = false;
		at.addr = addr_zero4;
	}
	len = endpoint_to_sockaddr(&at, &ss);
	if (listen_set(fd, &at, family, o) < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		return close_failed(fd);
	return fd;
}

int socket_listen(const struct endpoint *e, const struct listen_options *o)
{
	int fd;

	if (!e->any && addr_is4(&e->addr))
		return listen_family(e, AF_INET, o);
	fd = listen_family(e, AF_INET6, o);
	/* IPv6 compiled out or switched off: "all addresses" is then IPv4's. */
	if (fd < 0 && e->any && !o->v6_only && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = listen_family(e, AF_INET, o);
	return fd;
}

int socket_adopt(int fd, const struct listen_options *o)
{
	int type = 0, domain = 0, flags;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return -1;
	if (type != SOCK_DGRAM || (domain != AF_INET && domain != AF_INET6)) {
		errno = EINVAL;
		return -1;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	listen_improve(fd, o);
	return 0;
}

int socket_local(int fd, struct endpoint *e)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -1;
	endpoint_from_sockaddr(e, &ss);
	return 0;
}

int socket_recv_buffer(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len) < 0)
		return -1;
	return value / 2;
}

int socket_connect(const struct endpoint *to, const struct endpoint *from, int send_buffer)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (send_buffer > 0 && set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, send_buffer) < 0)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, send_buffer);
	/* Nobody reads this socket: what a receiver answers must not pile up. */
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	if (from) {
		struct sockaddr_storage local;
		struct endpoint at = *from;
		socklen_t n;

		if (at.any) {
			at.any = false;
			at.addr = *addr_zero_like(&to->addr);
		}
		n = endpoint_to_sockaddr(&at, &local);
		if (bind(fd, (struct sockaddr *)&local, n) < 0)
			return close_failed(fd);
	}
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return close_failed(fd);
	return fd;
}

/*
 * Classic BPF on the group: a hash of the source, modulo n.  In the code the
 * network header begins at SKF_NET_OFF; the UDP header of IPv4 lies behind its
 * options, that of IPv6 is looked for at 40: with extension headers there,
 * other octets of the packet are hashed, and an exporter that uses them may be
 * spread by what they hold.
 */
static int steer(int fd, unsigned n, bool by_port)
{
	const uint32_t net = (uint32_t)SKF_NET_OFF;
	/* The port, or with by_port unset nothing, is xor-ed to the address. */
	const uint32_t port_mask = by_port ? 0xffff : 0;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, net), /* version and header length */
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 7, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, net), /* IPv4: octets of its header */
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, net), /* source port */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, port_mask),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 12), /* source address */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_JUMP(BPF_JMP | BPF_JA, 14, 0, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, net + 40), /* IPv6: source port */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, port_mask),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 8), /* source address, four words */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 12),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 16),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 20),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		/* Fibonacci hashing: neighbours in a subnet spread over the workers. */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (n == 0) {
		errno = EINVAL;
		return -1;
	}
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

/* The port is left out: a router that changes it must stay with the worker that has its templates.
 */
int socket_steer_by_source(int fd, unsigned n)
{
	return steer(fd, n, false);
}

int socket_steer_by_flow(int fd, unsigned n)
{
	return steer(fd, n, true);
}

int socket_join(int fd, const struct addr *group)
{
	if (addr_is4(group)) {
		struct ip_mreqn m4 = { .imr_ifindex = 0 };

		memcpy(&m4.imr_multiaddr, group->b + 12, 4);
		return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4));
	}

	struct ipv6_mreq m6 = { .ipv6mr_interface = 0 };

	memcpy(&m6.ipv6mr_multiaddr, group->b, 16);
	return setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6));
}
