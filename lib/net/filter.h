/*
 * filter.h - aggregate_filter: a libpcap expression about flow records.  Each
 * record is written as the packet it stands for (Ethernet, VLAN, IP, transport
 * headers) and the compiled expression is run on that.  VLAN tag and MPLS labels,
 * top and bottom, are in front of IP only for an expression that asks for vlan, for
 * mpls: to all others a tagged packet is the IP packet it is.  A sampled frame
 * (sFlow) has its tag as it was seen.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include "wire/flow.h"

struct filter;

/* NULL with libpcap's reason in `why` (at least 256 bytes). */
struct filter *filter_new(const char *expression, char *why);
void filter_free(struct filter *f);
bool filter_match(const struct filter *f, const struct flow_record *r, bool sampled);

#endif /* FILTER_H */
