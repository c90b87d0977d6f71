#include "net/filter.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wire/frame.h"

enum { FRAME_BYTES = 160, MTU = 1514, LABEL_BYTES = 4 };

struct filter {
	struct bpf_program prog;
	bool labels, tags;	/* it asks for MPLS, for VLANs: then they stand in the frame */
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
	if (f) {
		f->labels = strstr(expression, "mpls") != NULL;
		f->tags = strstr(expression, "vlan") != NULL;
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

/*
 * RFC 3032 2.1: the labels of `r`, top and bottom, between the frame's link header and its
 * network header.  Label 0 alone is none: exporters fill a template's unused ones with zeros.
 */
static void put_labels(struct cursor *c, const struct flow_record *r, uint8_t *frame, size_t link)
{
	enum { MPLS = 0x8847, BOTTOM = 1 << 8, TTL = 64 };
	const uint32_t labels[2] = { r->mpls_top, r->mpls_bottom };
	const bool two = r->mpls_top && r->mpls_bottom && r->mpls_top != r->mpls_bottom;
	const size_t first = r->mpls_top ? 0 : 1, n = two ? 2 : 1;
	const size_t behind = cursor_used(c) - link;

	if (!labels[first] || !cursor_take(c, n * LABEL_BYTES))
		return;
	memmove(frame + link + n * LABEL_BYTES, frame + link, behind);
	patch16(frame + link - 2, MPLS);
	for (size_t i = 0; i < n; i++)
		patch32(frame + link + i * LABEL_BYTES,
			labels[first + i] << 12 | (i + 1 == n ? BOTTOM : 0) | TTL);
}

bool filter_match(const struct filter *f, const struct flow_record *r, bool sampled)
{
	struct flow_record untagged;
	uint8_t frame[FRAME_BYTES];
	struct cursor c = cursor(frame, sizeof(frame));
	struct pcap_pkthdr h = { 0 };
	uint32_t len = r->octets < MTU ? (uint32_t)r->octets : MTU;

	/* VLAN 0 is none: behind its tag "ip" would not match (nor does it in the reference). */
	if (flow_has(r, FLOW_vlan) && (r->vlan == 0 || !(f->tags || sampled))) {
		untagged = *r;
		untagged.present &= ~FLOW_BIT(vlan);
		r = &untagged;
	}
	frame_put(&c, r, len);
	if (f->labels && cursor_used(&c) > 0)
		put_labels(&c, r, frame, flow_has(r, FLOW_vlan) ? 18 : 14);
	h.caplen = (bpf_u_int32)cursor_used(&c);
	h.len = len > h.caplen ? len : h.caplen;
	return pcap_offline_filter(&f->prog, &h, frame) > 0;
}
