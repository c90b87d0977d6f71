/*
 * craft.h - run a scenario: exporters in turn by their weights, on the
 * schedule, into an output; the truth of what was taken.
 */
#ifndef CRAFT_H
#define CRAFT_H

#include "pcapgen/output.h"
#include "pcapgen/pace.h"
#include "pcapgen/summary.h"
#include "pcapgen/scenario.h"
#include "pcapgen/truth.h"

struct craft_job {
	const struct scenario *scenario;
	const struct output_class *class;
	struct output *output;
	struct endpoint source;		/* has_source: all exporters send from its address */
	bool has_source;
	bool paced;			/* in real time, craft_run(); craft_file() not */
	unsigned workers;		/* craft_file() */
	struct truth_writer *truth;	/* or NULL */
	struct progress *progress;
	/* Results */
	struct tally total, *each;	/* `each`: one an exporter, the caller's */
	struct pace pace;
	uint64_t elapsed_ns; /* from the start to the end of the last unit's share of time */
	bool stopped;			/* by a signal, before its end */
};

/* 0; -1 with a line in `why` when an exporter's source does not open: then nothing was sent. */
int craft_run(struct craft_job *job, char why[static OUTPUT_WHY]);

/*
 * The same into a file, at once: an output with record and append.  The file's octets and the
 * truth's are the same whatever the number of workers.  It ends early, with `stopped` false, when
 * the file takes no more; the truth has what the file has, and output's close says why.
 */
int craft_file(struct craft_job *job, char why[static OUTPUT_WHY]);

#endif /* CRAFT_H */
