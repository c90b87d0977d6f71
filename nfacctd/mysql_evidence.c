/*
 * mysql_evidence.c - see mysql_evidence.h.
 */
#include "nfacctd/mysql_evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include "nfacctd/mysql_text.h"

/* The row's counters and how many rows have its key: 0, 1, 2 for more. */
static unsigned read_row(struct mysql_link *k, const struct mysql_table *t, const struct purge *p,
			 const struct sum_row *r, unsigned *n, uint64_t *packets, uint64_t *octets)
{
	struct strbuf b = { NULL, 0, 0 };
	MYSQL_RES *res;
	MYSQL_ROW row;

	text_select_row(&b, &t->columns, t->table.name, p, r);
	res = link_select(k, "%s", b.s);
	strbuf_clear(&b);
	if (!res)
		return k->err;
	*n = (unsigned)mysql_num_rows(res);
	*packets = *octets = 0;
	row = mysql_fetch_row(res);
	if (row && row[0] && row[1]) {
		*packets = strtoull(row[0], NULL, 10);
		*octets = strtoull(row[1], NULL, 10);
	}
	mysql_free_result(res);
	return 0;
}

unsigned evidence_take(struct mysql_evidence *e, struct mysql_link *k, const struct mysql_table *t,
		       const struct purge *p, const struct sum_row *r)
{
	unsigned n;

	e->have = false;
	if (r->sums.octets == 0)	/* writing it changes nothing */
		return 0;
	if (read_row(k, t, p, r, &n, &e->packets, &e->octets) != 0)
		return k->err;
	snprintf(e->table, sizeof(e->table), "%s", t->table.name);
	e->row = (size_t)(r - p->rows);
	e->have = n == 1;		/* refused, or there twice: no witness */
	return 0;
}

unsigned evidence_judge(const struct mysql_evidence *e, struct mysql_link *k,
	const struct mysql_table *t, const struct purge *p, enum evidence_verdict *verdict)
{
	const struct sum_row *r = &p->rows[e->row];
	uint64_t packets, octets;
	unsigned n;

	*verdict = EVIDENCE_NONE;
	if (read_row(k, t, p, r, &n, &packets, &octets) != 0)
		return k->err;
	if (n == 1 && packets == e->packets && octets == e->octets)
		*verdict = EVIDENCE_ARRIVED;
	else if (n <= 1 && packets == e->packets - r->sums.packets &&
		octets == e->octets - r->sums.octets)
		*verdict = EVIDENCE_NOT_ARRIVED;
	return 0;
}
