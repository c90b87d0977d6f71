/*
 * check_conf.c - the grammar of configuration files: what is a line, a comment,
 * a key, a value, and what is refused.  The rules are those that pmacct's
 * daemons follow (observed with 1.7.7); each table row is a file.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/conf.h"
#include "said.h"

Suite *suite_conf(void);

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *what, *text;
	size_t n;
	const char *lines;	/* "line|key|name|value" each, with a newline */
	const char *said;	/* with a newline each; NULL: nothing */
} files[] = {
	{ "empty", TEXT(""), "", NULL },
	{ "blank lines and comments", TEXT("\n  \n! x: y\n# x: y\n \t! x\n\t#\n!\n"), "", NULL },
	{ "a line", TEXT("daemonize: true\n"), "1|daemonize||true\n", NULL },
	{ "no newline at the end", TEXT("a: b"), "1|a||b\n", NULL },
	{ "no blank behind the colon", TEXT("daemonize:false\n"), "1|daemonize||false\n", NULL },
	{ "CRLF", TEXT("a: b\r\n\r\nc: d\r\n"), "1|a||b\n3|c||d\n", NULL },
	{ "byte order mark",
		TEXT("\xef\xbb\xbf"
		     "a: b\n"),
		"1|a||b\n", NULL },
	{ "white space around", TEXT("  \t a  \t:  \t b  c \t \n"), "1|a||b  c\n", NULL },
	{ "white space in the key", TEXT("sql _ db [ in t ] : x\n"), "1|sql_db|int|x\n", NULL },
	{ "key in capitals", TEXT("SQL_Host[Intl_In]: LocalHost\n"),
		"1|sql_host|Intl_In|LocalHost\n", NULL },
	{ "more colons", TEXT("sql_host: unix:/tmp/s:1\n"), "1|sql_host||unix:/tmp/s:1\n", NULL },
	{ "a colon first in the value", TEXT("nfacctd_ip: ::1\n"), "1|nfacctd_ip||::1\n", NULL },
	{ "nothing behind the colon", TEXT("sql_passwd:\nb: \n"), "1|sql_passwd||\n2|b||\n", NULL },
	{ "no inline comment", TEXT("aggregate: src_host ! x\nb: 1 # y\n"),
		"1|aggregate||src_host ! x\n2|b||1 # y\n", NULL },
	{ "brackets in the value", TEXT("plugins: mysql[a],print[b]\n"),
		"1|plugins||mysql[a],print[b]\n", NULL },
	{ "the same key twice stays twice", TEXT("a: 1\na: 2\n"), "1|a||1\n2|a||2\n", NULL },
	{ "include is a key as any", TEXT("include: /etc/x\n"), "1|include||/etc/x\n", NULL },
	{ "UTF-8 in a value", TEXT("a: \xc3\xa4\n"), "1|a||\xc3\xa4\n", NULL },
	{ "no colon", TEXT("a: 1\ndaemonize true\nb: 2\n"), "1|a||1\n3|b||2\n",
		"E f:2: \"daemonize true\": no colon; expected key: value\n" },
	{ "a password is not shown", TEXT("sql_passwd secret\n"), "",
		"E f:1: (line not shown): no colon; expected key: value\n" },
	{ "no colon, CRLF", TEXT("x\r\n"), "", "E f:1: \"x\": no colon; expected key: value\n" },
	{ "empty key", TEXT(": x\n"), "", "E f:1: \": x\": no key before the colon\n" },
	{ "blank key", TEXT(" \t : x\n"), "", "E f:1: \" ? : x\": no key before the colon\n" },
	{ "name without a key", TEXT("[a]: x\n"), "",
		"E f:1: \"[a]: x\": no key before the colon\n" },
	{ "bracket not closed", TEXT("a[b: x\n"), "",
		"E f:1: \"a[b: x\": unbalanced brackets in the key; expected key[name]: value\n" },
	{ "bracket not opened", TEXT("ab]: x\n"), "",
		"E f:1: \"ab]: x\": unbalanced brackets in the key; expected key[name]: value\n" },
	{ "brackets the wrong way", TEXT("a]b[: x\n"), "",
		"E f:1: \"a]b[: x\": unbalanced brackets in the key; expected key[name]: value\n" },
	{ "nested brackets", TEXT("a[[b]]: x\n"), "",
		"E f:1: \"a[[b]]: x\": more than one pair of brackets in the key; expected "
		"key[name]: value\n" },
	{ "two names", TEXT("a[b][c]: x\n"), "",
		"E f:1: \"a[b][c]: x\": more than one pair of brackets in the key; expected "
		"key[name]: value\n" },
	{ "text behind the bracket", TEXT("a[b]c: x\n"), "",
		"E f:1: \"a[b]c: x\": text behind the bracket; expected key[name]: value\n" },
	{ "empty name", TEXT("a[]: x\n"), "",
		"E f:1: \"a[]: x\": no name between the brackets; expected key[name]: value\n" },
	{ "zero byte", TEXT("a: b\0c\n"), "", "E f:1: \"a: b\": a zero byte; expected text\n" },
	{ "every error is told", TEXT("x\na: 1\ny\n"), "2|a||1\n",
		"E f:1: \"x\": no colon; expected key: value\nE f:3: \"y\": no colon; expected "
		"key: value\n" },
};

static void show(struct strbuf *b, const struct conf *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct conf_line *l = &c->lines[i];

		strbuf_addf(b, "%u|%s|%s|%s\n", l->line, l->key, l->name ? l->name : "", l->value);
	}
}

START_TEST(reads_files)
{
	struct strbuf got = { 0 };
	struct said said;
	struct conf c;
	int ret;

	conf_init(&c);
	said_start(&said);
	ret = conf_read_text(&c, "f", files[_i].text, files[_i].n);
	strbuf_add(&got, "");
	show(&got, &c);
	ck_assert_msg(strcmp(got.s, files[_i].lines) == 0, "%s: lines\n%s", files[_i].what, got.s);
	ck_assert_msg(strcmp(said.text.s, files[_i].said ? files[_i].said : "") == 0,
		"%s: said\n%s", files[_i].what, said.text.s);
	ck_assert_msg(ret == (files[_i].said ? -1 : 0), "%s: returns %d", files[_i].what, ret);
	ck_assert_uint_eq(c.errors, said.lines);
	ck_assert_uint_eq(c.warnings, 0);
	conf_clear(&c);
	strbuf_clear(&got);
	said_end(&said);
}
END_TEST

/* Cut at every length, from a heap copy of that size: for the sanitizers. */
START_TEST(reads_any_prefix)
{
	for (size_t cut = 0; cut <= files[_i].n; cut++) {
		char *copy = xmalloc(cut);
		struct said said;
		struct conf c;

		memcpy(copy, files[_i].text, cut);
		conf_init(&c);
		said_start(&said);
		ck_assert_int_eq(conf_read_text(&c, "f", copy, cut), c.errors ? -1 : 0);
		said_end(&said);
		conf_clear(&c);
		free(copy);
	}
}
END_TEST

/* The reference stops at about 10 kB a line and 8000 lines; we do not. */
START_TEST(has_no_limits)
{
	struct strbuf b = { 0 };
	struct conf c;

	for (int i = 0; i < 20000; i++)
		strbuf_addf(&b, "key%d: %d\n", i, i);
	strbuf_add(&b, "long: ");
	for (int i = 0; i < 100000; i++)
		strbuf_add(&b, "x");
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", b.s, b.n), 0);
	ck_assert_uint_eq(c.n, 20001);
	ck_assert_str_eq(c.lines[19999].value, "19999");
	ck_assert_uint_eq(strlen(c.lines[20000].value), 100000);
	ck_assert_uint_eq(c.lines[20000].line, 20001);
	conf_clear(&c);
	strbuf_clear(&b);
}
END_TEST

START_TEST(cuts_a_long_line_in_a_message)
{
	char text[5000];
	struct said said;
	struct conf c;

	memset(text, 'x', sizeof(text));
	conf_init(&c);
	said_start(&said);
	ck_assert_int_eq(conf_read_text(&c, "f", text, sizeof(text)), -1);
	ck_assert_uint_lt(said.text.n, 300);
	said_end(&said);
	conf_clear(&c);
}
END_TEST

START_TEST(reads_from_disk)
{
	char dir[] = "/tmp/check_conf.XXXXXX", path[64], fifo[64];
	struct strbuf want = { 0 };
	struct said said;
	struct conf c;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.conf", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	f = fopen(path, "w");
	fputs("! one\na: 1\nnonsense\n", f);
	fclose(f);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	conf_init(&c);
	said_start(&said);
	ck_assert_int_eq(conf_read(&c, path), -1);
	ck_assert_uint_eq(c.n, 1);
	ck_assert_str_eq(c.lines[0].file, path);
	ck_assert_int_eq(conf_read(&c, dir), -1);
	ck_assert_int_eq(conf_read(&c, fifo), -1);
	unlink(path);
	ck_assert_int_eq(conf_read(&c, path), -1);
	strbuf_addf(&want, "E %s:3: \"nonsense\": no colon; expected key: value\n", path);
	strbuf_addf(&want, "E %s: not a regular file; expected a configuration file\n", dir);
	strbuf_addf(&want, "E %s: not a regular file; expected a configuration file\n", fifo);
	strbuf_addf(&want, "E %s: cannot be read: No such file or directory\n", path);
	ck_assert_str_eq(said.text.s, want.s);
	ck_assert_uint_eq(c.errors, 4);
	said_end(&said);
	conf_clear(&c);
	strbuf_clear(&want);
	unlink(fifo);
	rmdir(dir);
}
END_TEST

START_TEST(finds_the_last_line)
{
	struct conf c;

	conf_init(&c);
	ck_assert_int_eq(
		conf_read_text(&c, "f", TEXT("a: 1\na[x]: 2\na: 3\na[x]: 4\na[y]: 5\n")), 0);
	ck_assert_str_eq(conf_last(&c, "a", NULL)->value, "3");
	ck_assert_str_eq(conf_last(&c, "a", "x")->value, "4");
	ck_assert_ptr_null(conf_last(&c, "a", "z"));
	ck_assert_ptr_null(conf_last(&c, "b", NULL));
	ck_assert_int_eq(conf_add(&c, "a", NULL, "6"), 0);
	ck_assert_str_eq(conf_last(&c, "a", NULL)->value, "6");
	ck_assert_str_eq(conf_last(&c, "a", NULL)->file, "command line");
	conf_clear(&c);
}
END_TEST

Suite *suite_conf(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("grammar");
	const int n = sizeof(files) / sizeof(files[0]);

	tcase_add_loop_test(t, reads_files, 0, n);
	tcase_add_loop_test(t, reads_any_prefix, 0, n);
	tcase_add_test(t, has_no_limits);
	tcase_add_test(t, cuts_a_long_line_in_a_message);
	tcase_add_test(t, reads_from_disk);
	tcase_add_test(t, finds_the_last_line);
	suite_add_tcase(s, t);
	return s;
}
