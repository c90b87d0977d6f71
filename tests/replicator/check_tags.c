/*
 * check_tags.c - pre_tag_map: which line tags a datagram, and what is refused.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "replicator/tags.h"

Suite *suite_tags(void);

static char logged[2048];

static void take_log(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	snprintf(logged + strlen(logged), sizeof(logged) - strlen(logged), "%s\n", text);
}

static void setup(void)
{
	logged[0] = '\0';
	log_capture(take_log, NULL);
}

static void teardown(void)
{
	log_capture(NULL, NULL);
}

static const char map[] =
	"! by engine\n"
	"set_tag=1 ip=10.0.0.1 engine_type=2 engine_id=3\n"
	"set_tag=2 ip=10.0.0.1 source_id=77\r\n"
	"# then by address\n"
	"set_tag=3 ip=10.0.0.0/8 jeq=more\n"
	"set_tag=4 ip=2001:db8::/32\n"
	"set_tag=5 agent_id=9\n"
	"set_tag=6 ip=192.0.2.1\n"
	"set_tag=7 ip=10.5.0.0/16 label=more\n"
	"set_tag=8 engine_id=-3 ip=172.16.0.1\n"
	"id=4294967295 ip=-10.0.0.0/8 agent_id=-1\n";

static const struct {
	const char *from, *agent;
	enum flow_protocol protocol;
	uint32_t domain;
	uint64_t tag;
} datagrams[] = {
	{ "10.0.0.1", "0.0.0.0", PROTO_NETFLOW5, 2 << 8 | 3, 1 },
	{ "10.0.0.1", "0.0.0.0", PROTO_NETFLOW5, 2 << 8 | 4,
		3 }, /* no other line below fits: 3 stays */
	{ "10.0.0.1", "0.0.0.0", PROTO_NETFLOW9, 77, 2 },
	{ "10.0.0.1", "0.0.0.0", PROTO_IPFIX, 77, 2 },
	{ "10.5.9.9", "0.0.0.0", PROTO_NETFLOW9, 1, 7 }, /* 3, and on at `more` */
	{ "2001:db8::7", "0.0.0.0", PROTO_NETFLOW9, 1, 4 },
	{ "192.0.2.9", "192.0.2.1", PROTO_SFLOW, 9, 5 },
	{ "192.0.2.9", "192.0.2.1", PROTO_SFLOW, 8, 6 }, /* the agent, not who sent it */
	{ "192.0.2.1", "192.0.2.9", PROTO_SFLOW, 8, UINT32_MAX },
	{ "192.0.2.9", "192.0.2.1", PROTO_NETFLOW9, 8, 0 },
	{ "172.16.0.1", "0.0.0.0", PROTO_NETFLOW9, 4, 8 },
	{ "172.16.0.1", "0.0.0.0", PROTO_NETFLOW9, 3, 0 },
	{ "172.16.0.1", "0.0.0.0", PROTO_UNKNOWN, 0, 0 },
};

START_TEST(tags_datagrams)
{
	unsigned errors = 0;
	struct tags *t = tags_read_text("f", map, sizeof(map) - 1, &errors);
	struct peek peek = { .protocol = datagrams[_i].protocol, .domain = datagrams[_i].domain };
	struct addr from;

	ck_assert_uint_eq(errors, 0);
	ck_assert(addr_parse(&from, datagrams[_i].from));
	ck_assert(addr_parse(&peek.agent, datagrams[_i].agent));
	/* The second time from memory. */
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(tags_find(t, &from, &peek), datagrams[_i].tag);
	tags_free(t);
}
END_TEST

/* Memory of what came out never answers for somebody else. */
START_TEST(remembers_rightly)
{
	unsigned errors = 0;
	static const char text[] = "set_tag=1 ip=10.0.0.0/9\nset_tag=2 ip=10.128.0.0/9\n";
	struct tags *t = tags_read_text("f", text, sizeof(text) - 1, &errors);
	const struct peek peek = { .protocol = PROTO_NETFLOW9 };

	for (uint32_t i = 0; i < 100000; i++) {
		const uint32_t host = (i * 2654435761u) & 0xffffff;
		const struct addr a = addr_make4(0x0a000000 | host);

		ck_assert_uint_eq(tags_find(t, &a, &peek), host < 0x800000 ? 1 : 2);
	}
	tags_free(t);
}
END_TEST

/* What Debian's nfacctd 1.7.7 as a tee makes of 10.0.0.1, 10.0.0.2 and 10.0.0.3. */
static const struct {
	const char *text;
	uint64_t tag[3];
} jumps[] = {
	{ "set_tag=1 ip=10.0.0.0/30 jeq=next\nset_tag=2 ip=10.0.0.2\n", { 1, 2, 1 } },
	{ "set_tag=1 ip=10.0.0.0/30 jeq=x\nset_tag=9 ip=10.0.0.1\n"
	  "set_tag=2 ip=10.0.0.2 stack=sum label=x\n", { 1, 3, 1 } },
	{ "set_tag=5 ip=10.0.0.0/30 jeq=x\nset_tag=6 ip=10.0.0.2 stack=or label=x\n",
		{ 5, 7, 5 } },
	{ "set_tag2=4 ip=10.0.0.1\nset_tag=3 ip=10.0.0.0/30\n", { 0, 3, 3 } },
};

START_TEST(jumps_and_sums)
{
	static const char *const who[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3" };
	const struct peek peek = { .protocol = PROTO_NETFLOW5 };
	unsigned errors = 0;
	struct tags *t = tags_read_text("f", jumps[_i].text, strlen(jumps[_i].text), &errors);
	struct addr from;

	ck_assert_uint_eq(errors, 0);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(addr_parse(&from, who[i]));
		ck_assert_uint_eq(tags_find(t, &from, &peek), jumps[_i].tag[i]);
	}
	tags_free(t);
}
END_TEST

static const struct {
	const char *text, *log;
} bad[] = {
	{ "ip=10.0.0.1\n", "f:1: set_tag: \"\": is missing; expected set_tag=NUMBER\n" },
	{ "\nset_tag=x\n", "f:2: set_tag: \"x\": expected a number, 0 to 4294967295\n" },
	{ "set_tag=4294967296\n", "f:1: set_tag: \"4294967296\": expected a number" },
	{ "set_tag=1 ip=10.0.0.0/33\n",
		"f:1: ip: \"10.0.0.0/33\": expected an address or a prefix\n" },
	{ "set_tag=1 src_net=10.0.0.0/8\n",
		"f:1: src_net: \"10.0.0.0/8\": datagrams are tagged whole here" },
	{ "set_tag=1 engine_id=+3\n", "f:1: engine_id: \"+3\": expected a number" },
	{ "set_tag=1 stack=add\n", "f:1: stack: \"add\": expected sum or or\n" },
	{ "set_tag=1 what\n", "f:1: pre_tag_map: \"what\": expected key=value\n" },
	{ "set_tag=1 label=a\nset_tag=2 jeq=a\n",
		"f:2: jeq: \"a\": expected the label of a line below\n" },
	{ "set_tag=1 jeq=\n", "f:1: jeq: \"\": expected a label of 1 to 31 characters\n" },
};

START_TEST(refuses)
{
	unsigned errors = 0;

	ck_assert_ptr_null(tags_read_text("f", bad[_i].text, strlen(bad[_i].text), &errors));
	ck_assert_uint_ge(errors, 1);
	ck_assert_msg(strstr(logged, bad[_i].log) == logged, "%s", logged);
}
END_TEST

Suite *suite_tags(void)
{
	Suite *s = suite_create("tags");
	TCase *t = tcase_create("tags");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, tags_datagrams, 0, sizeof(datagrams) / sizeof(datagrams[0]));
	tcase_add_test(t, remembers_rightly);
	tcase_add_loop_test(t, jumps_and_sums, 0, sizeof(jumps) / sizeof(jumps[0]));
	tcase_add_loop_test(t, refuses, 0, sizeof(bad) / sizeof(bad[0]));
	suite_add_tcase(s, t);
	return s;
}
