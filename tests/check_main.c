/*
 * check_main.c - runs the suites of one room; SUITES names its suites.def, one
 * row a suite: SUITE(templates) expects `Suite *suite_templates(void)`.
 */
#include <check.h>
#include <stdlib.h>

#define SUITE(name) Suite *suite_##name(void);
#include SUITES
#undef SUITE

int main(void)
{
	SRunner *r = srunner_create(NULL);
	int failed;

	/* libcheck's 4 s are too few on a machine that is busy; no test measures time by them. */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);
#define SUITE(name) srunner_add_suite(r, suite_##name());
#include SUITES
#undef SUITE
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
