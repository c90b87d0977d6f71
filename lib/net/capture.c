/*
 * capture.c - UDP datagrams out of and into capture files.
 *
 * Reading: the link header is stepped over here, as far as the IP header,
 * because fragments have to be seen before lib/wire's frame_udp() is asked.
 * What is put together from fragments is an IP packet again and goes the same
 * way as one that came whole.  A link layer that is not understood here but by
 * frame.c still gives its datagrams, only no reassembly.
 */
#include "capture.h"

#include <assert.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "net/pcap_walk.h"
#include "wire/cursor.h"
#include "wire/frame.h"

enum {
	WHY = 256, /* what the caller's `why` holds */
	PACKET_MAX = 65535,
	READ_BYTES = 128 << 10, /* a read; half of what 4 kB ones cost */
	UNIT = 8, /* fragments are cut at multiples of 8 octets */
	UNITS = (PACKET_MAX + UNIT) / UNIT,
	HEAD_MAX = 60, /* IPv4 header with options; IPv6 needs 40 */
	PENDING = 64, /* datagrams under construction: 64 x 67 kB = 4.3 MB at worst */
	PATIENCE_US = 30 * 1000000, /* RFC 791 3.2: a fragment waits 15 s at least */
	IP_UDP = 17,
	ETH_IPV4 = 0x0800,
	ETH_IPV6 = 0x86dd,
	ETH_VLAN = 0x8100,
	ETH_QINQ = 0x88a8,
	ETH_QINQ_OLD = 0x9100,
};

/* ---- link layers ---------------------------------------------------------- */

static bool skip(struct bytes *b, size_t n)
{
	if (b->n < n)
		return false;
	b->p += n;
	b->n -= n;
	return true;
}

/* Behind an ethertype at `type_at`: tags are stepped over, `b` is at the IP header. */
static bool after_ethertype(struct bytes *b, size_t type_at, size_t header)
{
	uint16_t type;

	if (b->n < header)
		return false;
	type = be16(b->p + type_at);
	skip(b, header);
	while ((type == ETH_VLAN || type == ETH_QINQ || type == ETH_QINQ_OLD) && b->n >= 4) {
		type = be16(b->p + 2);
		skip(b, 4);
	}
	return type == ETH_IPV4 || type == ETH_IPV6;
}

static bool link_ethernet(struct bytes *b)
{
	return after_ethertype(b, 12, 14);
}

static bool link_sll(struct bytes *b)
{
	return after_ethertype(b, 14, 16);
}

static bool link_sll2(struct bytes *b)
{
	return after_ethertype(b, 0, 20);
}

/* BSD loopback: four octets of address family in somebody's byte order; the version nibble says the
 * rest. */
static bool link_null(struct bytes *b)
{
	return skip(b, 4);
}

static bool link_raw(struct bytes *b)
{
	return b->n > 0;
}

static const struct link {
	int dlt;
	enum frame_start start;
	bool (*to_ip)(struct bytes *b);
} links[] = {
	{ DLT_EN10MB, FRAME_ETHERNET, link_ethernet },
	{ DLT_RAW, FRAME_IP, link_raw },
	{ DLT_IPV4, FRAME_IPV4, link_raw },
	{ DLT_IPV6, FRAME_IPV6, link_raw },
	{ DLT_LINUX_SLL, FRAME_LINUX_SLL, link_sll },
	{ DLT_LINUX_SLL2, FRAME_LINUX_SLL2, link_sll2 },
	{ DLT_NULL, FRAME_NULL, link_null },
	{ DLT_LOOP, FRAME_NULL, link_null },
};

static const struct link *link_find(int dlt)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].dlt == dlt)
			return &links[i];
	return NULL;
}

/* ---- the IP header -------------------------------------------------------- */

/* What is needed of an IP header to know a fragment and a cut packet. */
struct ip {
	struct bytes packet;	/* as stated by its length; may be shorter when it was cut */
	size_t stated;		/* octets that it should have */
	size_t head;		/* octets before the payload (fragment payload, if it is one) */
	struct addr src, dst;
	uint8_t proto;
	bool fragment, more;
	uint32_t id;
	size_t offset;		/* of the fragment, octets */
};

static bool ip4_read(struct ip *ip, struct bytes b)
{
	size_t total;
	uint16_t flags;

	if (b.n < 20 || (size_t)(b.p[0] & 15) * 4 < 20)
		return false;
	ip->head = (size_t)(b.p[0] & 15) * 4;
	total = be16(b.p + 2);
	/* Segmentation offload leaves a length of 0 in packets captured on their way out. */
	ip->stated = total ? total : b.n;
	flags = be16(b.p + 6);
	ip->more = flags & 0x2000;
	ip->offset = (size_t)(flags & 0x1fff) * UNIT;
	ip->fragment = ip->more || ip->offset;
	ip->id = be16(b.p + 4);
	ip->proto = b.p[9];
	ip->src = addr_from4(b.p + 12);
	ip->dst = addr_from4(b.p + 16);
	return ip->stated >= ip->head;
}

static bool ip6_read(struct ip *ip, struct bytes b)
{
	size_t at = 40;
	uint8_t next;

	if (b.n < 40)
		return false;
	ip->stated = 40 + (size_t)be16(b.p + 4);
	ip->src = addr_from16(b.p + 8);
	ip->dst = addr_from16(b.p + 24);
	next = b.p[6];
	/* Hop-by-hop, routing and destination options come before the fragment header (RFC
	 * 8200 4.1). */
	while ((next == 0 || next == 43 || next == 60) && at + 8 <= b.n) {
		next = b.p[at];
		at += ((size_t)b.p[at + 1] + 1) * 8;
	}
	if (next == 44 && at + 8 <= b.n) {
		const uint16_t flags = be16(b.p + at + 2);

		next = b.p[at];
		ip->offset = flags & 0xfff8;
		ip->more = flags & 1;
		/* An atomic fragment (RFC 6946) is a whole packet that says so. */
		ip->fragment = true;
		ip->id = be32(b.p + at + 4);
		at += 8;
	}
	ip->head = at;
	ip->proto = next;
	return ip->stated >= at;
}

static bool ip_read(struct ip *ip, struct bytes b)
{
	bool ok;

	memset(ip, 0, sizeof(*ip));
	if (b.n == 0)
		return false;
	ok = b.p[0] >> 4 == 4 ? ip4_read(ip, b) : b.p[0] >> 4 == 6 ? ip6_read(ip, b) : false;
	ip->packet = b;
	if (ok && ip->packet.n > ip->stated)
		ip->packet.n = ip->stated;	/* Ethernet pads short frames */
	return ok;
}

/* ---- fragments ------------------------------------------------------------ */

/* One datagram under construction. */
struct pending {
	bool used;
	struct addr src, dst;
	uint32_t id;
	uint64_t first_us;
	unsigned pieces;	/* fragments in it, counted in counts.fragments meanwhile */
	size_t total;		/* payload octets; 0: the last fragment is not there yet */
	size_t reach;		/* end of the farthest piece */
	size_t units;		/* of 8 octets that have arrived */
	size_t head_n;		/* 0: the first fragment is not there yet */
	uint8_t proto;
	uint8_t head[HEAD_MAX];
	uint8_t seen[UNITS / 8 + 1];
	uint8_t *payload;	/* PACKET_MAX + UNIT octets, kept from use to use */
};

struct capture {
	pcap_t *pcap;
	struct pcap_walk walk;	/* with walk.buf: reads instead of libpcap */
	const struct link *link;
	struct capture_counts counts;
	struct flow_record record;
	struct pending pending[PENDING];
	uint8_t whole[PACKET_MAX + HEAD_MAX];
	char name[128];
};

/* The place for this datagram; the oldest one gives way, its fragments stay counted as such. */
static struct pending *pending_find(struct capture *c, const struct ip *ip, uint64_t now_us)
{
	struct pending *free_one = NULL, *oldest = &c->pending[0], *p;

	for (p = c->pending; p < c->pending + PENDING; p++) {
		if (p->used && now_us > p->first_us && now_us - p->first_us > PATIENCE_US)
			p->used = false;
		if (!p->used) {
			free_one = free_one ? free_one : p;
			continue;
		}
		if (p->id == ip->id && addr_equal(&p->src, &ip->src) &&
			addr_equal(&p->dst, &ip->dst))
			return p;
		if (p->first_us < oldest->first_us)
			oldest = p;
	}
	p = free_one ? free_one : oldest;
	if (!p->payload)
		p->payload = malloc(PACKET_MAX + UNIT);
	if (!p->payload)
		return NULL;
	p->used = true;
	p->src = ip->src;
	p->dst = ip->dst;
	p->id = ip->id;
	p->first_us = now_us;
	p->pieces = 0;
	p->total = p->reach = p->units = p->head_n = 0;
	p->proto = ip->proto;
	memset(p->seen, 0, sizeof(p->seen));
	return p;
}

/* The header of what the pieces make: the first fragment's, as if it had never been one. */
static void pending_head(struct pending *p, const struct ip *ip)
{
	/* Not by the addresses: an IPv6 packet may carry v4-mapped ones. */
	const bool v4 = ip->packet.p[0] >> 4 == 4;

	p->head_n = v4 ? ip->head : 40;
	memcpy(p->head, ip->packet.p, p->head_n);
	p->proto = ip->proto;
	if (!v4)
		p->head[6] = ip->proto;
}

/*
 * Take a fragment in.  False when it contradicts what is there: pieces that
 * overlap with other bytes (RFC 5722 3: the whole datagram is dropped), a
 * length that is no multiple of 8, an end behind 65535.
 */
static bool pending_add(struct pending *p, const struct ip *ip)
{
	const uint8_t *data = ip->packet.p + ip->head;
	const size_t n = ip->packet.n - ip->head, end = ip->offset + n;

	if (end > PACKET_MAX || (ip->more && (n % UNIT || n == 0)))
		return false;
	if ((p->total && end > p->total) ||
		(!ip->more && (end < p->reach || (p->total && end != p->total))))
		return false;
	if (end > p->reach)
		p->reach = end;
	for (size_t u = ip->offset / UNIT; u * UNIT < end; u++) {
		const size_t from = u * UNIT, len = end - from < UNIT ? end - from : UNIT;

		if (p->seen[u / 8] >> (u % 8) & 1) {
			if (memcmp(p->payload + from, data + (from - ip->offset), len) != 0)
				return false;
			continue;
		}
		memcpy(p->payload + from, data + (from - ip->offset), len);
		p->seen[u / 8] = (uint8_t)(p->seen[u / 8] | 1u << (u % 8));
		p->units++;
	}
	if (!ip->more)
		p->total = end;
	if (ip->offset == 0)
		pending_head(p, ip);
	p->pieces++;
	return true;
}

/* The packet again, in c->whole. */
static struct bytes pending_packet(struct capture *c, const struct pending *p)
{
	const size_t n = p->head_n + p->total;

	memcpy(c->whole, p->head, p->head_n);
	memcpy(c->whole + p->head_n, p->payload, p->total);
	if (p->head[0] >> 4 == 4) {
		patch16(c->whole + 2, n > PACKET_MAX ? PACKET_MAX : n);
		patch16(c->whole + 6, 0);
	} else {
		patch16(c->whole + 4, p->total);
	}
	return (struct bytes){ c->whole, n };
}

/* True with *packet when this fragment completes its datagram. */
static bool reassemble(
	struct capture *c, const struct ip *ip, uint64_t now_us, struct bytes *packet)
{
	struct pending *p = pending_find(c, ip, now_us);

	c->counts.fragments++;
	if (!p)
		return false;
	if (!pending_add(p, ip)) {
		p->used = false;
		return false;
	}
	if (!p->total || !p->head_n || p->units != (p->total + UNIT - 1) / UNIT)
		return false;
	*packet = pending_packet(c, p);
	c->counts.fragments -= p->pieces;
	c->counts.joined += p->pieces - 1;
	p->used = false;
	return true;
}

/* ---- reading -------------------------------------------------------------- */

/*
 * By large reads; not by mmap(), which a file that somebody cuts meanwhile turns into SIGBUS,
 * and which is not faster.
 */
static pcap_t *file_open(struct capture *c, const char *path, char err[static PCAP_ERRBUF_SIZE])
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	uint8_t header[PCAP_FILE_HEADER];
	bool walk = false;
	pcap_t *p;

	if (!f) {
		snprintf(err, PCAP_ERRBUF_SIZE, "%s", strerror(errno));
		return NULL;
	}
	setvbuf(f, NULL, _IOFBF, READ_BYTES);
	if (f != stdin)
		walk = pread(fileno(f), header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
		       pcap_walk_can(&c->walk, header);
	p = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, err);
	if (p && walk)
		pcap_walk_start(&c->walk, fileno(f)); /* else libpcap goes on */
	if (!p && f != stdin)
		fclose(f);
	return p;
}

struct capture *capture_open(const char *path, char *why)
{
	struct capture *c = calloc(1, sizeof(*c));
	char err[PCAP_ERRBUF_SIZE] = "";
	int dlt;

	if (!c) {
		snprintf(why, WHY, "%.200s: out of memory", path);
		return NULL;
	}
	snprintf(c->name, sizeof(c->name), "%s", strcmp(path, "-") == 0 ? "standard input" : path);
	c->pcap = file_open(c, path, err);
	if (!c->pcap) {
		snprintf(why, WHY, "%.100s: %.150s", c->name, err);
		free(c);
		return NULL;
	}
	dlt = pcap_datalink(c->pcap);
	c->link = link_find(dlt);
	if (!c->link) {
		const char *name = pcap_datalink_val_to_name(dlt);

		snprintf(why, WHY,
			"%.100s: link type %d (%.20s) is not supported; expected Ethernet, "
			"raw IP, Linux cooked or loopback",
			c->name, dlt, name ? name : "unknown");
		capture_close(c);
		return NULL;
	}
	return c;
}

static_assert((size_t)CAPTURE_BUFFER >= (size_t)PCAP_WALK_BUFFER, "a packet and a read fit");

void capture_lend(struct capture *c, uint8_t *buf)
{
	if (c->walk.buf)
		pcap_walk_lend(&c->walk, buf);
}

/* A whole UDP packet: its ports and payload. */
static bool take_udp(const struct ip *ip, struct datagram *d, struct endpoint *to)
{
	struct bytes udp = ip->packet;
	size_t n;

	if (!skip(&udp, ip->head) || udp.n < 8)
		return false;
	n = be16(udp.p + 4);
	if (n < 8 || n > udp.n)
		return false;
	d->from = (struct endpoint){ ip->src, be16(udp.p), false };
	*to = (struct endpoint){ ip->dst, be16(udp.p + 2), false };
	d->data = (struct bytes){ udp.p + 8, n - 8 };
	return true;
}

/* MPLS, PPPoE and whatever else frame.c knows. */
static bool take_frame(
	struct capture *c, struct bytes frame, struct datagram *d, struct endpoint *to)
{
	struct flow_record *r = &c->record;

	if (!frame_udp(r, frame, c->link->start, &d->data))
		return false;
	d->from = (struct endpoint){ r->src, r->src_port, false };
	*to = (struct endpoint){ r->dst, r->dst_port, false };
	return true;
}

/* One packet of the file: true with the datagram, else it was counted as what it is. */
static bool take_packet(struct capture *c, const struct pcap_pkthdr *h, const uint8_t *data,
			struct datagram *d, struct endpoint *to)
{
	struct bytes b = { data, h->caplen }, whole = { NULL, 0 };
	struct ip ip;

	if (!c->link->to_ip(&b) || !ip_read(&ip, b)) {
		if (h->caplen == h->len && take_frame(c, (struct bytes){ data, h->caplen }, d, to))
			return true;
		c->counts.other++;
		return false;
	}
	if (ip.proto != IP_UDP) {
		c->counts.other++;
		return false;
	}
	if (ip.packet.n < ip.stated) {
		c->counts.cut++;
		return false;
	}
	if (ip.fragment) {
		if (!reassemble(c, &ip, d->recv_us, &whole))
			return false;
		c->counts.reassembled++;
	}
	/* Put together, it has the first fragment's header, and none of fragmentation. */
	if ((whole.n && !ip_read(&ip, whole)) || !take_udp(&ip, d, to)) {
		c->counts.reassembled -= whole.n > 0;
		c->counts.other++;
		return false;
	}
	return true;
}

int capture_next(struct capture *c, struct datagram *d, struct endpoint *to, char *why)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr walked, *h = &walked;
	const uint8_t *data;
	int got;

	while ((got = c->walk.buf ? pcap_walk_next(&c->walk, &walked, &data, error)
				  : pcap_next_ex(c->pcap, &h, &data)) == 1) {
		/* PCAP_TSTAMP_PRECISION_NANO: tv_usec holds nanoseconds. */
		struct endpoint unwanted;

		c->counts.packets++;
		d->recv_us = (uint64_t)h->ts.tv_sec * 1000000 + (uint64_t)h->ts.tv_usec / 1000;
		if (!take_packet(c, h, data, d, to ? to : &unwanted))
			continue;
		c->counts.datagrams++;
		return 1;
	}
	if (got == PCAP_ERROR_BREAK)
		return 0;
	if (got == PCAP_WALK_MORE)
		return CAPTURE_MORE;
	snprintf(why, WHY, "%.100s: packet %llu: %.120s", c->name,
		(unsigned long long)c->counts.packets + 1,
		c->walk.buf ? error : pcap_geterr(c->pcap));
	return -1;
}

const struct capture_counts *capture_counts(const struct capture *c)
{
	return &c->counts;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	pcap_walk_clear(&c->walk);
	pcap_close(c->pcap);
	for (size_t i = 0; i < PENDING; i++)
		free(c->pending[i].payload);
	free(c);
}
