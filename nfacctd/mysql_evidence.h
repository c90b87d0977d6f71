/*
 * mysql_evidence.h - did a purge arrive whose COMMIT had no answer?  The ledger
 * knows; where there is none, one row of the purge is a witness: what it held
 * inside the transaction, just before COMMIT, is what it holds if that arrived.
 * A second writer of that very row makes the question undecidable.
 */
#ifndef MYSQL_EVIDENCE_H
#define MYSQL_EVIDENCE_H

#include "nfacctd/mysql_table.h"

struct mysql_evidence {
	bool have;
	char table[SQL_TABLE_NAME_MAX + 1];
	size_t row;		/* in the purge */
	uint64_t packets, octets;	/* of the witness, with the purge */
};

enum evidence_verdict { EVIDENCE_ARRIVED, EVIDENCE_NOT_ARRIVED, EVIDENCE_NONE };

/* Inside the transaction, after its rows; 0 or the error number. */
unsigned evidence_take(struct mysql_evidence *e, struct mysql_link *k, const struct mysql_table *t,
		       const struct purge *p, const struct sum_row *r);
/*
 * Over a new connection.  Waits, as any writer would, while the server is still
 * busy with the lost transaction.  0 with *verdict, or the error number.
 */
unsigned evidence_judge(const struct mysql_evidence *e, struct mysql_link *k,
	const struct mysql_table *t, const struct purge *p, enum evidence_verdict *verdict);

#endif /* MYSQL_EVIDENCE_H */
