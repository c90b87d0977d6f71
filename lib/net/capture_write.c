/*
 * capture_write.c - capture files written: a record is made in memory, and may be by any thread;
 * the file takes records as octets, in the order it is to have.  (libpcap's dumper takes one
 * record at a time, by one thread.)
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "wire/cursor.h"

enum {
	PACKET_MAX = 65535,
	SNAP = 14 + 40 + 8 + PACKET_MAX,
	IP_UDP = 17,
	ETH_IPV4 = 0x0800,
	ETH_IPV6 = 0x86dd,
};

struct capture_writer {
	int fd, err;		/* err: why the file ended before its time */
};

/* The file's own byte order, by its magic number: that of nanoseconds. */
static bool put_file_header(struct capture_writer *w)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snap, link;
	} h = { 0xa1b23c4d, 2, 4, 0, 0, SNAP, 1 /* Ethernet */ };

	return capture_append(w, (const uint8_t *)&h, sizeof(h)) == sizeof(h);
}

struct capture_writer *capture_create(const char *path)
{
	struct capture_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return NULL;
	w->fd = strcmp(path, "-") == 0
		? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
		: open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0)
		goto free_writer;
	if (put_file_header(w))
		return w;
	err = errno;
	close(w->fd);
	errno = err;
free_writer:
	free(w);
	return NULL;
}

/*
 * Ones' complement sum (RFC 1071), folded by checksum().  It does not care how wide the words are
 * that it adds, nor in which order their octets stand as long as the result's stand so.
 */
static uint64_t sum16(uint64_t sum, const uint8_t *p, size_t n)
{
	uint64_t low = 0, high = 0, v;
	uint16_t folded;
	uint8_t octets[2];

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		low += v & UINT32_MAX;
		high += v >> 32;
	}
	low += high;
	while (low >> 16)
		low = (low & 0xffff) + (low >> 16);
	folded = (uint16_t)low;
	memcpy(octets, &folded, 2);
	sum += be16(octets);
	for (; n > 1; p += 2, n -= 2)
		sum += be16(p);
	return n ? sum + (uint64_t)p[0] * 256 : sum;
}

static uint16_t checksum(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The UDP header at `udp`, checksum over the addresses at `addrs` (RFC 768, RFC 8200 8.1). */
static void put_udp(uint8_t *udp, const uint8_t *addrs, size_t addrs_n, const struct endpoint *from,
		    const struct endpoint *to, struct bytes data)
{
	const size_t n = 8 + data.n;
	uint16_t sum;

	patch16(udp, from->port);
	patch16(udp + 2, to->port);
	patch16(udp + 4, n);
	patch16(udp + 6, 0);
	if (data.n)
		memcpy(udp + 8, data.p, data.n);
	sum = checksum(sum16(sum16((uint64_t)n + IP_UDP, addrs, addrs_n), udp, n));
	patch16(udp + 6, sum ? sum : 0xffff);	/* 0 would mean "no checksum" */
}

/* Ethernet + IP + UDP into `f`; octets written. */
static size_t build_frame(
	uint8_t *f, const struct endpoint *from, const struct endpoint *to, struct bytes data)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	const bool v4 = addr_is4(&to->addr);
	const size_t head = v4 ? 20 : 40;
	uint8_t *ip = f + 14;

	memcpy(f, macs, sizeof(macs));
	patch16(f + 12, v4 ? ETH_IPV4 : ETH_IPV6);
	memset(ip, 0, head);
	if (v4) {
		ip[0] = 0x45;
		patch16(ip + 2, head + 8 + data.n);
		patch16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = IP_UDP;
		memcpy(ip + 12, from->addr.b + 12, 4);
		memcpy(ip + 16, to->addr.b + 12, 4);
		patch16(ip + 10, checksum(sum16(0, ip, head)));
		put_udp(ip + head, ip + 12, 8, from, to, data);
	} else {
		ip[0] = 0x60;
		patch16(ip + 4, 8 + data.n);
		ip[6] = IP_UDP;
		ip[7] = 64;
		memcpy(ip + 8, from->addr.b, 16);
		memcpy(ip + 24, to->addr.b, 16);
		put_udp(ip + head, ip + 8, 32, from, to, data);
	}
	return 14 + head + 8 + data.n;
}

size_t capture_record(uint8_t *out, uint64_t when_ns, const struct endpoint *from,
	const struct endpoint *to, struct bytes data)
{
	uint32_t h[4] = { (uint32_t)(when_ns / 1000000000), (uint32_t)(when_ns % 1000000000) };

	if (addr_is4(&from->addr) != addr_is4(&to->addr)) {
		errno = EAFNOSUPPORT;
		return 0;
	}
	if (data.n > (addr_is4(&to->addr) ? PACKET_MAX - 28u : PACKET_MAX - 8u)) {
		errno = EMSGSIZE;
		return 0;
	}
	h[2] = h[3] = (uint32_t)build_frame(out + sizeof(h), from, to, data);
	memcpy(out, h, sizeof(h));
	return sizeof(h) + h[2];
}

size_t capture_append(struct capture_writer *w, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n && !w->err) {
		ssize_t took = write(w->fd, p + done, n - done);

		if (took >= 0)
			done += (size_t)took;
		else if (errno != EINTR)
			w->err = errno;
	}
	errno = w->err;
	return done;
}

void capture_take_back(struct capture_writer *w, size_t n)
{
	off_t at = lseek(w->fd, 0, SEEK_CUR);

	/* A pipe has no way back; who reads it finds the end in the middle of a record. */
	if (n && at >= (off_t)n && ftruncate(w->fd, at - (off_t)n) == 0)
		lseek(w->fd, at - (off_t)n, SEEK_SET);
}

int capture_finish(struct capture_writer *w)
{
	int err;

	if (!w)
		return 0;
	err = w->err;
	/* A disk that fills up late says so here; a pipe or terminal cannot be synced, and need
	 * not. */
	if (!err && fsync(w->fd) < 0 && errno != EINVAL && errno != EROFS)
		err = errno;
	if (close(w->fd) < 0 && !err)
		err = errno;
	free(w);
	errno = err;
	return err ? -1 : 0;
}
