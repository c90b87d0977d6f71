/*
 * rules_filter.c - see rules_filter.h.  The packet is written here, header by
 * header, so that the collector's way of writing it is not taken for granted;
 * libpcap compiles and runs the expression for both.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "pcapgen/rules_filter.h"
#include "wire/addr.h"

enum { ETHERNET = 14, IP4 = 20, IP6 = 40, TCP = 20, PACKET = ETHERNET + IP6 + TCP, MTU = 1500 };
enum { ICMP_PROTO = 1, TCP_PROTO = 6, UDP_PROTO = 17, ICMP6_PROTO = 58, SCTP_PROTO = 132 };

static bool compile(struct bpf_program *to, const char *expression, char *why)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	bool good = p && pcap_compile(p, to, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;

	if (!good)
		snprintf(why, 256, "%s", p ? pcap_geterr(p) : "out of memory");
	if (p)
		pcap_close(p);
	return good;
}

const char *rules_filter_wrong(const char *expression, char *why)
{
	struct bpf_program prog;

	if (!compile(&prog, expression, why))
		return why;
	pcap_freecode(&prog);
	return NULL;
}

static void free_program(void *prog)
{
	pcap_freecode(prog);
	free(prog);
}

/* Compiled once a statement: the expression is the same in all of its rows. */
static struct bpf_program *program_of(sqlite3_context *ctx, sqlite3_value *expression)
{
	struct bpf_program *prog = sqlite3_get_auxdata(ctx, 0);
	char why[256];

	if (prog)
		return prog;
	prog = calloc(1, sizeof(*prog));
	if (!prog || !compile(prog, (const char *)sqlite3_value_text(expression), why)) {
		free(prog);
		return NULL;
	}
	sqlite3_set_auxdata(ctx, 0, prog, free_program);
	return sqlite3_get_auxdata(ctx, 0);
}

/* A flow as the arguments of passes() tell it. */
struct facts {
	struct addr src, dst;
	unsigned proto, sport, dport, tos, flags;
	size_t length;		/* of the IP packet */
};

static void write16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The transport header; returns its octets. */
static size_t put_transport(uint8_t *p, const struct facts *f)
{
	switch (f->proto) {
	case TCP_PROTO:
		write16(p, f->sport);
		write16(p + 2, f->dport);
		p[12] = 5 << 4;
		p[13] = (uint8_t)f->flags;
		return TCP;
	case UDP_PROTO:
	case SCTP_PROTO:
		write16(p, f->sport);
		write16(p + 2, f->dport);
		return f->proto == UDP_PROTO ? 8 : 12;
	case ICMP_PROTO:
	case ICMP6_PROTO:
		write16(p, f->dport);	/* type and code */
		return 8;
	default:
		return 0;
	}
}

static size_t put_packet(uint8_t p[static PACKET], const struct facts *f)
{
	uint8_t *ip = p + ETHERNET;
	const bool v4 = addr_is4(&f->src) && addr_is4(&f->dst);

	memset(p, 0, PACKET);
	if (v4) {
		write16(p + 12, 0x0800);
		ip[0] = 0x45;
		ip[1] = (uint8_t)f->tos;
		write16(ip + 2, (unsigned)f->length);
		ip[8] = 64;
		ip[9] = (uint8_t)f->proto;
		memcpy(ip + 12, f->src.b + 12, 4);
		memcpy(ip + 16, f->dst.b + 12, 4);
		return ETHERNET + IP4 + put_transport(ip + IP4, f);
	}
	write16(p + 12, 0x86dd);
	write16(ip, 0x6000 | f->tos << 4);
	write16(ip + 4, f->length > IP6 ? (unsigned)(f->length - IP6) : 0);
	ip[6] = (uint8_t)f->proto;
	ip[7] = 64;
	memcpy(ip + 8, f->src.b, 16);
	memcpy(ip + 24, f->dst.b, 16);
	return ETHERNET + IP6 + put_transport(ip + IP6, f);
}

static bool take_addr(struct addr *to, sqlite3_value *v)
{
	if (sqlite3_value_bytes(v) != sizeof(to->b))
		return false;
	memcpy(to->b, sqlite3_value_blob(v), sizeof(to->b));
	return true;
}

static void fn_passes(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct bpf_program *prog = program_of(ctx, v[0]);
	uint8_t packet[PACKET];
	struct pcap_pkthdr h = { 0 };
	struct facts f = { .proto = (unsigned)sqlite3_value_int(v[3]),
		.sport = (unsigned)sqlite3_value_int(v[4]),
		.dport = (unsigned)sqlite3_value_int(v[5]),
		.tos = (unsigned)sqlite3_value_int(v[6]),
		.flags = (unsigned)sqlite3_value_int(v[7]) };
	const uint64_t octets = (uint64_t)sqlite3_value_int64(v[8]);
	size_t len;

	(void)n;
	if (!prog || !take_addr(&f.src, v[1]) || !take_addr(&f.dst, v[2])) {
		sqlite3_result_error(ctx, "passes(): an expression and two addresses", -1);
		return;
	}
	f.length = octets < MTU ? (size_t)octets : MTU;
	len = put_packet(packet, &f);
	h.caplen = (bpf_u_int32)len;
	h.len = (bpf_u_int32)(f.length + ETHERNET > len ? f.length + ETHERNET : len);
	sqlite3_result_int(ctx, pcap_offline_filter(prog, &h, packet) > 0);
}

int rules_filter_register(struct rules *r)
{
	return sqlite3_create_function(r->db, "passes", 9, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
		       fn_passes, NULL, NULL) == SQLITE_OK
		? 0
		: -1;
}

void rules_filter_sql(struct strbuf *b, const char *expression)
{
	char *quoted = sqlite3_mprintf("%Q", expression);

	strbuf_addf(b,
		"passes(%s, flow.src, flow.dst, coalesce(flow.proto, 0), coalesce(flow.sport, 0), "
		"coalesce(flow.dport, 0), coalesce(flow.tos, 0), coalesce(flow.flags, 0), "
		"coalesce(flow.octets, 0))", quoted);
	sqlite3_free(quoted);
}
