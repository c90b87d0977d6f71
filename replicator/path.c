/*
 * path.c - see path.h.  Two questions to the kernel, which answers in the same
 * moment: RTM_GETROUTE, then RTM_GETNEIGH for the next hop (rtnetlink(7)).
 */
#include "path.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A question with room for an address and a number. */
struct question {
	struct nlmsghdr n;
	union {
		struct rtmsg route;
		struct ndmsg neighbour;
		struct ifinfomsg link;
	} body;
	uint8_t room[64];
};

struct answer {
	_Alignas(struct nlmsghdr) uint8_t b[8192];
	size_t n;
};

int path_open(struct path *p)
{
	p->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return p->fd < 0 ? -1 : 0;
}

void path_close(struct path *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void ask(struct question *q, uint16_t type, size_t body)
{
	memset(q, 0, sizeof(*q));
	q->n.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	q->n.nlmsg_type = type;
	q->n.nlmsg_flags = NLM_F_REQUEST;
}

static void add(struct question *q, uint16_t type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)q + NLMSG_ALIGN(q->n.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), data, n);
	q->n.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->n.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static void add_addr(struct question *q, uint16_t type, const struct addr *a)
{
	add(q, type, a->b + (addr_is4(a) ? 12 : 0), addr_is4(a) ? 4 : 16);
}

/* 0 with the answer's message first in `a`, or -1 with errno. */
static int answer(struct path *path, struct question *q, uint16_t type, struct answer *a)
{
	const struct nlmsghdr *n = (const struct nlmsghdr *)(const void *)a->b;
	ssize_t got;

	q->n.nlmsg_seq = ++path->number;
	if (send(path->fd, q, q->n.nlmsg_len, 0) < 0)
		return -1;
	do {
		got = recv(path->fd, a->b, sizeof(a->b), MSG_DONTWAIT);
		if (got < (ssize_t)sizeof(*n) || n->nlmsg_len > (size_t)got) {
			errno = EPROTO;
			return -1;
		}
	} while (n->nlmsg_seq != q->n.nlmsg_seq);	/* of an older question */
	a->n = n->nlmsg_len;
	if (n->nlmsg_type == type)
		return 0;
	errno = EPROTO;
	if (n->nlmsg_type == NLMSG_ERROR)
		errno = -((const struct nlmsgerr *)NLMSG_DATA(n))->error;
	return -1;
}

/* Attribute `type` of an answer whose body has `body` octets, or NULL. */
static const void *attribute(const struct answer *a, size_t body, uint16_t type, size_t want)
{
	const struct rtattr *at = (const struct rtattr *)(const void *)(a->b + NLMSG_SPACE(body));
	long left = (long)a->n - (long)NLMSG_SPACE(body);

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type && RTA_PAYLOAD(at) >= want)
			return RTA_DATA(at);
	return NULL;
}

static bool link_is_dead(struct path *path, int index)
{
	struct question q;
	struct answer a;

	ask(&q, RTM_GETLINK, sizeof(q.body.link));
	q.body.link.ifi_index = index;
	if (answer(path, &q, RTM_NEWLINK, &a) < 0)
		return errno == ENODEV;
	return !(((const struct ifinfomsg *)NLMSG_DATA((const struct nlmsghdr *)(const void *)a.b))
			 ->ifi_flags &
		IFF_RUNNING);
}

static enum path_state neighbour_look(struct path *path, int index, const struct addr *to)
{
	const struct ndmsg *m;
	struct question q;
	struct answer a;

	ask(&q, RTM_GETNEIGH, sizeof(q.body.neighbour));
	q.body.neighbour.ndm_family = addr_is4(to) ? AF_INET : AF_INET6;
	q.body.neighbour.ndm_ifindex = index;
	add_addr(&q, NDA_DST, to);
	if (answer(path, &q, RTM_NEWNEIGH, &a) < 0)
		return PATH_FINE;
	m = NLMSG_DATA((const struct nlmsghdr *)(const void *)a.b);
	if (m->ndm_state & NUD_FAILED)
		return PATH_DEAD;
	return m->ndm_state & (NUD_INCOMPLETE | NUD_PROBE) ? PATH_ASKS : PATH_FINE;
}

enum path_state path_look(struct path *path, const struct addr *to)
{
	const bool v4 = addr_is4(to);
	struct addr hop = *to;
	struct question q;
	struct answer a;
	const void *p;
	int index;

	ask(&q, RTM_GETROUTE, sizeof(q.body.route));
	q.body.route.rtm_family = v4 ? AF_INET : AF_INET6;
	q.body.route.rtm_dst_len = v4 ? 32 : 128;
	add_addr(&q, RTA_DST, to);
	if (answer(path, &q, RTM_NEWROUTE, &a) < 0)
		return errno == ENETUNREACH || errno == EHOSTUNREACH ? PATH_DEAD : PATH_FINE;
	p = attribute(&a, sizeof(struct rtmsg), RTA_OIF, sizeof(index));
	if (!p)
		return PATH_FINE;
	memcpy(&index, p, sizeof(index));
	p = attribute(&a, sizeof(struct rtmsg), RTA_GATEWAY, v4 ? 4 : 16);
	if (p)
		hop = v4 ? addr_from4(p) : addr_from16(p);
	return link_is_dead(path, index) ? PATH_DEAD : neighbour_look(path, index, &hop);
}
