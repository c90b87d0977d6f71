#include "base/owner.h"

#include <unistd.h>

/* (uid_t)-1 is what chown() leaves alone, and what OWNER_SAME becomes. */
static struct {
	uid_t uid;
	gid_t gid;
} owner = { (uid_t)-1, (gid_t)-1 };

void owner_set(uint32_t uid, uint32_t gid)
{
	owner.uid = uid;
	owner.gid = gid;
}

static int is_same(void)
{
	return owner.uid == (uid_t)-1 && owner.gid == (gid_t)-1;
}

int owner_give(int fd)
{
	return is_same() ? 0 : fchown(fd, owner.uid, owner.gid);
}

int owner_give_path(const char *path)
{
	return is_same() ? 0 : chown(path, owner.uid, owner.gid);
}
