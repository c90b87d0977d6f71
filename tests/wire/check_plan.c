/*
 * check_plan.c - what a record of a template becomes: one row a template and
 * a record.  The rules and numbers are those of RFC 3954, 5103, 7011 and of
 * Debian's nfacctd 1.7.7 where it is right (reference "collector", 11 and 15).
 *
 * Each row runs as v9 (unless it needs IPFIX) and as IPFIX, whole and cut at
 * every octet.
 */
#include "message.h"
#include "wire/plan.h"

Suite *suite_plan(void);

enum { BOTH = 0, V9 = 9, IPFIX = 10 };

static const struct row {
	const char *name;
	int only;			/* V9, IPFIX or BOTH */
	struct field_spec f[12];	/* ends with id 0 */
	const char *hex;		/* one record */
	const char *want, *second;	/* flow_print() of it, and of the other half */
} rows[] = {
	/* Counters (cases 1 to 6). */
	{ "4 and 4 octets", BOTH, { { 0, 1, 4 }, { 0, 2, 4 } }, "000003e8 0000000a",
		"octets=1000 packets=10", 0 },
	{ "3 and 2 octets", BOTH, { { 0, 1, 3 }, { 0, 2, 2 } }, "0003e8 000a",
		"octets=1000 packets=10", 0 },
	{ "1 and 8 octets", BOTH, { { 0, 1, 1 }, { 0, 2, 8 } }, "ff 0102030405060708",
		"octets=255 packets=72623859790382856", 0 },
	{ "5, 6, 7 octets", BOTH, { { 0, 1, 5 }, { 0, 2, 6 }, { 0, 3, 7 } },
		"0100000000 010000000000 01000000000000",
		"octets=4294967296 packets=1099511627776 flows=281474976710656", 0 },
	{ "12 octets: the last 8", BOTH, { { 0, 1, 12 } }, "ffffffff 00000000000003e8",
		"octets=1000", 0 },
	{ "totals alone", BOTH, { { 0, 85, 8 }, { 0, 86, 8 } }, "00000000000003e8 000000000000000a",
		"octets=1000 packets=10", 0 },
	{ "delta before total", BOTH, { { 0, 1, 4 }, { 0, 85, 4 }, { 0, 2, 4 }, { 0, 86, 4 } },
		"000003e8 000007d0 0000000a 00000014", "octets=1000 packets=10", 0 },
	{ "total before delta", BOTH, { { 0, 85, 4 }, { 0, 1, 4 }, { 0, 86, 4 }, { 0, 2, 4 } },
		"000007d0 000003e8 00000014 0000000a", "octets=1000 packets=10", 0 },
	{ "in and out octets", BOTH,
		{ { 0, 23, 4 }, { 0, 24, 4 }, { 0, 1, 4 }, { 0, 2, 4 }, { 0, 61, 1 } },
		"000008ae 00000016 000003e8 0000000a 01", "octets=1000 packets=10 direction=1", 0 },
	{ "out octets alone", BOTH, { { 0, 23, 4 }, { 0, 24, 4 } }, "000008ae 00000016",
		"octets=2222 packets=22", 0 },
	{ "layer 2 octets alone", BOTH, { { 0, 352, 8 } }, "00000000000003e8", "octets=1000", 0 },
	{ "layer 2 octets beside", BOTH, { { 0, 352, 8 }, { 0, 23, 2 } }, "00000000000003e8 0001",
		"octets=1", 0 },
	{ "twice: the last", BOTH, { { 0, 1, 4 }, { 0, 1, 4 } }, "00000001 00000002", "octets=2",
		0 },
	{ "no octets", BOTH, { { 0, 2, 4 } }, "00000005", "packets=5", 0 },
	{ "length 0", V9, { { 0, 1, 0 }, { 0, 2, 2 }, { 0, 12, 0 } }, "0005", "packets=5", 0 },
	/* Widths of other members. */
	{ "proto in 16 octets", BOTH, { { 0, 4, 16 }, { 0, 1, 2 } },
		"06000000000000000000000000000011 0005", "octets=5 proto=17", 0 },
	{ "flags in 2", BOTH, { { 0, 6, 2 } }, "011b", "tcp_flags=27", 0 },
	{ "ifIndex in 1, 2, 8; port in 4", BOTH,
		{ { 0, 10, 1 }, { 0, 14, 2 }, { 0, 7, 4 }, { 0, 11, 1 }, { 0, 234, 8 } },
		"05 0102 00000035 50 0000000100000002",
		"in_if=5 out_if=258 src_port=53 dst_port=80 src_vrf=4294967298", 0 },
	{ "AS in 2 and 4", BOTH, { { 0, 16, 2 }, { 0, 17, 4 }, { 0, 128, 4 }, { 0, 129, 4 } },
		"fde8 00030d40 00000001 00000002",
		"src_as=65000 dst_as=200000 peer_src_as=2 peer_dst_as=1", 0 },
	/* Addresses. */
	{ "IPv4", BOTH, { { 0, 8, 4 }, { 0, 12, 4 }, { 0, 15, 4 }, { 0, 18, 4 } },
		"c0000201 c6336402 0a000001 0a000002",
		"src=192.0.2.1 dst=198.51.100.2 next_hop=10.0.0.1 bgp_next_hop=10.0.0.2", 0 },
	{ "IPv6", BOTH, { { 0, 27, 16 }, { 0, 28, 16 } },
		"20010db8000000000000000000000001 20010db8000000000000000000000002",
		"src=2001:db8::1 dst=2001:db8::2", 0 },
	{ "over-long: the first octets", BOTH, { { 0, 8, 6 }, { 0, 56, 8 } },
		"c0000201ffff 0102030405060000", "src=192.0.2.1 src_mac=01:02:03:04:05:06", 0 },
	{ "too short: absent", BOTH, { { 0, 8, 3 }, { 0, 56, 5 }, { 0, 28, 15 }, { 0, 5, 1 } },
		"c00002 0102030405 20010db80000000000000000000000 07", "tos=7", 0 },
	{ "prefixes", BOTH, { { 0, 44, 4 }, { 0, 45, 4 }, { 0, 9, 1 }, { 0, 13, 1 } },
		"c0000200 c6336400 18 10", "src=192.0.2.0 dst=198.51.100.0 src_mask=24 dst_mask=16",
		0 },
	{ "address before prefix", BOTH, { { 0, 8, 4 }, { 0, 44, 4 } }, "c0000201 c0000200",
		"src=192.0.2.1", 0 },
	{ "IPv6 prefixes", BOTH, { { 0, 170, 16 }, { 0, 169, 16 }, { 0, 29, 1 }, { 0, 30, 1 } },
		"20010db8000000000000000000000000 20010db9000000000000000000000000 20 30",
		"src=2001:db8:: dst=2001:db9:: src_mask=32 dst_mask=48", 0 },
	{ "both families, IPv4 set", BOTH,
		{ { 0, 8, 4 }, { 0, 27, 16 }, { 0, 12, 4 }, { 0, 28, 16 } },
		"c0000201 00000000000000000000000000000000 00000000 "
		"00000000000000000000000000000000",
		"src=192.0.2.1 dst=0.0.0.0", 0 },
	{ "both families, IPv6 set", BOTH,
		{ { 0, 27, 16 }, { 0, 8, 4 }, { 0, 28, 16 }, { 0, 12, 4 } },
		"20010db8000000000000000000000001 00000000 00000000000000000000000000000000 "
		"00000000",
		"src=2001:db8::1 dst=::", 0 },
	{ "both families, IE 60 decides", BOTH,
		{ { 0, 60, 1 }, { 0, 27, 16 }, { 0, 8, 4 }, { 0, 28, 16 }, { 0, 12, 4 } },
		"06 20010db8000000000000000000000001 01020304 20010db8000000000000000000000002 "
		"05060708",
		"src=2001:db8::1 dst=2001:db8::2 ip_version=6", 0 },
	{ "both families of one end, IPv4 of the other", BOTH,
		{ { 0, 27, 16 }, { 0, 8, 4 }, { 0, 12, 4 } },
		"20010db8000000000000000000000001 00000000 c6336402",
		"src=0.0.0.0 dst=198.51.100.2", 0 },
	{ "both families of one end, nothing at the other", BOTH,
		{ { 0, 27, 16 }, { 0, 8, 4 }, { 0, 12, 4 } },
		"20010db8000000000000000000000001 00000000 00000000", "src=2001:db8::1 dst=0.0.0.0",
		0 },
	{ "an IPv6 address beside an IPv4 prefix", BOTH, { { 0, 27, 16 }, { 0, 44, 4 } },
		"20010db8000000000000000000000001 c0000200", "src=2001:db8::1", 0 },
	{ "an IPv6 prefix beside an IPv4 address", BOTH, { { 0, 170, 16 }, { 0, 8, 4 } },
		"20010db8000000000000000000000000 c0000201", "src=192.0.2.1", 0 },
	{ "both families of next hop", BOTH, { { 0, 8, 4 }, { 0, 15, 4 }, { 0, 62, 16 } },
		"c0000201 00000000 20010db8000000000000000000000009",
		"src=192.0.2.1 next_hop=2001:db8::9", 0 },
	{ "next hops of both families, IPv6 record", BOTH,
		{ { 0, 27, 16 }, { 0, 15, 4 }, { 0, 62, 16 } },
		"20010db8000000000000000000000001 0a000001 20010db8000000000000000000000009",
		"src=2001:db8::1 next_hop=2001:db8::9", 0 },
	{ "an IPv6 record by an IPv4 hop", BOTH, { { 0, 27, 16 }, { 0, 15, 4 }, { 0, 62, 16 } },
		"20010db8000000000000000000000001 0a000001 00000000000000000000000000000000",
		"src=2001:db8::1 next_hop=10.0.0.1", 0 },
	{ "where the label leads, without a BGP next hop", BOTH, { { 0, 8, 4 }, { 0, 47, 4 } },
		"c0000201 c0000209", "src=192.0.2.1 bgp_next_hop=192.0.2.9", 0 },
	{ "where the label leads, beside a BGP next hop", BOTH,
		{ { 0, 8, 4 }, { 0, 18, 4 }, { 0, 47, 4 } }, "c0000201 c0000208 c0000209",
		"src=192.0.2.1 bgp_next_hop=192.0.2.8", 0 },
	{ "where the label leads, an IPv6 record", BOTH,
		{ { 0, 27, 16 }, { 0, 47, 4 }, { 0, 140, 16 } },
		"20010db8000000000000000000000001 c0000209 00000000000000000000000000000000",
		"src=2001:db8::1 bgp_next_hop=192.0.2.9", 0 },
	{ "masks of both families, IPv4 set", BOTH,
		{ { 0, 8, 4 }, { 0, 9, 1 }, { 0, 29, 1 }, { 0, 13, 1 }, { 0, 30, 1 } },
		"c0000201 18 40 10 30", "src=192.0.2.1 src_mask=24 dst_mask=16", 0 },
	{ "masks of both families, IPv6 set", BOTH,
		{ { 0, 29, 1 }, { 0, 9, 1 }, { 0, 27, 16 }, { 0, 30, 1 }, { 0, 13, 1 },
			{ 0, 28, 16 } },
		"40 18 20010db8000000000000000000000001 30 10 20010db8000000000000000000000002",
		"src=2001:db8::1 dst=2001:db8::2 src_mask=64 dst_mask=48", 0 },
	{ "masks and addresses of both families", BOTH,
		{ { 0, 8, 4 }, { 0, 9, 1 }, { 0, 27, 16 }, { 0, 29, 1 }, { 0, 12, 4 },
			{ 0, 28, 16 } },
		"c0000201 18 00000000000000000000000000000000 00 c6336402 "
		"00000000000000000000000000000000",
		"src=192.0.2.1 dst=198.51.100.2 src_mask=24", 0 },
	{ "a mask in two octets", BOTH, { { 0, 9, 2 }, { 0, 29, 2 }, { 0, 13, 2 } },
		"0018 0040 0010", "src_mask=24 dst_mask=16", 0 },
	{ "physical interfaces alone", BOTH, { { 0, 252, 4 }, { 0, 253, 4 } }, "00000007 00000009",
		"in_if=7 out_if=9", 0 },
	{ "physical interfaces beside", BOTH,
		{ { 0, 10, 2 }, { 0, 252, 4 }, { 0, 253, 4 }, { 0, 14, 2 } },
		"0001 00000007 00000009 0002", "in_if=1 out_if=2", 0 },
	{ "NAT", BOTH,
		{ { 0, 225, 4 }, { 0, 226, 4 }, { 0, 227, 2 }, { 0, 228, 2 }, { 0, 230, 1 } },
		"01020304 05060708 0001 0002 01",
		"event=1 post_src=1.2.3.4 post_dst=5.6.7.8 post_src_port=1 post_dst_port=2", 0 },
	{ "old ASA Elements", V9, { { 0, 40001, 4 }, { 0, 40003, 2 }, { 0, 40005, 1 } },
		"01020304 0005 02", "event=2 post_src=1.2.3.4 post_src_port=5", 0 },
	{ "enterprise Elements are skipped", IPFIX, { { 9, 1, 4 }, { 0, 1, 4 }, { 6876, 12, 3 } },
		"ffffffff 00000005 010203", "octets=5", 0 },
	/* Elements that speak of the exporter, in data records: nothing of a record is theirs. */
	{ "exporter addresses", BOTH, { { 0, 130, 4 }, { 0, 131, 16 }, { 0, 145, 2 }, { 0, 1, 1 } },
		"01020304 20010db8000000000000000000000001 0100 05", "octets=5", 0 },
	{ "a boot time and nothing to date", BOTH, { { 0, 160, 8 }, { 0, 1, 1 } },
		"0000018bcfe56800 05", "octets=5", 0 },
	{ "a space or a population alone", BOTH, { { 0, 306, 4 }, { 0, 310, 4 }, { 0, 1, 1 } },
		"ffffffff ffffffff 05", "octets=5", 0 },
	{ "reverse members of a one-way template", IPFIX,
		{ { 29305, 6, 1 }, { 29305, 152, 8 }, { 0, 1, 1 } }, "ff 0000018bcfe56801 05",
		"octets=5", 0 },
	/* Layer 2. */
	{ "MACs, post MACs", BOTH, { { 0, 56, 6 }, { 0, 80, 6 }, { 0, 81, 6 }, { 0, 57, 6 } },
		"000000000001 000000000002 000000000003 000000000004",
		"src_mac=00:00:00:00:00:01 dst_mac=00:00:00:00:00:02", 0 },
	{ "post MACs alone", BOTH, { { 0, 81, 6 }, { 0, 57, 6 } }, "000000000003 000000000004",
		"src_mac=00:00:00:00:00:03 dst_mac=00:00:00:00:00:04", 0 },
	{ "VLANs", BOTH, { { 0, 58, 2 }, { 0, 59, 2 }, { 0, 244, 1 }, { 0, 256, 2 } },
		"0064 00c8 05 86dd", "vlan=100 out_vlan=200 ethertype=34525 cos=5", 0 },
	{ "labels: bottom is third", BOTH,
		{ { 0, 70, 3 }, { 0, 71, 3 }, { 0, 72, 3 }, { 0, 73, 3 } },
		"000640 000c80 0012c1 ffffff", "mpls_top=100 mpls_bottom=300", 0 },
	{ "one label", BOTH, { { 0, 70, 3 }, { 0, 71, 3 } }, "000641 000000",
		"mpls_top=100 mpls_bottom=100", 0 },
	/* Times; the header says 1700000000 s at uptime 1000000 ms. */
	{ "uptimes", V9, { { 0, 22, 4 }, { 0, 21, 4 } }, "000f4240 000f4241",
		"first_us=1700000000000000 last_us=1700000000001000", 0 },
	{ "uptime before the wrap", V9, { { 0, 22, 4 }, { 0, 21, 4 } }, "ffffff00 000001f4",
		"first_us=1699998999744000 last_us=1699999000500000", 0 },
	{ "uptimes without a clock", IPFIX, { { 0, 22, 4 }, { 0, 21, 4 }, { 0, 1, 1 } },
		"000f4240 000f4241 05", "octets=5", 0 },
	{ "uptimes and IE 160", IPFIX, { { 0, 22, 4 }, { 0, 160, 8 }, { 0, 21, 4 } },
		"00000064 0000018bcfe56800 000000c8",
		"first_us=1700000000100000 last_us=1700000000200000", 0 },
	{ "seconds", BOTH, { { 0, 150, 4 }, { 0, 151, 4 } }, "6553f100 6553f101",
		"first_us=1700000000000000 last_us=1700000001000000", 0 },
	{ "milliseconds", BOTH, { { 0, 152, 8 }, { 0, 153, 8 } },
		"0000018bcfe56801 0000018bcfe56802",
		"first_us=1700000000001000 last_us=1700000000002000", 0 },
	/* 1700000000 + 2208988800 = 3908988800 = 0xe8fe6f80; a half is 0x80000000. */
	{ "NTP micro", BOTH, { { 0, 154, 8 }, { 0, 155, 8 } },
		"e8fe6f80 80000000 e8fe6f81 40000000",
		"first_us=1700000000500000 last_us=1700000001250000", 0 },
	{ "NTP nano", BOTH, { { 0, 156, 8 }, { 0, 157, 8 } }, "e8fe6f80 80000000 e8fe6f81 40000000",
		"first_us=1700000000500000 last_us=1700000001250000", 0 },
	{ "plain micro, plain nano", BOTH, { { 0, 154, 8 }, { 0, 157, 8 } },
		"00060a24181e4001 17979cfe362a07d0",
		"first_us=1700000000000001 last_us=1700000000000002", 0 },
	{ "delta micro", BOTH, { { 0, 158, 4 }, { 0, 159, 4 } }, "000f4240 000003e8",
		"first_us=1699999999000000 last_us=1699999999999000", 0 },
	{ "observation time", BOTH, { { 0, 323, 8 } }, "0000018bcfe56801",
		"first_us=1700000000001000", 0 },
	{ "absolute before uptime", BOTH, { { 0, 22, 4 }, { 0, 152, 8 } },
		"00000000 0000018bcfe56801", "first_us=1700000000001000", 0 },
	/* Variable length (case 15), short and long form, empty. */
	{ "variable lengths", IPFIX,
		{ { 0, 82, 65535 }, { 0, 1, 4 }, { 0, 83, 65535 }, { 0, 2, 4 } },
		"03616263 000003e8 ff0002 7879 0000000a", "octets=1000 packets=10", 0 },
	{ "variable, empty", IPFIX, { { 0, 82, 65535 }, { 0, 1, 4 } }, "00 000003e8", "octets=1000",
		0 },
	{ "a variable counter", IPFIX, { { 0, 1, 65535 }, { 0, 2, 65535 } }, "0203e8 ff00010a",
		"octets=1000 packets=10", 0 },
	/* Two halves (cases 7 and 8). */
	{ "biflow", IPFIX,
		{ { 0, 8, 4 }, { 0, 12, 4 }, { 0, 7, 2 }, { 0, 11, 2 }, { 0, 1, 4 }, { 0, 2, 4 },
			{ 29305, 1, 4 }, { 29305, 2, 4 }, { 0, 6, 1 }, { 29305, 6, 1 },
			{ 0, 10, 2 }, { 0, 16, 4 } },
		"c0000201 c6336402 04d2 0050 000003e8 0000000a 00001388 00000014 02 1b 0003 "
		"0000fde8",
		"src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 in_if=3 src_port=1234 "
		"dst_port=80 tcp_flags=2 src_as=65000",
		"src=198.51.100.2 dst=192.0.2.1 octets=5000 packets=20 out_if=3 src_port=80 "
		"dst_port=1234 tcp_flags=27 dst_as=65000" },
	{ "biflow without an answer", IPFIX, { { 0, 1, 4 }, { 29305, 1, 4 }, { 29305, 2, 4 } },
		"000003e8 00000000 00000000", "octets=1000", 0 },
	{ "biflow times and no reverse flags", IPFIX,
		{ { 0, 1, 1 }, { 29305, 1, 1 }, { 0, 152, 8 }, { 29305, 152, 8 }, { 0, 6, 1 } },
		"05 06 0000018bcfe56801 0000018bcfe56805 02",
		"octets=5 first_us=1700000000001000 tcp_flags=2",
		"octets=6 first_us=1700000000005000" },
	{ "reverse flags alone are no flow", IPFIX, { { 0, 1, 1 }, { 29305, 6, 1 } }, "05 06",
		"octets=5", 0 },
	/* RFC 5103 5: the keys are told once; reverse interfaces and ToS are their own. */
	{ "reverse keys are none", IPFIX,
		{ { 0, 7, 2 }, { 0, 11, 2 }, { 0, 4, 1 }, { 0, 1, 1 }, { 29305, 7, 2 },
			{ 29305, 11, 2 }, { 29305, 4, 1 }, { 29305, 1, 1 } },
		"0050 0fa0 06 05 1111 2222 11 06",
		"octets=5 src_port=80 dst_port=4000 proto=6",
		"octets=6 src_port=4000 dst_port=80 proto=6" },
	{ "a reverse interface is its own", IPFIX,
		{ { 0, 10, 1 }, { 0, 14, 1 }, { 0, 5, 1 }, { 0, 1, 1 }, { 29305, 10, 1 },
			{ 29305, 5, 1 }, { 29305, 1, 1 } },
		"01 02 03 05 09 08 06", "octets=5 in_if=1 out_if=2 tos=3",
		"octets=6 in_if=9 out_if=1 tos=8" },
	{ "reverse sampling is none", IPFIX, { { 0, 1, 1 }, { 29305, 34, 4 }, { 29305, 1, 1 } },
		"05 00000009 06", "octets=5", "octets=6" },
	{ "NSEL", BOTH,
		{ { 0, 8, 4 }, { 0, 12, 4 }, { 0, 231, 4 }, { 0, 232, 4 }, { 0, 298, 4 },
			{ 0, 299, 4 }, { 0, 233, 1 } },
		"c0000201 c6336402 000003e8 00001388 0000000a 00000014 05",
		"src=192.0.2.1 dst=198.51.100.2 octets=1000 packets=10 event=5",
		"src=198.51.100.2 dst=192.0.2.1 octets=5000 packets=20 event=5" },
	/* collector.md 11: of firewallEvent only the update (5) and the end (2) have octets. */
	{ "NSEL created", BOTH, { { 0, 233, 1 }, { 0, 231, 4 }, { 0, 232, 4 } },
		"01 000003e8 00001388", "event=1", 0 },
	{ "NSEL deleted", BOTH, { { 0, 233, 1 }, { 0, 231, 4 }, { 0, 232, 4 } },
		"02 000003e8 00001388", "octets=1000 event=2", "octets=5000 event=2" },
	{ "NSEL denied, Cisco's number", V9, { { 0, 40005, 1 }, { 0, 231, 4 } }, "03 000003e8",
		"event=3", 0 },
	{ "firewallEvent beside IE 1", BOTH, { { 0, 233, 1 }, { 0, 1, 4 } }, "01 000003e8",
		"octets=1000 event=1", 0 },
	{ "NSEL octets only", BOTH, { { 0, 231, 4 }, { 0, 232, 4 } }, "000003e8 00001388",
		"octets=1000", "octets=5000" },
	{ "NSEL beside IE 1", BOTH, { { 0, 1, 4 }, { 0, 231, 4 }, { 0, 232, 4 } },
		"00001770 000003e8 00001388", "octets=6000", 0 },
	{ "NSEL NAT", BOTH,
		{ { 0, 225, 4 }, { 0, 226, 4 }, { 0, 227, 2 }, { 0, 228, 2 }, { 0, 232, 1 },
			{ 0, 231, 1 } },
		"01020304 05060708 0001 0002 09 08",
		"octets=8 post_src=1.2.3.4 post_dst=5.6.7.8 post_src_port=1 post_dst_port=2",
		"octets=9 post_src=5.6.7.8 post_dst=1.2.3.4 post_src_port=2 post_dst_port=1" },
	/* Sampling in the record (case 22); 0 never multiplies. */
	{ "IE 34", BOTH, { { 0, 1, 1 }, { 0, 34, 4 } }, "05 00000064",
		"octets=5 sampling_num=100 sampling_den=1", 0 },
	{ "IE 34 of one octet", BOTH, { { 0, 1, 1 }, { 0, 34, 1 } }, "05 64",
		"octets=5 sampling_num=100 sampling_den=1", 0 },
	{ "IE 34 is 0", BOTH, { { 0, 1, 1 }, { 0, 34, 4 } }, "05 00000000", "octets=5", 0 },
	{ "IE 50", BOTH, { { 0, 1, 1 }, { 0, 50, 2 } }, "05 0200",
		"octets=5 sampling_num=512 sampling_den=1", 0 },
	{ "IE 305/306", BOTH, { { 0, 1, 1 }, { 0, 305, 4 }, { 0, 306, 4 } }, "05 00000001 000003e7",
		"octets=5 sampling_num=1000 sampling_den=1", 0 },
	{ "IE 305/306 as a fraction", BOTH, { { 0, 1, 1 }, { 0, 305, 2 }, { 0, 306, 2 } },
		"05 0004 0006", "octets=5 sampling_num=5 sampling_den=2", 0 },
	{ "IE 309/310", BOTH, { { 0, 1, 1 }, { 0, 309, 4 }, { 0, 310, 4 } }, "05 00000001 00000800",
		"octets=5 sampling_num=2048 sampling_den=1", 0 },
	{ "IE 309 is 0", BOTH, { { 0, 1, 1 }, { 0, 309, 4 }, { 0, 310, 4 } },
		"05 00000000 00000800", "octets=5", 0 },
	{ "IE 311, 0.01", BOTH, { { 0, 1, 1 }, { 0, 311, 8 } }, "05 3f847ae147ae147b",
		"octets=5 sampling_num=100 sampling_den=1", 0 },
	{ "IE 311, 0.3 as a 32-bit float", BOTH, { { 0, 1, 1 }, { 0, 311, 4 } }, "05 3e99999a",
		"octets=5 sampling_num=10 sampling_den=3", 0 },
	{ "IE 311 is 0", BOTH, { { 0, 1, 1 }, { 0, 311, 8 } }, "05 0000000000000000", "octets=5",
		0 },
	{ "IE 311 is NaN", BOTH, { { 0, 1, 1 }, { 0, 311, 8 } }, "05 7ff8000000000001", "octets=5",
		0 },
	{ "IE 311 above 1", BOTH, { { 0, 1, 1 }, { 0, 311, 8 } }, "05 4000000000000000", "octets=5",
		0 },
	{ "IE 34 before 311", BOTH, { { 0, 1, 1 }, { 0, 311, 4 }, { 0, 34, 1 } }, "05 3e99999a 02",
		"octets=5 sampling_num=2 sampling_den=1", 0 },
};

static size_t fields_of(const struct row *r)
{
	size_t n = 0;

	while (n < COUNT(r->f) && r->f[n].id)
		n++;
	return n;
}

static void check_row(const struct row *r, uint16_t version)
{
	struct world *w = world_new(NULL);
	struct writer m;
	char text[1024];

	if (r->only && r->only != version) {
		world_free(w);
		return;
	}
	begin(&m, version);
	put_template(&m, 256, 0, r->f, fields_of(r));
	put_set(&m, 256, r->hex);
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_msg(w->n == 1u + (r->second != NULL), "%s: %zu records", r->name, w->n);
	flow_print(text, sizeof(text), &w->rec[0]);
	ck_assert_msg(
		strcmp(text, r->want) == 0, "%s, v%u:\n%s\n%s", r->name, version, text, r->want);
	if (r->second) {
		flow_print(text, sizeof(text), &w->rec[1]);
		ck_assert_msg(strcmp(text, r->second) == 0, "%s, v%u:\n%s\n%s", r->name, version,
			text, r->second);
	}
	ck_assert_uint_eq(decoder_counts(w->d)->reversed, r->second != NULL);
	for (int e = 0; e < WIRE_ERRORS_MAX; e++)
		ck_assert_msg(decoder_counts(w->d)->damaged[e] == 0, "%s: %s", r->name,
			wire_err_text((enum wire_err)e));
	world_free(w);
}

START_TEST(decodes)
{
	check_row(&rows[_i], 9);
	check_row(&rows[_i], 10);
}
END_TEST

/* A frame of 114 octets of which 46 were sampled: VLAN 231, IPv4 of 96 octets, UDP. */
#define FRAME "182ad36e503f b402165592f4 8100 00e7 0800" \
	"4500 0060 8f00 0000 7711 e9b0 33333333 34343434 d8cd 2e01 004c da0f"

START_TEST(reads_packet_sections)
{
	static const struct field_spec f[] = { { 0, 10, 4 }, { 0, 312, 2 }, { 0, 315, 65535 } };
	static const char *const want[] = { "in_if=582",
		"src=51.51.51.51 dst=52.52.52.52 octets=96 packets=1 in_if=582 src_port=55501 "
		"dst_port=11777 proto=17 tos=0 vlan=231 ethertype=2048 cos=0 "
		"src_mac=b4:02:16:55:92:f4 dst_mac=18:2a:d3:6e:50:3f" };

	for (int on = 0; on <= 1; on++) {
		struct decoder_limits l = {
			.streams = 8, .templates = 16, .samplers = 32, .packet_sections = on
		};
		struct world *w = world_new(&l);
		struct writer m;
		char text[1024];

		begin(&m, 10);
		put_template(&m, 256, 0, f, COUNT(f));
		put_set(&m, 256, "00000246 0072 2e" FRAME);
		ck_assert_int_eq(send(w, &m), WIRE_OK);
		ck_assert_uint_eq(w->n, 1);
		flow_print(text, sizeof(text), &w->rec[0]);
		ck_assert_str_eq(text, want[on]);
		ck_assert_uint_eq(decoder_counts(w->d)->sections, 1);
		world_free(w);
	}
}
END_TEST

/* Seventy of them, over a chunk's end, are seventy. */
START_TEST(decodes_many)
{
	const struct row *r = &rows[_i];
	uint16_t version = r->only ? (uint16_t)r->only : 10;
	struct world *w = world_new(NULL);
	uint8_t data[128];
	size_t n = unhex(data, r->hex), many = 70;
	struct writer m;
	uint8_t *mark;
	char text[1024];

	if (n * many > 3500)
		many = 3500 / n;
	begin(&m, version);
	put_template(&m, 256, 0, r->f, fields_of(r));
	mark = flow_set_begin(&m.c, 256);
	for (size_t i = 0; i < many; i++)
		put_bytes(&m.c, data, n);
	patch16(mark + 2, (size_t)(m.c.at - mark));
	ck_assert_int_eq(send(w, &m), WIRE_OK);
	ck_assert_uint_eq(w->n, many * (r->second ? 2 : 1));
	for (size_t i = 0; i < w->n; i++) {
		flow_print(text, sizeof(text), &w->rec[i]);
		ck_assert_msg(strcmp(text, r->second && i % 2 ? r->second : r->want) == 0,
			"%s, record %zu: %s", r->name, i, text);
	}
	world_free(w);
}
END_TEST

/* Cut anywhere: whole records of whole Sets or nothing, never something else. */
START_TEST(survives_cuts)
{
	const struct row *r = &rows[_i];
	uint16_t version = r->only ? (uint16_t)r->only : 9;
	struct writer m;
	size_t whole;

	begin(&m, version);
	put_template(&m, 256, 0, r->f, fields_of(r));
	put_set(&m, 256, r->hex);
	flow_msg_end(&m.c, &m.m, 1);
	whole = cursor_used(&m.c);
	for (size_t n = 0; n < whole; n++) {
		struct world *w = world_new(NULL);
		const struct decode_counts *c = decoder_counts(w->d);
		enum wire_err err = feed_from(w, 1, m.buf, n);

		ck_assert_msg(
			w->n == 0, "%s: a record out of %zu of %zu octets", r->name, n, whole);
		ck_assert_uint_eq(c->accepted, err == WIRE_OK);
		ck_assert_uint_eq(c->refused[err], err != WIRE_OK);
		world_free(w);
	}
}
END_TEST

/* From 2036-02-07 on NTP seconds begin at 0 again (era 1): the export time tells which is meant. */
START_TEST(lives_in_two_ntp_eras)
{
	static const struct {
		uint64_t at_s;
		const char *hex;
		uint64_t want_us;
	} eras[] = {
		{ 2085978495, "ffffffff 80000000",
			UINT64_C(2085978495500000) }, /* the last second of era 0 */
		{ 2085978497, "00000000 80000000",
			UINT64_C(2085978496500000) }, /* the first of era 1 */
		{ 2085978497, "ffffffff 80000000", UINT64_C(2085978495500000) },
		{ 2200000000, "06cbd480 00000000", UINT64_C(2200000000000000) },
		{ 2200000000, "0007d0e36a818000",
			UINT64_C(2200000000000000) }, /* plain microseconds */
	};
	static struct template_def def = {
		.version = 10, .id = 256, .nfields = 1, .fields = { { 0, 154, 8 } }
	};
	static struct plan plan;
	struct plan_time t = { .tick_us = 1000 };
	struct flow_record r = flow_record_empty;
	uint8_t data[8];

	ck_assert_int_eq(plan_compile(&plan, &def, NULL), WIRE_OK);
	t.at_us = eras[_i].at_s * 1000000;
	ck_assert_uint_eq(unhex(data, eras[_i].hex), 8);
	plan_columns(&plan, &r, data, 1, &t, UINT64_MAX);
	ck_assert_uint_eq(r.first_us, eras[_i].want_us);
}
END_TEST

Suite *suite_plan(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");

	tcase_add_loop_test(t, decodes, 0, COUNT(rows));
	tcase_add_loop_test(t, decodes_many, 0, COUNT(rows));
	tcase_add_test(t, reads_packet_sections);
	tcase_add_loop_test(t, lives_in_two_ntp_eras, 0, 5);
	tcase_add_loop_test(t, survives_cuts, 0, COUNT(rows));
	suite_add_tcase(s, t);
	return s;
}
