/*
 * mysql_sink.h - the mysql sink's inside, shared by its files: sink_mysql.c
 * (purges), mysql_parts.c (a part of a purge as a transaction), mysql_writer.c (a
 * connection and its tables), mysql_write.c (rows into one table),
 * mysql_salvage.c (a purge into a file).  Nobody else includes it.
 */
#ifndef MYSQL_SINK_H
#define MYSQL_SINK_H

#include <limits.h>
#include <pthread.h>
#include "base/strbuf.h"
#include "nfacctd/mysql_evidence.h"
#include "nfacctd/mysql_link.h"
#include "nfacctd/mysql_table.h"
#include "nfacctd/sink.h"

enum {
	MYSQL_BATCH_ROWS = 4096,	/* between two savepoints, and in an array */
	MYSQL_BLOCK_ROWS = 512,		/* in a statement, where the server takes no arrays; */
	MYSQL_BLOCK_LEAST = 8,		/* for fewer, text is as fast */
	MYSQL_CONNECTIONS_MAX = 8	/* as sql_connections is bounded */
};

struct sink_mysql;

/* A connection and what belongs to it.  A thread uses one, with nobody else. */
struct mysql_writer {
	struct sink_mysql *s;	/* while several write, only read */
	struct mysql_link link;
	bool was_connected;
	struct sql_tables tables;	/* struct mysql_table */
	char *rows;		/* MYSQL_BATCH_ROWS of them, as parameters */
	struct strbuf text;
	struct sql_tally tally;	/* of the attempt that runs */
	/* what it is about, for its thread */
	struct mysql_part *part;
	const struct name_groups *groups;
	const struct purge *purge;
	pthread_t thread;
};

enum mysql_step { MYSQL_AT_START, MYSQL_AT_ROWS, MYSQL_AT_COMMIT, MYSQL_ALREADY_THERE };

/*
 * A part of a purge: one transaction with a line of its own in the ledger.
 * Number n of m has the rows from n/m to (n+1)/m of each table, in the order of
 * their keys, so that a purge falls into the same parts whenever it is tried.
 */
struct mysql_part {
	unsigned number, of;
	bool done;		/* committed */
	bool in_doubt;		/* its COMMIT had no answer */
	struct sql_tally tally, doubt_tally;	/* of the last attempt, of the one in doubt */
	/* how far the last attempt came, why it ended, over which connection */
	enum mysql_step step;
	unsigned err;
	struct mysql_writer *writer;
};

struct sink_mysql {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct sql_book book;
	char table[SQL_TABLE_NAME_MAX + 1];	/* template or name */
	struct sql_columns columns;
	/* one row as parameters, as the library of the server wants it */
	struct link_param params[SQL_COLUMNS_MAX];
	size_t nparams, row_size;
	struct mysql_writer writer[MYSQL_CONNECTIONS_MAX];	/* the first does all but rows */
	bool ledger, looked_for_ledger;
	uint64_t alone_us;		/* when it was said that there is one connection only */
	/* The purge that is being written, whatever became of its parts so far. */
	uint64_t run, id;		/* 0: none */
	unsigned nparts;		/* 0: not yet known */
	struct mysql_part part[MYSQL_CONNECTIONS_MAX];
	bool beside;			/* parts are written side by side */
	struct mysql_evidence evidence;	/* for a COMMIT in doubt, where there is no ledger */
	enum sink_trouble last_trouble;
	uint32_t tables_made;		/* by sql_table_schema, for names with variables of rows */
};

/* ---- mysql_writer.c: every call returns the error number, and leaves it in w->link ---- */

void mysql_writer_init(struct mysql_writer *w, struct sink_mysql *s);
unsigned mysql_writer_connect(struct mysql_writer *w);
void mysql_writer_disconnect(struct mysql_writer *w);
void mysql_writer_clear(struct mysql_writer *w);

/* A table that was looked at, or NULL. */
struct mysql_table *mysql_table_known(struct mysql_writer *w, const char *name);
/* A table as it is on the server; NULL when rows cannot get in. */
struct mysql_table *mysql_table_get(struct mysql_writer *w, const char *name,
				    struct mysql_report *rep);
unsigned mysql_table_exists(struct mysql_writer *w, const char *name, bool *exists);
/* The CREATE TABLE of sql_table_schema for one table name. */
unsigned mysql_create_table(struct mysql_writer *w, const char *table, int64_t when,
			    const uint8_t *key);
/*
 * Look at every table, and make it when sql_table_schema says how: before the
 * transaction, as a CREATE TABLE would end it.
 */
unsigned mysql_ready_tables(struct mysql_writer *w, struct name_groups *g, const struct purge *p);
/* What one writer found out about the tables, for another; false when it has forgotten. */
bool mysql_share_tables(struct mysql_writer *to, struct mysql_writer *from,
			const struct name_groups *g);

/* ---- mysql_write.c ---- */

/* The layout of a row as parameters; once, after the columns are known. */
void mysql_lay_out_rows(struct sink_mysql *s);
/* Rows into one table, inside the open transaction; refused ones are counted in the tally. */
unsigned mysql_write_table(struct mysql_writer *w, struct mysql_table *t, const struct purge *p,
			   const struct sum_row *const *rows, size_t n);

/* ---- mysql_parts.c ---- */

/* The purge's parts, once; the ledger is asked about one that an earlier run may have begun. */
unsigned mysql_divide(struct sink_mysql *s, const struct name_groups *g, const struct purge *p);
/* Play the parts that are not done, side by side where that is possible. */
void mysql_play(struct sink_mysql *s, const struct name_groups *g, const struct purge *p);
/* The rows of a group that are in a part. */
size_t mysql_part_rows(const struct mysql_part *part, const struct name_group *g,
		       const struct sum_row *const **first);
/* Its line in the ledger. */
void mysql_part_ledger(struct strbuf *b, const struct sink_mysql *s, const struct mysql_part *part,
		       const struct name_groups *g, const struct purge *p);

/* ---- mysql_salvage.c ---- */

int mysql_salvage(void *sink, const struct purge *p);

#endif /* MYSQL_SINK_H */
