/*
 * confread.h - what a collector's configuration says about the rows that it
 * will write.  The grammar is lib/base/conf; the keys, their meaning and this
 * table of them are our own, so that nfacctd's reading of its file is not
 * taken for granted.
 *
 * A key that changes sums and is not modelled is refused by name: an
 * expectation that quietly leaves it out would be a wrong one.  Keys that do
 * not change rows are passed over.
 */
#ifndef CONFREAD_H
#define CONFREAD_H

#include "base/conf.h"

enum rules_source { SOURCE_NETFLOW, SOURCE_FILE, SOURCE_LONGEST, SOURCE_MASK };
enum rules_filter { FILTER_ABSENT, FILTER_ON, FILTER_OFF };
enum rules_ext { EXT_OVERRIDE, EXT_DEFAULT };

/* One plugin of the file. */
struct rules_plugin {
	char *type, *name;
	char *aggregate;
	char *networks_file;
	enum rules_filter networks_file_filter;
	bool networks_drop_others, networks_file_no_lpm, networks_no_mask_if_zero;
	uint32_t networks_mask;
	char *ports_file, *protos_file, *tos_file;
	bool tos_encode_as_dscp;
	char *aggregate_filter, *pre_tag_map, *pre_tag_filter, *pre_tag2_filter, *pre_tag_label_filter;
	uint64_t post_tag, post_tag2;	/* 0: none */
	/* time */
	struct conf_span history;
	char *roundoff;
	uint32_t history_offset, refresh_time;
	bool utc, since_epoch, secs;
	/* the table */
	char *db, *user, *passwd, *passwd_file, *host, *table;
	char *ca_file, *cert_file, *key_file;
	char *data;			/* sql_data: "unified" names other tables */
	uint32_t port, table_version;
	bool optimize_clauses, num_protos, num_hosts, verify_cert;
};

struct rules_conf {
	bool time_new, renormalize, pro_rating;
	uint32_t ext_sampling_rate;	/* 0: none */
	enum rules_ext ext_mode;
	uint32_t time_limit;		/* seconds; 0: none */
	uint32_t time_ahead;		/* of a start behind the arrival; 0: time_limit alone */
	enum rules_source as_source, net_source;
	char *plugins, *sampling_map, *primitives;
	struct rules_plugin *plugin;	/* those asked for */
	size_t nplugins;
};

/* True when rows of this type land in an SQL table; in one of PostgreSQL. */
bool rules_plugin_is_sql(const struct rules_plugin *p);
bool rules_plugin_is_pgsql(const struct rules_plugin *p);

/*
 * Read `path`; keep the plugin called `only`, or all of them when it is NULL.
 * 0, or -1 after logging what is wrong or not modelled.  Call confread_clear
 * in both cases.
 */
int confread(struct rules_conf *c, const char *path, const char *only);
void confread_clear(struct rules_conf *c);

#endif /* CONFREAD_H */
