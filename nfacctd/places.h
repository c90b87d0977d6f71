/*
 * places.h - what --check says of paths that keys name: whether the file can be
 * made there, whether the program can be run.
 *
 * Only what is missing is an error: --check may be another user's than the
 * daemon's, with other rights.
 */
#ifndef PLACES_H
#define PLACES_H

#include "nfacctd/settings.h"

/* One line for each; returns how many. */
unsigned places_check(const struct settings *s);

#endif /* PLACES_H */
