/*
 * watch.h - now and then: are the receivers there?
 */
#ifndef WATCH_H
#define WATCH_H

#include "replicator/fanout.h"

/*
 * Each HEALTH_PROBE_MS.  Asked are receivers whose errors nobody would tell us
 * (the exporter's source is kept), those of balanced pools, which get other
 * receivers' exporters or lose theirs, and those with a TCP port to ask at.
 */
void watch(struct fanout *f, uint64_t now_ns);

#endif /* WATCH_H */
