/*
 * rights.c - see rights.h.  The bounding set stays: a program that takes our
 * place by exec() has rights of its own to ask for.
 */
#include "rights.h"

#include <cap-ng.h>
#include <errno.h>

int rights_drop(void)
{
	int raw;

	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
	capng_clear(CAPNG_SELECT_CAPS);
	if (raw && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW) < 0) {
		errno = EINVAL;
		return -1;
	}
	if (capng_apply(CAPNG_SELECT_CAPS) < 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}
