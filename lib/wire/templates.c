/*
 * templates.c - template records (RFC 3954 5.2, 6.1; RFC 7011 3.4) and the
 * store.  A dialect is a row.
 */
#include "templates.h"

/* How v9 and IPFIX say the same thing. */
struct dialect {
	bool enterprise;	/* bit 15 of the Element number: a PEN follows */
	bool scope_in_bytes;	/* options: lengths of the two field lists instead of counts */
};

static const struct dialect netflow9 = { .enterprise = false, .scope_in_bytes = true };
static const struct dialect ipfix = { .enterprise = true, .scope_in_bytes = false };

/* ---- reading ------------------------------------------------------------------- */

bool template_padding(struct bytes rest)
{
	return rest.n < 4 || bytes_all_zero(rest);
}

static void step(struct bytes *b, size_t n)
{
	b->p += n;
	b->n -= n;
}

static enum wire_err stop(struct bytes *rest, enum wire_err err)
{
	step(rest, rest->n);
	return err;
}

/* Field specifiers; those beyond the bound are stepped over. */
static enum wire_err read_fields(
	struct template_def *def, struct bytes *rest, const struct dialect *d, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct field_spec f = { 0, 0, 0 };

		if (rest->n < 4)
			return stop(rest, WIRE_TEMPLATE_CUT);
		f.id = be16(rest->p);
		f.len = be16(rest->p + 2);
		step(rest, 4);
		if (d->enterprise && f.id & 0x8000) {
			if (rest->n < 4)
				return stop(rest, WIRE_TEMPLATE_CUT);
			f.id &= 0x7fff;
			f.pen = be32(rest->p);
			step(rest, 4);
		}
		if (i < TEMPLATE_FIELDS_MAX)
			def->fields[i] = f;
	}
	if (count > TEMPLATE_FIELDS_MAX)
		return WIRE_TEMPLATE_FIELDS;
	def->nfields = (uint16_t)count;
	return WIRE_OK;
}

static enum wire_err read_options9(
	struct template_def *def, struct bytes *rest, const struct dialect *d)
{
	size_t scopes, options;
	enum wire_err err;

	if (rest->n < 6)
		return stop(rest, WIRE_TEMPLATE_CUT);
	scopes = be16(rest->p + 2);
	options = be16(rest->p + 4);
	step(rest, 6);
	if (scopes % 4 || options % 4)
		return stop(rest, WIRE_TEMPLATE_SCOPE);
	if (scopes + options == 0)
		return WIRE_TEMPLATE_EMPTY;
	err = read_fields(def, rest, d, (scopes + options) / 4);
	def->nscope = (uint16_t)(scopes / 4);
	return err;
}

enum wire_err template_read(
	struct template_def *def, struct bytes *rest, uint16_t version, bool options)
{
	const struct dialect *d = version == 9 ? &netflow9 : &ipfix;
	size_t count, nscope = 0;
	enum wire_err err;

	def->version = version;
	def->options = options;
	def->nfields = def->nscope = def->id = 0;
	if (rest->n < 4)
		return stop(rest, WIRE_TEMPLATE_CUT);
	def->id = be16(rest->p);
	count = be16(rest->p + 2);
	if (def->id < TEMPLATE_ID_MIN &&
		!(count == 0 && version == 10 &&
			def->id == (options ? WITHDRAW_ALL_OPTIONS : WITHDRAW_ALL)))
		return stop(rest, WIRE_TEMPLATE_ID);
	if (options && d->scope_in_bytes)
		return read_options9(def, rest, d);
	step(rest, 4);
	/* A withdrawn options template has no scope count (RFC 7011 8.1). */
	if (count == 0)
		return WIRE_WITHDRAWAL;
	if (options) {
		if (rest->n < 2)
			return stop(rest, WIRE_TEMPLATE_CUT);
		nscope = be16(rest->p);
		step(rest, 2);
	}
	err = read_fields(def, rest, d, count);
	if (err == WIRE_OK && options && (nscope == 0 || nscope > count))
		return WIRE_TEMPLATE_SCOPE;
	def->nscope = (uint16_t)nscope;
	return err;
}

/* ---- keeping --------------------------------------------------------------------- */

size_t templates_size(uint32_t cap)
{
	return store_size(cap, sizeof(struct template)) + store_share_size(cap);
}

void templates_init(struct templates *t, void *mem, uint32_t cap, uint32_t share, uint64_t seed)
{
	store_init(&t->store, mem, cap, sizeof(struct template), sizeof(struct template_key), seed);
	store_share(&t->store, (uint8_t *)mem + store_size(cap, sizeof(struct template)), share);
	t->extras = NULL;
	/* plan_compile() writes what it uses of the long arrays behind it. */
	t->store.clear_size = offsetof(struct template, plan);
}

struct template *templates_find(struct templates *t, const struct template_key *key)
{
	return store_find(&t->store, key);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* Two definitions with one hash are the same definition: a refresh. */
static uint64_t def_hash(const struct template_def *def)
{
	uint64_t h = mix(def->version,
		(uint64_t)def->options << 32 | (uint64_t)def->nscope << 16 | def->nfields);

	for (size_t i = 0; i < def->nfields; i++)
		h = mix(h, (uint64_t)def->fields[i].pen << 32 | (uint64_t)def->fields[i].id << 16 |
			def->fields[i].len);
	return h;
}

/* Which enterprises there are; what is beyond the bound cannot be told. */
static void remember(struct template *t, const struct template_def *def)
{
	t->nscope = def->nscope;
	t->whole = true;
	t->npens = 0;
	for (size_t i = 0; i < def->nfields; i++) {
		uint8_t at = 0;

		while (at < t->npens && t->pens[at] != def->fields[i].pen)
			at++;
		if (at == TEMPLATE_PENS_MAX) {
			t->whole = false;
			return;
		}
		t->pens[at] = def->fields[i].pen;
		t->npens = at == t->npens ? (uint8_t)(at + 1) : t->npens;
		t->pen_of[i] = at;
		t->ids[i] = def->fields[i].id;
	}
}

struct field_spec template_field(const struct template *t, size_t i)
{
	return (struct field_spec){ t->pens[t->pen_of[i]], t->ids[i], t->plan.lens[i] };
}

enum wire_err templates_learn(struct templates *t, const struct template_key *key, uint32_t epoch,
			      const struct template_def *def, uint64_t now_us, bool *changed)
{
	uint64_t h = def_hash(def);
	struct template *row;
	enum wire_err err;
	bool fresh;

	row = store_put(&t->store, key, &fresh);
	*changed = !fresh && row->epoch == epoch && row->hash != h;
	row->seen_us = now_us;
	if (!fresh && row->hash == h) {
		row->epoch = epoch;
		return WIRE_OK;
	}
	err = plan_compile(&row->plan, def, t->extras);
	if (err != WIRE_OK) {
		*changed = false;
		store_remove(&t->store, row);
		return err;
	}
	remember(row, def);
	row->hash = h;
	row->learnt_us = now_us;
	row->epoch = epoch;
	return WIRE_OK;
}

void templates_forget(struct templates *t, const struct template_key *key)
{
	struct template *row = store_find(&t->store, key);

	if (row)
		store_remove(&t->store, row);
}
