/*
 * recall.c - see recall.h.
 *
 * Time is the number of the batch, times two: what a receiver is told before a
 * batch is dated even, what the batch itself teaches odd.
 */
#include "recall.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/store.h"
#include "wire/templates.h"

enum item_kind { ITEM_TEMPLATE, ITEM_OPTIONS, ITEM_RECORD, ITEM_KINDS };

struct stream_key {
	struct addr exporter;
	uint32_t domain;
	uint16_t port;
	uint8_t protocol, zero;
};

struct item_key {
	uint64_t which;		/* ITEM_RECORD: hash of what tells it from others of its template */
	uint32_t stream;	/* row */
	uint16_t id;
	uint8_t kind, zero;
};

struct recall_item {
	struct store_link link;
	struct item_key key;
	struct recall_item *prev, *next; /* of the stream and kind, in the order of learning */
	uint8_t *raw;
	uint32_t n;
};

struct recall_stream {
	struct store_link link;
	struct stream_key key;
	uint32_t serial, nitems;
	size_t octets;
	uint64_t changed;		/* when something new was learnt */
	uint64_t batch;			/* `carriers` is of this one */
	uint32_t carriers;		/* datagrams of the batch that carry something */
	uint32_t heard;			/* recall_heard() counts here */
	uint64_t options;		/* bit id % 64: perhaps an options template */
	struct recall_item *first[ITEM_KINDS], *last[ITEM_KINDS];
};

/* Messages that are being built. */
struct letter {
	uint8_t *arena;
	size_t room, used;
	struct bytes *messages;
	uint32_t *units;		/* by which the sequence number grows */
	size_t n, max;
	struct cursor c;
	unsigned records;		/* of the open message, for the v9 count */
};

struct recall {
	struct store streams, items;
	void *streams_mem, *items_mem;
	size_t octets_max;
	uint64_t clock;			/* even */
	uint32_t serials;
	uint64_t seed;
	struct recall_counts counts;
	struct letter letter;
};

struct recall_limits recall_limits_of(size_t megabytes)
{
	const uint64_t items = (uint64_t)megabytes * 4096;

	return (struct recall_limits){ .streams = (uint32_t)(items / 4), .items = (uint32_t)items,
		.octets = megabytes << 20 };
}

struct recall *recall_new(const struct recall_limits *l, uint64_t seed)
{
	struct recall *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->streams_mem = aligned_alloc(64, store_size(l->streams, sizeof(struct recall_stream)));
	m->items_mem = aligned_alloc(64, store_size(l->items, sizeof(struct recall_item)));
	/* Messages repeat a header and a Set header for at worst every item, and pad it. */
	m->letter.room = RECALL_STREAM_OCTETS + RECALL_STREAM_ITEMS * 32;
	m->letter.arena = malloc(m->letter.room);
	m->letter.max = RECALL_STREAM_ITEMS;
	m->letter.messages = calloc(m->letter.max, sizeof(*m->letter.messages));
	m->letter.units = calloc(m->letter.max, sizeof(*m->letter.units));
	if (!m->streams_mem || !m->items_mem || !m->letter.arena || !m->letter.messages ||
		!m->letter.units) {
		recall_free(m);
		errno = ENOMEM;
		return NULL;
	}
	store_init(&m->streams, m->streams_mem, l->streams, sizeof(struct recall_stream),
		   sizeof(struct stream_key), seed);
	store_init(&m->items, m->items_mem, l->items, sizeof(struct recall_item),
		sizeof(struct item_key), seed + 1);
	m->octets_max = l->octets;
	m->seed = seed;
	return m;
}

void recall_free(struct recall *m)
{
	if (!m)
		return;
	if (m->items.rows)
		for (struct recall_item *i = NULL; (i = store_next(&m->items, i)); )
			free(i->raw);
	free(m->streams_mem);
	free(m->items_mem);
	free(m->letter.arena);
	free(m->letter.messages);
	free(m->letter.units);
	free(m);
}

const struct recall_counts *recall_counts(const struct recall *m)
{
	return &m->counts;
}

static uint32_t row_of(const struct recall *m, const struct recall_stream *s)
{
	return (uint32_t)((size_t)((const uint8_t *)s - m->streams.rows) / sizeof(*s));
}

static struct recall_stream *stream_at(const struct recall *m, uint32_t row)
{
	return (struct recall_stream *)(void *)(m->streams.rows +
		(size_t)row * sizeof(struct recall_stream));
}

static struct recall_stream *stream_of(const struct recall_mark *mark)
{
	return mark->stream && mark->stream->serial == mark->serial ? mark->stream : NULL;
}

/* ---- items ------------------------------------------------------------------ */

static void item_remove(struct recall *m, struct recall_item *i)
{
	struct recall_stream *s = stream_at(m, i->key.stream);
	const int kind = i->key.kind;

	*(i->prev ? &i->prev->next : &s->first[kind]) = i->next;
	*(i->next ? &i->next->prev : &s->last[kind]) = i->prev;
	s->nitems--;
	s->octets -= i->n;
	m->counts.items--;
	m->counts.octets -= i->n;
	free(i->raw);
	store_remove(&m->items, i);
}

/* Everything of a kind and template; id 0: of the kind. */
static size_t items_remove(
	struct recall *m, struct recall_stream *s, enum item_kind kind, uint16_t id)
{
	size_t n = 0;

	for (struct recall_item *i = s->first[kind], *next; i; i = next) {
		next = i->next;
		if (id && i->key.id != id)
			continue;
		item_remove(m, i);
		n++;
	}
	return n;
}

static void evict_items(struct recall *m, size_t n)
{
	while (m->counts.items == m->items.cap || m->counts.octets + n > m->octets_max) {
		struct recall_item *oldest = store_next(&m->items, NULL);

		if (!oldest)
			break;
		item_remove(m, oldest);
		m->counts.evicted_items++;
	}
}

static struct recall_item *item_find(struct recall *m, const struct recall_stream *s,
	enum item_kind kind, uint16_t id, uint64_t which)
{
	const struct item_key key = {
		.which = which, .stream = row_of(m, s), .id = id, .kind = (uint8_t)kind
	};

	return store_find(&m->items, &key);
}

/* Keep `raw`; false when it cannot be. */
static bool item_keep(struct recall *m, struct recall_stream *s, enum item_kind kind, uint16_t id,
		      uint64_t which, struct bytes raw)
{
	struct recall_item *i = item_find(m, s, kind, id, which);
	const struct item_key key = {
		.which = which, .stream = row_of(m, s), .id = id, .kind = (uint8_t)kind
	};
	uint8_t *copy;
	bool fresh;

	if (i && i->n == raw.n && memcmp(i->raw, raw.p, raw.n) == 0) {
		m->counts.refreshed++;
		return true;
	}
	if (i)
		item_remove(m, i);
	if (raw.n > RECALL_ITEM_MAX || s->nitems == RECALL_STREAM_ITEMS ||
	    s->octets + raw.n > RECALL_STREAM_OCTETS)
		return false;
	copy = malloc(raw.n ? raw.n : 1);
	if (!copy)
		return false;
	evict_items(m, raw.n);
	i = store_put(&m->items, &key, &fresh);
	memcpy(copy, raw.p, raw.n);
	i->raw = copy;
	i->n = (uint32_t)raw.n;
	i->prev = s->last[kind];
	*(i->prev ? &i->prev->next : &s->first[kind]) = i;
	s->last[kind] = i;
	s->nitems++;
	s->octets += raw.n;
	s->changed = m->clock + 1;
	m->counts.items++;
	m->counts.octets += raw.n;
	m->counts.learnt++;
	return true;
}

/* ---- streams ---------------------------------------------------------------- */

static bool has_templates(const struct peek *peek)
{
	return peek->protocol == PROTO_NETFLOW9 || peek->protocol == PROTO_IPFIX;
}

static struct stream_key key_of(const struct datagram *d, const struct peek *peek)
{
	return (struct stream_key) { .exporter = d->from.addr,
		.domain = peek->domain,
		.port = d->from.port,
		.protocol = (uint8_t)peek->protocol };
}

static void stream_clear(struct recall *m, struct recall_stream *s)
{
	for (int kind = 0; kind < ITEM_KINDS; kind++)
		items_remove(m, s, (enum item_kind)kind, 0);
}

/* A new row; the one unused for longest gives way. */
static struct recall_stream *stream_add(struct recall *m, const struct stream_key *key)
{
	struct recall_stream *s;
	bool fresh;

	if (m->counts.streams == m->streams.cap) {
		s = store_next(&m->streams, NULL);
		stream_clear(m, s);
		store_remove(&m->streams, s);
		m->counts.evicted_streams++;
		m->counts.streams--;
	}
	s = store_put(&m->streams, key, &fresh);
	s->serial = ++m->serials;
	s->changed = m->clock + 1;
	m->counts.streams++;
	return s;
}

void recall_begin(struct recall *m)
{
	m->clock += 2;
}

/* Whether a Set of this datagram defines something, or is data of a known options template. */
static bool carries(const struct recall_stream *s, struct bytes data)
{
	struct flow_msg msg;
	struct set_iter it;
	struct flow_set set;

	if (flow_msg_parse(&msg, data) != WIRE_OK)
		return false;
	for (set_first(&it, &msg); set_next(&it, &set); ) {
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS)
			return true;
		if (set.kind == SET_DATA && s && s->options >> (set.id % 64) & 1)
			return true;
	}
	return false;
}

void recall_look(struct recall *m, const struct datagram *d, const struct peek *peek,
		 struct recall_mark *mark)
{
	struct stream_key key;

	*mark = (struct recall_mark){ 0 };
	if (!has_templates(peek))
		return;
	key = key_of(d, peek);
	mark->stream = store_find(&m->streams, &key);
	mark->carries = carries(mark->stream, d->data);
	if (!mark->stream && mark->carries)
		mark->stream = stream_add(m, &key);
	if (!mark->stream)
		return;
	mark->serial = mark->stream->serial;
	if (mark->carries && mark->stream->batch != m->clock) {
		mark->stream->batch = m->clock;
		mark->stream->carriers = 0;
	}
	mark->stream->carriers += mark->carries;
}

void recall_find(struct recall *m, const struct datagram *d, const struct peek *peek,
		 struct recall_mark *mark)
{
	struct stream_key key;

	*mark = (struct recall_mark){ 0 };
	if (!has_templates(peek))
		return;
	key = key_of(d, peek);
	mark->stream = store_find(&m->streams, &key);
	if (mark->stream)
		mark->serial = mark->stream->serial;
}

/* ---- learning ----------------------------------------------------------------- */

/* Information Elements that say what an option record is about, beside its scopes. */
static bool is_identifier(const struct field_spec *f)
{
	/* Interfaces, sampler, metering and export process, domain, VRFs, application, selectors,
	 * PEN. */
	static const uint16_t ids[] = { 10, 14, 48, 95, 143, 144, 145, 149, 234, 235, 301, 302, 303,
		346 };

	for (size_t i = 0; f->pen == 0 && i < sizeof(ids) / sizeof(ids[0]); i++)
		if (ids[i] == f->id)
			return true;
	return false;
}

/* Length of the field at `p`, its length octets included (RFC 7011 7; v9 has no such fields);
 * more than `n` when it is cut. */
static size_t field_length(
	uint16_t version, const struct field_spec *f, const uint8_t *p, size_t n)
{
	if (f->len != IE_VARLEN || version == 9)
		return f->len;
	if (n < 1 || (p[0] == 255 && n < 3))
		return n + 1;
	return p[0] < 255 ? 1 + (size_t)p[0] : 3 + (size_t)be16(p + 1);
}

/* Length of the record at `p`, 0 when it is cut; *which tells it from others. */
static size_t record_read(const struct recall *m, const struct template_def *t, const uint8_t *p,
	size_t n, uint64_t *which)
{
	size_t at = 0;
	uint64_t h = m->seed ^ UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < t->nfields; i++) {
		const size_t len = field_length(t->version, &t->fields[i], p + at, n - at);

		if (len > n - at)
			return 0;
		if (i < t->nscope || is_identifier(&t->fields[i])) {
			for (size_t k = 0; k < len; k++)
				h = (h ^ p[at + k]) * UINT64_C(0x100000001b3);
			h ^= h >> 29;
		}
		at += len;
	}
	*which = h;
	return at;
}

/*
 * A template is used with each of its records, and after them: what gives way is
 * a record that was not told again for long, never the template that it cannot
 * be read without.
 */
static void learn_records(struct recall *m, struct recall_stream *s, const struct flow_set *set,
			  uint16_t version)
{
	const struct recall_item *options = item_find(m, s, ITEM_OPTIONS, set->id, 0);
	struct template_def def;
	struct bytes rest;
	uint64_t which;
	size_t len;

	if (!options)
		return;
	rest = (struct bytes){ options->raw, options->n };
	if (template_read(&def, &rest, version, true) != WIRE_OK)
		return;
	for (rest = set->body; rest.n; rest.p += len, rest.n -= len) {
		len = record_read(m, &def, rest.p, rest.n, &which);
		if (len == 0)
			break;
		m->counts.refused += !item_keep(
			m, s, ITEM_RECORD, set->id, which, (struct bytes) { rest.p, len });
		item_find(m, s, ITEM_OPTIONS, set->id, 0);
	}
}

static void withdraw(struct recall *m, struct recall_stream *s, bool options, uint16_t id)
{
	const bool all = id == WITHDRAW_ALL || id == WITHDRAW_ALL_OPTIONS;

	m->counts.withdrawn +=
		items_remove(m, s, options ? ITEM_OPTIONS : ITEM_TEMPLATE, all ? 0 : id);
	if (options)
		items_remove(m, s, ITEM_RECORD, all ? 0 : id);
}

/* An ID has one meaning: a definition under it ends another of the other kind, a new one its
 * records. */
static void learn_template(struct recall *m, struct recall_stream *s, bool options, uint16_t id,
			   struct bytes raw)
{
	const struct recall_item *other =
		item_find(m, s, options ? ITEM_TEMPLATE : ITEM_OPTIONS, id, 0);
	const struct recall_item *before =
		item_find(m, s, options ? ITEM_OPTIONS : ITEM_TEMPLATE, id, 0);

	if (other)
		items_remove(m, s, options ? ITEM_TEMPLATE : ITEM_OPTIONS, id);
	if ((other && !options) || (before && options &&
				   (before->n != raw.n || memcmp(before->raw, raw.p, raw.n) != 0)))
		items_remove(m, s, ITEM_RECORD, id);
	if (options)
		s->options |= UINT64_C(1) << (id % 64);
	m->counts.refused += !item_keep(m, s, options ? ITEM_OPTIONS : ITEM_TEMPLATE, id, 0, raw);
}

static void learn_templates(struct recall *m, struct recall_stream *s, const struct flow_set *set,
			    uint16_t version)
{
	const bool options = set->kind == SET_OPTIONS;
	struct bytes rest = set->body;
	struct template_def def;

	while (rest.n && !template_padding(rest)) {
		const uint8_t *start = rest.p;
		enum wire_err err = template_read(&def, &rest, version, options);

		if (err == WIRE_WITHDRAWAL)
			withdraw(m, s, options, def.id);
		else if (err == WIRE_OK)
			learn_template(m, s, options, def.id,
				(struct bytes) { start, (size_t)(rest.p - start) });
		else
			m->counts.refused++;
	}
}

uint32_t recall_option_records(const struct recall *m, const struct recall_mark *mark,
			       const struct flow_set *set, uint16_t version)
{
	const struct recall_stream *s = stream_of(mark);
	const struct recall_item *options;
	struct template_def def;
	struct bytes rest;
	struct item_key key;
	uint32_t n = 0;
	uint64_t which;
	size_t len;

	if (!s || !(s->options >> (set->id % 64) & 1))
		return 0;
	key = (struct item_key){ .stream = row_of(m, s), .id = set->id, .kind = ITEM_OPTIONS };
	options = store_look(&m->items, &key);
	if (!options)
		return 0;
	rest = (struct bytes){ options->raw, options->n };
	if (template_read(&def, &rest, version, true) != WIRE_OK)
		return 0;
	for (rest = set->body; rest.n; n++, rest.p += len, rest.n -= len) {
		len = record_read(m, &def, rest.p, rest.n, &which);
		if (len == 0)
			break;
	}
	return n;
}

void recall_learn(struct recall *m, const struct datagram *d, const struct peek *peek)
{
	const struct stream_key key = key_of(d, peek);
	struct recall_stream *s = store_find(&m->streams, &key);
	struct flow_msg msg;
	struct set_iter it;
	struct flow_set set;

	/* Gone when a batch tells of more new streams than there are rows. */
	if (!s || flow_msg_parse(&msg, d->data) != WIRE_OK)
		return;
	for (set_first(&it, &msg); set_next(&it, &set); ) {
		if (set.kind == SET_TEMPLATE || set.kind == SET_OPTIONS)
			learn_templates(m, s, &set, msg.version);
		else if (set.kind == SET_DATA && s->options >> (set.id % 64) & 1)
			learn_records(m, s, &set, msg.version);
	}
}

/* ---- what receivers know --------------------------------------------------------- */

int recall_known_init(struct recall_known *k, const struct recall *m)
{
	k->at = calloc(m->streams.cap, sizeof(*k->at));
	k->since = m->clock;		/* all are 0, below it */
	return k->at ? 0 : -1;
}

void recall_known_clear(struct recall_known *k)
{
	free(k->at);
	k->at = NULL;
}

void recall_forget(struct recall_known *k, const struct recall *m)
{
	k->since = m->clock + 2;
}

bool recall_needs(
	const struct recall *m, const struct recall_known *k, const struct recall_mark *mark)
{
	const struct recall_stream *s = stream_of(mark);
	uint64_t at;

	if (!s || s->nitems == 0 || !k->at)
		return false;
	at = k->at[row_of(m, s)];
	return at < s->changed || at < k->since;
}

bool recall_knows_all(const struct recall *m, const struct recall_known *k)
{
	for (struct recall_stream *s = NULL; (s = store_next(&m->streams, s)); ) {
		const struct recall_mark mark = { s, s->serial, true };

		if (s->nitems && (!k->at || recall_needs(m, k, &mark)))
			return false;
	}
	return true;
}

void recall_know_all(struct recall_known *k, const struct recall *m)
{
	if (!k->at && recall_known_init(k, m) < 0)
		return;
	for (struct recall_stream *s = NULL; (s = store_next(&m->streams, s)); )
		k->at[row_of(m, s)] = m->clock + 1;
}

uint64_t recall_now(const struct recall *m)
{
	return m->clock + 1;
}

bool recall_changed(const struct recall_mark *mark, uint64_t since)
{
	const struct recall_stream *s = stream_of(mark);

	return s && s->changed > since;
}

void recall_told(struct recall_known *k, const struct recall *m, const struct recall_mark *mark)
{
	const struct recall_stream *s = stream_of(mark);

	/* Between batches it was to forget what it knows by the next one. */
	if (s && k->at)
		k->at[row_of(m, s)] = m->clock > k->since ? m->clock : k->since;
}

void recall_heard(struct recall_known *k, const struct recall *m, const struct recall_mark *marks,
		  const uint32_t *at, size_t n)
{
	struct recall_stream *s;

	for (size_t i = 0; k->at && i < n; i++) {
		if (!marks[at[i]].carries || !(s = stream_of(&marks[at[i]])))
			continue;
		if (++s->heard == s->carriers)
			k->at[row_of(m, s)] = m->clock + 1;
	}
	for (size_t i = 0; k->at && i < n; i++)
		if (marks[at[i]].carries && (s = stream_of(&marks[at[i]])))
			s->heard = 0;
}

/* ---- telling ---------------------------------------------------------------------- */

static void message_open(struct letter *l, const struct flow_msg *head)
{
	l->c = cursor(l->arena + l->used, l->room - l->used);
	flow_msg_begin(&l->c, head);
	l->records = 0;
	l->units[l->n] = 0;
}

static void message_close(struct letter *l, const struct flow_msg *head)
{
	if (l->records == 0 || l->c.full)
		return;
	flow_msg_end(&l->c, head, l->records);
	l->messages[l->n] = (struct bytes){ l->c.start, cursor_used(&l->c) };
	/* v9 counts this message, IPFIX its records. */
	if (head->version == 9)
		l->units[l->n] = 1;
	l->used += cursor_used(&l->c);
	l->n++;
}

/* Items from `i` on that share a Set: of one template, and no more than fit. */
static const struct recall_item *put_set(struct letter *l, const struct flow_msg *head,
					 const struct recall_item *i)
{
	const uint16_t set_id = i->key.kind == ITEM_RECORD ? i->key.id :
		(uint16_t)((head->version == 9 ? 0 : 2) + (i->key.kind == ITEM_OPTIONS));
	const uint16_t id = i->key.id;
	uint8_t *mark = flow_set_begin(&l->c, set_id);
	size_t shortest = SIZE_MAX;

	do {
		put_bytes(&l->c, i->raw, i->n);
		l->records++;
		if (i->key.kind == ITEM_RECORD && head->version == 10)
			l->units[l->n]++;
		shortest = i->n < shortest ? i->n : shortest;
		i = i->next;
		/* v9 options templates need not end on 4 octets: one a Set. */
	} while (i && i->key.kind != ITEM_OPTIONS &&
		(i->key.kind == ITEM_TEMPLATE || i->key.id == id) &&
		cursor_used(&l->c) + i->n + 4 <= RECALL_MESSAGE);
	/* Padding as long as a record would be read as one; IPFIX data does without (RFC 7011
	 * 3.3.1). */
	if (set_id < TEMPLATE_ID_MIN || (head->version == 9 && shortest > 3))
		flow_set_end(&l->c, mark);
	else if (!l->c.full)
		patch16(mark + 2, (size_t)(l->c.at - mark));
	return i;
}

/* Sequence numbers that lead up to that of the datagram behind them. */
static void number(struct letter *l, const struct flow_msg *head)
{
	uint32_t sequence = head->sequence;

	for (size_t i = l->n; i-- > 0; ) {
		uint8_t *p = (uint8_t *)(uintptr_t)l->messages[i].p;

		sequence -= l->units[i];
		patch32(p + (head->version == 9 ? 12 : 8), sequence);
	}
}

size_t recall_messages(struct recall *m, const struct recall_mark *mark, struct bytes next,
		       const struct bytes **messages)
{
	const struct recall_stream *s = stream_of(mark);
	struct letter *l = &m->letter;
	struct flow_msg head;

	*messages = l->messages;
	l->n = l->used = 0;
	if (!s || s->nitems == 0 || flow_msg_parse(&head, next) != WIRE_OK)
		return 0;
	message_open(l, &head);
	for (int kind = 0; kind < ITEM_KINDS; kind++) {
		for (const struct recall_item *i = s->first[kind]; i; ) {
			if (l->records && cursor_used(&l->c) + i->n + 8 > RECALL_MESSAGE) {
				message_close(l, &head);
				if (l->n == l->max || l->c.full)
					break;
				message_open(l, &head);
			}
			i = put_set(l, &head, i);
		}
	}
	if (l->n < l->max)
		message_close(l, &head);
	number(l, &head);
	return l->n;
}

void recall_walk(struct recall *m, recall_walker *walker, void *ctx)
{
	for (struct recall_stream *s = NULL; (s = store_next(&m->streams, s)); ) {
		const struct endpoint from = { s->key.exporter, s->key.port, false };
		const struct recall_mark mark = { s, s->serial, true };
		const struct bytes *messages;
		/* A header alone, of RFC 3954 5.1 or RFC 7011 3.1. */
		uint8_t next[20] = { 0 };
		const bool v9 = s->key.protocol == PROTO_NETFLOW9;
		const size_t header = v9 ? 20 : 16;
		size_t n;

		patch16(next, v9 ? 9 : 10);
		if (!v9)
			patch16(next + 2, header);
		patch32(next + header - 4, s->key.domain);
		n = recall_messages(m, &mark, (struct bytes) { next, header }, &messages);
		for (size_t i = 0; i < n; i++)
			walker(ctx, &from, messages[i]);
	}
}
