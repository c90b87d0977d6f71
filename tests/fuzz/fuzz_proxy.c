/*
 * fuzz_proxy.c - PROXY headers that strangers send (wire/proxy.h): one that is
 * read lies in the datagram, and says the same when it is written again.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(int truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxy p, again;
	uint8_t out[PROXY_MAX];
	const size_t len = proxy_read(&p, (struct bytes){ data, n });
	size_t written;

	if (len == 0)
		return 0;
	must(len >= 16 && len <= n);
	/* v4-mapped addresses in an IPv6 header are IPv4 from there on. */
	if (!p.local && addr_is4(&p.from) != addr_is4(&p.to))
		return 0;
	written = proxy_put(out, &p);
	must(written <= len && proxy_read(&again, (struct bytes){ out, written }) == written);
	must(again.local == p.local);
	if (p.local)
		return 0;
	must(addr_equal(&p.from, &again.from) && addr_equal(&p.to, &again.to));
	must(p.from_port == again.from_port && p.to_port == again.to_port);
	return 0;
}
