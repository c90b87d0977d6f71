/*
 * craft_command.c - `pcapgen craft`: options, checks between them, the summary.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/daemon.h"
#include "base/strbuf.h"
#include "pcapgen/arguments.h"
#include "pcapgen/commands.h"
#include "pcapgen/craft.h"
#include "pcapgen/pool.h"

enum { SEND_BUFFER_OCTETS = 4 << 20, LATE_MS = 1000, WORKERS_UNASKED = 4 };

struct craft_options {
	const char *scenario, *to, *write, *destination, *rate, *truth, *source;
	uint64_t seed, late_ms, workers;	/* workers 0: as many as fit the machine */
	bool has_seed;
};

static void craft_usage(FILE *to)
{
	fputs("usage: pcapgen craft --scenario FILE (--to HOST:PORT | --write OUT.pcap) "
	      "[OPTION]...\n\n"
	      "  --scenario FILE       what to make: pcapgen-scenario(5); - is stdin\n"
	      "  --to HOST:PORT        send by UDP, a socket per exporter, on the scenario's "
	      "schedule\n"
	      "  --write FILE          write a capture instead, at once\n"
	      "  --destination H:P     destination in the capture's frames (default 192.0.2.1 or "
	      "2001:db8::1, port 2055)\n"
	      "  --seed N              instead of the scenario's\n"
	      "  --rate R              instead of the scenario's: \"N\", \"N records/s\", \"N "
	      "datagrams/s\", \"max\"\n"
	      "  --source ADDRESS      send all from this address of ours instead of the "
	      "exporters'\n"
	      "  --truth FILE          what was handed over, one line a flow record; - is stdout\n"
	      "  --workers N           threads that make a capture, 1 to 16 (default one a core, at "
	      "most 4);\n"
	      "                        its octets and the truth's are the same\n"
	      "  --late MS             exit 4 when the schedule was missed by more (default 1000)\n"
	      "  --help\n",
		to);
}

static bool is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

static int read_craft_options(int argc, char **argv, struct craft_options *o)
{
	enum { SCENARIO = 1000, TO, WRITE, DESTINATION, SEED, RATE, SOURCE, TRUTH, LATE,
		WORKERS, HELP };
	static const struct option longs[] = { { "scenario", required_argument, NULL, SCENARIO },
		{ "to", required_argument, NULL, TO }, { "write", required_argument, NULL, WRITE },
		{ "destination", required_argument, NULL, DESTINATION },
		{ "seed", required_argument, NULL, SEED },
		{ "rate", required_argument, NULL, RATE },
		{ "source", required_argument, NULL, SOURCE },
		{ "truth", required_argument, NULL, TRUTH },
		{ "late", required_argument, NULL, LATE },
		{ "workers", required_argument, NULL, WORKERS },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 } };
	const char *const name = "craft";
	int option, err = 0;

	while (!err && (option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (option) {
		case SCENARIO: o->scenario = optarg; break;
		case TO: o->to = optarg; break;
		case WRITE: o->write = optarg; break;
		case DESTINATION: o->destination = optarg; break;
		case RATE: o->rate = optarg; break;
		case SOURCE: o->source = optarg; break;
		case TRUTH: o->truth = optarg; break;
		case SEED:
			o->has_seed = true;
			err = read_number(name, "--seed", optarg, 0, UINT64_MAX, &o->seed);
			break;
		case LATE:
			err = read_number(name, "--late", optarg, 0, 3600000, &o->late_ms);
			break;
		case WORKERS:
			err = read_number(name, "--workers", optarg, 1, POOL_MAX, &o->workers);
			break;
		case 'h':
		case HELP:
			craft_usage(stdout);
			exit(0);
		default:
			return EXIT_USAGE;
		}
	}
	if (err)
		return err;
	if (optind < argc)
		return usage_error(name, "\"%s\": no argument is expected", argv[optind]);
	if (!o->scenario)
		return usage_error(name, "--scenario FILE is missing");
	if (!o->to == !o->write)
		return usage_error(name, "either --to HOST:PORT or --write FILE is expected");
	if (is_stdout(o->write) && is_stdout(o->truth))
		return usage_error(
			name, "--write - and --truth -: one of them can have standard output");
	if (o->destination && !o->write)
		return usage_error(name, "--destination goes with --write");
	if (o->workers && !o->write)
		return usage_error(name, "--workers goes with --write");
	return 0;
}

/* Who would be one exporter to a collector when all send from one address. */
static bool sources_collide(const struct scenario *sc, const char **a, const char **b)
{
	for (size_t i = 0; i < sc->nexporters; i++)
		for (size_t k = 0; k < i; k++) {
			const struct exporter_spec *x = &sc->exporters[i], *y = &sc->exporters[k];

			if (x->protocol == y->protocol && x->domain == y->domain &&
				x->protocol != PROTO_SFLOW) {
				*a = y->name;
				*b = x->name;
				return true;
			}
			if (x->port && x->port == y->port) {
				*a = y->name;
				*b = x->name;
				return true;
			}
		}
	return false;
}

static int prepare(const struct craft_options *o, struct scenario *sc, struct craft_job *job,
		   struct output_options *out)
{
	const char *a, *b;
	int err;

	if (o->has_seed)
		sc->seed = o->seed;
	if (o->rate && !rate_parse(o->rate, &sc->rate, &sc->rate_unit))
		return usage_error("craft",
			"--rate \"%s\": \"N\", \"N records/s\", \"N datagrams/s\" or \"max\" is "
			"expected",
			o->rate);
	if (o->write && !sc->rate)
		return usage_error(
			"craft", "rate max: a capture needs a rate, its times come from it");
	if (o->source) {
		err = read_source("craft", o->source, &job->source);
		if (err)
			return err;
		job->has_source = true;
		if (sources_collide(sc, &a, &b))
			return usage_error("craft",
				"--source %s: exporters \"%s\" and \"%s\" would be one to a "
				"collector: give them domains and ports of their own",
				o->source, a, b);
	}
	out->to = (struct endpoint){ .any = true, .port = 2055 };
	out->path = o->write;
	out->send_buffer = SEND_BUFFER_OCTETS;
	if (o->to)
		return read_endpoint("craft", "--to", o->to, &out->to);
	if (o->destination)
		return read_endpoint("craft", "--destination", o->destination, &out->to);
	return 0;
}

static void summarize(const struct craft_options *o, const struct craft_job *job,
	const struct sender_counts *counts)
{
	const struct scenario *sc = job->scenario;
	bool by_records = sc->rate_unit == RATE_RECORDS;
	uint64_t units = by_records ? job->total.records : job->total.datagrams;
	struct summary r;

	summary_init(&r, is_stdout(o->truth) || is_stdout(o->write));
	summary_tally(&r, &job->total);
	summary_errors(&r, counts);
	summary_milli(&r, "seconds", job->elapsed_ns / 1000000);
	summary_text(&r, "rate_unit", by_records ? "records/s" : "datagrams/s");
	if (sc->rate)
		summary_number(&r, "rate_asked", sc->rate);
	if (job->paced) {
		summary_milli(&r, "rate_reached", pace_reached_milli(units, job->elapsed_ns));
		summary_milli(&r, "late_max_ms", job->pace.late_max_ns / 1000);
		summary_milli(&r, "late_mean_ms",
			      job->pace.sends ? job->pace.late_sum_ns / job->pace.sends / 1000 : 0);
	}
	if (r.terminal && sc->nexporters > 40)
		return;
	for (size_t i = 0; i < sc->nexporters; i++)
		summary_exporter(&r, sc->exporters[i].name, &job->each[i]);
}

/* After the run: everything to its place, and how it went. */
static int conclude(const struct craft_options *o, struct craft_job *job)
{
	struct sender_counts counts = job->class->counts(job->output);
	char why[OUTPUT_WHY];
	int status = 0;

	progress_end(job->progress);
	if (job->class->close(job->output, why)) {
		fprintf(stderr, "pcapgen craft: %s\n", why);
		status = EXIT_ENVIRONMENT;
	}
	if (job->truth && truth_finish(job->truth)) {
		fprintf(stderr, "pcapgen craft: --truth %s: %s\n", o->truth, strerror(errno));
		status = EXIT_ENVIRONMENT;
	}
	summarize(o, job, &counts);
	if (fflush(stdout)) {
		fprintf(stderr, "pcapgen craft: standard output: %s\n", strerror(errno));
		status = EXIT_ENVIRONMENT;
	}
	if (job->total.send_errors)
		fprintf(stderr,
			"pcapgen craft: %llu datagrams were not taken; the truth is without them\n",
			(unsigned long long)job->total.send_errors);
	if (status)
		return status;
	if (job->total.send_errors && !job->total.datagrams)
		return EXIT_ENVIRONMENT;
	if (job->stopped) {
		fprintf(stderr,
			"pcapgen craft: stopped by a signal; what was sent is in the truth\n");
		return EXIT_RUNTIME;
	}
	if (job->paced && job->pace.late_max_ns > o->late_ms * 1000000) {
		fprintf(stderr,
			"pcapgen craft: missed the schedule by %llu ms; %llu ms were allowed "
			"(--late)\n",
			(unsigned long long)(job->pace.late_max_ns / 1000000),
			(unsigned long long)o->late_ms);
		return EXIT_LATE;
	}
	return 0;
}

/* One a core that we may use. */
static unsigned workers_wanted(const struct craft_options *o)
{
	cpu_set_t cores;
	int n;

	if (o->workers)
		return (unsigned)o->workers;
	n = sched_getaffinity(0, sizeof(cores), &cores) ? 1 : CPU_COUNT(&cores);
	return n > WORKERS_UNASKED ? WORKERS_UNASKED : (unsigned)n;
}

static int craft_with(const struct craft_options *o, struct scenario *sc)
{
	struct progress progress;
	struct craft_job job = { .scenario = sc, .progress = &progress, .paced = o->to != NULL,
		.workers = workers_wanted(o) };
	struct output_options out = { .path = NULL };
	char why[OUTPUT_WHY];
	int status = prepare(o, sc, &job, &out);

	if (status)
		return status;
	job.class = output_find(o->to ? "udp" : "pcap");
	job.output = job.class->open(&out, why);
	if (!job.output) {
		fprintf(stderr, "pcapgen craft: %s\n", why);
		return EXIT_ENVIRONMENT;
	}
	if (o->truth && !(job.truth = truth_create(o->truth, TRUTH_NARROW))) {
		fprintf(stderr, "pcapgen craft: --truth %s: %s\n", o->truth, strerror(errno));
		job.class->close(job.output, why);
		return EXIT_ENVIRONMENT;
	}
	stop_on_signals();
	progress_init(&progress, "craft");
	job.each = xcalloc(sc->nexporters, sizeof(*job.each));
	if (job.paced ? craft_run(&job, why) : craft_file(&job, why)) {
		fprintf(stderr, "pcapgen craft: %s\n", why);
		job.class->close(job.output, why);
		if (job.truth)
			truth_finish(job.truth);
		status = EXIT_ENVIRONMENT;
	} else {
		status = conclude(o, &job);
	}
	free(job.each);
	return status;
}

int command_craft(int argc, char **argv)
{
	struct craft_options o = { .late_ms = LATE_MS };
	char why[SCENARIO_WHY];
	struct scenario *sc;
	int status = read_craft_options(argc, argv, &o);

	if (status)
		return status;
	sc = scenario_load(o.scenario, why);
	if (!sc) {
		fprintf(stderr, "pcapgen craft: %s\n", why);
		return EXIT_USAGE;
	}
	status = craft_with(&o, sc);
	scenario_free(sc);
	return status;
}
