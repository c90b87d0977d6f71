/*
 * report.c - see report.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/report.h"

int report_bins(struct report_plugin *p, struct rules *r)
{
	sqlite3_stmt *st = rules_prepare(
		r, "SELECT stamp FROM expected UNION SELECT stamp FROM actual ORDER BY 1");

	if (!st)
		return -1;
	while (sqlite3_step(st) == SQLITE_ROW) {
		p->bin = xrealloc(p->bin, (p->nbins + 1) * sizeof(*p->bin));
		p->bin[p->nbins++] = xstrdup((const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
	return 0;
}

void report_plugin_clear(struct report_plugin *p)
{
	compare_clear(&p->result);
	for (size_t i = 0; i < p->nbins; i++)
		free(p->bin[i]);
	free(p->bin);
	p->bin = NULL;
	p->nbins = 0;
}

/* "bytes 100 expected, 200 found (+100), packets ..." of one row. */
static void sums_text(struct strbuf *b, const struct report_plugin *p, const struct wrong_row *w)
{
	const struct {
		const char *name;
		bool written;
		counter want, got;
	} sums[] = {
		{ "bytes", true, w->want.octets, w->got.octets },
		{ "packets", true, w->want.packets, w->got.packets },
		{ "flows", p->shape.flows, w->want.flows, w->got.flows },
		{ "tcp_flags", p->shape.flags, w->want.flags, w->got.flags },
	};
	const char *gap = "";
	char want[44], got[44], delta[48];

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		if (!sums[i].written || (sums[i].want == sums[i].got && i > 1))
			continue;
		strbuf_addf(b, "%s%s %s expected, %s found (%s)", gap, sums[i].name,
			counter_text(want, sums[i].want), counter_text(got, sums[i].got),
			delta_text(delta, sums[i].want, sums[i].got));
		gap = ", ";
	}
}

static void row_text(struct strbuf *b, const struct report_plugin *p, const struct wrong_row *w)
{
	compare_key_text(b, &p->shape, w->key);
	if (p->shape.history)
		strbuf_addf(b, "%sbin %s", b->n ? " " : "", w->stamp);
	strbuf_add(b, ": ");
	sums_text(b, p, w);
	strbuf_addf(b, ": %s", w->why);
}

void report_text(FILE *to, const struct report_plugin *p, size_t n)
{
	uint64_t shown = 0, wrong = 0;
	struct strbuf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		wrong += p[i].result.wrong;
		for (size_t k = 0; k < p[i].result.n && shown < REPORT_ROWS; k++, shown++) {
			strbuf_reset(&b);
			row_text(&b, &p[i], &p[i].result.row[k]);
			fprintf(to, "wrong: plugin %s: %s\n", p[i].plugin->name, b.s);
		}
	}
	if (wrong > shown)
		fprintf(to, "wrong: ... and %" PRIu64 " more\n", wrong - shown);
	strbuf_clear(&b);
}

/* ---- JUnit ------------------------------------------------------------------------- */

/* Text as XML has it; control characters have no place in XML 1.0. */
static void xml(FILE *to, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': fputs("&amp;", to); break;
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '"': fputs("&quot;", to); break;
		default: fputc((unsigned char)*text < ' ' && *text != '\t' ? ' ' : *text, to);
		}
}

static void junit_case(FILE *to, const struct report_plugin *p, const char *bin)
{
	struct strbuf b = { 0 };
	uint64_t wrong = 0;

	for (size_t i = 0; i < p->result.n; i++)
		wrong += !strcmp(p->result.row[i].stamp, bin);
	fprintf(to, "    <testcase classname=\"");
	xml(to, p->plugin->name);
	fprintf(to, "\" name=\"bin ");
	xml(to, *bin ? bin : "all");
	if (!wrong) {
		fprintf(to, "\"/>\n");
		return;
	}
	fprintf(to, "\">\n      <failure message=\"%" PRIu64 " wrong rows\">", wrong);
	for (size_t i = 0, shown = 0; i < p->result.n && shown < REPORT_ROWS; i++) {
		if (strcmp(p->result.row[i].stamp, bin))
			continue;
		strbuf_reset(&b);
		row_text(&b, p, &p->result.row[i]);
		xml(to, b.s);
		fputc('\n', to);
		shown++;
	}
	fprintf(to, "</failure>\n    </testcase>\n");
	strbuf_clear(&b);
}

static size_t failing_bins(const struct report_plugin *p)
{
	size_t failing = 0;

	for (size_t b = 0; b < p->nbins; b++)
		for (size_t i = 0; i < p->result.n; i++)
			if (!strcmp(p->result.row[i].stamp, p->bin[b])) {
				failing++;
				break;
			}
	return failing;
}

void report_junit(FILE *to, const struct report_plugin *p, size_t n)
{
	size_t tests = 0, failures = 0;

	for (size_t i = 0; i < n; i++) {
		tests += p[i].nbins;
		failures += failing_bins(&p[i]);
	}
	fprintf(to,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pcapgen verify\" "
		"tests=\"%zu\""
		" failures=\"%zu\">\n",
		tests, failures);
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "  <testsuite name=\"");
		xml(to, p[i].plugin->name);
		fprintf(to, "\" tests=\"%zu\" failures=\"%zu\">\n", p[i].nbins,
			failing_bins(&p[i]));
		for (size_t b = 0; b < p[i].nbins; b++)
			junit_case(to, &p[i], p[i].bin[b]);
		fprintf(to, "  </testsuite>\n");
	}
	fprintf(to, "</testsuites>\n");
}

/* ---- JSON --------------------------------------------------------------------------- */

static void json_text(FILE *to, const char *text, size_t n)
{
	fputc('"', to);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < ' ')
			fprintf(to, "\\u%04x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

static void json_string(FILE *to, const char *name, const char *text)
{
	fprintf(to, "\"%s\": ", name);
	json_text(to, text, strlen(text));
}

static void json_sums(FILE *to, const char *name, const struct report_plugin *p,
	const struct sums3 *s, bool flags)
{
	char octets[44], packets[44], flows[44];

	fprintf(to, "\"%s\": {\"bytes\": %s, \"packets\": %s", name,
		counter_text(octets, s->octets), counter_text(packets, s->packets));
	if (p->shape.flows)
		fprintf(to, ", \"flows\": %s", counter_text(flows, s->flows));
	if (p->shape.flags && flags)
		fprintf(to, ", \"tcp_flags\": %" PRIu32, s->flags);
	fputc('}', to);
}

static void json_row(FILE *to, const struct report_plugin *p, const struct wrong_row *w)
{
	const char *key = w->key;

	fprintf(to, "        {\"key\": {");
	for (size_t i = 0; i < p->shape.n; i++) {
		size_t n = strcspn(key, "\t");

		fprintf(to, "%s\"%s\": ", i ? ", " : "", p->shape.column[i].name);
		json_text(to, key, n);
		key += n + (key[n] == '\t');
	}
	fprintf(to, "}, ");
	json_string(to, "bin", w->stamp);
	fprintf(to, ", ");
	json_sums(to, "expected", p, &w->want, true);
	fprintf(to, ", ");
	json_sums(to, "found", p, &w->got, true);
	fprintf(to, ", ");
	json_string(to, "explanation", w->why);
	fprintf(to, "}");
}

static void json_plugin(FILE *to, const struct report_plugin *p)
{
	fprintf(to, "    {");
	json_string(to, "name", p->plugin->name);
	fprintf(to, ", ");
	json_string(to, "table", p->plugin->table);
	fprintf(to,
		", \"rows\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"unexplained\": %" PRIu64
		",\n     ",
		p->result.rows, p->result.wrong, p->result.unexplained);
	json_sums(to, "expected", p, &p->result.want, false);
	fprintf(to, ", ");
	json_sums(to, "found", p, &p->result.got, false);
	fprintf(to, ",\n     \"wrong_rows\": [");
	for (size_t i = 0; i < p->result.n; i++) {
		fprintf(to, "%s\n", i ? "," : "");
		json_row(to, p, &p->result.row[i]);
	}
	fprintf(to, "%s]}", p->result.n ? "\n     " : "");
}

void report_json(
	FILE *to, const struct report_plugin *p, size_t n, uint64_t flows, const char *verdict)
{
	fprintf(to, "{\n  ");
	json_string(to, "verdict", verdict);
	fprintf(to, ",\n  \"flows\": %" PRIu64 ",\n  \"plugins\": [\n", flows);
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s", i ? ",\n" : "");
		json_plugin(to, &p[i]);
	}
	fprintf(to, "\n  ]\n}\n");
}
