/*
 * imt.c - see imt.h.
 */
#include "base/imt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const asks[] = { "stats", "count", "match", "erase", "age", "status", "classes",
	"customs" };
static const char *const counters[] = { "bytes", "packets", "flows", "all" };
static const char *const outputs[] = { "formatted", "csv", "json", "event_formatted", "event_csv" };

enum { ASKS = sizeof(asks) / sizeof(asks[0]), COUNTERS = sizeof(counters) / sizeof(counters[0]),
       OUTPUTS = sizeof(outputs) / sizeof(outputs[0]) };

static int find_word(const char *const *words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

bool imt_output_parse(enum imt_output *out, const char *word)
{
	int i = find_word(outputs, OUTPUTS, word);

	if (i >= 0)
		*out = (enum imt_output)i;
	return i >= 0;
}

bool imt_counter_parse(enum imt_counter *out, const char *word)
{
	int i = find_word(counters, COUNTERS, word);

	if (i >= 0)
		*out = (enum imt_counter)i;
	return i >= 0;
}

void imt_request_init(struct imt_request *q)
{
	memset(q, 0, sizeof(*q));
	q->separator = ',';
}

void imt_request_clear(struct imt_request *q)
{
	for (size_t i = 0; i < q->ntuples; i++)
		free(q->tuple[i]);
	free(q->tuple);
	free(q->columns);
	imt_request_init(q);
}

static char *copy(const char *text, size_t n)
{
	char *s = xmalloc(n + 1);

	memcpy(s, text, n);
	s[n] = '\0';
	return s;
}

int imt_request_add(struct imt_request *q, const char *tuple, size_t n)
{
	if (q->ntuples == IMT_TUPLES_MAX)
		return -1;
	if ((q->ntuples & (q->ntuples - 1)) == 0)	/* 0, 1, 2, 4, ...: double */
		q->tuple =
			xrealloc(q->tuple, (q->ntuples ? 2 * q->ntuples : 1) * sizeof(*q->tuple));
	q->tuple[q->ntuples++] = copy(tuple, n);
	return 0;
}

/* The flags of a request by name, for both directions. */
static const struct {
	const char *name;
	size_t offset;
} flags[] = {
	{ "sum", offsetof(struct imt_request, sum) },
	{ "reset", offsetof(struct imt_request, reset) },
	{ "num_protos", offsetof(struct imt_request, num_protos) },
	{ "epoch", offsetof(struct imt_request, epoch) },
	{ "utc", offsetof(struct imt_request, utc) },
	{ "all", offsetof(struct imt_request, all) },
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

void imt_request_write(struct strbuf *b, const struct imt_request *q)
{
	strbuf_addf(b, "ask %s\ncounter %s\noutput %s\nseparator %c\n", asks[q->ask],
		counters[q->counter], outputs[q->output], q->separator);
	if (q->sorted)
		strbuf_addf(b, "top %s\nrows %" PRIu64 "\n", counters[q->top], q->top_rows);
	for (size_t i = 0; i < FLAGS; i++)
		if (*(const bool *)((const char *)q + flags[i].offset))
			strbuf_addf(b, "flag %s\n", flags[i].name);
	if (q->columns)
		strbuf_addf(b, "columns %s\n", q->columns);
	for (size_t i = 0; i < q->ntuples; i++)
		strbuf_addf(b, "tuple %s\n", q->tuple[i]);
	strbuf_add(b, "\n");
}

/* One word into an enum that is an int; false when it is none of them. */
static bool take_word(void *to, const char *const *words, int n, const char *value)
{
	int i = find_word(words, n, value);

	if (i >= 0)
		memcpy(to, &i, sizeof(i));
	return i >= 0;
}

static bool take_flag(struct imt_request *q, const char *value)
{
	for (size_t i = 0; i < FLAGS; i++)
		if (strcmp(flags[i].name, value) == 0)
			return *(bool *)((char *)q + flags[i].offset) = true;
	return false;
}

static bool take_line(struct imt_request *q, const char *key, const char *value)
{
	_Static_assert(sizeof(enum imt_ask) == sizeof(int), "take_word() writes an int");
	if (strcmp(key, "ask") == 0)
		return take_word(&q->ask, asks, ASKS, value);
	if (strcmp(key, "counter") == 0)
		return take_word(&q->counter, counters, COUNTERS, value);
	if (strcmp(key, "output") == 0)
		return take_word(&q->output, outputs, OUTPUTS, value);
	if (strcmp(key, "top") == 0)
		return q->sorted = take_word(&q->top, counters, IMT_ALL, value);
	if (strcmp(key, "flag") == 0)
		return take_flag(q, value);
	if (strcmp(key, "tuple") == 0)
		return imt_request_add(q, value, strlen(value)) == 0;
	if (strcmp(key, "rows") == 0) {
		char *end;

		q->top_rows = strtoull(value, &end, 10);
		return *value >= '0' && *value <= '9' && !*end;
	}
	if (strcmp(key, "separator") == 0) {
		q->separator = value[0];
		return value[0] && !value[1];
	}
	if (strcmp(key, "columns") == 0) {
		free(q->columns);
		q->columns = xstrdup(value);
		return true;
	}
	return false;
}

bool imt_request_read(struct imt_request *q, const char *text, size_t n, const char **why)
{
	bool asked = false;

	imt_request_init(q);
	*why = "request is not whole";
	while (n) {
		const char *end = memchr(text, '\n', n), *gap;
		size_t len = end ? (size_t)(end - text) : 0;
		char *line;
		bool good;

		if (!end)
			return false;
		if (len == 0) {
			*why = asked ? NULL : "request does not ask";
			return asked;
		}
		line = copy(text, len);
		gap = memchr(line, ' ', len);
		good = gap && strlen(line) == len;
		if (good) {
			line[gap - line] = '\0';
			asked |= strcmp(line, "ask") == 0;
			good = take_line(q, line, gap + 1);
		}
		free(line);
		if (!good) {
			*why = "request has a line that is not understood";
			return false;
		}
		text += len + 1;
		n -= len + 1;
	}
	return false;
}
