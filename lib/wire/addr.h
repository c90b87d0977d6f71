/*
 * addr.h - one address type for IPv4 and IPv6.
 *
 * Sixteen bytes in network order; an IPv4 address stands in its v4-mapped form
 * ::ffff:a.b.c.d (RFC 4291 2.5.5.2).  Comparing, hashing, masking and copying
 * then need no branch on the family, and a v4-mapped sender seen on a
 * dual-stack socket is the IPv4 exporter that it is.  What this costs: an
 * exporter that reports a flow of the IPv6 address ::ffff:1.2.3.4 has it
 * booked as 1.2.3.4.
 *
 * A zero of each family exists: 0.0.0.0 (addr_zero4) and :: (addr_zero6).  An
 * address that nobody set is 0.0.0.0, which is what the SQL filler prints.
 */
#ifndef ADDR_H
#define ADDR_H

#include <stdbool.h>
#include <string.h>
#include "wire.h"

struct addr {
	uint8_t b[16];
};

/* `len` counts bits of the 16-byte form: an IPv4 /24 is 120.  See prefix_bits(). */
struct prefix {
	struct addr addr;
	uint8_t len;
};

enum { ADDR_TEXT = 46, PREFIX_TEXT = 50 };	/* buffer sizes, with the final NUL */

extern const struct addr addr_zero4;	/* 0.0.0.0 */
extern const struct addr addr_zero6;	/* :: */

static inline bool addr_is4(const struct addr *a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* From four or sixteen bytes of a packet. */
static inline struct addr addr_from4(const uint8_t p[static 4])
{
	struct addr a = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, p[0], p[1], p[2], p[3] } };

	return a;
}

static inline struct addr addr_from16(const uint8_t p[static 16])
{
	struct addr a;

	memcpy(a.b, p, 16);
	return a;
}

/* From and to an IPv4 address in host order; addr_host4 of an IPv6 address is its last 32 bits. */
static inline struct addr addr_make4(uint32_t host)
{
	const uint8_t p[4] = { (uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
		(uint8_t)host };

	return addr_from4(p);
}

static inline uint32_t addr_host4(const struct addr *a)
{
	return be32(a->b + 12);
}

/* 0.0.0.0 or ::, no matter the family. */
bool addr_is_zero(const struct addr *a);
/* The zero of the family of `a`. */
const struct addr *addr_zero_like(const struct addr *a);
/* memcmp order: all of IPv6 that sorts below ::ffff:0:0, IPv4, the rest of IPv6. */
int addr_compare(const struct addr *a, const struct addr *b);

/* "192.0.2.1" or "2001:db8::1"; false when `text` is anything else. */
bool addr_parse(struct addr *a, const char *text);
/* RFC 5952 text into `buf`, which is returned. */
char *addr_print(const struct addr *a, char buf[static ADDR_TEXT]);

/* Keep the first `len` bits (of the 16-byte form) and clear the rest. */
struct addr addr_mask(const struct addr *a, unsigned len);
/* Mask with a length as people say it: 24 of an IPv4 address, 64 of an IPv6 one. */
struct addr addr_mask_family(const struct addr *a, unsigned bits);

/*
 * "192.0.2.0/24", "2001:db8::/32", or a bare address as a host prefix.  Host
 * bits are cleared; *host_bits, when not NULL, says whether there were any.
 */
bool prefix_parse(struct prefix *p, const char *text, bool *host_bits);
/* A prefix of IPv6 (::/0, say) contains no IPv4 address. */
bool prefix_contains(const struct prefix *p, const struct addr *a);
/* The length as people say it: 24, 64. */
unsigned prefix_bits(const struct prefix *p);
char *prefix_print(const struct prefix *p, char buf[static PREFIX_TEXT]);

#endif /* ADDR_H */
