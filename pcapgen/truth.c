/*
 * truth.c - the truth file, written and read.
 *
 * One table says what the columns are; writer and reader walk it.  The writer
 * keeps its own buffer and prints digits itself: at a million records a second
 * stdio's formats would be the slowest part of the generator.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pcapgen/truth.h"

enum column_kind {
	ROW_NUMBER,
	ROW_ADDR,
	ROW_PROTOCOL,
	ROW_TIME_MS,
	ROW_EXPORT_MS,	/* empty: none */
	FLOW_NUMBER,
	FLOW_ADDRESS,
	FLOW_TIME_MS,
	FLOW_SAMPLING,
	FLOW_HARDWARE,	/* a MAC address */
	FLOW_ANNOUNCED,	/* 1, or empty */
	ROW_ELEMENTS
};

struct column {
	const char *name;
	uint8_t kind, width;	/* width: bytes of the member of struct truth_row */
	bool optional;
	uint16_t offset;	/* in struct truth_row */
	int16_t field;		/* enum flow_field, -1 for what is not in the flow record */
};

#define MEMBER(m) (uint8_t)sizeof(((struct truth_row *)0)->m), false, (uint16_t)offsetof(struct truth_row, m), -1
#define OPTIONAL(m) (uint8_t)sizeof(((struct truth_row *)0)->m), true, (uint16_t)offsetof(struct truth_row, m), -1
#define IN_FLOW(m) (uint8_t)sizeof(((struct truth_row *)0)->flow.m), false, \
	(uint16_t)offsetof(struct truth_row, flow.m), FLOW_##m

#define WIDE(m) (uint8_t)sizeof(((struct truth_row *)0)->flow.m), true, \
	(uint16_t)offsetof(struct truth_row, flow.m), FLOW_##m

/* The order of the blueprint; new columns go to the end, the wide ones behind all others. */
static const struct column columns[] = {
	{ "datagram", ROW_NUMBER, MEMBER(datagram) },
	{ "exporter", ROW_ADDR, MEMBER(exporter) },
	{ "port", ROW_NUMBER, MEMBER(port) },
	{ "version", ROW_NUMBER, MEMBER(version) },
	{ "domain", ROW_NUMBER, MEMBER(domain) },
	{ "sequence", ROW_NUMBER, MEMBER(sequence) },
	{ "src", FLOW_ADDRESS, IN_FLOW(src) },
	{ "dst", FLOW_ADDRESS, IN_FLOW(dst) },
	{ "sport", FLOW_NUMBER, IN_FLOW(src_port) },
	{ "dport", FLOW_NUMBER, IN_FLOW(dst_port) },
	{ "proto", FLOW_NUMBER, IN_FLOW(proto) },
	{ "tos", FLOW_NUMBER, IN_FLOW(tos) },
	{ "tcpflags", FLOW_NUMBER, IN_FLOW(tcp_flags) },
	{ "in_if", FLOW_NUMBER, IN_FLOW(in_if) },
	{ "out_if", FLOW_NUMBER, IN_FLOW(out_if) },
	{ "src_as", FLOW_NUMBER, IN_FLOW(src_as) },
	{ "dst_as", FLOW_NUMBER, IN_FLOW(dst_as) },
	{ "src_mask", FLOW_NUMBER, IN_FLOW(src_mask) },
	{ "dst_mask", FLOW_NUMBER, IN_FLOW(dst_mask) },
	{ "next_hop", FLOW_ADDRESS, IN_FLOW(next_hop) },
	{ "packets", FLOW_NUMBER, IN_FLOW(packets) },
	{ "octets", FLOW_NUMBER, IN_FLOW(octets) },
	{ "sampling", FLOW_SAMPLING, IN_FLOW(sampling_num) },
	{ "first_ms", FLOW_TIME_MS, IN_FLOW(first_us) },
	{ "last_ms", FLOW_TIME_MS, IN_FLOW(last_us) },
	{ "protocol", ROW_PROTOCOL, OPTIONAL(protocol) },
	{ "sent_ms", ROW_TIME_MS, OPTIONAL(sent_us) },
	{ "export_ms", ROW_EXPORT_MS, OPTIONAL(export_us) },
	{ "src_mac", FLOW_HARDWARE, WIDE(src_mac) },
	{ "dst_mac", FLOW_HARDWARE, WIDE(dst_mac) },
	{ "vlan", FLOW_NUMBER, WIDE(vlan) },
	{ "out_vlan", FLOW_NUMBER, WIDE(out_vlan) },
	{ "direction", FLOW_NUMBER, WIDE(direction) },
	{ "post_src", FLOW_ADDRESS, WIDE(post_src) },
	{ "post_dst", FLOW_ADDRESS, WIDE(post_dst) },
	{ "post_sport", FLOW_NUMBER, WIDE(post_src_port) },
	{ "post_dport", FLOW_NUMBER, WIDE(post_dst_port) },
	{ "bgp_next_hop", FLOW_ADDRESS, WIDE(bgp_next_hop) },
	{ "flows", FLOW_NUMBER, WIDE(flows) },
	{ "announced", FLOW_ANNOUNCED, WIDE(sampling_num) },
	{ "elements", ROW_ELEMENTS, 0, true, 0, -1 },
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]), COLUMN_ELEMENTS = COLUMNS - 1,
	WIDE_ONES = 12, NARROW_ONES = COLUMN_ELEMENTS - WIDE_ONES, BUFFER = 1 << 20,
	FIELD_MAX = ADDR_TEXT + 1 };
_Static_assert(TRUTH_LINE_MAX >= COLUMNS * FIELD_MAX, "a line fits");

/* How many of them, from the first on. */
static const uint8_t columns_of[] = { [TRUTH_NARROW] = NARROW_ONES,
	[TRUTH_WIDE] = COLUMN_ELEMENTS, [TRUTH_ELEMENTS] = COLUMNS };

static uint64_t load(const struct truth_row *row, const struct column *c)
{
	const uint8_t *p = (const uint8_t *)row + c->offset;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (c->width) {
	case 1:
		return *p;
	case 2:
		memcpy(&v16, p, 2);
		return v16;
	case 4:
		memcpy(&v32, p, 4);
		return v32;
	default:
		memcpy(&v64, p, 8);
		return v64;
	}
}

static void store(struct truth_row *row, const struct column *c, uint64_t v)
{
	uint8_t *p = (uint8_t *)row + c->offset;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (c->width) {
	case 1:
		*p = (uint8_t)v;
		break;
	case 2:
		memcpy(p, &v16, 2);
		break;
	case 4:
		memcpy(p, &v32, 4);
		break;
	default:
		memcpy(p, &v, 8);
	}
	if (c->field >= 0)
		row->flow.present |= UINT64_C(1) << c->field;
}

static uint64_t width_max(const struct column *c)
{
	return c->width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * c->width) - 1;
}

/* ---- writing --------------------------------------------------------------- */

struct truth_writer {
	int fd, err;		/* err: the first errno, sticky */
	bool regular;		/* ours to fsync and close */
	enum truth_width width;
	uint64_t rows;
	size_t used;
	char buf[BUFFER];
};

static void drain(struct truth_writer *w)
{
	size_t done = 0;

	while (done < w->used && !w->err) {
		ssize_t n = write(w->fd, w->buf + done, w->used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			w->err = errno;
	}
	w->used = 0;
}

static char *put_number(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*p++ = digits[--n];
	return p;
}

static char *put_address(char *p, const struct addr *a)
{
	if (!addr_is4(a)) {
		char text[ADDR_TEXT];
		size_t n = strlen(addr_print(a, text));

		memcpy(p, text, n);
		return p + n;
	}
	for (int i = 12; i < 16; i++) {
		p = put_number(p, a->b[i]);
		if (i < 15)
			*p++ = '.';
	}
	return p;
}

static char *put_hardware(char *p, const uint8_t mac[6])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 6; i++) {
		*p++ = hex[mac[i] >> 4];
		*p++ = hex[mac[i] & 15];
		if (i < 5)
			*p++ = ':';
	}
	return p;
}

/* As flow_protocol_name says it, but sFlow with its version: there are three of them. */
static char *put_protocol(char *p, const struct truth_row *row)
{
	const char *name = row->protocol == PROTO_SFLOW ? "sflow" :
		flow_protocol_name((enum flow_protocol)row->protocol);
	size_t n = strlen(name);

	memcpy(p, name, n);
	p += n;
	return row->protocol == PROTO_SFLOW ? put_number(p, row->version) : p;
}

static char *put_sampling(char *p, const struct flow_record *r)
{
	uint32_t den = flow_has(r, FLOW_sampling_den) && r->sampling_den ? r->sampling_den : 1;

	if (!flow_has(r, FLOW_sampling_num) || !r->sampling_num)
		return put_number(p, 1);
	if (r->sampling_num % den == 0)
		return put_number(p, r->sampling_num / den);
	p = put_number(p, r->sampling_num);
	*p++ = '/';
	return put_number(p, den);
}

static char *put_column(char *p, const struct truth_row *row, const struct column *c)
{
	/* What the exporter did not say stays empty: 0 would be a claim. */
	if (c->field >= 0 && c->kind != FLOW_SAMPLING &&
		!flow_has(&row->flow, (enum flow_field)c->field))
		return p;
	switch ((enum column_kind)c->kind) {
	case ROW_ADDR:
	case FLOW_ADDRESS:
		return put_address(p, (const struct addr *)((const char *)row + c->offset));
	case ROW_PROTOCOL:
		return put_protocol(p, row);
	case ROW_EXPORT_MS:
		if (!row->export_us)
			return p;
		/* fallthrough */
	case ROW_TIME_MS:
	case FLOW_TIME_MS:
		return put_number(p, load(row, c) / 1000);
	case FLOW_SAMPLING:
		return put_sampling(p, &row->flow);
	case FLOW_HARDWARE:
		return put_hardware(p, (const uint8_t *)row + c->offset);
	case FLOW_ANNOUNCED:
		return row->flow.sampling_num ? put_number(p, 1) : p;
	case ROW_ELEMENTS:	/* as long as it is: truth_put() */
		return p;
	case ROW_NUMBER:
	case FLOW_NUMBER:
		break;
	}
	return put_number(p, load(row, c));
}

static void put_header(struct truth_writer *w)
{
	for (size_t i = 0; i < columns_of[w->width]; i++) {
		size_t n = strlen(columns[i].name);

		memcpy(w->buf + w->used, columns[i].name, n);
		w->used += n;
		w->buf[w->used++] = i + 1 < columns_of[w->width] ? '\t' : '\n';
	}
}

struct truth_writer *truth_create(const char *path, enum truth_width width)
{
	struct truth_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->width = width;
	w->regular = strcmp(path, "-") != 0;
	w->fd = w->regular ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
			   : STDOUT_FILENO;
	if (w->fd < 0) {
		int err = errno;

		free(w);
		errno = err;
		return NULL;
	}
	put_header(w);
	return w;
}

size_t truth_line(
	char out[static TRUTH_LINE_MAX], const struct truth_row *row, enum truth_width width)
{
	const size_t n = columns_of[width];
	char *p = out;

	for (size_t i = 0; i < n; i++) {
		p = put_column(p, row, &columns[i]);
		*p++ = i + 1 < n ? '\t' : '\n';
	}
	return (size_t)(p - out);
}

void truth_put(struct truth_writer *w, const struct truth_row *row)
{
	if (sizeof(w->buf) - w->used < TRUTH_LINE_MAX)
		drain(w);
	w->used += truth_line(w->buf + w->used, row, w->width);
	if (w->width == TRUTH_ELEMENTS && row->elements) {
		w->used--;
		truth_append(w, row->elements, strlen(row->elements), 0);
		truth_append(w, "\n", 1, 0);
	}
	w->rows++;
}

void truth_append(struct truth_writer *w, const char *lines, size_t n, uint64_t rows)
{
	w->rows += rows;
	while (n) {
		size_t some = sizeof(w->buf) - w->used;

		if (some > n)
			some = n;
		memcpy(w->buf + w->used, lines, some);
		w->used += some;
		lines += some;
		n -= some;
		if (w->used == sizeof(w->buf))
			drain(w);
	}
}

uint64_t truth_count(const struct truth_writer *w)
{
	return w->rows;
}

int truth_finish(struct truth_writer *w)
{
	int err;

	drain(w);
	/* A pipe or a terminal has nothing to sync: EINVAL there is no error. */
	if (w->regular && !w->err && fsync(w->fd) && errno != EINVAL && errno != EROFS)
		w->err = errno;
	if (w->regular && close(w->fd) && !w->err)
		w->err = errno;
	err = w->err;
	free(w);
	errno = err;
	return err ? -1 : 0;
}

/* ---- reading --------------------------------------------------------------- */

struct truth_reader {
	FILE *f;
	char *path, *line;
	size_t cap;
	unsigned long number;		/* of the line */
	int16_t order[256];		/* column of the file -> row of columns[], -1: not ours */
	size_t fields;
	bool has_protocol, has_sent;
	enum truth_width width;
};

enum { WHY = 256 };

static int complain(const struct truth_reader *r, char *why, const char *column, const char *text,
		    const char *expected)
{
	snprintf(why, WHY, "%.100s:%lu: column \"%s\": \"%.40s\" is not %s", r->path, r->number,
		column, text, expected);
	return -1;
}

static bool read_number(const char *text, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*v = n;
	return n <= max;
}

static bool read_protocol(const char *text, struct truth_row *row)
{
	if (!strncmp(text, "sflow", 5)) {
		row->protocol = PROTO_SFLOW;
		return true;
	}
	for (int i = 0; i < PROTO_UNKNOWN; i++)
		if (!strcmp(text, flow_protocol_name((enum flow_protocol)i))) {
			row->protocol = (uint8_t)i;
			return true;
		}
	return false;
}

/* "1" is "nothing announced", as the writer says it. */
static bool read_sampling(char *text, struct truth_row *row)
{
	char *slash = strchr(text, '/');
	uint64_t num, den = 1;

	if (slash)
		*slash++ = '\0';
	if (!read_number(text, UINT32_MAX, &num) || !num ||
	    (slash && (!read_number(slash, UINT32_MAX, &den) || !den)))
		return false;
	if (num != 1 || den != 1) {
		flow_set(&row->flow, FLOW_sampling_num, num);
		flow_set(&row->flow, FLOW_sampling_den, den);
	}
	return true;
}

/* "[PEN:]ID=OCTETS", with blanks between. */
static bool read_elements(const char *text)
{
	static const char decimal[] = "0123456789";

	for (; *text; text++) {
		size_t n = strspn(text, decimal);

		if (n && text[n] == ':') {
			text += n + 1;
			n = strspn(text, decimal);
		}
		if (!n || text[n] != '=')
			return false;
		text += n + 1;
		n = strspn(text, "0123456789abcdef");
		text += n;
		if (n % 2 || (*text && (*text != ' ' || !text[1])))
			return false;
		if (!*text)
			break;
	}
	return true;
}

/* Six pairs of hexadecimal digits with colons between. */
static bool read_hardware(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 17; i++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, text[i]);

		if (i % 3 == 2 ? text[i] != ':' : !d)
			return false;
		if (i % 3 != 2)
			mac[i / 3] = (uint8_t)(mac[i / 3] << 4 | (d - digits));
	}
	return true;
}

static int read_column(struct truth_reader *r, struct truth_row *row, const struct column *c,
	char *text, char *why)
{
	struct addr a;
	uint64_t v;

	if (!*text && c->field >= 0)
		return 0;
	switch ((enum column_kind)c->kind) {
	case ROW_ADDR:
	case FLOW_ADDRESS:
		if (!addr_parse(&a, text))
			return complain(r, why, c->name, text, "an address");
		memcpy((char *)row + c->offset, &a, sizeof(a));
		if (c->field >= 0)
			row->flow.present |= UINT64_C(1) << c->field;
		return 0;
	case ROW_PROTOCOL:
		return read_protocol(text, row)
			? 0
			: complain(r, why, c->name, text, "an export protocol");
	case FLOW_SAMPLING:
		return read_sampling(text, row)
			? 0
			: complain(r, why, c->name, text, "an interval of 1 or more");
	case FLOW_HARDWARE:
		if (!read_hardware(text, (uint8_t *)row + c->offset))
			return complain(r, why, c->name, text, "a MAC address as 02:00:00:00:00:0a");
		row->flow.present |= UINT64_C(1) << c->field;
		return 0;
	case FLOW_ANNOUNCED:
		if (strcmp(text, "1"))
			return complain(r, why, c->name, text, "1 or nothing");
		/* What it announced `sampling` says; there 1 is nothing announced. */
		if (!flow_has(&row->flow, FLOW_sampling_num)) {
			flow_set(&row->flow, FLOW_sampling_num, 1);
			flow_set(&row->flow, FLOW_sampling_den, 1);
		}
		return 0;
	case ROW_ELEMENTS:
		if (!read_elements(text))
			return complain(r, why, c->name, text, "[PEN:]ID=OCTETS ... in hexadecimal digits");
		row->elements = *text ? text : NULL;
		return 0;
	case ROW_EXPORT_MS:
		if (!*text)
			return 0;
		/* fallthrough */
	case ROW_TIME_MS:
	case FLOW_TIME_MS:
		if (!read_number(text, UINT64_MAX / 1000, &v))
			return complain(r, why, c->name, text, "a time in milliseconds");
		store(row, c, v * 1000);
		return 0;
	case ROW_NUMBER:
	case FLOW_NUMBER:
		break;
	}
	if (!read_number(text, width_max(c), &v))
		return complain(r, why, c->name, text, "a number that fits");
	store(row, c, v);
	return 0;
}

/* Without a protocol column (a truth from elsewhere) the version has to do; 5 is taken as NetFlow.
 */
static void guess_protocol(struct truth_row *row)
{
	static const uint8_t by_version[] = { [1] = PROTO_NETFLOW1,
		[2] = PROTO_SFLOW,
		[4] = PROTO_SFLOW,
		[5] = PROTO_NETFLOW5,
		[7] = PROTO_NETFLOW7,
		[8] = PROTO_NETFLOW8,
		[9] = PROTO_NETFLOW9,
		[10] = PROTO_IPFIX };

	row->protocol = PROTO_UNKNOWN;
	if (row->version < sizeof(by_version) && (row->version == 1 || by_version[row->version]))
		row->protocol = by_version[row->version];
}

/* The next field of the line: cuts it at the tab, leaves *at behind it, NULL at the end. */
static char *next_field(char **at)
{
	char *field = *at, *tab;

	if (!field)
		return NULL;
	tab = strchr(field, '\t');
	if (tab)
		*tab++ = '\0';
	*at = tab;
	return field;
}

/* A line without its end; 1, 0 at the end of the file, -1 on a read error or a cut last line. */
static int read_line(struct truth_reader *r, char *why)
{
	ssize_t n = getline(&r->line, &r->cap, r->f);

	r->number++;
	if (n < 0) {
		if (!ferror(r->f))
			return 0;
		snprintf(why, WHY, "%.100s:%lu: %s", r->path, r->number, strerror(errno));
		return -1;
	}
	if (r->line[n - 1] != '\n') {
		snprintf(why, WHY, "%.100s:%lu: the last line has no end: the file was cut",
			r->path, r->number);
		return -1;
	}
	r->line[--n] = '\0';
	if (n && r->line[n - 1] == '\r')
		r->line[--n] = '\0';
	if (strlen(r->line) != (size_t)n) {
		snprintf(why, WHY, "%.100s:%lu: a NUL byte", r->path, r->number);
		return -1;
	}
	return 1;
}

static int read_header(struct truth_reader *r, char *why)
{
	bool seen[COLUMNS] = { false };
	char *at = r->line, *name;

	while ((name = next_field(&at))) {
		if (r->fields == sizeof(r->order) / sizeof(r->order[0])) {
			snprintf(why, WHY, "%.100s:1: more than %zu columns", r->path, r->fields);
			return -1;
		}
		r->order[r->fields] = -1;
		for (size_t i = 0; i < COLUMNS; i++)
			if (!strcmp(name, columns[i].name)) {
				if (seen[i]) {
					snprintf(why, WHY,
						"%.100s:1: column \"%s\" stands there twice",
						r->path, name);
					return -1;
				}
				seen[i] = true;
				r->order[r->fields] = (int16_t)i;
			}
		r->fields++;
	}
	r->width = TRUTH_ELEMENTS;
	for (size_t i = NARROW_ONES; i < COLUMNS; i++)
		if (!seen[i])
			r->width = i == COLUMN_ELEMENTS && r->width ? TRUTH_WIDE : TRUTH_NARROW;
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!seen[i] && !columns[i].optional) {
			snprintf(why, WHY, "%.100s:1: column \"%s\" is missing: not a truth file",
				r->path, columns[i].name);
			return -1;
		}
		if (columns[i].kind == ROW_PROTOCOL)
			r->has_protocol = seen[i];
		if (columns[i].kind == ROW_TIME_MS)
			r->has_sent = seen[i];
	}
	return 0;
}

struct truth_reader *truth_open(const char *path, char *why)
{
	struct truth_reader *r = calloc(1, sizeof(*r));
	int got;

	if (!r || !(r->path = strdup(path))) {
		snprintf(why, WHY, "%.100s: %s", path, strerror(errno));
		free(r);
		return NULL;
	}
	r->f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!r->f) {
		snprintf(why, WHY, "%.100s: %s", path, strerror(errno));
		truth_close(r);
		return NULL;
	}
	got = read_line(r, why);
	if (!got)
		snprintf(why, WHY, "%.100s:1: the file is empty: not even a header line", path);
	if (got <= 0 || read_header(r, why)) {
		truth_close(r);
		return NULL;
	}
	return r;
}

int truth_next(struct truth_reader *r, struct truth_row *row, char *why)
{
	size_t i = 0;
	char *at, *text;
	int got = read_line(r, why);

	if (got <= 0)
		return got;
	memset(row, 0, sizeof(*row));
	row->flow = flow_record_empty;
	row->exporter = addr_zero4;
	for (at = r->line; (text = next_field(&at)); i++)
		if (i < r->fields && r->order[i] >= 0 &&
			read_column(r, row, &columns[r->order[i]], text, why))
			return -1;
	if (i != r->fields) {
		snprintf(why, WHY, "%.100s:%lu: %zu columns where the header has %zu", r->path,
			r->number, i, r->fields);
		return -1;
	}
	if (!r->has_protocol)
		guess_protocol(row);
	if (!r->has_sent)
		row->sent_us = row->flow.last_us;
	return 1;
}

enum truth_width truth_width(const struct truth_reader *r)
{
	return r->width;
}

void truth_close(struct truth_reader *r)
{
	if (!r)
		return;
	if (r->f && r->f != stdin)
		fclose(r->f);
	free(r->path);
	free(r->line);
	free(r);
}
