/*
 * gate.c - see gate.h.
 */
#include "gate.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

enum { OWN_NS = 1000000000 };

struct gate *gate_new(const struct gate_limits *l, uint64_t seed)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->limits = *l;
	g->exporters = exporters_new(l->exporters, seed);
	if (g->exporters)
		return g;
	gate_free(g);
	errno = ENOMEM;
	return NULL;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	exporters_free(g->exporters);
	free(g->own);
	free(g);
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

static bool own_is(const struct gate *g, const struct endpoint *own, size_t n)
{
	size_t i;

	for (i = 0; n == g->nown && i < n && same(&own[i], &g->own[i]); i++)
		;
	return i == n && n == g->nown;
}

void gate_refresh(struct gate *g, const struct endpoint *own, size_t n)
{
	g->generation++;
	if (own_is(g, own, n))
		return;
	g->own_in_force = false;
	g->own_ns = 0;
	memset(g->own_ports, 0, sizeof(g->own_ports));
	g->own = xrealloc(g->own, (n + 1) * sizeof(*g->own));
	for (g->nown = 0; g->nown < n; g->nown++) {
		g->own[g->nown] = own[g->nown];
		g->own_ports[own[g->nown].port / 8] |= (uint8_t)(1u << own[g->nown].port % 8);
	}
}

size_t gate_own(const struct receivers *rs, struct endpoint *own)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const int fd = rs->pools[i].receivers[k]->out.fd;

			n += fd >= 0 && socket_local(fd, &own[n]) == 0;
		}
	}
	return n;
}

static bool is_own(const struct gate *g, const struct endpoint *from)
{
	if (!g->own_in_force || !(g->own_ports[from->port / 8] & 1u << from->port % 8))
		return false;
	for (size_t i = 0; i < g->nown; i++)
		if (same(&g->own[i], from))
			return true;
	return false;
}

static bool is_allowed(const struct gate *g, const struct receivers *rs, struct exporter *e)
{
	if (!e->known || e->generation != g->generation) {
		e->known = true;
		e->generation = g->generation;
		e->allowed = !rs->allow || lpm_find(rs->allow, &e->addr) != LPM_NONE;
	}
	return e->allowed;
}

static void say(struct gate *g, const struct endpoint *from, const char *what)
{
	char text[ENDPOINT_TEXT];

	if (log_allow(&g->log_us, clock_wall_us(), UINT64_C(60000000)))
		log_warn("exporter %s: %s", endpoint_print(from, text), what);
}

/* Whether a datagram comes in; counted where it does not. */
static bool passes(struct gate *g, const struct receivers *rs, const struct datagram *d,
		   uint64_t now_ns)
{
	struct exporter *e = exporters_count(g->exporters, d, now_ns);
	struct peek peek;
	uint32_t again;

	if (!is_allowed(g, rs, e)) {
		e->denied++;
		g->counts.denied++;
		return false;
	}
	if (is_own(g, &d->from)) {
		e->looped++;
		g->counts.looped++;
		say(g, &d->from,
			"is one of our own sockets: datagrams come back in a circle, and are "
			"dropped");
		return false;
	}
	wire_peek(&peek, d->data);
	if (g->limits.dedup && peek.protocol != PROTO_UNKNOWN &&
		dedup_seen(g->limits.dedup, d->data, now_ns)) {
		e->duplicates++;
		g->counts.duplicates++;
		return false;
	}
	again = e->again;
	exporters_sequence(g->exporters, e, d, &peek);
	if (exporter_circles(e, again, now_ns))
		say(g, &d->from,
			"sends the same numbers again, a thousand in a second: when datagrams run in "
			"a circle, dedup_window cuts it");
	if (g->limits.rate && !exporter_within(e, g->limits.rate, now_ns)) {
		e->limited++;
		g->counts.limited++;
		say(g, &d->from, "sends more than exporter_rate_limit allows, the rest is dropped");
		return false;
	}
	return true;
}

void gate_batch(struct gate *g, const struct receivers *rs, struct batch *b, uint64_t now_ns)
{
	size_t n = 0;

	/* A socket that is never empty: what waits in one is younger than this all the same. */
	if (!g->own_ns)
		g->own_ns = now_ns + OWN_NS;
	g->own_in_force |= now_ns >= g->own_ns;
	for (size_t i = 0; i < b->n; i++)
		if (passes(g, rs, &b->d[i], now_ns) && n++ != i)
			b->d[n - 1] = b->d[i];
	b->n = n;
}

/* ---- the allow list ----------------------------------------------------------- */

static struct lpm_entry *read_entries(const char *path, FILE *f, size_t *n, unsigned *errors)
{
	struct lpm_entry *entries = NULL;
	char *line = NULL;
	size_t room = 0;

	*n = 0;
	for (unsigned number = 1; getline(&line, &room, f) >= 0; number++) {
		char *p = line + strspn(line, " \t"), *end = p + strlen(p);

		while (end > p && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*p == '\0' || *p == '!' || *p == '#')
			continue;
		if ((*n & (*n - 1)) == 0)
			entries = xrealloc(entries, (*n ? 2 * *n : 1) * sizeof(*entries));
		entries[*n].value = 0;
		if (prefix_parse(&entries[*n].prefix, p, NULL)) {
			(*n)++;
			continue;
		}
		log_error(
			"%s:%u: allow: \"%.100s\": expected an address or a prefix as 192.0.2.0/24",
			path, number, p);
		(*errors)++;
	}
	free(line);
	return entries;
}

struct lpm *gate_read_allow(struct files *files, const char *path, unsigned *errors)
{
	FILE *f = files_open(files, path);
	struct lpm_entry *entries;
	struct lpm *t = NULL;
	const unsigned before = *errors;
	size_t n;

	if (!f) {
		log_error_errno("%s", path);
		(*errors)++;
		return NULL;
	}
	entries = read_entries(path, f, &n, errors);
	fclose(f);
	if (*errors == before) {
		if (n == 0)
			log_warn("%s: allows nobody", path);
		t = lpm_new(entries, n);
		if (!t) {
			log_error_errno("%s", path);
			(*errors)++;
		}
	}
	free(entries);
	return t;
}
