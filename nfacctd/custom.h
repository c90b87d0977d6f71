/*
 * custom.h - primitives of a user's own (aggregate_primitives): any Information
 * Element, also a vendor's, as part of the key.
 *
 *	name=app_id field_type=9:12235 len=4 semantics=u_int
 *
 * The lines become rows behind those of primitives.def, one set a process: the
 * file is read once, at start, as the reference reads it.  Where their octets
 * stand in a record lib/wire says (wire/extras.h); this file also knows which
 * Elements the rare primitives of ours are made of.
 */
#ifndef CUSTOM_H
#define CUSTOM_H

#include "nfacctd/primitive.h"
#include "wire/extras.h"

/* Octets of a value that has no length of its own (len=vlen): as text, and as octets. */
enum { CUSTOM_TEXT_MAX = 127, CUSTOM_RAW_MAX = 85 };

/* Replace what was loaded.  Lines that cannot be used are logged and skipped: how many. */
size_t customs_parse(const char *origin, const char *text, size_t n);
/* -1 after logging when the file cannot be read. */
int customs_load(const char *key, const char *path, size_t *skipped);
void customs_clear(void);
size_t customs_loaded(void);
/* Its number in primitives[], whatever the case; -1: none has that name. */
int custom_find(const char *name);

/* Octets of its Element, as the file says; 0: vlen. */
unsigned custom_length(int primitive);

/* Add what the primitives of a key need to `want`; false when that would be too many. */
bool extras_collect(struct extras_want *want, const struct aggregate_spec *a);
/*
 * Which Elements a primitive is made of, by their numbers in `want`: how many.  MPLS labels are
 * ten, top first; a route distinguisher is that of the VRF on the way in, out, and itself; of
 * others the first that a record has counts.
 */
enum { ELEMENTS_MAX = 10 };
size_t extras_of(
	const struct extras_want *want, int primitive, uint16_t element[static ELEMENTS_MAX]);

/*
 * A value as it stands in a key.  An Element of another length than the file says is read all the
 * same: numbers whole, addresses by their own length; texts and octets are cut to their place.
 */
void custom_fill(uint8_t *key, size_t width, enum prim_format format, const struct bytes *value);
/*
 * A route distinguisher, eight octets; the ID of a VRF (IE 234 or 235; 0: none) stands for it
 * where there is one, as in 1.7.7.  `rd` may be NULL.
 */
void custom_fill_rd(uint8_t key[static 8], uint64_t vrf, const struct bytes *rd);
size_t custom_print_rd(char *buf, const uint8_t key[static 8]);
/* What is in the key when there is no value: zeros, of the family that the file names. */
void custom_absent(uint8_t *key, const struct primitive *p, size_t width);

#endif /* CUSTOM_H */
