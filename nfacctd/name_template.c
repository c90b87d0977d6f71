/*
 * name_template.c - see name_template.h.  Names are found again by a small hash
 * table; a purge with a million rows and two tables costs two allocations.
 */
#include "nfacctd/name_template.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_MAX_BYTES = 4096, DAYS_OF_A_MONTH = 30 };

struct context {
	const struct plugin_settings *p;
	const struct key_layout *l;
	const uint8_t *key;
	const struct tm *tm;
};

static void put_number(char *out, size_t size, const struct context *c, enum primitive_id id)
{
	const struct key_field *f = c->key ? key_layout_find(c->l, id) : NULL;

	snprintf(out, size, "%" PRIu64, f ? key_number(f, c->key) : 0);
}

static void var_ref(char *out, size_t size, const struct context *c)
{
	snprintf(out, size, "%" PRIu32, c->p->refresh_time);
}

static void var_hst(char *out, size_t size, const struct context *c)
{
	snprintf(out, size, "%" PRIu64, c->p->history.seconds +
		 (uint64_t)c->p->history.months * DAYS_OF_A_MONTH * 86400);
}

static void var_peer(char *out, size_t size, const struct context *c)
{
	const struct key_field *f = c->key ? key_layout_find(c->l, PRIM_ID_peer_src_ip) : NULL;
	const struct print_style plain = { 0 };
	char text[PRIM_TEXT_MAX + 1] = "0.0.0.0";

	if (f)
		text[key_print(text, f, c->key, &plain)] = '\0';
	for (char *t = text; *t; t++)
		if (*t == '.' || *t == ':')
			*t = '_';
	snprintf(out, size, "%s", text);
}

static void var_tag(char *out, size_t size, const struct context *c)
{
	put_number(out, size, c, PRIM_ID_tag);
}

static void var_tag2(char *out, size_t size, const struct context *c)
{
	put_number(out, size, c, PRIM_ID_tag2);
}

static void var_tzone(char *out, size_t size, const struct context *c)
{
	strftime(out, size, "%z", c->tm);
}

/* Longer names first: $tag2 before $tag. */
static const struct {
	const char *name;
	void (*put)(char *out, size_t size, const struct context *c);
} variables[] = {
	{ "$post_tag2", var_tag2 }, { "$post_tag", var_tag }, { "$peer_src_ip", var_peer },
	{ "$tag2", var_tag2 }, { "$tag", var_tag }, { "$tzone", var_tzone },
	{ "$ref", var_ref }, { "$hst", var_hst },
};

bool name_is_dynamic(const char *name)
{
	return strpbrk(name, "%$") != NULL;
}

/* Flags, a width, E or O, a letter: as glibc's strftime(3) has them. */
const char *name_bad_conversion(const char *name)
{
	for (const char *p = name; (p = strchr(p, '%')); p++) {
		const char *bad = p++;

		p += strspn(p, "_-0^#");
		p += strspn(p, "0123456789");
		p += *p == 'E' || *p == 'O';
		if (!*p || !strchr("aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ+%", *p))
			return bad;
	}
	return NULL;
}

const char *name_unknown_variable(const char *name)
{
	for (const char *p = name; (p = strchr(p, '$')); p++) {
		size_t v = 0;

		while (v < sizeof(variables) / sizeof(variables[0]) &&
		       strncmp(p, variables[v].name, strlen(variables[v].name)) != 0)
			v++;
		if (v == sizeof(variables) / sizeof(variables[0]) && isalpha((unsigned char)p[1]))
			return p;
	}
	return NULL;
}

/* A name without variables left in it: unknown ones stay as they are. */
static bool expand_variables(char *out, size_t size, const char *name, const struct context *c)
{
	size_t n = 0;

	while (*name) {
		size_t v = 0;
		char value[PRIM_TEXT_MAX + 1];

		while (v < sizeof(variables) / sizeof(variables[0]) &&
		       strncmp(name, variables[v].name, strlen(variables[v].name)) != 0)
			v++;
		if (v == sizeof(variables) / sizeof(variables[0])) {
			value[0] = *name++;
			value[1] = '\0';
		} else {
			variables[v].put(value, sizeof(value), c);
			name += strlen(variables[v].name);
		}
		if (n + strlen(value) >= size)
			return false;
		memcpy(out + n, value, strlen(value));
		n += strlen(value);
	}
	out[n] = '\0';
	return true;
}

bool name_expand(char *out, size_t size, const char *name, const struct plugin_settings *p,
		 const struct key_layout *l, int64_t when, const uint8_t *key)
{
	char plain[NAME_MAX_BYTES];
	time_t t = (time_t)when;
	struct tm tm;
	struct context c = { p, l, key, &tm };

	if (!name_is_dynamic(name)) {
		size_t n = strlen(name);

		if (n == 0 || n >= size)
			return false;
		memcpy(out, name, n + 1);
		return true;
	}
	if (!(p->timestamps_utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
		return false;
	return expand_variables(plain, sizeof(plain), name, &c) &&
	       strftime(out, size, plain, &tm) > 0;
}

/* Group number + 1 by name, open addressing; grows with the groups. */
struct finder {
	size_t *slot, nslots, cap;
};

static uint64_t hash(const char *s)
{
	uint64_t h = 14695981039346656037u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 1099511628211u;
	return h ^ h >> 32;
}

static size_t *find(struct finder *f, const struct name_groups *g, const char *name)
{
	size_t i = hash(name) & (f->nslots - 1);

	while (f->slot[i] && strcmp(g->group[f->slot[i] - 1].name, name) != 0)
		i = (i + 1) & (f->nslots - 1);
	return &f->slot[i];
}

static bool grow(struct finder *f, struct name_groups *g)
{
	size_t n = f->nslots ? f->nslots * 2 : 64, *slot = calloc(n, sizeof(*slot));
	struct name_group *group = slot ? realloc(g->group, n / 2 * sizeof(*group)) : NULL;

	if (!group) {
		free(slot);
		return false;
	}
	free(f->slot);
	g->group = group;
	f->slot = slot;
	f->nslots = n;
	f->cap = n / 2;
	for (size_t i = 0; i < g->n; i++)
		*find(f, g, g->group[i].name) = i + 1;
	return true;
}

/* The group of a name, made when new; -1: memory is gone. */
static int64_t group_of(struct finder *f, struct name_groups *g, const char *name)
{
	size_t *at;

	if (g->n == f->cap && !grow(f, g))
		return -1;
	at = find(f, g, name);
	if (!*at) {
		char *copy = strdup(name);

		if (!copy)
			return -1;
		g->group[g->n++] = (struct name_group){ copy, NULL, 0, false };
		*at = g->n;
	}
	return (int64_t)*at - 1;
}

enum { NO_GROUP = UINT32_MAX };

static bool assign(struct name_groups *g, uint32_t *belongs, const char *name, size_t size,
		   bool by_bin, const struct plugin_settings *p, const struct key_layout *l,
		   int64_t when, const struct sum_row *rows, size_t nrows)
{
	struct finder f = { NULL, 0, 0 };
	char text[NAME_MAX_BYTES];
	bool of_row = strchr(name, '$') != NULL, fits = false;
	int64_t at = -1, id = -1;
	bool done = true;

	if (size > sizeof(text))
		size = sizeof(text);
	for (size_t i = 0; i < nrows; i++) {
		int64_t t = by_bin && rows[i].bin ? rows[i].bin : when;

		if (i == 0 || of_row || t != at) {	/* neighbours mostly share their name */
			at = t;
			fits = name_expand(text, size, name, p, l, t, rows[i].key);
			id = fits ? group_of(&f, g, text) : -1;
			if (fits && id < 0) {
				done = false;
				break;
			}
		}
		belongs[i] = fits ? (uint32_t)id : NO_GROUP;
		if (fits)
			g->group[id].n++;
		else
			g->unnamed++;
	}
	free(f.slot);
	return done;
}

bool name_groups_make(struct name_groups *g, const char *name, size_t size, bool by_bin,
		      const struct plugin_settings *p, const struct key_layout *l, int64_t when,
		      const struct sum_row *rows, size_t nrows)
{
	uint32_t *belongs = malloc((nrows + 1) * sizeof(*belongs));
	const struct sum_row **next;

	memset(g, 0, sizeof(*g));
	g->rows = malloc((nrows + 1) * sizeof(*g->rows));
	if (!belongs || !g->rows ||
	    !assign(g, belongs, name, size, by_bin, p, l, when, rows, nrows)) {
		free(belongs);
		name_groups_clear(g);
		return false;
	}
	next = g->rows;
	for (size_t i = 0; i < g->n; i++) {
		g->group[i].rows = next;
		next += g->group[i].n;
		g->group[i].n = 0;
	}
	for (size_t i = 0; i < nrows; i++)
		if (belongs[i] != (uint32_t)NO_GROUP) {
			struct name_group *to = &g->group[belongs[i]];

			to->rows[to->n++] = &rows[i];
		}
	free(belongs);
	return true;
}

void name_groups_clear(struct name_groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->group[i].name);
	free(g->group);
	free(g->rows);
	memset(g, 0, sizeof(*g));
}
