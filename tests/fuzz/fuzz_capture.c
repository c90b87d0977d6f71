/*
 * fuzz_capture.c - captures: the first octet picks the link type, then come
 * packets, each a length of two octets and its bytes; a set top bit of the
 * length says that the packet was longer than what was captured.  The counters
 * add up after every packet, every datagram's bytes can be read, and are the same
 * where the file is read to buffers of the caller's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put32(uint8_t **p, uint32_t v)
{
	memcpy(*p, &v, 4);
	*p += 4;
}

/* The file in host byte order; returns its size. */
static size_t build(uint8_t *file, const uint8_t *data, size_t n)
{
	static const uint32_t dlts[] = { 1, 101, 228, 229, 113, 276, 0, 108 };
	uint8_t *p = file;

	put32(&p, 0xa1b23c4d);
	put32(&p, 2 | 4 << 16);
	put32(&p, 0);
	put32(&p, 0);
	put32(&p, 262144);
	put32(&p, dlts[data[0] % 8]);
	for (size_t at = 1; at + 2 <= n; ) {
		size_t want = (size_t)data[at] << 8 | data[at + 1], len = want & 0x7fff;

		at += 2;
		if (len > n - at)
			len = n - at;
		put32(&p, 1700000000);
		put32(&p, 0);
		put32(&p, (uint32_t)len);
		put32(&p, (uint32_t)(len + (want >> 15)));
		memcpy(p, data + at, len);
		p += len;
		at += len;
	}
	return (size_t)(p - file);
}

static uint8_t lent[2][CAPTURE_BUFFER];

/* With `lend` to two buffers in turns; the sum of all octets. */
static uint64_t read_all(const char *path, bool lend, struct capture_counts *counts)
{
	const struct capture_counts *c;
	struct capture *capture;
	struct endpoint to;
	struct datagram d;
	char why[256];
	uint64_t sum = 0;
	unsigned turn = 0;
	int got;

	capture = capture_open(path, why);
	if (!capture)
		abort();
	c = capture_counts(capture);
	if (lend)
		capture_lend(capture, lent[0]);
	while ((got = capture_next(capture, &d, &to, why)) > 0) {
		if (got == CAPTURE_MORE)
			capture_lend(capture, lent[++turn % 2]);
		else
			for (size_t i = 0; i < d.data.n; i++)
				sum += d.data.p[i];
		if (c->packets != c->datagrams + c->joined + c->fragments + c->other + c->cut)
			abort();
	}
	if (c->packets != c->datagrams + c->joined + c->fragments + c->other + c->cut)
		abort();
	*counts = *c;
	capture_close(capture);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct capture_counts counts[2];
	char path[32];
	uint64_t sum;
	uint8_t *file;
	size_t size;
	int fd;

	if (n == 0 || n > 1 << 20)
		return 0;
	file = malloc(24 + n * 9);
	size = build(file, data, n);
	fd = memfd_create("capture", MFD_CLOEXEC);
	if (fd < 0 || write(fd, file, size) != (ssize_t)size)
		abort();
	free(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	sum = read_all(path, false, &counts[0]);
	if (read_all(path, true, &counts[1]) != sum ||
	    memcmp(&counts[0], &counts[1], sizeof(counts[0])) != 0)
		abort();
	close(fd);
	return 0;
}
