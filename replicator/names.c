/*
 * names.c - see names.h.  A list: files of receivers hold dozens of names, and
 * a lookup in the network costs more than all of it.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

struct name {
	char *host;
	int family;
	struct addr addr;
	uint64_t generation;	/* when it was asked for last */
	bool stale;		/* and the answer was an error: addr is older */
};

struct names {
	struct name *at;
	size_t n;
	uint64_t generation;
};

struct names *names_new(void)
{
	return xcalloc(1, sizeof(struct names));
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++)
		free(n->at[i].host);
	free(n->at);
	free(n);
}

void names_refresh(struct names *n)
{
	n->generation++;
}

size_t names_count(const struct names *n)
{
	return n->n;
}

static struct name *find(struct names *n, const char *host, int family)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->at[i].family == family && strcmp(n->at[i].host, host) == 0)
			return &n->at[i];
	return NULL;
}

static struct name *add(struct names *n, const char *host, int family)
{
	n->at = xrealloc(n->at, (n->n + 1) * sizeof(*n->at));
	n->at[n->n] = (struct name){ .host = xstrdup(host), .family = family };
	return &n->at[n->n++];
}

int names_resolve(struct names *n, struct endpoint *e, const char *host, const char *port,
		  int family,
		  const char **why, bool *kept)
{
	struct name *known = host ? find(n, host, family) : NULL;
	struct addr literal;

	*kept = false;
	if (!host || addr_parse(&literal, host))
		return endpoint_resolve(e, host, port, family, why);
	if (!known || known->generation != n->generation) {
		if (endpoint_resolve(e, host, port, family, why) == 0) {
			known = known ? known : add(n, host, family);
			*known = (struct name) { known->host, family, e->addr, n->generation,
				false };
			return 0;
		}
		if (!known)
			return -1;
		known->generation = n->generation;
		known->stale = true;
	}
	/* The port alone: a service may be unknown, whatever the name is. */
	if (endpoint_resolve(e, NULL, port, family, why) < 0)
		return -1;
	e->any = false;
	e->addr = known->addr;
	*kept = known->stale;
	return 0;
}
