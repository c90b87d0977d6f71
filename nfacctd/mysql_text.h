/*
 * mysql_text.h - SQL text in MySQL's dialect from columns and rows.  Used for
 * statements and for the file that a purge is saved in when no server answers.
 */
#ifndef MYSQL_TEXT_H
#define MYSQL_TEXT_H

#include "base/strbuf.h"
#include "nfacctd/sql_columns.h"

/* "INSERT INTO `t` (`a`,`b`) VALUES " */
void text_insert(struct strbuf *b, const struct sql_columns *s, const char *table);
/* "(?,'0',FROM_UNIXTIME(?))": constants stand in it, the rest are parameters. */
void text_parameters(struct strbuf *b, const struct sql_columns *s);
/* "('10.0.0.1','0',FROM_UNIXTIME(1700000000))" */
void text_row(struct strbuf *b, const struct sql_columns *s, const struct purge *p,
	      const struct sum_row *r);
/* " ON DUPLICATE KEY UPDATE `packets`=`packets`+VALUES(`packets`),..." */
void text_on_duplicate(struct strbuf *b, const struct sql_columns *s);
/* "UPDATE `t` SET ... WHERE every key column = its value LIMIT 1" */
void text_update_row(struct strbuf *b, const struct sql_columns *s, const char *table,
		     const struct purge *p, const struct sum_row *r);
/* "SELECT packets, bytes FROM `t` WHERE every key column = its value LIMIT 2 FOR UPDATE" */
void text_select_row(struct strbuf *b, const struct sql_columns *s, const char *table,
		     const struct purge *p, const struct sum_row *r);
/* "INSERT INTO `t` (..) SELECT .. FROM DUAL WHERE ROW_COUNT()=0": the row that the UPDATE before
 * did not find. */
void text_insert_unfound(struct strbuf *b, const struct sql_columns *s, const char *table,
			 const struct purge *p, const struct sum_row *r);

/* Set-based: rows stand in the temporary table `scratch`, equal ones are added up first. */
void text_create_scratch(struct strbuf *b, const struct sql_columns *s, const char *table,
			 const char *scratch);
void text_update_join(struct strbuf *b, const struct sql_columns *s, const char *table,
		      const char *scratch);
void text_insert_rest(struct strbuf *b, const struct sql_columns *s, const char *table,
		      const char *scratch);
void text_count_groups(struct strbuf *b, const struct sql_columns *s, const char *scratch);

/* Which part of a purge a transaction is, 0 of 1 for all of it, and the sums of its rows. */
struct ledger_part {
	unsigned number, of;
	size_t rows;
	struct sums sums;
};

/*
 * The lines of a purge in flow_ledger; when it is there already they give 1062.
 * Of a purge in parts each part has a line, with 2^31 + its number as worker and
 * the number of parts as batch; the workers' own lines stand with part 0.
 */
void text_ledger(struct strbuf *b, uint64_t run_id, const char *plugin, const struct purge *p,
		 const struct ledger_part *part);
/* In how many parts a purge was begun: no row when in one, or not at all. */
void text_ledger_parts(struct strbuf *b, uint64_t run_id, const char *plugin,
		       const struct purge *p);

/* A CREATE TABLE that takes these columns, with the primary key over the key columns. */
void text_create_table(struct strbuf *b, const struct sql_columns *s, const char *table);

#endif /* MYSQL_TEXT_H */
