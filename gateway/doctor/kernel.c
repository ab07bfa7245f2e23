/* SPDX-License-Identifier: Apache-2.0
 * Reads kernel versions the way distributions write them. */
#include "doctor/kernel.h"

#include <stdlib.h>
#include <string.h>

/* Reads up to three numbers with dots between; returns what follows. */
static const char *read_numbers(const char *text, struct kiln_kernel *kernel)
{
	unsigned *const parts[] = {&kernel->major, &kernel->minor, &kernel->patch};
	char *end;

	for (size_t i = 0; i < 3; i++) {
		*parts[i] = (unsigned)strtoul(text, &end, 10);
		text = end;
		if (*text != '.' || i == 2)
			break;
		text++;
	}
	return text;
}

void kiln_kernel_parse(struct kiln_kernel *kernel, const char *release, const char *version)
{
	const char *debian = strstr(version, "Debian ");

	*kernel = (struct kiln_kernel){0};
	if (debian != NULL) {
		(void)read_numbers(debian + strlen("Debian "), kernel);
		kernel->exact = kernel->major != 0;
		if (kernel->exact)
			return;
	}
	const char *rest = read_numbers(release, kernel);
	bool vendor = kernel->patch == 0 && *rest == '-' && strncmp(rest, "-rc", 3) != 0;
	kernel->exact = !vendor && strstr(version, "Ubuntu") == NULL;
}

bool kiln_kernel_is(const struct kiln_kernel *kernel, unsigned major, unsigned minor)
{
	return kernel->major > major || (kernel->major == major && kernel->minor >= minor);
}
