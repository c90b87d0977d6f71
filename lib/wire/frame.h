/*
 * frame.h - link, network and transport headers, both ways: read the header of
 * a sampled packet, build the header of a sent one.
 *
 * Reads Ethernet (802.1Q, 802.1ad, MPLS, PPPoE), IPv4, IPv6 with extension
 * headers and fragments, TCP, UDP, SCTP, ICMP.  A header that was cut by the
 * sampler gives what is there and is no error.
 *
 * The outermost IP header counts, unless frame_tunnel() is asked to look into
 * what GRE, IP-in-IP, VXLAN, Geneve or GTP-U carries; a pseudowire's inside is
 * never looked at.  Of several VLAN tags the first gives `vlan`;
 * `ethertype` is the one behind them.  ICMP has no ports here,
 * as for sfacctd: type and code stay where they are.  Ports of later fragments are absent.
 */
#ifndef FRAME_H
#define FRAME_H

#include "cursor.h"
#include "flow.h"

/* How the bytes start. */
enum frame_start { FRAME_ETHERNET, FRAME_IPV4, FRAME_IPV6, FRAME_IP, FRAME_PPP, FRAME_MPLS,
	FRAME_LINUX_SLL, FRAME_LINUX_SLL2, FRAME_NULL };

/*
 * Set in `r` what the header says: MACs, VLAN, ethertype, MPLS, addresses,
 * ports, proto, tos, tcp_flags.  *ip_len, when not NULL, is the length that
 * the IP header states (0 when there is none).  False when no IP header was
 * found.
 */
bool frame_parse(struct flow_record *r, struct bytes frame, enum frame_start start,
	uint32_t *ip_len);

/*
 * For a record that frame_parse() has filled from the same frame: put the addresses, ports,
 * proto, tos, flags and flow label of the packet inside in their place, through `depth` tunnels
 * at most.  False, and nothing is changed, when there is no tunnel, or its inside was cut before
 * its addresses end.  What is below IP, MACs, VLAN, labels, stays that of the outside.
 */
bool frame_tunnel(
	struct flow_record *r, struct bytes frame, enum frame_start start, unsigned depth);

/* What the first tunnel of a frame carries. */
struct frame_inside {
	bool found;		/* the rest holds: there is one, whole up to its addresses */
	bool has_vni;
	uint32_t vni;		/* VXLAN's network */
	struct flow_record r;	/* MACs (of an Ethernet inside), addresses, ports, proto, tos */
};

void frame_inside(struct frame_inside *in, struct bytes frame, enum frame_start start);

/*
 * For captures: the UDP payload of a frame that holds an unfragmented UDP
 * datagram, with its addresses and ports in `r`; false otherwise, also when
 * the frame ends before the datagram does.
 */
bool frame_udp(struct flow_record *r, struct bytes frame, enum frame_start start,
	struct bytes *payload);

/*
 * Write Ethernet (with a VLAN tag when `r` has one) + IP + transport headers
 * for `r`, for a frame of `frame_len` octets without FCS; writes at most what
 * the headers take.  The IP length is what is left of frame_len, though never
 * less than the headers nor more than 65535 (IPv6: 65575).  Checksums hold for
 * a payload of zeros of any length.
 */
void frame_put(struct cursor *c, const struct flow_record *r, uint32_t frame_len);

/*
 * The Internet checksum (RFC 1071): add pieces, of which only the last may
 * have an odd length, to a sum that starts at 0, and close it.
 */
uint64_t checksum_add(uint64_t sum, const uint8_t *p, size_t n);
uint16_t checksum_end(uint64_t sum);

#endif /* FRAME_H */
