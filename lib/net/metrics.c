/*
 * metrics.c - see metrics.h.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text
 * 0.0.4).  All lines of a metric have to stand together, so that rows are
 * gathered by name first.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

enum { TIMEOUT_S = 10, BACKLOG = 16 };

struct metrics {
	char *prefix;
	const struct metric_name *names;
	size_t nnames;
	struct MHD_Daemon *http;
	int fd;
	pthread_mutex_t lock;	/* of `page` */
	/* One for all who ask: a slow reader keeps the one that it was given. */
	struct MHD_Response *page;
};

/* ---- text ----------------------------------------------------------------- */

/* Length of what stands in front of the labels. */
static size_t name_length(const char *row)
{
	return strcspn(row, "{");
}

static const struct metric_name *find_name(const char *row, const struct metric_name *names,
					   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t length = strlen(names[i].row);

		if (strncmp(row, names[i].row, length) == 0 &&
		    (row[length] == '\0' || row[length] == '{' || row[length] == '='))
			return &names[i];
	}
	return NULL;
}

/* "prefix_name" or "prefix_name_total", of the characters that are lawful. */
static void add_metric(struct strbuf *b, const char *prefix, const char *name, size_t n,
		       bool counter)
{
	const char *end = "_total";

	strbuf_add(b, prefix);
	strbuf_add(b, "_");
	for (size_t i = 0; i < n; i++) {
		const bool lawful = (name[i] >= 'a' && name[i] <= 'z') ||
			(name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9') ||
			name[i] == '_' || name[i] == ':';

		strbuf_addn(b, lawful ? &name[i] : "_", 1);
	}
	if (counter && (n < strlen(end) || memcmp(name + n - strlen(end), end, strlen(end)) != 0))
		strbuf_add(b, end);
}

/* Octets of the UTF-8 character at `p`, 0 when it is none. */
static size_t utf8_length(const char *p)
{
	const unsigned char first = (unsigned char)*p;
	const size_t n = first < 0x80 ? 1
		: first < 0xc2        ? 0
		: first < 0xe0        ? 2
		: first < 0xf0        ? 3
		: first < 0xf5        ? 4
				      : 0;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Where a label's value ends: at the quote with `}` and nothing, or `,name="` behind it. */
static bool value_ends(const char *quote)
{
	const char *p = quote + 1;

	if (strcmp(p, "}") == 0)
		return true;
	if (*p++ != ',')
		return false;
	p += strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	return p[0] == '=' && p[1] == '"';
}

/* The labels of a row as they stand there, with what users wrote in them escaped. */
static void add_labels(struct strbuf *b, const char *p)
{
	bool inside = false;

	while (*p) {
		const size_t n = utf8_length(p);

		if (*p == '"' && (!inside || value_ends(p))) {
			inside = !inside;
			strbuf_add(b, "\"");
		} else if (*p == '"' || *p == '\\') {
			strbuf_addf(b, "\\%c", *p);
		} else if (n == 0) {
			strbuf_add(b, "?");
		} else {
			strbuf_addn(b, p, n);
		}
		p += n ? n : 1;
	}
}

static void add_head(struct strbuf *b, const char *prefix, const char *name, size_t n,
		     const struct metric_name *as)
{
	const bool counter = !as || as->type == METRIC_COUNTER;

	strbuf_add(b, "# HELP ");
	add_metric(b, prefix, name, n, counter);
	strbuf_addf(b, " %s\n# TYPE ", as && as->help ? as->help : "Counted since the start.");
	add_metric(b, prefix, name, n, counter);
	strbuf_add(b, counter ? " counter\n" : " gauge\n");
}

/* What a row is called outside. */
struct outside {
	const struct metric_name *as;
	const char *name;	/* NULL: written already */
	size_t n;
};

static struct outside outside(const char *row, const struct metric_name *names, size_t nnames)
{
	const struct metric_name *as = find_name(row, names, nnames);

	return as ? (struct outside){ as, as->metric, strlen(as->metric) }
		  : (struct outside){ NULL, row, name_length(row) };
}

/* Row `i` and all behind it that are the same metric. */
static void add_block(struct strbuf *to, const struct stats *s, size_t i, const char *prefix,
		      struct outside *names)
{
	const struct outside o = names[i];

	add_head(to, prefix, o.name, o.n, o.as);
	for (size_t k = i; k < s->n; k++) {
		if (!names[k].name || names[k].n != o.n || memcmp(names[k].name, o.name, o.n) != 0)
			continue;
		names[k].name = NULL;
		add_metric(to, prefix, o.name, o.n, !o.as || o.as->type == METRIC_COUNTER);
		add_labels(to, s->rows[k].name + name_length(s->rows[k].name));
		strbuf_addf(to, " %" PRIu64 "\n", s->rows[k].value);
	}
}

void metrics_text(struct strbuf *to, const struct stats *s, const char *prefix,
		  const struct metric_name *names, size_t nnames)
{
	struct outside *rows = xcalloc(s->n + 1, sizeof(*rows));

	strbuf_addf(to, "# HELP %s_build_info The version that runs.\n# TYPE %s_build_info gauge\n"
		    "%s_build_info{version=\"%s\"} 1\n", prefix, prefix, prefix, VERSION);
	for (size_t i = 0; i < s->n; i++)
		rows[i] = outside(s->rows[i].name, names, nnames);
	for (size_t i = 0; i < s->n; i++)
		if (rows[i].name)
			add_block(to, s, i, prefix, rows);
	free(rows);
}

/* ---- HTTP ------------------------------------------------------------------ */

static char plain[] = "text/plain; charset=utf-8";

/* NULL without memory; then `body`, that is to be freed, is. */
static struct MHD_Response *response(const char *type, char *body, size_t n,
	enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, body, mode);

	if (!r && mode == MHD_RESPMEM_MUST_FREE)
		free(body);
	if (r)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return r;
}

/* `body` is a literal. */
static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *body)
{
	struct MHD_Response *r = response(
		plain, (char *)(uintptr_t)body, strlen(body), MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_n, void **state)
{
	struct metrics *m = ctx;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	/* The first call has only the headers; an answer to them ends the connection. */
	if (!*state) {
		*state = plain;
		return MHD_YES;
	}
	if (*upload_n) {
		*upload_n = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(c, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	pthread_mutex_lock(&m->lock);
	result = m->page ? MHD_queue_response(c, MHD_HTTP_OK, m->page) : MHD_NO;
	pthread_mutex_unlock(&m->lock);
	return result;
}

/* A listening TCP socket; -1 with *why. */
int metrics_address(struct endpoint *at, const char *address, const char **why)
{
	const char *colon = strrchr(address, ':'), *port = colon ? colon + 1 : address;
	char host[256];

	if (colon && (size_t)(colon - address) >= sizeof(host)) {
		*why = "host name is too long";
		return -1;
	}
	memcpy(host, address, colon ? (size_t)(colon - address) : 0);
	host[colon ? colon - address : 0] = '\0';
	if (host[0] != '[' && strchr(host, ':')) {
		*why = "expected ADDRESS:PORT, [IPV6]:PORT or :PORT";
		return -1;
	}
	return endpoint_resolve(at, host, port, 0, why);
}

static int listen_tcp(const char *address, const char **why)
{
	struct endpoint at;
	struct sockaddr_storage ss;
	socklen_t n;
	int fd, err;

	if (metrics_address(&at, address, why) < 0)
		return -1;
	n = endpoint_to_sockaddr(&at, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
	    bind(fd, (struct sockaddr *)&ss, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	*why = strerror(err);
	return -1;
}

struct metrics *metrics_start(const struct metrics_options *o, const char **why)
{
	struct metrics *m = xcalloc(1, sizeof(*m));
	const struct stats nothing = { 0 };

	m->fd = listen_tcp(o->address, why);
	if (m->fd < 0) {
		free(m);
		return NULL;
	}
	m->prefix = xstrdup(o->prefix);
	m->names = o->names;
	m->nnames = o->nnames;
	pthread_mutex_init(&m->lock, NULL);
	metrics_publish(m, &nothing);
	m->http = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0,
		NULL, NULL, answer, m, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)m->fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
	if (!m->http) {
		*why = "the HTTP server does not start";
		close(m->fd);
		m->fd = -1;
		metrics_stop(m);
		return NULL;
	}
	return m;
}

void metrics_stop(struct metrics *m)
{
	if (!m)
		return;
	if (m->http)
		MHD_stop_daemon(m->http);	/* closes the socket too */
	if (m->page)
		MHD_destroy_response(m->page);
	pthread_mutex_destroy(&m->lock);
	free(m->prefix);
	free(m);
}

void metrics_publish(struct metrics *m, const struct stats *s)
{
	struct strbuf text = { 0 };
	struct MHD_Response *fresh, *old;

	if (!m)
		return;
	metrics_text(&text, s, m->prefix, m->names, m->nnames);
	fresh = response("text/plain; version=0.0.4; charset=utf-8", text.s, text.n,
		MHD_RESPMEM_MUST_FREE);
	if (!fresh)
		return;
	pthread_mutex_lock(&m->lock);
	old = m->page;
	m->page = fresh;
	pthread_mutex_unlock(&m->lock);
	if (old)
		MHD_destroy_response(old);
}

uint16_t metrics_port(const struct metrics *m)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct endpoint e = { 0 };

	if (getsockname(m->fd, (struct sockaddr *)&ss, &n) == 0)
		endpoint_from_sockaddr(&e, &ss);
	return e.port;
}
