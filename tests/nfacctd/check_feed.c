/*
 * check_feed.c - a capture with several workers: the rows are those of one, every
 * exporter's datagrams stay in order (its template comes once, in front), and the
 * books balance whenever somebody asks.
 */
#include <unistd.h>
#include "base/strbuf.h"
#include "nfacctd/engine_private.h"
#include "feeding.h"

Suite *suite_feed(void);

enum { EXPORTERS = 20, ROUNDS = 120, HOSTS = 30 };

/* ---- a sink that keeps rows as lines, sorted ---------------------------------------------------- */

static char **lines;
static size_t nlines, purges;
static struct sink_counts counts;
static bool count_only;

static void *keep_open(const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	static struct key_layout layout;

	(void)p;
	(void)run_id;
	layout = *l;
	return &layout;
}

static unsigned keep_check(const struct plugin_settings *p, const struct key_layout *l)
{
	(void)p;
	(void)l;
	return 0;
}

static enum sink_result keep_write(void *sink, const struct purge *p)
{
	static const struct print_style style = { .utc = true };
	const struct key_layout *l = sink;

	purges++;
	for (size_t i = 0; !count_only && i < p->nrows; i++) {
		const struct sum_row *r = &p->rows[i];
		char text[PRIM_TEXT_MAX];
		struct strbuf s = { 0 };

		strbuf_addf(&s, "%lld at %lld", (long long)r->bin, (long long)p->deadline);
		for (size_t f = 0; f < l->nfields; f++) {
			key_print(text, &l->field[f], r->key, &style);
			strbuf_addf(&s, " %s", text);
		}
		strbuf_addf(&s, " %llu %llu\n", (unsigned long long)r->sums.packets,
			    (unsigned long long)r->sums.octets);
		lines = realloc(lines, (nlines + 1) * sizeof(*lines));
		lines[nlines++] = s.s;
	}
	counts.rows += p->nrows;
	return SINK_OK;
}

static const struct sink_counts *keep_counts(void *sink)
{
	(void)sink;
	return &counts;
}

static void keep_close(void *sink)
{
	(void)sink;
}

static const struct sink keep = { .type = "print", .open = keep_open, .check = keep_check,
	.write = keep_write, .counts = keep_counts, .close = keep_close };

static const struct sink *find(const char *type)
{
	(void)type;
	return &keep;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything that was written, in one order; the caller's. */
static char *sorted(void)
{
	struct strbuf all = { 0 };

	if (nlines)
		qsort(lines, nlines, sizeof(*lines), by_text);
	strbuf_add(&all, "");
	for (size_t i = 0; i < nlines; i++) {
		strbuf_add(&all, lines[i]);
		free(lines[i]);
	}
	free(lines);
	lines = NULL;
	nlines = purges = 0;
	counts = (struct sink_counts){ 0 };
	return all.s;
}

/* ---- a capture ------------------------------------------------------------------------------------ */

/* NetFlow v9: src, octets and packets; the template once, in front. */
static void feed_v9(uint32_t exporter, int64_t when, uint32_t sequence, bool template)
{
	static const uint16_t fields[] = { 8, 4, 1, 4, 2, 4 };
	uint8_t buf[1500], *p = buf;

	put(&p, 9, 2), put(&p, 1, 2), put(&p, 5000000, 4), put(&p, (uint64_t)when, 4);
	put(&p, sequence, 4), put(&p, 1, 4);
	if (template) {
		put(&p, 0, 2), put(&p, 4 + 4 + sizeof(fields), 2), put(&p, 256, 2), put(&p, 3, 2);
		for (size_t i = 0; i < 6; i++)
			put(&p, fields[i], 2);
	}
	put(&p, 256, 2), put(&p, 4 + HOSTS * 12, 2);
	for (unsigned i = 0; i < HOSTS; i++)
		put(&p, 0x0a010000 + (exporter + sequence + i) % 100, 4), put(&p, 700 + i, 4),
			put(&p, 7, 4);
	feed(buf, (size_t)(p - buf), exporter, when);
}

/* IPFIX: hosts in 16 octets, every third an IPv4 one, every third of ::, the template each time. */
static void feed_ipfix(uint32_t exporter, int64_t when, uint32_t sequence)
{
	static const uint16_t fields[] = { 27, 16, 1, 4, 2, 4 };
	uint8_t buf[1500], *p = buf;

	put(&p, 10, 2), put(&p, 16 + 8 + sizeof(fields) + 4 + HOSTS * 24, 2);
	put(&p, (uint64_t)when, 4), put(&p, sequence * HOSTS, 4), put(&p, 1, 4);
	put(&p, 2, 2), put(&p, 8 + sizeof(fields), 2), put(&p, 256, 2), put(&p, 3, 2);
	for (size_t i = 0; i < 6; i++)
		put(&p, fields[i], 2);
	put(&p, 256, 2), put(&p, 4 + HOSTS * 24, 2);
	for (unsigned i = 0; i < HOSTS; i++) {
		put(&p, i % 3 ? 0 : 0x20010db8, 8);
		put(&p, i % 3 == 1 ? 0xffff : 0, 4);
		put(&p, 0x0a010000 + (exporter + sequence + i) % 100, 4);
		put(&p, 500 + i, 4), put(&p, 5, 4);
	}
	feed(buf, (size_t)(p - buf), exporter, when);
}

static void feed_capture(bool ask, bool reload)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t x = 0; x < EXPORTERS; x++) {
			if (x % 3 == 2)
				feed_ipfix(A + x, NOW + round * 10, round);
			else if (x % 3)
				feed_v9(A + x, NOW + round * 10, round, round == 0);
			else
				feed_hosts(A + x, NOW + round * 10, round * HOSTS, x * 10 + round,
					   HOSTS, 3, 1000 + round);
		}
		if (ask && round % 16 == 5)
			ck_assert_uint_eq(stat_of("datagrams_received"), (round + 1) * EXPORTERS);
		if (reload && round % 32 == 9)
			ck_assert_int_eq(engine_reload(engine), 0);
	}
}

static const char by_exporter[] = "src_host, peer_src_ip";

static void start_workers(unsigned workers, const char *aggregate)
{
	char conf[400];

	/* Without it libc frees and copies its name in each mktime(), under a lock TSan cannot see. */
	setenv("TZ", "UTC", 1);
	snprintf(conf, sizeof(conf),
		 "plugins: print\naggregate: %s\nprint_history: 5m\n"
		 "print_history_roundoff: mh\nprint_refresh_time: 60\nnfacctd_holdback: 0\n"
		 "nfacctd_workers: %u\npcap_savefile: x.pcap\n", aggregate, workers);
	start_with(conf, find);
	open_sinks();
}

/* All of it is in the books; the rows. */
static char *stop_workers(void)
{
	ck_assert_int_eq(engine_stop(engine), 0);
	ck_assert_uint_eq(stat_of("datagrams_received"), ROUNDS * EXPORTERS);
	ck_assert_uint_eq(stat_of("records_decoded"), ROUNDS * EXPORTERS * HOSTS);
	ck_assert_uint_eq(stat_of("sequence_lost"), 0);
	ck_assert_uint_eq(stat_of("streams"), EXPORTERS);
	free_all();
	ck_assert_uint_gt(purges, 10);
	return sorted();
}

static char *rows_of(unsigned workers, bool ask, bool reload, const char *aggregate)
{
	start_workers(workers, aggregate);
	feed_capture(ask, reload);
	return stop_workers();
}

static const struct {
	unsigned workers;
	bool ask, reload;
} cases[] = { { 2, false, false }, { 3, true, false }, { 7, true, true }, { 64, false, false } };

START_TEST(rows_are_those_of_one)
{
	/* Without the exporter in the key the workers' rows meet. */
	const char *const aggregate = cases[_i].ask ? by_exporter : "src_host, dst_port";
	char *one = rows_of(1, false, false, aggregate);
	char *many = rows_of(cases[_i].workers, cases[_i].ask, cases[_i].reload, aggregate);

	ck_assert_uint_gt(strlen(one), 1000);
	ck_assert(strcmp(one, many) == 0);
	free(one);
	free(many);
}
END_TEST

/* The capture in a file that walks, or that libpcap reads: version 2.3. */
static struct capture *open_capture(bool walked)
{
	char path[] = "/tmp/feed-XXXXXX", why[256];
	struct capture *c;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	writer = capture_create(path);
	ck_assert_ptr_nonnull(writer);
	feed_capture(false, false);
	ck_assert_int_eq(capture_finish(writer), 0);
	writer = NULL;
	if (!walked)
		ck_assert_int_eq((int)pwrite(fd, "\3\0", 2, 6), 2);
	c = capture_open(path, why);
	ck_assert_msg(c != NULL, "%s", why);
	unlink(path);
	close(fd);
	return c;
}

/* Cases, and whether the file is one that walks. */
static const struct {
	size_t number;
	bool walked;
} reads[] = { { 0, true }, { 1, true }, { 2, true }, { 3, true }, { 2, false } };

/* Whoever reads: rows, purges and books are those of one who is fed. */
START_TEST(all_read_in_turns)
{
	char *one = rows_of(1, false, false, by_exporter), *many, why[256];
	struct capture *c = open_capture(reads[_i].walked);
	const size_t number = reads[_i].number;
	int got;

	start_workers(cases[number].workers, by_exporter);
	while ((got = engine_read(engine, c, why)) > 0) {
		if (cases[number].reload)
			ck_assert_int_eq(engine_reload(engine), 0);
		if (!cases[number].ask)
			continue;
		engine_settle(engine);
		ck_assert_uint_eq(stat_of("datagrams_received"), capture_counts(c)->datagrams);
	}
	ck_assert_int_eq(got, 0);
	capture_close(c);
	many = stop_workers();
	ck_assert(strcmp(one, many) == 0);
	free(one);
	free(many);
}
END_TEST

/* What was read when somebody says stop is in the books, and no more is read. */
START_TEST(stopped_while_others_read)
{
	struct capture *c = open_capture(_i % 2);
	uint64_t read;
	char why[256];

	start_workers(cases[_i / 2].workers, by_exporter);
	for (int i = 0; i <= _i; i++)
		ck_assert_int_eq(engine_read(engine, c, why), 1);
	ck_assert_int_eq(engine_stop(engine), 0);
	read = capture_counts(c)->datagrams;
	ck_assert_uint_gt(read, 0);
	ck_assert_uint_eq(stat_of("datagrams_received"), read);
	free_all();
	capture_close(c);
	free(sorted());
}
END_TEST

/* Exporters differ in their last octet only, mostly. */
START_TEST(each_worker_has_its_share)
{
	size_t least = SIZE_MAX, most = 0;

	start_workers(4, by_exporter);
	feed_capture(false, false);
	engine_settle(engine);
	for (size_t i = 0; i < 4; i++) {
		const size_t n = engine->worker[i].datagrams / ROUNDS;

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	ck_assert_uint_ge(least, 4);
	ck_assert_uint_le(most, 6);
	free(stop_workers());
}
END_TEST

/* Datagrams of every length up to the largest, so that buffers end anywhere. */
START_TEST(buffers_end_anywhere)
{
	static uint8_t rubbish[65507];
	uint64_t octets = 0, n = 0;

	start_with("plugins: print\naggregate: none\nnfacctd_workers: 2\npcap_savefile: x.pcap\n", find);
	open_sinks();
	for (size_t len = 0; len <= sizeof(rubbish); len += 509) {
		for (uint32_t x = 0; x < 3; x++)
			feed(rubbish, len, A + x, NOW);
		octets += 3 * len;
		n += 3;
	}
	feed(rubbish, sizeof(rubbish), A, NOW);
	ck_assert_uint_eq(stat_of("datagrams_received"), n + 1);
	ck_assert_uint_eq(stat_of("datagrams_octets"), octets + sizeof(rubbish));
	ck_assert_int_eq(engine_stop(engine), 0);
	free_all();
	free(sorted());
}
END_TEST

/* The reader waits for a purge rather than run ahead of the memory. */
START_TEST(a_budget_sheds_nothing_of_a_capture)
{
	enum { DATAGRAMS = 7000 };

	count_only = true;
	start_with("plugins: print\naggregate: src_host, peer_src_ip\nnfacctd_workers: 4\n"
		   "nfacctd_memory_budget: 4194304\npcap_savefile: x.pcap\n", find);
	open_sinks();
	for (uint32_t i = 0; i < DATAGRAMS; i++)
		feed_hosts(A + i % 8, NOW, i / 8 * HOSTS, i * HOSTS, HOSTS, 1, 100);
	ck_assert_int_eq(engine_stop(engine), 0);
	ck_assert_uint_gt(purges, 3);
	ck_assert_uint_eq(stat_of("plugin_entries_shed{plugin=\"default_print\"}"), 0);
	ck_assert_uint_eq(counts.rows, DATAGRAMS * HOSTS);
	count_only = false;
	free_all();
	free(sorted());
}
END_TEST

/* Empty tables that fill the budget would be purged with each datagram. */
START_TEST(a_budget_too_small_is_told)
{
	struct conf c;
	static const char conf[] = "plugins: print\nnfacctd_workers: 9\n"
				   "nfacctd_memory_budget: 4194304\n";

	said_start(&said);
	conf_init(&c);
	ck_assert_int_eq(conf_read_text(&c, "f", conf, strlen(conf)), 0);
	ck_assert_int_eq(settings_load(&settings, NULL, &c, NULL), 0);
	conf_clear(&c);
	engine = engine_new(&settings, find, NOW, 99);
	ck_assert_ptr_null(engine);
	has_said("command line: nfacctd_memory_budget: \"4194304\": the empty tables of 9 workers and 1 "
		 "plugins take ");
	free_all();
}
END_TEST

/* An engine that is freed while work waits. */
START_TEST(freed_without_a_stop)
{
	start_with("plugins: print\naggregate: none\nnfacctd_workers: 4\npcap_savefile: x.pcap\n", find);
	open_sinks();
	feed_capture(false, false);
	free_all();
	free(sorted());
}
END_TEST

Suite *suite_feed(void)
{
	Suite *s = suite_create("feed");
	TCase *t = tcase_create("feed");

	tcase_add_loop_test(t, rows_are_those_of_one, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(t, all_read_in_turns, 0, sizeof(reads) / sizeof(reads[0]));
	tcase_add_loop_test(t, stopped_while_others_read, 0, 2);
	tcase_add_test(t, each_worker_has_its_share);
	tcase_add_test(t, buffers_end_anywhere);
	tcase_add_test(t, a_budget_sheds_nothing_of_a_capture);
	tcase_add_test(t, a_budget_too_small_is_told);
	tcase_add_test(t, freed_without_a_stop);
	suite_add_tcase(s, t);
	return s;
}
