/*
 * sink_pgsql_none.c - the pgsql sink of a build without libpq: it says so.
 */
#include "base/log.h"
#include "nfacctd/sink.h"

static unsigned absent(const struct plugin_settings *p, const struct key_layout *l)
{
	(void)l;
	log_error("%s/pgsql: this nfacctd was built without PostgreSQL: install libpq-dev and "
		  "build it again", p->name);
	return 1;
}

static void *absent_open(const struct plugin_settings *p, const struct key_layout *l,
			 uint64_t run_id)
{
	(void)run_id;
	absent(p, l);
	return NULL;
}

const struct sink sink_pgsql = {
	.type = "pgsql",
	.open = absent_open,
	.check = absent,
};
