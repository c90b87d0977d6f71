/*
 * sender_raw.c - the exporter's source by a raw socket, one a receiver: what
 * `source=raw` asks for, and where sender_transparent falls back to.
 *
 * The sum over a payload is worked out once, for whichever receiver needs it
 * first.  There is no segmentation here: each datagram is a system call.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "replicator/receivers.h"

/* Payload sum of datagram `at` of the batch. */
struct sum_cache {
	uint64_t batch[SHARE_MAX];
	uint16_t sum[SHARE_MAX];
};

static uint16_t sum_of(struct outlet *o, const struct share *s, size_t i)
{
	uint32_t at;

	if (!s->at)
		return raw_sum(s->data[i]);
	if (!o->sums && !(o->sums = calloc(1, sizeof(*o->sums))))
		return raw_sum(s->data[i]);
	at = s->at[i];
	if (o->sums->batch[at] != o->batch) {
		o->sums->batch[at] = o->batch;
		o->sums->sum[at] = raw_sum(s->data[i]);
	}
	return o->sums->sum[at];
}

void sender_raw_free(struct outlet *o)
{
	free(o->sums);
	o->sums = NULL;
}

/* True when the socket is open. */
static bool ready(struct receiver *r, uint64_t now_ns)
{
	if (r->raw.fd < 0 && now_ns >= r->raw_retry_ns) {
		r->raw_retry_ns = now_ns + SENDER_RETRY_MS * UINT64_C(1000000);
		if (raw_open(&r->raw, &r->to, r->options.send_buffer) < 0)
			r->open_errno = errno;
	}
	return r->raw.fd >= 0;
}

void sender_raw_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	struct raw_head head = { .to = r->to, .ttl = r->ttl, .tos = r->options.tos,
		.no_checksum = r->options.no_checksum };

	for (size_t i = 0; i < s->n; i++) {
		int err;

		if (addr_is4(&s->from[i]->addr) != addr_is4(&r->to.addr)) {
			r->family++;
			continue;
		}
		head.from = *s->from[i];
		head.id = ++o->raw_id;
		err = ready(r, now_ns) ? raw_send(&r->raw, &head, s->data[i], sum_of(o, s, i))
				       : r->open_errno;
		r->out.counts.calls++;
		if (err) {
			sender_charge(&r->out, err, 1);
			continue;
		}
		o->raw_sent++;
		r->out.counts.sent++;
		r->out.counts.sent_octets += s->data[i].n;
	}
}

static int raw_available(const char **why)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	const int err = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	*why = "needs CAP_NET_RAW: start as root, or `setcap cap_net_raw+ep` the program";
	return err ? -1 : 0;
}

static void raw_first(struct receiver *r, struct outlet *o)
{
	(void)o;
	r->out.fd = -1;
}

static void raw_last(struct receiver *r, struct outlet *o)
{
	(void)o;
	raw_close(&r->raw);
}

const struct sender_kind sender_raw = { "raw", raw_available, raw_first, sender_raw_send,
	raw_last };
