/*
 * rules_maps.h - the files that a configuration names, as tables: networks_file
 * and the lists of ports, protocols and types of service.
 */
#ifndef RULES_MAPS_H
#define RULES_MAPS_H

#include "pcapgen/rules.h"

/*
 * Table host(addr, len, asn, peer): for each address of the truth that
 * networks_file covers the longest entry, `len` in bits of the 16-byte form.
 * Without a file it is empty.  0, or -1 after logging.
 */
int rules_networks(struct rules *r, const char *path);
/* Table `name`(n): the numbers of a file, one a line; `protos` allows names of protocols. */
int rules_numbers(struct rules *r, const char *name, const char *path, bool protos);

#endif /* RULES_MAPS_H */
