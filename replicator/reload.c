/*
 * reload.c - see reload.h.
 */
#include "reload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"

int reload_init(struct reload *r, const struct settings *s, size_t workers)
{
	memset(r, 0, sizeof(*r));
	r->settings = s;
	r->n = workers;
	r->fresh = xcalloc(workers, sizeof(*r->fresh));
	r->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return r->done_fd < 0 ? -1 : 0;
}

void reload_clear(struct reload *r)
{
	if (!r->settings)
		return;
	free(r->fresh);
	if (r->done_fd >= 0)
		close(r->done_fd);
}

void reload_settle(const struct settings *s, bool taken)
{
	files_settle(s->texts, taken);
}

int reload_read(const struct settings *s, struct receivers *sets, size_t n, enum reload_what what,
		unsigned *errors)
{
	struct outlet none = { 0 };
	size_t i;

	names_refresh(s->names, what == RELOAD_NAMES);
	if (what == RELOAD_ALL)
		files_anew(s->texts);
	*errors = 0;
	for (i = 0; i < n; i++) {
		receivers_init(&sets[i]);
		sets[i].quiet = i > 0;
		if (settings_receivers(s, &sets[i]) < 0) {
			*errors = sets[i].errors ? sets[i].errors : 1;
			break;
		}
		if (!receivers_alike(&sets[0], &sets[i])) {
			log_error("a name has another address at each lookup; reload again");
			*errors = 1;
			break;
		}
	}
	if (*errors == 0)
		return 0;
	for (size_t k = 0; k < n && k <= i; k++)
		receivers_clear(&sets[k], &none);
	return -1;
}

static void *read_all(void *ctx)
{
	struct reload *r = ctx;
	const uint64_t one = 1;

	r->ok = reload_read(r->settings, r->fresh, r->n, r->what, &r->errors) == 0;
	(void)!write(r->done_fd, &one, sizeof(one));
	return NULL;
}

int reload_begin(struct reload *r, enum reload_what what)
{
	int err;

	if (r->busy) {
		r->again |= what == RELOAD_ALL;
		return 0;
	}
	r->again = false;
	r->what = what;
	err = pthread_create(&r->thread, NULL, read_all, r);
	if (err) {
		errno = err;
		return -1;
	}
	r->busy = true;
	return 0;
}

bool reload_finish(struct reload *r)
{
	uint64_t n;

	if (!r->busy || read(r->done_fd, &n, sizeof(n)) < 0)
		return false;
	pthread_join(r->thread, NULL);
	r->busy = false;
	if (!r->ok)
		log_error("reload: %u errors, the receivers stay as they were", r->errors);
	return r->ok;
}
