/*
 * socket.h - open, bind, connect and size UDP sockets.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "wire/addr.h"

struct endpoint {
	struct addr addr;	/* a v4-mapped address is an IPv4 socket address */
	uint16_t port;
	bool any;		/* no address: all, dual-stack */
};

enum { ENDPOINT_TEXT = 56 };
/* "192.0.2.1:2055", "[2001:db8::1]:2055", "*:2055". */
char *endpoint_print(const struct endpoint *e, char buf[static ENDPOINT_TEXT]);
/* "host:port", "[v6]:port"; names are resolved (family 0, 4, 6). 0, or -1 with *why set. */
int endpoint_resolve(
	struct endpoint *e, const char *host, const char *port, int family, const char **why);
void endpoint_from_sockaddr(struct endpoint *e, const struct sockaddr_storage *ss);
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ss);

struct listen_options {
	int recv_buffer;	/* bytes; 0: leave. SO_RCVBUFFORCE is tried first */
	bool reuse_port;	/* share the port with other sockets of ours */
	bool reuse_addr;
	bool gro; /* ask for UDP_GRO where the kernel has it; what it drops is then counted in
		     joined buffers */
	bool v6_only;
	bool no_timestamp; /* leave out the kernel's time stamp: recv_us is then when the batch was
			      read */
	const char *interface;	/* SO_BINDTODEVICE, or NULL */
};

/* A bound, non-blocking, close-on-exec UDP socket; -1 with errno. */
int socket_listen(const struct endpoint *e, const struct listen_options *o);
/*
 * What `o` asks for and can still be set on a UDP socket that somebody else
 * bound and handed to us; -1 with errno, EINVAL: it is no UDP socket.
 */
int socket_adopt(int fd, const struct listen_options *o);
/* The address that a socket is bound to; -1 with errno. */
int socket_local(int fd, struct endpoint *e);
/* Bytes of receive buffer that the socket really has, as asked for (the kernel doubles it). */
int socket_recv_buffer(int fd);
/* A connected, non-blocking UDP socket, bound to `from` first when not NULL; -1 with errno. */
int socket_connect(const struct endpoint *to, const struct endpoint *from, int send_buffer);
/* Steer datagrams of one sender to one socket of the SO_REUSEPORT group of `n`; -1 with errno. */
int socket_steer_by_source(int fd, unsigned n);
/* The same with address and port of the sender telling senders apart. */
int socket_steer_by_flow(int fd, unsigned n);
int socket_join(int fd, const struct addr *group);

#endif /* SOCKET_H */
