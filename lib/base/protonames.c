/*
 * protonames.c - see protonames.h.  The list is that of pmacct 1.7.7: what has
 * no name there must have none here, or a row's key would differ.
 */
#include "protonames.h"

#include <stddef.h>
#include <strings.h>

static const char *const names[256] = {
	[1] = "icmp", [2] = "igmp", [3] = "ggp", [4] = "ipencap", [6] = "tcp", [8] = "egp",
	[9] = "igp", [17] = "udp", [18] = "mux", [41] = "ipv6", [43] = "ipv6-route",
	[44] = "ipv6-frag", [46] = "rsvp", [47] = "gre", [50] = "esp", [51] = "ah",
	[55] = "mobile", [56] = "tlsp", [58] = "ipv6-icmp", [59] = "ipv6-nonxt",
	[60] = "ipv6-opts", [80] = "iso-ip", [83] = "vines", [88] = "eigrp", [89] = "ospf",
	[91] = "larp", [93] = "ax.25", [94] = "ipip", [98] = "encap", [102] = "pnni",
	[103] = "pim", [108] = "IPcomp", [111] = "ipx-in-ip", [112] = "vrrp", [115] = "l2tp",
	[124] = "isis", [132] = "sctp", [133] = "fc",
};

const char *proto_name(uint8_t proto)
{
	return names[proto];
}

static int digits(const char *text)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
		if (n > UINT8_MAX)
			return -1;
	}
	return n;
}

int proto_number(const char *text)
{
	for (int i = 0; i <= UINT8_MAX; i++)
		if (names[i] && strcasecmp(names[i], text) == 0)
			return i;
	return digits(text);
}
