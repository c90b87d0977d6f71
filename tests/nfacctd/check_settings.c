/*
 * check_settings.c - what configurations mean and what is said about bad ones.
 * Defaults are pmacct's (collector.md 2 and 3); the tutorial's two files are
 * here as printed.
 */
#include <check.h>
#include <string.h>
#include "nfacctd/settings.h"
#include "tests/base/said.h"

Suite *suite_settings(void);

static int load(struct settings *s, const char *text, unsigned *problems)
{
	struct conf c;
	int err;

	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", text, strlen(text)), 0);
	err = settings_load(s, NULL, &c, problems);
	conf_clear(&c);
	return err;
}

static const char tutorial_1[] =
	"daemonize: true\n"
	"pidfile: /var/run/nfacctd.pid\n"
	"plugins: mysql\n"
	"sql_db: pmacct\n"
	"sql_host: localhost\n"
	"sql_user: root\n"
	"sql_passwd: xxxxxxxxxxxx\n"
	"aggregate: sum_host\n"
	"nfacctd_port: 5678\n"
	"sql_refresh_time: 120\n"
	"sql_history: 10m\n"
	"sql_history_roundoff: mh\n"
	"sql_table_version: 1\n"
	"networks_file: /etc/nfacctd.networks\n";

START_TEST(reads_the_first_tutorial)
{
	struct settings s;
	struct said said;
	unsigned problems;

	said_start(&said);
	ck_assert_int_eq(load(&s, tutorial_1, &problems), 0);
	ck_assert_uint_eq(problems, 0);
	ck_assert_str_eq(said.text.s, "");
	ck_assert(s.daemonize && !s.debug && s.disable_checks && !s.time_new && !s.renormalize);
	ck_assert_str_eq(s.pidfile, "/var/run/nfacctd.pid");
	ck_assert_uint_eq(s.port, 5678);
	ck_assert_ptr_null(s.ip);
	ck_assert_uint_eq(s.nplugins, 1);
	ck_assert_str_eq(s.plugin[0].type, "mysql");
	ck_assert_str_eq(s.plugin[0].name, "default_mysql");
	ck_assert_int_eq(s.plugin[0].aggregate.sum, SUM_HOST);
	ck_assert_str_eq(s.plugin[0].sql_user, "root");
	ck_assert_str_eq(s.plugin[0].sql_passwd, "xxxxxxxxxxxx");
	ck_assert_uint_eq(s.plugin[0].sql_port, 3306);
	ck_assert_uint_eq(s.plugin[0].refresh_time, 120);
	ck_assert_uint_eq(s.plugin[0].history.seconds, 600);
	ck_assert_str_eq(s.plugin[0].history_roundoff, "mh");
	ck_assert_uint_eq(s.plugin[0].sql_table_version, 1);
	ck_assert_str_eq(s.plugin[0].networks_file, "/etc/nfacctd.networks");
	ck_assert_int_eq(s.plugin[0].networks_file_filter, FILTER_AUTO);
	ck_assert_ptr_null(s.plugin[0].sql_table);
	settings_clear(&s);
	said_end(&said);
}
END_TEST

static const char tutorial_2[] =
	"daemonize:false\n"
	"pidfile: /var/run/nfacctd.intl.pid\n"
	"plugins: mysql[intl_in],mysql[intl_out]\n"
	"sql_db: pmacct\n"
	"sql_host: localhost\n"
	"sql_user: root\n"
	"sql_passwd: {secret}\n"
	"aggregate[intl_in]: dst_host, in_iface, out_iface\n"
	"aggregate[intl_out]: src_host, in_iface, out_iface\n"
	"nfacctd_ip: 192.0.2.1\n"
	"nfacctd_port: 9996\n"
	"sql_refresh_time: 300\n"
	"sql_history: 5m\n"
	"sql_history_roundoff: mh\n"
	"sql_table_version: 5\n"
	"sql_table[intl_in]: mx80_INTL_in\n"
	"sql_table[intl_out]: mx80_INTL_out\n"
	"plugin_pipe_size:102400000\n"
	"plugin_buffer_size:1024000\n"
	"sql_cache_entries:1048579\n"
	"networks_file[intl_in]:/etc/nfacctd.networks\n"
	"networks_file[intl_out]:/etc/nfacctd.networks\n"
	"networks_file_filter: true\n"
	"logfile:/var/log/nfacctd.intl\n"
	"nfacctd_time_new:true\n"
	"nfacctd_disable_checks:true\n"
	"nfacctd_ext_sampling_rate:1000\n"
	"nfacctd_renormalize:true\n"
	"debug:false\n";

START_TEST(reads_the_second_tutorial)
{
	static const char *const names[] = { "intl_in", "intl_out" },
				 *const tables[] = { "mx80_INTL_in", "mx80_INTL_out" };
	static const enum primitive_id hosts[] = { PRIM_ID_dst_host, PRIM_ID_src_host };
	struct settings s;
	struct said said;
	unsigned problems;

	said_start(&said);
	ck_assert_int_eq(load(&s, tutorial_2, &problems), 0);
	ck_assert_msg(problems == 0, "%s", said.text.s);
	ck_assert(!s.daemonize && s.time_new && s.renormalize && s.disable_checks);
	ck_assert_uint_eq(s.ext_sampling_rate, 1000);
	ck_assert_str_eq(s.ip, "192.0.2.1");
	ck_assert_uint_eq(s.nplugins, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(s.plugin[i].name, names[i]);
		ck_assert_str_eq(s.plugin[i].sql_table, tables[i]);
		ck_assert_uint_eq(s.plugin[i].aggregate.set,
			UINT64_C(1) << hosts[i] | UINT64_C(1) << PRIM_ID_in_iface |
				UINT64_C(1) << PRIM_ID_out_iface);
		ck_assert_int_eq(s.plugin[i].networks_file_filter, FILTER_TRUE);
	}
	settings_clear(&s);
	said_end(&said);
}
END_TEST

/* Called sfacctd it listens where pmacct's sfacctd does, unless it is told where. */
START_TEST(has_sflows_port)
{
	static const struct { const char *line; uint32_t port; } rows[] = {
		{ "", 6343 }, { "nfacctd_port: 2055\n", 2055 }, { "sfacctd_port: 6344\n", 6344 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		char text[64];

		snprintf(text, sizeof(text), "plugins: print\n%s", rows[i].line);
		ck_assert_int_eq(load(&s, text, NULL), 0);
		settings_default_port(&s, 6343);
		ck_assert_uint_eq(s.port, rows[i].port);
		settings_clear(&s);
	}
}
END_TEST

/* pmacct's daemons start with a plugin memory then, with a warning. */
START_TEST(no_plugins_are_one_in_memory)
{
	struct settings s;
	struct said said;
	unsigned problems;

	said_start(&said);
	ck_assert_int_eq(load(&s, "aggregate: src_host\n", &problems), 0);
	ck_assert_uint_eq(problems, 1);
	ck_assert(strstr(said.text.s, "no plugins: line"));
	ck_assert_uint_eq(s.nplugins, 1);
	ck_assert_str_eq(s.plugin[0].type, "memory");
	ck_assert_str_eq(s.plugin[0].name, "default_memory");
	settings_clear(&s);
	said_end(&said);
}
END_TEST

/* What must end the start, and in which words. */
static const struct {
	const char *text, *said;
} refused[] = {
	{ "plugins: print\nnfacctd_metrics: nowhere\n", ": nfacctd_metrics \"nowhere\": expected" },
	{ "plugins: print\nnfacctd_metrics: 2001:db8::1:9100\n", "expected ADDRESS:PORT" },
	{ "plugins: print\nnfacctd_mcast_groups: 239.1.1.1, 1.2.3.4\n",
		"expected at most 20 IPv4 or IPv6 multicast groups" },
	{ "plugins: print\nsfacctd_mcast_groups: ff02::1,x\n",
		": sfacctd_mcast_groups \"ff02::1,x\": expected at most 20" },
	{ "plugins: print\naggregate: src_as\nnfacctd_as: file\n",
		": nfacctd_as \"file\": plugin default_print: needs a networks_file" },
	{ "plugins: print\nprint_output_file: /tmp/%Y%Q.txt\n", "\"%Q\" is no conversion of strftime(3)" },
	{ "plugins: print\nprint_latest_file: /tmp/%-\n", ": print_latest_file \"/tmp/%-\"" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table: acct_%\n", "\"%\" is no conversion" },
	{ "plugins: kafka\n",
		"plugin type \"kafka\" is not known and left out; expected one of mysql" },
	{ "plugins: tee[a]\n", "(tees: replicator --config takes this file)" },
	{ "plugins: ,\n", "no plugin is left" },
	{ "plugins: print[a\n", "a [ without its ]" },
	{ "plugins: print\naggregate: src_hots\n",
		": aggregate \"src_hots\": unknown primitive \"src_hots\", did you mean "
		"\"src_host\"?" },
	{ "plugins: print\naggregate[default]: nonsense\n", "unknown primitive \"nonsense\"" },
	{ "plugins: print\nnfacctd_ip: {my ip to receive data}\n",
		"\"{my ip to receive data}\": expected an IPv4 or IPv6 address" },
	{ "plugins: print\nsfacctd_ip: here\n", "\"here\": expected an IPv4 or IPv6 address" },
	{ "plugins: mysql\n", "the default tables need stamp_inserted" },
	{ "plugins: mysql\nsql_history: 1h\naggregate: vlan\n",
		"primitive \"vlan\" needs sql_table_version 2 or later" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_version: 2\naggregate: tos\n",
		"needs sql_table_version 3" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_version: 3\naggregate: src_host,flows\n",
		"\"flows\" needs" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_version: 5\naggregate: src_as,src_host\n",
		"needs sql_table_version 6" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_version: 6\naggregate: src_host,tcpflags\n",
		"\"tcpflags\" needs sql_table_version 7" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_type: bgp\naggregate: src_as,src_host\n",
		"primitive \"src_host\" has no column with sql_table_type: bgp" },
	{ "plugins: mysql\nsql_history: 1h\nsql_table_type: bgp\nsql_table_version: 9\n"
		"aggregate: src_as,flows\n", "\"flows\" needs" },
	{ "plugins: mysql\nsql_table_type: mpls\n", "sql_table_type \"mpls\": invalid value, line "
		"ignored; expected original or bgp" },
	{ "plugins: print\nnfacctd_net: file\naggregate: src_net\n",
		"needs a networks_file" },
	{ "plugins: print\nnfacctd_as: file\naggregate: dst_as\n",
		"needs a networks_file" },
};

START_TEST(refuses)
{
	struct settings s;
	struct said said;

	said_start(&said);
	ck_assert_int_eq(load(&s, refused[_i].text, NULL), -1);
	ck_assert_msg(strstr(said.text.s, refused[_i].said) != NULL, "%s\nsays %s",
		refused[_i].text, said.text.s);
	settings_clear(&s);
	said_end(&said);
}
END_TEST

/* What is told and does not end the start; `problems` is what --check counts. */
static const struct {
	const char *text, *said;
	unsigned problems;
} told[] = {
	{ "plugins: print\ndaemonize: yes\n",
		"\"yes\": invalid value, line ignored; expected true or false", 1 },
	{ "plugins: print\nsql_refresh_time: 5m\n",
		"\"5m\": invalid value, line ignored; expected a whole number", 1 },
	{ "plugins: print\nsql_refresh_time: 0\n", "expected a whole number from 1", 1 },
	{ "plugins: print\nnfacctd_port: 65536\n", "from 1 to 65535", 1 },
	{ "plugins: print\nnfacctd_prot: 5678\n",
		"unknown key, line ignored; did you mean \"nfacctd_port\"?", 1 },
	{ "plugins: print[in]\naggregate[on]: src_host\n", "no plugin is called \"on\"", 1 },
	{ "plugins: print[a],print[a]\n", "a second plugin \"a\" is left out", 1 },
	{ "plugins: print[a],print[b]\nprint_output_file: o%H\n",
		"plugin b: plugin a writes this file, too", 1 },
	{ "plugins: memory[a],memory[b]\n", "plugin b: imt_path: plugin a listens there, too", 1 },
	{ "plugins: print,kafka[x]\n", "plugin type \"kafka\" is not known", 1 },
	{ "plugins: print\naggregate: sum_host,dst_port\n", "sum_host stands alone", 1 },
	{ "plugins: print\nsql_history_roundoff: mxh\n", "letters other than", 1 },
	{ "plugins: print\nprint_history_roundoff: mxh\n",
		": print_history_roundoff \"mxh\": plugin", 1 },
	{ "plugins: print\nprint_history: 1w\nprint_history_roundoff: wd\n",
		"w does not go with d or M", 1 },
	{ "plugins: print\nprint_history: 5m\nprint_history_offset: 300\n",
		"must be shorter than sql_history", 1 },
	{ "plugins: print\nprint_history: 5m\nprint_history_offset: 299\n", "", 0 },
	{ "plugins: print\naggregate_filter: tcp\n", "needs the [name]", 1 },
	{ "plugins: print\nnfacctd_ext_sampling_rate: 10\n",
		"no effect without nfacctd_renormalize", 1 },
	{ "plugins: print\nnfacctd_time_new: true\nnfacctd_pro_rating: true\n",
		"needs nfacctd_time_new: false", 1 },
	{ "plugins: print[a]\naggregate[a]: dst_host\naggregate: src_host\n", "overrides", 1 },
	{ "plugins: print\nbgp_daemon: true\n", "bgp_daemon: accepted without effect", 0 },
	{ "plugins: print\nclassifiers: /x\n", "accepted without effect", 0 },
	{ "plugins: print\npre_tag_filter: 7\n", "needs the [name] of a plugin; left out", 1 },
	{ "plugins: print\ntee_receivers: /x\n", "replicator(8) is the tee", 0 },
	{ "plugins: print\nnfacctd_disable_sanity_checks: false\n", "", 0 },
	{ "plugins: print\nsfacctd_port: 6343\nsfacctd_renormalize: true\n", "", 0 },
	{ "plugins: print\nprint_output_file: /tmp/$peer_src_iq/%-H%05d%Ey%%%z\n",
		"\"$peer_src_iq\" is no variable", 1 },
	{ "plugins: print\nprint_output_file: /tmp/$peer_src_ip-$tag2-$ref-$hst-$tzone\n", "", 0 },
	{ "plugins: print\npcap_savefile_wait: x\n", "expected true or false", 1 },
	{ "plugins: print\npcap_sf_replays: x\n", "expected a whole number", 1 },
	{ "plugins: print\nimt_passwd: x\nmongo_host: y\nsfacctd_counter_kafka_topic: z\n",
		"accepted without effect", 0 },
	{ "plugins: print\nrefresh_maps: true\n", "", 0 },
};

START_TEST(tells)
{
	struct settings s;
	struct said said;
	unsigned problems = 99;

	said_start(&said);
	ck_assert_int_eq(load(&s, told[_i].text, &problems), 0);
	ck_assert_msg(strstr(said.text.s, told[_i].said) != NULL, "%s\nsays %s", told[_i].text,
		said.text.s);
	ck_assert_msg(problems == told[_i].problems, "%s\n%u problems: %s", told[_i].text, problems,
		said.text.s);
	settings_clear(&s);
	said_end(&said);
}
END_TEST

START_TEST(takes_aliases)
{
	struct settings s;
	struct said said;

	said_start(&said);
	ck_assert_int_eq(load(&s,
				 "plugins: print[a]\nsfacctd_port: 6343\nprint_refresh_time: "
				 "7\nprint_history: 2M\n"
				 "sql_history_since_epoch: true\nnfacctd_as_new: "
				 "file\nprint_num_protos: TRUE\n"
				 "sfacctd_time_new: true\nnfacctd_disable_sanity_checks: false\n",
				 NULL),
		0);
	ck_assert_uint_eq(s.port, 6343);
	ck_assert(s.time_new && !s.disable_checks);
	ck_assert_int_eq(s.as_source, NET_FILE);
	ck_assert_uint_eq(s.plugin[0].refresh_time, 7);
	ck_assert_uint_eq(s.plugin[0].history.months, 2);
	ck_assert(s.plugin[0].timestamps_since_epoch && s.plugin[0].num_protos);
	settings_clear(&s);
	said_end(&said);
}
END_TEST

START_TEST(an_empty_password_is_one)
{
	struct settings s;

	ck_assert_int_eq(load(&s, "plugins: mysql\nsql_history: 1h\nsql_passwd:\n", NULL), 0);
	ck_assert_str_eq(s.plugin[0].sql_passwd, "");
	settings_clear(&s);
	ck_assert_int_eq(load(&s, "plugins: mysql\nsql_history: 1h\n", NULL), 0);
	ck_assert_str_eq(s.plugin[0].sql_passwd, "arealsmartpwd");
	settings_clear(&s);
}
END_TEST

static const char *const defaults[][2] = {
	{ "nfacctd_port", "2100" },
	{ "daemonize", "false" },
	{ "files_umask", "077" },
	{ "files_uid", "" },
	{ "aggregate", "src_host" },
	{ "sql_refresh_time", "60" },
	{ "sql_table_version", "1" },
	{ "sql_user", "pmacct" },
	{ "sql_passwd", "arealsmartpwd" },
	{ "sql_host", "localhost" },
	{ "nfacctd_disable_checks", "true" },
	{ "nfacctd_time_new", "false" },
	{ "nfacctd_renormalize", "false" },
	{ "sql_optimize_clauses", "false" },
	{ "sql_dont_try_update", "false" },
	{ "print_output", "formatted" },
	{ "nfacctd_as", "netflow" },
	{ "nfacctd_net", "netflow" },
};

START_TEST(defaults_are_the_references)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		if (strcmp(settings_keys[i].name, defaults[_i][0]) == 0) {
			ck_assert_str_eq(settings_keys[i].fallback, defaults[_i][1]);
			return;
		}
	}
	ck_abort_msg("no key %s", defaults[_i][0]);
}
END_TEST

/* No name or alias stands for two rows. */
START_TEST(names_are_unique)
{
	for (size_t i = 0; i < settings_nkeys; i++) {
		for (size_t j = 0; j < settings_nkeys; j++) {
			const char *alias =
				settings_keys[j].aliases ? settings_keys[j].aliases : "";
			const char *at = strstr(alias, settings_keys[i].name);
			size_t n = strlen(settings_keys[i].name);

			ck_assert_msg(
				i == j || strcmp(settings_keys[i].name, settings_keys[j].name) != 0,
				"%s", settings_keys[i].name);
			ck_assert_msg(
				!at || (at > alias && at[-1] != ' ') || (at[n] && at[n] != ' '),
				"%s is an alias", settings_keys[i].name);
		}
		ck_assert_msg(settings_keys[i].help && *settings_keys[i].help, "%s",
			settings_keys[i].name);
	}
}
END_TEST

/* Each key whose reader is a kind of plugin, for plugins that are not of it. */
START_TEST(tells_keys_of_other_plugins)
{
	static const struct {
		const char *lines, *told;
	} cases[] = {
		{ "plugins: print[a]\nsql_conn_ca_file: x\n",
		  "sql_conn_ca_file: has no effect: no plugin of type mysql pgsql" },
		{ "plugins: print[a]\nsql_recovery_logfile: x\n",
		  "sql_recovery_logfile: has no effect: no plugin of type mysql sqlite3 pgsql" },
		{ "plugins: print[a]\nsql_num_hosts: true\n",
		  "sql_num_hosts: has no effect: no plugin of type mysql sqlite3" },
		{ "plugins: sqlite3[a]\nsql_history: 1h\nsql_port: 1\n",
		  "sql_port: has no effect: no plugin of type mysql pgsql" },
		{ "plugins: mysql[a], pgsql[b]\nsql_history: 1h\nsql_multi_values[b]: 1000\n",
		  "has no effect: plugin b is not of type mysql" },
		{ "plugins: mysql[a], pgsql[b]\nsql_history: 1h\nsql_multi_values[a]: 1000\n", NULL },
		{ "plugins: mysql\nsql_history: 1h\nsql_multi_values[default]: 1000\n", NULL },
		{ "plugins: print[a]\nsql_history: 1h\nsql_refresh_time: 5\nsql_num_protos: true\n",
		  NULL },
	};
	struct settings s;
	struct said said;
	unsigned problems;

	said_start(&said);
	ck_assert_int_eq(load(&s, cases[_i].lines, &problems), 0);
	ck_assert_uint_eq(problems, 0);
	if (cases[_i].told)
		ck_assert_msg(strstr(said.text.s, cases[_i].told) != NULL, "%s", said.text.s);
	else
		ck_assert_msg(!said.text.s || !strstr(said.text.s, "has no effect"), "%s",
			      said.text.s);
	settings_clear(&s);
	said_end(&said);
}
END_TEST

/* A line without a plugin for it is told, and is no problem; every value says where it is from. */
START_TEST(tells_what_is_idle_and_from_where)
{
	static char text[20000];
	struct settings s;
	struct said said;
	unsigned problems;
	FILE *to = fmemopen(text, sizeof(text), "w");

	said_start(&said);
	ck_assert_int_eq(load(&s, "plugins: print[a]\nimt_path: /x\nsql_table: t\n"
			      "print_refresh_time: 7\nsql_passwd: hush\nprint_cache_entries: 9\n"
			      "plugin_pipe_size: 10240000\n", &problems), 0);
	ck_assert_uint_eq(problems, 0);
	ck_assert_ptr_nonnull(strstr(said.text.s, "imt_path: has no effect: no plugin of type memory"));
	ck_assert_ptr_nonnull(strstr(said.text.s, "sql_table: has no effect: no plugin of type mysql"));
	ck_assert_ptr_nonnull(strstr(said.text.s, "print_cache_entries"));
	ck_assert_ptr_nonnull(strstr(said.text.s, "plugin_pipe_size"));
	ck_assert_ptr_null(strstr(said.text.s, "print_refresh_time"));
	settings_print_lines(&s, to);
	fclose(to);
	ck_assert_ptr_nonnull(strstr(text, "imt_path: /x\t! command line\n"));
	ck_assert_ptr_nonnull(strstr(text, "nfacctd_port: 2100\t! default\n"));
	/* It is sql_refresh_time, by its other name. */
	ck_assert_ptr_null(strstr(text, "sql_refresh_time: 60\t! default"));
	ck_assert_ptr_null(strstr(text, "hush"));
	ck_assert_ptr_null(strstr(text, "arealsmartpwd"));
	settings_clear(&s);
	said_end(&said);
}
END_TEST

/* Each key has its line in the manual; the tests run where the Makefile is. */
START_TEST(the_manual_has_every_key)
{
	FILE *f = fopen("nfacctd/nfacctd.conf.5", "r");
	static char text[200000];
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	ck_assert_uint_lt(n, sizeof(text) - 1);
	text[n] = '\0';
	fclose(f);
	for (size_t i = 0; i < settings_nkeys; i++) {
		char line[80];
		const char *at;

		snprintf(line, sizeof(line), "\n.B %s", settings_keys[i].name);
		/* The name of a key may be the beginning of another's. */
		for (at = text; (at = strstr(at, line)); at++)
			if (at[strlen(line)] == '\n' || at[strlen(line)] == ',')
				break;
		ck_assert_msg(at != NULL,
			"%s: run nfacctd --keys-roff", settings_keys[i].name);
	}
}
END_TEST

#define LOOP(t, f, table) tcase_add_loop_test(t, f, 0, sizeof(table) / sizeof((table)[0]))

Suite *suite_settings(void)
{
	Suite *s = suite_create("settings");
	TCase *t = tcase_create("settings");

	tcase_add_test(t, reads_the_first_tutorial);
	tcase_add_test(t, no_plugins_are_one_in_memory);
	tcase_add_test(t, has_sflows_port);
	tcase_add_test(t, reads_the_second_tutorial);
	LOOP(t, refuses, refused);
	LOOP(t, tells, told);
	tcase_add_test(t, takes_aliases);
	tcase_add_test(t, an_empty_password_is_one);
	LOOP(t, defaults_are_the_references, defaults);
	tcase_add_test(t, names_are_unique);
	tcase_add_test(t, tells_what_is_idle_and_from_where);
	tcase_add_loop_test(t, tells_keys_of_other_plugins, 0, 8);
	tcase_add_test(t, the_manual_has_every_key);
	suite_add_tcase(s, t);
	return s;
}
