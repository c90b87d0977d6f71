/*
 * watch.c - see watch.h.
 */
#include "watch.h"

#include <sys/socket.h>

/* What a receiver says of its host. */
static struct host *note(struct hosts *hosts, const struct receiver *r)
{
	struct host *h = hosts_find(hosts, &r->to.addr);

	if (r->health.host_ns > h->away_ns)
		h->away_ns = r->health.host_ns;
	h->complains |= r->health.down;
	return h;
}

static enum path_state path_to(struct path *p, struct host *h)
{
	if (!h->asked)
		h->path = path_look(p, &h->addr);
	h->asked = true;
	return h->path;
}

/*
 * Nothing is sent to one that is down: what its socket was told about the last
 * datagrams would be heard with the first that it is sent again, as news.
 */
static bool hear(struct receiver *r, uint64_t now_ns)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (r->out.fd < 0 || getsockopt(r->out.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || !err)
		return false;
	r->out.counts.icmp_errors++;
	return health_sent(&r->health, &r->out.counts, now_ns);
}

/* True when the receiver may have been away: templates are to be told. */
static bool ask(struct fanout *f, struct receiver *r, bool telling, uint64_t now_ns)
{
	struct host *host = note(&f->hosts, r);
	bool away = false;

	if (r->watched && r->health.down)
		away |= hear(r, now_ns);
	if (r->watched && r->health.down)
		away |= health_host(&r->health, host->away_ns, now_ns);
	if (r->probe_port)
		away |= health_probe_tcp(&r->health, &r->to, r->probe_port, now_ns);
	if (r->watched)
		away |= health_path(&r->health, path_to(&f->path, host), now_ns);
	/*
	 * Errors about datagrams with the exporter's source go to the exporter;
	 * one that lost its exporters is sent nothing that could meet an error.
	 */
	if (r->transparent ? telling || r->watched : r->watched && r->health.down)
		away |= health_probe(&r->health, &r->to, now_ns);
	note(&f->hosts, r);
	/*
	 * A host that says that one of its ports is closed answers one error a second
	 * in all: its own may be those that were left out.
	 */
	return away || ((r->transparent || r->health.downs) && telling && host->complains);
}

void watch(struct fanout *f, uint64_t now_ns)
{
	const bool telling = f->recall && recall_counts(f->recall)->items > 0;
	const struct receivers *rs = f->receivers;

	if (f->path.fd < 0)
		path_open(&f->path);
	hosts_begin(&f->hosts, receivers_count(rs));
	for (size_t i = 0; i < rs->npools; i++)
		for (size_t k = 0; k < rs->pools[i].n; k++)
			note(&f->hosts, rs->pools[i].receivers[k]);
	for (size_t i = 0; i < rs->npools; i++) {
		const struct pool *pool = &rs->pools[i];

		for (size_t k = 0; k < pool->n; k++)
			if (ask(f, pool->receivers[k], telling, now_ns) && telling)
				recall_forget(&pool->receivers[k]->known, f->recall);
	}
}
