/*
 * output.c - the table of outputs.
 */
#include <string.h>
#include "pcapgen/output.h"

static const struct output_class *const outputs[] = {
#define OUTPUT(name) &output_##name,
#include "pcapgen/outputs.def"
#undef OUTPUT
};

const struct output_class *output_find(const char *name)
{
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		if (!strcmp(outputs[i]->name, name))
			return outputs[i];
	return NULL;
}
