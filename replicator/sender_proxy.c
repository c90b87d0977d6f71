/*
 * sender_proxy.c - the exporter's address in front of each datagram, as a
 * PROXY protocol header, where a network lets no foreign source through.
 *
 * The one way out that copies payloads: header and payload have to be one run
 * of octets, for runs of equal size to be sent at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "replicator/receivers.h"
#include "wire/proxy.h"

enum { COPIES = 64, COPIES_OCTETS = 1 << 20 };

/* The original destination: the port that was listened on, of an address that nobody noted. */
static size_t put_header(uint8_t *out, const struct outlet *o, const struct endpoint *from)
{
	const struct proxy p = { .from = from->addr, .to = *addr_zero_like(&from->addr),
		.from_port = from->port, .to_port = o->port };

	return proxy_put(out, &p);
}

static void proxy_send(struct receiver *r, struct outlet *o, const struct share *s, uint64_t now_ns)
{
	struct bytes copies[COPIES];
	const struct endpoint *from[COPIES];
	struct share part = { copies, from, NULL, 0 };
	size_t used = 0;

	if (!o->copies && !(o->copies = malloc(COPIES_OCTETS))) {
		sender_charge(&r->out, ENOMEM, s->n);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		uint8_t *at;
		size_t header;

		if (part.n == COPIES || used + PROXY_MAX + s->data[i].n > COPIES_OCTETS) {
			sender_udp.send(r, o, &part, now_ns);
			part.n = used = 0;
		}
		at = o->copies + used;
		header = put_header(at, o, s->from[i]);
		if (s->data[i].n)
			memcpy(at + header, s->data[i].p, s->data[i].n);
		copies[part.n] = (struct bytes){ at, header + s->data[i].n };
		from[part.n++] = s->from[i];
		used += header + s->data[i].n;
	}
	if (part.n)
		sender_udp.send(r, o, &part, now_ns);
}

static int proxy_available(const char **why)
{
	return sender_udp.available(why);
}

static void proxy_open(struct receiver *r, struct outlet *o)
{
	sender_udp.open(r, o);
}

static void proxy_close(struct receiver *r, struct outlet *o)
{
	sender_udp.close(r, o);
}

const struct sender_kind sender_proxy = { "proxy", proxy_available, proxy_open, proxy_send,
	proxy_close };
