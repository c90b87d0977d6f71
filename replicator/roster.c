/*
 * roster.c - see roster.h.
 */
#include "roster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"

void roster_init(struct roster *r, const struct receivers *rs)
{
	*r = (struct roster){ .entries = xcalloc(receivers_count(rs) + 1, sizeof(*r->entries)) };
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			r->entries[r->n++] = (struct roster_entry){ &rs->pools[i],
				rs->pools[i].receivers[k], false };
}

void roster_clear(struct roster *r)
{
	free(r->entries);
	*r = (struct roster){ 0 };
}

int roster_name(char text[static ROSTER_NAME], const struct pool *p, const struct receiver *r)
{
	return snprintf(text, ROSTER_NAME, "%s %s", p->label, r->label);
}

static bool is_called(const struct roster_entry *e, const char *name, size_t n)
{
	const size_t pool = strlen(e->pool->label), own = strlen(e->receiver->label);

	return !e->taken && n == pool + 1 + own && memcmp(name, e->pool->label, pool) == 0 &&
		name[pool] == ' ' && memcmp(name + pool + 1, e->receiver->label, own) == 0;
}

struct roster_entry *roster_find(struct roster *r, const char *name, size_t n)
{
	for (size_t i = 0; i < r->n; i++) {
		struct roster_entry *e = &r->entries[(r->next + i) % r->n];

		if (!is_called(e, name, n))
			continue;
		e->taken = true;
		r->next = (size_t)(e - r->entries) + 1;
		return e;
	}
	return NULL;
}
