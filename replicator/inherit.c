/*
 * inherit.c - see inherit.h.
 */
#include "inherit.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "replicator/control.h"

int inherit_from_manager(int *fds, size_t max)
{
	const int n = sd_listen_fds(1);

	if (n <= 0)
		return 0;
	if ((size_t)n > max) {
		log_error("the service manager passed %d sockets; expected at most %zu", n, max);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		fds[i] = SD_LISTEN_FDS_START + i;
		if (sd_is_socket(fds[i], 0, SOCK_DGRAM, -1) > 0)
			continue;
		log_error("the service manager passed descriptor %d, which is no UDP socket; "
			  "expected ListenDatagram=",
			fds[i]);
		return -1;
	}
	return n;
}

void inherit_name(const struct settings *s, char *buf, size_t n)
{
	char text[ENDPOINT_TEXT];
	size_t at = (size_t)snprintf(buf, n, "%s%s", endpoint_print(&s->listen, text),
				     s->family == 6 ? " ipv6" : "");

	for (size_t i = 0; i < s->nalso && at < n; i++)
		at += (size_t)snprintf(buf + at, n - at, " %s", endpoint_print(&s->also[i], text));
	/* Of several addresses it must be clear whose a socket is: refused before anybody lets go.
	 */
	if (s->nalso && at < n)
		snprintf(buf + at, n - at, " workers %u", s->workers);
}

int inherit_from_process(const struct settings *s, int *fds, size_t max, int *memory)
{
	struct control_answer a;
	char command[CONTROL_TEXT], name[INHERIT_NAME];

	*memory = -1;
	inherit_name(s, name, sizeof(name));
	snprintf(command, sizeof(command), "handover %s", name);
	if (control_request(s->control, command, &a) < 0)
		return -1;
	if (a.nfds && sd_is_socket(a.fds[a.nfds - 1], 0, 0, -1) == 0)
		*memory = a.fds[--a.nfds];
	if (a.nfds == 0 || a.nfds > max) {
		log_error(
			"%s: handed over %zu sockets; expected 1 to %zu", s->control, a.nfds, max);
		return -1;
	}
	memcpy(fds, a.fds, a.nfds * sizeof(int));
	return (int)a.nfds;
}

void inherit_store(const int *fds, size_t n)
{
	sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=flows", fds, (unsigned)n);
}
