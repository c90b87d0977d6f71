/*
 * report.h - a comparison for people, for a CI server (JUnit) and for programs
 * (JSON).  The same input gives the same bytes.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>
#include "pcapgen/compare.h"

/* One plugin that was compared. */
struct report_plugin {
	const struct rules_plugin *plugin;
	struct rules_shape shape;
	struct comparison result;
	char **bin;		/* stamps of all bins, expected or found, in order */
	size_t nbins;
};

enum { REPORT_ROWS = 50 };	/* wrong rows that a person is shown, over all plugins */

/* Wrong rows, a line each, then how many more there are. */
void report_text(FILE *to, const struct report_plugin *p, size_t n);
/* A test suite a plugin, a test case a bin. */
void report_junit(FILE *to, const struct report_plugin *p, size_t n);
void report_json(
	FILE *to, const struct report_plugin *p, size_t n, uint64_t flows, const char *verdict);
/* Collect the bins of tables expected and actual; 0, or -1 after logging. */
int report_bins(struct report_plugin *p, struct rules *r);
void report_plugin_clear(struct report_plugin *p);

#endif /* REPORT_H */
