/*
 * wire.c - the names and texts of everything that can be wrong.
 */
#include "wire.h"

static const struct {
	const char *name, *text;
} rows[WIRE_ERRORS_MAX] = {
#define X(id, name, text) [id] = { name, text },
	WIRE_ERRORS(X)
#undef X
};

const char *wire_err_name(enum wire_err err)
{
	return (unsigned)err < WIRE_ERRORS_MAX ? rows[err].name : "unknown";
}

const char *wire_err_text(enum wire_err err)
{
	return (unsigned)err < WIRE_ERRORS_MAX ? rows[err].text : "unknown error";
}
