/*
 * ledger.c - the double entry: what came in, where it went, and that nothing is
 * left over.  Each worker is asked for a snapshot of one moment; a plugin's
 * flush publishes its own after every step; what a table swap has put between
 * the two is pending, until the engine has stopped.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/engine_private.h"

struct lane_shot {
	struct lane_counts lane;
	struct agg_counts table;
	uint64_t rows, bytes;
};

struct shot {
	struct decode_counts decode;
	struct chunk_counts chunk;
	struct batch_counts received;
	struct sequence_counts sequence;
	uint64_t datagrams, denied, proxied, streams, waiting;
	struct lane_shot *lane;
	struct decoder_loss *loss;
	size_t nlosses;
};

/* Sum the members of a struct that is nothing but uint64_t. */
static void add_all(void *to, const void *from, size_t size)
{
	uint64_t *t = to;
	const uint64_t *f = from;

	for (size_t i = 0; i < size / sizeof(*t); i++)
		t[i] += f[i];
}

#define ADD_ALL(to, from) do { \
		_Static_assert(sizeof(to) % sizeof(uint64_t) == 0, "counters only"); \
		add_all(&(to), &(from), sizeof(to)); \
	} while (0)

static void shoot(struct worker *w, void *arg)
{
	struct shot *s = arg;

	worker_count_drops(w);
	ADD_ALL(s->decode, *decoder_counts(w->decoder));
	ADD_ALL(s->chunk, w->state.counts);
	ADD_ALL(s->received, w->received);
	s->datagrams += w->datagrams;
	s->denied += w->denied;
	s->proxied += w->proxied;
	s->waiting += decoder_waiting(w->decoder);
	ADD_ALL(s->sequence, decoder_counts(w->decoder)->evicted_sequence);
	for (struct stream *st = decoder_stream_next(w->decoder, NULL); st;
	     st = decoder_stream_next(w->decoder, st)) {
		ADD_ALL(s->sequence, st->sequence);
		s->streams++;
	}
	for (struct decoder_loss *l = decoder_loss_next(w->decoder, NULL); l;
	     l = decoder_loss_next(w->decoder, l)) {
		s->loss = xrealloc(s->loss, (s->nlosses + 1) * sizeof(*s->loss));
		s->loss[s->nlosses++] = *l;
	}
	for (size_t i = 0; i < w->nlanes; i++) {
		const struct aggregate *t = lane_table(w->lane[i]);

		ADD_ALL(s->lane[i].lane, *lane_counts(w->lane[i]));
		ADD_ALL(s->lane[i].table, *aggregate_counts(t));
		s->lane[i].rows += aggregate_rows(t);
		s->lane[i].bytes += aggregate_bytes(t);
	}
}

static void core_rows(struct stats *out, const struct shot *s)
{
	const struct decode_counts *d = &s->decode;
	uint64_t refused = 0;

	stats_add(out, s->datagrams, "datagrams_received");
	stats_add(out, s->received.octets, "datagrams_octets");
	stats_add(out, s->received.kernel_drops, "kernel_drops");
	stats_add(out, s->received.truncated, "datagrams_truncated");
	stats_add(out, s->denied, "datagrams_denied");
	stats_add(out, s->proxied, "datagrams_proxied");
	stats_add(out, d->accepted, "datagrams_accepted");
	for (enum wire_err i = 0; i < WIRE_ERRORS_MAX; i++) {
		refused += d->refused[i];
		if (i != WIRE_OK)
			stats_add(out, d->refused[i], "datagrams_refused{cause=\"%s\"}",
				  wire_err_name(i));
	}
	for (enum wire_err i = 1; i < WIRE_ERRORS_MAX; i++)
		stats_add(out, d->damaged[i], "damaged{cause=\"%s\"}", wire_err_name(i));
	stats_add(out, d->no_template_octets, "no_template_octets");
	stats_add(out, d->held, "held_sets");
	stats_add(out, d->held_decoded, "held_decoded");
	stats_add(out, d->held_unscaled, "held_unscaled");
	stats_add(out, d->held_lost, "held_lost");
	stats_add(out, s->waiting, "held_waiting");
	stats_add(out, d->held - d->held_decoded - d->held_unscaled - d->held_lost - s->waiting,
		  "unexplained_held");
	stats_add(out, s->datagrams - s->denied - d->accepted - refused, "unexplained_datagrams");
	stats_add(out, d->records, "records_decoded");
	stats_add(out, d->columns, "records_direct");
	stats_add(out, d->reversed, "records_reversed");
	stats_add(out, s->chunk.events, "records_events");
	stats_add(out, s->chunk.options, "records_options");
	stats_add(out, d->sections, "records_sections");
	stats_add(out, s->chunk.other_way, "records_other_direction");
	stats_add(out, s->chunk.other_way_octets, "octets_other_direction");
	stats_add(out, s->chunk.other_way_packets, "packets_other_direction");
	stats_add(out, s->chunk.no_octets, "records_without_octets");
	stats_add(out, s->chunk.clamped, "records_clamped");
	stats_add(out, s->chunk.rescaled, "records_rescaled");
	stats_add(out, s->chunk.unscaled, "records_unscaled");
	stats_add(out, d->unscaled, "records_unknown_sampler");
	stats_add(out, d->ambiguous, "records_ambiguous_sampler");
	stats_add(out, s->chunk.overflowed, "products_overflowed");
	stats_add(out, s->chunk.octets, "octets_exported");
	stats_add(out, s->chunk.packets, "packets_exported");
	stats_add(out, s->chunk.scaled_octets, "octets_scaled");
	stats_add(out, s->chunk.scaled_packets, "packets_scaled");
	stats_add(out, d->records - s->chunk.records, "unexplained_records");
	stats_add(out, d->option_records, "option_records");
	stats_add(out, d->counter_samples, "counter_samples");
	stats_add(out, d->agent_drops, "agent_drops");
	stats_add(out, d->templates, "templates");
	stats_add(out, d->template_changes, "template_changes");
	stats_add(out, d->evicted_streams, "evicted_streams");
	stats_add(out, d->evicted_templates, "evicted_templates");
	stats_add(out, d->evicted_samplers, "evicted_samplers");
	stats_add(out, d->evicted_own, "evicted_own");
	stats_add(out, d->evicted_losses, "evicted_losses");
	stats_add(out, s->streams, "streams");
	stats_add(out, s->sequence.received, "sequence_received");
	stats_add(out, s->sequence.lost, "sequence_lost");
	stats_add(out, s->sequence.gaps, "sequence_gaps");
	stats_add(out, s->sequence.late, "sequence_late");
	stats_add(out, s->sequence.duplicates, "sequence_duplicates");
	stats_add(out, s->sequence.restarts, "sequence_restarts");
}

/* By name, as far as the decoder remembers: templates that nobody has told. */
static void loss_rows(struct stats *out, const struct shot *s)
{
	for (size_t i = 0; i < s->nlosses; i++) {
		const struct decoder_loss *l = &s->loss[i];
		char exporter[ADDR_TEXT];

		stats_add(out, l->octets,
			"no_template_octets{exporter=\"%s\",protocol=\"%s\",domain=\"%u\",template="
			"\"%u\"}",
			addr_print(&l->exporter, exporter), flow_protocol_name(l->protocol),
			l->domain, l->id);
	}
}

/* One side of the books: octets, or packets. */
struct account {
	uint64_t in, others, taken, table;			/* workers */
	uint64_t flush_taken, written, rejected, salvaged, lost, waiting, held, shed, saturated;
	uint64_t raised, unfit, lowered;			/* sql_preprocess */
	uint64_t spooled;
};

static void account_rows(struct stats *out, const char *plugin, const char *unit,
			 const struct account *a, bool stopped)
{
	uint64_t between = a->taken - a->flush_taken;
	uint64_t left = (a->in - a->others - a->taken - a->table) +
			(a->flush_taken - a->written - a->rejected - a->salvaged - a->lost -
			 a->waiting - a->held - a->shed - a->saturated + a->raised - a->unfit -
			 a->lowered - a->spooled) +
			(stopped ? between : 0);

	stats_add(out, a->in, "plugin_%s_in{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->written, "plugin_%s_written{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->table + a->waiting + a->held + (stopped ? 0 : between),
		  "plugin_%s_pending{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->others, "plugin_%s_others_dropped{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->rejected, "plugin_%s_rejected{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->salvaged, "plugin_%s_salvaged{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->lost, "plugin_%s_lost{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->shed, "plugin_%s_shed{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->saturated, "plugin_%s_saturated{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->spooled, "plugin_%s_spooled{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->unfit, "plugin_%s_unfit{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->raised, "plugin_%s_raised{plugin=\"%s\"}", unit, plugin);
	stats_add(out, a->lowered, "plugin_%s_lowered{plugin=\"%s\"}", unit, plugin);
	stats_add(out, left, "plugin_%s_unexplained{plugin=\"%s\"}", unit, plugin);
}

static void plugin_rows(struct stats *out, const char *name, const struct lane_shot *l,
			const struct flush_counts *f, uint64_t records, bool stopped)
{
	const struct preprocess_counts *p = &f->preprocess;
	const struct account octets = {
		l->lane.octets,		 l->lane.others_octets, l->lane.taken_octets,
		l->table.octets,	 f->taken_octets,	f->written_octets,
		f->sink.rejected_octets, f->salvaged_octets,	f->lost_octets,
		f->waiting_octets,	 f->held_octets,	f->shed_octets,
		f->saturated_octets,	 p->raised_octets,	p->unfit_octets,
		p->lowered_octets,	 f->sink.spooled_octets,
	};
	const struct account packets = {
		l->lane.packets,	  l->lane.others_packets, l->lane.taken_packets,
		l->table.packets,	  f->taken_packets,	  f->written_packets,
		f->sink.rejected_packets, f->salvaged_packets,	  f->lost_packets,
		f->waiting_packets,	  f->held_packets,	  f->shed_packets,
		f->saturated_packets,	  p->raised_packets,	  p->unfit_packets,
		0,			  f->sink.spooled_packets,
	};

	stats_add(out, l->lane.records, "plugin_records_in{plugin=\"%s\"}", name);
	stats_add(out, l->lane.filtered, "plugin_records_filtered{plugin=\"%s\"}", name);
	stats_add(out, l->lane.records - l->lane.filtered, "plugin_records_summed{plugin=\"%s\"}",
		  name);
	stats_add(out, l->lane.events, "plugin_records_events{plugin=\"%s\"}", name);
	stats_add(out, records + l->lane.events - l->lane.records, "plugin_records_unexplained{plugin=\"%s\"}",
		  name);
	stats_add(out, l->lane.entries, "plugin_entries{plugin=\"%s\"}", name);
	stats_add(out, f->shed + l->table.shed, "plugin_entries_shed{plugin=\"%s\"}", name);
	stats_add(out, l->lane.spread, "plugin_spread{plugin=\"%s\"}", name);
	stats_add(out, l->lane.not_spread, "plugin_not_spread{plugin=\"%s\"}", name);
	account_rows(out, name, "octets", &octets, stopped);
	account_rows(out, name, "packets", &packets, stopped);
	stats_add(out, l->rows, "plugin_table_rows{plugin=\"%s\"}", name);
	stats_add(out, l->bytes, "plugin_table_bytes{plugin=\"%s\"}", name);
	stats_add(out, f->waiting_rows, "plugin_waiting_rows{plugin=\"%s\"}", name);
	stats_add(out, f->purges, "plugin_purges{plugin=\"%s\"}", name);
	stats_add(out, f->rows, "plugin_rows{plugin=\"%s\"}", name);
	stats_add(out, f->sink.inserted, "plugin_rows_inserted{plugin=\"%s\"}", name);
	stats_add(out, f->sink.updated, "plugin_rows_updated{plugin=\"%s\"}", name);
	stats_add(out, f->sink.rejected, "plugin_rows_rejected{plugin=\"%s\"}", name);
	stats_add(out, f->sink.spooled, "plugin_purges_spooled{plugin=\"%s\"}", name);
	stats_add(out, f->sink.elsewhere, "plugin_purges_elsewhere{plugin=\"%s\"}", name);
	stats_add(out, f->sink.elsewhere_octets, "plugin_octets_elsewhere{plugin=\"%s\"}", name);
	stats_add(out, p->unfit, "plugin_rows_unfit{plugin=\"%s\"}", name);
	stats_add(out, f->sink.statements, "plugin_statements{plugin=\"%s\"}", name);
	stats_add(out, f->retries, "plugin_retries{plugin=\"%s\"}", name);
	stats_add(out, f->sink.reconnects, "plugin_reconnects{plugin=\"%s\"}", name);
	stats_add(out, f->sink.ambiguous, "plugin_ambiguous_commits{plugin=\"%s\"}", name);
	stats_add(out, f->sink.write_ns / 1000000, "plugin_write_ms{plugin=\"%s\"}", name);
}

void engine_stats(struct engine *e, struct stats *out)
{
	struct shot s = { .lane = xcalloc(e->nplugins, sizeof(*s.lane)) };
	struct flush_counts *f = xcalloc(e->nplugins, sizeof(*f));

	/* Flushes first: what they publish later was in a worker's table or between the two. */
	for (size_t i = 0; i < e->nplugins; i++)
		flush_read_counts(&e->plugin[i].flush, &f[i]);
	for (size_t i = 0; i < e->nworkers; i++)
		worker_do(&e->worker[i], shoot, &s);
	core_rows(out, &s);
	loss_rows(out, &s);
	stats_add(out, atomic_load(&e->budget.used), "memory_used_bytes");
	stats_add(out, e->budget.limit, "memory_budget_bytes");
	for (size_t i = 0; i < e->nplugins; i++)
		plugin_rows(out, e->plugin[i].settings->name, &s.lane[i], &f[i],
			    s.chunk.records - s.chunk.events - s.chunk.other_way, e->stopped);
	free(f);
	free(s.loss);
	free(s.lane);
}

/* ---- exporters ---- */

void engine_exporter_stats(struct engine *e, struct stats *out)
{
	struct exporters x;

	exporters_take(&x, e->worker, e->nworkers);
	exporters_stats(&x, out);
	exporters_clear(&x);
}

/* SIGUSR1 */
void engine_report(struct engine *e)
{
	const struct settings *s = e->settings;
	struct exporters x;
	struct stats all;
	char at[ADDR_TEXT + 32];

	snprintf(at, sizeof(at), "%s:%u", s->ip ? s->ip : "0.0.0.0", s->port);
	exporters_take(&x, e->worker, e->nworkers);
	log_info("+++");
	exporters_log(&x, at, clock_wall_us() / 1000000);
	log_info("---");
	exporters_clear(&x);
	stats_init(&all);
	engine_stats(e, &all);
	for (size_t i = 0; i < all.n; i++)
		if (all.rows[i].value)
			log_info("%s %" PRIu64, all.rows[i].name, all.rows[i].value);
	stats_clear(&all);
}
