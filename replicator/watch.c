/*
 * watch.c - see watch.h.
 */
#include "watch.h"

/* Whether a host says that another of its ports is closed: it answers one error a second in all. */
static bool host_complains(const struct receivers *rs, const struct addr *host)
{
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			if (rs->pools[i].receivers[k]->health.down &&
			    addr_equal(&rs->pools[i].receivers[k]->to.addr, host))
				return true;
	return false;
}

/* When a receiver of this host was last told that the host is away; 0: never. */
static uint64_t host_away_ns(const struct receivers *rs, const struct addr *host)
{
	uint64_t last = 0;

	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const struct receiver *r = rs->pools[i].receivers[k];

			if (r->health.host_ns > last && addr_equal(&r->to.addr, host))
				last = r->health.host_ns;
		}
	}
	return last;
}

/* True when the receiver may have been away: templates are to be told. */
static bool ask(struct fanout *f, struct receiver *r, bool telling, uint64_t now_ns)
{
	bool away = false;

	if (r->watched && r->health.down)
		away |= health_host(&r->health, host_away_ns(f->receivers, &r->to.addr), now_ns);
	if (r->probe_port)
		away |= health_probe_tcp(&r->health, &r->to, r->probe_port, now_ns);
	if (r->watched)
		away |= health_path(&r->health, path_look(&f->path, &r->to.addr), now_ns);
	/*
	 * Errors about datagrams with the exporter's source go to the exporter;
	 * one that lost its exporters is sent nothing that could meet an error.
	 */
	if (r->transparent ? telling || r->watched : r->watched && r->health.down)
		away |= health_probe(&r->health, &r->to, now_ns);
	/* Its own errors may be those that were left out. */
	if ((r->transparent || r->health.downs) && telling &&
		host_complains(f->receivers, &r->to.addr))
		away = true;
	return away;
}

void watch(struct fanout *f, uint64_t now_ns)
{
	const bool telling = f->recall && recall_counts(f->recall)->items > 0;

	if (f->path.fd < 0)
		path_open(&f->path);
	for (size_t i = 0; i < f->receivers->npools; i++) {
		const struct pool *pool = &f->receivers->pools[i];

		for (size_t k = 0; k < pool->n; k++)
			if (ask(f, pool->receivers[k], telling, now_ns) && telling)
				recall_forget(&pool->receivers[k]->known, f->recall);
	}
}
