/*
 * check_frame.c - sampled headers.  The frames were written by hand from the
 * RFCs and read back with tshark 4.0.17.
 */
#include <check.h>
#include "exact.h"
#include "wire/frame.h"

Suite *suite_frame(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

#define MACS 0,0x11,0x22,0x33,0x44,0x55, 0x66,0x77,0x88,0x99,0xaa,0xbb
#define V4(len, frag_hi, frag_lo, proto) 0x45,0x28,0,len, 0x12,0x34,frag_hi,frag_lo, \
	64,proto,0,0, 192,0,2,1, 198,51,100,2
#define V6(len, next) 0x6a,0xb1,0x23,0x45, 0,len,next,64, \
	0x20,1,0x0d,0xb8,0,0,0,0,0,0,0,0,0,0,0,1, 0x20,1,0x0d,0xb8,0,0,0,0,0,0,0,0,0,0,0,2
#define TCP 0x12,0x34, 0x01,0xbb, 0,0,0,1, 0,0,0,2, 0x50,0x12,0xff,0xff, 0,0,0,0
#define UDP 0x12,0x34, 0x01,0xbb, 0,8,0,0

#define VXLAN 0,0,0x12,0xb5, 0,58,0,0, 8,0,0,0, 0,0,42,0
#define GENEVE 0,0,0x17,0xc1, 0,62,0,0, 1,0,0x65,0x58, 0,0,42,0, 0,1,2,0
#define GTP(flags) 0x08,0x68,0x08,0x68, 0,44,0,0, flags,255,0,28, 0,0,0,1
#define IN4 0x45,0x10,0,28, 0,0,0,0, 64,17,0,0, 10,0,0,1, 10,0,0,2
#define IN6 0x60,0,0,0, 0,8,17,64, 0xfd,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1, 0xfd,0,0,0,0,0,0,0,0,0,0,0,0,0,0,2
#define INUDP 0,53,0x14,0xe9, 0,8,0,0

/* What the frame says; text as flow_print() gives it would test flow_print() too. */
struct expect {
	bool found;
	uint32_t ip_len;
	int version;		/* 0: no addresses */
	/* -1: absent */
	int proto, src_port, dst_port, flags, tos, vlan, cos, ethertype, top, bottom, label;
	bool macs;
};
#define TCP4 true, 40, 4, 6, 0x1234, 443, 0x12, 0x28
#define UDP4 true, 28, 4, 17, 0x1234, 443, -1, 0x28
#define NOLINK -1, -1, -1, -1, -1
#define TC6 0xab	/* traffic class, and label 0x12345, of V6 */

static const struct {
	const char *name;
	enum frame_start start;
	struct bytes frame;
	struct expect want;
} frames[] = {
	{ "TCP", FRAME_ETHERNET, BYTES(MACS, 8,0, V4(40, 0x40,0, 6), TCP),
		{ TCP4, -1, -1, 0x0800, -1, -1, -1, true } },
	{ "VLAN", FRAME_ETHERNET, BYTES(MACS, 0x81,0, 0xa0,0x64, 8,0, V4(40, 0,0, 6), TCP),
		{ TCP4, 100, 5, 0x0800, -1, -1, -1, true } },
	{ "QinQ: the outer tag", FRAME_ETHERNET, BYTES(MACS, 0x88,0xa8, 0x04,0x26, 0x81,0,
		0xe5,0xd5, 8,0,
		V4(40, 0,0, 6), TCP), { TCP4, 1062, 0, 0x0800, -1, -1, -1, true } },
	{ "QinQ of old, thrice", FRAME_ETHERNET, BYTES(MACS, 0x91,0, 0,1, 0x92,0, 0,2, 0x81,0,
		0,3, 8,0,
		V4(28, 0,0, 17), UDP), { UDP4, 1, 0, 0x0800, -1, -1, -1, true } },
	{ "MPLS, one label", FRAME_ETHERNET, BYTES(MACS, 0x88,0x47, 0x12,0x34,0x51,0x40,
		V4(40, 0,0, 6), TCP),
		{ TCP4, -1, -1, 0x8847, 0x12345, 0x12345, -1, true } },
	{ "MPLS, three labels", FRAME_ETHERNET, BYTES(MACS, 0x88,0x47, 0,1,0x00,1, 0,2,0x00,1,
		0,3,0x01,1,
		V6(20, 6), TCP), { true, 60, 6, 6, 0x1234, 443, 0x12, TC6, -1, -1, 0x8847, 0x10,
			0x30, 0x12345, true } },
	{ "MPLS pseudowire", FRAME_ETHERNET, BYTES(MACS, 0x88,0x47, 0,1,0x01,1, 0,0,0,0, MACS, 8,0,
		V4(40, 0,0, 6), TCP), { false, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0x8847, 0x10,
			0x10, -1, true } },
	{ "MPLS stack without an end", FRAME_ETHERNET, BYTES(MACS, 0x88,0x47, 0,1,0,1, 0,2,0,1),
		{ false, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0x8847, 0x10, -1, -1, true } },
	{ "PPPoE, IPv4", FRAME_ETHERNET, BYTES(MACS, 0x88,0x64, 0x11,0,0,1,0,42, 0,0x21,
		V4(40, 0,0, 6), TCP),
		{ TCP4, -1, -1, 0x8864, -1, -1, -1, true } },
	{ "PPPoE, IPv6", FRAME_ETHERNET, BYTES(MACS, 0x88,0x64, 0x11,0,0,1,0,50, 0,0x57,
		V6(8, 17), UDP),
		{ true, 48, 6, 17, 0x1234, 443, -1, TC6, -1, -1, 0x8864, -1, -1, 0x12345, true } },
	{ "PPPoE, LCP", FRAME_ETHERNET, BYTES(MACS, 0x88,0x64, 0x11,0,0,1,0,6, 0xc0,0x21, 1,1,0,4),
		{ false, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0x8864, -1, -1, -1, true } },
	{ "ARP", FRAME_ETHERNET, BYTES(MACS, 8,6, 0,1,8,0,6,4,0,1),
		{ false, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0x0806, -1, -1, -1, true } },
	{ "SNAP", FRAME_ETHERNET, BYTES(MACS, 0,36, 0xaa,0xaa,3,0,0,0, 8,0, V4(28, 0,0, 17), UDP),
		{ UDP4, -1, -1, 0x0800, -1, -1, -1, true } },
	{ "LLC", FRAME_ETHERNET, BYTES(MACS, 0,39, 0x42,0x42,3, 0,0,0,0,0, V4(28, 0,0, 17), UDP),
		{ false, 0, 0, -1, -1, -1, -1, -1, NOLINK, -1, true } },
	{ "IPv4 in name only", FRAME_ETHERNET, BYTES(MACS, 8,0, V6(8, 17), UDP),
		{ false, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0x0800, -1, -1, -1, true } },
	{ "IPv4 header of four words", FRAME_IPV4,
		BYTES(0x44,0,0,40, 0,0,0,0, 64,6,0,0, 192,0,2,1, 198,51,100,2),
		{ false, 0, 0, -1, -1, -1, -1, -1, NOLINK, -1, false } },
	{ "IPv4 options", FRAME_IPV4, BYTES(0x46,0x28,0,32, 0x12,0x34,0,0, 64,17,0,0, 192,0,2,1,
		198,51,100,2,
		1,1,1,0, UDP), { true, 32, 4, 17, 0x1234, 443, -1, 0x28, NOLINK, -1, false } },
	{ "Ethernet's padding is no port", FRAME_ETHERNET, BYTES(MACS, 8,0, V4(20, 0,0, 17), UDP),
		{ true, 20, 4, 17, -1, -1, -1, 0x28, -1, -1, 0x0800, -1, -1, -1, true } },
	{ "first fragment", FRAME_IPV4, BYTES(V4(28, 0x20,0, 17), UDP),
		{ UDP4, NOLINK, -1, false } },
	{ "later fragment", FRAME_IPV4, BYTES(V4(28, 0x00,1, 17), UDP),
		{ true, 28, 4, 17, -1, -1, -1, 0x28, NOLINK, -1, false } },
	{ "ICMP", FRAME_IPV4, BYTES(V4(28, 0,0, 1), 3,1,0,0, 0,0,0,0),
		{ true, 28, 4, 1, -1, -1, -1, 0x28, NOLINK, -1, false } },
	{ "ICMPv6", FRAME_IPV6, BYTES(V6(8, 58), 128,0,0,0, 0,1,0,1),
		{ true, 48, 6, 58, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "SCTP", FRAME_IPV4, BYTES(V4(32, 0,0, 132), 0x12,0x34,0x01,0xbb, 0,0,0,0, 0,0,0,0),
		{ true, 32, 4, 132, 0x1234, 443, -1, 0x28, NOLINK, -1, false } },
	{ "GRE: the outer header", FRAME_IPV4, BYTES(V4(52, 0,0, 47), 0,0,8,0, V4(28, 0,0, 17),
		UDP),
		{ true, 52, 4, 47, -1, -1, -1, 0x28, NOLINK, -1, false } },
	{ "IPv6 hop-by-hop, routing, destination", FRAME_IPV6, BYTES(V6(48, 0), 43,0,1,4,0,0,0,0,
		60,1,0,0,0,0,0,0, 0,0,0,0,0,0,0,0, 17,0,1,4,0,0,0,0, UDP),
		{ true, 88, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 authentication header", FRAME_IPV6,
		BYTES(V6(20, 51), 17,1,0,0, 0,0,0,1, 0,0,0,2, UDP),
		{ true, 60, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 ESP", FRAME_IPV6, BYTES(V6(8, 50), 0,0,0,1, 0,0,0,2),
		{ true, 48, 6, 50, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 no next header", FRAME_IPV6, BYTES(V6(8, 59), UDP),
		{ true, 48, 6, 59, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 first fragment", FRAME_IPV6, BYTES(V6(16, 44), 17,0,0,1, 0,0,0,9, UDP),
		{ true, 56, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 atomic fragment", FRAME_IPV6, BYTES(V6(16, 44), 17,0,0,0, 0,0,0,9, UDP),
		{ true, 56, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 later fragment", FRAME_IPV6, BYTES(V6(16, 44), 17,0,0,8, 0,0,0,9, UDP),
		{ true, 56, 6, 17, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 extension longer than the packet", FRAME_IPV6,
		BYTES(V6(16, 0), 17,200,1,4,0,0,0,0, UDP),
		{ true, 56, 6, 17, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "IPv6 extension cut", FRAME_IPV6, BYTES(V6(16, 60), 17,0,1,4),
		{ true, 56, 6, 60, -1, -1, -1, TC6, NOLINK, 0x12345, false } },
	{ "TCP cut before its flags", FRAME_IPV4, BYTES(V4(40, 0,0, 6), 0x12,0x34, 0x01,0xbb,
		0,0,0,1, 0,0,0,2, 0x50),
		{ true, 40, 4, 6, 0x1234, 443, -1, 0x28, NOLINK, -1, false } },
	{ "IP by its version, 4", FRAME_IP, BYTES(V4(28, 0,0, 17), UDP),
		{ UDP4, NOLINK, -1, false } },
	{ "IP by its version, 6", FRAME_IP, BYTES(V6(8, 17), UDP),
		{ true, 48, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "PPP", FRAME_PPP, BYTES(0,0x21, V4(28, 0,0, 17), UDP), { UDP4, NOLINK, -1, false } },
	{ "PPP in HDLC, compressed", FRAME_PPP, BYTES(0xff,3, 0x21, V4(28, 0,0, 17), UDP),
		{ UDP4, NOLINK, -1, false } },
	{ "PPP MPLS", FRAME_PPP, BYTES(2,0x81, 0,1,0x01,1, V4(28, 0,0, 17), UDP),
		{ UDP4, -1, -1, -1, 0x10, 0x10, -1, false } },
	{ "MPLS start", FRAME_MPLS, BYTES(0,1,0x01,1, V4(28, 0,0, 17), UDP),
		{ UDP4, -1, -1, -1, 0x10, 0x10, -1, false } },
	{ "Linux cooked", FRAME_LINUX_SLL, BYTES(0,0, 0,1, 0,6, 1,2,3,4,5,6,0,0, 8,0,
		V4(28, 0,0, 17), UDP),
		{ UDP4, -1, -1, 0x0800, -1, -1, -1, false } },
	{ "Linux cooked, VLAN", FRAME_LINUX_SLL, BYTES(0,0, 0,1, 0,6, 1,2,3,4,5,6,0,0, 0x81,0,
		0,7, 8,0,
		V4(28, 0,0, 17), UDP), { UDP4, 7, 0, 0x0800, -1, -1, -1, false } },
	{ "Linux cooked v2", FRAME_LINUX_SLL2, BYTES(8,0, 0,0, 0,0,0,2, 0,1, 0,6, 1,2,3,4,5,6,0,0,
		V4(28, 0,0, 17), UDP), { UDP4, -1, -1, 0x0800, -1, -1, -1, false } },
	{ "BSD loopback", FRAME_NULL, BYTES(2,0,0,0, V4(28, 0,0, 17), UDP),
		{ UDP4, NOLINK, -1, false } },
	{ "BSD loopback, other order", FRAME_NULL, BYTES(0,0,0,30, V6(8, 17), UDP),
		{ true, 48, 6, 17, 0x1234, 443, -1, TC6, NOLINK, 0x12345, false } },
	{ "nothing", FRAME_ETHERNET, { NULL, 0 }, { false, 0, 0, -1, -1, -1, -1, -1, NOLINK, -1,
		false } },
};

static struct flow_record expected(const struct expect *e)
{
	struct flow_record r = flow_record_empty;
	const struct { int value; enum flow_field field; } numbers[] = {
		{ e->proto, FLOW_proto }, { e->src_port, FLOW_src_port },
			{ e->dst_port, FLOW_dst_port },
		{ e->flags, FLOW_tcp_flags }, { e->tos, FLOW_tos }, { e->vlan, FLOW_vlan },
			{ e->cos, FLOW_cos },
		{ e->ethertype, FLOW_ethertype }, { e->top, FLOW_mpls_top },
			{ e->bottom, FLOW_mpls_bottom },
		{ e->label, FLOW_flow_label },
	};

	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i].value >= 0)
			flow_set(&r, numbers[i].field, (uint64_t)numbers[i].value);
	if (e->version) {
		addr_parse(&r.src, e->version == 4 ? "192.0.2.1" : "2001:db8::1");
		addr_parse(&r.dst, e->version == 4 ? "198.51.100.2" : "2001:db8::2");
		r.present |= FLOW_BIT(src) | FLOW_BIT(dst);
	}
	if (e->macs) {
		memcpy(r.dst_mac, (const uint8_t[]){ 0, 0x11, 0x22, 0x33, 0x44, 0x55 }, 6);
		memcpy(r.src_mac, (const uint8_t[]){ 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb }, 6);
		r.present |= FLOW_BIT(dst_mac) | FLOW_BIT(src_mac);
	}
	return r;
}

START_TEST(reads_headers)
{
	struct flow_record want = expected(&frames[_i].want), got = flow_record_empty;
	uint32_t ip_len = 77;
	bool found = frame_parse(&got, frames[_i].frame, frames[_i].start, &ip_len);
	char text[2][1024];

	flow_print(text[0], sizeof(text[0]), &want);
	flow_print(text[1], sizeof(text[1]), &got);
	ck_assert_msg(flow_equal(&want, &got), "%s: want %s\n got %s", frames[_i].name, text[0],
		text[1]);
	ck_assert_msg(found == frames[_i].want.found, "%s: found %d", frames[_i].name, found);
	ck_assert_msg(ip_len == frames[_i].want.ip_len, "%s: IP length %u", frames[_i].name,
		ip_len);
}
END_TEST

static enum frame_start start_under_test;

static void read_one(struct bytes b)
{
	struct flow_record r = flow_record_empty, u;
	struct bytes payload;
	uint32_t len;

	frame_parse(&r, b, start_under_test, &len);
	frame_parse(&r, b, start_under_test, NULL);
	if (frame_udp(&u, b, start_under_test, &payload))
		ck_assert(payload.p >= b.p && payload.p + payload.n <= b.p + b.n);
}

START_TEST(survives_cuts_and_flips)
{
	start_under_test = frames[_i].start;
	touch_all(frames[_i].frame, read_one);
	/* And as what it is not. */
	for (int s = FRAME_ETHERNET; s <= FRAME_NULL; s++) {
		start_under_test = (enum frame_start)s;
		touch_exact(frames[_i].frame.p, frames[_i].frame.n, read_one);
	}
}
END_TEST

/* What a cut header says, it says as the whole one does. */
START_TEST(a_cut_header_says_no_other)
{
	struct flow_record whole = flow_record_empty;
	const struct bytes b = frames[_i].frame;

	frame_parse(&whole, b, frames[_i].start, NULL);
	for (size_t n = 0; n < b.n; n++) {
		struct flow_record cut = flow_record_empty;

		frame_parse(&cut, (struct bytes){ b.p, n }, frames[_i].start, NULL);
		for (int f = 0; f < FLOW_FIELDS; f++) {
			enum flow_field m = (enum flow_field)f;

			/* IPv6: the protocol is the last header that could be seen. */
			if (!flow_has(&cut, m) || m == FLOW_proto)
				continue;
			ck_assert_msg(flow_has(&whole, m) &&
				flow_get(&whole, m) == flow_get(&cut, m),
				      "%s cut at %zu: %s", frames[_i].name, n, flow_fields[f].name);
		}
	}
}
END_TEST

static const struct {
	const char *name;
	struct bytes frame;
	bool udp;
	size_t payload;
} datagrams[] = {
	{ "three octets", BYTES(V4(31, 0x40,0, 17), 0x12,0x34,0x08,0x07, 0,11,0,0, 1,2,3), true,
		3 },
	{ "none", BYTES(V4(28, 0,0, 17), 0x12,0x34,0x08,0x07, 0,8,0,0), true, 0 },
	{ "with Ethernet's padding", BYTES(V4(29, 0,0, 17), 0x12,0x34,0x08,0x07, 0,9,0,0, 1,
		0,0,0,0), true, 1 },
	{ "IP has more than UDP", BYTES(V4(31, 0,0, 17), 0x12,0x34,0x08,0x07, 0,9,0,0, 1,2,3),
		true, 1 },
	{ "UDP has more than IP", BYTES(V4(29, 0,0, 17), 0x12,0x34,0x08,0x07, 0,11,0,0, 1,2,3),
		false, 0 },
	{ "UDP length below its header", BYTES(V4(31, 0,0, 17), 0x12,0x34,0x08,0x07, 0,7,0,0,
		1,2,3), false, 0 },
	{ "cut by the capture", BYTES(V4(31, 0,0, 17), 0x12,0x34,0x08,0x07, 0,11,0,0, 1,2),
		false, 0 },
	{ "cut in the header", BYTES(V4(31, 0,0, 17), 0x12,0x34,0x08,0x07, 0,11,0), false, 0 },
	{ "first fragment", BYTES(V4(31, 0x20,0, 17), 0x12,0x34,0x08,0x07, 0,11,0,0, 1,2,3),
		false, 0 },
	{ "later fragment", BYTES(V4(31, 0,9, 17), 0x12,0x34,0x08,0x07, 0,11,0,0, 1,2,3), false,
		0 },
	{ "TCP", BYTES(V4(40, 0,0, 6), TCP), false, 0 },
	{ "IPv6", BYTES(V6(10, 17), 0x12,0x34,0x08,0x07, 0,10,0,0, 1,2), true, 2 },
	{ "IPv6 atomic fragment", BYTES(V6(18, 44), 17,0,0,0, 0,0,0,9, 0x12,0x34,0x08,0x07,
		0,10,0,0, 1,2), true, 2 },
	{ "IPv6 first fragment", BYTES(V6(18, 44), 17,0,0,1, 0,0,0,9, 0x12,0x34,0x08,0x07,
		0,10,0,0, 1,2), false, 0 },
};

START_TEST(finds_udp_payload)
{
	struct flow_record r;
	struct bytes payload = { NULL, 0 };
	bool udp = frame_udp(&r, datagrams[_i].frame, FRAME_IP, &payload);

	ck_assert_msg(udp == datagrams[_i].udp, "%s", datagrams[_i].name);
	if (!udp)
		return;
	ck_assert_uint_eq(payload.n, datagrams[_i].payload);
	ck_assert_uint_eq(r.src_port, 0x1234);
	ck_assert_uint_eq(r.dst_port, 0x0807);
	for (size_t i = 0; i < payload.n; i++)
		ck_assert_uint_eq(payload.p[i], i + 1);
}
END_TEST

/* ---- writing -------------------------------------------------------------- */

START_TEST(checksums)
{
	/* RFC 1071 3: the sum is ddf2; the IPv4 header is a common example, its checksum b861. */
	static const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	static const uint8_t ip[] = { 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0,
		0xa8, 0, 1, 0xc0, 0xa8,
		0, 0xc7 };
	static const uint8_t odd[] = { 0x01, 0x02, 0x03 };

	ck_assert_uint_eq(checksum_end(checksum_add(0, rfc, 8)), 0xffff & ~0xddf2u);
	ck_assert_uint_eq(checksum_end(checksum_add(checksum_add(0, rfc, 4), rfc + 4, 4)),
		0xffff & ~0xddf2u);
	ck_assert_uint_eq(checksum_end(checksum_add(0, ip, sizeof(ip))), 0xb861);
	ck_assert_uint_eq(checksum_end(checksum_add(0, odd, 3)), 0xffff & ~0x0402u);
	ck_assert_uint_eq(checksum_end(checksum_add(0, NULL, 0)), 0xffff);
	/* Every carry is added back. */
	ck_assert_uint_eq(checksum_end(0xffff * UINT64_C(0x10000)), 0);
}
END_TEST

static struct flow_record random_record(uint64_t *s)
{
	static const uint8_t protos[] = { 1, 6, 17, 58, 132, 136, 47, 50, 89 };
	struct flow_record r = flow_record_empty;
	const bool v4 = rnd(s) & 1;
	uint64_t proto = protos[rnd(s) % COUNT(protos)];

	r.src = v4 ? addr_make4((uint32_t)rnd(s)) : addr_zero6;
	r.dst = v4 ? addr_make4((uint32_t)rnd(s)) : addr_zero6;
	for (int i = 0; !v4 && i < 16; i++) {
		r.src.b[i] = (uint8_t)rnd(s);
		r.dst.b[i] = (uint8_t)rnd(s);
	}
	r.present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(src_mac) | FLOW_BIT(dst_mac);
	for (int i = 0; i < 6; i++) {
		r.src_mac[i] = (uint8_t)rnd(s);
		r.dst_mac[i] = (uint8_t)rnd(s);
	}
	flow_set(&r, FLOW_ethertype, v4 ? 0x0800 : 0x86dd);
	flow_set(&r, FLOW_proto, proto);
	flow_set(&r, FLOW_tos, rnd(s));
	if (!v4)
		flow_set(&r, FLOW_flow_label, rnd(s) & 0xfffff);
	if (rnd(s) & 1) {
		flow_set(&r, FLOW_vlan, rnd(s) & 0xfff);
		flow_set(&r, FLOW_cos, rnd(s) & 7);
	}
	if (proto == 6 || proto == 17 || proto == 132 || proto == 136)
		flow_set(&r, FLOW_src_port, rnd(s));
	if (flow_has(&r, FLOW_src_port) || proto == 1 || proto == 58)
		flow_set(&r, FLOW_dst_port, rnd(s));
	if (proto == 6)
		flow_set(&r, FLOW_tcp_flags, rnd(s));
	return r;
}

/* The transport checksum, summed the long way over a whole packet of `len` octets of payload. */
static uint32_t packet_sum(const uint8_t *ip, size_t ip_header, size_t len, bool v4, uint8_t proto)
{
	uint64_t sum = (proto == 1 && v4) ? 0 : proto + len;
	const size_t first = v4 ? 12 : 8;

	for (size_t i = first; (proto != 1 || !v4) && i < ip_header; i++)
		sum += (uint64_t)ip[i] << (i & 1 ? 0 : 8);
	for (size_t i = 0; i < len; i++)
		sum += (uint64_t)ip[ip_header + i] << (i & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

START_TEST(gives_back_what_was_put)
{
	uint64_t s = rnd_seed("frame");
	static uint8_t buf[2048];

	for (int i = 0; i < 100000; i++) {
		struct flow_record in = random_record(&s), out = flow_record_empty;
		const bool v4 = addr_is4(&in.src);
		const uint32_t link = flow_has(&in, FLOW_vlan) ? 18 : 14, header = v4 ? 20 : 40;
		uint32_t frame_len = 100 + (uint32_t)(rnd(&s) % 1415), ip_len;
		struct cursor c = cursor(buf, sizeof(buf));

		memset(buf, 0, frame_len);
		frame_put(&c, &in, frame_len);
		ck_assert(!c.full);
		ck_assert(frame_parse(&out, (struct bytes){ buf, cursor_used(&c) },
			FRAME_ETHERNET, &ip_len));
		if (in.proto == 1 || in.proto == 58) {	/* what was put as its type is no port */
			in.present &= ~FLOW_BIT(dst_port);
			in.dst_port = 0;
		}
		ck_assert_msg(flow_equal(&in, &out), "record %d, protocol %u", i, in.proto);
		ck_assert_uint_eq(ip_len, frame_len - link);
		if (v4)
			ck_assert_uint_eq(checksum_end(checksum_add(0, buf + link, 20)), 0);
		if (in.proto == 6 || in.proto == 17 || (in.proto == 1 && v4) ||
			(in.proto == 58 && !v4))
			ck_assert_msg(packet_sum(buf + link, header, ip_len - header, v4,
				in.proto) == 0xffff,
				      "checksum of protocol %u", in.proto);
	}
}
END_TEST

static const struct {
	const char *name;
	const char *addr;
	uint32_t frame_len, ip_len;
} lengths[] = {
	{ "a packet of 1000", "192.0.2.1", 1014, 1000 },
	{ "shorter than its headers", "192.0.2.1", 10, 40 },
	{ "as long as its headers", "192.0.2.1", 54, 40 },
	{ "one more", "192.0.2.1", 55, 41 },
	{ "the longest", "192.0.2.1", 14 + 65535, 65535 },
	{ "longer than IP can say", "192.0.2.1", 14 + 65536, 65535 },
	{ "four billion", "192.0.2.1", UINT32_MAX, 65535 },
	{ "IPv6 shorter than its headers", "2001:db8::1", 0, 60 },
	{ "IPv6 of 1000", "2001:db8::1", 1014, 1000 },
	{ "IPv6, the longest", "2001:db8::1", 14 + 65575, 65575 },
	{ "IPv6, longer", "2001:db8::1", 14 + 65576, 65575 },
};

START_TEST(states_a_lawful_ip_length)
{
	struct flow_record r = flow_record_empty, got = flow_record_empty;
	uint8_t buf[128];
	struct cursor c = cursor(buf, sizeof(buf));
	uint32_t ip_len;

	flow_set(&r, FLOW_proto, 6);
	ck_assert(addr_parse(&r.src, lengths[_i].addr) && addr_parse(&r.dst, lengths[_i].addr));
	frame_put(&c, &r, lengths[_i].frame_len);
	ck_assert(frame_parse(&got, (struct bytes){ buf, cursor_used(&c) }, FRAME_ETHERNET,
		&ip_len));
	ck_assert_msg(ip_len == lengths[_i].ip_len, "%s: %u", lengths[_i].name, ip_len);
}
END_TEST

START_TEST(stays_inside_its_buffer)
{
	struct flow_record r = flow_record_empty;

	flow_set(&r, FLOW_proto, 6);
	for (size_t n = 0; n <= 54; n++) {
		uint8_t *buf = malloc(n ? n : 1);
		struct cursor c = cursor(buf, n);

		frame_put(&c, &r, 100);
		ck_assert(c.full == (n < 54));
		free(buf);
	}
}
END_TEST

#define OUTSIDE "src=192.0.2.1 dst=198.51.100.2 "
#define INSIDE4 "src=10.0.0.1 dst=10.0.0.2 src_port=53 dst_port=5353 proto=17 tos=16"
#define INSIDE6 "src=fd00::1 dst=fd00::2 src_port=53 dst_port=5353 proto=17 tos=0 flow_label=0"

/* The packet inside; layouts from the RFCs and 3GPP TS 29.281. */
static const struct {
	const char *name;
	struct bytes frame;	/* IPv4 */
	unsigned depth;
	const char *want;
} tunnels[] = {
	{ "IP in IP", BYTES(V4(48, 0, 0, 4), IN4, INUDP), 1, INSIDE4 },
	{ "not asked for", BYTES(V4(48, 0, 0, 4), IN4, INUDP), 0, OUTSIDE "proto=4 tos=40" },
	{ "IPv6 in IPv4", BYTES(V4(68, 0, 0, 41), IN6, INUDP), 1, INSIDE6 },
	{ "GRE", BYTES(V4(52, 0, 0, 47), 0, 0, 8, 0, IN4, INUDP), 1, INSIDE4 },
	{ "GRE, key and sequence",
		BYTES(V4(80, 0, 0, 47), 0x30, 0, 0x86, 0xdd, 0, 0, 0, 1, 0, 0, 0, 2, IN6, INUDP), 1,
		INSIDE6 },
	{ "GRE, checksum, Ethernet",
		BYTES(V4(70, 0, 0, 47), 0x80, 0, 0x65, 0x58, 1, 2, 0, 0, MACS, 8, 0, IN4, INUDP), 1,
		INSIDE4 },
	{ "GRE of PPTP", BYTES(V4(52, 0, 0, 47), 0, 1, 0x88, 0x0b, IN4, INUDP), 1,
		OUTSIDE "proto=47 tos=40" },
	{ "VXLAN", BYTES(V4(82, 0, 0, 17), VXLAN, MACS, 0x81, 0, 0, 9, 8, 0, IN4, INUDP), 1,
		INSIDE4 },
	{ "Geneve with an option", BYTES(V4(82, 0, 0, 17), GENEVE, MACS, 8, 0, IN4, INUDP), 1,
		INSIDE4 },
	{ "GTP-U", BYTES(V4(64, 0, 0, 17), GTP(0x30), IN4, INUDP), 1, INSIDE4 },
	{ "GTP-U with an extension",
		BYTES(V4(92, 0, 0, 17), GTP(0x34), 0, 0, 0, 0x85, 1, 0, 0, 0, IN6, INUDP), 1,
		INSIDE6 },
	{ "GTP-U with an extension of no length",
		BYTES(V4(92, 0, 0, 17), GTP(0x34), 0, 0, 0, 0x85, 0, 0, 0, 0, IN6, INUDP), 1,
		OUTSIDE "src_port=2152 dst_port=2152 proto=17 tos=40" },
	{ "two, one asked for", BYTES(V4(72, 0, 0, 47), 0, 0, 8, 0, V4(48, 0, 0, 4), IN4, INUDP), 1,
		OUTSIDE "proto=4 tos=40" },
	{ "two", BYTES(V4(72, 0, 0, 47), 0, 0, 8, 0, V4(48, 0, 0, 4), IN4, INUDP), 8, INSIDE4 },
	{ "a later fragment", BYTES(V4(48, 0, 1, 4), IN4, INUDP), 1, OUTSIDE "proto=4 tos=40" },
	{ "cut in the inner addresses",
		BYTES(V4(48, 0, 0, 4), 0x45, 0x10, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10,
			0),
		1, OUTSIDE "proto=4 tos=40" },
	{ "not IP inside", BYTES(V4(24, 0, 0, 4), 0, 1, 2, 3), 1, OUTSIDE "proto=4 tos=40" },
};

START_TEST(looks_into_tunnels)
{
	struct flow_record r = flow_record_empty;
	uint8_t *copy = malloc(tunnels[_i].frame.n);
	struct bytes frame = { copy, tunnels[_i].frame.n };
	char text[512];

	memcpy(copy, tunnels[_i].frame.p, frame.n);
	ck_assert(frame_parse(&r, frame, FRAME_IPV4, NULL));
	frame_tunnel(&r, frame, FRAME_IPV4, tunnels[_i].depth);
	flow_print(text, sizeof(text), &r);
	ck_assert_msg(strcmp(text, tunnels[_i].want) == 0, "%s: %s", tunnels[_i].name, text);
	/* Cut anywhere: no more than there is. */
	for (size_t n = 0; n < frame.n; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, copy, n);
		frame_tunnel(&r, (struct bytes){ cut, n }, FRAME_IPV4, 8);
		free(cut);
	}
	free(copy);
}
END_TEST

Suite *suite_frame(void)
{
	Suite *s = suite_create("frame");
	TCase *t = tcase_create("frame");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, reads_headers, 0, COUNT(frames));
	tcase_add_loop_test(t, survives_cuts_and_flips, 0, COUNT(frames));
	tcase_add_loop_test(t, a_cut_header_says_no_other, 0, COUNT(frames));
	tcase_add_loop_test(t, finds_udp_payload, 0, COUNT(datagrams));
	tcase_add_test(t, checksums);
	tcase_add_test(t, gives_back_what_was_put);
	tcase_add_loop_test(t, states_a_lawful_ip_length, 0, COUNT(lengths));
	tcase_add_test(t, stays_inside_its_buffer);
	tcase_add_loop_test(t, looks_into_tunnels, 0, COUNT(tunnels));
	suite_add_tcase(s, t);
	return s;
}
