/*
 * raw.c - see raw.h.
 */
#include "raw.h"
#include "replicator/sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "wire/cursor.h"
#include "wire/frame.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	FRAGMENT_HEADER = 8,
	UDP_HEADER = 8,
	PROTO_UDP = 17,
	PROTO_FRAGMENT = 44,
	IPV4_MORE = 0x2000,
	ASK_MTU = 1024,
	IPV6_MIN_MTU = 1280
};

/* ---- sums (RFC 1071) --------------------------------------------------------- */

uint16_t raw_sum(struct bytes b)
{
	return (uint16_t)~checksum_end(checksum_add(0, b.p, b.n));
}

/* With the pseudo header; 0 stands for no sum, so a sum of 0 is sent as its other zero. */
static uint16_t udp_checksum(const struct raw_head *h, uint16_t payload, size_t total)
{
	const bool v4 = addr_is4(&h->to.addr);
	uint64_t sum = payload;
	uint16_t closed;

	if (v4 && h->no_checksum)
		return 0;
	sum = checksum_add(sum, h->from.addr.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	sum = checksum_add(sum, h->to.addr.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	/* The length counts twice: in the pseudo header and in that of UDP. */
	sum += PROTO_UDP + 2 * (uint64_t)total + h->from.port + h->to.port;
	closed = checksum_end(sum);
	return closed ? closed : 0xffff;
}

/* ---- headers ------------------------------------------------------------------- */

static void put_ipv4(struct cursor *c, const struct raw_head *h, size_t at, size_t n, size_t total)
{
	put8(c, 0x45);
	put8(c, h->tos);
	put16(c, (uint16_t)(IPV4_HEADER + n));
	/* With 0 the kernel puts one of its own, which the fragments of a datagram would not share.
	 */
	put16(c, at || n < total ? (uint16_t)(h->id % 65535 + 1) : 0);
	put16(c, (uint16_t)(at / 8 | (at + n < total ? IPV4_MORE : 0)));
	put8(c, h->ttl ? h->ttl : 64);
	put8(c, PROTO_UDP);
	put16(c, 0);		/* the kernel's */
	put_bytes(c, h->from.addr.b + 12, 4);
	put_bytes(c, h->to.addr.b + 12, 4);
}

static void put_ipv6(struct cursor *c, const struct raw_head *h, size_t at, size_t n, size_t total)
{
	const bool cut = at || n < total;

	put32(c, 6u << 28 | (uint32_t)h->tos << 20);
	put16(c, (uint16_t)(n + (cut ? FRAGMENT_HEADER : 0)));
	put8(c, cut ? PROTO_FRAGMENT : PROTO_UDP);
	put8(c, h->ttl ? h->ttl : 64);
	put_bytes(c, h->from.addr.b, 16);
	put_bytes(c, h->to.addr.b, 16);
	if (!cut)
		return;
	put8(c, PROTO_UDP);
	put8(c, 0);
	put16(c, (uint16_t)(at | (at + n < total)));	/* offset in units of 8 octets, times 8 */
	put32(c, h->id);
}

size_t raw_headers(uint8_t out[static RAW_FRAGMENT_HEADERS], const struct raw_head *h, uint16_t sum,
	size_t at, size_t n, size_t total)
{
	struct cursor c = cursor(out, RAW_FRAGMENT_HEADERS);

	if (addr_is4(&h->to.addr))
		put_ipv4(&c, h, at, n, total);
	else
		put_ipv6(&c, h, at, n, total);
	if (at == 0) {
		put16(&c, h->from.port);
		put16(&c, h->to.port);
		put16(&c, (uint16_t)total);
		put16(&c, udp_checksum(h, sum, total));
	}
	return cursor_used(&c);
}

/* ---- sending ----------------------------------------------------------------------- */

static void ask_mtu(struct raw *r, bool v4)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	r->sends = 0;
	if ((v4 ? getsockopt(r->fd, IPPROTO_IP, IP_MTU, &mtu, &len)
		: getsockopt(r->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len)) < 0)
		mtu = v4 ? RAW_MTU_MIN : IPV6_MIN_MTU;
	r->mtu = mtu < RAW_MTU_MIN ? RAW_MTU_MIN : (size_t)mtu;
}

int raw_open(struct raw *r, const struct endpoint *to, int send_buffer)
{
	const bool v4 = addr_is4(&to->addr);
	const int one = 1;
	struct sockaddr_storage ss;
	struct endpoint host = *to;
	socklen_t n;
	int err;

	/* IPPROTO_RAW: headers are ours, and nothing is received.  A port here would be a protocol.
	 */
	host.port = 0;
	n = endpoint_to_sockaddr(&host, &ss);
	r->fd = socket(
		v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
	if (r->fd < 0)
		return -1;
	if (send_buffer > 0)
		setsockopt(r->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	sender_hear(r->fd, v4);
	if ((!v4 && setsockopt(r->fd, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof(one)) < 0) ||
	    connect(r->fd, (struct sockaddr *)&ss, n) < 0) {
		err = errno;
		raw_close(r);
		errno = err;
		return -1;
	}
	ask_mtu(r, v4);
	return 0;
}

void raw_close(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* Octets [at, at + n) of the UDP datagram. */
static int send_part(struct raw *r, const struct raw_head *h, struct bytes payload, uint16_t sum,
	size_t at, size_t n)
{
	uint8_t headers[RAW_FRAGMENT_HEADERS];
	const size_t total = UDP_HEADER + payload.n, skip = at ? at - UDP_HEADER : 0;
	struct iovec iov[2] = { { headers, raw_headers(headers, h, sum, at, n, total) },
		{ (void *)(uintptr_t)(payload.p + skip), at ? n : n - UDP_HEADER } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(r->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

static int send_parts(struct raw *r, const struct raw_head *h, struct bytes payload, uint16_t sum)
{
	const bool v4 = addr_is4(&h->to.addr);
	const size_t total = UDP_HEADER + payload.n, header = v4 ? IPV4_HEADER : IPV6_HEADER;
	const size_t room = (r->mtu - header - (v4 ? 0 : FRAGMENT_HEADER)) / 8 * 8;
	int err = 0;

	if (header + total <= r->mtu)
		return send_part(r, h, payload, sum, 0, total);
	for (size_t at = 0, n; at < total && !err; at += n) {
		n = total - at < room ? total - at : room;
		err = send_part(r, h, payload, sum, at, n);
	}
	return err;
}

int raw_send(struct raw *r, const struct raw_head *h, struct bytes payload, uint16_t sum)
{
	const bool v4 = addr_is4(&h->to.addr);
	int err;

	if (payload.n > UINT16_MAX - UDP_HEADER - (v4 ? IPV4_HEADER : 0))
		return EMSGSIZE;
	if (++r->sends >= ASK_MTU)
		ask_mtu(r, v4);
	err = send_parts(r, h, payload, sum);
	if (err == EMSGSIZE) {		/* the path has become narrower */
		ask_mtu(r, v4);
		err = send_parts(r, h, payload, sum);
	}
	return err;
}
