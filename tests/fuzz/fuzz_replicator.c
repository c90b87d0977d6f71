/*
 * fuzz_replicator.c - text that a user writes and datagrams that strangers
 * send: the first octet says which.
 *
 *	0  samplicator's file	1  pmacct's map		2  one receiver word
 *	3  the rules below against a datagram: 16 octets of address, then payload
 *
 * What was read without an error must be usable: every receiver has a port,
 * every pool compares.
 */
#include <stdlib.h>

#include "base/log.h"
#include "replicator/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void no_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	if (strlen(text) > 8192)
		abort();
}

static void expect_usable(const struct receivers *rs)
{
	for (size_t i = 0; i < rs->npools; i++) {
		const struct pool *p = &rs->pools[i];

		for (int k = 0; k < 2; k++)
			if (p->value[k] & ~p->mask[k])
				abort();
		for (size_t k = 0; k < p->n; k++)
			if (p->receivers[k]->to.port == 0 || p->receivers[k]->frequency == 0)
				abort();
	}
}

static void fuzz_rules(const uint8_t *data, size_t n)
{
	static const char rules[] =
		"10.0.0.0/8: 127.0.0.1/1\n[2001:db8::]/33: 127.0.0.1/2\n0.0.0.0: 127.0.0.1/3\n";
	static struct receivers rs;
	static const struct receiver_defaults plain = { .no_lookup = true };
	struct datagram d = { 0 };
	struct subject s;
	uint32_t pools[3];
	size_t wants;

	if (rs.npools == 0)
		receivers_read_text(&rs, "f", rules, sizeof(rules) - 1, &plain, false);
	if (n < 16)
		return;
	d.from.addr = addr_from16(data);
	d.data = (struct bytes){ data + 16, n - 16 };
	classify_subject(&s, &d, 2055);
	wants = classify(&rs, &s, pools, 3);
	/* The last one wants everything, and no address is in both of the others. */
	if (wants == 0 || wants > 2 || pools[wants - 1] != 2)
		abort();
	if (s.peek.protocol > PROTO_UNKNOWN)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct receiver_defaults plain = { .no_lookup = true };
	struct outlet o = { 0 };
	struct receivers rs;
	char *word;

	if (n == 0)
		return 0;
	log_capture(no_log, NULL);
	if (*data == 3) {
		fuzz_rules(data + 1, n - 1);
		return 0;
	}
	receivers_init(&rs);
	if (*data == 2) {
		word = strndup((const char *)data + 1, n - 1);
		receivers_add_pool(&rs, "*");
		receivers_add_word(&rs, &rs.pools[0], word, &plain, (struct place){ "f", 1 });
		free(word);
	} else {
		receivers_read_text(&rs, "f", (const char *)data + 1, n - 1, &plain, *data == 1);
	}
	if (rs.errors == 0)
		expect_usable(&rs);
	receivers_clear(&rs, &o);
	return 0;
}
