/*
 * check_files.c - files as they were when they were read last: a reload reads
 * each once, a lookup of names reads none, and what is refused leaves what was.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replicator/files.h"

Suite *suite_files(void);

static struct files *f;
static char path[32];

static void write_text(const char *text)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
}

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/check-files-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	f = files_new();
}

static void teardown(void)
{
	files_free(f);
	unlink(path);
}

static void expect(const char *text)
{
	FILE *in = files_open(f, path);
	char got[64] = "";

	ck_assert_ptr_nonnull(in);
	got[fread(got, 1, sizeof(got) - 1, in)] = '\0';
	fclose(in);
	ck_assert_str_eq(got, text);
}

START_TEST(texts)
{
	write_text("one\n");
	files_anew(f);
	expect("one\n");
	write_text("two\n");
	expect("one\n");		/* the next worker reads the same */
	files_settle(f, true);
	expect("one\n");		/* names alone: nothing is read */
	files_anew(f);
	expect("two\n");
	files_settle(f, false);		/* there was an error in it */
	expect("one\n");
	files_anew(f);
	expect("two\n");
	files_settle(f, true);
	expect("two\n");
	write_text("");
	files_anew(f);
	expect("\n");
	files_settle(f, true);
	expect("\n");
}
END_TEST

START_TEST(missing)
{
	write_text("one\n");
	files_anew(f);
	expect("one\n");
	files_settle(f, true);
	unlink(path);
	files_anew(f);
	errno = 0;
	ck_assert_ptr_null(files_open(f, path));
	ck_assert_int_eq(errno, ENOENT);
	files_settle(f, false);
	expect("one\n");
	/* Nobody keeps texts: the file itself. */
	ck_assert_ptr_null(files_open(NULL, path));
}
END_TEST

/* A pipe can be read once: as many workers as there are get its text. */
START_TEST(pipes)
{
	char name[32];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "piped\n", 6), 6);
	close(fds[1]);
	snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
	files_anew(f);
	unlink(path);
	strcpy(path, name);
	expect("piped\n");
	expect("piped\n");
	close(fds[0]);
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, texts);
	tcase_add_test(t, missing);
	tcase_add_test(t, pipes);
	suite_add_tcase(s, t);
	return s;
}
