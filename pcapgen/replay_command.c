/*
 * replay_command.c - `pcapgen replay`: options and summary.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/daemon.h"
#include "pcapgen/arguments.h"
#include "pcapgen/commands.h"
#include "pcapgen/replay.h"
#include "pcapgen/yaml.h"

enum { SEND_BUFFER_OCTETS = 4 << 20, LATE_MS = 1000 };

struct replay_options {
	const char *to, *truth;
	uint64_t late_ms;
	struct output_options out;
};

static void replay_usage(FILE *to)
{
	fputs("usage: pcapgen replay FLOWS.pcap --to HOST:PORT [OPTION]...\n\n"
	      "  --to HOST:PORT        the receiver\n"
	      "  --speed N|max         N times the captured pace, 0.001 to 1000000 (default 1), or "
	      "without pauses\n"
	      "  --loop N              the whole capture N times\n"
	      "  --reanchor            move the times inside, so that the first export of each "
	      "exporter reads now\n"
	      "  --keep-source         from the exporters' captured addresses and ports (needs "
	      "CAP_NET_RAW or CAP_NET_ADMIN)\n"
	      "  --source ADDRESS      all from this address of ours\n"
	      "  --sources PREFIX      the n-th exporter from the n-th address of ours, like "
	      "127.1.0.0/16\n"
	      "  --port PORT           only what was sent to this port\n"
	      "  --truth FILE          what was handed over, one line a flow record; - is stdout\n"
	      "  --elements            the truth also has each record's Information Elements\n"
	      "  --late MS             exit 4 when the schedule was missed by more (default 1000)\n"
	      "  --help\n",
		to);
}

static int read_speed(const char *text, uint64_t *milli)
{
	char scaled[40];

	*milli = 0;
	if (!strcmp(text, "max"))
		return 0;
	if (strlen(text) > 30 || snprintf(scaled, sizeof(scaled), "%sk", text) < 0 ||
		!number_parse(scaled, milli) || *milli < 1 || *milli > 1000000000)
		return usage_error("replay",
			"--speed \"%s\": a number from 0.001 to 1000000, or \"max\", is expected",
			text);
	return 0;
}

static int one_source(struct replay_job *job, enum replay_source kind)
{
	if (job->source_kind != SOURCE_ANY)
		return usage_error(
			"replay", "only one of --keep-source, --source, --sources is expected");
	job->source_kind = kind;
	return 0;
}

static int read_replay_option(int option, struct replay_options *o, struct replay_job *job);

enum { TO = 1000, SPEED, LOOP, REANCHOR, KEEP_SOURCE, SOURCE, SOURCES, PORT, TRUTH, ELEMENTS, LATE,
	HELP };

static int read_replay_options(
	int argc, char **argv, struct replay_options *o, struct replay_job *job)
{
	static const struct option longs[] = { { "to", required_argument, NULL, TO },
		{ "speed", required_argument, NULL, SPEED },
		{ "loop", required_argument, NULL, LOOP },
		{ "reanchor", no_argument, NULL, REANCHOR },
		{ "keep-source", no_argument, NULL, KEEP_SOURCE },
		{ "source", required_argument, NULL, SOURCE },
		{ "sources", required_argument, NULL, SOURCES },
		{ "port", required_argument, NULL, PORT },
		{ "truth", required_argument, NULL, TRUTH },
		{ "elements", no_argument, NULL, ELEMENTS },
		{ "late", required_argument, NULL, LATE }, { "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 } };
	int option, err = 0;

	while (!err && (option = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		err = read_replay_option(option, o, job);
	if (err)
		return err;
	if (optind + 1 != argc)
		return usage_error("replay",
			optind == argc ? "FLOWS.pcap is missing"
				       : "\"%s\": one capture is expected",
			argv[argc - 1]);
	job->path = argv[optind];
	if (job->loops > 1 && !strcmp(job->path, "-"))
		return usage_error("replay", "--loop: standard input can be read once only");
	if (job->elements && !o->truth)
		return usage_error("replay", "--elements is of --truth FILE, which is missing");
	if (!o->to)
		return usage_error("replay", "--to HOST:PORT is missing");
	return read_endpoint("replay", "--to", o->to, &o->out.to);
}

static int read_replay_option(int option, struct replay_options *o, struct replay_job *job)
{
	const char *const name = "replay";
	struct endpoint source;
	uint64_t v = 0;
	int err;

	switch (option) {
	case TO:
		o->to = optarg;
		return 0;
	case SPEED:
		return read_speed(optarg, &job->speed_milli);
	case LOOP:
		return read_number(name, "--loop", optarg, 1, 1000000000, &job->loops);
	case REANCHOR:
		job->reanchor = true;
		return 0;
	case KEEP_SOURCE:
		return one_source(job, SOURCE_KEPT);
	case SOURCE:
		err = read_source(name, optarg, &source);
		job->source = source.addr;
		return err ? err : one_source(job, SOURCE_ONE);
	case SOURCES:
		if (!prefix_parse(&job->sources, optarg, NULL))
			return usage_error(name,
				"--sources \"%s\": a prefix like 127.1.0.0/16 is expected", optarg);
		return one_source(job, SOURCE_MAPPED);
	case PORT:
		err = read_number(name, "--port", optarg, 1, 65535, &v);
		job->port = (uint16_t)v;
		return err;
	case TRUTH:
		o->truth = optarg;
		return 0;
	case ELEMENTS:
		job->elements = true;
		return 0;
	case LATE:
		return read_number(name, "--late", optarg, 0, 3600000, &o->late_ms);
	case 'h':
	case HELP:
		replay_usage(stdout);
		exit(0);
	default:
		return EXIT_USAGE;
	}
}

static void summarize(const struct replay_options *o, const struct replay_job *job,
		      const struct sender_counts *counts)
{
	struct summary r;

	summary_init(&r, o->truth && !strcmp(o->truth, "-"));
	summary_number(&r, "datagrams", job->total.datagrams);
	if (job->truth) {	/* without a truth nobody looked inside */
		summary_number(&r, "records", job->total.records);
		summary_number(&r, "octets", job->total.octets);
	}
	summary_number(&r, "wire_octets", job->total.wire_octets);
	summary_number(&r, "send_errors", job->total.send_errors);
	summary_errors(&r, counts);
	summary_number(&r, "exporters", job->exporters);
	summary_number(&r, "packets_read", job->capture.packets);
	summary_number(&r, "not_udp", job->capture.other);
	summary_number(&r, "not_exports", job->not_exports);
	summary_number(&r, "other_port", job->other_port);
	summary_number(&r, "cut", job->capture.cut);
	summary_number(&r, "fragments", job->capture.fragments);
	summary_number(&r, "joined", job->capture.joined);
	summary_milli(&r, "seconds", job->elapsed_ns / 1000000);
	summary_text(&r, "rate_unit", "datagrams/s");
	summary_milli(
		&r, "rate_reached", pace_reached_milli(job->total.datagrams, job->elapsed_ns));
	summary_milli(&r, "late_max_ms", job->pace.late_max_ns / 1000);
}

static int conclude(
	const struct replay_options *o, struct replay_job *job, int run_failed, const char *run_why)
{
	struct sender_counts counts = job->class->counts(job->output);
	char why[OUTPUT_WHY];
	int status = 0;

	progress_end(job->progress);
	if (job->class->close(job->output, why)) {
		fprintf(stderr, "pcapgen replay: %s\n", why);
		status = EXIT_ENVIRONMENT;
	}
	if (!run_failed || job->capture.packets)
		summarize(o, job, &counts);
	if (job->truth && truth_finish(job->truth)) {
		fprintf(stderr, "pcapgen replay: --truth %s: %s\n", o->truth, strerror(errno));
		status = EXIT_ENVIRONMENT;
	}
	if (fflush(stdout)) {
		fprintf(stderr, "pcapgen replay: standard output: %s\n", strerror(errno));
		status = EXIT_ENVIRONMENT;
	}
	if (run_failed) {
		fprintf(stderr, "pcapgen replay: %s\n", run_why);
		return EXIT_ENVIRONMENT;
	}
	if (job->total.send_errors)
		fprintf(stderr,
			"pcapgen replay: %llu datagrams were not taken; the truth is without "
			"them\n",
			(unsigned long long)job->total.send_errors);
	if (job->exporters > 1 &&
		(job->source_kind == SOURCE_ANY || job->source_kind == SOURCE_ONE))
		fprintf(stderr,
			"pcapgen replay: %zu exporters of the capture were sent from one address: "
			"a collector may take "
			"them for one; --keep-source or --sources PREFIX keeps them apart\n",
			job->exporters);
	if (status)
		return status;
	if (job->total.send_errors && !job->total.datagrams)
		return EXIT_ENVIRONMENT;
	if (job->stopped) {
		fprintf(stderr,
			"pcapgen replay: stopped by a signal; what was sent is in the truth\n");
		return EXIT_RUNTIME;
	}
	if (job->pace.late_max_ns > o->late_ms * 1000000) {
		fprintf(stderr,
			"pcapgen replay: missed the schedule by %llu ms; %llu ms were allowed "
			"(--late)\n",
			(unsigned long long)(job->pace.late_max_ns / 1000000),
			(unsigned long long)o->late_ms);
		return EXIT_LATE;
	}
	return 0;
}

int command_replay(int argc, char **argv)
{
	struct progress progress;
	struct replay_job job = { .speed_milli = 1000, .loops = 1, .progress = &progress,
		.class = output_find("udp") };
	struct replay_options o = { .late_ms = LATE_MS,
		.out = { .send_buffer = SEND_BUFFER_OCTETS } };
	char why[OUTPUT_WHY];
	int status = read_replay_options(argc, argv, &o, &job);

	if (status)
		return status;
	job.output = job.class->open(&o.out, why);
	if (!job.output) {
		fprintf(stderr, "pcapgen replay: %s\n", why);
		return EXIT_ENVIRONMENT;
	}
	if (o.truth && !(job.truth = truth_create(o.truth,
				 job.elements ? TRUTH_ELEMENTS : TRUTH_WIDE))) {
		fprintf(stderr, "pcapgen replay: --truth %s: %s\n", o.truth, strerror(errno));
		job.class->close(job.output, why);
		return EXIT_ENVIRONMENT;
	}
	stop_on_signals();
	progress_init(&progress, "replay");
	status = replay_run(&job, why);
	return conclude(&o, &job, status, why);
}
