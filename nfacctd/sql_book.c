/*
 * sql_book.c - see sql_book.h.
 */
#include "nfacctd/sql_book.h"

#include <inttypes.h>
#include <stdio.h>
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

void sql_book_begin(struct sql_book *b)
{
	memset(&b->tally, 0, sizeof(b->tally));
	b->told_now = 0;
}

void sql_book_end(struct sql_book *b, const struct purge *p)
{
	if (b->tally.rejected)
		b->told = p->id;
}

void sql_book_refuse(struct sql_book *b, const struct sql_columns *columns, const char *table,
		     const struct purge *p, const struct sum_row *r, const char *why)
{
	char row[1024];

	b->tally.rejected++;
	b->tally.rejected_octets += r->sums.octets;
	b->tally.rejected_packets += r->sums.packets;
	if (b->told == p->id || b->told_now++ >= REFUSALS_LOGGED)
		return;
	sql_row_describe(row, sizeof(row), columns, p, r);
	log_error("%s: table %s refuses a row: %s: %s", b->who, table, why, row);
}

void sql_book_written(struct sql_book *b, const struct purge *p, const struct sink_counts *t)
{
	struct sink_counts *c = &b->counts;

	c->purges++;
	c->rows += p->nrows;
	c->inserted += t->inserted;
	c->updated += t->updated;
	c->rejected += t->rejected;
	c->rejected_octets += t->rejected_octets;
	c->rejected_packets += t->rejected_packets;
	c->statements += t->statements;
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

bool sql_book_told_lately(const struct sql_book *b, const char *why)
{
	uint64_t last = b->trouble_us;

	return last && strcmp(b->trouble, why) == 0 && !log_allow(&last, now_us(), say_again_us);
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
