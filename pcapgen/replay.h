/*
 * replay.h - send the flow exports of a capture again, at their pace, a
 * multiple of it, or as fast as it goes.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "net/capture.h"
#include "pcapgen/output.h"
#include "pcapgen/pace.h"
#include "pcapgen/summary.h"
#include "pcapgen/truth.h"

/* Whose address the datagrams come from. */
enum replay_source { SOURCE_ANY, SOURCE_KEPT, SOURCE_ONE, SOURCE_MAPPED };

struct replay_job {
	const char *path;
	uint64_t speed_milli;		/* 1000: as captured; 0: max */
	uint64_t loops;
	bool reanchor;
	bool elements;			/* the truth has them */
	uint16_t port;			/* only datagrams that went to this port; 0: all */
	enum replay_source source_kind;
	struct addr source;		/* SOURCE_ONE */
	struct prefix sources;		/* SOURCE_MAPPED: the n-th exporter gets the n-th address */
	const struct output_class *class;
	struct output *output;
	struct truth_writer *truth;	/* or NULL */
	struct progress *progress;
	/* Results */
	struct tally total;		/* records and octets: only with a truth */
	struct capture_counts capture;	/* of all loops */
	uint64_t not_exports;		/* UDP that no protocol of ours recognises */
	uint64_t other_port;
	size_t exporters;		/* addresses in the capture */
	struct pace pace;
	uint64_t elapsed_ns;
	bool stopped;
};

/* 0; -1 with a line in `why`: a source that does not open, a capture that does not read to its end.
 */
int replay_run(struct replay_job *job, char why[static OUTPUT_WHY]);

#endif /* REPLAY_H */
