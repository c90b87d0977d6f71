/*
 * memory.c - see memory.h.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "replicator/carry.h"
#include "replicator/roster.h"

enum { MESSAGE_MAX = 65535, LOOKS_MAX = 1 << 20 };

static const char magic[8] = "FLTOLD01";

struct head {
	char magic[8];
	uint64_t workers;
};

/* Before each message; the last one has no octets. */
struct record {
	struct addr from;
	uint32_t worker, octets;
	uint16_t port;
	uint16_t receiver;	/* 1: no message, but a receiver that knows them all */
	uint32_t zero;
};

struct writer {
	FILE *f;
	uint32_t worker;
};

static void write_message(void *ctx, const struct endpoint *from, struct bytes message)
{
	const struct writer *w = ctx;
	const struct record r = { from->addr, w->worker, (uint32_t)message.n, from->port, 0, 0 };

	if (fwrite(&r, sizeof(r), 1, w->f) == 1)
		fwrite(message.p, message.n, 1, w->f);
}

/* Looks at every stream for each receiver, while nobody receives: not where both are many. */
static void write_receivers(FILE *f, struct worker *w, uint32_t number)
{
	const struct receivers *rs = &w->receivers;
	const struct recall *m = w->fanout->recall;

	if (receivers_count(rs) * recall_counts(m)->streams > LOOKS_MAX)
		return;
	for (size_t i = 0; i < rs->npools; i++) {
		for (size_t k = 0; k < rs->pools[i].n; k++) {
			const struct receiver *r = rs->pools[i].receivers[k];
			struct record head = { .worker = number, .receiver = 1 };
			char text[ROSTER_NAME];
			const int n = roster_name(text, &rs->pools[i], r);

			head.octets = (uint32_t)n;
			if (r->health.down || n >= ROSTER_NAME ||
				!recall_knows_all(m, &r->known))
				continue;
			if (fwrite(&head, sizeof(head), 1, f) == 1)
				fwrite(text, head.octets, 1, f);
		}
	}
}

/* Of all workers, each between two batches; 0, or -1 with errno. */
static int memory_write(FILE *f, struct worker *w, size_t n, bool receivers)
{
	struct head head = { .workers = n };
	const struct record end = { .octets = 0 };

	memcpy(head.magic, magic, sizeof(magic));
	fwrite(&head, sizeof(head), 1, f);
	for (size_t i = 0; i < n; i++) {
		struct writer to = { f, (uint32_t)i };

		worker_enter(&w[i]);
		if (w[i].fanout && w[i].fanout->recall)
			recall_walk(w[i].fanout->recall, write_message, &to);
		if (w[i].fanout && w[i].fanout->recall && receivers)
			write_receivers(f, &w[i], to.worker);
		worker_leave(&w[i]);
	}
	fwrite(&end, sizeof(end), 1, f);
	return fflush(f) == 0 && !ferror(f) ? 0 : -1;
}

/* In memory: who is in a worker's room must not wait for a disk. */
static int write_in_memory(struct worker *w, size_t n, bool receivers, const struct report *sum)
{
	const int fd = memfd_create("templates", MFD_CLOEXEC);
	const int copy = fd < 0 ? -1 : dup(fd);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	uint64_t begun;
	bool written;

	written = f && memory_write(f, w, n, receivers) == 0;
	if (written && sum && (begun = carry_write(f, w, n, sum)) > 0)
		log_warn("%llu streams begin anew with their numbers: %d are handed over",
			(unsigned long long)begun, CARRY_STREAMS);
	if (f && fclose(f) != 0)
		written = false;
	if (!f && copy >= 0)
		close(copy);
	if (written && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int memory_hand(struct worker *w, size_t n, const struct report *sum)
{
	return write_in_memory(w, n, true, sum);
}

/* A receiver that lacks nothing; the roster is made with the first. */
static void know(struct worker *w, struct roster *names, const uint8_t *name, size_t n)
{
	struct roster_entry *e;

	if (!names->entries)
		roster_init(names, &w->receivers);
	e = roster_find(names, (const char *)name, n);
	if (e && w->fanout->recall)
		recall_know_all(&e->receiver->known, w->fanout->recall);
}

static void teach(struct worker *w, const struct record *r, const uint8_t *octets)
{
	const struct datagram d = { { octets, r->octets }, { r->from, r->port, false }, 0 };
	struct recall *m = w->fanout->recall;
	struct recall_mark mark;
	struct peek peek;

	if (!m)
		return;
	wire_peek(&peek, d.data);
	recall_begin(m);
	recall_look(m, &d, &peek, &mark);
	if (mark.carries)
		recall_learn(m, &d, &peek);
}

long memory_read(FILE *f, struct worker *w, size_t n)
{
	uint8_t *octets = xmalloc(MESSAGE_MAX);
	struct roster *names = xcalloc(n, sizeof(*names));
	struct head head;
	struct record r;
	long messages = 0;
	bool sound = fread(&head, sizeof(head), 1, f) == 1 &&
		memcmp(head.magic, magic, sizeof(magic)) == 0;

	while (sound) {
		sound = fread(&r, sizeof(r), 1, f) == 1 && r.octets <= MESSAGE_MAX &&
			(r.octets == 0 || fread(octets, r.octets, 1, f) == 1);
		if (!sound || r.octets == 0)
			break;
		for (size_t i = 0; i < n; i++)
			if (r.receiver && head.workers == n && r.worker == i)
				know(&w[i], &names[i], octets, r.octets);
			else if (!r.receiver && (head.workers != n || r.worker == i))
				teach(&w[i], &r, octets);
		messages += !r.receiver;
	}
	for (size_t i = 0; i < n; i++)
		roster_clear(&names[i]);
	free(names);
	free(octets);
	errno = EBADMSG;
	return sound ? messages : -1;
}

/* All of `from` into `to`, and to the disk; 0, or -1 with errno. */
static int copy_file(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, 1 << 20);
	while (n > 0);
	return n < 0 ? -1 : fdatasync(to);
}

int memory_save(const char *path, struct worker *w, size_t n)
{
	char *fresh = xmalloc(strlen(path) + 5);
	const int from = write_in_memory(w, n, false, NULL);
	int to = -1, err;
	bool saved = false;

	sprintf(fresh, "%s.new", path);
	if (from >= 0)
		to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to >= 0)
		saved = copy_file(from, to) == 0 && rename(fresh, path) == 0;
	err = errno;
	if (to >= 0 && !saved)
		unlink(fresh);
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	free(fresh);
	errno = err;
	return saved ? 0 : -1;
}
