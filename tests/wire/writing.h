/*
 * writing.h - for tests: hex text to bytes, v9 and IPFIX messages around Sets.
 */
#ifndef WRITING_H
#define WRITING_H

#include <check.h>
#include <stdio.h>
#include "wire/flowset.h"

enum { EXPORT_S = 1700000000, UPTIME_MS = 1000000, GOT_MAX = 512 };

#define RECV_US (UINT64_C(1000000) * EXPORT_S + 250000)

/* "c0 00 02 01": digits in pairs, blanks between them. */
static inline size_t unhex(uint8_t *to, const char *hex)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
		to[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

/* A message being written; m.sequence counts as its law says. */
struct writer {
	uint8_t buf[4096];
	struct cursor c;
	struct flow_msg m;
};

static inline void begin(struct writer *m, uint16_t version)
{
	memset(m, 0, sizeof(*m));
	m->c = cursor(m->buf, sizeof(m->buf));
	m->m = (struct flow_msg){ .version = version, .uptime_ms = UPTIME_MS, .export_s = EXPORT_S,
		.sequence = 1, .domain = 7 };
	flow_msg_begin(&m->c, &m->m);
}

static inline void put_template(
	struct writer *m, uint16_t id, unsigned nscope, const struct field_spec *f, size_t n)
{
	struct template_spec t = { id, (uint16_t)n, (uint16_t)nscope, f };

	flow_msg_put_template(&m->c, m->m.version, &t);
}

/* A Set of `hex`, as it stands. */
static inline void put_set(struct writer *m, uint16_t id, const char *hex)
{
	uint8_t data[2048];
	size_t n = unhex(data, hex);

	put16(&m->c, id);
	put16(&m->c, (uint16_t)(n + 4));
	put_bytes(&m->c, data, n);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif /* WRITING_H */
