/*
 * proxy.h - PROXY protocol version 2 (haproxy.org, "The PROXY protocol",
 * 2.2), one header before each UDP payload: who the datagram came from where
 * its source address could not be kept.
 */
#ifndef PROXY_H
#define PROXY_H

#include "addr.h"

enum { PROXY_MAX = 52 };	/* octets of a header that is written: IPv6 */

struct proxy {
	bool local;		/* no addresses: the proxy speaks for itself */
	struct addr from, to;
	uint16_t from_port, to_port;
};

/* Write a header; from and to are of one family.  Returns its length. */
size_t proxy_put(uint8_t out[static PROXY_MAX], const struct proxy *p);
/*
 * Read the header that `d` begins with; returns its length with all that
 * follows the addresses (TLVs are passed over), or 0 when there is no lawful
 * header for IPv4 or IPv6.
 */
size_t proxy_read(struct proxy *p, struct bytes d);

#endif /* PROXY_H */
