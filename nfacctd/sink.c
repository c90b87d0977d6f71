/*
 * sink.c - the sinks by the type that `plugins:` names.
 */
#include "nfacctd/sink.h"

#include <string.h>

#define SINK(name) extern const struct sink sink_##name;
#include "nfacctd/sinks.def"
#undef SINK

static const struct sink *const sinks[] = {
#define SINK(name) &sink_##name,
#include "nfacctd/sinks.def"
#undef SINK
};

const struct sink *sink_find(const char *type)
{
	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (strcmp(sinks[i]->type, type) == 0)
			return sinks[i];
	return NULL;
}

const char *sink_types(void)
{
	static const char list[] =
#define SINK(name) ", " #name
#include "nfacctd/sinks.def"
#undef SINK
		"";

	return list + 2;	/* past the first comma */
}
