/*
 * top.c - see top.h.
 *
 * The process that is asked answers with a file of all its counters; two of
 * these, a second apart, are rates.
 */
#include "top.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "replicator/control.h"

enum { INTERVAL_MS = 1000, NAME = 28, LINES_PIPE = 1000 };

struct counter {
	char *name;
	uint64_t value;
};

/* One answer, sorted by name. */
struct sample {
	struct counter *at;
	size_t n;
	char *text;
	uint64_t ns;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

static void sample_clear(struct sample *s)
{
	free(s->at);
	free(s->text);
	memset(s, 0, sizeof(*s));
}

static char *read_all(int fd)
{
	struct strbuf b = { 0 };
	char piece[65536];
	ssize_t n;
	off_t at = 0;

	strbuf_add(&b, "");
	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		strbuf_addn(&b, piece, (size_t)n);
		at += n;
	}
	return b.s;
}

static int sample_read(struct sample *s, const char *control)
{
	struct control_answer a;
	size_t room = 0;

	memset(s, 0, sizeof(*s));
	if (control_request(control, "stats", &a) < 0 || a.nfds != 1)
		return -1;
	s->ns = clock_mono_ns();
	s->text = read_all(a.fds[0]);
	close(a.fds[0]);
	for (char *line = s->text, *end; (end = strchr(line, '\n')); line = end + 1) {
		char *tab = memchr(line, '\t', (size_t)(end - line));

		*end = '\0';
		if (!tab)
			continue;
		*tab = '\0';
		if (s->n == room) {
			room = room ? 2 * room : 256;
			s->at = xrealloc(s->at, room * sizeof(*s->at));
		}
		s->at[s->n++] = (struct counter){ line, strtoull(tab + 1, NULL, 10) };
	}
	if (s->n)
		qsort(s->at, s->n, sizeof(*s->at), by_name);
	return 0;
}

static uint64_t value(const struct sample *s, const char *name)
{
	const struct counter key = { (char *)(uintptr_t)name, 0 };
	const struct counter *c = s->n ? bsearch(&key, s->at, s->n, sizeof(key), by_name) : NULL;

	return c ? c->value : 0;
}

/* How much a counter grew a second. */
static uint64_t rate(const struct sample *old, const struct sample *now, const char *name)
{
	const uint64_t a = value(old, name), b = value(now, name);

	return b <= a || now->ns <= old->ns
		? 0
		: (uint64_t)((double)(b - a) * 1e9 / (double)(now->ns - old->ns));
}

/* ---- a page --------------------------------------------------------------------- */

static const char *const losses[] = { "family", "eagain", "emsgsize", "refused", "unreachable",
	"other" };

struct row {
	const char *labels;	/* `{receiver="...",pool="..."}` */
	uint64_t packets, octets, lost, lost_all;
	bool down;
};

static int busiest(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->packets == y->packets   ? strcmp(x->labels, y->labels)
		: x->packets < y->packets ? 1
					  : -1;
}

static uint64_t with_labels(
	uint64_t (*what)(const struct sample *, const struct sample *, const char *),
	const struct sample *old, const struct sample *now, const char *name, const char *labels)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", name, labels);
	return what(old, now, text);
}

static uint64_t total(const struct sample *old, const struct sample *now, const char *name)
{
	(void)old;
	return value(now, name);
}

static void fill_receiver(struct row *r, const struct sample *old, const struct sample *now)
{
	r->packets = with_labels(rate, old, now, "receiver_sent", r->labels);
	r->octets = with_labels(rate, old, now, "receiver_sent_octets", r->labels);
	r->down = with_labels(total, old, now, "receiver_down", r->labels);
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		char name[40];

		snprintf(name, sizeof(name), "receiver_%s", losses[i]);
		r->lost += with_labels(rate, old, now, name, r->labels);
		r->lost_all += with_labels(total, old, now, name, r->labels);
	}
}

static void fill_exporter(struct row *r, const struct sample *old, const struct sample *now)
{
	r->packets = with_labels(rate, old, now, "exporter_datagrams", r->labels);
	r->octets = with_labels(rate, old, now, "exporter_octets", r->labels);
	r->lost = with_labels(total, old, now, "exporter_dropped", r->labels);
	r->lost_all = with_labels(total, old, now, "exporter_sequence_lost", r->labels);
}

/* All labels that stand behind `name`. */
static struct row *rows_of(const struct sample *now, const char *name, size_t *n)
{
	struct row *rows = xcalloc(now->n + 1, sizeof(*rows));
	const size_t length = strlen(name);

	*n = 0;
	for (size_t i = 0; i < now->n; i++)
		if (strncmp(now->at[i].name, name, length) == 0 && now->at[i].name[length] == '{')
			rows[(*n)++].labels = now->at[i].name + length;
	return rows;
}

/* What stands in the quotes: "a" or "a pool". */
static void print_labels(const char *p)
{
	char text[NAME + 1];
	size_t n = 0;

	for (bool inside = false; *p && n < NAME; p++) {
		if (*p == '"') {
			inside = !inside;
			if (!inside && p[1] == ',' && n < NAME)
				text[n++] = ' ';
		} else if (inside && (unsigned char)*p >= ' ' && *p != 0x7f) {
			text[n++] = *p;
		}
	}
	text[n] = '\0';
	printf("%-*s", NAME, text);
}

static void print_table(const struct sample *old, const struct sample *now, const char *name,
	const char *heading,
	void (*fill)(struct row *, const struct sample *, const struct sample *), size_t lines)
{
	size_t n;
	struct row *rows = rows_of(now, name, &n);

	for (size_t i = 0; i < n; i++)
		fill(&rows[i], old, now);
	qsort(rows, n, sizeof(*rows), busiest);
	printf("\n%s\n", heading);
	for (size_t i = 0; i < n && i < lines; i++) {
		print_labels(rows[i].labels);
		printf("%12" PRIu64 " %14" PRIu64 " %12" PRIu64 " %14" PRIu64 "%s\n",
			rows[i].packets, rows[i].octets * 8, rows[i].lost, rows[i].lost_all,
			rows[i].down ? "  down" : "");
	}
	if (n > lines)
		printf("... %zu more\n", n - lines);
	free(rows);
}

static void print_page(const struct sample *old, const struct sample *now, size_t lines)
{
	printf("received %" PRIu64 "/s, %" PRIu64 " in all; dropped by the kernel %" PRIu64
	       ", denied %" PRIu64 ", limited %" PRIu64 ", duplicates %" PRIu64 ", looped %" PRIu64
	       "; lost before us %" PRIu64 "\n",
		rate(old, now, "received_datagrams"), value(now, "received_datagrams"),
		value(now, "kernel_drops"), value(now, "denied_datagrams"),
		value(now, "limited_datagrams"), value(now, "duplicate_datagrams"),
		value(now, "looped_datagrams"), value(now, "sequence_lost"));
	print_table(old, now, "receiver_sent",
		"receiver, pool                datagrams/s          bit/s       lost/s    lost in "
		"all",
		fill_receiver, lines / 2);
	print_table(old, now, "exporter_datagrams",
		"exporter                      datagrams/s          bit/s      dropped  sequence "
		"lost",
		fill_exporter, lines / 2);
}

static size_t page_lines(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row < 16)
		return 16;
	return w.ws_row - 8u;
}

int top_run(const char *control)
{
	const bool terminal = isatty(STDOUT_FILENO);
	struct pollfd p = { .fd = daemon_signals(), .events = POLLIN };
	struct sample old, now;

	if (sample_read(&old, control) < 0)
		return EXIT_RUNTIME;
	for (;;) {
		if (poll(&p, 1, INTERVAL_MS) > 0 && daemon_signal_read(p.fd) > 0)
			break;
		if (sample_read(&now, control) < 0) {
			sample_clear(&old);
			return EXIT_RUNTIME;
		}
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		print_page(&old, &now, terminal ? page_lines() : LINES_PIPE);
		fflush(stdout);
		sample_clear(&old);
		old = now;
		if (!terminal)
			break;
	}
	sample_clear(&old);
	close(p.fd);
	return EXIT_SUCCESS;
}
