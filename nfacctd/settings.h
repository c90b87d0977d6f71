/*
 * settings.h - what the configuration says, and the one table of keys that it
 * is read through (settings_keys.c): keys keep pmacct's spelling, ours stand
 * apart at its end.  The manual's key list is generated from that table.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdio.h>
#include "base/conf.h"
#include "nfacctd/direction.h"
#include "nfacctd/preprocess.h"
#include "nfacctd/primitive.h"
#include "wire/extras.h"

enum print_format {
	PRINT_FORMATTED,
	PRINT_CSV,
	PRINT_JSON,
	PRINT_EVENT_FORMATTED,
	PRINT_EVENT_CSV
};
enum net_source { NET_NETFLOW, NET_FILE, NET_LONGEST, NET_MASK };
enum filter_mode { FILTER_AUTO, FILTER_TRUE, FILTER_FALSE };
enum sflow_octets { SFLOW_FRAME, SFLOW_IP };
enum v8_dialect { V8_FLOW_TOOLS, V8_TSHARK };
enum ext_rate_mode { EXT_RATE_OVERRIDE, EXT_RATE_DEFAULT };
enum account_events { EVENTS_AUTO, EVENTS_TRUE, EVENTS_FALSE };
enum sql_data { SQL_DATA_TYPED, SQL_DATA_UNIFIED };
enum sql_table_type { SQL_TABLE_ORIGINAL, SQL_TABLE_BGP };

/* One entry of `plugins:`. */
struct plugin_settings {
	char *type;			/* "mysql", "pgsql", "sqlite3", "print", "memory" */
	char *name;			/* "intl_in"; "default_mysql" when none was given */
	struct aggregate_spec aggregate;
	/* maps */
	char *networks_file;
	enum filter_mode networks_file_filter;
	enum account_events account_events;	/* ours */
	bool networks_drop_others;	/* ours: drop the all-zero "others" row */
	uint32_t networks_mask;
	bool networks_file_no_lpm, networks_no_mask_if_zero;
	char *ports_file, *protos_file, *tos_file, *aggregate_filter;
	bool tos_encode_as_dscp;
	char *pre_tag_map, *pre_tag_filter, *pre_tag2_filter, *pre_tag_label_filter;
	uint64_t post_tag, post_tag2;	/* 0: none */
	/* sql_* */
	char *sql_db, *sql_user, *sql_passwd, *sql_passwd_file, *sql_host, *sql_ca_file;
	char *sql_cert_file, *sql_key_file;	/* ours: the client's */
	bool sql_verify;			/* ours: the server's certificate */
	enum sql_data sql_data;
	uint32_t sql_port;
	char *sql_table;		/* NULL: by version */
	uint32_t sql_table_version;
	enum sql_table_type sql_table_type;
	char *sql_table_schema, *sql_recovery_logfile, *sql_backup_host;
	uint64_t sql_recovery_size;	/* ours */
	uint32_t sql_tables_max;	/* ours */
	uint32_t refresh_time, startup_delay;	/* seconds; sql_ and print_ share them */
	struct conf_span history;
	char *history_roundoff;		/* letters m h d w M */
	uint32_t history_offset;
	bool sql_optimize_clauses, sql_dont_try_update, num_protos, sql_num_hosts;
	uint64_t sql_multi_values;
	uint32_t sql_connections;
	char *sql_exporters_table;	/* ours: counters of exporters, beside the sums */
	bool sql_check; /* ours: compare the table's columns at start (default true) */
	struct preprocess preprocess;
	bool preprocess_all;	/* checks: all must fit, not any */
	/* print_* */
	enum print_format print_output;
	char *print_output_file, *print_separator, *print_latest_file;
	bool print_append, print_markers, print_write_empty_file;
	bool capture;		/* no key: a capture is read, whose purges are one output */
	/* imt_*: the memory plugin */
	char *imt_path;
	uint64_t imt_memory_budget;
	/* both */
	bool timestamps_utc, timestamps_since_epoch, timestamps_secs, timestamps_rfc3339;
	char *trigger_exec;
	struct conf_span trigger_time;
};

/* nfacctd_proxy_protocol_from. */
struct proxy_senders {
	size_t n;
	struct prefix at[32];
};

struct settings {
	/* process */
	bool daemonize, debug;
	char *pidfile, *logfile, *syslog, *syslog_ident, *core_proc_name;
	bool log_stderr_tstamp;
	int32_t proc_priority;		/* nice(2) */
	uint32_t files_umask, files_uid, files_gid;	/* UINT32_MAX: as they are */
	char *plugins;
	/* listening */
	char *ip;
	uint32_t port;
	uint64_t pipe_size;		/* receive buffer, bytes */
	char *interface, *mcast_groups, *allow_file;
	struct proxy_senders proxy_from;	/* whose PROXY headers are believed */
	bool ipv6_only, share_port, packet_sections;
	/* decoding */
	bool disable_checks, time_new, time_secs, renormalize, pro_rating;
	bool disable_opt_scope_check, ignore_exporter_address, account_options, strict_padding;
	uint32_t ext_sampling_rate;
	enum v8_dialect v8_dialect;	/* ours */
	uint32_t tunnels;		/* ours: sFlow, how many are looked into */
	uint32_t holdback; /* ours: seconds a Set waits for its template; 0: not at all */
	uint64_t holdback_size;		/* ours: bytes of them, a worker */
	char *sampling_map;
	bool use_ip_next_hop;
	enum ext_rate_mode ext_sampling_rate_mode;
	enum sflow_octets sflow_octets;	/* ours: what a sampled frame counts */
	uint32_t time_limit; /* ours: seconds a flow may lie off its receive time; 0: no limit */
	uint32_t time_ahead; /* ours: the same for one that lies ahead of it; 0: time_limit alone */
	char *templates_file;
	enum net_source as_source, net_source;
	/* input from a capture */
	char *pcap_savefile;
	bool pcap_wait;			/* stay alive when it has ended */
	uint32_t pcap_delay,
		pcap_replays; /* seconds before the first datagram; readings, 0: for ever */
	/* engine, ours */
	uint32_t workers;
	uint32_t exporters;		/* that a worker's decoder knows at a time */
	uint64_t memory_budget;		/* bytes of aggregation tables over all plugins */
	enum direction_policy direction;	/* which of two records of one flow counts */
	char *direction_map;
	uint32_t silence; /* seconds after which an exporter counts as silent; 0: never */
	char *metrics;			/* ADDRESS:PORT for Prometheus */
	char *stats_file;		/* TSV of all counters, at each purge and at the end */
	char *aggregate_primitives;
	struct extras_want extras;	/* Elements that the plugins' keys are made of, beside members */
	/* the plugins */
	struct plugin_settings *plugin;
	size_t nplugins;
	struct conf conf;		/* where each value came from */
};

/* The table of keys, for the manual and --check. */
extern const struct conf_key settings_keys[];
extern const size_t settings_nkeys;

/*
 * Read `path` (NULL: none), then `switches` as last lines, into `s`.
 * 0; -1 after logging why not.  *problems counts warnings, for --check.
 */
int settings_load(
	struct settings *s, const char *path, const struct conf *switches, unsigned *problems);
/* The port where neither file nor switch says one. */
void settings_default_port(struct settings *s, uint32_t port);
void settings_clear(struct settings *s);
/* "nfacctd.conf:4: networks_file[in]": where the value of a key comes from; returns buf. */
enum { SETTINGS_WHERE = 320 };
const char *settings_where(const struct settings *s, const char *key, const char *plugin,
	char buf[static SETTINGS_WHERE]);
/* The key list of nfacctd.conf(5), from the table. */
void settings_print_roff(FILE *to);
/* nfacctd-compat(7), from the table. */
void settings_print_compat(FILE *to);
/* Every line with where it came from, for --dump-config. */
void settings_print_lines(const struct settings *s, FILE *to);

#endif /* SETTINGS_H */
