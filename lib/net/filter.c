#include "net/filter.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include "wire/frame.h"

enum { FRAME_BYTES = 160, MTU = 1514 };

struct filter {
	struct bpf_program prog;
};

struct filter *filter_new(const char *expression, char *why)
{
	struct filter *f = calloc(1, sizeof(*f));
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);

	if (!f || !p || pcap_compile(p, &f->prog, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(why, 256, "%s", p ? pcap_geterr(p) : "out of memory");
		free(f);
		f = NULL;
	}
	if (p)
		pcap_close(p);
	return f;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	pcap_freecode(&f->prog);
	free(f);
}

bool filter_match(const struct filter *f, const struct flow_record *r)
{
	struct flow_record untagged;
	uint8_t frame[FRAME_BYTES];
	struct cursor c = cursor(frame, sizeof(frame));
	struct pcap_pkthdr h = { 0 };
	uint32_t len = r->octets < MTU ? (uint32_t)r->octets : MTU;

	/* VLAN 0 is none: behind its tag "ip" would not match (nor does it in the reference). */
	if (flow_has(r, FLOW_vlan) && r->vlan == 0) {
		untagged = *r;
		untagged.present &= ~FLOW_BIT(vlan);
		r = &untagged;
	}
	frame_put(&c, r, len);
	h.caplen = (bpf_u_int32)cursor_used(&c);
	h.len = len > h.caplen ? len : h.caplen;
	return pcap_offline_filter(&f->prog, &h, frame) > 0;
}
