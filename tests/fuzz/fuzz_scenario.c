/*
 * fuzz_scenario.c - any bytes as a scenario: refused with one line, or a
 * scenario that every exporter can make datagrams of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "pcapgen/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void expect(int holds)
{
	if (!holds)
		abort();
}

static void run(const struct scenario *sc)
{
	static uint8_t buf[EXPORT_OCTETS_MAX];
	struct population *p = population_new(sc);
	uint64_t start_ms = sc->start_ms ? sc->start_ms : UINT64_C(1767614400000);

	for (size_t i = 0; i < sc->nexporters && i < 3; i++) {
		struct exporter *e = exporter_new(&sc->exporters[i], p, sc->seed, i, start_ms,
						  sc->cycle < 4 ? sc->cycle : 4);

		for (uint64_t k = 0; k < 6; k++) {
			struct crafted c;
			uint64_t octets = 0;

			exporter_craft(e, start_ms + k * 700, buf, &c);
			expect(c.data.n > 0 && c.data.n <= sc->exporters[i].datagram_octets);
			for (size_t r = 0; r < c.nrecords; r++) {
				const struct flow_record *f = &c.records[r];

				octets += f->octets;
				expect(f->packets > 0 && f->first_us <= f->last_us);
				expect(f->last_us + c.later_us <= (start_ms + k * 700) * 1000);
			}
			expect(octets == c.octets);
		}
		exporter_free(e);
	}
	population_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[SCENARIO_WHY];
	struct scenario *sc = scenario_parse("fuzz", data, n, why);

	if (sc)
		run(sc);
	else
		expect(why[0] && !strchr(why, '\n'));
	scenario_free(sc);
	return 0;
}
