/*
 * sink_memory.c - sums in a table of this process, for pmacct(1) to ask
 * (lib/base/imt.h) over the UNIX socket of imt_path.
 *
 * Purges come once a second and are added up.  A thread answers questions, one
 * client at a time; an answer is made as text under the table's lock and sent
 * after it, so that a client that does not read holds up other clients for
 * CLIENT_SECONDS and sums never.  The table has a bound of its own: beyond it
 * new rows are refused and counted, known ones go on.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/owner.h"
#include "nfacctd/aggregate.h"
#include "nfacctd/custom.h"
#include "nfacctd/imt_query.h"

enum { CLIENT_SECONDS = 10, BACKLOG = 16, CHUNK = 64, SAY_AGAIN_SECONDS = 60 };

struct sink_memory {
	const struct plugin_settings *p;
	const struct key_layout *l;
	char who[96];
	struct agg_shape shape;
	struct agg_budget budget;
	uint64_t seed;
	pthread_mutex_t lock;		/* of the table, and of `client` */
	struct aggregate *table;
	struct agg_counts before;	/* of the table, after the last purge */
	int64_t erased_s;		/* 0: never */
	struct sink_counts counts;
	uint64_t told_us;
	struct sockaddr_un at;
	int fd, wake, client;		/* client: being served, or -1 */
	bool stop, running;
	pthread_t thread;
};

static int64_t now_s(void)
{
	return (int64_t)(clock_wall_us() / 1000000);
}

static struct aggregate *new_table(struct sink_memory *s)
{
	return aggregate_new(&s->shape, &s->budget, s->seed);
}

/* ---- purges ---- */

static void count_shed(struct sink_memory *s)
{
	const struct agg_counts *c = aggregate_counts(s->table);
	uint64_t shed = c->shed - s->before.shed;

	s->counts.rejected += shed;
	s->counts.rejected_octets += c->shed_octets - s->before.shed_octets +
				     (c->saturated_octets - s->before.saturated_octets);
	s->counts.rejected_packets += c->shed_packets - s->before.shed_packets +
				      (c->saturated_packets - s->before.saturated_packets);
	s->before = *c;
	if (shed &&
		log_allow(
			&s->told_us, clock_mono_ns() / 1000, SAY_AGAIN_SECONDS * UINT64_C(1000000)))
		log_error("%s: imt_memory_budget of %" PRIu64 " bytes is spent: %" PRIu64
			  " new rows refused; pmacct -e empties the table",
			s->who, s->budget.limit, shed);
}

static enum sink_result memory_write(void *sink, const struct purge *p)
{
	struct sink_memory *s = sink;
	uint64_t start = clock_mono_ns();
	uint8_t *keys = xcalloc(CHUNK, s->shape.key_size);
	struct sums sums[CHUNK];

	pthread_mutex_lock(&s->lock);
	for (size_t done = 0; done < p->nrows;) {
		size_t n = 0;

		for (; n < CHUNK && done < p->nrows; n++, done++) {
			memcpy(keys + n * s->shape.key_size, p->rows[done].key, s->l->size);
			sums[n] = p->rows[done].sums;
		}
		aggregate_add(s->table, keys, sums, n);
	}
	count_shed(s);
	s->counts.purges++;
	s->counts.rows += p->nrows;
	s->counts.write_ns += clock_mono_ns() - start;
	pthread_mutex_unlock(&s->lock);
	free(keys);
	return SINK_OK;
}

/* ---- questions ---- */

/* Without the chosen rows; when there is no memory for that, all stay. */
static bool drop_rows(
	struct sink_memory *s, const struct sum_row *rows, size_t n, const bool *chosen)
{
	struct aggregate *a = new_table(s);

	if (!a)
		return false;
	aggregate_unbind(a);	/* for a moment there are two */
	for (size_t i = 0; i < n; i++) {
		uint8_t key[KEY_BYTES_MAX + 8] = { 0 };

		memcpy(key, rows[i].key, s->l->size);
		if (!chosen || !chosen[i])
			aggregate_add(a, key, &rows[i].sums, 1);
	}
	aggregate_free(s->table);
	s->table = a;
	s->before = *aggregate_counts(a);
	return true;
}

static struct sum_row *list_rows(const struct sink_memory *s, size_t *n)
{
	struct sum_row *rows;

	*n = aggregate_rows(s->table);
	rows = xcalloc(*n + 1, sizeof(*rows));
	for (size_t i = 0; i < *n; i++)
		aggregate_row(s->table, i, &rows[i].sums, &rows[i].key);
	return rows;
}

static void answer_table(struct sink_memory *s, const struct imt_request *r, struct strbuf *out,
	char *why, size_t size)
{
	size_t n;
	struct sum_row *rows = list_rows(s, &n);
	bool *chosen = xcalloc(n + 1, sizeof(*chosen));
	const struct imt_query q = { r, s->p, s->l, rows, n, chosen };

	if (imt_query_answer(&q, out, why, size) && r->reset) {
		if (!drop_rows(s, rows, n, chosen))
			snprintf(why, size, "no memory to reset counters; nothing is changed");
		else if (r->ask == IMT_STATS)	/* -s -e */
			s->erased_s = now_s();
	}
	free(chosen);
	free(rows);
}

/* pmacct -U: where each one stands in the reference's row of them. */
static void list_customs(struct strbuf *out, const struct aggregate_spec *a)
{
	unsigned offset = 0;

	strbuf_addf(out, "%-32s  %-5s  %s\n", "NAME", "LEN", "OFF");
	for (size_t i = 0; i < a->ncustom; i++) {
		const unsigned len = custom_length(a->custom[i]);
		char text[16] = "vlen";

		if (len)
			snprintf(text, sizeof(text), "%u", len);
		strbuf_addf(out, "%-32s  %-5s  %-5u\n", primitives[a->custom[i]].name, text, offset);
		offset += len;
	}
}

static void answer(struct sink_memory *s, const struct imt_request *r, struct strbuf *out,
	char *why, size_t size)
{
	switch (r->ask) {
	case IMT_STATS:
	case IMT_COUNT:
	case IMT_MATCH:
		answer_table(s, r, out, why, size);
		break;
	case IMT_ERASE:
		if (drop_rows(s, NULL, 0, NULL)) {
			s->erased_s = now_s();
			strbuf_add(out, "OK: Clearing stats.\n");
		} else {
			snprintf(why, size, "no memory for an empty table; nothing is erased");
		}
		break;
	case IMT_AGE:
		if (s->erased_s)
			strbuf_addf(out, "%" PRId64 "\n", now_s() - s->erased_s);
		else
			strbuf_add(out, "never\n");
		break;
	case IMT_CLASSES:
		strbuf_add(out, "CLASS_ID\tCLASS_NAME\n");
		break;
	case IMT_CUSTOMS:
		list_customs(out, &s->p->aggregate);
		break;
	case IMT_STATUS:
		strbuf_addf(out, "entries %zu\nbytes %zu\nlimit %" PRIu64 "\nrefused %" PRIu64 "\n",
			    aggregate_rows(s->table), aggregate_bytes(s->table), s->budget.limit,
			    s->counts.rejected);
		break;
	}
}

/* The request until its empty line; false when it does not come or is too long. */
static bool receive(int fd, struct strbuf *b)
{
	uint64_t until = clock_mono_ns() + CLIENT_SECONDS * UINT64_C(1000000000);
	char part[4096];

	while (b->n < 2 || memcmp(b->s + b->n - 2, "\n\n", 2) != 0) {
		ssize_t n = recv(fd, part, sizeof(part), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || b->n + (size_t)n > IMT_REQUEST_MAX || clock_mono_ns() > until)
			return false;
		strbuf_addn(b, part, (size_t)n);
	}
	return true;
}

static bool send_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

static void serve(struct sink_memory *s, int fd)
{
	struct strbuf text = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	const char *wrong = "request is not whole or too long";
	char why[256] = "", head[300];
	struct imt_request r;
	int n;

	imt_request_init(&r);
	if (receive(fd, &text) && imt_request_read(&r, text.s, text.n, &wrong)) {
		pthread_mutex_lock(&s->lock);
		answer(s, &r, &out, why, sizeof(why));
		pthread_mutex_unlock(&s->lock);
	} else {
		snprintf(why, sizeof(why), "%s", wrong);
	}
	n = *why ? snprintf(head, sizeof(head), "ERROR %s\n", why) :
		   snprintf(head, sizeof(head), "OK %zu\n", out.n);
	if (send_all(fd, head, (size_t)n) && !*why && out.n)
		send_all(fd, out.s, out.n);
	imt_request_clear(&r);
	strbuf_clear(&text);
	strbuf_clear(&out);
}

static void *answer_clients(void *arg)
{
	const struct timeval limit = { CLIENT_SECONDS, 0 };
	struct sink_memory *s = arg;
	struct pollfd fds[2] = { { s->wake, POLLIN, 0 }, { s->fd, POLLIN, 0 } };

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		int fd = fds[0].revents ? -1 : accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		bool stop;

		if (fds[0].revents)
			break;
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		pthread_mutex_lock(&s->lock);
		stop = s->stop;
		s->client = fd;
		pthread_mutex_unlock(&s->lock);
		if (!stop)
			serve(s, fd);
		pthread_mutex_lock(&s->lock);
		s->client = -1;
		pthread_mutex_unlock(&s->lock);
		close(fd);
	}
	return NULL;
}

/* ---- life ---- */

/* Nobody answers there: a socket that a process left that was killed. */
static bool is_stale(const struct sockaddr_un *at)
{
	struct stat st;
	/* A file that is no socket refuses a connection, too. */
	bool one = lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
	int fd = one ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
		errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return stale;
}

static int bind_socket(struct sink_memory *s)
{
	const char *path = s->p->imt_path && *s->p->imt_path ? s->p->imt_path : IMT_PATH_DEFAULT;

	s->at.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(s->at.sun_path)) {
		log_error("%s: imt_path: \"%s\": at most %zu characters expected", s->who, path,
			  sizeof(s->at.sun_path) - 1);
		return -1;
	}
	strcpy(s->at.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		goto fail;
	if (bind(s->fd, (struct sockaddr *)&s->at, sizeof(s->at)) != 0) {
		if (errno != EADDRINUSE)
			goto fail;
		if (!is_stale(&s->at)) {
			log_error("%s: imt_path: \"%s\": is there already, and somebody answers or "
				  "it is no socket; each memory plugin needs its own imt_path",
				s->who, path);
			close(s->fd);
			s->fd = -1;
			return -1;
		}
		unlink(path);
		if (bind(s->fd, (struct sockaddr *)&s->at, sizeof(s->at)) != 0)
			goto fail;
	}
	owner_give_path(path);
	if (listen(s->fd, BACKLOG) == 0)
		return 0;
fail:
	log_error_errno("%s: imt_path: \"%s\"", s->who, path);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return -1;
}

static void memory_close(void *sink)
{
	struct sink_memory *s = sink;

	if (!s)
		return;
	if (s->running) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		if (s->client >= 0)
			shutdown(s->client, SHUT_RDWR);
		pthread_mutex_unlock(&s->lock);
		eventfd_write(s->wake, 1);
		pthread_join(s->thread, NULL);
	}
	if (s->fd >= 0) {
		close(s->fd);
		unlink(s->at.sun_path);
	}
	if (s->wake >= 0)
		close(s->wake);
	pthread_mutex_destroy(&s->lock);
	aggregate_free(s->table);
	free(s);
}

static void *memory_open(
	const struct plugin_settings *p, const struct key_layout *l, uint64_t run_id)
{
	struct sink_memory *s = xcalloc(1, sizeof(*s));
	int err;

	s->p = p;
	s->l = l;
	s->fd = s->wake = s->client = -1;
	snprintf(s->who, sizeof(s->who), "%s/memory", p->name);
	s->shape = (struct agg_shape) { .key_size = (uint16_t)(l->size ? l->size : 8),
		.flows = l->spec.flows,
		.tcp_flags = l->spec.tcpflags };
	s->budget.limit = p->imt_memory_budget;
	if (getrandom(&s->seed, sizeof(s->seed), 0) != (ssize_t)sizeof(s->seed))
		s->seed = run_id;
	pthread_mutex_init(&s->lock, NULL);
	s->table = new_table(s);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->table || s->wake < 0) {
		log_error_errno("%s", s->who);
		memory_close(s);
		return NULL;
	}
	if (bind_socket(s) != 0) {
		memory_close(s);
		return NULL;
	}
	err = pthread_create(&s->thread, NULL, answer_clients, s);
	if (err) {
		log_error("%s: no thread: %s", s->who, strerror(err));
		memory_close(s);
		return NULL;
	}
	s->running = true;
	log_info("%s: waiting for data on: '%s'", s->who, s->at.sun_path);
	return s;
}

static unsigned memory_check(const struct plugin_settings *p, const struct key_layout *l)
{
	const char *path = p->imt_path && *p->imt_path ? p->imt_path : IMT_PATH_DEFAULT;
	struct sockaddr_un at;

	(void)l;
	if (strlen(path) < sizeof(at.sun_path))
		return 0;
	log_error("%s/memory: imt_path: \"%s\": at most %zu characters expected", p->name, path,
		  sizeof(at.sun_path) - 1);
	return 1;
}

static const struct sink_counts *memory_counts(void *sink)
{
	return &((struct sink_memory *)sink)->counts;
}

const struct sink sink_memory = {
	.type = "memory",
	.open = memory_open,
	.check = memory_check,
	.write = memory_write,
	.counts = memory_counts,
	.close = memory_close,
};
