/*
 * fuzz_imt.c - what a client of the memory plugin may send.  Any bytes are read
 * or refused; what is read is answered from two rows; what is written back reads
 * as the same question.
 */
#include <stdlib.h>
#include <string.h>
#include "base/imt.h"
#include "nfacctd/imt_query.h"
#include "wire/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void answer(const struct imt_request *r)
{
	static struct plugin_settings p;
	static struct key_layout l;
	static uint8_t keys[2][KEY_BYTES_MAX];
	const struct sum_row rows[2] = { { 0, { 1, 100, 1, 2 }, keys[0] },
		{ 0, { 2, 50, 1, 16 }, keys[1] } };
	bool chosen[2] = { false, false };
	struct strbuf out = { NULL, 0, 0 };
	char why[256];

	if (!l.size) {
		if (!aggregate_parse(&p.aggregate,
			    "label,src_mac,src_host,dst_net,src_port,proto,sampling_direction,"
			    "timestamp_start,flows,tcpflags",
			    why, sizeof(why)))
			abort();
		key_layout_make(&l, &p.aggregate);
		memset(keys[1], 1, l.size);
		for (size_t k = 0; k < l.nfields;
			k++) /* labels are numbers of a table that is not there */
			if (l.field[k].primitive == PRIM_ID_label)
				memset(keys[1] + l.field[k].offset, 0, l.field[k].width);
	}
	imt_query_answer(&(struct imt_query){ r, &p, &l, rows, 2, chosen }, &out, why, sizeof(why));
	strbuf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct strbuf one = { NULL, 0, 0 }, two = { NULL, 0, 0 };
	struct imt_request q, again;
	const char *why;

	if (imt_request_read(&q, (const char *)data, n, &why)) {
		answer(&q);
		imt_request_write(&one, &q);
		if (!imt_request_read(&again, one.s, one.n, &why))
			abort();
		imt_request_write(&two, &again);
		if (one.n != two.n || memcmp(one.s, two.s, one.n) != 0)
			abort();
		imt_request_clear(&again);
	}
	imt_request_clear(&q);
	strbuf_clear(&one);
	strbuf_clear(&two);
	return 0;
}
