/*
 * settings_keys.c - the table of keys.
 *
 * One table for all plugins: sql_ and print_ spellings of one thing share a
 * row, because in users' files they always shared a variable.  Rows below
 * "ours" are not pmacct's.
 */
#include "nfacctd/settings_private.h"

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
	OWN("proc_priority", NULL, GF(proc_priority, int32_t), "0", value_priority,
		"Scheduling priority of the process, as nice(1): -20 (first) to 19"),
	STR("core_proc_name", NULL, GF(core_proc_name, char *), "default",
		"Name of this process in log lines"),
	BOOL("debug", NULL, GF(debug, bool), "false", "Log each purge and the SQL statements that write it, too"),
	OWN("files_umask", NULL, GF(files_umask, uint32_t), "077", value_octal,
		"umask of the files written, octal"),
	OWN("files_uid", NULL, GF(files_uid, uint32_t), "", value_user,
		"User, by name or number, who owns the files written; for a process of root"),
	OWN("files_gid", NULL, GF(files_gid, uint32_t), "", value_group,
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
		GF(as_source, enum net_source), "netflow", value_as_source,
		"Where AS numbers come from: the exporter, networks_file, or the longer prefix of "
		"both"),
	OWN("nfacctd_net", "sfacctd_net", GF(net_source, enum net_source), "netflow",
		value_net_source,
		"Where prefixes, masks and next hops (peer_dst_ip) come from: the exporter, "
		"networks_file, the longer of both, or networks_mask, which knows no next hop"),
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
	OWN("aggregate", NULL, PF(aggregate, struct aggregate_spec), "src_host", value_aggregate,
		"The primitives that make a row, comma-separated"),
	STR("networks_file", NULL, PF(networks_file, char *), NULL,
		"File of our prefixes, with AS numbers if wanted"),
	OWN("networks_file_filter", NULL, PF(networks_file_filter, enum filter_mode), "auto",
		value_filter,
		"An address outside networks_file becomes 0.0.0.0; absent: true when the file "
		"would else be without use: hosts are aggregated, nothing that it resolves, and "
		"neither nfacctd_net nor nfacctd_as is file or longest"),
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
		"Only records that this libpcap expression matches; needs a [name].  VLAN tag "
		"and MPLS labels, top and bottom, are in front of IP only where it says vlan, mpls; a "
		"sampled frame (sFlow) has its tag always"),
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
	OWN("sql_table_type", NULL, PF(sql_table_type, enum sql_table_type), "original",
		value_table_type,
		"bgp: the default table is acct_bgp, which has AS numbers, peers and the tag, not "
		"hosts, ports and protocol; its columns that only BGP fills are empty or 0"),
	OWN("sql_data", NULL, PF(sql_data, enum sql_data), "typed", value_sql_data,
		"pgsql, table versions up to 5, without sql_table: typed is acct, or acct_as for AS "
		"numbers; unified is acct_uni, where addresses are text"),
	STR("sql_table_schema", NULL, PF(sql_table_schema, char *), NULL,
		"File with a CREATE TABLE to run before each purge"),
	STR("sql_recovery_logfile", NULL, PF(sql_recovery_logfile, char *), NULL,
		"Files whose names begin so hold each purge from before it is written until it is, "
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
	/* print */
	OWN("print_output", NULL, PF(print_output, enum print_format), "formatted",
		value_print_output, "formatted, csv, json, event_formatted or event_csv"),
	STR("print_output_file", NULL, PF(print_output_file, char *), NULL,
		"File, one a plugin, with strftime and $ variables; absent: standard output"),
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
		value_preprocess,
		"Which rows of a purge are written, and how they are changed: see PREPROCESSING"),
	OWN("sql_preprocess_type", "print_preprocess_type", PF(preprocess_all, bool), "any",
		value_any_all, "Whether one of the checks must fit a row, or all"),
	OWN("sql_trigger_time", "print_trigger_time", PF(trigger_time, struct conf_span), NULL,
		conf_span_parse,
		"Run it at the first purge of each such span, aligned by the round-off; absent: "
		"after each purge"),
	/* known, without effect */
	NOOPP("plugin_pipe_size", NULL, "nothing queues between threads: no effect"),
	NOOPP("plugin_buffer_size", NULL, "nothing waits for a fill level: no effect"),
	NOOPP("sql_cache_entries", "print_cache_entries", SIZED),
	NOOPP("sql_locking_style", NULL, "a transaction takes its place: no effect"),
	NOOPP("sql_use_copy", NULL, "rows go in as arrays, which is as fast: no effect"),
	NOOPP("sql_delimiter", NULL, "nothing is told apart by a delimiter: no effect"),
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
#define FAMILY(prefix, text) NOOP(prefix "*", NULL, text)
	FAMILY("kafka_", "no Kafka plugin: no effect"),
	FAMILY("amqp_", "no AMQP plugin: no effect"),
	FAMILY("avro_", "no Avro output: no effect"),
	FAMILY("tee_", "replicator(8) is the tee: no effect here"),
	FAMILY("geoip", "no GeoIP: no effect"),
	FAMILY("bgp_", "no BGP thread: no effect"),
	FAMILY("bmp_", "no BMP thread: no effect"),
	FAMILY("isis_", "no IS-IS thread: no effect"),
	FAMILY("rpki_", "no RPKI: no effect"),
	FAMILY("mongo_", "no MongoDB plugin: no effect"),
	FAMILY("sfacctd_counter_", LATER),
	FAMILY("telemetry_", "no telemetry thread: no effect"),
	FAMILY("redis_", "no cluster mode: no effect"),
	FAMILY("cluster_", "no cluster mode: no effect"),
	FAMILY("nfacctd_kafka_", "no Kafka input: no effect"),
	FAMILY("sfacctd_kafka_", "no Kafka input: no effect"),
	FAMILY("tmp_bgp_", "no BGP thread: no effect"),
	FAMILY("print_output_custom_", "no custom output: no effect"),
	FAMILY("classifier_", "no classifiers: no effect"),
	FAMILY("tunnel_", "no tunnels are looked into: no effect"),
	FAMILY("pmacctd_", "another daemon's key: no effect"),
	FAMILY("uacctd_", "another daemon's key: no effect"),
	FAMILY("nfprobe_", "another daemon's key: no effect"),
	FAMILY("sfprobe_", "another daemon's key: no effect"),
	FAMILY("pcap_", "another daemon's key: no effect"),
	/* ours */
	U32("nfacctd_time_limit", NULL, GF(time_limit, uint32_t), 0, UINT32_MAX, "2592000",
		"A flow whose start is more seconds than this off its arrival is booked at its "
		"arrival and counted as clamped; 0: no limit"),
	U32("nfacctd_time_ahead", NULL, GF(time_ahead, uint32_t), 0, UINT32_MAX, "0",
		"The same for a flow that starts so many seconds after its arrival: its row would "
		"wait in memory for a bin that is to come; 0: nfacctd_time_limit alone"),
	OWN("nfacctd_v8_dialect", NULL, GF(v8_dialect, enum v8_dialect), "flow-tools",
		value_v8_dialect,
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
		value_proxies,
		"Senders, addresses or networks with commas between, whose PROXY protocol version "
		"2 header names the exporter. "
		"Off by default: whoever may write such a header may write any bill. A datagram of "
		"such a sender without a lawful "
		"header is taken as it is; nfacctd_allow_file is then about the exporter. Counter "
		"datagrams_proxied"),
	OWN("nfacctd_ext_sampling_rate_mode", NULL, GF(ext_sampling_rate_mode, enum ext_rate_mode),
		"override", value_ext_mode,
		"override: nfacctd_ext_sampling_rate always counts; default: only where the "
		"exporter says nothing"),
	OWN("nfacctd_direction", NULL, GF(direction, enum direction_policy), "both",
		value_direction,
		"Of flows metered where they come in and where they go out: both records count, "
		"ingress ones, egress ones; a record without a direction always counts"),
	STR("nfacctd_direction_map", NULL, GF(direction_map, char *), NULL,
		"The same for exporters or interfaces: a line each of exporter[/length], ifIndex or *, "
		"policy, with blanks or commas between, as 192.0.2.0/24 7 egress; the first that fits"),
	OWN("nfacctd_sflow_octets", "sfacctd_octets", GF(sflow_octets, enum sflow_octets), "frame",
		value_sflow_octets,
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
	U32("nfacctd_exporters", NULL, GF(exporters, uint32_t), 1, 1 << 16, "4096",
		"Exporters, each of their domains counted, whose templates and sequence numbers a "
		"worker remembers, with four times as many templates and samplers; a further one "
		"takes the place of the one that was silent longest, which is counted and told. "
		"At most 19 kilobytes each, as they come"),
	U64("nfacctd_memory_budget", NULL, GF(memory_budget, uint64_t), 1 << 20, UINT64_MAX,
		"2147483648",
		"Bytes that the sums of all plugins may take; beyond it new rows are shed and "
		"counted, known rows go on"),
	U32("nfacctd_silence", NULL, GF(silence, uint32_t), 0, UINT32_MAX, "0",
		"One line in the log when an exporter was not heard of for so many seconds, one "
		"when it is back; 0: none"),
	STR("nfacctd_metrics", NULL, GF(metrics, char *), NULL,
		"Address and port, 127.0.0.1:9100, where Prometheus finds all counters under "
		"/metrics, those of each exporter too; counted anew every 5 seconds"),
	STR("nfacctd_stats_file", "stats_file", GF(stats_file, char *), NULL,
		"All counters, name and value a line, rewritten at each purge and at the end"),
	OWN("account_events", NULL, PF(account_events, enum account_events), "auto", value_events,
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
