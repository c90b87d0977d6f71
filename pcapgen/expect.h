/*
 * expect.h - what expect and verify share: options, and the table `expected` as
 * text.
 */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdio.h>
#include "pcapgen/rules.h"

/* The header line: the key's columns, stamp_inserted, tcp_flags, packets, flows, bytes; those that
 * are written. */
void expect_header(FILE *to, const struct rules_shape *shape);
/* All rows of `expected`, sorted by key and bin; how many, or -1 after logging. */
long expect_rows(FILE *to, struct rules *r, const struct rules_shape *shape);

#endif /* EXPECT_H */
