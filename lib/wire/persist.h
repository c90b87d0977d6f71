/*
 * persist.h - what exporters have told, to bytes and back: a collector that
 * restarts reads the first datagram, and scales it, instead of waiting half an
 * hour for the next templates.
 *
 * Written are templates, samplers, and of streams what options said (boot time,
 * exporter address), each with the time it was last told; sequence numbers and
 * counters are not.  The format, big-endian:
 *
 *	"FLWT" 4  version 2  0 2  written, microseconds since 1970 8  octets of all 4
 *	entries: kind 1  octets of the body 2  body
 *	CRC-32 (IEEE 802.3) of all before 4
 *
 * Several of these may stand behind each other in a file, one a decoder; each
 * decoder may read all of them: of two tellings of one thing the later counts.
 * An entry of a kind that is not known is stepped over.  Any bytes are safe to
 * read: a section is checked by its CRC before anything of it is believed, and
 * then like a datagram.
 */
#ifndef PERSIST_H
#define PERSIST_H

#include "decoder.h"

/* Octets that decoder_save() needs at most, now. */
size_t decoder_save_size(const struct decoder *d);
/* Octets written; 0 when they do not fit. */
size_t decoder_save(const struct decoder *d, uint8_t *buf, size_t n, uint64_t now_us);

struct decoder_loaded {
	uint32_t streams, templates, samplers;
	uint32_t old;		/* told before now_us - max_age_us: left out */
	uint32_t refused;	/* entries that nobody could have saved */
};

/*
 * Read the section that `rest` begins with and step over it; *loaded grows.
 * NULL, or what is wrong with the file, and then nothing of this section was read.
 */
const char *decoder_load(struct decoder *d, struct bytes *rest, uint64_t now_us,
	uint64_t max_age_us, struct decoder_loaded *loaded);

#endif /* PERSIST_H */
