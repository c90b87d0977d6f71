/*
 * fuzz_filter.c - aggregate_filter: records with anything in them against
 * expressions of each kind, and the tag filters.  What libpcap makes of an
 * expression is its own business: here it reads frames that our records make.
 */
#include <stdlib.h>
#include <string.h>
#include "net/filter.h"
#include "nfacctd/tagmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const expressions[] = { "ip", "ip6", "not ip and not ip6", "tcp", "udp port 53",
	"icmp or icmp6", "vlan 5 and ip", "src net 10.0.0.0/8", "dst net 2001:db8::/32",
	"ether src 02:00:00:00:00:01", "tcp[13] & 2 != 0", "ip[1] & 0xfc = 184", "len > 100",
	"src portrange 1024-65535", "proto 47", "ip[40:4] = 1", "mpls 100 and ip",
	"vlan and mpls and mpls and tcp", "not mpls" };

enum { EXPRESSIONS = sizeof(expressions) / sizeof(expressions[0]) };

static bool holds(size_t i, const struct flow_record *r)
{
	static struct filter *compiled[EXPRESSIONS];
	char why[256];

	if (!compiled[i] && !(compiled[i] = filter_new(expressions[i], why)))
		abort();
	return filter_match(compiled[i], r, false) || filter_match(compiled[i], r, true);
}

static void try_lists(const char *list)
{
	const char *expected;
	struct tag_filter *t = tag_filter_new(list, &expected);

	if (t) {
		/* A tag passes or does not, every time. */
		for (uint64_t tag = 0; tag < 40; tag++)
			if (tag_filter_passes(t, tag) != tag_filter_passes(t, tag))
				abort();
	} else if (!expected || !*expected) {
		abort();
	}
	tag_filter_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct flow_record r = flow_record_empty;
	char list[64] = "";

	memcpy(list, data, n < sizeof(list) - 1 ? n : sizeof(list) - 1);
	try_lists(list);
	memcpy(&r, data, n < sizeof(r) ? n : sizeof(r));
	for (size_t i = 0; i < EXPRESSIONS; i++)
		holds(i, &r);
	/* One that is both families is none of ours, and neither is one. */
	if (flow_has(&r, FLOW_src) && flow_has(&r, FLOW_dst) && !flow_has(&r, FLOW_vlan) &&
		holds(0, &r) == holds(1, &r))
		abort();
	return 0;
}
