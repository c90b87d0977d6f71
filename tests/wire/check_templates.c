/*
 * check_templates.c - template records read from octets, the bounded store
 * beneath all tables of strangers, and epochs.
 */
#include "message.h"
#include "wire/templates.h"

Suite *suite_templates(void);

/* ---- reading -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t version;
	bool options;
	const char *hex;
	enum wire_err err;
	unsigned id, nfields, nscope;
	size_t left;		/* octets behind it */
} records[] = {
	{ "v9", 9, false, "0100 0002 0008 0004 000c 0004 ffff", WIRE_OK, 256, 2, 0, 2 },
	{ "IPFIX", 10, false, "0100 0002 0008 0004 000c 0004 ffff", WIRE_OK, 256, 2, 0, 2 },
	{ "enterprise", 10, false, "0100 0002 8008 0004 00000009 000c 0004", WIRE_OK, 256, 2, 0,
		0 },
	{ "v9 has no enterprise bit", 9, false, "0100 0002 8008 0004 000c 0004 0009", WIRE_OK, 256,
		2, 0, 2 },
	{ "v9 options, lengths in octets", 9, true,
		"0100 0004 0008 0001 0004 0022 0004 0023 0001 0000", WIRE_OK, 256, 3, 1, 2 },
	{ "v9 options without scope", 9, true, "0100 0000 0004 0022 0004", WIRE_OK, 256, 1, 0, 0 },
	{ "IPFIX options, counts", 10, true, "0100 0003 0001 0090 0004 0022 0004 0023 0001 0000",
		WIRE_OK, 256, 3, 1, 2 },
	{ "all scopes", 10, true, "0100 0001 0001 0090 0004", WIRE_OK, 256, 1, 1, 0 },
	{ "withdrawal", 10, false, "0100 0000 0101", WIRE_WITHDRAWAL, 256, 0, 0, 2 },
	{ "options withdrawal, no scope count", 10, true, "0100 0000 0101", WIRE_WITHDRAWAL, 256, 0,
		0, 2 },
	{ "all options", 10, true, "0003 0000", WIRE_WITHDRAWAL, 3, 0, 0, 0 },
	{ "ID 3 in a template Set", 10, false, "0003 0000", WIRE_TEMPLATE_ID, 3, 0, 0, 0 },
	{ "ID 2 in v9", 9, false, "0002 0000 0000", WIRE_TEMPLATE_ID, 2, 0, 0, 0 },
	{ "ID 255", 9, false, "00ff 0001 0008 0004", WIRE_TEMPLATE_ID, 255, 0, 0, 0 },
	{ "ID 256", 9, false, "0100 0001 0008 0004", WIRE_OK, 256, 1, 0, 0 },
	{ "ID 65535", 9, false, "ffff 0001 0008 0004", WIRE_OK, 65535, 1, 0, 0 },
	{ "65535 fields", 10, false, "0100 ffff 0008 0004", WIRE_TEMPLATE_CUT, 256, 0, 0, 0 },
	{ "v9 options of 0 fields", 9, true, "0100 0000 0000 0101", WIRE_TEMPLATE_EMPTY, 256, 0, 0,
		2 },
	{ "v9 scope of 6 octets", 9, true, "0100 0006 0004 0001 0004 0022 0004",
		WIRE_TEMPLATE_SCOPE, 256, 0, 0, 0 },
	{ "two scopes of one field", 10, true, "0100 0001 0002 0090 0004 0101", WIRE_TEMPLATE_SCOPE,
		256, 1, 0, 2 },
};

START_TEST(reads_records)
{
	static struct template_def def;
	uint8_t data[128];
	struct bytes rest = { data, unhex(data, records[_i].hex) };
	enum wire_err err = template_read(&def, &rest, records[_i].version, records[_i].options);

	ck_assert_msg(err == records[_i].err, "%s: %s", records[_i].name, wire_err_text(err));
	ck_assert_uint_eq(def.id, records[_i].id);
	ck_assert_uint_eq(def.nfields, records[_i].nfields);
	ck_assert_uint_eq(def.nscope, records[_i].nscope);
	ck_assert_msg(rest.n == records[_i].left, "%s: %zu left", records[_i].name, rest.n);
}
END_TEST

START_TEST(reads_cut_records)
{
	static struct template_def def;
	uint8_t data[128];
	size_t n = unhex(data, records[_i].hex) - records[_i].left;

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		struct bytes rest = { copy, cut };
		enum wire_err err;

		memcpy(copy, data, cut);
		err = template_read(&def, &rest, records[_i].version, records[_i].options);
		free(copy);
		ck_assert_msg(err != WIRE_OK, "%s cut to %zu", records[_i].name, cut);
		ck_assert_uint_eq(rest.n, 0);
	}
}
END_TEST

START_TEST(knows_padding)
{
	static const uint8_t b[] = { 1, 2, 3, 0, 0, 0, 0, 0, 1 };

	ck_assert(template_padding((struct bytes){ b, 0 }));
	ck_assert(template_padding((struct bytes){ b, 3 }));
	ck_assert(!template_padding((struct bytes){ b, 4 }));
	ck_assert(template_padding((struct bytes){ b + 3, 5 }));
	ck_assert(!template_padding((struct bytes){ b + 3, 6 }));
}
END_TEST

/* ---- keeping ---------------------------------------------------------------------------- */

START_TEST(replaces_and_forgets)
{
	static struct template_def def = {
		.version = 9, .id = 256, .nfields = 1, .fields = { { 0, 1, 4 } }
	};
	struct template_key key = {
		.exporter = addr_make4(1), .domain = 1, .id = 256, .protocol = 1
	};
	struct templates t;
	void *mem = aligned_alloc(64, templates_size(2));
	bool changed = true;

	templates_init(&t, mem, 2, 2, 1);
	ck_assert_ptr_null(templates_find(&t, &key));
	ck_assert_int_eq(templates_learn(&t, &key, 5, &def, 10, &changed), WIRE_OK);
	ck_assert(!changed);
	ck_assert_uint_eq(templates_find(&t, &key)->plan.min_len, 4);
	ck_assert_uint_eq(templates_find(&t, &key)->epoch, 5);
	/* A refresh touches the age only. */
	ck_assert_int_eq(templates_learn(&t, &key, 5, &def, 20, &changed), WIRE_OK);
	ck_assert(!changed);
	ck_assert_uint_eq(templates_find(&t, &key)->learnt_us, 10);
	ck_assert_uint_eq(templates_find(&t, &key)->seen_us, 20);
	/* Any difference is a change: length, Element, options. */
	def.fields[0].len = 8;
	templates_learn(&t, &key, 5, &def, 30, &changed);
	ck_assert(changed);
	ck_assert_uint_eq(templates_find(&t, &key)->plan.min_len, 8);
	def.fields[0].id = 2;
	templates_learn(&t, &key, 5, &def, 30, &changed);
	ck_assert(changed);
	def.options = true;
	templates_learn(&t, &key, 5, &def, 30, &changed);
	ck_assert(changed);
	/* After a withdrawal (the epoch moved) it is new, not changed. */
	def.options = false;
	templates_learn(&t, &key, 6, &def, 30, &changed);
	ck_assert(!changed);
	/* What is refused leaves nothing behind. */
	def.fields[0].len = 0;
	ck_assert_int_eq(templates_learn(&t, &key, 6, &def, 40, &changed), WIRE_TEMPLATE_EMPTY);
	ck_assert_ptr_null(templates_find(&t, &key));
	def.fields[0].len = 4;
	templates_learn(&t, &key, 6, &def, 40, &changed);
	templates_forget(&t, &key);
	templates_forget(&t, &key);
	ck_assert_ptr_null(templates_find(&t, &key));
	free(mem);
}
END_TEST

/* ---- the store, against a plain model ------------------------------------------------------ */

enum { CAP = 7, KEYS = 20, OWNERS = 3, SHARE = 3 };

struct row {
	struct store_link link;
	uint32_t key[5];	/* four words name the owner */
	uint32_t value;
};

struct model {
	uint32_t key[CAP], value[CAP];	/* the one unused for longest first */
	unsigned n;
	bool shares;
	uint64_t evicted, evicted_own;
};

static int model_find(const struct model *m, uint32_t key)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->key[i] == key)
			return (int)i;
	return -1;
}

static uint32_t model_remove(struct model *m, unsigned at)
{
	uint32_t value = m->value[at];

	for (unsigned i = at; i + 1 < m->n; i++) {
		m->key[i] = m->key[i + 1];
		m->value[i] = m->value[i + 1];
	}
	m->n--;
	return value;
}

static void model_append(struct model *m, uint32_t key, uint32_t value)
{
	if (m->n == CAP) {
		unsigned own = 0, oldest = 0;

		for (unsigned i = CAP; i-- > 0; )
			if (m->shares && m->key[i] % OWNERS == key % OWNERS) {
				own++;
				oldest = i;
			}
		m->evicted++;
		m->evicted_own += own >= SHARE;
		model_remove(m, own >= SHARE ? oldest : 0);
	}
	m->key[m->n] = key;
	m->value[m->n++] = value;
}

static void compare(const struct store *s, const struct model *m)
{
	const struct row *r = NULL;

	for (unsigned i = 0; i < m->n; i++) {
		r = store_next(s, r);
		ck_assert_ptr_nonnull(r);
		ck_assert_uint_eq(r->key[4], m->key[i]);
		ck_assert_uint_eq(r->value, m->value[i]);
	}
	ck_assert_ptr_null(store_next(s, r));
	ck_assert_uint_eq(s->evicted, m->evicted);
	ck_assert_uint_eq(s->evicted_own, m->evicted_own);
}

START_TEST(store_equals_model)
{
	struct store s;
	void *mem = aligned_alloc(64, store_size(CAP, sizeof(struct row)));
	void *owners = aligned_alloc(64, store_share_size(CAP));
	struct model m = { .shares = _i >= 4 };
	uint32_t lcg = (uint32_t)_i + 1;

	store_init(&s, mem, CAP, sizeof(struct row), sizeof(((struct row *)0)->key), (uint64_t)_i);
	if (m.shares)
		store_share(&s, owners, SHARE);
	for (unsigned step = 0; step < 5000; step++) {
		uint32_t key[5] = { 9, 0, 0, 9, 0 };
		struct row *r;
		bool fresh;
		int at;

		lcg = lcg * 1664525u + 1013904223u;
		key[4] = (lcg >> 16) % KEYS;
		key[1] = key[4] % OWNERS;
		at = model_find(&m, key[4]);
		switch (lcg >> 28) {
		case 0:
			r = store_find(&s, key);
			ck_assert_int_eq(r != NULL, at >= 0);
			if (r) {
				store_remove(&s, r);
				model_remove(&m, (unsigned)at);
			}
			break;
		case 1: case 2: case 3: case 4: case 5:
			r = store_find(&s, key);
			ck_assert_int_eq(r != NULL, at >= 0);
			if (r)
				model_append(&m, key[4], model_remove(&m, (unsigned)at));
			break;
		default:
			r = store_put(&s, key, &fresh);
			ck_assert_int_eq(fresh, at < 0);
			ck_assert(!fresh || r->value == 0);
			r->value = step;
			if (at >= 0)
				model_remove(&m, (unsigned)at);
			model_append(&m, key[4], step);
		}
		compare(&s, &m);
	}
	ck_assert_int_eq(m.evicted_own > 0, m.shares);
	free(owners);
	free(mem);
}
END_TEST

START_TEST(store_of_one_row)
{
	struct store s;
	void *mem = aligned_alloc(64, store_size(1, sizeof(struct row)));
	uint32_t a[5] = { 1, 1, 1 }, b[5] = { 2, 2, 2 };
	bool fresh;

	store_init(&s, mem, 1, sizeof(struct row), sizeof(a), 1);
	store_put(&s, a, &fresh);
	ck_assert(fresh);
	store_put(&s, b, &fresh);
	ck_assert(fresh);
	ck_assert_ptr_null(store_find(&s, a));
	ck_assert_ptr_nonnull(store_find(&s, b));
	ck_assert_uint_eq(s.evicted, 1);
	free(mem);
}
END_TEST

/* What the headers say (templates.h, decoder.h): the worst case of the default limits. */
START_TEST(memory_is_what_the_headers_say)
{
	ck_assert_uint_le(sizeof(struct template), 4449);
	ck_assert_uint_le(templates_size(decoder_limits_default.templates), 72949999);
	ck_assert_uint_le(decoder_size(&decoder_limits_default), 77649999);
}
END_TEST

Suite *suite_templates(void)
{
	Suite *s = suite_create("templates");
	TCase *t = tcase_create("templates");

	tcase_add_loop_test(t, reads_records, 0, COUNT(records));
	tcase_add_loop_test(t, reads_cut_records, 0, COUNT(records));
	tcase_add_test(t, knows_padding);
	tcase_add_test(t, replaces_and_forgets);
	tcase_add_loop_test(t, store_equals_model, 0, 8);
	tcase_add_test(t, store_of_one_row);
	tcase_add_test(t, memory_is_what_the_headers_say);
	suite_add_tcase(s, t);
	return s;
}
