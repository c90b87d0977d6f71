/*
 * summary.c - progress and summary.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "pcapgen/summary.h"

enum { PROGRESS_NS = 500000000 };

void tally_add(struct tally *sum, const struct tally *t)
{
	sum->datagrams += t->datagrams;
	sum->records += t->records;
	sum->octets += t->octets;
	sum->wire_octets += t->wire_octets;
	sum->send_errors += t->send_errors;
}

void progress_init(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .shown = isatty(STDERR_FILENO) };
}

void progress_show(struct progress *p, uint64_t now_ns, const struct tally *t, int percent)
{
	if (!p->shown || now_ns < p->next_ns)
		return;
	p->next_ns = now_ns + PROGRESS_NS;
	fprintf(stderr, "\r%s: %" PRIu64 " datagrams, %" PRIu64 " records", p->what, t->datagrams,
		t->records);
	if (percent >= 0)
		fprintf(stderr, ", %d %%", percent);
	fprintf(stderr, "\x1b[K");
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\x1b[K");
}

void summary_init(struct summary *r, bool stdout_taken)
{
	r->to = stdout_taken ? stderr : stdout;
	r->terminal = isatty(fileno(r->to));
}

void summary_text(const struct summary *r, const char *name, const char *value)
{
	fprintf(r->to, r->terminal ? "%-16s %20s\n" : "%s\t%s\n", name, value);
}

void summary_number(const struct summary *r, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	summary_text(r, name, text);
}

void summary_milli(const struct summary *r, const char *name, uint64_t milli)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%03u", milli / 1000, (unsigned)(milli % 1000));
	summary_text(r, name, text);
}

void summary_tally(const struct summary *r, const struct tally *t)
{
	summary_number(r, "datagrams", t->datagrams);
	summary_number(r, "records", t->records);
	summary_number(r, "octets", t->octets);
	summary_number(r, "wire_octets", t->wire_octets);
	summary_number(r, "send_errors", t->send_errors);
}

void summary_exporter(const struct summary *r, const char *name, const struct tally *t)
{
	if (r->terminal) {
		fprintf(r->to,
			"  %-24s %12" PRIu64 " datagrams %14" PRIu64 " records %20" PRIu64
			" octets",
			name, t->datagrams, t->records, t->octets);
		if (t->send_errors)
			fprintf(r->to, " %10" PRIu64 " not sent", t->send_errors);
		fputc('\n', r->to);
		return;
	}
	fprintf(r->to, "exporter_datagrams{exporter=\"%s\"}\t%" PRIu64 "\n", name, t->datagrams);
	fprintf(r->to, "exporter_records{exporter=\"%s\"}\t%" PRIu64 "\n", name, t->records);
	fprintf(r->to, "exporter_octets{exporter=\"%s\"}\t%" PRIu64 "\n", name, t->octets);
	fprintf(r->to, "exporter_send_errors{exporter=\"%s\"}\t%" PRIu64 "\n", name,
		t->send_errors);
}

void summary_errors(const struct summary *r, const struct sender_counts *c)
{
	const struct { const char *name; uint64_t n;
	} causes[] = { { "errors_buffer_full", c->eagain }, { "errors_too_long", c->emsgsize },
		{ "errors_refused", c->refused }, { "errors_unreachable", c->unreachable },
		{ "errors_other", c->other } };

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].n)
			summary_number(r, causes[i].name, causes[i].n);
}

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

void stop_on_signals(void)
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = on_signal;	/* no SA_RESTART: a sleep ends */
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool stop_asked(void)
{
	return stop;
}
