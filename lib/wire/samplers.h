/*
 * samplers.h - sampling intervals that exporters announce in options data.
 *
 * What an announcement is for decides where it is kept: a sampler or selector
 * by its ID, the domain (the last one announced), a template, or the whole
 * exporter (scope System).  A record then takes, first match: what it says
 * itself; the sampler it names; sampler 0 of its domain; the last one of its
 * domain; sampler 0 of the exporter; its template's.  An announcement without an
 * ID is that of sampler 0, as in pmacct.  Where several could be meant the last one counts, too,
 * and the answer says so.  An interval of 0 is "unknown" and is not kept:
 * it never multiplies.
 *
 * The same bounded table keeps the drop counters of sFlow data sources.
 */
#ifndef SAMPLERS_H
#define SAMPLERS_H

#include "decoder.h"
#include "store.h"

struct samplers {
	struct store store;
	bool any_scope;		/* every announcement is for the whole exporter */
};

/* Who speaks: the key of a stream. */
struct stream_key {
	struct addr exporter;
	uint32_t domain;
	uint8_t protocol, zero[3];
};

/* One options data record: one in num/den. */
struct sampler_news {
	bool has_id, has_template, system;
	bool part;		/* of an interface or a line card, which no record is matched with */
	uint64_t id, template_id;
	uint32_t num, den;
	uint64_t now_us;
};

/* A row as persist.c writes it down. */
struct sampler_saved {
	struct stream_key who;
	uint64_t id, told_us;
	uint32_t num, den;	/* num 0: nothing to write */
	uint8_t kind;
};

struct sampling {
	uint32_t num, den;
	enum sampling_source
		source; /* SAMPLING_NONE, SAMPLING_UNKNOWN_SAMPLER: num and den are 0 */
	bool several;	/* others with other intervals were announced that may be meant */
};

size_t samplers_size(uint32_t cap);
/* When full, an exporter with `share` rows makes place for its own next one. */
void samplers_init(
	struct samplers *s, void *mem, uint32_t cap, uint32_t share, uint64_t seed, bool any_scope);
void samplers_learn(
	struct samplers *s, const struct stream_key *who, const struct sampler_news *news);
/* For a record that names sampler `id`. */
struct sampling samplers_by_id(struct samplers *s, const struct stream_key *who, uint64_t id);
/* For a record that names none. */
struct sampling samplers_default(
	struct samplers *s, const struct stream_key *who, uint16_t template_id);
/*
 * One by one, the one unused for longest first: NULL starts and ends.  And back: false when it
 * is none that samplers_next() gave; one that was told later than this is left alone.
 */
const void *samplers_next(const struct samplers *s, const void *at, struct sampler_saved *out);
bool samplers_restore(struct samplers *s, const struct sampler_saved *in);
/* sFlow: how far the drop counter of data source `source` moved since it was last seen. */
uint32_t samplers_drops(
	struct samplers *s, const struct stream_key *who, uint64_t source, uint32_t drops);

#endif /* SAMPLERS_H */
