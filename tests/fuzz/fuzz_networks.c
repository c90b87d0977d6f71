/*
 * fuzz_networks.c - the files that users write: networks, senders, ports,
 * protocols, ToS values.  Whatever the bytes, a line is an entry or is skipped,
 * and every entry is found by its own address.
 *
 * The module is included: a fuzz target links the libraries only.
 */
#include <stdlib.h>
#include "nfacctd/map_lines.c"
#include "nfacctd/networks.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void swallow(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void check_entries(const struct networks *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct network *hit = networks_find(w, &w->net[i].prefix.addr);

		/* The same or a longer prefix, which begins with the same address. */
		if (!hit || hit->prefix.len < w->net[i].prefix.len)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;
	struct networks *w;

	log_capture(swallow, NULL);
	w = networks_parse("f", text, n);
	if (w)
		check_entries(w);
	networks_free(w);
	w = senders_parse("f", text, n);
	if (w)
		check_entries(w);
	networks_free(w);
	for (int kind = NUMBERS_PORTS; kind <= NUMBERS_TOS; kind++)
		free(numbers_parse("f", text, n, (enum number_kind)kind));
	return 0;
}
