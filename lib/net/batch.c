/*
 * batch.c - recvmmsg with UDP_GRO in, sendmmsg with UDP_SEGMENT out.
 *
 * On Linux the walk of a datagram through the UDP/IP stack costs ten times the
 * system call, so that calls by the dozen win little; one walk for up to 64
 * datagrams of equal size wins most.  A message given to sendmmsg is therefore
 * a run: the kernel cuts it into datagrams again behind the socket.  The run
 * is gathered from wherever its datagrams lie (iovec); no payload is copied.
 */
#include "batch.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	/* The time stamp, the segment size. */
	RECV_CONTROL = CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)),
	SEND_CONTROL = CMSG_SPACE(sizeof(uint16_t)),
	GATHER_NS = 200000,
	GATHER_BUFFER = 1 << 20, /* octets; a smaller receive buffer has to be read sooner */
	SLACK_NS = 5000, /* how much later than asked the kernel may wake us */
	/*
	 * A batch that every receiver is sent is read as often: it is to stay in a core's own
	 * cache, which joined buffers of 64 KiB leave soon.
	 */
	BATCH_OCTETS = 256 << 10,
	MESSAGES_LEAST = 4,
	CROWD_US = 1000, CROWD_MESSAGES = 16, CROWD_CALLS = 4,
	SEGMENTS_GUESS = 64,	/* what GRO joins; more makes `d` grow */
	RUN_MAX = 64,		/* UDP_MAX_SEGMENTS */
	RUN_OCTETS = 65507,	/* the largest UDP payload over IPv4 */
	SEND_MESSAGES = 64,
	SEND_VECTORS = 1024,
	ASK_MTU_AGAIN = 1024,	/* skipped runs */
};

/* ---- in ------------------------------------------------------------------- */

struct batch_private {
	size_t messages, message_bytes, room;	/* room: of b->d */
	size_t want;		/* messages of a call: fewer when they are long */
	struct mmsghdr *msg;
	struct iovec *iov;
	struct sockaddr_storage *from;
	uint8_t (*control)[RECV_CONTROL];
	uint8_t *memory;
	uint32_t dropped;	/* the kernel's drop counter as last seen; it wraps */
	uint64_t gathered_ns;	/* monotonic: when batch_gather() returned last */
	bool stamped;		/* a time stamp came with each message of the last call */
	bool shared;		/* the socket is told to keep only the last one's */
	unsigned crowded;	/* calls in turn whose messages came within CROWD_US */
	uint64_t last_us;	/* the last message that was received */
};

struct batch *batch_new(size_t messages, size_t message_bytes)
{
	/*
	 * Buffers that start a power of two apart fight for the same cache
	 * sets: 17 lines more bring each into sets of its own.
	 */
	const size_t stride = ((message_bytes + 63) & ~(size_t)63) + 17 * 64;
	struct batch *b = calloc(1, sizeof(*b));
	struct batch_private *p = calloc(1, sizeof(*p));

	if (!b || !p)
		goto fail;
	b->priv = p;
	p->messages = p->want = messages;
	p->message_bytes = message_bytes;
	p->room = messages * SEGMENTS_GUESS;
	b->d = calloc(p->room, sizeof(*b->d));
	p->msg = calloc(messages, sizeof(*p->msg));
	p->iov = calloc(messages, sizeof(*p->iov));
	p->from = calloc(messages, sizeof(*p->from));
	p->control = calloc(messages, sizeof(*p->control));
	p->memory = malloc(messages * stride);
	if (!b->d || !p->msg || !p->iov || !p->from || !p->control || !p->memory)
		goto fail;
	for (size_t i = 0; i < messages; i++) {
		p->iov[i] = (struct iovec){ p->memory + i * stride, message_bytes };
		p->msg[i].msg_hdr.msg_name = &p->from[i];
		p->msg[i].msg_hdr.msg_iov = &p->iov[i];
		p->msg[i].msg_hdr.msg_iovlen = 1;
		p->msg[i].msg_hdr.msg_control = p->control[i];
	}
	return b;
fail:
	if (b && !b->priv)
		free(p);
	batch_free(b);
	errno = ENOMEM;
	return NULL;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	if (b->priv) {
		free(b->priv->msg);
		free(b->priv->iov);
		free(b->priv->from);
		free(b->priv->control);
		free(b->priv->memory);
		free(b->priv);
	}
	free(b->d);
	free(b);
}

/* What the kernel says beside the bytes. */
struct recv_notes {
	uint64_t recv_us;
	size_t segment;		/* 0: one datagram */
};

static uint64_t us_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_nsec / 1000;
}

static struct recv_notes read_control(struct msghdr *m)
{
	struct recv_notes notes = { 0, 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			notes.recv_us = us_of(&ts);
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			if (segment > 0)
				notes.segment = (size_t)segment;
		}
	}
	return notes;
}

/* Room for one datagram more; the table grows only if GRO joins more than was ever seen. */
static struct datagram *next_datagram(struct batch *b)
{
	if (b->n == b->priv->room) {
		struct datagram *d = realloc(b->d, b->priv->room * 2 * sizeof(*d));

		if (!d)
			return NULL;
		b->d = d;
		b->priv->room *= 2;
	}
	return &b->d[b->n++];
}

/* One buffer of the kernel into its datagrams. */
static void split(struct batch *b, struct mmsghdr *m, uint64_t now_us)
{
	struct recv_notes notes = read_control(&m->msg_hdr);
	const uint8_t *p = m->msg_hdr.msg_iov->iov_base;
	const size_t total = m->msg_len,
		     have = total < b->priv->message_bytes ? total : b->priv->message_bytes;
	const size_t segment = notes.segment ? notes.segment : total;
	struct endpoint from;
	size_t at = 0;

	endpoint_from_sockaddr(&from, m->msg_hdr.msg_name);
	b->priv->stamped = notes.recv_us != 0;
	if (notes.recv_us)
		now_us = notes.recv_us;
	b->priv->last_us = now_us;
	do {
		size_t want = total - at < segment ? total - at : segment;
		size_t got = at >= have ? 0 : have - at < want ? have - at : want;
		struct datagram *d = got || want == 0 ? next_datagram(b) : NULL;

		if (!d) {
			b->counts.beyond++;
		} else {
			d->data = (struct bytes){ p + at, got };
			d->from = from;
			d->recv_us = now_us;
			b->counts.datagrams++;
			b->counts.octets += got;
			b->counts.truncated += got < want;
		}
		at += want;
	} while (at < total);
}

/* As many messages as BATCH_OCTETS, going by the last call's. */
static void adapt(struct batch_private *p, size_t n, uint64_t octets)
{
	if (octets > BATCH_OCTETS)
		p->want = n * BATCH_OCTETS / octets;
	else if (n == p->want && octets < BATCH_OCTETS / 2)
		p->want *= 2;
	if (p->want < MESSAGES_LEAST)
		p->want = MESSAGES_LEAST;
	if (p->want > p->messages)
		p->want = p->messages;
}

/*
 * A stamp costs the kernel and us 50 to 100 ns a message.  Where they come so
 * close that it would tell nothing, all of a call get that of its last one,
 * which the socket keeps: until a call shows that it could tell something.
 */
static void share_stamps(struct batch_private *p, int fd, bool share)
{
	const int each = !share;

	p->crowded = 0;
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &each, sizeof(each)) == 0)
		p->shared = share;
}

/* After a call of `n` messages, the last of the call before at `before_us`. */
static void watch_crowd(struct batch_private *p, int fd, size_t n, uint64_t before_us)
{
	const bool crowd = p->last_us - before_us <= CROWD_US;

	if (p->shared) {
		if (!crowd)
			share_stamps(p, fd, false);
	} else if (p->stamped && crowd && n >= CROWD_MESSAGES) {
		if (++p->crowded == CROWD_CALLS)
			share_stamps(p, fd, true);
	} else {
		p->crowded = 0;
	}
}

/* For messages without a stamp of their own. */
static uint64_t stamp_us(const struct batch_private *p, int fd)
{
	struct timespec ts;

	if (!p->shared || ioctl(fd, SIOCGSTAMPNS, &ts) < 0)
		clock_gettime(CLOCK_REALTIME, &ts);
	return us_of(&ts);
}

int batch_recv(struct batch *b, int fd)
{
	const uint64_t before = b->counts.octets, before_us = b->priv->last_us;
	struct batch_private *p = b->priv;
	uint64_t now_us;
	int n;

	b->n = 0;
	b->full = false;
	for (size_t i = 0; i < p->want; i++) {
		p->msg[i].msg_hdr.msg_namelen = sizeof(p->from[i]);
		p->msg[i].msg_hdr.msg_controllen = RECV_CONTROL;
	}
	/* MSG_TRUNC: msg_len is the length that arrived, not the length that fitted. */
	n = recvmmsg(fd, p->msg, (unsigned)p->want, MSG_DONTWAIT | MSG_TRUNC, NULL);
	b->counts.calls++;
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
	now_us = stamp_us(p, fd);
	b->full = (size_t)n == p->want;
	for (int i = 0; i < n; i++)
		split(b, &p->msg[i], now_us);
	watch_crowd(p, fd, (size_t)n, before_us);
	adapt(p, (size_t)n, b->counts.octets - before);
	return (int)b->n;
}

static uint64_t gather_ns(int buffer)
{
	if (buffer <= 0)
		return 1;
	return buffer < GATHER_BUFFER ? GATHER_NS * (uint64_t)buffer / GATHER_BUFFER : GATHER_NS;
}

void batch_gather(struct batch *b, int fd)
{
	struct batch_private *p = b->priv;
	const uint64_t now_ns = clock_mono_ns();
	uint64_t due_ns;

	if (!p->gathered_ns)
		prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK_NS);
	if (!b->gather_ns)
		b->gather_ns = gather_ns(socket_recv_buffer(fd));
	due_ns = p->gathered_ns + b->gather_ns;
	if (now_ns < due_ns)
		clock_sleep_until(due_ns);
	p->gathered_ns = now_ns < due_ns ? due_ns : now_ns;
}

void batch_drops(struct batch *b, int fd)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ||
	    len <= SK_MEMINFO_DROPS * sizeof(info[0]))
		return;
	b->counts.kernel_drops += info[SK_MEMINFO_DROPS] - b->priv->dropped;
	b->priv->dropped = info[SK_MEMINFO_DROPS];
}

/* ---- out ------------------------------------------------------------------ */

/* Datagrams on their way into one sendmmsg. */
struct outgoing {
	struct mmsghdr msg[SEND_MESSAGES];
	struct iovec iov[SEND_VECTORS];
	_Alignas(struct cmsghdr) uint8_t control[SEND_MESSAGES][SEND_CONTROL];
	size_t first[SEND_MESSAGES], count[SEND_MESSAGES];	/* datagrams of message i */
	size_t messages, vectors;
};

/* How large a datagram may be to go out in a run: more gives EMSGSIZE or EINVAL. */
static void ask_mtu(struct sender *s)
{
	int mtu = 0, domain = 0;
	socklen_t len = sizeof(mtu);

	s->gso_skips = 0;
	if (getsockopt(s->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return;
	len = sizeof(mtu);
	if (domain == AF_INET6 ? getsockopt(s->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len) < 0
			       : getsockopt(s->fd, IPPROTO_IP, IP_MTU, &mtu, &len) < 0)
		return;	/* not connected: the fallback finds out */
	if (mtu > 48)
		s->gso_max = (size_t)mtu - (domain == AF_INET6 ? 48 : 28);
}

void sender_init(struct sender *s, int fd)
{
	int segment;
	socklen_t len = sizeof(segment);

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	/* A kernel before 4.18 would not refuse a run: it would send it as one datagram. */
	s->gso = getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &len) == 0;
	s->gso_max = RUN_OCTETS;
	ask_mtu(s);
}

/* Datagrams from d[0] on that can go out as one message: equal sizes, perhaps a shorter last one.
 */
static size_t run_length(struct sender *s, const struct bytes *d, size_t n)
{
	const size_t size = d[0].n;
	size_t octets = size, i;

	if (!s->gso || n < 2 || size == 0 || d[1].n > size || d[1].n == 0)
		return 1;
	if (size > s->gso_max) {
		if (++s->gso_skips >= ASK_MTU_AGAIN)
			ask_mtu(s);
		return 1;
	}
	for (i = 1; i < n && i < RUN_MAX; i++) {
		if (d[i].n > size || d[i].n == 0 || octets + d[i].n > RUN_OCTETS)
			break;
		octets += d[i].n;
		if (d[i].n < size)
			return i + 1;
	}
	return i;
}

/* One message of `run` datagrams; neighbours in memory share a vector. */
static void add_message(struct outgoing *o, const struct bytes *d, size_t first, size_t run)
{
	struct mmsghdr *m = &o->msg[o->messages];
	size_t start = o->vectors;

	for (size_t i = first; i < first + run; i++) {
		if (i > first && d[i - 1].p + d[i - 1].n == d[i].p)
			o->iov[o->vectors - 1].iov_len += d[i].n;
		else
			o->iov[o->vectors++] = (struct iovec){ (void *)(uintptr_t)d[i].p, d[i].n };
	}
	memset(m, 0, sizeof(*m));
	m->msg_hdr.msg_iov = &o->iov[start];
	m->msg_hdr.msg_iovlen = o->vectors - start;
	if (run > 1) {
		struct cmsghdr *c = (struct cmsghdr *)o->control[o->messages];
		uint16_t size = (uint16_t)d[first].n;

		m->msg_hdr.msg_control = c;
		m->msg_hdr.msg_controllen = SEND_CONTROL;
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	o->first[o->messages] = first;
	o->count[o->messages] = run;
	o->messages++;
}

/* Fill `o` with messages from datagram `at` on; returns the first datagram left. */
static size_t gather(
	struct sender *s, struct outgoing *o, const struct bytes *d, size_t at, size_t n)
{
	o->messages = o->vectors = 0;
	while (at < n && o->messages < SEND_MESSAGES && o->vectors + RUN_MAX <= SEND_VECTORS) {
		size_t run = run_length(s, d + at, n - at);

		add_message(o, d, at, run);
		at += run;
	}
	return at;
}

/* Which counter an errno moves. */
static const struct {
	int err;
	size_t counter;
} causes[] = {
#define CAUSE(e, member) { e, offsetof(struct sender_counts, member) }
	CAUSE(EAGAIN, eagain),
	CAUSE(ENOBUFS, eagain),
	CAUSE(EMSGSIZE, emsgsize),
	CAUSE(ECONNREFUSED, refused),
	CAUSE(EHOSTUNREACH, unreachable),
	CAUSE(ENETUNREACH, unreachable),
	CAUSE(ENETDOWN, unreachable),
	CAUSE(EHOSTDOWN, unreachable),
	CAUSE(EPERM, unreachable),
	CAUSE(EACCES, unreachable),
	CAUSE(EADDRNOTAVAIL, unreachable),
	CAUSE(ENODEV, unreachable),
#undef CAUSE
};

void sender_charge(struct sender *s, int err, size_t n)
{
	uint64_t *counter = &s->counts.other;

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].err == err)
			counter = (uint64_t *)(void *)((char *)&s->counts + causes[i].counter);
	*counter += n;
}

static void charge(struct sender *s, int err, size_t first, size_t n, int *outcome)
{
	sender_charge(s, err, n);
	for (size_t i = 0; outcome && i < n; i++)
		outcome[first + i] = err;
}

static void credit(struct sender *s, const struct bytes *d, size_t first, size_t n, int *outcome)
{
	s->counts.sent += n;
	s->counts.runs += n > 1;
	for (size_t i = first; i < first + n; i++) {
		s->counts.sent_octets += d[i].n;
		if (outcome)
			outcome[i] = 0;
	}
}

/* ICMP told about an earlier datagram; this one was not tried yet. */
static bool is_icmp(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == EPROTO;
}

static int send_message(struct sender *s, const struct msghdr *m)
{
	s->counts.calls++;
	return sendmsg(s->fd, m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

static void wait_for_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	poll(&p, 1, 100);
}

/* One datagram on its own; 0 or errno. */
static int send_plain(struct sender *s, const struct bytes *d, bool wait)
{
	struct iovec iov = { (void *)(uintptr_t)d->p, d->n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int err = send_message(s, &m);

	if (is_icmp(err)) {
		s->counts.icmp_errors++;
		err = send_message(s, &m);
	}
	while (wait && (err == EAGAIN || err == ENOBUFS)) {
		wait_for_room(s->fd);
		err = send_message(s, &m);
	}
	return err;
}

/*
 * Message `i` failed with `err`.  Try it again where that is lawful, and say
 * what became of its datagrams.  Returns the errno that stands, 0 when all of
 * them are settled and the next message can go on.
 */
static int second_try(struct sender *s, struct outgoing *o, size_t i, int err,
	const struct bytes *d, int *outcome, bool wait)
{
	const size_t first = o->first[i], n = o->count[i];

	if (is_icmp(err)) {
		s->counts.icmp_errors++;
		err = send_message(s, &o->msg[i].msg_hdr);
		if (err == 0) {
			credit(s, d, first, n, outcome);
			return 0;
		}
	}
	/* A router's word on an earlier one, perhaps: this one may fit. */
	if (n == 1 && err == EMSGSIZE) {
		err = send_message(s, &o->msg[i].msg_hdr);
		if (err == 0) {
			credit(s, d, first, n, outcome);
			return 0;
		}
	}
	if (n == 1 || err == EAGAIN || err == ENOBUFS || is_icmp(err))
		return err;
	/* The run was refused as a run: its datagrams go out one by one. */
	if (err == ENOPROTOOPT || err == EIO || err == EOPNOTSUPP)
		s->gso = false;
	else
		ask_mtu(s);
	for (size_t k = first; k < first + n; k++) {
		err = send_plain(s, &d[k], wait);
		if (err)
			charge(s, err, k, 1, outcome);
		else
			credit(s, d, k, 1, outcome);
	}
	return 0;
}

/* Send what was gathered.  True when the socket buffer is full: nothing behind `*settled` was
 * tried. */
static bool send_gathered(struct sender *s, struct outgoing *o, const struct bytes *d, int *outcome,
			  bool wait, size_t *settled)
{
	size_t i = 0;

	while (i < o->messages) {
		int done, err;

		s->counts.calls++;
		done = sendmmsg(s->fd, o->msg + i, (unsigned)(o->messages - i),
			MSG_DONTWAIT | MSG_NOSIGNAL);
		for (int k = 0; k < done; k++, i++)
			credit(s, d, o->first[i], o->count[i], outcome);
		if (done > 0)
			continue;
		if (errno == EINTR)
			continue;
		err = second_try(s, o, i, errno, d, outcome, wait);
		if (wait && (err == EAGAIN || err == ENOBUFS)) {
			wait_for_room(s->fd);
			continue;
		}
		/* ENOBUFS: the link's queue dropped this one; the next may find room. */
		if (err == EAGAIN) {
			*settled = o->first[i];
			return true;
		}
		if (err)
			charge(s, err, o->first[i], o->count[i], outcome);
		i++;
	}
	return false;
}

static size_t send_all(struct sender *s, const struct bytes *d, size_t n, int *outcome, bool wait)
{
	const uint64_t before = s->counts.sent;
	struct outgoing o;
	size_t at = 0, settled = 0;

	while (at < n) {
		at = gather(s, &o, d, at, n);
		if (send_gathered(s, &o, d, outcome, wait, &settled)) {
			/* Full is full: the rest would be refused one system call at a time. */
			charge(s, EAGAIN, settled, n - settled, outcome);
			break;
		}
	}
	return (size_t)(s->counts.sent - before);
}

size_t sender_send(struct sender *s, const struct bytes *d, size_t n, int *outcome)
{
	return send_all(s, d, n, outcome, false);
}

size_t sender_send_wait(struct sender *s, const struct bytes *d, size_t n, int *outcome)
{
	return send_all(s, d, n, outcome, true);
}
