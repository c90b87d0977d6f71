/*
 * fuzz_holdback.c - as fuzz_decoder.c, with data kept for its template and its
 * interval, in a ring of two Sets an exporter.
 */
#define FUZZ_LIMITS .holdback_octets = 8192, .hold_us = 3000000, .hold_unscaled = true
#include "fuzz_decoder.c"
