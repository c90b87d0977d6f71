/*
 * commands.h - the subcommands (a row of commands.def each) and their exit
 * statuses.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

/* Statuses of all subcommands; verify's own are in the blueprint and in pcapgen(1). */
enum {
	EXIT_ENVIRONMENT = 3,	/* port, privilege, file, database */
	EXIT_LATE = 4,		/* the generator missed its schedule */
};

#define COMMAND(name, help) int command_##name(int argc, char **argv);
#include "pcapgen/commands.def"
#undef COMMAND

#endif /* COMMANDS_H */
