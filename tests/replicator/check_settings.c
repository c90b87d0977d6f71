/*
 * check_settings.c - the command line and the configuration file: what is
 * taken, and the one line that says why something is not.
 */
#include <check.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "replicator/settings.h"

static struct settings s;
static char logged[4096], file[64], map[64];

static void take_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	strncat(logged, text, sizeof(logged) - strlen(logged) - 1);
	strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

static void write_file(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/check-settings-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void setup(void)
{
	logged[0] = '\0';
	log_capture(take_log, NULL);
	optind = 0;	/* glibc: start over */
}

static void teardown(void)
{
	settings_clear(&s);
	log_capture(NULL, NULL);
}

/* The words of `line`, "FILE" and "MAP" replaced. */
static int parse(const char *line)
{
	static char text[512];
	static char *argv[32];
	int argc = 0;

	snprintf(text, sizeof(text), "replicator %s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = strcmp(w, "FILE") == 0 ? file : w;
	argv[argc] = NULL;
	return settings_parse(&s, argc, argv);
}

static const struct {
	const char *line;
	int status;
	const char *log;	/* it begins so */
} lines[] = {
	{ "127.0.0.1", SETTINGS_GO, "" },
	{ "-p 2055 -s 127.0.0.1 -b 100000 -u 1500 -S -n -x 5 -t 100 -d 1 -f -m /x --stats /y "
	  "127.0.0.1/1",
		SETTINGS_GO, "" },
	{ "127.0.0.1/1 -p 2055", SETTINGS_GO, "" },
	{ "-c /nonexistent -S", SETTINGS_GO,
		"-S behind -c: holds for the receivers of that file too" },
	{ "-S -c /nonexistent", SETTINGS_GO, "" },
	{ "-c /nonexistent -4", SETTINGS_GO, "-4 behind -c: holds" },
	{ "", EXIT_USAGE, "no receivers: expected" },
	{ "-p", EXIT_USAGE, "-p: expected an argument; see replicator --help" },
	{ "-z 127.0.0.1", EXIT_USAGE, "-z: unknown option; see replicator --help" },
	{ "-p 0 127.0.0.1", EXIT_USAGE,
		"-p: \"0\": expected a port, 1 to 65535, or the name of a UDP service" },
	{ "-p 65536 127.0.0.1", EXIT_USAGE, "-p: \"65536\": expected a port" },
	{ "-p no-such-service 127.0.0.1", EXIT_USAGE,
		"listen on \"*\" port \"no-such-service\": expected a port" },
	{ "-b 0 127.0.0.1", EXIT_USAGE, "-b: \"0\": expected a number of bytes, 1 to 1073741823" },
	{ "-b -1 127.0.0.1", EXIT_USAGE, "-b: \"-1\": expected" },
	{ "-u 65537 127.0.0.1", EXIT_USAGE,
		"-u: \"65537\": expected a number of bytes, 1 to 65536" },
	{ "-t x 127.0.0.1", EXIT_USAGE, "-t: \"x\": expected a number of milliseconds" },
	{ "-s 127.0.0.1 -6 127.0.0.1", EXIT_USAGE,
		"listen on \"127.0.0.1\" port \"2000\": expected an IPv6 address" },
	{ "--config /nonexistent", EXIT_USAGE, "/nonexistent" },
};

START_TEST(command_lines)
{
	ck_assert_int_eq(parse(lines[_i].line), lines[_i].status);
	ck_assert_msg(strncmp(logged, lines[_i].log, strlen(lines[_i].log)) == 0, "%s", logged);
	if (!lines[_i].log[0])
		ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(values_arrive)
{
	char text[ENDPOINT_TEXT];

	ck_assert_int_eq(parse("-p 2055 -s 127.0.0.2 -b 100000 -u 1500 -S -n -x 5 -t 100 -d 1 -f "
			       "-m /x --stats /y 127.0.0.1/1"),
		SETTINGS_GO);
	ck_assert_str_eq(endpoint_print(&s.listen, text), "127.0.0.2:2055");
	ck_assert_uint_eq(s.receive_buffer, 100000);
	ck_assert_uint_eq(s.send_buffer, 100000);
	ck_assert_uint_eq(s.datagram_max, 1500);
	ck_assert(s.transparent && s.no_checksum && s.background && s.debug);
	ck_assert_uint_eq(s.delay_us, 5);
	ck_assert_uint_eq(s.idle_ms, 100);
	ck_assert_str_eq(s.pid_file, "/x");
	ck_assert_str_eq(s.stats_file, "/y");
	ck_assert_uint_eq(s.nwords, 1);
}
END_TEST

START_TEST(defaults)
{
	char text[ENDPOINT_TEXT];

	ck_assert_int_eq(parse("127.0.0.1"), SETTINGS_GO);
	ck_assert_str_eq(endpoint_print(&s.listen, text), "*:2000");
	ck_assert_uint_eq(s.datagram_max, 65536);
}
END_TEST

/* -S behind -c reaches the receivers of the file; -x only those of the command line. */
START_TEST(order_does_not_matter)
{
	struct receivers rs;
	struct outlet o = { .sockets_max = 8 };

	write_file(file, "10.0.0.0/8: 127.0.0.1/9\n");
	ck_assert_int_eq(parse("-c FILE -S -x 7 127.0.0.1/10"), SETTINGS_GO);
	receivers_init(&rs);
	ck_assert_int_eq(settings_receivers(&s, &rs), 0);
	ck_assert_uint_eq(rs.npools, 2);
	ck_assert(rs.pools[0].receivers[0]->transparent);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->delay_us, 0);
	ck_assert(rs.pools[1].receivers[0]->transparent);
	ck_assert_uint_eq(rs.pools[1].receivers[0]->delay_us, 7);
	ck_assert_str_eq(rs.pools[1].label, "*");
	ck_assert(rs.pools[1].everyone);
	receivers_clear(&rs, &o);
	unlink(file);
}
END_TEST

START_TEST(own_socket_is_refused)
{
	struct receivers rs;
	struct outlet o = { 0 };

	ck_assert_int_eq(parse("-p 2055 127.0.0.1/2054+3"), SETTINGS_GO);
	receivers_init(&rs);
	ck_assert_int_eq(settings_receivers(&s, &rs), -1);
	ck_assert_str_eq(logged,
		"receiver 127.0.0.1:2055 is this program's own socket: datagrams would run in a "
		"circle\n");
	receivers_clear(&rs, &o);
}
END_TEST

/* ---- --config ------------------------------------------------------------------ */

static const struct {
	const char *text, *flags;
	int status;
	const char *log;	/* somewhere in what was said; FILE stands for the file */
} configs[] = {
	{ "receivers: /nonexistent\n", "", SETTINGS_GO, "" },
	{ "listen_port: 2055\nlisten_ip: 127.0.0.1\nreceivers: /x\ntransparent: true\n", "",
		SETTINGS_GO, "" },
	{ "plugins: tee\ntee_receivers: /x\n", "", SETTINGS_GO, "" },
	{ "plugins: tee[a], tee[b]\ntee_receivers[a]: /x\ntee_receivers[b]: /y\nnfacctd_port: "
	  "2055\n",
		"", SETTINGS_GO, "" },
	{ "plugins: tee[a], tee[b]\ntee_receivers[a]: /x\n", "", EXIT_USAGE,
		"plugin tee[b]: tee_receivers: expected the file of its receivers" },
	{ "plugins: tee[a], mysql\ntee_receivers: /x\n", "", EXIT_USAGE,
		"expected tee or tee[NAME]" },
	{ "plugins: teebag\ntee_receivers: /x\n", "", EXIT_USAGE, "expected tee or tee[NAME]" },
	{ "listen_port: 70000\nreceivers: /x\n", "", EXIT_USAGE, ":1: listen_port" },
	{ "listen_port: 2055\nreceivers: /x\ntransparent: perhaps\n", "", EXIT_USAGE,
		"\"perhaps\"" },
	{ "receivers: /x\nno_such_key: 1\n", "", SETTINGS_GO, "no_such_key" },
	{ "receivers: /x\nno_such_key: 1\n", "--check", EXIT_USAGE, "no_such_key" },
	{ "receivers: /x-there-is-none\nno_such_key: 1\n", "--check", EXIT_USAGE,
		"x-there-is-none" },
	{ "receivers: /x\nnfacctd_time_new: true\n", "--check", SETTINGS_GO, "" },
	{ "receivers: /x\nsyslog: demon\n", "", EXIT_USAGE, ":2: syslog \"demon\": expected" },
	{ "receivers /x\n", "", EXIT_USAGE, ":1" },
	{ "listen_port: 2055\n", "", EXIT_USAGE, "no receivers" },
	{ "tee_receivers: /x\ntee_source_ip: nobody.invalid\n", "", EXIT_USAGE,
		"tee_source_ip: \"nobody.invalid\"" },
};

START_TEST(config_files)
{
	char line[64];

	write_file(file, configs[_i].text);
	snprintf(line, sizeof(line), "--config FILE %s", configs[_i].flags);
	ck_assert_msg(parse(line) == configs[_i].status, "%s", logged);
	ck_assert_msg(strstr(logged, configs[_i].log) != NULL, "%s", logged);
	unlink(file);
}
END_TEST

START_TEST(pmaccts_file)
{
	struct receivers rs;
	struct outlet o = { .sockets_max = 8 };
	char text[512], addr[ENDPOINT_TEXT];

	write_file(
		map, "id=1 ip=127.0.0.1:9,[::1]:9 balance-alg=hash-agent\nid=2 ip=127.0.0.1:10\n");
	snprintf(text, sizeof(text),
		"! a comment\ndaemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_pipe_size: 4096000\n"
		"plugins: tee[plain], tee[spoof]\nplugin_buffer_size: 10240\ntee_receivers: %s\n"
		"tee_transparent[spoof]: true\ntee_pipe_size[plain]: 100000\ntee_ipprec[plain]: 5\n"
		"tee_source_ip[plain]: 127.0.0.9\n",
		map);
	write_file(file, text);
	ck_assert_msg(parse("--config FILE") == SETTINGS_GO, "%s", logged);
	ck_assert_str_eq(
		endpoint_print(&s.listen, addr), "127.0.0.1:2100"); /* pmacct's default port */
	ck_assert_uint_eq(s.receive_buffer, 4096000);
	receivers_init(&rs);
	ck_assert_msg(settings_receivers(&s, &rs) == 0, "%s", logged);
	ck_assert_uint_eq(rs.npools, 4);
	ck_assert(!rs.pools[0].receivers[0]->transparent);
	ck_assert_ptr_eq(rs.pools[0].balance, &balance_hash_agent);
	ck_assert_int_eq(rs.pools[0].receivers[0]->options.send_buffer, 100000);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->options.tos, 0xa0);
	ck_assert(rs.pools[0].receivers[0]->options.has_source);
	ck_assert_str_eq(
		endpoint_print(&rs.pools[0].receivers[0]->options.source, addr), "127.0.0.9:0");
	ck_assert(rs.pools[2].receivers[0]->transparent);
	ck_assert_str_eq(rs.pools[3].label, "pool 2#2");
	receivers_clear(&rs, &o);
	unlink(file);
	unlink(map);
}
END_TEST

/* Every key is in the manual; `make check` runs in the source tree. */
START_TEST(manual_has_every_key)
{
	static char page[1 << 16];
	FILE *f = fopen("replicator/replicator.8", "r");
	size_t n;

	if (!f) {
		fprintf(stderr,
			"manual_has_every_key: skipped, replicator/replicator.8 is not here\n");
		return;
	}
	n = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[n] = '\0';
	for (size_t i = 0; i < settings_nkeys; i++)
		ck_assert_msg(strstr(page, settings_keys[i].name) != NULL,
			"%s is not in the manual", settings_keys[i].name);
}
END_TEST

Suite *suite_settings(void);
Suite *suite_settings(void)
{
	Suite *suite = suite_create("settings");
	TCase *t = tcase_create("settings");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, command_lines, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_test(t, values_arrive);
	tcase_add_test(t, defaults);
	tcase_add_test(t, order_does_not_matter);
	tcase_add_test(t, own_socket_is_refused);
	tcase_add_loop_test(t, config_files, 0, sizeof(configs) / sizeof(configs[0]));
	tcase_add_test(t, pmaccts_file);
	tcase_add_test(t, manual_has_every_key);
	suite_add_tcase(suite, t);
	return suite;
}
