#include "nfacctd/sample.h"

#include <string.h>
#include "nfacctd/row_text.h"
#include "nfacctd/sql_columns.h"

enum { PACKET = 64 };

void sample_row(struct strbuf *b, const struct plugin_settings *p, int64_t now)
{
	const bool text = strcmp(p->type, "print") == 0 || strcmp(p->type, "memory") == 0;
	const uint8_t key[KEY_BYTES_MAX] = { 0 };
	const struct sum_row row = { .bin = now, .sums = { 1, PACKET, 1, 0 }, .key = key };
	const struct purge purge = { .id = 1, .now = now, .rows = &row, .nrows = 1 };
	struct plugin_settings json = *p;
	struct sql_columns columns;
	struct key_layout l;
	struct row_text t;
	char line[1024], why[256];

	key_layout_make(&l, &p->aggregate);
	if (text) {
		json.print_output = PRINT_JSON;
		row_text_init(&t, &json, &l);
		row_text_row(b, &t, &purge, &row);
		b->s[--b->n] = '\0';	/* its newline */
	} else if (sql_columns_make(&columns, p, &l, why, sizeof(why))) {
		sql_row_describe(line, sizeof(line), &columns, &purge, &row);
		strbuf_add(b, line);
	} else {
		strbuf_add(b, why);
	}
}
