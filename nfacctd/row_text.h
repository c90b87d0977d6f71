/*
 * row_text.h - rows as people and scripts read them: CSV, JSON lines, columns.
 * Names and order as pmacct prints them (collector.md 10.1, 10.2).
 */
#ifndef ROW_TEXT_H
#define ROW_TEXT_H

#include "base/strbuf.h"
#include "nfacctd/sink.h"

/* One value of a row; without a field it is tcp_flags. */
struct row_column {
	const struct primitive *primitive;
	const struct key_field *field;
	unsigned width;		/* of the formatted output */
	bool absent;		/* not in the key: nothing, as it looks there */
};

struct row_text {
	const struct plugin_settings *p;
	const struct key_layout *l;
	struct print_style style;
	char separator[2];	/* of CSV: one character */
	bool quotes;		/* some value may hold the separator */
	bool client;		/* of pmacct(1): rows are no events of a purge */
	bool flows;
	size_t ncolumns;
	struct key_field nothing[PRIMITIVES];	/* of absent columns */
	struct row_column column[KEY_FIELDS_MAX];
};

void row_text_init(struct row_text *t, const struct plugin_settings *p, const struct key_layout *l);
/* A column for each primitive, in the key or not; before row_text_for_client(). */
void row_text_all(struct row_text *t);
/*
 * As the client pmacct(1) shows rows: interfaces come early, JSON has no event_type, times have
 * their zone.
 */
void row_text_for_client(struct row_text *t);
/* The line of names; nothing for JSON. */
void row_text_head(struct strbuf *b, const struct row_text *t);
void row_text_row(struct strbuf *b, const struct row_text *t, const struct purge *p,
		  const struct sum_row *r);
/* The markers around a purge, `writer` being the process. */
void row_text_start(struct strbuf *b, const struct row_text *t, long writer);
void row_text_end(struct strbuf *b, const struct row_text *t, long writer, size_t nrows,
		  unsigned seconds);

/* `text` as a JSON string with its quotes. */
void row_text_json(struct strbuf *b, const char *text, size_t n);

#endif /* ROW_TEXT_H */
