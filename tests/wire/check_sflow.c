/*
 * check_sflow.c - sFlow v5, v4, v2.
 *
 * XDR is words, and so are the vectors.  They were written from the sFlow v5
 * specification and RFC 3176, and what they mean was confirmed with tshark
 * 4.0.17, except: the octets of damaged samples and which record wins, as
 * pmacct's sfacctd 1.7.7 has it; user, URL and sampled-IP data of v2 and v4,
 * which tshark does not read.
 */
#include <check.h>
#include "exact.h"
#include "wire/sflow.h"

Suite *suite_sflow(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS(...) (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4
enum { SAMPLES_MAX = 4, NUMBERS_MAX = 28, WORDS_MAX = 128 };

/* Agent 192.0.2.77; sub-agent 7, sequence 9, uptime 1000 ms. */
#define V5(n) 5, 1, 0xc000024d, 7, 9, 1000, n
#define V4(n) 4, 1, 0xc000024d, 9, 1000, n
#define V2(n) 2, 1, 0xc000024d, 9, 1000, n
/* Sequence 11, source 0:3, 1 in 512, pool 5120, 2 drops, from 3 to 4. */
#define FLOW 11, 3, 512, 5120, 2, 3, 4
#define EXPANDED 11, 0, 0x01000003, 512, 5120, 2, 0, 0x01000003, 0, 0x01000004
/* Ethernet, IPv4 192.0.2.1 -> 198.51.100.1, 1500 octets, TCP 4660 -> 443, flags 0x18. */
#define TCP4 54, 0x00112233, 0x44556677, 0x8899aabb, 0x08004510, 0x05dc0000, 0x40004006, \
	0x0000c000, \
	0x0201c633, 0x64011234, 0x01bb0000, 0x00000000, 0x00005018, 0xffff0000, 0x00000000
#define RAW(frame_len) 1, 72, 1, frame_len, 4, TCP4		/* 18 words of body */
/* The same with a tag of priority 3 and VLAN 7. */
#define RAW_TAGGED(frame_len) 1, 76, 1, frame_len, 4, 58, 0x00112233, 0x44556677, 0x8899aabb, \
	0x81006007, 0x08004510, 0x05dc0000, 0x40004006, 0x0000c000, 0x0201c633, 0x64011234, \
	0x01bb0000, 0x00000000, 0x00005018, 0xffff0000, 0x00000000
#define MAC 2, 24, 1400, 0x66778899, 0xaabb0000, 0x00112233, 0x44550000, 0x0800
/* 1344 octets, UDP 10.0.0.1:53 -> 10.0.0.2:5353, flags 0, tos 0xb8. */
#define IP4 3, 32, 1344, 17, 0x0a000001, 0x0a000002, 53, 5353, 0, 0xb8
#define IP6 4, 56, 1280, 6, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2, 443, 33344, 0x12, 0x20
#define SWITCH(in, out) 1001, 16, in, 5, out, 6
#define ROUTER 1002, 16, 1, 0xcb007103, 24, 20
#define GATEWAY 1003, 64, 1, 0xcb007109, 64500, 64501, 64502, 2, 2, 2, 64510, 64511, 1, 2, \
	64512, 64513, 0, 100
/* The three as v4 and v2 have them. */
#define OLD_TCP4(frame_len) 1, 1, frame_len, TCP4
#define COUNTERS88 1, 6, 0,0, 1, 3, 0,0, 0,0,0,0,0,0, 0,0, 0,0,0,0,0, 0	/* 22 words */

struct number {
	enum flow_field field;
	uint64_t value;
};

#define IFS(in, out) { FLOW_packets, 1 }, { FLOW_in_if, in }, { FLOW_out_if, out }, \
	{ FLOW_sampling_num, 512 }, \
	{ FLOW_sampling_den, 1 }
#define TCP4_SAYS { FLOW_src, 0xc0000201 }, { FLOW_dst, 0xc6336401 }, { FLOW_src_port, 0x1234 }, \
	{ FLOW_dst_port, 443 }, { FLOW_proto, 6 }, { FLOW_tos, 0x10 }, { FLOW_tcp_flags, 0x18 }, \
		MACS_SAY
#define MACS_SAY { FLOW_src_mac, 1 }, { FLOW_dst_mac, 1 }, { FLOW_ethertype, 0x0800 }
#define IP4_SAYS { FLOW_src, 0x0a000001 }, { FLOW_dst, 0x0a000002 }, { FLOW_src_port, 53 }, \
	{ FLOW_dst_port, 5353 }, { FLOW_proto, 17 }, { FLOW_tos, 0xb8 }, { FLOW_tcp_flags, 0 }
#define IP6_SAYS { FLOW_src, 6 }, { FLOW_dst, 6 }, { FLOW_src_port, 443 }, \
	{ FLOW_dst_port, 33344 }, \
	{ FLOW_proto, 6 }, { FLOW_tos, 0x20 }, { FLOW_tcp_flags, 0x12 }
#define OCTETS(n) { FLOW_octets, n }
#define END { FLOW_FIELDS, 0 }

/* Flow samples in order; a sample without any member is a counter sample. */
static const struct {
	const char *name;
	const uint32_t *words;
	size_t nwords;
	enum wire_err err;
	uint32_t skipped, cut;
	struct { struct number numbers[NUMBERS_MAX]; } samples[SAMPLES_MAX];
	unsigned n;
} vectors[] = {
	{ "raw header", WORDS(V5(1), 1, 112, FLOW, 1, RAW(1518)), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1518), TCP4_SAYS, END } } }, 1 },
	{ "expanded", WORDS(V5(1), 3, 124, EXPANDED, 1, RAW(1518)), WIRE_OK, 0, 0,
		{ { { IFS(0x01000003, 0x01000004), OCTETS(1518), TCP4_SAYS, END } } }, 1 },
	{ "sampled Ethernet", WORDS(V5(1), 1, 64, FLOW, 1, MAC), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1400), MACS_SAY, END } } }, 1 },
	{ "sampled IPv4", WORDS(V5(1), 1, 72, FLOW, 1, IP4), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "sampled IPv6", WORDS(V5(1), 1, 96, FLOW, 1, IP6), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1280), IP6_SAYS, END } } }, 1 },
	{ "raw, Ethernet, IPv4: one packet, the IP length",
		WORDS(V5(1), 1, 184, FLOW, 3, RAW(1390), MAC, IP4),
		WIRE_OK, 0, 0, { { { IFS(3, 4), OCTETS(1344), IP4_SAYS, MACS_SAY, END } } }, 1 },
	{ "IPv4, Ethernet, raw: the same", WORDS(V5(1), 1, 184, FLOW, 3, IP4, MAC, RAW(1390)),
		WIRE_OK, 0, 0, { { { IFS(3, 4), OCTETS(1344), IP4_SAYS, MACS_SAY, END } } }, 1 },
	{ "Ethernet, raw: the frame length", WORDS(V5(1), 1, 144, FLOW, 2, MAC, RAW(1390)),
		WIRE_OK, 0, 0, { { { IFS(3, 4), OCTETS(1390), TCP4_SAYS, END } } }, 1 },
	{ "two raw headers: the first", WORDS(V5(1), 1, 192, FLOW, 2, RAW(1518), RAW(99)),
		WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1518), TCP4_SAYS, END } } }, 1 },
	{ "switch", WORDS(V5(1), 1, 136, FLOW, 2, SWITCH(100, 200), RAW(64)), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, { FLOW_vlan, 100 }, { FLOW_cos, 5 },
			{ FLOW_out_vlan, 200 },
			END } } }, 1 },
	{ "a tag's priority", WORDS(V5(1), 1, 116, FLOW, 1, RAW_TAGGED(68)), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(68), TCP4_SAYS, { FLOW_vlan, 7 }, { FLOW_cos, 3 }, END } } }, 1 },
	/* As sfacctd 1.7.7 has it. */
	{ "the switch's, where it knows the VLAN", WORDS(V5(1), 1, 140, FLOW, 2, RAW_TAGGED(68),
		SWITCH(100, 200)), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(68), TCP4_SAYS, { FLOW_vlan, 100 }, { FLOW_cos, 5 },
			{ FLOW_out_vlan, 200 }, END } } }, 1 },
	{ "switch that does not know", WORDS(V5(1), 1, 136, FLOW, 2,
		SWITCH(0xffffffff, 0xffffffff), RAW(64)),
		WIRE_OK, 0, 0, { { { IFS(3, 4), OCTETS(64), TCP4_SAYS, END } } }, 1 },
	{ "router", WORDS(V5(1), 1, 136, FLOW, 2, RAW(64), ROUTER), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, { FLOW_next_hop, 0xcb007103 },
			{ FLOW_src_mask, 24 },
			{ FLOW_dst_mask, 20 }, END } } }, 1 },
	{ "router without next hop", WORDS(V5(1), 1, 52, FLOW, 1, 1002, 12, 0, 24, 20), WIRE_OK,
		0, 0,
		{ { { IFS(3, 4), { FLOW_src_mask, 24 }, { FLOW_dst_mask, 20 }, END } } }, 1 },
	{ "gateway", WORDS(V5(1), 1, 104, FLOW, 1, GATEWAY), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), { FLOW_bgp_next_hop, 0xcb007109 }, { FLOW_src_as, 64501 },
			{ FLOW_peer_src_as, 64502 },
			{ FLOW_peer_dst_as, 64510 }, { FLOW_dst_as, 64513 }, END } } }, 1 },
	{ "gateway, own destination, communities",
		WORDS(V5(1), 1, 76, FLOW, 1, 1003, 36, 0, 64500, 0, 0, 0, 2, 1, 2, 100),
		WIRE_OK, 0, 0, { { { IFS(3, 4), { FLOW_src_as, 0 }, { FLOW_peer_src_as, 0 },
			END } } }, 1 },
	{ "records of strangers", WORDS(V5(1), 1, 136, FLOW, 3, 0x00001001, 8, 1, 2, RAW(64),
		1012, 0), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, END } } }, 1 },
	{ "no records", WORDS(V5(1), 1, 32, FLOW, 0), WIRE_OK, 0, 0, { { { IFS(3, 4), END } } },
		1 },
	{ "no rate", WORDS(V5(1), 1, 72, 11, 3, 0, 5120, 2, 3, 4, 1, IP4), WIRE_OK, 0, 0,
		{ { { { FLOW_packets, 1 }, { FLOW_in_if, 3 }, { FLOW_out_if, 4 }, OCTETS(1344),
			IP4_SAYS, END } } }, 1 },
	{ "discarded, several, itself, none", WORDS(V5(2), 1, 32, 11, 3, 512, 5120, 2,
		0x3fffffff, 0x80000003, 0,
		1, 32, 11, 3, 512, 5120, 2, 0, 0x40000102, 0), WIRE_OK, 0, 0,
		{ { { { FLOW_packets, 1 }, { FLOW_sampling_num, 512 }, { FLOW_sampling_den, 1 },
			END } },
		  { { { FLOW_packets, 1 }, { FLOW_in_if, 0 }, { FLOW_sampling_num, 512 },
		  	{ FLOW_sampling_den, 1 }, END } } },
		2 },
	{ "expanded: discarded, several", WORDS(V5(1), 3, 44, 11, 0, 3, 512, 5120, 2, 1, 258, 2,
		3, 0), WIRE_OK, 0, 0,
		{ { { { FLOW_packets, 1 }, { FLOW_sampling_num, 512 }, { FLOW_sampling_den, 1 },
			END } } }, 1 },
	{ "IPv6 agent", WORDS(5, 2, 0x20010db8, 0, 0, 9, 7, 9, 1000, 1, 1, 72, FLOW, 1, IP4),
		WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "counters, both forms, between flows", WORDS(V5(4), 1, 72, FLOW, 1, IP4, 2, 12, 1, 3,
		0, 4, 16, 2, 0, 3, 0,
		1, 72, FLOW, 1, IP4), WIRE_OK, 0, 0,
			{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } }, { { END } },
		{ { END } }, { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 4 },
	{ "PPP header", WORDS(V5(1), 1, 92, FLOW, 1, 1, 52, 7, 60, 0, 30, 0x00214500,
		0x001c0000, 0x00004011,
		0x0000c000, 0x0201c633, 0x64010035, 0x14e90008, 0, 0), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(60), { FLOW_src, 0xc0000201 }, { FLOW_dst, 0xc6336401 },
			{ FLOW_src_port, 53 },
			{ FLOW_dst_port, 5353 }, { FLOW_proto, 17 }, { FLOW_tos, 0 }, END } } },
				1 },
	{ "header of a link that we do not read", WORDS(V5(1), 1, 60, FLOW, 1, 1, 20, 5, 77, 0,
		4, 0x45000000),
		WIRE_OK, 0, 0, { { { IFS(3, 4), OCTETS(77), END } } }, 1 },

	/* Damage. */
	{ "sample of a stranger", WORDS(V5(2), 0x00001001, 8, 1, 2, 1, 72, FLOW, 1, IP4),
		WIRE_OK, 1, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "samples of type 0 and 5 and no length",
		WORDS(V5(3), 0, 0, 5, 0, 1, 72, FLOW, 1, IP4), WIRE_OK, 2, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "sample shorter than its header", WORDS(V5(2), 1, 28, FLOW, 1, 72, FLOW, 1, IP4),
		WIRE_OK, 0, 1,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "record longer than its sample", WORDS(V5(2), 1, 56, FLOW, 1, 1, 400, 1, 1518, 4, 400,
		1, 72, FLOW, 1, IP4),
		WIRE_OK, 0, 1, { { { IFS(3, 4), OCTETS(1518), END } },
			{ { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 2 },
	{ "more records announced than there", WORDS(V5(2), 1, 72, FLOW, 9, IP4, 1, 72, FLOW, 1,
		IP4), WIRE_OK, 0, 1,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } },
			{ { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 2 },
	{ "four billion records of nothing", WORDS(V5(1), 1, 40, FLOW, 0xffffffff, 77, 0),
		WIRE_OK, 0, 1, { { { END } } }, 0 },
	{ "switch of six octets (goflow)", WORDS(V5(1), 1, 136, FLOW, 2, 1001, 6, 100, 5, 200,
		6, RAW(64)), WIRE_OK, 0, 1,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, { FLOW_vlan, 100 }, { FLOW_cos, 5 },
			{ FLOW_out_vlan, 200 },
			END } } }, 1 },
	{ "sampled IPv4 that is cut", WORDS(V5(1), 1, 68, FLOW, 1, 3, 32, 1344, 17, 0x0a000001,
		0x0a000002, 53, 5353, 0),
		WIRE_OK, 0, 1, { { { END } } }, 0 },
	{ "header length is a lie", WORDS(V5(1), 1, 60, FLOW, 1, 1, 20, 1, 64, 4, 0xffffffff,
		0), WIRE_OK, 0, 1,
		{ { { IFS(3, 4), OCTETS(64), END } } }, 1 },
	{ "path of four billion", WORDS(V5(1), 1, 72, FLOW, 1, 1003, 32, 0, 1, 2, 3, 1, 2,
		0xffffffff, 4), WIRE_OK, 0, 1, { { { END } } }, 0 },
	{ "next hop of no family", WORDS(V5(1), 1, 96, FLOW, 2, 1002, 16, 3, 1, 24, 20, IP4),
		WIRE_OK, 0, 1,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "sample past the end", WORDS(V5(2), 1, 72, FLOW, 1, IP4, 1, 400, FLOW, 1, IP4),
		WIRE_SAMPLE_CUT, 0, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } },
			{ { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 2 },
	{ "sample of four billion octets", WORDS(V5(2), 1, 0xfffffffc, FLOW, 0),
		WIRE_SAMPLE_CUT, 0, 0,
		{ { { IFS(3, 4), END } } }, 1 },
	{ "samples that never came", WORDS(V5(3), 1, 72, FLOW, 1, IP4), WIRE_SAMPLE_CUT, 0, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "four billion samples", WORDS(V5(0xffffffff)), WIRE_SAMPLE_CUT, 0, 0, { { { END } } },
		0 },
	{ "octets after the last sample", WORDS(V5(1), 1, 72, FLOW, 1, IP4, 0), WIRE_TRAILING, 0, 0,
		{ { { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 1 },
	{ "no samples", WORDS(V5(0)), WIRE_OK, 0, 0, { { { END } } }, 0 },

	/* v4 and v2. */
	{ "v4 all extensions", WORDS(V4(2), 1, FLOW, OLD_TCP4(1518), 5, 1, 100, 5, 200, 6, 2, 1,
		0xcb007103, 24, 20,
		3, 64500, 64501, 64502, 1, 2, 2, 64510, 64511, 1, 77, 100, 4, 3, 0x61626300, 1,
			0x64000000, 5, 1, 5,
		0x68747470, 0x3a000000, 1, FLOW, 2, 1344, 17, 0x0a000001, 0x0a000002, 53, 5353,
			0, 0xb8, 0), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(1518), TCP4_SAYS, { FLOW_vlan, 100 }, { FLOW_cos, 5 },
			{ FLOW_out_vlan, 200 },
			{ FLOW_next_hop, 0xcb007103 }, { FLOW_src_mask, 24 },
				{ FLOW_dst_mask, 20 }, { FLOW_src_as, 64501 },
			{ FLOW_peer_src_as, 64502 }, { FLOW_peer_dst_as, 64510 },
				{ FLOW_dst_as, 64511 }, END } },
				{ { IFS(3, 4), OCTETS(1344), IP4_SAYS, END } } }, 2 },
	{ "v2 gateway", WORDS(V2(2), 1, FLOW, OLD_TCP4(64), 1, 3, 64500, 64501, 64502, 2, 64510,
		64511,
		1, FLOW, 3, 1280, 6, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2, 443, 33344, 0x12,
			0x20, 0), WIRE_OK, 0, 0,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, { FLOW_src_as, 64501 },
			{ FLOW_peer_src_as, 64502 },
			{ FLOW_peer_dst_as, 64510 }, { FLOW_dst_as, 64511 }, END } },
		  { { IFS(3, 4), OCTETS(1280), IP6_SAYS, END } } }, 2 },
	{ "v2 counters, generic, Ethernet, VLAN", WORDS(V2(4), 2, 1, 3, 30, 1, COUNTERS88, 2, 2,
		3, 30, 2, COUNTERS88,
		0,0,0,0,0,0,0,0,0,0,0,0,0, 2, 3, 3, 30, 7, 0,0,0,0,0,0,0, 1, FLOW, OLD_TCP4(64),
			0), WIRE_OK, 0, 0,
		{ { { END } }, { { END } }, { { END } },
			{ { IFS(3, 4), OCTETS(64), TCP4_SAYS, END } } }, 4 },
	/* RFC 3176 5: the top bit alone says "to several"; the other 31 are an ifIndex. */
	{ "v4 several, a large ifIndex", WORDS(V4(2), 1, 11, 3, 512, 5120, 2, 0x40000005,
		0x80000007, 2, 1344, 17, 0x0a000001, 0x0a000002, 53, 5353, 0, 0xb8, 0,
		1, 11, 3, 512, 5120, 2, 0x3fffffff, 0x7fffffff,
		2, 1344, 17, 0x0a000001, 0x0a000002, 53, 5353, 0, 0xb8, 0), WIRE_OK, 0, 0,
		{ { { { FLOW_packets, 1 }, { FLOW_in_if, 0x40000005 }, { FLOW_sampling_num, 512 },
			{ FLOW_sampling_den, 1 }, OCTETS(1344), IP4_SAYS, END } },
		  { { IFS(0x3fffffff, 0x7fffffff), OCTETS(1344), IP4_SAYS, END } } }, 2 },
	{ "v4 sample of unknown type", WORDS(V4(2), 3, FLOW, 1, FLOW), WIRE_SAMPLE_UNKNOWN, 0,
		0, { { { END } } }, 0 },
	{ "v4 unknown packet data", WORDS(V4(2), 1, FLOW, 9, 1, 2), WIRE_SAMPLE_UNKNOWN, 0, 0,
		{ { { IFS(3, 4), END } } }, 1 },
	{ "v4 unknown extension", WORDS(V4(2), 1, FLOW, OLD_TCP4(64), 1, 9, 1, FLOW),
		WIRE_SAMPLE_UNKNOWN, 0, 0,
		{ { { IFS(3, 4), OCTETS(64), TCP4_SAYS, END } } }, 1 },
	{ "v4 unknown counters", WORDS(V4(2), 2, 1, 3, 30, 8, 0), WIRE_SAMPLE_UNKNOWN, 0, 0,
		{ { { END } } }, 1 },
	{ "v2 cut in the header", WORDS(V2(2), 1, FLOW, 1, 1, 1518, 54, 0x00112233),
		WIRE_SAMPLE_CUT, 0, 0,
		{ { { IFS(3, 4), OCTETS(1518), { FLOW_FIELDS, 0 } } } }, 1 },
	{ "v2 cut in the sample", WORDS(V2(1), 1, 11, 3, 512), WIRE_SAMPLE_CUT, 0, 0,
		{ { { END } } }, 0 },
};

static size_t to_bytes(uint8_t *p, const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (int b = 0; b < 4; b++)
			p[4 * i + (size_t)b] = (uint8_t)(words[i] >> (24 - 8 * b));
	return n * 4;
}

static struct flow_record expected(const struct number *n)
{
	struct flow_record r = flow_record_empty;

	for (; n->field != FLOW_FIELDS; n++) {
		struct addr *a = n->field == FLOW_src ? &r.src : n->field == FLOW_dst ? &r.dst :
			n->field == FLOW_next_hop ? &r.next_hop :
				n->field == FLOW_bgp_next_hop ? &r.bgp_next_hop : NULL;

		if (a && n->value == 6)
			addr_parse(a, n->field == FLOW_src ? "2001:db8::1" : "2001:db8::2");
		else if (a)
			*a = addr_make4((uint32_t)n->value);
		else if (n->field == FLOW_src_mac)
			memcpy(r.src_mac, (const uint8_t[]){ 0x66, 0x77, 0x88, 0x99, 0xaa,
				0xbb }, 6);
		else if (n->field == FLOW_dst_mac)
			memcpy(r.dst_mac, (const uint8_t[]){ 0x00, 0x11, 0x22, 0x33, 0x44,
				0x55 }, 6);
		else
			flow_set(&r, n->field, n->value);
		r.present |= UINT64_C(1) << n->field;
	}
	return r;
}

START_TEST(reads_samples)
{
	uint8_t buf[WORDS_MAX * 4];
	struct sflow_msg m;
	struct sflow_iter it;
	struct sflow_sample s;
	struct flow_record got;
	unsigned n = 0;
	char text[2][1024];

	ck_assert_uint_le(vectors[_i].nwords, WORDS_MAX);
	ck_assert_int_eq(sflow_parse(&m, (struct bytes){ buf,
		to_bytes(buf, vectors[_i].words, vectors[_i].nwords) }),
			 WIRE_OK);
	ck_assert(m.version == vectors[_i].words[0] && m.sequence == 9 && m.uptime_ms == 1000 &&
		  m.sub_agent == (m.version == 5 ? 7 : 0));
	for (sflow_first(&it, &m); sflow_next(&it, &s, &got); n++) {
		const struct number *numbers = vectors[_i].samples[n].numbers;
		struct flow_record want = expected(numbers);
		bool counters = numbers[0].field == FLOW_FIELDS;

		ck_assert_msg(n < vectors[_i].n, "%s: a sample too many", vectors[_i].name);
		ck_assert_msg(s.counters == counters, "%s: sample %u", vectors[_i].name, n);
		if (counters)
			continue;
		ck_assert_msg(s.sequence == 11 && s.pool == 5120 && s.drops == 2 &&
			s.source_type == 0, "%s",
			      vectors[_i].name);
		flow_print(text[0], sizeof(text[0]), &want);
		flow_print(text[1], sizeof(text[1]), &got);
		ck_assert_msg(flow_equal(&want, &got), "%s, sample %u: want %s\n got %s",
			vectors[_i].name, n, text[0],
			      text[1]);
	}
	ck_assert_msg(n == vectors[_i].n, "%s: %u samples", vectors[_i].name, n);
	ck_assert_msg(it.err == vectors[_i].err, "%s: %s", vectors[_i].name, wire_err_name(it.err));
	ck_assert_msg(it.skipped == vectors[_i].skipped && it.cut == vectors[_i].cut,
		"%s: skipped %u, cut %u",
		      vectors[_i].name, it.skipped, it.cut);
	ck_assert(!sflow_next(&it, &s, &got));		/* the end is the end */
	ck_assert_int_eq(it.err, vectors[_i].err);
}
END_TEST

/*
 * Records that tell nothing a flow record has a place for (sFlow v5 5.3, its extensions on
 * sflow.org): each stands before the sampled IPv4 record, which is read.
 */
static const struct {
	const char *name;
	uint32_t tag;
	const uint32_t *words;
	size_t nwords;
} strangers[] = {
	{ "user: charset, name, charset, name", 1004, WORDS(106, 3, 0x61626300, 106, 5,
		0x68656c6c, 0x6f000000) },
	{ "user without names", 1004, WORDS(0, 0, 0, 0) },
	{ "URL: direction, URL, host", 1005, WORDS(2, 9, 0x68747470, 0x3a2f2f61, 0x2f000000, 1,
		0x61000000) },
	{ "MPLS: next hop, label stacks", 1006, WORDS(1, 0xcb007103, 2, 0x00010140, 0x00020140, 1,
		0x00030140) },
	{ "NAT: source, destination", 1007, WORDS(1, 0xcb007101, 1, 0xcb007102) },
	{ "NAT of IPv6", 1007, WORDS(2, 0x20010db8, 0, 0, 1, 2, 0x20010db8, 0, 0, 2) },
	{ "MPLS tunnel: name, ID, COS", 1008, WORDS(2, 0x74310000, 7, 5) },
	{ "MPLS VC: name, ID, label COS", 1009, WORDS(2, 0x76310000, 9, 5) },
	{ "MPLS FTN: description, mask", 1010, WORDS(2, 0x66310000, 24) },
	{ "LDP FEC: prefix length", 1011, WORDS(24) },
	{ "VLAN tunnel: stack of tags", 1012, WORDS(2, 0x81000064, 0x88a80065) },
	{ "802.11 payload", 1013, WORDS(1, 4, 0x00112233) },
	{ "802.11 rx", 1014, WORDS(0, 0, 0, 0, 0, 0, 0) },
	{ "OpenFlow v1 of a stranger", 1017, WORDS(1, 2, 3) },
	{ "NAT ports", 1020, WORDS(1234, 80) },
	{ "L2 tunnel egress", 1021, WORDS(0x00112233, 0x44550000, 0x66778899, 0xaabb0000, 0x0800) },
	{ "IPv4 tunnel egress: not the packet's addresses", 1023, WORDS(100, 17, 0x01020304,
		0x05060708, 4789, 4789, 0, 0) },
	{ "VNI egress", 1029, WORDS(4096) },
	{ "MPLS, proprietary forms of the same number", 4413u << 12 | 1, WORDS(1, 1, 0, 0xcb007103) },
	{ "a sampled IPv4 record of another enterprise", 1u << 12 | 3, WORDS(9, 9, 9, 9, 9, 9, 9,
		9) },
	{ "TCP socket of a host", 2100, WORDS(6, 0x0a000001, 0x0a000002, 1, 2) },
	{ "nothing at all", 1999, NULL, 0 },
};

START_TEST(steps_over_strangers)
{
	static const uint32_t ip4[] = { IP4 };
	static const struct number numbers[] = { IFS(3, 4), OCTETS(1344), IP4_SAYS, END };
	const uint32_t octets = (uint32_t)strangers[_i].nwords * 4;
	const uint32_t head[] = { V5(1), 1, 32 + 8 + octets + sizeof(ip4), FLOW, 2,
		strangers[_i].tag, octets };
	uint8_t buf[WORDS_MAX * 4];
	size_t n = to_bytes(buf, head, COUNT(head));
	struct flow_record want = expected(numbers), got;
	struct sflow_msg m;
	struct sflow_sample s;
	struct sflow_iter it;

	n += to_bytes(buf + n, strangers[_i].words, strangers[_i].nwords);
	n += to_bytes(buf + n, ip4, COUNT(ip4));
	ck_assert_int_eq(sflow_parse(&m, (struct bytes){ buf, n }), WIRE_OK);
	sflow_first(&it, &m);
	ck_assert(sflow_next(&it, &s, &got));
	ck_assert_msg(flow_equal(&want, &got), "%s", strangers[_i].name);
	ck_assert(!sflow_next(&it, &s, &got) && it.err == WIRE_OK && !it.cut && !it.skipped);
}
END_TEST

static void read_all(struct bytes b)
{
	struct sflow_msg m;
	struct sflow_iter it;
	struct sflow_sample s;
	struct flow_record r;
	size_t n = 0;

	if (sflow_parse(&m, b) != WIRE_OK)
		return;
	for (sflow_first(&it, &m); sflow_next(&it, &s, &r); n++)
		ck_assert(s.counters || r.packets == 1);
	/* Each sample costs octets, so that no count makes work of nothing. */
	ck_assert_uint_le((n + it.skipped) * 8, b.n);
}

START_TEST(survives_cuts_and_flips)
{
	uint8_t buf[WORDS_MAX * 4];

	touch_all((struct bytes){ buf, to_bytes(buf, vectors[_i].words, vectors[_i].nwords) },
		read_all);
}
END_TEST

/* A datagram that is cut says so, or is a shorter one. */
START_TEST(a_cut_datagram_is_no_whole_one)
{
	uint8_t buf[WORDS_MAX * 4];
	size_t n = to_bytes(buf, vectors[_i].words, vectors[_i].nwords);

	for (size_t len = 0; len < n; len++) {
		struct sflow_msg m;
		struct sflow_iter it;
		struct sflow_sample s;
		struct flow_record r;

		if (sflow_parse(&m, (struct bytes){ buf, len }) != WIRE_OK) {
			ck_assert_uint_lt(len, n);
			continue;
		}
		for (sflow_first(&it, &m); sflow_next(&it, &s, &r); )
			;
		if (vectors[_i].err == WIRE_OK && m.nsamples)
			ck_assert_msg(it.err != WIRE_OK, "%s cut at %zu", vectors[_i].name, len);
	}
}
END_TEST

static const struct {
	const char *name;
	const uint32_t *words;
	size_t nwords;
	enum wire_err err;
} headers[] = {
	{ "nothing", NULL, 0, WIRE_SHORT },
	{ "a version", WORDS(5), WIRE_SHORT },
	{ "version 0", WORDS(0, 1, 1, 1, 1, 1, 0), WIRE_VERSION },
	{ "version 3", WORDS(3, 1, 1, 1, 1, 1, 0), WIRE_VERSION },
	{ "version 6", WORDS(6, 1, 1, 1, 1, 1, 0), WIRE_VERSION },
	{ "NetFlow v5", WORDS(0x00050001, 1, 1, 1, 1, 1, 0), WIRE_VERSION },
	{ "agent unknown", WORDS(5, 0, 1, 1, 1, 0), WIRE_OK },
	{ "agent unknown, less a word", WORDS(5, 0, 1, 1, 1), WIRE_SHORT },
	{ "agent of type 3", WORDS(5, 3, 1, 1, 1, 1, 0), WIRE_VERSION },
	{ "v5", WORDS(5, 1, 1, 1, 1, 1, 0), WIRE_OK },
	{ "v5 less a word", WORDS(5, 1, 1, 1, 1, 1), WIRE_SHORT },
	{ "v5 IPv6 less a word", WORDS(5, 2, 1, 1, 1, 1, 1, 1, 1), WIRE_SHORT },
	{ "v4", WORDS(4, 1, 1, 1, 1, 0), WIRE_OK },
	{ "v4 less a word", WORDS(4, 1, 1, 1, 1), WIRE_SHORT },
	{ "v2", WORDS(2, 1, 1, 1, 1, 0), WIRE_OK },
};

START_TEST(judges_headers)
{
	uint8_t buf[WORDS_MAX * 4];
	struct sflow_msg m;
	size_t n = to_bytes(buf, headers[_i].words, headers[_i].nwords);

	ck_assert_msg(sflow_parse(&m, (struct bytes){ buf, n }) == headers[_i].err, "%s",
		headers[_i].name);
}
END_TEST

/* ---- writing -------------------------------------------------------------- */

/* What v2 and v4 have no word for is not in it. */
static struct flow_record random_record(uint64_t *s, uint32_t version)
{
	static const uint8_t protos[] = { 1, 6, 17, 58, 132, 47 };
	const bool v4 = rnd(s) & 1, big = !(rnd(s) & 7);
	const uint64_t proto = protos[rnd(s) % COUNT(protos)],
		interfaces = big ? 0x3ffffffe : 0xffffff;
	struct flow_record r = flow_record_empty;
	struct addr *const addrs[] = { &r.src, &r.dst, &r.next_hop, &r.bgp_next_hop };
	const uint64_t parts = rnd(s);

	r.present = FLOW_BIT(src) | FLOW_BIT(dst) | FLOW_BIT(src_mac) | FLOW_BIT(dst_mac);
	flow_set(&r, FLOW_ethertype, v4 ? 0x0800 : 0x86dd);
	if (!v4)
		flow_set(&r, FLOW_flow_label, rnd(s) & 0xfffff);
	for (size_t a = 0; a < COUNT(addrs); a++)
		for (int i = v4 ? 12 : 0; i < 16; i++)
			addrs[a]->b[i] = (uint8_t)rnd(s);
	for (int i = 0; i < 6; i++) {
		r.src_mac[i] = (uint8_t)rnd(s);
		r.dst_mac[i] = (uint8_t)rnd(s);
	}
	flow_set(&r, FLOW_packets, 1);
	flow_set(&r, FLOW_octets, 96 + rnd(s) % 9000);
	flow_set(&r, FLOW_in_if, rnd(s) % interfaces);
	flow_set(&r, FLOW_out_if, rnd(s) % interfaces);
	flow_set(&r, FLOW_proto, proto);
	flow_set(&r, FLOW_tos, rnd(s));
	if (proto == 6 || proto == 17 || proto == 132)
		flow_set(&r, FLOW_src_port, rnd(s));
	if (proto != 47)
		flow_set(&r, FLOW_dst_port, rnd(s));
	if (proto == 6)
		flow_set(&r, FLOW_tcp_flags, rnd(s));
	if (parts & 1) {
		flow_set(&r, FLOW_vlan, 1 + rnd(s) % 4094);
		flow_set(&r, FLOW_cos, rnd(s) & 7);
	}
	if ((parts & 3) == 3)
		flow_set(&r, FLOW_out_vlan, rnd(s) % 4095);
	if (parts & 4) {
		flow_set(&r, FLOW_src_mask, rnd(s) % 129);
		flow_set(&r, FLOW_dst_mask, rnd(s) % 129);
		if (parts & 8)
			r.present |= FLOW_BIT(next_hop);
	}
	if (parts & 16) {
		flow_set(&r, FLOW_src_as, rnd(s));
		flow_set(&r, FLOW_peer_src_as, rnd(s));
		if (parts & 32) {
			flow_set(&r, FLOW_dst_as, rnd(s));
			flow_set(&r, FLOW_peer_dst_as, parts & 64 ? r.dst_as : rnd(s));
		}
		if (parts & 128 && version == 5)
			r.present |= FLOW_BIT(bgp_next_hop);
	}
	if (!flow_has(&r, FLOW_next_hop))
		r.next_hop = addr_zero4;
	if (!flow_has(&r, FLOW_bgp_next_hop))
		r.bgp_next_hop = addr_zero4;
	return r;
}

/* What the sample does not say and the record that carries it does. */
static void complete(struct flow_record *r, uint32_t version, const struct sflow_sample *s)
{
	if (r->proto == 1 || r->proto == 58) {	/* what was put as its type is no port */
		r->present &= ~FLOW_BIT(dst_port);
		r->dst_port = 0;
	}
	/* A record that has a next hop says 0.0.0.0 when there is none. */
	if (flow_has(r, FLOW_src_mask))
		r->present |= FLOW_BIT(next_hop);
	if (flow_has(r, FLOW_src_as) && version == 5)
		r->present |= FLOW_BIT(bgp_next_hop);
	if (!s->rate)
		return;
	flow_set(r, FLOW_sampling_num, s->rate);
	flow_set(r, FLOW_sampling_den, 1);
}

enum { SAMPLES = 6 };

/* A counter sample and `n` flow samples, and what is to come back. */
static size_t put_all(uint64_t *s, uint8_t *buf, size_t size, const struct sflow_msg *m,
	struct sflow_sample in[SAMPLES + 1], struct flow_record rec[SAMPLES + 1])
{
	const uint64_t sources = m->version == 5 ? UINT32_MAX : 0xffffff;
	struct cursor c = cursor(buf, size);

	sflow_put_header(&c, m);
	in[0] = (struct sflow_sample){ .counters = true, .sequence = (uint32_t)rnd(s),
		.source_index = (uint32_t)(rnd(s) >> (rnd(s) & 8) & sources) };
	sflow_put_counters(&c, m->version, &in[0], 5);
	for (uint32_t i = 1; i < m->nsamples; i++) {
		rec[i] = random_record(s, m->version);
		in[i] = (struct sflow_sample){ .sequence = (uint32_t)rnd(s),
			.source_index = (uint32_t)(rec[i].in_if & sources),
			.rate = (uint32_t)rnd(s) & (rnd(s) & 15 ? UINT32_MAX : 0),
			.pool = (uint32_t)rnd(s), .drops = (uint32_t)rnd(s) };
		sflow_put_sample(&c, m->version, &in[i], &rec[i]);
		complete(&rec[i], m->version, &in[i]);
	}
	ck_assert(!c.full && cursor_used(&c) % 4 == 0);
	return cursor_used(&c);
}

static bool same_sample(const struct sflow_sample *a, const struct sflow_sample *b)
{
	return a->counters == b->counters && a->sequence == b->sequence &&
		a->source_type == b->source_type && a->source_index == b->source_index &&
		(a->counters || (a->rate == b->rate && a->pool == b->pool && a->drops == b->drops));
}

/* A third of the million each, in datagrams of 1 to 6, a counter sample in each. */
START_TEST(gives_back_what_was_put)
{
	const uint32_t version = (uint32_t[]){ 2, 4, 5 }[_i];
	uint64_t s = rnd_seed("sflow");
	uint8_t buf[4096];

	for (size_t done = 0; done < PROPERTY_RECORDS / 3;) {
		struct sflow_sample in[SAMPLES + 1], out;
		struct flow_record rec[SAMPLES + 1], got;
		struct sflow_msg m = { .version = version,
			.agent = rnd(&s) & 1 ? addr_make4((uint32_t)rnd(&s)) :
				addr_from16((const uint8_t[16]){ 0x20, 1, [15] = (uint8_t)rnd(&s) }),
			.sub_agent = version == 5 ? (uint32_t)rnd(&s) : 0,
			.sequence = (uint32_t)rnd(&s), .uptime_ms = (uint32_t)rnd(&s),
			.nsamples = 2 + (uint32_t)(rnd(&s) % SAMPLES) }, back;
		const size_t n = put_all(&s, buf, sizeof(buf), &m, in, rec);
		struct sflow_iter it;

		ck_assert_int_eq(sflow_parse(&back, (struct bytes){ buf, n }), WIRE_OK);
		ck_assert(back.version == version && addr_equal(&back.agent, &m.agent) &&
			back.sub_agent == m.sub_agent && back.sequence == m.sequence &&
			back.uptime_ms == m.uptime_ms && back.nsamples == m.nsamples);
		sflow_first(&it, &back);
		for (uint32_t i = 0; i < m.nsamples; i++) {
			char text[2][1024];

			if (!sflow_next(&it, &out, &got) || !same_sample(&in[i], &out))
				ck_abort_msg("v%u: sample %u is another one", version, i);
			if (in[i].counters || flow_equal(&rec[i], &got))
				continue;
			flow_print(text[0], sizeof(text[0]), &rec[i]);
			flow_print(text[1], sizeof(text[1]), &got);
			ck_abort_msg("v%u: put %s\ngot %s", version, text[0], text[1]);
		}
		ck_assert(!sflow_next(&it, &out, &got) && it.err == WIRE_OK && !it.skipped &&
			!it.cut);
		done += m.nsamples - 1;
	}
}
END_TEST

/* A packet that is shorter than the headers that describe it keeps its length and its addresses. */
START_TEST(keeps_short_packets)
{
	const struct sflow_msg m = { .version = 5, .agent = addr_make4(1), .nsamples = 1 };
	const struct sflow_sample s = { .rate = 1 };
	struct sflow_msg back;
	struct sflow_sample out;
	struct sflow_iter it;
	struct flow_record r = flow_record_empty, got;
	uint8_t buf[512];
	struct cursor c = cursor(buf, sizeof(buf));

	r.src = addr_make4(0x0a000001);
	r.dst = addr_make4(0x0a000002);
	flow_set(&r, FLOW_proto, 6);
	flow_set(&r, FLOW_dst_port, 80);
	flow_set(&r, FLOW_octets, (uint64_t)_i);
	sflow_put_header(&c, &m);
	sflow_put_sample(&c, 5, &s, &r);
	ck_assert_int_eq(sflow_parse(&back, (struct bytes){ buf, cursor_used(&c) }), WIRE_OK);
	sflow_first(&it, &back);
	ck_assert(sflow_next(&it, &out, &got));
	ck_assert(got.octets == (uint64_t)_i && addr_equal(&got.src, &r.src) &&
		addr_equal(&got.dst, &r.dst) &&
		  got.dst_port == 80);
	ck_assert(!sflow_next(&it, &out, &got) && it.err == WIRE_OK);
}
END_TEST

/* A frame of n octets: Ethernet 14, FCS 4, an 802.1Q tag 4; the rest is the IP packet. */
static const struct {
	uint16_t vlan;
	bool v6;
	uint32_t frame, ip;
} ip_lengths[] = {
	{ 0, false, 118, 100 },
	{ 7, false, 118, 96 },
	{ 0, true, 1518, 1500 },
	{ 0, false, 1518, 1500 },
};

START_TEST(counts_the_ip_packet)
{
	const struct sflow_msg m = { .version = 5, .nsamples = 1 };
	const struct sflow_sample s = { .rate = 1 };
	struct flow_record r = flow_record_empty, got;
	struct sflow_msg back;
	struct sflow_sample out;
	struct sflow_iter it;
	uint8_t buf[512];
	struct cursor c = cursor(buf, sizeof(buf));

	ck_assert(addr_parse(&r.src, ip_lengths[_i].v6 ? "2001:db8::1" : "10.0.0.1"));
	ck_assert(addr_parse(&r.dst, ip_lengths[_i].v6 ? "2001:db8::2" : "10.0.0.2"));
	flow_set(&r, FLOW_proto, 17);
	flow_set(&r, FLOW_octets, ip_lengths[_i].frame);
	if (ip_lengths[_i].vlan)
		flow_set(&r, FLOW_vlan, ip_lengths[_i].vlan);
	sflow_put_header(&c, &m);
	sflow_put_sample(&c, 5, &s, &r);
	for (int ip = 0; ip < 2; ip++) {
		ck_assert_int_eq(
			sflow_parse(&back, (struct bytes) { buf, cursor_used(&c) }), WIRE_OK);
		sflow_first(&it, &back);
		it.ip_octets = ip;
		got = flow_record_empty;
		ck_assert(sflow_next(&it, &out, &got));
		ck_assert_uint_eq(got.octets, ip ? ip_lengths[_i].ip : ip_lengths[_i].frame);
	}
}
END_TEST

START_TEST(stays_inside_its_buffer)
{
	uint64_t seed = 1;
	const uint32_t version = (uint32_t[]){ 2, 4, 5 }[_i];
	struct flow_record r = random_record(&seed, version);
	const struct sflow_msg m = { .version = version, .nsamples = 2 };
	const struct sflow_sample s = { .rate = 1 };
	uint8_t whole[2048];
	struct cursor w = cursor(whole, sizeof(whole));

	flow_set(&r, FLOW_out_vlan, 1);
	flow_set(&r, FLOW_src_as, 1);
	flow_set(&r, FLOW_dst_as, 2);
	flow_set(&r, FLOW_src_mask, 3);
	sflow_put_header(&w, &m);
	sflow_put_sample(&w, version, &s, &r);
	sflow_put_counters(&w, version, &s, 1);
	ck_assert(!w.full);
	for (size_t n = 0; n <= cursor_used(&w); n++) {
		uint8_t *buf = malloc(n ? n : 1);
		struct cursor c = cursor(buf, n);

		sflow_put_header(&c, &m);
		sflow_put_sample(&c, version, &s, &r);
		sflow_put_counters(&c, version, &s, 1);
		ck_assert(c.full == (n < cursor_used(&w)));
		free(buf);
	}
}
END_TEST

Suite *suite_sflow(void)
{
	Suite *s = suite_create("sflow");
	TCase *t = tcase_create("sflow");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, reads_samples, 0, COUNT(vectors));
	tcase_add_loop_test(t, steps_over_strangers, 0, COUNT(strangers));
	tcase_add_loop_test(t, survives_cuts_and_flips, 0, COUNT(vectors));
	tcase_add_loop_test(t, a_cut_datagram_is_no_whole_one, 0, COUNT(vectors));
	tcase_add_loop_test(t, judges_headers, 0, COUNT(headers));
	tcase_add_loop_test(t, gives_back_what_was_put, 0, 3);
	tcase_add_loop_test(t, keeps_short_packets, 0, 70);
	tcase_add_loop_test(t, counts_the_ip_packet, 0, COUNT(ip_lengths));
	tcase_add_loop_test(t, stays_inside_its_buffer, 0, 3);
	suite_add_tcase(s, t);
	return s;
}
