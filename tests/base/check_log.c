/*
 * check_log.c - what a line looks like on stderr, in a file and in a capture,
 * and that lines of threads stay whole.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "said.h"

Suite *suite_log(void);

static char dir[64], path[128];

static void make_dir(void)
{
	strcpy(dir, "/tmp/check_log.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b/log", dir);
}

static void remove_dir(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

/* The file's bytes; freed by the caller. */
static char *contents(const char *file)
{
	char *text = xcalloc(1, 1 << 20);
	FILE *f = fopen(file, "r");

	if (f) {
		text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
		fclose(f);
	}
	return text;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t re;
	bool yes;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	yes = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

/* Each check in its own process (CK_FORK=no too): the target of the log is global. */
static char *on_stderr(void (*speak)(void))
{
	char file[128];
	int saved = dup(STDERR_FILENO), fd;

	snprintf(file, sizeof(file), "%s/stderr", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDERR_FILENO);
	close(fd);
	speak();
	dup2(saved, STDERR_FILENO);
	close(saved);
	return contents(file);
}

static void speak_plain(void)
{
	log_open("/usr/sbin/nfacctd");
	log_level(LOG_LEVEL_DEBUG);
	log_error("one %d", 1);
	log_warn("two");
	log_info("three");
	log_debug("four");
	log_level(LOG_LEVEL_INFO);
	log_debug("hidden");
	errno = ENOENT;
	log_error_errno("five");
	ck_assert_int_eq(errno, ENOENT);
}

static void speak_named(void)
{
	log_name("intl_in/mysql");
	log_warn("two\nlines \x1b[31m");
}

START_TEST(writes_to_stderr)
{
	char *text;

	make_dir();
	text = on_stderr(speak_plain);
	ck_assert_str_eq(text,
		"nfacctd: error: one 1\nnfacctd: warning: two\nnfacctd: three\n"
		"nfacctd: debug: four\nnfacctd: error: five: No such file or directory\n");
	free(text);
	text = on_stderr(speak_named);
	ck_assert_str_eq(text, "WARN ( intl_in/mysql ): two?lines ?[31m\n");
	free(text);
	remove_dir();
}
END_TEST

START_TEST(writes_to_a_file)
{
	struct stat st;
	char *text;

	make_dir();
	log_open("nfacctd");
	log_name("default/core");
	ck_assert_int_eq(log_to_file(path), 0);
	log_warn("hello");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	text = contents(path);
	ck_assert_msg(matches(text,
			      "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z "
			      "WARN \\( default/core \\): hello\n$"),
		"%s", text);
	free(text);
	/* A target that cannot be opened leaves the old one. */
	ck_assert_int_eq(log_to_file(dir), -1);
	ck_assert_int_eq(errno, EISDIR);
	log_warn("still here");
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "still here"));
	free(text);
	remove_dir();
}
END_TEST

static void fail_to_start(void)
{
	log_echo(true);
	log_info("just so");
	log_error("port in use");
	log_echo(false);
	log_error("later");
}

START_TEST(errors_of_the_start_are_seen)
{
	char *text;

	make_dir();
	log_open("nfacctd");
	log_name("default/core");
	ck_assert_int_eq(log_to_file(path), 0);
	text = on_stderr(fail_to_start);
	ck_assert_ptr_nonnull(strstr(text, "port in use\n"));
	ck_assert_ptr_null(strstr(text, "just so"));
	ck_assert_ptr_null(strstr(text, "later"));
	free(text);
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "just so\n"));
	ck_assert_ptr_nonnull(strstr(text, "port in use\n"));
	ck_assert_ptr_nonnull(strstr(text, "later\n"));
	free(text);
	remove_dir();
}
END_TEST

START_TEST(reopens_after_a_move)
{
	char moved[160], *text;

	make_dir();
	log_open("nfacctd");
	ck_assert_int_eq(log_to_file(path), 0);
	log_info("before");
	snprintf(moved, sizeof(moved), "%s.1", path);
	ck_assert_int_eq(rename(path, moved), 0);
	log_info("between");
	ck_assert_int_eq(log_reopen(), 0);
	log_info("after");
	text = contents(moved);
	ck_assert(strstr(text, "before") && strstr(text, "between") && !strstr(text, "after"));
	free(text);
	text = contents(path);
	ck_assert(!strstr(text, "between") && strstr(text, "after"));
	free(text);
	remove_dir();
}
END_TEST

START_TEST(knows_the_facilities)
{
	ck_assert_int_eq(log_to_syslog("nonsense", "x"), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(log_to_syslog("local8", "x"), -1);
	ck_assert_int_eq(log_to_syslog("", "x"), -1);
}
END_TEST

START_TEST(is_captured)
{
	char longer[10000];
	struct said said;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	said_start(&said);
	said.debug = true;
	log_error("a %s", "b");
	errno = EACCES;
	log_warn_errno("c");
	log_debug("d");
	ck_assert_str_eq(said.text.s, "E a b\nW c: Permission denied\nD d\n");
	strbuf_reset(&said.text);
	log_info("%s", longer);
	ck_assert_uint_lt(said.text.n, 4300);
	ck_assert_str_eq(said.text.s + said.text.n - 7, " [...]\n");
	errno = EACCES;
	strbuf_reset(&said.text);
	log_error_errno("%s", longer);
	ck_assert_uint_lt(said.text.n, 4300);
	said_end(&said);
}
END_TEST

/* At every length around the limit: nothing runs over (ASan), nothing is lost below it. */
START_TEST(cuts_at_its_limit)
{
	char text[4200];
	struct said said;

	for (size_t n = 4000; n < sizeof(text) - 1; n++) {
		memset(text, 'y', n);
		text[n] = '\0';
		said_start(&said);
		errno = EACCES;
		log_error_errno("%s", text);
		ck_assert_uint_le(said.text.n, 4096 + 40);
		ck_assert_msg((strstr(said.text.s, "[...]") != NULL) ==
				(strspn(said.text.s + 2, "y") < n),
			"%zu", n);
		said_end(&said);
	}
}
END_TEST

START_TEST(limits_its_rate)
{
	uint64_t last = 0;

	ck_assert(log_allow(&last, 1000000, 60000000));
	ck_assert(!log_allow(&last, 1000001, 60000000));
	ck_assert(!log_allow(&last, 60999999, 60000000));
	ck_assert(log_allow(&last, 61000000, 60000000));
	ck_assert(!log_allow(&last, 61000000, 60000000));
	ck_assert(log_allow(&last, 500, 60000000));	/* the clock was set back */
	last = 0;
	ck_assert(log_allow(&last, 0, 10));
	ck_assert(!log_allow(&last, 5, 10));
}
END_TEST

enum { THREADS = 4, LINES = 500 };

static void *chatter(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("thread %d line %d of many, long enough to be cut somewhere in between",
			*(int *)arg, i);
	return NULL;
}

START_TEST(keeps_lines_whole)
{
	pthread_t thread[THREADS];
	int number[THREADS];
	char *text, *line, *save = NULL;
	int lines = 0;
	regex_t re;

	ck_assert_int_eq(
		regcomp(&re,
			"^20.*Z INFO \\( [a-z_/]+ \\): thread [0-9] line [0-9]+ of "
			"many, long enough to be cut somewhere in between$",
			REG_EXTENDED | REG_NOSUB),
		0);
	make_dir();
	log_open("t");
	ck_assert_int_eq(log_to_file(path), 0);
	for (int i = 0; i < THREADS; i++) {
		number[i] = i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, chatter, &number[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(log_reopen(), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	text = contents(path);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), lines++)
		ck_assert_msg(regexec(&re, line, 0, NULL, 0) == 0, "%s", line);
	ck_assert_int_eq(lines, THREADS * LINES);
	regfree(&re);
	free(text);
	remove_dir();
}
END_TEST

Suite *suite_log(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("lines");

	tcase_set_timeout(t, 60); /* 2000 lines of four threads, on a machine that has others */
	tcase_add_test(t, is_captured);
	tcase_add_test(t, cuts_at_its_limit);
	tcase_add_test(t, limits_its_rate);
	tcase_add_test(t, knows_the_facilities);
	tcase_add_test(t, writes_to_stderr);
	tcase_add_test(t, writes_to_a_file);
	tcase_add_test(t, errors_of_the_start_are_seen);
	tcase_add_test(t, reopens_after_a_move);
	tcase_add_test(t, keeps_lines_whole);
	suite_add_tcase(s, t);
	return s;
}
