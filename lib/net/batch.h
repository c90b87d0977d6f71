/*
 * batch.h - datagrams by the dozen.
 *
 * A batch owns the bytes of its datagrams; everything else borrows them until
 * batch_recv() or batch_reset() is called again.  With UDP_GRO one buffer of the kernel
 * holds up to 64 datagrams of one sender; they come out as separate datagrams
 * that lie one behind the other in memory, so that a sender can hand a run of
 * them to the kernel again without a copy (see sender_send).
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/socket.h"
#include "wire/wire.h"

struct datagram {
	struct bytes data;
	struct endpoint from;
	/*
	 * The kernel's time stamp, microseconds since 1970 UTC.  In a crowd, dozens within a
	 * millisecond, it is that of the last one of the same batch.
	 */
	uint64_t recv_us;
};

struct batch_counts {
	uint64_t datagrams, octets, calls;
	uint64_t truncated;	/* longer than the buffer: counted, given cut */
	uint64_t beyond; /* not given at all: behind the end of a buffer too small for what GRO
			    joined */
	/*
	 * Dropped because the socket buffer was full.  The kernel counts a buffer
	 * that GRO joined as one, whatever it held.
	 */
	uint64_t kernel_drops;
};

struct batch {
	struct datagram *d;
	size_t n;
	bool full; /* the last receive used every message that there is room for: more may wait */
	uint64_t gather_ns; /* of batch_gather(); 0 until then: by the socket's buffer */
	struct batch_counts counts;	/* since batch_new */
	struct batch_private *priv;
};

/*
 * Room for `messages` receives of `message_bytes` each; 65536 fits any
 * datagram and any GRO buffer.  NULL with errno.  A batch belongs to one
 * socket (its kernel_drops are that socket's).
 */
struct batch *batch_new(size_t messages, size_t message_bytes);
void batch_free(struct batch *b);
/*
 * Receive what is there, without waiting: number of datagrams, 0 when there
 * were none, -1 with errno.  The last batch is forgotten.
 */
int batch_recv(struct batch *b, int fd);
/*
 * Between poll() that found something and batch_recv(): wait until such reads
 * are 0.2 ms apart (less in proportion when the socket holds less than 1 MiB);
 * what comes after a pause is read at once.
 *
 * The more of a stream is read at a time the less it costs: who keeps up with
 * its exporters is woken less often, and what is sent on goes in longer runs.
 * The interrupts of a network card are spaced for the same reason.  It sets the
 * thread's timer slack.
 */
void batch_gather(struct batch *b, int fd);
/*
 * Bring kernel_drops up to date: call this before reporting, and now and then,
 * for the kernel's own counter has 32 bits.  (SO_RXQ_OVFL tells it with the next
 * datagram that is accepted, which after a burst may be long in coming; and
 * from the first drop on it costs each datagram a message of its own.)
 */
void batch_drops(struct batch *b, int fd);
/* Forget the datagrams. */
static inline void batch_reset(struct batch *b)
{
	b->n = 0;
}

/* ---- out ------------------------------------------------------------------ */

/* Where datagrams of one sender went; sum over all = datagrams given to sender_send(). */
struct sender_counts {
	uint64_t sent, sent_octets;
	uint64_t eagain;	/* socket buffer full */
	uint64_t emsgsize;	/* larger than the path or the socket allows */
	uint64_t refused;	/* ICMP port unreachable came back (ECONNREFUSED) */
	uint64_t unreachable;	/* EHOSTUNREACH, ENETUNREACH, EPERM ... */
	uint64_t other;
	/* What follows is not part of the sum. */
	uint64_t calls;		/* system calls */
	uint64_t icmp_errors; /* reported on a send that was then tried again, or when asked for;
				 the kernel may join several into one */
	uint64_t runs;		/* UDP_SEGMENT sends of two datagrams or more that went out */
};

struct sender {
	int fd;			/* connected, non-blocking */
	bool gso; /* UDP_SEGMENT works; cleared when the kernel says that it never will */
	size_t gso_max; /* largest datagram that is sent in a run: the path's MTU less the headers
			 */
	uint32_t gso_skips;	/* runs that gso_max prevented since the MTU was last asked for */
	struct sender_counts counts;
};

void sender_init(struct sender *s, int fd);
/* Count `n` datagrams as lost to `err`, when they never came as far as sender_send(). */
void sender_charge(struct sender *s, int err, size_t n);
/*
 * Send `n` datagrams in order: runs of equal size (a shorter one may end a run)
 * as one UDP_SEGMENT send, the rest by sendmmsg.  Never blocks.  Each datagram
 * is counted once; outcome[i], when not NULL, is 0 or the errno of datagram i.
 * A pending ICMP error that the kernel reports on the first send is counted
 * but not charged to that datagram: it is tried again once.
 * Returns how many were sent.
 */
size_t sender_send(struct sender *s, const struct bytes *d, size_t n, int *outcome);
/* As above, waiting for room in the socket buffer instead of EAGAIN: for a generator. */
size_t sender_send_wait(struct sender *s, const struct bytes *d, size_t n, int *outcome);

#endif /* BATCH_H */
