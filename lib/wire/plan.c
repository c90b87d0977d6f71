/*
 * plan.c - compiling templates, and the loops that run over records.
 */
#include <assert.h>
#include "frame.h"
#include "plan.h"
#include "uptime.h"

/* ---- operations ------------------------------------------------------------ */

/*
 * Each runs down one column: `n` records `src_step` apart, into structs
 * `dst_step` apart.
 */
typedef void op_fn(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step, size_t n,
		   size_t len, const struct plan_time *t);

#define NTP_TO_UNIX UINT64_C(2208988800)	/* seconds from 1900 to 1970 */

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* RFC 7011 6.1.9: seconds since 1900 and a fraction, in NTP era 0 or (from 2036 on) 1. */
static uint64_t ntp_to_us(uint64_t ntp, uint64_t era)
{
	uint64_t s = (ntp >> 32) + (era << 32) - NTP_TO_UNIX;

	return s * 1000000 + ((ntp & UINT32_MAX) * 1000000 >> 32);
}

/*
 * Exporters write dateTimeMicroseconds and -Nanoseconds as NTP time stamps, as
 * they must, or as plain counts since 1970.  Today these are decades apart, so
 * the reading nearest to the export time is meant.
 */
static uint64_t fine_time(uint64_t v, uint64_t unit_per_us, uint64_t at_us)
{
	uint64_t best = v / unit_per_us, other;

	other = ntp_to_us(v, 1);
	if (distance(other, at_us) < distance(best, at_us))
		best = other;
	other = ntp_to_us(v, 0);
	if (v >> 32 >= NTP_TO_UNIX && distance(other, at_us) < distance(best, at_us))
		best = other;
	return best;
}

static uint64_t before(uint64_t at_us, uint64_t delta_us)
{
	return delta_us < at_us ? at_us - delta_us : 0;
}

static double be_float(const uint8_t *p, size_t len)
{
	uint32_t v32 = be32(p);
	uint64_t v64;
	double d;
	float f;

	if (len == 4) {
		memcpy(&f, &v32, sizeof(f));
		return (double)f;
	}
	v64 = be64(p);
	memcpy(&d, &v64, sizeof(d));
	return d;
}

static uint32_t label_of(const uint8_t *p)
{
	return (uint32_t)p[0] << 12 | (uint32_t)p[1] << 4 | (uint32_t)p[2] >> 4;
}

/* name, type that is stored, its value from the octets at `src` */
#define OPS(X)                                                                             \
	X(u8_1, uint8_t, src[0])                                                           \
	X(u8_2, uint8_t, src[1])                                                           \
	X(u16_2, uint16_t, be16(src))                                                      \
	X(u32_2, uint32_t, be16(src))                                                      \
	X(u32_4, uint32_t, be32(src))                                                      \
	X(u64_4, uint64_t, be32(src))                                                      \
	X(u64_8, uint64_t, be64(src))                                                      \
	X(u8_any, uint8_t, (uint8_t)be_any(src, len))                                      \
	X(u16_any, uint16_t, (uint16_t)be_any(src, len))                                   \
	X(u32_any, uint32_t, (uint32_t)be_any(src, len))                                   \
	X(u64_any, uint64_t, be_any(src, len))                                             \
	X(uptime_4, uint64_t, t->has_uptime ? uptime_to_us(be32(src), t->uptime, t->at_us, \
		t->tick_us) : 0)                                                           \
	X(uptime, uint64_t, t->has_uptime ? uptime_to_us((uint32_t)be_any(src, len),       \
		t->uptime, t->at_us, t->tick_us) : 0)                                      \
	X(seconds, uint64_t, be_any(src, len) * 1000000)                                   \
	X(millis_8, uint64_t, be64(src) * 1000)                                            \
	X(millis, uint64_t, be_any(src, len) * 1000)                                       \
	X(micros, uint64_t, fine_time(be64(src), 1, t->at_us))                             \
	X(nanos, uint64_t, fine_time(be64(src), 1000, t->at_us))                           \
	X(delta, uint64_t, before(t->at_us, be_any(src, len)))                             \
	X(probability, double, be_float(src, len))                                         \
	X(addr4, struct addr, addr_from4(src))                                             \
	X(addr6, struct addr, addr_from16(src))                                            \
	X(label, uint32_t, label_of(src))                                                  \
	X(section, struct bytes, ((struct bytes){ src, len }))

#define X(name, type, value)                                                               \
	static void op_##name(uint8_t *dst, size_t dst_step, const uint8_t *src,           \
			      size_t src_step, size_t n, size_t len, const struct plan_time *t) \
	{                                                                                  \
		(void)len;                                                                 \
		(void)t;                                                                   \
		_Pragma("GCC unroll 4")                                                    \
		for (; n > 0; n--, dst += dst_step, src += src_step) {                     \
			const type v = value;                                              \
                                                                                           \
			memcpy(dst, &v, sizeof(v));                                        \
		}                                                                          \
	}
OPS(X)
#undef X

static void op_mac(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step, size_t n,
		   size_t len, const struct plan_time *t)
{
	(void)len;
	(void)t;
	for (; n > 0; n--, dst += dst_step, src += src_step)
		memcpy(dst, src, 6);
}

/* Runs for each label of the stack, top first: the one with the S bit stays (RFC 3032 2.1). */
static void op_bottom(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step, size_t n,
		      size_t len, const struct plan_time *t)
{
	(void)len;
	(void)t;
	for (; n > 0; n--, dst += dst_step, src += src_step) {
		uint32_t v = label_of(src), had;

		memcpy(&had, dst, sizeof(had));
		if (src[2] & 1 && had == 0)
			memcpy(dst, &v, sizeof(v));
	}
}

enum op_kind {
#define X(name, type, value) OP_##name,
	OPS(X)
#undef X
	OP_mac, OP_bottom
};

static op_fn *const ops[] = {
#define X(name, type, value) [OP_##name] = op_##name,
	OPS(X)
#undef X
	[OP_mac] = op_mac, [OP_bottom] = op_bottom
};

/* ---- compiling --------------------------------------------------------------- */

/*
 * Who wins where several Elements land in one member: the lowest.  Equal ones
 * (the same Element twice): the last.  Octets and packets: collector.md 11,
 * deltas before totals before post- and layer-2 counters before NSEL.  Times:
 * absolute ones before those that need another clock.
 */
static const uint8_t ranks[512] = { [85] = 1,
	[23] = 2,
	[352] = 3,
	[231] = 4,
	[232] = 4, /* octets */
	[86] = 1,
	[24] = 2,
	[298] = 3,
	[299] = 3, /* packets */
	[44] = 1,
	[45] = 1,
	[169] = 1,
	[170] = 1, /* prefixes after addresses */
	[47] = 1,
	[140] = 1, /* where the label leads after the BGP next hop */
	[180] = 1,
	[181] = 1,
	[182] = 2,
	[183] = 2, /* ports */
	[57] = 1,
	[81] = 1,
	[243] = 1,
	[254] = 1,
	[252] = 1,
	[253] = 1,
	[230] = 1,
	[302] = 1,
	[50] = 1,
	[154] = 1,
	[155] = 1,
	[156] = 2,
	[157] = 2,
	[150] = 3,
	[151] = 3,
	[158] = 4,
	[159] = 4,
	[21] = 5,
	[22] = 5,
	[323] = 6 };

/* Elements that land beside the record. */
static const struct {
	uint16_t ie;
	uint8_t aux;
} aux_of[] = {
	{ 305, AUX_packet_interval },
	{ 306, AUX_packet_space },
	{ 309, AUX_size },
	{ 310, AUX_population },
	{ 311, AUX_probability },
	{ 160, AUX_init_ms },
	{ 145, AUX_template },
	{ 312, AUX_frame_octets },
};

/* RFC 5477 8.5: the first octets of a packet that was sampled, from its link or IP header on. */
static const struct {
	uint16_t ie;
	uint8_t section, start;	/* enum plan_section, enum frame_start */
} sections[] = { { 315, SECTION_frame, FRAME_ETHERNET }, { 313, SECTION_ip, FRAME_IP } };

/* Members that can come from an IPv4 or an IPv6 Element. */
static const struct {
	uint8_t field;	/* enum flow_field */
	uint8_t alt;	/* enum plan_alt */
} twins[] = {
	{ FLOW_src, ALT_src }, { FLOW_dst, ALT_dst }, { FLOW_next_hop, ALT_next_hop },
	{ FLOW_bgp_next_hop, ALT_bgp_next_hop }, { FLOW_post_src, ALT_post_src },
	{ FLOW_post_dst, ALT_post_dst },
};

/* Masks of which the IPv4 Element waits beside the record when the IPv6 one is there, too. */
static const struct {
	uint16_t ie;
	uint8_t field, aux;
} masks[] = { { 9, FLOW_src_mask, AUX_src_mask4 }, { 13, FLOW_dst_mask, AUX_dst_mask4 } };

enum { IE_FIRST_LABEL = 70, IE_LAST_LABEL = 79, V9_SCOPE_SYSTEM = 1, V9_SCOPE_TEMPLATE = 5 };

/* Where a value can go; every slot is taken by one field at most. */
enum { SLOT_RECORD = 0, SLOT_REVERSE = FLOW_FIELDS, SLOT_ALT = 2 * FLOW_FIELDS,
	SLOT_AUX = SLOT_ALT + ALT_ADDRS, SLOT_SECTION = SLOT_AUX + AUX_NUMBERS,
	SLOTS = SLOT_SECTION + PLAN_SECTIONS };

struct slot {
	uint16_t field;		/* of the template, + 1; 0: empty */
	uint16_t ie;
	uint8_t rank, kind;
};

struct compiler {
	struct plan *p;
	const struct template_def *def;
	uint16_t offset[TEMPLATE_FIELDS_MAX];	/* of each field; for PLAN_VARLEN its number */
	struct slot slots[SLOTS];
};

static void take(struct slot *s, size_t field, uint16_t ie, uint8_t kind)
{
	uint8_t rank = ie < sizeof(ranks) ? ranks[ie] : 0;

	if (s->field && s->rank < rank)
		return;
	*s = (struct slot){ (uint16_t)(field + 1), ie, rank, kind };
}

static int number_kind(size_t len, unsigned width)
{
	switch (width) {
	case 1:
		return len == 1 ? OP_u8_1 : len == 2 ? OP_u8_2 : OP_u8_any;
	case 2:
		return len == 2 ? OP_u16_2 : OP_u16_any;
	case 4:
		return len == 4 ? OP_u32_4 : len == 2 ? OP_u32_2 : OP_u32_any;
	default:
		return len == 8 ? OP_u64_8 : len == 4 ? OP_u64_4 : OP_u64_any;
	}
}

/* How field `len` octets long becomes the member of `e`; -1: not at all. */
static int kind_of(const struct ie *e, size_t len)
{
	const struct flow_field_info *to = &flow_fields[e->field];
	bool varlen = len == IE_VARLEN;

	if (to->kind == FLOW_KIND_ADDR) {
		if (varlen)
			return -1;
		return e->type == IE_ADDR4 ? (len >= 4 ? OP_addr4 : -1) : len >= 16 ? OP_addr6 : -1;
	}
	if (to->kind == FLOW_KIND_MAC)
		return !varlen && len >= 6 ? OP_mac : -1;
	if (e->id >= IE_FIRST_LABEL && e->id <= IE_LAST_LABEL)
		return !varlen && len >= 3 ? OP_label : -1;
	if (e->field != FLOW_first_us && e->field != FLOW_last_us)
		return number_kind(len, to->width);
	switch (e->type) {
	case IE_SECONDS:
		return OP_seconds;
	case IE_MILLIS:
		return len == 8 ? OP_millis_8 : OP_millis;
	case IE_MICROS:
		return len == 8 ? OP_micros : -1;
	case IE_NANOS:
		return len == 8 ? OP_nanos : -1;
	default:
		if (e->id == 158 || e->id == 159)
			return OP_delta;
		return len == 4 ? OP_uptime_4 : OP_uptime;
	}
}

static struct slot *alt_slot(struct compiler *c, int field)
{
	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++)
		if (twins[i].field == field)
			return &c->slots[SLOT_ALT + twins[i].alt];
	return NULL;
}

/* A field that lands beside the record; true when it does. */
static bool compile_aux(struct compiler *c, size_t i, uint16_t id, size_t len)
{
	/* Which exporter or template is meant is of interest in options data only. */
	if (!c->def->options && (id == 130 || id == 131 || id == 145))
		return true;
	for (size_t k = 0; k < sizeof(aux_of) / sizeof(aux_of[0]); k++) {
		if (aux_of[k].ie != id)
			continue;
		if (aux_of[k].aux != AUX_probability)
			take(&c->slots[SLOT_AUX + aux_of[k].aux], i, id,
				(uint8_t)number_kind(len, 8));
		else if (len == 4 || len == 8)
			take(&c->slots[SLOT_AUX + AUX_probability], i, id, OP_probability);
		return true;
	}
	for (size_t k = 0; k < PLAN_SECTIONS && !c->def->options; k++)
		if (sections[k].ie == id)
			take(&c->slots[SLOT_SECTION + sections[k].section], i, id, OP_section);
	if (id == 130 && len >= 4 && len != IE_VARLEN)
		take(&c->slots[SLOT_ALT + ALT_exporter4], i, id, OP_addr4);
	if (id == 131 && len >= 16 && len != IE_VARLEN)
		take(&c->slots[SLOT_ALT + ALT_exporter6], i, id, OP_addr6);
	return false;
}

static struct slot *mask4_slot(struct compiler *c, uint16_t id)
{
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (masks[i].ie == id)
			return &c->slots[SLOT_AUX + masks[i].aux];
	return NULL;
}

/* RFC 3954 6.1: scopes of v9 have numbers of their own. */
static void compile_scope9(struct compiler *c, size_t i)
{
	const struct field_spec *f = &c->def->fields[i];

	if (f->id == V9_SCOPE_SYSTEM)
		c->p->flags |= PLAN_SYSTEM;
	else if (f->id > V9_SCOPE_SYSTEM && f->id < V9_SCOPE_TEMPLATE)
		c->p->flags |= PLAN_PART;
	else if (f->id == V9_SCOPE_TEMPLATE && f->len)
		take(&c->slots[SLOT_AUX + AUX_template], i, 145, (uint8_t)number_kind(f->len, 8));
}

/*
 * What the two halves of a biflow have in common: the keys of the flow are told once, and those
 * with a direction traded (RFC 5103 5); one sampler saw both.
 */
static bool is_shared(enum flow_field f)
{
	return flow_fields[f].kind == FLOW_KIND_ADDR || f == FLOW_src_port || f == FLOW_dst_port ||
		f == FLOW_proto || f == FLOW_ip_version || f == FLOW_sampling_num ||
		f == FLOW_sampler;
}

/* Interfaces, line cards and ports, as a scope. */
static bool is_part(uint16_t id)
{
	return id == 10 || id == 14 || id == 141 || id == 142 || id == 252 || id == 253;
}

static void compile_field(struct compiler *c, size_t i)
{
	const struct field_spec *f = &c->def->fields[i];
	bool reverse = f->pen == PEN_REVERSE;
	const struct ie *e;
	struct slot *alt;
	int kind;

	if (c->def->version == 9 && i < c->def->nscope) {
		compile_scope9(c, i);
		return;
	}
	if (f->len == 0)
		return;
	/* RFC 7011 A: options about the exporting process are about the exporter. */
	if (i < c->def->nscope && f->pen == PEN_IANA &&
		(f->id == 144 || f->id == 130 || f->id == 131))
		c->p->flags |= PLAN_SYSTEM;
	if (i < c->def->nscope && f->pen == PEN_IANA && is_part(f->id))
		c->p->flags |= PLAN_PART;
	if (f->pen == PEN_IANA && compile_aux(c, i, f->id, f->len))
		return;
	e = ie_find(f->pen, f->id);
	if (!e || e->field < 0 || (kind = kind_of(e, f->len)) < 0)
		return;
	/* responderOctets, responderPackets: the other half of an NSEL event. */
	if (e->id == 232 || e->id == 299)
		reverse = true;
	if (reverse && is_shared((enum flow_field)e->field))
		return;
	if (f->id == 50 && f->pen == PEN_IANA)
		take(&c->slots[SLOT_AUX + AUX_random_interval], i, f->id,
			(uint8_t)number_kind(f->len, 8));
	alt = e->type == IE_ADDR4 ? alt_slot(c, e->field) : reverse ? NULL : mask4_slot(c, f->id);
	take(alt ? alt : &c->slots[(reverse ? SLOT_REVERSE : SLOT_RECORD) + e->field], i, f->id,
	     (uint8_t)kind);
}

static uint16_t slot_target(size_t slot)
{
	size_t at;

	if (slot >= SLOT_SECTION)
		at = offsetof(struct plan_work, section) +
			(slot - SLOT_SECTION) * sizeof(struct bytes);
	else if (slot >= SLOT_AUX)
		at = offsetof(struct plan_work, aux) + (slot - SLOT_AUX) * sizeof(uint64_t);
	else if (slot >= SLOT_ALT)
		at = offsetof(struct plan_work, alt) + (slot - SLOT_ALT) * sizeof(struct addr);
	else if (slot >= SLOT_REVERSE)
		at = offsetof(struct plan_work, rev) + flow_fields[slot - SLOT_REVERSE].offset;
	else
		at = flow_fields[slot].offset;
	return (uint16_t)at;
}

static void add_op(struct compiler *c, size_t field, size_t target, unsigned kind, size_t member)
{
	if (target >= sizeof(struct flow_record))
		c->p->flags |= PLAN_BESIDE;
	c->p->ops[c->p->nops++] = (struct plan_op){ c->offset[field], (uint16_t)target,
		c->def->fields[field].len, (uint8_t)kind,
		(uint8_t)(member < FLOW_FIELDS ? member : FLOW_FIELDS) };
	if (member < FLOW_FIELDS && !c->p->op_of[member])
		c->p->op_of[member] = (uint8_t)c->p->nops;
}

/* An IPv4 Element alone goes straight to its member; beside an IPv6 one it waits for plan_record().
 */
static void settle_families(struct compiler *c)
{
	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
		struct slot *four = &c->slots[SLOT_ALT + twins[i].alt],
			    *six = &c->slots[twins[i].field];

		/* A prefix is no twin of an address. */
		if (four->field && six->field && four->rank != six->rank) {
			if (four->rank < six->rank)
				*six = *four;
			four->field = 0;
		} else if (four->field && six->field) {
			c->p->flags |= PLAN_FAMILIES;
		} else if (four->field) {
			*six = *four;
			four->field = 0;
		}
	}
}

/* IE 34 and 50 in one template: 34 counts unless it is 0 (plan_record). */
static void settle_interval(struct compiler *c)
{
	const struct slot *interval = &c->slots[FLOW_sampling_num];
	struct slot *random = &c->slots[SLOT_AUX + AUX_random_interval];

	if (interval->field == 0 || interval->ie != 34)
		random->field = 0;
}

/* The same for masks, which are numbers: alone to the member, in pairs by the record's family. */
static void settle_masks(struct compiler *c)
{
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct slot *four = &c->slots[SLOT_AUX + masks[i].aux],
			    *six = &c->slots[masks[i].field];

		if (four->field && six->field) {
			four->kind = (uint8_t)number_kind(c->def->fields[four->field - 1].len, 8);
			c->p->flags |= PLAN_FAMILIES;
		} else if (four->field) {
			*six = *four;
			four->field = 0;
		}
	}
}

/* The counters of the reverse half, only where the forward half is counted by the same kind. */
static void settle_reverse(struct compiler *c)
{
	const struct slot *octets = &c->slots[FLOW_octets], *packets = &c->slots[FLOW_packets];
	struct slot *rev_octets = &c->slots[SLOT_REVERSE + FLOW_octets];
	struct slot *rev_packets = &c->slots[SLOT_REVERSE + FLOW_packets];

	/*
	 * Where a record has plain octets too, these are what is billed: they may
	 * include the initiator's and responder's.
	 */
	if (rev_octets->ie == 232 && octets->field && octets->ie != 231)
		rev_octets->field = 0;
	if (rev_packets->ie == 299 && packets->field && packets->ie != 298)
		rev_packets->field = 0;
	if (rev_octets->field || rev_packets->field) {
		c->p->flags |= PLAN_BIFLOW;
		return;
	}
	for (size_t f = 0; f < FLOW_FIELDS; f++)
		c->slots[SLOT_REVERSE + f].field = 0;
}

/* Firewalls (NSEL) count a connection in what they tell of its updates and its end. */
static void settle_nsel(struct compiler *c)
{
	const struct slot *event = &c->slots[FLOW_event];

	if (event->field && event->ie != 230 &&
		(c->slots[FLOW_octets].ie == 231 || c->slots[FLOW_packets].ie == 298 ||
			c->slots[SLOT_REVERSE + FLOW_octets].ie == 232))
		c->p->flags |= PLAN_NSEL;
}

/* IE 160 in a data record: 21/22 of this record count from there. */
static void settle_init(struct compiler *c)
{
	static const struct { uint8_t field, aux; } moved[] = {
		{ FLOW_first_us, AUX_first_uptime }, { FLOW_last_us, AUX_last_uptime } };

	if (!c->slots[SLOT_AUX + AUX_init_ms].field || c->def->options)
		return;
	for (size_t i = 0; i < 2; i++) {
		struct slot *s = &c->slots[moved[i].field];

		if (!s->field || (s->kind != OP_uptime && s->kind != OP_uptime_4))
			continue;
		c->p->flags |= PLAN_INIT;
		c->slots[SLOT_AUX + moved[i].aux] = *s;
		c->slots[SLOT_AUX + moved[i].aux].kind = OP_u64_any;
		s->field = 0;
		c->p->present |= UINT64_C(1) << moved[i].field;
	}
}

static void emit_slots(struct compiler *c)
{
	struct plan *p = c->p;

	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &c->slots[i];

		if (!s->field)
			continue;
		add_op(c, s->field - 1u, slot_target(i), s->kind, i);
		if (i >= SLOT_SECTION)
			p->flags |= PLAN_SECTION;
		else if (i >= SLOT_AUX)
			p->aux |= UINT32_C(1) << (i - SLOT_AUX);
		else if (i >= SLOT_ALT)
			p->alt |= UINT32_C(1) << (i - SLOT_ALT);
		else if (i >= SLOT_REVERSE)
			p->reverse |= UINT64_C(1) << (i - SLOT_REVERSE);
		else
			p->present |= UINT64_C(1) << i;
		if (s->kind == OP_uptime || s->kind == OP_uptime_4)
			p->uptimes |= UINT64_C(1) << i % SLOT_REVERSE;
	}
}

/* The bottom label is wherever the S bit is, so each label of the stack is asked. */
static void emit_labels(struct compiler *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < c->def->nfields && n < 10; i++) {
		const struct field_spec *f = &c->def->fields[i];

		if (f->pen != PEN_IANA || f->id < IE_FIRST_LABEL || f->id > IE_LAST_LABEL ||
		    f->len < 3 || f->len == IE_VARLEN || i < c->def->nscope)
			continue;
		add_op(c, i, flow_fields[FLOW_mpls_bottom].offset, OP_bottom, FLOW_mpls_bottom);
		c->p->present |= FLOW_BIT(mpls_bottom);
		n++;
	}
}

/* Of an Element that stands twice the last one counts, as it does for members. */
static void note_extras(struct compiler *c, const struct extras_want *want)
{
	for (size_t w = 0; w < want->n; w++) {
		struct plan_extra *e = &c->p->extras[c->p->nextras];

		for (size_t i = c->def->nfields; i-- > 0; ) {
			const struct field_spec *f = &c->def->fields[i];

			if (f->pen != want->element[w].pen || f->id != want->element[w].id)
				continue;
			*e = (struct plan_extra){ c->offset[i], f->len, (uint16_t)w };
			c->p->nextras++;
			break;
		}
	}
}

enum wire_err plan_compile(
	struct plan *p, const struct template_def *def, const struct extras_want *want)
{
	struct compiler c = { .p = p, .def = def };
	uint64_t len = 0;

	memset(p, 0, offsetof(struct plan, ops));
	p->id = def->id;
	p->nfields = def->nfields;
	p->flags = def->options ? PLAN_OPTIONS : 0;
	for (size_t i = 0; i < def->nfields; i++)
		if (def->version == 10 && def->fields[i].len == IE_VARLEN)
			p->flags |= PLAN_VARLEN;
	for (size_t i = 0; i < def->nfields; i++) {
		bool varlen = p->flags & PLAN_VARLEN && def->fields[i].len == IE_VARLEN;

		p->lens[i] = def->fields[i].len;
		/* An offset above 65535 belongs to a record that no datagram can hold. */
		c.offset[i] = (uint16_t)(p->flags & PLAN_VARLEN ? i : len);
		len += varlen ? 1 : def->fields[i].len;
	}
	if (len == 0)
		return WIRE_TEMPLATE_EMPTY;
	p->min_len = (uint32_t)len;
	for (size_t i = 0; i < def->nfields; i++)
		compile_field(&c, i);
	/* 71..79 land nowhere by themselves: see emit_labels(). */
	c.slots[FLOW_mpls_bottom].field = 0;
	settle_families(&c);
	settle_masks(&c);
	settle_interval(&c);
	settle_reverse(&c);
	settle_nsel(&c);
	settle_init(&c);
	emit_slots(&c);
	emit_labels(&c);
	if (want)
		note_extras(&c, want);
	if (p->present & FLOW_BIT(sampling_num)) {
		p->present &= ~FLOW_BIT(sampling_num);
		p->flags |= PLAN_INTERVAL;
	}
	if (c.slots[FLOW_octets].field && c.slots[FLOW_octets].ie == 85)
		p->flags |= PLAN_TOTALS;
	if (p->aux & (1u << AUX_packet_interval | 1u << AUX_size | 1u << AUX_probability))
		p->flags |= PLAN_RATIO;
	return WIRE_OK;
}

/* ---- running ------------------------------------------------------------------ */

void plan_columns(const struct plan *p, struct flow_record *out, const uint8_t *data, size_t n,
		  const struct plan_time *t, uint64_t members)
{
	assert(!(p->flags & PLAN_CAREFUL));
	for (const struct plan_op *op = p->ops; op < p->ops + p->nops; op++)
		if (members >> op->field & 1)
			ops[op->kind]((uint8_t *)out + op->dst, sizeof(*out), data + op->src,
				      p->min_len, n, op->len, t);
}

#define FILL(width) \
	static void fill_##width(const struct flow_column *c, const uint8_t *value, size_t n) \
	{ \
		for (size_t i = 0; i < n; i++) \
			memcpy(c->at + i * c->step, value, width); \
	}
FILL(1)
FILL(2)
FILL(4)
FILL(6)
FILL(8)
FILL(16)
#undef FILL

static void fill_absent(const struct flow_column *c, size_t n)
{
	static void (*const fill[])(const struct flow_column *, const uint8_t *, size_t) = {
		[1] = fill_1, [2] = fill_2, [4] = fill_4, [6] = fill_6, [8] = fill_8,
		[16] = fill_16 };
	const struct flow_field_info *f = &flow_fields[c->field];
	const size_t width = flow_column_width(c);

	fill[width](c, (const uint8_t *)&flow_record_empty + f->offset + f->width - width, n);
}

static void fill_addr4(const struct flow_column *c, const uint8_t *src, size_t src_step, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memcpy(c->at + i * c->step, src + i * src_step, 4);
}

static void fill_column(const struct plan *p, const struct flow_column *c, const uint8_t *data,
			size_t step, size_t n, const struct plan_time *t)
{
	const size_t number = p->op_of[c->field];
	const struct plan_op *op;

	if (number == 0 && c->if_present)
		return;
	if (number == 0 || c->field == FLOW_mpls_bottom)
		fill_absent(c, n);
	if (number == 0)
		return;
	op = &p->ops[number - 1];
	if (c->v4) {
		assert(op->kind == OP_addr4);
		fill_addr4(c, data + op->src, step, n);
		return;
	}
	ops[op->kind](c->at, c->step, data + op->src, step, n, op->len, t);
	/* One a label, the last of all; the bottom one is looked for from zero on. */
	while (op->kind == OP_bottom && ++op < p->ops + p->nops)
		op_bottom(c->at, c->step, data + op->src, step, n, op->len, t);
}

void plan_fill(const struct plan *p, const struct flow_column *column, size_t ncolumns,
	       uint64_t done, const uint8_t *data, size_t step, size_t n,
	       const struct plan_time *t)
{
	assert(!(p->flags & PLAN_CAREFUL));
	for (size_t at = 0; at < ncolumns; at += 64, done = 0) {
		const size_t here = ncolumns - at < 64 ? ncolumns - at : 64;

		for (uint64_t left = ~done & UINT64_MAX >> (64 - here); left; left &= left - 1)
			fill_column(p, &column[at + (size_t)__builtin_ctzll(left)], data, step, n, t);
	}
}

/* An unsigned number of `len` octets, the least significant last there and first here. */
static bool octet_of_number(const struct plan_op *op, size_t k, struct plan_octet *out)
{
	if (k < op->len)
		*out = (struct plan_octet){ true, 0, (uint16_t)((size_t)op->src + op->len - 1 - k) };
	return true;
}

static bool octet_of_addr4(const struct plan_op *op, size_t k, struct plan_octet *out)
{
	if (k >= 12)
		*out = (struct plan_octet){ true, 0, (uint16_t)((size_t)op->src + k - 12) };
	else
		out->always = k >= 10 ? 0xff : 0;
	return true;
}

static bool octet_of_octets(const struct plan_op *op, size_t k, struct plan_octet *out)
{
	*out = (struct plan_octet){ true, 0, (uint16_t)(op->src + k) };
	return true;
}

bool plan_octet(const struct plan *p, size_t f, size_t k, struct plan_octet *out)
{
	static bool (*const octet_of[])(const struct plan_op *, size_t, struct plan_octet *) = {
		[OP_u8_1] = octet_of_number, [OP_u8_2] = octet_of_number,
		[OP_u16_2] = octet_of_number, [OP_u32_2] = octet_of_number,
		[OP_u32_4] = octet_of_number, [OP_u64_4] = octet_of_number,
		[OP_u64_8] = octet_of_number, [OP_u8_any] = octet_of_number,
		[OP_u16_any] = octet_of_number, [OP_u32_any] = octet_of_number,
		[OP_u64_any] = octet_of_number, [OP_addr4] = octet_of_addr4,
		[OP_addr6] = octet_of_octets, [OP_mac] = octet_of_octets,
		[OP_bottom] = NULL,
	};
	const uint8_t *empty = (const uint8_t *)&flow_record_empty + flow_fields[f].offset;
	const size_t number = p->op_of[f];
	const struct plan_op *op = number ? &p->ops[number - 1] : NULL;

	*out = (struct plan_octet){ false, empty[k], 0 };
	if (!op)
		return true;
	out->always = 0;
	return octet_of[op->kind] && octet_of[op->kind](op, k, out);
}

bool plan_is4(const struct plan *p, const struct flow_column *column, size_t ncolumns)
{
	for (const struct flow_column *c = column; c < column + ncolumns; c++)
		if (c->v4 && p->op_of[c->field] && p->ops[p->op_of[c->field] - 1].kind != OP_addr4)
			return false;
	return true;
}

void plan_extras(
	const struct plan *p, struct bytes *out, size_t step, const uint8_t *data, size_t n)
{
	for (const struct plan_extra *e = p->extras; e < p->extras + p->nextras; e++)
		for (size_t i = 0; i < n; i++)
			out[i * step + e->element] =
				(struct bytes){ data + i * p->min_len + e->src, e->len };
}

/* Lengths of variable fields (RFC 7011 7): one octet, or 255 and two more. */
static size_t run_varlen(const struct plan *p, struct plan_work *w, const uint8_t *data, size_t n,
			 const struct plan_time *t)
{
	uint32_t offset[TEMPLATE_FIELDS_MAX];
	uint16_t len[TEMPLATE_FIELDS_MAX];
	size_t at = 0;

	for (size_t i = 0; i < p->nfields; i++) {
		size_t size = p->lens[i];

		if (size == IE_VARLEN) {
			if (n - at < 1)
				return 0;
			size = data[at++];
			if (size == 255) {
				if (n - at < 2)
					return 0;
				size = be16(data + at);
				at += 2;
			}
		}
		if (n - at < size)
			return 0;
		offset[i] = (uint32_t)at;
		len[i] = (uint16_t)size;
		at += size;
	}
	for (const struct plan_op *op = p->ops; op < p->ops + p->nops; op++)
		ops[op->kind](
			(uint8_t *)w + op->dst, 0, data + offset[op->src], 0, 1, len[op->src], t);
	for (const struct plan_extra *e = p->extras; e < p->extras + p->nextras; e++)
		w->extras[e->element] = (struct bytes){ data + offset[e->src], len[e->src] };
	return at;
}

/* Whether the IPv4 Element of an end, in its place beside the record or alone in it, tells an
 * address. */
static bool tells_ipv4(
	const struct plan *p, const struct plan_work *w, enum plan_alt a, const struct addr *member)
{
	return p->alt & 1u << a ? !addr_is_zero(&w->alt[a])
				: addr_is4(member) && !addr_is_zero(member);
}

/*
 * Both families in one template (Palo Alto, NSX, ixia): IE 60 says which one is
 * meant, else IPv4 unless only IPv6 is set.
 */
static void choose_family(const struct plan *p, struct plan_work *w)
{
	struct flow_record *r = &w->rec;
	bool six = !tells_ipv4(p, w, ALT_src, &r->src) && !tells_ipv4(p, w, ALT_dst, &r->dst) &&
		!(addr_is_zero(&r->src) && addr_is_zero(&r->dst));

	if (p->present & FLOW_BIT(ip_version) && (r->ip_version == 4 || r->ip_version == 6))
		six = r->ip_version == 6;
	if (!six && p->alt & 1u << ALT_src)
		r->src = w->alt[ALT_src];
	if (!six && p->alt & 1u << ALT_dst)
		r->dst = w->alt[ALT_dst];
	for (size_t i = 2; i < sizeof(twins) / sizeof(twins[0]); i++) {
		struct addr *a =
			(struct addr *)(void *)((uint8_t *)r + flow_fields[twins[i].field].offset);

		if (!(p->alt & 1u << twins[i].alt))
			continue;
		/* A hop may be of the other family than the record (6PE); one that is zero is none.
		 */
		if (addr_is_zero(a) ? !six || !addr_is_zero(&w->alt[twins[i].alt]) :
		    !six && !addr_is_zero(&w->alt[twins[i].alt]))
			*a = w->alt[twins[i].alt];
	}
	if (p->aux & 1u << AUX_src_mask4 && addr_is4(&r->src))
		r->src_mask = (uint8_t)w->aux[AUX_src_mask4];
	if (p->aux & 1u << AUX_dst_mask4 && addr_is4(&r->dst))
		r->dst_mask = (uint8_t)w->aux[AUX_dst_mask4];
}

static uint64_t since_init(const struct plan_work *w, enum plan_aux a, const struct plan_time *t)
{
	uint32_t uptime = (uint32_t)(t->at_us / 1000 - w->aux[AUX_init_ms]);

	return uptime_to_us((uint32_t)w->aux[a], uptime, t->at_us, 1000);
}

/* firewallEvent (IE 233): what is created, denied or an alert has no octets of its own. */
static bool event_counts(const struct plan *p, const struct flow_record *r)
{
	return !(p->flags & PLAN_NSEL) || (r->event != 1 && r->event != 3 && r->event != 4);
}

void plan_section(const struct plan *p, struct plan_work *w)
{
	struct flow_record seen = flow_record_empty, *r = &w->rec;
	uint32_t ip_len = 0;
	uint64_t news;

	for (size_t i = 0; i < PLAN_SECTIONS && ip_len == 0; i++)
		frame_parse(&seen, w->section[sections[i].section],
			(enum frame_start)sections[i].start, &ip_len);
	flow_set(&seen, FLOW_packets, 1);
	flow_set(&seen, FLOW_octets, ip_len ? ip_len
		: p->aux & 1u << AUX_frame_octets ? w->aux[AUX_frame_octets] : 0);
	if (seen.octets == 0)
		seen.present &= ~FLOW_BIT(octets);
	news = seen.present & ~r->present;
	for (size_t f = 0; f < FLOW_FIELDS; f++)
		if (news >> f & 1)
			memcpy((uint8_t *)r + flow_fields[f].offset,
				(const uint8_t *)&seen + flow_fields[f].offset,
				flow_fields[f].width);
	r->present |= news;
}

size_t plan_record(const struct plan *p, struct plan_work *w, const uint8_t *data, size_t n,
		   const struct plan_time *t)
{
	size_t used = p->min_len;

	w->rec = flow_record_empty;
	for (size_t i = 0; p->flags & PLAN_SECTION && i < PLAN_SECTIONS; i++)
		w->section[i] = (struct bytes){ NULL, 0 };
	if (p->flags & PLAN_VARLEN) {
		used = run_varlen(p, w, data, n, t);
		if (used == 0)
			return 0;
	} else {
		if (n < used)
			return 0;
		for (const struct plan_op *op = p->ops; op < p->ops + p->nops; op++)
			ops[op->kind]((uint8_t *)w + op->dst, 0, data + op->src, 0, 1, op->len, t);
		plan_extras(p, w->extras, 0, data, 1);
	}
	w->rec.present = p->present;
	if (!t->has_uptime)
		w->rec.present &= ~p->uptimes;
	if (p->aux & 1u << AUX_random_interval && w->rec.sampling_num == 0)
		w->rec.sampling_num = (uint32_t)w->aux[AUX_random_interval];
	if (p->flags & PLAN_FAMILIES)
		choose_family(p, w);
	if (p->flags & PLAN_INIT && p->aux & 1u << AUX_first_uptime)
		w->rec.first_us = since_init(w, AUX_first_uptime, t);
	if (p->flags & PLAN_INIT && p->aux & 1u << AUX_last_uptime)
		w->rec.last_us = since_init(w, AUX_last_uptime, t);
	if (!event_counts(p, &w->rec)) {
		w->rec.octets = w->rec.packets = 0;
		w->rec.present &= ~(FLOW_BIT(octets) | FLOW_BIT(packets));
	}
	return used;
}

/* ---- biflows --------------------------------------------------------------------- */

/* Members that trade places when a flow is seen from the other end. */
static const struct {
	uint8_t a, b;	/* enum flow_field */
} mirrored[] = {
	{ FLOW_src, FLOW_dst },
	{ FLOW_src_port, FLOW_dst_port },
	{ FLOW_in_if, FLOW_out_if },
	{ FLOW_src_as, FLOW_dst_as },
	{ FLOW_src_mask, FLOW_dst_mask },
	{ FLOW_src_mac, FLOW_dst_mac },
	{ FLOW_post_src, FLOW_post_dst },
	{ FLOW_post_src_port, FLOW_post_dst_port },
	{ FLOW_vlan, FLOW_out_vlan },
	{ FLOW_peer_src_as, FLOW_peer_dst_as },
	{ FLOW_src_vrf, FLOW_dst_vrf },
};

/* What the forward half said about its own packets and way only. */
#define FORWARD_ONLY (FLOW_BIT(octets) | FLOW_BIT(packets) | FLOW_BIT(tcp_flags) | \
		      FLOW_BIT(next_hop) | FLOW_BIT(bgp_next_hop))

static void *member(struct flow_record *r, size_t f)
{
	return (uint8_t *)r + flow_fields[f].offset;
}

static void mirror(struct flow_record *r, size_t a, size_t b)
{
	uint64_t differ = (r->present >> a ^ r->present >> b) & 1;
	size_t width = flow_fields[a].width;
	uint8_t tmp[sizeof(struct addr)];

	memcpy(tmp, member(r, a), width);
	memcpy(member(r, a), member(r, b), width);
	memcpy(member(r, b), tmp, width);
	r->present ^= differ << a | differ << b;
}

bool plan_reverse(const struct plan *p, const struct plan_work *w, struct flow_record *out)
{
	struct flow_record from = w->rev;
	uint64_t octets = p->reverse & FLOW_BIT(octets) ? w->rev.octets : 0;
	uint64_t packets = p->reverse & FLOW_BIT(packets) ? w->rev.packets : 0;

	if ((octets == 0 && packets == 0) || !event_counts(p, &w->rec))
		return false;
	*out = w->rec;
	for (size_t i = 0; i < sizeof(mirrored) / sizeof(mirrored[0]); i++)
		mirror(out, mirrored[i].a, mirrored[i].b);
	for (size_t f = 0; f < FLOW_FIELDS; f++) {
		uint64_t bit = UINT64_C(1) << f;

		/* Uptimes of the reverse half are known exactly where the forward ones are. */
		if (p->reverse & bit && !(p->uptimes & bit && !(w->rec.present & bit))) {
			memcpy(member(out, f), member(&from, f), flow_fields[f].width);
			out->present |= bit;
		} else if (FORWARD_ONLY & bit) {
			memcpy(member(out, f),
				(const uint8_t *)&flow_record_empty + flow_fields[f].offset,
				flow_fields[f].width);
			out->present &= ~bit;
		}
	}
	return true;
}

/* ---- sampling intervals --------------------------------------------------------- */

bool ratio_reduce(uint64_t num, uint64_t den, uint32_t *rnum, uint32_t *rden)
{
	uint64_t a = num, b = den;

	if (num == 0 || den == 0)
		return false;
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	num /= a;
	den /= a;
	if (num > UINT32_MAX || den > UINT32_MAX)
		return false;
	*rnum = (uint32_t)num;
	*rden = (uint32_t)den;
	return true;
}

/*
 * IE 311 is a float: one in a whole number if it is that within the precision
 * of a 32-bit one (1.2e-7), else the shortest decimal fraction.
 */
static bool ratio_of_probability(double p, uint32_t *num, uint32_t *den)
{
	const double near = 1.2e-7;
	uint64_t scale = 1;
	double one;

	if (!(p > 1e-9 && p <= 1.0))
		return false;
	one = (double)(uint64_t)(1.0 / p + 0.5) * p;
	if (one > 1.0 - near && one < 1.0 + near)
		return ratio_reduce((uint64_t)(1.0 / p + 0.5), 1, num, den);
	for (; scale < 1000000000; scale *= 10) {
		double x = p * (double)scale, whole = (double)(uint64_t)(x + 0.5);

		if (whole > x * (1.0 - near) && whole < x * (1.0 + near))
			break;
	}
	return ratio_reduce(scale, (uint64_t)(p * (double)scale + 0.5), num, den);
}

bool plan_ratio(const struct plan *p, const struct plan_work *w, uint32_t *num, uint32_t *den)
{
	const uint32_t spaced = 1u << AUX_packet_interval | 1u << AUX_packet_space;
	const uint32_t drawn = 1u << AUX_size | 1u << AUX_population;
	uint64_t interval = w->aux[AUX_packet_interval], space = w->aux[AUX_packet_space];
	double probability;

	if ((p->aux & spaced) == spaced && space <= UINT64_MAX - interval &&
	    ratio_reduce(interval + space, interval, num, den))
		return true;
	if ((p->aux & drawn) == drawn &&
		ratio_reduce(w->aux[AUX_population], w->aux[AUX_size], num, den))
		return true;
	memcpy(&probability, &w->aux[AUX_probability], sizeof(probability));
	if (p->aux & 1u << AUX_probability && ratio_of_probability(probability, num, den))
		return true;
	/*
	 * Cisco's IPFIX: one packet is taken, IE 305, and no Element says that any is skipped.
	 * Several in a row, and what is between the rows is not told: no interval.
	 */
	return (p->aux & (spaced | drawn)) == 1u << AUX_packet_interval && interval == 1 &&
		ratio_reduce(1, 1, num, den);
}
