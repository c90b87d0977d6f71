/*
 * check_stats.c - rows as text, files replaced in one step.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/stats.h"
#include "base/strbuf.h"

Suite *suite_stats(void);

static void fill(struct stats *s)
{
	stats_init(s);
	stats_add(s, 0, "zero");
	stats_add(s, UINT64_MAX, "most");
	stats_add(s, 17, "receiver_sent{receiver=\"%s\"}", "10.0.0.1:9995");
	stats_add(s, 1, "label{x=\"%s\"}", "tab\there\nand a line");
}

static const char expected[] = "zero\t0\nmost\t18446744073709551615\n"
	"receiver_sent{receiver=\"10.0.0.1:9995\"}\t17\nlabel{x=\"tab here and a line\"}\t1\n";

static void read_back(const char *path, char *buf, size_t n)
{
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	buf[fread(buf, 1, n - 1, f)] = '\0';
	fclose(f);
}

static int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;	/* . and .. */
}

START_TEST(prints_rows)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	struct stats s;

	fill(&s);
	stats_print(&s, f);
	fclose(f);
	ck_assert_str_eq(text, expected);
	free(text);
	stats_clear(&s);
	ck_assert_uint_eq(s.n, 0);
}
END_TEST

START_TEST(writes_a_file)
{
	char dir[] = "/tmp/check_stats.XXXXXX", path[64], got[500];
	struct stat st;
	struct stats s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.tsv", dir);
	fill(&s);
	ck_assert_int_eq(stats_write(&s, path), 0);
	ck_assert_int_eq(stats_write(&s, path), 0);
	read_back(path, got, sizeof(got));
	ck_assert_str_eq(got, expected);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0644);
	ck_assert_int_eq(files_in(dir), 1);	/* no temporary file is left */
	unlink(path);
	rmdir(dir);
	stats_clear(&s);
}
END_TEST

START_TEST(says_why_it_cannot)
{
	char dir[] = "/tmp/check_stats.XXXXXX", path[64], target[64];
	struct stats s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/no/s.tsv", dir);
	fill(&s);
	ck_assert_int_eq(stats_write(&s, path), -1);
	ck_assert_int_eq(errno, ENOENT);
	/* A target that rename() cannot replace: the temporary file goes away again. */
	snprintf(target, sizeof(target), "%s/sub", dir);
	ck_assert_int_eq(mkdir(target, 0700), 0);
	ck_assert_int_eq(stats_write(&s, target), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(files_in(dir), 1);
	rmdir(target);
	rmdir(dir);
	stats_clear(&s);
}
END_TEST

/* A device or a FIFO stays what it is: root and "--stats /dev/null" must not end badly. */
START_TEST(replaces_no_device)
{
	char dir[] = "/tmp/check_stats.XXXXXX", path[64], got[500];
	struct stat st;
	struct stats s;
	ssize_t n;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fill(&s);
	ck_assert_int_eq(stats_write(&s, path), -1);	/* nobody reads: an error, no hang */
	ck_assert_int_eq(errno, ENXIO);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(stats_write(&s, path), 0);
	n = read(fd, got, sizeof(got) - 1);
	ck_assert_int_gt((int)n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, expected);
	close(fd);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
	ck_assert_int_eq(files_in(dir), 1);
	unlink(path);
	rmdir(dir);
	stats_clear(&s);
}
END_TEST

START_TEST(grows)
{
	struct stats s;

	stats_init(&s);
	for (uint64_t i = 0; i < 1000; i++)
		stats_add(&s, i, "row_%" PRIu64, i);
	ck_assert_uint_eq(s.n, 1000);
	ck_assert_str_eq(s.rows[999].name, "row_999");
	ck_assert_uint_eq(s.rows[999].value, 999);
	stats_clear(&s);
}
END_TEST

Suite *suite_stats(void)
{
	Suite *s = suite_create("stats");
	TCase *t = tcase_create("rows");

	tcase_add_test(t, prints_rows);
	tcase_add_test(t, writes_a_file);
	tcase_add_test(t, says_why_it_cannot);
	tcase_add_test(t, replaces_no_device);
	tcase_add_test(t, grows);
	suite_add_tcase(s, t);
	return s;
}
