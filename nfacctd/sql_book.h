/*
 * sql_book.h - what the sinks that speak SQL keep: about their purges the counts,
 * the rows that the database refused, the trouble that was logged; about the
 * database the tables that were looked at.
 */
#ifndef SQL_BOOK_H
#define SQL_BOOK_H

#include "nfacctd/name_template.h"
#include "nfacctd/sql_columns.h"

enum { SQL_WHY_BYTES = 512, SQL_SCHEMA_BYTES = 65536 };

/* Of an attempt at a purge, or at a part of it. */
struct sql_tally {
	struct sink_counts counts;	/* added to the books when it is committed */
	unsigned told;			/* refused rows that were logged */
};

struct sql_book {
	char who[96];			/* "intl_in/pgsql" */
	uint64_t run_id;
	struct sink_counts counts;
	uint64_t told;			/* id of the purge whose refused rows were logged */
	char trouble[SQL_WHY_BYTES];	/* what was told last; "" when all is well */
	uint64_t trouble_us;
};

/* The counts of two parts of a purge. */
void sql_tally_add(struct sql_tally *to, const struct sql_tally *from);
/* Count a row that does not get in, and log it with its values, once a purge. */
void sql_book_refuse(const struct sql_book *b, struct sql_tally *t,
		     const struct sql_columns *columns, const char *table, const struct purge *p,
		     const struct sum_row *r, const char *why);
/* Rows whose table must not be made; and those that have no name for one, of `table`. */
void sql_book_refuse_group(const struct sql_book *b, struct sql_tally *t,
			   const struct sql_columns *columns, const struct name_group *g,
			   const struct purge *p);
void sql_book_refuse_unnamed(const struct sql_book *b, struct sql_tally *t,
			     const struct sql_columns *columns, const char *table,
			     const struct plugin_settings *settings, const struct key_layout *l,
			     const struct purge *p);
/* An attempt at a purge has ended, whatever its outcome. */
void sql_book_end(struct sql_book *b, const struct purge *p, const struct sql_tally *t);
/* The purge is in, with what the tally says. */
void sql_book_written(struct sql_book *b, const struct purge *p, const struct sql_tally *t);
/* One line for trouble that is new, or that lasts. */
void sql_book_trouble(struct sql_book *b, const struct purge *p, const char *doing,
		      const char *why, const char *where);
/* Trouble with a table is told in full once in a while, not at each attempt: was it? */
bool sql_book_told_lately(const struct sql_book *b);
/* Our line stands in the ledger although we never sent it: another number for this run. */
void sql_book_new_run(struct sql_book *b, const struct purge *p);

/* The sums of a purge, for its line in flow_ledger. */
struct sums sql_purge_sums(const struct purge *p);
/* The moment that names the table of a row, or of the purge when it has no bin. */
int64_t sql_moment(const struct purge *p, const struct sum_row *r);

/*
 * The rows of a purge by table, each table's in the order of their keys.  Rows
 * leave a hash table in no order.  In that of their keys, which is nearly that
 * of the default tables' primary keys, they go from page to page of the table,
 * and two writers of the same rows do not lock them crosswise.  False, after
 * saying so, when memory is gone.
 */
bool sql_book_sort(const struct sql_book *b, struct name_groups *g, const char *table,
		   const struct plugin_settings *settings, const struct key_layout *l,
		   const struct purge *p);

/* The statement of sql_table_schema for one table; false with the reason in `why`. */
bool sql_schema_text(char made[static SQL_SCHEMA_BYTES], const struct plugin_settings *settings,
		     const struct key_layout *l, int64_t when, const uint8_t *key,
		     char why[static SQL_WHY_BYTES]);

/* A table that was looked at: a sink's own struct begins with this. */
struct sql_table {
	char name[SQL_TABLE_NAME_MAX + 1];
	uint64_t used;		/* when last, for eviction */
};

/* Those that were looked at lately; the least used one goes. */
enum { SQL_TABLES_MAX = 256 };
struct sql_tables {
	struct sql_table *table[SQL_TABLES_MAX];
	size_t n;
	uint64_t clock;
	void (*forget)(struct sql_table *t);	/* of the sink: frees it */
};

/* NULL: not looked at, or forgotten. */
struct sql_table *sql_tables_find(struct sql_tables *s, const char *name);
/* It is the cache's from now on. */
void sql_tables_add(struct sql_tables *s, struct sql_table *t);
void sql_tables_clear(struct sql_tables *s);

#endif /* SQL_BOOK_H */
