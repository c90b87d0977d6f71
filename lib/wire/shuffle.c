#include "shuffle.h"

#include <assert.h>
#include <string.h>
#include "plan.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { NOWHERE = 0x80 };	/* of an order: zero */

/* ---- compiling ---- */

/* One window while it is made: for each octet where it comes from. */
struct making {
	struct plan_octet octet[SHUFFLE_OCTETS];
	size_t octets, at;
};

/* The part of column `c` that lies in the window; how many octets that are, 0 for none. */
static size_t take_column(struct making *m, const struct plan *p, const struct flow_column *c,
			  const struct flow_area *a)
{
	const uintptr_t from = (uintptr_t)c->at, base = (uintptr_t)a->at;
	const size_t width = flow_column_width(c), skip = flow_fields[c->field].width - width;
	size_t n = 0;

	if (c->step != a->step || from < base || from - base >= a->size)
		return 0;
	assert(!c->if_present && from - base + width <= a->size);
	for (size_t k = 0; k < width; k++) {
		const size_t at = from - base + k;

		if (at < m->at || at - m->at >= m->octets)
			continue;
		if (!plan_octet(p, c->field, skip + k, &m->octet[at - m->at]))
			return 0;
		n++;
	}
	return n;
}

/* Records are read sixteen octets at a time, and never behind their end. */
static bool add_steps(struct shuffle *s, const struct plan *p, const struct making *m,
		      struct shuffle_window *w)
{
	const uint32_t last = p->min_len - SHUFFLE_OCTETS;
	bool have[SHUFFLE_OCTETS] = { false };

	for (;;) {
		uint32_t src = UINT32_MAX;

		for (size_t i = 0; i < m->octets; i++)
			if (m->octet[i].from_record && !have[i] && m->octet[i].src < src)
				src = m->octet[i].src;
		if (src == UINT32_MAX)
			return true;
		if (s->nsteps == SHUFFLE_STEPS)
			return false;
		src = src < last ? src : last;
		memset(s->order[s->nsteps], NOWHERE, SHUFFLE_OCTETS);
		for (size_t i = 0; i < m->octets; i++) {
			const struct plan_octet *o = &m->octet[i];

			if (!o->from_record || o->src < src || o->src - src >= SHUFFLE_OCTETS)
				continue;
			s->order[s->nsteps][i] = (uint8_t)(o->src - src);
			have[i] = true;
		}
		/* Twice from one place would be harmless: the same octet. */
		s->src[s->nsteps++] = (uint16_t)src;
		w->nsteps++;
	}
}

/* The columns that a compilation looks at, and how much of each is in windows. */
struct columns {
	const struct flow_column *column;
	size_t n;
	uint8_t covered[SHUFFLE_COLUMNS];
};

/* What does not fit is left to others. */
static void add_window(struct shuffle *s, const struct plan *p, struct columns *c,
		       const struct flow_area *a, struct shuffle_window w)
{
	struct making m = { .octets = w.octets, .at = w.at };
	uint8_t here[SHUFFLE_COLUMNS];
	size_t filled = 0;

	for (size_t i = 0; i < c->n; i++) {
		here[i] = (uint8_t)take_column(&m, p, &c->column[i], a);
		filled += here[i];
	}
	if (filled == 0 || s->nwindows == SHUFFLE_WINDOWS)
		return;
	w.first = (uint8_t)s->nsteps;
	if (!add_steps(s, p, &m, &w)) {
		s->nsteps = w.first;
		return;
	}
	for (size_t i = 0; i < m.octets; i++)
		s->always[s->nwindows][i] = m.octet[i].always;
	s->window[s->nwindows++] = w;
	for (size_t i = 0; i < c->n; i++)
		c->covered[i] = (uint8_t)(c->covered[i] + here[i]);
}

void shuffle_compile(struct shuffle *s, const struct plan *p, const struct flow_column *column,
		     size_t ncolumns, const struct flow_area *area, size_t nareas)
{
	struct columns c = { .column = column,
		.n = ncolumns < SHUFFLE_COLUMNS ? ncolumns : SHUFFLE_COLUMNS };

	memset(s, 0, sizeof(*s));
	if (p->min_len < SHUFFLE_OCTETS)
		return;
	for (size_t i = 0; i < nareas && i <= UINT8_MAX; i++) {
		struct shuffle_window w = { .area = (uint8_t)i };

		for (; w.at < area[i].size; w.at = (uint16_t)(w.at + w.octets)) {
			w.octets = area[i].size - w.at < SHUFFLE_OCTETS ? 8 : SHUFFLE_OCTETS;
			add_window(s, p, &c, &area[i], w);
		}
	}
	for (size_t i = 0; i < c.n; i++)
		s->done |= (uint64_t)(c.covered[i] == flow_column_width(&column[i])) << i;
}

/* ---- running ---- */

#ifdef __x86_64__

#define CAN __attribute__((target("ssse3")))
/* Loops over a constant number of steps: gcc -O2 keeps them, and the orders in memory. */
#define UNROLL _Pragma("GCC unroll 3")

bool shuffle_possible(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSSE3;
}

typedef void fill_fn(const struct shuffle *s, size_t window, uint8_t *to, size_t to_step,
		     const uint8_t *data, size_t step, size_t n);

/* Inlined with constants; with 0 steps: as many as the window says. */
CAN static inline __attribute__((always_inline)) void fill(
	const struct shuffle *s, size_t window, uint8_t *to, size_t to_step, const uint8_t *data,
	size_t step, size_t n, size_t nsteps, bool half)
{
	const struct shuffle_window *w = &s->window[window];
	const __m128i always = _mm_loadu_si128((const __m128i *)s->always[window]);
	const size_t steps = nsteps ? nsteps : w->nsteps;
	__m128i order[SHUFFLE_STEPS];
	size_t src[SHUFFLE_STEPS];

	UNROLL
	for (size_t k = 0; k < steps; k++) {
		order[k] = _mm_loadu_si128((const __m128i *)s->order[w->first + k]);
		src[k] = s->src[w->first + k];
	}
	for (size_t i = 0; i < n; i++, to += to_step, data += step) {
		__m128i v = always;

		UNROLL
		for (size_t k = 0; k < steps; k++) {
			const __m128i from = _mm_loadu_si128((const __m128i *)(data + src[k]));

			v = _mm_or_si128(v, _mm_shuffle_epi8(from, order[k]));
		}
		if (half)
			_mm_storel_epi64((__m128i *)to, v);
		else
			_mm_storeu_si128((__m128i *)to, v);
	}
}

#define FILL(name, nsteps, half) \
	CAN static void name(const struct shuffle *s, size_t window, uint8_t *to, size_t to_step, \
			     const uint8_t *data, size_t step, size_t n) \
	{ \
		fill(s, window, to, to_step, data, step, n, nsteps, half); \
	}
FILL(fill_any, 0, false)
FILL(fill_1, 1, false)
FILL(fill_2, 2, false)
FILL(fill_3, 3, false)
FILL(half_any, 0, true)
FILL(half_1, 1, true)
FILL(half_2, 2, true)
#undef FILL

void shuffle_fill(const struct shuffle *s, const struct flow_area *area, const uint8_t *data,
		  size_t step, size_t n)
{
	static fill_fn *const whole[] = { fill_any, fill_1, fill_2, fill_3 };
	static fill_fn *const halves[] = { half_any, half_1, half_2 };

	for (size_t i = 0; i < s->nwindows; i++) {
		const struct shuffle_window *w = &s->window[i];
		const struct flow_area *a = &area[w->area];
		fill_fn *const run = w->octets == SHUFFLE_OCTETS ? whole[w->nsteps < 4 ? w->nsteps : 0]
								 : halves[w->nsteps < 3 ? w->nsteps : 0];

		run(s, i, a->at + w->at, a->step, data, step, n);
	}
}

#else

bool shuffle_possible(void)
{
	return false;
}

void shuffle_fill(const struct shuffle *s, const struct flow_area *area, const uint8_t *data,
		  size_t step, size_t n)
{
	(void)s;
	(void)area;
	(void)data;
	(void)step;
	(void)n;
	assert(false);
}

#endif
