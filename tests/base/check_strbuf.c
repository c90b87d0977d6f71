/*
 * check_strbuf.c - growing strings, at every length around a growth.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/strbuf.h"

Suite *suite_strbuf(void);

START_TEST(grows_by_bytes)
{
	struct strbuf b = { 0 };

	ck_assert_ptr_null(b.s);
	strbuf_reset(&b);
	strbuf_addn(&b, NULL, 0);
	ck_assert_str_eq(b.s, "");
	for (size_t i = 0; i < 1000; i++) {
		strbuf_addn(&b, "x", 1);
		ck_assert_uint_eq(b.n, i + 1);
		ck_assert_uint_eq(strlen(b.s), i + 1);
	}
	strbuf_reset(&b);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_str_eq(b.s, "");
	strbuf_add(&b, "ab");
	strbuf_addf(&b, "%d", 7);
	ck_assert_str_eq(b.s, "ab7");
	strbuf_clear(&b);
	ck_assert_ptr_null(b.s);
}
END_TEST

/* Formatted text that ends before, at and behind what is reserved. */
START_TEST(grows_by_format)
{
	for (int before = 0; before < 70; before++)
		for (int n = 0; n < 200; n++) {
			struct strbuf b = { 0 };

			strbuf_addf(&b, "%*s", before, "");
			strbuf_addf(&b, "%*s", n, "z");
			ck_assert_uint_eq(b.n, (size_t)(before + (n ? n : 1)));
			ck_assert_uint_eq(strlen(b.s), b.n);
			ck_assert_int_eq(b.s[b.n - 1], 'z');
			strbuf_clear(&b);
		}
}
END_TEST

START_TEST(allocates)
{
	char *s = xstrdup("copy");
	unsigned *zero = xcalloc(3, sizeof(*zero));

	ck_assert_str_eq(s, "copy");
	ck_assert(!zero[0] && !zero[1] && !zero[2]);
	s = xrealloc(s, 100);
	ck_assert_str_eq(s, "copy");
	free(s);
	free(zero);
	free(xmalloc(0));
	free(xcalloc(0, 0));
}
END_TEST

/* Not to be had: one line and an exit status, no crash (a sanitizer's own refusal is one too). */
START_TEST(ends_when_memory_is_gone)
{
	volatile size_t much = (size_t)-1 / 2;
	const pid_t child = fork();
	int status;

	if (child == 0) {
		close(STDERR_FILENO);
		(void)xmalloc(much);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 0);
}
END_TEST

Suite *suite_strbuf(void)
{
	Suite *s = suite_create("strbuf");
	TCase *t = tcase_create("text");

	tcase_add_test(t, grows_by_bytes);
	tcase_add_test(t, grows_by_format);
	tcase_add_test(t, allocates);
	tcase_add_test(t, ends_when_memory_is_gone);
	suite_add_tcase(s, t);
	return s;
}
