/*
 * main.c - pcapgen: traffic whose truth is known.  Picks the subcommand; each
 * of them (commands.def) has its options and its --help to itself.
 */
#include <stdio.h>
#include <string.h>
#include "base/daemon.h"
#include "base/log.h"
#include "pcapgen/commands.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
#define COMMAND(name, help) { #name, command_##name, help },
#include "pcapgen/commands.def"
#undef COMMAND
};

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *to)
{
	fprintf(to,
		"usage: pcapgen COMMAND [OPTION]...\n\n"
		"Crafts and replays flow exports, knows what it sent, and proves the collector's "
		"rows.\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(to,
		"\n`pcapgen COMMAND --help` lists the options of a command; pcapgen(1) says it "
		"all.\n");
}

int main(int argc, char **argv)
{
	log_open("pcapgen");
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("pcapgen %s\n", VERSION);
		return 0;
	}
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "pcapgen: unknown command \"%s\"; `pcapgen --help` lists them\n", argv[1]);
	return EXIT_USAGE;
}
