/*
 * fuzz_flowset.c - one v9 or IPFIX message: Sets, template records, plans.
 *
 * Every template of the message is compiled, and its plan runs over what
 * follows it, whatever the data Sets say: by record and, where it may, by
 * columns, which have to agree.
 */
#include <stdlib.h>
#include "wire/flowset.h"
#include "wire/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct template_def def;
static struct plan plan;
static struct plan_work work;
static const struct extras_want want = {
	.n = 4, .element = { { 0, 1 }, { 0, 8 }, { 9, 1 }, { 0, 96 } }
};

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void run(struct bytes b)
{
	const struct plan_time t = { .at_us = UINT64_C(1700000000000000),
		.uptime = 5000,
		.tick_us = 1000,
		.has_uptime = true };
	struct bytes extras[EXTRAS_MAX];
	struct flow_record column, other;
	uint32_t num, den;

	for (unsigned records = 0; records < 64; records++) {
		size_t used = plan_record(&plan, &work, b.p, b.n, &t);

		if (used == 0)
			return;
		must(used >= plan.min_len && used <= b.n);
		must(plan.flags & PLAN_VARLEN || used == plan.min_len);
		if (plan_ratio(&plan, &work, &num, &den))
			must(num > 0 && den > 0);
		plan_reverse(&plan, &work, &other);
		if (!(plan.flags & PLAN_CAREFUL)) {
			column = flow_record_empty;
			column.present = plan.present;
			plan_columns(&plan, &column, b.p, 1, &t, UINT64_MAX);
			must(flow_equal(&column, &work.rec));
			plan_extras(&plan, extras, 0, b.p, 1);
			for (size_t i = 0; i < plan.nextras; i++) {
				const size_t k = plan.extras[i].element;

				must(extras[k].p == work.extras[k].p && extras[k].n == work.extras[k].n);
			}
		}
		b.p += used;
		b.n -= used;
	}
}

static void templates(const struct flow_set *set, uint16_t version, struct bytes behind)
{
	struct bytes rest = set->body;

	while (!template_padding(rest)) {
		size_t before = rest.n;
		enum wire_err err = template_read(&def, &rest, version, set->kind == SET_OPTIONS);

		must(rest.n < before);
		if (err != WIRE_OK)
			continue;
		must(def.nfields <= TEMPLATE_FIELDS_MAX && def.nscope <= def.nfields &&
			def.id >= TEMPLATE_ID_MIN);
		if (plan_compile(&plan, &def, &want) != WIRE_OK)
			continue;
		must(plan.min_len > 0 && plan.nops <= PLAN_OPS);
		run(rest);
		run(behind);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct flow_msg msg;
	struct set_iter it;
	struct flow_set set;

	if (flow_msg_parse(&msg, (struct bytes){ data, n }) != WIRE_OK)
		return 0;
	must(msg.sets.n <= n && msg.trailing <= msg.sets.n);
	for (set_first(&it, &msg); set_next(&it, &set); ) {
		must(set.body.p >= data && set.body.p + set.body.n <= data + n);
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS)
			templates(&set, msg.version, it.rest);
	}
	return 0;
}
