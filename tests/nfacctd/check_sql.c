/*
 * check_sql.c - what the SQL sinks share: columns by table version, the judgment
 * on unique keys, names that depend on time and row, what an error number means.
 */
#include "nfacctd/mysql_link.h"
#include "nfacctd/mysql_text.h"
#include "nfacctd/name_template.h"
#include "nfacctd/sql_columns.h"
#include "tests/nfacctd/sink_fixture.h"

/* collector.md 9.1, 9.2, 9.4: names in order, * constant. */
static const struct {
	const char *list;
	uint32_t version;
	bool optimize, history;
	const char *columns;
} layouts[] = {
	{ "src_host", 1, false, true,
		"mac_src* mac_dst* ip_src ip_dst* src_port* dst_port* ip_proto* stamp_inserted "
		"stamp_updated packets bytes" },
	{ "src_host", 1, true, true, "ip_src stamp_inserted stamp_updated packets bytes" },
	{ "none", 1, true, false, "packets bytes" },
	{ "tag", 2, true, false, "agent_id packets bytes" },
	{ "tag", 8, true, false, "agent_id packets bytes" },
	/* As Debian's nfacctd writes it at any version. */
	{ "tag, tag2", 2, true, false, "agent_id tag2 packets bytes" },
	{ "tag, tag2", 9, true, false, "tag tag2 packets bytes" },
	{ "tag", 9, true, false, "tag packets bytes" },
	{ "src_port", 7, true, false, "src_port packets bytes" },
	{ "src_port", 8, true, false, "port_src packets bytes" },
	{ "class", 9, true, false, "class_id packets bytes" },
	{ "dst_host, in_iface, out_iface", 5, false, true,
		"agent_id* class_id* mac_src* mac_dst* vlan* iface_in iface_out "
		"ip_src* ip_dst src_port* dst_port* ip_proto* tos* stamp_inserted stamp_updated "
		"packets bytes flows*" },
	{ "flows, tcpflags, src_host", 7, true, true,
		"ip_src stamp_inserted stamp_updated tcp_flags packets bytes flows" },
	{ "src_as", 1, false, false,
		"mac_src* mac_dst* ip_src ip_dst* src_port* dst_port* ip_proto* packets bytes" },
	{ "src_as, src_host", 6, true, false, "as_src ip_src packets bytes" },
	{ "timestamp_start, src_mask, src_net, peer_src_ip, etype", 1, true, false,
		"etype peer_ip_src net_src mask_src "
		"timestamp_start timestamp_start_residual packets bytes" },
};

START_TEST(columns)
{
	struct fixture *f = fix_new(layouts[_i].list, layouts[_i].version);
	struct sql_columns s;
	char got[1024] = "", why[256];

	f->p.sql_optimize_clauses = layouts[_i].optimize;
	if (!layouts[_i].history)
		f->p.history.seconds = 0;
	ck_assert_msg(sql_columns_make(&s, &f->p, &f->l, why, sizeof(why)), "%s", why);
	for (size_t i = 0; i < s.n; i++)
		sprintf(got + strlen(got), "%s%s%s", i ? " " : "", s.c[i].name,
			s.c[i].constant ? "*" : "");
	ck_assert_str_eq(got, layouts[_i].columns);
	fix_free(f);
}
END_TEST

/* An AS number stands as text in the host's column before version 6. */
START_TEST(as_before_six)
{
	struct fixture *f = fix_new("src_as", 1);
	struct sql_columns s;
	struct sql_cell cell;
	char why[256];

	ck_assert(sql_columns_make(&s, &f->p, &f->l, why, sizeof(why)));
	fix_number(f, fix_row(f, 0, 1, 1), PRIM_ID_src_as, 64512);
	sql_cell_make(&cell, &s, &s.c[2], &f->purge, &f->rows[0]);
	ck_assert_str_eq(cell.text, "64512");
	ck_assert_uint_eq(cell.len, 5);
	fix_free(f);
}
END_TEST

/* Indexes as "column", "column?" null default, "column+" AUTO_INCREMENT, "column=" constant
 * default, "column(" prefix. */
static const struct {
	const char *index;
	enum sql_unique want;
	const char *missing;
} indexes[] = {
	{ "mac_src mac_dst ip_src ip_dst src_port dst_port ip_proto stamp_inserted",
		SQL_UNIQUE_COVERS, NULL },
	{ "stamp_inserted IP_SRC", SQL_UNIQUE_COVERS, NULL },
	{ "ip_src stamp_inserted site=", SQL_UNIQUE_COVERS, NULL },
	{ "ip_src", SQL_UNIQUE_COLLIDES, "stamp_inserted" },
	{ "mac_src stamp_inserted", SQL_UNIQUE_COLLIDES, "ip_src" },
	{ "site=", SQL_UNIQUE_COLLIDES, "ip_src" },
	{ "ip_src( stamp_inserted", SQL_UNIQUE_COLLIDES, NULL },
	{ "ip_src stamp_inserted packets", SQL_UNIQUE_COLLIDES, NULL },
	{ "ip_src stamp_inserted random", SQL_UNIQUE_COLLIDES, NULL },
	{ "id+", SQL_UNIQUE_HARMLESS, NULL },
	{ "ip_src id+", SQL_UNIQUE_HARMLESS, NULL },
	{ "ip_src stamp_inserted note?", SQL_UNIQUE_HARMLESS, NULL },
};

START_TEST(unique_keys)
{
	struct fixture *f = fix_new("src_host", 1);
	const struct sql_column *missing;
	struct sql_index x = { .n = 0 };
	struct sql_columns s;
	char why[256], text[256], *word;

	ck_assert(sql_columns_make(&s, &f->p, &f->l, why, sizeof(why)));
	strcpy(text, indexes[_i].index);
	for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		size_t n = strlen(word) - 1;
		char mark = strchr("?+=(", word[n]) ? word[n] : ' ';

		if (mark != ' ')
			word[n] = '\0';
		strcpy(x.column[x.n].name, word);
		x.column[x.n].partial = mark == '(';
		x.column[x.n].generated = mark == '+';
		x.column[x.n].null_default = mark == '?';
		x.column[x.n++].constant_default = mark == '=';
	}
	ck_assert_msg(
		sql_unique_judge(&s, &x, &missing) == indexes[_i].want, "%s", indexes[_i].index);
	if (indexes[_i].missing)
		ck_assert_str_eq(missing->name, indexes[_i].missing);
	else
		ck_assert_ptr_null(missing);
	fix_free(f);
}
END_TEST

/* 1700000000 is Tue 2023-11-14 22:13:20 UTC (date -u -d @1700000000). */
static const struct {
	const char *name, *want;	/* NULL: does not fit 64 characters, or is empty */
} names[] = {
	{ "acct", "acct" },
	{ "acct_%Y%m%d_%H%M", "acct_20231114_2213" },
	{ "a_%w_%W_%S", "a_2_46_20" },
	{ "a_$ref_$hst", "a_60_600" },
	{ "a_$tag_$tag2_$post_tag_$post_tag2", "a_7_9_7_9" },
	{ "a_$peer_src_ip", "a_2001_db8__1" },
	{ "a_$tzone", "a_+0000" },
	{ "a_$nothing", "a_$nothing" },
	{ "1234567890123456789012345678901234567890123456789012345678901234",
	  "1234567890123456789012345678901234567890123456789012345678901234" },
	{ "12345678901234567890123456789012345678901234567890123456789012345", NULL },
	{ "1234567890123456789012345678901234567890123456789012345678901%Y", NULL },
	{ "", NULL },
};

START_TEST(dynamic_names)
{
	struct fixture *f = fix_new("tag, tag2, peer_src_ip", 2);
	uint8_t *key = fix_row(f, 0, 1, 1);
	char got[65] = "";
	bool ok;

	fix_number(f, key, PRIM_ID_tag, 7);
	fix_number(f, key, PRIM_ID_tag2, 9);
	fix_addr(f, key, PRIM_ID_peer_src_ip, "2001:db8::1");
	ok = name_expand(got, sizeof(got), names[_i].name, &f->p, &f->l, 1700000000, key);
	ck_assert_msg(ok == (names[_i].want != NULL), "\"%s\" gave \"%s\"", names[_i].name, got);
	if (ok)
		ck_assert_str_eq(got, names[_i].want);
	fix_free(f);
}
END_TEST

/* Every row is in one group, in order, or counted as unnamed. */
START_TEST(groups)
{
	struct fixture *f = fix_new("tag", 2);
	struct name_groups g;
	size_t rows = 0;

	for (uint64_t i = 0; i < 1000; i++)
		fix_number(f, fix_row(f, 0, i, 1), PRIM_ID_tag, i % 300);
	ck_assert(
		name_groups_make(&g, "t_$tag", 65, true, &f->p, &f->l, 0, f->rows, f->purge.nrows));
	ck_assert_uint_eq(g.n, 300);
	ck_assert_uint_eq(g.unnamed, 0);
	for (size_t i = 0; i < g.n; i++) {
		char want[32];

		snprintf(want, sizeof(want), "t_%zu", i);
		ck_assert_str_eq(g.group[i].name, want);
		for (size_t j = 0; j < g.group[i].n; j++, rows++)
			ck_assert_uint_eq(g.group[i].rows[j]->sums.packets, i + j * 300);
	}
	ck_assert_uint_eq(rows, 1000);
	name_groups_clear(&g);
	ck_assert(
		name_groups_make(&g, "t_$tag", 5, true, &f->p, &f->l, 0, f->rows, f->purge.nrows));
	ck_assert_uint_eq(g.unnamed, 600);	/* 100..299 are too long, three rows each */
	name_groups_clear(&g);
	ck_assert(name_groups_make(&g, "acct", 65, true, &f->p, &f->l, 0, f->rows, 0));
	ck_assert_uint_eq(g.n, 0);
	name_groups_clear(&g);
	fix_free(f);
}
END_TEST

static const struct {
	unsigned err;
	enum link_meaning want;
} errors[] = {
	{ 0, LINK_OK },
	{ 1999, LINK_STUCK },
	{ 2000, LINK_LOST },
	{ 2006, LINK_LOST },
	{ 2013, LINK_LOST },
	{ 2026, LINK_LOST },
	{ 2999, LINK_LOST },
	{ 3000, LINK_STUCK },
	{ 5003, LINK_STUCK },
	{ 1205, LINK_REPLAY },
	{ 1213, LINK_REPLAY },
	{ 1264, LINK_REFUSED },
	{ 1406, LINK_REFUSED },
	{ 1366, LINK_REFUSED },
	{ 1690, LINK_REFUSED },
	{ 1062, LINK_REFUSED },
	{ 1054, LINK_STUCK },
	{ 1146, LINK_STUCK },
	{ 1045, LINK_STUCK },
	{ 1142, LINK_STUCK },
	{ 1114, LINK_STUCK },
	{ 1364, LINK_STUCK },
};

START_TEST(meanings)
{
	ck_assert_msg(link_meaning(errors[_i].err) == errors[_i].want, "%u", errors[_i].err);
}
END_TEST

static const struct {
	const char *text, *want;
} quotes[] = {
	{ "abc", "'abc'" },
	{ "", "''" },
	{ "a b~", "'a b~'" },
	{ "o'clock", "_utf8mb4 x'6f27636c6f636b'" },
	{ "a\\", "_utf8mb4 x'615c'" },
	{ "\n", "_utf8mb4 x'0a'" },
	{ "\xc3\xa9", "_utf8mb4 x'c3a9'" },
	{ "\x7f", "_utf8mb4 x'7f'" },
};

START_TEST(quoting)
{
	struct strbuf b = { NULL, 0, 0 };

	link_quote(&b, quotes[_i].text, strlen(quotes[_i].text));
	ck_assert_str_eq(b.s, quotes[_i].want);
	strbuf_reset(&b);
	link_quote_name(&b, "a`b");
	ck_assert_str_eq(b.s, "`a``b`");
	strbuf_clear(&b);
}
END_TEST

Suite *suite_sql(void);
Suite *suite_sql(void)
{
	Suite *s = suite_create("sql");
	TCase *t = tcase_create("sql");

	tcase_add_loop_test(t, columns, 0, sizeof(layouts) / sizeof(layouts[0]));
	tcase_add_test(t, as_before_six);
	tcase_add_loop_test(t, unique_keys, 0, sizeof(indexes) / sizeof(indexes[0]));
	tcase_add_loop_test(t, dynamic_names, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(t, groups);
	tcase_add_loop_test(t, meanings, 0, sizeof(errors) / sizeof(errors[0]));
	tcase_add_loop_test(t, quoting, 0, sizeof(quotes) / sizeof(quotes[0]));
	suite_add_tcase(s, t);
	return s;
}
