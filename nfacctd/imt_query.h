/*
 * imt_query.h - a question of pmacct(1) answered from the rows of a table.
 * Knows neither sockets nor threads.
 */
#ifndef IMT_QUERY_H
#define IMT_QUERY_H

#include "base/imt.h"
#include "nfacctd/sink.h"

struct imt_query {
	const struct imt_request *request;
	const struct plugin_settings *p;
	const struct key_layout *l;
	const struct sum_row *rows;
	size_t nrows;
	bool *chosen;	/* out, of each row: it is part of the answer; all false before */
};

/* The answer's text into `out`; false with `why` when the question makes no sense here. */
bool imt_query_answer(const struct imt_query *q, struct strbuf *out, char *why, size_t why_size);

#endif /* IMT_QUERY_H */
