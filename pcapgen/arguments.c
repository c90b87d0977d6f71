/*
 * arguments.c - option values of the subcommands, one line for each that is
 * wrong.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/daemon.h"
#include "pcapgen/arguments.h"
#include "pcapgen/yaml.h"

int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "pcapgen %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int read_endpoint(const char *command, const char *option, const char *text, struct endpoint *e)
{
	char host[256];
	const char *colon = strrchr(text, ':'), *why = "";
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!n || !colon[1] || n >= sizeof(host) || (text[0] != '[' && memchr(text, ':', n)))
		return usage_error(
			command, "%s \"%s\": HOST:PORT or [IPV6]:PORT is expected", option, text);
	if (text[0] == '[') {
		if (text[n - 1] != ']')
			return usage_error(
				command, "%s \"%s\": the address is not closed by ]", option, text);
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	if (endpoint_resolve(e, host, colon + 1, 0, &why))
		return usage_error(command, "%s \"%s\": %s", option, text, why);
	if (e->any)
		return usage_error(command, "%s \"%s\": an address is expected, not all of them",
			option, text);
	if (!e->port)
		return usage_error(
			command, "%s \"%s\": a port from 1 to 65535 is expected", option, text);
	return 0;
}

int read_source(const char *command, const char *text, struct endpoint *e)
{
	*e = (struct endpoint){ .port = 0 };
	if (!addr_parse(&e->addr, text))
		return usage_error(
			command, "--source \"%s\": an IPv4 or IPv6 address is expected", text);
	return 0;
}

int read_number(const char *command, const char *option, const char *text, uint64_t min,
	uint64_t max, uint64_t *v)
{
	if (!number_parse(text, v) || *v < min || *v > max)
		return usage_error(command,
			"%s \"%s\": a whole number from %llu to %llu is expected", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return 0;
}
