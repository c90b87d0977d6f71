/*
 * rules_sql.h - what SQLite is taught for the rules: addresses, bins, unsigned
 * sums.
 */
#ifndef RULES_SQL_H
#define RULES_SQL_H

#include "pcapgen/rules.h"

/*
 * Register:
 *	addr_text(a)            text of a 16-byte address
 *	addr_cut(a, len)        its first `len` bits, of the 16-byte form
 *	addr_bits(a, bits)      the same as people count: 24 of an IPv4 address
 *	addr_zero(a)            0.0.0.0 or ::, as its family has it
 *	bin_start(s), bin_end(s), bin_text(s)
 *	second_text(s)          a time as the table shows it
 *	proto_text(n)           tcp, udp, ...; digits where there is no name
 *	muldiv(a, b, c), mulmod(a, b, c)    a * b / c and the rest, in 128 bits
 *	added(a, b)             of two decimal texts
 *	total(n, factor)        aggregate: sum of n * factor, unsigned, a decimal text
 *	bits(n)                 aggregate: OR
 * 0, or -1.
 */
int rules_sql_register(struct rules *r);

#endif /* RULES_SQL_H */
