/*
 * chunk.c - see chunk.h.
 */
#include "nfacctd/chunk.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include "base/log.h"

/* v * num / den with the remainder carried; 2^64 - 1 at most. */
static uint64_t scale(uint64_t v, uint32_t num, uint32_t den, uint32_t *carry, uint64_t *overflowed)
{
	unsigned __int128 product = (unsigned __int128)v * num;

	if (den != 1) {
		product += *carry;
		*carry = (uint32_t)(product % den);
		product /= den;
	}
	if (product > UINT64_MAX) {
		(*overflowed)++;
		return UINT64_MAX;
	}
	return (uint64_t)product;
}

/*
 * The interval in force; false when none is known, and a rate of 0 is none.  `mapped` is that
 * of sampling_map, 0 for none: it goes before what the exporter says.
 */
static bool interval_of(const struct settings *s, const struct flow_record *r, uint32_t mapped,
			uint32_t *num, uint32_t *den)
{
	const bool told = mapped || (flow_has(r, FLOW_sampling_num) && r->sampling_num);

	*num = mapped ? mapped : r->sampling_num;
	*den = !mapped && flow_has(r, FLOW_sampling_den) && r->sampling_den ? r->sampling_den : 1;
	if (s->ext_sampling_rate && (s->ext_sampling_rate_mode == EXT_RATE_OVERRIDE || !told)) {
		*num = s->ext_sampling_rate;
		*den = 1;
		return true;
	}
	return told;
}

/*
 * What is left of earlier divisions by `den`.  Beyond CARRIES denominators, which only somebody
 * who plays with them has, the rest are rounded to the nearest, record by record.
 */
static struct scale_carry *carry_of(struct chunk_state *state, uint32_t den)
{
	struct scale_carry *const last = &state->carry[CARRIES];

	for (uint32_t i = 0; i < CARRIES; i++) {
		struct scale_carry *c = &state->carry[(den + i) % CARRIES];

		if (c->den == den)
			return c;
		if (!c->den) {
			c->den = den;
			return c;
		}
	}
	*last = (struct scale_carry){ .den = den, .octets = den / 2, .packets = den / 2 };
	return last;
}

static void renormalize(struct chunk_state *state, const struct settings *s, bool options,
			const struct flow_record *r, uint32_t mapped, struct sums *sums)
{
	struct scale_carry *c;
	uint32_t num, den;

	if (!interval_of(s, r, mapped, &num, &den)) {
		state->counts.unscaled += !options;
		return;
	}
	if (num == den)
		return;
	c = carry_of(state, den);
	sums->octets = scale(sums->octets, num, den, &c->octets, &state->counts.overflowed);
	sums->packets = scale(sums->packets, num, den, &c->packets, &state->counts.overflowed);
	state->counts.rescaled++;
}

/* Whether a flow can have begun then, as far as the settings say. */
static bool is_possible(const struct settings *s, const struct flow_origin *o, uint64_t t)
{
	const uint64_t limit = (uint64_t)s->time_limit * 1000000;
	const uint64_t ahead = (uint64_t)s->time_ahead * 1000000;
	uint64_t off = t > o->recv_us ? t - o->recv_us : o->recv_us - t;

	return (!limit || off <= limit) && (!ahead || t <= o->recv_us || off <= ahead);
}

/* An exporter that meters flows twice is told of once: what of it counts is a decision. */
static void notice_way(struct chunk_state *state, const struct flow_origin *o, uint8_t direction)
{
	struct stream *s = o->stream;
	char exporter[ADDR_TEXT];

	if (direction <= 1)
		s->ways = (uint8_t)(s->ways | 1u << direction);
	if (s->ways != 3 || s->both_ways || !log_allow(&state->told_us, o->recv_us, 1000000))
		return;
	s->both_ways = true;
	log_warn("exporter %s domain %u: sends ingress and egress records: flows that are metered "
		 "twice count twice (nfacctd_direction)",
		 addr_print(&o->exporter, exporter), o->domain);
}

/* An exporter whose octets grow from record to record of a long flow is told of once. */
static void notice_totals(struct chunk_state *state, const struct flow_origin *o)
{
	struct stream *s = o->stream;
	char exporter[ADDR_TEXT];

	if (!s->totals || s->told_totals || !log_allow(&state->told_us, o->recv_us, 1000000))
		return;
	s->told_totals = true;
	log_warn("exporter %s domain %u: sends total counters (IE 85), which count as they are: a "
		 "flow that it exports twice counts twice",
		 addr_print(&o->exporter, exporter), o->domain);
}

/* Does a record with a direction count?  IE 61 is 0 or 1 (RFC 5102 5.11.6), else it says none. */
static bool right_way(struct chunk_state *state, const struct settings *s,
		      const struct flow_origin *o, const struct flow_record *r)
{
	enum direction_policy p = s->direction;

	if (state->directions)
		p = directions_find(state->directions, &o->exporter, r, p);
	if (p == DIRECTION_BOTH) {
		notice_way(state, o, r->direction);
		return true;
	}
	if (r->direction > 1 || (p == DIRECTION_EGRESS) == (r->direction == 1))
		return true;
	state->counts.other_way++;
	state->counts.other_way_octets += r->octets;
	state->counts.other_way_packets += r->packets;
	return false;
}

/*
 * Events, which count neither octets nor packets, are for plugins that account them; records of
 * the other direction are for none.
 */
static bool is_taken(struct chunk_state *state, const struct settings *s,
		     const struct flow_origin *o, const struct flow_record *r, bool *event)
{
	if (o->options) {
		state->counts.options++;
		return true;
	}
	if (!flow_has(r, FLOW_octets)) {
		if (!r->packets) {
			state->counts.events++;
			*event = true;
			return state->events;
		}
		state->counts.no_octets++;
	}
	return !flow_has(r, FLOW_direction) || right_way(state, s, o, r);
}

/* The records that count, and what they count, as exported. */
static void take_traffic(struct chunk *c, struct chunk_state *state, const struct settings *s,
			 const struct flow_record *rec, size_t n)
{
	/* All but every record has an octet counter and neither of the others. */
	static const uint64_t looked_at =
		FLOW_BIT(octets) | FLOW_BIT(direction) | FLOW_BIT(flows);
	struct agg_total total = { 0, 0 };
	size_t kept = 0;

	c->events = 0;
	for (const struct flow_record *r = rec; r < rec + n; r++) {
		const bool usual = (r->present & looked_at) == FLOW_BIT(octets) && !c->origin->options;
		struct sums *to = &c->sums[kept];
		bool event = false;

		if (!usual && !is_taken(state, s, c->origin, r, &event))
			continue;
		c->events |= (uint64_t)event << kept;
		to->packets = r->packets;
		to->octets = r->octets;
		/* Some say 0 in each record (IE 3): a record is a flow, as it is to 1.7.7. */
		to->flows = usual || !flow_has(r, FLOW_flows) || !r->flows ? 1 : r->flows;
		to->tcp_flags = r->tcp_flags;
		total.octets += r->octets;
		total.packets += r->packets;
		c->rec[kept++] = r;
	}
	c->n = kept;
	c->total = total;
}

static void bound_times(struct chunk *c)
{
	uint64_t earliest = UINT64_MAX, latest = 0;

	for (size_t i = 0; i < c->n; i++) {
		const uint64_t t = c->time_us[i];

		earliest = t < earliest ? t : earliest;
		latest = t > latest ? t : latest;
	}
	c->earliest_us = earliest;
	c->latest_us = latest;
}

/*
 * What picks the bin.  time_us is when each flow began, or its message was written; its arrival
 * takes the place of what cannot be true, or, when asked for, of all.
 */
static void take_times(struct chunk *c, struct chunk_counts *counts, const struct settings *s)
{
	const uint64_t arrival = c->origin->recv_us;

	bound_times(c);
	/* What lies between two times that can be true can be true. */
	if (!s->time_new && is_possible(s, c->origin, c->earliest_us) &&
	    is_possible(s, c->origin, c->latest_us)) {
		memset(c->by_flow, true, sizeof(c->by_flow));
		return;
	}
	for (size_t i = 0; i < c->n; i++) {
		c->by_flow[i] = !s->time_new && is_possible(s, c->origin, c->time_us[i]);
		if (!c->by_flow[i])
			c->time_us[i] = arrival;
		counts->clamped += !s->time_new && !c->by_flow[i];
	}
	bound_times(c);
}

static void take_starts(struct chunk *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->time_us[i] = flow_has(c->rec[i], FLOW_first_us) ? c->rec[i]->first_us
								   : c->origin->export_us;
}

static void take_rates(struct chunk *c, struct chunk_state *state)
{
	struct tags tags;

	c->mapped = state->sampling != NULL;
	for (size_t i = 0; c->mapped && i < c->n; i++) {
		tagmap_find(state->sampling, &state->view, c->origin, c->rec[i], &tags);
		c->rate[i] = (uint32_t)tags.tag;
	}
}

void chunk_state_clear(struct chunk_state *state)
{
	tag_view_clear(&state->view);
}

/* Sums, starts and rates are there; `all`: what says the intervals, NULL: each record. */
static void correct(struct chunk *c, struct chunk_state *state, const struct settings *s,
		    const struct flow_record *all)
{
	struct chunk_counts *counts = &state->counts;
	const uint64_t unscaled = counts->unscaled, clamped = counts->clamped;

	notice_totals(state, c->origin);
	counts->octets += c->total.octets;
	counts->packets += c->total.packets;
	if (state->timed)
		take_times(c, counts, s);
	if (s->renormalize) {
		c->total = (struct agg_total){ 0, 0 };
		for (size_t i = 0; i < c->n; i++) {
			renormalize(state, s, c->origin->options, all ? all : c->rec[i],
				c->mapped ? c->rate[i] : 0, &c->sums[i]);
			c->total.octets += c->sums[i].octets;
			c->total.packets += c->sums[i].packets;
		}
	}
	counts->scaled_octets += c->total.octets;
	counts->scaled_packets += c->total.packets;
	c->origin->stream->unscaled += counts->unscaled - unscaled;
	c->origin->stream->clamped += counts->clamped - clamped;
}

void chunk_prepare(struct chunk *c, struct chunk_state *state, const struct settings *s,
		   const struct flow_origin *origin, const struct flow_record *rec, size_t n)
{
	c->direct = false;
	c->origin = origin;
	c->first = rec;
	state->counts.records += n;
	take_traffic(c, state, s, rec, n);
	if (state->timed)
		take_starts(c);
	take_rates(c, state);
	correct(c, state, s, NULL);
}

/* What is left out by its direction is looked at record by record. */
uint64_t direct_without(const struct settings *s)
{
	const bool all_ways = s->direction == DIRECTION_BOTH && !s->direction_map;

	return FLOW_BIT(flows) | (all_ways ? 0 : FLOW_BIT(direction));
}

size_t chunk_columns(struct chunk *c, const struct chunk_state *state, struct flow_column *to)
{
	const struct flow_column columns[CHUNK_COLUMNS] = {
		{ (uint8_t *)&c->sums[0].octets, sizeof(c->sums[0]), FLOW_octets, false, false },
		{ (uint8_t *)&c->sums[0].packets, sizeof(c->sums[0]), FLOW_packets, false, false },
		{ (uint8_t *)c->time_us, sizeof(c->time_us[0]), FLOW_first_us, true, false },
		{ c->tcp_flags, sizeof(c->tcp_flags[0]), FLOW_tcp_flags, false, false },
		{ c->direction, sizeof(c->direction[0]), FLOW_direction, true, false },
	};
	const bool wanted[CHUNK_COLUMNS] = { true, true, state->timed, state->flags, true };
	size_t n = 0;

	for (size_t i = 0; i < CHUNK_COLUMNS; i++)
		if (wanted[i])
			to[n++] = columns[i];
	return n;
}

struct flow_area chunk_area(struct chunk *c)
{
	static_assert(offsetof(struct sums, packets) == 0 && offsetof(struct sums, octets) == 8,
		      "two counters side by side");
	return (struct flow_area){ (uint8_t *)c->sums, sizeof(c->sums[0]), 16 };
}

void chunk_prepare_direct(struct chunk *c, struct chunk_state *state, const struct settings *s,
			  const struct flow_origin *origin, const struct flow_record *all, size_t n)
{
	struct agg_total total = { 0, 0 };

	c->direct = true;
	c->events = 0;
	c->origin = origin;
	c->mapped = false;
	c->n = n;
	state->counts.records += n;
	for (size_t i = 0; i < n; i++) {
		total.octets += c->sums[i].octets;
		total.packets += c->sums[i].packets;
	}
	for (size_t i = 0; state->flows && i < n; i++)
		c->sums[i].flows = 1;
	for (size_t i = 0; state->flags && i < n; i++)
		c->sums[i].tcp_flags = c->tcp_flags[i];
	for (size_t i = 0; state->timed && !flow_has(all, FLOW_first_us) && i < n; i++)
		c->time_us[i] = origin->export_us;
	for (size_t i = 0; flow_has(all, FLOW_direction) && i < n; i++)
		notice_way(state, origin, c->direction[i]);
	c->total = total;
	correct(c, state, s, all);
}
