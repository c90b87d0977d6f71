/*
 * fuzz_sflow.c - any bytes are safe, end, and never become more samples than
 * octets could hold; what came out can be put, and comes out again.
 */
#include <stdlib.h>
#include "wire/sflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/*
 * What each form can say: RFC 3176 has 31 bits for an ifIndex, v5 has 32 but means the device
 * itself by one of them.
 */
static bool sayable(uint32_t version, uint32_t if_index)
{
	return version == 5 ? if_index != 0x3fffffff : if_index <= 0x7fffffff;
}

/*
 * A record is put as an Ethernet frame with whole headers: counters, interfaces and
 * routing come back.
 */
static void again(uint32_t version, const struct sflow_sample *s, const struct flow_record *r)
{
	static const enum flow_field same[] = { FLOW_octets, FLOW_packets, FLOW_in_if,
		FLOW_out_if, FLOW_sampling_num,
		FLOW_src_mask, FLOW_dst_mask, FLOW_src_as, FLOW_dst_as, FLOW_peer_src_as,
			FLOW_proto, FLOW_tos };
	uint8_t buf[2048];
	struct cursor c = cursor(buf, sizeof(buf));
	const struct sflow_msg m = { .version = version, .nsamples = 2 };
	struct sflow_msg back;
	struct sflow_iter it;
	struct sflow_sample got_sample;
	struct flow_record got;

	sflow_put_header(&c, &m);
	sflow_put_sample(&c, version, s, r);
	sflow_put_counters(&c, version, s, r->in_if);
	if (c.full || sflow_parse(&back, (struct bytes){ buf, cursor_used(&c) }) != WIRE_OK)
		abort();
	sflow_first(&it, &back);
	if (!sflow_next(&it, &got_sample, &got) || got_sample.sequence != s->sequence ||
		got_sample.pool != s->pool)
		abort();
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		/*
		 * The last header that a cut IPv6 packet shows may be one that
		 * frame_put() does not build.
		 */
		if (same[i] == FLOW_proto && !(addr_is4(&r->src) && addr_is4(&r->dst)))
			continue;
		if (flow_has(r, same[i]) && flow_get(&got, same[i]) != flow_get(r, same[i]))
			abort();
	}
	if (!sflow_next(&it, &got_sample, &got) || !got_sample.counters ||
		sflow_next(&it, &got_sample, &got) ||
	    it.err != WIRE_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint32_t versions[] = { 2, 4, 5 };
	struct sflow_msg m;
	struct sflow_iter it;
	struct sflow_sample s;
	struct flow_record r;
	size_t samples = 0;

	if (sflow_parse(&m, (struct bytes){ data, n }) != WIRE_OK)
		return 0;
	sflow_first(&it, &m);
	it.tunnels = (unsigned)(n % 3);
	for (; sflow_next(&it, &s, &r); samples++)
		for (size_t i = 0; i < 3 && !s.counters; i++)
			if (sayable(versions[i], r.in_if) && sayable(versions[i], r.out_if))
				again(versions[i], &s, &r);
	if ((samples + it.skipped) * 8 > n)
		abort();
	return 0;
}
