/*
 * check_pcap_walk.c - our walk of a capture file beside libpcap's own, packet by
 * packet and error by error, over both byte orders, both units of time and every
 * length that a file can be cut to.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "net/pcap_walk.h"

Suite *suite_pcap_walk(void);

static uint8_t file[600000];
static size_t file_n;
static bool swapped;

static void put32(uint32_t v)
{
	v = swapped ? __builtin_bswap32(v) : v;
	memcpy(file + file_n, &v, sizeof(v));
	file_n += sizeof(v);
}

static void begin(uint32_t magic, uint16_t major, uint16_t minor, uint32_t snaplen)
{
	const uint16_t version[2] = { swapped ? __builtin_bswap16(major) : major,
				      swapped ? __builtin_bswap16(minor) : minor };

	file_n = 0;
	put32(magic);
	memcpy(file + file_n, version, sizeof(version));
	file_n += sizeof(version);
	put32(0);
	put32(0);
	put32(snaplen);
	put32(101);
}

static void packet(uint32_t s, uint32_t fraction, uint32_t caplen, uint32_t len, size_t there)
{
	put32(s);
	put32(fraction);
	put32(caplen);
	put32(len);
	for (size_t i = 0; i < there; i++)
		file[file_n++] = (uint8_t)(i * 7 + caplen);
}

static uint8_t lent[2][PCAP_WALK_BUFFER];

/* As pcap_walk_next(), from two buffers in turns: what lies in the one before stays. */
static int lent_next(struct pcap_walk *w, struct pcap_pkthdr *h, const uint8_t **data, char *why)
{
	static uint8_t before[PCAP_WALK_BUFFER];
	static unsigned turn;
	int got;

	if (!w->lent)
		pcap_walk_lend(w, lent[turn]);
	while ((got = pcap_walk_next(w, h, data, why)) == PCAP_WALK_MORE) {
		memcpy(before, lent[turn], sizeof(before));
		turn = !turn;
		pcap_walk_lend(w, lent[turn]);
		ck_assert(memcmp(before, lent[!turn], sizeof(before)) == 0);
	}
	return got;
}

/*
 * Both readers over the first n octets of `file`; how many packets they agreed on.  With
 * `lend` to buffers of ours.
 */
static unsigned compare_as(size_t n, bool lend)
{
	char path[] = "/tmp/pcap-walk-XXXXXX", err[PCAP_ERRBUF_SIZE], why[PCAP_ERRBUF_SIZE];
	int fd = mkstemp(path), got, want;
	struct pcap_walk w;
	struct pcap_pkthdr mine, *theirs;
	const uint8_t *data, *their_data;
	unsigned packets = 0;
	pcap_t *p;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, file, n), (int)n);
	p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	unlink(path);
	ck_assert_msg(p != NULL, "%s", err);
	ck_assert(pcap_walk_can(&w, file));
	ck_assert(pcap_walk_start(&w, fd));
	do {
		want = pcap_next_ex(p, &theirs, &their_data);
		got = lend ? lent_next(&w, &mine, &data, why)
			   : pcap_walk_next(&w, &mine, &data, why);
		ck_assert_msg(got == want, "%zu octets, packet %u: %d for %d", n, packets, got,
			      want);
		/* "... bigger than snaplen of", "... than maximum of": by version of libpcap. */
		if (want == PCAP_ERROR && strncmp(why, "invalid packet", 14) == 0)
			ck_assert_int_eq(strncmp(why, pcap_geterr(p), 50), 0);
		else if (want == PCAP_ERROR)
			ck_assert_str_eq(why, pcap_geterr(p));
		if (want != 1)
			break;
		packets++;
		/* libpcap takes the seconds as signed, which ends in 2038. */
		ck_assert_uint_eq((uint64_t)mine.ts.tv_sec, (uint32_t)theirs->ts.tv_sec);
		ck_assert_int_eq(mine.ts.tv_usec, theirs->ts.tv_usec);
		ck_assert_uint_eq(mine.len, theirs->len);
		ck_assert_uint_eq(mine.caplen, theirs->caplen);
		ck_assert(memcmp(data, their_data, mine.caplen) == 0);
	} while (want == 1);
	pcap_walk_clear(&w);
	pcap_close(p);
	close(fd);
	return packets;
}

static unsigned compare(size_t n)
{
	const unsigned packets = compare_as(n, false);

	ck_assert_uint_eq(compare_as(n, true), packets);
	return packets;
}

static const struct {
	uint32_t magic;
	bool swapped;
} kinds[] = { { 0xa1b2c3d4, false }, { 0xa1b2c3d4, true }, { 0xa1b23c4d, false },
	      { 0xa1b23c4d, true } };

START_TEST(cut_anywhere)
{
	swapped = kinds[_i].swapped;
	begin(kinds[_i].magic, 2, 4, 262144);
	packet(1700000000, 999999, 60, 60, 60);
	packet(1700000001, 0, 0, 0, 0);
	packet(4000000000, 1, 33, 1500, 33);
	for (size_t n = PCAP_FILE_HEADER; n <= file_n; n++)
		compare(n);
	ck_assert_uint_eq(compare(file_n), 3);
}
END_TEST

/* The snap length, the largest packet, one octet more; more than one read. */
START_TEST(lengths)
{
	swapped = kinds[_i].swapped;
	begin(kinds[_i].magic, 2, 4, 100);
	packet(1, 2, 99, 99, 99);
	packet(1, 2, 100, 100, 100);
	packet(1, 2, 101, 101, 101);
	packet(1, 2, 40, 40, 40);
	ck_assert_uint_eq(compare(file_n), 4);
	begin(kinds[_i].magic, 2, 4, 0);
	packet(1, 2, 131072 - 40, 131072, 131072 - 40);	/* ends where the first read does */
	packet(1, 2, 262144, 262144, 262144);
	packet(1, 2, 7, 7, 7);
	ck_assert_uint_eq(compare(file_n), 3);
	packet(1, 2, 262145, 262145, 100);
	ck_assert_uint_eq(compare(file_n), 3);
}
END_TEST

/* What it leaves to libpcap. */
START_TEST(others)
{
	struct pcap_walk w;

	swapped = false;
	begin(0xa1b2c3d4, 2, 3, 100);
	ck_assert(!pcap_walk_can(&w, file));
	begin(0xa1b2cd34, 2, 4, 100);	/* Kuznetzov's */
	ck_assert(!pcap_walk_can(&w, file));
	begin(0x0a0d0d0a, 2, 4, 100);	/* pcapng */
	ck_assert(!pcap_walk_can(&w, file));
}
END_TEST

Suite *suite_pcap_walk(void)
{
	Suite *s = suite_create("pcap_walk");
	TCase *t = tcase_create("pcap_walk");

	tcase_add_loop_test(t, cut_anywhere, 0, sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_loop_test(t, lengths, 0, sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_test(t, others);
	suite_add_tcase(s, t);
	return s;
}
