/*
 * rules_filter.h - aggregate_filter and filter= of maps, as an SQL function: a
 * libpcap expression on the packet that a flow stands for.
 */
#ifndef RULES_FILTER_H
#define RULES_FILTER_H

#include "pcapgen/rules.h"

/* Register passes(expression, src, dst, proto, sport, dport, tos, flags, octets); 0, or -1. */
int rules_filter_register(struct rules *r);
/* NULL, or libpcap's reason in `why` (at least 256 bytes). */
const char *rules_filter_wrong(const char *expression, char *why);
/* "passes('...', f.src, ...)": over the table flow, `expression` quoted. */
void rules_filter_sql(struct strbuf *b, const char *expression);

#endif /* RULES_FILTER_H */
