#include "base/owner.h"
#include "nfacctd/templates_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "wire/persist.h"

/* Exporters repeat their templates within the hour; what is older than this describes another past.
 */
#define MAX_AGE_US (UINT64_C(7) * 86400 * 1000000)
#define COMPLAINT_INTERVAL_US UINT64_C(60000000)

enum { OCTETS_MAX = 1 << 30 };

/* ---- reading ---- */

/* The whole file on the heap; NULL with errno. */
static uint8_t *slurp(const char *path, size_t *n)
{
	uint8_t *p = NULL;
	struct stat st;
	FILE *f = fopen(path, "rb");

	if (!f)
		return NULL;
	if (fstat(fileno(f), &st) == 0 && st.st_size >= 0 && st.st_size < OCTETS_MAX) {
		*n = (size_t)st.st_size;
		p = xcalloc(*n + 1, 1);
		*n = fread(p, 1, *n, f);
	} else {
		errno = EFBIG;
	}
	fclose(f);
	return p;
}

static void add(struct decoder_loaded *to, const struct decoder_loaded *l)
{
	to->templates += l->templates;
	to->samplers += l->samplers;
	to->old += l->old;
	to->refused += l->refused;
}

void templates_file_read(struct templates_file *f, struct worker *w, size_t n, uint64_t now_us)
{
	struct decoder_loaded all = { 0 };
	const char *wrong = NULL;
	size_t octets = 0;
	uint8_t *p;

	if (!f->path)
		return;
	p = slurp(f->path, &octets);
	if (!p) {
		if (errno != ENOENT)
			log_warn_errno("nfacctd_templates_file: \"%s\"", f->path);
		return;
	}
	for (size_t i = 0; i < n && octets; i++) {
		struct bytes rest = { p, octets };
		struct decoder_loaded one = { 0 };

		while (rest.n && !wrong)
			wrong = decoder_load(w[i].decoder, &rest, now_us, MAX_AGE_US, &one);
		/* Every worker reads the same: one of them is told about. */
		if (i == 0)
			add(&all, &one);
	}
	f->foreign = octets && (octets < 4 || memcmp(p, "FLWT", 4) != 0);
	free(p);
	if (wrong)
		log_warn("nfacctd_templates_file: \"%s\": %s; %s", f->path, wrong,
			 f->foreign ? "it is left alone, templates are not saved" :
			 "what it held will be learnt anew");
	if (all.templates || all.samplers || all.old || all.refused)
		log_info("nfacctd_templates_file: \"%s\": %u templates, %u samplers; %u entries "
			 "too old, %u refused",
			f->path, all.templates, all.samplers, all.old, all.refused);
}

/* ---- writing ---- */

struct writing {
	uint8_t *p;
	size_t n;
	uint64_t now_us, told;
};

static void save(struct worker *w, void *arg)
{
	const struct decode_counts *c = decoder_counts(w->decoder);
	size_t room = decoder_save_size(w->decoder);
	struct writing *out = arg;

	out->told += c->templates + c->option_records;
	out->p = xrealloc(out->p, out->n + room);
	out->n += decoder_save(w->decoder, out->p + out->n, room, out->now_us);
}

static void count_told(struct worker *w, void *arg)
{
	const struct decode_counts *c = decoder_counts(w->decoder);

	*(uint64_t *)arg += c->templates + c->option_records;
}

/* Written beside it, on the disk, then renamed: at any time one whole file is there. */
static int replace(const char *path, const uint8_t *p, size_t n)
{
	struct strbuf beside = { 0 };
	int fd, err = -1;

	strbuf_addf(&beside, "%s.new", path);
	fd = open(beside.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		goto done;
	owner_give(fd);
	while (n) {
		ssize_t got = write(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		p += got;
		n -= (size_t)got;
	}
	if (n == 0 && fsync(fd) == 0 && rename(beside.s, path) == 0)
		err = 0;
	close(fd);
	if (err)
		unlink(beside.s);
done:
	strbuf_clear(&beside);
	return err;
}

int templates_file_write(struct templates_file *f, struct worker *w, size_t n, uint64_t now_us)
{
	struct writing out = { .now_us = now_us };
	uint64_t told = 0;
	int err;

	if (!f->path || f->foreign)
		return 0;
	for (size_t i = 0; i < n; i++)
		worker_do(&w[i], count_told, &told);
	if (told == f->told)
		return 0;
	for (size_t i = 0; i < n; i++)
		worker_do(&w[i], save, &out);
	err = replace(f->path, out.p, out.n);
	if (err == 0)
		f->told = out.told;
	else if (log_allow(&f->logged_us, now_us, COMPLAINT_INTERVAL_US))
		log_error_errno("nfacctd_templates_file: \"%s\"", f->path);
	free(out.p);
	return err;
}
