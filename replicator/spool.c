/*
 * spool.c - see spool.h.
 *
 * A record is its header and the payload, in multiples of 8 octets, and may run
 * over the end of the file to its beginning.  The head is written behind the
 * records of each call, so that a process that dies leaves a file that is
 * right up to its last call.
 *
 * A machine that dies leaves head and records of different moments, and pages
 * of an earlier time round the ring between them.  So offsets only grow, a
 * record knows its own, and a sum tells whether all of it is there: nothing is
 * sent that is not what was written, and nothing of an earlier round again.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEAD = 4096, UNIT = 1000000, ALIGN = 8, LONGEST = 65536, BUFFER = 1 << 20 };

/* Before each payload. */
struct record {
	uint32_t magic;		/* of this offset */
	uint32_t octets;	/* of the payload */
	uint32_t sum;		/* of the rest of this and the payload */
	uint16_t port, zero;
	struct addr from;
};

static const uint8_t head_magic[8] = "FLSPOOL1";
enum { RECORD_MAGIC = 0x5370416e };

static uint32_t magic_at(uint64_t offset)
{
	return RECORD_MAGIC ^ (uint32_t)(offset / ALIGN);
}

static uint32_t sum_of(struct record r, const uint8_t *payload, uint64_t offset)
{
	r.sum = 0;
	return (uint32_t)XXH3_64bits_withSeed(
		payload, r.octets, XXH3_64bits_withSeed(&r, sizeof(r), offset));
}

static size_t record_size(size_t octets)
{
	return (sizeof(struct record) + octets + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- the file as a ring -------------------------------------------------------- */

/* Read or write `n` octets at `offset`, which may run over the end. */
static int transfer(struct spool *s, uint64_t offset, uint8_t *p, size_t n, bool write)
{
	while (n) {
		const uint64_t place = offset % s->head.octets;
		const size_t part =
			s->head.octets - place < n ? (size_t)(s->head.octets - place) : n;
		const ssize_t done = write ? pwrite(s->fd, p, part, (off_t)(HEAD + place))
					   : pread(s->fd, p, part, (off_t)(HEAD + place));

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			s->err = done < 0 ? errno : EIO;
			s->counts.errors++;
			return -1;
		}
		offset += (uint64_t)done;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_head(struct spool *s)
{
	s->head.waiting = s->waiting;
	s->dirty = true;
	if (pwrite(s->fd, &s->head, sizeof(s->head), 0) == (ssize_t)sizeof(s->head))
		return 0;
	s->err = errno;
	s->counts.errors++;
	return -1;
}

/* The record at `offset`; false when there is none, and what is there is no spool any more. */
static bool read_record(struct spool *s, uint64_t offset, struct record *r)
{
	if (offset + sizeof(*r) > s->head.last ||
		transfer(s, offset, (uint8_t *)r, sizeof(*r), false) < 0)
		return false;
	return r->magic == magic_at(offset) && r->octets <= LONGEST &&
		offset + record_size(r->octets) <= s->head.last;
}

/* Nothing in it can be trusted: what waited is lost, and counted. */
static void start_anew(struct spool *s)
{
	s->counts.overwritten += s->waiting;
	s->counts.errors++;
	s->err = EBADMSG;
	s->waiting = 0;
	s->head.first = s->head.last;
}

/* ---- open, close ------------------------------------------------------------------ */

static bool head_is_sound(const struct spool_head *h, const struct stat *st)
{
	return memcmp(h->magic, head_magic, sizeof(head_magic)) == 0 &&
		h->octets >= SPOOL_MIN / 2 && h->octets % ALIGN == 0 && h->first <= h->last &&
		h->last - h->first <= h->octets && h->first % ALIGN == 0 && h->last % ALIGN == 0 &&
		h->waiting <= (h->last - h->first) / ALIGN &&
		(uint64_t)st->st_size <= HEAD + h->octets;
}

static int read_head(struct spool *s)
{
	struct stat st;
	ssize_t n;

	if (fstat(s->fd, &st) < 0)
		return -1;
	if (st.st_size == 0) {
		memcpy(s->head.magic, head_magic, sizeof(head_magic));
		s->head.octets = (s->limits.octets - HEAD) / ALIGN * ALIGN;
		return write_head(s);
	}
	n = pread(s->fd, &s->head, sizeof(s->head), 0);
	if (n != (ssize_t)sizeof(s->head) || !S_ISREG(st.st_mode) ||
		!head_is_sound(&s->head, &st)) {
		errno = EINVAL;
		return -1;
	}
	s->waiting = s->counts.taken_over = s->head.waiting;
	/* Another size takes effect once it is empty. */
	if (s->waiting == 0) {
		s->head.first = s->head.last;
		s->head.octets = (s->limits.octets - HEAD) / ALIGN * ALIGN;
	}
	return 0;
}

int spool_open(struct spool *s, const char *path, const struct spool_limits *l)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->limits = *l;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (s->fd < 0)
		return -1;
	s->buffer = malloc(BUFFER);
	if (!s->buffer || flock(s->fd, LOCK_EX | LOCK_NB) < 0 || read_head(s) < 0) {
		err = errno;
		spool_close(s);
		errno = err;
		return -1;
	}
	return 0;
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->buffer);
	s->buffer = NULL;
}

/* ---- in ---------------------------------------------------------------------------- */

/* The oldest give way until `n` octets fit. */
static void make_room(struct spool *s, size_t n)
{
	struct record r;

	while (s->head.last - s->head.first + n > s->head.octets && s->waiting) {
		if (!read_record(s, s->head.first, &r)) {
			start_anew(s);
			return;
		}
		s->head.first += record_size(r.octets);
		s->waiting--;
		s->counts.overwritten++;
	}
}

static size_t gather(struct spool *s, const struct bytes *d, const struct endpoint *const *from,
		     size_t n,
		     size_t *octets)
{
	size_t i;

	for (i = 0, *octets = 0; i < n && *octets + record_size(d[i].n) <= BUFFER; i++) {
		const uint64_t offset = s->head.last + *octets;
		struct record r = { magic_at(offset), (uint32_t)d[i].n, 0, from[i]->port, 0,
			from[i]->addr };
		const size_t size = record_size(d[i].n);

		r.sum = sum_of(r, d[i].p, offset);

		memset(s->buffer + *octets + size - ALIGN, 0, ALIGN);
		memcpy(s->buffer + *octets, &r, sizeof(r));
		memcpy(s->buffer + *octets + sizeof(r), d[i].p, d[i].n);
		*octets += size;
	}
	return i;
}

size_t spool_put(struct spool *s, const struct bytes *d, const struct endpoint *const *from,
		 size_t n)
{
	size_t done = 0, octets, some;

	for (; done < n; done += some) {
		some = gather(s, d + done, from + done, n - done, &octets);
		if (octets > s->head.octets)
			break;
		make_room(s, octets);
		if (transfer(s, s->head.last, s->buffer, octets, true) < 0)
			break;
		s->head.last += octets;
		s->waiting += some;
		s->counts.written += some;
	}
	write_head(s);
	return done;
}

/* ---- out --------------------------------------------------------------------------- */

size_t spool_due(struct spool *s, uint64_t now_ns)
{
	const uint64_t most =
		s->limits.rate * (UNIT / 10); /* a tenth of a second's worth at once */
	const uint64_t passed_us = (now_ns - s->filled_ns) / 1000;

	if (!s->waiting)
		return 0;
	if (!s->filled_ns || passed_us > UNIT / 10)
		s->tokens = s->filled_ns ? most : 0;
	else
		s->tokens = s->tokens + passed_us * s->limits.rate < most
			? s->tokens + passed_us * s->limits.rate
			: most;
	if (!s->filled_ns || passed_us)
		s->filled_ns = now_ns;
	return s->tokens / UNIT < s->waiting ? (size_t)(s->tokens / UNIT) : (size_t)s->waiting;
}

size_t spool_peek(struct spool *s, struct bytes *d, struct endpoint *from, size_t max)
{
	uint64_t at = s->head.first;
	size_t n, used = 0;

	for (n = 0; n < max && n < s->waiting; n++) {
		struct record r;

		const bool sound = read_record(s, at, &r);

		if (sound && (used + r.octets > BUFFER ||
			transfer(s, at + sizeof(r), s->buffer + used, r.octets, false) < 0))
			break;
		if (!sound || r.sum != sum_of(r, s->buffer + used, at)) {
			/* What is before it goes first. */
			if (n == 0)
				start_anew(s);
			break;
		}
		d[n] = (struct bytes){ s->buffer + used, r.octets };
		from[n] = (struct endpoint){ r.from, r.port, false };
		used += r.octets;
		at += record_size(r.octets);
	}
	return n;
}

void spool_taken(struct spool *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct record r;

		if (!read_record(s, s->head.first, &r)) {
			start_anew(s);
			break;
		}
		s->head.first += record_size(r.octets);
		s->waiting--;
		s->counts.read++;
		s->tokens = s->tokens > UNIT ? s->tokens - UNIT : 0;
	}
	write_head(s);
}

/* ---- to the disk -------------------------------------------------------------------- */

int spool_sync(struct spool *s, uint64_t now_ns)
{
	if (!s->limits.sync_ns || !s->dirty || now_ns - s->synced_ns < s->limits.sync_ns)
		return -1;
	s->synced_ns = now_ns;
	s->dirty = false;
	return fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
}
