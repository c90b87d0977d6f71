/*
 * rules_sql.c - see rules_sql.h.
 */
#include <stdio.h>
#include <string.h>
#include "base/protonames.h"
#include "pcapgen/rules_bins.h"
#include "pcapgen/rules_sql.h"

typedef unsigned __int128 u128;

static bool argument_addr(sqlite3_value *v, struct addr *a)
{
	if (sqlite3_value_bytes(v) != sizeof(a->b))
		return false;
	memcpy(a->b, sqlite3_value_blob(v), sizeof(a->b));
	return true;
}

static void result_addr(sqlite3_context *ctx, const struct addr *a)
{
	sqlite3_result_blob(ctx, a->b, sizeof(a->b), SQLITE_TRANSIENT);
}

static void result_text(sqlite3_context *ctx, const char *text)
{
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void fn_addr_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	char text[ADDR_TEXT];
	struct addr a;

	(void)n;
	if (argument_addr(v[0], &a))
		result_text(ctx, addr_print(&a, text));
}

static void fn_mac_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	const uint8_t *m = sqlite3_value_blob(v[0]);
	char text[18];

	(void)n;
	if (!m || sqlite3_value_bytes(v[0]) != 6)
		return;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	result_text(ctx, text);
}

static void fn_addr_cut(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct addr a;

	(void)n;
	if (!argument_addr(v[0], &a))
		return;
	a = addr_mask(&a, (unsigned)sqlite3_value_int(v[1]));
	result_addr(ctx, &a);
}

static void fn_addr_bits(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct addr a;

	(void)n;
	if (!argument_addr(v[0], &a))
		return;
	a = addr_mask_family(&a, (unsigned)sqlite3_value_int(v[1]));
	result_addr(ctx, &a);
}

static void fn_addr_zero(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct addr a;

	(void)n;
	if (argument_addr(v[0], &a))
		result_addr(ctx, addr_zero_like(&a));
}

static const struct rules_plugin *plugin_of(sqlite3_context *ctx)
{
	return ((struct rules *)sqlite3_user_data(ctx))->plugin;
}

/* The calendar is slow, and most flows are in the bin of the flow before. */
static const struct rules *bin_of(sqlite3_context *ctx, int64_t t)
{
	struct rules *r = sqlite3_user_data(ctx);

	if (t < r->bin_start || t >= r->bin_end) {
		r->bin_start = bins_start(r->plugin, t);
		r->bin_end = bins_end(r->plugin, t);
	}
	return r;
}

static void fn_bin_start(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int64(ctx, bin_of(ctx, sqlite3_value_int64(v[0]))->bin_start);
}

static void fn_bin_end(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int64(ctx, bin_of(ctx, sqlite3_value_int64(v[0]))->bin_end);
}

static void fn_bin_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	char text[32];

	(void)n;
	bins_text(plugin_of(ctx), sqlite3_value_int64(v[0]), text, sizeof(text));
	result_text(ctx, text);
}

static void fn_proto_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	int proto = sqlite3_value_int(v[0]);
	const char *name = plugin_of(ctx)->num_protos ? NULL : proto_name((uint8_t)proto);
	char digits[12];

	(void)n;
	snprintf(digits, sizeof(digits), "%d", proto);
	result_text(ctx, name ? name : digits);
}

static u128 product(sqlite3_value **v)
{
	return (u128)(uint64_t)sqlite3_value_int64(v[0]) * (uint64_t)sqlite3_value_int64(v[1]);
}

static void fn_muldiv(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	uint64_t by = (uint64_t)sqlite3_value_int64(v[2]);

	(void)n;
	if (by)
		sqlite3_result_int64(ctx, (int64_t)(uint64_t)(product(v) / by));
}

static void fn_mulmod(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	uint64_t by = (uint64_t)sqlite3_value_int64(v[2]);

	(void)n;
	if (by)
		sqlite3_result_int64(ctx, (int64_t)(uint64_t)(product(v) % by));
}

/* Counters are 64 bits unsigned and stand in SQLite's signed ones; sums of sums are texts. */
static u128 unsigned_value(sqlite3_value *v)
{
	const unsigned char *text;
	u128 n = 0;

	if (sqlite3_value_type(v) != SQLITE_TEXT)
		return (uint64_t)sqlite3_value_int64(v);
	for (text = sqlite3_value_text(v); *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (unsigned)(*text - '0');
	return n;
}

static void step_total(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	void *at = sqlite3_aggregate_context(ctx, sizeof(u128));
	u128 sum;

	(void)n;
	if (!at) {
		sqlite3_result_error_nomem(ctx);
		return;
	}
	/* SQLite's memory is aligned to eight bytes only. */
	memcpy(&sum, at, sizeof(sum));
	sum += unsigned_value(v[0]) * (uint64_t)sqlite3_value_int64(v[1]);
	memcpy(at, &sum, sizeof(sum));
}

static void result_unsigned(sqlite3_context *ctx, u128 sum)
{
	char text[44], *p = text + sizeof(text);

	*--p = '\0';
	do
		*--p = (char)('0' + (int)(sum % 10));
	while (sum /= 10);
	result_text(ctx, p);
}

static void final_total(sqlite3_context *ctx)
{
	void *at = sqlite3_aggregate_context(ctx, 0);
	u128 sum = 0;

	if (at)
		memcpy(&sum, at, sizeof(sum));
	result_unsigned(ctx, sum);
}

static void fn_added(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	result_unsigned(ctx, unsigned_value(v[0]) + unsigned_value(v[1]));
}

static void step_bits(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	int64_t *bits = sqlite3_aggregate_context(ctx, sizeof(*bits));

	(void)n;
	if (bits)
		*bits |= sqlite3_value_int64(v[0]);
}

static void final_bits(sqlite3_context *ctx)
{
	int64_t *bits = sqlite3_aggregate_context(ctx, 0);

	sqlite3_result_int64(ctx, bits ? *bits : 0);
}

int rules_sql_register(struct rules *r)
{
	static const struct {
		const char *name;
		int args;
		void (*call)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
		{ "mac_text", 1, fn_mac_text }, { "addr_text", 1, fn_addr_text }, { "addr_cut", 2, fn_addr_cut },
		{ "addr_bits", 2, fn_addr_bits }, { "addr_zero", 1, fn_addr_zero },
		{ "bin_start", 1, fn_bin_start }, { "bin_end", 1, fn_bin_end },
		{ "bin_text", 1, fn_bin_text }, { "proto_text", 1, fn_proto_text },
		{ "muldiv", 3, fn_muldiv }, { "mulmod", 3, fn_mulmod },
		{ "added", 2, fn_added },
	};
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
	int err = 0;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		err |= sqlite3_create_function(r->db, functions[i].name, functions[i].args, flags,
			r, functions[i].call, NULL, NULL);
	err |= sqlite3_create_function(r->db, "total", 2, flags, r, NULL, step_total, final_total);
	err |= sqlite3_create_function(r->db, "bits", 1, flags, r, NULL, step_bits, final_bits);
	return err ? -1 : 0;
}
