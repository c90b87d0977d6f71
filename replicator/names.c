/*
 * names.c - see names.h.  A list: files of receivers hold dozens of names, and
 * a lookup in the network costs more than all of it.
 */
#include "names.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"

struct name {
	char *host;
	int family;
	struct addr addr;
	uint64_t generation;	/* when it was asked for last */
	bool stale;		/* and the answer was an error: addr is older */
	bool said;		/* which was said */
};

struct names {
	struct name *at;
	size_t n;
	uint64_t generation;
	bool routine;
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

void names_refresh(struct names *n, bool routine)
{
	n->generation++;
	n->routine = routine;
}

size_t names_count(const struct names *n)
{
	return n->n;
}

size_t names_stale(const struct names *n)
{
	size_t stale = 0;

	for (size_t i = 0; i < n->n; i++)
		stale += n->at[i].stale;
	return stale;
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

/* Whether `a` is still an address of the host. */
static bool still_named(const char *host, int family, const struct addr *a)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC };
	struct addrinfo *list, *i;
	bool found = false;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	for (i = list; i && !found; i = i->ai_next) {
		struct sockaddr_storage ss = { 0 };
		struct endpoint e;

		memcpy(&ss, i->ai_addr, i->ai_addrlen);
		endpoint_from_sockaddr(&e, &ss);
		found = addr_equal(&e.addr, a);
	}
	freeaddrinfo(list);
	return found;
}

/* The answer of a lookup becomes what is known. */
static void settle(struct name *known, struct endpoint *e, uint64_t generation)
{
	char before[ADDR_TEXT], now[ADDR_TEXT];

	if (known->generation && !addr_equal(&known->addr, &e->addr)) {
		if (still_named(known->host, known->family, &known->addr))
			e->addr = known->addr;
		else
			log_info("name \"%s\": was %s, is %s now", known->host,
				addr_print(&known->addr, before), addr_print(&e->addr, now));
	}
	known->addr = e->addr;
	known->generation = generation;
	known->stale = known->said = false;
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
			settle(known ? known : add(n, host, family), e, n->generation);
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
	*kept = known->stale && !(n->routine && known->said);
	known->said |= known->stale;
	return 0;
}
