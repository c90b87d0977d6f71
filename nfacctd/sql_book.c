/*
 * sql_book.c - see sql_book.h.
 */
#include "nfacctd/sql_book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "base/log.h"

enum {
	REFUSALS_LOGGED = 200,	/* a purge, in full; more are counted in one line */
	SAY_AGAIN_SECONDS = 60	/* the same trouble */
};

static const uint64_t say_again_us = SAY_AGAIN_SECONDS * UINT64_C(1000000);

static uint64_t now_us(void)
{
	return clock_mono_ns() / 1000;
}

void sql_book_refuse(const struct sql_book *b, struct sql_tally *t,
		     const struct sql_columns *columns, const char *table, const struct purge *p,
		     const struct sum_row *r, const char *why)
{
	char row[1024];

	t->counts.rejected++;
	t->counts.rejected_octets += r->sums.octets;
	t->counts.rejected_packets += r->sums.packets;
	if (b->told == p->id || t->told++ >= REFUSALS_LOGGED)
		return;
	sql_row_describe(row, sizeof(row), columns, p, r);
	log_error("%s: table %s refuses a row: %s: %s", b->who, table, why, row);
}

void sql_book_refuse_group(const struct sql_book *b, struct sql_tally *t,
			   const struct sql_columns *columns, const struct name_group *g,
			   const struct purge *p)
{
	for (size_t i = 0; i < g->n; i++)
		sql_book_refuse(b, t, columns, g->name, p, g->rows[i],
				"sql_tables_max is reached: no more tables are made in this run");
}

void sql_book_refuse_unnamed(const struct sql_book *b, struct sql_tally *t,
			     const struct sql_columns *columns, const char *table,
			     const struct plugin_settings *settings, const struct key_layout *l,
			     const struct purge *p)
{
	char name[SQL_TABLE_NAME_MAX + 1];

	for (size_t i = 0; i < p->nrows; i++)
		if (!name_expand(name, sizeof(name), table, settings, l,
				 sql_moment(p, &p->rows[i]), p->rows[i].key))
			sql_book_refuse(b, t, columns, table, p, &p->rows[i],
					"the name of its table is empty or above 64 characters");
}

void sql_book_end(struct sql_book *b, const struct purge *p, const struct sql_tally *t)
{
	if (t->counts.rejected)
		b->told = p->id;
}

static void add_counts(struct sink_counts *c, const struct sink_counts *t)
{
	c->inserted += t->inserted;
	c->updated += t->updated;
	c->rejected += t->rejected;
	c->rejected_octets += t->rejected_octets;
	c->rejected_packets += t->rejected_packets;
	c->statements += t->statements;
}

void sql_tally_add(struct sql_tally *to, const struct sql_tally *from)
{
	add_counts(&to->counts, &from->counts);
	to->told += from->told;
}

void sql_book_written(struct sql_book *b, const struct purge *p, const struct sql_tally *tally)
{
	const struct sink_counts *t = &tally->counts;

	b->counts.purges++;
	b->counts.rows += p->nrows;
	add_counts(&b->counts, t);
	if (t->rejected)
		log_error("%s: purge %" PRIu64 ": %" PRIu64 " of %zu rows refused: %" PRIu64
			  " octets, %" PRIu64 " packets are not in the database",
			b->who, p->id, t->rejected, p->nrows, t->rejected_octets,
			t->rejected_packets);
	if (b->trouble[0])
		log_info("%s: writing again", b->who);
	b->trouble[0] = '\0';
	b->trouble_us = 0;
}

void sql_book_trouble(struct sql_book *b, const struct purge *p, const char *doing,
		      const char *why, const char *where)
{
	if (strcmp(b->trouble, why) != 0)
		b->trouble_us = 0;
	snprintf(b->trouble, sizeof(b->trouble), "%s", why);
	if (log_allow(&b->trouble_us, now_us(), say_again_us))
		log_warn("%s: %s: %s; %zu rows are kept and tried again (%s)", b->who, doing, why,
			p->nrows, where);
}

bool sql_book_told_lately(const struct sql_book *b)
{
	uint64_t last = b->trouble_us;

	return last && strncmp(b->trouble, "table ", 6) == 0 &&
	       !log_allow(&last, now_us(), say_again_us);
}

void sql_book_new_run(struct sql_book *b, const struct purge *p)
{
	uint64_t old = b->run_id;

	if (getrandom(&b->run_id, sizeof(b->run_id), 0) != (ssize_t)sizeof(b->run_id))
		b->run_id = old + clock_mono_ns();
	log_warn("%s: flow_ledger has purge %" PRIu64 " of run %" PRIu64
		 " already; this run is %" PRIu64 " from now on",
		b->who, p->id, old, b->run_id);
}

struct sums sql_purge_sums(const struct purge *p)
{
	struct sums all = { 0, 0, 0, 0 };

	for (size_t i = 0; i < p->nrows; i++) {
		all.packets += p->rows[i].sums.packets;
		all.octets += p->rows[i].sums.octets;
	}
	return all;
}

int64_t sql_moment(const struct purge *p, const struct sum_row *r)
{
	return r && r->bin ? r->bin : p->slot ? p->slot : p->deadline;
}

/* ---- rows by table ---- */

static int by_key(const void *a, const void *b, void *key_size)
{
	const struct sum_row *x = *(const struct sum_row *const *)a,
			     *y = *(const struct sum_row *const *)b;
	int order = memcmp(x->key, y->key, *(const size_t *)key_size);

	return order ? order : (x->bin > y->bin) - (x->bin < y->bin);
}

bool sql_book_sort(const struct sql_book *b, struct name_groups *g, const char *table,
		   const struct plugin_settings *settings, const struct key_layout *l,
		   const struct purge *p)
{
	size_t key_size = l->size;

	if (!name_groups_make(g, table, SQL_TABLE_NAME_MAX + 1, true, settings, l,
			      sql_moment(p, NULL), p->rows, p->nrows)) {
		log_warn("%s: no memory for a purge of %zu rows; they are kept", b->who, p->nrows);
		return false;
	}
	for (size_t i = 0; i < g->n; i++)
		qsort_r(g->group[i].rows, g->group[i].n, sizeof(g->group[i].rows[0]), by_key,
			&key_size);
	return true;
}

bool sql_schema_text(char made[static SQL_SCHEMA_BYTES], const struct plugin_settings *settings,
		     const struct key_layout *l, int64_t when, const uint8_t *key,
		     char why[static SQL_WHY_BYTES])
{
	char text[SQL_SCHEMA_BYTES];
	FILE *f = fopen(settings->sql_table_schema, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	while (n && strchr("; \t\r\n", text[n - 1]))	/* one statement, without its end */
		n--;
	text[n] = '\0';
	if (n && name_expand(made, SQL_SCHEMA_BYTES, text, settings, l, when, key))
		return true;
	snprintf(why, SQL_WHY_BYTES,
		 "sql_table_schema: \"%s\" cannot be read, is empty or above 64 kB",
		 settings->sql_table_schema);
	return false;
}

/* ---- tables ---- */

struct sql_table *sql_tables_find(struct sql_tables *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->table[i]->name, name) == 0) {
			s->table[i]->used = ++s->clock;
			return s->table[i];
		}
	return NULL;
}

void sql_tables_add(struct sql_tables *s, struct sql_table *t)
{
	size_t oldest = 0;

	t->used = ++s->clock;
	if (s->n < SQL_TABLES_MAX) {
		s->table[s->n++] = t;
		return;
	}
	for (size_t i = 1; i < s->n; i++)
		if (s->table[i]->used < s->table[oldest]->used)
			oldest = i;
	s->forget(s->table[oldest]);
	s->table[oldest] = t;
}

void sql_tables_clear(struct sql_tables *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->forget(s->table[i]);
	s->n = 0;
}
