/*
 * balance.h - which one of a pool's receivers gets a datagram; a row of
 * balances.def each.
 */
#ifndef BALANCE_H
#define BALANCE_H

#include <stddef.h>
#include "wire/addr.h"

struct pool;
struct subject;

struct balance {
	const char *name;
	/* Index below n (n > 0); *turn is the pool's, for those that take turns. */
	size_t (*pick)(const struct addr *exporter, size_t n, uint64_t *turn);
	bool splits;	/* an exporter's datagrams, templates too, go to several receivers */
	/* Instead of pick(), for those that look at the receivers: weights, and who is there. */
	size_t (*choose)(const struct pool *p, const struct subject *s);
	bool by_domain;	/* choose() looks at the observation domain too */
};

#define BALANCE(id, name, help) extern const struct balance balance_##id;
#include "balances.def"
#undef BALANCE

/* NULL when there is none of this name. */
const struct balance *balance_find(const char *name);
/* "rr, hash-agent, hash-crc32", for messages. */
extern const char balance_names[];

#endif /* BALANCE_H */
