/*
 * preprocess.c - see preprocess.h.
 */
#include "nfacctd/preprocess.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfacctd/sink.h"

#define MEMBER(f) offsetof(struct preprocess, f)

static const struct {
	char name[8];
	size_t offset;
	bool negative;		/* may be */
} words[] = {
	{ "qnum", MEMBER(rows), false },
	{ "minp", MEMBER(least[PREPROCESS_PACKETS]), false },
	{ "minf", MEMBER(least[PREPROCESS_FLOWS]), false },
	{ "minb", MEMBER(least[PREPROCESS_OCTETS]), false },
	{ "minbpp", MEMBER(least[PREPROCESS_OCTETS_A_PACKET]), false },
	{ "minppf", MEMBER(least[PREPROCESS_PACKETS_A_FLOW]), false },
	{ "maxp", MEMBER(below[PREPROCESS_PACKETS]), false },
	{ "maxf", MEMBER(below[PREPROCESS_FLOWS]), false },
	{ "maxb", MEMBER(below[PREPROCESS_OCTETS]), false },
	{ "maxbpp", MEMBER(below[PREPROCESS_OCTETS_A_PACKET]), false },
	{ "maxppf", MEMBER(below[PREPROCESS_PACKETS_A_FLOW]), false },
	{ "usrf", MEMBER(factor), false },
	{ "adjb", MEMBER(a_packet), true },
};

/* One "name=number" that ends at `end`; false when it is none. */
static bool parse_word(struct preprocess *p, const char *word, const char *end)
{
	const char *equals = memchr(word, '=', (size_t)(end - word));
	uint64_t number;
	int64_t sign;
	char *stop;

	for (size_t i = 0; equals && i < sizeof(words) / sizeof(words[0]); i++) {
		if ((size_t)(equals - word) != strlen(words[i].name) ||
		    strncmp(word, words[i].name, (size_t)(equals - word)) != 0)
			continue;
		sign = words[i].negative && equals[1] == '-' ? -1 : 1;
		word = equals + (sign < 0 ? 2 : 1);
		errno = 0;
		number = strtoull(word, &stop, 10);
		if (*word < '0' || *word > '9' || stop != end || errno || number == 0 ||
		    (words[i].negative && number > INT32_MAX))
			return false;
		if (words[i].negative)
			p->a_packet = sign * (int64_t)number;
		else
			memcpy((char *)p + words[i].offset, &number, sizeof(number));
		return true;
	}
	return false;
}

bool preprocess_parse(struct preprocess *p, const char *value, const char **expected)
{
	*expected = "name=number, comma-separated, above 0; names qnum, minp, minf, minb, minbpp, "
		    "minppf, maxp, maxf, maxb, maxbpp, maxppf, usrf, adjb (fss, fsrc and recover "
		    "are not in this version)";
	memset(p, 0, sizeof(*p));
	while (*value) {
		const char *end, *stop;

		value += strspn(value, " \t");
		stop = value + strcspn(value, ",");
		for (end = stop; end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
			;
		if (!parse_word(p, value, end))
			return false;
		value = stop + (*stop == ',');
	}
	return preprocess_any(p);
}

bool preprocess_any(const struct preprocess *p)
{
	static const struct preprocess none;

	return memcmp(p, &none, sizeof(none)) != 0;
}

static uint64_t ratio(uint64_t a, uint64_t b)
{
	return b ? a / b : 0;
}

static bool passes(const struct preprocess *p, bool all, const struct sums *s)
{
	const uint64_t value[PREPROCESS_MEASURES] = {
		[PREPROCESS_PACKETS] = s->packets,
		[PREPROCESS_FLOWS] = s->flows,
		[PREPROCESS_OCTETS] = s->octets,
		[PREPROCESS_OCTETS_A_PACKET] = ratio(s->octets, s->packets),
		[PREPROCESS_PACKETS_A_FLOW] = ratio(s->packets, s->flows),
	};
	unsigned checks = 0, fit = 0;

	for (int m = 0; m < PREPROCESS_MEASURES; m++) {
		checks += (p->least[m] != 0 ? 1u : 0u) + (p->below[m] != 0 ? 1u : 0u);
		fit += p->least[m] != 0 && value[m] >= p->least[m];
		fit += p->below[m] != 0 && value[m] < p->below[m];
	}
	return checks == 0 || (all ? fit == checks : fit > 0);
}

/* A sum that passes 2^64 stays there: no column takes it, so its row will be refused by name. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void adjust(const struct preprocess *p, struct sums *s, struct preprocess_counts *c)
{
	const struct sums before = *s;
	const uint64_t a_packet = (uint64_t)(p->a_packet < 0 ? -p->a_packet : p->a_packet);
	uint64_t more;

	if (p->factor) {
		s->packets = times(s->packets, p->factor);
		s->octets = times(s->octets, p->factor);
	}
	more = times(s->packets, a_packet);
	if (p->a_packet >= 0)
		s->octets = plus(s->octets, more);
	else
		s->octets -= more < s->octets ? more : s->octets;
	c->raised_packets += s->packets - before.packets;
	if (s->octets >= before.octets)
		c->raised_octets += s->octets - before.octets;
	else
		c->lowered_octets += before.octets - s->octets;
}

size_t preprocess_rows(const struct preprocess *p, bool all, struct sum_row *rows, size_t n,
		       struct preprocess_counts *c)
{
	bool check = n >= p->rows;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct sum_row row = rows[i];

		if (check && !passes(p, all, &row.sums)) {
			c->unfit++;
			c->unfit_octets += row.sums.octets;
			c->unfit_packets += row.sums.packets;
			continue;
		}
		adjust(p, &row.sums, c);
		rows[kept++] = row;
	}
	return kept;
}
