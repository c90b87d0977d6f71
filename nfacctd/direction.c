#include "nfacctd/direction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"

enum { LINE_BYTES = 512, EVERY = UINT32_MAX };

struct line {
	struct prefix exporter;
	uint32_t ifindex;	/* EVERY: any */
	enum direction_policy policy;
};

struct directions {
	struct line *line;
	size_t n;
};

bool direction_parse(enum direction_policy *p, const char *text)
{
	static const char *const names[] = { "both", "ingress", "egress" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*p = (enum direction_policy)i;
			return true;
		}
	}
	return false;
}

static bool parse_ifindex(uint32_t *v, const char *text)
{
	char *end;
	unsigned long n;

	*v = EVERY;
	if (strcmp(text, "*") == 0)
		return true;
	n = strtoul(text, &end, 10);
	*v = (uint32_t)n;
	return *text >= '0' && *text <= '9' && !*end && n < EVERY;
}

#define BETWEEN " \t\r\n,"

/* True for a line that means nothing; else *wrong says what is wrong with it, or NULL. */
static bool parse_line(struct line *l, char *text, const char **wrong)
{
	char *save = NULL, *word[4];
	size_t n = 0;

	*wrong = NULL;
	for (char *w = strtok_r(text, BETWEEN, &save); w && n < 4;
	     w = strtok_r(NULL, BETWEEN, &save))
		word[n++] = w;
	if (n == 0 || word[0][0] == '#' || word[0][0] == '!')
		return true;
	if (n != 3)
		*wrong = "expected an exporter, an ifIndex or *, and a policy";
	else if (!prefix_parse(&l->exporter, word[0], NULL))
		*wrong = "expected an address or prefix first";
	else if (!parse_ifindex(&l->ifindex, word[1]))
		*wrong = "expected an ifIndex or * behind the exporter";
	else if (!direction_parse(&l->policy, word[2]))
		*wrong = "expected both, ingress or egress at the end";
	return false;
}

struct directions *directions_load(const char *key, const char *path)
{
	FILE *f = fopen(path, "re");
	struct directions *m;
	char text[LINE_BYTES], line[LINE_BYTES];
	const char *wrong = NULL;
	unsigned number = 0;

	if (!f) {
		log_error_errno("%s: \"%s\"", key, path);
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	m->line = xcalloc(DIRECTION_LINES, sizeof(*m->line));
	while (!wrong && fgets(text, sizeof(text), f)) {
		number++;
		memcpy(line, text, sizeof(line));
		line[strcspn(line, "\r\n")] = '\0';
		if (!strchr(text, '\n') && !feof(f))
			wrong = "the line is too long";
		else if (m->n == DIRECTION_LINES)
			wrong = "too many lines, 4096 at most";
		else
			m->n += !parse_line(&m->line[m->n], text, &wrong);
	}
	fclose(f);
	if (wrong) {
		log_error("%s: %s:%u: \"%.100s\": %s", key, path, number, line, wrong);
		directions_free(m);
		return NULL;
	}
	return m;
}

void directions_free(struct directions *m)
{
	if (!m)
		return;
	free(m->line);
	free(m);
}

enum direction_policy directions_find(const struct directions *m, const struct addr *exporter,
				      const struct flow_record *r, enum direction_policy otherwise)
{
	const uint32_t ifindex = r->direction ? r->out_if : r->in_if;

	for (size_t i = 0; i < m->n; i++) {
		const struct line *l = &m->line[i];

		if ((l->ifindex == EVERY || l->ifindex == ifindex) &&
		    prefix_contains(&l->exporter, exporter))
			return l->policy;
	}
	return otherwise;
}
