/*
 * rules_maps.c - see rules_maps.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/protonames.h"
#include "base/strbuf.h"
#include "pcapgen/rules_maps.h"

char *rules_map_content(char *line)
{
	char *end;

	line += strspn(line, " \t");
	end = line + strlen(line);
	while (end > line && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return *line && *line != '!' && *line != '#' ? line : NULL;
}

static bool as_number(const char *text, uint32_t *as)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	*as = (uint32_t)v;
	return *text >= '0' && *text <= '9' && !*end && !errno && v <= UINT32_MAX;
}

struct network {
	struct prefix prefix;
	uint32_t asn, peer;
};

/* `[[next-hop,][peerAS_]originAS,]prefix/len`; host bits are cleared. */
static bool parse_network(char *text, struct network *n)
{
	char *comma = strrchr(text, ','), *as, *under;

	memset(n, 0, sizeof(*n));
	if (comma) {
		*comma = '\0';
		as = strrchr(text, ',');
		as = as ? as + 1 : text;
		under = strchr(as, '_');
		if (under) {
			*under = '\0';
			if (!as_number(as, &n->peer))
				return false;
			as = under + 1;
		}
		if (!as_number(as, &n->asn))
			return false;
		text = comma + 1;
		text += strspn(text, " \t");
	}
	return strchr(text, '/') && prefix_parse(&n->prefix, text, NULL);
}

static int load_networks(struct rules *r, FILE *f, const char *path)
{
	sqlite3_stmt *st = rules_prepare(r, "INSERT OR REPLACE INTO net VALUES (?, ?, ?, ?)");
	char *line = NULL, *text;
	unsigned number = 0;
	struct network n;
	size_t cap = 0;
	int err = st ? 0 : -1;

	while (!err && getline(&line, &cap, f) >= 0) {
		number++;
		text = rules_map_content(line);
		if (!text)
			continue;
		if (!parse_network(text, &n)) {
			log_warn("%s:%u: not a network, passed over as the collector does", path,
				number);
			continue;
		}
		sqlite3_bind_int(st, 1, n.prefix.len);
		sqlite3_bind_blob(st, 2, n.prefix.addr.b, 16, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, n.asn);
		sqlite3_bind_int64(st, 4, n.peer);
		err = sqlite3_step(st) == SQLITE_DONE ? 0 : -1;
		sqlite3_reset(st);
	}
	free(line);
	sqlite3_finalize(st);
	return err;
}

FILE *rules_open_map(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		log_error_errno("%s", path);
	return f;
}

int rules_networks(struct rules *r, const char *path)
{
	FILE *f;
	int err;

	if (rules_exec(r,
		    "DROP TABLE IF EXISTS net; DROP TABLE IF EXISTS host;"
		    "CREATE TABLE net(len INTEGER, lo BLOB, asn INTEGER, peer INTEGER, PRIMARY "
		    "KEY(len, lo));"
		    "CREATE TABLE host(addr BLOB PRIMARY KEY, len INTEGER, asn INTEGER, peer "
		    "INTEGER)"))
		return -1;
	if (!path)
		return 0;
	f = rules_open_map(path);
	if (!f)
		return -1;
	err = load_networks(r, f, path);
	fclose(f);
	/* One probe a prefix length that the file has; the bare columns are those of max(len). */
	return err ? err
		   : rules_exec(r,
			     "INSERT INTO host SELECT addr, max(net.len), asn, peer FROM"
			     " (SELECT src AS addr FROM flow UNION SELECT dst FROM flow)"
			     " JOIN (SELECT DISTINCT len FROM net) AS lens"
			     " JOIN net ON net.len = lens.len AND net.lo = addr_cut(addr, "
			     "lens.len) GROUP BY addr");
}

int rules_numbers(struct rules *r, const char *name, const char *path, bool protos)
{
	struct strbuf sql = { 0 };
	char *line = NULL, *text;
	unsigned row = 0;
	size_t cap = 0;
	FILE *f = rules_open_map(path);
	uint32_t v;
	int err;

	if (!f)
		return -1;
	strbuf_addf(&sql, "DROP TABLE IF EXISTS %s; CREATE TABLE %s(n INTEGER PRIMARY KEY);", name,
		name);
	while (getline(&line, &cap, f) >= 0) {
		row++;
		text = rules_map_content(line);
		if (!text)
			continue;
		if (protos && proto_number(text) >= 0)
			v = (uint32_t)proto_number(text);
		else if (protos || !as_number(text, &v)) {
			log_warn("%s:%u: \"%s\" is not a %s, passed over", path, row, text,
				 protos ? "protocol" : "number");
			continue;
		}
		strbuf_addf(&sql, "INSERT OR IGNORE INTO %s VALUES(%u);", name, v);
	}
	fclose(f);
	free(line);
	err = rules_exec(r, sql.s);
	strbuf_clear(&sql);
	return err;
}
