/*
 * settings.c - the table of keys, and what has to be true of their values
 * before a daemon may start.
 *
 * One table for all plugins: sql_ and print_ spellings of one thing share a
 * row, because in users' files they always shared a variable.  Rows below
 * "ours" are not pmacct's.
 */
#include "nfacctd/settings.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/log.h"
#include "base/owner.h"
#include "base/strbuf.h"
#include "nfacctd/custom.h"
#include "nfacctd/name_template.h"
#include "nfacctd/sink.h"
#include "net/metrics.h"
#include "wire/addr.h"

/* ---- values with a grammar of their own ------------------------------------ */

static bool parse_aggregate(void *field, const char *value, const char **expected)
{
	char why[160];

	/* check_aggregate_lines() tells what is wrong: it is fatal, not a default that stays. */
	(void)expected;
	aggregate_parse(field, value, why, sizeof(why));
	return true;
}

struct word {
	const char *text;
	int value;
};

static bool parse_word(int *out, const char *value, const struct word *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(value, words[i].text) == 0) {
			*out = words[i].value;
			return true;
		}
	}
	return false;
}

/* An enum parser from its words; the enums here are ints (C11 6.7.2.2 and every Linux ABI). */
#define WORDS(parser, type, text, ...) \
	static bool parser(void *field, const char *value, const char **expected) \
	{ \
		static const struct word words[] = { __VA_ARGS__ }; \
		int v; \
		*expected = text; \
		if (!parse_word(&v, value, words, sizeof(words) / sizeof(words[0]))) \
			return false; \
		*(type *)field = (type)v; \
		return true; \
	}

WORDS(parse_print_output, enum print_format, "formatted, csv, json, event_formatted or event_csv",
      { "formatted", PRINT_FORMATTED }, { "csv", PRINT_CSV }, { "json", PRINT_JSON },
      { "event_formatted", PRINT_EVENT_FORMATTED }, { "event_csv", PRINT_EVENT_CSV })
WORDS(parse_net_source, enum net_source, "netflow, file, longest or mask",
      { "netflow", NET_NETFLOW }, { "sflow", NET_NETFLOW }, { "file", NET_FILE },
      { "longest", NET_LONGEST }, { "mask", NET_MASK })
WORDS(parse_as_source, enum net_source, "netflow, file or longest",
      { "netflow", NET_NETFLOW }, { "sflow", NET_NETFLOW }, { "false", NET_NETFLOW },
      { "file", NET_FILE }, { "true", NET_FILE }, { "longest", NET_LONGEST })
WORDS(parse_filter, enum filter_mode, "true, false or auto",
      { "true", FILTER_TRUE }, { "false", FILTER_FALSE }, { "auto", FILTER_AUTO })
WORDS(parse_v8_dialect, enum v8_dialect, "flow-tools or tshark",
      { "flow-tools", V8_FLOW_TOOLS }, { "tshark", V8_TSHARK })
WORDS(parse_sql_data, enum sql_data, "typed or unified", { "typed", SQL_DATA_TYPED },
	{ "unified", SQL_DATA_UNIFIED })
WORDS(parse_events, enum account_events, "auto, true or false", { "auto", EVENTS_AUTO },
	{ "true", EVENTS_TRUE }, { "false", EVENTS_FALSE })
WORDS(parse_any_all, bool, "any or all", { "any", false }, { "all", true })
WORDS(parse_ext_mode, enum ext_rate_mode, "override or default",
      { "override", EXT_RATE_OVERRIDE }, { "default", EXT_RATE_DEFAULT })

WORDS(parse_direction, enum direction_policy, "both, ingress or egress",
      { "both", DIRECTION_BOTH }, { "ingress", DIRECTION_INGRESS }, { "egress", DIRECTION_EGRESS })

WORDS(parse_sflow_octets, enum sflow_octets, "frame or ip", { "frame", SFLOW_FRAME },
	{ "ip", SFLOW_IP })

static bool parse_preprocess(void *field, const char *value, const char **expected)
{
	/* check_preprocess_lines() tells what is wrong: a bill without the checks is another one. */
	preprocess_parse(field, value, expected);
	return true;
}

static bool parse_priority(void *field, const char *value, const char **expected)
{
	char *end;
	long v = strtol(value, &end, 10);

	*expected = "a number from -20 to 19";
	if (end == value || *end || v < -20 || v > 19)
		return false;
	*(int32_t *)field = (int32_t)v;
	return true;
}

static bool parse_octal(void *field, const char *value, const char **expected)
{
	char *end;
	unsigned long v = strtoul(value, &end, 8);

	*expected = "an octal number up to 777";
	if (*value < '0' || *value > '7' || *end || v > 0777)
		return false;
	*(uint32_t *)field = (uint32_t)v;
	return true;
}

/* Digits are an ID; UINT32_MAX is what chown() takes for "leave it", so it is none. */
static bool parse_id(uint32_t *out, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || v >= OWNER_SAME)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool parse_user(void *field, const char *value, const char **expected)
{
	const struct passwd *p;

	*expected = "a user of this machine, or a number";
	*(uint32_t *)field = OWNER_SAME;
	if (!*value || parse_id(field, value))
		return true;
	p = getpwnam(value);
	if (p)
		*(uint32_t *)field = p->pw_uid;
	return p != NULL;
}

static bool parse_group(void *field, const char *value, const char **expected)
{
	const struct group *g;

	*expected = "a group of this machine, or a number";
	*(uint32_t *)field = OWNER_SAME;
	if (!*value || parse_id(field, value))
		return true;
	g = getgrnam(value);
	if (g)
		*(uint32_t *)field = g->gr_gid;
	return g != NULL;
}

/* Addresses and networks with commas between. */
static bool parse_proxies(void *field, const char *value, const char **expected)
{
	struct proxy_senders *p = field;
	char one[PREFIX_TEXT];
	bool host_bits;

	*expected = "up to 32 addresses or networks without host bits, with commas between";
	p->n = 0;
	while (*value) {
		const size_t n = strcspn(value, ",");
		const size_t blanks = strspn(value, " ");

		if (p->n == 32 || blanks > n || n - blanks >= sizeof(one))
			return false;
		memcpy(one, value + blanks, n - blanks);
		one[n - blanks] = '\0';
		if (!prefix_parse(&p->at[p->n], one, &host_bits) || host_bits)
			return false;
		p->n++;
		value += n + (value[n] == ',');
	}
	return p->n > 0;
}

/* ---- the table -------------------------------------------------------------- */

#define GF(f, T) CONF_GLOBAL, CONF_FIELD(struct settings, f, T)
#define PF(f, T) CONF_PLUGIN, CONF_FIELD(struct plugin_settings, f, T)
#define BOOL(key, alias, where, dflt, help) { key, alias, CONF_BOOL, where, 0, 0, dflt, help, NULL }
#define U32(key, alias, where, lo, hi, dflt, help) { key, alias, CONF_U32, where, lo, hi, dflt, help, NULL }
#define U64(key, alias, where, lo, hi, dflt, help) { key, alias, CONF_U64, where, lo, hi, dflt, help, NULL }
#define STR(key, alias, where, dflt, help) { key, alias, CONF_STRING, where, 0, 0, dflt, help, NULL }
#define OWN(key, alias, where, dflt, parser, help) { key, alias, CONF_CUSTOM, where, 0, 0, dflt, help, parser }
#define NOOP(key, alias, help) { key, alias, CONF_ACCEPTED, CONF_GLOBAL, 0, 0, 0, NULL, help, NULL }
#define NOOPP(key, alias, help) { key, alias, CONF_ACCEPTED, CONF_PLUGIN, 0, 0, 0, NULL, help, NULL }
#define LATER "not in this version: no effect"
#define SIZED "tables grow as needed: no effect"

const struct conf_key settings_keys[] = {
	/* the process */
	BOOL("daemonize", NULL, GF(daemonize, bool), "false",
		"Detach from the terminal, after everything that can fail at start was tried"),
	STR("pidfile", NULL, GF(pidfile, char *), NULL,
		"File that holds the process number, locked while it runs"),
	STR("logfile", NULL, GF(logfile, char *), NULL,
		"Append the log here, with time stamps; SIGHUP reopens it; goes before syslog"),
	STR("syslog", NULL, GF(syslog, char *), NULL,
		"Log to this syslog facility: auth, mail, daemon, kern, user, local0 to local7"),
	STR("syslog_ident", NULL, GF(syslog_ident, char *), "nfacctd", "Name of the program in syslog"),
	BOOL("log_stderr_tstamp", NULL, GF(log_stderr_tstamp, bool), "false",
		"Lines on standard error begin with the time, as those of logfile"),
	OWN("proc_priority", NULL, GF(proc_priority, int32_t), "0", parse_priority,
		"Scheduling priority of the process, as nice(1): -20 (first) to 19"),
	STR("core_proc_name", NULL, GF(core_proc_name, char *), "default",
		"Name of this process in log lines"),
	BOOL("debug", NULL, GF(debug, bool), "false", "Log debugging lines too"),
	OWN("files_umask", NULL, GF(files_umask, uint32_t), "077", parse_octal,
		"umask of the files written, octal"),
	OWN("files_uid", NULL, GF(files_uid, uint32_t), "", parse_user,
		"User, by name or number, who owns the files written; for a process of root"),
	OWN("files_gid", NULL, GF(files_gid, uint32_t), "", parse_group,
		"Group, by name or number, that owns the files written; for a process of root"),
	STR("plugins", NULL, GF(plugins, char *), NULL,
		"What to do with the sums: a list of type[name]; types mysql, pgsql, sqlite3, print, "
		"memory; absent: memory[default_memory]"),
	/* listening */
	STR("nfacctd_ip", "sfacctd_ip", GF(ip, char *), NULL,
		"Address to listen on; absent: all, IPv4 and IPv6"),
	U32("nfacctd_port", "sfacctd_port", GF(port, uint32_t), 1, 65535, "2100",
		"UDP port to listen on"),
	U64("nfacctd_pipe_size", "sfacctd_pipe_size", GF(pipe_size, uint64_t), 0, UINT64_C(1) << 31,
		"8388608", "Receive buffer asked of the kernel, bytes; 0 leaves the kernel's"),
	STR("nfacctd_interface", "sfacctd_interface", GF(interface, char *), NULL,
		"Listen on this interface only"),
	STR("nfacctd_mcast_groups", "sfacctd_mcast_groups", GF(mcast_groups, char *), NULL,
		"Multicast groups to join, up to 20, comma-separated"),
	STR("nfacctd_allow_file", "sfacctd_allow_file", GF(allow_file, char *), NULL,
		"File of senders that are listened to, an address or prefix a line; an empty file "
		"refuses all"),
	BOOL("nfacctd_ipv6_only", "sfacctd_ipv6_only", GF(ipv6_only, bool), "false",
		"Do not accept IPv4 on the IPv6 socket"),
	/* decoding */
	BOOL("nfacctd_disable_checks",
		"nfacctd_disable_sanity_checks sfacctd_disable_checks "
		"sfacctd_disable_sanity_checks",
		GF(disable_checks, bool), "true",
		"Do not log sequence gaps and unknown versions; they are counted in any case"),
	BOOL("nfacctd_time_new", "sfacctd_time_new", GF(time_new, bool), "false",
		"The time of arrival picks the bin, not the flow's start"),
	BOOL("nfacctd_time_secs", NULL, GF(time_secs, bool), "false",
		"Uptimes in NetFlow headers and records are seconds, not milliseconds"),
	BOOL("nfacctd_renormalize", "sfacctd_renormalize", GF(renormalize, bool), "false",
		"Multiply bytes and packets by the sampling interval"),
	U32("nfacctd_ext_sampling_rate", "sfacctd_ext_sampling_rate",
		GF(ext_sampling_rate, uint32_t), 1, UINT32_MAX, NULL,
		"With renormalize: multiply by this, whatever exporters announce"),
	BOOL("use_ip_next_hop", NULL, GF(use_ip_next_hop, bool), "false",
		"peer_dst_ip is the IP next hop where the exporter tells no BGP next hop"),
	STR("aggregate_primitives", NULL, GF(aggregate_primitives, char *), NULL,
		"File of primitives of your own, of any Information Element: see PRIMITIVES OF YOUR OWN"),
	STR("sampling_map", NULL, GF(sampling_map, char *), NULL,
		"File of sampling intervals by exporter and interface, before what exporters "
		"announce: see MAPS"),
	BOOL("nfacctd_pro_rating", NULL, GF(pro_rating, bool), "false",
		"Spread a flow over the bins it lasted through, by time; sums stay exact; needs "
		"nfacctd_time_new false"),
	BOOL("nfacctd_disable_opt_scope_check", NULL, GF(disable_opt_scope_check, bool), "false",
		"Every sampler that an exporter announces is good for all of its domains"),
	BOOL("nfacctd_ignore_exporter_address", "sfacctd_ignore_exporter_address",
		GF(ignore_exporter_address, bool), "false",
		"The sender of the datagram is the exporter, whatever its options or its agent "
		"address say"),
	BOOL("nfacctd_account_options", NULL, GF(account_options, bool), "false",
		"Options data records are accounted, too, by the primitives that they hold, mostly some "
		"of your own; sample_type=option tells them in maps. Their counters, where they have any, "
		"count"),
	BOOL("nfacctd_pre_processing_checks", NULL, GF(strict_padding, bool), "false",
		"A NetFlow v9 or IPFIX data Set whose padding is not zero is not what its template "
		"says: it is left out and counted, damaged{cause=\"padding\"}"),
	STR("nfacctd_templates_file", NULL, GF(templates_file, char *), NULL,
		"Where templates, samplers and clocks that exporters told are kept over a restart; "
		"written after each purge and at the end; not pmacct's format"),
	OWN("nfacctd_as", "sfacctd_as nfacctd_as_new sfacctd_as_new",
		GF(as_source, enum net_source), "netflow", parse_as_source,
		"Where AS numbers come from: the exporter, networks_file, or the longer prefix of "
		"both"),
	OWN("nfacctd_net", "sfacctd_net", GF(net_source, enum net_source), "netflow",
		parse_net_source,
		"Where prefixes and masks come from: the exporter, networks_file, the longer of "
		"both, or networks_mask"),
	STR("pcap_savefile", NULL, GF(pcap_savefile, char *), NULL,
		"Read exports from this capture, then stop"),
	BOOL("pcap_savefile_wait", "pcap_sf_wait", GF(pcap_wait, bool), "false",
		"When the capture has ended, write what it left and wait for a signal"),
	U32("pcap_savefile_delay", "pcap_sf_delay", GF(pcap_delay, uint32_t), 0, 86400, "0",
		"Seconds to wait before the capture is read"),
	U32("pcap_savefile_replay", "pcap_sf_replays", GF(pcap_replays, uint32_t), 0, UINT32_MAX,
		"1",
		"How often the capture is read; 0: for ever"),
	/* aggregation, a plugin each */
	OWN("aggregate", NULL, PF(aggregate, struct aggregate_spec), "src_host", parse_aggregate,
		"The primitives that make a row, comma-separated"),
	STR("networks_file", NULL, PF(networks_file, char *), NULL,
		"File of our prefixes, with AS numbers if wanted"),
	OWN("networks_file_filter", NULL, PF(networks_file_filter, enum filter_mode), "auto",
		parse_filter,
		"An address outside networks_file becomes 0.0.0.0; absent: true when the file "
		"would else be without use"),
	BOOL("networks_file_no_lpm", NULL, PF(networks_file_no_lpm, bool), "false",
		"With nfacctd_net or nfacctd_as longest: a match in the file always wins"),
	BOOL("networks_no_mask_if_zero", NULL, PF(networks_no_mask_if_zero, bool), "false",
		"A mask of 0 leaves the whole address"),
	U32("networks_mask", NULL, PF(networks_mask, uint32_t), 0, 128, "0",
		"Prefix length for nfacctd_net mask"),
	STR("ports_file", NULL, PF(ports_file, char *), NULL,
		"Ports that are told apart, one a line; others become 0"),
	STR("protos_file", NULL, PF(protos_file, char *), NULL,
		"Protocols that are told apart, names or numbers; others become 255"),
	STR("tos_file", NULL, PF(tos_file, char *), NULL,
		"ToS values that are told apart; others become 255"),
	BOOL("tos_encode_as_dscp", NULL, PF(tos_encode_as_dscp, bool), "false",
		"tos holds the six bits of the DSCP"),
	STR("aggregate_filter", NULL, PF(aggregate_filter, char *), NULL,
		"Only records that this libpcap expression matches; needs a [name]"),
	STR("pre_tag_map", NULL, PF(pre_tag_map, char *), NULL,
		"File of rules that give records tags, labels and ToS values: see MAPS"),
	STR("pre_tag_filter", NULL, PF(pre_tag_filter, char *), NULL,
		"Only records with these tags: numbers, ranges, negations, 0 for none; needs a "
		"[name]"),
	STR("pre_tag2_filter", NULL, PF(pre_tag2_filter, char *), NULL,
		"The same for the second tag; needs a [name]"),
	STR("pre_tag_label_filter", NULL, PF(pre_tag_label_filter, char *), NULL,
		"Only records with these labels; null for none, -name for all others; needs a "
		"[name]"),
	U64("post_tag", NULL, PF(post_tag, uint64_t), 1, UINT64_MAX, NULL,
		"The tag of all records of the plugin, whatever pre_tag_map says"),
	U64("post_tag2", NULL, PF(post_tag2, uint64_t), 1, UINT64_MAX, NULL,
		"The second tag of all records of the plugin"),
	U64("plugin_pipe_size", NULL, PF(pipe_size, uint64_t), 0, UINT64_MAX, "4096000",
		"Accepted: nothing queues here"),
	U64("plugin_buffer_size", NULL, PF(buffer_size, uint64_t), 0, UINT64_MAX, "0",
		"Accepted: nothing waits for a fill level"),
	U64("sql_cache_entries", "print_cache_entries", PF(cache_entries, uint64_t), 0, UINT64_MAX,
		"32771", "Accepted as a hint: the table starts small and grows as needed"),
	/* SQL */
	STR("sql_db", NULL, PF(sql_db, char *), NULL,
		"Database; sqlite3: its file; default pmacct"),
	STR("sql_user", NULL, PF(sql_user, char *), "pmacct", "Database user"),
	STR("sql_passwd", NULL, PF(sql_passwd, char *), "arealsmartpwd",
		"Password; with nothing behind the colon: none"),
	STR("sql_host", NULL, PF(sql_host, char *), "localhost",
		"Server, or unix:/path of its socket (pgsql: of the socket's folder)"),
	U32("sql_port", NULL, PF(sql_port, uint32_t), 1, 65535, NULL,
		"Port of the server; default 3306, pgsql 5432"),
	STR("sql_conn_ca_file", NULL, PF(sql_ca_file, char *), NULL,
		"mysql, pgsql: use TLS, with this certificate authority; a server that has no "
		"certificate of it for sql_host is refused, and nothing goes in clear text"),
	STR("sql_table", NULL, PF(sql_table, char *), NULL,
		"Table; default acct, acct_v2 ... by version; may hold % and $ variables"),
	U32("sql_table_version", NULL, PF(sql_table_version, uint32_t), 1, 9, "1",
		"Layout of the default tables"),
	OWN("sql_data", NULL, PF(sql_data, enum sql_data), "typed", parse_sql_data,
		"pgsql, table versions up to 5, without sql_table: typed is acct, or acct_as for AS "
		"numbers; unified is acct_uni, where addresses are text"),
	STR("sql_table_schema", NULL, PF(sql_table_schema, char *), NULL,
		"File with a CREATE TABLE to run before each purge"),
	STR("sql_recovery_logfile", NULL, PF(sql_recovery_logfile, char *), NULL,
		"Files whose names begin so hold purges that could not be written, until they are, "
		"by this run or the next: see WRITING; needs a table flow_ledger"),
	STR("sql_recovery_backup_host", "sql_backup_host", PF(sql_backup_host, char *), NULL,
		"A second server (sqlite3: a second file) with the same tables, for purges that the "
		"first one does not take"),
	U32("sql_refresh_time", "print_refresh_time", PF(refresh_time, uint32_t), 1, 86400 * 366,
		"60", "Seconds between purges"),
	U32("sql_startup_delay", "print_startup_delay", PF(startup_delay, uint32_t), 0, 86400 * 366,
		"0", "Seconds by which all purges are put off; whole bins also hold back bins"),
	OWN("sql_history", "print_history", PF(history, struct conf_span), NULL, conf_span_parse,
		"Length of a time bin: a number and s, m, h, d, w or M"),
	STR("sql_history_roundoff", "print_history_roundoff", PF(history_roundoff, char *), NULL,
		"Letters m h d w M: align bins, purges and triggers"),
	U32("sql_history_offset", "print_history_offset", PF(history_offset, uint32_t), 0,
		86400 * 366, "0", "Seconds by which bins start late; shorter than the bin"),
	BOOL("sql_optimize_clauses", NULL, PF(sql_optimize_clauses, bool), "false",
		"Write the aggregated columns only"),
	BOOL("sql_dont_try_update", NULL, PF(sql_dont_try_update, bool), "false",
		"Insert only; a row that is there already is added to, never dropped"),
	U64("sql_multi_values", NULL, PF(sql_multi_values, uint64_t), 0, UINT64_C(1) << 30, "0",
		"Upper bound of a statement, bytes; 0: as the server allows"),
	BOOL("sql_num_protos", "print_num_protos", PF(num_protos, bool), "false",
		"ip_proto as a number"),
	BOOL("sql_num_hosts", NULL, PF(sql_num_hosts, bool), "false",
		"Addresses as INET6_ATON gives them"),
	STR("sql_locking_style", NULL, PF(sql_locking_style, char *), NULL,
		"Accepted: a transaction takes its place"),
	/* print */
	OWN("print_output", NULL, PF(print_output, enum print_format), "formatted",
		parse_print_output, "formatted, csv, json, event_formatted or event_csv"),
	STR("print_output_file", NULL, PF(print_output_file, char *), NULL,
		"File, with strftime and $ variables; absent: standard output"),
	BOOL("print_output_file_append", NULL, PF(print_append, bool), "false",
		"Append to a file that is there"),
	STR("print_output_separator", NULL, PF(print_separator, char *), ",",
		"One character between CSV values; \\t and \\s too"),
	STR("print_latest_file", NULL, PF(print_latest_file, char *), NULL,
		"Symbolic link to the newest file"),
	BOOL("print_markers", NULL, PF(print_markers, bool), "false",
		"Lines that mark start and end of a purge"),
	BOOL("print_write_empty_file", NULL, PF(print_write_empty_file, bool), "false",
		"Write a file when there are no rows, too"),
	/* memory */
	STR("imt_path", NULL, PF(imt_path, char *), "/tmp/collect.pipe",
		"Plugin memory: the socket where pmacct(1) asks; one a plugin"),
	/* both */
	BOOL("timestamps_utc", NULL, PF(timestamps_utc, bool), "false", "Times in UTC"),
	BOOL("timestamps_since_epoch", "sql_history_since_epoch print_history_since_epoch",
		PF(timestamps_since_epoch, bool), "false", "Times as seconds since 1970"),
	BOOL("timestamps_rfc3339", "timestamps_rfc9557", PF(timestamps_rfc3339, bool), "false",
		"print, memory: times as 2026-01-05T13:00:00.000000+01:00, with Z for UTC"),
	BOOL("timestamps_secs", NULL, PF(timestamps_secs, bool), "false",
		"Rows are told apart by whole seconds of their times; SQL: no columns for the rest"),
	STR("sql_trigger_exec", "print_trigger_exec", PF(trigger_exec, char *), NULL,
		"Program to run after each purge that was written, beside the daemon; see TRIGGER"),
	OWN("sql_preprocess", "print_preprocess", PF(preprocess, struct preprocess), NULL,
		parse_preprocess,
		"Which rows of a purge are written, and how they are changed: see PREPROCESSING"),
	OWN("sql_preprocess_type", "print_preprocess_type", PF(preprocess_all, bool), "any",
		parse_any_all, "Whether one of the checks must fit a row, or all"),
	OWN("sql_trigger_time", "print_trigger_time", PF(trigger_time, struct conf_span), NULL,
		conf_span_parse,
		"Run it at the first purge of each such span, aligned by the round-off; absent: "
		"after each purge"),
	/* known, without effect */
	NOOPP("sql_use_copy", NULL, "rows go in as arrays, which is as fast: no effect"),
	NOOPP("sql_delimiter", NULL, "nothing is told apart by a delimiter: no effect"),
	NOOPP("sql_table_type", NULL, LATER),
	NOOPP("sql_trigger_exec_async", NULL, "the trigger never holds up a purge: no effect"),
	NOOPP("sql_max_writers", "print_max_writers",
		"one writer a plugin, and nothing is thrown away: no effect"),
	NOOPP("sql_startup_delay_type", NULL, LATER),
	NOOPP("plugin_pipe_zmq", NULL, "plugins share the process: no effect"),
	NOOPP("plugin_pipe_zmq_profile", NULL, "plugins share the process: no effect"),
	NOOPP("plugin_pipe_zmq_retry", NULL, "plugins share the process: no effect"),
	NOOPP("plugin_pipe_zmq_hwm", NULL, "plugins share the process: no effect"),
	NOOP("maps_entries", "pre_tag_map_entries", SIZED),
	NOOP("maps_row_len", NULL, SIZED),
	NOOP("maps_refresh", "refresh_maps", "SIGUSR2 always reloads: no effect"),
	NOOP("maps_index", NULL, SIZED),
	NOOPP("networks_cache_entries", NULL, SIZED),
	NOOPP("imt_buckets", NULL, SIZED),
	NOOPP("imt_mem_pools_number", NULL, "imt_memory_budget bounds the table: no effect"),
	NOOPP("imt_passwd", NULL, "who may open the socket of imt_path may ask: no effect"),
	NOOPP("imt_mem_pools_size", NULL, "imt_memory_budget bounds the table: no effect"),
	NOOP("nfacctd_templates_receiver", NULL, LATER),
	NOOP("nfacctd_templates_port", NULL, LATER),
	NOOP("nfacctd_stitching", "sfacctd_stitching", LATER),
	NOOP("nfacctd_dtls_port", NULL, LATER),
	NOOP("dtls_path", NULL, LATER),
	NOOP("nfacctd_nonroot", NULL, "start as the user you want: no effect"),
	NOOP("plugin_exit_any", NULL, "plugins share the process: no effect"),
	NOOP("propagate_signals", NULL, "plugins share the process: no effect"),
	NOOP("flow_to_rd_map", NULL, LATER),
	NOOP("classifiers", NULL, LATER),
	NOOP("nfacctd_zmq_address", "sfacctd_zmq_address", "no ZeroMQ input: no effect"),
	NOOP("nfacctd_peer_as", "sfacctd_peer_as",
		"peer AS numbers come with nfacctd_as: no effect"),
	NOOP("print_output_lock_file", NULL, "a file appears whole: no effect"),
	NOOP("nfacctd_proc_name", "sfacctd_proc_name", "core_proc_name is the key: no effect"),
	NOOP("debug_internal_msg", NULL, "plugins share the process: no effect"),
	NOOP("thread_stack", NULL, "the system's is enough: no effect"),
	NOOP("sampling_rate", NULL, "another daemon's key: no effect"),
	NOOP("snaplen", NULL, "another daemon's key: no effect"),
	NOOP("promisc", NULL, "another daemon's key: no effect"),
	NOOP("tmp_asa_bi_flow", NULL, "biflows are always split in two: no effect"),
#define FAMILY(prefix, text) NOOP(prefix "*", NULL, text),
	FAMILY("kafka_", "no Kafka plugin: no effect") FAMILY(
		"amqp_", "no AMQP plugin: no effect") FAMILY("avro_",
		"no Avro output: no effect") FAMILY("tee_",
		"replicator(8) is the tee: no effect here") FAMILY("geoip",
		"no GeoIP: no effect") FAMILY("bgp_", "no BGP thread: no effect") FAMILY("bmp_",
		"no BMP thread: no effect") FAMILY("isis_", "no IS-IS thread: no effect")
		FAMILY("rpki_", "no RPKI: no effect") FAMILY("mongo_", "no MongoDB plugin: no effect")
		FAMILY("sfacctd_counter_", LATER) FAMILY(
			"telemetry_", "no telemetry thread: no effect") FAMILY("redis_",
			"no cluster mode: no effect") FAMILY("cluster_",
			"no cluster mode: no effect") FAMILY("nfacctd_kafka_",
			"no Kafka input: no effect") FAMILY("sfacctd_kafka_",
			"no Kafka input: no effect") FAMILY("tmp_bgp_", "no BGP thread: no effect")
			FAMILY("print_output_custom_", "no custom output: no effect") FAMILY(
				"classifier_", "no classifiers: no effect") FAMILY("tunnel_",
				"no tunnels are looked into: no effect") FAMILY("pmacctd_",
				"another daemon's key: no effect")
				FAMILY("uacctd_", "another daemon's key: no effect") FAMILY(
					"nfprobe_", "another daemon's key: no effect")
					FAMILY("sfprobe_", "another daemon's key: no effect")
						FAMILY("pcap_", "another daemon's key: no effect")
	/* ours */
	U32("nfacctd_time_limit", NULL, GF(time_limit, uint32_t), 0, UINT32_MAX, "2592000",
		"A flow whose start is more seconds than this off its arrival is booked at its "
		"arrival and counted as clamped; 0: no limit"),
	U32("nfacctd_time_ahead", NULL, GF(time_ahead, uint32_t), 0, UINT32_MAX, "0",
		"The same for a flow that starts so many seconds after its arrival: its row would "
		"wait in memory for a bin that is to come; 0: nfacctd_time_limit alone"),
	OWN("nfacctd_v8_dialect", NULL, GF(v8_dialect, enum v8_dialect), "flow-tools",
		parse_v8_dialect,
		"NetFlow v8, where the world reads two ways: flow-tools (and pmacct up to 1.7.1): "
		"the destination's mask first, "
		"ToS behind the interfaces; tshark: the source's mask first, ToS before them"),
	U32("nfacctd_tunnels", "sfacctd_tunnels", GF(tunnels, uint32_t), 0, 8, "0",
		"sFlow: addresses and ports are those of the packet inside so many tunnels (GRE, "
		"IP in IP, VXLAN, Geneve, "
		"GTP-U), as far as its headers were sampled; bytes stay those of the frame"),
	U32("nfacctd_holdback", NULL, GF(holdback, uint32_t), 0, 86400, "0",
		"Seconds that NetFlow v9 and IPFIX data is kept when it comes before its template "
		"or, with renormalize, "
		"before the sampling interval that its exporter has announced; 0: data without a "
		"template is lost at once, and counted"),
	U64("nfacctd_holdback_size", NULL, GF(holdback_size, uint64_t), 1 << 20, UINT64_C(1) << 32,
		"16777216",
		"Bytes of such data that a worker keeps; an exporter has an eighth of it at most"),
	OWN("nfacctd_proxy_protocol_from", NULL, GF(proxy_from, struct proxy_senders), NULL,
		parse_proxies,
		"Senders, addresses or networks with commas between, whose PROXY protocol version "
		"2 header names the exporter. "
		"Off by default: whoever may write such a header may write any bill. A datagram of "
		"such a sender without a lawful "
		"header is taken as it is; nfacctd_allow_file is then about the exporter. Counter "
		"datagrams_proxied"),
	OWN("nfacctd_ext_sampling_rate_mode", NULL, GF(ext_sampling_rate_mode, enum ext_rate_mode),
		"override", parse_ext_mode,
		"override: nfacctd_ext_sampling_rate always counts; default: only where the "
		"exporter says nothing"),
	OWN("nfacctd_direction", NULL, GF(direction, enum direction_policy), "both",
		parse_direction,
		"Of flows metered where they come in and where they go out: both records count, "
		"ingress ones, egress ones; a record without a direction always counts"),
	STR("nfacctd_direction_map", NULL, GF(direction_map, char *), NULL,
		"The same for exporters or interfaces: a line each of exporter[/length], ifIndex or *, "
		"policy, with blanks or commas between, as 192.0.2.0/24 7 egress; the first that fits"),
	OWN("nfacctd_sflow_octets", "sfacctd_octets", GF(sflow_octets, enum sflow_octets), "frame",
		parse_sflow_octets,
		"Octets of a sampled frame: frame, with Ethernet header and checksum, as sfacctd; "
		"ip, the length that its IP header states, which bills sFlow and NetFlow alike"),
	BOOL("nfacctd_packet_sections", NULL, GF(packet_sections, bool), "false",
		"NetFlow v9 and IPFIX records that hold the first octets of a sampled packet (IE 313 "
		"or 315) and no counters are that packet, as long as its IP header states, as "
		"pmacct reads them; false: they are events. Counter records_sections"),
	BOOL("nfacctd_share_port", NULL, GF(share_port, bool), "false",
		"Let other processes listen on the port, too; the kernel then splits the traffic"),
	U32("nfacctd_workers", NULL, GF(workers, uint32_t), 1, 64, "1",
		"Threads that receive, or that share the work of a capture (pcap_savefile); an "
		"exporter's datagrams stay with one of them, in order"),
	U64("nfacctd_memory_budget", NULL, GF(memory_budget, uint64_t), 1 << 20, UINT64_MAX,
		"2147483648",
		"Bytes that the sums of all plugins may take; beyond it new rows are shed and "
		"counted, known rows go on"),
	U32("nfacctd_silence", NULL, GF(silence, uint32_t), 0, UINT32_MAX, "0",
		"One line in the log when an exporter was not heard of for so many seconds, one "
		"when it is back; 0: none"),
	STR("nfacctd_metrics", NULL, GF(metrics, char *), NULL,
		"Address and port, 127.0.0.1:9100, where Prometheus finds all counters under "
		"/metrics, those of each exporter too"),
	STR("nfacctd_stats_file", "stats_file", GF(stats_file, char *), NULL,
		"All counters, name and value a line, rewritten at each purge and at the end"),
	OWN("account_events", NULL, PF(account_events, enum account_events), "auto", parse_events,
		"Records with neither octets nor packets, as NAT and firewall events, make rows, too; "
		"auto: where aggregate has nat_event or fw_event, or print_output is one of event_*; "
		"false: they are counted only. Counters records_events, plugin_records_events"),
	BOOL("networks_drop_others", NULL, PF(networks_drop_others, bool), "false",
		"Do not write the row of addresses outside networks_file; what it held is counted"),
	U64("imt_memory_budget", NULL, PF(imt_memory_budget, uint64_t), 1 << 16, UINT64_MAX,
		"268435456",
		"Plugin memory: bytes that its table may take; beyond it new rows are refused and "
		"counted"),
	U32("sql_connections", NULL, PF(sql_connections, uint32_t), 1, 8, "2",
		"Plugin mysql: connections over which a purge of 8192 rows and more is written "
		"at once, a part each; see PURGES IN PARTS"),
	U32("sql_tables_max", NULL, PF(sql_tables_max, uint32_t), 0, UINT32_MAX, "1024",
		"Tables that sql_table_schema makes in one run for a sql_table with $ "
		"variables of rows, which "
		"strangers can vary; rows for more are refused and counted"),
	STR("sql_conn_cert_file", NULL, PF(sql_cert_file, char *), NULL,
		"mysql, pgsql: our certificate for the server; needs sql_conn_key_file"),
	STR("sql_conn_key_file", NULL, PF(sql_key_file, char *), NULL,
		"Its key; with pgsql readable by its owner only"),
	BOOL("sql_conn_verify", NULL, PF(sql_verify, bool), "true",
		"Check the server's certificate; false: any will do, so that only who cannot "
		"answer in its place is kept out of the traffic"),
	U64("sql_recovery_size", NULL, PF(sql_recovery_size, uint64_t), 0, UINT64_MAX, "4294967296",
		"Bytes of files of sql_recovery_logfile that may wait, a plugin; beyond it purges "
		"wait in memory"),
	STR("sql_passwd_file", NULL, PF(sql_passwd_file, char *), NULL,
		"File whose first line is the password"),
	STR("sql_exporters_table", NULL, PF(sql_exporters_table, char *), NULL,
		"Table, sql/flow_exporters, that says beside the sums, and on their server, how "
		"complete each exporter's data are"),
	BOOL("sql_check", NULL, PF(sql_check, bool), "true",
		"Compare the table's columns with what will be written, at start"),
};

const size_t settings_nkeys = sizeof(settings_keys) / sizeof(settings_keys[0]);

/* ---- plugins: type[name], ... --------------------------------------------------- */

static bool type_known(const char *type)
{
	return sink_find(type) != NULL;
}

static const char *skip_blank(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* The text from p to end without blanks, on the heap. */
static char *squeeze(const char *p, const char *end)
{
	char *out = xmalloc((size_t)(end - p) + 1);
	size_t n = 0;

	for (; p < end; p++)
		if (*p != ' ' && *p != '\t')
			out[n++] = *p;
	out[n] = '\0';
	return out;
}

static struct plugin_settings *plugin_find(struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (strcmp(s->plugin[i].name, name) == 0)
			return &s->plugin[i];
	return NULL;
}

enum { PLUGINS_MAX = 32, MCAST_MAX = 20 };

/* Takes over `type` and `name`. */
static void plugin_add(struct settings *s, const struct conf_line *l, char *type, char *name)
{
	struct plugin_settings *p;

	if (!type_known(type)) {
		conf_error(&s->conf, l,
			"plugin type \"%s\" is not known and left out; expected one of %s%s", type,
			sink_types(), strcmp(type, "tee") == 0
				? " (tees: replicator --config takes this file)" : "");
	} else if (plugin_find(s, name)) {
		conf_warn(&s->conf, l, "a second plugin \"%s\" is left out", name);
	} else if (s->nplugins == PLUGINS_MAX) {
		conf_error(
			&s->conf, l, "plugin \"%s\" is left out: more than %d", name, PLUGINS_MAX);
	} else {
		s->plugin = xrealloc(s->plugin, (s->nplugins + 1) * sizeof(*s->plugin));
		p = &s->plugin[s->nplugins++];
		memset(p, 0, sizeof(*p));
		p->type = type;
		p->name = name;
		return;
	}
	free(type);
	free(name);
}

static int plugins_parse(struct settings *s)
{
	const struct conf_line *l = conf_last(&s->conf, "plugins", NULL);
	const char *p;

	if (!l) {
		log_warn("no plugins: line, so a plugin memory[default_memory] keeps the sums for "
			 "pmacct(1); others are %s",
			sink_types());
		s->conf.warnings++;
		plugin_add(s, NULL, xstrdup("memory"), xstrdup("default_memory"));
		return 0;
	}
	for (p = skip_blank(l->value); *p; p = skip_blank(p)) {
		const char *end = p + strcspn(p, ",[");
		char *type = squeeze(p, end), *name = NULL;

		if (*end == '[') {
			const char *close = strchr(end, ']');

			if (!close) {
				conf_error(&s->conf, l, "a [ without its ]");
				free(type);
				return -1;
			}
			name = squeeze(end + 1, close);
			end = close + 1 + strcspn(close + 1, ",");
		}
		if (!name || !*name) {
			free(name);
			name = xmalloc(strlen(type) + sizeof("default_"));
			memcpy(name, "default_", sizeof("default_"));
			strcat(name, type);
		}
		if (*type) {
			plugin_add(s, l, type, name);
		} else {
			free(type);
			free(name);
		}
		p = *end == ',' ? end + 1 : end;
	}
	if (s->nplugins == 0) {
		conf_error(&s->conf, l, "no plugin is left; expected one of %s", sink_types());
		return -1;
	}
	return 0;
}

/* ---- what must be true together --------------------------------------------------- */

/* It has no name of its own: "print" alone is default_print, and [default] means it. */
static bool plugin_is_default(const struct plugin_settings *p)
{
	return strncmp(p->name, "default_", 8) == 0 && strcmp(p->name + 8, p->type) == 0;
}

/* The last line with this key, by any of its names. */
static const struct conf_line *last_line(
	const struct settings *s, const char *key, const char *plugin)
{
	const struct conf_line *last = conf_last(&s->conf, key, plugin);
	const char *word = "";
	char name[64];
	size_t n;

	for (size_t i = 0; i < settings_nkeys; i++)
		if (strcmp(settings_keys[i].name, key) == 0 && settings_keys[i].aliases)
			word = settings_keys[i].aliases;
	for (; (n = strcspn(word, " ")); word += n + strspn(word + n, " ")) {
		const struct conf_line *l;

		snprintf(name, sizeof(name), "%.*s", (int)n, word);
		l = conf_last(&s->conf, name, plugin);
		if (l && (!last || l > last))
			last = l;
	}
	return last;
}

/* The line a plugin's value came from, or a made-up one that names the plugin. */
static const struct conf_line *origin(
	const struct settings *s, const char *key, const struct plugin_settings *p)
{
	const struct conf_line *l = last_line(s, key, p->name);

	if (!l && plugin_is_default(p))
		l = last_line(s, key, "default");
	return l ? l : last_line(s, key, NULL);
}

static void complain(
	struct settings *s, const char *key, const struct plugin_settings *p, const char *text)
{
	const struct conf_line *l = origin(s, key, p);

	if (l) {
		conf_error(&s->conf, l, "plugin %s: %s", p->name, text);
		return;
	}
	log_error("plugin %s: %s: %s", p->name, key, text);
	s->conf.errors++;
}

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

		if (!wanted || prim->since <= (int)p->sql_table_version || stands_for_host(p, i))
			continue;
		snprintf(text, sizeof(text),
			"primitive \"%s\" needs sql_table_version %d or later (or "
			"sql_optimize_clauses: true), here it is %u",
			prim->name, prim->since, p->sql_table_version);
		complain(s, "aggregate", p, text);
		return -1;
	}
	if (p->aggregate.flows && p->sql_table_version < 4) {
		complain(s, "aggregate", p,
			"\"flows\" needs sql_table_version 4 or later (or sql_optimize_clauses: "
			"true)");
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
		complain(s, "sql_history_roundoff", p, "letters other than m h d w M are left out");
	if (strchr(kept, 'w') && strpbrk(kept, "dM")) {
		complain(s, "sql_history_roundoff", p, "w does not go with d or M: w is left out");
		memmove(strchr(kept, 'w'), strchr(kept, 'w') + 1, strlen(strchr(kept, 'w')));
	}
	strcpy(p->history_roundoff, kept);
}

/* Some keys select what one plugin gets; for all at once they would be a mistake. */
static void check_named(
	struct settings *s, const char *key, const struct plugin_settings *p, char **value)
{
	if (!*value || conf_last(&s->conf, key, p->name) ||
		(plugin_is_default(p) && conf_last(&s->conf, key, "default")))
		return;
	complain(s, key, p, "needs the [name] of a plugin; left out");
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
	complain(s, key, p, text);
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
			complain(s, names[i].key, p, text);
		}
		if (!bad)
			continue;
		snprintf(text, sizeof(text), "\"%.*s\" is no conversion of strftime(3); expected %%Y "
			 "%%m %%d %%H %%M ..., %%%% for a percent sign",
			 (int)(2 + strspn(bad + 1, "_-0^#123456789EO")), bad);
		complain(s, names[i].key, p, text);
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
		complain(s, "sql_table_version", p,
			"the default tables need stamp_inserted, which is written with sql_history "
			"only; add for example sql_history: 1h and sql_history_roundoff: h");
		bad = -1;
	}
	if (history && p->history.months == 0 && p->history_offset >= p->history.seconds &&
		p->history_offset) {
		complain(
			s, "sql_history_offset", p, "must be shorter than sql_history; 0 is taken");
		p->history_offset = 0;
	}
	if (p->pipe_size && p->buffer_size > p->pipe_size)
		complain(s, "plugin_buffer_size", p,
			"is larger than plugin_pipe_size; both are without effect here");
	check_named(s, "aggregate_filter", p, &p->aggregate_filter);
	check_named(s, "pre_tag_filter", p, &p->pre_tag_filter);
	check_named(s, "pre_tag2_filter", p, &p->pre_tag2_filter);
	check_named(s, "pre_tag_label_filter", p, &p->pre_tag_label_filter);
	if (s->net_source == NET_FILE && !p->networks_file &&
		(p->aggregate.set &
			(UINT64_C(1) << PRIM_ID_src_net | UINT64_C(1) << PRIM_ID_dst_net))) {
		complain(s, "nfacctd_net", p, "needs a networks_file");
		bad = -1;
	}
	if (s->as_source == NET_FILE && !p->networks_file &&
	    (p->aggregate.set & (UINT64_C(1) << PRIM_ID_src_as | UINT64_C(1) << PRIM_ID_dst_as))) {
		complain(s, "nfacctd_as", p, "needs a networks_file");
		bad = -1;
	}
	if (p->sql_exporters_table &&
		(!*p->sql_exporters_table || strpbrk(p->sql_exporters_table, "`\"'"))) {
		complain(s, "sql_exporters_table", p,
			"expected the name of a table, without quotes");
		bad = -1;
	}
	if (check_tls(s, p) < 0)
		bad = -1;
	if (!p->sql_port)
		p->sql_port = strcmp(p->type, "pgsql") == 0 ? 5432 : 3306;
	if (p->sql_data == SQL_DATA_UNIFIED && p->sql_table_version > 5 && !p->sql_table)
		complain(s, "sql_data", p,
			"unified tables end with sql_table_version 5; typed is taken");
	if (!p->sql_db && is_sql(p))
		p->sql_db = xstrdup(strcmp(p->type, "sqlite3") == 0 ? "/tmp/pmacct.db" : "pmacct");
	return bad;
}

/* The line of a global key, by its name or that with sfacctd_ in front. */
static const struct conf_line *global_line(const struct settings *s, const char *key)
{
	const struct conf_line *l = conf_last(&s->conf, key, NULL);
	char other[64];

	if (l || strncmp(key, "nfacctd_", 8) != 0)
		return l;
	snprintf(other, sizeof(other), "s%s", key + 1);
	return conf_last(&s->conf, other, NULL);
}

static int check_groups(struct settings *s)
{
	char *list = xstrdup(s->mcast_groups), *save = NULL;
	int n = 0, err = 0;

	for (char *g = strtok_r(list, ", \t", &save); g && !err; g = strtok_r(NULL, ", \t", &save)) {
		struct addr a;
		bool group = addr_parse(&a, g) && (addr_is4(&a) ? a.b[12] >> 4 == 0xe : a.b[0] == 0xff);

		if (group && ++n <= MCAST_MAX)
			continue;
		conf_error(&s->conf, global_line(s, "nfacctd_mcast_groups"),
			"expected at most %d IPv4 or IPv6 multicast groups, with commas", MCAST_MAX);
		err = -1;
	}
	free(list);
	return err;
}

/* Keys of one kind of plugin, none of which other kinds have under another name. */
static const struct {
	const char *prefix;
	const char *types;	/* one of which must be there */
} kinds[] = {
	{ "print_output", "print" },
	{ "print_latest_file", "print" },
	{ "print_markers", "print" },
	{ "print_write_empty_file", "print" },
	{ "imt_", "memory" },
	{ "sql_db", "mysql sqlite3 pgsql" },
	{ "sql_host", "mysql sqlite3 pgsql" },
	{ "sql_user", "mysql sqlite3 pgsql" },
	{ "sql_passwd", "mysql sqlite3 pgsql" },
	{ "sql_table", "mysql sqlite3 pgsql" },
	{ "sql_dont_try_update", "mysql sqlite3 pgsql" },
	{ "sql_optimize_clauses", "mysql sqlite3 pgsql" },
};

/* A line for which there is no plugin is no mistake, but who wrote it waits for something. */
static void notice_idle_lines(const struct settings *s)
{
	for (size_t l = 0; l < s->conf.n; l++) {
		const struct conf_line *line = &s->conf.lines[l];
		char where[SETTINGS_WHERE];
		bool used = false;
		size_t k = 0;

		while (k < sizeof(kinds) / sizeof(kinds[0]) &&
		       strncmp(line->key, kinds[k].prefix, strlen(kinds[k].prefix)) != 0)
			k++;
		if (k == sizeof(kinds) / sizeof(kinds[0]))
			continue;
		for (size_t p = 0; p < s->nplugins && !used; p++)
			used = strstr(kinds[k].types, s->plugin[p].type) != NULL;
		if (!used)
			log_info("%s: has no effect: no plugin of type %s",
				 settings_where(s, line->key, line->name, where), kinds[k].types);
	}
}

static int check_core(struct settings *s)
{
	struct endpoint at;
	const char *why;
	struct addr a;

	if (s->ip && !addr_parse(&a, s->ip)) {
		conf_error(&s->conf, global_line(s, "nfacctd_ip"),
			"expected an IPv4 or IPv6 address");
		return -1;
	}
	if (s->mcast_groups && check_groups(s) < 0)
		return -1;
	if (s->metrics && metrics_address(&at, s->metrics, &why) < 0) {
		conf_error(&s->conf, global_line(s, "nfacctd_metrics"), "%s", why);
		return -1;
	}
	if (s->syslog && !log_has_facility(s->syslog)) {
		conf_error(&s->conf, global_line(s, "syslog"),
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

/* Lines of one settings run, with the switches behind them. */
static int read_lines(struct settings *s, const char *path, const struct conf *switches)
{
	conf_init(&s->conf);
	if (path && conf_read(&s->conf, path) < 0)
		return -1;
	for (size_t i = 0; switches && i < switches->n; i++)
		if (conf_add(&s->conf, switches->lines[i].key, switches->lines[i].name,
			    switches->lines[i].value) < 0)
			return -1;
	return 0;
}

/* Before `aggregate` is read, which may name what is in the file. */
static int load_customs(struct settings *s)
{
	const struct conf_line *l = last_line(s, "aggregate_primitives", NULL);
	char where[SETTINGS_WHERE];
	size_t skipped = 0;

	customs_clear();
	if (!l)
		return 0;
	if (customs_load(settings_where(s, "aggregate_primitives", NULL, where), l->value,
			 &skipped) < 0) {
		s->conf.errors++;
		return -1;
	}
	s->conf.warnings += (unsigned)skipped;
	return 0;
}

static int collect_extras(struct settings *s)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (!extras_collect(&s->extras, &s->plugin[i].aggregate)) {
			complain(s, "aggregate", &s->plugin[i],
				"the primitives of all plugins need more than 32 Elements beside the usual "
				"ones");
			return -1;
		}
	return 0;
}

static int apply(struct settings *s)
{
	struct conf_plugin *plugins = xcalloc(s->nplugins, sizeof(*plugins));
	int bad = 0;

	for (size_t i = 0; i < s->nplugins; i++) {
		plugins[i].name = s->plugin[i].name;
		plugins[i].settings = &s->plugin[i];
		plugins[i].alias = plugin_is_default(&s->plugin[i]) ? "default" : NULL;
	}
	conf_apply(&s->conf, settings_keys, settings_nkeys, s, plugins, s->nplugins);
	for (size_t i = 0; i < s->nplugins; i++)
		s->plugin[i].capture = s->pcap_savefile != NULL;
	if (check_aggregate_lines(s) < 0 || check_preprocess_lines(s) < 0 || check_core(s) < 0)
		bad = -1;
	for (size_t i = 0; i < s->nplugins && !bad; i++)
		bad = check_plugin(s, &s->plugin[i]);
	if (!bad)
		bad = collect_extras(s);
	free(plugins);
	return bad;
}

void settings_default_port(struct settings *s, uint32_t port)
{
	if (!global_line(s, "nfacctd_port"))
		s->port = port;
}

int settings_load(
	struct settings *s, const char *path, const struct conf *switches, unsigned *problems)
{
	int err;

	memset(s, 0, sizeof(*s));
	err = read_lines(s, path, switches);
	if (err == 0)
		err = plugins_parse(s);
	if (err == 0) {
		/* A file that is missing ends the start, though not before all is said. */
		err = load_customs(s);
		err = apply(s) < 0 ? -1 : err;
	}
	if (problems)
		*problems = s->conf.errors + s->conf.warnings;
	return err;
}

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		const struct conf_key *k = &settings_keys[i];

		if (k->type != CONF_STRING)
			continue;
		if (k->scope == CONF_GLOBAL)
			free(*(char **)(void *)((char *)s + k->offset));
		for (size_t p = 0; k->scope == CONF_PLUGIN && p < s->nplugins; p++)
			free(*(char **)(void *)((char *)&s->plugin[p] + k->offset));
	}
	for (size_t p = 0; p < s->nplugins; p++) {
		free(s->plugin[p].type);
		free(s->plugin[p].name);
	}
	free(s->plugin);
	conf_clear(&s->conf);
	memset(s, 0, sizeof(*s));
}

const char *settings_where(const struct settings *s, const char *key, const char *plugin,
	char buf[static SETTINGS_WHERE])
{
	const struct conf_line *named = plugin ? last_line(s, key, plugin) : NULL;
	const struct conf_line *l = last_line(s, key, NULL);

	for (size_t i = 0; plugin && !named && i < s->nplugins; i++)
		if (plugin_is_default(&s->plugin[i]) && strcmp(s->plugin[i].name, plugin) == 0)
			named = last_line(s, key, "default");

	/* Of both the later line counts. */
	if (named && (!l || named > l))
		l = named;
	if (!l)
		snprintf(buf, SETTINGS_WHERE, "%s", key);
	else if (l->line)
		snprintf(buf, SETTINGS_WHERE, "%.200s:%u: %s%s%.60s%s", l->file, l->line, l->key,
			l->name ? "[" : "", l->name ? l->name : "", l->name ? "]" : "");
	else
		snprintf(buf, SETTINGS_WHERE, "%.200s: %s", l->file, l->key);
	return buf;
}

static bool is_key(const struct conf_key *k, const char *name)
{
	const size_t n = strlen(name);

	if (strcmp(k->name, name) == 0)
		return true;
	for (const char *a = k->aliases; a && (a = strstr(a, name)); a += n)
		if ((a == k->aliases || a[-1] == ' ') && (a[n] == ' ' || a[n] == '\0'))
			return true;
	return false;
}

/* What no line says. */
static void print_defaults(const struct settings *s, FILE *to)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		const struct conf_key *k = &settings_keys[i];
		bool said = k->type == CONF_ACCEPTED || !k->fallback || !*k->fallback;

		for (size_t l = 0; l < s->conf.n && !said; l++)
			said = !s->conf.lines[l].name && is_key(k, s->conf.lines[l].key);
		if (!said)
			fprintf(to, "%s: %s\t! default\n", k->name,
				strcmp(k->name, "sql_passwd") == 0 ? "(not shown)" : k->fallback);
	}
}

void settings_print_lines(const struct settings *s, FILE *to)
{
	for (size_t i = 0; i < s->conf.n; i++) {
		const struct conf_line *l = &s->conf.lines[i];
		bool secret = strcmp(l->key, "sql_passwd") == 0;

		fprintf(to, "%s%s%s%s: %s\t! %s", l->key, l->name ? "[" : "",
			l->name ? l->name : "", l->name ? "]" : "",
			secret ? "(not shown)" : l->value, l->file);
		if (l->line)
			fprintf(to, ":%u", l->line);
		if (l->beaten_by)
			fprintf(to, ", overridden by %s:%u", l->beaten_by->file,
				l->beaten_by->line);
		fputc('\n', to);
	}
	print_defaults(s, to);
}
