/*
 * imt.h - what the client pmacct(1) asks of an in-memory table, on the wire.
 *
 * Over a UNIX stream socket: the client sends a request, lines of "key value"
 * ended by an empty one; the daemon answers "OK <bytes>\n" and that many bytes
 * of text as they are to be printed, or "ERROR <text>\n", and closes.  Which
 * words mean what is in imt.c, one row each, for both ends.
 */
#ifndef IMT_H
#define IMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"

#define IMT_PATH_DEFAULT "/tmp/collect.pipe"

enum { IMT_REQUEST_MAX = 1 << 20, IMT_TUPLES_MAX = 65536 };

enum imt_ask { IMT_STATS, IMT_COUNT, IMT_MATCH, IMT_ERASE, IMT_AGE, IMT_STATUS, IMT_CLASSES,
	IMT_CUSTOMS };
enum imt_counter { IMT_BYTES, IMT_PACKETS, IMT_FLOWS, IMT_ALL };
/* In the order of nfacctd's enum print_format. */
enum imt_output { IMT_FORMATTED, IMT_CSV, IMT_JSON, IMT_EVENT_FORMATTED, IMT_EVENT_CSV };

struct imt_request {
	enum imt_ask ask;
	enum imt_counter counter;	/* of IMT_COUNT */
	enum imt_output output;
	enum imt_counter top;		/* sort by it when `sorted` */
	uint64_t top_rows;		/* 0: all */
	bool sorted, sum, reset, num_protos, epoch, utc, all;
	char separator;			/* of CSV */
	char *columns;			/* "src_host,dst_port"; NULL: none */
	char **tuple;			/* "10.0.0.1,80", as many as were asked */
	size_t ntuples;
};

void imt_request_init(struct imt_request *q);
void imt_request_clear(struct imt_request *q);
/* Another tuple to look for; -1 when there are too many. */
int imt_request_add(struct imt_request *q, const char *tuple, size_t n);
/* "formatted", "csv" ..: false for an unknown word. */
bool imt_output_parse(enum imt_output *out, const char *word);
bool imt_counter_parse(enum imt_counter *out, const char *word);

void imt_request_write(struct strbuf *b, const struct imt_request *q);
/*
 * From the bytes that came, any bytes.  False with *why naming what is wrong;
 * clear `q` in either case.
 */
bool imt_request_read(struct imt_request *q, const char *text, size_t n, const char **why);

#endif /* IMT_H */
