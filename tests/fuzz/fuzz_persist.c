/*
 * fuzz_persist.c - any bytes as a file of templates.  Its checksum is made to
 * fit, or nothing behind it would be reached.  What was read is written and
 * read again: it has to be the same.
 */
#include <stdlib.h>
#include <string.h>
#include "wire/persist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct decoder_limits limits = {
	.streams = 3, .templates = 4, .samplers = 5, .exporter_share = 2
};

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* By the book, bit by bit: not the code under test. */
static uint32_t crc_of(const uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static struct decoder *fresh(struct decoder **d)
{
	if (!*d)
		*d = aligned_alloc(64, (decoder_size(&limits) + 63) & ~(size_t)63);
	must(*d != NULL);
	return decoder_init(*d, &limits, 42);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct decoder *one, *two;
	static uint8_t file[65536], back[65536], again[65536];
	struct decoder_loaded l = { 0 };
	struct bytes rest = { file, n };
	size_t len, len2;

	if (n > sizeof(file))
		return 0;
	memcpy(file, data, n);
	fresh(&one);
	fresh(&two);
	if (n >= 24) {
		memcpy(file, "FLWT\0\1\0", 8);
		put_be32(file + 16, (uint32_t)n);
		put_be32(file + n - 4, crc_of(file, n - 4));
		must(decoder_load(one, &rest, UINT64_MAX, UINT64_MAX, &l) == NULL && rest.n == 0);
	} else {
		must(decoder_load(one, &rest, UINT64_MAX, UINT64_MAX, &l) != NULL);
	}
	must(decoder_save_size(one) <= sizeof(back));
	len = decoder_save(one, back, sizeof(back), 1);
	must(len > 0 && len <= decoder_save_size(one));
	l = (struct decoder_loaded){ 0 };
	rest = (struct bytes){ back, len };
	must(decoder_load(two, &rest, UINT64_MAX, UINT64_MAX, &l) == NULL && rest.n == 0 &&
		l.refused == 0);
	len2 = decoder_save(two, again, sizeof(again), 1);
	must(len2 == len && memcmp(back, again, len) == 0);
	return 0;
}
