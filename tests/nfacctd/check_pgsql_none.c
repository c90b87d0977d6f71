/*
 * check_pgsql_none.c - a build without libpq says so when a plugin asks for it.
 */
#include "tests/nfacctd/sink_fixture.h"

START_TEST(says_so)
{
	struct fixture *f = fix_new("src_host", 1);

	ck_assert_ptr_null(sink_find("pgsql")->open(&f->p, &f->l, 1));
	ck_assert(fix_logged(f, "built without PostgreSQL"));
	ck_assert_uint_eq(sink_find("pgsql")->check(&f->p, &f->l), 1);
	fix_free(f);
}
END_TEST

Suite *suite_pgsql(void);
Suite *suite_pgsql(void)
{
	Suite *s = suite_create("pgsql");
	TCase *t = tcase_create("absent");

	tcase_add_test(t, says_so);
	suite_add_tcase(s, t);
	return s;
}
