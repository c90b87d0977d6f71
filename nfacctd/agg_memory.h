/*
 * agg_memory.h - memory of the sums' tables: taken piece by piece, freed at once, bounded.
 *
 * From the kernel and not from malloc(): one thread takes it and another gives it back, and
 * an arena of libc's that is asked for four aligned megabytes again and again finds no room
 * between those that are in use and grows (of a busy day's 60 MB it made 600).
 */
#ifndef AGG_MEMORY_H
#define AGG_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory in large pages, fetched by a thread; at most AGG_READY pieces of 4 MB wait beside the
 * budget. */
struct agg_supply;
enum { AGG_READY = 4 };
/* NULL with errno. */
struct agg_supply *agg_supply_new(void);
/* After all tables. */
void agg_supply_free(struct agg_supply *s);

struct agg_budget {
	_Atomic uint64_t used;
	uint64_t limit;
	struct agg_supply *supply;	/* NULL: small pages */
};

/* What one table, or a part of it, has taken; zeros at first. */
struct agg_arena {
	struct agg_region *head;
	size_t next_size, bytes;
};

/*
 * `n` octets on a cache line of their own, not cleared, or NULL when the budget has no room; with
 * `force` only when the system has none.
 */
void *agg_arena_take(struct agg_arena *m, struct agg_budget *budget, size_t n, bool force);
/* All that was taken of it, back to the budget; it can be used again. */
void agg_arena_free(struct agg_arena *m, struct agg_budget *budget);

#endif /* AGG_MEMORY_H */
