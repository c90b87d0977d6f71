/*
 * metrics.h - struct stats as Prometheus sees them: text over HTTP.
 *
 * The owner publishes what it counted, once an interval; a thread of the HTTP
 * library answers GET /metrics with what was published last.  So no counter is
 * ever read by a thread that does not own it, and a scrape costs the data path
 * nothing.
 *
 *	m = metrics_start(&(struct metrics_options){ "127.0.0.1:9995", "replicator", rows, nrows },
 *&why);
 *	...			each second, and at the end
 *	metrics_publish(m, &stats);
 *	...
 *	metrics_stop(m);
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>
#include "base/stats.h"
#include "base/strbuf.h"
#include "net/socket.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

/*
 * How rows of struct stats are called outside.  `row` is the name in front of
 * the labels; with a label behind it, as "received{protocol", the row stands
 * for the names with that label first.  The first that fits wins; a row that
 * fits none is a counter under its own name.
 */
struct metric_name {
	const char *row;
	const char *metric;	/* without prefix and without _total */
	enum metric_type type;
	const char *help;
};

struct metrics_options {
	const char
		*address; /* "127.0.0.1:9995", "[::1]:9995", ":9995" or "9995" for all addresses */
	const char *prefix;	/* program: "replicator" */
	const struct metric_name *names;
	size_t nnames;
};

enum {
	METRICS_CONNECTIONS = 16
}; /* at a time; more are refused, so that a stranger cannot take our memory */

struct metrics;

/* Listen and answer; NULL with *why set to what is wrong with the address or the port. */
/* Where `address` listens: 0, or -1 with *why. */
int metrics_address(struct endpoint *at, const char *address, const char **why);
struct metrics *metrics_start(const struct metrics_options *o, const char **why);
/* NULL does nothing. */
void metrics_stop(struct metrics *m);
/* What is told from now on; NULL does nothing. */
void metrics_publish(struct metrics *m, const struct stats *s);
/* The port that it listens on: for port 0, which takes any. */
uint16_t metrics_port(const struct metrics *m);

/* The text alone: format 0.0.4, one block a metric, counters ending in _total. */
void metrics_text(struct strbuf *to, const struct stats *s, const char *prefix,
		  const struct metric_name *names, size_t nnames);

#endif /* METRICS_H */
