/*
 * check_guard.c - the spool of purges and the second server, in front of the
 * sqlite3 sink: every purge is in one database, once, whatever was away.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nfacctd/spool.h"
#include "tests/nfacctd/sink_fixture.h"

static char dir[64], first[96], second[96], base[96];

static const char tables[] =
	"CREATE TABLE acct (ip_src TEXT NOT NULL DEFAULT 0, packets INTEGER NOT NULL, bytes INTEGER NOT "
	"NULL CHECK (bytes < 1000000), stamp_inserted DATETIME NOT NULL, stamp_updated DATETIME, "
	"PRIMARY KEY (ip_src, stamp_inserted));"
	"CREATE TABLE flow_ledger (run_id INTEGER NOT NULL, plugin TEXT NOT NULL, purge_id INTEGER "
	"NOT NULL, worker INTEGER NOT NULL, batch INTEGER NOT NULL, purge_rows INTEGER NOT NULL, "
	"purge_packets INTEGER NOT NULL, purge_octets INTEGER NOT NULL, stamp DATETIME, PRIMARY KEY "
	"(run_id, plugin, purge_id, worker))";

static void run(const char *file, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s: %s", sql, why);
	sqlite3_close(db);
}

static int64_t number(const char *file, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int64_t n;

	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static int64_t bytes(const char *file)
{
	return number(file, "SELECT coalesce(sum(bytes), 0) FROM acct");
}

static void away(const char *file)
{
	run(file, "ALTER TABLE acct RENAME TO gone");
}

static void back(const char *file)
{
	run(file, "ALTER TABLE gone RENAME TO acct");
}

static size_t matching(const char *ending, char path[static 256])
{
	char pattern[128];
	size_t n = 0;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s.%s", base, ending);
	if (glob(pattern, 0, NULL, &g) == 0) {
		n = g.gl_pathc;
		snprintf(path, 256, "%s", g.gl_pathv[0]);
		globfree(&g);
	}
	return n;
}

static size_t files(char path[static 256])
{
	return matching("*", path);
}

static void set_up(void)
{
	strcpy(dir, "/tmp/flowledger-guard-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(first, sizeof(first), "%s/first", dir);
	snprintf(second, sizeof(second), "%s/second", dir);
	snprintf(base, sizeof(base), "%s/spool", dir);
	run(first, tables);
	run(second, tables);
}

static void tear_down(void)
{
	char path[256];

	while (files(path))
		unlink(path);
	unlink(first);
	unlink(second);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct fixture *fixture(const char *list)
{
	struct fixture *f = fix_new(list, 1);

	f->p.type = (char *)"sqlite3";
	f->p.sql_db = first;
	f->p.sql_optimize_clauses = true;
	f->p.sql_recovery_logfile = base;
	f->p.sql_recovery_size = 1 << 20;
	return f;
}

static const struct sink *guard(const struct fixture *f)
{
	return sink_guarded(sink_find("sqlite3"), &f->p);
}

static void *open_guard(struct fixture *f, uint64_t run_id)
{
	void *s = guard(f)->open(&f->p, &f->l, run_id);

	ck_assert_msg(s != NULL, "open: %s", f->log);
	return s;
}

static void host_row(struct fixture *f, const char *src, uint64_t octets)
{
	fix_addr(f, fix_row(f, 1699999800, 1, octets), PRIM_ID_src_host, src);
}

static enum sink_result put(struct fixture *f, void *s, uint64_t octets)
{
	enum sink_result result;

	host_row(f, "10.0.0.1", octets);
	result = guard(f)->write(s, &f->purge);
	fix_next(f);
	return result;
}

START_TEST(stands_aside)
{
	struct fixture *f = fixture("src_host");

	ck_assert_ptr_ne(guard(f), sink_find("sqlite3"));
	f->p.sql_recovery_logfile = NULL;
	ck_assert_ptr_eq(guard(f), sink_find("sqlite3"));
	f->p.sql_recovery_logfile = base;
	ck_assert_ptr_eq(sink_guarded(sink_find("print"), &f->p), sink_find("print"));
	fix_free(f);
}
END_TEST

/* Each purge of an outage has its file; the same run writes them, refused rows counted. */
START_TEST(same_run)
{
	struct fixture *f = fixture("src_host");
	void *s = open_guard(f, 5);
	const struct sink_counts *c;
	char path[256];

	ck_assert_int_eq(put(f, s, 1), SINK_OK);
	ck_assert_uint_eq(files(path), 0);
	away(first);
	host_row(f, "10.0.0.2", 2000000);	/* refused by the table's CHECK */
	ck_assert_int_eq(put(f, s, 20), SINK_OK);
	ck_assert_int_eq(put(f, s, 300), SINK_OK);
	ck_assert_uint_eq(files(path), 2);
	c = guard(f)->counts(s);
	ck_assert_uint_eq(c->spooled, 2);
	ck_assert_uint_eq(c->spooled_octets, 2000320);
	ck_assert_uint_eq(c->spooled_packets, 3);
	ck_assert_uint_eq(c->spooled_rows, 3);
	back(first);
	f->purge.last = true;	/* no waiting for the next attempt */
	ck_assert_int_eq(put(f, s, 4000), SINK_OK);
	ck_assert_uint_eq(files(path), 0);
	ck_assert_int_eq(bytes(first), 4321);
	ck_assert_int_eq(number(first, "SELECT count(*) FROM flow_ledger WHERE run_id=5"), 4);
	c = guard(f)->counts(s);
	ck_assert_uint_eq(c->spooled + c->spooled_octets, 0);
	ck_assert_uint_eq(c->rejected, 1);
	ck_assert_uint_eq(c->rejected_octets, 2000000);
	ck_assert_uint_eq(c->rows, 5);
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

/* Killed while the database is given a purge: it stands in a file, for the next run. */
START_TEST(killed_in_mid_write)
{
	struct fixture *f = fixture("src_host");
	char path[256], back_from_it;
	int came[2];
	sqlite3 *db;
	pid_t child;
	void *s;

	ck_assert_int_eq(sqlite3_open(first, &db), SQLITE_OK);
	s = open_guard(f, 5);
	ck_assert_int_eq(put(f, s, 1), SINK_OK);
	guard(f)->close(s);
	ck_assert_uint_eq(files(path), 0);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(pipe2(came, O_NONBLOCK), 0);
	child = fork();
	if (child == 0) {	/* the sink waits 10 s for the lock */
		s = guard(f)->open(&f->p, &f->l, 6);
		if (s)
			put(f, s, 20);
		_exit(write(came[1], "", 1) == 1 ? 0 : 1);
	}
	ck_assert_int_gt(child, 0);
	for (int i = 0; i < 3000 && matching("*.spool", path) == 0; i++)
		usleep(10000);
	ck_assert_msg(read(came[0], &back_from_it, 1) == -1, "the file came after the attempt");
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_uint_eq(files(path), 1);
	snprintf(path, sizeof(path), "%s.t.6.2.spool.part", base);	/* killed while it made one */
	fclose(fopen(path, "w"));
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	close(came[0]);
	close(came[1]);
	s = open_guard(f, 7);
	ck_assert_int_eq(bytes(first), 21);
	ck_assert_uint_eq(files(path), 0);
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

/* The next run writes them, what was written already once; its own books know nothing of it. */
START_TEST(next_run)
{
	struct fixture *f = fixture("src_host");
	void *s = open_guard(f, 5);
	char path[256], copy[300], command[700];

	away(first);
	f->purge.nmarks = 2;
	f->purge.marks = (const struct purge_mark[]){ { 0, 77 }, { 1, UINT64_MAX } };
	host_row(f, "10.0.0.2", 2000000);
	ck_assert_int_eq(put(f, s, 20), SINK_OK);
	guard(f)->close(s);
	ck_assert(fix_logged(f, "1 purges wait in files"));
	ck_assert_uint_eq(files(path), 1);
	snprintf(copy, sizeof(copy), "%s/kept", dir);
	snprintf(command, sizeof(command), "cp %s %s", path, copy);
	ck_assert_int_eq(system(command), 0);
	back(first);
	s = open_guard(f, 6);
	ck_assert_int_eq(bytes(first), 20);
	ck_assert(fix_logged(f, "2 rows of an earlier run written, 1 refused"));
	ck_assert_int_eq(number(first, "SELECT sum(batch=77) FROM flow_ledger WHERE run_id=5"), 1);
	ck_assert_uint_eq(guard(f)->counts(s)->rejected, 0);
	ck_assert_uint_eq(guard(f)->counts(s)->rows, 0);
	guard(f)->close(s);
	ck_assert_int_eq(rename(copy, path), 0);
	s = open_guard(f, 7);
	ck_assert_int_eq(bytes(first), 20);
	ck_assert(fix_logged(f, "is in the database already"));
	ck_assert_uint_eq(files(path), 0);
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

/* Rows of another aggregate are left, and are no obstacle to others. */
START_TEST(other_key)
{
	struct fixture *f = fixture("dst_host"), *g;
	char path[256];
	void *s;

	run(first, "ALTER TABLE acct ADD COLUMN ip_dst TEXT");
	s = open_guard(f, 5);
	away(first);
	fix_row(f, 1699999800, 1, 50);
	ck_assert_int_eq(guard(f)->write(s, &f->purge), SINK_OK);
	guard(f)->close(s);
	back(first);
	fix_free(f);
	g = fixture("src_host");
	s = open_guard(g, 6);
	ck_assert(fix_logged(g, "its rows are made of other primitives than aggregate is now; it is "
				"left as it is"));
	ck_assert_int_eq(put(g, s, 1), SINK_OK);
	ck_assert_int_eq(bytes(first), 1);
	ck_assert_uint_eq(files(path), 1);
	guard(g)->close(s);
	fix_free(g);
}
END_TEST

/* No byte of a file can be cut or changed without its being seen. */
START_TEST(damage)
{
	struct fixture *f = fixture("src_host");
	void *s = open_guard(f, 5);
	static char whole[4096];
	struct spool_purge p;
	char path[256];
	size_t n;
	FILE *file;

	away(first);
	ck_assert_int_eq(put(f, s, 20), SINK_OK);
	ck_assert_uint_eq(files(path), 1);
	ck_assert_ptr_null(spool_load(&p, path, false));
	ck_assert_uint_eq(p.octets, 20);
	ck_assert_uint_eq(p.purge.run, 5);
	ck_assert_str_eq(p.key, "src_host:16");
	spool_clear(&p);
	file = fopen(path, "r");
	n = fread(whole, 1, sizeof(whole), file);
	fclose(file);
	for (size_t i = 0; i < 2 * n; i++) {
		const bool cut = i < n;

		whole[i % n] ^= cut ? 0 : 4;
		file = fopen(path, "w");
		fwrite(whole, 1, cut ? i : n, file);
		fclose(file);
		whole[i % n] ^= cut ? 0 : 4;
		ck_assert_msg(spool_load(&p, path, false) != NULL, "%s at %zu",
			      cut ? "cut" : "changed", i % n);
		spool_clear(&p);
		spool_load(&p, path, true);
		spool_clear(&p);
	}
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

/* A statement beside the purges, which goes where they went. */
static void note(struct fixture *f, void *s, const char *file, int want)
{
	static const char sql[] = "CREATE TABLE IF NOT EXISTS note (n); INSERT INTO note VALUES (1)";
	char why[256];

	ck_assert_int_eq(guard(f)->execute(s, sql, sizeof(sql) - 1, why), 0);
	ck_assert_int_eq(guard(f)->at_second(s), file == second);
	ck_assert_int_eq(number(file, "SELECT count(*) FROM note"), want);
}

/* What the first does not take the second has; what stands in a file is the first's alone. */
START_TEST(second_server)
{
	struct fixture *f = fixture("src_host");
	char path[256];
	void *s;

	f->p.sql_backup_host = second;
	ck_assert_uint_eq(guard(f)->check(&f->p, &f->l), 0);
	s = open_guard(f, 5);
	ck_assert_int_eq(put(f, s, 1), SINK_OK);
	away(first);
	ck_assert_int_eq(put(f, s, 20), SINK_OK);
	ck_assert_int_eq(bytes(second), 20);
	note(f, s, second, 1);
	away(second);
	ck_assert_int_eq(put(f, s, 300), SINK_OK);
	ck_assert_uint_eq(files(path), 1);
	back(second);
	ck_assert_int_eq(put(f, s, 4000), SINK_OK);
	ck_assert_int_eq(bytes(second), 4020);
	back(first);
	f->purge.last = true;
	ck_assert_int_eq(put(f, s, 50000), SINK_OK);
	ck_assert_int_eq(bytes(first), 50301);
	ck_assert_int_eq(bytes(second), 4020);
	note(f, s, first, 1);
	ck_assert_uint_eq(files(path), 0);
	ck_assert_uint_eq(guard(f)->counts(s)->elsewhere, 2);
	ck_assert_uint_eq(guard(f)->counts(s)->elsewhere_octets, 4020);
	ck_assert_uint_eq(guard(f)->counts(s)->rows, 5);
	ck_assert_int_eq(number(second, "SELECT count(*) FROM flow_ledger WHERE plugin='t@backup'"), 2);
	guard(f)->close(s);
	/* The first is not there at the start. */
	away(first);
	s = open_guard(f, 6);
	ck_assert_int_eq(put(f, s, 100000), SINK_OK);
	ck_assert_int_eq(bytes(second), 104020);
	note(f, s, second, 2);
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

/* Without room, or without a ledger: in memory, as without a spool. */
START_TEST(stays_in_memory)
{
	struct fixture *f = fixture("src_host");
	char path[256];
	void *s;

	if (_i)
		run(first, "DROP TABLE flow_ledger");
	else
		f->p.sql_recovery_size = 100;
	s = open_guard(f, 5);
	away(first);
	host_row(f, "10.0.0.1", 20);
	ck_assert_int_eq(guard(f)->write(s, &f->purge), SINK_RETRY);
	ck_assert_uint_eq(files(path), 0);
	ck_assert(fix_logged(f, _i ? "sql_recovery_logfile needs a table flow_ledger"
				   : "purge 1 waits in memory"));
	back(first);
	ck_assert_int_eq(guard(f)->write(s, &f->purge), SINK_OK);
	ck_assert_int_eq(bytes(first), 20);
	guard(f)->close(s);
	fix_free(f);
}
END_TEST

Suite *suite_guard(void);
Suite *suite_guard(void)
{
	Suite *s = suite_create("guard");
	TCase *t = tcase_create("guard");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, stands_aside);
	tcase_add_test(t, same_run);
	tcase_add_test(t, killed_in_mid_write);
	tcase_add_test(t, next_run);
	tcase_add_test(t, other_key);
	tcase_add_test(t, damage);
	tcase_add_test(t, second_server);
	tcase_add_loop_test(t, stays_in_memory, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
