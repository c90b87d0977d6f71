/*
 * networks.h - the files that say what is ours: networks_file, the files of
 * ports, protocols and ToS values that are told apart, and the senders that are
 * listened to.
 *
 * A line that cannot be used is logged with its number and what was expected,
 * and skipped; only a file that cannot be read is an error.  What is loaded is
 * never changed afterwards: a reload loads anew and swaps pointers.
 */
#ifndef NETWORKS_H
#define NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/lpm.h"
#include "wire/addr.h"

/* `[[next-hop,][peerAS_]originAS,]prefix/len` */
struct network {
	struct prefix prefix;
	struct addr next_hop;	/* 0.0.0.0: none */
	uint32_t as, peer_as;
};

struct networks {
	struct network *net;
	size_t n, skipped;
	struct lpm *lpm;
};

/*
 * NULL after logging why.  `origin` names the text in log lines; `key` is who
 * named the file: "nfacctd.conf:4: networks_file".
 */
struct networks *networks_parse(const char *origin, const char *text, size_t n);
struct networks *networks_load(const char *key, const char *path);
void networks_free(struct networks *w);

static inline const struct network *networks_find(const struct networks *w, const struct addr *a)
{
	uint32_t i = lpm_find(w->lpm, a);

	return i == LPM_NONE ? NULL : &w->net[i];
}

/* Numbers that are told apart: bit v of bits[v / 64]. */
struct number_set {
	uint64_t bits[65536 / 64];
	size_t n, skipped;
};

enum number_kind { NUMBERS_PORTS, NUMBERS_PROTOS, NUMBERS_TOS };

struct number_set *numbers_parse(
	const char *origin, const char *text, size_t n, enum number_kind kind);
struct number_set *numbers_load(const char *key, const char *path, enum number_kind kind);

static inline bool numbers_has(const struct number_set *s, unsigned v)
{
	return s->bits[v / 64] >> (v % 64) & 1;
}

/* Senders: an address or prefix a line.  A file without entries lets nobody in. */
struct networks *senders_parse(const char *origin, const char *text, size_t n);
struct networks *senders_load(const char *key, const char *path);

#endif /* NETWORKS_H */
