/*
 * fuzz_frame.c - headers of any link, the first octet says which; a payload
 * that is found lies inside the frame.
 */
#include <stdlib.h>
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct flow_record r = flow_record_empty, udp, again = flow_record_empty;
	struct bytes frame, payload;
	enum frame_start start;
	uint8_t buf[128];
	struct cursor c = cursor(buf, sizeof(buf));
	uint32_t len;

	if (!n)
		return 0;
	start = (enum frame_start)(data[0] % (FRAME_NULL + 1));
	frame = (struct bytes){ data + 1, n - 1 };
	if (frame_udp(&udp, frame, start, &payload) &&
	    (payload.p < frame.p || payload.p + payload.n > frame.p + frame.n || udp.proto != 17))
		abort();
	frame_tunnel(&again, frame, start, 1 + n % 4);
	again = r;
	if (!frame_parse(&r, frame, start, &len))
		return 0;
	frame_put(&c, &r, len + 18);
	if (c.full || !frame_parse(&again, (struct bytes){ buf, cursor_used(&c) },
		FRAME_ETHERNET, NULL))
		abort();
	if (!addr_equal(&r.src, &again.src) || !addr_equal(&r.dst, &again.dst) ||
		r.tos != again.tos)
		abort();
	return 0;
}
