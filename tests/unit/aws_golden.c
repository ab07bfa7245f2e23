/* SPDX-License-Identifier: Apache-2.0
 * Finding and reading recorded data; see aws_golden.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws_golden.h"

static void path_of(char *out, size_t room, const char *part, const char *file)
{
	const char *top = getenv("KILN_GOLDEN");
	(void)snprintf(out, room, "%s/%s/%s", top != NULL ? top : KILN_GOLDEN_DEFAULT, part, file);
}

bool golden_here(const char *part)
{
	char path[1024];
	path_of(path, sizeof path, part, "");
	if (access(path, R_OK) == 0)
		return true;
	printf("skipped: no golden data (%s; set KILN_GOLDEN)\n", path);
	return false;
}

char *golden_read(const char *part, const char *file, size_t *len)
{
	char path[1024];
	path_of(path, sizeof path, part, file);
	FILE *f = fopen(path, "rb");
	char *data = malloc(1 << 20);
	if (f == NULL || data == NULL)
		fail_msg("%s cannot be read", path);
	*len = fread(data, 1, (1 << 20) - 1, f);
	data[*len] = '\0';
	fclose(f);
	return data;
}

json_t *golden_json(const char *part, const char *file)
{
	size_t len;
	char *data = golden_read(part, file, &len);
	json_t *value = json_loadb(data, len, JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	free(data);
	return value;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t golden_list(const char *part, char *names[], size_t max)
{
	char path[1024];
	size_t count = 0;
	path_of(path, sizeof path, part, "");
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < max;)
		if (entry->d_name[0] != '.')
			names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof names[0], by_name);
	return count;
}
