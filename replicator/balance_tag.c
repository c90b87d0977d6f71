/*
 * balance_tag.c - by the tag that the pre_tag_map gave, modulo the receivers.
 */
#include "replicator/classify.h"

static size_t choose_tag(const struct pool *p, const struct subject *s)
{
	return (size_t)((p->tags ? tags_find(p->tags, &s->from->addr, &s->peek) : 0) % p->n);
}

const struct balance balance_hash_tag = { "hash-tag", NULL, false, choose_tag, true };
