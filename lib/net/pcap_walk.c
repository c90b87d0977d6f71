#include "net/pcap_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "wire/wire.h"

static const uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;

static uint32_t word(const struct pcap_walk *w, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return w->swapped ? __builtin_bswap32(v) : v;
}

bool pcap_walk_can(struct pcap_walk *w, const uint8_t header[static PCAP_FILE_HEADER])
{
	uint32_t magic;
	uint16_t version[2];

	memset(w, 0, sizeof(*w));
	magic = word(w, header);
	if (magic != magic_us && magic != magic_ns) {
		w->swapped = true;
		magic = word(w, header);
	}
	if (magic != magic_us && magic != magic_ns)
		return false;
	w->nano = magic == magic_ns;
	w->snaplen = word(w, header + 16);
	memcpy(version, header + 4, sizeof(version));
	if (w->swapped)
		for (int i = 0; i < 2; i++)
			version[i] = __builtin_bswap16(version[i]);
	/* Minor 3 and 543 had the two lengths the other way round. */
	return version[0] == 2 && version[1] == 4;
}

bool pcap_walk_start(struct pcap_walk *w, int fd)
{
	w->fd = fd;
	if (lseek(fd, PCAP_FILE_HEADER, SEEK_SET) == PCAP_FILE_HEADER)
		w->buf = malloc(PCAP_WALK_BUFFER);
	return w->buf != NULL;
}

void pcap_walk_clear(struct pcap_walk *w)
{
	if (!w->lent)
		free(w->buf);
	w->buf = NULL;
}

/* What is not walked yet goes to the front of `buf`. */
static void move_rest(struct pcap_walk *w, uint8_t *buf)
{
	w->have -= w->at;
	memmove(buf, w->buf + w->at, w->have);
	w->at = 0;
}

void pcap_walk_lend(struct pcap_walk *w, uint8_t *buf)
{
	uint8_t *own = w->lent ? NULL : w->buf;

	move_rest(w, buf);
	free(own);
	w->buf = buf;
	w->lent = true;
}

/*
 * Have `n` octets from w->at on, if the file has them: 0, or PCAP_WALK_MORE.  -1 with errno.
 */
static int fill(struct pcap_walk *w, size_t n)
{
	if (w->have - w->at >= n)
		return 0;
	if (w->lent && w->at > 0)
		return PCAP_WALK_MORE;
	move_rest(w, w->buf);
	while (w->have < n && !w->ended) {
		ssize_t got = read(w->fd, w->buf + w->have, PCAP_READ);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		w->ended = got == 0;
		w->have += (size_t)got;
	}
	return 0;
}

static int fail(char *why, const char *format, size_t wanted, size_t got)
{
	snprintf(why, PCAP_ERRBUF_SIZE, format, wanted, got);
	return PCAP_ERROR;
}

static int unreadable(char *why)
{
	snprintf(why, PCAP_ERRBUF_SIZE, "error reading dump file: %s", strerror(errno));
	return PCAP_ERROR;
}

int pcap_walk_next(struct pcap_walk *w, struct pcap_pkthdr *h, const uint8_t **data,
		   char why[static PCAP_ERRBUF_SIZE])
{
	const uint8_t *p;
	uint32_t fraction, caplen;
	size_t left;
	int got;

	if ((got = fill(w, PCAP_PACKET_HEADER)) != 0)
		return got < 0 ? unreadable(why) : got;
	left = w->have - w->at;
	if (left == 0)
		return PCAP_ERROR_BREAK;
	if (left < PCAP_PACKET_HEADER)
		return fail(why, "truncated dump file; tried to read %zu header bytes, only got %zu",
			    PCAP_PACKET_HEADER, left);
	p = w->buf + w->at;
	caplen = word(w, p + 8);
	if (caplen > PCAP_PACKET_MOST)
		return fail(why, "invalid packet capture length %zu, bigger than maximum of %zu",
			    caplen, PCAP_PACKET_MOST);
	if ((got = fill(w, PCAP_PACKET_HEADER + caplen)) != 0)
		return got < 0 ? unreadable(why) : got;
	left = w->have - w->at - PCAP_PACKET_HEADER;
	if (left < caplen)
		return fail(why,
			    "truncated dump file; tried to read %zu captured bytes, only got %zu",
			    caplen, left);
	p = w->buf + w->at;
	fraction = word(w, p + 4);
	h->ts.tv_sec = (time_t)word(w, p);
	h->ts.tv_usec = (suseconds_t)(w->nano ? fraction : fraction * INT64_C(1000));
	h->len = word(w, p + 12);
	h->caplen = w->snaplen && caplen > w->snaplen ? w->snaplen : caplen;
	*data = p + PCAP_PACKET_HEADER;
	w->at += PCAP_PACKET_HEADER + caplen;
	return 1;
}
