/*
 * balance_hash.c - by exporter address: an exporter stays with one receiver, so
 * that its templates and its records meet there.
 *
 * hash-agent is the modulo that pmacct's name promises (its code takes the
 * bit-AND of the address and the number of receivers, which leaves receivers
 * without traffic and picks some outside the pool).  hash-crc32 is the usual
 * CRC-32 (IEEE 802.3, reflected) over the address as it stands in the packet,
 * 4 or 16 bytes; pmacct hashes IPv6 another way.
 */
#include "balance.h"

/* The address as one number, IPv4: 32 bits, IPv6: 128 bits, modulo n. */
static size_t pick_agent(const struct addr *exporter, size_t n, uint64_t *turn)
{
	const size_t from = addr_is4(exporter) ? 12 : 0;
	uint64_t rest = 0;

	(void)turn;
	for (size_t i = from; i < 16; i++)
		rest = (rest << 8 | exporter->b[i]) % n;
	return (size_t)rest;
}

const struct balance balance_hash_agent = { "hash-agent", pick_agent, false, NULL, false };

static uint32_t crc32_ieee(const uint8_t *p, size_t n)
{
	/* Four bits at a time; the polynomial 0xedb88320. */
	static const uint32_t nibble[16] = {
		0x00000000,
		0x1db71064,
		0x3b6e20c8,
		0x26d930ac,
		0x76dc4190,
		0x6b6b51f4,
		0x4db26158,
		0x5005713c,
		0xedb88320,
		0xf00f9344,
		0xd6d6a3e8,
		0xcb61b38c,
		0x9b64c2b0,
		0x86d3d2d4,
		0xa00ae278,
		0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

static size_t pick_crc32(const struct addr *exporter, size_t n, uint64_t *turn)
{
	(void)turn;
	return addr_is4(exporter) ? crc32_ieee(exporter->b + 12, 4) % n
				  : crc32_ieee(exporter->b, 16) % n;
}

const struct balance balance_hash_crc32 = { "hash-crc32", pick_crc32, false, NULL, false };
