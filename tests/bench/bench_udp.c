/*
 * bench_udp.c - the two ends of a replication benchmark: a source that sends as
 * fast as it may, and sinks that only count.
 *
 *	bench-udp send [ADDR:]PORT SECONDS SIZE[-SIZE] [gso] [SOURCES]	ADDR: 127.0.0.1
 *	bench-udp count SECONDS PORT...		until nothing came for SECONDS
 *	bench-udp join SECONDS PORT...		the same with UDP_GRO
 *	bench-udp whole SECONDS PORT...		the same, and each datagram is copied whole
 *						with its sender's address: what a collector
 *						cannot leave out
 *	bench-udp bare [ADDR:]PORT [ADDR:]PORT...	a tee of equal datagrams and nothing
 *						else: what the kernel asks for
 *
 * Send and count print one line "name<TAB>value" a figure.  A size range gives every
 * datagram another size.  Plain datagrams leave one by one (sendmmsg), so that
 * the receiver cannot get them joined; gso sends runs of 44.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { VECTOR = 44, PORTS = 64, LARGEST = 9000, SOURCES = 64 };

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* [ADDR:]PORT, on loopback without an address. */
static struct sockaddr_in place(const char *text)
{
	const char *colon = strchr(text, ':');
	struct sockaddr_in a = { .sin_family = AF_INET };
	char addr[INET_ADDRSTRLEN] = "127.0.0.1";

	if (colon)
		snprintf(addr, sizeof(addr), "%.*s", (int)(colon - text), text);
	a.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text));
	if (inet_pton(AF_INET, addr, &a.sin_addr) != 1) {
		fprintf(stderr, "%s: expected an IPv4 address and a port\n", text);
		exit(2);
	}
	return a;
}

/* A NetFlow v5 header, so that programs that look at the version take it. */
static void fill(uint8_t *p)
{
	memset(p, 0, LARGEST);
	p[1] = 5;
	p[3] = 30;
}

/* A source: a tee that keeps our address binds to it while we live, so both have to say that they
 * share. */
static int source(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connect");
	return fd;
}

static int send_main(const char *at, double seconds, const char *sizes, int gso, size_t sources)
{
	static uint8_t data[VECTOR][LARGEST];
	struct sockaddr_in to = place(at);
	struct mmsghdr msg[VECTOR];
	struct iovec iov[VECTOR];
	size_t low = (size_t)atoi(sizes),
	       high = strchr(sizes, '-') ? (size_t)atoi(strchr(sizes, '-') + 1) : low;
	int fds[SOURCES], segment = (int)low;
	size_t turn = 0;
	double start = now_s(), t = start;
	uint64_t sent = 0, seed = 1;

	for (size_t i = 0; i < sources; i++)
		fds[i] = source(&to);
	if (low < 24 || high > LARGEST || high < low || (gso && low != high)) {
		fprintf(stderr, "sizes: 24 to %d, one size with gso\n", LARGEST);
		return 2;
	}
	for (size_t i = 0; gso && i < sources; i++)
		if (setsockopt(fds[i], SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
			die("UDP_SEGMENT");
	memset(msg, 0, sizeof(msg));
	for (size_t i = 0; i < VECTOR; i++) {
		fill(data[i]);
		iov[i] = (struct iovec){ data[i], low };
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	/* The run has to stay below 65507 octets. */
	const size_t run = low * VECTOR > 65507 ? 65507 / low : VECTOR;

	if (gso)
		msg[0].msg_hdr.msg_iovlen = run;
	while (t - start < seconds) {
		int n;

		for (size_t i = 0; !gso && low != high && i < VECTOR; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			iov[i].iov_len = low + (size_t)(seed >> 33) % (high - low + 1);
		}
		n = sendmmsg(fds[turn++ % sources], msg, gso ? 1 : VECTOR, 0);
		if (n > 0)
			sent += gso ? run : (size_t)n;
		t = now_s();
	}
	printf("sent\t%llu\nseconds\t%.3f\n", (unsigned long long)sent, t - start);
	return 0;
}

/* Datagrams in one message: UDP_GRO says how long each was. */
static uint64_t datagrams_of(struct mmsghdr *m)
{
	int segment = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr); c; c = CMSG_NXTHDR(&m->msg_hdr, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	return segment > 0 ? (m->msg_len + (unsigned)segment - 1) / (unsigned)segment : 1;
}

static int count_main(double seconds, char **ports, size_t n, bool join, bool whole)
{
	static uint8_t data[64][65536];
	const size_t want = whole ? sizeof(data[0]) : 64; /* beyond it nothing is copied */
	struct sockaddr_storage from[64];
	struct pollfd fds[PORTS];
	struct mmsghdr msg[64];
	struct iovec iov[64];
	static _Alignas(struct cmsghdr) uint8_t control[64][CMSG_SPACE(sizeof(int))];
	uint64_t got[PORTS] = { 0 };
	double first = 0, last = 0;
	const int room = 64 << 20;

	if (n > PORTS)
		n = PORTS;
	memset(msg, 0, sizeof(msg));
	for (size_t i = 0; i < 64; i++) {
		iov[i] = (struct iovec){ data[i], want };
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
		msg[i].msg_hdr.msg_name = whole ? &from[i] : NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in at = place(ports[i]);

		fds[i] = (struct pollfd) { .fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0),
			.events = POLLIN };
		if (setsockopt(fds[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
			setsockopt(fds[i].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		if (bind(fds[i].fd, (struct sockaddr *)&at, sizeof(at)) < 0)
			die("bind");
		if (join && setsockopt(fds[i].fd, SOL_UDP, UDP_GRO, &(int){ 1 }, sizeof(int)) < 0)
			die("UDP_GRO");
	}
	for (;;) {
		/* The first datagram may take its time; after it, silence is the end. */
		if (poll(fds, (nfds_t)n, first > 0 ? (int)(seconds * 1000) : 20000) <= 0)
			break;
		for (size_t i = 0; i < n; i++) {
			int k;

			if (!fds[i].revents)
				continue;
			do {
				for (size_t m = 0; join && m < 64; m++) {
					msg[m].msg_hdr.msg_control = control[m];
					msg[m].msg_hdr.msg_controllen = sizeof(control[m]);
					msg[m].msg_hdr.msg_namelen = whole ? sizeof(from[m]) : 0;
				}
				k = recvmmsg(fds[i].fd, msg, 64, MSG_DONTWAIT | MSG_TRUNC, NULL);
				for (int m = 0; m < k; m++)
					got[i] += join ? datagrams_of(&msg[m]) : 1;
			} while (k > 0);
			last = now_s();
			first = first > 0 ? first : last;
		}
	}
	for (size_t i = 0; i < n; i++)
		printf("port %s\t%llu\n", ports[i], (unsigned long long)got[i]);
	printf("seconds\t%.3f\n", last - first);
	return 0;
}

/* Where one message of a batch goes: as it came, with the length of its datagrams. */
static void set_run(struct mmsghdr *out, struct iovec *iov, size_t n, uint8_t *control, int size)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	const uint16_t segment = (uint16_t)size;

	memset(out, 0, sizeof(*out));
	out->msg_hdr = (struct msghdr){ .msg_iov = iov, .msg_iovlen = n, .msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(segment)) };
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

/*
 * Until a signal: a run of VECTOR plain datagrams, or one that the kernel joined,
 * to each receiver with one call.  No counters, rules, or errors; what is here
 * nobody can leave out.
 */
static _Noreturn void bare_main(const char *at, char **ports, size_t n)
{
	static uint8_t data[VECTOR][65536], control[VECTOR][CMSG_SPACE(sizeof(int))];
	static _Alignas(struct cmsghdr) uint8_t out_control[CMSG_SPACE(sizeof(uint16_t))];
	struct sockaddr_in in = place(at);
	struct mmsghdr msg[VECTOR], out;
	struct iovec iov[VECTOR];
	int fds[PORTS], fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
		setsockopt(fd, SOL_UDP, UDP_GRO, &(int){ 1 }, sizeof(int)) < 0)
		die("bind");
	n = n < PORTS ? n : PORTS;
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in to = place(ports[i]);

		fds[i] = source(&to);
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	}
	for (int got, want = VECTOR;;) {
		memset(msg, 0, sizeof(msg));
		for (size_t i = 0; i < VECTOR; i++) {
			iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
			msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1,
				.msg_control = control[i], .msg_controllen = sizeof(control[i]) };
		}
		got = recvmmsg(fd, msg, (unsigned)want, 0, NULL);
		for (int i = 0; i < got; i++)
			iov[i].iov_len = msg[i].msg_len;
		if (got <= 0)
			continue;
		/* Joined ones come one at a time. */
		want = datagrams_of(&msg[0]) > 1 ? 1 : VECTOR;
		set_run(&out, iov, (size_t)got, out_control,
			(int)(msg[0].msg_len / datagrams_of(&msg[0])));
		for (size_t i = 0; i < n; i++)
			sendmsg(fds[i], &out.msg_hdr, MSG_DONTWAIT);
	}
}

static const struct {
	const char *name;
	bool join, whole;
} sinks[] = { { "count", false, false }, { "join", true, false }, { "whole", true, true } };

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "send") == 0) {
		const int gso = argc > 5 && strcmp(argv[5], "gso") == 0;
		const int sources = argc > 5 + gso ? atoi(argv[5 + gso]) : 1;

		if (sources >= 1 && sources <= SOURCES)
			return send_main(argv[2], atof(argv[3]), argv[4], gso, (size_t)sources);
	}
	for (size_t i = 0; argc >= 4 && i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (strcmp(argv[1], sinks[i].name) == 0)
			return count_main(atof(argv[2]), argv + 3, (size_t)argc - 3, sinks[i].join,
				sinks[i].whole);
	if (argc >= 4 && strcmp(argv[1], "bare") == 0)
		bare_main(argv[2], argv + 3, (size_t)argc - 3);
	fprintf(stderr,
		"usage: bench-udp send [ADDR:]PORT SECONDS SIZE[-SIZE] [gso] [SOURCES] | "
		"count|join|whole SECONDS PORT... | bare [ADDR:]PORT [ADDR:]PORT...\n");
	return 2;
}
