/*
 * compare.c - see compare.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/compare.h"

/* ---- numbers as text ------------------------------------------------------------ */

static counter parse(const unsigned char *text)
{
	counter n = 0;

	for (; text && *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (unsigned)(*text - '0');
	return n;
}

char *counter_text(char *buf, counter n)
{
	char digits[44], *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = (char)('0' + (int)(n % 10));
	while (n /= 10);
	return strcpy(buf, p);
}

char *delta_text(char *buf, counter want, counter got)
{
	buf[0] = got < want ? '-' : '+';
	counter_text(buf + 1, got < want ? want - got : got - want);
	return buf;
}

void compare_key_text(struct strbuf *to, const struct rules_shape *shape, const char *key)
{
	size_t before = to->n;

	for (size_t i = 0; i < shape->n; i++) {
		size_t n = strcspn(key, "\t");

		if (!shape->column[i].filler)
			strbuf_addf(to, "%s%s=%.*s", to->n > before ? " " : "",
				shape->column[i].name, (int)n, key);
		key += n + (key[n] == '\t');
	}
}

/* ---- looking for where it went ------------------------------------------------------ */

/* Rows that differ, and both sides of them. */
static const char wrong_sql[] =
	"DROP TABLE IF EXISTS wrong; CREATE TABLE wrong AS"
	" SELECT e.key AS key, e.stamp AS stamp, 1 AS wanted, a.key IS NOT NULL AS found,"
	"  e.packets AS wp, e.flows AS wf, e.octets AS wo, e.flags AS wg,"
	"  coalesce(a.packets, '0') AS gp, coalesce(a.flows, '0') AS gf, coalesce(a.octets, '0') "
	"AS go,"
	"  coalesce(a.flags, 0) AS gg"
	" FROM expected AS e LEFT JOIN actual AS a ON a.key = e.key AND a.stamp = e.stamp"
	" WHERE e.packets <> gp OR e.octets <> go OR (?1 AND e.flows <> gf) OR (?2 AND e.flags <> "
	"gg)"
	" UNION ALL"
	" SELECT a.key, a.stamp, 0, 1, '0', '0', '0', 0, a.packets, a.flows, a.octets, a.flags "
	"FROM actual AS a"
	" WHERE NOT EXISTS (SELECT 1 FROM expected AS e WHERE e.key = a.key AND e.stamp = a.stamp)"
	"  AND (a.packets <> '0' OR a.octets <> '0' OR (?1 AND a.flows <> '0') OR (?2 AND a.flags "
	"<> 0))";

struct search {
	struct rules *r;
	const struct rules_shape *shape;
	sqlite3_stmt *by_key, *by_bin;
};

static void read_sums(sqlite3_stmt *st, int at, struct sums3 *want, struct sums3 *got)
{
	want->packets = parse(sqlite3_column_text(st, at));
	want->flows = parse(sqlite3_column_text(st, at + 1));
	want->octets = parse(sqlite3_column_text(st, at + 2));
	want->flags = (uint32_t)sqlite3_column_int64(st, at + 3);
	got->packets = parse(sqlite3_column_text(st, at + 4));
	got->flows = parse(sqlite3_column_text(st, at + 5));
	got->octets = parse(sqlite3_column_text(st, at + 6));
	got->flags = (uint32_t)sqlite3_column_int64(st, at + 7);
}

/* What lacks here is what is too much there (mod 2^128, so that signs take care of themselves). */
static bool opposite(const struct wrong_row *a, const struct sums3 *want, const struct sums3 *got)
{
	return a->want.packets - a->got.packets == got->packets - want->packets &&
		a->want.octets - a->got.octets == got->octets - want->octets;
}

/* The key with the columns of both ends exchanged; false when it has none. */
static bool swapped_key(struct strbuf *to, const struct rules_shape *shape, const char *key)
{
	const char *cell[RULES_COLUMNS];
	size_t len[RULES_COLUMNS];
	bool any = false;

	for (size_t i = 0; i < shape->n; i++) {
		cell[i] = key;
		len[i] = strcspn(key, "\t");
		key += len[i] + (key[len[i]] == '\t');
	}
	for (size_t i = 0; i < shape->n; i++) {
		size_t from = shape->column[i].mirror >= 0 ? (size_t)shape->column[i].mirror : i;

		any = any || (from != i && !shape->column[i].filler);
		strbuf_add(to, i ? "\t" : "");
		strbuf_addn(to, cell[from], len[from]);
	}
	return any;
}

static bool is_swapped(struct search *s, const struct wrong_row *row)
{
	struct sums3 want, got;
	struct strbuf key = { 0 };
	bool found = false;

	if (swapped_key(&key, s->shape, row->key) && strcmp(key.s, row->key)) {
		sqlite3_bind_text(s->by_bin, 1, key.s, -1, SQLITE_STATIC);
		sqlite3_bind_text(s->by_bin, 2, row->stamp, -1, SQLITE_STATIC);
		if (sqlite3_step(s->by_bin) == SQLITE_ROW) {
			read_sums(s->by_bin, 0, &want, &got);
			found = opposite(row, &want, &got);
		}
		sqlite3_reset(s->by_bin);
	}
	strbuf_clear(&key);
	return found;
}

static bool is_moved(struct search *s, struct wrong_row *row)
{
	struct sums3 want, got;
	bool found = false, to;

	sqlite3_bind_text(s->by_key, 1, row->key, -1, SQLITE_STATIC);
	sqlite3_bind_text(s->by_key, 2, row->stamp, -1, SQLITE_STATIC);
	while (!found && sqlite3_step(s->by_key) == SQLITE_ROW) {
		read_sums(s->by_key, 1, &want, &got);
		found = opposite(row, &want, &got);
		to = row->got.octets < row->want.octets ||
			(row->got.octets == row->want.octets &&
				row->got.packets < row->want.packets);
		if (found)
			snprintf(row->why, sizeof(row->why), "moved %s bin %s", to ? "to" : "from",
				 (const char *)sqlite3_column_text(s->by_key, 0));
	}
	sqlite3_reset(s->by_key);
	return found;
}

/* N when a = N * b in octets and packets, both more than nothing; else 0. */
static counter multiple(const struct sums3 *a, const struct sums3 *b)
{
	counter n;

	if (!b->octets || a->octets % b->octets)
		return 0;
	n = a->octets / b->octets;
	return n > 1 && a->packets == n * b->packets ? n : 0;
}

/* Octets too many or too few, the same for each packet: a tag (4), Ethernet (14, 18) ... */
static counter octets_a_packet(const struct sums3 *a, const struct sums3 *b)
{
	counter more = a->octets - b->octets;

	if (a->octets <= b->octets || a->packets != b->packets || !b->packets || more % b->packets)
		return 0;
	more /= b->packets;
	return more >= 4 && more <= 64 ? more : 0;
}

static enum verdict judge_sums(struct wrong_row *w)
{
	const struct sums3 *want = &w->want, *got = &w->got;
	const counter turn = (counter)1 << 32;
	char n[44];
	counter k;
	bool less;

	if (want->octets == got->octets && want->packets == got->packets) {
		snprintf(w->why, sizeof(w->why), "flows or TCP flags differ");
		return VERDICT_FLOWS;
	}
	if ((k = multiple(got, want)) == 2) {
		snprintf(w->why, sizeof(w->why), "doubled");
		return VERDICT_DOUBLED;
	}
	if (k) {
		snprintf(w->why, sizeof(w->why), "%s times what was sent: sampling multiplied in?",
			counter_text(n, k));
		return VERDICT_FACTOR;
	}
	if ((k = multiple(want, got))) {
		snprintf(w->why, sizeof(w->why), "one in %s: sampling not multiplied in?",
			counter_text(n, k));
		return VERDICT_DIVIDED;
	}
	if ((got->octets < want->octets && (want->octets - got->octets) % turn == 0 &&
		    got->packets == want->packets) ||
		(got->packets < want->packets && (want->packets - got->packets) % turn == 0 &&
			got->octets == want->octets)) {
		snprintf(w->why, sizeof(w->why), "wrapped at 2^32");
		return VERDICT_WRAPPED;
	}
	if ((k = octets_a_packet(got, want)) || (k = octets_a_packet(want, got))) {
		snprintf(w->why, sizeof(w->why),
			"%s octets %s for each packet: frames instead of IP, or back?",
			counter_text(n, k), got->octets > want->octets ? "more" : "less");
		return VERDICT_FRAMES;
	}
	less = got->octets < want->octets ||
		(got->octets == want->octets && got->packets < want->packets);
	snprintf(w->why, sizeof(w->why), "%s, unexplained", less ? "less" : "more");
	return less ? VERDICT_LESS : VERDICT_MORE;
}

static enum verdict judge(struct search *s, struct wrong_row *w)
{
	if (is_swapped(s, w)) {
		snprintf(w->why, sizeof(w->why), "source and destination swapped");
		return VERDICT_SWAPPED;
	}
	if ((w->want.octets != w->got.octets || w->want.packets != w->got.packets) &&
		is_moved(s, w))
		return VERDICT_MOVED;
	if (!w->found) {
		snprintf(w->why, sizeof(w->why), "missing");
		return VERDICT_MISSING;
	}
	if (!w->expected) {
		snprintf(w->why, sizeof(w->why), "unexpected");
		return VERDICT_UNEXPECTED;
	}
	return judge_sums(w);
}

/* ---- all of it ------------------------------------------------------------------------ */

static int find_wrong(struct rules *r, const struct rules_shape *shape)
{
	static const char drop[] = "DROP TABLE IF EXISTS wrong; ";
	sqlite3_stmt *st;
	int err;

	if (rules_exec(r, drop))
		return -1;
	st = rules_prepare(r, wrong_sql + sizeof(drop) - 1);
	if (!st)
		return -1;
	sqlite3_bind_int(st, 1, shape->flows);
	sqlite3_bind_int(st, 2, shape->flags);
	err = sqlite3_step(st) == SQLITE_DONE ? 0 : -1;
	sqlite3_finalize(st);
	return err || rules_exec(r, "CREATE INDEX wrong_key ON wrong(key, stamp)") ? -1 : 0;
}

static int totals(struct comparison *c, struct rules *r, const char *table, struct sums3 *to)
{
	struct strbuf sql = { 0 };
	sqlite3_stmt *st;
	int err = -1;

	strbuf_addf(&sql,
		"SELECT total(packets, 1), total(flows, 1), total(octets, 1), count(*) FROM %s",
		table);
	st = rules_prepare(r, sql.s);
	strbuf_clear(&sql);
	if (st && sqlite3_step(st) == SQLITE_ROW) {
		to->packets = parse(sqlite3_column_text(st, 0));
		to->flows = parse(sqlite3_column_text(st, 1));
		to->octets = parse(sqlite3_column_text(st, 2));
		if (to == &c->want)
			c->rows = (uint64_t)sqlite3_column_int64(st, 3);
		err = 0;
	}
	sqlite3_finalize(st);
	return err;
}

static void take(struct comparison *c, struct search *s, sqlite3_stmt *st)
{
	struct wrong_row w = {
		.key = xstrdup((const char *)sqlite3_column_text(st, 0)),
		.stamp = xstrdup((const char *)sqlite3_column_text(st, 1)),
		.expected = sqlite3_column_int(st, 2) != 0, .found = sqlite3_column_int(st, 3) != 0,
	};

	read_sums(st, 4, &w.want, &w.got);
	w.verdict = judge(s, &w);
	c->wrong++;
	c->unexplained += w.verdict >= VERDICT_UNEXPLAINED;
	if (w.got.octets > w.want.octets || w.got.packets > w.want.packets ||
		w.got.flows > w.want.flows)
		c->lossy = false;
	if (c->n == COMPARE_KEPT) {
		free(w.key);
		free(w.stamp);
		return;
	}
	c->row[c->n++] = w;
}

int compare(struct comparison *c, struct rules *r, const struct rules_shape *shape)
{
	struct search s = { r, shape, NULL, NULL };
	sqlite3_stmt *st = NULL;
	int err = -1;

	memset(c, 0, sizeof(*c));
	c->lossy = true;
	if (find_wrong(r, shape) || totals(c, r, "expected", &c->want) ||
		totals(c, r, "actual", &c->got))
		return -1;
	c->row = xcalloc(COMPARE_KEPT, sizeof(*c->row));
	s.by_key = rules_prepare(r,
		"SELECT stamp, wp, wf, wo, wg, gp, gf, go, gg FROM wrong WHERE key = ? AND stamp "
		"<> ?");
	s.by_bin = rules_prepare(
		r, "SELECT wp, wf, wo, wg, gp, gf, go, gg FROM wrong WHERE key = ? AND stamp = ?");
	st = rules_prepare(r,
		"SELECT key, stamp, wanted, found, wp, wf, wo, wg, gp, gf, go, gg FROM wrong"
		" ORDER BY key, stamp");
	if (s.by_key && s.by_bin && st) {
		while ((err = sqlite3_step(st)) == SQLITE_ROW)
			take(c, &s, st);
		err = err == SQLITE_DONE ? 0 : -1;
	}
	sqlite3_finalize(st);
	sqlite3_finalize(s.by_key);
	sqlite3_finalize(s.by_bin);
	return err;
}

void compare_clear(struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->row[i].key);
		free(c->row[i].stamp);
	}
	free(c->row);
	memset(c, 0, sizeof(*c));
}
