/*
 * sample.h - what a row of a plugin will look like, for --check.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "base/strbuf.h"
#include "nfacctd/settings.h"

/* One line without its end: columns and values of a record of nothing but one packet. */
void sample_row(struct strbuf *b, const struct plugin_settings *p, int64_t now);

#endif /* SAMPLE_H */
