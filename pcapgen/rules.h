/*
 * rules.h - the rows that a truth and a configuration ask for, said in SQL on
 * an in-memory SQLite.
 *
 * The truth is one table, `flow`; a plugin's rules (networks, sums, sampling,
 * bins) are one statement over it, which fills the table `expected`.  SQL
 * because it is a second language: what nfacctd does with packed keys and hash
 * tables is said here as SELECT ... GROUP BY, and a person can read it
 * (`pcapgen expect --sql` prints it).  C functions fill in what SQLite lacks:
 * prefixes of addresses, the calendar, sums beyond 63 bits.
 */
#ifndef RULES_H
#define RULES_H

#include <sqlite3.h>
#include "pcapgen/confread.h"
#include "pcapgen/truth.h"

/* A column of the key, in the order of the table. */
struct rules_column {
	char name[40];
	bool address;		/* text of an address: in a table with sql_num_hosts it is binary */
	bool proto;		/* ip_proto: a name, or digits where the column is too short */
	bool time;		/* DATETIME in the session's zone */
	bool filler;		/* not aggregated: the same text in every row */
	int16_t mirror;		/* the column of the other end, -1: none */
};

enum { RULES_COLUMNS = 96 };

struct rules_shape {
	struct rules_column column[RULES_COLUMNS];
	size_t n;
	bool history, flags, flows;	/* stamp_inserted, tcp_flags, flows are written */
	bool epoch, utc;
};

struct rules {
	sqlite3 *db;
	uint64_t flows;			/* lines of the truth */
	enum truth_width width;		/* which columns the truth has */
	uint64_t sflow;			/* lines of sFlow: they have no Elements */
	uint64_t bad_sampling;		/* of them: with an interval that is no whole number */
	uint64_t no_flow_count; /* of them: of NetFlow v8, whose flow counts the truth does not hold
				 */
	sqlite3_stmt *insert;
	/* of the plugin at hand, for the SQL functions */
	const struct rules_plugin *plugin;
	int64_t bin_start, bin_end;	/* the bin asked for last: times come in clusters */
	char *sql;			/* the statement that filled `expected` */
};

/*
 * Called when table placed(bin, ...) is there and before bins become text:
 * who knows how stamps look in a database fills table stamp(bin, text).
 */
typedef int rules_stamps_fn(struct rules *r, const struct rules_plugin *p, void *ctx);

/* NULL after logging why. */
struct rules *rules_open(void);
void rules_close(struct rules *r);
/* Load a truth file; 0, or -1 after logging "file:line: ...". */
int rules_load(struct rules *r, const char *path);
/* One line of it, for tests. */
int rules_load_row(struct rules *r, const struct truth_row *row);

/*
 * Fill table expected(key, stamp, bin, packets, flows, octets, flags) for
 * plugin `p` and say in `shape` what its columns are.  `key` is the columns'
 * texts with tabs between, `stamp` that of stamp_inserted; sums are decimal
 * texts.  `stamps` may be NULL: the text is then that of the process's zone.
 * 0, or -1 after logging what cannot be modelled or read; what stamps()
 * returned when it failed.
 */
int rules_expect(struct rules *r, const struct rules_conf *c, const struct rules_plugin *p,
		 struct rules_shape *shape, rules_stamps_fn *stamps, void *ctx);

/* Run one statement; -1 after logging it with SQLite's words. */
int rules_exec(struct rules *r, const char *sql);
/* Prepare one; NULL after logging. */
sqlite3_stmt *rules_prepare(struct rules *r, const char *sql);

#endif /* RULES_H */
