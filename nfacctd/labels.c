#include "nfacctd/labels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "base/strbuf.h"

enum { PAGE = 1024, PAGES = LABELS_MAX / PAGE, CHAINS = 4096 };

struct label {
	uint32_t next;		/* in its chain; 0: the last */
	char text[LABEL_TEXT_MAX + 1];
};

/* Pages never move: readers need no lock once they have a number. */
static struct {
	pthread_mutex_t lock;
	struct label *_Atomic page[PAGES];
	uint32_t chain[CHAINS];
	uint32_t n;		/* labels; their numbers count from 1 */
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct label *label_at(uint32_t label)
{
	struct label *page =
		atomic_load_explicit(&all.page[(label - 1) / PAGE], memory_order_acquire);

	return &page[(label - 1) % PAGE];
}

static uint32_t chain_of(const char *text, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)text[i]) * 16777619u;
	return h % CHAINS;
}

/* With the lock held. */
static uint32_t add(const char *text, size_t n, uint32_t chain)
{
	struct label *l;

	if (all.n == LABELS_MAX)
		return 0;
	if (all.n % PAGE == 0)
		atomic_store_explicit(&all.page[all.n / PAGE], xcalloc(PAGE, sizeof(*l)),
				      memory_order_release);
	all.n++;
	l = label_at(all.n);
	memcpy(l->text, text, n);
	l->next = all.chain[chain];
	return all.chain[chain] = all.n;
}

uint32_t label_of(const char *text, size_t n)
{
	const uint32_t chain = chain_of(text, n);
	uint32_t found;

	if (n == 0 || n > LABEL_TEXT_MAX)
		return 0;
	pthread_mutex_lock(&all.lock);
	for (found = all.chain[chain]; found; found = label_at(found)->next)
		if (strlen(label_at(found)->text) == n &&
		    memcmp(label_at(found)->text, text, n) == 0)
			break;
	if (!found)
		found = add(text, n, chain);
	pthread_mutex_unlock(&all.lock);
	return found;
}

const char *label_text(uint32_t label)
{
	return label ? label_at(label)->text : "";
}

uint32_t label_join(uint32_t a, uint32_t b)
{
	char text[2 * LABEL_TEXT_MAX + 2];
	uint32_t joined;
	int n;

	if (!a || !b)
		return a ? a : b;
	n = snprintf(text, sizeof(text), "%s,%s", label_text(a), label_text(b));
	joined = label_of(text, (size_t)n);
	return joined ? joined : a;
}
