/*
 * fuzz_tagmap.c - pre_tag_map and sampling_map: whatever the bytes, a line is a
 * rule or is skipped, and every search ends.  The first line is taken as a
 * pre_tag_filter, too.
 *
 * The modules are included: a fuzz target links the libraries only.
 */
#include "net/filter.h"
#include "nfacctd/labels.c"
#include "nfacctd/map_lines.c"
#define blank tagmap_blank
#include "nfacctd/tagmap.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void swallow(void *ctx, enum log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void search(const char *text, size_t n, enum tagmap_kind kind)
{
	struct tagmap *m = tagmap_parse("f", text, n, kind);
	struct flow_origin o = { .exporter = addr_make4(0x7f000001), .domain = 7 };
	struct flow_record r = flow_record_empty;
	struct tag_view view = { 0 };
	struct tags tags;

	r.src = addr_make4(0x0a000001);
	r.dst = addr_make4(0x0a000002);
	flow_set(&r, FLOW_in_if, 1);
	flow_set(&r, FLOW_proto, 17);
	for (int i = 0; i < 2; i++) {
		tagmap_find(m, &view, &o, &r, &tags);
		(void)label_text(tags.label);
		o.exporter = addr_make4(0x7f000002);
	}
	tag_view_clear(&view);
	tagmap_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data, *expected;
	char line[256];
	struct tag_filter *tags;
	struct label_filter *labels;

	log_capture(swallow, NULL);
	search(text, n, TAGMAP_PRE_TAG);
	search(text, n, TAGMAP_SAMPLING);
	snprintf(line, sizeof(line), "%.*s", (int)(n < 255 ? n : 255), n ? text : "");
	tags = tag_filter_new(line, &expected);
	if (tags)
		tag_filter_passes(tags, n);
	tag_filter_free(tags);
	labels = label_filter_new(line, &expected);
	if (labels)
		label_filter_passes(labels, 0);
	label_filter_free(labels);
	return 0;
}
