/*
 * balance_rr.c - turns, and the table of all algorithms.
 */
#include "balance.h"

static size_t pick_rr(const struct addr *exporter, size_t n, uint64_t *turn)
{
	(void)exporter;
	return (size_t)((*turn)++ % n);
}

const struct balance balance_rr = { "rr", pick_rr, true, NULL, false };

static const struct balance *const all[] = {
#define BALANCE(id, name, help) &balance_##id,
#include "balances.def"
#undef BALANCE
};

const char balance_names[] = "one of"
#define BALANCE(id, name, help) " " name
#include "balances.def"
#undef BALANCE
	;

const struct balance *balance_find(const char *name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}
