/*
 * fuzz_netflow5.c - v1, v5, v7 and v8: any bytes are safe, and what was
 * understood can be said again.
 */
#include <stdlib.h>
#include "wire/netflow5.h"
#include "wire/netflow8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CHUNK = 64 };

/* Decode, encode, decode: the same records.  What 1970 cut off comes back with the cut. */
static void again5(const struct netflow5_msg *m, const struct flow_record *rec, size_t n)
{
	uint8_t buf[64 + CHUNK * 64];
	struct cursor c = cursor(buf, sizeof(buf));
	struct netflow5_msg back;
	struct flow_record out[CHUNK];

	netflow5_put(&c, m, rec, n);
	if (c.full || netflow5_parse(&back, (struct bytes){ buf, cursor_used(&c) }) != WIRE_OK ||
	    netflow5_records(&back, 0, out, CHUNK) != n)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (!netflow5_fits(m->version, &rec[i]))
			abort();
		if (rec[i].first_us && rec[i].last_us && !flow_equal(&rec[i], &out[i]))
			abort();
	}
}

static void again8(const struct netflow8_msg *m, const struct flow_record *rec, size_t n)
{
	uint8_t buf[64 + CHUNK * 64];
	struct cursor c = cursor(buf, sizeof(buf));
	struct netflow8_msg back;
	struct flow_record out[CHUNK];

	netflow8_put(&c, m, rec, n);
	if (c.full || netflow8_parse(&back, (struct bytes){ buf, cursor_used(&c) }) != WIRE_OK)
		abort();
	back.dialect = m->dialect;
	if (netflow8_records(&back, 0, out, CHUNK) != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (rec[i].first_us && rec[i].last_us && !flow_equal(&rec[i], &out[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct flow_record rec[CHUNK];
	struct netflow5_msg m5;
	struct netflow8_msg m8;
	size_t got, total;

	if (netflow5_parse(&m5, (struct bytes){ data, n }) == WIRE_OK) {
		for (total = 0; (got = netflow5_records(&m5, total, rec, CHUNK)); total += got)
			again5(&m5, rec, got);
		if (total != m5.count)
			abort();
	}
	if (netflow8_parse(&m8, (struct bytes){ data, n }) == WIRE_OK) {
		m8.dialect = m8.sequence & 3;
		for (total = 0; (got = netflow8_records(&m8, total, rec, CHUNK)); total += got)
			again8(&m8, rec, got);
		if (total != m8.count)
			abort();
	}
	return 0;
}
