/*
 * imt_query.c - see imt_query.h.  Values of a question are turned into the bytes
 * that a key holds, so that 10.0.0.1 and ::ffff:10.0.0.1, tcp and 6 are one.
 */
#include "nfacctd/imt_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/protonames.h"
#include "nfacctd/row_text.h"
#include "wire/addr.h"

/* One value that a row must have. */
struct want {
	const struct key_field *field;	/* NULL: not in the table, where all rows have 0 */
	uint8_t bytes[16];
	char text[PRIM_TEXT_MAX + 1];	/* of what is compared as text */
	bool by_text;
};

struct tuple {
	struct want want[KEY_FIELDS_MAX];
	size_t n;
};

/* Compared as it is printed, whatever it looks like; labels, directions and times may be, too. */
static bool as_text(enum prim_format f)
{
	return f == PRIM_MAC || f == PRIM_INSIDE_MAC || f == PRIM_CUSTOM_MAC || f == PRIM_RD ||
	       f == PRIM_CUSTOM_STR || f == PRIM_CUSTOM_RAW;
}

static bool want_value(struct want *w, const char *text)
{
	enum prim_format format = primitives[w->field->primitive].format;
	char plain[PRIM_TEXT_MAX + 1], *end;
	struct addr a;
	uint64_t v;

	snprintf(plain, sizeof(plain), "%s", text);
	if (primitive_is_address(&primitives[w->field->primitive])) {
		if (format == PRIM_NET)	/* "10.0.0.0/8": the key has the masked address alone */
			plain[strcspn(plain, "/")] = '\0';
		if (!addr_parse(&a, plain))
			return false;
		memcpy(w->bytes, &a, sizeof(a));
		return true;
	}
	if (w->field->width <= sizeof(v) && *text >= '0' && *text <= '9' && !as_text(format)) {
		v = strtoull(text, &end, format == PRIM_HEX || format == PRIM_CUSTOM_HEX ? 16 : 10);
		if (!*end && (w->field->width == sizeof(v) || v >> (8 * w->field->width) == 0)) {
			memcpy(w->bytes, &v, sizeof(v));
			return true;
		}
	}
	if (format == PRIM_PROTO || format == PRIM_INSIDE_PROTO) {
		int number = proto_number(text);

		w->bytes[0] = (uint8_t)number;
		return number >= 0;
	}
	w->by_text = as_text(format) || format == PRIM_TEXT || format == PRIM_CLASS ||
		format == PRIM_DIR || format == PRIM_TIME || format == PRIM_ARRIVAL ||
		format == PRIM_EXPORTED;
	snprintf(w->text, sizeof(w->text), "%s", text);
	return w->by_text;
}

/* False for a word that is no primitive; *field NULL for one that is not in the table. */
static bool field_named(
	const struct key_field **field, const struct key_layout *l, const char *name)
{
	struct aggregate_spec a;
	char why[160];

	*field = NULL;
	/* "sum_host" stands for the column that holds it. */
	if (!aggregate_parse(&a, name, why, sizeof(why)))
		return false;
	for (size_t i = 0; i < PRIMITIVES; i++)
		if (a.set >> i & 1) {
			*field = key_layout_find(l, (enum primitive_id)i);
			return true;
		}
	for (size_t i = 0; a.ncustom && i < l->nfields; i++)
		if (l->field[i].primitive == a.custom[0])
			*field = &l->field[i];
	return true;
}

/* What stands in a column that a table does not have. */
static bool is_nothing(const char *text)
{
	static const char *const nothings[] = { "", "0", "0.0.0.0", "::", "00:00:00:00:00:00",
		"unknown" };

	for (size_t i = 0; i < sizeof(nothings) / sizeof(nothings[0]); i++)
		if (strcmp(text, nothings[i]) == 0)
			return true;
	return false;
}

/* "src_host,proto" with "10.0.0.1,tcp"; the last value may hold commas, as labels do. */
static bool parse_tuple(struct tuple *t, const struct key_layout *l, const char *columns,
	const char *text, char *why, size_t why_size)
{
	char *names = xstrdup(columns), *values = xstrdup(text), *save = NULL, *value = values;
	bool good = true;

	t->n = 0;
	for (char *name = strtok_r(names, ",", &save); name && good;
		name = strtok_r(NULL, ",", &save)) {
		struct want *w = &t->want[t->n];
		char *next = value && *save ? strchr(value, ',') : NULL;

		bool known;

		memset(w, 0, sizeof(*w));
		known = field_named(&w->field, l, name);
		if (next)
			*next++ = '\0';
		good = false;
		if (!known)
			snprintf(why, why_size, "unknown primitive '%.60s'", name);
		else if (t->n == KEY_FIELDS_MAX - 1)
			snprintf(why, why_size, "too many primitives");
		else if (!value)
			snprintf(why, why_size, "\"%.100s\": no value for %.60s", text, name);
		else if (!w->field && !is_nothing(value))
			snprintf(why, why_size,
				"primitive \"%.60s\" is not in the aggregate of this table", name);
		else if (!w->field)
			good = true;
		else if (!want_value(w, value))
			snprintf(why, why_size, "%.60s: invalid value: \"%.100s\"", name, value);
		else
			good = true;
		t->n++;
		value = next;
	}
	if (good && value) {
		snprintf(why, why_size, "\"%.100s\": more values than primitives", text);
		good = false;
	}
	free(names);
	free(values);
	return good;
}

static bool matches(const struct tuple *t, const uint8_t *key, const struct print_style *style)
{
	char text[PRIM_TEXT_MAX + 1];

	for (size_t i = 0; i < t->n; i++) {
		const struct want *w = &t->want[i];

		if (!w->field)
			continue;
		if (!w->by_text && memcmp(key + w->field->offset, w->bytes, w->field->width) != 0)
			return false;
		if (w->by_text) {
			text[key_print(text, w->field, key, style)] = '\0';
			if (strcmp(text, w->text) != 0)
				return false;
		}
	}
	return true;
}

struct total {
	uint64_t packets, octets, flows, entries;
};

static void put_total(struct strbuf *b, enum imt_counter counter, const struct total *t)
{
	switch (counter) {
	case IMT_BYTES: strbuf_addf(b, "%" PRIu64 "\n", t->octets); break;
	case IMT_PACKETS: strbuf_addf(b, "%" PRIu64 "\n", t->packets); break;
	case IMT_FLOWS: strbuf_addf(b, "%" PRIu64 "\n", t->flows); break;
	case IMT_ALL:
		strbuf_addf(b, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", t->packets,
			t->octets, t->flows, t->entries);
		break;
	}
}

static void add_row(struct total *t, const struct imt_query *q, const struct sum_row *r)
{
	t->packets += r->sums.packets;
	t->octets += r->sums.octets;
	t->flows +=
		q->l->spec.flows ? r->sums.flows : 0; /* as in the table: 0 when not aggregated */
	t->entries++;
}

/* Every tuple of the question; of IMT_COUNT a line each, or one with -S. */
static bool choose(const struct imt_query *q, const struct print_style *style, struct strbuf *out,
	char *why, size_t why_size)
{
	const struct imt_request *r = q->request;
	struct tuple *t = xcalloc(1, sizeof(*t));
	struct total all = { 0 };
	bool good = r->columns && r->ntuples;

	if (!good)
		snprintf(why, why_size, "nothing to match");
	for (size_t i = 0; i < r->ntuples && good; i++) {
		struct total one = { 0 };

		good = parse_tuple(t, q->l, r->columns, r->tuple[i], why, why_size);
		for (size_t k = 0; k < q->nrows && good; k++) {
			if (!matches(t, q->rows[k].key, style))
				continue;
			add_row(&one, q, &q->rows[k]);
			add_row(&all, q, &q->rows[k]);
			q->chosen[k] = true;
		}
		if (good && r->ask == IMT_COUNT && !r->sum)
			put_total(out, r->counter, &one);
	}
	if (good && r->ask == IMT_COUNT && r->sum)
		put_total(out, r->counter, &all);
	free(t);
	return good;
}

static uint64_t counter_of(const struct sum_row *r, enum imt_counter c)
{
	return c == IMT_BYTES ? r->sums.octets : c == IMT_PACKETS ? r->sums.packets : r->sums.flows;
}

static int descending(const void *a, const void *b, void *counter)
{
	const struct sum_row *x = *(const struct sum_row *const *)a,
			     *y = *(const struct sum_row *const *)b;
	const enum imt_counter *by = counter;
	uint64_t m = counter_of(x, *by), n = counter_of(y, *by);

	/* Equal ones stay in the order of the table. */
	return m != n ? (m < n) - (m > n) : (x > y) - (x < y);
}

static void put_rows(const struct imt_query *q, const struct row_text *text, struct strbuf *out)
{
	const struct imt_request *r = q->request;
	const struct sum_row **row = xcalloc(q->nrows + 1, sizeof(*row));
	const struct purge none = { 0 };
	enum imt_counter by = r->top;
	size_t n = 0;

	for (size_t i = 0; i < q->nrows; i++)
		if (q->chosen[i])
			row[n++] = &q->rows[i];
	if (r->sorted)
		qsort_r(row, n, sizeof(*row), descending, &by);
	if (r->sorted && r->top_rows && n > r->top_rows)
		n = (size_t)r->top_rows;
	row_text_head(out, text);
	for (size_t i = 0; i < n; i++)
		row_text_row(out, text, &none, row[i]);
	if (r->output == IMT_FORMATTED || r->output == IMT_EVENT_FORMATTED)
		strbuf_addf(out, "\nFor a total of: %zu entries\n", n);
	free(row);
}

bool imt_query_answer(const struct imt_query *q, struct strbuf *out, char *why, size_t why_size)
{
	const struct imt_request *r = q->request;
	char separator[2] = { r->separator, '\0' };
	struct plugin_settings view = *q->p;
	struct row_text text;

	view.print_output = (enum print_format)r->output;
	view.print_separator = separator;
	view.num_protos = r->num_protos;
	view.timestamps_since_epoch |= r->epoch;
	view.timestamps_utc |= r->utc;
	memset(&view.history, 0, sizeof(view.history));
	row_text_init(&text, &view, q->l);
	if (r->all)
		row_text_all(&text);
	row_text_for_client(&text);
	if (r->ask == IMT_STATS)
		memset(q->chosen, true, q->nrows);
	else if (!choose(q, &text.style, out, why, why_size))
		return false;
	if (r->ask != IMT_COUNT)
		put_rows(q, &text, out);
	return true;
}
