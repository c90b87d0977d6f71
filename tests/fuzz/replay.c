/*
 * replay.c - a main for the fuzz targets without libFuzzer: every file of the
 * corpus folders named goes through the target, whole and cut at every length, or
 * at as many lengths as the target says (one whose runs are slow says few).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern unsigned fuzz_cuts;
__attribute__((weak)) unsigned fuzz_cuts = 4096;

static size_t inputs;

static void replay_file(const char *path)
{
	static uint8_t file[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t n, step;

	if (!f)
		return;
	n = fread(file, 1, sizeof(file), f);
	fclose(f);
	step = n / fuzz_cuts + 1;
	for (size_t cut = 0; cut < n; cut += step) {
		/* A heap copy of the exact size, so that the sanitizer sees one byte too far. */
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, file, cut);
		LLVMFuzzerTestOneInput(copy, cut);
		free(copy);
	}
	LLVMFuzzerTestOneInput(file, n);
	inputs++;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		while (d && (e = readdir(d))) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			replay_file(path);
		}
		if (d)
			closedir(d);
	}
	printf("%s: %zu corpus files, each cut at up to %u lengths\n", argv[0], inputs, fuzz_cuts);
	return 0;
}
