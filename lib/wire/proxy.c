/*
 * proxy.c - see proxy.h.
 */
#include "proxy.h"
#include "cursor.h"

enum {
	HEADER = 16,
	VERSION2 = 0x20,
	COMMAND_PROXY = 1,
	UDP4 = 0x12,
	UDP6 = 0x22,
	FAMILY4 = 1,
	FAMILY6 = 2
};

static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
	0x54, 0x0a };

size_t proxy_put(uint8_t out[static PROXY_MAX], const struct proxy *p)
{
	const bool v4 = addr_is4(&p->from);
	const size_t width = v4 ? 4 : 16, skip = 16 - width;
	const size_t len = p->local ? 0 : 2 * width + 4;

	memcpy(out, signature, sizeof(signature));
	out[12] = p->local ? VERSION2 : VERSION2 | COMMAND_PROXY;
	out[13] = p->local ? 0 : v4 ? UDP4 : UDP6;
	patch16(out + 14, len);
	if (p->local)
		return HEADER;
	memcpy(out + HEADER, p->from.b + skip, width);
	memcpy(out + HEADER + width, p->to.b + skip, width);
	patch16(out + HEADER + 2 * width, p->from_port);
	patch16(out + HEADER + 2 * width + 2, p->to_port);
	return HEADER + len;
}

size_t proxy_read(struct proxy *p, struct bytes d)
{
	const uint8_t *a = d.p + HEADER;
	size_t len;

	if (d.n < HEADER || memcmp(d.p, signature, sizeof(signature)) != 0 ||
		(d.p[12] & 0xf0) != VERSION2)
		return 0;
	len = be16(d.p + 14);
	if (len > d.n - HEADER)
		return 0;
	*p = (struct proxy){ .local = d.p[12] == VERSION2 };
	if (p->local)
		return HEADER + len;
	if (d.p[12] != (VERSION2 | COMMAND_PROXY))
		return 0;
	if (d.p[13] >> 4 == FAMILY4 && len >= 12) {
		p->from = addr_from4(a);
		p->to = addr_from4(a + 4);
		p->from_port = be16(a + 8);
		p->to_port = be16(a + 10);
	} else if (d.p[13] >> 4 == FAMILY6 && len >= 36) {
		p->from = addr_from16(a);
		p->to = addr_from16(a + 16);
		p->from_port = be16(a + 32);
		p->to_port = be16(a + 34);
	} else {
		return 0;
	}
	return HEADER + len;
}
