/*
 * sink_fixture.h - purges made by hand, for the tests of the sinks.
 */
#ifndef SINK_FIXTURE_H
#define SINK_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "nfacctd/sink.h"
#include "wire/addr.h"

enum { FIX_ROWS = 20000, FIX_LOG = 65536 };

struct fixture {
	struct plugin_settings p;
	struct key_layout l;
	struct purge purge;
	struct sum_row *rows;
	uint8_t (*keys)[KEY_BYTES_MAX];
	char log[FIX_LOG];
	size_t nlog;
};

static void fix_log_line(void *ctx, enum log_level level, const char *text)
{
	struct fixture *f = ctx;
	int n;

	if (level == LOG_LEVEL_DEBUG)	/* statements: a test wants silence where nothing is wrong */
		return;
	n = snprintf(f->log + f->nlog, FIX_LOG - f->nlog, "%d %s\n", (int)level, text);
	if (n > 0 && f->nlog + (size_t)n < FIX_LOG)
		f->nlog += (size_t)n;
}

/* A plugin "t" that aggregates `list` into table version `version`, ten-minute bins, UTC. */
static inline struct fixture *fix_new(const char *list, uint32_t version)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char why[256];

	ck_assert_ptr_nonnull(f);
	f->rows = calloc(FIX_ROWS, sizeof(*f->rows));
	f->keys = calloc(FIX_ROWS, sizeof(*f->keys));
	ck_assert_msg(aggregate_parse(&f->p.aggregate, list, why, sizeof(why)), "%s", why);
	key_layout_make(&f->l, &f->p.aggregate);
	f->p.type = (char *)"test";
	f->p.name = (char *)"t";
	f->p.sql_table_version = version;
	f->p.history.seconds = 600;
	f->p.refresh_time = 60;
	f->p.timestamps_utc = true;
	f->p.sql_check = true;
	f->p.sql_tables_max = 1024;
	f->purge = (struct purge) { .id = 1,
		.now = 1700000060,
		.deadline = 1700000060,
		.slot = 1699999800,
		.rows = f->rows };
	log_capture(fix_log_line, f);
	return f;
}

static inline void fix_free(struct fixture *f)
{
	log_capture(NULL, NULL);
	free(f->rows);
	free(f->keys);
	free(f);
}

static inline uint8_t *fix_row(struct fixture *f, int64_t bin, uint64_t packets, uint64_t octets)
{
	size_t i = f->purge.nrows++;

	ck_assert_uint_lt(i, FIX_ROWS);
	memset(f->keys[i], 0, sizeof(f->keys[i]));
	f->rows[i] = (struct sum_row){ bin, { packets, octets, 1, 0 }, f->keys[i] };
	for (size_t k = 0; k < f->l.nfields; k++)	/* addresses start as 0.0.0.0, not as :: */
		if (f->l.field[k].width == 16)
			memcpy(f->keys[i] + f->l.field[k].offset, &addr_zero4, 16);
	return f->keys[i];
}

static inline void fix_addr(struct fixture *f, uint8_t *key, enum primitive_id id, const char *text)
{
	const struct key_field *field = key_layout_find(&f->l, id);
	struct addr a;

	ck_assert_ptr_nonnull(field);
	ck_assert(addr_parse(&a, text));
	memcpy(key + field->offset, &a, sizeof(a));
}

static inline void fix_number(struct fixture *f, uint8_t *key, enum primitive_id id, uint64_t value)
{
	const struct key_field *field = key_layout_find(&f->l, id);

	ck_assert_ptr_nonnull(field);
	memcpy(key + field->offset, &value, field->width); /* tests run on little-endian hosts */
}

/* A fresh purge with the next id. */
static inline void fix_next(struct fixture *f)
{
	f->purge.id++;
	f->purge.now += 60;
	f->purge.nrows = 0;
}

static inline bool fix_logged(const struct fixture *f, const char *part)
{
	return strstr(f->log, part) != NULL;
}

static inline void fix_forget_log(struct fixture *f)
{
	f->nlog = 0;
	f->log[0] = '\0';
}

/* ---- the sink of f->p.type, which must work ---- */

static inline void *fix_open(struct fixture *f)
{
	void *s = sink_find(f->p.type)->open(&f->p, &f->l, 77);

	ck_assert_msg(s != NULL, "open: %s", f->log);
	return s;
}

static inline void fix_put(struct fixture *f, void *s)
{
	ck_assert_msg(sink_find(f->p.type)->write(s, &f->purge) == SINK_OK, "write: %s", f->log);
}

/* Two purges of the same row, of what a table of sql_table_type: bgp holds. */
static inline void fix_put_peers(struct fixture *f, void *s)
{
	for (int i = 0; i < 2; i++) {
		uint8_t *key = fix_row(f, 1699999800, 1, 100);

		fix_number(f, key, PRIM_ID_src_as, 4200000000);
		fix_addr(f, key, PRIM_ID_peer_src_ip, "127.0.0.1");
		fix_put(f, s);
		fix_next(f);
	}
}

/* A schema for a dynamic table that the database does not take is found at start, and by --check. */
static inline void fix_bad_schema(struct fixture *f, const char *said)
{
	static const char *const texts[] = { "CREATE TABLE acct_%d (ip_src INT,, x INT);", "" };
	char path[] = "/tmp/flowledger-schema-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	f->p.sql_table = (char *)"acct_%d";
	f->p.sql_table_schema = path;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, texts[i], strlen(texts[i]), 0), (int)strlen(texts[i]));
		fix_forget_log(f);
		ck_assert_uint_ge(sink_find(f->p.type)->check(&f->p, &f->l), 1);
		ck_assert_ptr_null(sink_find(f->p.type)->open(&f->p, &f->l, 77));
		ck_assert_msg(fix_logged(f, i ? "cannot be read, is empty" : said), "%s", f->log);
		ck_assert_msg(fix_logged(f, path), "%s", f->log);
	}
	close(fd);
	unlink(path);
	fix_free(f);
}

#endif /* SINK_FIXTURE_H */
