/*
 * main.c - pmacct: ask nfacctd's memory plugin.  The switches and what is
 * printed are those of pmacct's client of the same name, for users' scripts;
 * what goes over the socket is ours (lib/base/imt.h).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/imt.h"

enum { EXIT_USAGE = 2, ANSWER_HEAD = 512 };

struct command {
	struct imt_request request;
	const char *path;
	bool asked, erase;
};

static void usage(FILE *to)
{
	fputs("usage: pmacct QUERY [options]\n"
	      "Ask the memory plugin of nfacctd.\n\n"
	      "  -s                 all rows\n"
	      "  -N VALUES[;...]    counters of the rows that match; or file:FILE, a set of values "
	      "a line\n"
	      "  -M VALUES[;...]    the rows that match; or file:FILE\n"
	      "  -e                 erase the table; with -s behind the answer\n"
	      "  -i                 seconds since it was erased, or never\n"
	      "  -t                 size of the table\n"
	      "  -C                 classifiers: there are none\n"
	      "  -U                 primitives of the user's own that the table has\n"
	      "  -c PRIMITIVES      what the values of -N and -M are of, comma-separated\n"
	      "  -n COUNTER         of -N: bytes, packets, flows or all (packets bytes flows "
	      "entries)\n"
	      "  -S                 of -N: one sum, not a line a set of values\n"
	      "  -T COUNTER[,ROWS]  of -s and -M: the highest first\n"
	      "  -a                 of -s and -M: all columns, also those that the table does not "
	      "have\n"
	      "  -r                 of -N and -M: take the rows out of the table with the same "
	      "stroke\n"
	      "  -l                 accepted: a question always sees the table at one moment\n"
	      "  -O FORMAT          formatted, csv, json, event_formatted, event_csv\n"
	      "  -E CHARACTER       between CSV values; \\t and \\s too\n"
	      "  -p PATH            socket, as imt_path; default " IMT_PATH_DEFAULT "\n"
	      "  -u                 protocols as numbers    -I  times since 1970    -0  times in "
	      "UTC\n"
	      "  -V, --version   -h, --help\n",
		to);
}

/* "a,b;c,d" or "file:PATH"; -1 after saying why. */
static int add_tuples(struct imt_request *q, const char *text)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	FILE *f;
	int err = 0;

	if (strncmp(text, "file:", 5) != 0) {
		for (; !err; text += strcspn(text, ";") + 1) {
			err = imt_request_add(q, text, strcspn(text, ";"));
			if (!text[strcspn(text, ";")])
				break;
		}
	} else {
		f = fopen(text + 5, "re");
		if (!f) {
			fprintf(stderr, "pmacct: %s: %s\n", text, strerror(errno));
			return -1;
		}
		while (!err && (n = getline(&line, &size, f)) >= 0) {
			size_t len = strcspn(line, "\r\n");

			if (len && line[0] != '!' && line[0] != '#')
				err = imt_request_add(q, line, len);
		}
		free(line);
		fclose(f);
	}
	if (err)
		fprintf(stderr, "pmacct: more than %d sets of values\n", IMT_TUPLES_MAX);
	return err;
}

static int bad(char letter, const char *value, const char *expected)
{
	fprintf(stderr, "pmacct: -%c: \"%s\": expected %s\n", letter, value, expected);
	return EXIT_USAGE;
}

static int take_top(struct imt_request *q, const char *value)
{
	const char *comma = strchr(value, ',');
	char word[16], *end;

	snprintf(word, sizeof(word), "%.*s", comma ? (int)(comma - value) : (int)strlen(value),
		value);
	if (!imt_counter_parse(&q->top, word) || q->top == IMT_ALL)
		return bad(
			'T', value, "bytes, packets or flows, and a number of rows behind a comma");
	q->sorted = true;
	if (!comma)
		return -1;
	q->top_rows = strtoull(comma + 1, &end, 10);
	if (comma[1] < '0' || comma[1] > '9' || *end)
		return bad('T', value, "a number of rows behind the comma");
	return -1;
}

static int take_separator(struct imt_request *q, const char *value)
{
	if (strcmp(value, "\\t") == 0)
		q->separator = '\t';
	else if (strcmp(value, "\\s") == 0)
		q->separator = ' ';
	else if (value[0] && !value[1] && value[0] != '\n')
		q->separator = value[0];
	else
		return bad('E', value, "one character, \\t or \\s");
	return -1;
}

static int take_query(struct command *c, enum imt_ask ask, const char *values)
{
	if (c->asked) {
		fputs("pmacct: more than one of -s -N -M -e -i -t -C -U\n", stderr);
		return EXIT_USAGE;
	}
	c->asked = true;
	c->request.ask = ask;
	return values && add_tuples(&c->request, values) != 0 ? EXIT_USAGE : -1;
}

/* -1: go on; else the exit status. */
static int take_switch(struct command *c, int letter, const char *value)
{
	struct imt_request *q = &c->request;

	switch (letter) {
	case 's': return take_query(c, IMT_STATS, NULL);
	case 'N': return take_query(c, IMT_COUNT, value);
	case 'M': return take_query(c, IMT_MATCH, value);
	case 'e': c->erase = true; return -1;
	case 'i': return take_query(c, IMT_AGE, NULL);
	case 't': return take_query(c, IMT_STATUS, NULL);
	case 'C': return take_query(c, IMT_CLASSES, NULL);
	case 'U': return take_query(c, IMT_CUSTOMS, NULL);
	case 'T': return take_top(q, value);
	case 'E': return take_separator(q, value);
	case 'c':
		free(q->columns);
		q->columns = xstrdup(value);
		return -1;
	case 'n':
		return imt_counter_parse(&q->counter, value)
			? -1
			: bad('n', value, "bytes, packets, flows or all");
	case 'O':
		return imt_output_parse(&q->output, value) ? -1 :
		       bad('O', value, "formatted, csv, json, event_formatted or event_csv");
	case 'S': q->sum = true; return -1;
	case 'a': q->all = true; return -1;
	case 'r': q->reset = true; return -1;
	case 'u': q->num_protos = true; return -1;
	case 'I': q->epoch = true; return -1;
	case '0': q->utc = true; return -1;
	case 'p': c->path = value; return -1;
	case 'l': return -1;
	case 'V': puts("pmacct (flowledger) " VERSION); return 0;
	case 'h': usage(stdout); return 0;
	default: fputs("pmacct: try pmacct --help\n", stderr); return EXIT_USAGE;
	}
}

static int command_parse(struct command *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int letter, status = -1;

	while (status < 0 &&
		(letter = getopt_long(argc, argv, "sN:M:eitCUac:n:ST:rlO:E:p:uI0Vh", longs, NULL)) !=
			-1)
		status = take_switch(c, letter, optarg);
	if (status >= 0)
		return status;
	/* With -s it is one question: nothing comes between the answer and the empty table. */
	if (c->erase && !c->asked)
		take_query(c, IMT_ERASE, NULL);
	if (optind < argc) {
		fprintf(stderr, "pmacct: \"%s\": expected switches only; try pmacct --help\n",
			argv[optind]);
	} else if (!c->asked) {
		fputs("pmacct: expected one of -s -N -M -e -i -t -C -U; try pmacct --help\n", stderr);
	} else if (c->request.ntuples && !c->request.columns) {
		fputs("pmacct: -N or -M without -c PRIMITIVES\n", stderr);
	} else if (c->request.reset && c->request.ask != IMT_COUNT && c->request.ask != IMT_MATCH) {
		fputs("pmacct: -r goes with -N and -M; -e erases all\n", stderr);
	} else if (c->erase && c->request.ask != IMT_ERASE && c->request.ask != IMT_STATS) {
		fputs("pmacct: -e goes alone or with -s; -r erases what -N and -M ask for\n", stderr);
	} else {
		c->request.reset |= c->erase && c->request.ask == IMT_STATS;
		return -1;
	}
	return EXIT_USAGE;
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* "OK 123" and 123 bytes go to stdout whole, or an error is said. */
static int show(FILE *from)
{
	char head[ANSWER_HEAD], part[65536];
	unsigned long long left;
	size_t n;

	if (!fgets(head, sizeof(head), from)) {
		fputs("pmacct: no answer\n", stderr);
		return 1;
	}
	head[strcspn(head, "\n")] = '\0';
	if (sscanf(head, "OK %llu", &left) != 1) {
		fprintf(stderr, "ERROR: %s\n", strncmp(head, "ERROR ", 6) == 0 ? head + 6 : head);
		return 1;
	}
	for (; left; left -= n) {
		n = fread(part, 1, left < sizeof(part) ? (size_t)left : sizeof(part), from);
		if (n == 0) {
			fflush(stdout);
			fputs("pmacct: the answer broke off\n", stderr);
			return 1;
		}
		fwrite(part, 1, n, stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "pmacct: standard output: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

static int ask(const struct command *c)
{
	struct strbuf text = { NULL, 0, 0 };
	int fd = connect_to(c->path), status = 1;
	size_t sent = 0;
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (!f) {
		fprintf(stderr,
			"pmacct: \"%s\": %s; is nfacctd running, with plugins: memory and this "
			"imt_path?\n",
			c->path, strerror(errno));
		return 1;
	}
	imt_request_write(&text, &c->request);
	while (text.n <= IMT_REQUEST_MAX && sent < text.n) {
		ssize_t n = send(fd, text.s + sent, text.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	if (text.n > IMT_REQUEST_MAX)
		fprintf(stderr, "pmacct: a question has at most %d bytes\n", IMT_REQUEST_MAX);
	else	/* what was refused half-way has its answer, too */
		status = show(f);
	fclose(f);
	strbuf_clear(&text);
	return status;
}

int main(int argc, char **argv)
{
	struct command c = { .path = IMT_PATH_DEFAULT };
	int status;

	imt_request_init(&c.request);
	status = command_parse(&c, argc, argv);
	if (status < 0)
		status = ask(&c);
	imt_request_clear(&c.request);
	return status;
}
