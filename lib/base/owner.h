/*
 * owner.h - whose the files are that a program running as root writes.
 */
#ifndef OWNER_H
#define OWNER_H

#include <stdint.h>

#define OWNER_SAME UINT32_MAX

/* Before the first file is made; UINT32_MAX leaves the user or the group as it is. */
void owner_set(uint32_t uid, uint32_t gid);
/* Give away what was just made; 0, or -1 with errno. Nothing to do is 0. */
int owner_give(int fd);
int owner_give_path(const char *path);

#endif /* OWNER_H */
