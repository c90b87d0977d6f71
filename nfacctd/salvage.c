/*
 * salvage.c - see salvage.h.
 */
#include "base/owner.h"
#include "nfacctd/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

static int open_partial(struct salvage_file *s)
{
	int fd;

	snprintf(s->partial, sizeof(s->partial), "%s.part", s->path);
	fd = open(s->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	owner_give(fd);
	s->f = fdopen(fd, "w");
	if (!s->f)
		close(fd);
	return s->f ? 0 : -1;
}

static int open_at(struct salvage_file *s, const char *base, const char *plugin, uint64_t run_id,
		   uint64_t purge, const char *suffix)
{
	int n = snprintf(s->path, sizeof(s->path), "%s.%s.%" PRIu64 ".%" PRIu64 ".%s", base, plugin,
			 run_id, purge, suffix);

	if (n < 0 || (size_t)n >= sizeof(s->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open_partial(s);
}

int salvage_open_path(struct salvage_file *s, const char *path)
{
	memset(s, 0, sizeof(*s));
	s->sum = salvage_sum_start();
	snprintf(s->path, sizeof(s->path), "%s", path);
	return open_partial(s);
}

int salvage_open(struct salvage_file *s, const struct plugin_settings *p, uint64_t run_id,
		 uint64_t purge, const char *suffix)
{
	const char *bases[] = { p->sql_recovery_logfile, "/var/lib/nfacctd/unwritten",
		"./unwritten" };

	memset(s, 0, sizeof(*s));
	s->sum = salvage_sum_start();
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		if (bases[i] && *bases[i] &&
			open_at(s, bases[i], p->name, run_id, purge, suffix) == 0)
			return 0;
	return -1;
}

uint64_t salvage_sum_start(void)
{
	return 14695981039346656037u;
}

uint64_t salvage_sum(uint64_t sum, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (uint8_t)bytes[i]) * 1099511628211u;
	return sum;
}

int salvage_put(struct salvage_file *s, const char *bytes, size_t n)
{
	s->sum = salvage_sum(s->sum, bytes, n);
	return fwrite(bytes, 1, n, s->f) == n ? 0 : -1;
}

/* A rename is durable once its directory is. */
static int sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd, err;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	err = fsync(fd);
	close(fd);
	return err;
}

int salvage_close(struct salvage_file *s, int err)
{
	int saved = errno;

	if (err == 0 && (fflush(s->f) != 0 || fsync(fileno(s->f)) != 0)) {
		err = -1;
		saved = errno;
	}
	if (fclose(s->f) != 0 && err == 0) {
		err = -1;
		saved = errno;
	}
	if (err == 0 && (rename(s->partial, s->path) != 0 || sync_directory(s->path) != 0)) {
		err = -1;
		saved = errno;
	}
	if (err != 0)
		unlink(s->partial);
	errno = saved;
	return err;
}
