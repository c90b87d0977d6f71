/*
 * labels.h - texts as numbers, for aggregation keys: the same text is the same
 * number for the life of the process, whatever is reloaded.  Only maps make
 * labels, so their number is bounded by what users write and by the joins their
 * jumps can make; beyond LABELS_MAX a new one is refused.
 */
#ifndef LABELS_H
#define LABELS_H

#include <stddef.h>
#include <stdint.h>

enum { LABEL_TEXT_MAX = 63, LABELS_MAX = 1 << 20 };

/* 0 for "", for one that is too long and when there are too many. Any thread. */
uint32_t label_of(const char *text, size_t n);
/* "" for 0. The text lives for ever. */
const char *label_text(uint32_t label);
/* "a,b"; `a` where that would be too long. */
uint32_t label_join(uint32_t a, uint32_t b);

#endif /* LABELS_H */
