/*
 * wire.h - spans of bytes, big-endian loads, and everything that can be wrong
 * with what arrives.
 *
 * lib/wire turns bytes into structs and back.  It allocates nothing, reads no
 * clock, opens no socket, logs nothing and has no global state (`make pure`
 * proves it).  Any bytes are safe to pass in.  A width is in the type of the
 * load: be16() takes a pointer to two bytes, so that a four-byte load of a
 * two-byte field is a compiler warning and not a wrong bill.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

/* Nothing but zeros in it: fill, padding. */
static inline int bytes_all_zero(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i])
			return 0;
	return 1;
}

/*
 * What can be wrong with a datagram, a Set, a sample or a template: one row is
 * the value, the name of its counter and the text of its log line.  "refused"
 * means that nothing of the datagram was read; the others cost what they name.
 */
#define WIRE_ERRORS(X)                                                                            \
	X(WIRE_OK, "ok", "ok")                                                                    \
	X(WIRE_SHORT, "short", "datagram ends inside its header")                                 \
	X(WIRE_VERSION, "version", "unknown export protocol or version")                          \
	X(WIRE_COUNT, "count", "header announces more records than arrived")                      \
	X(WIRE_LENGTH, "length", "a length field is below its minimum or runs past its container") \
	X(WIRE_NO_TEMPLATE, "no_template", "data Set whose template is not known")                \
	X(WIRE_TEMPLATE_ID, "template_id", "template ID below 256")                               \
	X(WIRE_TEMPLATE_EMPTY, "template_empty", "template without fields or of zero record length") \
	X(WIRE_TEMPLATE_CUT, "template_cut", "template ends inside its field list")               \
	X(WIRE_TEMPLATE_FIELDS, "template_fields", "template with more fields than are kept")     \
	X(WIRE_TEMPLATE_SCOPE, "template_scope", "options template with an unlawful scope")       \
	X(WIRE_WITHDRAWAL, "withdrawal", "template withdrawal over UDP")                          \
	X(WIRE_RECORD_CUT, "record_cut", "record runs past the end of its Set")                   \
	X(WIRE_SET_RESERVED, "set_reserved", "Set with a reserved ID")                            \
	X(WIRE_SAMPLE_CUT, "sample_cut", "sFlow sample or record runs past its length")           \
	X(WIRE_SAMPLE_UNKNOWN, "sample_unknown", "sFlow sample of unknown type")                  \
	X(WIRE_TRAILING, "trailing", "bytes after the last record")                               \
	X(WIRE_PADDING, "padding", "padding of a data Set is not zero")

enum wire_err {
#define X(id, name, text) id,
	WIRE_ERRORS(X)
#undef X
	WIRE_ERRORS_MAX
};

/* "no_template": for counters.  Never NULL. */
const char *wire_err_name(enum wire_err err);
/* "data Set whose template is not known": for people.  Never NULL. */
const char *wire_err_text(enum wire_err err);

static inline uint16_t be16(const uint8_t p[static 2])
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t p[static 4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64(const uint8_t p[static 8])
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

/*
 * An unsigned number of any width, 1 to 8 bytes (RFC 7011 6.2, reduced-size
 * encoding); of a wider field the last 8 bytes count.
 */
static inline uint64_t be_any(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	if (n > 8) {
		p += n - 8;
		n = 8;
	}
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

#endif /* WIRE_H */
