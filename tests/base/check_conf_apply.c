/*
 * check_conf_apply.c - lines to settings: types and their bounds, which plugin
 * a line is for, what overrides what, and every warning to the letter.
 */
#include <check.h>
#include "base/conf.h"
#include "said.h"

Suite *suite_conf_apply(void);

struct core {
	bool daemonize;
	uint32_t port;
	uint64_t pipe_size;
	char *ip, *passwd;
};

struct plugin {
	bool clauses;
	uint32_t refresh;
	char *table;
	struct conf_span history;
	char letter;
};

static bool parse_letter(void *field, const char *value, const char **expected)
{
	*expected = "one letter";
	if (strlen(value) != 1)
		return false;
	*(char *)field = *value;
	return true;
}

static const struct conf_key keys[] = {
	{ "daemonize", NULL, CONF_BOOL, CONF_GLOBAL, CONF_FIELD(struct core, daemonize, bool), 0, 0,
		"false", "", NULL },
	{ "nfacctd_port", "sfacctd_port", CONF_U32, CONF_GLOBAL,
		CONF_FIELD(struct core, port, uint32_t), 1, 65535, "2100", "", NULL },
	{ "pipe_size", NULL, CONF_U64, CONF_GLOBAL, CONF_FIELD(struct core, pipe_size, uint64_t), 0,
		0, NULL, "", NULL },
	{ "nfacctd_ip", "sfacctd_ip listen", CONF_STRING, CONF_GLOBAL,
		CONF_FIELD(struct core, ip, char *), 0, 0, NULL, "", NULL },
	{ "sql_passwd", NULL, CONF_STRING, CONF_GLOBAL, CONF_FIELD(struct core, passwd, char *), 0,
		0, NULL, "", NULL },
	{ "clauses", NULL, CONF_BOOL, CONF_PLUGIN, CONF_FIELD(struct plugin, clauses, bool), 0, 0,
		"true", "", NULL },
	{ "sql_refresh_time", "print_refresh_time", CONF_U32, CONF_PLUGIN,
		CONF_FIELD(struct plugin, refresh, uint32_t), 1, 0, "60", "", NULL },
	{ "sql_table", NULL, CONF_STRING, CONF_PLUGIN, CONF_FIELD(struct plugin, table, char *), 0,
		0, "acct", "", NULL },
	{ "sql_history", NULL, CONF_CUSTOM, CONF_PLUGIN,
		CONF_FIELD(struct plugin, history, struct conf_span), 0, 0, NULL, "",
		conf_span_parse },
	{ "letter", NULL, CONF_CUSTOM, CONF_PLUGIN, CONF_FIELD(struct plugin, letter, char), 0, 0,
		"x", "", parse_letter },
	{ "maps_entries", NULL, CONF_ACCEPTED, CONF_GLOBAL, 0, 0, 0, NULL, "maps have no limit",
		NULL },
	{ "kafka_*", NULL, CONF_ACCEPTED, CONF_GLOBAL, 0, 0, 0, NULL, "there is no Kafka sink",
		NULL },
};

struct world {
	struct conf c;
	struct core core;
	struct plugin in, out;
	struct said said;
	unsigned problems;
};

static void clear_settings(struct world *w)
{
	free(w->core.ip);
	free(w->core.passwd);
	free(w->in.table);
	free(w->out.table);
}

static void apply(struct world *w, const char *text)
{
	const struct conf_plugin plugins[] = {
		{ "intl_in", NULL, &w->in }, { "default_mysql", "default", &w->out },
	};

	memset(w, 0, sizeof(*w));
	conf_init(&w->c);
	said_start(&w->said);
	ck_assert_int_eq(conf_read_text(&w->c, "f", text, strlen(text)), 0);
	w->problems = conf_apply(&w->c, keys, sizeof(keys) / sizeof(keys[0]), &w->core, plugins, 2);
}

static void done(struct world *w)
{
	clear_settings(w);
	conf_clear(&w->c);
	said_end(&w->said);
}

static const struct {
	const char *text;
	const char
		*want; /* core: daemonize port pipe ip; in and out: clauses refresh table letter */
	const char *said;	/* notices do not count as problems */
} cases[] = {
	{ "", "0 2100 0 - | 1 60 acct x | 1 60 acct x", "" },
	/* booleans: true and false only, any case */
	{ "daemonize: TRUE", "1 2100 0 - | 1 60 acct x | 1 60 acct x", "" },
	{ "clauses: False", "0 2100 0 - | 0 60 acct x | 0 60 acct x", "" },
	{ "daemonize: yes", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: daemonize \"yes\": invalid value, line ignored; expected true or false\n" },
	{ "daemonize: 1", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: daemonize \"1\": invalid value, line ignored; expected true or false\n" },
	{ "clauses:", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: clauses \"\": invalid value, line ignored; expected true or false\n" },
	/* integers: plain decimal, within bounds */
	{ "nfacctd_port: 1", "0 1 0 - | 1 60 acct x | 1 60 acct x", "" },
	{ "nfacctd_port: 65535", "0 65535 0 - | 1 60 acct x | 1 60 acct x", "" },
	{ "sfacctd_port: 6343", "0 6343 0 - | 1 60 acct x | 1 60 acct x", "" },
	{ "nfacctd_port: 0", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: nfacctd_port \"0\": invalid value, line ignored; expected a whole number "
		"from 1 to 65535\n" },
	{ "nfacctd_port: 65536", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: nfacctd_port \"65536\": invalid value, line ignored; expected a whole "
		"number from 1 to 65535\n" },
	{ "nfacctd_port: -1", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: nfacctd_port \"-1\": invalid value, line ignored; expected a whole number "
		"from 1 to 65535\n" },
	{ "nfacctd_port: +1", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: nfacctd_port \"+1\": invalid value, line ignored; expected a whole number "
		"from 1 to 65535\n" },
	{ "nfacctd_port: 0x10", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: nfacctd_port \"0x10\": invalid value, line ignored; expected a whole "
		"number from 1 to 65535\n" },
	{ "sql_refresh_time: 5m", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_refresh_time \"5m\": invalid value, line ignored; expected a whole "
		"number from 1 to 4294967295\n" },
	{ "sql_refresh_time: 4294967295", "0 2100 0 - | 1 4294967295 acct x | 1 4294967295 acct x",
		"" },
	{ "sql_refresh_time: 4294967296", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_refresh_time \"4294967296\": invalid value, line ignored; expected a "
		"whole number from 1 to 4294967295\n" },
	{ "pipe_size: 18446744073709551615",
		"0 2100 18446744073709551615 - | 1 60 acct x | 1 60 acct x", "" },
	{ "pipe_size: 18446744073709551616", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: pipe_size \"18446744073709551616\": invalid value, line ignored; expected "
		"a whole number from 0 to 18446744073709551615\n" },
	{ "pipe_size: 99999999999999999999999", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: pipe_size \"99999999999999999999999\": invalid value, line ignored; "
		"expected a whole number from 0 to 18446744073709551615\n" },
	{ "pipe_size: ", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: pipe_size \"\": invalid value, line ignored; expected a whole number from "
		"0 to 18446744073709551615\n" },
	/* the last line wins; a bad one does not count */
	{ "nfacctd_port: 1\nnfacctd_port: 2\n", "0 2 0 - | 1 60 acct x | 1 60 acct x", "" },
	{ "nfacctd_ip: a\nlisten: b", "0 2100 0 b | 1 60 acct x | 1 60 acct x", "" },
	{ "nfacctd_port: 5\nnfacctd_port: no\n", "0 5 0 - | 1 60 acct x | 1 60 acct x",
		"W f:2: nfacctd_port \"no\": invalid value, line ignored; expected a whole number "
		"from 1 to 65535\n" },
	/* names */
	{ "sql_table[intl_in]: a", "0 2100 0 - | 1 60 a x | 1 60 acct x", "" },
	{ "sql_table[default]: a", "0 2100 0 - | 1 60 acct x | 1 60 a x", "" },
	{ "sql_table[default_mysql]: a", "0 2100 0 - | 1 60 acct x | 1 60 a x", "" },
	{ "sql_table: a\nsql_table[intl_in]: b", "0 2100 0 - | 1 60 b x | 1 60 a x", "" },
	{ "sql_table[intl_in]: b\nsql_table: a", "0 2100 0 - | 1 60 a x | 1 60 a x",
		"W f:2: sql_table \"a\": overrides line 1 of f, sql_table[intl_in], as a later "
		"line does; put it above that line to keep both\n" },
	{ "sql_table[intl_in]: b\nsql_table[default]: c\nsql_table: a",
		"0 2100 0 - | 1 60 a x | 1 60 a x",
		"W f:3: sql_table \"a\": overrides line 1 of f, sql_table[intl_in], as a later "
		"line does; put it above that line to keep both\n"
		"W f:3: sql_table \"a\": overrides line 2 of f, sql_table[default], as a later "
		"line does; put it above that line to keep both\n" },
	{ "sql_table[intl_in]: b\nsql_table: a\nsql_table: c", "0 2100 0 - | 1 60 c x | 1 60 c x",
		"W f:2: sql_table \"a\": overrides line 1 of f, sql_table[intl_in], as a later "
		"line does; put it above that line to keep both\n" },
	{ "sql_refresh_time[intl_in]: no\nsql_refresh_time: 5",
		"0 2100 0 - | 1 5 acct x | 1 5 acct x",
		"W f:1: sql_refresh_time[intl_in] \"no\": invalid value, line ignored; expected a "
		"whole number from 1 to 4294967295\n" },
	{ "sql_table[Intl_In]: a", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_table[Intl_In] \"a\": no plugin is called \"Intl_In\", line ignored; "
		"known: intl_in, default_mysql; did you mean \"intl_in\"?\n" },
	{ "sql_table[zebra]: a", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_table[zebra] \"a\": no plugin is called \"zebra\", line ignored; "
		"known: intl_in, default_mysql\n" },
	{ "daemonize[intl_in]: true", "1 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: daemonize[intl_in] \"true\": this key is global: [intl_in] is ignored, the "
		"value is for all\n" },
	{ "daemonize[nobody]: true", "1 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: daemonize[nobody] \"true\": this key is global: [nobody] is ignored, the "
		"value is for all\n" },
	/* unknown keys */
	{ "include: /etc/x", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: include \"/etc/x\": unknown key, line ignored\n" },
	{ "sql_tabel: a", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_tabel \"a\": unknown key, line ignored; did you mean "
		"\"sql_table\"?\n" },
	{ "sfacct_ip: a", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sfacct_ip \"a\": unknown key, line ignored; did you mean "
		"\"sfacctd_ip\"?\n" },
	{ "sql_pasword: secret", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_pasword \"(not shown)\": unknown key, line ignored; did you mean "
		"\"sql_passwd\"?\n" },
	{ "sql_passwords: secret", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: sql_passwords \"(not shown)\": unknown key, line ignored; did you mean "
		"\"sql_passwd\"?\n" },
	/* custom */
	{ "letter: y\nletter[default]: z", "0 2100 0 - | 1 60 acct y | 1 60 acct z", "" },
	{ "letter: yy", "0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"W f:1: letter \"yy\": invalid value, line ignored; expected one letter\n" },
	/* accepted: one notice a key */
	{ "maps_entries: 1\nmaps_entries: 2\nkafka_topic[intl_in]: x\nkafka_broker: y",
		"0 2100 0 - | 1 60 acct x | 1 60 acct x",
		"I f:1: maps_entries: accepted without effect: maps have no limit\n"
		"I f:3: kafka_topic: accepted without effect: there is no Kafka sink\n" },
};

START_TEST(applies_lines)
{
	struct strbuf got = { 0 };
	struct world w;
	unsigned problems = 0;

	apply(&w, cases[_i].text);
	strbuf_addf(&got, "%d %u %llu %s | %d %u %s %c | %d %u %s %c", w.core.daemonize,
		w.core.port, (unsigned long long)w.core.pipe_size, w.core.ip ? w.core.ip : "-",
		w.in.clauses, w.in.refresh, w.in.table, w.in.letter, w.out.clauses, w.out.refresh,
		w.out.table, w.out.letter);
	ck_assert_msg(strcmp(got.s, cases[_i].want) == 0, "\"%s\": %s", cases[_i].text, got.s);
	ck_assert_msg(strcmp(w.said.text.s, cases[_i].said) == 0, "\"%s\": said\n%s",
		cases[_i].text, w.said.text.s);
	for (const char *p = cases[_i].said; *p; p = strchr(p, '\n') + 1)
		problems += *p == 'W';
	ck_assert_uint_eq(w.problems, problems);
	ck_assert_uint_eq(w.c.warnings, problems);
	strbuf_clear(&got);
	done(&w);
}
END_TEST

START_TEST(remembers_what_was_beaten)
{
	struct world w;

	apply(&w,
		"sql_table[intl_in]: a\nsql_table: b\nsql_table[intl_in]: c\ndaemonize: "
		"true\ndaemonize: false\n");
	ck_assert_ptr_eq(w.c.lines[0].beaten_by, &w.c.lines[1]);
	ck_assert_ptr_null(w.c.lines[1].beaten_by);	/* still stands for the other plugin */
	ck_assert_ptr_null(w.c.lines[2].beaten_by);
	ck_assert_ptr_eq(w.c.lines[3].beaten_by, &w.c.lines[4]);
	done(&w);
}
END_TEST

/* As for a reload: strings are replaced, not leaked, and defaults come back. */
START_TEST(applies_twice)
{
	struct world w;
	struct conf again;
	const struct conf_plugin plugins[] = { { "intl_in", NULL, &w.in },
		{ "out", NULL, &w.out } };

	apply(&w, "sql_table: a\nnfacctd_ip: b\nnfacctd_port: 7\n");
	conf_init(&again);
	ck_assert_int_eq(conf_add(&again, "sql_table", "out", "c"), 0);
	ck_assert_uint_eq(
		conf_apply(&again, keys, sizeof(keys) / sizeof(keys[0]), &w.core, plugins, 2), 0);
	ck_assert_str_eq(w.in.table, "acct");
	ck_assert_str_eq(w.out.table, "c");
	ck_assert_uint_eq(w.core.port, 2100);
	conf_clear(&again);
	done(&w);
}
END_TEST

START_TEST(switches_come_last)
{
	struct said said;
	struct core core = { 0 };
	struct plugin plugin = { 0 };
	const struct conf_plugin plugins[] = { { "p", NULL, &plugin } };
	struct conf c;

	conf_init(&c);
	said_start(&said);
	ck_assert_int_eq(conf_read_text(&c, "f", "sql_table[p]: a\n", 16), 0);
	conf_add(&c, "sql_table", NULL, "b");
	conf_add(&c, "nfacctd_port", NULL, "x");
	ck_assert_uint_eq(
		conf_apply(&c, keys, sizeof(keys) / sizeof(keys[0]), &core, plugins, 1), 2);
	ck_assert_str_eq(plugin.table, "b");
	ck_assert_str_eq(said.text.s,
		"W command line: sql_table \"b\": overrides line 1 of f, sql_table[p], as a later "
		"line does; put it above that line to keep both\n"
		"W command line: nfacctd_port \"x\": invalid value, line ignored; expected a whole "
		"number from 1 to 65535\n");
	free(plugin.table);
	conf_clear(&c);
	said_end(&said);
}
END_TEST

static const struct {
	const char *value;
	bool lawful;
	uint32_t seconds, months;
} spans[] = {
	{ "1", true, 1, 0 },
	{ "59", true, 59, 0 },
	{ "60", true, 60, 0 },
	{ "61", false, 0, 0 },
	{ "59s", true, 59, 0 },
	{ "90s", false, 0, 0 },
	{ "120s", true, 120, 0 },
	{ "300", true, 300, 0 },
	{ "10m", true, 600, 0 },
	{ "1h", true, 3600, 0 },
	{ "1d", true, 86400, 0 },
	{ "2w", true, 1209600, 0 },
	{ "1M", true, 0, 1 },
	{ "1200M", true, 0, 1200 },
	{ "1201M", false, 0, 0 },
	{ "0", false, 0, 0 },
	{ "0m", false, 0, 0 },
	{ "", false, 0, 0 },
	{ "m", false, 0, 0 },
	{ "10x", false, 0, 0 },
	{ "10mm", false, 0, 0 },
	{ "10 m", false, 0, 0 },
	{ "-1m", false, 0, 0 },
	{ "1H", false, 0, 0 },
	{ "2147483647", false, 0, 0 },
	{ "2147483640", true, 2147483640, 0 },
	{ "2147483700", false, 0, 0 },
	{ "9999999999w", false, 0, 0 },
	{ "10000000000w", false, 0, 0 },
	{ "1.5h", false, 0, 0 },
};

START_TEST(reads_spans)
{
	struct conf_span span = { 7, 7 };
	const char *expected = NULL;
	bool ok = conf_span_parse(&span, spans[_i].value, &expected);

	ck_assert_msg(ok == spans[_i].lawful, "%s: %s", spans[_i].value, ok ? "taken" : "refused");
	if (!ok) {
		ck_assert_ptr_nonnull(expected);
		ck_assert_msg(
			span.seconds == 7 && span.months == 7, "%s: written", spans[_i].value);
		return;
	}
	ck_assert_msg(span.seconds == spans[_i].seconds && span.months == spans[_i].months,
		"%s: %u s %u months", spans[_i].value, span.seconds, span.months);
}
END_TEST

START_TEST(finds_near_words)
{
	static const char *const names[] = { "sql_host", "sql_port", "sql_db", "aggregate", "ab" };
	static const struct {
		const char *word, *near;
	} rows[] = {
		{ "sql_hots", "sql_host" },
		{ "sq_lhost", "sql_host" },
		{ "sqlport", "sql_port" },
		{ "aggregat", "aggregate" },
		{ "agregates", "aggregate" },
		{ "sql_bd", "sql_db" },
		{ "a", "ab" },
		{ "abc", "ab" },
		{ "xyz", NULL },
		{ "", NULL },
		{ "plugins", NULL },
		{ "aggr", NULL },
		{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "x",
			NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *near = conf_nearest(rows[i].word, names, 5);

		ck_assert_msg(near == rows[i].near ||
				(near && rows[i].near && strcmp(near, rows[i].near) == 0),
			"%s: %s", rows[i].word, near ? near : "(nothing)");
	}
	ck_assert_ptr_null(conf_nearest("x", names, 0));
}
END_TEST

Suite *suite_conf_apply(void)
{
	Suite *s = suite_create("conf_apply");
	TCase *t = tcase_create("binding");

	tcase_add_loop_test(t, applies_lines, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, remembers_what_was_beaten);
	tcase_add_test(t, applies_twice);
	tcase_add_test(t, switches_come_last);
	tcase_add_loop_test(t, reads_spans, 0, sizeof(spans) / sizeof(spans[0]));
	tcase_add_test(t, finds_near_words);
	suite_add_tcase(s, t);
	return s;
}
