/*
 * tags.h - pmacct's pre_tag_map, as far as it tags whole datagrams: the first
 * line that fits gives the tag, which pools then filter by (tag=) or balance by
 * (hash-tag).
 *
 *	set_tag=10 ip=192.0.2.0/24
 *	set_tag=20 ip=198.51.100.7 engine_id=3
 *
 * Keys about records (in, out, src_net, ...) would have datagrams cut into
 * pieces; they are refused here, and `networks`, `interfaces` and `filter` of
 * the receivers map do it.
 */
#ifndef REPLICATOR_TAGS_H
#define REPLICATOR_TAGS_H

#include <stddef.h>
#include <stdint.h>
#include "replicator/files.h"
#include "wire/addr.h"
#include "wire/decoder.h"

struct tags;

/* Read `path`; NULL after saying what is wrong, which adds to *errors. */
struct tags *tags_read(struct files *files, const char *path, unsigned *errors);
/* The same from memory, for tests and fuzzing. */
struct tags *tags_read_text(const char *origin, const char *text, size_t n, unsigned *errors);
void tags_free(struct tags *t);
/* The tag of a datagram from `from`; 0 when no line fits. */
uint64_t tags_find(struct tags *t, const struct addr *from, const struct peek *peek);

#endif /* REPLICATOR_TAGS_H */
