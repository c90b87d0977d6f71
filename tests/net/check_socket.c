/*
 * check_socket.c - addresses as text, listening, connecting, steering.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/socket.h"

static struct endpoint at(const char *addr, uint16_t port)
{
	struct endpoint e = { .port = port };

	ck_assert(addr_parse(&e.addr, addr));
	return e;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint e;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	endpoint_from_sockaddr(&e, &ss);
	return e.port;
}

/* ---- text ------------------------------------------------------------------ */

static const struct {
	const char *host, *port;
	int family;
	const char *text;	/* NULL: refused */
} names[] = {
	{ "192.0.2.1", "2055", 0, "192.0.2.1:2055" },
	{ "192.0.2.1", "0", 4, "192.0.2.1:0" },
	{ "192.0.2.1", "65535", 0, "192.0.2.1:65535" },
	{ "192.0.2.1", "65536", 0, NULL },
	{ "192.0.2.1", "4294967297", 0, NULL },
	{ "192.0.2.1", "20x", 0, NULL },
	{ "192.0.2.1", "", 0, NULL },
	{ "192.0.2.1", "-1", 0, NULL },
	{ "192.0.2.1", "1", 6, NULL },
	{ "2001:db8::1", "2055", 0, "[2001:db8::1]:2055" },
	{ "[2001:db8::1]", "2055", 6, "[2001:db8::1]:2055" },
	{ "[2001:db8::1]", "2055", 4, NULL },
	{ "::ffff:192.0.2.1", "1", 0, "192.0.2.1:1" },
	{ "fe80::1%lo", "1", 0, NULL },
	{ NULL, "1", 0, "*:1" },
	{ "", "1", 0, "*:1" },
	{ "*", "1", 0, "*:1" },
	{ NULL, "1", 4, "0.0.0.0:1" },
	{ NULL, "1", 6, "[::]:1" },
	{ "localhost", "7", 4, "127.0.0.1:7" },
};

START_TEST(resolves)
{
	struct endpoint e;
	const char *why = NULL;
	char text[ENDPOINT_TEXT];
	int got = endpoint_resolve(&e, names[_i].host, names[_i].port, names[_i].family, &why);

	if (!names[_i].text) {
		ck_assert_int_eq(got, -1);
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_msg(got == 0, "%s: %s", names[_i].text, why);
	ck_assert_str_eq(endpoint_print(&e, text), names[_i].text);
}
END_TEST

START_TEST(longest_text_fits)
{
	struct endpoint e = at("1111:2222:3333:4444:5555:6666:7777:8888", 65535);
	char text[ENDPOINT_TEXT];

	ck_assert_str_eq(
		endpoint_print(&e, text), "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}
END_TEST

START_TEST(sockaddr_and_back)
{
	static const char *const addrs[] = { "192.0.2.1", "0.0.0.0", "255.255.255.255",
		"2001:db8::1", "::", "::1" };
	struct endpoint e = at(addrs[_i], 2055), back;
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&e, &ss);

	ck_assert_uint_eq(len, _i < 3 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	ck_assert_int_eq(ss.ss_family, _i < 3 ? AF_INET : AF_INET6);
	endpoint_from_sockaddr(&back, &ss);
	ck_assert(addr_equal(&e.addr, &back.addr));
	ck_assert_uint_eq(back.port, 2055);
}
END_TEST

/* ---- sockets --------------------------------------------------------------- */

static int wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 2000);
}

/* Who the datagram says that it is from. */
static struct endpoint receive(int fd, char *byte)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint e;

	ck_assert_int_eq(wait_readable(fd), 1);
	ck_assert_int_eq(recvfrom(fd, byte, 1, 0, (struct sockaddr *)&ss, &len), 1);
	endpoint_from_sockaddr(&e, &ss);
	return e;
}

START_TEST(any_is_dual_stack)
{
	static const char *const locals[] = { "127.0.0.1", "::1" };
	struct endpoint any = { .any = true }, to = at(locals[_i], 0), from;
	struct listen_options o = { 0 };
	int in = socket_listen(&any, &o), out;
	char byte;

	ck_assert_int_ge(in, 0);
	to.port = port_of(in);
	out = socket_connect(&to, NULL, 0);
	ck_assert_int_ge(out, 0);
	ck_assert_int_eq(send(out, "x", 1, 0), 1);
	from = receive(in, &byte);
	ck_assert(addr_equal(&from.addr, &to.addr));	/* IPv4 as IPv4, not as something else */
	ck_assert_uint_eq(from.port, port_of(out));
	close(in);
	close(out);
}
END_TEST

START_TEST(port_in_use)
{
	struct endpoint e = at("127.0.0.1", 0);
	struct listen_options o = { .gro = true };
	int fd = socket_listen(&e, &o);

	ck_assert_int_ge(fd, 0);
	e.port = port_of(fd);
	ck_assert_int_eq(socket_listen(&e, &o), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	close(fd);
}
END_TEST

START_TEST(receive_buffer_is_what_was_asked)
{
	struct endpoint e = at("127.0.0.1", 0);
	struct listen_options o = { .recv_buffer = 100000 };
	int fd = socket_listen(&e, &o);

	ck_assert_int_eq(socket_recv_buffer(fd), 100000);
	close(fd);
	ck_assert_int_eq(socket_recv_buffer(fd), -1);
}
END_TEST

START_TEST(source_is_bound)
{
	struct endpoint e = at("127.0.0.1", 0), from = at("127.0.0.9", 0), seen;
	struct listen_options o = { 0 };
	int in = socket_listen(&e, &o), out;
	char byte;

	e.port = port_of(in);
	out = socket_connect(&e, &from, 65536);
	ck_assert_int_ge(out, 0);
	ck_assert_int_eq(send(out, "x", 1, 0), 1);
	seen = receive(in, &byte);
	ck_assert(addr_equal(&seen.addr, &from.addr));
	close(in);
	close(out);
}
END_TEST

/* Where a group listens, and what its senders' addresses and their receiver's are. */
static const struct {
	const char *listen, *to, *senders;	/* listen NULL: all, dual-stack */
} groups[] = {
	{ "127.0.0.1", "127.0.0.1", "127.0.1.%d" },
	{ NULL, "127.0.0.1", "127.0.1.%d" },
	{ "::1", "::1", "2001:db8:1::%x" },
	{ NULL, "::1", "2001:db8:1::%x" },
};

static struct endpoint group_at(int i)
{
	return groups[i].listen ? at(groups[i].listen, 0) : (struct endpoint){ .any = true };
}

/* Connected from an address that may be anybody's; -1 when we have not the right to that. */
static int connect_as(const struct endpoint *to, const struct endpoint *from)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(from, &ss);
	int fd;

	if (addr_is4(&from->addr))
		return socket_connect(to, from, 0);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &(int){ 1 }, sizeof(int)) < 0) {
		close(fd);
		return -1;
	}
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = endpoint_to_sockaddr(to, &ss);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* Sixteen senders, eight sockets: every sender ends at one of them only, whatever its port. */
START_TEST(steers_by_source)
{
	enum { SOCKETS = 8, SENDERS = 16 };
	struct endpoint e = group_at(_i), to = at(groups[_i].to, 0);
	struct listen_options o = { .reuse_port = true };
	int in[SOCKETS], used = 0, home[SENDERS];

	for (int i = 0; i < SOCKETS; i++) {
		in[i] = socket_listen(&e, &o);
		ck_assert_int_ge(in[i], 0);
		e.port = to.port = port_of(in[i]);
	}
	ck_assert_int_eq(socket_steer_by_source(in[0], SOCKETS), 0);
	for (int s = 0; s < SENDERS; s++) {
		char text[ADDR_TEXT];
		bool one_home = true;

		home[s] = -1;
		snprintf(text, sizeof(text), groups[_i].senders, s + 1);
		for (int again = 0; again < 3; again++) {
			struct endpoint from = at(text, 0);
			int out = connect_as(&to, &from), found = -1;
			char byte;

			if (out < 0) {
				fprintf(stderr, "steers_by_source: skipped, no CAP_NET_RAW\n");
				goto end;
			}
			ck_assert_int_eq(send(out, "x", 1, 0), 1);
			for (int i = 0; i < SOCKETS; i++)
				if (recv(in[i], &byte, 1, MSG_DONTWAIT) == 1)
					found = i;
			close(out);
			ck_assert_int_ge(found, 0);
			one_home = one_home && (home[s] == -1 || home[s] == found);
			home[s] = found;
		}
		ck_assert_msg(one_home, "%s moved between sockets", text);
	}
	for (int i = 0; i < SOCKETS; i++) {
		bool here = false;

		for (int s = 0; s < SENDERS; s++)
			here = here || home[s] == i;
		used += here;
	}
	ck_assert_int_ge(used, 4);	/* neighbours spread */
end:
	for (int i = 0; i < SOCKETS; i++)
		close(in[i]);
}
END_TEST

/* One address, many ports, IPv4 and IPv6: a port stays with its socket, the ports spread. */
START_TEST(steers_by_flow)
{
	enum { SOCKETS = 4, PORTS = 128 };
	struct endpoint e = group_at(_i), to = at(groups[_i].to, 0);
	struct listen_options o = { .reuse_port = true };
	int in[SOCKETS], got[SOCKETS] = { 0 }, used = 0;

	for (int i = 0; i < SOCKETS; i++) {
		in[i] = socket_listen(&e, &o);
		ck_assert_int_ge(in[i], 0);
		e.port = to.port = port_of(in[i]);
	}
	ck_assert_int_eq(socket_steer_by_flow(in[0], SOCKETS), 0);
	for (int p = 0; p < PORTS; p++) {
		const int out = socket_connect(&to, NULL, 0);
		int home = -1;

		for (int again = 0; again < 5; again++) {
			int found = -1;
			char byte;

			ck_assert_int_eq(send(out, "x", 1, 0), 1);
			for (int i = 0; i < SOCKETS; i++)
				if (recv(in[i], &byte, 1, MSG_DONTWAIT) == 1)
					found = i;
			ck_assert_int_ge(found, 0);
			ck_assert(home == -1 || home == found);
			home = found;
		}
		got[home]++;
		close(out);
	}
	for (int i = 0; i < SOCKETS; i++) {
		used += got[i] > 0;
		close(in[i]);
	}
	ck_assert_int_eq(
		used, SOCKETS); /* of 128 ports at 4 sockets: all get some, or the hash is none */
}
END_TEST

START_TEST(steer_refuses_nothing)
{
	ck_assert_int_eq(socket_steer_by_source(0, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(socket_steer_by_flow(0, 0), -1);
}
END_TEST

Suite *suite_socket(void);
Suite *suite_socket(void)
{
	Suite *s = suite_create("socket");
	TCase *t = tcase_create("text"), *k = tcase_create("sockets");

	tcase_add_loop_test(t, resolves, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(t, longest_text_fits);
	tcase_add_loop_test(t, sockaddr_and_back, 0, 6);
	suite_add_tcase(s, t);
	tcase_add_loop_test(k, any_is_dual_stack, 0, 2);
	tcase_add_test(k, port_in_use);
	tcase_add_test(k, receive_buffer_is_what_was_asked);
	tcase_add_test(k, source_is_bound);
	tcase_add_loop_test(k, steers_by_source, 0, 4);
	tcase_add_loop_test(k, steers_by_flow, 0, 4);
	tcase_add_test(k, steer_refuses_nothing);
	suite_add_tcase(s, k);
	return s;
}
