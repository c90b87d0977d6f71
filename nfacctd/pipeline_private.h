/*
 * pipeline_private.h - what pipeline.c compiles and lane.c runs.
 */
#ifndef PIPELINE_PRIVATE_H
#define PIPELINE_PRIVATE_H

#include "net/filter.h"
#include "nfacctd/custom.h"
#include "nfacctd/pipeline.h"

enum { SIDES = 2 };

/* Both forms of a table's key (aggregate.h); they differ in addresses only. */
enum key_form { KEY_WIDE, KEY_NARROW, KEY_FORMS };

/* What the operations of one pass over a chunk see. */
struct pass {
	const struct pipeline *p;
	const struct plugin_maps *maps;
	const struct flow_origin *origin;
	const struct flow_record *const *rec, *first;
	const struct tags *tags;
	const uint32_t *rate;		/* of sampling_map, 0: the record's; NULL: no map */
	/* By side: the entry of the address, or NULL. */
	const struct network *const (*hit)[DECODER_CHUNK];
	size_t n, stride;
	uint8_t *keys;
	enum key_form form;		/* of them */
};

struct op;
typedef void fill_fn(const struct op *op, const struct pass *pass);

struct op {
	fill_fn *fill;
	/*
	 * Where the decoder fills keys: `column` says that it fills this field; `mend` is what is
	 * to be done after it, or instead, and looks at no record.
	 */
	fill_fn *mend;
	bool column;
	bool ours;		/* tells whether a host or net lies inside networks_file */
	uint16_t from;		/* in the record */
	uint8_t field;		/* enum flow_field that stands there; when `column` */
	uint16_t at[KEY_FORMS];	/* in the table's key */
	uint8_t side;		/* 0 source, 1 destination: whose address, mask, AS */
	uint8_t primitive;
	uint8_t width;		/* of the field */
	uint8_t nelements;	/* of extras, and their numbers */
	uint16_t element[ELEMENTS_MAX];
};

/* Octets of a table's key that stand elsewhere in the layout's. */
struct key_move {
	uint16_t from[KEY_FORMS], to, n;
	bool addr;
};

struct pipeline {
	struct key_layout layout;
	struct agg_shape shape;
	struct timebin bins;
	size_t bin_bytes;		/* of a key, in front */
	int64_t bin_cache_step;
	struct op op[SIDES][KEY_FIELDS_MAX];
	size_t nops, sides;
	struct key_move move[KEY_FIELDS_MAX];
	size_t nmoves;
	bool lookup[SIDES];		/* the networks file is asked about that end */
	bool filter_hosts, drop_others, pro_rating;
	bool host_stands[SIDES];	/* the host of that end is in the key */
	bool dst_mask_stands;		/* a primitive that tells the destination's mask is */
	enum net_source net_source, as_source;
	bool no_lpm, no_mask_if_zero, dscp, renormalize, ext_rate, ip_next_hop;
	unsigned networks_mask;
	struct filter *filter;
	struct tag_filter *tag_filter, *tag2_filter;
	struct label_filter *label_filter;
	uint64_t post_tag, post_tag2;
	bool tagged, thins;		/* there is a pre_tag_map or post_tag; there is a filter */
	bool direct;			/* see pipeline_direct() */
	bool mends;			/* some operation has a mend */
	size_t proto_at;		/* in a table's key; when ports are mended */
	bool exporter_stands;		/* its address is in the key */
	bool events;			/* accounted, too */
	char notice[160];
};

static inline const struct addr *end_of(const struct flow_record *r, unsigned side)
{
	return side ? &r->dst : &r->src;
}

#endif /* PIPELINE_PRIVATE_H */
