/*
 * confread.c - see confread.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "pcapgen/confread.h"

/* ---- values ----------------------------------------------------------------- */

struct word {
	const char *text;
	int value;
};

static bool parse_word(int *to, const char *value, const struct word *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(value, words[i].text)) {
			*to = words[i].value;
			return true;
		}
	return false;
}

static bool parse_source(void *field, const char *value, const char **expected)
{
	static const struct word words[] = { { "netflow", SOURCE_NETFLOW },
		{ "sflow", SOURCE_NETFLOW }, { "false", SOURCE_NETFLOW }, { "file", SOURCE_FILE },
		{ "true", SOURCE_FILE }, { "longest", SOURCE_LONGEST }, { "mask", SOURCE_MASK } };
	int v;

	*expected = "netflow, file, longest or mask";
	if (!parse_word(&v, value, words, sizeof(words) / sizeof(words[0])))
		return false;
	*(enum rules_source *)field = (enum rules_source)v;
	return true;
}

static bool parse_filter(void *field, const char *value, const char **expected)
{
	static const struct word words[] = { { "true", FILTER_ON }, { "false", FILTER_OFF },
		{ "auto", FILTER_ABSENT } };
	int v;

	*expected = "true, false or auto";
	if (!parse_word(&v, value, words, sizeof(words) / sizeof(words[0])))
		return false;
	*(enum rules_filter *)field = (enum rules_filter)v;
	return true;
}

static bool parse_ext(void *field, const char *value, const char **expected)
{
	static const struct word words[] = { { "override", EXT_OVERRIDE },
		{ "default", EXT_DEFAULT } };
	int v;

	*expected = "override or default";
	if (!parse_word(&v, value, words, sizeof(words) / sizeof(words[0])))
		return false;
	*(enum rules_ext *)field = (enum rules_ext)v;
	return true;
}

/* ---- the keys that are modelled ---------------------------------------------- */

#define G(f, T) CONF_GLOBAL, CONF_FIELD(struct rules_conf, f, T)
#define P(f, T) CONF_PLUGIN, CONF_FIELD(struct rules_plugin, f, T)
#define BOOL(key, alias, where) { key, alias, CONF_BOOL, where, 0, 0, "false", NULL, NULL }
#define U32(key, alias, where, lo, hi, dflt) { key, alias, CONF_U32, where, lo, hi, dflt, NULL, NULL }
#define U64(key, where) { key, NULL, CONF_U64, where, 1, UINT64_MAX, NULL, NULL, NULL }
#define STR(key, alias, where, dflt) { key, alias, CONF_STRING, where, 0, 0, dflt, NULL, NULL }
#define OWN(key, alias, where, dflt, parser) { key, alias, CONF_CUSTOM, where, 0, 0, dflt, NULL, parser }

static const struct conf_key modelled[] = {
	STR("sampling_map", NULL, G(sampling_map, char *), NULL),
	STR("aggregate_primitives", NULL, G(primitives, char *), NULL),
	STR("plugins", NULL, G(plugins, char *), NULL),
	BOOL("nfacctd_time_new", "sfacctd_time_new", G(time_new, bool)),
	BOOL("nfacctd_renormalize", "sfacctd_renormalize", G(renormalize, bool)),
	BOOL("nfacctd_pro_rating", NULL, G(pro_rating, bool)),
	U32("nfacctd_ext_sampling_rate", "sfacctd_ext_sampling_rate",
		G(ext_sampling_rate, uint32_t), 1, UINT32_MAX, NULL),
	OWN("nfacctd_ext_sampling_rate_mode", NULL, G(ext_mode, enum rules_ext), "override",
		parse_ext),
	U32("nfacctd_time_limit", NULL, G(time_limit, uint32_t), 0, UINT32_MAX, "2592000"),
	U32("nfacctd_time_ahead", NULL, G(time_ahead, uint32_t), 0, UINT32_MAX, "0"),
	OWN("nfacctd_as", "sfacctd_as nfacctd_as_new sfacctd_as_new",
		G(as_source, enum rules_source), "netflow", parse_source),
	OWN("nfacctd_net", "sfacctd_net", G(net_source, enum rules_source), "netflow",
		parse_source),
	STR("aggregate", NULL, P(aggregate, char *), "src_host"),
	STR("networks_file", NULL, P(networks_file, char *), NULL),
	OWN("networks_file_filter", NULL, P(networks_file_filter, enum rules_filter), "auto",
		parse_filter),
	BOOL("networks_drop_others", NULL, P(networks_drop_others, bool)),
	BOOL("networks_file_no_lpm", NULL, P(networks_file_no_lpm, bool)),
	BOOL("networks_no_mask_if_zero", NULL, P(networks_no_mask_if_zero, bool)),
	U32("networks_mask", NULL, P(networks_mask, uint32_t), 0, 128, "0"),
	STR("aggregate_filter", NULL, P(aggregate_filter, char *), NULL),
	STR("pre_tag_map", NULL, P(pre_tag_map, char *), NULL),
	STR("pre_tag_filter", NULL, P(pre_tag_filter, char *), NULL),
	STR("pre_tag2_filter", NULL, P(pre_tag2_filter, char *), NULL),
	STR("pre_tag_label_filter", NULL, P(pre_tag_label_filter, char *), NULL),
	U64("post_tag", P(post_tag, uint64_t)),
	U64("post_tag2", P(post_tag2, uint64_t)),
	STR("ports_file", NULL, P(ports_file, char *), NULL),
	STR("protos_file", NULL, P(protos_file, char *), NULL),
	STR("tos_file", NULL, P(tos_file, char *), NULL),
	BOOL("tos_encode_as_dscp", NULL, P(tos_encode_as_dscp, bool)),
	OWN("sql_history", "print_history", P(history, struct conf_span), NULL, conf_span_parse),
	STR("sql_history_roundoff", "print_history_roundoff", P(roundoff, char *), NULL),
	U32("sql_history_offset", "print_history_offset", P(history_offset, uint32_t), 0,
		86400 * 366, "0"),
	U32("sql_refresh_time", "print_refresh_time", P(refresh_time, uint32_t), 1, 86400 * 366,
		"60"),
	BOOL("timestamps_utc", NULL, P(utc, bool)),
	BOOL("timestamps_since_epoch", "sql_history_since_epoch print_history_since_epoch",
		P(since_epoch, bool)),
	BOOL("timestamps_secs", NULL, P(secs, bool)),
	STR("sql_db", NULL, P(db, char *), NULL),
	STR("sql_user", NULL, P(user, char *), "pmacct"),
	STR("sql_passwd", NULL, P(passwd, char *), "arealsmartpwd"),
	STR("sql_passwd_file", NULL, P(passwd_file, char *), NULL),
	STR("sql_host", NULL, P(host, char *), "localhost"),
	U32("sql_port", NULL, P(port, uint32_t), 1, 65535, NULL),
	STR("sql_conn_ca_file", NULL, P(ca_file, char *), NULL),
	STR("sql_conn_cert_file", NULL, P(cert_file, char *), NULL),
	STR("sql_conn_key_file", NULL, P(key_file, char *), NULL),
	{ "sql_conn_verify", NULL, CONF_BOOL, P(verify_cert, bool), 0, 0, "true", NULL, NULL },
	STR("sql_data", NULL, P(data, char *), "typed"),
	STR("sql_table", NULL, P(table, char *), NULL),
	U32("sql_table_version", NULL, P(table_version, uint32_t), 1, 9, "1"),
	BOOL("sql_optimize_clauses", NULL, P(optimize_clauses, bool)),
	BOOL("sql_num_protos", "print_num_protos", P(num_protos, bool)),
	BOOL("sql_num_hosts", NULL, P(num_hosts, bool)),
};

enum { MODELLED = sizeof(modelled) / sizeof(modelled[0]) };

/* Keys that change rows in a way that is not said in SQL here; `when`: only with this value. */
static const struct refused {
	const char *key, *when;
} refused[] = {
	{ "sql_preprocess", NULL },
	{ "print_preprocess", NULL },
	{ "nfacctd_allow_file", NULL },
	{ "sfacctd_allow_file", NULL },
	{ "sql_table_type", NULL },
	{ "flow_to_rd_map", NULL },
	{ "classifiers", NULL },
	{ "nfacctd_account_options", "true" },
	{ "nfacctd_stitching", "true" },
	{ "nfacctd_time_secs", "true" },
	{ "nfacctd_disable_opt_scope_check", "true" },
	{ "nfacctd_ignore_exporter_address", "true" },
	{ "sfacctd_ignore_exporter_address", "true" },
	{ "nfacctd_pre_processing_checks", "true" },
	{ "use_ip_next_hop", "true" },
	{ "nfacctd_sflow_octets", "ip" },
	{ "sfacctd_octets", "ip" },
	{ "nfacctd_packet_sections", "true" },
	{ "nfacctd_direction", "ingress" },
	{ "nfacctd_direction", "egress" },
	{ "nfacctd_direction_map", NULL },
	{ "nfacctd_tunnels", NULL },
	{ "sfacctd_tunnels", NULL },
	{ "nfacctd_proxy_protocol_from", NULL },
};

/* `key` stands in the blank-separated list. */
static bool in_list(const char *list, const char *key)
{
	size_t n = strlen(key);

	for (; list && *list; list += strspn(list, " ")) {
		size_t word = strcspn(list, " ");

		if (word == n && !strncmp(list, key, n))
			return true;
		list += word;
	}
	return false;
}

static bool is_modelled(const char *key)
{
	for (size_t i = 0; i < MODELLED; i++)
		if (!strcmp(modelled[i].name, key) || in_list(modelled[i].aliases, key))
			return true;
	return false;
}

static bool concerns(const struct rules_conf *c, const struct conf_line *l)
{
	if (!l->name)
		return true;
	for (size_t i = 0; i < c->nplugins; i++)
		if (!strcmp(c->plugin[i].name, l->name))
			return true;
	return false;
}

static int refuse(struct conf *from, const struct rules_conf *c)
{
	int bad = 0;

	for (size_t i = 0; i < from->n; i++)
		for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
			const struct conf_line *l = &from->lines[i];

			if (strcmp(l->key, refused[k].key) || !concerns(c, l) ||
			    (refused[k].when && strcasecmp(l->value, refused[k].when)))
				continue;
			conf_error(from, l, "expect does not model %s", l->key);
			bad = -1;
		}
	return bad;
}

/* ---- plugins ------------------------------------------------------------------ */

/* A copy of p..end without blanks. */
static char *word_of(const char *p, const char *end)
{
	char *to = xmalloc((size_t)(end - p) + 1), *at = to;

	for (; p < end; p++)
		if (*p != ' ' && *p != '\t')
			*at++ = *p;
	*at = '\0';
	return to;
}

static bool known_type(const char *type)
{
	static const char *const types[] = { "mysql", "pgsql", "sqlite3", "print", "memory" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

static bool have_plugin(const struct rules_conf *c, const char *name)
{
	for (size_t i = 0; i < c->nplugins; i++)
		if (!strcmp(c->plugin[i].name, name))
			return true;
	return false;
}

static void add_plugin(struct rules_conf *c, char *type, char *name)
{
	if (!*name) {
		struct strbuf b = { 0 };

		strbuf_addf(&b, "default_%s", type);
		free(name);
		name = b.s;
	}
	/* The collector leaves these out, too, and says so. */
	if (!known_type(type) || have_plugin(c, name)) {
		free(type);
		free(name);
		return;
	}
	c->plugin = xrealloc(c->plugin, (c->nplugins + 1) * sizeof(*c->plugin));
	memset(&c->plugin[c->nplugins], 0, sizeof(*c->plugin));
	c->plugin[c->nplugins].type = type;
	c->plugin[c->nplugins++].name = name;
}

/* `type[name], type, ...` */
static int read_plugins(struct rules_conf *c, struct conf *from, const char *path)
{
	const struct conf_line *l = conf_last(from, "plugins", NULL);
	const char *p, *end;

	if (!l) {
		log_error(
			"%s: no plugins: line; expected one with a mysql, pgsql or sqlite3 plugin", path);
		return -1;
	}
	for (p = l->value; *p; p = *end ? end + 1 : end) {
		const char *open, *close;

		end = p + strcspn(p, ",");
		open = memchr(p, '[', (size_t)(end - p));
		close = open ? memchr(open, ']', (size_t)(end - open)) : NULL;
		if (open && !close) {
			conf_error(from, l, "a [ without its ]");
			return -1;
		}
		if (end > p)
			add_plugin(c, word_of(p, open ? open : end),
				   open ? word_of(open + 1, close) : word_of(end, end));
	}
	return 0;
}

static void free_plugin(struct rules_plugin *p)
{
	for (size_t i = 0; i < MODELLED; i++)
		if (modelled[i].type == CONF_STRING && modelled[i].scope == CONF_PLUGIN)
			free(*(char **)(void *)((char *)p + modelled[i].offset));
	free(p->type);
	free(p->name);
}

/* Keep the one plugin that was asked for. */
static int keep(struct rules_conf *c, const char *only, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nplugins; i++) {
		if (strcmp(c->plugin[i].name, only))
			free_plugin(&c->plugin[i]);
		else
			c->plugin[n++] = c->plugin[i];
	}
	c->nplugins = n;
	if (n)
		return 0;
	log_error("%s: no plugin is called \"%s\"", path, only);
	return -1;
}

bool rules_plugin_is_pgsql(const struct rules_plugin *p)
{
	return !strcmp(p->type, "pgsql");
}

bool rules_plugin_is_sql(const struct rules_plugin *p)
{
	return !strcmp(p->type, "mysql") || !strcmp(p->type, "sqlite3") || rules_plugin_is_pgsql(p);
}

/* ---- the file ------------------------------------------------------------------ */

/* The lines whose keys are modelled, with their origin: the rest is the collector's business. */
static void sift(struct conf *to, const struct conf *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct conf_line *l = &from->lines[i];

		if (!is_modelled(l->key) || conf_add(to, l->key, l->name, l->value))
			continue;
		to->lines[to->n - 1].file = l->file;
		to->lines[to->n - 1].line = l->line;
	}
}

static void apply(struct rules_conf *c, struct conf *lines)
{
	struct conf_plugin *plugins = xcalloc(c->nplugins, sizeof(*plugins));

	for (size_t i = 0; i < c->nplugins; i++) {
		plugins[i].name = c->plugin[i].name;
		plugins[i].settings = &c->plugin[i];
		plugins[i].alias = !strncmp(c->plugin[i].name, "default_", 8) ? "default" : NULL;
	}
	conf_apply(lines, modelled, MODELLED, c, plugins, c->nplugins);
	free(plugins);
}

/* These choose what one plugin gets: the collector leaves them out without its [name]. */
static void drop_unnamed(struct rules_plugin *p, const struct conf *lines)
{
	const struct {
		const char *key;
		char **value;
	} named[] = {
		{ "aggregate_filter", &p->aggregate_filter },
		{ "pre_tag_filter", &p->pre_tag_filter },
		{ "pre_tag2_filter", &p->pre_tag2_filter },
		{ "pre_tag_label_filter", &p->pre_tag_label_filter },
	};

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (!*named[i].value || conf_last(lines, named[i].key, p->name))
			continue;
		free(*named[i].value);
		*named[i].value = NULL;
	}
}

/* PostgreSQL's tables up to version 5: AS numbers have one of their own, and plain text, too. */
static const char *table_family(const struct rules_plugin *p)
{
	if (!rules_plugin_is_pgsql(p) || p->table_version > 5)
		return "acct";
	if (!strcmp(p->data, "unified"))
		return "acct_uni";
	return !p->optimize_clauses && (strstr(p->aggregate, "src_as") ||
					strstr(p->aggregate, "dst_as") ||
					strstr(p->aggregate, "sum_as")) ? "acct_as" : "acct";
}

/* Defaults that depend on other values. */
static void settle(struct rules_plugin *p)
{
	if (!p->db)
		p->db = xstrdup(strcmp(p->type, "sqlite3") ? "pmacct" : "/tmp/pmacct.db");
	if (!p->table) {
		struct strbuf b = { 0 };

		strbuf_add(&b, table_family(p));
		if (p->table_version > 1)
			strbuf_addf(&b, "_v%u", p->table_version);
		p->table = b.s;
	}
	if (!rules_plugin_is_sql(p)) {
		p->optimize_clauses = true;
		p->table_version = 9;
	}
	if (rules_plugin_is_pgsql(p)) {	/* its columns have types for both */
		p->num_protos = true;
		p->num_hosts = false;
	}
}

int confread(struct rules_conf *c, const char *path, const char *only)
{
	struct conf from, lines;
	int bad;

	memset(c, 0, sizeof(*c));
	conf_init(&from);
	conf_init(&lines);
	bad = conf_read(&from, path);
	if (!bad)
		bad = read_plugins(c, &from, path);
	if (!bad) {
		sift(&lines, &from);
		apply(c, &lines);
		for (size_t i = 0; i < c->nplugins; i++)
			drop_unnamed(&c->plugin[i], &lines);
		if (only)
			bad = keep(c, only, path);
	}
	if (!bad)
		bad = refuse(&from, c);
	for (size_t i = 0; i < c->nplugins; i++)
		settle(&c->plugin[i]);
	if (c->time_new)
		c->pro_rating = false;
	conf_clear(&lines);
	conf_clear(&from);
	return bad;
}

void confread_clear(struct rules_conf *c)
{
	for (size_t i = 0; i < c->nplugins; i++)
		free_plugin(&c->plugin[i]);
	free(c->plugin);
	free(c->plugins);
	free(c->sampling_map);
	free(c->primitives);
	memset(c, 0, sizeof(*c));
}
