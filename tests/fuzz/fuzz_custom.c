/*
 * fuzz_custom.c - aggregate_primitives: any file is read, what it makes stands in
 * a key, and any octets of an exporter become a text that is whole UTF-8, as
 * long as it says it is, without anything that steers a terminal.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "nfacctd/custom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void swallow(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void check_text(const struct key_field *f, const uint8_t *key)
{
	static const struct print_style style = { .utc = true };
	char text[PRIM_TEXT_MAX + 1];
	const size_t n = key_print(text, f, key, &style);

	must(n < PRIM_TEXT_MAX && strlen(text) == n);
	for (size_t i = 0; i < n; i++)
		must((uint8_t)text[i] >= ' ' && text[i] != 0x7f && (uint8_t)text[i] < 0xf5);
}

static void fill(const struct aggregate_spec *a, const struct bytes *value)
{
	uint8_t key[KEY_BYTES_MAX];
	struct extras_want want = { .n = 0 };
	uint16_t element[ELEMENTS_MAX];
	struct key_layout l;

	must(extras_collect(&want, a));
	key_layout_make(&l, a);
	if (l.size > sizeof(key))
		return;
	for (size_t i = 0; i < l.nfields; i++) {
		const struct key_field *f = &l.field[i];
		const struct primitive *p = &primitives[f->primitive];

		must(extras_of(&want, f->primitive, element) == 1 && element[0] < want.n);
		memset(key, 0xee, sizeof(key));
		custom_fill(key + f->offset, f->width, p->format, value);
		must(f->offset + f->width == sizeof(key) || key[f->offset + f->width] == 0xee);
		check_text(f, key);
		custom_absent(key + f->offset, p, f->width);
		check_text(f, key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = memchr(data, 0, n);
	const size_t lines = end ? (size_t)(end - data) : n;
	struct bytes value = { data + lines, n - lines };
	struct aggregate_spec a = { .set = 0 };

	log_capture(swallow, NULL);
	customs_parse("f", (const char *)data, lines);
	for (size_t i = 0; i < customs_loaded() && i < CUSTOM_IN_KEY; i++)
		a.custom[a.ncustom++] = (uint8_t)(PRIMITIVES + i);
	/* The zero between the lines and the value is no part of either. */
	if (value.n) {
		value.p++;
		value.n--;
	}
	fill(&a, &value);
	customs_clear();
	return 0;
}
