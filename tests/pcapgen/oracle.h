/*
 * oracle.h - what the tests of expect and verify share: flows and
 * configurations as literals, rows as text.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "pcapgen/expect.h"

/* One line of a truth; zeros are members that the exporter did not say. */
struct flow_literal {
	const char *src, *dst;
	uint64_t packets, octets;
	uint32_t in_if, out_if;
	uint16_t sport, dport;
	uint8_t proto, flags, src_mask, dst_mask;
	uint32_t src_as, dst_as, sampling;
	int64_t first_ms, last_ms, sent_ms;	/* since 1970 */
	uint8_t protocol;			/* 0: NetFlow v5 */
	int64_t export_ms;			/* 0: the truth does not know */
	const char *elements;			/* of a truth that has them */
	uint64_t flows;				/* 0: not said */
};

static inline void set_number(struct flow_record *f, enum flow_field field, uint64_t v)
{
	if (v)
		flow_set(f, field, v);
}

static inline void literal_row(struct truth_row *row, const struct flow_literal *l)
{
	struct flow_record *f = &row->flow;

	memset(row, 0, sizeof(*row));
	*f = flow_record_empty;
	row->protocol = l->protocol ? l->protocol : PROTO_NETFLOW5;
	row->version = 5;
	row->exporter = addr_make4(0xc0000201);
	row->sent_us = (uint64_t)l->sent_ms * 1000;
	row->export_us = (uint64_t)l->export_ms * 1000;
	ck_assert(addr_parse(&f->src, l->src) && addr_parse(&f->dst, l->dst));
	f->present |= FLOW_BIT(src) | FLOW_BIT(dst);
	flow_set(f, FLOW_packets, l->packets);
	flow_set(f, FLOW_octets, l->octets);
	set_number(f, FLOW_in_if, l->in_if);
	set_number(f, FLOW_out_if, l->out_if);
	set_number(f, FLOW_src_port, l->sport);
	set_number(f, FLOW_dst_port, l->dport);
	set_number(f, FLOW_proto, l->proto);
	set_number(f, FLOW_tcp_flags, l->flags);
	set_number(f, FLOW_src_mask, l->src_mask);
	set_number(f, FLOW_dst_mask, l->dst_mask);
	set_number(f, FLOW_src_as, l->src_as);
	set_number(f, FLOW_dst_as, l->dst_as);
	set_number(f, FLOW_sampling_num, l->sampling);
	set_number(f, FLOW_sampling_den, l->sampling ? 1 : 0);
	set_number(f, FLOW_flows, l->flows);
	row->elements = l->elements;
	set_number(f, FLOW_first_us, (uint64_t)l->first_ms * 1000);
	set_number(f, FLOW_last_us, (uint64_t)l->last_ms * 1000);
}

/* A file of this text in `dir`; the name is written to `path`. */
static inline void text_file(
	char *path, size_t n, const char *dir, const char *name, const char *text)
{
	FILE *f;

	snprintf(path, n, "%s/%s", dir, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static inline void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

#endif /* ORACLE_H */
