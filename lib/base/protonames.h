/*
 * protonames.h - names of IP protocols as pmacct 1.7 writes them into ip_proto:
 * known ones by name, every other number as digits, 0 as "0".
 */
#ifndef PROTONAMES_H
#define PROTONAMES_H

#include <stdint.h>

/* NULL when the number has no name. */
const char *proto_name(uint8_t proto);
/* Number of a name ("tcp") or digits ("6"); -1 when neither. */
int proto_number(const char *text);

#endif /* PROTONAMES_H */
