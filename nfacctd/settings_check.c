/*
 * settings_check.c - what has to be true of values together before a daemon may start, and what
 * one implies for another.
 */
#include "nfacctd/settings_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/owner.h"
#include "base/strbuf.h"
#include "nfacctd/name_template.h"
#include "nfacctd/sql_columns.h"
#include "net/metrics.h"
#include "wire/addr.h"

static bool is_sql(const struct plugin_settings *p)
{
	return strcmp(p->type, "print") != 0 && strcmp(p->type, "memory") != 0;
}

/* An unknown primitive would be a wrong bill, so it is fatal here, not "default stays". */
static int check_aggregate_lines(struct settings *s)
{
	int bad = 0;

	for (size_t i = 0; i < s->conf.n; i++) {
		const struct conf_line *l = &s->conf.lines[i];
		struct aggregate_spec spec;
		char why[160];

		if (strcmp(l->key, "aggregate") != 0)
			continue;
		if (!aggregate_parse(&spec, l->value, why, sizeof(why))) {
			conf_error(&s->conf, l, "%s; nfacctd -a lists them", why);
			bad = -1;
		} else if (why[0]) {
			conf_warn(&s->conf, l, "%s", why);
		}
	}
	return bad;
}

/* A check that is left out would be another bill, so it is fatal, too. */
static int check_preprocess_lines(struct settings *s)
{
	int bad = 0;

	for (size_t i = 0; i < s->conf.n; i++) {
		const struct conf_line *l = &s->conf.lines[i];
		const char *expected;
		struct preprocess p;

		if (strcmp(l->key, "sql_preprocess") != 0 && strcmp(l->key, "print_preprocess") != 0)
			continue;
		if (!preprocess_parse(&p, l->value, &expected)) {
			conf_error(&s->conf, l, "expected %s", expected);
			bad = -1;
		}
	}
	return bad;
}

/*
 * Before version 6 the tables have no columns for AS numbers, which stand in those of the hosts
 * then (sql_columns.c), unless these are aggregated too.
 */
static bool stands_for_host(const struct plugin_settings *p, size_t id)
{
	const int host = id == PRIM_ID_src_as ? PRIM_ID_src_host :
			 id == PRIM_ID_dst_as ? PRIM_ID_dst_host : -1;

	return host >= 0 && !(p->aggregate.set >> host & 1);
}

/* Which default tables hold a primitive (collector.md 9.3). */
static int check_table_version(struct settings *s, const struct plugin_settings *p)
{
	uint64_t set = p->aggregate.set;
	char text[256];

	if (!is_sql(p) || p->sql_optimize_clauses)
		return 0;
	for (size_t i = 0; i < PRIMITIVES; i++) {
		const struct primitive *prim = &primitives[i];
		bool wanted = prim->format == PRIM_FLAGS ? p->aggregate.tcpflags : set >> i & 1;

		if (!wanted || !prim->since || sql_table_has(p, i))
			continue;
		if (p->sql_table_type == SQL_TABLE_BGP) {
			snprintf(text, sizeof(text),
				"primitive \"%s\" has no column with sql_table_type: bgp; "
				"sql_optimize_clauses: true writes it", prim->name);
			settings_complain(s, "aggregate", p, text);
			return -1;
		}
		if (stands_for_host(p, i))
			continue;
		snprintf(text, sizeof(text),
			"primitive \"%s\" needs sql_table_version %d or later (or "
			"sql_optimize_clauses: true), here it is %u",
			prim->name, prim->since, p->sql_table_version);
		settings_complain(s, "aggregate", p, text);
		return -1;
	}
	if (p->aggregate.flows && !sql_table_has_flows(p)) {
		settings_complain(s, "aggregate", p,
			"\"flows\" needs sql_table_version 4 or later of type original (or "
			"sql_optimize_clauses: true)");
		return -1;
	}
	return 0;
}

static void check_roundoff(struct settings *s, struct plugin_settings *p)
{
	char kept[8] = "";
	size_t n = 0;
	bool odd = false;

	if (!p->history_roundoff)
		return;
	for (const char *c = p->history_roundoff; *c; c++) {
		if (!strchr("mhdwM", *c) || strchr(kept, *c) || n == 5)
			odd = odd || !strchr("mhdwM", *c);
		else
			kept[n++] = *c, kept[n] = '\0';
	}
	if (odd)
		settings_complain(s, "sql_history_roundoff", p, "letters other than m h d w M are left out");
	if (strchr(kept, 'w') && strpbrk(kept, "dM")) {
		settings_complain(s, "sql_history_roundoff", p, "w does not go with d or M: w is left out");
		memmove(strchr(kept, 'w'), strchr(kept, 'w') + 1, strlen(strchr(kept, 'w')));
	}
	strcpy(p->history_roundoff, kept);
}

/* Some keys select what one plugin gets; for all at once they would be a mistake. */
static void check_named(
	struct settings *s, const char *key, const struct plugin_settings *p, char **value)
{
	if (!*value || conf_last(&s->conf, key, p->name) ||
		(settings_plugin_is_default(p) && conf_last(&s->conf, key, "default")))
		return;
	settings_complain(s, key, p, "needs the [name] of a plugin; left out");
	free(*value);
	*value = NULL;
}

static int check_tls(struct settings *s, const struct plugin_settings *p)
{
	const char *key = NULL, *text = NULL;

	if (!p->sql_cert_file != !p->sql_key_file) {
		key = p->sql_cert_file ? "sql_conn_cert_file" : "sql_conn_key_file";
		text = "sql_conn_cert_file and sql_conn_key_file need each other";
	} else if (p->sql_cert_file && !p->sql_ca_file && p->sql_verify) {
		key = "sql_conn_cert_file";
		text = "needs sql_conn_ca_file, to know whom it is shown to (or sql_conn_verify: "
		       "false)";
	}
	if (!key)
		return 0;
	settings_complain(s, key, p, text);
	return -1;
}

#define WORD "abcdefghijklmnopqrstuvwxyz0123456789_"

/* strftime leaves what it does not know in the name, where nobody looks for it. */
static int check_names(struct settings *s, const struct plugin_settings *p)
{
	const struct {
		const char *key, *value;
	} names[] = {
		{ "print_output_file", p->print_output_file },
		{ "print_latest_file", p->print_latest_file },
		{ "sql_table", p->sql_table },
	};
	char text[192];
	int err = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = names[i].value ? names[i].value : "";
		const char *bad = name_bad_conversion(value), *odd = name_unknown_variable(value);

		if (odd) {
			snprintf(text, sizeof(text), "\"%.*s\" is no variable and stays as it is; known are "
				 "$ref $hst $peer_src_ip $tag $tag2 $post_tag $post_tag2 $tzone",
				 (int)(1 + strspn(odd + 1, WORD)), odd);
			settings_complain(s, names[i].key, p, text);
		}
		if (!bad)
			continue;
		snprintf(text, sizeof(text), "\"%.*s\" is no conversion of strftime(3); expected %%Y "
			 "%%m %%d %%H %%M ..., %%%% for a percent sign",
			 (int)(2 + strspn(bad + 1, "_-0^#123456789EO")), bad);
		settings_complain(s, names[i].key, p, text);
		err = -1;
	}
	return err;
}

static int check_plugin(struct settings *s, struct plugin_settings *p)
{
	bool history = p->history.seconds || p->history.months;
	int bad = check_table_version(s, p);

	if (check_names(s, p) < 0)
		bad = -1;

	if (strcmp(p->type, "memory") == 0) {
		/* The table is one, without bins, and at most a second old. */
		memset(&p->history, 0, sizeof(p->history));
		p->refresh_time = 1;
		p->startup_delay = 0;
		memset(&p->preprocess, 0, sizeof(p->preprocess));
		history = false;
	}
	check_roundoff(s, p);
	if (is_sql(p) && !history && !p->sql_table) {
		settings_complain(s, "sql_table_version", p,
			"the default tables need stamp_inserted, which is written with sql_history "
			"only; add for example sql_history: 1h and sql_history_roundoff: h");
		bad = -1;
	}
	if (history && p->history.months == 0 && p->history_offset >= p->history.seconds &&
		p->history_offset) {
		settings_complain(
			s, "sql_history_offset", p, "must be shorter than sql_history; 0 is taken");
		p->history_offset = 0;
	}
	check_named(s, "aggregate_filter", p, &p->aggregate_filter);
	check_named(s, "pre_tag_filter", p, &p->pre_tag_filter);
	check_named(s, "pre_tag2_filter", p, &p->pre_tag2_filter);
	check_named(s, "pre_tag_label_filter", p, &p->pre_tag_label_filter);
	if (s->net_source == NET_FILE && !p->networks_file &&
		(p->aggregate.set &
			(UINT64_C(1) << PRIM_ID_src_net | UINT64_C(1) << PRIM_ID_dst_net))) {
		settings_complain(s, "nfacctd_net", p, "needs a networks_file");
		bad = -1;
	}
	if (s->as_source == NET_FILE && !p->networks_file &&
	    (p->aggregate.set & (UINT64_C(1) << PRIM_ID_src_as | UINT64_C(1) << PRIM_ID_dst_as))) {
		settings_complain(s, "nfacctd_as", p, "needs a networks_file");
		bad = -1;
	}
	if (p->sql_exporters_table &&
		(!*p->sql_exporters_table || strpbrk(p->sql_exporters_table, "`\"'"))) {
		settings_complain(s, "sql_exporters_table", p,
			"expected the name of a table, without quotes");
		bad = -1;
	}
	if (check_tls(s, p) < 0)
		bad = -1;
	if (!p->sql_port)
		p->sql_port = strcmp(p->type, "pgsql") == 0 ? 5432 : 3306;
	if (p->sql_data == SQL_DATA_UNIFIED && p->sql_table_version > 5 && !p->sql_table)
		settings_complain(s, "sql_data", p,
			"unified tables end with sql_table_version 5; typed is taken");
	if (!p->sql_db && is_sql(p))
		p->sql_db = xstrdup(strcmp(p->type, "sqlite3") == 0 ? "/tmp/pmacct.db" : "pmacct");
	return bad;
}

enum { MCAST_MAX = 20 };

static int check_groups(struct settings *s)
{
	char *list = xstrdup(s->mcast_groups), *save = NULL;
	int n = 0, err = 0;

	for (char *g = strtok_r(list, ", \t", &save); g && !err; g = strtok_r(NULL, ", \t", &save)) {
		struct addr a;
		bool group = addr_parse(&a, g) && (addr_is4(&a) ? a.b[12] >> 4 == 0xe : a.b[0] == 0xff);

		if (group && ++n <= MCAST_MAX)
			continue;
		conf_error(&s->conf, settings_global_line(s, "nfacctd_mcast_groups"),
			"expected at most %d IPv4 or IPv6 multicast groups, with commas", MCAST_MAX);
		err = -1;
	}
	free(list);
	return err;
}

#define SQL_TYPES "mysql sqlite3 pgsql"
#define SERVER_TYPES "mysql pgsql"

/*
 * Keys of one kind of plugin, none of which other kinds have under another name.  The first row
 * that fits counts.  Triggers are told sql_host and sql_user by plugins of sqlite3, too.
 */
static const struct {
	const char *prefix;
	const char *types;	/* one of which must be there */
} kinds[] = {
	{ "print_output", "print" },
	{ "print_latest_file", "print" },
	{ "print_markers", "print" },
	{ "print_write_empty_file", "print" },
	{ "imt_", "memory" },
	{ "sql_db", SQL_TYPES },
	{ "sql_host", SQL_TYPES },
	{ "sql_user", SQL_TYPES },
	{ "sql_passwd", SERVER_TYPES },
	{ "sql_port", SERVER_TYPES },
	{ "sql_conn_", SERVER_TYPES },
	{ "sql_connections", "mysql" },
	{ "sql_multi_values", "mysql" },
	{ "sql_data", "pgsql" },
	{ "sql_table", SQL_TYPES },
	{ "sql_num_hosts", "mysql sqlite3" },	/* PostgreSQL has a type for addresses */
	{ "sql_dont_try_update", SQL_TYPES },
	{ "sql_optimize_clauses", SQL_TYPES },
	{ "sql_recovery_", SQL_TYPES },
	{ "sql_backup_host", SQL_TYPES },
	{ "sql_exporters_table", SQL_TYPES },
	{ "sql_check", SQL_TYPES },
};

static bool line_is_of(const struct conf_line *line, const struct plugin_settings *p)
{
	return !line->name || strcmp(line->name, p->name) == 0 ||
	       (settings_plugin_is_default(p) && strcmp(line->name, "default") == 0);
}

/* A line for which there is no plugin is no mistake, but who wrote it waits for something. */
static void notice_idle_line(const struct settings *s, const struct conf_line *line,
			     const char *types)
{
	bool named = false;
	char where[SETTINGS_WHERE];

	for (size_t i = 0; i < s->nplugins; i++) {
		if (!line_is_of(line, &s->plugin[i]))
			continue;
		if (strstr(types, s->plugin[i].type))
			return;
		named = true;
	}
	if (!named && line->name)	/* a name that nobody has was told before */
		return;
	settings_where(s, line->key, line->name, where);
	if (line->name)
		log_info("%s: has no effect: plugin %s is not of type %s", where, line->name, types);
	else
		log_info("%s: has no effect: no plugin of type %s", where, types);
}

static void notice_idle_lines(const struct settings *s)
{
	for (size_t l = 0; l < s->conf.n; l++) {
		const char *key = s->conf.lines[l].key;
		size_t k = 0;

		while (k < sizeof(kinds) / sizeof(kinds[0]) &&
		       strncmp(key, kinds[k].prefix, strlen(kinds[k].prefix)) != 0)
			k++;
		if (k < sizeof(kinds) / sizeof(kinds[0]))
			notice_idle_line(s, &s->conf.lines[l], kinds[k].types);
	}
}

static int check_core(struct settings *s)
{
	struct endpoint at;
	const char *why;
	struct addr a;

	if (s->ip && !addr_parse(&a, s->ip)) {
		conf_error(&s->conf, settings_global_line(s, "nfacctd_ip"),
			"expected an IPv4 or IPv6 address");
		return -1;
	}
	if (s->mcast_groups && check_groups(s) < 0)
		return -1;
	if (s->metrics && metrics_address(&at, s->metrics, &why) < 0) {
		conf_error(&s->conf, settings_global_line(s, "nfacctd_metrics"), "%s", why);
		return -1;
	}
	if (s->syslog && !log_has_facility(s->syslog)) {
		conf_error(&s->conf, settings_global_line(s, "syslog"),
			"expected auth, mail, daemon, kern, user or local0 to local7");
		return -1;
	}
	notice_idle_lines(s);
	if ((s->files_uid != OWNER_SAME || s->files_gid != OWNER_SAME) && geteuid() != 0) {
		log_warn("files_uid, files_gid: only root may give files away; they stay this user's");
		s->conf.warnings++;
		s->files_uid = s->files_gid = OWNER_SAME;
	}
	if (s->pro_rating && s->time_new) {
		log_warn("nfacctd_pro_rating: needs nfacctd_time_new: false; left out");
		s->conf.warnings++;
		s->pro_rating = false;
	}
	if (s->ext_sampling_rate && !s->renormalize) {
		log_warn("nfacctd_ext_sampling_rate: has no effect without nfacctd_renormalize: "
			 "true");
		s->conf.warnings++;
	}
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Not /dev/stdout or a FIFO, where the rows of both arrive. */
static bool is_replaced(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

/* What two plugins cannot both have: a file that each would replace, a socket. */
static void check_shared(struct settings *s, const struct plugin_settings *a,
			 const struct plugin_settings *b)
{
	char text[160];

	if (strcmp(a->type, b->type) != 0)
		return;
	if (strcmp(b->type, "print") == 0 && !b->print_append &&
	    same_text(a->print_output_file, b->print_output_file) &&
	    is_replaced(b->print_output_file)) {
		snprintf(text, sizeof(text), "plugin %.60s writes this file, too: each purge "
			 "replaces the rows of the other", a->name);
		settings_complain(s, "print_output_file", b, text);
	}
	if (strcmp(b->type, "memory") == 0 && same_text(a->imt_path, b->imt_path)) {
		snprintf(text, sizeof(text), "plugin %.60s listens there, too: one socket each",
			 a->name);
		settings_complain(s, "imt_path", b, text);
	}
}

static void check_separator(struct settings *s, const struct plugin_settings *p)
{
	const char *sep = p->print_separator;

	if (sep && strlen(sep) > 1 && strcmp(sep, "\\t") != 0 && strcmp(sep, "\\s") != 0)
		settings_complain(s, "print_output_separator", p,
			"expected one character, \\t or \\s; the first is taken");
}

int settings_check(struct settings *s)
{
	if (check_aggregate_lines(s) < 0 || check_preprocess_lines(s) < 0 || check_core(s) < 0)
		return -1;
	for (size_t i = 0; i < s->nplugins; i++)
		if (check_plugin(s, &s->plugin[i]) < 0)
			return -1;
	for (size_t i = 0; i < s->nplugins; i++) {
		check_separator(s, &s->plugin[i]);
		for (size_t k = 0; k < i; k++)
			check_shared(s, &s->plugin[k], &s->plugin[i]);
	}
	return 0;
}
