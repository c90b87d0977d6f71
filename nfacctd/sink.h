/*
 * sink.h - where the sums of a plugin go.  A sink is one file and one row of
 * sinks.def.
 *
 * A purge hands over rows; the sink takes all of them or none.  What it cannot
 * deliver now stays with the caller, which tries the same purge again, in
 * order, before newer ones: nothing is lost while memory lasts, nothing is
 * written twice.  For that a purge has an identity (`id`, growing, one of each
 * plugin) and the position each worker's input had reached; a transactional
 * sink commits these with the rows (table flow_ledger), so that a commit whose
 * answer was lost on the wire can be recognised.
 *
 * A sink is used by its plugin's flush thread only.
 */
#ifndef SINK_H
#define SINK_H

#include "nfacctd/primitive.h"
#include "nfacctd/settings.h"

struct sums {
	uint64_t packets, octets, flows;
	uint32_t tcp_flags;
};

/* One row; `key` is packed by the plugin's layout and lives as long as the purge. */
struct sum_row {
	int64_t bin; /* start of the time bin, seconds since 1970 UTC; 0 without history */
	struct sums sums;
	const uint8_t *key;
};

/* Up to which batch of which worker the rows account. */
struct purge_mark {
	uint32_t worker;
	uint64_t batch;
};

struct purge {
	uint64_t id;		/* 1, 2, ... of this plugin in this run */
	int64_t now;		/* seconds since 1970 UTC: stamp_updated */
	int64_t deadline; /* the refresh deadline that this purge belongs to, for file names */
	int64_t slot;		/* current bin start, for file names; 0 without history */
	const struct sum_row *rows;
	size_t nrows;
	const struct purge_mark *marks;
	size_t nmarks;
	bool last;		/* the daemon is stopping */
	bool early;		/* before its deadline, for memory: the next one goes on with it */
	/* Of a purge that comes back from a file: whose it is, and that the ledger may know it. */
	uint64_t run;		/* 0: this run's */
	bool replayed;
};

/* What became of a purge; rows given = written + rejected. */
struct sink_counts {
	uint64_t purges, rows;
	uint64_t inserted, updated;	/* as far as the sink can tell */
	uint64_t rejected; /* rows the database refuses for good: logged each, never silent */
	uint64_t rejected_octets, rejected_packets;
	uint64_t statements, retries, reconnects, ambiguous;
	uint64_t write_ns;
	/* sink_guard.c: taken and not yet written, in files; and what went to the second server. */
	uint64_t spooled, spooled_rows, spooled_octets, spooled_packets;
	uint64_t elsewhere, elsewhere_octets;
};

enum sink_result {
	SINK_OK,	/* delivered, or safe in a file; rejected rows are counted */
	SINK_RETRY	/* not now: keep the purge */
};

/* What the last SINK_RETRY was about. */
enum sink_trouble {
	SINK_DOWN,	/* certainly not in; no server, or one that cannot take it */
	SINK_BUSY,	/* certainly not in; somebody holds a lock */
	SINK_DOUBT	/* it may be in: nobody else must write it */
};

struct sink {
	const char *type;	/* as in `plugins: mysql[x]` */
	/*
	 * Connect or open, and compare what is there with what will be written
	 * (columns, widths, keys).  NULL after logging why not.  `run_id` is
	 * unique for this run of this daemon, for the ledger.
	 */
	void *(*open)(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id);
	/* --check: as open, but reports everything it finds; returns the number of problems. */
	unsigned (*check)(const struct plugin_settings *p, const struct key_layout *l);
	enum sink_result (*write)(void *sink, const struct purge *p);
	/*
	 * Last resort at exit, for a purge that could not be written: save it
	 * where it can be replayed from; 0, or -1 when the rows are lost.
	 */
	int (*salvage)(void *sink, const struct purge *p);
	const struct sink_counts *(*counts)(void *sink);
	/* NULL for sinks that nothing of this holds for. */
	enum sink_trouble (*trouble)(void *sink);
	/* True when a purge that is written twice counts once, also after a restart: flow_ledger. */
	bool (*remembers)(void *sink);
	/* From time to time, when there is no purge. */
	void (*tend)(void *sink);
	/*
	 * A statement beside the purges, in a transaction of its own; NULL: no SQL
	 * here.  0; -1 with the server's words in `why`.
	 */
	int (*execute)(void *sink, const char *sql, size_t n, char why[static 256]);
	/* True while it goes to a second server, as the purges do; NULL: there is none. */
	bool (*at_second)(void *sink);
	void (*close)(void *sink);
};

/* By type; NULL for an unknown one. */
const struct sink *sink_find(const char *type);
/* `sink`, or what stands in front of it when the settings ask for a spool or a second server. */
const struct sink *sink_guarded(const struct sink *sink, const struct plugin_settings *p);
/* "mysql, print, sqlite3", for messages. */
const char *sink_types(void);

#endif /* SINK_H */
