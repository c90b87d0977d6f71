/*
 * pgsql_text.h - SQL text in PostgreSQL's dialect from columns and rows.
 *
 * Rows go as arrays, one a column that varies, as text: $1 .. $n of the
 * statements here.  `s.name` is then a row's value, of the column's own type.
 */
#ifndef PGSQL_TEXT_H
#define PGSQL_TEXT_H

#include "base/strbuf.h"
#include "nfacctd/pgsql_table.h"

/* The array of each column that varies, in the order of the parameters; their number. */
size_t pg_arrays(struct strbuf *array, const struct sql_columns *s, const struct purge *p,
		 const struct sum_row *const *rows, size_t n);

/* INSERT .. ON CONFLICT DO UPDATE; gives the number of new rows and of all. */
void pg_text_upsert(struct strbuf *b, const struct pg_table *t);
/* UPDATE of the rows that are there; gives their number and that of keys in the arrays. */
void pg_text_update_from(struct strbuf *b, const struct pg_table *t);
/* INSERT of those that are not. */
void pg_text_insert_rest(struct strbuf *b, const struct pg_table *t);

/*
 * One row, its values in the text: right whatever keys the table has, and adds
 * to one row when it is there twice.  "INSERT 0 1" when it was new.
 */
void pg_text_row(struct strbuf *b, const struct pg_table *t, const struct purge *p,
		 const struct sum_row *r);
/* The lines of a purge in flow_ledger; when it is there already they give 23505. */
void pg_text_ledger(struct strbuf *b, uint64_t run_id, const char *plugin, const struct purge *p);

/* What to declare a column as. */
const char *pg_type_of(const struct sql_column *c);
/* A CREATE TABLE that takes these columns, with the primary key over the key columns. */
void pg_text_create_table(struct strbuf *b, const struct sql_columns *s, const char *table);

#endif /* PGSQL_TEXT_H */
