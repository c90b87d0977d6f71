/*
 * templates.h - read template records, keep them compiled.
 *
 * The key is (exporter, protocol, observation domain, template ID); the UDP
 * port is not part of it.  A new definition replaces the old one at once.
 *
 * The store is bounded (store.h); a row takes about 4.4 kB whatever the
 * template is, so 16384 of them are 72.9 MB at worst, and none of it is touched
 * before it is used.
 *
 * Over UDP a withdrawal is not lawful (RFC 7011 8.4); it is applied all the
 * same: data that no longer has a template is counted, data read by a layout
 * that is gone would be billed.  Withdrawing all templates of a domain is a
 * step of its epoch and no walk.
 */
#ifndef TEMPLATES_H
#define TEMPLATES_H

#include "plan.h"
#include "store.h"

struct template_key {
	struct addr exporter;
	uint32_t domain;
	uint16_t id;
	uint8_t protocol, zero;
};

/* Enterprises of one template; one with more is used, but not kept over a restart. */
enum { TEMPLATE_PENS_MAX = 16 };

struct template {
	struct store_link link;
	struct template_key key;
	uint64_t hash;			/* of the definition */
	uint64_t learnt_us, seen_us;
	uint32_t epoch;
	uint16_t nscope;
	bool whole;			/* the definition can be told: see template_field() */
	uint8_t npens;
	struct plan plan;
	/* The definition, but for its lengths, which the plan has. */
	uint32_t pens[TEMPLATE_PENS_MAX];
	uint16_t ids[TEMPLATE_FIELDS_MAX];
	uint8_t pen_of[TEMPLATE_FIELDS_MAX];
};

struct templates {
	struct store store;
	const struct extras_want *extras;	/* what plans note beside members; NULL: nothing */
};

/* Template ID of "all templates" and "all options templates" in a withdrawal (RFC 7011 8.1). */
enum { WITHDRAW_ALL = 2, WITHDRAW_ALL_OPTIONS = 3, TEMPLATE_ID_MIN = 256 };

/*
 * Read the next template record of a Set and step `rest` over it.  WIRE_OK;
 * WIRE_WITHDRAWAL (no fields, def->id tells which); WIRE_TEMPLATE_ID and
 * WIRE_TEMPLATE_CUT end the Set (rest becomes empty); after
 * WIRE_TEMPLATE_FIELDS, WIRE_TEMPLATE_SCOPE and WIRE_TEMPLATE_EMPTY the next one
 * can be read.
 */
enum wire_err template_read(
	struct template_def *def, struct bytes *rest, uint16_t version, bool options);
/* Whether what is left of a template Set is padding. */
bool template_padding(struct bytes rest);

size_t templates_size(uint32_t cap);
/* When full, an exporter with `share` templates makes place for its own next one. */
void templates_init(struct templates *t, void *mem, uint32_t cap, uint32_t share, uint64_t seed);
/* NULL when it is not known.  One of another epoch than its domain's was withdrawn. */
struct template *templates_find(struct templates *t, const struct template_key *key);
/*
 * Compile and keep.  WIRE_OK, *changed true when it replaces another
 * definition; else the reason, and no template of this key is left.
 */
enum wire_err templates_learn(struct templates *t, const struct template_key *key, uint32_t epoch,
			      const struct template_def *def, uint64_t now_us, bool *changed);
/* Field `i` as it was defined. */
struct field_spec template_field(const struct template *t, size_t i);
void templates_forget(struct templates *t, const struct template_key *key);

#endif /* TEMPLATES_H */
