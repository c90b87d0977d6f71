/*
 * rules_maps.h - the files that a configuration names, as tables: networks_file
 * and the lists of ports, protocols and types of service.
 */
#ifndef RULES_MAPS_H
#define RULES_MAPS_H

#include <stdio.h>
#include "pcapgen/rules.h"

/*
 * Table host(addr, len, asn, peer): for each address of the truth that
 * networks_file covers the longest entry, `len` in bits of the 16-byte form.
 * Without a file it is empty.  0, or -1 after logging.
 */
int rules_networks(struct rules *r, const char *path);
/* Table `name`(n): the numbers of a file, one a line; `protos` allows names of protocols. */
int rules_numbers(struct rules *r, const char *name, const char *path, bool protos);

/* Open a file that the configuration names; NULL after logging. */
FILE *rules_open_map(const char *path);
/* What a line of it says, without the blanks around; NULL for a comment or nothing. */
char *rules_map_content(char *line);

#endif /* RULES_MAPS_H */
