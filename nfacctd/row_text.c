/*
 * row_text.c - see row_text.h.  A row is the key's primitives in the order of
 * primitives.def, tcp_flags among them, then the counters.
 */
#include "nfacctd/row_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What JSON writes without quotes, and how wide the column of the formatted output is. */
static const struct {
	bool number;
	unsigned width;
} forms[PRIM_FORMATS] = {
	[PRIM_TAG] = { true, 10 }, [PRIM_MAC] = { false, 17 }, [PRIM_NUM] = { true, 10 },
	[PRIM_HEX] = { false, 5 }, [PRIM_PROTO] = { false, 10 }, [PRIM_HOST] = { false, 45 },
	[PRIM_NET] = { false, 45 }, [PRIM_TEXT] = { false, 16 }, [PRIM_FLAGS] = { false, 3 },
	[PRIM_CLASS] = { false, 16 }, [PRIM_EXPORTER] = { false, 45 }, [PRIM_RATE] = { true, 10 },
	[PRIM_DIR] = { false, 1 }, [PRIM_TIME] = { false, 29 }, [PRIM_ARRIVAL] = { false, 29 },
	[PRIM_EXPORTED] = { false, 29 }, [PRIM_SEQNO] = { true, 10 }, [PRIM_VERSION] = { true, 5 },
	[PRIM_SYSID] = { true, 10 }, [PRIM_ELEMENT] = { true, 10 }, [PRIM_RD] = { false, 18 },
	[PRIM_DEPTH] = { true, 3 }, [PRIM_VNI] = { true, 8 }, [PRIM_INSIDE_MAC] = { false, 17 },
	[PRIM_INSIDE_HOST] = { false, 45 }, [PRIM_INSIDE_PROTO] = { false, 10 },
	[PRIM_INSIDE_NUM] = { true, 10 },
};

enum { COUNTER_WIDTH = 20 };

static bool is_event(const struct row_text *t)
{
	return t->p->print_output == PRINT_EVENT_CSV || t->p->print_output == PRINT_EVENT_FORMATTED;
}

static bool is_csv(const struct row_text *t)
{
	return t->p->print_output == PRINT_CSV || t->p->print_output == PRINT_EVENT_CSV;
}

/* Numbers that are never long, as the reference sets them. */
static const uint8_t narrow[PRIMITIVES] = {
	[PRIM_ID_src_port] = 8,
	[PRIM_ID_dst_port] = 8,
	[PRIM_ID_src_mask] = 8,
	[PRIM_ID_dst_mask] = 8,
	[PRIM_ID_vlan] = 5,
	[PRIM_ID_tos] = 5,
};

static unsigned width_of(const struct primitive *p)
{
	unsigned name = (unsigned)strlen(p->csv), form = p->digits;

	if (p < primitives + PRIMITIVES)
		form = narrow[p - primitives];
	if (!form)
		form = forms[p->format].width;

	return name > form ? name : form;
}

static void add_column(struct row_text *t, size_t id, const struct key_field *f)
{
	t->column[t->ncolumns++] =
		(struct row_column){ &primitives[id], f, width_of(&primitives[id]), false };
}

/* The key's fields, with tcp_flags where they stand; a user's own are the last. */
static void find_columns(struct row_text *t)
{
	for (int id = 0; id < PRIMITIVES; id++) {
		const struct key_field *f = key_layout_find(t->l, (enum primitive_id)id);

		if (!f && !(primitives[id].format == PRIM_FLAGS && t->l->spec.tcpflags))
			continue;
		add_column(t, (size_t)id, f);
	}
	for (size_t i = t->l->nfields - t->l->spec.ncustom; i < t->l->nfields; i++)
		add_column(t, t->l->field[i].primitive, &t->l->field[i]);
}

void row_text_init(struct row_text *t, const struct plugin_settings *p, const struct key_layout *l)
{
	const char *sep = p->print_separator && *p->print_separator ? p->print_separator : ",";

	memset(t, 0, sizeof(*t));
	t->p = p;
	t->l = l;
	t->flows = l->spec.flows;
	t->style = (struct print_style) { .num_protos = p->num_protos,
		.epoch = p->timestamps_since_epoch,
		.utc = p->timestamps_utc,
		.rfc3339 = p->timestamps_rfc3339 };
	if (strcmp(sep, "\\t") == 0)
		sep = "\t";
	else if (strcmp(sep, "\\s") == 0)
		sep = " ";
	snprintf(t->separator, sizeof(t->separator), "%.1s", sep);
	find_columns(t);
	/* Only of labels, and of what a name, a time or an address is made of. */
	t->quotes = isalnum((unsigned char)sep[0]) || strchr(" .:-", sep[0]);
	for (size_t i = 0; i < t->ncolumns; i++)
		t->quotes = t->quotes || t->column[i].primitive->format == PRIM_TEXT ||
			    t->column[i].primitive->format == PRIM_CUSTOM_STR;
}

void row_text_all(struct row_text *t)
{
	const struct row_column *own = t->column + t->ncolumns - t->l->spec.ncustom;
	struct row_column column[KEY_FIELDS_MAX];
	size_t n = 0, from = 0;

	for (size_t id = 0; id < PRIMITIVES; id++) {
		if (from < t->ncolumns && t->column[from].primitive == &primitives[id]) {
			column[n++] = t->column[from++];
			continue;
		}
		t->nothing[id] = (struct key_field){ (uint8_t)id, sizeof(uint64_t), 0 };
		column[n++] = (struct row_column){ &primitives[id], &t->nothing[id],
			width_of(&primitives[id]), true };
	}
	memcpy(column + n, own, t->l->spec.ncustom * sizeof(*own));
	t->ncolumns = n + t->l->spec.ncustom;
	memcpy(t->column, column, t->ncolumns * sizeof(column[0]));
	t->flows = true;
}

static bool is_interface(const struct row_column *c)
{
	return c->primitive == &primitives[PRIM_ID_in_iface] ||
		c->primitive == &primitives[PRIM_ID_out_iface];
}

void row_text_for_client(struct row_text *t)
{
	struct row_column sorted[KEY_FIELDS_MAX];
	size_t n = 0;

	t->client = true;
	t->style.rfc3339 = true;
	t->style.zero_is_1970 = true;
	if (t->p->print_output == PRINT_JSON)
		return;
	for (int turn = 0; turn < 3; turn++)	/* tag to class, interfaces, the rest */
		for (size_t i = 0; i < t->ncolumns; i++) {
			const struct row_column *c = &t->column[i];
			int at = is_interface(c)                            ? 1
				: c->primitive > &primitives[PRIM_ID_class] ? 2
									    : 0;

			if (at == turn)
				sorted[n++] = *c;
		}
	memcpy(t->column, sorted, n * sizeof(sorted[0]));
}

void row_text_head(struct strbuf *b, const struct row_text *t)
{
	static const char *const counters[] = { "PACKETS", "FLOWS", "BYTES" };
	bool any = false;

	if (t->p->print_output == PRINT_JSON)
		return;
	for (size_t i = 0; i < t->ncolumns; i++, any = true) {
		const struct row_column *c = &t->column[i];

		if (is_csv(t))
			strbuf_addf(b, "%s%s", any ? t->separator : "", c->primitive->csv);
		else
			strbuf_addf(b, "%-*s  ", (int)c->width, c->primitive->csv);
	}
	for (size_t i = 0; i < 3 && !is_event(t); i++) {
		if (i == 1 && !t->flows)
			continue;
		if (is_csv(t))
			strbuf_addf(b, "%s%s", any ? t->separator : "", counters[i]);
		else if (i < 2)
			strbuf_addf(b, "%-*s  ", COUNTER_WIDTH, counters[i]);
		else
			strbuf_add(b, counters[i]);
		any = true;
	}
	strbuf_add(b, "\n");
}

/*
 * The reference prints addresses that nobody named, other than those of the flow's ends, as
 * nothing, but in its table for people.
 */
static bool is_unnamed_hop(
	const struct row_text *t, const struct row_column *c, const struct sum_row *r)
{
	const ptrdiff_t id = c->primitive - primitives;
	struct addr a;

	if ((id != PRIM_ID_peer_dst_ip && id != PRIM_ID_post_nat_src_host &&
	     id != PRIM_ID_post_nat_dst_host && c->primitive->format != PRIM_INSIDE_HOST) ||
	    t->client ||
	    (!is_csv(t) && t->p->print_output != PRINT_JSON))
		return false;
	memcpy(a.b, (const uint8_t *)r->key + c->field->offset, sizeof(a.b));
	return addr_is_zero(&a);
}

/* A key that says nothing of it. */
static const uint8_t *nothing_of(const struct primitive *p)
{
	static const uint8_t zeros[sizeof(struct addr)], no_direction[] = { 255 };
	static const uint8_t nobody[sizeof(struct addr)] = { [10] = 0xff, [11] = 0xff };

	if (p->format == PRIM_DIR)
		return no_direction;
	return primitive_is_address(p) ? nobody : zeros;
}

static size_t field_text(char *buf, const struct row_text *t, const struct row_column *c,
			 const struct sum_row *r)
{
	if (!c->absent && is_unnamed_hop(t, c, r)) {
		*buf = '\0';
		return 0;
	}
	if (c->absent)
		return key_print(buf, c->field, nothing_of(c->primitive), &t->style);
	if (!c->field)		/* tcp_flags */
		return number_print(buf, r->sums.tcp_flags);
	return key_print(buf, c->field, r->key, &t->style);
}

/* RFC 4180: quotes when the text would break the line's columns. */
static void csv_field(struct strbuf *b, const char *text, size_t n, const char *separator)
{
	bool plain = true;

	for (size_t i = 0; i < n; i++)
		if (text[i] == separator[0] || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
			plain = false;
	if (plain) {
		strbuf_addn(b, text, n);
		return;
	}
	strbuf_add(b, "\"");
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"')
			strbuf_add(b, "\"");
		strbuf_addn(b, &text[i], 1);
	}
	strbuf_add(b, "\"");
}

/* By hand into the buffer: a purge prints millions of values. */
static void csv_row(struct strbuf *b, const struct row_text *t, const struct sum_row *r)
{
	char *to = strbuf_room(b, (t->ncolumns + 3) * (PRIM_TEXT_MAX + 1) + 1);
	const char *start = to;
	const char sep = t->separator[0];

	for (size_t i = 0; i < t->ncolumns; i++) {
		to += field_text(to, t, &t->column[i], r);
		*to++ = sep;
	}
	if (is_event(t)) {
		to -= to != start;
	} else {
		to += number_print(to, r->sums.packets);
		*to++ = sep;
		if (t->flows) {
			to += number_print(to, r->sums.flows);
			*to++ = sep;
		}
		to += number_print(to, r->sums.octets);
	}
	*to++ = '\n';
	strbuf_used(b, to);
}

static void quoted_row(struct strbuf *b, const struct row_text *t, const struct sum_row *r)
{
	char text[PRIM_TEXT_MAX + 1];
	const char *gap = "";

	for (size_t i = 0; i < t->ncolumns; i++) {
		size_t len = field_text(text, t, &t->column[i], r);

		strbuf_add(b, gap);
		csv_field(b, text, len, t->separator);
		gap = t->separator;
	}
	if (!is_event(t)) {
		strbuf_addf(b, "%s%" PRIu64, gap, r->sums.packets);
		if (t->flows)
			strbuf_addf(b, "%s%" PRIu64, t->separator, r->sums.flows);
		strbuf_addf(b, "%s%" PRIu64, t->separator, r->sums.octets);
	}
	strbuf_add(b, "\n");
}

static void formatted_row(struct strbuf *b, const struct row_text *t, const struct sum_row *r)
{
	char text[PRIM_TEXT_MAX + 1];

	for (size_t i = 0; i < t->ncolumns; i++) {
		size_t len = field_text(text, t, &t->column[i], r);

		strbuf_addf(b, "%-*.*s  ", (int)t->column[i].width, (int)len, text);
	}
	if (!is_event(t)) {
		strbuf_addf(b, "%-*" PRIu64 "  ", COUNTER_WIDTH, r->sums.packets);
		if (t->flows)
			strbuf_addf(b, "%-*" PRIu64 "  ", COUNTER_WIDTH, r->sums.flows);
		strbuf_addf(b, "%" PRIu64, r->sums.octets);
	}
	strbuf_add(b, "\n");
}

void row_text_json(struct strbuf *b, const char *text, size_t n)
{
	strbuf_add(b, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			strbuf_add(b, "\\");
		if (c < ' ')
			strbuf_addf(b, "\\u%04x", c);
		else
			strbuf_addn(b, &text[i], 1);
	}
	strbuf_add(b, "\"");
}

static void json_stamp(struct strbuf *b, const struct row_text *t, const char *name, int64_t when)
{
	char text[48];
	size_t n = stamp_print(text, when, &t->style);

	zone_print(text + n, when, &t->style);
	strbuf_addf(b, "\"%s\": \"%s\", ", name, text);
}

/* The SQL name of table version 8 and later, but for class, which is class_id only in SQL. */
static const char *json_key(const struct primitive *p)
{
	return p->format == PRIM_CLASS ? p->name : p->sql8;
}

static void json_row(struct strbuf *b, const struct row_text *t, const struct purge *p,
		     const struct sum_row *r)
{
	char text[PRIM_TEXT_MAX + 1];

	strbuf_add(b, t->client ? "{" : "{\"event_type\": \"purge\", ");
	for (size_t i = 0; i < t->ncolumns; i++) {
		const struct row_column *c = &t->column[i];
		size_t len = field_text(text, t, c, r);

		strbuf_addn(b, "\"", 1);
		strbuf_add(b, json_key(c->primitive));
		strbuf_addn(b, "\": ", 3);
		if (forms[c->primitive->format].number)
			strbuf_addn(b, text, len);
		else
			row_text_json(b, text, len);
		strbuf_addn(b, ", ", 2);
	}
	if (t->p->history.seconds || t->p->history.months) {
		json_stamp(b, t, "stamp_inserted", r->bin);
		json_stamp(b, t, "stamp_updated", p->now);
	}
	/* The client has flows behind packets, as every table has. */
	if (t->flows && !t->client)
		strbuf_addf(b, "\"flows\": %" PRIu64 ", ", r->sums.flows);
	strbuf_addf(b, "\"packets\": %" PRIu64 ", ", r->sums.packets);
	if (t->flows && t->client)
		strbuf_addf(b, "\"flows\": %" PRIu64 ", ", r->sums.flows);
	strbuf_addf(b, "\"bytes\": %" PRIu64 "}\n", r->sums.octets);
}

void row_text_row(struct strbuf *b, const struct row_text *t, const struct purge *p,
		  const struct sum_row *r)
{
	if (t->p->print_output == PRINT_JSON)
		json_row(b, t, p, r);
	else if (!is_csv(t))
		formatted_row(b, t, r);
	else if (t->quotes)
		quoted_row(b, t, r);
	else
		csv_row(b, t, r);
}

/* "name/pid", as the reference names its writers. */
static void json_writer(struct strbuf *b, const struct row_text *t, const char *event, long writer)
{
	char id[256];
	int n = snprintf(id, sizeof(id), "%s/%ld", t->p->name, writer);

	strbuf_addf(b, "{\"event_type\": \"%s\", \"writer_id\": ", event);
	row_text_json(b, id, n < (int)sizeof(id) ? (size_t)n : sizeof(id) - 1);
}

void row_text_start(struct strbuf *b, const struct row_text *t, long writer)
{
	if (t->p->print_output != PRINT_JSON) {
		strbuf_addf(b, "--START (%ld)--\n", writer);
		return;
	}
	json_writer(b, t, "purge_init", writer);
	strbuf_add(b, "}\n");
}

void row_text_end(struct strbuf *b, const struct row_text *t, long writer, size_t nrows,
		  unsigned seconds)
{
	if (t->p->print_output != PRINT_JSON) {
		strbuf_addf(b, "--END (%ld)--\n", writer);
		return;
	}
	json_writer(b, t, "purge_close", writer);
	strbuf_addf(b, ", \"purged_entries\": %zu, \"total_entries\": %zu, \"duration\": %u}\n",
		    nrows, nrows, seconds);
}
