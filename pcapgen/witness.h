/*
 * witness.h - a second, slow and plain decoder: what `replay --truth` says was
 * in a captured datagram.  It shares nothing with lib/wire's decoders but byte
 * loads and struct flow_record, so that a truth taken from a capture is no echo of the
 * code under test.  Templates per (exporter, domain), no bounds to speak of:
 * it reads files, not the network.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include "net/batch.h"
#include "pcapgen/truth.h"

struct witness;

struct witness *witness_new(void);
void witness_free(struct witness *w);
/* From now on rows of NetFlow v9 and IPFIX have their Elements, too; valid during the call. */
void witness_keep_elements(struct witness *w);
/* Calls row() for each flow record (flow sample) of the datagram, `datagram` set to `number`. */
void witness_read(struct witness *w, const struct datagram *d, uint64_t number,
		  void (*row)(void *ctx, const struct truth_row *row), void *ctx);

#endif /* WITNESS_H */
