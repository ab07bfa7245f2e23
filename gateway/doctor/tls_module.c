/* SPDX-License-Identifier: Apache-2.0
 * Where the kernel's TLS module is: in the configuration, in memory, on disk. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <zlib.h>

#include "doctor/facts.h"
#include "doctor/ktls_reason.h"

enum kiln_kconfig kiln_kconfig_read(const char *path, const char *option)
{
	enum kiln_kconfig found = KILN_KCONFIG_NO; /* "is not set" is a comment, or no line */
	size_t len = strlen(option);
	char line[512];
	gzFile file = gzopen(path, "rb"); /* reads plain files as they are */

	if (file == NULL)
		return KILN_KCONFIG_UNKNOWN;
	while (gzgets(file, line, sizeof line) != NULL) {
		if (strncmp(line, option, len) != 0 || line[len] != '=')
			continue;
		found = line[len + 1] == 'm' ? KILN_KCONFIG_MODULE : KILN_KCONFIG_BUILT_IN;
		break;
	}
	(void)gzclose(file);
	return found;
}

static bool is_loaded(void)
{
	char line[512];
	bool found = false;
	FILE *file = fopen("/proc/modules", "re");

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof line, file) != NULL)
		found = strncmp(line, "tls ", 4) == 0;
	(void)fclose(file);
	return found;
}

/* tls.ko, or with a compressor's ending. */
static bool has_file(const char *folder)
{
	static const char *const endings[] = {"", ".xz", ".zst", ".gz"};
	char path[256];

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		(void)snprintf(path, sizeof path, "%.150s/kernel/net/tls/tls.ko%s", folder,
			       endings[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

void kiln_tls_module_look(struct kiln_tls_module *module)
{
	struct utsname uts;
	char path[160];

	*module =
	    (struct kiln_tls_module){.loaded = is_loaded(), .install = kiln_fact_modules_command()};
	if (uname(&uts) != 0)
		return;
	(void)snprintf(path, sizeof path, "/lib/modules/%s", uts.release);
	module->folder = access(path, F_OK) == 0;
	module->file = has_file(path);
	module->config = kiln_kconfig_read("/proc/config.gz", "CONFIG_TLS");
	if (module->config == KILN_KCONFIG_UNKNOWN) {
		(void)snprintf(path, sizeof path, "/boot/config-%s", uts.release);
		module->config = kiln_kconfig_read(path, "CONFIG_TLS");
	}
}
