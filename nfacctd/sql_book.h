/*
 * sql_book.h - what the sinks that speak SQL keep about their purges: the counts,
 * the rows that the database refused, the trouble that was logged.
 */
#ifndef SQL_BOOK_H
#define SQL_BOOK_H

#include "nfacctd/sql_columns.h"

enum { SQL_WHY_BYTES = 512 };

struct sql_book {
	char who[96];			/* "intl_in/pgsql" */
	uint64_t run_id;
	struct sink_counts counts;
	struct sink_counts tally;	/* of the attempt that runs; added when it is committed */
	uint64_t told;			/* id of the purge whose refused rows were logged */
	unsigned told_now;
	char trouble[SQL_WHY_BYTES];	/* what was told last; "" when all is well */
	uint64_t trouble_us;
};

/* An attempt at a purge begins; it ends, whatever its outcome. */
void sql_book_begin(struct sql_book *b);
void sql_book_end(struct sql_book *b, const struct purge *p);
/* Count a row that does not get in, and log it with its values, once a purge. */
void sql_book_refuse(struct sql_book *b, const struct sql_columns *columns, const char *table,
		     const struct purge *p, const struct sum_row *r, const char *why);
/* The purge is in, with what `tally` says. */
void sql_book_written(struct sql_book *b, const struct purge *p, const struct sink_counts *tally);
/* One line for trouble that is new, or that lasts. */
void sql_book_trouble(struct sql_book *b, const struct purge *p, const char *doing,
		      const char *why, const char *where);
/* Trouble with a table is told in full once in a while, not at each attempt. */
bool sql_book_told_lately(const struct sql_book *b, const char *why);
/* Our line stands in the ledger although we never sent it: another number for this run. */
void sql_book_new_run(struct sql_book *b, const struct purge *p);

/* The sums of a purge, for its line in flow_ledger. */
struct sums sql_purge_sums(const struct purge *p);
/* The moment that names the table of a row, or of the purge when it has no bin. */
int64_t sql_moment(const struct purge *p, const struct sum_row *r);

#endif /* SQL_BOOK_H */
