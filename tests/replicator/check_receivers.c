/*
 * check_receivers.c - receiver words, samplicator's file, pmacct's map, and
 * one set of receivers taking the place of another.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/classify.h"

static const struct receiver_defaults plain = { .no_lookup = true };
static struct receivers rs;
static struct outlet outlet;
static char logged[4096];

static void take_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	strncat(logged, text, sizeof(logged) - strlen(logged) - 1);
	strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

static void setup(void)
{
	logged[0] = '\0';
	log_capture(take_log, NULL);
	receivers_init(&rs);
}

static void teardown(void)
{
	receivers_clear(&rs, &outlet);
	log_capture(NULL, NULL);
}

/* "label frequency/ttl" of each receiver of each pool: "10.0.0.0/8{a 1/0,b 3/7} *{...}". */
static const char *show(const struct receivers *set)
{
	static char text[8192];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < set->npools; i++) {
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s%s{", i ? " " : "", set->pools[i].label);
		for (size_t k = 0; k < set->pools[i].n; k++) {
			const struct receiver *r = set->pools[i].receivers[k];

			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %u/%u",
				k ? "," : "", r->label, r->frequency, r->ttl);
		}
		at += (size_t)snprintf(text + at, sizeof(text) - at, "}");
	}
	return text;
}

/* ---- words (samplicator, replicators.md 1.2) ---------------------------------- */

static const struct {
	const char *word,
		*expect; /* what show() says; or the end of the message when it starts with "!" */
} words[] = {
	{ "192.0.2.1", "192.0.2.1:2000 1/0" },
	{ "192.0.2.1/", "192.0.2.1:2000 1/0" },
	{ "192.0.2.1/9995", "192.0.2.1:9995 1/0" },
	{ "192.0.2.1/9995/10", "192.0.2.1:9995 10/0" },
	{ "192.0.2.1/9995/10,7", "192.0.2.1:9995 10/7" },
	{ "192.0.2.1/2000/,7", "192.0.2.1:2000 1/7" },
	{ "192.0.2.1//3", "192.0.2.1:2000 3/0" },
	{ "192.0.2.1/9995/1,255", "192.0.2.1:9995 1/255" },
	{ "192.0.2.1/10-12/2,3", "192.0.2.1:10 2/3,192.0.2.1:11 2/3,192.0.2.1:12 2/3" },
	{ "192.0.2.1/10+2", "192.0.2.1:10 1/0,192.0.2.1:11 1/0" },
	{ "192.0.2.1/10-10", "192.0.2.1:10 1/0" },
	{ "192.0.2.1/65534+2", "192.0.2.1:65534 1/0,192.0.2.1:65535 1/0" },
	{ "192.0.2.1:8000", "192.0.2.1:8000 1/0" },
	{ "[::1]", "[::1]:2000 1/0" },
	{ "[::1]/9995/2", "[::1]:9995 2/0" },
	{ "[::1]:8000", "[::1]:8000 1/0" },
	{ "[::1]:8000/5", "[::1]:8000 5/0" },
	{ "2001:db8::1/9995", "[2001:db8::1]:9995 1/0" },
	{ "[::ffff:192.0.2.1]/1", "192.0.2.1:1 1/0" },
	{ "192.0.2.1/9995/4294967295", "192.0.2.1:9995 4294967295/0" },
	{ "", "!expected HOST[/PORT[/FREQ[,TTL]]]" },
	{ "/2000", "!expected HOST[/PORT[/FREQ[,TTL]]]" },
	{ "[::1", "!expected ] behind the IPv6 address" },
	{ "[::1]x", "!expected HOST[/PORT[/FREQ[,TTL]]]" },
	{ "[]", "!expected HOST[/PORT[/FREQ[,TTL]]]" },
	{ "192.0.2.1/0", "!expected a port, 1 to 65535" },
	{ "192.0.2.1/65536", "!expected a port, 1 to 65535" },
	{ "192.0.2.1/99999999999999999999", "!expected a port, 1 to 65535" },
	{ "192.0.2.1/12x", "!expected a port, A-B or A+N" },
	{ "192.0.2.1/12-", "!expected a port, A-B or A+N" },
	{ "192.0.2.1/12-11",
		"!expected a range of ports that is not empty and ends at 65535 or before" },
	{ "192.0.2.1/12+0",
		"!expected a range of ports that is not empty and ends at 65535 or before" },
	{ "192.0.2.1/65535+2",
		"!expected a range of ports that is not empty and ends at 65535 or before" },
	{ "192.0.2.1/1-65535", "!expected no more than 8192 receivers in all" },
	{ "192.0.2.1/2000,7", "!expected a TTL behind the second slash: HOST/PORT/FREQ,TTL" },
	{ "192.0.2.1/2000/", "!expected FREQ after the second slash" },
	{ "192.0.2.1/2000/0", "!expected FREQ to be 1 or more: one datagram in FREQ is sent" },
	{ "192.0.2.1/2000/x", "!expected FREQ to be 1 or more: one datagram in FREQ is sent" },
	{ "192.0.2.1/2000/4294967296",
		"!expected FREQ to be 1 or more: one datagram in FREQ is sent" },
	{ "192.0.2.1/2000/1,0", "!expected TTL to be 1 to 255" },
	{ "192.0.2.1/2000/1,256", "!expected TTL to be 1 to 255" },
	{ "192.0.2.1/2000/1,", "!expected TTL to be 1 to 255" },
	{ "0.0.0.0/2000", "!expected an address and a port to send to" },
	{ "[::]/2000", "!expected an address and a port to send to" },
	{ "*", "!names are not looked up here" },
};

START_TEST(reads_words)
{
	const struct place at = { "file", 3 };
	char expect[512];
	int got;

	receivers_add_pool(&rs, "*");
	got = receivers_add_word(&rs, &rs.pools[0], words[_i].word, &plain, at);
	if (words[_i].expect[0] == '!') {
		snprintf(expect, sizeof(expect), "file:3: receiver: \"%s\": %s\n", words[_i].word,
			words[_i].expect + 1);
		ck_assert_int_eq(got, -1);
		ck_assert_str_eq(logged, expect);
		ck_assert_uint_eq(rs.errors, 1);
		return;
	}
	snprintf(expect, sizeof(expect), "*{%s}", words[_i].expect);
	ck_assert_msg(got == 0, "%s: %s", words[_i].word, logged);
	ck_assert_str_eq(show(&rs), expect);
}
END_TEST

START_TEST(words_cut_anywhere)
{
	for (size_t n = 0; n <= strlen(words[_i].word); n++) {
		char *cut = strndup(words[_i].word, n);

		receivers_add_pool(&rs, "*");
		receivers_add_word(
			&rs, &rs.pools[rs.npools - 1], cut, &plain, (struct place) { "file", 1 });
		free(cut);
	}
}
END_TEST

START_TEST(names_are_looked_up)
{
	const struct receiver_defaults v4 = { .family = 4 };

	receivers_add_pool(&rs, "*");
	ck_assert_int_eq(receivers_add_word(&rs, &rs.pools[0], "localhost/9995", &v4,
				 (struct place) { "f", 1 }),
		0);
	ck_assert_str_eq(show(&rs), "*{127.0.0.1:9995 1/0}");
	ck_assert_int_eq(
		receivers_add_word(&rs, &rs.pools[0], "[::1]/9995", &v4, (struct place) { "f", 2 }),
		-1);
	ck_assert_str_eq(logged, "f:2: receiver: \"[::1]/9995\": expected an IPv4 address\n");
}
END_TEST

/* ---- samplicator's file (1.3) ----------------------------------------------------- */

static const struct {
	const char *text, *expect, *log;
} files[] = {
	{ "", "", "" },
	{ "# nothing\n\n   \t\n", "", "" },
	{ "10.0.0.0/8: 192.0.2.1 192.0.2.2/9995\n",
		"10.0.0.0/8{192.0.2.1:2000 1/0,192.0.2.2:9995 1/0}", "" },
	{ "  10.0.0.0/255.0.0.0 :192.0.2.1", "10.0.0.0/255.0.0.0{192.0.2.1:2000 1/0}", "" },
	{ "10.0.0.1: 192.0.2.1#glued\r\n", "10.0.0.1{192.0.2.1:2000 1/0}", "" },
	{ "[2001:db8::]/32: [::1]:9\n[2001:db8::1]: [::1]/8",
		"[2001:db8::]/32{[::1]:9 1/0} [2001:db8::1]{[::1]:8 1/0}", "" },
	{ "10.0.0.1: 192.0.2.1\n10.0.0.1: 192.0.2.1 192.0.2.1",
		"10.0.0.1{192.0.2.1:2000 1/0} 10.0.0.1#2{192.0.2.1:2000 1/0,192.0.2.1:2000#2 1/0}",
		"" },
	{ "10.0.0.1:\n10.0.0.2: 192.0.2.1", "10.0.0.2{192.0.2.1:2000 1/0}",
		"f:1: entry: \"10.0.0.1\": has no receivers, ignored\n" },
	{ "10.1.2.3/8: 192.0.2.1", "10.1.2.3/8{192.0.2.1:2000 1/0}",
		"f:1: source: \"10.1.2.3/8\": has host bits, taken as 10.0.0.0/8\n" },
	{ "10.0.0.1 192.0.2.1\n", NULL,
		"f:1: entry: \"10.0.0.1 192.0.2.1\": expected SRC[/MASK]: RECEIVER ...\n" },
	{ "[::1 x: 192.0.2.1\n", NULL,
		"f:1: entry: \"[::1 x: 192.0.2.1\": expected SRC[/MASK]: RECEIVER ...\n" },
	{ ": 192.0.2.1\n", NULL, "f:1: source: \"\": expected SRC[/MASK], an address or a name\n" },
	{ "10.0.0.0/33: 192.0.2.1", NULL,
		"f:1: source: \"10.0.0.0/33\": expected a prefix length, 0 to 32, or a mask as "
		"255.255.0.0\n" },
	{ "10.0.0.0/255.0.255.0: 192.0.2.1", NULL,
		"f:1: source: \"10.0.0.0/255.0.255.0\": expected a prefix length, 0 to 32, or a "
		"mask as 255.255.0.0\n" },
	{ "[::1]/129: 192.0.2.1", NULL,
		"f:1: source: \"[::1]/129\": expected a prefix length, 0 to 128\n" },
	{ "[::1]/ffff::: 192.0.2.1", NULL,
		"f:1: source: \"[::1]/ffff\": expected a prefix length, 0 to 128\n" },
	{ "10.0.0.1: 192.0.2.1/x/0 192.0.2.2/0\n10.0.0.2: 192.0.2.3/70000", NULL,
		"f:1: receiver: \"192.0.2.1/x/0\": expected FREQ to be 1 or more: one datagram in "
		"FREQ is sent\n"
		"f:1: receiver: \"192.0.2.2/0\": expected a port, 1 to 65535\n"
		"f:2: receiver: \"192.0.2.3/70000\": expected a port, 1 to 65535\n" },
};

START_TEST(reads_files)
{
	int got = receivers_read_text(
		&rs, "f", files[_i].text, strlen(files[_i].text), &plain, false);

	if (!files[_i].expect) {
		ck_assert_int_eq(got, -1);
		ck_assert_uint_gt(rs.errors, 0);
		ck_assert_str_eq(logged, files[_i].log);
		return;
	}
	ck_assert_msg(got == 0, "%s", logged);
	ck_assert_str_eq(show(&rs), files[_i].expect);
	ck_assert_str_eq(logged, files[_i].log);
}
END_TEST

START_TEST(more_than_a_hundred_on_a_line)
{
	char text[16384] = "10.0.0.0/8:";
	size_t at = strlen(text);

	for (int i = 0; i < 1000; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " 192.0.2.%d", i % 250 + 1);
	ck_assert_int_eq(receivers_read_text(&rs, "f", text, at, &plain, false), 0);
	ck_assert_uint_eq(receivers_count(&rs), 1000);
}
END_TEST

START_TEST(a_nul_is_no_end)
{
	const char text[] = "10.0.0.1: 192.0.2.1\n10.0.0.2: 192\0.0.2.1\n";

	ck_assert_int_eq(receivers_read_text(&rs, "f", text, sizeof(text) - 1, &plain, false), -1);
	ck_assert_str_eq(logged, "f:2: line: \"10.0.0.2: 192\": holds a NUL byte\n");
}
END_TEST

START_TEST(missing_file)
{
	ck_assert_int_eq(receivers_read(&rs, "/nonexistent/r", &plain), -1);
	ck_assert_str_eq(logged, "/nonexistent/r: No such file or directory\n");
	logged[0] = '\0';
	ck_assert_int_eq(receivers_read_map(&rs, "/", &plain), -1);
	ck_assert_str_eq(logged, "/: Is a directory\n");
}
END_TEST

/* ---- pmacct's map (1.5) -------------------------------------------------------------- */

static const struct {
	const char *text, *expect, *log;
} maps[] = {
	{ "! comment\n# too\n\nid=1 ip=192.0.2.1:2055\n", "pool 1{192.0.2.1:2055 1/0}", "" },
	{ "ip=192.0.2.1:2055,[::1]:2056,   id=7", "pool 7{192.0.2.1:2055 1/0,[::1]:2056 1/0}", "" },
	{ "id=1 ip=192.0.2.1:1 balance-alg=hash-agent\nid=2 ip=192.0.2.1:1 balance-alg=rr",
		"pool 1{192.0.2.1:1 1/0} pool 2{192.0.2.1:1 1/0}", "" },
	{ "id=1 ip=192.0.2.1:1,192.0.2.2:1 balance-alg=rr",
		"pool 1{192.0.2.1:1 1/0,192.0.2.2:1 1/0}",
		"f:1: balance-alg: \"rr\": splits the datagrams of one exporter: each receiver "
		"sees gaps in the sequence numbers without renumber=true\n" },
	{ "id=1 ip=192.0.2.1:1,192.0.2.2:1 balance-alg=rr renumber=true",
		"pool 1{192.0.2.1:1 1/0,192.0.2.2:1 1/0}", "" },
	{ "id=1 ip=192.0.2.1:1,192.0.2.2:2 balance-alg=rendezvous weights=2", NULL,
		"f:1: weights: \"2\": expected one for each receiver\n" },
	{ "id=1 ip=192.0.2.1:1 balance-alg=rendezvous weights=0", NULL,
		"f:1: weights: \"0\": expected a number, 1 to 1000\n" },
	{ "id=1 ip=192.0.2.1:1 weights=3", "pool 1{192.0.2.1:1 1/0}",
		"f:1: weights: \"3\": has no effect without balance-alg=rendezvous\n" },
	{ "id=1 ip=192.0.2.1:1 probe=0", NULL,
		"f:1: probe: \"0\": expected a TCP port, 1 to 65535\n" },
	{ "id=1 ip=192.0.2.1:1 source=mine", NULL,
		"f:1: source: \"mine\": expected own, exporter, raw or proxy\n" },
	{ "id=1 ip=192.0.2.1:1 source=raw source=mine", NULL,
		"f:1: source: \"mine\": expected own, exporter, raw or proxy\n" },
	{ "id=1 ip=192.0.2.1:1 from=10.0.0.0/8,2001:db8::/32 port=1,2000-3000 "
	  "protocol=netflow5,ipfix size=0-1500 "
	  "domain=7 agent=192.0.2.0/24 sample=10 renumber=true\nid=2 ip=192.0.2.1:2 else=true",
		"pool 1{192.0.2.1:1 1/0} pool 2{192.0.2.1:2 1/0}", "" },
	{ "id=1 ip=192.0.2.1:1 from=10.0.0.1/8", NULL,
		"f:1: from: \"10.0.0.1/8\": expected networks without host bits, as "
		"10.0.0.0/8,2001:db8::/32, at most 64\n" },
	{ "id=1 ip=192.0.2.1:1 port=70000", NULL,
		"f:1: port: \"70000\": expected ports, N or A-B, at most 64\n" },
	{ "id=1 ip=192.0.2.1:1 size=9-8", NULL,
		"f:1: size: \"9-8\": expected numbers of octets, N or A-B, at most 64\n" },
	{ "id=1 ip=192.0.2.1:1 domain=1,,2", NULL,
		"f:1: domain: \"1,,2\": expected elements with commas between\n" },
	{ "id=1 ip=192.0.2.1:1 protocol=v5", NULL,
		"f:1: protocol: \"v5\": expected some of netflow1 netflow5 netflow7 "
		"netflow8 netflow9 ipfix sflow unknown\n" },
	{ "id=1 ip=192.0.2.1:1 else=yes", NULL, "f:1: else: \"yes\": expected true or false\n" },
	{ "id=1 ip=192.0.2.1:1 sample=0", NULL,
		"f:1: sample: \"0\": expected N, 1 or more: one datagram in N is sent\n" },
	{ "id=1 ip=192.0.2.1:1 tag=5-9", "pool 1{192.0.2.1:1 1/0}",
		"f:1: tag: \"5-9\": without pre_tag_map every datagram has tag 0: this pool gets "
		"none\n" },
	{ "id=1 ip=192.0.2.1:1 tag=0", "pool 1{192.0.2.1:1 1/0}", "" },
	{ "id=0 ip=192.0.2.1:1", NULL, "f:1: id: \"0\": expected a number, 1 to 4294967295\n" },
	{ "id=4294967296 ip=192.0.2.1:1", NULL,
		"f:1: id: \"4294967296\": expected a number, 1 to 4294967295\n" },
	{ "ip=192.0.2.1:1", NULL,
		"f:1: map: \"id\": is missing; expected id=NUMBER ip=HOST:PORT[,...]\n" },
	{ "id=1", NULL, "f:1: map: \"ip\": is missing; expected id=NUMBER ip=HOST:PORT[,...]\n" },
	{ "id=1 ip=192.0.2.1", NULL,
		"f:1: ip: \"192.0.2.1\": expected HOST:PORT or [ADDR]:PORT\n" },
	{ "id=1 ip=[::1]", NULL, "f:1: ip: \"[::1]\": expected HOST:PORT or [ADDR]:PORT\n" },
	{ "id=1 ip=192.0.2.1:1 id=1\nid=1 ip=192.0.2.2:1", NULL,
		"f:2: id: \"1\": another pool has this id\n" },
	{ "id=1 ip=192.0.2.1:1 balance-alg=fair", NULL,
		"f:1: balance-alg: \"fair\": one of rr hash-agent hash-tag hash-crc32 rendezvous "
		"rendezvous-domain\n" },
	{ "id=1 ip=192.0.2.1:1 tag=x", NULL,
		"f:1: tag: \"x\": expected N, -N, A-B, -A-B, with commas between, at most 96\n" },
	{ "id=1 ip=192.0.2.1:1 colour=red", NULL,
		"f:1: colour: \"red\": unknown key; expected id, ip, tag, balance-alg, weights, "
		"probe, src_port, source, from, port, protocol, domain, agent, size, else, sample, "
		"renumber, networks, interfaces, filter, spool, spool_size, spool_rate or "
		"spool_sync\n" },
	{ "id=1 ip=192.0.2.1:1 red", NULL, "f:1: map: \"red\": expected key=value\n" },
	{ "id=1 kafka_broker=h:9", NULL,
		"f:1: kafka_broker: \"h:9\": Kafka and ZeroMQ are not supported; expected ip=\n" },
	{ "id=1 ip=192.0.2.1:1 src_port=65536", NULL,
		"f:1: src_port: \"65536\": expected a port, 0 to 65535\n" },
};

START_TEST(reads_maps)
{
	int got = receivers_read_text(&rs, "f", maps[_i].text, strlen(maps[_i].text), &plain, true);

	ck_assert_str_eq(logged, maps[_i].log);
	ck_assert_int_eq(got, maps[_i].expect ? 0 : -1);
	if (maps[_i].expect)
		ck_assert_str_eq(show(&rs), maps[_i].expect);
}
END_TEST

START_TEST(source_port_of_the_map)
{
	const char text[] = "id=1 src_port=4000 ip=192.0.2.1:1";

	ck_assert_int_eq(receivers_read_text(&rs, "f", text, strlen(text), &plain, true), 0);
	ck_assert_uint_eq(rs.pools[0].receivers[0]->source_port, 4000);
}
END_TEST

/* The rules as pmacct's code has them: left to right, a negative element decides at once. */
static const struct {
	const char *list;
	uint64_t tag;
	bool accepts, lawful;
} tags[] = {
	{ "5", 5, true, true },
	{ "5", 6, false, true },
	{ "5,6", 6, true, true },
	{ "5-9", 7, true, true },
	{ "5-9", 10, false, true },
	{ "5-9", 9, true, true },
	{ "-5", 5, false, true },
	{ "-5", 6, true, true },
	{ "-5-9", 7, false, true },
	{ "-5-9", 4, true, true },
	{ "-5,6", 6, true, true },
	{ "-5,-6", 6, true, true }, /* the trap: the first has decided */
	{ "5,-6", 5, true, true },
	{ "5,-6", 6, false, true },
	{ "5,-6", 7, true, true },
	{ "0", 0, true, true },
	{ "", 0, false, true },
	{ "a", 0, false, false },
	{ "1,a", 1, false, false },
	{ "--1", 0, false, false },
	{ "1-", 1, false, false },
	{ "18446744073709551615", UINT64_MAX, true, true },
	{ "18446744073709551616", 0, false, false },
};

START_TEST(tag_filters)
{
	bool lawful;

	ck_assert_msg(tag_filter_accepts(tags[_i].list, tags[_i].tag, &lawful) == tags[_i].accepts,
		"%s", tags[_i].list);
	ck_assert_msg(lawful == tags[_i].lawful, "%s", tags[_i].list);
}
END_TEST

/* ---- taking over ----------------------------------------------------------------------- */

static void read_set(struct receivers *set, const char *text)
{
	receivers_init(set);
	ck_assert_int_eq(receivers_read_text(set, "f", text, strlen(text), &plain, false), 0);
}

START_TEST(adopts)
{
	struct receivers fresh;
	struct receiver *stays, *goes;
	int fd;

	read_set(&rs, "10.0.0.1: 127.0.0.1/9 127.0.0.1/10\n10.0.0.2: 127.0.0.1/9\n");
	receivers_open(&rs, &outlet);
	stays = rs.pools[0].receivers[0];
	goes = rs.pools[1].receivers[0];
	fd = stays->out.fd;
	ck_assert_int_ge(fd, 0);
	stays->received = 100;
	stays->out.counts.sent = 90;
	stays->countdown = 5;
	goes->received = 7;
	goes->filtered = 3;
	goes->out.counts.sent = 4;

	read_set(&fresh, "10.0.0.1: 127.0.0.1/11 127.0.0.1/9/3\n10.0.0.3: 127.0.0.1/9\n");
	receivers_adopt(&rs, &fresh, &outlet);
	ck_assert_uint_eq(fresh.npools, 0);
	ck_assert_str_eq(
		show(&rs), "10.0.0.1{127.0.0.1:11 1/0,127.0.0.1:9 3/0} 10.0.0.3{127.0.0.1:9 1/0}");
	ck_assert_ptr_eq(rs.pools[0].receivers[1], stays);
	ck_assert_int_eq(stays->out.fd, fd);
	ck_assert_uint_eq(stays->out.counts.sent, 90);
	ck_assert_uint_eq(stays->received, 100);
	ck_assert_uint_eq(stays->countdown, 0);		/* another frequency begins anew */
	ck_assert_int_ge(rs.pools[0].receivers[0]->out.fd, 0);
	ck_assert_uint_eq(rs.pools[1].receivers[0]->received, 0);
	ck_assert_uint_eq(rs.removed.received, 7);
	ck_assert_uint_eq(rs.removed.filtered, 3);
	ck_assert_uint_eq(rs.removed.out.counts.sent, 4);

	/* Once more, the same: nothing moves. */
	read_set(&fresh, "10.0.0.1: 127.0.0.1/11 127.0.0.1/9/3\n10.0.0.3: 127.0.0.1/9\n");
	receivers_adopt(&rs, &fresh, &outlet);
	ck_assert_ptr_eq(rs.pools[0].receivers[1], stays);
	ck_assert_int_eq(stays->out.fd, fd);
	ck_assert_uint_eq(rs.removed.received, 7);
}
END_TEST

static const struct {
	const char *receiver, *listen;	/* listen NULL: all addresses */
	uint16_t port;
	bool loop;
} loops[] = {
	{ "127.0.0.1/2000", NULL, 2000, true },
	{ "127.0.0.1/2001", NULL, 2000, false },
	{ "[::1]/2000", NULL, 2000, true },
	{ "192.0.2.77/2000", NULL, 2000, false },
	{ "127.0.0.1/2000", "127.0.0.1", 2000, true },
	{ "127.0.0.1/2000", "127.0.0.2", 2000, false },
	{ "127.0.0.5/2000", "0.0.0.0", 2000, true },
};

START_TEST(finds_loops)
{
	struct endpoint listen = { .port = loops[_i].port, .any = !loops[_i].listen };

	receivers_add_pool(&rs, "*");
	receivers_add_word(&rs, &rs.pools[0], "192.0.2.1/2000", &plain, (struct place){ "f", 1 });
	receivers_add_word(&rs, &rs.pools[0], loops[_i].receiver, &plain, (struct place){ "f", 1 });
	if (loops[_i].listen)
		ck_assert(addr_parse(&listen.addr, loops[_i].listen));
	ck_assert_int_eq(receivers_find_loop(&rs, &listen) != NULL, loops[_i].loop);
}
END_TEST

Suite *suite_receivers(void);
Suite *suite_receivers(void)
{
	Suite *s = suite_create("receivers");
	TCase *t = tcase_create("receivers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, reads_words, 0, sizeof(words) / sizeof(words[0]));
	tcase_add_loop_test(t, words_cut_anywhere, 0, sizeof(words) / sizeof(words[0]));
	tcase_add_test(t, names_are_looked_up);
	tcase_add_loop_test(t, reads_files, 0, sizeof(files) / sizeof(files[0]));
	tcase_add_test(t, more_than_a_hundred_on_a_line);
	tcase_add_test(t, a_nul_is_no_end);
	tcase_add_test(t, missing_file);
	tcase_add_loop_test(t, reads_maps, 0, sizeof(maps) / sizeof(maps[0]));
	tcase_add_test(t, source_port_of_the_map);
	tcase_add_loop_test(t, tag_filters, 0, sizeof(tags) / sizeof(tags[0]));
	tcase_add_test(t, adopts);
	tcase_add_loop_test(t, finds_loops, 0, sizeof(loops) / sizeof(loops[0]));
	suite_add_tcase(s, t);
	return s;
}
