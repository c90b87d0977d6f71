/*
 * dbread.h - what is in the database: the rows of a plugin's table, summed by
 * its key columns, as text.  MySQL, MariaDB and PostgreSQL through their client
 * libraries, SQLite directly.
 */
#ifndef DBREAD_H
#define DBREAD_H

#include "pcapgen/rules.h"

struct dbread;

/* Connect as the plugin's configuration says; NULL after logging why not. */
struct dbread *dbread_open(const struct rules_plugin *p);
void dbread_close(struct dbread *d);
/* A rules_stamps_fn, with struct dbread * as ctx: how this session shows the start of each bin. */
int dbread_stamps(struct rules *r, const struct rules_plugin *p, void *ctx);
/*
 * Fill table actual(key, stamp, packets, flows, octets, flags), the columns of
 * `expected`; sums are by SUM() and BIT_OR() over GROUP BY, so that how many
 * rows the collector took for a sum does not matter.  0, or -1 after logging.
 */
int dbread_rows(struct dbread *d, struct rules *r, const struct rules_plugin *p,
	const struct rules_shape *shape);

#endif /* DBREAD_H */
