/*
 * spool.c - see spool.h.
 */
#include "nfacctd/spool.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "nfacctd/row_text.h"
#include "nfacctd/salvage.h"

/* A row in the file; the key follows. */
struct spool_row {
	int64_t bin;
	uint64_t packets, octets, flows, tcp_flags;
};

enum { MARKS_MAX = 4096 };

static const char magic[] = "flowledger spool 1\n";

bool spool_name(char path[static PATH_MAX], const char *base, const char *plugin, uint64_t run,
		uint64_t purge)
{
	int n = snprintf(path, PATH_MAX, "%s.%s.%" PRIu64 ".%" PRIu64 ".spool", base, plugin, run,
			 purge);

	return n > 0 && n < PATH_MAX;
}

char *spool_key(const struct key_layout *l)
{
	struct strbuf b = { NULL, 0, 0 };

	for (size_t i = 0; i < l->nfields; i++)
		strbuf_addf(&b, "%s%s:%u", i ? "," : "", primitives[l->field[i].primitive].name,
			    l->field[i].width);
	strbuf_addf(&b, "%s%s%s", b.n ? "" : "none", l->spec.flows ? " flows" : "",
		    l->spec.tcpflags ? " tcpflags" : "");
	return b.s;
}

/* ---- writing ---- */

static void add_heading(struct strbuf *b, const char *plugin, const struct key_layout *l,
			const struct purge *p)
{
	uint64_t octets = 0, packets = 0;
	char *key = spool_key(l);

	for (size_t i = 0; i < p->nrows; i++) {
		octets += p->rows[i].sums.octets;
		packets += p->rows[i].sums.packets;
	}
	strbuf_addf(b, "%splugin %s\nrun %" PRIu64 "\npurge %" PRIu64 "\nnow %" PRId64
		    "\ndeadline %" PRId64 "\nslot %" PRId64 "\nrows %zu\npackets %" PRIu64
		    "\noctets %" PRIu64 "\nsize %zu\nkey %s\nmarks", magic, plugin, p->run,
		    p->id, p->now, p->deadline, p->slot, p->nrows, packets, octets, l->size,
		    key);
	for (size_t i = 0; i < p->nmarks; i++)
		strbuf_addf(b, " %" PRIu32 ":%" PRIu64, p->marks[i].worker, p->marks[i].batch);
	strbuf_add(b, "\n\n");
	free(key);
}

static int put_rows(struct salvage_file *f, struct strbuf *b, const struct key_layout *l,
		    const struct purge *p)
{
	for (size_t i = 0; i < p->nrows; i++) {
		const struct sum_row *r = &p->rows[i];
		const struct spool_row row = { r->bin, r->sums.packets, r->sums.octets,
					       r->sums.flows, r->sums.tcp_flags };

		strbuf_addn(b, (const char *)&row, sizeof(row));
		strbuf_addn(b, (const char *)r->key, l->size);
		if (b->n > 1 << 20 || i + 1 == p->nrows) {
			if (salvage_put(f, b->s, b->n) != 0)
				return -1;
			strbuf_reset(b);
		}
	}
	return 0;
}

int spool_save(const char *path, const char *plugin, const struct key_layout *l,
	       const struct purge *p, uint64_t *bytes)
{
	struct salvage_file f;
	struct strbuf b = { NULL, 0, 0 };
	int err = salvage_open_path(&f, path);

	if (err == 0) {
		add_heading(&b, plugin, l, p);
		err = salvage_put(&f, b.s, b.n);
		*bytes = b.n + p->nrows * (sizeof(struct spool_row) + l->size) + SALVAGE_SUM_DIGITS;
		strbuf_reset(&b);
		if (err == 0)
			err = put_rows(&f, &b, l, p);
		if (err == 0 && fprintf(f.f, "%016" PRIx64, f.sum) != SALVAGE_SUM_DIGITS)
			err = -1;
		err = salvage_close(&f, err);
	}
	strbuf_clear(&b);
	return err;
}

/* ---- reading ---- */

/* The number behind `name` at the start of a line of the heading. */
static bool number_of(const char *heading, const char *name, uint64_t *value)
{
	char word[32];
	const char *at;
	char *end;

	snprintf(word, sizeof(word), "\n%s ", name);
	at = strstr(heading, word);
	if (!at)
		return false;
	at += strlen(word);
	errno = 0;
	*value = *at == '-' ? (uint64_t)strtoll(at, &end, 10) : strtoull(at, &end, 10);
	return end > at && *end == '\n' && !errno;
}

static char *text_of(const char *heading, const char *name)
{
	char word[32], *copy;
	const char *at;
	size_t n;

	snprintf(word, sizeof(word), "\n%s ", name);
	at = strstr(heading, word);
	if (!at)
		return NULL;
	at += strlen(word);
	n = strcspn(at, "\n");
	copy = xmalloc(n + 1);
	memcpy(copy, at, n);
	copy[n] = '\0';
	return copy;
}

static bool read_marks(struct spool_purge *s, const char *heading)
{
	const char *at = strstr(heading, "\nmarks");
	struct purge_mark m;
	int used;

	s->marks = xcalloc(MARKS_MAX, sizeof(*s->marks));
	for (at = at ? at + 6 : "\n"; *at == ' '; at += used) {
		if (s->purge.nmarks == MARKS_MAX ||
		    sscanf(at, " %" SCNu32 ":%" SCNu64 "%n", &m.worker, &m.batch, &used) != 2)
			return false;
		s->marks[s->purge.nmarks++] = m;
	}
	s->purge.marks = s->marks;
	return *at == '\n';
}

/* The heading ends with a NUL in place of its empty line. */
static bool read_heading(struct spool_purge *s, const char *heading, uint64_t *size)
{
	uint64_t now, deadline, slot, rows;
	char *plugin = text_of(heading, "plugin");

	s->key = text_of(heading, "key");
	if (plugin)
		snprintf(s->plugin, sizeof(s->plugin), "%s", plugin);
	free(plugin);
	if (!plugin || !s->key || !number_of(heading, "run", &s->purge.run) ||
	    !number_of(heading, "purge", &s->purge.id) || !number_of(heading, "now", &now) ||
	    !number_of(heading, "deadline", &deadline) || !number_of(heading, "slot", &slot) ||
	    !number_of(heading, "rows", &rows) || !number_of(heading, "packets", &s->packets) ||
	    !number_of(heading, "octets", &s->octets) || !number_of(heading, "size", size) ||
	    !read_marks(s, heading))
		return false;
	s->purge.now = (int64_t)now;
	s->purge.deadline = (int64_t)deadline;
	s->purge.slot = (int64_t)slot;
	s->purge.nrows = rows;
	s->purge.replayed = true;
	return *size <= KEY_BYTES_MAX;
}

static const char *read_rows(struct spool_purge *s, size_t from, size_t key_size)
{
	const size_t each = sizeof(struct spool_row) + key_size, end = s->size - SALVAGE_SUM_DIGITS;
	char want[SALVAGE_SUM_DIGITS + 1];

	snprintf(want, sizeof(want), "%016" PRIx64,
		 salvage_sum(salvage_sum_start(), s->bytes, end));
	if (memcmp(want, s->bytes + end, SALVAGE_SUM_DIGITS) != 0)
		return "checksum is wrong";
	if ((end - from) % each != 0 || (end - from) / each != s->purge.nrows)
		return "has another number of rows than its heading says";
	s->rows = xcalloc(s->purge.nrows + 1, sizeof(*s->rows));
	for (size_t i = 0; i < s->purge.nrows; i++) {
		const char *at = s->bytes + from + i * each;
		struct spool_row r;

		memcpy(&r, at, sizeof(r));
		s->rows[i] = (struct sum_row){ r.bin, { r.packets, r.octets, r.flows,
							(uint32_t)r.tcp_flags },
					       (const uint8_t *)at + sizeof(r) };
	}
	s->purge.rows = s->rows;
	return NULL;
}

const char *spool_load(struct spool_purge *s, const char *path, bool heading_only)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	uint64_t key_size;
	char *end;

	memset(s, 0, sizeof(*s));
	if (!f || fstat(fileno(f), &st) != 0) {
		if (f)
			fclose(f);
		return "cannot be opened";
	}
	s->size = heading_only && st.st_size > 65536 ? 65536 : (size_t)st.st_size;
	s->bytes = xmalloc(s->size + 1);
	if (fread(s->bytes, 1, s->size, f) != s->size) {
		fclose(f);
		return "cannot be read";
	}
	fclose(f);
	s->bytes[s->size] = '\0';
	end = memmem(s->bytes, s->size, "\n\n", 2);
	if (s->size < sizeof(magic) + SALVAGE_SUM_DIGITS || strncmp(s->bytes, magic, sizeof(magic) - 1) ||
	    !end || end > s->bytes + s->size - SALVAGE_SUM_DIGITS - 2)
		return "is no spool file, or only a part of one";
	end[1] = '\0';
	if (!read_heading(s, s->bytes, &key_size))
		return "its heading cannot be read";
	end[1] = '\n';
	return heading_only ? NULL : read_rows(s, (size_t)(end + 2 - s->bytes), key_size);
}

void spool_clear(struct spool_purge *s)
{
	free(s->rows);
	free(s->marks);
	free(s->bytes);
	free(s->key);
	memset(s, 0, sizeof(*s));
}

/* ---- for people ---- */

static void print_time(FILE *to, int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fputs(text, to);
}

static int list_files(const struct plugin_settings *p, FILE *to)
{
	char pattern[PATH_MAX];
	int bad = 0;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s.%s.[0-9]*.[0-9]*.spool", p->sql_recovery_logfile,
		 p->name);
	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct spool_purge s;
		const char *why = spool_load(&s, g.gl_pathv[i], false);

		fprintf(to, "%s\t%s\t%s\t", p->name, g.gl_pathv[i], why ? why : "whole");
		print_time(to, s.purge.now);
		fprintf(to, "\t%zu\t%" PRIu64 "\t%" PRIu64 "\t%s\n", s.purge.nrows, s.packets,
			s.octets, s.key ? s.key : "");
		bad |= why != NULL;
		spool_clear(&s);
	}
	globfree(&g);
	return bad;
}

int spool_list(const struct settings *s, FILE *to)
{
	int bad = 0;

	fputs("plugin\tfile\tstate\ttime\trows\tpackets\toctets\tkey\n", to);
	for (size_t i = 0; i < s->nplugins; i++)
		if (s->plugin[i].sql_recovery_logfile)
			bad |= list_files(&s->plugin[i], to);
	return bad;
}

static const struct plugin_settings *plugin_of(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (strcmp(s->plugin[i].name, name) == 0)
			return &s->plugin[i];
	return NULL;
}

static int print_rows(const struct spool_purge *s, const struct plugin_settings *p, FILE *to)
{
	struct plugin_settings csv = *p;
	struct strbuf b = { NULL, 0, 0 };
	struct key_layout l;
	struct row_text t;
	char *key, stamp[32];

	csv.print_output = PRINT_CSV;
	csv.print_separator = NULL;
	key_layout_make(&l, &p->aggregate);
	key = spool_key(&l);
	if (strcmp(key, s->key) != 0) {
		log_error("plugin %s aggregates \"%s\" now, the file has \"%s\"", p->name, key,
			  s->key);
		free(key);
		return 1;
	}
	free(key);
	row_text_init(&t, &csv, &l);
	strbuf_add(&b, "STAMP,");
	row_text_head(&b, &t);
	for (size_t i = 0; i < s->purge.nrows; i++) {
		snprintf(stamp, sizeof(stamp), "%" PRId64 ",", s->rows[i].bin);
		strbuf_add(&b, stamp);
		row_text_row(&b, &t, &s->purge, &s->rows[i]);
		fwrite(b.s, 1, b.n, to);
		strbuf_reset(&b);
	}
	strbuf_clear(&b);
	return 0;
}

int spool_dump(const struct settings *s, const char *path, FILE *to)
{
	const struct plugin_settings *p;
	struct spool_purge file;
	const char *why = spool_load(&file, path, false);
	int bad = 1;

	p = why ? NULL : plugin_of(s, file.plugin);
	if (why)
		log_error("%s: %s", path, why);
	else if (!p)
		log_error("%s: is of plugin \"%s\", which the configuration has not", path,
			  file.plugin);
	else
		bad = print_rows(&file, p, to);
	spool_clear(&file);
	return bad;
}
