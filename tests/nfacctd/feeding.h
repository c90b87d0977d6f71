/*
 * feeding.h - an engine from a text, datagrams octet by octet, and questions
 * afterwards: what tests of the whole engine share.
 */
#ifndef FEEDING_H
#define FEEDING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nfacctd/engine.h"
#include "tests/base/said.h"

enum { NOW = 1715754450 /* 2024-05-15 06:27:30 UTC */ };

#define A 0xc0000201	/* 192.0.2.1 */
#define B 0xc0000202

static struct settings settings;
static struct engine *engine;
static struct said said;
static struct capture_writer *writer;	/* feed() writes a capture to it; NULL: it feeds */

static inline void start_with(const char *conf, const struct sink *(*find)(const char *type))
{
	struct conf c;

	said_start(&said);
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_msg(settings_load(&settings, NULL, &c, NULL) == 0, "%s", said.text.s);
	conf_clear(&c);
	engine = engine_new(&settings, find, NOW, 99);
	ck_assert_msg(engine != NULL, "%s", said.text.s);
}

static inline void open_sinks(void)
{
	ck_assert_msg(engine_open(engine) == 0, "%s", said.text.s);
}

static inline void free_all(void)
{
	engine_free(engine);
	settings_clear(&settings);
	said_end(&said);
}

/* A counter; UINT64_MAX when there is none.  Nothing may be unexplained, at any time. */
static inline uint64_t stat_of(const char *name)
{
	struct stats s;
	uint64_t v = UINT64_MAX;

	stats_init(&s);
	engine_stats(engine, &s);
	engine_exporter_stats(engine, &s);
	for (size_t i = 0; i < s.n; i++) {
		if (strcmp(s.rows[i].name, name) == 0)
			v = s.rows[i].value;
		ck_assert_msg(!strstr(s.rows[i].name, "unexplained") || s.rows[i].value == 0, "%s",
			      s.rows[i].name);
	}
	stats_clear(&s);
	return v;
}

static inline void has_said(const char *what)
{
	ck_assert_msg(
		strstr(said.text.s, what) != NULL, "not said: %s\nbut:\n%s", what, said.text.s);
}

static inline unsigned times_said(const char *what)
{
	unsigned n = 0;

	for (const char *at = said.text.s; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static inline void put(uint8_t **p, uint64_t v, int n)
{
	while (n--)
		*(*p)++ = (uint8_t)(v >> 8 * n);
}

static inline void feed(const uint8_t *p, size_t n, uint32_t exporter, int64_t when)
{
	struct datagram d = { { p, n }, { addr_make4(exporter), 2055, false },
		(uint64_t)when * 1000000 };

	if (writer) {
		uint8_t record[CAPTURE_HEAD + 65536];
		size_t size = capture_record(record, d.recv_us * 1000, &d.from, &d.from, d.data);

		ck_assert_uint_gt(size, 0);
		ck_assert_uint_eq(capture_append(writer, record, size), size);
	} else {
		engine_feed(engine, &d);
	}
}

/* Records `first`, first + 1, ... of 10.1.x.y, with so many packets and octets each; engine 0. */
static inline void feed_hosts(uint32_t exporter, int64_t when, uint32_t sequence, uint32_t first,
	unsigned n, uint32_t packets, uint32_t octets)
{
	uint8_t buf[24 + 48 * 30], *p = buf;

	ck_assert_uint_le(n, 30);
	put(&p, 5, 2), put(&p, n, 2), put(&p, 5000000, 4), put(&p, (uint64_t)when, 4),
		put(&p, 0, 4);
	put(&p, sequence, 4), put(&p, 0, 4);
	for (unsigned i = 0; i < n; i++) {
		put(&p, 0x0a010000 + first + i, 4), put(&p, 0x0a020202, 4), put(&p, 0, 4),
			put(&p, 0, 4);
		put(&p, packets, 4), put(&p, octets, 4), put(&p, 5000000, 4), put(&p, 5000000, 4);
		put(&p, 0, 8), put(&p, 0, 8);
	}
	feed(buf, (size_t)(p - buf), exporter, when);
}

#endif /* FEEDING_H */
